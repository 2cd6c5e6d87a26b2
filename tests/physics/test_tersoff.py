"""The Tersoff potential and its relaxation against LAMMPS, symmetry, and measured bond lengths."""

from dataclasses import replace

import numpy as np
import pytest

from matgym.errors import ConfigurationError, MissingExtraError, RelaxationError
from matgym.physics.mechanics.lammps import TERSOFF_BNC
from matgym.physics.mechanics.relaxation import CONTACT_ANGSTROM, relax, relaxed_pristine
from matgym.physics.mechanics.tersoff import PARAMETERS, B, BondGraph, C, N, expand
from matgym.structures import Nanotube, Species

ENERGY_TOLERANCE_EV = 1e-10  # an atom
FORCE_TOLERANCE_EV_PER_ANGSTROM = 1e-9
REST_TOLERANCE_EV_PER_ANGSTROM = 1e-8
HESSIAN_TOLERANCE_EV_PER_SQUARE_ANGSTROM = 1e-7  # five-point differences of LAMMPS's forces, steps of 1e-3 Å
SUM_RULE_TOLERANCE = 1e-10
DIMER_TOLERANCE_ANGSTROM = 0.02  # of an empirical potential

SYMBOLS = np.array(["C", "B", "N"])

AS_SHIPPED = replace(TERSOFF_BNC, replacing=())
"""With the B-B and N-N bonds that lack their exponentials: see PARAMETERS."""


def decorated(n, m, cells, seed, *, like_pairs=True):
    """B and N on a third of the sites, a vacancy and a Stone-Wales pair."""
    rng = np.random.default_rng(seed)
    tube = Nanotube(n, m, cells)
    pair = (0, int(tube.lattice.neighbours[0, seed % 3]))
    codes = np.zeros(tube.n_sites, dtype=np.uint8)
    bonded = np.zeros((tube.n_sites, tube.n_sites), dtype=bool)
    for a, b, _ in tube.turned(pair).bonds:
        bonded[a, b] = bonded[b, a] = True
    for site in rng.permutation(tube.n_sites)[: tube.n_sites // 3]:
        code = rng.choice([Species.B, Species.N])
        if like_pairs or not (codes[bonded[site]] == code).any():
            codes[site] = code
    codes[rng.permutation(tube.n_sites)[:5]] = Species.C13
    apart = np.linalg.norm(tube.positions_angstrom - tube.positions_angstrom[0], axis=1)
    codes[int(apart.argmax())] = Species.VACANCY
    return tube.with_species(codes).turned(pair)


TUBES = [(7, 0, 4), (5, 5, 6), (6, 2, 2)]


@pytest.fixture
def lammps_of():
    """LAMMPS: energy, eV, and forces, eV/Å, of a graph's atoms in a periodic box by `pair_style tersoff`."""
    calculators = []

    def started(potential):
        from ase import Atoms

        try:
            calculators.append(potential())
        except MissingExtraError as error:
            pytest.skip(str(error))

        def evaluate(graph, positions, period):
            inside = np.add(positions, [30.0, 30.0, 0.0])
            atoms = Atoms(SYMBOLS[graph.elements].tolist(), positions=inside, cell=[60.0, 60.0, period], pbc=True)
            atoms.calc = calculators[-1]
            return atoms.get_potential_energy(), atoms.get_forces()

        return evaluate

    yield started
    for calculator in calculators:
        calculator.clean()


def shaken(rest, seed=0, by=0.03):
    return rest.positions + by * np.random.default_rng(seed).standard_normal(rest.positions.shape)


@pytest.mark.parametrize(("n", "m", "cells"), TUBES)
@pytest.mark.parametrize("like_pairs", [False, True])
def test_energy_and_forces_are_those_of_lammps(lammps_of, n, m, cells, like_pairs):
    lammps = lammps_of(TERSOFF_BNC if like_pairs else AS_SHIPPED)
    rest = relax(decorated(n, m, cells, seed=n, like_pairs=like_pairs), free_length=True)
    pairs = rest.graph.elements[rest.graph.neighbours] + 3 * rest.graph.elements[:, None]
    assert np.isin([4, 8], pairs[rest.graph.bonded]).all() == like_pairs  # B-B and N-N
    for positions in (rest.positions, shaken(rest)):
        energy, forces = lammps(rest.graph, positions, rest.period_angstrom)
        ours = expand(rest.graph, positions, rest.period_angstrom)
        assert ours.energies.sum() == pytest.approx(energy, abs=ENERGY_TOLERANCE_EV * len(rest.graph))
        assert ours.forces == pytest.approx(forces, abs=FORCE_TOLERANCE_EV_PER_ANGSTROM)


@pytest.mark.parametrize(("n", "m", "cells"), TUBES)
def test_hessian_is_the_derivative_of_lammps_forces(lammps_of, n, m, cells):
    lammps = lammps_of(TERSOFF_BNC)
    rest = relax(decorated(n, m, cells, seed=n))
    positions, period = shaken(rest), rest.period_angstrom
    hessian = expand(rest.graph, positions, period).hessian
    rng, step = np.random.default_rng(n), 1e-3
    for coordinate in rng.permutation(positions.size)[:40]:
        move = np.zeros(positions.size)
        move[coordinate] = step
        move = move.reshape(-1, 3)
        near, far = (
            lammps(rest.graph, positions + k * move, period)[1] - lammps(rest.graph, positions - k * move, period)[1]
            for k in (1, 2)
        )
        expected = -(8.0 * near - far).ravel() / (12.0 * step)
        column = hessian[:, [coordinate]].toarray().ravel()
        assert column == pytest.approx(expected, abs=HESSIAN_TOLERANCE_EV_PER_SQUARE_ANGSTROM)


def test_tension_is_that_of_lammps(lammps_of):
    lammps = lammps_of(TERSOFF_BNC)
    rest = relax(decorated(7, 0, 4, seed=1).strained(0.02), free_length=True)
    graph, period, step = rest.graph, rest.period_angstrom, 1e-3

    def energy(shift):
        stretched = rest.positions * [1.0, 1.0, 1.0 + shift / period]
        return lammps(graph, stretched, period + shift)[0]

    near, far = (energy(k * step) - energy(-k * step) for k in (1, 2))
    assert rest.expansion.tension == pytest.approx((8.0 * near - far) / (12.0 * step), abs=1e-7)


def test_twisted_tube_is_the_same_as_the_periodic_one_it_repeats_as(lammps_of):
    lammps = lammps_of(TERSOFF_BNC)
    tube = Nanotube(6, 0, 8)
    turn = 2.0 * np.pi / 6.0  # maps the tube onto itself, so that LAMMPS needs no twisted box
    torsion = turn * tube.diameter_nm * 5.0 / tube.length_angstrom
    cell, rng = relaxed_pristine(6, 0, 0.0, torsion), np.random.default_rng(8)
    assert cell.twist_rad * tube.cells == pytest.approx(turn, abs=1e-12)
    _, ring = np.unique(np.rint(1e6 * tube.lattice.site_fractions[:, 1]), return_inverse=True)
    tube = tube.with_species(np.where(ring == 7, Species.N, Species.C12))
    x, y, z = cell.positions(tube.cells).T
    radius, angle, height = 0.02 * rng.standard_normal((3, 32))[:, ring] + [np.hypot(x, y), np.arctan2(y, x), z]
    positions = np.stack([radius * np.cos(angle), radius * np.sin(angle), height], axis=1)
    graph, period = BondGraph.of(tube), cell.period_angstrom * tube.cells
    energy, forces = lammps(graph, positions, period)
    ours = expand(graph, positions, period, turn)
    assert ours.energies.sum() == pytest.approx(energy, abs=ENERGY_TOLERANCE_EV * tube.n_sites)
    assert ours.forces == pytest.approx(forces, abs=FORCE_TOLERANCE_EV_PER_ANGSTROM)


@pytest.mark.parametrize("twist", [0.0, 0.3])
@pytest.mark.parametrize(("n", "m", "cells"), [(4, 2, 1), (5, 5, 1), (5, 0, 1), (6, 2, 2)])
def test_second_derivatives_obey_the_symmetries_of_space(n, m, cells, twist):
    tube = decorated(n, m, cells, seed=2) if cells > 1 else Nanotube(n, m)
    graph = BondGraph.of(tube)
    positions = tube.positions_angstrom[graph.sites]
    positions = positions + 0.02 * np.random.default_rng(3).standard_normal(positions.shape)
    found = expand(graph, positions, tube.length_angstrom, twist)
    hessian = found.hessian.toarray()
    along = np.tile([0.0, 0.0, 1.0], len(graph))
    about = np.cross([0.0, 0.0, 1.0], positions)
    turned_forces = np.cross([0.0, 0.0, 1.0], found.forces).ravel()
    bound = SUM_RULE_TOLERANCE
    assert np.abs(hessian - hessian.T).max() <= bound
    assert hessian @ along == pytest.approx(0.0, abs=bound)
    assert hessian @ about.ravel() == pytest.approx(-turned_forces, abs=bound)
    assert (found.forces * about).sum() == pytest.approx(0.0, abs=bound)
    assert found.tension_slope @ along == pytest.approx(0.0, abs=bound)
    if not twist:
        assert found.forces.sum(axis=0) == pytest.approx(0.0, abs=bound)
        for axis in range(2):
            assert hessian @ np.roll(along, axis + 1) == pytest.approx(0.0, abs=bound)


@pytest.mark.parametrize(("n", "m"), [(4, 2), (5, 5), (6, 0)])
def test_waves_of_one_cell_are_those_of_two(n, m):
    one, two = (relax(Nanotube(n, m, cells)).expansion for cells in (1, 2))
    folded = [np.linalg.eigvalsh(one.bloch(phase).toarray()) for phase in (0.0, np.pi)]
    assert np.sort(np.concatenate(folded)) == pytest.approx(np.linalg.eigvalsh(two.hessian.toarray()), abs=1e-8)


@pytest.mark.parametrize(("element", "measured_angstrom"), [(B, 1.590), (N, 1.098)])
def test_dimers_have_their_measured_length(element, measured_angstrom):
    """Huber and Herzberg, Constants of Diatomic Molecules (1979) (flag M): without other bonds b = 1."""
    lambda2, attraction, lambda1, repulsion = PARAMETERS[element, element][5:]
    length = np.log(lambda1 * repulsion / (lambda2 * attraction)) / (lambda1 - lambda2)
    assert length == pytest.approx(measured_angstrom, abs=DIMER_TOLERANCE_ANGSTROM)


@pytest.mark.parametrize(("symbol", "element"), [("B", B), ("N", N)])
def test_lammps_has_the_dimers_only_with_their_exponentials(symbol, element):
    """Without the exponentials two atoms collapse."""
    from ase import Atoms

    repulsion, attraction = PARAMETERS[element, element][8], PARAMETERS[element, element][6]
    faster, slower = PARAMETERS[element, element][7], PARAMETERS[element, element][5]
    rest = np.log(faster * repulsion / (slower * attraction)) / (faster - slower)
    for potential, holds in ((TERSOFF_BNC, True), (AS_SHIPPED, False)):
        atoms = Atoms([symbol] * 2, [[0.0, 0.0, 0.0], [0.0, 0.0, rest]], cell=[20.0] * 3, pbc=True)
        try:
            atoms.calc = potential()
        except MissingExtraError as error:
            pytest.skip(str(error))
        pull = np.abs(atoms.get_forces()).max()
        atoms.calc.clean()
        assert (pull < FORCE_TOLERANCE_EV_PER_ANGSTROM) == holds


def test_nitrogen_pair_is_that_of_los():
    """Los et al., Phys. Rev. B 96, 184108 (2017), as in LAMMPS's BN.extep."""
    assert PARAMETERS[N, N][5:] == pytest.approx((2.6272721, 2563.5603417, 2.8293093, 2978.9527928), rel=1e-6)


# ---- at rest


def test_wide_tube_is_graphene():
    """1.44 Å between carbon atoms is what this parametrisation gives: readme of GPUMD's `C_Lindsay_2010`."""
    assert relaxed_pristine(60, 60).period_angstrom / np.sqrt(3.0) == pytest.approx(1.44, abs=0.005)


def test_energy_of_bending_goes_as_the_square_of_the_curvature():
    """Peralta-Inga et al., Struct. Chem. 14, 431 (2003), abstract: inversely with the square of the tube radius."""
    flat, wide, narrow = (relaxed_pristine(n, n) for n in (200, 40, 20))
    ratio = (narrow.energy_ev - flat.energy_ev) / (wide.energy_ev - flat.energy_ev)
    exponent = np.log(ratio) / np.log(wide.radius_angstrom / narrow.radius_angstrom)
    assert exponent == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize(("strain", "torsion"), [(0.0, 0.0), (0.05, 0.0), (-0.03, 0.0), (0.0, 0.05), (0.02, -0.04)])
@pytest.mark.parametrize(("n", "m"), [(3, 3), (5, 0), (4, 2), (7, 3), (10, 10)])
def test_pristine_tube_is_at_rest_atom_by_atom(n, m, strain, torsion):
    cell = relaxed_pristine(n, m, strain, torsion)
    graph = BondGraph.of(Nanotube(n, m, 2))
    found = expand(graph, cell.positions(2), 2.0 * cell.period_angstrom, 2.0 * cell.twist_rad)
    assert found.forces == pytest.approx(0.0, abs=REST_TOLERANCE_EV_PER_ANGSTROM)
    assert found.energies == pytest.approx(cell.energy_ev, abs=1e-11)
    if not strain and not torsion:
        assert found.tension == pytest.approx(0.0, abs=REST_TOLERANCE_EV_PER_ANGSTROM)


@pytest.mark.parametrize(("n", "m", "cells"), TUBES)
def test_relaxed_tube_is_at_rest_in_lammps(lammps_of, n, m, cells):
    rest = relax(decorated(n, m, cells, seed=5), free_length=True)
    _, forces = lammps_of(TERSOFF_BNC)(rest.graph, rest.positions, rest.period_angstrom)
    assert forces == pytest.approx(0.0, abs=REST_TOLERANCE_EV_PER_ANGSTROM)
    assert rest.expansion.tension == pytest.approx(0.0, abs=len(forces) * REST_TOLERANCE_EV_PER_ANGSTROM)
    lowest = np.linalg.eigvalsh(rest.expansion.hessian.toarray())[:5]
    assert lowest[:4] == pytest.approx(0.0, abs=1e-8)  # three translations and the rotation
    assert lowest[4] > 1e-3


def test_symmetric_copies_relax_to_equal_energies():
    tube = decorated(6, 6, 5, seed=6)
    energies = [relax(copy).energy_ev for copy in (tube, tube.rotated(2), tube.screwed(1, 2), tube.mirrored())]
    assert energies == pytest.approx([energies[0]] * 4, abs=1e-8)


def test_fixed_atoms_stay_and_all_others_relax():
    tube = Nanotube(6, 0, 8)
    from_middle = np.abs(tube.lattice.site_fractions[:, 1] - 0.5)
    ends, tube = from_middle > 0.3, tube.decorated({int(from_middle.argmin()): "B"})
    rest = relax(tube, fixed=ends)
    ideal = relaxed_pristine(6, 0).positions(8)
    assert np.array_equal(rest.positions[ends], ideal[ends])
    assert np.abs(rest.positions - ideal)[~ends].max() > 0.01
    assert rest.expansion.forces[~ends] == pytest.approx(0.0, abs=REST_TOLERANCE_EV_PER_ANGSTROM)


def test_tubes_that_cannot_relax_are_failures_with_a_reason():
    tube = Nanotube(6, 0, 6)
    z = tube.lattice.site_fractions[:, 1]
    cut = tube.with_species(np.where(np.abs(z - 0.5) < 0.1, Species.VACANCY, Species.C12))
    with pytest.raises(RelaxationError, match="cut in two"):
        relax(cut)
    with pytest.raises(RelaxationError, match="broken bond"):
        relaxed_pristine(6, 0, 0.3)
    with pytest.raises(RelaxationError, match="new bond"):
        relaxed_pristine(10, 10, -0.2)
    island = tube.decorated(dict.fromkeys(tube.lattice.neighbours[20].tolist(), "vacancy"))
    with pytest.raises(RelaxationError, match="cut out"):
        relax(island)
    with pytest.raises(ConfigurationError, match="free_length"):
        relax(tube, free_length=True, fixed=np.ones(tube.n_sites, dtype=bool))


def test_random_decorations_relax_or_fail_with_a_reason():
    rng = np.random.default_rng(7)
    for _ in range(12):
        tube = Nanotube(8, 0, 4)
        codes = rng.choice([0, Species.B, Species.N, Species.VACANCY], size=tube.n_sites, p=[0.7, 0.14, 0.14, 0.02])
        try:
            rest = relax(tube.with_species(codes))
        except RelaxationError as error:
            assert str(error).startswith(("new bond", "broken bond", "cut"))  # noqa: PT017
            continue
        apart = np.linalg.norm(rest.positions[:, None] - rest.positions, axis=-1)
        apart[np.repeat(np.arange(len(apart)), 3), np.maximum(rest.graph.neighbours, 0).ravel()] = np.inf
        np.fill_diagonal(apart, np.inf)
        assert apart.min() > min(CONTACT_ANGSTROM, 1.25)


def test_isotopes_do_not_change_the_energy():
    tube = Nanotube(5, 5, 2)
    heavy = tube.with_species(np.full(tube.n_sites, Species.C14))
    assert relax(heavy).energy_ev == relax(tube).energy_ev
    assert (BondGraph.of(heavy).elements == C).all()
