"""The dump: contacts of groups, of a segment, or by id, without those opted out; as JSON or CSV rows made by PostgreSQL and passed through.

A row is never an object of ours: a million contacts stream in constant memory at the speed of COPY. The wire says which columns
there are and what they are called; how a value is written (text as it is, instants with three digits and Z) is the same for all.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

from reachbook.core import push, segments, usage
from reachbook.core.consent import TokenType
from reachbook.core.contacts import ADDRESSES, FIRST_GROUP, reachable
from reachbook.core.errors import ConflictError
from reachbook.core.ids import NIL, AccountId
from reachbook.core.reach import IS_DEACTIVATED
from reachbook.core.segments import Segment
from reachbook.database.queries import Database, Record, Write
from reachbook.database.values import Values

Attribute = Literal["id", "group_id", "first_name", "insertion", "last_name", "email", "phone", "phone_country", "created_at", "field"]


class Column(NamedTuple):
    """One column of the output: an attribute of the contact, or with `field` the value of one field of the account."""

    label: str
    attribute: Attribute
    field: int | None = None


class Form(NamedTuple):
    """CSV lines, or JSON objects a line in which field values are a list `values` of pairs with the two labels."""

    kind: Literal["json", "csv"]
    values: str = "values"
    pair: tuple[str, str] = ("field", "value")


class Selection(NamedTuple):
    """Which contacts: members of the groups, those with the ids, and those of the segment. Unknown groups and contacts are nobody."""

    groups: Sequence[UUID]
    contacts: Sequence[UUID]
    reachable_only: bool = False
    """Leave out those who have no address for the type at all."""
    segment: Segment | None = None


class Cursor(NamedTuple):
    """Contacts with an id greater than `after`, at most `take` of them (None: all)."""

    after: UUID | None
    take: int | None


LOCKED = "SELECT name FROM contact_group WHERE account_id = $1 AND id = ANY($2::uuid[]) AND is_locked_for_sending LIMIT 1"
GROUPS = "SELECT id, bypass_opt_out FROM contact_group WHERE account_id = $1 AND id = ANY($2::uuid[]) ORDER BY id"
ANY_LOCKED = "SELECT EXISTS (SELECT 1 FROM contact_group WHERE account_id = $1 AND is_locked_for_sending)"


async def refuse_locked(db: Database, account: AccountId, selection: Selection) -> None:
    """Raises ConflictError if a group that the dump names is locked for sending."""
    name = await db.fetchval(LOCKED, account, [*selection.groups, *_group_of(selection.segment)])
    if name is not None:
        raise ConflictError(f"Group {name!r} is locked for sending.")


async def dump(
    db: Database,
    account: AccountId,
    type: TokenType,
    selection: Selection,
    cursor: Cursor,
    columns: Sequence[Column],
    form: Form,
    write: Write,
    now: datetime,
) -> None:
    """Rows in the order of their ids: CSV lines (RFC 4180 but for the line end) without a header, or JSON objects a line in which
    absent values are left out and `id`, the first column, always is.

    The statement that reads the contacts also reads the ledger (invariant 1). Contacts that are in a deactivated group too are left out.
    Who is in it has been used (core/usage.py). Call `refuse_locked` first.
    """
    values = Values(account)
    branches = await _branches(db, account, type, selection, cursor, values)
    if await usage.matters(db, account):
        used = Values(*values.bound)
        await usage.mark(db, account, _query(branches, cursor, "c.id", used), used, now)
    row = _csv_row(columns) if form.kind == "csv" else _json_row(columns, form)
    query = _query(branches, cursor, row, values)
    # JSON text has no raw control character, so with these as quote and delimiter COPY leaves it as it is.
    options = {"format": "csv"} if form.kind == "csv" else {"format": "csv", "quote": "\x01", "delimiter": "\x02"}
    await db.stream(query, values.bound, write, options)


async def _branches(
    db: Database, account: AccountId, type: TokenType, selection: Selection, cursor: Cursor, values: Values
) -> Sequence[str]:
    """FROM and what follows it, for each part of the selection."""
    conditions = [f"NOT {IS_DEACTIVATED}"] if await db.fetchval(ANY_LOCKED, account) else []
    if selection.reachable_only:
        conditions.append(_has_address(type))
    condition = "".join(f" AND {one}" for one in conditions)
    found = {row["id"]: row for row in await db.fetch(GROUPS, account, [*selection.groups, *_group_of(selection.segment)])}
    branches = [_members(found[group], type, condition, cursor, values) for group in sorted(found.keys() & set(selection.groups))]
    if selection.segment is not None:
        of_group = selection.segment.group_id
        meets = f"{condition} AND {await segments.compiled(db, account, selection.segment.filter, values)}"
        branches.append(_members(found[of_group], type, meets, cursor, values) if of_group in found else _all(type, meets, cursor, values))
    if selection.contacts or not branches:
        branches.append(_named(selection.contacts, type, condition, cursor, values))
    return branches


def _group_of(segment: Segment | None) -> Sequence[UUID]:
    return () if segment is None or segment.group_id is None else (segment.group_id,)


def _query(branches: Sequence[str], cursor: Cursor, row: str, values: Values) -> str:
    """The contacts of the selection, each once, in the order of their ids.

    Members of one group, the usual dump, are one join in the order of two indexes. Of several branches each ends at the cursor's `take`, so
    that a page costs a page. The cursor is said of both sides of a join: PostgreSQL derives equalities, but not this.
    """
    if len(branches) == 1:
        return f"SELECT {row} {branches[0]}"
    union = " UNION ALL ".join(f"(SELECT c.*, m.group_id {branch})" for branch in branches)
    rows = f"(SELECT DISTINCT ON (u.id) u.* FROM ({union}) u ORDER BY u.id)"
    return f"SELECT {row} FROM {rows} c CROSS JOIN LATERAL (SELECT c.group_id) m ORDER BY c.id {_limit(cursor, values)}"


def _members(group: Record, type: TokenType, condition: str, cursor: Cursor, values: Values) -> str:
    consent = "" if group["bypass_opt_out"] else f"AND {reachable(type, 'false')}"
    return f"""
    FROM membership m JOIN contact c ON c.account_id = m.account_id AND c.id = m.contact_id
    WHERE m.account_id = $1 AND m.group_id = {values.add(group["id"])} {consent} {condition}
        {_after(cursor, "m.contact_id", values)} {_after(cursor, "c.id", values)}
    ORDER BY m.contact_id {_limit(cursor, values)}"""


def _named(contacts: Sequence[UUID], type: TokenType, condition: str, cursor: Cursor, values: Values) -> str:
    return _all(type, f"AND c.id = ANY({values.add(list(contacts), 'uuid[]')}) {condition}", cursor, values)


def _all(type: TokenType, condition: str, cursor: Cursor, values: Values) -> str:
    """Of the account's contacts those that meet the condition, each read through its first group."""
    return f"""
    FROM contact c LEFT JOIN LATERAL {FIRST_GROUP} m ON true
    LEFT JOIN contact_group g ON g.account_id = c.account_id AND g.id = m.group_id
    WHERE c.account_id = $1
        AND {reachable(type, "coalesce(g.bypass_opt_out, false)")} {condition} {_after(cursor, "c.id", values)}
    ORDER BY c.id {_limit(cursor, values)}"""


def _has_address(type: TokenType) -> str:
    return push.HAS_DEVICE if type is TokenType.PUSH else f"c.{ADDRESSES[type]} IS NOT NULL"


def _after(cursor: Cursor, column: str, values: Values) -> str:
    return "" if cursor.after is None else f"AND {column} > {values.add(cursor.after)}"


def _limit(cursor: Cursor, values: Values) -> str:
    return "" if cursor.take is None else f"LIMIT {values.add(cursor.take, 'bigint')}"


# Instants are stored in milliseconds; a microsecond more makes PostgreSQL write all digits, of which three are kept. Cheaper than
# to_char.
INSTANT = "left(to_json(c.created_at AT TIME ZONE 'UTC' + interval '1 microsecond')::text, 24)"


def _csv_row(columns: Sequence[Column]) -> str:
    return ", ".join(_csv_value(column) for column in columns)


def _csv_value(column: Column) -> str:
    if column.field is not None:
        return f"c.field_values ->> '{int(column.field)}'"
    if column.attribute == "created_at":
        return f"substr({INSTANT}, 2) || 'Z'"
    return _value(column)


def _value(column: Column) -> str:
    return f"coalesce(m.group_id, '{NIL}'::uuid)" if column.attribute == "group_id" else f"c.{column.attribute}"


def _json_row(columns: Sequence[Column], form: Form) -> str:
    """The object's text put together; `id` stands first and is always there, so every other part brings its comma."""
    fields = [column.field for column in columns if column.field is not None]
    parts = [f"""'{{"{columns[0].label}":"' || c.id || '"'"""]
    parts += [_json_part(column) for column in columns[1:] if column.field is None]
    if fields:
        parts.append(_json_values(fields, form))
    return " || ".join([*parts, "'}'"])


PLAIN = ("group_id", "phone", "phone_country")
"""Attributes with nothing in them that JSON escapes."""


def _json_part(column: Column) -> str:
    name, value = f'"{column.label}"', _value(column)
    if column.attribute == "created_at":
        return f"""',{name}:' || {INSTANT} || 'Z"'"""
    if column.attribute in PLAIN:
        return f"""coalesce(',{name}:"' || {value} || '"', '')"""
    return f"""coalesce(',{name}:' || to_json({value})::text, '')"""


def _json_values(fields: Sequence[int], form: Form) -> str:
    """A part for each field of the account: a sub-select over those of the contact would cost as much as all the rest."""
    key, value = form.pair
    parts = [
        f"""coalesce(',{{"{key}":{field:d},"{value}":' || to_json(c.field_values ->> '{field:d}')::text || '}}', '')""" for field in fields
    ]
    return f"""coalesce(',"{form.values}":[' || substr(nullif({" || ".join(parts)}, ''), 2) || ']', '')"""
