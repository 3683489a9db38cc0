"""What changed of contacts and is not counted yet.

Every transaction that changes contacts, what they are in, or the ledger, says here whom that concerns; what reads figures puts these
aside and counts them anew, so that figures are exact at every commit, and the folder keeps the list short (core/statistics_folder.py).
Lengths of values stand in the same row: one insert a transaction.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from reachbook.core.drafts import Facts
from reachbook.core.ids import AccountId, new_id
from reachbook.core.limits import FOLDED_CONTACTS
from reachbook.database.queries import Queries, Transaction

Lengths = Mapping[tuple[str, int], int]
"""How many values (of a column of contacts, or of the field with this id; of this length in characters) there are more."""

MEASURED = ("first_name", "insertion", "last_name", "email", "phone", "landline", "fax")
"""The columns whose values are counted by length; all fields are."""


class Range(NamedTuple):
    """New contacts, from the first id to the last."""

    first: UUID
    last: UUID
    size: int


ADD = """
INSERT INTO contact_change (account_id, id, size, contacts, first_id, last_id, fields, lengths, counts)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""


async def add(tx: Transaction, account: AccountId, contacts: Sequence[UUID] | Range, lengths: Lengths) -> None:
    """These contacts, which are held or new, are not what they were."""
    if isinstance(contacts, Range):
        whom: tuple[object, ...] = (contacts.size, None, contacts.first, contacts.last)
    else:
        whom = (len(contacts), list(contacts), None, None)
    await tx.execute(ADD, account, new_id(), *whom, *columns(lengths))


def columns(lengths: Lengths) -> tuple[list[str] | None, list[int] | None, list[int] | None]:
    """As a row of contact_change has them."""
    changed = [(field, length, count) for (field, length), count in lengths.items() if count]
    if not changed:
        return None, None, None
    fields, sizes, counts = zip(*changed, strict=True)
    return list(fields), list(sizes), list(counts)


ADD_GROUP = "INSERT INTO contact_change (account_id, id, size, group_id) VALUES ($1, $2, $3, $4)"


async def add_group(tx: Queries, account: AccountId, group: UUID) -> None:
    """All members of this group are not what they were: it was activated or deactivated. They are counted a share at a time."""
    await tx.execute(ADD_GROUP, account, new_id(), FOLDED_CONTACTS, group)


def lengths_of(rows: Iterable[Facts]) -> Counter[tuple[str, int]]:
    """The lengths of these contacts' values."""
    found: Counter[tuple[str, int]] = Counter()
    # A column at a time takes half as long as row by row.
    columns: dict[str, Sequence[Any]] = dict(zip(Facts._fields, zip(*rows, strict=True), strict=False))
    for name in MEASURED:
        values: Sequence[str | None] = columns.get(name, ())
        for length, contacts in Counter(map(len, filter(None, values))).items():
            found[name, length] += contacts
    for field_values in columns.get("field_values", ()):
        if field_values != "{}":
            for field, value in DECODE(field_values).items():
                found[field, len(value)] += 1
    return found


DECODE = msgspec.json.Decoder(dict[str, str]).decode

VALUES = f"""
(VALUES {", ".join(f"('{name}', c.{name})" for name in MEASURED)} UNION ALL SELECT key, value FROM jsonb_each_text(c.field_values))
"""
"""SQL of the measured (field, value) of a row `c` of contacts."""

LENGTHS = f"""
SELECT v.field, length(v.value)::bigint AS length, count(*) AS contacts FROM contact c CROSS JOIN LATERAL {VALUES} v (field, value)
WHERE c.account_id = $1 AND c.id = ANY($2::uuid[]) AND v.value IS NOT NULL GROUP BY 1, 2
"""


async def lengths_of_stored(tx: Queries, account: AccountId, contacts: Sequence[UUID]) -> Counter[tuple[str, int]]:
    """The same of contacts as they are stored."""
    rows = await tx.fetch(LENGTHS, account, contacts)
    return Counter({(row["field"], row["length"]): row["contacts"] for row in rows})


def difference(after: Counter[tuple[str, int]], before: Counter[tuple[str, int]]) -> Lengths:
    """What there is more (or less) of."""
    return {key: after[key] - before[key] for key in after.keys() | before.keys()}
