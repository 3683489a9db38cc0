"""Alice's and Bob's accounts by our own API."""

from collections.abc import AsyncGenerator

import pytest

from tests.dialects.own.support import Own, own_client
from tests.support import Client


@pytest.fixture
async def hers(alice: Client) -> AsyncGenerator[Own]:
    async with own_client(alice) as client:
        yield client


@pytest.fixture
async def his(bob: Client) -> AsyncGenerator[Own]:
    """Somebody else's, where nothing of hers may show."""
    async with own_client(bob) as client:
        yield client
