"""Conformance tests for your own surrogate, oracle, environment, or optimizer.

Each raises an AssertionError that says in one sentence what does not hold.
"""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import VectorEnv

from matgym.physics import Oracle
from matgym.structures import Nanotube, tubes_on
from matgym.surrogates import as_predictor
from matgym.tasks import RandomSeeder, TargetProperty

TOLERANCE = 1e-3
"""By how much a surrogate may differ between a tube alone and in a batch, in the property's unit, or as a share of
values above 1."""

MOST_STEPS = 100_000
"""Steps after which an episode counts as endless."""


def _sample_tubes(count: int = 6) -> tuple[TargetProperty, Any]:
    task = TargetProperty(source=_zero)
    species = RandomSeeder().seed(task.lattice, task.edits, np.zeros(count), np.random.default_rng(0))
    return task, species


def _zero(tubes: list[Nanotube]) -> np.ndarray[Any, Any]:
    return np.zeros(len(tubes))


def check_surrogate(source: Any, key: str = "gap_ev") -> None:
    """Check that `source` can reward designs: whatever `as_predictor` takes.

    It must give one finite number a tube, the same again for the same tube, alone as in a batch, and leave
    its input as it is.

    Args:
        source: as for `matgym.surrogates.as_predictor`.
        key: the property it is asked for.
    """
    predictor = as_predictor(source, key)
    task, species = _sample_tubes()
    before = species.copy()
    belief = predictor.believe(task.lattice, species)
    values = belief.mean
    for name, doubt in (("sd", belief.sd), ("half_width", belief.half_width), ("distance", belief.distance)):
        assert doubt.shape == (len(species),), f"{predictor.name} gave {name} of shape {doubt.shape}"
        assert not (doubt < 0.0).any(), f"{predictor.name} gave a negative {name}: {doubt}"
    assert values.shape == (len(species),), f"{predictor.name} gave shape {values.shape} for {len(species)} tubes"
    assert np.isfinite(values).all(), (
        f"{predictor.name} gave {values}: a value that cannot be computed is NaN in oracles only"
    )
    assert (species == before).all(), f"{predictor.name} changed its input"
    again = predictor.predict(task.lattice, species)
    assert (values == again).all(), (
        f"{predictor.name} gave {again - values} more the second time: it must not draw at random"
    )
    alone = np.concatenate([predictor.predict(task.lattice, one[None]) for one in species])
    worst = float((np.abs(alone - values) / np.maximum(1.0, np.abs(values))).max())
    assert worst <= TOLERANCE, f"{predictor.name} differs by {worst:.3g} between a tube alone and in a batch"


def check_oracle(oracle: Oracle) -> None:
    """Check that an oracle answers batches with typed properties and respects the tube's symmetry."""
    assert isinstance(oracle, Oracle), f"{type(oracle).__name__} lacks one of provides, fidelity, cost, evaluate"
    task, species = _sample_tubes(2)
    tube = tubes_on(task.lattice, species)[0]
    found = oracle.evaluate([tube, tube.rotated(), tube.reversed(), tube.mirrored()])
    assert found.ok.any(), f"the oracle failed on an ordinary tube: {found.failures}"
    for prop in oracle.provides:
        assert np.isnan(found[prop][~found.ok]).all(), f"{prop} gives a number where it reports a failure"
        values = found[prop]
        assert values.shape == (4,), f"{prop} has shape {values.shape} for 4 tubes"
        computed = values[found.ok]
        assert np.isfinite(computed).all(), f"{prop} is {values}: what cannot be computed belongs into failures"
        spread = float(np.ptp(computed)) if len(computed) else 0.0
        scale = max(1.0, float(np.abs(computed).max(initial=0.0)))
        assert spread <= 1e-6 * scale, f"{prop} differs by {spread:.3g} between symmetric copies of a tube"


def check_env(env: gym.Env[Any, Any], episodes: int = 2) -> None:
    """Check an environment: Gymnasium's and SB3's checkers, seeding, rewards in [-1, 1].

    Args:
        env: from `gymnasium.make`, or not yet wrapped.
        episodes: to play with random allowed actions, twice over, with the same seeds.
    """
    import warnings

    from gymnasium.utils.env_checker import check_env as gymnasium_check
    from gymnasium.utils.env_checker import data_equivalence
    from stable_baselines3.common.env_checker import check_env as sb3_check

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        checked = _Summed(env.unwrapped) if hasattr(env.unwrapped, "reward_space") else env.unwrapped
        gymnasium_check(checked, skip_render_check=True)
        sb3_check(checked)
    first, second = (_play(env, episodes) for _ in range(2))
    assert len(first) == len(second), "the same seeds gave episodes of other lengths"
    for (a, reward_a), (b, reward_b) in zip(first, second, strict=True):
        assert data_equivalence(a, b, exact=True), "the same seeds and actions gave other observations"
        assert np.array_equal(reward_a, reward_b), "the same seeds and actions gave other rewards"
        assert (np.abs(reward_a) <= 1.0).all(), f"reward {reward_a} lies outside [-1, 1]"


class _Summed(gym.Env[Any, Any]):
    """An environment of vector rewards with their mean for a reward: the checkers read no others."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        self.env, self.metadata, self.render_mode = env, env.metadata, env.render_mode
        self.observation_space, self.action_space = env.observation_space, env.action_space

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        return self.env.reset(seed=seed, options=options)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, float(np.asarray(reward).mean()), terminated, truncated, info


def _play(env: gym.Env[Any, Any], episodes: int) -> list[tuple[Any, Any]]:
    rng = np.random.default_rng(0)
    trace: list[tuple[Any, Any]] = []
    for episode in range(episodes):
        env.reset(seed=episode)
        done, steps = False, 0
        while not done:
            steps += 1
            assert steps <= MOST_STEPS, f"an episode did not end within {MOST_STEPS} steps: give it a time limit"
            if isinstance(env.action_space, gym.spaces.Discrete) and hasattr(env.unwrapped, "action_masks"):
                action: Any = rng.choice(np.flatnonzero(env.unwrapped.action_masks()))
            else:
                env.action_space.seed(int(rng.integers(2**31)))
                action = env.action_space.sample()
            observation, reward, terminated, truncated, _ = env.step(action)
            trace.append((observation, reward))
            done = terminated or truncated
    return trace


def check_vector_env(
    envs: VectorEnv[Any, Any, Any], make_env: Callable[[], gym.Env[Any, Any]], steps: int = 50
) -> None:
    """Check that a natively batched environment does what the scalar one does, each of its episodes by its own seed.

    Args:
        envs: in SAME_STEP autoreset mode.
        make_env: makes the scalar environment, with the same time limit.
        steps: to compare, with random allowed actions.
    """
    from gymnasium.utils.env_checker import data_equivalence
    from gymnasium.vector import AutoresetMode, SyncVectorEnv

    mode = envs.metadata.get("autoreset_mode")
    assert mode is AutoresetMode.SAME_STEP, f"autoreset mode {mode} is not Stable-Baselines3's, SAME_STEP"
    reference = SyncVectorEnv([make_env] * envs.num_envs, autoreset_mode=AutoresetMode.SAME_STEP)
    assert envs.single_observation_space == reference.single_observation_space, "the observation spaces differ"
    assert envs.single_action_space == reference.single_action_space, "the action spaces differ"
    rng = np.random.default_rng(0)
    first, second = envs.reset(seed=3)[0], reference.reset(seed=3)[0]
    assert data_equivalence(first, second), "the same seeds gave other first observations"
    for step in range(steps):
        if isinstance(envs.single_action_space, gym.spaces.Discrete) and hasattr(envs, "action_masks"):
            actions: Any = np.array([rng.choice(np.flatnonzero(mask)) for mask in envs.action_masks()])
        else:
            envs.action_space.seed(int(rng.integers(2**31)))
            actions = envs.action_space.sample()
        ours, theirs = envs.step(actions), reference.step(actions)
        assert data_equivalence(ours[0], theirs[0]), f"observations differ at step {step}"
        apart = float(np.abs(ours[1] - theirs[1]).max())
        assert apart <= TOLERANCE, f"rewards differ by {apart:.3g} at step {step}"
        assert (ours[2] == theirs[2]).all(), f"terminations differ at step {step}"
        assert (ours[3] == theirs[3]).all(), f"truncations differ at step {step}"
