"""The metallic share of tubes, as a sum over the (n, m) of classes, and errors of shares."""

import re

import numpy as np

from matgym.characterization.recognition.measures import Labels, share_error, shares_of
from matgym.typing import BoolArray, FloatArray


def metallic_classes(classes: tuple[str, ...]) -> BoolArray | None:
    """Return the (classes,) classes that are metallic tubes, n - m a multiple of 3; None if classes are no tubes."""
    pairs = [re.fullmatch(r"\((\d+),(\d+)\)", name) for name in classes]
    if not all(pairs):
        return None
    return np.array([(int(pair[1]) - int(pair[2])) % 3 == 0 for pair in pairs if pair])


def metallic_share(classes: tuple[str, ...], probabilities: FloatArray) -> FloatArray | None:
    """Return the (B,) probabilities, or shares, of metallic tubes; None if classes are no tubes."""
    metallic = metallic_classes(classes)
    return None if metallic is None else np.asarray(probabilities[:, metallic].sum(axis=1))


def species_errors(classes: tuple[str, ...], probabilities: FloatArray, labels: Labels) -> dict[str, float]:
    """Return the mean absolute error of the metallic share of tubes, and the error of all shares of mixtures."""
    found = {"share_error": share_error(probabilities, labels)} if labels.ndim == 2 else {}
    truth = metallic_share(classes, shares_of(labels, len(classes)))
    answer = metallic_share(classes, probabilities)
    if truth is not None and answer is not None:
        found["metallic_error"] = float(np.abs(answer - truth).mean())
    return found
