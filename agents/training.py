"""Create, train and evaluate agents of Stable-Baselines3 on any registered environment."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any, Final

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.type_aliases import TrainFreq, TrainFrequencyUnit
from stable_baselines3.common.vec_env import VecEnv

from matgym.agents.acting import Acts
from matgym.agents.experts import expert_of
from matgym.agents.honeycomb.policies import NAME as HONEYCOMB
from matgym.agents.imitation import Imitation, imitate
from matgym.agents.sb3 import SB3VecEnv, agent_in, check_algorithm, hyperparameters
from matgym.agents.scripted import Alone
from matgym.agents.storage import STORE, load_agent, zip_facts
from matgym.envs.design import DesignEpisodes
from matgym.errors import ConfigurationError, MatgymError, WeightsError, one_line
from matgym.files import read_yaml
from matgym.statistics import Estimate, estimate
from matgym.typing import FloatArray

MAX_STEPS: Final = 10_000
"""Number of steps after which an evaluation stops an episode without a time limit. This limit is our choice."""


def settings_of(environment: str, algorithm: str, arguments: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """Return the stored hyper-parameters of an algorithm in an environment, and whether there are any.

    Policies on the honeycomb have those of the key "honeycomb", which are the same for all environments.
    """
    key = "honeycomb" if _on_honeycomb(arguments) else environment.rpartition(":")[2]
    try:
        return hyperparameters(key, algorithm), True
    except ConfigurationError:  # none are stored: use the defaults of Stable-Baselines3
        return {}, False


def _on_honeycomb(arguments: Mapping[str, Any]) -> bool:
    """Return whether the arguments of an environment ask for the observation on the honeycomb."""
    return arguments.get("observation") == "honeycomb"


def settings_in(file: Path, environment: str) -> dict[str, Any]:
    """Return the hyper-parameters of an environment in a file in rl_zoo3's format.

    Raises:
        ConfigurationError: if the file has none of this environment.
        FormatError: if it cannot be read.
    """
    content, name = read_yaml(file), environment.rpartition(":")[2]
    if not isinstance(content, dict) or not isinstance(content.get(name), dict):
        raise ConfigurationError(f"{file} has no hyper-parameters of {name}: give a file with this id as a key")
    return dict(content[name])


def learner(
    environment: str,
    algorithm: str,
    *,
    seed: int,
    num_envs: int = 0,
    arguments: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> tuple[BaseAlgorithm, bool]:
    """Return an untrained agent with its environments, and whether its hyper-parameters are tuned.

    Args:
        environment: id of a registered environment, or MODULE:ID with the module that registers it.
        algorithm: one of `matgym.agents.sb3.ALGORITHMS`.
        seed: random seed of the agent and of its environments.
        num_envs: number of parallel environments; 0 for the tuned number, or for 1 if none is tuned.
        arguments: arguments of the environment.
        settings: hyper-parameters in rl_zoo3's format; None for the stored ones.

    Raises:
        ConfigurationError: if there is no such environment or algorithm, or the algorithm cannot learn the environment.
    """
    check_algorithm(algorithm)
    given = dict(arguments or {})
    chosen, tuned = settings_of(environment, algorithm, given) if settings is None else (dict(settings), True)
    chosen.pop("n_timesteps", None)
    count = chosen.pop("n_envs", 1)
    envs = _adapted(environment, num_envs or count, seed, given)
    if _on_honeycomb(given):
        chosen.setdefault("policy", HONEYCOMB)
    dictionary = isinstance(envs.observation_space, gym.spaces.Dict)
    network = {"RecurrentPPO": "Lstm"}.get(algorithm, "")
    chosen.setdefault("policy", f"{'MultiInput' if dictionary else 'Mlp'}{network}Policy")
    try:
        return agent_in(envs, algorithm, seed, chosen), tuned
    except (AssertionError, AttributeError, TypeError, ValueError) as error:
        envs.close()
        said = one_line(error)
        raise ConfigurationError(f"{algorithm} cannot learn {environment}: {said}") from None


def _adapted(environment: str, count: int, seed: int, arguments: dict[str, Any]) -> VecEnv:
    """Return parallel environments for Stable-Baselines3: a native batch if the environment has one.

    Raises:
        ConfigurationError: if there is no such environment, its arguments do not fit, or its rewards are vectors.
    """
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
    """Return the Gymnasium specification of an id, or of MODULE:ID after the import of the module."""
    module, _, plain = name.rpartition(":")
    if module:
        import_module(module)
    return gym.spec(plain)


def _made(environment: str, arguments: Mapping[str, Any], make: Callable[..., Any]) -> Any:
    """Return the result of `make` for an environment, and name the environment in errors.

    Args:
        environment: id of the environment.
        arguments: arguments of the environment.
        make: a function of the id and the arguments, such as `gymnasium.make`.

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
        raise ConfigurationError(f"there is no environment {environment!r}: {one_line(error)}") from None
    except (AssertionError, AttributeError, TypeError, ValueError) as error:
        raise ConfigurationError(f"{environment} cannot be made with {dict(arguments)}: {error}") from None


def imitated(
    agent: BaseAlgorithm, environment: str, episodes: int, seed: int, on_progress: Callable[[str, int, int], None]
) -> Imitation:
    """Let an agent of `learner` imitate the scripted expert of its environment, and return what that took.

    Args:
        agent: the agent.
        environment: id of the environment.
        episodes: number of episodes of the expert.
        seed: seed of the expert and of the order of its steps.
        on_progress: called with what is done, a number, and its total.

    Raises:
        ConfigurationError: if the environment has no expert, or the agent cannot imitate: see `imitate`.
    """
    return imitate(agent, expert_of(environment).make(), episodes, np.random.default_rng(seed), on_progress=on_progress)


def learn(
    agent: BaseAlgorithm, steps: int, on_steps: Callable[[int, float], bool | None], tensorboard: Path | None = None
) -> bool:
    """Train an agent, and return whether the training was completed; Ctrl-C stops it and keeps what is learned.

    Args:
        agent: an agent of `learner`.
        steps: total number of steps of all environments; the last rollout is completed.
        on_steps: called after each rollout with the number of steps and the mean return of recent episodes; the
            training stops if it returns False.
        tensorboard: folder for TensorBoard logs; None for none.
    """

    class Report(BaseCallback):
        goes_on = True

        def _on_step(self) -> bool:
            return self.goes_on

        def _on_rollout_end(self) -> None:
            recent = [episode["r"] for episode in self.model.ep_info_buffer or ()]
            mean = float(np.mean(recent)) if recent else float("nan")
            self.goes_on = on_steps(self.num_timesteps, mean) is not False

    if tensorboard is not None:
        agent.tensorboard_log = str(tensorboard)
    report = Report()
    try:
        agent.learn(steps, callback=report)
    except KeyboardInterrupt:
        return False
    finally:
        agent.get_env().close()  # type: ignore[union-attr]  # it has environments
    return agent.num_timesteps >= steps


def rollout_of(agent: BaseAlgorithm) -> str:
    """Return the shortest part of an agent's training, in words: a training ends after a whole one."""
    if isinstance(agent, OnPolicyAlgorithm):
        return f"a rollout of {agent.n_steps * agent.n_envs:,} steps"
    frequency: Any = getattr(agent, "train_freq", None)  # a number or a pair before the training, a `TrainFreq` after
    if isinstance(frequency, TrainFreq) and frequency.unit is TrainFrequencyUnit.EPISODE:
        return f"{frequency.frequency:,} episodes"
    steps = frequency.frequency if isinstance(frequency, TrainFreq) else 1
    return f"a rollout of {steps * agent.n_envs:,} steps"


def opened(file: Path, *, trust: bool = False) -> tuple[BaseAlgorithm, str, dict[str, Any]]:
    """Return a stored agent, the id of the environment of its training, and the arguments of that environment.

    Args:
        file: the file of the agent.
        trust: whether a .zip may be unpickled (see `load_agent`), and whether the environment may name a module, which
            Python runs.

    Raises:
        WeightsError: if the agent cannot be read (see `load_agent`), or names a module without `trust`.
    """
    agent = load_agent(file, trust=trust)
    if file.suffix == ".zip":
        return agent, *zip_facts(file)
    card = STORE.load_card(file)
    module, _, _ = card.environment.rpartition(":")
    if module not in {"", "matgym"} and not trust:
        raise WeightsError(
            f"{file} was trained in {card.environment!r}, and Python would run the module {module}: if you trust it, "
            "allow that by --trust (in Python, trust=True)"
        )
    return agent, card.environment, dict(card.arguments)


# ---- seeded episodes


def first_returns(
    environment: str, arguments: Mapping[str, Any], agent: BaseAlgorithm, episodes: int, seed: int
) -> FloatArray:
    """Return the (episodes,) returns of an agent's most likely actions, each in an environment of one batch.

    Args:
        environment: id of the environment.
        arguments: arguments of the environment.
        agent: the agent.
        episodes: number of episodes.
        seed: random seed of the first one; the next ones follow.
    """
    envs = _adapted(environment, episodes, seed, dict(arguments))
    masked = "action_masks" in signature(agent.predict).parameters and envs.has_attr("action_masks")
    observation: Any = envs.reset()
    state: Any = None
    begins, running, returns = np.ones(episodes, dtype=bool), np.ones(episodes, dtype=bool), np.zeros(episodes)
    for _ in range(MAX_STEPS):
        masks = {"action_masks": np.stack(envs.env_method("action_masks"))} if masked else {}
        actions, state = agent.predict(observation, state=state, episode_start=begins, deterministic=True, **masks)
        observation, rewards, begins, _ = envs.step(actions)
        returns += np.where(running, rewards, 0.0)
        running &= ~begins
        if not running.any():
            break
    envs.close()
    return returns


@dataclass(frozen=True)
class Evaluation:
    """Results of seeded episodes.

    Attributes:
        returns: mean return of the episodes.
        steps: mean number of steps of the episodes.
        verified: mean reward of the designs as verified by physics; None if the environment designs no tubes or no
            oracle verifies them.
        unfinished: number of episodes that ended without a design.
    """

    returns: Estimate
    steps: float
    verified: Estimate | None = None
    unfinished: int = 0


def evaluated(
    environment: str,
    arguments: Mapping[str, Any],
    policy: Acts | Alone | None,
    episodes: int,
    seed: int,
    on_episode: Callable[[int], None] = lambda _done: None,
) -> Evaluation:
    """Run episodes with the seeds `seed`, `seed + 1` and so on.

    Args:
        environment: id of the environment.
        arguments: arguments of the environment.
        policy: the agent, or a scripted policy; None for random actions among those that are allowed.
        episodes: number of episodes.
        seed: random seed of the first episode.
        on_episode: called after each episode with the number of finished episodes.

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
        # A separate stream: with the environment's seed, actions would use the random numbers of the environment.
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
    """Return a random action, among those that the environment's mask allows if it has one."""
    masks = getattr(env.unwrapped, "action_masks", None)
    if masks is not None and isinstance(env.action_space, gym.spaces.Discrete):
        return env.action_space.sample(mask=np.asarray(masks(), dtype=np.int8))
    return env.action_space.sample()
