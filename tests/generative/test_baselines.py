"""Autoencoder and diffusion: valid by construction, unbiased samplers, trainings that resume to the bit."""

import numpy as np
import pytest
import torch

from matgym.data import Dataset
from matgym.generative.diffusion import DiffusionConfig, DiffusionNetwork, DiffusionSize, MaskedDiffusion
from matgym.generative.examples import COLUMNS, ConditionScaling, valid
from matgym.generative.geometry import geometry
from matgym.generative.store import train_generator
from matgym.generative.vae import VaeConfig, VaeNetwork, VaeSize, VariationalAutoencoder
from matgym.structures import Species, SubstitutionEdits, tube_lattice
from matgym.tasks import Decorations


def sampled(generator, lattice, edits, targets, rng):
    return generator.sample(Decorations(lattice, edits), targets, rng).species.reshape(len(targets), -1)


KINDS = (Species.B, Species.N)
UNSCALED = ConditionScaling(np.zeros(len(COLUMNS)), np.ones(len(COLUMNS)))
STANDARD_ERRORS = 4.5  # a bound above the largest of 128 deviations

TRAININGS = {
    "vae": VaeConfig(epochs=2, batch_size=32, size=VaeSize(8, 1, 2)),
    "diffusion": DiffusionConfig(epochs=2, batch_size=32, size=DiffusionSize(8, 1, 8)),
}


@pytest.fixture(scope="module")
def data():
    whole = Dataset.load("nanotube-doping")
    split = np.array(whole.table.column("split").to_pylist())
    return whole.take(
        np.concatenate([np.flatnonzero(split == "train")[:150], np.flatnonzero(split == "validation")[:40]])
    )


@pytest.fixture(params=["vae", "diffusion"])
def untrained(request):
    torch.manual_seed(0)
    if request.param == "vae":
        return VariationalAutoencoder(VaeNetwork(VaeSize(8, 1, 2), 2).eval(), KINDS, "gap_ev", UNSCALED)
    return MaskedDiffusion(DiffusionNetwork(DiffusionSize(8, 1, 16), 2).eval(), KINDS, "gap_ev", UNSCALED)


@pytest.mark.parametrize("shape", [(8, 0, 4), (10, 0, 4), (6, 4, 1)])
def test_draws_are_valid_on_any_lattice_and_repeat_with_the_seed(untrained, shape):
    for parameter in untrained.network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)  # whatever the weights
    lattice = tube_lattice(*shape)
    edits = SubstitutionEdits(lattice.n_sites, {"B": 9, "N": 7})
    targets = np.linspace(0.6, 1.1, 30)
    drawn = sampled(untrained, lattice, edits, targets, np.random.default_rng(0))
    assert valid(lattice, drawn, edits).all()
    assert (drawn == sampled(untrained, lattice, edits, targets, np.random.default_rng(0))).all()


def test_an_untrained_network_draws_all_sites_with_equal_probability(untrained):
    """Untrained networks give equal scores everywhere, so that each site must hold a dopant equally often."""
    lattice, edits = tube_lattice(8, 0, 2), SubstitutionEdits(64, {"B": 4, "N": 3})
    drawn = sampled(untrained, lattice, edits, np.full(3000, 0.9), np.random.default_rng(1))
    for kind, atoms in ((Species.B, 4), (Species.N, 3)):
        share = (drawn == kind).mean(axis=0)
        error = np.sqrt(atoms / 64 * (1 - atoms / 64) / 3000)
        assert np.abs(share - atoms / 64).max() < STANDARD_ERRORS * error


@pytest.mark.parametrize("name", list(TRAININGS))
def test_a_killed_training_resumes_to_the_weights_of_an_uninterrupted_one(data, tmp_path, name):
    class KilledError(Exception):
        pass

    def kill(epoch):
        if epoch.number == 1:
            raise KilledError

    settings = TRAININGS[name]
    whole = train_generator(settings, data)
    with pytest.raises(KilledError):
        train_generator(settings, data, checkpoints=tmp_path, on_epoch=kill)
    resumed = train_generator(settings, data, checkpoints=tmp_path)
    for key, value in whole.generator.network.state_dict().items():
        assert torch.equal(value, resumed.generator.network.state_dict()[key]), key


def test_diffusion_learns_a_pattern_that_neighbours_determine():
    """Every A site next to boron: with the neighbours as input the loss must be lower than by the composition alone."""
    torch.manual_seed(0)
    network, shape = DiffusionNetwork(DiffusionSize(16, 1, 8), 2), geometry(tube_lattice(8, 0, 2))
    rng = np.random.default_rng(0)
    real = torch.zeros((64, 2, 64))
    real[:, 0, :32:2] = 1.0  # boron on every other A site of the raster
    optimizer, losses = torch.optim.Adam(network.parameters(), lr=3e-3), []
    for _ in range(60):
        loss = network.loss(shape, real, torch.zeros((64, len(COLUMNS))), rng, 1.0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    chance = -(0.25 * np.log(0.25) + 0.75 * np.log(0.75))  # nats per site of a model that knows only the composition
    assert np.mean(losses[-5:]) < 0.5 * chance
