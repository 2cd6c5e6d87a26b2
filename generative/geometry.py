"""A lattice as generators see it: sites in the order of the raster, their neighbours, and waves around the tube."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from matgym.generative.metrics import SHELLS, at_distance
from matgym.structures import Species, TubeLattice
from matgym.surrogates.raster import raster_view
from matgym.typing import IntArray, SpeciesArray

AROUND: Final = 3
ALONG: Final = 2
"""Most periods of a wave around the tube and, a cell, along it: as many as the data's ordered structures have."""

CPU: Final = torch.device("cpu")


@dataclass(frozen=True, eq=False)
class Geometry:
    """Sites as places of a raster (see `matgym.surrogates.raster.raster_view`), sublattice A first.

    Attributes:
        lattice: of the tube.
        height: rows of the raster.
        width: columns.
        shift: of the last row against the first.
        sites: (S,) the site at each place.
        neighbours: (S, 3) places that are bonded to each place.
        device: of all tensors.
    """

    lattice: TubeLattice
    height: int
    width: int
    shift: int
    sites: IntArray
    neighbours: Tensor
    device: torch.device

    def tensor(self, values: npt.NDArray[Any]) -> Tensor:
        """Values in single precision, on the device."""
        return torch.from_numpy(values.astype(np.float32)).to(self.device)

    def one_hot(self, species: SpeciesArray, kinds: tuple[Species, ...]) -> Tensor:
        """(B, n_sites) codes as (B, K, S) zeros and ones."""
        placed = species[:, self.sites]
        return self.tensor(np.stack([placed == kind for kind in kinds], axis=1))

    def species(self, placed: Tensor, kinds: tuple[Species, ...]) -> SpeciesArray:
        """(B, K, S) zeros and ones as (B, n_sites) codes."""
        codes = np.asarray(kinds, dtype=np.float32)
        found = np.zeros((len(placed), self.lattice.n_sites), dtype=np.uint8)
        found[:, self.sites] = np.einsum("bks,k->bs", placed.cpu().numpy(), codes).astype(np.uint8)
        return found

    def raster(self, placed: Tensor) -> Tensor:
        """(B, K, S) as (B, 2 K, height, width): channel `2 k + sublattice`."""
        raster = placed.reshape(len(placed), -1, self.height, self.width)
        return raster.contiguous(memory_format=torch.channels_last)

    def numbers(self, placed: Tensor) -> Tensor:
        """(B, K + 1) what surrogates see besides the raster: see `matgym.surrogates.raster.global_features`."""
        length = torch.full((len(placed), 1), 10.0 / self.lattice.length_angstrom, device=self.device)
        return torch.cat([placed.mean(dim=2), length], dim=1)

    def waves(self, count: int, waves: int, rng: np.random.Generator) -> Tensor:
        """(count, 2 waves, height, width) plane waves of random periods and phases, for each sublattice.

        White noise knows no order over the length of a tube; these do, on a tube of any size.
        """
        around = rng.integers(0, AROUND + 1, (count, waves, 1))
        along = rng.integers(-ALONG * self.lattice.cells, ALONG * self.lattice.cells + 1, (count, waves, 1))
        phase = rng.random((count, waves, 1))
        angle, height = self.lattice.site_fractions[self.sites].T
        found = np.cos(2.0 * np.pi * (around * angle + along * height + phase))
        return self.tensor(found.reshape(count, -1, self.height, self.width))

    @cached_property
    def shells(self) -> Tensor:
        """(SHELLS, S, S) ones where two places are so many bonds apart."""
        return self.tensor(at_distance(self.lattice, SHELLS)[:, self.sites[:, None], self.sites])


@lru_cache(maxsize=64)
def geometry(lattice: TubeLattice, device: torch.device = CPU) -> Geometry:
    """Of a lattice, its tensors on a device."""
    view = raster_view(lattice)
    place = np.argsort(view.sites)
    neighbours = torch.from_numpy(place[lattice.neighbours[view.sites]]).to(device)
    return Geometry(lattice, view.height, view.width, view.shift, view.sites, neighbours, device)
