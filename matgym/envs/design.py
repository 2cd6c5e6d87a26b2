"""Environments of design, scalar and natively batched, over any task: what their kinds share."""

from typing import Any

import gymnasium as gym
import numpy as np

from matgym.envs.batch import BatchEnv, BatchVectorEnv, checked_count
from matgym.envs.choosing import ChoiceDynamics, make_dynamics
from matgym.envs.design_dynamics import DesignDynamics, Variant
from matgym.envs.placement import PlacementDynamics
from matgym.errors import ConfigurationError
from matgym.structures import Nanotube
from matgym.tasks import DesignTask, TargetProperty
from matgym.typing import BoolArray


class DesignEnv(BatchEnv):
    """One design an episode; a subclass says of what, and makes its task.

    Also of use as it is: `DesignEnv(task)` makes an environment of any task.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array", "ansi"], "render_fps": 4}  # noqa: RUF012  # Gymnasium declares it so
    dynamics: DesignDynamics

    def __init__(
        self,
        task: DesignTask,
        *,
        render_mode: str | None = None,
        variant: Variant = "plain",
        at_once: bool = False,
        dynamics: DesignDynamics | None = None,
    ) -> None:
        self.task = task
        super().__init__(dynamics or make_dynamics(task, 1, variant, at_once=at_once), render_mode)

    def action_masks(self) -> BoolArray:
        """(n_actions,) which actions are allowed now.

        Raises:
            AttributeError: if actions are numbers.
        """
        return np.asarray(masks_of(self.dynamics)[0])

    @property
    def tube(self) -> Nanotube:
        """The tube as it stands."""
        return self.task.tubes(self._design[None])[0]

    @property
    def _design(self) -> Any:
        dynamics = self.dynamics
        if isinstance(dynamics, PlacementDynamics):
            return dynamics.species[0]
        if isinstance(dynamics, ChoiceDynamics):
            return dynamics.designs[0]
        raise AttributeError("nothing is under way in an environment whose designs are made at once")

    def render(self) -> Any:
        """The unrolled tube, as an (H, W, 3) uint8 picture or as text; of choices, text alone tells which were made."""
        from matgym.viz.raster import ansi, frame

        targets = np.atleast_1d(self.dynamics.targets[0])
        named = zip(self.task.target_names, targets, strict=True)
        caption = ", ".join(
            f"{name.replace('target_', 'target ').replace('_ev', '')} {value:.3f}" for name, value in named
        )
        if self.render_mode is None:
            gym.logger.warn("render() was called, but no render_mode was given to gym.make: 'rgb_array' or 'ansi'")
            return None
        if isinstance(self.dynamics, ChoiceDynamics) and self.render_mode == "ansi":
            made = self.dynamics.designs[0, : self.dynamics.place[0]]
            return f"{' '.join(map(str, made))} …\n{caption}\n"
        return frame(self.tube, caption) if self.render_mode == "rgb_array" else ansi(self.tube, caption)


class DesignVectorEnv(BatchVectorEnv):
    """Many `DesignEnv` at once, scored in one batch; see there and `BatchVectorEnv`."""

    dynamics: DesignDynamics

    def __init__(
        self,
        task: DesignTask,
        num_envs: int = 1,
        max_episode_steps: int | None = None,
        *,
        variant: Variant = "plain",
        at_once: bool = False,
        dynamics: DesignDynamics | None = None,
    ) -> None:
        self.task = task
        made = dynamics or make_dynamics(task, checked_count(num_envs), variant, at_once=at_once)
        if max_episode_steps is not None and isinstance(task, TargetProperty) and isinstance(made, PlacementDynamics):
            check_time_limit(task, max_episode_steps)
        super().__init__(made, max_episode_steps)

    def action_masks(self) -> BoolArray:
        """(num_envs, n_actions) which actions are allowed now."""
        return masks_of(self.dynamics)


def masks_of(dynamics: Any) -> BoolArray:
    """(B, n_actions) masks of a dynamics that has some."""
    if not isinstance(dynamics, PlacementDynamics | ChoiceDynamics):
        raise AttributeError("actions that are numbers have no masks")  # noqa: TRY004  # as of a method that is not there
    return dynamics.action_masks()


def check_time_limit(task: TargetProperty, max_episode_steps: int) -> None:
    """Refuse a time limit within which no design can be completed."""
    if max_episode_steps < task.edits.length:
        raise ConfigurationError(
            f"a budget of {task.edits.length} edits cannot be placed within {max_episode_steps} steps: "
            f"give max_episode_steps={2 * task.edits.length}"
        )
