"""The statistics of each day, for charts: every account's and group's, noted again and again until the day ends."""

import datetime as dt
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from reachbook.core.ids import NIL, AccountId
from reachbook.core.paging import Page
from reachbook.core.statistics import Statistics, of_groups
from reachbook.database.queries import Database, Queries, Transaction

DAY = "SELECT id FROM account ORDER BY id"
GROUPS = "SELECT id FROM contact_group WHERE account_id = $1"
PUT_DAY = """
INSERT INTO statistics_day (account_id, group_id, day, taken_at, subscribers, sms, email, voice, voicemail)
SELECT $1, d.*  FROM unnest($2::uuid[], $3::date[], $4::timestamptz[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[])
    AS d (group_id, day, taken_at, subscribers, sms, email, voice, voicemail)
ON CONFLICT (account_id, group_id, day) DO UPDATE SET taken_at = excluded.taken_at, subscribers = excluded.subscribers,
    sms = excluded.sms, email = excluded.email, voice = excluded.voice, voicemail = excluded.voicemail
"""
HISTORY_PAGE = """
SELECT day, taken_at, subscribers, sms, email, voice, voicemail FROM (
    SELECT day, taken_at, subscribers, sms, email, voice, voicemail FROM statistics_day
    WHERE account_id = $1 AND group_id = $2 AND day <> $7::date
    UNION ALL
    SELECT $7::date, $8::timestamptz, $9::bigint, $10::bigint, $11::bigint, $12::bigint, $13::bigint
) d WHERE day >= $3 AND day <= $4 ORDER BY day OFFSET $5 LIMIT $6
"""


class Day(msgspec.Struct, frozen=True):
    """The statistics of one day (UTC) as they were when it ended; `taken_at` is when they were read."""

    day: dt.date
    taken_at: datetime
    statistics: Statistics


async def keep_day(db: Database, now: datetime) -> None:
    """Note today's statistics of every account and group; the last time of a day holds."""
    for row in await db.fetch(DAY):
        account = AccountId(row["id"])
        groups = [NIL, *(group["id"] for group in await db.fetch(GROUPS, account))]
        found = await of_groups(db, account, groups)
        rows = [(group, now.date(), now, *msgspec.structs.astuple(statistics)) for group, statistics in found.items()]
        await db.execute(PUT_DAY, account, *map(list, zip(*rows, strict=True)))


FORGET_DAYS = "DELETE FROM statistics_day WHERE account_id = $1 AND group_id = ANY($2::uuid[])"


async def forget_days(tx: Transaction, account: AccountId, groups: Sequence[UUID]) -> None:
    """The days of groups that are deleted."""
    await tx.execute(FORGET_DAYS, account, groups)


async def history(
    db: Queries, account: AccountId, group: UUID | None, since: dt.date | None, until: dt.date | None, page: Page, now: datetime
) -> Sequence[Day]:
    """The days from `since` to `until` (today), of the group or the account, oldest first; today as it is, days on which no worker ran
    are missing.
    """
    today = now.date()
    bounds = (since or dt.date.min, min(until or today, today))
    figures = (await of_groups(db, account, [group or NIL]))[group or NIL]
    values = (today, now, *msgspec.structs.astuple(figures))
    rows = await db.fetch(HISTORY_PAGE, account, group or NIL, *bounds, page.skip, page.take, *values)
    return [Day(day, taken_at, Statistics(*figures)) for day, taken_at, *figures in (list(row.values()) for row in rows)]
