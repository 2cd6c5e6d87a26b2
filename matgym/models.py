"""What a model is: a batch in, typed predictions with units out.

Physics, neural networks and the adapters to users' own models all have this one face.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, Generic, Protocol

import numpy as np
from typing_extensions import TypeVar

from matgym.errors import ConfigurationError, PropertyError
from matgym.frozen import ValueObject, returns_read_only
from matgym.structures import Nanotube, TubeDomain
from matgym.typing import BoolArray, FloatArray, IntArray

_SUFFIXES = {
    "1": "",
    "eV": "_ev",
    "nm": "_nm",
    "GPa": "_gpa",
    "µS": "_us",
    "µV/K": "_uv_k",
    "nW/K": "_nw_k",
    "pW/K²": "_pw_k2",
    "J/(g K)": "_j_g_k",
    "cm⁻¹": "_cm",
    "W/(m K)": "_w_mk",
}
"""How a key ends, by unit."""


def suffix_of(unit: str) -> str:
    """Return how keys of properties in a unit end, such as "_ev"; empty for a unit without an end of its own."""
    return _SUFFIXES.get(unit, "")


def unit_of(key: str) -> str:
    """Return the unit that the end of a key names, such as eV for "gap_ev"; "1" for none."""
    fitting = [unit for unit, suffix in _SUFFIXES.items() if suffix and key.endswith(suffix)]
    return max(fitting, key=lambda unit: len(_SUFFIXES[unit]), default="1")


@dataclass(frozen=True)
class Property:
    """A named scalar quantity of a structure.

    Attributes:
        key: name in tables and JSON, ending in its unit if it has one: `gap_ev`, `zt`.
        unit: as printed; "1" for a pure number.
        description: one line.
        extensive: whether it grows with the number of atoms.
        between_leads: whether it belongs to the tube between two pristine ones of the same kind, rather than to its
            periodic repetition.

    Raises:
        ConfigurationError: if the key does not end in the unit's suffix.
    """

    key: str
    unit: str = "1"
    description: str = ""
    extensive: bool = False
    between_leads: bool = False

    def __post_init__(self) -> None:
        if not self.key.endswith(self.suffix):
            raise ConfigurationError(f"the key {self.key!r} of a property in {self.unit} must end in {self.suffix!r}")

    def __str__(self) -> str:
        return self.key

    @property
    def suffix(self) -> str:
        """How keys in this unit end, such as "_ev"."""
        return suffix_of(self.unit)

    @property
    def name(self) -> str:
        """The key without its unit: what people type."""
        return self.key.removesuffix(self.suffix)


class Level(StrEnum):
    """What stands behind a value; `Level("scc-pi")` is the level of that short name."""

    SURROGATE = "surrogate"
    """A learned model, or a function of which nothing is known."""
    GEOMETRY = "geometry"
    """Exact from the structure itself."""
    CLASSICAL = "classical potential"
    PI = "π tight binding"
    SCC_PI = "self-consistent π tight binding"
    XTB = "extended tight binding"
    """GFN1-xTB or GFN2-xTB."""
    MACHINE_LEARNED = "machine-learned potential"
    """A potential that was trained on energies of density functionals."""
    PI_CLASSICAL = "π tight binding and classical phonons"
    EMPIRICAL = "empirical relation"
    """A formula with coefficients that were fitted to measurements."""
    USER = "user's labels"
    """Whatever the user computed or measured."""
    CALCULATOR = "ASE calculator"
    """Whatever the user's calculator computes."""
    TABLE = "table of oracle values"
    KINETICS = "rate equations"
    EMULATED = "emulator of measurements"

    @property
    def short(self) -> str:
        """Name that people type, such as "xtb"."""
        return self.name.lower().replace("_", "-")

    @classmethod
    def _missing_(cls, value: object) -> "Level | None":
        return next((level for level in cls if level.short == value), None)


@dataclass(frozen=True)
class Cost:
    """What one prediction takes.

    Attributes:
        seconds: CPU seconds a structure at `sites` sites, one core; measured, an order of magnitude.
        sites: size at which it was measured.
        exponent: growth with the number of sites.
    """

    seconds: float
    sites: int
    exponent: float


Failures = Mapping[int, str]
"""Row to the reason why it could not be predicted."""

Notes = Mapping[int, str]
"""Row to what must be known with its value."""

_BY_PROPERTY: Final = ("values", "failures", "sd", "half_width", "members", "notes")
"""Fields of `Predictions` that map keys of properties."""


@dataclass(frozen=True)
class Predictions(ValueObject):
    """Predicted properties of a batch.

    Attributes:
        values: property key to (B,) values in the property's unit; NaN where a prediction failed.
        failures: property key to the reasons by row.
        sd: property key to (B,) standard deviations, of the properties whose uncertainty the model knows.
        half_width: property key to (B,) half the width of the interval that holds the truth in 90 % of cases, for
            structures like those of the training data.
        members: property key to (M, B) predictions of the networks of an ensemble.
        distance: (B,) distance from the training data; above 1 a row is out of distribution. None where the model
            cannot tell.
        notes: property key to what must be known with a value, by row: what is doubtful or assumed, but no failure.
    """

    values: Mapping[str, FloatArray]
    failures: Mapping[str, Failures] = field(default_factory=dict)
    sd: Mapping[str, FloatArray] = field(default_factory=dict)
    half_width: Mapping[str, FloatArray] = field(default_factory=dict)
    members: Mapping[str, FloatArray] = field(default_factory=dict)
    distance: FloatArray | None = None
    notes: Mapping[str, Notes] = field(default_factory=dict)

    @classmethod
    def together(
        cls, values: Mapping[str, FloatArray], failures: Failures, notes: Notes = MappingProxyType({})
    ) -> "Predictions":
        """Return predictions of a model whose properties all fail together, and share their notes."""
        return cls(
            values,
            dict.fromkeys(values, failures) if failures else {},
            notes=dict.fromkeys(values, notes) if notes else {},
        )

    @classmethod
    def joined(cls, parts: Sequence["Predictions"]) -> "Predictions":
        """Return the predictions of several models of one batch together; the distance is the first that is given."""
        merged = {
            name: {key: value for part in parts for key, value in getattr(part, name).items()} for name in _BY_PROPERTY
        }
        return cls(**merged, distance=next((part.distance for part in parts if part.distance is not None), None))

    @classmethod
    def stacked(cls, parts: Sequence["Predictions"]) -> "Predictions":
        """Return the predictions of several batches, of the same properties by the same models, as one batch."""
        starts = np.cumsum([0, *map(len, parts)]).tolist()
        merged: dict[str, dict[str, Any]] = {name: {} for name in _BY_PROPERTY}
        for name in ("values", "sd", "half_width", "members"):
            for key in getattr(parts[0], name):
                merged[name][key] = np.concatenate([getattr(part, name)[key] for part in parts], axis=-1)
        for name in ("failures", "notes"):
            for part, start in zip(parts, starts, strict=False):
                for key, said in getattr(part, name).items():
                    merged[name].setdefault(key, {}).update({start + row: text for row, text in said.items()})
        known = [part.distance for part in parts if part.distance is not None]
        return cls(**merged, distance=np.concatenate(known) if len(known) == len(parts) else None)

    def __getitem__(self, item: Property | str) -> FloatArray:
        """(B,) values of one property.

        Raises:
            PropertyError: if it was not predicted.
        """
        try:
            return self.values[str(item)]
        except KeyError:
            raise PropertyError(f"property {item} was not predicted; there are {', '.join(self.values)}") from None

    def __len__(self) -> int:
        return len(next(iter(self.values.values()), ()))

    def only(self, keys: Sequence[str]) -> "Predictions":
        """Return the predictions of some properties, in the order of `keys`."""
        parts = {
            name: {key: part[key] for key in keys if key in part}
            for name, part in ((name, getattr(self, name)) for name in _BY_PROPERTY)
        }
        return Predictions(**parts, distance=self.distance)

    def take(self, rows: IntArray | BoolArray) -> "Predictions":
        """Return the predictions of some rows, by index or by mask."""
        places = np.arange(len(self))[rows].tolist()
        failures, notes = (
            {key: {i: of_key[row] for i, row in enumerate(places) if row in of_key} for key, of_key in said.items()}
            for said in (self.failures, self.notes)
        )
        values, sd, half_width = (
            {key: x[places] for key, x in m.items()} for m in (self.values, self.sd, self.half_width)
        )
        members = {key: x[:, places] for key, x in self.members.items()}
        distance = None if self.distance is None else self.distance[places]
        failures, notes = ({k: f for k, f in said.items() if f} for said in (failures, notes))
        return Predictions(values, failures, sd, half_width, members, distance, notes)

    def annotated(self, notes: Mapping[str, Notes]) -> "Predictions":
        """Return the predictions with further notes on some properties of some rows."""
        joined = {
            key: {
                row: note
                for row in range(len(self))
                if (
                    note := "; ".join(
                        filter(None, (self.notes.get(key, {}).get(row, ""), notes.get(key, {}).get(row, "")))
                    )
                )
            }
            for key in self.values
        }
        return replace(self, notes={key: said for key, said in joined.items() if said})

    @property
    def reasons(self) -> dict[int, str]:
        """Row to why it failed, in any property; what several properties share is said once."""
        found: dict[int, list[str]] = {}
        for failures in self.failures.values():
            for row, reason in failures.items():
                if reason not in found.setdefault(row, []):
                    found[row].append(reason)
        return {row: "; ".join(reasons) for row, reasons in found.items()}

    @property
    @returns_read_only
    def ok(self) -> BoolArray:
        """(B,) whether all properties of the row were predicted."""
        good = np.ones(len(self), dtype=bool)
        good[[row for failures in self.failures.values() for row in failures]] = False
        return good

    def sd_of(self, item: Property | str) -> FloatArray:
        """Return (B,) standard deviations of one property; NaN if the model has none."""
        return self.sd.get(str(item), np.full(len(self), np.nan))

    @property
    @returns_read_only
    def known_distance(self) -> FloatArray:
        """(B,) distance from the training data; NaN where the model cannot tell."""
        return np.full(len(self), np.nan) if self.distance is None else self.distance


class Space(Protocol):
    """What a model needs to know of a design space to tell whether it supports it."""

    @property
    def domain(self) -> TubeDomain | None:
        """What its tubes may be; None where designs are no tubes."""
        ...


BatchT = TypeVar("BatchT", default=Sequence[Nanotube])


class Model(ABC, Generic[BatchT]):
    """Anything that predicts properties of a batch.

    Models of tubes take a `TubeBatch`, or any sequence of tubes; those of other materials take what their design space
    decodes to. A model's `repr` tells all its settings: caches and records depend on it.
    """

    @property
    @abstractmethod
    def properties(self) -> tuple[Property, ...]:
        """The properties that it predicts."""

    @property
    def level(self) -> Level:
        """What stands behind its values."""
        return Level.SURROGATE

    @property
    def cost(self) -> Cost | None:
        """What one prediction takes; None where it is unknown."""
        return None

    @property
    def validity(self) -> str:
        """For which structures its values hold, in a few words; empty where that is unknown."""
        return ""

    @abstractmethod
    def predict(self, batch: BatchT, /) -> Predictions:
        """Predict every property of each structure; what cannot be predicted is a recorded failure, never a number.

        Args:
            batch: B structures.

        Returns:
            Predictions of shape (B,).
        """

    def unsupported(self, space: Space) -> str:
        """Return why the model cannot predict the designs of a space; empty if it can."""
        del space
        return ""

    def supports(self, space: Space) -> bool:
        """Return whether it can predict designs of a space; single designs may still fail."""
        return not self.unsupported(space)

    @property
    def is_oracle(self) -> bool:
        """Whether it is physics or a measurement, and so can verify others."""
        return self.level is not Level.SURROGATE

    @property
    def is_uncertain(self) -> bool:
        """Whether it tells how uncertain it is: `sd`, or members, of each of its properties."""
        return False

    @property
    def name(self) -> str:
        """For tables and messages."""
        return type(self).__name__

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of its properties."""
        return tuple(prop.key for prop in self.properties)

    def property_of(self, key: str) -> Property:
        """Return one of the properties by key.

        Raises:
            PropertyError: if it does not predict it.
        """
        for prop in self.properties:
            if prop.key == key:
                return prop
        raise PropertyError(f"{self.name} does not predict {key!r}; it predicts {', '.join(self.keys)}")
