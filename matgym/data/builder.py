"""Sample and build a data set in parallel. An interrupted build can be resumed, and every build has the same bytes.

Samples are divided into shards of fixed size. A shard depends on the specification and on its number only, and is
written atomically. An interrupted build leaves complete shards, which the next build uses.

Decorations range from uniformly random to ordered, because a search does not visit typical structures: without ordered
decorations in the training, superlattices and clusters that an optimizer finds would be out of distribution for a
surrogate. Atoms are placed one by one. The site of each is drawn with a weight exp(preference), and the preferences are
drawn for each tube. This procedure is our choice; it is not a model of how dopants are distributed in reality:

    preference(site, X) = σ_X s(site) + w_X cos(2π (h u + l z) + φ_X) + like a(site, X) + unlike a(site, X')

with s = ±1 the sublattice, (u, z) the angle and height of the site as fractions, h and l small whole numbers,
and a(site, X) the number of its three neighbours that hold X already.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from matgym.data.cards import CardFacts, card_path, write_card
from matgym.data.columns import PROVENANCE
from matgym.data.dataset import Dataset
from matgym.data.specification import SPECIFICATIONS, DatasetSpec, Family
from matgym.data.table import SCHEMA_VERSION, label_columns, split_of, table_of, tube_columns
from matgym.execution import counted, execute
from matgym.physics.cache import PHYSICS_VERSION
from matgym.physics.electrons.bands import GAP_EV, PiElectrons
from matgym.physics.registry import Conditions, oracle_of, predict
from matgym.structures import CARBONS, Nanotube, Species, TubeBatch, TubeLattice, tube_lattice
from matgym.structures.symmetry import Pairs
from matgym.typing import FloatArray, SpeciesArray
from matgym.work import work_folder

SHARD_SAMPLES: Final = 100

PLAIN_SHARE: Final = 0.35
"""Share of tubes that are decorated uniformly at random."""

CLIMB_STEPS: Final = 8
CLIMB_TRIES: Final = 16
"""Steps of the hill climb of `Family.searched`, and swaps that each step tries; choices of ours."""

_SUBLATTICE, _WAVE, _NEIGHBOUR = 1.5, 2.0, 1.5  # standard deviations of the preferences


@dataclass(frozen=True)
class ShardJob:
    """A job that makes one shard of a data set.

    Attributes:
        spec: specification of the data set.
        number: number of the shard.
    """

    spec: DatasetSpec
    number: int

    @property
    def key(self) -> str:
        """Name of the shard, which is different for a different specification, number or version of the physics."""
        return f"shard-{self.number:05d}-{self.spec.digest}-{PHYSICS_VERSION}"

    def run(self) -> pa.Table:
        """Return the sampled and labelled shard."""
        return make_shard(self.spec, self.number)


def build(
    spec: DatasetSpec,
    output: Path,
    *,
    workers: int = 2,
    scheduler: str | None = None,
    force: bool = False,
    inputs: Iterable[Path] = (),
    on_shard: Callable[[int, int], None] = lambda _done, _total: None,
) -> Path:
    """Build a data set, or resume an interrupted build.

    Args:
        spec: specification of the data set.
        output: the Parquet file; its card (`matgym.data.cards`) is written beside it. The folder `OUTPUT.work/` next to
            it holds the finished shards during the build; see `matgym.work`.
        workers: number of processes, each on one core.
        scheduler: address of a Dask scheduler whose workers make the shards; see `matgym.execution.execute`.
        force: whether an existing file is replaced.
        inputs: files that are never replaced, such as that of the specification.
        on_shard: called at the start and after each shard with the number of finished shards and of all shards.

    Returns:
        `output`.

    Raises:
        ConfigurationError: if `workers` is below 1.
        FormatError: if `output` cannot be written, or exists without `force`.
        DatasetError: if the shards next to `output` are those of another specification.
        OutputError: if the disk is full.
        ExecutionError: if shards could not be made, or another process builds the same file.
    """
    jobs = [ShardJob(spec, number) for number in range(-(-spec.samples // SHARD_SAMPLES))]
    identity = {"specification": spec.model_dump(mode="json"), "digest": spec.digest, "physics": PHYSICS_VERSION}
    pieces = ["shards/shard-*.parquet"]
    outputs = [output, card_path(output)]
    with work_folder(output, outputs=outputs, pieces=pieces, identity=identity, force=force, inputs=inputs) as work:
        on_shard(0, len(jobs))
        told = counted(on_shard, len(jobs))
        paths = execute(jobs, work.folder / "shards", workers=workers, scheduler=scheduler, on_done=told)
        work.begin_output()
        _merge(spec, paths, output)
        write_card(output, CardFacts(spec.name, f"Carbon nanotubes with {', '.join(spec.properties)}."))
    return output


def make_shard(spec: DatasetSpec, number: int) -> pa.Table:
    """Return the sampled and labelled tubes of one shard."""
    samples = range(number * SHARD_SAMPLES, min((number + 1) * SHARD_SAMPLES, spec.samples))
    families = [spec.family_of(sample) for sample in samples]
    batch = TubeBatch.of(
        random_tube(family, spec.largest_share, np.random.default_rng([spec.seed, sample]))
        for sample, family in zip(samples, families, strict=True)
    )
    columns = tube_columns(batch, samples)
    columns["split"] = [family.held or split_of(key) for family, key in zip(families, columns["key"], strict=True)]
    conditions = Conditions(spec.temperature_k)
    predictions = predict(batch, spec.properties, conditions, level=spec.levels)
    for name, (key, values) in zip(spec.properties, predictions.values.items(), strict=True):
        # Ten digits, beyond the tolerance of the oracles: the same bytes on the same machine.
        rounded = np.array([float(f"{value:.10g}") for value in values])
        computed_by = oracle_of(name, conditions, level=spec.levels.get(name)).level
        columns |= label_columns(key, rounded, predictions.failures.get(key, {}), computed_by)
    return table_of(columns, spec.keys)


def _merge(spec: DatasetSpec, paths: list[Path], output: Path) -> None:
    """Write the shards in order to one file; of symmetric copies the first one is kept."""
    table = pa.concat_tables([pq.read_table(path) for path in paths])
    _, first = np.unique(table.column("key").to_numpy(), return_index=True)
    table = table.take(pa.array(np.sort(first)))
    metadata = {PROVENANCE: json.dumps(provenance(spec), sort_keys=True).encode()}
    Dataset(table.replace_schema_metadata(metadata)).save(output)


def provenance(spec: DatasetSpec) -> dict[str, Any]:
    """Return the provenance that the file of a data set stores."""
    source = spec.name if SPECIFICATIONS.get(spec.name) == spec else f"{spec.name}.json"
    return {
        "schema_version": SCHEMA_VERSION,
        "specification": spec.model_dump(mode="json"),
        "oracles": {
            key: repr(oracle_of(key, Conditions(spec.temperature_k), level=spec.levels.get(name)))
            for key, name in zip(spec.keys, spec.properties, strict=True)
        },
        "physics_version": PHYSICS_VERSION,
        "command": f"matgym data build {spec.name}.parquet --specification {source}",
    }


# ---- random decorations


def random_decoration(lattice: TubeLattice, counts: dict[Species, int], rng: np.random.Generator) -> SpeciesArray:
    """Return (n_sites,) species codes of a lattice with given numbers of each species."""
    kinds = list(counts)
    queue = rng.permutation(np.repeat(np.arange(len(kinds)), [counts[kind] for kind in kinds]))
    species = np.zeros(lattice.n_sites, dtype=np.uint8)
    if rng.random() < PLAIN_SHARE:
        species[rng.permutation(lattice.n_sites)[: len(queue)]] = np.array(kinds, dtype=np.uint8)[queue]
        return species

    field = _preferences(lattice, len(kinds), rng)  # (kinds, n_sites)
    attraction = rng.normal(0.0, _NEIGHBOUR, (len(kinds), len(kinds))) * (rng.random() < 0.6)
    for kind in queue:
        neighbours = species[lattice.neighbours]  # (n_sites, 3)
        preference = field[kind].copy()
        for other, code in enumerate(kinds):
            preference += attraction[kind, other] * (neighbours == code).sum(axis=1)
        preference[species != Species.C12] = -np.inf
        weight = np.exp(preference - preference.max())
        species[rng.choice(lattice.n_sites, p=weight / weight.sum())] = kinds[kind]
    return species


def _preferences(lattice: TubeLattice, kinds: int, rng: np.random.Generator) -> FloatArray:
    """Return the (kinds, n_sites) preference of each species for each site of the empty lattice."""
    sublattice = np.repeat([1.0, -1.0], lattice.n_cells)
    angle, height = lattice.site_fractions.T
    field = rng.normal(0.0, _SUBLATTICE, (kinds, 1)) * (rng.random() < 0.6) * sublattice
    if rng.random() < 0.6:
        around, along = rng.integers(0, 4), rng.integers(0, 2 * lattice.cells + 1)
        phases = rng.random((kinds, 1))
        wave = np.cos(2 * np.pi * (around * angle + along * height + phases))
        field = field + rng.normal(0.0, _WAVE, (kinds, 1)) * wave
    return np.asarray(field)


def random_codoped(n: int, m: int, cells: int, largest_share: float, rng: np.random.Generator) -> Nanotube:
    """Return a tube with equal numbers of B and N atoms, on at most `largest_share` of the sites.

    Equal numbers keep the tube neutral: on average one π electron per site, as for carbon, and an even total.
    """
    return random_tube(Family(n=n, m=m, cells=cells, samples=1), largest_share, rng)


def random_tube(family: Family, largest_share: float, rng: np.random.Generator) -> Nanotube:
    """Return a tube of a family, with its decoration, strain, torsion and turned bonds.

    The decoration is drawn first. No random number is drawn for what the family does not vary.
    """
    lattice = tube_lattice(family.n, family.m, family.cells)
    pairs = int(rng.integers(1, max(1, int(largest_share * lattice.n_sites / 2)) + 1))
    if _chance(family.undecorated, rng):
        pairs = 0
    boron = pairs
    if _chance(family.unbalanced, rng):
        boron = int(rng.integers(2 * pairs + 1))
    counts = {Species.B: boron, Species.N: 2 * pairs - boron}
    if family.isotopes and _chance(family.isotopic, rng):
        heavy = (Species.C13, Species.C14)[rng.integers(2)]
        counts[heavy] = min(int(rng.uniform(0.0, family.isotopes) * lattice.n_sites), lattice.n_sites - 2 * pairs)
    species = random_decoration(lattice, counts, rng)
    defective = bool(family.vacancies or family.stone_wales) and _chance(family.defective, rng)
    if family.vacancies and defective:
        _remove_atoms(lattice, species, int(rng.integers(family.vacancies + 1)), rng)
    strain, torsion = (low if low == high else rng.uniform(low, high) for low, high in (family.strain, family.torsion))
    if family.strain_step:
        strain = family.strain_step * round(strain / family.strain_step)
    turned = _random_pairs(family, species, rng) if defective else ()
    tube = Nanotube(family.n, family.m, family.cells, species, strain, torsion, turned)
    return _climbed(tube, rng) if _chance(family.searched, rng) else tube


def _chance(share: float, rng: np.random.Generator) -> bool:
    """Return true with a probability; no random number is drawn if it is certain."""
    return share > 0.0 and (share >= 1.0 or bool(rng.random() < share))


def _remove_atoms(lattice: TubeLattice, species: SpeciesArray, count: int, rng: np.random.Generator) -> None:
    """Put vacancies on random carbon sites that are not neighbours of others, in place; fewer if there is no room."""
    for _ in range(count):
        beside = (species[lattice.neighbours] == Species.VACANCY).any(axis=1)
        free = np.flatnonzero(np.isin(species, CARBONS) & ~beside)
        if not free.size:
            return
        species[rng.choice(free)] = Species.VACANCY


def _climbed(tube: Nanotube, rng: np.random.Generator) -> Nanotube:
    """Return the tube after some steps of a hill climb for a large or a small π gap by swaps of two sites."""
    sign = rng.choice([-1.0, 1.0])
    best = -np.inf
    for _ in range(CLIMB_STEPS):
        tries = [_swapped(tube, rng) for _ in range(CLIMB_TRIES)]
        gaps = sign * PiElectrons().predict(tries)[GAP_EV.key]
        if not np.isfinite(gaps).any():
            return tube
        first = int(np.nanargmax(gaps))
        if gaps[first] > best:
            tube, best = tries[first], gaps[first]
    return tube


def _swapped(tube: Nanotube, rng: np.random.Generator) -> Nanotube:
    """Return the tube with a B or N atom and another atom swapped; vacancies stay where they have room."""
    species = tube.species.copy()
    doped = np.isin(species, (Species.B, Species.N))
    if not doped.any():
        return tube
    one = rng.choice(np.flatnonzero(doped))
    others = np.flatnonzero((species != species[one]) & (species != Species.VACANCY))
    if others.size:
        other = rng.choice(others)
        species[one], species[other] = species[other], species[one]
    return tube.with_species(species)


def _random_pairs(family: Family, species: SpeciesArray, rng: np.random.Generator) -> Pairs:
    """Return Stone-Wales pairs at random bonds of atoms; fewer than the drawn number if no other can be turned."""
    edits = family.edits()
    if edits is None:
        return ()
    design = np.zeros((1, edits.width), dtype=np.uint8)
    remaining = np.array([[rng.integers(family.stone_wales + 1)]])
    vacant = np.flatnonzero(species == Species.VACANCY)
    open_bonds = np.ones(edits.mask(design, remaining).shape[1], dtype=bool)
    while (free := np.flatnonzero(edits.mask(design, remaining)[0] & open_bonds)).size:
        before, counts = design.copy(), remaining.copy()
        action = rng.choice(free, 1)
        edits.apply(design, remaining, action)
        if np.isin(edits.lattice.bond_pairs(design[0, edits.n_sites :]), vacant).any():
            design, remaining = before, counts
            open_bonds[action] = False
    return edits.lattice.bond_pairs(design[0, edits.n_sites :])
