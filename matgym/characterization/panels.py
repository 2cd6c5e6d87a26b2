"""Pictures of answers: measurements beside simulations, in the form in which networks see them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from matgym.errors import FormatError
from matgym.files import atomic_path
from matgym.typing import Float32Array, FloatArray

PICTURES: Final = (".png", ".svg", ".pdf")
"""Formats of pictures."""


def picture_path(path: Path | str) -> Path:
    """Return the path of a picture.

    Raises:
        FormatError: if its format is unknown.
    """
    path = Path(path)
    if path.suffix.lower() not in PICTURES:
        raise FormatError(
            f"{path} is no picture: name a file that ends in {', '.join(PICTURES[:-1])} or {PICTURES[-1]}"
        )
    return path


def save_panels(
    path: Path | str,
    panels: Sequence[tuple[str, Sequence[Float32Array] | Float32Array]],
    axes: Sequence[tuple[str, FloatArray]] = (),
) -> None:
    """Draw panels side by side.

    Args:
        path: the picture.
        panels: title of each panel, and its image as the first entry or its curves.
        axes: label and places of each curve; none for images.

    Raises:
        FormatError: if the format of the picture is unknown.
    """
    from matplotlib.figure import Figure

    path, rows = picture_path(path), max(len(axes), 1)
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
