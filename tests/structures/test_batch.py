"""Ragged batches of tubes: all data are kept, the uniform path copies nothing, and arrays that do not fit raise."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matgym.errors import SpeciesError, StructureError
from matgym.structures import Nanotube, Species, TubeBatch, TubeLattice, tube_lattice

LATTICES = [(8, 0, 2), (5, 5, 3), (6, 3, 1), (4, 2, 1), (8, 0, 4), (10, 10, 1)]
SOME = settings(max_examples=60, deadline=None, derandomize=True)


@st.composite
def tubes(draw):
    """Draw a tube with any species, strain and torsion, and up to one turned bond."""
    n, m, cells = draw(st.sampled_from(LATTICES))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    tube = Nanotube(
        n, m, cells, strain=draw(st.sampled_from([0.0, 0.03, -0.02])), torsion=draw(st.sampled_from([0.0, 0.01]))
    )
    codes = rng.choice(list(Species)[:-1], tube.n_sites)
    if draw(st.booleans()):
        try:
            return tube.with_species(codes).turned(tuple(tube.lattice.bonds[rng.integers(3 * tube.n_sites // 2), :2]))
        except StructureError:  # too short to turn a bond
            return tube.with_species(codes)
    return tube.with_species(np.where(rng.random(tube.n_sites) < 0.1, Species.VACANCY, codes))


batches = st.lists(tubes(), max_size=8)


def arrays(batch):
    found = [getattr(batch, field.name) for field in fields(batch)]
    return [array for array in found if isinstance(array, np.ndarray)]


@SOME
@given(listed=batches)
def test_a_batch_equals_the_list_of_its_tubes(listed):
    batch = TubeBatch.of(listed)
    assert len(batch) == len(listed)
    assert list(batch) == listed
    assert TubeBatch.of(batch) is batch
    assert len(set(batch.lattices)) == len(batch.lattices)
    assert batch.n_sites.tolist() == [tube.n_sites for tube in listed]
    assert batch.offsets.tolist() == [sum(tube.n_sites for tube in listed[:row]) for row in range(len(listed) + 1)]
    assert batch.deformed.tolist() == [bool(tube.strain or tube.torsion) for tube in listed]
    assert batch.reconstructed.tolist() == [bool(tube.stone_wales) for tube in listed]
    if listed:
        assert batch[-1] == listed[-1]
        assert listed[0] in batch
    with pytest.raises(IndexError):
        batch[len(listed)]


@SOME
@given(listed=batches)
def test_groups_hold_each_tube_once_in_order_of_first_appearance(listed):
    batch = TubeBatch.of(listed)
    groups = list(batch.by_lattice())
    assert [group.lattice for group in groups] == list(dict.fromkeys(tube.lattice for tube in listed))
    assert sorted(row for group in groups for row in group.rows.tolist()) == list(range(len(listed)))
    for lattice, rows, species, turned in groups:
        assert (np.diff(rows) > 0).all()
        assert species.shape == (len(rows), lattice.n_sites)
        assert not species.flags.writeable
        assert (turned is None) == (batch.turned is None)
        for i, row in enumerate(rows.tolist()):
            assert (species[i] == listed[row].species).all()
            pairs = () if turned is None else lattice.bond_pairs(turned[i])
            assert pairs == listed[row].stone_wales


@SOME
@given(listed=batches, seed=st.integers(0, 99))
def test_taken_tubes_are_those_of_a_list(listed, seed):
    batch, rng = TubeBatch.of(listed), np.random.default_rng(seed)
    rows = rng.integers(-len(listed), len(listed), 5) if listed else np.zeros(0, dtype=np.int64)
    assert list(batch.take(rows)) == [listed[row] for row in rows]
    assert list(batch.take(rows.tolist())) == [listed[row] for row in rows]
    mask = rng.random(len(listed)) < 0.5
    assert list(batch.take(mask)) == [tube for tube, chosen in zip(listed, mask, strict=True) if chosen]
    for part in (slice(None), slice(1, 3), slice(None, None, -1), slice(None, None, 2), slice(-2, None)):
        assert list(batch[part]) == listed[part]
        assert isinstance(batch[part], TubeBatch)
    groups = list(batch.take(rows).by_lattice())  # lattices without a tube are left out
    assert [group.lattice for group in groups] == list(dict.fromkeys(listed[row].lattice for row in rows))


def test_indices_out_of_range_raise():
    batch = TubeBatch.of([Nanotube(8, 0, 1)])
    for rows in ([1], [-2], [True, False]):
        with pytest.raises(IndexError):
            batch.take(rows)


@SOME
@given(listed=batches)
def test_arrays_are_read_only(listed):
    batch = TubeBatch.of(listed)
    uniform = TubeBatch.uniform(tube_lattice(8, 0, 1), np.zeros((2, 32), dtype=np.uint8))
    for made in (batch, batch.take(np.arange(len(listed))), batch[::2], uniform):
        for array in arrays(made):
            assert not array.flags.writeable
    for one in arrays(uniform):
        with pytest.raises(ValueError, match="read-only"):
            one[...] = 0


def test_the_uniform_path_copies_no_species_and_keeps_the_callers_array_writeable():
    lattice = tube_lattice(8, 0, 2)
    rows = np.random.default_rng(0).integers(0, 5, (4, lattice.n_sites)).astype(np.uint8)
    batch = TubeBatch.uniform(lattice, rows)
    (group,) = batch.by_lattice()
    assert np.shares_memory(batch.species, rows)
    assert np.shares_memory(group.species, rows)
    assert rows.flags.writeable
    assert group.lattice is lattice
    assert group.rows.tolist() == [0, 1, 2, 3]
    assert list(batch) == list(TubeBatch.of([Nanotube(8, 0, 2, row) for row in rows]))


def test_turned_bonds_of_the_uniform_path_are_those_of_the_tubes():
    listed = [tube := Nanotube(8, 0, 4), tube.turned(tuple(tube.lattice.bonds[40, :2])), tube]
    turned = np.stack([tube.lattice.bond_mask(one.stone_wales) for one in listed]).astype(np.uint8)
    codes = np.stack([one.species for one in listed])
    batch = TubeBatch.uniform(tube.lattice, codes, turned)
    assert list(batch) == listed
    assert batch.reconstructed.tolist() == [False, True, False]
    assert TubeBatch.uniform(tube.lattice, codes, np.zeros_like(turned)).turned is None


def parts(**changed):
    lattice = tube_lattice(8, 0, 1)
    whole = {
        "lattices": (lattice,),
        "lattice_index": np.zeros(2, dtype=np.int64),
        "species": np.zeros(64, dtype=np.uint8),
        "turned": np.zeros(96, dtype=bool),
        "strain": np.zeros(2),
        "torsion": np.zeros(2),
    }
    return whole | changed


@pytest.mark.parametrize(
    ("changed", "error", "said"),
    [
        ({"species": np.zeros(63, dtype=np.uint8)}, SpeciesError, r"shape \(63,\): give \(64,\) codes"),
        ({"species": np.zeros((2, 32), dtype=np.uint8)}, SpeciesError, r"shape \(2, 32\): give \(64,\)"),
        ({"turned": np.zeros(95, dtype=bool)}, StructureError, r"turned has shape \(95,\): give \(96,\) booleans"),
        ({"strain": np.zeros(1)}, StructureError, r"strain has shape \(1,\): give \(2,\)"),
        ({"torsion": np.zeros((2, 1))}, StructureError, r"torsion has shape \(2, 1\): give \(2,\)"),
        ({"lattice_index": np.array([0, 1])}, StructureError, r"lattice_index \[0 1\] is out of range: give 0 to 0"),
        ({"lattices": ()}, StructureError, r"lattice_index \[0 0\] does not fit a batch without lattices"),
        ({"lattice_index": np.array([0, -1])}, StructureError, r"lattice_index \[ 0 -1\] is out of range: give 0 to 0"),
    ],
)
def test_arrays_of_other_shapes_raise(changed, error, said):
    assert len(TubeBatch(**parts())) == 2
    with pytest.raises(error, match=said):
        TubeBatch(**parts(**changed))


def test_rows_of_another_lattice_raise():
    lattice = tube_lattice(8, 0, 1)
    rows = np.zeros((2, 32), dtype=np.uint8)
    with pytest.raises(SpeciesError, match=r"\(2, 31\): give 32 codes for each tube"):
        TubeBatch.uniform(lattice, rows[:, 1:])
    with pytest.raises(SpeciesError, match="give 32 codes"):
        TubeBatch.uniform(lattice, rows[0])
    for shape in ((2, 32), (1, 48), (96,)):
        with pytest.raises(StructureError, match=r"give \(2, 48\), one entry for each bond"):
            TubeBatch.uniform(lattice, rows, np.zeros(shape, dtype=np.uint8))


@pytest.mark.parametrize(
    "empty",
    [
        TubeBatch.of([]),
        TubeBatch.uniform(TubeLattice(8, 0, 1), np.zeros((0, 32), dtype=np.uint8)),
        TubeBatch.of([Nanotube(8, 0, 1), Nanotube(5, 5, 1)]).take([]),
    ],
    ids=["of nothing", "uniform", "taken"],
)
def test_an_empty_batch_is_a_batch(empty):
    assert len(empty) == 0
    assert list(empty) == []
    assert list(empty.by_lattice()) == []
    assert list(empty[:3]) == []
    assert empty.offsets.tolist() == [0]
    assert empty.deformed.shape == empty.reconstructed.shape == empty.n_sites.shape == (0,)
