"""Functions that oracles share: threads, grouping and prediction of batches, and whether a tube is connected."""

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Final, Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from matgym.errors import ConfigurationError, RelaxationError, StructureError
from matgym.models import Predictions, Property
from matgym.structures import Nanotube, Species
from matgym.typing import FloatArray, IntArray

if TYPE_CHECKING:
    from ase import Atoms

TEMPERATURES_K: Final = (1.0, 1e6)
"""Lowest and highest temperature, K. A choice of ours: integrals over energies need ever finer grids towards zero, and
far below the highest one the models have ended."""

POTENTIALS_EV: Final = (-20.0, 20.0)
"""Lowest and highest chemical potential, eV; the π bands lie within ±9 eV. A choice of ours."""

RELAXED_BYTES_PER_SITE: Final = 36_000
"""Memory of a relaxation by Tersoff's potential for each site, bytes, measured with tubes of 9,600 and 32,000 sites."""


def one_thread() -> AbstractContextManager[object]:
    """Limit the linear algebra of NumPy and SciPy to one thread.

    Stacks of small matrices are then up to eighteen times faster, as measured on two cores.
    """
    from threadpoolctl import threadpool_limits

    return cast("AbstractContextManager[object]", threadpool_limits(1, "blas"))


def finite_numbers(name: str, values: ArrayLike) -> FloatArray:
    """Return a user's numbers as an array.

    Raises:
        ConfigurationError: if they are no numbers, or one of them is not finite.
    """
    try:
        numbers = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ConfigurationError(f"{name}={values!r:.80} must be an array of numbers") from None
    if not np.isfinite(numbers).all():
        raise ConfigurationError(f"{name} holds {numbers[~np.isfinite(numbers)][0]}: give finite numbers")
    return numbers


@runtime_checkable
class TakesCoordinates(Protocol):
    """An oracle that can compute a tube from coordinates of its own instead of those of its ideal lattice."""

    def predict_atoms(self, tubes: Sequence[Nanotube], atoms: Sequence["Atoms"]) -> Predictions:
        """Return the properties of tubes from the coordinates of their atoms, with a note on how these were used.

        Args:
            tubes: B tubes.
            atoms: their atoms as `ReadTube.upright` returns them: along z, in the order of their sites, Å.
        """


def rows_by(keys: Iterable[Hashable]) -> list[list[int]]:
    """Return groups of rows that share a key, in order of first appearance.

    `TubeBatch.by_lattice` groups by the lattice only. Oracles need other groups: the Hamiltonian also depends on
    strain, torsion and turned bonds, and tubes of any length share the same leads.
    """
    groups: dict[Hashable, list[int]] = {}
    for row, key in enumerate(keys):
        groups.setdefault(key, []).append(row)
    return list(groups.values())


def predict_each(
    tubes: Sequence[Nanotube],
    properties: Sequence[Property],
    compute: Callable[[Nanotube], Sequence[float]],
    note: Callable[[Nanotube], str] = lambda _tube: "",
) -> Predictions:
    """Predict properties, one tube at a time.

    Args:
        tubes: B tubes.
        properties: P properties.
        compute: function that returns the P values of one tube.
        note: function that returns what must be known with them; empty if nothing.

    Returns:
        Predictions of shape (B,). Tubes for which `compute` raises a `RelaxationError` or a `StructureError` hold NaN,
        and the message in `failures`.
    """
    values, failures = np.full((len(properties), len(tubes)), np.nan), {}
    for row, tube in enumerate(tubes):
        try:
            values[:, row] = compute(tube)
        except (RelaxationError, StructureError) as error:
            failures[row] = f"{tube}: {str(error).removeprefix(f'{tube}: ')}"
    notes = {row: said for row, tube in enumerate(tubes) if row not in failures and (said := note(tube))}
    columns = {prop.key: column for prop, column in zip(properties, values, strict=True)}
    return Predictions.together(columns, failures, notes)


# ---- connectivity


def atom_bonds(tube: Nanotube) -> IntArray:
    """Return (n_bonds, 3): atom, atom and periodic image of the second, of the bonds between occupied sites."""
    occupied = tube.species != Species.VACANCY
    atom = np.cumsum(occupied) - 1
    bonds = tube.bonds
    bonds = bonds[occupied[bonds[:, 0]] & occupied[bonds[:, 1]]]
    return np.stack([atom[bonds[:, 0]], atom[bonds[:, 1]], bonds[:, 2]], axis=1)


def check_one_piece(n_atoms: int, bonds: IntArray) -> None:
    """Check that (n_bonds, 3) bonds connect every atom to every other atom, and to its periodic images.

    Raises:
        RelaxationError: if vacancies cut the tube in two, or separate a group of atoms from it.
    """
    reached, runs_through = _walk(n_atoms, bonds, 0)
    if not runs_through:
        raise RelaxationError("cut in two: the vacancies leave no path of bonds along the tube")
    if reached < n_atoms:
        raise RelaxationError(f"cut out: {n_atoms - reached} atoms are bound to no others of the tube")


def cut_in_two(tube: Nanotube) -> str | None:
    """Return the reason if vacancies leave no path of bonds between pristine leads at either end of a tube."""
    if Species.VACANCY not in tube.species:
        return None
    lead, image = tube.n_sites, tube.bonds[:, 2:]  # one more atom: it connects each period to the next
    below, above = np.where(image > 0, tube.bonds[:, :2], tube.bonds[:, 1::-1])[image[:, 0] != 0].T
    ends = [(site, lead, 1) for site in below] + [(lead, site, 0) for site in above]
    bonds = np.concatenate([tube.bonds[image[:, 0] == 0], ends])
    present = np.append(tube.species != Species.VACANCY, True)
    _, runs_through = _walk(lead + 1, bonds[present[bonds[:, :2]].all(axis=1)], lead)
    return None if runs_through else f"{tube}: vacancies cut the tube in two"


def _walk(n_atoms: int, bonds: IntArray, start: int) -> tuple[int, bool]:
    """Return how many atoms are connected to atom `start`, and whether bonds connect it to its periodic images."""
    neighbours: list[list[tuple[int, int]]] = [[] for _ in range(n_atoms)]
    for a, b, image in bonds.tolist():
        neighbours[a].append((b, image))
        neighbours[b].append((a, -image))
    cell_of = {start: 0} if n_atoms else {}
    queue, runs_through = deque(cell_of), False
    while queue:
        a = queue.popleft()
        for b, image in neighbours[a]:
            if b not in cell_of:
                cell_of[b] = cell_of[a] + image
                queue.append(b)
            runs_through |= cell_of[b] != cell_of[a] + image
    return len(cell_of), runs_through
