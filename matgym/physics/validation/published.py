"""Published values that the nanotube physics is held to: data only, none of it computed by matgym.

Flags: A, the abstract or an excerpt was read (the sentence is quoted in ``note``); T, read in another implementation;
M, from memory, to be verified before more rests on it. A tolerance is the paper's own error bar where it has one, else
what the difference between its model and ours allows; ``note`` says which. Values that follow from a published formula
were worked out by hand, and the note gives it. Addresses are those of the stored copies that were read.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """One published value.

    Attributes:
        key: Short unique name, ending in the unit where there is one.
        quantity: What was measured or computed, on which tube and under which conditions.
        value: The published value, in ``unit``.
        unit: Unit of ``value`` and ``tolerance``; "1" where there is none.
        tolerance: Largest accepted absolute difference.
        source: Paper and, where read, address.
        flag: "A", "T" or "M", see the module's docstring.
        note: Sentence read, origin of the tolerance, what differs in our model.
    """

    key: str
    quantity: str
    value: float
    unit: str
    tolerance: float
    source: str
    flag: str
    note: str = ""


# A table: the formatter would give each field a line of its own.
# fmt: off
_ELECTRONIC: tuple[Published, ...] = (
    Published("conductance_metallic_g0", "zero-bias conductance of an ideal metallic tube",
        2.0, "2e^2/h", 1e-06,
        "Kong et al., PRL 87, 106801 (2001); scilit.com/publications/20d3b707147c16d542137bd61e815f29", "A",
        "'Two units of quantum conductance 2G0=4e2/h are measured for the first time, corresponding to the maximum "
        "conductance limit for ballistic transport in two channels of a nanotube.' Exact in a model without "
        "contacts."),
    Published("gap_9_0_curvature_mev", "curvature gap of (9,0)",
        80.0, "meV", 5.0, "Ouyang, Huang, Cheung, Lieber, Science 292, 702 (2001)", "M",
        "Experimental error bar. No stored copy with the number was found; that zigzag 'metals' have gaps is A."),
    Published("gap_12_0_curvature_mev", "curvature gap of (12,0)",
        42.0, "meV", 4.0, "Ouyang, Huang, Cheung, Lieber, Science 292, 702 (2001)", "M",
        "Experimental error bar. A model with the 1/d^2 law through (9,0) gives 80 (9/12)^2 = 45."),
    Published("gap_15_0_curvature_mev", "curvature gap of (15,0)",
        29.0, "meV", 3.0, "Ouyang, Huang, Cheung, Lieber, Science 292, 702 (2001)", "M",
        "Experimental error bar. A model with the 1/d^2 law through (9,0) gives 80 (9/15)^2 = 28.8."),
    Published("gap_18_0_curvature_mev", "curvature gap of (18,0), 3 gamma0 a_cc^2 / (4 d^2)",
        20.6, "meV", 1.0, "Kleiner, Eggert, PRB 63, 073408 (2001)", "M",
        "By hand from the formula with gamma0 = 2.7 eV, a_cc = 0.142 nm, d = 1.409 nm. The tolerance is the next "
        "order in a_cc/d and the pi-sigma mixing that the formula leaves out (5 %)."),
    Published("gap_armchair_isolated_mev", "gap of isolated armchair tubes, (5,5) and (8,8)",
        0.0, "meV", 1.0, "Ouyang, Huang, Cheung, Lieber, Science 292, 702 (2001)", "M",
        "The abstract goes on, from memory, 'isolated armchair tubes do not have energy gaps'. Exact by symmetry; "
        "the tolerance is that of a search for the crossing on a grid of k."),
    Published("gap_20_0_ev", "gap of (20,0) in nearest-neighbour tight binding",
        0.497, "eV", 0.02,
        "Matsubara, Sasaoka, Yamamoto, Fukuyama (2021), arXiv:2101.11951; ar5iv.labs.arxiv.org/html/2101.11951", "A",
        "'N-substituted (20,0) SWCNTs with a band gap of 0.497 eV'. Flat sheet: 2 gamma0 |1 + 2 cos(13 pi/20)| = "
        "0.1841 gamma0, so gamma0 = 2.70 eV; without curvature it is met to 0.0001; with curvature the "
        "gap grows by 0.015, whence the tolerance."),
    Published("gap_times_diameter_ev_nm", "gap times diameter of semiconducting tubes, 2 a_cc gamma0",
        0.767, "eV nm", 0.04, "Wildoer et al., Nature 391, 59 (1998); Mintmire, White, PRL 81, 2506 (1998)", "M",
        "By hand with gamma0 = 2.7 eV, a_cc = 0.142 nm; 0.03 of the tolerance is the error bar of gamma0, the rest "
        "trigonal warping. Hold it for d > 1.2 nm, mean of the two families. The 0.4 eV nm often quoted is gap "
        "times radius."),
    Published("van_hove_ratio_m11_s11",
        "M11 d of metallic tubes over S11 d of semiconducting tubes, 6 a_cc gamma0 / 2 a_cc gamma0",
        3.0, "1", 0.1, "Mintmire, White, PRL 81, 2506 (1998)", "M",
        "Linear dispersion; tolerance: trigonal warping at d > 1.3 nm."),
    Published("van_hove_m11_10_10_ev", "first van Hove spacing of metallic (10,10), 6 a_cc gamma0 / d",
        1.697, "eV", 0.04,
        "Mintmire, White, PRL 81, 2506 (1998); Saito, Dresselhaus, Dresselhaus, PRB 61, 2981 (2000)", "M",
        "By hand with gamma0 = 2.7 eV, d = 1.356 nm; the dispersion is not linear, 2 gamma0 sin(pi/10) = 1.669. A, "
        "studylib.net/doc/18077987: 'no splitting is obtained for armchair nanotubes'."),
    Published("fermi_velocity_1e5_m_s", "Fermi velocity of armchair tubes, 3 a_cc gamma0 / 2 hbar",
        8.2, "1e5 m/s", 0.7, "Lemay et al., Nature 412, 617 (2001)", "M",
        "Error bar of the measurement."),
    Published("strain_slope_mod1_mev_percent", "dE_g/d(strain) of zigzag tubes with n mod 3 = 1",
        100.0, "meV/%", 15.0,
        "Minot et al., PRL 90, 156401 (2003); synapsesocial.com/papers/W2018615043; Yang, Han, PRL 85, 154 (2000)", "A",
        "'Theoretical work predicts that band gap changes can range between +/-100 meV per 1% stretch, depending on "
        "NT chirality'. That the sign goes with n - m mod 3 is A (next row), which family is positive M. The "
        "formula, M, 3 gamma0 (1 + nu) cos(3 theta) gives 86 to 111 for gamma0 2.5 to 2.9 eV and nu 0.15 to 0.28, "
        "whence the tolerance."),
    Published("strain_slope_mod2_mev_percent", "dE_g/d(strain) of zigzag tubes with n mod 3 = 2",
        -100.0, "meV/%", 15.0,
        "Minot et al., PRL 90, 156401 (2003); Yang, Anantram, Han, Lu, PRB 60, 13874 (1999), cond-mat/9811263", "A",
        "'(i) that the magnitude of slope of bandgap versus strain has an almost universal behaviour that depends "
        "on the chiral angle, (ii) that the sign of slope depends on the value of (n-m) mod 3'. Tolerance: row "
        "above."),
    Published("strain_slope_armchair_mev_percent", "dE_g/d(strain) of armchair tubes, which stay metallic",
        0.0, "meV/%", 0.1, "Ogata, Shibutani, PRB 68, 165409 (2003); link.aps.org/abstract/PRB/v68/e165409", "A",
        "'the theory predicts a zero gap for the armchair SWNT's', of Yang's theory of a uniform deformation. Exact "
        "by symmetry; tolerance as for the gap of the unstrained tube."),
    Published("torsion_slope_5_5_mev_percent", "dE_g/d(shear) of (5,5), 3 gamma0 sin(3 theta) per unit shear",
        81.0, "meV/%", 4.0, "Yang, Han, PRL 85, 154 (2000)", "M",
        "By hand with gamma0 = 2.7 eV; tolerance: the error bar 0.1 eV of gamma0 and terms of second order in the "
        "shear. It takes the hopping to fall as d^-2, as theirs does."),
    Published("torsion_slope_10_0_mev_percent",
        "dE_g/d(shear) of a semiconducting zigzag tube, zero at first order",
        0.0, "meV/%", 1.0, "Yang, Han, PRL 85, 154 (2000); Yang, Anantram, Han, Lu, PRB 60, 13874 (1999)", "M",
        "sin(3 theta) = 0 with theta from the zigzag axis. A shear of either sign is the same by mirror symmetry."),
    Published("transmission_vacancy_armchair",
        "transmission at E = 0 of a metallic armchair tube with one vacancy (two channels)",
        1.0, "1", 0.01, "Igami, Nakanishi, Ando, J. Phys. Soc. Jpn. 68, 716 (1999)", "M",
        "Quantised in the limit of a large d; tolerance: finite d and an energy just off the zero mode."),
    Published("transmission_two_vacancies_same_sublattice",
        "transmission at E = 0 of an armchair tube, N_A - N_B = 2",
        0.0, "1", 0.01, "Igami, Nakanishi, Ando, J. Phys. Soc. Jpn. 68, 716 (1999)", "M",
        "As in the row above. Not where the two are a vector of the root-3 superlattice apart: they then block the "
        "same channel, and T = 1."),
    Published("dip_nitrogen_10_10_ev",
        "energy of the conductance dip of one substitutional N in (10,10), from the Fermi energy",
        0.53, "eV", 0.1, "Choi, Ihm, Louie, Cohen, PRL 84, 2917 (2000)", "M",
        "Tolerance: width of the dip. Choi et al. took the potential around N from DFT; our on-site energy is that of "
        "the N atom alone and was not fitted to this number."),
    Published("mean_free_path_5_5_nm",
        "elastic mean free path of (5,5) with Anderson disorder of width W = gamma0, 3 a n t^2 / (2 c E^2)",
        22.1, "nm", 1.9,
        "Kostyrko, Bartkowiak, Mahan, PRB 60, 10735 (1999); preview.concepedia.online/publication/W2075025555", "A",
        "'in the limit of small defect concentration c and small defect strength E leads to a simple approximate "
        "relation xi(0) ~ 3 l_mfp = 3 x 3aN_a t^2/2cE^2'. By hand with c E^2 = W^2/12 (a box of width W on every "
        "atom): 18 a n (t/W)^2, a = 0.246 nm. Tolerance: the next order, W^2/12 over t^2, 8 %. Volume: M. "
        "Only c E^2 counts in this order, so that two on-site energies by chance stand for the box."),
    Published("reflection_point_defect_armchair",
        "R n^2 (t/E)^2 of a weak on-site defect E in metallic (n,n) at the Fermi level, R a channel",
        0.1667, "1", 0.008,
        "Kostyrko, Bartkowiak, Mahan, PRB 59, 3241 (1999); preview.concepedia.online/publication/W2063068878", "A",
        "'We find that R scales at the Fermi level as R = s(E/t)^2/N_a^2, where s ~ 1/6 (for the armchair nanotubes) "
        "and s ~ 1/2 (for the zigzag nanotubes).' R = (2 - T)/2: the Born approximation by hand gives 1/6 and 1/2 so. "
        "Tolerance 5 %: '~', and the next order at E below 0.3 t."),
    Published("reflection_point_defect_zigzag",
        "R n^2 (t/E)^2 of a weak on-site defect E in metallic (n,0) at the Fermi level, R a channel",
        0.5, "1", 0.025,
        "Kostyrko, Bartkowiak, Mahan, PRB 59, 3241 (1999); preview.concepedia.online/publication/W2063068878", "A",
        "Row above. Without curvature, which opens a gap at the Fermi level."),
)

_THERMAL: tuple[Published, ...] = (
    Published("acoustic_modes", "number of acoustic branches of a free tube (LA, TW and two TA)",
        4.0, "1", 0.0, "Popov, perso.fundp.ac.be/~vpopov/specheat.htm; Popov, PRB 66, 153408 (2002)", "A",
        "'The quasi-one-dimensionality of the nanotube systems has as a consequence the existence of four acoustic "
        "branches'. An integer."),
    Published("thermal_conductance_low_t_g0", "phonon thermal conductance over pi^2 k_B^2 T / 3h, T to 0",
        4.0, "pi^2 k_B^2 T/3h", 0.04,
        "Yamamoto, Watanabe, Watanabe, PRL 92, 075502 (2004), cond-mat/0312600; APS March 2005 abstract R1.92", "A",
        "'exhibits a universal quantization in the low temperature limit, independent of the radius or atomic "
        "geometry'; 'quantized and have the form of n pi^2k_B^2T/3h at low-T, where n is the number of excited "
        "phonon mode'. n = 4: row above. Tolerance: a finite T (first optical branch) and the lowest frequency of "
        "the grid."),
    Published("rbm_times_diameter_cm_nm", "radial breathing mode times diameter",
        227.0, "cm^-1 nm", 5.0, "Araujo et al., PRB 77, 241403 (2008); epub.ub.uni-muenchen.de/14518", "A",
        "'We establish experimentally the omegaRBM=227.0/dt as the fundamental relation for pristine SWNTs.' "
        "Tolerance 2 %: the potential's in-plane stiffness enters as the root, and potentials fitted to graphite's "
        "in-plane branches meet it to 4 %."),
    Published("velocity_la_10_10_km_s", "sound velocity of the longitudinal branch of (10,10)",
        20.35, "km/s", 1.5, "Saito, Takeya, Kimura, Dresselhaus, Dresselhaus, PRB 57, 4145 (1998)", "M",
        "Force-constant model. Tolerance: the root of 340 +- 50 N/m over 0.761 mg/m^2 (Lee et al., 2008) is 21.1 +- "
        "1.6 km/s."),
    Published("velocity_tw_10_10_km_s", "sound velocity of the twisting branch of (10,10)",
        15.0, "km/s", 1.1, "Saito, Takeya, Kimura, Dresselhaus, Dresselhaus, PRB 57, 4145 (1998)", "M",
        "Force-constant model, 15.00 to 15.04; tolerance in proportion to that of the longitudinal branch."),
    Published("exponent_ta_branch",
        "exponent of frequency against wave number of the flexural branches of a stress-free tube",
        2.0, "1", 0.05,
        "Aghaei, Dayal, Elliott, J. Appl. Phys. 113, 023503 (2013); studylib.net/doc/13355065", "A",
        "'when the tube is force-free, the TA mode frequencies vary quadratically with wave number'. Tolerance: fit "
        "over finite wave numbers. Residual axial stress makes it 1."),
    Published("exponent_heat_capacity_low_t",
        "exponent of heat capacity against temperature where the flexural branches rule, T to 0",
        0.5, "1", 0.05, "Popov, PRB 66, 153408 (2002); repository.uantwerpen.be/link/irua/103331", "A",
        "'the very low-temperature specific heat varies as rootT with the temperature T. With the increase of the "
        "diameter [...] the latter becomes linear in T'. Small tubes below 1 K; tolerance: the linear part."),
    Published("heat_capacity_dulong_petit_j_gk", "heat capacity in the classical limit, 3 k_B an atom",
        2.078, "J/gK", 0.002, "Popov, perso.fundp.ac.be/~vpopov/specheat.htm", "A",
        "'The high-temperature (or classical) limit [...] is equal to 3kB/m ~ 2078 mJ/gK with m being the atomic "
        "mass of carbon.' 12.011 u gives 2.0767. Tolerance: the rounding, 12.000 against 12.011 u."),
    Published("heat_capacity_300k_j_gk", "heat capacity of graphite, and of tubes within 10 % of it, at 300 K",
        0.71, "J/gK", 0.07,
        "DeSorbo, Tyler, J. Chem. Phys. 21, 1660 (1953); Hone et al., Science 289, 1730 (2000)", "M",
        "Tolerance: the potential's optical and out-of-plane branches, 10 %. Hone: SWNT and graphite meet near 300 K."),
    Published("thermal_conductance_area_300k_gw_m2k",
        "ballistic phonon conductance over cross-section (pi d 0.34 nm) at 300 K",
        4.2, "GW/m^2K", 0.4,
        "Pop, Varshney, Roy, MRS Bull. 37, 1273 (2012); Mingo, Broido, PRL 95, 096105 (2005)", "M",
        "Flat graphene: [1/(4.4e5 T^1.68) + 1/1.2e10]^-1 W/K/m^2 is 4.17 by hand at 300 K. Tolerance: the curvature "
        "of a tube of 1 nm and 0.335 against 0.34 nm."),
    Published("optical_phonon_gamma_cm", "highest optical phonon at the zone centre of graphene (E2g)",
        1582.0, "cm^-1", 80.0, "Tuinstra, Koenig, J. Chem. Phys. 53, 1126 (1970)", "M",
        "Tolerance 5 %: Lindsay and Broido fitted the acoustic branches and let the optical ones go."),
    Published("isotope_shift_13c",
        "frequency of any mode of an all-13C tube over that of a 12C tube, (12.000/13.003)^1/2",
        0.9607, "1", 0.0005,
        "Miyauchi, Maruyama, PRB 74, 035415 (2006), authors and journal from memory; retrievo.pt, listing of "
        "Maruyama, Shigeo", "A",
        "'There was almost no change in the Raman spectra shape for SW13CNTs except for a downshift of the Raman "
        "shift frequency by the square-root of the mass ratio 12/13.' By hand; exact in the harmonic model. "
        "Tolerance: integer masses, (12/13)^1/2 = 0.9608."),
)

_MECHANICAL: tuple[Published, ...] = (
    Published("young_large_tube_tpa", "Young's modulus of tubes, wall 0.34 nm, d > 0.7 nm",
        1.0, "TPa", 0.06,
        "Hung, Truong, Thanh, Saito, Comput. Mater. Sci. 114, 167 (2016); scribd.com/document/728647672", "A",
        "'it is a constant of about 1.0 TPa, and independent of the diameter and chiral index for the large tube'. "
        "Tolerance: 'about', and the spread of DFT functionals."),
    Published("young_measured_tpa", "Young's modulus of SWNT from thermal vibration, mean of 27 tubes",
        1.25, "TPa", 0.35,
        "Krishnan, Dujardin, Ebbesen, Yianilos, Treacy, PRB 58, 14013 (1998); "
        "scilit.com/publications/0a336fdbfe94d6b453401be8761f8238", "A",
        "'Micrographs of 27 nanotubes in the diameter range 1.0-1.5 nm were measured to yield an average Young's "
        "modulus of Y=1.25TPa.' Error bar -0.35/+0.45 TPa: paper, M; the lower one is the one that matters."),
    Published("stiffness_2d_n_m", "in-plane stiffness of graphene, to which E t of a large tube tends",
        340.0, "N/m", 50.0, "Lee, Wei, Kysar, Hone, Science 321, 385 (2008); scinapse.io/papers/2010971702", "A",
        "'second- and third-order elastic stiffnesses of 340 newtons per meter (N m-1) and -690 Nm-1'. Error bar: "
        "paper, M."),
    Published("stiffness_2d_dft_n_m", "in-plane stiffness of graphene, DFT",
        345.0, "N/m", 15.0, "Kudin, Scuseria, Yakobson, PRB 64, 235406 (2001)", "M",
        "Tolerance: spread of DFT functionals, 4 %."),
    Published("poisson_graphene", "Poisson ratio of graphene, the limit of large tubes",
        0.149, "1", 0.06, "Kudin, Scuseria, Yakobson, PRB 64, 235406 (2001)", "M",
        "Tolerance: published values spread, from memory, from 0.12 (ab initio, tubes) to 0.21 (empirical "
        "potentials). Not found in a stored copy: keep M."),
    Published("strength_10_0_gpa", "ideal tensile strength of (10,0), wall 0.34 nm",
        105.0, "GPa", 10.0, "Mielke et al., Chem. Phys. Lett. 390, 413 (2004), DFT (PBE)", "M",
        "A, peeref.com/works/70918732: methods 'show reasonable agreement, although the MM scheme systematically "
        "underestimates fracture strengths'. Tolerance: 10 % between their methods; a supercell of one cell."),
    Published("failure_strain_10_0", "failure strain of (10,0)",
        0.2, "1", 0.03,
        "Mielke et al., Chem. Phys. Lett. 390, 413 (2004); Ogata, Shibutani, PRB 68, 165409 (2003)", "M",
        "Steps of strain of 0.01 to 0.02 there and here."),
    Published("failure_strain_8_8", "largest strain that (8,8) sustains",
        0.2, "1", 0.03, "Ogata, Shibutani, PRB 68, 165409 (2003); link.aps.org/abstract/PRB/v68/e165409", "A",
        "'we see a finite band gap of the (8,8) SWNT at the 20% tensile strain level, which is the extreme strain "
        "sustained immediately succeeding failure'. The 0.30 remembered for armchair tubes is not what the abstract "
        "says. Tight binding and DFT; empirical potentials with a cut-off re-stiffen and break later."),
    Published("strength_graphene_gpa", "intrinsic strength of defect-free graphene",
        130.0, "GPa", 10.0, "Lee, Wei, Kysar, Hone, Science 321, 385 (2008); scinapse.io/papers/2010971702", "A",
        "'intrinsic strength of sigma_int = 130 gigapascals'. Error bar: paper, M. From an isotropic continuum fit: "
        "hold armchair tubes to it, zigzag tubes are weaker."),
    Published("strength_loss_vacancy_percent",
        "loss of strength by one or two missing atoms, interval 0 to 26 given as its middle and half width",
        13.0, "%", 13.0, "Mielke et al., Chem. Phys. Lett. 390, 413 (2004); peeref.com/works/70918732", "A",
        "'One- and two-atom vacancy defects are observed to reduce failure stresses by as much as similar to26% and "
        "markedly reduce failure strains.' A bound, not a value."),
    Published("exponent_strain_energy", "exponent of strain energy an atom against diameter",
        -2.0, "1", 0.1, "Peralta-Inga et al., Struct. Chem. 14, 431 (2003); scribd.com/document/712854226", "A",
        "'The strain energy per atom, relative to graphene, varies inversely with the square of the tube radius.' "
        "Tolerance: the d^-4 term at d near 0.7 nm."),
    Published("strain_energy_constant_ev_nm2", "strain energy an atom times diameter squared",
        0.08, "eV nm^2", 0.012, "Sanchez-Portal, Artacho, Soler, Rubio, Ordejon, PRB 59, 12678 (1999)", "M",
        "C/R^2 with C = 2.0 (armchair) to 2.2 (zigzag) eV A^2. Tolerance 15 %: the bending rigidity of REBO; "
        "Tersoff was not fitted to it."),
    Published("vacancy_formation_ev", "formation energy of a single vacancy in graphene, DFT",
        7.5, "eV", 0.8,
        "El-Barbary et al., PRB 68, 144107 (2003); Krasheninnikov et al., Chem. Phys. Lett. 418, 132 (2006)", "M",
        "DFT 7.4 to 7.7. Tolerance, from memory: tubes of 0.7 to 1.4 nm are lower by several tenths, as curvature "
        "helps the bond across the vacancy to close."),
    Published("stone_wales_formation_ev", "formation energy of a Stone-Wales defect in graphene, DFT",
        5.0, "eV", 0.5,
        "Li, Reich, Robertson, PRB 72, 184109 (2005); Ma, Alfe, Michaelides, Wang, PRB 80, 033407 (2009)", "M",
        "4.7 to 5.3 by method and cell, whence the tolerance. The limit of large tubes: in thin tubes it is lower and "
        "depends on the orientation of the bond."),
)

_THERMOELECTRIC: tuple[Published, ...] = (
    Published("seebeck_step_edge_uv_k",
        "magnitude of the Seebeck coefficient of a step in T(E), chemical potential at the step: 2 ln 2 k_B/e",
        119.5, "uV/K", 0.5, "Streda, J. Phys.: Condens. Matter 1, 1025 (1989)", "M",
        "(k_B/e) ln 2 / (i - 1/2) for i = 1; by hand, the integral of x(-f') from 0 is ln 2, that of -f' is 1/2. "
        "(pi^2/6)/ln 2 k_B/e = 204.5 uV/K belongs to T(E) that rises linearly from the edge, not to a step."),
    Published("lorenz_number_1e8_w_ohm_k2", "Lorenz number of a metallic tube, pi^2/3 (k_B/e)^2",
        2.443, "1e-8 W Ohm/K^2", 0.0025,
        "Sommerfeld, Z. Phys. 47, 1 (1928); Ashcroft, Mermin, Solid State Physics, ch. 2", "M",
        "Exact for a constant T(E) over some 20 k_B T; tolerance: rounding and cut-off of the integral."),
    Published("mott_ratio",
        "Seebeck coefficient over the Mott formula (pi^2/3e) k^2 T d ln G/d mu at low T and smooth T(E)",
        1.0, "1", 0.01, "Lunde, Flensberg, J. Phys.: Condens. Matter 17, 3879 (2005), cond-mat/0506050", "A",
        "'the low temperature approximation, S^1=(pi^2/3e)k^2 T d(ln G(mu,T=0))/dmu'. Tolerance: the next order in "
        "T, chosen small by T."),
    Published("seebeck_delta_optimum_uv_k",
        "Seebeck coefficient at the largest power factor of a narrow peak in T(E), 2.4 k_B/e",
        206.8, "uV/K", 2.0,
        "Mahan, Sofo, PNAS 93, 7436 (1996); pennstate.pure.elsevier.com/en/publications/the-best-thermoelectric", "M",
        "A: 'A delta-shaped transport distribution is found to maximize the thermoelectric properties.' The number, "
        "by hand: x^2/cosh^2(x/2) is largest at x tanh(x/2) = 2, x = 2.399. Tolerance: a width of 0.1 k_B T, a grid "
        "of mu."),
    Published("zt_max_zigzag", "largest ZT of pristine (n,0) tubes with n mod 3 not 0, ballistic, 300 K",
        0.2, "1", 0.07,
        "Jiang, Wang, Li, J. Appl. Phys. 109, 014326 (2011); "
        "groundai.com/project/a-nonequilibrium-greens-function-study-of-thermoelectric-properties-"
        "in-single-walled-carbon-nanotubes", "A",
        "'The maximum value of the figure of merit (ZT) is about 0.2 in this type of SWCNT. The ZT is considerably "
        "larger in narrower SWCNT'. Brenner potential there; tolerance: 'about' and 20 % of the phonon "
        "conductance. The abstract gives no temperature: 300 K is M."),
    Published("goldsmid_sharp_ratio", "gap over 2 e S_max T of a semiconducting tube",
        1.0, "1", 0.2,
        "Goldsmid, Sharp, J. Electron. Mater. 28, 869 (1999); link.springer.com/article/10.1007/s11664-999-0211-y", "A",
        "'the Seebeck coefficient of a semiconductor has a maximum value that is close to one-half the energy gap "
        "divided by eT'. A rule of thumb. By hand for a step on either side of the gap, S = (k_B/e)[(D + 1) tanh m "
        "- m], m the chemical potential and D the half gap over k_B T: the ratio is 1.13 at a gap of 0.67 eV and "
        "300 K; the tolerance covers gaps down to 0.4 eV."),
)

# fmt: on

PUBLISHED: tuple[Published, ...] = _ELECTRONIC + _THERMAL + _MECHANICAL + _THERMOELECTRIC
