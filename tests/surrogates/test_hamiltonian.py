"""The network that writes an effective Hamiltonian: its gap in exact potentials, symmetry, training, storage."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from matgym.data import Dataset, DatasetSpec, Family, build
from matgym.data.builder import random_tube
from matgym.errors import ConfigurationError, DatasetError
from matgym.models import Level
from matgym.physics import PiElectrons
from matgym.physics.electrons.self_consistent import SelfConsistentElectrons
from matgym.physics.electrons.self_consistent_transport import SelfConsistentTransport
from matgym.structures import Nanotube, Species, TubeBatch
from matgym.surrogates import load
from matgym.surrogates.honeycomb.fitting import HoneycombFit, fit
from matgym.surrogates.honeycomb.graph import TUBE_FEATURES, honeycombs
from matgym.surrogates.honeycomb.hamiltonian import HamiltonianSurrogate, self_consistent_potentials, site_inputs
from matgym.surrogates.honeycomb.network import PotentialNetwork, PotentialSettings
from matgym.surrogates.honeycomb.surrogate import Scaling
from matgym.surrogates.store import save

SAME_EV = 1e-5  # charges converge to 1e-6 electrons, and a site's interaction is 10 eV
ROUNDING_EV = 1e-5  # single precision of potentials of some eV
MIXED = {"stone_wales": 1, "strain": (-0.01, 0.02)}  # with as many B as N: other tubes hardly have a gap
TUBES = [
    random_tube(Family(n=n, m=m, cells=cells, samples=1, **MIXED), 0.2, np.random.default_rng(seed))
    for seed, (n, m, cells) in enumerate([(8, 0, 2), (6, 3, 1), (8, 0, 2), (5, 5, 4), (6, 4, 1)])
]


def surrogate_of(network, steps=0):
    one, none = np.ones(1), np.zeros(TUBE_FEATURES)
    scaling = Scaling(0.0 * one, one, none, none + 1.0)
    return HamiltonianSurrogate((network,), "hamiltonian", {"steps": steps}, ("gap_ev",), (), scaling)


class Exact(torch.nn.Module):
    """A network that knows the potentials of the next tubes of a list."""

    n_features = 1

    def __init__(self, tubes):
        super().__init__()
        self.tubes = list(tubes)

    def forward(self, *arrays):
        batch = TubeBatch.of([self.tubes.pop(0) for _ in range(len(arrays[-1]))])
        return torch.from_numpy(self_consistent_potentials(batch, SelfConsistentElectrons())[0])

    def features(self, *arrays):
        return torch.zeros(len(arrays[-1]), 1)


def test_in_exact_potentials_the_gap_is_the_self_consistent_one():
    for tube in TUBES:
        found = surrogate_of(Exact([tube])).predict([tube])["gap_ev"]
        assert found == pytest.approx(SelfConsistentElectrons().predict([tube])["gap_ev"], abs=SAME_EV), tube


@pytest.fixture(scope="module")
def untrained():
    torch.manual_seed(0)
    return surrogate_of(PotentialNetwork(PotentialSettings(width=16, rounds=3)))


def test_steps_bring_an_untrained_network_to_the_self_consistent_gap(untrained):
    wanted = SelfConsistentElectrons().predict(TUBES)["gap_ev"]
    errors = [
        np.abs(surrogate_of(*untrained.networks, steps).predict(TUBES)["gap_ev"] - wanted).max() for steps in (0, 5, 12)
    ]
    assert errors[1] < errors[0] / 5.0
    assert errors[2] < 1e-3  # eV


def test_potentials_between_leads_are_the_self_consistent_ones_after_many_steps(untrained):
    tubes = [Nanotube(8, 0, 1).decorated({3: "B", 20: "N"}), Nanotube(5, 5, 2).decorated({1: "N", 30: "B"})]
    wanted, _ = SelfConsistentElectrons().between_leads(tubes)
    found, lost = surrogate_of(*untrained.networks, 20).between_leads(tubes)
    assert not lost
    for row in range(len(tubes)):
        assert found[row][0] == wanted[row][0]
        np.testing.assert_allclose(found[row][1], wanted[row][1], atol=1e-3)  # eV
    charges = surrogate_of(*untrained.networks, 20)
    exact = SelfConsistentTransport(mu_ev=0.5).predict(tubes)["conductance_us"]
    assert SelfConsistentTransport(mu_ev=0.5, charges=charges).predict(tubes)["conductance_us"] == pytest.approx(
        exact, rel=1e-2
    )


@pytest.mark.parametrize("tube", TUBES[:4], ids=str)
def test_symmetric_copies_have_the_same_gap(untrained, tube):
    copies = [tube, tube.rotated(1), tube.screwed(1, 1), tube.flipped()]
    found = untrained.predict(copies)["gap_ev"]
    assert found.max() > 1e3 * ROUNDING_EV
    np.testing.assert_allclose(found, found[0], atol=ROUNDING_EV)


def test_tubes_do_not_see_each_other_in_a_batch(untrained):
    together = untrained.predict(TUBES)["gap_ev"]
    alone = [float(untrained.predict([tube])["gap_ev"][0]) for tube in TUBES]
    np.testing.assert_allclose(together, alone, atol=ROUNDING_EV)


def test_the_inputs_are_the_potentials_of_unit_charges():
    """Two B on opposite sites of an otherwise bare tube: the same potential on both, and none of N."""
    tube = Nanotube(8, 0, 2).decorated({0: "B", 4: "B"})
    found = site_inputs(TubeBatch.of([tube]), SelfConsistentElectrons())
    assert found.shape == (tube.n_sites, 2)
    assert found[0, 0] == pytest.approx(found[4, 0], rel=1e-5)
    assert found[0, 0] == found[:, 0].max()
    np.testing.assert_array_equal(found[:, 1], 0.0)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    families = (
        Family(n=8, m=0, cells=2, samples=30, strain=(-0.01, 0.02), vacancies=1, defective=0.2),
        Family(n=6, m=3, cells=1, samples=20),
        Family(n=5, m=5, cells=3, samples=20),
    )
    spec = DatasetSpec(name="small", properties=("gap",), levels={"gap": "scc-pi"}, families=families)
    return Dataset.load(build(spec, tmp_path_factory.mktemp("data") / "small.parquet", workers=1))


@pytest.fixture(scope="module")
def trained(data):
    size = {"width": 24, "rounds": 4}
    return fit(data, HoneycombFit(("gap_ev",), (), size, epochs=30, members=2, batch_size=4, network="hamiltonian"))


def test_it_learns_potentials(data, trained):
    """Less than half the error of no potential at all, on test tubes; a bound that was chosen beforehand."""
    batch = data.split("test").batch
    wanted, is_there = self_consistent_potentials(batch, trained.electrons)
    assert is_there.all()
    inputs = site_inputs(batch, trained.electrons)
    tensors = trained.tensors(honeycombs(batch), np.zeros((len(batch), 0)), more=inputs)
    with torch.inference_mode():
        found = torch.stack([network(*tensors) for network in trained.networks]).mean(dim=0).numpy()
    atoms = batch.species != Species.VACANCY
    assert np.sqrt(((found - wanted)[atoms] ** 2).mean()) < 0.5 * wanted[atoms].std()


def test_it_is_stored_and_loaded(trained, tmp_path):
    save(trained, tmp_path / "mine.safetensors")
    found = load(tmp_path / "mine.safetensors")
    assert isinstance(found, HamiltonianSurrogate)
    one, other = trained.predict(TUBES), found.predict(TUBES)
    np.testing.assert_array_equal(one["gap_ev"], other["gap_ev"])
    np.testing.assert_array_equal(one.half_width["gap_ev"], other.half_width["gap_ev"])


def test_a_tube_without_a_gap_says_why(trained):
    cut = Nanotube(8, 0, 2).decorated(dict.fromkeys(range(32), "vacancy"))
    found = trained.predict([TUBES[0], cut])
    assert np.isfinite(found["gap_ev"][0])
    assert np.isnan(found["gap_ev"][1])
    assert found.failures["gap_ev"][1] == SelfConsistentElectrons().predict([cut]).failures["gap_ev"][0]


def test_the_mean_of_potentials_is_taken_before_the_gap(trained):
    members = [replace(trained, networks=(network,)).predict(TUBES)["gap_ev"] for network in trained.networks]
    found = trained.predict(TUBES)["gap_ev"]
    assert np.abs(found - np.mean(members, axis=0)).max() > 0.0
    assert (found >= 0.0).all()


def test_other_properties_and_labels_of_another_level_are_refused(data):
    with pytest.raises(ConfigurationError, match="gives the gap alone"):
        HoneycombFit(("young_gpa",), network="hamiltonian")
    by_pi = Dataset(data.table.drop_columns([name for name in data.table.column_names if name.startswith("gap_ev")]))
    by_pi = by_pi.with_column("gap_ev", PiElectrons().predict(data.batch)["gap_ev"], Level.PI)
    with pytest.raises(DatasetError, match="the gaps are by π tight binding"):
        fit(by_pi, HoneycombFit(("gap_ev",), network="hamiltonian"))
