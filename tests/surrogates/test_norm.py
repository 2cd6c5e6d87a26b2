"""Batch renormalisation: plain at first, in agreement with use in the end."""

import pytest
import torch
from torch import nn

from matgym.surrogates.networks.norm import LARGEST_RATIO, LARGEST_SHIFT, SteadyNorm, set_allowance

ROUNDING = 1e-10  # double precision
FEATURES = 5


def batches(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [2.0 * torch.randn(16, FEATURES, 4, 6, generator=generator, dtype=torch.float64) + 1.0 for _ in range(count)]


def norm(allowance, momentum=0.1):
    layer = SteadyNorm(FEATURES, momentum=momentum).double().train()
    with torch.no_grad():
        layer.weight.copy_(torch.linspace(0.5, 2.0, FEATURES))
        layer.bias.copy_(torch.linspace(-1.0, 1.0, FEATURES))
    layer.allowance = allowance
    return layer


def test_without_allowance_it_is_batch_normalisation_as_torch_has_it():
    ours, theirs = norm(0.0), nn.BatchNorm2d(FEATURES).double().train()
    theirs.load_state_dict(ours.state_dict())
    for x in batches(3):
        a, b = (x.clone().requires_grad_() for _ in range(2))
        found, expected = ours(a), theirs(b)
        (found**3).sum().backward()
        (expected**3).sum().backward()
        torch.testing.assert_close(found, expected, atol=ROUNDING, rtol=ROUNDING)
        torch.testing.assert_close(a.grad, b.grad, atol=ROUNDING, rtol=ROUNDING)
        torch.testing.assert_close(ours.running_mean, theirs.running_mean, atol=ROUNDING, rtol=ROUNDING)


def test_with_it_training_gives_what_use_gives():
    layer = norm(1.0)
    with torch.no_grad():  # as if it had seen much
        layer.running_mean.fill_(0.7)
        layer.running_var.fill_(5.0)
    for x in batches(3):
        layer.eval()
        expected = layer(x)
        before = layer.state_dict()["running_mean"].clone()
        layer.train()
        found = layer(x)
        torch.testing.assert_close(found, expected, atol=ROUNDING, rtol=ROUNDING)
        assert not torch.equal(before, layer.running_mean), "statistics go on"


def test_gradients_are_those_of_the_paper_s_formula():
    layer, x = norm(1.0), batches(1)[0].requires_grad_()
    dims, shape = (0, 2, 3), (1, FEATURES, 1, 1)
    mean, variance = x.mean(dims), x.var(dims, unbiased=False)
    ratio = torch.sqrt(variance + layer.eps).detach().clamp(1 / LARGEST_RATIO, LARGEST_RATIO)  # kept ones: 0 and 1
    shift = mean.detach().clamp(-LARGEST_SHIFT, LARGEST_SHIFT)
    normed = (x - mean.view(shape)) / torch.sqrt(variance + layer.eps).view(shape) * ratio.view(shape)
    expected = (normed + shift.view(shape)) * layer.weight.view(shape) + layer.bias.view(shape)
    (slope,) = torch.autograd.grad((expected**3).sum(), x)
    found = layer(x)
    (ours,) = torch.autograd.grad((found**3).sum(), x)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)  # the kept variance has an eps, too
    torch.testing.assert_close(ours, slope, atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize(("progress", "allowance"), [(0.0, 0.0), (0.5, 0.0), (0.675, 0.5), (0.85, 1.0), (0.99, 1.0)])
def test_the_correction_grows_with_training(progress, allowance):
    net = nn.Sequential(nn.Linear(2, 2), SteadyNorm(2))
    set_allowance(net.modules(), progress)
    assert net[1].allowance == pytest.approx(allowance)
