"""One self-contained page: text, figures, tables and tubes in 3-D, nothing from the network."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from matgym.files import write_text
from matgym.structures import Nanotube


@dataclass(frozen=True)
class Report:
    """What the page shows, in this order.

    Attributes:
        title: heading.
        summary: sentences in plain words.
        numbers: (label, value, note) headline figures.
        figures: (heading, caption, inline SVG).
        tables: (heading, caption, column names, rows of cells).
        tubes: (heading, caption, tube), shown in 3-D.
        provenance: what it was made of.
    """

    title: str
    summary: tuple[str, ...]
    numbers: tuple[tuple[str, str, str], ...]
    figures: tuple[tuple[str, str, str], ...]
    tables: tuple[tuple[str, str, tuple[str, ...], tuple[tuple[str, ...], ...]], ...]
    tubes: tuple[tuple[str, str, Nanotube], ...]
    provenance: Mapping[str, str]


def write_report(path: Path, report: Report) -> None:
    """Write the page atomically.

    Args:
        path: of the HTML file.
        report: what it shows.
    """
    from jinja2 import Environment, PackageLoader
    from markupsafe import Markup

    from matgym.viz.tube3d import script_tag, tube_html

    environment = Environment(loader=PackageLoader("matgym.app", "."), autoescape=True)
    page = environment.get_template("report.html").render(
        report=report,
        figures=[(heading, caption, Markup(svg)) for heading, caption, svg in report.figures],  # noqa: S704  # ours
        tubes=[
            (heading, caption, Markup(tube_html(tube, f"tube-{i}")))  # noqa: S704  # ours
            for i, (heading, caption, tube) in enumerate(report.tubes)
        ],
        script=Markup(script_tag()) if report.tubes else "",  # noqa: S704  # ours
    )
    write_text(path, page)
