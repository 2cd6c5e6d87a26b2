"""The pair model on the residual of a surrogate: what a trained network says, and what the search learns of its error.

The surrogate's training is not counted by the ledger of a search: its card holds the number of its labels.
"""

from typing import Any, Final

import numpy as np
from typing_extensions import override

from matgym.agents.optimizers.pair_model import PairModel
from matgym.agents.problem import Problem
from matgym.errors import ConfigurationError
from matgym.models import Model
from matgym.surrogates.sources import as_model
from matgym.tasks import Designs
from matgym.typing import FloatArray

SURROGATES: Final = {"gap_ev": "nanotube-doping", "thermal_conductance_nw_k": "nanotube-heat"}
"""Names of the surrogates that are used by default, by the key of the property."""


class ResidualModel(PairModel):
    """The pair model with the predictions of a surrogate as its prior mean.

    The prior mean of each property is the surrogate's prediction times a slope, which is fitted to the evaluations.

    Args:
        surrogate: a model of the properties of all objectives, or its name; by default that of `SURROGATES`. It must
            not be the model that rewards the designs: predictions of that model are evaluations.
        batch: see `PairModel`.

    Raises:
        ConfigurationError: if there is no surrogate of the property or for these designs, the surrogate is the model of
            an objective, or the task has a reward function.
        PropertyError: if the surrogate does not predict the property of an objective.
    """

    def __init__(
        self, problem: Problem, budget: int, rng: np.random.Generator, surrogate: Any = None, batch: int = 1
    ) -> None:
        self._surrogate = _surrogate(problem, surrogate)
        self._keys = [each.key for each in problem.task.counted]
        super().__init__(problem, budget, rng, batch)

    @override
    def _prior(self, designs: Designs) -> FloatArray:
        predictions = self._surrogate.predict(self.space.decode(designs))
        return np.nan_to_num(np.stack([predictions[key] for key in self._keys], axis=1))


def _surrogate(problem: Problem, surrogate: Any) -> Model[Any]:
    """Return the surrogate, after checking that it predicts the properties of these designs."""
    task = problem.task
    first = task.counted[0].property
    if task.reward is not None:
        raise ConfigurationError(f"a surrogate of {first} has no effect with a reward function: use pair-model")
    surrogate = SURROGATES.get(first.key) if surrogate is None else surrogate
    if surrogate is None:
        raise ConfigurationError(f"there is no surrogate of {first}: give surrogate=, or use pair-model")
    model = as_model(surrogate, first)
    for each in task.counted:
        model.property_of(each.key)  # raises an error if it is not predicted
        if model.name == each.model.name:
            raise ConfigurationError(
                f"the surrogate {model.name} is the model that rewards the designs, whose predictions are evaluations: "
                "give another surrogate, or use pair-model"
            )
    if reason := model.unsupported(task.space):
        raise ConfigurationError(f"{model.name} cannot predict these designs: {reason}")
    return model
