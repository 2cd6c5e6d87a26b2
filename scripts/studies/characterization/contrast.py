"""Measure what HRTEM images show of single defects at all: their signal-to-noise ratio.

The ratio is that of a matched filter, which knows everything but the noise: no method can have a larger one. It is
measured for a vacancy, a Stone-Wales pair, and a boron or nitrogen atom on the place of a carbon atom, at 80 kV and 10⁴
electrons/Å², in random poses and with random lenses. Vacancies and pairs are relaxed; B and N have the scattering of
free atoms at the place of the carbon atom.

    python -m scripts.studies.characterization.contrast

takes about a minute of one core, and writes docs/results/contrast.json.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from matgym.characterization.electrons import ElectronBeam
from matgym.characterization.imaging import hrtem
from matgym.characterization.recognition.defective import defective_tube, relaxed_specimen
from matgym.characterization.recognition.registry import PLACE_TASKS
from matgym.characterization.recognition.tubes import tube_classes
from matgym.characterization.specimens import Specimen
from matgym.structures import Nanotube
from scripts.studies.common import Study, StudyJob, print_markdown

TASK = PLACE_TASKS["defects-hrtem"]
DOSE = 1e4
SEEN = 5.0  # Rose's criterion: a signal-to-noise ratio that is seen with certainty


@dataclass(frozen=True)
class Settings:
    """The settings of the measurement.

    Attributes:
        defects: number of defects of each kind.
        seed: random seed.
    """

    defects: int = 40
    seed: int = 2000


QUICK = Settings(defects=2)


@dataclass(frozen=True)
class Contrast(StudyJob):
    """The job of the contrast of single defects."""

    settings: Settings = field(repr=False)
    situation: str

    def run(self):
        """Return a row for each kind of defect: quantiles of the ratio, and the dose at which its median is `SEEN`."""
        rng = np.random.default_rng(self.settings.seed)
        conditions = getattr(TASK, self.situation)
        ratios = {}
        for _ in range(self.settings.defects):
            lens, camera = conditions.microscope(rng, 10.0 * TASK.pipeline.field_nm)
            beam = ElectronBeam(80.0)
            n, m = tube_classes()[rng.integers(len(tube_classes()))]
            tube = Nanotube(n, m, int(np.ceil(2.0 * camera.field_angstrom / Nanotube(n, m).length_angstrom)))
            site = int(np.abs(tube.positions_angstrom[:, 2] - 0.5 * tube.length_angstrom).argmin())
            neighbour = int(rng.choice(tube.lattice.neighbours[site]))
            pose = conditions.poses(rng, 1)
            pose = replace(pose, shift_angstrom=pose.shift_angstrom * [1.0, 1.0, 0.0])
            perfect = relaxed_specimen(tube)
            others = {
                "vacancy": defective_tube(tube.decorated({site: "vacancy"})).specimen,
                "Stone-Wales": defective_tube(tube.turned((site, neighbour))).specimen,
                "B": substituted(perfect, site, 5),
                "N": substituted(perfect, site, 7),
            }
            images = [
                hrtem([each], pose, beam=beam, lens=lens, camera=camera)[0] for each in (perfect, *others.values())
            ]
            for name, image in zip(others, images[1:], strict=True):
                # The optimal filter for Poisson's statistics: Σ (difference)² / variance.
                power = ((image - images[0]) ** 2 / images[0]).sum() * DOSE * camera.pixel_angstrom**2
                ratios.setdefault(name, []).append(float(np.sqrt(power)))
        rows = []
        for name, values in ratios.items():
            low, median, high = np.quantile(values, (0.1, 0.5, 0.9))
            rows.append(
                {"defect": name, "situation": self.situation, "low": low, "median": median, "high": high,
                 "dose_seen": DOSE * (SEEN / median) ** 2}
            )  # fmt: skip
        return pa.Table.from_pylist(rows)


def substituted(specimen, atom, number):
    """Return a specimen with another element in the place of one atom."""
    numbers = specimen.numbers.copy()
    numbers[atom] = number
    return Specimen(specimen.positions, numbers, specimen.period_angstrom, specimen.twist_rad)


def main():
    study = Study.from_command_line("contrast", __doc__, Settings(), QUICK)
    rows = study.rows([Contrast(study.settings, situation) for situation in ("training", "unseen")])
    print_markdown(list(rows[0]), [list(row.values()) for row in rows])
    study.write({"conditions": TASK.facts(), "dose": DOSE, "contrast": rows})


if __name__ == "__main__":
    main()
