"""The messaging log of an account's channels, and messages that belong to nobody (operator.md)."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from reachbook.core.ids import AccountId
from reachbook.core.paging import Listed, Page
from reachbook.database.queries import Database, Queries, Record


class Logged(msgspec.Struct, frozen=True):
    """A message; `given` is the object that it came as. `channel_id` is None for one that belongs to nobody, `reason` says why."""

    id: UUID
    channel_id: UUID | None
    reference: str
    channel: str
    given: Any
    received_at: datetime
    reason: str | None = None


OF_CHANNEL = "account_id = $1 AND ($2::uuid IS NULL OR channel_id = $2)"
LIST = f"""
SELECT id, channel_id, reference, channel, message, received_at FROM inbound_message WHERE {OF_CHANNEL} ORDER BY id DESC OFFSET $3 LIMIT $4
"""
TOTAL = f"SELECT count(*) FROM inbound_message WHERE {OF_CHANNEL}"


async def list_messages(db: Queries, account: AccountId, channel: UUID | None, page: Page) -> Listed[Logged]:
    """The newest first; of a channel, or all."""
    rows = await db.fetch(LIST, account, channel, page.skip, page.take)
    return Listed([_read(row, row["channel_id"], None) for row in rows], await db.fetchval(TOTAL, account, channel))


UNROUTED = "($1::text IS NULL OR lower(channel) = lower($1)) AND ($2::timestamptz IS NULL OR received_at >= $2)"
UNROUTED_LIST = f"""
SELECT id, reference, channel, message, reason, received_at FROM unrouted_message WHERE {UNROUTED} ORDER BY id DESC OFFSET $3 LIMIT $4
"""
UNROUTED_TOTAL = f"SELECT count(*) FROM unrouted_message WHERE {UNROUTED}"


async def list_unrouted(db: Queries, page: Page, *, channel: str | None = None, since: datetime | None = None) -> Listed[Logged]:
    """Messages that belong to nobody, the newest first."""
    rows = await db.fetch(UNROUTED_LIST, channel, since, page.skip, page.take)
    return Listed([_read(row, None, row["reason"]) for row in rows], await db.fetchval(UNROUTED_TOTAL, channel, since))


def _read(row: Record, channel: UUID | None, reason: str | None) -> Logged:
    return Logged(row["id"], channel, row["reference"], row["channel"], msgspec.json.decode(row["message"]), row["received_at"], reason)


PURGE = """
DELETE FROM inbound_message WHERE (account_id, id) IN (SELECT account_id, id FROM inbound_message
WHERE received_at < $1 LIMIT $2) RETURNING 1
"""
PURGE_UNROUTED = "DELETE FROM unrouted_message WHERE id IN (SELECT id FROM unrouted_message WHERE received_at < $1 LIMIT $2) RETURNING 1"


async def purge(db: Database, before: datetime, unrouted_before: datetime, most: int) -> int:
    """Forget what is older; answers how many."""
    return len(await db.fetch(PURGE, before, most)) + len(await db.fetch(PURGE_UNROUTED, unrouted_before, most))
