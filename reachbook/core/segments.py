"""Segments: saved filters of a group's contacts, or of all that an account has. Who is in one is found when it is asked for."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from reachbook.core import accounts, fields, filters, groups, subscribers
from reachbook.core.errors import ConflictError, Fault, InvalidError, NotFoundError, invalid
from reachbook.core.filters import Filter, Schema
from reachbook.core.ids import AccountId
from reachbook.core.limits import FILTER_SECONDS, FILTER_SHOWN, NAME_LENGTH
from reachbook.core.paging import Listed, Page
from reachbook.core.subscribers import Subscriber
from reachbook.core.text import clean
from reachbook.database.errors import TimedOutError
from reachbook.database.queries import Database, Queries, Record
from reachbook.database.values import Values


class Segment(msgspec.Struct, frozen=True):
    """A saved filter. `filter` as it was given."""

    id: UUID
    group_id: UUID | None
    name: str
    filter: Any
    created_at: datetime
    updated_at: datetime


COLUMNS = "id, group_id, name, filter, created_at, updated_at"
CREATE = f"INSERT INTO segment (account_id, {COLUMNS}) VALUES ($1, $2, $3, $4, $5::json, $6, $6) RETURNING {COLUMNS}"


async def create(db: Database, account: AccountId, id: UUID, group: UUID | None, name: str | None, raw: Any, now: datetime) -> Segment:
    """A new segment of a group, or of the account. Raises InvalidError, NotFoundError for an unknown group."""
    written = _checked(name)
    async with db.transaction() as tx:
        await compiled(tx, account, raw, Values(account))
        if group is not None and group not in await groups.lock(tx, account, [group], "SHARE"):
            raise groups.not_found(group)
        row = await tx.fetchrow(CREATE, account, id, group, written, msgspec.json.encode(raw).decode(), now)
    assert row is not None  # noqa: S101 - it has just been made
    return _read(row)


GET = f"SELECT {COLUMNS} FROM segment WHERE account_id = $1 AND id = $2"


async def get(db: Queries, account: AccountId, id: UUID) -> Segment:
    """Raises NotFoundError."""
    row = await db.fetchrow(GET, account, id)
    if row is None:
        raise not_found(id)
    return _read(row)


LISTED = "account_id = $1 AND ($2::uuid IS NULL OR group_id = $2)"
LIST = f"SELECT {COLUMNS} FROM segment WHERE {LISTED} ORDER BY id OFFSET $3 LIMIT $4"
TOTAL = f"SELECT count(*) FROM segment WHERE {LISTED}"


async def list_segments(db: Queries, account: AccountId, group: UUID | None, page: Page) -> Listed[Segment]:
    """By age; those of the group, or all."""
    rows = await db.fetch(LIST, account, group, page.skip, page.take)
    return Listed([_read(row) for row in rows], await db.fetchval(TOTAL, account, group))


OF_GROUPS = "SELECT group_id, count(*) AS segments FROM segment WHERE account_id = $1 AND group_id = ANY($2::uuid[]) GROUP BY group_id"


async def count_of_groups(db: Queries, account: AccountId, groups: Sequence[UUID]) -> Mapping[UUID, int]:
    """How many segments each group has; those with none are left out."""
    return {row["group_id"]: row["segments"] for row in await db.fetch(OF_GROUPS, account, list(groups))} if groups else {}


UPDATE = f"""
UPDATE segment SET name = coalesce($3, name), filter = coalesce($4::json, filter), updated_at = $5 WHERE account_id = $1 AND id = $2
RETURNING {COLUMNS}
"""


async def update(db: Database, account: AccountId, id: UUID, name: str | UnsetType | None, raw: Any, now: datetime) -> Segment:
    """Set the name, the filter, or both (UNSET: neither). Raises NotFoundError, InvalidError."""
    written = None if name is UNSET else _checked(name)
    async with db.transaction() as tx:
        if await tx.fetchval(f"{GET} FOR UPDATE", account, id) is None:
            raise not_found(id)
        if raw is not UNSET:
            await compiled(tx, account, raw, Values(account))
        text = None if raw is UNSET else msgspec.json.encode(raw).decode()
        row = await tx.fetchrow(UPDATE, account, id, written, text, now)
    assert row is not None  # noqa: S101 - it is held
    return _read(row)


DELETE = "DELETE FROM segment WHERE account_id = $1 AND id = $2 RETURNING id"


async def delete(db: Queries, account: AccountId, id: UUID) -> None:
    """The contacts stay. Raises NotFoundError."""
    if await db.fetchval(DELETE, account, id) is None:
        raise not_found(id)


# --- who is in it


class Source(NamedTuple):
    """SQL that reads contacts `c` of a segment: what stands after FROM with its WHERE, the column that orders them by id, and the values
    bound so far.
    """

    sql: str
    id: str
    bound: Sequence[object]


async def schema(db: Queries, account: AccountId) -> Schema:
    """What the account's filters can speak of now."""
    return Schema(await fields.list_all(db, account), await accounts.region(db, account))


async def compiled(db: Queries, account: AccountId, raw: Any, values: Values) -> str:
    """The SQL condition of a filter, for the fields that the account has now. Raises InvalidError."""
    parsed: Filter = filters.parse(raw)
    return filters.compile(parsed, await schema(db, account), values)


async def source(db: Queries, account: AccountId, group: UUID | None, raw: Any, values: Values) -> Source:
    """The contacts that meet a filter. Raises InvalidError."""
    condition = await compiled(db, account, raw, values)
    if group is None:
        return Source(f"contact c WHERE c.account_id = $1 AND {condition}", "c.id", values.bound)
    joined = "membership m JOIN contact c ON c.account_id = m.account_id AND c.id = m.contact_id"
    where = f"m.account_id = $1 AND m.group_id = {values.add(group, 'uuid')} AND {condition}"
    return Source(f"{joined} WHERE {where}", "m.contact_id", values.bound)


async def readable(db: Queries, account: AccountId, id: UUID) -> Segment:
    """A segment whose filter still has a meaning. Raises NotFoundError, ConflictError if a field that it speaks of is gone."""
    segment = await get(db, account, id)
    await _source_of(db, account, segment)
    return segment


async def _source_of(db: Queries, account: AccountId, segment: Segment) -> Source:
    try:
        return await source(db, account, segment.group_id, segment.filter, Values(account))
    except InvalidError as error:
        raise ConflictError(f"The segment {segment.name!r} can't be read any more: {error.faults[0].message}.", "segment") from None


async def count(db: Database, account: AccountId, found: Source) -> int:
    """How many contacts there are. Raises InvalidError if that takes too long."""
    rows = await fetch_in_time(db, account, f"SELECT count(*) AS contacts FROM {found.sql}", found.bound)
    return rows[0]["contacts"]


async def contacts_of(db: Database, account: AccountId, found: Source, after: UUID | None, take: int) -> Sequence[UUID]:
    """Their ids, ascending, behind `after`. Raises InvalidError if that takes too long."""
    values = Values(*found.bound)
    beyond = "" if after is None else f"AND {found.id} > {values.add(after, 'uuid')}"
    query = f"SELECT c.id FROM {found.sql} {beyond} ORDER BY {found.id} LIMIT {values.add(take, 'bigint')}"
    return [row["id"] for row in await fetch_in_time(db, account, query, values.bound)]


async def count_of(db: Database, account: AccountId, id: UUID) -> int:
    """How many contacts a segment has. Raises as `readable` does, InvalidError if it takes too long."""
    return await count(db, account, await _source_of(db, account, await get(db, account, id)))


async def members(db: Database, account: AccountId, id: UUID, after: UUID | None, take: int) -> Sequence[Subscriber]:
    """The contacts of a segment by id, behind `after`. Raises as `count_of` does."""
    found = await _source_of(db, account, await get(db, account, id))
    return await _whole(db, account, await contacts_of(db, account, found, after, take))


class Preview(NamedTuple):
    """How many contacts meet a filter, and the first of them."""

    contacts: int
    first: Sequence[Subscriber]


async def preview(db: Database, account: AccountId, group: UUID | None, raw: Any) -> Preview:
    """What a segment of this filter would have. Raises InvalidError."""
    found = await source(db, account, group, raw, Values(account))
    first = await contacts_of(db, account, found, None, FILTER_SHOWN)
    return Preview(await count(db, account, found), await _whole(db, account, first))


async def _whole(db: Database, account: AccountId, found: Sequence[UUID]) -> Sequence[Subscriber]:
    return (await subscribers.read(db, account, {"id": list(map(str, found))}, Page(0, len(found)), count=False)).rows if found else []


async def fetch_in_time(db: Database, account: AccountId, query: str, bound: Sequence[object]) -> Sequence[Record]:
    """Look for contacts, within the time that a filter has."""
    try:
        async with db.transaction() as tx:
            await tx.execute(f"SET LOCAL statement_timeout = {int(FILTER_SECONDS * 1000)}")
            return await tx.fetch(query, *bound)
    except TimedOutError:
        reason = f"takes longer than {FILTER_SECONDS:g} seconds: add a condition on e-mail, phone or a group"
        raise invalid("filter", reason) from None


def _read(row: Record) -> Segment:
    given = dict(row)
    given["filter"] = msgspec.json.decode(given["filter"])
    return Segment(**given)


def _checked(name: str | None) -> str:
    faults: list[Fault] = []
    written = clean(name, ("name",), NAME_LENGTH, faults)
    if faults:
        raise InvalidError(faults)
    if written is None:
        raise invalid("name", f"must be 1 to {NAME_LENGTH} characters")
    return written


def not_found(id: UUID) -> NotFoundError:
    """The same words wherever a segment is missing."""
    return NotFoundError(f"There is no segment {id}.", "segment")
