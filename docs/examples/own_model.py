"""A model of your own, three lines each. What passes the check can be an environment's `model`."""

from tempfile import TemporaryDirectory

import torch
from ase.calculators.lj import LennardJones
from sklearn.linear_model import Ridge
from torch import nn

from matgym.data import Dataset
from matgym.surrogates import AseModel, FunctionModel, OnnxModel, SklearnModel, TorchModel, descriptors
from matgym.surrogates.raster import CHANNELS
from matgym.testing import check_model

module = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(CHANNELS, 1))
raster = torch.zeros(2, CHANNELS, 6, 11)
check_model(TorchModel(module, "gap_ev"))  # a torch module, from (B, channels, H, W) rasters to (B, 1)
check_model(TorchModel(module.to(torch.bfloat16), "gap_ev"))  # in any precision, on any device, in either mode
module.float()

heads = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(CHANNELS, 2))
check_model(TorchModel(heads, ["gap_ev", "pi_formation_ev"]))  # two properties: (B, 2)

data = Dataset.load("nanotube-doping").split("validation")
regressor = Ridge().fit(descriptors.of(data.batch), data.values("gap_ev"))
check_model(SklearnModel(regressor, "gap_ev"))  # a scikit-learn regressor or pipeline, on pairs of atoms

with TemporaryDirectory() as folder:
    file, batch = f"{folder}/my.onnx", [{0: "batch"}]
    torch.onnx.export(module.eval(), (raster,), file, dynamo=True, verbose=False, dynamic_shapes=batch)
    check_model(OnnxModel(file, "gap_ev"))  # an ONNX file, from the rasters that a torch module gets

check_model(AseModel(LennardJones(sigma=1.25)))  # an ASE calculator, for its potential energy; so is tblite's TBLite
check_model(FunctionModel(lambda tubes: [tube.counts[3] / tube.n_sites for tube in tubes], "boron_share"))


def gap_by_network(tubes):
    """Call whatever you have: tensors with gradients, series, mappings with `logits`, NaN where there is no value."""
    features = torch.tensor(descriptors.of(tubes), requires_grad=True)
    return {"logits": features @ torch.tensor(regressor.coef_)}


check_model(FunctionModel(gap_by_network, "gap_ev"))
print(f"gap by ridge regression: {regressor.predict(descriptors.of(data.batch[:1]))[0]:.3f} eV")
