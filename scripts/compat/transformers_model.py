"""Hugging Face's models and pipelines, with random weights, give the reward; their values are those of the logits."""

import gymnasium as gym
import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    PreTrainedTokenizerFast,
    ResNetConfig,
    ResNetForImageClassification,
    TextClassificationPipeline,
)

import matgym  # noqa: F401  # registers the environments
from matgym.structures import Nanotube, TubeBatch, tube_lattice
from matgym.surrogates import PipelineModel, TorchModel, as_model
from matgym.surrogates.raster import CHANNELS, encode
from matgym.testing import check_model
from scripts.compat.common import play

ROUNDING = 1e-5  # relative: single precision, in batches of another size
SYMBOLS = {0: "C", 3: "B", 4: "N"}
KEYS = ("gap_ev", "pi_formation_ev")


def text(tube):
    """Return the symbols of the sites in their order: all that this model reads."""
    return " ".join(SYMBOLS.get(code, "[UNK]") for code in tube.species.tolist())


def vision():
    """Return a residual network on rasters with one output."""
    sizes = {"embedding_size": 4, "hidden_sizes": [4, 8], "depths": [1, 1], "num_labels": 1}
    return ResNetForImageClassification(ResNetConfig(num_channels=CHANNELS, **sizes)).eval()


def reader(keys):
    """Return a pipeline from text to properties by a small encoder."""
    words = Tokenizer(models.WordLevel({word: i for i, word in enumerate(("[PAD]", "[UNK]", "C", "B", "N"))}, "[UNK]"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, pad_token="[PAD]", unk_token="[UNK]")  # noqa: S106
    config = BertConfig(
        vocab_size=5, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        problem_type="regression", id2label=dict(enumerate(keys)), initializer_range=0.5,
    )  # fmt: skip
    model = BertForSequenceClassification(config).eval()
    return TextClassificationPipeline(model=model, tokenizer=tokenizer, top_k=None)


def main():
    torch.manual_seed(0)
    lattice = tube_lattice(8, 0, 4)
    species = np.zeros((5, lattice.n_sites), dtype=np.uint8)
    for row, sites in enumerate(([], [0], [3, 9], [0, 1, 2], [40, 41, 60])):
        species[row, sites] = 3 + row % 2
    batch, network = TubeBatch.uniform(lattice, species), vision()
    images = as_model(network, "gap_ev")
    assert isinstance(images, TorchModel)
    check_model(images)
    with torch.no_grad():
        logits = network(torch.from_numpy(encode(lattice, species))).logits.numpy()
    assert np.allclose(images.predict(batch)["gap_ev"], logits[:, 0], rtol=ROUNDING)

    for keys in (KEYS[:1], KEYS):
        pipeline = reader(keys)
        texts = PipelineModel(pipeline, keys, inputs=text)
        check_model(texts, [Nanotube(8, 0, 4).decorated({0: "B"}), Nanotube(5, 5, 3)])
        tokens = pipeline.tokenizer([text(tube) for tube in batch], return_tensors="pt", padding=True)
        with torch.no_grad():
            logits = pipeline.model(**tokens).logits.numpy()
        found = texts.predict(batch)
        for column, key in enumerate(keys):
            assert np.allclose(found[key], logits[:, column], rtol=ROUNDING), f"{found[key]}, not {logits[:, column]}"

    for model in (images, PipelineModel(reader(KEYS[:1]), "gap_ev", inputs=text)):
        _, total = play(gym.make("matgym/NanotubeDoping-v0", model=model, targets=(0.0, 1.2)), np.random.default_rng(0))
        assert 0.0 <= total <= 1.0, f"{model} paid {total}"


if __name__ == "__main__":
    main()
