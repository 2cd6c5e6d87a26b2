"""The space of tubes of several lattices, against rules that are written out here and physics that knows symmetry."""

import numpy as np
import pytest

from matgym.errors import ConfigurationError
from matgym.physics import PiElectrons
from matgym.structures import Nanotube, Species, tube_lattice
from matgym.structures.symmetry import symmetry_between_leads
from matgym.tasks import AnyTube
from matgym.tasks.any_tube import HEAD, SHARES, STRAINS, lattices_of

SPACE = AnyTube((tube_lattice(8, 0, 3), tube_lattice(6, 3, 1), tube_lattice(5, 5, 4)), sites=100, edits=10)
SHAPE = {"count": 200}


def designs(seed=0, count=200):
    return SPACE.sample(count, np.random.default_rng(seed))


def broken_rules(tube):
    """What a tube breaks of the rules of the space, in words."""
    counts = {kind: int((tube.species == kind).sum()) for kind in Species}
    most = dict(zip((Species.B, Species.N, Species.VACANCY, Species.C14), SHARES, strict=True))
    broken = [kind for kind, share in most.items() if counts[kind] > share * tube.n_sites]
    if counts[Species.B] != counts[Species.N]:
        broken.append("unbalanced")
    if tube.n_sites - counts[Species.C12] > SPACE.edits:
        broken.append("edits")
    if counts[Species.C13]:
        broken.append("13C")
    return broken


def varied():
    """Designs of every operation."""
    first, second, rng = designs(0), designs(1), np.random.default_rng(2)
    yield first
    yield SPACE.mutate(first, rng)
    yield SPACE.recombine(first, second, rng)
    yield SPACE.from_points(rng.random((200, len(SPACE.choices))))


def test_every_operation_gives_tubes_within_the_rules():
    for some in varied():
        assert SPACE.valid(some).all()
        for tube in SPACE.decode(some):
            assert not broken_rules(tube), tube
            assert round(tube.strain, 6) in STRAINS


def test_a_row_that_breaks_a_rule_is_not_valid():
    row = np.zeros((1, SPACE.width), dtype=np.uint8)
    cases = {
        "B alone": {HEAD: Species.B},
        "a site beyond the tube": {HEAD + SPACE.n_sites[0]: Species.C14},
        "13C": {HEAD: Species.C13},
        "an unknown lattice": {0: 3},
        "an unknown strain": {1: len(STRAINS)},
        "too many atoms": {HEAD + site: Species.C14 for site in range(11)},
        "too many vacancies": {HEAD + 2 * site: Species.VACANCY for site in range(3)},
    }
    assert SPACE.valid(row).all()
    for name, entries in cases.items():
        wrong = row.copy()
        for place, value in entries.items():
            wrong[0, place] = value
        assert not SPACE.valid(wrong)[0], name


def test_rows_and_tubes_are_the_same_designs():
    rows = designs()
    batch = SPACE.decode(rows)
    assert (SPACE.encode(batch) == rows).all()
    assert (SPACE.encode(list(batch)) == rows).all()  # a list of tubes as well


@pytest.mark.parametrize(
    "tube", [Nanotube(9, 0, 3), Nanotube(8, 0, 3, strain=0.005), Nanotube(8, 0, 3, torsion=0.01)], ids=str
)
def test_a_tube_of_another_kind_is_refused(tube):
    with pytest.raises(ConfigurationError, match="is not a design"):
        SPACE.encode([tube])


def test_symmetric_copies_have_the_same_key_and_features_and_others_do_not():
    rows = SPACE.sample_on(np.ones(50, dtype=np.int64), np.random.default_rng(3))
    rows = rows[(rows[:, HEAD:] != 0).sum(axis=1) > 2]
    group = symmetry_between_leads(SPACE.lattices[1])
    moved = rows.copy()
    moved[:, HEAD : HEAD + SPACE.n_sites[1]] = rows[:, HEAD : HEAD + SPACE.n_sites[1]][:, group[-1]]
    assert (moved != rows).any(axis=1).all()
    assert (SPACE.key(moved) == SPACE.key(rows)).all()
    np.testing.assert_allclose(SPACE.features(moved), SPACE.features(rows), atol=1e-5)
    gaps = [PiElectrons().predict(SPACE.decode(some))["gap_ev"] for some in (rows, moved)]
    np.testing.assert_allclose(*gaps, atol=1e-8)  # physics sees the same tube
    every = designs(4, 500)
    tubes = {(str(tube.lattice), tube.strain, tube.species.tobytes()) for tube in SPACE.decode(every)}
    assert len(np.unique(SPACE.key(every))) > 0.95 * len(tubes)  # few of the small designs are symmetric copies


def test_each_lattice_strain_and_number_of_atoms_is_drawn_about_as_often():
    rows = designs(5, 3000)
    for column, count in ((0, 3), (1, len(STRAINS))):
        shares = np.bincount(rows[:, column], minlength=count) / len(rows)
        assert np.abs(shares - 1.0 / count).max() < 4.0 * np.sqrt(0.25 / len(rows))
    placed = (rows[:, HEAD:] != 0).sum(axis=1)
    assert set(placed) == set(range(11))


def test_an_atom_may_be_placed_only_if_the_design_can_still_be_balanced():
    row = np.zeros((1, SPACE.width), dtype=np.uint8)
    row[0, HEAD : HEAD + 9] = [Species.B, *[Species.C14] * 8]  # nine of ten atoms, one N is owed
    assert SPACE.placeable(row).tolist() == [[False, True, False, False]]
    row[0, HEAD] = Species.C12
    assert SPACE.placeable(row).tolist() == [[True, True, True, True]]
    row[0, HEAD] = Species.C14
    assert SPACE.placeable(row).tolist() == [[False, False, True, True]]


def test_lattices_fit_their_sites_and_the_ranges_of_the_surrogates():
    for sites in (160, 256, 560):
        lattices = lattices_of(sites)
        assert max(lattice.n_sites for lattice in lattices) <= sites
        assert all(0.63 <= each.diameter_nm <= 1.35 and 8.6 <= each.length_angstrom <= 34.0 for each in lattices)
        assert len(set(lattices)) == len(lattices) < 256
        assert {(each.n - each.m) % 3 for each in lattices} == {0, 1, 2}  # every family


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"lattices": ()}, "0 lattices were given: give 1 to 255"),
        ({"sites": 50}, "sites=50 does not hold a lattice of 96 sites"),
        ({"edits": 0}, "edits=0"),
    ],
)
def test_a_space_that_cannot_be_is_refused(arguments, said):
    with pytest.raises(ConfigurationError, match=said):
        AnyTube(**{"lattices": (tube_lattice(8, 0, 3),), "sites": 100, "edits": 4, **arguments})
