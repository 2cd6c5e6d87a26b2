"""Compare growth and annealing with published laws: three pictures, and the figures of docs/furnace.md.

The pictures show terminal lengths and rates beside those of Puretzky et al.; the two laws of grain growth; and two
schedules that differ only in their order. `python -m scripts.studies.furnace.figures` (two minutes) draws
docs/images/furnace/{growth,grains,order}.png.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import curve_fit

from matgym.processes.annealing.film import Film
from matgym.processes.annealing.microstructure import boundaries, mean_radius, sides, voronoi
from matgym.processes.annealing.potts import sweep
from matgym.processes.annealing.runs import random_films
from matgym.processes.growth.kinetics import TERMINAL_LENGTHS, GrowthKinetics
from matgym.units import CELSIUS_K
from matgym.viz.palette import METHOD_STYLES, MUTED, new_figure
from scripts.studies.common import Study


@dataclass(frozen=True)
class Settings:
    """The settings of the pictures."""

    celsius_step: float = 5.0
    times: int = 400
    side: int = 256  # sites along a side of the films of the grains
    grains: int = 4000
    films: int = 8
    sweeps: int = 800
    ordered_films: int = 64


QUICK = Settings(celsius_step=50.0, times=50, side=64, grains=250, films=2, sweeps=300, ordered_films=2)


def growth(settings):
    """Draw terminal length and largest rate against temperature."""
    celsius, times = np.arange(520.0, 921.0, settings.celsius_step), np.geomspace(0.1, 3.6e5, settings.times)
    figure = new_figure(8.4, 3.4)
    left, right = figure.subplots(1, 2)
    versions = {"refitted": GrowthKinetics(), "as published": GrowthKinetics.published()}
    for style, (name, kinetics) in zip(METHOD_STYLES, versions.items(), strict=False):
        per_um = kinetics.atoms_a_um(10.0)
        tubes = np.array([kinetics.particle(c + CELSIUS_K, times)[3] for c in celsius]) / per_um
        rates = (np.diff(tubes, axis=1) / np.diff(times)).max(axis=1)
        left.semilogy(celsius, tubes[:, -1], color=style.colour, label=name)
        right.plot(celsius, rates, color=style.colour)
        ends = [kinetics.particle(c + CELSIUS_K, times[-1:])[3, -1] / per_um for c, _ in TERMINAL_LENGTHS]
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
    return figure


def growth_law(time, first, rate, exponent):
    """Return the mean radius of grains at a time."""
    return (first ** (1.0 / exponent) + rate * time) ** exponent


def fitted_law(times, radii, largest_exponent=1.0):
    """Return the fitted initial radius, rate and exponent, and their covariance."""
    bounds = (0.01, (9.0, 9.0, largest_exponent))
    return curve_fit(growth_law, times, radii, p0=(2.5, 0.3, 0.5), bounds=bounds)


def grains(settings):
    """Draw the mean radius over time, and the line of von Neumann and Mullins."""
    generators = [np.random.default_rng(seed) for seed in range(settings.films)]
    labels = np.stack([voronoi(settings.side, settings.grains, 0, rng) for rng in generators])
    times, radii, found = np.arange(10, settings.sweeps + 1, 10), [], []
    for time in times:
        before = labels.copy()
        sweep(labels, np.full(len(labels), 10.0), generators)
        radii.append(mean_radius(labels).mean())
        for old, new in zip(before, labels, strict=True) if time >= 150 else ():
            areas = [np.bincount(x.ravel(), minlength=old.size + 1) for x in (old, new)]
            kept = (sides(old) == sides(new)) & (areas[0] > 60)
            found.append(np.stack([sides(old)[kept], (areas[1] - areas[0])[kept] / 10.0]))
    radii, (numbers, changes) = np.array(radii), np.concatenate(found, axis=1)
    law, spread = fitted_law(times[3:], radii[3:])
    few = np.arange(4, 10)
    means = np.array([changes[numbers == n].mean() for n in few])
    errors = np.array([changes[numbers == n].std() / np.sqrt((numbers == n).sum()) for n in few])
    (slope, offset), covariance = np.polyfit(few, means, 1, w=1.0 / errors, cov="unscaled")
    zero = -offset / slope
    print(
        f"exponent {law[2]:.3f} ± {np.sqrt(spread[2, 2]):.3f}; dA/dt = {slope:.3f} (n - {zero:.3f}) "
        f"± {np.sqrt(covariance[1, 1]) / slope:.3f}; r(t, R²) {np.corrcoef(times, radii**2)[0, 1]:.5f}"
    )
    figure = new_figure(8.4, 3.4)
    left, right = figure.subplots(1, 2)
    left.plot(times, radii**2, color=METHOD_STYLES[0].colour, label="simulated")
    left.plot(times, growth_law(times, *law) ** 2, "--", color=MUTED, label=f"exponent {law[2]:.3f}")
    left.set(xlabel="sweeps", ylabel="square of the mean radius")
    right.errorbar(few, means, 2.0 * errors, fmt="o", color=METHOD_STYLES[0].colour)
    right.plot(few, slope * few + offset, "--", color=MUTED, label=f"{slope:.2f} (n - {zero:.2f})")
    right.axhline(0.0, color=MUTED, lw=0.6)
    right.set(xlabel="neighbours n of a grain", ylabel="change of area, sites a sweep")
    for panel in (left, right):
        panel.legend(frameon=False)
    return figure


def order(settings):
    """Draw schedules with the hot stage first and last, at equal ∫M dt."""
    film, count = Film(ramp_k_s=1e9), settings.ordered_films
    hot, cool = [(120.0, 2050.0 + CELSIUS_K)] * 5, [(120.0, 1700.0 + CELSIUS_K)] * 25
    figure = new_figure(8.4, 5.6)
    curves, *pictures = figure.subplot_mosaic("AA;BC", height_ratios=(1.0, 1.3)).values()
    schedules = {"hot first": hot + cool, "hot last": cool + hot}
    for style, picture, (name, stages) in zip(METHOD_STYLES, pictures, schedules.items(), strict=False):
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
    return figure


def main():
    study = Study.from_command_line("furnace-figures", __doc__, Settings(), QUICK)
    for draw in (growth, grains, order):
        figure = draw(study.settings)
        study.picture(f"furnace/{draw.__name__}.png", lambda path, figure=figure: figure.savefig(path, dpi=150))


if __name__ == "__main__":
    main()
