"""Pictures of answers: measurements beside simulations, in the form in which networks see them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from matgym.files import atomic_path
from matgym.typing import Float32Array, FloatArray


def save_panels(
    path: Path,
    panels: Sequence[tuple[str, Sequence[Float32Array] | Float32Array]],
    axes: Sequence[tuple[str, FloatArray]] = (),
) -> None:
    """Draw panels side by side.

    Args:
        path: the picture.
        panels: title of each panel, and its image as the first entry or its curves.
        axes: label and places of each curve; none for images.
    """
    from matplotlib.figure import Figure

    rows = max(len(axes), 1)
    figure = Figure(figsize=(3.2 * len(panels), 1.0 + 2.4 * rows), layout="constrained")
    every = np.reshape(figure.subplots(rows, len(panels)), (rows, len(panels)))
    for column, (title, values) in enumerate(panels):
        every[0, column].set_title(title)
        if not axes:
            every[0, column].imshow(values[0], cmap="gray")
            every[0, column].set_axis_off()
        for row, (label, places) in enumerate(axes):
            every[row, column].plot(places, values[row])
            every[row, column].set_xlabel(label)
    with atomic_path(path) as scratch:
        figure.savefig(scratch)
