"""Computed values compared with published ones, row by row, and the known disagreements.

`python -m scripts.studies.physics.table` prints the same as a table, which docs/physics.md holds. Rows that take
minutes or need tblite are stored by `python -m scripts.studies.physics.stored`.
"""

import pytest

from matgym.models import Level
from matgym.physics.validation import COMPUTED, DRIFT, PUBLISHED, ours
from matgym.physics.validation.levels import RANKED
from matgym.physics.validation.store import stored
from matgym.physics.xtb.states import XtbMethod

ROWS = {row.key: row for row in PUBLISHED}
KNOWN = {row.key: row.disagreement for row in PUBLISHED if row.disagreement}
DEMANDED = 75  # rows
MISSES = {
    "gap_12_0_curvature_mev",
    "dip_nitrogen_10_10_ev",
    "heat_capacity_300k_j_gk",
    "optical_phonon_gamma_cm",
    "poisson_graphene",
    "strength_10_0_gpa",
    "failure_strain_8_8",
    "strength_graphene_gpa",
    "strength_loss_vacancy_percent",
    "strain_energy_constant_ev_nm2",
    "vacancy_formation_ev",
    "e11_6_5_tight_binding_ev",
    "gap_8_0_pi_ev",
    "gap_8_0_self_consistent_ev",
    "gap_8_0_gfn1_ev",
    "gap_10_0_pi_ev",
    "gap_9_0_gfn1_ev",
    "gap_12_0_gfn1_ev",
    "gap_11_0_gfn1_ev",
    "gap_14_0_gfn1_ev",
    "strain_slope_10_0_dft_mev_percent",
    "strain_slope_20_0_dft_mev_percent",
    "strain_slope_10_0_gfn1_mev_percent",
    "divacancy_formation_ev",
    "stone_wales_10_0_ev",
    "e22_8_6_kataura_ev",
    "conductivity_9_8_400k_w_mk",
    "conductivity_2600_nm_w_mk",
    "conductivity_10_0_kaldo_classical_w_mk",
}


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


def test_the_rows_that_miss_are_exactly_these_and_each_has_its_cause():
    assert set(KNOWN) == MISSES
    assert all(len(known.why) > 40 for known in KNOWN.values())


def test_every_row_is_computed_and_there_are_more_than_demanded():
    assert len(ROWS) == len(PUBLISHED) >= DEMANDED
    assert set(COMPUTED) == set(ROWS)


def test_rows_are_computed_by_every_level_of_physics():
    assert {row.level for row in COMPUTED.values()} == {
        Level.PI, Level.SCC_PI, Level.XTB, Level.CLASSICAL, Level.PI_CLASSICAL, Level.EMPIRICAL,
    }  # fmt: skip


def test_the_stored_values_are_those_of_the_stored_rows():
    assert set(stored().values) == {key for key, row in COMPUTED.items() if row.stored}
    assert {name: len(gaps) for name, gaps in stored().ranked_gaps_ev.items()} == dict.fromkeys(XtbMethod, RANKED)


@pytest.mark.long
@pytest.mark.parametrize("key", ["gap_8_0_gfn1_ev", "divacancy_formation_ev", "exponent_conductivity_long"])
def test_stored_values_are_computed_again(key):
    if COMPUTED[key].level == Level.XTB:
        pytest.importorskip("tblite")
    assert COMPUTED[key].value() == pytest.approx(stored().values[key], rel=DRIFT)
