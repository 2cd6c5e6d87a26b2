"""Models and their predictions: failures by row and property, joined and picked parts, the description of a model."""

from dataclasses import dataclass

import numpy as np
import pytest
from typing_extensions import override

from matgym.errors import ConfigurationError, PropertyError
from matgym.models import Cost, Level, Model, Predictions, Property
from matgym.physics import PROPERTIES
from matgym.structures import Nanotube, TubeBatch, TubeDomain, tube_lattice

SITES = Property("sites", description="lattice sites", extensive=True)
LENGTH = Property("length_nm", "nm")


@dataclass(frozen=True)
class Measured(Model):
    """A model that counts sites of any tube, and measures lengths of tubes of up to `longest_nm`."""

    longest_nm: float = 1.0

    properties = (SITES, LENGTH)

    @override
    def predict(self, batch, /):
        tubes = TubeBatch.of(batch)
        length = np.array([tube.length_angstrom / 10.0 for tube in tubes])
        failures = {int(row): f"{length[row]:.2f} nm is too long" for row in np.flatnonzero(length > self.longest_nm)}
        length[list(failures)] = np.nan
        return Predictions({"sites": tubes.n_sites.astype(float), "length_nm": length}, {"length_nm": failures})

    @override
    def unsupported(self, space):
        return "" if space.domain else "these designs are no tubes"


@dataclass(frozen=True)
class Space:
    domain: TubeDomain | None


TUBES = [Nanotube(8, 0, 1), Nanotube(8, 0, 4), Nanotube(5, 5, 2)]


def some(values, **more):
    return Predictions({key: np.array(column) for key, column in values.items()}, **more)


def test_one_property_fails_and_the_other_does_not():
    predictions = Measured().predict(TUBES)
    assert predictions[SITES].tolist() == [32.0, 128.0, 40.0]
    assert np.isnan(predictions["length_nm"]).tolist() == [False, True, False]
    assert predictions.failures == {"length_nm": {1: "1.70 nm is too long"}}
    assert predictions.reasons == {1: "1.70 nm is too long"}
    assert predictions.ok.tolist() == [True, False, True]
    assert len(predictions) == 3


def test_reasons_of_a_row_are_joined_without_repetition():
    failures = {"a": {0: "too thin", 2: "cut"}, "b": {0: "too thin"}, "c": {0: "unconverged"}}
    predictions = some({key: [0.0, 0.0, 0.0] for key in "abc"}, failures=failures)
    assert predictions.reasons == {0: "too thin; unconverged", 2: "cut"}
    assert predictions.ok.tolist() == [False, True, False]


def test_together_gives_the_failures_to_every_property():
    values = {"a": np.array([1.0, np.nan]), "b": np.array([2.0, np.nan])}
    assert Predictions.together(values, {1: "cut"}).failures == {"a": {1: "cut"}, "b": {1: "cut"}}
    assert Predictions.together(values, {}).failures == {}


def test_joined_holds_all_of_each_part_and_the_first_known_distance():
    first = some({"a": [1.0, 2.0]}, failures={"a": {1: "cut"}}, sd={"a": np.array([0.1, 0.2])})
    near, far = np.array([0.5, 1.5]), np.array([9.0, 9.0])
    members = {"b": np.arange(6.0).reshape(3, 2)}
    second = some({"b": [3.0, 4.0]}, half_width={"b": np.array([0.3, 0.4])}, members=members, distance=near)
    joined = Predictions.joined([first, second, some({"c": [5.0, 6.0]}, distance=far)])
    assert list(joined.values) == ["a", "b", "c"]
    assert joined.failures == {"a": {1: "cut"}}
    assert list(joined.sd) == ["a"]
    assert joined.half_width["b"].tolist() == [0.3, 0.4]
    assert joined.members["b"].shape == (3, 2)
    assert joined.distance.tolist() == near.tolist()
    assert Predictions.joined([first]).distance is None


def test_only_picks_in_order_and_keeps_the_distance():
    distance = np.array([0.2])
    predictions = some(
        {"a": [1.0], "b": [2.0], "c": [3.0]},
        failures={"b": {0: "cut"}, "c": {0: "thin"}},
        sd={"a": np.array([0.1]), "c": np.array([0.3])},
        distance=distance,
    )
    picked = predictions.only(["c", "a"])
    assert list(picked.values) == ["c", "a"]
    assert picked.failures == {"c": {0: "thin"}}
    assert list(picked.sd) == ["c", "a"]
    assert picked.distance.tolist() == distance.tolist()


def test_taken_rows_are_renumbered_in_everything():
    predictions = some(
        {"a": [1.0, 2.0, 3.0], "b": [4.0, 5.0, 6.0]},
        failures={"a": {0: "cut", 2: "thin"}, "b": {1: "cut"}},
        sd={"a": np.array([0.1, 0.2, 0.3])},
        members={"a": np.arange(6.0).reshape(2, 3)},
        distance=np.array([7.0, 8.0, 9.0]),
    )
    taken = predictions.take(np.array([2, 0]))
    assert taken["a"].tolist() == [3.0, 1.0]
    assert taken.failures == {"a": {0: "thin", 1: "cut"}}
    assert taken.sd["a"].tolist() == [0.3, 0.1]
    assert taken.members["a"].tolist() == [[2.0, 0.0], [5.0, 3.0]]
    assert taken.distance.tolist() == [9.0, 7.0]
    masked = predictions.take(np.array([True, False, True]))
    assert masked["b"].tolist() == [4.0, 6.0]
    assert masked.failures == {"a": {0: "cut", 1: "thin"}}


def test_unknown_values_are_nan():
    predictions = some({"a": [1.0, 2.0], "b": [3.0, 4.0]}, sd={"a": np.array([0.1, 0.2])})
    assert predictions.sd_of("a").tolist() == [0.1, 0.2]
    assert np.isnan(predictions.sd_of("b")).tolist() == [True, True]
    assert np.isnan(predictions.known_distance).tolist() == [True, True]
    assert some({"a": [1.0]}, distance=np.array([0.5])).known_distance.tolist() == [0.5]
    with pytest.raises(PropertyError, match="property zt was not predicted; there are a, b"):
        predictions["zt"]


def test_a_model_gives_its_keys_properties_level_and_repr():
    model = Measured()
    assert model.keys == ("sites", "length_nm")
    assert model.property_of("sites") is SITES
    assert (model.level, model.is_oracle, model.cost, model.name) == (Level.SURROGATE, False, None, "Measured")
    assert repr(model) == "Measured(longest_nm=1.0)"
    with pytest.raises(PropertyError, match="Measured does not predict 'zt'; it predicts sites, length_nm"):
        model.property_of("zt")


def test_only_a_surrogate_is_no_oracle():
    for level in Level:

        class Leveled(Measured):
            level = None

        Leveled.level = level
        assert Leveled().is_oracle == (level is not Level.SURROGATE)


def test_a_model_names_the_reason_why_it_does_not_support_a_space():
    assert not Measured().unsupported(Space(TubeDomain((tube_lattice(8, 0, 1),), frozenset())))
    assert Measured().unsupported(Space(None)) == "these designs are no tubes"


def test_a_model_without_properties_or_predict_cannot_be_made():
    class Incomplete(Model):
        properties = (SITES,)

    with pytest.raises(TypeError, match="predict"):
        Incomplete()


def test_the_key_of_a_property_ends_in_its_unit():
    assert (LENGTH.name, LENGTH.suffix, str(LENGTH)) == ("length", "_nm", "length_nm")
    assert (SITES.name, SITES.suffix) == ("sites", "")
    with pytest.raises(ConfigurationError, match="'gap' of a property in eV must end in '_ev'"):
        Property("gap", "eV")
    for name, prop in PROPERTIES.items():
        assert prop.key == name + prop.suffix
        assert prop.suffix or prop.unit == "1"


def test_every_oracle_states_its_cost():
    from matgym.physics import oracle_of

    for name in PROPERTIES:
        cost = oracle_of(name).cost
        assert isinstance(cost, Cost)
        assert cost.seconds > 0.0


def noted():
    values = {"sites": np.arange(3.0), "length_nm": np.arange(3.0)}
    return Predictions(values, notes={"sites": {0: "counted", 2: "guessed"}})


def test_notes_are_kept_with_their_rows_and_properties():
    other = Predictions.together({"zt": np.zeros(3)}, {}, {1: "thin"})
    both = Predictions.joined([noted(), other])
    assert both.notes == {"sites": {0: "counted", 2: "guessed"}, "zt": {1: "thin"}}
    assert both.only(["zt"]).notes == {"zt": {1: "thin"}}
    assert noted().take(np.array([2, 1])).notes == {"sites": {0: "guessed"}}
    assert noted().take(np.array([1])).notes == {}
    assert noted().ok.all()
