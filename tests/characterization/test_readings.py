"""What instruments show of films and forests: forward models, estimators without learning, networks that read."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import dblquad
from scipy.optimize import curve_fit

from matgym.characterization.forests import (
    BEAM_UM,
    HOT_K,
    Q_PER_NM,
    SHIFTS_CM,
    Forest,
    Probes,
    cylinders,
    forest_scattering,
    forest_spectra,
    measured_forests,
)
from matgym.characterization.micrographs import DOTS, FADING, Microscope, Specimen, exposed, film_micrographs
from matgym.characterization.reading.curve_fit import CurveFit
from matgym.characterization.reading.fitting import (
    ReadingConfig,
    RecognitionFit,
    fit_reader,
    reading_figures,
    train_reader,
)
from matgym.characterization.reading.forests import QUANTITIES
from matgym.characterization.reading.grain_size import GrainCounting, correlation_radii, dot_counts, mean_intercepts
from matgym.characterization.reading.inputs import FilmInputs
from matgym.characterization.reading.learned import STORE, load_reader, reader_of, save_reader, shipped_reader
from matgym.characterization.reading.registry import READINGS, reading_of
from matgym.characterization.reading.tasks import Quantity, Scale
from matgym.characterization.recognition.tasks import Samples
from matgym.errors import ConfigurationError, RefusalError, WeightsError
from matgym.processes.annealing.microstructure import voronoi

# ---- forests


def forest(**given):
    """Return one tall forest of perfect tubes of 10 nm at 300 K, with other values where they are given."""
    values = {"diameter_nm": 10.0, "walls": 6.0, "length_um": 1e6, "disorder": 0.0, "amorphous": 0.0}
    values |= {"temperature_k": 300.0} | given
    return Forest(*(np.array([value]) for value in values.values()))


def probes(**given):
    """Return perfect instruments, with other values where they are given."""
    values = {"counts": 1e12, "resolution_cm": 0.0, "background": 0.0, "slope": 0.0, "radiation": 0.0}
    values |= {"photons": 1e6, "dark": 0.0, "spread": 0.0} | given
    return Probes(*(np.array([value]) for value in values.values()))


def lorentzians(x, *parameters):
    """Return a sum of Lorentzian lines of (height, place, half width)."""
    parts = np.reshape(parameters, (-1, 3))
    return sum(height / (1.0 + ((x - place) / half) ** 2) for height, place, half in parts)


def test_a_fit_of_three_lines_finds_d_over_g():
    spectrum = forest_spectra(forest(disorder=0.8), probes())[0]
    found = curve_fit(lorentzians, SHIFTS_CM, spectrum, [1.0, 1580.0, 15.0, 0.5, 1352.0, 30.0, 0.1, 1615.0, 12.0])[0]
    assert found[3] / found[0] == pytest.approx(0.8, rel=1e-4)
    assert found[[1, 4]] == pytest.approx([1582.0, 1350.0], abs=0.01)


def test_amorphous_carbon_fills_the_valley_between_d_and_g():
    shares = [0.0, 2.0, 20.0]
    spectra = [forest_spectra(forest(disorder=0.3, amorphous=soot), probes())[0] for soot in shares]
    valley = [spectrum[SHIFTS_CM == 1500.0][0] / spectrum.max() for spectrum in spectra]
    assert valley == sorted(valley)
    assert valley[0] < 0.1
    assert valley[2] > 0.5


def test_bands_shift_to_lower_frequencies_in_a_hot_forest_that_glows():
    hot, cold = (forest_spectra(forest(temperature_k=t), probes(radiation=0.2))[0] for t in (HOT_K, 300.0))
    assert SHIFTS_CM[hot.argmax()] < SHIFTS_CM[cold.argmax()] - 15.0
    assert cold.min() < 0.01
    assert hot.min() > 0.2  # by the definition of `radiation`
    # Planck's law in Wien's limit, with hν/k of 576 nm by the constants of CODATA.
    warm = forest_spectra(forest(temperature_k=1073.15, length_um=0.0), probes(radiation=0.2))[0]
    wien = np.exp(6.62607015e-34 * 2.99792458e8 / 576e-9 / 1.380649e-23 * (1 / HOT_K - 1 / 1073.15))
    assert warm == pytest.approx(0.2 * wien, rel=0.01)


def test_the_first_minimum_of_a_full_cylinder_is_at_the_first_zero_of_j1():
    radius = 3.8317 / Q_PER_NM[20]
    curve = cylinders(np.array([2.0 * radius]), np.array([1e3]), np.zeros(1), np.zeros(1))[0]
    assert curve.argmin() == 20
    assert curve[20] < 1e-9 * curve[0]


def test_a_hollow_cylinder_with_a_shell_scatters_as_the_integral_over_its_section_says():
    outer, walls, soot = 4.0, 5.0, 0.9
    inner = outer - 0.34 * 4.0
    curve = cylinders(np.array([2.0 * outer]), np.array([walls]), np.array([soot]), np.zeros(1))[0]

    def amplitude(q):
        """The transform of the section, by polar coordinates, in rings of one density."""
        rings = ((inner, outer, 1.0), (outer, outer + soot, 0.8))
        return sum(
            density * dblquad(lambda r, t: r * np.cos(q * r * np.cos(t)), 0.0, 2.0 * np.pi, low, high)[0]
            for low, high, density in rings
        )

    values = np.array([amplitude(Q_PER_NM[k]) ** 2 / Q_PER_NM[k] for k in (0, 12, 30)])
    assert curve[[0, 12, 30]] / curve[0] == pytest.approx(values / values[0], rel=1e-6)


def test_short_forests_give_little_signal_and_noise_has_the_variance_of_counts():
    short, tall = (forest_scattering(forest(length_um=length), probes())[0] for length in (0.01 * BEAM_UM, 1e6))
    assert short / tall == pytest.approx(0.00995, rel=1e-3)
    normals = np.random.default_rng(0).standard_normal((4000, 181))
    many = Forest(*(np.repeat(column, 4000) for column in forest(disorder=0.5)))
    instruments = Probes(*(np.repeat(column, 4000) for column in probes(counts=400.0, background=0.2)))
    measured = measured_forests(many, instruments, normals)
    expected = forest_spectra(many, instruments)[0]
    spread = measured[:, :141].std(axis=0)
    assert spread == pytest.approx(np.sqrt(expected / 400.0), rel=0.06)  # 5 standard errors of 4,000 values


def test_the_fit_of_curves_finds_a_forest_that_has_what_it_assumes():
    typical = probes(counts=1e4, resolution_cm=6.0, spread=0.15, dark=5.0, photons=1e5)
    given = forest(disorder=0.4, amorphous=1.5, temperature_k=1000.0)
    measured = measured_forests(given, typical, np.random.default_rng(1).standard_normal((1, 181)))
    values = CurveFit(QUANTITIES).read(measured).values[0]
    assert values == pytest.approx([10.0, 0.4, 1.5 / 7.5], rel=0.1)


# ---- micrographs

PLAIN = {"spread": 0.5, "orientation": 0.0, "boundary": 0.0, "particle": 0.0, "dot": 0.0}


def film(grains=60, particles=0):
    return voronoi(64, grains, particles, np.random.default_rng(0))[None]


def microscope(dose=1e12, slope=0.0, **given):
    values = (dose, *(PLAIN | given).values(), slope, 0.0)
    return Microscope(*(np.array([value]) for value in values))


def drawn(most=60):
    return Specimen.drawn(np.random.default_rng(1), most, 64, 64)


def test_a_film_without_contrast_is_bright_everywhere_and_its_noise_is_that_of_counts():
    image = film_micrographs(film(), np.ones(1), drawn(), microscope())
    assert image == pytest.approx(1.0)
    noisy = exposed(image, np.array([25.0]), np.random.default_rng(0).standard_normal(image.shape))
    assert noisy.std() == pytest.approx(0.2, rel=0.05)
    sloped = film_micrographs(film(), np.ones(1), drawn(), microscope(slope=0.1))[0]
    assert sloped[-1] - sloped[0] == pytest.approx(0.2 * 63.0 / 64.0)


def test_the_contrast_of_orientations_falls_with_defects_as_a_debye_waller_factor():
    images = [film_micrographs(film(), np.array([x]), drawn(), microscope(orientation=0.3)) for x in (0.0, 1.0)]
    assert images[1].std() / images[0].std() == pytest.approx(np.exp(-FADING))


def test_dots_are_as_many_as_defects_and_healed_ones_do_not_come_back():
    scope, specimen = microscope(dot=1.0, spread=0.01), drawn()
    dark = [film_micrographs(film(), np.array([x]), specimen, scope) < 0.9 for x in (1.0, 0.5)]
    count = dark[0].sum()
    assert abs(count - DOTS * 4096) < 4.0 * np.sqrt(DOTS * 4096)
    assert not (dark[1] & ~dark[0]).any()
    assert 0 < dark[1].sum() < count


def test_particles_are_bright_and_a_wide_probe_keeps_the_mean():
    labels = film(particles=400)
    sharp, blurred = (
        film_micrographs(labels, np.zeros(1), drawn(), microscope(particle=0.5, boundary=0.2, spread=width))
        for width in (0.01, 2.0)
    )
    assert sharp[0][labels[0] == 0].min() > sharp[0][labels[0] != 0].max()
    assert blurred.mean() == pytest.approx(sharp.mean())
    assert blurred.std() < 0.5 * sharp.std()


def test_films_of_a_batch_are_those_alone():
    labels = np.concatenate([film(60), film(90)])
    specimens = [drawn(90), Specimen.drawn(np.random.default_rng(2), 90, 64, 64)]
    scopes = [microscope(orientation=0.2, dot=0.3), microscope(boundary=0.2, spread=0.9)]
    together = film_micrographs(
        labels, np.array([0.2, 0.7]), Specimen(*map(np.concatenate, zip(*specimens, strict=True))),
        Microscope(*map(np.concatenate, zip(*scopes, strict=True))),
    )  # fmt: skip
    for row, defects in enumerate((0.2, 0.7)):
        alone = film_micrographs(labels[row : row + 1], np.array([defects]), specimens[row], scopes[row])
        np.testing.assert_allclose(together[row], alone[0], atol=1e-12)


# ---- grain size without learning


def test_intercepts_of_poisson_voronoi_cells_are_those_of_the_literature():
    lengths = []
    for seed in range(3):
        labels = voronoi(512, 300, 0, np.random.default_rng(seed))
        edges = (labels != np.roll(labels, 1, axis=0)) | (labels != np.roll(labels, 1, axis=1))
        length, error = mean_intercepts(edges[None])
        assert 0.0 < error[0] < 0.1 * length[0]
        lengths.append(length[0])
    # Meijering (1953): 2/√A of boundary for each area, so that lines are cut π√A/4 apart.
    assert np.mean(lengths) == pytest.approx(np.pi / 4.0 * 512.0 / np.sqrt(300.0), rel=0.05)


def test_intercepts_of_stripes_are_their_distance():
    stripes = np.zeros((1, 64, 64), dtype=bool)
    stripes[:, ::8] = True
    # Lines across cut every 8 pixels, and lines along cut none: rates are averaged.
    assert mean_intercepts(stripes)[0][0] == pytest.approx(16.0)


def test_the_correlation_radius_of_smoothed_noise_is_that_of_the_kernel():
    from scipy.ndimage import gaussian_filter

    noise = np.random.default_rng(0).standard_normal((20, 128, 128))
    images = gaussian_filter(noise, (0.0, 3.0, 3.0), mode="wrap")
    # Its autocorrelation is exp(-x²/4σ²), of which the half of that at x = 1 is at √(1 + 4σ² ln 2).
    assert correlation_radii(images).mean() == pytest.approx(np.sqrt(1.0 + 36.0 * np.log(2.0)), rel=0.05)


def test_isolated_dark_dots_are_counted():
    from scipy.ndimage import gaussian_filter

    image = 1.0 + 0.01 * np.random.default_rng(0).standard_normal((1, 96, 96))
    spots = np.zeros((1, 96, 96))
    spots[:, 8::16, 8::16] = 1.0
    image -= 2.0 * gaussian_filter(spots, (0.0, 1.0, 1.0))
    noise = dot_counts(image + 2.0 * gaussian_filter(spots, (0.0, 1.0, 1.0)))[0]
    assert dot_counts(image)[0] >= 36
    assert dot_counts(image)[0] - noise < 36


# ---- tasks, inputs, scales


@pytest.mark.parametrize("name", READINGS)
def test_samples_are_finite_within_the_quantities_and_the_same_for_a_seed(name):
    task = reading_of(name)
    for situation in ("training", "unseen"):
        first, second = (task.draw(40, np.random.default_rng(3), situation) for _ in range(2))
        np.testing.assert_array_equal(first.inputs, second.inputs)
        assert task.pipeline.apply(first.inputs).shape == (40, *task.pipeline.shape)
        assert np.isfinite(first.inputs).all()
        low, high = (np.array([getattr(each, end) for each in task.quantities]) for end in ("low", "high"))
        assert ((first.labels >= low) & (first.labels <= high)).all()
    assert (task.draw(8, np.random.default_rng(0), level=50.0).levels == 50.0).all()
    with pytest.raises(ConfigurationError, match="give 'training' or 'unseen'"):
        task.draw(1, np.random.default_rng(0), "other")


def test_unseen_instruments_lie_outside_those_of_the_training():
    for task, names in ((READINGS["film-micrograph"], ("dose", "spread", "orientation", "pixel")),
                        (READINGS["forest-curves"], ("counts", "resolution_cm", "photons", "spread"))):  # fmt: skip
        for name in names:
            (a, b), (c, d) = getattr(task.training, name), getattr(task.unseen, name)
            assert d <= a or c >= b


def test_micrographs_of_another_scale_are_resampled_or_refused():
    inputs = FilmInputs(pixels=32, pixel=1.0)
    across = np.linspace(-1.0, 1.0, 80)
    plane = 2.0 + across[None, :, None] + 0.0 * across
    seen = inputs.resampled(plane, 0.5)[0]
    step = 2.0 / 79.0 * 2.0  # two pixels of the plane
    np.testing.assert_allclose(np.diff(seen, axis=0), step, atol=1e-9)
    assert seen.mean() == pytest.approx(2.0)
    with pytest.raises(RefusalError, match="too wide"):
        inputs.resampled(plane, 1.1)
    with pytest.raises(RefusalError, match="too small"):
        inputs.resampled(plane, 0.3)


def test_scales_are_undone_and_uncertainties_of_logarithms_are_relative():
    scale = Scale((Quantity("a", 1.0, 100.0, logarithmic=True), Quantity("b", -1.0, 3.0)))
    values = np.array([[10.0, 0.0], [1e9, 5.0]])
    assert scale.scaled(values) == pytest.approx(np.array([[0.5, 0.25], [1.0, 1.0]]))
    readings = scale.readings(np.array([[0.5, 0.25]]), np.array([[0.01, 0.1]]))
    assert readings.values[0] == pytest.approx([10.0, 0.0])
    assert readings.uncertainties[0] == pytest.approx([0.1 * np.log(100.0), 0.4])
    with pytest.raises(ConfigurationError, match="has no logarithm"):
        Quantity("a", 0.0, 1.0, logarithmic=True)


# ---- networks

SMALL = RecognitionFit(settings={"width": 4, "hidden": (32,)}, epochs=6, batch_size=64)


@pytest.fixture(scope="module")
def learned():
    """A network that read forests for some seconds, and its test samples."""
    task = reading_of("forest-curves")
    parts = [task.draw(count, np.random.default_rng(seed)) for seed, count in enumerate((3000, 600, 600))]
    return fit_reader(task, *parts[:2], SMALL, device="cpu"), parts[2]


def test_a_network_reads_forests_with_uncertainties_that_fit_its_errors(learned):
    reader, test = learned
    figures = reading_figures(reader, test)
    assert figures["amorphous_share_r2"] > 0.5
    assert figures["diameter_nm_r2"] > 0.5
    for name in ("diameter_nm", "disorder", "amorphous_share"):
        assert 0.8 < figures[f"{name}_covered"] < 0.98
        assert 0.7 < figures[f"{name}_spread"] < 1.4


def test_forests_that_are_hardly_there_are_read_with_large_uncertainties(learned):
    reader, test = learned
    rng, task = np.random.default_rng(5), reading_of("forest-curves")
    short = task.group(200, rng, replace(task.training, length_um=(0.01, 0.02)), None)
    tall = task.group(200, rng, replace(task.training, length_um=(50.0, 100.0)), None)
    spread = [np.median(reader.read(each.inputs).uncertainties[:, 2]) for each in (short, tall)]
    assert spread[0] > 2.0 * spread[1]
    assert len(test) == 600


def test_a_stored_network_reads_the_same(learned, tmp_path):
    reader, test = learned
    file = tmp_path / "reader.safetensors"
    card = save_reader(
        reader, file, task="forest-curves", network="resnet", settings={"width": 4, "blocks": 1, "hidden": (32,)}
    )
    found = load_reader(file)
    for a, b in zip(vars(found.read(test.inputs)).values(), vars(reader.read(test.inputs)).values(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)
    assert reader_of(str(file), "forest-curves", QUANTITIES).quantities == QUANTITIES
    with pytest.raises(ConfigurationError, match="the characterizer reads diameter_nm"):
        reader_of(found, "film-micrograph", reading_of("film-micrograph").quantities)
    content = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
    file.with_suffix(".json").write_text(json.dumps(content | {"factors": [1.0, -1.0, 1.0]}), encoding="utf-8")
    with pytest.raises(WeightsError, match="positive number for each quantity"):
        load_reader(file)
    assert card.factors == tuple(reader.factors.tolist())


def test_a_missing_network_is_named_with_the_command_that_trains_it(monkeypatch, tmp_path):
    monkeypatch.setattr("matgym.characterization.reading.learned.STORE", replace(STORE, shipped=tmp_path))
    with pytest.raises(WeightsError, match="train film-micrograph in the repository, or give"):
        shipped_reader("film-micrograph")


def test_a_training_writes_a_card_with_the_figures_of_network_and_baseline(tmp_path):
    fit = RecognitionFit(settings={"width": 4, "hidden": (8,)}, epochs=1)
    config = ReadingConfig("film-micrograph", samples=32, validation=16, test=16, fit=fit)
    file = tmp_path / "film.safetensors"
    card = train_reader(config, file, device="cpu")
    assert set(card.metrics) == {"training", "training, baseline", "unseen", "unseen, baseline"}
    readings = load_reader(file).read(np.ones((2, 64, 64)))
    assert readings.values.shape == (2, 2)
    with pytest.raises(RefusalError, match="too small"):
        load_reader(file).read(np.ones((2, 32, 32)))


def test_the_baseline_of_films_reads_pixels_of_one_lattice_constant():
    task = reading_of("film-micrograph")
    readings = task.baseline().read(task.draw(16, np.random.default_rng(0)).inputs)
    assert isinstance(task.baseline(), GrainCounting)
    assert (readings.uncertainties > 0.0).all()
    assert ((readings.values[:, 1] >= 0.0) & (readings.values[:, 1] <= 1.0)).all()
    joined = Samples.joined([task.draw(4, np.random.default_rng(0))] * 2)
    assert len(joined) == len(joined.take(slice(0, 8))) == 8
