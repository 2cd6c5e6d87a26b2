"""How surrogates are fitted: every number of a configuration, validated."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from matgym.errors import ConfigurationError
from matgym.learning.config import check_counts, check_positive, read_config
from matgym.physics.registry import PROPERTIES_BY_KEY
from matgym.structures import Species
from matgym.structures.species import SPECIES_DATA, parse_species
from matgym.surrogates.informed import check_informed
from matgym.surrogates.networks import network_settings

CONFIGS: Final = Path(__file__).parent / "configs"


@dataclass(frozen=True)
class FitConfig:
    """How to fit.

    Attributes:
        properties: keys of the labels to learn, one head each.
        weights: of each property's loss; all 1 if none are given. A second, smooth property steadies a gap's.
        network: name: see `matgym.surrogates.networks`.
        size: settings of the network; its defaults stand for what is missing.
        members: networks that are fitted, from different seeds, for an ensemble.
        species: that the network sees.
        informed_by: physics that is given as further inputs; see `matgym.surrogates.informed`.
        epochs: passes over the training split.
        patience: epochs without a better validation error after which it is given up; None goes on to the end,
            where the schedule has its best ones.
        batch_size: tubes a step.
        learning_rate: peak of the one-cycle schedule.
        weight_decay: of AdamW.
        seed: of initial weights, order, and augmentation; member i has `seed + i`.
        dataset: name or file of the data that it is meant for; empty if it is left open.

    Raises:
        ConfigurationError: if a value is out of range, or the network has no such setting.
        PropertyError: if `informed_by` names what no cheap oracle computes.
    """

    properties: tuple[str, ...] = ("gap_ev", "pi_formation_ev")
    weights: tuple[float, ...] = ()
    network: str = "resnet"
    size: dict[str, Any] = field(default_factory=dict)
    members: int = 1
    species: tuple[str, ...] = ("B", "N")
    informed_by: tuple[str, ...] = ()
    epochs: int = 40
    patience: int | None = None
    batch_size: int = 128
    learning_rate: float = 4e-3
    weight_decay: float = 1e-4
    seed: int = 0
    dataset: str = ""

    def __post_init__(self) -> None:
        if self.weights and len(self.weights) != len(self.properties):
            raise ConfigurationError(f"{len(self.weights)} weights do not fit properties {self.properties}")
        check_counts(self, "epochs", "members", "batch_size", "patience")
        check_positive(self, "learning_rate")
        if not 0.0 <= self.weight_decay < math.inf:
            raise ConfigurationError(f"weight_decay={self.weight_decay} must not be negative")
        if not self.properties or not self.species:
            raise ConfigurationError("at least one property and one species must be given")
        check_informed(self.informed_by)
        network_settings(self.network, self.size)
        for name in self.species:
            parse_species(name)

    @property
    def network_size(self) -> Mapping[str, Any]:
        """Settings of the network, defaults and all."""
        return network_settings(self.network, self.size)

    @property
    def codes(self) -> tuple[Species, ...]:
        """Species that the network sees."""
        return tuple(parse_species(name) for name in self.species)

    @property
    def between_leads(self) -> bool:
        """Whether the properties belong to tubes between leads."""
        return any(PROPERTIES_BY_KEY[key].between_leads for key in self.properties if key in PROPERTIES_BY_KEY)

    def as_dict(self) -> dict[str, Any]:
        """Plain form for the card, with the network's defaults and the species' own labels."""
        labels = tuple(SPECIES_DATA[code].label for code in self.codes)
        return asdict(self) | {"size": dict(self.network_size), "species": labels}


def shipped_config(keys: Sequence[str], dataset: str = "") -> Path | None:
    """Return the first shipped configuration for these properties, and for this data set if one is named."""
    for file in sorted(CONFIGS.glob("*.yml")):
        config = read_config(FitConfig, file)
        if set(keys) <= set(config.properties) and dataset in ("", config.dataset):
            return file
    return None
