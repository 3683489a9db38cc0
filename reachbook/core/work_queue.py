"""What waits for the operator's decision (operator.md, "Work queue"). The modules of the things themselves say what a decision does."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from reachbook.core.errors import ConflictError, NotFoundError
from reachbook.core.ids import AccountId, new_id
from reachbook.core.paging import Listed, Page
from reachbook.database.queries import Queries, Record, Transaction


class Kind(StrEnum):
    """What an item is about; `entity_id` is the id of such a one."""

    CHANNEL = "channel"
    BUSINESS_ACCOUNT = "businessAccount"
    NUMBER = "number"
    PROFILE = "profile"
    TEMPLATE_LANGUAGE = "templateLanguage"


STATES = ("pending", "approved", "rejected")


class Item(msgspec.Struct, frozen=True):
    """One decision to be made, or made. `reason` is why it was rejected."""

    id: UUID
    kind: Kind
    entity_id: UUID
    account: AccountId
    state: str
    reason: str | None
    created_at: datetime
    decided_at: datetime | None


COLUMNS = "id, kind, entity_id, account_id, state, reason, created_at, decided_at"
# Asked for again while it waits: that is the same item.
ADD = """
INSERT INTO work_item (account_id, id, kind, entity_id, state, created_at) VALUES ($1, $2, $3, $4, 'pending', $5) ON CONFLICT DO NOTHING
"""


async def add(tx: Transaction, account: AccountId, kind: Kind, entity: UUID, now: datetime) -> None:
    """There is something to decide."""
    await tx.execute(ADD, account, new_id(), kind, entity, now)


DECIDE = """
UPDATE work_item SET state = $4, reason = $5, decided_at = $6
WHERE account_id = $1 AND kind = $2 AND entity_id = $3 AND state = 'pending'
"""


async def decide(
    tx: Transaction, account: AccountId, kind: Kind, entity: UUID, *, approved: bool, now: datetime, reason: str | None = None
) -> None:
    """It is decided, by whomever; nothing if there is no such item pending."""
    await tx.execute(DECIDE, account, kind, entity, "approved" if approved else "rejected", reason, now)


ACCOUNT_OF = "SELECT account_id FROM work_item WHERE id = $1"


async def account_of(db: Queries, id: UUID) -> AccountId:
    """Whose item it is. Raises NotFoundError."""
    account = await db.fetchval(ACCOUNT_OF, id)
    if account is None:
        raise NotFoundError(f"There is no request {id}.", "request")
    return AccountId(account)


GET = f"SELECT {COLUMNS} FROM work_item WHERE account_id = $1 AND id = $2"


async def get(db: Queries, account: AccountId, id: UUID) -> Item:
    """Raises NotFoundError."""
    row = await db.fetchrow(GET, account, id)
    if row is None:
        raise NotFoundError(f"There is no request {id}.", "request")
    return _read(row)


async def pending(db: Queries, account: AccountId, id: UUID) -> Item:
    """The item, which is not decided yet. Raises NotFoundError, ConflictError.

    It is not held: what it is about is, and `decide` says whether somebody else was quicker.
    """
    item = await get(db, account, id)
    if item.state != "pending":
        raise decided(item.state)
    return item


def decided(state: str) -> ConflictError:
    """The error for an item that somebody has decided."""
    return ConflictError(f"The request is {state} already.")


WANTED = "($1::text IS NULL OR state = $1) AND ($2::text IS NULL OR kind = $2) AND ($3::uuid IS NULL OR account_id = $3)"
LIST = f"SELECT {COLUMNS} FROM work_item WHERE {WANTED} ORDER BY id OFFSET $4 LIMIT $5"
TOTAL = f"SELECT count(*) FROM work_item WHERE {WANTED}"


async def list_all(
    db: Queries, page: Page, *, state: str | None = None, kind: str | None = None, of_account: UUID | None = None
) -> Listed[Item]:
    """The oldest first."""
    rows = await db.fetch(LIST, state, kind, of_account, page.skip, page.take)
    return Listed([_read(row) for row in rows], await db.fetchval(TOTAL, state, kind, of_account))


def _read(row: Record) -> Item:
    return Item(
        row["id"],
        Kind(row["kind"]),
        row["entity_id"],
        AccountId(row["account_id"]),
        row["state"],
        row["reason"],
        row["created_at"],
        row["decided_at"],
    )
