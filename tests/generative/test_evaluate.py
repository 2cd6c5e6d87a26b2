"""Evaluations of generators whose figures are known beforehand."""

import math
from dataclasses import asdict, replace

import numpy as np
import pytest

from matgym.data import Dataset
from matgym.data.table import HELD
from matgym.errors import ConfigurationError, DatasetError
from matgym.generative import NearestDesigns
from matgym.generative.evaluate import FIGURES, evaluate, table
from matgym.models import Level, Model, Predictions
from matgym.physics import GAP_EV
from matgym.physics.electrons.self_consistent import SelfConsistentElectrons
from matgym.structures import Species, TubeBatch
from matgym.surrogates import load
from matgym.tasks import RandomDesigns

SAMPLES = 64
PERFECT_COVERAGE = 0.85  # 1 - 1/2⁵ = 0.97 is expected; 64 structures scatter
LABEL_EV = 1e-5  # tolerance between the data's labels and the oracle's values


class Answers:
    """A generator that returns the held-out structures, the best possible one."""

    def __init__(self, data, spoil=lambda species: species):
        self.known = {
            lattice: (species, data.values("gap_ev")[rows]) for lattice, rows, species, _ in data.by_lattice()
        }
        self.spoil = spoil

    def sample(self, space, targets, rng):  # noqa: ARG002  # the protocol's names
        species, gaps = self.known[space.lattice]
        fits = space.edits.complete(species)
        nearest = np.abs(gaps[fits] - targets[:, None]).argmin(axis=1)
        return TubeBatch.uniform(space.lattice, self.spoil(species[fits][nearest]))


class NoOracle(Model):
    """An oracle that returns the gap zero, for tests that do not use the property."""

    properties = (GAP_EV,)
    level = Level.PI

    def predict(self, tubes):
        return Predictions({"gap_ev": np.zeros(len(tubes))})


@pytest.fixture(scope="module")
def data():
    """Return tubes of two cells, which are quick to compute, and some that are larger than the training data."""
    whole = Dataset.load("nanotube-doping")
    split, cells = (np.array(whole.table.column(name).to_pylist()) for name in ("split", "cells"))
    return whole.take(np.concatenate([np.flatnonzero(cells == 2), np.flatnonzero(np.isin(split, HELD))[::4]]))


@pytest.fixture(scope="module")
def judge(data):
    surrogate = load("nanotube-doping")

    def found(generator, samples=SAMPLES, split="test", oracle=None, seed=0):
        rng = np.random.default_rng(seed)
        return evaluate(
            generator, rng, samples=samples, split=split, data=data, surrogate=surrogate, oracle=oracle or NoOracle()
        )

    return found


@pytest.fixture(scope="module")
def random(judge):
    return judge(RandomDesigns(), samples=40, oracle=SelfConsistentElectrons(), seed=3)


def test_the_held_out_structures_themselves_score_perfectly(data, judge):
    best = judge(Answers(data.split("test")), samples=24, oracle=SelfConsistentElectrons())
    assert best.composition == best.novelty == 1.0
    assert best.property_error_mean < LABEL_EV
    assert best.property_met == best.validity


def test_random_sites_are_novel_and_far_from_the_target(random):
    assert random.composition == 1.0
    assert 0.2 < random.validity < 0.9
    assert random.property_error > 10 * LABEL_EV
    assert random.property_met < 0.5
    assert random.generator == "RandomDesigns"


def test_known_structures_are_valid_and_not_novel(data, judge):
    nearest = judge(NearestDesigns(data), samples=SAMPLES)
    assert nearest.validity == nearest.composition == 1.0
    assert nearest.novelty == 0.0
    assert nearest.coverage > PERFECT_COVERAGE


def test_structures_of_a_wrong_composition_are_not_valid(data, judge):
    def without_nitrogen(species):
        return np.where(species == Species.N, Species.C12, species).astype(np.uint8)

    spoiled = judge(Answers(data.split("test"), without_nitrogen))
    assert spoiled.composition == spoiled.validity == spoiled.property_met == 0.0


def test_mode_collapse_lowers_coverage_and_uniqueness(data, judge, random):
    class Stuck(NearestDesigns):
        """A generator that returns the same tube for every target."""

        def sample(self, space, targets, rng):
            return super().sample(space, targets[:1], rng).take([0] * len(targets))

    stuck = judge(Stuck(data), samples=40)
    assert stuck.uniqueness < 0.8 < random.uniqueness
    assert stuck.spread < random.spread
    assert stuck.coverage < random.coverage


def test_tubes_larger_than_the_training_data_are_all_novel(data, judge):
    """All structures are used, though not all are valid and give conditions: some conditions are used twice."""
    held_out = len(data.split("held"))
    larger = judge(RandomDesigns(), samples=held_out, split="held")
    assert (larger.split, larger.samples) == ("held", held_out)
    assert larger.novelty == 1.0
    assert 0.0 < larger.coverage <= 1.0
    assert math.isfinite(larger.frechet)


def test_the_same_generator_gives_the_same_figures(judge, random):
    again = judge(RandomDesigns(), samples=40, oracle=SelfConsistentElectrons(), seed=3)
    assert replace(random, seconds=0.0) == replace(again, seconds=0.0)


def test_a_failure_of_the_oracle_counts_as_an_infinite_error(judge):
    class Broken(NoOracle):
        """An oracle that always fails."""

        def predict(self, tubes):
            failures = dict.fromkeys(range(len(tubes)), "broken")
            return Predictions.together({"gap_ev": np.full(len(tubes), np.nan)}, failures)

    broken = judge(RandomDesigns(), samples=20, oracle=Broken())
    assert broken.property_error == math.inf
    assert math.isnan(broken.property_error_mean)
    assert broken.property_met == 0.0


def test_evaluating_without_samples_or_held_out_structures_raises(judge):
    with pytest.raises(ConfigurationError, match="samples=0"):
        judge(RandomDesigns(), samples=0)
    with pytest.raises(ConfigurationError, match="train"):
        judge(RandomDesigns(), split="train")
    with pytest.raises(DatasetError, match="no split 'exam'"):
        judge(RandomDesigns(), split="exam")


def test_the_table_gives_seeds_as_a_mean_with_its_interval(random):
    rows = [replace(random, validity=0.5), replace(random, validity=0.7), replace(random, generator="other")]
    lines = table(rows).splitlines()
    assert len(lines) == 4
    assert lines[0].count("|") == lines[3].count("|") == len(FIGURES) + 3
    assert lines[2].startswith("| RandomDesigns | test | 0.6 ± 1.3 |")  # Student's t of one degree: 12.71 * 0.1
    assert "±" not in lines[3]
    assert set(asdict(random)) == {"generator", "split", "samples", *FIGURES}
    assert [row["figure"] for row in random.as_rows()] == list(FIGURES)
