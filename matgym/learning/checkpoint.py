"""Files that let a killed training go on as if it had not been killed."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from matgym.errors import DatasetError
from matgym.files import atomic_path


@dataclass(frozen=True)
class Checkpoint:
    """A file that holds a training's state; none at all if `path` is None.

    Attributes:
        path: of the file; written whole or not at all.
        identity: what the training is of: data, settings, start weights. Another training's file is an error.
    """

    path: Path | None
    identity: Mapping[str, object]

    def write(self, state: Mapping[str, object]) -> None:
        """Store the state: tensors and plain values."""
        if self.path is None:
            return
        with atomic_path(self.path) as scratch:
            torch.save({"identity": self._identity, **state}, scratch)

    def read(self, device: torch.device) -> dict[str, Any] | None:
        """Return the stored state, its tensors on `device`; None if there is no file.

        Raises:
            DatasetError: if the file is damaged or another training's.
        """
        if self.path is None or not self.path.exists():
            return None
        try:
            # Tensors and plain values: no code is run.
            content = torch.load(self.path, weights_only=True, map_location=device)
        except Exception as error:  # noqa: BLE001  # torch raises half a dozen kinds for a damaged file
            raise DatasetError(f"{self.path} is no checkpoint: {error}; remove it to begin anew") from None
        if not isinstance(content, dict) or content.get("identity") != self._identity:
            raise DatasetError(
                f"{self.path} belongs to another training (data, settings or start weights differ); remove it"
            )
        return content

    @property
    def _identity(self) -> str:
        return json.dumps(dict(self.identity), sort_keys=True, default=str)


def digest(*arrays: npt.NDArray[Any]) -> str:
    """Return a digest of arrays: their shapes, types and values."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(f"{array.shape} {array.dtype}".encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()[:24]


def weights_digest(net: nn.Module) -> str:
    """Return a digest of a network's weights and buffers."""
    return digest(*(value.detach().cpu().numpy() for value in net.state_dict().values()))
