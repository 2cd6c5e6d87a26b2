"""Stable-Baselines3 agents on natively batched environments."""

import re
from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

import gymnasium as gym
import yaml

from matgym.agents.vec_env import SB3VecEnv
from matgym.errors import ConfigurationError
from matgym.tasks import Ledger

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm

ALGORITHMS: Final = ("MaskablePPO", "PPO", "A2C", "RecurrentPPO", "DQN", "QRDQN", "SAC", "TD3", "TQC")
"""Of Stable-Baselines3 and sb3-contrib."""


def hyperparameters(environment: str, algorithm: str) -> dict[str, Any]:
    """Tuned hyper-parameters, in rl_zoo3's format.

    Args:
        environment: name of a file in `matgym/agents/hyperparams/`, such as "nanotube-doping".
        algorithm: one that the file has.

    Raises:
        ConfigurationError: if there are none.
    """
    file = files("matgym.agents") / "hyperparams" / f"{environment}.yml"
    if not file.is_file():
        raise ConfigurationError(f"there are no hyper-parameters for {environment!r}")
    table = yaml.safe_load(file.read_text(encoding="utf-8"))
    if algorithm not in table:
        raise ConfigurationError(f"algorithm {algorithm!r} is unknown for {environment}; there are {', '.join(table)}")
    return dict(table[algorithm])


def make_agent(
    algorithm: str,
    task: Any,
    seed: int,
    overrides: Mapping[str, Any] | None = None,
    environment: str = "matgym/NanotubeDoping-v0",
    **arguments: Any,
) -> "BaseAlgorithm":
    """An untrained agent on a batch of environments.

    Args:
        algorithm: one of those that the environment has hyper-parameters for.
        task: the environment's, shared with whoever else spends from its ledger.
        seed: of the agent and of its environments.
        overrides: hyper-parameters in place of the tuned ones.
        environment: its registered name.
        arguments: further ones of the environment, such as `initial_designs="gan"`.
    """
    from stable_baselines3.common.vec_env import VecMonitor

    settings = hyperparameters(file_of(environment), algorithm) | dict(overrides or {})
    settings = {name: schedule(value) for name, value in settings.items()}
    envs = gym.make_vec(environment, num_envs=settings.pop("n_envs"), task=task, **arguments)
    policy = settings.pop("policy")
    settings.pop("n_timesteps", None)  # for who trains it
    made = constructor(algorithm)
    return made(policy, VecMonitor(SB3VecEnv(envs, seed=seed)), seed=seed, device="cpu", **settings)


def schedule(value: Any) -> Any:
    """rl_zoo3's "lin_0.001", which falls to zero over the training; all else as it is."""
    if not (isinstance(value, str) and value.startswith("lin_")):
        return value
    first = float(value.removeprefix("lin_"))
    return lambda remaining: first * remaining


def file_of(environment: str) -> str:
    """Name of the file of hyper-parameters: cvd-growth for CVDGrowth."""
    name = environment.rsplit("/", 1)[-1].rsplit("-v", 1)[0]
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name).lower()


def constructor(algorithm: str) -> "type[BaseAlgorithm]":
    """The class of an algorithm.

    Raises:
        ConfigurationError: if neither Stable-Baselines3 nor sb3-contrib has it.
    """
    import sb3_contrib
    import stable_baselines3

    if algorithm not in ALGORITHMS:
        raise ConfigurationError(f"algorithm {algorithm!r} is unknown; there are {', '.join(ALGORITHMS)}")
    return getattr(stable_baselines3, algorithm, None) or getattr(sb3_contrib, algorithm)  # type: ignore[no-any-return]


def train_agent(agent: "BaseAlgorithm", ledger: Ledger, designs: int, on_rollout: Callable[[int, float], None]) -> None:
    """Train until a ledger has counted a number of designs; the last rollout is finished.

    Args:
        agent: from `make_agent`.
        ledger: of its task.
        designs: evaluations of the reward model to spend.
        on_rollout: called after each rollout with the designs so far and the mean reward of recent ones.
    """
    from stable_baselines3.common.callbacks import BaseCallback

    start = sum(ledger.counts.values())

    class Spend(BaseCallback):
        """Stops once a rollout has ended at or beyond the budget, so that all of it is learned from."""

        spent = 0

        def _on_step(self) -> bool:
            return self.spent < designs

        def _on_rollout_end(self) -> None:
            self.spent = sum(ledger.counts.values()) - start
            if self.model.ep_info_buffer:
                recent = [episode["r"] for episode in self.model.ep_info_buffer]
                on_rollout(self.spent, float(sum(recent) / len(recent)))

    agent.learn(total_timesteps=10**9, callback=Spend())
