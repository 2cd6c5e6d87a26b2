"""How a generator is trained."""

import math
from dataclasses import asdict, dataclass, field
from typing import Any, get_args

from matgym.errors import ConfigurationError
from matgym.generative.losses import Loss
from matgym.generative.networks import NetworkSize
from matgym.structures import Species
from matgym.structures.species import parse_species


@dataclass(frozen=True)
class GanSettings:
    """All but the data. Numbers are chosen by us.

    Attributes:
        key: the property it can be asked for.
        species: dopants that it places.
        loss: of the minimax game; see `matgym.generative.losses`.
        spectral: whether the discriminator's weights have spectral norm one (Miyato et al., ICLR 2018).
        projection: whether the discriminator sees the condition, by projection.
        game: weight of the game in the generator's loss.
        regressor: weight of the auxiliary regressor, a surrogate fitted to the same structures beforehand, which says
            how far the property is from the target; zero leaves it out.
        moments: weight of feature matching on pair correlations (Salimans et al., NeurIPS 2016).
        size: of the networks.
        epochs: passes over the structures.
        patience: epochs without a better validation score after which it is given up.
        regressor_epochs: of the auxiliary regressor.
        batch_size: tubes a step.
        critic_steps: of the discriminator for each of the generator.
        generator_rate: learning rate of Adam.
        critic_rate: likewise.
        restraint: weight of the mean squared change of a draft's scores. Without it they grow until the soft placement
            has no gradient left.
        temperature: of the soft placement that gradients come from.
        average: decay of the moving average of weights that is kept (Yazıcı et al., ICLR 2019).
        left_out: a band of the property of which no structure is shown.
        seed: of weights, order and noise.

    Raises:
        ConfigurationError: if a value is out of range.
    """

    key: str = "gap_ev"
    species: tuple[str, ...] = ("B", "N")
    loss: Loss = "hinge"
    spectral: bool = True
    projection: bool = True
    game: float = 0.5
    regressor: float = 4.0
    moments: float = 2.0
    size: NetworkSize = field(default_factory=NetworkSize)
    epochs: int = 32
    patience: int = 12
    regressor_epochs: int = 30
    batch_size: int = 96
    critic_steps: int = 1
    generator_rate: float = 1e-3
    critic_rate: float = 1e-3
    restraint: float = 0.05
    temperature: float = 1.5
    average: float = 0.995
    left_out: tuple[float, float] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.loss not in get_args(Loss):
            raise ConfigurationError(f"loss={self.loss!r} is none of {', '.join(get_args(Loss))}")
        for name in ("epochs", "patience", "regressor_epochs", "batch_size", "critic_steps"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name}={getattr(self, name)} must be 1 or more")
        for name in ("generator_rate", "critic_rate", "temperature"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise ConfigurationError(f"{name}={getattr(self, name)} must be positive")
        if not 0.0 <= self.average < 1.0:
            raise ConfigurationError(f"average={self.average} must be from 0 to below 1")
        if self.left_out is not None and not self.left_out[0] < self.left_out[1]:
            raise ConfigurationError(f"left_out={self.left_out} must be a band: LOW below HIGH")
        if not 1 <= len(self.kinds) <= 2:  # conditions have two columns of shares
            raise ConfigurationError(f"species={self.species}: a generator places one or two dopants")

    @property
    def kinds(self) -> tuple[Species, ...]:
        """Codes of the dopants."""
        return tuple(parse_species(name) for name in self.species)

    def as_dict(self) -> dict[str, Any]:
        """Plain form for the card."""
        return asdict(self)
