"""The work of deliveries: whose turn it is at an endpoint, what is due there, and what became of each attempt (inbound.md, "Delivery").

A worker takes an endpoint for a while and says so again and again; if it dies, another goes on, and what was being sent goes out once more.
Within an endpoint deliveries go one after the other, in the order in which they are due. Losing a race for an endpoint is normal.
"""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from reachbook.core import endpoint_secrets, inbound_formats, retry_schedule
from reachbook.core.ids import AccountId, new_id, new_ids
from reachbook.core.inbound_formats import Event
from reachbook.core.retry_schedule import Schedule
from reachbook.database.queries import Database, Queries, Transaction

LEASE_SECONDS = 20.0
BATCH = 100
GONE = 410


class Due(NamedTuple):
    """An endpoint that has something to be sent."""

    account: AccountId
    endpoint: UUID


class Target(NamedTuple):
    """Where a delivery goes: a URL, or the address of a mail; `secrets` sign it."""

    method: str | None
    target: str
    secrets: Sequence[bytes]


class Delivery(NamedTuple):
    """One that is due. `form` and `payload` as in inbound_formats."""

    id: UUID
    kind: str
    channel: UUID
    reference: str
    method: str | None
    payload: bytes
    form: str
    attempts: int
    started_at: datetime


class Outcome(NamedTuple):
    """What became of one attempt: a status (mail: SMTP's), or an error; `answer` is the first of what came back."""

    delivery: Delivery
    started_at: datetime
    latency_ms: int
    is_delivered: bool
    status: int | None
    error: str | None
    answer: str | None
    retry_after: float | None = None


# The distinct endpoints, by looking up the next one again and again: ten thousand that wait at one of them are not read.
DUE = """
WITH RECURSIVE e (id) AS (
    (SELECT endpoint_id FROM delivery WHERE next_at IS NOT NULL ORDER BY endpoint_id LIMIT 1)
    UNION ALL
    SELECT (SELECT d.endpoint_id FROM delivery d WHERE d.next_at IS NOT NULL AND d.endpoint_id > e.id ORDER BY d.endpoint_id LIMIT 1)
    FROM e WHERE e.id IS NOT NULL)
SELECT f.account_id, f.endpoint_id, f.next_at FROM e
CROSS JOIN LATERAL (
    SELECT d.account_id, d.endpoint_id, d.next_at FROM delivery d WHERE d.endpoint_id = e.id
        AND d.next_at <= $1 ORDER BY d.next_at LIMIT 1) f
WHERE NOT EXISTS (SELECT 1 FROM endpoint_lease l WHERE l.endpoint_id = e.id AND (l.held_until > $1 OR l.rests_until > $1))
ORDER BY f.next_at LIMIT $2
"""


async def due(db: Queries, now: datetime, most: int) -> Sequence[Due]:
    """Endpoints that nobody is at, which don't rest and have something due; who waits longest first."""
    return [Due(AccountId(row["account_id"]), row["endpoint_id"]) for row in await db.fetch(DUE, now, most)]


OVERDUE = f"SELECT extract(epoch FROM $1::timestamptz - min(next_at))::float8 FROM ({DUE}) d"


async def overdue(db: Queries, now: datetime) -> float:
    """For how many seconds something has waited that somebody could be sending: not at an endpoint that rests or that a worker is at."""
    return await db.fetchval(OVERDUE, now, None) or 0.0


TAKE = """
INSERT INTO endpoint_lease (endpoint_id, holder, held_until) VALUES ($1, $2, $3)
ON CONFLICT (endpoint_id) DO UPDATE SET holder = excluded.holder, held_until = excluded.held_until
WHERE endpoint_lease.held_until <= $4 AND (endpoint_lease.rests_until IS NULL OR endpoint_lease.rests_until <= $4)
RETURNING endpoint_id
"""
HOLD = "UPDATE endpoint_lease SET held_until = $3 WHERE endpoint_id = $1 AND holder = $2 RETURNING endpoint_id"
RELEASE = "UPDATE endpoint_lease SET held_until = '-infinity' WHERE endpoint_id = $1 AND holder = $2"


async def take(db: Queries, endpoint: UUID, holder: UUID, now: datetime) -> bool:
    """The endpoint is this worker's for a while; False if somebody else was quicker."""
    return await db.fetchval(TAKE, endpoint, holder, now + timedelta(seconds=LEASE_SECONDS), now) is not None


async def hold(db: Queries, endpoint: UUID, holder: UUID, now: datetime) -> bool:
    """It is for a while longer; False if it is somebody else's by now."""
    return await db.fetchval(HOLD, endpoint, holder, now + timedelta(seconds=LEASE_SECONDS)) is not None


async def release(db: Queries, endpoint: UUID, holder: UUID) -> None:
    """Anybody may have it."""
    await db.execute(RELEASE, endpoint, holder)


NEXT = """
SELECT id, kind, channel_id, reference, method, payload, form, attempts, started_at FROM delivery
WHERE account_id = $1 AND endpoint_id = $2 AND next_at <= $3 ORDER BY next_at, id LIMIT $4
"""
TARGET = "SELECT method, target, disabled_at FROM channel_endpoint WHERE account_id = $1 AND id = $2"


async def next_batch(
    db: Queries, account: AccountId, endpoint: UUID, holder: UUID, now: datetime
) -> tuple[Target, Sequence[Delivery]] | None:
    """What is due now, and where it goes; None if there is nothing, or the endpoint is somebody else's by now.

    Deliveries of an endpoint that is gone or disabled are given up.
    """
    if not await hold(db, endpoint, holder, now):
        return None
    row = await db.fetchrow(TARGET, account, endpoint)
    if row is None or row["disabled_at"] is not None:
        await db.execute(GIVE_UP, account, endpoint)
        return None
    rows = await db.fetch(NEXT, account, endpoint, now, BATCH)
    if not rows:
        return None
    secrets = await endpoint_secrets.signing(db, account, endpoint, now)
    return Target(row["method"], row["target"], secrets), [Delivery(*one.values()) for one in rows]


GIVE_UP = "UPDATE delivery SET state = 'failed', next_at = NULL WHERE account_id = $1 AND endpoint_id = $2 AND next_at IS NOT NULL"
# What was replayed while it was being sent is sent once more.
RECORD = """
UPDATE delivery d SET state = o.state, attempts = d.attempts + 1, next_at = o.next_at, delivered_at = o.delivered_at
FROM unnest($2::uuid[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[])
    AS o (id, state, next_at, delivered_at, started_at)
WHERE d.account_id = $1 AND d.id = o.id AND d.started_at = o.started_at
"""
ATTEMPTS = """
INSERT INTO delivery_attempt (account_id, delivery_id, id, started_at, status, latency_ms, error, answer)
SELECT $1, * FROM unnest($2::uuid[], $3::uuid[], $4::timestamptz[], $5::bigint[], $6::bigint[], $7::text[], $8::text[])
"""
LEASE_STATE = "SELECT failures FROM endpoint_lease WHERE endpoint_id = $1 AND holder = $2 FOR UPDATE"
SET_LEASE = "UPDATE endpoint_lease SET failures = $3, rests_until = $4, held_until = $5 WHERE endpoint_id = $1 AND holder = $2"
HEALTH = """
UPDATE channel_endpoint SET failing_since = CASE WHEN $3 THEN coalesce(failing_since, $4) END WHERE account_id = $1 AND id = $2
    AND (failing_since IS NULL) = $3 RETURNING 1
"""
COUNT = """
INSERT INTO delivery_count (outcome, worker_id, amount) VALUES ($1, $2, $3)
ON CONFLICT (outcome, worker_id) DO UPDATE SET amount = delivery_count.amount + excluded.amount
"""


async def record(
    db: Database,
    account: AccountId,
    endpoint: UUID,
    holder: UUID,
    outcomes: Sequence[Outcome],
    *,
    schedule: Schedule,
    chance: random.Random,
    now: datetime,
) -> bool:
    """Attempts that were made, in their order; answers whether the endpoint may be tried on at once.

    Who has lost the endpoint to another records nothing: the other sends them too, and says what became of them.

    A failed one is tried again as the schedule says, or given up at its end. 410 disables the endpoint, and failing for days does; many
    failures in a row make it rest.
    """
    async with db.transaction() as tx:
        failures: int | None = await tx.fetchval(LEASE_STATE, endpoint, holder)
        if failures is None:
            return False
        states: dict[str, int] = {}
        rows: list[tuple[UUID, str, datetime | None, datetime | None, datetime]] = []
        for one in outcomes:
            state, next_at = _judged(one, schedule, chance, now)
            failures = 0 if one.is_delivered else failures + 1
            rows.append((one.delivery.id, state, next_at, now if one.is_delivered else None, one.delivery.started_at))
            states[state] = states.get(state, 0) + 1
        await tx.execute(RECORD, account, *map(list, zip(*rows, strict=True)))
        log = [
            (one.delivery.id, id, one.started_at, one.status, one.latency_ms, _kept(one.error), _kept(one.answer))
            for one, id in zip(outcomes, new_ids(len(outcomes)), strict=True)
        ]
        await tx.execute(ATTEMPTS, account, *map(list, zip(*log, strict=True)))
        for state, amount in states.items():
            await tx.execute(COUNT, state, holder, amount)
        last = outcomes[-1]
        await tx.fetch(HEALTH, account, endpoint, not last.is_delivered, last.started_at)
        is_disabled = await _disable(tx, account, endpoint, any(one.status == GONE for one in outcomes), schedule, now)
        rest = None if is_disabled else retry_schedule.rest(schedule, failures)
        until = None if rest is None else now + timedelta(seconds=rest)
        held = datetime.min.replace(tzinfo=now.tzinfo) if rest is not None else now + timedelta(seconds=LEASE_SECONDS)
        await tx.execute(SET_LEASE, endpoint, holder, failures, until, held)
        return rest is None and not is_disabled


def _kept(text: str | None) -> str | None:
    """As the database can hold it: endpoints say what they like."""
    return None if text is None else text.encode(errors="replace").decode().replace("\0", "\ufffd")


def _judged(one: Outcome, schedule: Schedule, chance: random.Random, now: datetime) -> tuple[str, datetime | None]:
    """The state after an attempt, and when the next one is."""
    if one.is_delivered:
        return "delivered", None
    at = retry_schedule.next_at(
        schedule, one.delivery.attempts + 1, one.delivery.started_at, now, retry_after=one.retry_after, chance=chance
    )
    return ("failed", None) if at is None or one.status == GONE else ("retrying", at)


FAILING_SINCE = (
    "SELECT failing_since, configuration_id FROM channel_endpoint WHERE account_id = $1 AND id = $2 AND disabled_at IS NULL FOR UPDATE"
)
DISABLE = "UPDATE channel_endpoint SET disabled_at = $3, disabled_reason = $4 WHERE account_id = $1 AND id = $2 RETURNING target"


async def _disable(tx: Transaction, account: AccountId, endpoint: UUID, is_gone: bool, schedule: Schedule, now: datetime) -> bool:
    """Whether the endpoint was disabled now, for 410 or because it failed for too long."""
    row = await tx.fetchrow(FAILING_SINCE, account, endpoint)
    if row is None:
        return True
    since = row["failing_since"]
    is_old = since is not None and since <= now - timedelta(days=schedule.disable_days)
    if not is_gone and not is_old:
        return False
    reason = "it answered 410 Gone" if is_gone else f"it failed for {schedule.disable_days:g} days"
    url = await tx.fetchval(DISABLE, account, endpoint, now, reason)
    await tx.execute(GIVE_UP, account, endpoint)
    await _tell(tx, account, endpoint, url, reason, now)
    return True


# The event webhook of the same group hears of it, unless it is the one that was disabled.
WATCHER = """
SELECT w.id, c.id AS channel_id, c.element_id FROM channel_endpoint e
JOIN channel_configuration f ON f.account_id = e.account_id AND f.id = e.configuration_id
JOIN channel_configuration g ON g.account_id = f.account_id AND g.group_id = f.group_id AND g.kind = 'eventWebhook' AND g.enabled
JOIN channel_endpoint w ON w.account_id = g.account_id AND w.configuration_id = g.id AND w.disabled_at IS NULL AND w.id <> e.id
JOIN channel c ON c.account_id = f.account_id AND c.group_id = f.group_id AND c.ended_at IS NULL
WHERE e.account_id = $1 AND e.id = $2 ORDER BY c.id LIMIT 1
"""
EVENT = """
INSERT INTO delivery (account_id, id, endpoint_id, channel_id, kind, reference, method, payload, form, state, created_at, started_at,
    next_at)
VALUES ($1, $2, $3, $4, 'eventWebhook', $5, 'POST', $6, 'json', 'pending', $7, $7, $7)
"""


async def _tell(tx: Transaction, account: AccountId, endpoint: UUID, url: str, reason: str, now: datetime) -> None:
    row = await tx.fetchrow(WATCHER, account, endpoint)
    if row is None:
        return
    reference = str(new_id())
    what = {"type": "ENDPOINT_DISABLED", "endpointId": str(endpoint), "url": url, "reason": reason}
    event = Event(reference, "", "", row["element_id"], now, what)
    await tx.execute(EVENT, account, new_id(), row["id"], row["channel_id"], reference, inbound_formats.json_event(event), now)


PURGE = """
DELETE FROM delivery WHERE (account_id, id) IN (
    SELECT account_id, id FROM delivery WHERE next_at IS NULL AND created_at < $1 ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED)
RETURNING account_id, id
"""
PURGE_ATTEMPTS = """
DELETE FROM delivery_attempt a USING unnest($1::uuid[], $2::uuid[]) AS d (account_id, id) WHERE a.account_id = d.account_id
    AND a.delivery_id = d.id
"""


async def purge(db: Database, before: datetime, most: int) -> int:
    """Forget deliveries that are over and older than this, with their attempts; answers how many."""
    async with db.transaction() as tx:
        rows = await tx.fetch(PURGE, before, most)
        await tx.execute(PURGE_ATTEMPTS, [row["account_id"] for row in rows], [row["id"] for row in rows])
    return len(rows)
