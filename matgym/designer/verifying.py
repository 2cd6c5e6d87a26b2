"""Verification of designs by physics, on two cores, within a budget of estimated seconds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pyarrow.parquet as pq

from matgym.designer.predicting import KEYS, verifier_of
from matgym.execution import execute
from matgym.physics.geometry import Geometry
from matgym.physics.registry import Conditions, EvaluationJob
from matgym.structures import Nanotube, Species

WORTH: Final = 6.0
"""Estimated seconds from which other processes are started; they take some seconds to start. A choice of ours."""

TIME_IS_UP: Final = "its physics would take about {seconds:.0f} s more than the time that is allowed: give more seconds"


@dataclass
class Verified:
    """Verified quantities of one design.

    Attributes:
        values: values by quantity.
        failures: why others have none, by quantity.
    """

    values: dict[str, float] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


@dataclass
class Verifier:
    """Verifies designs as long as the estimated time lasts.

    The estimates are those of the oracles' costs, so that the same call verifies the same designs on any machine.

    Attributes:
        names: names of the quantities.
        budget: CPU seconds that are left, estimated.
        workers: number of processes.
        calls: number of values that physics computed.
    """

    names: tuple[str, ...]
    budget: float
    workers: int = 2
    calls: int = 0

    def verify(self, tubes: Sequence[Nanotube]) -> list[Verified]:
        """Return the verified quantities of tubes; the first tubes are verified first."""
        found = [Verified() for _ in tubes]
        jobs: dict[tuple[int, str], EvaluationJob] = {}
        total = 0.0
        for place, tube in enumerate(tubes):
            for name in self.names:
                if name in {"diameter", "length"}:
                    found[place].values[name] = float(Geometry().predict([tube])[KEYS[name]][0])
                    continue
                if (seconds := seconds_of(name, tube)) > self.budget:
                    found[place].failures[name] = TIME_IS_UP.format(seconds=seconds - self.budget)
                    continue
                self.budget -= seconds
                total += seconds
                level = verifier_of(name).level
                jobs[place, name] = EvaluationJob((tube,), (KEYS[name],), Conditions(), level)
        self.calls += len(jobs)
        workers = self.workers if total > WORTH else 1
        order = sorted(jobs, key=lambda job: -seconds_of(job[1], tubes[job[0]]))  # long ones first, for an even end
        unique = {jobs[each].key: jobs[each] for each in order}
        with TemporaryDirectory(prefix="matgym-design-") as folder:
            paths = dict(zip(unique, execute(unique.values(), Path(folder), workers=workers), strict=True))
            for (place, name), job in jobs.items():
                value, failure = _read(paths[job.key], KEYS[name])
                if failure:
                    found[place].failures[name] = failure.removeprefix(f"{tubes[place]}: ")
                else:
                    atoms = int((tubes[place].species != Species.VACANCY).sum())
                    found[place].values[name] = value / atoms if name == "formation" else value
        return found


def seconds_of(name: str, tube: Nanotube) -> float:
    """Return the estimated CPU seconds of the physics of a quantity of a tube."""
    cost = verifier_of(name).cost
    return 0.0 if cost is None else cost.seconds * (tube.n_sites / cost.sites) ** cost.exponent


def levels_of(names: Sequence[str]) -> Mapping[str, str]:
    """Return the levels of physics that verify quantities, by name."""
    return {name: str(verifier_of(name).level) for name in names}


def _read(path: Path, key: str) -> tuple[float, str]:
    """Return the value of a job, and why there is none."""
    row = pq.read_table(path).to_pylist()[0]
    return float(row[key]), row[f"{key} failure"] or ""
