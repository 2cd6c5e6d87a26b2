"""The one reader of configurations: from YAML, or a mapping, to a validated dataclass or pydantic model.

Every error is a `ConfigurationError` of one form: `SOURCE: PLACE=VALUE: what is wrong`; an unknown setting is told with
the nearest known one.
"""

import math
from collections.abc import Mapping
from dataclasses import is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, get_type_hints

from matgym.errors import ConfigurationError, FormatError, MatgymError, one_line, require_counts, require_positive
from matgym.files import is_file, read_yaml

if TYPE_CHECKING:
    from pydantic import ValidationError

Config = TypeVar("Config")


def read_config(
    kind: type[Config],
    source: Path | str | None,
    *,
    changes: Mapping[str, object] | None = None,
    shipped: Path | None = None,
) -> Config:
    """Read a configuration from a YAML file.

    Args:
        kind: dataclass or pydantic model; what the file leaves out has its default there.
        source: the file, or without a suffix the name of a shipped one; None for the defaults.
        changes: settings that are to have other values.
        shipped: folder of shipped files.

    Raises:
        ConfigurationError: if the file cannot be read or is no mapping, or a setting is unknown or out of range.
    """
    if source is None:
        return validated(kind, changes or {}, kind.__name__)
    file = Path(source)
    if shipped is not None and not file.suffix and not is_file(file):
        file = shipped / f"{source}.yml"
        if not is_file(file):
            there = ", ".join(sorted(path.stem for path in shipped.glob("*.yml")))
            raise ConfigurationError(f"there is no configuration {str(source)!r}: give a YAML file, or one of {there}")
    try:
        content = read_yaml(file)
    except FormatError as error:
        raise ConfigurationError(str(error)) from None
    if not isinstance(content, dict):
        raise ConfigurationError(f"{file} must be a mapping of settings to values, such as `epochs: 20`")
    return validated(kind, content | dict(changes or {}), str(file))


def validated(kind: type[Config], content: Mapping[str, object], source: str) -> Config:
    """Check a mapping of settings, and return the configuration; errors begin with `source`.

    Raises:
        ConfigurationError: if a setting is unknown, of another type or out of range.
    """
    from pydantic import TypeAdapter, ValidationError

    _check_names(kind, content, source)
    try:
        return TypeAdapter(kind).validate_python(content)
    except ValidationError as error:
        raise ConfigurationError(f"{source}: {first_error(error)}") from None
    except MatgymError as error:
        raise ConfigurationError(f"{source}: {error}") from None
    except (TypeError, ValueError, ArithmeticError) as error:  # settings of a type that a check does not expect
        raise ConfigurationError(f"{source}: {one_line(error)}") from None


def first_error(error: "ValidationError") -> str:
    """Return what pydantic found first, as one sentence: `PLACE=VALUE: what is wrong`."""
    found = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in found["loc"] if "[" not in str(part))  # the names of a union's parts
    said = str(found["msg"]).removeprefix("Value error, ")
    if isinstance(found["input"], str | int | float | bool | list | None) and place:
        place += f"={found['input']!r}"
    return f"{place}: {said}" if place else said


def check_counts(settings: object, *names: str) -> None:
    """Check that settings of these names are 1 or more, where they are given.

    Raises:
        ConfigurationError: if one is not.
    """
    require_counts(**{name: value for name in names if (value := getattr(settings, name)) is not None})


def check_positive(settings: object, *names: str) -> None:
    """Check that settings of these names are positive and finite.

    Raises:
        ConfigurationError: if one is not.
    """
    require_positive(**{name: getattr(settings, name) for name in names})


def check_not_negative(settings: object, *names: str) -> None:
    """Check that settings of these names are 0 or more, and finite.

    Raises:
        ConfigurationError: if one is not.
    """
    for name in names:
        if not 0.0 <= (value := getattr(settings, name)) < math.inf:
            raise ConfigurationError(f"{name}={value} must not be negative")


def _check_names(kind: type, content: Mapping[str, object], source: str, within: str = "") -> None:
    """Find settings that `kind`, or a dataclass or model within it, does not have."""
    known = getattr(kind, "model_fields", None) or (kind.__dataclass_fields__ if is_dataclass(kind) else None)
    if known is None:
        return
    types = get_type_hints(kind)
    for name, value in content.items():
        if name not in known:
            near = get_close_matches(str(name), known, n=1)
            hint = f"did you mean {near[0]!r}? There are" if near else "there are"
            raise ConfigurationError(f"{source}: there is no setting {within + str(name)!r}; {hint} {', '.join(known)}")
        if isinstance(value, Mapping):
            _check_names(types[name], value, source, f"{within}{name}.")
