"""The search index beside the data: one folded text a contact, and what still waits to be indexed.

Rows that were uploaded with `delayIndexing` wait as ranges of ids, one range an upload. Who indexes a range holds it, so
two never do the same; a contact that changes meanwhile writes its own text, which stays.
"""

import time
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from reachbook.core import fields
from reachbook.core.ids import AccountId, new_id
from reachbook.core.limits import INDEXING_DELAY_SECONDS, SYNCHRONOUS_INDEXING_SECONDS
from reachbook.core.text import fold
from reachbook.database.queries import Database, Queries, Transaction


def search_text(
    first: str | None,
    insertion: str | None,
    last: str | None,
    email: str | None,
    phone: str | None,
    landline: str | None,
    company: str | None,
) -> str:
    """What a contact is found by: a line each for name, e-mail, the digits of phone and landline, and company; folded."""
    name = " ".join(filter(None, (first, insertion, last)))
    numbers = " ".join(number[1:] for number in (phone, landline) if number)
    return fold("\n".join((name, email or "", numbers, company or "")))


COLUMNS = ["account_id", "contact_id", "text"]


async def index(tx: Transaction, account: AccountId, texts: Iterable[tuple[UUID, str]]) -> None:
    """Add new contacts."""
    await tx.copy("contact_search", COLUMNS, [(account, id, text) for id, text in texts])


REPLACE = """
INSERT INTO contact_search (account_id, contact_id, text) VALUES ($1, $2, $3)
ON CONFLICT (account_id, contact_id) DO UPDATE SET text = excluded.text
"""


async def replace(tx: Transaction, account: AccountId, id: UUID, text: str) -> None:
    """Index a contact that was changed."""
    await tx.execute(REPLACE, account, id, text)


REPLACE_MANY = """
INSERT INTO contact_search (account_id, contact_id, text) SELECT $1, id, text FROM unnest($2::uuid[], $3::text[]) AS t (id, text)
ON CONFLICT (account_id, contact_id) DO UPDATE SET text = excluded.text
"""


async def replace_many(tx: Transaction, account: AccountId, texts: Sequence[tuple[UUID, str]]) -> None:
    """Index contacts that were changed and are held."""
    await tx.execute(REPLACE_MANY, account, [id for id, _ in texts], [text for _, text in texts])


PUT_OFF = "INSERT INTO indexing_backlog (account_id, id, group_id, first_id, last_id, due_at) VALUES ($1, $2, $3, $4, $5, $6)"


async def put_off(
    tx: Transaction, account: AccountId, group: UUID, first: UUID, last: UUID, now: datetime, seconds: float = INDEXING_DELAY_SECONDS
) -> None:
    """Remember new contacts, from the first id to the last, to be indexed later."""
    due = now + timedelta(seconds=seconds)
    await tx.execute(PUT_OFF, account, new_id(), group, first, last, due)


HURRY = "UPDATE indexing_backlog SET due_at = '-infinity' WHERE account_id = $1 AND group_id = $2"


async def hurry(db: Queries, account: AccountId, group: UUID) -> None:
    """What this group has waiting is due now."""
    await db.execute(HURRY, account, group)


TAKE_OF_GROUP = """
DELETE FROM indexing_backlog WHERE account_id = $1 AND id = (
    SELECT id FROM indexing_backlog WHERE account_id = $1 AND group_id = $2 ORDER BY id LIMIT 1 FOR UPDATE)
RETURNING first_id, last_id
"""


async def catch_up(db: Database, account: AccountId, group: UUID) -> None:
    """Index what this group has waiting; after ten seconds the indexer gets the rest."""
    deadline = time.monotonic() + SYNCHRONOUS_INDEXING_SECONDS
    while await db.fetchval("SELECT 1 FROM indexing_backlog WHERE account_id = $1 AND group_id = $2 LIMIT 1", account, group):
        async with db.transaction() as tx:
            taken = await tx.fetchrow(TAKE_OF_GROUP, account, group)
            if taken is not None:
                await _index_range(tx, account, taken["first_id"], taken["last_id"])
        if time.monotonic() > deadline:
            await hurry(db, account, group)
            return


ACCOUNTS_DUE = "SELECT account_id FROM indexing_backlog WHERE due_at <= $1 GROUP BY account_id ORDER BY min(due_at)"
TAKE_DUE = """
DELETE FROM indexing_backlog WHERE account_id = $1 AND id = (
    SELECT id FROM indexing_backlog WHERE account_id = $1 AND due_at <= $2 ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING first_id, last_id
"""


async def index_due(db: Database, now: datetime) -> int:
    """One range of every account that has any due, so that none waits for another's mass; answers how many ranges were done."""
    done = 0
    for row in await db.fetch(ACCOUNTS_DUE, now):
        account = AccountId(row["account_id"])
        async with db.transaction() as tx:
            taken = await tx.fetchrow(TAKE_DUE, account, now)
            if taken is None:
                continue  # another indexer has it
            await _index_range(tx, account, taken["first_id"], taken["last_id"])
            done += 1
    return done


# KEY SHARE: a contact that is being deleted is waited for, and is not in the result; one that is being changed writes
# its own text, which ON CONFLICT leaves alone.
UNINDEXED = f"""
SELECT c.id, c.first_name, c.insertion, c.last_name, c.email, c.phone, c.landline, c.field_values ->> '{fields.COMPANY}' AS company
FROM contact c WHERE c.account_id = $1 AND c.id BETWEEN $2 AND $3
    AND NOT EXISTS (SELECT 1 FROM contact_search s WHERE s.account_id = c.account_id AND s.contact_id = c.id)
ORDER BY c.id FOR KEY SHARE OF c
"""
INSERT = """
INSERT INTO contact_search (account_id, contact_id, text) SELECT $1, id, text FROM unnest($2::uuid[], $3::text[]) AS t (id, text)
ON CONFLICT (account_id, contact_id) DO NOTHING
"""


async def _index_range(tx: Transaction, account: AccountId, first: UUID, last: UUID) -> None:
    rows = await tx.fetch(UNINDEXED, account, first, last)
    texts = [search_text(*list(row.values())[1:]) for row in rows]
    await tx.execute(INSERT, account, [row["id"] for row in rows], texts)
