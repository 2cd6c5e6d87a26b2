"""Conformance tests for your own model, design space, task or environment.

Each function raises an AssertionError that says in one sentence which rule is violated.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from copy import deepcopy
from typing import Any, TypeAlias

import gymnasium as gym
import numpy as np
from gymnasium.vector import VectorEnv

from matgym.errors import MatgymError, StructureError
from matgym.models import Model, Predictions, Property
from matgym.structures import Nanotube, TubeBatch, lattice_edits, tube_lattice
from matgym.surrogates.sources import as_model
from matgym.tasks import Decorations, Designs, DesignSpace, DesignTask

TOLERANCE = 1e-3
"""The largest difference of a prediction between a structure alone and in a batch: in the unit of the property, or
relative for values above 1."""

SYMMETRY = 1e-6
"""The largest difference of an oracle's values between symmetric copies, in the same measure."""

MOST_STEPS = 100_000
"""The number of steps after which an episode counts as endless."""

MOST_ENUMERATED = 100_000
"""The largest size of a space that is enumerated for the checks."""


# ---- models


def check_model(model: Any, designs: Any = None, *, property: Property | str = "gap_ev") -> None:  # noqa: A002
    """Check that a model returns typed predictions for batches.

    The model must predict each of its properties for every structure, or record a failure. A repeated prediction, and a
    prediction of a single structure, must give the same values. The input must not change. An oracle of tubes must give
    symmetric copies the same values.

    Args:
        model: a `Model`, or anything that `matgym.surrogates.as_model` accepts.
        designs: a design space, from which six designs are sampled, or a batch. Default: six tubes of
            `matgym/NanotubeDoping-v0`, or one tube for an oracle, which may be slow.
        property: the property that a model without properties of its own predicts.
    """
    try:
        made: Model[Any] = as_model(model, property)
    except MatgymError as error:
        raise AssertionError(f"{model!r} is no model: {error}") from error
    assert made.properties, f"{made.name} predicts no property"
    batch = _batch_for(made, designs)
    before = deepcopy(_contents(batch))
    first, again = _predicted(made, batch), _predicted(made, batch)
    unchanged = all(np.array_equal(old, new) for old, new in zip(before, _contents(batch), strict=True))
    assert unchanged, f"{made.name} changed its input"
    for key in made.keys:
        assert np.array_equal(first[key], again[key], equal_nan=True), (
            f"{made.name} predicted {again[key] - first[key]} more the second time: a model must be deterministic"
        )
    if len(batch) > 1:
        rows = [made.predict(batch[row : row + 1]) for row in range(len(batch))]
        alone = Predictions({key: np.concatenate([row[key] for row in rows]) for key in made.keys})
        _check_same(made, first, alone, TOLERANCE, "between a structure alone and in a batch")
    if made.is_oracle and isinstance(batch, TubeBatch):
        copies = _predicted(made, TubeBatch.of(_copies(batch[0])))
        original = Predictions({key: np.full_like(copies[key], copies[key][0]) for key in made.keys})
        _check_same(made, original, copies, SYMMETRY, "between symmetric copies of a tube")


def _predicted(model: Model[Any], batch: Any) -> Predictions:
    """Return the predictions of a batch, after checking shapes and ranges."""
    try:
        predictions = model.predict(batch)
    except MatgymError as error:
        raise AssertionError(f"{model.name} raised {type(error).__name__}: {error}") from error
    for key in model.keys:
        _check_predictions(predictions, key, len(batch), model.name)
        has_sd = key in predictions.sd or key in predictions.members
        assert has_sd == model.is_uncertain, (
            f"{model.name} has an sd of {key}: {has_sd}, but is_uncertain is {not has_sd}"
        )
    return predictions


def _batch_for(model: Model[Any], designs: Any) -> Any:
    count = 1 if designs is None and model.is_oracle else 6
    if designs is None:
        lattice = tube_lattice(11, 0, 3)
        designs = Decorations(lattice, lattice_edits(lattice, {"B": 8, "N": 8}))
    if isinstance(designs, DesignSpace):
        reason = model.unsupported(designs)
        assert not reason, f"{model.name} cannot predict these designs: {reason}"
        return designs.decode(designs.sample(count, np.random.default_rng(0)))
    assert len(designs), "the batch is empty: give at least one design"
    return TubeBatch.of(designs) if isinstance(designs[0], Nanotube) else designs


def _contents(batch: Any) -> list[Any]:
    return [batch.species, batch.turned, batch.strain, batch.torsion] if isinstance(batch, TubeBatch) else [batch]


def _check_predictions(predictions: Predictions, key: str, count: int, name: str) -> None:
    """Check shapes and ranges of the predictions of one property of `count` structures."""
    assert key in predictions.values, f"{name} did not predict {key}, which is one of its properties"
    values, failures = predictions[key], predictions.failures.get(key, {})
    assert np.shape(values) == (count,), f"{name} returned {key} of shape {np.shape(values)}, not {(count,)}"
    assert all(0 <= row < count for row in failures), (
        f"{name} reports failures of rows {sorted(failures)}, but rows are 0 to {count - 1}"
    )
    failed = np.isin(np.arange(count), list(failures))
    assert not failed.all(), f"{name} failed on each of {count} ordinary designs: {next(iter(failures.values()))}"
    assert np.isnan(values[failed]).all(), f"{name} returned a number for {key} in a row with a failure: return NaN"
    assert np.isfinite(values[~failed]).all(), (
        f"{name} returned {key} = {values}: add a failure for each row without a value"
    )
    known = {"sd": predictions.sd.get(key), "half_width": predictions.half_width.get(key)}
    for kind, uncertainty in {**known, "distance": predictions.distance}.items():
        if uncertainty is not None:
            assert uncertainty.shape == (count,), f"{name} returned {kind} of shape {uncertainty.shape}, not {(count,)}"
            assert not (uncertainty < 0.0).any(), f"{name} returned a negative {kind}: {uncertainty}"
    members = predictions.members.get(key)
    if members is not None:
        assert members.ndim == 2, f"{name} returned members of shape {members.shape}, not (members, structures)"
        assert members.shape[1] == count, f"{name} returned members for {members.shape[1]} structures, not {count}"


def _check_same(model: Model[Any], one: Predictions, other: Predictions, tolerance: float, where: str) -> None:
    """Check that two predictions agree, including failures."""
    for key in model.keys:
        failed = np.isnan(one[key]) != np.isnan(other[key])
        assert not failed.any(), f"{model.name} predicts {key} in one case and fails in the other, {where}"
        apart = np.nan_to_num(np.abs(one[key] - other[key]) / np.maximum(1.0, np.abs(one[key])))
        assert apart.max() <= tolerance, f"{model.name} predicts {key} with a difference of {apart.max():.3g} {where}"


def _copies(tube: Nanotube) -> list[Nanotube]:
    """Return a tube and symmetric copies of it, for which an oracle must give the same values."""
    copies = [tube, tube.rotated(), tube.reversed()]
    try:
        return copies if tube.stone_wales else [*copies, tube.mirrored()]
    except StructureError:  # the mirror image of a chiral tube is another tube
        return copies


# ---- design spaces and tasks


def check_space(space: DesignSpace, *, copies: Callable[[Designs], Designs] | None = None) -> None:
    """Check a design space.

    Designs that are sampled, mutated, recombined or made from points must be valid, and parents must not change.
    Optional methods are also checked: encoding must invert decoding, symmetric copies must have the same key, and
    enumerated designs must differ and be at most `size`.

    Args:
        space: the design space.
        copies: a function from (B, width) designs to (B, width) symmetric copies; not needed for `Decorations`.
    """
    name, rng = type(space).__name__, np.random.default_rng(0)
    dimensions = len(space.choices)

    def checked(method: str, rows: Designs) -> Designs:
        assert rows.shape == (8, space.width), f"{method} of {name} gave shape {rows.shape}, not {(8, space.width)}"
        assert space.valid(rows).all(), f"{method} of {name} returned a row that its `valid` calls no design"
        return rows

    designs = checked("sample", space.sample(8, rng))
    before = designs.copy()
    mutated = checked("mutate", space.mutate(designs, rng))
    checked("recombine", space.recombine(designs, mutated[rng.permutation(8)], rng))
    checked("from_points", space.from_points(rng.random((8, dimensions))))
    checked("from_points", space.from_points(rng.integers(0, 2, (8, dimensions)).astype(float)))  # corners of the cube
    assert len(space.variables) == dimensions, f"{name} has {len(space.variables)} variables for {dimensions} choices"
    low, high = np.array([(each.low, each.high) for each in space.variables]).T
    checked("from_numbers", space.from_numbers(rng.uniform(low, high, (8, dimensions))))
    if type(space).to_numbers is not DesignSpace.to_numbers:
        again = space.from_numbers(space.to_numbers(designs))
        assert np.allclose(again, designs), f"from_numbers of {name} does not invert to_numbers"
    assert np.array_equal(designs, before), f"mutate or recombine of {name} changed the parents"
    again = space.sample(8, np.random.default_rng(0))
    assert np.array_equal(designs, again), f"{name} samples other designs from the same random generator"
    assert (mutated != designs).any(), f"mutate of {name} changed none of 8 designs"
    batch = space.decode(designs)
    assert len(batch) == 8, f"{name} decodes 8 designs to {len(batch)} structures"
    assert isinstance(space.describe(designs[0]), str), f"describe of {name} must return a string"
    if type(space).encode is not DesignSpace.encode:
        assert np.array_equal(space.encode(batch), designs), f"{name} encodes what it decoded as other designs"
    if copies is None and isinstance(space, Decorations):

        def copies(designs: Designs) -> Designs:
            return space.encode(TubeBatch.of([tube.rotated().reversed() for tube in space.decode(designs)]))

    if type(space).key is not DesignSpace.key:
        keys = space.key(designs)
        assert keys.shape == (8,), f"key of {name} returned shape {keys.shape}, not (8,)"
        if copies is not None:
            assert np.array_equal(space.key(copies(designs)), keys), f"symmetric copies have other keys in {name}"
        if space.size is not None and space.size <= MOST_ENUMERATED:
            _check_enumeration(space, space.size)


def _check_enumeration(space: DesignSpace, size: int) -> None:
    name, batches = type(space).__name__, list(space.enumerate())
    every = np.concatenate(batches)
    keys = space.key(every)
    assert space.valid(every).all(), f"enumerate of {name} returned a row that its `valid` calls no design"
    assert len(np.unique(keys)) == len(every), f"enumerate of {name} gave a design twice, or a copy of it"
    assert len(every) <= size, f"enumerate of {name} gave {len(every)} designs, but its size is {size}"
    drawn = space.key(space.sample(64, np.random.default_rng(1)))
    assert np.isin(drawn, keys).all(), f"enumerate of {name} left out a design that sample returns"


def check_task(task: DesignTask) -> None:
    """Check a design task: its space, and its scores.

    Rewards must lie in [0, 1] and be reproducible, the ledger must count evaluations, and `verify` must work for a
    design.
    """
    check_space(task.space)
    rng = np.random.default_rng(0)
    designs = task.space.sample(6, rng)
    targets = task.draw_targets([rng] * len(designs)).reshape(len(designs), -1)
    targets = targets[:, 0] if len(task.target_names) == 1 else targets
    spent = sum(task.ledger.counts.values())
    scores = task.score(designs, targets, components=True)
    assert task.component_names, "component_names is empty: a task needs the name of at least one component"
    assert scores.components is not None, "score returned no components, although they were requested"
    rewards = {"reward": scores.reward[:, None], "components": scores.components}
    for name, values in rewards.items():
        assert len(values) == 6, f"{name} has shape {values.shape} for 6 designs"
        assert ((values >= 0.0) & (values <= 1.0)).all(), f"{name} is outside [0, 1]: {values}"
    for name, values in {"loss": scores.loss, "value": scores.value}.items():
        assert values.shape == (6,), f"{name} has shape {values.shape} for 6 designs"
    assert np.isfinite(scores.value).any(), f"no value of 6 designs is known: {scores.predictions.reasons}"
    if scores.cost is not None:
        assert (scores.cost >= 0.0).all(), f"a cost is negative: {scores.cost}"
    assert sum(task.ledger.counts.values()) > spent, "the ledger counted nothing"
    again = task.score(designs, targets)
    assert np.allclose(again.reward, scores.reward, atol=TOLERANCE), (
        "the same designs received other rewards the second time"
    )
    verified = task.verify(designs[:1], targets[:1])
    unknown = np.isnan(verified.value) & ~np.isin(0, list(verified.predictions.reasons))
    assert not unknown.any(), f"verify returned no {task.value_name} and no failure with a reason"


# ---- environments


def check_env(env: gym.Env[Any, Any], episodes: int = 2) -> None:
    """Check an environment.

    The checks are: the checkers of Gymnasium and SB3; the same episodes with the same seeds; masks; infos with the same
    names and types in every step; rewards in [-1, 1] and costs in [0, 1], also with extreme actions and with the worst
    constant action of a random search; an error in a step after the end; actions in double precision; pickling; every
    render mode; and, in the goal variant, hindsight replay with the default settings of SB3.

    Args:
        env: an environment from `gymnasium.make`, or an unwrapped one.
        episodes: the number of episodes with random allowed actions; they are played twice with the same seeds.
    """
    import pickle

    from gymnasium.utils.env_checker import check_env as gymnasium_check
    from gymnasium.utils.env_checker import data_equivalence
    from stable_baselines3.common.env_checker import check_env as sb3_check

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        checked = _Summed(env.unwrapped) if hasattr(env.unwrapped, "reward_space") else env.unwrapped
        gymnasium_check(checked, skip_render_check=True)
        sb3_check(checked)
    first, second = (_play(env, [_random(env)] * episodes) for _ in range(2))
    assert len(first) == len(second), "two episodes with the same seeds have different lengths"
    for (a, reward_a), (b, reward_b) in zip(first, second, strict=True):
        assert data_equivalence(a, b, exact=True), (
            "two episodes with the same seeds and actions have different observations"
        )
        assert np.array_equal(reward_a, reward_b), "two episodes with the same seeds and actions have different rewards"
    if isinstance(env.action_space, gym.spaces.Box):
        _play(env, [*_extremes(env.action_space)])
        _play(env, [_held(_worst(env, env.action_space))])
    if hasattr(env.unwrapped, "compute_reward"):
        _check_hindsight(env)
    copy = pickle.loads(pickle.dumps(env.unwrapped))  # noqa: S301  # the pickle was made in this line
    assert data_equivalence(copy.reset(seed=0)[0], env.unwrapped.reset(seed=0)[0]), (
        "a pickled copy has another first observation"
    )
    for mode in env.metadata["render_modes"]:
        env.unwrapped.render_mode = mode
        frame: Any = env.unwrapped.render()
        is_picture = isinstance(frame, np.ndarray) and frame.dtype == np.uint8 and frame.shape[2:] == (3,)
        assert is_picture if mode == "rgb_array" else isinstance(frame, str), f"render_mode={mode!r} returned {frame!r}"


class _Summed(gym.Env[Any, Any]):
    """An environment that replaces vector rewards by their mean, because the checkers need scalar rewards."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        self.env, self.metadata, self.render_mode = env, env.metadata, env.render_mode
        self.observation_space, self.action_space = env.observation_space, env.action_space

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        return self.env.reset(seed=seed, options=options)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, float(np.asarray(reward).mean()), terminated, truncated, info


Act: TypeAlias = Callable[[int, Any], Any]
"""A policy: a function from the number of the step and the masks, or None, to an action."""


def _random(env: gym.Env[Any, Any]) -> Act:
    """Return a policy of random allowed actions, with a fixed seed."""
    rng = np.random.default_rng(0)

    def act(_step: int, masks: Any) -> Any:
        if masks is not None:
            return rng.choice(np.flatnonzero(masks))
        env.action_space.seed(int(rng.integers(2**31)))
        return env.action_space.sample()

    return act


def _extremes(space: gym.spaces.Box) -> Iterator[Act]:
    """Yield policies at the ends of the range: constant, alternating, and at corners; in double precision."""
    low, high = space.low.astype(np.float64), space.high.astype(np.float64)
    yield _held(low)
    yield _held(high)
    yield lambda step, _masks: (low, high)[step % 2]
    corners = np.array(np.meshgrid(*[[0, 1]] * min(low.size, 4))).reshape(min(low.size, 4), -1).T
    for corner in corners:
        yield _held(np.where(np.resize(corner, low.shape), high, low))


def _worst(env: gym.Env[Any, Any], space: gym.spaces.Box) -> Any:
    """Return the constant action with the least return in a random search of 16 episodes with decreasing steps."""
    rng, low, high = np.random.default_rng(0), space.low.astype(np.float64), space.high.astype(np.float64)
    worst, least = low, np.inf
    for trial in range(16):
        spread = (high - low) / (1.0 + trial)
        action = np.clip(worst + spread * rng.uniform(-1.0, 1.0, low.shape), low, high)
        total = sum(float(np.sum(reward)) for _, reward in _play(env, [_held(action)]))
        if total < least:
            worst, least = action, total
    return worst


def _check_hindsight(env: gym.Env[Any, Any]) -> None:
    """Check rewards of hindsight replay in Stable-Baselines3 with default settings.

    By default a new goal is the achieved goal of any later step of the episode, which may be of an unfinished design.
    """
    from stable_baselines3 import HerReplayBuffer
    from stable_baselines3.common.vec_env import DummyVecEnv

    envs = DummyVecEnv([lambda: env])
    space: Any = env.observation_space
    buffer = HerReplayBuffer(1_000, space, env.action_space, env=envs, device="cpu")
    envs.seed(0)
    observation: Any = envs.reset()
    episodes = 0
    act = _random(env)
    for step in range(MOST_STEPS):
        masks = env.get_wrapper_attr("action_masks")() if env.has_wrapper_attr("action_masks") else None
        action = np.array([act(step, masks)])
        following: Any
        following, reward, done, infos = envs.step(action)
        last: Any = {name: np.array(each) for name, each in following.items()}
        if done[0]:
            last = {name: each[None] for name, each in infos[0]["terminal_observation"].items()}
        buffer.add(observation, last, action, reward, done, infos)
        observation, episodes = following, episodes + int(done[0])
        if episodes == 4:
            break
    assert episodes == 4, f"fewer than four episodes ended within {MOST_STEPS} steps: give a time limit"
    sampled = buffer.sample(256)
    goals = sampled.observations["desired_goal"].numpy()
    rewards = sampled.rewards.numpy()[:, 0]
    assert all(space["desired_goal"].contains(goal) for goal in goals), "a sampled goal is outside the space of goals"
    assert np.isfinite(rewards).all(), "the reward of a sampled goal is not finite"
    assert (np.abs(rewards) <= 1.0).all(), "the reward of a sampled goal is outside [-1, 1]"
    assert rewards.max() > 0.0, "hindsight replay with the default settings of SB3 sampled no goal that was reached"


def _held(action: Any) -> Act:
    return lambda _step, _masks: action


def _play(env: gym.Env[Any, Any], policies: Sequence[Act]) -> list[tuple[Any, Any]]:
    trace: list[tuple[Any, Any]] = []
    for episode, act in enumerate(policies):
        _, info = env.reset(seed=episode)
        types = _types(info)
        done, terminated, steps = False, False, 0
        while not done:
            assert steps < MOST_STEPS, f"an episode did not end within {MOST_STEPS} steps: give it a time limit"
            action = act(steps, _masks(env.unwrapped, info))
            observation, reward, terminated, truncated, info = env.step(action)
            steps += 1
            trace.append((observation, reward))
            assert _types(info) == types, f"infos changed from {types} at reset to {_types(info)} in step {steps}"
            assert (np.abs(np.asarray(reward)) <= 1.0).all(), f"reward {reward} of step {steps} is outside [-1, 1]"
            cost = info.get("cost", 0.0)
            assert 0.0 <= cost <= 1.0, f"cost {cost} of step {steps} is outside [0, 1]"
            done = bool(terminated or truncated)
        if terminated:
            with suppress(gym.error.ResetNeeded):
                env.unwrapped.step(action)
                raise AssertionError("a step after the end must raise gymnasium.error.ResetNeeded")
    return trace


def _types(info: Any) -> Any:
    """Return the names, types and shapes of an info."""
    if isinstance(info, dict):
        return {name: _types(value) for name, value in info.items()}
    return (info.dtype.str, info.shape) if isinstance(info, np.ndarray) else type(info).__name__


def _masks(env: Any, info: dict[str, Any]) -> Any:
    """Return the masks, after checking that `action_masks()` and infos agree; None for actions without masks."""
    masks = env.action_masks() if hasattr(env, "action_masks") else None
    assert (masks is None) == ("action_mask" not in info), (
        "masks must be given both by action_masks() and as info['action_mask'], or by neither"
    )
    if masks is not None:
        assert np.array_equal(masks, info["action_mask"]), "info['action_mask'] is not what action_masks() returns"
        assert np.any(masks, axis=-1).all(), "a mask allows no action"
        assert masks.dtype == np.bool_, f"action_masks() returns {masks.dtype}, but sb3-contrib needs booleans"
        dtype = info["action_mask"].dtype
        assert dtype == np.int8, f"info['action_mask'] is {dtype}, but Discrete.sample(mask) needs int8"
    return masks


def check_vector_env(
    envs: VectorEnv[Any, Any, Any], make_env: Callable[[], gym.Env[Any, Any]], steps: int = 50
) -> None:
    """Check that a natively batched environment gives the same results as scalar ones with the same seeds.

    Args:
        envs: the batched environment, in any autoreset mode.
        make_env: makes the scalar environment, with the same time limit.
        steps: the number of compared steps, with random allowed actions.
    """
    from gymnasium.utils.env_checker import data_equivalence
    from gymnasium.vector import AutoresetMode, SyncVectorEnv

    mode = envs.metadata.get("autoreset_mode")
    assert isinstance(mode, AutoresetMode), f"metadata['autoreset_mode'] is {mode}, not an AutoresetMode"
    reference = SyncVectorEnv([make_env] * envs.num_envs, autoreset_mode=mode)
    assert envs.single_observation_space == reference.single_observation_space, "the observation spaces differ"
    assert envs.single_action_space == reference.single_action_space, "the action spaces differ"
    rng = np.random.default_rng(0)
    (first, info), (second, _) = envs.reset(seed=3), reference.reset(seed=3)
    assert data_equivalence(first, second), "the first observations with the same seeds differ"
    for step in range(steps):
        masks = _masks(envs, info)
        if masks is None:
            envs.action_space.seed(int(rng.integers(2**31)))
            actions: Any = envs.action_space.sample()
        else:
            alone = np.array([env.get_wrapper_attr("action_masks")() for env in reference.envs])
            assert np.array_equal(masks, alone), f"masks differ at step {step}"
            actions = np.array([rng.choice(np.flatnonzero(mask)) for mask in masks])
        ours, theirs = envs.step(actions), reference.step(actions)
        assert data_equivalence(ours[0], theirs[0]), f"observations differ at step {step}"
        apart = float(np.abs(ours[1] - theirs[1]).max())
        assert apart <= TOLERANCE, f"rewards differ by {apart:.3g} at step {step}"
        assert (ours[2] == theirs[2]).all(), f"terminations differ at step {step}"
        assert (ours[3] == theirs[3]).all(), f"truncations differ at step {step}"
        info, done = ours[4], ours[2] | ours[3]
        if mode is AutoresetMode.DISABLED and done.any():
            again = [each.reset(options={"reset_mask": done.copy()}) for each in (envs, reference)]
            assert data_equivalence(again[0][0], again[1][0]), f"after the reset at step {step} observations differ"
            info = again[0][1]
