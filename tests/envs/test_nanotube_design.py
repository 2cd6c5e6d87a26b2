"""NanotubeDesign-v0: whole episodes, tubes that are chosen and given, briefs, and what is seen of them."""

import gymnasium as gym
import numpy as np
import pytest

import matgym  # noqa: F401  # registers the environments
from matgym.envs.honeycomb_observation import CONTEXT, NEIGHBOURS, SITES
from matgym.errors import ConfigurationError
from matgym.structures import Species
from matgym.tasks.any_tube import STRAINS

NAME = "matgym/NanotubeDesign-v0"
TUBES = [(8, 0, 3), (6, 3, 1), (5, 5, 4)]
S = 160
STOP, STRAIN, TUBE = 4 * S, 4 * S + 1, 4 * S + 4


def made(**arguments):
    return gym.make(NAME, **{"tubes": TUBES, **arguments})


def test_a_tube_is_chosen_strained_decorated_and_stopped():
    env = made()
    _, info = env.reset(seed=0)
    allowed = np.flatnonzero(info["action_mask"])
    assert allowed.tolist() == [TUBE, TUBE + 1, TUBE + 2]  # first of all a tube
    info = env.step(TUBE + 1)[4]
    allowed = info["action_mask"]
    assert allowed[STOP]
    assert allowed[STRAIN : STRAIN + 3].all()
    assert not allowed[TUBE:].any()
    assert allowed[:84].all()
    assert not allowed[84:S].any()  # (6, 3) has 84 sites
    env.step(STRAIN + 1)  # 2 %
    info = env.step(0)[4]  # B on site 0
    assert not info["action_mask"][STOP]  # as many N as B are wanted
    assert not info["action_mask"][STRAIN]
    assert not info["action_mask"][[0, S]].any()  # the site is taken
    info = env.step(S + 10)[4]
    info = env.step(2 * S + 30)[4]
    assert not info["action_mask"][2 * S : 3 * S].any()  # one vacancy is 1.2 % of the sites, two would be more
    _, reward, terminated, _, info = env.step(STOP)
    assert terminated
    assert 0.0 < reward <= 1.0
    tube = env.unwrapped.tube
    assert (tube.n, tube.m, tube.lattice.cells, tube.strain) == (6, 3, 1, STRAINS[2])
    placed = {site: Species(int(tube.species[site])) for site in np.flatnonzero(tube.species)}
    assert placed == {0: Species.B, 10: Species.N, 30: Species.VACANCY}
    assert set(info["objectives"]) == {"thermal_conductance_nw_k", "young_gpa", "formation_ev", "diameter_nm"}


def test_the_last_atom_ends_the_episode():
    env = made()
    env.reset(seed=1)
    env.step(TUBE)
    for site in range(8):
        assert not env.unwrapped.episodes.builder.stopped[0]
        terminated = env.step(3 * S + 5 * site)[2]  # 14C
    assert terminated


def test_random_episodes_end_with_valid_designs_and_their_rewards_follow_the_brief():
    envs = gym.make_vec(NAME, num_envs=16, tubes=TUBES)
    _, info = envs.reset(seed=2)
    rng, task, ended = np.random.default_rng(0), envs.task, 0
    for _ in range(24):
        masks = info["action_mask"]
        _, reward, done, _, info = envs.step(np.where(masks, rng.random(masks.shape), -1.0).argmax(axis=1))
        if not done.any():
            continue
        last = info["final_info"]
        designs, bounds = last["design"][done], last["target"][done].reshape(-1, 4, 2)
        assert task.space.valid(designs).all()
        values = np.stack([last["objectives"][each.key][done] for each in task.objectives], axis=1)
        asked = np.isfinite(bounds).any(axis=2)
        away = np.maximum(np.maximum(bounds[..., 0] - values, values - bounds[..., 1]), 0.0)
        parts = 1.0 / (1.0 + 9.0 * (away / [each.margin for each in task.objectives]) ** 2)
        np.testing.assert_allclose(reward[done], [p[a].mean() for p, a in zip(parts, asked, strict=True)], rtol=1e-9)
        np.testing.assert_array_equal(last["met"][done], ((away == 0.0) | ~asked).all(axis=1))
        ended += int(done.sum())
    assert ended > 16


def test_a_component_of_what_is_not_asked_is_one_and_the_reward_is_the_mean_of_the_others():
    plain, vector = made(), gym.make(NAME.replace("matgym/", "matgym/MO-"), tubes=TUBES)
    for env in (plain, vector):
        env.reset(seed=3)
        env.step(TUBE + 2)
    (_, reward, *_), (_, parts, *_) = plain.step(STOP), vector.step(STOP)
    asked = np.isfinite(plain.unwrapped.episodes.targets.reshape(4, 2)).any(axis=1)
    assert asked.sum() == 2
    assert reward == pytest.approx(float(parts[asked].mean()), rel=1e-6)
    assert (parts[~asked] == 1.0).all()


def test_a_given_tube_is_drawn_or_set_and_its_brief_is_about_it():
    env = made(tube="given")
    seen = {int(env.reset(seed=seed)[1]["tube"]) for seed in range(20)}
    assert seen == {0, 1, 2}
    _, info = env.reset(seed=0, options={"tube": 1})
    assert info["tube"] == 1
    assert env.unwrapped.tube.lattice == env.unwrapped.task.space.lattices[1]
    assert env.action_space.n == 4 * S + 4
    assert info["action_mask"][STOP]
    for wrong in (3, -1, 0.5):
        with pytest.raises(ConfigurationError, match="must be the index of a tube, from 0 to 2"):
            env.reset(options={"tube": wrong})
    brief = env.unwrapped.task.brief(young=(900.0, None))
    _, info = env.reset(options={"target": brief})
    np.testing.assert_array_equal(info["target"], brief)


def test_the_honeycomb_shows_each_episodes_own_tube():
    envs = gym.make_vec(NAME, num_envs=3, tubes=TUBES, observation="honeycomb")
    seen, _ = envs.reset(seed=4)
    assert not seen[SITES].any()  # no tube yet
    assert (seen[NEIGHBOURS] == S).all()
    seen, *_ = envs.step(np.array([TUBE, TUBE + 1, TUBE + 2]))
    for row, lattice in enumerate(envs.task.space.lattices):
        assert (seen[SITES][row].any(axis=1)).sum() == lattice.n_sites
        near = seen[NEIGHBOURS][row, : lattice.n_sites]
        inside = near < S
        np.testing.assert_array_equal(near[inside], lattice.neighbours[inside])
        assert (~inside).sum() == 2 * int((lattice.bonds[:, 2] != 0).sum())  # bonds across the ends lead into leads
    assert envs.observation_space.contains(seen)
    assert np.isfinite(seen[CONTEXT]).all()


def test_a_plan_makes_the_designs():
    envs = gym.make_vec(NAME, num_envs=32, tubes=TUBES)
    envs.reset(seed=5)
    builder, space = envs.episodes.builder, envs.task.space
    designs = space.sample(32, np.random.default_rng(6))
    going = np.ones(32, dtype=bool)
    for actions in builder.plan(designs).T:
        assert builder.masks()[np.arange(32), actions].all()
        going &= ~builder.advance(actions, slice(None))[0]
    assert not going.any()
    np.testing.assert_array_equal(builder.designs, designs)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"level": "harder"}, "level"),
        ({"tube": "mine"}, "tube='mine' "),
        ({"tubes": [(8, 0)]}, r"tubes=\[\(8, 0\)\] of NanotubeDesign is not right: entry 0 entry 2 is missing"),
        ({"tubes": [(20, 20, 3)]}, "sites=160 does not hold a lattice of 240 sites"),
        ({"properties": ("colour",)}, "colour"),
        ({"observation": "honeycomb", "variant": "goal"}, "no effect in the goal variant"),
    ],
)
def test_a_wrong_argument_is_one_sentence(arguments, said):
    with pytest.raises(Exception, match=said):
        made(**arguments)
