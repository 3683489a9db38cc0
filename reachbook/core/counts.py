"""Counters of contacts, per group and per account: sums of deltas that stand in the transaction which changed the contacts.

Reading them is exact at every commit; folding keeps the sums short.
"""

import operator
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

from reachbook.core.drafts import Facts
from reachbook.core.ids import NIL, AccountId, new_id
from reachbook.database.queries import Database, Transaction


class Counts(NamedTuple):
    """Contacts, and how many of them lack which addresses: what tells by which media they could be reached."""

    contacts: int = 0
    empty_emails: int = 0
    empty_numbers: int = 0
    empty_both: int = 0
    landlines: int = 0
    landlines_alone: int = 0


NOTHING = Counts()
CONDITIONS = {
    "contacts": "true",
    "empty_emails": "{0}email IS NULL",
    "empty_numbers": "{0}phone IS NULL",
    "empty_both": "{0}email IS NULL AND {0}phone IS NULL",
    "landlines": "{0}phone IS NULL AND {0}landline IS NOT NULL",
    "landlines_alone": "{0}email IS NULL AND {0}phone IS NULL AND {0}landline IS NOT NULL",
}
"""What each counter counts, as SQL; `{0}` is the contact's alias with its dot."""

COLUMNS = ["account_id", "group_id", "id", *Counts._fields]


def counted(contact: str = "") -> str:
    """SQL: the counters over rows of contacts."""
    return ", ".join(f"count(*) FILTER (WHERE {condition.format(contact)}) AS {name}" for name, condition in CONDITIONS.items())


def of_one(contact: str = "") -> str:
    """SQL: what one contact adds to them."""
    return ", ".join(f"({condition.format(contact)})::int" for condition in CONDITIONS.values())


def of_facts(rows: Iterable[Facts]) -> Counts:
    """What new contacts add to each of their groups and to the account."""
    kinds = Counter((facts.email is None, facts.phone is None, facts.landline is not None) for facts in rows)

    def sum_where(condition: Callable[[bool, bool, bool], bool]) -> int:
        return sum(count for kind, count in kinds.items() if condition(*kind))

    return Counts(
        kinds.total(),
        sum_where(lambda no_email, _, __: no_email),
        sum_where(lambda _, no_phone, __: no_phone),
        sum_where(lambda no_email, no_phone, _: no_email and no_phone),
        sum_where(lambda _, no_phone, landline: no_phone and landline),
        sum_where(lambda no_email, no_phone, landline: no_email and no_phone and landline),
    )


ADD = f"""
INSERT INTO contact_count ({", ".join(COLUMNS)})
SELECT $1, group_id, $3, {", ".join(Counts._fields)}
FROM unnest($2::uuid[], {", ".join(f"${number}::bigint[]" for number in range(4, 4 + len(Counts._fields)))})
    AS d (group_id, {", ".join(Counts._fields)})
"""


async def add(tx: Transaction, account: AccountId, deltas: Iterable[tuple[UUID, Counts]]) -> None:
    """Add to the counters of groups; NIL is the whole account. A group may come more than once."""
    sums: dict[UUID, Counts] = {}
    for group, counts in deltas:
        sums[group] = Counts(*map(operator.add, sums.get(group, NOTHING), counts))
    real = [(group, counts) for group, counts in sums.items() if any(counts)]
    if real:
        columns = [list(column) for column in zip(*(counts for _, counts in real), strict=True)]
        await tx.execute(ADD, account, [group for group, _ in real], new_id(), *columns)


REMOVE = "DELETE FROM contact_count WHERE account_id = $1 AND group_id = ANY($2::uuid[])"


async def remove(tx: Transaction, account: AccountId, groups: Sequence[UUID]) -> None:
    """Forget the counters of deleted groups."""
    await tx.execute(REMOVE, account, groups)


MEMBERS = f"""
SELECT m.group_id, {counted("c.")}
FROM membership m JOIN contact c ON c.account_id = m.account_id AND c.id = m.contact_id
WHERE m.account_id = $1 AND m.contact_id = ANY($2::uuid[]) GROUP BY m.group_id
UNION ALL
SELECT $3, {counted()} FROM contact WHERE account_id = $1 AND id = ANY($2::uuid[])
"""


async def of_contacts(tx: Transaction, account: AccountId, contacts: Sequence[UUID]) -> list[tuple[UUID, Counts]]:
    """What these contacts add to each of their groups and to the account."""
    rows = await tx.fetch(MEMBERS, account, contacts, NIL)
    return [(row["group_id"], Counts(*list(row.values())[1:])) for row in rows]


def negated(deltas: Iterable[tuple[UUID, Counts]]) -> list[tuple[UUID, Counts]]:
    """The deltas that take these away."""
    return [(group, Counts(*(-value for value in counts))) for group, counts in deltas]


UNFOLDED = """
SELECT 'contact_count' AS kind, account_id, group_id::text AS part FROM contact_count WHERE NOT is_folded GROUP BY 2, 3
UNION ALL
SELECT 'consent_count', account_id, type FROM consent_count WHERE NOT is_folded GROUP BY 2, 3
"""
# Losing a race is normal: rows that another folder has locked are left to it, and the sum is the same either way.
FOLD_CONTACTS = f"""
WITH gone AS (
    DELETE FROM contact_count WHERE (account_id, group_id, id) IN (
        SELECT account_id, group_id, id FROM contact_count WHERE account_id = $1 AND group_id = $2::uuid FOR UPDATE SKIP LOCKED)
    RETURNING {", ".join(Counts._fields)}
)
INSERT INTO contact_count ({", ".join(COLUMNS)}, is_folded)
SELECT $1, $2::uuid, $3, {", ".join(f"sum({name})" for name in Counts._fields)}, true FROM gone HAVING count(*) > 0
"""
FOLD_CONSENT = """
WITH gone AS (
    DELETE FROM consent_count WHERE (account_id, type, id) IN (
        SELECT account_id, type, id FROM consent_count WHERE account_id = $1 AND type = $2 FOR UPDATE SKIP LOCKED)
    RETURNING opted_out, opted_in
)
INSERT INTO consent_count (account_id, type, id, opted_out, opted_in, is_folded)
SELECT $1, $2, $3, sum(opted_out), sum(opted_in), true FROM gone HAVING count(*) > 0
"""
FOLD = {"contact_count": FOLD_CONTACTS, "consent_count": FOLD_CONSENT}


async def fold(db: Database) -> int:
    """Put the deltas of every counter together into one row; answers how many counters had any."""
    counters = await db.fetch(UNFOLDED)
    for counter in counters:
        async with db.transaction() as tx:
            account, part = AccountId(counter["account_id"]), counter["part"]
            if counter["kind"] == "contact_count" and not await _is_counted(tx, account, UUID(part)):
                continue  # the group was deleted meanwhile, and its counters with it
            await tx.execute(FOLD[counter["kind"]], account, part, new_id())
    return len(counters)


async def _is_counted(tx: Transaction, account: AccountId, group: UUID) -> bool:
    """Whether there is such a group, which then stays until the transaction ends."""
    held = "SELECT 1 FROM contact_group WHERE account_id = $1 AND id = $2 FOR KEY SHARE"
    return group == NIL or await tx.fetchval(held, account, group) is not None
