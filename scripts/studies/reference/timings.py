"""Measure the speed of one version of matgym, as a worker of `speed.py`, which sends a name on a line for each request.

    python timings.py VERSION               # reads a name to prepare for, or an empty line to run a round
    python timings.py VERSION --cold ID     # CPU seconds from an empty process to a made environment

Times are CPU seconds of this process, which other work on the machine disturbs less than the clock's. Only the standard
library is imported at the top, because imports are timed, too.
"""

import sys
import time
from importlib import import_module

STEPS = {  # environment: arguments, and steps of a round by batch size, of whole episodes if episodes end together
    "NanotubeDoping": ({}, {1: 320, 64: 64, 1024: 16}),
    "NanotubeChirality": ({}, {1: 1200, 64: 400, 1024: 40}),
    "NanotubeIsotopes": ({}, {1: 1600, 64: 480, 1024: 48}),
    "NanotubeThermoelectric": ({"instance": "thermoelectric-easy"}, {1: 600, 64: 80, 1024: 8}),
    "CVDGrowth": ({}, {1: 300, 64: 90, 1024: 30}),
    "Annealing": ({}, {1: 60, 64: 8, 1024: 1}),
}
SCALAR, NATIVE = "scalar", "batch of"
MAKES = 20  # environments made in a round; one if it fits an emulator
FIT_TUBES, FIT_RUNS = 512, 512  # tubes and runs of an epoch


def names(environments):
    """Return the names of all measurements."""
    stepped = [
        f"{name}-v0, {how}" for name, (_, steps) in STEPS.items() for how in (SCALAR, *(f"{NATIVE} {b}" for b in steps))
    ]
    made = [f"make {name.removeprefix('matgym/')}, warm" for name in environments]
    return [*stepped, "fit a surrogate, one epoch", "fit sequences, one epoch", *made]


def timed(call):
    """Return the CPU seconds of a call."""
    start = time.process_time()
    call()
    return time.process_time() - start


def stepping(version, name, how):
    """Return a function that steps an environment with random allowed actions, and returns CPU seconds per step."""
    import gymnasium as gym
    import numpy as np

    arguments, steps = STEPS[name]
    here, rng = version.RENAMED.get(f"matgym/{name}-v0", f"matgym/{name}-v0"), np.random.default_rng(0)
    scalar = how == SCALAR
    batch = 1 if scalar else int(how.removeprefix(NATIVE))
    env = gym.make(here, **arguments) if scalar else gym.make_vec(here, batch, **arguments)
    space = env.action_space if scalar else env.single_action_space
    inner = env.unwrapped
    env.reset(seed=0)

    def work():
        spent = 0.0
        for _ in range(steps[batch]):
            if hasattr(inner, "action_masks"):  # choosing actions is the agent's part and not timed
                masks = np.atleast_2d(inner.action_masks())
                actions = (rng.random(masks.shape) * masks).argmax(axis=1)
            else:
                actions = rng.uniform(space.low, space.high, (batch, *space.shape)).astype(np.float32)
            start = time.process_time()
            _, _, terminated, truncated, _ = env.step(actions[0] if scalar else actions)
            if scalar and (terminated or truncated):
                env.reset()
            spent += time.process_time() - start
        return spent / steps[batch]

    return work


def worker(version):
    """Answer requests until the input ends."""
    import gymnasium as gym
    import numpy as np
    import torch
    from figures import arguments_of

    import matgym  # noqa: F401  # registers the environments

    torch.set_num_threads(1)

    def prepared(asked):
        if asked.startswith("make "):
            name = "matgym/" + asked.removeprefix("make ").removesuffix(", warm")
            here, arguments = version.RENAMED.get(name, name), arguments_of(name)
            makes = 1 if arguments else MAKES
            return lambda: timed(lambda: [gym.make(here, **arguments) for _ in range(makes)]) / makes
        if asked.startswith("fit "):
            surrogate = asked == "fit a surrogate, one epoch"
            fit = version.surrogate_fit(FIT_TUBES) if surrogate else version.sequences_fit(FIT_RUNS, rng)
            return lambda: timed(fit)
        return stepping(version, *asked.split("-v0, "))

    rng = np.random.default_rng(0)
    for line in sys.stdin:
        asked = line.strip()
        if asked:
            work = prepared(asked)
            work()  # the first round also loads files and is not counted
        print(0.0 if asked else work(), flush=True)


def cold(version, name):
    """Return CPU seconds until an environment is made, imports included; for "matgym", until it is imported."""
    if name == "matgym":
        return timed(lambda: import_module("matgym"))
    arguments = {}
    if "Experiments" in name:
        from figures import arguments_of

        arguments = arguments_of(name)

    def make():
        import gymnasium as gym

        import matgym  # noqa: F401  # registers the environments

        gym.make(version.RENAMED.get(name, name), **arguments)

    return timed(make)


if __name__ == "__main__":
    version = import_module(sys.argv[1])
    if "--cold" in sys.argv:
        print(cold(version, sys.argv[3]))
    else:
        worker(version)
