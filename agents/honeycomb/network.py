"""The network of policies on the honeycomb: logits of placements at the sites, and features of the tube.

It consists of the rounds of messages of the surrogates (`matgym.surrogates.honeycomb.network`) and small heads. A
rotation, a screw or a two-fold rotation of a tube moves its logits like its sites, and leaves the features of the tube
as they are. The number of parameters does not depend on the number of sites.
"""

from typing import Final

import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor, nn
from typing_extensions import override

from matgym.agents.honeycomb.trunk import copy_trunk, trunk_of
from matgym.envs.honeycomb_observation import CONTEXT, DIRECTIONS, EFFECTS, HELD, NEIGHBOURS, SITES
from matgym.errors import ConfigurationError
from matgym.surrogates.honeycomb.network import Round, Sites, SitesSettings, pooled

WIDTH: Final = 16
"""Default number of features of a site. A choice of ours, as is the next one: small, because PPO runs on a CPU."""

ROUNDS: Final = 3
"""Default number of rounds of messages."""

STEEPNESS: Final = 100.0
"""Factor of the weights by which effects count for logits: steps of an optimizer are small, and effects are, too. A
choice of ours."""

IMPOSSIBLE: Final = -30.0
"""Logit of a placement on padding: its probability is below 1e-12, and no return of an environment is as low."""


class FastRound(Round):
    """A round of messages without products of small matrices, which take a third of PPO's time on a CPU."""

    @override
    def forward(self, x: Tensor, neighbours: Tensor, directions: Tensor) -> Tensor:
        near = self.norm(x)
        first, second, third = (near[neighbours[:, bond]] for bond in range(3))
        messages = [near, first + second + third]
        messages += [
            first * part[:, :1] + second * part[:, 1:2] + third * part[:, 2:]
            for part in directions.unbind(dim=2)  # cos 2φ and sin 2φ
        ]
        out: Tensor = x + nn.functional.silu(self.mix(torch.cat(messages, dim=1)))
        return out


class HoneycombNetwork(BaseFeaturesExtractor):
    """A features extractor of Stable-Baselines3 whose features are logits, followed by features of the tube.

    Attributes:
        n_actions: A, the number of actions, and so of logits.
        kinds: K, the number of kinds of atoms.
        effects: C, the number of effects of a site; 0 if the environment has none.
        n_features: F, the number of features of the tube.
    """

    def __init__(
        self, observation_space: spaces.Dict, n_actions: int, width: int, rounds: int, trunk: str | None = None
    ) -> None:
        """Make a network for the spaces of `matgym.envs.honeycomb_observation`.

        Args:
            observation_space: the space of observations.
            n_actions: the number of actions.
            width: features of a site.
            rounds: rounds of messages; each reaches one bond further.
            trunk: name or path of a surrogate whose rounds of messages the network starts from; None for random ones.

        Raises:
            ConfigurationError: if the spaces do not fit each other, or the surrogate has no such rounds.
        """
        size, channels = observation_space[SITES].shape or (0, 0)
        self.effects = (observation_space[EFFECTS].shape or (0, 0))[1] if EFFECTS in observation_space.spaces else 0
        numbers = (observation_space[CONTEXT].shape or (0,))[0] - DIRECTIONS
        self.kinds, self.n_actions = channels - HELD, n_actions
        others = n_actions - self.kinds * size
        if others < 0:
            raise ConfigurationError(
                f"{n_actions} actions are fewer than {self.kinds} kinds of atoms on {size} sites: give the action "
                "space of matgym.envs.honeycomb_observation"
            )
        self.n_features = 2 * width + numbers
        super().__init__(observation_space, n_actions + self.n_features)
        self.trunk = Sites(SitesSettings(width, rounds), channels + self.effects, numbers)
        self.trunk.rounds = nn.ModuleList([FastRound(width) for _ in range(rounds)])
        if trunk is not None:
            copy_trunk(trunk_of(trunk), self.trunk)
        self.site, self.tube = nn.Linear(width, width), nn.Linear(self.n_features, width)
        self.kind = nn.Linear(width, self.kinds)
        last = [self.kind]
        if others:
            last.append(nn.Linear(width, others))
            self.other = nn.Sequential(nn.Linear(self.n_features, width), nn.SiLU(), last[-1])
        for layer in last:  # the first policy is nearly uniform, as that of Stable-Baselines3
            nn.init.orthogonal_(layer.weight, 0.01)
            nn.init.zeros_(layer.bias)
        self.has_others = bool(others)
        if self.effects:  # what a placement does counts for its own logit at once, by weights that are 0 at first
            self.direct = nn.Linear(self.effects, self.kinds, bias=False)
            nn.init.zeros_(self.direct.weight)

    @override
    def forward(self, observations: dict[str, Tensor]) -> Tensor:
        """Return (B, A + F) logits and features of the tube.

        Args:
            observations: "sites" (B, S, 6 + K), "neighbours" (B, S, 3), "context" (B, G) and, where the environment has
                them, "effects" (B, S, C), as floats.
        """
        held, context = observations[SITES], observations[CONTEXT]
        count, size, _ = held.shape
        real = (held != 0).any(dim=2)
        sites = int(real.sum())
        # The real sites of all tubes as one graph. A last site, of a tube of its own, is the neighbour of sites that
        # lack one; it sees itself only, so that no number of such sites changes it.
        number = torch.full((count, size + 1), sites, device=held.device)
        number[:, :size][real] = torch.arange(sites, device=held.device)
        tube = torch.arange(count, device=held.device).repeat_interleave(real.sum(dim=1))
        near = number[tube[:, None], observations[NEIGHBOURS][real].long()]
        directions = context[:, :DIRECTIONS].reshape(count, 3, 2)[tube]
        numbers = context[:, DIRECTIONS:]
        own = held[real]
        if self.effects:
            effects = observations[EFFECTS][real]
            own = torch.cat([own, effects], dim=1)
        x = self.trunk.of_sites(
            nn.functional.pad(own, (0, 0, 0, 1)),
            nn.functional.pad(near, (0, 0, 0, 1), value=sites),
            nn.functional.pad(directions, (0, 0, 0, 0, 0, 1)),
            nn.functional.pad(tube, (0, 1), value=count),
            nn.functional.pad(numbers, (0, 0, 0, 1)),
        )[:sites]
        whole = pooled(x, tube, numbers)
        placed = self.kind(nn.functional.silu(self.site(x) + self.tube(whole)[tube]))
        if self.effects:
            placed = placed + self.direct(STEEPNESS * effects)
        logits = torch.full((count, size, self.kinds), IMPOSSIBLE, dtype=x.dtype, device=x.device)
        logits[real] = placed
        further = [self.other(whole)] if self.has_others else []
        return torch.cat([logits.mT.flatten(1), *further, whole], dim=1)


class Split(nn.Module):
    """The part of Stable-Baselines3's policies between the features and the outputs: it divides the features.

    Attributes:
        latent_dim_pi: the number of logits.
        latent_dim_vf: the number of features of the tube.
    """

    def __init__(self, network: HoneycombNetwork) -> None:
        super().__init__()
        self.latent_dim_pi, self.latent_dim_vf = network.n_actions, network.n_features

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return (B, A) logits and (B, F) features of the tube."""
        return self.forward_actor(features), self.forward_critic(features)

    def forward_actor(self, features: Tensor) -> Tensor:
        """Return (B, A) logits."""
        return features[:, : self.latent_dim_pi]

    def forward_critic(self, features: Tensor) -> Tensor:
        """Return (B, F) features of the tube."""
        return features[:, self.latent_dim_pi :]


def value_head(n_features: int) -> nn.Sequential:
    """Return a network from (B, F) features of the tube to (B, 1) values."""
    return nn.Sequential(nn.Linear(n_features, 64), nn.SiLU(), nn.Linear(64, 1))
