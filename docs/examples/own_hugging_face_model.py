"""A model of Hugging Face's transformers of your own: `pip install transformers torch`. The weights here are random.

A vision model gets the rasters of tubes as `pixel_values` and returns `logits`. A pipeline returns a record for each
tube, whose label is the name of a property. Pipelines that read text are told which text a tube has.
"""

import torch
from transformers import Pipeline, ResNetConfig, ResNetForImageClassification

from matgym.surrogates import PipelineModel, as_model
from matgym.surrogates.raster import CHANNELS, encode
from matgym.testing import check_model

config = ResNetConfig(num_channels=CHANNELS, hidden_sizes=[4, 8], depths=[1, 1], id2label={0: "gap_ev"})
network = ResNetForImageClassification(config).eval()
check_model(as_model(network, "gap_ev"))


class GapPipeline(Pipeline):
    """A pipeline from tubes to records."""

    def _sanitize_parameters(self, **_):
        return {}, {}, {}

    def preprocess(self, inputs):
        """Return the arguments of the network for one tube."""
        return {"pixel_values": torch.from_numpy(encode(inputs.lattice, inputs.species[None]))}

    def _forward(self, tensors):
        return self.model(**tensors)

    def postprocess(self, output):
        """Return the record of one tube."""
        return {"label": self.model.config.id2label[0], "score": float(output.logits[0, 0])}


model = PipelineModel(GapPipeline(model=network), "gap_ev")  # inputs=f if it reads f(tube), such as a text
check_model(model)
print(model)
