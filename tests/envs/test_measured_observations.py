"""Growth and annealing observed by a spectrum, scattering, a micrograph, readings, or the hidden state."""

import subprocess
import sys
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import matgym  # noqa: F401  # registers the environments
from matgym.characterization.forests import SHIFTS_CM
from matgym.characterization.reading.curve_fit import CurveFit
from matgym.characterization.reading.films import QUANTITIES as OF_FILMS
from matgym.characterization.reading.forests import QUANTITIES as OF_FORESTS
from matgym.characterization.reading.grain_size import GrainCounting
from matgym.characterization.reading.learned import STORE
from matgym.characterization.reading.tasks import Characterizer, Readings
from matgym.envs.forest_instruments import ENDS, HIGHEST
from matgym.errors import ConfigurationError, WeightsError
from matgym.processes.growth.recipe import scaled_actions
from matgym.tasks.annealing import AnnealingTask
from matgym.testing import check_env

GROWTH, FILM = "matgym/CVDGrowth-v0", "matgym/FilmAnnealing-v0"
TASK = AnnealingTask(size=36, steps=4)
FIT, COUNTING = CurveFit(OF_FORESTS), GrainCounting(OF_FILMS)
CASES = {
    "spectrum": (GROWTH, {"minutes": 5, "observation": "spectrum"}, (152,)),
    "diffraction": (GROWTH, {"minutes": 5, "observation": "diffraction"}, (51,)),
    "fit": (GROWTH, {"minutes": 5, "observation": "characterized", "characterizer": FIT}, (17,)),
    "state of growth": (GROWTH, {"minutes": 5, "observation": "state"}, (26,)),
    "micrograph": (FILM, {"task": TASK, "observation": "image"}, (5, 36, 36)),
    "counting": (FILM, {"task": TASK, "observation": "characterized", "characterizer": COUNTING}, (8,)),
    "state of films": (FILM, {"task": TASK, "observation": "state"}, (7,)),
}


def played(name, seed=3, **others):
    """Return the observations, rewards and infos of an episode with fixed actions."""
    identity, arguments, _ = CASES[name]
    env = gym.make(identity, **(arguments | others))
    seen, rewards, done = [env.reset(seed=seed)[0]], [], False
    env.action_space.seed(1)
    while not done:
        observation, reward, done, *_ = env.step(env.action_space.sample())
        seen.append(observation)
        rewards.append(reward)
    return np.array(seen), np.array(rewards)


@pytest.mark.parametrize("name", CASES)
def test_every_observation_passes_the_checks_and_has_its_shape(name):
    identity, arguments, shape = CASES[name]
    env = gym.make(identity, **arguments)
    check_env(env)
    assert env.observation_space.shape == shape


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP])
def test_batches_observe_what_scalar_environments_observe(name, mode):
    identity, arguments, _ = CASES[name]
    native = gym.make_vec(identity, num_envs=3, autoreset_mode=mode, **arguments)
    sync = SyncVectorEnv([lambda: gym.make(identity, **arguments)] * 3, autoreset_mode=mode)
    np.testing.assert_allclose(native.reset(seed=5)[0], sync.reset(seed=5)[0], atol=1e-6)
    native.action_space.seed(1)
    for _ in range(12):
        actions = native.action_space.sample()
        ours, theirs = native.step(actions), sync.step(actions)
        for a, b in zip(ours[:4], theirs[:4], strict=True):
            np.testing.assert_allclose(np.asarray(a, dtype=float), np.asarray(b, dtype=float), atol=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_an_episode_has_the_same_bits_for_a_seed_and_the_same_rewards_for_any_observation(name):
    first, rewards = played(name)
    again, same = played(name)
    other, _ = played(name, seed=4)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(rewards, same)
    assert not np.array_equal(first, other)
    identity, arguments, _ = CASES[name]
    plain = gym.make(identity, **{key: value for key, value in arguments.items() if key in {"minutes", "task"}})
    seen = [plain.reset(seed=3)[0]]
    plain.action_space.seed(1)
    for expected in rewards:
        observation, reward, *_ = plain.step(plain.action_space.sample())
        assert reward == expected
        seen.append(observation)
    if identity == GROWTH:
        np.testing.assert_array_equal(np.array(seen), first[:, :11])


def test_observing_twice_measures_once():
    env = gym.make_vec(GROWTH, num_envs=2, observation="spectrum")
    seen, _ = env.reset(seed=0)
    np.testing.assert_array_equal(seen, env.unwrapped.episodes.observe())


def grown(observation, **others):
    """Return the last observation and info of 20 minutes at good conditions."""
    env = gym.make(GROWTH, observation=observation, level="easy", **others)
    env.reset(seed=0)
    action = scaled_actions(np.array([720.0, 150.0, 0.0, 10.0])).astype(np.float32)
    for _ in range(20):
        observation, *_, info = env.step(action)
    return observation, env.unwrapped.episodes, info["objectives"]


def test_the_spectrum_shows_g_after_growth_and_nothing_before():
    env = gym.make(GROWTH, observation="spectrum", level="easy")
    before = (env.reset(seed=0)[0][11:] + 1.0) * HIGHEST / 2.0
    after = (grown("spectrum")[0][11:] + 1.0) * HIGHEST / 2.0
    at_g = np.abs(SHIFTS_CM - 1565.0) < 20.0
    assert after[at_g].max() > after[SHIFTS_CM > 1750.0].mean() + 0.5
    assert before[at_g].mean() < before[~at_g].mean() + 0.1


def test_a_fit_of_the_curves_reads_the_tubes_that_grew():
    observation, episodes, objectives = grown("characterized", characterizer=FIT)
    values = (observation[11:14] + 1.0) / 2.0 * [25.0, 5.0, 1.0]
    assert values[0] == pytest.approx(float(episodes.state.diameter_nm[0]), rel=0.15)
    assert values[1] == pytest.approx(float(objectives["disorder"]), abs=0.15)


def test_the_state_holds_the_truth():
    observation, episodes, objectives = grown("state")
    low, high = np.array(list(ENDS.values())).T
    numbers = dict(zip(ENDS, low + (observation[11:] + 1.0) / 2.0 * (high - low), strict=True))
    assert numbers["length_um"] == pytest.approx(float(objectives["length_um"]), rel=1e-4)
    assert numbers["disorder"] == pytest.approx(float(objectives["disorder"]), abs=1e-5)
    assert np.expm1(numbers["log_amorphous"]) == pytest.approx(float(objectives["amorphous"]), rel=1e-3, abs=1e-5)
    assert numbers["initial_diameter_nm"] == pytest.approx(10.0, rel=1e-5)
    assert 0.0 <= numbers["covered"] <= 1.0
    assert numbers["temperature_c"] == pytest.approx(float(episodes.state.temperature_k[0]) - 273.15, abs=0.01)


def test_the_state_of_a_film_adds_its_particles_to_the_statistics():
    seen, _ = played("state of films")
    env = gym.make(FILM, task=TASK)
    statistics = env.reset(seed=3)[0]
    np.testing.assert_array_equal(seen[0][:6], statistics)
    particles = env.unwrapped.episodes.films.measures[0, 2]
    assert (seen[0][6] + 1.0) / 8.0 == pytest.approx(particles, rel=1e-5)


class Truth(Characterizer):
    """What returns fixed numbers, to see where they go."""

    quantities = OF_FILMS

    def read(self, measured):
        rows = len(measured)
        return Readings(np.tile([5.0, 0.25], (rows, 1)), np.tile([1.0, 0.5], (rows, 1)))


def test_readings_stand_in_the_observation_with_their_uncertainties():
    env = gym.make(FILM, task=TASK, observation="characterized", characterizer=Truth())
    observation, info = env.reset(seed=0)
    expected = [5.0 / 20.0, 0.25, 1.0 / 20.0, 0.5, 0.0, 0.0, 0.0, info["target"] / 20.0]
    np.testing.assert_allclose((observation + 1.0) / 2.0, expected, atol=1e-6)


def test_the_image_holds_no_truth_but_the_micrograph():
    seen, _ = played("micrograph")
    assert seen.dtype == np.uint8
    for plane in seen[:, 1:].reshape(-1, 36 * 36):
        assert (plane == plane[0]).all()
    assert 100 < seen[0, 0].mean() < 150  # grey 127.5 is the mean intensity
    assert seen[0, 0].std() > 5.0


def test_a_missing_network_is_an_error_with_the_command(monkeypatch, tmp_path):
    monkeypatch.setattr("matgym.characterization.reading.learned.STORE", replace(STORE, shipped=tmp_path))
    for identity, task in ((GROWTH, "forest-curves"), (FILM, "film-micrograph")):
        with pytest.raises(WeightsError, match=f"python -m scripts.studies.characterization.train {task}"):
            gym.make(identity, observation="characterized")


@pytest.mark.parametrize(
    ("identity", "arguments", "message"),
    [
        (GROWTH, {"observation": "image"}, "there are instruments, spectrum, diffraction, characterized, state"),
        (FILM, {"observation": "spectrum"}, "there are statistics, image, characterized, state"),
        (GROWTH, {"characterizer": FIT}, "characterizer has no effect with observation='instruments'"),
        (FILM, {"observation": "image", "characterizer": COUNTING}, "no effect with observation='image'"),
        (GROWTH, {"observation": "characterized", "characterizer": COUNTING}, "the characterizer reads radius"),
        (GROWTH, {"observation": "characterized", "characterizer": 3}, "must be a Characterizer or the .safetensors"),
        (FILM, {"observation": "state", "variant": "goal"}, "the goal variant observes statistics"),
    ],
)
def test_wrong_arguments_are_errors_of_one_sentence(identity, arguments, message):
    with pytest.raises(ConfigurationError, match=message):
        gym.make(identity, **arguments)


def test_measured_observations_need_no_torch():
    code = (
        "import sys, gymnasium as gym, matgym\n"
        "for name, shown in (('CVDGrowth', 'spectrum'), ('CVDGrowth', 'state'), ('FilmAnnealing', 'image')):\n"
        "    env = gym.make(f'matgym/{name}-v0', observation=shown)\n"
        "    env.reset(seed=0)\n"
        "    env.step(env.action_space.sample())\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
