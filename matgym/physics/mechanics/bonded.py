"""Tensile strength in Tersoff's potential on fixed bonds: an approximation of `Strength`, and an input of surrogates.

The tube is stretched step by step as for `matgym.physics.mechanics.strength`, with two approximations. The cut-off of
the potential is left out. And the bonds stay those of the start, where a vacancy has lost one of its three broken
bonds: two of its neighbours bond across it, as they do in REBO, which makes a pentagon (El-Barbary et al., Phys. Rev. B
68, 144107 (2003)). Tersoff's energies of vacancies do not say which two, so the pair is chosen by its direction: of
those nearer to the circumference than to the axis the one of the lower energy. Bonds along the axis would tear first.

A step takes some tens of milliseconds. The values are no labels: they are larger than those of REBO.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final

import numpy as np

from matgym.errors import RelaxationError
from matgym.models import Cost, Level, Model, Predictions, Property
from matgym.physics.mechanics.calculators import CLOSED_ANGSTROM, canonical
from matgym.physics.mechanics.relaxation import Search, State, relaxed_pristine
from matgym.physics.mechanics.tersoff import BondGraph, expand
from matgym.physics.notes import tersoff_note
from matgym.physics.oracles import RELAXED_BYTES_PER_SITE, atom_bonds, check_one_piece, predict_each
from matgym.structures import Nanotube, Species
from matgym.structures.memory import check_memory
from matgym.typing import FloatArray
from matgym.units import GPA_NM2_PER_EV_PER_ANGSTROM, WALL_THICKNESS_NM

BONDED_STRENGTH_GPA = Property(
    "bonded_strength_gpa", "GPa", "largest engineering stress on fixed bonds, for a wall of 0.34 nm"
)
BONDED_STRAIN = Property("bonded_strain", "1", "axial strain at that stress, relative to the unloaded tube")
BONDED_SLOPE_GPA = Property("bonded_slope_gpa", "GPa", "slope of the stress over the strain below that stress")

STEP: Final = 0.02
"""Step of the strain. A choice of ours, as are all numbers here."""

FINE_STEP: Final = 0.01
"""Step of the strain before the end."""

MAX_STRAIN: Final = 0.4
"""Strain at which the path ends if the stress still grows there."""

TORN_ANGSTROM: Final = 2.1
"""Length at which a bond counts as torn: the end of the potential's cut-off."""

ACROSS: Final = math.sqrt(0.5)
"""Largest axial component of the direction of a bond that closes a vacancy: 45°."""

_FORCE: Final = 1e-4  # eV/Å
_MOST_STEPS: Final = 60  # a tube that tears comes to rest late or never
_ROUNDED: Final = 1e-9


@dataclass(frozen=True)
class BondedStrength(Model):
    """The oracle of the strength on fixed bonds."""

    properties = (BONDED_STRENGTH_GPA, BONDED_STRAIN, BONDED_SLOPE_GPA)
    level = Level.CLASSICAL
    validity = "an input of surrogates: fixed bonds, without the potential's cut-off"
    cost = Cost(seconds=0.5, sites=140, exponent=1.1)
    """Cost, measured on one core of an Intel Xeon server."""

    def predict(self, tubes: Sequence[Nanotube], /) -> Predictions:
        """Return the largest stress, GPa, the strain where it is reached, and the slope below it, of each tube.

        Returns:
            Predictions of shape (B,); NaN, with the reason in `failures`, for tubes that vacancies cut in two or that
            do not come to rest under no tension. The strain of a tube is ignored.
        """
        return predict_each(
            tubes,
            self.properties,
            lambda tube: _peak(canonical(tube.strained(0.0))),
            lambda tube: tersoff_note(tube, repeated=True),
        )


def _peak(tube: Nanotube) -> tuple[float, float, float]:
    """Return stress, GPa, strain and slope, GPa, at the end of the path."""
    path = pulled(tube)
    area = math.pi * tube.lattice.diameter_nm * WALL_THICKNESS_NM  # nm²
    strain, stress = path[:, 0], path[:, 1] * GPA_NM2_PER_EV_PER_ANGSTROM / area
    if len(path) < 2:
        return float(stress[-1]), 0.0, 0.0
    return float(stress[-1]), float(strain[-1]), float((stress[-1] - stress[-2]) / (strain[-1] - strain[-2]))


def pulled(tube: Nanotube, max_strain: float = MAX_STRAIN) -> FloatArray:
    """Pull a tube along its axis on fixed bonds until its tension falls or a bond tears.

    Atoms come to rest after each step of the strain. The last step is repeated with the fine step.

    Args:
        tube: tube without torsion; its own strain is ignored.
        max_strain: largest strain.

    Returns:
        (steps, 2) strains and tensions dE/dL, eV/Å, both growing; the last ones are those before the end.

    Raises:
        RelaxationError: if vacancies cut the tube in two, or it does not come to rest under no tension.
        StructureError: if the tube is too large to be relaxed.
    """
    check_memory(f"{tube}: its relaxation", RELAXED_BYTES_PER_SITE * tube.n_sites)
    graph, state = _closed(tube)
    search = _search(graph, free_length=True)
    state = search.rest(state)
    search = replace(search, free_length=False, most_steps=_MOST_STEPS)
    before, free_length, strain, increment = state.deformed(-STEP, 0.0), state.period, 0.0, STEP
    found = [(strain, expand(graph, state.positions, state.period).tension)]
    while strain + increment <= max_strain + _ROUNDED:
        period = free_length * (1.0 + strain + increment)
        onward = (state.positions - before.positions) * ((period - state.period) / (state.period - before.period))
        try:
            trial = search.rest(State(state.positions + onward, period, 0.0))
            tension = expand(graph, trial.positions, period).tension
            goes_on = tension > found[-1][1] and _longest_bond(graph, trial) < TORN_ANGSTROM
        except RelaxationError:
            goes_on = False
        if goes_on:
            before, state, strain = state, trial, strain + increment
            found.append((strain, tension))
        elif increment > FINE_STEP:
            increment = FINE_STEP
        else:
            break
    return np.array(found)


def _search(graph: BondGraph, *, free_length: bool) -> Search:
    return Search(graph, np.arange(3 * len(graph)), free_length=free_length, force=_FORCE)


def _closed(tube: Nanotube) -> tuple[BondGraph, State]:
    """Return the bonds of a tube with closed vacancies, and positions to start from."""
    graph = BondGraph.of(tube)
    check_one_piece(len(graph), atom_bonds(tube))
    pristine = relaxed_pristine(tube.n, tube.m)
    positions = pristine.positions(tube.cells, tube.stone_wales)[graph.sites]
    state = State(positions, pristine.period_angstrom * tube.cells, 0.0)
    for site in np.flatnonzero(tube.species == Species.VACANCY).tolist():
        trials = []
        for one, other, image in _pairs(tube, site):
            bonded = _with_bond(graph, one, other, image)
            vector = positions[other] - positions[one] + [0.0, 0.0, image * state.period]
            length = float(np.linalg.norm(vector))
            if bonded is None or abs(vector[2]) > ACROSS * length:
                continue
            moved = state.positions.copy()
            vector = moved[other] - moved[one] + [0.0, 0.0, image * state.period]
            shift = 0.5 * (1.0 - CLOSED_ANGSTROM / float(np.linalg.norm(vector))) * vector
            moved[one] += shift
            moved[other] -= shift
            try:
                rest = _search(bonded, free_length=False).rest(State(moved, state.period, 0.0))
            except RelaxationError:
                continue
            if _longest_bond(bonded, rest) < TORN_ANGSTROM:
                energy = float(expand(bonded, rest.positions, rest.period).energies.sum())
                trials.append((energy, bonded, rest))
        if trials:
            _, graph, state = min(trials, key=lambda trial: trial[0])
    return graph, state


def _pairs(tube: Nanotube, vacancy: int) -> list[tuple[int, int, int]]:
    """Return pairs of atoms around a vacancy, and the period of the second relative to the first."""
    bonds, atom = tube.bonds, np.cumsum(tube.species != Species.VACANCY) - 1
    ends = [(int(b), int(z)) for a, b, z in bonds[bonds[:, 0] == vacancy]]
    ends += [(int(a), -int(z)) for a, b, z in bonds[bonds[:, 1] == vacancy]]
    atoms = [(int(atom[site]), image) for site, image in ends if tube.species[site] != Species.VACANCY]
    return [(i, j, of_j - of_i) for (i, of_i), (j, of_j) in combinations(atoms, 2)]


def _with_bond(graph: BondGraph, one: int, other: int, image: int) -> BondGraph | None:
    """Return the graph with a further bond; None if an end has three bonds, or the bond reaches too far."""
    if one == other or graph.bonded[one].all() or graph.bonded[other].all() or abs(image) > 1:
        return None
    neighbours, images = graph.neighbours.copy(), graph.images.copy()
    for start, end, turn in ((one, other, image), (other, one, -image)):
        slot = int(np.flatnonzero(~graph.bonded[start])[0])
        neighbours[start, slot], images[start, slot] = end, turn
    return replace(graph, neighbours=neighbours, images=images)


def _longest_bond(graph: BondGraph, state: State) -> float:
    """Return the length of the longest bond of an untwisted tube, Å."""
    atom, slot = np.nonzero(graph.bonded)
    vectors = state.positions[graph.neighbours[atom, slot]] - state.positions[atom]
    vectors[:, 2] += graph.images[atom, slot] * state.period
    return float(np.linalg.norm(vectors, axis=1).max())
