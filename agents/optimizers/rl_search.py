"""Reinforcement learning as one more optimizer: an agent that learns on one problem, asked and told like the others.

Stable-Baselines3's `learn` calls the environment; here somebody else is to be asked what designs are worth. So `learn`
runs as a coroutine of its own (greenlet): when its environment wants designs scored, it is put aside, `ask` returns
them, and `tell` lets it go on. It all stays in one thread, and the same seed gives the same bits.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final

import numpy as np
from typing_extensions import override

from matgym.agents.base import Optimizer, Problem
from matgym.agents.sb3 import ALGORITHMS, agent_on, hyperparameters
from matgym.envs.design import DesignEpisodes, DesignVectorEnv
from matgym.errors import ConfigurationError
from matgym.models import Predictions
from matgym.tasks import Cube, Designs, DesignSpace, Scores
from matgym.typing import FloatArray

NUMBERS_ONLY: Final = ("SAC", "TD3", "TQC")
"""Algorithms whose actions are numbers: they make a design at once, as a point of the cube."""

CHOICES_ONLY: Final = ("DQN", "QRDQN", "MaskablePPO")
"""Algorithms whose actions are choices."""

SEARCH_SETTINGS: Final = "search"
"""Key of their hyper-parameters in `matgym/agents/hyperparams/`, tuned on instances other than those reported."""


class Asking:
    """A problem's task to its environment, but that scoring is left to whoever asks, and the target stays the same."""

    def __init__(self, problem: Problem, hand_over: Callable[[Designs], FloatArray]) -> None:
        self._problem, self._hand_over = problem, hand_over
        self.constraint = None  # nobody asks

    def __getattr__(self, name: str) -> Any:
        return getattr(self._problem.task, name)

    def draw_targets(self, generators: Sequence[np.random.Generator]) -> FloatArray:
        """The problem's."""
        return self._problem.targets(len(generators))

    def score(self, designs: Designs, targets: FloatArray, *, components: bool = False) -> Scores:
        """As `tell` has it: rewards, and nothing else."""
        del targets, components
        reward = self._hand_over(designs)
        unknown = np.full(len(reward), np.nan)
        return Scores(reward, unknown, Predictions({self._problem.task.value_name: unknown}), unknown)


class RLSearch(Optimizer):
    """An agent of Stable-Baselines3 that begins knowing nothing and spends the budget on learning.

    Its hyper-parameters are the stored ones but for `overrides`.

    Attributes:
        algorithm: its name; a subclass that is named as one has that.

    Raises:
        ConfigurationError: if the algorithm cannot act on designs of this space.
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
        self._overrides = dict(overrides or {})
        self._asked: Designs | None = None
        self._learner: Any = None

    @override
    def ask(self) -> Designs:
        from greenlet import getcurrent, greenlet

        if self._learner is None:
            self._learner = greenlet(self._learn, getcurrent())
            self._asked = self._learner.switch()
        if self._asked is None:
            raise ConfigurationError(f"{self.algorithm} ended before its budget of {self.budget} designs was spent")
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
        # An agent without masks that repeats what is forbidden would never spend its budget.
        episodes.mending = np.random.default_rng(self._seed)
        return agent_on(DesignVectorEnv.of(episodes), self.algorithm, self._seed, settings)


def check_applies(algorithm: str, space: DesignSpace) -> None:
    """Refuse an algorithm whose actions are choices on a space of nothing but numbers.

    Raises:
        ConfigurationError: if it cannot act there.
    """
    if algorithm in CHOICES_ONLY and isinstance(space, Cube):
        raise ConfigurationError(
            f"{algorithm} chooses among few actions; designs of this task are numbers: use PPO or SAC"
        )


class PPO(RLSearch):
    """Proximal policy optimization: Schulman et al., arXiv:1707.06347."""


class MaskablePPO(RLSearch):
    """PPO that draws among allowed actions only: Huang and Ontañón, FLAIRS 35 (2022)."""


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
