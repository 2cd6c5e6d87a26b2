"""Self-contained HTML pages: one look, values escaped, nothing loaded from elsewhere."""

from typing import Any


def render(package: str, template: str, **values: Any) -> str:
    """Return a page as text.

    Args:
        package: that holds the template, such as "matgym.app".
        template: its file name; it extends `page.html`, which takes the values `title`, `summary` (sentences),
            `numbers` (label, value, note) and `provenance` (a mapping).
        **values: of the template's variables. Text is escaped; HTML of our own comes as `markupsafe.Markup`.
    """
    from jinja2 import ChoiceLoader, Environment, PackageLoader

    loader = ChoiceLoader([PackageLoader(package, "."), PackageLoader("matgym.viz", ".")])
    return Environment(loader=loader, autoescape=True).get_template(template).render(**values)
