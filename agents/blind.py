"""Blind policies: the best sequence of actions that is found for all episodes, whatever is observed.

They see the clock only. An environment in which the best blind policy is as good as the best agent has nothing to gain
from looking.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from typing_extensions import override

from matgym.agents.controllers.cross_entropy import cross_entropy
from matgym.agents.scripted import ByDesign, Scripted
from matgym.envs.batch import Episodes
from matgym.envs.design import DesignEpisodes
from matgym.errors import ConfigurationError
from matgym.tasks import Designs, DesignTask
from matgym.typing import FloatArray


@dataclass(frozen=True)
class Budget:
    """The effort of a search for a blind policy by the cross-entropy method.

    Attributes:
        population: candidates per generation.
        generations: generations; for sequences of actions, of each of the two searches.
        episodes: episodes over which the return of a sequence of actions is averaged.
        targets: targets over which the reward of a design is averaged.
    """

    population: int = 32
    generations: int = 10
    episodes: int = 4
    targets: int = 256


class Sequence(Scripted):
    """A policy that plays a fixed (steps, d) sequence of actions."""

    def __init__(self, actions: FloatArray) -> None:
        """Prepare with the actions."""
        self.actions, self._step = actions, 0

    @override
    def begin(self, episodes: Episodes, rng: np.random.Generator) -> None:
        del episodes, rng
        self._step = 0

    @override
    def act(self, observation: Any) -> FloatArray:
        count = len(next(iter(observation.values())) if isinstance(observation, dict) else observation)
        self._step += 1
        return np.tile(self.actions[self._step - 1], (count, 1)).astype(np.float32)


def blind(environment: str, arguments: Mapping[str, Any], budget: Budget, rng: np.random.Generator) -> Scripted:
    """Return the best blind policy that the cross-entropy method finds.

    Where an episode makes a design, this is the best single design for all targets. Elsewhere it is the best sequence
    of actions, which is searched from the best constant action.

    Args:
        environment: id of the environment.
        arguments: arguments of the environment.
        budget: the effort.
        rng: the only source of randomness.

    Raises:
        ConfigurationError: if the environment has a reward function of the user, which would need one evaluation for
            each design and target.
    """
    probe: Any = gym.make_vec(environment, num_envs=1, **arguments)
    episodes = probe.episodes
    if isinstance(episodes, DesignEpisodes):
        design = one_design(episodes.task, budget, rng)
        return ByDesign(lambda _task, targets, _rng: np.repeat(design, len(targets), axis=0))
    return Sequence(one_sequence(environment, arguments, episodes.steps, budget, rng))


def one_design(task: DesignTask, budget: Budget, rng: np.random.Generator) -> Designs:
    """Return the (1, width) design with the largest mean reward over random targets."""
    if task.reward is not None and task.target_names:
        raise ConfigurationError("a blind design for targets needs the rewards of the objectives: leave out reward")
    drawn = task.draw_targets([rng] * (budget.targets if task.target_names else 1))

    def designs_of(points: FloatArray) -> Designs:
        return task.space.from_points(0.5 * (points + 1.0))

    def score(points: FloatArray) -> FloatArray:
        first = np.repeat(drawn[:1], len(points), axis=0)
        scores = task.score(designs_of(points), first)
        if not task.target_names:
            return scores.reward
        achieved = task.achieved(scores)
        targets = drawn.reshape(len(drawn), -1)
        rewards = task.reward_of(np.tile(achieved, (len(targets), 1)), np.repeat(targets, len(points), axis=0))
        return np.asarray(rewards.reshape(len(targets), -1).mean(axis=0))

    start = np.zeros(len(task.space.choices))
    found = cross_entropy(
        score, start, rng, population=budget.population, elite=_elite(budget), generations=budget.generations
    )
    return designs_of(found.point[None])


def one_sequence(
    environment: str, arguments: Mapping[str, Any], steps: int, budget: Budget, rng: np.random.Generator
) -> FloatArray:
    """Return the (steps, d) sequence of actions with the largest mean return over some episodes."""
    envs = gym.make_vec(environment, num_envs=budget.population * budget.episodes, **arguments)
    seeds = rng.integers(2**31, size=budget.episodes).tolist() * budget.population

    def score(points: FloatArray) -> FloatArray:
        envs.reset(seed=seeds)
        wide = np.repeat(points, budget.episodes, axis=0).astype(np.float32)
        total = np.zeros(envs.num_envs)
        for step in range(steps):
            total += envs.step(wide[:, step])[1]
        return np.asarray(total.reshape(budget.population, -1).mean(axis=1))

    inputs = (envs.single_action_space.shape or (0,))[0]
    effort = {"population": budget.population, "elite": _elite(budget), "generations": budget.generations}
    constant = cross_entropy(
        lambda points: score(np.repeat(points[:, None], steps, axis=1)), np.zeros(inputs), rng, **effort
    )
    start = np.tile(constant.point, (steps, 1))
    return cross_entropy(score, start, rng, spread=0.2, **effort).point


def _elite(budget: Budget) -> int:
    return max(2, budget.population // 8)
