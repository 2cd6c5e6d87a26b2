"""A surrogate of your own, three lines each. What passes the check can be an environment's `reward`."""

from tempfile import TemporaryDirectory

import torch
from ase.calculators.lj import LennardJones
from sklearn.linear_model import Ridge
from torch import nn

from matgym.data import Dataset
from matgym.surrogates import descriptors
from matgym.surrogates.raster import CHANNELS
from matgym.testing import check_surrogate

module = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(CHANNELS, 1)).eval()
raster = torch.zeros(2, CHANNELS, 8, 8)
check_surrogate(module)  # a torch module, from (B, channels, H, W) rasters to (B, 1)

data = Dataset.load("nanotube-doping").split("validation")
regressor = Ridge().fit(descriptors.of(data.tubes()), data.values("gap_ev"))
check_surrogate(regressor)  # a scikit-learn regressor, on pairs of atoms

with TemporaryDirectory() as folder:
    torch.onnx.export(module, (raster,), f"{folder}/my.onnx", dynamo=True, verbose=False, dynamic_shapes=[{0: "batch"}])
    check_surrogate(f"{folder}/my.onnx")  # an ONNX file, from the rasters that a torch module gets

check_surrogate(LennardJones(sigma=1.25))  # an ASE calculator, for its potential energy
check_surrogate(lambda tubes: [tube.counts[3] / tube.n_sites for tube in tubes])  # a function, here the boron share
print(f"gap by ridge regression: {regressor.predict(descriptors.of(data.tubes()[:1]))[0]:.3f} eV")
