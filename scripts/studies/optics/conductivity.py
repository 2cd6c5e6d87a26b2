"""Compare the thermal conductivity of tubes against their length with molecular dynamics by others.

- The double-walled tubes and the single-walled ones of tests/physics/data/conductivity.csv. Walls conduct side by side.
- The law of Cao and Qu for armchair tubes, J. Appl. Phys. 112, 013503 (2012), abstract read (flag A): κ is proportional
  to L up to 300 nm and to L^0.21 beyond it, and to 1 - exp(-0.185 d/a₀) with a₀ = 0.246 nm. The factor is not given.

Molecular dynamics is classical, and so are the computed values here. All atoms are 12C.

    python -m scripts.studies.optics.conductivity

takes two minutes of a core and writes docs/results/conductivity.json and docs/images/physics/conductivity.png.
"""

import csv
import math
from dataclasses import dataclass

import numpy as np

from matgym.physics import LongTubeHeat
from matgym.structures import Nanotube
from scripts.studies.common import ROOT, Study, print_markdown
from scripts.studies.physics.drawing import (
    BLUE,
    GREY,
    PURPLE,
    note,
    panel_title,
    panels,
    published_line,
    published_point,
    save,
)

PUBLISHED = ROOT / "tests" / "physics" / "data" / "conductivity.csv"
SHOWN = Nanotube(10, 10)
KELVIN = 300.0
TURN_NM, BEYOND = 300.0, 0.21
"""Length at which the law of Cao and Qu for armchair tubes turns, nm, and its exponent beyond it."""


@dataclass(frozen=True)
class Settings:
    """The settings of the comparison."""

    lengths_nm: tuple[float, ...] = (10.0, 30.0, 100.0, 300.0, 1e3, 2.6e3, 1e4)
    thin: tuple[int, int] = (5, 5)
    sampled_angstrom: float = 60.0
    points: int = 15


QUICK = Settings((10.0, 300.0), (3, 3), 20.0, 1)


def read():
    """Return the published rows: length, conductivity, temperature and walls, if they are given, and source."""
    lines = [line for line in PUBLISHED.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return [
        {
            "length_nm": float(row["length_nm"]),
            "published_w_mk": float(row["conductivity_w_mk"]),
            "kelvin": float(row["kelvin"] or KELVIN),
            "walls": [[int(x) for x in wall.split("-")] for wall in row["walls"].split()],
            "source": row["source"],
        }
        for row in csv.DictReader(lines)
    ]


def spectrum_of(tube, settings, kelvin=KELVIN, *, classical=True):
    model = LongTubeHeat(kelvin, share_13c=0.0, sampled_angstrom=settings.sampled_angstrom, classical=classical)
    return model.spectrum(tube)


def against_points(settings):
    """Return the published points with κ between contacts and κ inside, and what ballistic phonons conduct."""
    rows = []
    for point in read()[: settings.points]:
        walls = [Nanotube(*wall) for wall in point["walls"]] or [SHOWN]
        spectra = [spectrum_of(wall, settings, point["kelvin"]) for wall in walls]
        areas, length = [each.area_nm2 for each in spectra], np.array([point["length_nm"]])
        ballistic = sum(float(each.conductance_nw_k(np.zeros(1))[0]) for each in spectra) / sum(areas) * length[0]
        between, inside = (
            float(np.average([conductivity[0] for conductivity in found], weights=areas))
            for found in (
                [each.conductivity_w_mk(length) for each in spectra],
                [each.inner_conductivity_w_mk(length) for each in spectra],
            )
        )
        rows.append(
            point
            | {
                "ballistic_w_mk": ballistic,
                "between_w_mk": between,
                "inside_w_mk": inside,
                "inside_over_published": inside / point["published_w_mk"],
            }
        )
    return rows


def law(length_nm, diameter_nm):
    """Return κ of the law of Cao and Qu over that of graphene of 300 nm."""
    ratio = length_nm / TURN_NM
    return ratio ** (1.0 if ratio < 1.0 else BEYOND) * (1.0 - math.exp(-0.185 * diameter_nm / 0.246))


def against_law(settings):
    """Return κ of (10,10) over that at 300 nm by the law and by both statistics, and over that of a thin tube."""
    lengths, thin = np.array(settings.lengths_nm), Nanotube(*settings.thin)
    wide, narrow = spectrum_of(SHOWN, settings), spectrum_of(thin, settings)
    quantum = spectrum_of(SHOWN, settings, classical=False)
    at = np.array([TURN_NM])
    return [
        {
            "length_nm": length,
            "law": law(length, SHOWN.diameter_nm) / law(TURN_NM, SHOWN.diameter_nm),
            "classical_w_mk": float(wide.conductivity_w_mk(np.array([length]))[0]),
            "classical": float(wide.conductivity_w_mk(np.array([length]))[0] / wide.conductivity_w_mk(at)[0]),
            "quantum_w_mk": float(quantum.conductivity_w_mk(np.array([length]))[0]),
            "quantum": float(quantum.conductivity_w_mk(np.array([length]))[0] / quantum.conductivity_w_mk(at)[0]),
            "wide_over_thin_law": law(length, SHOWN.diameter_nm) / law(length, thin.diameter_nm),
            "wide_over_thin": float(
                wide.conductivity_w_mk(np.array([length]))[0] / narrow.conductivity_w_mk(np.array([length]))[0]
            ),
        }
        for length in lengths.tolist()
    ]


def drawn(points, settings):
    """Return the picture: single-walled tubes and the law of Cao and Qu, and double-walled tubes."""
    lengths = np.geomspace(4.0, 1e4, 60)
    figure, (single, double) = panels(10.5, 4.8, 2)
    classical, quantum = (spectrum_of(SHOWN, settings, classical=on) for on in (True, False))
    walls = [spectrum_of(Nanotube(*wall), settings, 200.0) for wall in ((17, 0), (15, 15))]
    areas = [wall.area_nm2 for wall in walls]
    inside = np.average([wall.inner_conductivity_w_mk(lengths) for wall in walls], axis=0, weights=areas)
    between = np.average([wall.conductivity_w_mk(lengths) for wall in walls], axis=0, weights=areas)
    for axes, curves in (
        (
            single,
            (
                (classical.inner_conductivity_w_mk(lengths), PURPLE, "inside"),
                (classical.conductivity_w_mk(lengths), BLUE, "between contacts"),
                (quantum.conductivity_w_mk(lengths), GREY, "quantum, between contacts"),
            ),
        ),
        (double, ((inside, PURPLE, "inside"), (between, BLUE, "between contacts"))),
    ):
        for values, colour, name in curves:
            axes.loglog(lengths, values, color=colour, linewidth=1.8, label=name)
        axes.set(xlim=(4, 1e4), ylim=(15, 4e3), xlabel="length, nm", ylabel="thermal conductivity, W/(m K)")
        axes.legend(frameon=False, fontsize=9.5, loc="lower right")
    scale = float(classical.conductivity_w_mk(np.array([TURN_NM]))[0]) / law(TURN_NM, SHOWN.diameter_nm)
    published_line(single, lengths, np.array([scale * law(length, SHOWN.diameter_nm) for length in lengths.tolist()]))
    note(single, 26, 62, "Cao and Qu (A), scaled", va="top")
    for point in points:
        if not point["walls"]:
            published_point(single, point["length_nm"], point["published_w_mk"])
        elif point["kelvin"] == 200.0:
            published_point(double, point["length_nm"], point["published_w_mk"])
    panel_title(single, "(10,10) at 300 K; single-walled tubes by others (T)")
    panel_title(double, "(17,0) in (15,15) at 200 K; Nie et al. (A)")
    return figure


def main():
    study = Study.from_command_line("conductivity", __doc__, Settings(), QUICK)
    points, ratios = against_points(study.settings), against_law(study.settings)
    for rows in (points, ratios):
        print_markdown(list(rows[0]), [list(row.values()) for row in rows])
    if not study.quick:
        figure = drawn(points, study.settings)
        study.picture("physics/conductivity.png", lambda path: save(figure, path))
    study.write({"points": points, "law": ratios})


if __name__ == "__main__":
    main()
