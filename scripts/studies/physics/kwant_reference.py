"""Compute the transmission of 200 random decorated tubes with kwant, as references of tests/physics.

kwant 1.5.0 needs numpy 1.26. The script therefore runs in two environments, which exchange a JSON file of devices; the
second half needs kwant only, and nothing of matgym:

    .venv/bin/python -m scripts.studies.physics.kwant_reference --designs /tmp/designs.json
    python3.11 -m venv /tmp/kwant-env
    /tmp/kwant-env/bin/pip install numpy==1.26.4 scipy 'cython<3.1' 'setuptools<70' wheel
    /tmp/kwant-env/bin/pip install kwant==1.5.0 tinyarray==1.2.5 --no-build-isolation
    export OPENBLAS_NUM_THREADS=1
    /tmp/kwant-env/bin/python -m scripts.studies.physics.kwant_reference --solve /tmp/designs.json

The second half writes kwant.npz, and kwant.json with times and versions, into tests/physics/data. `--tubes 3` runs the
first half on three tubes.
"""

import argparse
import json
import os
import platform
import time
from pathlib import Path

import numpy as np

DATA = Path(__file__).parents[3] / "tests" / "physics" / "data"
SEED = 20240603
TUBES = 200
LARGEST = 400  # sites
ENERGIES = 5
CANDIDATES = 8  # energies drawn, of which the first ENERGIES with a unitary S matrix are kept
UNITARITY = 1e-10
# The modes of a long chiral cell, whose bands cross often, are less orthogonal: defects up to 2e-9 in trial runs.
REACH_EV = 2.5  # energies are drawn from -REACH to REACH
MARGIN_EV = 0.005  # distance of energies from the edges of the lead's subbands
TIMED_ENERGIES = 16

ZIGZAG = ((8, 0), (9, 0), (10, 0), (11, 0), (12, 0), (13, 0))
ARMCHAIR = ((5, 5), (6, 6), (7, 7), (8, 8), (10, 10))
CHIRAL = ((6, 5), (6, 4), (8, 2), (7, 4), (9, 3), (8, 4), (10, 4), (10, 5), (9, 6), (12, 3), (11, 2), (7, 3))


# ---- designs, in matgym's environment


def write_designs(path, count):
    from matgym.structures import Nanotube

    rng = np.random.default_rng(SEED)
    designs = []
    while len(designs) < count:
        family = (ZIGZAG, ARMCHAIR, CHIRAL)[len(designs) % 3]
        tube = random_tube(rng, family[rng.integers(len(family))], n_pairs=(0, 1, 0, 2)[len(designs) // 3 % 4])
        if tube is not None and whole(tube):
            designs.append(as_dict(tube, energies_off_edges(rng, tube, CANDIDATES)))
    timed = [
        Nanotube(10, 10, 20),
        Nanotube(8, 0, 8, rng.choice(np.array([0, 3, 4], np.uint8), 8 * 32, p=[0.94, 0.03, 0.03])),
        Nanotube(6, 5),
    ]
    timed = [as_dict(tube, energies_off_edges(rng, tube, TIMED_ENERGIES)) for tube in timed]
    path.write_text(json.dumps({"designs": designs, "timed": timed}), encoding="utf-8")


def random_tube(rng, chirality, n_pairs):
    """Return a decorated tube, or None if the draw has no room for its Stone–Wales pairs."""
    from matgym.errors import StructureError
    from matgym.structures import Nanotube, Species

    in_one = Nanotube(*chirality).n_sites
    cells = int(rng.integers(1, min(4, LARGEST // in_one) + 1))
    tube = Nanotube(*chirality, cells, strain=float(rng.choice([0.0, 0.0, 0.0, -0.02, 0.02])))
    pairs, taken = draw_pairs(rng, tube, n_pairs)
    if len(pairs) < n_pairs:
        return None
    shares = rng.uniform(0.0, [0.1, 0.06, 0.06, 0.03])
    held = [Species.C12, Species.C13, Species.B, Species.N, Species.VACANCY]
    species = rng.choice(np.array(held, np.uint8), tube.n_sites, p=[1.0 - shares.sum(), *shares])
    species[sorted(taken)] = Species.C12
    try:
        return Nanotube(*chirality, cells, species, tube.strain, stone_wales=tuple(pairs))
    except StructureError:  # too short for the bonds to be told apart
        return None


def draw_pairs(rng, tube, n_pairs):
    """Return up to `n_pairs` bonds that are separate from each other and whose neighbours all lie inside the cell."""
    from scripts.studies.physics.independent import CUTOFF_ANGSTROM, pristine_cell, sheet

    cell = pristine_cell(tube.lattice.site_fractions, tube.cells).size
    flat = sheet(tube)
    inside = np.arange(cell, cell + tube.n_sites)
    bonded = np.hypot(*flat.step(inside[:, None], inside)) < CUTOFF_ANGSTROM
    np.fill_diagonal(bonded, val=False)
    full = bonded.sum(1) == 3
    pairs, taken = [], set()
    for a, b in rng.permutation(np.argwhere(np.triu(bonded) & full[:, None] & full)).tolist():
        touched = set(np.flatnonzero(bonded[a] | bonded[b]).tolist())
        if len(pairs) < n_pairs and not touched & taken:
            pairs.append((a, b))
            taken |= touched
    return pairs, taken


def whole(tube):
    """Return whether every atom is connected to both leads."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    from scripts.studies.physics.independent import device

    made = device(tube)
    count = made.onsite.size
    graph = coo_array((np.ones(len(made.bonds)), made.bonds.T), shape=(count, count))
    return connected_components(graph, directed=False)[0] == 1


def energies_off_edges(rng, tube, count):
    from scripts.studies.physics.independent import band_edges

    edges, energies = band_edges(tube), []
    while len(energies) < count:
        energy = rng.uniform(-REACH_EV, REACH_EV)
        if np.abs(abs(energy) - edges).min() > MARGIN_EV:
            energies.append(energy)
    return energies


def as_dict(tube, energies):
    """Return the data of a tube that the test needs, and its device between leads."""
    from scripts.studies.physics.independent import device, lead_sheet

    made, two = device(tube), lead_sheet(tube)
    return {
        "n": tube.n, "m": tube.m, "cells": tube.cells, "strain": tube.strain, "species": tube.species.tolist(),
        "stone_wales": [list(pair) for pair in tube.stone_wales], "energies": energies,
        "onsite": made.onsite.tolist(), "bonds": made.bonds.tolist(), "hopping": made.hopping.tolist(),
        "cell": made.cell, "period": float(two.along[made.cell] - two.along[0]),
        "lead": entries(np.triu(made.lead)), "coupling": entries(made.coupling),
    }  # fmt: skip


def entries(matrix):
    """Return row, column and value of the nonzero entries."""
    return [[int(i), int(j), float(matrix[i, j])] for i, j in np.argwhere(matrix)]


# ---- solutions, in kwant's environment


def solve(path):
    import kwant
    import scipy

    read = json.loads(path.read_text(encoding="utf-8"))
    designs = read["designs"]
    energies, transmission, unitarity = (np.full((len(designs), ENERGIES), np.nan) for _ in range(3))
    rejected = []
    start = time.perf_counter()
    for row, design in enumerate(designs):
        system = kwant_system(design)
        column = 0
        for energy in design["energies"]:
            matrix = kwant.smatrix(system, energy)
            defect = deviation(matrix.data)
            if defect > UNITARITY:
                rejected.append({"tube": row, "energy_ev": energy, "defect": float(defect)})
            elif column < ENERGIES:
                energies[row, column], unitarity[row, column] = energy, defect
                transmission[row, column] = matrix.transmission(1, 0)
                column += 1
        if row % 20 == 19:
            print(f"{row + 1} tubes, {time.perf_counter() - start:.0f} s, {len(rejected)} rejected", flush=True)
    if np.isnan(transmission).any():
        raise SystemExit(f"fewer than {ENERGIES} energies of a tube have a unitary S matrix: {rejected}")
    lengths = [len(design["species"]) for design in designs]
    pairs = [(row, *pair) for row, design in enumerate(designs) for pair in design["stone_wales"]]
    np.savez_compressed(
        DATA / "kwant.npz",
        **{name: np.array([design[name] for design in designs]) for name in ("n", "m", "cells", "strain")},
        species=np.concatenate([np.array(design["species"], np.uint8) for design in designs]),
        species_start=np.concatenate([[0], np.cumsum(lengths)]),  # tube i holds species[start[i]:start[i + 1]]
        stone_wales=np.array(pairs, np.int64).reshape(-1, 3),  # tube, A site, B site
        energies_ev=energies,
        transmission=transmission,
        unitarity=unitarity,
    )
    facts = {
        "versions": {"kwant": kwant.__version__, "numpy": np.__version__, "scipy": scipy.__version__}
        | {"python": platform.python_version()},
        "solver": kwant.solvers.default.smatrix.__self__.__class__.__module__,
        "seed": SEED,
        "largest_unitarity_defect": float(unitarity.max()),
        "refused": rejected,
        "cpu": f"{platform.processor()}, {os.cpu_count()} cores",
        "blas_threads": os.environ.get("OPENBLAS_NUM_THREADS", "not set"),
        "timing": [timed(design) for design in read["timed"]],
    }
    (DATA / "kwant.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(facts, indent=1))


def kwant_system(design):
    """Return the finalised system of a device between its leads."""
    import kwant

    count, cell = len(design["onsite"]), design["cell"]
    # Positions have no effect on the scattering problem; they only have to differ.
    basis = [(0.01 * site, 0.0, 0.0) for site in range(cell)]
    cells = kwant.lattice.general([(0.0, 0.0, design["period"])], basis, norbs=1).sublattices
    inner = kwant.lattice.chain(norbs=1, name="device")
    sites = [cells[i](-1) for i in range(cell)]
    sites += [inner(i) for i in range(cell, count - cell)]
    sites += [cells[i](0) for i in range(cell)]
    system = kwant.Builder()
    for site, energy in zip(sites, design["onsite"]):  # noqa: B905  # as many, by construction
        system[site] = energy
    for (i, j), hopping in zip(design["bonds"], design["hopping"]):  # noqa: B905
        system[sites[i], sites[j]] = hopping
    for direction in (-1, 1):
        lead = kwant.Builder(kwant.TranslationalSymmetry((0.0, 0.0, direction * design["period"])))
        for i in range(cell):
            lead[cells[i](0)] = 0.0
        for i, j, hopping in design["lead"]:
            lead[cells[i](0), cells[j](0)] = hopping
        for i, j, hopping in design["coupling"]:
            lead[cells[i](0), cells[j](1)] = hopping
        added = system.attach_lead(lead)
        if added:
            raise SystemExit(f"kwant added {len(added)} sites: the lead does not fit the device")
    return system.finalized()


def deviation(matrix):
    """Return the largest element of S†S - 1."""
    return np.abs(matrix.conj().T @ matrix - np.eye(len(matrix))).max() if matrix.size else 0.0


def timed(design):
    """Return the seconds per energy, leads included, and the seconds of building the system."""
    import kwant

    start = time.perf_counter()
    system = kwant_system(design)
    built, energies, times = time.perf_counter() - start, design["energies"], []
    kwant.smatrix(system, energies[0], in_leads=[0], out_leads=[1])  # imports and warms up
    for energy in energies:
        start = time.perf_counter()
        kwant.smatrix(system, energy, in_leads=[0], out_leads=[1]).transmission(1, 0)
        times.append(time.perf_counter() - start)
    return {
        "tube": "({n},{m})x{cells}".format(**design),
        "sites": len(design["species"]),
        "energies_ev": energies,
        "build_s": built,
        "mean_s_per_energy": float(np.mean(times)),
        "fastest_s_per_energy": float(np.min(times)),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--designs", type=Path, help="write random tubes here (matgym's environment)")
    mode.add_argument("--solve", type=Path, help="solve the tubes of this file (kwant's environment)")
    parser.add_argument("--tubes", type=int, default=TUBES, help="how many to write")
    arguments = parser.parse_args()
    if arguments.designs:
        write_designs(arguments.designs, arguments.tubes)
    else:
        solve(arguments.solve)


if __name__ == "__main__":
    main()
