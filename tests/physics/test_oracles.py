"""Oracles as models, and the conformance test of models."""

import numpy as np
import pytest

from matgym.errors import PropertyError
from matgym.physics import (
    GAP_EV,
    Cost,
    Elasticity,
    Level,
    Model,
    PhononTransport,
    PiElectrons,
    PiTransport,
    Predictions,
    Thermoelectric,
    Vibrations,
)
from matgym.structures import Nanotube, Species
from matgym.surrogates import load
from matgym.testing import check_model


class Crooked(PiElectrons):
    """An oracle that depends on the numbering of the sites."""

    def predict(self, tubes):
        found = super().predict(tubes)
        return Predictions(
            {key: values + [t.species @ np.arange(t.n_sites) for t in tubes] for key, values in found.values.items()}
        )


OURS = [
    PiElectrons(),
    PiTransport(),
    PhononTransport(frequencies=16),
    Thermoelectric(frequencies=16),
    Vibrations(phases=1),
    Elasticity(),
]


@pytest.mark.parametrize("oracle", OURS, ids=lambda oracle: type(oracle).__name__)
def test_oracles_of_matgym_conform(oracle):
    check_model(oracle)


@pytest.mark.parametrize("oracle", OURS, ids=lambda oracle: type(oracle).__name__)
def test_an_empty_batch_has_empty_columns(oracle):
    found = oracle.predict([])
    assert all(found[prop].shape == (0,) for prop in oracle.properties)


@pytest.mark.parametrize("oracle", OURS, ids=lambda oracle: type(oracle).__name__)
def test_only_the_row_that_is_no_tube_fails_with_a_reason(oracle):
    tube = Nanotube(8, 0, 2)
    nothing = tube.with_species(np.full(tube.n_sites, Species.VACANCY))
    found = oracle.predict([tube, nothing, tube])
    assert list(found.reasons) == [1]
    for prop in oracle.properties:
        assert np.isnan(found[prop]).tolist() == [False, True, False]
        assert found[prop][0] == pytest.approx(found[prop][2], rel=1e-9)


def test_surrogates_are_models():
    assert isinstance(load("nanotube-doping"), Model)


def test_check_model_finds_faults():
    with pytest.raises(AssertionError, match="symmetric copies"):
        check_model(Crooked())
    with pytest.raises(AssertionError, match="is no model"):
        check_model(object())


def test_a_property_that_was_not_computed_raises():
    found = Predictions({"gap_ev": np.array([1.0])})
    assert found[GAP_EV][0] == 1.0
    with pytest.raises(PropertyError, match="young_gpa was not predicted; there are gap_ev"):
        found["young_gpa"]


def test_declared_cost_is_of_the_measured_order():
    import time

    rng = np.random.default_rng(0)
    tubes = [Nanotube(8, 0, 4).with_species(rng.permutation([3] * 8 + [4] * 8 + [0] * 112)) for _ in range(8)]
    start = time.process_time()
    PiElectrons().predict(tubes)
    measured = (time.process_time() - start) / 8
    cost = PiElectrons().cost
    assert isinstance(cost, Cost)
    assert cost.seconds / 10 < measured < cost.seconds * 10
    assert PiElectrons().level is Level.PI
    assert PiElectrons().is_oracle
