"""Graph's stand-in, and those who call it."""

from collections.abc import AsyncGenerator

import pytest
from aiohttp import ClientSession

from reachbook.database.pool import Pool
from reachbook.providers.meta import Meta
from reachbook.providers.outbound import open_client
from tests.providers import graph as stand_in
from tests.providers.graph import TOKEN, Graph


@pytest.fixture
async def graph() -> AsyncGenerator[Graph]:
    """Meta."""
    async with stand_in.graph() as running:
        yield running


@pytest.fixture
async def client() -> AsyncGenerator[ClientSession]:
    """The process's HTTP client."""
    async with open_client() as opened:
        yield opened


@pytest.fixture
def meta(graph: Graph, client: ClientSession) -> Meta:
    """Who calls Meta."""
    return Meta(client, graph.graph_url, TOKEN)


@pytest.fixture
async def idle(db: Pool) -> Pool:
    """The database with nothing due that other tests have left."""
    await db.execute("UPDATE provider_template SET due_at = NULL")
    await db.execute("UPDATE provider_poll SET due_at = now() + interval '1 day'")
    return db
