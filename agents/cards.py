"""The cards of stored agents: what an agent is, and how it was trained."""

from inspect import signature
from typing import Annotated, Any, ClassVar, Final, Literal, Self

import numpy as np
import torch
from gymnasium import spaces
from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator
from stable_baselines3.common.sb2_compat.rmsprop_tf_like import RMSpropTFLike
from stable_baselines3.common.torch_layers import CombinedExtractor, FlattenExtractor, NatureCNN
from typing_extensions import TypedDict

from matgym.agents.sb3 import ALGORITHMS, constructor
from matgym.errors import ConfigurationError
from matgym.learning.store import Card

_APART: Final = frozenset({
    "policy", "env", "policy_kwargs", "device", "seed", "verbose", "tensorboard_log", "stats_window_size",
    "replay_buffer_class", "rollout_buffer_class", "use_rms_prop", "rms_prop_eps", "_init_setup_model",
})  # fmt: skip
"""Arguments of constructors that are not hyper-parameters, or that other fields of the card hold."""

SETTINGS: Final[dict[str, tuple[str, ...]]] = {
    name: tuple(argument for argument in signature(constructor(name)).parameters if argument not in _APART)
    for name in ALGORITHMS
}
"""The names of the hyper-parameters of each algorithm that can be stored."""

SCHEDULES: Final = ("learning_rate", "clip_range", "clip_range_vf")
NAMED: Final[dict[str, dict[str, type]]] = {
    "activation_fn": {
        name: getattr(torch.nn, name)
        for name in ("ELU", "GELU", "Identity", "LeakyReLU", "ReLU", "SiLU", "Sigmoid", "Tanh")
    },
    "optimizer_class": {name: getattr(torch.optim, name) for name in ("Adam", "AdamW", "RMSprop", "SGD")}
    | {"RMSpropTFLike": RMSpropTFLike},
    "features_extractor_class": {kind.__name__: kind for kind in (CombinedExtractor, FlattenExtractor, NatureCNN)},
}
"""The allowed classes in the arguments of a policy; they are stored by name, and other names raise an error."""

Width = Annotated[int, Field(ge=1, le=2**16)]


class PolicyKwargs(TypedDict, total=False):
    """The arguments of a policy; see Stable-Baselines3."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]  # pydantic reads this attribute
    net_arch: list[Width] | dict[str, list[Width]]
    activation_fn: str
    ortho_init: bool
    use_sde: bool
    log_std_init: float
    full_std: bool
    use_expln: bool
    squash_output: bool
    clip_mean: float
    normalize_images: bool
    share_features_extractor: bool
    n_critics: Width
    n_quantiles: Width
    lstm_hidden_size: Width
    n_lstm_layers: Width
    shared_lstm: bool
    enable_critic_lstm: bool
    lstm_kwargs: dict[str, float] | None
    optimizer_class: str
    optimizer_kwargs: dict[str, JsonValue] | None
    width: Width
    rounds: Width
    features_extractor_class: str
    features_extractor_kwargs: dict[str, JsonValue] | None


class SpaceCard(BaseModel):
    """The description of a Gymnasium space.

    Attributes:
        kind: the name of the class in Gymnasium.
        shape: the shape of an element.
        dtype: the type of the entries.
        low: the lowest value of each entry, or a single value for all entries.
        high: the highest value of each entry, or a single value for all entries.
        parts: the spaces of a Dict.
    """

    model_config = ConfigDict(extra="forbid", ser_json_inf_nan="strings")

    kind: Literal["Box", "Discrete", "MultiDiscrete", "MultiBinary", "Dict"]
    shape: tuple[int, ...] = ()
    dtype: Literal["float32", "float64", "uint8", "int8", "int16", "int32", "int64"] = "int64"
    low: tuple[float, ...] = (0.0,)
    high: tuple[float, ...] = (1.0,)
    parts: dict[str, "SpaceCard"] = {}

    @classmethod
    def of(cls, space: spaces.Space[Any]) -> Self:
        """Return the card of a space."""
        if isinstance(space, spaces.Box):
            low, high = (_shared(ends) for ends in (space.low, space.high))
            return cls(kind="Box", shape=space.shape, dtype=str(space.dtype), low=low, high=high)
        if isinstance(space, spaces.Discrete):
            return cls(kind="Discrete", low=(float(space.start),), high=(float(space.start + space.n - 1),))
        if isinstance(space, spaces.MultiDiscrete):
            last = space.start + space.nvec - 1
            return cls(kind="MultiDiscrete", shape=space.shape, low=_shared(space.start), high=_shared(last))
        if isinstance(space, spaces.MultiBinary):
            return cls(kind="MultiBinary", shape=space.shape)
        if isinstance(space, spaces.Dict):
            return cls(kind="Dict", parts={name: cls.of(part) for name, part in space.spaces.items()})
        raise ConfigurationError(f"a space of kind {type(space).__name__} cannot be stored")

    def space(self) -> spaces.Space[Any]:
        """Return the Gymnasium space."""
        if self.kind == "Dict":
            return spaces.Dict({name: part.space() for name, part in self.parts.items()})
        if self.kind == "MultiBinary":
            return spaces.MultiBinary(self.shape[0] if len(self.shape) == 1 else self.shape)
        kind = np.dtype(self.dtype).type
        size = int(np.prod(self.shape))
        low, high = (
            np.resize(np.array(ends, dtype=kind), size).reshape(self.shape)
            if len(ends) == 1
            else np.array(ends, dtype=kind).reshape(self.shape)
            for ends in (self.low, self.high)
        )
        if self.kind == "Box":
            return spaces.Box(low, high, dtype=kind)
        if self.kind == "Discrete":
            return spaces.Discrete(int(high - low) + 1, start=int(low))
        return spaces.MultiDiscrete(high - low + 1, start=low)


def _shared(ends: np.ndarray[Any, Any]) -> tuple[float, ...]:
    """Return the bounds of each entry, or a single bound if all are equal."""
    return tuple(np.unique(ends).tolist() if len(np.unique(ends)) == 1 else ends.reshape(-1).tolist())


class Scores(BaseModel):
    """Mean returns of an agent, each with its 95 % interval: (mean, low, high).

    Attributes:
        episodes: the number of episodes.
        seed: the random seed of the first episode.
        returns: the return by the environment's model.
        random: the return of random actions, among the allowed ones.
        verified: the return by physics; None if the environment designs no tubes, or no oracle verifies them.
    """

    model_config = ConfigDict(extra="forbid")

    episodes: int = Field(ge=1)
    seed: int
    returns: tuple[float, float, float]
    random: tuple[float, float, float]
    verified: tuple[float, float, float] | None = None


class AgentCard(Card):
    """The description of an agent and of its training.

    Attributes:
        algorithm: one of `ALGORITHMS`.
        policy: the name of the policy in the algorithm, such as "MlpPolicy".
        policy_kwargs: the arguments of the policy; classes by name.
        settings: the hyper-parameters; a rate that decreases linearly to zero is "lin_0.001", as in rl_zoo3.
        n_envs: the number of parallel environments.
        seed: the seed of the agent.
        timesteps: the number of training steps.
        exploration_rate: the exploration rate of DQN and QRDQN; None for others.
        observation_space: the observation space of the agent: pictures with channels first.
        action_space: the action space.
        environment: the id of the environment of the training.
        arguments: the arguments of that environment.
        designs: the number of designs, or of runs of a process, that the training evaluated, with those of the expert
            that the agent imitated; 0 if it is not known.
        imitated: the number of episodes of the scripted expert that the agent imitated before it learned from rewards.
        scores: what the agent reached on episodes that its training did not see; None if it was not measured.
    """

    OLDEST: ClassVar[int] = 1  # agents have always had a hash

    algorithm: str
    policy: str
    policy_kwargs: PolicyKwargs = Field(default_factory=PolicyKwargs)
    settings: dict[str, JsonValue]
    n_envs: int = Field(ge=1)
    seed: int | None
    timesteps: int = Field(ge=0)
    exploration_rate: float | None = None
    observation_space: SpaceCard
    action_space: SpaceCard
    environment: str
    arguments: dict[str, JsonValue]
    designs: int = Field(default=0, ge=0)
    imitated: int = Field(default=0, ge=0)
    scores: Scores | None = None

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.algorithm not in ALGORITHMS:
            raise ValueError(f"algorithm {self.algorithm!r} is unknown; there are {', '.join(ALGORITHMS)}")
        for name in self.settings:
            if name not in SETTINGS[self.algorithm]:
                raise ValueError(f"{self.algorithm} has no hyper-parameter {name!r}")
        for name, value in self.policy_kwargs.items():
            if name in NAMED and value not in NAMED[name]:
                raise ValueError(f"{name} {value!r} is unknown; there are {', '.join(NAMED[name])}")
        return self
