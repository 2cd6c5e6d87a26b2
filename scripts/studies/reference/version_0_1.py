"""All calls of matgym 0.1, by its own names.

`present.py` has the same functions for the present code. Neither computes figures: the measurements are in `figures.py`
and `timings.py`. matgym is imported within functions, so that `timings.py` can time that, too.
"""
# ruff: noqa: I001  # its modules are no longer there to be known as ours

RENAMED: dict[str, str] = {}
"""The names in this version, by names in 0.1: none differ."""

MODEL = "reward"
"""The argument of an environment that takes a user's model."""


def arguments_like_0_1(_name):
    return {}


def surrogate_on_test_split(name):
    """Return keys, predictions, half-widths of the intervals, and figures by key of a shipped surrogate."""
    import numpy as np

    from matgym.datasets import Dataset
    from matgym.surrogates import load
    from matgym.surrogates.recipe import figures
    from matgym.surrogates.store import load_card

    surrogate = load(name)
    data = Dataset.load(load_card(name).data["name"]).split("test").labelled(surrogate.keys)
    predicted = np.full((len(data), len(surrogate.keys)), np.nan)
    half_width = np.full_like(predicted, np.nan)
    for lattice, rows, species in data.by_lattice():
        predicted[rows], half_width[rows] = surrogate.intervals(lattice, species)
    return surrogate.keys, predicted, half_width, [metrics.model_dump() for metrics in figures(surrogate, data)]


def growth_sequences(count, rng):
    """Return simulated outcomes of random recipes, and those that the shipped network predicts."""
    from matgym.surrogates.sequences import load_sequences
    from matgym.surrogates.sequences.growth import growth_runs

    runs = growth_runs(count, rng)
    return runs.outcomes, load_sequences("cvd-growth").predict(runs.controls, runs.start, runs.begun)


def annealing_sequences(count, rng):
    """Return the same of random annealing schedules."""
    from matgym.surrogates.sequences import load_sequences
    from matgym.surrogates.sequences.annealing import annealing_runs

    runs = annealing_runs(count, rng)
    return runs.outcomes, load_sequences("annealing").predict(runs.controls, runs.start, runs.begun)


def micrographs(count, steps, rng):
    """Return (count, steps + 1, 64, 64) simulated frames."""
    from matgym.surrogates.sequences.micrograph_fitting import micrograph_runs

    return micrograph_runs(count, steps, rng).frames


def samples(name, targets, rng):
    """Return (B, sites) decorations of the doping task's tube by a generator of designs."""
    from matgym.tasks import TargetProperty, as_seeder

    task = TargetProperty()
    return as_seeder(name).seed(task.lattice, task.edits, targets, rng)


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

    from matgym.oracles.growth_kinetics import TERMINAL_LENGTHS, GrowthKinetics

    kinetics = GrowthKinetics()
    lengths = [kinetics.particle(celsius + 273.15, np.array([seconds]))[3, -1] for celsius, _ in TERMINAL_LENGTHS]
    return np.array(lengths) / kinetics.atoms_a_um(10.0)


def transmission(tube, energies_ev):
    """Return the transmission of a tube given as (n, m, cells, species, strain, turned bonds)."""
    from matgym.oracles import PiTransport
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
        reward = task.score(asked, problem.targets(len(asked))).reward
        designs.append(asked.copy())
        rewards.append(reward)
        left -= len(asked)
        if left > 0:
            searching.tell(asked, reward)
    return np.concatenate(designs), np.concatenate(rewards)


# ---- timed functions


def surrogate_fit(rows):
    """Return a function that fits a surrogate to a number of tubes for one epoch."""
    import numpy as np

    from matgym.datasets import Dataset
    from matgym.surrogates.fit import fit
    from matgym.surrogates.settings import FitSettings

    data = Dataset.load("nanotube-doping")
    splits = np.array(data.table.column("split").to_pylist())
    kept = [np.flatnonzero(splits == split)[:rows] for split in ("train", "validation")]
    part = data.take(np.concatenate(kept))
    return lambda: fit(part, FitSettings(epochs=1))


def sequences_fit(count, rng):
    """Return a function that fits a network over time to a number of growth runs for one epoch."""
    from matgym.surrogates.sequences import SequenceSettings, fit_sequences
    from matgym.surrogates.sequences.growth import growth_runs

    train, validation = growth_runs(count, rng), growth_runs(count // 8, rng)
    return lambda: fit_sequences(train, validation, SequenceSettings(epochs=1))
