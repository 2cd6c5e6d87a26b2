"""Types for annotations in all packages of matgym."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float64]
Float32Array: TypeAlias = NDArray[np.float32]
IntArray: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]
ComplexArray: TypeAlias = NDArray[np.complex128]
SpeciesArray: TypeAlias = NDArray[np.uint8]
"""Species codes, one per site: see `matgym.structures.Species`."""
Values: TypeAlias = Any
"""Numbers, arrays, or symbols of CasADi: the arguments of the equations of the furnace."""
Module: TypeAlias = Any
"""NumPy, or a module with the same functions for symbols."""
Observation: TypeAlias = Any
"""An array or a dictionary of arrays, as the observation space of an environment defines."""
Info: TypeAlias = dict[str, Any]
"""The info dictionary of Gymnasium."""
