"""Residual networks on the tube's raster, with padding that knows how it wraps; the GAN's, and how it draws tubes."""

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
from matgym.surrogates.networks import make_network
from matgym.surrogates.raster import circular_pad

LARGEST: Final = 5.0
"""Largest change of a score, of which a draft's vary by 1.3 (Gumbel noise): unbounded, scores grow until the soft
placement saturates and no gradient is left (seen within 80 steps)."""

STYLE: Final = 64
"""Units of the layers that tell a network what is wanted."""


CLOSE: Final = 0.15
"""Distance from the target, in standard deviations of the data's, about the guide's own error: 20 meV. Chosen by us."""


@dataclass(frozen=True)
class NetworkSize:
    """Size of generator and discriminator.

    Attributes:
        width: channels of every convolution of the generator.
        blocks: its residual blocks, of two convolutions each.
        latent: numbers of noise for the tube as a whole.
        waves: plane waves of random period and phase.
        guide_width: channels of the guide, a `matgym.surrogates.networks.architectures.ResNet`.
        guide_blocks: its residual blocks.
        critic_width: channels of the discriminator.
        critic_blocks: its residual blocks.
    """

    width: int = 24
    blocks: int = 2
    latent: int = 16
    waves: int = 3
    guide_width: int = 24
    guide_blocks: int = 3
    critic_width: int = 32
    critic_blocks: int = 2

    @property
    def guide(self) -> dict[str, int]:
        """Settings of the guide's network."""
        return {"width": self.guide_width, "blocks": self.guide_blocks}


class Conv(nn.Module):
    """A 3 x 3 convolution, or one of another size, on a raster that wraps."""

    def __init__(self, inputs: int, outputs: int, *, size: int = 3, spectral: bool = False) -> None:
        super().__init__()
        conv = nn.Conv2d(inputs, outputs, size)
        self.conv = spectral_norm(conv) if spectral else conv
        self.reach = size // 2

    def forward(self, x: Tensor, shift: int) -> Tensor:
        """(B, inputs, H, W) → (B, outputs, H, W)."""
        out: Tensor = self.conv(circular_pad(x, shift, self.reach) if self.reach else x)
        return out


class Conditioned(nn.Module):
    """Residual blocks on the raster, told what is wanted.

    Numbers for the tube as a whole scale and shift every block's features (Perez et al., FiLM, AAAI 2018), which are
    normalised a tube at a time, so that what comes out for a tube does not depend on its batch.
    """

    def __init__(self, inputs: int, numbers: int, width: int, blocks: int, outputs: int) -> None:
        """Fresh weights; blocks have two convolutions each, and the result is zero at first."""
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
        """(B, inputs, H, W), (B, numbers), shift of the raster → (B, outputs, H, W)."""
        style = self.embed(numbers)
        x = self.stem(raster.contiguous(memory_format=torch.channels_last), shift)
        for first, second, film in zip(self.first, self.second, self.films, strict=True):
            scale, move, scale2, move2 = film(style)[:, :, None, None].chunk(4, dim=1)
            h = first(torch.relu(_normed(x) * (1.0 + scale) + move), shift)
            x = x + second(torch.relu(_normed(h) * (1.0 + scale2) + move2), shift)
        out: Tensor = self.last(torch.relu(x), shift)
        return out


class Generator(nn.Module):
    """A draft of random atoms and a condition → how much every species' score on every site is to change.

    The draft's own scores are added to what this gives (see `scores`): without a word of the
    network a draft stays as it is. So the network knows which tube its answer ends in, which it could not if the noise
    came after it. A guide, the auxiliary regressor's network with its weights kept, tells by how much the draft misses
    the target, and gives its features.

    Attributes:
        size: of the network.
        guide: a regressor of the property; its weights are not trained here.
        calibration: (2,) scale and offset that turn the guide's output into the unit of the condition's target.
    """

    calibration: Tensor

    def __init__(self, size: NetworkSize, kinds: int) -> None:
        super().__init__()
        self.size = size
        self.guide = make_network("resnet", size.guide, kinds, 1).eval()
        self.guide.requires_grad_(requires_grad=False)
        self.register_buffer("calibration", torch.tensor([1.0, 0.0]))
        inputs, numbers = size.guide_width + 4 * kinds + 2 * size.waves, size.latent + len(COLUMNS) + 1
        self.editor = Conditioned(inputs, numbers, size.width, size.blocks, 2 * kinds)

    def train(self, mode: bool = True) -> "Generator":  # as torch has it
        """The guide stays as it is in use."""
        super().train(mode)
        self.guide.eval()
        return self

    def forward(
        self, draft: Tensor, noise: Tensor, numbers: Tensor, latent: Tensor, condition: Tensor, shift: int
    ) -> Tensor:
        """Scores' changes.

        Args:
            draft: (B, 2 K, H, W) zeros and ones.
            noise: (B, 2 K + 2 waves, H, W) the draft's scores, and waves.
            numbers: (B, K + 1) what the guide sees besides the raster.
            latent: (B, latent).
            condition: (B, columns) standardised.
            shift: of the raster.

        Returns:
            (B, 2 K, H, W).
        """
        seen, miss = self.look(draft, numbers, condition, shift)
        told = torch.cat([latent, condition, miss], dim=1)
        change = self.editor(torch.cat([seen, draft, noise], dim=1), told, shift)
        return LARGEST * torch.tanh(change / LARGEST)

    def look(self, raster: Tensor, numbers: Tensor, condition: Tensor, shift: int) -> tuple[Tensor, Tensor]:
        """What the guide sees in tubes, (B, guide width, H, W), and (B, 1) by how much they miss, as `condition` is."""
        with torch.no_grad():
            seen = self.guide.body(raster, shift)
            believed = self.guide.head(torch.cat([self.guide.pooled(seen), numbers], dim=1))
            return seen, condition[:, :1] - (believed * self.calibration[0] + self.calibration[1])


def _normed(x: Tensor) -> Tensor:
    """Every tube's features with mean zero and variance one over channels and pixels (layer normalisation)."""
    return nn.functional.layer_norm(x, x.shape[1:])


class Discriminator(nn.Module):
    """A decorated tube and a condition → how real it looks.

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
        """(B, 2 K, H, W), (B, columns) → (B,)."""
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
    """What a draw depends on besides its condition.

    Attributes:
        gumbel: (B, K, S) standard Gumbel noise: the scores of a draft, whose placement is a random valid tube.
        waves: (B, 2 waves, H, W) of random period and phase.
        latent: (B, latent) for the tube as a whole.
    """

    gumbel: Tensor
    waves: Tensor
    latent: Tensor


def draw_noise(size: NetworkSize, shape: Geometry, count: int, kinds: int, rng: np.random.Generator) -> Noise:
    """Noise for `count` tubes of one lattice."""
    uniform = rng.random((count, kinds, shape.lattice.n_sites), dtype=np.float32)
    gumbel = -torch.from_numpy(-np.log(np.maximum(uniform, np.float32(1e-12)))).clamp(min=1e-12).log()
    latent = torch.from_numpy(rng.standard_normal((count, size.latent), dtype=np.float32))
    return Noise(gumbel.to(shape.device), shape.waves(count, size.waves, rng), latent.to(shape.device))


def scores(network: Generator, shape: Geometry, condition: Tensor, budget: Tensor, noise: Noise) -> Tensor:
    """(B, K, S) the draft's scores, changed by the network, for (B, K) atoms of each species."""
    draft = place(noise.gumbel, budget, shape.neighbours)
    beside = torch.cat([shape.raster(noise.gumbel), noise.waves], dim=1)
    change: Tensor = network(shape.raster(draft), beside, shape.numbers(draft), noise.latent, condition, shape.shift)
    return noise.gumbel + change.reshape(noise.gumbel.shape)


@dataclass(frozen=True)
class TubeGenerator(ConditionalGenerator):
    """The generator of a trained GAN.

    Its guide looks at what was drawn: a tube that it believes further from the target than `CLOSE` is drawn again, and
    the nearer of the two kept (rejection by an own critic, as Azadi et al., ICLR 2019, do by the discriminator).

    Attributes:
        draws: most draws for a tube; 1 keeps the first.
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
            found = self._missed(shape, again, condition[rows])
            better = found < missed[rows]
            kept[rows[better]], missed[rows[better]] = again[better], found[better]
        return kept

    def _once(self, shape: Geometry, condition: Tensor, budget: Tensor, rng: np.random.Generator) -> Tensor:
        noise = draw_noise(self.network.size, shape, len(condition), len(self.kinds), rng)
        return place(scores(self.network, shape, condition, budget, noise), budget, shape.neighbours)

    def _missed(self, shape: Geometry, placed: Tensor, condition: Tensor) -> Tensor:
        """(B,) distance from the target as the guide has it, in standard deviations of the data's."""
        _, miss = self.network.look(shape.raster(placed), shape.numbers(placed), condition, shape.shift)
        distance: Tensor = miss[:, 0].abs()
        return distance
