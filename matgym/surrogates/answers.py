"""Results of users' own code: conversion from any library to double precision, and errors in one sentence."""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from matgym.errors import MatgymError, ModelError, one_line
from matgym.models import Failures, Predictions
from matgym.typing import FloatArray

NAMED: Final = ("logits", "prediction")
"""Entries or attributes that hold the numbers of an answer; "logits" is that of Hugging Face's outputs."""


def asked(name: str, what: str, ask: Callable[[], Any], passing: tuple[type[Exception], ...] = ()) -> Any:
    """Return the result of a user's code, and turn its errors into a `ModelError`.

    Args:
        name: name of the model or function.
        what: the inputs that it is called on, in words.
        ask: a function that calls the user's code.
        passing: errors that the caller handles itself.

    Raises:
        ModelError: if the code raises an error, which is chained.
    """
    known: tuple[type[Exception], ...] = (MatgymError, MemoryError, *passing)
    try:
        return ask()
    except known:  # these messages are clear already, and their cause is not the user's model
        raise
    except Exception as error:
        raise ModelError(f"{name} raised {type(error).__name__} on {what}: {one_line(error)}") from error


def counted(count: int, what: str = "designs") -> str:
    """Return a count with its noun: "1 design", "2 designs".

    Args:
        count: number of things.
        what: plural noun that ends in s.
    """
    return f"{count} {what.removesuffix('s') if count == 1 else what}"


def numbers(answer: Any, count: int, name: str, keys: Sequence[str] = ("value",), what: str = "designs") -> FloatArray:
    """Return the numbers in the result of a user's code for a batch.

    Args:
        answer: an array, tensor, list or series of shape (B,), (B, 1) or (B, k), on any device and of any precision; or
            an object that holds one: a tuple, a mapping or a table by property, or one with `logits` or `prediction`;
            or a list of B records, see `_of_record`.
        count: batch size B.
        name: name of the model or function, for messages.
        keys: keys of the k expected quantities.
        what: plural noun for the B inputs, for messages.

    Returns:
        (B, k) float64.

    Raises:
        ModelError: if the result is anything else than B times k real numbers.
    """
    inputs = counted(count, what)
    if len(keys) == 1:
        expected = f"return an array of {counted(count, 'numbers')}, of shape {(count,)}"
    else:
        expected = f"return an array of shape {(count, len(keys))}, with the columns {', '.join(keys)}"
    try:
        array = _stacked(_held(answer, count, keys))
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:  # of NumPy's and torch's conversions
        returned = " ".join(repr(answer).split())
        raise ModelError(
            f"{name} returned {returned:.80} for {inputs}, which matgym cannot read as numbers ({error}): {expected}"
        ) from error
    if array.shape == (count,) and len(keys) == 1:
        return array[:, None]
    if array.shape != (count, len(keys)):
        returned = f"an array of shape {array.shape}" if array.ndim else "a single number, of shape (),"
        raise ModelError(f"{name} returned {returned} for {inputs}: {expected}")
    return array


def predicted(
    values: FloatArray,
    keys: Sequence[str],
    name: str,
    sd: FloatArray | None = None,
    failures: Failures | None = None,
) -> Predictions:
    """Return (B, k) values of a user's model as predictions; values that are not finite count as failures.

    Args:
        values: the values; those that are not finite are replaced by NaN in place.
        keys: keys of the k properties.
        name: name of the model, for the reasons of failures.
        sd: (B, k) standard deviations; None if they are unknown.
        failures: rows for which the model was not called, with the reason.
    """
    known = {key: dict(failures) for key in keys} if failures else {}
    if not np.isfinite(values).all():
        for column, key in zip(values.T, keys, strict=True):
            for row in np.flatnonzero(~np.isfinite(column)).tolist():
                known.setdefault(key, {}).setdefault(row, without_value(name, column[row]))
        values[~np.isfinite(values)] = np.nan
    spread = {} if sd is None else dict(zip(keys, sd.T, strict=True))
    return Predictions(dict(zip(keys, values.T, strict=True)), known, spread)


def without_value(name: str, value: float) -> str:
    """Return why a value that is not finite counts as a failure."""
    return f"{name} gave {'NaN' if np.isnan(value) else f'{value:g}'}: its value cannot be computed"


def _held(answer: Any, count: int, keys: Sequence[str]) -> Any:
    """Return the part of an answer that holds the numbers; a list of columns if there are several."""
    columns = getattr(answer, "columns", answer if isinstance(answer, Mapping) else ())  # a table's, or a mapping's
    if all(key in columns for key in keys):
        return _Columns(answer[key] for key in keys)
    if isinstance(answer, Mapping):
        entries = [answer[name] for name in NAMED if name in answer] or list(answer.values())
        if len(entries) != 1:
            raise ValueError(f"none of its entries {', '.join(map(str, answer))} is {keys[0]} or logits")
        return entries[0]
    for name in NAMED:
        if hasattr(answer, name):
            return getattr(answer, name)
    if isinstance(answer, list | tuple) and 0 < len(answer) == count and all(map(_is_record, answer)):
        return _Columns(zip(*(_of_record(record, keys) for record in answer), strict=True))
    return _of_heads(answer, count, keys) if isinstance(answer, tuple) else answer


def _of_heads(answer: tuple[Any, ...], count: int, keys: Sequence[str]) -> Any:
    """Return the parts of a tuple that have a row for each input; the first of them if one is asked for."""
    arrays = [each for each in answer if _rows(each) == count]
    if len(keys) > 1 and len(arrays) == len(answer) == len(keys):
        return _Columns(arrays)
    return arrays[0] if arrays else answer


def _is_record(part: Any) -> bool:
    """Return whether a part of an answer is a mapping, or a list of mappings: what pipelines return for one input."""
    return isinstance(part, Mapping) or (
        isinstance(part, list) and bool(part) and all(isinstance(each, Mapping) for each in part)
    )


def _of_record(record: Any, keys: Sequence[str]) -> list[Any]:
    """Return the values of properties in the record of one design.

    Args:
        record: a mapping by property, `{"gap_ev": 0.9}`; one of a single number, `{"score": 0.9}`; or, as pipelines of
            Hugging Face return, `{"label": "gap_ev", "score": 0.9}` or a list of such labels and scores.
        keys: keys of the properties.

    Raises:
        ValueError: if a value is missing. A score with another label is none: classifiers return the score of the most
            probable class, whose label differs from design to design.
    """
    parts = [record] if isinstance(record, Mapping) else record
    entries: dict[Any, Any] = {}
    for part in parts:
        entries |= {part["label"]: part["score"]} if "label" in part and "score" in part else part
    if all(key in entries for key in keys):
        return [entries[key] for key in keys]
    if len(entries) == len(keys) == 1 and not any("label" in part for part in parts):
        return list(entries.values())
    missing = next(key for key in keys if key not in entries)
    raise ValueError(
        f"none of its entries {', '.join(map(str, entries))} is {missing}; a Hugging Face model names its outputs in "
        f'its configuration, id2label={{0: "{missing}"}}'
    )


class _Columns(list[Any]):
    """Columns of numbers, one per property."""


def _rows(part: Any) -> int | None:
    """Return the length of an array or a tensor; None for other objects."""
    shape: Any = getattr(part, "shape", ())
    return int(shape[0]) if len(shape) else None


def _stacked(part: Any) -> FloatArray:
    if not isinstance(part, _Columns):
        return _float64(part)
    columns = [_float64(column) for column in part]
    return np.stack([column[:, 0] if column.ndim == 2 and column.shape[1] == 1 else column for column in columns], 1)


def _float64(part: Any) -> FloatArray:
    """Return numbers of any library in double precision.

    Raises:
        TypeError: if they are not real numbers.
    """
    torch = sys.modules.get("torch")  # a tensor exists only if torch is imported
    if torch is not None and isinstance(part, torch.Tensor):
        if part.is_complex():
            raise TypeError("they are complex")
        values: FloatArray = part.detach().cpu().double().numpy()  # first to the CPU: MPS has no double precision
        return values
    if isinstance(part, list | tuple) and any(hasattr(each, "detach") for each in part):
        return np.array([_float64(each) for each in part])
    if isinstance(part, np.ma.MaskedArray):
        return np.asarray(np.ma.filled(part.astype(np.float64), np.nan))
    if "pandas" in type(part).__module__.split("."):
        return np.asarray(part.to_numpy(dtype=np.float64, na_value=np.nan))
    array = np.asarray(part)
    if array.dtype.kind == "O":
        return np.array([_number(each) for each in array.ravel()]).reshape(array.shape)
    if array.dtype.kind not in "biufV" or array.dtype.names is not None:  # V is bfloat16, as JAX has it
        raise TypeError("they are complex" if array.dtype.kind == "c" else f"they are of type {array.dtype}")
    return array.astype(np.float64)


def _number(each: Any) -> float:
    if isinstance(each, str | bytes):
        raise TypeError(f"{each!r:.40} is not a number")
    return float(each)
