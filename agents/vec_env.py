"""From Gymnasium's VectorEnv to Stable-Baselines3's VecEnv.

SB3 takes only its own VecEnv and wraps scalar environments one by one; this hands it a natively batched
one (wished for in DLR-RM/stable-baselines3#1568 and #1745).
"""

from collections.abc import Iterable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnv, VecEnvStepReturn
from typing_extensions import override

from matgym.errors import ConfigurationError


class SB3VecEnv(VecEnv):
    """A Gymnasium vector environment as SB3 expects it.

    Rewards become float32; what an episode ended with is in `info["terminal_observation"]`, and
    `info["TimeLimit.truncated"]` is true only where it did not terminate as well.
    """

    def __init__(self, envs: VectorEnv[Any, Any, Any], seed: int | None = None) -> None:
        """Adapt a vector environment.

        Args:
            envs: in SAME_STEP autoreset mode, which is SB3's.
            seed: of the first reset.

        Raises:
            ConfigurationError: if its autoreset mode is another.
        """
        if envs.metadata.get("autoreset_mode") is not AutoresetMode.SAME_STEP:
            raise ConfigurationError(
                f"autoreset mode {envs.metadata.get('autoreset_mode')} is not SB3's: make the environment in SAME_STEP"
            )
        self.envs = envs
        self._seed = seed
        self._actions: np.ndarray[Any, Any] = np.zeros(envs.num_envs)
        super().__init__(envs.num_envs, envs.single_observation_space, envs.single_action_space)

    @override
    def reset(self) -> Any:
        options = {name: [row[name] for row in self._options] for name in self._options[0]} if self._options else None
        observation, info = self.envs.reset(seed=self._seed, options=options or None)
        self._seed = None
        self._reset_options()
        self.reset_infos = [_row(info, i) for i in range(self.num_envs)]
        return observation

    @override
    def step_async(self, actions: np.ndarray[Any, Any]) -> None:
        self._actions = actions

    @override
    def step_wait(self) -> VecEnvStepReturn:
        observation, reward, terminated, truncated, info = self.envs.step(self._actions)
        done = terminated | truncated
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for i in np.flatnonzero(done):
            infos[i] = _row(info.get("final_info", {}), int(i))
            infos[i]["terminal_observation"] = info["final_obs"][i]  # a dictionary where observations are
            infos[i]["TimeLimit.truncated"] = bool(truncated[i] and not terminated[i])
        return observation, reward.astype(np.float32), done, infos

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
        return [False for _ in self._indices(indices)]

    def _indices(self, indices: Any) -> Iterable[int]:
        return self._get_indices(indices)


def _row(info: dict[str, Any], i: int) -> dict[str, Any]:
    """One environment's part of a vector environment's info."""
    row = {}
    for name, value in info.items():
        present = info.get(f"_{name}")
        if name.startswith("_") or not (present is None or present[i]):
            continue
        row[name] = _row(value, i) if isinstance(value, dict) else value[i]
    return row
