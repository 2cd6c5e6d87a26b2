"""How tubes lie under a microscope: tilt, rotation about the axis, direction and place in the image.

The beam runs along z, the columns of an image along x, its rows along y. A tube without tilt and turn lies along y.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from matgym.errors import ConfigurationError
from matgym.frozen import ValueObject
from matgym.typing import FloatArray

STEEPEST_DEG = 60.0
"""Largest tilt. A choice of ours: beyond it a tube is seen along its axis."""


@dataclass(frozen=True, eq=False)
class Poses(ValueObject, copies=True):
    """The poses of B tubes.

    `Poses.of` makes poses of numbers and arrays; `Poses.random` draws them.

    Attributes:
        tilt_deg: (B,) angle of the axis out of the plane of the image, degrees.
        turn_deg: (B,) angle of the axis in the image from y towards -x, degrees.
        spin_deg: (B,) rotation about the tube's axis, degrees.
        shift_angstrom: (B, 3) place of the tube's origin: x, y, and along its axis before it is turned, Å.

    Raises:
        ConfigurationError: if shapes differ, numbers are not finite, or a tilt is too large.
    """

    tilt_deg: FloatArray
    turn_deg: FloatArray
    spin_deg: FloatArray
    shift_angstrom: FloatArray

    def __post_init__(self) -> None:
        super().__post_init__()
        count = len(self.tilt_deg)
        for name in ("tilt_deg", "turn_deg", "spin_deg", "shift_angstrom"):
            array, shape = getattr(self, name), (count, 3) if name == "shift_angstrom" else (count,)
            if array.shape != shape or not np.isfinite(array).all():
                raise ConfigurationError(f"{name} has shape {array.shape}: give {shape} finite numbers")
        if count and np.abs(self.tilt_deg).max() > STEEPEST_DEG:
            raise ConfigurationError(
                f"a tilt of {np.abs(self.tilt_deg).max():g}° is too large: give -{STEEPEST_DEG:g} to {STEEPEST_DEG:g}"
            )

    def __len__(self) -> int:
        return len(self.tilt_deg)

    @classmethod
    def of(
        cls,
        count: int,
        *,
        tilt_deg: ArrayLike = 0.0,
        turn_deg: ArrayLike = 0.0,
        spin_deg: ArrayLike = 0.0,
        shift_angstrom: ArrayLike = 0.0,
    ) -> Self:
        """Return poses of `count` tubes, from numbers for all or arrays with one entry for each."""
        tilt, turn, spin = (np.broadcast_to(np.asarray(each, float), count) for each in (tilt_deg, turn_deg, spin_deg))
        return cls(tilt, turn, spin, np.broadcast_to(np.asarray(shift_angstrom, float), (count, 3)))

    @classmethod
    def random(
        cls,
        rng: np.random.Generator,
        count: int,
        *,
        tilt_deg: float = 10.0,
        turn_deg: float = 180.0,
        shift_angstrom: float = 0.0,
    ) -> Self:
        """Draw poses: any spin, any place along the axis; other angles and shifts evenly within ± the given bound."""
        shifts = np.stack(
            [*rng.uniform(-shift_angstrom, shift_angstrom, (2, count)), rng.uniform(0.0, 100.0, count)], axis=1
        )
        return cls(
            rng.uniform(-tilt_deg, tilt_deg, count),
            rng.uniform(-turn_deg, turn_deg, count),
            rng.uniform(0.0, 360.0, count),
            shifts,
        )

    def rotation(self, row: int) -> FloatArray:
        """Return the (3, 3) matrix from a tube's coordinates, its axis along z, to those of the image.

        Example:
            >>> Poses.of(1).rotation(0) @ [0.0, 0.0, 1.0]
            array([0., 1., 0.])
        """
        spin, tilt, turn = np.radians([self.spin_deg[row], self.tilt_deg[row], self.turn_deg[row]])
        about_axis = np.array([[np.cos(spin), -np.sin(spin), 0.0], [np.sin(spin), np.cos(spin), 0.0], [0.0, 0.0, 1.0]])
        upright = np.array([[1.0, 0.0, 0.0], [0.0, np.sin(tilt), np.cos(tilt)], [0.0, -np.cos(tilt), np.sin(tilt)]])
        in_plane = np.array([[np.cos(turn), -np.sin(turn), 0.0], [np.sin(turn), np.cos(turn), 0.0], [0.0, 0.0, 1.0]])
        return np.asarray(in_plane @ upright @ about_axis)

    def in_image(self, row: int, positions: FloatArray) -> FloatArray:
        """Return the (A, 3) places in the image of (A, 3) positions along the axis z of one tube, Å.

        The shift along the axis is not added: it moves a tube before it is cut to the length in view.
        """
        return np.asarray(positions @ self.rotation(row).T + self.shift_angstrom[row] * [1.0, 1.0, 0.0])
