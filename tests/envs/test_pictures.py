"""Every environment draws what happens, in every mode and at any time, and drawing changes nothing."""

from itertools import pairwise

import gymnasium as gym
import numpy as np
import pytest
from env_cases import ALL, DESIGNS, case, cheap, draw
from gymnasium.wrappers import RenderCollection

from matgym.agents import SB3VecEnv
from matgym.envs.design import DesignEnv
from matgym.processes.campaigns.emulator import emulate
from matgym.processes.campaigns.experiments import Column, Experiments
from matgym.tasks.experiments import ExperimentTask
from matgym.tasks.furnace_design import furnace_task
from matgym.tasks.growth import GrowthTask
from matgym.viz.canvas import FRAME_SHAPE
from matgym.viz.panels import SIDE, STATE

SLOW_MODELS = ("Doping", "Thermoelectric")  # their networks are no part of what is tested here
FILM = "matgym/FilmAnnealing-v0"
FILMS = {"film of a network": {"dynamics": "network"}, "film of the simulator": {"observation": "image"}}


@pytest.fixture(scope="module")
def bowl():
    rng = np.random.default_rng(0)
    inputs = rng.uniform(-1.0, 1.0, (40, 2))
    columns = tuple(Column(name, -1.0, 1.0) for name in ("flow", "heat"))
    table = Experiments("bowl", columns, "height", "minimize", inputs, (inputs**2).sum(axis=1))
    return ExperimentTask(emulate(table, "trees"))


def arguments_of(name, bowl):
    if name == "experiments":
        return "matgym/Experiments-v0", {"task": bowl, "experiments": 3}
    if name in FILMS:
        return FILM, FILMS[name]
    identity, arguments = case(name)
    if name in DESIGNS and any(word in identity for word in SLOW_MODELS):
        arguments = {**arguments, "model": cheap(identity)}
    return identity, arguments


NAMES = [*ALL, "experiments", *FILMS]


def made(name, bowl, mode="rgb_array"):
    identity, arguments = arguments_of(name, bowl)
    return gym.make(identity, render_mode=mode, disable_env_checker=True, **arguments).unwrapped


def action(env, rng):
    if env.episodes.masked:
        return rng.choice(np.flatnonzero(env.action_masks()))
    return rng.uniform(-0.5, 0.9, env.action_space.shape).astype(np.float32)


def played(env, seed=1, look=None):
    """Frames at reset, after each step and at the end, or whatever `look` returns; and what was paid."""
    rng, found, paid = np.random.default_rng(0), [], []
    env.reset(seed=seed)
    done = False
    found.append((look or env.render)())
    while not done:
        _, reward, done, _, _ = env.step(action(env, rng))
        paid.append(reward)
        found.append((look or env.render)())
    return found, np.array(paid)


def state_of(env):
    """All that drawing could disturb."""
    observation = env.episodes.observe()
    seen = observation if isinstance(observation, dict) else {"": observation}
    info = env.episodes.info()
    return {name: np.array(values) for name, values in seen.items()} | {
        "rng": str(env.np_random.bit_generator.state),
        "counts": dict(env.task.ledger.counts),
        "info": str(info),
        "paid": env.episodes.chronicle.total.copy(),
    }


@pytest.mark.parametrize("name", NAMES)
def test_every_environment_draws_at_any_time_and_changes_nothing(name, bowl):
    env = made(name, bowl)
    unbegun = env.render()

    def look():
        before = state_of(env)
        frame = env.render()
        np.testing.assert_equal(state_of(env), before)
        np.testing.assert_array_equal(env.render(), frame)
        return frame

    frames, paid = played(env, look=look)
    assert {(frame.shape, frame.dtype) for frame in (unbegun, *frames)} == {(FRAME_SHAPE, np.dtype(np.uint8))}
    assert all((first != second).any() for first, second in pairwise(frames))
    # What was noted for the pictures is what was paid.
    np.testing.assert_allclose(env.episodes.chronicle.total[0], paid.reshape(len(paid), -1).sum(axis=0), atol=1e-5)
    np.testing.assert_allclose(env.episodes.chronicle.last[0], paid.reshape(len(paid), -1)[-1], atol=1e-6)
    again, _ = played(env)
    np.testing.assert_array_equal(again[0], frames[0])  # nothing is left of the episode before
    np.testing.assert_array_equal(again[-1], frames[-1])


@pytest.mark.parametrize("name", DESIGNS)
def test_designs_are_written_too(name, bowl):
    texts, _ = played(made(name, bowl, "ansi"))
    assert all(isinstance(text, str) and text for text in texts)
    assert len(set(texts)) > 1


@pytest.mark.parametrize("name", ["matgym/NanotubeIsotopes-v0", "matgym/MO-CVDGrowth-v0", "experiments"])
def test_each_row_of_a_batch_is_drawn_as_the_scalar_environment_is(name, bowl):
    identity, arguments = arguments_of(name, bowl)
    envs = gym.make_vec(identity, num_envs=3, render_mode="rgb_array", **arguments)
    envs.reset(seed=5)
    scalars = [made(name, bowl) for _ in range(3)]
    for i, env in enumerate(scalars):
        env.reset(seed=5 + i)
    rng = np.random.default_rng(0)
    for _ in range(2):
        actions = draw(envs, rng)
        envs.step(actions)
        for env, single in zip(scalars, actions, strict=True):
            env.step(single)
    frames = envs.render()
    assert len(frames) == 3
    for frame, env in zip(frames, scalars, strict=True):
        np.testing.assert_array_equal(frame, env.render())


def test_a_batch_forgets_the_episodes_that_began_anew(bowl):
    envs = gym.make_vec("matgym/Experiments-v0", num_envs=2, render_mode="rgb_array", task=bowl, experiments=2)
    envs.reset(seed=0)
    chronicle = envs.unwrapped.episodes.chronicle
    rng = np.random.default_rng(0)
    _, reward, *_ = envs.step(draw(envs, rng))
    np.testing.assert_allclose(chronicle.total[:, 0], reward)
    assert [len(chronicle.course(row, np.zeros(1))) for row in (0, 1)] == [2, 2]
    *_, done, _, _ = envs.step(draw(envs, rng))
    assert done.all()
    assert not chronicle.total.any()
    assert not chronicle.steps.any()


def side_of(frame):
    return frame[:, int(SIDE.x) :]


def state_part(frame):
    return frame[int(STATE.y) :, : int(STATE.x + STATE.width)]


@pytest.mark.parametrize("name", ["matgym/NanotubeDoping-v0", "matgym/NanotubeChirality-v0", FILM])
def test_targets_and_values_are_shown(name, bowl):
    """Two targets: two gauges. Another value: another gauge, on the same axis."""
    env = made(name, bowl)
    option, targets = {
        "matgym/NanotubeDoping-v0": ("target_ev", (0.2, 0.4)),
        "matgym/NanotubeChirality-v0": ("target", ((0.4, 1.0, 3.0), (0.9, 1.0, 3.0))),
        FILM: ("target", (5.0, 8.0)),
    }[name]
    frames = []
    for target in targets:
        env.reset(seed=1, options={option: target})
        frames.append(env.render())
    assert (side_of(frames[0]) != side_of(frames[1])).any()
    if name != FILM:  # whose charts show the target as well
        np.testing.assert_array_equal(state_part(frames[0]), state_part(frames[1]))


def test_the_value_comes_with_the_end_and_on_the_same_axis(bowl):
    env = made("matgym/NanotubeDoping-v0", bowl)
    frames, _ = played(env)
    ends = (slice(112, 128), slice(int(SIDE.x), int(SIDE.right)))  # the numbers at the ends of the gauge
    assert all((frame[ends] == frames[0][ends]).all() for frame in frames)
    bar = (slice(74, 112), slice(int(SIDE.x), int(SIDE.right)))
    assert all((frame[bar] == frames[0][bar]).all() for frame in frames[:-1])
    assert (frames[-1][bar] != frames[0][bar]).any()


def test_designs_that_are_no_tubes_are_drawn():
    env = DesignEnv(task=furnace_task(growth=GrowthTask(minutes=4)), render_mode="rgb_array")
    frames, _ = played(env)
    assert {frame.shape for frame in frames} == {FRAME_SHAPE}
    assert (state_part(frames[0]) != state_part(frames[1])).any()


def test_a_tube_chosen_at_once_is_drawn(bowl):
    task = made("matgym/NanotubeChirality-v0", bowl).task
    env = DesignEnv(task=task, at_once=True, render_mode="rgb_array")
    frames, _ = played(env)
    assert (state_part(frames[0]) != state_part(frames[1])).any()


@pytest.mark.parametrize("name", ["matgym/CVDRecipe-v0", "matgym/NanotubeIsotopes-v0"])
def test_wrappers_and_recorders_find_frames(name, bowl, tmp_path):
    env = RenderCollection(made(name, bowl))
    env.reset(seed=0)
    env.step(action(env.unwrapped, np.random.default_rng(0)))
    assert [frame.shape for frame in env.render()] == [FRAME_SHAPE] * 2
    identity, arguments = arguments_of(name, bowl)
    envs = gym.make_vec(identity, num_envs=2, render_mode="rgb_array", **arguments)
    adapter = SB3VecEnv(envs, seed=0)
    adapter.reset()
    height, width, _ = FRAME_SHAPE
    assert adapter.render().shape[:2] in {(2 * height, width), (height, 2 * width)}
    pytest.importorskip("moviepy", reason="videos are written by moviepy")
    from gymnasium.wrappers import RecordVideo
    from stable_baselines3.common.vec_env import VecVideoRecorder

    video = RecordVideo(made(name, bowl), str(tmp_path / "one"))
    played(video.unwrapped, look=lambda: None)
    video.reset(seed=0)
    video.step(action(video.unwrapped, np.random.default_rng(0)))
    video.close()
    recorder = VecVideoRecorder(adapter, str(tmp_path / "two"), lambda step: step == 0, video_length=2)
    recorder.reset()
    for _ in range(3):
        recorder.step(draw(envs, np.random.default_rng(0)))
    recorder.close()
    assert [len(list((tmp_path / folder).glob("*.mp4"))) for folder in ("one", "two")] == [1, 1]
