"""Counters of contacts, per group and per account: sums of deltas that stand in the transaction which changed the contacts.

Reading them is exact at every commit; folding keeps the sums short.
"""

import operator
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

from reachbook.core.ids import NIL, AccountId, new_id
from reachbook.database.queries import Database, Transaction


class Counts(NamedTuple):
    """Contacts, and how many of them have no e-mail and no phone number."""

    contacts: int
    empty_emails: int
    empty_numbers: int


NOTHING = Counts(0, 0, 0)
COLUMNS = ["account_id", "group_id", "id", "contacts", "empty_emails", "empty_numbers"]

ADD = """
INSERT INTO contact_count (account_id, group_id, id, contacts, empty_emails, empty_numbers)
SELECT $1, group_id, $3, contacts, empty_emails, empty_numbers
FROM unnest($2::uuid[], $4::bigint[], $5::bigint[], $6::bigint[]) AS d (group_id, contacts, empty_emails, empty_numbers)
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


MEMBERS = """
SELECT m.group_id, count(*), count(*) FILTER (WHERE c.email IS NULL), count(*) FILTER (WHERE c.phone IS NULL)
FROM membership m JOIN contact c ON c.account_id = m.account_id AND c.id = m.contact_id
WHERE m.account_id = $1 AND m.contact_id = ANY($2::uuid[]) GROUP BY m.group_id
UNION ALL
SELECT $3, count(*), count(*) FILTER (WHERE email IS NULL), count(*) FILTER (WHERE phone IS NULL)
FROM contact WHERE account_id = $1 AND id = ANY($2::uuid[])
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
FOLD_CONTACTS = """
WITH gone AS (
    DELETE FROM contact_count WHERE (account_id, group_id, id) IN (
        SELECT account_id, group_id, id FROM contact_count WHERE account_id = $1 AND group_id = $2::uuid FOR UPDATE SKIP LOCKED)
    RETURNING contacts, empty_emails, empty_numbers
)
INSERT INTO contact_count (account_id, group_id, id, contacts, empty_emails, empty_numbers, is_folded)
SELECT $1, $2::uuid, $3, sum(contacts), sum(empty_emails), sum(empty_numbers), true FROM gone HAVING count(*) > 0
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
