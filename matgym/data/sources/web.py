"""Sources that are asked over HTTP: their address, and how patiently they are asked."""

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from typing_extensions import override

from matgym.data.sources.base import Source
from matgym.data.sources.http import Client, check_url
from matgym.errors import FetchError


@dataclass(frozen=True)
class WebSource(Source):
    """A source with an address.

    Attributes:
        url: address of the interface; empty for that of the source.
        retries: number of repetitions of a request that failed for a passing reason.
        backoff_s: waiting time before the first repetition; it doubles with each one.
        timeout_s: longest silence of the server.

    Raises:
        ConfigurationError: if the address is none, or a setting is out of range.
    """

    url: str = ""
    retries: int = 5
    backoff_s: float = 1.0
    timeout_s: float = 60.0

    def __post_init__(self) -> None:
        check_url(self.base)
        _ = self.client  # which checks its settings

    @property
    @abstractmethod
    def base(self) -> str:
        """Address of the interface, without a slash at its end."""

    @cached_property
    def client(self) -> Client:
        """The client for the source."""
        return Client(self.title, self.retries, self.backoff_s, self.timeout_s)

    @property
    @override
    def identity(self) -> dict[str, str]:
        return {"url": self.base}

    def changed(self, what: str) -> FetchError:
        """Return the error of an answer that is not built as expected.

        Args:
            what: what is missing, as "a list 'data'".
        """
        host = urlsplit(self.base).netloc.rpartition("@")[2]
        return FetchError(
            f"the answer of {self.title} at {host} has no {what}: it may have changed its schema, or the "
            "address is not that of its interface"
        )

    def listed(self, answer: Any, name: str) -> list[Any]:
        """Return a list in an answer.

        Raises:
            FetchError: if there is none.
        """
        found = answer.get(name) if isinstance(answer, dict) else None
        if not isinstance(found, list):
            raise self.changed(f"list {name!r}")
        return found
