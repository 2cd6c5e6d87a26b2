"""NanotubeImprovement: rewards, changes, masks and counts, each against the same computed in another way."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from sb3_contrib import MaskablePPO

import matgym  # noqa: F401  # registers the environments
from matgym.agents import SB3VecEnv
from matgym.agents.greedy import GAIN, Greedy
from matgym.envs.mutation import PUT
from matgym.envs.nanotube_improvement import LEAST
from matgym.errors import ConfigurationError
from matgym.structures import Species
from matgym.surrogates import FunctionModel
from matgym.tasks import brief_task
from matgym.tasks.any_tube import HEAD

ID = "matgym/NanotubeImprovement-v0"
TUBES = [(6, 4, 1), (5, 5, 4), (9, 0, 3)]
ROUNDING = 1e-5  # of worths, which are at most 1: surrogates compute in single precision


def made(count=6, **arguments):
    return gym.make_vec(ID, num_envs=count, tubes=TUBES, **arguments)


def random_actions(envs, rng, *, stop=False):
    masks = envs.action_masks()
    masks[:, envs.episodes.builder.stop] &= stop
    return np.where(masks, rng.random(masks.shape), -1.0).argmax(axis=1)


def test_the_change_of_an_action_is_the_reward_that_follows():
    envs, rng = made(level="medium"), np.random.default_rng(0)
    envs.reset(seed=0)
    for _ in range(20):
        actions = random_actions(envs, rng)
        promised = envs.episodes.changes[np.arange(6), actions]
        _, rewards, *_ = envs.step(actions)
        np.testing.assert_allclose(promised, rewards, atol=ROUNDING)


def test_dense_and_sparse_rewards_have_the_same_sum_which_is_the_change_of_the_worth():
    sums = []
    for kind in ("dense", "sparse"):
        envs, rng = made(reward_type=kind, steps=9), np.random.default_rng(1)
        envs.reset(seed=3)
        first, total = envs.episodes.worth.copy(), np.zeros(6)
        for step in range(9):
            last = envs.episodes.builder.designs
            _, rewards, terminated, _, info = envs.step(random_actions(envs, rng))
            assert kind == "dense" or step == 8 or not rewards.any()
            total += rewards
        assert terminated.all()
        last = info["final_info"]["design"]
        targets = info["final_info"]["target"]
        final = envs.task.score(last, targets).reward
        np.testing.assert_allclose(total, final - first, atol=1e-12)
        sums.append(total)
    np.testing.assert_allclose(*sums, atol=1e-12)


def test_a_bonus_is_paid_once_and_only_if_the_last_tube_meets_the_brief():
    plain, paid = (made(16, steps=4, met_bonus=bonus) for bonus in (0.0, 0.5))
    for envs in (plain, paid):
        envs.reset(seed=2)
    anything = np.tile([-np.inf, np.inf], (16, 3))
    anything[:8] = [3e3, 4e3] * 3  # no tube is so stiff
    designs = np.array(plain.episodes.builder.designs)
    for envs in (plain, paid):
        envs.reset(options={"target": anything, "design": designs})
    rng = np.random.default_rng(0)
    for step in range(4):
        actions = random_actions(plain, rng)
        (_, without, *_), (_, rewards, ended, *_) = plain.step(actions), paid.step(actions)
        np.testing.assert_allclose(rewards - without, 0.5 * (np.arange(16) >= 8) * (step == 3), atol=1e-12)
    assert ended.all()
    with pytest.raises(ConfigurationError, match="met_bonus=-1"):
        made(met_bonus=-1.0)


def test_without_vacancies_no_design_holds_one_and_the_oracle_has_a_formation_energy():
    envs, rng = made(8, vacancies=False), np.random.default_rng(0)
    envs.reset(seed=0)
    for _ in range(12):
        envs.step(random_actions(envs, rng))
        assert not (envs.episodes.builder.designs[:, HEAD:] == Species.VACANCY).any()
    space = envs.task.space
    drawn = space.sample(64, rng)
    for _ in range(4):
        drawn = space.mutate(space.recombine(drawn, drawn[::-1], rng), rng)
        assert space.valid(drawn).all()
        assert not (drawn[:, HEAD:] == Species.VACANCY).any()
    formation = next(each for each in envs.task.objectives if each.key == "formation_ev")
    assert np.isfinite(formation.oracle.predict(space.decode(drawn[:4]))["formation_ev"]).all()
    mixed = made(8).task.space
    both = next(
        row for row in mixed.sample(64, rng) if (mixed.counts(row[None])[0, [0, 2]] > 0).all()
    )  # fmt: skip
    assert np.isnan(formation.oracle.predict(mixed.decode(both[None]))["formation_ev"]).all()


@pytest.mark.parametrize("stop", [False, True])
def test_tubes_are_designs_at_the_end_and_lack_one_atom_at_most_before(stop):
    envs, rng = made(steps=12), np.random.default_rng(2)
    space = envs.task.space
    envs.reset(seed=1)
    ended = 0
    for _ in range(60):
        info = envs.step(random_actions(envs, rng, stop=stop))[4]
        counts = space.counts(info["design"])
        assert (np.abs(counts[:, 0] - counts[:, 1]) <= 1).all()
        if "final_info" in info:
            final = info["final_info"]["design"][info["_final_info"]]
            assert space.valid(final).all()
            ended += len(final)
    assert ended >= 30


def test_masks_allow_what_stays_within_the_largest_numbers():
    envs, rng = made(), np.random.default_rng(4)
    space, builder = envs.task.space, envs.episodes.builder
    envs.reset(seed=2)
    for _ in range(5):
        envs.step(random_actions(envs, rng))
        masks = envs.action_masks()
        for row in range(6):
            design = builder.designs[row]
            for site in range(space.sites):
                for k, kind in enumerate(PUT):
                    other = np.array(design)
                    other[HEAD + site] = kind
                    (counts,) = space.counts(other[None])
                    most = space.most[design[0]]
                    fits = site < space.n_sites[design[0]] and kind != design[HEAD + site]
                    fits &= counts.sum() <= space.edits and abs(counts[0] - counts[1]) <= 1
                    fits &= kind == Species.C12 or bool(counts[k] <= most[k])
                    assert masks[row, k * space.sites + site] == fits


def test_each_design_counts_once_for_each_surrogate():
    envs, rng = made(), np.random.default_rng(0)
    before = envs.task.ledger.counts["surrogate"]
    envs.reset(seed=0)
    for _ in range(3):
        envs.step(random_actions(envs, rng))
    assert envs.task.ledger.counts["surrogate"] - before == 3 * 6 * (1 + 3)
    envs.step(np.where(envs.action_masks()[:, envs.episodes.builder.stop], envs.episodes.builder.stop, 0))


def test_reset_begins_with_a_given_design_and_brief():
    envs = made(2)
    task = envs.task
    designs = task.space.sample_on(np.array([2, 1]), np.random.default_rng(0))
    targets = np.array([[1.0, 2.0, 0.0, 900.0, -5.0, 5.0]] * 2)
    _, info = envs.reset(seed=0, options={"design": designs, "target": targets})
    np.testing.assert_array_equal(info["design"], designs)
    np.testing.assert_array_equal(info["tube"], [2, 1])
    np.testing.assert_array_equal(envs.episodes.worth, task.score(designs, targets).reward)
    _, info = envs.reset(seed=0)
    assert (info["design"] != designs).any()
    with pytest.raises(ConfigurationError, match="is no design"):
        envs.reset(options={"design": np.full_like(designs, Species.B)})


@pytest.mark.parametrize("observation", ["flat", "honeycomb"])
def test_observations_are_in_the_space_and_show_the_changes(observation):
    envs, rng = made(observation=observation), np.random.default_rng(0)
    seen, _ = envs.reset(seed=0)
    for _ in range(3):
        seen = envs.step(random_actions(envs, rng))[0]
    assert envs.observation_space.contains(seen)
    if observation == "honeycomb":
        shown = seen["effects"].transpose(0, 2, 1).reshape(6, -1)
        changes = envs.episodes.changes[:, : shown.shape[1]]
        largest = np.where(envs.action_masks(), envs.episodes.changes, 0.0).max(axis=1, keepdims=True)
        assert (largest > LEAST).all()
        np.testing.assert_allclose(shown, np.clip(changes / largest, -1.0, 1.0), atol=1e-6)
        inside = np.arange(envs.task.space.sites) < envs.task.space.n_sites[envs.episodes.builder.designs[:, 0], None]
        assert not seen["effects"][~inside].any()


def test_greedy_never_loses_and_ends_where_no_balanced_change_helps():
    envs = made(16, level="medium")
    envs.reset(seed=0)
    episodes, builder = envs.episodes, envs.episodes.builder
    expert = Greedy()
    expert.begin(episodes, np.random.default_rng(0))
    first, running = episodes.worth.copy(), np.ones(16, dtype=bool)
    while running.any():
        rows = np.flatnonzero(running)
        masks = episodes.masks()
        actions = expert.act(None)
        assert masks[rows, actions[rows]].all()
        stops = running & (actions == builder.stop)
        single = masks & (builder.excess_after(slice(None)) == 0)
        assert (np.where(single, episodes.changes, -1.0)[stops].max(axis=1) <= GAIN).all()
        running[rows] = ~episodes.step(actions[rows], rows)[1]
    assert (episodes.worth >= first).all()
    assert episodes.worth.mean() > first.mean() + 0.1
    assert (builder.excess(slice(None)) == 0).all()


def test_a_policy_on_the_honeycomb_reads_the_effects_and_is_trained():
    envs = SB3VecEnv(made(4, observation="honeycomb"), seed=0)
    agent = MaskablePPO("HoneycombPolicy", envs, n_steps=8, batch_size=16, n_epochs=2, seed=0, device="cpu")
    network = agent.policy.features_extractor
    assert not network.direct.weight.any()
    agent.learn(32)
    assert network.direct.weight.any()
    with torch.no_grad():  # effects decide where nothing else does
        network.direct.weight.copy_(1e3 * torch.eye(len(PUT)))
        network.other[2].bias.fill_(-1e6)
    observation = envs.reset()
    chosen, _ = agent.predict(observation, action_masks=envs.envs.action_masks(), deterministic=True)
    episodes = envs.envs.episodes
    placed = np.where(episodes.masks(), episodes.changes, -np.inf)[:, : episodes.builder.stop]
    np.testing.assert_allclose(episodes.changes[np.arange(4), chosen], placed.max(axis=1), atol=1e-3)


def stiffness(tubes):
    """A modulus of tubes that hangs on where the atoms are."""
    return [800.0 - float(np.flatnonzero(tube.species).sum() % 101) for tube in tubes]


def test_what_has_no_effects_raises_an_error():
    with pytest.raises(ConfigurationError, match="no ridge regression on pairs"):
        made(properties=["young", "formation"], models={"young": FunctionModel(stiffness, "young_gpa")})
    with pytest.raises(ConfigurationError, match="given tubes"):
        gym.make_vec(ID, task=brief_task("easy", anchors=32))
