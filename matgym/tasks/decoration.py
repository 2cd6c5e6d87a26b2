"""The task of decorating a tube: a property that meets a target, or is as small or as large as can be."""

from collections.abc import Mapping
from typing import Any, Final

from matgym.errors import PropertyError
from matgym.models import Model, Property
from matgym.physics.registry import oracle_of, parse_properties
from matgym.structures import TubeLattice, lattice_edits, tube_lattice
from matgym.surrogates.adapters import as_model
from matgym.tasks.base import DesignTask, RewardFunction
from matgym.tasks.decorations import Decorations
from matgym.tasks.objective import AnyModel, Constraint, Direction, Estimate, Objective, Scale, scaled
from matgym.tasks.solved import Solved, table_of

UNUSED_SCALE: Final = Scale((0.0, 1.0), (0.0, 1.0), 1.0)
"""Of a property of the model's own that is to be extreme by a reward function, which scales itself."""


def decoration_task(
    *,
    lattice: TubeLattice | None = None,
    budget: Mapping[str, int] | None = None,
    property: str | Property = "gap_ev",  # noqa: A002  # the field's word
    model: Any = "nanotube-doping",
    direction: Direction = "target",
    low: float | None = None,
    high: float | None = None,
    margin: float | None = None,
    scale: Scale | None = None,
    estimate: Estimate = "mean",
    oracle: Model[Any] | None = None,
    others: tuple[Objective, ...] = (),
    constraint: Constraint | None = None,
    reward: RewardFunction | None = None,
) -> DesignTask:
    """Place a budget of atoms, or of turned bonds, on a tube so that a property meets a target or is extreme.

    The default is `matgym/NanotubeDoping-v0`'s task.

    Args:
        lattice: the tube to decorate; (8, 0) of four cells by default.
        budget: atoms of each species to place, and bonds to turn ("SW"); eight B and eight N by default.
        property: the objective, unless the model says what it predicts: a function of tubes predicts a property of
            its own name.
        model: that predicts it: whatever `matgym.surrogates.as_model` takes; or "solved:NAME", the table of a solved
            instance, or a `Solved`.
        direction: "target", "minimize" or "maximize".
        low: smallest target, in the property's unit; or the value that earns 0 where it is to be large, 1 where it is
            to be small. By default that of the property's scale, as the next two.
        high: largest target; or the value that earns 1 where it is to be large, 0 where it is to be small.
        margin: error at which the reward of a target has fallen to a tenth; a quarter of the range of targets where the
            property has no scale.
        scale: of `property`; by default that in `matgym.tasks.objective.SCALES`. A property of the model's own has
            none: give low and high.
        estimate: how an uncertain prediction is turned into a reward.
        oracle: that verifies; the property's own with its default settings, if it has one, by default.
        others: components of a vector reward after the first; give them weight 0.
        constraint: that designs are to keep; None for none.
        reward: a function of predictions and targets in place of the reward that these settings make.

    Raises:
        ConfigurationError: if a setting is out of its range, or the model does not support such tubes.
        PropertyError: if the model does not predict the property.
    """
    lattice = lattice or tube_lattice(8, 0, 4)
    edits = lattice_edits(lattice, {"B": 8, "N": 8} if budget is None else budget)
    named = property if isinstance(property, Property) else known_property(property)
    by_oracle = isinstance(model, str) and model == "oracle"
    made: AnyModel = oracle if by_oracle and oracle is not None else resolved(model, named)
    prop = named if named.key in made.keys else made.properties[0] if len(made.properties) == 1 else named
    verifier = oracle or (
        made if isinstance(made, Solved) else known_oracle(prop) or (made if made.is_oracle else None)
    )
    made.property_of(prop.key)  # raises if there is none
    own_scale = UNUSED_SCALE if reward is not None and direction != "target" else None
    limits = scaled(prop, direction, low, high, margin, scale if prop.key == named.key else own_scale)
    objective = Objective(prop, made, direction, *limits, verifier)
    space = Decorations(lattice, edits, between_leads=prop.between_leads)
    return DesignTask(space, (objective, *others), constraint, reward, estimate)


def known_property(name: str) -> Property:
    """A property by name or key; one of the user's own where no oracle computes it."""
    try:
        return parse_properties([name])[0]
    except PropertyError:
        return Property(name)


def known_oracle(prop: Property) -> Model[Any] | None:
    """The oracle that computes a property with its default settings; None where there is none."""
    try:
        return oracle_of(prop.key)
    except PropertyError:
        return None


def resolved(model: Any, prop: Property) -> AnyModel:
    """Whatever stands for a model of a property, as one.

    Raises:
        ConfigurationError: if it stands for none.
    """
    return table_of(model) or as_model(model, prop)
