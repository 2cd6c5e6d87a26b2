"""The second opinion on formation energies."""

import sys

import pytest
from ase.calculators.emt import EMT

from matgym.errors import MissingExtraError
from matgym.models import Level
from matgym.physics import predict
from matgym.physics.cache import Remembered
from matgym.physics.mechanics import sevennet
from matgym.physics.mechanics.formation import phase_ev
from matgym.physics.mechanics.sevennet import SevenNetFormation
from matgym.physics.registry import Conditions, oracle_of
from matgym.structures import Nanotube

NITROGEN = Nanotube(10, 0, 2).decorated({0: "N"})
PBE_GRAPHENE_EV = -9.22  # PBE with the Materials Project's pseudopotentials, graphite (mp-48); flag M
PBE_EV = 0.03  # of a trained potential, an atom
DFT_NITROGEN_EV = (0.3, 1.0)  # one N in a tube, density functionals; flag M


def test_the_level_is_chosen_by_name():
    at = Conditions(chemical_potentials_ev={"B": "alpha-B"})
    oracle = oracle_of("formation", at, level="machine-learned")
    assert type(oracle) is SevenNetFormation
    assert oracle.references == {"B": "alpha-B"}
    assert oracle_of("formation", level=Level.MACHINE_LEARNED).references == {"N": "N2"}
    assert SevenNetFormation(chemical_potentials_ev={"C": "graphite"}).references == {"N": "N2", "C": "graphite"}
    assert Remembered(oracle).level is Level.MACHINE_LEARNED
    assert "0x" not in repr(oracle)


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sevenn", None)
    monkeypatch.setitem(sys.modules, "sevenn.calculator", None)
    sevennet.sevennet.cache_clear()
    with pytest.raises(MissingExtraError, match=r"matgym\[sevennet\]"):
        predict([NITROGEN], ["formation"], level="machine-learned")


def test_a_calculator_is_made_once(monkeypatch):
    class Module:
        SevenNetCalculator = staticmethod(lambda _name, **_options: EMT())

    monkeypatch.setitem(sys.modules, "sevenn", Module)
    monkeypatch.setitem(sys.modules, "sevenn.calculator", Module)
    sevennet.sevennet.cache_clear()
    assert sevennet.sevennet() is sevennet.sevennet()
    sevennet.sevennet.cache_clear()


@pytest.mark.long
def test_energies_are_on_the_scale_of_pbe():
    """About four minutes of one core, if the extra is installed."""
    pytest.importorskip("sevenn")
    assert phase_ev("graphite", sevennet.sevennet) == pytest.approx(PBE_GRAPHENE_EV, abs=PBE_EV)
    low, high = DFT_NITROGEN_EV
    assert low < SevenNetFormation().predict([NITROGEN])["formation_ev"][0] < high
