"""Evaluate a generator: draw tubes for the conditions of held-out structures and verify them with the oracle."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from time import perf_counter
from typing import Final, NamedTuple, cast

import numpy as np

from matgym.data import Dataset
from matgym.data.table import Split
from matgym.errors import ConfigurationError
from matgym.generative.examples import Examples, examples, valid
from matgym.generative.metrics import (
    coverage,
    density,
    frechet,
    novelty,
    pair_correlation,
    pair_correlation_error,
    spread,
    uniqueness,
)
from matgym.models import Model
from matgym.physics import GAP_EV
from matgym.physics.registry import judge_of
from matgym.statistics import estimate
from matgym.structures import Species, SubstitutionEdits, TubeBatch
from matgym.surrogates import NetworkSurrogate, load
from matgym.tasks import Decorations, DesignGenerator
from matgym.typing import BoolArray, FloatArray, SpeciesArray

NAME: Final = "nanotube-doping"
"""The name of the shipped data set and of the shipped surrogate."""

KINDS: Final = (Species.B, Species.N)

MET_EV: Final = 0.02
"""A target counts as met within this error, as in `matgym.benchmark`."""


@dataclass(frozen=True)
class Evaluation:
    """The figures of one generator. Figures of a lattice are averaged over lattices, weighted by the tubes drawn.

    The reference structures are the valid structures of `split` whose lattice, composition and gap were the conditions.

    Attributes:
        generator: the name of the generator.
        split: the split of the reference structures.
        samples: the number of tubes drawn.
        validity: the share of tubes that are valid as drawn; see `matgym.generative.examples`.
        composition: the share of tubes with exactly the composition of their condition.
        uniqueness: the share of tubes that remain when symmetric copies count once.
        novelty: the share of tubes that are not symmetric copies of a training structure.
        coverage: the coverage of held-out structures by an equal number of drawn tubes, in the surrogate's standardised
            feature space. A perfect generator has about 0.97.
        density: the density in the same space, of equal numbers too. A perfect generator has about 1.
        frechet: the squared Fréchet distance to all held-out structures in the same space.
        spread: the mean number of sites in which two drawn tubes differ, divided by that of the reference structures.
        pair_correlation_error: the root mean square difference from the pair correlations of the reference structures.
            A perfect generator does not reach zero, because both are finite samples.
        property_error: the median distance of the oracle's gap from the target, eV. A tube whose gap the oracle cannot
            compute counts as an infinite error.
        property_error_mean: the mean distance over the tubes whose gap the oracle can compute, eV.
        property_met: the share of tubes that are valid and within `MET_EV` of the target.
        seconds: the wall time of drawing.
    """

    generator: str
    split: str
    samples: int
    validity: float
    composition: float
    uniqueness: float
    novelty: float
    coverage: float
    density: float
    frechet: float
    spread: float
    pair_correlation_error: float
    property_error: float
    property_error_mean: float
    property_met: float
    seconds: float

    def as_rows(self) -> list[dict[str, str]]:
        """Return the rows of a printed table, one for each figure."""
        return [{"figure": name, "value": f"{getattr(self, name):.4g}"} for name in FIGURES]


FIGURES: Final = tuple(f.name for f in fields(Evaluation) if f.name not in {"generator", "split", "samples"})


class _Drawn(NamedTuple):
    """The tubes that were drawn on one lattice."""

    references: Examples  # the reference structures, whose conditions were used
    species: SpeciesArray  # (B, n_sites)
    exact: BoolArray  # (B,) whether the composition is that of the condition
    valid: BoolArray  # (B,) whether the tube is valid
    gaps: FloatArray  # (B,) the oracle's gap, eV; NaN where the oracle failed
    seconds: float  # wall time of drawing


def evaluate(
    generator: DesignGenerator, rng: np.random.Generator, *, samples: int = 1000, split: str = "test",
    name: str | None = None, data: Dataset | None = None, surrogate: NetworkSurrogate | None = None,
    oracle: Model | None = None,
) -> Evaluation:  # fmt: skip
    """Draw tubes for the lattice, composition and gap of held-out structures, and compute figures of them.

    Held-out structures are the valid structures of every split but "train". Conditions are drawn from `split` without
    repetition, as long as it holds enough structures.

    Args:
        generator: the generator to evaluate.
        rng: the random generator of conditions, draws and comparisons.
        samples: the number of tubes to draw.
        split: the split of the conditions: "validation", "test", or "held" for those that no training sees.
        name: the name of the generator; by default the name of its class.
        data: the held-out and training structures; by default the shipped data set.
        surrogate: the surrogate whose features are compared; by default the shipped surrogate.
        oracle: the oracle that verifies the gaps; by default the one of `judge_of`.

    Raises:
        ConfigurationError: if `samples` is below 1, or the split is "train", on which generators are trained.
        DatasetError: if there is no such split, or no valid structure in it, or the generator cannot draw a design.
    """
    if samples < 1:
        raise ConfigurationError(f"samples={samples} gives no tubes to evaluate: give 1 or more")
    if split == "train":
        raise ConfigurationError("generators learn from the split 'train': give another one, such as 'test'")
    data, oracle = data or Dataset.load(NAME), oracle or judge_of(GAP_EV.key)
    surrogate = surrogate or load(NAME)
    parts = [_draw(generator, references, rng, oracle) for references in _conditions(data, split, samples, rng)]
    known = {group.lattice: group.species for group in data.split("train").by_lattice()}
    untrained = data.take(np.flatnonzero(np.array(data.table.column("split").to_pylist()) != "train"))
    held_out = {one.lattice: one.species for one in examples(untrained, GAP_EV.key, KINDS)}
    compared = [
        _compared(part, known.get(part.references.lattice), held_out[part.references.lattice], surrogate, rng)
        for part in parts
    ]
    weights = np.array([len(part.species) for part in parts], dtype=np.float64)
    errors = np.concatenate([np.abs(part.gaps - part.references.values) for part in parts])
    validity = np.concatenate([part.valid for part in parts])
    return Evaluation(
        generator=name or type(generator).__name__,
        split=split,
        samples=samples,
        validity=float(validity.mean()),
        composition=float(np.concatenate([part.exact for part in parts]).mean()),
        **{figure: _mean([row[figure] for row in compared], weights) for figure in compared[0]},
        property_error=float(np.median(np.nan_to_num(errors, nan=np.inf))),
        property_error_mean=_mean(errors, np.ones(len(errors))),
        property_met=float((validity & (errors <= MET_EV)).mean()),
        seconds=sum(part.seconds for part in parts),
    )


def table(evaluations: Sequence[Evaluation]) -> str:
    """Return a Markdown table with one row for each generator and split.

    Several evaluations of one generator and split become their mean ± half the width of its 95 % interval.
    """
    lines = [f"| generator | split | {' | '.join(FIGURES)} |", "|" + "---|" * (len(FIGURES) + 2)]
    for generator, split in dict.fromkeys((row.generator, row.split) for row in evaluations):
        same = [row for row in evaluations if (row.generator, row.split) == (generator, split)]
        lines.append(f"| {generator} | {split} | {' | '.join(_cell(same, figure) for figure in FIGURES)} |")
    return "\n".join(lines) + "\n"


def _cell(same: Sequence[Evaluation], figure: str) -> str:
    interval = estimate([getattr(row, figure) for row in same])
    return f"{interval.mean:.3g}" + (f" ± {interval.half_width:.2g}" if np.isfinite(interval.half_width) else "")


# ---- drawing and comparing


def _conditions(data: Dataset, split: str, samples: int, rng: np.random.Generator) -> Iterator[Examples]:
    """Yield structures of a split by lattice, drawn without repetition until the split is used up."""
    groups = examples(data.split(cast("Split", split)), GAP_EV.key, KINDS)
    group = np.repeat(np.arange(len(groups)), [len(one.species) for one in groups])
    row = np.concatenate([np.arange(len(one.species)) for one in groups])
    able = np.flatnonzero(np.concatenate([one.budget.sum(axis=1) for one in groups]))  # with dopants to place
    rounds = -(-samples // len(able))
    drawn = np.concatenate([rng.permutation(able) for _ in range(rounds)])[:samples]
    for index in np.unique(group[drawn]):
        yield groups[index].take(row[drawn[group[drawn] == index]])


def _draw(generator: DesignGenerator, references: Examples, rng: np.random.Generator, oracle: Model) -> _Drawn:
    """Draw a tube for the condition of each structure, composition by composition."""
    lattice, count = references.lattice, len(references.species)
    species = np.empty((count, lattice.n_sites), dtype=np.uint8)
    exact, good = np.empty((2, count), dtype=bool)
    seconds = 0.0
    budgets, which = np.unique(references.budget, axis=0, return_inverse=True)
    for index, budget in enumerate(budgets):
        rows = np.flatnonzero(which == index)
        placed = {kind.name: int(atoms) for kind, atoms in zip(KINDS, budget, strict=True) if atoms}
        edits = SubstitutionEdits(lattice.n_sites, placed)
        began = perf_counter()
        drawn = generator.sample(Decorations(lattice, edits), references.values[rows], rng)
        seconds += perf_counter() - began
        species[rows] = drawn.species.reshape(len(rows), -1)
        exact[rows], good[rows] = edits.complete(species[rows]), valid(lattice, species[rows], edits)
    gaps = oracle.predict(TubeBatch.uniform(lattice, species))[GAP_EV]
    return _Drawn(references, species, exact, good, gaps, seconds)


def _compared(
    part: _Drawn, known: SpeciesArray | None, held_out: SpeciesArray, surrogate: NetworkSurrogate,
    rng: np.random.Generator,
) -> dict[str, float]:  # fmt: skip
    """Return the figures that compare the tubes drawn on one lattice with structures of the same lattice."""
    lattice, species, references = part.references.lattice, part.species, part.references.species
    real, fake = surrogate.features(lattice, held_out), surrogate.features(lattice, species)
    centre, scale = real.mean(axis=0), real.std(axis=0)
    scale[scale == 0.0] = 1.0
    real, fake = (real - centre) / scale, (fake - centre) / scale
    few = min(len(real), len(fake))  # coverage depends on the numbers of samples: use equal ones
    pair = rng.permutation(real)[:few], rng.permutation(fake)[:few]
    return {
        "uniqueness": uniqueness(lattice, species),
        "novelty": 1.0 if known is None else novelty(lattice, species, known),
        "coverage": coverage(*pair),
        "density": density(*pair),
        "frechet": frechet(real, fake),
        "spread": spread(species, references),
        "pair_correlation_error": pair_correlation_error(
            pair_correlation(lattice, species, KINDS), pair_correlation(lattice, references, KINDS)
        ),
    }


def _mean(values: Sequence[float] | FloatArray, weights: FloatArray) -> float:
    """Return the weighted mean of the finite values, NaN if there is none."""
    figures = np.asarray(values, dtype=np.float64)
    finite = np.isfinite(figures)
    return float(np.average(figures[finite], weights=weights[finite])) if finite.any() else float("nan")
