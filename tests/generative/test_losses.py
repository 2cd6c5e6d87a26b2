"""The losses of the minimax game, compared with results of their papers."""

import numpy as np
import pytest
import torch

from matgym.generative.gan import discriminator_loss, generator_loss, gradient_penalty


def test_original_loss_of_an_undecided_discriminator_is_log_four():
    """Goodfellow et al. (2014), theorem 1: -log 4 is the value where D = 1/2 everywhere."""
    zero = torch.zeros(8)
    assert float(discriminator_loss("original", zero, zero)) == pytest.approx(np.log(4.0))
    assert float(generator_loss("original", zero)) == pytest.approx(np.log(2.0))


def test_hinge_loss_is_zero_beyond_the_margins():
    assert float(discriminator_loss("hinge", torch.full((4,), 1.5), torch.full((4,), -1.5))) == 0.0
    assert float(discriminator_loss("hinge", torch.zeros(4), torch.zeros(4))) == 2.0


def test_wasserstein_loss_is_the_difference_of_means():
    real, fake = torch.tensor([1.0, 3.0]), torch.tensor([0.0, 1.0])
    assert float(discriminator_loss("wasserstein", real, fake)) == pytest.approx(-1.5)


@pytest.mark.parametrize("slope", [1.0, 3.0])
def test_gradient_penalty_of_a_linear_critic_is_known(slope):
    direction = torch.nn.functional.normalize(torch.randn(6, generator=torch.Generator().manual_seed(0)), dim=0)
    found = gradient_penalty(lambda x: slope * x @ direction, torch.randn(5, 6), torch.randn(5, 6), torch.rand(5))
    assert float(found) == pytest.approx((slope - 1.0) ** 2, abs=1e-5)
