"""Episodes of a policy as a Minari data set, for offline learning."""

import shutil
import warnings
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import version
from typing import Any

import gymnasium as gym
import numpy as np

from matgym.agents.acting import Acts
from matgym.errors import ConfigurationError, DatasetError, MissingExtraError, require_counts


def record_episodes(
    environment: str,
    policy: Any,
    episodes: int,
    seed: int,
    name: str,
    *,
    deterministic: bool = False,
    infos: bool = False,
    **arguments: Any,
) -> Any:
    """Record episodes of a policy as a data set that `minari.load_dataset(name)` reads.

    Minari stores the data set in MINARI_DATASETS_PATH, or in the home folder. If the arguments of the environment are
    plain values, `recover_environment()` of the data set makes the environment again.

    Args:
        environment: the registered id, such as "matgym/NanotubeDoping-v0".
        policy: "random", for random allowed actions; or an object with `predict` as in Stable-Baselines3.
        episodes: the number of episodes.
        seed: the seed of the first episode and of random actions; it increases by one per episode.
        name: the name of the data set, such as "nanotube-doping/random-v0".
        deterministic: whether an agent takes its most likely actions instead of sampling them.
        infos: whether infos are recorded, those of `reset` first.
        arguments: the arguments of the environment.

    Returns:
        The `minari.MinariDataset`.

    Raises:
        MissingExtraError: if Minari or h5py is not installed.
        ConfigurationError: if the policy is unknown, or `episodes` is not positive.
        DatasetError: if a data set with that name exists.
    """
    try:
        minari, _ = import_module("minari"), import_module("h5py")
        buffers = import_module("minari.data_collector.episode_buffer")
    except ImportError:
        raise MissingExtraError("minari", "offline") from None
    require_counts(episodes=episodes)
    if name in minari.list_local_datasets():
        raise DatasetError(f"there is a data set {name!r} already: give the next version, or minari.delete_dataset it")
    if policy != "random" and not hasattr(policy, "predict"):
        raise ConfigurationError(f"policy {policy!r} is unknown: give 'random', or an agent with `predict`")
    env = gym.make(environment, **arguments)
    act = _Random(seed) if policy == "random" else Acts(policy, deterministic=deterministic)
    written = _Written(name)
    # Minari gets whole episodes, because its own collector needs JAX to append single steps.
    rows = [buffers.EpisodeBuffer(id=i, **_episode(env, act, seed + i, infos=infos)) for i in range(episodes)]
    spec, both_spaces = _spec(env), {"observation_space": env.observation_space, "action_space": env.action_space}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a missing author and address
        try:
            data = minari.create_dataset_from_buffers(
                name,
                rows,
                env=spec,
                eval_env=spec,
                algorithm_name=policy if policy == "random" else type(policy).__name__,
                description=f"{episodes} episodes of {environment}, seeds {seed} to {seed + episodes - 1}",
                requirements=[f"matgym>={version('matgym')}"],
                jpeg_encoding=False,  # JPEG would change the pictures of grains
                **both_spaces,
            )
        except BaseException as error:
            written.remove()
            if isinstance(error, ValueError | TypeError | OSError):
                raise DatasetError(f"Minari does not take the data set {name!r}: {error}") from None
            raise
    env.close()
    return data


class _Written:
    """The files of a new data set, which `remove` deletes."""

    def __init__(self, name: str) -> None:
        from minari.namespace import list_local_namespaces
        from minari.storage.datasets_root_dir import get_dataset_path

        self.path, self.namespaces = get_dataset_path(name), set(list_local_namespaces())
        self.is_new = not self.path.exists()

    def remove(self) -> None:
        """Remove the files of the new data set, and nothing that existed before."""
        from minari.namespace import delete_namespace, list_local_namespaces

        if self.is_new:
            shutil.rmtree(self.path, ignore_errors=True)
        for fresh in set(list_local_namespaces()) - self.namespaces:
            delete_namespace(fresh)


def _columns(rows: Sequence[Any]) -> Any:
    """Return rows in the format of Minari: a list of arrays, or a dictionary of lists for dictionaries."""
    if isinstance(rows[0], Mapping):
        return {name: _columns([row[name] for row in rows]) for name in rows[0]}
    return [np.asarray(row) for row in rows]


def _episode(env: gym.Env[Any, Any], act: "_Random | Acts", seed: int, *, infos: bool) -> dict[str, Any]:
    """Return an episode in the format of Minari: T + 1 observations and infos, and T actions, rewards and ends."""
    first, info = env.reset(seed=seed)
    act.begin()
    observations, every, steps, over = [first], [info], [], False  # steps: rows in the order of `names`
    names = ("actions", "rewards", "terminations", "truncations")
    while not over:
        action = act(env, observations[-1])
        observation, reward, terminated, truncated, info = env.step(action)
        observations.append(observation)
        every.append(info)
        steps.append((action, np.array(reward, dtype=np.float64), terminated, truncated))
        over = terminated or truncated
    columns = zip(names, zip(*steps, strict=True), strict=True)
    episode = {"seed": seed, "observations": _columns(observations)} | {name: list(column) for name, column in columns}
    return episode | ({"infos": _columns(every)} if infos else {})


class _Random:
    """A policy that draws one of the allowed actions."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def begin(self) -> None:
        """Do nothing, because the policy has no state."""

    def __call__(self, env: gym.Env[Any, Any], observation: Any) -> Any:
        del observation
        if env.has_wrapper_attr("action_masks"):
            return np.int64(self.rng.choice(np.flatnonzero(env.get_wrapper_attr("action_masks")())))
        env.action_space.seed(int(self.rng.integers(2**31)))
        return env.action_space.sample()


def _spec(env: gym.Env[Any, Any]) -> Any:
    """Return the specification that makes the environment again; None if its arguments do not fit in JSON."""
    try:
        assert env.spec is not None  # noqa: S101  # gym.make gives it
        env.spec.to_json()
    except (TypeError, ValueError):
        return None
    return env.spec
