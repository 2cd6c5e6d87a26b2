"""How good a generator is: the tubes that it draws for conditions of held-out structures, verified by the oracle."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from time import perf_counter
from typing import Final, NamedTuple, cast

import numpy as np

from matgym.data import Dataset
from matgym.data.splits import Split
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
from matgym.physics import GAP_EV, PiElectrons
from matgym.statistics import estimate
from matgym.structures import Species, SubstitutionEdits, TubeBatch
from matgym.surrogates import NetworkSurrogate, load
from matgym.tasks import Decorations, DesignGenerator
from matgym.typing import BoolArray, FloatArray, SpeciesArray

NAME: Final = "nanotube-doping"
"""Of the shipped data set and the shipped surrogate."""

KINDS: Final = (Species.B, Species.N)

MET_EV: Final = 0.02
"""A target counts as met within this error, as in `matgym.benchmark`."""


@dataclass(frozen=True)
class Evaluation:
    """Figures of one generator. Those of a lattice are averaged over lattices, weighted by tubes drawn.

    Attributes:
        generator: its name.
        split: whose valid structures lent lattices, compositions and targets.
        samples: tubes drawn.
        validity: share of tubes that are valid as drawn; see `matgym.generative.examples`.
        composition: share of tubes with exactly the composition asked for.
        uniqueness: share of tubes that are no symmetric copies of each other.
        novelty: share of tubes that are no symmetric copies of a training structure.
        coverage: of held-out structures by as many drawn ones, in the surrogate's standardised feature space. A perfect
            generator has about 0.97.
        density: likewise; a perfect generator has about 1.
        frechet: squared distance to all held-out structures in the same space.
        spread: sites in which two drawn tubes differ, over that of the structures that lent the conditions.
        pair_correlation_error: distance to the same structures' correlations; not zero for a perfect generator either,
            since both are samples.
        property_error: median distance of the oracle's gap from the target, eV; what the oracle cannot compute counts
            as infinitely wrong.
        property_error_mean: mean of the same over what it can compute, eV.
        property_met: share of tubes that are valid and within `MET_EV` of the target.
        seconds: wall time of drawing.
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
        """For a table that people read, a row a figure."""
        return [{"figure": name, "value": f"{getattr(self, name):.4g}"} for name in FIGURES]


FIGURES: Final = tuple(f.name for f in fields(Evaluation) if f.name not in {"generator", "split", "samples"})


class _Drawn(NamedTuple):
    """What was drawn on one lattice."""

    asked: Examples  # structures whose conditions were asked for
    species: SpeciesArray  # (B, n_sites)
    exact: BoolArray  # (B,) whether the composition is right
    valid: BoolArray  # (B,) whether the tube is
    gaps: FloatArray  # (B,) by the oracle, eV; NaN where it failed
    seconds: float  # of drawing


def evaluate(
    generator: DesignGenerator, rng: np.random.Generator, *, samples: int = 1000, split: str = "test",
    name: str | None = None, data: Dataset | None = None, surrogate: NetworkSurrogate | None = None,
    oracle: Model | None = None,
) -> Evaluation:  # fmt: skip
    """Draw tubes for the lattice, composition and gap of held-out structures, and judge them.

    Held-out structures are the valid ones of every split but "train". Conditions are drawn from `split` without
    repetition, as long as it holds enough.

    Args:
        generator: to be judged.
        rng: of conditions, draws, and what is compared.
        samples: tubes to draw.
        split: "validation", "test", or "larger".
        name: of the generator; its class's by default.
        data: held-out and training structures; the shipped data set by default.
        surrogate: whose features are compared; the shipped one by default.
        oracle: that verifies; the π-electron oracle by default.

    Raises:
        ConfigurationError: if there is nothing to draw, or the split is the one that generators learn from.
        DatasetError: if there is no such split, or no valid structure in it, or the generator has nothing to offer.
    """
    if samples < 1:
        raise ConfigurationError(f"{samples} samples cannot be judged: draw 1 or more")
    if split == "train":
        raise ConfigurationError("generators learn from the split 'train': take one that they have not seen, as 'test'")
    data, oracle = data or Dataset.load(NAME), oracle or PiElectrons()
    surrogate = surrogate or load(NAME)
    parts = [_draw(generator, asked, rng, oracle) for asked in _conditions(data, split, samples, rng)]
    known = {group.lattice: group.species for group in data.split("train").by_lattice()}
    unseen = data.take(np.flatnonzero(np.array(data.table.column("split").to_pylist()) != "train"))
    held_out = {one.lattice: one.species for one in examples(unseen, GAP_EV.key, KINDS)}
    compared = [
        _compared(part, known.get(part.asked.lattice), held_out[part.asked.lattice], surrogate, rng) for part in parts
    ]
    weights = np.array([len(part.species) for part in parts], dtype=np.float64)
    errors = np.concatenate([np.abs(part.gaps - part.asked.values) for part in parts])
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
    """A Markdown table, a row for each generator and split; several seeds become a mean ± half its 95 % interval."""
    lines = [f"| generator | split | {' | '.join(FIGURES)} |", "|" + "---|" * (len(FIGURES) + 2)]
    for generator, split in dict.fromkeys((row.generator, row.split) for row in evaluations):
        same = [row for row in evaluations if (row.generator, row.split) == (generator, split)]
        lines.append(f"| {generator} | {split} | {' | '.join(_cell(same, figure) for figure in FIGURES)} |")
    return "\n".join(lines) + "\n"


def _cell(same: Sequence[Evaluation], figure: str) -> str:
    found = estimate([getattr(row, figure) for row in same])
    return f"{found.mean:.3g}" + (f" ± {found.half_width:.2g}" if np.isfinite(found.half_width) else "")


# ---- inside


def _conditions(data: Dataset, split: str, samples: int, rng: np.random.Generator) -> Iterator[Examples]:
    """Structures of a split, drawn without repetition while there are any, lattice by lattice."""
    groups = examples(data.split(cast("Split", split)), GAP_EV.key, KINDS)
    group = np.repeat(np.arange(len(groups)), [len(one.species) for one in groups])
    row = np.concatenate([np.arange(len(one.species)) for one in groups])
    able = np.flatnonzero(np.concatenate([one.budget.sum(axis=1) for one in groups]))  # there is something to place
    rounds = -(-samples // len(able))
    drawn = np.concatenate([rng.permutation(able) for _ in range(rounds)])[:samples]
    for index in np.unique(group[drawn]):
        yield groups[index].take(row[drawn[group[drawn] == index]])


def _draw(generator: DesignGenerator, asked: Examples, rng: np.random.Generator, oracle: Model) -> _Drawn:
    """A tube for each of the structures, composition by composition."""
    lattice, count = asked.lattice, len(asked.species)
    species = np.empty((count, lattice.n_sites), dtype=np.uint8)
    exact, good = np.empty((2, count), dtype=bool)
    seconds = 0.0
    budgets, which = np.unique(asked.budget, axis=0, return_inverse=True)
    for index, budget in enumerate(budgets):
        rows = np.flatnonzero(which == index)
        placed = {kind.name: int(atoms) for kind, atoms in zip(KINDS, budget, strict=True) if atoms}
        edits = SubstitutionEdits(lattice.n_sites, placed)
        began = perf_counter()
        drawn = generator.sample(Decorations(lattice, edits), asked.values[rows], rng)
        seconds += perf_counter() - began
        species[rows] = drawn.species.reshape(len(rows), -1)
        exact[rows], good[rows] = edits.complete(species[rows]), valid(lattice, species[rows], edits)
    gaps = oracle.predict(TubeBatch.uniform(lattice, species))[GAP_EV]
    return _Drawn(asked, species, exact, good, gaps, seconds)


def _compared(
    part: _Drawn, known: SpeciesArray | None, held_out: SpeciesArray, surrogate: NetworkSurrogate,
    rng: np.random.Generator,
) -> dict[str, float]:  # fmt: skip
    """Figures of what was drawn on one lattice, against structures of the same."""
    lattice, species, asked = part.asked.lattice, part.species, part.asked.species
    real, fake = surrogate.features(lattice, held_out), surrogate.features(lattice, species)
    centre, scale = real.mean(axis=0), real.std(axis=0)
    scale[scale == 0.0] = 1.0
    real, fake = (real - centre) / scale, (fake - centre) / scale
    few = min(len(real), len(fake))  # coverage depends on the numbers: as many of either
    pair = rng.permutation(real)[:few], rng.permutation(fake)[:few]
    return {
        "uniqueness": uniqueness(lattice, species),
        "novelty": 1.0 if known is None else novelty(lattice, species, known),
        "coverage": coverage(*pair),
        "density": density(*pair),
        "frechet": frechet(real, fake),
        "spread": spread(species, asked),
        "pair_correlation_error": pair_correlation_error(
            pair_correlation(lattice, species, KINDS), pair_correlation(lattice, asked, KINDS)
        ),
    }


def _mean(values: Sequence[float] | FloatArray, weights: FloatArray) -> float:
    """Weighted mean over what could be computed; NaN if nothing could."""
    figures = np.asarray(values, dtype=np.float64)
    known = np.isfinite(figures)
    return float(np.average(figures[known], weights=weights[known])) if known.any() else float("nan")
