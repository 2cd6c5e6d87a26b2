"""`matgym/Experiments-v0`: a campaign on your own table of experiments, or on one that was published."""

from typing import Any

from matgym.envs.batch import BatchEnv, BatchVectorEnv, checked_count
from matgym.envs.campaign import EXPERIMENTS, CampaignDynamics
from matgym.errors import ConfigurationError
from matgym.tasks.experiments import ExperimentTask
from matgym.typing import FloatArray


class ExperimentsDynamics(CampaignDynamics):
    """Campaigns on a table.

    Attributes:
        task: whose experiments they are.
    """

    def __init__(self, task: ExperimentTask, experiments: int, size: int) -> None:
        super().__init__(experiments, size, len(task.data.columns))
        self.task = task

    def carry_out(self, actions: FloatArray, deviates: FloatArray) -> tuple[FloatArray, FloatArray, dict[str, Any]]:
        """As the emulator has them."""
        expected, measured = self.task.carry_out(actions, deviates)
        values = {f"{self.task.data.target}": expected, "measured": measured}
        return self.task.score(expected), self.task.score(measured), values


def make_task(data: Any = None, task: ExperimentTask | None = None, **arguments: Any) -> ExperimentTask:
    """The task from an environment's arguments."""
    if task is not None and data is None and not arguments:
        return task
    if data is None or task is not None:
        raise ConfigurationError('give either a task or data: a CSV file, or a name such as "fullerenes"')
    return ExperimentTask.of(data, **arguments)


class ExperimentsEnv(BatchEnv):
    """Optimise an experiment of which a table of results is known, one experiment a step.

    ## Description
    An emulator learns a table of measured experiments: a Gaussian process or trees, whichever validates better. It then
    gives what any experiment in the table's ranges would, with the noise that the table's replicates show.

    ## Action Space
    `Box(-1, 1, (d,), float32)`: the d inputs over their ranges in the table; of shares that sum to a whole, the
    direction counts; columns of words are cut into equal parts.

    ## Observation Space
    `Box(-1, 1, ((d + 1) experiments + 1,), float32)`: for each experiment of the budget what was tried and the score
    that was measured (zeros where none was made yet), and the share of the budget that is spent. A score is 0 at the
    table's median and 1 at its best.

    ## Rewards
    By how much the best true score so far has risen; it starts at 0.

    ## Starting State
    No experiment made.

    ## Episode End
    Termination: after the last experiment. There is no truncation.

    ## Arguments
    - `data`: a CSV file; the name of a campaign that the package `olymp` carries; an `Experiments`; an `Emulator`.
    - `target`, `direction`: of a CSV file; the last column and "maximize" by default.
    - `model`, `log`: of the emulator; see `matgym.processes.campaigns.emulator.emulate`.
    - `experiments`: the budget.
    - `task`: an `ExperimentTask` in place of data.

    ## Version History
    - v0: first release.
    """

    metadata: dict[str, Any] = {"render_modes": [], "render_fps": 4}  # noqa: RUF012  # Gymnasium declares it so
    dynamics: ExperimentsDynamics

    def __init__(self, *, render_mode: str | None = None, experiments: int = EXPERIMENTS, **arguments: Any) -> None:
        self.task = make_task(**arguments)
        super().__init__(ExperimentsDynamics(self.task, experiments, 1), render_mode)


class ExperimentsVectorEnv(BatchVectorEnv):
    """Many `ExperimentsEnv` stepped as one batch; see there."""

    dynamics: ExperimentsDynamics

    def __init__(
        self,
        num_envs: int = 1,
        max_episode_steps: int | None = None,
        *,
        experiments: int = EXPERIMENTS,
        **arguments: Any,
    ) -> None:
        self.task = make_task(**arguments)
        super().__init__(ExperimentsDynamics(self.task, experiments, checked_count(num_envs)), max_episode_steps)
