"""The oracle protocol and its conformance test."""

import numpy as np
import pytest

from matgym.errors import PropertyError
from matgym.oracles import GAP_EV, Cost, Fidelity, Oracle, PiElectrons, Properties
from matgym.structures import Nanotube
from matgym.surrogates import load
from matgym.testing import check_oracle


class Crooked(PiElectrons):
    """Depends on how the sites are numbered."""

    def evaluate(self, tubes):
        found = super().evaluate(tubes)
        return Properties(
            {key: values + [t.species @ np.arange(t.n_sites) for t in tubes] for key, values in found.values.items()}
        )


def test_ours_conform():
    check_oracle(PiElectrons())
    assert isinstance(load("nanotube-doping"), Oracle)


def test_check_oracle_finds_what_is_wrong():
    with pytest.raises(AssertionError, match="symmetric copies"):
        check_oracle(Crooked())
    with pytest.raises(AssertionError, match="lacks one of"):
        check_oracle(object())


def test_asking_for_what_was_not_computed_is_named():
    found = Properties({"gap_ev": np.array([1.0])})
    assert found[GAP_EV][0] == 1.0
    with pytest.raises(PropertyError, match="young_gpa was not computed; there are gap_ev"):
        found["young_gpa"]


def test_declared_cost_is_of_the_order_measured():
    import time

    rng = np.random.default_rng(0)
    tubes = [Nanotube(8, 0, 4).with_species(rng.permutation([3] * 8 + [4] * 8 + [0] * 112)) for _ in range(8)]
    start = time.perf_counter()
    PiElectrons().evaluate(tubes)
    measured = (time.perf_counter() - start) / 8
    cost = PiElectrons().cost
    assert isinstance(cost, Cost)
    assert cost.seconds / 10 < measured < cost.seconds * 10
    assert PiElectrons().fidelity > Fidelity.SURROGATE
