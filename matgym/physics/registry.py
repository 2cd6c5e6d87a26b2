"""Compute properties by name: the oracle of each property, its conditions, and runs on one or on many cores."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import numpy as np

from matgym.errors import PropertyError, require_counts, require_within
from matgym.models import Level, Model, Predictions, Property
from matgym.physics.cache import PHYSICS_VERSION, Cached, Remembered
from matgym.physics.electrons.bands import GAP_EV, PiElectrons, PiFormation
from matgym.physics.electrons.conductance import CONDUCTANCE_US, PiTransport
from matgym.physics.electrons.neutrality import Potential, check_potential
from matgym.physics.electrons.optics import OpticalTransitions
from matgym.physics.electrons.self_consistent import SelfConsistentElectrons
from matgym.physics.electrons.self_consistent_transport import SelfConsistentTransport
from matgym.physics.entries import FORMAT
from matgym.physics.mechanics.elastic import Elasticity
from matgym.physics.mechanics.formation import FormationEnergy
from matgym.physics.mechanics.references import References, check_references
from matgym.physics.mechanics.sevennet import SevenNetFormation
from matgym.physics.mechanics.strength import Strength
from matgym.physics.oracles import TEMPERATURES_K, TakesCoordinates
from matgym.physics.phonons.boltzmann import LongTubeHeat
from matgym.physics.phonons.conductance import PhononTransport
from matgym.physics.phonons.named_modes import RamanModes
from matgym.physics.phonons.vibrations import Vibrations
from matgym.physics.thermoelectric import Thermoelectric
from matgym.physics.xtb.oracle import XtbElectrons
from matgym.structures import Nanotube

if TYPE_CHECKING:
    import pyarrow as pa
    from ase import Atoms


@dataclass(frozen=True)
class Conditions:
    """The conditions at which properties are computed.

    Attributes:
        temperature_k: temperature, K.
        mu_ev: chemical potential, eV, or "leads" or "tube", whose neutrality sets it: see
            `matgym.physics.electrons.neutrality`. None means that of neutral leads for the conductance, and the
            chemical potential of the largest ZT for thermoelectric properties.
        chemical_potentials_ev: chemical potentials of atoms for formation energies, by element, or energies of phases
            of a table: see `matgym.physics.mechanics.references`.
    """

    temperature_k: float = 300.0
    mu_ev: Potential | None = None
    chemical_potentials_ev: References = field(default_factory=dict)

    def __post_init__(self) -> None:
        require_within(*TEMPERATURES_K, temperature_k=self.temperature_k)
        if self.mu_ev is not None:
            check_potential("mu_ev", self.mu_ev)
        check_references(self.chemical_potentials_ev)


Keep = Callable[[Model], Model]
"""Function that wraps an oracle in a model that stores its results."""

ORACLES: Final[Mapping[type[Model], Callable[[Conditions, Keep], Model]]] = MappingProxyType(
    {
        PiElectrons: lambda _at, _keep: PiElectrons(),
        PiFormation: lambda _at, _keep: PiFormation(),
        PiTransport: lambda at, _keep: PiTransport(
            temperature_k=at.temperature_k, mu_ev=0.0 if at.mu_ev is None else at.mu_ev
        ),
        PhononTransport: lambda at, _keep: PhononTransport(temperature_k=at.temperature_k),
        Thermoelectric: lambda at, keep: Thermoelectric(
            temperature_k=at.temperature_k,
            mu_ev=at.mu_ev,
            phonons=keep(PhononTransport(temperature_k=at.temperature_k)),
        ),
        OpticalTransitions: lambda _at, _keep: OpticalTransitions(),
        RamanModes: lambda _at, _keep: RamanModes(),
        LongTubeHeat: lambda at, _keep: LongTubeHeat(temperature_k=at.temperature_k),
        Vibrations: lambda at, _keep: Vibrations(temperature_k=at.temperature_k),
        Elasticity: lambda _at, _keep: Elasticity(),
        FormationEnergy: lambda at, _keep: FormationEnergy(chemical_potentials_ev=at.chemical_potentials_ev),
        Strength: lambda _at, _keep: Strength(),
    }
)
"""Every oracle class that computes properties by default, with a function that creates it at given conditions."""

OTHER_LEVELS: Final[tuple[tuple[type[Model], Callable[[Conditions, Keep], Model]], ...]] = (
    (SelfConsistentElectrons, lambda _at, _keep: SelfConsistentElectrons()),
    (
        SelfConsistentTransport,
        lambda at, _keep: SelfConsistentTransport(
            temperature_k=at.temperature_k, mu_ev=0.0 if at.mu_ev is None else at.mu_ev
        ),
    ),
    (
        Thermoelectric,
        lambda at, keep: Thermoelectric(
            temperature_k=at.temperature_k,
            mu_ev=at.mu_ev,
            phonons=keep(PhononTransport(temperature_k=at.temperature_k)),
            electrons=SelfConsistentTransport(temperature_k=at.temperature_k),
        ),
    ),
    (XtbElectrons, lambda at, _keep: XtbElectrons(chemical_potentials_ev=at.chemical_potentials_ev)),
    (SevenNetFormation, lambda at, _keep: SevenNetFormation(chemical_potentials_ev=at.chemical_potentials_ev)),
    (OpticalTransitions, lambda _at, _keep: OpticalTransitions(environment="sds")),
)
"""Further oracles, with their classes, that compute some of the same properties by another level, if it is named."""

_ORACLE_OF: Final = {prop: oracle for oracle in ORACLES for prop in oracle.properties}  # type: ignore[attr-defined]

PROPERTIES: Final[Mapping[str, Property]] = MappingProxyType({prop.name: prop for prop in _ORACLE_OF})
"""All properties by short name, which is the key without its unit."""

PROPERTIES_BY_KEY: Final[Mapping[str, Property]] = MappingProxyType({prop.key: prop for prop in _ORACLE_OF})
"""All properties by key."""


def parse_properties(names: Sequence[str]) -> list[Property]:
    """Return the properties of short names or keys, such as "gap" or "gap_ev".

    Raises:
        PropertyError: if no property has one of the names, or if there are no names.
    """
    properties = []
    for name in names:
        prop = PROPERTIES.get(name) or PROPERTIES_BY_KEY.get(name)
        if prop is None:
            close = get_close_matches(name, [*PROPERTIES, *PROPERTIES_BY_KEY], n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            raise PropertyError(f"no oracle computes {name!r}; {hint}known are {', '.join(PROPERTIES)}")
        properties.append(prop)
    if not properties:
        raise PropertyError(f"no property is named; known are {', '.join(PROPERTIES)}")
    return properties


def oracle_of(prop: str, conditions: Conditions | None = None, *, level: Level | str | None = None) -> Model:
    """Return the oracle that computes a property, with its default settings; it also verifies surrogates.

    Args:
        prop: short name or key.
        conditions: temperature and chemical potential.
        level: level by which it computes the property, or its short name, such as "xtb"; None means the first of
            `levels_of`.

    Raises:
        PropertyError: if the property is unknown, or no oracle computes it by that level.
    """
    create = _creator(parse_properties([prop])[0], level)
    return create(conditions or Conditions(), lambda plain: plain)


JUDGED_BY: Final = dict.fromkeys(
    (prop.key for prop in (GAP_EV, CONDUCTANCE_US, *Thermoelectric.properties)), Level.SCC_PI
)
"""Levels of the oracles that reward and verify designs if none is named, where the first level is not meant: without
charges, π tight binding ranks decorated tubes otherwise than the levels above it (docs/physics.md)."""


def judge_of(prop: str) -> Model:
    """Return the oracle of `JUDGED_BY`: what "oracle" stands for as a model, and what verifies it.

    Args:
        prop: short name or key.

    Raises:
        PropertyError: if no oracle computes the property.
    """
    return oracle_of(prop, level=JUDGED_BY.get(parse_properties([prop])[0].key))


def levels_of(prop: str) -> tuple[Level, ...]:
    """Return the levels by which a property can be computed, the default first.

    Args:
        prop: short name or key.

    Raises:
        PropertyError: if the property is unknown.
    """
    return tuple(oracle.level for oracle in oracles_of(prop))


def oracles_of(prop: str) -> tuple[Model, ...]:
    """Return the oracles that compute a property with their default settings, by the levels of `levels_of`.

    Args:
        prop: short name or key.

    Raises:
        PropertyError: if the property is unknown.
    """
    (parsed,) = parse_properties([prop])
    return tuple(_default(create) for create in _creators(parsed))


def _creators(prop: Property) -> list[Callable[[Conditions, Keep], Model]]:
    """Return what creates the oracles that compute a property, the default first."""
    ways = [*ORACLES.items(), *OTHER_LEVELS]
    return [create for oracle, create in ways if prop in oracle.properties]  # type: ignore[operator]


def _creator(prop: Property, level: Level | str | None) -> Callable[[Conditions, Keep], Model]:
    """Return what creates the oracle that computes a property by a level; None means the default."""
    ways = _creators(prop)
    if level is None:
        return ways[0]
    for create in ways:
        found = _default(create).level
        if level in (found, found.short):
            return create
    known = ", ".join(repr(each.short) for each in levels_of(prop.key))
    raise PropertyError(f"no oracle computes {prop.name!r} by level={str(level)!r}; give one of {known}")


def _default(create: Callable[[Conditions, Keep], Model]) -> Model:
    return create(Conditions(), lambda plain: plain)


def predict(
    tubes: Sequence[Nanotube],
    names: Sequence[str],
    conditions: Conditions | None = None,
    *,
    level: Level | str | Mapping[str, Level | str] | None = None,
    atoms: "Sequence[Atoms | None] | None" = None,
    cache: Path | None = None,
    on_oracle: Callable[[str, int, int], None] = lambda _name, _done, _total: None,
) -> Predictions:
    """Compute properties by name, each by its own oracle.

    Args:
        tubes: B tubes.
        names: short names or keys.
        conditions: temperature and chemical potential.
        level: level by which all of them are computed, or the levels of some names; None means the default of each.
        atoms: coordinates of each tube's own, as `ReadTube.own_coordinates` gives them, from which oracles that can
            compute it; None for a tube, or for all of them, takes the ideal lattice. Such results are not stored.
        cache: folder in which results are stored and looked up; None stores nothing on disk.
        on_oracle: function that is called before each oracle runs, with the name of the oracle, the number of oracles
            that are done, and the number of all oracles.

    Returns:
        Predictions of the named properties, in that order.

    Raises:
        PropertyError: if a property is unknown, or no oracle computes it by that level.
    """
    properties = parse_properties(names)
    levels = level if isinstance(level, Mapping) else dict.fromkeys((prop.name for prop in properties), level)
    models: dict[str, Model] = {}  # thermal conductance and ZT need the same phonons

    def keep(oracle: Model) -> Model:
        return models.setdefault(repr(oracle), Cached(oracle, cache) if cache else Remembered(oracle))

    needed = list(dict.fromkeys(_creator(prop, levels.get(prop.name) or levels.get(prop.key)) for prop in properties))
    parts = []
    for done, create in enumerate(needed):
        oracle = keep(create(conditions or Conditions(), keep))
        on_oracle(oracle.name, done, len(needed))
        parts.append(_predicted(oracle, create(conditions or Conditions(), keep), tubes, atoms or ()))
    return Predictions.joined(parts).only([prop.key for prop in properties])


def takes_coordinates(prop: str, *, level: Level | str | None = None) -> bool:
    """Return whether the oracle of a property computes tubes from coordinates of their own if it is given them.

    For arguments and errors see `oracle_of`.
    """
    return isinstance(oracle_of(prop, level=level), TakesCoordinates)


def _predicted(kept: Model, oracle: Model, tubes: Sequence[Nanotube], atoms: "Sequence[Atoms | None]") -> Predictions:
    """Return the predictions of tubes, from coordinates of their own where the oracle takes them.

    Args:
        kept: the oracle that stores its results.
        oracle: the same without.
        tubes: B tubes.
        atoms: coordinates by tube; none or empty for the ideal lattice.
    """
    own = [row for row, each in enumerate(atoms) if each is not None]
    if not own or not isinstance(oracle, TakesCoordinates):
        return kept.predict(tubes)
    others = [row for row in range(len(tubes)) if row not in set(own)]
    parts = [(own, oracle.predict_atoms([tubes[row] for row in own], [each for each in atoms if each is not None]))]
    if others:
        parts.append((others, kept.predict([tubes[row] for row in others])))
    return _in_rows(parts, len(tubes))


def _in_rows(parts: Sequence[tuple[list[int], Predictions]], count: int) -> Predictions:
    """Return values, failures and notes of one batch from those of some of its rows."""
    keys = parts[0][1].values
    values = {key: np.full(count, np.nan) for key in keys}
    failures, notes = {key: dict[int, str]() for key in keys}, {key: dict[int, str]() for key in keys}
    for rows, found in parts:
        for key in keys:
            values[key][rows] = found[key]
            for joined, said in ((failures, found.failures), (notes, found.notes)):
                joined[key] |= {rows[i]: words for i, words in said.get(key, {}).items()}
    return Predictions(
        values, {key: said for key, said in failures.items() if said},
        notes={key: said for key, said in notes.items() if said},
    )  # fmt: skip


@dataclass(frozen=True)
class EvaluationJob:
    """A job of `matgym.execution` that computes properties of tubes."""

    tubes: tuple[Nanotube, ...]
    keys: tuple[str, ...]
    conditions: Conditions
    level: Level | str | None = None

    @cached_property
    def key(self) -> str:
        """Hash of the tubes, the oracles with their settings, and the versions of the physics and of the format."""
        oracles = [f"{key} {oracle_of(key, self.conditions, level=self.level)!r}" for key in self.keys]
        text = "\n".join([f"{PHYSICS_VERSION} {FORMAT}", *oracles, *(tube.digest for tube in self.tubes)])
        return "oracles-" + hashlib.blake2b(text.encode(), digest_size=12).hexdigest()

    def run(self) -> "pa.Table":
        """Compute a table with three columns for each property: its values, the reasons of failures, and the notes."""
        import pyarrow as pa

        predictions = predict(self.tubes, self.keys, self.conditions, level=self.level)
        columns = {key: pa.array(predictions[key], pa.float64()) for key in self.keys}
        for key in self.keys:
            for name, said in ((f"{key} failure", predictions.failures), (f"{key} note", predictions.notes)):
                words = said.get(key, {})
                columns[name] = pa.array([words.get(row) for row in range(len(self.tubes))], pa.string())
        return pa.table(columns)


def predict_in_parallel(
    tubes: Sequence[Nanotube],
    names: Sequence[str],
    folder: Path,
    *,
    conditions: Conditions | None = None,
    level: Level | str | None = None,
    workers: int = 2,
    scheduler: str | None = None,
    piece: int = 100,
) -> Predictions:
    """Compute properties by name in jobs whose results are stored, on several processes.

    If a call is interrupted, the same call continues with the jobs that are not done. For the properties, see
    `predict`.

    Args:
        tubes: B tubes.
        names: short names or keys.
        folder: folder in which the results of jobs are stored; it may contain results of other calls.
        conditions: temperature and chemical potential.
        level: level by which all of them are computed; None means the default of each.
        workers: number of processes, each on one core; 1 uses the present process.
        scheduler: address of a Dask scheduler whose workers run the jobs instead: see `matgym.execution.execute`.
        piece: number of tubes in one job.

    Returns:
        Predictions of the named properties, in that order.

    Raises:
        ConfigurationError: if `piece` or `workers` is below 1.
        PropertyError: if a property is unknown, or no oracle computes it by that level.
        ExecutionError: if jobs could not be computed.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from matgym.execution import execute

    require_counts(piece=piece)
    keys = tuple(prop.key for prop in parse_properties(names))
    at = conditions or Conditions()
    pieces = [EvaluationJob(tuple(tubes[i : i + piece]), keys, at, level) for i in range(0, len(tubes), piece)]
    jobs = {job.key: job for job in pieces}  # two jobs may contain the same tubes
    paths = dict(zip(jobs, execute(jobs.values(), folder, workers=workers, scheduler=scheduler), strict=True))
    rows = pa.concat_tables([pq.read_table(paths[job.key]) for job in pieces])
    failures, notes = (
        {
            key: words
            for key in keys
            if (words := {row: word for row, word in enumerate(rows[f"{key} {what}"].to_pylist()) if word is not None})
        }
        for what in ("failure", "note")
    )
    return Predictions({key: rows[key].to_numpy().astype(np.float64) for key in keys}, failures, notes=notes)
