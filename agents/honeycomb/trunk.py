"""Warm starts: the rounds of messages of a stored surrogate as the first layers of a policy."""

from typing import Final

import torch

from matgym.errors import ConfigurationError
from matgym.structures import Species
from matgym.surrogates.honeycomb.graph import SITE_SPECIES, TUBE_FEATURES
from matgym.surrogates.honeycomb.network import Sites
from matgym.surrogates.honeycomb.surrogate import HoneycombSurrogate

_COLUMNS: Final = [list(Species).index(species) for species in SITE_SPECIES]
"""The columns of a policy's sites that are inputs of a surrogate's, in their order there."""


def trunk_of(name: str) -> tuple[Sites, HoneycombSurrogate]:
    """Return the first network of a stored surrogate, and the surrogate, which has the scaling of its inputs.

    Raises:
        ConfigurationError: if the surrogate has no rounds of messages.
        WeightsError: if there is no such surrogate.
    """
    from matgym.surrogates.store import load

    surrogate = load(name)
    network = surrogate.networks[0]
    if not isinstance(network, Sites) or not isinstance(surrogate, HoneycombSurrogate):
        raise ConfigurationError(
            f"trunk={name!r} is a {surrogate.name} without rounds of messages on the honeycomb: give one with them, "
            "such as 'nanotube-gap'"
        )
    return network, surrogate


@torch.no_grad()
def copy_trunk(source: tuple[Sites, HoneycombSurrogate], into: Sites) -> None:
    """Copy a surrogate's rounds into a policy's, with the inputs that both have; other weights become zero.

    A policy observes species and the features of tubes, unscaled; so the scaling goes into the weights. It observes no
    potentials and no physics inputs of a tube, which some surrogates see in addition.

    Args:
        source: see `trunk_of`.
        into: the rounds of the policy, of the same width and number.

    Raises:
        ConfigurationError: if the sizes differ.
    """
    network, surrogate = source
    width, rounds = network.site.out_features, len(network.rounds)
    if (into.site.out_features, len(into.rounds)) != (width, rounds):
        raise ConfigurationError(
            f"the surrogate's width is {width} and its rounds are {rounds}: give these as width and rounds, or leave "
            "both out"
        )
    into.rounds.load_state_dict(network.rounds.state_dict())
    for layer in (into.site, into.whole):
        layer.weight.zero_()
    into.site.weight[:, _COLUMNS] = network.site.weight[:, : len(SITE_SPECIES)]
    into.site.bias.copy_(network.site.bias)
    mean, scale = (
        torch.tensor(values[:TUBE_FEATURES], dtype=torch.float32)
        for values in (surrogate.scaling.numbers_mean, surrogate.scaling.numbers_scale)
    )
    weight = network.whole.weight[:, :TUBE_FEATURES] / scale
    into.whole.weight[:, :TUBE_FEATURES] = weight
    into.whole.bias.copy_(network.whole.bias - weight @ mean)


def sizes_of(name: str) -> tuple[int, int]:
    """Return the width and the number of rounds of a stored surrogate; see `trunk_of`."""
    network, _ = trunk_of(name)
    return network.site.out_features, len(network.rounds)
