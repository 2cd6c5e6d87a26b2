"""`matgym/CVDRecipe-v0`: find a growth recipe for an unknown reactor within a budget of experiments."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from matgym.envs.arguments import Count, SurrogateName
from matgym.envs.batch import BatchedEnv, Rows, ScalarEnv
from matgym.envs.campaign import EXPERIMENTS, Campaign, Drawn
from matgym.envs.growth import REWARD_SCALE, checked_reactors, growth_task
from matgym.envs.rewards import RewardType
from matgym.processes.growth.recipe import TWO_STAGES, two_stages
from matgym.tasks.difficulty import Difficulty
from matgym.tasks.growth import GrowthReward, GrowthTask
from matgym.tasks.reward import Gains
from matgym.typing import FloatArray, Info, IntArray

if TYPE_CHECKING:
    from matgym.processes.sequences.learned import SequenceSurrogate

MEASURING: Final = 2.0
"""Standard deviation with which J is measured. A choice of ours: about 2 % of a good run's."""


class CVDRecipe(Campaign):
    """Optimize the recipe of a CVD reactor in twenty noisy experiments.

    ## Description
    The reactor is that of `matgym/CVDGrowth-v0`, as a black box for Bayesian optimization: an action is a whole recipe
    of two stages, and the result is one noisy number. The agent has twenty experiments on one unknown reactor. Level of
    physics: the kinetic model of `matgym/CVDGrowth-v0`.

    ## Action Space
    `Box(-1, 1, (8,), float32)`, scaled to `matgym.processes.growth.recipe.TWO_STAGES`: set point, acetylene and
    water of the first stage, its share of the time (0.1 to 0.9), set point, acetylene and water of the second stage,
    and hydrogen of both.

    ## Observation Space
    `Box(-1, 1, (181,), float32)`: for each experiment its eight actions and the measured J / 150, clipped to [-1, 1],
    zeros for experiments that were not made yet; and the spent share of the budget, scaled from -1 to 1.

    ## Rewards
    The increase of the largest true J / 150 so far, which starts at 0, clipped to 1. J is that of `CVDGrowthEnv`.
    Measured values of J have a standard deviation of 2. `info["objectives"]` holds, for the last experiment, J
    ("objective"), the measured J ("measured") and J / 150 ("score"), and the largest J / 150 so far ("best").

    ## Starting State
    No experiment made, and a new random reactor. `reset(options={"reactor": ...})` sets the reactor.

    ## Episode End
    Termination: after the last experiment. No campaign of fewer than 200 experiments is truncated. For more
    experiments, also give `gymnasium.make` a `max_episode_steps` above `experiments`.

    ## Arguments
    - `experiments`: the budget. Default: 20.
    - `minutes`, `level`, `model`, `task`: as in `CVDGrowthEnv`. At "easy" every campaign has the same reactor, so that
      one recipe is the best for all; at "hard" the best recipes of reactors differ most.
    - `reward`: a function as in `CVDGrowthEnv`, of finished runs and all their controls. Its value replaces J / 150 and
      is measured with a standard deviation of 2/150. A NaN counts as 0, and `info["failed"]` is then true.
    - `reward_type`: "dense" (default), the reward above; or "sparse": the best J / 150 at the last experiment.
    - `render_mode`: "rgb_array", the measured values, the best so far, and the actions.

    ## Version History
    - v0: first release.
    """

    options = ("reactor",)
    task: GrowthTask

    def __init__(
        self,
        size: int,
        *,
        experiments: Count = EXPERIMENTS,
        minutes: Count | None = None,
        level: Difficulty | None = None,
        model: "SequenceSurrogate | SurrogateName | None" = None,
        reward: GrowthReward | None = None,
        reward_type: RewardType | None = None,
        task: GrowthTask | None = None,
    ) -> None:
        super().__init__(size, len(TWO_STAGES), experiments, ("objective", "measured"), reward_type)
        self.task = growth_task(minutes, level, model, reward, task)
        self._gains = None if self.task.reward is None else Gains(size, self.task.reward, self.task.ledger)
        self.reactors = np.ones((size, 5))

    def restart(self, rows: IntArray, generators: Sequence[np.random.Generator], options: Mapping[str, Any]) -> None:
        """Begin with another reactor, and nothing tried."""
        drawn = np.array([self.task.draw(rng) for rng in generators])
        self.reactors[rows] = checked_reactors(options.get("reactor"), drawn)
        if self._gains is not None:
            self._gains.restart(rows)
        super().restart(rows, generators, options)

    def info(self) -> Info:
        """Return the results of the last experiment, the best score, and whether the reward function failed."""
        return super().info() if self._gains is None else {**super().info(), "failed": self._gains.failed.copy()}

    def carry_out(self, actions: FloatArray, deviates: FloatArray, rows: Rows) -> tuple[FloatArray, FloatArray, Info]:
        """Carry out whole runs."""
        controls, reactors = two_stages(actions, self.task.minutes), self.reactors[rows]
        if self._gains is not None:
            self._gains.worth[rows] = 0.0  # each experiment begins on nothing
            score = self._gains.step(rows, self.task.grown(controls, reactors), controls)
            measured = score + MEASURING / REWARD_SCALE * deviates
            return score, measured, {"objective": score, "measured": measured}
        objective = self.task.run(controls, reactors)
        measured = objective + MEASURING * deviates
        return objective / REWARD_SCALE, measured / REWARD_SCALE, {"objective": objective, "measured": measured}

    def drawn(self) -> Drawn:
        """Return the names and scales of J and of the eight numbers of a recipe."""
        source = "physics" if self.task.surrogate is None else "surrogate"
        inputs = ("1: set point", "1: C₂H₂", "1: water", "1: share", "2: set point", "2: C₂H₂", "2: water", "hydrogen")
        return Drawn("Find a good growth recipe", inputs, "J of a run", "", (0.0, REWARD_SCALE), source)


class CVDRecipeEnv(ScalarEnv):  # noqa: D101  # the episodes' docstring is its own
    episodes_class = CVDRecipe


class CVDRecipeVectorEnv(BatchedEnv):  # noqa: D101  # likewise
    episodes_class = CVDRecipe
