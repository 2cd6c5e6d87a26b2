"""Log the values of a training or a search to TensorBoard or to Weights & Biases."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from typing_extensions import override

from matgym.errors import ConfigurationError, MissingExtraError

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm


class Tracker(ABC):
    """A destination of logged values; as a context manager it closes itself."""

    @abstractmethod
    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Log values by name, such as "search/best_reward", for a step."""

    def close(self) -> None:  # noqa: B027  # not every tracker holds something open
        """Write all pending values; a second call has no effect."""

    def attach(self, agent: "BaseAlgorithm") -> None:
        """Log all values of a Stable-Baselines3 agent here; call this before `learn`."""
        from stable_baselines3.common.logger import KVWriter, Logger

        class Forward(KVWriter):
            def write(_, key_values: dict[str, Any], key_excluded: Any, step: int = 0) -> None:  # noqa: N805, ARG002
                self.scalars(step, {k: float(v) for k, v in key_values.items() if isinstance(v, int | float)})

        agent.set_logger(Logger(folder=None, output_formats=[Forward()]))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class NoTracker(Tracker):
    """A tracker that logs nothing."""

    @override
    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        pass

    @override
    def attach(self, agent: "BaseAlgorithm") -> None:
        pass


class TensorBoardTracker(Tracker):
    """A tracker that writes event files for `tensorboard --logdir FOLDER`."""

    def __init__(self, folder: Path | str, settings: Mapping[str, Any] | None = None) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.folder = Path(folder)
        self._writer = SummaryWriter(str(self.folder))
        if settings:
            self._writer.add_text("settings", json.dumps(dict(settings), default=str))

    @override
    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    @override
    def attach(self, agent: "BaseAlgorithm") -> None:
        agent.tensorboard_log = str(self.folder)  # Stable-Baselines3 makes one folder in it for each training

    @override
    def close(self) -> None:
        self._writer.close()


class WandbTracker(Tracker):
    """A tracker that logs to a run of a Weights & Biases project; WANDB_MODE=offline keeps it on this machine."""

    def __init__(self, project: str, settings: Mapping[str, Any] | None = None) -> None:
        try:
            wandb: Any = import_module("wandb")
        except ImportError:
            raise MissingExtraError("wandb", "wandb") from None
        self._run: Any = wandb.init(project=project, config=dict(settings or {}))

    @override
    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    @override
    def close(self) -> None:
        self._run.finish()


def as_tracker(where: str | Tracker | None, settings: Mapping[str, Any] | None = None) -> Tracker:
    """Return the tracker of a name: "tensorboard:FOLDER", "wandb:PROJECT", or None for no tracking.

    Args:
        where: one of these, or your own tracker.
        settings: settings of the run, which are logged with its values.

    Raises:
        ConfigurationError: if the name is unknown.
    """
    if where is None or isinstance(where, Tracker):
        return where or NoTracker()
    kind, _, place = where.partition(":")
    if kind not in {"tensorboard", "wandb"} or not place:
        raise ConfigurationError(f"tracking {where!r} is unknown: give tensorboard:FOLDER, wandb:PROJECT, or None")
    return TensorBoardTracker(place, settings) if kind == "tensorboard" else WandbTracker(place, settings)
