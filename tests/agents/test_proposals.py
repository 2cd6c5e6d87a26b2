"""Learned proposals: the rule of Metropolis, equal logits, the process of the memory, training, weights."""

import numpy as np
import pytest
import torch
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, DotProduct

from matgym.agents import Problem, SimulatedAnnealing, check_optimizer
from matgym.agents.choosing.training import Settings
from matgym.agents.optimizers.neural_annealing import NeuralAnnealing
from matgym.agents.optimizers.residual_model import ResidualModel
from matgym.agents.proposals.memory_model import LENGTH, NOISE, Scaling, predicted
from matgym.agents.proposals.network import FEATURES, ProposalNetwork
from matgym.agents.proposals.store import STORE
from matgym.agents.proposals.training import RANDOM, Training
from matgym.agents.proposals.walks import Walks
from matgym.errors import ConfigurationError, PropertyError, WeightsError
from matgym.models import Level, Predictions, Property
from matgym.surrogates.adapters import FunctionModel
from matgym.tasks import Choices, DesignTask, Objective, Scores
from matgym.tasks.instances import instance

WARM = 0.2  # temperature of the walks between two states
DRAWN = 4_000


def task_of(counts, worth):
    model = FunctionModel(worth, Property("worth", "1"), level=Level.CALCULATOR)
    return DesignTask(Choices(counts), (Objective(Property("worth", "1"), model, "maximize", 0.0, 1.0, oracle=model),))


def scores_of(reward):
    reward = np.asarray(reward, dtype=np.float64)
    return Scores(reward, 1.0 - reward, Predictions({"worth": reward}), reward)


# ---- the rule of Metropolis


def test_annealing_at_one_temperature_visits_two_states_by_boltzmanns_weights():
    """Both states are known, so that the walk goes on by known rewards: `TRIES` steps of one chain in each `ask`."""
    optimizer = SimulatedAnnealing(
        Problem(task_of((2,), lambda rows: rows[:, 0] * 0.3), np.zeros(0)), 10**6, np.random.default_rng(0), WARM, WARM
    )
    for state in (0, 1):
        optimizer.tell(np.array([[state]]), scores_of([0.3 * state]))
    visits = []
    for _ in range(DRAWN):
        optimizer.ask()
        visits.append(int(optimizer._design[0, 0]))
    expected = 1.0 / (1.0 + np.exp(-0.3 / WARM))
    assert np.mean(visits) == pytest.approx(expected, abs=5.0 * np.sqrt(expected * (1 - expected) / DRAWN))


def test_untrained_walks_at_one_temperature_visit_two_states_by_boltzmanns_weights():
    space = Choices((2,))
    walks = Walks(
        Scaling.of(space), ProposalNetwork(), np.array([[0], [1]] * 20), np.tile([0.0, 0.3], 20), 10**6, (WARM, WARM),
        np.random.default_rng(0),
    )  # fmt: skip
    other = 1 - walks.designs
    walks.tell(other, 0.3 * other[:, 0])
    visits = []
    for _ in range(DRAWN // 40):
        walks.propose()
        visits.extend(walks.designs[:, 0].tolist())
    expected = 1.0 / (1.0 + np.exp(-0.3 / WARM))
    assert np.mean(visits) == pytest.approx(expected, abs=5.0 * np.sqrt(expected * (1 - expected) / DRAWN))


def test_untrained_proposals_are_the_mutations_of_the_space():
    """Each of the six neighbours of a word is proposed equally often (chi-square with 5 degrees of freedom)."""
    space = Choices((3, 3, 3))
    count = 3_000
    start = np.zeros((count, 3), dtype=np.int64)
    walks = Walks(
        Scaling.of(space), ProposalNetwork(), start, np.zeros(count), 8, (WARM, WARM), np.random.default_rng(1)
    )
    proposed, _ = walks.propose()
    assert ((proposed != 0).sum(axis=1) == 1).all()
    _, counts = np.unique(proposed, axis=0, return_counts=True)
    assert len(counts) == 6
    assert ((counts - count / 6) ** 2 / (count / 6)).sum() < 20.5  # the 99.9 % quantile


def test_the_network_chooses_what_it_prefers():
    """A network that counts only the predicted reward proposes the neighbours that the memory predicts best."""
    space = Choices((2,) * 8)
    network = ProposalNetwork()
    with torch.no_grad():
        for layer in network.body:
            if hasattr(layer, "weight"):
                layer.weight.zero_()
        network.body[0].weight[0, FEATURES.index("mean")] = 0.1
        network.body[2].weight[0, 0] = 1.0
        network.body[4].weight[0, 0] = 1e4
    rng = np.random.default_rng(0)
    walks = Walks(Scaling.of(space), network, np.zeros((1, 8), dtype=np.int64), np.zeros(1), 50, (1e-9, 1e-9), rng)
    for place in range(4, 8):  # the second half of the places is good, as the first is bad
        for side, reward in ((place - 4, -1.0), (place, 1.0)):
            word = np.zeros((1, 8), dtype=np.int64)
            word[0, side] = 1
            walks.tell(word, np.array([reward]))
    proposed, _ = walks.propose()
    assert proposed[0, :4].sum() == 0
    assert proposed[0, 4:].sum() == 2  # from one good place to two


# ---- the process of the memory


def test_predictions_are_those_of_scikit_learns_process():
    rng = np.random.default_rng(0)
    seen, asked, rewards = rng.normal(size=(2, 9, 4)), rng.normal(size=(2, 5, 4)), rng.normal(size=(2, 9))
    mean, sd = predicted(seen, rewards, asked)
    for search in range(2):
        process = GaussianProcessRegressor(DotProduct(0.0, "fixed") + RBF(LENGTH), alpha=NOISE, optimizer=None)
        expected = process.fit(seen[search], rewards[search]).predict(asked[search], return_std=True)
        np.testing.assert_allclose(mean[search], expected[0], rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(sd[search], expected[1], rtol=1e-6, atol=1e-9)


def test_scaled_features_of_random_designs_have_variance_one():
    scaling = Scaling.of(instance("doping-easy").task().space)
    features = scaling(scaling.space.sample(4_000, np.random.default_rng(3)))
    assert (features.var(axis=0)).sum() == pytest.approx(1.0, abs=0.1)


# ---- training


def test_training_counts_its_evaluations_and_learns_to_propose_what_is_better():
    """Words whose reward grows with the number of ones: a trained network finds more of them than an untrained one."""
    problems = [Problem(task_of((2,) * 24, lambda rows: rows.mean(axis=1)), np.zeros(0)) for _ in range(2)]
    training = Training(problems, Settings(updates=12, searches=8, budgets=(16,), rate=0.02), (0.01, 0.0005))
    gains = []
    network = training.run(lambda _, gain: gains.append(gain))
    assert training.evaluations == 12 * 2 * 8 * 16 + 2 * RANDOM
    assert sum(problem.task.ledger.counts.total() for problem in problems) == training.evaluations

    def gain(network):
        problem, rng = problems[0], np.random.default_rng(9)
        first = problem.space.sample(64, rng)
        walks = Walks(Scaling.of(problem.space), network, first, first.mean(axis=1), 16, (0.01, 0.0005), rng)
        best = first.mean(axis=1)
        for _ in range(15):
            designs, _ = walks.propose()
            walks.tell(designs, designs.mean(axis=1))
            best = np.maximum(best, designs.mean(axis=1))
        return best - first.mean(axis=1)

    trained, untrained = gain(network), gain(ProposalNetwork())
    error = np.sqrt((trained.var() + untrained.var()) / 64)
    assert trained.mean() - untrained.mean() > 3.0 * error


# ---- the optimizer and its weights


@pytest.mark.parametrize("name", ["isotope-rings", "chirality", "growth-recipe", "doping-easy"])
def test_neural_annealing_passes_the_conformance_kit(name):
    one = instance(name)
    check_optimizer(NeuralAnnealing, Problem(one.task(), np.array(one.target)), budget=12)


def test_the_shipped_network_tells_what_its_training_cost():
    card = STORE.load_card("annealing")
    assert card.evaluations > 0
    assert card.features == FEATURES
    assert len(card.problems) >= 10


def test_stored_networks_are_the_same(tmp_path):
    network = ProposalNetwork(4)
    with torch.no_grad():
        network.body[-1].weight.fill_(0.3)
    facts = {"temperatures": (0.01, 0.0005), "evaluations": 7, "problems": ("a",), "seed": 0}
    STORE.save_network(network, tmp_path / "net.safetensors", **facts)
    features = torch.rand(3, 16, len(FEATURES))
    assert torch.equal(STORE.load_network(tmp_path / "net.safetensors")(features), network(features))
    card = (tmp_path / "net.json").read_text(encoding="utf-8")
    (tmp_path / "net.json").write_text(card.replace('"sd"', '"spread"'), encoding="utf-8")
    with pytest.raises(WeightsError, match="its features are mean, improvement, spread"):
        STORE.load_network(tmp_path / "net.safetensors")


# ---- the residual of a surrogate


def words_task(worth, **more):
    return Problem(task_of((3,) * 6, worth), np.zeros(0), **more)


def test_a_perfect_surrogate_leads_the_first_proposal_to_the_optimum():
    weights = np.random.default_rng(4).normal(size=6)

    def worth(rows):
        return np.asarray(0.5 + 0.02 * (rows**2 @ weights + rows[:, 0] * rows[:, 1] * rows[:, 2]))

    def surrogate(rows):  # right but for scale and offset, which the evaluations tell
        return 0.7 * worth(rows) + 3.0

    problem = words_task(worth)
    model = FunctionModel(surrogate, Property("worth", "1"), level=Level.SURROGATE)
    optimizer = ResidualModel(problem, 32, np.random.default_rng(0), surrogate=model)
    first = optimizer.ask()
    optimizer.tell(first, problem.task.score(first, problem.targets(len(first))))
    every = np.concatenate(list(problem.space.enumerate()))
    proposed = optimizer.ask()
    assert optimizer._slopes[0] == pytest.approx(1.0 / 0.7)
    assert worth(proposed)[0] == pytest.approx(worth(every).max())


def test_surrogates_that_cannot_be_used_are_errors():
    problem = Problem(instance("chirality").task(), np.array(instance("chirality").target))
    with pytest.raises(PropertyError, match="does not predict 'gap_ev'"):
        ResidualModel(problem, 20, np.random.default_rng(0), surrogate="nanotube-heat")
    growth = Problem(instance("growth-recipe").task(), np.zeros(0))
    with pytest.raises(ConfigurationError, match="there is no surrogate of objective"):
        ResidualModel(growth, 20, np.random.default_rng(0))
    doping = Problem(instance("doping").task(), np.zeros(0))
    with pytest.raises(ConfigurationError, match="is the model that rewards the designs"):
        ResidualModel(doping, 20, np.random.default_rng(0))
