"""The client of sources: JSON over HTTP, with retries, limits, and one sentence for each failure."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urlsplit, urlunsplit

from matgym.errors import ConfigurationError, FetchError, FormatError, one_line, require_within
from matgym.files import parse_json
from matgym.version import __version__

if TYPE_CHECKING:
    import urllib3

USER_AGENT: Final = f"matgym/{__version__} (https://github.com/matgym/matgym)"

MAX_BODY_BYTES: Final = 1 << 26
"""Largest answer that is read. This limit and the next three are our choice."""

MOST_REDIRECTS: Final = 5

LONGEST_BACKOFF_S: Final = 60.0

LONGEST_WAIT_S: Final = 300.0
"""Longest time that a server may ask to wait (Retry-After) before it is asked again."""

BUSY: Final = 429
AGAIN: Final = (BUSY, 500, 502, 503, 504)
"""Statuses after which a request is repeated."""

SECRET_HEADERS: Final = ("Authorization", "Cookie", "Proxy-Authorization", "X-API-KEY")
"""Headers that are not sent on to another host."""

_CHUNK: Final = 1 << 16
_SHORTEST_SECRET: Final = 4


@dataclass(frozen=True)
class Answer:
    """An answer of a server.

    Attributes:
        status: its status.
        headers: its headers; names are compared without regard to case.
        content: its body.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes


@dataclass(frozen=True)
class Client:
    """A client of one source. Requests that fail for a passing reason are repeated.

    Attributes:
        source: name of the source, for error messages.
        retries: number of repetitions of a request.
        backoff_s: waiting time before the first repetition; it doubles with each one.
        timeout_s: longest silence of the server.
        headers: further headers of each request; their values are never shown.

    Raises:
        ConfigurationError: if a setting is out of range.
    """

    source: str
    retries: int = 5
    backoff_s: float = 1.0
    timeout_s: float = 60.0
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        require_within(0, 20, retries=self.retries)
        require_within(0.0, LONGEST_BACKOFF_S, backoff_s=self.backoff_s)
        require_within(0.01, 3600.0, timeout_s=self.timeout_s)

    def get(self, url: str, parameters: Mapping[str, str] | None = None) -> Any:
        """Return the JSON that a GET request to an address answers.

        Raises:
            FetchError: if there is none, with the reason and the fix in one sentence.
        """
        return self._parsed(self.answer("GET", url + (f"?{urlencode(parameters)}" if parameters else "")).content, url)

    def post(self, url: str, content: Any) -> Any:
        """Return the JSON that a POST request with JSON answers; see `get`."""
        return self._parsed(self.answer("POST", url, json.dumps(content).encode()).content, url)

    def answer(self, method: str, url: str, body: bytes | None = None, **headers: str) -> Answer:
        """Return the answer to a request, whatever its content.

        Args:
            method: GET or POST.
            url: the address.
            body: JSON to send, if any.
            **headers: further headers of this request.

        Raises:
            FetchError: if there is none, with the reason and the fix in one sentence.
        """
        check_url(url)
        problem: str | None = None
        for attempt in range(self.retries + 1):
            wait = min(self.backoff_s * 2**attempt, LONGEST_BACKOFF_S)
            found, problem = self._once(method, url, body, headers)
            if problem is None and found.status < 300:
                return found
            if problem is None:
                problem = self._sentence(found.status, found.content, url)
                if found.status not in AGAIN:
                    break
                asked = _asked_wait(found.headers)
                if asked > LONGEST_WAIT_S:
                    problem += f"; it asks to wait {asked:,.0f} s, so repeat the call after that"
                    break
                wait = max(wait, asked) if asked else wait
            if attempt < self.retries:
                time.sleep(wait)
        raise FetchError(redacted(str(problem), self.headers.values()))

    def _once(self, method: str, url: str, body: bytes | None, more: Mapping[str, str]) -> tuple[Answer, str | None]:
        """Return an answer, or what went wrong with the connection."""
        import urllib3

        content, response = bytearray(), None
        headers = {"User-Agent": USER_AGENT, "Accept": "application/json", **self.headers, **more}
        if body is not None:
            headers["Content-Type"] = "application/json"
        # urllib3 only follows redirects here: repetitions also have to cover the reading of the body below.
        once = urllib3.Retry(
            MOST_REDIRECTS, connect=0, read=0, status=0, other=0, redirect=MOST_REDIRECTS, raise_on_status=False,
            remove_headers_on_redirect=SECRET_HEADERS, respect_retry_after_header=False,
        )  # fmt: skip
        try:
            response = _pool(url).request(
                method, url, body=body, headers=headers, timeout=self.timeout_s, retries=once, preload_content=False
            )
            for chunk in response.stream(_CHUNK):
                content += chunk
                if len(content) > MAX_BODY_BYTES:
                    response.close()  # what follows must not be taken for the next answer
                    raise FetchError(
                        f"{self.source} answers with more than {MAX_BODY_BYTES:,} bytes: ask for less in a page"
                    )
        except urllib3.exceptions.HTTPError as error:
            return Answer(0, {}, b""), self._reason(error, url)
        finally:
            if response is not None:
                response.release_conn()
        return Answer(response.status, response.headers, bytes(content)), None

    def _reason(self, error: Exception, url: str) -> str:
        """Return the sentence for an error of the connection."""
        from urllib3 import exceptions

        cause = error.reason if isinstance(error, exceptions.MaxRetryError) and error.reason else error
        host = urlsplit(url).netloc.rpartition("@")[2]
        if isinstance(cause, exceptions.NameResolutionError):
            return f"{self.source} cannot be reached: the name {host} is not known here, so you may be offline"
        if isinstance(cause, exceptions.ReadTimeoutError):
            return f"{self.source} at {host} was silent for {self.timeout_s:g} s: repeat the call later"
        if isinstance(cause, exceptions.NewConnectionError | exceptions.ConnectTimeoutError):
            return f"{self.source} cannot be reached: {host} accepts no connection, so it is down or you are offline"
        if isinstance(cause, exceptions.SSLError):
            return f"{self.source} at {host} cannot be trusted: {one_line(cause):.120}"
        if isinstance(cause, exceptions.ProtocolError):
            return f"{self.source} at {host} broke off in the middle of its answer: repeat the call later"
        return f"{self.source} at {host} cannot be read ({type(cause).__name__}): repeat the call later"

    def _sentence(self, status: int, content: bytes, url: str) -> str:
        """Return the sentence for a status that is no success."""
        place = urlsplit(url)
        where = f"{self.source} at {place.netloc.rpartition('@')[2]}"
        said = _detail(content)
        if status in {401, 403}:
            fix = "check the key" if self.headers else "it needs a key, blocks this address, or forbids such a query"
            return f"{where} refuses access (status {status}{f': {said}' if said else ''}): {fix}"
        if status == 404:
            return f"{where} has no {place.path} (status 404): check the address, or it has moved"
        if status == BUSY:
            return f"{where} limits the number of requests (status 429): repeat the call later"
        if status >= 500:
            return f"{where} has an error of its own (status {status}): repeat the call later"
        return f"{where} does not accept the query (status {status}{f': {said}' if said else ''})"

    def _parsed(self, content: bytes, url: str) -> Any:
        try:
            return parse_json(content, f"the answer of {self.source} at {urlsplit(url).netloc.rpartition('@')[2]}")
        except FormatError as error:
            said = redacted(
                f"{error}: the address is not that of its data, or it is out of order", self.headers.values()
            )
            raise FetchError(said) from None


def redacted(text: str, secrets: Any) -> str:
    """Return a text in which secrets, such as keys, are replaced by "***"."""
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "***")
    return text


def check_url(url: str) -> None:
    """Check an address.

    Raises:
        ConfigurationError: if it is none of HTTP.
    """
    try:
        parts = urlsplit(url)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and url.isprintable() and " " not in url
        valid = valid and (parts.port is None or parts.port > 0)
    except ValueError:
        valid = False
    if not valid:
        raise ConfigurationError(f"{url!r:.100} is no address: give one such as https://example.org/optimade")


def same_host(link: str, base: str, source: str) -> str:
    """Return the address of a next page, with HTTPS if the base has it.

    Servers behind a proxy name pages of HTTPS as HTTP. A page on another host could be anything.

    Raises:
        FetchError: if it is on another host.
    """
    there, here = urlsplit(link), urlsplit(base)
    if not there.netloc:
        there = there._replace(netloc=here.netloc)
    if _host(there.hostname) != _host(here.hostname):
        raise FetchError(
            f"{source} names a next page on another host, {str(there.hostname)[:80]}: fetch that one itself"
        )
    if here.scheme == "https" or there.scheme not in {"http", "https"}:
        there = there._replace(scheme=here.scheme, netloc=here.netloc)
    return urlunsplit(there)


def _host(name: str | None) -> str:
    return (name or "").removeprefix("www.")


def _asked_wait(headers: Mapping[str, str]) -> float:
    """Return the seconds of Retry-After, in seconds or as a date; 0 without it."""
    import urllib3

    try:
        return float(urllib3.Retry().parse_retry_after(headers.get("Retry-After", "0")) or 0)
    except urllib3.exceptions.HTTPError:
        return 0.0


def _detail(content: bytes) -> str:
    """Return what a server says about its error in JSON, shortened; empty if it says nothing."""
    try:
        answer = parse_json(content[:_CHUNK], "")
    except FormatError:
        return ""
    if not isinstance(answer, dict):
        return ""
    errors = answer.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else answer
    said = first.get("detail") or first.get("title") or first.get("message") if isinstance(first, dict) else first
    text = " ".join(str(said or "").split())
    return "".join(letter for letter in text if letter.isprintable())[:160]


def _pool(url: str) -> "urllib3.PoolManager":
    """Return the connections for an address, through the proxy that the environment names for it."""
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(url)
    proxy = getproxies().get(parts.scheme)
    return _manager(None if not proxy or proxy_bypass(parts.netloc.rpartition("@")[2]) else proxy)


@cache
def _manager(proxy: str | None) -> "urllib3.PoolManager":
    """Return a manager of connections, which stay open between requests; None for no proxy."""
    import urllib3

    if proxy is None:
        return urllib3.PoolManager()
    sign_in = urllib3.util.parse_url(proxy).auth
    headers = urllib3.util.make_headers(proxy_basic_auth=sign_in) if sign_in else None
    return urllib3.ProxyManager(proxy, proxy_headers=headers)
