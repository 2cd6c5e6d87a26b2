"""Policies on the honeycomb: symmetric, indifferent to padding, for any tube, trained and stored like others."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from sb3_contrib import MaskablePPO
from stable_baselines3 import A2C, DQN, PPO

from matgym.agents import SB3VecEnv
from matgym.agents.acting import Acts
from matgym.agents.honeycomb import HoneycombDQNPolicy, HoneycombPolicy, MaskableHoneycombPolicy, on_spaces
from matgym.agents.honeycomb.network import IMPOSSIBLE
from matgym.agents.policy import Policy
from matgym.agents.storage import STORE, load_agent, save_agent
from matgym.envs.honeycomb_observation import honeycomb_space, observe_honeycomb
from matgym.errors import ConfigurationError
from matgym.structures import Nanotube, TubeBatch, tube_lattice
from matgym.structures.symmetry import symmetry_group
from matgym.surrogates.honeycomb.graph import honeycombs
from matgym.surrogates.store import load

DOPING = "matgym/NanotubeDoping-v0"
SMALL = {"n": 8, "cells": 1, "budget": {"B": 2, "N": 1}, "observation": "honeycomb", "model": "nanotube-gap"}
SETTINGS = {
    PPO: {"n_steps": 4, "batch_size": 16, "n_epochs": 2},
    A2C: {"n_steps": 4},
    MaskablePPO: {"n_steps": 4, "batch_size": 16, "n_epochs": 2},
    DQN: {"buffer_size": 100, "learning_starts": 8, "batch_size": 8, "train_freq": 1},
}


def boron_bonds(tubes):
    """A property that takes no time: the number of bonds that touch boron."""
    return [float((tube.species[tube.lattice.bonds[:, :2]] == 3).any(axis=1).sum()) for tube in tubes]


QUICK = SMALL | {"model": boron_bonds, "targets": (2.0, 6.0)}


def envs_of(**arguments):
    return SB3VecEnv(gym.make_vec(DOPING, num_envs=4, **QUICK | arguments), seed=0)


def made(algorithm=MaskablePPO, policy_kwargs=None, **arguments):
    further = {"policy_kwargs": policy_kwargs} if policy_kwargs else {}
    return algorithm("HoneycombPolicy", envs_of(**arguments), seed=1, device="cpu", **SETTINGS[algorithm], **further)


def decorated(n, m, cells, seed=0):
    lattice = tube_lattice(n, m, cells)
    species = np.random.default_rng(seed).choice(np.array([0, 0, 0, 3, 4], dtype=np.uint8), lattice.n_sites)
    return Nanotube(n, m, cells, species)


def observed(tubes, size):
    allowed = np.ones((len(tubes), 2, size), dtype=bool)
    for row, tube in enumerate(tubes):
        allowed[row, :, : tube.n_sites] = tube.species == 0
    return observe_honeycomb(TubeBatch.of(tubes), allowed, np.linspace(0.1, 0.9, 4)[None].repeat(len(tubes), axis=0))


def policy_on(size, others=0, kind=HoneycombPolicy):
    """Return a policy for two kinds of atoms whose last layers are not nearly zero, so that its logits differ."""
    torch.manual_seed(0)
    policy = kind(honeycomb_space(size, 2, 4), gym.spaces.Discrete(2 * size + others), lambda _: 1e-3)
    network = (policy.q_net if kind is HoneycombDQNPolicy else policy).features_extractor
    torch.nn.init.normal_(network.kind.weight)
    if others:
        torch.nn.init.normal_(network.other[-1].weight)
    return policy


@torch.no_grad()
def outputs(policy, seen):
    """Return the (B, A) logits and the (B,) values of a policy, as arrays; of DQN, the values of actions and zeros."""
    tensors = policy.obs_to_tensor(seen)[0]
    if isinstance(policy, HoneycombDQNPolicy):
        return policy.q_net(tensors).numpy(), np.zeros(len(seen["context"]))
    features = policy.extract_features(tensors)
    logits, whole = policy.mlp_extractor(features)
    return policy.action_net(logits).numpy(), policy.value_net(whole).numpy()[:, 0]


@pytest.mark.parametrize("kind", [HoneycombPolicy, MaskableHoneycombPolicy, HoneycombDQNPolicy])
@pytest.mark.parametrize("size", [(8, 0, 2), (5, 5, 3), (6, 4, 1)])
def test_symmetry_operations_permute_the_logits_and_keep_the_value(size, kind):
    tube = decorated(*size)
    group = symmetry_group(tube.lattice)
    proper = group[: 2 * tube.lattice.n_cells]  # rotations, screws and two-fold rotations; mirrors come after them
    copies = [Nanotube(*size, tube.species[sources]) for sources in proper[:: max(1, len(proper) // 12)]]
    policy = policy_on(tube.n_sites, others=2, kind=kind)
    before, value = outputs(policy, observed([tube], tube.n_sites))
    after, values = outputs(policy, observed(copies, tube.n_sites))
    placed = before[0, :-2].reshape(2, -1)
    assert placed.std(axis=1).min() > 0.01
    for row, sources in enumerate(proper[:: max(1, len(proper) // 12)]):
        np.testing.assert_allclose(after[row, :-2].reshape(2, -1), placed[:, sources], atol=1e-5)
    np.testing.assert_allclose(after[:, -2:], np.repeat(before[:, -2:], len(copies), axis=0), atol=1e-5)
    np.testing.assert_allclose(values, value[0], atol=1e-5)


def test_other_designs_of_the_same_composition_have_other_logits():
    one, other = decorated(8, 0, 2), decorated(8, 0, 2)
    shuffled = Nanotube(8, 0, 2, np.random.default_rng(1).permutation(other.species))
    logits, values = outputs(policy_on(one.n_sites), observed([one, shuffled], one.n_sites))
    assert np.abs(np.sort(logits[0]) - np.sort(logits[1])).max() > 1e-3
    assert abs(values[0] - values[1]) > 1e-5


def test_padding_and_other_tubes_in_the_batch_change_nothing():
    first, second = decorated(8, 0, 2), decorated(6, 4, 1)
    sizes = first.n_sites, second.n_sites
    large = max(sizes) + 7
    together, values = outputs(policy_on(large, others=3), observed([first, second], large))
    for row, tube in enumerate((first, second)):
        alone, value = outputs(policy_on(tube.n_sites, others=3), observed([tube], tube.n_sites))
        places = np.concatenate([kind * large + np.arange(tube.n_sites) for kind in range(2)])
        np.testing.assert_allclose(together[row, places], alone[0, :-3], atol=1e-5)
        np.testing.assert_allclose(together[row, -3:], alone[0, -3:], atol=1e-5)
        np.testing.assert_allclose(values[row], value[0], atol=1e-5)
        padding = np.setdiff1d(np.arange(2 * large), places)
        assert (together[row, padding] == np.float32(IMPOSSIBLE)).all()


def test_a_row_without_a_tube_yet_has_finite_logits_and_gradients():
    tube = decorated(8, 0, 1)
    policy = policy_on(tube.n_sites, others=5)
    seen = observe_honeycomb(
        TubeBatch.of([tube]), np.ones((2, 2, tube.n_sites), dtype=bool), np.ones((2, 4)), rows=np.array([1])
    )
    tensors = policy.obs_to_tensor(seen)[0]
    values, likelihoods, _ = policy.evaluate_actions(tensors, torch.tensor([2 * tube.n_sites, 3]))
    (values.sum() + likelihoods.sum()).backward()
    assert all(bool(each.grad.isfinite().all()) for each in policy.parameters() if each.grad is not None)


@pytest.mark.parametrize("algorithm", SETTINGS)
def test_agents_train_and_are_stored_without_pickles(algorithm, tmp_path):
    agent = made(algorithm)
    before = [each.clone() for each in agent.policy.parameters()]
    agent.learn(48)
    assert any(not torch.equal(old, new) for old, new in zip(before, agent.policy.parameters(), strict=True))
    path = tmp_path / "agent.safetensors"
    save_agent(agent, path, environment=DOPING, arguments={"observation": "honeycomb"})
    loaded = load_agent(path)
    seen = agent.get_env().reset()
    extra = {"action_masks": np.stack(agent.get_env().env_method("action_masks"))} if algorithm is MaskablePPO else {}
    actions = [each.predict(seen, deterministic=True, **extra)[0] for each in (agent, loaded)]
    np.testing.assert_array_equal(*actions)
    for name, value in agent.policy.state_dict().items():
        assert torch.equal(loaded.policy.state_dict()[name], value), name
    agent.save(tmp_path / "agent.zip")
    assert type(load_agent(tmp_path / "agent.zip", trust=True)) is algorithm


def test_an_agent_learns_what_pays():
    agent = MaskablePPO(
        "HoneycombPolicy",
        SB3VecEnv(gym.make_vec(DOPING, num_envs=32, **QUICK | {"direction": "minimize", "targets": None,
                               "values": (3.0, 6.0), "budget": {"B": 2}}), seed=0),
        n_steps=8, batch_size=128, learning_rate=3e-3, gamma=1.0, seed=0, device="cpu",
    )  # fmt: skip
    means = []

    def note(local, _):
        if local["self"].ep_info_buffer:
            means.append(np.mean([each["r"] for each in local["self"].ep_info_buffer]))
        return True

    agent.learn(6_000, callback=note)
    assert means[0] < 0.2  # two boron atoms with one bond in common touch five bonds, others six
    assert means[-1] > 0.3  # 1/3 is the most


def test_a_policy_starts_from_the_rounds_of_a_surrogate_and_sees_the_same_there(tmp_path):
    agent = made(policy_kwargs={"trunk": "nanotube-gap"})
    surrogate = load("nanotube-gap")
    network, trunk = surrogate.networks[0], agent.policy.features_extractor.trunk
    tubes = [decorated(8, 0, 1), decorated(7, 3, 1)]
    graph = honeycombs(TubeBatch.of(tubes))
    sites, *rest = surrogate.tensors(graph, np.zeros((2, 0)))
    with torch.no_grad():
        theirs = network.of_sites(torch.nn.functional.pad(sites, (0, 2)), *rest)
        species = torch.tensor(np.eye(6, dtype=np.float32)[TubeBatch.of(tubes).species])
        ours = trunk.of_sites(
            torch.nn.functional.pad(species, (0, 2)), *rest[:3],
            torch.nn.functional.pad(torch.tensor(graph.tubes), (0, trunk.whole.in_features - 14)),
        )  # fmt: skip
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)
    save_agent(agent, tmp_path / "agent.safetensors", environment=DOPING)
    kwargs = STORE.load_card(tmp_path / "agent.safetensors").policy_kwargs
    assert kwargs == {"width": network.site.out_features, "rounds": len(network.rounds)}


def test_an_agent_acts_on_another_tube():
    agent = made()
    other = gym.make(DOPING, **QUICK | {"n": 7, "m": 2, "cells": 1})
    policy = Acts(agent)
    policy.check(DOPING, other)
    observation, _ = other.reset(seed=0)
    for _ in range(3):
        observation, *_ = other.step(policy(other, observation))
    assert other.unwrapped.episodes.builder.remaining.sum() == 0
    moved = on_spaces(agent, other.observation_space, other.action_space)
    assert moved.predict(observation)[0].shape == ()
    assert agent.observation_space != moved.observation_space


def test_a_policy_designs_for_a_task():
    agent = made()
    task = agent.get_env().envs.task
    targets = np.array([2.0, 4.0, 6.0])
    designs = Policy(agent, "MaskablePPO", masked=True).design(task, targets, deterministic=True)
    assert task.space.valid(designs).all()


@pytest.mark.parametrize(
    ("policy_kwargs", "arguments", "said"),
    [
        ({}, {"observation": "flat"}, "make the environment with observation='honeycomb'"),
        ({"trunk": "nanotube-doping"}, {}, "without rounds of messages"),
        ({"trunk": "nanotube-gap", "width": 8}, {}, "the surrogate's width is 48 and its rounds are 5"),
        ({"net_arch": [8]}, {}, "net_arch has no effect"),
    ],
)
def test_what_does_not_fit_is_one_sentence(policy_kwargs, arguments, said):
    with pytest.raises(ConfigurationError, match=said) as caught:
        made(policy_kwargs=policy_kwargs, **arguments)
    assert "\n" not in str(caught.value)


def test_other_kinds_of_atoms_and_flat_policies_cannot_move():
    other = gym.make(DOPING, **QUICK | {"budget": {"B": 2}})
    with pytest.raises(ConfigurationError, match="other kinds of atoms"):
        on_spaces(made(), other.observation_space, other.action_space)
    flat = MaskablePPO("MlpPolicy", envs_of(observation="flat"), device="cpu", **SETTINGS[MaskablePPO])
    with pytest.raises(ConfigurationError, match="acts on its own tube only"):
        on_spaces(flat, other.observation_space, other.action_space)
