"""Configs of the trainings of generators. We chose the default values."""

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

from matgym.errors import ConfigurationError
from matgym.generative.networks import NetworkSize
from matgym.learning.config import check_counts, check_positive
from matgym.structures import Species
from matgym.structures.species import parse_species

Loss: TypeAlias = Literal["original", "hinge", "wasserstein"]
"""The loss of the minimax game.

- "original": Goodfellow et al., NeurIPS 2014, with the generator's non-saturating form;
- "hinge": Lim and Ye, arXiv:1705.02894;
- "wasserstein": Arjovsky, Chintala and Bottou, ICML 2017, with the gradient penalty of Gulrajani et al., NeurIPS 2017.
"""


@dataclass(frozen=True)
class GeneratorConfig:
    """The settings that all trainings of generators share.

    Attributes:
        key: the property that the generator is conditioned on.
        species: the dopants that the generator places.
        epochs: the number of passes over the structures.
        patience: the number of epochs without a better validation figure after which the training stops.
        batch_size: the number of tubes in a step.
        left_out: a band of the property (low, high); structures within it are left out of the training.
        seed: the random seed of weights, order and noise.
        size: the size of the network or networks.

    Raises:
        ConfigurationError: if a value is out of range.
    """

    key: str = "gap_ev"
    species: tuple[str, ...] = ("B", "N")
    epochs: int = 40
    patience: int = 12
    batch_size: int = 96
    left_out: tuple[float, float] | None = None
    seed: int = 0
    size: Any = None

    def __post_init__(self) -> None:
        check_counts(self, "epochs", "patience", "batch_size")
        if self.left_out is not None and not self.left_out[0] < self.left_out[1]:
            raise ConfigurationError(f"left_out={self.left_out} must be a band (LOW, HIGH) with LOW below HIGH")
        if not 1 <= len(self.kinds) <= 2:  # conditions have two columns for the shares of dopants
            raise ConfigurationError(
                f"species={self.species} holds {len(self.kinds)} dopants: give one or two, which a generator can place"
            )

    @property
    def kinds(self) -> tuple[Species, ...]:
        """The codes of the dopants."""
        return tuple(parse_species(name) for name in self.species)


@dataclass(frozen=True)
class LikelihoodConfig(GeneratorConfig):
    """The settings of a training by likelihood; see `GeneratorConfig` for the others.

    Attributes:
        learning_rate: the highest learning rate of the one-cycle schedule of AdamW.
    """

    learning_rate: float = 3e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "learning_rate")


@dataclass(frozen=True)
class GanConfig(GeneratorConfig):
    """The settings of the training of the GAN; see `GeneratorConfig` for the others.

    Attributes:
        loss: the loss of the minimax game; see `Loss`.
        spectral: whether the discriminator's weights have spectral norm one (Miyato et al., ICLR 2018).
        projection: whether the condition enters the discriminator, by projection.
        game: the weight of the minimax game in the generator's loss.
        regressor: the weight of the auxiliary regressor, a surrogate that is fitted to the same structures beforehand
            and predicts how far the property is from the target; zero leaves it out.
        moments: the weight of feature matching on pair correlations (Salimans et al., NeurIPS 2016).
        regressor_epochs: the number of epochs of the auxiliary regressor.
        critic_steps: the number of the discriminator's steps for each step of the generator.
        generator_rate: the learning rate of the generator's optimizer, Adam.
        critic_rate: the learning rate of the discriminator's optimizer, Adam.
        restraint: the weight of the mean squared change of a draft's scores. At zero the scores grow until the soft
            placement saturates and its gradient vanishes.
        temperature: the temperature of the soft placement, from which the gradients come.
        average: the decay of the moving average of the generator's weights (Yazıcı et al., ICLR 2019).
    """

    epochs: int = 32
    loss: Loss = "hinge"
    spectral: bool = True
    projection: bool = True
    game: float = 0.5
    regressor: float = 4.0
    moments: float = 2.0
    size: NetworkSize = field(default_factory=NetworkSize)
    regressor_epochs: int = 30
    critic_steps: int = 1
    generator_rate: float = 1e-3
    critic_rate: float = 1e-3
    restraint: float = 0.05
    temperature: float = 1.5
    average: float = 0.995

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.loss not in get_args(Loss):
            raise ConfigurationError(f"loss={self.loss!r} is none of {', '.join(get_args(Loss))}")
        check_counts(self, "regressor_epochs", "critic_steps")
        check_positive(self, "generator_rate", "critic_rate", "temperature")
        if not 0.0 <= self.average < 1.0:
            raise ConfigurationError(f"average={self.average} must be at least 0 and below 1")
