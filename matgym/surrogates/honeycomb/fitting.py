"""Fitting of surrogates on the honeycomb, each member of an ensemble on other chiralities.

Networks: standardised targets, mean squared error, AdamW, one-cycle schedule. Ridge regression: in closed form.

The member with number i of three or more leaves out the chiralities with numbers i, i + members, and so on. Its errors
there, together those of all members on every chirality of the training data, calibrate the intervals of tubes of unseen
chiralities (as in the jackknife+ of Barber et al., Ann. Stat. 49, 486 (2021), with chiralities as the units). With a
member for each chirality, a member knows but one chirality less than the mean of all.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Literal, Self, TypeAlias, Unpack

import numpy as np
import torch
from torch import Tensor

from matgym.data import Dataset
from matgym.errors import ConfigurationError, DatasetError
from matgym.frozen import ValueObject
from matgym.learning.config import check_counts, check_not_negative, check_positive
from matgym.learning.metrics import calibrate, column_scales, distance, distance_model
from matgym.learning.trainer import Options, Training, one_cycle, train
from matgym.models import Level
from matgym.physics.electrons.bands import GAP_EV
from matgym.physics.electrons.self_consistent import SelfConsistentElectrons
from matgym.structures import Species, TubeBatch
from matgym.surrogates.baseline import check_informants, physics_of
from matgym.surrogates.honeycomb.graph import Honeycombs, honeycombs, part_of, ranged, sites_of
from matgym.surrogates.honeycomb.hamiltonian import HamiltonianSurrogate, self_consistent_potentials, site_inputs
from matgym.surrogates.honeycomb.intervals import Asked, calibrate_intervals
from matgym.surrogates.honeycomb.kinds import KINDS, AnyNetwork
from matgym.surrogates.honeycomb.network import HoneycombNetwork
from matgym.surrogates.honeycomb.pairs import PairNetwork
from matgym.surrogates.honeycomb.surrogate import HoneycombSurrogate, Scaling
from matgym.surrogates.honeycomb.targets import Targets
from matgym.typing import BoolArray, Float32Array, FloatArray, IntArray

Batch: TypeAlias = tuple[tuple[Tensor, ...], Tensor]
"""Arguments of the network, and (B, properties) standardised targets."""

PotentialBatch: TypeAlias = tuple[tuple[Tensor, ...], Tensor, Tensor]
"""Arguments of the network, (S,) potentials, and (S,) whether a site holds an atom."""

MOST_SITES: Final = 200
"""Largest tubes whose potentials are learned: the time of self-consistence grows with the cube. A choice of ours."""

CALIBRATED: Final = 1000
"""Number of training tubes that are enough for the distance of others from them. A choice of ours."""


@dataclass(frozen=True)
class HoneycombFit:
    """The configuration of a fit.

    Attributes:
        properties: keys of the labels to learn, one output each.
        informed_by: physics that is given as further inputs; see `matgym.surrogates.baseline`.
        size: settings of the network; missing ones have their defaults.
        members: number of networks, fitted with different seeds and without different chiralities.
        epochs: number of passes over the training split, as are the next four only for the network.
        patience: number of epochs without a lower validation error after which the fit stops; None runs all epochs.
        batch_size: number of tubes per step.
        learning_rate: peak learning rate of the one-cycle schedule.
        weight_decay: weight decay of AdamW.
        seed: random seed of initial weights, order, and mirror images; member i has `seed + i`.
        dataset: name or file of the data that the configuration is for; empty for any data.
        network: "honeycomb"; "pairs" for a ridge regression; or "hamiltonian" for a network that writes an effective
            Hamiltonian, for the self-consistent gap alone.

    Raises:
        ConfigurationError: if a value is out of range.
    """

    properties: tuple[str, ...]
    informed_by: tuple[str, ...] = ()
    size: dict[str, Any] = field(default_factory=dict)
    members: int = 1
    epochs: int = 60
    patience: int | None = None
    batch_size: int = 32
    learning_rate: float = 3e-3
    weight_decay: float = 1e-4
    seed: int = 0
    dataset: str = ""
    network: Literal["honeycomb", "pairs", "hamiltonian"] = "honeycomb"

    def __post_init__(self) -> None:
        check_counts(self, "epochs", "members", "batch_size", "patience")
        check_positive(self, "learning_rate")
        check_not_negative(self, "weight_decay")
        if not self.properties:
            raise ConfigurationError("properties must hold at least one key")
        check_informants(self.informed_by)
        if self.network == "hamiltonian" and (self.properties, self.informed_by) != ((GAP_EV.key,), ()):
            raise ConfigurationError(
                f"network='hamiltonian' gives the gap alone, without further inputs: give properties=['{GAP_EV.key}'] "
                f"and informed_by=[], not {list(self.properties)} and {list(self.informed_by)}"
            )
        KINDS[self.network].settings(**self.size)

    def as_dict(self) -> dict[str, Any]:
        """Return a plain dictionary for the card, with all settings of the network."""
        return asdict(self) | {"size": asdict(KINDS[self.network].settings(**self.size))}


@dataclass(frozen=True, eq=False)
class Examples(ValueObject):
    """Labelled tubes with what is to be learned.

    Attributes:
        batch: B tubes.
        graph: the same as one graph.
        labels: (B, properties) labels.
        learned: (B, properties) labels without the part that is known without learning.
        targets: how learned values become labels.
        physics: (B, informed) physics inputs.
        chirality: (B,) number of the chirality of each tube.
    """

    batch: TubeBatch
    graph: Honeycombs
    labels: FloatArray
    learned: FloatArray
    targets: Targets
    physics: FloatArray
    chirality: IntArray

    @classmethod
    def of(cls, data: Dataset, config: HoneycombFit) -> Self:
        """Return the rows of a data set, but for those whose physics inputs fail."""
        batch, labels = data.batch, np.stack([data.values(key) for key in config.properties], axis=1)
        physics = physics_of(data, config.informed_by)
        rows = np.flatnonzero(np.isfinite(physics).all(axis=1))
        batch, labels, physics = batch.take(rows), labels[rows], physics[rows]
        targets = Targets.of(config.properties, batch, config.informed_by, physics)
        numbers = data.chirality_numbers()[rows]
        return cls(batch, honeycombs(batch), labels, targets.learned(labels), targets, physics, numbers)


@dataclass(frozen=True, eq=False)
class Potentials(ValueObject):
    """Tubes with self-consistent potentials, which a network that writes a Hamiltonian learns.

    Attributes:
        rows: (b,) rows of the tubes in the examples.
        graph: the tubes.
        inputs: (S, inputs) further inputs of sites.
        wanted: (S,) potentials, eV.
        occupied: (S,) whether a site holds an atom.
    """

    rows: IntArray
    graph: Honeycombs
    inputs: Float32Array
    wanted: Float32Array
    occupied: BoolArray

    @classmethod
    def of(cls, examples: Examples, model: SelfConsistentElectrons) -> Self:
        """Return the examples that are small enough, with their potentials, which take some minutes."""
        rows = np.flatnonzero(examples.batch.n_sites <= MOST_SITES)
        found, is_there = self_consistent_potentials(examples.batch.take(rows), model)
        sites = np.repeat(is_there, examples.batch.n_sites[rows])
        rows = rows[is_there]
        batch = examples.batch.take(rows)
        return cls(
            rows,
            part_of(examples.graph, rows),
            site_inputs(batch, model),
            found[sites].astype(np.float32),
            batch.species != Species.VACANCY,
        )

    def take(self, rows: IntArray) -> "Potentials":
        """Return some of the tubes."""
        sites = sites_of(self.graph, rows)
        return Potentials(
            self.rows[rows], part_of(self.graph, rows), self.inputs[sites], self.wanted[sites], self.occupied[sites]
        )


def fit(
    data: Dataset, config: HoneycombFit, start: HoneycombSurrogate | None = None, **options: Unpack[Options]
) -> HoneycombSurrogate:
    """Fit networks to the training split, keep the epoch of the lowest validation error, and calibrate uncertainty.

    Args:
        data: data set with train and validation rows; rows of other splits are not used.
        config: configuration of the fit.
        start: surrogate whose weights, of another property perhaps, the rounds of messages begin with.
        options: see `matgym.learning.trainer.Options`.

    Raises:
        DatasetError: if a split is empty, or the checkpoints are those of another fit.
        PropertyError: if the data have no labels of a property.
        ConfigurationError: if `start` has networks of another kind or size.
    """
    kind, data = KINDS[config.network], data.labelled(config.properties)
    learned, validation = (Examples.of(data.split(split), config) for split in ("train", "validation"))
    if not len(learned.batch) or not len(validation.batch):
        raise DatasetError(
            f"the data set has {len(learned.batch)} tubes to train on and {len(validation.batch)} to validate on: give "
            "labelled rows in the splits 'train' and 'validation'"
        )
    numbers = np.concatenate([learned.graph.tubes, learned.physics], axis=1)
    mean, scale = numbers.mean(axis=0), column_scales(numbers)
    if config.network == "pairs":  # scales features itself
        mean, scale = np.zeros_like(mean), np.ones_like(scale)
    scaling = Scaling(learned.learned.mean(axis=0), column_scales(learned.learned), mean, scale)
    settings = kind.settings(**config.size)
    chiralities = tuple(sorted({(lattice.n, lattice.m) for lattice in learned.batch.lattices}))
    fresh = kind.surrogate(
        (), config.network, asdict(settings), config.properties, config.informed_by, scaling, chiralities
    )
    leads = any(prop.between_leads for prop in fresh.properties)
    held = _left_out(learned.chirality, config.members)
    potentials: tuple[Potentials, Potentials] | None = None
    if isinstance(fresh, HamiltonianSurrogate):
        if others := sorted({str(level) for level in data.levels(GAP_EV.key)} - {str(Level.SCC_PI)}):
            raise DatasetError(
                f"the gaps are by {', '.join(others)}, and network='hamiltonian' learns potentials of the "
                f"{Level.SCC_PI}: label the tubes by level='{Level.SCC_PI.short}'"
            )
        potentials = Potentials.of(learned, fresh.electrons), Potentials.of(validation, fresh.electrons)
    networks: list[AnyNetwork] = []
    pairs: FloatArray | None = None  # of all members alike
    for member in range(config.members):
        torch.manual_seed(config.seed + member)
        network = kind.network(settings, len(config.properties), len(config.informed_by), leads)
        if start is not None:
            _take_over(network, start.networks[member % len(start.networks)])
        rows, of_member = np.flatnonzero(held != member), replace(fresh, networks=(network,))
        if isinstance(network, PairNetwork):
            pairs = of_member.pooled(learned.batch, learned.physics) if pairs is None else pairs
            network.solve(pairs[rows], (learned.learned[rows] - scaling.mean) / scaling.scale, learned.chirality[rows])
        else:
            identity = {"data": data.digest, "config": asdict(config)}
            if potentials:
                train(_training_of_potentials(of_member, *potentials, rows, config, member), identity, **options)
            else:
                train(_training(of_member, learned, rows, validation, config, member), identity, **options)
        networks.append(network)
    return _calibrated(replace(fresh, networks=tuple(networks)), learned, validation, held)


def _left_out(chirality: IntArray, members: int) -> IntArray:
    """Return (B,) the member that leaves each tube out; -1 for none, where that would be more than a third of them."""
    number = np.unique(chirality, return_inverse=True)[1]
    count = int(number.max()) + 1
    if 3 * math.ceil(count / members) > count:
        return np.full(len(chirality), -1)
    return np.asarray(number % members)


def _calibrated(
    fitted: HoneycombSurrogate, learned: Examples, validation: Examples, held: IntArray
) -> HoneycombSurrogate:
    """Return a surrogate with its uncertainty: of seen chiralities on validation tubes, of others on those left out."""
    some = np.arange(0, len(learned.batch), max(1, len(learned.batch) // CALIBRATED))
    features = fitted.pooled(learned.batch.take(some), learned.physics[some])
    members, held_out, _ = fitted.run(validation.batch, validation.physics)
    if (held < 0).any():
        calibration = calibrate(validation.labels, members, features, held_out)
    else:
        calibration = distance_model(features, held_out)
        far, predicted = _left_out_by_members(fitted, learned, held, some, calibration)
        known = validation.targets.learned(members.mean(axis=0))
        calibration |= calibrate_intervals(
            Asked.of(learned.graph, far, predicted),
            predicted - learned.learned,
            learned.chirality,
            Asked.of(validation.graph, distance(held_out, calibration), known),
            known - validation.learned,
        )
    numbers = ranged(learned.graph)
    calibration |= {"low": numbers.min(axis=0), "high": numbers.max(axis=0)}
    return replace(fitted, calibration=calibration)


def _left_out_by_members(
    fitted: HoneycombSurrogate, learned: Examples, held: IntArray, some: IntArray, calibration: Mapping[str, FloatArray]
) -> tuple[FloatArray, FloatArray]:
    """Return (T,) distances from the data, and (T, properties) predicted learned values, without a tube's chirality.

    The prediction is that of the member that leaves the chirality out. The distance is from the other tubes among those
    of `some` rows, in units of the threshold that all of them have.
    """
    predicted, far = np.empty_like(learned.learned), np.empty(len(held))
    for member in np.unique(held):
        rows = np.flatnonzero(held == member)
        alone = replace(fitted, networks=(fitted.networks[member],))
        found, _, targets = alone.run(learned.batch.take(rows), learned.physics[rows])
        predicted[rows] = targets.learned(found[0])
    features = fitted.pooled(learned.batch, learned.physics)
    for chirality in np.unique(learned.chirality):
        others = features[some[learned.chirality[some] != chirality]]
        rows = np.flatnonzero(learned.chirality == chirality)
        model = distance_model(others, others) | {"threshold": calibration["threshold"]}
        far[rows] = distance(features[rows], model)
    return far, predicted


def _take_over(network: AnyNetwork, start: AnyNetwork) -> None:
    """Give a network the weights of another one that has the same sizes: all but those of the head's last layer.

    Raises:
        ConfigurationError: if no weights but those of the head fit.
    """
    if not isinstance(network, HoneycombNetwork) or not isinstance(start, HoneycombNetwork):
        raise ConfigurationError('only networks of kind "honeycomb" can start from the weights of others')
    wanted = network.state_dict()
    fitting = {
        name: value
        for name, value in start.state_dict().items()
        if name in wanted
        and value.shape == wanted[name].shape
        and not name.startswith(f"head.{len(network.head) - 1}.")
    }
    if "site.weight" not in fitting or any(name not in fitting for name in wanted if name.startswith("rounds.")):
        raise ConfigurationError("the initial weights are of a network of another size: give the same settings")
    network.load_state_dict(wanted | fitting)


def _training(
    surrogate: HoneycombSurrogate,
    learned: Examples,
    rows: IntArray,
    validation: Examples,
    config: HoneycombFit,
    member: int,
) -> Training[Batch]:
    """Return the training of the surrogate's only network on some rows."""
    net, scaling = surrogate.networks[0], surrogate.scaling
    rng = np.random.default_rng(config.seed + member)
    steps = math.ceil(len(rows) / config.batch_size)
    targets = ((learned.learned - scaling.mean) / scaling.scale).astype(np.float32)

    def batches(_progress: float) -> Iterator[Batch]:
        for some in np.array_split(rng.permutation(rows), steps):
            signs = rng.choice(np.array([-1.0, 1.0], dtype=np.float32), len(some))
            graph = part_of(learned.graph, some)
            yield surrogate.tensors(graph, learned.physics[some], signs), torch.from_numpy(targets[some])

    def losses(batch: Batch) -> dict[str, Tensor]:
        inputs, wanted = batch
        return {"train": ((net(*inputs) - wanted) ** 2).mean()}

    def validate(_epoch: int) -> dict[str, float]:
        found = validation.targets.learned(surrogate.run(validation.batch, validation.physics)[0][0])
        residuals = (found - validation.learned) / scaling.scale
        return {"error": float(np.sqrt((residuals**2).mean()))}

    update = one_cycle(
        net, losses, rate=config.learning_rate, steps=config.epochs * steps, weight_decay=config.weight_decay
    )
    return Training("honeycomb", net, [update], batches, validate, rng, config.epochs, config.patience, member=member)


def _training_of_potentials(
    surrogate: HoneycombSurrogate,
    learned: Potentials,
    validation: Potentials,
    rows: IntArray,
    config: HoneycombFit,
    member: int,
) -> Training[PotentialBatch]:
    """Return the training of the surrogate's only network on the potentials of some rows of the examples."""
    net = surrogate.networks[0]
    rng = np.random.default_rng(config.seed + member)
    kept = np.flatnonzero(np.isin(learned.rows, rows))
    steps = math.ceil(len(kept) / config.batch_size)
    scale = float(validation.wanted[validation.occupied].std()) or 1.0

    def tensors(part: Potentials, signs: Float32Array | None = None) -> tuple[Tensor, ...]:
        return surrogate.tensors(part.graph, np.zeros((len(part.rows), 0)), signs, part.inputs)

    def batches(_progress: float) -> Iterator[PotentialBatch]:
        for some in np.array_split(rng.permutation(kept), steps):
            signs = rng.choice(np.array([-1.0, 1.0], dtype=np.float32), len(some))
            part = learned.take(some)
            yield tensors(part, signs), torch.tensor(part.wanted), torch.tensor(part.occupied)

    def losses(batch: PotentialBatch) -> dict[str, Tensor]:
        inputs, wanted, occupied = batch
        return {"train": ((net(*inputs) - wanted)[occupied] ** 2).mean()}

    def validate(_epoch: int) -> dict[str, float]:
        squares, count = 0.0, 0
        for some in np.array_split(np.arange(len(validation.rows)), math.ceil(len(validation.rows) / 64)):
            part = validation.take(some)
            with torch.inference_mode():
                found = net(*tensors(part)).numpy()
            squares += float(((found - part.wanted)[part.occupied] ** 2).sum())
            count += int(part.occupied.sum())
        return {"error": math.sqrt(squares / count) / scale}

    update = one_cycle(
        net, losses, rate=config.learning_rate, steps=config.epochs * steps, weight_decay=config.weight_decay
    )
    return Training("potentials", net, [update], batches, validate, rng, config.epochs, config.patience, member=member)
