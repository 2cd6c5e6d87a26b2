"""Checks of the arguments of environments: names, types and sizes, from the signatures, before anything is allocated.

Each error is one sentence that names the environment, the argument, the value and the allowed values.
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
from typing_extensions import Doc

from matgym.errors import ConfigurationError, UnknownArgumentError
from matgym.structures.lattice import unit_sites
from matgym.typing import BoolArray, FloatArray

if TYPE_CHECKING:
    from pydantic import TypeAdapter

# These limits are our choice. They are far above useful sizes, and far below the sizes that fill a computer's memory.

MOST_ENVS: Final = 2**20
"""Largest number of parallel episodes."""

MOST_STEPS: Final = 10_000
"""Largest number of minutes of a run, and of experiments of a campaign."""

MOST_SITES: Final = 20_000
"""Largest number of sites of a designed tube. The physics of one such tube takes hours."""

MOST_NUMBERS: Final = 2**28
"""Largest total of numbers in the episodes of a batch: 2 GiB in double precision."""

Count: TypeAlias = Annotated[int, Ge(1), Le(MOST_STEPS)]
"""A number of minutes or of experiments."""

Index: TypeAlias = Annotated[int, Ge(0), Le(MOST_SITES)]
"""n, m, or a number of cells or atoms; `require_sites` checks the resulting tube."""

SurrogateName: TypeAlias = Annotated[str, Doc("the name or the .safetensors file of one")]
"""A string that stands for a surrogate. An error shows the text of `Doc` in place of "a string"."""


CHARACTERIZER_NAME: Final = "the .safetensors file of one"
"""The strings that stand for a characterizer, for errors."""


def require_envs(num_envs: Any) -> None:
    """Check the number of parallel episodes.

    Args:
        num_envs: the number of parallel episodes.

    Raises:
        ConfigurationError: if it is not a whole number from 1 to `MOST_ENVS`.
    """
    whole = isinstance(num_envs, int | np.integer) and not isinstance(num_envs, bool)
    if not whole or not 1 <= num_envs <= MOST_ENVS:
        raise ConfigurationError(f"num_envs={num_envs!r} must be a whole number from 1 to {MOST_ENVS:,}")


def require_sites(n: int, m: int, cells: int) -> None:
    """Check the number of sites of a tube before arrays of that size are allocated.

    Args:
        n: first chiral index.
        m: second chiral index.
        cells: number of translational unit cells.

    Raises:
        ConfigurationError: if the tube has more sites than `MOST_SITES`.
    """
    sites = unit_sites(n, m) * cells if n or m else 0
    if sites > MOST_SITES:
        raise ConfigurationError(
            f"n={n}, m={m}, cells={cells} is a tube of {sites:,} sites: give a tube of {MOST_SITES:,} sites or fewer"
        )


def require_room(size: int, numbers: int) -> None:
    """Check the memory that a batch of episodes needs, before it is allocated.

    Args:
        size: number of parallel episodes.
        numbers: number of numbers in each episode.

    Raises:
        ConfigurationError: if the batch holds more than `MOST_NUMBERS` numbers.
    """
    if size * numbers > MOST_NUMBERS:
        raise ConfigurationError(
            f"num_envs={size} episodes of {numbers:,} numbers each exceed the {MOST_NUMBERS:,} numbers that a batch "
            f"may hold: give num_envs={max(1, MOST_NUMBERS // numbers)} or less, or shorter episodes"
        )


# ---- combinations of arguments


def given_alone(name: str, others: Mapping[str, object]) -> None:
    """Check that no argument is given that has no effect with another one.

    Args:
        name: the argument that is given.
        others: names and values of the arguments that have no effect with it; None or False if they are not given.

    Raises:
        ConfigurationError: if one of the others is given.
    """
    given = [other for other, value in others.items() if value is not None and value is not False]
    if given:
        have = "has" if len(given) == 1 else "have"
        raise ConfigurationError(f"{' and '.join(given)} {have} no effect with {name}: give one or the other")


def checked_variant(variant: str, *known: str) -> str:
    """Return the variant of an environment after a check.

    Args:
        variant: name of the variant.
        known: names of the variants of the environment besides "plain".

    Raises:
        ConfigurationError: if the environment has no such variant.
    """
    if variant not in ("plain", *known):
        raise ConfigurationError(f"variant={variant!r} is none of {', '.join(('plain', *known))}")
    return variant


def checked_observation(observation: str, known: Sequence[str], characterizer: object) -> None:
    """Check the name of an observation, and that a characterizer is given only where it has an effect.

    Args:
        observation: name of the observation.
        known: names of the observations of the environment.
        characterizer: the argument of this name.

    Raises:
        ConfigurationError: if there is no such observation, or the characterizer has no effect.
    """
    if observation not in known:
        raise ConfigurationError(f"observation={observation!r} is unknown; {there_are(known)}")
    if characterizer is not None and observation != "characterized":
        raise ConfigurationError(
            f"characterizer has no effect with observation={observation!r}: leave it out, or give "
            'observation="characterized"'
        )


def there_are(names: Sequence[str]) -> str:
    """Return the part of an error that lists the allowed names."""
    return f"there are {', '.join(names)}" if names else "there are none here"


def checked_option(
    name: str, value: Any, count: int, width: int | None = None, parts: str = "", *, finite: bool = True
) -> FloatArray:
    """Return the values of an option of `reset` for each of `count` episodes.

    Args:
        name: name of the option.
        value: a value for all episodes, or a value for each: a number or (count,) numbers if `width` is None,
            otherwise (width,) or (count, width) numbers.
        count: number of episodes that begin.
        width: number of numbers in a value; None if a value is a single number.
        parts: meaning of the numbers, for messages.
        finite: whether numbers must be finite.

    Returns:
        (count,) or (count, width) numbers.

    Raises:
        ConfigurationError: if the value has another shape, or holds something else than finite numbers.
    """
    shape = (count,) if width is None else (count, width)
    try:
        given = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ConfigurationError(f"{name}={value!r} must be {_numbers(width)}{parts}") from None
    if given.shape not in (shape, shape[1:]):
        raise ConfigurationError(
            f"{name}={value!r} has shape {given.shape}; it must be {_numbers(width)} for each episode{parts}"
        )
    if finite and not np.isfinite(given).all():
        raise ConfigurationError(f"{name}={value!r} must be finite")
    return np.broadcast_to(given, shape)


def _numbers(width: int | None) -> str:
    return "a number" if width is None else f"{width} numbers"


def checked_autoreset_mode(mode: AutoresetMode | str) -> AutoresetMode:
    """Return an autoreset mode of Gymnasium.

    Args:
        mode: the mode, its name, such as "SAME_STEP", or its value, such as "SameStep".

    Raises:
        ConfigurationError: if there is no such mode.
    """
    for known in AutoresetMode:
        if mode in (known, known.name, known.value):
            return known
    raise ConfigurationError(f"autoreset_mode={mode!r} is none of {', '.join(known.name for known in AutoresetMode)}")


def checked_reset_mask(mask: Any, count: int) -> BoolArray:
    """Return (count,) whether each episode is reset.

    Args:
        mask: (count,) booleans; None to reset all episodes.
        count: number of parallel episodes.

    Raises:
        ConfigurationError: if the mask is not `count` booleans, or all of them are false.
    """
    chosen = np.ones(count, dtype=bool) if mask is None else np.asarray(mask)
    if chosen.shape != (count,) or chosen.dtype != np.bool_ or not chosen.any():
        raise ConfigurationError(f"reset_mask={mask!r} must be {count} booleans, at least one of them true")
    return chosen


# ---- names and types


def checked_arguments(episodes_class: Callable[..., Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of an environment after a check against the annotations of its signature.

    Args:
        episodes_class: the class of the environment's episodes.
        arguments: names and values of the arguments.

    Raises:
        UnknownArgumentError: if the environment has no such argument.
        ConfigurationError: if a required argument is missing, or a value is of another type.
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
    """Return the parameters of an environment's constructor, by name."""
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
        # A union has an error for each of its types. The error of an entry has the place of the entry in `loc`.
        errors = error.errors(include_url=False)
        entries = value if isinstance(value, Mapping) else ()
        reasons = [
            " ".join(
                [
                    *(f"entry {place!r}" for place in each["loc"] if isinstance(place, int) or place in entries),
                    _reason(each["msg"]),
                ]
            )
            for each in errors
        ]
        of_entries = all(each["loc"] and isinstance(each["loc"][0], int) for each in errors)  # all of them apply
        what = " and ".join(dict.fromkeys(reasons)) if of_entries else _alternatives(reasons)
        raise ConfigurationError(f"{name}={value!r} of {_name_of(episodes_class)} is not right: {what}") from None


def _alternatives(reasons: Sequence[str]) -> str:
    """Return the reasons of the types of a union as one sentence: "must be a GrowthTask or a string"."""
    first, *others = dict.fromkeys(reasons)
    if first.startswith("must be "):
        others = [each.removeprefix("must be ") for each in others]
    return " or ".join(filter(None, [", ".join([first, *others[:-1]]), *others[-1:]]))


def _reason(message: str) -> str:
    """Return a message of pydantic in the words of matgym."""
    if found := re.fullmatch(r"Tuple should have at most (\d+) items? after validation, not (\d+)", message):
        return f"must have {found[1]} entries, not {found[2]}"
    words = {
        "Input should": "must",
        "Field required": "is missing",
        "a valid integer": "a whole number",
        "a valid boolean": "True or False",
        "a valid tuple": "a list or a tuple",
        "a valid ": "a ",
    }
    for theirs, ours in words.items():
        message = message.replace(theirs, ours)
    return message.removeprefix("Value error, ")


def _plain(value: Any) -> Any:
    """Return a value with NumPy's numbers and arrays and YAML's lists as Python's numbers and tuples."""
    if isinstance(value, np.generic | np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return tuple(map(_plain, value))
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return value


@cache
def _check_of(episodes_class: Callable[..., Any], name: str) -> "TypeAdapter[Any] | None":
    """Return the check of an argument's value; None if every value is allowed or other code checks it."""
    from pydantic import ConfigDict, TypeAdapter

    hint = _hints(episodes_class).get(name, Any)
    if hint is Any:
        return None
    return TypeAdapter(_strict(hint), config=ConfigDict(allow_inf_nan=False, arbitrary_types_allowed=True))


@cache
def _hints(episodes_class: Callable[..., Any]) -> dict[str, Any]:
    """Return the annotations of an environment's arguments.

    A class that is imported for type checkers only, because its module imports torch, is represented by its name.
    """
    names: dict[str, Any] = {}
    while True:
        try:
            return get_type_hints(_constructor(episodes_class), localns=names, include_extras=True)
        except NameError as missing:
            name = str(missing.name)
            names[name] = _by_name(name)


def _by_name(name: str) -> Any:
    """Return an annotation for the instances of a class with this name."""
    reason = f"must be {_article(name)} {name}"
    return _when(reason, lambda value: name in {base.__name__ for base in type(value).__mro__})


def _instances_of(kind: type[Any]) -> Any:
    """Return an annotation for the instances of a class; pydantic does not convert them."""
    return _when(f"must be {_article(kind.__name__)} {kind.__name__}", lambda value: isinstance(value, kind))


def _article(noun: str) -> str:
    """Return the indefinite article of a noun."""
    return "an" if noun[0] in "AEIOUaeiou" else "a"


def _when(reason: str, holds: Callable[[Any], bool]) -> Any:
    """Return an annotation for the values for which `holds` is true; `reason` is the error for others."""
    from pydantic import BeforeValidator

    def check(value: Any) -> Any:
        if not holds(value):
            raise ValueError(reason)
        return value

    return Annotated[Any, BeforeValidator(check)]


def _strict(hint: Any) -> Any:
    """Return an annotation in which a class allows its instances only, and not the values that pydantic converts."""
    if get_origin(hint) is Annotated:
        described = [each.documentation for each in hint.__metadata__ if isinstance(each, Doc)]
        if described:
            return _when(f"must be {described[0]}", lambda value: isinstance(value, get_args(hint)[0]))
    if get_origin(hint) in (Union, UnionType):
        return Union[tuple(_strict(each) for each in get_args(hint))]  # noqa: UP007  # types known at run time only
    if get_origin(hint) is get_origin(Callable[..., Any]):
        return _when("must be a function", lambda value: callable(value) and not isinstance(value, type))
    if isinstance(hint, type) and not get_args(hint) and hint not in (int, float, str, bool, type(None)):
        return _instances_of(hint)
    return hint
