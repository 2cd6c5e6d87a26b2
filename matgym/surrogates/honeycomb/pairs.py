"""Ridge regression on pairs of species by their distance along bonds, for tubes of any lattices.

The pairs of a cluster expansion (Sanchez, Ducastelle and Gratias, Physica A 128, 334 (1984)) that lie on one shell are
summed, so that a sum means the same on every tube. Shells are counted along bonds: the sites at distance d are the ends
of walks of d bonds that do not go back, A m_d = m_(d+1) + 2 m_(d-1) on a graph of three neighbours a site. Turned bonds
change the graph, and with it the shells.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from matgym.errors import require_within
from matgym.learning.metrics import column_scales
from matgym.structures import TubeBatch
from matgym.surrogates.honeycomb.graph import SITE_FEATURES, TUBE_FEATURES, honeycombs
from matgym.typing import BoolArray, FloatArray, IntArray

MOST_SHELLS: Final = 64
"""Longest walk that may be asked for. A choice of ours, as are the next two."""

PENALTIES: Final = np.logspace(-4.0, 4.0, 17)
"""Penalties from which ridge regression chooses the one of the least error on chiralities left out."""

FOLDS: Final = 5
"""Groups of chiralities that this choice leaves out in turn."""

ROUNDING: Final = 1e-7
"""Spread of a sum of pairs with directions that cancel: single precision, where one pair in a tube is 1e-4 or more."""

CONSTANT: Final = 1e-5
"""Spread of a feature, relative to its largest value, that rounding to single precision explains."""

INVERSE_LENGTH: Final = 4  # column of `tube_features`

_FIRST, _SECOND = torch.triu_indices(TUBE_FEATURES, TUBE_FEATURES)
ONE, OTHER = torch.triu_indices(SITE_FEATURES, SITE_FEATURES)


def constant_columns(features: FloatArray) -> BoolArray:
    """Return (F,) whether a column of (T, F) features varies by rounding alone.

    Such a column would get a weight that any real variation multiplies to nonsense.
    """
    return np.asarray(features.std(axis=0) <= ROUNDING + CONSTANT * np.abs(features).max(axis=0))


@dataclass(frozen=True)
class PairSettings:
    """Settings of a ridge regression on pairs.

    Attributes:
        shells: longest walk between the sites of a pair, in bonds.
        directed: longest walk whose last bond's direction is told apart.
        products: whether products of two features of a tube, such as strain and share of B, are features.

    Raises:
        ConfigurationError: if a setting is out of range.
    """

    shells: int = 6
    directed: int = 2
    products: bool = False

    def __post_init__(self) -> None:
        require_within(0, MOST_SHELLS, shells=self.shells)
        require_within(0, self.shells, directed=self.directed)


class PairNetwork(nn.Module):
    """A linear model of tubes of any lattices, with the face of a network.

    Attributes:
        sums: whether pairs also enter as numbers per width of the tube, which grow with its length, as resistances
            between leads do.
        n_features: number of features of a tube.
    """

    def __init__(self, settings: PairSettings, outputs: int, *, informed: int = 0, sums: bool = False) -> None:
        super().__init__()
        self.settings, self.sums = settings, sums
        pairs = len(ONE) * (1 + settings.shells + settings.directed)
        products = len(_FIRST) if settings.products else 0
        self.n_features = TUBE_FEATURES + informed + products + pairs * (1 + sums)
        self.head = nn.Sequential(nn.Linear(self.n_features, outputs))

    def features(self, sites: Tensor, neighbours: Tensor, directions: Tensor, tube: Tensor, numbers: Tensor) -> Tensor:
        """Return the (B, F) input of the head: features of tubes, their products, numbers of pairs per site.

        For every walk of 0 to `shells` bonds, these are the pairs {s, t} of features of sites at its ends; and for
        walks of 1 to `directed` bonds the same weighted by cos 2φ of the last bond.
        """
        cosines, columns = directions[:, :, :1].unbind(dim=1), neighbours.unbind(dim=1)
        count = torch.bincount(tube, minlength=len(numbers))[:, None]

        marked = sites.any(dim=1).nonzero()[:, 0]  # the others add nothing
        own, owner = sites[marked], tube[marked]

        def products(other: Tensor) -> Tensor:
            far = other[marked]
            both = own[:, ONE] * far[:, OTHER] + own[:, OTHER] * far[:, ONE]
            total = torch.zeros(len(numbers), both.shape[1], dtype=both.dtype, device=both.device)
            return total.index_add(0, owner, both) / (2.0 * count)

        before, walked = torch.zeros_like(sites), sites
        found = [products(sites)]
        for length in range(1, self.settings.shells + 1):
            one, two, three = (walked.index_select(0, near) for near in columns)  # (S, F) each
            if length <= self.settings.directed:
                found.append(products(cosines[0] * one + cosines[1] * two + cosines[2] * three))
            before, walked = walked, one.add(two).add_(three).sub_(before, alpha=3.0 if length == 2 else 2.0)
            found.append(products(walked))
        pairs = torch.cat(found, dim=1)
        if self.sums:
            pairs = torch.cat([pairs, pairs / numbers[:, INVERSE_LENGTH, None]], dim=1)
        squares = [numbers[:, _FIRST] * numbers[:, _SECOND]] if self.settings.products else []
        return torch.cat([numbers, *squares, pairs], dim=1)

    def forward(self, sites: Tensor, neighbours: Tensor, directions: Tensor, tube: Tensor, numbers: Tensor) -> Tensor:
        """Return (B, outputs) standardised values; arguments as those of `HoneycombNetwork.forward`, not scaled."""
        out: Tensor = self.head(self.features(sites, neighbours, directions, tube, numbers))
        return out

    def solve(self, features: FloatArray, targets: FloatArray, groups: IntArray) -> None:
        """Set the weights to those of least squares with the penalty of the least error on groups left out.

        Args:
            features: (T, F) features.
            targets: (T, outputs) values to learn.
            groups: (T,) number of the chirality of each tube.
        """
        from sklearn.linear_model import RidgeCV
        from sklearn.model_selection import GroupKFold

        mean, scale = features.mean(axis=0), column_scales(features)
        scaled = (features - mean) / scale
        scaled[:, constant_columns(features)] = 0.0
        count = min(FOLDS, len(np.unique(groups)))
        folds = list(GroupKFold(count).split(scaled, groups=groups)) if count > 1 else None
        weights, bias = np.empty((targets.shape[1], features.shape[1])), np.empty(targets.shape[1])
        for output, column in enumerate(targets.T):
            found = RidgeCV(PENALTIES, cv=folds, scoring="neg_mean_squared_error").fit(scaled, column)
            weights[output] = found.coef_ / scale
            bias[output] = found.intercept_ - weights[output] @ mean
        self.head.load_state_dict({"0.weight": torch.from_numpy(weights), "0.bias": torch.from_numpy(bias)})


def pair_features(batch: TubeBatch, settings: PairSettings | None = None) -> FloatArray:
    """Return (B, F) features of tubes of any lattices, as `PairNetwork.features` has them; by default six shells."""
    graph, network = honeycombs(batch), PairNetwork(settings or PairSettings(), 1)
    arrays = graph.sites, graph.neighbours, graph.directions, graph.tube, graph.tubes
    with torch.inference_mode():
        found = network.features(*(torch.tensor(array) for array in arrays))
    return np.asarray(found.numpy(), dtype=np.float64)
