"""How little a new material takes: a binary alloy on a square lattice, which is no nanotube."""

from dataclasses import dataclass

import numpy as np
import pytest

from matgym.envs.design import DesignEnv, DesignVectorEnv
from matgym.errors import ConfigurationError
from matgym.models import Level, Model, Predictions, Property
from matgym.physics import GAP_EV
from matgym.surrogates import as_model
from matgym.tasks import Choices, DesignTask, Objective
from matgym.testing import check_env, check_model, check_space, check_task, check_vector_env

EDGE = 4
ENERGY = Property("mixing_ev", "eV", "energy of a site by its unlike neighbours, each of which lowers it by 1 eV")


@dataclass(frozen=True, eq=False)
class Alloy(Choices):
    """Atoms of two kinds on a square lattice without ends: (B, 4, 4) arrays of -1 and 1."""

    def decode(self, designs):
        return 2 * designs.reshape(-1, EDGE, EDGE) - 1

    def encode(self, batch):
        return (batch.reshape(-1, EDGE**2) + 1) // 2

    def key(self, designs):
        moves = [(p, q) for p in range(EDGE) for q in range(EDGE)]
        return np.min([super(Alloy, self).key(shifted(designs, *move)) for move in moves], axis=0)


class Mixing(Model[np.ndarray]):
    properties = (ENERGY,)
    level = Level.CLASSICAL

    def predict(self, atoms, /):
        unlike = sum(atoms != np.roll(atoms, 1, axis=axis) for axis in (1, 2))
        return Predictions({ENERGY.key: -unlike.mean(axis=(1, 2))})


def shifted(designs, p=1, q=2):
    return np.roll(designs.reshape(-1, EDGE, EDGE), (p, q), axis=(1, 2)).reshape(len(designs), -1)


def test_space_model_task_and_environments_conform():
    space, model = Alloy((2,) * EDGE**2), Mixing()
    check_space(space, copies=shifted)
    check_model(model, space)
    task = DesignTask(space, (Objective(ENERGY, model, "minimize", -2.0, 0.0, oracle=model),))
    check_task(task)
    check_env(DesignEnv(task=task))
    check_vector_env(DesignVectorEnv(3, task=task), lambda: DesignEnv(task=task))
    board = np.indices((EDGE, EDGE)).sum(axis=0).reshape(1, -1) % 2
    assert task.score(board, np.zeros((1, 0))).reward == 1.0
    with pytest.raises(ConfigurationError, match="its designs are not tubes"):
        DesignTask(space, (Objective(GAP_EV, as_model("nanotube-doping", GAP_EV)),))
