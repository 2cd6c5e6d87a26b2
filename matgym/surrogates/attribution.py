"""Which sites a surrogate's prediction rests on, and whether physics agrees.

Two methods, both by captum (Kokhlikyan et al., arXiv:2009.07896):

- Integrated gradients (Sundararajan, Taly and Yan, ICML 2017) from the undecorated tube of the same lattice: what
  each decorated site adds to the prediction, in the property's unit. Carbon sites are as in the baseline and get zero.
- Grad-CAM (Selvaraju et al., ICCV 2017) on what a network's `body` ends in, without the final ReLU, since a property
  may go either way: where on the tube the network looks, carbon included. Its sum has no meaning of its own, and
  composition, which goes past the body, is not in it.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal, TypeAlias, get_args

import numpy as np
import torch
from torch import Tensor, nn

from matgym.errors import ConfigurationError, PropertyError
from matgym.models import Model
from matgym.structures import Nanotube, Species, TubeBatch, TubeLattice
from matgym.surrogates.engines import library
from matgym.surrogates.learned import INFERENCE_BATCH, NetworkSurrogate
from matgym.surrogates.networks import RasterNetwork
from matgym.surrogates.raster import RasterView
from matgym.typing import FloatArray, IntArray, SpeciesArray

Method: TypeAlias = Literal["integrated_gradients", "grad_cam"]

_Inputs: TypeAlias = tuple[Tensor, Tensor]
"""What belongs to the raster, and what to the numbers beside it."""

STEPS: Final = 64
"""Gauss-Legendre points of the path: since networks have kinks, the sum misses by some 0.1 %, and by 1 % at worst."""

TUBES_AT_ONCE: Final = INFERENCE_BATCH // STEPS
"""Whose paths together are a batch."""


@dataclass(frozen=True, eq=False)
class Attribution:
    """What each site has to do with a prediction.

    Attributes:
        unit: of the property, and of all figures below.
        sites: (n_sites,) in raster order. Composition is a sum over sites, so its part is the sites' own: the chain
            rule gives it to them exactly, and no rule of ours is needed.
        physics: what falls on physics given as input (`informed_by`), which belongs to no single site and so stands
            apart; zero for networks without and for Grad-CAM. Length is the baseline's own and gets nothing.
        baseline: prediction for the undecorated tube.
    """

    tube: Nanotube
    key: str
    unit: str
    method: Method
    sites: FloatArray
    physics: float
    prediction: float
    baseline: float

    @property
    def residual(self) -> float:
        """What of prediction - baseline is in neither `sites` nor `physics`: the error of the integral along the path.

        For integrated gradients only: Grad-CAM promises no such sum.
        """
        return self.prediction - self.baseline - float(self.sites.sum()) - self.physics


@dataclass(frozen=True, eq=False)
class DeletionCheck:
    """How much the oracle's value changes when carbon is put back, one row a tube.

    Attributes:
        attributed: (T,) |change| where the most attributed sites were undone.
        chance: (T,) |change| where random others of the same species were.
        interval: 95 % of the mean of `attributed - chance`, by a paired bootstrap over tubes.
    """

    key: str
    unit: str
    attributed: FloatArray
    chance: FloatArray
    interval: tuple[float, float]

    @property
    def difference(self) -> float:
        """Mean of `attributed - chance`."""
        return float((self.attributed - self.chance).mean())


def attribute(
    surrogate: NetworkSurrogate, tube: Nanotube, key: str, method: Method = "integrated_gradients"
) -> Attribution:
    """What each site of one tube has to do with its prediction; see `attributions`."""
    return attributions(surrogate, [tube], key, method)[0]


def attributions(
    surrogate: NetworkSurrogate, tubes: Sequence[Nanotube], key: str, method: Method = "integrated_gradients"
) -> list[Attribution]:
    """What each site has to do with the predictions of many tubes, in batches of one lattice.

    Of an ensemble the mean is explained. Method "integrated_gradients" is per decorated site and complete: sites and
    physics sum to the prediction less the baseline's, but for `residual`. "grad_cam" is per pixel: its two atoms get
    half of its value each; the graph network's map has an entry an atom, which each keeps. What falls on leads is left
    out.

    Raises:
        MissingExtraError: if captum is not installed.
        PropertyError: if the surrogate was not trained on the property, or cannot see a tube.
        ConfigurationError: if there is no such method.
    """
    column = surrogate.column(key)
    if method not in get_args(Method):
        raise ConfigurationError(f"there is no attribution method {method!r}; there are {', '.join(get_args(Method))}")
    found = surrogate.predict(tubes)
    for reason in found.reasons.values():
        raise PropertyError(f"what cannot be predicted cannot be explained: {reason}")
    unit = surrogate.properties[column].unit
    explained: dict[int, Attribution] = {}
    for group in TubeBatch.of(tubes).by_lattice():
        lattice, rows = group.lattice, group.rows.tolist()
        pristine = Nanotube(lattice.n, lattice.m, lattice.cells)
        baseline = float(surrogate.predict([pristine])[key][0])
        species = np.concatenate([pristine.species[None], group.species])
        for row, sites, physics in zip(rows, *_explain(surrogate, lattice, species, column, method), strict=True):
            prediction = float(found[key][row])
            explained[row] = Attribution(tubes[row], key, unit, method, sites, float(physics), prediction, baseline)
    return [explained[row] for row in range(len(tubes))]


def deletion_check(
    surrogate: NetworkSurrogate,
    oracle: Model,
    tubes: Sequence[Nanotube],
    key: str,
    rng: np.random.Generator,
    method: Method = "integrated_gradients",
) -> DeletionCheck:
    """Whether the attribution finds what physics says matters: undo attributed sites and random ones, ask the oracle.

    Carbon is put back at one site of every species that a tube is decorated with. One boron alone would not do: an
    odd number of electrons closes the gap whatever the site, whereas with a nitrogen beside it the count is kept.
    Attributed sites are those whose values together are largest in size, all of one sign, so that they do not cancel;
    random ones are drawn by `rng` from the others of each species. Tubes with fewer than two sites of a species, or
    that the oracle, from which the surrogate's labels came, cannot compute, are left out.

    Raises:
        ConfigurationError: if fewer than two tubes are left.
        MissingExtraError: if captum is not installed.
        PropertyError: if surrogate or oracle do not know the property, or the surrogate cannot see a tube.
    """
    from scipy.stats import bootstrap

    decorated = [_decorated_sites(tube, surrogate.species) for tube in tubes]
    rows = [row for row, sites in enumerate(decorated) if min(map(len, sites), default=0) > 1]
    variants: list[Nanotube] = []
    for row, explained in zip(rows, attributions(surrogate, [tubes[row] for row in rows], key, method), strict=True):
        attributed = _most_attributed(explained.sites, decorated[row])
        pairs = zip(decorated[row], attributed, strict=True)
        random = [int(rng.choice(sites[sites != site])) for sites, site in pairs]
        undone = (tubes[row].decorated(dict.fromkeys(chosen, Species.C12)) for chosen in (attributed, random))
        variants += [tubes[row], *undone]
    values = oracle.predict(variants)[key].reshape(-1, 3)  # as it is, attributed sites undone, random ones undone
    values = values[np.isfinite(values).all(axis=1)]
    if len(values) < 2:
        raise ConfigurationError(
            f"{len(values)} of {len(tubes)} tubes can be compared: give two or more that the oracle computes, each "
            "with two or more sites of every species it is decorated with"
        )
    changes = np.abs(values[:, 1:] - values[:, :1])
    found = bootstrap((changes[:, 0] - changes[:, 1],), np.mean, method="percentile", rng=rng).confidence_interval
    unit = surrogate.properties[surrogate.column(key)].unit
    return DeletionCheck(key, unit, changes[:, 0], changes[:, 1], (float(found.low), float(found.high)))


# ---- inside


def _decorated_sites(tube: Nanotube, seen: Sequence[Species]) -> list[IntArray]:
    """The sites of each species that the tube holds and the surrogate sees."""
    return [sites for species in seen if len(sites := np.flatnonzero(tube.species == species))]


def _most_attributed(values: FloatArray, decorated: list[IntArray]) -> list[int]:
    """A site of each species: those of the highest values or of the lowest, whichever sum is larger in size."""
    highest = [int(sites[values[sites].argmax()]) for sites in decorated]
    lowest = [int(sites[values[sites].argmin()]) for sites in decorated]
    return max(highest, lowest, key=lambda chosen: float(abs(values[chosen].sum())))


def _explain(
    surrogate: NetworkSurrogate, lattice: TubeLattice, species: SpeciesArray, column: int, method: Method
) -> tuple[FloatArray, FloatArray]:
    """(B, n_sites) values and (B,) physics apart, of all rows of `species` but the first, which is their baseline."""
    physics_given = surrogate.physics(lattice, species)
    raster, numbers = (torch.from_numpy(x) for x in surrogate.inputs(lattice, species, physics_given))
    rest = numbers[:, len(surrogate.species) :]  # inverse length and physics; shares are made of the raster again
    view = surrogate.view(lattice)
    places = np.argsort(view.sites)[-lattice.n_sites :]  # of the sites in their order; the lead's, all -1, come first
    explain = _integrated_gradients if method == "integrated_gradients" else _grad_cam
    sites, physics = [], []
    for start in range(1, len(species), TUBES_AT_ONCE):
        part = slice(start, start + TUBES_AT_ONCE)
        of_raster, of_rest = explain(surrogate, view, column, (raster[part], rest[part]), (raster[:1], rest[:1]))
        sites.append(of_raster.detach().numpy().astype(np.float64)[:, places])
        physics.append(of_rest.detach().numpy().astype(np.float64).sum(axis=1))
    unit = surrogate.known(lattice, physics_given)[1][1:, column] * surrogate.scaling.scale[column]
    return unit[:, None] * np.concatenate(sites), unit * np.concatenate(physics)


def _output(network: RasterNetwork, view: RasterView, column: int, raster: Tensor, rest: Tensor) -> Tensor:
    """(B,) standardised predictions, as a function of the raster and of what no site has a share in."""
    marks = raster.reshape(len(raster), -1, len(view.sites))  # (B, species and perhaps lead, places)
    species = marks[:, :-1] if view.leads else marks
    shares = species.sum(dim=2) / int((view.sites >= 0).sum())
    out: Tensor = network(raster, torch.cat([shares, rest], dim=1), view.shift)[:, column]
    return out


def _integrated_gradients(
    surrogate: NetworkSurrogate, view: RasterView, column: int, inputs: _Inputs, baselines: _Inputs
) -> _Inputs:
    """(B, places) and (B, rest)."""

    def forward(raster: Tensor, rest: Tensor) -> Tensor:
        return torch.stack([_output(net, view, column, raster, rest) for net in surrogate.networks]).mean(dim=0)

    of_raster, of_rest = (
        library("captum.attr", "explain").IntegratedGradients(forward).attribute(inputs, baselines, n_steps=STEPS)
    )
    return of_raster.reshape(len(of_raster), -1, len(view.sites)).sum(dim=1), of_rest


def _grad_cam(
    surrogate: NetworkSurrogate, view: RasterView, column: int, inputs: _Inputs, _baselines: _Inputs
) -> _Inputs:
    """(B, places) and (B, rest), the latter zero."""
    captum, maps = library("captum.attr", "explain"), []
    for network in surrogate.networks:
        body, watched = network.body, nn.Identity()  # captum watches modules, and a body is a method
        twin = copy.copy(network)  # shares all weights
        twin.body = lambda raster, shift, body=body, watched=watched: watched(body(raster, shift))  # type: ignore[method-assign,misc]
        forward = partial(_output, twin, view, column)
        maps.append(captum.LayerGradCam(forward, watched).attribute(inputs, relu_attributions=False).flatten(1))
    mean = torch.stack(maps).mean(dim=0)  # (B, pixels), or (B, places): an entry an atom
    atoms = len(view.sites) // mean.shape[1]
    return mean.repeat(1, atoms) / atoms, torch.zeros_like(inputs[1])
