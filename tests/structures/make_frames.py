"""Make `frames.npz`, molecular dynamics of three tubes at 300 K and 600 K: `python -m tests.structures.make_frames`.

Langevin dynamics of ASE (1 fs, friction 0.01/fs) with Tersoff's potential in LAMMPS, in the unloaded period: 2 ps to
reach the temperature, then 20 frames, 0.5 ps apart. Stored are positions in whole mÅ, in the order of the sites.
"""

from pathlib import Path

import numpy as np
from ase import units
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution

from matgym.physics.mechanics.calculators import Relaxation, running
from matgym.physics.mechanics.lammps import TERSOFF_BNC
from matgym.structures import Nanotube
from matgym.structures.io import to_atoms

FILE = Path(__file__).with_name("frames.npz")
TUBES = ((20, 0, 8), (24, 0, 8), (8, 0, 25))
TEMPERATURES_K = (300, 600)
FRAMES = 20


def main() -> None:
    found = {}
    for shape in TUBES:
        for kelvin in TEMPERATURES_K:
            rng = np.random.default_rng([*shape, kelvin])
            with running(TERSOFF_BNC) as calculator:
                atoms = to_atoms(Nanotube(*shape))
                atoms.calc = calculator
                Relaxation().unload(atoms)
                MaxwellBoltzmannDistribution(atoms, temperature_K=kelvin, rng=rng)
                dynamics = Langevin(atoms, units.fs, temperature_K=kelvin, friction=0.01 / units.fs, rng=rng)
                dynamics.run(2000)
                frames = []
                for _ in range(FRAMES):
                    dynamics.run(500)
                    frames.append(np.rint(atoms.positions * 1000.0).astype(np.int32))
            name = "_".join(map(str, (*shape, kelvin)))
            found |= {name: np.stack(frames), f"{name}_cell": atoms.cell.lengths()}
            print(name, atoms.get_temperature(), flush=True)  # noqa: T201
    np.savez_compressed(FILE, **found)


if __name__ == "__main__":
    main()
