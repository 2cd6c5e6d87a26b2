"""Compare optical transitions, breathing modes and heat in long tubes with published values and with phono3py.

- E11 and E22 by tight binding and by each empirical relation against the tables that were read, by family 2n + m.
- The breathing mode against the relations of three sources.
- κ(L) of (10,10) and its ballistic limit; κ against phono3py on the same waves.

    python -m scripts.studies.optics.figures

takes about ten minutes and writes docs/results/optics.json.
"""

import json
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from matgym.physics import LongTubeHeat, PhononTransport, PiParameters
from matgym.physics.electrons.kataura import RELATIONS
from matgym.physics.electrons.optics import transition_energies
from matgym.physics.electrons.tight_binding import THINNEST_NM
from matgym.physics.mechanics.relaxation import relaxed_pristine
from matgym.physics.phonons.anharmonic import collisions, third_order
from matgym.physics.phonons.named_modes import RBM_RELATIONS, named_modes, rbm_relation_cm
from matgym.physics.phonons.vibrations import mode_heat_j_k
from matgym.structures import Nanotube
from scripts.studies.common import ROOT, Study, print_markdown

DATA = ROOT / "tests" / "physics" / "data"
KELVIN = 300.0
ASSIGNED_EV = 0.1  # largest difference of a transition of the atlas from the relation that assigns it
WIDE_NM = 0.75  # tubes of the atlas below it are extrapolations of its formula
MEASURED = {"length_nm": 2600.0, "diameter_nm": 1.7, "conductance_nw_k": 2.4, "conductivity_w_mk": 3500.0}
"""Pop et al., Nano Lett. 6, 96 (2006), abstract read (A): a suspended metallic tube at room temperature."""


@dataclass(frozen=True)
class Settings:
    """The settings of the comparison."""

    heated: tuple[tuple[int, int], ...] = ((10, 10), (5, 5), (10, 0))
    lengths_nm: tuple[float, ...] = (10.0, 30.0, 100.0, 300.0, 1e3, 2.6e3, 1e4, 3e4, 1e5)
    sampled_angstrom: tuple[float, ...] = (60.0, 120.0)
    breathing: int = 12  # n of the widest tube
    checked: tuple[tuple[int, int], ...] = ((5, 5), (10, 10))


QUICK = Settings(((5, 5),), (10.0, 1e3), (30.0,), 9, ((5, 5),))


def rows_of(name):
    """Return the rows of a table under tests/physics/data as lists of text."""
    return [line.split(",") for line in (DATA / name).read_text().splitlines() if line[0].isdigit()]


def tables():
    """Return (table, n, m, transition, eV) of every value of the four tables."""
    found = []
    for table, file in (("SDS", "weisman_bachilo.csv"), ("Kataura, calculated", "kataura.csv")):
        for n, m, first, second in rows_of(file):
            found += [(table, int(n), int(m), name, float(e)) for name, e in (("e11", first), ("e22", second))]
    for n, m, lower, upper in rows_of("metallic_m11.csv"):
        found += [
            ("metallic, water", int(n), int(m), f"m11_{name}", float(e))
            for name, e in (("lower", lower), ("upper", upper))
        ]
    for n, m, values in rows_of("liu_atlas.csv"):
        if Nanotube(int(n), int(m)).lattice.diameter_nm < WIDE_NM:
            continue
        expected = RELATIONS["air"].energies_ev(int(n), int(m))
        for value in map(float, values.split()):
            name = min(expected, key=lambda one: abs(expected[one] - value))
            if abs(expected[name] - value) < ASSIGNED_EV:
                found.append(("air", int(n), int(m), name, value))
    return found


def optical(values):
    """Return the rms difference, meV, of each model from each table by transition and by family 2n + m."""
    differences = defaultdict(list)
    for table, n, m, name, value in values:
        tube = Nanotube(n, m)
        models = {key: relation.energies_ev(n, m) for key, relation in RELATIONS.items()}
        if tube.lattice.diameter_nm >= THINNEST_NM:
            models["tight binding"] = transition_energies(tube, PiParameters())
        for model, energies in models.items():
            if name in energies:
                differences[table, model, name].append((2 * n + m, n, m, 1e3 * (energies[name] - value)))
    rows, families = [], []
    for (table, model, name), found in differences.items():
        away = np.array([difference for *_, difference in found])
        rows.append({"table": table, "model": model, "transition": name, "tubes": len(found), **_spread(away)})
        by_family = defaultdict(list)
        for family, *_, difference in found:
            by_family[family].append(difference)
        families += [
            {
                "table": table,
                "model": model,
                "transition": name,
                "family": family,
                "tubes": len(own),
                **_spread(np.array(own)),
            }
            for family, own in sorted(by_family.items())
        ]
    return rows, families


def _spread(away):
    return {
        "mean_mev": float(away.mean()),
        "rms_mev": float(np.sqrt((away**2).mean())),
        "worst_mev": float(np.abs(away).max()),
    }


def breathing(widest):
    """Return the difference of the breathing mode from each relation over tubes of 0.6 nm and more."""
    shapes = [(n, m) for n in range(5, widest + 1) for m in range(n + 1)]
    shapes = [shape for shape in shapes if Nanotube(*shape).lattice.diameter_nm >= THINNEST_NM]
    diameters = np.array([relaxed_pristine(*shape).radius_angstrom / 5.0 for shape in shapes])
    ours = np.array([named_modes(Nanotube(*shape))["rbm"].frequency_cm for shape in shapes])
    rows = [
        {
            "relation": environment,
            "source": source,
            "tubes": len(shapes),
            "mean_cm": float((ours - rbm_relation_cm(environment, diameters)).mean()),
            "rms_cm": float(np.sqrt(((ours - rbm_relation_cm(environment, diameters)) ** 2).mean())),
            "rms_percent": float(100.0 * np.sqrt(((ours / rbm_relation_cm(environment, diameters) - 1.0) ** 2).mean())),
        }
        for environment, (*_, source) in RBM_RELATIONS.items()
    ]
    return rows, {"lowest": float((ours * diameters).min()), "highest": float((ours * diameters).max())}


def pop_fit(length_nm):
    """Return κ(L, 300 K), W/(m K), of the fit of Pop et al. (2006) to their tube; coefficients from memory (flag M)."""
    return 1.0 / (3.7e-7 * KELVIN + 9.7e-10 * KELVIN**2 + 9.3 * (1.0 + 0.5 / (length_nm * 1e-3)) / KELVIN**2)


def heat(settings):
    """Return κ and G of tubes by length, and their ballistic limits."""
    rows, limits = [], []
    for shape in settings.heated:
        tube = Nanotube(*shape)
        ballistic = float(PhononTransport(frequencies=256).predict([tube])["thermal_conductance_nw_k"][0])
        for sampled in settings.sampled_angstrom:
            spectrum = LongTubeHeat(sampled_angstrom=sampled).spectrum(tube)
            lengths = np.array(settings.lengths_nm)
            full, plain = (spectrum.conductivity_w_mk(lengths, relaxation_time=on) for on in (False, True))
            own = float(spectrum.conductance_nw_k(np.array([0.0]))[0])
            limits.append(
                {
                    "tube": list(shape),
                    "sampled_angstrom": sampled,
                    "length_zero_nw_k": own,
                    "negf_nw_k": ballistic,
                    "difference_percent": 100.0 * (own / ballistic - 1.0),
                }
            )
            rows += [
                {
                    "tube": list(shape),
                    "sampled_angstrom": sampled,
                    "length_nm": float(length),
                    "conductivity_w_mk": float(k),
                    "relaxation_time_w_mk": float(r),
                    "conductance_nw_k": float(k * spectrum.area_nm2 / length),
                    "pop_fit_w_mk": pop_fit(length),
                }
                for length, k, r in zip(lengths, full, plain, strict=True)
            ]
    return rows, limits


def against_phono3py(shapes):
    """Return κ times area of ours and of phono3py on the same waves with the same width of δ, W nm²/(m K)."""
    cases = []
    for n, m in shapes:
        with np.load(DATA / f"phono3py_{n}_{m}.npz") as stored:
            cases.append(
                (n, m, int(stored["points"]), float(stored["sigma_thz"]), float(stored["kappa_area_w_nm2_mk"]), None)
            )
    direct = json.loads((DATA / "phono3py_5_5.json").read_text())
    for sigma, plain, full in zip(direct["sigma_thz"], direct["relaxation_time"], direct["direct"], strict=True):
        cases.append((*direct["shape"], direct["points"], sigma, plain, full))
    rows = []
    for n, m, points, sigma, plain, full in cases:
        third = third_order(n, m)
        found = collisions(third, 2 * points, KELVIN, width_rad_ps=2.0 * np.pi * sigma)
        inside = slice(0, -2)  # without the long waves, which phono3py leaves out
        speeds, rates = found.slopes[inside] * third.rise_angstrom * 100.0, found.rates[inside]
        heat_j_k = mode_heat_j_k(found.omega[inside], KELVIN)
        scale = 2.0 / (2 * points * third.rise_angstrom * 1e-10) * 1e18 * 1e-12
        solved = np.linalg.solve(np.diag(rates) - found.inward[inside, inside], speeds)
        rows.append(
            {
                "tube": [n, m],
                "points": points,
                "sigma_thz": sigma,
                "relaxation_time": scale * float((heat_j_k * speeds**2 / rates).sum()),
                "relaxation_time_phono3py": plain,
                "full": scale * float((heat_j_k * speeds * solved).sum()),
                "full_phono3py": full,
            }
        )
    return rows


def main():
    study = Study.from_command_line("optics", __doc__, Settings(), QUICK)
    settings = study.settings
    values = tables()
    transitions, families = optical(values)
    print_markdown(
        ["table", "model", "transition", "tubes", "mean, meV", "rms, meV"],
        [[row[key] for key in ("table", "model", "transition", "tubes", "mean_mev", "rms_mev")] for row in transitions],
    )
    modes, product = breathing(settings.breathing)
    print_markdown(
        ["relation of the RBM", "tubes", "mean, cm⁻¹", "rms, cm⁻¹", "rms, %"],
        [[row[key] for key in ("relation", "tubes", "mean_cm", "rms_cm", "rms_percent")] for row in modes],
    )
    checks = against_phono3py(settings.checked)
    print_markdown(
        ["tube", "σ, THz", "κA relaxation time", "phono3py", "κA full", "phono3py"],
        [
            [
                row[key]
                for key in ("tube", "sigma_thz", "relaxation_time", "relaxation_time_phono3py", "full", "full_phono3py")
            ]
            for row in checks
        ],
    )
    curves, limits = heat(settings)
    print_markdown(
        ["tube", "sampled, Å", "L, nm", "κ, W/(m K)", "relaxation time", "G, nW/K", "fit of Pop et al."],
        [
            [
                row[key]
                for key in (
                    "tube",
                    "sampled_angstrom",
                    "length_nm",
                    "conductivity_w_mk",
                    "relaxation_time_w_mk",
                    "conductance_nw_k",
                    "pop_fit_w_mk",
                )
            ]
            for row in curves
        ],
    )
    study.write(
        {
            "tubes_of_tables": len({(table, n, m) for table, n, m, *_ in values}),
            "transitions": transitions,
            "families": families,
            "breathing_modes": modes,
            "breathing_mode_times_diameter_cm_nm": product,
            "phono3py": checks,
            "ballistic_limits": limits,
            "conductivity": curves,
            "measured": MEASURED,
        }
    )


if __name__ == "__main__":
    main()
