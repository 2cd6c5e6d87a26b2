"""Attributions are complete, respect symmetry, and select the sites that change the oracle's values."""

import sys

import numpy as np
import pytest
import torch

from matgym.data import Dataset
from matgym.errors import ConfigurationError, MissingExtraError, PropertyError
from matgym.models import Model, Predictions
from matgym.physics import GAP_EV, PiElectrons
from matgym.structures import Nanotube, Species
from matgym.structures.symmetry import symmetry_group
from matgym.surrogates import NetworkSurrogate, RasterNetwork, load
from matgym.surrogates.attribution import attribute, attributions, deletion_check
from matgym.surrogates.learned import Scaling
from matgym.surrogates.networks import make_network, network_settings
from matgym.viz.raster import _half_bonds, _sheet, attribution_figure
from matgym.viz.tube3d import DISC_LAYERS, STRIP_LAYERS, visible

COMPLETENESS = 0.01  # of the sum of the sites' sizes: 64 points on a path with kinks
SINGLE_PRECISION = 1e-4  # of the largest value
METHODS = ("integrated_gradients", "grad_cam")
SMALL = {
    "resnet": {"width": 8, "blocks": 1},
    "graph": {"width": 8, "layers": 2},
    "lenet": {},
    "vgg": {"channels": (8,)},
}
SEEN = (Species.B, Species.N)


def tubes(n, m, cells, count, seed=0, pairs=4):
    """Tubes with as many B as N."""
    rng, shape = np.random.default_rng(seed), Nanotube(n, m, cells)
    made = []
    for _ in range(count):
        sites = rng.permutation(shape.n_sites)[: 2 * pairs].tolist()
        made.append(shape.decorated(dict(zip(sites, "BN" * pairs, strict=True))))
    return made


def around(*networks, kind="resnet", key="gap_ev", informed_by=()):
    """Return a surrogate of untrained networks: the properties of attributions hold for any weights."""
    count = len(informed_by)
    scaling = Scaling(np.array([0.2]), np.array([0.3]), np.zeros(count), np.ones(count))
    settings = network_settings(kind, SMALL[kind])
    return NetworkSurrogate(networks, kind, settings, (key,), SEEN, ((8, 0, 2),), scaling, informed_by)


def untrained(kind, seed=0, key="gap_ev", informed_by=()):
    torch.manual_seed(seed)
    return make_network(kind, SMALL[kind], len(SEEN), 1, informed=len(informed_by), leads=key == "conductance_us")


class Linear(RasterNetwork):
    """A network in whose output every species on every sublattice has a known part."""

    def __init__(self):
        super().__init__(2 * len(SEEN), len(SEEN) + 1, (), 1)

    def body(self, raster, shift):  # noqa: ARG002  # a network's face
        return raster


@pytest.fixture(scope="module")
def shipped():
    return load("nanotube-doping")


def test_attributions_of_sites_sum_to_prediction_minus_baseline(shipped):
    key = "gap_ev"
    mixed = [*tubes(8, 0, 4, 3), *tubes(8, 0, 2, 2), *tubes(6, 4, 1, 1)]
    predicted = shipped.predict([*mixed, *(Nanotube(t.n, t.m, t.cells) for t in mixed)])[key].reshape(2, -1)
    for tube, found, difference in zip(
        mixed, attributions(shipped, mixed, key), predicted[0] - predicted[1], strict=True
    ):
        assert found.tube == tube
        assert found.sites.sum() == pytest.approx(difference, abs=COMPLETENESS * np.abs(found.sites).sum())
        assert found.residual == pytest.approx(difference - found.sites.sum(), abs=SINGLE_PRECISION * abs(difference))
        assert found.physics == 0.0
        assert not found.sites[tube.species == Species.C12].any()


def test_known_parts_of_a_linear_network_are_found():
    """Closed form: mean, mean square along a straight path, and composition, site by site."""
    torch.manual_seed(0)
    network = Linear()
    surrogate, tube = around(network), tubes(8, 0, 2, 1)[0]
    weight = 0.3 * network.head[0].weight.detach().numpy()[0].astype(float)  # scaled
    mean, square, share = weight[:4].reshape(2, 2), weight[4:8].reshape(2, 2), weight[8:10]
    cells, sublattice = tube.lattice.n_cells, np.repeat([0, 1], tube.lattice.n_cells)
    expected, seen = np.zeros(tube.n_sites), np.zeros(tube.n_sites)
    for k, species in enumerate(SEEN):
        for site in np.flatnonzero(tube.species == species):
            on = sublattice[site]
            expected[site] = (mean + square)[k, on] / cells + share[k] / tube.n_sites
            held = np.mean((tube.species == species)[sublattice == on])
            seen[site] = (mean + 2 * square * held)[k, on] / cells
    np.testing.assert_allclose(attribute(surrogate, tube, "gap_ev").sites, expected, atol=1e-6)
    # The two atoms of a pixel share alike: each pixel in the raster on which the network sees the tube.
    a, b = surrogate.view(tube.lattice).sites.reshape(2, -1)
    pixels = seen[a] + seen[b]
    cam = attribute(surrogate, tube, "gap_ev", "grad_cam").sites
    np.testing.assert_allclose([cam[a], cam[b]], [pixels / 2, pixels / 2], atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["resnet", "graph"])
@pytest.mark.parametrize("shape", [(8, 0, 2), (6, 4, 1)])
def test_a_turned_tube_has_the_turned_attribution(kind, shape, method):
    surrogate, tube = around(untrained(kind), kind=kind), tubes(*shape, 1)[0]
    group = symmetry_group(tube.lattice)[: 2 * tube.lattice.n_cells]  # rotations, screws, and turns across the axis
    chosen = group[np.random.default_rng(0).integers(len(group), size=6)]
    first, *others = attributions(
        surrogate, [tube, *(tube.with_species(tube.species[op]) for op in chosen)], "gap_ev", method
    )
    assert np.ptp(first.sites) > 0.0
    for operation, other in zip(chosen, others, strict=True):
        error = np.abs(other.sites - first.sites[operation]).max()
        assert error < SINGLE_PRECISION * np.abs(first.sites).max()


@pytest.mark.parametrize("kind", list(SMALL))
def test_every_network_can_be_explained(kind):
    surrogate, tube = around(untrained(kind), kind=kind), tubes(5, 5, 2, 1)[0]
    for method in METHODS:
        found = attribute(surrogate, tube, "gap_ev", method)
        assert found.sites.shape == (tube.n_sites,)
        assert found.sites.any()


def test_an_ensemble_is_explained_by_the_mean_of_its_members():
    networks, tube = [untrained("resnet", seed) for seed in (0, 1)], tubes(8, 0, 2, 1)[0]
    for method in METHODS:
        both = attribute(around(*networks), tube, "gap_ev", method).sites
        apart = [attribute(around(network), tube, "gap_ev", method).sites for network in networks]
        np.testing.assert_allclose(both, np.mean(apart, axis=0), atol=SINGLE_PRECISION * np.abs(both).max())


def test_attribution_of_a_physics_input_is_separate_and_completes_the_sum():
    surrogate = around(untrained("resnet", informed_by=("gap_ev",)), informed_by=("gap_ev",))
    found = attribute(surrogate, tubes(8, 0, 2, 1)[0], "gap_ev")
    assert found.physics != 0.0
    assert abs(found.residual) < COMPLETENESS * (np.abs(found.sites).sum() + abs(found.physics))


def test_leads_have_no_attribution():
    surrogate = around(untrained("resnet", key="conductance_us"), key="conductance_us")
    tube = tubes(8, 0, 3, 1)[0]
    assert (surrogate.view(tube.lattice).sites < 0).any()
    found = attribute(surrogate, tube, "conductance_us")
    assert abs(found.residual) < COMPLETENESS * np.abs(found.sites).sum()
    assert found.unit == "µS"


def test_resetting_attributed_sites_changes_the_oracles_gap_more_than_random_ones(shipped):
    held = [tube for tube in Dataset.load("nanotube-doping").split("test").batch if tube.cells == 2]
    rng = np.random.default_rng(0)
    chosen = [held[row] for row in rng.choice(len(held), 25, replace=False)]
    found = deletion_check(shipped, PiElectrons(shipped.baseline.parameters()), chosen, "gap_ev", rng)
    assert found.attributed.shape == found.chance.shape
    assert len(found.chance) >= 20
    low, high = found.interval
    assert 0.0 < low < found.difference < high
    assert found.difference == pytest.approx(found.attributed.mean() - found.chance.mean())


class Recorder(Model):
    """An oracle that records its calls."""

    properties = (GAP_EV,)
    level = PiElectrons.level

    def predict(self, asked, /):
        self.asked = asked
        return Predictions({"gap_ev": np.array([float(tube.species[:7].sum()) for tube in asked])})


def test_resetting_keeps_the_electrons_and_takes_the_most_attributed_pair():
    surrogate, oracle, given = around(untrained("resnet")), Recorder(), tubes(8, 0, 2, 3)
    lone = Nanotube(8, 0, 2).decorated({0: "B", 9: "N"})  # no other site to compare with
    deletion_check(surrogate, oracle, [*given, lone, Nanotube(8, 0, 2)], "gap_ev", np.random.default_rng(0))
    assert len(oracle.asked) == 3 * len(given)
    for tube, explained, row in zip(given, attributions(surrogate, given, "gap_ev"), range(0, 9, 3), strict=True):
        before, *undone = oracle.asked[row : row + 3]
        assert before == tube
        boron, nitrogen = (np.flatnonzero(tube.species == species) for species in SEEN)
        pairs = np.abs(explained.sites[boron][:, None] + explained.sites[nitrogen])
        gone = []
        for other in undone:
            sites = np.flatnonzero(tube.species != other.species)
            assert sorted(tube.species[sites]) == [Species.B, Species.N]
            assert not other.species[sites].any()
            gone.append(set(sites.tolist()))
        assert not gone[0] & gone[1]
        assert abs(explained.sites[list(gone[0])].sum()) == pytest.approx(pairs.max())


def test_predictions_that_cannot_be_explained_raise():
    surrogate, tube = around(untrained("resnet")), tubes(8, 0, 2, 1)[0]
    with pytest.raises(ConfigurationError, match=r"'saliency'.*grad_cam"):
        attribute(surrogate, tube, "gap_ev", "saliency")
    with pytest.raises(PropertyError, match="predicts gap_ev"):
        attribute(surrogate, tube, "zt")
    with pytest.raises(PropertyError, match="strained"):
        attribute(surrogate, tube.strained(0.02), "gap_ev")
    with pytest.raises(ConfigurationError, match="0 of 1 tubes"):
        deletion_check(surrogate, PiElectrons(), [Nanotube(8, 0, 2)], "gap_ev", np.random.default_rng(0))


def test_a_missing_captum_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "captum", None)
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(MissingExtraError, match=r"captum.*matgym\[explain\]"):
        attribute(around(untrained("resnet")), tubes(8, 0, 2, 1)[0], "gap_ev")


def test_figure_draws_every_atom_in_the_colour_of_its_value():
    tube = tubes(8, 0, 2, 1)[0].decorated({0: "vacancy"})
    values = np.linspace(-1.0, 2.0, tube.n_sites)
    rolled, flat, bar = attribution_figure(tube, {"gradient": values}, "eV").axes
    sites, bonds = visible(tube)
    (shapes,) = rolled.collections
    assert len(shapes.get_paths()) == len(sites) * DISC_LAYERS + 2 * len(bonds) * STRIP_LAYERS
    stubs, discs = flat.collections
    assert len(stubs.get_segments()) == len(_half_bonds(tube, *_sheet(tube)))
    red, green, _, _ = discs.get_facecolors().T
    strong = np.abs(values) > 0.1
    assert ((green > red) == (values > 0))[strong].all()  # green above zero, purple below
    assert len(flat.texts) == np.count_nonzero(tube.species)
    assert bar.get_ylabel() == "gradient, eV"
    assert bar.get_ylim() == (-2.0, 2.0)
