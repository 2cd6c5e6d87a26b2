"""`matgym/Experiments-v0`: a campaign on your own table of experiments, or on one that was published."""

from pathlib import Path
from typing import Annotated, Any, Final

from typing_extensions import Doc

from matgym.envs.arguments import Count, given_alone
from matgym.envs.batch import BatchedEnv, Rows, ScalarEnv
from matgym.envs.campaign import EXPERIMENTS, Campaign, Drawn
from matgym.envs.rewards import RewardType
from matgym.errors import ConfigurationError
from matgym.processes.campaigns.columns import Decimal
from matgym.processes.campaigns.emulator import Emulator, Model
from matgym.processes.campaigns.experiments import Direction, Experiments
from matgym.tasks.experiments import ExperimentTask
from matgym.typing import FloatArray, Info

DATA_NAME: Final = "the name of a published campaign or of a CSV file"
"""The strings that `data` allows, for errors."""


class ExperimentCampaign(Campaign):
    """Optimize an experiment whose results an emulator of a measured table predicts.

    ## Description
    An emulator is fitted to a table of measured experiments: a Gaussian process or trees, whichever has the smaller
    validation error. It predicts the result of any experiment within the ranges of the table, and adds noise with the
    variance of the replicates in the table, or of the validation error if there are no replicates. Level of physics:
    none; the results are as good as the emulator, whose R² `matgym experiments FILE` prints. There is one level: the
    table and the budget set the difficulty.

    ## Action Space
    `Box(-1, 1, (d,), float32)`: the d inputs, scaled to their ranges in the table. Shares with a constant sum are
    normalised to that sum. A column of words is divided into equal intervals.

    ## Observation Space
    `Box(-1, 1, ((d + 1) experiments + 1,), float32)`: for each experiment its action and the measured score, clipped
    to [-1, 1], zeros for experiments that were not made yet; and the spent share of the budget, scaled from -1 to 1. A
    score of 0 is the median of the table, and a score of 1 is its best result (means of replicates).

    ## Rewards
    The increase of the largest true score so far, which starts at 0, clipped to 1. The emulator can predict more than
    the best result of the table, so that a return can exceed 1. `info["objectives"]` holds, for the last experiment,
    the true result under the name of its column, the result with noise ("measured") and the true score ("score"), and
    the largest true score so far ("best").

    ## Starting State
    No experiment made.

    ## Episode End
    Termination: after the last experiment. No campaign of fewer than 200 experiments is truncated. For more
    experiments, also give `gymnasium.make` a `max_episode_steps` above `experiments`.

    ## Arguments
    - `data`: a CSV file or .xlsx workbook (extra `xlsx`) with a header, the name of a campaign of the package `olymp`,
      an `Experiments`, or an `Emulator`. Either this argument or `task` is needed. A table's first emulator takes
      seconds to fit (80 s for the 1,386 rows of "hplc"), and is then kept in matgym's cache.
    - `target`, `direction`: for a file, the measured column and "maximize" or "minimize". Default: the last column,
      "maximize".
    - `inputs`, `ignore`: for a file, the columns that were set, or those that are not read. Give one or the other.
      Default: all columns but the target are inputs.
    - `categorical`: for a file, the inputs whose cells are names. Default: the columns of words.
    - `na`: for a file, the cells that stand for a missing value, such as `["NA", ""]`. Rows with one are left out,
      and a warning counts them. Default: none, so that such a cell is an error.
    - `decimal`, `delimiter`, `encoding`: for a CSV file, such as ",", ";" and "latin-1". Default: ".", whichever of
      comma, semicolon and tab the header has, UTF-8.
    - `model`, `log`: settings of the emulator. Default: "best", False; see
      `matgym.processes.campaigns.emulator.emulate`.
    - `experiments`: the budget. Default: 20.
    - `reward_type`: "dense" (default), the reward above; or "sparse": the largest true score at the last experiment.
    - `task`: an `ExperimentTask` instead of the arguments that describe the data.
    - `render_mode`: "rgb_array", the measured values, the best so far, and the actions.

    ## Version History
    - v0: first release.
    """

    task: ExperimentTask

    def __init__(
        self,
        size: int,
        *,
        data: "Experiments | Emulator | Path | Annotated[str, Doc(DATA_NAME)] | None" = None,
        target: str | None = None,
        direction: Direction | None = None,
        inputs: tuple[str, ...] | None = None,
        ignore: tuple[str, ...] | None = None,
        categorical: tuple[str, ...] | None = None,
        na: tuple[str, ...] | None = None,
        decimal: Decimal | None = None,
        delimiter: str | None = None,
        encoding: str | None = None,
        model: Model | None = None,
        log: bool | None = None,
        experiments: Count = EXPERIMENTS,
        reward_type: RewardType | None = None,
        task: ExperimentTask | None = None,
    ) -> None:
        of_data: dict[str, Any] = {
            "target": target, "direction": direction, "inputs": inputs, "ignore": ignore, "categorical": categorical,
            "na": na, "decimal": decimal, "delimiter": delimiter, "encoding": encoding, "model": model, "log": log,
        }  # fmt: skip
        if task is not None:
            given_alone("task", {"data": data, **of_data, "log": log is not None})
        elif data is None:
            raise ConfigurationError('give either a task or data: a CSV file, or a name such as "fullerenes"')
        else:
            task = ExperimentTask.of(data, **of_data)
        self.task = task
        super().__init__(size, len(task.data.columns), experiments, (task.data.target, "measured"), reward_type)

    def carry_out(self, actions: FloatArray, deviates: FloatArray, rows: Rows) -> tuple[FloatArray, FloatArray, Info]:
        """Carry out experiments by the emulator."""
        del rows  # they differ in nothing
        expected, measured = self.task.carry_out(actions, deviates)
        values = {self.task.data.target: expected, "measured": measured}
        return self.task.score(expected), self.task.score(measured), values

    def drawn(self) -> Drawn:
        """Return the columns of the table and the measured quantity."""
        data = self.task.data
        size = "largest" if data.direction == "maximize" else "smallest"
        names = tuple(column.name for column in data.columns)
        return Drawn(f"Find the {size} {data.target}", names, data.target, "", self.task.scale, "emulator")


class ExperimentsEnv(ScalarEnv):  # noqa: D101  # the episodes' docstring is its own
    episodes_class = ExperimentCampaign


class ExperimentsVectorEnv(BatchedEnv):  # noqa: D101  # likewise
    episodes_class = ExperimentCampaign
