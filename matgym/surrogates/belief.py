"""What a surrogate believes of a batch of tubes: values, and how far each may be off."""

from dataclasses import dataclass

from matgym.typing import BoolArray, FloatArray


@dataclass(frozen=True)
class Belief:
    """Predictions with their uncertainty, one property.

    Attributes:
        mean: (B,) values.
        sd: (B,) standard deviations; NaN where the source does not know them.
        half_width: (B,) half the width of the interval that holds the truth in 90 % of cases, for tubes like those of
            the training data; NaN where the source does not know it.
        distance: (B,) how far out of the training data a tube lies; above 1 it counts as out of distribution; NaN
            where the source cannot tell.
        members: (M, B) what each network of an ensemble predicts; the mean alone where there is only one.
    """

    mean: FloatArray
    sd: FloatArray
    half_width: FloatArray
    distance: FloatArray
    members: FloatArray

    @property
    def out_of_distribution(self) -> BoolArray:
        """(B,) whether each tube lies further out than nearly all that the surrogate was calibrated on."""
        return self.distance > 1.0
