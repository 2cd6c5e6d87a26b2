"""The memory that dense matrices of a large tube may take, checked before they are made."""

from typing import Final

from matgym.errors import StructureError

MAX_DENSE_BYTES: Final = 2 * 2**30
"""Most bytes of the matrices of one calculation, its intermediate results included. A choice of ours, which a
laptop has free."""


def too_large(what: str, n_bytes: float) -> str:
    """Return why a calculation is not begun; empty if its matrices take no more than `MAX_DENSE_BYTES`.

    Args:
        what: calculation and tube, as the sentence begins with it.
        n_bytes: estimate of the memory, bytes.
    """
    if n_bytes <= MAX_DENSE_BYTES:
        return ""
    return (
        f"{what} would need about {n_bytes / 2**30:,.1f} GiB of memory, more than the {MAX_DENSE_BYTES / 2**30:g} GiB "
        "that one calculation may take: give a smaller tube"
    )


def check_memory(what: str, n_bytes: float) -> None:
    """Check a calculation's memory; see `too_large`.

    Raises:
        StructureError: if it would need more than `MAX_DENSE_BYTES`.
    """
    if reason := too_large(what, n_bytes):
        raise StructureError(reason)
