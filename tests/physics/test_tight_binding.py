"""The π oracle against the analytic zone-folding result and against sisl."""

import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from matgym.physics import PiElectrons, PiFormation, PiParameters
from matgym.physics.electrons.bands import pristine_gap
from matgym.physics.electrons.tight_binding import stacked
from matgym.structures import Nanotube, Species

ZONE_FOLDING_TOLERANCE_EV = 1e-6
SISL_TOLERANCE_EV = 1e-8
SAME_MODEL_TOLERANCE_EV = 1e-9
MESH_TOLERANCE_EV = 0.02  # two meshes of the zone, of energies of some 40 eV a cell

ALL_UP_TO_12 = [(n, m) for n in range(1, 13) for m in range(n + 1)]
DENSE_LIMIT = 150  # sites a dense diagonalisation takes in a test that runs every time

FLAT = PiParameters(curvature=False)  # zone folding, of which the analytic results are
ORACLE = PiElectrons(FLAT, method="dense")
FORMATION = PiFormation(FLAT)
HOPPING_EV = 2.7


def analytic_gap(n, m, hopping_ev=HOPPING_EV):
    """Saito, Fujita, Dresselhaus and Dresselhaus, Appl. Phys. Lett. 60, 2204 (1992), in their own variables.

    E(k) = γ₀ |1 + 4 cos(√3 kx a/2) cos(ky a/2) + 4 cos²(ky a/2)|^½ on the lines k = μ K₁ + κ K₂/|K₂|.
    """
    d_r = math.gcd(2 * m + n, 2 * n + m)
    hexagons = 2 * (n * n + n * m + m * m) // d_r
    t1, t2 = (2 * m + n) // d_r, -(2 * n + m) // d_r
    b1, b2 = 2 * np.pi * np.array([1 / np.sqrt(3), 1]), 2 * np.pi * np.array([1 / np.sqrt(3), -1])  # a = 1
    k1, k2 = (-t2 * b1 + t1 * b2) / hexagons, (m * b1 - n * b2) / hexagons
    lines = np.arange(hexagons)[:, None, None] * k1

    def upper_band(fraction):
        kx, ky = np.moveaxis(lines + np.asarray(fraction)[:, None] * k2, -1, 0)
        square = 1 + 4 * np.cos(np.sqrt(3) * kx / 2) * np.cos(ky / 2) + 4 * np.cos(ky / 2) ** 2
        return hopping_ev * np.sqrt(np.maximum(square, 0.0)).min(axis=0)

    grid = np.linspace(0.0, 0.5, 1201)
    nearest = upper_band(grid).argmin()
    bracket = grid[max(nearest - 1, 0)], grid[min(nearest + 1, 1200)]
    refined = minimize_scalar(lambda x: upper_band([x])[0], bounds=bracket, method="bounded", options={"xatol": 1e-12})
    return 2 * min(refined.fun, upper_band(grid).min())


@pytest.mark.parametrize(("n", "m"), ALL_UP_TO_12)
def test_gap_of_pristine_tubes_is_the_zone_folding_one(n, m):
    tube, expected = Nanotube(n, m), pytest.approx(analytic_gap(n, m), abs=ZONE_FOLDING_TOLERANCE_EV)
    gap = pristine_gap(tube, FLAT)
    assert gap == expected
    assert (gap < ZONE_FOLDING_TOLERANCE_EV) == ((n - m) % 3 == 0)  # metallic
    if tube.n_sites <= DENSE_LIMIT:  # the method of decorated tubes
        assert ORACLE.predict([tube])["gap_ev"][0] == expected


@pytest.mark.long
@pytest.mark.parametrize(("n", "m"), [nm for nm in ALL_UP_TO_12 if Nanotube(*nm).n_sites > DENSE_LIMIT])
def test_gap_of_large_pristine_tubes_by_dense_diagonalisation(n, m, monkeypatch):
    monkeypatch.setattr("matgym.physics.electrons.bands.DENSE_SITES", 10**6)
    dense = ORACLE.predict([Nanotube(n, m)])["gap_ev"][0]
    assert dense == pytest.approx(analytic_gap(n, m), abs=ZONE_FOLDING_TOLERANCE_EV)


def test_gap_of_a_repeated_cell_is_that_of_the_cell():
    short = Nanotube(7, 0, 1).decorated({0: "B", 9: "N"})
    gaps = ORACLE.predict([short, short.repeated(2), short.repeated(3)])["gap_ev"]
    assert np.ptp(gaps) < ZONE_FOLDING_TOLERANCE_EV


DECORATED = [(8, 0, 2), (5, 5, 3), (6, 4, 1), (4, 2, 2), (9, 0, 2), (7, 1, 1)]


def random_tube(n, m, cells, seed):
    rng = np.random.default_rng([seed, n, m, cells])
    tube = Nanotube(n, m, cells)
    codes = rng.choice([*Species], size=tube.n_sites, p=[0.6, 0.05, 0.05, 0.12, 0.12, 0.06])
    return tube.with_species(codes)


def sisl_hamiltonian(tube):
    """Return the Hamiltonian of the same model, with bonds that sisl finds by distance on the unrolled sheet."""
    sisl = pytest.importorskip("sisl")
    bond = 1.42
    # The sheet is a rectangle spanned by C and cT, periodic both ways, in which sisl finds the neighbours.
    angle, axial = tube.lattice.site_fractions.T
    around, along = np.pi * tube.lattice.diameter_nm * 10, tube.lattice.length_angstrom
    kept = np.flatnonzero(tube.species != Species.VACANCY)
    xyz = np.stack([angle * around, axial * along, np.zeros_like(angle)], axis=1)[kept]
    atoms = sisl.Atom(6, R=bond * 1.01)
    geometry = sisl.Geometry(xyz, atoms, lattice=sisl.Lattice([around, along, 20.0], nsc=[3, 3, 1]))
    hamiltonian = sisl.Hamiltonian(geometry)
    hamiltonian.construct([[0.1, bond * 1.01], [0.0, -HOPPING_EV]])
    onsite = {Species.B: 1.3 * HOPPING_EV, Species.N: -1.3 * HOPPING_EV}
    for row, site in enumerate(kept):
        hamiltonian[row, row] = onsite.get(Species(tube.species[site]), 0.0)
    return hamiltonian


@pytest.mark.parametrize("shape", DECORATED)
@pytest.mark.parametrize("seed", range(4))
def test_band_energies_of_decorated_tubes_are_those_of_sisl(shape, seed):
    tube = random_tube(*shape, seed)
    (system,) = stacked([tube], FLAT)
    theirs = sisl_hamiltonian(tube)
    atoms = tube.n_sites - tube.counts[Species.VACANCY]
    for fraction in (0.0, 0.13, 1 / 3, 0.5):
        ours = np.linalg.eigvalsh(system.bloch(np.array([2 * np.pi * fraction])))[0, :atoms]
        expected = theirs.eigh(k=[0.0, fraction, 0.0])
        np.testing.assert_allclose(ours, expected, atol=SISL_TOLERANCE_EV, rtol=0)


@pytest.mark.parametrize("shape", DECORATED)
def test_gap_of_decorated_tubes_is_that_of_sisl(shape):
    tubes = [random_tube(*shape, seed) for seed in range(3)]
    ours = ORACLE.predict(tubes)["gap_ev"]
    for tube, gap in zip(tubes, ours, strict=True):
        electrons = sum({Species.B: 0, Species.N: 2, Species.VACANCY: 0}.get(s, 1) * c for s, c in tube.counts.items())
        if electrons % 2:
            assert gap == 0.0
            continue
        theirs, top = sisl_hamiltonian(tube), electrons // 2

        def edge(band, sign, theirs=theirs):
            grid = np.linspace(0.0, 0.5, 61)
            on_grid = [sign * theirs.eigh(k=[0, x, 0])[band] for x in grid]
            nearest = int(np.argmin(on_grid))
            bracket = grid[max(nearest - 1, 0)], grid[min(nearest + 1, 60)]
            refined = minimize_scalar(
                lambda x: sign * theirs.eigh(k=[0, x, 0])[band],
                bounds=bracket,
                method="bounded",
                options={"xatol": 1e-9},
            )
            return sign * min(refined.fun, *on_grid)

        # Both sides search the zone for the edges, so the search's tolerance adds to the libraries'.
        assert gap == pytest.approx(max(edge(top, 1) - edge(top - 1, -1), 0.0), abs=1e-6)


@pytest.mark.parametrize("shape", [(8, 0, 3), (5, 5, 4)])
def test_fermi_level_and_formation_energy_are_those_of_sisl_on_a_fine_mesh(shape):
    """With a gap, the Fermi level is its middle and energies converge fast; sisl's bands on 96 phases."""
    rng = np.random.default_rng(2)
    tube = Nanotube(*shape)
    codes = rng.permutation([Species.B] * 4 + [Species.N] * 4 + [Species.C12] * (tube.n_sites - 8))
    tube = tube.with_species(codes)
    found = ORACLE.predict([tube])
    half = tube.n_sites // 2  # as many B as N: one electron a site
    mesh = (np.arange(96) + 0.5) / 96

    def energies(hamiltonian):
        return np.stack([hamiltonian.eigh(k=[0, x, 0]) for x in mesh])

    bands, pristine = energies(sisl_hamiltonian(tube)), energies(sisl_hamiltonian(Nanotube(*shape)))
    lone = 4 * 2 * -1.3 * HOPPING_EV  # four nitrogens, two electrons each
    expected = 2 * bands[:, :half].sum(axis=1).mean() - lone - 2 * pristine[:, :half].sum(axis=1).mean()
    assert FORMATION.predict([tube])["pi_formation_ev"][0] == pytest.approx(expected, abs=MESH_TOLERANCE_EV)
    middle = (bands[:, half - 1].max() + bands[:, half].min()) / 2
    assert found["fermi_ev"][0] == pytest.approx(middle, abs=MESH_TOLERANCE_EV)


def test_properties_are_the_same_for_all_symmetric_copies():
    tube = random_tube(8, 0, 2, 0)
    found = ORACLE.predict([tube, tube.rotated(3), tube.screwed(1, -2), tube.flipped(), tube.mirrored()])
    for prop in ORACLE.properties:
        assert np.ptp(found[prop]) < ZONE_FOLDING_TOLERANCE_EV


def test_batch_equals_one_by_one():
    tubes = [random_tube(*shape, 1) for shape in DECORATED]
    together = ORACLE.predict(tubes)
    for row, tube in enumerate(tubes):
        alone = ORACLE.predict([tube])
        for prop in ORACLE.properties:
            assert together[prop][row] == pytest.approx(alone[prop][0], abs=SAME_MODEL_TOLERANCE_EV)


def test_density_of_states_integrates_to_two_a_site():
    tube = random_tube(5, 5, 2, 0)
    energies = np.linspace(-16.0, 16.0, 6401)
    dos = ORACLE.density_of_states(tube, energies)
    atoms = tube.n_sites - tube.counts[Species.VACANCY]
    assert np.trapezoid(dos, energies) == pytest.approx(2 * atoms, rel=1e-6)


def test_density_of_states_vanishes_in_the_gap_only():
    tube = Nanotube(10, 0)
    gap = ORACLE.predict([tube])["gap_ev"][0]
    inside, outside = ORACLE.density_of_states(tube, np.array([0.0, gap / 2 + 0.05]), broadening_ev=0.02)
    assert inside < 1e-6 < outside


def test_strain_moves_the_gap_with_the_sign_of_the_family():
    """Yang and Han, Phys. Rev. Lett. 85, 154 (2000): dE/dε > 0 for (n - m) mod 3 = 1, < 0 for 2, in zigzag tubes.

    Their slope is 3 γ₀ (1 + ν) to first order in ε and 1/d.
    """
    slope_ev = 3 * HOPPING_EV * (1 + 0.149)
    for n, sign in ((10, 1), (13, 1), (11, -1), (14, -1)):
        tube = Nanotube(n, 0)
        plus, minus = ORACLE.predict([tube.strained(0.002), tube.strained(-0.002)])["gap_ev"]
        assert (plus - minus) / 0.004 == pytest.approx(sign * slope_ev, rel=0.15)


def test_gap_of_wide_semiconducting_tubes_is_inverse_to_the_diameter():
    """E = 2 γ₀ a_cc / d: White, Robertson and Mintmire, Phys. Rev. B 47, 5485 (1993)."""
    tube = Nanotube(40, 0)
    expected = 2 * HOPPING_EV * 0.142 / tube.diameter_nm
    assert pristine_gap(tube, FLAT) == pytest.approx(expected, rel=0.02)


def test_hexagonal_boron_nitride_has_the_gap_of_its_on_site_energies():
    """All A sites boron, all B sites nitrogen: E = ±(ε² + |f|²)^½, so a metallic tube's gap is 2ε exactly."""
    tube = Nanotube(6, 0, 1)
    codes = np.repeat([Species.B, Species.N], tube.n_sites // 2)
    gap = ORACLE.predict([tube.with_species(codes)])["gap_ev"][0]
    assert gap == pytest.approx(2 * 1.3 * HOPPING_EV, abs=ZONE_FOLDING_TOLERANCE_EV)


def test_pristine_formation_energy_is_zero_and_isotopes_do_not_matter():
    tube = Nanotube(7, 3)
    heavy = tube.with_species(np.full(tube.n_sites, Species.C13))
    tubes = [Nanotube(8, 0, 2), Nanotube(5, 5), heavy]
    found = ORACLE.predict(tubes)
    np.testing.assert_allclose(FORMATION.predict(tubes)["pi_formation_ev"], 0.0, atol=1e-8)
    assert found["gap_ev"][2] == pytest.approx(analytic_gap(7, 3), abs=ZONE_FOLDING_TOLERANCE_EV)


def test_a_tube_without_electrons_is_a_named_failure():
    tube = Nanotube(5, 0)
    boron = tube.with_species(np.full(tube.n_sites, Species.B))
    empty = tube.with_species(np.full(tube.n_sites, Species.VACANCY))
    found = ORACLE.predict([tube, boron, empty])
    assert set(found.reasons) == {1, 2}
    assert np.isnan(found["gap_ev"][1:]).all()
    assert np.isfinite(found["gap_ev"][0])


def test_an_odd_electron_count_closes_the_gap():
    tube = Nanotube(8, 0, 2)
    gaps = ORACLE.predict([tube.decorated({0: "B"}), tube.decorated({0: "B", 11: "N"})])["gap_ev"]
    assert gaps[0] == 0.0 < gaps[1]
