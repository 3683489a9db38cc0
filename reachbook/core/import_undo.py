"""Taking an import back, a slice at a time: what it made goes, what it changed returns; what was edited since stays and is listed."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from reachbook.core import contacts, counts, groups, imports, mass
from reachbook.core.contacts import MovedError, Moves, Stored
from reachbook.core.drafts import Facts
from reachbook.core.groups import Lockable
from reachbook.core.ids import AccountId
from reachbook.core.import_claims import Claim
from reachbook.core.import_reading import Plan
from reachbook.core.import_slices import Before
from reachbook.core.imports import Import
from reachbook.database.queries import Database, Record, Transaction

NEXT = """
SELECT number, bucket, contact_id, applied_at, before FROM import_row
WHERE account_id = $1 AND import_id = $2 AND bucket IN ('created', 'updated') AND undone IS NULL AND number <= $3
ORDER BY number DESC LIMIT $4
"""
MARK = """
UPDATE import_row r SET undone = u.undone FROM unnest($3::bigint[], $4::text[]) AS u (number, undone)
WHERE r.account_id = $1 AND r.import_id = $2 AND r.number = u.number
"""
COUNT = """
UPDATE contact_import SET attempts = 0, last_row = $3, removed = removed + $4, restored = restored + $5, kept = kept + $6
WHERE account_id = $1 AND id = $2
"""


class Verdict(NamedTuple):
    """What is done with one row: removed (gone already, perhaps), restored or kept."""

    number: int
    undone: str
    stored: Stored | None = None
    before: Before | None = None


async def take_back(db: Database, account: AccountId, claim: Claim, take: int, now: datetime) -> bool:
    """Undo the last rows that are not undone yet; False when there are none left and the import is undone. Raises LostError."""
    while True:
        try:
            async with db.transaction() as tx:
                held = await imports.hold_claimed(tx, account, claim, "undoing")
                rows = await tx.fetch(NEXT, account, claim.id, held.last_row, take)
                if not rows or held.plan is None:
                    await _tidy(tx, account, held)
                    await imports.end(tx, account, claim.id, "undone", now)
                    return False
                await _take_back(tx, account, held, held.plan, rows, now)
                return True
        except MovedError:
            continue


async def _take_back(tx: Transaction, account: AccountId, held: Import, plan: Plan, rows: Sequence[Record], now: datetime) -> None:
    await mass.prepare(tx)
    ids = sorted({row["contact_id"] for row in rows})
    stored, held_groups, known = await contacts.hold_many(tx, account, ids, [plan.group])
    verdicts = [_judge(row, stored.get(row["contact_id"]), plan, held_groups) for row in rows]
    await contacts.remove_many(tx, account, [one.stored.id for one in verdicts if one.undone == "removed" and one.stored])
    restored = [(one.stored, one.before) for one in verdicts if one.undone == "restored" and one.stored and one.before]
    returning = [(contact, _of_known(before.facts, known), before.updated_at) for contact, before in restored]
    leaving = [contact.id for contact, before in restored if before.joined]
    await contacts.update_many(tx, account, returning, [Moves(plan.group, leaving=leaving)], now, held.actor)
    await tx.execute(MARK, account, held.id, [one.number for one in verdicts], [one.undone for one in verdicts])
    tally = [sum(one.undone == kind for one in verdicts) for kind in ("removed", "restored", "kept")]
    await tx.execute(COUNT, account, held.id, rows[-1]["number"] - 1, *tally)


def _judge(row: Record, stored: Stored | None, plan: Plan, held_groups: Mapping[UUID, Lockable]) -> Verdict:
    """Edited since: changed, deleted, or put into another group. Pure."""
    number = row["number"]
    if stored is None:
        return Verdict(number, "removed" if row["bucket"] == "created" else "kept")
    is_locked = any(held_groups[id].is_locked_for_editing for id in stored.groups)
    if stored.updated_at != row["applied_at"] or is_locked:
        return Verdict(number, "kept", stored)
    if row["bucket"] == "created":
        return Verdict(number, "removed" if stored.groups <= {plan.group} else "kept", stored)
    before: Any = msgspec.json.decode(row["before"])
    facts, updated_at, joined = before
    return Verdict(number, "restored", stored, Before(Facts(*facts), datetime.fromisoformat(updated_at), joined))


def _of_known(facts: Facts, known: Collection[int]) -> Facts:
    """Values of fields that were deleted since don't come back."""
    values: dict[str, str] = msgspec.json.decode(facts.field_values)
    if all(int(field) in known for field in values):
        return facts
    kept = {field: value for field, value in values.items() if int(field) in known}
    return facts._replace(field_values=msgspec.json.encode(kept).decode())


UNTEACH = "DELETE FROM field_alias WHERE account_id = $1 AND import_id = $2"
DROP_FIELD = """
DELETE FROM field WHERE account_id = $1 AND id = $2
    AND NOT EXISTS (SELECT 1 FROM contact c WHERE c.account_id = $1 AND c.field_values ? $2::text)
"""
DROP_GROUP = """
DELETE FROM contact_group WHERE account_id = $1 AND id = $2 AND updated_at = created_at
    AND NOT EXISTS (SELECT 1 FROM membership m WHERE m.account_id = $1 AND m.group_id = $2) RETURNING id
"""


async def _tidy(tx: Transaction, account: AccountId, held: Import) -> None:
    """The group and the fields that the import made go too, if nobody uses them; what it taught is forgotten."""
    await tx.execute(UNTEACH, account, held.id)
    plan = held.plan
    if plan is None:
        return
    if plan.made_group:
        await groups.lock(tx, account, [plan.group], "UPDATE")
        await tx.execute("DELETE FROM indexing_backlog WHERE account_id = $1 AND group_id = $2", account, plan.group)
        if await tx.fetchval(DROP_GROUP, account, plan.group) is not None:
            await counts.remove(tx, account, [plan.group])
    for field in plan.made_fields:
        await tx.execute("SELECT 1 FROM field WHERE account_id = $1 AND id = $2 FOR UPDATE", account, field)
        await tx.execute(DROP_FIELD, account, field)
