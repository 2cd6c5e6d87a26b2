"""The demo's briefs on unseen tubes: held-out tubes, counted designs, the greedy rule one episode at a time."""

import gymnasium as gym
import numpy as np
import pytest

from matgym.agents.experts import expert_of
from matgym.agents.scripted import Alone
from matgym.app.briefs import (
    CLIMBING,
    ENVIRONMENT,
    EXPERT,
    FIRST,
    HELD_OUT,
    LOOK_UP,
    SHIPPED,
    TAUGHT,
    BriefResult,
    BriefSettings,
    Reached,
    arguments,
    made,
    run_briefs,
)

SMALL = BriefSettings(briefs=4, attempts=2, table=64, lessons=(1, 2))


@pytest.fixture(scope="module")
def result():
    return run_briefs(SMALL)


def test_briefs_are_on_tubes_that_no_training_saw():
    for held_out in (True, False):
        tubes = arguments("hard", held_out=held_out)["tubes"]
        assert tubes
        assert all(((n, m) in HELD_OUT) == held_out for n, m, _ in tubes)


def test_the_greedy_rule_meets_as_many_briefs_one_by_one(result):
    """A scalar environment with the same designs and briefs, which the demo does not use."""
    envs = made(SMALL.level, SMALL.briefs, held_out=True)
    envs.reset(seed=FIRST)
    designs, targets = np.array(envs.episodes.builder.designs), np.array(envs.episodes.targets)
    alone = gym.make(ENVIRONMENT, **arguments(SMALL.level, held_out=True))
    met, scored = [], []
    for design, target in zip(designs, targets, strict=True):
        observation, info = alone.reset(options={"design": design, "target": target})
        rule, done, count = Alone(expert_of(ENVIRONMENT).make()), False, 1
        while not done:
            action = rule(alone, observation)
            count += action != alone.unwrapped.episodes.builder.stop
            observation, _, terminated, truncated, info = alone.step(action)
            done = terminated or truncated
        met.append(bool(info["met"]))
        scored.append(count)
    first = result.of(EXPERT)[0]
    assert first.met == pytest.approx(np.mean(met))
    assert first.designs == pytest.approx(np.mean(scored))


def test_more_designs_never_meet_fewer_briefs(result):
    assert result.methods == [SHIPPED, TAUGHT, EXPERT, CLIMBING, LOOK_UP]
    for name in result.methods:
        shares = [each.met for each in result.of(name)]
        assert shares == sorted(shares)
        assert all(0.0 <= share <= 1.0 for share in shares)
    assert [each.designs for each in result.of(LOOK_UP)] == [8.0, 16.0, 32.0, 64.0]
    assert result.of(CLIMBING)[-1].designs == 256.0
    assert (np.diff(result.curve[:, 0]) > 0).all()
    assert result.curve[0, 0] == 0.0


def test_a_training_pays_after_the_designs_that_it_saves():
    """By hand: look-up needs 1,024 designs for what the agent has with 24; 10,000 designs pay after 10 tubes."""
    reached = (
        Reached(SHIPPED, 24.0, 0.8), Reached(EXPERT, 24.0, 0.7), Reached(CLIMBING, 32.0, 0.4),
        Reached(LOOK_UP, 16.0, 0.1), Reached(LOOK_UP, 64.0, 0.2), Reached(LOOK_UP, 1024.0, 0.8),
    )  # fmt: skip
    won = BriefResult(SMALL, reached, np.array([[0.0, 0.0], [50.0, 0.5]]), 10_000, 1.0)
    assert (won.needed, won.pays_after) == (1024.0, 10)
    assert won.in_words()[0].startswith("Where learning wins: ")
    assert "hill climbing with 32 designs 40%. Look-up needs 1,024 designs" in won.in_words()[0]
    worse = (Reached(SHIPPED, 24.0, 0.1), *reached[1:])
    lost = BriefResult(SMALL, worse, won.curve, 10_000, 1.0)
    assert lost.pays_after is None
    assert lost.in_words()[0].startswith("Learning did not win here: ")
