"""The surrogate of a property of crystals: values with intervals, and crystals that it cannot predict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from matgym.data.sources import OutsideProperty
from matgym.errors import StructureError
from matgym.frozen import ValueObject
from matgym.learning.crystal_network import CrystalSettings
from matgym.learning.metrics import distance, judge
from matgym.structures.crystals import LAST_ELEMENT, Crystal
from matgym.surrogates.crystals.models import CrystalModel, CrystalRows, GraphModel, Network, why_not
from matgym.typing import FloatArray

if TYPE_CHECKING:
    from ase import Atoms
    from pymatgen.core import Structure


@dataclass(frozen=True, eq=False)
class CrystalPredictions(ValueObject):
    """Predictions for B crystals; NaN for those that cannot be predicted.

    Attributes:
        values: (B,) values in the unit of the property.
        sd: (B,) standard deviations.
        half_width: (B,) half the widths of the 90 % intervals.
        distance: (B,) distances from the training data, in units of the largest one that is like them.
        failures: reasons why crystals cannot be predicted, by row.
    """

    values: FloatArray
    sd: FloatArray
    half_width: FloatArray
    distance: FloatArray
    failures: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class CrystalSurrogate(ValueObject):
    """A model of a property of crystals.

    Attributes:
        prop: the property, which does not grow with the cell.
        network: kind of the model.
        model: the fitted model.
        elements: atomic numbers of the elements of the training data; crystals with others are not predicted.
        size: settings of graph networks.
        has_volume: whether volumes of cells are read; those of sheets and chains mean nothing.
        calibration: arrays of `matgym.learning.metrics.calibrate` for one property.
    """

    prop: OutsideProperty
    network: Network
    model: CrystalModel = field(repr=False)
    elements: tuple[int, ...]
    size: CrystalSettings
    has_volume: bool
    calibration: Mapping[str, FloatArray] = field(repr=False)

    def predict(self, crystals: "Sequence[Crystal | Atoms | Structure]") -> CrystalPredictions:
        """Predict the property of crystals.

        Args:
            crystals: B crystals: matgym's, ASE's atoms with three periodic directions, or pymatgen's structures.

        Raises:
            StructureError: if one is no crystal.
        """
        known = [Crystal.of(crystal) for crystal in crystals]
        size = self.size if isinstance(self.model, GraphModel) else None
        able, failures = dict[int, CrystalRows](), dict[int, str]()
        for row, crystal in enumerate(known):
            if reason := why_not(crystal, self.elements):
                failures[row] = reason
                continue
            try:
                able[row] = CrystalRows.of([crystal], size, has_volume=self.has_volume)
            except StructureError as error:
                failures[row] = str(error)
        found = np.full((4, len(known)), np.nan)
        if able:
            rows = CrystalRows.joined([*able.values()])
            judged = judge(self.model.members(rows)[..., None], self.calibration)
            found[:3, list(able)] = [each[:, 0] for each in judged]
            found[3, list(able)] = distance(distance_features(rows.descriptors), self.calibration)
        values, sd, half_width, far = found
        return CrystalPredictions(values, sd, half_width, far, failures)


def distance_features(found: FloatArray) -> FloatArray:
    """Return the columns of (B, D) descriptors by which crystals are like each other: all but shares of elements."""
    return found[:, :-LAST_ELEMENT]
