"""Contacts: one by one and in bulk, in any number of groups."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

import msgspec
from msgspec import UNSET

from reachbook.core import accounts, changes, counts, fields, groups, indexing, phone, push, stoplists
from reachbook.core.changes import Range
from reachbook.core.consent import TokenType
from reachbook.core.drafts import NO_LINES, Asker, Draft, Facts, FieldValue, WholeDraft, check
from reachbook.core.errors import Fault, InvalidError, NotFoundError, TooLargeError
from reachbook.core.ids import NIL, AccountId, new_id, new_ids
from reachbook.core.kinds import Kind, Rules
from reachbook.core.limits import INT32, ROWS_PER_CALL
from reachbook.core.paging import Listed, Page
from reachbook.database.queries import Database, Queries, Transaction


class Contact(msgspec.Struct, frozen=True):
    """A contact as stored. `values` maps field ids, as text, to values; `group_id` is the group it is read through, else its first."""

    id: UUID
    first_name: str | None
    insertion: str | None
    last_name: str | None
    email: str | None
    phone: str | None
    phone_country: str | None
    values: dict[str, str]
    created_at: datetime
    group_id: UUID | None = None


OWN = [
    "first_name",
    "insertion",
    "last_name",
    "name_key",
    "email",
    "email_key",
    "phone",
    "phone_country",
    "landline",
    "fax",
    "field_values",
]
STORED = ["account_id", "id", *OWN, "created_at", "updated_at"]
MEMBERSHIP = ["account_id", "group_id", "contact_id", "added_at"]


class Uploaded(NamedTuple):
    """How many contacts an upload stored, and what was wrong with the rows that it left out."""

    created: int
    rejected: Sequence[Fault]


def _needs_region(draft: Draft) -> bool:
    numbers = (draft.phone, draft.landline, draft.fax) if isinstance(draft, WholeDraft) else (draft.phone,)
    return any(number and phone.needs_region(number) for number in numbers)


async def asker(tx: Transaction, account: AccountId, drafts: Iterable[Draft], held: Rules | None = None) -> Asker:
    """Ask the database only for what these drafts need, and not for fields that are held already."""
    needs_region = False
    ids: set[int] = set()
    for draft in drafts:
        if draft.values:
            ids.update(value.field_id for value in draft.values if 0 <= value.field_id <= INT32)
        needs_region = needs_region or _needs_region(draft)
    known: Rules = (await fields.known(tx, account, ids) if held is None else held) if ids else {}
    needs_region = needs_region or any(rule.kind is Kind.DATE for rule in known.values())
    return Asker(await accounts.region(tx, account) if needs_region else None, known)


# One contact, one statement: state, membership, search and counters stand or fall together. FOR SHARE: the group can
# neither go nor be locked for editing before this is committed.
ADD = f"""
WITH target AS (
    SELECT id FROM contact_group
    WHERE account_id = $1 AND id = $2 AND NOT is_locked_for_editing AND (kind = 'stoplist') = $22 FOR SHARE
), created AS (
    INSERT INTO contact ({", ".join(STORED)})
    SELECT $1, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14::jsonb, $15, $15 FROM target RETURNING email, phone, landline
), joined AS (
    INSERT INTO membership ({", ".join(MEMBERSHIP)}) SELECT $1, target.id, $3, $15 FROM target, created
), indexed AS (
    INSERT INTO contact_search (account_id, contact_id, text) SELECT $1, $3, $16 FROM created
), counted AS (
    INSERT INTO contact_count ({", ".join(counts.COLUMNS)})
    SELECT $1, g.id, $17, {counts.of_one()} FROM created, unnest(ARRAY[$2, $18]::uuid[]) AS g (id)
), told AS (
    INSERT INTO contact_change (account_id, id, size, contacts, fields, lengths, counts)
    SELECT $1, $17, 1, ARRAY[$3::uuid], $19, $20, $21 FROM created
)
SELECT count(*) FROM target
"""


async def add(db: Database, account: AccountId, group: UUID, draft: Draft, *, id: UUID, now: datetime, actor: UUID = NIL) -> Contact:
    """A new contact in a group. The actor is entered in the ledger if that is a stop list. Raises InvalidError, NotFoundError,
    ConflictError if the group is locked.
    """
    faults: list[Fault] = []
    if not draft.values and not _needs_region(draft):
        facts = check(draft, Asker(None, {}), (), faults)
        done = not faults and await _add(db, account, group, id, facts, now)
    else:
        async with db.transaction() as tx:
            facts = check(draft, await asker(tx, account, [draft]), (), faults)
            done = not faults and await _add(tx, account, group, id, facts, now)
    if not done:
        found = await groups.get(db, account, group)
        if faults:
            raise InvalidError(faults)
        if found.kind != groups.Kind.STOPLIST or not await _add_stopped(db, account, group, id, facts, now, actor):
            raise groups.locked(found.name)
    return _contact(id, facts, now, group)


async def _add(tx: Queries, account: AccountId, group: UUID, id: UUID, facts: Facts, now: datetime, *, to_stoplist: bool = False) -> bool:
    lengths = changes.columns(changes.lengths_of([facts]))
    given = (account, group, id, *facts, now, search_text(facts), new_id(), NIL, *lengths, to_stoplist)
    return bool(await tx.fetchval(ADD, *given))


async def _add_stopped(db: Database, account: AccountId, group: UUID, id: UUID, facts: Facts, now: datetime, actor: UUID) -> bool:
    """Into a stop list: more than one statement can do."""
    async with db.transaction() as tx:
        if not await _add(tx, account, group, id, facts, now, to_stoplist=True):
            return False
        await stoplists.stop(tx, account, [facts], (), actor=actor, now=now)
        return True


def _contact(id: UUID, facts: Facts, created_at: datetime, group: UUID | None) -> Contact:
    first, insertion, last, _, mailbox, _, number, country, _, _, values = facts
    return Contact(id, first, insertion, last, mailbox, number, country, msgspec.json.decode(values), created_at, group)


def search_text(facts: Facts) -> str:
    """What this contact is found by."""
    company = msgspec.json.decode(facts.field_values).get(str(fields.COMPANY)) if facts.field_values != "{}" else None
    return indexing.search_text(facts.first_name, facts.insertion, facts.last_name, facts.email, facts.phone, facts.landline, company)


async def upload(
    db: Database,
    account: AccountId,
    group: UUID,
    drafts: Sequence[Draft | list[Fault]],
    *,
    now: datetime,
    skip_invalid: bool = False,
    delay_indexing: bool = False,
    actor: UUID = NIL,
) -> Uploaded:
    """Contacts into a group: all, or with one bad row none; with `skip_invalid` the good ones.

    Rows that the wire could not read are given as their faults. The actor is entered in the ledger if that is a stop list. A delayed
    upload is in the search when a later one into this group is not delayed, or when the indexer comes by. Raises InvalidError with
    every fault, NotFoundError, ConflictError, TooLargeError.
    """
    if len(drafts) > ROWS_PER_CALL:
        raise TooLargeError(f"At most {ROWS_PER_CALL:,} contacts in one call.")
    async with db.transaction() as tx:
        target = (await groups.lock(tx, account, [group], "SHARE")).get(group)
        if target is None:
            raise groups.not_found(group)
        rows, faults = await _checked(tx, account, drafts)
        if faults and not skip_invalid:
            raise InvalidError(faults)
        groups.refuse_locked(target)
        if rows:
            ids = await create_many(tx, account, rows, [[group]] * len(rows), now, actor)
            if delay_indexing:
                await indexing.put_off(tx, account, group, ids[0], ids[-1], now)
            else:
                await indexing.index(tx, account, zip(ids, map(search_text, rows), strict=True))
    if not delay_indexing:
        await indexing.catch_up(db, account, group)
    return Uploaded(len(rows), faults)


async def _checked(tx: Transaction, account: AccountId, drafts: Sequence[Draft | list[Fault]]) -> tuple[list[Facts], list[Fault]]:
    asking = await asker(tx, account, (draft for draft in drafts if not isinstance(draft, list)))
    rows: list[Facts] = []
    faults: list[Fault] = []
    for index, draft in enumerate(drafts):
        before = len(faults)
        if isinstance(draft, list):
            faults.extend(draft)
            continue
        facts = check(draft, asking, (index,), faults)
        if len(faults) == before:
            rows.append(facts)
    return rows, faults


async def create_many(
    tx: Transaction, account: AccountId, rows: Sequence[Facts], into: Sequence[Collection[UUID]], now: datetime, actor: UUID
) -> list[UUID]:
    """New contacts, each into its groups, which are held; counted, opted out by stop lists and not indexed yet. Their ids, ascending,
    in the order of the rows.
    """
    ids = new_ids(len(rows))
    await tx.copy("contact", STORED, [(account, id, *facts, now, now) for id, facts in zip(ids, rows, strict=True)])
    joined = [(account, group, id, now) for id, groups in zip(ids, into, strict=True) for group in groups]
    await tx.copy("membership", MEMBERSHIP, joined)
    members: dict[UUID, list[Facts]] = {NIL: list(rows)}
    for facts, of_groups in zip(rows, into, strict=True):
        for group in of_groups:
            members.setdefault(group, []).append(facts)
    await counts.add(tx, account, [(group, counts.of_facts(of_group)) for group, of_group in members.items()])
    await changes.add(tx, account, Range(ids[0], ids[-1], len(ids)), changes.lengths_of(rows))
    stops = await stoplists.among(tx, account, members.keys() - {NIL})
    await stoplists.stop(tx, account, [facts for group in stops for facts in members[group]], (), actor=actor, now=now)
    return ids


COLUMNS = "c.id, c.first_name, c.insertion, c.last_name, c.email, c.phone, c.phone_country, c.field_values AS values, c.created_at"
FIRST_GROUP = """
(SELECT f.group_id FROM membership f WHERE f.account_id = c.account_id AND f.contact_id = c.id ORDER BY f.added_at, f.group_id LIMIT 1)
"""


def reachable(type: TokenType, bypass: str) -> str:
    """The anti-join with the ledger's state now (invariant 1): keeps contacts `c` whose address for the type is not opted out.

    `bypass` is an SQL condition under which opt-outs don't count. The type is one of ours, so it may stand in the text.
    """
    if type is TokenType.PUSH:
        return f"(({bypass}) OR NOT EXISTS {push.OPT_OUTS})"
    address = ADDRESSES[type]
    return f"""NOT EXISTS (
        SELECT 1 FROM consent_token t WHERE t.account_id = c.account_id AND t.type = '{type.value}' AND t.key = c.{address}
            AND t.is_active AND NOT ({bypass}))"""


ADDRESSES = {type: "phone" for type in TokenType if type is not TokenType.PUSH} | {TokenType.EMAIL: "email_key"}
"""The column of a contact that a type reaches it by; push tokens stand in a table of their own (core/push.py)."""

GET = f"SELECT {COLUMNS}, {FIRST_GROUP} AS group_id FROM contact c WHERE c.account_id = $1 AND c.id = $2"
IS_BYPASSED = f"""
EXISTS (SELECT 1 FROM contact_group g WHERE g.account_id = c.account_id AND g.id = {FIRST_GROUP} AND g.bypass_opt_out)
"""


async def get(db: Queries, account: AccountId, id: UUID, reachable_by: TokenType | None = None) -> Contact:
    """Raises NotFoundError, also if the contact's address for `reachable_by` is opted out."""
    query = GET if reachable_by is None else f"{GET} AND {reachable(reachable_by, IS_BYPASSED)}"
    row = await db.fetchrow(query, account, id)
    if row is None:
        raise not_found(id)
    return read(row)


def read(row: Any) -> Contact:
    """A row of COLUMNS."""
    given = dict(row)
    given["values"] = msgspec.json.decode(given["values"])
    return Contact(**given)


Order = Literal["name", "date"]
# Ascending by name walks the index contact_by_name. Descending keeps blanks last at each level, which no index gives.
PART = "split_part(c.name_key, E'\\x01', {})"
NAME_DESC = ", ".join(f"{PART.format(n)} = U&'\\+10FFFF', {PART.format(n)} DESC" for n in (1, 2, 3))
ORDERS: dict[tuple[Order, bool], str] = {
    ("name", False): "c.name_key, c.id",
    ("name", True): f"{NAME_DESC}, c.id DESC",
    ("date", False): "m.contact_id",
    ("date", True): "m.contact_id DESC",
}
MEMBERS = "membership m JOIN contact c ON c.account_id = m.account_id AND c.id = m.contact_id WHERE m.account_id = $1 AND m.group_id = $2"


async def list_members(
    db: Database,
    account: AccountId,
    group: UUID,
    page: Page,
    *,
    order: Order = "date",
    descending: bool = False,
    reachable_by: TokenType | None = None,
) -> Listed[Contact]:
    """A page of a group's contacts; with `reachable_by` without those opted out of it. Raises NotFoundError."""
    found = await groups.get(db, account, group)
    condition = "true" if reachable_by is None or found.bypass_opt_out else reachable(reachable_by, "false")
    query = f"""
    SELECT {COLUMNS}, m.group_id FROM {MEMBERS} AND {condition}
    ORDER BY {ORDERS[order, descending]} OFFSET $3 LIMIT $4
    """
    rows = await db.fetch(query, account, group, page.skip, page.take)
    total = found.contacts if condition == "true" else await db.fetchval(f"SELECT count(*) FROM {MEMBERS} AND {condition}", account, group)
    return Listed([read(row) for row in rows], total)


GROUPS = "SELECT group_id FROM membership WHERE account_id = $1 AND contact_id = $2 ORDER BY added_at, group_id"


async def update(
    db: Database, account: AccountId, id: UUID, draft: Draft, *, now: datetime, move_to: UUID | None = None, actor: UUID = NIL
) -> Contact:
    """Set what the draft names; `values`, when named, replace the set. `move_to` moves the contact out of its first group,
    unless it is in that group already. The actor is entered in the ledger if a stop list is concerned.

    Raises NotFoundError (also for that group), InvalidError, ConflictError if a group is locked.
    """
    while True:
        try:
            async with db.transaction() as tx:
                return await _update(tx, account, id, draft, now, move_to, actor)
        except MovedError:
            continue


async def _update(tx: Transaction, account: AccountId, id: UUID, draft: Draft, now: datetime, move_to: UUID | None, actor: UUID) -> Contact:
    of_groups = [row["group_id"] for row in await tx.fetch(GROUPS, account, id)]
    held = await hold_many(tx, account, [id], [] if move_to is None else [move_to])
    stored = held.contacts.get(id)
    if stored is None:
        raise not_found(id)
    if move_to is not None and move_to not in held.groups:
        raise groups.not_found(move_to)
    if stored.groups != frozenset(of_groups):
        raise MovedError
    faults: list[Fault] = []
    merged = merge(stored.facts, draft)
    facts = check(merged, await asker(tx, account, [merged], held.fields), (), faults)
    if faults:
        raise InvalidError(faults)
    for group in held.groups.values():
        groups.refuse_locked(group)
    moves: list[Moves] = []
    if move_to is not None and move_to not in of_groups:
        moves = [Moves(group, leaving=[id]) for group in of_groups[:1]] + [Moves(move_to, joining=[id])]
        of_groups = [*of_groups[1:], move_to]
    await update_many(tx, account, [(stored, facts, now)], moves, now, actor)
    shown = move_to if move_to in of_groups else next(iter(of_groups), None)
    return _contact(id, facts, stored.created_at, shown)


def merge(stored: Facts, draft: Draft) -> WholeDraft:
    """The draft with what it leaves as it is."""
    kept: dict[str, str] = msgspec.json.decode(stored.field_values)
    values: Any = [FieldValue(int(field), value) for field, value in kept.items()] if draft.values is UNSET else draft.values
    lines = draft if isinstance(draft, WholeDraft) else NO_LINES
    return WholeDraft(
        stored.first_name if draft.first_name is UNSET else draft.first_name,
        stored.insertion if draft.insertion is UNSET else draft.insertion,
        stored.last_name if draft.last_name is UNSET else draft.last_name,
        stored.email if draft.email is UNSET else draft.email,
        stored.phone if draft.phone is UNSET else draft.phone,
        draft.phone_country,
        values,
        stored.landline if lines.landline is UNSET else lines.landline,
        stored.fax if lines.fax is UNSET else lines.fax,
    )


OF_GROUPS = "SELECT DISTINCT group_id FROM membership WHERE account_id = $1 AND contact_id = ANY($2::uuid[])"
LOCK_ALL = "SELECT id FROM contact WHERE account_id = $1 AND id = ANY($2::uuid[]) ORDER BY id FOR UPDATE"
DELETE = "DELETE FROM contact WHERE account_id = $1 AND id = ANY($2::uuid[])"


async def delete(db: Database, account: AccountId, ids: Sequence[UUID], *, must_exist: bool = False) -> int:
    """Contacts, out of all their groups; the ledger keeps what it knows of their addresses. Answers how many there were.

    Unknown ids are ignored, or with `must_exist` a NotFoundError. Raises ConflictError if one is in a locked group.
    """
    while True:
        async with db.transaction() as tx:
            of_groups = {row["group_id"] for row in await tx.fetch(OF_GROUPS, account, ids)}
            held = await groups.lock(tx, account, list(of_groups), "SHARE")
            found = [row["id"] for row in await tx.fetch(LOCK_ALL, account, ids)]
            if must_exist and not found:
                raise not_found(ids[0])
            if not of_groups.issuperset(row["group_id"] for row in await tx.fetch(OF_GROUPS, account, found)):
                continue  # one was moved before we held it: let go, look again
            for group in held.values():
                groups.refuse_locked(group)
            await remove_many(tx, account, found)
            return len(found)


class Stored(NamedTuple):
    """A contact as it stands, held; `groups` are all that it is in."""

    id: UUID
    facts: Facts
    updated_at: datetime
    created_at: datetime
    groups: frozenset[UUID]


READ_MANY = f"""
SELECT c.id, {", ".join(f"c.{column}" for column in OWN)}, c.updated_at, c.created_at,
    ARRAY(SELECT m.group_id FROM membership m WHERE m.account_id = c.account_id AND m.contact_id = c.id) AS groups
FROM contact c WHERE c.account_id = $1 AND c.id = ANY($2::uuid[]) ORDER BY c.id
"""
HOLD_MANY = f"{READ_MANY} FOR UPDATE OF c"


async def read_many(tx: Queries, account: AccountId, ids: Sequence[UUID], *, hold: bool) -> dict[UUID, Stored]:
    """Those of the contacts that exist; with `hold` nobody else changes them until the transaction ends (groups and fields first)."""
    if not ids:
        return {}
    rows = await tx.fetch(HOLD_MANY if hold else READ_MANY, account, ids)
    read = (list(row.values()) for row in rows)
    return {id: Stored(id, Facts(*own), updated, created, frozenset(of_groups)) for id, *own, updated, created, of_groups in read}


class MovedError(Exception):
    """A contact was put into another group between the look and the lock. Normal: let go, look again."""


class Many(NamedTuple):
    """Contacts that nobody else changes until the transaction ends, all groups that they are in, and the account's fields."""

    contacts: dict[UUID, Stored]
    groups: dict[UUID, groups.Lockable]
    fields: Rules


async def hold_many(tx: Transaction, account: AccountId, ids: Sequence[UUID], also: Iterable[UUID]) -> Many:
    """Those of the contacts that exist, with their groups and the other groups (that exist), in the order of locks. Raises MovedError.

    Everywhere groups are locked first, then fields, then contacts, each by id, so that nobody waits in a circle.
    """
    of_groups = set(also)
    if ids:
        of_groups |= {row["group_id"] for row in await tx.fetch(OF_GROUPS, account, ids)}
    held = await groups.lock(tx, account, list(of_groups), "SHARE")
    known = await fields.hold_all(tx, account)
    stored = await read_many(tx, account, ids, hold=True)
    if any(not contact.groups <= held.keys() for contact in stored.values()):
        raise MovedError
    return Many(stored, held, known)


SET = ", ".join(f"{column} = u.{column}{'::jsonb' if column == 'field_values' else ''}" for column in (*OWN, "updated_at"))
UPDATE_MANY = f"""
UPDATE contact c SET {SET}
FROM unnest($2::uuid[], {", ".join(f"${number}::text[]" for number, _ in enumerate(OWN, 3))}, ${3 + len(OWN)}::timestamptz[])
    AS u (id, {", ".join(OWN)}, updated_at)
WHERE c.account_id = $1 AND c.id = u.id
"""
JOIN_MANY = """
INSERT INTO membership (account_id, group_id, contact_id, added_at) SELECT $1, $2, id, $4 FROM unnest($3::uuid[]) AS j (id)
ON CONFLICT DO NOTHING
"""
LEAVE_MANY = "DELETE FROM membership WHERE account_id = $1 AND group_id = $2 AND contact_id = ANY($3::uuid[])"


class Moves(NamedTuple):
    """Contacts that join a group or leave it."""

    group: UUID
    joining: Sequence[UUID] = ()
    leaving: Sequence[UUID] = ()


Row = tuple[Stored, Facts, datetime]
"""A contact that is held, what it is to be, and the instant of its change."""


async def update_many(tx: Transaction, account: AccountId, rows: Sequence[Row], moves: Sequence[Moves], now: datetime, actor: UUID) -> None:
    """Set all facts of contacts that are held, and move some; counted, indexed, opted out by stop lists."""
    touched = list({*(stored.id for stored, _, _ in rows), *(id for move in moves for id in (*move.joining, *move.leaving))})
    if not touched:
        return
    before = await counts.of_contacts(tx, account, touched)
    if rows:
        columns = [list(column) for column in zip(*((stored.id, *facts, at) for stored, facts, at in rows), strict=True)]
        await tx.execute(UPDATE_MANY, account, *columns)
        await indexing.replace_many(tx, account, [(stored.id, search_text(facts)) for stored, facts, _ in rows])
    for move in moves:
        if move.joining:
            await tx.execute(JOIN_MANY, account, move.group, list(move.joining), now)
        if move.leaving:
            await tx.execute(LEAVE_MANY, account, move.group, list(move.leaving))
    await counts.add(tx, account, counts.negated(before) + await counts.of_contacts(tx, account, touched))
    lengths = changes.difference(
        changes.lengths_of(facts for _, facts, _ in rows), changes.lengths_of(stored.facts for stored, _, _ in rows)
    )
    await changes.add(tx, account, touched, lengths)
    await _stop(tx, account, rows, moves, now, actor)


async def _stop(tx: Transaction, account: AccountId, rows: Sequence[Row], moves: Sequence[Moves], now: datetime, actor: UUID) -> None:
    """Opt out those who have joined a stop list, and the new addresses of those who are in one."""
    joining = {move.group: move.joining for move in moves if move.joining}
    readdressed = [(stored, new) for stored, facts, _ in rows if (new := stoplists.new_addresses(stored.facts, facts)) is not None]
    stops = await stoplists.among(tx, account, joining.keys() | {group for stored, _ in readdressed for group in stored.groups})
    if stops:
        joined = list({id for group in stops for id in joining.get(group, ())})
        stopped = [one.facts for one in (await read_many(tx, account, joined, hold=False)).values()]
        stopped += [new for stored, new in readdressed if stored.groups & stops]
        devices = [device for of_one in (await push.of_contacts(tx, account, joined)).values() for device in of_one]
        await stoplists.stop(tx, account, stopped, devices, actor=actor, now=now)


async def remove_many(tx: Transaction, account: AccountId, ids: Sequence[UUID]) -> None:
    """Delete contacts that are held, out of all their groups."""
    if ids:
        await counts.add(tx, account, counts.negated(await counts.of_contacts(tx, account, ids)))
        lengths = changes.difference(Counter(), await changes.lengths_of_stored(tx, account, ids))
        await changes.add(tx, account, ids, lengths)
        await tx.execute(DELETE, account, list(ids))


def not_found(id: UUID) -> NotFoundError:
    """The same words wherever a contact is missing."""
    return NotFoundError(f"There is no contact {id}.", "contact")
