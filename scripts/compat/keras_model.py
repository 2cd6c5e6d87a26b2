"""Keras 3 models, on the PyTorch backend, give the reward, as functions and as models; the latter as Keras predicts."""

import os

os.environ["KERAS_BACKEND"] = "torch"  # before keras is imported

import gymnasium as gym
import keras
import numpy as np
from keras import layers

import matgym  # noqa: F401  # registers the environments
from matgym.structures import TubeBatch
from matgym.surrogates import KerasModel, as_model, descriptors
from matgym.surrogates.raster import CHANNELS, encode
from matgym.testing import check_model
from scripts.compat.common import play

ROUNDING = 1e-5  # relative: single precision, in batches of another size


def sequential(inputs, gaps):
    """Return a small regressor on features that has been fitted for two epochs."""
    model = keras.Sequential([layers.Input((inputs.shape[1],)), layers.Dense(16), layers.Dense(1)])
    model.compile("adam", "mse")
    model.fit(inputs, gaps, epochs=2, verbose=0)
    return model


def functional():
    """Return a small convolutional network on rasters of any size."""
    raster = layers.Input((None, None, CHANNELS))
    pooled = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3, padding="same", activation="relu")(raster))
    return keras.Model(raster, layers.Dense(1, bias_initializer="ones")(layers.Dropout(0.5)(pooled)))


def check_values(model, batch, inputs):
    """Assert that a model is recognised, keeps the rules, and predicts what Keras predicts."""
    adapted = as_model(model, "gap_ev")
    assert isinstance(adapted, KerasModel)
    check_model(adapted)
    expected = np.asarray(model.predict(inputs, verbose=0))[:, 0]
    found = adapted.predict(batch)["gap_ev"]
    assert np.allclose(found, expected, rtol=ROUNDING), f"{found - expected} eV from what Keras predicts"


def main():
    from matgym.data import Dataset

    data = Dataset.load("nanotube-doping").split("validation")
    inputs, gaps = descriptors.of(data.batch), data.values("gap_ev")
    model, images = sequential(inputs, gaps), functional()
    check_values(model, data.batch, inputs)
    for lattice, _, species, _ in data.take(np.arange(64)).by_lattice():
        batch, rasters = TubeBatch.uniform(lattice, species), np.moveaxis(encode(lattice, species), 1, -1)
        check_values(images, batch, rasters)

    def gap_ev(tubes):
        return model(descriptors.of(tubes))  # a tensor with a gradient, of shape (B, 1)

    check_model(gap_ev)
    for source in (gap_ev, model, images):
        env = gym.make("matgym/NanotubeDoping-v0", model=source, targets=(0.55, 1.2))
        _, total = play(env, np.random.default_rng(0))
        assert 0.0 <= total <= 1.0, f"{source} paid {total}"


if __name__ == "__main__":
    main()
