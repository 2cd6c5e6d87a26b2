"""Forces on atoms: potentials, relaxation, elasticity, strength, formation energy."""
