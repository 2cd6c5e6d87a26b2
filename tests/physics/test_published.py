"""Computed values compared with published ones, row by row, and the known disagreements.

`python -m scripts.studies.physics.table` prints the same as a table, which docs/physics.md holds.
"""

import pytest

from matgym.physics.validation import COMPUTED, DRIFT, PUBLISHED, ours

ROWS = {row.key: row for row in PUBLISHED}
KNOWN = {row.key: row.disagreement for row in PUBLISHED if row.disagreement}
DEMANDED = 25  # rows that hold,


@pytest.mark.parametrize("key", [key for key in ROWS if key not in KNOWN])
def test_values_are_within_the_tolerance_of_the_published_ones(key):
    row = ROWS[key]
    assert abs(ours(key) - row.value) <= row.tolerance, f"{ours(key)} {row.unit}; {row.source}"


@pytest.mark.parametrize("key", list(KNOWN))
def test_known_disagreements_are_unchanged(key):
    """If one has disappeared or changed, examine it, and remove it from the list or explain it again."""
    row = ROWS[key]
    assert ours(key) == pytest.approx(KNOWN[key].ours, rel=DRIFT)
    assert abs(ours(key) - row.value) > row.tolerance


def test_every_row_is_computed_and_more_than_demanded_hold():
    assert len(ROWS) == len(PUBLISHED)
    assert set(COMPUTED) == set(ROWS)
    assert len(set(ROWS) - set(KNOWN)) >= DEMANDED
