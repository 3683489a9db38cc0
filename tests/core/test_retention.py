"""Retention: whom a pass takes out of lists, to the millisecond, whom it leaves, and whose turn it is."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from reachbook.core import consent, contacts, figures, groups, ids, limits, members, retention, subscribers
from reachbook.core.consent import Change, Source, TokenType
from reachbook.core.drafts import Draft, WholeDraft
from reachbook.core.groups import Kind
from reachbook.core.ids import AccountId
from reachbook.core.paging import Page
from reachbook.core.retention import Gone, Reason
from reachbook.core.subscribers import SubscriberDraft
from reachbook.database.pool import Pool
from reachbook.database.queries import Transaction
from reachbook.workers import retention as working
from tests.core.book import android, brought, dumped, ledger, member, new_list, standing, wrong_counters
from tests.core.book import members as members_of

pytestmark = pytest.mark.usefixtures("bob")

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
EDGE = NOW - timedelta(days=14)
TICK = timedelta(milliseconds=1)
BEFORE = EDGE - timedelta(days=30)
PHONE = "+31627100000"
ACTOR = UUID(int=7)


@pytest.fixture(scope="session")
def db(quiet: Pool) -> Pool:
    """A database in which no worker makes a pass of its own."""
    return quiet


@pytest.fixture
async def cleaned(db: Pool, account: AccountId) -> UUID:
    """A list that deletes unused contacts."""
    return await new_list(db, account, deletes_unused=True)


async def passed(db: Pool, account: AccountId, now: datetime = NOW) -> list[Gone]:
    """Who goes in a pass; the dry run has said the same and changed nothing."""
    before = await standing(db, account)
    said = [one async for share in retention.look(db, account, now) for one in share]
    assert await standing(db, account) == before
    gone = [one async for share in retention.run(db, account, now) for one in share]
    assert said == gone
    assert await wrong_counters(db, account) == []
    return gone


async def add(db: Pool, account: AccountId, group: UUID, at: datetime, phone: str | None = PHONE) -> UUID:
    """A contact made then."""
    return (await contacts.add(db, account, group, Draft(phone=phone), id=ids.new_id(), now=at)).id


async def join(db: Pool, account: AccountId, group: UUID, *some: UUID) -> None:
    """Into another list too."""
    await subscribers.move(db, account, [group], some, "join", actor=ACTOR, now=BEFORE)


async def there(db: Pool, account: AccountId) -> set[UUID]:
    """All contacts of the account."""
    return {row["id"] for row in await db.fetch("SELECT id FROM contact WHERE account_id = $1", account)}


# --- the boundary


async def test_created_two_weeks_ago(db: Pool, account: AccountId, cleaned: UUID) -> None:
    gone, kept, new = [await add(db, account, cleaned, at) for at in (EDGE - TICK, EDGE, NOW)]
    assert await passed(db, account) == [Gone(account, cleaned, gone, Reason.UNUSED, EDGE - TICK, is_deleted=True)]
    assert await there(db, account) == {kept, new}
    assert await passed(db, account) == []
    assert [one.contact for one in await passed(db, account, NOW + TICK)] == [kept]


async def test_updated_two_weeks_ago(db: Pool, account: AccountId, cleaned: UUID) -> None:
    gone, kept = [await add(db, account, cleaned, BEFORE) for _ in range(2)]
    for id, at in ((gone, EDGE - TICK), (kept, EDGE)):
        await contacts.update(db, account, id, Draft(first_name="Ann"), now=at)
    assert await passed(db, account) == [Gone(account, cleaned, gone, Reason.UNUSED, EDGE - TICK, is_deleted=True)]
    assert await there(db, account) == {kept}


async def test_dumped_two_weeks_ago(db: Pool, account: AccountId, bob: AccountId, cleaned: UUID) -> None:
    gone, kept, by_id, of_no_dump = [await add(db, account, cleaned, BEFORE, f"+3162710000{of}") for of in range(4)]
    out = await add(db, account, cleaned, BEFORE, "+31627100008")
    unused = await add(db, account, await new_list(db, account), BEFORE)
    change = Change(TokenType.SMS, "+31627100008", is_active=True)
    await consent.change(db, account, change, source=Source.API, actor=ACTOR, now=BEFORE)
    first, at = {"contacts": [gone], "now": EDGE - TICK}, {"contacts": [by_id, unused], "now": EDGE}
    assert len(await dumped(db, account, TokenType.SMS, **first)) == 1
    assert len(await dumped(db, account, TokenType.SMS, **at, form="csv")) == 2
    of_group = {"groups": [cleaned], "now": EDGE}
    assert [UUID(row["id"]) for row in await dumped(db, account, TokenType.SMS, **of_group, after=gone, take=1)] == [kept]
    assert [UUID(row["id"]) for row in await dumped(db, account, TokenType.SMS, **of_group, after=of_no_dump)] == [], "it is opted out"
    assert await dumped(db, bob, TokenType.SMS, contacts=[of_no_dump], now=NOW) == []
    assert {one.contact: one.used_at for one in await passed(db, account)} == {gone: EDGE - TICK, of_no_dump: BEFORE, out: BEFORE}
    assert await there(db, account) == {kept, by_id, unused}
    uses = await db.fetch("SELECT contact_id, used_at FROM contact_use WHERE account_id = $1", account)
    assert {row["contact_id"]: row["used_at"] for row in uses} == {kept: EDGE, by_id: EDGE}, "one too old is forgotten"


async def test_an_earlier_dump_makes_no_use_older(db: Pool, account: AccountId, cleaned: UUID) -> None:
    kept = await add(db, account, cleaned, BEFORE)
    for at in (NOW, BEFORE):
        await dumped(db, account, TokenType.SMS, groups=[cleaned], now=at)
    assert await passed(db, account) == []
    assert await there(db, account) == {kept}


# --- without an address


async def test_without_any_address(db: Pool, account: AccountId, cleaned: UUID) -> None:
    drafts = [
        WholeDraft(landline="+31201234567"),
        WholeDraft(fax="+31201234567"),
        WholeDraft(email="ann@example.com"),
        WholeDraft(phone=PHONE),
        WholeDraft(first_name="Ann"),
        WholeDraft(),
    ]
    whole = [SubscriberDraft(draft, groups=[cleaned]) for draft in drafts]
    *kept, ann, nobody = [one.id for one in await subscribers.create(db, account, whole, actor=ACTOR, now=NOW)]
    pushed = await new_list(db, account, Kind.PUSH, deletes_unused=True)
    (device,) = await brought(db, account, pushed, member(android("Device-1")), now=NOW)
    expected = [Gone(account, cleaned, id, Reason.NO_ADDRESS, NOW, is_deleted=True) for id in (ann, nobody)]
    assert await passed(db, account) == expected
    assert await there(db, account) == {*kept, device}


async def test_the_reason_of_both(db: Pool, account: AccountId, cleaned: UUID) -> None:
    await add(db, account, cleaned, BEFORE, None)
    assert [one.reason for one in await passed(db, account)] == [Reason.NO_ADDRESS]


# --- who stays


async def test_who_is_in_another_list_only_leaves(db: Pool, account: AccountId, cleaned: UUID) -> None:
    other = await new_list(db, account)
    both, addressless = [await add(db, account, cleaned, BEFORE, phone) for phone in (PHONE, None)]
    alone = await add(db, account, cleaned, BEFORE)
    await join(db, account, other, both, addressless)
    reasons = {both: Reason.UNUSED, addressless: Reason.NO_ADDRESS, alone: Reason.UNUSED}
    expected = [Gone(account, cleaned, id, reason, BEFORE, is_deleted=id == alone) for id, reason in reasons.items()]
    assert await passed(db, account) == expected
    assert await members_of(db, account, cleaned) == []
    assert await members_of(db, account, other) == [both, addressless]
    row = await db.fetchrow("SELECT updated_at FROM contact WHERE account_id = $1 AND id = $2", account, both)
    assert row is not None
    assert row["updated_at"] == BEFORE, "to leave is no use"


async def test_two_lists_that_delete(db: Pool, account: AccountId, cleaned: UUID) -> None:
    second = await new_list(db, account, deletes_unused=True)
    id = await add(db, account, second, BEFORE)
    await join(db, account, cleaned, id)
    assert [(one.group, one.is_deleted) for one in await passed(db, account)] == [(cleaned, False), (second, True)]
    assert await there(db, account) == set()


async def test_locked_lists_and_their_contacts_are_left_alone(db: Pool, account: AccountId, cleaned: UUID) -> None:
    locked = await new_list(db, account, deletes_unused=True)
    of_both, of_locked = await add(db, account, cleaned, BEFORE), await add(db, account, locked, BEFORE)
    gone = await add(db, account, cleaned, BEFORE)
    await join(db, account, locked, of_both)
    await groups.update(db, account, locked, groups.Draft(is_locked_for_editing=True), NOW)
    assert [one.contact for one in await passed(db, account)] == [gone]
    assert await there(db, account) == {of_both, of_locked}
    assert await members_of(db, account, cleaned) == [of_both]
    await groups.update(db, account, locked, groups.Draft(is_locked_for_editing=False), NOW)
    assert [one.is_deleted for one in await passed(db, account)] == [False, True, True]
    assert await there(db, account) == set()


async def test_lists_without_the_flag_and_the_ledger_are_untouched(db: Pool, account: AccountId, bob: AccountId, cleaned: UUID) -> None:
    plain, stop = await new_list(db, account), await new_list(db, account, Kind.STOPLIST, deletes_unused=True)
    kept = [await add(db, account, plain, BEFORE, phone) for phone in (PHONE, None)]
    await add(db, account, stop, BEFORE)
    await add(db, account, cleaned, BEFORE)
    before = await ledger(db, account)
    assert before[0]
    assert [one.group for one in await passed(db, account)] == [cleaned, stop]
    assert await ledger(db, account) == before
    assert await members_of(db, account, plain) == kept
    assert {one.id for one in (await groups.find(db, account, Page(0, 10))).rows} == {plain, stop, cleaned}
    assert await there(db, bob), "whose contacts are old too"


async def test_more_than_one_transaction_takes(db: Pool, account: AccountId, cleaned: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "RETENTION_ROWS", 3)
    other = await new_list(db, account)
    people = [member(phone=f"+3162710{of:04}") for of in range(20)]
    everyone = await brought(db, account, cleaned, *people, now=BEFORE)
    await join(db, account, other, *everyone[::4])
    for id in everyone[1::4]:
        await contacts.update(db, account, id, Draft(first_name="Ann"), now=EDGE)
    shares = [share async for share in retention.look(db, account, NOW)]
    assert [len(share) for share in shares] == [3, 3, 3, 3, 3]
    assert [one.contact for one in await passed(db, account)] == [id for place, id in enumerate(everyone) if place % 4 != 1]
    assert await members_of(db, account, cleaned) == everyone[1::4]
    assert await there(db, account) == {*everyone[1::4], *everyone[::4]}


async def test_who_is_used_meanwhile_stays(db: Pool, account: AccountId, cleaned: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    used, moved, gone, left = [await add(db, account, cleaned, BEFORE) for _ in range(4)]
    other, hold_many = await new_list(db, account), contacts.hold_many

    async def held_late(tx: Transaction, account: AccountId, some: Sequence[UUID], also: Sequence[UUID]) -> contacts.Many:
        """They change between the look and the lock."""
        monkeypatch.undo()
        await contacts.update(db, account, used, Draft(first_name="Ann"), now=NOW)
        await contacts.update(db, account, left, Draft(first_name="Ann"), now=BEFORE, move_to=other)
        await join(db, account, other, moved)
        return await hold_many(tx, account, some, also)

    monkeypatch.setattr(contacts, "hold_many", held_late)
    gone_now = [one async for share in retention.run(db, account, NOW) for one in share]
    assert [(one.contact, one.is_deleted) for one in gone_now] == [(moved, False), (gone, True)]
    assert await there(db, account) == {used, moved, left}
    assert await members_of(db, account, cleaned) == [used]
    assert await wrong_counters(db, account) == []


# --- turns


async def test_a_pass_is_due_once_a_day(db: Pool, account: AccountId, bob: AccountId, cleaned: UUID) -> None:
    assert {account, bob} <= set(await retention.due(db, NOW))
    assert await retention.take_turn(db, account, NOW)
    assert account not in await retention.due(db, NOW)
    assert bob in await retention.due(db, NOW)
    await retention.end_turn(db, account, NOW)
    day = timedelta(hours=limits.RETENTION_HOURS)
    assert account not in await retention.due(db, NOW + day - TICK)
    assert not await retention.take_turn(db, account, NOW + day - TICK)
    assert account in await retention.due(db, NOW + day)
    assert await retention.take_turn(db, account, NOW + day)


async def test_of_two_workers_one_has_the_turn(db: Pool, account: AccountId, cleaned: UUID) -> None:
    for turn in range(5):
        now = NOW + turn * timedelta(days=2)
        assert sorted(await asyncio.gather(*(retention.take_turn(db, account, now) for _ in range(6)))) == [False] * 5 + [True]


async def test_a_pass_that_did_not_end_is_made_again(db: Pool, account: AccountId, cleaned: UUID) -> None:
    lease = timedelta(minutes=limits.RETENTION_LEASE_MINUTES)
    assert await retention.take_turn(db, account, NOW)
    assert not await retention.take_turn(db, account, NOW + lease - TICK)
    assert account in await retention.due(db, NOW + lease)
    assert await retention.take_turn(db, account, NOW + lease)


async def test_no_list_that_deletes_is_nobodys_turn(db: Pool, account: AccountId, bob: AccountId) -> None:
    await new_list(db, account)
    assert account not in await retention.due(db, NOW)
    assert account not in await retention.all_accounts(db)
    assert bob in await retention.all_accounts(db)


async def test_two_passes_at_once_count_everybody_once(db: Pool, account: AccountId, cleaned: UUID) -> None:
    everyone = await brought(db, account, cleaned, *[member(phone=PHONE)] * 40, now=BEFORE)
    other = await new_list(db, account)
    await join(db, account, other, *everyone[:10])

    async def run() -> list[UUID]:
        return [one.contact async for share in retention.run(db, account, NOW) for one in share]

    answers = await asyncio.gather(run(), run(), run())
    assert sorted(id for answer in answers for id in answer) == everyone
    assert await counted(db, account) == {"unused": 40}
    assert await there(db, account) == set(everyone[:10])
    assert await wrong_counters(db, account) == []


# --- what is said of it


async def counted(db: Pool, account: AccountId) -> dict[str, int]:
    """The account's share of the figure."""
    rows = await db.fetch("SELECT reason, contacts FROM retention_count WHERE account_id = $1", account)
    return {row["reason"]: row["contacts"] for row in rows}


async def test_the_figure(db: Pool, account: AccountId, bob: AccountId, cleaned: UUID) -> None:
    async def figure() -> dict[str, float]:
        (found,) = [one for one in await figures.read(db) if one.name == "reachbook_retention_removed_contacts"]
        assert found.labels == ("reason",)
        return {reason: value for (reason,), value in found.values.items()}

    before = await figure()
    for phone in (PHONE, PHONE, None):
        await add(db, account, cleaned, BEFORE, phone)
    await passed(db, account)
    assert {reason: value - before.get(reason, 0) for reason, value in (await figure()).items()} == {"unused": 2, "no_address": 1}
    assert await counted(db, account) == {"unused": 2, "no_address": 1}
    assert await counted(db, bob) == {}


async def test_the_log_names_each_contact(db: Pool, account: AccountId, cleaned: UUID) -> None:
    at = (ids.now() - timedelta(days=15)).replace(microsecond=0)
    other = await new_list(db, account)
    deleted, left = await add(db, account, cleaned, at), await add(db, account, cleaned, at, None)
    await join(db, account, other, left)
    with capture_logs() as lines:
        gone = [one async for share in working.pass_over(db, account) for one in share]
    assert [one.contact for one in gone] == [deleted, left]
    common = {"account": str(account), "group": str(cleaned), "used_at": at.isoformat(), "log_level": "info"}
    event = {"event": "contact removed by retention"} | common
    assert lines == [
        event | {"contact": str(deleted), "reason": "unused", "outcome": "deleted"},
        event | {"contact": str(left), "reason": "no_address", "outcome": "left the list"},
    ]


async def test_the_worker_makes_the_passes_that_are_due(db: Pool, account: AccountId, bob: AccountId, cleaned: UUID) -> None:
    for other in await retention.due(db, ids.now()):
        assert other == account or await retention.take_turn(db, other, ids.now()), "Bob's, and those of other tests"
    await add(db, account, cleaned, ids.now() - timedelta(days=15))
    stopping = asyncio.Event()
    stopping.set()
    assert await working.pass_due(db, stopping) == 0
    assert len(await there(db, account)) == 1
    stopping.clear()
    with capture_logs() as lines:
        assert await working.pass_due(db, stopping) == 1
        assert await working.pass_due(db, stopping) == 0
    assert len(lines) == 1
    assert await there(db, account) == set()
    assert account in await retention.due(db, ids.now() + timedelta(hours=limits.RETENTION_HOURS))


async def test_contacts_that_are_gone_leave_no_use(db: Pool, account: AccountId, bob: AccountId, cleaned: UUID) -> None:
    id = await add(db, account, cleaned, BEFORE)
    await dumped(db, account, TokenType.SMS, groups=[cleaned], now=EDGE - TICK)
    await contacts.delete(db, account, [id])
    await passed(db, account)
    assert await db.fetchval("SELECT count(*) FROM contact_use WHERE account_id = $1", account) == 0
    assert await members.read(db, bob, cleaned, members.Asked(Page(0, 10))) == []
