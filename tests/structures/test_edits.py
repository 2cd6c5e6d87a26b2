import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matgym.errors import ConfigurationError, SpeciesError
from matgym.structures import Species, SubstitutionEdits

N_SITES = 12


def fresh(edits, batch=1):
    return np.zeros((batch, edits.n_sites), dtype=np.uint8), np.tile(edits.budget, (batch, 1))


@pytest.mark.parametrize("budget", [{}, {"B": 0}, {"B": -1, "N": 3}, {"12C": 2}, {"B": 7, "N": 6}])
def test_a_budget_that_does_not_fit_the_tube_raises(budget):
    with pytest.raises(ConfigurationError, match="budget"):
        SubstitutionEdits(N_SITES, budget)


def test_a_budget_of_unknown_species_raises():
    with pytest.raises(SpeciesError, match="'Si'"):
        SubstitutionEdits(N_SITES, {"Si": 1})


def test_mask_allows_carbon_sites_and_only_species_still_in_the_budget():
    edits = SubstitutionEdits(4, {"B": 1, "vacancy": 2})
    species = np.array([[0, Species.B, 0, Species.C13], [0, 0, 0, 0]], dtype=np.uint8)
    remaining = edits.remaining(species)
    assert remaining.tolist() == [[0, 2], [1, 2]]
    free = [True, False, True, False]
    assert edits.mask(species, remaining).tolist() == [[False] * 4 + free, [True] * 8]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 3 * N_SITES - 1), min_size=1, max_size=30))
def test_edit_is_carried_out_exactly_if_the_mask_allows_it(actions):
    edits = SubstitutionEdits(N_SITES, {"B": 2, "N": 3, "13C": 1})
    species, remaining = fresh(edits)
    for action in actions:
        before, left = species.copy(), remaining.copy()
        allowed = edits.mask(species, remaining)[0, action]
        assert edits.apply(species, remaining, np.array([action])).tolist() == [allowed]
        changed = np.flatnonzero(species[0] != before[0])
        if allowed:
            kind, site = divmod(action, N_SITES)
            assert changed.tolist() == [site]
            assert species[0, site] == [Species.B, Species.N, Species.C13][kind]
            assert (left - remaining).tolist() == [[int(k == kind) for k in range(3)]]
        else:
            assert changed.size == 0
            assert (left == remaining).all()
        assert (remaining == edits.remaining(species)).all()


def test_forbidden_edit_leaves_its_tube_unchanged_and_the_others_of_the_batch_edited():
    edits = SubstitutionEdits(N_SITES, {"B": 2})
    species, remaining = fresh(edits, batch=2)
    assert edits.apply(species, remaining, np.array([5, 5])).all()
    assert edits.apply(species, remaining, np.array([5, 6])).tolist() == [False, True]
    assert remaining.tolist() == [[1], [0]]
    assert [np.flatnonzero(row).tolist() for row in species] == [[5], [5, 6]]


def test_budget_is_used_up_after_as_many_edits_as_it_holds():
    edits = SubstitutionEdits(N_SITES, {"B": 2, "N": 3})
    species, remaining = fresh(edits)
    rng = np.random.default_rng(0)
    for _ in range(edits.length):
        allowed = np.flatnonzero(edits.mask(species, remaining)[0])
        assert edits.apply(species, remaining, rng.choice(allowed, 1)).all()
    assert np.bincount(species[0], minlength=6).tolist() == [N_SITES - 5, 0, 0, 2, 3, 0]
    assert not edits.mask(species, remaining).any()


def test_actions_are_numbered_and_named_species_by_species():
    edits = SubstitutionEdits(N_SITES, {"B": 2, "N": 3})
    assert edits.n_actions == 2 * N_SITES
    for action in range(edits.n_actions):
        species, remaining = fresh(edits)
        assert edits.apply(species, remaining, np.full(len(species), action)).all()
        assert (species[:, action % N_SITES] == edits.species[action // N_SITES]).all()
    assert edits.describe(N_SITES + 3) == "N on site 3"
