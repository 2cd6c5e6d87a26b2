"""Types used across the package."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float64]
Float32Array: TypeAlias = NDArray[np.float32]
IntArray: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]
ComplexArray: TypeAlias = NDArray[np.complex128]
SpeciesArray: TypeAlias = NDArray[np.uint8]
"""Species codes, one a site: see `matgym.structures.Species`."""
Values: TypeAlias = Any
"""Numbers, arrays, or the symbols of CasADi: what the equations of the furnace are written for."""
Module: TypeAlias = Any
"""NumPy, or what computes with symbols in its stead."""
Observation: TypeAlias = Any
"""An array or a dictionary of arrays, as the observation space of an environment has it."""
Info: TypeAlias = dict[str, Any]
"""What Gymnasium calls info."""
