"""Which grain takes a site: a network over the labels around it.

As in PRIMME (Yan, Melville, Krause et al., Mater. Des. 222, 111032 (2022)), the state is a map of labels and a network
says for each site near a boundary which label of its neighbourhood it takes. Here every label in reach is shown to the
same network as how many sites it holds at each distance (orbits of the square's symmetry), and the strongest is the
likeliest: threshold dynamics (Merriman, Bence and Osher, J. Comput. Phys. 112, 334 (1994)) whose kernels and threshold
are learned. No label, side or direction is preferred by construction, boundaries stay sharp, and any size serves.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from matgym.processes.annealing.microstructure import PARTICLE, Labels
from matgym.typing import BoolArray, Float32Array, FloatArray

SEEN: Final = 6
"""Sites that the network sees to each side: with 4 or 5, large grains grow too slowly (D)."""

REACH: Final = 2
"""Sites to each side whose label may be taken: in up to 15 sweeps, 6 in 10,000 labels come from further off (D)."""

RIVALS: Final = 6
"""Labels among which one is chosen: what the 5 x 5 sites in reach hold, but for 1 site in 100."""

SWEEPS: Final = 15.0
"""Most sweeps of the Potts model that one move stands for (D)."""

_NEVER: Final = -40.0


class Sites(NamedTuple):
    """Sites near boundaries, N of them in all films.

    Attributes:
        where: (B, H, W) which they are, in the order of the others.
        seen: (N, 169) labels around each.
        rivals: (N, RIVALS) labels that may take it, its own first; filled up with PARTICLE.
    """

    where: BoolArray
    seen: Labels
    rivals: Labels


def near_boundaries(labels: Labels) -> BoolArray:
    """(B, H, W) sites that have more than one label in reach."""
    near = np.zeros(labels.shape, dtype=bool)
    for axis in (1, 2):
        differs = labels != np.roll(labels, 1, axis=axis)
        near |= differs | np.roll(differs, -1, axis=axis)
    for _ in range(REACH - 1):
        for axis in (1, 2):
            near = near | np.roll(near, 1, axis=axis) | np.roll(near, -1, axis=axis)
    return near


def look(labels: Labels, where: BoolArray) -> Sites:
    """What is around some sites of (B, H, W) labels; periodic."""
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
        found = reach[np.arange(len(rows)), left.argmax(axis=1)]
        rivals[rows, column] = found
        left &= reach != found[:, None]
    return rivals


class Rivalry(nn.Module):
    """How strong a label stands at a site, from where it and particles are; two hidden layers of `width`."""

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
        """(N, RIVALS) log-chances that a label takes a site in (N,) sweeps; e^-40 where there is no label."""
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
    """(169, 28) of places around a site by what the square's symmetries make alike, each column of norm 1."""
    steps = np.abs(np.arange(-SEEN, SEEN + 1))
    far, near = np.maximum(steps[:, None], steps), np.minimum(steps[:, None], steps)
    kinds = np.unique((far * (SEEN + 1) + near).ravel(), return_inverse=True)[1]
    members = (kinds[:, None] == np.arange(kinds.max() + 1)).astype(np.float32)
    return np.asarray(members / np.sqrt(members.sum(axis=0)))


def choose(rivals: Labels, chances: Float32Array, drawn: npt.NDArray[np.floating]) -> Labels:
    """(N,) labels by (N, RIVALS) chances and (N,) numbers between 0 and 1.

    Labels are laid out by their number, so that sites on both sides of a boundary move alike for a like number.
    """
    order = np.argsort(rivals, axis=1)
    upto = np.cumsum(np.take_along_axis(chances, order, axis=1), axis=1)
    taken = np.minimum((upto < drawn[:, None]).sum(axis=1), RIVALS - 1)
    return np.asarray(np.take_along_axis(np.take_along_axis(rivals, order, axis=1), taken[:, None], axis=1)[:, 0])
