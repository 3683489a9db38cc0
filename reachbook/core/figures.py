"""Figures of the whole installation that only the database knows, for the operator."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from reachbook.core import delivery_work, ids
from reachbook.core.ids import NIL
from reachbook.database.queries import Queries


class Figure(NamedTuple):
    """One gauge: `values` by the values of its `labels`."""

    name: str
    help: str
    labels: Sequence[str]
    values: Mapping[Sequence[str], float]


def database_up(value: float) -> Figure:
    """1 when the database answers; without it there are no other figures of its own."""
    return Figure("reachbook_database_up", "Whether the database answers.", (), {(): value})


TOTALS = """
SELECT (SELECT count(*) FROM account), (SELECT count(*) FROM contact_group),
    (SELECT coalesce(sum(contacts), 0) FROM contact_count WHERE group_id = $1)
"""
LEDGER = "SELECT type, sum(opted_out)::float8 AS opted_out, sum(opted_in)::float8 AS opted_in FROM consent_count GROUP BY type"
INDEXING = """
SELECT count(*), coalesce(greatest(0, extract(epoch FROM now() - min(due_at) FILTER (WHERE isfinite(due_at)))), 0) FROM indexing_backlog
"""
IMPORTS = """
SELECT count(*), coalesce(greatest(0, extract(epoch FROM now() - min(turn_at) FILTER (WHERE claimed_until <= now()))), 0) FROM import_claim
"""
# The instant that an id begins with (UUIDv7); rows of the migration have ids without one.
STATISTICS = """
SELECT count(*), coalesce(greatest(0, extract(epoch FROM now()) -
    min(('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint) FILTER (WHERE substr(id::text, 15, 1) = '7') / 1000.0), 0)
FROM contact_change
"""
PROVIDER = """
SELECT count(*), coalesce(greatest(0, extract(epoch FROM now() - min(due_at))), 0) FROM provider_template WHERE due_at IS NOT NULL
"""
REQUESTS = """
SELECT kind, count(*)::float8 AS items, extract(epoch FROM now() - min(created_at))::float8 AS oldest FROM work_item WHERE state = 'pending'
GROUP BY kind
"""
DELIVERIES = """
SELECT count(*), coalesce(greatest(0, extract(epoch FROM now() - min(created_at))), 0) FROM delivery WHERE next_at IS NOT NULL
"""
ATTEMPTS = "SELECT outcome, sum(amount)::float8 AS attempts FROM delivery_count GROUP BY outcome"
NUMBERS = "SELECT state, count(*)::float8 AS numbers FROM phone_number GROUP BY state"
RETENTION = "SELECT reason, sum(contacts)::float8 AS contacts FROM retention_count GROUP BY reason"


async def read(db: Queries) -> list[Figure]:
    """As of now."""
    totals = await db.fetchrow(TOTALS, NIL)
    indexing = await db.fetchrow(INDEXING)
    imports = await db.fetchrow(IMPORTS)
    statistics = await db.fetchrow(STATISTICS)
    provider = await db.fetchrow(PROVIDER)
    assert provider is not None  # noqa: S101
    deliveries = await db.fetchrow(DELIVERIES)
    assert deliveries is not None  # noqa: S101
    waiting, oldest_delivery = (float(value) for value in deliveries.values())
    assert statistics is not None  # noqa: S101
    assert totals is not None  # noqa: S101 - aggregates always answer a row
    assert indexing is not None  # noqa: S101
    assert imports is not None  # noqa: S101
    accounts, groups, contacts = (float(value) for value in totals.values())
    queues = {("indexing",): list(indexing.values()), ("imports",): list(imports.values())}
    queues |= {("statistics",): list(statistics.values()), ("provider",): list(provider.values())}
    queues[("deliveries",)] = [waiting, await delivery_work.overdue(db, ids.now())]
    depth: dict[Sequence[str], float] = {queue: float(values[0]) for queue, values in queues.items()}
    overdue: dict[Sequence[str], float] = {queue: float(values[1]) for queue, values in queues.items()}
    ledger: dict[Sequence[str], float] = {
        (row["type"], state): row[state] for row in await db.fetch(LEDGER) for state in ("opted_out", "opted_in")
    }
    removed: dict[Sequence[str], float] = {(row["reason"],): row["contacts"] for row in await db.fetch(RETENTION)}
    requests = await db.fetch(REQUESTS)
    pending: dict[Sequence[str], float] = {(row["kind"],): row["items"] for row in requests}
    oldest: dict[Sequence[str], float] = {(row["kind"],): row["oldest"] for row in requests}
    attempts: dict[Sequence[str], float] = {(row["outcome"],): row["attempts"] for row in await db.fetch(ATTEMPTS)}
    oldest_one: dict[Sequence[str], float] = {(): oldest_delivery}
    stock: dict[Sequence[str], float] = {(row["state"],): row["numbers"] for row in await db.fetch(NUMBERS)}
    return [
        Figure("reachbook_accounts", "Accounts.", (), {(): accounts}),
        Figure("reachbook_groups", "Groups.", (), {(): groups}),
        Figure("reachbook_contacts", "Contacts.", (), {(): contacts}),
        Figure("reachbook_consent_tokens", "Tokens of the consent ledger by type and state.", ("type", "state"), ledger),
        Figure("reachbook_retention_removed_contacts", "Contacts that retention has taken out of lists, ever.", ("reason",), removed),
        Figure(
            "reachbook_delivery_attempts", "Attempts to deliver by how they ended: delivered, retrying, failed.", ("outcome",), attempts
        ),
        Figure("reachbook_delivery_oldest_seconds", "Age of the oldest delivery that is neither delivered nor given up.", (), oldest_one),
        Figure("reachbook_requests_pending", "What waits for the operator's decision.", ("kind",), pending),
        Figure("reachbook_requests_oldest_seconds", "How long the oldest of that waits.", ("kind",), oldest),
        Figure("reachbook_phone_numbers", "Phone numbers by state.", ("state",), stock),
        Figure("reachbook_queue_depth", "Work that waits.", ("queue",), depth),
        Figure("reachbook_queue_overdue_seconds", "How long the oldest work has been due.", ("queue",), overdue),
    ]
