"""Accounts: who the address books belong to."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from reachbook.core import fields, phone
from reachbook.core.errors import ConflictError, NotFoundError, invalid
from reachbook.core.ids import AccountId
from reachbook.core.limits import NAME_LENGTH
from reachbook.core.paging import Listed, Page
from reachbook.database.queries import Database, Queries


class Account(msgspec.Struct, frozen=True):
    """`region` (ISO 3166-1 alpha-2) is how the account's national phone numbers are read; None: they are refused."""

    id: AccountId
    name: str
    region: str | None
    created_at: datetime


CREATE = """
INSERT INTO account (id, name, region, created_at) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING RETURNING id
"""


async def create(db: Database, id: UUID, name: str, region: str | None, now: datetime) -> Account:
    """A new account with the predefined fields. Raises InvalidError, or ConflictError if the id is taken."""
    name, known = _name(name), _region(region)
    async with db.transaction() as tx:
        if await tx.fetchval(CREATE, id, name, known, now) is None:
            raise ConflictError(f"There is an account {id} already.")
        await tx.execute("INSERT INTO statistics_folder (account_id) VALUES ($1)", id)
        await fields.predefine(tx, AccountId(id), now)
    return Account(AccountId(id), name, known, now)


UPDATE = "UPDATE account SET name = coalesce($2, name), region = CASE WHEN $4 THEN $3 ELSE region END WHERE id = $1"


async def update(db: Database, id: UUID, name: str | UnsetType | None, region: str | UnsetType | None) -> Account:
    """Another name or region; what is UNSET stays, and a region of None is none. Raises NotFoundError, InvalidError."""
    await get(db, AccountId(id))
    written = None if name is UNSET else _name(name)
    known = None if region is UNSET else _region(region)
    await db.execute(UPDATE, id, written, known, region is not UNSET)
    return await get(db, AccountId(id))


def _name(text: str | None) -> str:
    written = (text or "").strip()
    if not written or len(written) > NAME_LENGTH or "\0" in written:
        raise invalid("name", f"must be 1 to {NAME_LENGTH} characters")
    return written


def _region(text: str | None) -> str | None:
    known = phone.region(text) if text else None
    if text and known is None:
        raise invalid("region", "is no ISO 3166-1 alpha-2 region")
    return known


LIST = "SELECT id, name, region, created_at FROM account ORDER BY created_at, id"


async def list_all(db: Queries) -> Sequence[Account]:
    """Every account, oldest first (for the operator)."""
    return [Account(**row) for row in await db.fetch(LIST)]


TOTAL = "SELECT count(*) FROM account"


async def list_page(db: Queries, page: Page) -> Listed[Account]:
    """The same, a page at a time."""
    rows = await db.fetch(f"{LIST} OFFSET $1 LIMIT $2", page.skip, page.take)
    return Listed([Account(**row) for row in rows], await db.fetchval(TOTAL))


async def get(db: Queries, account: AccountId) -> Account:
    """Raises NotFoundError."""
    row = await db.fetchrow("SELECT id, name, region, created_at FROM account WHERE id = $1", account)
    if row is None:
        raise NotFoundError(f"There is no account {account}.")
    return Account(**row)


async def exists(db: Queries, account: AccountId) -> bool:
    """Whether there is such an account."""
    return await db.fetchval("SELECT 1 FROM account WHERE id = $1", account) is not None


async def region(tx: Queries, account: AccountId) -> str | None:
    """The account's default region for phone numbers."""
    return await tx.fetchval("SELECT region FROM account WHERE id = $1", account)
