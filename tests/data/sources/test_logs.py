"""What the page on data says of each source is done by one command; and the servers hold what can be learned."""

import importlib.util

import pytest

from scripts.studies.data.sources import cases, logged
from scripts.studies.loopback.structures import made_up_gap, several


def test_copies_have_other_volumes_and_gaps():
    found = several(2)
    first, second = found[0][0], found[len(found) // 2][0]
    assert second.volume == pytest.approx(1.05 * first.volume)
    assert made_up_gap(second) < made_up_gap(first)


def test_all_sources_are_there():
    from matgym.data.sources import SOURCES

    assert set(cases()) == set(SOURCES)


@pytest.mark.long
@pytest.mark.parametrize("source", list(cases()))
def test_the_commands_of_a_source_run(source, tmp_path):
    needed = {"mp": "mp_api", "optimade": "optimade"}.get(source)
    if needed and importlib.util.find_spec(needed) is None:
        pytest.skip(f"{needed} is not installed")
    log = logged(source, tmp_path)
    assert log.count("$ matgym") == len(cases()[source].commands)
    assert "127.0.0.1" not in log
    assert str(tmp_path) not in log
