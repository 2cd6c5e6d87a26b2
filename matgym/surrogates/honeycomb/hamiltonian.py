"""A network that writes an effective Hamiltonian: the potential of the π electrons' charges, without iterations.

The self-consistent π model (`matgym.physics.electrons.self_consistent`) spends its time on the charges: a dozen
diagonalisations at each wave vector. Here a network on the honeycomb gives the potential of each site, and the gap is
that of the Hamiltonian in this potential, after a few steps towards self-consistency. The charges answer to distant
dopants, which messages between neighbours do not reach, so that the potentials of all B and of all N atoms, as if each
held a unit charge, are further inputs of a site. The network learns the potentials of training tubes: hundreds of
labels a tube, where the gap is one.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import torch

from matgym.errors import RelaxationError
from matgym.models import Cost
from matgym.physics.electrons.bands import dense_edges
from matgym.physics.electrons.charges import ChargedSystem, improved
from matgym.physics.electrons.reduced import search_grid
from matgym.physics.electrons.self_consistent import SelfConsistentElectrons, from_leads, with_leads
from matgym.physics.oracles import one_thread
from matgym.structures import Nanotube, TubeBatch
from matgym.surrogates.honeycomb.graph import CHARGED, honeycombs
from matgym.surrogates.honeycomb.surrogate import HoneycombSurrogate
from matgym.surrogates.honeycomb.targets import Targets
from matgym.typing import BoolArray, Float32Array, FloatArray, IntArray, SpeciesArray

POTENTIAL_SCALE_EV: Final = 5.0
"""Unit of these inputs, eV; a choice of ours."""


def unit_potentials(system: ChargedSystem, species: SpeciesArray) -> Float32Array:
    """Return (b, N, CHARGED) potentials of unit charges on all atoms of a species, of mean zero.

    Args:
        system: b tubes.
        species: (b, N) their species codes.
    """
    marks = np.stack([species == kind for kind in CHARGED], axis=2).astype(np.float64)
    found = system.interaction @ marks
    return np.asarray((found - found.mean(axis=1, keepdims=True)) / POTENTIAL_SCALE_EV, dtype=np.float32)


def site_inputs(batch: TubeBatch, model: SelfConsistentElectrons) -> Float32Array:
    """Return the (S, CHARGED) `unit_potentials` of tubes, all of which the model can compute."""
    found = np.zeros((len(batch.species), len(CHARGED)), dtype=np.float32)
    for system in model.systems(list(batch), range(len(batch))):
        places = places_of(batch, system.bare.rows)
        found[places] = unit_potentials(system, batch.species[places])
    return found


def places_of(batch: TubeBatch, rows: IntArray) -> IntArray:
    """Return the (b, N) places of the sites of tubes of one lattice in arrays of all sites of a batch."""
    found: IntArray = batch.offsets[rows][:, None] + np.arange(batch.n_sites[rows[0]])
    return found


def self_consistent_potentials(batch: TubeBatch, model: SelfConsistentElectrons) -> tuple[FloatArray, BoolArray]:
    """Return the (S,) potentials, eV, of mean zero in each tube, and (B,) whether there are any.

    These are the labels of the network; they take a fraction of a second for a tube.
    """
    found, is_there = np.zeros(len(batch.species)), np.zeros(len(batch), dtype=bool)
    for row, tube in enumerate(batch):
        with suppress(RelaxationError):
            potentials = model.potentials_ev(tube)
            found[places_of(batch, np.array([row]))[0]] = potentials - potentials.mean()
            is_there[row] = True
    return found, is_there


@dataclass(frozen=True, eq=False)
class HamiltonianSurrogate(HoneycombSurrogate):
    """A model of the gap of tubes of any lattice: the mean potentials of its networks, and the Hamiltonian in them.

    Attributes:
        electrons: the self-consistent model whose Hamiltonian it is.
    """

    electrons: SelfConsistentElectrons = field(default_factory=SelfConsistentElectrons)

    @property
    def cost(self) -> Cost:
        """Cost of the eigenvalues near the gap, measured in batches on one core of an Intel Xeon server."""
        return Cost(seconds=0.05, sites=128, exponent=3.0)

    def pooled(self, batch: TubeBatch, physics: FloatArray) -> FloatArray:
        """Return the (B, F) features of the first network; NaN for tubes without a gap."""
        features = np.full((len(batch), self.networks[0].n_features), np.nan)
        for system, tensors in self._systems(batch, physics):
            with torch.inference_mode():
                features[system.bare.rows] = self.networks[0].features(*tensors).numpy()
        return features

    def trunk(self, batch: TubeBatch) -> FloatArray:
        """Return the (B, networks × 2 width) moments of all networks' features of sites; NaN for tubes without a gap.

        They take a tenth of the time of the gap, because there are no eigenvalues.
        """
        width = 2 * self.settings["width"]
        features = np.full((len(batch), len(self.networks) * width), np.nan)
        for system, tensors in self._systems(batch, np.zeros((len(batch), 0))):
            with torch.inference_mode():
                parts = [network.features(*tensors)[:, :width] for network in self.networks]
            features[system.bare.rows] = torch.cat(parts, dim=1).numpy()
        return features

    def run(self, batch: TubeBatch, physics: FloatArray | None = None) -> tuple[FloatArray, FloatArray, Targets]:
        """Return (1, B, 1) gaps, (B, F) features of the first network, and targets that leave the gaps as they are."""
        none = np.zeros((len(batch), 0)) if physics is None else physics
        gaps, features = np.full((1, len(batch), 1), np.nan), np.full((len(batch), self.networks[0].n_features), np.nan)
        for system, tensors in self._systems(batch, none):
            rows = system.bare.rows
            with torch.inference_mode():
                features[rows] = self.networks[0].features(*tensors).numpy()
            with one_thread():
                charged = system.at(self._potentials(system, tensors))
                gaps[0, rows, 0] = dense_edges(charged, search_grid(batch[rows[0]].lattice))[0]
        return gaps, features, Targets.of(self.predicted, batch, (), none)

    def between_leads(self, tubes: Sequence[Nanotube]) -> tuple[dict[int, tuple[Nanotube, FloatArray]], dict[int, str]]:
        """Return longer tubes and their potentials by row, as `SelfConsistentElectrons.between_leads` does."""
        batch = TubeBatch.of([with_leads(tube, self.electrons.lead_angstrom) for tube in tubes])
        found = {
            row: (batch[row], from_leads(batch[row], potentials))
            for system, tensors in self._systems(batch, np.zeros((len(batch), 0)))
            for row, potentials in zip(system.bare.rows.tolist(), self._potentials(system, tensors), strict=True)
        }
        return found, self.lost(batch, [row for row in range(len(batch)) if row not in found])

    def _potentials(self, system: ChargedSystem, tensors: tuple[torch.Tensor, ...]) -> FloatArray:
        """Return the (b, N) potentials of the tubes of a system, eV, from the arguments of a network."""
        with torch.inference_mode():
            start = torch.stack([network(*tensors) for network in self.networks]).mean(dim=0).numpy()
        with one_thread():
            return improved(system, start.astype(np.float64).reshape(len(system.brought), -1), self.settings["steps"])

    def _systems(
        self, batch: TubeBatch, physics: FloatArray
    ) -> Iterator[tuple[ChargedSystem, tuple[torch.Tensor, ...]]]:
        """Yield the Hamiltonians of the tubes that have a gap, and the arguments of a network."""
        tubes = list(batch)
        lost = self.electrons.impossible(tubes)
        for system in self.electrons.systems(tubes, [row for row in range(len(tubes)) if row not in lost]):
            rows = system.bare.rows
            part = batch.take(rows)
            inputs = unit_potentials(system, part.species.reshape(len(rows), -1)).reshape(-1, len(CHARGED))
            yield system, self.tensors(honeycombs(part), physics[rows], more=inputs)

    def lost(self, batch: TubeBatch, rows: Sequence[int]) -> dict[int, str]:
        """Return why tubes have no gap, by row."""
        reasons = self.electrons.impossible([batch[row] for row in rows])
        return {row: reasons[place] for place, row in enumerate(rows)}
