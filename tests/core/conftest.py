"""What tests of core have beside the common fixtures."""

from collections.abc import Generator

import pytest

from reachbook.database.location import Location
from tests.support_sync import Runner


@pytest.fixture(scope="session")
def runner(location: Location) -> Generator[Runner]:
    """The database for tests that can't await."""
    with Runner(location) as running:
        yield running
