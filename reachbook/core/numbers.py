"""Phone numbers in stock: shared ones that everybody may claim keywords on, and those that one account rents at a time.

A number is the installation's and goes from account to account, so there is one row for it whoever has it (docs/decisions/0010). Whoever
gives one out holds its type first: requests are served in the order in which they come.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import msgspec

from reachbook.core import catalogues, channels, phone, work_queue
from reachbook.core.catalogues import NumberType
from reachbook.core.errors import ConflictError, Fault, InvalidError, NotFoundError
from reachbook.core.ids import AccountId
from reachbook.core.limits import REST_DAYS
from reachbook.core.machines import NUMBER, REQUEST
from reachbook.core.paging import Listed, Page
from reachbook.core.work_queue import Kind
from reachbook.database.queries import Database, Queries, Record, Transaction


class Number(msgspec.Struct, frozen=True):
    """`id`: international digits, or a short code's country and digits; `number`: 00 and the digits, or as dialled."""

    id: str
    number: str
    type: NumberType
    is_shortcode: bool
    state: str
    owner: AccountId | None
    owned_since: datetime | None

    @property
    def is_shared(self) -> bool:
        """Whether everybody may claim keywords on it."""
        return self.state == "shared"


class Draft(NamedTuple):
    """A number that comes into stock. A short code as dialled; its country is the type's."""

    number: str
    type: UUID
    is_shared: bool = False
    is_shortcode: bool = False


SHORTCODE = re.compile("[0-9]{3,8}")
COLUMNS = "p.id, number, number_type_id, is_shortcode, state, owner_id, owned_since"


def as_id(text: str) -> str:
    """The id that somebody means who writes +31…, 0031… or 31…, or a short code's country in lower case."""
    written = text.strip().removeprefix("+").removeprefix("00").upper()
    return written if written.isascii() and written.isalnum() else ""


# --- what accounts see


VISIBLE = "(state = 'shared' OR state = 'owned' AND owner_id = $1)"
GET = f"SELECT {COLUMNS} FROM phone_number p WHERE id = $2 AND {VISIBLE}"


async def get(db: Queries, account: AccountId, id: str) -> Number:
    """A shared number, or one of the account's own. Raises NotFoundError for every other."""
    return await _visible(db, account, id, GET)


async def hold(tx: Transaction, account: AccountId, id: str) -> Number:
    """The same; it is whose it is until the commit."""
    return await _visible(tx, account, id, f"{GET} FOR SHARE")


async def _visible(db: Queries, account: AccountId, id: str, query: str) -> Number:
    row = await db.fetchrow(query, account, as_id(id))
    if row is None:
        raise NotFoundError(f"There is no phone number {id}.", "phone_number")
    return _read(row, await catalogues.number_type(db, row["number_type_id"]))


FILTERED = f"""
{VISIBLE} AND ($2::text IS NULL OR strpos(number, $2) > 0 OR strpos(p.id, $2) > 0) AND ($3::uuid[] IS NULL OR number_type_id = ANY($3))
    AND ($4::boolean IS NULL OR (state = 'owned') = $4) AND ($5::boolean IS NULL OR is_shortcode = $5)
    AND ($6::boolean IS NULL OR (state = 'shared') = $6)
""".strip()
LIST = f"SELECT {COLUMNS} FROM phone_number p WHERE {FILTERED} ORDER BY p.id OFFSET $7 LIMIT $8"
TOTAL = f"SELECT count(*) FROM phone_number p WHERE {FILTERED}"


async def list_available(
    db: Queries,
    account: AccountId,
    page: Page,
    *,
    part: str | None = None,
    country: str | None = None,
    is_owned: bool | None = None,
    is_shortcode: bool | None = None,
    is_shared: bool | None = None,
) -> Listed[Number]:
    """Shared numbers and the account's own, by id. `part` is a part of the number."""
    digits = re.sub(r"[\s().+/-]", "", part).upper() if part else None
    types = None if country is None else [type.id for type in await _types_in(db, country)]
    values = (account, digits, types, is_owned, is_shortcode, is_shared)
    return await _listed(db, LIST, TOTAL, values, page)


async def _types_in(db: Queries, country: str) -> Sequence[NumberType]:
    return (await catalogues.number_types(db, Page(0, 1_000_000), country=country)).rows


async def _listed(db: Queries, query: str, total: str, values: Sequence[object], page: Page) -> Listed[Number]:
    rows = await db.fetch(query, *values, page.skip, page.take)
    types = await catalogues.number_types_among(db, {row["number_type_id"] for row in rows})
    return Listed([_read(row, types[row["number_type_id"]]) for row in rows], await db.fetchval(total, *values))


RELEASE = f"""
UPDATE phone_number SET {NUMBER.change("release")}, rests_until = $3 WHERE id = $2 AND owner_id = $1
    AND {NUMBER.allows("release")} RETURNING id
"""


async def give_back(db: Database, account: AccountId, id: str, now: datetime) -> None:
    """The account has it no longer, at once; nobody has for a while. Raises NotFoundError, ConflictError for a shared number."""
    async with db.transaction() as tx:
        number = await get(tx, account, id)
        if await tx.fetchval(RELEASE, account, number.id, now + timedelta(days=REST_DAYS)) is None:
            raise ConflictError("The number is shared; it can't be cancelled.")
        await _end_tenancy(tx, account, number.id, now)


END = f"""
UPDATE number_request SET {REQUEST.change("end", now="$3")} WHERE account_id = $1 AND phone_number_id = $2
    AND {REQUEST.allows("end")} RETURNING id
"""


async def _end_tenancy(tx: Transaction, account: AccountId, number: str, now: datetime) -> None:
    """Claims on it stay, and are found to be without a number."""
    request = await tx.fetchval(END, account, number, now)
    await channels.end(tx, account, [request] if request else [], now)


# --- giving out


HOLD_TYPES = "SELECT id FROM number_type WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE"


async def hold_types(tx: Transaction, types: Sequence[UUID]) -> None:
    """Who gives out numbers of these types waits for us, so that nobody comes between a look at the stock and the hand-over."""
    await tx.execute(HOLD_TYPES, list(types))


FREE = "SELECT id, number FROM phone_number WHERE number_type_id = $1 AND state = 'free' ORDER BY stocked_at, id LIMIT 1"


async def free(tx: Transaction, type: UUID) -> tuple[str, str] | None:
    """Id and number of the free number of a type that waits longest; None if there is none. The type is held."""
    row = await tx.fetchrow(FREE, type)
    return (row["id"], row["number"]) if row else None


TYPE_OF = "SELECT number_type_id FROM phone_number WHERE id = $1"
CHOSEN = "SELECT id, number FROM phone_number WHERE id = $1 AND state = 'free'"


async def choose(tx: Transaction, type: UUID, id: str | None) -> tuple[str, str] | None:
    """What a request of a type is given by the operator: this number, of whatever type, or the one of the type that waits longest."""
    other = await tx.fetchval(TYPE_OF, as_id(id)) if id else None
    await hold_types(tx, [type] if other is None else [type, other])
    if id is None:
        return await free(tx, type)
    row = await tx.fetchrow(CHOSEN, as_id(id))
    return (row["id"], row["number"]) if row else None


ASSIGN = (
    f"UPDATE phone_number SET {NUMBER.change('assign', now='$3')}, owner_id = $2 WHERE id = $1 AND {NUMBER.allows('assign')} RETURNING id"
)
FULFIL = f"""
UPDATE number_request SET {REQUEST.change("fulfil", now="$3")}, phone_number_id = $4, number = $5
WHERE account_id = $1 AND id = $2 AND {REQUEST.allows("fulfil")} RETURNING id
"""


async def assign(tx: Transaction, account: AccountId, request: UUID, number: tuple[str, str], now: datetime) -> None:
    """A free number goes to a pending request. Raises ConflictError if either is not so any more."""
    given = await tx.fetchval(ASSIGN, number[0], account, now)
    if given is None or await tx.fetchval(FULFIL, account, request, now, *number) is None:
        raise ConflictError("The number or the request is not free any more.")
    await channels.settle(tx, account, request, is_pending=False, element=number[0])
    await work_queue.decide(tx, account, Kind.NUMBER, request, approved=True, now=now)


OLDEST = (
    f"SELECT account_id, id FROM number_request WHERE number_type_id = $1 AND {REQUEST.allows('fulfil')} ORDER BY created_at, id LIMIT 1"
)


async def _serve(tx: Transaction, type: UUID, now: datetime) -> int:
    """Hand free numbers of a type, which is held, to those who wait; answers how many."""
    served = 0
    while (request := await tx.fetchrow(OLDEST, type)) is not None and (number := await free(tx, type)) is not None:
        await assign(tx, AccountId(request["account_id"]), request["id"], number, now)
        served += 1
    return served


# --- the operator's stock


STOCK = """
INSERT INTO phone_number (id, number, number_type_id, is_shortcode, state, stocked_at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (id) DO NOTHING RETURNING id
"""
RESTOCK = f"""
UPDATE phone_number SET {NUMBER.change("restock", now="$2")}, number_type_id = $3
WHERE id = $1 AND {NUMBER.allows("restock")} RETURNING id
"""
SHARE = f"""
UPDATE phone_number SET {NUMBER.change("share", now="$2")}, number_type_id = $3
WHERE id = $1 AND {NUMBER.allows("share")} RETURNING id
"""
AMONG = f"SELECT {COLUMNS} FROM phone_number p WHERE id = ANY($1::text[])"


async def stock(db: Database, drafts: Sequence[Draft], now: datetime) -> Sequence[Number]:
    """Numbers come into stock, all or none; those that are not shared go to whoever waits for one of their type.

    One that is out of service comes back. Raises InvalidError, ConflictError with the rows that are in stock.
    """
    async with db.transaction() as tx:
        await hold_types(tx, sorted({draft.type for draft in drafts}))
        types = await catalogues.number_types_among(tx, {draft.type for draft in drafts})
        checked = _checked(drafts, types)
        taken: list[Fault] = []
        for index, (draft, (id, number)) in enumerate(zip(drafts, checked, strict=True)):
            state = "shared" if draft.is_shared else "free"
            made = await tx.fetchval(STOCK, id, number, draft.type, draft.is_shortcode, state, now)
            if made is None and await tx.fetchval(SHARE if draft.is_shared else RESTOCK, id, now, draft.type) is None:
                taken.append(Fault((index, "number"), f"{number} is in stock already"))
        if taken:
            raise ConflictError(
                f"{len(taken):,} of the numbers are in stock already." if len(taken) > 1 else taken[0].message, faults=taken
            )
        for type in sorted(types):
            await _serve(tx, type, now)
        found = {row["id"]: _read(row, types[row["number_type_id"]]) for row in await tx.fetch(AMONG, [id for id, _ in checked])}
    return [found[id] for id, _ in checked]


def _checked(drafts: Sequence[Draft], types: Mapping[UUID, NumberType]) -> Sequence[tuple[str, str]]:
    """Id and number of each."""
    faults: list[Fault] = []
    checked: list[tuple[str, str]] = []
    seen: set[str] = set()
    for index, draft in enumerate(drafts):
        type = types.get(draft.type)
        if type is None:
            faults.append(Fault((index, "number_type"), "is no number type"))
            continue
        try:
            one = _written(draft, type)
        except ValueError as error:
            faults.append(Fault((index, "number"), str(error)))
            continue
        if one[0] in seen:
            faults.append(Fault((index, "number"), "is there twice"))
        seen.add(one[0])
        checked.append(one)
    if faults:
        raise InvalidError(faults)
    return checked


def _written(draft: Draft, type: NumberType) -> tuple[str, str]:
    if draft.is_shortcode:
        digits = re.sub(r"[\s.-]", "", draft.number)
        if SHORTCODE.fullmatch(digits) is None:
            raise ValueError("is no short code: 3 to 8 digits as dialled")
        return type.country + digits, digits
    digits = phone.parse(draft.number, type.country).e164.removeprefix("+")
    return digits, f"00{digits}"


STOCKED = "($1::uuid IS NULL OR number_type_id = $1) AND ($2::text IS NULL OR state = $2) AND ($3::uuid IS NULL OR owner_id = $3)"
STOCK_LIST = f"SELECT {COLUMNS} FROM phone_number p WHERE {STOCKED} AND state <> 'withdrawn' ORDER BY p.id OFFSET $4 LIMIT $5"
STOCK_TOTAL = f"SELECT count(*) FROM phone_number p WHERE {STOCKED} AND state <> 'withdrawn'"


async def list_stock(
    db: Queries, page: Page, *, type: UUID | None = None, state: str | None = None, owner: UUID | None = None
) -> Listed[Number]:
    """Everything in service, by id."""
    return await _listed(db, STOCK_LIST, STOCK_TOTAL, (type, state, owner), page)


IN_SERVICE = f"SELECT {COLUMNS} FROM phone_number p WHERE id = $1 AND state <> 'withdrawn'"
WITHDRAW = f"UPDATE phone_number SET {NUMBER.change('withdraw', now='$2')} WHERE id = $1 AND {NUMBER.allows('withdraw')}"


async def withdraw(db: Database, id: str, now: datetime) -> None:
    """Out of service: an owner loses it. Raises NotFoundError."""
    async with db.transaction() as tx:
        row = await tx.fetchrow(IN_SERVICE, as_id(id))
        if row is not None:
            await hold_types(tx, [row["number_type_id"]])
            row = await tx.fetchrow(f"{IN_SERVICE} FOR UPDATE", as_id(id))
        if row is None:
            raise NotFoundError(f"There is no phone number {id} in stock.", "phone_number")
        await tx.execute(WITHDRAW, row["id"], now)
        if row["owner_id"] is not None:
            await _end_tenancy(tx, AccountId(row["owner_id"]), row["id"], now)


RESTED_TYPES = "SELECT DISTINCT number_type_id FROM phone_number WHERE state = 'resting' AND rests_until <= $1 ORDER BY 1"
RESTED = f"""
UPDATE phone_number SET {NUMBER.change("rested")}
WHERE number_type_id = $1 AND {NUMBER.allows("rested")} AND rests_until <= $2 RETURNING id
"""


async def hand_over_rested(db: Database, now: datetime) -> int:
    """Numbers whose rest is over are free again, and go to whoever waits; answers how many were handed over."""
    served = 0
    for row in await db.fetch(RESTED_TYPES, now):
        async with db.transaction() as tx:
            await hold_types(tx, [row["number_type_id"]])
            await tx.fetch(RESTED, row["number_type_id"], now)
            served += await _serve(tx, row["number_type_id"], now)
    return served


def _read(row: Record, type: NumberType) -> Number:
    owner = AccountId(row["owner_id"]) if row["owner_id"] else None
    return Number(row["id"], row["number"], type, row["is_shortcode"], row["state"], owner, row["owned_since"])
