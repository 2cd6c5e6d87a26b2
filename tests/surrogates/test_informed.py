"""Physics as an input: bounds of the approximation, and the correction that the network learns."""

from dataclasses import replace

import numpy as np
import pytest

from matgym.data import Dataset
from matgym.errors import PropertyError
from matgym.physics import PhononTransport, PristinePhonons, Thermoelectric
from matgym.structures import Nanotube, Species, tube_lattice
from matgym.surrogates import FitConfig, fit, load, save
from matgym.surrogates.baseline import corrections, informed_values, with_physics

SMALL = {"width": 8, "blocks": 1, "hidden": (16,)}
NAME = "zt_pristine_phonons"
QUADRATURE = 1e-9  # the same tube of another length: the same bands on the same grid
SINGLE_PRECISION = 1e-5
LATTICE = tube_lattice(8, 0, 2)


@pytest.fixture(scope="module")
def data():
    rows = Dataset.load("nanotube-properties").labelled(["zt", "thermal_conductance_nw_k"])
    found = []
    for split, count in (("train", 160), ("validation", 40), ("test", 40)):
        part = rows.split(split)
        where = next(group.rows for group in part.by_lattice() if group.lattice == LATTICE)
        found.append(part.take(where[:count]))
    return with_physics(found[0].with_rows(found[1]).with_rows(found[2]), (NAME,))


@pytest.fixture(scope="module")
def fitted(data):
    return fit(data, FitConfig(("zt",), informed_by=(NAME,), epochs=3, batch_size=16, size=SMALL))


def test_pristine_phonons_are_those_of_the_undecorated_tube_of_any_length():
    plain = PhononTransport().predict([Nanotube(8, 0, 3)])["thermal_conductance_nw_k"][0]
    tube = Nanotube(8, 0, 2)
    decorated = tube.with_species(np.where(np.arange(tube.n_sites) % 7, Species.C12, Species.N).astype(np.uint8))
    found = PristinePhonons().predict([tube, decorated])["thermal_conductance_nw_k"]
    np.testing.assert_allclose(found, plain, rtol=QUADRATURE)
    assert PhononTransport().predict([decorated])["thermal_conductance_nw_k"][0] < plain


def test_zt_lies_between_its_approximation_and_the_bound_of_the_heat_conductances(data):
    """ZT(µ) falls as 1/(κ_e + κ_ph), and so does its maximum over µ: both bounds are exact."""
    test = data.split("test")
    approximate = test.values(NAME)
    some = informed_values((NAME,), LATTICE, np.stack([tube.species for tube in test.batch[:5]]))[:, 0]
    np.testing.assert_allclose(some, approximate[:5], rtol=QUADRATURE)
    plain = PristinePhonons().predict([Nanotube(8, 0)])["thermal_conductance_nw_k"][0]
    ratio = test.values("zt") / approximate
    assert (ratio > 1.0).all()
    assert (ratio < plain / test.values("thermal_conductance_nw_k")).all()


def test_the_network_corrects_the_approximation_by_a_factor(data, fitted, tmp_path):
    species = np.stack([tube.species for tube in data.split("test").batch[:4]])
    physics = fitted.physics(LATTICE, species)
    found = fitted.mean(LATTICE, species, physics)
    np.testing.assert_allclose(fitted.mean(LATTICE, species), found, rtol=SINGLE_PRECISION)
    save(fitted, tmp_path / "zt.safetensors")
    np.testing.assert_allclose(load(tmp_path / "zt.safetensors").mean(LATTICE, species), found, rtol=SINGLE_PRECISION)
    # The approximation enters twice: as a factor, which is exact, and as an input.
    factor = corrections(("zt",), (NAME,), physics)
    np.testing.assert_array_equal(factor, physics)
    rmse = np.sqrt(np.mean((fitted.predict(data.split("test").batch)["zt"] - data.split("test").values("zt")) ** 2))
    assert rmse < 0.5 * data.split("test").values("zt").std(), "160 labels and three epochs suffice for a factor"


def test_other_physics_is_only_an_input():
    np.testing.assert_array_equal(
        corrections(("zt", "young_gpa"), ("gap_ev",), np.array([[0.3], [0.5]])), np.ones((2, 2))
    )
    both = corrections(("young_gpa", "zt"), ("gap_ev", NAME), np.array([[0.3, 2.0], [0.5, 3.0]]))
    np.testing.assert_array_equal(both, [[1.0, 2.0], [1.0, 3.0]])


def test_physics_that_cannot_be_computed_is_a_failure_with_its_reason(data, fitted, monkeypatch):
    tubes = data.split("test").batch[:2]
    computed = Thermoelectric.predict

    def failing(self, tubes):
        found = computed(self, tubes)
        values = {key: column.copy() for key, column in found.values.items()}
        values["zt"][1] = np.nan
        return replace(found, values=values)

    monkeypatch.setattr(Thermoelectric, "predict", failing)
    found = fitted.predict(tubes)
    assert np.isfinite(found["zt"][0])
    assert np.isnan(found["zt"][1])
    assert "could not be computed" in found.reasons[1]


def test_unknown_physics_raises():
    with pytest.raises(PropertyError, match=rf"no physics 'zt' .* there is gap_ev, .*{NAME}"):
        FitConfig(informed_by=("zt",))
