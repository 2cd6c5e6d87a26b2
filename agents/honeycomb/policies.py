"""`policy="HoneycombPolicy"` of PPO and A2C, and what it has in common with those of other algorithms."""

from collections.abc import Mapping
from typing import Any, Final

from gymnasium import spaces
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.type_aliases import Schedule
from torch import nn
from typing_extensions import override

from matgym.agents.honeycomb.network import ROUNDS, WIDTH, HoneycombNetwork, Split, value_head
from matgym.agents.honeycomb.trunk import sizes_of
from matgym.envs.honeycomb_observation import CONTEXT, EFFECTS, NEIGHBOURS, SITES
from matgym.errors import ConfigurationError

NAME: Final = "HoneycombPolicy"


def arguments_of(
    observation: spaces.Space[Any],
    action: spaces.Space[Any],
    width: int | None,
    rounds: int | None,
    trunk: str | None,
    further: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the arguments of a policy of Stable-Baselines3 with a `HoneycombNetwork`.

    Args:
        observation: the observation space.
        action: the action space.
        width: features of a site; None for those of the trunk, or the default.
        rounds: rounds of messages; None for those of the trunk, or the default.
        trunk: a surrogate to start from; None for none.
        further: further arguments of the policy.

    Raises:
        ConfigurationError: if the spaces are not those of `matgym.envs.honeycomb_observation`, or a further argument
            has no effect.
    """
    if not isinstance(observation, spaces.Dict) or set(observation) - {EFFECTS} != {SITES, NEIGHBOURS, CONTEXT}:
        raise ConfigurationError(
            f"{NAME} cannot read a {type(observation).__name__} space: make the environment with "
            "observation='honeycomb'"
        )
    if not isinstance(action, spaces.Discrete):
        raise ConfigurationError(
            f"{NAME} chooses among discrete actions, not in a {type(action).__name__} space: give another policy"
        )
    for name in further:
        if name not in {"optimizer_class", "optimizer_kwargs", "normalize_images", "use_sde"}:
            raise ConfigurationError(f"{name} has no effect in {NAME}: leave it out, or give width, rounds or trunk")
    default = (WIDTH, ROUNDS) if trunk is None else sizes_of(trunk)
    sizes = {"width": width or default[0], "rounds": rounds or default[1]}
    return {
        **further,
        "net_arch": [],
        "features_extractor_class": HoneycombNetwork,
        "features_extractor_kwargs": {"n_actions": int(action.n), **sizes, "trunk": trunk},
    }


class Sized:
    """What policies on the honeycomb have in common: the sizes by which a stored policy is made again."""

    features_extractor_kwargs: dict[str, Any]

    @property
    def sizes(self) -> dict[str, Any]:
        """The width and the number of rounds of the network."""
        return {name: self.features_extractor_kwargs[name] for name in ("width", "rounds")}


def build(policy: Any, lr_schedule: Schedule) -> None:
    """Make the parts of an actor and a critic behind the features, and the optimizer."""
    network = policy.features_extractor
    policy.mlp_extractor, policy.action_net = Split(network), nn.Identity()
    policy.value_net = value_head(network.n_features)
    policy.optimizer = policy.optimizer_class(policy.parameters(), lr=lr_schedule(1), **policy.optimizer_kwargs)


class HoneycombPolicy(Sized, ActorCriticPolicy):
    """The policy of PPO and A2C."""

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
        """Make a policy.

        Args:
            observation_space: see `matgym.envs.honeycomb_observation`.
            action_space: discrete actions.
            lr_schedule: learning rate by the remaining share of the training.
            width: features of a site. Default: 16, or that of the trunk.
            rounds: rounds of messages. Default: 3, or that of the trunk.
            trunk: name or path of a surrogate whose rounds of messages the policy starts from, such as "nanotube-gap".
            arguments: further arguments of Stable-Baselines3's policies, such as `optimizer_class`.

        Raises:
            ConfigurationError: if the spaces are not those of the honeycomb, or the surrogate has no such rounds.
        """
        ours = arguments_of(observation_space, action_space, width, rounds, trunk, arguments)
        super().__init__(observation_space, action_space, lr_schedule, **ours)

    @override
    def _build(self, lr_schedule: Schedule) -> None:
        build(self, lr_schedule)
