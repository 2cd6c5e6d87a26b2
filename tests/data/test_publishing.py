"""Tables as structures with values, held to the models of OPTIMADE, to pymatgen's formulas and to files read again."""

import json
import zipfile
from dataclasses import replace
from io import BytesIO

import pytest
import yaml
from published_tables import GAPS, TUBES, crystal_table, tube_table
from typer.testing import CliRunner

from matgym.cli import app
from matgym.data import Dataset
from matgym.data.publishing import published, write_nomad_archive
from matgym.data.publishing.nomad import nomad_unit
from matgym.data.publishing.optimade import field_name, optimade_fields, provider_fields
from matgym.errors import ConfigurationError, DatasetError
from matgym.models import _SUFFIXES, unit_of
from matgym.structures import Nanotube
from matgym.structures.io import read


@pytest.fixture
def tubes(tmp_path):
    tube_table(tmp_path / "tubes.parquet")
    return published(tmp_path / "tubes.parquet")


@pytest.fixture
def crystals(tmp_path):
    crystal_table(tmp_path / "crystals.parquet")
    return published(tmp_path / "crystals.parquet")


def test_rows_that_cannot_be_published_are_kept_out_with_the_reason(tubes, crystals):
    assert [entry.tube for entry in tubes.entries] == list(TUBES[:5])
    assert list(tubes.rejected) == [5]
    assert "has no period along its axis" in tubes.rejected[5]
    assert [entry.id for entry in crystals.entries] == ["a-1", "a-2"]
    assert "a cell of 0 Å³" in crystals.rejected[2]
    assert crystals.licence == "CC-BY-4.0"


def test_every_entry_is_valid_by_the_models_of_optimade(tubes, crystals):
    models = pytest.importorskip("optimade.models")
    for entry in (*tubes.entries, *crystals.entries):
        fields = optimade_fields(entry)
        resource = models.StructureResource(
            id=fields["id"], type="structures", attributes={k: v for k, v in fields.items() if k != "id"}
        )
        assert resource.attributes.nsites == len(entry.sites)


def test_formulas_are_those_of_pymatgen(tubes, crystals):
    composition = pytest.importorskip("pymatgen.core").Composition
    for entry in (*tubes.entries, *crystals.entries):
        fields = optimade_fields(entry)
        whole = composition(fields["chemical_formula_hill"])
        reduced = {str(element): int(n) for element, n in whole.reduced_composition.items()}
        assert fields["chemical_formula_reduced"] == "".join(
            f"{element}{'' if reduced[element] == 1 else reduced[element]}" for element in sorted(reduced)
        )
        assert fields["elements_ratios"] == pytest.approx([whole.get_atomic_fraction(e) for e in fields["elements"]])
        assert fields["chemical_formula_hill"] == whole.hill_formula.replace(" ", "")


def test_anonymous_formulas_are_those_of_optimade(tubes, crystals):
    anonymize = pytest.importorskip("optimade.models.utils").anonymize_formula
    for entry in (*tubes.entries, *crystals.entries):
        fields = optimade_fields(entry)
        assert fields["chemical_formula_anonymous"] == anonymize(fields["chemical_formula_reduced"])


def test_a_tube_is_periodic_along_the_third_vector(tubes):
    for entry, tube in zip(tubes.entries, TUBES, strict=False):
        fields = optimade_fields(entry)
        assert fields["dimension_types"] == [0, 0, 1]
        assert fields["lattice_vectors"][2] == pytest.approx([0.0, 0.0, tube.length_angstrom])


def test_isotopes_are_species_with_their_masses(tubes):
    fields = optimade_fields(tubes.entries[3])
    masses = {each["name"]: each["mass"][0] for each in fields["species"]}
    assert masses == pytest.approx({"13C": 13.003355, "C": 12.0, "14C": 14.003242}, abs=0.05)
    assert fields["species_at_sites"].count("13C") == fields["species_at_sites"].count("14C") == 1
    assert fields["elements"] == ["C"]


def test_atoms_in_one_place_are_one_site_with_a_vacant_share(crystals):
    fields = optimade_fields(crystals.entries[1])
    assert fields["nsites"] == 2
    mixed, full = fields["species"]
    assert mixed["chemical_symbols"] == ["Li", "Na", "vacancy"]
    assert mixed["concentration"] == pytest.approx([0.5, 0.25, 0.25])
    assert full["chemical_symbols"] == ["Cl"]
    assert fields["structure_features"] == ["disorder"]
    assert fields["chemical_formula_reduced"] == "Cl4Li2Na"


def test_a_tube_can_be_made_again_from_the_fields_of_the_provider(tubes):
    for entry, tube in zip(tubes.entries, TUBES, strict=False):
        fields = {name.removeprefix("_matgym_"): value for name, value in optimade_fields(entry).items()}
        empty = Nanotube(fields["n"], fields["m"], fields["cells"], strain=fields["strain"])
        held = {i: name for i, name in enumerate(entry.values["species"]) if name != "12C"}
        assert empty.decorated(held) == tube


def test_fields_are_declared_with_units_and_descriptions(tubes, crystals):
    declared = {field["name"]: field for table in (tubes, crystals) for field in provider_fields(table.columns)}
    assert declared["_matgym_gap_ev"]["unit"] == declared["_matgym_band_gap"]["unit"] == "eV"
    assert declared["_matgym_band_gap"]["description"] == "band gap of the provider"
    assert "π" in declared["_matgym_gap_ev"]["description"]
    assert declared["_matgym_n"]["type"] == "integer"
    given = {name for entry in (*tubes.entries, *crystals.entries) for name in optimade_fields(entry)}
    assert {name for name in given if name.startswith("_")} == set(declared)
    assert all(field["description"] for field in declared.values())


def test_two_columns_of_one_field_are_said():
    from matgym.data.columns import Column

    assert field_name("A b") == field_name("a.b") == "_matgym_a_b"
    with pytest.raises(DatasetError, match=r"columns A b, a\.b would all be the field _matgym_a_b"):
        provider_fields([Column("A b", "float"), Column("a.b", "float")])


def test_a_table_without_structures_is_said(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"x": [1.0]}), tmp_path / "x.parquet")
    with pytest.raises(DatasetError, match=r"x\.parquet: it holds no structures"):
        published(tmp_path / "x.parquet")
    with pytest.raises(DatasetError, match="there is no table nothing: give a Parquet file, or one of the shipped"):
        published("nothing")


def test_saved_columns_say_unit_and_description(tmp_path):
    import pyarrow.parquet as pq

    tube_table(tmp_path / "tubes.parquet")
    field = pq.read_schema(tmp_path / "tubes.parquet").field("gap_ev")
    assert field.metadata[b"unit"] == b"eV"
    again = Dataset.load(tmp_path / "tubes.parquet")
    assert list(again.batch) == list(TUBES)
    assert again.values("gap_ev") == pytest.approx(GAPS, nan_ok=True)
    assert again.failures("gap_ev") == {2: "the bands do not converge"}


def test_units_are_told_by_the_ends_of_keys():
    assert {unit: unit_of(f"x{suffix}") for unit, suffix in _SUFFIXES.items()} == {unit: unit for unit in _SUFFIXES}


# ---- NOMAD


@pytest.fixture
def archive(tubes, tmp_path):
    names = write_nomad_archive(
        tmp_path / "nomad.zip", tubes, licence="CC-BY-4.0", references=["https://doi.org/10.1000/1"]
    )
    packed = zipfile.ZipFile(tmp_path / "nomad.zip")
    assert packed.testzip() is None
    assert packed.namelist() == names
    return {name: packed.read(name) for name in names}


def test_an_archive_has_an_entry_for_each_structure(archive, tubes):
    upload = yaml.safe_load(archive["nomad.yaml"])
    assert upload["references"][0] == "https://doi.org/10.1000/1"
    assert "CC-BY-4.0" in upload["comment"]
    entries = [json.loads(text) for name, text in archive.items() if name.endswith(".archive.json")]
    assert len(entries) == len(tubes.entries)
    assert [entry["data"]["name"] for entry in entries] == [str(tube) for tube in TUBES[:5]]


def test_an_entry_defines_every_quantity_that_it_holds(archive):
    for name, text in archive.items():
        if not name.endswith(".archive.json"):
            continue
        entry = json.loads(text)
        section = entry["definitions"]["sections"][entry["data"]["m_def"]]
        assert section["base_sections"] == ["nomad.datamodel.data.EntryData"]
        assert set(entry["data"]) - {"m_def", "computed"} == set(section["quantities"])
        assert all(quantity["description"] for quantity in section["quantities"].values())
        computed = entry["definitions"]["sections"]["Computed"]["quantities"]
        assert all(set(row) <= set(computed) for row in entry["data"]["computed"])


def test_each_value_says_which_model_at_which_level_gave_it(archive):
    entries = [json.loads(text) for name, text in archive.items() if name.endswith(".archive.json")]
    (first,) = entries[0]["data"]["computed"]
    assert first["quantity"] == "gap_ev"
    assert first["level"] == "π tight binding"
    assert first["model"].startswith("PiElectrons(")
    (failed,) = entries[2]["data"]["computed"]
    assert failed["failure"] == "the bands do not converge"
    assert "gap_ev" not in entries[2]["data"]


def test_structure_files_of_an_archive_are_the_tubes(archive, tubes, tmp_path):
    for entry, tube in zip(tubes.entries, TUBES, strict=False):
        for ending in ("extxyz", "cif"):
            path = tmp_path / f"{entry.id}.{ending}"
            path.write_bytes(archive[f"{entry.id}/structure.{ending}"])
            again = read(path)
            assert (again.n, again.m, again.cells) == (tube.n, tube.m, tube.cells)
            assert sorted(again.counts.values()) == sorted(tube.counts.values()) or ending == "cif"  # no isotopes


def test_identifiers_of_others_stay_within_the_archive(crystals, tmp_path):
    """A zip must not name folders outside of it, nor lose an entry to another of the same name."""
    renamed = [replace(crystals.entries[0], id=name) for name in ("../../a", "a/b", "a:b", "x" * 300)]
    names = write_nomad_archive(tmp_path / "a.zip", replace(crystals, entries=tuple(renamed)))
    folders = {name.partition("/")[0] for name in names if "/" in name}
    assert len(folders) == len(renamed)
    assert not [name for name in names if ".." in name or name.count("/") > 1]


def test_values_that_are_not_finite_are_none(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    crystal_table(tmp_path / "c.parquet")
    table = pq.read_table(tmp_path / "c.parquet").append_column("odd", pa.array([float("nan"), float("inf"), 1.0]))
    pq.write_table(table, tmp_path / "c.parquet")
    assert [entry.values["odd"] for entry in published(tmp_path / "c.parquet").entries] == [None, None]


def test_the_same_table_is_the_same_archive(tubes, tmp_path):
    for name in ("a.zip", "b.zip"):
        write_nomad_archive(tmp_path / name, tubes)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_a_reference_that_is_no_url_is_said(tubes, tmp_path):
    with pytest.raises(ConfigurationError, match="reference 'mine' is no URL"):
        write_nomad_archive(tmp_path / "a.zip", tubes, references=["mine"])


def test_units_of_an_archive_are_those_of_pint():
    registry = pytest.importorskip("pint").UnitRegistry()
    for unit in (*_SUFFIXES, "eV/atom", "Å"):
        if text := nomad_unit(unit):
            assert registry.parse_units(text)
    assert nomad_unit("µV/K") == "microvolt/K"


def test_a_structure_file_is_exported_with_values_that_physics_computes(tmp_path):
    from matgym.structures.io import write

    write(tmp_path / "tube.cif", TUBES[1].strained(0.0))
    line = ["export", str(tmp_path / "tube.cif"), "--to", "nomad", "--properties", "gap", "--output", str(tmp_path)]
    called = CliRunner().invoke(app, [*line, "--licence", "CC-BY-4.0", "--json"])
    assert called.exit_code == 0, called.output
    told = json.loads(called.stdout)
    assert told["entries"] == 1
    with zipfile.ZipFile(BytesIO((tmp_path / "nomad.zip").read_bytes())) as packed:
        (name,) = [name for name in packed.namelist() if name.endswith(".archive.json")]
        entry = json.loads(packed.read(name))
    from matgym.physics.registry import judge_of

    judge = judge_of("gap")
    assert entry["data"]["gap_ev"] == pytest.approx(judge.predict([TUBES[1].strained(0.0)])["gap_ev"][0])
    assert entry["data"]["computed"][0]["level"] == judge.level


def test_options_for_nomad_have_no_effect_elsewhere(tmp_path):
    called = CliRunner().invoke(app, ["export", "(8,0)x1", "--to", "vesta", "--licence", "MIT"])
    assert "--licence MIT has no effect with --to vesta" in str(called.exception)
    tube_table(tmp_path / "t.parquet")
    called = CliRunner().invoke(
        app, ["export", str(tmp_path / "t.parquet"), "--to", "nomad", "--properties", "gap", "--output", str(tmp_path)]
    )
    assert "--properties gap has no effect on" in str(called.exception)
