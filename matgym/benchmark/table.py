"""Tables as Markdown."""

import re
from dataclasses import dataclass
from typing import Final

NONE: Final = "–"
"""Cell without a value."""


@dataclass(frozen=True)
class Table:
    """A table with its heading and notes.

    Attributes:
        title: heading.
        notes: sentences above the table.
        columns: names of the columns; the first `words` columns hold text, the others hold numbers.
        rows: cells of each row.
        words: number of columns that are aligned left.
    """

    title: str
    notes: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1

    def markdown(self, level: int = 2) -> str:
        """Return heading, notes and rows as Markdown."""
        lines = ["#" * level + " " + in_markdown(self.title), ""]
        lines += [in_markdown(note) + "\n" for note in self.notes]
        if self.rows:
            rule = ["---" if i < self.words else "---:" for i in range(len(self.columns))]
            header, *rows = (map(in_markdown, cells) for cells in (self.columns, *self.rows))
            lines += [f"| {' | '.join(cells)} |" for cells in (header, rule, *rows)]
            lines.append("")
        return "\n".join(lines)


def in_markdown(text: str) -> str:
    """Return text on one line that Markdown shows as it is: without HTML, links, pictures, emphasis, code or cells."""
    line = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"[\\`*_~|$]|\](?=[(\[:])|^#", r"\\\g<0>", line)
