"""`policy="HoneycombPolicy"` of DQN."""

from typing import Any

from gymnasium import spaces
from stable_baselines3.common.type_aliases import Schedule
from stable_baselines3.dqn.policies import DQNPolicy, QNetwork
from torch import Tensor, nn
from typing_extensions import override

from matgym.agents.honeycomb.network import HoneycombNetwork, Split, value_head
from matgym.agents.honeycomb.policies import Sized, arguments_of


class _Values(nn.Module):
    """Values of actions: the logits as advantages, plus a value of the tube (Wang et al., ICML 2016)."""

    def __init__(self, network: HoneycombNetwork) -> None:
        super().__init__()
        self.split, self.value = Split(network), value_head(network.n_features)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, A) values of actions."""
        advantages, whole = self.split(features)
        values: Tensor = advantages + self.value(whole)
        return values


class HoneycombQNetwork(QNetwork):
    """The network of DQN, which gives a value for each action."""

    def __init__(self, *args: Any, **arguments: Any) -> None:
        super().__init__(*args, **arguments)
        assert isinstance(self.features_extractor, HoneycombNetwork)  # noqa: S101  # as its policy made it; for mypy
        self.q_net = _Values(self.features_extractor)  # type: ignore[assignment]  # a module like any other


class HoneycombDQNPolicy(Sized, DQNPolicy):
    """The policy of DQN; see `HoneycombPolicy`."""

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
        super().__init__(observation_space, action_space, lr_schedule, **ours)  # type: ignore[arg-type]

    @override
    def make_q_net(self) -> QNetwork:
        return HoneycombQNetwork(**self._update_features_extractor(self.net_args, features_extractor=None)).to(
            self.device
        )
