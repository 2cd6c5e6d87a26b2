"""The demo's case in which learning wins: briefs on tubes that no training saw.

Each brief asks for properties of one given tube, so that a table of known designs is of no use for the next one. An
agent learns on other tubes to change a design, first from a scripted expert and then, in the agent that comes with
matgym, from rewards. Its opponents score random designs on the tube (look-up), or change one at random (hill climbing).
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from itertools import islice, pairwise
from typing import Any, Final

import gymnasium as gym
import numpy as np

from matgym.agents import load
from matgym.agents.greedy import Greedy
from matgym.agents.imitation import Demonstration, demonstrate, fit
from matgym.agents.improving import Policy, by_rule, climbing, inside, played, sampled, table_of
from matgym.agents.training import learner
from matgym.benchmark.break_even import break_even, share_within
from matgym.frozen import ValueObject
from matgym.tasks import BriefTask, Designs
from matgym.tasks.any_tube import lattices_of
from matgym.tasks.brief import LEVELS, LevelName
from matgym.typing import FloatArray

ENVIRONMENT: Final = "matgym/NanotubeImprovement-v0"

HELD_OUT: Final = ((7, 4), (8, 5), (9, 6), (10, 2), (11, 2), (12, 6), (14, 2))
"""Chiralities that no training of the shipped agents saw; chosen before all runs (`scripts.studies.amortised`)."""

SETTINGS: Final = {
    "n_envs": 32, "n_steps": 32, "batch_size": 256, "n_epochs": 3, "gamma": 0.99, "learning_rate": 5e-4,
}  # fmt: skip
"""Hyper-parameters of the agent that the demo trains: those of the shipped ones with fewer environments."""

SHIPPED, TAUGHT, EXPERT, LOOK_UP, CLIMBING = (
    "trained agent", "agent of this demo", "greedy rule", "look-up", "hill climbing"
)  # fmt: skip
"""Names of the methods."""

LEAST_SHOWN, MOST_CLIMBED = 8, 256
"""Fewest designs of searches that the results hold, and most designs of hill climbing."""

FIRST: Final = 5_000_000
"""Seed of the first brief; training draws from small ones, and studies from others."""


@dataclass(frozen=True)
class BriefSettings:
    """Settings of the case.

    Attributes:
        level: level of the briefs, and of the shipped agent improvement-LEVEL.
        briefs: number of briefs.
        attempts: number of designs of which a policy offers the best.
        table: number of random designs on each tube.
        lessons: numbers of the expert's episodes after which the agent of the demo is played.
        seed: random seed.
    """

    level: LevelName = "hard"
    briefs: int = 32
    attempts: int = 3
    table: int = 2_048
    lessons: tuple[int, ...] = (16, 48, 128)
    seed: int = 0


@dataclass(frozen=True)
class Reached:
    """What a method reaches with some number of designs.

    Attributes:
        method: the method.
        designs: mean number of designs that it scored for a brief.
        met: share of the briefs that its best design meets, by the surrogates.
    """

    method: str
    designs: float
    met: float


@dataclass(frozen=True)
class BriefResult(ValueObject):
    """Results of the case.

    Attributes:
        settings: the settings.
        reached: what each method reaches, by method and number of designs.
        curve: (k, 2) number of designs of the training in the demo, and share of the briefs met at the first attempt.
        training: designs of the training of the shipped agent.
        seconds: wall time.
    """

    settings: BriefSettings
    reached: tuple[Reached, ...]
    curve: FloatArray
    training: int
    seconds: float

    def of(self, method: str) -> list[Reached]:
        """Return what a method reaches, by increasing number of designs."""
        return sorted((each for each in self.reached if each.method == method), key=lambda each: each.designs)

    @property
    def methods(self) -> list[str]:
        """The methods, the shipped agent first."""
        return list(dict.fromkeys(each.method for each in self.reached))

    @property
    def needed(self) -> float:
        """The number of designs with which look-up meets as many briefs as the shipped agent; infinite for none."""
        mine = self.of(SHIPPED)[-1].met
        return min((each.designs for each in self.of(LOOK_UP) if each.met >= mine), default=np.inf)

    @property
    def pays_after(self) -> int | None:
        """The number of tubes after which the agent, its training included, scored fewer designs than look-up.

        It is that of the number of attempts for which it is smallest. Where look-up does not reach as much, it counts
        as if it did with its largest table. None: never.
        """
        mine, table = ([(each.designs, each.met) for each in self.of(name)] for name in (SHIPPED, LOOK_UP))
        queries = np.unique(np.ceil([used for used, _ in (*mine, *table)])).astype(np.int64)
        found = break_even(self.training, queries, share_within(mine, queries), [share_within(table, queries)])
        return None if found is None else found.targets

    def in_words(self) -> list[str]:
        """Return the results in sentences: where learning wins, why, and where it does not."""
        mine, rule, level = self.of(SHIPPED), self.of(EXPERT), self.settings.level
        table, climbed = self.of(LOOK_UP), self.of(CLIMBING)
        near, climber = (_with(each, mine[-1].designs) for each in (table, climbed))  # with more designs, not fewer
        needed = f"{self.needed:,.0f}" if np.isfinite(self.needed) else f"more than {table[-1].designs:,.0f}"
        pays = f"The training pays after {self.pays_after:,} tubes" if self.pays_after else "The training does not pay"
        said = [
            (
                f"Where learning wins: {self.settings.briefs} briefs of level {level}, each on a given tube of a "
                f"chirality that the trained agent has not seen. With {mine[-1].designs:.0f} designs a brief it meets "
                f"{mine[-1].met:.0%}; look-up among {near.designs:,.0f} random designs on the tube meets "
                f"{near.met:.0%}, and hill climbing with {climber.designs:.0f} designs {climber.met:.0%}. Look-up "
                f"needs {needed} designs for as many."
            ),
            (
                "Why: random designs hardly ever meet such a brief, and a table of them is of no use on the next tube; "
                "but what a change of one atom does is much the same on all tubes, and that is what the agent "
                f"learned. {pays}, by the {self.training:,} designs that it took."
            ),
            (
                "What it learned from is a rule: take the best single change. The rule sees the same effects of "
                f"changes, and needs no training. At once it meets {rule[0].met:.0%}, and the agent "
                f"{mine[0].met:.0%}; with {len(rule)} attempts they meet {rule[-1].met:.0%} and {mine[-1].met:.0%}. "
                "Where thousands of designs cost nothing, look-up is enough. Surrogates judge here; "
                "docs/agents.md tells what physics says."
            ),
            (
                f"The agent of this demo watched that rule for {self.settings.lessons[-1]} episodes: the share of "
                f"unseen briefs that it meets at once rose from {self.curve[0, 1]:.0%} to {self.curve[-1, 1]:.0%}."
            ),
        ]
        if mine[-1].met <= max(near.met, climber.met):
            said[0] = said[0].replace("Where learning wins: ", "Learning did not win here: ")
        return said

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        return {
            "reached": [asdict(each) for each in self.reached], "curve": self.curve.tolist(),
            "training_designs": self.training, "pays_after": self.pays_after, "seconds": self.seconds,
        }  # fmt: skip


def _with(reached: list[Reached], designs: float) -> Reached:
    """Return what a method reaches with at least a number of designs, or with the most that it has."""
    return next((each for each in reached if each.designs >= designs), reached[-1])


def made(level: LevelName, count: int, *, held_out: bool) -> Any:
    """Return environments on tubes of the chiralities that are held out, or of the other ones."""
    return gym.make_vec(ENVIRONMENT, num_envs=count, **arguments(level, held_out=held_out))


def arguments(level: LevelName, *, held_out: bool) -> dict[str, Any]:
    """Return the arguments of such environments. Without vacancies the oracles can verify all designs."""
    tubes = [
        [each.n, each.m, each.cells]
        for each in lattices_of(LEVELS[level].sites)
        if ((each.n, each.m) in HELD_OUT) == held_out
    ]
    return {"level": level, "tubes": tubes, "briefs": int(held_out), "vacancies": False, "observation": "honeycomb"}


def run_briefs(
    settings: BriefSettings,
    on_progress: Callable[[str, int, int, str], None] = lambda _stage, _completed, _total, _note: None,
) -> BriefResult:
    """Teach an agent, and compare it, and the shipped one, with look-up and searches.

    Args:
        settings: the settings.
        on_progress: function that is called with the stage, the finished amount, the total amount, and a note.

    Returns:
        The results.
    """
    began, rng = time.perf_counter(), np.random.default_rng(settings.seed)
    on_progress("teaching an agent", 0, len(settings.lessons), "drawing briefs")
    envs = made(settings.level, settings.briefs, held_out=True)
    envs.reset(seed=FIRST)
    start = np.array(envs.episodes.builder.designs), np.array(envs.episodes.targets)
    agent, _ = learner(
        ENVIRONMENT, "MaskablePPO", seed=settings.seed, settings=SETTINGS,
        arguments=arguments(settings.level, held_out=False) | {"met_bonus": 0.5},
    )  # fmt: skip
    training = agent.get_env().envs.task  # type: ignore[union-attr]  # of our own environments
    curve = [(0, _attempts(envs, start, sampled(agent), 1, TAUGHT, rng)[0].met)]
    shown: list[Demonstration] = []
    for before, episodes in pairwise((0, *settings.lessons)):
        shown.append(demonstrate(agent, Greedy(), episodes - before, rng))
        fit(agent, Demonstration.joined(shown), rng)
        met = _attempts(envs, start, sampled(agent), 1, TAUGHT, rng)[0].met
        designs = training.ledger.counts.total() // len(training.objectives)
        curve.append((designs, met))
        note = f"{met:.0%} of the briefs met"
        on_progress("teaching an agent", settings.lessons.index(episodes) + 1, len(settings.lessons), note)

    shipped = load(f"improvement-{settings.level}")
    reached: list[Reached] = []
    policies: Mapping[str, Policy] = {SHIPPED: sampled(shipped), TAUGHT: sampled(agent), EXPERT: by_rule(Greedy)}
    for done, (name, policy) in enumerate(policies.items()):
        on_progress("briefs on unseen tubes", done, len(policies) + 2, name)
        reached += _attempts(envs, start, policy, settings.attempts, name, rng)
    on_progress("briefs on unseen tubes", len(policies), len(policies) + 2, CLIMBING)
    reached += _climbed(envs.task, start, rng)
    on_progress("briefs on unseen tubes", len(policies) + 1, len(policies) + 2, LOOK_UP)
    reached += _looked_up(envs.task, start, settings.table, rng)
    on_progress("briefs on unseen tubes", len(policies) + 2, len(policies) + 2, "")
    return BriefResult(
        settings, tuple(reached), np.array(curve, dtype=np.float64), _designs_of(settings.level),
        time.perf_counter() - began,
    )  # fmt: skip


def _designs_of(level: LevelName) -> int:
    """Return the number of designs of the training of the shipped agent."""
    from matgym.agents.storage import STORE

    return int(STORE.load_card(f"improvement-{level}").designs or 0)


def _attempts(
    envs: Any, start: tuple[Designs, FloatArray], policy: Policy, count: int, method: str, rng: np.random.Generator
) -> list[Reached]:
    """Return what a policy reaches with 1 to `count` attempts: the first from the given designs, others from random."""
    designs, targets = start
    met, scored, found = np.zeros(len(designs), dtype=bool), np.zeros(len(designs)), []
    for attempt in range(count):
        first = designs if not attempt else envs.task.space.sample_on(designs[:, 0].astype(np.int64), rng)
        envs.reset(options={"design": first, "target": targets})
        scored += played(envs.episodes, policy, rng)
        met |= envs.episodes.info()["met"]
        found.append(Reached(method, float(scored.mean()), float(met.mean())))
    return found


def _climbed(task: BriefTask, start: tuple[Designs, FloatArray], rng: np.random.Generator) -> list[Reached]:
    """Return what hill climbing reaches by mutations of the initial designs, after each doubling of their number."""
    steps = enumerate(climbing(task, *start, rng), start=1)
    return [
        Reached(CLIMBING, float(designs), float(met.mean()))
        for designs, (_, met) in islice(steps, MOST_CLIMBED)
        if designs & (designs - 1) == 0 and designs >= LEAST_SHOWN
    ]


def _looked_up(
    task: BriefTask, start: tuple[Designs, FloatArray], count: int, rng: np.random.Generator
) -> list[Reached]:
    """Return what look-up reaches: whether any of the first 8, 16 … random designs on the tube meets the brief."""
    lattices, targets = start[0][:, 0].astype(np.int64), start[1]
    first = np.full(len(lattices), np.inf)
    for lattice in np.unique(lattices).tolist():
        _, values = table_of(task, lattice, count, rng)
        for row in np.flatnonzero(lattices == lattice):
            good = np.flatnonzero(inside(task, values, targets[row]))
            first[row] = good[0] + 1 if len(good) else np.inf
    sizes = [2**power for power in range(count.bit_length()) if 2**power >= LEAST_SHOWN]
    return [Reached(LOOK_UP, float(size), float((first <= size).mean())) for size in sizes]
