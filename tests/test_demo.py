"""What `make run` makes once and finds again: the sample account, its token and the operator's."""

from collections.abc import AsyncGenerator
from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from reachbook import cli, demo
from reachbook.core import ids, numbers, tokens, work_queue
from reachbook.core.paging import Page
from reachbook.database.location import Location
from reachbook.database.pool import Pool, open_pool
from tests.conftest import new_database


@pytest.fixture(scope="module")
async def fresh(embedded: Location) -> AsyncGenerator[Pool]:
    """A database in which nothing was ever done."""
    pool = await open_pool((await new_database(embedded, "demo")).app_url, most=4, statement_seconds=60)
    yield pool
    await pool.close()


async def scopes(db: Pool, token: str) -> set[str]:
    return set((await tokens.authenticate(tokens.Finder(db), token, ids.now())).scopes)


async def test_the_same_account_and_tokens_every_time(fresh: Pool, tmp_path: Path) -> None:
    kept = tmp_path / "data" / "demo.json"
    made = await cli._sample_account(fresh, kept)
    assert kept.stat().st_mode & 0o077 == 0
    assert await scopes(fresh, made["token"]) == {"read", "write"}
    assert await scopes(fresh, made["operator"]) == {"operator"}
    stocked = await numbers.list_stock(fresh, Page(0, 100))
    assert {one.state for one in stocked.rows} == {"free", "shared"}
    assert stocked.total == sum(map(len, demo.NUMBERS))
    waiting = await work_queue.list_all(fresh, Page(0, 10), state="pending", of_account=UUID(made["account"]))
    assert {(str(item.account), item.kind) for item in waiting.rows} == {(made["account"], kind) for kind in ("channel", "businessAccount")}
    assert await cli._sample_account(fresh, kept) == made
    assert (await numbers.list_stock(fresh, Page(0, 0))).total == stocked.total


async def test_a_file_of_an_older_version_has_no_operator(fresh: Pool, tmp_path: Path) -> None:
    kept = tmp_path / "demo.json"
    made = await cli._sample_account(fresh, kept)
    older = {name: made[name] for name in ("account", "token")}
    kept.write_bytes(msgspec.json.encode(older))
    again = await cli._sample_account(fresh, kept)
    assert {name: again[name] for name in older} == older
    assert await scopes(fresh, again["operator"]) == {"operator"}
    assert msgspec.json.decode(kept.read_bytes()) == again
