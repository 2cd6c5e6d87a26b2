"""Modes of pristine tubes at the zone centre by name, with their eigenvectors: RBM, G+, G- and others.

Modes of angular momentum 0 and no phase are symmetric under all screws: each displaces all A atoms alike and all B
atoms alike in the frames (radial, tangential, axial) of the atoms. Of the six, two are the translation along the axis
and the rotation about it. The other four are named by the direction in which the atoms move and by whether A and B move
together (Reich, Thomsen and Maultzsch, *Carbon Nanotubes*, 2004, ch. 8, flag M):

- RBM: radial, together (radial breathing mode).
- ZO: radial, against each other (the out-of-plane optical mode of graphene).
- G+ and G-: the higher and the lower of the two modes along the wall, against each other. In achiral tubes one is axial
  and one tangential. Tersoff's potential has no electrons, which soften one of the two in measured tubes: here the
  axial one is the lower one, and in measured semiconducting tubes it is the higher one (flag M). Both are too high by
  7 % (docs/physics.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from matgym.errors import ConfigurationError, StructureError
from matgym.frozen import ValueObject
from matgym.models import Cost, Level, Model, Predictions, Property
from matgym.physics.oracles import cut_in_two, predict_each
from matgym.physics.phonons.force_constants import OMEGA_CM, pristine_force_constants
from matgym.structures import Nanotube
from matgym.typing import FloatArray

RADIAL: Final = 0
"""Index of the radial component in the frame of an atom."""

NAMES: Final = ("rbm", "zo", "g_minus", "g_plus")
"""Names of the modes without phase, by ascending frequency of the last two."""

RAMAN: Final = {
    name: Property(f"{name}_cm", "cm⁻¹", f"frequency of the {label} at the zone centre")
    for name, label in zip(
        NAMES, ("radial breathing mode", "out-of-plane optical mode", "G- mode", "G+ mode"), strict=True
    )
}
"""The property of each mode by its name."""


RBM_RELATIONS: Final = MappingProxyType(
    {
        "pristine": (227.0, 0.0, 0.0, "Araujo et al., Phys. Rev. B 77, 241403 (2008), abstract read (flag A)"),
        "surfactant": (227.0, 0.0, 0.05786, "the same paper, tubes with an environment; C from memory (flag M)"),
        "sds": (
            223.5,
            12.5,
            0.0,
            "Bachilo et al., Science 298, 2361 (2002); read as the column RBM of the table in weisman_bachilo.csv (T)",
        ),
        "substrate": (248.0, 0.0, 0.0, "Jorio et al., Phys. Rev. Lett. 86, 1118 (2001), SiO₂, abstract read (flag A)"),
    }
)
"""A, B, C and source of A/d (1 + C d²)^½ + B, cm⁻¹, d in nm, of each environment."""


@dataclass(frozen=True, eq=False)
class NamedMode(ValueObject):
    """A mode at the zone centre.

    Attributes:
        name: its name in `NAMES`, or "translation" along the axis, or "twist", the rotation about it.
        frequency_cm: frequency, cm⁻¹.
        vectors: (2, 3) displacements of A and B atoms, normalised, in the frame (radial, tangential, axial).
    """

    name: str
    frequency_cm: float
    vectors: FloatArray

    @property
    def radial_share(self) -> float:
        """Share of the radial displacements in the mode, from 0 to 1."""
        return float((self.vectors[:, RADIAL] ** 2).sum())

    def displacements(self, tube: Nanotube) -> FloatArray:
        """Return the (n_sites, 3) displacements of all sites, Cartesian, for the axis z and site 0 on the x axis."""
        lattice = tube.lattice
        phi = 2.0 * np.pi * lattice.site_fractions[:, 0]
        radial, tangential, axial = self.vectors[np.repeat([0, 1], lattice.n_cells)].T
        cos, sin = np.cos(phi), np.sin(phi)
        return np.stack([radial * cos - tangential * sin, radial * sin + tangential * cos, axial], axis=1)


def named_modes(tube: Nanotube) -> dict[str, NamedMode]:
    """Return the six modes of a pristine tube that are symmetric under all screws, by name.

    Raises:
        StructureError: if the tube is decorated, or cut in two.
        RelaxationError: if it does not come to rest, or buckles.
    """
    if reason := cut_in_two(tube):
        raise StructureError(reason)
    if not tube.is_pristine:
        raise StructureError(f"{tube} is decorated: modes have names in pristine tubes only")
    constants = pristine_force_constants(tube.n, tube.m, tube.strain, tube.torsion)
    matrix = constants.dynamical(np.array([0]), np.array([0.0]))[0, 0].real
    squares, vectors = np.linalg.eigh(matrix)
    frequencies = OMEGA_CM * np.sqrt(np.maximum(squares, 0.0))
    shapes = vectors.T.reshape(6, 2, 3)
    radial = (shapes[2:, :, RADIAL] ** 2).sum(axis=1)
    # The two softest move the whole tube; as both have no frequency, the solver may mix them. Of the others, two are
    # mostly radial: the RBM is the softer one.
    found = {
        name: NamedMode(name, 0.0, np.tile(np.eye(3)[component], (2, 1)) / np.sqrt(2.0))
        for name, component in (("translation", 2), ("twist", 1))
    }
    out_of_wall = 2 + np.sort(np.argsort(-radial)[:2])
    in_wall = [i for i in range(2, 6) if i not in out_of_wall]
    for name, i in zip(NAMES, [*out_of_wall.tolist(), *in_wall], strict=True):
        found[name] = NamedMode(name, float(frequencies[i]), np.asarray(shapes[i]))
    return found


def rbm_relation_cm(environment: str, diameter_nm: FloatArray) -> FloatArray:
    """Return the frequency of the RBM, cm⁻¹, at diameters by an empirical relation of `RBM_RELATIONS`.

    Raises:
        ConfigurationError: if there is no relation for the environment.
    """
    if environment not in RBM_RELATIONS:
        raise ConfigurationError(f"no relation for environment={environment!r}: give one of {', '.join(RBM_RELATIONS)}")
    a, b, c, _ = RBM_RELATIONS[environment]
    diameter = np.asarray(diameter_nm, dtype=np.float64)
    return np.asarray(a / diameter * np.sqrt(1.0 + c * diameter**2) + b)


@dataclass(frozen=True)
class RamanModes(Model):
    """The oracle of the frequencies of the modes of pristine tubes by name."""

    properties = tuple(RAMAN.values())
    level = Level.CLASSICAL
    validity = "tubes without decoration, Tersoff's potential: G is 7 % too high"
    cost = Cost(seconds=0.3, sites=128, exponent=0.5)
    """Cost of a new chirality, measured on one core of an AMD EPYC server."""

    def predict(self, tubes: Sequence[Nanotube], /) -> Predictions:
        """Return the frequencies of each tube, cm⁻¹.

        Returns:
            Predictions of shape (B,) with one property a mode; decorated tubes, and those that do not come to rest,
            hold NaN and their reason in `failures`.
        """
        found = predict_each(
            tubes, self.properties, lambda tube: [named_modes(tube)[name].frequency_cm for name in NAMES]
        )
        good = [row for row in range(len(tubes)) if row not in found.reasons]
        said = "Tersoff's potential: optical modes are too high by 7 % for G and by 50 % for ZO"
        notes = {RAMAN[name].key: dict.fromkeys(good, said) for name in NAMES[1:] if good}
        return Predictions(found.values, found.failures, notes=notes)
