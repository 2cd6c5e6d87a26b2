"""Phonons against phonopy on LAMMPS, an independent solver of transport, sum rules and limits."""

from functools import lru_cache
from itertools import product

import numpy as np
import pytest
import scipy.constants as si
from scipy.linalg import ordqz
from scipy.spatial import cKDTree

from matgym.errors import MissingExtraError
from matgym.physics.mechanics.lammps import TERSOFF_BNC
from matgym.physics.mechanics.relaxation import relax, relaxed_pristine
from matgym.physics.phonons.conductance import PhononTransport, buffered, held
from matgym.physics.phonons.force_constants import (
    FREQUENCY2_PER_EV_ANGSTROM2_AMU,
    MASSES_AMU,
    OMEGA_CM,
    pristine_force_constants,
)
from matgym.physics.phonons.vibrations import HEAT_CAPACITY_J_G_K, Vibrations
from matgym.physics.transport.landauer import phonon_conductance_nw_k
from matgym.physics.transport.slabs import slabs_of
from matgym.structures import Nanotube, Species, tube_lattice

UNITS_TOLERANCE = 2e-9  # CODATA 2018 and 2022, whose atomic mass units differ by 1.4e-9
DISPLACEMENT_ANGSTROM = 2e-4
PHONOPY_TOLERANCE_CM = 1e-3  # central differences; measured: 1e-4
BROADENINGS = (1e-5, 2e-5)  # of ω² in the leads, (rad/ps)², from which the dense transmission is extrapolated to none
TRANSMISSION_TOLERANCE = 1e-10  # of two solvers; measured: 5e-12
MODES_TOLERANCE = 1e-7
SUM_RULE_TOLERANCE = 1e-9  # eV/Å², of force constants of up to 50
QUANTUM_TOLERANCE = 1e-7  # midpoint rule up to 25 k_B T; the next mode, of 2 meV and more, is not in reach
SOUND_TOLERANCE = 1e-4  # dispersion at a phase of 0.01
SUM_TOLERANCE = 1e-6

SYMBOLS = np.array(["C", "C", "C", "B", "N"])
SQUARE = si.e / (1e-20 * si.atomic_mass) * 1e-24  # (rad/ps)² of 1 eV/(Å² u)

TUBE = Nanotube(7, 0, 3)
ZIGZAG, ARMCHAIR, CHIRAL = TUBE, Nanotube(4, 4, 4), Nanotube(4, 2)


def middle(tube):
    """Return the A site in the middle of the tube."""
    heights = tube.lattice.site_fractions[: tube.lattice.n_cells, 1]
    return int(np.abs(heights - 0.5).argmin())


def turned(tube, bond):
    site = middle(tube)
    return tube.turned((site, int(tube.lattice.neighbours[site][bond])))


def isotopes(tube, seed=0):
    return tube.with_species(np.random.default_rng(seed).integers(0, 3, tube.n_sites))


EVERYTHING = turned(TUBE.decorated({0: "B", 13: "N", 36: "vacancy", 35: "13C"}), 1)


# ---- dispersion


def test_units_are_those_of_codata():
    assert pytest.approx(SQUARE, rel=UNITS_TOLERANCE) == FREQUENCY2_PER_EV_ANGSTROM2_AMU
    assert pytest.approx(1e12 / (200.0 * np.pi * si.c), rel=UNITS_TOLERANCE) == OMEGA_CM


def phonopy_bands(tube, thetas, repeats):
    """Return (K, modes) rad/ps of phonopy with LAMMPS's forces, for atoms relaxed by `relax`."""
    from ase import Atoms
    from phonopy import Phonopy
    from phonopy.structure.atoms import PhonopyAtoms

    try:
        calculator = TERSOFF_BNC()
    except MissingExtraError as error:
        pytest.skip(str(error))
    rest = relax(tube)
    species = tube.species[rest.graph.sites]
    cell = PhonopyAtoms(
        symbols=SYMBOLS[species].tolist(),
        positions=np.add(rest.positions, [20.0, 20.0, 0.0]),
        cell=np.diag([40.0, 40.0, rest.period_angstrom]),
        masses=MASSES_AMU[species],
    )
    phonons = Phonopy(cell, np.diag([1, 1, repeats]), primitive_matrix=np.eye(3), is_symmetry=False)
    phonons.generate_displacements(distance=DISPLACEMENT_ANGSTROM, is_plusminus=True)
    atoms = Atoms(phonons.supercell.symbols, cell=phonons.supercell.cell, pbc=True)
    atoms.calc = calculator
    forces = []
    for displaced in phonons.supercells_with_displacements:
        atoms.positions = displaced.positions
        forces.append(atoms.get_forces())
    calculator.clean()
    phonons.forces = forces
    phonons.produce_force_constants()
    found = []
    for theta in thetas:
        phonons.dynamical_matrix.run([0.0, 0.0, theta / (2.0 * np.pi)])
        squares = SQUARE * np.linalg.eigvalsh(phonons.dynamical_matrix.dynamical_matrix)
        found.append(np.sign(squares) * np.sqrt(np.abs(squares)))
    return np.stack(found)


@pytest.mark.parametrize(
    ("tube", "repeats"),
    [(Nanotube(10, 0), 3), (Nanotube(5, 5), 4), (Nanotube(4, 2), 2), (Nanotube(5, 5, strain=0.03), 4), (EVERYTHING, 2)],
)
def test_bands_are_those_of_phonopy_from_lammps_forces(tube, repeats):
    """Pristine tubes by their helical symmetry, with six branches a line, and by the general method."""
    vibrations = Vibrations(phases=3)
    thetas = (np.arange(3) + 0.5) * np.pi / 3.0
    expected = phonopy_bands(tube, thetas, repeats)
    for found in (np.sort(vibrations.frequencies(tube), axis=1), vibrations.bands(tube, thetas)):
        assert OMEGA_CM * found == pytest.approx(OMEGA_CM * expected, abs=PHONOPY_TOLERANCE_CM)


@pytest.mark.parametrize(("n", "m"), [(4, 0), (3, 3), (4, 1), (6, 4), (12, 0), (15, 15)])
def test_pristine_tubes_have_no_imaginary_mode(n, m):
    lowest = pristine_force_constants(n, m).spectrum(101).min()
    assert lowest > -((1e-2 / OMEGA_CM) ** 2)


@pytest.mark.parametrize(("n", "m"), [(10, 0), (6, 6)])
def test_speed_of_sound_is_that_of_the_elastic_tube(n, m):
    """M ω² = E″ θ² for long waves along the axis, E″ = d²E/dL² of a cell of mass M, at rest across."""
    cell = relaxed_pristine(n, m)
    theta = 0.01
    mass = MASSES_AMU[Species.C12] * Nanotube(n, m).n_sites
    expected = theta * (SQUARE * cell.stiffness_ev_per_square_angstrom / mass) ** 0.5
    bands = Vibrations().bands(Nanotube(n, m), np.array([theta]))[0, :4]  # two flexural ones, twist, stretch
    assert bands[3] == pytest.approx(expected, rel=SOUND_TOLERANCE)


def test_density_of_states_counts_all_modes():
    for tube in (Nanotube(6, 2), EVERYTHING):
        omega = np.linspace(-20.0, 400.0, 4201)
        found = np.trapezoid(Vibrations(phases=4).density_of_states(tube, omega), omega)
        atoms = int((tube.species != Species.VACANCY).sum())
        assert found == pytest.approx(3 * atoms, rel=SUM_TOLERANCE)


def test_heat_capacity_tends_to_that_of_dulong_and_petit():
    tubes = [Nanotube(6, 2), EVERYTHING]
    hot = Vibrations(temperature_k=1e6, phases=2).predict(tubes)[HEAT_CAPACITY_J_G_K]
    for tube, value in zip(tubes, hot, strict=True):
        mean_mass = MASSES_AMU[tube.species[tube.species != Species.VACANCY]].mean()
        assert value == pytest.approx(3.0 * si.R / mean_mass, rel=SUM_TOLERANCE)


# ---- sum rules


@pytest.mark.parametrize("tube", [Nanotube(10, 0), Nanotube(5, 5, 2, strain=0.02), CHIRAL, EVERYTHING], ids=str)
def test_moving_or_turning_a_whole_tube_gives_no_force(tube):
    rest = relax(tube)
    x, y, z = rest.positions.T
    rigid = [np.tile(axis, len(z)) for axis in np.eye(3)] + [np.stack([-y, x, 0.0 * z], axis=1).ravel()]
    assert rest.expansion.hessian @ np.stack(rigid, axis=1) == pytest.approx(0.0, abs=10 * SUM_RULE_TOLERANCE)


@pytest.mark.parametrize(("n", "m", "hops"), [(10, 0, 2), (5, 5, 2), (6, 4, 2), (6, 4, 3)])
def test_moving_leads_along_the_axis_or_turning_them_about_it_gives_no_force(n, m, hops):
    lead = pristine_force_constants(n, m).lead(slabs_of(tube_lattice(n, m, 1), hops))
    total = (lead.inner + lead.up + lead.up.T).reshape(len(lead.inner), -1, 3).sum(axis=1)
    assert total[:, 1:] == pytest.approx(0.0, abs=SUM_RULE_TOLERANCE)


@pytest.mark.parametrize(("n", "m"), [(10, 0), (5, 5), (6, 4), (5, 1)])
def test_moving_across_the_axis_is_a_helical_wave_without_frequency(n, m):
    """In a frame that a screw has turned by φ it is turned by -φ: one unit of angular momentum, and phase φ a ring."""
    constants = pristine_force_constants(n, m)
    slabs = constants.slabs
    screw = slabs.cell(np.array(1), np.array(0))
    chiral = np.array([n, m])
    metric = np.array([[1.0, 0.5], [0.5, 1.0]])
    turn = 2.0 * np.pi * (screw @ metric @ chiral) / (chiral @ metric @ chiral)
    wave = constants.dynamical(np.array([1 % slabs.folds]), np.array([turn]))[0, 0]
    assert np.linalg.eigvalsh(wave)[0] == pytest.approx(0.0, abs=SQUARE * SUM_RULE_TOLERANCE)


# ---- transmission


@lru_cache
def lead_of(n, m, strain):
    """Return a relaxed layer of translational cells, long enough for its waves, and its D₀₀ and D₀₁, (rad/ps)²."""
    cells = int(np.ceil(3.0 / Nanotube(n, m).length_angstrom))  # force constants reach 2.5 Å
    rest = relax(Nanotube(n, m, cells, strain=strain))
    scale = FREQUENCY2_PER_EV_ANGSTROM2_AMU / MASSES_AMU[Species.C12]
    return rest, rest.expansion.within.toarray() * scale, rest.expansion.onward.toarray() * scale


@lru_cache
def self_energies(n, m, strain, square):
    """Return the self-energies of both leads on the layer before each, from decaying Bloch waves.

    u_{k+1} = F u_k solves -D₁₀ u_{k-1} + (ω² - D₀₀) u_k - D₀₁ u_{k+1} = 0 with the eigenvalues of F within the unit
    circle: a deflating subspace of the generalised eigenvalue problem, by its ordered Schur form. Σ = D₀₁ F.
    """
    _, inner, up = lead_of(n, m, strain)
    size, scale = len(inner), np.abs(inner).max()  # without it rounding removes four digits
    one, none = np.eye(size), np.zeros((size, size))
    found = []
    for onward in (up.T, up):
        here = np.block([[none, one], [-onward.T / scale, (square * one - inner) / scale]])
        _, _, alpha, beta, _, vectors = ordqz(here, np.block([[one, none], [none, onward / scale]]), sort="iuc")
        assert (np.abs(alpha) < np.abs(beta)).sum() == size
        found.append(onward @ vectors[size:, :size] @ np.linalg.inv(vectors[:size, :size]))
    return found


def dense_transmission(tube, omega):
    """Return T = Tr[Γ_L G Γ_R G†] with the Green's function of all atoms at once, in Cartesian axes and cells."""
    light = tube.is_carbon
    device = tube if light else buffered(tube)
    rest = relax(device) if light else relax(device, fixed=held(device))
    lead = lead_of(tube.n, tube.m, tube.strain)[0]
    mass = np.repeat(MASSES_AMU[device.species[rest.graph.sites]], 3)
    dynamical = rest.expansion.within.toarray() * FREQUENCY2_PER_EV_ANGSTROM2_AMU / np.sqrt(mass[:, None] * mass)

    def placed(sigma, height):
        """Return the self-energy of the layer at a height, on the atoms at that height, with their masses."""
        away, atom = cKDTree(rest.positions).query(np.add(lead.positions, [0.0, 0.0, height]))
        there = away < 1e-6  # no force of the lead acts on the others, vacant or moved
        coordinates = (3 * atom[there][:, None] + np.arange(3)).ravel()
        felt = np.repeat(there, 3)
        assert np.abs(sigma[~felt]).max(initial=0.0) == 0.0
        full = np.zeros(dynamical.shape, dtype=complex)
        root = np.sqrt(MASSES_AMU[Species.C12] / mass[coordinates])
        full[np.ix_(coordinates, coordinates)] = sigma[np.ix_(felt, felt)] * root[:, None] * root
        return full

    found = []
    for w, broadening in product(omega, BROADENINGS):
        left, right = self_energies(tube.n, tube.m, tube.strain, w**2 + 1j * broadening)
        left, right = placed(left, 0.0), placed(right, rest.period_angstrom - lead.period_angstrom)
        first, last = (np.flatnonzero(sigma.any(axis=0)) for sigma in (left, right))  # atoms next to a lead
        square = w**2 * np.eye(len(mass)) - dynamical - left - right
        green = np.linalg.solve(square, np.eye(len(mass))[:, last])[first]
        gamma_left, gamma_right = (
            1j * (sigma - sigma.conj().T)[np.ix_(end, end)] for sigma, end in ((left, first), (right, last))
        )
        found.append(np.trace(gamma_left @ green @ gamma_right @ green.conj().T).real)
    once, twice = np.reshape(found, (-1, 2)).T
    return 2.0 * once - twice


@pytest.mark.parametrize(
    "tube",
    [
        isotopes(ZIGZAG),
        isotopes(CHIRAL),
        ARMCHAIR.decorated({middle(ARMCHAIR): "N"}),
        CHIRAL.decorated({middle(CHIRAL): "B", 3: "13C"}),
        ZIGZAG.decorated({middle(ZIGZAG): "vacancy"}),
        Nanotube(7, 0, 3, strain=0.03).decorated({middle(ZIGZAG): "vacancy"}),
        turned(ARMCHAIR, 1),
        turned(CHIRAL, 0),
    ],
    ids=str,
)
def test_transmission_is_that_of_a_dense_green_function_with_leads_by_bloch_waves(tube):
    omega = np.array([3.1, 170.7])
    found, failures = PhononTransport().transmission([tube], omega)
    assert failures == {}
    expected = dense_transmission(tube, omega)
    assert found[0] == pytest.approx(expected, abs=TRANSMISSION_TOLERANCE)


@pytest.mark.parametrize(("n", "m"), [(10, 0), (5, 5), (4, 2)])
def test_pristine_transmission_counts_the_modes_of_the_dispersion(n, m):
    """Each band that passes ω² between θ = 0 and π is one wave in either direction."""
    tube = Nanotube(n, m)
    omega = np.array([2.07, 31.3, 77.7, 143.9, 210.3, 290.1])
    expansion = relax(tube).expansion
    scale = SQUARE / MASSES_AMU[Species.C12]
    squares = [np.linalg.eigvalsh(scale * expansion.bloch(theta).toarray()) for theta in np.linspace(0.0, np.pi, 161)]
    below = (np.stack(squares)[:, :, None] < omega**2).sum(axis=1)
    modes = np.abs(np.diff(below, axis=0)).sum(axis=0)
    found, _ = PhononTransport().transmission([tube], omega)
    assert found[0] == pytest.approx(modes, abs=MODES_TOLERANCE)


@pytest.mark.parametrize(("n", "m"), [(5, 5), (10, 0), (4, 2)])
def test_cold_tubes_conduct_four_quanta(n, m):
    """Rego and Kirczenow, Phys. Rev. Lett. 81, 232 (1998): π² k_B² T/3h each; four acoustic modes of a tube: Yamamoto,
    Watanabe and Watanabe, Phys. Rev. Lett. 92, 075502 (2004).
    """
    kelvin, count = 1.0, 100
    highest = 25.0 * si.k * kelvin / si.hbar * 1e-12
    omega = (np.arange(count) + 0.5) * highest / count
    found, _ = PhononTransport().transmission([Nanotube(n, m)], omega)
    quanta = 4.0 * np.pi**2 * si.k**2 * kelvin / (3.0 * si.h) * 1e9
    heat = phonon_conductance_nw_k(omega, np.full(count, highest / count), found, kelvin)[0]
    assert heat == pytest.approx(quanta, rel=QUANTUM_TOLERANCE)
