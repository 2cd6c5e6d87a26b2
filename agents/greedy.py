"""The scripted expert of NanotubeImprovement: the best single change, until none helps."""

from typing import Any, Final

import numpy as np
from typing_extensions import override

from matgym.agents.scripted import Scripted
from matgym.envs.batch import Episodes
from matgym.errors import ConfigurationError
from matgym.typing import IntArray

GAIN: Final = 1e-6
"""Smallest change of the worth that counts: rounding is below. A choice of ours, as is the next one."""

TRIES: Final = 4
"""Number of B or N atoms that are tried in vain before the search stops."""


class Greedy(Scripted):
    """A policy that takes the change of the largest gain.

    A B or N atom gets its partner in the next step, also the one of the largest gain. If both together gain nothing,
    the policy takes the atom away again and tries the next one. It stops when no change is left that helps.
    """

    @override
    def begin(self, episodes: Episodes, rng: np.random.Generator) -> None:
        """Prepare for new episodes in all rows of a batch, which has just been reset.

        Args:
            episodes: the batch.
            rng: not used.

        Raises:
            ConfigurationError: if the episodes are not those of NanotubeImprovement.
        """
        from matgym.envs.nanotube_improvement import NanotubeImprovement  # needs torch

        del rng
        if not isinstance(episodes, NanotubeImprovement):
            raise ConfigurationError(f"{type(episodes).__name__} shows no changes: give NanotubeImprovement")
        self._episodes: NanotubeImprovement = episodes
        size = episodes.size
        self._tried = np.zeros((size, episodes.changes.shape[1]), dtype=bool)
        self._opened = np.zeros(size, dtype=np.int64)  # the change after which an atom lacks its partner
        self._undoes = np.zeros(size, dtype=np.int64)  # the action that takes it back
        self._before = np.zeros(size)  # the worth before it

    @override
    def act(self, observation: Any) -> IntArray:
        """Return (B,) actions; the observation shows the same effects as `NanotubeImprovement.changes`."""
        del observation
        episodes, builder = self._episodes, self._episodes.builder
        masks, changes = episodes.masks(), episodes.changes.astype(np.float64)
        complete, row = builder.excess(slice(None)) == 0, np.arange(episodes.size)
        balanced = builder.excess_after(slice(None)) == 0

        gone = complete & (self._tried.sum(axis=1) >= TRIES)
        free = masks & ~self._tried & (balanced | ~gone[:, None])
        first = np.where(free, changes, -np.inf).argmax(axis=1)
        second = np.where(masks & balanced, changes, -np.inf).argmax(axis=1)
        actions = np.where(complete, first, second)
        total = episodes.worth + changes[row, actions] - np.where(complete, episodes.worth, self._before)
        better = total > GAIN
        self._note(row[complete & better & ~balanced[row, actions]], actions)
        vain = ~complete & ~better
        self._tried[better & balanced[row, actions]] = False  # the tube is another one
        self._tried[row[vain], self._opened[vain]] = True
        return np.where(better, actions, np.where(complete, builder.stop, self._undoes))

    def _note(self, rows: IntArray, actions: IntArray) -> None:
        """Note in (k,) rows that an atom will lack its partner."""
        builder = self._episodes.builder
        self._opened[rows], self._before[rows] = actions[rows], self._episodes.worth[rows]
        self._undoes[rows] = builder.undoing(rows, actions[rows])
