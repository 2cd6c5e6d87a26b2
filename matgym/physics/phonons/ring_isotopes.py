"""Exact phonon conductance of zigzag tubes with one carbon isotope per ring, for very many designs at once.

The results equal those of `matgym.physics.phonons.conductance.PhononTransport`, except for rounding, on designs that
have the rotation axis of the lattice. Isotopes change masses only, and rings of one isotope do not couple different
angular momenta about the axis. The matrix of the 20 atoms of a ring of the (10, 0) tube therefore separates into 6 x 6
matrices. Force constants extend to the next ring only, so both halves of a tube can be folded from their leads to the
cut between them, and each half is folded once for all designs that share it. Caroli's formula at the cut (Caroli,
Combescot, Nozières and Saint-James, J. Phys. C 4, 916 (1971); for phonons Mingo and Yang, Phys. Rev. B 68, 245406
(2003)),

    T = Tr[Γ_L G Γ_R G†] = ‖U_L† G U_R‖²,   Γ = U U†,   G = (ω² - D - Σ_L - Σ_R)⁻¹

then needs one small linear solve for each design, frequency and momentum. U has a column for each wave that is open in
the lead, up to three in (10, 0), and is folded together with Σ.

A ring is here a range of heights that fills the tube without a remainder: n A atoms and, one bond above each of them
along the axis, n B atoms. (The other choice, the zigzag chain of n B atoms and the n A atoms next above them, would be
cut in two by the end of a tube.)
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from matgym.errors import ConfigurationError, RelaxationError, is_whole, require_counts
from matgym.frozen import ValueObject, returns_read_only
from matgym.models import Cost, Level, Model, Predictions
from matgym.physics.oracles import one_thread
from matgym.physics.phonons.conductance import BROADENING, THERMAL_CONDUCTANCE_NW_K, PhononTransport, mass_lead
from matgym.physics.phonons.force_constants import HOPS, MASSES_AMU, pristine_force_constants
from matgym.physics.transport.landauer import phonon_conductance_nw_k
from matgym.physics.transport.slabs import slabs_of
from matgym.structures import Nanotube, Species, TubeLattice, tube_lattice
from matgym.structures.lattice import MAX_SITES
from matgym.structures.species import CARBONS
from matgym.typing import ComplexArray, FloatArray, IntArray, SpeciesArray

OPEN: Final = 1e-9
"""Broadening, relative to the coupling of rings, above which a wave counts as open in the lead.
Measured for (10, 0) at 256 frequencies: open waves are above 10⁻⁴, and rounding errors of closed waves below 10⁻¹⁰.
On other grids a wave next to a band edge may lie between; its contribution to the transmission is as small as its
broadening."""

CHUNK: Final = 4096
"""Number of 6 x 6 matrices in one piece of work: 2.4 MB, about the size of the cache of a core."""

HalfTubes: TypeAlias = tuple[IntArray, SpeciesArray]
"""A level of a tree of half tubes: the parent of each node, one ring nearer to the lead, and its own isotope."""


def ring_of_site(lattice: TubeLattice) -> IntArray:
    """Return the (n_sites,) ring of each site, 0 to 2 cells - 1, from low to high.

    Raises:
        ConfigurationError: if the tube is not a zigzag tube.
    """
    if lattice.m:
        raise ConfigurationError(
            f"({lattice.n}, {lattice.m}) is not a zigzag tube: rings of one isotope need m = 0, as in ({lattice.n}, 0)"
        )
    heights = lattice.axial_thirds(lattice.home_cells, np.repeat([0, 1], lattice.n_cells))
    return np.asarray(heights // (3 * lattice.n))


def ring_species(lattice: TubeLattice, codes: ArrayLike) -> SpeciesArray:
    """Return the (B, n_sites) species of zigzag tubes, in the order of their sites.

    Args:
        lattice: lattice of the tubes.
        codes: (B, R) species code of each ring; ring 0 is the lowest.

    Raises:
        ConfigurationError: if the tube is not a zigzag tube, or codes have another shape or are not of carbon.
    """
    of_site = ring_of_site(lattice)
    return _carbon_codes(codes, 2 * lattice.cells)[:, of_site]


@dataclass(frozen=True)
class RingIsotopes(ValueObject, Model):
    """The oracle of the thermal conductance of ring designs between pristine leads of 12C.

    Attributes:
        n: chiral index of the undeformed (n, 0) tube.
        rings: number of rings of the tube, two per translational cell.
        temperature_k: temperature of the leads, K.
        frequencies: number of points of the midpoint rule, as in `PhononTransport`.
    """

    n: int = 10
    rings: int = 16
    temperature_k: float = 300.0
    frequencies: int = 256

    def __post_init__(self) -> None:
        super().__post_init__()
        require_counts(MAX_SITES, n=self.n)
        if not is_whole(self.rings) or self.rings < 2 or self.rings % 2:
            raise ConfigurationError(f"rings={self.rings} must be even and at least 2: a zigzag cell has two rings")
        _ = self.lattice, PhononTransport(self.temperature_k, self.frequencies)  # both check their settings

    properties = (THERMAL_CONDUCTANCE_NW_K,)
    level = Level.CLASSICAL
    cost = Cost(seconds=1e-3, sites=320, exponent=1.0)
    """Cost, measured on one core, in a batch of all designs; a single design takes about a second."""

    @property
    def lattice(self) -> TubeLattice:
        """The lattice of the tube."""
        return tube_lattice(self.n, 0, self.rings // 2)

    @property
    @returns_read_only
    def degeneracies(self) -> IntArray:
        """The (L,) numbers of momenta with the transmission of 0, 1, … n // 2; m and -m are equal by time reversal."""
        momenta = np.arange(self.n // 2 + 1)
        return np.where((momenta == 0) | (2 * momenta == self.n), 1, 2)

    @cached_property
    @returns_read_only
    def grid(self) -> tuple[FloatArray, FloatArray]:
        """The (W,) angular frequencies and (W,) weights, rad/ps."""
        return PhononTransport(self.temperature_k, self.frequencies).grid(Nanotube(self.n, 0, self.rings // 2))

    def tubes(self, codes: ArrayLike) -> list[Nanotube]:
        """Return the tubes of (B, R) designs."""
        return [Nanotube(self.n, 0, self.rings // 2, species) for species in ring_species(self.lattice, codes)]

    def predict(self, tubes: Sequence[Nanotube], /) -> Predictions:
        """Return the thermal conductance of each tube, nW/K, of shape (B,); tubes that are not ring designs fail."""
        conductances = np.full(len(tubes), np.nan)
        failures = {row: reason for row, tube in enumerate(tubes) if (reason := self._outside(tube))}
        rows = [row for row in range(len(tubes)) if row not in failures]
        if rows:
            try:
                conductances[rows] = self.conductance_nw_k([self._rings_of(tubes[row])[0] for row in rows])
            except RelaxationError as error:
                failures |= dict.fromkeys(rows, str(error))
        return Predictions.together({THERMAL_CONDUCTANCE_NW_K.key: conductances}, failures)

    def conductance_nw_k(self, codes: ArrayLike) -> FloatArray:
        """Return the (B,) thermal conductance, nW/K.

        Args:
            codes: (B, R) species code of each ring, of 12C, 13C or 14C; ring 0 is the lowest.

        Raises:
            ConfigurationError: if the codes have another shape, or are not of carbon.
        """
        designs = _Designs.of(_carbon_codes(codes, self.rings))
        heat = phonon_conductance_nw_k(*self.grid, np.eye(self.frequencies), self.temperature_k)  # nW/K, where T is 1
        total = np.zeros(len(designs.left))
        for block, through in self._blocks(designs):
            total += (heat[block.frequency] * self.degeneracies[block.momentum]) @ through
        return total[designs.of_row]

    def _blocks(self, designs: "_Designs") -> Iterator[tuple["_Channels", FloatArray]]:
        """Yield pieces of all open channels, with the (K, P) transmission of distinct designs."""
        step = max(1, CHUNK // max(1, len(designs.left)))  # there are at most as many halves as designs
        with one_thread():
            for group in self._channels:
                for first in range(0, len(group.z), step):
                    block = group[first : first + step]
                    yield block, block.transmission(designs)

    @cached_property
    def _channels(self) -> tuple["_Channels", ...]:
        """Pairs of frequency and momentum with waves that are open in the lead, grouped by the number of waves."""
        lead = mass_lead(pristine_force_constants(self.n, 0).lead(slabs_of(self.lattice, HOPS[0])))
        squares = self.grid[0] ** 2
        surfaces = lead.surface(squares, np.minimum(BROADENING[0], BROADENING[1] * squares))
        momenta = len(self.degeneracies)
        inner, up = (
            np.fft.fft(matrix.reshape(self.n, 6, self.n, 6)[:, :, 0], axis=0)[:momenta]
            for matrix in (lead.inner, lead.up)
        )
        down = _adjoint(up)
        left, right = down @ surfaces.left[:, :momenta] @ up, up @ surfaces.right[:, :momenta] @ down
        waves_left, waves_right = _waves(left), _waves(right)
        least = (OPEN * np.abs(up).max()) ** 0.5
        norms = (np.linalg.norm(waves, axis=-2) for waves in (waves_left, waves_right))
        count = np.maximum(*((norm > least).sum(axis=-1) for norm in norms))  # (W, L)
        groups = []
        for r in range(1, int(count.max()) + 1):
            w, l = np.nonzero(count == r)
            fed_left, fed_right = waves_left[w, l, :, -r:], waves_right[w, l, :, -r:]
            groups.append(_Channels(w, l, squares[w], inner[l], up[l], left[w, l], right[w, l], fed_left, fed_right))
        return tuple(groups)

    def _rings_of(self, tube: Nanotube) -> SpeciesArray:
        """Return (2, R) the lowest and the highest species code in each ring."""
        by_ring = tube.species[np.argsort(ring_of_site(tube.lattice), kind="stable")].reshape(self.rings, -1)
        return np.stack([by_ring.min(axis=1), by_ring.max(axis=1)])

    def _outside(self, tube: Nanotube) -> str | None:
        """Return why a tube is not one of these designs, or None if it is."""
        if (tube.n, tube.m, 2 * tube.cells) != (self.n, 0, self.rings) or tube.strain or tube.torsion:
            return f"{tube} is not an undeformed ({self.n},0)x{self.rings // 2} tube; use PhononTransport"
        if not tube.is_carbon:
            return f"{tube} holds other species than isotopes of carbon; use PhononTransport"
        lowest, highest = self._rings_of(tube)
        mixed = np.flatnonzero(lowest != highest)
        return f"{tube}: ring {mixed[0]} mixes isotopes; use PhononTransport" if len(mixed) else None


@dataclass(frozen=True, eq=False)
class _Channels:
    """K pairs of frequency and angular momentum with r open waves; dynamical matrices are of 12C, in (rad/ps)².

    Attributes:
        frequency: (K,) index of the frequency.
        momentum: (K,) index of the momentum.
        z: (K,) ω², (rad/ps)².
        inner: (K, 6, 6) dynamical matrix of a ring.
        up: (K, 6, 6) coupling of a ring to the next one.
        left: (K, 6, 6) self-energy of the lead on the left, on ring 0.
        right: (K, 6, 6) self-energy of the lead on the right, on the last ring.
        waves_left: (K, 6, r) U of Γ = U U† of the lead on the left.
        waves_right: (K, 6, r) U of Γ = U U† of the lead on the right.
    """

    frequency: IntArray
    momentum: IntArray
    z: FloatArray
    inner: ComplexArray
    up: ComplexArray
    left: ComplexArray
    right: ComplexArray
    waves_left: ComplexArray
    waves_right: ComplexArray

    def __getitem__(self, some: slice) -> "_Channels":
        return _Channels(*(getattr(self, name)[some] for name in self.__dataclass_fields__))

    def transmission(self, designs: "_Designs") -> FloatArray:
        """Return the (K, P) transmission of P designs."""
        up = self.up[:, None]
        sigma, waves_left = self._folded(designs.below[:-1], self.left, self.waves_left, up)
        parents, codes = designs.below[-1]
        ring, waves_left = self._ring(codes, sigma[:, parents]), _adjoint(waves_left[:, parents])
        sigma, waves_right = self._folded(designs.above, self.right, self.waves_right, _adjoint(up))
        transmissions = np.empty((len(self.z), len(designs.left)))
        for first in range(0, len(designs.left), CHUNK):
            some = slice(first, first + CHUNK)
            left, right = designs.left[some], designs.right[some]
            arrived = np.linalg.solve(ring[:, left] - sigma[:, right], waves_right[:, right])
            amplitudes = waves_left[:, left] @ arrived
            transmissions[:, some] = (amplitudes.real**2 + amplitudes.imag**2).sum(axis=(-2, -1))
        return transmissions

    def _ring(self, codes: SpeciesArray, sigma: ComplexArray) -> ComplexArray:
        """Return (K, H, 6, 6) ω² - D - Σ of a ring times its mass over that of 12C; D and couplings are then of 12C."""
        heavier = MASSES_AMU[codes] / MASSES_AMU[Species.C12]
        alone = (self.z[:, None] * heavier)[..., None, None] * np.eye(6) - self.inner[:, None]
        return np.asarray(alone - sigma)

    def _folded(
        self, levels: Sequence[HalfTubes], sigma: ComplexArray, waves: ComplexArray, hop: ComplexArray
    ) -> tuple[ComplexArray, ComplexArray]:
        """Return Σ, (K, H, 6, 6), and U, (K, H, 6, r), of a lead with folded rings, on the next ring."""
        sigma, waves, back = sigma[:, None], waves[:, None], _adjoint(hop)
        for parents, codes in levels:
            ring, fed = self._ring(codes, sigma[:, parents]), waves[:, parents]
            into = np.concatenate([np.broadcast_to(hop, ring.shape), fed], axis=-1)
            beyond = back @ np.linalg.solve(ring, into)
            sigma, waves = beyond[..., :6], beyond[..., 6:]
        return sigma, waves


@dataclass(frozen=True, eq=False)
class _Designs:
    """P distinct designs as pairs of half tubes; a design and its reverse are the same device, and count once.

    Attributes:
        below: levels of the distinct lower halves, from the left lead up to the cut.
        above: levels of the distinct upper halves, from the right lead down to the cut.
        left: (P,) lower half of each design.
        right: (P,) upper half of each design.
        of_row: (B,) index of the design of each row of the batch.
    """

    below: list[HalfTubes]
    above: list[HalfTubes]
    left: IntArray
    right: IntArray
    of_row: IntArray

    @classmethod
    def of(cls, codes: SpeciesArray) -> "_Designs":
        """Return the distinct designs of (B, R) codes."""
        other = codes[:, ::-1]
        rows = np.arange(len(codes))
        first = (codes != other).argmax(axis=1)  # first ring that differs from the reversed design
        chosen = np.where((other[rows, first] < codes[rows, first])[:, None], other, codes)
        distinct, of_row = np.unique(chosen, axis=0, return_inverse=True)
        cut = codes.shape[1] // 2
        lower, left = np.unique(distinct[:, :cut], axis=0, return_inverse=True)
        upper, right = np.unique(distinct[:, : cut - 1 : -1], axis=0, return_inverse=True)
        return cls(_levels(lower), _levels(upper), left.reshape(-1), right.reshape(-1), of_row.reshape(-1))


def _levels(halves: SpeciesArray) -> list[HalfTubes]:
    """Return the levels of the tree of (H, r) distinct, sorted rows; the last level has a node for each row."""
    levels = []
    node = np.zeros(len(halves), dtype=np.int64)
    begins = np.arange(len(halves)) == 0
    for ring in range(halves.shape[1]):
        begins[1:] |= halves[1:, ring] != halves[:-1, ring]
        levels.append((node[begins], halves[begins, ring]))
        node = np.cumsum(begins) - 1
    return levels


def _waves(sigma: ComplexArray) -> ComplexArray:
    """Return (..., 6, 6) U with Γ = U U† of self-energies, least first; negative rounding errors are set to zero."""
    values, vectors = np.linalg.eigh(1j * (sigma - _adjoint(sigma)))
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0))[..., None, :])


def _adjoint(matrix: ComplexArray) -> ComplexArray:
    return np.ascontiguousarray(matrix.conj().swapaxes(-1, -2))


def _carbon_codes(codes: ArrayLike, rings: int) -> SpeciesArray:
    """Check species codes, and return them as an array (B, rings).

    Raises:
        ConfigurationError: if the codes have another shape, or are not of carbon.
    """
    array = np.atleast_2d(np.asarray(codes))
    if array.ndim != 2 or array.shape[1] != rings:
        raise ConfigurationError(
            f"codes of shape {array.shape} must be (designs, {rings}), one species code for each ring"
        )
    wrong = ~np.isin(array, CARBONS)
    if wrong.any():
        raise ConfigurationError(
            f"species code {array[wrong][0]} is not an isotope of carbon: use 0 (12C), 1 (13C), 2 (14C)"
        )
    return array.astype(np.uint8)
