"""Seebeck coefficient, power factor and ZT of a decorated tube between pristine leads.

Landauer integrals (`matgym.physics.transport.landauer`) of the electronic and the phonon transmission of one device:

    ZT = S² G T / (κ_e + κ_ph)

at a given chemical potential, or at the chemical potential of the largest ZT. Electrons and phonons do not scatter from
each other in this model. The result is therefore the figure of merit of a short, clean device.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from matgym.errors import ConfigurationError, require_within
from matgym.models import Cost, Level, Model, Predictions, Property, Space
from matgym.physics.electrons.conductance import Landauer, PiTransport
from matgym.physics.electrons.neutrality import Potential, potential_note, potentials_of
from matgym.physics.electrons.tight_binding import PiParameters
from matgym.physics.oracles import POTENTIALS_EV, rows_by
from matgym.physics.phonons.conductance import THERMAL_CONDUCTANCE_NW_K, PhononTransport
from matgym.physics.transport.landauer import electron_heat_nw_k, seebeck_uv_k
from matgym.physics.transport.slabs import deformation
from matgym.structures import Nanotube
from matgym.typing import FloatArray
from matgym.units import CONDUCTANCE_QUANTUM_US

SEEBECK_UV_K = Property("seebeck_uv_k", "µV/K", "Seebeck coefficient at the chemical potential", between_leads=True)
POWER_FACTOR_PW_K2 = Property("power_factor_pw_k2", "pW/K²", "S² G at the chemical potential", between_leads=True)
ELECTRON_HEAT_NW_K = Property(
    "electron_thermal_conductance_nw_k", "nW/K", "thermal conductance of the π electrons", between_leads=True
)
STEPS_EV: Final = (1e-6, 1.0)
"""Smallest and largest spacing of chemical potentials, eV. A choice of ours."""

MAX_POTENTIALS: Final = 10_000
"""Most chemical potentials of one search. A choice of ours."""

RELATIVE_TOLERANCE: Final = 0.01
"""Largest estimated error of the moments of the transmission, relative to the largest conductance of the tube at any of
the chemical potentials."""

TIE = 1e-9
"""Relative difference of ZT below which two values count as equal, since it may be a rounding error."""

MU_EV = Property(
    "mu_ev",
    "eV",
    "chemical potential that was taken, on the scale where carbon's orbital is at zero",
    between_leads=True,
)
ZT = Property("zt", "1", "thermoelectric figure of merit S² G T / (κ_e + κ_ph)", between_leads=True)


@dataclass(frozen=True)
class Thermoelectric(Model):
    """The oracle of thermoelectric coefficients.

    Attributes:
        parameters: parameters of the π model.
        temperature_k: temperature of the leads, K.
        mu_ev: chemical potential, eV, or "leads" or "tube", whose neutrality sets it: see
            `matgym.physics.electrons.neutrality`. None means the chemical potential of the largest ZT within
            `mu_range_ev`; if two have the same ZT, the lower one.
        mu_range_ev: lowest and highest chemical potential of this search, eV.
        step_ev: spacing of the chemical potentials of this search, eV.
        frequencies: number of frequencies, as in `PhononTransport`.
        phonons: model that predicts the thermal conductance of the phonons instead of `PhononTransport`.
        electrons: model of the transmission of the electrons instead of `PiTransport`; its `parameters` replace those
            given here, and its temperature and chemical potential are not used.
    """

    parameters: PiParameters = field(default_factory=PiParameters)
    temperature_k: float = 300.0
    mu_ev: Potential | None = None
    mu_range_ev: tuple[float, float] = (-1.0, 1.0)
    step_ev: float = 0.01
    frequencies: int = 128
    phonons: Model | None = None
    electrons: Landauer | None = None

    def __post_init__(self) -> None:
        low, high = self.mu_range_ev
        require_within(*POTENTIALS_EV, lowest_mu_ev=low, highest_mu_ev=high)
        if not low <= high:
            raise ConfigurationError(f"mu_range_ev={self.mu_range_ev} must be (lowest, highest)")
        require_within(*STEPS_EV, step_ev=self.step_ev)
        if (high - low) / self.step_ev > MAX_POTENTIALS:
            raise ConfigurationError(
                f"mu_range_ev={self.mu_range_ev} holds more than {MAX_POTENTIALS:,} chemical potentials at step_ev="
                f"{self.step_ev:g}: give a narrower range or a larger step_ev"
            )
        # The constructors of both check these settings.
        replace(self._electrons, mu_ev=0.0 if self.mu_ev is None else self.mu_ev)
        PhononTransport(self.temperature_k, self.frequencies)

    properties = (SEEBECK_UV_K, POWER_FACTOR_PW_K2, ELECTRON_HEAT_NW_K, MU_EV, ZT)
    validity = (
        "short clean devices: electrons and phonons of one copy between pristine leads, without scattering of either"
    )

    @property
    def level(self) -> Level:
        """Level of the electrons, if they are given; the phonons are classical."""
        return Level.PI_CLASSICAL if self.electrons is None else self.electrons.level

    @property
    def cost(self) -> Cost:
        """Cost, measured on one core of an AMD EPYC server with a doped tube, which is relaxed for its phonons."""
        phonons, electrons = self._phonons.cost, self._electrons.cost
        seconds = sum(part.seconds for part in (phonons, electrons) if part)
        return Cost(seconds=0.01 + seconds, sites=128, exponent=1.0)

    def unsupported(self, space: Space) -> str:
        """Return why no tube of a design space can be computed, or an empty string if one can.

        All tubes may be too thin for the π model, or outside the domain of the model of the phonons.
        """
        return self._electrons.unsupported(space) or self._phonons.unsupported(space)

    def predict(self, tubes: Sequence[Nanotube], /) -> Predictions:
        """Return the thermoelectric coefficients of each tube.

        Returns:
            Predictions with `seebeck_uv_k`, `power_factor_pw_k2`, `electron_thermal_conductance_nw_k`, `mu_ev` and
            `zt`, each of shape (B,); tubes whose electrons or phonons fail hold NaN and the reason in `failures`. A
            note tells which chemical potential was taken.
        """
        transport = self._electrons
        phonons = self._phonons.predict(tubes)
        lattice_heat = phonons[THERMAL_CONDUCTANCE_NW_K]
        values = {prop.key: np.full(len(tubes), np.nan) for prop in self.properties}
        failures, notes = dict(phonons.reasons), dict[int, str]()
        asked: Potential = "leads" if self.mu_ev is None else self.mu_ev
        given, failed = potentials_of(tubes, asked, transport.carbon, self.temperature_k)
        failures |= failed
        sound = [row for row in range(len(tubes)) if row not in failed]
        for group in rows_by((deformation(tubes[row]), given[row]) for row in sound):
            rows = [sound[i] for i in group]
            mu = self._searched() if self.mu_ev is None else given[rows[:1]]
            if reason := transport.carbon.outside(tubes[rows[0]]):
                failures |= {row: transport.carbon.outside(tubes[row]) or reason for row in rows}
                continue
            electrons, failed = transport.sampled([tubes[row] for row in rows], mu, 2, np.inf, RELATIVE_TOLERANCE)
            curves = coefficients(electrons.moments(mu, self.temperature_k), lattice_heat[rows], self.temperature_k)
            zt = np.nan_to_num(curves[ZT.key], nan=-1.0)
            # Electrons and holes of a symmetric tube give the same ZT; rounding must not decide the Seebeck sign.
            best = np.argmax(zt >= zt.max(axis=1, keepdims=True) * (1.0 - TIE), axis=1)
            for key, curve in (curves | {MU_EV.key: np.broadcast_to(mu, (len(rows), len(mu)))}).items():
                values[key][rows] = curve[np.arange(len(rows)), best]
            failures |= {rows[i]: reason for i, reason in failed.items()}
            for row in rows:
                taken = float(values[MU_EV.key][row])
                note = potential_note(tubes[row], asked, taken) if self.mu_ev is not None else _best_note(taken)
                if note and row not in failures:
                    notes[row] = note
        for column in values.values():
            column[list(failures)] = np.nan
        return Predictions.together(values, failures, notes)

    @property
    def _electrons(self) -> Landauer:
        if self.electrons is None:
            return PiTransport(self.parameters, self.temperature_k)
        return replace(self.electrons, temperature_k=self.temperature_k)

    @property
    def _phonons(self) -> Model:
        return self.phonons or PhononTransport(self.temperature_k, self.frequencies)

    def _searched(self) -> FloatArray:
        """Return the (M,) chemical potentials of the search, eV."""
        low, high = self.mu_range_ev
        return np.linspace(low, high, round((high - low) / self.step_ev) + 1)


def _best_note(mu_ev: float) -> str:
    return f"at μ = {round(mu_ev, 4) + 0.0:g} eV, that of the largest ZT"


def coefficients(
    moments: tuple[FloatArray, FloatArray, FloatArray],
    lattice_heat_nw_k: FloatArray,
    temperature_k: float,
) -> dict[str, FloatArray]:
    """Return the thermoelectric coefficients at chemical potentials, (B, M) each, by property key.

    Args:
        moments: moments of the transmission of the electrons, (B, M) each, from `electron_moments`.
        lattice_heat_nw_k: (B,) thermal conductance of the phonons, nW/K.
        temperature_k: temperature of the leads, K.
    """
    zeroth, first, second = moments
    zeroth = np.maximum(
        zeroth, np.finfo(float).tiny
    )  # avoids a division by zero where no current flows; the power is then zero
    conductance = CONDUCTANCE_QUANTUM_US * zeroth
    seebeck = seebeck_uv_k(zeroth, first, temperature_k)
    heat = electron_heat_nw_k(zeroth, first, second, temperature_k)
    power = 1e-6 * conductance * seebeck**2  # µS (µV/K)² = 10⁻¹⁸ W/K²
    merit = 1e-3 * power * temperature_k / (heat + lattice_heat_nw_k[:, None])  # pW over nW
    return {SEEBECK_UV_K.key: seebeck, POWER_FACTOR_PW_K2.key: power, ELECTRON_HEAT_NW_K.key: heat, ZT.key: merit}
