"""Numbers: who sees them, how they rest, who gets them, and what the operator does with the stock."""

import itertools
import random
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest

from reachbook.core import catalogues, channels, decisions, ids, keywords, number_requests, numbers, work_queue
from reachbook.core.catalogues import NumberType, NumberTypeDraft
from reachbook.core.errors import ConflictError, InvalidError, NotFoundError
from reachbook.core.ids import NIL, AccountId
from reachbook.core.numbers import Draft
from reachbook.core.work_queue import Kind
from reachbook.database.pool import Pool
from tests.core.book import new_account
from tests.core.channels import (
    ALL,
    NOW,
    ask,
    at_once,
    channel_type,
    claim,
    every_table,
    fresh_number,
    item_of,
    items,
    number_type,
    rent,
    restock,
    standing,
    stock,
    waiting_beside_stock,
)

TICK = timedelta(milliseconds=1)
REST = timedelta(days=30)


@pytest.fixture(scope="module")
def db(quiet: Pool) -> Pool:
    """No server hands numbers over."""
    return quiet


@pytest.fixture
async def type(db: Pool) -> NumberType:
    """A number type of the test's own."""
    return await number_type(db)


@pytest.fixture
def bob(other_account: AccountId) -> AccountId:
    """Somebody else."""
    return other_account


async def listed(db: Pool, account: AccountId, **filters: Any) -> list[str]:
    """The ids that an account is shown."""
    found = await numbers.list_available(db, account, ALL, **filters)
    assert found.total == len(found.rows)
    return [number.id for number in found.rows]


def every_filter(number: str) -> list[dict[str, Any]]:
    """All that can be asked with this number in it."""
    flags = (None, True, False)
    given = [
        (None, None, None, None, None),
        (None, "nl", None, None, None),
        *itertools.product((f"+{number}",), ("NL",), flags, flags, flags),
    ]
    return [dict(zip(("part", "country", "is_owned", "is_shortcode", "is_shared"), one, strict=True)) for one in given]


# --- visibility


async def refusals(db: Pool, account: AccountId, number: str) -> list[str]:
    """What each call says to somebody who must not know that there is this number."""
    said: list[str] = []
    for spelling in (number, f"+{number}", f"00{number}"):
        for call in (
            numbers.get(db, account, spelling),
            claim(db, account, spelling),
            claim(db, account, spelling, "*"),
            claim(db, account, spelling, simulate=True),
            numbers.give_back(db, account, spelling, NOW),
        ):
            with pytest.raises(NotFoundError) as refused:
                await call
            said.append(f"{refused.value.message} {refused.value.about}".replace(number, "…"))
    for filters in every_filter(number):
        assert number not in await listed(db, account, **filters), filters
    return said


async def test_an_owned_number_is_invisible_to_everyone_else(db: Pool, account: AccountId, bob: AccountId, type: NumberType) -> None:
    number = await rent(db, account, type)
    made = (await number_requests.list_requests(db, account, ALL)).rows[0]
    await claim(db, account, number)
    before = await standing(db, account, bob)
    assert await refusals(db, bob, number) == await refusals(db, bob, "3197099999999"), "as if there were none"
    assert await standing(db, account, bob) == before
    for call in (
        number_requests.get(db, bob, made.id),
        channels.get(db, bob, made.channel_id),
        keywords.get(db, bob, (await keywords.list_claims(db, account, ALL)).rows[0].id),
        work_queue.get(db, bob, made.id),
    ):
        with pytest.raises(NotFoundError):
            await call
    assert (await number_requests.list_requests(db, bob, ALL)).total == 0
    assert await channels.list_channels(db, bob) == []
    seen = await numbers.get(db, account, f"+{number}")
    assert (seen.id, seen.number, seen.owner, seen.owned_since) == (number, f"00{number}", account, NOW)
    expected = [one for one in every_filter(number) if one["is_owned"] is not False and not one["is_shortcode"] and not one["is_shared"]]
    assert [one for one in every_filter(number) if number in await listed(db, account, **one)] == expected


async def test_what_is_free_rests_or_is_withdrawn_is_invisible_to_all(
    db: Pool, account: AccountId, bob: AccountId, type: NumberType
) -> None:
    resting, withdrawn = [await rent(db, account, type) for _ in range(2)]
    (free,) = await stock(db, type)
    await numbers.give_back(db, account, resting, NOW)
    await numbers.withdraw(db, withdrawn, NOW)
    for number in (free, resting, withdrawn):
        for somebody in (account, bob):
            await refusals(db, somebody, number)
    in_stock = (await numbers.list_stock(db, ALL, type=type.id)).rows
    assert {one.id: (one.state, one.owner) for one in in_stock} == {free: ("free", None), resting: ("resting", None)}


async def test_a_shared_number_is_everybodys_to_see(db: Pool, account: AccountId, bob: AccountId, type: NumberType) -> None:
    (number,) = await stock(db, type, is_shared=True)
    for somebody in (account, bob):
        seen = await numbers.get(db, somebody, number)
        assert (seen.is_shared, seen.owner, seen.owned_since) == (True, None, None)
        expected = [
            one for one in every_filter(number) if not one["is_owned"] and not one["is_shortcode"] and one["is_shared"] is not False
        ]
        assert [one for one in every_filter(number) if number in await listed(db, somebody, **one)] == expected
        with pytest.raises(ConflictError):
            await numbers.give_back(db, somebody, number, NOW)
    await numbers.withdraw(db, number, NOW)
    await refusals(db, account, number)


async def test_short_codes_belong_to_their_country(db: Pool, account: AccountId, bob: AccountId) -> None:
    dutch, belgian = await number_type(db), await number_type(db, country="BE")
    code = f"{random.randrange(10_000, 100_000_000)}"
    made = await numbers.stock(db, [Draft(f" {code[:2]}-{code[2:]} ", one.id, True, True) for one in (dutch, belgian)], NOW)
    assert [(one.id, one.number, one.is_shortcode) for one in made] == [(f"NL{code}", code, True), (f"BE{code}", code, True)]
    for spelling in (f"nl{code}", f"NL{code}"):
        assert (await numbers.get(db, bob, spelling)).type.id == dutch.id
    with pytest.raises(NotFoundError):
        await numbers.get(db, account, code)
    assert set(await listed(db, account, part=code, is_shortcode=True)) == {f"NL{code}", f"BE{code}"}
    assert await listed(db, account, part=code, country="be") == [f"BE{code}"]


# --- rest


async def test_a_number_rests_for_30_days_to_the_millisecond(db: Pool, account: AccountId, bob: AccountId, type: NumberType) -> None:
    number = await rent(db, account, type)
    await numbers.give_back(db, account, number, NOW)
    assert (await number_requests.list_requests(db, account, ALL)).rows[0].cancelled_at == NOW
    waiting = await ask(db, bob, type, now=NOW + TICK)
    assert waiting.state == "pending"
    await numbers.hand_over_rested(db, NOW + REST - TICK)
    assert (await number_requests.get(db, bob, waiting.id)).state == "pending"
    with pytest.raises(NotFoundError):
        await numbers.give_back(db, account, number, NOW + REST)
    await numbers.hand_over_rested(db, NOW + REST)
    served = await number_requests.get(db, bob, waiting.id)
    assert (served.state, served.phone_number_id, served.fulfilled_at) == ("fulfilled", number, NOW + REST)
    assert (await channels.get(db, bob, served.channel_id)).is_pending is False
    assert await items(db, bob) == []
    await refusals(db, account, number)


async def test_the_former_owner_may_have_it_again(db: Pool, account: AccountId, bob: AccountId, type: NumberType) -> None:
    number = await rent(db, account, type)
    for turn in range(1, 3):
        now = NOW + turn * REST
        await numbers.give_back(db, account, number, now - REST)
        await numbers.hand_over_rested(db, now)
        assert (await ask(db, account, type, now=now)).phone_number_id == number
    requests = (await number_requests.list_requests(db, account, ALL)).rows
    assert [(one.state, one.phone_number_id) for one in requests] == [("cancelled", number), ("cancelled", number), ("fulfilled", number)]
    assert len(await channels.list_channels(db, account)) == 1
    await refusals(db, bob, number)


# --- first come, first served


async def test_requests_are_served_in_the_order_in_which_they_came(db: Pool, account: AccountId, bob: AccountId, type: NumberType) -> None:
    whose = [account, bob, account, bob, account]
    waiting = [(one, await ask(db, one, type, now=NOW + index * TICK)) for index, one in enumerate(whose)]
    assert [(item.kind, item.entity_id) for item in await items(db, account)] == [
        (Kind.NUMBER, request.id) for of, request in waiting if of == account
    ]
    for served in range(1, 4):
        (number,) = await stock(db, type, now=NOW + timedelta(days=served))
        states = [(await number_requests.get(db, of, request.id)).phone_number_id for of, request in waiting]
        assert states[served - 1] == number
        assert states[served:] == [None] * (5 - served)
    assert len(await items(db, account)) == len(await items(db, bob)) == 1
    more = await stock(db, type, 3, now=NOW + timedelta(days=9))
    assert (await numbers.list_stock(db, ALL, type=type.id, state="free")).total == 1
    left = (await ask(db, bob, type)).phone_number_id
    assert left in more


async def test_the_longest_in_stock_goes_first(db: Pool, account: AccountId, type: NumberType) -> None:
    late, early = [(await stock(db, type, now=now))[0] for now in (NOW, NOW - timedelta(days=1))]
    assert [(await ask(db, account, type)).phone_number_id for _ in range(3)] == [early, late, None]


async def test_other_types_and_shared_numbers_are_not_given(db: Pool, account: AccountId, type: NumberType) -> None:
    waiting = await ask(db, account, type)
    await stock(db, await number_type(db))
    await stock(db, type, is_shared=True)
    assert (await number_requests.get(db, account, waiting.id)).state == "pending"
    item = await item_of(db, account, Kind.NUMBER, waiting.id)
    with pytest.raises(ConflictError):
        await decisions.approve(db, account, item, now=NOW)


async def test_the_operator_gives_a_certain_number(db: Pool, account: AccountId, bob: AccountId, type: NumberType) -> None:
    """A free one of the request's type went to it before; so it is of another."""
    other = await number_type(db, currency="USD")
    waiting, second = await ask(db, account, type), await ask(db, account, type)
    kept, given = await stock(db, other, 2)
    his, shared = await rent(db, bob, await number_type(db)), (await stock(db, type, is_shared=True))[0]
    item = await item_of(db, account, Kind.NUMBER, waiting.id)
    for number in (his, shared, "3197099999999"):
        with pytest.raises(ConflictError):
            await decisions.approve(db, account, item, number=number, now=NOW)
    done = await decisions.approve(db, account, item, number=f"+{given}", now=NOW + TICK)
    assert (done.state, done.decided_at) == ("approved", NOW + TICK)
    made = await number_requests.get(db, account, waiting.id)
    assert (made.state, made.phone_number_id, made.currency, made.fulfilled_at) == ("fulfilled", given, "EUR", NOW + TICK)
    seen = await numbers.get(db, account, given)
    assert (seen.owner, seen.type.id) == (account, other.id)
    assert (await channels.get(db, account, waiting.channel_id)).element_id == given
    with pytest.raises(ConflictError):
        await decisions.approve(db, account, await item_of(db, account, Kind.NUMBER, second.id), number=given, now=NOW)
    assert (await ask(db, bob, other)).phone_number_id == kept


async def test_one_request_gets_a_certain_number(db: Pool, account: AccountId, bob: AccountId, type: NumberType) -> None:
    for _ in range(8):
        other = await number_type(db)
        waiting = [(of, await ask(db, of, type)) for of in (account, bob)]
        found = [(of, await item_of(db, of, Kind.NUMBER, one.id)) for of, one in waiting]
        (number,) = await stock(db, other)
        done, refused = await at_once(*(decisions.approve(db, of, item, number=number, now=NOW) for of, item in found), ask(db, bob, other))
        states = sorted(one.state for one in done)
        assert states in (["approved", "pending"], ["fulfilled"])
        assert all(isinstance(error, ConflictError) for error in refused)
        assert await db.fetchval("SELECT count(*) FROM number_request WHERE phone_number_id = $1", number) == 1
        assert not await waiting_beside_stock(db, other.id)
        for of, one in waiting:
            if (await number_requests.get(db, of, one.id)).state == "pending":
                await decisions.reject(db, of, await item_of(db, of, Kind.NUMBER, one.id), "Enough.", NOW)


async def test_a_refused_request_is_out_of_the_queue(db: Pool, account: AccountId, bob: AccountId, type: NumberType) -> None:
    first, second = await ask(db, account, type, now=NOW), await ask(db, bob, type, now=NOW + TICK)
    item = await item_of(db, account, Kind.NUMBER, first.id)
    for reason in (None, "", " "):
        with pytest.raises(InvalidError):
            await decisions.reject(db, account, item, reason, NOW)
    with pytest.raises(NotFoundError):
        await decisions.reject(db, bob, item, "No.", NOW)
    done = await decisions.reject(db, account, item, "Not for you.", NOW + TICK)
    assert (done.state, done.reason, done.decided_at) == ("rejected", "Not for you.", NOW + TICK)
    refused = await number_requests.get(db, account, first.id)
    assert (refused.state, refused.reason, refused.cancelled_at, refused.phone_number_id) == ("cancelled", "Not for you.", NOW + TICK, None)
    assert await channels.list_channels(db, account) == []
    (number,) = await stock(db, type)
    assert (await number_requests.get(db, bob, second.id)).phone_number_id == number


async def test_costs_are_those_of_when_it_was_asked_for(db: Pool, account: AccountId, bob: AccountId) -> None:
    type = await number_type(db, currency="EUR", startup_cost=catalogues.Decimal("1.5"), monthly_cost=catalogues.Decimal("0.1234"))
    waiting = await ask(db, account, type)
    await catalogues.save_number_type(db, type.id, NumberTypeDraft(currency="USD", startup_cost=catalogues.Decimal(9)))
    await stock(db, type)
    mine, other = await number_requests.get(db, account, waiting.id), await ask(db, bob, type)
    assert (mine.state, mine.currency, str(mine.startup_cost), str(mine.monthly_cost)) == ("fulfilled", "EUR", "1.5000", "0.1234")
    assert (other.currency, str(other.startup_cost)) == ("USD", "9.0000")


# --- trying out


async def test_a_simulated_request_leaves_every_table_as_it_was(
    db: Pool, quiet_owner: asyncpg.Connection, account: AccountId, bob: AccountId, type: NumberType
) -> None:
    for is_free in (False, True):
        if is_free:
            (number,) = await stock(db, type)
        before = await every_table(quiet_owner)
        tried = await ask(db, account, type, simulate=True)
        with pytest.raises(NotFoundError):
            await number_requests.create(db, account, ids.new_id(), ids.new_id(), simulate=True, now=NOW)
        assert await every_table(quiet_owner) == before
        assert (tried.id, tried.channel_id) == (NIL, NIL)
        assert tried.phone_number_id == (number if is_free else None)
    real = await ask(db, account, type)
    assert await every_table(quiet_owner) != before, "the comparison sees a real one"
    assert {name: getattr(real, name) for name in real.__struct_fields__ if name not in ("id", "channel_id")} == {
        name: getattr(tried, name) for name in tried.__struct_fields__ if name not in ("id", "channel_id")
    }
    assert (await number_requests.list_requests(db, bob, ALL)).total == 0


# --- the operator's stock


async def test_all_of_a_delivery_comes_into_stock_or_none(db: Pool, account: AccountId, type: NumberType) -> None:
    (here,) = await stock(db, type)
    new, other = fresh_number(), fresh_number()
    unknown = ids.new_id()
    waiting = [await ask(db, account, type), await ask(db, account, type)]
    assert [one.state for one in waiting] == ["fulfilled", "pending"]
    for drafts, error, paths in [
        ([Draft(new, type.id), Draft(f"+{here}", type.id)], ConflictError, [(1, "number")]),
        ([Draft(new, type.id), Draft(new, type.id)], InvalidError, [(1, "number")]),
        ([Draft(new, type.id), Draft("12", type.id), Draft(other, unknown)], InvalidError, [(1, "number"), (2, "number_type")]),
        (
            [Draft("123456789", type.id, is_shortcode=True), Draft("12", type.id, is_shortcode=True)],
            InvalidError,
            [(0, "number"), (1, "number")],
        ),
        ([Draft("+31 6 abc", type.id), Draft("", type.id)], InvalidError, [(0, "number"), (1, "number")]),
    ]:
        with pytest.raises(error) as refused:
            await numbers.stock(db, drafts, NOW)
        assert [fault.path for fault in refused.value.faults] == paths
    assert (await numbers.list_stock(db, ALL, type=type.id)).total == 1
    assert (await number_requests.get(db, account, waiting[1].id)).state == "pending"
    made = await numbers.stock(db, [Draft("0 6 12 34 56 78", type.id), Draft(other, type.id)], NOW)
    assert [one.state for one in made] == ["owned", "free"], "the answer shows who has it by now"
    assert (made[0].id, made[0].number, made[0].owner) == ("31612345678", "0031612345678", account)


@pytest.mark.parametrize("state", ["free", "shared", "owned", "resting"])
async def test_a_withdrawn_number_is_nobodys(db: Pool, account: AccountId, bob: AccountId, type: NumberType, state: str) -> None:
    if state in ("owned", "resting"):
        number = await rent(db, account, type)
    else:
        (number,) = await stock(db, type, is_shared=state == "shared")
    if state == "resting":
        await numbers.give_back(db, account, number, NOW)
    claimed = await claim(db, account, number) if state in ("owned", "shared") else None
    before = await standing(db, bob)
    await numbers.withdraw(db, f"00{number}", NOW + TICK)
    await refusals(db, account, number)
    with pytest.raises(NotFoundError):
        await numbers.withdraw(db, number, NOW)
    assert (await numbers.list_stock(db, ALL, type=type.id)).total == 0
    requests = (await number_requests.list_requests(db, account, ALL)).rows
    assert [one.state for one in requests] == (["cancelled"] if state in ("owned", "resting") else [])
    if claimed is not None:
        assert (await keywords.get(db, account, claimed.id)).keyword == "JOIN", "claims on it stay"
        assert "out of service" in (await keywords.verify(db, account, claimed.id))[0]
    await numbers.hand_over_rested(db, NOW + 2 * REST)
    assert await waiting_beside_stock(db, type.id) is False
    other = await number_type(db)
    assert await restock(db, other, number, now=NOW) == "free"
    assert (await ask(db, bob, other)).phone_number_id == number
    assert before == []


async def test_the_stock_by_type_state_and_owner(db: Pool, account: AccountId, bob: AccountId, type: NumberType) -> None:
    mine, his = await rent(db, account, type), await rent(db, bob, type)
    free, shared = (await stock(db, type))[0], (await stock(db, type, is_shared=True))[0]
    for filters, expected in [
        ({}, {mine, his, free, shared}),
        ({"state": "free"}, {free}),
        ({"state": "shared"}, {shared}),
        ({"state": "owned"}, {mine, his}),
        ({"owner": bob}, {his}),
        ({"state": "resting"}, set()),
        ({"state": "withdrawn"}, set()),
    ]:
        found = await numbers.list_stock(db, ALL, type=type.id, **filters)
        assert ({one.id for one in found.rows}, found.total) == (expected, len(expected)), filters
    assert (await numbers.list_stock(db, ALL, type=(await number_type(db)).id)).rows == []


# --- races


async def test_two_accounts_race_for_one_number(db: Pool, account: AccountId, bob: AccountId, type: NumberType) -> None:
    for _ in range(15):
        (number,) = await stock(db, type)
        made, refused = await at_once(ask(db, account, type), ask(db, bob, type))
        assert refused == []
        (winner,) = [one for one in made if one.state == "fulfilled"]
        (loser,) = [one for one in made if one.state == "pending"]
        assert (winner.phone_number_id, loser.phone_number_id) == (number, None)
        owner = await db.fetchval("SELECT owner_id FROM phone_number WHERE id = $1", number)
        winning, losing = (account, bob) if owner == account else (bob, account)
        assert (await number_requests.get(db, winning, winner.id)).state == "fulfilled"
        await refusals_of_get(db, losing, number)
        (second,) = await stock(db, type)
        assert (await number_requests.get(db, losing, loser.id)).phone_number_id == second


async def refusals_of_get(db: Pool, account: AccountId, number: str) -> None:
    """It is not the account's."""
    with pytest.raises(NotFoundError):
        await numbers.get(db, account, number)


async def test_many_requests_for_a_smaller_stock(db: Pool, type: NumberType) -> None:
    several = [await new_account(db) for _ in range(4)]
    in_stock = await stock(db, type, 7)
    made, refused = await at_once(*(ask(db, several[index % 4], type, now=NOW + index * TICK) for index in range(24)))
    assert refused == []
    given = [one.phone_number_id for one in made if one.state == "fulfilled"]
    assert sorted(given) == sorted(in_stock)
    waiting = sorted((one for one in made if one.state == "pending"), key=lambda one: one.created_at)
    more = await stock(db, type, 5)
    rows = await db.fetch("SELECT id, phone_number_id FROM number_request WHERE number_type_id = $1", type.id)
    of = {row["id"]: row["phone_number_id"] for row in rows}
    assert sorted(of[one.id] for one in waiting[:5]) == sorted(more), "who came first is served first"
    assert {of[one.id] for one in waiting[5:]} == {None}
    owned = await db.fetch("SELECT owner_id, id FROM phone_number WHERE number_type_id = $1 AND state = 'owned'", type.id)
    assert len(owned) == 12


async def test_requests_race_with_new_stock(db: Pool, account: AccountId, bob: AccountId, type: NumberType) -> None:
    for _ in range(20):
        await at_once(ask(db, account, type), stock(db, type), ask(db, bob, type), stock(db, type), ask(db, account, type))
        assert not await waiting_beside_stock(db, type.id)
    states = await db.fetch("SELECT state, count(*) AS n FROM number_request WHERE number_type_id = $1 GROUP BY state", type.id)
    assert {row["state"]: row["n"] for row in states} == {"fulfilled": 40, "pending": 20}


async def test_everything_at_once(db: Pool, account: AccountId, bob: AccountId, type: NumberType) -> None:
    """Requests, stock, giving back, the end of rests, withdrawals and refusals: no number has two, and none lies idle."""
    shuffled = random.Random(7)
    somebody = (account, bob)

    async def round_trip(of: AccountId, now: datetime) -> None:
        made = await ask(db, of, type, now=now)
        if made.phone_number_id is not None:
            await numbers.give_back(db, of, made.phone_number_id, now)

    async def refuse_one(of: AccountId) -> None:
        for item in (await items(db, of))[:1]:
            await decisions.reject(db, of, item.id, "No.", NOW)

    async def withdraw_one() -> None:
        known = (await numbers.list_stock(db, ALL, type=type.id)).rows
        if known:
            await numbers.withdraw(db, shuffled.choice(known).id, NOW)

    for turn in range(8):
        now = NOW + turn * REST
        calls = [
            *(round_trip(shuffled.choice(somebody), now) for _ in range(6)),
            *(stock(db, type, 2, now=now) for _ in range(2)),
            *(numbers.hand_over_rested(db, now) for _ in range(2)),
            *(refuse_one(of) for of in somebody),
            withdraw_one(),
            withdraw_one(),
        ]
        shuffled.shuffle(calls)
        await at_once(*calls)
        assert not await waiting_beside_stock(db, type.id)
        assert await db.fetchval(UNEQUAL, type.id) == 0
    assert await db.fetchval("SELECT count(*) FROM phone_number WHERE number_type_id = $1", type.id) == 32


UNEQUAL = """
SELECT count(*) FROM (SELECT owner_id, id FROM phone_number WHERE number_type_id = $1 AND state = 'owned') n
FULL JOIN (SELECT account_id, phone_number_id FROM number_request WHERE number_type_id = $1 AND state = 'fulfilled') r
    ON r.account_id = n.owner_id AND r.phone_number_id = n.id
WHERE n.id IS NULL OR r.phone_number_id IS NULL
"""
"""Tenancies without a number, and numbers without a tenancy."""


async def test_a_number_is_given_back_once(db: Pool, account: AccountId, bob: AccountId, type: NumberType) -> None:
    for _ in range(10):
        number = await rent(db, account, type)
        done, refused = await at_once(
            *(numbers.give_back(db, account, number, NOW) for _ in range(4)),
            numbers.withdraw(db, number, NOW),
            numbers.give_back(db, bob, number, NOW),
        )
        assert 1 <= len(done) <= 2, "it is withdrawn, and may have been given back just before"
        assert all(isinstance(error, NotFoundError | ConflictError) for error in refused)
        assert await db.fetchval("SELECT state FROM phone_number WHERE id = $1", number) == "withdrawn"
    assert await db.fetchval(UNEQUAL, type.id) == 0


async def test_one_decision_about_a_number_request(db: Pool, account: AccountId, bob: AccountId, type: NumberType) -> None:
    for _ in range(10):
        waiting = await ask(db, account, type)
        item = await item_of(db, account, Kind.NUMBER, waiting.id)
        done, refused = await at_once(
            *(decisions.reject(db, account, item, f"No {number}.", NOW) for number in range(3)),
            stock(db, type),
            ask(db, bob, type),
        )
        decided = [one for one in done if isinstance(one, work_queue.Item)]
        found = await number_requests.get(db, account, waiting.id)
        assert len(decided) == (1 if found.state == "cancelled" else 0)
        assert all(isinstance(error, ConflictError) for error in refused)
        assert await items(db, account) == []
        assert not await waiting_beside_stock(db, type.id)
        if decided:
            assert found.reason == decided[0].reason == (await work_queue.get(db, account, item)).reason


async def test_a_number_type_is_not_deleted_under_a_request(db: Pool, account: AccountId) -> None:
    for _ in range(10):
        type = await number_type(db)
        done, refused = await at_once(ask(db, account, type), catalogues.delete_number_type(db, type.id))
        assert (len(done), len(refused)) == (1, 1)
        requests = await number_requests.list_requests(db, account, ALL)
        assert requests.total == len(requests.rows)


async def test_channel_types_have_nothing_to_do_with_numbers(db: Pool, account: AccountId, bob: AccountId, type: NumberType) -> None:
    """A number's channel is of SMS, whatever else there is."""
    await channel_type(db)
    waiting = await ask(db, account, type)
    (channel,) = await channels.list_channels(db, account)
    sms = await catalogues.channel_type_by_key(db, catalogues.SMS)
    assert (channel.type_id, channel.category, channel.element_id, channel.is_pending) == (sms.id, "numbers", str(waiting.id), True)
    assert channel.request_id == NIL
    (number,) = await stock(db, type)
    assert [(one.element_id, one.is_pending) for one in await channels.list_channels(db, account)] == [(number, False)]
    assert await channels.list_channels(db, bob) == []
