"""Compute images and diffraction of one tube with abTEM, as references of tests/characterization.

abTEM is under the GPL, and matgym neither contains nor imports it. The script needs abTEM 1.0 and ASE only:

    python3.11 -m venv /tmp/abtem-env
    /tmp/abtem-env/bin/pip install abtem==1.0.11
    /tmp/abtem-env/bin/python -m scripts.studies.characterization.abtem_reference

It takes about two minutes and writes abtem.npz, with images in float32, and abtem.json with times and versions, into
tests/characterization/data. The tube is a finite (10, 5) of ASE with a vacancy and a boron and a nitrogen atom.
"""

import json
import os
import platform
import time
import warnings
from pathlib import Path

import numpy as np

DATA = Path(__file__).parents[3] / "tests" / "characterization" / "data"
POINTS, PITCH = 140, 0.25  # the grid of matgym for an image of 96 pixels of 0.25 Å
FINER = 4  # grid points of abTEM for one of matgym: it spreads atoms linearly over its grid, which damps them by 3 %
DEPTH = 20.0  # Å, of the cell along the beam
FINE_SLICE = 0.5  # Å
VACANCY, BORON, NITROGEN = 60, 61, 95
HRTEM = (
    {"voltage_kv": 80.0, "defocus_nm": 6.0, "cs_mm": -0.01, "astigmatism_nm": 0.0, "focal_spread_nm": 3.0},
    {"voltage_kv": 80.0, "defocus_nm": -4.0, "cs_mm": 0.02, "astigmatism_nm": 2.0, "focal_spread_nm": 4.0},
    {"voltage_kv": 200.0, "defocus_nm": 55.0, "cs_mm": 1.0, "astigmatism_nm": 0.0, "focal_spread_nm": 6.0},
    {"voltage_kv": 300.0, "defocus_nm": 45.0, "cs_mm": 0.8, "astigmatism_nm": 3.0, "focal_spread_nm": 3.0},
)
REACH = 30  # frequencies of the stored diffraction patterns: 30/35 Å
CONVERGENCE_MRAD, APERTURE_MRAD = 0.3, 40.0
SCAN, STEP = 24, 0.5  # positions in a row, and their distance, Å
STEM = {"inner_mrad": 60.0, "outer_mrad": 150.0, "aperture_mrad": 30.0, "defocus_nm": 1.0}


def tube():
    """Return the tube along z, centred as matgym centres atoms."""
    from ase.build import nanotube

    atoms = nanotube(10, 5, length=2, bond=1.42)
    atoms.set_pbc(False)
    del atoms.constraints
    atoms.numbers[[BORON, NITROGEN]] = 5, 7
    del atoms[VACANCY]
    return atoms


def image_positions(atoms):
    """Return positions in the image: the axis along y, the beam along z, the origin in the middle."""
    positions = atoms.get_positions()
    low, high = positions[:, :2].min(axis=0), positions[:, :2].max(axis=0)
    x, y = (positions[:, :2] - (low + high) / 2.0).T
    return np.stack([x, positions[:, 2] - positions[:, 2].mean(), -y], axis=1)


def potential(points, extent, slice_angstrom):
    import abtem
    from ase import Atoms

    atoms = tube()
    middle = np.array([points // 2 * extent / points] * 2 + [DEPTH / 2.0])
    placed = Atoms(atoms.numbers, image_positions(atoms) + middle, cell=[extent, extent, DEPTH], pbc=True)
    return abtem.Potential(
        placed, gpts=points, slice_thickness=slice_angstrom, parametrization="peng", projection="infinite"
    ).build(lazy=False)


def image(slices, condition):
    import abtem

    waves = abtem.PlaneWave(energy=1e3 * condition["voltage_kv"]).multislice(slices, lazy=False)
    transfer = abtem.CTF(
        semiangle_cutoff=APERTURE_MRAD,
        soft=False,
        defocus=10.0 * condition["defocus_nm"] + DEPTH / 2.0,  # from the middle of the tube instead of the exit
        Cs=1e7 * condition["cs_mm"],
        astigmatism=-10.0 * condition["astigmatism_nm"],
        focal_spread=10.0 * np.sqrt(2.0) * condition["focal_spread_nm"],
        angular_spread=np.sqrt(2.0) * CONVERGENCE_MRAD,
    )
    return waves.apply_ctf(transfer).intensity().array.T  # rows are y


def scanned():
    """Return the dark-field image, and the CPU time that it took, s."""
    import abtem

    points, extent = 500, POINTS * PITCH
    middle, half = points // 2 * extent / points, SCAN * STEP / 2.0
    defocus = 10.0 * STEM["defocus_nm"] + DEPTH / 2.0  # from the middle of the tube instead of the entrance
    probe = abtem.Probe(energy=80e3, semiangle_cutoff=STEM["aperture_mrad"], soft=False, defocus=defocus)
    places = middle - half + STEP * np.arange(SCAN)
    slices = potential(points, extent, 2.0)
    ring = abtem.AnnularDetector(STEM["inner_mrad"], STEM["outer_mrad"])
    start = time.process_time()
    rows = []
    for y in places:  # all at once would take 6 GB
        scan = abtem.CustomScan(np.stack([places, np.full(SCAN, y)], axis=1))
        rows.append(probe.scan(slices, scan=scan, detectors=ring, lazy=False).array)
    return np.array(rows), time.process_time() - start


def main():
    warnings.filterwarnings("ignore")
    import abtem

    abtem.config.set({"device": "cpu", "precision": "float32", "local_diagnostics.progress_bar": False})
    arrays, times = {}, {}
    fine = potential(FINER * POINTS, POINTS * PITCH, FINE_SLICE)
    for number, condition in enumerate(HRTEM):
        arrays[f"hrtem_{number}"] = image(fine, condition)[::FINER, ::FINER]
    taken = []
    for _ in range(10):
        start = time.process_time()
        image(potential(POINTS, POINTS * PITCH, 2.0), HRTEM[0])
        taken.append(time.process_time() - start)
    times["hrtem_cpu_s"] = min(taken)
    for voltage in (80.0, 300.0):
        waves = abtem.PlaneWave(energy=1e3 * voltage).multislice(fine, lazy=False)
        spectrum = np.fft.fftshift(np.abs(np.fft.fft2(waves.array.T) / (FINER * POINTS) ** 2) ** 2)
        kept = slice(FINER * POINTS // 2 - REACH, FINER * POINTS // 2 + REACH + 1)
        arrays[f"diffraction_{voltage:.0f}"] = spectrum[kept, kept]
    DATA.mkdir(parents=True, exist_ok=True)
    arrays["stem"], times["stem_cpu_s"] = scanned()
    np.savez_compressed(DATA / "abtem.npz", **{name: array.astype(np.float32) for name, array in arrays.items()})
    versions = {"abtem": abtem.__version__, "numpy": np.__version__, "python": platform.python_version()}
    cores = os.cpu_count()
    (DATA / "abtem.json").write_text(json.dumps({**times, "versions": versions, "cores": cores}, indent=1) + "\n")
    print(times)


if __name__ == "__main__":
    main()
