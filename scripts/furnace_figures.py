"""Draws what growth and annealing are held to, into docs/images/furnace: `python scripts/furnace_figures.py`.

Terminal lengths and rates beside Puretzky's; grain growth's two laws; two schedules that differ in their order alone.
Prints the figures that docs/furnace.md gives.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from scipy.optimize import curve_fit

from matgym.processes.annealing.film import Film
from matgym.processes.annealing.microstructure import boundaries, mean_radius, sides, voronoi
from matgym.processes.annealing.potts import sweep
from matgym.processes.annealing.runs import random_films
from matgym.processes.growth.kinetics import TERMINAL_LENGTHS, GrowthKinetics
from matgym.units import CELSIUS_K
from matgym.viz.palette import METHOD_STYLES, MUTED

FOLDER = Path(__file__).parents[1] / "docs" / "images" / "furnace"


def saved(figure, name):
    FOLDER.mkdir(parents=True, exist_ok=True)
    figure.savefig(FOLDER / f"{name}.png", dpi=150)
    print(FOLDER / f"{name}.png")


def growth():
    """Terminal length and largest rate against temperature."""
    celsius, times = np.arange(520.0, 921.0, 5.0), np.geomspace(0.1, 3.6e5, 400)
    figure = Figure(figsize=(8.4, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for style, (name, kinetics) in zip(
        METHOD_STYLES, {"refitted": GrowthKinetics(), "as published": GrowthKinetics.published()}.items(), strict=False
    ):
        tubes = np.array([kinetics.particle(c + CELSIUS_K, times)[3] for c in celsius]) / kinetics.atoms_a_um(10.0)
        rates = (np.diff(tubes, axis=1) / np.diff(times)).max(axis=1)
        left.semilogy(celsius, tubes[:, -1], color=style.colour, label=name)
        right.plot(celsius, rates, color=style.colour)
        ends = [
            kinetics.particle(c + CELSIUS_K, times[-1:])[3, -1] / kinetics.atoms_a_um(10.0) for c, _ in TERMINAL_LENGTHS
        ]
        rms = np.sqrt(np.mean(np.log10(np.array(ends) / [length for _, length in TERMINAL_LENGTHS]) ** 2))
        longest, fastest = tubes[:, -1].argmax(), rates.argmax()
        print(
            f"{name}: rms log10 {rms:.4f}; longest {tubes[longest, -1]:.0f} µm at {celsius[longest]:.0f} °C; "
            f"fastest {rates[fastest]:.3f} µm/s at {celsius[fastest]:.0f} °C"
        )
    left.plot(*zip(*TERMINAL_LENGTHS, strict=True), "o", color="0.2", label="Puretzky et al. 2005")
    left.set(xlabel="°C", ylabel="terminal length, µm", ylim=(0.1, 1000))
    left.legend(frameon=False)
    right.set(xlabel="°C", ylabel="largest growth rate, µm/s")
    saved(figure, "growth")


def grains():
    """Mean radius in time, and von Neumann's and Mullins' line."""
    generators = [np.random.default_rng(seed) for seed in range(8)]
    labels = np.stack([voronoi(256, 4000, 0, rng) for rng in generators])
    times, radii, found = [], [], []
    for time in range(10, 810, 10):
        before = labels.copy()
        sweep(labels, np.full(len(labels), 10.0), generators)
        times.append(time)
        radii.append(mean_radius(labels).mean())
        if time >= 150:
            for old, new in zip(before, labels, strict=True):
                areas = [np.bincount(x.ravel(), minlength=old.size + 1) for x in (old, new)]
                kept = (sides(old) == sides(new)) & (areas[0] > 60)
                found.append(np.stack([sides(old)[kept], (areas[1] - areas[0])[kept] / 10.0]))
    times, radii, (numbers, changes) = np.array(times), np.array(radii), np.concatenate(found, axis=1)

    def law(time, first, rate, exponent):
        return (first ** (1.0 / exponent) + rate * time) ** exponent

    fitted, spread = curve_fit(law, times[3:], radii[3:], p0=(2.5, 0.3, 0.5), bounds=(0.01, (9.0, 9.0, 1.0)))
    few = np.arange(4, 10)
    means = np.array([changes[numbers == n].mean() for n in few])
    errors = np.array([changes[numbers == n].std() / np.sqrt((numbers == n).sum()) for n in few])
    (slope, offset), covariance = np.polyfit(few, means, 1, w=1.0 / errors, cov="unscaled")
    zero = -offset / slope
    print(
        f"exponent {fitted[2]:.3f} ± {np.sqrt(spread[2, 2]):.3f}; dA/dt = {slope:.3f} (n - {zero:.3f}) "
        f"± {np.sqrt(covariance[1, 1]) / slope:.3f}; r(t, R²) {np.corrcoef(times, radii**2)[0, 1]:.5f}"
    )
    figure = Figure(figsize=(8.4, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(times, radii**2, color=METHOD_STYLES[0].colour, label="simulated")
    left.plot(times, law(times, *fitted) ** 2, "--", color=MUTED, label=f"exponent {fitted[2]:.3f}")
    left.set(xlabel="sweeps", ylabel="square of the mean radius")
    left.legend(frameon=False)
    right.errorbar(few, means, 2.0 * errors, fmt="o", color=METHOD_STYLES[0].colour)
    right.plot(few, slope * few + offset, "--", color=MUTED, label=f"{slope:.2f} (n - {zero:.2f})")
    right.axhline(0.0, color=MUTED, lw=0.6)
    right.set(xlabel="neighbours n of a grain", ylabel="change of area, sites a sweep")
    right.legend(frameon=False)
    saved(figure, "grains")


def order():
    """Hot first or hot last, at equal ∫M dt."""
    film, count = Film(ramp_k_s=1e9), 64
    hot, cool = [(120.0, 2050.0 + CELSIUS_K)] * 5, [(120.0, 1700.0 + CELSIUS_K)] * 25
    figure = Figure(figsize=(8.4, 5.6), layout="constrained")
    curves, *pictures = figure.subplot_mosaic("AA;BC", height_ratios=(1.0, 1.3)).values()
    for style, picture, (name, stages) in zip(
        METHOD_STYLES, pictures, {"hot first": hot + cool, "hot last": cool + hot}.items(), strict=False
    ):
        for particles, line in ((0.08, "-"), (0.0, ":")):
            rng = np.random.default_rng(0)
            generators = rng.spawn(count)
            labels = random_films(count, rng, grains=(155, 160), particles=(particles, particles + 1e-9))
            state, total, radii = film.fresh(labels, np.full(count, stages[0][1])), 0.0, [mean_radius(labels)]
            for seconds, kelvin in stages:
                total += float(film.course(np.array([kelvin]), np.array([kelvin]), seconds).sweeps[0])
                state = film.hold(state, np.full(count, kelvin), seconds, generators)
                radii.append(mean_radius(state.labels))
            label = f"{name}, {'8 %' if particles else 'no'} particles"
            curves.plot(2.0 * np.arange(31), np.mean(radii, axis=1), line, color=style.colour, label=label)
            end = radii[-1]
            print(f"{label}: ∫M dt {total:.2f} sweeps, R {end.mean():.3f} ± {end.std() / np.sqrt(count):.3f}")
            if particles:
                picture.imshow(boundaries(state.labels[:1])[0], cmap="gray", interpolation="nearest")
                picture.set(title=name, xticks=[], yticks=[])
    curves.set(xlabel="minutes", ylabel="mean radius, lattice constants")
    curves.legend(frameon=False, fontsize=8)
    saved(figure, "order")


if __name__ == "__main__":
    growth()
    grains()
    order()
