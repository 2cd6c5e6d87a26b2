"""How generators are trained. Numbers are chosen by us."""

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

from matgym.errors import ConfigurationError
from matgym.generative.networks import NetworkSize
from matgym.learning.config import check_counts, check_positive
from matgym.structures import Species
from matgym.structures.species import parse_species

Loss: TypeAlias = Literal["original", "hinge", "wasserstein"]
"""Of the minimax game.

- "original": Goodfellow et al., NeurIPS 2014, with the generator's non-saturating form;
- "hinge": Lim and Ye, arXiv:1705.02894;
- "wasserstein": Arjovsky, Chintala and Bottou, ICML 2017, with the gradient penalty of Gulrajani et al., NeurIPS 2017.
"""


@dataclass(frozen=True)
class GeneratorConfig:
    """What all trainings of generators are told: all but the data and the network.

    Attributes:
        key: the property it can be asked for.
        species: dopants that it places.
        epochs: passes over the structures.
        patience: epochs without a better figure on held-out structures after which it is given up.
        batch_size: tubes a step.
        left_out: a band of the property of which no structure is shown.
        seed: of weights, order and noise.
        size: of the network or networks.

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
            raise ConfigurationError(f"left_out={self.left_out} must be a band: LOW below HIGH")
        if not 1 <= len(self.kinds) <= 2:  # conditions have two columns of shares
            raise ConfigurationError(f"species={self.species}: a generator places one or two dopants")

    @property
    def kinds(self) -> tuple[Species, ...]:
        """Codes of the dopants."""
        return tuple(parse_species(name) for name in self.species)


@dataclass(frozen=True)
class LikelihoodConfig(GeneratorConfig):
    """See `GeneratorConfig`.

    Attributes:
        learning_rate: peak of the one-cycle schedule of AdamW.
    """

    learning_rate: float = 3e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "learning_rate")


@dataclass(frozen=True)
class GanConfig(GeneratorConfig):
    """See `GeneratorConfig`.

    Attributes:
        loss: of the minimax game; see `Loss`.
        spectral: whether the discriminator's weights have spectral norm one (Miyato et al., ICLR 2018).
        projection: whether the discriminator sees the condition, by projection.
        game: weight of the game in the generator's loss.
        regressor: weight of the auxiliary regressor, a surrogate fitted to the same structures beforehand, which says
            how far the property is from the target; zero leaves it out.
        moments: weight of feature matching on pair correlations (Salimans et al., NeurIPS 2016).
        regressor_epochs: of the auxiliary regressor.
        critic_steps: of the discriminator for each of the generator.
        generator_rate: learning rate of the generator's optimizer, Adam.
        critic_rate: learning rate of the discriminator's own Adam.
        restraint: weight of the mean squared change of a draft's scores. Without it they grow until the soft placement
            has no gradient left.
        temperature: of the soft placement that gradients come from.
        average: decay of the moving average of weights that is kept (Yazıcı et al., ICLR 2019).
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
            raise ConfigurationError(f"average={self.average} must be from 0 to below 1")
