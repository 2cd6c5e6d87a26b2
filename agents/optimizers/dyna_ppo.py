"""DyNA-PPO: an agent that also learns from models of what its search has found (Angermueller et al., ICLR 2020)."""

from typing import Any, Final
from warnings import catch_warnings

import numpy as np
from typing_extensions import override

from matgym.agents.optimizers.memory import Memory
from matgym.agents.optimizers.rl_search import Asking, RLSearch
from matgym.agents.problem import Problem
from matgym.tasks import Designs, Scores
from matgym.typing import FloatArray

FOLDS: Final = 5
LEAST_R2: Final = 0.5
"""Folds of the cross-validation, and the R² above which a model is used: as published."""

REHEARSALS: Final = 60
"""Number of updates on models between two on evaluations. Tried on one seed of the instance `stiffness`: with 10, as
with none, the best reward of 256 designs is 0.38, with 60 it is 0.54."""

REPEATED: Final = 0.1
"""What each earlier reward of the same design takes from the reward, so that the agent does not propose a few designs
again and again. Published is a sum over designs within a distance; the number and the distance of zero are ours."""


class DynaPPO(RLSearch):
    """Proximal policy optimization with rounds of training on models of the rewards.

    After each update on evaluated designs, models are fitted to all of them: ridge regression, nearest neighbours, a
    random forest and a Gaussian process, on the features of the space. The agent learns from the mean of those that
    predict held-out evaluations with R² of at least `LEAST_R2`, and from evaluations alone while there is none. A
    design that was evaluated is not evaluated again.

    Args:
        rehearsals: number of updates on models between two on evaluations.
        overrides: see `RLSearch`.
    """

    algorithm = "PPO"

    def __init__(
        self,
        problem: Problem,
        budget: int,
        rng: np.random.Generator,
        rehearsals: int = REHEARSALS,
        overrides: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(problem, budget, rng, overrides)
        self._rehearsals = rehearsals
        self._memory = Memory(problem.space)
        self._features: list[FloatArray] = []
        self._rewards: list[FloatArray] = []
        self._times: dict[Any, int] = {}
        self._models: list[Any] = []

    @override
    def tell(self, designs: Designs, scores: Scores) -> None:
        self._memory.add(designs, scores.reward)
        self._features.append(self.space.features(designs))
        self._rewards.append(np.nan_to_num(scores.reward))
        super().tell(designs, scores)

    @override
    def _learn(self) -> None:
        from greenlet import getcurrent

        def evaluated(designs: Designs) -> FloatArray:
            keys = self._memory.keys(designs)  # copies of one design have one key
            new = sorted({key: row for row, key in enumerate(keys) if not self._memory.has(key)}.values())
            if new:
                getcurrent().parent.switch(designs[new].copy())
            return np.array([self._memory.reward(each[None]) for each in designs])

        def rewarded(designs: Designs) -> FloatArray:
            rewards = self._predicted(designs) if self._models else evaluated(designs)
            return rewards - REPEATED * self._repeats(designs)

        agent = self._agent(Asking(self.problem, rewarded))
        while True:
            known = sum(map(len, self._rewards))
            agent.learn(1, reset_num_timesteps=False)
            if sum(map(len, self._rewards)) == known:  # it has nothing new to propose: show it something
                evaluated(self._memory.new(lambda: self.problem.start(1, self.rng), self.rng))
            self._models = self._fitted()
            for _ in range(self._rehearsals if self._models else 0):
                agent.learn(1, reset_num_timesteps=False)
            self._models = []

    def _repeats(self, designs: Designs) -> FloatArray:
        """Return (B,) how often each design was rewarded before."""
        counts = np.zeros(len(designs))
        for row, key in enumerate(self._memory.keys(designs)):
            counts[row] = self._times.get(key, 0)
            self._times[key] = self._times.get(key, 0) + 1
        return counts

    def _predicted(self, designs: Designs) -> FloatArray:
        features = self.space.features(designs)
        return np.asarray(np.mean([model.predict(features) for model in self._models], axis=0))

    def _fitted(self) -> list[Any]:
        """Return the models that predict held-out evaluations."""
        from sklearn.ensemble import RandomForestRegressor
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
        from sklearn.linear_model import BayesianRidge
        from sklearn.model_selection import KFold, cross_val_score
        from sklearn.neighbors import KNeighborsRegressor
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        x, y = np.concatenate(self._features), np.concatenate(self._rewards)
        if len(y) < 2 * FOLDS or np.ptp(y) == 0.0:
            return []
        seed = int(self.rng.integers(2**31))
        length = np.sqrt(x.shape[1])
        kernel = ConstantKernel() * Matern(length, (0.1 * length, 30.0 * length), nu=2.5) + WhiteKernel(1e-2)
        candidates = [
            make_pipeline(StandardScaler(), each)
            for each in (
                BayesianRidge(),
                KNeighborsRegressor(FOLDS),
                RandomForestRegressor(50, random_state=seed),
                GaussianProcessRegressor(kernel, normalize_y=True),
            )
        ]
        folds = KFold(FOLDS, shuffle=True, random_state=seed)
        with catch_warnings(action="ignore", category=ConvergenceWarning):  # a bound was met
            return [
                each.fit(x, y)
                for each in candidates
                if cross_val_score(each, x, y, scoring="r2", cv=folds).mean() >= LEAST_R2
            ]
