"""Training loops of other libraries run unchanged on these environments."""

import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def cleanrl():
    return runpy.run_path(str(EXAMPLES / "cleanrl_ppo.py"))


def test_cleanrls_ppo_needs_only_the_id():
    source = (EXAMPLES / "cleanrl_ppo.py").read_text(encoding="utf-8").split('"""', 2)[2]
    lines = [line.strip() for line in source.splitlines() if "matgym" in line]
    assert lines == [
        "import matgym  # noqa: F401  # registers the environments",
        'env_id: str = "matgym/NanotubeDoping-v0"',
    ]


def boron_in_front(tubes):
    """A model that needs no time: the share of boron on the tube's first half."""
    return [float((tube.species[: tube.lattice.n_sites // 2] == 3).sum()) / 4 for tube in tubes]


def test_cleanrls_ppo_learns_on_a_cheap_reward():
    example = cleanrl()
    settings = replace(example["Settings"](), total_timesteps=24_576, num_envs=64, hidden=64)
    arguments = {"n": 5, "m": 0, "cells": 1, "budget": {"B": 4}, "targets": (0.9, 1.1), "model": boron_in_front}
    _, curve = example["train"](settings, **arguments)
    assert len(curve) == 24_576 // (64 * settings.num_steps)
    assert np.mean(curve[-5:]) > 3 * np.mean(curve[:2])


@pytest.mark.long
def test_cleanrls_ppo_learns_on_the_shipped_surrogate():
    example = cleanrl()
    _, curve = example["train"](replace(example["Settings"](), total_timesteps=250_000))
    assert np.mean(curve[-10:]) > 1.2 * np.mean(curve[:10])
