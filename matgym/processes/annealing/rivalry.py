"""A network that predicts which grain takes a site from the labels around it.

As in PRIMME (Yan, Melville, Krause et al., Mater. Des. 222, 111032 (2022)), the state is a map of labels and a network
predicts for each site near a boundary which label of its neighbourhood it takes. Here the same network scores every
label in reach from the number of sites that it holds at each distance (orbits of the square's symmetry), and the label
with the highest score is the most probable: threshold dynamics (Merriman, Bence and Osher, J. Comput. Phys. 112, 334
(1994)) with learned kernels and threshold. By construction no label, side or direction is preferred, boundaries stay
sharp, and films may have any size.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from matgym.processes.annealing.microstructure import PARTICLE, Labels
from matgym.typing import BoolArray, Float32Array, FloatArray

SEEN: Final = 6
"""The number of sites to each side that are inputs of the network (D); with 4 or 5, large grains grow too slowly."""

REACH: Final = 2
"""The distance in sites to each side from which a label may come (D). In up to 15 sweeps, 6 in 10,000 labels come from
further away."""

RIVALS: Final = 6
"""The largest number of labels among which one is chosen; it suffices for the 5 x 5 sites in reach of 99 % of sites."""

SWEEPS: Final = 15.0
"""The largest number of sweeps of the Potts model in one move (D)."""

_NEVER: Final = -40.0


class Sites(NamedTuple):
    """N sites near boundaries, in all films.

    Attributes:
        where: (B, H, W) mask of the sites; the other attributes have the order of its true entries.
        seen: (N, 169) labels around each site.
        rivals: (N, RIVALS) labels that the site may take, its own first; padded with PARTICLE.
    """

    where: BoolArray
    seen: Labels
    rivals: Labels


def near_boundaries(labels: Labels) -> BoolArray:
    """Return the (B, H, W) mask of sites that have more than one label in reach."""
    near = np.zeros(labels.shape, dtype=bool)
    for axis in (1, 2):
        differs = labels != np.roll(labels, 1, axis=axis)
        near |= differs | np.roll(differs, -1, axis=axis)
    for _ in range(REACH - 1):
        for axis in (1, 2):
            near = near | np.roll(near, 1, axis=axis) | np.roll(near, -1, axis=axis)
    return near


def look(labels: Labels, where: BoolArray) -> Sites:
    """Return the surroundings of some sites of (B, H, W) periodic labels."""
    padded = np.pad(labels, ((0, 0), (SEEN, SEEN), (SEEN, SEEN)), mode="wrap")
    film, row, column = np.nonzero(where)
    centres = np.ravel_multi_index((film, row + SEEN, column + SEEN), padded.shape)
    steps = np.arange(-SEEN, SEEN + 1)
    seen = padded.ravel()[centres[:, None] + (steps[:, None] * padded.shape[2] + steps).ravel()]
    return Sites(where, seen, _rivals(seen))


def _rivals(seen: Labels) -> Labels:
    side = 2 * SEEN + 1
    inner = slice(SEEN - REACH, SEEN + REACH + 1)
    reach = seen.reshape(len(seen), side, side)[:, inner, inner].reshape(len(seen), (2 * REACH + 1) ** 2)
    rivals = np.full((len(seen), RIVALS), PARTICLE)
    rivals[:, 0] = seen[:, seen.shape[1] // 2]
    rows, left = np.arange(len(seen)), (reach != rivals[:, :1]) & (reach != PARTICLE)
    for column in range(1, RIVALS):
        more = left.any(axis=1)
        rows, reach, left = rows[more], reach[more], left[more]
        label = reach[np.arange(len(rows)), left.argmax(axis=1)]
        rivals[rows, column] = label
        left &= reach != label[:, None]
    return rivals


class Rivalry(nn.Module):
    """A network that scores a label at a site by the sites of the label and of particles around it.

    Attributes:
        width: the width of both hidden layers.
        orbits: (169, 28) see `_orbits`.
    """

    orbits: Tensor

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.width = width
        self.register_buffer("orbits", torch.from_numpy(_orbits()), persistent=False)
        counts = self.orbits.shape[1]
        self.grain = nn.Linear(counts, width)
        self.particles = nn.Linear(counts, width, bias=False)
        self.drive = nn.Linear(1, width, bias=False)
        self.strength = nn.Sequential(nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 1, bias=False))

    def forward(self, sites: Sites, sweeps: FloatArray) -> Tensor:
        """Return (N, RIVALS) log-probabilities that a label takes a site in (N,) sweeps; -40 for padding."""
        site, rival = np.nonzero(sites.rivals)
        holds = sites.seen[site] == sites.rivals[site, rival][:, None]
        device = self.orbits.device
        drive = _floats(np.sqrt(sweeps / SWEEPS), device)
        around = self.particles(_floats(sites.seen == PARTICLE, device) @ self.orbits) + self.drive(drive[:, None])
        places = torch.from_numpy(site).to(device), torch.from_numpy(rival).to(device)
        strength = self.strength(self.grain(_floats(holds, device) @ self.orbits) + around[places[0]])[:, 0]
        never = torch.full(sites.rivals.shape, _NEVER, device=device)
        return torch.log_softmax(never.index_put(places, strength), dim=1)


def _floats(values: BoolArray | FloatArray, device: torch.device) -> Tensor:
    return torch.from_numpy(values.astype(np.float32)).to(device)


def _orbits() -> Float32Array:
    """Return (169, 28) indicators of the symmetry orbits of the places around a site, each column of norm 1."""
    steps = np.abs(np.arange(-SEEN, SEEN + 1))
    far, near = np.maximum(steps[:, None], steps), np.minimum(steps[:, None], steps)
    kinds = np.unique((far * (SEEN + 1) + near).ravel(), return_inverse=True)[1]
    members = (kinds[:, None] == np.arange(kinds.max() + 1)).astype(np.float32)
    return np.asarray(members / np.sqrt(members.sum(axis=0)))


def choose(rivals: Labels, chances: Float32Array, drawn: npt.NDArray[np.floating]) -> Labels:
    """Return (N,) labels drawn by (N, RIVALS) probabilities and (N,) numbers between 0 and 1.

    The cumulative distribution is ordered by label, so that sites on both sides of a boundary take the same label if
    their numbers are equal.
    """
    order = np.argsort(rivals, axis=1)
    upto = np.cumsum(np.take_along_axis(chances, order, axis=1), axis=1)
    taken = np.minimum((upto < drawn[:, None]).sum(axis=1), RIVALS - 1)
    return np.asarray(np.take_along_axis(np.take_along_axis(rivals, order, axis=1), taken[:, None], axis=1)[:, 0])
