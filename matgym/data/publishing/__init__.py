"""Tables that go out: an OPTIMADE server over them, and archives that NOMAD takes."""

from matgym.data.publishing.entries import (
    SHIPPED_LICENCE,
    Published,
    PublishedEntry,
    published,
    published_table,
    table_file,
)
from matgym.data.publishing.nomad import write_nomad_archive
from matgym.data.publishing.server import Served, bound_socket, serve

__all__ = [
    "SHIPPED_LICENCE",
    "Published",
    "PublishedEntry",
    "Served",
    "bound_socket",
    "published",
    "published_table",
    "serve",
    "table_file",
    "write_nomad_archive",
]
