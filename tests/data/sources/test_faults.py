"""Faults of databases: what the user reads, what is kept, and that a repeated fetch is whole."""

import re

import pytest

from scripts.studies.loopback.trials import KINDS, killed, trial

READS = {
    "401": r"refuses access \(status 401: the stub answers 401\): .*; 10 rows are kept, and the same call continues",
    "403": r"refuses access \(status 403: the stub answers 403\): .*; 10 rows are kept",
    "404": r"has no /\S+ \(status 404\): check the address, or it has moved; 10 rows are kept",
    "429": r"limits the number of requests \(status 429\): repeat the call later; 10 rows are kept",
    "500": r"has an error of its own \(status 500\): repeat the call later; 10 rows are kept",
    "truncated": "broke off in the middle of its answer: repeat the call later; 10 rows are kept",
    "silence": "was silent for 2 s: repeat the call later; 10 rows are kept",
    "not JSON": "is not valid JSON: .*: the address is not that of its data, or it is out of order; 10 rows are kept",
    "field less": "18 of 28 rows of .* are kept out, for example .*: its cell is None, not three vectors",
    "field more": "^$",
    "paging loop": "repeats its pages, so the answer ends here: 20 rows are kept",
    "duplicate page": "repeats its pages, so the answer ends here: 10 rows are kept",
}
STAYS = {"401", "403", "404", "not JSON"}
"""Faults after which a request is not repeated."""

COMPLETES = {"field less", "field more", "paging loop", "duplicate page"}
"""Faults after which there is a table."""


def test_every_fault_is_tried():
    assert set(READS) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("source", ["optimade", "nomad"])
def test_a_fault_is_said_and_a_repeated_fetch_is_whole(loopback_subjects, source, kind, tmp_path):
    row = trial(loopback_subjects[source], kind, tmp_path)
    assert row["rows"] == 28
    assert row["lasting_fails"] is (kind not in COMPLETES)
    assert re.search(READS[kind], row["lasting_reads"]), row["lasting_reads"]
    assert row["repeated_equals"]
    assert row["passing_fails"] is (kind in STAYS)
    assert row["passing_equals"] is (kind != "field less")  # whose rows are kept out


@pytest.mark.parametrize("source", ["optimade", "nomad"])
def test_a_killed_fetch_continues_after_its_last_page(loopback_subjects, source, tmp_path):
    row = killed(loopback_subjects[source], tmp_path)
    assert row == {"source": source, "rows": 28, "kept": 10, "resumed_equals": True, "requests_after": 2}
