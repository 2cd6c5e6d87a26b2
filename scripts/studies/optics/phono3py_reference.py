"""Compute three-phonon linewidths of a pristine tube with phono3py: the stored reference of tests/physics.

phono3py takes the forces of LAMMPS (`TERSOFF_BNC`) at finite displacements, so neither the force constants nor the
scattering rates are matgym's. phono3py is no dependency of matgym: it lives in an environment of its own.

    python -m scripts.studies.optics.phono3py_reference geometry 5 5 WORK       # matgym's environment
    PHONO3PY_PYTHON scripts/studies/optics/phono3py_reference.py displace WORK  # pip install phono3py
    python -m scripts.studies.optics.phono3py_reference forces WORK             # matgym's environment
    PHONO3PY_PYTHON scripts/studies/optics/phono3py_reference.py collect WORK POINTS SIGMA_THZ OUTPUT.npz
    PHONO3PY_PYTHON scripts/studies/optics/phono3py_reference.py solve WORK POINTS OUTPUT.json SIGMA_THZ ...

The stored files are (5,5) with 20 points and (10,10) with 10 points at 0.5 THz, and κ of (5,5) with 20 points by both
methods at 0.2 and 0.1 THz. They were made with phono3py 4.10.0 in two minutes each, and four for (10,10).
"""

import json
import sys
from pathlib import Path

import numpy as np

REPEATS = 3  # cells of the supercell; force constants reach two bonds, 2.5 Å
DISPLACEMENT_ANGSTROM = 0.005
KELVIN = 300.0


def geometry(n: int, m: int, work: Path) -> None:
    """Store one relaxed cell."""
    from matgym.physics.mechanics.relaxation import relaxed_pristine

    rest = relaxed_pristine(n, m)
    work.mkdir(parents=True, exist_ok=True)
    np.savez(work / "cell.npz", positions=rest.positions(1), period=rest.period_angstrom, shape=[n, m])


def _phono3py(work: Path):
    from phono3py import Phono3py
    from phonopy.structure.atoms import PhonopyAtoms

    stored = np.load(work / "cell.npz")
    positions = stored["positions"] + [20.0, 20.0, 0.0]
    cell = PhonopyAtoms(
        symbols=["C"] * len(positions),
        positions=positions,
        cell=np.diag([40.0, 40.0, float(stored["period"])]),
        masses=[12.0] * len(positions),
    )
    return Phono3py(cell, np.diag([1, 1, REPEATS]), primitive_matrix=np.eye(3))


def displace(work: Path) -> None:
    """Store the displaced supercells."""
    phonons = _phono3py(work)
    phonons.generate_displacements(distance=DISPLACEMENT_ANGSTROM, is_plusminus=True)
    supercell = phonons.supercell
    stored = [displaced.positions for displaced in phonons.supercells_with_displacements]
    np.savez(work / "displaced.npz", positions=stored, cell=supercell.cell)
    print(len(stored), "supercells of", len(supercell), "atoms")


def forces(work: Path) -> None:
    """Store the forces of LAMMPS on each displaced supercell."""
    from ase import Atoms

    from matgym.physics.mechanics.lammps import TERSOFF_BNC

    stored = np.load(work / "displaced.npz")
    positions = stored["positions"]
    atoms = Atoms(f"C{positions.shape[1]}", positions[0], cell=stored["cell"], pbc=True)
    calculator = TERSOFF_BNC()
    atoms.calc = calculator
    found = np.empty(positions.shape)
    for row, displaced in enumerate(positions):
        atoms.positions = displaced
        found[row] = atoms.get_forces()
    calculator.clean()
    np.save(work / "forces.npy", found)


def collect(work: Path, points: int, sigma_thz: float, output: Path) -> None:
    """Store frequencies, THz, and linewidths, THz, at the q-points of a mesh along the axis, and κ times area."""
    phonons = _phono3py(work)
    phonons.generate_displacements(distance=DISPLACEMENT_ANGSTROM, is_plusminus=True)
    phonons.forces = np.load(work / "forces.npy")
    phonons.produce_fc2()
    phonons.produce_fc3()
    phonons.mesh_numbers = [1, 1, points]
    phonons.sigmas = [sigma_thz]
    phonons.init_phph_interaction()
    phonons.run_thermal_conductivity(temperatures=[KELVIN])
    found = phonons.thermal_conductivity
    volume = phonons.primitive.volume  # Å³; W/(m K) are of this box
    period = phonons.primitive.cell[2, 2]
    np.savez_compressed(
        output,
        shape=np.load(work / "cell.npz")["shape"],
        qpoints=found.qpoints[:, 2],
        frequencies_thz=found.frequencies,
        linewidths_thz=np.asarray(found.gamma)[0, 0],
        kappa_area_w_nm2_mk=np.asarray(found.kappa)[0, 0, 2] * volume / period / 100.0,
        points=points,
        sigma_thz=sigma_thz,
        temperature_k=KELVIN,
    )
    print("kappa times area", np.asarray(found.kappa)[0, 0, 2] * volume / period / 100.0, "W nm²/(m K)")


def solve(work: Path, points: int, output: Path, sigmas_thz: list[float]) -> None:
    """Store κ times area by the relaxation-time approximation and by the direct solution, W nm²/(m K)."""
    phonons = _phono3py(work)
    phonons.generate_displacements(distance=DISPLACEMENT_ANGSTROM, is_plusminus=True)
    phonons.forces = np.load(work / "forces.npy")
    phonons.produce_fc2()
    phonons.produce_fc3()
    phonons.mesh_numbers = [1, 1, points]
    phonons.sigmas = sigmas_thz
    phonons.init_phph_interaction()
    phonons.run_thermal_conductivity(temperatures=[KELVIN], is_LBTE=True)
    found = phonons.thermal_conductivity
    across = phonons.primitive.volume / phonons.primitive.cell[2, 2] / 100.0
    content = {
        "shape": np.load(work / "cell.npz")["shape"].tolist(),
        "points": points,
        "temperature_k": KELVIN,
        "sigma_thz": sigmas_thz,
        "relaxation_time": (np.asarray(found.kappa_RTA)[:, 0, 2] * across).tolist(),
        "direct": (np.asarray(found.kappa)[:, 0, 2] * across).tolist(),
    }
    output.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    command, *words = sys.argv[1:]
    if command == "geometry":
        geometry(int(words[0]), int(words[1]), Path(words[2]))
    elif command == "displace":
        displace(Path(words[0]))
    elif command == "forces":
        forces(Path(words[0]))
    elif command == "solve":
        solve(Path(words[0]), int(words[1]), Path(words[2]), [float(sigma) for sigma in words[3:]])
    else:
        collect(Path(words[0]), int(words[1]), float(words[2]), Path(words[3]))
