"""What accounts owe for a month, and why (operator.md, "charges"): decimal, from the costs that stood when each thing began."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from reachbook.core import money
from reachbook.core.errors import invalid
from reachbook.core.ids import AccountId
from reachbook.database.queries import Queries
from reachbook.files.writing import csv_table

MONTH = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")


class Line(NamedTuple):
    """One cost: `kind` is channel, number or keyword with Startup or Monthly behind; `entity_id` the channel request, number or claim."""

    kind: str
    entity_id: str
    description: str
    amount: Decimal


class Bill(NamedTuple):
    """An account's lines in one currency."""

    account: AccountId
    account_name: str
    currency: str
    lines: Sequence[Line]

    @property
    def total(self) -> Decimal:
        """The sum of the lines."""
        return sum((line.amount for line in self.lines), Decimal(0))


# A claim whose number went out of service costs nothing from the next month on.
TERMS = """
WITH term AS (
    SELECT r.account_id, 1 AS place, 'channel' AS kind, r.id::text AS entity, t.description, r.currency, r.startup_cost, r.monthly_cost,
        r.fulfilled_at AS began, r.cancelled_at AS ended
    FROM channel_request r JOIN channel_type t ON t.id = r.channel_type_id WHERE r.fulfilled_at IS NOT NULL
    UNION ALL
    SELECT n.account_id, 2, 'number', n.phone_number_id, n.number || ', ' || t.description, n.currency, n.startup_cost, n.monthly_cost,
        n.fulfilled_at, n.cancelled_at
    FROM number_request n JOIN number_type t ON t.id = n.number_type_id WHERE n.fulfilled_at IS NOT NULL
    UNION ALL
    SELECT k.account_id, 3, 'keyword', k.id::text, k.keyword || ' on ' || k.phone_number_id, k.currency, k.startup_cost, k.monthly_cost,
        k.claimed_at, least(k.cancelled_at, p.withdrawn_at)
    FROM keyword_claim k LEFT JOIN phone_number p ON p.id = k.phone_number_id
)
SELECT t.account_id, a.name, t.kind, t.entity, t.description, t.currency, t.startup_cost, t.monthly_cost, t.began >= $1 AS is_new
FROM term t JOIN account a ON a.id = t.account_id
WHERE t.began < $2 AND (t.ended IS NULL OR t.ended >= $1) AND ($3::uuid IS NULL OR t.account_id = $3)
ORDER BY a.name, t.account_id, t.currency, t.place, t.began, t.entity
"""


async def of_month(db: Queries, month: str, of_account: UUID | None = None) -> Sequence[Bill]:
    """`month` is YYYY-MM; all accounts, or one. Start-up costs in the first month, monthly ones in each that a thing ran in.

    Accounts that owe nothing are left out. Raises InvalidError.
    """
    start, end = _bounds(month)
    bills: dict[tuple[AccountId, str], tuple[str, list[Line]]] = {}
    for row in await db.fetch(TERMS, start, end, of_account):
        lines = [("Startup", row["startup_cost"])] if row["is_new"] else []
        for suffix, amount in [*lines, ("Monthly", row["monthly_cost"])]:
            if amount:
                key = (AccountId(row["account_id"]), row["currency"])
                line = Line(row["kind"] + suffix, row["entity"], row["description"], amount)
                bills.setdefault(key, (row["name"], []))[1].append(line)
    return [Bill(account, name, currency, lines) for (account, currency), (name, lines) in bills.items()]


CSV_HEADER = ("accountId", "accountName", "currency", "kind", "entityId", "description", "amount")


def table(bills: Sequence[Bill]) -> bytes:
    """The bills as CSV, a row per line."""
    rows = [
        (str(bill.account), bill.account_name, bill.currency, line.kind, line.entity_id, line.description, money.written(line.amount))
        for bill in bills
        for line in bill.lines
    ]
    return csv_table([CSV_HEADER, *rows])


def _bounds(month: str) -> tuple[datetime, datetime]:
    """The first instant of a month, and that of the next."""
    written = MONTH.fullmatch(month.strip())
    if written is None or not 1 <= int(written[1]) < 9999:
        raise invalid("month", "must be a month such as 2026-01")
    year, number = int(written[1]), int(written[2])
    following = (year + 1, 1) if number == 12 else (year, number + 1)
    return datetime(year, number, 1, tzinfo=UTC), datetime(*following, 1, tzinfo=UTC)
