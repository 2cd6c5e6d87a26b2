"""Compare conductances by Gauss nodes in the Fermi window with converged grids of energies and with version 0.1's grid.

The 200 tubes whose transmission kwant computed (tests/physics/data/kwant.npz), and metals with a curvature gap:
(9,0), (12,0) and (6,3), pristine and with B, N and vacancies, at 300 K. The converged grid takes Gauss's rule on
hundreds of panels between the edges of the leads' subbands; version 0.1 took a trapezoid of 10 meV.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python -m scripts.studies.basis.conductance

takes ten minutes, writes docs/results/conductance.json and prints its table.
"""

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pyarrow as pa

from matgym.physics import PiTransport
from matgym.physics.electrons.bands import pristine_gap
from matgym.physics.electrons.conductance import NO_TRANSMISSION, RELATIVE_TOLERANCE
from matgym.physics.electrons.subbands import subbands
from matgym.physics.transport.landauer import THERMAL_REACH, electron_moments
from matgym.structures import Nanotube, Species
from matgym.units import BOLTZMANN_EV_K, CONDUCTANCE_QUANTUM_US
from scripts.studies.common import ROOT, Study, StudyJob, print_markdown

ORACLE = PiTransport()
KELVIN = ORACLE.temperature_k
METALS = ((9, 0, 4), (12, 0, 3), (6, 3, 2))
STEP_0_1_EV = 0.01
FAR = 25.0  # reach of the converged grid, in k_B T
NODES = 4  # of a panel


@dataclass(frozen=True)
class Settings:
    """The settings of the comparison."""

    reference_tubes: int = 200
    metals: int = 8  # tubes of each metal, the first of them pristine
    panels: int = 300
    at_once: int = 5


QUICK = Settings(2, 2, 60, 2)


def reference_tubes():
    """Return the 200 tubes of kwant's reference."""
    data = np.load(ROOT / "tests" / "physics" / "data" / "kwant.npz")
    species = np.split(data["species"], data["species_start"][1:-1])
    pairs = [tuple((int(a), int(b)) for tube, a, b in data["stone_wales"] if tube == i) for i in range(len(data["n"]))]
    shapes = zip(data["n"].tolist(), data["m"].tolist(), data["cells"].tolist(), strict=True)
    return [
        Nanotube(*shape, species[i], float(data["strain"][i]), stone_wales=pairs[i]) for i, shape in enumerate(shapes)
    ]


def doped(tube, seed):
    """Return a tube with 5 % B, 5 % N and 1 % vacancies."""
    rng = np.random.default_rng(seed)
    codes = [Species.C12, Species.B, Species.N, Species.VACANCY]
    return tube.with_species(rng.choice(codes, size=tube.n_sites, p=[0.89, 0.05, 0.05, 0.01]).astype(np.uint8))


def metals(settings):
    """Return tubes of the metals with a curvature gap."""
    pristine = [Nanotube(*shape) for shape in METALS]
    return [tube if seed == 0 else doped(tube, seed) for tube in pristine for seed in range(settings.metals)]


def converged_grid(tube, mu_ev=0.0, kelvin=KELVIN, panels=300):
    """Return energies and weights, eV, of Gauss's rule on panels that are narrow at the edges of the subbands."""
    reach = FAR * BOLTZMANN_EV_K * kelvin
    edge = pristine_gap(tube, ORACLE.parameters) / 2.0
    low, high = min(mu_ev, -edge) - reach, max(mu_ev, edge) + reach
    edges = subbands(tube, ORACLE.parameters).edges_ev
    cuts = np.concatenate([[low], edges[(edges > low) & (edges < high)], [high]])
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    all_nodes, all_weights = [], []
    for a, b in pairwise(cuts):
        t = np.linspace(0.0, 1.0, 8 + round(panels * (b - a) / (high - low)))
        ends = a + (b - a) * t * t * (3.0 - 2.0 * t)
        widths = np.diff(ends)[:, None]
        all_nodes.append((ends[:-1, None] + widths * (nodes + 1.0) / 2.0).ravel())
        all_weights.append((widths * weights / 2.0).ravel())
    return np.concatenate(all_nodes), np.concatenate(all_weights)


def grid_of_0_1(tube, kelvin=KELVIN):
    """Return the energies of version 0.1, eV: 10 meV apart, 18 k_B T beyond the gap of the leads."""
    reach = pristine_gap(tube, ORACLE.parameters) / 2.0 + THERMAL_REACH * BOLTZMANN_EV_K * kelvin
    return np.linspace(-reach, reach, 2 * int(np.ceil(reach / STEP_0_1_EV)))


def moments(tube, energies_ev, weights_ev=None, mu_ev=0.0, kelvin=KELVIN):
    """Return the moments of a tube's transmission on a grid; without weights, by the trapezoid rule."""
    through, _ = ORACLE.transmission([tube], energies_ev)  # NaN if it failed
    through = np.where(through < NO_TRANSMISSION, 0.0, through)
    return electron_moments(energies_ev, through, np.array([mu_ev]), kelvin, weights_ev)


@dataclass(frozen=True)
class Conductance(StudyJob):
    """The conductance of some tubes of a set."""

    kind: str
    first: int
    settings: Settings = field(repr=False)

    def run(self):
        """Return a table of conductances and numbers of energies."""
        every = reference_tubes() if self.kind == "reference" else metals(self.settings)
        return pa.Table.from_pylist(
            [self._row(tube) for tube in every[self.first : self.first + self.settings.at_once]]
        )

    def _row(self, tube):
        energies, weights = converged_grid(tube, panels=self.settings.panels)
        before = grid_of_0_1(tube)
        absolute = ORACLE.tolerance_us / CONDUCTANCE_QUANTUM_US
        found, _ = ORACLE.sampled([tube], np.zeros(1), 0, absolute, RELATIVE_TOLERANCE)
        values = (moments(tube, energies, weights), moments(tube, before), found.moments(np.zeros(1), KELVIN))
        exact, old, new = (float(CONDUCTANCE_QUANTUM_US * zeroth[0, 0]) for zeroth, _, _ in values)
        return {
            "tube": str(tube), "set": self.kind if self.kind == "reference" else f"({tube.n},{tube.m})",
            "converged_us": exact, "converged_energies": len(energies), "error_us": abs(new - exact),
            "energies": int(found.counts[0]), "error_0_1_us": abs(old - exact), "energies_0_1": len(before),
        }  # fmt: skip


def summary(rows):
    """Return errors and numbers of energies of some tubes."""
    error, old = (np.array([row[key] for row in rows]) for key in ("error_us", "error_0_1_us"))
    used, before, exact = (
        np.mean([row[key] for row in rows]) for key in ("energies", "energies_0_1", "converged_energies")
    )
    return {
        "tubes": len(rows), "mae_us": float(error.mean()), "worst_us": float(error.max()), "energies": float(used),
        "mae_0_1_us": float(old.mean()), "worst_0_1_us": float(old.max()), "energies_0_1": float(before),
        "converged_energies": float(exact), "fewer_than_0_1": float(before / used),
        "fewer_than_converged": float(exact / used),
    }  # fmt: skip


def main():
    study = Study.from_command_line("conductance", __doc__, Settings(), QUICK)
    settings = study.settings
    counts = {"metals": settings.metals * len(METALS), "reference": settings.reference_tubes}
    rows = study.rows(
        Conductance(kind, first, settings)
        for kind, count in counts.items()
        for first in range(0, count, settings.at_once)
    )
    sets = {row["set"]: [other for other in rows if other["set"] == row["set"]] for row in rows}
    result = {name: summary(part) for name, part in sets.items()}
    print_markdown(["set", *next(iter(result.values()))], [[name, *part.values()] for name, part in result.items()])
    study.write({"sets": result})


if __name__ == "__main__":
    main()
