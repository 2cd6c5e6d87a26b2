"""The task of a problem as an optimizer gets it: everything about the designs, and no way to score them."""

from dataclasses import dataclass, replace
from typing import Any, NoReturn

from typing_extensions import override

from matgym.errors import ModelError
from matgym.models import Level, Model, Predictions, Property
from matgym.tasks import DesignTask, Ledger, Scores
from matgym.tasks.objective import AnyModel, Constraint, Objective


def _refuse(searcher: str) -> NoReturn:
    raise ModelError(
        f"{searcher} evaluates designs by itself, which no ledger counts: return them by ask(), and receive their "
        "scores by tell()"
    )


@dataclass(frozen=True)
class UnscoredModel(Model[Any]):
    """The description of a model, without its predictions.

    Attributes:
        searcher: name of the optimizer in errors.
        title: name of the model.
        predicted: the properties of the model.
        kind: the level of the model.
        uncertain: whether the model predicts its uncertainty.
    """

    searcher: str
    title: str
    predicted: tuple[Property, ...]
    kind: Level
    uncertain: bool

    @classmethod
    def of(cls, model: AnyModel, searcher: str) -> "UnscoredModel":
        """Return the description of a model for an optimizer."""
        return cls(searcher, model.name, model.properties, model.level, model.is_uncertain)

    @property
    @override
    def name(self) -> str:
        return self.title

    @property
    @override
    def properties(self) -> tuple[Property, ...]:
        return self.predicted

    @property
    @override
    def level(self) -> Level:
        return self.kind

    @property
    @override
    def is_uncertain(self) -> bool:
        return self.uncertain

    @override
    def predict(self, batch: Any, /) -> Predictions:
        """Raise an error, because the ledger does not count this evaluation."""
        _refuse(self.searcher)


@dataclass(frozen=True, eq=False)
class SearchedTask(DesignTask):
    """A task that does not score designs.

    Its space, names, units, target ranges, rewards of values, and the bound of its constraint are those of the given
    task. Its models are descriptions, and its ledger is empty and its own. An optimizer therefore cannot evaluate a
    design through it. A task that the optimizer's own code makes anew, and a model that it imports, are not detected.

    Attributes:
        searcher: name of the optimizer in errors.
    """

    searcher: str = "the optimizer"

    @classmethod
    def of(cls, task: DesignTask, searcher: str) -> "SearchedTask":
        """Return the task as an optimizer gets it."""
        return cls(
            task.space,
            tuple(_objective(each, searcher) for each in task.objectives),
            _constraint(task.constraint, searcher),
            task.reward,
            task.estimate,
            Ledger(),
            searcher,
        )

    @override
    def score(self, *_arguments: Any, **_options: Any) -> Scores:
        """Raise an error, because the ledger does not count this evaluation."""
        _refuse(self.searcher)

    @override
    def verify(self, *_arguments: Any, **_options: Any) -> Scores:
        """Raise an error, because the ledger does not count this evaluation."""
        _refuse(self.searcher)

    @override
    def verified_by(self, *_arguments: Any, **_options: Any) -> NoReturn:
        """Raise an error, because the result could verify designs."""
        _refuse(self.searcher)


def _objective(objective: Objective, searcher: str) -> Objective:
    """Return an objective whose models are descriptions."""
    oracle = None if objective.oracle is None else UnscoredModel.of(objective.oracle, searcher)
    return replace(objective, model=UnscoredModel.of(objective.model, searcher), oracle=oracle)


def _constraint(constraint: Constraint | None, searcher: str) -> Constraint | None:
    """Return a constraint whose model is a description."""
    return None if constraint is None else replace(constraint, model=UnscoredModel.of(constraint.model, searcher))
