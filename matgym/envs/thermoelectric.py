"""`matgym/NanotubeThermoelectric-v0`: place defects, dopants or isotopes so that heat becomes current."""

from collections.abc import Mapping
from typing import Any

from matgym.envs.design import DesignEnv, DesignVectorEnv
from matgym.envs.design_dynamics import Variant
from matgym.errors import ConfigurationError
from matgym.registration import THERMOELECTRIC_STEPS
from matgym.structures import tube_lattice
from matgym.tasks import TargetProperty
from matgym.tasks.instances import instance as instance_of
from matgym.tasks.instances import thermoelectric


def make_task(
    instance: str = "thermoelectric",
    *,
    reward: Any = None,
    n: int | None = None,
    m: int = 0,
    cells: int | None = None,
    budget: Mapping[str, int] | None = None,
    variant: Variant = "plain",
    task: TargetProperty | None = None,
) -> TargetProperty:
    """The task from an environment's arguments; see `NanotubeThermoelectricEnv`."""
    if task is not None:
        if (instance, reward, n, m, cells, budget) != ("thermoelectric", None, None, 0, None, None):
            raise ConfigurationError("a task says all about the tube and the reward: give it alone, or not at all")
        return task
    arguments: dict[str, Any] = {} if reward is None else {"source": reward}
    if variant == "goal":
        arguments["goal"] = "target"
    if n is None and cells is None and budget is None:
        made = instance_of(instance).task(**arguments)
    else:
        # The shipped networks know B and N; whatever else is placed, physics rewards, unless something else is given.
        kinds = set(budget or {"B", "N"})
        if kinds - {"B", "N"} or (n, m) not in {(8, 0), (None, 0)}:
            arguments = {"source": "oracle", "others": (), "constraint": None} | arguments
        lattice = tube_lattice(n or 8, m, cells or 3)
        made = thermoelectric(lattice=lattice, budget=budget or {"B": 4, "N": 4}, **arguments)
    if not isinstance(made, TargetProperty):
        raise ConfigurationError(f"instance {instance!r} is no thermoelectric one")
    return made


class NanotubeThermoelectricEnv(DesignEnv):
    """Decorate a nanotube so that its thermoelectric figure of merit is large.

    ## Description
    ZT = S²GT / (κ_e + κ_ph) at 300 K, at the chemical potential that makes it largest, of a tube between pristine
    leads. What scatters phonons raises it, what scatters electrons lowers it, and most defects do both. By default four
    boron and four nitrogen atoms go on three cells of (8, 0) (96 sites), and the shipped network rewards; `budget` may
    name turned bonds (Stone-Wales pairs, "SW"), vacancies and isotopes as well, which physics then rewards.

    ## Action Space
    `Discrete(192)`: action `k * 96 + site` puts species k (0 boron, 1 nitrogen) on `site`. With "SW" in the budget,
    as many actions follow as there are bonds, each of which turns one. `action_masks()` tells which are allowed: on
    carbon, within the budget, and no turned bond that touches another, crosses an end, or holds a vacancy.

    ## Observation Space
    `Box(0, 1, (194,), float32)`:

    | Num     | Observation                        | Min | Max |
    |---------|------------------------------------|-----|-----|
    | 0–191   | 1 for every edit that was done     | 0   | 1   |
    | 192–193 | share of boron, nitrogen left      | 0   | 1   |

    ## Rewards
    Zero until the last edit; then ZT / 0.4, within [0, 1] (0.2 in the easy instance). `info["objectives"]` holds ZT,
    `info["design"]` the design, `info["uncertainty"]` how far the network is to be trusted. `info["cost"]` is the
    constraint's: by how much of the bound Young's modulus falls short of 885 GPa, or, in the easy instance, the power
    factor of 0.6 pW/K².

    ## Starting State
    The undecorated tube.

    ## Episode End
    Termination: after the last edit. Truncation: after 32 steps, by the time limit, as forbidden edits change nothing.

    ## Arguments
    - `instance`: "thermoelectric", or "thermoelectric-easy": two Stone-Wales pairs in three cells of (10, 0), of which
      physics knows every design.
    - `reward`: what gives ZT: "oracle", a surrogate, a function of tubes; see `matgym.surrogates.as_predictor`.
    - `n`, `m`, `cells`, `budget`: another tube, another budget, such as `{"SW": 1, "14C": 8}`.
    - `variant`: "goal", in which a ZT between 0 and 0.4 is to be met; or "vector", whose second component is a low
      thermal conductance of the lattice.
    - `task`: a `TargetProperty` in place of all of these.
    - `render_mode`: "rgb_array" or "ansi".

    ## Version History
    - v0: first release.
    """

    def __init__(self, *, render_mode: str | None = None, variant: Variant = "plain", **arguments: Any) -> None:
        super().__init__(make_task(variant=variant, **arguments), render_mode=render_mode, variant=variant)


class NanotubeThermoelectricVectorEnv(DesignVectorEnv):
    """Many `NanotubeThermoelectricEnv` at once; see there and `BatchVectorEnv`."""

    def __init__(
        self,
        num_envs: int = 1,
        max_episode_steps: int = THERMOELECTRIC_STEPS,
        variant: Variant = "plain",
        **arguments: Any,
    ) -> None:
        super().__init__(make_task(variant=variant, **arguments), num_envs, max_episode_steps, variant=variant)
