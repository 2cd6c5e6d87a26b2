"""Storage of surrogates of crystals on disk; see `matgym.learning.store`."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from matgym.data.sources import OutsideProperty
from matgym.errors import ConfigurationError, FormatError
from matgym.files import is_file, read_json
from matgym.learning.crystal_network import CrystalSettings
from matgym.learning.metrics import PropertyMetrics
from matgym.learning.store import Card, Store, filled, part
from matgym.learning.trainer import digest
from matgym.structures.crystals import LAST_ELEMENT
from matgym.surrogates.crystals.elements import DESCRIPTORS
from matgym.surrogates.crystals.models import (
    MOST_MEMBERS,
    NETWORKS,
    CrystalModel,
    CrystalNetwork,
    GraphModel,
    MeanModel,
    Network,
    RidgeModel,
)
from matgym.surrogates.crystals.surrogate import CrystalSurrogate
from matgym.surrogates.store import CRYSTAL

if TYPE_CHECKING:
    from matgym.surrogates.crystals.fitting import CrystalResult

_PROVENANCE: Final = ("source", "provider", "url", "licence", "version", "fetched", "query", "thermo_type", "dataset")
"""What a card holds of the provenance of a fetched table, where the table has it."""


class CrystalCard(Card):
    """The card of a `CrystalSurrogate`; see there.

    Attributes:
        network: kind of the model, such as "crystal-graph".
        prop: the property.
        method: how the values were obtained, as the source says.
        settings: settings of graph networks.
        members: number of graph networks.
        elements: atomic numbers of the training data.
        has_volume: whether volumes of cells are read.
        grouping: what cross-validation left out together.
        metrics: metrics by split, of the chosen model.
        opponents: metrics by split of all models that were compared, by the kind.
        not_predicted: crystals by split that no metric counts, because the other folds lack an element.
    """

    network: str = Field(pattern=f"^{CRYSTAL}({'|'.join(NETWORKS)})$")
    prop: OutsideProperty
    method: str = ""
    settings: CrystalSettings
    members: int = Field(default=1, ge=1, le=MOST_MEMBERS)
    elements: tuple[int, ...] = Field(min_length=1, max_length=LAST_ELEMENT)
    has_volume: bool
    grouping: str = ""
    metrics: dict[str, tuple[PropertyMetrics, ...]] = Field(default_factory=dict)
    opponents: dict[str, dict[str, PropertyMetrics]] = Field(default_factory=dict)
    not_predicted: dict[str, int] = Field(default_factory=dict)

    @property
    def kind(self) -> Network:
        """Kind of the model."""
        return next(name for name in NETWORKS if self.network == CRYSTAL + name)


STORE: Final = Store(CrystalCard, "a surrogate of crystals")


def save(result: "CrystalResult", path: Path | str, *, source: str, command: str) -> CrystalCard:
    """Write weights and card; see `CrystalResult.save`."""
    surrogate, table = result.surrogate, result.table
    tensors = dict(surrogate.model.tensors())
    tensors |= {f"calibration.{name}": torch.from_numpy(np.array(x)) for name, x in surrogate.calibration.items()}
    numbers = np.concatenate([crystal.numbers for crystal in table.crystals])
    places = np.concatenate([crystal.fractional @ crystal.cell for crystal in table.crystals])
    data: dict[str, Any] = {
        "name": source,
        "digest": digest(numbers, places, np.stack([crystal.cell for crystal in table.crystals]), table.values),
        "rows": {"crystals": len(table), **{f"not used, {why}": count for why, count in table.left_out.items()}},
    }
    data |= {name: table.provenance[name] for name in _PROVENANCE if name in table.provenance}
    metrics = {split: (models[surrogate.network].metrics,) for split, models in result.validated.items()}
    facts = {
        "data": data,
        "fit": asdict(result.fit),
        "command": command,
        "network": CRYSTAL + surrogate.network,
        "prop": surrogate.prop,
        "method": table.method,
        "settings": surrogate.size,
        "members": len(surrogate.model.networks) if isinstance(surrogate.model, GraphModel) else 1,
        "elements": surrogate.elements,
        "has_volume": surrogate.has_volume,
        "grouping": result.grouping,
        "metrics": metrics,
        "opponents": {
            split: {name: each.metrics for name, each in models.items()} for split, models in result.validated.items()
        },
        "not_predicted": dict(result.not_predicted),
    }
    return STORE.save(path, tensors, facts)


def load(path: Path | str) -> CrystalSurrogate:
    """Load a surrogate of crystals.

    Args:
        path: a .safetensors file with its card next to it.

    Raises:
        WeightsError: if a file is missing, damaged, of a later format, or does not match its card.
    """
    return STORE.load(path, _built)


def load_card(path: Path | str) -> CrystalCard:
    """Load the card of a surrogate of crystals; see `load`."""
    return STORE.load_card(path)


def holds_crystals(path: Path | str) -> bool:
    """Return whether a file of weights is that of a surrogate of crystals, by its card."""
    card = Path(path).with_suffix(".json")
    try:
        content = read_json(card) if is_file(card) else None
    except FormatError:
        return False
    return isinstance(content, Mapping) and str(content.get("network", "")).startswith(CRYSTAL)


def _built(card: CrystalCard, tensors: dict[str, Tensor]) -> CrystalSurrogate:
    calibration = {name: value.numpy() for name, value in part(tensors, "calibration").items()}
    features = DESCRIPTORS - LAST_ELEMENT
    shapes = {"centre": (features,), "whitening": (features, features)}
    shapes |= dict.fromkeys(("threshold", "floor", "factor", "interval"), (1,))
    _check_shapes({f"calibration.{name}": value for name, value in calibration.items()}, {
        f"calibration.{name}": shape for name, shape in shapes.items()
    })  # fmt: skip
    return CrystalSurrogate(
        card.prop, card.kind, _model(card, tensors), card.elements, card.settings, card.has_volume, calibration
    )


def _model(card: CrystalCard, tensors: Mapping[str, Tensor]) -> CrystalModel:
    arrays = {name: tensors[name].numpy() for name in ("mean", "weights", "bias", "scaling") if name in tensors}
    if card.kind == "mean":
        _check_shapes(arrays, {"mean": (1,)})
        return MeanModel(float(arrays["mean"][0]))
    if card.kind == "ridge":
        members = len(arrays.get("bias", ()))
        _check_shapes(arrays, {"weights": (members, DESCRIPTORS), "bias": (members,)})
        return RidgeModel(arrays["weights"], arrays["bias"])
    _check_shapes(arrays, {"scaling": (2,)})
    networks = tuple(
        filled(
            lambda: CrystalNetwork(card.settings, "volume" if card.has_volume else "none"),
            part(tensors, f"network.{member}"),
            f"network {member}",
        )
        for member in range(card.members)
    )
    return GraphModel(networks, *arrays["scaling"].tolist())


def _check_shapes(found: Mapping[str, Any], wanted: Mapping[str, tuple[int, ...]]) -> None:
    """Check names and shapes of arrays.

    Raises:
        ConfigurationError: if one is missing, unknown or of another shape.
    """
    for name in sorted(found.keys() | wanted.keys()):
        here = found[name].shape if name in found else "absent"
        there = wanted.get(name, "absent")
        if here != there:
            raise ConfigurationError(f"{name} is {here}, and {there} by the card")
