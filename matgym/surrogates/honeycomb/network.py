"""The network on the honeycomb: rounds of messages between bonded sites, and pooling over the tube.

It is a message-passing network (Gilmer et al., ICML 2017) whose weights depend on the direction of the bond through
cos 2φ and sin 2φ. There are no statistics of batches, so that a batch may hold tubes of any lattices.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from matgym.errors import require_counts, require_within
from matgym.surrogates.honeycomb.graph import CHARGED, SITE_FEATURES, TUBE_FEATURES

MOST_FEATURES = 4096
"""Most features of a site, and most units of a layer: beyond any use. A choice of ours, as is the next one."""

MOST_ROUNDS = 64
"""Most rounds of messages, and most layers of the head."""

BASIS = 3
"""Functions of the direction of a bond: 1, cos 2φ and sin 2φ."""


MOST_STEPS = 100
"""Most steps towards self-consistent potentials."""


@dataclass(frozen=True)
class SitesSettings:
    """Settings of the common part of networks on the honeycomb.

    Attributes:
        width: features of a site.
        rounds: rounds of messages; each reaches one bond further.

    Raises:
        ConfigurationError: if a setting is out of range.
    """

    width: int = 48
    rounds: int = 5

    def __post_init__(self) -> None:
        require_counts(width=self.width, rounds=self.rounds)
        require_within(1, MOST_FEATURES, width=self.width)
        require_within(1, MOST_ROUNDS, rounds=self.rounds)


@dataclass(frozen=True)
class PotentialSettings(SitesSettings):
    """Settings of a network that gives potentials: those of `SitesSettings`, and what follows.

    Attributes:
        steps: steps from the network's potentials towards self-consistent ones, each by a diagonalisation.

    Raises:
        ConfigurationError: if a setting is out of range.
    """

    steps: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        require_within(0, MOST_STEPS, steps=self.steps)


@dataclass(frozen=True)
class HoneycombSettings(SitesSettings):
    """Settings of a network on the honeycomb: those of `SitesSettings`, and of the head.

    Attributes:
        hidden: units of each hidden layer of the head.

    Raises:
        ConfigurationError: if a setting is out of range.
    """

    rounds: int = 4
    hidden: tuple[int, ...] = (64, 64)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "hidden", tuple(self.hidden))  # a card has a list
        require_within(1, MOST_FEATURES, **{f"hidden[{k}]": n for k, n in enumerate(self.hidden)})
        require_within(1, MOST_ROUNDS, **{"len(hidden) + 1": len(self.hidden) + 1})


class Round(nn.Module):
    """One round: each site gets the features of its neighbours, weighted by the directions of its bonds."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.mix = nn.Linear((1 + BASIS) * width, width)

    def forward(self, x: Tensor, neighbours: Tensor, directions: Tensor) -> Tensor:
        """Return (S, width) features of (S, width) features."""
        near = self.norm(x)
        around = near[neighbours]  # (S, 3, width)
        messages = torch.cat([near[:, None], around.sum(dim=1, keepdim=True), directions.mT @ around], dim=1)
        out: Tensor = x + nn.functional.silu(self.mix(messages.flatten(1)))
        return out


def pooled(x: Tensor, tube: Tensor, numbers: Tensor, sums: bool = False) -> Tensor:
    """Return (B, 2 width + numbers) means over tubes of (S, width) features and their squares, and the numbers.

    Args:
        x: (S, width) features of sites.
        tube: (S,) tube of each site.
        numbers: (B, numbers) features of tubes.
        sums: whether to sum over a tube, in units of 64 sites, instead.
    """
    moments = torch.cat([x, x * x], dim=1)
    total = torch.zeros(len(numbers), moments.shape[1], dtype=x.dtype, device=x.device).index_add(0, tube, moments)
    size = 64.0 if sums else torch.bincount(tube, minlength=len(numbers)).clamp(min=1)[:, None]
    return torch.cat([total / size, numbers], dim=1)


class Sites(nn.Module):
    """Rounds of messages on tubes of any lattices, the common part of networks on the honeycomb.

    Attributes:
        n_features: number of features of a tube, by which its distance from the training data is measured.
    """

    def __init__(self, settings: SitesSettings, inputs: int, numbers: int) -> None:
        super().__init__()
        self.site = nn.Linear(inputs, settings.width)
        self.whole = nn.Linear(numbers, settings.width)
        self.rounds = nn.ModuleList([Round(settings.width) for _ in range(settings.rounds)])
        self.n_features = 2 * settings.width + numbers

    def of_sites(self, sites: Tensor, neighbours: Tensor, directions: Tensor, tube: Tensor, numbers: Tensor) -> Tensor:
        """Return the (S, width) features of sites."""
        x = nn.functional.silu(self.site(sites) + self.whole(numbers)[tube])
        for each in self.rounds:
            x = each(x, neighbours, directions)
        return x


class HoneycombNetwork(Sites):
    """A network on tubes of any lattices, invariant under rotations, screws and two-fold rotations.

    Attributes:
        sums: whether pooling sums over the tube, as resistances between leads add up, instead of averaging.
    """

    def __init__(self, settings: HoneycombSettings, outputs: int, *, informed: int = 0, sums: bool = False) -> None:
        super().__init__(settings, SITE_FEATURES, TUBE_FEATURES + informed)
        self.sums = sums
        sizes = (self.n_features, *settings.hidden)
        layers: list[nn.Module] = []
        for inputs, units in pairwise(sizes):
            layers += [nn.Linear(inputs, units), nn.SiLU()]
        self.head = nn.Sequential(*layers, nn.Linear(sizes[-1], outputs))

    def features(self, sites: Tensor, neighbours: Tensor, directions: Tensor, tube: Tensor, numbers: Tensor) -> Tensor:
        """Return the (B, F) input of the head."""
        return pooled(self.of_sites(sites, neighbours, directions, tube, numbers), tube, numbers, self.sums)

    def forward(self, sites: Tensor, neighbours: Tensor, directions: Tensor, tube: Tensor, numbers: Tensor) -> Tensor:
        """Return (B, outputs) standardised values.

        Args:
            sites: (S, SITE_FEATURES) features of sites.
            neighbours: (S, 3) neighbours of each site.
            directions: (S, 3, 2) directions of the bonds to them.
            tube: (S,) tube of each site.
            numbers: (B, TUBE_FEATURES + informed) standardised features of tubes.
        """
        out: Tensor = self.head(self.features(sites, neighbours, directions, tube, numbers))
        return out


class PotentialNetwork(Sites):
    """A network that gives the potential of each site of tubes of any lattices, with the same symmetry as they have.

    Further inputs of a site are the potentials of unit charges on all atoms of each species in `CHARGED`.
    """

    def __init__(self, settings: PotentialSettings) -> None:
        super().__init__(settings, SITE_FEATURES + len(CHARGED), TUBE_FEATURES)
        width = settings.width
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 1))

    def features(self, sites: Tensor, neighbours: Tensor, directions: Tensor, tube: Tensor, numbers: Tensor) -> Tensor:
        """Return the (B, F) features of tubes."""
        return pooled(self.of_sites(sites, neighbours, directions, tube, numbers), tube, numbers)

    def forward(self, sites: Tensor, neighbours: Tensor, directions: Tensor, tube: Tensor, numbers: Tensor) -> Tensor:
        """Return the (S,) potentials, eV, of mean zero in each tube: a constant shifts all levels of a tube alike."""
        found = self.head(self.of_sites(sites, neighbours, directions, tube, numbers))[:, 0]
        count = torch.bincount(tube, minlength=len(numbers))
        mean = torch.zeros(len(numbers), dtype=found.dtype, device=found.device).index_add(0, tube, found) / count
        out: Tensor = found - mean[tube]
        return out
