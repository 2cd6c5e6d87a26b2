"""A Keras 3 model, on its PyTorch backend, gives the reward."""

import os

os.environ["KERAS_BACKEND"] = "torch"  # before keras is imported

import gymnasium as gym
import keras
import numpy as np

import matgym  # noqa: F401  # registers the environments
from matgym.surrogates import descriptors
from matgym.testing import check_model
from scripts.compat.common import play


def main():
    from matgym.data import Dataset

    data = Dataset.load("nanotube-doping").split("validation")
    inputs, gaps = descriptors.of(data.batch), data.values("gap_ev")
    model = keras.Sequential([keras.layers.Input((inputs.shape[1],)), keras.layers.Dense(16), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    model.fit(inputs, gaps, epochs=2, verbose=0)

    def gap_ev(tubes):
        return model(descriptors.of(tubes))  # a tensor with a gradient, of shape (B, 1)

    check_model(gap_ev)
    _, total = play(gym.make("matgym/NanotubeDoping-v0", model=gap_ev, targets=(0.55, 1.2)), np.random.default_rng(0))
    assert 0.0 <= total <= 1.0


if __name__ == "__main__":
    main()
