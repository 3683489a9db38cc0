"""Whose turn it is: imports that have work waiting, taken by one worker at a time for as long as it keeps saying so.

A worker that dies stops saying so, and another one goes on where the last commit stands. Only the runner whose id stands in the import
may commit work on it, so one that was only slow does no harm. Losing a race for a claim is normal.
"""

from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from reachbook.core.ids import AccountId
from reachbook.core.limits import IMPORT_LEASE_SECONDS
from reachbook.database.queries import Database, Queries, Transaction


class Claim(NamedTuple):
    """One import in the hands of one runner."""

    account: AccountId
    id: UUID
    runner: UUID


OFFER = """
INSERT INTO import_claim (account_id, import_id, turn_at, claimed_until) VALUES ($1, $2, $3, '-infinity')
ON CONFLICT (account_id, import_id) DO UPDATE SET turn_at = excluded.turn_at
"""


async def offer(tx: Queries, account: AccountId, id: UUID, now: datetime) -> None:
    """There is work on this import."""
    await tx.execute(OFFER, account, id, now)


# The account with the fewest imports in work comes first, then who waits longest: one account's mass holds up nobody else's file.
NEXT = """
SELECT c.account_id, c.import_id FROM import_claim c WHERE c.claimed_until <= $1
ORDER BY (SELECT count(*) FROM import_claim o WHERE o.account_id = c.account_id AND o.claimed_until > $1), c.turn_at
LIMIT 1 FOR UPDATE OF c SKIP LOCKED
"""
NAMED = """
SELECT account_id, import_id FROM import_claim WHERE account_id = $2 AND import_id = $3 AND claimed_until <= $1 FOR UPDATE SKIP LOCKED
"""
TAKE = "UPDATE import_claim SET claimed_by = $3, claimed_until = $4 WHERE account_id = $1 AND import_id = $2"
RUN = "UPDATE contact_import SET runner = $3, attempts = attempts + 1 WHERE account_id = $1 AND id = $2"


async def take_next(db: Database, runner: UUID, now: datetime) -> Claim | None:
    """The import whose turn it is, or None."""
    async with db.transaction() as tx:
        row = await tx.fetchrow(NEXT, now)
        return await _take(tx, AccountId(row["account_id"]), row["import_id"], runner, now) if row else None


async def take(db: Database, account: AccountId, id: UUID, runner: UUID, now: datetime) -> Claim | None:
    """This import, or None if a worker has it already or there is nothing to do on it."""
    async with db.transaction() as tx:
        row = await tx.fetchrow(NAMED, now, account, id)
        return await _take(tx, account, id, runner, now) if row else None


async def _take(tx: Transaction, account: AccountId, id: UUID, runner: UUID, now: datetime) -> Claim:
    await tx.execute(TAKE, account, id, runner, now + timedelta(seconds=IMPORT_LEASE_SECONDS))
    await tx.execute(RUN, account, id, runner)
    return Claim(account, id, runner)


KEEP = "UPDATE import_claim SET claimed_until = $4 WHERE account_id = $1 AND import_id = $2 AND claimed_by = $3"


async def keep(db: Queries, account: AccountId, claim: Claim, now: datetime) -> None:
    """Still at it."""
    await db.execute(KEEP, account, claim.id, claim.runner, now + timedelta(seconds=IMPORT_LEASE_SECONDS))


RELEASE = """
UPDATE import_claim SET claimed_until = '-infinity', turn_at = $4 WHERE account_id = $1 AND import_id = $2 AND claimed_by = $3
"""


async def release(db: Queries, account: AccountId, claim: Claim, now: datetime) -> None:
    """Let another one go on."""
    await db.execute(RELEASE, account, claim.id, claim.runner, now)


FINISH = "DELETE FROM import_claim WHERE account_id = $1 AND import_id = $2"


async def finish(tx: Queries, account: AccountId, id: UUID) -> None:
    """Nothing is left to do."""
    await tx.execute(FINISH, account, id)


async def are_waiting(db: Queries, now: datetime) -> bool:
    """Whether an import waits that nobody works on."""
    return await db.fetchval("SELECT 1 FROM import_claim WHERE claimed_until <= $1 LIMIT 1", now) is not None
