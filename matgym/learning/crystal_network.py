"""A graph network on periodic crystals, for classes as well as for properties.

Gated convolutions as in CGCNN (Xie and Grossman, Phys. Rev. Lett. 120, 145301 (2018)), on distances that are expanded
in Gaussians. Angles between neighbours enter through Legendre polynomials of their cosines, summed over pairs: power
spectra in spherical harmonics, by the addition theorem, as in the descriptors of Bartók, Kondor and Csányi (Phys. Rev.
B 87, 184115 (2013)). Messages go to zero at the distance below which neighbours are kept. Means and mean squares over
atoms, with features of the lattice, describe the crystal. The result does not depend on rotations, on the order of
atoms, or on the choice of the cell vectors.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from matgym.errors import ConfigurationError, require_positive
from matgym.learning.crystal_graphs import LATTICE_FEATURES, CrystalGraphs
from matgym.learning.sizes import check_sizes
from matgym.structures.crystals import LAST_ELEMENT, Crystal

ANGLES: Final = 4
"""Highest degree of the Legendre polynomials; a choice of ours."""

MOST_NEIGHBOURS: Final = 64
"""Most neighbours of an atom. This limit and the next one are ours."""

FARTHEST_ANGSTROM: Final = 12.0
"""Longest cut-off, Å."""


LatticeInputs: TypeAlias = Literal["cell", "volume", "none"]
"""What a network reads of a lattice besides the atoms' neighbours: all `lattice_features`, as classes of lattices need;
the volume per atom, so that a supercell gives the same; or nothing, for cells with vacuum."""


@dataclass(frozen=True)
class CrystalSettings:
    """Settings of a graph network on crystals.

    Attributes:
        width: features of an atom.
        layers: number of convolutions.
        gaussians: number of Gaussians in which a distance is expanded.
        hidden: units of each hidden layer of the head.
        neighbours: largest number of neighbours of an atom.
        cutoff_angstrom: largest distance of a neighbour, Å.

    Raises:
        ConfigurationError: if a setting is out of range.
    """

    width: int = 32
    layers: int = 3
    gaussians: int = 24
    hidden: tuple[int, ...] = (64,)
    neighbours: int = 16
    cutoff_angstrom: float = 6.0

    def __post_init__(self) -> None:
        check_sizes(width=self.width, layers=self.layers, gaussians=self.gaussians, neighbours=self.neighbours)
        check_sizes(hidden=self.hidden)
        require_positive(cutoff_angstrom=self.cutoff_angstrom)
        if self.neighbours > MOST_NEIGHBOURS or self.cutoff_angstrom > FARTHEST_ANGSTROM:
            raise ConfigurationError(
                f"{self.neighbours} neighbours within {self.cutoff_angstrom:g} Å: give at most {MOST_NEIGHBOURS} "
                f"within {FARTHEST_ANGSTROM:g} Å"
            )


def legendre(cosines: Tensor, highest: int) -> list[Tensor]:
    """Return the Legendre polynomials of degrees 1 to `highest` by Bonnet's recursion."""
    found = [torch.ones_like(cosines), cosines]
    for degree in range(1, highest):
        found.append(((2 * degree + 1) * cosines * found[-1] - degree * found[-2]) / (degree + 1))
    return found[1:]


class GatedConvolution(nn.Module):
    """One convolution: atoms get gated messages of their neighbours, and how their directions are distributed."""

    def __init__(self, width: int, gaussians: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.own = nn.Linear(width, 2 * width)
        self.near = nn.Linear(width, 2 * width, bias=False)
        self.distance = nn.Linear(gaussians, 2 * width, bias=False)
        self.mix = nn.Sequential(
            nn.LayerNorm((1 + ANGLES) * width),
            nn.Linear((1 + ANGLES) * width, width),
            nn.SiLU(),
            nn.Linear(width, width),
        )

    def forward(self, x: Tensor, neighbours: Tensor, expanded: Tensor, weights: Tensor, angles: list[Tensor]) -> Tensor:
        """Return (A, width) features of (A, width) features."""
        normal = self.norm(x)
        both = self.own(normal)[:, None] + self.near(normal)[neighbours] + self.distance(expanded)
        gate, core = both.chunk(2, dim=2)
        messages = torch.sigmoid(gate) * silu(core) * weights[..., None]  # (A, K, width)
        powers = [(messages * (each @ messages)).sum(dim=1) for each in angles]
        out: Tensor = x + self.mix(torch.cat([messages.sum(dim=1), *powers], dim=1))
        return out


class CrystalBody(nn.Module):
    """A graph network on periodic crystals up to its last hidden layer: add a linear layer for classes or properties.

    Args:
        settings: the settings.
        lattice: what it reads of the lattice; see `LatticeInputs`.

    Attributes:
        n_features: number of features of a crystal.
    """

    def __init__(self, settings: CrystalSettings, lattice: LatticeInputs = "cell") -> None:
        super().__init__()
        self.settings = settings
        self.n_lattice = {"cell": LATTICE_FEATURES, "volume": 1, "none": 0}[lattice]
        width = settings.width
        self.atom = nn.Embedding(LAST_ELEMENT + 1, width)
        self.convolutions = nn.ModuleList([GatedConvolution(width, settings.gaussians) for _ in range(settings.layers)])
        norm = [nn.LayerNorm(LATTICE_FEATURES)] if lattice == "cell" else []  # of a single number nothing would be left
        read = [*norm, nn.Linear(self.n_lattice, 2 * width), nn.SiLU()] if self.n_lattice else []
        self.lattice = nn.Sequential(*read)
        described = 4 * width if self.n_lattice else 2 * width
        layers: list[nn.Module] = [nn.LayerNorm(described)]
        for inputs, units in pairwise((described, *settings.hidden)):
            layers += [nn.Linear(inputs, units), nn.SiLU()]
        self.hidden = nn.Sequential(*layers)
        self.n_features = settings.hidden[-1]

    def graphs(self, crystals: Sequence[Crystal]) -> CrystalGraphs:
        """Return the graphs of crystals with the neighbours that the network was made for."""
        settings = self.settings
        return CrystalGraphs.of(crystals, cutoff_angstrom=settings.cutoff_angstrom, neighbours=settings.neighbours)

    def forward(self, graphs: CrystalGraphs) -> Tensor:
        """Return the (B, n_features) features of crystals."""
        device, precision = self.atom.weight.device, self.atom.weight.dtype

        def tensor(values: object, dtype: torch.dtype | None = None) -> Tensor:
            return torch.tensor(values, device=device, dtype=dtype)

        vectors = tensor(graphs.vectors, precision)
        distances = vectors.norm(dim=2)
        cutoff = self.settings.cutoff_angstrom
        reach = tensor(graphs.reach_angstrom, precision)[:, None].clamp_min(1e-6)
        weights = 0.5 * (1.0 + torch.cos(torch.pi * distances / reach)) * tensor(graphs.inside, precision)
        centres = torch.linspace(0.0, cutoff, self.settings.gaussians, device=device, dtype=precision)
        step = cutoff / max(self.settings.gaussians - 1, 1)
        expanded = torch.exp(-(((distances[..., None] - centres) / step) ** 2))
        units = vectors / distances.clamp_min(1e-6)[..., None]
        angles = legendre(units @ units.mT, ANGLES)  # (A, K, K) each
        x, neighbours = self.atom(tensor(graphs.numbers)), tensor(graphs.neighbours)
        for convolution in self.convolutions:
            x = convolution(x, neighbours, expanded, weights, angles)
        moments = torch.cat([x, x * x], dim=1)
        crystal = tensor(graphs.crystal)
        total = torch.zeros(len(graphs.lattice), moments.shape[1], device=device, dtype=precision).index_add(
            0, crystal, moments
        )
        mean = total / torch.bincount(crystal, minlength=len(total))[:, None]
        lattice = self.lattice(tensor(graphs.lattice[:, : self.n_lattice], precision))  # of no columns: none
        found: Tensor = self.hidden(torch.cat([mean, lattice], dim=1))
        return found
