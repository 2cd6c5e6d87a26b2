"""Predictions of single edits, against predictions of each edited tube."""

import gc
import weakref

import numpy as np
import pytest

from matgym.errors import ConfigurationError
from matgym.structures import Nanotube, Species, TubeBatch
from matgym.surrogates.honeycomb.edits import SingleEdits
from matgym.surrogates.honeycomb.graph import honeycombs
from matgym.surrogates.store import load

KEYS = {
    "nanotube-heat": "thermal_conductance_nw_k",
    "nanotube-young": "young_gpa",
    "nanotube-formation": "formation_ev",
}
KINDS = (Species.B, Species.N, Species.VACANCY, Species.C14, Species.C13, Species.C12)
STRAINS = (0.0, 0.01, 0.03)
ROUNDING = 1e-6  # of the largest value: surrogates compute in single precision
SHAPES = ((5, 5, 4), (6, 4, 1), (9, 0, 3), (11, 2, 1), (4, 0, 1))  # in the last one, walks lead around the tube


def decorated(shape, rng):
    tube = Nanotube(*shape)
    held = rng.choice(np.array(KINDS, dtype=np.uint8), tube.n_sites, p=[0.08, 0.08, 0.02, 0.2, 0.1, 0.52])
    return Nanotube(*shape, held, strain=float(rng.choice(STRAINS)))


@pytest.fixture(scope="module")
def models():
    return [(load(name), key) for name, key in KEYS.items()]


@pytest.fixture(scope="module")
def tubes():
    rng = np.random.default_rng(0)
    return [decorated(shape, rng) for shape in SHAPES]


@pytest.fixture(scope="module")
def edited(models, tubes):
    return SingleEdits(models, KINDS, STRAINS).predict(TubeBatch.of(tubes))


def predicted(models, tubes):
    return np.stack([model.predict(tubes)[key] for model, key in models], axis=1)


def assert_same(found, wanted):
    np.testing.assert_allclose(found, wanted, rtol=0.0, atol=ROUNDING * np.abs(wanted).max())


def test_values_are_those_of_the_surrogates(models, tubes, edited):
    for column, wanted in enumerate(predicted(models, tubes).T):
        assert_same(edited.values[:, column], wanted)


@pytest.mark.parametrize("row", range(len(SHAPES)), ids=str)
def test_every_kind_on_a_site_gives_the_prediction_of_that_tube(models, tubes, edited, row):
    tube, start = tubes[row], sum(each.n_sites for each in tubes[:row])
    sites = np.random.default_rng(row).choice(tube.n_sites, min(24, tube.n_sites), replace=False)
    others = []
    for site in sites:
        for kind in KINDS:
            species = np.array(tube.species)
            species[site] = kind
            others.append(Nanotube(tube.n, tube.m, tube.cells, species, strain=tube.strain))
    wanted = predicted(models, others).reshape(len(sites), len(KINDS), -1)
    for column in range(len(models)):
        assert_same(edited.placed[start + sites, :, column], wanted[..., column])


def test_strains_give_the_predictions_of_strained_tubes(models, tubes, edited):
    for number, strain in enumerate(STRAINS):
        others = [Nanotube(each.n, each.m, each.cells, each.species, strain=strain) for each in tubes]
        for column, wanted in enumerate(predicted(models, others).T):
            assert_same(edited.strained[:, number, column], wanted)


def test_a_batch_in_pieces_is_predicted_as_in_one(models, tubes, edited, monkeypatch):
    monkeypatch.setattr("matgym.surrogates.honeycomb.edits.SITES_A_PASS", 100)
    again = SingleEdits(models, KINDS, STRAINS).predict(TubeBatch.of(tubes))
    for one, other in zip(edited, again, strict=True):
        for column in range(len(models)):
            assert_same(other[..., column], one[..., column])


def test_turned_bonds_and_other_models_raise_an_error(models):
    turned = Nanotube(8, 0, 2, stone_wales=((0, int(Nanotube(8, 0, 2).lattice.neighbours[0, 0])),))
    with pytest.raises(ConfigurationError, match="turned bonds"):
        SingleEdits(models, KINDS, STRAINS).predict(TubeBatch.of([turned]))
    with pytest.raises(ConfigurationError, match="no ridge regression on pairs"):
        SingleEdits([(load("nanotube-gap"), "gap_ev")], KINDS, STRAINS)


def test_the_graph_of_the_last_batch_is_kept_as_long_as_the_batch(tubes):
    batch = TubeBatch.of(tubes)
    graph = honeycombs(batch)
    assert honeycombs(batch) is graph
    other = TubeBatch.of(tubes[::-1])
    np.testing.assert_array_equal(honeycombs(other).tubes, graph.tubes[::-1])
    kept = weakref.ref(honeycombs(other))
    del other
    gc.collect()
    assert kept() is None
