"""The cache of oracles: its entries, simultaneous writers, and that it returns only computed values."""

import json
import subprocess
import sys
from dataclasses import dataclass, field

import numpy as np
import pytest

from matgym.errors import CacheWarning, ConfigurationError, PropertyError
from matgym.physics import Cached, PiElectrons, PiParameters, Predictions, entries, predict
from matgym.structures import Nanotube
from matgym.testing import check_model

TUBES = [Nanotube(8, 0, 2).decorated({3: "B"}), Nanotube(8, 0, 2), Nanotube(5, 0, 2)]  # the last is too thin


@dataclass(frozen=True)
class Counting(PiElectrons):
    asked: list = field(default_factory=list, repr=False)

    def predict(self, tubes):
        self.asked.extend(tubes)
        return super().predict(tubes)


def test_a_second_run_computes_nothing_and_gives_the_same_bits(tmp_path):
    oracle = Counting()
    first = Cached(oracle, tmp_path).predict([*TUBES, TUBES[0]])
    assert oracle.asked == TUBES  # the duplicate is computed once
    again = Cached(oracle, tmp_path).predict(TUBES[::-1])
    assert oracle.asked == TUBES
    for key, values in first.values.items():
        np.testing.assert_array_equal(again.values[key], values[:3][::-1])
    assert list(first.reasons) == [2]
    assert list(again.reasons) == [0]
    np.testing.assert_array_equal(first["gap_ev"], oracle.predict([*TUBES, TUBES[0]])["gap_ev"])
    check_model(Cached(PiElectrons(), tmp_path))


def test_settings_and_tubes_have_entries_of_their_own(tmp_path):
    flat, curved = (Cached(PiElectrons(PiParameters(curvature=c)), tmp_path) for c in (False, True))
    tube = Nanotube(9, 0, 1)
    assert flat.predict([tube])["gap_ev"][0] < 1e-6 < 0.05 < curved.predict([tube])["gap_ev"][0]
    digests = {
        t.digest for t in (tube, tube.strained(0.01), tube.twisted(0.01), tube.rotated(), tube.decorated({0: "B"}))
    }
    assert len(digests) == 4  # a pristine tube, rotated, is the same


def test_damaged_and_foreign_entries_are_computed_again(tmp_path):
    oracle = Counting()
    cached = Cached(oracle, tmp_path)
    expected = cached.predict(TUBES[:1])["gap_ev"][0]
    for content in ("{", "[]", json.dumps({"oracle": "another", "values": {}}), ""):
        cached.path(TUBES[0]).write_text(content)
        assert cached.predict(TUBES[:1])["gap_ev"][0] == expected
    assert len(oracle.asked) == 5


def test_an_oracle_with_unknown_settings_raises(tmp_path):
    class Opaque(PiElectrons):
        __repr__ = object.__repr__

    with pytest.raises(ConfigurationError, match="make it, and all objects that it holds, dataclasses"):
        Cached(Opaque(), tmp_path)


WRITER = """
import sys
from pathlib import Path
from matgym.physics import Cached, PiElectrons
from matgym.structures import Nanotube
tubes = [Nanotube(8, 0, 1).decorated({i: "B", j: "N"}) for i in range(6) for j in range(16, 22)]
for _ in range(2):
    print(Cached(PiElectrons(), Path(sys.argv[1])).predict(tubes)["gap_ev"].tolist())
"""


def test_four_processes_can_write_the_same_folder_at_once(tmp_path):
    running = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    said = [process.communicate(timeout=120)[0].splitlines() for process in running]
    assert all(process.returncode == 0 for process in running)
    assert len({line for lines in said for line in lines}) == 1
    files = list(tmp_path.rglob("*.json"))
    assert len(files) == 36
    assert all(json.loads(entry.read_text())["content"]["values"] for entry in files)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".json"]


def test_each_property_is_computed_by_its_own_oracle(tmp_path):
    found = predict(TUBES, ["gap", "conductance_us", "young"], cache=tmp_path)
    assert isinstance(found, Predictions)
    assert list(found.values) == ["gap_ev", "conductance_us", "young_gpa"]
    assert found["young_gpa"][2] > 0.0  # a tube on which the π model fails has elastic moduli
    assert np.isnan(found["gap_ev"][2])
    assert "below 0.6" in found.failures["gap_ev"][2]
    assert found.failures.get("young_gpa", {}) == {}
    assert found.reasons[2].count("below 0.6") == 1
    with pytest.raises(PropertyError, match="did you mean 'gap'"):
        predict(TUBES, ["gpa"])


def test_a_folder_that_cannot_be_written_to_costs_a_warning_and_no_result(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("mine")
    expected = PiElectrons().predict(TUBES)["gap_ev"]
    with pytest.warns(CacheWarning, match="MATGYM_CACHE"):
        found = Cached(PiElectrons(), blocked / "cache").predict(TUBES)
    np.testing.assert_array_equal(found["gap_ev"], expected)
    assert blocked.read_text() == "mine"


def test_entries_that_were_edited_moved_or_swollen_are_computed_again(tmp_path):
    cached = Cached(PiElectrons(), tmp_path)
    first, second = (float(gap) for gap in cached.predict(TUBES[:2])["gap_ev"])
    paths = [cached.path(tube) for tube in TUBES[:2]]
    whole = paths[0].read_text()
    edited = json.loads(whole)
    edited["content"]["values"]["gap_ev"] = 99.0
    for text in (json.dumps(edited), paths[1].read_text(), "[" * 100_000, whole + " " * 2**21, whole[:-1], "\x00"):
        paths[0].write_text(text)
        assert cached.predict(TUBES[:1])["gap_ev"][0] == first
        assert paths[0].read_text() == whole
    paths[0].unlink()
    paths[0].mkdir()  # neither readable nor writable
    with pytest.warns(CacheWarning):
        assert cached.predict(TUBES[:1])["gap_ev"][0] == first
    assert first != second


def test_pruning_and_clearing_remove_entries_alone(tmp_path):
    cached = Cached(PiElectrons(), tmp_path)
    cached.predict(TUBES)
    mine = tmp_path / "mine.json"
    beside = cached.path(TUBES[0]).with_name("notes.json")
    for path in (mine, beside):
        path.write_text("{}")
    assert entries.cache_size(tmp_path).entries == 3
    cached.path(TUBES[0]).write_text("{}")
    assert entries.prune_outdated(tmp_path).entries == 1
    assert entries.prune_size(tmp_path, 10**9).entries == 0
    assert entries.prune_size(tmp_path, entries.cache_size(tmp_path).n_bytes - 1).entries == 1
    assert entries.clear(tmp_path).entries == 1
    assert entries.clear(tmp_path / "nowhere").entries == 0
    assert mine.is_file()
    assert beside.is_file()


def test_the_cache_stays_below_its_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(entries, "MAX_BYTES", 3000)
    content = {"oracle": "", "values": {"gap_ev": 1.0}, "sd": {}, "failures": {}}
    for number in range(40):
        entries.write_entry(tmp_path / f"A-{'0' * 16}" / "00" / f"{number:024x}.json", content, tmp_path)
    assert 0 < entries.cache_size(tmp_path).n_bytes <= 3000


class Noting(PiElectrons):
    def predict(self, tubes):
        found = super().predict(tubes)
        return Predictions(found.values, found.failures, notes={"gap_ev": {1: "as of the unrelaxed tube"}})


def test_notes_come_back_with_their_values(tmp_path):
    tubes = [Nanotube(8, 0, 1), Nanotube(10, 0, 1)]
    for _ in range(2):
        assert Cached(Noting(), tmp_path).predict(tubes).notes == {"gap_ev": {1: "as of the unrelaxed tube"}}
