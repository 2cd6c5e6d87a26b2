"""`policy="HoneycombPolicy"` of MaskablePPO."""

from typing import Any

from gymnasium import spaces
from sb3_contrib.common.maskable.policies import MaskableActorCriticPolicy
from stable_baselines3.common.type_aliases import Schedule
from typing_extensions import override

from matgym.agents.honeycomb.policies import Sized, arguments_of, build


class MaskableHoneycombPolicy(Sized, MaskableActorCriticPolicy):  # type: ignore[misc]  # sb3-contrib has no types
    """The policy of MaskablePPO; see `HoneycombPolicy`."""

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        lr_schedule: Schedule,
        width: int | None = None,
        rounds: int | None = None,
        trunk: str | None = None,
        **arguments: Any,
    ) -> None:
        ours = arguments_of(observation_space, action_space, width, rounds, trunk, arguments)
        super().__init__(observation_space, action_space, lr_schedule, **ours)

    @override
    def _build(self, lr_schedule: Schedule) -> None:
        build(self, lr_schedule)
