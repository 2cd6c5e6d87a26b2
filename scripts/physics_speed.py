"""Speed of the transport oracles against sisl, kwant and dense inversion, in one run on one core.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 .venv/bin/python scripts/physics_speed.py

Times are per structure and energy, both leads included. sisl takes structures one by one; the time of its leads is
shared out over the batch as ours is, as if its user kept them. kwant's times are those stored in
`tests/physics/data/kwant.json`, of an environment of its own on the same kind of machine. Writes
`docs/results/physics-speed.json`.
"""

import json
import os
import sys
import time
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np  # noqa: E402

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "physics"))

import sisl  # noqa: E402
from reference_model import device, sisl_hamiltonians  # noqa: E402
from sisl_toolbox.btd import BlochElectrode, DeviceGreen  # noqa: E402

from matgym.cli.console import print_table, progress_bar  # noqa: E402
from matgym.files import write_json  # noqa: E402
from matgym.physics import PhononTransport, PiTransport  # noqa: E402
from matgym.physics.electrons.conductance import _surfaces as kept_leads  # noqa: E402
from matgym.physics.phonons.conductance import mass_lead  # noqa: E402
from matgym.physics.phonons.force_constants import by_root_masses, pristine_force_constants  # noqa: E402
from matgym.physics.transport.device import stacked_species  # noqa: E402
from matgym.physics.transport.slabs import slabs_of  # noqa: E402
from matgym.structures import Nanotube  # noqa: E402

ENERGIES_EV = np.linspace(-1.4, 1.4, 16) + 0.0137
BATCHES = (1, 64, 512)
SISL_ETA_EV = 1e-10
TUBES = (Nanotube(8, 0, 8), Nanotube(10, 10, 20), Nanotube(6, 5, 1))


def doped(tube: Nanotube, count: int, seed: int = 0) -> list[Nanotube]:
    """Copies with B and N on a tenth of the sites."""
    rng = np.random.default_rng(seed)
    return [tube.with_species(rng.choice([0, 3, 4], size=tube.n_sites, p=[0.9, 0.05, 0.05])) for _ in range(count)]


def seconds(work, least=1.0):
    """Seconds a run, the fastest of at least three and of at least `least` seconds in all."""
    spent, fastest, runs = 0.0, np.inf, 0
    while runs < 3 or spent < least:
        start = time.perf_counter()
        work()
        took = time.perf_counter() - start
        spent, fastest, runs = spent + took, min(fastest, took), runs + 1
        if spent > 20.0 * least:
            break
    return fastest


def ours_with_leads(tubes):
    """Transmission as on the first call, without the leads that are kept from earlier ones."""
    kept_leads.cache_clear()
    return PiTransport().transmission(tubes, ENERGIES_EV)


def of_sisl(tube):
    """Seconds an energy of sisl: both leads, dense inversion, block tri-diagonal inversion; and its transmission."""
    made = device(tube)
    whole, lead = sisl_hamiltonians(made)
    ends = [sisl.RecursiveSI(lead, side, eta=SISL_ETA_EV) for side in ("-C", "+C")]
    few = ENERGIES_EV[::8]
    leads = seconds(lambda: [end.self_energy(e) for e in few for end in ends]) / len(few)
    hamiltonian = whole.Hk(format="array")
    sigma = [end.self_energy(few[0]) for end in ends]
    left, right = slice(None, made.cell), slice(-made.cell, None)

    def dense():
        inverse = few[0] * np.eye(len(hamiltonian), dtype=complex) - hamiltonian
        inverse[left, left] -= sigma[0]
        inverse[right, right] -= sigma[1]
        across = np.linalg.inv(inverse)[right, left]
        gamma = [1j * (s - s.conj().T) for s in sigma]
        return np.trace(gamma[1] @ across @ gamma[0] @ across.conj().T).real

    atoms = np.arange(made.onsite.size)
    electrodes = [
        (BlochElectrode(end, name=side), where)
        for end, side, where in zip(ends, ("-C", "+C"), (atoms[: made.cell], atoms[-made.cell :]), strict=True)
    ]
    green = DeviceGreen(whole, electrodes, eta=0.0)
    together = seconds(lambda: [green.transmission(e, "-C", "+C") for e in few]) / len(few)
    return leads, seconds(dense), max(together - leads, 0.0), dense()


def electrons(bar):
    """Ours against sisl and kwant."""
    kwant = {row["tube"]: row["fastest_s_per_energy"] for row in json.loads(
        (ROOT / "tests/physics/data/kwant.json").read_text())["timing"]}  # fmt: skip
    rows = []
    for tube in TUBES:
        tubes = doped(tube, max(BATCHES))
        task = bar.add_task(str(tube), total=len(BATCHES) + 1, note="sisl")
        leads, dense, btd, expected = of_sisl(tubes[0])
        ours, _ = PiTransport().transmission(tubes[:1], ENERGIES_EV)
        same = abs(float(ours[0, 0]) - expected)
        for batch in BATCHES:
            bar.update(task, advance=1, note=f"batch {batch}")
            took = seconds(lambda: ours_with_leads(tubes[:batch]), least=2.0)  # noqa: B023
            own = took / batch / len(ENERGIES_EV)
            rows.append({
                "tube": str(tube), "sites": tube.n_sites, "batch": batch, "ours_ms": 1e3 * own,
                "sisl_dense": (dense + leads / batch) / own, "sisl_btd": (btd + leads / batch) / own,
                "kwant": kwant[f"({tube.n},{tube.m})x{tube.cells}"] / own, "difference": same,
            })  # fmt: skip
        bar.update(task, advance=1, note="")
    return rows


def phonons(bar):
    """Ours against the dense inversion of the whole device."""
    rows = []
    for n, m, cells in ((10, 0, 5), (10, 0, 20), (10, 10, 10)):
        tube = Nanotube(n, m, cells)
        task = bar.add_task(f"phonons of {tube}", total=1, note="")
        rng = np.random.default_rng(0)
        tubes = [tube.with_species(rng.choice([0, 2], size=tube.n_sites)) for _ in range(8)]
        omega = PhononTransport().grid(tube)[0][4::16]
        oracle = PhononTransport()
        found, _ = oracle.transmission(tubes, omega)  # the leads are kept from here on
        own = seconds(lambda: oracle.transmission(tubes, omega)) / len(tubes) / len(omega)  # noqa: B023
        dense, difference = dense_phonons(tubes[0], omega[:2], found[0, :2])
        rows.append({
            "tube": str(tube), "sites": tube.n_sites, "ours_ms": 1e3 * own, "dense_ms": 1e3 * dense,
            "ratio": dense / own, "difference": difference,
        })  # fmt: skip
        bar.update(task, advance=1)
    return rows


def dense_phonons(tube, omega, expected):
    """Seconds a frequency of inverting the whole device at once, leads not counted, and the difference."""
    slabs = slabs_of(tube.lattice, 2)
    lead = pristine_force_constants(tube.n, tube.m).lead(slabs)
    surfaces = mass_lead(lead).surface(omega**2, 1e-3)
    species = stacked_species([tube], slabs)[0]
    size, count = 3 * slabs.n_sites, slabs.count
    inner = by_root_masses(lead.inner, species[1:-1], species[1:-1])
    couplings = by_root_masses(lead.up, species[:-1], species[1:])
    whole = np.zeros((count * size, count * size))
    for s in range(count):
        here = slice(s * size, (s + 1) * size)
        whole[here, here] = inner[s]
        if s + 1 < count:
            onward = slice((s + 1) * size, (s + 2) * size)
            whole[here, onward], whole[onward, here] = couplings[s + 1], couplings[s + 1].T
    left, right = surfaces.full(slice(None))

    def solve(k):
        sigma = couplings[0].T @ left[k] @ couplings[0], couplings[-1] @ right[k] @ couplings[-1].T
        inverse = omega[k] ** 2 * np.eye(len(whole), dtype=complex) - whole
        inverse[:size, :size] -= sigma[0]
        inverse[-size:, -size:] -= sigma[1]
        across = np.linalg.inv(inverse)[-size:, :size]
        gamma = [1j * (s - s.conj().T) for s in sigma]
        return np.trace(gamma[1] @ across @ gamma[0] @ across.conj().T).real

    difference = max(abs(solve(k) - expected[k]) for k in range(len(omega)))
    return seconds(lambda: solve(0)), difference


def growth(bar):
    """How the time of a batch of eight grows with length and with diameter: the slope in logarithms."""
    series = {
        "length of (10,10), 20 to 160 cells": [Nanotube(10, 10, cells) for cells in (20, 40, 80, 160)],
        "diameter of (n,n)x10, n = 10 to 40": [Nanotube(n, n, 10) for n in (10, 20, 30, 40)],
    }
    rows = []
    task = bar.add_task("growth", total=len(series), note="")
    for name, tubes in series.items():
        took = []
        for tube in tubes:
            batch = doped(tube, 8)
            took.append(seconds(lambda: ours_with_leads(batch)))  # noqa: B023
        slope = np.polyfit(np.log([t.n_sites for t in tubes]), np.log(took), 1)[0]
        rows.append({"series": name, "exponent": float(slope), "ms": [1e3 * t / 8 / len(ENERGIES_EV) for t in took]})
        bar.update(task, advance=1)
    return rows


def main():
    with progress_bar() as bar:
        found = {"electrons": electrons(bar), "phonons": phonons(bar), "growth": growth(bar)}
    print_table("electrons: ms per structure and energy, and how many times longer the others take", found["electrons"])
    print_table("phonons: ms per structure and frequency", found["phonons"])
    print_table(
        "growth with the number of sites", [row | {"ms": str(np.round(row["ms"], 2))} for row in found["growth"]]
    )
    write_json(ROOT / "docs/results/physics-speed.json", found)


if __name__ == "__main__":
    main()
