"""Empirical optical transitions of tubes by chirality and environment: the relations behind Kataura plots.

Transitions have the names of their van Hove singularities: E11 to E44 of semiconducting tubes, and the lower and the
upper branch of M11 of metallic ones. p numbers the cutting lines by their distance 2p/3d from the K point: p = 1, 2, 4,
5 for E11 to E44, and 3 for both branches of M11. With θ the chiral angle and mod = (2n + m) mod 3:

- `"sds"`: tubes in water with the surfactant SDS, E11 and E22, by the relation of Weisman and Bachilo.
- `"dispersed"`: tubes in water with surfactants, E11 to E44 and M11, by that of Araujo et al.
- `"air"`: suspended tubes in air, E11 to E44 and M11. Coefficients of Araujo's relation that we fitted to the table of
  Liu et al.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Protocol

from matgym.errors import ConfigurationError
from matgym.units import CARBON_BOND_ANGSTROM

SEMICONDUCTING: Final = MappingProxyType({"e11": 1, "e22": 2, "e33": 4, "e44": 5})
"""Index p of the cutting line of each transition of semiconducting tubes, by name."""

METALLIC: Final = MappingProxyType({"m11_lower": 3, "m11_upper": 3, "m22_lower": 6, "m22_upper": 6})
"""Index p of the cutting line of each transition of metallic tubes, by name; p = 6 is M22."""

EV_PER_CM: Final = 1.0 / 8065.544
"""eV of 1 cm⁻¹."""


class Relation(Protocol):
    """A relation between chirality and transitions.

    Attributes:
        source: where it is from; flag M marks coefficients from memory.
    """

    @property
    def source(self) -> str:
        """Where it is from."""
        ...

    def energies_ev(self, n: int, m: int) -> dict[str, float]:
        """Return the transitions that the relation knows by name, eV."""
        ...


_PLAIN_NM: Final = {"e11": (157.5, 1066.9), "e22": (145.6, 575.7)}
_WARPING: Final = {
    ("e11", 1): (-771.0, 1.374, 2.272),
    ("e11", 2): (347.0, 0.886, 2.129),
    ("e22", 1): (1326.0, 0.828, 1.809),
    ("e22", 2): (-1421.0, 1.110, 2.497),
}
_SDS_BOND_ANGSTROM: Final = 1.44  # of the paper's diameters


@dataclass(frozen=True)
class WeismanBachilo:
    """The relation of Weisman and Bachilo, in wave numbers: 10⁷/(u + v d) + A cos(3θ)^s / d^t cm⁻¹, d in nm.

    u and v are `_PLAIN_NM` by transition; A, s and t are `_WARPING` by transition and mod.
    """

    source = (
        "Weisman, Bachilo, Nano Lett. 3, 1235 (2003); coefficients from memory, which give the table of 211 tubes that "
        "was read (tests/physics/data/weisman_bachilo.csv) within 0.12 meV"
    )

    def energies_ev(self, n: int, m: int) -> dict[str, float]:
        """Return E11 and E22, eV; empty for a metallic tube."""
        kind = (n - m) % 3
        if not kind:
            return {}
        diameter, warp = _diameter_nm(n, m, _SDS_BOND_ANGSTROM), abs(_cos_3_theta(n, m))
        found = {}
        for name, (u, v) in _PLAIN_NM.items():
            amplitude, power, fall = _WARPING[name, kind]
            found[name] = EV_PER_CM * (1e7 / (u + v * diameter) + amplitude * warp**power / diameter**fall)
        return found


@dataclass(frozen=True)
class LogarithmicRelation:
    """The relation of Araujo et al.: a (p/d) [1 + b log₁₀(c d/p)] + γ/d + β cos(3θ)/d², γ for p > 3 only.

    Attributes:
        a: a, eV nm.
        b: b.
        c: c, 1/nm.
        gamma: γ, eV nm.
        beta: β, eV nm², by transition and mod; mod 0 for metallic tubes.
        source: where it is from.
    """

    a: float
    b: float
    c: float
    gamma: float
    beta: Mapping[tuple[str, int], float]
    source: str

    def energies_ev(self, n: int, m: int) -> dict[str, float]:
        """Return E11 to E44 of a semiconducting tube, or both branches of M11 of a metallic tube, eV."""
        kind = (2 * n + m) % 3
        diameter = _diameter_nm(n, m, CARBON_BOND_ANGSTROM)
        found = {}
        for name, p in (SEMICONDUCTING if kind else METALLIC).items():
            if (name, kind) in self.beta:
                x = p / diameter
                plain = self.a * x * (1.0 + self.b * math.log10(self.c / x)) + self.gamma / diameter * (p > 3)
                found[name] = plain + self.beta[name, kind] * _cos_3_theta(n, m) / diameter**2
        return found


RELATIONS: Final[Mapping[str, Relation]] = MappingProxyType(
    {
        "sds": WeismanBachilo(),
        "dispersed": LogarithmicRelation(
            a=1.049,
            b=0.456,
            c=0.812,
            gamma=0.305,
            beta=MappingProxyType(
                {
                    ("e11", 1): 0.05,
                    ("e11", 2): -0.07,
                    ("e22", 1): -0.19,
                    ("e22", 2): 0.14,
                    ("m11_lower", 0): -0.19,
                    ("m11_upper", 0): 0.29,
                    ("e33", 1): 0.42,
                    ("e33", 2): -0.42,
                    ("e44", 1): -0.40,
                    ("e44", 2): 0.37,
                }
            ),
            source="Araujo et al., Phys. Rev. Lett. 98, 067401 (2007); coefficients from memory (flag M)",
        ),
        "air": LogarithmicRelation(
            a=1.034,
            b=0.394,
            c=0.812,
            gamma=0.190,
            beta=MappingProxyType(
                {
                    ("e11", 1): 0.068,
                    ("e11", 2): -0.052,
                    ("e22", 1): -0.221,
                    ("e22", 2): 0.119,
                    ("m11_lower", 0): -0.270,
                    ("m11_upper", 0): 0.289,
                    ("e33", 1): 0.382,
                    ("e33", 2): -0.463,
                    ("e44", 1): -0.546,
                    ("e44", 2): 0.793,
                }
            ),
            source="fitted by us to tubes of even n from 0.75 nm on of the table of Liu et al., Nature Nanotech. 7, "
            "325 (2012), as read (tests/physics/data/liu_atlas.csv); tubes of odd n are off by 15 meV rms",
        ),
    }
)
"""The relation of each environment."""


def relation(environment: str) -> Relation:
    """Return the relation of an environment.

    Raises:
        ConfigurationError: if there is none.
    """
    if environment not in RELATIONS:
        raise ConfigurationError(f"no relation for environment={environment!r}: give one of {', '.join(RELATIONS)}")
    return RELATIONS[environment]


def _diameter_nm(n: int, m: int, bond_angstrom: float) -> float:
    return math.sqrt(3.0 * (n * n + n * m + m * m)) * bond_angstrom / math.pi / 10.0


def _cos_3_theta(n: int, m: int) -> float:
    return math.cos(3.0 * math.atan2(math.sqrt(3.0) * m, 2 * n + m))
