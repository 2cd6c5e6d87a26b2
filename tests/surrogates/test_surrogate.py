"""The CNN surrogate: what it sees, how good it is, how it is stored."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from matgym.datasets import DOPING_ORACLE, Dataset, DatasetSpec, Family, build
from matgym.errors import ConfigurationError, PropertyError, WeightsError
from matgym.oracles import PiElectrons
from matgym.structures import Nanotube, Species, tube_lattice
from matgym.surrogates import FitSettings, NetworkSettings, as_predictor, audit, fit, load, load_card, save
from matgym.surrogates.raster import CHANNELS, circular_pad, encode
from matgym.surrogates.recipe import measure
from matgym.testing import check_surrogate

SHIPPED = "nanotube-doping"
TORCH_TOLERANCE_EV = 1e-4  # single precision, summed in another order
CARD_TOLERANCE = 1e-3  # the card's figures against the same recomputed on another processor


@pytest.fixture(scope="module")
def surrogate():
    return load(SHIPPED)


def tubes(n, m, cells, count, seed=0):
    rng = np.random.default_rng(seed)
    shape = Nanotube(n, m, cells)
    return [shape.with_species(rng.choice([0, 3, 4], shape.n_sites, p=[0.8, 0.1, 0.1])) for _ in range(count)]


@pytest.mark.parametrize("shape", [(8, 0, 4), (9, 0, 1), (5, 5, 3), (6, 4, 1), (4, 2, 2)])
def test_padded_pixels_are_the_bonded_ones(shape):
    """Every bond of every atom, also across the seam and the end of the cell, lies inside the 3x3 window."""
    lattice = tube_lattice(*shape)
    height, width = lattice.raster_shape
    sites = torch.arange(lattice.n_sites, dtype=torch.float32).reshape(1, 2, height, width)
    a, b = circular_pad(sites, lattice.raster_shift)[0].long().numpy()
    expected = lattice.neighbours
    for row in range(height):
        for column in range(width):
            i, j = row + 1, column + 1
            seen_by_a = {b[i, j], b[i - 1, j], b[i, j - 1]}
            seen_by_b = {a[i, j], a[i + 1, j], a[i, j + 1]}
            assert seen_by_a == set(expected[a[i, j]])
            assert seen_by_b == set(expected[b[i, j]])


def test_prediction_is_invariant_to_rotations_and_screws_by_construction(surrogate):
    tube = tubes(8, 0, 4, 1)[0]
    values = surrogate.evaluate([tube, tube.rotated(3), tube.screwed(2, -1), tube.screwed(0, 5)])["gap_ev"]
    assert np.ptp(values) < TORCH_TOLERANCE_EV


def test_shipped_surrogate_meets_its_promise_on_tubes_that_training_did_not_see(surrogate):
    data, card = Dataset.load(SHIPPED), load_card(SHIPPED)
    assert card.data["digest"] == data.digest, "the weights were trained on other data: retrain"
    figures = measure(surrogate, data)
    gap = next(m for m in figures["test"] if m.property == "gap_ev")
    assert gap.r2 >= 0.97
    for split, group in card.metrics.items():
        for ours, theirs in zip(figures[split], group, strict=True):
            assert ours.r2 == pytest.approx(theirs.r2, abs=CARD_TOLERANCE)
            assert ours.mae == pytest.approx(theirs.mae, rel=1e-2)


def test_conformal_interval_covers_as_declared_in_distribution(surrogate):
    data = Dataset.load(SHIPPED).split("test")
    hits = []
    for lattice, rows, species in data.by_lattice():
        error = np.abs(surrogate.predict(lattice, species)[:, 0] - data.values("gap_ev")[rows])
        hits.append(error <= surrogate.calibration["interval"][0])
    share = np.concatenate(hits).mean()
    assert share == pytest.approx(0.90, abs=3 * np.sqrt(0.09 / len(data)) + 0.02)


def test_out_of_distribution_score_tells_what_training_never_saw(surrogate):
    known = Dataset.load(SHIPPED).split("test").tubes()[:200]
    all_boron = [Nanotube(8, 0, 4).with_species(np.full(128, Species.B))]
    vacancies = [t.with_species(np.where(t.species == Species.N, Species.VACANCY, t.species)) for t in known[:50]]
    assert surrogate.out_of_distribution(known).mean() < 0.04
    assert surrogate.out_of_distribution(all_boron).all()
    assert surrogate.out_of_distribution(vacancies).mean() > 0.8


def test_audit_agrees_with_oracle_and_surrogate(surrogate):
    designs = tubes(8, 0, 2, 12)
    designs = [t.with_species(_neutral(t.species)) for t in designs]
    found = audit(surrogate, DOPING_ORACLE, designs)
    truth, belief = DOPING_ORACLE.evaluate(designs)["gap_ev"], surrogate.evaluate(designs)["gap_ev"]
    assert found.mae == pytest.approx(np.abs(truth - belief).mean())
    targets = belief + 0.01  # the optimizer believes it misses by exactly that
    assert found.exploitation_gap(targets) == pytest.approx(np.abs(truth - targets).mean() - 0.01)
    assert -1 <= found.spearman <= 1


def _neutral(species):
    """As many B as N."""
    species = species.copy()
    b, n = np.flatnonzero(species == Species.B), np.flatnonzero(species == Species.N)
    keep = min(len(b), len(n))
    species[b[keep:]] = species[n[keep:]] = Species.C12
    return species


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    spec = DatasetSpec(name="small", families=(Family(n=5, m=0, cells=2, samples=600),), largest_share=0.3)
    return Dataset.load(build(spec, tmp_path_factory.mktemp("small") / "data.parquet", workers=1))


QUICK = FitSettings(epochs=25, network=NetworkSettings(width=16, blocks=1, hidden=32))


def test_fitting_learns_and_the_same_seed_gives_the_same_bits(small):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    first, second = fit(small, QUICK), fit(small, QUICK)
    torch.set_num_threads(threads)
    for a, b in zip(first.network.state_dict().values(), second.network.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    test = small.split("test")
    error = first.evaluate(test.tubes())["gap_ev"] - test.values("gap_ev")
    assert error.std() < 0.8 * test.values("gap_ev").std()


def test_test_rows_are_never_looked_at(small):
    """Scrambled test labels change nothing."""
    table = small.table.to_pydict()
    rng = np.random.default_rng(0)
    table["gap_ev"] = [
        float(rng.normal()) if s == "test" else g for s, g in zip(table["split"], table["gap_ev"], strict=True)
    ]
    import pyarrow as pa

    scrambled = Dataset(pa.table(table, schema=small.table.schema))
    settings = FitSettings(epochs=2, network=QUICK.network)
    torch.set_num_threads(1)
    for a, b in zip(
        fit(small, settings).network.parameters(), fit(scrambled, settings).network.parameters(), strict=True
    ):
        assert torch.equal(a, b)


def test_stored_surrogates_come_back_the_same(small, tmp_path):
    fitted = fit(small, FitSettings(epochs=1, network=QUICK.network))
    save(fitted, tmp_path / "w.safetensors")
    again = load(tmp_path / "w.safetensors")
    some = tubes(5, 0, 2, 5)
    np.testing.assert_array_equal(fitted.evaluate(some)["gap_ev"], again.evaluate(some)["gap_ev"])
    np.testing.assert_array_equal(fitted.out_of_distribution(some), again.out_of_distribution(some))


def test_damaged_or_foreign_weights_are_one_sentence(tmp_path):
    with pytest.raises(WeightsError, match="there are no weights 'nowhere'"):
        load("nowhere")
    (tmp_path / "a.safetensors").write_bytes(b"\x80\x04pickle")
    with pytest.raises(WeightsError, match="is missing"):
        load(tmp_path / "a.safetensors")
    card = json.loads(load_card(SHIPPED).model_dump_json())
    (tmp_path / "a.json").write_text(json.dumps(card))
    with pytest.raises(WeightsError, match="does not hold the weights"):
        load(tmp_path / "a.safetensors")
    (tmp_path / "a.json").write_text(json.dumps(card | {"format_version": 99}))
    with pytest.raises(WeightsError, match="format 99"):
        load(tmp_path / "a.safetensors")
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(WeightsError, match="no card"):
        load(tmp_path / "a.safetensors")


def test_a_torch_module_a_function_and_an_oracle_can_all_reward():
    module = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(CHANNELS, 1))
    check_surrogate(module)
    check_surrogate(lambda some: [float(t.counts[Species.B]) for t in some])
    check_surrogate(PiElectrons())
    check_surrogate(SHIPPED)
    lattice = tube_lattice(8, 0, 2)
    species = np.stack([t.species for t in tubes(8, 0, 2, 3)])
    expected = module(torch.from_numpy(encode(lattice, species)))[:, 0].detach().numpy()
    np.testing.assert_allclose(as_predictor(module, "gap_ev").predict(lattice, species), expected, rtol=1e-6)


def test_check_surrogate_finds_what_is_wrong():
    with pytest.raises(ConfigurationError, match="shape"):
        check_surrogate(lambda some: np.zeros((len(some), 2)))
    with pytest.raises(AssertionError, match="cannot be computed"):
        check_surrogate(lambda some: np.full(len(some), np.nan))
    noise = np.random.default_rng(0)
    with pytest.raises(AssertionError, match="second time"):
        check_surrogate(lambda some: noise.random(len(some)))
    with pytest.raises(AssertionError, match="alone and in a batch"):
        check_surrogate(lambda some: np.full(len(some), float(len(some))))
    with pytest.raises(ConfigurationError, match="cannot reward"):
        check_surrogate(3.14)


def test_strained_tubes_are_refused(surrogate):
    with pytest.raises(PropertyError, match="strained"):
        surrogate.evaluate([Nanotube(8, 0, 4).strained(0.01)])
