"""An installation of these tests' own: what the operator changes is there for every account of it."""

from collections.abc import AsyncGenerator, Generator

import asyncpg
import httpx
import pytest

from reachbook.core import ids, tokens
from reachbook.database.location import Location
from reachbook.database.pool import Pool, open_pool
from tests.conftest import new_database
from tests.support import Server


@pytest.fixture(scope="session")
async def location(embedded: Location) -> Location:
    return await new_database(embedded, "operator")


@pytest.fixture(scope="session")
async def db(location: Location) -> AsyncGenerator[Pool]:
    pool = await open_pool(location.app_url, most=20, statement_seconds=60)
    yield pool
    await pool.close()


@pytest.fixture(scope="session")
async def owner(location: Location) -> AsyncGenerator[asyncpg.Connection]:
    connection = await asyncpg.connect(location.owner_url)
    yield connection
    await connection.close()


@pytest.fixture(scope="session")
def server(location: Location) -> Generator[Server]:
    with Server(location) as running:
        yield running


@pytest.fixture
async def operator(db: Pool, server: Server) -> AsyncGenerator[httpx.AsyncClient]:
    """The operator; paths are relative to the base."""
    token = await tokens.create(db, None, ids.new_id(), name="operator", scopes=["operator"], now=ids.now())
    headers = {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=f"{server.url}/operator/v1/", headers=headers, timeout=60, verify=False) as client:
        yield client
