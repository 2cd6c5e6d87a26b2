"""A Keras 3 model of your own, on any backend: `pip install keras`, and the backend, such as torch.

Convolutions get rasters (B, H, W, channels), dense layers the features that a regressor gets.
"""

import gymnasium as gym
import keras
from keras import layers

import matgym  # noqa: F401  # registers the environments
from matgym.surrogates.raster import CHANNELS
from matgym.testing import check_model

model = keras.Sequential([layers.Input((None, None, CHANNELS)), layers.GlobalAveragePooling2D(), layers.Dense(1)])
check_model(model)
env = gym.make("matgym/NanotubeDoping-v0", model=model)
env.reset(seed=0)
print(f"{env.unwrapped.task.objective.model} rewards")
