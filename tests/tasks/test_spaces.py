"""Spaces of designs: operations give designs, keys distinguish orbits, and orbits are counted independently."""

from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matgym.errors import ConfigurationError, StructureError
from matgym.physics import PhononTransport, Thermoelectric
from matgym.physics.transport.slabs import not_between_leads
from matgym.structures import DefectEdits, Nanotube, Species, lattice_edits, tube_lattice
from matgym.structures.symmetry import symmetry_between_leads, symmetry_group
from matgym.tasks import ChiralitySpace, Choices, Cube, Decorations, RingSpace
from matgym.testing import check_space

SEEDS = st.integers(0, 2**32 - 1)
BUDGET = {"SW": 2, "N": 1, "vacancy": 1}


def decorations(n, m, cells, budget, *, between_leads=False):
    lattice = tube_lattice(n, m, cells)
    return Decorations(lattice, lattice_edits(lattice, budget), between_leads)


SPACES = {
    "bits": Choices((2,) * 6),
    "ordered": Choices((3, 1, 4), ordered=True),
    "chirality": ChiralitySpace.within((0.6, 0.9)),
    "cube": Cube(5),
    "periodic": decorations(8, 0, 1, {"B": 2, "N": 3}),
    "chiral": decorations(4, 2, 1, {"B": 2, "N": 1}),
    "leads": decorations(7, 0, 2, {"14C": 3}, between_leads=True),
    "defects": decorations(7, 0, 3, BUDGET, between_leads=True),
    "defects, periodic": decorations(7, 0, 3, BUDGET),
}


@pytest.mark.parametrize("name", SPACES)
@given(seed=SEEDS)
@settings(max_examples=10, deadline=None)
def test_sampling_mutation_recombination_and_decoding_of_points_give_designs(name, seed):
    space, rng = SPACES[name], np.random.default_rng(seed)
    designs = space.sample(6, rng)
    assert designs.shape == (6, space.width)
    before = designs.copy()
    others = space.mutate(designs, rng)
    children = space.recombine(designs, others[rng.permutation(6)], rng)
    pointed = space.from_points(rng.random((6, len(space.choices))))
    corners = space.from_points(rng.integers(0, 2, (6, len(space.choices))).astype(float))
    for found in (designs, others, children, pointed, corners):
        assert found.shape == (6, space.width)
        assert space.valid(found).all()
    np.testing.assert_array_equal(designs, before)
    again = space.sample(6, np.random.default_rng(seed))
    np.testing.assert_array_equal(designs, again)


@pytest.mark.parametrize("name", ["bits", "ordered", "chirality", "periodic", "leads"])
def test_a_mutation_is_a_step_to_a_neighbour(name):
    space, rng = SPACES[name], np.random.default_rng(0)
    designs = space.sample(200, rng)
    changed = (designs != space.mutate(designs, rng)).sum(axis=1)
    assert (changed > 0).mean() > 0.5
    assert changed.max() <= (4 if name == "chirality" else 2)


CONFORMING = {**SPACES, "rings": RingSpace.of(7, 8, "14C"), "rings of 13C": RingSpace.of(5, 4, "13C")}


@pytest.mark.parametrize("name", CONFORMING)
def test_every_space_conforms(name):
    check_space(CONFORMING[name])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"sample": lambda _self, count, _rng: np.full((count, 4), 2)}, "calls no design"),
        ({"mutate": lambda _self, designs, _rng: designs}, "changed none of 8 designs"),
        ({"recombine": lambda _self, first, _second, _rng: first[:3]}, r"recombine of Wrong gave shape \(3, 4\)"),
        ({"encode": lambda _self, batch: 1 - batch}, "encodes what it decoded as other designs"),
        ({"enumerate": lambda _self: iter([np.zeros((2, 4), dtype=int)])}, "gave a design twice"),
        ({"enumerate": lambda _self: iter([np.zeros((1, 4), dtype=int)])}, "left out a design"),
    ],
)
def test_check_space_finds_faults(wrong, said):
    with pytest.raises(AssertionError, match=said):
        check_space(type("Wrong", (Choices,), wrong)((2,) * 4))
    with pytest.raises(AssertionError, match="symmetric copies have other keys"):
        check_space(Choices((2,) * 4), copies=lambda designs: designs[:, ::-1])


def test_rows_that_are_no_designs_are_recognised():
    assert not Choices((2, 3)).valid(np.array([[2, 0], [0, -1]])).any()
    assert not Cube(2).valid(np.array([[1.1, 0.0], [np.nan, 0.0]])).any()
    space = SPACES["periodic"]
    rows = space.sample(3, np.random.default_rng(0))
    rows[0, np.flatnonzero(rows[0])[0]] = 0  # one missing
    rows[1, np.flatnonzero(rows[1] == 0)[0]] = Species.C14  # one that is not in the budget
    np.testing.assert_array_equal(space.valid(rows), [False, False, True])
    chirality = SPACES["chirality"]
    assert not chirality.valid(np.array([[0, 0, 0, 0]])).any()  # (1, 0) is too thin


@pytest.mark.parametrize("name", ["bits", "ordered", "chirality"])
def test_choices_are_enumerated_and_counted_and_each_is_decoded_from_a_point(name):
    space = SPACES[name]
    rows = np.concatenate(list(space.enumerate(rows=7)))
    assert len(rows) == space.size == len(np.unique(rows, axis=0))
    assert space.valid(rows).all()
    keys = space.key(rows)
    assert (np.diff(keys.astype(object)) > 0).all()
    rng = np.random.default_rng(0)
    pointed = np.unique(space.from_points(rng.random((40 * len(rows), space.width))), axis=0)
    assert len(pointed) == len(rows)
    np.testing.assert_array_equal(space.from_numbers(space.to_numbers(rows)), rows)


def test_there_are_15708_tubes_to_choose_among():
    space = ChiralitySpace.within((0.6, 1.6))
    assert space.size == 15_708
    count = sum(
        1 for n in range(1, 30) for m in range(n + 1) if 0.6 <= 0.246 * np.sqrt(n * n + n * m + m * m) / np.pi <= 1.6
    )
    assert space.size == count * 12 * 11


@pytest.mark.parametrize("between_leads", [False, True])
def test_every_design_of_a_tiny_space_is_decoded_from_a_point(between_leads):
    space = decorations(3, 0, 1, {"B": 1, "N": 1}, between_leads=between_leads)
    found = np.unique(space.from_points(np.random.default_rng(0).random((20_000, 4))), axis=0)
    assert len(found) == space.size == 12 * 11


def test_a_point_on_the_places_of_a_design_is_that_design():
    space = SPACES["defects"]
    lattice, edits = space.lattice, space.edits
    a, b = lattice.bonds[:, :2].T
    sites = lattice.site_fractions
    middle = (sites[a] + ((sites[b] - sites[a] + 0.5) % 1.0 - 0.5) / 2.0) % 1.0
    for design in space.sample(20, np.random.default_rng(1)):
        order = [np.flatnonzero(design[: edits.n_sites] == code) for code in edits.species]
        turned = np.flatnonzero(design[edits.n_sites :])
        points = np.concatenate([*(sites[places] for places in order), middle[turned]])
        np.testing.assert_array_equal(space.from_points(points.reshape(1, -1))[0], design)


# ---- symmetry


def geometric_operations(tube, *, between_leads, mirrors=True):
    """Return every rotation, reversal and reflection that maps a tube's sites onto each other, from their positions."""
    radius = tube.diameter_nm * 5.0
    length = tube.length_angstrom
    x, y, z = tube.positions_angstrom.T
    angle = np.arctan2(y, x)
    found = set()
    for turn in (1, -1):
        for way in (1, -1):
            if turn * way < 0 and not mirrors:
                continue
            for site in range(tube.n_sites):  # the image of the first site
                moved_angle = turn * (angle - angle[0]) + angle[site]
                moved = way * (z - z[0]) + z[site]
                around = radius * np.abs(np.exp(1j * moved_angle[:, None]) - np.exp(1j * angle))
                along = moved[:, None] - z
                if not between_leads:
                    along = (along / length + 0.5) % 1.0 * length - length / 2.0
                near = np.hypot(around, along) < 1e-6
                if (near.sum(axis=1) == 1).all():
                    found.add(tuple(near.argmax(axis=1).tolist()))
    return np.array(sorted(found))


def fixed_designs(permutation, budget):
    """Return the number of placements of one or two species that an operation leaves unchanged, by its cycles."""
    seen, cycles = set(), []
    for start in range(len(permutation)):
        length, at = 0, start
        while at not in seen:
            seen.add(at)
            at = int(permutation[at])
            length += 1
        if length:
            cycles.append(length)
    ways = {(0,) * len(budget): 1}
    for cycle in cycles:
        grown = dict(ways)
        for used, count in ways.items():
            for kind in range(len(budget)):
                more = tuple(u + cycle * (k == kind) for k, u in enumerate(used))
                if more[kind] <= budget[kind]:
                    grown[more] = grown.get(more, 0) + count
        ways = grown
    return ways.get(tuple(budget), 0)


CASES = [
    ((7, 0, 2), {"14C": 3}, True, 1_052),
    ((7, 0, 2), {"14C": 3}, False, None),
    ((11, 0, 1), {"B": 2, "N": 2}, False, 9_523),
    ((4, 4, 2), {"B": 2, "N": 1}, False, None),
    ((4, 4, 3), {"13C": 3}, True, None),
    ((4, 2, 1), {"B": 2, "N": 1}, False, None),
    ((4, 2, 1), {"B": 2}, True, None),
]


@pytest.mark.parametrize(("tube", "budget", "between_leads", "published"), CASES)
def test_the_number_of_orbits_is_that_of_burnsides_lemma(tube, budget, between_leads, published):
    space = decorations(*tube, budget, between_leads=between_leads)
    operations = geometric_operations(Nanotube(*tube), between_leads=between_leads)
    ours = symmetry_between_leads(space.lattice) if between_leads else symmetry_group(space.lattice)
    np.testing.assert_array_equal(np.unique(ours, axis=0), np.unique(np.argsort(operations, axis=1), axis=0))
    counts = list(budget.values())
    burnside, rest = divmod(sum(fixed_designs(p, counts) for p in operations), len(operations))
    assert rest == 0
    found = np.concatenate(list(space.enumerate(rows=1000)))
    assert len(found) == burnside
    assert published in {None, burnside}
    assert space.size == fixed_designs(np.arange(space.edits.n_sites), counts)
    assert len(np.unique(space.key(found))) == burnside


def test_there_are_27720_ways_to_place_three_heavy_atoms_on_56_sites():
    assert SPACES["leads"].size == comb(56, 3) == 27_720


@pytest.mark.parametrize(("n", "orbits"), [(5, None), (10, 583)])
def test_the_number_of_orbits_with_turned_bonds_is_that_of_burnsides_lemma(n, orbits):
    """Designs from the definition (those that `Nanotube` and the leads accept), copies from the positions of sites."""
    space = decorations(n, 0, 3, {"SW": 2}, between_leads=True)
    lattice = space.lattice
    pairs = [(int(a), int(b)) for a, b, image in lattice.bonds if image == 0]
    good = set()
    for one, other in combinations(pairs, 2):
        try:
            tube = Nanotube(n, 0, 3, stone_wales=(one, other))
        except StructureError:
            continue
        if not_between_leads(tube) is None:
            good.add(tube.stone_wales)
    operations = geometric_operations(Nanotube(n, 0, 3), between_leads=True, mirrors=False)
    assert len(operations) == 2 * n
    fixed = 0
    for permutation in operations:
        for design in good:
            moved = tuple(sorted(tuple(sorted(permutation[list(pair)].tolist())) for pair in design))
            assert moved in good
            fixed += moved == design
    found = np.concatenate(list(space.enumerate()))
    assert space.valid(found).all()
    assert len(found) == fixed / len(operations)
    assert orbits in {None, len(found)}
    assert {tube.stone_wales for tube in space.decode(found)} <= good


def row_of(space, tube):
    """A tube as a design."""
    number = {(int(a), int(b)): bond for bond, (a, b, _) in enumerate(space.lattice.bonds)}
    row = np.zeros(space.width, dtype=np.uint8)
    row[: tube.n_sites] = tube.species
    for pair in tube.stone_wales:
        row[tube.n_sites + number[pair]] = 1
    return row


@pytest.mark.parametrize("name", ["periodic", "chiral", "leads", "defects", "defects, periodic"])
@given(seed=SEEDS)
@settings(max_examples=10, deadline=None)
def test_symmetric_copies_share_a_key_and_neighbours_do_not(name, seed):
    space, rng = SPACES[name], np.random.default_rng(seed)
    design = space.sample(1, rng)
    (tube,) = space.decode(design)
    np.testing.assert_array_equal(row_of(space, tube), design[0])
    copies = [tube.rotated(int(rng.integers(1, 8))), tube.reversed(), tube.reversed().rotated()]
    if not space.between_leads:
        copies += [tube.screwed(int(rng.integers(9)), int(rng.integers(9))), tube.flipped()]
    if space.lattice.is_achiral and not tube.stone_wales:
        copies.append(tube.mirrored())
    key = space.key(design)[0]
    assert (space.key(np.stack([row_of(space, copy) for copy in copies])) == key).all()
    (other,) = space.decode(space.mutate(design, rng))
    if space.between_leads:
        moved = tube.screwed(*map(int, rng.integers(9, size=2)))
        if not tube.stone_wales:
            copy = bool((space.lattice.site_fractions[:, 1] >= 0).all()) and _same_device(space, tube, moved)
            assert (space.key(row_of(space, moved)[None])[0] == key) == copy
        assert (space.key(row_of(space, other)[None])[0] == key) == _same_device(space, tube, other)
    elif not tube.stone_wales:
        assert (space.key(row_of(space, other)[None])[0] == key) == (other.key == tube.key)


def _same_device(space, one, other):
    mirrors = not one.stone_wales
    group = symmetry_between_leads(space.lattice, mirrors=mirrors)
    return any(
        (one.species[sources] == other.species).all()
        and {tuple(sorted((int(target[a]), int(target[b])))) for a, b in one.stone_wales} == set(other.stone_wales)
        for sources, target in zip(group, np.argsort(group, axis=1), strict=True)
    )


def test_the_oracle_gives_symmetric_copies_the_same_conductance_and_zt():
    """Designs may share a key in a table only if their physics is the same."""
    isotopes, defects = SPACES["leads"], decorations(7, 0, 3, {"SW": 1, "14C": 2}, between_leads=True)
    (tube,) = isotopes.decode(isotopes.sample(1, np.random.default_rng(0)))
    found = PhononTransport(frequencies=16).predict([tube, tube.rotated(3), tube.reversed(), tube.mirrored()])
    heat = found["thermal_conductance_nw_k"]
    np.testing.assert_allclose(heat, heat[0], rtol=1e-7)
    (tube,) = defects.decode(defects.sample(1, np.random.default_rng(0)))
    phonons = PhononTransport(frequencies=8)
    zt = Thermoelectric(phonons=phonons).predict([tube, tube.rotated(2), tube.reversed()])["zt"]
    np.testing.assert_allclose(zt, zt[0], rtol=1e-5)


def test_enumerating_too_many_designs_raises():
    with pytest.raises(ConfigurationError, match="cannot be enumerated"):
        next(decorations(8, 0, 4, {"B": 8, "N": 8}).enumerate())
    with pytest.raises(ConfigurationError, match="cannot be enumerated"):
        next(Choices((10,) * 9).enumerate())
    assert Choices((10,) * 9).size is None
    with pytest.raises(ConfigurationError, match="Cube cannot be enumerated"):
        Cube(3).enumerate()
    with pytest.raises(ConfigurationError, match="cannot be told apart by a key"):
        Cube(3).key(np.zeros((1, 3)))


# ---- edits that turn bonds


@pytest.mark.parametrize("budget", [{"SW": 2, "vacancy": 2, "B": 1}, {"SW": 3}, {"vacancy": 1, "SW": 1}])
@pytest.mark.parametrize("seed", range(3))
def test_masks_allow_the_edits_that_tubes_between_leads_allow(budget, seed):
    lattice, rng = tube_lattice(7, 0, 3), np.random.default_rng(seed)
    edits = lattice_edits(lattice, budget)
    assert isinstance(edits, DefectEdits)
    space = Decorations(lattice, edits)
    rows, remaining = np.zeros((1, edits.width), dtype=np.uint8), edits.budget[None].copy()
    for _ in range(edits.length):
        mask = edits.mask(rows, remaining)[0]
        every = np.repeat(rows, edits.n_actions, axis=0)
        left = np.repeat(remaining, edits.n_actions, axis=0)
        before = every.copy()
        allowed = edits.apply(every, left, np.arange(edits.n_actions))
        np.testing.assert_array_equal(allowed, mask)
        np.testing.assert_array_equal((every != before).sum(axis=1), allowed)
        np.testing.assert_array_equal(edits.remaining(every), left)
        kinds = len(edits.species)
        for action in range(edits.n_actions):
            kind, site = divmod(action, edits.n_sites)
            first = kinds * edits.n_sites
            turns = action >= first
            possible = remaining[0, -1 if turns else kind] > 0
            design = rows[0].copy()
            place = edits.n_sites + action - first if turns else site
            possible &= design[place] == 0
            design[place] = 1 if turns else edits.species[kind]
            if possible and (turns or edits.species[kind] == Species.VACANCY):
                try:
                    (tube,) = space.decode(design[None])
                except StructureError:
                    possible = False
                else:
                    why = not_between_leads(tube)
                    possible = why is None or "crosses the end" not in why
            assert mask[action] == possible, edits.describe(action)
        assert not edits.complete(rows)[0]
        edits.apply(rows, remaining, np.array([rng.choice(np.flatnonzero(mask))]))
    assert edits.complete(rows)[0]
    assert not remaining.any()
    assert not edits.mask(rows, remaining).any()


def test_unsound_tubes_are_no_designs():
    space = SPACES["defects"]
    design = space.sample(1, np.random.default_rng(3))
    edits, sites = space.edits, space.edits.n_sites
    bond = np.flatnonzero(design[0, sites:])[0]
    gone = design.copy()
    vacancy, a = np.flatnonzero(design[0, :sites] == Species.VACANCY)[0], space.lattice.bonds[bond, 0]
    gone[0, [vacancy, a]] = design[0, [a, vacancy]]
    assert not space.valid(gone)[0]
    crossing = design.copy()
    crossing[0, sites + bond] = 0
    crossing[0, sites + np.flatnonzero(~edits.turnable)[0]] = 1
    assert not space.valid(crossing)[0]


@pytest.mark.parametrize(
    ("tube", "budget", "said"),
    [
        ((8, 0, 2), {"SW": 1000}, "1000 bonds cannot be turned"),
        ((8, 0, 2), {"SW": 1, "N": 0}, "must be 1 or more"),
        ((8, 0, 2), {"SW": 1, "N": 65}, "does not fit a tube of 64 sites"),
        ((1, 1, 1), {"SW": 1}, "cannot be turned: this tube has"),
        ((8, 0, 2), {"SW": 12}, "cannot be turned"),
        ((8, 0, 2), {"SW": 1, "vacancy": 63}, "vacancies"),
    ],
)
def test_budgets_that_cannot_be_placed_raise(tube, budget, said):
    with pytest.raises(ConfigurationError, match=said):
        lattice_edits(tube_lattice(*tube), budget)


def test_a_budget_of_zero_turns_raises():
    with pytest.raises(ConfigurationError, match="must turn at least one bond"):
        lattice_edits(tube_lattice(8, 0, 2), {"SW": 0})


def test_tight_budgets_are_also_decoded_from_points():
    space = decorations(8, 0, 2, {"SW": 8})
    assert space.valid(space.from_points(np.random.default_rng(0).random((40, 16)))).all()


def test_a_tube_with_one_species_on_all_sites_is_not_mutated():
    space = decorations(5, 0, 1, {"13C": 20})
    designs = space.sample(3, np.random.default_rng(0))
    assert space.valid(space.mutate(designs, np.random.default_rng(0))).all()
    assert space.valid(space.recombine(designs, designs, np.random.default_rng(0))).all()


def test_a_row_that_is_no_design_does_not_change_the_keys_of_others():
    space = SPACES["periodic"]
    rows = space.sample(4, np.random.default_rng(0))
    wrong = rows.copy()
    wrong[0, np.flatnonzero(rows[0])[0]] = 0
    wrong[3, np.flatnonzero(rows[3] == 0)[0]] = Species.B  # as many entries in all as four designs have
    np.testing.assert_array_equal(space.key(wrong)[1:3], space.key(rows)[1:3])
