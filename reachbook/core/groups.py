"""Groups of contacts, with their flags and counters."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, NamedTuple
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from reachbook.core import changes, counts, mass, statistics_days, statistics_folder
from reachbook.core.counts import Counts
from reachbook.core.errors import ConflictError, Fault, InvalidError, NotFoundError, ReachbookError, invalid
from reachbook.core.ids import NIL, AccountId, new_id
from reachbook.core.limits import NAME_LENGTH, VALUE_LENGTH
from reachbook.core.paging import Listed, Page
from reachbook.core.text import clean, fold
from reachbook.database.queries import Database, Queries, Transaction
from reachbook.database.values import Values


class Kind(StrEnum):
    """What a group is for (document 001, "type"): the contacts of a STOPLIST are never messaged, those of a PUSH list have push tokens."""

    STANDARD = "standard"
    STOPLIST = "stoplist"
    PUSH = "push"
    OMNI_API = "omni_api"


class Group(msgspec.Struct, frozen=True):
    """A group as it stands. The flags, as document 000 names them: locked for editing: its contacts can't be changed;
    locked for sending: it is in no dump (other dialects: deactivated); hidden: in no list and no search;
    bypass: opt-outs don't filter it (an employees' group); deletes unused: retention takes out contacts that nobody uses.
    `number` is unique in the installation and sorted by age.
    """

    id: UUID
    name: str
    is_favorite: bool
    is_hidden: bool
    is_locked_for_editing: bool
    is_locked_for_sending: bool
    is_marketing: bool
    bypass_opt_out: bool
    created_at: datetime
    contacts: int = 0
    empty_emails: int = 0
    empty_numbers: int = 0
    description: str | None = None
    updated_at: datetime | None = None
    number: int = 0
    kind: str = Kind.STANDARD
    deletes_unused: bool = False


class Draft(msgspec.Struct):
    """What a caller says of a group; UNSET leaves it as it is (for a new group: no). A null flag is UNSET, a null name is blank."""

    name: str | UnsetType | None = UNSET
    is_favorite: bool | UnsetType | None = UNSET
    is_hidden: bool | UnsetType | None = UNSET
    is_locked_for_editing: bool | UnsetType | None = UNSET
    is_locked_for_sending: bool | UnsetType | None = UNSET
    is_marketing: bool | UnsetType | None = UNSET
    bypass_opt_out: bool | UnsetType | None = UNSET


class Purpose(NamedTuple):
    """What a group is made for; `deletes_unused`: retention takes out contacts that nobody uses (core/retention.py)."""

    kind: Kind = Kind.STANDARD
    deletes_unused: bool = False


STANDARD = Purpose()

FLAGS = ("is_favorite", "is_hidden", "is_locked_for_editing", "is_locked_for_sending", "is_marketing", "bypass_opt_out")
SHOWN_COUNTS = ("contacts", "empty_emails", "empty_numbers")
OWN_COLUMNS = (
    "g.id, g.name, "
    + ", ".join(f"g.{flag}" for flag in FLAGS)
    + ", g.created_at, g.updated_at, g.description, g.number, g.kind, g.deletes_unused"
)
COUNTED = ", ".join(f"coalesce(n.{counter}, 0) AS {counter}" for counter in SHOWN_COUNTS)
COLUMNS = f"{OWN_COLUMNS}, {COUNTED}"
WITH_COUNTS = """
contact_group g LEFT JOIN LATERAL (
    SELECT sum(d.contacts)::bigint AS contacts, sum(d.empty_emails)::bigint AS empty_emails, sum(d.empty_numbers)::bigint AS empty_numbers
    FROM contact_count d WHERE d.account_id = g.account_id AND d.group_id = g.id
) n ON true
"""

NUMBER_BITS = 21
"""Of a number: what the sequence adds behind the milliseconds since 1970."""

INSERT = f"""
INSERT INTO contact_group
    (account_id, id, name, name_key, {", ".join(FLAGS)}, created_at, updated_at, description, kind, deletes_unused, number)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11, $12, $13, $14, $15 | (nextval('group_number') & {2**NUMBER_BITS - 1}))
RETURNING number
"""


async def create(
    db: Queries, account: AccountId, id: UUID, draft: Draft, now: datetime, description: str | None = None, purpose: Purpose = STANDARD
) -> Group:
    """A new, empty group. Raises InvalidError; names need not be unique."""
    name = _checked_name(None if draft.name is UNSET else draft.name)
    description = _checked_description(description)
    flags = {flag: getattr(draft, flag) is True for flag in FLAGS}
    since = int(now.timestamp() * 1000) << NUMBER_BITS
    number = await db.fetchval(INSERT, account, id, name, fold(name), *flags.values(), now, description, *purpose, since)
    return Group(id=id, name=name, **flags, created_at=now, updated_at=now, description=description, number=number, **purpose._asdict())


GET = f"SELECT {COLUMNS} FROM {WITH_COUNTS} WHERE g.account_id = $1 AND g.id = $2"


async def get(db: Queries, account: AccountId, id: UUID) -> Group:
    """Hidden or not. Raises NotFoundError."""
    row = await db.fetchrow(GET, account, id)
    if row is None:
        raise not_found(id)
    return Group(**row)


GET_NUMBERED = f"SELECT {COLUMNS} FROM {WITH_COUNTS} WHERE g.account_id = $1 AND g.number = $2"


async def numbered(db: Queries, account: AccountId, number: int) -> Group:
    """The group of this number, hidden or not. Raises NotFoundError."""
    row = await db.fetchrow(GET_NUMBERED, account, number) if 0 <= number < 2**63 else None
    if row is None:
        raise not_found(number)
    return Group(**row)


async def create_all(
    db: Database, account: AccountId, drafts: Sequence[tuple[Draft, str | None] | list[Fault]], now: datetime
) -> Sequence[Group]:
    """New groups with their descriptions, all or none. Rows that the wire could not read are given as their faults. Raises InvalidError."""
    made: list[Group] = []
    faults: list[Fault] = []
    async with db.transaction() as tx:
        for index, given in enumerate(drafts):
            if isinstance(given, list):
                faults += given
                continue
            try:
                made.append(await create(tx, account, new_id(), given[0], now, given[1]))
            except InvalidError as error:
                faults += [Fault((index, *fault.path), fault.message) for fault in error.faults]
        if faults:
            raise InvalidError(faults)
    return made


NAMED = "SELECT id FROM contact_group WHERE account_id = $1 AND name = $2 ORDER BY created_at, id LIMIT 2"


async def named(db: Queries, account: AccountId, name: str) -> Sequence[UUID]:
    """The groups of exactly this name, two at most: enough to know whether it is one."""
    return [row["id"] for row in await db.fetch(NAMED, account, name)]


Order = Literal["name", "date", "contacts"]
ORDERS: dict[Order, str] = {"name": "g.name_key", "date": "g.created_at", "contacts": "coalesce(n.contacts, 0)"}
LISTED = "g.account_id = $1 AND ($2 OR NOT g.is_hidden) AND (NOT $3 OR g.is_favorite)"


async def list_groups(
    db: Database,
    account: AccountId,
    page: Page,
    *,
    order: Order = "date",
    descending: bool = False,
    include_hidden: bool = False,
    only_favorites: bool = False,
) -> Listed[Group]:
    """A page of groups; ties are broken by id."""
    direction = "DESC" if descending else "ASC"
    query = f"SELECT {COLUMNS} FROM {WITH_COUNTS} WHERE {LISTED} ORDER BY {ORDERS[order]} {direction}, g.id {direction} OFFSET $4 LIMIT $5"
    rows = await db.fetch(query, account, include_hidden, only_favorites, page.skip, page.take)
    total = await db.fetchval(f"SELECT count(*) FROM contact_group g WHERE {LISTED}", account, include_hidden, only_favorites)
    return Listed([Group(**row) for row in rows], total)


ATTRIBUTES = {"name": "g.name_key", "created_at": "g.created_at", "updated_at": "g.updated_at", "id": "g.id"}
"""What groups can be sorted by."""


async def find(
    db: Queries,
    account: AccountId,
    page: Page,
    *,
    ids: Sequence[UUID] | None = None,
    name: str | None = None,
    is_active: bool | None = None,
    kinds: Sequence[Kind] | None = None,
    deletes_unused: bool | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    sort: Sequence[tuple[str, Literal["ASC", "DESC"]]] = (),
) -> Listed[Group]:
    """The groups of these ids, of this name, active or not (locked for sending), of these kinds, made since and until (both to the
    second); hidden ones only by id. By age unless sorted. Raises InvalidError for a name that can't be one.
    """
    values = Values(account)
    where = ["g.account_id = $1"]
    where.append("NOT g.is_hidden" if ids is None else f"g.id = ANY({values.add(list(ids), 'uuid[]')})")
    if name is not None:
        where.append(f"g.name = {values.add(_checked_name(name))}")
    if is_active is not None:
        where.append(f"g.is_locked_for_sending <> {values.add(is_active)}")
    if kinds is not None:
        where.append(f"g.kind = ANY({values.add(list(kinds), 'text[]')})")
    if deletes_unused is not None:
        where.append(f"g.deletes_unused = {values.add(deletes_unused)}")
    for sign, instant in ((">=", since), ("<=", until)):
        if instant is not None:
            where.append(f"date_trunc('second', g.created_at) {sign} {values.add(instant, 'timestamptz')}")
    found, bound = " AND ".join(where), list(values.bound)
    order = ", ".join([*(f"{ATTRIBUTES[attribute]} {direction}" for attribute, direction in sort), "g.id"])
    query = (
        f"SELECT {COLUMNS} FROM {WITH_COUNTS} WHERE {found} ORDER BY {order} OFFSET {values.add(page.skip)} LIMIT {values.add(page.take)}"
    )
    rows = await db.fetch(query, *values.bound)
    return Listed([Group(**row) for row in rows], await db.fetchval(f"SELECT count(*) FROM contact_group g WHERE {found}", *bound))


async def update(
    db: Database, account: AccountId, id: UUID, draft: Draft, now: datetime, description: str | UnsetType | None = UNSET
) -> Group:
    """Set what the draft names. Flags can be changed whatever the locks. Raises NotFoundError, InvalidError."""
    async with db.transaction() as tx:
        if not await _update(tx, account, [id], draft, now, description):
            raise not_found(id)
        return await get(tx, account, id)


async def update_all(
    db: Database, account: AccountId, ids: Sequence[UUID], draft: Draft, now: datetime, description: str | UnsetType | None = UNSET
) -> int:
    """The same for several, of which there may be none; answers how many there are."""
    async with db.transaction() as tx:
        return len(await _update(tx, account, ids, draft, now, description))


async def _update(
    tx: Transaction, account: AccountId, ids: Sequence[UUID], draft: Draft, now: datetime, description: str | UnsetType | None
) -> Sequence[UUID]:
    chosen: dict[str, Any] = {flag: value for flag in FLAGS if isinstance(value := getattr(draft, flag), bool)}
    if draft.name is not UNSET:
        chosen["name"] = _checked_name(draft.name)
        chosen["name_key"] = fold(chosen["name"])
    if description is not UNSET:
        chosen["description"] = _checked_description(description)
    chosen["updated_at"] = now
    settings = ", ".join(f"{column} = ${number}" for number, column in enumerate(chosen, 3))
    await lock(tx, account, ids, "UPDATE")
    query = f"UPDATE contact_group SET {settings} WHERE account_id = $1 AND id = ANY($2::uuid[]) RETURNING id"
    found = [row["id"] for row in await tx.fetch(query, account, list(ids), *chosen.values())]
    if "is_locked_for_sending" in chosen:
        for id in found:
            await changes.add_group(tx, account, id)
    return found


async def delete(db: Database, account: AccountId, ids: Sequence[UUID], *, must_exist: bool = False, keep_contacts: bool = False) -> int:
    """Groups, and (unless they are kept) the contacts that are in no other group, in one transaction. Answers how many groups.

    Raises ConflictError if one is locked for editing, and with `must_exist` NotFoundError; then nothing is deleted.
    """
    async with db.transaction() as tx:
        found = await lock(tx, account, ids, "UPDATE")
        if must_exist and len(found) < len(set(ids)):
            raise not_found(next(id for id in ids if id not in found))
        for group in found.values():
            refuse_locked(group)
        await _remove_members(tx, account, list(found), keep_contacts=keep_contacts)
        await counts.remove(tx, account, list(found))
        await tx.execute("DELETE FROM contact_group WHERE account_id = $1 AND id = ANY($2::uuid[])", account, list(found))
        await statistics_days.forget_days(tx, account, list(found))
        await statistics_folder.forget_groups(tx, account, list(found))
        return len(found)


async def delete_numbered(db: Database, account: AccountId, numbers: Sequence[int]) -> Mapping[int, ReachbookError | None]:
    """Groups by their numbers, as `delete` does but each by itself; what kept one from going, None for those that went."""
    outcomes: dict[int, ReachbookError | None] = {}
    for number in numbers:
        outcomes[number] = None
        try:
            await delete(db, account, [(await numbered(db, account, number)).id], must_exist=True)
        except (NotFoundError, ConflictError) as error:
            outcomes[number] = error
    return outcomes


async def empty(db: Database, account: AccountId, id: UUID) -> None:
    """Take every contact out of the group; those that are in no other group are deleted. Raises NotFoundError, ConflictError."""
    async with db.transaction() as tx:
        found = await lock(tx, account, [id], "UPDATE")
        if id not in found:
            raise not_found(id)
        refuse_locked(found[id])
        await _remove_members(tx, account, [id])
        await statistics_folder.forget_groups(tx, account, [id])


# Locked first, judged in the next statement: a contact that another transaction is just putting into a second group
# is seen there, and stays.
LOCK_MEMBERS = """
SELECT count(*) FROM (
    SELECT 1 FROM contact c JOIN membership m ON m.account_id = c.account_id AND m.contact_id = c.id
    WHERE m.account_id = $1 AND m.group_id = ANY($2::uuid[]) ORDER BY c.id FOR UPDATE OF c
) locked
"""
DOOMED = """
SELECT DISTINCT m.contact_id FROM membership m
WHERE m.account_id = $1 AND m.group_id = ANY($2::uuid[]) AND NOT EXISTS (
    SELECT 1 FROM membership o WHERE o.account_id = m.account_id AND o.contact_id = m.contact_id AND o.group_id <> ALL($2::uuid[]))
"""
LEAVE = "DELETE FROM membership WHERE account_id = $1 AND group_id = ANY($2::uuid[])"
# The account loses the doomed, each group all of its members.
REMOVE = f"""
WITH doomed AS MATERIALIZED ({DOOMED}), unindexed AS (
    DELETE FROM contact_search s USING doomed d WHERE s.account_id = $1 AND s.contact_id = d.contact_id
), removed AS (
    DELETE FROM contact c USING doomed d WHERE c.account_id = $1 AND c.id = d.contact_id RETURNING c.*
), less AS (
    SELECT $3::uuid AS group_id, {", ".join(f"-{name} AS {name}" for name in Counts._fields)}
    FROM (SELECT {counts.counted()} FROM removed) r
    UNION ALL
    SELECT group_id, {", ".join(f"-sum({name})" for name in Counts._fields)}
    FROM contact_count WHERE account_id = $1 AND group_id = ANY($2::uuid[]) GROUP BY group_id
), shorter AS (
    SELECT v.field, length(v.value) AS length, -count(*) AS contacts
    FROM removed c CROSS JOIN LATERAL {changes.VALUES} v (field, value) WHERE v.value IS NOT NULL GROUP BY 1, 2
), told AS (
    INSERT INTO contact_change (account_id, id, size, fields, lengths, counts)
    SELECT $1, $4, 0, array_agg(field), array_agg(length), array_agg(contacts) FROM shorter HAVING count(*) > 0
)
INSERT INTO contact_count ({", ".join(counts.COLUMNS)}) SELECT $1, group_id, $4, {", ".join(Counts._fields)} FROM less
"""


async def _remove_members(tx: Transaction, account: AccountId, ids: Sequence[UUID], *, keep_contacts: bool = False) -> None:
    await tx.execute("SET LOCAL statement_timeout = 0")
    await mass.prepare(tx)
    await tx.fetchval(LOCK_MEMBERS, account, ids)
    if not keep_contacts:
        await tx.execute(REMOVE, account, ids, NIL, new_id())
    await tx.execute(LEAVE, account, ids)


class Lockable(msgspec.Struct, frozen=True):
    """What a change of contacts needs to know of a group."""

    id: UUID
    name: str
    is_locked_for_editing: bool


async def lock(tx: Transaction, account: AccountId, ids: Sequence[UUID], strength: Literal["SHARE", "UPDATE"]) -> dict[UUID, Lockable]:
    """Hold those of the groups that exist until the transaction ends, always in the order of their ids, before any contact.

    SHARE: nobody deletes them or changes their flags; UPDATE: nobody adds to them either.
    """
    query = f"""
    SELECT id, name, is_locked_for_editing FROM contact_group WHERE account_id = $1 AND id = ANY($2::uuid[]) ORDER BY id FOR {strength}
    """
    return {row["id"]: Lockable(**row) for row in await tx.fetch(query, account, ids)}


def refuse_locked(group: Lockable) -> None:
    """Raises ConflictError if the group's contacts may not be changed."""
    if group.is_locked_for_editing:
        raise locked(group.name)


def locked(name: str) -> ConflictError:
    """The same words wherever a group's contacts can't be changed."""
    return ConflictError(f"Group {name!r} is locked for editing.", "group")


def not_found(id: UUID | int) -> NotFoundError:
    """The same words wherever a group is missing."""
    return NotFoundError(f"There is no group {id}.", "group")


def _checked_description(text: str | None) -> str | None:
    faults: list[Fault] = []
    written = clean(text, ("description",), VALUE_LENGTH, faults)
    if faults:
        raise InvalidError(faults)
    return written


def _checked_name(name: str | None) -> str:
    faults: list[Fault] = []
    written = clean(name, ("name",), NAME_LENGTH, faults)
    if faults:
        raise InvalidError(faults)
    if written is None:
        raise invalid("name", f"must be 1 to {NAME_LENGTH} characters")
    return written
