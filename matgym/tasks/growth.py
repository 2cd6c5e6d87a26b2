"""The growth task: long tubes with few defects and little amorphous carbon, for little energy."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from matgym.errors import ConfigurationError, require_counts
from matgym.processes.growth.furnace import STANDARD, Controls, Furnace, Reactor, State, Variation
from matgym.processes.growth.recipe import PREHEATED_C, STEP_S, scaled_actions
from matgym.processes.growth.runs import OUTCOMES, disorder, yield_um
from matgym.tasks.difficulty import MEDIUM, Difficulty
from matgym.tasks.ledger import Ledger
from matgym.tasks.reward import check_reward
from matgym.typing import FloatArray
from matgym.units import CELSIUS_K

if TYPE_CHECKING:
    from matgym.processes.sequences.learned import SequenceSurrogate

GrowthReward: TypeAlias = Callable[[Mapping[str, FloatArray], FloatArray], Any]
"""A function from the outcomes of B runs so far and the (B, t, 4) controls of their minutes to (B,) values in [0, 1].

Outcomes are a mapping of names to (B,) values: "yield_um", "disorder" (D/G), "amorphous" (monolayers), "energy_kwh".
Controls are the set point in °C, acetylene, hydrogen and water in Pa. A value outside [0, 1] raises an error."""

VARIATIONS: Final[Mapping[Difficulty, Variation | None]] = {
    "easy": None,
    "medium": Variation(),
    "hard": Variation(diameter_nm=(4.0, 20.0), covering=0.9, pyrolysis=1.5, leak_pa=40.0, offset_k=40.0),
}
"""The variation between reactors at each level; None for the reactor of the measured kinetics in every run.

A choice of ours. At "medium" one schedule is nearly as good as the best one of each reactor; at "hard" the best
schedules of reactors differ, so that a controller has to find out which reactor it has. The scores are in
docs/environments/CVDGrowth-v0.md."""

_FURNACE: Final = Furnace()


@dataclass(frozen=True, eq=False)
class GrowthTask:
    """Grow many long tubes with few defects and little energy within a given time.

        J = yield [µm] - min(8 (D/G + amorphous monolayers / 10), 135) - 20 energy [kWh]

    The yield is carbon in tubes on the wafer, as the length that as much carbon would have on particles that did not
    ripen: length × d₀/d, since ripening leaves (d₀/d)³ of the particles with (d/d₀)² of the atoms per micrometre. The
    penalty for defects and amorphous carbon is at most about the yield of a good run: amorphous carbon may grow without
    bound, rewards may not. The weights are a choice of ours. Safety is a separate cost; see `cost`.

    Attributes:
        furnace: model of the furnace.
        minutes: duration of a run.
        preheated_c: temperature at which wafers are loaded, °C.
        variation: variation between reactors; None for the standard reactor in every run.
        per_um: weight of the yield, 1/µm.
        per_disorder: weight of D/G and of tens of amorphous monolayers.
        most_disorder: largest penalty for defects and amorphous carbon.
        per_kwh: price of energy, 1/kWh.
        hottest_c: temperature above which the furnace is not safe, °C.
        soot_per_min: monolayers of amorphous carbon per minute above which the exhaust clogs.
        model: source of J: "oracle", or a surrogate over time: its name or file, or a `SequenceSurrogate`.
        reward: a function that gives the value of a run instead of J.
        ledger: counts of simulated minutes, and of runs that a surrogate predicted.
    """

    furnace: Furnace = _FURNACE
    minutes: int = 30
    preheated_c: float = PREHEATED_C
    variation: Variation | None = VARIATIONS[MEDIUM]
    per_um: float = 1.0
    per_disorder: float = 8.0
    most_disorder: float = 135.0
    per_kwh: float = 20.0
    hottest_c: float = 900.0
    soot_per_min: float = 5.0
    model: Any = "oracle"
    reward: GrowthReward | None = None
    ledger: Ledger = field(default_factory=Ledger)

    def __post_init__(self) -> None:
        require_counts(minutes=self.minutes)
        check_reward(self.reward)
        if self.surrogate is not None and self.surrogate.outcome_names != OUTCOMES:
            raise ConfigurationError(
                f"a surrogate of {', '.join(self.surrogate.outcome_names)} cannot predict growth rewards: give one of "
                f"{', '.join(OUTCOMES)}"
            )

    @cached_property
    def surrogate(self) -> "SequenceSurrogate | None":
        """The surrogate that predicts J instead of the oracle, if any; torch is imported only for a surrogate."""
        if isinstance(self.model, str) and self.model == "oracle":
            return None
        from matgym.processes.sequences.learned import SequenceSurrogate, load_sequences

        return self.model if isinstance(self.model, SequenceSurrogate) else load_sequences(self.model)

    def draw(self, rng: np.random.Generator) -> FloatArray:
        """Draw the (5,) parameters of a reactor."""
        return STANDARD.copy() if self.variation is None else self.variation.draw(rng)

    def loaded(self, reactor: Reactor) -> State:
        """Return the state of furnaces just after loading, without gas."""
        return self.furnace.cold(reactor, self.preheated_c + CELSIUS_K)

    def objective(self, state: State, reactor: Reactor, xp: Any = np) -> Any:
        """Return J of the furnace's present state."""
        return sum(self._parts(state, reactor, xp))

    def parts(self, state: State, reactor: Reactor) -> FloatArray:
        """Return the (B, 3) weighted terms of J: yield, disorder, energy."""
        return np.stack(self._parts(state, reactor, np), axis=1)

    def _parts(self, state: State, reactor: Reactor, xp: Any) -> tuple[Any, Any, Any]:
        tubes, flaws = yield_um(state, reactor), disorder(state.defects, state.grown, xp)
        return self._weighted(tubes, flaws, state.amorphous, state.energy_kwh, xp)

    def _weighted(self, tubes: Any, flaws: Any, amorphous: Any, energy_kwh: Any, xp: Any = np) -> tuple[Any, Any, Any]:
        spoilt = xp.fmin(self.per_disorder * (flaws + 0.1 * amorphous), self.most_disorder)
        return self.per_um * tubes, -spoilt, -self.per_kwh * energy_kwh

    def predicted(self, outcomes: FloatArray) -> FloatArray:
        """Return (...) J of (..., 4) outcomes in the form that a surrogate predicts."""
        tubes, flaws, logarithm, energy = np.moveaxis(outcomes, -1, 0)
        return np.asarray(sum(self._weighted(tubes, flaws, np.expm1(logarithm), energy)))

    def outcomes(self, state: State, reactor: Reactor) -> dict[str, FloatArray]:
        """Return the (B,) outcomes of the furnace's present state, in the form that a reward function gets."""
        grown = {"yield_um": yield_um(state, reactor), "disorder": disorder(state.defects, state.grown)}
        return {**grown, "amorphous": np.array(state.amorphous), "energy_kwh": np.array(state.energy_kwh)}

    def predicted_outcomes(self, outcomes: FloatArray) -> dict[str, FloatArray]:
        """Return the (B,) outcomes for a reward function from (B, 4) outcomes that a surrogate predicts."""
        tubes, flaws, logarithm, energy = outcomes.T
        return {"yield_um": tubes, "disorder": flaws, "amorphous": np.expm1(logarithm), "energy_kwh": energy}

    def run(self, controls: FloatArray, reactors: FloatArray) -> FloatArray:
        """Return (B,) J of whole runs with (B, minutes, 4) controls in (B, 5) or (5,) reactors, by the model."""
        if self.surrogate is not None:
            return self.predicted(self._predicted_run(self.surrogate, controls, reactors))
        return np.asarray(self.objective(*self._simulated_run(controls, reactors)))

    def grown(self, controls: FloatArray, reactors: FloatArray) -> dict[str, FloatArray]:
        """Return the (B,) outcomes at the end of whole runs; the arguments are those of `run`."""
        if self.surrogate is not None:
            return self.predicted_outcomes(self._predicted_run(self.surrogate, controls, reactors))
        return self.outcomes(*self._simulated_run(controls, reactors))

    def _predicted_run(self, surrogate: "SequenceSurrogate", controls: FloatArray, reactors: FloatArray) -> FloatArray:
        """Return (B, 4) outcomes at the end of runs, by a surrogate."""
        reactors = np.broadcast_to(reactors, (len(controls), len(Reactor._fields)))
        with self.ledger.charge("surrogate", len(controls)):
            begun = np.zeros((len(controls), len(OUTCOMES)))
            return surrogate.predict(scaled_actions(controls), reactors, begun)[:, -1]

    def _simulated_run(self, controls: FloatArray, reactors: FloatArray) -> tuple[State, Reactor]:
        """Return the state of the furnaces at the end of runs, by the oracle."""
        reactors = np.broadcast_to(reactors, (len(controls), len(Reactor._fields)))
        reactor = Reactor(*reactors.T.copy())
        state = self.loaded(reactor)
        for minute in range(controls.shape[1]):
            state = self.advance(state, controls[:, minute], reactor)
        return state, reactor

    def cost(self, before: State, after: State) -> FloatArray:
        """Return the (B,) safety cost of a minute: the larger one of heat and soot.

        The cost of heat is 1 at 50 K above the limit, and that of soot 1 at twice the limit.
        """
        heat = (after.temperature_k - CELSIUS_K - self.hottest_c) / 50.0
        soot = (after.amorphous - before.amorphous) / self.soot_per_min - 1.0
        return np.asarray(np.clip(np.maximum(heat, soot), 0.0, 1.0))

    def advance(self, state: State, controls: FloatArray, reactor: Reactor) -> State:
        """Simulate and count one minute of furnace time under (B, 4) controls, as in a recipe."""
        with self.ledger.charge("simulation", len(controls)):
            return self.furnace.hold(state, Controls.of(controls), reactor, STEP_S)
