"""The task of decorating a tube: a property is to meet a target, or to be as small or as large as possible."""

from collections.abc import Mapping
from typing import Any, Final

from matgym.errors import PropertyError
from matgym.models import Level, Model, Property
from matgym.physics.registry import judge_of, oracle_of, parse_properties
from matgym.structures import TubeLattice, lattice_edits, tube_lattice
from matgym.surrogates.sources import as_model
from matgym.tasks.base import DesignTask, RewardFunction
from matgym.tasks.decorations import Decorations
from matgym.tasks.objective import AnyModel, Constraint, Direction, Estimate, Objective, Scale, scaled
from matgym.tasks.solved import Solved, table_of

UNUSED_SCALE: Final = Scale((0.0, 1.0), (0.0, 1.0), 1.0)
"""Placeholder scale of a property of the model's own where a reward function replaces the scaled reward."""


def decoration_task(
    *,
    lattice: TubeLattice | None = None,
    budget: Mapping[str, int] | None = None,
    property: str | Property | None = None,  # noqa: A002  # the field's word
    usual: str | Property = "gap_ev",
    model: Any = "nanotube-doping",
    direction: Direction = "target",
    low: float | None = None,
    high: float | None = None,
    margin: float | None = None,
    scale: Scale | None = None,
    estimate: Estimate = "mean",
    oracle: Model[Any] | Level | str | None = None,
    others: tuple[Objective, ...] = (),
    constraint: Constraint | None = None,
    reward: RewardFunction | None = None,
) -> DesignTask:
    """Return the task of placing a budget of atoms or turned bonds so that a property meets a target or is extreme.

    The default is the task of `matgym/NanotubeDoping-v0`.

    Args:
        lattice: the tube to decorate; (11, 0) of three cells by default.
        budget: number of atoms of each species to place, and of bonds to turn ("SW"); eight B and eight N by default.
        property: the property of the objective; by default `usual`, or the only one that the model predicts: that of a
            function of tubes has the function's name.
        usual: the property if none is named and the model predicts it, or predicts several.
        model: the model that predicts it: any source that `matgym.surrogates.as_model` takes; or "solved:NAME", the
            table of a solved instance, or a `Solved`.
        direction: "target", "minimize" or "maximize".
        low: smallest target, in the property's unit; or the value with reward 0 if the property is maximized, 1 if it
            is minimized. The default is that of the property's scale; so are those of `high` and `margin`.
        high: largest target; or the value with reward 1 if the property is maximized, 0 if it is minimized.
        margin: error at which the reward of a target has fallen to a tenth; a quarter of the range of targets if the
            property has no scale.
        scale: scale of the property that is named or usual; by default that in `matgym.tasks.objective.SCALES`. A
            property of the model's own has none: give low and high.
        estimate: how an uncertain prediction is turned into a reward.
        oracle: the oracle that verifies, or the level of the property's oracle that does, such as "xtb"; by default
            that of `known_oracle`, if there is one.
        others: components of a vector reward after the first; give them weight 0.
        constraint: the constraint on designs; None for no constraint.
        reward: a function of predictions and targets instead of the reward that these settings define.

    Raises:
        ConfigurationError: if a setting is out of range, or the model does not support such tubes.
        PropertyError: if the model does not predict the property, or no oracle computes it by the level.
    """
    lattice = lattice or tube_lattice(11, 0, 3)
    edits = lattice_edits(lattice, {"B": 8, "N": 8} if budget is None else budget)
    asked = usual if property is None else property
    named = asked if isinstance(asked, Property) else known_property(asked)
    by_oracle = isinstance(model, str) and model == "oracle"
    own = oracle if isinstance(oracle, Model) else None
    predictor: AnyModel = own if by_oracle and own is not None else resolved(model, named)
    only = predictor.properties[0] if property is None and len(predictor.properties) == 1 else named
    prop = named if named.key in predictor.keys else only
    verifier: AnyModel | None
    if oracle is not None:
        verifier = own or oracle_of(prop.key, level=str(oracle))
    elif isinstance(predictor, Solved):
        verifier = predictor
    else:
        verifier = known_oracle(prop) or (predictor if predictor.is_oracle else None)
    predictor.property_of(prop.key)  # raises an error if the model does not predict it
    own_scale = UNUSED_SCALE if reward is not None and direction != "target" else None
    limits = scaled(prop, direction, low, high, margin, scale if prop.key == named.key else own_scale)
    objective = Objective(prop, predictor, direction, *limits, verifier)
    space = Decorations(lattice, edits, between_leads=prop.between_leads)
    return DesignTask(space, (objective, *others), constraint, reward, estimate)


def known_property(name: str) -> Property:
    """Return a property by its name or key; a new one if no oracle computes it."""
    try:
        return parse_properties([name])[0]
    except PropertyError:
        return Property(name)


def known_oracle(prop: Property) -> Model[Any] | None:
    """Return the oracle that verifies a property if none is named, `judge_of`; None if there is none."""
    try:
        return judge_of(prop.key)
    except PropertyError:
        return None


def resolved(model: Any, prop: Property) -> AnyModel:
    """Return the model or solved table for any source of a property's values.

    Raises:
        ConfigurationError: if the source is not a model.
    """
    return table_of(model) or as_model(model, prop)
