"""`matgym/FilmAnnealing-v0`: anneal a film of nanotube crystallites to a target size, and heal its defects."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from typing_extensions import Doc

from matgym.envs.arguments import (
    CHARACTERIZER_NAME,
    checked_observation,
    checked_option,
    checked_variant,
    given_alone,
    require_room,
)
from matgym.envs.batch import ALL, BatchedEnv, Episodes, Rows, ScalarEnv
from matgym.envs.rewards import Changes, RewardType, Withheld
from matgym.errors import ConfigurationError
from matgym.processes.annealing.film import COLDEST_C, HOTTEST_C, STEP_S
from matgym.processes.annealing.films import films_of
from matgym.processes.controls import from_actions
from matgym.registration import RUN_STEPS
from matgym.tasks.annealing import LEVELS, AnnealingReward, AnnealingTask
from matgym.tasks.difficulty import MEDIUM, Difficulty
from matgym.tasks.reward import Gains
from matgym.typing import BoolArray, Float32Array, FloatArray, Info, IntArray
from matgym.units import CELSIUS_K

if TYPE_CHECKING:
    from matgym.characterization.reading.tasks import Characterizer
    from matgym.processes.sequences.learned import SequenceSurrogate

LARGEST_RADIUS: Final = 20.0
MOST_KWH: Final = 30.0
MOST_PARTICLES: Final = 0.25
"""The upper ends of radius (lattice constants), energy (kWh) and share of sites with particles in observations."""

DYNAMICS_NAME: Final = "'simulator', 'network' or a .safetensors file"
"""The strings that `dynamics` allows, for errors."""

OBSERVATIONS: Final = ("statistics", "image", "characterized", "state")

WIDTHS: Final = {"statistics": 6, "image": 5, "characterized": 8, "state": 7}
"""The number of numbers or planes of an observation."""

_DRAWN: Final = 12.0
"""The largest mean radius on the axes of a picture, lattice constants."""


class FilmAnnealing(Episodes):
    """Anneal a film of nanotube crystallites to a target size with few defects.

    ## Description
    The film consists of crystallites with catalyst particles between them. Every two minutes for an hour the agent sets
    the temperature. Heat makes crystallites grow, heals defects, and evaporates particles. Particles hold boundaries
    back, so that the order of temperatures matters: a film that was hot early can still grow when another one has
    stopped. The number of particles is visible in images only. Level of physics: a Potts model of grain growth with
    rates of ours; see `matgym.processes.annealing.film`.

    ## Action Space
    `Box(-1, 1, (1,), float32)`: set point, from 1000 to 2400 °C. The furnace heats and cools at 3 K/s.

    ## Observation Space
    `observation="statistics"`: `Box(-1, 1, (6,), float32)`, scaled from

    | Num | Observation                              | Min  | Max  |
    |-----|------------------------------------------|------|------|
    | 0   | mean radius, lattice constants           | 0    | 20   |
    | 1   | remaining share of the defects           | 0    | 1    |
    | 2   | temperature, °C                          | 1000 | 2400 |
    | 3   | energy drawn, kWh                        | 0    | 30   |
    | 4   | time, share of the run                   | 0    | 1    |
    | 5   | target mean radius                       | 0    | 20   |

    Values beyond these limits are clipped.

    `observation="image"`: `Box(0, 255, (5, 64, 64), uint8)`, the micrograph of a microscope that differs from film to
    film (see `matgym.characterization.micrographs`), and temperature, energy, time and target as planes of one value,
    as `CnnPolicy` of SB3 expects them. Grey 255 is twice the mean intensity. Radius and defects are not given.

    `observation="characterized"`: `Box(-1, 1, (8,), float32)`, what a network reads from the micrograph: mean radius
    and remaining share of the defects, then the standard uncertainty of each on the same ranges, then temperature,
    energy, time and target.

    `observation="state"`: `Box(-1, 1, (7,), float32)`, the statistics, and the share of sites with a particle (0 to
    0.25), which is otherwise hidden.

    ## Rewards
    The change, in this step, of J = tolerance(ln(radius / target), 0.2) × (1 - remaining share of the defects) - 0.01
    energy [kWh], with tolerance(x, margin) = 1 / (1 + 9 (x / margin)²). J is 0 at the start, so that an episode sums to
    the final J. `info["objectives"]` holds the mean radius ("radius"), the remaining share of the defects ("defects"),
    the energy so far ("energy_kwh"), and J ("objective").

    ## Starting State
    120 to 200 crystallites and particles on 4 to 12 % of the sites at 1000 °C, and a target radius from 4 to 9 lattice
    constants. `level` changes these ranges. `reset(options={"target": 6.0})` sets the target, to any value
    between 0 and 20.

    ## Episode End
    Termination: after 30 steps. No run of fewer than 240 steps is truncated. For a `task` with more steps, also give
    `gymnasium.make` a `max_episode_steps` above them.

    ## Arguments
    - `level`: "easy", films without particles, whose radius depends on the heat so far and not on its order; "medium"
      (default); "hard", 80 to 300 crystallites, particles on 0 to 20 % of the sites, and targets from 4.5 to 12.
    - `observation`: "statistics" (default), "image", "characterized" or "state".
    - `characterizer`: for "characterized", a `matgym.characterization.reading.tasks.Characterizer` or the file of a
      trained network instead of the shipped one.
    - `dynamics`: "simulator" (default); "network", a recurrent network of the statistics that was trained on the
      simulator; or the file of a network of yours. Images and "characterized" need the simulator.
    - `reward`: a function that returns the worth of a film so far, in [0, 1], instead of the reward above. Its
      arguments are the outcomes so far ("radius", "defects", "energy_kwh", each (B,)) and the (B,) target radii. The
      reward of a step is the change of the worth, so that an episode sums to the final worth, which
      `info["objectives"]["worth"]` holds. A NaN counts as no change, and `info["failed"]` is then true.
    - `reward_type`: "dense" (default), the reward above; or "sparse": the sum of these rewards at the last step.
    - `variant`: "multi-objective", whose components are the changes of the tolerance, of the healed share and of the
      price of energy; or "goal", whose goals are (radius, remaining share of the defects, whether the run is over),
      scaled, and whose reward ignores energy and comes at the end. Neither can be combined with `reward`, nor "goal"
      with another observation than "statistics" or with `reward_type`.
    - `task`: an `AnnealingTask` instead of `level` and `reward`, for example with another number of steps.
    - `render_mode`: "rgb_array", the film, or the mean crystallite with a network of statistics, and the course of the
      run.

    ## Version History
    - v0: first release.
    """

    options = ("target",)
    reward_names = ("size", "healing", "energy")
    reward_low = -1.0
    render_modes: tuple[str, ...] = ("rgb_array",)

    time_limit = RUN_STEPS
    task: AnnealingTask

    def __init__(
        self,
        size: int,
        *,
        level: Difficulty | None = None,
        observation: str = "statistics",
        characterizer: "Characterizer | Annotated[str, Doc(CHARACTERIZER_NAME)] | None" = None,
        dynamics: "SequenceSurrogate | Annotated[str, Doc(DYNAMICS_NAME)]" = "simulator",
        reward: AnnealingReward | None = None,
        reward_type: RewardType | None = None,
        variant: str = "plain",
        task: AnnealingTask | None = None,
    ) -> None:
        checked_observation(observation, OBSERVATIONS, characterizer)
        if task is not None:
            given_alone("task", {"level": level, "reward": reward})
        self.size, self.observation = size, observation
        self.task = task or AnnealingTask(reward=reward, **LEVELS[level or MEDIUM])
        self.variant = checked_variant(variant, "goal", "multi-objective")
        if variant == "goal":
            given_alone('variant="goal"', {"reward_type": reward_type})
        components = len(self.reward_names) if variant == "multi-objective" else None
        self._changes = Changes(size, components)
        self._withheld = Withheld(size, components) if reward_type == "sparse" else None
        if self.task.reward is not None and variant != "plain":
            raise ConfigurationError(f"a reward function has no effect in the {variant} variant: leave it out")
        self._gains = None if self.task.reward is None else Gains(size, self.task.reward, self.task.ledger)
        if variant == "goal" and observation != "statistics":
            raise ConfigurationError('the goal variant observes statistics: give observation="statistics"')
        sites, self.steps = self.task.size, self.task.steps
        require_room(size, sites * sites)
        self.films = films_of(self.task.film, sites, size, self.task.start_c, dynamics)
        measured = observation in {"image", "characterized"}
        if measured and not self.films.pictured:
            raise ConfigurationError(
                f'observation="{observation}" needs films with grains, and dynamics={dynamics!r:.60} predicts their '
                'statistics alone: give observation="statistics" or dynamics="simulator"'
            )
        self._set_c = np.full(size, self.task.start_c)
        self.targets = np.full(size, sum(self.task.targets) / 2.0)
        self.elapsed = np.zeros(size, dtype=np.int64)
        self.action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)
        self._microscope = None
        if measured:
            from matgym.envs.film_microscope import FilmMicroscope

            most = round(self.task.grains[1] * (sites / 64.0) ** 2)
            self._microscope = FilmMicroscope(
                size, sites, most, characterized=observation == "characterized", characterizer=characterizer
            )
        self.observation_space = spaces.Box(-1.0, 1.0, (WIDTHS[observation],), np.float32)
        if observation == "image":
            self.observation_space = spaces.Box(0, 255, (WIDTHS[observation], sites, sites), np.uint8)
        elif variant == "goal":
            goal = spaces.Box(-1.0, 1.0, (3,), np.float32)
            seen = spaces.Box(-1.0, 1.0, (5,), np.float32)
            self.observation_space = spaces.Dict({"observation": seen, "achieved_goal": goal, "desired_goal": goal})

    def restart(self, rows: IntArray, generators: Sequence[np.random.Generator], options: Mapping[str, Any]) -> None:
        """Load fresh films."""
        labels, drawn = zip(*(self.task.draw(rng) for rng in generators), strict=True)
        targets = checked_option("target", options.get("target", drawn), len(rows))
        if not ((targets > 0.0) & (targets < LARGEST_RADIUS)).all():
            raise ConfigurationError(f"target={targets} must lie between 0 and {LARGEST_RADIUS:g} lattice constants")
        self.films.load(rows, np.stack(labels), generators)
        self.targets[rows] = targets
        if self._gains is not None:
            self._gains.restart(rows)
        self._changes.restart(rows)
        if self._withheld is not None:
            self._withheld.restart(rows)
        self.elapsed[rows], self._set_c[rows] = 0, self.task.start_c
        if self._microscope is not None:
            self._microscope.restart(rows, generators)
            self._measure(rows)

    def _measure(self, rows: IntArray) -> None:
        """Take micrographs of (k,) films."""
        if self._microscope is not None:
            self._microscope.measure(rows, self.films.state.labels[rows], self.films.measures[rows, 1])

    def info(self) -> Info:
        """Return the targets, the present objective of the films, and its parts."""
        measures, energy = self.films.measures, self.films.state.energy_kwh
        objectives = {
            "objective": self.task.objective(measures, energy, self.targets),
            "radius": measures[:, 0].copy(),
            "defects": measures[:, 1].copy(),
            "energy_kwh": energy.copy(),
        }
        if self._gains is None:
            return {"target": self.targets.copy(), "objectives": objectives}
        objectives["worth"] = self._gains.worth.copy()
        return {"target": self.targets.copy(), "failed": self._gains.failed.copy(), "objectives": objectives}

    def step(self, actions: FloatArray, rows: Rows = ALL) -> tuple[FloatArray, BoolArray]:
        """Hold set points for two minutes."""
        with self.task.ledger.charge(self.films.charged, len(actions)):
            set_c = from_actions(actions, COLDEST_C, HOTTEST_C)[:, 0]
            self.films.hold(set_c + CELSIUS_K, rows)
        self._set_c[rows] = set_c
        self._measure(np.arange(self.size)[rows])
        self.elapsed[rows] += 1
        over, reward = self.elapsed[rows] >= self.task.steps, self._rewards(rows)
        return reward if self._withheld is None else self._withheld.pay(rows, reward, over), over

    def _rewards(self, rows: Rows) -> FloatArray:
        """Return the (k,) or (k, 3) rewards of a step that the films of rows have made."""
        if self.variant == "goal":
            return np.asarray(self.compute_reward(self._achieved(rows), self._desired(rows), None))
        measures, energy, targets = self.films.measures[rows], self.films.state.energy_kwh[rows], self.targets[rows]
        if self._gains is not None:
            outcomes = {"radius": measures[:, 0].copy(), "defects": measures[:, 1].copy(), "energy_kwh": energy.copy()}
            return self._gains.step(rows, outcomes, targets)
        if self.variant == "multi-objective":
            parts = (self.task.met(measures, targets), 1.0 - measures[:, 1], -self.task.per_kwh * energy)
            return self._changes.of(rows, np.stack(parts, axis=1))
        return self._changes.of(rows, self.task.objective(measures, energy, targets))

    def _achieved(self, rows: Rows = ALL) -> Float32Array:
        """Return (rows, 3) achieved goals: scaled radius, scaled share of defects, and 1 (run over) or -1."""
        measures, over = self.films.measures[rows], self.elapsed[rows] >= self.task.steps
        seen = np.column_stack([measures[:, 0] / LARGEST_RADIUS, measures[:, 1], over]).clip(0.0, 1.0)
        return (2.0 * seen - 1.0).astype(np.float32)

    def _desired(self, rows: Rows = ALL) -> Float32Array:
        """Return (rows, 3) desired goals: the scaled target radius, no defects, and 1 for the end of the run."""
        target = 2.0 * self.targets[rows] / LARGEST_RADIUS - 1.0
        return np.column_stack([target, np.full_like(target, -1.0), np.ones_like(target)]).astype(np.float32)

    def compute_reward(self, achieved: Any, desired: Any, info: Any) -> Any:
        """Return rewards of what was achieved, for any goal, without the price of energy, as `HerReplayBuffer` needs.

        Args:
            achieved: (..., 3) as in observations.
            desired: (..., 3).
            info: ignored.

        Returns:
            (...) rewards; 0 before the end of the run, and for goals from before the end of a run.
        """
        del info
        found, goal = (np.asarray(side, dtype=np.float64).reshape(-1, 3) for side in (achieved, desired))
        radius, target = ((side[:, 0] + 1.0) / 2.0 * LARGEST_RADIUS for side in (found, goal))
        missed = np.abs(found[:, 1] - goal[:, 1]) / 2.0
        radii = np.maximum(radius, 1e-3)[:, None]
        reward = (
            self.task.met(radii, np.maximum(target, 1e-3)) * (1.0 - missed) * ((found[:, 2] > 0.0) & (goal[:, 2] > 0.0))
        )
        return reward.reshape(np.shape(achieved)[:-1]) if np.ndim(achieved) > 1 else float(reward[0])

    def observe(self, rows: Rows = ALL) -> Any:
        """Return (rows, n) float32 in [-1, 1], or (rows, 5, H, W) uint8: the micrograph above four such numbers."""
        films, state = self.films, self.films.state
        others = np.column_stack(
            [
                (state.temperature_k[rows] - CELSIUS_K - COLDEST_C) / (HOTTEST_C - COLDEST_C),
                state.energy_kwh[rows] / MOST_KWH,
                self.elapsed[rows] / self.task.steps,
                self.targets[rows] / LARGEST_RADIUS,
            ]
        ).clip(0.0, 1.0)
        if self.observation == "image" and self._microscope is not None:
            shape = (len(others), *self.observation_space.shape)  # type: ignore[misc]  # a Box, as it was made
            image = np.empty(shape, dtype=np.uint8)
            image[:, 0] = self._microscope.pictures(rows)
            image[:, 1:] = np.round(255.0 * others)[:, :, None, None]
            return image
        seen = films.measures[rows, :2] / [LARGEST_RADIUS, 1.0]
        if self._microscope is not None:
            readings = (self._microscope.values[rows], self._microscope.uncertainties[rows])
            seen = np.concatenate([each / [LARGEST_RADIUS, 1.0] for each in readings], axis=1)
        columns = [seen, others]
        if self.observation == "state":
            columns.append(films.measures[rows, 2:] / MOST_PARTICLES)
        statistics = (2.0 * np.concatenate(columns, axis=1).clip(0.0, 1.0) - 1.0).astype(np.float32)
        if self.variant != "goal":
            return statistics
        goals = {"achieved_goal": self._achieved(rows), "desired_goal": self._desired(rows)}
        return {"observation": statistics[:, :5], **goals}

    def charted(self) -> FloatArray:
        """Return (B, 4) temperature and last set point in °C, mean radius, remaining share of defects."""
        temperature = self.films.state.temperature_k - CELSIUS_K
        return np.column_stack([temperature, self._set_c, self.films.measures[:, :2]])

    def render(self, mode: str, row: int = 0) -> npt.NDArray[np.uint8]:
        """Return a run as an (H, W, 3) uint8 picture: the film or its mean crystallite, its course, and rewards."""
        from matgym.envs.pictures import rewards_of
        from matgym.viz.canvas import Canvas
        from matgym.viz.panels import STATE, Gauge, head, side
        from matgym.viz.processes import Annealing, annealing

        if mode != "rgb_array":
            super().render(mode, row)
        task, elapsed, begun = self.task, int(self.elapsed[row]), bool(self.chronicle.begun[row])
        minutes = STEP_S / 60.0
        canvas = Canvas()
        clock = f"minute {minutes * elapsed:.0f} of {minutes * task.steps:.0f}"
        head(canvas, "Anneal a film to a target grain size", clock, elapsed / task.steps)
        target = float(self.targets[row]) if begun else None
        grains = self.films.pictures(slice(row, row + 1))[0] if self.films.pictured else None
        course = self.chronicle.course(row, self.charted()[row])
        ends_c = (COLDEST_C - 200.0, HOTTEST_C + 100.0)
        annealing(
            canvas, STATE, Annealing(task.steps, elapsed, minutes, course, target, ends_c, _DRAWN, grains, task.size)
        )
        radius, defects = self.films.measures[row, :2].tolist() if begun else (None, None)
        source = "simulator" if self.films.charged == "simulation" else "network"
        gauges = [
            Gauge("mean radius", "", 0.0, _DRAWN, radius, target, source=source),
            Gauge("defects left", "%", 0.0, 100.0, None if defects is None else 100.0 * defects, aim="none"),
            Gauge("energy", "kWh", 0.0, MOST_KWH, float(self.films.state.energy_kwh[row]), aim="little"),
        ]
        side(canvas, gauges, rewards_of(self, row))
        return canvas.pixels()


class FilmAnnealingEnv(ScalarEnv):  # noqa: D101  # the episodes' docstring is its own
    episodes_class = FilmAnnealing


class FilmAnnealingVectorEnv(BatchedEnv):  # noqa: D101  # likewise
    episodes_class = FilmAnnealing
