"""Members: the contacts of one group, brought in batches with a verdict for each, and read by filter with what they are opted out of
(document 001).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

import msgspec

from reachbook.core import accounts, consent, contacts, fields, filters, group_fields, groups, indexing, mass, properties, push, segments
from reachbook.core.consent import Token, TokenType
from reachbook.core.drafts import Asker, Draft, Facts, FieldValue, check
from reachbook.core.errors import Fault, Path, TooLargeError, invalid
from reachbook.core.filters import Filter, Schema
from reachbook.core.group_fields import PROPERTIES
from reachbook.core.groups import Kind
from reachbook.core.ids import AccountId
from reachbook.core.limits import DEVICES_PER_CONTACT, ROWS_PER_CALL
from reachbook.core.paging import Page
from reachbook.core.push import Device, RacedError
from reachbook.database.queries import Database, Queries, Record, Transaction
from reachbook.database.values import Values

# --- batches

COLUMNS = ("first_name", "last_name", "email", "phone")
"""With PROPERTIES the attributes that members of every group have, beside the fields that it declares."""


class MemberDraft(msgspec.Struct):
    """What a caller says of a new member: COLUMNS and PROPERTIES by their names, the group's own fields by theirs.

    `faults` are what the wire could not read, at the path of an attribute.
    """

    attributes: dict[str, str] = {}
    fields: dict[str, str] = {}
    devices: Sequence[Device] = ()
    faults: Sequence[Fault] = ()


class Problem(StrEnum):
    """Why a row is refused."""

    DUPLICATE = "duplicate"
    INVALID = "invalid"
    REQUIRED = "required"
    UNKNOWN_FIELD = "unknown_field"


class Refused(NamedTuple):
    """A row that is not stored. `attribute` as in MemberDraft: a name of COLUMNS or PROPERTIES, `devices`, or the name of a field."""

    problem: Problem
    attribute: str
    reason: str


Verdict = UUID | Refused
"""Of a row: the new contact, or why there is none."""

DEVICES = "devices"


class Unique(NamedTuple):
    """What no two members may share: an attribute of COLUMNS or PROPERTIES, or with `is_field` a field of the group by its name."""

    attribute: str
    is_field: bool = False


async def upload(
    db: Database, account: AccountId, group: UUID, drafts: Sequence[MemberDraft], *, unique: Unique | None, actor: UUID, now: datetime
) -> Sequence[Verdict]:
    """New members: the good rows are stored, the others refused, each with the first thing that is wrong with it. In the order of the rows.

    A row that equals a member in what is `unique`, or an earlier good row, is a duplicate; so is one with a device that some contact of the
    account has. Raises NotFoundError, ConflictError if the group is locked, InvalidError at `unique`, TooLargeError.
    """
    if len(drafts) > ROWS_PER_CALL:
        raise TooLargeError(f"At most {ROWS_PER_CALL:,} contacts in one call.")
    while True:
        try:
            async with db.transaction() as tx:
                return await _upload(tx, account, group, drafts, unique, actor, now)
        except RacedError:
            continue


async def _upload(
    tx: Transaction, account: AccountId, group: UUID, drafts: Sequence[MemberDraft], unique: Unique | None, actor: UUID, now: datetime
) -> Sequence[Verdict]:
    named = {name for draft in drafts for name in draft.attributes if name in PROPERTIES}
    of_properties = await properties.make(tx, account, sorted(named), now)
    reader = await _reader(tx, account, group, of_properties)
    known_by = None if unique is None else reader.key(unique)
    rows = [reader.read(draft) for draft in drafts]
    # With a check for duplicates one batch at a time, so that the second sees what the first has stored. Rows are read before: a batch
    # that waits for another has that done.
    held = (await groups.lock(tx, account, [group], "SHARE" if unique is None else "UPDATE")).get(group)
    if held is None:
        raise groups.not_found(group)
    groups.refuse_locked(held)
    good = [row for row in rows if isinstance(row, Read)]
    keys = {key for row in good if known_by and (key := known_by.of(row.facts)) is not None}
    known = await _known(tx, account, group, known_by, keys) if known_by and keys else set[str]()
    devices = await push.taken(tx, account, [device for row in good for device in row.devices])
    judged = list(_without_duplicates(rows, known_by, known, devices))
    stored = [row for row in judged if isinstance(row, Read)]
    made = iter(await _store(tx, account, group, stored, actor, now) if stored else ())
    return [row if isinstance(row, Refused) else next(made) for row in judged]


async def _store(tx: Transaction, account: AccountId, group: UUID, rows: Sequence["Read"], actor: UUID, now: datetime) -> Sequence[UUID]:
    ids = await contacts.create_many(tx, account, [row.facts for row in rows], [[group]] * len(rows), now, actor)
    await push.add(tx, account, [(id, row.devices) for id, row in zip(ids, rows, strict=True) if row.devices])
    await indexing.put_off(tx, account, group, ids[0], ids[-1], now, seconds=0)
    return ids


class Read(NamedTuple):
    """A row that can be stored unless it is a duplicate."""

    facts: Facts
    devices: Sequence[Device]


class _Key(NamedTuple):
    """Where a contact has what is unique: in a column, or in a field."""

    unique: Unique
    column: str | None
    field: str = ""

    def of(self, facts: Facts) -> str | None:
        """A contact's value."""
        return DECODE(facts.field_values).get(self.field) if self.column is None else getattr(facts, self.column)


DECODE = msgspec.json.Decoder(dict[str, str]).decode
KEYS = {"email": "email_key"}
"""Columns that are compared by another one."""


class _Reader(NamedTuple):
    """Rows → facts, with what they are checked against. Pure."""

    is_push: bool
    fields: Mapping[str, int]
    """The group's own, by the key of their names."""
    properties: Mapping[str, int]
    asker: Asker

    def read(self, draft: MemberDraft) -> Read | Refused:
        """The first thing that is wrong, in the order that devino.md has."""
        if draft.devices and not self.is_push:
            return Refused(Problem.INVALID, DEVICES, "only contacts of a PUSH list have push tokens")
        for name in draft.fields:
            if fields.key(name) not in self.fields:
                return Refused(Problem.UNKNOWN_FIELD, name, "the list has no such field")
        names = [name for name in draft.attributes if name in self.properties]
        values = [FieldValue(self.properties[name], draft.attributes[name]) for name in names]
        values += [FieldValue(self.fields[fields.key(name)], value) for name, value in draft.fields.items()]
        faults = list(draft.faults)
        if len(draft.devices) > DEVICES_PER_CONTACT:
            faults.append(Fault((DEVICES,), f"are more than {DEVICES_PER_CONTACT}"))
        own = {name: value for name, value in draft.attributes.items() if name in COLUMNS}
        facts = check(Draft(**own, values=values), self.asker, (), faults)
        if faults:
            return Refused(Problem.INVALID, _attribute(faults[0].path, [*names, *draft.fields]), faults[0].message)
        if facts.phone is None and facts.email is None and not draft.devices:
            return Refused(Problem.REQUIRED, "phone", "a contact needs an address")
        return Read(facts, draft.devices)

    def key(self, unique: Unique) -> _Key:
        """Raises InvalidError. A property that no contact has yet is nobody's."""
        if unique.attribute in COLUMNS and not unique.is_field:
            return _Key(unique, KEYS.get(unique.attribute, unique.attribute))
        if not unique.is_field:
            return _Key(unique, None, str(self.properties.get(unique.attribute, "")))
        if fields.key(unique.attribute) not in self.fields:
            raise invalid("unique", f"there is no field {unique.attribute!r} in this list")
        return _Key(unique, None, str(self.fields[fields.key(unique.attribute)]))


def _attribute(path: Path, names: Sequence[str]) -> str:
    """The attribute that a fault is about; values stand by the place of their names."""
    match path:
        case ("values", int(place), *_):
            return names[place]
        case (str(name), *_):
            return name
        case _:
            return ""


KIND = "SELECT kind FROM contact_group WHERE account_id = $1 AND id = $2"


async def _reader(tx: Transaction, account: AccountId, group: UUID, of_properties: Mapping[str, int]) -> _Reader:
    kind = await tx.fetchval(KIND, account, group)
    if kind is None:
        raise groups.not_found(group)
    own = (await group_fields.of_groups(tx, account, [group]))[group]
    ids = {fields.key(one.field.name): one.field.id for one in own}
    known = await fields.known(tx, account, [*ids.values(), *of_properties.values()])
    ids = {name: id for name, id in ids.items() if id in known}
    return _Reader(kind == Kind.PUSH, ids, of_properties, Asker(await accounts.region(tx, account), known))


def _without_duplicates(
    rows: Iterable[Read | Refused], key: _Key | None, known: set[str], devices: set[tuple[str, str]]
) -> Iterable[Read | Refused]:
    """The same rows; those that equal a member, or an earlier row that is stored, are refused."""
    for row in rows:
        if isinstance(row, Refused):
            yield row
            continue
        value = None if key is None else key.of(row.facts)
        own = {device.key for device in row.devices}
        if key is not None and value in known:
            yield Refused(Problem.DUPLICATE, key.unique.attribute, "Duplicate")
        elif own & devices or len(own) < len(row.devices):
            yield Refused(Problem.DUPLICATE, DEVICES, "Duplicate")
        else:
            if value is not None:
                known.add(value)
            devices |= own
            yield row


INDEXED = ("phone", "email_key")


async def _known(tx: Transaction, account: AccountId, group: UUID, key: _Key, sought: set[str]) -> set[str]:
    """Those of the values that a member has."""
    if key.column in INDEXED:
        # A look at the index for each: LIMIT keeps the planner from joining them with all members.
        query = f"""
        SELECT k.key FROM unnest($3::text[]) AS k (key) CROSS JOIN LATERAL (
            SELECT 1 FROM contact c JOIN membership m ON m.account_id = c.account_id AND m.contact_id = c.id
            WHERE c.account_id = $1 AND c.{key.column} = k.key AND m.group_id = $2 LIMIT 1) found
        """
    else:
        # No index has them: the members are read through, once for all.
        value = f"c.field_values ->> '{int(key.field):d}'" if key.column is None and key.field else f"c.{key.column}"
        query = f"""
        SELECT DISTINCT {value} AS key FROM membership m JOIN contact c ON c.account_id = m.account_id AND c.id = m.contact_id
        WHERE m.account_id = $1 AND m.group_id = $2 AND {value} = ANY($3::text[])
        """
    await mass.prepare(tx)
    return {row["key"] for row in await tx.fetch(query, account, group, sorted(sought))}


# --- reading


class Asked(NamedTuple):
    """Which members: those that meet all conditions and are in the segment; in the order of an attribute, else by age."""

    page: Page
    conditions: Sequence[Filter] = ()
    segment: UUID | None = None
    sort: str | None = None
    descending: bool = False


class Closed(NamedTuple):
    """An address of a contact with what it is opted out of."""

    kind: str
    """`phone`, `email` or `push`."""
    address: str
    tokens: Sequence[Token]


class Member(NamedTuple):
    """A contact as its group sees it. `values` maps ids of fields, as text, to values."""

    id: UUID
    created_at: datetime
    updated_at: datetime
    first_name: str | None
    last_name: str | None
    email: str | None
    phone: str | None
    values: Mapping[str, str]
    devices: Sequence[Device]
    closed: Sequence[Closed]


OF_MEMBER = "c.id, c.created_at, c.updated_at, c.first_name, c.last_name, c.email, c.email_key, c.phone, c.landline, c.field_values"


async def read(db: Database, account: AccountId, group: UUID, asked: Asked) -> Sequence[Member]:
    """A page of a group's contacts.

    Raises InvalidError at a condition's `attribute`, `operator` or `value`, at `sort`, or when it takes too long; NotFoundError for a
    segment that is none of the group's.
    """
    schema = await segments.schema(db, account)
    values = Values(account)
    where = [f"m.account_id = $1 AND m.group_id = {values.add(group, 'uuid')}"]
    where += [filters.compile(one, schema, values, ()) for one in asked.conditions]
    if asked.segment is not None:
        segment = await segments.readable(db, account, asked.segment)
        if segment.group_id not in (None, group):
            raise segments.not_found(asked.segment)
        where.append(await segments.compiled(db, account, segment.filter, values))
    query = f"""
    SELECT {OF_MEMBER} FROM membership m JOIN contact c ON c.account_id = m.account_id AND c.id = m.contact_id
    WHERE {" AND ".join(where)} ORDER BY {_order(asked, schema)}
    OFFSET {values.add(asked.page.skip, "bigint")} LIMIT {values.add(asked.page.take, "bigint")}
    """
    rows = await segments.fetch_in_time(db, account, query, values.bound)
    devices = await push.of_contacts(db, account, [row["id"] for row in rows])
    return _members(rows, devices, await _closed(db, account, rows, devices))


def _order(asked: Asked, schema: Schema) -> str:
    direction = "DESC" if asked.descending else "ASC"
    if asked.sort is None:
        return f"m.contact_id {direction}"
    try:
        return f"{filters.order(asked.sort, schema)} {direction} NULLS LAST, m.contact_id {direction}"
    except ValueError as error:
        raise invalid("sort", str(error.args[0])) from None


async def _closed(
    db: Queries, account: AccountId, rows: Sequence[Record], devices: Mapping[UUID, Sequence[Device]]
) -> Mapping[tuple[str, str], list[Token]]:
    """The opt-outs of all addresses of these contacts, by the kind of the address and its key."""
    keys = {
        "email": [row["email_key"] for row in rows if row["email_key"]],
        "phone": [number for row in rows for number in (row["phone"], row["landline"]) if number],
        "push": [device.token for of_one in devices.values() for device in of_one],
    }
    found: dict[tuple[str, str], list[Token]] = {}
    for key, token in await consent.opted_out(db, account, keys["email"], keys["phone"], keys["push"]):
        kind = token.type if token.type in (TokenType.EMAIL, TokenType.PUSH) else "phone"
        found.setdefault((kind, key), []).append(token)
    return found


def _members(
    rows: Sequence[Record], devices: Mapping[UUID, Sequence[Device]], closed: Mapping[tuple[str, str], Sequence[Token]]
) -> Sequence[Member]:
    def member(row: Record) -> Member:
        own = devices.get(row["id"], ())
        addresses: list[tuple[str, str, str]] = [("phone", row[name], row[name]) for name in ("phone", "landline") if row[name]]
        addresses += [("email", row["email_key"], row["email"])] if row["email"] else []
        addresses += [("push", device.token, device.token) for device in own]
        of_one = [Closed(kind, shown, tokens) for kind, key, shown in dict.fromkeys(addresses) if (tokens := closed.get((kind, key)))]
        instants = row["created_at"], row["updated_at"]
        facts = row["first_name"], row["last_name"], row["email"], row["phone"]
        return Member(row["id"], *instants, *facts, DECODE(row["field_values"]), own, of_one)

    return [member(row) for row in rows]
