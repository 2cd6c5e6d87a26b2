"""Addresses of Dask schedulers: what is exposed is said."""

import warnings

import pytest

from matgym.errors import ExecutionError, OpenSchedulerWarning
from matgym.execution import execute


class Nothing:
    key = "nothing"

    def run(self):
        raise AssertionError("no scheduler carries this out")


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("matgym.execution._CONNECT_S", 0.2)


@pytest.mark.parametrize(
    "address", ["tcp://192.0.2.1:8786", "192.0.2.1:8786", "tcp://no.such.example:8786", "ws://192.0.2.1:1"]
)
def test_an_open_scheduler_of_another_machine_is_warned_of(tmp_path, address):
    """The addresses are reserved for documentation (RFC 5737): nothing answers."""
    with (
        pytest.warns(OpenSchedulerWarning, match=r"whoever reaches this address can run programs as you"),
        pytest.raises(ExecutionError, match="no Dask scheduler answers"),
    ):
        execute([Nothing()], tmp_path, scheduler=address)


@pytest.mark.parametrize(
    "address", ["tcp://127.0.0.1:1", "127.0.0.1:1", "tcp://localhost:1", "tcp://[::1]:1", "tls://192.0.2.1:1"]
)
def test_this_machine_and_certificates_are_not(tmp_path, address):
    with warnings.catch_warnings():
        warnings.simplefilter("error", OpenSchedulerWarning)
        with pytest.raises(ExecutionError, match="no Dask scheduler answers"):
            execute([Nothing()], tmp_path, scheduler=address)
