"""A batch of furnaces, one minute a step, seen as a furnace is seen."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

import numpy as np
from gymnasium import spaces

from matgym.envs.batch import Dynamics, Transition, checked_variant
from matgym.errors import ConfigurationError
from matgym.processes.growth.furnace import State
from matgym.processes.growth.reactors import Reactor
from matgym.processes.growth.recipe import LIMITS, scaled_controls
from matgym.processes.growth.runs import OUTCOMES
from matgym.processes.sequences.learned import Memory
from matgym.tasks.growth import GrowthTask
from matgym.typing import Float32Array, FloatArray, IntArray
from matgym.units import CELSIUS_K, ROOM_K

REWARD_SCALE: Final = 150.0
"""J that counts as a reward of 1: about what the best recipes reach."""

HIGHEST_C: Final = 1000.0
TALLEST_UM: Final = 300.0
FASTEST_UM: Final = 30.0
"""Ranges of thermocouple, height gauge and growth a minute, on which observations are scaled."""

THERMOCOUPLE_K: Final = 2.0
METER: Final = 0.02
GAUGE_UM: Final = 1.0
"""Noise: of the temperature, of a flow as a share of its range, of the height that the reflected light tells."""


class GrowthDynamics(Dynamics):
    """State of a batch of runs.

    Attributes:
        task: what is wanted.
        state: of the furnaces.
        reactor: theirs, which nobody sees.
        minute: (B,) how far they are.
    """

    choices: ClassVar[tuple[str, ...]] = ("reactor",)

    reward_names = ("yield", "disorder", "energy")
    reward_low = -1.0

    def __init__(self, task: GrowthTask, size: int, variant: str = "plain") -> None:
        self.task, self.size, self.variant = task, size, checked_variant(variant, "vector")
        if variant == "vector" and task.surrogate is not None:
            raise ConfigurationError("the parts of a vector reward are physics': give no surrogate as a reward")
        self.observation_space = spaces.Box(-1.0, 1.0, (7 + len(LIMITS),), np.float32)
        self.action_space = spaces.Box(-1.0, 1.0, (len(LIMITS),), np.float32)
        self.minute = np.zeros(size, dtype=np.int64)
        self.reactor = Reactor(*np.ones((len(Reactor._fields), size)))
        self.state = task.loaded(self.reactor)
        self._worth = np.zeros(size)
        self._parts = task.parts(self.state, self.reactor)
        self._shorter = np.zeros(size)  # length a minute ago
        self._memory: Memory | None = None
        if task.surrogate is not None:
            self._memory = task.surrogate.begin(np.ones((size, len(self.reactor))), np.zeros((size, len(OUTCOMES))))
        self._actions = np.full((size, len(LIMITS)), -1.0)
        self._noise = np.zeros((size, task.minutes + 1, 5))  # of a whole run: one draw a run, not one a minute

    def restart(self, rows: IntArray, generators: Sequence[np.random.Generator], chosen: Mapping[str, Any]) -> None:
        """Another reactor."""
        reactors = checked_reactors(chosen.get("reactor"), np.array([self.task.draw(rng) for rng in generators]))
        for column, values in zip(self.reactor, reactors.T, strict=True):
            column[rows] = values
        drawn = Reactor(*(column[rows] for column in self.reactor))
        fresh = self.task.loaded(drawn)
        for column, values in zip(self.state, fresh, strict=True):
            column[rows] = values
        self._worth[rows] = 0.0 if self._memory else self.task.objective(fresh, drawn)
        self._parts[rows] = self.task.parts(fresh, drawn)
        if self.task.surrogate is not None and self._memory is not None:
            self.task.surrogate.forget(self._memory, rows, reactors)
        self.minute[rows] = 0
        self._shorter[rows] = 0.0
        self._actions[rows] = -1.0
        for row, rng in zip(rows, generators, strict=True):
            self._noise[row] = rng.standard_normal(self._noise.shape[1:])

    def step(self, actions: FloatArray) -> Transition:
        """One minute."""
        before = self.state
        after = self.task.advance(before, scaled_controls(actions), self.reactor)
        self.state = State(*map(np.array, after))  # copies: `restart` writes into them, and infos keep the others
        self.minute += 1
        self._shorter = np.array(before.length_um)
        self._actions = np.asarray(actions, dtype=np.float64)
        worth = self.task.objective(after, self.reactor)
        counted = self._counted(worth, actions)
        reward, self._worth = (counted - self._worth) / REWARD_SCALE, counted
        if self.variant == "vector":
            parts = self.task.parts(after, self.reactor)
            reward, self._parts = np.clip((parts - self._parts) / REWARD_SCALE, -1.0, 1.0), parts
        return Transition(
            reward,
            self.minute >= self.task.minutes,
            {
                "cost": self.task.cost(before, after),
                "objectives": {
                    "objective": worth,
                    "length_um": after.length_um,
                    "amorphous": after.amorphous,
                    "energy_kwh": after.energy_kwh,
                },
            },
        )

    def _counted(self, worth: FloatArray, actions: FloatArray) -> FloatArray:
        """(B,) J that is rewarded: the oracle's, or what the task's surrogate takes it for."""
        surrogate, memory = self.task.surrogate, self._memory
        if surrogate is None or memory is None:
            return np.array(worth)
        with self.task.ledger.charge("surrogate", self.size):
            return self.task.believed(surrogate.step(memory, np.asarray(actions, dtype=np.float64)))

    def observe(self, rows: IntArray | slice = slice(None)) -> Float32Array:
        """(rows, 11) float32 in [-1, 1]."""
        minute, flows = self.minute[rows], self._actions[rows, 1:]
        now, before = (self._noise[rows][np.arange(len(minute)), np.maximum(minute - ago, 0)] for ago in (0, 1))
        reading = self.state.temperature_k[rows] + self.reactor.offset_k[rows] + THERMOCOUPLE_K * now[:, 0] - ROOM_K
        height = self.state.length_um[rows] + GAUGE_UM * now[:, 4]
        risen = height - self._shorter[rows] - GAUGE_UM * before[:, 4]
        seen = np.column_stack(
            [
                2.0 * reading / (HIGHEST_C + CELSIUS_K - ROOM_K) - 1.0,
                flows + 2.0 * METER * now[:, 1:4],
                2.0 * height / TALLEST_UM - 1.0,
                risen / FASTEST_UM,
                2.0 * minute / self.task.minutes - 1.0,
                self._actions[rows],
            ]
        )
        return np.asarray(np.clip(seen, -1.0, 1.0), dtype=np.float32)


def checked_reactors(given: Any, drawn: FloatArray) -> FloatArray:
    """(k, 5) reactors that `reset` was given, or else those drawn.

    Raises:
        ConfigurationError: if they are not five numbers each, in range.
    """
    if given is None:
        return drawn
    reactors = np.asarray(given, dtype=np.float64)
    fits = reactors.shape[-1:] == drawn.shape[-1:] and reactors.ndim <= drawn.ndim
    if not (fits and np.isfinite(reactors).all() and (reactors[..., :3] > 0).all() and (reactors[..., 3] >= 0).all()):
        raise ConfigurationError(
            f"reactor={given} must be (diameter_nm, covering, pyrolysis, leak_pa, offset_k), "
            "the first three positive, the leak not negative"
        )
    return np.broadcast_to(reactors, drawn.shape)
