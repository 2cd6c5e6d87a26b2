"""Bayesian optimization with a Gaussian process on what the designs of a space have in common.

For decorated tubes that is the number of dopants and of pairs of dopants in each orbit (`matgym.tasks.pairs`), so that
the model is a cluster expansion up to pairs with a remainder; for other spaces see `DesignSpace.features`. The expected
improvement is maximized by the space's own mutations.
"""

from typing import TYPE_CHECKING, Any, Final
from warnings import catch_warnings

import numpy as np
from scipy.stats import norm
from typing_extensions import override

from matgym.agents.optimizers.heuristics import Remembering
from matgym.agents.problem import Problem
from matgym.tasks import Designs, Objective, Scores, tolerance
from matgym.typing import BoolArray, FloatArray

if TYPE_CHECKING:
    from sklearn.gaussian_process import GaussianProcessRegressor

START: Final = 16
"""Number of random designs before the first model."""

GROWTH: Final = 1.25
"""Factor by which the data grow between two fits of the hyper-parameters."""

MOST_FITTED: Final = 512
"""Most designs that hyper-parameters are fitted to: the cost is their third power."""

PARENTS: Final = 16
CHILDREN: Final = 16
ROUNDS: Final = 6
STRANGERS: Final = 128
"""The search of the expected improvement: `ROUNDS` times, the best `PARENTS` have `CHILDREN` mutants each; it begins
with the best designs that were asked and with `STRANGERS` random ones. All are choices of ours, not tuned."""

LEAST_LIKELY: Final = 0.01
"""Least chance that a design meets the constraint, so that doubt about all of them does not end the search."""

STEEPEST: Final = 2.0
"""Largest slope of the outcomes against what was known of them before; a choice of ours."""

SAMPLES: Final = 64
"""Number of samples of the posterior that give the expected improvement of several objectives."""


class PairModel(Remembering):
    """Bayesian optimization on counts of pairs of dopants; see the module.

    One process models each objective's property (with a reward function, the reward), so that a target is met from both
    sides. Matérn 5/2 kernel and a linear one, on features that are scaled alike; hyper-parameters by the marginal
    likelihood (scikit-learn). Failures count as the worst value that was seen. With a constraint, one more process
    learns which designs meet it.

    Designs that are pending count as evaluated with their predicted values (Ginsbourger, Le Riche and Carraro,
    Computational Intelligence in Expensive Optimization Problems, 131 (2010)), so that the search is concurrent.

    Args:
        batch: number of designs per `ask`; of more than one, each is the best by one sample of the posterior
            (Thompson sampling).
    """

    concurrent = True

    def __init__(self, problem: Problem, budget: int, rng: np.random.Generator, batch: int = 1) -> None:
        super().__init__(problem, budget, rng)
        self.batch = batch
        self._designs: list[Designs] = []
        self._features: list[FloatArray] = []
        self._outcomes: list[FloatArray] = []
        self._rewards: list[FloatArray] = []
        self._allowed: list[BoolArray] = []
        self._models: list[GaussianProcessRegressor] = []
        self._priors: list[FloatArray] = []
        self._fitted = 0
        if problem.known is not None:
            self.tell(problem.known.designs, problem.known.scores)

    # ---- ask and tell

    @override
    def ask(self) -> Designs:
        asked, memory = sum(map(len, self._designs)) + len(self.pending), self.memory.excluding(self.pending)
        if asked < START or not self._designs:
            count = max(min(START, self.budget) - asked, 1)
            return memory.new(lambda: self.problem.start(count, self.rng), self.rng)
        self._fit()
        found, worth = self._climbed()
        order = np.argsort(-worth, kind="stable")[: 4 * PARENTS]
        order = order[~memory.old(found[order])]
        if not len(order):
            return memory.new(lambda: self.space.mutate(self._best(1), self.rng), self.rng)
        if self.batch == 1:
            place = order[self._chosen(found[order], worth[order])]
            return np.asarray(found[place : place + 1])
        drawn = self._rewarded(self._drawn(found[order], self.batch))
        return np.asarray(found[order[np.unique(drawn.argmax(axis=0))]])

    @override
    def tell(self, designs: Designs, scores: Scores) -> None:
        self.memory.add(designs, scores.reward)
        self._designs.append(designs.copy())
        self._features.append(self.space.features(designs))
        self._rewards.append(scores.reward)
        self._outcomes.append(self._outcome(scores))
        self._priors.append(self._prior(designs))
        self._allowed.append(np.ones(len(designs), dtype=bool) if scores.cost is None else scores.cost <= 0.0)

    # ---- what is modelled

    @property
    def _objectives(self) -> tuple[Objective, ...]:
        return self.problem.task.counted

    def _outcome(self, scores: Scores) -> FloatArray:
        """Return (B, k) what is modelled: the value of each objective's property, or the reward of a function."""
        if self.problem.task.reward is not None:
            return scores.reward[:, None]
        return np.stack([scores.predictions[each.key] for each in self._objectives], axis=1)

    def _prior(self, designs: Designs) -> FloatArray:
        """Return (B, k) what is known of the outcomes without an evaluation; nothing in this class."""
        return np.zeros((len(designs), 1 if self.problem.task.reward is not None else len(self._objectives)))

    def _rewarded(self, outcomes: FloatArray) -> FloatArray:
        """Return (...) worth of (..., k) outcomes: more is better, and not clipped where rewards are."""
        if self.problem.task.reward is not None:
            return outcomes[..., 0]
        objectives, targets = self._objectives, iter(self.problem.target.tolist())
        parts = []
        for place, each in enumerate(objectives):
            value = outcomes[..., place]
            if each.direction != "target":
                parts.append((value if each.direction == "maximize" else -value) / (each.high - each.low))
            elif len(objectives) > 1:
                parts.append(tolerance(value - next(targets), each.margin))
            else:
                parts.append(-np.abs(value - next(targets)) / each.margin)
        weights = np.array([each.weight for each in objectives])
        return np.tensordot(weights / weights.sum(), np.stack(parts), axes=1)

    # ---- the model

    def _fit(self) -> None:
        """Fit one process to each outcome; hyper-parameters only when the data have grown."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import ConstantKernel, DotProduct, Matern, WhiteKernel

        features, outcomes = np.concatenate(self._features), np.concatenate(self._outcomes)
        self._middle = features.mean(axis=0)
        self._width = np.sqrt(((features - self._middle) ** 2).sum(axis=1).mean()) or 1.0
        x = self._scaled(features)
        again = len(x) >= GROWTH * self._fitted
        allowed = np.concatenate(self._allowed)
        complete = np.stack([self._without_failures(column) for column in outcomes.T], axis=1)
        priors = np.concatenate(self._priors)
        self._slopes = np.array([_slope(*pair) for pair in zip(priors.T, complete.T, strict=True)])
        columns = list((complete - self._slopes * priors).T)
        columns += [] if allowed.all() else [allowed.astype(np.float64)]
        models: list[GaussianProcessRegressor] = []
        for place, y in enumerate(columns):
            kernel: Any = (
                ConstantKernel(1.0, (1e-3, 1e3)) * Matern(1.0, (0.1, 30.0), nu=2.5)
                + ConstantKernel(1.0, (1e-3, 1e3)) * DotProduct(0.0, "fixed")
                + WhiteKernel(1e-4, (1e-8, 1.0))
            )
            known = place < len(self._models)
            if known:
                kernel = self._models[place].kernel_
            if again or not known:
                part = slice(None) if len(x) <= MOST_FITTED else self.rng.choice(len(x), MOST_FITTED, replace=False)
                with catch_warnings(action="ignore", category=ConvergenceWarning):  # a bound was met
                    kernel = GaussianProcessRegressor(kernel, normalize_y=True).fit(x[part], y[part]).kernel_
            model = GaussianProcessRegressor(kernel, optimizer=None, normalize_y=True).fit(x, y)
            models.append(model if not len(self.pending) else self._believed(model, x, y))
        self._models, self._modelled = models, outcomes.shape[1]
        worth = self._rewarded(outcomes)
        sound = np.isfinite(worth)
        best = worth[sound & allowed]
        self._most = float(best.max()) if best.size else float(worth[sound].min(initial=0.0))
        self._fitted = len(x) if again else self._fitted

    def _believed(self, model: "GaussianProcessRegressor", x: FloatArray, y: FloatArray) -> "GaussianProcessRegressor":
        """Return a process that also holds the pending designs, with the values that it predicts for them."""
        more = self._scaled(self.space.features(self.pending))
        together = np.concatenate([x, more]), np.append(y, model.predict(more))
        return type(model)(model.kernel_, optimizer=None, normalize_y=True).fit(*together)

    def _without_failures(self, values: FloatArray) -> FloatArray:
        worth, sound = np.concatenate(self._rewards), np.isfinite(values)
        worst = values[sound][np.argmin(worth[sound])] if sound.any() else 0.0
        return np.where(sound, values, worst)

    def _scaled(self, features: FloatArray) -> FloatArray:
        return np.asarray((features - self._middle) / self._width)

    def _drawn(self, designs: Designs, count: int) -> FloatArray:
        """Return (B, count, k) samples of the posterior."""
        x, models = self._scaled(self.space.features(designs)), self._models[: self._modelled]
        seeds = self.rng.integers(2**31, size=len(models))
        columns = [model.sample_y(x, count, random_state=int(seed)) for model, seed in zip(models, seeds, strict=True)]
        return np.stack(columns, axis=2) + (self._slopes * self._prior(designs))[:, None]

    # ---- the acquisition

    def _worth(self, designs: Designs) -> FloatArray:
        """Return (B,) expected improvement over the best design, times the chance that the constraint is met."""
        x = self._scaled(self.space.features(designs))
        return self._likely(x) * self._improvement(x, self._slopes * self._prior(designs))

    def _likely(self, x: FloatArray) -> FloatArray:
        """Return (B,) chance that the constraint is met at (B, F) scaled features."""
        for guard in self._models[self._modelled :]:  # it has seen 1 where the constraint was met, else 0
            return np.asarray(np.clip(guard.predict(x), LEAST_LIKELY, 1.0))
        return np.ones(len(x))

    def _moments(self, x: FloatArray, offsets: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return (B, k) means and standard deviations of the outcomes at (B, F) scaled features."""
        moments = [model.predict(x, return_std=True) for model in self._models[: self._modelled]]
        means = np.stack([mean for mean, _ in moments], axis=1) + offsets
        return means, np.maximum(np.stack([sd for _, sd in moments], axis=1), 1e-12)

    def _sampled(self, x: FloatArray, offsets: FloatArray) -> FloatArray:
        """Return (B, SAMPLES) worths at (B, F) scaled features, by the same random numbers for all designs."""
        means, deviations = self._moments(x, offsets)
        noise = np.random.default_rng(0).standard_normal((1, SAMPLES, self._modelled))
        return np.asarray(self._rewarded(means[:, None] + deviations[:, None] * noise))

    def _improvement(self, x: FloatArray, offsets: FloatArray) -> FloatArray:
        """Return (B,) expected improvement at (B, F) scaled features, with (B, k) offsets of the outcomes."""
        if self._modelled == 1:
            means, deviations = self._moments(x, offsets)
            return self._of_one(means[:, 0], deviations[:, 0], self._most)
        worth = self._sampled(x, offsets)
        return np.asarray(np.maximum(worth - self._most, 0.0).mean(axis=1) + 1e-9 * worth.mean(axis=1))

    def _of_one(self, mean: FloatArray, sd: FloatArray, best: float) -> FloatArray:
        """Return (B,) expected improvement of one outcome, in closed form."""
        first = self._objectives[0]
        if self.problem.task.reward is None and first.direction == "target":
            within, target = -best * first.margin, float(self.problem.target[0])
            ends = (
                _above(mean, sd, target - within) - 2.0 * _above(mean, sd, target) + _above(mean, sd, target + within)
            )
            return np.asarray(ends + 1e-9 * (-np.abs(mean - target)))
        worth = self._rewarded(mean[:, None])
        scale = 1.0 if self.problem.task.reward is not None else first.high - first.low
        return _above(worth, sd / scale, best)

    def _climbed(self) -> tuple[Designs, FloatArray]:
        """Return designs of large expected improvement, and their expected improvement."""
        found = np.concatenate([self._best(PARENTS), self.space.sample(STRANGERS, self.rng)])
        found = np.concatenate([found, self._mutants(found[:PARENTS])])
        worth = self._worth(found)
        for _ in range(ROUNDS):
            children = self._mutants(found[np.argsort(-worth, kind="stable")[:PARENTS]])
            found, worth = np.concatenate([found, children]), np.concatenate([worth, self._worth(children)])
        return found, worth

    def _mutants(self, parents: Designs) -> Designs:
        """Return `CHILDREN` designs of each parent, by one to three mutations."""
        children = np.repeat(parents, CHILDREN, axis=0)
        moves = 1 + self.rng.integers(3, size=len(children))
        for move in range(3):
            children[moves > move] = self.space.mutate(children[moves > move], self.rng)
        return children

    def _chosen(self, candidates: Designs, worth: FloatArray) -> int:
        """Return the index of the design to be evaluated, among new ones in the order of (k,) expected improvements."""
        del candidates, worth
        return 0

    def _best(self, count: int) -> Designs:
        order = np.argsort(-np.concatenate(self._rewards), kind="stable")[:count]
        return np.concatenate(self._designs)[order]


def _slope(prior: FloatArray, outcome: FloatArray) -> float:
    """Return the slope, from 0 to `STEEPEST`, of the line that predicts outcomes from what was known before."""
    apart = prior - prior.mean()
    variance = float(apart @ apart)
    return float(np.clip(apart @ outcome / variance, 0.0, STEEPEST)) if variance > 0.0 else 0.0


def _above(mean: FloatArray, sd: FloatArray, bound: float) -> FloatArray:
    """Return the expectation of max(x - bound, 0) of normal numbers (Jones et al., J. Global Optim. 13, 455 (1998))."""
    z = (mean - bound) / sd
    return np.asarray(sd * norm.pdf(z) + (mean - bound) * norm.cdf(z))
