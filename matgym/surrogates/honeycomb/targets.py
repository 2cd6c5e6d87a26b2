"""What is learned of a property: the part that neither geometry nor cheaper physics gives.

A property is `offset + factor × learned`, or `factor / learned` for heat between leads, where resistances add up.
Factors are those of geometry: energies grow with the number of sites, heat with the diameter. Where a cheaper oracle
computes the same property, or a good part of it, its value is the offset or the factor, and an input of the network.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np

from matgym.frozen import ValueObject
from matgym.physics.registry import PROPERTIES_BY_KEY
from matgym.structures import TubeBatch
from matgym.surrogates.baseline import corrections
from matgym.typing import BoolArray, FloatArray, IntArray

_SAME: Final[Mapping[str, tuple[str, ...]]] = {"gap_ev": ("scc_gap_ev", "pi_gap_ev")}
"""Physics, by name in `informants`, that computes the same property, the best first; the difference from the first one
that is an input is learned."""

_RESISTANCES: Final = ("thermal_conductance_nw_k",)
"""Properties between leads that grow with the diameter, and whose inverse is learned."""

_POSITIVE: Final = ("gap_ev", "zt", "thermal_conductance_nw_k", "tensile_strength_gpa", "young_gpa")
"""Properties that are never negative."""

_LEAST: Final = 1e-3  # of a learned resistance times diameter, K nm/nW: a thousandth of a pristine tube's


@dataclass(frozen=True)
class Targets(ValueObject):
    """How learned values of B tubes become properties.

    Attributes:
        offset: (B, properties) parts that are known.
        factor: (B, properties) factors of the learned values.
        inverse: (properties,) whether the learned value is the factor over the property.
        positive: (properties,) whether the property is never negative.
        least: smallest learned value that an inverse is taken of.
    """

    offset: FloatArray
    factor: FloatArray
    inverse: BoolArray
    positive: BoolArray
    least: float = _LEAST

    @classmethod
    def of(cls, keys: Sequence[str], batch: TubeBatch, informed_by: Sequence[str], physics: FloatArray) -> Self:
        """Return the targets of tubes.

        Args:
            keys: keys of the properties.
            batch: B tubes.
            informed_by: names of physics inputs.
            physics: (B, informed) their values.
        """
        offset, factor = np.zeros((len(batch), len(keys))), corrections(keys, informed_by, physics)
        for column, key in enumerate(keys):
            if PROPERTIES_BY_KEY[key].extensive:
                factor[:, column] *= batch.n_sites
            if key in _RESISTANCES:
                diameters = np.array([lattice.diameter_nm for lattice in batch.lattices])
                factor[:, column] *= diameters[batch.lattice_index]
            for same in [name for name in _SAME.get(key, ()) if name in informed_by][:1]:
                offset[:, column] = physics[:, list(informed_by).index(same)]
        return cls(offset, factor, np.isin(keys, _RESISTANCES), np.isin(keys, _POSITIVE))

    def take(self, rows: IntArray) -> "Targets":
        """Return the targets of some tubes."""
        return replace(self, offset=self.offset[rows], factor=self.factor[rows])

    def learned(self, values: FloatArray) -> FloatArray:
        """Return the (..., B, properties) learned values of (..., B, properties) values."""
        scaled = (values - self.offset) / self.factor
        with np.errstate(divide="ignore"):
            return np.where(self.inverse, 1.0 / scaled, scaled)

    def values(self, learned: FloatArray) -> FloatArray:
        """Return the (..., B, properties) values of (..., B, properties) learned ones."""
        with np.errstate(divide="ignore"):
            scaled = np.where(self.inverse, 1.0 / np.maximum(learned, self.least), learned)
        found = self.offset + self.factor * scaled
        return np.where(self.positive, np.maximum(found, 0.0), found)

    def widths(self, values: FloatArray, learned: FloatArray) -> FloatArray:
        """Return the (B, properties) widths in values of widths in learned ones, at (B, properties) values."""
        return np.abs(np.where(self.inverse, values**2 / self.factor, self.factor)) * learned
