"""The sources on loopback, with the real OPTIMADE server, which takes seconds to start."""

import pytest

from scripts.studies.loopback.trials import subjects


@pytest.fixture(scope="session")
def loopback_subjects():
    with subjects() as found:
        yield found
