"""A server that answers by OPTIMADE over the rows of a table: the reference implementation with its database in memory.

optimade-python-tools reads its settings from the environment, from a file in the home folder and from arguments, keeps
one database for each process and writes log files. All of that is set here, for the process that calls `serve`, which
should do nothing else. The server makes no connection of its own: the list of providers is not fetched, the address of
the licence is not tried, and its pages load nothing from elsewhere.
"""

import logging
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from matgym.data.publishing.entries import Published
from matgym.data.publishing.optimade import PREFIX, optimade_fields, provider_fields
from matgym.errors import ConfigurationError, MissingExtraError
from matgym.version import __version__

if TYPE_CHECKING:
    from fastapi import FastAPI

PAGE: Final = Path(__file__).parent / "landing.html"
"""The page at the root of the server; that of optimade-python-tools loads pictures from elsewhere."""

_PAGES_FROM_ELSEWHERE: Final = ("/extensions/docs", "/extensions/redoc")
"""Pages of FastAPI that load scripts from a content delivery network."""

_HOMEPAGE: Final = "https://github.com/matgym/matgym"

_INSERTED: Final = 500
"""Entries that are inserted at a time."""


@dataclass(frozen=True)
class Served:
    """What a server serves.

    Attributes:
        url: base URL for clients of OPTIMADE, without the version.
        entries: number of structures.
        rejected: reasons why rows of the table are not served, by row.
        is_local: whether only programs on this machine can reach it.
    """

    url: str
    entries: int
    rejected: Mapping[int, str]
    is_local: bool


def bound_socket(host: str, port: int) -> socket.socket:
    """Return a socket that listens at an address.

    Args:
        host: name or number of the address.
        port: number of the port; 0 for any free one.

    Raises:
        ConfigurationError: if there is no such address, or the port is taken.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind(address)
            bound.listen()
        except OSError:
            bound.close()
            raise
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen at {host}:{port}: {error.strerror}; give another --port, such as {port + 1 or 5001}, or "
            "--port 0 for a free one"
        ) from None
    return bound


def serve(
    table: Published,
    bound: socket.socket,
    *,
    licence: str = "",
    on_start: Callable[[Served], None] = lambda _served: None,
) -> None:
    """Answer requests until the process is interrupted.

    Args:
        table: the table.
        bound: the socket, from `bound_socket`.
        licence: licence of the table, as an SPDX identifier such as "CC-BY-4.0" or a URL; empty for that of the table.
        on_start: called when all structures are in the database and the socket is open.

    Raises:
        MissingExtraError: if optimade-python-tools with its server is not installed.
        DatasetError: if two columns would be the same field.
    """
    host, port = bound.getsockname()[:2]
    is_local = ip_address(host).is_loopback
    app = application(table, licence=licence, hosts=(host,) if is_local else ())
    import uvicorn

    shown = f"[{host}]" if ":" in host else host
    on_start(Served(f"http://{shown}:{port}", len(table.entries), table.rejected, is_local))
    config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off")
    uvicorn.Server(config).run(sockets=[bound])


def application(table: Published, *, licence: str = "", hosts: tuple[str, ...] = ()) -> "FastAPI":
    """Return the application of a server, with all structures in its database.

    Args:
        table: the table.
        licence: licence of the table; empty for that of the table.
        hosts: names by which browsers may address the server; none for any. On loopback, pages of other sites cannot
            read the answers then, not even by a name that they make point to this machine.

    Raises:
        MissingExtraError: if optimade-python-tools with its server is not installed.
        DatasetError: if two columns would be the same field.
    """
    log = logging.getLogger("optimade")
    if not log.handlers:  # else it writes files under /var/log, and to stdout
        log.addHandler(logging.NullHandler())
    try:
        from fastapi.middleware.cors import CORSMiddleware
        from optimade.server.create_app import create_app
        from starlette.middleware.trustedhost import TrustedHostMiddleware
    except ImportError:
        raise MissingExtraError("optimade[server] with mongomock and uvicorn", "serve") from None

    app: FastAPI = create_app(_settings(table, licence))
    structures = app.state.entry_collections["structures"]
    for start in range(0, len(table.entries), _INSERTED):
        structures.insert([optimade_fields(entry) for entry in table.entries[start : start + _INSERTED]])
    app.state.entry_collections["references"].insert([_reference()])
    app.router.routes[:] = [
        route for route in app.router.routes if not str(getattr(route, "path", "")).endswith(_PAGES_FROM_ELSEWHERE)
    ]
    if hosts:
        others: list[Any] = [each for each in app.user_middleware if cast("object", each.cls) is not CORSMiddleware]
        app.user_middleware[:] = others
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=[*hosts, "localhost"])
    return app


def _reference() -> dict[str, Any]:
    """Return the reference to matgym."""
    return {
        "id": PREFIX,
        "last_modified": datetime.now(UTC).replace(microsecond=0),
        "title": f"matgym {__version__}",
        "authors": [{"name": "The matgym developers"}],
        "url": _HOMEPAGE,
        "bib_type": "misc",
    }


def _settings(table: Published, licence: str) -> Any:
    """Return the settings of the server, which come from here only."""
    from optimade.server.config import ServerConfig
    from pydantic import field_validator
    from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

    class Settings(ServerConfig):  # type: ignore[misc]  # of a library without types
        """Settings without those of the environment and of files, and without a request to the licence's address."""

        @field_validator("license", mode="before")
        @classmethod
        def check_license_info(cls, value: Any) -> Any:
            if not value or str(value).startswith(("http://", "https://")):
                return value or None
            return f"https://spdx.org/licenses/{value}"

        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],  # noqa: ARG003
            init_settings: PydanticBaseSettingsSource,
            **_others: Any,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return (init_settings,)

    day = datetime.now(UTC).strftime("%Y-%m-%d")
    return Settings(
        insert_test_data=False,  # which would also fetch the list of providers
        custom_landing_page=PAGE,
        log_level="warning",
        license=licence or table.licence or None,
        index_base_url=None,
        implementation={
            "name": "matgym", "version": __version__, "source_url": _HOMEPAGE, "issue_tracker": f"{_HOMEPAGE}/issues",
        },
        provider={
            "prefix": PREFIX,
            "name": "matgym",
            "description": f"{len(table.entries)} structures, served on {day}",
            "homepage": _HOMEPAGE,
        },
        provider_fields={"structures": provider_fields(table.columns)},
    )  # fmt: skip
