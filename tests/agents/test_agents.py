"""Optimizers, the SB3 adapter, and agents on it."""

from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
import yaml
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from sb3_contrib.common.maskable.utils import get_action_masks, is_masking_supported
from stable_baselines3 import PPO

from matgym.agents import Optimizer, Problem, SB3VecEnv, check_optimizer
from matgym.agents.policy import Policy
from matgym.agents.sb3 import ALGORITHMS, hyperparameters, hyperparameters_file, make_agent, train_agent
from matgym.benchmark import run, search
from matgym.benchmark.methods import OPTIMIZERS, optimizer_class
from matgym.data import Dataset
from matgym.errors import ConfigurationError
from matgym.models import Level
from matgym.physics import SelfConsistentElectrons
from matgym.structures import Species, tube_lattice
from matgym.surrogates import FunctionModel
from matgym.tasks import chirality_task, decoration_task, rings_task
from matgym.tasks.furnace_design import furnace_task

ID = "matgym/NanotubeDoping-v0"
SMALL = {"n_envs": 8, "n_steps": 16, "batch_size": 64, "policy_kwargs": {"net_arch": [16]}}
SMALL_DQN = {
    "n_envs": 8,
    "learning_starts": 64,
    "buffer_size": 2000,
    "batch_size": 32,
    "policy_kwargs": {"net_arch": [16]},
}


def boron_on_a(tubes):
    """A model with a known optimum: the share of boron on sublattice A."""
    return [float((t.image[0] == Species.B).sum()) / max(t.counts[Species.B], 1) for t in tubes]


BORON = FunctionModel(boron_on_a, "gap_ev")


def len_of(tubes):
    """A model for tubes of any kind."""
    return np.array([2.5 + 0.01 * (tube.n % 3) for tube in tubes])


@pytest.fixture
def task():
    return decoration_task(lattice=tube_lattice(5, 0, 1), budget={"B": 3}, model=BORON, low=0.9, high=1.1, margin=1.0)


def test_adapter_reports_terminal_observation_and_truncation_as_sb3_does(task):
    envs = gym.make_vec(ID, num_envs=4, task=task, on_forbidden="penalty")
    adapter = SB3VecEnv(envs, seed=0)
    adapter.reset()
    assert len(adapter.reset_infos) == 4
    assert "target_ev" in adapter.reset_infos[0]
    # Environments 0 and 1 place atoms; 2 and 3 repeat a forbidden edit until the time limit.
    for step in range(32):
        _, reward, done, infos = adapter.step(np.array([step % 3, step % 3, 0, 0]))
        if step == 2:
            assert done.tolist() == [True, True, False, False]
            assert infos[0]["TimeLimit.truncated"] is False
            assert infos[0]["terminal_observation"][:3].sum() == 3
            assert infos[0]["objectives"]["gap_ev"] == pytest.approx(1.0)
            assert reward.dtype == np.float32
            assert not {"terminal_observation", "episode"} & infos[2].keys()
    assert done[2:].all()
    assert infos[2]["TimeLimit.truncated"] is True


def test_adapter_gives_masks_to_sb3_contrib(task):
    envs = gym.make_vec(ID, num_envs=4, task=task)
    adapter = SB3VecEnv(envs, seed=0)
    adapter.reset()
    adapter.step(np.array([1, 2, 3, 4]))
    assert is_masking_supported(adapter)
    masks = get_action_masks(adapter)
    np.testing.assert_array_equal(masks, envs.action_masks())
    assert not masks[0, 1]


def test_adapter_passes_options_to_one_reset_only(task):
    adapter = SB3VecEnv(gym.make_vec(ID, num_envs=2, task=task), seed=0)
    adapter.set_options([{"target_ev": 0.95}, {"target_ev": 1.05}])
    adapter.reset()
    assert [info["target_ev"] for info in adapter.reset_infos] == [0.95, 1.05]
    adapter.reset()
    assert [info["target_ev"] for info in adapter.reset_infos] != [0.95, 1.05]


def test_adapter_raises_for_another_autoreset_mode(task):
    sync = SyncVectorEnv([lambda: gym.make(ID, task=task)], autoreset_mode=AutoresetMode.NEXT_STEP)
    with pytest.raises(ConfigurationError, match="SAME_STEP"):
        SB3VecEnv(sync)


def test_ppo_through_the_adapter_learns_as_through_dummy_vec_env(task):
    """Same seeds, same rollouts: SB3's own wrapping of scalar environments is the reference."""
    from stable_baselines3.common.vec_env import DummyVecEnv

    native = SB3VecEnv(gym.make_vec(ID, num_envs=4, task=task), seed=7)
    dummy = DummyVecEnv([lambda: gym.make(ID, task=task)] * 4)
    dummy.seed(7)
    weights = []
    for envs in (native, dummy):
        agent = PPO("MlpPolicy", envs, n_steps=16, batch_size=32, n_epochs=2, seed=7, device="cpu")
        envs.seed(7)
        agent.learn(256)
        weights.append(agent.policy.state_dict())
    for a, b in zip(weights[0].values(), weights[1].values(), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-6)


@pytest.mark.parametrize("algorithm", ["MaskablePPO", "PPO", "DQN"])
def test_every_algorithm_trains_within_its_count_and_designs(task, algorithm):
    agent = make_agent(algorithm, task, seed=0, overrides=SMALL_DQN if algorithm == "DQN" else SMALL)
    seen = []
    train_agent(agent, task.ledger, 60, lambda designs, reward: seen.append((designs, reward)))
    rollout = 8 * 16 // 3 + 8  # the largest number of designs that 8 environments complete in 16 steps
    assert 60 <= task.ledger.counts["surrogate"] < 60 + rollout
    assert seen
    policy = Policy(agent, algorithm, algorithm == "MaskablePPO")
    species = policy.design(task, np.array([1.0, 1.0]), deterministic=True)
    assert species.shape == (2, task.space.lattice.n_sites)
    assert ((species == Species.B).sum(axis=1) == 3).all()


def test_maskable_ppo_learns_the_known_optimum(task):
    agent = make_agent("MaskablePPO", task, seed=0, overrides=SMALL | {"learning_rate": 3e-3, "n_envs": 32})
    train_agent(agent, task.ledger, 2000, lambda *_: None)
    species = Policy(agent, "MaskablePPO", masked=True).design(task, np.full(20, 1.0), deterministic=False)
    scores = task.score(species, np.full(20, 1.0))
    untrained = task.score(task.space.sample(200, np.random.default_rng(0)), np.full(200, 1.0))
    # By symmetry half of the boron of a random design is on sublattice A; the optimum is 1.
    assert abs(untrained.value.mean() - 0.5) < 3.0 * untrained.value.std() / np.sqrt(200)
    assert scores.value.mean() > 0.9


def test_annealing_finds_the_known_optimum_and_random_search_does_not():
    wide = decoration_task(lattice=tube_lattice(6, 0, 2), budget={"B": 8}, model=BORON, low=0.9, high=1.1, margin=1.0)
    targets = np.full(10, 1.0)
    cold = search("annealing", wide, targets, 200, 0)
    blind = search("random", wide, targets, 200, 0)
    assert (cold.predicted == 1.0).mean() > 0.9
    assert (blind.predicted == 1.0).mean() < 0.5


SPACES = {
    "decorations": decoration_task(lattice=tube_lattice(5, 0, 2), budget={"B": 3, "N": 4}, model=BORON),
    "rings": rings_task(model=FunctionModel(len_of, "thermal_conductance_nw_k")),
    "chirality": chirality_task(model=FunctionModel(len_of, "gap_ev")),
    "numbers": furnace_task(),
}
EXTRAS = {"pymoo-ga": "pymoo", "nevergrad": "nevergrad", "botorch-mixed": "botorch"}
FAST = {"mcts", "tpe", "cma-es", "nsga2", "qmc", "random", "annealing", "tempering", "genetic"}


@pytest.mark.parametrize("method", sorted(OPTIMIZERS))
@pytest.mark.parametrize("space", SPACES)
def test_optimizers_propose_valid_designs_and_repeat_with_the_seed(method, space):
    """Every optimizer on every kind of space; slow ones and those that are trained have few evaluations."""
    task = SPACES[space]
    target = np.array([sum(ends) / 2 for ends in task.target_ranges])
    budget = 40 if method in FAST else 12 if method == "gp" else 20  # the process proposes designs from the eleventh on

    if method in EXTRAS:
        pytest.importorskip(EXTRAS[method])
    if space == "numbers" and method in {"dqn", "qr-dqn", "maskable-ppo", "mcts"}:
        with pytest.raises(ConfigurationError, match="the designs of this task are numbers"):
            optimizer_class(method)(Problem(task, target), budget, np.random.default_rng(4))
        return

    check_optimizer(optimizer_class(method), Problem(task, target), budget)


def test_searches_use_exactly_their_budget(task):
    for method in ("random", "annealing"):
        before = task.ledger.counts["surrogate"]
        found = search(method, task, np.ones(4), 25, 0)
        assert task.ledger.counts["surrogate"] - before == 100
        assert (np.diff(found.progress, axis=0) <= 0).all()


def test_a_users_optimizer_is_a_class_with_ask_and_tell(task):
    class AlwaysFirst(Optimizer):
        def ask(self):
            species = np.zeros((1, self.space.width), dtype=np.uint8)
            species[:, :3] = Species.B
            return species

        def tell(self, designs, scores):
            pass

    class Cheat(AlwaysFirst):
        """An optimizer that leaves the tube undecorated, which is no design."""

        def ask(self):
            return super().ask() * 0

    class Adulterate(AlwaysFirst):
        """An optimizer that places vacancies in addition to the budget."""

        def ask(self):
            species = super().ask()
            species[:, 8:10] = Species.VACANCY
            return species

    def known(tubes):
        """Return the model's prediction plus a tenth, as an oracle for the test."""
        return np.array(boron_on_a(tubes)) + 0.1

    oracle = FunctionModel(known, "gap_ev", level=Level.CALCULATOR)
    verified = replace(task, objectives=(replace(task.objective, oracle=oracle),))
    found = run([AlwaysFirst, Cheat, Adulterate, "random"], verified, targets=6, queries=3, seeds=2)
    rows = {row.method: row for row in found.figures()}
    targets = found.outcomes[0].search.targets
    assert rows["AlwaysFirst"].error.mean == pytest.approx(np.abs(1.1 - targets).mean())
    assert rows["AlwaysFirst"].predicted.mean == pytest.approx(np.abs(1.0 - targets).mean())
    assert rows["Cheat"].invalid == rows["Adulterate"].invalid == 1.0
    with pytest.raises(ConfigurationError, match="no optimizer 'magic'"):
        run(["magic"], task, targets=2)


def test_a_trained_agent_beats_random_designs_by_the_oracle():
    """On other targets than in training, by two standard errors; the table and the oracle are self-consistent."""
    tube = {"lattice": tube_lattice(11, 0, 1), "budget": {"B": 2, "N": 2}}
    task = decoration_task(**tube, model="solved:doping-easy", low=0.1, high=0.5)
    agent = make_agent("MaskablePPO", task, seed=0, overrides=SMALL | {"learning_rate": 3e-3, "n_envs": 32})
    train_agent(agent, task.ledger, 6000, lambda *_: None)
    targets = np.random.default_rng(2026).uniform(0.1, 0.5, 100)
    mine = Policy(agent, "MaskablePPO", masked=True).design(task, targets, deterministic=True)
    random = task.space.sample(len(targets), np.random.default_rng(0))
    errors = [SelfConsistentElectrons().predict(task.tubes(designs))["gap_ev"] - targets for designs in (mine, random)]
    gained = np.abs(errors[1]) - np.abs(errors[0])
    assert gained.mean() - 2.0 * gained.std(ddof=1) / np.sqrt(len(targets)) > 0.0


def test_nearest_designs_have_the_composition_and_lie_near_the_target():
    from matgym.generative import NearestDesigns

    data = Dataset.load("nanotube-doping")
    task = decoration_task()
    space, targets = task.space, np.array([0.1, 0.2, 0.3])
    designs = space.encode(NearestDesigns(data).sample(space, targets, np.random.default_rng(0)))
    assert (space.edits.remaining(designs) == 0).all()
    assert np.abs(task.score(designs, targets).value - targets).max() < 0.1
    other = decoration_task(lattice=tube_lattice(9, 0, 4)).space  # not in the data: other structures are changed to it
    assert other.valid(other.encode(NearestDesigns(data).sample(other, targets, np.random.default_rng(0)))).all()


def test_unknown_hyperparameters_raise_an_error_that_names_them():
    with pytest.raises(ConfigurationError, match="no hyper-parameters of SAC for 'matgym/NanotubeDoping-v0'"):
        hyperparameters("matgym/NanotubeDoping-v0", "SAC")
    with pytest.raises(ConfigurationError, match="'DDPG' is unknown"):
        hyperparameters("matgym/NanotubeDoping-v0", "DDPG")


def test_hyperparameter_files_are_keyed_by_registered_environments_as_rl_zoo3_reads_them():
    for algorithm in ALGORITHMS:
        for environment, settings in yaml.safe_load(hyperparameters_file(algorithm).read_text()).items():
            assert "policy" in settings
            assert environment in {"search", "honeycomb"} or (
                environment in gym.registry and settings["n_timesteps"] > 0
            )


def test_an_optimizer_that_breaks_a_rule_raises_an_error_that_names_it():
    class Invalid(Optimizer):
        def ask(self):
            return np.zeros((1, self.space.width), dtype=np.uint8)

        def tell(self, designs, scores):
            pass

    class Moody(Invalid):
        def ask(self):
            return self.space.sample(1, np.random.default_rng())

    problem = Problem(SPACES["decorations"], np.array([0.9]))
    for kind, match in ((Invalid, "an invalid design"), (Moody, "draw from `rng` only")):
        with pytest.raises(AssertionError, match=match):
            check_optimizer(kind, problem)
