"""`matgym/CVDGrowth-v0`: control a CVD reactor whose catalyst is not observed, so that long, clean nanotubes grow."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from typing_extensions import Doc

from matgym.envs.arguments import (
    CHARACTERIZER_NAME,
    Count,
    SurrogateName,
    checked_observation,
    checked_option,
    checked_variant,
    given_alone,
    require_room,
)
from matgym.envs.batch import ALL, BatchedEnv, Episodes, Rows, ScalarEnv
from matgym.envs.rewards import RewardType, Withheld
from matgym.errors import ConfigurationError
from matgym.processes.growth.furnace import Reactor, State
from matgym.processes.growth.recipe import LIMITS, scaled_controls
from matgym.processes.growth.runs import OUTCOMES
from matgym.registration import RUN_STEPS
from matgym.tasks.difficulty import MEDIUM, Difficulty
from matgym.tasks.growth import VARIATIONS, GrowthReward, GrowthTask
from matgym.tasks.reward import Gains
from matgym.typing import BoolArray, Float32Array, FloatArray, Info, IntArray
from matgym.units import CELSIUS_K, ROOM_K

if TYPE_CHECKING:
    from matgym.characterization.reading.tasks import Characterizer
    from matgym.processes.sequences.learned import Memory, SequenceSurrogate

PARTS: Final = "(diameter_nm, covering, pyrolysis, leak_pa, offset_k)"
"""What a reactor consists of."""

OBSERVATIONS: Final = ("instruments", "spectrum", "diffraction", "characterized", "state")

REWARD_SCALE: Final = 150.0
"""The J with a reward of 1, about that of the best recipes."""

HIGHEST_C: Final = 1000.0
TALLEST_UM: Final = 300.0
FASTEST_UM: Final = 30.0
"""The upper ends of temperature, height and growth per minute in observations."""

THERMOCOUPLE_K: Final = 2.0
METER: Final = 0.02
GAUGE_UM: Final = 1.0
"""Standard deviations of the measured temperature, of a flow as a share of its range, and of the measured height."""


class CVDGrowth(Episodes):
    """Control a CVD reactor, whose catalyst state is not observed, to grow long and clean nanotubes.

    ## Description
    The reactor holds a wafer with iron particles. Once a minute for half an hour the agent sets the temperature and the
    pressures of acetylene, hydrogen and water. Acetylene grows tubes and slowly covers the catalyst with carbon, faster
    at higher temperature. Water removes this carbon and also oxidises the catalyst. Hydrogen reduces amorphous carbon
    and lets the particles ripen. Level of physics: the rate equations of Puretzky et al. (2005), fitted to measured
    growth, in a furnace model of ours; see `matgym.processes.growth.furnace`. Every run has another catalyst, leak and
    thermocouple. The agent observes only the instruments.

    ## Action Space
    `Box(-1, 1, (4,), float32)`, scaled:

    | Num | Action              | Min | Max   | Unit |
    |-----|---------------------|-----|-------|------|
    | 0   | set point           | 400 | 950   | °C   |
    | 1   | acetylene           | 0   | 1000  | Pa   |
    | 2   | hydrogen            | 0   | 40000 | Pa   |
    | 3   | water vapour        | 0   | 100   | Pa   |

    ## Observation Space
    `observation="instruments"`: `Box(-1, 1, (11,), float32)`:

    | Num | Observation                                   | Min | Max  | Noise  |
    |-----|-----------------------------------------------|-----|------|--------|
    | 0   | thermocouple, °C                              | 25  | 1000 | 2 K, and a constant offset |
    | 1–3 | flow meters of acetylene, hydrogen, water     | 0   | as above | 2 % of the range |
    | 4   | height of the tubes from reflected light, µm  | 0   | 300  | 1 µm   |
    | 5   | change of the height in the last minute, µm   | -30 | 30   | of both heights |
    | 6   | time, min                                     | 0   | 30, or `minutes` |  |
    | 7–10 | last controls, scaled                        | -1  | 1    |        |

    Values beyond these limits are clipped. Other observations have further numbers from index 11 on:

    | `observation`     | Shape    | Numbers from index 11 on                                       |
    |-------------------|----------|----------------------------------------------------------------|
    | `"spectrum"`      | `(152,)` | Raman spectrum at 532 nm, from 0 to 3, relative to G           |
    | `"diffraction"`   | `(51,)`  | small-angle X-ray scattering: logarithm of 1 to 10⁷ photons    |
    | `"characterized"` | `(17,)`  | diameter, D/G, amorphous share; then the uncertainty of each   |
    | `"state"`         | `(26,)`  | hidden state and reactor, which no instrument shows            |

    The spectrum covers 1100 to 1800 cm⁻¹, and the scattering 0.15 to 2 nm⁻¹. Diameters and their uncertainties range
    from 0 to 25 nm, D/G from 0 to 5, shares from 0 to 1; `matgym.envs.forest_instruments.ENDS` has those of the state.
    Spectrum and scattering are those of the forest at the end of the minute, with instruments that differ from run to
    run; see `matgym.characterization.forests`. "characterized" is what a network reads from both. There is no image: an
    electron microscope cannot look into the furnace, and an optical one shows the height, which the agent has.

    ## Rewards
    The change of J / 150 in the last minute, clipped to [-1, 1], with J = yield [µm] - min(8 (D/G + amorphous
    monolayers / 10), 135) - 20 energy [kWh]. The yield is the carbon in tubes on the wafer, given as the length of
    tubes on particles that did not ripen. `info["objectives"]` holds J so far ("objective") and its parts ("yield_um",
    "disorder", which is D/G, "amorphous" in monolayers, "energy_kwh"), and the length of the tubes ("length_um"),
    always by the kinetic model. `info["cost"]`, from 0 to 1, says how unsafe the minute was: the larger of heat (0 at
    900 °C, 1 at 950 °C, at the end of the minute) and of amorphous carbon (0 at 5 monolayers a minute, 1 at 10).

    ## Starting State
    A furnace at 600 °C without gas, and a new random reactor. `reset(options={"reactor": (diameter_nm, covering,
    pyrolysis, leak_pa, offset_k)})` sets the reactor.

    ## Episode End
    Termination: after 30 minutes, or `minutes`. No run of less than 240 minutes is truncated. For longer runs, also
    give `gymnasium.make` a `max_episode_steps` above `minutes`.

    ## Arguments
    - `minutes`: length of a run. Default: 30.
    - `level`: "easy", every run has the reactor of the measured kinetics; "medium" (default), each run has another
      one; "hard", reactors differ so much that no schedule is good for all; see `matgym.tasks.growth.VARIATIONS`.
    - `model`: predicts J: "oracle" (default), the kinetic model; "cvd-growth", a recurrent network; or a file of yours.
    - `observation`: "instruments" (default), "spectrum", "diffraction", "characterized" or "state".
    - `characterizer`: for "characterized", a `matgym.characterization.reading.tasks.Characterizer` or the file of a
      trained network instead of the shipped one.
    - `reward`: a function that returns the worth of a run so far, in [0, 1], instead of J. Its arguments are the
      outcomes so far ("yield_um", "disorder", "amorphous", "energy_kwh", each (B,)) and the (B, t, 4) controls of the
      minutes so far, in °C and Pa. The reward of a minute is the change of the worth, so that an episode sums to the
      final worth, which `info["objectives"]["worth"]` holds. A NaN counts as no change, and `info["failed"]` is then
      true.
    - `variant`: "multi-objective". The reward has the components yield, disorder and energy, whose sum is the plain
      reward. It cannot be combined with `reward` or with another `model` than "oracle".
    - `reward_type`: "dense" (default), the reward above; or "sparse": the sum of these rewards at the last minute.
    - `task`: a `GrowthTask` instead of `minutes`, `level`, `model` and `reward`.
    - `render_mode`: "rgb_array", the furnace with its tubes, and the course of temperature, height and gases.

    ## Version History
    - v0: first release.
    """

    options = ("reactor",)
    reward_names = ("yield", "disorder", "energy")
    reward_low = -1.0
    render_modes = ("rgb_array",)

    time_limit = RUN_STEPS
    task: GrowthTask
    _memory: "Memory"  # of the surrogate, if there is one

    def __init__(
        self,
        size: int,
        *,
        minutes: Count | None = None,
        level: Difficulty | None = None,
        model: "SequenceSurrogate | SurrogateName | None" = None,
        observation: str = "instruments",
        characterizer: "Characterizer | Annotated[str, Doc(CHARACTERIZER_NAME)] | None" = None,
        reward: GrowthReward | None = None,
        reward_type: RewardType | None = None,
        variant: str = "plain",
        task: GrowthTask | None = None,
    ) -> None:
        checked_observation(observation, OBSERVATIONS, characterizer)
        self.size, self.task = size, growth_task(minutes, level, model, reward, task)
        self.variant, self.steps = checked_variant(variant, "multi-objective"), self.task.minutes
        self._shown, width = None, 0  # beside the instruments
        if observation != "instruments":
            from matgym.envs.forest_instruments import WIDTHS, ForestInstruments

            width = WIDTHS[observation]
            require_room(size, width)
            self._shown = ForestInstruments(observation, size, self.task.furnace, characterizer)
        require_room(size, 5 * (self.task.minutes + 1))
        self._surrogate = self.task.surrogate
        if variant == "multi-objective" and self._surrogate is not None:
            raise ConfigurationError("multi-objective rewards need the oracle: leave out model, or give model='oracle'")
        if variant == "multi-objective" and self.task.reward is not None:
            raise ConfigurationError("a reward function has no effect in the multi-objective variant: leave it out")
        self.observation_space = spaces.Box(-1.0, 1.0, (7 + len(LIMITS) + width,), np.float32)
        self.action_space = spaces.Box(-1.0, 1.0, (len(LIMITS),), np.float32)
        self.minute = np.zeros(size, dtype=np.int64)
        self.reactor = Reactor(*np.ones((len(Reactor._fields), size)))
        self.state = State(*map(np.array, self.task.loaded(self.reactor)))  # copies: rows are written into them
        self._counted = np.zeros(size)  # the sum of the rewarded changes of J
        self._objective, self._cost = np.zeros(size), np.zeros(size)
        self._parts = np.zeros((size, 3))  # the same for the parts of J
        self._shorter = np.zeros(size)  # length a minute ago
        if self._surrogate is not None:
            self._memory = self._surrogate.begin(np.ones((size, len(self.reactor))), np.zeros((size, len(OUTCOMES))))
        self._actions = np.full((size, len(LIMITS)), -1.0)
        self._gains: Gains | None = None  # of the user's reward function, if there is one
        if self.task.reward is not None:
            self._gains = Gains(size, self.task.reward, self.task.ledger)
            self._controls = np.zeros((size, self.task.minutes, len(LIMITS)))
        self._withheld: Withheld | None = None
        if reward_type == "sparse":
            self._withheld = Withheld(size, len(self.reward_names) if variant == "multi-objective" else None)
        self._noise = np.zeros((size, self.task.minutes + 1, 5))  # of a whole run, drawn at its start

    def restart(self, rows: IntArray, generators: Sequence[np.random.Generator], options: Mapping[str, Any]) -> None:
        """Load new wafers into other reactors."""
        reactors = checked_reactors(options.get("reactor"), np.array([self.task.draw(rng) for rng in generators]))
        drawn = Reactor(*reactors.T.copy())
        fresh = self.task.loaded(drawn)
        for columns, values in ((self.reactor, drawn), (self.state, fresh)):
            for column, value in zip(columns, values, strict=True):
                column[rows] = value
        self._objective[rows] = self.task.objective(fresh, drawn)
        self._cost[rows] = 0.0
        self._counted[rows] = 0.0 if self._surrogate is not None else self._objective[rows]
        self._parts[rows] = self.task.parts(fresh, drawn)
        if self._surrogate is not None:
            self._surrogate.forget(self._memory, rows, reactors)
        if self._gains is not None:
            self._gains.restart(rows)
        if self._withheld is not None:
            self._withheld.restart(rows)
        self.minute[rows] = 0
        self._shorter[rows] = 0.0
        self._actions[rows] = -1.0
        for row, rng in zip(rows, generators, strict=True):
            self._noise[row] = rng.standard_normal(self._noise.shape[1:])
        if self._shown is not None:
            self._shown.restart(rows, generators)
            self._shown.measure(rows, fresh, drawn)

    def step(self, actions: FloatArray, rows: Rows = ALL) -> tuple[FloatArray, BoolArray]:
        """Hold controls for one minute."""
        reward = self._held(actions, rows)
        over = self.minute[rows] >= self.task.minutes
        return reward if self._withheld is None else self._withheld.pay(rows, reward, over), over

    def _held(self, actions: FloatArray, rows: Rows) -> FloatArray:
        """Hold controls for one minute, and return the (k,) or (k, 3) rewards of this minute."""
        whole = isinstance(rows, slice)
        before, reactor = self.state, self.reactor
        if not whole:
            before, reactor = State(*(each[rows] for each in before)), Reactor(*(each[rows] for each in reactor))
        self._actions[rows] = actions
        controls = scaled_controls(actions)
        after = self.task.advance(before, controls, reactor)
        if whole:
            self.state = State(*map(np.array, after))  # copies: `restart` writes into them
        else:
            for column, values in zip(self.state, after, strict=True):
                column[rows] = values
        self.minute[rows] += 1
        self._shorter[rows] = before.length_um
        if self._shown is not None:
            self._shown.measure(np.arange(self.size)[rows], after, reactor)
        self._objective[rows] = objective = self.task.objective(after, reactor)
        self._cost[rows] = self.task.cost(before, after)
        counted = np.array(objective)
        predicted: FloatArray | None = None
        if self._surrogate is not None:
            with self.task.ledger.charge("surrogate", len(counted)):
                predicted = self._surrogate.step(self._memory, self._actions[rows], rows)
                counted = self.task.predicted(predicted)
        if self._gains is not None:
            task = self.task
            outcomes = task.outcomes(after, reactor) if predicted is None else task.predicted_outcomes(predicted)
            return self._gained(self._gains, outcomes, controls, rows)
        # The kinetics change J by less than the scale in a minute. A network may exceed it; later minutes add the rest.
        gained = np.clip(counted - self._counted[rows], -REWARD_SCALE, REWARD_SCALE)
        self._counted[rows] += gained
        reward = gained / REWARD_SCALE
        if self.variant == "multi-objective":
            parts = self.task.parts(after, reactor)
            reward = (parts - self._parts[rows]) / REWARD_SCALE
            self._parts[rows] = parts
        return np.asarray(reward)

    def _gained(self, gains: Gains, outcomes: Mapping[str, FloatArray], controls: FloatArray, rows: Rows) -> FloatArray:
        """Return (k,) changes, in the last minute, of the worth of runs by the user's reward function."""
        which = np.arange(self.size)[rows]
        minutes, reward = self.minute[which], np.zeros(len(which))
        self._controls[which, minutes - 1] = controls
        for minute in np.unique(minutes):  # runs of one batch may have begun at different times
            these = minutes == minute
            so_far = {name: values[these] for name, values in outcomes.items()}
            reward[these] = gains.step(which[these], so_far, self._controls[which[these], :minute])
        return reward

    def info(self) -> Info:
        """Return the cost of the last minute, and J and its parts so far."""
        objectives = {
            "objective": self._objective.copy(),
            "length_um": np.array(self.state.length_um),
            **self.task.outcomes(self.state, self.reactor),
        }
        if self._gains is None:
            return {"cost": self._cost.copy(), "objectives": objectives}
        objectives["worth"] = self._gains.worth.copy()
        return {"cost": self._cost.copy(), "failed": self._gains.failed.copy(), "objectives": objectives}

    def observe(self, rows: Rows = ALL) -> Float32Array:
        """Return (rows, 11) float32 in [-1, 1]: what the instruments show; with further columns if others are asked."""
        minute, flows = self.minute[rows], self._actions[rows, 1:]
        now, before = (self._noise[rows][np.arange(len(minute)), np.maximum(minute - ago, 0)] for ago in (0, 1))
        reading = self.state.temperature_k[rows] + self.reactor.offset_k[rows] + THERMOCOUPLE_K * now[:, 0] - ROOM_K
        height = self.state.length_um[rows] + GAUGE_UM * now[:, 4]
        risen = height - self._shorter[rows] - GAUGE_UM * before[:, 4]
        observation = np.column_stack(
            [
                2.0 * reading / (HIGHEST_C + CELSIUS_K - ROOM_K) - 1.0,
                flows + 2.0 * METER * now[:, 1:4],
                2.0 * height / TALLEST_UM - 1.0,
                risen / FASTEST_UM,
                2.0 * minute / self.task.minutes - 1.0,
                self._actions[rows],
            ]
        )
        if self._shown is not None:
            observation = np.concatenate([observation, self._shown.columns(rows)], axis=1)
        return np.asarray(np.clip(observation, -1.0, 1.0), dtype=np.float32)

    def charted(self) -> FloatArray:
        """Return (B, 6) temperature and set point in °C, shares of the three flows, height in µm."""
        temperature, height = self.state.temperature_k - CELSIUS_K, self.state.length_um
        set_c = scaled_controls(self._actions)[:, :1]
        return np.column_stack([temperature, set_c, (self._actions[:, 1:] + 1.0) / 2.0, height])

    def render(self, mode: str, row: int = 0) -> npt.NDArray[np.uint8]:
        """Return a run as an (H, W, 3) uint8 picture: the furnace, its course, J and the rewards."""
        from matgym.envs.pictures import rewards_of
        from matgym.viz.canvas import Canvas
        from matgym.viz.panels import STATE, Gauge, head, side
        from matgym.viz.processes import Growth, growth

        if mode != "rgb_array":
            super().render(mode, row)
        task, minute = self.task, int(self.minute[row])
        canvas = Canvas()
        head(canvas, "Grow long, clean nanotubes", f"minute {minute} of {task.minutes}", minute / task.minutes)
        course = self.chronicle.course(row, self.charted()[row])
        ends_c = (0.0, HIGHEST_C)
        soot = float(self.state.amorphous[row])
        growth(canvas, STATE, Growth(task.minutes, minute, course, task.hottest_c, ends_c, TALLEST_UM, soot))
        tubes, spoilt, energy = task.parts(self.state, self.reactor)[row].tolist()
        if not self.chronicle.begun[row]:
            tubes = spoilt = energy = 0.0
        j_ends, source = (-REWARD_SCALE, REWARD_SCALE + 10.0), "physics"
        gauges = [
            Gauge("J so far", "", *j_ends, tubes + spoilt + energy, aim="the larger, the better", source=source),
            Gauge("yield", "µm", 0.0, TALLEST_UM, tubes / task.per_um, aim="the larger, the better"),
        ]
        if self.variant == "plain":  # else its parts stand among the rewards
            gauges.append(Gauge("spoilt tubes, energy", "", 0.0, TALLEST_UM, -spoilt - energy, aim="taken off J"))
        unsafe = f"unsafe: cost {self._cost[row]:.2f}" if self._cost[row] > 0.0 else ""
        side(canvas, gauges, rewards_of(self, row), unsafe)
        return canvas.pixels()


class CVDGrowthEnv(ScalarEnv):  # noqa: D101  # the episodes' docstring is its own
    episodes_class = CVDGrowth


class CVDGrowthVectorEnv(BatchedEnv):  # noqa: D101  # likewise
    episodes_class = CVDGrowth


def growth_task(
    minutes: int | None,
    level: Difficulty | None,
    model: "SequenceSurrogate | str | None",
    reward: GrowthReward | None,
    task: GrowthTask | None,
) -> GrowthTask:
    """Return the task that an environment's arguments describe; see `CVDGrowth`.

    Raises:
        ConfigurationError: if a task and arguments that have no effect with it are given.
    """
    if task is not None:
        given_alone("task", {"minutes": minutes, "level": level, "model": model, "reward": reward})
        return task
    return GrowthTask(
        minutes=GrowthTask.minutes if minutes is None else minutes,
        variation=VARIATIONS[level or MEDIUM],
        model=GrowthTask.model if model is None else model,
        reward=reward,
    )


def checked_reactors(given: Any, drawn: FloatArray) -> FloatArray:
    """Return (k, 5) reactors that `reset` was given, or else those drawn.

    Raises:
        ConfigurationError: if they are not five numbers each, in range.
    """
    if given is None:
        return drawn
    reactors = checked_option("reactor", given, len(drawn), drawn.shape[1], parts=f": {PARTS}")
    if not ((reactors[..., :3] > 0).all() and (reactors[..., 3] >= 0).all()):
        raise ConfigurationError(f"reactor={given} must be {PARTS}, the first three positive, the leak not negative")
    return reactors
