"""The arrays of a lattice that generators use: sites in raster order, neighbours, and plane waves on the tube."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from matgym.frozen import ValueObject, cached_by_bytes
from matgym.generative.metrics import SHELLS, at_distance
from matgym.structures import Species, TubeLattice
from matgym.surrogates.raster import raster_view
from matgym.typing import IntArray, SpeciesArray

AROUND: Final = 3
"""The largest number of periods of a wave around the tube: that of the data set's ordered structures."""

ALONG: Final = 2
"""The largest number of periods of a wave along the tube, per unit cell: that of the data set's ordered structures."""

CPU: Final = torch.device("cpu")


@dataclass(frozen=True, eq=False)
class Geometry(ValueObject):
    """The sites of a lattice as places of a raster (see `matgym.surrogates.raster.raster_view`), sublattice A first.

    Attributes:
        lattice: the lattice of the tube.
        height: the number of rows of the raster.
        width: the number of columns of the raster.
        shift: the number of columns by which the first row is shifted where it follows the last row.
        sites: (S,) index of the site at each place.
        neighbours: (S, 3) places that are bonded to each place.
        device: the device of all tensors.
    """

    lattice: TubeLattice
    height: int
    width: int
    shift: int
    sites: IntArray
    neighbours: Tensor
    device: torch.device

    def tensor(self, values: npt.NDArray[Any]) -> Tensor:
        """Return values as a tensor in single precision on the device."""
        return torch.from_numpy(values.astype(np.float32)).to(self.device)

    def one_hot(self, species: SpeciesArray, kinds: tuple[Species, ...]) -> Tensor:
        """Return (B, K, S) zeros and ones for (B, n_sites) species codes."""
        placed = species[:, self.sites]
        return self.tensor(np.stack([placed == kind for kind in kinds], axis=1))

    def species(self, placed: Tensor, kinds: tuple[Species, ...]) -> SpeciesArray:
        """Return (B, n_sites) species codes for (B, K, S) zeros and ones."""
        codes = np.asarray(kinds, dtype=np.float32)
        species = np.zeros((len(placed), self.lattice.n_sites), dtype=np.uint8)
        species[:, self.sites] = np.einsum("bks,k->bs", placed.cpu().numpy(), codes).astype(np.uint8)
        return species

    def raster(self, placed: Tensor) -> Tensor:
        """Return the (B, 2 K, height, width) raster of (B, K, S) values, with channel `2 k + sublattice`."""
        raster = placed.reshape(len(placed), -1, self.height, self.width)
        return raster.contiguous(memory_format=torch.channels_last)

    def numbers(self, placed: Tensor) -> Tensor:
        """Return (B, K + 1) features of the whole tube; see `matgym.surrogates.raster.global_features`."""
        length = torch.full((len(placed), 1), 10.0 / self.lattice.length_angstrom, device=self.device)
        return torch.cat([placed.mean(dim=2), length], dim=1)

    def waves(self, count: int, waves: int, rng: np.random.Generator) -> Tensor:
        """Draw (count, 2 waves, height, width) plane waves of random periods and phases, for each sublattice.

        White noise has no correlations over the length of a tube; these waves have, on a tube of any size.
        """
        around = rng.integers(0, AROUND + 1, (count, waves, 1))
        along = rng.integers(-ALONG * self.lattice.cells, ALONG * self.lattice.cells + 1, (count, waves, 1))
        phase = rng.random((count, waves, 1))
        angle, height = self.lattice.site_fractions[self.sites].T
        values = np.cos(2.0 * np.pi * (around * angle + along * height + phase))
        return self.tensor(values.reshape(count, -1, self.height, self.width))

    @cached_property
    def shells(self) -> Tensor:
        """(SHELLS, S, S), one where the shortest path between two places has 1, 2, … bonds."""
        return self.tensor(at_distance(self.lattice, SHELLS)[:, self.sites[:, None], self.sites])


@cached_by_bytes(lambda made: 4 * SHELLS * made.lattice.n_sites**2)  # float32, of `Geometry.shells`
def geometry(lattice: TubeLattice, device: torch.device = CPU) -> Geometry:
    """Return the geometry of a lattice with its tensors on a device."""
    view = raster_view(lattice)
    place = np.argsort(view.sites)
    neighbours = torch.from_numpy(place[lattice.neighbours[view.sites]]).to(device)
    return Geometry(lattice, view.height, view.width, view.shift, view.sites, neighbours, device)
