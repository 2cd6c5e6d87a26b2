"""Pictures of a tube's physics hold the numbers of the oracles."""

import numpy as np
import pytest

from matgym.errors import ConfigurationError, StructureError
from matgym.physics import PiElectrons
from matgym.physics.pictures import PICTURES, picture
from matgym.structures import Nanotube

ZERO = 1e-6
DOPED = Nanotube(8, 0, 2).decorated({0: "N", 20: "B"})


@pytest.mark.parametrize("what", PICTURES)
def test_every_picture_is_finite_and_says_its_model(what):
    for tube in (Nanotube(8, 0, 2), DOPED):
        found = picture(tube, what)
        assert found.note
        assert "(8,0)" in found.title
        assert all(np.isfinite(series.x).all() and np.isfinite(series.y).all() for series in found.series)


@pytest.mark.parametrize("tube", [Nanotube(10, 0), Nanotube(6, 5), DOPED], ids=str)
def test_bands_leave_the_gap_of_the_oracle(tube):
    gap, fermi = (PiElectrons().predict([tube])[key][0] for key in ("gap_ev", "fermi_ev"))
    energies = np.concatenate([series.y for series in picture(tube, "bands").series])
    above, below = energies[energies > fermi].min(), energies[energies < fermi].max()
    assert above - below == pytest.approx(gap, abs=0.01)  # wave vectors are 1.5° apart


def test_density_of_states_of_both_ways_is_the_same():
    """The undecorated tube by its helical bands, and by all atoms as decorated tubes."""
    found = picture(Nanotube(8, 2), "dos").series[0]
    expected = PiElectrons().density_of_states(Nanotube(8, 2), found.x, 0.02, phases=200) / Nanotube(8, 2).n_sites
    assert found.y == pytest.approx(expected, abs=0.02 * expected.max())


def test_transmission_of_a_doped_tube_has_the_pristine_one_beside_it():
    reference, doped = picture(DOPED, "transmission").series
    assert reference.name == "pristine tube"
    assert (doped.y <= reference.y + ZERO).all()
    assert len(picture(Nanotube(8, 0), "transmission").series) == 1


def test_kataura_plot_marks_the_tube():
    found = picture(Nanotube(6, 5), "kataura")
    assert {name.split()[0] for name, _ in found.marks} == {"E11", "E22"}
    own = found.series[-1]
    assert (own.x == Nanotube(6, 5).lattice.diameter_nm).all()


def test_phonons_carry_names_in_pristine_tubes_only():
    assert {name.split()[0] for name, _ in picture(Nanotube(8, 0), "phonons").marks} == {"RBM", "ZO", "G⁻", "G⁺"}
    assert picture(DOPED, "phonons").marks == ()


def test_current_says_which_neutrality():
    donor = Nanotube(10, 0, 2).decorated({0: "N"})
    names = [series.name for series in picture(donor, "iv").series]
    assert names[0] == "μ of the leads"
    assert names[1].startswith("μ of the neutral tube, +")


def test_what_cannot_be_drawn_is_an_error():
    with pytest.raises(ConfigurationError, match="no picture of 'band': give one of bands, dos"):
        picture(Nanotube(8, 0), "band")
    with pytest.raises(StructureError, match="not valid below"):
        picture(Nanotube(4, 0), "dos")
