"""An ASE calculator of your own as the potential of matgym's oracles: here ASE's Tersoff for carbon.

A potential is anything that gives a new calculator when it is called. Parameters: Lindsay and Broido, Phys. Rev. B
81, 205441 (2010).
"""

from ase.calculators.tersoff import Tersoff, TersoffParameters

from matgym.physics.mechanics.formation import FormationEnergy
from matgym.structures import Nanotube

CARBON = TersoffParameters(
    m=3.0, gamma=1.0, lambda3=0.0, c=3.8049e4, d=4.3484, h=-0.930, n=0.72751, beta=1.5724e-7,
    lambda2=2.2119, B=430.0, R=1.95, D=0.15, lambda1=3.4879, A=1393.6,
)  # fmt: skip


def my_potential() -> Tersoff:
    return Tersoff({("C", "C", "C"): CARBON})


tube = Nanotube(6, 0, cells=2)
stone_wales = tube.turned((0, int(tube.lattice.neighbours[0][1])))
found = FormationEnergy(my_potential).predict([stone_wales])
print(f"{stone_wales}: formation energy {found['formation_ev'][0]:.3f} eV")
