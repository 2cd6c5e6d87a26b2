"""Predictions of tubes after every single edit, in one pass, by ridge regressions on pairs.

A sum of pairs is a quadratic form of the features x of sites, such as x M x with a matrix M that counts walks. A change
δ of one site s changes it by 2 δ (M x)(s) + δ M(s, s) δ, so that the edits of all sites need the walks from all sites
once more, and not one prediction for each edit. M(s, s) is the same for all sites of a lattice, because a rotation, a
screw or a two-fold rotation of the tube moves each site to each other one. Shares of species and their products change
in closed form as well. The results are those of `HoneycombSurrogate.predict` up to rounding.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np

from matgym.errors import ConfigurationError
from matgym.frozen import ValueObject, cached_by_bytes, returns_read_only
from matgym.structures import Species, TubeBatch, TubeLattice
from matgym.surrogates.honeycomb.graph import (
    NAMES,
    SITE_FEATURES,
    SITE_SPECIES,
    Honeycombs,
    bond_directions,
    honeycombs,
    pieces,
)
from matgym.surrogates.honeycomb.pairs import INVERSE_LENGTH, ONE, OTHER, PairNetwork
from matgym.surrogates.honeycomb.surrogate import HoneycombSurrogate
from matgym.surrogates.honeycomb.targets import Targets
from matgym.typing import Float32Array, FloatArray, IntArray

SITES_A_PASS: Final = 8_192
"""Sites of a pass: more do not fit into the processor's cache. A choice of ours."""

_STRAIN: Final = [name for name, _, _ in NAMES].index("strain")
_EXCESS: Final = [name for name, _, _ in NAMES].index("excess of N over B")
_SHARES: Final = _EXCESS + 1  # the shares of the features of sites follow

_MARKS: Final = np.array([[species == each for each in (*SITE_SPECIES, None)] for species in Species], dtype=np.float64)
"""(species, SITE_FEATURES) features of a site that holds a species; none is a turned bond."""


class Edited(NamedTuple):
    """Predictions of B tubes with S sites together, and of what single edits make of them.

    Attributes:
        values: (B, P) properties of the tubes.
        placed: (S, K, P) properties of the tube of each site after a kind is put on the site.
        strained: (B, R, P) properties of each tube at other strains.
    """

    values: FloatArray
    placed: FloatArray
    strained: FloatArray


@dataclass(frozen=True, eq=False)
class _Form(ValueObject):
    """A property as quadratic forms: H standardised values, of each member, or of their mean where this is the same.

    Attributes:
        column: index of the property among those of the surrogate.
        bias: (H,) constants.
        numbers: (H, G) weights of the scaled numbers of tubes.
        products: (H, G, G) symmetric weights of half the products of two of them; None for none.
        pairs: (M, F, F, H) symmetric weights of half the pairs at the ends of M kinds of walks.
        sums: (M, F, F, H) the same of pairs over the inverse length; None for none.
    """

    surrogate: HoneycombSurrogate
    column: int
    bias: FloatArray
    numbers: FloatArray
    products: FloatArray | None
    pairs: FloatArray
    sums: FloatArray | None


class SingleEdits:
    """A model of tubes and of all their single edits.

    Attributes:
        kinds: K species that are put on sites.
        strains: R strains.
    """

    def __init__(self, models: Sequence[tuple[Any, str]], kinds: Sequence[Species], strains: Sequence[float]) -> None:
        """Prepare ridge regressions on pairs.

        Args:
            models: P surrogates, each with the key of a property that it predicts.
            kinds: species that are put on sites.
            strains: axial strains, as fractions.

        Raises:
            ConfigurationError: if a model is no ridge regression on pairs, has physics inputs, or sees other pairs than
                the first one.
        """
        self.kinds, self.strains = tuple(kinds), tuple(strains)
        self._forms = [_form(model, key) for model, key in models]
        seen = {
            (form.surrogate.networks[0].settings.shells, form.surrogate.networks[0].settings.directed)
            for form in self._forms
        }
        if len(seen) != 1:
            raise ConfigurationError(
                f"the surrogates see pairs up to {sorted(seen)} (shells, directed): give such with the same"
            )
        ((self._shells, self._directed),) = seen

    def predict(self, batch: TubeBatch) -> Edited:
        """Predict tubes and their edits.

        Args:
            batch: B tubes of any lattices, without turned bonds.

        Raises:
            ConfigurationError: if bonds are turned.
        """
        if batch.reconstructed.any():
            raise ConfigurationError("single edits are predicted of tubes without turned bonds: give such tubes")
        shape = len(self._forms)
        values = np.empty((len(batch), shape))
        placed = np.empty((len(batch.species), len(self.kinds), shape))
        strained = np.empty((len(batch), len(self.strains), shape))
        for rows in pieces(batch, SITES_A_PASS) if len(batch) else ():  # neighbours, as are their sites
            part = batch.take(rows)
            sites = slice(batch.offsets[rows[0]], batch.offsets[rows[-1] + 1])
            graph = honeycombs(part)
            near = _reached(graph, self._shells, self._directed)
            returns = np.array([_returns(lattice, self._shells, self._directed) for lattice in part.lattices])
            returns = returns[part.lattice_index]
            for column, form in enumerate(self._forms):
                found = self._of_form(form, part, graph, near, returns)
                values[rows, column], placed[sites, :, column], strained[rows, :, column] = found
        return Edited(values, placed, strained)

    def _of_form(
        self, form: _Form, batch: TubeBatch, graph: Honeycombs, near: Float32Array, returns: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the columns of a property in `Edited`.

        Args:
            form: the property.
            batch: B tubes.
            graph: the same as a graph of S sites.
            near: (S, M F) features at the other ends of walks.
            returns: (B, M) numbers of walks that return.
        """
        tube, held = graph.tube, batch.species.astype(np.int64)
        site, count = np.arange(len(tube)), batch.n_sites[:, None].astype(np.float64)
        scaling = form.surrogate.scaling
        numbers = (graph.tubes - scaling.numbers_mean) / scaling.numbers_scale  # (B, G)
        length = 1.0 / numbers[:, INVERSE_LENGTH]

        slope = _slopes(near, form.pairs)  # (S, species, H): of the standardised values, times the number of sites
        if form.sums is not None:
            slope += _slopes(near, form.sums) * length.astype(np.float32)[tube, None, None]
        slope /= count.astype(np.float32)[tube, :, None]
        own = slope[site, held]
        pairs = 0.5 * np.add.reduceat(own, batch.offsets[:-1], axis=0, dtype=np.float64)
        present = _of_numbers(form, numbers) + pairs

        change = _MARKS[[int(kind) for kind in self.kinds]][None] - _MARKS[:, None]  # (species, K, F), of a site
        curve = 0.5 * np.einsum("okf,mfgh,okg->mokh", change, form.pairs, change)
        table = np.einsum("bm,mokh->bokh", returns, curve)
        if form.sums is not None:
            curve = 0.5 * np.einsum("okf,mfgh,okg->mokh", change, form.sums, change)
            table += np.einsum("b,bm,mokh->bokh", length, returns, curve)
        table /= count[:, :, None, None]
        shares = np.zeros((*change.shape[:2], numbers.shape[1]))
        shares[..., _SHARES:] = change
        shares[..., _EXCESS] = change[..., SITE_SPECIES.index(Species.N)] - change[..., SITE_SPECIES.index(Species.B)]
        moved = numbers[:, None, None] + shares / count[:, :, None, None] / scaling.numbers_scale
        table += _of_numbers(form, moved) - _of_numbers(form, numbers)[:, None, None]

        after = slope[:, [int(kind) for kind in self.kinds]] - own[:, None]
        after += (table + present[:, None, None]).astype(np.float32)[tube, held]
        strained = np.repeat(numbers[:, None], len(self.strains), axis=1)
        mean, scale = scaling.numbers_mean[_STRAIN], scaling.numbers_scale[_STRAIN]
        strained[..., _STRAIN] = (100.0 * np.array(self.strains) - mean) / scale
        targets = Targets.of(form.surrogate.predicted, batch, (), np.zeros((len(batch), 0)))
        return (
            _values(form, targets, present),
            _values(form, targets.take(tube), after.astype(np.float64)),
            _values(form, targets, _of_numbers(form, strained) + pairs[:, None]),
        )


def _form(model: Any, key: str) -> _Form:
    """Return a property that a surrogate predicts as quadratic forms."""
    if not isinstance(model, HoneycombSurrogate) or not isinstance(model.networks[0], PairNetwork):
        raise ConfigurationError(
            f"{model.name} is no ridge regression on pairs, and single edits are predicted of these alone: give a "
            "surrogate of kind 'pairs'"
        )
    if model.informed_by:
        raise ConfigurationError(
            f"{key} is predicted from {', '.join(model.informed_by)}, which edits change as well: give a surrogate "
            "without physics inputs"
        )
    network, column = model.networks[0], model.predicted.index(key)
    weights = np.stack([each.head[0].weight[column].detach().double().numpy() for each in model.networks])
    bias = np.array([each.head[0].bias[column].item() for each in model.networks])
    if not Targets.of(model.predicted, TubeBatch.of([]), (), np.zeros((0, 0))).inverse[column]:
        weights, bias = weights.mean(axis=0, keepdims=True), bias.mean(keepdims=True)
    n_numbers, rest = len(NAMES), network.n_features - len(NAMES)
    n_pairs = len(ONE) * (1 + network.settings.shells + network.settings.directed)
    n_products = rest - n_pairs * (1 + network.sums)
    numbers, products, pairs, sums = np.split(weights, np.cumsum([n_numbers, n_products, n_pairs]), axis=1)
    walks = (-1, len(ONE))
    return _Form(
        model, column, bias, numbers,
        _symmetric(products, *np.triu_indices(n_numbers), n_numbers) if n_products else None,
        _by_walk(pairs.reshape(len(bias), *walks)),
        _by_walk(sums.reshape(len(bias), *walks)) if network.sums else None,
    )  # fmt: skip


def _symmetric(weights: FloatArray, one: IntArray, other: IntArray, size: int) -> FloatArray:
    """Return the (..., size, size) second derivatives of sums of products of the elements `one` and `other`."""
    matrix = np.zeros((*weights.shape[:-1], size, size))
    matrix[..., one, other] += weights
    matrix[..., other, one] += weights
    return matrix


def _by_walk(weights: FloatArray) -> FloatArray:
    """Return the (M, F, F, H) second derivatives of (H, M, pairs) weights."""
    matrices: FloatArray = np.moveaxis(_symmetric(weights, ONE.numpy(), OTHER.numpy(), SITE_FEATURES), 0, -1)
    return matrices


def _slopes(near: Float32Array, weights: FloatArray) -> Float32Array:
    """Return the (S, species, H) derivatives of pairs by what a site holds, for (S, M F) features that walks reach."""
    walks, features, _, heads = weights.shape
    table = np.einsum("sf,mgfh->mgsh", _MARKS, weights).reshape(walks * features, -1)
    slopes: Float32Array = near @ table.astype(np.float32)
    return slopes.reshape(len(near), len(_MARKS), heads)


def _of_numbers(form: _Form, numbers: FloatArray) -> FloatArray:
    """Return the (..., H) parts of standardised values that (..., G) scaled numbers of tubes give."""
    found = form.bias + numbers @ form.numbers.T
    if form.products is not None:
        found += 0.5 * np.einsum("...g,hgf,...f->...h", numbers, form.products, numbers, optimize=True)
    return np.asarray(found)


def _values(form: _Form, targets: Targets, standard: FloatArray) -> FloatArray:
    """Return the (B, ...) values of (B, ..., H) standardised ones, averaged over members."""
    scaling, one = form.surrogate.scaling, slice(form.column, form.column + 1)
    only = Targets(targets.offset[:, one], targets.factor[:, one], targets.inverse[one], targets.positive[one])
    learned = standard * scaling.scale[form.column] + scaling.mean[form.column]
    values = only.values(np.moveaxis(learned, 0, -1)[..., None])[..., 0]
    return np.asarray(values.mean(axis=-2).T)


def _reached(graph: Honeycombs, shells: int, directed: int) -> Float32Array:
    """Return (S, M F) features of sites at the other ends of walks, in the order of `PairNetwork.features`.

    Where the direction of the last bond counts, the mean over both orders of the walk is taken: a pair has no order.
    """
    cosines, columns = graph.directions[:, :, 0].T[..., None], graph.neighbours.T

    def step(x: Float32Array, weights: Any = (1.0, 1.0, 1.0)) -> Float32Array:
        near: Float32Array = weights[0] * x[columns[0]] + weights[1] * x[columns[1]] + weights[2] * x[columns[2]]
        return near

    def walks(x: Float32Array, longest: int) -> list[Float32Array]:
        found = [x]
        for length in range(1, longest + 1):
            before = 0.0 if length == 1 else (3.0 if length == 2 else 2.0) * found[-2]
            found.append(step(found[-1]) - before)
        return found

    plain = walks(graph.sites, shells)
    begun = walks(step(graph.sites, cosines), directed - 1) if directed else []
    found = [plain[0]]
    for length in range(1, shells + 1):
        if length <= directed:
            found.append(0.5 * (step(plain[length - 1], cosines) + begun[length - 1]))
        found.append(plain[length])
    return np.concatenate(found, axis=1)


@cached_by_bytes()
@returns_read_only
def _returns(lattice: TubeLattice, shells: int, directed: int) -> FloatArray:
    """Return (M,) numbers of walks from a site to itself, in the order of `_reached`."""
    marked = np.zeros((lattice.n_sites, 1), dtype=np.float32)
    marked[0] = 1.0
    directions = np.broadcast_to(bond_directions(lattice), (lattice.n_sites, 3, 2))
    of_tube, none = np.zeros(lattice.n_sites, dtype=np.int64), np.zeros((1, 0), dtype=np.float32)
    graph = Honeycombs(lattice.neighbours, directions, marked, none, of_tube)
    return np.asarray(_reached(graph, shells, directed)[0], dtype=np.float64)
