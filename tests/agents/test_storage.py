"""Stored agents: a loaded agent acts as the stored one, and loading unpickles nothing."""

import json
import pickle
import zipfile

import gymnasium as gym
import numpy as np
import pytest
import sb3_contrib
import stable_baselines3
import torch
from gymnasium import spaces
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.vec_env import DummyVecEnv

from matgym.agents.cards import SpaceCard
from matgym.agents.sb3 import ALGORITHMS, make_agent
from matgym.agents.storage import STORE, load_agent, save_agent
from matgym.errors import ConfigurationError, WeightsError
from matgym.structures import Species, tube_lattice
from matgym.tasks import decoration_task


class Small(gym.Env):
    """An environment with an observation of four numbers and a few actions, which ignores its actions."""

    observation_space = spaces.Box(-1.0, 1.0, (4,), np.float32)

    def __init__(self, action_space, observation_space=None):
        self.action_space = action_space
        self.observation_space = observation_space or self.observation_space
        self.steps = 0

    def reset(self, *, seed=None, options=None):  # noqa: ARG002  # Gymnasium's face
        super().reset(seed=seed)
        self.steps = 0
        return self._see(), {}

    def step(self, action):
        self.steps += 1
        return self._see(), float(np.sum(action)), self.steps == 5, False, {}

    def action_masks(self):
        return np.array([True, False, True])

    def _see(self):
        low, high = (getattr(self.observation_space, end).astype(float) for end in ("low", "high"))
        return self.np_random.uniform(low, high).astype(self.observation_space.dtype)


CHOICES = spaces.Discrete(3)
CONTROLS = spaces.Box(-1.0, 1.0, (2,), np.float32)
REPLAY = {"buffer_size": 500, "learning_starts": 10, "batch_size": 8}
CASES = {
    "PPO": (CHOICES, {"n_steps": 8, "batch_size": 8, "learning_rate": lambda left: 1e-3 * left}),
    "A2C": (CONTROLS, {"n_steps": 8, "use_sde": True}),
    "DQN": (CHOICES, REPLAY | {"n_steps": 3}),
    "SAC": (CONTROLS, REPLAY | {"ent_coef": "auto_0.1"}),
    "TD3": (CONTROLS, REPLAY | {"action_noise": NormalActionNoise(np.zeros(2), np.full(2, 0.1))}),
    "MaskablePPO": (CHOICES, {"n_steps": 8, "batch_size": 8}),
    "RecurrentPPO": (CONTROLS, {"n_steps": 8, "batch_size": 8}),
    "QRDQN": (CHOICES, REPLAY),
    "TQC": (CONTROLS, REPLAY | {"ent_coef": 0.05, "train_freq": (2, "step")}),
}


def made(algorithm, learned=24, **further):
    """Return a small agent after a short training."""
    action_space, settings = CASES[algorithm]
    kind = getattr(stable_baselines3, algorithm, None) or getattr(sb3_contrib, algorithm)
    policy_kwargs = {"net_arch": [8]}
    policy = "MlpPolicy"
    if algorithm == "RecurrentPPO":
        policy, policy_kwargs = "MlpLstmPolicy", {"lstm_hidden_size": 6, "net_arch": [8], "activation_fn": torch.nn.ELU}
    if algorithm == "PPO":
        policy_kwargs = {"net_arch": {"pi": [8], "vf": [4, 4]}, "activation_fn": torch.nn.ReLU}
    if algorithm == "QRDQN":
        policy_kwargs["n_quantiles"] = 5
    settings = {"seed": 3, "device": "cpu", "policy_kwargs": policy_kwargs} | settings | further
    agent = kind(settings.pop("policy", policy), DummyVecEnv([lambda: Small(action_space)] * 2), **settings)
    return agent.learn(learned)


def acted(agent, n=16):
    """Return the agent's actions for new observations."""
    observations = np.random.default_rng(1).uniform(-1.0, 1.0, (n, 4)).astype(np.float32)
    return agent.predict(observations, deterministic=True)[0]


def stored(agent, folder):
    save_agent(agent, folder / "agent.safetensors", environment="matgym/Small-v0", arguments={"cells": 4})
    return folder / "agent.safetensors"


def test_every_algorithm_has_a_storage_test():
    assert CASES.keys() == set(ALGORITHMS)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_loaded_agent_acts_exactly_as_the_stored_one(algorithm, tmp_path):
    agent = made(algorithm)
    path = stored(agent, tmp_path)
    state = torch.get_rng_state()
    loaded = load_agent(path)
    assert torch.equal(state, torch.get_rng_state())
    assert type(loaded) is type(agent)
    assert loaded.env is None
    np.testing.assert_array_equal(acted(loaded), acted(agent))
    for name, value in agent.policy.state_dict().items():
        assert torch.equal(loaded.policy.state_dict()[name], value), name
    assert (loaded.observation_space, loaded.action_space) == (agent.observation_space, agent.action_space)
    assert loaded.num_timesteps == agent.num_timesteps
    assert STORE.load_card(path).arguments == {"cells": 4}
    again = save_agent(loaded, tmp_path / "again.safetensors", environment="matgym/Small-v0", arguments={"cells": 4})
    assert again == STORE.load_card(path)  # it includes the hyper-parameters and the hash of the parameters


@pytest.mark.parametrize("algorithm", ["PPO", "DQN", "SAC", "TD3", "TQC", "RecurrentPPO"])
def test_a_loaded_agent_continues_its_training_with_environments(algorithm, tmp_path):
    path = stored(made(algorithm), tmp_path)
    envs = DummyVecEnv([lambda: Small(CASES[algorithm][0])] * 3)
    loaded = load_agent(path, envs=envs)
    before = acted(loaded)
    loaded.learn(60, reset_num_timesteps=False)
    assert before.shape == acted(loaded).shape
    with pytest.raises(WeightsError, match="not those of the environments"):
        load_agent(path, envs=DummyVecEnv([lambda: Small(CASES[algorithm][0], spaces.Box(-2.0, 1.0, (4,)))]))


def test_the_learned_entropy_coefficient_of_sac_is_restored(tmp_path):
    agent = made("SAC", learned=40)
    assert float(agent.log_ent_coef.detach()) != pytest.approx(np.log(0.1), abs=1e-6)
    loaded = load_agent(stored(agent, tmp_path))
    assert torch.equal(loaded.log_ent_coef, agent.log_ent_coef)
    assert loaded.ent_coef_optimizer.param_groups[0]["params"][0] is loaded.log_ent_coef


def test_schedules_are_restored(tmp_path):
    loaded = load_agent(stored(made("PPO", clip_range=0.3), tmp_path))
    assert STORE.load_card(tmp_path / "agent.safetensors").settings["learning_rate"] == "lin_0.001"
    assert [loaded.lr_schedule(left) for left in (1.0, 0.25)] == [1e-3, 0.25e-3]
    assert loaded.clip_range(0.5) == 0.3


def test_agents_of_pictures_are_restored_with_their_shared_extractor(tmp_path):
    seen = spaces.Box(0, 255, (36, 36, 1), np.uint8)
    envs = DummyVecEnv([lambda: Small(CHOICES, seen)])
    agent = stable_baselines3.PPO("CnnPolicy", envs, n_steps=8, batch_size=8, device="cpu").learn(8)
    loaded = load_agent(stored(agent, tmp_path))
    pictures = np.random.default_rng(0).integers(0, 256, (4, 1, 36, 36), dtype=np.uint8)
    np.testing.assert_array_equal(
        loaded.predict(pictures, deterministic=True)[0], agent.predict(pictures, deterministic=True)[0]
    )


def test_agents_of_the_suite_are_restored(tmp_path):
    def boron(tubes):
        return [float((tube.image[0] == Species.B).sum()) for tube in tubes]

    task = decoration_task(lattice=tube_lattice(5, 0, 1), budget={"B": 3}, model=boron, low=0.9, high=1.1, margin=1.0)
    agent = make_agent("MaskablePPO", task, seed=0, overrides={"n_envs": 4, "learning_rate": "lin_0.001"})
    save_agent(agent, tmp_path / "a.safetensors", environment="matgym/NanotubeDoping-v0", arguments={"n": 5})
    loaded = load_agent(tmp_path / "a.safetensors")
    observation, masks = agent.env.reset(), np.stack(agent.env.env_method("action_masks"))
    actions = [x.predict(observation, action_masks=masks, deterministic=True)[0] for x in (agent, loaded)]
    np.testing.assert_array_equal(*actions)


@pytest.mark.parametrize(
    "space",
    [
        spaces.Box(np.array([-np.inf, 0.1], np.float32), np.array([1.0, np.inf], np.float32)),
        spaces.Box(0, 255, (3, 4, 4), np.uint8),
        spaces.Discrete(5, start=-2),
        spaces.MultiDiscrete([2, 5]),
        spaces.MultiBinary(6),
        spaces.Dict({"a": spaces.Discrete(2), "b": spaces.Box(-1.0, 1.0, (2, 3))}),
    ],
    ids=str,
)
def test_spaces_are_restored_from_json(space):
    assert SpaceCard.model_validate(json.loads(SpaceCard.of(space).model_dump_json())).space() == space


# ---- files and arguments that raise


class Bomb:
    """An object that creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_a_zip_file_is_not_opened_without_trust(tmp_path):
    agent = made("PPO")
    agent.save(tmp_path / "agent.zip")
    with pytest.raises(WeightsError, match="a pickle can run any program"):
        load_agent(tmp_path / "agent.zip")
    np.testing.assert_array_equal(acted(load_agent(tmp_path / "agent.zip", trust=True)), acted(agent))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_trusted_zip_file_gives_its_algorithm(algorithm, tmp_path):
    agent = made(algorithm, learned=16, learning_rate=1e-3)
    agent.save(tmp_path / "agent.zip")
    loaded = load_agent(tmp_path / "agent.zip", trust=True)
    assert type(loaded) is type(agent)
    np.testing.assert_array_equal(acted(loaded), acted(agent))


def test_no_file_name_makes_loading_run_a_pickle(tmp_path):
    path, made_file = tmp_path / "agent.safetensors", tmp_path / "boom"
    content = pickle.dumps(Bomb(made_file))
    stored(made("PPO"), tmp_path)
    card = path.with_suffix(".json")
    for target in (path, card):
        held = target.read_bytes()
        target.write_bytes(content)
        with pytest.raises(WeightsError):
            load_agent(path)
        target.write_bytes(held)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w") as archive:
        archive.writestr("data", content)
    for trust in (False, True):  # its data are not JSON, so that loading fails even with trust
        with pytest.raises(WeightsError):
            load_agent(tmp_path / "bomb.zip", trust=trust)
    assert not made_file.exists()


def altered(path, change):
    card = json.loads(path.with_suffix(".json").read_text())
    change(card)
    path.with_suffix(".json").write_text(json.dumps(card))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda card: card.update(algorithm="REINFORCE"), "algorithm 'REINFORCE' is unknown; there are PPO"),
        (lambda card: card.update(policy="os.system"), "PPO has no policy 'os.system'"),
        (lambda card: card["policy_kwargs"].update(activation_fn="os.system"), "activation_fn 'os.system' is unknown"),
        (
            lambda card: card["policy_kwargs"].update(net_arch=[16]),
            r"is \(3, 8\), but in the PPO of its card it is \(3, 16\)",
        ),
        (lambda card: card["policy_kwargs"].update(magic=1), "policy_kwargs.magic"),
        (lambda card: card["settings"].update(magic=1), "PPO has no hyper-parameter 'magic'"),
        (lambda card: card["settings"].update(batch_size="many"), "does not make a PPO"),
        (lambda card: card["observation_space"].update(shape=[5]), r"is \(8, 4\), but in the PPO of its card"),
        (lambda card: card["observation_space"].update(low=[0, 0, 0]), "does not make a PPO"),
        (lambda card: card.update(format_version=99), "is of format 99"),
        (lambda card: card.update(sha256="0" * 64), "its SHA-256 is another"),
        (lambda card: card.pop("sha256"), "sha256: Field required"),
        (lambda card: card.update(sha256="", format_version=1), "sha256=''"),
        (lambda card: card.pop("environment"), "environment: Field required"),
    ],
)
def test_an_altered_card_raises_an_error_of_one_sentence(change, said, tmp_path):
    path = stored(made("PPO"), tmp_path)
    altered(path, change)
    with pytest.raises(WeightsError, match=said) as refused:
        load_agent(path)
    assert "\n" not in str(refused.value)


def test_damaged_and_missing_files_raise(tmp_path):
    path = stored(made("SAC"), tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(WeightsError, match="SHA-256"):
        load_agent(path)
    path.unlink()
    with pytest.raises(WeightsError, match="is missing"):
        load_agent(path)
    path.with_suffix(".json").unlink()
    with pytest.raises(WeightsError, match="read with their card beside them"):
        load_agent(path)
    with pytest.raises(WeightsError, match="no stored agent"):
        load_agent(tmp_path / "agent.pkl")


def test_an_entropy_that_is_not_learned_does_not_fit_one_that_is(tmp_path):
    path = stored(made("SAC"), tmp_path)
    altered(path, lambda card: card["settings"].update(ent_coef=0.1))
    with pytest.raises(WeightsError, match="log_ent_coef is there"):
        load_agent(path)


class Own(ActorCriticPolicy):
    """A policy that only this module defines."""


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"policy": Own}, "Own cannot be stored: PPO has MlpPolicy"),
        ({"learning_rate": lambda left: left**2}, "learning_rate follows a course"),
        ({"policy_kwargs": {"activation_fn": torch.nn.Hardtanh}}, "activation_fn=Hardtanh cannot be stored; there are"),
        ({"policy_kwargs": {"optimizer_kwargs": {"eps": torch.ones(1)}}}, "optimizer_kwargs"),
    ],
)
def test_arguments_that_json_cannot_hold_raise_and_leave_no_file(settings, said, tmp_path):
    agent = made("PPO", learned=0, **settings)
    with pytest.raises(ConfigurationError, match=said) as refused:
        stored(agent, tmp_path)
    assert "\n" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_arguments_that_are_code_raise(tmp_path):
    with pytest.raises(ConfigurationError, match=r"arguments\.reward"):
        save_agent(made("PPO"), tmp_path / "a.safetensors", environment="x", arguments={"reward": len})
    with pytest.raises(WeightsError, match="stored as"):
        save_agent(made("PPO"), tmp_path / "a.zip", environment="x", arguments={})
