"""Optimise schedules by direct multiple shooting (Bock and Plitt, IFAC Proc. 17, 1603 (1984)) with CasADi.

The variables are the controls and the states at every minute. The expressions of the furnace are their constraints.
IPOPT (Wächter and Biegler, Math. Program. 106, 25 (2006)) uses exact second derivatives. The problem is not convex: the
result depends on the start and is not a proven optimum.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from matgym.errors import MissingExtraError
from matgym.frozen import ValueObject
from matgym.processes.growth.furnace import STANDARD, Controls, Reactor, State
from matgym.processes.growth.recipe import LIMITS, STEP_S, scaled_actions, scaled_controls
from matgym.tasks.growth import GrowthTask
from matgym.typing import FloatArray
from matgym.units import CELSIUS_K

SCALES: Final = State(
    temperature_k=1000.0, feed_pa=100.0, hydrogen_pa=1e4, water_pa=100.0, diameter_nm=10.0, length_um=100.0, grown=1e9,
    defects=1e4, amorphous=1.0, supplied=1e9, removed=1e6, layer=3e3, energy_kwh=1.0,
)  # fmt: skip
"""Typical sizes of the states. The variables of the solver are divided by them."""


@dataclass(frozen=True)
class Schedule(ValueObject, copies=True):
    """A schedule and its objective.

    Attributes:
        controls: (minutes, 4) controls, as in a recipe.
        objective: objective by the integrator of the task.
        converged: whether the solver reports a local optimum.
    """

    controls: FloatArray
    objective: float
    converged: bool


def climb(task: GrowthTask, start: FloatArray, reactor: FloatArray = STANDARD, iterations: int = 200) -> Schedule:
    """Return a schedule that improves the start to a local optimum.

    Args:
        task: task whose objective is maximised.
        start: (minutes, 4) controls of the start.
        reactor: (5,) parameters of the reactor.
        iterations: largest number of iterations of the solver.

    Returns:
        The schedule.

    Raises:
        MissingExtraError: if CasADi is not installed.
    """
    try:
        import casadi as ca
    except ImportError:
        raise MissingExtraError("casadi", "optimum") from None
    scales, given = ca.DM(list(SCALES)), Reactor(*map(float, reactor))
    low, high = (ca.DM(list(ends)) for ends in zip(*LIMITS.values(), strict=True))
    state, action = ca.SX.sym("state", len(State._fields)), ca.SX.sym("action", len(LIMITS))
    controls = low + 0.5 * (action + 1.0) * (high - low)
    told = Controls(controls[0] + CELSIUS_K, controls[1], controls[2], controls[3])
    after = task.furnace.hold(State(*ca.vertsplit(state * scales)), told, given, STEP_S, ca)
    minute = ca.Function("minute", [state, action], [ca.vertcat(*after) / scales])
    worth_of = ca.Function("worth", [state], [task.objective(State(*ca.vertsplit(state * scales)), given, ca)])

    states = ca.MX.sym("states", len(State._fields), task.minutes)
    actions = ca.MX.sym("actions", len(LIMITS), task.minutes)
    cold = ca.DM([float(np.asarray(value)) for value in task.loaded(given)]) / scales
    reached = minute.map(task.minutes)(ca.horzcat(cold, states[:, :-1]), actions)
    problem = {
        "x": ca.vertcat(ca.vec(actions), ca.vec(states)),
        "f": -worth_of(states[:, -1]) / 100.0,
        "g": ca.vec(reached - states),
    }
    solver = ca.nlpsol(
        "solver", "ipopt", problem,
        {"ipopt.max_iter": iterations, "ipopt.print_level": 0, "print_time": False, "ipopt.sb": "yes"},
    )  # fmt: skip
    first = scaled_actions(start)
    path, now = [], cold
    for row in first:
        now = minute(now, row)
        path.append(now)
    count = first.size
    bounds = ca.vertcat(ca.DM.ones(count), ca.inf * ca.DM.ones(states.numel()))
    found = solver(x0=ca.vertcat(ca.DM(first.ravel()), *path), lbx=-bounds, ubx=bounds, lbg=0.0, ubg=0.0)
    best = scaled_controls(np.clip(np.array(found["x"][:count]).reshape(first.shape), -1.0, 1.0))
    value = float(replace(task, model="oracle").run(best[None], np.asarray(reactor))[0])
    return Schedule(best, value, bool(solver.stats()["success"]))
