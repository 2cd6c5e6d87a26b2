"""Ways to meet briefs on given tubes: policies that change a design, hill climbing, and looking up random designs.

They act in batches of `matgym/NanotubeImprovement-v0`, and count the designs that the surrogates score.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch

from matgym.agents.scripted import Scripted
from matgym.tasks import BriefTask, Designs
from matgym.typing import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from matgym.envs.nanotube_improvement import NanotubeImprovement

Choose: TypeAlias = Callable[[IntArray], Any]
"""What a policy does: a function from (k,) rows of a batch to their (k,) actions."""

Policy: TypeAlias = "Callable[[NanotubeImprovement, np.random.Generator], Choose]"
"""A policy: called with episodes that were just reset, and with its source of randomness."""

PART = 1_024
"""Number of random designs that are scored at once: more do not fit into the processor's cache. A choice of ours."""


def sampled(agent: Any) -> Policy:
    """Return the policy that draws the actions of an agent of Stable-Baselines3 by their probabilities."""

    def begun(episodes: "NanotubeImprovement", rng: np.random.Generator) -> Choose:
        torch.manual_seed(int(rng.integers(2**31)))  # the agent samples by torch
        return lambda rows: agent.predict(
            episodes.observe(rows), action_masks=episodes.masks()[rows], deterministic=False
        )[0]

    return begun


def by_rule(make: Callable[[], Scripted]) -> Policy:
    """Return the policy of a scripted one that does not need observations."""

    def begun(episodes: "NanotubeImprovement", rng: np.random.Generator) -> Choose:
        rule = make()
        rule.begin(episodes, rng)
        return lambda rows: rule.act(None)[rows]

    return begun


def played(
    episodes: "NanotubeImprovement", policy: Policy, rng: np.random.Generator, scored: list[Designs] | None = None
) -> FloatArray:
    """Play episodes that were just reset to their ends, and return (B,) numbers of designs that were scored.

    Args:
        episodes: the episodes.
        policy: what plays.
        rng: source of its randomness.
        scored: a list that receives these designs, in parts of (k, width).
    """
    choose, counts, running = policy(episodes, rng), np.ones(episodes.size), np.ones(episodes.size, dtype=bool)
    kept = [] if scored is None else scored
    kept.append(np.array(episodes.builder.designs))
    while (rows := np.flatnonzero(running)).size:
        actions = choose(rows)
        changed = actions != episodes.builder.stop
        counts[rows] += changed
        running[rows] = ~episodes.step(actions, rows)[1]
        kept.append(np.array(episodes.builder.designs)[rows[changed]])
    return counts


def climbing(
    task: BriefTask, designs: Designs, targets: FloatArray, rng: np.random.Generator
) -> Iterator[tuple[Designs, BoolArray]]:
    """Climb hills from (B, width) designs by the mutations of the space, which may not change the tube, without end.

    Yields:
        The designs that are kept, and (B,) whether any so far met its brief; first for the given designs, and then
        after each design more. A mutant is kept if it is not worse.
    """
    best = np.array(designs)
    scores = task.score(best, targets)
    rewards, met = scores.reward, task.met(scores, targets)
    while True:
        yield best, met
        other = mutated(task, best, rng)
        scores = task.score(other, targets)
        better = scores.reward >= rewards
        best = np.where(better[:, None], other, best)
        rewards, met = np.where(better, scores.reward, rewards), met | task.met(scores, targets)


def mutated(task: BriefTask, designs: Designs, rng: np.random.Generator) -> Designs:
    """Return a mutant of each design on the same tube."""
    other = task.space.mutate(designs, rng)
    while (moved := np.flatnonzero(other[:, 0] != designs[:, 0])).size:
        other[moved] = task.space.mutate(designs[moved], rng)
    return other


def table_of(task: BriefTask, lattice: int, count: int, rng: np.random.Generator) -> tuple[Designs, FloatArray]:
    """Return random designs on a tube, and their (N, P) properties."""
    parts = [task.space.sample_on(np.full(min(PART, count - at), lattice), rng) for at in range(0, count, PART)]
    return np.concatenate(parts), np.concatenate([properties(task, part) for part in parts])


def properties(task: BriefTask, designs: Designs) -> FloatArray:
    """Return the (N, P) predicted properties of designs."""
    none = np.tile([-np.inf, np.inf], (len(designs), len(task.objectives)))
    return task.achieved(task.score(designs, none))[:, ::2]


def inside(task: BriefTask, values: FloatArray, targets: FloatArray) -> BoolArray:
    """Return (N,) whether (N, P) properties are in all ranges of briefs, one or (N, 2 P) of them."""
    targets = np.broadcast_to(targets, (len(values), targets.shape[-1]))
    return np.asarray(~task.outside(values, targets).any(axis=1))
