"""Ridge regression on pairs: shells, exact recovery of linear properties, doubt outside the training data."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from matgym.data import Dataset, Family
from matgym.data.builder import random_tube
from matgym.data.table import table_of, tube_columns
from matgym.errors import WeightsError
from matgym.models import Level
from matgym.structures import Nanotube, Species, TubeBatch
from matgym.surrogates import load
from matgym.surrogates.honeycomb.fitting import HoneycombFit, _left_out, fit
from matgym.surrogates.honeycomb.graph import SITE_SPECIES, TUBE_FEATURES, honeycombs, part_of
from matgym.surrogates.honeycomb.pairs import PairNetwork, PairSettings
from matgym.surrogates.store import save

ROUNDING = 1e-4  # single precision of a sum of some hundred terms of both signs, relative to the property's spread
CHIRALITIES = [(8, 0, 3), (6, 4, 1), (5, 5, 5), (9, 0, 3), (7, 3, 1), (10, 0, 2), (8, 2, 1), (6, 6, 4), (10, 1, 1)]


def tubes_of(seed, *shapes, count=30, **more):
    settings = {"unbalanced": 0.5, "vacancies": 1, "stone_wales": 1, "strain": (-0.01, 0.02)} | more
    families = [Family(n=n, m=m, cells=cells, samples=1, **settings) for n, m, cells in shapes]
    return [
        random_tube(family, 0.2, np.random.default_rng([seed, number, k]))
        for number, family in enumerate(families)
        for k in range(count)
    ]


def walks(tube, length):
    """Return how many walks of some bonds, without turning back, lead from one site to another: by listing them."""
    neighbours = [[] for _ in range(tube.n_sites)]
    for one, other in tube.bonds[:, :2].tolist():
        neighbours[one].append(other)
        neighbours[other].append(one)
    found = Counter()
    todo = [(site, site, None) for site in range(tube.n_sites)]
    for _ in range(length):
        todo = [(first, near, last) for first, last, before in todo for near in neighbours[last] if near != before]
    found.update((first, last) for first, last, _ in todo)
    return found


def numbers_of(tube, length):
    """Return pairs of B and N per site at the ends of walks of some bonds, by listing the walks."""
    total = sum(
        count
        for (first, last), count in walks(tube, length).items()
        if (tube.species[first], tube.species[last]) == (Species.B, Species.N)
    )
    return total / tube.n_sites


@pytest.mark.parametrize("tube", [tubes_of(0, (8, 0, 3), count=1)[0], tubes_of(1, (6, 4, 1), count=1)[0]], ids=str)
def test_pairs_are_counted_along_walks_that_do_not_turn_back(tube):
    settings = PairSettings(shells=4, directed=0)
    network, graph = PairNetwork(settings, 1), honeycombs(TubeBatch.of([tube]))
    arrays = (graph.sites, graph.neighbours, graph.directions, graph.tube, graph.tubes)
    found = network.features(*(torch.tensor(array) for array in arrays)).numpy()[0, TUBE_FEATURES:].reshape(5, -1)
    one, other = np.triu_indices(len(SITE_SPECIES) + 1)
    column = np.flatnonzero((one == SITE_SPECIES.index(Species.B)) & (other == SITE_SPECIES.index(Species.N)))[0]
    for length in range(1, 5):
        assert found[length, column] == pytest.approx(numbers_of(tube, length), abs=1e-6), length


def planted(tubes, rng, noise=0.0):
    """Return a made-up formation energy, eV, that is linear in pairs per site: what the regression must find."""
    counts = np.array([[tube.counts[kind] for kind in (Species.B, Species.N)] for tube in tubes], dtype=float)
    bonds = np.array([numbers_of(tube, 1) * tube.n_sites for tube in tubes])
    sites = np.array([tube.n_sites for tube in tubes])
    diameters = np.array([tube.lattice.diameter_nm for tube in tubes])
    per_site = (counts @ [1.3, 0.7] - 2.0 * bonds) / sites + 0.05 / diameters + noise * rng.normal(size=len(tubes))
    return per_site * sites


def data_of(tubes, values, splits):
    batch = TubeBatch.of(tubes)
    columns = tube_columns(batch, range(len(tubes))) | {"split": splits}
    empty = table_of(columns, (), {b"matgym": b"{}"})
    return Dataset(empty).with_column("formation_ev", values, Level.PI)


@pytest.fixture(scope="module")
def data():
    seen, unseen = tubes_of(2, *CHIRALITIES), tubes_of(3, (7, 5, 1), (11, 0, 3), (9, 3, 1), count=60)
    rng = np.random.default_rng(4)
    splits = ["validation" if k % 6 == 0 else "train" for k in range(len(seen))] + ["unseen"] * len(unseen)
    return data_of(seen + unseen, planted(seen + unseen, rng, noise=0.01), splits)


@pytest.fixture(scope="module")
def surrogate(data):
    return fit(data, HoneycombFit(("formation_ev",), network="pairs", members=4))


def test_a_property_that_is_linear_in_pairs_is_found_on_unseen_chiralities():
    seen, unseen = tubes_of(2, *CHIRALITIES), tubes_of(3, (7, 5, 1), (11, 0, 3))
    splits = ["validation" if k % 6 == 0 else "train" for k in range(len(seen))]
    exact = data_of(seen, planted(seen, np.random.default_rng(0)), splits)
    found = fit(exact, HoneycombFit(("formation_ev",), network="pairs")).predict(unseen)["formation_ev"]
    truth = planted(unseen, np.random.default_rng(0))
    assert np.abs(found - truth).max() < ROUNDING * truth.std()


def test_intervals_hold_nine_of_ten_labels_of_unseen_chiralities(data, surrogate):
    """180 tubes: nine tenths less three standard deviations of a binomial share, sqrt(0.9 0.1 / 180) = 0.022.

    The noise alone makes an interval of 1.645 standard deviations: a width of twice that says something still.
    """
    part = data.split("unseen")
    mean, half_width = surrogate.judged(part)
    covered = np.abs(mean[:, 0] - part.values("formation_ev")) <= half_width[:, 0]
    assert covered.mean() >= 0.90 - 3 * 0.022
    assert np.median(half_width[:, 0] / part.batch.n_sites) < 2 * 1.645 * 0.01


def test_intervals_are_wider_where_errors_are_larger():
    """Labels of tubes with a vacancy have five times the noise of others; the fit adds an error of its own to both.

    Intervals of each kind are to hold nine tenths less three standard deviations of a binomial share.
    """
    seen, unseen = tubes_of(7, *CHIRALITIES), tubes_of(8, (7, 5, 1), (11, 0, 3))
    is_hard = np.array([tube.counts.get(Species.VACANCY, 0) > 0 for tube in seen + unseen])
    rng, sites = np.random.default_rng(9), np.array([tube.n_sites for tube in seen + unseen])
    noise = np.where(is_hard, 0.05, 0.01) * sites * rng.normal(size=len(sites))
    splits = ["validation" if k % 6 == 0 else "train" for k in range(len(seen))] + ["unseen"] * len(unseen)
    data = data_of(seen + unseen, planted(seen + unseen, rng) + noise, splits)
    part = data.split("unseen")
    mean, half_width = fit(data, HoneycombFit(("formation_ev",), network="pairs", members=4)).judged(part)
    per_site, hard = half_width[:, 0] / part.batch.n_sites, is_hard[len(seen) :]
    assert per_site[hard].mean() > per_site[~hard].mean()
    covered = np.abs(mean[:, 0] - part.values("formation_ev")) <= half_width[:, 0]
    for kind in (hard, ~hard):
        assert covered[kind].mean() >= 0.9 - 3 * np.sqrt(0.09 / kind.sum())


@pytest.mark.parametrize(
    ("tube", "said"),
    [
        (
            Nanotube(8, 0, 3, strain=0.08).decorated({0: "B", 9: "N"}),
            "strain 8 %, and -0.985 to 1.97 in",
        ),
        (Nanotube(7, 5).decorated(dict.fromkeys(range(200), "N")), "excess of N over B"),
        (Nanotube(8, 0, 3).decorated(dict.fromkeys(range(40), "13C")), "share of 13C"),
        (Nanotube(10, 0, 2, torsion=0.03), "torsion 3 %"),
    ],
    ids=("strain", "composition", "isotope", "torsion"),
)
def test_outside_the_training_data_an_interval_is_infinite(surrogate, tube, said):
    found = surrogate.predict([tube, Nanotube(8, 0, 3).decorated({0: "B", 9: "N"})])
    assert said in found.notes["formation_ev"][0]
    assert np.isinf(found.half_width["formation_ev"][0])
    assert np.isfinite(found.half_width["formation_ev"][1])
    assert 1 not in found.notes["formation_ev"]


def test_wider_and_longer_tubes_have_a_note_and_an_interval(surrogate):
    found = surrogate.predict([Nanotube(20, 0, 2), Nanotube(8, 0, 14)])
    assert "inverse diameter" in found.notes["formation_ev"][0]
    assert "inverse length" in found.notes["formation_ev"][1]
    assert np.isfinite(found.half_width["formation_ev"]).all()


def test_it_is_stored_and_loaded(surrogate, tmp_path):
    save(surrogate, tmp_path / "mine.safetensors")
    found, tubes = load(tmp_path / "mine.safetensors"), tubes_of(5, (7, 5, 1), count=3)
    assert found.name == "pairs"
    np.testing.assert_array_equal(found.predict(tubes)["formation_ev"], surrogate.predict(tubes)["formation_ev"])
    np.testing.assert_array_equal(
        found.predict(tubes).half_width["formation_ev"], surrogate.predict(tubes).half_width["formation_ev"]
    )


def test_a_calibration_of_another_version_raises(surrogate, tmp_path):
    older = replace(surrogate, calibration={**surrogate.calibration, "unseen_sd": np.ones(1)})
    save(older, tmp_path / "mine.safetensors")
    with pytest.raises(WeightsError, match="unseen_sd is of another version of matgym: train anew"):
        load(tmp_path / "mine.safetensors")


def test_a_part_of_a_graph_is_the_graph_of_the_part():
    tubes = tubes_of(6, (8, 0, 2), (6, 4, 1), (5, 5, 3), count=2)
    rows = np.array([4, 0, 3])
    part, alone = part_of(honeycombs(TubeBatch.of(tubes)), rows), honeycombs(TubeBatch.of([tubes[k] for k in rows]))
    for name in ("neighbours", "directions", "sites", "tubes", "tube"):
        np.testing.assert_array_equal(getattr(part, name), getattr(alone, name))


@pytest.mark.parametrize(("chiralities", "members", "left"), [(9, 3, 3), (9, 4, 3), (24, 12, 2), (4, 2, 0), (2, 5, 0)])
def test_a_member_leaves_out_a_third_of_the_chiralities_at_most(chiralities, members, left):
    held = _left_out(np.repeat(np.arange(chiralities), 5), members)
    if not left:
        assert (held == -1).all()
    else:
        counts = [len(np.unique(np.repeat(np.arange(chiralities), 5)[held == member])) for member in range(members)]
        assert max(counts) == left
        assert sum(counts) == chiralities


def test_what_varies_by_rounding_alone_has_no_weight():
    """A third of each tube holds 13C, but for rounding: with that scaled up, a tube without it got 10⁹ eV."""
    rng = np.random.default_rng(0)
    network = PairNetwork(PairSettings(shells=0, directed=0), 1)
    features = rng.normal(size=(60, network.n_features))
    features[:, 3] = 1.0 / 3.0 + 1e-8 * rng.normal(size=60)
    features[:, 4] = 1e-9 * rng.normal(size=60)  # directions of bonds that cancel
    network.solve(features, features[:, :1] + 0.01 * rng.normal(size=(60, 1)), np.arange(60) // 10)
    assert network.head[0].weight[0, 3:5].tolist() == [0.0, 0.0]
    assert float(network.head[0].weight[0, 0]) == pytest.approx(1.0, abs=0.05)
