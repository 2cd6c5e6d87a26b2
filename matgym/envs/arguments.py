"""Arguments of environments: names, types and sizes are checked here, from the signatures, before anything is made.

Each error is one sentence that names the environment, the argument, its value and what would be right.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from inspect import Parameter, signature
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias, Union, get_args, get_origin, get_type_hints

import numpy as np
from annotated_types import Ge, Le
from gymnasium.vector import AutoresetMode

from matgym.errors import ConfigurationError, UnknownArgumentError
from matgym.structures.lattice import unit_sites
from matgym.typing import BoolArray, FloatArray

if TYPE_CHECKING:
    from pydantic import TypeAdapter

# The limits are ours. They lie far above what has been of use, and far below what fills a computer's memory.

MOST_ENVS: Final = 2**20
"""Episodes side by side."""

MOST_STEPS: Final = 10_000
"""Minutes of a run, and experiments of a campaign."""

MOST_SITES: Final = 20_000
"""Sites of a tube that is designed. Physics of one such tube takes hours."""

MOST_NUMBERS: Final = 2**28
"""Numbers that the episodes of a batch may hold together: 2 GiB in double precision."""

Count: TypeAlias = Annotated[int, Ge(1), Le(MOST_STEPS)]
"""Minutes or experiments."""

Index: TypeAlias = Annotated[int, Ge(0), Le(MOST_SITES)]
"""n, m, or a number of cells or atoms; the tube that they make is checked by `require_sites`."""


def require_envs(num_envs: Any) -> None:
    """Raise an error for a number of episodes that is none.

    Raises:
        ConfigurationError: if it is no whole number from 1 to `MOST_ENVS`.
    """
    whole = isinstance(num_envs, int | np.integer) and not isinstance(num_envs, bool)
    if not whole or not 1 <= num_envs <= MOST_ENVS:
        raise ConfigurationError(f"num_envs={num_envs!r} must be a whole number from 1 to {MOST_ENVS:,}")


def require_sites(n: int, m: int, cells: int) -> None:
    """Raise an error for a tube that is too large to be designed, before its sites are laid out.

    Raises:
        ConfigurationError: if it has more sites than `MOST_SITES`.
    """
    sites = unit_sites(n, m) * cells if n or m else 0
    if sites > MOST_SITES:
        raise ConfigurationError(
            f"n={n}, m={m}, cells={cells} are {sites:,} sites, and matgym designs tubes of {MOST_SITES:,} at most"
        )


def require_room(size: int, numbers: int) -> None:
    """Raise an error for a batch that would fill the memory, before it is made.

    Args:
        size: episodes side by side.
        numbers: that each of them holds.

    Raises:
        ConfigurationError: if there are more than `MOST_NUMBERS` in all.
    """
    if size * numbers > MOST_NUMBERS:
        raise ConfigurationError(
            f"num_envs={size} episodes of {numbers:,} numbers each are more than the {MOST_NUMBERS:,} numbers "
            f"that a batch may hold: give num_envs={max(1, MOST_NUMBERS // numbers)} or less, or shorter episodes"
        )


# ---- which arguments are given


def given_alone(name: str, others: Mapping[str, object]) -> None:
    """Raise an error if arguments were given that another one leaves without effect.

    Args:
        name: of the argument that says it all.
        others: name to value of those that would be without effect; None or False where they were not given.

    Raises:
        ConfigurationError: if one was given.
    """
    given = [other for other, value in others.items() if value is not None and value is not False]
    if given:
        raise ConfigurationError(f"{' and '.join(given)} would be without effect beside {name}: give one or the other")


def checked_variant(variant: str, *known: str) -> str:
    """Return a variant.

    Raises:
        ConfigurationError: if an environment has no such variant.
    """
    if variant not in ("plain", *known):
        raise ConfigurationError(f"variant={variant!r} is none of {', '.join(('plain', *known))}, which there are here")
    return variant


def there_are(names: Sequence[str]) -> str:
    """Return a list of names for an error."""
    return f"there are {', '.join(names)}" if names else "there are none here"


def checked_option(name: str, value: Any, count: int, width: int | None = None, parts: str = "") -> FloatArray:
    """Return what `reset` is told of each of `count` episodes, one value for all or one an episode.

    Args:
        name: of the option.
        value: one number, or (count,) of them; or (width,) numbers, or (count, width) of them.
        count: episodes that begin.
        width: numbers that an episode is told; None for one that is no array.
        parts: what these numbers are, for errors.

    Returns:
        (count,) or (count, width).

    Raises:
        ConfigurationError: if it has another shape, or holds what is no finite number.
    """
    shape = (count,) if width is None else (count, width)
    try:
        given = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ConfigurationError(f"{name}={value!r} must be {_numbers(width)}{parts}") from None
    if given.shape not in (shape, shape[1:]):
        raise ConfigurationError(
            f"{name}={value!r} has shape {given.shape}; it must be {_numbers(width)} an episode{parts}"
        )
    if not np.isfinite(given).all():
        raise ConfigurationError(f"{name}={value!r} must be finite")
    return np.broadcast_to(given, shape)


def _numbers(width: int | None) -> str:
    return "a number" if width is None else f"{width} numbers"


def checked_autoreset_mode(mode: AutoresetMode | str) -> AutoresetMode:
    """Return a mode by its name in Gymnasium, "SAME_STEP", or its value, "SameStep"."""
    for known in AutoresetMode:
        if mode in (known, known.name, known.value):
            return known
    raise ConfigurationError(f"autoreset_mode={mode!r} is none of {', '.join(known.name for known in AutoresetMode)}")


def checked_reset_mask(mask: Any, count: int) -> BoolArray:
    """Return (count,) which episodes are to begin anew."""
    chosen = np.ones(count, dtype=bool) if mask is None else np.asarray(mask)
    if chosen.shape != (count,) or chosen.dtype != np.bool_ or not chosen.any():
        raise ConfigurationError(f"reset_mask={mask!r} must be {count} booleans, one of them true at least")
    return chosen


# ---- names and types


def checked_arguments(episodes_class: Callable[..., Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of an environment, as its signature annotates them.

    Raises:
        UnknownArgumentError: if it has no such argument.
        ConfigurationError: if one that it needs is missing, or a value is of another type.
    """
    name = _name_of(episodes_class)
    parameters = _parameters(episodes_class)
    for given in arguments:
        if given not in parameters:
            close = get_close_matches(given, parameters, n=1)
            hint = f"did you mean {close[0]}? " if close else ""
            raise UnknownArgumentError(
                f"{name} got an unexpected keyword argument {given!r}; {hint}{there_are(list(parameters))}"
            )
    for needed, parameter in parameters.items():
        if parameter.default is Parameter.empty and needed not in arguments:
            raise ConfigurationError(f"{name} needs {needed}: give {needed}=...")
    if not arguments:
        return {}
    return {given: _checked(episodes_class, given, value) for given, value in arguments.items()}


def _name_of(episodes_class: Callable[..., Any]) -> str:
    return str(getattr(episodes_class, "__name__", episodes_class))


def _constructor(episodes_class: Any) -> Any:
    return episodes_class.__init__


@cache
def _parameters(episodes_class: Callable[..., Any]) -> dict[str, Parameter]:
    """Return the arguments that an environment takes, by name."""
    return dict(list(signature(episodes_class).parameters.items())[1:])


def _checked(episodes_class: Callable[..., Any], name: str, value: Any) -> Any:
    if value is None and _parameters(episodes_class)[name].default is None:
        return None
    check = _check_of(episodes_class, name)
    if check is None:
        return value
    from pydantic import ValidationError

    try:
        return check.validate_python(_plain(value), strict=True)
    except ValidationError as error:
        # Of a union each of its types says why not; what lies deeper than the value has its place before it.
        errors = error.errors(include_url=False)
        reasons = [
            " ".join([*(f"entry {place}" for place in each["loc"] if isinstance(place, int)), _reason(each["msg"])])
            for each in errors
        ]
        of_entries = all(each["loc"] and isinstance(each["loc"][0], int) for each in errors)  # all of them apply
        what = (" and " if of_entries else " or ").join(dict.fromkeys(reasons))
        raise ConfigurationError(f"{name}={value!r} of {_name_of(episodes_class)} is not right: {what}") from None


def _reason(message: str) -> str:
    """Return pydantic's message in our words."""
    if found := re.fullmatch(r"Tuple should have at most (\d+) items? after validation, not (\d+)", message):
        return f"must have {found[1]} entries, not {found[2]}"
    words = {"Input should": "must", "Field required": "is missing", "valid tuple": "list or a tuple"}
    for theirs, ours in words.items():
        message = message.replace(theirs, ours)
    return message.removeprefix("Value error, ")


def _plain(value: Any) -> Any:
    """Return a value without NumPy's types and YAML's lists: what is a number or a tuple for our users is one here."""
    if isinstance(value, np.generic | np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return tuple(map(_plain, value))
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return value


@cache
def _check_of(episodes_class: Callable[..., Any], name: str) -> "TypeAdapter[Any] | None":
    """Return what checks an argument's value; None where any will do, or its own code checks it."""
    from pydantic import ConfigDict, TypeAdapter

    hint = _hints(episodes_class).get(name, Any)
    if hint is Any:
        return None
    return TypeAdapter(_strict(hint), config=ConfigDict(allow_inf_nan=False, arbitrary_types_allowed=True))


@cache
def _hints(episodes_class: Callable[..., Any]) -> dict[str, Any]:
    """Return the annotations of an environment's arguments.

    What is imported for type checkers alone, as it would import torch, is known by the name of its class.
    """
    names: dict[str, Any] = {}
    while True:
        try:
            return get_type_hints(_constructor(episodes_class), localns=names, include_extras=True)
        except NameError as missing:
            name = str(missing.name)
            names[name] = _by_name(name)


def _by_name(name: str) -> Any:
    """Return the type of instances of a class of that name."""
    return _when(f"must be a {name}", lambda value: name in {base.__name__ for base in type(value).__mro__})


def _instances_of(kind: type[Any]) -> Any:
    """Return the type of instances of a class, which are taken as they are."""
    return _when(f"must be a {kind.__name__}", lambda value: isinstance(value, kind))


def _when(reason: str, holds: Callable[[Any], bool]) -> Any:
    """Return the type of whatever a condition holds of."""
    from pydantic import BeforeValidator

    def check(value: Any) -> Any:
        if not holds(value):
            raise ValueError(reason)
        return value

    return Annotated[Any, BeforeValidator(check)]


def _strict(hint: Any) -> Any:
    """Return an annotation with classes of ours as what instances are of, rather than what they are made from."""
    if get_origin(hint) in (Union, UnionType):
        return Union[tuple(_strict(each) for each in get_args(hint))]  # noqa: UP007  # of types that are known here only
    if get_origin(hint) is get_origin(Callable[..., Any]):
        return _when("must be a function", lambda value: callable(value) and not isinstance(value, type))
    if isinstance(hint, type) and not get_args(hint) and hint not in (int, float, str, bool, type(None)):
        return _instances_of(hint)
    return hint
