"""The autoencoder uses its latents and reproduces the modes of its training data."""

import numpy as np
import torch

from matgym.generative.examples import COLUMNS, ConditionScaling
from matgym.generative.geometry import geometry
from matgym.generative.vae import VaeNetwork, VaeSize, VariationalAutoencoder
from matgym.structures import Species, tube_lattice

UNSCALED = ConditionScaling(np.zeros(len(COLUMNS)), np.ones(len(COLUMNS)))
ATOMS, TUBES, STEPS = 6, 300, 160


def test_dopants_that_share_a_sublattice_in_training_share_one_in_drawn_tubes():
    """Independent sites cannot give this mixture: by chance 3 % of tubes have all six atoms on one sublattice."""
    torch.manual_seed(0)
    lattice, rng = tube_lattice(8, 0, 2), np.random.default_rng(0)
    shape = geometry(lattice)
    network = VaeNetwork(VaeSize(16, 1, 2, 4), 2)
    real = torch.zeros((256, 2, 64))
    for tube, side in enumerate(rng.integers(2, size=256)):
        real[tube, 0, side * 32 + rng.permutation(32)[:ATOMS]] = 1.0
    optimizer, losses = torch.optim.Adam(network.parameters(), lr=3e-3), []
    for step in range(STEPS):
        batch = real[rng.permutation(256)[:64]]
        loss = network.loss(shape, batch, torch.zeros((64, len(COLUMNS))), rng, step / STEPS)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    share = ATOMS / 64
    chance = -(share * np.log(share) + (1 - share) * np.log(1 - share))  # nats per site, by the composition alone
    assert np.mean(losses[-10:]) < chance
    model = VariationalAutoencoder(network.eval(), (Species.B, Species.N), "gap_ev", UNSCALED)
    drawn = model.draw(lattice, np.full(TUBES, 0.9), np.tile([ATOMS, 0], (TUBES, 1)), rng)
    first = (drawn[:, :32] == Species.B).sum(axis=1)
    assert (first == ATOMS).mean() > 0.15
    assert (first == 0).mean() > 0.15
    assert np.isin(first, [0, ATOMS]).mean() > 0.8
