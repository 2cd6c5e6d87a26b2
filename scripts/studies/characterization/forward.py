"""Compare the forward models of characterization with independent ones, and measure their speed.

- Electron diffraction: layer lines against sums over atoms, for random chiralities and poses.
- HRTEM and dark-field images, and diffraction of an exit wave, against stored results of abTEM.
- Powder patterns against pymatgen's calculator on its prototypes, and against sums of Voigt profiles.
- The breathing mode and optical lines against published relations and tables.

    python -m scripts.studies.characterization.forward

takes about five minutes on one core, needs pymatgen, and writes docs/results/forward.json and
docs/images/characterization-forward.png. Times are CPU times of one thread; the time of abTEM was measured by
`scripts/studies/characterization/abtem_reference.py` on the same machine.
"""

import json
import time
import warnings
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from scipy.special import voigt_profile

from matgym.characterization import (
    Camera,
    Crystal,
    DarkField,
    Detector,
    Diffractometer,
    ElectronBeam,
    Exposure,
    Lens,
    Photometer,
    Poses,
    Powder,
    Spectrometer,
    absorption_spectra,
    atom_patterns,
    hrtem,
    powder_patterns,
    raman_spectra,
    stem,
    tube_patterns,
)
from matgym.characterization.diffraction import amplitude
from matgym.characterization.powder import FWHM, sticks, widths
from matgym.characterization.raman import raman_bands
from matgym.characterization.specimens import Specimen
from matgym.physics.phonons.named_modes import named_modes
from matgym.structures import Nanotube
from scripts.studies.characterization import abtem_reference as abtem
from scripts.studies.common import ROOT, Study, print_markdown

TABLES = ROOT / "tests" / "physics" / "data"
PIXELS = 96


@dataclass(frozen=True)
class Settings:
    """The settings of the comparison."""

    compared: int = 24  # patterns against sums over atoms
    patterns: int = 1000
    images: int = 50
    prototypes: int = 288
    wave_lengths: tuple[float, ...] = (80.0, 300.0)
    seed: int = 20261130


QUICK = Settings(compared=2, patterns=20, images=2, prototypes=12)


def chiralities(low_nm=0.6, high_nm=2.0):
    """Return all (n, m) of a range of diameters."""
    every = [(n, m) for n in range(1, 27) for m in range(n + 1)]
    return np.array([pair for pair in every if low_nm <= Nanotube(*pair).diameter_nm <= high_nm])


def timed(function, *arguments, **keywords):
    """Return the CPU time of a call, s, and its result."""
    start = time.process_time()
    result = function(*arguments, **keywords)
    return time.process_time() - start, result


def row(model, reference, compared, largest, rms, seconds, speedup=None):
    """Return a row of the table; differences are relative to the quantity that `compared` names."""
    per_second = None if seconds is None else 1.0 / seconds
    return {
        "model": model,
        "reference": reference,
        "relative_to": compared,
        "largest": largest,
        "rms": rms,
        "per_second": per_second,
        "reference_time": speedup,
    }


def relative(found, expected, scale):
    """Return the largest and the rms difference, relative to a scale."""
    away = (np.asarray(found) - expected) / scale
    return float(np.abs(away).max()), float(np.sqrt((away**2).mean()))


def diffraction(settings, rng):
    shapes = chiralities()
    chosen = shapes[rng.integers(len(shapes), size=settings.compared)]
    poses = Poses.random(rng, settings.compared, tilt_deg=15.0)
    exposure = Exposure(length_nm=5.0)
    lines = tube_patterns(chosen, poses, exposure=exposure)
    taken, atoms = timed(atom_patterns, [Nanotube(*map(int, pair)) for pair in chosen], poses, exposure=exposure)
    scale = atoms.max(axis=(1, 2), keepdims=True)
    many = shapes[rng.integers(len(shapes), size=settings.patterns)]
    poses = Poses.random(rng, settings.patterns)
    tube_patterns(many, poses)  # fills the table of Bessel functions
    seconds = timed(tube_patterns, many, poses)[0] / settings.patterns
    against = row(
        f"diffraction of tubes, 64², {len(shapes)} chiralities of 0.6 to 2.0 nm",
        f"sum over atoms, {settings.compared} random tubes and poses",
        "largest pixel",
        *relative(lines, atoms, scale),
        seconds,
        taken / settings.compared / seconds,
    )
    stored = np.load(abtem.DATA / "abtem.npz")
    rows = [against]
    for voltage in settings.wave_lengths:
        beam, specimen = ElectronBeam(voltage), Specimen.of(abtem.tube())
        positions = specimen.positions @ Poses.of(1).rotation(0).T
        side = abtem.POINTS * abtem.PITCH
        q = np.arange(-abtem.REACH, abtem.REACH + 1) / side
        field = amplitude(positions, specimen.numbers, np.ones(len(positions)), q, q, beam)
        ours = (beam.gamma * beam.wavelength_angstrom / side**2 * np.abs(field)) ** 2
        theirs = stored[f"diffraction_{voltage:.0f}"]
        far = np.hypot(q[:, None], q) > 0.1
        best = min((relative(each[far], theirs[far], theirs[far].max()) for each in (ours, ours[::-1, ::-1])), key=max)
        rows.append(row(f"sum over atoms, {voltage:.0f} kV", "abTEM, exit wave", "largest pixel", *best, None))
    return rows


def images(settings):
    stored, times = np.load(abtem.DATA / "abtem.npz"), json.loads((abtem.DATA / "abtem.json").read_text())
    camera = Camera(pixels=PIXELS, spread_pixels=0.0)
    tubes, poses = [Nanotube(10, 5)] * settings.images, Poses.of(settings.images, tilt_deg=3.0, turn_deg=20.0)
    start = (abtem.POINTS - PIXELS) // 2
    rows = []
    for method in ("multislice", "weak_phase"):
        hrtem(tubes[:1], camera=camera, method=method)
        seconds = timed(hrtem, tubes, poses, camera=camera, method=method)[0] / settings.images
        for number, condition in enumerate(abtem.HRTEM):
            lens = Lens(
                condition["defocus_nm"],
                condition["cs_mm"],
                condition["astigmatism_nm"],
                0.0,
                condition["focal_spread_nm"],
                abtem.CONVERGENCE_MRAD,
                abtem.APERTURE_MRAD,
            )
            beam = ElectronBeam(condition["voltage_kv"])
            image = hrtem([abtem.tube()], beam=beam, lens=lens, camera=camera, method=method, rms_angstrom=0.0)[0]
            theirs = stored[f"hrtem_{number}"][start : start + PIXELS, start : start + PIXELS]
            label = f"HRTEM, {method.replace('_', ' ')}, {beam.voltage_kv:.0f} kV, Cs {lens.cs_mm:g} mm, {PIXELS}²"
            found = relative(image, theirs, np.ptp(theirs))
            rows.append(row(label, "abTEM", "range of the image", *found, seconds, times["hrtem_cpu_s"] / seconds))
    scan = Camera(pixels=abtem.SCAN, pixel_angstrom=abtem.STEP, spread_pixels=0.0)
    probe = Lens(abtem.STEM["defocus_nm"], 0.0, aperture_mrad=abtem.STEM["aperture_mrad"])
    ring = DarkField(abtem.STEM["inner_mrad"], abtem.STEM["outer_mrad"], source_angstrom=0.0)
    image = stem([abtem.tube()], beam=ElectronBeam(80.0), lens=probe, detector=ring, camera=scan, rms_angstrom=0.0)[0]
    seconds = timed(stem, tubes, poses, camera=scan)[0] / settings.images
    found = relative(image, stored["stem"], np.ptp(stored["stem"]))
    label = f"dark-field STEM, 80 kV, {abtem.SCAN}²"
    rows.append(row(label, "abTEM", "range of the image", *found, seconds, times["stem_cpu_s"] / seconds))
    for pixels in (64, 128):
        camera = Camera(pixels=pixels)
        for method in ("multislice", "weak_phase"):
            hrtem(tubes[:1], camera=camera, method=method)
            seconds = timed(hrtem, tubes, poses, camera=camera, method=method)[0] / settings.images
            rows.append(row(f"HRTEM, {method.replace('_', ' ')}, {pixels}²", None, None, None, None, seconds))
    return rows


def powder(settings):
    from pymatgen.analysis.diffraction.xrd import XRDCalculator
    from pymatgen.analysis.prototypes import AFLOW_PROTOTYPE_LIBRARY

    structures = [each["snl"].structure for each in AFLOW_PROTOTYPE_LIBRARY[: settings.prototypes]]
    calculator, instrument = XRDCalculator(1.54056), Diffractometer()
    away, taken = [], 0.0
    for structure in structures:
        seconds, theirs = timed(calculator.get_pattern, structure, scaled=False, two_theta_range=(5.0, 90.0))
        taken += seconds
        angle, height = sticks(structure, instrument)
        inside = (angle >= 5.0) & (angle <= 90.0)
        every = np.sort(np.concatenate([angle[inside], theirs.x]))
        gaps = np.flatnonzero(np.diff(every) > 1e-3)
        edges = (every[gaps] + every[gaps + 1]) / 2.0
        ours, expected = (
            np.bincount(np.searchsorted(edges, x), y, len(edges) + 1)
            for x, y in ((angle[inside], height[inside]), (theirs.x, theirs.y))
        )
        away.append((ours - expected) / expected.max())
    crystals = [Crystal.of(structure) for structure in structures]
    powder_patterns(crystals[:1])
    seconds = timed(powder_patterns, crystals)[0] / len(crystals)
    every = np.concatenate(away)
    rows = [
        row(
            f"powder patterns, {len(instrument.two_theta_deg):,} angles",
            f"pymatgen, reflections of {len(structures)} prototypes",
            "largest reflection",
            float(np.abs(every).max()),
            float(np.sqrt((every**2).mean())),
            seconds,
            taken / len(structures) / seconds,
        )
    ]
    profiles = []
    for structure in structures[:: max(len(structures) // 24, 1)]:
        for sample in (Powder(), Powder(size_nm=8.0, strain=0.01), Powder(size_nm=300.0)):
            angle, height = sticks(structure, instrument, sample)
            gaussian, lorentzian = widths(angle, sample, instrument)
            x = instrument.two_theta_deg
            voigt = voigt_profile(x - angle[:, None], (gaussian / FWHM)[:, None], (lorentzian / 2.0)[:, None])
            expected = height @ voigt
            profiles.append(powder_patterns([structure], sample, instrument)[0] - expected / expected.max())
    every = np.concatenate(profiles)
    found = float(np.abs(every).max()), float(np.sqrt((every**2).mean()))
    rows.append(row("powder profiles", "sums of Voigt profiles (SciPy)", "highest point", *found, None))
    return rows


def spectra(settings):
    shapes = chiralities(0.6, 1.4)
    semiconducting = [tuple(pair) for pair in shapes.tolist() if (pair[0] - pair[1]) % 3]
    rows = []
    for environment, chosen in (("air", shapes.tolist()), ("dispersed", shapes.tolist()), ("sds", semiconducting)):
        ours = np.array([raman_bands(n, m, 2.33, environment)[0].shift_cm for n, m in chosen])
        measured = np.array([214.4 / Nanotube(n, m).diameter_nm + 18.7 for n, m in chosen])
        label = f"breathing mode, {environment}, {len(chosen)} tubes"
        rows.append(
            row(label, "relation of Telg et al. (2004)", "frequency", *relative(ours, measured, measured), None)
        )
    few = [(8, 4), (10, 0), (6, 6), (9, 3), (7, 5), (11, 2)][: 2 if settings.prototypes < 288 else 6]
    ours = np.array([raman_bands(n, m, 2.33, "air")[0].shift_cm for n, m in few])
    computed = np.array([named_modes(Nanotube(n, m))["rbm"].frequency_cm for n, m in few])
    label = f"breathing mode, air, {len(few)} tubes"
    rows.append(row(label, "Tersoff's potential (named_modes)", "frequency", *relative(ours, computed, computed), None))
    seconds = timed(raman_spectra, shapes)[0] / len(shapes)
    rows.append(row(f"Raman spectra, {len(Spectrometer().shifts_cm):,} shifts", None, None, None, None, seconds))
    lines = (TABLES / "weisman_bachilo.csv").read_text(encoding="utf-8").splitlines()
    table = [tuple(map(float, line.split(","))) for line in lines if line[0].isdigit()]
    table = [each for each in table if 0.8 < each[2] < 1.4]
    grid = Photometer(0.7, 1.5, 3201)
    pairs = [(int(n), int(m)) for n, m, *_ in table]
    seconds, absorbed = timed(absorption_spectra, pairs, grid, environment="sds")
    peaks, expected = grid.energies_ev[absorbed.argmax(axis=1)], np.array([each[2] for each in table])
    label = f"absorption, peak of E11 in SDS, {len(table)} tubes"
    found = relative(peaks, expected, expected)
    rows.append(row(label, "table of Weisman and Bachilo (2003)", "energy", *found, seconds / len(table)))
    return rows


def draw(path):
    figure = Figure(figsize=(12.0, 7.6), layout="constrained")
    axes = figure.subplots(2, 3)
    rng = np.random.default_rng(1)
    tube = Nanotube(10, 5)
    poses = Poses.of(1, tilt_deg=4.0, spin_deg=20.0)
    detector = Detector(pixels=128, pixel_per_angstrom=0.0125)
    exposure = Exposure(dose_per_angstrom2=1e5, diffuse=0.2)
    counts = detector.expose(tube_patterns([(10, 5)], poses, detector=detector, exposure=exposure), rng)[0]
    reach = detector.frequencies[-1]
    axes[0, 0].imshow(np.sqrt(counts), cmap="magma", origin="lower", extent=(-reach, reach, -reach, reach))
    axes[0, 0].set(title="diffraction of (10,5), 10⁵ e/Å²", xlabel="1/Å", ylabel="1/Å")
    longer = tube.repeated(3)
    x, _, height = longer.positions_angstrom.T
    empty = int(np.hypot(x, height - 2.0).argmin())
    site = longer.decorated({empty: "vacancy"})
    where = 0.1 * (Poses.of(1, turn_deg=12.0).rotation(0) @ longer.positions_angstrom[empty])[:2]
    camera = Camera(pixels=128, dose_per_angstrom2=2e4)
    image = camera.expose(hrtem([site], Poses.of(1, turn_deg=12.0), camera=camera), rng)[0]
    half = camera.field_angstrom / 20.0
    axes[0, 1].imshow(image, cmap="gray", origin="lower", extent=(-half, half, -half, half))
    for panel in axes[0, 1:]:
        panel.add_patch(Circle(where, 0.17, fill=False, color="tab:orange"))
    axes[0, 1].set(title="HRTEM with a vacancy, 80 kV, 2·10⁴ e/Å²", xlabel="nm", ylabel="nm")
    scan = Camera(pixels=128, dose_per_angstrom2=1e6)
    image = scan.expose(stem([site], Poses.of(1, turn_deg=12.0), camera=scan), rng)[0]
    axes[0, 2].imshow(image, cmap="gray", origin="lower", extent=(-half, half, -half, half))
    axes[0, 2].set(title="dark-field STEM, 80 kV, 10⁶ e/Å²", xlabel="nm", ylabel="nm")
    from ase.build import bulk

    instrument = Diffractometer(start_deg=20.0, stop_deg=80.0, second_share=0.5)
    samples = [Powder(size_nm=60.0), Powder(size_nm=6.0, strain=0.003, background=(0.08, -0.03))]
    for shift, (pattern, name) in enumerate(
        zip(
            powder_patterns([bulk("Si")] * 2, samples, instrument), ("60 nm", "6 nm, strained, background"), strict=True
        )
    ):
        axes[1, 0].plot(instrument.two_theta_deg, pattern + 0.6 * shift, linewidth=1.0, label=name)
    axes[1, 0].set(title="powder patterns of silicon", xlabel="2θ, degrees", yticks=[])
    axes[1, 0].legend(frameon=False)
    spectrometer = Spectrometer(laser_ev=1.96)
    for shift, (pair, name) in enumerate((((7, 5), "(7,5)"), ((13, 4), "(13,4), metallic"))):
        spectrum = raman_spectra([pair], spectrometer, environment="air", defect_distance_nm=15.0)[0]
        axes[1, 1].plot(spectrometer.shifts_cm, spectrum / spectrum.max() + 0.8 * shift, linewidth=1.0, label=name)
    axes[1, 1].set(title="Raman, 633 nm, defects 15 nm apart", xlabel="Raman shift, cm⁻¹", yticks=[])
    axes[1, 1].legend(frameon=False)
    grid = Photometer()
    for pair in ((6, 5), (8, 4), (9, 9)):
        spectrum = absorption_spectra([pair], grid, environment="dispersed")[0]
        axes[1, 2].plot(grid.energies_ev, spectrum, linewidth=1.0, label=f"({pair[0]},{pair[1]})")
    axes[1, 2].set(title="absorption in water", xlabel="photon energy, eV", yticks=[])
    axes[1, 2].legend(frameon=False)
    figure.savefig(path, dpi=110, format="png")


def main():
    warnings.filterwarnings("ignore")
    study = Study.from_command_line("forward", __doc__, Settings(), QUICK)
    settings = study.settings
    rng = np.random.default_rng(settings.seed)
    rows = [*diffraction(settings, rng), *images(settings), *powder(settings), *spectra(settings)]
    print_markdown(
        [
            "forward model",
            "reference",
            "differences relative to",
            "largest",
            "rms",
            "per second",
            "time of the reference",
        ],
        [list(each.values()) for each in rows],
    )
    study.write({"rows": rows, "abtem": json.loads((abtem.DATA / "abtem.json").read_text())})
    study.picture("characterization-forward.png", draw)


if __name__ == "__main__":
    main()
