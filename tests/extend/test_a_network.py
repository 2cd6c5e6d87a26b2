"""How little a new network takes: its body, the settings of its size, and a line in `NETWORKS`."""

from dataclasses import dataclass

import gymnasium as gym
import numpy as np
import pytest
import torch
from torch import nn

import matgym  # noqa: F401  # registers the environments
from matgym.data import Dataset
from matgym.structures import TubeBatch
from matgym.surrogates import NETWORKS, FitConfig, RasterNetwork, fit, load, save
from matgym.surrogates.networks import CircularConv
from matgym.surrogates.training import figures
from matgym.testing import check_model

SAME_EV = 1e-4  # single precision, summed in another order


@dataclass(frozen=True)
class WideSettings:
    """Channels."""

    width: int = 24


class Wide(RasterNetwork):
    """One convolution that sees two bonds far, and no more."""

    def __init__(self, settings, channels, globals_, outputs):
        super().__init__(settings.width, globals_, (32,), outputs)
        self.conv = CircularConv(channels, settings.width, 5)

    def body(self, raster, shift):
        return nn.functional.silu(self.conv(raster, shift))


@pytest.fixture
def fitted(monkeypatch):
    monkeypatch.setitem(NETWORKS, "wide", (Wide, WideSettings))
    torch.set_num_threads(1)
    return fit(
        Dataset.load("nanotube-doping").take(np.arange(0, 11000, 4)),
        FitConfig(network="wide", epochs=12, learning_rate=1e-2),
    )


def test_it_learns_is_stored_rewards_and_keeps_the_symmetry(fitted, tmp_path):
    check_model(fitted)
    data = Dataset.load("nanotube-doping").split("test")
    assert figures(fitted, data)[0].r2 > 0.3  # the mean of the labels has 0
    save(fitted, tmp_path / "wide.safetensors", data={}, fit={}, command="a test", metrics={})
    again = load(tmp_path / "wide.safetensors")
    tube = data.batch[0]
    copies = again.predict(TubeBatch.of([tube, tube.rotated(3), tube.screwed(*tube.lattice.screw)]))["gap_ev"]
    np.testing.assert_allclose(copies, fitted.predict([tube] * 3)["gap_ev"], atol=SAME_EV)
    env = gym.make("matgym/NanotubeDoping-v0", model=tmp_path / "wide.safetensors")
    assert "action_mask" in env.reset(seed=0)[1]
