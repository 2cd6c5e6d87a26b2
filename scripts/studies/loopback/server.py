"""A server on this machine that answers like a database, and fails as one does, when and how a test says."""

import json
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import parse_qsl, urlsplit

STATUSES: Final = {"401": 401, "403": 403, "404": 404, "429": 429, "500": 500}
"""Faults that are a status, by name."""

TRANSPORT: Final = (*STATUSES, "truncated", "silence", "not JSON")
"""Faults that do not depend on what the database holds. All others are passed to the function that answers."""


@dataclass(frozen=True)
class Fault:
    """What goes wrong with some requests.

    Attributes:
        kind: one of `TRANSPORT`, or what the function that answers knows.
        path: text in the paths of the requests; empty for all.
        first: number of the first of these requests that the fault concerns, from 1.
        last: number of the last one; None for all that follow.
        retry_after: the header Retry-After of the status 429; none if it is empty.
    """

    kind: str
    path: str = ""
    first: int = 1
    last: int | None = None
    retry_after: str = ""


@dataclass(frozen=True)
class Request:
    """A request.

    Attributes:
        path: path of the address.
        parameters: its parameters.
        headers: its headers, with names in lower case.
        body: its body.
        fault: the fault that the answer has to show; empty for none.
    """

    path: str
    parameters: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""
    fault: str = ""


@dataclass(frozen=True)
class Answer:
    """An answer: content as bytes or, for JSON, as anything else."""

    content: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def bytes(self) -> bytes:
        """The content as it is sent."""
        return self.content if isinstance(self.content, bytes) else json.dumps(self.content).encode()


class Loopback:
    """A server on a free port of this machine, while a `with` block lasts.

    Attributes:
        requests: the requests so far.
        faults: what goes wrong; may be changed while the server runs.
    """

    def __init__(
        self, answer: Callable[[Request], Answer], faults: Sequence[Fault] = (), *, silence_s: float = 10.0
    ) -> None:
        """Open the port.

        Args:
            answer: function that answers a request.
            faults: what goes wrong.
            silence_s: how long a silent server keeps the connection; it ends early with the server.
        """
        self.answer = answer
        self.faults = list(faults)
        self.silence_s = silence_s
        self.requests: list[Request] = []
        self.stopped = threading.Event()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        """Address of the server, without a slash at the end."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def noted(self, path: str, parameters: Mapping[str, str], headers: Mapping[str, str], body: bytes) -> Request:
        """Return a request with its fault, and count it."""
        with self._lock:
            fault = next((each for each in self.faults if self._concerns(each, path)), None)
            request = Request(path, parameters, headers, body, fault.kind if fault else "")
            self.requests.append(request)
        return request

    def retry_after(self) -> str:
        """Return the Retry-After of the first fault that has one; empty if none has."""
        return next((each.retry_after for each in self.faults if each.retry_after), "")

    def _concerns(self, fault: Fault, path: str) -> bool:
        number = 1 + sum(fault.path in each.path for each in self.requests)
        return fault.path in path and fault.first <= number and (fault.last is None or number <= fault.last)


def free_port() -> int:
    """Return a port of this machine on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _handler(loopback: Loopback) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            place = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = loopback.noted(place.path, dict(parse_qsl(place.query)), headers, body)
            if request.fault == "silence":
                loopback.stopped.wait(loopback.silence_s)
                self.close_connection = True
            elif request.fault in STATUSES:
                self.send(_status(request.fault, loopback.retry_after()))
            elif request.fault == "not JSON":
                self.send(Answer(b"<html><body>Maintenance</body></html>", headers={"Content-Type": "text/html"}))
            else:
                self.send(loopback.answer(request), broken=request.fault == "truncated")

        def do_POST(self) -> None:
            self.do_GET()

        def send(self, answer: Answer, *, broken: bool = False) -> None:
            content = answer.bytes
            self.send_response(answer.status)
            for name, value in {"Content-Type": "application/json", **answer.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            with suppress(BrokenPipeError, ConnectionResetError):  # the client did not wait
                self.wfile.write(content[: len(content) // 2] if broken else content)
            self.close_connection = self.close_connection or broken

        def log_message(self, *_: Any) -> None:
            """Write no log."""

    return Handler


def _status(kind: str, retry_after: str) -> Answer:
    headers = {"Retry-After": retry_after} if kind == "429" and retry_after else {}
    return Answer({"detail": f"the stub answers {kind}"}, STATUSES[kind], headers)


def run(loopback: Loopback, name: str) -> None:
    """Run a server until Ctrl-C, and print its address."""
    with loopback:
        print(f"{name} at {loopback.url}", flush=True)
        try:
            while True:
                time.sleep(1.0)
        except KeyboardInterrupt:
            print("stopped")
