"""A property or a reward of one's own: directions, ranges, margins, and what has no value."""

import warnings

import gymnasium as gym
import numpy as np
import pytest
import torch

import matgym  # noqa: F401  # registers the environments
from matgym.errors import ConfigurationError, FailureWarning, ModelError
from matgym.models import Model, Predictions, Property
from matgym.surrogates import FunctionModel
from matgym.tasks import DesignTask, decoration_task
from matgym.tasks.instances import instance
from matgym.testing import check_env

DESIGN = ("NanotubeDoping", "NanotubeChirality", "NanotubeIsotopes", "NanotubeThermoelectric")
"""Of rings, sites, choices."""


def boron_nitrogen_bonds(tubes):
    """README's."""
    pairs = [tube.species[tube.lattice.bonds[:, :2]] for tube in tubes]
    return [float(((pair == (3, 4)) | (pair == (4, 3))).all(axis=1).sum()) for pair in pairs]


def heavy_or_doped(tubes):
    """Something that differs between designs of every space."""
    return [float(np.count_nonzero(tube.species)) + tube.n_sites / 1e4 for tube in tubes]


def scored(task, count=256, seed=0):
    rng = np.random.default_rng(seed)
    designs = task.space.sample(count, rng)
    return task.score(designs, task.draw_targets([rng] * count))


# ---- targets and margins


def test_the_readme_s_second_use_can_be_learned():
    """In 0.1 the margin was that of the gap, 0.15 eV, and random designs earned 0.147 at best."""
    task = gym.make("matgym/NanotubeDoping-v0", model=boron_nitrogen_bonds, targets=(0.0, 12.0)).unwrapped.task
    assert task.objective.margin == 3.0
    rewards = scored(task).reward
    assert rewards.max() > 0.97
    assert rewards.min() < 0.02
    assert ((rewards > 0.1) & (rewards < 0.9)).mean() > 0.3


def test_a_margin_may_be_given_and_is_a_quarter_of_the_range_where_the_property_has_none():
    def margin(**arguments):
        return gym.make("matgym/NanotubeDoping-v0", **arguments).unwrapped.task.objective.margin

    assert margin() == margin(targets=(0.3, 1.5)) == 0.15  # the gap's
    assert margin(margin=0.3) == 0.3
    assert margin(model=boron_nitrogen_bonds, targets=(2.0, 10.0)) == 2.0
    assert margin(model=boron_nitrogen_bonds, targets=(2.0, 10.0), margin=1.0) == 1.0
    wide = gym.make("matgym/NanotubeChirality-v0", margins=(0.2, 0.1, 1.0)).unwrapped.task
    assert [objective.margin for objective in wide.objectives] == [0.2, 0.1, 1.0]


# ---- directions


@pytest.mark.parametrize("name", DESIGN)
@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_a_function_is_maximized_or_minimized_in_every_design_environment(name, direction):
    env = gym.make(f"matgym/{name}-v0", model=heavy_or_doped, direction=direction, values=(0.0, 20.0))
    check_env(env)
    task = env.unwrapped.task
    scores = scored(task, 8)
    assert task.value_name == "heavy_or_doped"
    assert not task.target_names
    up = np.clip(scores.value / 20.0, 0.0, 1.0)
    np.testing.assert_allclose(scores.reward, up if direction == "maximize" else 1.0 - up)
    assert np.isnan(task.verify(task.space.sample(2, np.random.default_rng(0)), np.zeros((2, 0))).value).all()


@pytest.mark.parametrize("name", ["NanotubeDoping", "NanotubeIsotopes", "NanotubeThermoelectric"])
def test_a_function_meets_targets_in_every_environment_of_one_objective(name):
    arguments = {"model": heavy_or_doped, "direction": "target", "targets": (0.0, 20.0), "margin": 2.0}
    task = gym.make(f"matgym/{name}-v0", **arguments).unwrapped.task
    scores = scored(task, 8)
    np.testing.assert_allclose(scores.reward, 1.0 / (1.0 + 9.0 * (scores.loss / 2.0) ** 2))


def test_known_properties_have_a_range():
    for name, direction, values in (
        ("NanotubeDoping", "maximize", (0.0, 0.8)),
        ("NanotubeDoping", "minimize", (0.0, 0.8)),
        ("NanotubeChirality", "maximize", (0.0, 1.2)),
        ("NanotubeIsotopes", "maximize", (2.6, 3.4)),
        ("NanotubeThermoelectric", "minimize", (0.0, 0.15)),
    ):
        objective = gym.make(f"matgym/{name}-v0", direction=direction).unwrapped.task.objective
        assert (objective.direction, objective.low, objective.high) == (direction, *values)
    sites = gym.make("matgym/NanotubeIsotopes-v0", instance="isotope-sites", direction="maximize").unwrapped.task
    assert (sites.objective.low, sites.objective.high) == (2.270, 2.282)
    assert sites.objective.oracle is not None


@pytest.mark.parametrize("name", DESIGN)
def test_a_property_of_one_s_own_needs_a_range(name):
    with pytest.raises(ConfigurationError, match=r"heavy_or_doped has no default range here: give values=\(least"):
        gym.make(f"matgym/{name}-v0", model=heavy_or_doped, direction="maximize")


@pytest.mark.parametrize("name", ["doping", "doping-easy", "isotope-rings", "isotope-sites", "thermoelectric-easy"])
def test_an_instance_s_range_is_that_of_its_property_alone(name):
    with pytest.raises(ConfigurationError, match="heavy_or_doped has no default range"):
        instance(name).task(model=heavy_or_doped)
    assert instance(name).task(model=heavy_or_doped, low=0.0, high=1.0).objective.oracle is None


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("NanotubeDoping", {"values": (0, 1)}, r"values=\(0.*, 1.*\) has no effect with direction='target'"),
        ("NanotubeDoping", {"direction": "maximize", "targets": (0, 1)}, "targets=.* has no effect with direction"),
        ("NanotubeDoping", {"direction": "maximize", "margin": 0.1}, "margin=0.1 has no effect"),
        ("NanotubeDoping", {"instance": "doping", "targets": (0, 1)}, "targets=.* has no effect .*'maximize'"),
        (
            "NanotubeDoping",
            {"direction": "up"},
            "direction='up' of NanotubeDoping is not right: must be 'target', 'minimize' or 'maximize'",
        ),
        ("NanotubeDoping", {"direction": "maximize", "values": (2.0, 1.0)}, "low must be below high"),
        ("NanotubeDoping", {"targets": 5}, "targets=5 of NanotubeDoping is not right: must be a list or a tuple"),
        (
            "NanotubeDoping",
            {"targets": (1, 2, 3)},
            r"targets=\(1, 2, 3\) of NanotubeDoping is not right: must have 2 entries, not 3",
        ),
        ("NanotubeDoping", {"task": decoration_task(), "margin": 0.1}, "margin has no effect with task"),
        ("NanotubeDoping", {"variant": "goal", "direction": "maximize"}, "the goal variant needs a task with targets"),
        ("NanotubeIsotopes", {"variant": "goal", "direction": "minimize"}, "direction has no effect"),
        ("NanotubeIsotopes", {"targets": (2.0, 3.0)}, "targets=.* has no effect"),
        ("NanotubeChirality", {"values": (0, 1)}, "values=.* has no effect"),
        ("NanotubeChirality", {"direction": "maximize", "margins": (1, 1, 1)}, "margins have no effect"),
    ],
)
def test_arguments_that_do_not_fit_are_named(name, arguments, message):
    with pytest.raises(ConfigurationError, match=message):
        gym.make(f"matgym/{name}-v0", **arguments)


# ---- what has no value


def nan_for_most(tubes):
    return [np.nan if tube.counts[3] == 8 and row % 4 else 1.0 for row, tube in enumerate(tubes)]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("direction", ["target", "maximize", "minimize"])
def test_no_value_is_rewarded_nothing_and_told_once(value, direction):
    def mine(tubes):
        return [value if row % 4 else 5.0 for row, _ in enumerate(tubes)]

    task = decoration_task(model=mine, direction=direction, low=0.0, high=10.0)
    with pytest.warns(FailureWarning, match=r"mine has no value for 6 of 8 designs.* reason: mine gave -?(NaN|inf)"):
        scores = scored(task, 8)
    np.testing.assert_array_equal(scores.failed, np.arange(8) % 4 > 0)
    assert not scores.reward[scores.failed].any()
    assert (scores.reward[~scores.failed] > 0.0).all()
    assert np.isnan(scores.value[scores.failed]).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scored(task, 8)
    assert task.ledger.failures == {"mine": 12}


def test_infos_tell_what_failed_and_training_goes_on():
    envs = gym.make_vec("matgym/NanotubeDoping-v0", num_envs=8, model=nan_for_most, targets=(0.0, 2.0))
    _, info = envs.reset(seed=0)
    assert not info["failed"].any()
    rng, names = np.random.default_rng(0), set(info)
    with pytest.warns(FailureWarning) as caught:  # noqa: PT031  # one warning of many steps
        for _ in range(64):
            masks = envs.unwrapped.action_masks()
            _, rewards, done, _, info = envs.step(np.where(masks, rng.random(masks.shape), -1.0).argmax(axis=1))
            assert names <= set(info)
            if done.any():
                failed = info["final_info"]["failed"]
                np.testing.assert_array_equal(failed, np.arange(8) % 4 > 0)
                assert not rewards[failed].any()
            else:
                assert not info["failed"].any()
    assert len(caught) == 1


def test_a_model_s_own_class_may_give_no_value_too():
    class Mine(Model):
        properties = (Property("mine"),)
        values = np.array([1.0, np.inf])

        def predict(self, batch, /):
            del batch
            return Predictions({"mine": self.values})

    model = Mine()
    task = decoration_task(model=model, direction="maximize", low=0.0, high=2.0)
    with pytest.warns(FailureWarning, match="Mine gave inf"):
        scores = scored(task, 2)
    np.testing.assert_array_equal(scores.reward, [0.5, 0.0])  # it was 1
    model.values = torch.tensor([1.0, 2.0])
    np.testing.assert_array_equal(scored(task, 2).reward, [0.5, 1.0])
    model.values = np.ones(3)
    with pytest.raises(ModelError, match=r"^Mine returned an array of shape \(3,\) for 2 designs: return "):
        scored(task, 2)
    model.predict = lambda batch: np.ones(len(batch))
    with pytest.raises(ModelError, match=r"Mine gave array.* `predict` must return matgym.models.Predictions"):
        scored(task, 2)
    model.predict = lambda batch: 1 / (len(batch) - 2)
    with pytest.raises(ModelError, match="Mine raised ZeroDivisionError on 2 designs") as caught:
        scored(task, 2)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


# ---- reward functions of designs


@pytest.mark.parametrize(
    "form", [np.asarray, torch.tensor, list, lambda rewards: torch.tensor(rewards, requires_grad=True) * 1.0]
)
def test_a_reward_function_may_give_what_a_model_may(form):
    task = decoration_task(reward=lambda _predictions, targets: form(np.linspace(0.0, 1.0, len(targets))))
    np.testing.assert_allclose(scored(task, 5).reward, [0.0, 0.25, 0.5, 0.75, 1.0])


def by_gap(predictions, targets):
    return np.where(targets > 0.3, np.nan, 0.5 * (predictions["gap_ev"] > targets))


def test_a_reward_that_is_nan_is_0_and_told():
    task = decoration_task(reward=by_gap)
    with pytest.warns(FailureWarning, match=r"the reward function by_gap has no value for \d+ of 64 designs"):
        scores = scored(task, 64)
    assert scores.failed.any()
    assert not scores.failed.all()
    assert not scores.reward[scores.failed].any()


def test_a_reward_function_that_goes_wrong_is_named():
    def broken(predictions, targets):
        return predictions["zt"] / targets

    def high(_predictions, targets):
        return targets + np.inf

    for reward, message in (
        (broken, "property zt was not predicted; there are gap_ev"),
        (int, "the reward function int raised TypeError on 4 designs"),
        (high, "the reward function high gave inf: rewards must lie from 0 to 1"),
    ):
        with pytest.raises((ModelError, KeyError), match=message):
            scored(decoration_task(reward=reward), 4)
    with pytest.raises(ConfigurationError, match=r"reward='gap' must be a function"):
        decoration_task(reward="gap")


def test_an_extreme_by_a_reward_function_needs_no_range():
    task = decoration_task(
        model=boron_nitrogen_bonds, direction="maximize",
        reward=lambda predictions, _targets: predictions["boron_nitrogen_bonds"] / 24.0,
    )  # fmt: skip
    scores = scored(task, 8)
    np.testing.assert_allclose(scores.reward, scores.value / 24.0)
    assert isinstance(task, DesignTask)
    assert isinstance(task.objective.model, FunctionModel)
