"""Episodes that begin on initial designs: finished ones from which a few atoms were removed."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import matgym  # noqa: F401  # registers the environments
from matgym.errors import ConfigurationError
from matgym.structures import Species
from matgym.surrogates import FunctionModel
from matgym.tasks import RandomDesigns, as_design_generator, decoration_task

DOPING = "matgym/NanotubeDoping-v0"


constant = FunctionModel(lambda tubes: np.full(len(tubes), 0.9), "gap_ev")


@pytest.mark.parametrize("generator", ["random", "nearest", "swap"])
def test_an_episode_lasts_as_many_steps_as_atoms_are_removed(generator):
    env = gym.make(DOPING, initial_designs=generator, removed=3, model=constant)
    observation, _ = env.reset(seed=0)
    assert observation[264:266].sum() > 0.0
    assert (env.unwrapped.tube.species != Species.C12).sum() == 16 - 3
    for step in range(3):
        allowed = np.flatnonzero(env.unwrapped.action_masks())
        _, _, terminated, _, info = env.step(allowed[0])
        assert terminated == (step == 2)
    assert (info["design"] != Species.C12).sum() == 16


def test_scalar_and_batched_environments_begin_on_the_same_designs():
    batch = gym.make_vec(DOPING, num_envs=4, initial_designs="nearest", model=constant)
    first, _ = batch.reset(seed=7)
    for row in range(4):
        single, _ = gym.make(DOPING, initial_designs="nearest", model=constant).reset(seed=7 + row)
        assert (single == first[row]).all()


def test_initial_designs_lie_near_the_target_that_they_begin_for():
    env = gym.make(DOPING, initial_designs="nearest", removed=1)
    task, errors = decoration_task(), []
    for seed in range(12):
        _, info = env.reset(seed=seed)
        target = info["target_ev"]
        designs = env.unwrapped.episodes.builder.designs
        errors.append(abs(task.score(designs, np.array([target])).value[0] - target))
    # One atom is missing: that moves the gap, but by less than between random designs, 0.09 eV.
    assert np.median(errors) < 0.08


def test_environments_with_initial_designs_pass_gymnasiums_checker():
    check_env(gym.make(DOPING, initial_designs="random", model=constant).unwrapped, skip_render_check=True)


def test_what_is_no_design_generator_is_refused():
    with pytest.raises(ConfigurationError, match="'gun' is not a design generator"):
        gym.make(DOPING, initial_designs="gun")
    with pytest.raises(ConfigurationError, match="removed=17 must be from 1 to 16"):
        gym.make(DOPING, initial_designs="random", removed=17)
    with pytest.raises(ConfigurationError, match="is not a design generator"):
        as_design_generator(3)
    mine = RandomDesigns()
    assert as_design_generator(mine) is mine


@pytest.mark.parametrize("instance", ["doping", "doping-easy"])
def test_initial_designs_of_a_task_without_a_target_are_refused(instance):
    """In 0.1 this was a TypeError, from within."""
    with pytest.raises(ConfigurationError, match="initial designs need a task of decorated tubes with a target"):
        gym.make(DOPING, instance=instance, initial_designs="random")
