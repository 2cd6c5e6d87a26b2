"""The CNN surrogate: what it sees, how good it is, how it is stored."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from matgym.data import Dataset, DatasetSpec, Family, build
from matgym.errors import ConfigurationError, DatasetError, PropertyError, WeightsError
from matgym.physics import PiElectrons
from matgym.structures import Nanotube, Species, tube_lattice
from matgym.surrogates import NETWORKS, FitSettings, as_predictor, audit, fit, load, load_card, save, shipped
from matgym.surrogates.raster import CHANNELS, circular_pad, encode
from matgym.surrogates.recipe import measure
from matgym.testing import check_surrogate

SHIPPED = "nanotube-doping"
FIRST_FORMAT = Path(__file__).parent / "data" / "format-1.safetensors"
INVARIANCE = 1e-5  # single precision, summed in another order
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


@pytest.mark.parametrize("name", list(shipped()))
def test_shipped_surrogates_meet_their_promises_on_tubes_that_training_did_not_see(name):
    card = load_card(name)
    data = Dataset.load(card.data["name"])
    assert card.data["digest"] == data.digest, "the weights were trained on other data: retrain"
    found = measure(load(name), data)
    for split, group in card.metrics.items():
        for ours, theirs in zip(found[split], group, strict=True):
            assert ours.r2 == pytest.approx(theirs.r2, abs=CARD_TOLERANCE)
            assert ours.mae == pytest.approx(theirs.mae, rel=1e-2)


def test_every_promised_property_is_shipped_and_found_by_its_name():
    for name in ("gap", "conductance", "thermal_conductance", "zt", "young", "formation"):
        assert any(key.startswith(name) for key in load(name).keys), name  # no mapping


@pytest.mark.parametrize("name", list(shipped()))
def test_intervals_cover_as_declared_in_distribution(name):
    """Within 88 to 92 %, beyond what a binomial count of the test split scatters by."""
    for figures in load_card(name).metrics["test"]:
        scatter = 2 * np.sqrt(0.09 / figures.n)
        assert 0.88 - scatter <= figures.coverage <= 0.92 + scatter, figures.property


def test_out_of_distribution_score_tells_what_training_never_saw(surrogate):
    known = Dataset.load(SHIPPED).split("test").tubes()[:200]
    all_boron = [Nanotube(8, 0, 4).with_species(np.full(128, Species.B))]
    vacancies = [t.with_species(np.where(t.species == Species.N, Species.VACANCY, t.species)) for t in known[:50]]
    assert surrogate.out_of_distribution(known).mean() < 0.04
    assert surrogate.out_of_distribution(all_boron).all()
    for shape in ((8, 0, 6), (10, 0, 4), (8, 0, 1), (6, 3, 1)):  # longer, wider, shorter, chiral
        assert surrogate.out_of_distribution(tubes(*shape, 5)).all(), shape
    assert surrogate.out_of_distribution(vacancies).all()
    assert "does not know: it was trained on carbon, B, N" in surrogate.evaluate(vacancies).failures[0]


def test_audit_agrees_with_oracle_and_surrogate(surrogate):
    designs = tubes(8, 0, 2, 12)
    designs = [t.with_species(_neutral(t.species)) for t in designs]
    found = audit(surrogate, PiElectrons(), designs)
    truth, belief = PiElectrons().evaluate(designs)["gap_ev"], surrogate.evaluate(designs)["gap_ev"]
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
    spec = DatasetSpec(name="small", families=(Family(n=8, m=0, cells=1, samples=800),), largest_share=0.3)
    return Dataset.load(build(spec, tmp_path_factory.mktemp("small") / "data.parquet", workers=1))


SMALL = {"width": 16, "blocks": 1, "hidden": (32,)}
QUICK = FitSettings(epochs=60, size=SMALL)


def test_fitting_learns_and_the_same_seed_gives_the_same_bits(small):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    first, second = fit(small, QUICK), fit(small, QUICK)
    torch.set_num_threads(threads)
    for a, b in zip(first.networks[0].state_dict().values(), second.networks[0].state_dict().values(), strict=True):
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
    settings = FitSettings(epochs=2, size=SMALL)
    torch.set_num_threads(1)
    for a, b in zip(
        fit(small, settings).networks[0].parameters(), fit(scrambled, settings).networks[0].parameters(), strict=True
    ):
        assert torch.equal(a, b)


@pytest.mark.parametrize("network", list(NETWORKS))
def test_every_network_is_invariant_to_rotations_and_screws_on_any_tube(network):
    from matgym.surrogates.networks import make_network
    from matgym.surrogates.raster import global_features, raster_view

    torch.manual_seed(0)
    net = make_network(network, {}, marks=2, globals_=3, outputs=2).eval()
    seen = (Species.B, Species.N)

    def values(some):
        lattice, species = some[0].lattice, np.stack([tube.species for tube in some])
        view = raster_view(lattice)
        inputs = (view.encode(species, seen), global_features(lattice, species, seen))
        return net(*(torch.from_numpy(x) for x in inputs), view.shift).detach().numpy()

    for shape in [(8, 0, 2), (5, 5, 3), (6, 4, 1)]:
        tube = tubes(*shape, 1)[0]
        found = values([tube, tube.rotated(1), tube.screwed(2, -1), tube.flipped()])
        assert np.ptp(found[:3], axis=0).max() < INVARIANCE
        if network in {"resnet", "graph"}:  # the two-fold axes across the tube, too
            assert np.ptp(found, axis=0).max() < INVARIANCE
        elif network == "plain":  # which has no such symmetry
            assert np.ptp(found, axis=0).max() > 10 * INVARIANCE


def test_a_tube_between_leads_is_seen_with_its_ends():
    """Turned about the axis or end for end it is the same device; moved through its ends it is another one."""
    from matgym.surrogates.raster import raster_view

    torch.manual_seed(0)
    settings = FitSettings(properties=("conductance_us",), size=SMALL)
    device = _untrained(settings)
    assert device.between_leads
    for shape in [(8, 0, 2), (5, 5, 3)]:
        tube = tubes(*shape, 1)[0]
        same = np.stack([t.species for t in (tube, tube.rotated(2), tube.reversed())])
        moved = tube.screwed(*tube.lattice.screw).species[None]
        values = device.predict(tube.lattice, same)
        assert np.ptp(values) < INVARIANCE * np.abs(values).max()
        assert abs(device.predict(tube.lattice, moved) - values[0]) > 10 * INVARIANCE * np.abs(values).max()
        sites = raster_view(tube.lattice, leads=True).sites
        assert sorted(sites[sites >= 0]) == list(range(tube.n_sites))


def _untrained(settings):
    from matgym.surrogates import NetworkSurrogate
    from matgym.surrogates.fitting import _initial
    from matgym.surrogates.learned import Scaling

    net = _initial(settings, 0, None)
    scaling = Scaling(np.zeros(1), np.ones(1))
    return NetworkSurrogate(
        (net,), settings.network, settings.size, settings.properties, settings.codes, ((8, 0, 2),), scaling
    )


def test_padding_by_more_than_the_raster_is_padding_twice():
    raster = torch.arange(2 * 3 * 2, dtype=torch.float32).reshape(1, 1, 6, 2)
    for shift in (0, 1):
        twice = circular_pad(circular_pad(raster, shift), shift) if shift == 0 else None
        wide = circular_pad(raster, shift, 3)
        assert wide.shape == (1, 1, 12, 8)
        for row in range(-3, 9):
            for column in range(-3, 5):
                turns, inside = divmod(row, 6)
                expected = raster[0, 0, inside, (column + turns * shift) % 2]
                assert wide[0, 0, row + 3, column + 3] == expected
        assert twice is None or twice.shape == (1, 1, 10, 6)


def test_weights_of_the_first_format_still_load_and_predict_as_they_did():
    stored = json.loads((FIRST_FORMAT.parent / "format-1-predictions.json").read_text())
    some = [Nanotube(n, m, c, np.array(codes, np.uint8)) for n, m, c, codes in stored["tubes"]]
    old = load(FIRST_FORMAT)
    np.testing.assert_allclose(old.evaluate(some)["gap_ev"], stored["gap_ev"], atol=TORCH_TOLERANCE_EV)
    belief = old.believe(some[0].lattice, some[0].species[None], "gap_ev")
    assert belief.half_width[0] == pytest.approx(stored["interval"][0])
    assert old.out_of_distribution(some).tolist() == stored["far"]


def test_a_killed_fit_resumes_to_the_same_weights(small, tmp_path):
    torch.set_num_threads(1)
    settings = FitSettings(epochs=4, members=2, size=SMALL)
    unbroken = fit(small, settings)

    class KilledError(Exception):
        pass

    def kill(member, epoch, _loss, _error):
        if (member, epoch) == (1, 2):
            raise KilledError

    with pytest.raises(KilledError):
        fit(small, settings, checkpoints=tmp_path, on_epoch=kill)
    done = []
    resumed = fit(small, settings, checkpoints=tmp_path, on_epoch=lambda m, e, _l, _e: done.append((m, e)))
    assert done == [(1, 3), (1, 4)]
    for a, b in zip(unbroken.networks, resumed.networks, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))
    with pytest.raises(DatasetError, match="belongs to another training"):
        fit(small, FitSettings(epochs=5, members=2, size=SMALL), checkpoints=tmp_path)
    (tmp_path / "member-0.pt").write_bytes(b"no checkpoint")
    with pytest.raises(DatasetError, match="is no checkpoint"):
        fit(small, settings, checkpoints=tmp_path)


def test_an_ensemble_is_the_mean_of_its_members_and_knows_where_they_disagree(small):
    fitted = fit(small, FitSettings(epochs=3, members=3, size=SMALL))
    some = tubes(8, 0, 1, 20)
    species = np.stack([tube.species for tube in some])
    belief = fitted.believe(some[0].lattice, species, "gap_ev")
    np.testing.assert_allclose(belief.members.mean(axis=0), belief.mean)
    spread = belief.members.std(axis=0, ddof=1)
    assert np.corrcoef(spread, belief.sd)[0, 1] > 0.99 or fitted.calibration["factor"][0] < 1e-3
    assert (belief.half_width > 0).all()


def test_transfer_takes_over_all_but_the_last_layer(small):
    source = fit(small, FitSettings(properties=("pi_formation_ev",), epochs=1, size=SMALL))
    seen = []
    fit(
        small,
        FitSettings(properties=("gap_ev",), epochs=1, size=SMALL, learning_rate=1e-12),
        start=source,
        on_epoch=lambda *_: seen.append(True),
    )
    from matgym.surrogates.fitting import _initial

    started = _initial(FitSettings(properties=("gap_ev",), size=SMALL), 0, source)
    for (name, a), b in zip(started.state_dict().items(), source.networks[0].state_dict().values(), strict=True):
        assert torch.equal(a, b) == (not name.startswith("head.2.")), name
    leads = _initial(FitSettings(properties=("zt",), informed_by=("gap_ev",), size=SMALL), 0, source)
    stem = source.networks[0].state_dict()["stem.weight"]
    assert torch.equal(leads.state_dict()["stem.weight"][:, :4], stem)  # and fresh channels for the lead
    assert leads.state_dict()["stem.weight"].shape[1] == 6
    with pytest.raises(ConfigurationError, match="cannot start"):
        fit(small, FitSettings(properties=("gap_ev",), network="lenet"), start=source)


def test_physics_given_as_input_reaches_the_network(small):
    informed = fit(small, FitSettings(properties=("pi_formation_ev",), informed_by=("gap_ev",), epochs=2, size=SMALL))
    test = small.split("test")
    lattice, rows, species = next(test.by_lattice())
    held = test.values("gap_ev")[rows][:, None]
    np.testing.assert_allclose(informed.predict(lattice, species, held), informed.predict(lattice, species), atol=1e-4)
    with pytest.raises(PropertyError, match="no physics 'zt'"):
        FitSettings(informed_by=("zt",))


def test_statistics_of_normalisation_are_kept_in_the_last_part_of_a_training(small, tmp_path):
    """They are those at the freeze, whatever is trained after it; and training then sees what use sees."""
    from matgym.surrogates.fitting import FREEZE

    seen = {}

    def look(_member, epoch, _loss, _error):
        state = torch.load(tmp_path / "member-0.pt", weights_only=True)["net"]
        seen[epoch] = {name: value for name, value in state.items() if "running" in name or "stem.weight" in name}

    fit(small, FitSettings(epochs=8, size=SMALL), checkpoints=tmp_path, on_epoch=look)
    frozen = math.ceil(FREEZE * 8)
    for name, last in seen[8].items():
        assert not torch.equal(seen[frozen - 1][name], seen[frozen][name]), "until then they move"
        assert torch.equal(seen[frozen][name], last) == ("running" in name), name


def test_cross_validation_predicts_every_tube_once_and_resumes(small, tmp_path):
    from matgym.surrogates.cross_validation import cross_validate, fold_of, summary

    pool = small.labelled()
    tests = [fold_of(pool, fold, 4, 0).split("test").table.column("key").to_pylist() for fold in range(4)]
    assert sorted(key for fold in tests for key in fold) == sorted(pool.table.column("key").to_pylist())
    settings = FitSettings(epochs=1, size=SMALL)
    first = cross_validate(small, settings, 2, folder=tmp_path)
    epochs = []
    again = cross_validate(small, settings, 2, folder=tmp_path, on_epoch=lambda *done: epochs.append(done))
    assert again == first
    assert not epochs
    row = summary(first)[0]
    assert row["property"] == "gap_ev"
    assert row["r2"] == pytest.approx(np.mean([fold[0].r2 for fold in first]))
    with pytest.raises(DatasetError, match="belongs to another cross-validation"):
        cross_validate(small, FitSettings(epochs=2, size=SMALL), 2, folder=tmp_path)
    with pytest.raises(ConfigurationError, match="give at least 2"):
        cross_validate(small, settings, 1)


def test_stored_surrogates_come_back_the_same(small, tmp_path):
    fitted = fit(small, FitSettings(epochs=1, size=SMALL))
    save(fitted, tmp_path / "w.safetensors")
    again = load(tmp_path / "w.safetensors")
    some = tubes(8, 0, 1, 5)
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


def test_tubes_that_networks_cannot_see_are_failures_with_a_reason(surrogate):
    tube = Nanotube(8, 0, 4)
    pair = (40, int(tube.lattice.neighbours[40, 0]))
    found = surrogate.evaluate([tube, tube.strained(0.01), tube.twisted(0.01), tube.turned(pair), tube])
    assert list(found.failures) == [1, 2, 3]
    for row, deed in enumerate(["strained", "twisted", "reconstructed"], start=1):
        assert deed in found.failures[row]
    np.testing.assert_array_equal(np.isnan(found["gap_ev"]), [False, True, True, True, False])
