"""The training loop: best weights, patience, several optimizers, callbacks, and checkpoints that resume to the bit."""

import resource
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import nn

from matgym.errors import ConfigurationError, DamagedFileWarning, DatasetError, OutputError
from matgym.learning.devices import torch_device
from matgym.learning.trainer import NormStatistics, Training, Update, WeightAverage, one_cycle, train

EPOCHS, BATCH, ROWS = 6, 8, 40


class KilledError(Exception):
    """An error that stands for a killed process."""


class Pair(nn.Module):
    """Two networks and an average of the first, as in a GAN."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.average = (nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1)) for _ in range(3))


def data():
    x = torch.from_numpy(np.random.default_rng(5).normal(size=(ROWS, 3)).astype(np.float32))
    return x, x @ torch.tensor([[1.0], [-2.0], [0.5]])


def adam(net):
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    return optimizer, torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)


def training(seed=0, patience=None, validate=None):
    torch.manual_seed(seed)
    net, rng, (x, y) = Pair(), np.random.default_rng(seed), data()
    average = WeightAverage(net.average, net.first, 0.9)

    def batches(_progress):
        for rows in np.array_split(rng.permutation(ROWS), ROWS // BATCH):
            yield x[rows], y[rows]

    updates = [
        Update(lambda b: {"second": ((net.second(b[0]) - b[1]) ** 2).mean()}, *adam(net.second), repeats=2),
        Update(
            lambda b: {
                "first": ((net.first(b[0]) - b[1]) ** 2).mean(),
                "apart": (net.first(b[0]) - net.second(b[0]).detach()).abs().mean(),
            },
            *adam(net.first),
            every="epoch",
            weights={"apart": 0.1},
        ),
    ]
    return Training(
        "pair", net, updates, batches,
        validate or (lambda _: {"error": float(((net.average(x) - y) ** 2).mean())}),
        rng, EPOCHS, patience, callbacks=[average],
    )  # fmt: skip


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


@contextmanager
def full_disk(size):
    """Let no file of this process grow beyond a size in bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def killed_after(number):
    def kill(epoch):
        if epoch.number == number:
            raise KilledError

    return kill


@pytest.mark.parametrize("patience", [None, 2])
def test_a_killed_training_resumes_to_the_same_bits(tmp_path, patience):
    whole = training(patience=patience)
    ended = train(whole, {"data": 1}, device="cpu")
    with pytest.raises(KilledError):
        train(training(patience=patience), {"data": 1}, checkpoints=tmp_path, device="cpu", on_epoch=killed_after(2))
    resumed, numbers = training(patience=patience), []
    again = train(resumed, {"data": 1}, checkpoints=tmp_path, device="cpu", on_epoch=lambda e: numbers.append(e.number))
    assert numbers == list(range(3, ended.epochs + 1))
    assert again == ended
    assert same(whole.net, resumed.net)


def test_a_checkpoint_of_other_start_weights_or_data_raises(tmp_path):
    file = tmp_path / "pair-0.checkpoint"
    with pytest.raises(KilledError):
        train(training(), {"data": 1}, checkpoints=tmp_path, device="cpu", on_epoch=killed_after(1))
    other = training()
    with torch.no_grad():
        other.net.first[0].weight[0, 0] += 1.0  # the same seed and settings, but other start weights
    for begun, identity in ((other, {"data": 1}), (training(seed=1), {"data": 1}), (training(), {"data": 2})):
        with pytest.raises(DatasetError, match="start weights differ"):
            train(begun, identity, checkpoints=tmp_path, device="cpu")
    assert file.is_file()


@pytest.mark.parametrize("size", [0, 1, 1000, -100])
def test_a_damaged_checkpoint_is_set_aside_and_the_training_begins_again(tmp_path, size):
    """In 0.1 it stopped every later call."""
    whole = training()
    train(whole, {"data": 1}, device="cpu")
    with pytest.raises(KilledError):
        train(training(), {"data": 1}, checkpoints=tmp_path, device="cpu", on_epoch=killed_after(2))
    file = tmp_path / "pair-0.checkpoint"
    file.write_bytes(file.read_bytes()[:size])
    again = training()
    with pytest.warns(DamagedFileWarning, match=r"pair-0\.checkpoint is damaged .* is now pair-0\.checkpoint\.damaged"):
        train(again, {"data": 1}, checkpoints=tmp_path, device="cpu")
    assert same(whole.net, again.net)
    assert {each.name for each in tmp_path.iterdir()} == {file.name, f"{file.name}.damaged"}


def test_a_full_disk_during_a_checkpoint_is_a_sentence_and_keeps_the_last_one(tmp_path):
    """In 0.1 it was an error of PyTorch's C++ code. A limit of file sizes stands for the disk."""
    first = training()
    with pytest.raises(KilledError):
        train(training(), {"data": 1}, checkpoints=tmp_path, device="cpu", on_epoch=killed_after(1))
    content = (tmp_path / "pair-0.checkpoint").read_bytes()
    with full_disk(4096), pytest.raises(OutputError, match=r"pair-0\.checkpoint cannot be written: .*free some space"):
        train(training(), {"data": 1}, checkpoints=tmp_path, device="cpu")
    assert [each.name for each in tmp_path.iterdir()] == ["pair-0.checkpoint"]
    assert (tmp_path / "pair-0.checkpoint").read_bytes() == content
    train(first, {"data": 1}, device="cpu")
    again = training()
    train(again, {"data": 1}, checkpoints=tmp_path, device="cpu")
    assert same(first.net, again.net)


def test_the_weights_of_the_best_epoch_are_kept_and_patience_stops_the_training():
    states, errors = [], [3.0, 1.0, 2.0, 1.5, 0.5, 0.1]

    def validate(epoch):
        states.append({name: value.clone() for name, value in run.net.state_dict().items()})
        assert not run.net.training
        return {"error": errors[epoch], "other": float(epoch)}

    run = training(patience=2, validate=validate)
    ended = train(run, {}, device="cpu")
    assert (ended.epochs, ended.best_epoch, ended.validation) == (4, 2, {"error": 1.0, "other": 1.0})
    for name, value in run.net.state_dict().items():
        assert torch.equal(value, states[1][name])


def test_two_optimizers_take_the_steps_of_one_with_two_groups():
    """Version 0.1's GAN had one Adam, in which either network has no gradients in the other's steps."""
    run = training()
    train(run, {}, device="cpu")
    torch.manual_seed(0)
    net, rng, (x, y) = Pair(), np.random.default_rng(0), data()
    net.average.load_state_dict(net.first.state_dict())
    groups = [{"params": part.parameters()} for part in (net.first, net.second)]
    optimizer = torch.optim.Adam(groups, lr=1e-2)
    best = (np.inf, {})
    for epoch in range(EPOCHS):
        for rows in np.array_split(rng.permutation(ROWS), ROWS // BATCH):
            for _ in range(2):
                optimizer.zero_grad()
                ((net.second(x[rows]) - y[rows]) ** 2).mean().backward()
                optimizer.step()
                optimizer.param_groups[1]["lr"] *= 0.9
            optimizer.zero_grad()
            found = net.first(x[rows])
            loss = ((found - y[rows]) ** 2).mean() + 0.1 * (found - net.second(x[rows]).detach()).abs().mean()
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                for kept, fresh in zip(net.average.parameters(), net.first.parameters(), strict=True):
                    kept.lerp_(fresh, 1.0 - 0.9)
        optimizer.param_groups[0]["lr"] = 1e-2 * 0.9 ** (epoch + 1)
        with torch.no_grad():
            error = float(((net.average(x) - y) ** 2).mean())
        if error < best[0]:
            best = (error, {name: value.clone() for name, value in net.state_dict().items()})
    for name, value in run.net.state_dict().items():
        torch.testing.assert_close(value, best[1][name], rtol=1e-6, atol=1e-7)  # rates are multiplied in another order


def test_gradients_are_clipped_and_terms_are_reported_without_their_weights():
    net = nn.Linear(1, 1, bias=False)
    before = net.weight.detach().clone()
    update = Update(
        lambda x: {"large": 1e3 * net(x).sum(), "left": torch.tensor(7.0)},
        optimizer := torch.optim.SGD(net.parameters(), lr=1.0),
        torch.optim.lr_scheduler.ConstantLR(optimizer, 1.0),
        weights={"left": 0.0},
        largest_gradient=0.25,
    )
    assert update.step(torch.ones((2, 1)))["left"] == 7.0
    assert float((before - net.weight.detach()).norm()) == pytest.approx(0.25, rel=1e-5)


def test_statistics_of_normalisation_are_constant_after_the_freeze():
    torch.manual_seed(0)
    net, (x, y) = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1)), data()
    rng, seen = np.random.default_rng(0), []

    def validate(_epoch):
        seen.append(net[1].running_mean.clone())
        return {"error": 1.0 / len(seen)}

    update = one_cycle(net, lambda b: {"train": ((net(b[0]) - b[1]) ** 2).mean()}, rate=1e-2, steps=4)
    run = Training(
        "norm", net, [update], lambda _: [(x, y)], validate, rng, 4, callbacks=[NormStatistics(net, 0.1, 0.5)]
    )
    train(run, {}, device="cpu")
    assert not torch.equal(seen[0], seen[1])
    assert torch.equal(seen[1], seen[2])
    assert torch.equal(seen[1], seen[3])


def test_tensorboard_has_losses_and_validation(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(training(), {}, device="cpu", log=tmp_path)
    board = EventAccumulator(str(tmp_path / "pair-0"))
    board.Reload()
    assert set(board.Tags()["scalars"]) == {"loss/first", "loss/second", "loss/apart", "validation/error"}
    assert [event.step for event in board.Scalars("loss/first")] == list(range(1, EPOCHS + 1))


def test_usable_devices_are_returned_and_others_raise(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert torch_device("auto") == torch_device("cpu") == torch.device("cpu")
    for name in ("cuda", "mps"):
        with pytest.raises(ConfigurationError, match=f"device='{name}' is not usable on this machine"):
            torch_device(name)
    with pytest.raises(ConfigurationError, match="device='tpu' is unknown; there are auto"):
        train(training(), {}, device="tpu")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert torch_device("auto").type == "mps"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert torch_device("auto").type == "cuda"
