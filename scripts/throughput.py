"""Steps per second of NanotubeDoping: natively batched, against the bare surrogate and against SyncVectorEnv.

All in one run, alternating, so that the machine's mood falls on all alike. Prints one JSON object.
"""

import json
import time
from functools import partial

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import matgym  # noqa: F401  # registers the environments
from matgym.tasks import RandomDesigns, TargetProperty

BATCH = 1024
ROUNDS = 5
EPISODE = 16  # edits a design: every design is scored once


def random_actions(masks, rng):
    """One allowed action a row."""
    return (rng.random(masks.shape) * masks).argmax(axis=1)


def main():
    torch.set_num_threads(1)
    task = TargetProperty()
    rng = np.random.default_rng(0)
    native = gym.make_vec("matgym/NanotubeDoping-v0", num_envs=BATCH, task=task)
    sync = SyncVectorEnv(
        [partial(gym.make, "matgym/NanotubeDoping-v0", task=task)] * BATCH,
        autoreset_mode=AutoresetMode.SAME_STEP,
    )
    native.reset(seed=0)
    sync.reset(seed=0)
    designs = RandomDesigns().seed(task.lattice, task.edits, np.zeros(BATCH), rng)
    rates = {"surrogate": [], "native": [], "sync": [], "share_in_surrogate": []}
    for _ in range(ROUNDS):
        start = time.perf_counter()
        task.predictor.predict(task.lattice, designs)
        rates["surrogate"].append(BATCH / (time.perf_counter() - start))

        before, spent = task.ledger.seconds["surrogate"], 0.0
        for _ in range(EPISODE):
            actions = random_actions(native.action_masks(), rng)  # the agent's part: not timed
            start = time.perf_counter()
            native.step(actions)
            spent += time.perf_counter() - start
        rates["native"].append(BATCH * EPISODE / spent)
        rates["share_in_surrogate"].append((task.ledger.seconds["surrogate"] - before) / spent)

        spent = 0.0
        for _ in range(EPISODE):
            actions = random_actions(np.stack(sync.call("action_masks")), rng)
            start = time.perf_counter()
            sync.step(actions)
            spent += time.perf_counter() - start
        rates["sync"].append(BATCH * EPISODE / spent)
    middle = {name: float(np.median(values)) for name, values in rates.items()}
    designs_per_second = middle["native"] / EPISODE
    print(
        json.dumps(
            {
                "batch": BATCH,
                "threads": 1,
                "surrogate_designs_per_s": middle["surrogate"],
                "native_steps_per_s": middle["native"],
                "native_designs_per_s": designs_per_second,
                "sync_steps_per_s": middle["sync"],
                "steps_over_bare_inference": middle["native"] / middle["surrogate"],
                "designs_over_bare_inference": designs_per_second / middle["surrogate"],
                "share_of_step_time_in_surrogate": middle["share_in_surrogate"],
                "native_over_sync": middle["native"] / middle["sync"],
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
