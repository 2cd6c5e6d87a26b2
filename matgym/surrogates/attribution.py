"""Attribution of a surrogate's prediction to lattice sites, and its check with an oracle.

There are two methods, both computed by captum (Kokhlikyan et al., arXiv:2009.07896):

- Integrated gradients (Sundararajan, Taly and Yan, ICML 2017) from the undecorated tube of the same lattice: the
  contribution of each decorated site to the prediction, in the property's unit. Carbon sites are the same as in the
  baseline, so their contribution is zero.
- Grad-CAM (Selvaraju et al., ICCV 2017) on the output of a network's `body`, without the final ReLU, since a property
  may rise or fall: the regions of the tube that influence the prediction, carbon included. The sum of its values has no
  meaning. It leaves out composition, which enters the network after the body.
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
from matgym.frozen import ValueObject
from matgym.models import Model
from matgym.structures import Nanotube, Species, TubeBatch, TubeLattice
from matgym.surrogates.engines import library
from matgym.surrogates.learned import INFERENCE_BATCH, NetworkSurrogate
from matgym.surrogates.networks import RasterNetwork
from matgym.surrogates.raster import RasterView
from matgym.typing import FloatArray, IntArray, SpeciesArray

Method: TypeAlias = Literal["integrated_gradients", "grad_cam"]

_Inputs: TypeAlias = tuple[Tensor, Tensor]
"""Two tensors: one for the raster, one for the numbers that the network gets in addition."""

STEPS: Final = 64
"""Gauss-Legendre points of the path. Networks are not smooth, so the sum is off by some 0.1 %, and by 1 % at worst."""

TUBES_AT_ONCE: Final = INFERENCE_BATCH // STEPS
"""Number of tubes whose paths together are one batch."""


@dataclass(frozen=True, eq=False)
class Attribution(ValueObject):
    """Contributions of the sites of a tube to a prediction.

    Attributes:
        tube: the tube whose prediction is explained.
        key: key of the property.
        unit: unit of the property, and of all values below.
        method: the attribution method.
        sites: (n_sites,) contributions in raster order. Composition is a sum over sites, so the chain rule assigns its
            contribution to the sites exactly.
        physics: contribution of the physics given as input (`informed_by`), which belongs to no single site; zero for
            networks without such inputs and for Grad-CAM. The length is the same as in the baseline and contributes
            nothing.
        prediction: prediction for the tube.
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
        """The part of prediction - baseline that is in neither `sites` nor `physics`: the error of the path integral.

        It is meaningful for integrated gradients only: values of Grad-CAM do not sum to the difference.
        """
        return self.prediction - self.baseline - float(self.sites.sum()) - self.physics


@dataclass(frozen=True, eq=False)
class DeletionCheck(ValueObject):
    """Changes of the oracle's value when decorated sites are replaced by carbon, one row per tube.

    Attributes:
        key: key of the property.
        unit: unit of the property.
        attributed: (T,) |change| if the sites with the largest attributions are replaced.
        chance: (T,) |change| if random other sites of the same species are replaced.
        interval: 95 % confidence interval of the mean of `attributed - chance`, by a paired bootstrap over tubes.
    """

    key: str
    unit: str
    attributed: FloatArray
    chance: FloatArray
    interval: tuple[float, float]

    @property
    def difference(self) -> float:
        """The mean of `attributed - chance`."""
        return float((self.attributed - self.chance).mean())


def attribute(
    surrogate: NetworkSurrogate, tube: Nanotube, key: str, method: Method = "integrated_gradients"
) -> Attribution:
    """Return the contribution of each site of one tube to its prediction; see `attributions`."""
    return attributions(surrogate, [tube], key, method)[0]


def attributions(
    surrogate: NetworkSurrogate, tubes: Sequence[Nanotube], key: str, method: Method = "integrated_gradients"
) -> list[Attribution]:
    """Return the contributions of the sites to the predictions of many tubes, in batches of one lattice.

    For an ensemble, the mean prediction is explained. Method "integrated_gradients" gives a value for each decorated
    site; sites and physics sum to the prediction minus the baseline, up to `residual`. Method "grad_cam" gives a value
    for each pixel, and each of its two atoms gets half of it; the graph network gives a value for each atom. Values on
    leads are left out.

    Raises:
        MissingExtraError: if captum is not installed.
        PropertyError: if the surrogate was not trained on the property, or cannot predict a tube.
        ConfigurationError: if there is no such method.
    """
    column = surrogate.column(key)
    if method not in get_args(Method):
        raise ConfigurationError(f"there is no attribution method {method!r}; there are {', '.join(get_args(Method))}")
    predictions = surrogate.predict(tubes)
    for reason in predictions.reasons.values():
        raise PropertyError(f"a tube cannot be explained because it cannot be predicted: {reason}")
    unit = surrogate.properties[column].unit
    explained: dict[int, Attribution] = {}
    for group in TubeBatch.of(tubes).by_lattice():
        lattice, rows = group.lattice, group.rows.tolist()
        pristine = Nanotube(lattice.n, lattice.m, lattice.cells)
        baseline = float(surrogate.predict([pristine])[key][0])
        species = np.concatenate([pristine.species[None], group.species])
        for row, sites, physics in zip(rows, *_explain(surrogate, lattice, species, column, method), strict=True):
            prediction = float(predictions[key][row])
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
    """Compare, by the oracle, the effect of the sites with the largest attributions with that of random sites.

    One site of every species that decorates a tube is replaced by carbon. Replacing one boron alone would not do: an
    odd number of electrons closes the gap whatever the site, whereas replacing a nitrogen, too, keeps the number even.
    The attributed sites are those with the largest absolute sum of values, all of one sign, so that they do not cancel.
    Random sites are drawn by `rng` from the others of each species. Tubes with fewer than two sites of a species are
    left out, and so are tubes that the oracle, the source of the surrogate's labels, cannot compute.

    Raises:
        ConfigurationError: if fewer than two tubes are left.
        MissingExtraError: if captum is not installed.
        PropertyError: if the surrogate or the oracle does not predict the property, or the surrogate cannot predict a
            tube.
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
    values = oracle.predict(variants)[key].reshape(-1, 3)  # unchanged, attributed sites replaced, random ones replaced
    values = values[np.isfinite(values).all(axis=1)]
    if len(values) < 2:
        raise ConfigurationError(
            f"{len(values)} of {len(tubes)} tubes can be compared: give two or more that the oracle computes, each "
            "with two or more sites of every species that decorates it"
        )
    changes = np.abs(values[:, 1:] - values[:, :1])
    interval = bootstrap((changes[:, 0] - changes[:, 1],), np.mean, method="percentile", rng=rng).confidence_interval
    unit = surrogate.properties[surrogate.column(key)].unit
    return DeletionCheck(key, unit, changes[:, 0], changes[:, 1], (float(interval.low), float(interval.high)))


# ---- inside


def _decorated_sites(tube: Nanotube, seen: Sequence[Species]) -> list[IntArray]:
    """Return the sites of each species that is both on the tube and an input of the surrogate."""
    return [sites for species in seen if len(sites := np.flatnonzero(tube.species == species))]


def _most_attributed(values: FloatArray, decorated: list[IntArray]) -> list[int]:
    """Return a site of each species: those of the highest values or of the lowest, whichever has the larger |sum|."""
    highest = [int(sites[values[sites].argmax()]) for sites in decorated]
    lowest = [int(sites[values[sites].argmin()]) for sites in decorated]
    return max(highest, lowest, key=lambda chosen: float(abs(values[chosen].sum())))


def _explain(
    surrogate: NetworkSurrogate, lattice: TubeLattice, species: SpeciesArray, column: int, method: Method
) -> tuple[FloatArray, FloatArray]:
    """Return (B, n_sites) and (B,) contributions of sites and physics; the first row of `species` is the baseline."""
    physics_given = surrogate.physics(lattice, species)
    raster, numbers = (torch.from_numpy(x) for x in surrogate.inputs(lattice, species, physics_given))
    rest = numbers[:, len(surrogate.species) :]  # inverse length and physics; `_output` computes the shares
    view = surrogate.view(lattice)
    places = np.argsort(view.sites)[-lattice.n_sites :]  # of the sites in order; those of the lead, -1, come first
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
    """Return (B,) standardised predictions as a function of the raster and of the inputs that belong to no site."""
    marks = raster.reshape(len(raster), -1, len(view.sites))  # (B, species and perhaps lead, places)
    species = marks[:, :-1] if view.leads else marks
    shares = species.sum(dim=2) / int((view.sites >= 0).sum())
    out: Tensor = network(raster, torch.cat([shares, rest], dim=1), view.shift)[:, column]
    return out


def _integrated_gradients(
    surrogate: NetworkSurrogate, view: RasterView, column: int, inputs: _Inputs, baselines: _Inputs
) -> _Inputs:
    """Return (B, places) and (B, rest) integrated gradients."""

    def forward(raster: Tensor, rest: Tensor) -> Tensor:
        return torch.stack([_output(net, view, column, raster, rest) for net in surrogate.networks]).mean(dim=0)

    of_raster, of_rest = (
        library("captum.attr", "explain").IntegratedGradients(forward).attribute(inputs, baselines, n_steps=STEPS)
    )
    return of_raster.reshape(len(of_raster), -1, len(view.sites)).sum(dim=1), of_rest


def _grad_cam(
    surrogate: NetworkSurrogate, view: RasterView, column: int, inputs: _Inputs, _baselines: _Inputs
) -> _Inputs:
    """Return (B, places) and (B, rest) values of Grad-CAM, the latter zero."""
    captum, maps = library("captum.attr", "explain"), []
    for network in surrogate.networks:
        body, watched = network.body, nn.Identity()  # captum hooks into modules, and a body is a method
        twin = copy.copy(network)  # shares all weights
        twin.body = lambda raster, shift, body=body, watched=watched: watched(body(raster, shift))  # type: ignore[method-assign,misc]
        forward = partial(_output, twin, view, column)
        maps.append(captum.LayerGradCam(forward, watched).attribute(inputs, relu_attributions=False).flatten(1))
    mean = torch.stack(maps).mean(dim=0)  # (B, pixels), or (B, places) with one entry per atom
    atoms = len(view.sites) // mean.shape[1]
    return mean.repeat(1, atoms) / atoms, torch.zeros_like(inputs[1])
