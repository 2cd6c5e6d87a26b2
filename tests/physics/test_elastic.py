"""Young's modulus and Poisson ratio against published values, LAMMPS, and the four-variable tube."""

import numpy as np
import pytest

from matgym.errors import MissingExtraError
from matgym.physics.mechanics.elastic import Elasticity, axial_response
from matgym.physics.mechanics.lammps import TERSOFF_BNC
from matgym.physics.mechanics.relaxation import relax, relaxed_pristine
from matgym.physics.mechanics.tersoff import BondGraph
from matgym.structures import Nanotube, Species
from matgym.testing import check_model

ORACLE = Elasticity()

DIFFERENCE_TOLERANCE = 1e-6  # relative, of second differences with strains of 1e-3
SAME_TUBE_TOLERANCE = 1e-9  # relative


def test_is_an_oracle():
    check_model(ORACLE)


@pytest.mark.parametrize(("n", "m"), [(9, 0), (10, 0), (17, 0), (5, 5), (10, 10), (8, 4), (6, 5), (12, 4), (30, 30)])
def test_young_is_about_one_terapascal(n, m):
    """Hung, Truong, Thanh and Saito, Comput. Mater. Sci. 114, 167 (2016): about 1.0 TPa for d > 0.7 nm."""
    young = ORACLE.predict([Nanotube(n, m)])["young_gpa"][0]
    assert young == pytest.approx(1000.0, abs=60.0)


def test_thin_tubes_are_softer_and_wide_tubes_have_equal_stiffness():
    """Lu, Phys. Rev. Lett. 79, 1297 (1997), abstract: elastic moduli are insensitive to size and helicity."""
    found = ORACLE.predict([Nanotube(*nm) for nm in [(5, 0), (10, 0), (20, 0), (40, 0), (80, 0), (46, 46)]])
    young = found["young_gpa"]
    assert (np.diff(young[:5]) > 0.0).all()
    assert young[4] == pytest.approx(young[5], rel=1e-3)
    assert found["poisson_ratio"][4] == pytest.approx(found["poisson_ratio"][5], abs=1e-3)


def test_stiffness_of_a_wide_tube_is_that_of_graphene():
    """340 ± 50 N/m: Lee, Wei, Kysar and Hone, Science 321, 385 (2008)."""
    young = ORACLE.predict([Nanotube(60, 60)])["young_gpa"][0]
    assert young * 0.34 == pytest.approx(340.0, abs=50.0)  # GPa nm = N/m


@pytest.mark.parametrize(("n", "m", "strain"), [(10, 0, 0.0), (5, 5, 0.0), (4, 2, 0.0), (6, 6, 0.04)])
def test_moduli_of_a_pristine_tube_by_its_helix_and_by_all_atoms_agree(n, m, strain):
    """The Hessian of all atoms and the four variables of the helix give the same modulus."""
    cell = relaxed_pristine(n, m, strain)
    rest = relax(Nanotube(n, m, 3, strain=strain), free_length=True)
    stiffness, follow = axial_response(rest)
    assert 3.0 * stiffness == pytest.approx(cell.stiffness_ev_per_square_angstrom, rel=SAME_TUBE_TOLERANCE)
    across = rest.positions[:, :2]
    slope = (across * follow[:, :2]).sum(axis=1) / np.linalg.norm(across, axis=1)
    assert 3.0 * slope.mean() == pytest.approx(cell.radius_slope, rel=1e-6)


@pytest.mark.parametrize(("n", "m"), [(10, 0), (5, 5), (6, 2)])
def test_moduli_are_the_differences_of_lammps_energies(n, m):
    """Energies at five strains, at radii where the forces of LAMMPS vanish."""
    from ase import Atoms

    try:
        calculator = TERSOFF_BNC()
    except MissingExtraError as error:
        pytest.skip(str(error))
    step, tube = 1e-3, Nanotube(n, m, 2)
    energies, radii = [], []
    for k in (-2, -1, 0, 1, 2):
        cell = relaxed_pristine(n, m, k * step)
        positions = cell.positions(2)
        box = [60.0, 60.0, 2.0 * cell.period_angstrom]
        atoms = Atoms(["C"] * len(positions), positions=np.add(positions, [30.0, 30.0, 0.0]), cell=box, pbc=True)
        atoms.calc = calculator
        assert np.abs(atoms.get_forces()).max() < 1e-9
        energies.append(atoms.get_potential_energy())
        radii.append(np.linalg.norm(positions[:, :2], axis=1).mean())
    calculator.clean()
    curvature = np.dot([-1.0, 16.0, -30.0, 16.0, -1.0], energies) / (12.0 * step**2)  # eV
    length, radius = 2.0 * relaxed_pristine(n, m).period_angstrom, radii[2]
    young = curvature / (2.0 * np.pi * radius * 3.4 * length) * 160.2176634  # eV/Å³ in GPa
    poisson = -np.dot([1.0, -8.0, 0.0, 8.0, -1.0], radii) / (12.0 * step) / radius
    found = ORACLE.predict([tube])
    assert found["young_gpa"][0] == pytest.approx(young, rel=DIFFERENCE_TOLERANCE)
    assert found["poisson_ratio"][0] == pytest.approx(poisson, rel=DIFFERENCE_TOLERANCE)


def test_decorated_moduli_are_second_differences_of_relaxed_energies():
    tube = Nanotube(6, 3, 1).decorated({3: "B", 40: "N", 70: "vacancy"})
    tube = tube.turned((20, int(tube.lattice.neighbours[20, 0])))
    step = 1e-3
    rests = [relax(tube.strained(k * step), free_length=True) for k in (-2, -1, 0, 1, 2)]
    length = rests[2].period_angstrom
    curvature = np.dot([-1.0, 16.0, -30.0, 16.0, -1.0], [rest.energy_ev for rest in rests]) / (12.0 * step**2)
    stiffness, _ = axial_response(rests[2])
    assert stiffness * length**2 == pytest.approx(curvature, rel=1e-5)


def test_boron_nitride_is_softer_than_carbon():
    """Published DFT: 0.7 to 0.9 TPa (Hernández, Goze, Bernier and Rubio, Phys. Rev. Lett. 80, 4502 (1998), flag M)."""
    tube = Nanotube(10, 10, 2)
    bn = tube.with_species(np.repeat([Species.B, Species.N], tube.n_sites // 2))
    young = ORACLE.predict([tube, bn])["young_gpa"]
    assert 0.7 * young[0] < young[1] < 0.95 * young[0]


def test_defects_soften_and_isotopes_do_not():
    tube = Nanotube(8, 0, 4)
    hole = tube.decorated({5: "vacancy"})
    turned = tube.turned((20, int(tube.lattice.neighbours[20, 0])))
    heavy = tube.with_species(np.full(tube.n_sites, Species.C13))
    young = ORACLE.predict([tube, hole, turned, heavy])["young_gpa"]
    assert young[1] < young[0]
    assert young[2] < young[0]
    assert young[3] == young[0]


def test_failures_are_recorded_by_row():
    tube = Nanotube(6, 0, 6)
    z = tube.lattice.site_fractions[:, 1]
    cut = tube.with_species(np.where(np.abs(z - 0.5) < 0.1, Species.VACANCY, Species.C12))
    found = ORACLE.predict([tube, cut])
    assert list(found.reasons) == [1]
    assert "cut in two" in found.reasons[1]
    assert np.isnan(found["young_gpa"][1])
    assert np.isfinite(found["young_gpa"][0])
    assert len(BondGraph.of(cut)) < tube.n_sites
