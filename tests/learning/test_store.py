"""Weights and cards on disk, for any kind of network."""

import json
import shutil

import pytest
import stable_baselines3
import torch

from matgym.agents.storage import STORE as AGENTS
from matgym.agents.storage import save_agent
from matgym.errors import ConfigurationError, WeightsError
from matgym.generative.store import STORE as GENERATORS
from matgym.learning.store import FORMAT_VERSION, Card, Store, filled
from matgym.processes.sequences.learned import STORE as SEQUENCES
from matgym.surrogates.store import STORE as SURROGATES

ROOMS = {store.kind: store for store in (SURROGATES, SEQUENCES, GENERATORS)}


class Width(Card):
    """A card for this test."""

    width: int


STORE = Store(Width, "a plank")


def build(card, tensors):
    net = torch.nn.Linear(card.width, 1)
    net.load_state_dict(tensors)
    return net


@pytest.fixture
def stored(tmp_path):
    torch.manual_seed(0)
    net = torch.nn.Linear(3, 1)
    card = STORE.save(str(tmp_path / "plank.safetensors"), net.state_dict(), {"width": 3, "command": "saw"})
    return tmp_path / "plank.safetensors", net, card


def test_stored_weights_are_restored_with_their_provenance(stored):
    path, net, card = stored
    found = STORE.load(path, build)
    assert torch.equal(found.weight, net.weight)
    assert STORE.load_card(path) == card
    assert (card.format_version, card.command, len(card.sha256)) == (FORMAT_VERSION, "saw", 64)
    assert {"matgym", "torch"} <= set(card.versions)
    assert card.threads == torch.get_num_threads()
    assert sorted(file.name for file in path.parent.iterdir()) == ["plank.json", "plank.safetensors"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"width": 4}, "does not hold the weights that its card describes"),
        ({"width": "wide"}, "is no card of a plank: width='wide': "),
        ({"length": 4}, "length=4: "),
        ({"sha256": "0" * 64}, "its SHA-256 is another"),
        ({"sha256": ""}, "sha256=''"),
        ({"format_version": 99}, f"is of format 99, and this .* from 3 to {FORMAT_VERSION}: upgrade matgym"),
        ({"format_version": 2}, "is of format 2, and this matgym reads formats from 3 to 3: train anew"),
    ],
)
def test_every_fault_of_a_card_is_an_error_of_one_sentence(stored, change, said):
    path, _, _ = stored
    card = json.loads(path.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps(card | change))
    with pytest.raises(WeightsError, match=said) as raised:
        STORE.load(path, build)
    assert "\n" not in str(raised.value)
    assert path.stem in str(raised.value)


def test_a_training_killed_between_weights_and_card_leaves_no_pair_that_is_read(stored, monkeypatch):
    """In 0.1 the new weights were read with the old card, and predictions were neither the old nor the new ones."""
    path, net, _ = stored

    def kill(_path, _text):
        raise KeyboardInterrupt

    with torch.no_grad():
        net.weight += 1.0
    with monkeypatch.context() as patched:
        patched.setattr("matgym.learning.store.write_text", kill)
        with pytest.raises(KeyboardInterrupt):
            STORE.save(path, net.state_dict(), {"width": 3})
    with pytest.raises(WeightsError, match="its SHA-256 is another; repeat the call that wrote them"):
        STORE.load(path, build)
    STORE.save(path, net.state_dict(), {"width": 3})
    assert torch.equal(STORE.load(path, build).weight, net.weight)


@pytest.mark.parametrize("kind", [*ROOMS, AGENTS.kind])
def test_weights_of_every_kind_need_the_hash_of_their_card(kind, tmp_path):
    store = (ROOMS | {AGENTS.kind: AGENTS})[kind]
    if store.names():
        name = store.names()[0]
        for suffix in ("json", "safetensors"):
            shutil.copy(store.located(name).with_suffix(f".{suffix}"), tmp_path / f"a.{suffix}")
    else:
        agent = stable_baselines3.PPO("MlpPolicy", "CartPole-v1", policy_kwargs={"net_arch": [4]}, device="cpu")
        save_agent(agent, tmp_path / "a.safetensors", environment="CartPole-v1")
    file = tmp_path / "a.safetensors"
    store.load(file, lambda _card, tensors: tensors)
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(WeightsError, match="its SHA-256 is another"):
        store.load(file, lambda _card, tensors: tensors)
    card = json.loads((tmp_path / "a.json").read_text())
    del card["sha256"]
    (tmp_path / "a.json").write_text(json.dumps(card))
    with pytest.raises(WeightsError, match="sha256"):
        store.load(file, lambda _card, tensors: tensors)


def test_a_card_with_huge_sizes_takes_no_memory(stored):
    """800 GB in 0.1: networks were made before their weights were compared."""
    path, net, _ = stored
    card = json.loads(path.with_suffix(".json").read_text())

    def build_filled(card, tensors):
        return filled(lambda: torch.nn.Linear(card.width, 1), tensors)

    assert torch.equal(STORE.load(path, build_filled).weight, net.weight)
    path.with_suffix(".json").write_text(json.dumps(card | {"width": 200_000_000_000}))
    with pytest.raises(WeightsError, match=r"describes: weight is \(1, 3\), and \(1, 200000000000\) in the network"):
        STORE.load(path, build_filled)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e30])
def test_weights_with_which_nothing_can_be_computed_are_refused(tmp_path, value, monkeypatch):
    tensors, file = {"weight": torch.ones(1, 3), "bias": torch.tensor([value])}, tmp_path / "plank.safetensors"
    with pytest.raises(WeightsError, match="bias holds numbers that are not finite, or beyond"):
        STORE.save(file, tensors, {"width": 3})
    assert not file.exists()
    monkeypatch.setattr("matgym.learning.store.check_finite", lambda *_: None)
    STORE.save(file, tensors, {"width": 3})
    monkeypatch.undo()
    with pytest.raises(WeightsError, match="bias holds numbers that are not finite, or beyond"):
        STORE.load(tmp_path / "plank.safetensors", build)


def test_damaged_missing_and_foreign_files_raise_an_error_that_names_them(stored, tmp_path):
    path, net, _ = stored
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(WeightsError, match="its SHA-256 is another"):
        STORE.load(path, build)
    path.unlink()
    with pytest.raises(WeightsError, match=r"plank.safetensors is missing"):
        STORE.load(path, build)
    path.with_suffix(".json").unlink()
    with pytest.raises(WeightsError, match=r"there are no weights .* of a plank: give a \.safetensors file"):
        STORE.load(path, build)
    with pytest.raises(WeightsError, match=r"stored as \.safetensors"):
        STORE.save(tmp_path / "plank.pt", net.state_dict(), {"width": 3})
    with pytest.raises(ConfigurationError, match="a plank cannot be stored like this: width"):
        STORE.save(tmp_path / "new.safetensors", net.state_dict(), {})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ROOMS)
def test_the_cards_of_shipped_weights_belong_to_their_package(kind, tmp_path):
    store = ROOMS[kind]
    for name in store.names():
        assert store.load_card(name).format_version == FORMAT_VERSION
        store.load(name, lambda _card, tensors: tensors)  # its hash is that of the card
    for suffix in ("json", "safetensors"):
        shutil.copy(store.located(store.names()[0]).with_suffix(f".{suffix}"), tmp_path / f"a.{suffix}")
    for other in ROOMS.values():
        if other is not store:
            with pytest.raises(WeightsError, match=f"(is no card of {other.kind}|is of format)"):
                other.load_card(tmp_path / "a.safetensors")
