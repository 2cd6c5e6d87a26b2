"""A LAMMPS potential of your own as the potential of matgym's oracles: here AIREBO, cut off at 1.99 to 2 Å.

`{potentials}` is the folder of parameter files that comes with LAMMPS; write the path of your own file instead.
"""

from matgym.physics.mechanics.lammps import LammpsPotential
from matgym.physics.mechanics.strength import Strength
from matgym.structures import Nanotube

AIREBO = LammpsPotential(
    name="AIREBO",
    pair_style="airebo 3.0",
    file="{potentials}/CH.airebo",
    elements=("C",),
    replacing=(("1.7\t     rcmin_CC", "1.99\t     rcmin_CC"),),  # else bonds stiffen while they are cut
)

tube = Nanotube(10, 0)
found = Strength(AIREBO).predict([tube])
print(f"{tube}: {found['tensile_strength_gpa'][0]:.1f} GPa at {found['failure_strain'][0]:.0%}")
