"""Sizes of networks are refused before memory is allocated, from a configuration and from a card alike."""

import pytest
import torch
from torch import nn

from matgym.errors import ConfigurationError
from matgym.generative.diffusion import DiffusionNetwork, DiffusionSize
from matgym.generative.networks import NetworkSize
from matgym.generative.vae import VaeSize
from matgym.learning.sizes import MAX_WEIGHTS, bounded, check_sizes
from matgym.processes.sequences.networks import make_sequence_network
from matgym.surrogates.networks import make_network, network_settings


@pytest.mark.parametrize("sizes", [{"blocks": 65}, {"layers": 1.0}, {"hidden": (8, 0)}, {"hidden": ()}])
def test_sizes_of_layers_and_lists_are_bounded(sizes):
    check_sizes(width=1024, blocks=64, hidden=(8, 16))
    with pytest.raises(ConfigurationError, match=r"must be (a )?whole numbers? from 1 to|has 0 layers"):
        check_sizes(**sizes)


@pytest.mark.parametrize("width", [0, -2, 1025, 10_000_000, 2.0, True, "8"])
def test_a_size_out_of_range_names_setting_and_value(width):
    told = rf"width={width!r} must be a whole number from 1 to 1,024"
    with pytest.raises(ConfigurationError, match=told):
        network_settings("resnet", {"width": width})
    for size in (NetworkSize, VaeSize, DiffusionSize):
        with pytest.raises(ConfigurationError, match=told):
            size(width=width)


def test_too_many_weights_are_counted_before_they_are_allocated():
    settings = network_settings("plain", {"width": 1024, "blocks": 64})
    size = DiffusionSize(width=1024, blocks=64)
    for make in (lambda: make_network("plain", settings, 3, 1), lambda: bounded(lambda: DiffusionNetwork(size, 2))):
        with pytest.raises(ConfigurationError, match=r"has [\d,]+ weights: choose smaller ones"):
            make()


def test_the_bound_is_exact():
    assert bounded(lambda: nn.Linear(8192, 8191)).weight.shape == (8191, 8192)  # 8191 * 8193 weights
    with pytest.raises(ConfigurationError, match=f"{8193 * 8192:,} weights"):
        bounded(lambda: nn.Linear(8192, 8192))
    assert 8191 * 8193 < MAX_WEIGHTS < 8192 * 8193


def test_counting_draws_no_random_numbers():
    networks = []
    for make in (lambda: nn.Linear(3, 4), lambda: bounded(lambda: nn.Linear(3, 4))):
        torch.manual_seed(0)
        networks.append(make())
    assert torch.equal(networks[0].weight, networks[1].weight)


def test_sequence_networks_have_limits_of_their_own():
    with pytest.raises(ConfigurationError, match="from 1 to 1,024"):
        make_sequence_network("lstm", 2, 1, 10**7, 1)
