"""What tests of core have beside the common fixtures."""

from collections.abc import AsyncGenerator, Generator
from datetime import UTC, datetime

import asyncpg
import pytest

from reachbook.core.groups import Kind
from reachbook.core.ids import AccountId
from reachbook.database.location import Location
from reachbook.database.pool import Pool
from tests.core.book import EMAILS, PHONES, android, member, new_list, standing, upload
from tests.support_sync import Runner

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="session")
def runner(location: Location) -> Generator[Runner]:
    """The database for tests that can't await."""
    with Runner(location) as running:
        yield running


@pytest.fixture(scope="session")
async def quiet_location(embedded: Location, quiet: Pool) -> Location:
    """Where the database is that no server looks at."""
    name = await quiet.fetchval("SELECT current_database()")
    return Location(*(url.replace("/postgres?", f"/{name}?") for url in (embedded.owner_url, embedded.app_url)))


@pytest.fixture(scope="session")
async def quiet_owner(quiet_location: Location) -> AsyncGenerator[asyncpg.Connection]:
    """That database as its owner sees it."""
    connection = await asyncpg.connect(quiet_location.owner_url)
    yield connection
    await connection.close()


@pytest.fixture(scope="session")
def quiet_runner(quiet_location: Location) -> Generator[Runner]:
    """That database for tests that can't await."""
    with Runner(quiet_location) as running:
        yield running


@pytest.fixture
async def bob(db: Pool, other_account: AccountId) -> AsyncGenerator[AccountId]:
    """Somebody else, whose lists of all kinds have the people, the devices and the names that tests give Alice; nothing of his changes."""
    for kind in (Kind.STANDARD, Kind.STOPLIST, Kind.PUSH):
        group = await new_list(db, other_account, kind, deletes_unused=True)
        people = [member(first_name="Ann", city="Paris", phone=phone, email=email) for phone, email in zip(PHONES, EMAILS, strict=True)]
        devices = [member(android(token, app)) for token in ("Device-1", "device-1") for app in ("shop", "news")]
        await upload(db, other_account, group, *people, *(devices if kind is Kind.PUSH else ()), now=LONG_AGO)
    before = await standing(db, other_account)
    yield other_account
    assert await standing(db, other_account) == before
