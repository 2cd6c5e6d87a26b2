"""Reinforcement learning agents as optimizers with `ask` and `tell`.

`learn` of Stable-Baselines3 calls the environment, but the caller of `ask` and `tell` computes the scores. Therefore
`learn` runs as a coroutine (greenlet). When its environment needs scores, the coroutine stops and `ask` returns the
designs. `tell` passes the scores and resumes the coroutine. All code runs in one thread, so that equal seeds give equal
results bit for bit.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final

import numpy as np
from typing_extensions import override

from matgym.agents.base import Optimizer
from matgym.agents.problem import Problem
from matgym.agents.sb3 import ALGORITHMS, agent_on, hyperparameters
from matgym.envs.design import DesignEpisodes, DesignVectorEnv
from matgym.errors import ConfigurationError
from matgym.models import Predictions
from matgym.tasks import Cube, Designs, DesignSpace, Scores
from matgym.typing import FloatArray

NUMBERS_ONLY: Final = ("SAC", "TD3", "TQC")
"""Algorithms with continuous actions. One action is a whole design, as a point of the unit cube."""

CHOICES_ONLY: Final = ("DQN", "QRDQN", "MaskablePPO")
"""Algorithms with discrete actions only."""

SEARCH_SETTINGS: Final = "search"
"""Key of the hyper-parameters in `matgym/agents/hyperparams/`. They are tuned on instances that are not reported."""


class Asking:
    """The task of a problem for an environment, with a fixed target and with scores from the caller of `ask`."""

    def __init__(self, problem: Problem, hand_over: Callable[[Designs], FloatArray]) -> None:
        self._problem, self._hand_over = problem, hand_over
        self.constraint = None  # costs are not used

    def __getattr__(self, name: str) -> Any:
        return getattr(self._problem.task, name)

    def draw_targets(self, generators: Sequence[np.random.Generator], begun: Designs | None = None) -> FloatArray:
        """Return copies of the target of the problem."""
        del begun
        return self._problem.targets(len(generators))

    def score(self, designs: Designs, targets: FloatArray, *, components: bool = False) -> Scores:
        """Return the rewards that `tell` received; all other fields are NaN."""
        del targets, components
        reward = self._hand_over(designs)
        unknown = np.full(len(reward), np.nan)
        return Scores(reward, unknown, Predictions({self._problem.task.value_name: unknown}), unknown)


class RLSearch(Optimizer):
    """An untrained agent of Stable-Baselines3 that learns during the search.

    The hyper-parameters are the stored ones, and `overrides` replaces some of them.

    Attributes:
        algorithm: name of the algorithm. By default it is the name of the subclass.

    Raises:
        ConfigurationError: if the actions of the algorithm do not fit the design space, or `overrides` is not a mapping
            or names a place to write to.
    """

    algorithm: ClassVar[str] = "PPO"

    def __init_subclass__(cls) -> None:
        if cls.__name__ in ALGORITHMS:
            cls.algorithm = cls.__name__

    def __init__(
        self, problem: Problem, budget: int, rng: np.random.Generator, overrides: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(problem, budget, rng)
        check_applies(self.algorithm, problem.space)
        self._seed = int(rng.integers(2**31))
        if not isinstance(overrides, Mapping | None):
            raise ConfigurationError(f"overrides={overrides!r:.80} must be a mapping of hyper-parameters to values")
        self._overrides = dict(overrides or {})
        if "tensorboard_log" in self._overrides:  # settings come from files, which must not name places to write to
            raise ConfigurationError("a search writes no files: leave out tensorboard_log of its overrides")
        self._asked: Designs | None = None
        self._learner: Any = None

    @override
    def ask(self) -> Designs:
        from greenlet import getcurrent, greenlet

        if self._learner is None:
            self._learner = greenlet(self._learn, getcurrent())
            self._asked = self._learner.switch()
        if self._asked is None:
            raise ConfigurationError(f"{self.algorithm} ended before it used its budget of {self.budget} designs")
        return self._asked

    @override
    def tell(self, designs: Designs, scores: Scores) -> None:
        self._asked = self._learner.switch(np.asarray(scores.reward))

    def _learn(self) -> None:
        from greenlet import getcurrent

        def hand_over(designs: Designs) -> FloatArray:
            told: FloatArray = getcurrent().parent.switch(designs.copy())
            return told

        self._agent(Asking(self.problem, hand_over)).learn(total_timesteps=10**9, progress_bar=False)

    def _agent(self, task: Any) -> Any:
        settings = hyperparameters(SEARCH_SETTINGS, self.algorithm) | self._overrides
        episodes = DesignEpisodes(settings.pop("n_envs"), task=task, at_once=self.algorithm in NUMBERS_ONLY)
        return agent_on(DesignVectorEnv.of(episodes), self.algorithm, self._seed, settings)


def check_applies(algorithm: str, space: DesignSpace) -> None:
    """Check that the actions of an algorithm fit a design space.

    Raises:
        ConfigurationError: if the algorithm has discrete actions only and the designs are numbers.
    """
    if algorithm in CHOICES_ONLY and isinstance(space, Cube):
        raise ConfigurationError(
            f"{algorithm} has discrete actions, but the designs of this task are numbers: use PPO or SAC"
        )


class PPO(RLSearch):
    """Proximal policy optimization (Schulman et al., arXiv:1707.06347)."""


class MaskablePPO(RLSearch):
    """PPO that draws allowed actions only (Huang and Ontañón, FLAIRS 35 (2022))."""


class RecurrentPPO(RLSearch):
    """PPO with an LSTM."""


class A2C(RLSearch):
    """Advantage actor-critic: Mnih et al., ICML 2016."""


class DQN(RLSearch):
    """Deep Q-network: Mnih et al., Nature 518, 529 (2015)."""


class QRDQN(RLSearch):
    """DQN with quantile regression: Dabney et al., AAAI 2018."""


class SAC(RLSearch):
    """Soft actor-critic: Haarnoja et al., ICML 2018."""


class TD3(RLSearch):
    """Twin delayed deterministic policy gradients: Fujimoto et al., ICML 2018."""


class TQC(RLSearch):
    """Truncated quantile critics: Kuznetsov et al., ICML 2020."""
