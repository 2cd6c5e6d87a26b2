"""The contents of suite.json: the facts that a report needs in addition to the records."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from matgym.benchmark.methods import NAME
from matgym.benchmark.suite import MAX_BUDGET
from matgym.benchmark.tasks import Line
from matgym.errors import DatasetError, FormatError
from matgym.files import is_file, read_json
from matgym.tasks import Direction


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Rewarded(_Facts):
    """Facts of every task: the model of the reward, the oracle of the verification, and the training of the model.

    Attributes:
        title: title of one line.
        unit: unit of the loss; empty for a pure number.
        model: description of the model that gives the reward.
        level: level of the model's values; see `matgym.models.Level`.
        is_oracle: whether the model is a physics model, so that its values need no verification.
        oracle: description of the oracle that verifies.
        training: description of the training of the model.
    """

    title: Line
    unit: Line = ""
    model: Line = ""
    level: Line = ""
    is_oracle: bool
    oracle: Line = ""
    training: Line = ""


class SearchFacts(Rewarded):
    """Facts of a task of the search track; without `optimum_loss`, that is the lowest verified loss of the records."""

    direction: Direction
    target: tuple[float, ...] = ()
    optimum_loss: float | None
    proven: bool
    found_by: Line = ""
    designs: int | None = None
    random_loss: float
    tolerance: float = Field(ge=0.0)
    constrained: bool = False
    objectives: int = 1

    @property
    def optimum(self) -> float:
        """Return the lowest known loss; NaN if it is not known."""
        return float("nan") if self.optimum_loss is None else self.optimum_loss


class AmortisedFacts(Rewarded):
    """Facts of a task of the amortised track."""

    targets: int
    met: float


class MethodFacts(_Facts):
    """Facts of a method in the suite."""

    kind: Line
    budget: int
    settings: Mapping[str, Any] = Field(default_factory=dict)


class SuiteFacts(_Facts):
    """The contents of suite.json: the facts that a report needs in addition to the records.

    `within` is that of a discovery track (`DiscoveryTrack`); it is 0 without one. `batch` is that of a `SearchTrack`.
    """

    suite: Line
    created: Line = ""
    machine: Line = ""
    versions: Mapping[str, Line] = Field(default_factory=dict)
    seconds: float = 0.0
    wall_seconds: float = 0.0
    workers: int = 1
    runs: tuple[str, ...] = ()
    checkpoints: tuple[Annotated[int, Field(ge=1, le=MAX_BUDGET)], ...] = ()
    within: float = 0.0
    batch: int = 1
    tasks: Mapping[str, SearchFacts] = Field(default_factory=dict)
    methods: Mapping[str, MethodFacts]
    amortised: Mapping[str, AmortisedFacts] = Field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read suite.json.

        Raises:
            DatasetError: if the file or one of its fields is missing or wrong, or a name is not that of a task or a
                method.
        """
        if not is_file(path):
            raise DatasetError(f"there is no {path}: give a folder that `matgym benchmark run` made")
        try:
            facts = cls.model_validate(read_json(path))
        except FormatError as error:
            raise DatasetError(str(error)) from None
        except ValidationError as error:
            first = error.errors()[0]
            raise DatasetError(f"{path}: {'.'.join(map(str, first['loc'])) or 'the file'}: {first['msg']}") from None
        for field in ("tasks", "methods", "amortised"):
            wrong = [name for name in getattr(facts, field) if not re.fullmatch(NAME, name)]
            if wrong:
                raise DatasetError(f"{path}: {field}: the name {wrong[0]!r:.80} does not match {NAME}")
        if both := sorted(facts.tasks.keys() & facts.amortised.keys()):
            raise DatasetError(f"{path}: tasks and amortised both have the name {both[0]!r}")
        for name, task in facts.tasks.items():
            if task.optimum_loss is not None and not task.random_loss > task.optimum_loss:
                raise DatasetError(
                    f"{path}: tasks.{name}.random_loss: {task.random_loss} must be above the optimum's "
                    f"{task.optimum_loss}"
                )
        return facts

    def planned(self) -> list[tuple[str, str, str, int]]:
        """Return the (track, task, method, seed) of the runs that are listed by their keys."""
        planned = []
        for track, tasks in (("search", self.tasks), ("amortised", self.amortised)):
            for task in tasks:
                for method in self.methods:
                    key = re.compile(re.escape(f"{task}-{method}-") + r"(\d+)-[0-9a-f]+")
                    planned += [(track, task, method, int(m[1])) for run in self.runs if (m := key.fullmatch(run))]
        return planned
