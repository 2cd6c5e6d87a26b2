"""Agents of Stable-Baselines3 on any registered environment: made, trained, and measured by seeded episodes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecEnv

from matgym.agents.acting import Acts
from matgym.agents.sb3 import SB3VecEnv, agent_in, check_algorithm, hyperparameters
from matgym.agents.storage import STORE, load_agent, zip_facts
from matgym.envs.design import DesignEpisodes
from matgym.errors import ConfigurationError, MatgymError
from matgym.statistics import Estimate, estimate

MAX_STEPS: Final = 10_000
"""Steps after which an episode without a time limit is given up in an evaluation. A choice of ours."""


def learner(
    environment: str, algorithm: str, *, seed: int, num_envs: int = 0, arguments: Mapping[str, Any] | None = None
) -> tuple[BaseAlgorithm, bool]:
    """Return an untrained agent on environments of its own, and whether its hyper-parameters are tuned.

    Args:
        environment: a registered id, or MODULE:ID of a module that registers it.
        algorithm: one of `matgym.agents.sb3.ALGORITHMS`.
        seed: of the agent and of its environments.
        num_envs: side by side; 0 takes the tuned number, or 1.
        arguments: of the environment.

    Raises:
        ConfigurationError: if there is no such environment or algorithm, or one cannot learn the other.
    """
    check_algorithm(algorithm)
    try:
        settings, tuned = hyperparameters(environment.rpartition(":")[2], algorithm), True
    except ConfigurationError:  # none are tuned: Stable-Baselines3's own
        settings, tuned = {}, False
    settings.pop("n_timesteps", None)
    count = settings.pop("n_envs", 1)
    envs = _adapted(environment, num_envs or count, seed, dict(arguments or {}))
    dictionary = isinstance(envs.observation_space, gym.spaces.Dict)
    network = {"RecurrentPPO": "Lstm"}.get(algorithm, "")
    settings.setdefault("policy", f"{'MultiInput' if dictionary else 'Mlp'}{network}Policy")
    try:
        return agent_in(envs, algorithm, seed, settings), tuned
    except (AssertionError, AttributeError, TypeError, ValueError) as error:
        envs.close()
        said = " ".join(str(error).split())
        raise ConfigurationError(f"{algorithm} cannot learn {environment}: {said}") from None


def _adapted(environment: str, count: int, seed: int, arguments: dict[str, Any]) -> VecEnv:
    """Environments as Stable-Baselines3 takes them, batched natively where they can be."""
    spec = _made(environment, {}, _spec)
    if spec.vector_entry_point is not None:
        envs = _made(environment, arguments, lambda name, **given: gym.make_vec(name, num_envs=count, **given))
        if hasattr(envs, "reward_space"):
            raise ConfigurationError(
                f"{environment} has vector rewards: train on the id without MO-, "
                "or use a multi-objective library such as morl-baselines"
            )
        if envs.metadata.get("autoreset_mode") is AutoresetMode.SAME_STEP:
            return SB3VecEnv(envs, seed=seed)
        envs.close()
    one_by_one: VecEnv = _made(
        environment, arguments, lambda name, **given: make_vec_env(name, count, seed, env_kwargs=given)
    )
    return one_by_one


def _spec(name: str) -> Any:
    """The specification of an id; that of MODULE:ID once the module is imported."""
    module, _, plain = name.rpartition(":")
    if module:
        import_module(module)
    return gym.spec(plain)


def _made(environment: str, arguments: Mapping[str, Any], make: Callable[..., Any]) -> Any:
    """What `make` makes of an environment; errors tell its id.

    Raises:
        ConfigurationError: if there is no such environment, or its arguments do not fit.
    """
    try:
        return make(environment, **arguments)
    except MatgymError:
        raise
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"there is no environment {environment!r}: {error}") from None
    except gym.error.Error as error:
        raise ConfigurationError(f"there is no environment {environment!r}: {' '.join(str(error).split())}") from None
    except (AssertionError, AttributeError, TypeError, ValueError) as error:
        raise ConfigurationError(f"{environment} cannot be made with {dict(arguments)}: {error}") from None


def learn(
    agent: BaseAlgorithm, steps: int, on_steps: Callable[[int, float], None], tensorboard: Path | None = None
) -> bool:
    """Train an agent, and return whether it took all steps: Ctrl-C ends the training, and what is learned stays.

    Args:
        agent: from `learner`.
        steps: of the environments together; the last rollout is finished.
        on_steps: called once a rollout with the steps so far and the mean return of recent episodes.
        tensorboard: folder for event files.
    """

    class Report(BaseCallback):
        def _on_step(self) -> bool:
            return True

        def _on_rollout_end(self) -> None:
            recent = [episode["r"] for episode in self.model.ep_info_buffer or ()]
            on_steps(self.num_timesteps, float(np.mean(recent)) if recent else float("nan"))

    if tensorboard is not None:
        agent.tensorboard_log = str(tensorboard)
    try:
        agent.learn(steps, callback=Report())
    except KeyboardInterrupt:
        return False
    finally:
        agent.get_env().close()  # type: ignore[union-attr]  # it has environments
    return True


def opened(file: Path, *, trust: bool = False) -> tuple[BaseAlgorithm, str, dict[str, Any]]:
    """Return a stored agent, the id of what it was trained on, and the arguments of that; see `load_agent`."""
    agent = load_agent(file, trust=trust)
    if file.suffix == ".zip":
        return agent, *zip_facts(file)
    card = STORE.load_card(file)
    return agent, card.environment, dict(card.arguments)


# ---- seeded episodes


@dataclass(frozen=True)
class Evaluation:
    """What seeded episodes paid.

    Attributes:
        returns: mean of the episodes' returns.
        steps: mean length.
        verified: mean reward of the designs by physics; None where no tubes are designed or nothing can verify them.
        unfinished: episodes that ended without a design.
    """

    returns: Estimate
    steps: float
    verified: Estimate | None = None
    unfinished: int = 0


def evaluated(
    environment: str,
    arguments: Mapping[str, Any],
    policy: Acts | None,
    episodes: int,
    seed: int,
    on_episode: Callable[[int], None] = lambda _done: None,
) -> Evaluation:
    """Run episodes with the seeds `seed`, `seed + 1` and so on.

    Args:
        environment: its id.
        arguments: of it.
        policy: that acts; None draws actions at random, among those that are allowed.
        episodes: how many.
        seed: of the first.
        on_episode: called after each with how many are done.

    Raises:
        ConfigurationError: if there is no such environment, or the agent does not fit it.
    """
    env = _made(environment, arguments, gym.make)
    if policy is not None:
        policy.check(environment, env)
    inside = getattr(env.unwrapped, "episodes", None)
    designs = inside if isinstance(inside, DesignEpisodes) and inside.task.space.domain is not None else None
    returns, lengths, made, targets = [], [], [], []
    for episode in range(episodes):
        observation, _ = env.reset(seed=seed + episode)
        if policy is not None:
            policy.begin()
        # Of a stream of its own: from the environment's seed it would draw what the environment draws.
        env.action_space.seed(int(np.random.SeedSequence([seed, episode]).generate_state(1)[0]))
        total, length, terminated, truncated = 0.0, 0, False, False
        while not (terminated or truncated) and length < MAX_STEPS:
            action = _drawn(env) if policy is None else policy(env, observation)
            observation, reward, terminated, truncated, _ = env.step(action)
            total += float(np.sum(reward))
            length += 1
        returns.append(total)
        lengths.append(length)
        if designs is not None and terminated:
            made.append(designs.builder.designs[0].copy())
            targets.append(designs.targets[0].copy())
        on_episode(episode + 1)
    env.close()
    verified = None
    if designs is not None and any(each.oracle is not None for each in designs.task.counted):
        rewards = designs.task.verify(np.stack(made), np.stack(targets)).reward if made else np.zeros(0)
        verified = estimate([*rewards.tolist(), *[0.0] * (episodes - len(made))])
    return Evaluation(estimate(returns), float(np.mean(lengths)), verified, episodes - len(made) if designs else 0)


def _drawn(env: gym.Env[Any, Any]) -> Any:
    """A random action, among those that are allowed where masks tell."""
    masks = getattr(env.unwrapped, "action_masks", None)
    if masks is not None and isinstance(env.action_space, gym.spaces.Discrete):
        return env.action_space.sample(mask=np.asarray(masks(), dtype=np.int8))
    return env.action_space.sample()
