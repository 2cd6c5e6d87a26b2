"""Images: against abTEM (stored, made by scripts/studies/characterization/abtem_reference.py), and analytic limits."""

import json
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

from matgym.characterization.diffraction import amplitude
from matgym.characterization.electrons import ElectronBeam, scattering_factors
from matgym.characterization.grids import Grid
from matgym.characterization.imaging import Camera, Lens, hrtem
from matgym.characterization.poses import Poses
from matgym.characterization.scanning import DarkField, cross_section_angstrom2, stem
from matgym.characterization.specimens import Specimen, along_axis
from matgym.errors import ConfigurationError, StructureError
from matgym.structures import Nanotube
from scripts.studies.characterization import abtem_reference as abtem

DATA = Path(__file__).parent / "data"
PIXELS = 96


@pytest.fixture(scope="module")
def stored():
    with np.load(DATA / "abtem.npz") as arrays:
        return dict(arrays)


def middle(array):
    start = array.shape[0] // 2 - PIXELS // 2
    return array[start : start + PIXELS, start : start + PIXELS]


def lens_of(condition):
    return Lens(
        condition["defocus_nm"], condition["cs_mm"], condition["astigmatism_nm"], 0.0, condition["focal_spread_nm"],
        abtem.CONVERGENCE_MRAD, abtem.APERTURE_MRAD,
    )  # fmt: skip


@pytest.mark.parametrize("number", range(len(abtem.HRTEM)))
def test_multislice_images_are_those_of_abtem(stored, number):
    condition = abtem.HRTEM[number]
    camera = Camera(pixels=PIXELS, spread_pixels=0.0)
    assert (camera.grid().points, camera.grid().pitch_angstrom) == (abtem.POINTS, abtem.PITCH)
    image = hrtem(
        [abtem.tube()], beam=ElectronBeam(condition["voltage_kv"]), lens=lens_of(condition), camera=camera,
        rms_angstrom=0.0,
    )[0]  # fmt: skip
    expected = middle(stored[f"hrtem_{number}"])
    assert np.sqrt(((image - expected) ** 2).mean()) < 0.03 * expected.std()
    assert np.corrcoef(image.ravel(), expected.ravel())[0, 1] > 0.9995


def test_dark_field_images_are_those_of_abtem(stored):
    camera = Camera(pixels=abtem.SCAN, pixel_angstrom=abtem.STEP, spread_pixels=0.0)
    settings = abtem.STEM
    image = stem(
        [abtem.tube()],
        Poses.of(1, shift_angstrom=0.0),
        beam=ElectronBeam(80.0),
        lens=Lens(settings["defocus_nm"], 0.0, aperture_mrad=settings["aperture_mrad"]),
        detector=DarkField(settings["inner_mrad"], settings["outer_mrad"], source_angstrom=0.0),
        camera=camera,
        rms_angstrom=0.0,
    )[0]
    expected = stored["stem"]
    assert np.corrcoef(image.ravel(), expected.ravel())[0, 1] > 0.98
    assert image.sum() == pytest.approx(expected.sum(), rel=0.1)


@pytest.mark.parametrize(("voltage", "tolerance"), [(80.0, 0.08), (300.0, 0.04)])
def test_kinematic_diffraction_is_that_of_abtems_exit_wave(stored, voltage, tolerance):
    """The multislice exit wave scatters several times; the difference falls with the voltage."""
    beam, specimen = ElectronBeam(voltage), Specimen.of(abtem.tube())
    positions = specimen.positions @ Poses.of(1).rotation(0).T
    area = (abtem.POINTS * abtem.PITCH) ** 2
    q = np.arange(-abtem.REACH, abtem.REACH + 1) / (abtem.POINTS * abtem.PITCH)
    field = amplitude(positions, specimen.numbers, np.ones(len(positions)), q, q, beam)
    ours = (beam.gamma * beam.wavelength_angstrom / area * np.abs(field)) ** 2
    theirs = stored[f"diffraction_{voltage:.0f}"]
    far = np.hypot(q[:, None], q) > 0.1  # without the direct beam
    best = min(
        np.sqrt(((each - theirs)[far] ** 2).mean()) / np.sqrt((theirs[far] ** 2).mean())
        for each in (ours, ours[::-1, ::-1])  # the sign of the phase is a convention
    )
    assert best < tolerance


# ---- analytic limits


def test_the_linear_image_is_the_limit_of_a_thin_light_object():
    """One hydrogen atom at 1 MeV: the square of the phase is negligible."""
    atom, beam = Atoms("H", [(0.0, 0.0, 0.0)]), ElectronBeam(1000.0)
    camera, lens = Camera(pixels=64), Lens(20.0, 0.5)
    full, linear = (
        hrtem([atom], beam=beam, lens=lens, camera=camera, method=method)[0] - 1.0
        for method in ("multislice", "weak_phase")
    )
    assert np.abs(full - linear).max() < 0.01 * np.abs(linear).max()


def test_multislice_approaches_the_linear_image_with_the_voltage():
    tube, camera = Nanotube(8, 4), Camera(pixels=64)

    def nonlinear(voltage):
        both = [
            hrtem([tube], beam=ElectronBeam(voltage), lens=Lens(), camera=camera, method=method)[0]
            for method in ("multislice", "weak_phase")
        ]
        return np.sqrt(((both[0] - both[1]) ** 2).mean()) / both[1].std()

    assert nonlinear(1000.0) < nonlinear(300.0) < nonlinear(80.0)


def test_the_linear_image_of_one_atom_is_its_transfer_function():
    """The transform of the image of an atom at the origin is 2 γ λ f sin(χ); zero at the zeros of sin(χ)."""
    beam = ElectronBeam(200.0)
    lens = Lens(20.0, 0.02, focal_spread_nm=0.0, convergence_mrad=0.0, aperture_mrad=500.0)  # blurs by 5 Å
    camera = Camera(pixels=256, spread_pixels=0.0)
    image = hrtem(
        [Atoms("C", [(0.0, 0.0, 0.0)])], beam=beam, lens=lens, camera=camera, method="weak_phase", rms_angstrom=0.0
    )[0]
    found = np.fft.rfft2(np.fft.ifftshift(image - 1.0)).real[0] * camera.pixel_angstrom**2
    q = np.fft.rfftfreq(256, camera.pixel_angstrom)
    expected = 2.0 * beam.gamma * beam.wavelength_angstrom * scattering_factors(np.array([6]), q**2)[0]
    expected *= np.sin(lens.phase(beam, q, np.zeros_like(q)))
    low = q < 0.9
    assert np.abs(found - expected)[low].max() < 0.01 * np.abs(expected).max()


def test_scherzers_passband():
    """At Scherzer's defocus 1.2 √(Cs λ) the first zero is at √2.4 Cs^(-1/4) λ^(-3/4), and the contrast has one sign."""
    beam, cs_mm = ElectronBeam(200.0), 1.0
    lens = Lens.scherzer(beam, cs_mm)
    q = np.linspace(0.05, 0.6, 20001)
    sine = np.sin(lens.phase(beam, q, np.zeros_like(q)))
    first_zero = q[np.flatnonzero(np.diff(np.sign(sine)))[0]]
    published = np.sqrt(2.4) * (cs_mm * 1e7) ** -0.25 * beam.wavelength_angstrom**-0.75
    assert first_zero == pytest.approx(published, rel=1e-3)
    inside = (q > 0.2) & (q < 0.9 * first_zero)
    assert (sine[inside] < -0.6).all()


def test_a_phase_object_in_focus_without_aberrations_has_no_linear_contrast():
    lens = Lens(0.0, 0.0, focal_spread_nm=0.0, convergence_mrad=0.0)
    tube = Nanotube(8, 0)
    flat = hrtem([tube], lens=lens, method="weak_phase", slice_angstrom=100.0, camera=Camera(pixels=64))[0]
    assert np.abs(flat - 1.0).max() < 1e-3


def test_no_electron_is_lost_without_an_aperture():
    """Parseval: a pure phase object keeps the mean intensity; the band limit of the grid loses little of it."""
    lens = Lens(5.0, 0.01, focal_spread_nm=0.0, convergence_mrad=0.0, aperture_mrad=500.0)
    camera = Camera(pixels=128, pixel_angstrom=0.1, spread_pixels=0.0)
    atoms = Atoms("C2", [(0.0, 0.0, 0.0), (0.0, 0.0, 1.4)])
    image = hrtem([atoms], lens=lens, camera=camera, slice_angstrom=5.0)[0]
    assert image.mean() == pytest.approx(1.0, abs=2e-4)


def test_astigmatism_turns_with_its_direction():
    atom, camera = Atoms("C", [(0.0, 0.0, 0.0)]), Camera(pixels=65, pixel_angstrom=0.25)
    along_x, along_y = (hrtem([atom], lens=Lens(10.0, 0.0, 6.0, angle), camera=camera)[0] for angle in (0.0, 90.0))
    assert np.abs(along_x - along_y.T).max() < 1e-3 * np.abs(along_x - 1.0).max()
    assert np.abs(along_x - along_y).max() > 0.1 * np.abs(along_x - 1.0).max()


def test_shift_and_pixel_size():
    tube, camera = Nanotube(8, 0), Camera(pixels=64, pixel_angstrom=0.5)
    still, moved = (hrtem([tube], Poses.of(1, shift_angstrom=[x, 0.0, 0.0]), camera=camera)[0] for x in (0.0, 2.0))
    assert np.abs(np.roll(still, 4, axis=1) - moved)[:, 8:-8].max() < 2e-3
    fine = hrtem([tube], camera=Camera(pixels=128, pixel_angstrom=0.25, spread_pixels=1.0))[0]
    assert np.abs(fine[::2, ::2] - still).max() < 5e-3


def test_drift_blurs_along_its_direction_only():
    tube = Nanotube(9, 0)
    sharp, drifted = (
        hrtem([tube], camera=Camera(pixels=64, pixel_angstrom=4.26 / 16, drift_angstrom=drift))[0]
        for drift in ((0.0, 0.0), (0.0, 4.26))
    )
    # Over one period of 4.26 Å along the axis nothing of the lattice is left; the image holds four.
    assert drifted.std(axis=0).mean() < 0.05 * sharp.std(axis=0).mean()
    assert drifted.mean() == pytest.approx(sharp.mean(), abs=1e-3)


def test_defects_and_dopants_show():
    tube = Nanotube(8, 0, 3)
    poses = Poses.of(3)
    images = hrtem([tube, tube.decorated({40: "vacancy"}), tube.decorated({40: "N"})], poses, camera=Camera(pixels=64))
    vacancy, nitrogen = (np.abs(image - images[0]).max() for image in images[1:])
    assert vacancy > 0.02
    assert 0.0 < nitrogen < 0.3 * vacancy


def test_dark_field_intensity_is_the_cross_section_of_the_atoms():
    beam, detector = ElectronBeam(60.0), DarkField(70.0, 200.0)
    camera = Camera(pixels=128)
    atoms = Atoms("CN", [(-3.0, 0.0, 0.0), (3.0, 0.0, 0.0)])
    image = stem([atoms], beam=beam, detector=detector, camera=camera)[0]
    total = image.sum() * camera.pixel_angstrom**2
    expected = sum(cross_section_angstrom2(beam, detector, number) for number in (6, 7))
    # Beyond a radius r, the disk of Airy has a share of 2/(π v) of the probe, v = 2π r α/λ.
    outside = 2.0 / np.pi / (2.0 * np.pi * 16.0 * 0.03 / beam.wavelength_angstrom)
    assert total == pytest.approx(expected * (1.0 - outside), rel=0.01)
    left, right = image[:, :64].sum(), image[:, 64:].sum()
    assert right / left == pytest.approx((7 / 6) ** 1.7, rel=0.05)  # Z^1.7 of dark-field images: Krivanek (2010)


def test_the_grid_gives_transforms_of_points_between_its_own():
    grid, rng = Grid(96, 0.25), np.random.default_rng(0)
    places = rng.uniform(-8.0, 8.0, (7, 2))
    found = grid.transforms(places, np.zeros(7, dtype=np.int64), 1)[0] * (96 * 0.25) ** 2
    x, y = (places + 48 * 0.25).T[:, :, None, None]
    exact = np.exp(-2j * np.pi * (grid.q_columns * x + grid.q_rows[:, None] * y)).sum(axis=0)
    kept = grid.squared <= grid.limit**2
    assert np.abs(found - exact)[kept].max() < 7 * 1e-3
    assert np.abs(found - exact)[grid.squared <= (0.5 * grid.limit) ** 2].max() < 7 * 1e-5
    assert (found[~kept] == 0.0).all()


def test_repeated_tubes_join_at_their_ends():
    tube = Nanotube(6, 4, torsion=0.05)
    longer = Specimen.of(tube.repeated(3))
    pieces = along_axis(Specimen.of(tube), 60.0)
    shared = along_axis(longer, 60.0)
    order = [np.lexsort(np.round(each.positions, 6).T) for each in (pieces, shared)]
    difference = pieces.positions[order[0]] - shared.positions[order[1]]
    assert np.abs(difference).max() < 1e-9


def test_noise_is_poissons_and_repeatable():
    camera, image = Camera(pixels=64, dose_per_angstrom2=1e3), np.ones((2, 64, 64))
    first, again = (camera.expose(image, np.random.default_rng(1)) for _ in range(2))
    assert (first == again).all()
    assert first.var() == pytest.approx(1.0 / (1e3 * 0.25**2), rel=0.1)


def test_stored_times_belong_to_the_stored_images():
    times = json.loads((DATA / "abtem.json").read_text())
    assert times["versions"]["abtem"].startswith("1.0")
    assert times["hrtem_cpu_s"] > 0.0


def test_errors_name_the_value_and_the_fix():
    with pytest.raises(ConfigurationError, match=r"method='fast' is unknown: give 'multislice'"):
        hrtem([Nanotube(6, 5)], method="fast")
    with pytest.raises(ConfigurationError, match=r"inner_mrad=20.0 lies inside the probe's aperture of 30.0 mrad"):
        stem([Nanotube(6, 5)], detector=DarkField(20.0, 100.0))
    with pytest.raises(ConfigurationError, match=r"inner_mrad=90.0 is not below outer_mrad=80.0"):
        DarkField(90.0, 80.0)
    with pytest.raises(ConfigurationError, match=r"2 poses do not fit 1 structures"):
        hrtem([Nanotube(6, 5)], Poses.of(2))
    with pytest.raises(StructureError, match="without atoms has no image"):
        hrtem([Atoms()])
    with pytest.raises(StructureError, match="is not along z"):
        hrtem([Atoms("C", cell=[[9, 0, 0], [0, 9, 0], [1, 0, 9]], pbc=True)])
