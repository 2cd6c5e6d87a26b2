"""The network surrogate: its input, its accuracy, its files."""

import hashlib
import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from matgym.data import Dataset, DatasetSpec, Family, build
from matgym.errors import ConfigurationError, DamagedFileWarning, DatasetError, PropertyError, WeightsError
from matgym.models import Model, Predictions
from matgym.physics import GAP_EV, PiElectrons
from matgym.physics.electrons.self_consistent import SelfConsistentElectrons
from matgym.structures import Nanotube, Species, TubeBatch, tube_lattice
from matgym.surrogates import NETWORKS, FitConfig, FunctionModel, as_model, fit, load, load_card, save, verify
from matgym.surrogates.raster import CHANNELS, circular_pad, encode
from matgym.surrogates.training import figures
from matgym.testing import check_model

SHIPPED = "nanotube-doping"
INVARIANCE = 1e-5  # single precision, summed in another order
TORCH_TOLERANCE_EV = 1e-4  # single precision, summed in another order


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
    values = surrogate.predict([tube, tube.rotated(3), tube.screwed(2, -1), tube.screwed(0, 5)])["gap_ev"]
    assert np.ptp(values) < TORCH_TOLERANCE_EV


def test_every_documented_property_is_shipped_and_loaded_by_name():
    for name in ("gap", "thermal_conductance", "zt", "young", "formation"):
        assert any(key.startswith(name) for key in load(name).keys), name  # no mapping


def test_out_of_distribution_score_is_higher_for_tubes_unlike_the_training_data(surrogate):
    known = Dataset.load(SHIPPED).split("test").batch[:200]
    all_boron = [Nanotube(8, 0, 4).with_species(np.full(128, Species.B))]
    vacancies = [t.with_species(np.where(t.species == Species.N, Species.VACANCY, t.species)) for t in known[:50]]

    def far(some):
        return surrogate.predict(some).distance > 1.0

    assert far(known).mean() < 0.04
    assert far(all_boron).all()
    for shape in ((8, 0, 6), (10, 0, 4), (8, 0, 1), (6, 3, 1)):  # longer, wider, shorter, chiral
        assert far(tubes(*shape, 5)).all(), shape
    assert far(vacancies).all()
    assert "not trained on: its species are carbon, B, N" in surrogate.predict(vacancies).reasons[0]


class Told(Model):
    """A model and oracle that returns given values for any tubes."""

    properties = (GAP_EV,)

    def __init__(self, values, far=None, failures=None):
        self.values, self.failures = np.array(values), dict(failures or {})
        self.distance = None if far is None else np.where(far, 2.0, 0.5)

    def predict(self, some):
        assert len(some) == len(self.values)
        found = Predictions.together({"gap_ev": self.values}, self.failures)
        return replace(found, distance=self.distance)


def test_verification_gives_errors_computed_by_hand():
    """Four designs of which the oracle computes three: errors +0.1, -0.2, +0.6 eV."""
    physics = Told([1.0, 1.4, np.nan, 0.3], failures={2: "no convergence"})
    predicted = Told([1.1, 1.2, 9.0, 0.9], far=[False, True, True, False])
    found = verify(predicted, physics, tubes(8, 0, 1, 4))
    assert found.mae == pytest.approx(0.3)
    assert found.rmse == pytest.approx(np.sqrt(0.41 / 3))
    assert found.bias == pytest.approx(0.5 / 3)
    assert found.spearman == pytest.approx(1.0)
    assert (found.failures, found.share_out_of_distribution) == (1, 0.5)
    # Predicted to miss the targets by 0.1, 0 and 0; truly by 0, 0.2 and 0.6.
    assert found.exploitation_gap(np.array([1.0, 1.2, 5.0, 0.9])) == pytest.approx((0.8 - 0.1) / 3)


def test_verification_finds_a_surrogate_that_is_worse_where_it_extrapolates(surrogate):
    """On (13,0), which is not in its training data, its errors against the oracle must be larger."""
    inside, outside = Dataset.load(SHIPPED).split("test").batch[:20], Dataset.load(SHIPPED).split("held")
    wider = [tube for tube in outside.batch if tube.n == 13][:8]
    near, far = (verify(surrogate, SelfConsistentElectrons(), some) for some in (inside, wider))
    assert far.mae > 2 * near.mae
    assert far.share_out_of_distribution > 0.9 > near.share_out_of_distribution


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    spec = DatasetSpec(name="small", families=(Family(n=8, m=0, cells=1, samples=500),), largest_share=0.3)
    return Dataset.load(build(spec, tmp_path_factory.mktemp("small") / "data.parquet", workers=1))


SMALL = {"width": 16, "blocks": 1, "hidden": (32,)}


@pytest.fixture(scope="module")
def ensemble(small):
    return fit(small, FitConfig(epochs=20, members=3, size=SMALL))


def test_fitting_reduces_the_error(small, ensemble):
    test = small.split("test")
    error = ensemble.predict(test.batch)["gap_ev"] - test.values("gap_ev")
    assert error.std() < 0.8 * test.values("gap_ev").std()


def test_the_same_seed_gives_the_same_bits_and_test_rows_have_no_effect(small):
    """Scrambled test labels change nothing."""
    table = small.table.to_pydict()
    rng = np.random.default_rng(0)
    table["gap_ev"] = [
        float(rng.normal()) if s == "test" else g for s, g in zip(table["split"], table["gap_ev"], strict=True)
    ]
    import pyarrow as pa

    scrambled = Dataset(pa.table(table, schema=small.table.schema))
    settings = FitConfig(epochs=2, size=SMALL)
    torch.set_num_threads(1)
    first, second = (fit(data, settings).networks[0].state_dict() for data in (small, scrambled))
    for a, b in zip(first.values(), second.values(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("network", list(NETWORKS))
def test_every_network_is_invariant_to_rotations_and_screws_on_any_tube(network):
    from matgym.surrogates.networks import make_network
    from matgym.surrogates.raster import global_features, raster_view

    torch.manual_seed(0)
    net = make_network(network, {}, species=2, outputs=2).eval()
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


def test_predictions_between_leads_depend_on_the_ends_of_the_tube():
    """Turned about the axis or reversed it is the same device; moved along the axis it is another one."""
    from matgym.surrogates.raster import raster_view

    torch.manual_seed(0)
    settings = FitConfig(properties=("conductance_us",), size=SMALL)
    device = _untrained(settings)
    assert device.between_leads
    for shape in [(8, 0, 2), (5, 5, 3)]:
        tube = tubes(*shape, 1)[0]
        same = np.stack([t.species for t in (tube, tube.rotated(2), tube.reversed())])
        moved = tube.screwed(*tube.lattice.screw).species[None]
        values = device.mean(tube.lattice, same)
        assert np.ptp(values) < INVARIANCE * np.abs(values).max()
        assert abs(device.mean(tube.lattice, moved) - values[0]) > 10 * INVARIANCE * np.abs(values).max()
        sites = raster_view(tube.lattice, leads=True).sites
        assert sorted(sites[sites >= 0]) == list(range(tube.n_sites))


def _untrained(settings):
    from matgym.surrogates import NetworkSurrogate
    from matgym.surrogates.fitting import initial_network
    from matgym.surrogates.learned import Scaling

    net = initial_network(settings, 0, None)
    scaling = Scaling(np.zeros(1), np.ones(1))
    return NetworkSurrogate(
        (net,), settings.network, settings.network_size, settings.properties, settings.codes, ((8, 0, 2),), scaling
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


def test_a_killed_fit_resumes_to_the_same_weights(small, tmp_path):
    torch.set_num_threads(1)
    settings = FitConfig(epochs=4, members=2, size=SMALL)
    unbroken = fit(small, settings)

    class KilledError(Exception):
        pass

    def kill(epoch):
        if (epoch.member, epoch.number) == (1, 2):
            raise KilledError

    with pytest.raises(KilledError):
        fit(small, settings, checkpoints=tmp_path, on_epoch=kill)
    done = []
    resumed = fit(small, settings, checkpoints=tmp_path, on_epoch=lambda e: done.append((e.member, e.number)))
    assert done == [(1, 3), (1, 4)]
    for a, b in zip(unbroken.networks, resumed.networks, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))
    with pytest.raises(DatasetError, match="belongs to another training"):
        fit(small, FitConfig(epochs=5, members=2, size=SMALL), checkpoints=tmp_path)
    (tmp_path / "member-0.checkpoint").write_bytes(b"no checkpoint")
    with pytest.warns(DamagedFileWarning, match="it is not a checkpoint"):
        again = fit(small, settings, checkpoints=tmp_path)
    for a, b in zip(unbroken.networks, again.networks, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def test_a_resumed_transfer_fit_requires_the_same_initial_weights(small, tmp_path):
    """Version 0.1 stored only that there were initial weights, not which."""
    torch.set_num_threads(1)
    how, seen = FitConfig(epochs=2, size=SMALL), []
    first, second = (fit(small, replace(how, epochs=1, seed=seed)) for seed in (1, 2))

    class KilledError(Exception):
        pass

    def kill(_epoch):
        raise KilledError

    with pytest.raises(KilledError):
        fit(small, how, start=first, checkpoints=tmp_path, on_epoch=kill)
    for start in (second, None):
        with pytest.raises(DatasetError, match=r"belongs to another training .*start weights differ"):
            fit(small, how, start=start, checkpoints=tmp_path)
    resumed = fit(small, how, start=first, checkpoints=tmp_path, on_epoch=lambda epoch: seen.append(epoch.number))
    assert seen == [2]
    whole = fit(small, how, start=first)
    for a, b in zip(whole.networks[0].state_dict().values(), resumed.networks[0].state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_an_ensemble_is_the_mean_of_networks_fitted_alone(small):
    torch.set_num_threads(1)
    how = FitConfig(epochs=3, size=SMALL)
    ensemble = fit(small, replace(how, members=3))
    alone = [fit(small, replace(how, seed=seed)) for seed in range(3)]
    some = tubes(8, 0, 1, 20)
    lattice, species = some[0].lattice, np.stack([tube.species for tube in some])
    np.testing.assert_allclose(
        ensemble.mean(lattice, species), np.mean([one.mean(lattice, species) for one in alone], axis=0)
    )
    sd = replace(ensemble, excess=None).predict(some).sd["gap_ev"]  # some have more B than N, which is flagged
    spread = np.std([one.mean(lattice, species)[:, 0] for one in alone], axis=0, ddof=1)
    order = np.argsort(spread)
    assert (np.diff(sd[order]) >= -1e-12).all(), "where members disagree more, it must not be surer"


def test_intervals_of_an_ensemble_cover_test_rows(small, ensemble):
    test, validation = small.split("test"), small.split("validation")
    found = figures(ensemble, test)
    # Both the count of covered test rows and the quantile of validation have an error: allow three deviations.
    scatter = 3 * np.sqrt(0.9 * 0.1 * (1 / len(test) + 1 / len(validation)))
    for figure in found:
        assert abs(figure.coverage - 0.9) <= scatter, figure.property


def test_transfer_takes_over_all_but_the_last_layer(small):
    source = fit(small, FitConfig(properties=("pi_formation_ev",), epochs=1, size=SMALL))
    seen = []
    fit(
        small,
        FitConfig(properties=("gap_ev",), epochs=1, size=SMALL, learning_rate=1e-12),
        start=source,
        on_epoch=lambda *_: seen.append(True),
    )
    from matgym.surrogates.fitting import initial_network

    started = initial_network(FitConfig(properties=("gap_ev",), size=SMALL), 0, source)
    for (name, a), b in zip(started.state_dict().items(), source.networks[0].state_dict().values(), strict=True):
        assert torch.equal(a, b) == (not name.startswith("head.2.")), name
    leads = initial_network(FitConfig(properties=("zt",), informed_by=("gap_ev",), size=SMALL), 0, source)
    stem = source.networks[0].state_dict()["stem.weight"]
    assert torch.equal(leads.state_dict()["stem.weight"][:, :4], stem)  # and fresh channels for the lead
    assert leads.state_dict()["stem.weight"].shape[1] == 6
    with pytest.raises(ConfigurationError, match="cannot start"):
        fit(small, FitConfig(properties=("gap_ev",), network="lenet"), start=source)


def test_a_physics_input_changes_the_prediction(small):
    informed = fit(small, FitConfig(properties=("pi_formation_ev",), informed_by=("gap_ev",), epochs=2, size=SMALL))
    test = small.split("test")
    lattice, rows, species, _ = next(test.by_lattice())
    held = test.values("gap_ev")[rows][:, None]
    np.testing.assert_allclose(informed.mean(lattice, species, held), informed.mean(lattice, species), atol=1e-4)
    with pytest.raises(PropertyError, match="no physics 'zt'"):
        FitConfig(informed_by=("zt",))


def test_statistics_of_normalisation_are_kept_in_the_last_part_of_a_training(small, tmp_path):
    """They are those at the freeze, whatever is trained later, so that the last part trains as the network is used."""
    from matgym.surrogates.fitting import FREEZE

    seen = {}

    def look(epoch):
        state = torch.load(tmp_path / "member-0.checkpoint", weights_only=True)["net"]
        seen[epoch.number] = {
            name: value for name, value in state.items() if "running" in name or "stem.weight" in name
        }

    fit(small, FitConfig(epochs=8, size=SMALL), checkpoints=tmp_path, on_epoch=look)
    frozen = math.ceil(FREEZE * 8)
    for name, last in seen[8].items():
        assert not torch.equal(seen[frozen - 1][name], seen[frozen][name]), "until then they move"
        assert torch.equal(seen[frozen][name], last) == ("running" in name), name


def test_cross_validation_predicts_every_tube_once_and_resumes(small, tmp_path):
    from matgym.surrogates.training import cross_validate, fold_of, summary

    pool = small.labelled()
    tests = [fold_of(pool, fold, 4, 0).split("test").table.column("key").to_pylist() for fold in range(4)]
    assert sorted(key for fold in tests for key in fold) == sorted(pool.table.column("key").to_pylist())
    settings = FitConfig(epochs=1, size=SMALL)
    first = cross_validate(small, settings, 2, folder=tmp_path)
    epochs = []
    again = cross_validate(small, settings, 2, folder=tmp_path, on_epoch=lambda *done: epochs.append(done))
    assert again == first
    assert not epochs
    row = summary(first)[0]
    assert row["property"] == "gap_ev"
    assert row["r2"] == pytest.approx(np.mean([fold[0].r2 for fold in first]))
    with pytest.raises(DatasetError, match="belongs to another cross-validation"):
        cross_validate(small, FitConfig(epochs=2, size=SMALL), 2, folder=tmp_path)
    with pytest.raises(ConfigurationError, match="folds=1 must be at least 2"):
        cross_validate(small, settings, 1)


def test_stored_surrogates_are_restored_exactly(small, tmp_path):
    fitted = fit(small, FitConfig(epochs=1, size=SMALL))
    save(fitted, tmp_path / "w.safetensors")
    again = load(tmp_path / "w.safetensors")
    some = tubes(8, 0, 1, 5)
    np.testing.assert_array_equal(fitted.predict(some)["gap_ev"], again.predict(some)["gap_ev"])
    np.testing.assert_array_equal(fitted.predict(some).distance, again.predict(some).distance)


def test_damaged_or_foreign_weights_are_an_error_of_one_sentence(tmp_path):
    with pytest.raises(WeightsError, match="there are no weights 'nowhere'"):
        load("nowhere")
    (tmp_path / "a.safetensors").write_bytes(b"\x80\x04pickle")
    with pytest.raises(WeightsError, match="is missing"):
        load(tmp_path / "a.safetensors")
    card = json.loads(load_card(SHIPPED).model_dump_json())
    (tmp_path / "a.json").write_text(json.dumps(card))
    with pytest.raises(WeightsError, match="is not the file that its card was written with"):
        load(tmp_path / "a.safetensors")
    pickled = hashlib.sha256((tmp_path / "a.safetensors").read_bytes()).hexdigest()
    (tmp_path / "a.json").write_text(json.dumps(card | {"sha256": pickled}))
    with pytest.raises(WeightsError, match="does not hold the weights"):
        load(tmp_path / "a.safetensors")
    (tmp_path / "a.json").write_text(json.dumps(card | {"format_version": 99}))
    with pytest.raises(WeightsError, match="format 99"):
        load(tmp_path / "a.safetensors")
    (tmp_path / "a.json").write_text('{"format_version": 3}')
    with pytest.raises(WeightsError, match="no card"):
        load(tmp_path / "a.safetensors")


def test_a_torch_module_a_function_and_an_oracle_can_give_rewards():
    module = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(CHANNELS, 1))
    for source in (module, lambda some: [float(t.counts[Species.B]) for t in some], PiElectrons(), SHIPPED):
        check_model(as_model(source, "gap_ev"))
    lattice = tube_lattice(8, 0, 2)
    species = np.stack([t.species for t in tubes(8, 0, 2, 3)])
    expected = module(torch.from_numpy(encode(lattice, species)))[:, 0].detach().numpy()
    found = as_model(module, "gap_ev").predict(TubeBatch.uniform(lattice, species))["gap_ev"]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_check_model_finds_faults():
    def check(function):
        check_model(FunctionModel(function, "gap_ev"))

    with pytest.raises(AssertionError, match="shape"):
        check(lambda some: np.zeros((len(some), 2)))
    with pytest.raises(AssertionError, match="cannot be computed"):
        check(lambda some: np.full(len(some), np.nan))
    noise = np.random.default_rng(0)
    with pytest.raises(AssertionError, match="second time"):
        check(lambda some: noise.random(len(some)))
    with pytest.raises(AssertionError, match="alone and in a batch"):
        check(lambda some: np.full(len(some), float(len(some))))
    with pytest.raises(ConfigurationError, match="is not a model"):
        as_model(3.14, "gap_ev")


def test_tubes_that_networks_do_not_support_are_failures_with_a_reason(surrogate):
    tube = Nanotube(8, 0, 4)
    pair = (40, int(tube.lattice.neighbours[40, 0]))
    found = surrogate.predict([tube, tube.strained(0.01), tube.twisted(0.01), tube.turned(pair), tube])
    assert sorted(found.reasons) == [1, 2, 3]
    for row, deed in enumerate(["strained", "twisted", "reconstructed"], start=1):
        assert deed in found.reasons[row]
    np.testing.assert_array_equal(np.isnan(found["gap_ev"]), [False, True, True, True, False])
