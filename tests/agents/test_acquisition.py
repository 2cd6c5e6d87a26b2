"""Learned acquisition: the untrained network is expected improvement, what the network knows, training, weights."""

import numpy as np
import pytest
import torch
from scipy.stats import norm

from matgym.agents import Problem, check_optimizer
from matgym.agents.acquisition.network import FEATURES, LEAST, AcquisitionNetwork
from matgym.agents.acquisition.store import STORE
from matgym.agents.acquisition.training import Settings, Training
from matgym.agents.optimizers.learned_acquisition import LearnedAcquisition
from matgym.agents.optimizers.pair_model import START, PairModel
from matgym.errors import WeightsError
from matgym.models import Level, Property
from matgym.surrogates.adapters import FunctionModel
from matgym.tasks import Choices, DesignTask, Objective
from matgym.tasks.instances import instance

WORDS = (2,) * 14
"""Choices of the words that tests search."""


def words(seed=0):
    """Return the problem of words whose reward is a random sum of single letters and of neighbours."""
    rng = np.random.default_rng(seed)
    single, pairs = rng.normal(size=len(WORDS)), rng.normal(size=len(WORDS) - 1)

    def worth(rows):
        return 0.5 + 0.03 * (rows @ single + (rows[:, 1:] * rows[:, :-1]) @ pairs)

    model = FunctionModel(worth, Property("worth", "1"), level=Level.CALCULATOR)
    objective = Objective(Property("worth", "1"), model, "maximize", 0.0, 1.0, oracle=model)
    return Problem(DesignTask(Choices(WORDS), (objective,)), np.zeros(0))


def asked(make, problem, count):
    """Return the designs of a search."""
    optimizer, found = make(problem, count, np.random.default_rng(3)), []
    while sum(map(len, found)) < count:
        designs = optimizer.ask()
        optimizer.tell(designs, problem.task.score(designs, problem.targets(len(designs))))
        found.append(designs)
    return np.concatenate(found), optimizer


def preferring(name, weight):
    """Return a network that chooses by one feature alone."""
    network = AcquisitionNetwork(1)
    with torch.no_grad():
        for layer in (network.body[0], network.body[2]):
            layer.weight.zero_()
            layer.bias.zero_()
        network.body[0].weight[0, FEATURES.index(name)] = 1e-3  # tanh is a line there
        network.body[2].weight[0, 0] = 1.0
        network.body[4].weight.fill_(1e6 * weight)
    return network


def test_an_untrained_network_asks_what_the_pair_model_asks():
    problem = words()
    usual, _ = asked(PairModel, problem, 40)
    ours, _ = asked(lambda *given: LearnedAcquisition(*given, AcquisitionNetwork()), problem, 40)
    np.testing.assert_array_equal(ours, usual)


def test_the_network_knows_the_process():
    """Improvement, mean and standard deviation belong together as the closed form of the expected improvement says."""
    _, optimizer = asked(lambda *given: LearnedAcquisition(*given, AcquisitionNetwork()), words(), 30)
    optimizer._fit()
    found, worth = optimizer._climbed()
    order = np.argsort(-worth)[:200]
    known = optimizer._described(found[order], worth[order])
    improvement, mean, sd = (known[:, FEATURES.index(name)] for name in ("improvement", "mean", "sd"))
    z = mean / sd
    expected = np.log(sd * (norm.pdf(z) + z * norm.cdf(z)))
    expected = np.maximum(expected - expected[0], LEAST)
    near = expected > -2.0  # mean and sd are those of 64 samples, whose errors count where improvements are rare
    assert near.sum() > 3
    np.testing.assert_allclose(improvement[near], expected[near], atol=0.4)
    assert (known[:, FEATURES.index("likely")] == 1.0).all()
    assert known[:, FEATURES.index("progress")] == pytest.approx(1.0)
    assert known[:, FEATURES.index("count")] == pytest.approx(np.log(30))


def test_the_network_chooses_what_it_prefers():
    """Of the same candidates, one network takes the most certain ones and another one the least certain."""
    problem = words()
    spreads = {}
    for sign in (-1.0, 1.0):
        make = lambda *given, sign=sign: LearnedAcquisition(*given, preferring("sd", sign))  # noqa: E731
        optimizer = make(problem, 64, np.random.default_rng(3))
        first = optimizer.ask()
        optimizer.tell(first, problem.task.score(first, problem.targets(len(first))))
        optimizer._fit()
        found, worth = optimizer._climbed()
        order = np.argsort(-worth, kind="stable")[:32]
        row = optimizer._chosen(found[order], worth[order])
        sd = optimizer._described(found[order], worth[order])[:, FEATURES.index("sd")]
        spreads[sign] = (sd[row], sd)
    assert spreads[-1.0][0] == spreads[-1.0][1].min()
    assert spreads[1.0][0] == spreads[1.0][1].max()


def test_training_counts_its_evaluations_and_changes_the_network():
    problem = words(1)
    before = problem.task.ledger.counts.total()
    settings, gains = Settings(updates=2, problems=1, searches=3, budgets=(START + 6,)), []
    training = Training([problem], settings)
    network = training.run(lambda _, gain: gains.append(gain))
    assert training.evaluations == 2 * (START + 3 * 6)
    assert problem.task.ledger.counts.total() - before == training.evaluations
    assert len(gains) == 2
    assert all(gain >= 0.0 for gain in gains)
    again = Training([words(1)], settings).run()
    for one, other in zip(network.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)  # the same seed, the same bits
    assert any((one != other).any() for one, other in zip(network.parameters(), _fresh().parameters(), strict=True))


def _fresh():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return AcquisitionNetwork()


@pytest.mark.parametrize("name", ["isotope-rings", "chirality", "growth-recipe", "doping-easy"])
def test_learned_acquisition_passes_the_conformance_kit(name):
    one = instance(name)
    check_optimizer(LearnedAcquisition, Problem(one.task(), np.array(one.target)), budget=20)


def test_the_shipped_network_tells_what_its_training_cost():
    card = STORE.load_card("acquisition")
    assert card.evaluations > 0
    assert card.features == FEATURES
    assert len(card.problems) >= 10


def test_stored_networks_are_the_same(tmp_path):
    network = AcquisitionNetwork(4)
    with torch.no_grad():
        network.body[-1].weight.fill_(0.3)
    STORE.save_network(network, tmp_path / "net.safetensors", evaluations=7, problems=("a",), seed=0)
    features = torch.rand(3, 16, len(FEATURES))
    assert torch.equal(STORE.load_network(tmp_path / "net.safetensors")(features), network(features))
    card = (tmp_path / "net.json").read_text(encoding="utf-8")
    (tmp_path / "net.json").write_text(card.replace('"sd"', '"spread"'), encoding="utf-8")
    with pytest.raises(WeightsError, match="its features are improvement, mean, spread"):
        STORE.load_network(tmp_path / "net.safetensors")
