"""d3rlpy learns from episodes that Minari recorded, from choices and from numbers."""

import os
import tempfile

import numpy as np

from scripts.compat.common import make, play

NAMES = ("matgym/NanotubeChirality-v0", "matgym/CVDGrowth-v0")


def main():
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MINARI_DATASETS_PATH"] = folder  # before minari is imported
        import d3rlpy
        import minari

        for name in NAMES:
            env = minari.DataCollector(make(name))
            returns = [play(env, np.random.default_rng(seed), seed)[1] for seed in range(8)]
            stored = f"compat/{name.split('/')[1].lower()}"
            env.create_dataset(stored)
            dataset, plain = d3rlpy.datasets.get_minari(stored)
            found = [float(episode.rewards.sum()) for episode in dataset.episodes]
            assert np.allclose(found, returns, atol=1e-4), f"{name}: {found}, not {returns}"
            discrete = dataset.dataset_info.action_space is d3rlpy.ActionSpace.DISCRETE
            algorithm = d3rlpy.algos.DiscreteCQLConfig if discrete else d3rlpy.algos.TD3PlusBCConfig
            agent = algorithm(batch_size=8).create(device="cpu")
            logs = d3rlpy.logging.NoopAdapterFactory()
            agent.fit(dataset, n_steps=10, n_steps_per_epoch=5, logger_adapter=logs, show_progress=False)
            observation, _ = plain.reset(seed=0)
            action = agent.predict(np.asarray(observation)[None])[0]
            _, reward, *_ = plain.step(action)
            assert np.isfinite(reward)


if __name__ == "__main__":
    main()
