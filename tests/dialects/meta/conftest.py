"""A server that Meta knows."""

from collections.abc import AsyncGenerator, Generator

import httpx
import pytest

from reachbook.database.location import Location
from tests.providers.graph import APP_SECRET, VERIFY_TOKEN
from tests.support import Server


@pytest.fixture(scope="package")
def connected(location: Location) -> Generator[Server]:
    """`reachbook serve` with the secrets of an app at Meta."""
    with Server(location, meta_app_secret=APP_SECRET, meta_verify_token=VERIFY_TOKEN, workers="false") as running:
        yield running


@pytest.fixture
async def http(connected: Server) -> AsyncGenerator[httpx.AsyncClient]:
    """Who calls it."""
    async with httpx.AsyncClient(base_url=connected.url, timeout=60, verify=False) as client:
        yield client
