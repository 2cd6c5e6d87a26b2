"""The recurrent surrogates of annealing against the simulator: error by horizon, similarity, growth law, speed.

`python scripts/annealing_network.py` trains the network of micrographs (2 to 4 minutes on one core; the network of
statistics comes from `matgym furnace train annealing`), stores it, measures both and writes
docs/results/annealing-network.json and docs/images/furnace/network.png. `--report` measures stored weights only.

Trained on moves of 64 x 64 sites; tested there and on 128 x 128, on 10 known frames and the 90 that follow. A
simulation is random, so that the best any surrogate can do is bounded by how far two simulations part that go on from
the same frame: measured, too.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

from matgym.files import write_json
from matgym.processes.annealing.film import Film
from matgym.processes.annealing.micrograph_fitting import MicrographConfig, fit_micrographs, simulated_moves
from matgym.processes.annealing.micrographs import STORE, drives_of, load_micrographs, save_micrographs
from matgym.processes.annealing.microstructure import boundaries, mean_radius
from matgym.processes.annealing.runs import annealing_runs, random_films, random_schedule
from matgym.processes.annealing.schedule import COLDEST_C, STEP_S, scaled_celsius
from matgym.processes.sequences.store import load_sequences
from matgym.units import CELSIUS_K

ROOT = Path(__file__).parents[1]
REPORT = ROOT / "docs" / "results" / "annealing-network.json"
PICTURE = ROOT / "docs" / "images" / "furnace" / "network.png"
SETTINGS = MicrographConfig(width=32, epochs=20)
FILMS = {"training": 120, "validation": 12, "frames": 40}
KNOWN, AHEAD = 10, 90
HORIZONS = (1, 10, 30, 60, 90)
TESTS = {64: 24, 128: 8}  # films a size


def train():
    """Fit and store the network of micrographs."""
    from rich.progress import Progress

    first, second = np.random.default_rng(0).spawn(2)
    training = simulated_moves(FILMS["training"], FILMS["frames"], first)
    validation = simulated_moves(FILMS["validation"], FILMS["frames"], second)
    file = STORE.located("micrographs")
    with Progress() as bar:
        task = bar.add_task("training", total=SETTINGS.epochs)
        fitted = fit_micrographs(
            training, validation, SETTINGS, checkpoints=ROOT / "runs" / "micrographs",
            on_epoch=lambda epoch: (
                bar.update(task, completed=epoch.number),
                bar.console.print(f"{epoch.number}: {epoch.losses['train']:.5f} {epoch.error:.5f}"),
            ),
        )  # fmt: skip
    facts = {"fit": vars(SETTINGS), "data": FILMS, "command": "python scripts/annealing_network.py"}
    save_micrographs(fitted, file, **facts)


def continued(size, count, seed):
    """Frames, drives, and a second course of the same films from frame KNOWN on under other random numbers."""
    rng, film = np.random.default_rng([seed, size]), Film()
    generators = rng.spawn(count)
    labels = random_films(count, rng, size=size, grains=(120, 200), particles=(0.0, 0.12))
    schedules = np.stack([random_schedule(KNOWN + AHEAD, rng) for _ in range(count)])
    state, twin, frames, twins, drives, radii = (
        film.fresh(labels, np.full(count, 1000.0 + CELSIUS_K)),
        None,
        [],
        [],
        [],
        [],
    )
    others = np.random.default_rng([seed, size, 1]).spawn(count)
    for step in range(KNOWN + AHEAD):
        frames.append(boundaries(state.labels))
        radii.append(mean_radius(state.labels))
        if step == KNOWN - 1:
            twin = state
        if step == KNOWN + AHEAD - 1:
            break
        setpoint = schedules[:, step] + CELSIUS_K
        drives.append(drives_of(film.course(state.temperature_k, setpoint, STEP_S)))
        if twin is not None:
            twin = film.hold(twin, setpoint, STEP_S, others)
            twins.append(boundaries(twin.labels))
        state = film.hold(state, setpoint, STEP_S, generators)
    return (np.stack(found, axis=1) for found in (frames, drives, twins, radii))


def similarity(first, second):
    """Mean structural similarity of (B, H, W) frames."""
    from skimage.metrics import structural_similarity

    return float(np.mean([structural_similarity(a, b, data_range=1.0) for a, b in zip(first, second, strict=True)]))


def by_horizon(surrogate, size, count):
    """Rows of error and similarity: network, a second simulation, the last frame."""
    frames, drives, twins, radii = continued(size, count, 7)
    found = surrogate.roll_out(
        frames[:, :KNOWN], drives[:, : KNOWN + AHEAD - 1], np.random.default_rng([7, size, 2]).spawn(count)
    )
    rows = []
    for horizon in HORIZONS:
        truth = frames[:, KNOWN + horizon - 1] if horizon < AHEAD else frames[:, -1]
        k = min(horizon, found.shape[1]) - 1
        rivals = {"network": found[:, k], "second simulation": twins[:, k], "last frame": frames[:, KNOWN - 1]}
        row = {"size": size, "films": count, "horizon": horizon}
        for name, guess in rivals.items():
            row[f"{name}: RMSE"] = float(np.sqrt(((guess - truth) ** 2).mean()))
            row[f"{name}: SSIM"] = similarity(guess, truth)
        seen = surrogate.radii(found[:, k])
        for name, read in (("network", seen), ("second simulation", surrogate.radii(twins[:, k]))):
            row[f"{name}: relative error of radius"] = float(np.abs(read / radii[:, KNOWN + k] - 1.0).mean())
        rows.append(row)
    return rows, frames, found, twins


def annealed(count, steps, rng, celsius):
    """Pictures, drives and true mean radii of films without particles, 128 x 128, at one temperature."""
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


def growth_law(surrogate):
    """Exponent of the radius in time, without particles at constant temperature, from simulation and network."""
    from scipy.optimize import curve_fit

    frames, driven, true_radii = annealed(16, KNOWN + AHEAD, np.random.default_rng(11), 1900.0)
    known, drives = frames[:, :KNOWN], driven[:, : KNOWN + AHEAD - 1]
    drawn = surrogate.roll_out(known, drives, np.random.default_rng(12).spawn(16))
    likeliest = surrogate.roll_out(known, drives)
    sweeps = np.cumsum(10.0 * driven[0, :, 0].astype(np.float64) ** 2)

    def law(time, first, rate, exponent):
        return (first ** (1.0 / exponent) + rate * time) ** exponent

    fitted = {}
    for name, radii in (
        ("simulation", true_radii[:, KNOWN : KNOWN + AHEAD].mean(axis=0)),
        ("simulation, as pictures are read", surrogate.radii(frames[:, KNOWN : KNOWN + AHEAD]).mean(axis=0)),
        ("network", surrogate.radii(drawn).mean(axis=0)),
        ("network, likeliest labels", surrogate.radii(likeliest).mean(axis=0)),
    ):
        time_ = sweeps[KNOWN - 1 : KNOWN - 1 + len(radii)]
        parameters, _ = curve_fit(law, time_, radii, p0=(2.5, 0.3, 0.5), bounds=(0.01, (9.0, 9.0, 1.5)))
        fitted[name] = {"exponent": float(parameters[2]), "first": float(radii[0]), "last": float(radii[-1])}
    return fitted


def speed(surrogate, statistics, size, batch):
    """Frames a second at equal batch, at the mean schedule of training."""
    rng, film = np.random.default_rng(3), Film()
    generators, others = rng.spawn(batch), rng.spawn(batch)
    labels = random_films(batch, rng, size=size, grains=(120, 200), particles=(0.04, 0.12))
    schedules = np.stack([random_schedule(30, rng) for _ in range(batch)])
    state = film.fresh(labels, np.full(batch, 1273.15))
    frames, memory = boundaries(labels), None
    told = statistics.begin(film.measures(state)[:, [0, 2]], film.measures(state))
    seconds = dict.fromkeys(("simulation", "network of micrographs", "network of statistics"), 0.0)
    for step in range(30):
        setpoint = schedules[:, step] + CELSIUS_K
        drives = drives_of(film.course(state.temperature_k, setpoint, STEP_S))
        start = time.perf_counter()
        frames, memory = surrogate.step(frames, drives, memory, others)
        seconds["network of micrographs"] += time.perf_counter() - start
        start = time.perf_counter()
        statistics.step(told, scaled_celsius(schedules[:, step])[:, None])
        seconds["network of statistics"] += time.perf_counter() - start
        start = time.perf_counter()
        state = film.hold(state, setpoint, STEP_S, generators)
        film.measures(state)
        seconds["simulation"] += time.perf_counter() - start
    return {name: 30 * batch / spent for name, spent in seconds.items()}


def statistics_by_step(statistics):
    """R² and mean absolute error of the network of statistics at some steps, on runs it never saw."""
    runs = annealing_runs(400, np.random.default_rng(99), steps=90)
    found = statistics.predict(runs.controls, runs.start, runs.begun)
    rows = []
    for step in (1, 10, 30, 60, 90):
        truth, guess = runs.outcomes[:, step - 1], found[:, step - 1]
        r2 = 1.0 - ((guess - truth) ** 2).mean(axis=0) / truth.var(axis=0)
        mae = np.abs(guess - truth).mean(axis=0)
        row = {"step": step}
        for name, a, b in zip(runs.outcome_names, r2, mae, strict=True):
            row |= {f"{name}: R²": float(a), f"{name}: MAE": float(b)}
        rows.append(row)
    return rows


def show(title, rows):
    print(f"\n{title}\n\n| " + " | ".join(rows[0]) + " |\n|" + "---|" * len(rows[0]))
    for row in rows:
        print("| " + " | ".join(f"{v:.3g}" if isinstance(v, float) else f"{v}" for v in row.values()) + " |")


def draw(frames, found, twins):
    from matplotlib.figure import Figure

    figure, ahead = Figure(figsize=(8.4, 6.6), layout="constrained"), (1, 10, 30, 80)
    rows = {"simulated": frames[0, KNOWN:], "network": found[0], "second simulation": twins[0]}
    for panels, (name, shown) in zip(figure.subplots(len(rows), len(ahead)), rows.items(), strict=True):
        for panel, horizon in zip(panels, ahead, strict=True):
            panel.imshow(shown[horizon - 1], cmap="gray", vmin=0.0, vmax=1.0, interpolation="nearest")
            panel.set(title=f"{name}, +{horizon}", xticks=[], yticks=[])
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURE, dpi=110)
    print(PICTURE)


def main():
    import torch

    torch.set_num_threads(1)
    if "--report" not in sys.argv:
        train()
    surrogate, statistics = load_micrographs("micrographs"), load_sequences("annealing")
    rows = []
    for size, count in TESTS.items():
        found, *films = by_horizon(surrogate, size, count)
        rows += found
        if size == max(TESTS):
            draw(*films)
    result = {
        "horizons": rows,
        "growth_law": growth_law(surrogate),
        "statistics": statistics_by_step(statistics),
        "frames_a_second": {
            str(size): speed(surrogate, statistics, size, batch) for size, batch in ((64, 64), (128, 16))
        },
    }
    write_json(REPORT, result)
    show("Micrographs", rows)
    show("Statistics", result["statistics"])
    print(json.dumps({name: result[name] for name in ("growth_law", "frames_a_second")}, indent=2))


if __name__ == "__main__":
    main()
