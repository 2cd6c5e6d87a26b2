"""Similar structures of a table, against pymatgen's StructureMatcher."""

import numpy as np
import pytest
from ase.build import bulk, graphene, make_supercell, mx2
from ase.build import nanotube as ase_nanotube
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.io.ase import AseAtomsAdaptor

from matgym.data import Fingerprints, are_same, most_similar
from matgym.errors import ConfigurationError
from matgym.structures import Crystal

TABLE = {
    "rock salt": bulk("NaCl", "rocksalt", a=5.64),
    "potassium chloride": bulk("KCl", "rocksalt", a=6.29),
    "sodium chloride as caesium chloride": bulk("NaCl", "cesiumchloride", a=3.4),
    "boron nitride as zincblende": bulk("BN", "zincblende", a=3.615),
    "boron nitride as wurtzite": bulk("BN", "wurtzite", a=2.55, c=4.2),
    "diamond": bulk("C", "diamond", a=3.567),
    "silicon": bulk("Si", "diamond", a=5.43),
    "iron, bcc": bulk("Fe", "bcc", a=2.87),
    "iron, fcc": bulk("Fe", "fcc", a=3.57),
    "graphene": graphene(vacuum=8.0),
    "boron nitride, one layer": graphene("BN", a=2.504, vacuum=8.0),
    "molybdenum disulphide": mx2("MoS2", vacuum=8.0),
    "molybdenum disulphide, 1T": mx2("MoS2", kind="1T", vacuum=8.0),
}
for _atoms in TABLE.values():
    _atoms.pbc = True
CRYSTALS = [Crystal.of(atoms) for atoms in TABLE.values()]


IN_VACUUM = 9
"""Number of crystals before those with vacuum."""


def disguised(atoms, rng):
    """Return the same crystal in a larger cell, rotated, shifted, reordered, and with atoms moved by 0.01 Å."""
    other = make_supercell(atoms, [[1, 1, 0], [0, 2, 0], [0, 0, 1]])
    other.rotate(float(rng.uniform(0.0, 360.0)), rng.normal(size=3), rotate_cell=True)
    other.positions += rng.uniform(-3.0, 3.0, 3) + rng.normal(0.0, 0.01, other.positions.shape)
    other = other[rng.permutation(len(other))]
    other.wrap()
    return other


def test_the_nearest_crystal_is_the_one_that_the_structure_matcher_finds():
    rng = np.random.default_rng(0)
    designs = [disguised(atoms, rng) for atoms in TABLE.values()]
    matcher = StructureMatcher(scale=False)
    structures = [AseAtomsAdaptor.get_structure(atoms) for atoms in TABLE.values()]
    found = most_similar(Fingerprints.of(map(Crystal.of, designs)), Fingerprints.of(CRYSTALS), len(CRYSTALS))
    for row, design in enumerate(designs):
        own = AseAtomsAdaptor.get_structure(design)
        if row < IN_VACUUM:  # its tolerance grows with the vacuum: see `are_same`
            same = [k for k, structure in enumerate(structures) if matcher.fit(own, structure)]
            assert same == [row]
        assert found.indices[row, 0] == row
        assert found.distances[row, 0] < found.distances[row, 1]
        assert found.compositions[row, 0] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("name", ["rock salt", "molybdenum disulphide"])
def test_a_crystal_is_the_same_as_itself_only(name):
    design = Crystal.of(disguised(TABLE[name], np.random.default_rng(1)))
    assert [list(TABLE)[k] for k in np.flatnonzero(are_same(design, CRYSTALS))] == [name]


def test_vacuum_and_cell_do_not_matter():
    thin, wide = (graphene(vacuum=vacuum) for vacuum in (8.0, 30.0))
    tubes = [ase_nanotube(6, 0, length=length, vacuum=vacuum) for length, vacuum in ((1, 6.0), (3, 9.0))]
    for pair in ((thin, wide), tubes):
        for atoms in pair:
            atoms.pbc = True
        one, other = (Fingerprints.of([Crystal.of(atoms)]) for atoms in pair)
        assert most_similar(one, other).distances[0, 0] < 1e-9


def test_distances_of_compositions_are_shares_of_atoms():
    carbon, mixed = graphene(vacuum=8.0).repeat((2, 2, 1)), graphene(vacuum=8.0).repeat((2, 2, 1))
    carbon.pbc = mixed.pbc = True
    mixed.numbers[[0, 5]] = 5, 7
    found = most_similar(Fingerprints.of([Crystal.of(mixed)]), Fingerprints.of([Crystal.of(carbon)]))
    assert found.indices.tolist() == [[0]]
    assert found.compositions[0, 0] == pytest.approx(0.25)
    assert 0.0 < found.structures[0, 0] < 1.0


def test_a_strain_is_a_small_distance_that_grows():
    designs = [Crystal.of(TABLE["rock salt"]).strained(np.full(3, 1.0 + s)) for s in (0.0, 0.005, 0.01, 0.03)]
    found = most_similar(Fingerprints.of(designs), Fingerprints.of(CRYSTALS[:1]))
    assert (np.diff(found.distances[:, 0]) > 0.0).all()


def test_empty_tables_and_counts_are_one_sentence():
    with pytest.raises(ConfigurationError, match="no crystals"):
        Fingerprints.of([])
    own = Fingerprints.of(CRYSTALS[:1])
    with pytest.raises(ConfigurationError, match="count=0"):
        most_similar(own, own, 0)
