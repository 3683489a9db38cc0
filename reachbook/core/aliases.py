"""Aliases: what an account calls its properties and fields in files that it brings (document 002, "field resource").

One is set by hand for a target; imports teach others when a column is mapped by hand (core/import_slices.py). Of the same header the
newest holds, whoever said it.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from reachbook.core import fields, headers, properties, statistics
from reachbook.core.errors import ConflictError, Fault, InvalidError, invalid
from reachbook.core.ids import AccountId, new_id
from reachbook.core.limits import NAME_LENGTH
from reachbook.core.statistics import Use
from reachbook.core.text import clean
from reachbook.database.queries import Database, Queries

NO_USE = Use(0, 0)
LIST = "SELECT target, header FROM field_alias WHERE account_id = $1 AND import_id IS NULL"


async def of_targets(db: Queries, account: AccountId) -> Mapping[str, str]:
    """The alias of each target (headers.py) that has one."""
    return {row["target"]: row["header"] for row in await db.fetch(LIST, account)}


def _stored(target: str) -> str:
    """A target as aliases have it: a property that every account has a field for is called by that."""
    return str(properties.PREDEFINED[target]) if target in properties.PREDEFINED else target


class Described(NamedTuple):
    """A target with its alias, or what its field is called; how many contacts have a value, and how long the longest is."""

    alias: str | None
    contacts: int
    longest: int


async def describe(db: Queries, account: AccountId, targets: Iterable[str]) -> Mapping[str, Described]:
    """What there is to say of columns and properties of contacts."""
    given = await of_targets(db, account)
    of_properties = await properties.fields_of(db, account)
    named = {field.id: field.name for field in await fields.list_all(db, account)}
    uses = await statistics.uses(db, account)
    found: dict[str, Described] = {}
    for target in targets:
        field = of_properties.get(target)
        use = uses.get(target if field is None else str(field), NO_USE)
        found[target] = Described(given.get(_stored(target)) or (named.get(field) if field is not None else None), *use)
    return found


TAKEN = "SELECT 1 FROM field_alias WHERE account_id = $1 AND key = $2 AND target <> $3 AND import_id IS NULL"
FORGET = "DELETE FROM field_alias WHERE account_id = $1 AND target = $2 AND import_id IS NULL"
ADD = "INSERT INTO field_alias (account_id, key, id, header, target) VALUES ($1, $2, $3, $4, $5)"


async def set_alias(db: Database, account: AccountId, target: str, alias: str | None) -> None:
    """The alias of a target instead of the one before; blank: none. Raises ConflictError if another target has it."""
    faults: list[Fault] = []
    written = clean(alias, ("alias",), NAME_LENGTH, faults)
    if faults:
        raise InvalidError(faults)
    key = headers.key(written) if written else ""
    if written and not key:
        raise invalid("alias", "must have a letter or a digit")
    target = _stored(target)
    async with db.transaction() as tx:
        await fields.hold_names(tx, account)
        if written and await tx.fetchval(TAKEN, account, key, target) is not None:
            raise ConflictError(f"Another field has the alias {written!r}.")
        await tx.execute(FORGET, account, target)
        if written:
            await tx.execute(ADD, account, key, new_id(), written, target)
