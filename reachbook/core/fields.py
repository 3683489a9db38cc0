"""Fields: what an account keeps of a contact beside name, e-mail and phone. Ids 6 to 16 are every account's (document 000)."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from reachbook.core.errors import ConflictError, Fault, InvalidError, NotFoundError, invalid
from reachbook.core.ids import AccountId, new_id
from reachbook.core.kinds import ANY, Kind, Rule, Rules
from reachbook.core.limits import FIELDS_PER_ACCOUNT, NAME_LENGTH
from reachbook.core.text import clean
from reachbook.database.queries import Database, Queries, Record, Transaction

COMPANY = 6
PREDEFINED = {COMPANY: "Company", **{6 + number: f"CustomField{number}" for number in range(1, 11)}}


class Field(msgspec.Struct, frozen=True):
    """`id` is never used again once it is deleted. `property` is the one that it keeps, if any (core/properties.py).

    `kind` and `choices` say what its values must be; neither changes.
    """

    id: int
    name: str
    property: str | None = None
    kind: Kind = Kind.TEXT
    choices: tuple[str, ...] = ()


async def predefine(tx: Transaction, account: AccountId, now: datetime) -> None:
    """Give a new account the fields that every account has."""
    rows = [(account, id, name, key(name), True, now) for id, name in PREDEFINED.items()]
    await tx.copy("field", ["account_id", "id", "name", "name_key", "is_predefined", "created_at"], rows)


COLUMNS = "id, name, property, kind, choices"
LIST = f"SELECT {COLUMNS} FROM field WHERE account_id = $1 ORDER BY id"


async def list_all(db: Queries, account: AccountId) -> Sequence[Field]:
    """Every field of the account by id."""
    return [read(row) for row in await db.fetch(LIST, account)]


def read(row: Record) -> Field:
    """A row of COLUMNS."""
    return Field(row["id"], row["name"], row["property"], Kind(row["kind"]), tuple(row["choices"] or ()))


GET = f"SELECT {COLUMNS} FROM field WHERE account_id = $1 AND id = $2"


async def get(db: Database, account: AccountId, id: int) -> Field:
    """Raises NotFoundError."""
    row = await db.fetchrow(GET, account, id)
    if row is None:
        raise _unknown(id)
    return read(row)


NEXT_ID = "UPDATE account SET next_field_id = next_field_id + 1 WHERE id = $1 RETURNING next_field_id - 1"
CREATE = """
INSERT INTO field (account_id, id, name, name_key, is_predefined, created_at, property, kind, choices)
VALUES ($1, $2, $3, $4, false, $5, $6, $7, $8)
ON CONFLICT (account_id, name_key) DO NOTHING RETURNING id
"""


async def create(db: Database, account: AccountId, name: str | None, now: datetime, rule: Rule = ANY) -> Field:
    """A new field with the next id. Raises ConflictError if the name is taken, whatever its case."""
    async with db.transaction() as tx:
        return await add(tx, account, name, now, rule=rule)


async def add(tx: Transaction, account: AccountId, name: str | None, now: datetime, property: str | None = None, rule: Rule = ANY) -> Field:
    """The same as part of a transaction."""
    written = _checked(name)
    id = await tx.fetchval(NEXT_ID, account)  # holds the account's row: fields are made one after the other
    if await tx.fetchval("SELECT count(*) FROM field WHERE account_id = $1", account) >= FIELDS_PER_ACCOUNT:
        raise ConflictError(f"An account has at most {FIELDS_PER_ACCOUNT:,} fields.")
    if await tx.fetchval(CREATE, account, id, written, key(written), now, property, rule.kind, list(rule.choices) or None) is None:
        raise _taken(written)
    return Field(id, written, property, rule.kind, rule.choices)


TAKEN = "SELECT 1 FROM field WHERE account_id = $1 AND name_key = $2 AND id <> $3"
RENAME = "UPDATE field SET name = $3, name_key = $4 WHERE account_id = $1 AND id = $2 RETURNING id"


async def rename(db: Database, account: AccountId, id: int, name: str | None) -> Field:
    """Predefined fields may be renamed too. Raises NotFoundError, ConflictError."""
    async with db.transaction() as tx:
        await hold_names(tx, account)
        row = await tx.fetchrow(f"{GET} FOR UPDATE", account, id)
        if row is None:
            raise _unknown(id)
        written = _checked(name)
        if await tx.fetchval(TAKEN, account, key(written), id) is not None:
            raise _taken(written)
        await tx.execute(RENAME, account, id, written, key(written))
    return Field(id, written, row["property"], Kind(row["kind"]), tuple(row["choices"] or ()))


async def hold_names(tx: Transaction, account: AccountId) -> None:
    """One change of the account's fields at a time, until the transaction ends."""
    await tx.execute("SELECT 1 FROM account WHERE id = $1 FOR NO KEY UPDATE", account)


FOR_DELETE = "SELECT is_predefined FROM field WHERE account_id = $1 AND id = $2 FOR UPDATE"
DELETE = "DELETE FROM field WHERE account_id = $1 AND id = $2"
HOLDERS = "SELECT id FROM contact WHERE account_id = $1 AND field_values ? $2::text ORDER BY id FOR UPDATE"
FORGET_LENGTHS = """
INSERT INTO contact_change (account_id, id, size, fields, lengths, counts)
SELECT $1, $3, 0, array_agg($2::text), array_agg(length), array_agg(-contacts) FROM (
    SELECT length(field_values ->> $2::text)::bigint AS length, count(*) AS contacts
    FROM contact WHERE account_id = $1 AND field_values ? $2::text GROUP BY 1) n
HAVING count(*) > 0
"""
REMOVE_VALUES = "UPDATE contact SET field_values = field_values - $2::text WHERE account_id = $1 AND field_values ? $2::text"


async def delete(db: Database, account: AccountId, id: int) -> None:
    """The field and all its values. Raises NotFoundError; ConflictError for a predefined one."""
    async with db.transaction() as tx:
        is_predefined = await tx.fetchval(FOR_DELETE, account, id)
        if is_predefined is None:
            raise _unknown(id)
        if is_predefined:
            raise ConflictError(f"Field {id} is predefined and can't be deleted; it can be renamed.")
        await tx.fetch(HOLDERS, account, str(id))
        await tx.execute(FORGET_LENGTHS, account, str(id), new_id())
        await tx.execute(REMOVE_VALUES, account, str(id))
        await tx.execute(DELETE, account, id)


# KEY SHARE: none of them can be deleted before the values that refer to them are committed.
KNOWN = "SELECT id, kind, choices FROM field WHERE account_id = $1 AND id = ANY($2::bigint[]) ORDER BY id FOR KEY SHARE"
HOLD_ALL = "SELECT id, kind, choices FROM field WHERE account_id = $1 ORDER BY id FOR KEY SHARE"


async def known(tx: Transaction, account: AccountId, ids: Iterable[int]) -> Rules:
    """Those of the ids that are fields of the account, with what their values must be; they stay so until the transaction ends."""
    return _rules(await tx.fetch(KNOWN, account, sorted(set(ids))))


async def hold_all(tx: Transaction, account: AccountId) -> Rules:
    """No field is deleted until the transaction ends: for who changes a contact, before the contact is locked."""
    return _rules(await tx.fetch(HOLD_ALL, account))


async def rules(db: Queries, account: AccountId) -> Rules:
    """What the values of each field must be."""
    return _rules(await db.fetch(LIST, account))


def _rules(rows: Sequence[Record]) -> Rules:
    return {row["id"]: _rule(row) for row in rows}


def _rule(row: Record) -> Rule:
    if row["kind"] == Kind.TEXT and not row["choices"]:
        return ANY
    return Rule(Kind(row["kind"]), tuple(row["choices"] or ()))


def _checked(name: str | None) -> str:
    faults: list[Fault] = []
    written = clean(name, ("name",), NAME_LENGTH, faults)
    if faults:
        raise InvalidError(faults)
    if written is None:
        raise invalid("name", "must not be empty")
    return written


def key(name: str) -> str:
    """A name as it is compared."""
    return name.casefold()


def _unknown(id: int) -> NotFoundError:
    return NotFoundError(f"There is no field {id}.")


def _taken(name: str) -> ConflictError:
    return ConflictError(f"There is a field named {name!r} already.")
