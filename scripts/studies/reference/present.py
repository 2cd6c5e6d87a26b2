"""All calls of the present code: the one file to edit when a name changes.

`version_0_1.py` has the same functions for matgym 0.1; see there.
"""

RENAMED: dict[str, str] = {
    **{
        f"matgym/{name}Vector-v0": f"matgym/MO-{name}-v0"
        for name in (
            "NanotubeDoping", "NanotubeChirality", "NanotubeIsotopes", "NanotubeThermoelectric", "CVDGrowth"
        )
    },
    "matgym/AnnealingVector-v0": "matgym/MO-FilmAnnealing-v0",
    "matgym/AnnealingGoal-v0": "matgym/FilmAnnealingGoal-v0",
    "matgym/Annealing-v0": "matgym/FilmAnnealing-v0",
}  # fmt: skip
"""The present names of environments, optimizers, instances, surrogates and generators, by their names in 0.1."""

CHANGED: dict[str, str] = {
    "matgym/CVDGrowth-v0: 3 side by side": "a minute pays no less than -1, however much soot it makes",
    **{
        f"{name}: 256 designs and rewards": "a forbidden edit is resampled, and no longer lost"
        for name in ("ppo", "recurrent-ppo", "a2c", "dqn", "qr-dqn")  # the agents without masks
    },
    **dict.fromkeys(
        (
            "chirality: least loss of all designs",
            "chirality: loss of random designs",
            "chirality: losses of all designs",
            "chirality: recorded loss",
            "chirality: recorded loss of random designs",
            "doping-easy: least loss of all designs",
            "doping-easy: which design",
            "doping-easy: loss of random designs",
            "doping-easy: losses of all designs",
            "doping-easy: recorded loss",
            "doping-easy: recorded loss of random designs",
            "isotope-rings: loss of random designs",
            "isotope-rings: recorded loss of random designs",
            "isotope-sites: loss of random designs",
            "isotope-sites: losses of all designs",
            "isotope-sites: recorded loss of random designs",
            "matgym/NanotubeChirality-v0: 3 episodes",
            "matgym/NanotubeChirality-v0: 3 side by side",
            "matgym/NanotubeChiralityGoal-v0: 3 episodes",
            "matgym/NanotubeChiralityVector-v0: 3 episodes",
            "matgym/NanotubeChiralityVector-v0: 3 side by side",
            "matgym/NanotubeThermoelectric-v0: 3 episodes",
            "matgym/NanotubeThermoelectric-v0: 3 side by side",
            "matgym/NanotubeThermoelectricGoal-v0: 3 episodes",
            "matgym/NanotubeThermoelectricGoal-v0: 3 side by side",
            "matgym/NanotubeThermoelectricVector-v0: 3 episodes",
            "matgym/NanotubeThermoelectricVector-v0: 3 side by side",
            "nearest: 64 tubes",
            "swap: 64 tubes",
            "thermoelectric-easy: least loss of all designs",
            "thermoelectric-easy: loss of random designs",
            "thermoelectric-easy: losses of all designs",
            "thermoelectric-easy: recorded loss",
            "thermoelectric-easy: recorded loss of random designs",
            "thermoelectric-easy: which design",
        ),
        "another tube, or self-consistent charges, or gaps by the reduced basis, or integrals by Gauss nodes; medians",
    ),
}
"""The figures that differ from those of 0.1, with the reason."""

MODEL = "model"
"""The argument of an environment that takes a user's model."""


def arguments_like_0_1(name):
    """Return the arguments with which an environment behaves as in 0.1, where the penalty of soot had no bound."""
    from matgym.tasks.growth import GrowthTask

    return {"task": GrowthTask(most_disorder=float("inf"))} if "CVD" in name else {}


def surrogate_on_test_split(name):
    """Return keys, predictions, half-widths of the intervals, and figures by key of a shipped surrogate."""
    import numpy as np

    from matgym.data import Dataset
    from matgym.surrogates import load, load_card
    from matgym.surrogates.training import figures

    surrogate = load(name)
    data = Dataset.load(load_card(name).data["name"]).split("test").labelled(surrogate.keys)
    predicted = np.full((len(data), len(surrogate.keys)), np.nan)
    half_width = np.full_like(predicted, np.nan)
    for lattice, rows, species, _ in data.by_lattice():
        predicted[rows], half_width[rows] = surrogate.intervals(lattice, species)
    return surrogate.keys, predicted, half_width, [metrics.model_dump() for metrics in figures(surrogate, data)]


def growth_sequences(count, rng):
    """Return simulated outcomes of random recipes, and those that the shipped network predicts."""
    from matgym.processes.growth.runs import growth_runs
    from matgym.processes.sequences.learned import load_sequences

    runs = growth_runs(count, rng)
    return runs.outcomes, load_sequences("cvd-growth").predict(runs.controls, runs.start, runs.begun)


def annealing_sequences(count, rng):
    """Return the same of random annealing schedules."""
    from matgym.processes.annealing.runs import annealing_runs
    from matgym.processes.sequences.learned import load_sequences

    runs = annealing_runs(count, rng)
    return runs.outcomes, load_sequences("annealing").predict(runs.controls, runs.start, runs.begun)


def micrographs(count, steps, rng):
    """Return (count, steps + 1, 64, 64) simulated frames."""
    import numpy as np

    from matgym.processes.annealing.film import COLDEST_C, STEP_S, Film
    from matgym.processes.annealing.microstructure import boundaries
    from matgym.processes.annealing.runs import random_films, random_schedule
    from matgym.units import CELSIUS_K

    film, generators = Film(), rng.spawn(count)
    labels = random_films(count, rng, size=64, grains=(120, 200), particles=(0.0, 0.12))
    state = film.fresh(labels, np.full(count, COLDEST_C + CELSIUS_K))
    schedules_k = np.stack([random_schedule(steps, rng) for _ in range(count)]) + CELSIUS_K
    seen = [boundaries(state.labels)]
    for setpoint_k in schedules_k.T:
        state = film.hold(state, setpoint_k, STEP_S, generators)
        seen.append(boundaries(state.labels))
    return np.round(255.0 * np.stack(seen, axis=1)).astype(np.uint8)


def samples(name, targets, rng):
    """Return (B, sites) decorations of the doping task's tube by a generator of designs."""
    from matgym.tasks import as_design_generator, decoration_task

    space = decoration_task().space
    return space.encode(as_design_generator(name).sample(space, targets, rng))


def optimum(name, random_designs, rng):
    """Return the recorded loss, the recorded mean of random designs, and the losses of all and of random designs."""
    import numpy as np

    from matgym.tasks.instances import instance

    made = instance(name)
    task, known = made.task(), made.optimum
    every = np.concatenate(list(task.space.enumerate()))
    drawn = task.space.sample(random_designs, rng)
    losses = [task.score(designs, made.targets(len(designs))).loss for designs in (every, drawn)]
    return known.loss, known.random_loss, *losses


def terminal_lengths_um(seconds):
    """Return the lengths at which growth ends at the twelve temperatures of Puretzky et al., after some seconds."""
    import numpy as np

    from matgym.processes.growth.kinetics import TERMINAL_LENGTHS, GrowthKinetics

    kinetics = GrowthKinetics()
    lengths = [kinetics.particle(celsius + 273.15, np.array([seconds]))[3, -1] for celsius, _ in TERMINAL_LENGTHS]
    return np.array(lengths) / kinetics.atoms_a_um(10.0)


def transmission(tube, energies_ev):
    """Return the transmission of a tube given as (n, m, cells, species, strain, turned bonds)."""
    from matgym.physics import PiTransport
    from matgym.structures import Nanotube

    n, m, cells, species, strain, turned = tube
    found, failures = PiTransport().transmission(
        [Nanotube(n, m, cells, species, strain, stone_wales=turned)], energies_ev
    )
    assert not failures, failures  # noqa: S101  # a script
    return found[0]


def search(optimizer, name, evaluations, rng):
    """Return designs and rewards of an optimizer on an instance, in the order of its evaluations."""
    import numpy as np

    from matgym.agents.base import Problem
    from matgym.benchmark.methods import as_named
    from matgym.tasks.instances import instance

    made = instance(name)
    task = made.task()
    problem = Problem(task, made.targets(1)[0])
    searching, designs, rewards, left = as_named(optimizer).make(problem, evaluations, rng), [], [], evaluations
    while left > 0:
        asked = searching.ask()[:left]
        scores = task.score(asked, problem.targets(len(asked)))
        designs.append(asked.copy())
        rewards.append(scores.reward)
        left -= len(asked)
        if left > 0:
            searching.tell(asked, scores)
    return np.concatenate(designs), np.concatenate(rewards)


# ---- timed functions


def surrogate_fit(rows):
    """Return a function that fits a surrogate to a number of tubes for one epoch."""
    import numpy as np

    from matgym.data import Dataset
    from matgym.surrogates import FitConfig, fit

    data = Dataset.load("nanotube-doping")
    splits = np.array(data.table.column("split").to_pylist())
    kept = [np.flatnonzero(splits == split)[:rows] for split in ("train", "validation")]
    part = data.take(np.concatenate(kept))
    return lambda: fit(part, FitConfig(epochs=1))


def sequences_fit(count, rng):
    """Return a function that fits a network over time to a number of growth runs for one epoch."""
    from matgym.processes.growth.runs import growth_runs
    from matgym.processes.sequences.fitting import SequenceConfig, fit_sequences

    train, validation = growth_runs(count, rng), growth_runs(count // 8, rng)
    return lambda: fit_sequences(train, validation, SequenceConfig(epochs=1))
