"""A database of these tests' own: their workers send whatever is due in it."""

from collections.abc import AsyncGenerator

import pytest

from reachbook.core.ids import AccountId
from reachbook.database.location import Location
from reachbook.database.pool import Pool, open_pool
from tests.conftest import new_database
from tests.deliveries.shops import Shop, open_shop


@pytest.fixture(scope="session")
async def db(embedded: Location) -> AsyncGenerator[Pool]:
    """No server looks at it."""
    pool = await open_pool((await new_database(embedded, "deliveries")).app_url, most=20, statement_seconds=60)
    yield pool
    await pool.close()


@pytest.fixture(autouse=True)
async def nothing_waits(db: Pool) -> None:
    """What other tests left is nobody's work."""
    await db.execute("UPDATE delivery SET state = 'failed', next_at = NULL WHERE next_at IS NOT NULL")
    await db.execute("DELETE FROM endpoint_lease")


@pytest.fixture
async def shop(db: Pool, account: AccountId) -> Shop:
    """Alice's."""
    return await open_shop(db, account)


@pytest.fixture
async def bob(db: Pool, other_account: AccountId) -> Shop:
    """Somebody else's, who must see nothing."""
    return await open_shop(db, other_account)
