"""What the earlier evaluations of a search say about new designs: a Gaussian process with fixed hyper-parameters."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from matgym.frozen import ValueObject
from matgym.tasks import Designs, DesignSpace
from matgym.typing import FloatArray

LENGTH: Final = 1.0
NOISE: Final = 1e-3
"""Length of the kernel, in units of the root mean square distance of random designs from their mean, and variance of
the noise, in units of that of the rewards. Choices of ours, not tuned."""

SCALED_BY: Final = 256
"""Number of random designs that give the scale of the features; none is evaluated."""


@dataclass(frozen=True, eq=False)
class Scaling(ValueObject):
    """Shift and scale of the features of a space, so that random designs have mean 0 and total variance 1.

    Attributes:
        space: the design space.
        middle: (F,) mean of the features of random designs.
        width: root mean square distance of these from their mean.
    """

    space: DesignSpace
    middle: FloatArray
    width: float

    @classmethod
    def of(cls, space: DesignSpace) -> "Scaling":
        """Return the scaling of a space; always the same for the same space."""
        features = space.features(space.sample(SCALED_BY, np.random.default_rng(0)))
        middle = features.mean(axis=0)
        width = float(np.sqrt(((features - middle) ** 2).sum(axis=1).mean()))
        return cls(space, middle, width or 1.0)

    def __call__(self, designs: Designs) -> FloatArray:
        """Return (B, F) scaled features of designs."""
        return np.asarray((self.space.features(designs) - self.middle) / self.width)


def kernel(first: FloatArray, second: FloatArray) -> FloatArray:
    """Return (..., n, m) covariances of (..., n, F) and (..., m, F) scaled features.

    The kernel is a linear one plus a Gaussian one, each with weight 1.
    """
    linear = first @ np.swapaxes(second, -1, -2)
    lengths = ((first**2).sum(-1)[..., :, None], (second**2).sum(-1)[..., None, :])
    apart = np.maximum(lengths[0] + lengths[1] - 2.0 * linear, 0.0)
    return np.asarray(linear + np.exp(-0.5 * apart / LENGTH**2))


def predicted(seen: FloatArray, rewards: FloatArray, asked: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return mean and standard deviation of the process at new designs, for each of R searches.

    Args:
        seen: (R, n, F) scaled features of evaluated designs.
        rewards: (R, n) their rewards, scaled to mean 0 and variance 1.
        asked: (R, m, F) scaled features of new designs.

    Returns:
        (R, m) means and (R, m) standard deviations (Rasmussen and Williams, Gaussian Processes for Machine Learning,
        2006, eqs. 2.25 and 2.26).
    """
    prior = 1.0 + (asked**2).sum(-1)
    covariance = kernel(seen, seen) + NOISE * np.eye(seen.shape[1])
    between = kernel(seen, asked)
    solved = np.linalg.solve(covariance, np.concatenate([rewards[..., None], between], axis=-1))
    mean = np.einsum("rnm,rn->rm", between, solved[..., 0])
    variance = prior - (between * solved[..., 1:]).sum(axis=1)
    return mean, np.sqrt(np.maximum(variance, 1e-12))
