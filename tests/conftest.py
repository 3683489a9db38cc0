"""What the tests stand on: a real PostgreSQL (the embedded one, a database for each xdist worker) and a real server on a socket.

Every test that touches accounts has two: Alice's, which it works with, and Bob's, which must see nothing of it.
"""

import os
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import asyncpg
import httpx
import pytest

from reachbook.core import accounts, groups, ids
from reachbook.core.groups import Group
from reachbook.core.ids import AccountId
from reachbook.database.embedded import open_embedded
from reachbook.database.location import Location
from reachbook.database.migrate import migrate
from reachbook.database.pool import Pool, open_pool
from tests.support import Client, Server, new_client


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update", action="store_true", help="Rewrite the answers of the golden cases; review the diff.")


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all xdist workers of this run."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "reachbook-data"


@pytest.fixture(scope="session")
def embedded(data_folder: Path) -> Generator[Location]:
    server = open_embedded(data_folder)
    yield Location(server.owner_url, server.app_url)
    server.close()


@pytest.fixture(scope="session")
async def location(embedded: Location) -> Location:
    """A migrated database of this worker's own."""
    return await new_database(embedded, "test")


async def new_database(embedded: Location, kind: str) -> Location:
    """One more migrated database of this worker's."""
    name = f"{kind}_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    connection = await asyncpg.connect(embedded.owner_url)
    await connection.execute(f"CREATE DATABASE {name}")
    # Nobody kills this PostgreSQL: tests that kill one have their own.
    await connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    await connection.close()
    here = Location(embedded.owner_url.replace("/postgres?", f"/{name}?"), embedded.app_url.replace("/postgres?", f"/{name}?"))
    await migrate(here.owner_url)
    return here


@pytest.fixture(scope="session")
async def db(location: Location) -> AsyncGenerator[Pool]:
    """The database as the application sees it."""
    pool = await open_pool(location.app_url, most=20, statement_seconds=60)
    yield pool
    await pool.close()


@pytest.fixture(scope="session")
async def quiet(embedded: Location) -> AsyncGenerator[Pool]:
    """A database that no server looks at: imports and what waits to be indexed are the test's own to work on."""
    pool = await open_pool((await new_database(embedded, "quiet")).app_url, most=20, statement_seconds=60)
    yield pool
    await pool.close()


@pytest.fixture(scope="session")
async def owner(location: Location) -> AsyncGenerator[asyncpg.Connection]:
    """The database as its owner sees it: what a test may do and the application may not."""
    connection = await asyncpg.connect(location.owner_url)
    yield connection
    await connection.close()


@pytest.fixture(scope="session")
def server(location: Location) -> Generator[Server]:
    """`reachbook serve` on a free port, over this worker's database."""
    with Server(location) as running:
        yield running


@pytest.fixture
async def alice(db: Pool, server: Server) -> AsyncGenerator[Client]:
    """A client with a token of an account of its own, region NL."""
    async with await new_client(db, server.url, "Alice", "NL") as client:
        yield client


@pytest.fixture
async def bob(db: Pool, server: Server) -> AsyncGenerator[Client]:
    """Somebody else, who must see nothing of Alice's."""
    async with await new_client(db, server.url, "Bob", "NL") as client:
        yield client


@pytest.fixture
async def anonymous(server: Server) -> AsyncGenerator[httpx.AsyncClient]:
    """Nobody: no token."""
    async with httpx.AsyncClient(base_url=server.url, timeout=60, verify=False) as client:
        yield client


@pytest.fixture
async def account(db: Pool) -> AccountId:
    """An account for tests of core."""
    return (await accounts.create(db, ids.new_id(), "Alice", "NL", ids.now())).id


@pytest.fixture
async def other_account(db: Pool) -> AccountId:
    """An account that must see nothing."""
    return (await accounts.create(db, ids.new_id(), "Bob", "NL", ids.now())).id


@pytest.fixture
async def group(db: Pool, account: AccountId) -> Group:
    """An empty group of `account`."""
    return await groups.create(db, account, ids.new_id(), groups.Draft(name="Readers"), ids.now())
