"""The π tight-binding Hamiltonian of decorated tubes, stacked into batches.

One 2p_z orbital per atom, nearest-neighbour hopping, on-site energies for substituted atoms:

    H = Σ_i ε_i |i><i| - Σ_<ij> γ_ij (|i><j| + h.c.),    γ_ij = γ₀ (d₀/d_ij)²

The tube is periodic, so that hops which leave the cell at its end carry the Bloch phase exp(iθ), θ = kL.

Curvature tilts the orbitals of bonded atoms against each other. With outward normals n_i, n_j and the unit vector
u along the bond, the Slater-Koster hopping of p orbitals (Phys. Rev. 94, 1498 (1954)) is

    -γ [n_i·n_j - 2 (n_i·u)(n_j·u)]

with V_ppσ = -V_ppπ. This effective value accounts for σ-π mixing and gives the gaps that Ouyang et al. measured
(Science 292, 702 (2001)) for (9, 0), (12, 0) and (15, 0); the V_ppσ of graphite does not. Bond lengths are those of the
unrolled sheet, which equal those of a relaxed tube to first order. Below 0.6 nm σ
and π bands mix (Blase et al., Phys. Rev. Lett. 72, 1878 (1994)), and the model does not hold.

The five bonds of a Stone-Wales pair have the plain hopping -γ₀: after relaxation they are bonds of nearly the usual
length, in directions that the model does not describe.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Self

import numpy as np

from matgym.errors import require_within
from matgym.frozen import ValueObject
from matgym.models import Space
from matgym.physics.oracles import rows_by
from matgym.structures import SPECIES_DATA, Nanotube, Species, TubeLattice
from matgym.structures.memory import MAX_DENSE_BYTES, too_large
from matgym.typing import BoolArray, ComplexArray, FloatArray, IntArray
from matgym.units import CARBON_BOND_ANGSTROM

EMPTY_SITE_EV = 1.0e4
"""On-site energy of vacant sites, eV, above every band; vacant sites have no hopping to their neighbours."""

PI_ELECTRONS: Final = np.array([SPECIES_DATA[species].pi_electrons for species in Species])
"""Number of π electrons by species code."""

HOPPINGS_EV: Final = (1e-3, 100.0)
"""Smallest and largest hopping, eV. A choice of ours, as is the next range."""

ONSITE_EV: Final = (-100.0, 100.0)
"""Lowest and highest on-site energy, eV."""

SCANNED: Final = 601
"""Wave vectors at which the bands of the undecorated tube are computed to find its gap."""

_BYTES_PER_WAVE: Final = 160
"""Memory of `pristine_bands` for each line and wave vector, bytes: phases of three bonds, their waves, and products."""

_BYTES_PER_ELEMENT: Final = 120
"""Memory of the bands of a decorated tube for each element of its Hamiltonian, bytes, intermediate results included."""

THINNEST_NM = 0.6
"""Diameter, nm, below which σ-π mixing makes a π model with curvature invalid."""


@dataclass(frozen=True)
class PiParameters:
    """Parameters of the π model.

    Attributes:
        hopping_ev: γ₀, eV. 2.7 eV: Reich, Maultzsch, Thomsen and Ordejón, Phys. Rev. B 66, 035412 (2002);
            Wilder et al., Nature 391, 59 (1998) measured 2.7 ± 0.1 eV on tubes. Both cited from memory (flag M);
            the reference values of the project were also computed with 2.7 eV.
        onsite_ev: on-site energies relative to carbon, eV. E_B = -E_N = 1.3 γ₀ with one hopping for all
            bonds is the choice of Harigaya and Kaneko, Nanoscale Res. Lett. 8, 341 (2013), that is
            nearest to their DFT bands of BC2N ribbons (they also show smaller ratios).
        harrison_exponent: power by which hopping falls with bond length: Harrison's d⁻², as Yang and Han
            used for strained tubes, Phys. Rev. Lett. 85, 154 (2000); exponent cited from memory (flag M).
        curvature: whether orbitals are tilted; if false, the model is plain zone folding.
    """

    hopping_ev: float = 2.7
    onsite_ev: Mapping[Species, float] = field(default_factory=lambda: {Species.B: 1.3 * 2.7, Species.N: -1.3 * 2.7})
    harrison_exponent: float = 2.0
    curvature: bool = True

    def __post_init__(self) -> None:
        require_within(*HOPPINGS_EV, hopping_ev=self.hopping_ev)
        require_within(-10.0, 10.0, harrison_exponent=self.harrison_exponent)
        for species, energy in self.onsite_ev.items():
            require_within(*ONSITE_EV, **{f"onsite_ev[{species!r}]": energy})

    def onsite_table(self) -> FloatArray:
        """Return the on-site energies, eV, of shape (species codes,)."""
        table = np.zeros(len(Species))
        for species, energy in self.onsite_ev.items():
            table[species] = energy
        table[Species.VACANCY] = EMPTY_SITE_EV
        return table

    def outside(self, tube: Nanotube) -> str | None:
        """Return why a tube is not computed: it is outside the domain of the model, or too large; None otherwise."""
        if self.curvature and tube.lattice.diameter_nm < THINNEST_NM:
            return (
                f"{tube} has a diameter of {tube.lattice.diameter_nm:.2f} nm, and the π model is not valid below "
                f"{THINNEST_NM} nm, where σ and π bands mix: give a wider tube, or use plain zone folding, "
                "PiParameters(curvature=False)"
            )
        lines = tube.lattice.n_cells // tube.cells
        return too_large(f"{tube}: its pristine bands", _BYTES_PER_WAVE * SCANNED * lines) or None

    def unsupported(self, space: Space) -> str:
        """Return why the model holds for no tube of a design space; empty if it holds for one."""
        domain = space.domain
        if domain is None:
            return "its designs are not tubes"
        reasons = [self.outside(Nanotube(lattice.n, lattice.m)) for lattice in domain.lattices]
        return reasons[0] or "" if all(reasons) else ""

    def as_dict(self) -> dict[str, float]:
        """Return the parameters as a flat dictionary for provenance records."""
        onsite = {f"onsite_{SPECIES_DATA[s].label}_ev": e for s, e in self.onsite_ev.items()}
        return {
            "hopping_ev": self.hopping_ev,
            "harrison_exponent": self.harrison_exponent,
            "curvature": self.curvature,
        } | onsite


@dataclass(frozen=True)
class PiSystem(ValueObject):
    """Hamiltonians of tubes that share lattice, strain and turned bonds.

    Attributes:
        rows: (b,) index of each tube in the batch of the caller.
        inner: (b, N, N) hopping inside the cell and on-site energies, eV.
        across: (b, N, N) hopping across the upper end of the cell, eV.
        electrons: (b,) number of π electrons in the cell.
    """

    rows: IntArray
    inner: FloatArray
    across: FloatArray
    electrons: IntArray

    def subset(self, keep: BoolArray) -> Self:
        """Return the system of the tubes for which `keep`, (b,), is true."""
        if keep.all():
            return self
        return replace(
            self, rows=self.rows[keep], inner=self.inner[keep], across=self.across[keep], electrons=self.electrons[keep]
        )

    def bloch(self, theta: FloatArray) -> ComplexArray:
        """Return the (b, N, N) Hamiltonian of each tube at its own phase `theta` = kL, shape (b,)."""
        hops = self.across * np.exp(1j * theta)[:, None, None]
        return np.asarray(self.inner + hops + hops.conj().transpose(0, 2, 1))


def dense_bytes(tube: Nanotube) -> int:
    """Return about how many bytes the bands of a decorated tube take."""
    return _BYTES_PER_ELEMENT * tube.n_sites**2


def stacked(tubes: Sequence[Nanotube], parameters: PiParameters, most: int = 64) -> Iterator[PiSystem]:
    """Yield the Hamiltonians of tubes of the same lattice, deformation and turned bonds.

    At most `most` are made at once, and fewer if they would take more than `MAX_DENSE_BYTES`.
    """
    for rows in rows_by((tube.lattice, tube.strain, tube.torsion, tube.stone_wales) for tube in tubes):
        limit = max(1, min(most, MAX_DENSE_BYTES // dense_bytes(tubes[rows[0]])))
        for start in range(0, len(rows), limit):
            yield _stack(tubes, np.array(rows[start : start + limit]), parameters)


def _stack(tubes: Sequence[Nanotube], rows: IntArray, parameters: PiParameters) -> PiSystem:
    first = tubes[rows[0]]
    species = np.stack([tubes[row].species for row in rows])  # (b, N)
    present = species != Species.VACANCY
    one, other, image = first.bonds.T  # (3 N/2,) each
    hopping = _bond_hoppings(first, parameters) * (present[:, one] & present[:, other])  # (b, 3 N/2)

    batch, n_sites = species.shape
    inner = np.zeros((batch, n_sites, n_sites))
    across = np.zeros_like(inner)
    tube = np.arange(batch)[:, None]
    # np.add.at, because two bonds connect the same pair of sites in the thinnest tubes.
    here, up, down = image == 0, image == 1, image == -1
    np.add.at(inner, (tube, one[here], other[here]), hopping[:, here])
    np.add.at(inner, (tube, other[here], one[here]), hopping[:, here])
    np.add.at(across, (tube, one[up], other[up]), hopping[:, up])
    np.add.at(across, (tube, other[down], one[down]), hopping[:, down])
    sites = np.arange(n_sites)
    inner[:, sites, sites] += parameters.onsite_table()[species]
    return PiSystem(rows, inner, across, np.asarray(PI_ELECTRONS[species].sum(axis=1), dtype=np.int64))


def hoppings(tube: Nanotube, parameters: PiParameters) -> FloatArray:
    """Return the (3,) hopping matrix elements of the three bonds of an A site, eV."""
    scale = (CARBON_BOND_ANGSTROM / tube.bond_lengths_angstrom) ** parameters.harrison_exponent
    if not parameters.curvature:
        return np.asarray(-parameters.hopping_ev * scale)
    around, along = tube.bond_vectors_angstrom.T
    radius = tube.diameter_nm * 5.0  # Å
    turn = around / radius
    chord = 2.0 * radius * np.sin(turn / 2.0)  # length of the chord of the bond around the tube
    # n_i·n_j = cos Δφ and (n_i·u)(n_j·u) = -sin²(Δφ/2) chord² / length², in the frame of the bond's midpoint.
    tilt = np.cos(turn) + 2.0 * np.sin(turn / 2.0) ** 2 * chord**2 / (chord**2 + along**2)
    return np.asarray(-parameters.hopping_ev * scale * tilt)


def _bond_hoppings(tube: Nanotube, parameters: PiParameters) -> FloatArray:
    """Return the (3 N/2,) hopping matrix element of every bond, eV."""
    values = np.repeat(hoppings(tube, parameters), tube.lattice.n_cells)
    if tube.stone_wales:
        values[np.isin(tube.bonds[:, :2], tube.stone_wales).any(axis=1)] = -parameters.hopping_ev
    return values


def pristine_bands(tube: Nanotube, kappa: FloatArray, parameters: PiParameters) -> FloatArray:
    """Return the upper π bands of the undecorated tube by its helical symmetry.

    The translations of the honeycomb diagonalise the Hamiltonian into 2x2 blocks, for the two atoms of a
    unit cell, with eigenvalues ±|f|: one block for each line μ of allowed wave vectors (Saito, Dresselhaus and
    Dresselhaus, 1998, ch. 4).

    Args:
        tube: tube whose chirality and strain are used; its decoration is ignored.
        kappa: (K,) phases k|T| over one translational cell.
        parameters: parameters of the π model.

    Returns:
        (lines, K) energies |f| ≥ 0, eV; the lower bands are their mirror image.
    """
    lattice = tube.lattice
    lines = np.arange(lattice.n_cells // lattice.cells)[:, None]
    return helical_bands(lattice, lines, kappa, hoppings(tube, parameters))


def helical_bands(
    lattice: TubeLattice, lines: IntArray, kappa: FloatArray, strengths: FloatArray | Sequence[float]
) -> FloatArray:
    """Return |f|, eV, on lines of allowed wave vectors at phases k|T|; see `pristine_bands`.

    Args:
        lattice: lattice whose chirality is used.
        lines: numbers of lines μ, of a shape that broadcasts with that of `kappa`.
        kappa: phases k|T| over one translational cell.
        strengths: (3,) hopping matrix elements of the three bonds of an A site, eV.
    """
    around, along = lattice.bond_vectors.T  # (3,) each, Å: they enter phases only, which strain does not change
    k_around = 2 * np.pi * lines / lattice.circumference_angstrom  # 1/Å
    k_along = kappa * lattice.cells / lattice.length_angstrom  # 1/Å
    phase = k_around[..., None] * around + k_along[..., None] * along  # (..., 3)
    return np.asarray(np.abs(np.exp(1j * phase) @ np.asarray(strengths)))
