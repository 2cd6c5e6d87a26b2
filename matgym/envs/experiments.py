"""`matgym/Experiments-v0`: a campaign on your own table of experiments, or on one that was published."""

from pathlib import Path

from matgym.envs.arguments import Count, given_alone
from matgym.envs.batch import BatchedEnv, Rows, ScalarEnv
from matgym.envs.campaign import EXPERIMENTS, Campaign, Drawn
from matgym.errors import ConfigurationError
from matgym.processes.campaigns.emulator import Emulator, Model
from matgym.processes.campaigns.experiments import Direction, Experiments
from matgym.tasks.experiments import ExperimentTask
from matgym.typing import FloatArray, Info


class ExperimentCampaign(Campaign):
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
    Termination: after the last experiment. The time limit of 200 steps truncates nothing; for larger budgets, give
    `gymnasium.make` a longer `max_episode_steps` as well.

    ## Arguments
    - `data`: a CSV file; the name of a campaign that the package `olymp` carries; an `Experiments`; an `Emulator`.
    - `target`, `direction`: of a CSV file; the last column and "maximize" by default.
    - `model`, `log`: of the emulator, "best" and False by default; see
      `matgym.processes.campaigns.emulator.emulate`.
    - `experiments`: the budget.
    - `task`: an `ExperimentTask` in place of data and what is said of it.
    - `render_mode`: "rgb_array", what was measured, the best so far, and what was tried.

    ## Version History
    - v0: first release.
    """

    task: ExperimentTask

    def __init__(
        self,
        size: int,
        *,
        data: "Experiments | Emulator | Path | str | None" = None,
        target: str | None = None,
        direction: Direction | None = None,
        model: Model | None = None,
        log: bool | None = None,
        experiments: Count = EXPERIMENTS,
        task: ExperimentTask | None = None,
    ) -> None:
        of_data = {"target": target, "direction": direction, "model": model, "log": log}
        if task is not None:
            given_alone("task", {"data": data, **of_data, "log": log is not None})
        elif data is None:
            raise ConfigurationError('give either a task or data: a CSV file, or a name such as "fullerenes"')
        else:
            task = ExperimentTask.of(data, target=target, direction=direction, model=model, log=log)
        self.task = task
        super().__init__(size, len(task.data.columns), experiments, (task.data.target, "measured"))

    def carry_out(self, actions: FloatArray, deviates: FloatArray, rows: Rows) -> tuple[FloatArray, FloatArray, Info]:
        """Carry out experiments by the emulator."""
        del rows  # they differ in nothing
        expected, measured = self.task.carry_out(actions, deviates)
        values = {self.task.data.target: expected, "measured": measured}
        return self.task.score(expected), self.task.score(measured), values

    def drawn(self) -> Drawn:
        """The table's columns, and what it measured."""
        data = self.task.data
        size = "largest" if data.direction == "maximize" else "smallest"
        names = tuple(column.name for column in data.columns)
        return Drawn(f"Find the {size} {data.target}", names, data.target, "", self.task.scale, "emulator")


class ExperimentsEnv(ScalarEnv):  # noqa: D101  # the episodes' docstring is its own
    episodes_class = ExperimentCampaign


class ExperimentsVectorEnv(BatchedEnv):  # noqa: D101  # likewise
    episodes_class = ExperimentCampaign
