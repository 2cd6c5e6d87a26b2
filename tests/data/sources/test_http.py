"""The client of sources: retries, waits, limits, redirects, and that keys are never shown."""

import time

import pytest

from matgym.data.sources import http
from matgym.data.sources.http import Client, check_url, redacted, same_host
from matgym.errors import ConfigurationError, FetchError
from scripts.studies.loopback.server import Answer, Fault, Loopback, free_port

KEY = "0123456789abcdef"


def client(**settings):
    return Client("the stub", **({"retries": 2, "backoff_s": 0.01, "timeout_s": 20.0} | settings))


def echo(request):
    return Answer({"path": request.path, "agent": request.headers["user-agent"], "key": request.headers.get("x-key")})


def test_an_answer_is_json_and_the_client_says_who_it_is():
    with Loopback(echo) as server:
        assert client().get(f"{server.url}/a", {"b": "1"})["agent"].startswith("matgym/")
        assert client().post(f"{server.url}/a", {"b": 1})["path"] == "/a"
    assert server.requests[0].parameters == {"b": "1"}
    assert server.requests[1].body == b'{"b": 1}'


@pytest.mark.parametrize("kind", ["429", "500", "truncated"])
def test_what_passes_is_repeated(kind):
    with Loopback(echo, [Fault(kind, last=2)]) as server:
        assert client().get(f"{server.url}/a")["path"] == "/a"
    assert len(server.requests) == 3


@pytest.mark.parametrize("kind", ["401", "403", "404", "not JSON"])
def test_what_stays_is_not_repeated(kind):
    with Loopback(echo, [Fault(kind)]) as server, pytest.raises(FetchError):
        client().get(f"{server.url}/a")
    assert len(server.requests) == 1


def test_retry_after_is_obeyed_up_to_a_limit():
    with Loopback(echo, [Fault("429", last=1, retry_after="1")]) as server:
        began = time.monotonic()
        client().get(f"{server.url}/a")
        assert time.monotonic() - began >= 1.0
    with Loopback(echo, [Fault("429", retry_after="7200")]) as server:
        with pytest.raises(FetchError, match="asks to wait 7,200 s, so repeat the call after that"):
            client().get(f"{server.url}/a")
        assert len(server.requests) == 1


def test_a_silent_server_and_one_that_is_down_are_said():
    with (
        Loopback(echo, [Fault("silence")]) as server,
        pytest.raises(FetchError, match=r"the stub at 127\.0\.0\.1:\d+ was silent for 0\.2 s"),
    ):
        client(timeout_s=0.2, retries=0).get(f"{server.url}/a")
    with pytest.raises(FetchError, match="accepts no connection, so it is down or you are offline"):
        client().get(f"http://127.0.0.1:{free_port()}/a")
    with pytest.raises(FetchError, match=r"the name no\.such\.host\.invalid is not known here, so you may be offline"):
        client(retries=0).get("http://no.such.host.invalid/a")


def test_large_answers_and_circular_redirects_end(monkeypatch):
    monkeypatch.setattr(http, "MAX_BODY_BYTES", 1000)
    with (
        Loopback(lambda _: Answer({"a": "x" * 5000})) as server,
        pytest.raises(FetchError, match="more than 1,000 bytes"),
    ):
        client().get(f"{server.url}/a")
    with Loopback(lambda _: Answer({}, 302, {"Location": "/a"})) as server:
        with pytest.raises(FetchError, match="cannot be read"):
            client(retries=0).get(f"{server.url}/a")
        assert len(server.requests) <= http.MOST_REDIRECTS + 1


def test_a_key_is_sent_but_never_shown():
    with Loopback(lambda request: Answer({"detail": f"bad key {request.headers['x-key']}"}, 400)) as server:
        with pytest.raises(FetchError, match=r"does not accept the query \(status 400: bad key \*\*\*\)"):
            client(headers={"X-KEY": KEY}).get(f"{server.url}/a")
        assert server.requests[0].headers["x-key"] == KEY
    assert KEY not in repr(client(headers={"X-KEY": KEY}))
    assert redacted(f"a{KEY}b{KEY}", [KEY]) == "a***b***"


def test_next_pages_are_on_the_same_host_and_stay_encrypted():
    base = "https://example.org/optimade"
    assert same_host("http://example.org/v1?page=2", base, "x") == "https://example.org/v1?page=2"
    assert same_host("https://www.example.org/v1", base, "x") == "https://example.org/v1"
    for link in ("http://127.0.0.1:80/v1", "https://example.org.evil.net/v1", "//example.net/v1"):
        with pytest.raises(FetchError, match="names a next page on another host"):
            same_host(link, base, "x")


@pytest.mark.parametrize("url", ["", "example.org", "file:///etc/passwd", "http://", "http://a:99999999", "http://a b"])
def test_what_is_no_address_is_an_error(url):
    with pytest.raises(ConfigurationError, match="is no address"):
        check_url(url)
