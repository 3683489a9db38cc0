"""Channel requests: an account asks for a type of channel; the operator, or the type by itself, fulfils it (document 003, "Channels")."""

import re
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from reachbook.core import catalogues, channels, work_queue
from reachbook.core.errors import ConflictError, NotFoundError, invalid
from reachbook.core.ids import AccountId, new_id
from reachbook.core.machines import REQUEST
from reachbook.core.paging import Listed, Page
from reachbook.core.work_queue import Kind
from reachbook.database.queries import Database, Queries, Transaction


class ChannelRequest(msgspec.Struct, frozen=True):
    """`state` as in machines.REQUEST; the costs are those of when it was made."""

    id: UUID
    channel_type_id: UUID
    group_id: UUID | None
    state: str
    reason: str | None
    currency: str
    startup_cost: Decimal
    monthly_cost: Decimal
    created_at: datetime
    fulfilled_at: datetime | None
    cancelled_at: datetime | None


class BusinessAccount(msgspec.Struct, frozen=True):
    """Of a WhatsApp request, and pending, fulfilled or cancelled as it is. `provider_id` is its id at Meta, once the operator knows it."""

    id: UUID
    request: ChannelRequest
    namespace: str
    provider_id: str | None


COLUMNS = "id, channel_type_id, group_id, state, reason, currency, startup_cost, monthly_cost, created_at, fulfilled_at, cancelled_at"
# A second one of the type that somebody made a moment ago is waited for.
CREATE = f"""
INSERT INTO channel_request (account_id, {COLUMNS}) VALUES ($1, $2, $3, $4, $5, NULL, $6, $7, $8, $9, $10, NULL)
ON CONFLICT DO NOTHING RETURNING id
"""
CREATE_BUSINESS = "INSERT INTO business_account (account_id, id, channel_request_id, namespace) VALUES ($1, $2, $3, $4)"


async def create(db: Database, account: AccountId, id: UUID, type: UUID, now: datetime) -> ChannelRequest:
    """Ask for a type. Raises NotFoundError for an unknown one, ConflictError for one that comes soon or is asked for already."""
    async with db.transaction() as tx:
        wanted = await catalogues.channel_type(tx, type)
        if wanted.coming_soon:
            raise ConflictError(f"{wanted.description} is not available yet.")
        is_whatsapp = wanted.key == catalogues.WHATSAPP
        group = await channels.open_group(tx, account, now) if is_whatsapp else None
        state, fulfilled_at = ("fulfilled", now) if wanted.auto_fulfil else ("pending", None)
        prices = (wanted.currency, wanted.startup_cost, wanted.monthly_cost)
        if await tx.fetchval(CREATE, account, id, type, group, state, *prices, now, fulfilled_at) is None:
            raise ConflictError(f"A request for {wanted.description} is open already.")
        if is_whatsapp:
            business = new_id()
            await tx.execute(CREATE_BUSINESS, account, business, id, business.hex[-16:])
            if state == "pending":
                await work_queue.add(tx, account, Kind.BUSINESS_ACCOUNT, business, now)
        if state == "pending":
            await work_queue.add(tx, account, Kind.CHANNEL, id, now)
        return await get(tx, account, id)


GET = f"SELECT {COLUMNS} FROM channel_request WHERE account_id = $1 AND id = $2"


async def get(db: Queries, account: AccountId, id: UUID) -> ChannelRequest:
    """Raises NotFoundError."""
    row = await db.fetchrow(GET, account, id)
    if row is None:
        raise NotFoundError(f"There is no channel request {id}.", "channel_request")
    return ChannelRequest(**row)


OF_TYPE = "account_id = $1 AND ($2::uuid IS NULL OR channel_type_id = $2)"
LIST = f"SELECT {COLUMNS} FROM channel_request WHERE {OF_TYPE} ORDER BY id OFFSET $3 LIMIT $4"
TOTAL = f"SELECT count(*) FROM channel_request WHERE {OF_TYPE}"


async def list_requests(db: Queries, account: AccountId, page: Page, type: UUID | None = None) -> Listed[ChannelRequest]:
    """By age; all, or those of a type."""
    rows = await db.fetch(LIST, account, type, page.skip, page.take)
    return Listed([ChannelRequest(**row) for row in rows], await db.fetchval(TOTAL, account, type))


BUSINESS = "SELECT id, channel_request_id, namespace, provider_id FROM business_account WHERE account_id = $1 AND channel_request_id = $2"
BUSINESS_BY_ID = "SELECT channel_request_id FROM business_account WHERE account_id = $1 AND id = $2"


async def business_account(db: Queries, account: AccountId, request: UUID) -> BusinessAccount:
    """That of a WhatsApp request. Raises NotFoundError, also for a request of another type."""
    row = await db.fetchrow(BUSINESS, account, request)
    if row is None:
        raise NotFoundError(f"There is no WhatsApp channel request {request}.", "channel_request")
    return BusinessAccount(row["id"], await get(db, account, request), row["namespace"], row["provider_id"])


# What is made in a request waits for who refuses it, and the other way round.
HOLD = "SELECT id FROM channel_request WHERE account_id = $1 AND id = $2 FOR NO KEY UPDATE"


async def open_business_account(tx: Transaction, account: AccountId, request: UUID) -> BusinessAccount:
    """The same for who changes something in it, held until the commit. Raises ConflictError too, if it was cancelled."""
    await tx.execute(HOLD, account, request)
    found = await business_account(tx, account, request)
    if found.request.state == "cancelled":
        raise ConflictError("The channel request was cancelled.")
    return found


ACCOUNT_OF = "SELECT account_id FROM channel_request WHERE id = $1"


async def account_of(db: Queries, id: UUID) -> AccountId:
    """Whose request it is. Raises NotFoundError."""
    account = await db.fetchval(ACCOUNT_OF, id)
    if account is None:
        raise NotFoundError(f"There is no channel request {id}.", "channel_request")
    return AccountId(account)


PROVIDER_ID = re.compile("[A-Za-z0-9_-]{1,100}")


def provider_id(text: str | None) -> str | None:
    """An id that the provider gave, as it is kept; it will stand in addresses there. Raises InvalidError."""
    if not text or text.isspace():
        return None
    written = text.strip()
    if PROVIDER_ID.fullmatch(written) is None:
        raise invalid("provider_id", "must be letters and digits, at most 100")
    return written


SET_PROVIDER = "UPDATE business_account SET provider_id = $3 WHERE account_id = $1 AND channel_request_id = $2"


async def set_provider(db: Database, account: AccountId, request: UUID, given: str | UnsetType | None) -> BusinessAccount:
    """Tell the business account's id at the provider, to whom its templates go from now on; UNSET changes nothing.

    Raises NotFoundError, InvalidError.
    """
    await business_account(db, account, request)
    if given is not UNSET:
        await db.execute(SET_PROVIDER, account, request, provider_id(given))
    return await business_account(db, account, request)


async def request_of(db: Queries, account: AccountId, kind: Kind, entity: UUID) -> UUID:
    """The channel request that an item of the work queue is about, by it or by its business account."""
    return entity if kind == Kind.CHANNEL else await db.fetchval(BUSINESS_BY_ID, account, entity)


FULFIL = f"""
UPDATE channel_request SET {REQUEST.change("fulfil", now="$3")}
WHERE account_id = $1 AND id = $2 AND {REQUEST.allows("fulfil")} RETURNING id
"""
REFUSE = f"""
UPDATE channel_request SET {REQUEST.change("refuse", now="$3", reason="$4")} WHERE account_id = $1 AND id = $2
    AND {REQUEST.allows("refuse")}
RETURNING id
"""


async def decide(tx: Transaction, account: AccountId, id: UUID, *, approved: bool, reason: str | None, now: datetime) -> None:
    """Fulfil or refuse a pending request, its business account with it: one decision for both. Raises ConflictError."""
    if approved:
        moved = await tx.fetchval(FULFIL, account, id, now)
    else:
        moved = await tx.fetchval(REFUSE, account, id, now, reason)
    if moved is None:
        raise ConflictError("The channel request is decided already.")
    business = await tx.fetchrow(BUSINESS, account, id)
    for kind, entity in ((Kind.CHANNEL, id), (Kind.BUSINESS_ACCOUNT, business["id"] if business else None)):
        if entity is not None:
            await work_queue.decide(tx, account, kind, entity, approved=approved, now=now, reason=reason)
