"""Settings of structures as whole numbers and as floats."""

from matgym.errors import StructureError, is_whole


def whole(name: str, value: object) -> int:
    """Return a setting of a structure as a whole number.

    Args:
        name: name of the setting, for messages.
        value: the value.

    Raises:
        StructureError: if it is none.
    """
    if not is_whole(value):
        raise StructureError(f"{name}={value!r} must be a whole number")
    return int(value)  # type: ignore[call-overload,no-any-return]  # as was checked


def number(name: str, value: object) -> float:
    """Return a value as a float.

    Args:
        name: name of the attribute, for messages.
        value: the value.

    Raises:
        StructureError: if it is not a number.
    """
    try:
        return float(value)  # type: ignore[arg-type]  # other types raise an error
    except (TypeError, ValueError, OverflowError):
        raise StructureError(f"{name}={value!r} must be a number") from None
