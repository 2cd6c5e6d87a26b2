"""Tables that go out: an OPTIMADE server over them, and archives that NOMAD takes."""

from matgym.data.publishing.entries import Published, PublishedEntry, published
from matgym.data.publishing.server import Served, bound_socket, serve

__all__ = ["Published", "PublishedEntry", "Served", "bound_socket", "published", "serve"]
