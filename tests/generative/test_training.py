"""Trainings resume to the bit, and stored generators draw valid tubes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from matgym.data import Dataset
from matgym.errors import ConfigurationError, DatasetError, WeightsError
from matgym.generative.config import GanConfig
from matgym.generative.examples import examples, valid
from matgym.generative.gan import train_gan
from matgym.generative.networks import NetworkSize
from matgym.generative.refine import RankedDesigns
from matgym.generative.store import STORE, load_generator, read_generator_config, save_generator
from matgym.physics.electrons.self_consistent import SelfConsistentElectrons
from matgym.structures import SubstitutionEdits, TubeBatch, tube_lattice
from matgym.surrogates import load
from matgym.tasks import Decorations


def sampled(generator, lattice, edits, targets, rng):
    return generator.sample(Decorations(lattice, edits), targets, rng).species.reshape(len(targets), -1)


TINY = GanConfig(
    epochs=2, regressor_epochs=1, batch_size=32,
    size=NetworkSize(width=8, blocks=1, latent=4, guide_width=8, guide_blocks=1, critic_width=8, critic_blocks=1),
)  # fmt: skip


@pytest.fixture(scope="module")
def data():
    whole = Dataset.load("nanotube-doping")
    rows = np.flatnonzero(np.array(whole.table.column("split").to_pylist()) == "train")[:300]
    held_out = np.flatnonzero(np.array(whole.table.column("split").to_pylist()) == "validation")[:100]
    return whole.take(np.concatenate([rows, held_out]))


@pytest.fixture(scope="module")
def trained(data):
    return train_gan(data, TINY)


def test_a_killed_training_resumes_to_the_weights_of_an_uninterrupted_one(data, trained, tmp_path):
    class KilledError(Exception):
        pass

    def kill(epoch):
        if epoch.stage == "gan" and epoch.number == 1:
            raise KilledError

    with pytest.raises(KilledError):
        train_gan(data, TINY, checkpoints=tmp_path, on_epoch=kill)
    resumed = train_gan(data, TINY, checkpoints=tmp_path)
    for name, value in trained.generator.network.state_dict().items():
        assert torch.equal(value, resumed.generator.network.state_dict()[name]), name
    with pytest.raises(DatasetError, match="another training"):
        train_gan(data, replace(TINY, batch_size=16), checkpoints=tmp_path)


@pytest.mark.parametrize("loss", ["original", "wasserstein"])
def test_every_loss_trains(data, loss):
    found = train_gan(data, replace(TINY, loss=loss, spectral=loss == "original", projection=False, epochs=1))
    assert np.isfinite(found.validation["score"])


@pytest.mark.parametrize("shape", [(8, 0, 4), (10, 0, 4), (6, 4, 1)])
def test_draws_are_valid_on_any_lattice_and_repeat_with_the_seed(trained, shape):
    lattice = tube_lattice(*shape)
    edits = SubstitutionEdits(lattice.n_sites, {"N": 5, "B": 7})
    targets = np.linspace(0.1, 0.5, 40)
    drawn = sampled(trained.generator, lattice, edits, targets, np.random.default_rng(3))
    assert valid(lattice, drawn, edits).all()
    assert (drawn == sampled(trained.generator, lattice, edits, targets, np.random.default_rng(3))).all()
    assert len(np.unique(drawn, axis=0)) == len(drawn)


def test_a_budget_of_species_that_were_not_trained_raises(trained):
    lattice = tube_lattice(11, 0, 3)
    with pytest.raises(ConfigurationError, match="places B, N"):
        sampled(
            trained.generator, lattice, SubstitutionEdits(132, {"13C": 4}), np.array([0.3]), np.random.default_rng(0)
        )


def test_stored_generators_draw_the_same(trained, tmp_path):
    path = tmp_path / "mine.safetensors"
    save_generator(trained.generator, path, validation=trained.validation)
    lattice, edits, targets = tube_lattice(11, 0, 2), SubstitutionEdits(88, {"B": 6, "N": 6}), np.full(8, 0.3)
    draws = [
        sampled(g, lattice, edits, targets, np.random.default_rng(1)) for g in (trained.generator, load_generator(path))
    ]
    assert (draws[0] == draws[1]).all()
    assert STORE.load_card(path).model == "gan"
    path.with_suffix(".json").write_text(path.with_suffix(".json").read_text().replace('"gan"', '"gun"'))
    with pytest.raises(WeightsError, match="no generator 'gun'"):
        load_generator(path)
    with pytest.raises(WeightsError, match="no weights 'nobody' of a generator"):
        load_generator("nobody")


def test_examples_leave_out_a_band_and_invalid_structures(data):
    found = examples(data, "gap_ev", TINY.kinds, (0.2, 0.3))
    values = np.concatenate([group.values for group in found])
    assert not ((values >= 0.2) & (values <= 0.3)).any()
    for group in found:
        for codes, budget in zip(group.species, group.budget, strict=True):
            edits = SubstitutionEdits(len(codes), {"B": int(budget[0]), "N": int(budget[1])})
            assert valid(group.lattice, codes[None], edits).all()


def gaps(lattice, species):
    """Return the oracle's gaps."""
    return SelfConsistentElectrons().predict(TubeBatch.uniform(lattice, species))["gap_ev"]


def assert_nearer(before, after):
    """Paired: the mean gain must be more than twice its standard error."""
    gain = before - after
    assert gain.mean() > 2.0 * gain.std(ddof=1) / np.sqrt(len(gain)), (before.mean(), after.mean())


def test_ranked_tubes_are_nearer_by_the_oracle_and_diverse(trained):
    lattice, edits = tube_lattice(11, 0, 2), SubstitutionEdits(88, {"B": 4, "N": 4})
    surrogate, targets = load("nanotube-doping"), np.repeat(np.linspace(0.1, 0.4, 5), 6)
    plain = sampled(trained.generator, lattice, edits, targets, np.random.default_rng(0))
    kept = sampled(RankedDesigns(trained.generator, surrogate), lattice, edits, targets, np.random.default_rng(0))
    assert_nearer(*(np.abs(gaps(lattice, species) - targets) for species in (plain, kept)))
    for target in np.unique(targets):
        rows = kept[targets == target]
        apart = (rows[:, None] != rows).sum(axis=2)
        assert apart[~np.eye(6, dtype=bool)].min() >= 4


def test_settings_are_checked(tmp_path):
    with pytest.raises(ConfigurationError, match="no generator 'wgan'"):
        read_generator_config("wgan")
    file = tmp_path / "how.yml"
    file.write_text("loss: hinges\n")
    with pytest.raises(ConfigurationError, match="'hinges'"):
        read_generator_config("gan", file)
    file.write_text("epoch: 3\n")
    with pytest.raises(ConfigurationError, match="no setting 'epoch'"):
        read_generator_config("gan", file)
    file.write_text("size: {width: 16}\nleft_out: [0.7, 0.8]\n")
    read = read_generator_config("gan", file, {"epochs": 3})
    assert (read.size.width, read.left_out, read.epochs) == (16, (0.7, 0.8), 3)
