"""`matgym/NanotubeIsotopes-v0`: place heavy isotopes so that a tube conducts little heat."""

from collections.abc import Mapping
from typing import Any

from matgym.envs.design import DesignEnv, DesignVectorEnv
from matgym.envs.design_dynamics import Variant
from matgym.errors import ConfigurationError
from matgym.physics.phonons.conductance import THERMAL_CONDUCTANCE_NW_K, PristinePhonons
from matgym.registration import ISOTOPE_STEPS
from matgym.structures import Nanotube, tube_lattice
from matgym.tasks import DesignTask
from matgym.tasks.instances import instance as instance_of
from matgym.tasks.instances import isotope_sites
from matgym.tasks.rings import IsotopeRings


def make_task(
    instance: str = "isotope-rings",
    *,
    reward: Any = None,
    n: int | None = None,
    cells: int | None = None,
    budget: Mapping[str, int] | None = None,
    variant: Variant = "plain",
    task: DesignTask | None = None,
) -> DesignTask:
    """The task from an environment's arguments; see `NanotubeIsotopesEnv`."""
    if task is not None:
        if (instance, reward, n, cells, budget) != ("isotope-rings", None, None, None, None):
            raise ConfigurationError("a task says all about the tube and the reward: give it alone, or not at all")
        return task
    arguments: dict[str, Any] = {} if reward is None else {"source": reward}
    if variant == "goal":
        arguments["goal"] = "target"
    if n is None and cells is None and budget is None:
        if not instance.startswith("isotope-"):
            raise ConfigurationError(f"instance {instance!r} is none of isotopes: give isotope-rings or isotope-sites")
        return instance_of(instance).task(**arguments)
    # A tube of one's own has no table: physics rewards it, unless something else is given.
    arguments.setdefault("source", "oracle")
    if budget is None:
        return IsotopeRings(n=n or 10, rings=2 * (cells or 8), **arguments, **conductances(n or 10))
    lattice = tube_lattice(n or 7, 0, cells or 2)
    return isotope_sites(lattice=lattice, budget=budget, **arguments, **conductances(n or 7), margin=0.05)


def conductances(n: int) -> dict[str, Any]:
    """Range of rewards for tubes without a table: from 0.7 of the pristine tube's conductance up to it."""
    pristine = float(PristinePhonons().evaluate([Nanotube(n, 0)])[THERMAL_CONDUCTANCE_NW_K][0])
    return {"low": 0.7 * pristine, "high": pristine}


class NanotubeIsotopesEnv(DesignEnv):
    """Place carbon isotopes in a nanotube so that it conducts as little heat as can be.

    ## Description
    Isotopes change the mass of atoms and nothing else, so electrons do not notice them, but phonons scatter. Between
    pristine leads of 12C stands a (10, 0) tube of sixteen rings, each of which is to be made of 12C or of 14C: of
    the 65,536 ways all are known (`instance="isotope-rings"`), as of the 27,720 ways to place three 14C on the 56 sites
    of a (7, 0) tube (`"isotope-sites"`). Thermal conductance at 300 K, by Green's functions on the Tersoff potential of
    Lindsay and Broido, with 256 frequencies; see `matgym.physics.phonons.conductance`.

    ## Action Space
    Rings: `Discrete(2)`, whether the next ring, from one end, is heavy. Sites: `Discrete(56)`, the site that the next
    14C takes; `action_masks()` tells which are free.

    ## Observation Space
    Rings: `Box(0, 1, (48,), float32)`:

    | Num   | Observation                                              | Min | Max |
    |-------|----------------------------------------------------------|-----|-----|
    | 0–31  | two a ring: 1 for what it was chosen to be, light, heavy | 0   | 1   |
    | 32–47 | 1 for the ring at hand                                   | 0   | 1   |

    Sites: `Box(0, 1, (57,), float32)`: 1 where a site is heavy, and the share of the budget left.

    ## Rewards
    Zero until the design is finished; then (high - K) / (high - low) for the thermal conductance K, within [0, 1]: from
    2.6 to 3.4 nW/K for rings, 2.270 to 2.282 nW/K for sites, all of whose designs lie close together.
    `info["objectives"]` holds K, `info["design"]` the design.

    ## Starting State
    The tube of 12C.

    ## Episode End
    Termination: the last ring is chosen, or the last atom placed. Truncation: after 64 steps, by the time limit, as
    forbidden edits change nothing.

    ## Arguments
    - `instance`: "isotope-rings" or "isotope-sites".
    - `reward`: what gives K in place of the table of all designs: "oracle", a surrogate, a function of tubes; see
      `matgym.surrogates.as_predictor`.
    - `n`, `cells`: another zigzag tube; with `budget`, such as `{"13C": 20}`, sites, without it rings. Physics rewards
      it then, unless `reward` says otherwise, from 0.7 of the pristine tube's conductance up to that.
    - `variant`: "goal", in which a conductance drawn from the range above is to be met; or "vector", whose second
      component, for rings, is the share that stays light.
    - `task`: an `IsotopeRings` or a `TargetProperty` in place of all of these.
    - `render_mode`: "rgb_array" or "ansi".

    ## Version History
    - v0: first release.
    """

    def __init__(self, *, render_mode: str | None = None, variant: Variant = "plain", **arguments: Any) -> None:
        super().__init__(make_task(variant=variant, **arguments), render_mode=render_mode, variant=variant)


class NanotubeIsotopesVectorEnv(DesignVectorEnv):
    """Many `NanotubeIsotopesEnv` at once; see there and `BatchVectorEnv`."""

    def __init__(
        self,
        num_envs: int = 1,
        max_episode_steps: int = ISOTOPE_STEPS,
        variant: Variant = "plain",
        **arguments: Any,
    ) -> None:
        super().__init__(make_task(variant=variant, **arguments), num_envs, max_episode_steps, variant=variant)
