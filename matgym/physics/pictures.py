"""Pictures of a tube's physics: bands, density of states, transmission, optical transitions, phonons, current.

Carriers, conductance and Seebeck coefficient are curves against the chemical potential.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np

from matgym.errors import ConfigurationError, StructureError
from matgym.physics.electrons.bands import PiElectrons, pristine_gap
from matgym.physics.electrons.bias import Bias, Response
from matgym.physics.electrons.conductance import PiTransport
from matgym.physics.electrons.kataura import RELATIONS
from matgym.physics.electrons.optics import SYMBOLS, transition_energies
from matgym.physics.electrons.tight_binding import (
    EMPTY_SITE_EV,
    PiParameters,
    dense_bytes,
    pristine_bands,
    stacked,
)
from matgym.physics.oracles import one_thread
from matgym.physics.phonons.force_constants import OMEGA_CM
from matgym.physics.phonons.named_modes import NAMES, named_modes
from matgym.physics.phonons.vibrations import Vibrations
from matgym.structures import Nanotube
from matgym.structures.memory import check_memory
from matgym.typing import FloatArray
from matgym.viz.curves import Picture, Series, Style

WINDOW_EV: Final = 2.5
"""Energies on either side of zero in pictures of bands, states and transmission, eV: flat bands are at 2.7 eV."""

BAND_PHASES: Final = 121
"""Wave vectors of a picture of electronic bands."""

PHONON_PHASES: Final = 41
"""Wave vectors of a picture of phonon bands."""

TRANSMISSION_POINTS: Final = 1200
"""Energies of a picture of the transmission; even, so that zero is not among them."""

DOS_POINTS: Final = 1201
DOS_BROADENING_EV: Final = 0.02
PRISTINE_DOS_PHASES: Final = 1200

MAX_BIAS_V: Final = 1.0
"""Largest bias of a picture of the current, V."""

MU_RANGE_EV: Final = 1.0
"""Largest chemical potential of a curve against it, eV."""

MU_POINTS: Final = 401

KATAURA_NM: Final = (0.6, 1.7)
"""Diameters of the tubes in a Kataura plot, nm."""

KATAURA_EV: Final = (0.4, 3.5)
"""Energies of a Kataura plot, eV."""

_LONGEST: Final = 20  # n of the widest tube that a Kataura plot may hold
_GAPLESS_EV: Final = 1e-4
_SAME_EV: Final = 5e-3  # two chemical potentials whose currents are one curve
_SHORT_RELATION: Final = "air"
_KATAURA_STYLES: Final[Mapping[str, Style]] = MappingProxyType(
    {"tight binding": "faint", "semiconducting": "points", "metallic": "points"}
)
_MU_LABEL: Final = "chemical potential μ relative to neutral leads, eV"
_LABELS: Final = {"rbm": "RBM", "zo": "ZO", "g_minus": "G⁻", "g_plus": "G⁺"}


def picture(tube: Nanotube, what: str, temperature_k: float = 300.0) -> Picture:
    """Return a picture of a tube's physics.

    Args:
        tube: any tube that the model supports.
        what: name in `PICTURES`.
        temperature_k: temperature of the leads for the current and for curves against the chemical potential, K.

    Raises:
        ConfigurationError: if there is no picture of that name.
        StructureError: if the model does not support the tube.
    """
    if what not in PICTURES:
        raise ConfigurationError(f"no picture of {what!r}: give one of {', '.join(PICTURES)}")
    return PICTURES[what](tube, temperature_k)


def _bands(tube: Nanotube, _kelvin: float) -> Picture:
    parameters = _inside(tube)
    thetas = np.linspace(0.0, np.pi, BAND_PHASES)
    if tube.is_carbon and not tube.stone_wales:
        unit = Nanotube(tube.n, tube.m, strain=tube.strain, torsion=tube.torsion)
        upper = pristine_bands(unit, thetas, parameters)
        bands, middle, gap = np.concatenate([-upper, upper]), 0.0, pristine_gap(unit, parameters)
        cell = "a translational cell"
    else:
        bands = _states(tube, parameters, thetas).T
        found = PiElectrons(parameters).predict([tube])
        if found.reasons:
            raise StructureError(found.reasons[0])
        middle, gap = float(found["fermi_ev"][0]), float(found["gap_ev"][0])
        cell = "the repeated tube"
    low, high = middle - WINDOW_EV, middle + WINDOW_EV
    kept = bands[(bands.max(axis=1) > low) & (bands.min(axis=1) < high)]
    return Picture(
        f"{_name(tube)}: π bands, gap {gap:.3f} eV" if gap > _GAPLESS_EV else f"{_name(tube)}: π bands, no gap",
        f"wave vector kL/π of {cell}",
        "energy, eV",
        tuple(Series("π bands", thetas / np.pi, band, "levels") for band in kept),
        (0.0, 1.0),
        (low, high),
        ((f"E_F {round(middle, 2) + 0.0:.2f}", middle),),
        "π tight binding; zero is carbon's orbital",
    )


def _dos(tube: Nanotube, _kelvin: float) -> Picture:
    parameters = _inside(tube)
    energies = np.linspace(-WINDOW_EV, WINDOW_EV, DOS_POINTS)
    if tube.is_carbon and not tube.stone_wales:
        unit = Nanotube(tube.n, tube.m, strain=tube.strain, torsion=tube.torsion)
        thetas = (np.arange(PRISTINE_DOS_PHASES) + 0.5) * np.pi / PRISTINE_DOS_PHASES
        upper = pristine_bands(unit, thetas, parameters).ravel()
        near = upper[upper < WINDOW_EV + 10.0 * DOS_BROADENING_EV]
        density = _smoothed(np.concatenate([-near, near]), energies) * 2.0 / PRISTINE_DOS_PHASES / unit.n_sites
    else:
        density = PiElectrons(parameters).density_of_states(tube, energies, DOS_BROADENING_EV) / tube.n_sites
    return Picture(
        f"{_name(tube)}: density of π states",
        "energy, eV",
        "states per eV and site, both spins",
        (Series("density of states", energies, density),),
        (-WINDOW_EV, WINDOW_EV),
        (0.0, 1.08 * float(density.max())),
        note=f"π tight binding, broadened by {1e3 * DOS_BROADENING_EV:.0f} meV; zero is carbon's orbital",
    )


def _transmission(tube: Nanotube, _kelvin: float) -> Picture:
    parameters = _inside(tube)
    half = WINDOW_EV / TRANSMISSION_POINTS
    energies = np.linspace(-WINDOW_EV + half, WINDOW_EV - half, TRANSMISSION_POINTS)
    pristine = Nanotube(tube.n, tube.m, strain=tube.strain, torsion=tube.torsion)
    series = []
    styles: tuple[tuple[str, Nanotube, Style], ...] = (
        ("pristine tube", pristine, "reference"),
        (_name(tube), tube, "line"),
    )
    for name, device, style in styles:
        through, failures = PiTransport(parameters).transmission([device], energies)
        if failures:
            raise StructureError(failures[0])
        series.append(Series(name, energies, np.maximum(through[0], 0.0), style))
    shown = series if not tube.is_carbon or tube.stone_wales else series[1:]
    return Picture(
        f"{_name(tube)}: transmission between pristine leads",
        "energy, eV",
        "transmission of one spin",
        tuple(shown),
        (-WINDOW_EV, WINDOW_EV),
        (0.0, 1.08 * max(float(one.y.max()) for one in series)),
        note="π tight binding, one copy of the tube between pristine leads; zero is their neutrality",
    )


def _kataura(tube: Nanotube, _kelvin: float) -> Picture:
    parameters = PiParameters()
    relation = RELATIONS[_SHORT_RELATION]
    points: dict[str, list[tuple[float, float]]] = {name: [] for name in _KATAURA_STYLES}
    for n in range(1, _LONGEST + 1):
        for m in range(n + 1):
            one = Nanotube(n, m)
            diameter = one.lattice.diameter_nm
            if not KATAURA_NM[0] <= diameter <= KATAURA_NM[1]:
                continue
            points["tight binding"] += [(diameter, e) for e in transition_energies(one, parameters).values()]
            kind = "semiconducting" if (n - m) % 3 else "metallic"
            points[kind] += [(diameter, e) for e in relation.energies_ev(n, m).values()]
    series = []
    for name, style in _KATAURA_STYLES.items():
        diameters, energies = np.array(points[name]).T
        series.append(Series(name, diameters, energies, style))
    own = relation.energies_ev(tube.n, tube.m)
    inside = {name: energy for name, energy in own.items() if KATAURA_EV[0] <= energy <= KATAURA_EV[1]}
    diameter, name = tube.lattice.diameter_nm, f"({tube.n},{tube.m})"
    series.append(Series(name, np.full(len(inside), diameter), np.array(list(inside.values())), "chosen"))
    return Picture(
        f"Kataura plot with {name}",
        "diameter, nm",
        "optical transition, eV",
        tuple(series),
        (min(KATAURA_NM[0], diameter - 0.05), max(KATAURA_NM[1], diameter + 0.05)),
        KATAURA_EV,
        tuple((f"{SYMBOLS[transition]} {energy:.2f}", energy) for transition, energy in inside.items()),
        "colours: empirical relation for tubes in air; grey: tight binding, which is without excitons",
    )


def _phonons(tube: Nanotube, _kelvin: float) -> Picture:
    thetas = np.linspace(0.0, np.pi, PHONON_PHASES)
    plain = tube.is_pristine
    shown = Nanotube(tube.n, tube.m, strain=tube.strain, torsion=tube.torsion) if plain else tube
    bands = OMEGA_CM * Vibrations().bands(shown, thetas).T
    marks: tuple[tuple[str, float], ...] = ()
    if plain:
        named = named_modes(tube)
        marks = tuple((f"{_LABELS[name]} {named[name].frequency_cm:.0f}", named[name].frequency_cm) for name in NAMES)
    return Picture(
        f"{_name(tube)}: phonons",
        f"wave vector kL/π of {'a translational cell' if plain else 'the repeated tube'}",
        "frequency, cm⁻¹",
        tuple(Series("phonon bands", thetas / np.pi, band, "levels") for band in bands),
        (0.0, 1.0),
        (min(0.0, 1.1 * float(bands.min())), 1.05 * float(bands.max())),
        marks,
        "Tersoff's potential: acoustic branches hold, optical ones are too high (G by 7 %)",
    )


def _current(tube: Nanotube, kelvin: float) -> Picture:
    parameters = _inside(tube)
    voltages = np.linspace(-MAX_BIAS_V, MAX_BIAS_V, 81)
    leads = Bias(parameters, kelvin)
    series = [Series("μ of the leads", voltages, leads.current_ua(tube, voltages))]
    own = Bias(parameters, kelvin, neutrality="tube")
    if not tube.is_carbon and abs(own.mu_ev(tube)) > _SAME_EV:
        series.append(
            Series(f"μ of the neutral tube, {own.mu_ev(tube):+.2f} eV", voltages, own.current_ua(tube, voltages))
        )
    return Picture(
        f"{_name(tube)}: current against bias at {kelvin:g} K",
        "bias, V",
        "current, µA",
        tuple(series),
        (-MAX_BIAS_V, MAX_BIAS_V),
        note="Landauer integral of the π electrons' transmission at zero bias; no potential drop in the tube",
    )


def _carriers(tube: Nanotube, kelvin: float) -> Picture:
    mu = np.linspace(-MU_RANGE_EV, MU_RANGE_EV, MU_POINTS)
    excess = Bias(_inside(tube), kelvin).excess_electrons(tube, mu)
    low, high = float(excess.min()), float(excess.max())
    room = 0.05 * max(high - low, 1e-3)
    return Picture(
        f"{_name(tube)}: electrons beyond neutrality at {kelvin:g} K",
        _MU_LABEL,
        "excess electrons, 1/nm",
        (Series("n(μ)", mu, excess),),
        (-MU_RANGE_EV, MU_RANGE_EV),
        (low - room, high + room),
        (("neutral tube", 0.0),),
        f"π electrons of the repeated tube; {_neutral_note(tube, kelvin)}",
    )


def _conductance(tube: Nanotube, kelvin: float) -> Picture:
    mu, found = _response(tube, kelvin)
    return Picture(
        f"{_name(tube)}: conductance at {kelvin:g} K",
        _MU_LABEL,
        "conductance, µS",
        (Series("G(μ)", mu, found.conductance_us[0]),),
        (-MU_RANGE_EV, MU_RANGE_EV),
        (0.0, 1.08 * max(float(found.conductance_us.max()), 1.0)),
        note=f"π electrons, one copy between pristine leads; {_neutral_note(tube, kelvin)}",
    )


def _seebeck(tube: Nanotube, kelvin: float) -> Picture:
    mu, found = _response(tube, kelvin)
    (seebeck,) = found.seebeck_uv_k
    flows = np.isfinite(seebeck)
    most = 1.08 * max(float(np.abs(seebeck[flows]).max(initial=0.0)), 1.0)
    return Picture(
        f"{_name(tube)}: Seebeck coefficient at {kelvin:g} K",
        _MU_LABEL,
        "Seebeck coefficient, µV/K",
        (Series("S(μ)", mu[flows], seebeck[flows]),),
        (-MU_RANGE_EV, MU_RANGE_EV),
        (-most, most),
        note=f"π electrons, one copy between pristine leads; {_neutral_note(tube, kelvin)}",
    )


def _response(tube: Nanotube, kelvin: float) -> tuple[FloatArray, Response]:
    mu = np.linspace(-MU_RANGE_EV, MU_RANGE_EV, MU_POINTS)
    found = Bias(_inside(tube), kelvin).response([tube], mu)
    if found.failures:
        raise StructureError(found.failures[0])
    return mu, found


def _neutral_note(tube: Nanotube, kelvin: float) -> str:
    own = Bias(_inside(tube), kelvin, neutrality="tube").mu_ev(tube)
    return f"μ = 0 is neutrality of the leads, and μ = {round(own, 3) + 0.0:g} eV that of the tube"


PICTURES: Final[Mapping[str, Callable[[Nanotube, float], Picture]]] = MappingProxyType(
    {
        "bands": _bands,
        "dos": _dos,
        "transmission": _transmission,
        "kataura": _kataura,
        "phonons": _phonons,
        "iv": _current,
        "carriers": _carriers,
        "conductance": _conductance,
        "seebeck": _seebeck,
    }
)
"""How each picture is made, by name."""


def _inside(tube: Nanotube) -> PiParameters:
    parameters = PiParameters()
    if reason := parameters.outside(tube):
        raise StructureError(reason)
    return parameters


def _states(tube: Nanotube, parameters: PiParameters, thetas: FloatArray) -> FloatArray:
    """Return the (K, bands) energies of a decorated tube, eV."""
    check_memory(f"{tube}: its bands", dense_bytes(tube))
    (system,) = stacked([tube], parameters)
    with one_thread():
        states = np.stack([np.linalg.eigvalsh(system.bloch(np.array([theta])))[0] for theta in thetas])
    return states[:, states[0] < EMPTY_SITE_EV / 2.0]


def _smoothed(levels: FloatArray, energies: FloatArray) -> FloatArray:
    """Return the density of levels, Gaussian, at energies on an even grid, 1/eV."""
    step = (energies[1] - energies[0]) / 4.0
    fine = np.arange(energies[0] - 10.0 * DOS_BROADENING_EV, energies[-1] + 10.0 * DOS_BROADENING_EV, step)
    counts, _ = np.histogram(levels, np.append(fine, fine[-1] + step) - step / 2.0)
    away = np.arange(-8.0 * DOS_BROADENING_EV, 8.0 * DOS_BROADENING_EV + step / 2.0, step)
    kernel = np.exp(-0.5 * (away / DOS_BROADENING_EV) ** 2) / (DOS_BROADENING_EV * np.sqrt(2.0 * np.pi))
    return np.asarray(np.interp(energies, fine, np.convolve(counts, kernel, mode="same")))


def _name(tube: Nanotube) -> str:
    return str(tube).replace(" nanotube", "")
