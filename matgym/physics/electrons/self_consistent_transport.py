"""Transmission and conductance of a tube between leads in the potential of its own charges.

The device is the tube with pristine cells at both ends, whose potentials go over into those of the leads; see
`SelfConsistentElectrons.between_leads`. Everything else is Landauer's formula as in the π model.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from matgym.errors import ConfigurationError, require_within
from matgym.models import Cost, Level
from matgym.physics.electrons.conductance import Device, Landauer
from matgym.physics.electrons.self_consistent import (
    LEAD_ANGSTROM,
    LENGTHS_ANGSTROM,
    ChargesBetweenLeads,
    SelfConsistentElectrons,
    SelfConsistentParameters,
)
from matgym.physics.electrons.tight_binding import PiParameters
from matgym.structures import Nanotube


@dataclass(frozen=True)
class SelfConsistentTransport(Landauer):
    """The oracle of the transmission and the conductance of the self-consistent π electrons.

    Attributes:
        parameters: parameters of the self-consistent π model.
        temperature_k: temperature of the leads, K; the charges are those of `self_consistent.TEMPERATURE_K`.
        mu_ev: chemical potential, eV, on the scale where carbon's orbital is at zero, which is the middle of the bands
            of neutral leads; "leads" means zero. The charges are those of the neutral tube whatever it is.
        tolerance_us: largest estimated error of the conductance, µS; see `PiTransport`.
        lead_angstrom: length of pristine tube between the tube and the leads without potentials, Å.
        charges: what knows the potentials of the charges, such as `matgym.surrogates.load("nanotube-gap")`, which is
            faster; None for self-consistent ones.
    """

    parameters: SelfConsistentParameters = field(default_factory=SelfConsistentParameters)
    lead_angstrom: float = LEAD_ANGSTROM
    charges: ChargesBetweenLeads | None = None

    level = Level.SCC_PI
    validity = "one copy of an unrelaxed tube of 0.6 nm or wider between pristine leads; coherent; charges without bias"
    cost = Cost(seconds=3.0, sites=128, exponent=2.0)
    """Cost, estimated from 2.0 CPU seconds of a tube of 80 sites; most of it is that of the charges."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mu_ev == "tube":
            raise ConfigurationError(
                'mu_ev="tube" is not computed in the potential of charges: give "leads", a number, or the π level'
            )
        require_within(*LENGTHS_ANGSTROM, lead_angstrom=self.lead_angstrom)

    @property
    def carbon(self) -> PiParameters:
        """Parameters of the π model of the leads."""
        return self.parameters.carbon

    def devices(self, tubes: Sequence[Nanotube]) -> tuple[list[Device | None], dict[int, str]]:
        """Return the device of each tube, with cells of the leads at both ends, in the potential of its charges."""
        charges = self.charges or SelfConsistentElectrons(self.parameters, lead_angstrom=self.lead_angstrom)
        found, failures = charges.between_leads(tubes)
        onsite, ratios = self.parameters.bare.onsite_table(), self.parameters.ratio_table()
        devices: list[Device | None] = [None] * len(tubes)
        for row, (longer, potentials) in found.items():
            devices[row] = Device(
                longer, onsite[longer.species] + self.parameters.shifts_ev(longer) + potentials, ratios
            )
        return devices, failures
