"""Compare the speed of the transport oracles with sisl, kwant and dense inversion, in one run on one core.

Times are per structure and energy, with both leads. sisl takes structures one by one; the time of its leads is divided
by the size of the batch, as for matgym, which assumes that a user of sisl would keep them. kwant's times are those in
tests/physics/data/kwant.json, measured in an environment of its own on the same kind of machine.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python -m scripts.studies.physics.speed

takes ten minutes, needs sisl, writes docs/results/physics-speed.json and prints the tables of docs/physics.md.
"""

import json
import time
from dataclasses import dataclass

import numpy as np
import sisl
from sisl_toolbox.btd import BlochElectrode, DeviceGreen

from matgym.cli.console import print_table
from matgym.physics import PhononTransport, PiTransport
from matgym.physics.electrons.conductance import _surfaces as kept_leads
from matgym.physics.phonons.conductance import mass_lead
from matgym.physics.phonons.force_constants import by_root_masses, pristine_force_constants
from matgym.physics.transport.slabs import slabs_of, stacked_species
from matgym.structures import Nanotube
from scripts.studies.common import ROOT, Study
from scripts.studies.physics.independent import device, landauer, sisl_hamiltonians

ENERGIES_EV = np.linspace(-1.4, 1.4, 16) + 0.0137
SISL_ETA_EV = 1e-10


@dataclass(frozen=True)
class Settings:
    """The settings of the measurements."""

    tubes: tuple[tuple[int, int, int], ...] = ((8, 0, 8), (10, 10, 20), (6, 5, 1))
    batches: tuple[int, ...] = (1, 64, 512)
    vibrating: tuple[tuple[int, int, int], ...] = ((10, 0, 5), (10, 0, 20), (10, 10, 10))
    lengths: tuple[int, ...] = (20, 40, 80, 160)  # cells of (10, 10)
    diameters: tuple[int, ...] = (10, 20, 30, 40)  # n of (n, n), ten cells
    seconds: float = 1.0  # the shortest duration of a measurement


QUICK = Settings(((8, 0, 8),), (1, 2), ((10, 0, 5),), (5, 10), (5, 8), seconds=0.01)


def doped(tube, count):
    """Return copies of a tube with B and N on a tenth of the sites."""
    rng = np.random.default_rng(0)
    return [tube.with_species(rng.choice([0, 3, 4], size=tube.n_sites, p=[0.9, 0.05, 0.05])) for _ in range(count)]


def fastest(work, least):
    """Return the seconds of the fastest of at least three runs, which take at least `least` seconds in total."""
    runs = []
    while (len(runs) < 3 or sum(runs) < least) and sum(runs) <= 20.0 * least:
        start = time.perf_counter()
        work()
        runs.append(time.perf_counter() - start)
    return min(runs)


def ours_with_leads(tubes):
    """Return the transmission as on the first call, without the leads that are kept from earlier calls."""
    kept_leads.cache_clear()
    return PiTransport().transmission(tubes, ENERGIES_EV)


def of_sisl(tube, least):
    """Return sisl's seconds per energy (leads, dense inversion, block tri-diagonal inversion) and its transmission."""
    made, few = device(tube), ENERGIES_EV[::8]
    whole, lead = sisl_hamiltonians(made)
    ends = [sisl.RecursiveSI(lead, side, eta=SISL_ETA_EV) for side in ("-C", "+C")]
    leads = fastest(lambda: [end.self_energy(e) for e in few for end in ends], least) / len(few)
    hamiltonian, sigma = whole.Hk(format="array"), [end.self_energy(few[0]) for end in ends]
    atoms = np.arange(made.onsite.size)
    electrodes = [
        (BlochElectrode(end, name=side), where)
        for end, side, where in zip(ends, ("-C", "+C"), (atoms[: made.cell], atoms[-made.cell :]), strict=True)
    ]
    green = DeviceGreen(whole, electrodes, eta=0.0)
    together = fastest(lambda: [green.transmission(e, "-C", "+C") for e in few], least) / len(few)
    dense = fastest(lambda: landauer(hamiltonian, few[0], sigma), least)
    return leads, dense, max(together - leads, 0.0), landauer(hamiltonian, few[0], sigma)


def electrons(settings):
    """Measure matgym against sisl and kwant."""
    stored = json.loads((ROOT / "tests/physics/data/kwant.json").read_text(encoding="utf-8"))
    kwant, rows = {row["tube"]: row["fastest_s_per_energy"] for row in stored["timing"]}, []
    for tube in (Nanotube(*shape) for shape in settings.tubes):
        tubes = doped(tube, max(settings.batches))
        leads, dense, btd, expected = of_sisl(tubes[0], settings.seconds)
        ours, _ = PiTransport().transmission(tubes[:1], ENERGIES_EV)
        for batch in settings.batches:
            took = fastest(lambda: ours_with_leads(tubes[:batch]), 2.0 * settings.seconds)  # noqa: B023
            own = took / batch / len(ENERGIES_EV)
            rows.append({
                "tube": str(tube), "sites": tube.n_sites, "batch": batch, "ours_ms": 1e3 * own,
                "sisl_dense": (dense + leads / batch) / own, "sisl_btd": (btd + leads / batch) / own,
                "kwant": kwant[f"({tube.n},{tube.m})x{tube.cells}"] / own,
                "difference": abs(float(ours[0, 0]) - expected),
            })  # fmt: skip
    return rows


def phonons(settings):
    """Measure matgym against the dense inversion of the whole device."""
    rows, oracle = [], PhononTransport()
    for tube in (Nanotube(*shape) for shape in settings.vibrating):
        rng = np.random.default_rng(0)
        tubes = [tube.with_species(rng.choice([0, 2], size=tube.n_sites)) for _ in range(8)]
        omega = oracle.grid(tube)[0][4::16]
        found, _ = oracle.transmission(tubes, omega)  # the leads are kept from here on
        took = fastest(lambda: oracle.transmission(tubes, omega), settings.seconds)  # noqa: B023
        own = took / len(tubes) / len(omega)
        dense, difference = dense_phonons(tubes[0], omega[:2], found[0, :2], settings.seconds)
        rows.append({
            "tube": str(tube), "sites": tube.n_sites, "ours_ms": 1e3 * own, "dense_ms": 1e3 * dense,
            "ratio": dense / own, "difference": difference,
        })  # fmt: skip
    return rows


def dense_phonons(tube, omega, expected, least):
    """Return the seconds per frequency of inverting the whole device, without the leads, and the difference."""
    slabs = slabs_of(tube.lattice, 2)
    lead = pristine_force_constants(tube.n, tube.m).lead(slabs)
    surfaces = mass_lead(lead).surface(omega**2, 1e-3)
    species = stacked_species([tube], slabs)[0]
    size, count = 3 * slabs.n_sites, slabs.count
    inner = by_root_masses(lead.inner, species[1:-1], species[1:-1])
    couplings = by_root_masses(lead.up, species[:-1], species[1:])
    whole = np.zeros((count, size, count, size))
    for s in range(count):
        whole[s, :, s] = inner[s]
        if s + 1 < count:
            whole[s, :, s + 1], whole[s + 1, :, s] = couplings[s + 1], couplings[s + 1].T
    whole = whole.reshape(count * size, count * size)
    left, right = surfaces.full(slice(None))

    def solve(k):
        sigma = couplings[0].T @ left[k] @ couplings[0], couplings[-1] @ right[k] @ couplings[-1].T
        return landauer(whole, omega[k] ** 2, sigma)

    return fastest(lambda: solve(0), least), max(abs(solve(k) - expected[k]) for k in range(len(omega)))


def growth(settings):
    """Measure the exponents with which the time of a batch of eight grows with length and with diameter."""
    series = {
        f"length of (10,10), cells {settings.lengths}": [Nanotube(10, 10, cells) for cells in settings.lengths],
        f"diameter of (n,n)x10, n {settings.diameters}": [Nanotube(n, n, 10) for n in settings.diameters],
    }
    rows = []
    for name, tubes in series.items():
        took = []
        for tube in tubes:
            batch = doped(tube, 8)
            took.append(fastest(lambda: ours_with_leads(batch), settings.seconds))  # noqa: B023
        slope = np.polyfit(np.log([t.n_sites for t in tubes]), np.log(took), 1)[0]
        rows.append({"series": name, "exponent": float(slope), "ms": [1e3 * t / 8 / len(ENERGIES_EV) for t in took]})
    return rows


def main():
    study = Study.from_command_line("physics-speed", __doc__, Settings(), QUICK)
    found = {measured.__name__: measured(study.settings) for measured in (electrons, phonons, growth)}
    print_table("electrons: ms per structure and energy, and how many times longer the others take", found["electrons"])
    print_table("phonons: ms per structure and frequency", found["phonons"])
    print_table(
        "growth with the number of sites", [row | {"ms": str(np.round(row["ms"], 2))} for row in found["growth"]]
    )
    study.write(found)


if __name__ == "__main__":
    main()
