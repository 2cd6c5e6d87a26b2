"""The tubes of the comparison of levels, drawn once, and which of them a fit may see.

All are drawn before any fit. Fit and test differ in chirality, in the numbers of B and N, and in the arrangements.
"""

from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np

from matgym.models import Model
from matgym.physics.electrons.bands import GAP_EV
from matgym.structures import Nanotube, Species

FIT = ((9, 0), (10, 0), (6, 6), (8, 4), (12, 0), (8, 2), (14, 0), (10, 4), (8, 8), (17, 0))
TEST = ((11, 0), (13, 0), (7, 7), (7, 4), (15, 0), (16, 0), (10, 5), (9, 9), (18, 0), (10, 1), (14, 2))
"""Chiralities, 0.70 to 1.41 nm, of each remainder of (n - m)/3, whose cells of 8 Å and longer have up to 152 atoms."""

PERIOD_ANGSTROM = 8.4
PAIRS = {"fit": (1, 2, 4, 6, 8), "test": (1, 3, 5, 7, 9)}  # numbers of B and of N, if equal
UNEQUAL = {"fit": ((3, 1), (1, 3), (5, 3)), "test": ((2, 0), (0, 2), (3, 5))}  # numbers of B and N


@dataclass(frozen=True)
class Entry:
    """A tube of the reference set.

    Attributes:
        name: chirality, kind and number, which name the job.
        split: "fit" or "test".
        kind: "pristine", "random" with as many B as N, "unequal", "bonded" BN pairs, "patch" of BN, or "vacancy".
        tube: the tube.
    """

    name: str
    split: str
    kind: str
    tube: Nanotube


def entries() -> list[Entry]:
    """Return 420 tubes, 20 of each chirality, in an order whose every beginning holds all chiralities."""
    columns = []
    for split, chiralities in (("fit", FIT), ("test", TEST)):
        for n, m in chiralities:
            cells = int(np.ceil(PERIOD_ANGSTROM / Nanotube(n, m).length_angstrom))
            columns.append(list(_of_chirality(split, Nanotube(n, m, cells))))
    return [column[row] for row in range(len(columns[0])) for column in columns]


def predicted_gaps(pool: Executor, oracle: Model, tubes: list[Nanotube]) -> tuple[np.ndarray, list[str]]:
    """Return the (B,) gaps of tubes, eV, from processes of a pool, and the reasons of the failures."""
    parts = list(pool.map(oracle.predict, [[tube] for tube in tubes], chunksize=2))
    return np.array([part[GAP_EV][0] for part in parts]), [part.reasons[0] for part in parts if part.reasons]


def _of_chirality(split: str, empty: Nanotube):
    """Yield the tubes of a chirality, the random ones first."""
    rng = np.random.default_rng([empty.n, empty.m, 19])
    drawn = [("random", pairs, pairs) for pairs in PAIRS[split] * 2]
    drawn += [("unequal", boron, nitrogen) for boron, nitrogen in UNEQUAL[split]]
    drawn.insert(1, ("pristine", 0, 0))
    drawn += [("bonded", pairs, pairs) for pairs in (1, 3, 5)] + [("patch", 5, 5)]
    drawn += [("vacancy", 0, 0), ("vacancy", 1, 1)]
    for number, (kind, boron, nitrogen) in enumerate(drawn):
        species = np.zeros(empty.n_sites, dtype=np.uint8)
        if kind == "bonded":
            _bonded(empty, rng, species, boron)
        elif kind == "patch":
            _patch(empty, rng, species, boron)
        else:
            sites = rng.permutation(empty.n_sites)
            species[sites[:boron]], species[sites[boron : boron + nitrogen]] = Species.B, Species.N
            if kind == "vacancy":
                species[sites[-1]] = Species.VACANCY
        name = f"{empty.n}_{empty.m}-{number:02d}-{kind}"
        yield Entry(name, split, kind, empty.with_species(species))


def _bonded(empty: Nanotube, rng: np.random.Generator, species: np.ndarray, pairs: int) -> None:
    """Put B and N on the ends of random bonds, either way round, in place."""
    for bond in rng.permutation(len(empty.bonds)):
        ends = empty.bonds[bond, :2]
        if not species[ends].any():
            species[ends] = rng.permutation([Species.B, Species.N])
            pairs -= 1
        if not pairs:
            return


def _patch(empty: Nanotube, rng: np.random.Generator, species: np.ndarray, pairs: int) -> None:
    """Put B on A sites and N on B sites of a connected patch that grows from a random bond, in place."""
    reached = list(empty.bonds[rng.integers(len(empty.bonds)), :2])
    for site in reached:
        reached += [other for other in empty.lattice.neighbours[site] if other not in reached]
        if len(reached) > 6 * pairs:
            break
    of_a = [site for site in reached if site < empty.n_sites // 2][:pairs]
    of_b = [site for site in reached if site >= empty.n_sites // 2][:pairs]
    species[of_a], species[of_b] = Species.B, Species.N
