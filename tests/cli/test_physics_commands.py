"""`matgym oracle evaluate`, `oracle list` and `export`, as people and programs call them."""

import csv
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from matgym.cli import app, main
from matgym.errors import ConfigurationError, PropertyError
from matgym.structures import Nanotube
from matgym.structures.io import write


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("MATGYM_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(app, list(words), catch_exceptions=False)


def test_properties_of_files_as_json_with_units_in_their_keys(run):
    write("metal.cif", Nanotube(5, 5, 2))
    height = Nanotube(8, 0, 4).positions_angstrom[:, 2]
    cut = {int(i): "vacancy" for i in np.flatnonzero((height > 7.0) & (height < 9.2))}
    write("cut.extxyz", Nanotube(8, 0, 4).decorated(cut))
    words = ("oracle", "evaluate", "metal.cif", "cut.extxyz", "--properties")
    result = run(*words, "gap,conductance,thermal_conductance,zt", "--json")
    metal, broken = json.loads(result.stdout)
    assert metal["gap_ev"] == pytest.approx(0.0, abs=1e-6)
    assert metal["conductance_us"] == pytest.approx(154.96, abs=0.01)
    assert 2.5 < metal["thermal_conductance_nw_k"] < 3.5
    assert 0.0 <= metal["zt"] < 0.1
    assert metal["failures"] == {}
    keys = ("gap_ev", "conductance_us", "thermal_conductance_nw_k", "zt")
    assert all(broken[key] is None for key in keys)
    assert all("cut the tube in two" in broken["failures"][key] for key in keys)


def test_temperature_and_chemical_potential_are_passed_on(run):
    write("tube.extxyz", Nanotube(10, 0, 1))

    def conductance(*more):
        out = run("oracle", "evaluate", "tube.extxyz", "--properties", "conductance", "--json", *more)
        return json.loads(out.stdout)[0]["conductance_us"]

    cold, warm, doped = conductance(), conductance("--temperature", "900"), conductance("--mu", "0.6")
    assert cold < 1e-3 * warm < 1e-3 * doped < 0.2


@pytest.mark.usefixtures("run")
def test_what_cannot_be_asked_is_one_sentence(monkeypatch, capsys):
    write("tube.extxyz", Nanotube(10, 0, 1))
    monkeypatch.setattr("sys.argv", ["matgym", "oracle", "evaluate", "tube.extxyz", "--properties", "gpa"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    assert "did you mean 'gap'" in capsys.readouterr().err


def test_levels_are_chosen_and_said(run):
    write("doped.extxyz", Nanotube(8, 0, 2).decorated({0: "B", 20: "N"}))
    words = ("oracle", "evaluate", "doped.extxyz", "--properties", "gap")
    (low,), (high,) = (json.loads(run(*words, *more, "--json").stdout) for more in ((), ("--level", "scc-pi")))
    assert low["levels"] == {"gap_ev": "π tight binding"}
    assert high["levels"] == {"gap_ev": "self-consistent π tight binding"}
    assert low["gap_ev"] != pytest.approx(high["gap_ev"], abs=0.01)
    assert "gap_ev: by self-consistent π tight binding (scc-pi)" in run(*words, "--level", "scc-pi").stdout
    with pytest.raises(PropertyError, match="no oracle computes 'gap' by level='dft'; give one of 'pi', 'scc-pi'"):
        run(*words, "--level", "dft")


def test_the_chemical_potential_is_chosen_and_said(run):
    write("doped.extxyz", Nanotube(8, 0, 2).decorated({0: "N"}))
    words = ("oracle", "evaluate", "doped.extxyz", "--properties", "conductance")
    (leads,), (own,) = (json.loads(run(*words, *more, "--json").stdout) for more in ((), ("--mu", "tube")))
    assert own["conductance_us"] > 1e3 * leads["conductance_us"]
    assert "see mu_ev='tube' (--mu tube)" in leads["notes"]["conductance_us"]
    assert "at which the tube itself is neutral" in own["notes"]["conductance_us"]
    header, row = csv.reader(run(*words, "--mu", "tube", "--csv").stdout.splitlines())
    assert "at which the tube itself is neutral" in dict(zip(header, row, strict=True))["notes"]
    for wrong in ("gate", "nan"):
        with pytest.raises(ConfigurationError, match="mu_ev="):
            run(*words, "--mu", wrong)


def test_references_of_formation_energies_are_options(run):
    write("doped.extxyz", Nanotube(8, 0, 2).decorated({0: "N"}))
    words = ("oracle", "evaluate", "doped.extxyz", "--properties", "formation")
    (plain,) = json.loads(run(*words, "--json").stdout)
    assert "--chemical-potential N=N2" in plain["failures"]["formation_ev"]
    given = [["N=-8.0"], ["N=-7.0"], ["N=N2", "C=graphite"], ["N=N2,C=graphite"]]
    energies = []
    for texts in given:
        options = [word for text in texts for word in ("--chemical-potential", text)]
        energies.append(json.loads(run(*words, *options, "--json").stdout)[0]["formation_ev"])
    assert energies[0] - energies[1] == pytest.approx(1.0, abs=1e-9)
    assert energies[2] == energies[3]
    for wrong, sentence in (("N", "'N' is no chemical potential"), ("N=N3", "is no known phase: give h-BN or N2")):
        with pytest.raises(ConfigurationError, match=sentence):
            run(*words, "--chemical-potential", wrong)


def test_every_property_is_listed(run):
    rows = json.loads(run("oracle", "list", "--json").stdout)
    assert {"gap", "conductance", "thermal_conductance", "zt", "young", "formation"} <= {row["name"] for row in rows}
    assert all(row["key"].startswith(row["name"]) for row in rows)
    levels = {row["name"]: [level["level"] for level in row["levels"]] for row in rows}
    assert levels["gap"] == ["pi", "scc-pi", "xtb"]
    assert levels["formation"] == ["classical", "xtb", "machine-learned"]
    for level in (level for row in rows for level in row["levels"]):
        assert level["validity"]
        assert level["seconds"] > 0.0


@pytest.mark.parametrize(("to", "file"), [("lammps", "in.lammps"), ("ovito", None), ("vesta", None)])
def test_export_says_what_it_wrote(run, tmp_path, to, file):
    found = json.loads(run("export", "(8,0)x2", "--to", to, "--output", "out", "--json").stdout)
    assert found["tube"] == "(8,0)x2 nanotube"
    written = [tmp_path / path for path in found["files"]]
    assert all(path.is_file() for path in written)
    assert file is None or file in {path.name for path in written}


@pytest.mark.parametrize(
    "what", ["bands", "dos", "transmission", "kataura", "phonons", "iv", "carriers", "conductance", "seebeck"]
)
def test_pictures_by_one_command(run, tmp_path, what):
    said = json.loads(run("oracle", "plot", "(8,0)", "--what", what, "--output", "x.csv", "--json").stdout)
    assert said["what"] == what
    header, *rows = (tmp_path / "x.csv").read_text().splitlines()
    assert header.startswith("series,")
    assert len(rows) > 20


def test_a_picture_of_a_file_is_an_image(run, tmp_path):
    write("doped.extxyz", Nanotube(8, 0, 2).decorated({0: "B", 20: "N"}))
    result = run("oracle", "plot", "doped.extxyz", "--what", "bands", "--output", "x.png")
    assert "π bands" in result.stdout
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "no file for the picture of bands: give --output, such as --output bands.png"),
        (["--output", "x.txt"], "the output x.txt ends in none of .png, .svg, .pdf, .csv"),
        (["--what", "band", "--output", "x.png"], "no picture of 'band': give one of bands, dos"),
    ],
)
def test_a_picture_without_a_place_is_one_sentence(monkeypatch, capsys, words, sentence):
    monkeypatch.setattr("sys.argv", ["matgym", "oracle", "plot", "(8,0)", *words])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    assert sentence in capsys.readouterr().err
