"""`matgym/CVDRecipe-v0`: find a growth recipe for an unknown reactor within a budget of experiments."""

from typing import Any

from matgym.envs.batch import BatchEnv, BatchVectorEnv
from matgym.envs.growth import make_task
from matgym.envs.recipe_dynamics import RecipeDynamics
from matgym.errors import ConfigurationError

EXPERIMENTS = 20
"""Budget of a campaign."""


class CVDRecipeEnv(BatchEnv):
    """Optimise a recipe for growing carbon nanotubes, one experiment a step.

    ## Description
    The same furnaces as in `matgym/CVDGrowth-v0`, seen as Bayesian optimization sees them: a whole recipe of two stages
    goes in, one noisy number comes out, and there are twenty experiments on a reactor that is unknown.

    ## Action Space
    `Box(-1, 1, (8,), float32)`, scaled to `matgym.structures.recipe.TWO_STAGES`: set point, acetylene and water of the
    first stage, its share of the time, the same three of the second stage, and hydrogen of both.

    ## Observation Space
    `Box(-1, 1, (181,), float32)`: for each experiment of the budget its eight actions and the J that was measured,
    over 200 (zeros where none was made yet), and the share of the budget that is spent.

    ## Rewards
    By how much the best true J so far has risen, over 150; it starts at 0. J is that of `CVDGrowthEnv`, and is measured
    with a standard deviation of 2. `info["objectives"]` holds true, measured and best J.

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
        super().__init__(RecipeDynamics(self.task, _checked(experiments), 1), render_mode)


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
        if num_envs < 1:
            raise ConfigurationError(f"num_envs={num_envs} must be 1 or more")
        self.task = make_task(**arguments)
        super().__init__(RecipeDynamics(self.task, _checked(experiments), num_envs), max_episode_steps)


def _checked(experiments: int) -> int:
    if experiments < 1:
        raise ConfigurationError(f"experiments={experiments} must be 1 or more")
    return experiments
