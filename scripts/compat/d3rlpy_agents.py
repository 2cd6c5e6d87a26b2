"""d3rlpy learns offline from episodes that were recorded in matgym, and is evaluated online."""

import d3rlpy
import numpy as np
from d3rlpy.dataset import MDPDataset
from d3rlpy.logging import NoopAdapterFactory

from scripts.compat.common import make, random_action


def recorded(name, episodes):
    """Return random episodes as a data set of d3rlpy."""
    env, rng = make(name), np.random.default_rng(0)
    rows = []
    for seed in range(episodes):
        observation, info = env.reset(seed=seed)
        done = False
        while not done:
            action = random_action(env, rng, info)
            following, reward, terminated, truncated, info = env.step(action)
            rows.append((observation, action, reward, terminated, truncated))
            observation, done = following, terminated or truncated
    observations, actions, rewards, terminals, timeouts = map(np.array, zip(*rows, strict=True))
    actions = actions[:, None] if actions.ndim == 1 else actions
    return MDPDataset(observations, actions, rewards[:, None], terminals.astype(float), timeouts.astype(float))


def main():
    for name, settings in (
        ("matgym/NanotubeChirality-v0", d3rlpy.algos.DiscreteCQLConfig(batch_size=32)),
        ("matgym/CVDGrowth-v0", d3rlpy.algos.BCConfig(batch_size=32)),
    ):
        agent = settings.create(device="cpu:0")
        agent.fit(
            recorded(name, 30),
            n_steps=50,
            n_steps_per_epoch=50,
            show_progress=False,
            logger_adapter=NoopAdapterFactory(),
        )
        mean = d3rlpy.metrics.evaluate_qlearning_with_environment(agent, make(name), n_trials=3)
        assert np.isfinite(mean), f"{name}: {mean}"


if __name__ == "__main__":
    main()
