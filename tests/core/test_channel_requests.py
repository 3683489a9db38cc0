"""Channel requests, and the work queue in which most of them wait."""

from datetime import timedelta
from decimal import Decimal

import pytest

from reachbook.core import catalogues, channel_requests, channels, decisions, ids, work_queue
from reachbook.core.catalogues import ChannelTypeDraft
from reachbook.core.errors import ConflictError, InvalidError, NotFoundError
from reachbook.core.ids import AccountId
from reachbook.core.limits import VALUE_LENGTH
from reachbook.core.paging import Page
from reachbook.core.work_queue import Item, Kind
from reachbook.database.pool import Pool
from tests.core.book import new_account
from tests.core.channels import (
    ALL,
    NOW,
    ask,
    ask_whatsapp,
    at_once,
    channel_type,
    claim,
    item_of,
    items,
    number_type,
    profile,
    standing,
    stock,
    template,
    whatsapp,
)

TICK = timedelta(milliseconds=1)
BOTH = {Kind.CHANNEL, Kind.BUSINESS_ACCOUNT}


@pytest.fixture(scope="module")
def db(quiet: Pool) -> Pool:
    """No server."""
    return quiet


@pytest.fixture
def bob(other_account: AccountId) -> AccountId:
    """Somebody else."""
    return other_account


async def test_whatsapp_waits_for_the_operator(db: Pool, account: AccountId, bob: AccountId) -> None:
    made = await ask_whatsapp(db, account)
    assert (made.state, made.created_at, made.fulfilled_at, made.cancelled_at, made.reason) == ("pending", NOW, None, None, None)
    assert made.group_id is not None
    business = await channel_requests.business_account(db, account, made.id)
    assert business.request == made
    assert len(business.namespace) == 16
    assert {item.kind: item.entity_id for item in await items(db, account)} == {Kind.CHANNEL: made.id, Kind.BUSINESS_ACCOUNT: business.id}
    with pytest.raises(ConflictError):
        await ask_whatsapp(db, account)
    assert (await ask_whatsapp(db, bob)).state == "pending", "one of each account"
    for call in (
        channel_requests.get(db, bob, made.id),
        channel_requests.business_account(db, bob, made.id),
        channel_requests.set_provider(db, bob, made.id, "7"),
        work_queue.get(db, bob, await item_of(db, account, Kind.CHANNEL, made.id)),
    ):
        with pytest.raises(NotFoundError):
            await call
    assert [one.id for one in (await channel_requests.list_requests(db, bob, ALL)).rows] != [made.id]


@pytest.mark.parametrize("kind", sorted(BOTH))
@pytest.mark.parametrize("approved", [True, False])
async def test_one_decision_for_request_and_business_account(db: Pool, account: AccountId, kind: Kind, approved: bool) -> None:
    made = await ask_whatsapp(db, account)
    business = await channel_requests.business_account(db, account, made.id)
    waiting = {item.kind: item.id for item in await items(db, account)}
    if approved:
        done = await decisions.approve(db, account, waiting[kind], now=NOW + TICK)
    else:
        done = await decisions.reject(db, account, waiting[kind], " Not yet. ", NOW + TICK)
    after = await channel_requests.business_account(db, account, made.id)
    expected = ("fulfilled", None, NOW + TICK, None) if approved else ("cancelled", " Not yet. ", None, NOW + TICK)
    assert (after.request.state, after.request.reason, after.request.fulfilled_at, after.request.cancelled_at) == expected
    assert after.id == business.id
    assert done.state == ("approved" if approved else "rejected")
    assert {item.kind for item in await items(db, account, done.state)} == BOTH
    assert await items(db, account) == []
    for id in waiting.values():
        for call in (decisions.approve(db, account, id, now=NOW), decisions.reject(db, account, id, "No.", NOW)):
            with pytest.raises(ConflictError):
                await call
    assert (await ask_whatsapp(db, account)).state == "pending", "only a pending one is in the way"


async def test_what_fulfils_itself_never_enters_the_queue(db: Pool, account: AccountId, bob: AccountId) -> None:
    sms = await catalogues.channel_type_by_key(db, catalogues.SMS)
    for _ in range(2):
        made = await channel_requests.create(db, account, ids.new_id(), sms.id, NOW)
        assert (made.state, made.fulfilled_at, made.group_id) == ("fulfilled", NOW, None)
    assert await items(db, account, None) == []
    (number,) = await stock(db, await number_type(db), is_shared=True)
    claimed = await claim(db, account, number)
    first = (await channel_requests.list_requests(db, account, ALL)).rows[0]
    assert (await channels.get(db, account, claimed.channel_id)).request_id == first.id, "channels of SMS are of the account's request"
    his = await claim(db, bob, number, "his")
    assert (await channels.get(db, bob, his.channel_id)).request_id == ids.NIL


async def test_a_type_may_be_set_to_fulfil_itself(db: Pool, account: AccountId) -> None:
    type = await channel_type(db, startup_cost=Decimal("7.5"))
    first = await channel_requests.create(db, account, ids.new_id(), type.id, NOW)
    await catalogues.save_channel_type(db, type.id, ChannelTypeDraft(auto_fulfil=True, startup_cost=Decimal(9)), NOW)
    with pytest.raises(ConflictError):
        await channel_requests.create(db, await new_account(db), ids.new_id(), (await coming_soon(db)).id, NOW)
    other = await new_account(db)
    assert (await channel_requests.create(db, other, ids.new_id(), type.id, NOW)).state == "fulfilled"
    kept = await channel_requests.get(db, account, first.id)
    assert (kept.state, kept.startup_cost) == ("pending", Decimal("7.5")), "nothing approves itself afterwards"
    listed = await channel_requests.list_requests(db, account, ALL, type.id)
    assert [one.id for one in listed.rows] == [first.id]
    assert (await channel_requests.list_requests(db, account, ALL, ids.new_id())).total == 0


async def coming_soon(db: Pool) -> catalogues.ChannelType:
    """RCS."""
    return await catalogues.channel_type_by_key(db, "rcs")


async def test_types_that_can_not_be_asked_for(db: Pool, account: AccountId) -> None:
    with pytest.raises(ConflictError):
        await channel_requests.create(db, account, ids.new_id(), (await coming_soon(db)).id, NOW)
    with pytest.raises(NotFoundError):
        await channel_requests.create(db, account, ids.new_id(), ids.new_id(), NOW)
    assert await standing(db, account) == []


async def test_a_request_of_another_type_has_no_business_account(db: Pool, account: AccountId) -> None:
    type = await channel_type(db)
    made = await channel_requests.create(db, account, ids.new_id(), type.id, NOW)
    for call in (
        channel_requests.business_account(db, account, made.id),
        channel_requests.set_provider(db, account, made.id, "7"),
        profile(db, account, made.id),
        template(db, account, made.id),
    ):
        with pytest.raises(NotFoundError):
            await call


async def test_how_far_a_channel_is(db: Pool, account: AccountId) -> None:
    waiting = await ask_whatsapp(db, account)
    made = await profile(db, account, waiting.id)

    async def progress() -> channels.Progress:
        (found,) = await channels.with_progress(db, account, (await channels.get(db, account, made.channel_id)).group_id)
        return found[1]

    before = await progress()
    assert (before.completeness, before.next, before.has_pending_order) == (50, "ACTION_REQUIRED", True)
    await decisions.approve(db, account, await item_of(db, account, Kind.CHANNEL, waiting.id), now=NOW)
    assert not (await progress()).has_pending_order
    await decisions.approve(db, account, await item_of(db, account, Kind.PROFILE, made.id), now=NOW)
    after = await progress()
    assert (after.completeness, after.next, list(after.stages)) == (100, "UNKNOWN", ["REQUESTED", "VERIFIED"])
    number = await ask(db, account, await number_type(db))
    ((_, waits),) = await channels.with_progress(db, account, (await channels.get(db, account, number.channel_id)).group_id)
    assert (waits.next, waits.has_pending_order) == ("PROCESSING", True)


# --- the queue


async def test_the_queue_is_oldest_first(db: Pool, account: AccountId, bob: AccountId) -> None:
    type = await number_type(db)
    first, second = await ask(db, account, type), await ask(db, bob, type)
    third = await ask_whatsapp(db, account)

    async def listed(page: Page = ALL, **filters: object) -> list[Item]:
        found = await work_queue.list_all(db, page, **filters)  # type: ignore[arg-type]
        assert page != ALL or found.total == len(found.rows)
        return [item for item in found.rows if item.account in (account, bob)]

    assert [item.entity_id for item in await listed(kind="number", state="pending")] == [first.id, second.id]
    assert [item.entity_id for item in await listed(of_account=bob)] == [second.id]
    assert {item.entity_id for item in await listed(of_account=account, kind="channel")} == {third.id}
    mine = await listed(of_account=account)
    assert mine == sorted(mine, key=lambda item: item.id)
    assert await listed(Page(1, 1), of_account=account) == mine[1:2]
    item = await item_of(db, account, Kind.NUMBER, first.id)
    assert await work_queue.account_of(db, item) == account
    await decisions.reject(db, account, item, "None.", NOW + TICK)
    assert [one.id for one in await listed(state="rejected")] == [item]
    assert item not in [one.id for one in await listed(state="pending")]
    for wrong in (work_queue.account_of(db, ids.new_id()), work_queue.get(db, account, ids.new_id()), work_queue.get(db, bob, item)):
        with pytest.raises(NotFoundError):
            await wrong


async def test_what_a_decision_is_refused_for(db: Pool, account: AccountId, bob: AccountId) -> None:
    made = await ask_whatsapp(db, account)
    item = await item_of(db, account, Kind.CHANNEL, made.id)
    before = await standing(db, account, bob)
    for reason in (None, "", "\n ", "a" * (VALUE_LENGTH + 1), "a\0"):
        with pytest.raises(InvalidError) as refused:
            await decisions.reject(db, account, item, reason, NOW)
        assert [fault.path for fault in refused.value.faults] == [("reason",)]
    with pytest.raises(InvalidError) as refused:
        await decisions.approve(db, account, item, number="31627100000", now=NOW)
    assert [fault.path for fault in refused.value.faults] == [("phone_number",)]
    for call in (decisions.approve(db, bob, item, now=NOW), decisions.reject(db, bob, item, "No.", NOW)):
        with pytest.raises(NotFoundError):
            await call
    assert await standing(db, account, bob) == before


# --- races


async def test_one_request_of_a_type_is_open(db: Pool, account: AccountId, bob: AccountId) -> None:
    done, refused = await at_once(*(ask_whatsapp(db, account) for _ in range(8)), ask_whatsapp(db, bob))
    assert (len(done), [error.__class__ for error in refused]) == (2, [ConflictError] * 7)
    assert len(await items(db, account)) == len(await items(db, bob)) == 2


async def test_many_decisions_about_one_request(db: Pool, account: AccountId) -> None:
    for _ in range(8):
        made = await ask_whatsapp(db, account)
        of = [item.id for item in await items(db, account)]
        assert len(of) == 2
        approvals = [decisions.approve(db, account, item, now=NOW) for item in of]
        done, refused = await at_once(*approvals, *(decisions.reject(db, account, item, "No.", NOW) for item in of))
        assert (len(done), [error.__class__ for error in refused]) == (1, [ConflictError] * 3)
        states = {(await work_queue.get(db, account, item)).state for item in of}
        assert states == {done[0].state}
        state = (await channel_requests.get(db, account, made.id)).state
        assert state == ("fulfilled" if done[0].state == "approved" else "cancelled")


async def test_a_fulfilled_request_shares_a_group(db: Pool, account: AccountId) -> None:
    request = await whatsapp(db, account)
    made = [(await profile(db, account, request)).channel_id, (await template(db, account, request)).channel_id]
    groups = {(await channels.get(db, account, id)).group_id for id in made}
    assert groups == {(await channel_requests.get(db, account, request)).group_id}
    type = await number_type(db)
    numbers = [(await ask(db, account, type)).channel_id for _ in range(2)]
    assert len({(await channels.get(db, account, id)).group_id for id in numbers} | groups) == 3
