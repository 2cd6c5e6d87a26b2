"""Fit the self-consistent π model to gaps of GFN1-xTB, on the chiralities that the fit may see.

`python -m scripts.studies.levels.fit` (half an hour) reads the tubes that `scripts.studies.levels.reference` has
finished, and writes the parameters and their error on the tubes of the fit to docs/results/levels-fit.json; nothing is
computed on the tubes of the test.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import spearmanr

from matgym.physics.electrons.self_consistent import SelfConsistentParameters, charged, self_consistent
from matgym.physics.electrons.tight_binding import stacked
from matgym.physics.oracles import one_thread
from matgym.structures import Nanotube
from scripts.studies.common import Study
from scripts.studies.levels.reference import entry_of, finished

PHASES = np.array([0.0, 2.0 * np.pi / 3.0, np.pi])  # every Dirac point folds onto one of these
KINDS = ("random", "unequal", "bonded", "patch")  # those of which the π model may hold; vacancies have σ states

NAMES = ("onsite B", "onsite N", "u C", "u B", "u N", "permittivity", "BC", "CN", "BN", "BB", "NN")
START = np.array([1.5, -1.5, 8.0, 8.0, 8.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0])
SPREAD = np.array([1.5, 1.5, 2.0, 2.0, 2.0, 1.0, 0.15, 0.15, 0.15, 0.15, 0.15])  # a priori standard deviations
LOW = np.array([-6.0, -8.0, 0.5, 0.5, 0.5, 1.0, 0.4, 0.4, 0.4, 0.4, 0.4])
HIGH = np.array([8.0, 4.0, 20.0, 20.0, 25.0, 10.0, 1.4, 1.4, 1.4, 1.4, 1.4])
ERROR_EV = 0.08  # a priori error of a gap
TOLERANCE = 1e-4  # of charges, electrons: 0.1 meV of a gap


def parameters_of(vector: np.ndarray) -> SelfConsistentParameters:
    """Return the parameters that a vector of the fit stands for."""
    onsite_b, onsite_n, u_c, u_b, u_n, permittivity, *ratios = (float(value) for value in vector)
    return SelfConsistentParameters(
        onsite_ev={"B": onsite_b, "N": onsite_n},
        u_ev={"C": u_c, "B": u_b, "N": u_n},
        permittivity=permittivity,
        ratios=dict(zip(NAMES[6:], ratios, strict=True)),
    )


@dataclass
class Gaps:
    """Gaps of tubes on few phases, each from the charges of the call before.

    Attributes:
        tubes: tubes.
    """

    tubes: list[Nanotube]

    def __post_init__(self) -> None:
        self._electrons: dict[tuple[int, ...], np.ndarray] = {}

    def __call__(self, parameters: SelfConsistentParameters) -> np.ndarray:
        """Return the gaps, eV; zero where bands overlap."""
        gaps = np.full(len(self.tubes), np.nan)
        with one_thread():
            for bare in stacked(self.tubes, parameters.bare):
                group = [self.tubes[row] for row in bare.rows]
                system = charged(bare, group, parameters)
                if len(system.phases) == 3:  # two phases are enough for a fit
                    system = replace(system, phases=np.array([0.25, 0.75]) * np.pi, weights=np.full(2, 0.5))
                key = tuple(bare.rows.tolist())
                potentials, electrons, _ = self_consistent(system, 60, self._electrons.get(key), TOLERANCE)
                self._electrons[key] = electrons
                now, rows = system.at(potentials), np.arange(len(group))
                levels = np.stack([np.linalg.eigvalsh(now.bloch(np.full(len(group), phase))) for phase in PHASES], 1)
                empty = now.electrons // 2
                gaps[bare.rows] = levels[rows, :, empty].min(axis=1) - levels[rows, :, empty - 1].max(axis=1)
        return np.maximum(gaps, 0.0)


def fit(tubes: list[Nanotube], labels: np.ndarray, steps: int) -> np.ndarray:
    """Return the vector of least squared errors of the gaps and deviations from the prior.

    The Gauss-Newton steps take one Jacobian of differences and Broyden's updates of it; a step is kept if it lowers the
    sum of squares.
    """
    gaps = Gaps(tubes)

    def residuals(vector: np.ndarray) -> np.ndarray:
        found = np.concatenate([(gaps(parameters_of(vector)) - labels) / ERROR_EV, (vector - START) / SPREAD])
        errors = found[: len(labels)] * ERROR_EV
        rank = spearmanr(errors + labels, labels).statistic
        print(f"MAE {np.abs(errors).mean():.4f} eV, Spearman {rank:.4f}, cost {0.5 * found @ found:.2f}", flush=True)
        return found

    vector = START
    at = residuals(vector)
    axes = np.diag(0.1 * SPREAD)
    columns = [(residuals(vector + axis) - at) / axis.sum() for axis in axes]
    jacobian = np.array(columns).T
    shortened = 1.0
    for _ in range(steps):
        step = shortened * np.linalg.lstsq(jacobian, -at, rcond=None)[0]
        trial = np.clip(vector + step, LOW, HIGH)
        found = residuals(trial)
        moved = trial - vector
        jacobian = jacobian + np.outer(found - at - jacobian @ moved, moved) / (moved @ moved)
        if found @ found < at @ at:
            vector, at, shortened = trial, found, 1.0
        else:
            shortened /= 2.0
    return vector


@dataclass(frozen=True)
class Settings:
    """The settings of the fit."""

    most_sites: int = 120
    steps: int = 8


QUICK = Settings(most_sites=80, steps=1)


def main() -> None:
    """Fit the parameters."""
    study = Study.from_command_line("levels-fit", __doc__, Settings(), QUICK)
    rows = [row for row in finished() if row["split"] == "fit" and row["kind"] in KINDS and "GFN1" in row["method"]]
    rows = [row for row in rows if len(row["species"]) <= study.settings.most_sites][: 2 if study.quick else None]
    if not rows:
        print("no tube of the fit is finished: run scripts.studies.levels.reference")
        return
    tubes, labels = [entry_of(row["name"]).tube for row in rows], np.array([row["gap_ev"] for row in rows])
    vector = fit(tubes, labels, study.settings.steps)
    gaps = Gaps(tubes)(parameters_of(vector))
    study.write(
        {
            "tubes": [row["name"] for row in rows],
            "parameters": dict(zip(NAMES, vector.tolist(), strict=True)),
            "spearman": float(spearmanr(gaps, labels).statistic),
            "mae_ev": float(np.abs(gaps - labels).mean()),
        }
    )


if __name__ == "__main__":
    main()
