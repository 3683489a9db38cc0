"""The statistics of each day, with the clock in the test's hand."""

from datetime import UTC, date, datetime, timedelta

from reachbook.core import groups, ids, statistics_days, subscribers
from reachbook.core.drafts import WholeDraft
from reachbook.core.groups import Group
from reachbook.core.ids import NIL, AccountId
from reachbook.core.paging import Page
from reachbook.core.statistics import Statistics
from reachbook.core.subscribers import SubscriberDraft
from reachbook.database.pool import Pool

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ALL = Page(0, 100)


async def joined(db: Pool, account: AccountId, group: Group, number: int) -> None:
    drafts = [SubscriberDraft(WholeDraft(email=f"ann{number}@example.com"), groups=[group.id])]
    await subscribers.create(db, account, drafts, actor=NIL, now=ids.now())


async def days(db: Pool, account: AccountId, group: Group | None, now: datetime, **bounds: date) -> list[tuple[date, int]]:
    found = await statistics_days.history(db, account, group and group.id, bounds.get("since"), bounds.get("until"), ALL, now)
    return [(day.day, day.statistics.email) for day in found]


async def test_each_day_as_it_ended_and_today_as_it_is(db: Pool, account: AccountId, other_account: AccountId, group: Group) -> None:
    for number in range(3):
        await joined(db, account, group, 2 * number)
        await statistics_days.keep_day(db, NOON + timedelta(days=number))
        await joined(db, account, group, 2 * number + 1)
        await statistics_days.keep_day(db, NOON + timedelta(days=number, hours=11))
    now = NOON + timedelta(days=2, hours=11, minutes=30)
    await joined(db, account, group, 9)
    first = NOON.date()
    kept = [(first, 2), (first + timedelta(days=1), 4), (first + timedelta(days=2), 7)]
    assert await days(db, account, None, now) == await days(db, account, group, now) == kept
    assert await days(db, account, group, now, since=kept[1][0]) == kept[1:]
    assert await days(db, account, group, now, until=kept[1][0]) == kept[:2]
    assert await days(db, account, group, now, until=kept[2][0] + timedelta(days=9)) == kept
    assert await days(db, other_account, None, now, until=kept[1][0]) == [(first, 0), (first + timedelta(days=1), 0)]


async def test_days_on_which_nothing_ran_are_missing(db: Pool, account: AccountId, group: Group) -> None:
    await joined(db, account, group, 1)
    await statistics_days.keep_day(db, NOON)
    now = NOON + timedelta(days=9)
    assert await days(db, account, group, now) == [(NOON.date(), 1), (now.date(), 1)]


async def test_a_page_of_days(db: Pool, account: AccountId) -> None:
    for number in range(5):
        await statistics_days.keep_day(db, NOON + timedelta(days=number))
    found = await statistics_days.history(db, account, None, None, None, Page(1, 2), NOON + timedelta(days=4))
    assert [day.day.day for day in found] == [2, 3]
    assert found[0].statistics == Statistics(0, 0, 0, 0, 0)


async def test_a_deleted_groups_days_are_gone_with_it(db: Pool, account: AccountId, group: Group) -> None:
    await statistics_days.keep_day(db, NOON)
    await groups.delete(db, account, [group.id])
    assert [day for day, _ in await days(db, account, group, NOON + timedelta(days=1))] == [NOON.date() + timedelta(days=1)]
