"""Measure the recurrent surrogates of annealing: error by horizon, similarity, growth law, speed.

The network of micrographs is trained on simulated moves of 64 x 64 sites, unless this command has stored it already (4
minutes on one core). It is tested there and on 128 x 128 sites, with 10 known frames and the 90 frames that follow.
Because a simulation is random, no surrogate can be closer to it than a second simulation from the same frame; that
distance is measured, too. The network of statistics is the shipped one of `matgym furnace train annealing`.

`python -m scripts.studies.furnace.micrographs` (10 minutes) writes docs/results/annealing-network.json and
docs/images/furnace/network.png, and prints the tables of docs/furnace.md. The weights stay under runs; to ship them,
copy them over matgym/processes/annealing/weights/micrographs.*.
"""

import json
import time
from dataclasses import asdict, dataclass

import numpy as np
from rich.progress import Progress
from skimage.metrics import structural_similarity

from matgym.processes.annealing.film import COLDEST_C, STEP_S, Film, scaled_celsius
from matgym.processes.annealing.micrograph_fitting import MicrographConfig, fit_micrographs, simulated_moves
from matgym.processes.annealing.micrographs import drives_of, load_micrographs, save_micrographs
from matgym.processes.annealing.microstructure import boundaries, mean_radius
from matgym.processes.annealing.runs import annealing_runs, random_films, random_schedule
from matgym.processes.sequences.learned import load_sequences
from matgym.units import CELSIUS_K
from matgym.viz.palette import new_figure
from scripts.studies.common import Study, print_markdown
from scripts.studies.furnace.figures import fitted_law

GRAINS = (120, 200)


@dataclass(frozen=True)
class Settings:
    """The settings of training and measurement."""

    width: int = 32
    epochs: int = 20
    training: int = 120  # the number of training films
    validation: int = 12
    frames: int = 40  # frames of each film
    known: int = 10
    ahead: int = 90
    horizons: tuple[int, ...] = (1, 10, 30, 60, 90)
    tests: tuple[tuple[int, int], ...] = ((64, 24), (128, 8))  # (sites along a side, films)
    law_films: int = 16
    statistics_runs: int = 400
    speed: tuple[tuple[int, int], ...] = ((64, 64), (128, 16))  # (sites along a side, batch)
    speed_steps: int = 30


QUICK = Settings(
    width=4, epochs=1, training=2, validation=1, frames=4, known=2, ahead=8, horizons=(1, 8), tests=((64, 2),),
    law_films=2, statistics_runs=4, speed=((64, 2),), speed_steps=2,
)  # fmt: skip


def trained(study):
    """Return the network of micrographs; fit it if it is not stored."""
    settings, file = study.settings, study.folder / "micrographs.safetensors"
    if not file.exists():
        config = MicrographConfig(width=settings.width, epochs=settings.epochs)
        training, validation = (
            simulated_moves(films, settings.frames, rng)
            for films, rng in zip(
                (settings.training, settings.validation), np.random.default_rng(0).spawn(2), strict=True
            )
        )
        with Progress() as bar:
            task = bar.add_task("training", total=config.epochs)
            fitted = fit_micrographs(
                training, validation, config, checkpoints=study.folder / "checkpoints",
                on_epoch=lambda epoch: bar.update(task, completed=epoch.number),
            )  # fmt: skip
        data = {name: getattr(settings, name) for name in ("training", "validation", "frames")}
        save_micrographs(
            fitted, file, fit=asdict(config), data=data, command="python -m scripts.studies.furnace.micrographs"
        )
    return load_micrographs(file)


def continued(settings, size, count):
    """Return frames, drives, a second simulation from the last known frame with other random numbers, and radii."""
    rng, film = np.random.default_rng([7, size]), Film()
    generators, steps = rng.spawn(count), settings.known + settings.ahead
    labels = random_films(count, rng, size=size, grains=GRAINS, particles=(0.0, 0.12))
    schedules = np.stack([random_schedule(steps, rng) for _ in range(count)])
    others = np.random.default_rng([7, size, 1]).spawn(count)
    state, twin = film.fresh(labels, np.full(count, 1000.0 + CELSIUS_K)), None
    frames, twins, drives, radii = [], [], [], []
    for step in range(steps):
        frames.append(boundaries(state.labels))
        radii.append(mean_radius(state.labels))
        if step == settings.known - 1:
            twin = state
        if step == steps - 1:
            break
        setpoint = schedules[:, step] + CELSIUS_K
        drives.append(drives_of(film.course(state.temperature_k, setpoint, STEP_S)))
        if twin is not None:
            twin = film.hold(twin, setpoint, STEP_S, others)
            twins.append(boundaries(twin.labels))
        state = film.hold(state, setpoint, STEP_S, generators)
    return (np.stack(series, axis=1) for series in (frames, drives, twins, radii))


def by_horizon(surrogate, settings, size, count):
    """Return rows of error and similarity of network, second simulation and last frame, and frames to draw."""
    known = settings.known
    frames, drives, twins, radii = continued(settings, size, count)
    predicted = surrogate.roll_out(frames[:, :known], drives, np.random.default_rng([7, size, 2]).spawn(count))
    rows = []
    for horizon in settings.horizons:
        truth, k = frames[:, known + horizon - 1], horizon - 1
        rivals = {"network": predicted[:, k], "second simulation": twins[:, k], "last frame": frames[:, known - 1]}
        row = {"size": size, "films": count, "horizon": horizon}
        for name, guess in rivals.items():
            pairs = zip(guess, truth, strict=True)
            row[f"{name}: RMSE"] = float(np.sqrt(((guess - truth) ** 2).mean()))
            row[f"{name}: SSIM"] = float(np.mean([structural_similarity(a, b, data_range=1.0) for a, b in pairs]))
        for name in ("network", "second simulation"):
            relative = surrogate.radii(rivals[name]) / radii[:, known + k] - 1.0
            row[f"{name}: relative error of radius"] = float(np.abs(relative).mean())
        rows.append(row)
    return rows, {"simulated": frames[0, known:], "network": predicted[0], "second simulation": twins[0]}


def annealed(count, steps, rng, celsius):
    """Return pictures, drives and true mean radii of films of 128 x 128 sites without particles, at one temperature."""
    film, generators = Film(), rng.spawn(count)
    labels = random_films(count, rng, size=128, grains=(120, 200), particles=(0.0, 1e-9))
    state = film.fresh(labels, np.full(count, COLDEST_C + CELSIUS_K))
    frames, drives, radii, setpoint = [], [], [], np.full(count, celsius + CELSIUS_K)
    for step in range(steps + 1):
        frames.append(np.round(255.0 * boundaries(state.labels)).astype(np.float32) / 255.0)
        radii.append(film.measures(state)[:, 0])
        if step < steps:
            drives.append(drives_of(film.course(state.temperature_k, setpoint, STEP_S)))
            state = film.hold(state, setpoint, STEP_S, generators)
    return (np.stack(values, axis=1) for values in (frames, drives, radii))


def growth_exponents(surrogate, settings):
    """Return the exponents of radius over time of simulation and network, without particles at constant temperature."""
    known, steps, films = settings.known, settings.known + settings.ahead, settings.law_films
    frames, driven, true_radii = annealed(films, steps, np.random.default_rng(11), 1900.0)
    drives = driven[:, : steps - 1]
    drawn = surrogate.roll_out(frames[:, :known], drives, np.random.default_rng(12).spawn(films))
    sweeps = np.cumsum(10.0 * driven[0, :, 0].astype(np.float64) ** 2)[known - 1 :]
    courses = {
        "simulation": true_radii[:, known:steps],
        "simulation, as pictures are read": surrogate.radii(frames[:, known:steps]),
        "network": surrogate.radii(drawn),
        "network, likeliest labels": surrogate.radii(surrogate.roll_out(frames[:, :known], drives)),
    }
    exponents = {}
    for name, course in courses.items():
        radii = course.mean(axis=0)
        (_, _, exponent), _ = fitted_law(sweeps[: len(radii)], radii, 1.5)
        exponents[name] = {"exponent": float(exponent), "first": float(radii[0]), "last": float(radii[-1])}
    return exponents


def speed(surrogate, statistics, size, batch, steps):
    """Return frames per second at equal batch, at the mean schedule of the training."""
    rng, film = np.random.default_rng(3), Film()
    generators, others = rng.spawn(batch), rng.spawn(batch)
    labels = random_films(batch, rng, size=size, grains=GRAINS, particles=(0.04, 0.12))
    schedules = np.stack([random_schedule(steps, rng) for _ in range(batch)])
    state = film.fresh(labels, np.full(batch, 1273.15))
    frames, memory = boundaries(labels), None
    begun = statistics.begin(film.measures(state)[:, [0, 2]], film.measures(state))
    marks = []
    for step in range(steps):
        setpoint = schedules[:, step] + CELSIUS_K
        drives = drives_of(film.course(state.temperature_k, setpoint, STEP_S))
        clock = [time.perf_counter()]
        frames, memory = surrogate.step(frames, drives, memory, others)
        clock.append(time.perf_counter())
        statistics.step(begun, scaled_celsius(schedules[:, step])[:, None])
        clock.append(time.perf_counter())
        state = film.hold(state, setpoint, STEP_S, generators)
        film.measures(state)
        clock.append(time.perf_counter())
        marks.append(np.diff(clock))
    seconds = np.sum(marks, axis=0)
    names = ("network of micrographs", "network of statistics", "simulation")
    return {name: float(steps * batch / spent) for name, spent in zip(names, seconds, strict=True)}


def statistics_by_step(statistics, settings):
    """Return R² and mean absolute error of the network of statistics at some steps of held-out runs."""
    runs = annealing_runs(settings.statistics_runs, np.random.default_rng(99), steps=settings.ahead)
    predictions, rows = statistics.predict(runs.controls, runs.start, runs.begun), []
    for step in settings.horizons:
        truth, guess = runs.outcomes[:, step - 1], predictions[:, step - 1]
        r2 = 1.0 - ((guess - truth) ** 2).mean(axis=0) / truth.var(axis=0)
        mae = np.abs(guess - truth).mean(axis=0)
        row = {"step": step}
        for name, a, b in zip(runs.outcome_names, r2, mae, strict=True):
            row |= {f"{name}: R²": float(a), f"{name}: MAE": float(b)}
        rows.append(row)
    return rows


def draw(courses, ahead):
    figure = new_figure(8.4, 6.6)
    for panels, (name, course) in zip(figure.subplots(len(courses), len(ahead)), courses.items(), strict=True):
        for panel, horizon in zip(panels, ahead, strict=True):
            panel.imshow(course[horizon - 1], cmap="gray", vmin=0.0, vmax=1.0, interpolation="nearest")
            panel.set(title=f"{name}, +{horizon}", xticks=[], yticks=[])
    return figure


def main():
    study = Study.from_command_line("annealing-network", __doc__, Settings(), QUICK)
    settings = study.settings
    surrogate, statistics = trained(study), load_sequences("annealing")
    rows = []
    for size, count in settings.tests:
        errors, courses = by_horizon(surrogate, settings, size, count)
        rows += errors
    result = {
        "horizons": rows,
        "growth_law": growth_exponents(surrogate, settings),
        "statistics": statistics_by_step(statistics, settings),
        "frames_a_second": {
            str(size): speed(surrogate, statistics, size, batch, settings.speed_steps) for size, batch in settings.speed
        },
    }
    study.write(result)
    for name in ("horizons", "statistics"):
        print_markdown(result[name][0], (row.values() for row in result[name]))
    print(json.dumps({name: result[name] for name in ("growth_law", "frames_a_second")}, indent=2))
    figure = draw(courses, (1, 10, 30, 80) if settings.ahead > 80 else (1, 2))
    study.picture("furnace/network.png", lambda path: figure.savefig(path, dpi=110))


if __name__ == "__main__":
    main()
