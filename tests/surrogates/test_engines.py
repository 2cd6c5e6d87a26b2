"""Inference engines: the same values as torch, faster, and none that costs accuracy."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from matgym.datasets import Dataset
from matgym.errors import ConfigurationError, MissingExtraError, WeightsError
from matgym.oracles import PristineReference  # placeholder
