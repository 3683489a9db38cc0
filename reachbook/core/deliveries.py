"""Deliveries as their account sees them: what went where, what became of each attempt, and once more (operator.md)."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from reachbook.core.errors import ConflictError, NotFoundError
from reachbook.core.ids import NIL, AccountId
from reachbook.core.limits import REPLAYED_ROWS
from reachbook.core.paging import Listed, Page
from reachbook.database.queries import Database, Queries

STATES = ("pending", "retrying", "delivered", "failed")
KINDS = ("webhook", "customerContact", "eventWebhook", "email")


class Delivery(msgspec.Struct, frozen=True):
    """One message or event on its way to one endpoint; `next_at` is the next attempt."""

    id: UUID
    kind: str
    channel_id: UUID
    endpoint_id: UUID
    reference: str
    state: str
    attempts: int
    created_at: datetime
    next_at: datetime | None
    delivered_at: datetime | None


class Attempt(msgspec.Struct, frozen=True):
    """`status` is the answer's, None if none came; `answer` its first kilobyte."""

    started_at: datetime
    status: int | None
    latency_ms: int
    error: str | None
    answer: str | None


class Endpoint(msgspec.Struct, frozen=True):
    """Where deliveries go; `target` a URL or the address of a mail. Disabled since `disabled_at` for `reason`, or active."""

    id: UUID
    kind: str
    group_id: UUID
    target: str
    disabled_at: datetime | None
    reason: str | None


class Wanted(NamedTuple):
    """Which deliveries; None: all."""

    state: str | None = None
    kind: str | None = None
    channel: UUID | None = None
    endpoint: UUID | None = None
    reference: str | None = None
    since: datetime | None = None


COLUMNS = "id, kind, channel_id, endpoint_id, reference, state, attempts, created_at, next_at, delivered_at"
FILTERED = """
account_id = $1 AND ($2::text IS NULL OR state = $2) AND ($3::text IS NULL OR kind = $3) AND ($4::uuid IS NULL OR channel_id = $4)
    AND ($5::uuid IS NULL OR endpoint_id = $5) AND ($6::text IS NULL OR reference = $6) AND ($7::timestamptz IS NULL OR created_at >= $7)
""".strip()
# Ids are of their time: the primary key is the order, and the busiest table needs no index for it.
LIST = f"SELECT {COLUMNS} FROM delivery WHERE {FILTERED} ORDER BY id DESC OFFSET $8 LIMIT $9"
TOTAL = f"SELECT count(*) FROM delivery WHERE {FILTERED}"


async def list_deliveries(db: Queries, account: AccountId, wanted: Wanted, page: Page) -> Listed[Delivery]:
    """The newest first."""
    rows = await db.fetch(LIST, account, *wanted, page.skip, page.take)
    return Listed([Delivery(**row) for row in rows], await db.fetchval(TOTAL, account, *wanted))


GET = f"SELECT {COLUMNS} FROM delivery WHERE account_id = $1 AND id = $2"
ATTEMPTS = """
SELECT started_at, status, latency_ms, error, answer FROM delivery_attempt WHERE account_id = $1 AND delivery_id = $2 ORDER BY id
"""


async def get(db: Queries, account: AccountId, id: UUID) -> tuple[Delivery, Sequence[Attempt]]:
    """A delivery and its attempts, the oldest first. Raises NotFoundError."""
    row = await db.fetchrow(GET, account, id)
    if row is None:
        raise NotFoundError(f"There is no delivery {id}.", "delivery")
    return Delivery(**row), [Attempt(**attempt) for attempt in await db.fetch(ATTEMPTS, account, id)]


AGAIN = "state = 'pending', attempts = 0, started_at = $3, next_at = $3, delivered_at = NULL"
AT_WORK = "EXISTS (SELECT 1 FROM channel_endpoint e WHERE e.account_id = d.account_id AND e.id = d.endpoint_id AND e.disabled_at IS NULL)"
REPLAY = f"UPDATE delivery d SET {AGAIN} WHERE d.account_id = $1 AND d.id = $2 AND {AT_WORK} RETURNING d.id"
# Those that wait at the endpoint are sent at once too: nobody replays to an endpoint that is to go on resting.
WAKE = "UPDATE endpoint_lease SET rests_until = NULL WHERE endpoint_id = $1"


async def replay(db: Database, account: AccountId, id: UUID, now: datetime) -> None:
    """Send it again at once, the same body under the same id. Raises NotFoundError, ConflictError if its endpoint is gone or disabled."""
    async with db.transaction() as tx:
        found, _ = await get(tx, account, id)
        if await tx.fetchval(REPLAY, account, id, now) is None:
            raise ConflictError("The endpoint of this delivery is gone or disabled.")
        await tx.execute(WAKE, found.endpoint_id)


REPLAY_SINCE = f"""
WITH chosen AS (
    SELECT d.id FROM delivery d WHERE d.account_id = $1 AND d.created_at >= $2 AND ($4::uuid IS NULL OR d.endpoint_id = $4) AND d.state = $5
        AND d.id > $6 AND {AT_WORK}
    ORDER BY d.id LIMIT $7 FOR UPDATE
)
UPDATE delivery d SET {AGAIN} FROM chosen WHERE d.account_id = $1 AND d.id = chosen.id RETURNING d.id, d.endpoint_id
"""


async def replay_since(db: Database, account: AccountId, since: datetime, endpoint: UUID | None, state: str, now: datetime) -> int:
    """The same for all in a state since an instant, of one endpoint or of all that are at work; answers how many.

    Raises NotFoundError, ConflictError if the endpoint is disabled.
    """
    count, last, woken = 0, NIL, set[UUID]()
    async with db.transaction() as tx:
        if endpoint is not None and (await get_endpoint(tx, account, endpoint)).disabled_at is not None:
            raise ConflictError("The endpoint is disabled: enable it first.")
        while rows := await tx.fetch(REPLAY_SINCE, account, since, now, endpoint, state, last, REPLAYED_ROWS):
            count, last = count + len(rows), max(row["id"] for row in rows)
            woken |= {row["endpoint_id"] for row in rows}
        for one in woken:
            await tx.execute(WAKE, one)
    return count


ENDPOINTS = """
SELECT e.id, f.kind, f.group_id, e.target, e.disabled_at, e.disabled_reason AS reason FROM channel_endpoint e
JOIN channel_configuration f ON f.account_id = e.account_id AND f.id = e.configuration_id
WHERE e.account_id = $1 AND ($2::uuid IS NULL OR e.id = $2) ORDER BY e.id
"""


async def endpoints(db: Queries, account: AccountId) -> Sequence[Endpoint]:
    """All, by age."""
    return [Endpoint(**row) for row in await db.fetch(ENDPOINTS, account, None)]


async def get_endpoint(db: Queries, account: AccountId, id: UUID) -> Endpoint:
    """Raises NotFoundError."""
    row = await db.fetchrow(ENDPOINTS, account, id)
    if row is None:
        raise NotFoundError(f"There is no endpoint {id}.", "endpoint")
    return Endpoint(**row)


ENABLE = """
UPDATE channel_endpoint SET disabled_at = NULL, disabled_reason = NULL, failing_since = NULL, updated_at = $3 WHERE account_id = $1
    AND id = $2
"""


async def enable(db: Database, account: AccountId, id: UUID, now: datetime) -> Endpoint:
    """Let an endpoint have messages again; those that it missed are replayed by `replay_since`. Raises NotFoundError."""
    async with db.transaction() as tx:
        found = await get_endpoint(tx, account, id)
        if found.disabled_at is not None:
            await tx.execute(ENABLE, account, id, now)
            await tx.execute(WAKE, id)
        return await get_endpoint(tx, account, id)
