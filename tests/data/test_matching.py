"""Whether a structure is known: tubes and layers in tables, in disguise, against others that only look like them."""

import json

import numpy as np
import pytest
from ase import Atoms
from ase.build import graphene, make_supercell, mx2
from ase.build import nanotube as ase_nanotube
from ase.io import write
from typer.testing import CliRunner

from matgym.cli import app
from matgym.data import Dataset, are_same
from matgym.data.known import nearest_known, read_known
from matgym.data.sources import Query, source_of
from matgym.errors import ConfigurationError, DatasetError
from matgym.models import Predictions
from matgym.physics import GAP_EV, PiElectrons
from matgym.structures import Crystal, Nanotube, Sheet
from matgym.structures.io import write as write_tube
from matgym.structures.io.convert import to_atoms
from scripts.studies.data.served import server

NOISE_ANGSTROM = 0.02
RIGHT_ANGLED = ((1, 0, 0), (0, 1, 0), (0, 0, 3))
SKEWED = ((1, 0, 1), (0, 1, 0), (1, 0, 2))

DOPED = Nanotube(8, 0, 2).decorated({0: "B", 40: "N"})
ELSEWHERE = Nanotube(8, 0, 2).decorated({0: "B", 41: "N"})
MOLYBDENUM = Sheet.of(mx2("MoS2", vacuum=10.0))


def crystal(tube):
    atoms = to_atoms(tube)
    atoms.pbc = True
    return Crystal.of(atoms)


def disguised(tube, rng, cells=RIGHT_ANGLED):
    """Return a tube turned about its axis, in a larger or skewed cell, rotated, shifted, shuffled, with moved atoms."""
    atoms = tube.to_atoms()
    atoms.rotate(float(rng.uniform(0.0, 360.0)), "z", center="COU")
    atoms = make_supercell(atoms, cells)
    if np.array_equal(cells, RIGHT_ANGLED):
        atoms.cell[0] *= 1.7  # more vacuum
    atoms.rotate(float(rng.uniform(0.0, 360.0)), rng.normal(size=3), rotate_cell=True)
    atoms.positions += rng.uniform(-3.0, 3.0, 3) + rng.normal(0.0, NOISE_ANGSTROM, atoms.positions.shape)
    atoms = atoms[rng.permutation(len(atoms))]
    atoms.wrap()
    return atoms


TUBES = {
    "doped": (crystal(DOPED), crystal(ELSEWHERE), crystal(Nanotube(8, 0, 2).decorated({0: "B"}))),
    "chiral": tuple(crystal(Nanotube(*each)) for each in ((10, 4, 1), (11, 3, 1), (10, 5, 1), (12, 1, 1))),
    "wide": tuple(crystal(Nanotube(*each)) for each in ((20, 0, 1), (21, 0, 1), (19, 0, 1), (12, 12, 1))),
    "MoS2": tuple(MOLYBDENUM.rolled(n, m) for n, m in ((20, 5), (20, 4), (25, 0), (19, 6))),
}
"""A tube, and others that are not the same."""


@pytest.mark.parametrize("name", TUBES)
@pytest.mark.parametrize("cells", [RIGHT_ANGLED, SKEWED])
def test_a_tube_is_the_same_in_any_cell_and_no_other_is(name, cells):
    tube, *others = TUBES[name]
    rng = np.random.default_rng(0)
    found = are_same(tube, [Crystal.of(disguised(tube, rng, cells)), *others])
    assert found.tolist() == [True] + [False] * len(others)


def test_two_and_three_periods_of_a_large_tube_are_the_same():
    """Their common period has more atoms than one crystal may have."""
    tube, other = Nanotube(10, 9, 2), Nanotube(10, 8, 6)
    assert are_same(crystal(tube), [crystal(Nanotube(10, 9, 3)), crystal(other)]).tolist() == [True, False]


def test_tubes_of_other_programs_and_mirror_images_are_the_same():
    by_ase = ase_nanotube(10, 4, length=2, bond=1.42, vacuum=9.0)  # whose code has nothing in common with matgym's
    by_ase.pbc = True
    mirrored = Crystal.of(by_ase)
    mirrored = Crystal(mirrored.cell, mirrored.fractional * [-1.0, 1.0, 1.0], mirrored.numbers, mirrored.occupancies)
    assert are_same(crystal(Nanotube(10, 4)), [Crystal.of(by_ase), mirrored]).all()


def test_a_displaced_atom_counts_from_the_tolerance_on():
    atoms = to_atoms(DOPED)
    atoms.pbc = True
    near, far = atoms.copy(), atoms.copy()
    near.positions[20] += [0.0, 0.0, 0.4]
    far.positions[20] += [0.0, 0.0, 0.6]
    assert are_same(crystal(DOPED), [Crystal.of(near), Crystal.of(far)]).tolist() == [True, False]
    assert are_same(crystal(DOPED), [Crystal.of(far)], 0.8).all()


def test_chains_layers_and_crystals_are_different_kinds():
    chain = Atoms("C2", [[0.0, 0.0, 0.0], [0.0, 0.0, 1.29]], cell=[9.0, 9.0, 2.58], pbc=True)
    thin, wide = (graphene(vacuum=vacuum) for vacuum in (5.0, 20.0))
    thin.pbc = wide.pbc = True
    wide = make_supercell(wide, [[2, 1, 0], [0, 1, 0], [0, 0, 1]])
    wide.cell[2] += wide.cell[0]
    known = [Crystal.of(each) for each in (chain, wide, ase_crystal())]
    assert are_same(Crystal.of(thin), known).tolist() == [False, True, False]
    assert are_same(Crystal.of(chain.repeat((2, 1, 3))[:6]), known).tolist()[1:] == [False, False]
    straight = make_supercell(chain, RIGHT_ANGLED)
    straight.rotate(40.0, (1.0, 1.0, 0.0), rotate_cell=True)
    assert are_same(Crystal.of(straight), known).tolist() == [True, False, False]


def ase_crystal():
    from ase.build import bulk

    return bulk("C", "diamond", a=3.567)


@pytest.fixture
def fetched(tmp_path):
    """A fetched table with the doped tube and an MoS2 tube in disguise, others like them, a layer and a crystal."""
    folder, rng = tmp_path / "frames", np.random.default_rng(1)
    folder.mkdir()
    frames = {
        "doped": disguised(TUBES["doped"][0], rng), "elsewhere": disguised(TUBES["doped"][1], rng),
        "other-chirality": disguised(crystal(Nanotube(7, 1, 1)), rng), "molybdenum": disguised(TUBES["MoS2"][0], rng),
        "layer": graphene(vacuum=8.0), "diamond": ase_crystal(),
    }  # fmt: skip
    for name, atoms in frames.items():
        axis = np.zeros(3, dtype=bool)
        axis[2] = True
        atoms.pbc = {"layer": [True, True, False], "diamond": True}.get(name, axis)
        write(folder / f"{name}.extxyz", atoms)
    path = tmp_path / "fetched.parquet"
    source_of("files", path=folder).fetch(Query()).save(path)
    return path


def test_a_tube_is_found_again_in_a_fetched_table(fetched):
    known, left_out = read_known([fetched])
    assert left_out == {str(fetched): {}}
    assert len(known) == 6
    first, *others = nearest_known(crystal(DOPED), known, 6)
    assert (first.id.partition(".")[0], first.same) == ("doped", True)
    assert not any(each.same for each in others)
    first, *others = nearest_known(TUBES["MoS2"][0], known)
    assert (first.id.partition(".")[0], first.same) == ("molybdenum", True)
    assert not any(each.same for each in nearest_known(crystal(Nanotube(10, 0)), known, 6))
    chains, _ = read_known([fetched], periodic=1)
    assert len(chains) == 4
    with pytest.raises(ConfigurationError, match="no structure has 1 periodic directions"):
        read_known([save_sheets(fetched.parent)], periodic=1)


def save_sheets(folder):
    write(folder / "sheet.extxyz", graphene(vacuum=8.0))
    source_of("files", path=folder / "sheet.extxyz").fetch(Query()).save(folder / "sheets.parquet")
    return folder / "sheets.parquet"


def test_the_command_says_which_row_is_the_design(fetched, tmp_path, monkeypatch):
    monkeypatch.chdir(fetched.parent)
    write_tube("design.cif", DOPED)
    words = ["structures", "similar", "design.cif", "fetched.parquet", "--periodic", "1"]
    result = CliRunner().invoke(app, [*words, "--json"], catch_exceptions=False)
    rows = json.loads(result.stdout)
    assert [row["same"] for row in rows] == [True, False, False, False]
    assert rows[0]["file"] == "fetched.parquet"
    assert rows[0]["distance"] < 0.02
    said = CliRunner().invoke(app, words, catch_exceptions=False).stdout
    assert f"The same structure: fetched.parquet {rows[0]['id']}" in said
    write_tube("new.cif", Nanotube(9, 0))
    said = CliRunner().invoke(app, [*words[:2], "new.cif", *words[3:]], catch_exceptions=False).stdout
    assert "None of these is the same structure." in said
    (tmp_path / "torn.parquet").write_bytes(b"PAR1")
    with pytest.raises(DatasetError, match=r"torn\.parquet"):
        read_known([tmp_path / "torn.parquet"])


def test_a_served_tube_is_found_again_in_what_was_fetched_from_the_server(tmp_path):
    pytest.importorskip("optimade.server.create_app")
    tubes = [DOPED, ELSEWHERE, Nanotube(7, 1), Nanotube(6, 6, 2, strain=0.02)]
    gaps = Predictions({GAP_EV.key: np.linspace(0.1, 0.4, len(tubes))})
    designs = tmp_path / "designs.parquet"
    Dataset.of(tubes, gaps, {GAP_EV.key: PiElectrons()}, command="by hand").save(designs)
    with server(designs) as url:
        fetched = source_of("optimade", url=url).fetch(Query(elements=("C",)), tmp_path / "cache")
    fetched.save(tmp_path / "fetched.parquet")
    design = Crystal.of(disguised(crystal(DOPED), np.random.default_rng(2)))
    for table in ("fetched.parquet", "designs.parquet"):  # the tubes themselves are a table, too
        known, _ = read_known([tmp_path / table], periodic=1)
        first, *others = nearest_known(design, known, len(tubes))
        assert (first.id.removesuffix(".extxyz"), first.same) == (DOPED.key, True)
        assert [each.same for each in others] == [False] * 3
