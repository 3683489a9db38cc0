"""Counts what changed of who can be reached and of the lengths of values, a share at a time.

An account's folder holds its row of `statistics_folder`, so that of two readings of the same contact never the older one is kept.
"""

from collections import Counter
from collections.abc import Sequence
from uuid import UUID

from reachbook.core import changes, mass
from reachbook.core.ids import NIL, AccountId, new_id
from reachbook.core.limits import FOLDED_CHANGES, FOLDED_CONTACTS
from reachbook.core.reach import FRESH, POSSIBLE, touched
from reachbook.database.queries import Database, Record, Transaction

WAITING = "SELECT account_id FROM contact_change GROUP BY account_id"
HOLD = "SELECT 1 FROM statistics_folder WHERE account_id = $1 FOR UPDATE"
TAKE = f"""
DELETE FROM contact_change WHERE account_id = $1 AND id IN (
    SELECT id FROM (SELECT id, sum(size) OVER (ORDER BY id) - size AS before FROM contact_change WHERE account_id = $1) r
    WHERE before < {FOLDED_CONTACTS} ORDER BY id LIMIT {FOLDED_CHANGES})
RETURNING size, contacts, first_id, last_id, group_id, keys, fields, lengths, counts
"""
RESOLVE = f"""
WITH taken (contacts, first_id, last_id, group_id, keys) AS (
    SELECT $2::uuid[], NULL::uuid, NULL::uuid, NULL::uuid, $5::text[]
    UNION ALL SELECT NULL, first_id, last_id, NULL, NULL FROM unnest($3::uuid[], $4::uuid[]) r (first_id, last_id)
) {touched("taken")}
"""
MEMBERS = """
SELECT contact_id FROM membership WHERE account_id = $1 AND group_id = $2 AND contact_id >= $3 ORDER BY contact_id LIMIT $4
"""
ADD_COUNTS = """
ON CONFLICT (account_id, group_id, state) DO UPDATE SET contacts = blocked_count.contacts + excluded.contacts
"""
TAKE_OUT = f"""
WITH gone AS (DELETE FROM blocked_contact WHERE account_id = $1 AND contact_id = ANY($2::uuid[]) RETURNING groups, state)
INSERT INTO blocked_count (account_id, group_id, state, contacts)
SELECT $1, g.id, state, -count(*) FROM gone CROSS JOIN LATERAL unnest(groups || '{NIL}'::uuid) g (id) GROUP BY 2, 3 ORDER BY 2, 3
{ADD_COUNTS}
"""
PUT_IN = f"""
WITH touched AS MATERIALIZED (SELECT unnest($2::uuid[]) AS id), fresh AS MATERIALIZED (SELECT * FROM {FRESH} f), put AS (
    INSERT INTO blocked_contact (account_id, contact_id, state, groups) SELECT $1, id, state, groups FROM fresh
)
INSERT INTO blocked_count (account_id, group_id, state, contacts)
SELECT $1, g.id, state, count(*) FROM fresh CROSS JOIN LATERAL unnest(groups || '{NIL}'::uuid) g (id) GROUP BY 2, 3 ORDER BY 2, 3
{ADD_COUNTS}
"""
CLEAR = "DELETE FROM blocked_count WHERE account_id = $1 AND contacts = 0"
GO_ON = "INSERT INTO contact_change (account_id, id, size, group_id, first_id) VALUES ($1, $2, $3, $4, $5)"
ADD_LENGTHS = """
INSERT INTO value_count (account_id, field, length, contacts)
SELECT $1, field, length, contacts FROM unnest($2::text[], $3::bigint[], $4::bigint[]) n (field, length, contacts)
ON CONFLICT (account_id, field, length) DO UPDATE SET contacts = value_count.contacts + excluded.contacts
"""
CLEAR_LENGTHS = "DELETE FROM value_count WHERE account_id = $1 AND contacts = 0"


async def fold_all(db: Database) -> int:
    """A share of every account's changes; answers how many accounts have more."""
    return sum([await fold(db, AccountId(row["account_id"])) >= FOLDED_CONTACTS for row in await db.fetch(WAITING)])


async def fold(db: Database, account: AccountId) -> int:
    """Count what has changed; answers about how many contacts that were (no fewer than a full share if there may be more changes),
    0 when another one folds.
    """
    async with db.transaction() as tx:
        if await tx.fetchval(f"{HOLD} SKIP LOCKED", account) is None:
            return 0
        # A statement after the lock: it sees all that the folder before has done.
        taken = await tx.fetch(TAKE, account)
        await _fold_lengths(tx, account, taken)
        if taken and await tx.fetchval(f"SELECT {POSSIBLE}", account):
            await _fold_blocked(tx, account, taken)
    size = sum(row["size"] for row in taken)
    return size if len(taken) < FOLDED_CHANGES else max(size, FOLDED_CONTACTS)


async def _fold_lengths(tx: Transaction, account: AccountId, taken: Sequence[Record]) -> None:
    lengths: Counter[tuple[str, int]] = Counter()
    for row in taken:
        for field, length, contacts in zip(row["fields"] or (), row["lengths"] or (), row["counts"] or (), strict=True):
            lengths[field, length] += contacts
    columns = changes.columns(lengths)
    if columns[0]:
        await tx.execute(ADD_LENGTHS, account, *columns)
        await tx.execute(CLEAR_LENGTHS, account)


async def _fold_blocked(tx: Transaction, account: AccountId, taken: Sequence[Record]) -> None:
    listed = [contact for row in taken for contact in row["contacts"] or ()]
    ranges = [(row["first_id"], row["last_id"]) for row in taken if row["last_id"]]
    keys = sorted({key for row in taken for key in row["keys"] or ()})
    firsts, lasts = [first for first, _ in ranges], [last for _, last in ranges]
    contacts = {row["id"] for row in await tx.fetch(RESOLVE, account, listed, firsts, lasts, keys)}
    for row in taken:
        if row["group_id"] is not None:
            contacts.update(await _members(tx, account, row["group_id"], row["first_id"] or NIL))
    if len(contacts) > MANY:
        await mass.prepare(tx)
    if contacts:
        await tx.execute(TAKE_OUT, account, sorted(contacts))
        await tx.execute(PUT_IN, account, sorted(contacts))
        await tx.execute(CLEAR, account)


MANY = 500


async def _members(tx: Transaction, account: AccountId, group: UUID, first: UUID) -> Sequence[UUID]:
    """The next members of a group; what is left of it stays to be folded."""
    rows = [row["contact_id"] for row in await tx.fetch(MEMBERS, account, group, first, FOLDED_CONTACTS)]
    if len(rows) == FOLDED_CONTACTS:
        await tx.execute(GO_ON, account, new_id(), FOLDED_CONTACTS, group, rows[-1])
    return rows


FORGET_GROUPS = f"""
WITH gone AS (
    DELETE FROM blocked_contact WHERE account_id = $1 AND groups && $2::uuid[] RETURNING contact_id, groups, state
), left_ AS (
    INSERT INTO contact_change (account_id, id, size, contacts)
    SELECT $1, $3, count(*), array_agg(contact_id) FROM gone HAVING count(*) > 0
)
INSERT INTO blocked_count (account_id, group_id, state, contacts)
SELECT $1, g.id, state, -count(*) FROM gone CROSS JOIN LATERAL unnest(groups || '{NIL}'::uuid) g (id) GROUP BY 2, 3 ORDER BY 2, 3
{ADD_COUNTS}
"""


async def forget_groups(tx: Transaction, account: AccountId, groups: Sequence[UUID]) -> None:
    """The groups have no members any more: what is blocked of those that were is counted anew. The last thing in its transaction,
    because the account's folder waits for its end.
    """
    await tx.execute(HOLD, account)
    await tx.execute(FORGET_GROUPS, account, groups, new_id())
    await tx.execute(CLEAR, account)
