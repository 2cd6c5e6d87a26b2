"""What becomes of actions that masks forbid: episodes end, in the same way alone as in a batch."""

import gymnasium as gym
import numpy as np
import pytest
from env_cases import cheap
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import matgym  # noqa: F401  # registers the environments
from matgym.envs.design import PENALTY
from matgym.errors import ConfigurationError

DOPING, CHIRALITY = "matgym/NanotubeDoping-v0", "matgym/NanotubeChirality-v0"
SMALL = {
    DOPING: {"cells": 1, "budget": {"B": 2, "N": 2}, "model": cheap(DOPING)},
    CHIRALITY: {},
    "matgym/MO-NanotubeDoping-v0": {"cells": 1, "budget": {"B": 2, "N": 2}, "model": cheap(DOPING)},
}


@pytest.mark.parametrize("identity", SMALL)
def test_an_agent_that_repeats_itself_finishes_designs(identity):
    """In 0.1 it stalled until the time limit, which truncated every episode."""
    env = gym.make(identity, disable_env_checker=True, **SMALL[identity])
    for seed in range(5):
        env.reset(seed=seed)
        steps = [env.step(20 if "Chirality" in identity else 3) for _ in range(4)]
        assert [step[2:4] for step in steps] == [(False, False)] * 3 + [(True, False)]
        assert env.unwrapped.task.space.valid(steps[-1][4]["design"][None])[0]
        assert not steps[-1][4]["allowed"]


@pytest.mark.parametrize("mode", ["resample", "penalty", "terminate"])
@pytest.mark.parametrize("identity", SMALL)
def test_batches_treat_forbidden_actions_as_gymnasiums_own_do(identity, mode):
    arguments = SMALL[identity] | {"on_forbidden": mode}
    envs = gym.make_vec(identity, num_envs=4, **arguments)
    reference = SyncVectorEnv(
        [lambda: gym.make(identity, disable_env_checker=True, **arguments)] * 4,
        autoreset_mode=AutoresetMode.SAME_STEP,
    )
    if "MO-" in identity:
        reference._rewards = np.zeros((4, envs.reward_dim))
    rng, forbidden = np.random.default_rng(0), 0
    np.testing.assert_array_equal(envs.reset(seed=0)[0], reference.reset(seed=0)[0])
    for _ in range(60):
        masks = envs.action_masks()
        actions = rng.integers(masks.shape[1], size=4)
        ours, theirs = envs.step(actions), reference.step(actions)
        for one, other in zip(ours[:4], theirs[:4], strict=True):
            np.testing.assert_allclose(one, other, atol=1e-6)
        wrong = ~masks[np.arange(4), actions]
        forbidden += wrong.sum()
        if mode == "penalty":
            np.testing.assert_allclose(ours[1][wrong], -PENALTY)
            assert not ours[2][wrong].any()
        elif mode == "terminate":
            assert ours[2][wrong].all()
            assert not ours[1][wrong].any()
    assert forbidden > 5


def test_where_no_edit_fits_any_more_the_episode_ends():
    """Turned bonds may not touch: in 0.1 a budget that did not fit was tried in vain until the time limit."""
    env = gym.make(
        "matgym/NanotubeThermoelectric-v0",
        n=5,
        cells=2,
        budget={"SW": 6},
        model=cheap("Thermoelectric"),
    )
    ends = set()
    for seed in range(20):
        _, info = env.reset(seed=seed)
        rng, done = np.random.default_rng(seed), False
        while not done:
            action = rng.choice(np.flatnonzero(info["action_mask"]))
            _, reward, done, truncated, info = env.step(action)
            assert not truncated
        ends.add(bool(info["allowed"]))
        assert info["allowed"] or reward == 0.0
    assert False in ends, "no episode was stuck: nothing is tested"


def test_what_would_be_without_effect_is_refused():
    with pytest.raises(ConfigurationError, match="on_forbidden='penalty' is not possible in the goal variant"):
        gym.make("matgym/NanotubeChiralityGoal-v0", on_forbidden="penalty")
    with pytest.raises(ConfigurationError, match="on_forbidden='never' of NanotubeChirality is not right"):
        gym.make(CHIRALITY, on_forbidden="never")
