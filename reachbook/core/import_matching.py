"""Which stored contacts the rows of a file are about.

Two contacts are the same when their keys are: the first of the plan's levels at which they have a value (the phone, say, else the
e-mail), and that value; contacts without any are compared whole. So a row without a phone never changes a contact that has one.
"""

from collections.abc import Mapping, Sequence
from uuid import UUID

from reachbook.core.ids import AccountId
from reachbook.core.import_reading import WHOLE, Key, Plan, Read
from reachbook.database.queries import Queries
from reachbook.database.values import Values

COLUMNS = {"phone": "phone", "email": "email_key"}


async def match(tx: Queries, account: AccountId, plan: Plan, rows: Sequence[Read], keys: Mapping[int, Key]) -> dict[int, UUID]:
    """The contact of each row that has one, by the row's number; of several the oldest. A row that names a contact's id means that one."""
    found = await _by_id(tx, account, plan, [row for row in rows if row.id is not None])
    levels: dict[str, list[Read]] = {}
    for row in rows:
        if row.number not in found:
            levels.setdefault(keys[row.number][0], []).append(row)
    for level, of_level in levels.items():
        if level == WHOLE:
            found |= await _whole(tx, account, plan, of_level)
        else:
            found |= await _by_value(tx, account, plan, level, {row.number: keys[row.number][1] for row in of_level})
    return found


async def _by_id(tx: Queries, account: AccountId, plan: Plan, rows: Sequence[Read]) -> dict[int, UUID]:
    if not rows:
        return {}
    values = Values(account)
    query = f"SELECT c.id FROM contact c WHERE c.account_id = $1 AND c.id = ANY({values.add([row.id for row in rows], 'uuid[]')})"
    known = {row["id"] for row in await tx.fetch(query + _scope(plan, values), *values.bound)}
    return {row.number: row.id for row in rows if row.id in known and row.id is not None}


async def _by_value(tx: Queries, account: AccountId, plan: Plan, level: str, sought: Mapping[int, str]) -> dict[int, UUID]:
    values = Values(account)
    keys = values.add(sorted(set(sought.values())), "text[]")
    earlier = plan.match[: plan.match.index(level)]
    lacking = "".join(f" AND {_column(other)} IS NULL" for other in earlier) + _scope(plan, values)
    if level in COLUMNS:
        # A look at the index for each key.
        query = f"""
        SELECT k.key, c.id FROM unnest({keys}) AS k (key) CROSS JOIN LATERAL (
            SELECT c.id FROM contact c WHERE c.account_id = $1 AND c.{COLUMNS[level]} = k.key {lacking} ORDER BY c.id LIMIT 1) c
        """
    else:
        # No index has the values of fields: the account's contacts are read through, once for all keys.
        query = f"""
        SELECT DISTINCT ON (k.key) k.key, c.id FROM unnest({keys}) AS k (key)
        JOIN contact c ON c.account_id = $1 AND {_column(level)} = k.key {lacking} ORDER BY k.key, c.id
        """
    found = {row["key"]: row["id"] for row in await tx.fetch(query, *values.bound)}
    return {number: found[key] for number, key in sought.items() if key in found}


async def _whole(tx: Queries, account: AccountId, plan: Plan, rows: Sequence[Read]) -> dict[int, UUID]:
    """Contacts of the same name that have no key either, and the same values."""
    values = Values(account)
    facts = [row.facts for row in rows if row.facts is not None]
    numbers = values.add([row.number for row in rows], "bigint[]")
    names = values.add([one.name_key for one in facts], "text[]")
    given = values.add([one.field_values for one in facts], "text[]")
    lacking = "".join(f" AND {_column(level)} IS NULL" for level in plan.match) + _scope(plan, values)
    query = f"""
    SELECT k.number, c.id FROM unnest({numbers}, {names}, {given}) AS k (number, name_key, field_values) CROSS JOIN LATERAL (
        SELECT c.id FROM contact c WHERE c.account_id = $1 AND c.name_key = k.name_key AND c.field_values = k.field_values::jsonb {lacking}
        ORDER BY c.id LIMIT 1) c
    """
    return {row["number"]: row["id"] for row in await tx.fetch(query, *values.bound)}


def _column(level: str) -> str:
    return f"c.{COLUMNS[level]}" if level in COLUMNS else f"btrim(c.field_values ->> '{int(level)}', E' \\t\\r\\n')"


def _scope(plan: Plan, values: Values) -> str:
    if plan.match_in == "account":
        return ""
    group = values.add(plan.group)
    return f" AND EXISTS (SELECT 1 FROM membership m WHERE m.account_id = c.account_id AND m.contact_id = c.id AND m.group_id = {group})"
