"""What does a graph network on fetched crystals know of structure types that it has not seen?

    python -m scripts.studies.data.crystals [--quick]

pymatgen's AFLOW prototypes are served by the stub of Materials Project, fetched by the real mp-api, and learned from by
the mean, a ridge regression and graph networks, in one table. Each prototype whose oxidation states pymatgen guesses as
whole numbers is there several times: strained as its symmetry allows, and with other elements of the same oxidation
states, whose covalent radii scale the cell.

The labels are computed, not measured and not quantum mechanics: the electrostatic energy of point charges, which are
the guessed oxidation states, by pymatgen's EwaldSummation, in eV per atom (the stub serves it as `energy`). A second
label is this energy times the third root of the volume per atom, eV Å (served as `formation_energy`): it does not
depend on the size of the cell, and for given charges only on the structure type and its strain.

Cross-validation leaves out whole prototypes; the random split beside it has other variations of the same prototypes in
training. Writes docs/results/data-crystals.json. It needs the extra mp.
"""

import os
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from unittest.mock import patch

import numpy as np

from matgym.characterization.recognition.prototypes import strained
from matgym.data.sources import Fetched, Query, source_of
from matgym.structures import Crystal
from matgym.surrogates.crystals import CrystalFit, CrystalTable, fit_crystals
from matgym.surrogates.crystals.fitting import GROUPED, RANDOM
from scripts.studies.common import Study, interval, print_markdown
from scripts.studies.loopback.materials_project import KEY, MaterialsProject, documents
from scripts.studies.loopback.server import Loopback

LABELS: Final = {
    "energy": "electrostatic energy, eV/atom",
    "formation_energy": "electrostatic energy times the third root of the volume per atom, eV Å",
}
"""What the columns of the fetched table hold."""

SUBSTITUTES: Final = {
    1: "Li Na K Rb Cs Cu Ag",
    2: "Be Mg Ca Sr Ba Mn Fe Co Ni Zn Cd",
    3: "Al Ga In Sc Y La Cr Fe",
    4: "Si Ge Sn Ti Zr Hf",
    5: "V Nb Ta P As",
    6: "Mo W",
    -1: "F Cl Br I",
    -2: "O S Se Te",
    -3: "N P As",
    -4: "C Si",
}
"""Elements by the oxidation state in which they replace each other; a choice of ours."""


@dataclass(frozen=True)
class Settings:
    """Settings of the study.

    Attributes:
        prototypes: most prototypes.
        variations: variations of each.
        atoms: most atoms in a primitive cell.
        members: graph networks in the ensemble.
        epochs: epochs of the training of each.
        seed: random seed of variations and of the training.
    """

    prototypes: int = 300
    variations: int = 6
    atoms: int = 10
    members: int = 2
    epochs: int = 40
    seed: int = 0


@dataclass(frozen=True)
class Served:
    """A crystal with its labels.

    Attributes:
        prototype: number of its prototype.
        structure: the crystal, as pymatgen has it.
        energy: electrostatic energy, eV/atom.
        scaled: this times the third root of the volume per atom, eV Å.
    """

    prototype: int
    structure: Any
    energy: float
    scaled: float


def charges_of(structure: Any) -> dict[str, int] | None:
    """Return the guessed oxidation state of each element, or None if there is no guess of whole numbers but zero."""
    guesses = structure.composition.oxi_state_guesses(max_sites=-50)
    charges = dict(guesses[0]) if guesses else {}
    whole = all(float(charge).is_integer() and int(charge) in SUBSTITUTES for charge in charges.values())
    return {element: int(charge) for element, charge in charges.items()} if charges and whole else None


def varied(structure: Any, charges: dict[str, int], rng: np.random.Generator) -> tuple[Any, dict[str, int]]:
    """Return a strained crystal with other elements of the same oxidation states, and their states."""
    from ase.data import atomic_numbers, covalent_radii
    from pymatgen.core import Structure

    new: dict[str, str] = {}
    for element, charge in charges.items():
        able = [each for each in SUBSTITUTES[charge].split() if each not in new.values()]
        new[element] = str(rng.choice(able))

    def radius(names: list[str]) -> float:
        return float(np.mean([covalent_radii[atomic_numbers[name]] for name in names]))

    old = [site.specie.symbol for site in structure]
    names = [new[name] for name in old]
    size = radius(names) / radius(old) * (1.0 + rng.uniform(-0.05, 0.05))
    crystal = strained(Crystal.of(structure), rng)
    return Structure(crystal.cell * size, names, crystal.fractional), {new[k]: charge for k, charge in charges.items()}


def labelled(prototype: int, structure: Any, charges: dict[str, int]) -> Served:
    """Return a crystal with its electrostatic energy."""
    from pymatgen.analysis.ewald import EwaldSummation

    charged = structure.copy().add_oxidation_state_by_element(charges)
    energy = float(EwaldSummation(charged).total_energy) / len(structure)
    return Served(prototype, structure, energy, energy * float(structure.volume / len(structure)) ** (1.0 / 3.0))


def served(settings: Settings) -> list[Served]:
    """Return all variations of all prototypes with labels."""
    from pymatgen.analysis.prototypes import AFLOW_PROTOTYPE_LIBRARY

    found, used = list[Served](), 0
    for number, entry in enumerate(AFLOW_PROTOTYPE_LIBRARY):
        structure = entry["snl"].structure.get_primitive_structure().remove_oxidation_states()
        if len(structure) > settings.atoms or used == settings.prototypes:
            continue
        if (charges := charges_of(structure)) is None:
            continue
        used += 1
        for variation in range(settings.variations):
            rng = np.random.default_rng([settings.seed, number, variation])
            found.append(labelled(number, *varied(structure, charges, rng)))
    return found


def fetched(crystals: list[Served], path: Path) -> Fetched:
    """Return the table of crystals that the stub of Materials Project serves, by way of a file as users have it."""
    rows = documents([each.structure for each in crystals])
    for row, each in zip(rows, crystals, strict=True):
        row |= {
            "energy_per_atom": each.energy,
            "formation_energy_per_atom": each.scaled,
            "builder_meta": {"batch_id": None},
        }
    with Loopback(MaterialsProject(rows)) as server, patch.dict(os.environ, {"MP_API_KEY": KEY}):
        source = source_of("mp", url=server.url, thermo_type="GGA_GGA+U")
        source.fetch(Query(properties=tuple(LABELS)), path.parent / "cache").save(path)
    return Fetched.load(path)


def main() -> None:
    """Run the study."""
    warnings.filterwarnings("ignore", module="pymatgen")
    small = Settings(prototypes=24, variations=4, atoms=4, members=1, epochs=3)
    study = Study.from_command_line("data-crystals", __doc__, Settings(), small)
    settings, began = study.settings, time.process_time()
    crystals = served(settings)
    rows = documents([each.structure for each in crystals])
    prototype = {row["material_id"]: each.prototype for row, each in zip(rows, crystals, strict=True)}
    with TemporaryDirectory() as scratch:
        table = fetched(crystals, Path(scratch) / "prototypes.parquet")
    fit = CrystalFit(network="graph", members=settings.members, epochs=settings.epochs, seed=settings.seed)
    results = []
    for column, label in LABELS.items():
        data = CrystalTable.of(table, column)
        groups = [prototype[each] for each in data.ids]
        folder = study.folder / column
        folder.mkdir(parents=True, exist_ok=True)
        result = fit_crystals(data, fit, groups, checkpoints=folder, on_stage=_said)
        for row in result.metrics():
            split = {GROUPED: "prototypes left out", RANDOM: row["split"]}[str(row["split"])]
            results.append({"label": label} | row | {"split": split, "spread": float(data.values.std())})
    shown = ("r2", "mae", "rmse")
    print_markdown(
        ["label", "split", "model", "n", "R²", "MAE", "RMSE", "coverage"],
        [
            [
                row["label"], row["split"], row["surrogate"], row["n"],
                *(interval(row[name], *row[f"{name}_interval"]) for name in shown), f"{100 * row['coverage']:.0f} %",
            ]
            for row in results
        ],
    )  # fmt: skip
    study.write(
        {
            "prototypes": len({each.prototype for each in crystals}), "crystals": len(crystals),
            "cpu_minutes": (time.process_time() - began) / 60.0, "results": results,
        }
    )  # fmt: skip


def _said(stage: str, done: int, total: int) -> None:
    print(f"{stage}: {done} of {total}", flush=True)


if __name__ == "__main__":
    main()
