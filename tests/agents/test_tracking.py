"""Trackers receive the figures of searches and agents."""

import sys
from types import SimpleNamespace

import gymnasium as gym
import pytest
from stable_baselines3 import PPO
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from matgym.agents.tracking import Tracker, as_tracker
from matgym.errors import ConfigurationError, MissingExtraError


def small_agent():
    return PPO("MlpPolicy", gym.make("CartPole-v1"), n_steps=32, batch_size=32, n_epochs=1, device="cpu")


def events(folder):
    return EventAccumulator(str(folder)).Reload()


def test_tensorboard_reads_the_records_of_a_search(tmp_path):
    with as_tracker(f"tensorboard:{tmp_path}/search", {"seed": 3}) as tracker:
        for step in range(3):
            tracker.scalars(step, {"search/best": step / 2, "search/queries": 8 * step})
    found = events(tmp_path / "search")
    assert [(e.step, e.value) for e in found.Scalars("search/best")] == [(0, 0.0), (1, 0.5), (2, 1.0)]
    assert "settings/text_summary" in found.Tags()["tensors"]
    tracker.close()


def test_tensorboard_reads_the_records_of_an_agent(tmp_path):
    agent = small_agent()
    with as_tracker(f"tensorboard:{tmp_path}") as tracker:
        tracker.attach(agent)
        agent.learn(64)
    (folder,) = (path for path in tmp_path.iterdir() if path.is_dir())
    assert [e.step for e in events(folder).Scalars("time/fps")] == [32, 64]


def test_nothing_is_recorded_without_tracking(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    agent = small_agent()
    with as_tracker(None) as tracker:
        tracker.attach(agent)
        tracker.scalars(0, {"x": 1.0})
        agent.learn(32)
    assert list(tmp_path.iterdir()) == []


class FakeRun:
    def __init__(self):
        self.logged, self.finished = [], False

    def log(self, values, step):
        self.logged.append((step, values))

    def finish(self):
        self.finished = True


def test_wandb_is_called_by_its_own_interface(monkeypatch):
    run, said = FakeRun(), {}
    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=lambda **given: said.update(given) or run))
    agent = small_agent()
    with as_tracker("wandb:tubes", {"seed": 3}) as tracker:
        tracker.scalars(1, {"search/best": 0.5})
        tracker.attach(agent)
        agent.learn(64)
    assert said == {"project": "tubes", "config": {"seed": 3}}
    assert run.logged[0] == (1, {"search/best": 0.5})
    assert [step for step, values in run.logged[1:] if "time/fps" in values] == [32, 64]
    assert run.finished


def test_wandb_itself_takes_a_run_offline(tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    with as_tracker("wandb:tubes", {"seed": 3}) as tracker:
        tracker.scalars(1, {"search/best": 0.5})
    assert list(tmp_path.glob("wandb/offline-run-*/*.wandb"))


def test_a_missing_wandb_names_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(MissingExtraError, match=r"matgym\[wandb\]"):
        as_tracker("wandb:tubes")


def test_a_users_tracker_is_used_unchanged():
    class Own(Tracker):
        def scalars(self, step, values):
            pass

    own = Own()
    assert as_tracker(own) is own


@pytest.mark.parametrize("where", ["mlflow:tubes", "tensorboard", "wandb:", ""])
def test_unknown_places_of_tracking_raise(where):
    with pytest.raises(ConfigurationError, match="tensorboard:FOLDER"):
        as_tracker(where)
