"""Channels: what an account can be reached on. Every keyword claim, rented number, profile and template has one (cm-channels.md).

A channel belongs to a group, and a group has the five inbound configurations (configurations.py): the channels of one WhatsApp request
share one, each number and each claim has its own.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from reachbook.core.errors import NotFoundError
from reachbook.core.ids import NIL, AccountId, new_id
from reachbook.database.queries import Queries, Record, Transaction

KEYWORDS, NUMBERS, TEMPLATES, PROFILES = "keywords", "numbers", "templates", "profiles"
"""The categories whose channels come from things of ours."""

CONFIGURATIONS = ("messagingLog", "customerContact", "email", "webhook", "eventWebhook")


class Channel(msgspec.Struct, frozen=True):
    """`element_id` is what it stands for (`31627100000|JOIN`); `request_id` is the account's channel request, or the all-zero id."""

    id: UUID
    group_id: UUID
    request_id: UUID
    type_id: UUID
    category: str
    element_id: str
    is_pending: bool
    created_at: datetime


class Progress(NamedTuple):
    """How far a channel is: percent, the stages reached, who is to act next (UNKNOWN: nobody) and for what."""

    completeness: int
    stages: Sequence[str]
    next: str = "UNKNOWN"
    next_key: str = ""
    has_pending_order: bool = False


PROCESSING, ACTION_REQUIRED = "PROCESSING", "ACTION_REQUIRED"
PROGRESS: Mapping[tuple[str, str], Progress] = {
    (KEYWORDS, "active"): Progress(100, ("CLAIMED",)),
    (NUMBERS, "pending"): Progress(50, ("REQUESTED",), PROCESSING, "number.processing", True),
    (NUMBERS, "fulfilled"): Progress(100, ("REQUESTED", "ASSIGNED")),
    (PROFILES, "pending"): Progress(50, ("REQUESTED",), ACTION_REQUIRED, "profile.verifyPhoneNumber"),
    (PROFILES, "active"): Progress(100, ("REQUESTED", "VERIFIED")),
    (PROFILES, "rejected"): Progress(50, ("REQUESTED", "REJECTED"), ACTION_REQUIRED, "profile.changePhoneNumber"),
    (TEMPLATES, "draft"): Progress(25, ("CREATED",), ACTION_REQUIRED, "template.requestValidation"),
    (TEMPLATES, "validating"): Progress(75, ("CREATED", "SUBMITTED"), PROCESSING, "template.validating"),
    (TEMPLATES, "active"): Progress(100, ("CREATED", "SUBMITTED", "APPROVED")),
    (TEMPLATES, "rejected"): Progress(50, ("CREATED", "SUBMITTED", "REJECTED"), ACTION_REQUIRED, "template.edit"),
    (TEMPLATES, "suspended"): Progress(75, ("CREATED", "SUBMITTED", "APPROVED", "SUSPENDED"), PROCESSING, "template.suspended"),
}
"""By category and state; a template's is that of its furthest language."""

GROUP = "INSERT INTO channel_group (account_id, id, created_at) VALUES ($1, $2, $3)"
CONFIGURE = """
INSERT INTO channel_configuration (account_id, id, group_id, kind, enabled, created_at, updated_at)
SELECT $1, id, $2, kind, false, $3, $3 FROM unnest($4::uuid[], $5::text[]) AS c (id, kind)
"""


async def open_group(tx: Transaction, account: AccountId, now: datetime) -> UUID:
    """A new group with its configurations, disabled and empty."""
    group = new_id()
    await tx.execute(GROUP, account, group, now)
    await tx.execute(CONFIGURE, account, group, now, [new_id() for _ in CONFIGURATIONS], list(CONFIGURATIONS))
    return group


ADD = """
INSERT INTO channel (account_id, id, group_id, channel_request_id, channel_type_id, category, entity_id, element_id, is_pending, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""


async def add(
    tx: Transaction,
    account: AccountId,
    *,
    group: UUID,
    request: UUID | None,
    type: UUID,
    category: str,
    entity: UUID,
    element: str,
    is_pending: bool,
    now: datetime,
) -> UUID:
    """The channel of a new thing."""
    id = new_id()
    await tx.execute(ADD, account, id, group, request, type, category, entity, element, is_pending, now)
    return id


SETTLE = "UPDATE channel SET is_pending = $3, element_id = coalesce($4, element_id) WHERE account_id = $1 AND entity_id = $2"


async def settle(tx: Transaction, account: AccountId, entity: UUID, *, is_pending: bool, element: str | None = None) -> None:
    """The thing became active, or pending again; `element` is what the channel is called from now on."""
    await tx.execute(SETTLE, account, entity, is_pending, element)


END = "UPDATE channel SET ended_at = $3 WHERE account_id = $1 AND entity_id = ANY($2::uuid[]) AND ended_at IS NULL"


async def end(tx: Transaction, account: AccountId, entities: Sequence[UUID], now: datetime) -> None:
    """The things are gone: their channels can't be seen or configured any more."""
    await tx.execute(END, account, list(entities), now)


COLUMNS = "id, group_id, channel_request_id, channel_type_id, category, element_id, is_pending, created_at"
HERE = "account_id = $1 AND ended_at IS NULL"
GET = f"SELECT {COLUMNS} FROM channel WHERE {HERE} AND id = $2"
LIST = f"SELECT {COLUMNS} FROM channel WHERE {HERE} AND ($2::uuid IS NULL OR channel_type_id = $2) ORDER BY id"
OF_GROUP = f"SELECT {COLUMNS} FROM channel WHERE {HERE} AND group_id = $2 ORDER BY id"


async def get(db: Queries, account: AccountId, id: UUID) -> Channel:
    """Raises NotFoundError, also for the channel of something that was cancelled."""
    row = await db.fetchrow(GET, account, id)
    if row is None:
        raise NotFoundError(f"There is no channel {id}.", "channel")
    return _read(row, await _requests(db, account))


async def list_channels(db: Queries, account: AccountId, type: UUID | None = None) -> Sequence[Channel]:
    """All, or those of a channel type, by age."""
    rows = await db.fetch(LIST, account, type)
    requests = await _requests(db, account)
    return [_read(row, requests) for row in rows]


STATES = f"""
SELECT {COLUMNS}, CASE category
    WHEN 'keywords' THEN (SELECT k.state FROM keyword_claim k WHERE k.account_id = c.account_id AND k.id = c.entity_id)
    WHEN 'numbers' THEN (SELECT n.state FROM number_request n WHERE n.account_id = c.account_id AND n.id = c.entity_id)
    WHEN 'profiles' THEN (SELECT p.state FROM whatsapp_profile p WHERE p.account_id = c.account_id AND p.id = c.entity_id)
    ELSE coalesce((SELECT l.state FROM template_language l WHERE l.account_id = c.account_id AND l.template_id = c.entity_id
        ORDER BY array_position(ARRAY['active', 'validating', 'suspended', 'rejected', 'draft'], l.state) LIMIT 1), 'draft')
    END AS state,
    EXISTS (SELECT 1 FROM channel_request r WHERE r.account_id = c.account_id AND r.id = c.channel_request_id
        AND r.state = 'pending') AS is_open
FROM channel c WHERE {HERE} AND group_id = $2 ORDER BY id
"""


async def with_progress(db: Queries, account: AccountId, group: UUID) -> Sequence[tuple[Channel, Progress]]:
    """The channels of a group, and how far each is."""
    rows = await db.fetch(STATES, account, group)
    requests = await _requests(db, account)
    found: list[tuple[Channel, Progress]] = []
    for row in rows:
        progress = PROGRESS[row["category"], row["state"]]
        found.append((_read(row, requests), progress._replace(has_pending_order=progress.has_pending_order or row["is_open"])))
    return found


REQUESTS = """
SELECT DISTINCT ON (channel_type_id) channel_type_id, id FROM channel_request WHERE account_id = $1 AND state <> 'cancelled'
ORDER BY channel_type_id, id
"""


async def _requests(db: Queries, account: AccountId) -> Mapping[UUID, UUID]:
    """The account's request of each channel type: that of channels which came without one."""
    return {row["channel_type_id"]: row["id"] for row in await db.fetch(REQUESTS, account)}


def _read(row: Record, requests: Mapping[UUID, UUID]) -> Channel:
    type = row["channel_type_id"]
    request = row["channel_request_id"] or requests.get(type, NIL)
    return Channel(row["id"], row["group_id"], request, type, row["category"], row["element_id"], row["is_pending"], row["created_at"])
