"""Building data sets: builds resume, give the same bytes, and keep symmetric copies within one split."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from matgym.cli import app
from matgym.data import SPECIFICATIONS, Dataset, DatasetSpec, Family, build, builder, split_of
from matgym.data.builder import random_codoped, random_decoration, random_tube
from matgym.data.dataset import shipped_data
from matgym.errors import DamagedFileWarning, DatasetError, FormatError, PropertyError
from matgym.models import Level, Predictions
from matgym.physics import PiElectrons, predict
from matgym.physics.cache import PHYSICS_VERSION
from matgym.physics.electrons.self_consistent import SelfConsistentElectrons
from matgym.structures import Nanotube, Species, tube_lattice

REFERENCE = Path(__file__).parents[2] / "docs" / "results" / "levels-reference.parquet"
CHARGE_EV = 1e-4  # charges end within 1e-6 electrons of the last ones
LABEL_TOLERANCE = 1e-6  # relaxations end within their force tolerance, on any processor

SPEC = DatasetSpec(
    name="small",
    families=(Family(n=8, m=0, cells=1, samples=400), Family(n=5, m=5, cells=2, samples=50, held="wider")),
)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    return build(SPEC, tmp_path_factory.mktemp("unbroken") / "data.parquet", workers=1)


def test_a_killed_build_resumes_to_the_same_bytes(unbroken, tmp_path):
    output = tmp_path / "data.parquet"
    (tmp_path / "spec.json").write_text(SPEC.model_dump_json())
    command = ["data", "build", str(output), "--specification", str(tmp_path / "spec.json"), "--json", "--workers"]
    shards = tmp_path / "data.parquet.work" / "shards"
    process = subprocess.Popen(
        [sys.executable, "-m", "matgym.cli", *command, "1"], start_new_session=True, stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while len(list(shards.glob("shard-*.parquet"))) < 2:
        assert time.monotonic() < deadline, "the build wrote no shard in two minutes"
        assert process.poll() is None, "the build ended before it could be killed"
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not output.exists()
    kept = {path.name: path.stat().st_mtime_ns for path in shards.glob("shard-*.parquet")}

    finished = CliRunner().invoke(app, [*command, "2"], catch_exceptions=False)
    assert output.read_bytes() == unbroken.read_bytes()
    assert len(kept) >= 2
    assert json.loads(finished.stdout)["digest"] == Dataset.load(unbroken).digest
    assert {path.name for path in tmp_path.iterdir()} == {"data.parquet", "data.card.json", "spec.json"}


def test_finished_shards_are_kept_and_not_computed_again(tmp_path, monkeypatch):
    output = tmp_path / "data.parquet"
    made = []
    from matgym.data import builder as module

    monkeypatch.setattr(module, "SHARD_SAMPLES", 10)
    spec = SPEC.model_copy(update={"families": (Family(n=8, m=0, cells=1, samples=85),)})
    original = module.make_shard

    def interrupted(spec, number):
        if len(made) == 3:
            raise KeyboardInterrupt
        made.append(number)
        return original(spec, number)

    monkeypatch.setattr(module, "make_shard", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build(spec, output, workers=1)
    monkeypatch.setattr(module, "make_shard", lambda spec, number: made.append(number) or original(spec, number))
    build(spec, output, workers=1)
    assert sorted(made) == list(range(9))


SHORT = SPEC.model_copy(update={"families": (Family(n=8, m=0, cells=1, samples=250),)})


def interrupted_after(shards, output, monkeypatch):
    """Build shards of SHORT, and stop."""
    original = builder.make_shard

    def make(spec, number):
        if number == shards:
            raise KeyboardInterrupt
        return original(spec, number)

    with monkeypatch.context() as patched:
        patched.setattr(builder, "make_shard", make)
        with pytest.raises(KeyboardInterrupt):
            build(SHORT, output, workers=1)


def test_shards_of_another_specification_raise(tmp_path, monkeypatch):
    output = tmp_path / "data.parquet"
    interrupted_after(1, output, monkeypatch)
    with pytest.raises(DatasetError, match=r"data\.parquet\.work holds unfinished work with other settings"):
        build(SPEC, output)


@pytest.mark.parametrize("name", ["shards/shard-00000-*.parquet", "matgym-work.json"])
@pytest.mark.parametrize("size", [0, 40, -10])
def test_a_cut_piece_is_set_aside_and_made_again(tmp_path, monkeypatch, name, size):
    """In 0.1 an empty or cut shard or specification ended every later build in a traceback."""
    whole = build(SHORT, tmp_path / "whole.parquet", workers=1)
    output = tmp_path / "data.parquet"
    interrupted_after(2, output, monkeypatch)
    (piece,) = (tmp_path / "data.parquet.work").glob(name)
    piece.write_bytes(piece.read_bytes()[:size])
    with pytest.warns(DamagedFileWarning, match=f"{piece.name} is damaged"):
        build(SHORT, output, workers=1)
    assert output.read_bytes() == whole.read_bytes()
    assert {path.stem for path in tmp_path.glob("*.parquet")} == {"data", "whole"}
    assert {path.name for path in tmp_path.iterdir()} - {"data.parquet", "whole.parquet"} == {
        "data.card.json", "whole.card.json",
    }  # fmt: skip


def test_an_existing_file_is_replaced_only_with_force(tmp_path):
    output = tmp_path / "data.parquet"
    output.write_text("mine")
    command = ["data", "build", str(output), "--specification", str(tmp_path / "spec.json"), "--workers", "1"]
    (tmp_path / "spec.json").write_text(SHORT.model_dump_json())
    refused = CliRunner().invoke(app, command)
    assert isinstance(refused.exception, FormatError)
    assert "data.parquet exists: name another file, or replace it by --force" in str(refused.exception)
    assert output.read_text() == "mine"
    CliRunner().invoke(app, [*command, "--force"], catch_exceptions=False)
    assert Dataset.load(output)
    assert {path.name for path in tmp_path.iterdir()} == {"data.parquet", "data.card.json", "spec.json"}


def test_the_specification_is_not_replaced_by_its_own_data(tmp_path):
    spec = tmp_path / "spec.json"
    spec.write_text(SHORT.model_dump_json())
    command = ["data", "build", str(spec), "--specification", str(spec), "--force"]
    assert "is also an input" in str(CliRunner().invoke(app, command).exception)
    assert spec.read_text() == SHORT.model_dump_json()


@pytest.mark.parametrize("output", ["", "..", "/"])
def test_a_folder_is_no_output(output, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FormatError, match="is a folder: name a file"):
        build(SPEC, Path(output), workers=1)
    assert not list(tmp_path.iterdir())


def test_no_structure_occurs_twice_even_up_to_symmetry(unbroken):
    keys = Dataset.load(unbroken).table.column("key").to_pylist()
    assert len(keys) == len(set(keys))


def test_symmetric_copies_fall_into_the_same_split():
    for seed in range(20):
        tube = random_codoped(6, 0, 2, 0.2, np.random.default_rng(seed))
        copies = [tube.rotated(1), tube.screwed(2, -1), tube.flipped(), tube.mirrored()]
        assert {split_of(copy.key) for copy in copies} == {split_of(tube.key)}


def test_splits_have_the_declared_shares():
    splits = [
        split_of(f"{value:024x}") for value in np.random.default_rng(0).integers(0, 2**63, 4000).astype(object) << 33
    ]
    assert splits.count("test") / 4000 == pytest.approx(0.10, abs=0.02)
    assert splits.count("validation") / 4000 == pytest.approx(0.08, abs=0.02)


def test_held_families_are_in_no_split_of_the_training(unbroken):
    data = Dataset.load(unbroken)
    assert {(t.n, t.m) for t in data.split("wider").batch} == {(5, 5)}
    assert all((t.n, t.m) == (8, 0) for name in ("train", "validation", "test") for t in data.split(name).batch)


def test_labels_are_the_values_of_the_oracle(unbroken):
    data = Dataset.load(unbroken).split("test")
    tubes = data.batch[:25]
    np.testing.assert_allclose(PiElectrons().predict(tubes)["gap_ev"], data.values("gap_ev")[:25], atol=1e-8)


def test_decorations_have_the_specified_composition():
    lattice = tube_lattice(8, 0, 2)
    for seed in range(30):
        codes = random_decoration(lattice, {Species.B: 5, Species.N: 3}, np.random.default_rng(seed))
        counts = np.bincount(codes, minlength=6)
        assert counts[Species.B] == 5
        assert counts[Species.N] == 3
        assert counts[Species.C12] == lattice.n_sites - 8


def test_ordered_decorations_reach_further_than_plain_ones(monkeypatch):
    """Ordered decorations have gaps that uniformly random structures rarely have."""
    lattice = tube_lattice(8, 0, 2)
    spread = {}
    for share in (0.0, 1.0):
        monkeypatch.setattr("matgym.data.builder.PLAIN_SHARE", share)
        codes = [random_decoration(lattice, {Species.B: 4, Species.N: 4}, np.random.default_rng(s)) for s in range(40)]
        spread[share] = PiElectrons().predict([Nanotube(8, 0, 2, c) for c in codes])["gap_ev"].std()
    assert spread[0.0] > spread[1.0]


def test_a_missing_or_foreign_file_is_an_error_of_one_sentence(tmp_path):
    with pytest.raises(DatasetError, match="there is no data set 'nowhere'"):
        Dataset.load("nowhere")
    (tmp_path / "x.parquet").write_text("no parquet")
    with pytest.raises(DatasetError, match="is not a Parquet file"):
        Dataset.load(tmp_path / "x.parquet")


def test_a_data_set_that_is_not_shipped_says_how_to_build_it():
    for name in set(SPECIFICATIONS) - set(shipped_data()):
        with pytest.raises(DatasetError, match=rf"matgym data build {name}\.parquet --specification {name}"):
            Dataset.load(name)


@pytest.mark.parametrize("name", [name for name in shipped_data() if name in SPECIFICATIONS])
def test_the_shipped_data_sets_agree_with_their_specifications(name):
    data, spec = Dataset.load(name), SPECIFICATIONS[name]
    assert data.provenance["specification"] == spec.model_dump(mode="json")
    assert data.keys == spec.keys
    assert len(data) >= 0.85 * spec.samples  # duplicates are removed: one in ten of the shortest tubes
    row = data.split("test").table.slice(0, 1).to_pylist()[0]
    rng = np.random.default_rng([spec.seed, row["sample"]])
    again = random_tube(spec.family_of(row["sample"]), spec.largest_share, rng)
    assert again.key == row["key"]
    found = predict([again], spec.properties, level=spec.levels)
    for key in spec.keys:
        assert found[key][0] == pytest.approx(row[key], rel=LABEL_TOLERANCE, abs=1e-8)


def test_the_gaps_of_xtb_are_those_of_the_reference_set():
    """Its tubes are not drawn by a specification: `python -m scripts.studies.levels.dataset` collects them."""
    reference = pq.read_table(REFERENCE).select(["n", "m", "species", "gap_ev", "split"]).to_pylist()
    data = Dataset.load("nanotube-xtb")
    assert set(shipped_data()) - set(SPECIFICATIONS) == {"nanotube-xtb"}
    assert data.values("gap_ev") == pytest.approx([row["gap_ev"] for row in reference])
    assert [tube.species.tolist() for tube in data.batch] == [row["species"] for row in reference]
    unseen = np.array(data.table.column("split").to_pylist()) == "unseen"
    assert unseen.tolist() == [row["split"] == "test" for row in reference]
    charged, tubes = SelfConsistentElectrons(mesh_angstrom=0.0), [2, 40]
    found = charged.predict([data.batch[row] for row in tubes])
    for key in ("gap_ev", "fermi_ev"):
        assert data.values(f"scc_{key}")[tubes] == pytest.approx(found[key], abs=CHARGE_EV)


def test_a_label_that_cannot_be_computed_is_null_with_its_reason(tmp_path):
    """(5, 0) is too thin for the π model, but not for phonons."""
    spec = DatasetSpec(
        name="thin", properties=("gap", "young"), families=(Family(n=5, m=0, cells=2, samples=6),), largest_share=0.1
    )
    data = Dataset.load(build(spec, tmp_path / "thin.parquet", workers=1))
    assert len(data.labelled()) == 0
    assert len(data.labelled(["young_gpa"])) == len(data)
    reasons = data.failures("gap_ev")
    assert sorted(reasons) == list(range(len(data)))
    assert all("0.6" in reason for reason in reasons.values())
    assert not data.failures("young_gpa")
    with pytest.raises(PropertyError, match="no property 'zt'"):
        data.values("zt")


def test_a_specification_with_an_unknown_property_raises():
    with pytest.raises(PropertyError, match="did you mean 'gap'"):
        DatasetSpec(name="x", properties=("gp",), families=(Family(n=8, m=0, cells=1, samples=1),))


def test_further_rows_are_added_without_duplicates(unbroken):
    data = Dataset.load(unbroken)
    known, fresh = data.batch[0], Nanotube(8, 0, 2).decorated({3: "B", 9: "N"})
    labels = Predictions({"gap_ev": np.array([0.1, np.nan, 0.3])}, {"gap_ev": {1: "it is too odd"}})
    tubes = [known.rotated(2), fresh, fresh.screwed(1, 0)]
    extra = data.labelled_rows(tubes, labels, {"gap_ev": Level.CALCULATOR}, split="train")
    joined = data.with_rows(extra)
    assert len(joined) == len(data) + 1
    row = joined.table.slice(len(data)).to_pylist()[0]
    assert row["gap_ev"] is None
    assert row["gap_ev.failure"] == "it is too odd"
    assert row["fermi_ev"] is row["fermi_ev.level"] is row["fermi_ev.failure"] is None  # no oracle was called
    assert set(joined.levels("gap_ev")[: len(data)]) == {Level.PI}
    assert joined.levels("gap_ev")[-1] is Level.CALCULATOR
    assert joined.failures("gap_ev") == {len(data): "it is too odd"}
    assert joined.digest != data.digest


DEFORMED = DatasetSpec(
    name="deformed",
    properties=("gap", "young"),
    families=(
        Family(n=8, m=0, cells=2, samples=12, strain=(-0.02, 0.05), torsion=(-0.03, 0.03), stone_wales=2),
        Family(n=7, m=0, cells=2, samples=4, strain=(0.01, 0.01)),
        Family(n=5, m=0, cells=2, samples=2, torsion=(0.01, 0.02)),
    ),
)


@pytest.fixture(scope="module")
def deformed(tmp_path_factory):
    return build(DEFORMED, tmp_path_factory.mktemp("deformed") / "deformed.parquet", workers=1)


def test_strained_twisted_and_reconstructed_tubes_are_stored_exactly(deformed, tmp_path):
    """The file holds the tubes that were drawn, and a copy of it holds them, too."""
    data = Dataset.load(deformed)
    drawn = [
        random_tube(DEFORMED.family_of(sample), DEFORMED.largest_share, np.random.default_rng([DEFORMED.seed, sample]))
        for sample in data.table.column("sample").to_pylist()
    ]
    assert {bool(tube.strain) for tube in drawn} == {bool(tube.torsion) for tube in drawn} == {True, False}
    assert {len(tube.stone_wales) for tube in drawn} == {0, 1, 2}
    assert list(data.batch) == drawn
    assert data.table.column("key").to_pylist() == [tube.key for tube in drawn]
    assert [tube.strain for tube in drawn if tube.n == 7] == [0.01] * 4

    mixed = data.take(np.array([9, 17, 2, 13]))
    assert list(mixed.batch) == [drawn[row] for row in (9, 17, 2, 13)]
    again = mixed.labelled_rows(mixed.batch, Predictions({}), {}, split="test")
    assert list(again.batch) == list(mixed.batch)
    joined = mixed.take(np.array([0])).with_rows(again)
    assert list(joined.batch) == list(mixed.batch)
    joined.save(str(tmp_path / "copy.parquet"))
    assert list(Dataset.load(tmp_path / "copy.parquet").batch) == list(mixed.batch)


def test_labels_levels_and_reasons_are_stored_exactly(deformed, tmp_path):
    data = Dataset.load(deformed)
    found = predict(list(data.batch), DEFORMED.properties)
    assert "below 0.6" in found.failures["gap_ev"][len(data) - 1]
    assert "winds off its axis" in found.failures["young_gpa"][0]
    for key in DEFORMED.keys:
        assert data.failures(key) == dict(found.failures.get(key, {}))
        np.testing.assert_array_equal(data.values(key), [float(f"{value:.10g}") for value in found[key]])
    assert set(data.levels("gap_ev")) == {Level.PI}
    assert set(data.levels("young_gpa")) == {Level.CLASSICAL}

    rough = data.with_column("zt", np.where(np.arange(len(data)) % 2, np.nan, 0.1), Level.SURROGATE)
    rough.save(tmp_path / "rough.parquet")
    again = Dataset.load(tmp_path / "rough.parquet")
    assert again.keys == ("gap_ev", "young_gpa", "zt")
    assert again.table.equals(rough.table)
    assert again.table.schema.metadata == rough.table.schema.metadata
    assert again.table.field("gap_ev").metadata[b"unit"] == b"eV"  # columns say their units, once saved
    assert again.digest == rough.digest
    assert sorted(again.failures("zt")) == list(range(1, len(data), 2))
    assert set(again.levels("zt")) == {Level.SURROGATE}


def test_tubes_are_grouped_by_lattice_with_their_turned_bonds(deformed):
    data = Dataset.load(deformed)
    groups = list(data.by_lattice())
    assert [(group.lattice.n, group.lattice.m) for group in groups] == [(8, 0), (7, 0), (5, 0)]
    assert sorted(np.concatenate([group.rows for group in groups]).tolist()) == list(range(len(data)))
    for group in groups:
        for row, codes, turned in zip(group.rows.tolist(), group.species, group.turned, strict=True):
            assert codes.tobytes() == data.batch[row].species.tobytes()
            assert sorted(group.lattice.bond_pairs(turned)) == list(data.batch[row].stone_wales)


def test_a_specification_without_deformations_draws_the_same_tubes_as_before():
    """Strain, torsion and turned bonds are drawn after the decoration, and only for families that have them."""
    for sample in range(20):
        plain, bent = (np.random.default_rng([3, sample]) for _ in range(2))
        tube = random_tube(Family(n=8, m=0, cells=2, samples=1), 0.2, plain)
        reference = np.random.default_rng([3, sample])
        assert tube == random_codoped(8, 0, 2, 0.2, reference)
        assert plain.bit_generator.state == reference.bit_generator.state
        other = random_tube(Family(n=8, m=0, cells=2, samples=1, strain=(0.0, 0.1), stone_wales=1), 0.2, bent)
        assert other.species.tobytes() == tube.species.tobytes()


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ({"strain": (0.1, 0.0)}, r"strain=\(0.1, 0.0\) must be a range"),
        ({"torsion": (-0.5, 0.0)}, "within -0.3 to 0.3"),
        ({"stone_wales": 9}, "room for"),
        ({"stone_wales": -1}, "greater than or equal to 0"),
    ],
)
def test_a_family_that_cannot_be_drawn_raises(field, message):
    with pytest.raises(ValueError, match=message):
        Family(n=8, m=0, cells=1, samples=1, **field)


def test_a_file_of_an_older_schema_is_an_error_of_one_sentence(unbroken, tmp_path):
    old = Dataset.load(unbroken)
    metadata = {b"matgym": json.dumps(old.provenance | {"schema_version": 2}).encode()}
    Dataset(old.table.replace_schema_metadata(metadata)).save(tmp_path / "old.parquet")
    with pytest.raises(
        DatasetError, match=r"old\.parquet has the columns of schema version 2.*reads version 4: build it"
    ):
        Dataset.load(tmp_path / "old.parquet")


def test_a_row_that_does_not_fit_its_tube_is_an_error_of_one_sentence(unbroken):
    table = Dataset.load(unbroken).take(np.arange(3)).table
    column = table.column_names.index("cells")
    wrong = Dataset(table.set_column(column, table.schema.field(column), pa.array([1, 2, 1], pa.int16())))
    with pytest.raises(
        DatasetError, match=r"row 1 holds 32 species, but a tube of \(n, m, cells\) = \(8, 0, 2\) has 64"
    ):
        wrong.by_lattice()


def test_the_file_holds_the_provenance_of_its_rows(deformed):
    told = Dataset.load(deformed).provenance
    assert DatasetSpec.model_validate(told["specification"]) == DEFORMED
    assert set(told["oracles"]) == set(DEFORMED.keys)
    assert told["physics_version"] == PHYSICS_VERSION
    assert told["command"] == "matgym data build deformed.parquet --specification deformed.json"
    shipped = Dataset.load("nanotube-doping").provenance["command"]
    assert shipped == "matgym data build nanotube-doping.parquet --specification nanotube-doping"


# ---- families that vary more than B and N


def drawn(count=200, **options):
    family = Family(n=8, m=0, cells=3, samples=count, **options)
    return [random_tube(family, 0.2, np.random.default_rng([5, sample])) for sample in range(count)]


def test_unequal_numbers_of_b_and_n_leave_an_even_number_of_electrons():
    tubes = drawn(unbalanced=0.5)
    unequal = [tube for tube in tubes if tube.counts[Species.B] != tube.counts[Species.N]]
    assert 0.3 < len(unequal) / len(tubes) < 0.6
    assert all((tube.counts[Species.B] + tube.counts[Species.N]) % 2 == 0 for tube in tubes)
    assert max(tube.counts[Species.B] + tube.counts[Species.N] for tube in tubes) <= 0.2 * 96


def test_vacancies_are_no_neighbours_and_stay_within_their_number():
    tubes = drawn(vacancies=3, defective=0.5)
    counts = [tube.counts[Species.VACANCY] for tube in tubes]
    assert set(counts) == {0, 1, 2, 3}
    assert 0.5 < counts.count(0) / len(counts) < 0.75  # half of the tubes, and a quarter of the others
    for tube in tubes:
        vacant = tube.species == Species.VACANCY
        assert not vacant[tube.lattice.neighbours[vacant]].any()


def test_isotopes_and_undecorated_tubes_have_their_shares():
    tubes = drawn(isotopes=0.4, isotopic=0.5, undecorated=0.25)
    heavy = [tube.counts[Species.C13] + tube.counts[Species.C14] for tube in tubes]
    assert 0.4 < heavy.count(0) / len(heavy) < 0.65
    assert 0.3 * 96 < max(heavy) <= 0.4 * 96
    assert not any(tube.counts[Species.C13] and tube.counts[Species.C14] for tube in tubes)
    bare = [tube for tube in tubes if not tube.counts[Species.B] + tube.counts[Species.N]]
    assert 0.15 < len(bare) / len(tubes) < 0.35


def test_strains_are_multiples_of_their_step():
    strains = {tube.strain for tube in drawn(strain=(-0.014, 0.034), strain_step=0.01)}
    np.testing.assert_allclose(sorted(strains), [-0.01, 0.0, 0.01, 0.02, 0.03], atol=1e-15)


def test_searched_tubes_have_gaps_beyond_those_of_random_ones():
    """The numbers of atoms stay, and the gaps move apart: a climb goes up or down."""
    plain, searched = drawn(24), drawn(24, searched=1.0)
    assert [tube.counts for tube in searched] == [tube.counts for tube in plain]
    before, after = (PiElectrons().predict(tubes)["gap_ev"] for tubes in (plain, searched))
    assert (np.abs(after - before) > 0.01).mean() > 0.5
    assert after.std() > before.std()


def test_labels_are_of_the_level_that_the_specification_names(tmp_path):
    spec = DatasetSpec(
        name="levels",
        properties=("gap", "young"),
        levels={"gap": "scc-pi"},
        families=(Family(n=8, m=0, cells=2, samples=4), Family(n=10, m=0, cells=2, samples=2, held="unseen")),
    )
    data = Dataset.load(build(spec, tmp_path / "levels.parquet", workers=1))
    assert set(data.levels("gap_ev")) == {Level.SCC_PI}
    assert set(data.levels("young_gpa")) == {Level.CLASSICAL}
    expected = predict(list(data.batch), ["gap"], level=Level.SCC_PI)["gap_ev"]
    np.testing.assert_allclose(data.values("gap_ev"), expected, rtol=1e-9, atol=1e-9)
    assert "SelfConsistentElectrons" in data.provenance["oracles"]["gap_ev"]
    assert (len(data.split("seen")), len(data.split("held")), len(data.split("unseen"))) == (4, 2, 2)


@pytest.mark.parametrize(
    ("levels", "message"),
    [({"zt": "π tight binding"}, "levels names 'zt'"), ({"gap": "table of oracle values"}, "no oracle computes 'gap'")],
)
def test_a_level_that_does_not_fit_raises(levels, message):
    with pytest.raises((PropertyError, ValueError), match=message):
        DatasetSpec(name="x", levels=levels, families=(Family(n=8, m=0, cells=1, samples=1),))
