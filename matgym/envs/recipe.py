"""`matgym/CVDRecipe-v0`: find a growth recipe for an unknown reactor within a budget of experiments."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

import numpy as np

from matgym.envs.batch import BatchEnv, BatchVectorEnv, checked_count
from matgym.envs.campaign import EXPERIMENTS, CampaignDynamics
from matgym.envs.growth import make_task
from matgym.envs.growth_dynamics import REWARD_SCALE, checked_reactors
from matgym.processes.growth.recipe import TWO_STAGES, two_stages
from matgym.tasks.growth import GrowthTask
from matgym.typing import FloatArray, IntArray

MEASURING: Final = 2.0
"""Standard deviation with which J is measured. A choice of ours: about 2 % of a good run's."""


class RecipeDynamics(CampaignDynamics):
    """Campaigns of growth.

    Attributes:
        task: what is wanted of a run.
        reactors: (B, 5) one a campaign, which nobody sees.
    """

    choices: ClassVar[tuple[str, ...]] = ("reactor",)

    def __init__(self, task: GrowthTask, experiments: int, size: int) -> None:
        super().__init__(experiments, size, len(TWO_STAGES))
        self.task, self.reactors = task, np.ones((size, 5))

    def restart(self, rows: IntArray, generators: Sequence[np.random.Generator], chosen: Mapping[str, Any]) -> None:
        """Another reactor."""
        drawn = np.array([self.task.draw(rng) for rng in generators])
        self.reactors[rows] = checked_reactors(chosen.get("reactor"), drawn)
        super().restart(rows, generators, chosen)

    def carry_out(self, actions: FloatArray, deviates: FloatArray) -> tuple[FloatArray, FloatArray, dict[str, Any]]:
        """Whole runs."""
        worth = self.task.run(two_stages(actions, self.task.minutes), self.reactors)
        measured = worth + MEASURING * deviates
        return worth / REWARD_SCALE, measured / REWARD_SCALE, {"objective": worth, "measured": measured}


class CVDRecipeEnv(BatchEnv):
    """Optimise a recipe for growing carbon nanotubes, one experiment a step.

    ## Description
    The same furnaces as in `matgym/CVDGrowth-v0`, seen as Bayesian optimization sees them: a whole recipe of two stages
    goes in, one noisy number comes out, and there are twenty experiments on a reactor that is unknown.

    ## Action Space
    `Box(-1, 1, (8,), float32)`, scaled to `matgym.processes.growth.recipe.TWO_STAGES`: set point, acetylene and
    water of the first stage, its share of the time, the same three of the second stage, and hydrogen of both.

    ## Observation Space
    `Box(-1, 1, (181,), float32)`: for each experiment of the budget its eight actions and the J that was measured,
    over 150 (zeros where none was made yet), and the share of the budget that is spent.

    ## Rewards
    By how much the best true J so far has risen, over 150; it starts at 0. J is that of `CVDGrowthEnv`, and is measured
    with a standard deviation of 2. `info["objectives"]` holds J, what was measured, and the best score, which is J
    over 150.

    ## Starting State
    No experiment made, and a reactor drawn anew; `reset(options={"reactor": ...})` sets it.

    ## Episode End
    Termination: after the last experiment. There is no truncation.

    ## Arguments
    - `experiments`: the budget.
    - `minutes`, `randomised`, `reward`, `task`: as in `CVDGrowthEnv`.

    ## Version History
    - v0: first release.
    """

    metadata: dict[str, Any] = {"render_modes": [], "render_fps": 4}  # noqa: RUF012  # Gymnasium declares it so
    dynamics: RecipeDynamics

    def __init__(self, *, render_mode: str | None = None, experiments: int = EXPERIMENTS, **arguments: Any) -> None:
        self.task = make_task(**arguments)
        super().__init__(RecipeDynamics(self.task, experiments, 1), render_mode)


class CVDRecipeVectorEnv(BatchVectorEnv):
    """Many `CVDRecipeEnv` stepped as one batch; see there."""

    dynamics: RecipeDynamics

    def __init__(
        self,
        num_envs: int = 1,
        max_episode_steps: int | None = None,
        *,
        experiments: int = EXPERIMENTS,
        **arguments: Any,
    ) -> None:
        self.task = make_task(**arguments)
        super().__init__(RecipeDynamics(self.task, experiments, checked_count(num_envs)), max_episode_steps)
