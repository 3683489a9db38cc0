"""Number requests: an account rents a number of a type; the longest in stock at once, else when the operator has one (document 003)."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

import msgspec

from reachbook.core import catalogues, channels, numbers, simulation, work_queue
from reachbook.core.catalogues import NumberType
from reachbook.core.errors import ConflictError, NotFoundError
from reachbook.core.ids import NIL, AccountId
from reachbook.core.machines import REQUEST
from reachbook.core.paging import Listed, Page
from reachbook.core.work_queue import Kind
from reachbook.database.queries import Database, Queries, Record, Transaction


class NumberRequest(msgspec.Struct, frozen=True):
    """`state` as in machines.REQUEST; `phone_number_id` once a number is assigned. The costs are those of when it was made."""

    id: UUID
    channel_id: UUID
    type: NumberType
    state: str
    reason: str | None
    phone_number_id: str | None
    currency: str
    startup_cost: Decimal
    monthly_cost: Decimal
    created_at: datetime
    fulfilled_at: datetime | None
    cancelled_at: datetime | None


COLUMNS = (
    "id, channel_id, number_type_id, state, reason, phone_number_id, currency, startup_cost, monthly_cost, "
    "created_at, fulfilled_at, cancelled_at"
)
CREATE = """
INSERT INTO number_request (account_id, id, number_type_id, channel_id, state, currency, startup_cost, monthly_cost, created_at)
VALUES ($1, $2, $3, $4, 'pending', $5, $6, $7, $8)
"""


async def create(db: Database, account: AccountId, id: UUID, type: UUID, *, simulate: bool, now: datetime) -> NumberRequest:
    """Ask for a number of a type. With `simulate` nothing changes, and the ids are all zero. Raises NotFoundError."""
    async with simulation.transaction(db, simulate=simulate) as tx:
        await numbers.hold_types(tx, [type])
        wanted = await catalogues.number_type(tx, type)
        sms = await catalogues.channel_type_by_key(tx, catalogues.SMS)
        channel = await channels.add(
            tx,
            account,
            group=await channels.open_group(tx, account, now),
            request=None,
            type=sms.id,
            category=channels.NUMBERS,
            entity=id,
            element=str(id),
            is_pending=True,
            now=now,
        )
        await tx.execute(CREATE, account, id, type, channel, wanted.currency, wanted.startup_cost, wanted.monthly_cost, now)
        number = await numbers.free(tx, type)
        if number is None:
            await work_queue.add(tx, account, Kind.NUMBER, id, now)
        else:
            await numbers.assign(tx, account, id, number, now)
        made = await get(tx, account, id)
    return msgspec.structs.replace(made, id=NIL, channel_id=NIL) if simulate else made


GET = f"SELECT {COLUMNS} FROM number_request WHERE account_id = $1 AND id = $2"


async def get(db: Queries, account: AccountId, id: UUID) -> NumberRequest:
    """Raises NotFoundError."""
    row = await db.fetchrow(GET, account, id)
    if row is None:
        raise NotFoundError(f"There is no number request {id}.", "number_request")
    return _read(row, await catalogues.number_type(db, row["number_type_id"]))


FILTERED = """
account_id = $1 AND ($2::boolean IS NULL OR (state = 'pending') = $2)
    AND ($3::text IS NULL OR EXISTS (SELECT 1 FROM number_type t WHERE t.id = number_type_id AND upper(t.country) = upper($3)))
""".strip()
LIST = f"SELECT {COLUMNS} FROM number_request WHERE {FILTERED} ORDER BY id OFFSET $4 LIMIT $5"
TOTAL = f"SELECT count(*) FROM number_request WHERE {FILTERED}"


async def list_requests(
    db: Queries, account: AccountId, page: Page, *, country: str | None = None, is_pending: bool | None = None
) -> Listed[NumberRequest]:
    """By age."""
    rows = await db.fetch(LIST, account, is_pending, country, page.skip, page.take)
    types = await catalogues.number_types_among(db, {row["number_type_id"] for row in rows})
    total = await db.fetchval(TOTAL, account, is_pending, country)
    return Listed([_read(row, types[row["number_type_id"]]) for row in rows], total)


REFUSE = f"""
UPDATE number_request SET {REQUEST.change("refuse", now="$3", reason="$4")} WHERE account_id = $1 AND id = $2 AND {REQUEST.allows("refuse")}
RETURNING id
"""


async def decide(
    tx: Transaction, account: AccountId, id: UUID, *, approved: bool, reason: str | None, number: str | None, now: datetime
) -> None:
    """Give a pending request a free number, this one or the longest in stock; or refuse it. Raises ConflictError.

    A free number of the request's own type has gone to it before, so what the operator names is most often of another type.
    """
    request = await get(tx, account, id)
    if approved:
        given = await numbers.choose(tx, request.type.id, number)
        if given is None:
            raise ConflictError(f"{f'The number {number} is not' if number else 'No number of this type is'} free.")
        await numbers.assign(tx, account, id, given, now)
        return
    await numbers.hold_types(tx, [request.type.id])
    if await tx.fetchval(REFUSE, account, id, now, reason) is None:
        raise ConflictError("The number request is decided already.")
    await channels.end(tx, account, [id], now)
    await work_queue.decide(tx, account, Kind.NUMBER, id, approved=False, now=now, reason=reason)


def _read(row: Record, type: NumberType) -> NumberRequest:
    values = {name: row[name] for name in COLUMNS.split(", ") if name != "number_type_id"}
    return NumberRequest(**values, type=type)
