"""Draw the oracles' results beside published values: the figures of docs/physics-figures.md, one function each.

Coloured lines are computed here. Dashed lines, grey bands and open diamonds are published
(`matgym/physics/validation/published.yml`), with a flag: A, the abstract was read; T, taken from another
implementation; M, from memory. `python -m scripts.studies.physics.figures` (one core, three minutes; set
OMP_NUM_THREADS=1) draws docs/images/physics/NAME.png and prints the numbers in the captions.
"""

from dataclasses import dataclass

import numpy as np

from matgym.physics import GAP_EV, SEEBECK_UV_K, ZT, PhononTransport, PiElectrons, PiTransport
from matgym.physics.electrons.bands import pristine_gap
from matgym.physics.mechanics.relaxation import relaxed_pristine
from matgym.physics.mechanics.strength import Strength
from matgym.physics.phonons.force_constants import MASSES_AMU, OMEGA_CM
from matgym.physics.phonons.vibrations import Vibrations, mode_heat_j_k
from matgym.physics.thermoelectric import POWER_FACTOR_PW_K2, coefficients
from matgym.physics.transport.landauer import electron_moments, phonon_conductance_nw_k
from matgym.structures import Nanotube, Species
from matgym.units import ATOMIC_MASS_KG, BOLTZMANN_J_K, HBAR_J_S, WALL_THICKNESS_NM
from matgym.viz.palette import MUTED, RULE, new_figure, tidy
from scripts.studies.common import Study
from scripts.studies.physics.drawing import (
    BLUE,
    BOND_NM,
    DESIGN_COLOURS,
    GREEN,
    GREY,
    OLIVE,
    PARAMETERS,
    PURPLE,
    RED,
    bands,
    computed,
    count_modes,
    designs,
    flag,
    helical_lines,
    middle_site,
    mixed_isotopes,
    name_below,
    note,
    panel_title,
    panels,
    published,
    published_level,
    published_line,
    published_point,
    save,
)

RBM, E2G, TWO_G0 = "rbm_times_diameter_cm_nm", "optical_phonon_gamma_cm", "conductance_metallic_g0"
QUANTA, YOUNG = "thermal_conductance_low_t_g0", "young_large_tube_tpa"
DULONG = "heat_capacity_dulong_petit_j_gk"


def dispersion():
    """Draw the phonon bands of (10,10), all of them and near the zone centre."""
    n = m = 10
    period_nm = relaxed_pristine(n, m).period_angstrom / 10
    thetas = np.pi * np.linspace(0, 1, 301) ** 1.5  # finer near the zone centre
    lines = OMEGA_CM * helical_lines(n, m, thetas)
    k = thetas / period_nm  # 1/nm
    still = (np.abs(lines[:, 0]) < 1.0).sum(axis=1)  # modes that translate or rotate the whole tube
    (straight,), bending = lines[still == 2], lines[still == 1]
    tube = Nanotube(n, m)
    near = (k > 0.05) & (k < 0.4)
    slopes = np.sort((straight[near] / OMEGA_CM / k[near, None]).mean(axis=0))[:2]  # nm rad/ps = km/s
    exponent = np.polyfit(np.log(k[near]), np.log(bending[0][near, 0]), 1)[0]
    print(f"highest {lines.max():.0f} 1/cm, at the zone centre {lines[:, 0].max():.0f}; RBM {straight[0, 2]:.1f}")
    print(f"RBM times d {straight[0, 2] * tube.diameter_nm:.1f}; TW and LA {slopes} km/s; TA exponent {exponent:.2f}")

    figure, (whole, close) = panels(10.5, 5.0, 2)
    for axes in (whole, close):
        bands(axes, k, lines.transpose(1, 0, 2).reshape(len(k), -1), "#b9c0c9")
        bands(axes, k, straight, BLUE, strong=True)
        bands(axes, k, bending[0], RED, strong=True)
    rbm, optical = published(RBM), published(E2G)
    published_point(whole, 0.0, optical[0], y_error=optical[1])
    note(whole, 0.35, optical[0], f"graphene E$_{{2g}}$ {optical[0]:.0f} {flag(E2G)}", va="top")
    whole.set(xlim=(-0.25, k[-1]), ylim=(0, 1750), ylabel="frequency, cm⁻¹", xlabel="wave number, nm⁻¹")
    panel_title(whole, "(10,10): all 120 branches")
    for name, key, label in (("LA", "velocity_la_10_10_km_s", 1.72), ("TW", "velocity_tw_10_10_km_s", 2.42)):
        velocity, error = published(key)
        reach = np.array([0.0, 2.6])
        published_line(close, reach, OMEGA_CM * velocity * reach, OMEGA_CM * error * reach)
        place = OMEGA_CM * velocity * label
        if name == "LA":
            note(close, label - 0.06, place, f"LA {velocity:g} km/s {flag(key)}", ha="right")
        else:
            note(close, label + 0.06, place - 8, f"TW {velocity:g} km/s {flag(key)}", va="top", ha="center")
    published_point(close, 0.0, rbm[0] / tube.diameter_nm, y_error=rbm[1] / tube.diameter_nm)
    note(close, 0.08, rbm[0] / tube.diameter_nm + 3, f"breathing mode 227/d {flag(RBM)}", va="bottom")
    note(close, 1.0, 8, "TA, twofold, as k²", RED)
    close.set(xlim=(-0.06, 2.8), ylim=(0, 260), xlabel="wave number, nm⁻¹")
    panel_title(close, "near the zone centre")
    return figure


def vibrations():
    """Draw the density of phonon states of (10,10), and heat capacities."""
    n, u = 10, (np.arange(600) + 0.5) / 600
    figure, (states, heat) = panels(10.5, 4.6, 2)
    cm = np.linspace(0, 1750, 876)
    tube = Nanotube(n, n)
    density = Vibrations(phases=120).density_of_states(tube, cm / OMEGA_CM, broadening=1.5)
    per_atom = 1000 * density / OMEGA_CM / tube.n_sites
    states.fill_between(cm, per_atom, color=BLUE, alpha=0.18, linewidth=0)
    states.plot(cm, per_atom, color=BLUE, linewidth=1.4)
    top = 1.22 * per_atom.max()
    rbm, optical = published(RBM), published(E2G)
    published_level(states, rbm[0] / tube.diameter_nm, rbm[1] / tube.diameter_nm, upright=True)
    note(states, rbm[0] / tube.diameter_nm + 25, 0.93 * top, f"breathing mode\n227/d {flag(RBM)}")
    published_level(states, *optical, upright=True)
    note(states, optical[0] - 95, 0.93 * top, f"graphene E$_{{2g}}$\n1582 {flag(E2G)}", ha="right")
    states.set(xlim=(0, 1750), ylim=(0, top), xlabel="frequency, cm⁻¹", ylabel="modes per 1000 cm⁻¹ and atom")
    panel_title(states, "density of states of (10,10)")

    kelvin = np.geomspace(0.3, 3000, 90)
    for (n, m), colour in (((5, 5), PURPLE), ((10, 10), BLUE)):
        tube = Nanotube(n, m)
        omega = helical_lines(n, m, np.pi * u**3)  # few modes have low frequencies, and they determine low temperatures
        weights = 3 * u**2 / len(u)
        gram = 1e3 * ATOMIC_MASS_KG * tube.n_sites * MASSES_AMU[Species.C12]
        capacity = np.array([(weights @ mode_heat_j_k(omega, t).sum(axis=(0, 2))) / gram for t in kelvin])
        heat.loglog(kelvin, capacity, color=colour, linewidth=1.8)
        note(heat, 0.33, 1.35 * capacity[0], f"({n},{m})", colour, va="bottom")
        at_300 = Vibrations().predict([tube])["heat_capacity_j_g_k"][0]
        slope = np.gradient(np.log(capacity), np.log(kelvin))
        print(f"{tube}: {np.interp(300, kelvin, capacity):.3f} and {at_300:.3f} J/gK at 300 K; slope {slope[:3]}")
    room, dulong = published("heat_capacity_300k_j_gk"), published(DULONG)
    published_level(heat, dulong[0])
    note(heat, 1.0, dulong[0], f"Dulong–Petit {dulong[0]} {flag(DULONG)}", va="center")
    published_point(heat, 300, room[0], y_error=room[1])
    note(heat, 230, room[0], f"graphite {room[0]} {flag('heat_capacity_300k_j_gk')}", ha="right")
    guide = np.array([0.3, 2.0])
    published_line(heat, guide, 3.2e-5 * (guide / 0.3) ** published("exponent_heat_capacity_low_t")[0])
    note(heat, 1.3, 4.5e-5, f"√T {flag('exponent_heat_capacity_low_t')}", va="top")
    heat.set(xlim=(0.3, 3000), ylim=(1e-5, 5), xlabel="temperature, K", ylabel="heat capacity, J/(g K)")
    panel_title(heat, "heat capacity")
    return figure


def electrons():
    """Draw the Landauer transmission of pristine and decorated tubes."""
    figure, axes = panels(11.5, 4.4, 3)
    energies = np.arange(-1.498, 1.5, 0.004)  # zero is left out, because a vacancy has a state there
    transport = PiTransport(PARAMETERS)
    for panel, (n, m, cells), reach in zip(axes, ((5, 5, 5), (10, 0, 4), (10, 10, 3)), (1.5, 1.5, 1.1), strict=True):
        tubes = designs(n, m, cells)
        if n == m == 10:
            boron = tubes["pristine"].decorated({middle_site(tubes["pristine"]): "B"})
            tubes = {"pristine": tubes["pristine"], "nitrogen": tubes["nitrogen"], "boron": boron}
        found = dict(zip(tubes, computed(transport.transmission(list(tubes.values()), energies)), strict=True))
        panel.fill_between(energies, found["pristine"], color=RULE, alpha=0.6, linewidth=0, step="mid", zorder=0.2)
        for name, curve in found.items():
            panel.plot(energies, curve, color=DESIGN_COLOURS[name], linewidth=1.3, zorder=2)
        panel.set(xlim=(-reach, reach), ylim=(0, 7.2 if m == 10 else 4.3), xlabel="energy, eV")
        panel_title(panel, f"({n},{m})")
        at_zero = {name: round(float(np.interp(0, energies, curve)), 4) for name, curve in found.items()}
        print(f"({n},{m}) at E = 0: {at_zero}")
        if m == 10:
            dip = energies[np.abs(energies) < 0.9][found["nitrogen"][np.abs(energies) < 0.9].argmin()]
            print(f"dip of N in (10,10): {dip:.3f} eV")
    armchair, zigzag, wide = axes
    armchair.set_ylabel("transmission, in units of 2e²/h")
    published_level(armchair, published(TWO_G0)[0])
    note(armchair, -1.4, 2.16, f"2 G₀ {flag(TWO_G0)}", va="bottom")
    published_point(armchair, 0, published("transmission_vacancy_armchair")[0])
    note(armchair, 0.1, 0.93, f"one vacancy: 1 {flag('transmission_vacancy_armchair')}", va="top")
    first = published("gap_times_diameter_ev_nm")
    d = Nanotube(10, 0).diameter_nm
    for sign in (-1, 1):
        published_level(zigzag, sign * first[0] / d / 2, first[1] / d / 2, upright=True)
    note(zigzag, 0, 4.05, f"edges ± a γ₀/d {flag('gap_times_diameter_ev_nm')}", ha="center")
    d = Nanotube(10, 10).diameter_nm
    ratio = published("van_hove_m11_10_10_ev")
    for sign in (-1, 1):
        published_level(wide, sign * ratio[0] / 2, ratio[1] / 2, upright=True)
    note(wide, 0, 6.8, f"edges ± 3 a γ₀/d {flag('van_hove_m11_10_10_ev')}", ha="center")
    level, width = published("dip_nitrogen_10_10_ev")
    published_point(wide, level, 1.0, x_error=width)
    note(wide, level - 0.15, 1.0, f"dip of N: DFT\n+{level} eV {flag('dip_nitrogen_10_10_ev')}", ha="right")
    note(wide, -0.1, 2.35, "2 G₀", va="bottom", ha="center")
    published_level(wide, published(TWO_G0)[0])
    legend = [(name, DESIGN_COLOURS[name]) for name in ("pristine", "nitrogen", "boron", "vacancy", "Stone–Wales")]
    name_below(figure, legend)
    return figure


def curvature():
    """Draw the gaps that curvature opens in tubes that are metallic by zone folding."""
    figure = new_figure(7.6, 4.8, 160)
    axes = figure.add_subplot()
    tidy(axes, "both")
    families = {"zigzag": [], "chiral": [], "armchair": []}
    for n in range(5, 31):
        for m in range(n + 1):
            tube = Nanotube(n, m)
            if (n - m) % 3 == 0 and 0.6 < tube.diameter_nm < 2.4:
                name = "zigzag" if m == 0 else "armchair" if m == n else "chiral"
                families[name].append((tube.diameter_nm**-2, 1000 * pristine_gap(tube, PARAMETERS)))
                if m == 0 or (n == m and n < 9):
                    print(tube, round(families[name][-1][1], 2), "meV")
    for (name, points), colour, size in zip(families.items(), (BLUE, OLIVE, RED), (34, 12, 22), strict=True):
        x, y = np.array(points).T
        axes.scatter(x, y, s=size, color=colour, linewidth=0, zorder=3, label=name)
    x = np.array([0.0, 2.2])
    law = 1000 * 3 * PARAMETERS.hopping_ev * BOND_NM**2 / 4
    published_line(axes, x, law * x)
    note(axes, 1.42, law * 1.42 + 9, f"3 γ₀ a²/4d² {flag('gap_18_0_curvature_mev')}", ha="right")
    for n in (9, 12, 15):
        key = f"gap_{n}_0_curvature_mev"
        place = Nanotube(n, 0).diameter_nm ** -2
        published_point(axes, place, published(key)[0], y_error=published(key)[1])
        note(axes, place + 0.04, published(key)[0] - 8, f"({n},0) {flag(key)}", va="top")
    axes.axhline(0.0, color=MUTED, linewidth=1.0, zorder=1)
    note(axes, 0.03, -5.5, "zone folding: no gap in any of these", MUTED)
    note(axes, 1.95, 5.5, f"armchair: 0 {flag('gap_armchair_isolated_mev')}", RED, ha="right")
    note(axes, 0.42, 26, "zigzag", BLUE, ha="right")
    note(axes, 1.75, 36, "chiral, smaller by |cos 3θ|", "#8f8420", ha="center")
    axes.set(xlim=(0, 2.2), ylim=(-11, 95), xlabel="1/d², nm⁻²", ylabel="gap, meV")
    return figure


def strain():
    """Draw the gaps of stretched and twisted tubes."""
    figure, (axial, shear) = panels(10.5, 4.6, 2, (1.25, 1))
    percent = np.linspace(-4, 4, 81)
    oracle = PiElectrons(PARAMETERS)
    families = (
        ((10, 0), BLUE, "strain_slope_mod1_mev_percent", "n − m mod 3 = 1"),
        ((11, 0), RED, "strain_slope_mod2_mev_percent", "mod 3 = 2"),
        ((12, 0), GREEN, None, "mod 3 = 0"),
        ((5, 5), OLIVE, "strain_slope_armchair_mev_percent", "armchair"),
    )
    for (n, m), colour, key, family in families:
        tube = Nanotube(n, m)
        gap = oracle.predict([tube.strained(e / 100) for e in percent])[GAP_EV]
        axial.plot(percent, gap, color=colour, linewidth=2.0, zorder=3)
        slope = 1000 * np.gradient(gap, percent)[40]
        print(f"({n},{m}): {gap[40]:.3f} eV, {slope:+.1f} meV/%")
        if key and n != m:
            value, error = published(key)
            published_line(axial, percent, gap[40] + value * percent / 1000, error * np.abs(percent) / 1000)
            label = f"({n},{m}), {family}\npublished {value:+.0f} meV/% {flag(key)}".replace("-", "−")
            up = 1.33 if value > 0 else 1.42
            note(axial, 3.9 if value > 0 else -3.9, up, label, colour, ha="right" if value > 0 else "left")
        elif key:
            note(axial, -3.9, 0.05, f"({n},{m}): 0 {flag(key)}", "#8f8420", va="bottom")
        else:
            note(axial, 2.4, 0.27, f"({n},{m}), {family}", colour, va="bottom", ha="right")
    axial.set(xlim=(-4, 4), ylim=(0, 1.55), xlabel="axial strain, %", ylabel="gap, eV")
    panel_title(axial, "stretched")
    for (n, m), colour, key in (
        ((5, 5), OLIVE, "torsion_slope_5_5_mev_percent"),
        ((10, 0), BLUE, "torsion_slope_10_0_mev_percent"),
    ):
        tube = Nanotube(n, m)
        gap = oracle.predict([tube.twisted(e / 100) for e in percent])[GAP_EV]
        shear.plot(percent, gap, color=colour, linewidth=2.0, zorder=3)
        value, error = published(key)
        start = gap[40]
        published_line(shear, percent, start + value * np.abs(percent) / 1000, error * np.abs(percent) / 1000)
        print(f"({n},{m}) twisted: {1000 * (gap[50] - start) / percent[50]:.1f} meV/% at {percent[50]:.0f} %")
        label = f"({n},{m})\npublished {f'±{value:.0f}' if value else '0'} meV/% {flag(key)}"
        note(shear, 0, 0.42 if value else 1.1, label, "#8f8420" if n == m else colour, ha="center")
    shear.set(xlim=(-4, 4), ylim=(0, 1.55), xlabel="shear strain, %")
    panel_title(shear, "twisted")
    return figure


def phonons():
    """Draw the phonon transmission of pristine and decorated (10,0)."""
    tubes = designs(10, 0, 4)
    tubes = {"pristine": tubes["pristine"], "isotopes": mixed_isotopes(Nanotube(10, 0, 8))} | tubes
    transport = PhononTransport(frequencies=320)
    omega, weights = transport.grid(tubes["pristine"])
    found = dict(zip(tubes, computed(transport.transmission(list(tubes.values()), omega)), strict=True))
    modes = count_modes(10, 0, omega)
    off = np.abs(found["pristine"] - modes)
    print(f"pristine against counted modes: median {np.median(off):.1e}, {(off > 0.01).sum()} of {len(off)} differ")
    for name, curve in found.items():
        print(name, round(float(phonon_conductance_nw_k(omega, weights, curve[None], 300.0)[0]), 3), "nW/K at 300 K")
    figure, axes = panels(10.5, 4.8, 2, (2.1, 1))
    cm = OMEGA_CM * omega
    for panel in axes:
        panel.fill_between(cm, modes, color=RULE, linewidth=0, step="mid", zorder=0.2)
        for name, curve in found.items():
            panel.plot(cm, curve, color=DESIGN_COLOURS[name], linewidth=1.3)
        panel.set(xlabel="frequency, cm⁻¹")
    whole, low = axes
    top, error = published(E2G)
    published_level(whole, top, error, upright=True)
    note(whole, top, 19.3, f"graphene E$_{{2g}}$\n{top:.0f} {flag(E2G)}", ha="center")
    whole.set(xlim=(0, 1750), ylim=(0, 21), ylabel="phonon transmission")
    panel_title(whole, "(10,0) between pristine leads")
    four = published("acoustic_modes")[0]
    published_level(low, four)
    note(low, 6, four + 0.25, f"{four:.0f} acoustic modes {flag('acoustic_modes')}", va="bottom")
    rbm, error = published(RBM)
    d = Nanotube(10, 0).diameter_nm
    published_level(low, rbm / d, error / d, upright=True)
    note(low, rbm / d - 10, 14.0, f"breathing mode\n227/d {flag(RBM)}", ha="right")
    low.set(xlim=(0, 400), ylim=(0, 15))
    panel_title(low, "low frequencies")
    names = {"isotopes": "half ¹³C, 3.4 nm", "pristine": "pristine (grey area: modes counted)"}
    name_below(figure, [(names.get(name, name), DESIGN_COLOURS[name]) for name in found])
    return figure


def heat():
    """Draw the thermal conductance against temperature."""
    quantum = 1e12 * np.pi * BOLTZMANN_J_K**2 / (6.0 * HBAR_J_S)  # π² k_B²/3h, pW/K²
    four, _ = published(QUANTA)
    per_area, error = published("thermal_conductance_area_300k_gw_m2k")
    kelvin = np.geomspace(2, 1000, 80)
    figure, (absolute, ratio) = panels(10.5, 4.6, 2, (1.2, 1))
    decorated = designs(10, 0, 4)
    cases = (
        ("(10,10)", Nanotube(10, 10), BLUE),
        ("(10,0)", decorated["pristine"], GREY),
        ("(5,5)", Nanotube(5, 5), PURPLE),
        ("(10,0), Stone–Wales", decorated["Stone–Wales"], DESIGN_COLOURS["Stone–Wales"]),
        ("(10,0), half ¹³C", mixed_isotopes(Nanotube(10, 0, 8)), OLIVE),
    )
    u = (np.arange(240) + 0.5) / 240
    for name, tube, colour in cases:
        top = PhononTransport(frequencies=1).grid(tube)[1].sum()
        omega, weights = top * u**2, 2 * top * u / len(u)  # finer at low frequencies
        through = computed(PhononTransport().transmission([tube], omega))
        found = phonon_conductance_nw_k(omega, weights, through, kelvin)[0]
        absolute.loglog(kelvin, found, color=colour, linewidth=1.8)
        in_quanta = found / (1e-3 * quantum * kelvin)
        ratio.semilogx(kelvin, in_quanta, color=colour, linewidth=1.8)
        print(f"{name}: {in_quanta[0]:.3f} quanta at 2 K, {np.interp(300, kelvin, found):.3f} nW/K at 300 K")
        if tube.is_pristine:
            area = np.pi * tube.diameter_nm * WALL_THICKNESS_NM  # nm²; GW/m²K equals nW/K per nm²
            published_point(absolute, 300, per_area * area, y_error=error * area)
            print(f"  {np.interp(300, kelvin, found) / area:.2f} GW/m²K")
    published_line(absolute, kelvin[[0, -1]], 1e-3 * four * quantum * kelvin[[0, -1]])
    note(absolute, 60, 0.16, f"4 π²k$_B$²T/3h {flag(QUANTA)}", va="top")
    note(absolute, 245, 9.3, f"4.2 GW/m²K {flag('thermal_conductance_area_300k_gw_m2k')}", ha="right")
    absolute.set(xlim=(2, 1000), ylim=(4e-3, 20), xlabel="temperature, K", ylabel="thermal conductance, nW/K")
    panel_title(absolute, "phonon thermal conductance")
    published_level(ratio, four)
    note(ratio, 22, four - 0.5, f"4 quanta {flag(QUANTA)}", va="top")
    ratio.set(xlim=(2, 1000), ylim=(0, 27), xlabel="temperature, K", ylabel="in quanta π²k$_B$²T/3h")
    panel_title(ratio, "the same over the quantum")
    name_below(figure, [(name, colour) for name, _, colour in cases])
    return figure


def tension():
    """Draw stress against strain until the tube fails, pristine and with one vacancy."""
    figure, axes = panels(10.5, 4.8, 2)
    oracle = Strength(step=0.01)
    young, spread = published(YOUNG)
    for panel, (n, m, cells) in zip(axes, ((10, 0, 4), (8, 8, 6)), strict=True):
        tubes = designs(n, m, cells)
        peaks = {}
        for name in ("pristine", "vacancy"):
            tube = Nanotube(n, m) if name == "pristine" else tubes[name]
            curve = oracle.curve(tube)
            colour = BLUE if name == "pristine" else DESIGN_COLOURS[name]
            shown = slice(0, curve.peak + 1)
            x, y = 100 * curve.strain, curve.stress_gpa
            panel.plot(x[shown], y[shown], color=colour, linewidth=2.0, marker="o", markersize=2.6, zorder=3)
            panel.plot(x[curve.peak :], y[curve.peak :], color=colour, linewidth=1.0, linestyle=":", zorder=3)
            panel.plot(x[curve.peak], y[curve.peak], "o", color=colour, markersize=7, zorder=4)
            peaks[name] = y[curve.peak]
            print(f"({n},{m}) {name}: {y[curve.peak]:.1f} GPa at {x[curve.peak]:.0f} %, {y[1] * 100:.0f} GPa at 1 %")
            label = (
                "pristine"
                if name == "pristine"
                else f"one vacancy in {tube.n_sites}\n−{100 - 100 * peaks[name] / peaks['pristine']:.0f} %"
            )
            note(panel, x[curve.peak] + 0.7, y[curve.peak] - 3, label, colour, va="top")
        reach = np.array([0.0, 12.0])
        published_line(panel, reach, 10 * young * reach, 10 * spread * reach)  # 1 TPa is 10 GPa per percent
        panel.set(xlim=(0, 35), ylim=(0, 150), xlabel="axial strain, %")
        panel_title(panel, f"({n},{m})")
    zigzag, armchair = axes
    zigzag.set_ylabel("stress, GPa (wall of 0.34 nm)")
    note(zigzag, 12.4, 119, f"Young {young:g} TPa {flag(YOUNG)}", ha="left")
    (strength, wide), (failure, apart) = published("strength_10_0_gpa"), published("failure_strain_10_0")
    published_point(zigzag, 100 * failure, strength, x_error=100 * apart, y_error=wide)
    note(zigzag, 100 * failure + 0.8, strength + 5, f"strength, DFT\n{flag('strength_10_0_gpa')}", va="bottom")
    published_level(armchair, *published("strength_graphene_gpa"))
    note(
        armchair,
        34.5,
        published("strength_graphene_gpa")[0],
        f"graphene, measured {flag('strength_graphene_gpa')}",
        ha="right",
    )
    failure, apart = published("failure_strain_8_8")
    published_level(armchair, 100 * failure, 100 * apart, upright=True)
    note(armchair, 100 * failure, 8, f"failure strain\n{flag('failure_strain_8_8')}", ha="center", va="bottom")
    return figure


def thermoelectric():
    """Draw Seebeck coefficient, power factor and ZT of (10,0) against the chemical potential at 300 K."""
    kelvin, mu = 300.0, np.linspace(-1.0, 1.0, 801)
    tubes = designs(10, 0, 4)
    tubes["isotopes"] = mixed_isotopes(Nanotube(10, 0, 8))
    energies = np.arange(mu[0] - 0.5, mu[-1] + 0.5, 0.0025) + 0.00125  # 0.5 eV are 19 k_B T
    through = np.concatenate([computed(PiTransport(PARAMETERS).transmission([t], energies)) for t in tubes.values()])
    heat_nw_k = PhononTransport(kelvin, 160).predict(list(tubes.values()))["thermal_conductance_nw_k"]
    found = coefficients(electron_moments(energies, np.maximum(through, 0.0), mu, kelvin), heat_nw_k, kelvin)
    gap = pristine_gap(tubes["pristine"], PARAMETERS)
    figure, axes = panels(11.5, 4.4, 3)
    shown = (
        (SEEBECK_UV_K, 1e-3, "Seebeck coefficient, mV/K"),
        (POWER_FACTOR_PW_K2, 1.0, "power factor, pW/K²"),
        (ZT, 1.0, "figure of merit ZT"),
    )
    for panel, (prop, scale, title) in zip(axes, shown, strict=True):
        for name, curve in zip(tubes, scale * found[prop.key], strict=True):
            panel.plot(mu, curve, color=DESIGN_COLOURS[name], linewidth=1.5, zorder=3 if name == "pristine" else 2)
        panel.set(xlim=(-1, 1), xlabel="chemical potential, eV")
        panel_title(panel, title)
    for row, name in enumerate(tubes):
        seebeck, merit = found[SEEBECK_UV_K.key][row], found[ZT.key][row]
        best = merit.argmax()
        print(
            f"{name}: S up to {np.abs(seebeck).max():.0f} µV/K, ZT {merit[best]:.3f} at {mu[best]:+.3f} eV, "
            f"{heat_nw_k[row]:.2f} nW/K"
        )
    seebeck, power, merit = axes
    limit = 1e3 * gap / 2 / kelvin  # mV/K
    _, error = published("goldsmid_sharp_ratio")
    for sign in (-1, 1):
        published_level(seebeck, sign * limit, error * limit)
    note(seebeck, 0.97, limit, f"gap/2eT {flag('goldsmid_sharp_ratio')}", ha="right")
    edge, _ = published("seebeck_step_edge_uv_k")
    at_edge = np.interp(gap / 2, mu, found[SEEBECK_UV_K.key][0])
    print(f"gap {gap:.4f} eV, gap/2eT {1000 * limit:.0f} µV/K; S at the band edge {at_edge:.1f} µV/K")
    for sign in (-1, 1):
        published_point(seebeck, sign * gap / 2, -sign * edge / 1000)
    note(
        seebeck,
        gap / 2 + 0.02,
        -0.35,
        f"band edge:\n2 ln 2 k$_B$/e {flag('seebeck_step_edge_uv_k')}",
        ha="left",
        va="top",
    )
    zt, spread = published("zt_max_zigzag")
    published_level(merit, zt, spread)
    note(merit, 0, zt, f"largest of (n,0): about 0.2 {flag('zt_max_zigzag')}", ha="center")
    power.set_ylim(bottom=0)
    merit.set_ylim(0, 0.34)
    names = {"isotopes": "half ¹³C, 3.4 nm"}
    name_below(figure, [(names.get(name, name), DESIGN_COLOURS[name]) for name in tubes])
    return figure


FIGURES = (dispersion, vibrations, electrons, curvature, strain, phonons, heat, tension, thermoelectric)


@dataclass(frozen=True)
class Settings:
    """The settings of the figures."""

    figures: tuple[str, ...] = tuple(figure.__name__ for figure in FIGURES)


def main():
    study = Study.from_command_line("physics-figures", __doc__, Settings(), Settings(("electrons", "curvature")))
    for draw in FIGURES:
        if draw.__name__ in study.settings.figures:
            figure = draw()
            study.picture(f"physics/{draw.__name__}.png", lambda path, figure=figure: save(figure, path))


if __name__ == "__main__":
    main()
