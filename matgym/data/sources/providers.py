"""Providers of OPTIMADE interfaces: addresses, licences, and fields that hold properties.

The addresses are those of the list of providers of the consortium (https://providers.optimade.org), as pymatgen 2026
has them. Fields of providers are no part of the standard: a field that a provider no longer has is empty, which `fetch`
says. Values that JARVIS has not computed are "na" or -99999.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from matgym.data.columns import UNKNOWN_LICENCE
from matgym.data.sources.properties import Field


@dataclass(frozen=True)
class Provider:
    """A provider.

    Attributes:
        url: address of its interface, without the version.
        licence: licence of its data, where its interface does not say it.
        fields: where it holds properties.
    """

    url: str
    licence: str = UNKNOWN_LICENCE
    fields: Mapping[str, Field] = field(default_factory=dict)


_MP: Final = "_mp_stability.gga_gga+u_r2scan"
_MIXED: Final = "PBE, PBE+U and r2SCAN, mixed (GGA_GGA+U_R2SCAN)"
_MISSING: Final = (-99999.0,)


def _alexandria(functional: str) -> Mapping[str, Field]:
    return {
        "band_gap": Field("_alexandria_band_gap", method=functional),
        "formation_energy": Field("_alexandria_formation_energy_per_atom", method=functional),
        "energy_above_hull": Field("_alexandria_hull_distance", method=functional),
    }


PROVIDERS: Final[Mapping[str, Provider]] = {
    "mp": Provider(
        "https://optimade.materialsproject.org",
        "CC-BY-4.0",
        {
            "formation_energy": Field(f"{_MP}.formation_energy_per_atom", method=_MIXED),
            "energy_above_hull": Field(f"{_MP}.energy_above_hull", method=_MIXED),
        },
    ),
    "nomad": Provider("https://nomad-lab.eu/prod/rae/optimade", "CC-BY-4.0"),
    "alexandria": Provider("https://alexandria.icams.rub.de/pbe", "CC-BY-4.0", _alexandria("PBE")),
    "alexandria-pbesol": Provider("https://alexandria.icams.rub.de/pbesol", "CC-BY-4.0", _alexandria("PBEsol")),
    "oqmd": Provider(
        "https://oqmd.org/optimade",
        "CC-BY-4.0",
        {
            "band_gap": Field("_oqmd_band_gap", method="PBE"),
            "formation_energy": Field("_oqmd_delta_e", method="PBE, PBE+U"),
            "energy_above_hull": Field(
                "_oqmd_stability", method="PBE, PBE+U; from the hull of the other phases: negative below it"
            ),
        },
    ),
    "cod": Provider("https://www.crystallography.net/cod/optimade", "CC0-1.0"),
    "jarvis": Provider(
        "https://jarvis.nist.gov/optimade/jarvisdft",
        "see https://www.nist.gov/open/license",
        {
            "band_gap": Field("_jarvis_optb88vdw_bandgap", method="OptB88vdW", missing=_MISSING),
            "formation_energy": Field("_jarvis_formation_energy_peratom", method="OptB88vdW", missing=_MISSING),
            "energy_above_hull": Field("_jarvis_ehull", method="OptB88vdW", missing=_MISSING),
            "exfoliation_energy": Field(
                "_jarvis_exfoliation_energy", factor=1e-3, method="OptB88vdW", missing=_MISSING
            ),  # meV/atom there
            "bulk_modulus": Field("_jarvis_bulk_modulus_kv", method="OptB88vdW, Voigt", missing=_MISSING),
            "shear_modulus": Field("_jarvis_shear_modulus_gv", method="OptB88vdW, Voigt", missing=_MISSING),
        },
    ),
    "aflow": Provider("https://aflow.org/API/optimade", "see https://aflow.org"),
}
"""The providers that have a name here. Any other one is asked by its address."""
