"""Tune hyper-parameters with Optuna (Akiba et al., KDD 2019), within a declared budget of environment steps.

Each trial trains an agent and plays it on episodes that no training and no report uses. The result is in rl_zoo3's
format, which `matgym train --hyperparams` and `rl_zoo3 train -conf` read. The samplers have the face of those in
`rl_zoo3.hyperparams_opt`, but give hyper-parameters as rl_zoo3's files hold them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import optuna
import yaml

from matgym.agents.sb3 import check_algorithm
from matgym.agents.training import first_returns, learn, learner, settings_of
from matgym.files import write_text

EPISODES: Final = 128
"""Number of episodes on which a trial is played. A choice of ours, as are the next two."""

SEED: Final = 500_000
"""Random seed of the first of these episodes."""

REPORTS: Final = 4
"""Number of parts of a training, after each of which a trial below the median of the earlier ones is stopped."""

Sampler = Callable[[optuna.Trial, int, int, Mapping[str, Any]], dict[str, Any]]
"""A function of a trial, the number of actions, the number of environments, and further arguments."""

_SIZES: Final = {"small": [64, 64], "medium": [128, 128], "large": [256, 256]}
_GAMMAS: Final = [0.98, 0.99, 0.995, 1.0]


def _network(trial: optuna.Trial, more: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of the policy."""
    if more.get("honeycomb"):
        return {
            "width": trial.suggest_categorical("width", [8, 16, 32]),
            "rounds": trial.suggest_int("rounds", 1, 4),
        }
    return {"net_arch": _SIZES[trial.suggest_categorical("net_arch", list(_SIZES))]}


def sample_actor_critic(trial: optuna.Trial, n_actions: int, n_envs: int, more: Mapping[str, Any]) -> dict[str, Any]:
    """Return hyper-parameters of A2C."""
    del n_actions, n_envs
    return {
        "n_steps": trial.suggest_categorical("n_steps", [8, 16, 32, 64]),
        "gamma": trial.suggest_categorical("gamma", _GAMMAS),
        "gae_lambda": trial.suggest_categorical("gae_lambda", [0.9, 0.95, 0.98, 1.0]),
        "ent_coef": trial.suggest_float("ent_coef", 1e-5, 0.03, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 2e-4, 5e-3, log=True),
        "policy_kwargs": _network(trial, more),
    }


def sample_ppo(trial: optuna.Trial, n_actions: int, n_envs: int, more: Mapping[str, Any]) -> dict[str, Any]:
    """Return hyper-parameters of PPO, MaskablePPO and RecurrentPPO."""
    common = sample_actor_critic(trial, n_actions, n_envs, more)
    return common | {
        "batch_size": min(
            trial.suggest_categorical("batch_size", [64, 128, 256, 512, 1024]), n_envs * int(common["n_steps"])
        ),
        "n_epochs": trial.suggest_categorical("n_epochs", [2, 4, 8]),
        "clip_range": trial.suggest_categorical("clip_range", [0.1, 0.2, 0.3]),
    }


def _off_policy(trial: optuna.Trial, more: Mapping[str, Any]) -> dict[str, Any]:
    """Return hyper-parameters that all algorithms with a replay buffer have."""
    return {
        "gamma": trial.suggest_categorical("gamma", _GAMMAS),
        "learning_rate": trial.suggest_float("learning_rate", 2e-4, 5e-3, log=True),
        "batch_size": trial.suggest_categorical("batch_size", [64, 128, 256, 512]),
        "buffer_size": 10_000 if more.get("honeycomb") else 200_000,  # graphs take some kilobytes each
        "learning_starts": trial.suggest_categorical("learning_starts", [500, 2000, 5000]),
        "train_freq": trial.suggest_categorical("train_freq", [1, 4, 8]),
        "gradient_steps": trial.suggest_categorical("gradient_steps", [1, 4, 8]),
        "policy_kwargs": _network(trial, more),
    }


def sample_dqn(trial: optuna.Trial, n_actions: int, n_envs: int, more: Mapping[str, Any]) -> dict[str, Any]:
    """Return hyper-parameters of DQN and QRDQN."""
    del n_actions, n_envs
    return _off_policy(trial, more) | {
        "target_update_interval": trial.suggest_categorical("target_update_interval", [500, 2000, 8000]),
        "exploration_fraction": trial.suggest_float("exploration_fraction", 0.1, 0.6),
        "exploration_final_eps": trial.suggest_float("exploration_final_eps", 0.01, 0.1),
    }


def sample_sac(trial: optuna.Trial, n_actions: int, n_envs: int, more: Mapping[str, Any]) -> dict[str, Any]:
    """Return hyper-parameters of SAC, TD3 and TQC."""
    del n_actions, n_envs
    return _off_policy(trial, more) | {"tau": trial.suggest_categorical("tau", [0.005, 0.01, 0.02])}


SAMPLERS: Final[Mapping[str, Sampler]] = {
    **dict.fromkeys(("PPO", "MaskablePPO", "RecurrentPPO"), sample_ppo),
    "A2C": sample_actor_critic,
    **dict.fromkeys(("DQN", "QRDQN"), sample_dqn),
    **dict.fromkeys(("SAC", "TD3", "TQC"), sample_sac),
}
"""The sampler of each algorithm."""


@dataclass(frozen=True)
class Trial:
    """One trial.

    Attributes:
        number: number of the trial; 0 has the stored hyper-parameters, or the defaults of Stable-Baselines3.
        settings: its hyper-parameters, as rl_zoo3's files hold them.
        score: mean return on the episodes of the tuning; None if it was stopped.
        steps: environment steps of its training.
    """

    number: int
    settings: Mapping[str, Any]
    score: float | None
    steps: int


@dataclass(frozen=True)
class Tuning:
    """Hyper-parameters to be tuned.

    Attributes:
        environment: id of the environment.
        algorithm: one of `matgym.agents.sb3.ALGORITHMS`.
        steps: environment steps of one trial, about: the last rollout is completed.
        seed: random seed of the sampler and of the trainings.
        n_envs: number of parallel environments.
        arguments: arguments of the environment.
    """

    environment: str
    algorithm: str
    steps: int
    seed: int
    n_envs: int
    arguments: Mapping[str, Any]

    def __post_init__(self) -> None:
        check_algorithm(self.algorithm)

    def run(self, trials: int, on_trial: Callable[[Trial], None] = lambda _trial: None) -> tuple[Trial, list[Trial]]:
        """Return the best trial and all of them.

        Args:
            trials: number of trials, with the first one, whose hyper-parameters are not drawn.
            on_trial: called after each trial.
        """
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        study = optuna.create_study(
            direction="maximize",
            sampler=optuna.samplers.TPESampler(seed=self.seed, multivariate=False),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=4),
        )
        done: list[Trial] = []
        for _ in range(trials):
            drawn = study.ask()
            settings = self._settings(drawn)
            score, steps = self._played(drawn, settings)
            pruned = optuna.trial.TrialState.PRUNED
            study.tell(drawn, score, state=pruned if score is None else optuna.trial.TrialState.COMPLETE)
            done.append(Trial(drawn.number, settings, score, steps))
            on_trial(done[-1])
        finished = [trial for trial in done if trial.score is not None]
        return max(finished, key=lambda trial: float(trial.score or 0.0)), done

    def _settings(self, drawn: optuna.Trial) -> dict[str, Any]:
        stored, _ = settings_of(self.environment, self.algorithm, self.arguments)
        common = {name: stored[name] for name in ("policy",) if name in stored}
        common |= {"n_envs": self.n_envs, "n_timesteps": self.steps}
        if not drawn.number:  # without stored ones: the defaults, whose rollouts are long, in a single environment
            return stored | common if stored else common | {"n_envs": 1}
        more = {"honeycomb": self.arguments.get("observation") == "honeycomb"}
        return common | SAMPLERS[self.algorithm](drawn, 0, self.n_envs, more)

    def _played(self, drawn: optuna.Trial, settings: dict[str, Any]) -> tuple[float | None, int]:
        """Return the score of a trial, None if it was stopped, and the steps of its training."""
        agent, _ = learner(
            self.environment, self.algorithm, seed=self.seed, arguments=self.arguments, settings=settings
        )

        aliases = agent.policy_aliases.items()
        settings.setdefault("policy", next(name for name, kind in aliases if kind is agent.policy_class))

        def is_kept(done: int, mean: float) -> bool:
            part = done * REPORTS // self.steps
            if not drawn.number or np.isnan(mean) or not part or part in reported:
                return True
            reported.add(part)
            drawn.report(mean, part)
            return not drawn.should_prune()

        reported: set[int] = set()
        if not learn(agent, self.steps, is_kept):
            return None, agent.num_timesteps
        returns = first_returns(self.environment, self.arguments, agent, EPISODES, SEED)
        return float(returns.mean()), agent.num_timesteps


def write_settings(path: Path, environment: str, settings: Mapping[str, Any], comment: str) -> None:
    """Write hyper-parameters in rl_zoo3's format, with a comment of one or more lines above them."""
    lines = [f"# {line}" for line in comment.splitlines()]
    text = yaml.safe_dump({environment: dict(settings)}, sort_keys=False, default_flow_style=None)
    write_text(path, "\n".join([*lines, text]))
