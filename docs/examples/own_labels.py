"""A property of your own: 200 labels by your own engine, a surrogate on the shipped ones, an environment with it.

The engine is an ASE calculator: the screened electrostatic energy of the charges of B and N. Any other one, or a table
of measurements, takes its place: `matgym surrogate train --data` reads tables, files and folders.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import gymnasium as gym
import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from ase.neighborlist import neighbor_list
from ase.units import Bohr, Hartree

import matgym  # noqa: F401  # registers the environments
from matgym.models import Property
from matgym.structures import Nanotube
from matgym.structures.io import to_atoms
from matgym.surrogates import fit_own, load

CHARGE_E = {"B": -0.2, "N": 0.2}  # about those of GFN1-xTB; carbon is neutral
SCREENING_ANGSTROM = 4.0
CUTOFF_ANGSTROM = 20.0
CHIRALITIES = ((8, 0, 3), (9, 0, 3), (10, 0, 3), (6, 6, 5), (7, 4, 1), (8, 2, 1), (6, 5, 1), (12, 0, 2))


class ScreenedCharges(Calculator):
    """The engine: the energy of point charges, each pair with exp(-r / length) / r, in the periodic tube."""

    implemented_properties = ("energy",)

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        """Compute the energy, eV."""
        super().calculate(atoms, properties, system_changes)
        charged = atoms[[atom.symbol in CHARGE_E for atom in atoms]]
        charges = np.array([CHARGE_E[symbol] for symbol in charged.get_chemical_symbols()])
        i, j, distance = neighbor_list("ijd", charged, CUTOFF_ANGSTROM)
        pairs = charges[i] * charges[j] * np.exp(-distance / SCREENING_ANGSTROM) / distance
        self.results = {"energy": 0.5 * Hartree * Bohr * float(pairs.sum())}


def labelled(tube):
    """Return the atoms of a tube, and their energy by the engine, eV."""
    atoms = to_atoms(tube)
    atoms.calc = ScreenedCharges()
    return atoms, atoms.get_potential_energy()


def random_tube(rng):
    """Return a tube with 2 to 16 B and as many N at random sites."""
    empty, pairs = Nanotube(*CHIRALITIES[rng.integers(len(CHIRALITIES))]), int(rng.integers(2, 17))
    sites = rng.permutation(empty.n_sites)[: 2 * pairs].tolist()
    return empty.decorated(dict.fromkeys(sites[:pairs], "B") | dict.fromkeys(sites[pairs:], "N"))


def main():
    rng = np.random.default_rng(0)
    structures, energies = zip(*(labelled(random_tube(rng)) for _ in range(200)), strict=True)

    prop = Property("ordering_ev", "eV", "screened electrostatic energy of B and N")
    found = fit_own(structures, energies, prop, trunk="none,mechanics")  # "auto" tries slower ones, too
    print(found.verdict)

    with TemporaryDirectory() as folder:
        file = Path(folder) / "ordering.safetensors"
        found.save(file, labels_by="screened point charges")
        model = load(file)

        tube = {"n": 10, "m": 0, "cells": 3, "budget": {"B": 4, "N": 4}}
        env = gym.make("matgym/NanotubeDoping-v0", **tube, model=str(file), direction="minimize", values=(-1.0, 0.0))
        _, info = env.reset(seed=0)
        env.action_space.seed(0)
        terminated = False
        while not terminated:
            action = env.action_space.sample(info["action_mask"].astype(np.int8))
            _, reward, terminated, _, info = env.step(action)
        print(f"reward of a random design: {reward:.2f}")

    unseen = Nanotube(11, 0, 3).decorated({0: "B", 66: "N", 5: "B", 70: "N"})
    told = model.predict([unseen])
    print(
        f"{unseen}: {told['ordering_ev'][0]:.3f} ± {told.half_width['ordering_ev'][0]:.3f} eV by the surrogate, "
        f"{labelled(unseen)[1]:.3f} eV by the engine"
    )


if __name__ == "__main__":
    main()
