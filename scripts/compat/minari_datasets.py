"""Minari records every environment with its infos, and gives back what was recorded."""

import os
import tempfile

import numpy as np

from scripts.compat.common import ARGUMENTS, make, random_action


def main():
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MINARI_DATASETS_PATH"] = folder  # before minari is imported
        import minari

        for name in ARGUMENTS:
            if "MO-" in name:  # Minari stores one number a step as the reward
                continue
            env = minari.DataCollector(make(name), record_infos=True)
            rng, returns = np.random.default_rng(0), []
            for seed in range(2):
                _, info = env.reset(seed=seed)
                total, done = 0.0, False
                while not done:
                    _, reward, terminated, truncated, info = env.step(random_action(env, rng, info))
                    total, done = total + reward, terminated or truncated
                returns.append(total)
            dataset = env.create_dataset(f"compat/{name.replace('/', '-').lower()}")
            stored = [float(np.sum(episode.rewards)) for episode in dataset.iterate_episodes()]
            assert np.allclose(stored, returns), f"{name}: {stored} and {returns}"
            assert next(dataset.iterate_episodes()).infos, f"{name}: no infos were recorded"


if __name__ == "__main__":
    main()
