"""Campaigns of experiments: one experiment per step, a budget, and the whole record as observation."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from matgym.envs.arguments import require_room
from matgym.envs.batch import ALL, Episodes, Rows
from matgym.envs.rewards import RewardType, Withheld
from matgym.errors import require_counts
from matgym.registration import CAMPAIGN_STEPS
from matgym.typing import BoolArray, Float32Array, FloatArray, Info, IntArray

EXPERIMENTS: Final = 20
"""The default number of experiments of a campaign."""


class Drawn(NamedTuple):
    """The names and scales of a campaign in pictures.

    Attributes:
        title: the objective in words.
        inputs: the names of the inputs.
        name: the name of the measured quantity.
        unit: its unit; "" if unknown.
        scale: the values with the scores 0 and 1.
        source: the source of true values, such as "emulator".
    """

    title: str
    inputs: tuple[str, ...]
    name: str
    unit: str
    scale: tuple[float, float]
    source: str


class Campaign(Episodes):
    """A batch of campaigns; a subclass carries out the experiments.

    Attributes:
        history: (B, experiments, d + 1) actions of the experiments and their measured scores.
        done: (B,) number of experiments that were made.
        best: (B,) largest true score so far, 0 at first.
    """

    render_modes = ("rgb_array",)
    time_limit = CAMPAIGN_STEPS

    def __init__(
        self, size: int, inputs: int, experiments: int, facts: tuple[str, ...], reward_type: RewardType | None
    ) -> None:
        """Prepare campaigns.

        Args:
            size: B, the number of campaigns.
            inputs: d, the number of inputs of an experiment.
            experiments: the budget.
            facts: names in `info["objectives"]` besides the score and the best score.
            reward_type: when campaigns are rewarded; None for "dense".

        Raises:
            ConfigurationError: if the budget is empty.
        """
        require_counts(experiments=experiments)
        require_room(size, experiments * (inputs + 2))
        self.size, self.experiments, self.steps = size, experiments, experiments
        self.action_space = spaces.Box(-1.0, 1.0, (inputs,), np.float32)
        self.observation_space = spaces.Box(-1.0, 1.0, (experiments * (inputs + 1) + 1,), np.float32)
        self.history = np.zeros((size, experiments, inputs + 1))
        self.done = np.zeros(size, dtype=np.int64)
        self.best = np.zeros(size)
        self._deviates = np.zeros((size, experiments))
        self._last = {name: np.zeros(size) for name in ("score", *facts)}
        self._withheld = Withheld(size) if reward_type == "sparse" else None

    @abstractmethod
    def carry_out(self, actions: FloatArray, deviates: FloatArray, rows: Rows) -> tuple[FloatArray, FloatArray, Info]:
        """Carry out an experiment in each of (k,) rows.

        Args:
            actions: (k, d) inputs, scaled to [-1, 1].
            deviates: (k,) standard normal numbers, for the noise of the measurements.
            rows: the indices of the campaigns.

        Returns:
            (k,) true scores, about 1 for a good experiment; (k,) measured scores; the facts by name.
        """

    def restart(self, rows: IntArray, generators: Sequence[np.random.Generator], options: Mapping[str, Any]) -> None:
        """Begin campaigns without experiments."""
        del options
        self.history[rows], self.done[rows], self.best[rows] = 0.0, 0, 0.0
        for values in self._last.values():
            values[rows] = 0.0
        if self._withheld is not None:
            self._withheld.restart(rows)
        for row, rng in zip(rows, generators, strict=True):
            self._deviates[row] = rng.standard_normal(self.experiments)

    def info(self) -> Info:
        """Return the results of the last experiment, zeros before the first, and the best score so far."""
        return {"objectives": {"best": self.best.copy()} | {name: each.copy() for name, each in self._last.items()}}

    def step(self, actions: FloatArray, rows: Rows = ALL) -> tuple[FloatArray, BoolArray]:
        """Carry out one experiment."""
        which = np.arange(self.size)[rows]
        at = self.done[which]
        score, measured, facts = self.carry_out(actions, self._deviates[which, at], rows)
        self.history[which, at] = np.column_stack([actions, np.clip(measured, -1.0, 1.0)])
        self.done[which] += 1
        for name, values in {"score": score, **facts}.items():
            self._last[name][which] = values
        better = np.maximum(self.best[which], score)
        reward, self.best[which] = np.clip(better - self.best[which], -1.0, 1.0), better
        over = self.done[which] >= self.experiments
        return reward if self._withheld is None else self._withheld.pay(rows, reward, over), over

    def observe(self, rows: Rows = ALL) -> Float32Array:
        """Return (rows, (d + 1) experiments + 1) float32 in [-1, 1]."""
        share = 2.0 * self.done[rows] / self.experiments - 1.0
        return np.asarray(np.column_stack([self.history[rows].reshape(len(share), -1), share]), dtype=np.float32)

    # ---- pictures

    @abstractmethod
    def drawn(self) -> Drawn:
        """Return how a picture names and scales actions and measured values."""

    def charted(self) -> FloatArray:
        """Return (B, 1) the best true score so far."""
        return self.best[:, None].copy()

    def render(self, mode: str, row: int = 0) -> npt.NDArray[np.uint8]:
        """Return a campaign as an (H, W, 3) uint8 picture: what was measured over the budget, the best, rewards."""
        from matgym.envs.pictures import rewards_of
        from matgym.viz.canvas import Canvas
        from matgym.viz.panels import STATE, Gauge, head, side
        from matgym.viz.processes import Record, campaign

        if mode != "rgb_array":
            super().render(mode, row)
        drawn, done = self.drawn(), int(self.done[row])
        canvas = Canvas()
        head(canvas, drawn.title, f"experiment {done} of {self.experiments}", done / self.experiments)
        zero, one = drawn.scale
        tried = self.history[row, :done]
        best = np.full(done, self.best[row])
        noted = self.chronicle.course(row, self.charted()[row])[1:, 0]
        best[: len(noted)] = noted
        span = sorted((zero - (one - zero), zero + 1.2 * (one - zero)))
        record = Record(
            self.experiments,
            drawn.inputs,
            tried[:, :-1],
            zero + tried[:, -1] * (one - zero),
            zero + best * (one - zero),
            drawn.name,
            (span[0], span[1]),
        )
        campaign(canvas, STATE, record)
        made = done > 0
        last = float(self._last["measured"][row]) if made else None  # observations hold it clipped
        top = float(record.best[-1]) if made else None
        aim = "large" if one > zero else "small"
        gauges = [
            Gauge("last measured", drawn.unit, *record.span, last, aim="with noise"),
            Gauge("best so far", drawn.unit, *record.span, top, aim=aim, source=drawn.source),
        ]
        side(canvas, gauges, rewards_of(self, row))
        return canvas.pixels()
