"""Fit the self-consistent π model to GFN1-xTB, on the chiralities that the fit may see.

`python -m scripts.studies.levels.fit` (about 15 minutes of one core) takes the pristine and random tubes of the split
"fit" in docs/results/levels-reference.parquet. It computes their levels next to the gap once more in
GFN1-xTB, fits the parameters to these levels and to the gap, and writes parameters and errors to
docs/results/levels-fit.json. Errors are cross-validated: those of a chirality come from a fit to all others. Nothing is
computed on tubes of the split "test".

The charges of tblite are those of the Γ point of the cell. The model takes the same charges here: with those of the
whole zone it would be fitted to the error of the labels.
"""

from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Any

import numpy as np
import pyarrow as pa
from scipy.stats import spearmanr

from matgym.physics.electrons.bands import PiElectrons
from matgym.physics.electrons.charges import self_consistent
from matgym.physics.electrons.self_consistent import SelfConsistentElectrons, SelfConsistentParameters, charged
from matgym.physics.electrons.tight_binding import PiParameters, stacked
from matgym.physics.oracles import one_thread
from matgym.physics.xtb.relaxation import scaled_atoms, tersoff_start
from matgym.physics.xtb.states import XtbMethod, solve
from matgym.structures import Nanotube
from scripts.studies.common import Study, StudyJob
from scripts.studies.levels.reference import SHORTEST_ANGSTROM, entry_of, reference_rows
from scripts.studies.levels.tubes import predicted_gaps

PHASES = np.array([0.0, 2.0 * np.pi / 3.0, np.pi])  # every Dirac point folds next to one of these
SIDE = 3  # levels on each side of the gap at each phase
LEVEL_EV, GAP_EV = 0.1, 0.04  # a priori errors of a level and of a gap
TOLERANCE = 1e-4  # of charges, electrons: 0.1 meV of a gap
GAMMA = 0.0  # mesh of the charges: the Γ point
STEP = 0.1  # of the a priori standard deviation, for differences

# A priori values, standard deviations, and limits. On-site energies, shifts by neighbours and ratios are near those of
# GFN1-xTB's own Hamiltonian in orthogonalised radial p orbitals.
PRIOR = {
    "hopping": (2.2, 0.15, 2.0, 3.0),
    "onsite B": (3.0, 1.0, -2.0, 8.0),
    "onsite N": (-2.5, 1.0, -8.0, 4.0),
    "u C": (9.0, 2.0, 3.0, 20.0),
    "u B": (9.0, 2.0, 3.0, 20.0),
    "u N": (9.0, 2.0, 3.0, 25.0),
    "permittivity": (1.6, 0.5, 1.0, 6.0),
    "ratio BC": (0.95, 0.08, 0.6, 1.3),
    "ratio CN": (0.88, 0.08, 0.5, 1.3),
    "ratio BN": (0.98, 0.08, 0.5, 1.3),
    "ratio BB": (1.0, 0.1, 0.5, 1.4),
    "ratio NN": (0.8, 0.2, 0.2, 1.3),
    "neighbour CB": (0.3, 0.2, -1.0, 1.5),
    "neighbour CN": (-0.15, 0.2, -1.0, 1.5),
    "neighbour BN": (0.0, 0.2, -1.0, 1.5),
    "neighbour NB": (0.4, 0.2, -1.0, 1.5),
}
START, SPREAD, LOW, HIGH = np.array(list(PRIOR.values())).T


def parameters_of(vector: np.ndarray) -> SelfConsistentParameters:
    """Return the parameters that a vector of the fit stands for."""
    values = dict(zip(PRIOR, map(float, vector), strict=True))

    def some(kind: str) -> dict[str, float]:
        return {name.removeprefix(f"{kind} "): value for name, value in values.items() if name.startswith(f"{kind} ")}

    return SelfConsistentParameters(
        carbon=PiParameters(hopping_ev=values["hopping"]),
        onsite_ev=some("onsite"),
        u_ev=some("u"),
        permittivity=values["permittivity"],
        ratios=some("ratio"),
        neighbours_ev=some("neighbour"),
    )


@dataclass(frozen=True)
class Frontier(StudyJob):
    """The job of the levels of one tube next to its gap in GFN1-xTB."""

    name: str

    def run(self) -> pa.Table:
        """Return a row with the levels at `PHASES`, eV, ascending in each."""
        states = solve(scaled_atoms(tersoff_start(entry_of(self.name).tube, SHORTEST_ANGSTROM)), XtbMethod.GFN1)
        empty = states.electrons // 2
        levels = [states.bands(phase)[empty - SIDE : empty + SIDE] for phase in PHASES]
        return pa.table({"name": [self.name], "levels_ev": [np.concatenate(levels).tolist()]})


@dataclass
class Levels:
    """Levels of tubes next to their gap, from the charges of the call before.

    Attributes:
        tubes: B tubes.
    """

    tubes: Sequence[Nanotube]
    _electrons: dict[tuple[int, ...], np.ndarray] = field(default_factory=dict)

    def __call__(self, parameters: SelfConsistentParameters) -> np.ndarray:
        """Return (B, phases, levels) energies, eV."""
        found = np.full((len(self.tubes), len(PHASES), 2 * SIDE), np.nan)
        with one_thread():
            for bare in stacked(self.tubes, parameters.bare):
                group = [self.tubes[row] for row in bare.rows]
                key = tuple(bare.rows.tolist())
                system = charged(bare, group, parameters, GAMMA)
                potentials, self._electrons[key], _ = self_consistent(system, 60, self._electrons.get(key), TOLERANCE)
                now = system.at(potentials)
                for place, phase in enumerate(PHASES):
                    hamiltonian = now.bloch(np.full(len(group), phase))
                    real = phase in {0.0, np.pi}  # then diagonalising takes half the time
                    energies = np.linalg.eigvalsh(hamiltonian.real if real else hamiltonian)
                    for row, levels, electrons in zip(bare.rows, energies, now.electrons, strict=True):
                        found[row, place] = levels[electrons // 2 - SIDE : electrons // 2 + SIDE]
        return found


def residuals(levels: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return (B, levels and gap) errors in units of the a priori ones; the mean of the levels has no meaning."""
    centred = [x - x.mean(axis=(1, 2), keepdims=True) for x in (levels, reference)]
    gaps = [np.maximum(x[:, :, SIDE].min(axis=1) - x[:, :, SIDE - 1].max(axis=1), 0.0) for x in (levels, reference)]
    of_levels = (centred[0] - centred[1]).reshape(len(levels), -1) / LEVEL_EV
    return np.concatenate([of_levels, (gaps[0] - gaps[1])[:, None] / GAP_EV], axis=1)


def step(jacobian: np.ndarray, errors: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Return the Gauss-Newton step from a vector, with the prior."""
    matrix = np.concatenate([jacobian.reshape(-1, len(vector)), np.diag(1.0 / SPREAD)])
    right = np.concatenate([errors.ravel(), (vector - START) / SPREAD])
    return np.clip(vector - np.linalg.lstsq(matrix, right, rcond=None)[0], LOW, HIGH)


@dataclass(frozen=True)
class Derivative:
    """The derivative of the errors at a vector; its calls can run in processes of their own.

    Attributes:
        levels: levels, with the charges at the vector.
        reference: (B, phases, levels) energies of GFN1-xTB, eV.
        vector: vector of the fit.
        errors: errors there.
    """

    levels: Levels
    reference: np.ndarray
    vector: np.ndarray
    errors: np.ndarray

    def __call__(self, axis: np.ndarray) -> np.ndarray:
        """Return the derivative along an axis, from a step of its length."""
        moved = residuals(self.levels(parameters_of(self.vector + axis)), self.reference)
        return (moved - self.errors) / axis.sum()


def fit(levels: Levels, reference: np.ndarray, steps: int, pool: Executor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the best vector, the errors there, and the Jacobian from which the last step was taken."""

    def cost(vector: np.ndarray, errors: np.ndarray) -> float:
        return float((errors**2).sum() + (((vector - START) / SPREAD) ** 2).sum())

    vector, errors = START, residuals(levels(parameters_of(START)), reference)
    for _ in range(steps):
        columns = list(pool.map(Derivative(levels, reference, vector, errors), np.diag(STEP * SPREAD)))
        jacobian, least = np.stack(columns, axis=-1), cost(vector, errors)
        aim = step(jacobian, errors, vector)
        for share in (1.0, 0.3, 0.1):
            trial = vector + share * (aim - vector)
            found = residuals(levels(parameters_of(trial)), reference)
            if cost(trial, found) < least:
                vector, errors = trial, found
                break
        rms = LEVEL_EV * np.sqrt((errors[:, :-1] ** 2).mean())
        print(
            f"cost {least:.1f} to {cost(vector, errors):.1f}, levels {rms:.4f} eV, {vector.round(3).tolist()}",
            flush=True,
        )
    return vector, errors, jacobian


@dataclass(frozen=True)
class Settings:
    """The settings of the fit."""

    most_sites: int = 112
    steps: int = 3


QUICK = Settings(most_sites=72, steps=1)


def main() -> None:
    """Fit the parameters, and cross-validate them over chiralities."""
    study = Study.from_command_line("levels-fit", __doc__, Settings(), QUICK)
    rows = [row for row in reference_rows() if row["split"] == "fit"]
    rows = [row for row in rows if row["kind"] in ("pristine", "random")]
    rows = [row for row in rows if len(row["species"]) <= study.settings.most_sites][: 2 if study.quick else None]
    solved = study.rows([Frontier(row["name"]) for row in rows])
    levels_ev = np.array([row["levels_ev"] for row in solved]).reshape(len(rows), len(PHASES), 2 * SIDE)
    tubes, labels = [entry_of(row["name"]).tube for row in rows], np.array([row["gap_ev"] for row in rows])
    with ProcessPoolExecutor(study.workers, mp_context=get_context("spawn")) as pool:
        vector, errors, jacobian = fit(Levels(tubes), levels_ev, study.settings.steps, pool)

        def gaps_by(oracle: PiElectrons | SelfConsistentElectrons, chosen: np.ndarray) -> np.ndarray:
            return predicted_gaps(pool, oracle, [tubes[row] for row in np.flatnonzero(chosen)])[0]

        chirality = np.array([f"({row['n']}, {row['m']})" for row in rows])
        validated = np.full(len(rows), np.nan)
        for name in dict.fromkeys(chirality):
            others = chirality != name
            fold = parameters_of(step(jacobian[others], errors[others], vector))
            validated[~others] = gaps_by(SelfConsistentElectrons(fold, mesh_angstrom=GAMMA), ~others)
        random = np.array([row["kind"] == "random" for row in rows])
        parameters = parameters_of(vector)
        gaps = {
            "π": gaps_by(PiElectrons(), random),
            "self-consistent π, cross-validated": validated[random],
            "self-consistent π, fitted": gaps_by(SelfConsistentElectrons(parameters, mesh_angstrom=GAMMA), random),
            "self-consistent π, fitted, charges of the zone": gaps_by(SelfConsistentElectrons(parameters), random),
        }
    study.write(
        {
            "tubes": [row["name"] for row in rows],
            "chiralities": sorted(set(chirality)),
            "parameters": dict(zip(PRIOR, vector.tolist(), strict=True)),
            "levels_rms_ev": LEVEL_EV * float(np.sqrt((errors[:, :-1] ** 2).mean())),
            "random_tubes": {name: _agreement(found, labels[random]) for name, found in gaps.items()},
        }
    )


def _agreement(gaps: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    both = np.isfinite(gaps)
    return {
        "tubes": int(both.sum()),
        "spearman": float(spearmanr(gaps[both], labels[both]).statistic) if both.sum() > 2 else None,
        "mae_ev": float(np.abs(gaps - labels)[both].mean()),
    }


if __name__ == "__main__":
    main()
