"""`matgym/NanotubeDoping-v0`: place boron and nitrogen so that the band gap meets a target."""

from collections.abc import Mapping
from typing import Any, Final

from matgym.envs.batch import checked_count
from matgym.envs.design import DesignEnv, DesignVectorEnv
from matgym.envs.design_dynamics import Variant
from matgym.envs.placement import PlacementDynamics
from matgym.envs.seeding import Seeding
from matgym.errors import ConfigurationError
from matgym.registration import DOPING_STEPS
from matgym.structures import tube_lattice
from matgym.tasks import DesignTask, SeederLike, TargetProperty, Trust
from matgym.tasks.instances import instance as instance_of
from matgym.tasks.instances import stable
from matgym.typing import SpeciesArray

LIFTED: Final = 4
"""Atoms of a seed that are lifted off, if nothing else is said."""


def make_task(
    n: int = 8,
    m: int = 0,
    cells: int = 4,
    budget: Mapping[str, int] | None = None,
    targets_ev: tuple[float, float] | None = None,
    reward: Any = "nanotube-doping",
    trust: Trust = "mean",
    instance: str | None = None,
    task: TargetProperty | None = None,
) -> TargetProperty:
    """The task from an environment's arguments; see `NanotubeDopingEnv`."""
    plain = (n, m, cells, budget, targets_ev, reward, trust) == (8, 0, 4, None, None, "nanotube-doping", "mean")
    if task is not None or instance is not None:
        if not plain or (task is not None and instance is not None):
            raise ConfigurationError(
                "a task or an instance says all about the tube and the reward: give it alone, or not at all"
            )
        return task or placed(instance_of(instance or "").task())
    settings: dict[str, Any] = {"lattice": tube_lattice(n, m, cells), "source": reward, "trust": trust}
    if budget is not None:
        settings["budget"] = budget
    if targets_ev is not None:
        settings["low"], settings["high"] = targets_ev
    others = (stable(sum((budget or {"B": 8, "N": 8}).values())),)
    return TargetProperty(others=others, **settings)


class NanotubeDopingEnv(DesignEnv):
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
    0.05 eV and 0.1 at 0.15 eV. Then, too, `info["design"]` holds the design, `info["objectives"]` its gap and
    error, `info["uncertainty"]` the standard deviation of the gap and the design's distance from the training
    data, above 1 where it lies outside.

    ## Starting State
    The undecorated tube, and a target gap uniform over 0.55 to 1.20 eV. With a `seeder`, a finished design for about
    that target instead, `lifted` random atoms of which are taken off for the agent to place.

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
    - `instance`: "doping" or "doping-easy", on which optimizers are compared: the largest gap is wanted there, and
      observations hold no target; the easy one has 3,517 different designs, of which physics knows the best.
    - `variant`: "goal" or "vector"; see `matgym.envs.design_dynamics.Variant`. The second component of the vector
      reward is a low π formation energy.
    - `task`: a `TargetProperty` in place of all of these; environments of one process that share it share
      its ledger.
    - `seeder`: of what episodes begin on: "gan", "diffusion", "vae", "nearest", "swap", "random", a stored generator,
      or an object of your own; see `matgym.tasks.Seeder`.
    - `lifted`: atoms of a seed that are taken off, 4 by default.
    - `render_mode`: "rgb_array" or "ansi".

    `reset(options={"target_ev": 0.8})` sets the target.

    ## Version History
    - v0: first release.
    """

    dynamics: PlacementDynamics

    def __init__(
        self,
        *,
        render_mode: str | None = None,
        seeder: SeederLike | None = None,
        lifted: int = LIFTED,
        variant: Variant = "plain",
        **arguments: Any,
    ) -> None:
        task = make_task(**arguments)
        dynamics = PlacementDynamics(task, 1, variant, Seeding.of(task, seeder, lifted))
        super().__init__(task, render_mode=render_mode, variant=variant, dynamics=dynamics)

    @property
    def target_ev(self) -> float:
        """This episode's target."""
        return float(self.dynamics.targets[0])


class NanotubeDopingVectorEnv(DesignVectorEnv):
    """Many `NanotubeDopingEnv` at once, scored in one batch; see there and `BatchVectorEnv`."""

    dynamics: PlacementDynamics

    def __init__(
        self,
        num_envs: int = 1,
        max_episode_steps: int = DOPING_STEPS,
        seeder: SeederLike | None = None,
        lifted: int = LIFTED,
        variant: Variant = "plain",
        **arguments: Any,
    ) -> None:
        task = make_task(**arguments)
        dynamics = PlacementDynamics(task, checked_count(num_envs), variant, Seeding.of(task, seeder, lifted))
        super().__init__(task, num_envs, max_episode_steps, variant=variant, dynamics=dynamics)

    @property
    def species(self) -> SpeciesArray:
        """(num_envs, n_sites) species as they stand."""
        return self.dynamics.species.copy()


def placed(task: DesignTask) -> TargetProperty:
    """A task of atoms to be placed.

    Raises:
        ConfigurationError: if it is another.
    """
    if not isinstance(task, TargetProperty):
        raise ConfigurationError(f"nothing is placed in a {type(task).__name__}: take its own environment")
    return task
