"""Which neutrality sets the chemical potential of a tube between leads.

`"leads"` is the chemical potential of neutral pristine leads, the zero of energies, as a long undoped tube fixes it.
`"tube"` is that at which the tube itself, repeated, is neutral at the temperature, as for a tube that is the whole
device. A number is a chemical potential that a gate sets, eV.
"""

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias, get_args

import numpy as np

from matgym.errors import ConfigurationError, StructureError, require_within
from matgym.physics.electrons.tight_binding import EMPTY_SITE_EV, PiParameters, dense_bytes, stacked
from matgym.physics.oracles import POTENTIALS_EV, one_thread
from matgym.physics.transport.landauer import THERMAL_REACH
from matgym.structures import Nanotube, Species
from matgym.structures.memory import check_memory
from matgym.typing import FloatArray
from matgym.units import BOLTZMANN_EV_K

PHASES: Final = 48
"""Wave vectors in half the Brillouin zone at which states are counted."""

Neutrality: TypeAlias = Literal["leads", "tube"]
"""Whose neutrality sets the chemical potential."""

Potential: TypeAlias = Neutrality | float
"""A neutrality, or a chemical potential, eV."""


def check_potential(name: str, value: Potential) -> None:
    """Check that a value is a neutrality or a chemical potential in range.

    Args:
        name: name of the setting, for the message.
        value: the value.

    Raises:
        ConfigurationError: if it is not.
    """
    if not isinstance(value, str):
        require_within(*POTENTIALS_EV, **{name: value})
    elif value not in get_args(Neutrality):
        raise ConfigurationError(f"{name}={value!r} must be 'leads', 'tube' or a chemical potential in eV")


def mu_of(tube: Nanotube, potential: Potential, parameters: PiParameters, temperature_k: float) -> float:
    """Return the chemical potential of a tube, eV.

    Args:
        tube: tube between leads.
        potential: neutrality or chemical potential, eV.
        parameters: parameters of the π model.
        temperature_k: temperature, K.

    Raises:
        StructureError: if the tube is too large for this, or has no chemical potential.
    """
    if potential == "leads":
        return 0.0
    if potential == "tube":
        return neutral_ev(tube, parameters, temperature_k)
    return float(potential)


def potentials_of(
    tubes: Sequence[Nanotube], potential: Potential, parameters: PiParameters, temperature_k: float
) -> tuple[FloatArray, dict[int, str]]:
    """Return the (B,) chemical potentials of tubes, eV, and the reasons of those without one by row.

    A tube that the π model does not support has none, and its reason is that of the model.
    """
    if potential != "tube":
        return np.full(len(tubes), 0.0 if potential == "leads" else float(potential)), {}
    found, failures = np.full(len(tubes), np.nan), dict[int, str]()
    for row, tube in enumerate(tubes):
        if reason := parameters.outside(tube):
            failures[row] = reason
            continue
        try:
            found[row] = neutral_ev(tube, parameters, temperature_k)
        except StructureError as error:
            failures[row] = str(error)
    return found, failures


def neutral_ev(tube: Nanotube, parameters: PiParameters, temperature_k: float) -> float:
    """Return the chemical potential at which the repeated tube is neutral, eV.

    Raises:
        StructureError: if the tube is too large for this, or all of its states are filled or none is.
    """
    from scipy.optimize import brentq

    if tube.is_carbon and not tube.stone_wales:
        return 0.0  # bands of carbon are symmetric
    states, electrons = occupied_states(tube, parameters)
    thermal = BOLTZMANN_EV_K * temperature_k

    def excess(mu: float) -> float:
        return float(2.0 * fermi((states - mu) / thermal).sum() / PHASES - electrons)

    low, high = states.min() - THERMAL_REACH * thermal, states.max() + THERMAL_REACH * thermal
    if not 0 < electrons < 2 * len(states) / PHASES:
        raise StructureError(f"{tube}: {electrons} π electrons fill all states or none, which sets no potential")
    return float(brentq(excess, low, high, xtol=1e-10))


def occupied_states(tube: Nanotube, parameters: PiParameters) -> tuple[FloatArray, int]:
    """Return the energies of states, eV, at `PHASES` wave vectors, and the electrons of the neutral cell.

    Raises:
        StructureError: if the tube is too large for this.
    """
    check_memory(f"{tube}: its states", dense_bytes(tube) + 16 * PHASES * tube.n_sites)
    (system,) = stacked([tube], parameters)
    thetas = (np.arange(PHASES) + 0.5) * np.pi / PHASES
    with one_thread():
        states = np.concatenate([np.linalg.eigvalsh(system.bloch(np.array([theta])))[0] for theta in thetas])
    return states[states < EMPTY_SITE_EV / 2.0], int(system.electrons[0])


def potential_note(tube: Nanotube, potential: Potential, mu_ev: float) -> str:
    """Return what must be known about the chemical potential of a value; empty if there is only one to choose.

    Args:
        tube: tube between leads.
        potential: neutrality or chemical potential, eV, that was asked for.
        mu_ev: chemical potential that was taken, eV.
    """
    if potential == "tube":
        return f"at μ = {round(mu_ev, 4) + 0.0:.4f} eV, at which the tube itself is neutral"
    if potential == "leads":
        if not (extra := tube.counts[Species.N] - tube.counts[Species.B]):
            return ""
        what = f"{abs(extra)} π electron{'s' * (abs(extra) > 1)} {'more' if extra > 0 else 'fewer'} than carbon"
        return f"at μ = 0 eV, of neutral leads, though the tube brings {what}: see mu_ev='tube' (--mu tube)"
    return f"at the given μ = {mu_ev:g} eV"


def fermi(x: FloatArray) -> FloatArray:
    """Return 1/(1 + exp x), without overflow."""
    return np.asarray(0.5 - 0.5 * np.tanh(x / 2.0))
