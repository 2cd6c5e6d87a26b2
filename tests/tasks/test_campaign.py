"""Tables of experiments as design tasks: ranges, choices, noise, replicates and their counts."""

import numpy as np
import pytest

from matgym.errors import ConfigurationError
from matgym.tasks.campaign import campaign_task


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Four replicates of twenty experiments with the standard deviation 0.5."""
    rng = np.random.default_rng(0)
    rows = [(x, word, 10.0 - 8.0 * (x - 0.4) ** 2 + (word == "b")) for x in np.linspace(0, 1, 10) for word in "ab"]
    path = tmp_path_factory.mktemp("table") / "yields.csv"
    lines = [f"{x},{word},{value + rng.normal(0.0, 0.5)}" for x, word, value in rows for _ in range(4)]
    path.write_text("\n".join(["temperature,solvent,yield", *lines]), encoding="utf-8")
    return path


def test_designs_are_experiments_of_the_table(table):
    task = campaign_task(table, model="trees")
    space = task.space
    assert space.choices == (0, 2)
    np.testing.assert_allclose(space.decode(np.array([[-1.0, -1.0], [1.0, 1.0]])), [[0.0, 0.0], [1.0, 1.0]])
    np.testing.assert_allclose(space.decode(space.from_numbers(np.array([[0.5, 1.0]]))), [[0.5, 1.0]])
    assert space.describe(np.array([0.0, 1.0])) == "temperature 0.5, solvent b"


def test_measurements_are_noisy_and_the_oracle_is_not(table):
    design, none = np.array([[-0.2, 1.0]]), np.zeros((2000, 0))
    designs = np.repeat(design, 2000, axis=0)
    expected = campaign_task(table, model="trees").score(designs, none).value
    assert np.ptp(expected) == 0.0
    for replicates in (1, 4):
        task = campaign_task(table, replicates=replicates, rng=np.random.default_rng(1), model="trees")
        scores = task.score(designs, none)
        spread = task.objective.model.emulator.noise / np.sqrt(replicates)
        assert spread == pytest.approx(0.5 / np.sqrt(replicates), rel=0.25)  # of 60 degrees of freedom
        assert scores.value.std() == pytest.approx(spread, rel=5.0 / np.sqrt(2 * 2000))
        assert scores.value.mean() == pytest.approx(expected[0], abs=5.0 * spread / np.sqrt(2000))
        np.testing.assert_allclose(scores.sd, spread)
        assert task.ledger.counts == {"experiment": 2000 * replicates}
        np.testing.assert_array_equal(task.verify(designs[:1], none[:1]).value, expected[:1])


def test_equal_generators_give_equal_noise(table):
    designs, none = np.zeros((3, 2)), np.zeros((3, 0))
    first, second, third = (
        campaign_task(table, rng=np.random.default_rng(seed), model="trees").score(designs, none).value
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, second)
    assert (first != third).all()


def test_no_replicates_are_an_error(table):
    with pytest.raises(ConfigurationError, match="replicates=0 must be 1 or more"):
        campaign_task(table, replicates=0)
