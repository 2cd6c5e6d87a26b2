"""Reference energies of tables: formation energies against pymatgen's PhaseDiagram, and for tubes by one's own engine.

The engine is the Tersoff potential, as a calculator that names a method of its own.
"""

import json

import numpy as np
import pyarrow as pa
import pytest
from ase.build import bulk, graphene
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.core import Composition
from typer.testing import CliRunner

from matgym.cli import app
from matgym.data.phases import EnergyTable, read_energies
from matgym.data.sources import Fetched, Query, source_of
from matgym.errors import ConfigurationError, DatasetError, RelaxationError
from matgym.physics import TERSOFF_BNC, Conditions, FormationEnergy, oracle_of
from matgym.physics.mechanics.formation import boron_nitride_ev, phase_ev
from matgym.physics.mechanics.references import Phase, PhaseEnergies, alpha_boron, nitrogen_molecule
from matgym.physics.xtb.oracle import XtbElectrons
from matgym.structures import Nanotube
from matgym.structures.io import write as write_tube

METHOD = "my Tersoff"
WITH_N = Nanotube(8, 0, 2).decorated({0: "N"})
WITH_B = Nanotube(8, 0, 2).decorated({0: "B"})
PAIR = Nanotube(8, 0, 2).decorated({0: "N", 40: "B"})

ENERGIES = {
    "graphene": (graphene(vacuum=8.0), -9.2), "diamond": (bulk("C", "diamond", a=3.567), -9.1),
    "boron": (alpha_boron(), -6.7), "nitrogen": (nitrogen_molecule(1.1, 9.0), -8.3),
    "bn": (graphene("BN", a=2.504, vacuum=8.0), -8.8), "zinc-blende": (bulk("BN", "zincblende", a=3.615), -8.7),
    "bc": (bulk("BC", "zincblende", a=3.6), -7.4),
    "cn": (bulk("CN", "zincblende", a=3.5), -8.5), "sic": (bulk("SiC", "zincblende", a=4.36), -7.5),
}  # fmt: skip
"""Structures with invented energies, eV per atom; silicon has no phase of its own."""


def table(folder, energies, method="PBE"):
    """Return the fetched table of structures with energies, eV per atom, as `matgym data fetch files` makes it."""
    frames = folder / f"frames-{method}"
    frames.mkdir(parents=True)
    for name, (atoms, energy) in energies.items():
        held = atoms.copy()
        held.pbc = True
        held.info["formation_energy"] = 0.25
        held.calc = SinglePointCalculator(held, energy=energy * len(held))
        write(frames / f"{name}.extxyz", held)
    fetched = source_of("files", path=frames, method=method).fetch(Query(properties=("energy", "formation_energy")))
    fetched.save(folder / f"{method}.parquet", force=True)
    return folder / f"{method}.parquet"


def entries(held):
    return [
        PDEntry(Composition(counts), energy * sum(counts.values()))
        for counts, energy in zip(map(dict, held.counts), held.energies_ev, strict=True)
    ]


def test_formation_and_hull_energies_are_those_of_pymatgen(tmp_path):
    held = read_energies(table(tmp_path, ENERGIES))
    known = [entry for entry in entries(held) if "Si" not in entry.composition]
    diagram = PhaseDiagram(known)
    found = held.formation_ev(held.references())
    for row, entry in enumerate(entries(held)):
        if "Si" in entry.composition:  # which has no reference
            assert np.isnan([found[row], held.above_hull_ev[row]]).all()
            continue
        assert found[row] == pytest.approx(diagram.get_form_energy_per_atom(entry), abs=1e-12)
        assert held.above_hull_ev[row] == pytest.approx(diagram.get_e_above_hull(entry), abs=1e-12)
    by_name = {name.partition(".")[0]: value for name, value in zip(held.ids, found, strict=True)}
    assert by_name["bn"] == pytest.approx(-8.8 + (6.7 + 8.3) / 2.0)
    assert by_name["diamond"] == pytest.approx(0.1)


@pytest.mark.parametrize(("condition", "boron"), [("elements", -6.7), ("N-rich", -9.3), ("B-rich", -6.7)])
def test_conditions_fix_boron_and_nitrogen(tmp_path, condition, boron):
    held = read_energies(table(tmp_path, ENERGIES))
    potentials = held.references(condition).potentials_ev("PBE")
    assert potentials["B"] == pytest.approx(boron)
    if condition != "elements":
        assert potentials["B"] + potentials["N"] == pytest.approx(2.0 * -8.8)  # boron nitride is in equilibrium
    balanced = held.references("balanced").potentials_ev("PBE")
    rich = [held.references(each).potentials_ev("PBE") for each in ("N-rich", "B-rich")]
    assert balanced["N"] == pytest.approx((rich[0]["N"] + rich[1]["N"]) / 2.0)
    with pytest.raises(ConfigurationError, match="condition='C-rich': choose from elements, N-rich, B-rich, balanced"):
        held.references("C-rich")


def test_boron_nitride_stands_for_phases_that_are_missing(tmp_path):
    def without(*names):
        kept = {name: each for name, each in ENERGIES.items() if name not in names}
        return read_energies(table(tmp_path / "-".join(names), kept))

    whole = read_energies(table(tmp_path, ENERGIES))
    gas_only = without("boron")
    expected = whole.formation_ev(whole.references("N-rich"))
    at = [whole.ids.index(name) for name in gas_only.ids]
    np.testing.assert_allclose(gas_only.formation_ev(gas_only.references()), expected[at], atol=1e-12)
    with pytest.raises(ConfigurationError, match=r"'B-rich' needs a phase of B, and PBE.parquet has none by PBE"):
        gas_only.formation_ev(gas_only.references("B-rich"))
    neither = without("boron", "nitrogen")
    found = dict(zip(neither.ids, neither.formation_ev(neither.references()), strict=True))
    named = {name.partition(".")[0]: value for name, value in found.items()}
    assert named["zinc-blende"] == pytest.approx(0.1)  # above the sheet, whose sum is known
    assert np.isnan([named["cn"], named["bc"]]).all()


def test_methods_are_never_mixed(tmp_path):
    """Two tables in one: each row has the references of its own method."""
    shifted = {name: (atoms, energy - 1.0) for name, (atoms, energy) in ENERGIES.items()}
    parts = [Fetched.load(table(tmp_path, energies, by)) for by, energies in (("PBE", ENERGIES), ("SCAN", shifted))]
    both = EnergyTable.of(Fetched(pa.concat_tables([part.table for part in parts]), (), parts[0].provenance))
    found = both.formation_ev(both.references())
    np.testing.assert_allclose(*np.split(found, 2), atol=1e-12)
    np.testing.assert_allclose(*np.split(both.above_hull_ev, 2), atol=1e-12)
    assert set(both.references().phases) == {"PBE", "SCAN"}
    only = EnergyTable.of(parts[0]).references()
    assert np.isnan(both.formation_ev(only)[len(ENERGIES) :]).all()


def test_energies_without_a_method_or_a_unit_are_an_error(tmp_path):
    nameless = Fetched.load(table(tmp_path, ENERGIES, ""))
    with pytest.raises(DatasetError, match=r"9 energies of the table name no method.*\(--method\)"):
        EnergyTable.of(nameless)
    assert set(EnergyTable.of(nameless, method="PBE").methods) == {"PBE"}
    bare = source_of("files", path=tmp_path / "frames-").fetch(Query())
    with pytest.raises(DatasetError, match="has no 'energy'"):
        EnergyTable.of(bare)


def test_energies_of_cells_are_an_error(tmp_path):
    """Graphene has 2 atoms and diamond 8; the energies in the table are those of the cells."""
    cells = (graphene(vacuum=8.0), bulk("C", "diamond", a=3.567, cubic=True))
    energies = [(each, factor * energy) for each, energy, factor in zip(cells, (-9.2, -9.1), (2.0, 8.0), strict=True)]
    path = table(tmp_path, dict(zip("ab", energies, strict=True)))
    with pytest.raises(
        DatasetError, match=r"energy of b\.extxyz, 1 and of a\.extxyz, 1 .* look like energies of cells"
    ):
        read_energies(path)


def mine():
    return TERSOFF_BNC()


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A table of phases by the Tersoff potential, from LAMMPS by ASE, at the geometries of least energy."""
    energies = {
        "graphene": (graphene(a=2.46, vacuum=8.0), phase_ev("graphite", TERSOFF_BNC)),
        "nitrogen": (nitrogen_molecule(1.11, 9.0), phase_ev("N2", TERSOFF_BNC)),
        "bn": (graphene("BN", a=2.5, vacuum=8.0), boron_nitride_ev(TERSOFF_BNC) / 2.0),
    }
    return table(tmp_path_factory.mktemp("own"), energies, METHOD)


def test_tubes_by_an_engine_of_ones_own_take_references_of_its_method(own):
    references = read_energies(own).references()
    found = FormationEnergy(mine, references, method=METHOD).predict([WITH_N, PAIR, WITH_B])
    named = FormationEnergy(mine, {"C": "graphite", "N": "N2"}).predict([WITH_N, PAIR, WITH_B])  # by the same potential
    np.testing.assert_allclose(found["formation_ev"], named["formation_ev"], atol=1e-6)
    assert f"chemical potentials by {METHOD} of {own.name}" in found.notes["formation_ev"][0]
    rich = FormationEnergy(mine, read_energies(own).references("N-rich"), method=METHOD).predict([WITH_B])
    np.testing.assert_allclose(rich["formation_ev"], found["formation_ev"][2:], atol=1e-6)


def test_energies_of_another_method_are_refused_before_anything_is_computed(own):
    references = read_energies(own).references()
    said = f"of {own.name} are by {METHOD}, and formation energies are computed by .*: give energies of phases by the"
    for made in (
        lambda: FormationEnergy(mine, references, method="PBE"),
        lambda: FormationEnergy(EMT, references),  # which has no name
        lambda: FormationEnergy(chemical_potentials_ev=references),
        lambda: XtbElectrons(chemical_potentials_ev=references),
        lambda: oracle_of("formation", Conditions(chemical_potentials_ev=references), level="machine-learned"),
    ):
        with pytest.raises(ConfigurationError, match=said):
            made()
    with pytest.raises(ConfigurationError, match="is that of a potential of your own"):
        FormationEnergy(method="PBE")
    alone = read_energies(own).references("B-rich")
    with pytest.raises(ConfigurationError, match="needs a phase of B"):
        FormationEnergy(mine, alone, method=METHOD)


def test_only_the_sum_is_known_without_phases_of_the_elements():
    pair = boron_nitride_ev(TERSOFF_BNC)
    references = PhaseEnergies("here", {METHOD: {"BN": Phase("BN", pair - 1.0)}})
    found = FormationEnergy(mine, references, method=METHOD).predict([PAIR, WITH_N])
    usual = FormationEnergy(mine).predict([PAIR])
    assert found["formation_ev"][0] == pytest.approx(usual["formation_ev"][0] + 1.0, abs=1e-6)
    assert "no reference for 0 B and 1 N" in found.reasons[1]
    given = FormationEnergy(mine, {"BN": pair - 1.0}).predict([PAIR])
    assert given["formation_ev"][0] == pytest.approx(found["formation_ev"][0], abs=1e-9)


def test_xtb_takes_the_energies_of_a_table_instead_of_its_own():
    phases = {"C": Phase("graphite", -48.0), "N": Phase("N2", -77.0), "BN": Phase("BN", -110.0)}
    references = PhaseEnergies("here", {"GFN1-xTB": phases})
    oracle = XtbElectrons(chemical_potentials_ev=references)
    tube = Nanotube(8, 0, 4)  # long enough to be computed as it is
    decorated = tube.decorated({0: "N", 40: "B", 41: "B"})
    expected = -6000.0 + (tube.n_sites - 3) * 48.0 + 77.0 + 2 * (110.0 - 77.0)
    assert oracle.formation_ev(decorated, -6000.0) == pytest.approx(expected)
    pairs = XtbElectrons(
        chemical_potentials_ev=PhaseEnergies("here", {"GFN1-xTB": {name: phases[name] for name in ("C", "BN")}})
    )
    with pytest.raises(RelaxationError, match="no reference for 2 B and 1 N"):
        pairs.formation_ev(decorated, -6000.0)


def test_the_default_potentials_take_references_by_their_names(tmp_path):
    """Carbon is computed by REBO and doped tubes by Tersoff, each with its own references or none."""
    path = table(tmp_path, {"nitrogen": (nitrogen_molecule(1.11, 9.0), -5.0)}, TERSOFF_BNC.name)
    oracle = FormationEnergy(chemical_potentials_ev=read_energies(path).references())
    found = oracle.predict([WITH_N, Nanotube(8, 0)])
    by_hand = FormationEnergy(chemical_potentials_ev={"N": -5.0}).predict([WITH_N])
    assert found["formation_ev"][0] == pytest.approx(by_hand["formation_ev"][0], abs=1e-9)
    assert "are computed by REBO" in found.reasons[1]


def test_the_commands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = table(tmp_path, {"nitrogen": (nitrogen_molecule(1.11, 9.0), -5.0)}, TERSOFF_BNC.name)
    write_tube("doped.extxyz", WITH_N)

    def run(*words):
        return CliRunner().invoke(app, [*words], catch_exceptions=False).stdout

    words = ("oracle", "evaluate", "doped.extxyz", "--properties", "formation", "--json")
    by_table, by_number = (
        json.loads(run(*words, *more))[0]["formation_ev"]
        for more in (("--references", path.name), ("--chemical-potential", "N=-5.0"))
    )
    assert by_table == pytest.approx(by_number, abs=1e-9)
    with pytest.raises(ConfigurationError, match="give one of them"):
        run(*words, "--references", path.name, "--chemical-potential", "N=N2")
    with pytest.raises(ConfigurationError, match="computed by GFN1-xTB"):
        run(*words, "--references", path.name, "--level", "xtb")
    table(tmp_path, ENERGIES)
    said = json.loads(run("data", "energies", "PBE.parquet", "--condition", "N-rich", "--json"))
    assert {each["of"]: each["energy_ev"] for each in said["references"]} == pytest.approx(
        {"B": -6.7, "BN": -17.6, "C": -9.2, "N": -8.3}
    )
    rows = {row["id"].partition(".")[0]: row for row in said["rows"]}
    assert rows["bn"]["formation_ev"] == pytest.approx(0.0, abs=1e-12)
    assert rows["sic"]["formation_ev"] is rows["sic"]["above_hull_ev"] is None
    shown = run("data", "energies", "PBE.parquet")
    assert "N2" in shown
    assert "8 of these differ by 0.25 eV/atom in the median, and by 1.55 at most" in shown  # 0.25 and -1.3 of BN
