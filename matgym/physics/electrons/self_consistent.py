"""Self-consistent π tight binding: the π model in the electrostatic potential of its own charges.

    H = H₀ + Σ_i |i> V_i <i|,   V_i = Σ_j γ_ij (q_j - Z_j)

with q_j the π electrons on site j, Z_j = 1, 0, 2 those that C, B and N bring, and Ohno's γ_ij over all periodic images
(`matgym.physics.electrons.electrostatics`). H₀ is the π model with on-site energies of neutral B and N and hopping by
pair of species; each bond to B or N shifts an on-site energy. A pristine tube has no charges, so that its bands,
curvature included, are those of the π model with the same hopping.

The charges are iterated on a mesh of wave vectors (`matgym.physics.electrons.charges`), with the occupation of Fermi's
function at 300 K, as GFN1-xTB has it. Tubes whose charges do not converge are recorded failures.

The mesh of `MESH_ANGSTROM` changes gaps by 1.6 meV on average and by 7.1 meV at most from those of 100 Å; the Γ point
alone changes them by 79 and 346 meV (20 random tubes of the fit, docs/results/levels.json).

Measured against GFN1-xTB on random tubes that no fit saw: rank correlation 0.91 with cells of 17 Å and longer (54
tubes), and 0.94 with cells of 8 Å if the charges are those of the Γ point, as GFN1-xTB's (110 tubes); the π model has
0.43 and 0.54. Tubes with vacancies have no gap in either model, and 0.15 eV on average in GFN1-xTB.

The default parameters are those of `python -m scripts.studies.levels.fit`: a fit to GFN1-xTB's levels next to the gap
of 40 pristine and random tubes of eight chiralities, with the charges of the Γ point on both sides. The hopping of
carbon is smaller there than the 2.7 eV of the π model, and so are the gaps. The charges of the Γ point of a short cell
change gaps: GFN1-xTB gives 0.230 eV to one cell of (10,0)x2 with two B and two N and 0.106 eV to two, this model 0.286
and 0.107 eV with these charges, and 0.078 eV with those of the whole zone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Final, Protocol

import numpy as np

from matgym.errors import ConfigurationError, RelaxationError, require_counts, require_within
from matgym.frozen import ValueObject
from matgym.models import Cost, Level, Model, Predictions, Space
from matgym.physics.electrons.bands import FERMI_EV, GAP_EV, dense_edges, no_band_edge
from matgym.physics.electrons.charges import CHARGE_TOLERANCE, ChargedSystem, mesh, self_consistent
from matgym.physics.electrons.electrostatics import ohno
from matgym.physics.electrons.reduced import search_grid
from matgym.physics.electrons.tight_binding import ONSITE_EV, PI_ELECTRONS, PiParameters, PiSystem, dense_bytes, stacked
from matgym.physics.mechanics.relaxation import period_twist
from matgym.physics.oracles import one_thread
from matgym.structures import Nanotube, Species
from matgym.structures.memory import too_large
from matgym.typing import FloatArray

U_EV: Final = (0.0, 100.0)
"""Smallest and largest interaction of two electrons on a site, eV. A choice of ours, as are the next three ranges."""

PERMITTIVITIES: Final = (1.0, 1e3)
"""Smallest and largest relative permittivity."""

RATIOS: Final = (0.0, 10.0)
"""Smallest and largest ratio of hoppings."""

MESH_ANGSTROM: Final = 25.0
"""Length of tube that the mesh of wave vectors resolves, Å: one phase of half the zone for 25 Å, two for 12.5 Å."""

LEAD_ANGSTROM: Final = 16.0
"""Length of pristine tube between a device and the outermost cell of its calculation, Å; a choice of ours."""

LENGTHS_ANGSTROM: Final = (0.0, 1e3)
"""Shortest and longest length of a lead or a mesh that may be asked for."""

_PLACES: Final = {Species.B: 1, Species.N: 2, Species.VACANCY: 3}
_ELEMENT: Final = np.array([_PLACES.get(species, 0) for species in Species])  # every isotope is carbon
_PAIRS: Final = ("BC", "CN", "BN", "BB", "NN")
_PLACE: Final = {"C": 0, "B": 1, "N": 2}
_BONDED: Final = tuple(one + other for one in "CBN" for other in "BN")


@dataclass(frozen=True)
class SelfConsistentParameters:
    """Parameters of the self-consistent π model.

    Attributes:
        carbon: hopping of carbon, its curvature and its dependence on bond length; its on-site energies are not used.
        onsite_ev: on-site energies of neutral "B" and "N" relative to carbon, eV.
        u_ev: interaction of two π electrons on a site of "C", "B" and "N", eV.
        permittivity: relative permittivity of the long range, from the other electrons.
        ratios: hopping of the pairs "BC", "CN", "BN", "BB" and "NN" over that of carbon at the same length.
        neighbours_ev: change of the on-site energy of an atom by each bond to another, eV: "CB" is that of carbon
            bonded to boron.
    """

    carbon: PiParameters = field(default_factory=lambda: PiParameters(hopping_ev=2.172))
    onsite_ev: Mapping[str, float] = field(default_factory=lambda: {"B": 1.917, "N": -2.358})
    u_ev: Mapping[str, float] = field(default_factory=lambda: {"C": 10.249, "B": 7.431, "N": 7.033})
    permittivity: float = 1.571
    ratios: Mapping[str, float] = field(
        default_factory=lambda: {"BC": 0.971, "CN": 1.025, "BN": 0.923, "BB": 0.956, "NN": 0.585}
    )
    neighbours_ev: Mapping[str, float] = field(
        default_factory=lambda: {"CB": 0.276, "CN": 0.163, "BN": 0.139, "NB": 0.359}
    )

    def __post_init__(self) -> None:
        for name, values, keys, (low, high) in (
            ("onsite_ev", self.onsite_ev, ("B", "N"), ONSITE_EV),
            ("u_ev", self.u_ev, ("C", "B", "N"), U_EV),
            ("ratios", self.ratios, _PAIRS, RATIOS),
            ("neighbours_ev", self.neighbours_ev, _BONDED, ONSITE_EV),
        ):
            for key, value in values.items():
                if key not in keys:
                    raise ConfigurationError(f"{name} holds {key!r}; give {', '.join(keys)}")
                require_within(low, high, **{f"{name}[{key!r}]": value})
        require_within(*PERMITTIVITIES, permittivity=self.permittivity)

    @property
    def bare(self) -> PiParameters:
        """Parameters of the π model without charges, but for the ratios of hoppings."""
        onsite = {Species[key]: energy for key, energy in self.onsite_ev.items()}
        return replace(self.carbon, onsite_ev=onsite)

    def ratio_table(self) -> FloatArray:
        """Return the (species codes, species codes) ratios of hoppings."""
        table = np.ones((4, 4))  # of C, B, N and vacancies
        for pair, ratio in self.ratios.items():
            one, other = (_PLACE[letter] for letter in pair)
            table[one, other] = table[other, one] = ratio
        return np.asarray(table[_ELEMENT[:, None], _ELEMENT])

    def shifts_ev(self, tube: Nanotube) -> FloatArray:
        """Return (n_sites,) changes of the on-site energies of a tube by its bonds, eV."""
        table = np.zeros((4, 4))  # of C, B, N and vacancies, and what they are bonded to
        for pair, shift in self.neighbours_ev.items():
            table[_PLACE[pair[0]], _PLACE[pair[1]]] = shift
        elements, (one, other, _) = _ELEMENT[tube.species], tube.bonds.T
        shifts = np.zeros(tube.n_sites)
        np.add.at(shifts, one, table[elements[one], elements[other]])
        np.add.at(shifts, other, table[elements[other], elements[one]])
        return shifts

    def as_dict(self) -> dict[str, float]:
        """Return the parameters as a flat dictionary for provenance records."""
        named = {f"onsite_{key}_ev": value for key, value in self.onsite_ev.items()}
        named |= {f"u_{key}_ev": value for key, value in self.u_ev.items()}
        named |= {f"ratio_{key}": value for key, value in self.ratios.items()}
        named |= {f"neighbour_{key}_ev": value for key, value in self.neighbours_ev.items()}
        return {"hopping_ev": self.carbon.hopping_ev, "permittivity": self.permittivity} | named


@dataclass(frozen=True)
class SelfConsistentElectrons(Model):
    """The oracle of gap and Fermi level of the self-consistent π electrons of a periodic tube.

    Attributes:
        parameters: parameters of the model.
        max_iterations: largest number of iterations of the charges.
        lead_angstrom: length of pristine tube between a device and the outermost cell of its calculation, Å.
        mesh_angstrom: length of tube that the mesh of wave vectors of the charges resolves, Å; zero takes the Γ point
            alone, as tblite does, which only a comparison with such a calculation of the same cell needs.
    """

    parameters: SelfConsistentParameters = field(default_factory=SelfConsistentParameters)
    max_iterations: int = 100
    lead_angstrom: float = LEAD_ANGSTROM
    mesh_angstrom: float = MESH_ANGSTROM

    properties = (GAP_EV, FERMI_EV)
    level = Level.SCC_PI
    validity = "as the π model, with the charges of B and N; may fail to converge"
    cost = Cost(seconds=0.24, sites=128, exponent=3.0)
    """Cost, measured on one core of an Intel Xeon server."""

    def __post_init__(self) -> None:
        require_counts(max_iterations=self.max_iterations)
        require_within(*LENGTHS_ANGSTROM, lead_angstrom=self.lead_angstrom, mesh_angstrom=self.mesh_angstrom)

    def unsupported(self, space: Space) -> str:
        """Return why no tube of a design space can be computed: all are too thin for the π model; empty if one can."""
        return self.parameters.carbon.unsupported(space)

    def predict(self, tubes: Sequence[Nanotube], /) -> Predictions:
        """Return gap and Fermi level of each tube, eV; the Fermi level is on the scale of pristine carbon's orbital.

        Returns:
            Predictions with `gap_ev` and `fermi_ev`, each of shape (B,). Tubes that vacancies cut in two, whose bands
            are all empty or all full, that are too thin for the model or whose charges do not converge hold NaN and
            their reason in `failures`.
        """
        gap, fermi = np.full((2, len(tubes)), np.nan)
        solutions, failures = self._solutions(tubes)
        for solution in solutions:
            system = solution.system
            grid = search_grid(tubes[system.rows[0]].lattice)
            gap[system.rows], fermi[system.rows] = dense_edges(system, grid)
        return Predictions.together({GAP_EV.key: gap, FERMI_EV.key: fermi}, failures)

    def charges(self, tube: Nanotube) -> FloatArray:
        """Return (n_sites,) charges of the π electrons and their atoms, e, positive where electrons are missing.

        Raises:
            RelaxationError: if the tube cannot be computed.
        """
        solution = self._solution(tube)
        charges: FloatArray = (solution.brought - solution.electrons)[0]
        return charges

    def potentials_ev(self, tube: Nanotube) -> FloatArray:
        """Return (n_sites,) potential energies of an electron, eV, which vanish far from the tube.

        Raises:
            RelaxationError: if the tube cannot be computed.
        """
        potentials: FloatArray = self._solution(tube).potentials[0]
        return potentials

    def potentials_between_leads_ev(self, tube: Nanotube) -> tuple[Nanotube, FloatArray]:
        """Return a tube with pristine cells at both ends, and the potentials on its sites when leads follow.

        The charges are those of the longer tube, repeated and neutral. Its potentials are given relative to the mean of
        the outermost cells, where leads without potentials begin. Measured with `LEAD_ANGSTROM`: potentials of dopants
        are within 3 meV of those with one more cell at each end, for a BN pair and for two N on (10,0).

        Returns:
            The longer tube, and (n_sites,) potential energies of an electron, eV, exactly zero in the outermost cells.

        Raises:
            RelaxationError: if the tube cannot be computed.
        """
        found, failures = self.between_leads([tube])
        if failures:
            raise RelaxationError(failures[0])
        return found[0]

    def between_leads(self, tubes: Sequence[Nanotube]) -> tuple[dict[int, tuple[Nanotube, FloatArray]], dict[int, str]]:
        """Return what `potentials_between_leads_ev` returns for each tube, by row, and the reasons of failures."""
        longer = [with_leads(tube, self.lead_angstrom) for tube in tubes]
        solutions, failures = self._solutions(longer)
        found = {
            row: (longer[row], from_leads(longer[row], solved))
            for solution in solutions
            for row, solved in zip(solution.system.rows.tolist(), solution.potentials, strict=True)
        }
        return found, failures

    def impossible(self, tubes: Sequence[Nanotube]) -> dict[int, str]:
        """Return why tubes cannot be computed, by row: they have no band edges, or are too large."""
        reasons = {
            row: no_band_edge(tube, self.parameters.carbon) or too_large(f"{tube}: its bands", 2 * dense_bytes(tube))
            for row, tube in enumerate(tubes)
        }
        return {row: reason for row, reason in reasons.items() if reason}

    def systems(self, tubes: Sequence[Nanotube], rows: Sequence[int]) -> Iterator["ChargedSystem"]:
        """Yield the Hamiltonians without charges of some of the tubes, by lattice and deformation."""
        for bare in stacked([tubes[row] for row in rows], self.parameters.bare):
            chosen = np.array(rows)[bare.rows]
            yield charged(
                replace(bare, rows=chosen), [tubes[row] for row in chosen], self.parameters, self.mesh_angstrom
            )

    def _solution(self, tube: Nanotube) -> "_Solution":
        solutions, failures = self._solutions([tube])
        if failures:
            raise RelaxationError(failures[0])
        return solutions[0]

    def _solutions(self, tubes: Sequence[Nanotube]) -> tuple[list["_Solution"], dict[int, str]]:
        """Return the solutions of tubes, by lattice and deformation, and the reasons of failures by row."""
        failures, solutions = self.impossible(tubes), list[_Solution]()
        for system in self.systems(tubes, [row for row in range(len(tubes)) if row not in failures]):
            rows = system.bare.rows
            with one_thread():
                potentials, electrons, change = self_consistent(system, self.max_iterations)
            converged = change <= CHARGE_TOLERANCE
            for place in np.flatnonzero(~converged):
                failures[int(rows[place])] = (
                    f"{tubes[rows[place]]}: the charges do not converge: they change by {change[place]:.1g} electrons "
                    f"after {self.max_iterations} iterations; increase max_iterations"
                )
            if converged.any():
                solutions.append(
                    _Solution(
                        system.at(potentials).subset(converged), potentials[converged], electrons[converged],
                        system.brought[converged],
                    )
                )  # fmt: skip
        return solutions, failures


def with_leads(tube: Nanotube, lead_angstrom: float = LEAD_ANGSTROM) -> Nanotube:
    """Return a tube with pristine cells at both ends: as many as that length takes, and one more."""
    return tube.extended(ceil(lead_angstrom * tube.cells / tube.length_angstrom) + 1)


def from_leads(tube: Nanotube, potentials: FloatArray) -> FloatArray:
    """Return the (n_sites,) potentials of a tube relative to the mean of its outermost cells, and zero in these."""
    height = tube.lattice.site_fractions[:, 1] * tube.cells
    outermost = (height < 1.0) | (height >= tube.cells - 1.0)
    return np.where(outermost, 0.0, potentials - potentials[outermost].mean())


class ChargesBetweenLeads(Protocol):
    """What knows the potentials of the charges of tubes between leads."""

    def between_leads(self, tubes: Sequence[Nanotube]) -> tuple[dict[int, tuple[Nanotube, FloatArray]], dict[int, str]]:
        """Return what `SelfConsistentElectrons.between_leads` returns."""
        ...


@dataclass(frozen=True)
class _Solution(ValueObject):
    """Self-consistent tubes of one lattice: Hamiltonians, and (b, N) potentials, π electrons and those brought."""

    system: PiSystem
    potentials: FloatArray
    electrons: FloatArray
    brought: FloatArray


def charged(
    system: PiSystem,
    tubes: Sequence[Nanotube],
    parameters: SelfConsistentParameters,
    mesh_angstrom: float = MESH_ANGSTROM,
) -> ChargedSystem:
    """Return the Hamiltonians of a system of the π model with other hoppings, and the interaction of its charges.

    Args:
        system: Hamiltonians of the π model with `parameters.bare`.
        tubes: b tubes of the same lattice and deformation.
        parameters: parameters.
        mesh_angstrom: see `mesh`.
    """
    species = np.stack([tube.species for tube in tubes])
    elements = _ELEMENT[species]
    ratios = parameters.ratio_table()[species[:, :, None], species[:, None, :]]
    sites = np.arange(species.shape[1])
    ratios[:, sites, sites] = 1.0
    inner = system.inner * ratios
    inner[:, sites, sites] += np.stack([parameters.shifts_ev(tube) for tube in tubes])
    bare = replace(system, inner=inner, across=system.across * ratios)
    first, present = tubes[0], species != Species.VACANCY
    u = np.array([*(parameters.u_ev[letter] for letter in "CBN"), 0.0])[elements]
    interaction = ohno(first.positions_angstrom, first.length_angstrom, u, parameters.permittivity, period_twist(first))
    interaction *= present[:, :, None] & present[:, None, :]
    phases, weights = mesh(first.length_angstrom, mesh_angstrom)
    return ChargedSystem(bare, interaction, PI_ELECTRONS[species].astype(np.float64), phases, weights)
