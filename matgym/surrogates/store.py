"""Storage of surrogates on disk; see `matgym.learning.store`."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, Self, TypeVar

import numpy as np
import torch
from pydantic import Field, model_validator

from matgym.errors import ConfigurationError
from matgym.learning.metrics import PropertyMetrics
from matgym.learning.store import Card, Store, ensemble_tensors, filled, part
from matgym.models import Level, Property
from matgym.physics.registry import PROPERTIES, PROPERTIES_BY_KEY
from matgym.structures.species import SPECIES_DATA, parse_species
from matgym.surrogates.baseline import PristineModel
from matgym.surrogates.honeycomb.graph import RANGED, TUBE_FEATURES
from matgym.surrogates.honeycomb.intervals import SHAPES
from matgym.surrogates.honeycomb.kinds import KINDS, AnyNetwork
from matgym.surrogates.honeycomb.surrogate import HoneycombSurrogate
from matgym.surrogates.honeycomb.surrogate import Scaling as NumbersScaling
from matgym.surrogates.learned import NetworkSurrogate, Scaling
from matgym.surrogates.networks import RasterNetwork, build_network, network_settings
from matgym.surrogates.own.surrogate import OwnSurrogate, bases_of, input_count
from matgym.typing import FloatArray


class FittedCard(Card):
    """Description, provenance and accuracy of a surrogate of any kind; see also `Card`.

    Attributes:
        metrics: metrics by split; neither training nor early stopping used "test".
        cross_validation: one row per property, means over folds with the half-widths of their intervals.
        levels: level of the labels by key, where the data have one level each.
    """

    network: str
    settings: dict[str, Any]
    members: int = Field(default=1, ge=1)
    properties: tuple[str, ...] = Field(min_length=1)
    informed_by: tuple[str, ...] = ()
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    metrics: dict[str, tuple[PropertyMetrics, ...]] = Field(default_factory=dict)
    cross_validation: tuple[dict[str, Any], ...] = ()
    levels: dict[str, Level] = Field(default_factory=dict)


class HoneycombCard(FittedCard):
    """The card of a `HoneycombSurrogate`; see there."""

    network: Literal["honeycomb", "pairs", "hamiltonian"]
    numbers_mean: tuple[float, ...]
    numbers_scale: tuple[float, ...]
    chiralities: tuple[tuple[int, int], ...]

    @model_validator(mode="after")
    def _scaled(self) -> Self:
        counts = {"mean": len(self.properties), "scale": len(self.properties)}
        counts |= dict.fromkeys(("numbers_mean", "numbers_scale"), TUBE_FEATURES + len(self.informed_by))
        for name, count in counts.items():
            if len(getattr(self, name)) != count:
                raise ValueError(f"{name} must hold {count} numbers")
        return self


class OwnCard(FittedCard):
    """The card of an `OwnSurrogate`; see there.

    Attributes:
        own: the property.
        labels_by: what computed or measured the labels, in the user's words.
        bases: SHA-256 of the weights of each shipped surrogate of the trunk, by its name.
        candidates: cross-validated error of each candidate.
        curve: see `matgym.surrogates.own.curve.Curve`.
        verdict: whether the labels are enough.
    """

    network: Literal["own"]
    own: Property
    labels_by: str = ""
    form: str
    least: float
    trunk: str
    bases: dict[str, str]
    chiralities: tuple[tuple[int, int], ...]
    candidates: dict[str, float] = Field(default_factory=dict)
    curve: dict[str, Any] = Field(default_factory=dict)
    verdict: str = ""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.properties != (self.own.key,):
            raise ValueError(f"properties={list(self.properties)} must hold the key {self.own.key!r}")
        if set(self.bases) != set(bases_of(self.trunk)):
            raise ValueError(f"bases must hold {', '.join(bases_of(self.trunk)) or 'nothing'}")
        return self


class SurrogateCard(FittedCard):
    """The card of a `NetworkSurrogate`; see there."""

    species: tuple[str, ...] = Field(min_length=1)
    informed_mean: tuple[float, ...] = ()
    informed_scale: tuple[float, ...] = ()
    lattices: tuple[tuple[int, int, int], ...]
    excess: tuple[int, int] | None = None
    baseline: PristineModel

    @model_validator(mode="after")
    def _scaled(self) -> Self:
        for name, keys in (("mean", self.properties), ("informed_mean", self.informed_by)):
            scale = "informed_scale" if name == "informed_mean" else "scale"
            if not len(getattr(self, name)) == len(getattr(self, scale)) == len(keys):
                raise ValueError(f"{name} and {scale} must hold {len(keys)} numbers each, one a property")
        return self


CRYSTAL: Final = "crystal-"
"""How the names of networks begin in cards of surrogates of crystals; see `matgym.surrogates.crystals.store`."""

WEIGHTS: Final = Path(__file__).parent / "weights"


class SurrogateStore(Store[FittedCard]):
    """The place of surrogates of all kinds."""

    def card_class(self, content: Mapping[str, Any]) -> type[FittedCard]:
        """Return the class of a card by the network that it names.

        Raises:
            ConfigurationError: if it is a surrogate of crystals, which takes no tubes.
        """
        if str(content.get("network", "")).startswith(CRYSTAL):
            raise ConfigurationError("it predicts crystals, not tubes: load it with matgym.surrogates.crystals.load")
        if content.get("network") == "own":
            return OwnCard
        return HoneycombCard if content.get("network") in KINDS else SurrogateCard


STORE: Final = SurrogateStore(FittedCard, "a surrogate", WEIGHTS)
N = TypeVar("N", bound=RasterNetwork | AnyNetwork)


def save(surrogate: NetworkSurrogate | HoneycombSurrogate, path: Path | str, **facts: object) -> FittedCard:
    """Write the weights to `path` (.safetensors) and the card next to it (.json).

    `facts` are further entries of the card: data, fit, command, metrics.

    Raises:
        WeightsError: if `path` does not end in .safetensors.
    """
    calibration = {f"calibration.{name}": torch.from_numpy(np.array(v)) for name, v in surrogate.calibration.items()}
    tensors = ensemble_tensors(surrogate.networks) | calibration
    common = {
        **{name: tuple(values.tolist()) for name, values in vars(surrogate.scaling).items()},
        "network": surrogate.name,
        "informed_by": surrogate.informed_by,
        "settings": dict(surrogate.settings),
        "members": len(surrogate.networks),
        "properties": surrogate.keys,
        **facts,
    }
    if isinstance(surrogate, OwnSurrogate):
        names = bases_of(surrogate.trunk)
        content = {name: getattr(surrogate, name) for name in ("own", "form", "least", "trunk", "chiralities")}
        content["bases"] = {name: load_card(name).sha256 for name in names}
        dropped = ("numbers_mean", "numbers_scale", "informed_by")  # zeros, ones, and none
        kept = {name: value for name, value in common.items() if name not in dropped}
        return STORE.save(path, tensors, content | kept)
    if isinstance(surrogate, HoneycombSurrogate):
        return STORE.save(path, tensors, {"chiralities": surrogate.chiralities, **common})
    own = {name: getattr(surrogate, name) for name in ("lattices", "excess", "baseline")}
    species = tuple(SPECIES_DATA[kind].label for kind in surrogate.species)
    return STORE.save(path, tensors, {**own, "species": species, **common})


def load(path: Path | str) -> NetworkSurrogate | HoneycombSurrogate:
    """Load a surrogate.

    Args:
        path: a .safetensors file with its card next to it, or the name of a shipped surrogate such as
            "nanotube-doping", or of a property that a shipped surrogate predicts, such as "zt".

    Raises:
        WeightsError: if a file is missing, damaged, of a later format, or does not match its card.
    """
    return STORE.load(located(path), _built)


def _built(card: FittedCard, tensors: dict[str, torch.Tensor]) -> NetworkSurrogate | HoneycombSurrogate:
    if isinstance(card, OwnCard):
        return _built_own(card, tensors)
    if isinstance(card, HoneycombCard):
        return _built_honeycomb(card, tensors)
    if isinstance(card, SurrogateCard):
        return _built_raster(card, tensors)
    raise ConfigurationError(f"the card is a {type(card).__name__}")


def _built_honeycomb(card: HoneycombCard, tensors: dict[str, torch.Tensor]) -> HoneycombSurrogate:
    leads = any(PROPERTIES_BY_KEY[key].between_leads for key in card.properties)
    kind = KINDS[card.network]
    settings = kind.settings(**card.settings)
    build = partial(kind.network, settings, len(card.properties), len(card.informed_by), leads)
    networks, calibration = _members(card, build, tensors)
    scaling = NumbersScaling(*(np.array(x) for x in (card.mean, card.scale, card.numbers_mean, card.numbers_scale)))
    return kind.surrogate(
        networks,
        card.network,
        asdict(settings),
        card.properties,
        card.informed_by,
        scaling,
        card.chiralities,
        calibration,
    )


def _built_own(card: OwnCard, tensors: dict[str, torch.Tensor]) -> OwnSurrogate:
    for name, sha256 in card.bases.items():
        if (found := load_card(name).sha256) != sha256:
            raise ConfigurationError(
                f"it was trained on the answers of the shipped surrogate {name} with the weights {sha256[:12]}…, and "
                f"this matgym ships {found[:12]}…: train it anew with `matgym surrogate train --data`"
            )
    bases = tuple(loaded for name in card.bases if isinstance(loaded := load(name), HoneycombSurrogate))
    kind, count = KINDS["pairs"], input_count(card.trunk, bases)
    settings = kind.settings(**card.settings)
    build = partial(kind.network, settings, 1, count - TUBE_FEATURES, card.own.between_leads)
    networks, calibration = _members(card, build, tensors)
    scaling = NumbersScaling(np.array(card.mean), np.array(card.scale), np.zeros(count), np.ones(count))
    return OwnSurrogate(
        networks, "own", asdict(settings), card.properties, (), scaling, card.chiralities, calibration,
        card.own, card.form, card.least, card.trunk, bases,
    )  # fmt: skip


def _built_raster(card: SurrogateCard, tensors: dict[str, torch.Tensor]) -> NetworkSurrogate:
    leads = any(PROPERTIES_BY_KEY[key].between_leads for key in card.properties)
    build = partial(
        build_network,
        card.network, card.settings, len(card.species), len(card.properties),
        informed=len(card.informed_by), leads=leads,
    )  # fmt: skip
    networks, calibration = _members(card, build, tensors)
    return NetworkSurrogate(
        networks,
        card.network,
        network_settings(card.network, card.settings),
        card.properties,
        tuple(parse_species(name) for name in card.species),
        card.lattices,
        Scaling(*(np.array(x) for x in (card.mean, card.scale, card.informed_mean, card.informed_scale))),
        card.informed_by,
        calibration,
        card.baseline,
        card.excess,
    )


def _members(
    card: FittedCard, build: Callable[[], N], tensors: Mapping[str, torch.Tensor]
) -> tuple[tuple[N, ...], dict[str, FloatArray]]:
    """Return the networks of a card, and the arrays of its calibration."""
    networks = tuple(
        filled(build, part(tensors, f"network.{member}"), f"network {member}") for member in range(card.members)
    )
    calibration = {name: value.numpy() for name, value in part(tensors, "calibration").items()}
    features: Any = getattr(networks[0], "n_features", None) or networks[0].head[0].in_features
    _check_calibration(calibration, len(card.properties), features)
    return networks, calibration


def _check_calibration(arrays: Mapping[str, FloatArray], properties: int, features: int) -> None:
    """Check names and shapes of a calibration; a surrogate may have none.

    Raises:
        ConfigurationError: if one is missing, unknown or of another shape.
    """
    wanted: dict[str, tuple[int, ...]] = {"centre": (features,), "whitening": (features, features), "threshold": (1,)}
    if "difficulty" in arrays:
        wanted |= {name: (properties, *shape) for name, shape in SHAPES.items()}
    else:
        wanted |= dict.fromkeys(("floor", "factor", "interval"), (properties,))
    if "low" in arrays:
        wanted |= dict.fromkeys(("low", "high"), (len(RANGED),))
    if unknown := sorted(set(arrays) - set(wanted)):
        raise ConfigurationError(f"calibration.{unknown[0]} is of another version of matgym: train anew")
    for name, shape in wanted.items() if arrays else ():
        if (found := arrays[name].shape if name in arrays else "absent") != shape:
            raise ConfigurationError(f"calibration.{name} is {found}, and {shape} by the card")


def load_card(path: Path | str) -> FittedCard:
    """Load the card of a surrogate; see `load`."""
    return STORE.load_card(located(path))


def shipped() -> dict[str, tuple[str, ...]]:
    """Return the keys of the properties that each shipped surrogate predicts, by its name."""
    return {name: load_card(STORE.located(name)).properties for name in STORE.names()}


def located(path: Path | str) -> Path:
    """Return the file of weights for a path, the name of a shipped surrogate or the name of a property.

    Raises:
        WeightsError: if there is no such file.
    """
    prop = PROPERTIES.get(str(path))
    if not Path(path).suffix and not Path(path).is_file() and path not in STORE.names():
        cards = {name: load_card(STORE.located(name)) for name in STORE.names()}
        holders = [name for name, card in cards.items() if (prop.key if prop else path) in card.properties]
        holders.sort(key=lambda name: not isinstance(cards[name], HoneycombCard))  # those of any tube first
        return STORE.located(holders[0] if holders else path)
    return STORE.located(path)
