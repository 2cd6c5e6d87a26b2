"""`matgym/NanotubeDoping-v0`: place boron and nitrogen so that the band gap meets a target."""

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from matgym.envs.dynamics import DopingDynamics, Transition
from matgym.errors import ConfigurationError
from matgym.registration import DOPING_STEPS
from matgym.structures import Nanotube, tube_lattice, tubes_on
from matgym.tasks import TargetProperty, Trust
from matgym.typing import BoolArray, Float32Array, IntArray, SpeciesArray


def make_task(
    n: int = 8,
    m: int = 0,
    cells: int = 4,
    budget: Mapping[str, int] | None = None,
    targets_ev: tuple[float, float] | None = None,
    reward: Any = "nanotube-doping",
    trust: Trust = "mean",
    task: TargetProperty | None = None,
) -> TargetProperty:
    """The task from an environment's arguments; see `NanotubeDopingEnv`."""
    if task is not None:
        if (n, m, cells, budget, targets_ev, reward, trust) != (8, 0, 4, None, None, "nanotube-doping", "mean"):
            raise ConfigurationError("a task says all about the tube and the reward: give it alone, or not at all")
        return task
    settings: dict[str, Any] = {"lattice": tube_lattice(n, m, cells), "source": reward, "trust": trust}
    if budget is not None:
        settings["budget"] = budget
    if targets_ev is not None:
        settings["low"], settings["high"] = targets_ev
    return TargetProperty(**settings)


class NanotubeDopingEnv(gym.Env[Float32Array, np.int64]):
    """Design a co-doped carbon nanotube with a given band gap.

    ## Description
    A periodic (8, 0) carbon nanotube of four cells (128 sites) is to be decorated with 8 boron and 8
    nitrogen atoms, one a step, so that its band gap meets a target that is drawn anew every episode. Boron
    and nitrogen shift the gap by where they sit: by sublattice, by distance, and by their order around and
    along the tube. A convolutional network, trained on tight-binding gaps, gives the gap of the finished
    design; any other surrogate, or the physics itself, can take its place (`reward`).

    ## Action Space
    `Discrete(256)`: action `k * 128 + site` puts species k (0 boron, 1 nitrogen) on `site`. Sites are
    numbered in raster order (see `matgym.structures.TubeLattice`). Edits of sites that do not hold carbon,
    or of a species of which none is left, change nothing; `action_masks()` tells which are allowed.

    ## Observation Space
    `Box(-1, 1, (259,), float32)`:

    | Num     | Observation                        | Min | Max |
    |---------|------------------------------------|-----|-----|
    | 0–127   | 1 where the site holds boron       | 0   | 1   |
    | 128–255 | 1 where the site holds nitrogen    | 0   | 1   |
    | 256–257 | share of boron, nitrogen left      | 0   | 1   |
    | 258     | target gap, scaled over its range  | -1  | 1   |

    ## Rewards
    Zero until the last atom is placed; then 1 / (1 + 9 (error / 0.15 eV)²), which is 1 on target, 0.5 at
    0.05 eV and 0.1 at 0.15 eV. `info["objectives"]` holds its parts, `info["uncertainty"]` the standard deviation
    of the gap and the design's distance from the training data, above 1 where it lies outside.

    ## Starting State
    The undecorated tube, and a target gap uniform over 0.55 to 1.20 eV.

    ## Episode End
    Termination: the last atom is placed. Truncation: after 32 steps, by the time limit.

    ## Arguments
    - `n`, `m`, `cells`: the tube.
    - `budget`: atoms of each species, such as `{"B": 8, "N": 8}`. Where it exceeds 32 atoms, give
      `gymnasium.make` a longer `max_episode_steps` as well, or no design is ever complete.
    - `targets_ev`: range of targets, eV.
    - `reward`: what gives the gap: the name or path of a stored surrogate, a surrogate or oracle object, a
      torch module, or a function of a list of tubes.
    - `trust`: what an uncertain source is taken at: "mean"; "lower", a lower confidence bound of the reward;
      "minimum", the least that any network of an ensemble would give; or "oracle", physics itself.
    - `task`: a `TargetProperty` in place of all of these; environments of one process that share it share
      its ledger.
    - `render_mode`: "rgb_array" or "ansi".

    `reset(options={"target_ev": 0.8})` sets the target.

    ## Version History
    - v0: first release.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array", "ansi"], "render_fps": 4}  # noqa: RUF012  # Gymnasium declares it so

    def __init__(self, *, render_mode: str | None = None, **arguments: Any) -> None:
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise ConfigurationError(f"render_mode={render_mode!r} is unknown; there are rgb_array and ansi")
        self.render_mode = render_mode
        self.task = make_task(**arguments)
        self._dynamics = DopingDynamics(self.task, 1)
        self.observation_space = observation_space(self._dynamics)
        self.action_space = spaces.Discrete(self.task.edits.n_actions)

    @property
    def tube(self) -> Nanotube:
        """The tube as it stands."""
        return tubes_on(self.task.lattice, self._dynamics.species)[0]

    @property
    def target_ev(self) -> float:
        """This episode's target."""
        return float(self._dynamics.targets[0])

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Float32Array, dict[str, Any]]:
        """Begin an episode; `options={"target_ev": ...}` sets its target."""
        super().reset(seed=seed)
        target = (options or {}).get("target_ev")
        if target is None:
            target = self.task.draw_target(self.np_random)
        self._dynamics.restart(np.array([0]), self.task.checked_targets(target, 1))
        return self._dynamics.observe()[0], {"target_ev": self.target_ev}

    def step(self, action: np.int64) -> tuple[Float32Array, float, bool, bool, dict[str, Any]]:
        """Place one atom."""
        if not self.action_space.contains(action):
            raise ConfigurationError(f"action {action!r} is not one of 0 to {self.task.edits.n_actions - 1}")
        outcome = self._dynamics.step(np.array([action]))
        info: dict[str, Any] = {"target_ev": self.target_ev, "allowed": bool(outcome.allowed[0])}
        if outcome.scores is not None:
            info["objectives"] = {
                "gap_ev": float(outcome.scores.value[0]),
                "error_ev": float(outcome.scores.error[0]),
            }
            info["uncertainty"] = {
                "sd_ev": float(outcome.scores.sd[0]),
                "distance": float(outcome.scores.distance[0]),
            }
        return self._dynamics.observe()[0], float(outcome.reward[0]), bool(outcome.terminated[0]), False, info

    def action_masks(self) -> BoolArray:
        """(n_actions,) which edits are allowed now."""
        return np.asarray(self._dynamics.action_masks()[0])

    def render(self) -> Any:
        """The unrolled tube, as an (H, W, 3) uint8 picture or as text."""
        from matgym.viz.raster import ansi, frame

        caption = f"target {self.target_ev:.3f} eV"
        if self.render_mode == "rgb_array":
            return frame(self.tube, caption)
        if self.render_mode == "ansi":
            return ansi(self.tube, caption)
        gym.logger.warn("render() was called, but no render_mode was given to gym.make: 'rgb_array' or 'ansi'")
        return None


class NanotubeDopingVectorEnv(VectorEnv[Float32Array, IntArray, Any]):
    """Many `NanotubeDopingEnv` at once, scored in one batch; see there.

    The same seeds and actions give the same trajectories as `SyncVectorEnv` in its SAME_STEP mode. Infos
    hold arrays; of episodes that ended, `final_obs`, `final_info` and `final_species` hold what was last.
    """

    metadata: dict[str, Any] = {"render_modes": [], "autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012  # likewise

    def __init__(self, num_envs: int = 1, max_episode_steps: int = DOPING_STEPS, **arguments: Any) -> None:
        if num_envs < 1:
            raise ConfigurationError(f"num_envs={num_envs} must be 1 or more")
        self.num_envs = num_envs
        self.max_episode_steps = max_episode_steps
        self.task = make_task(**arguments)
        check_time_limit(self.task, max_episode_steps)
        self._dynamics = DopingDynamics(self.task, num_envs)
        self._elapsed = np.zeros(num_envs, dtype=np.int64)
        self._generators: list[np.random.Generator] = []
        self.single_observation_space = observation_space(self._dynamics)
        self.single_action_space = spaces.Discrete(self.task.edits.n_actions)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    @property
    def species(self) -> SpeciesArray:
        """(num_envs, n_sites) species as they stand."""
        return self._dynamics.species.copy()

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Float32Array, dict[str, Any]]:
        """Begin all episodes.

        Args:
            seed: environment i draws from `seed + i`, or from `seed[i]`.
            options: `{"target_ev": (num_envs,) targets}` sets them.
        """
        self._seed(seed)
        targets = (options or {}).get("target_ev")
        if targets is None:
            targets = np.array([self.task.draw_target(generator) for generator in self._generators])
        self._dynamics.restart(np.arange(self.num_envs), self.task.checked_targets(targets, self.num_envs))
        self._elapsed[:] = 0
        return self._dynamics.observe(), {"target_ev": self._dynamics.targets.copy()}

    def _seed(self, seed: int | list[int | None] | None) -> None:
        if isinstance(seed, int | np.integer):
            seeds: list[int | None] = [int(seed) + i for i in range(self.num_envs)]
        else:
            seeds = [None] * self.num_envs if seed is None else list(seed)
        if len(seeds) != self.num_envs:
            raise ConfigurationError(f"{len(seeds)} seeds do not fit {self.num_envs} environments")
        fresh = len(self._generators) == 0
        if fresh:
            self._generators = [None] * self.num_envs  # type: ignore[list-item]  # all are filled below
        for i, single in enumerate(seeds):
            if fresh or single is not None:
                self._generators[i] = seeding.np_random(single)[0]

    def step(
        self, actions: IntArray
    ) -> tuple[Float32Array, np.ndarray[Any, Any], BoolArray, BoolArray, dict[str, Any]]:
        """Place one atom in every tube; episodes that end begin anew within the step."""
        actions = np.asarray(actions)
        if not self._generators:
            raise gym.error.ResetNeeded("call reset() before step()")
        whole = actions.shape == (self.num_envs,) and np.issubdtype(actions.dtype, np.integer)
        if not whole or actions.min() < 0 or actions.max() >= self.task.edits.n_actions:
            raise ConfigurationError(
                f"actions must be {self.num_envs} whole numbers from 0 to {self.task.edits.n_actions - 1}"
            )
        outcome = self._dynamics.step(actions)
        self._elapsed += 1
        truncated = (self._elapsed >= self.max_episode_steps) & ~outcome.terminated
        observation = self._dynamics.observe()
        info: dict[str, Any] = {"target_ev": self._dynamics.targets.copy(), "allowed": outcome.allowed}
        done = outcome.terminated | truncated
        if done.any():
            info |= {"final_obs": observation.copy(), "_final_obs": done, "_final_info": done}
            info["final_info"] = self._final_info(outcome, done)
            info["final_species"] = self.species
            rows = np.flatnonzero(done)
            self._dynamics.restart(rows, np.array([self.task.draw_target(self._generators[row]) for row in rows]))
            self._elapsed[rows] = 0
            observation[rows] = self._dynamics.observe(rows)
            info["target_ev"] = self._dynamics.targets.copy()
        return observation, outcome.reward, outcome.terminated, truncated, info

    def _final_info(self, outcome: Transition, done: BoolArray) -> dict[str, Any]:
        """What the scalar environments' last infos hold, as arrays with a mask each."""
        scored = outcome.terminated
        value, error, sd, distance = np.zeros((4, self.num_envs))
        if outcome.scores is not None:
            found = outcome.scores
            value[scored], error[scored], sd[scored], distance[scored] = (
                found.value,
                found.error,
                found.sd,
                found.distance,
            )
        return {
            "target_ev": self._dynamics.targets.copy(),
            "_target_ev": done,
            "allowed": outcome.allowed,
            "_allowed": done,
            "objectives": {"gap_ev": value, "_gap_ev": scored, "error_ev": error, "_error_ev": scored},
            "_objectives": scored,
            "uncertainty": {"sd_ev": sd, "_sd_ev": scored, "distance": distance, "_distance": scored},
            "_uncertainty": scored,
        }

    def action_masks(self) -> BoolArray:
        """(num_envs, n_actions) which edits are allowed now."""
        return self._dynamics.action_masks()


def check_time_limit(task: TargetProperty, max_episode_steps: int) -> None:
    """Refuse a time limit within which no design can be completed."""
    if max_episode_steps < task.edits.length:
        raise ConfigurationError(
            f"a budget of {task.edits.length} edits cannot be placed within {max_episode_steps} steps: "
            f"give max_episode_steps={2 * task.edits.length}"
        )


def observation_space(dynamics: DopingDynamics) -> spaces.Space[Float32Array]:
    """See `NanotubeDopingEnv`."""
    low = np.zeros(dynamics.observation_size, dtype=np.float32)
    low[-1] = -1.0
    return spaces.Box(low, np.ones_like(low), dtype=np.float32)
