"""Retention: a daily pass takes contacts out of the lists that delete unused ones (devino.md, "autoDeleteEnabled").

A contact goes when it was not used for more than two weeks, or has no address at all. One that is in another list too only leaves this
one. The ledger stays as it is. A list that is locked for editing is left alone.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from reachbook.core import contacts, push, usage
from reachbook.core.contacts import MovedError, Moves
from reachbook.core.ids import NIL, AccountId
from reachbook.core.limits import RETENTION_DAYS, RETENTION_HOURS, RETENTION_LEASE_MINUTES, RETENTION_ROWS
from reachbook.database.queries import Database, Queries, Record, Transaction


class Reason(StrEnum):
    """Why a contact goes."""

    UNUSED = "unused"
    NO_ADDRESS = "no_address"


class Gone(NamedTuple):
    """A contact that leaves a list, or with `is_deleted` the account. `used_at` is when it was used last."""

    account: AccountId
    group: UUID
    contact: UUID
    reason: Reason
    used_at: datetime
    is_deleted: bool


LISTS = """
SELECT id FROM contact_group WHERE account_id = $1 AND deletes_unused AND NOT is_locked_for_editing ORDER BY id
"""
ADDRESSLESS = f"c.email IS NULL AND c.phone IS NULL AND c.landline IS NULL AND c.fax IS NULL AND NOT {push.HAS_DEVICE}"
# Groups that it has left already, or is leaving ($4), don't keep a contact. One of a list that is locked for editing can't be changed, in
# whatever other list it is.
CANDIDATES = f"""
SELECT c.id, {usage.LAST} AS used_at, {ADDRESSLESS} AS is_addressless, EXISTS (
    SELECT 1 FROM membership o WHERE o.account_id = m.account_id AND o.contact_id = m.contact_id AND o.group_id <> ALL($4::uuid[])) AS stays
FROM membership m JOIN contact c ON c.account_id = m.account_id AND c.id = m.contact_id
LEFT JOIN contact_use u ON u.account_id = c.account_id AND u.contact_id = c.id
WHERE m.account_id = $1 AND m.group_id = $2 AND ({usage.LAST} < $3 OR ({ADDRESSLESS})) AND NOT EXISTS (
    SELECT 1 FROM membership l JOIN contact_group g ON g.account_id = l.account_id AND g.id = l.group_id
    WHERE l.account_id = m.account_id AND l.contact_id = m.contact_id AND g.is_locked_for_editing)
"""
NEXT = f"{CANDIDATES} AND m.contact_id > $5 ORDER BY m.contact_id LIMIT $6"
AMONG = f"{CANDIDATES} AND m.contact_id = ANY($5::uuid[]) ORDER BY m.contact_id"


def cutoff(now: datetime) -> datetime:
    """What was used before this instant last is unused; at it, it is not."""
    return now - timedelta(days=RETENTION_DAYS)


async def look(db: Database, account: AccountId, now: datetime) -> AsyncIterator[Sequence[Gone]]:
    """Whom a pass would take out, a share at a time; nothing is changed."""
    lists = await _lists(db, account)
    for number, group in enumerate(lists, 1):
        after = NIL
        while rows := await db.fetch(NEXT, account, group, cutoff(now), lists[:number], after, RETENTION_ROWS):
            yield [_gone(account, group, row) for row in rows]
            after = rows[-1]["id"]


async def run(db: Database, account: AccountId, now: datetime) -> AsyncIterator[Sequence[Gone]]:
    """One pass over an account's lists; each share is gone when it is given."""
    for group in await _lists(db, account):
        after = NIL
        while rows := await db.fetch(NEXT, account, group, cutoff(now), [group], after, RETENTION_ROWS):
            yield await _take_out(db, account, group, [row["id"] for row in rows], now)
            after = rows[-1]["id"]
    await usage.forget(db, account, cutoff(now))


async def _lists(db: Queries, account: AccountId) -> Sequence[UUID]:
    return [row["id"] for row in await db.fetch(LISTS, account)]


def _gone(account: AccountId, group: UUID, row: Record) -> Gone:
    reason = Reason.NO_ADDRESS if row["is_addressless"] else Reason.UNUSED
    return Gone(account, group, row["id"], reason, row["used_at"], not row["stays"])


async def _take_out(db: Database, account: AccountId, group: UUID, ids: Sequence[UUID], now: datetime) -> Sequence[Gone]:
    """Those of the contacts for which it is still so, in one transaction."""
    while True:
        try:
            async with db.transaction() as tx:
                held = await contacts.hold_many(tx, account, ids, [group])
                # Judged again now that nobody can change them: one that was used or moved a moment ago stays.
                rows = await tx.fetch(AMONG, account, group, cutoff(now), [group], sorted(held.contacts))
                found = [_gone(account, group, row) for row in rows] if await _still(tx, account, group) else []
                await contacts.remove_many(tx, account, [one.contact for one in found if one.is_deleted])
                leaving = [one.contact for one in found if not one.is_deleted]
                await contacts.update_many(tx, account, [], [Moves(group, leaving=leaving)], now, NIL)
                await _count(tx, account, found)
                return found
        except MovedError:
            continue


async def _still(tx: Queries, account: AccountId, group: UUID) -> bool:
    return group in await _lists(tx, account)


COUNT = """
INSERT INTO retention_count (account_id, reason, contacts) VALUES ($1, $2, $3)
ON CONFLICT (account_id, reason) DO UPDATE SET contacts = retention_count.contacts + excluded.contacts
"""


async def _count(tx: Transaction, account: AccountId, found: Sequence[Gone]) -> None:
    for reason in Reason:
        if contacts_of := sum(one.reason is reason for one in found):
            await tx.execute(COUNT, account, reason, contacts_of)


# --- whose turn it is

ACCOUNTS = """
SELECT DISTINCT g.account_id FROM contact_group g LEFT JOIN retention_turn t ON t.account_id = g.account_id
WHERE g.deletes_unused AND coalesce(t.next_at <= $1, true) ORDER BY 1
"""
# Two workers that see the same account due: the second one's insert waits for the first one's, and then gets none.
TAKE = """
INSERT INTO retention_turn AS t (account_id, next_at) VALUES ($1, $3)
ON CONFLICT (account_id) DO UPDATE SET next_at = excluded.next_at WHERE t.next_at <= $2 RETURNING account_id
"""
SET_NEXT = "UPDATE retention_turn SET next_at = $2 WHERE account_id = $1"


async def due(db: Queries, now: datetime) -> Sequence[AccountId]:
    """The accounts whose pass is due."""
    return [AccountId(row["account_id"]) for row in await db.fetch(ACCOUNTS, now)]


async def take_turn(db: Queries, account: AccountId, now: datetime) -> bool:
    """Whether the pass is ours to make. Losing is normal: another worker makes it."""
    lease = now + timedelta(minutes=RETENTION_LEASE_MINUTES)
    return await db.fetchval(TAKE, account, now, lease) is not None


async def end_turn(db: Queries, account: AccountId, now: datetime) -> None:
    """The pass that began then is done; the next one is due a day later."""
    await db.execute(SET_NEXT, account, now + timedelta(hours=RETENTION_HOURS))


async def all_accounts(db: Queries) -> Sequence[AccountId]:
    """Those that have lists which delete unused contacts."""
    query = "SELECT DISTINCT account_id FROM contact_group WHERE deletes_unused ORDER BY 1"
    return [AccountId(row["account_id"]) for row in await db.fetch(query)]
