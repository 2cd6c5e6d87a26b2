"""Residual networks on the tube's raster with matching periodic padding, those of the GAN, and its sampling."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm
from typing_extensions import override

from matgym.generative.base import ConditionalGenerator
from matgym.generative.examples import COLUMNS
from matgym.generative.geometry import Geometry
from matgym.generative.placement import place
from matgym.learning.sizes import check_sizes
from matgym.surrogates.networks import build_network
from matgym.surrogates.raster import circular_pad

LARGEST: Final = 5.0
"""The largest change of a score; a draft's scores (Gumbel noise) have a standard deviation of 1.3. Without this bound
scores grow until the soft placement saturates and its gradient vanishes (observed within 80 steps)."""

STYLE: Final = 64
"""The number of units of the layers that embed the condition."""


CLOSE: Final = 0.15
"""The distance from the target, in standard deviations of the data, above which a tube is drawn again. We chose about
the guide's own error, 20 meV."""


@dataclass(frozen=True)
class NetworkSize:
    """The size of generator and discriminator.

    Attributes:
        width: the number of channels of every convolution of the generator.
        blocks: the number of the generator's residual blocks, of two convolutions each.
        latent: the number of global latents of a tube.
        waves: the number of plane waves of random period and phase.
        guide_width: the number of channels of the guide, a `matgym.surrogates.networks.architectures.ResNet`.
        guide_blocks: the number of the guide's residual blocks.
        critic_width: the number of channels of the discriminator.
        critic_blocks: the number of the discriminator's residual blocks.
    """

    width: int = 24
    blocks: int = 2
    latent: int = 16
    waves: int = 3
    guide_width: int = 24
    guide_blocks: int = 3
    critic_width: int = 32
    critic_blocks: int = 2

    def __post_init__(self) -> None:
        check_sizes(**vars(self))

    @property
    def guide(self) -> dict[str, int]:
        """The settings of the guide's network."""
        return {"width": self.guide_width, "blocks": self.guide_blocks}


class Conv(nn.Module):
    """A 3 x 3 convolution, or one of another size, on a periodic raster."""

    def __init__(self, inputs: int, outputs: int, *, size: int = 3, spectral: bool = False) -> None:
        super().__init__()
        conv = nn.Conv2d(inputs, outputs, size)
        self.conv = spectral_norm(conv) if spectral else conv
        self.reach = size // 2

    def forward(self, x: Tensor, shift: int) -> Tensor:
        """Return (B, outputs, H, W) features of a (B, inputs, H, W) raster."""
        out: Tensor = self.conv(circular_pad(x, shift, self.reach) if self.reach else x)
        return out


class Conditioned(nn.Module):
    """Residual blocks on the raster that depend on a condition.

    The condition scales and shifts the features of every block (Perez et al., FiLM, AAAI 2018). Features are normalised
    for each tube separately, so that the output for a tube does not depend on its batch.
    """

    def __init__(self, inputs: int, numbers: int, width: int, blocks: int, outputs: int) -> None:
        """Initialise the weights; blocks have two convolutions each, and the initial output is zero."""
        super().__init__()
        self.stem = Conv(inputs, width)
        self.embed = nn.Sequential(nn.Linear(numbers, STYLE), nn.SiLU(), nn.Linear(STYLE, STYLE), nn.SiLU())
        self.first = nn.ModuleList([Conv(width, width) for _ in range(blocks)])
        self.second = nn.ModuleList([Conv(width, width) for _ in range(blocks)])
        self.films = nn.ModuleList([nn.Linear(STYLE, 4 * width) for _ in range(blocks)])
        self.last = Conv(width, outputs, size=1)
        for parameter in self.last.parameters():
            nn.init.zeros_(parameter)

    def forward(self, raster: Tensor, numbers: Tensor, shift: int) -> Tensor:
        """Return (B, outputs, H, W) features of a (B, inputs, H, W) raster and (B, numbers) of the condition."""
        style = self.embed(numbers)
        x = self.stem(raster.contiguous(memory_format=torch.channels_last), shift)
        for first, second, film in zip(self.first, self.second, self.films, strict=True):
            scale, move, scale2, move2 = film(style)[:, :, None, None].chunk(4, dim=1)
            h = first(torch.relu(_normed(x) * (1.0 + scale) + move), shift)
            x = x + second(torch.relu(_normed(h) * (1.0 + scale2) + move2), shift)
        out: Tensor = self.last(torch.relu(x), shift)
        return out


class Generator(nn.Module):
    """The network that changes the scores of a random draft, given a condition.

    The output is added to the draft's own scores (see `scores`), so that an untrained network leaves the draft as it
    is. The noise is an input of the network, which would not be able to predict the final tube if the noise were added
    to its output. A guide, which is the auxiliary regressor's network with fixed weights, predicts the draft's distance
    from the target and gives features of the draft.

    Attributes:
        size: the size of the network.
        guide: the network that predicts the property; its weights are fixed.
        calibration: (2,) scale and offset that turn the guide's output into the unit of the condition's target.
    """

    calibration: Tensor

    def __init__(self, size: NetworkSize, kinds: int) -> None:
        super().__init__()
        self.size = size
        self.guide = build_network("resnet", size.guide, kinds, 1).eval()
        self.guide.requires_grad_(requires_grad=False)
        self.register_buffer("calibration", torch.tensor([1.0, 0.0]))
        inputs, numbers = size.guide_width + 4 * kinds + 2 * size.waves, size.latent + len(COLUMNS) + 1
        self.editor = Conditioned(inputs, numbers, size.width, size.blocks, 2 * kinds)

    def train(self, mode: bool = True) -> "Generator":  # as torch has it
        """Set the mode of all layers but the guide's, which always stays in evaluation mode."""
        super().train(mode)
        self.guide.eval()
        return self

    def forward(
        self, draft: Tensor, noise: Tensor, numbers: Tensor, latent: Tensor, condition: Tensor, shift: int
    ) -> Tensor:
        """Return the changes of scores.

        Args:
            draft: (B, 2 K, H, W) zeros and ones.
            noise: (B, 2 K + 2 waves, H, W) the draft's scores and the plane waves.
            numbers: (B, K + 1) the guide's features of the whole tube.
            latent: (B, latent) global latents.
            condition: (B, columns) standardised conditions.
            shift: the shift of the raster.

        Returns:
            (B, 2 K, H, W).
        """
        features, miss = self.look(draft, numbers, condition, shift)
        style = torch.cat([latent, condition, miss], dim=1)
        change = self.editor(torch.cat([features, draft, noise], dim=1), style, shift)
        return LARGEST * torch.tanh(change / LARGEST)

    def look(self, raster: Tensor, numbers: Tensor, condition: Tensor, shift: int) -> tuple[Tensor, Tensor]:
        """Return the guide's features of tubes and its prediction of their distance from the target.

        Returns:
            The (B, guide width, H, W) features, and the (B, 1) target minus the prediction, in the unit of `condition`.
        """
        with torch.no_grad():
            features = self.guide.body(raster, shift)
            predicted = self.guide.head(torch.cat([self.guide.pooled(features), numbers], dim=1))
            return features, condition[:, :1] - (predicted * self.calibration[0] + self.calibration[1])


def _normed(x: Tensor) -> Tensor:
    """Scale every tube's features to mean zero and variance one over channels and pixels (layer normalisation)."""
    return nn.functional.layer_norm(x, x.shape[1:])


class Discriminator(nn.Module):
    """The network that distinguishes real from generated tubes, given a condition.

    The condition enters by projection (Miyato and Koyama, ICLR 2018): an inner product of its embedding with the
    features pooled over the tube.
    """

    def __init__(self, size: NetworkSize, kinds: int, *, spectral: bool, projection: bool) -> None:
        super().__init__()
        width = size.critic_width
        self.stem = Conv(2 * kinds, width, spectral=spectral)
        self.first = nn.ModuleList([Conv(width, width, spectral=spectral) for _ in range(size.critic_blocks)])
        self.second = nn.ModuleList([Conv(width, width, spectral=spectral) for _ in range(size.critic_blocks)])
        head = nn.Linear(2 * width, 1)
        embed = nn.Linear(len(COLUMNS), 2 * width)
        self.head = spectral_norm(head) if spectral else head
        self.embed = (spectral_norm(embed) if spectral else embed) if projection else None

    def forward(self, raster: Tensor, condition: Tensor, shift: int) -> Tensor:
        """Return (B,) outputs, higher for real tubes, for a (B, 2 K, H, W) raster and (B, columns) conditions."""
        x = nn.functional.leaky_relu(self.stem(raster, shift), 0.2)
        for first, second in zip(self.first, self.second, strict=True):
            x = x + second(nn.functional.leaky_relu(first(x, shift), 0.2), shift)
            x = nn.functional.leaky_relu(x, 0.2)
        pooled = torch.cat([x.mean(dim=(2, 3)), (x * x).mean(dim=(2, 3)).clamp(min=1e-6).sqrt()], dim=1)
        out: Tensor = self.head(pooled)[:, 0]
        if self.embed is not None:
            out = out + (self.embed(condition) * pooled).sum(dim=1)
        return out


@dataclass(frozen=True)
class Noise:
    """The random inputs of the generator.

    Attributes:
        gumbel: (B, K, S) standard Gumbel noise: the scores of a draft, whose placement is a random valid tube.
        waves: (B, 2 waves, H, W) plane waves of random period and phase.
        latent: (B, latent) global latents.
    """

    gumbel: Tensor
    waves: Tensor
    latent: Tensor


def draw_noise(size: NetworkSize, shape: Geometry, count: int, kinds: int, rng: np.random.Generator) -> Noise:
    """Draw the noise for `count` tubes of one lattice."""
    uniform = rng.random((count, kinds, shape.lattice.n_sites), dtype=np.float32)
    gumbel = -torch.from_numpy(-np.log(np.maximum(uniform, np.float32(1e-12)))).clamp(min=1e-12).log()
    latent = torch.from_numpy(rng.standard_normal((count, size.latent), dtype=np.float32))
    return Noise(gumbel.to(shape.device), shape.waves(count, size.waves, rng), latent.to(shape.device))


def scores(network: Generator, shape: Geometry, condition: Tensor, budget: Tensor, noise: Noise) -> Tensor:
    """Return the (B, K, S) scores of a draft plus the network's changes, for (B, K) atoms of each species."""
    draft = place(noise.gumbel, budget, shape.neighbours)
    beside = torch.cat([shape.raster(noise.gumbel), noise.waves], dim=1)
    change: Tensor = network(shape.raster(draft), beside, shape.numbers(draft), noise.latent, condition, shape.shift)
    return noise.gumbel + change.reshape(noise.gumbel.shape)


@dataclass(frozen=True)
class TubeGenerator(ConditionalGenerator):
    """The generator of a trained GAN.

    If the guide predicts that a drawn tube is further from the target than `CLOSE`, a second tube is drawn and the
    nearer of the two is returned (rejection sampling; Azadi et al., ICLR 2019, use the discriminator for it).

    Attributes:
        draws: the largest number of draws for a tube; with 1 the first draw is returned.
    """

    draws: int = 2

    @override
    def placed(self, shape: Geometry, condition: Tensor, budget: Tensor, rng: np.random.Generator) -> Tensor:
        kept = self._once(shape, condition, budget, rng)
        if self.draws == 1:
            return kept
        missed, rows = self._missed(shape, kept, condition), torch.arange(len(kept), device=shape.device)
        for _ in range(self.draws - 1):
            rows = rows[missed[rows] > CLOSE]
            if not len(rows):
                break
            again = self._once(shape, condition[rows], budget[rows], rng)
            distance = self._missed(shape, again, condition[rows])
            better = distance < missed[rows]
            kept[rows[better]], missed[rows[better]] = again[better], distance[better]
        return kept

    def _once(self, shape: Geometry, condition: Tensor, budget: Tensor, rng: np.random.Generator) -> Tensor:
        noise = draw_noise(self.network.size, shape, len(condition), len(self.kinds), rng)
        return place(scores(self.network, shape, condition, budget, noise), budget, shape.neighbours)

    def _missed(self, shape: Geometry, placed: Tensor, condition: Tensor) -> Tensor:
        """Return the (B,) distance from the target that the guide predicts, in standard deviations of the data."""
        _, miss = self.network.look(shape.raster(placed), shape.numbers(placed), condition, shape.shift)
        distance: Tensor = miss[:, 0].abs()
        return distance
