"""Value objects: their arrays are read-only, and shared ones are kept within a number of bytes."""

from collections.abc import Callable, Iterable
from functools import cache, wraps
from typing import Any, Final, ParamSpec, Protocol, TypeVar

import numpy as np

P = ParamSpec("P")
T = TypeVar("T")

_ENTRY_BYTES: Final = 1024
"""What an entry of a cache takes besides its arrays, about."""


CACHED_BYTES: Final = 128 * 2**20
"""Most bytes of the results of one cached function; a choice of ours."""


_HOLDERS: Final = (np.ndarray, tuple, dict)
"""Types of what can hold arrays that others share."""


def read_only(value: T, *, copy: bool = False) -> T:
    """Return a value whose arrays cannot be written to: an array, or a tuple or dictionary of arrays.

    Args:
        value: any value. Arrays are viewed; the caller's own array stays writable.
        copy: whether to copy writable arrays, so that later changes by their owner have no effect.
    """
    given: Any = value
    if isinstance(given, np.ndarray):
        if not given.flags.writeable:
            return value
        given = given.copy() if copy else given.view()
        given.setflags(write=False)
    elif type(given) is tuple and _holds_arrays(given):
        given = tuple([read_only(part, copy=copy) for part in given])
    elif isinstance(given, dict) and _holds_arrays(given.values()):
        given = {key: read_only(part, copy=copy) for key, part in given.items()}
    return given  # type: ignore[no-any-return]  # of the type of `value`


def _holds_arrays(parts: Iterable[Any]) -> bool:
    return np.ndarray in map(type, parts)


def returns_read_only(function: Callable[P, T]) -> Callable[P, T]:
    """Make the arrays that a function returns read-only; goes below `property`, `cached_property` or a cache."""

    @wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        return read_only(function(*args, **kwargs))

    return wrapped


class ValueObject:
    """Base of frozen dataclasses whose arrays are read-only, in copies and unpickled objects as well.

    Without this base, a write into an array that is shared would change other objects, and NumPy's copies and pickles
    of read-only arrays are writable. Subclasses with a `__post_init__` of their own call that of this class.

    Class arguments:
        copies: whether writable arrays are copied at construction instead of viewed, for objects that users make of
            arrays that they may change later.
    """

    _copies = False

    def __init_subclass__(cls, *, copies: bool = False, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._copies = cls._copies or copies

    def __post_init__(self) -> None:
        _freeze(vars(self), copy=self._copies)

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        _freeze(vars(self))


def _freeze(attributes: dict[str, Any], *, copy: bool = False) -> None:
    for name, value in attributes.items():
        if isinstance(value, _HOLDERS):
            attributes[name] = read_only(value, copy=copy)


class _Decorator(Protocol):
    def __call__(self, function: Callable[P, T], /) -> Callable[P, T]: ...


def cached_by_bytes(
    size: Callable[[Any], int] | None = None,
    forget: Callable[[Any], None] = lambda _result: None,
    limit: int = CACHED_BYTES,
) -> _Decorator:
    """Cache a function's results until they hold a number of bytes together; the cache then begins anew.

    A cache that counts its entries would keep any number of bytes. Hits are as fast as those of `functools.lru_cache`.

    Args:
        size: function that returns the bytes of a result; by default, those of its arrays.
        forget: function that is called with every result that leaves the cache.
        limit: most bytes of all results.
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        held, results = 0, list[T]()

        @cache
        @wraps(function)
        def cached(*args: P.args, **kwargs: P.kwargs) -> T:
            nonlocal held
            result = function(*args, **kwargs)
            taken = _ENTRY_BYTES + (size or array_bytes)(result)
            if held + taken > limit:
                cached.cache_clear()
                for old in results:
                    forget(old)
                held, results[:] = 0, []
            held += taken
            results.append(result)
            return result

        return cached  # type: ignore[return-value]  # mypy loses the parameters in `cache`

    return decorate


def array_bytes(value: Any) -> int:
    """Return the bytes of the arrays of a value, of its attributes and of its parts."""
    if hasattr(value, "nbytes"):  # arrays of NumPy, tensors of torch
        return int(value.nbytes)
    if isinstance(value, dict):
        return sum(array_bytes(part) for part in value.values())
    if isinstance(value, list | tuple):
        return sum(array_bytes(part) for part in value)
    return sum(array_bytes(part) for part in vars(value).values()) if isinstance(value, ValueObject) else 0
