"""Stable-Baselines3 on natively batched environments: the adapter from Gymnasium's VectorEnv, and agents on it.

SB3 takes only its own VecEnv and wraps scalar environments one by one; `SB3VecEnv` hands it a natively batched one
(wished for in DLR-RM/stable-baselines3#1568 and #1745).
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import gymnasium as gym
import numpy as np
import sb3_contrib
import stable_baselines3
from gymnasium.vector import AutoresetMode, VectorEnv
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env.base_vec_env import VecEnv, VecEnvStepReturn
from typing_extensions import override

from matgym.agents.honeycomb import register_policies
from matgym.errors import ConfigurationError
from matgym.files import read_yaml
from matgym.tasks import Ledger

register_policies()

ALGORITHMS: Final = ("PPO", "MaskablePPO", "RecurrentPPO", "A2C", "DQN", "QRDQN", "SAC", "TD3", "TQC")
"""Of Stable-Baselines3 and sb3-contrib."""

ZOO_NAMES: Final = {"MaskablePPO": "ppo", "RecurrentPPO": "ppo_lstm"}
"""The names of algorithms in rl_zoo3 that differ from the class name in lower case; masks change no hyper-parameter."""


class SB3VecEnv(VecEnv):
    """An adapter from a Gymnasium vector environment to SB3, with the records of `Monitor` and `VecMonitor`.

    Rewards are float32; infos are those of the scalar environments. When an episode ends, "terminal_observation" is its
    last observation, "TimeLimit.truncated" is true if it was truncated and did not terminate, and "episode" holds
    return, length and seconds, as in `Monitor`.
    """

    def __init__(self, envs: VectorEnv[Any, Any, Any], seed: int | None = None) -> None:
        """Adapt a vector environment.

        Args:
            envs: a vector environment with autoreset mode SAME_STEP, as SB3 needs it.
            seed: the seed of the first reset.

        Raises:
            ConfigurationError: if the autoreset mode is not SAME_STEP.
        """
        if envs.metadata.get("autoreset_mode") is not AutoresetMode.SAME_STEP:
            raise ConfigurationError(
                f"autoreset mode {envs.metadata.get('autoreset_mode')} is not SB3's: make the environment in SAME_STEP"
            )
        self.envs = envs
        self._seed = seed
        self._actions: np.ndarray[Any, Any] = np.zeros(envs.num_envs)
        self._returns, self._lengths = np.zeros(envs.num_envs), np.zeros(envs.num_envs, dtype=np.int64)
        self._began = time.time()
        super().__init__(envs.num_envs, envs.single_observation_space, envs.single_action_space)

    @override
    def reset(self) -> Any:
        observation: Any = None
        info: dict[str, Any] = {}
        for options in _grouped(self._options):
            observation, info = self.envs.reset(seed=self._seed, options=options)
        self._seed = None
        self._reset_options()
        self._returns[:], self._lengths[:] = 0.0, 0
        self.reset_infos = _rows(info, self.num_envs)
        return observation

    @override
    def step_async(self, actions: np.ndarray[Any, Any]) -> None:
        self._actions = actions

    @override
    def step_wait(self) -> VecEnvStepReturn:
        observation, reward, terminated, truncated, info = self.envs.step(self._actions)
        done = terminated | truncated
        self._returns += reward
        self._lengths += 1
        last, infos = info.pop("final_info", {}), _rows(info, self.num_envs)
        if done.any():
            ended, seconds = _rows(last, self.num_envs), round(time.time() - self._began, 6)
            for i in np.flatnonzero(done):
                episode = {"r": round(float(self._returns[i]), 6), "l": int(self._lengths[i]), "t": seconds}
                infos[i] = {"episode": infos[i].get("episode", episode)} | ended[i]
                infos[i]["terminal_observation"] = info["final_obs"][i]  # a dictionary if observations are dictionaries
                infos[i]["TimeLimit.truncated"] = bool(truncated[i] and not terminated[i])
            self._returns[done], self._lengths[done] = 0.0, 0
        return observation, reward.astype(np.float32), done, infos

    @override
    def get_images(self) -> Sequence[Any]:
        frames: Any = self.envs.render()
        return list(frames)

    @override
    def close(self) -> None:
        self.envs.close()

    @override
    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        self._seed = seed
        return [None if seed is None else seed + i for i in range(self.num_envs)]

    @override
    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        """Call a method of the vector environment.

        Masks come one row an environment; what else there is, such as the `compute_reward` that `HerReplayBuffer`
        calls, is the same for all.
        """
        found = getattr(self.envs, method_name)(*args, **kwargs)
        return [found[i] if method_name == "action_masks" else found for i in self._indices(indices)]

    @override
    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        value = getattr(self.envs, attr_name)
        return [value for _ in self._indices(indices)]

    @override
    def has_attr(self, attr_name: str) -> bool:
        return hasattr(self.envs, attr_name)

    @override
    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        setattr(self.envs, attr_name, value)

    @override
    def env_is_wrapped(self, wrapper_class: type[gym.Wrapper[Any, Any, Any, Any]], indices: Any = None) -> list[bool]:
        return [wrapper_class is Monitor for _ in self._indices(indices)]

    def _indices(self, indices: Any) -> Iterable[int]:
        return self._get_indices(indices)


def _rows(info: Mapping[str, Any], count: int) -> list[dict[str, Any]]:
    """Return the infos of each environment; an entry with a mask applies only to the environments in the mask."""
    whole: dict[str, list[Any]] = {}
    partial: dict[str, list[Any]] = {}
    for name, value in info.items():
        if not name.startswith("_"):
            column = _rows(value, count) if isinstance(value, Mapping) else np.asarray(value)
            listed = column if isinstance(column, list) else column.tolist() if column.ndim == 1 else list(column)
            (whole if f"_{name}" not in info else partial)[name] = listed
    rows = [dict(zip(whole, values, strict=True)) for values in zip(*whole.values(), strict=True)]
    rows = rows or [{} for _ in range(count)]
    for name, values in partial.items():
        for i in np.flatnonzero(info[f"_{name}"]):
            rows[i][name] = values[i]
    return rows


def _grouped(options: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any] | None]:
    """Yield options for resets of a vector environment, one for each group of environments with the same names."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for i, each in enumerate(options):
        groups.setdefault(tuple(sorted(each)), []).append(i)
    if len(groups) < 2 and not any(groups):
        yield None
        return
    for names, rows in groups.items():
        mask = np.isin(np.arange(len(options)), rows)
        # The array must cover all environments; the entries of other environments are ignored.
        columns = {
            name: np.array([options[i if mask[i] else rows[0]][name] for i in range(len(mask))]) for name in names
        }
        yield columns | ({} if mask.all() else {"reset_mask": mask})


def hyperparameters(environment: str, algorithm: str) -> dict[str, Any]:
    """Return tuned hyper-parameters, as rl_zoo3 reads them from `-conf hyperparameters_file(algorithm)`.

    Args:
        environment: the registered id, such as "matgym/NanotubeDoping-v0"; "search" for agents that search one
            problem.
        algorithm: one of `ALGORITHMS`.

    Raises:
        ConfigurationError: if there are none.
    """
    table = read_yaml(hyperparameters_file(algorithm))
    if environment not in table:
        raise ConfigurationError(
            f"there are no hyper-parameters of {algorithm} for {environment!r}; there are for {', '.join(table)}"
        )
    return dict(table[environment])


def hyperparameters_file(algorithm: str) -> Path:
    """Return the file of an algorithm's hyper-parameters, in rl_zoo3's format.

    Raises:
        ConfigurationError: if the algorithm is unknown.
    """
    check_algorithm(algorithm)
    named = ZOO_NAMES.get(algorithm, algorithm.lower())
    return Path(str(files("matgym.agents"))) / "hyperparams" / f"{named}.yml"


def make_agent(
    algorithm: str,
    task: Any,
    seed: int,
    overrides: Mapping[str, Any] | None = None,
    environment: str = "matgym/NanotubeDoping-v0",
    **arguments: Any,
) -> BaseAlgorithm:
    """Return an untrained agent on a batch of environments.

    Args:
        algorithm: an algorithm with hyper-parameters for the environment.
        task: the task of the environment; users of the same task share its ledger.
        seed: the seed of the agent and of its environments.
        overrides: hyper-parameters that replace the tuned ones.
        environment: the registered id.
        arguments: further arguments of the environment, such as `initial_designs="gan"`.
    """
    settings = hyperparameters(environment, algorithm) | dict(overrides or {})
    settings.pop("n_timesteps", None)  # `train_agent` gets its own budget
    envs = gym.make_vec(environment, num_envs=settings.pop("n_envs"), task=task, **arguments)
    return agent_on(envs, algorithm, seed, settings)


def agent_on(envs: VectorEnv[Any, Any, Any], algorithm: str, seed: int, settings: Mapping[str, Any]) -> BaseAlgorithm:
    """Return an untrained agent on existing environments; `settings` hold the name of the policy."""
    return agent_in(SB3VecEnv(envs, seed=seed), algorithm, seed, settings)


def agent_in(envs: VecEnv, algorithm: str, seed: int, settings: Mapping[str, Any]) -> BaseAlgorithm:
    """Return an untrained agent on environments of Stable-Baselines3; see `agent_on`."""
    arguments = {name: schedule(value) for name, value in settings.items()}
    return constructor(algorithm)(arguments.pop("policy"), envs, seed=seed, device="cpu", **arguments)


def schedule(value: Any) -> Any:
    """Return the schedule of rl_zoo3's "lin_0.001", which decreases linearly to zero; other values are unchanged."""
    if not (isinstance(value, str) and value.startswith("lin_")):
        return value
    first = float(value.removeprefix("lin_"))
    return lambda remaining: first * remaining


def constructor(algorithm: str) -> type[BaseAlgorithm]:
    """Return the class of an algorithm.

    Raises:
        ConfigurationError: if neither Stable-Baselines3 nor sb3-contrib has it.
    """
    check_algorithm(algorithm)
    return getattr(stable_baselines3, algorithm, None) or getattr(sb3_contrib, algorithm)  # type: ignore[no-any-return]


def check_algorithm(algorithm: str) -> None:
    """Raise an error for an algorithm that is neither in Stable-Baselines3 nor in sb3-contrib.

    Raises:
        ConfigurationError: if it is unknown.
    """
    if algorithm not in ALGORITHMS:
        raise ConfigurationError(f"algorithm {algorithm!r} is unknown; there are {', '.join(ALGORITHMS)}")


def train_agent(agent: BaseAlgorithm, ledger: Ledger, designs: int, on_rollout: Callable[[int, float], None]) -> None:
    """Train until a ledger has counted a number of designs; the last rollout is finished.

    Args:
        agent: an agent from `make_agent`.
        ledger: the ledger of its task.
        designs: the number of evaluations of the reward model.
        on_rollout: called after each rollout with the number of designs and the mean reward of recent ones.
    """
    start = sum(ledger.counts.values())

    class Spend(BaseCallback):
        """A callback that stops after the rollout that reaches the budget, so that the agent learns from all of it."""

        spent = 0

        def _on_step(self) -> bool:
            return self.spent < designs

        def _on_rollout_end(self) -> None:
            self.spent = sum(ledger.counts.values()) - start
            if self.model.ep_info_buffer:
                recent = [episode["r"] for episode in self.model.ep_info_buffer]
                on_rollout(self.spent, float(sum(recent) / len(recent)))

    agent.learn(total_timesteps=10**9, callback=Spend())
