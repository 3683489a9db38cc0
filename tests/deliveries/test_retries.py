"""The table of retries, rests, disabling and replaying: a clock that the test moves walks through all of it."""

import asyncio
import itertools
import json
import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reachbook.core import configurations, deliveries, delivery_work, endpoint_urls, ids, retry_schedule
from reachbook.core.configurations import Draft
from reachbook.core.deliveries import Delivery
from reachbook.core.delivery_work import Outcome
from reachbook.core.errors import ConflictError, NotFoundError
from reachbook.core.retry_schedule import STANDARD
from reachbook.database.pool import Pool
from tests.deliveries.shops import HERE, Clock, Shop, Worker, open_worker
from tests.deliveries.sinks import Call, answer, open_sink

START = datetime(2026, 11, 1, 12, tzinfo=UTC)
DAYS_30 = timedelta(days=30)
PATIENT = STANDARD._replace(disable_days=365)
TICK = timedelta(milliseconds=1)


def text_of(call: Call) -> str:
    """What the message says."""
    return json.loads(call.body)["message"]["text"]


async def the_only(shop: Shop) -> Delivery:
    """One delivery there is."""
    (found,) = await shop.deliveries()
    return found


async def advance(clock: Clock, worker: Worker, shop: Shop) -> timedelta:
    """On to the next attempt of the only delivery; not a tick earlier is anything sent. Answers how long that was."""
    before = clock.now
    found = await the_only(shop)
    assert found.next_at is not None
    rests = await worker.db.fetchval("SELECT rests_until FROM endpoint_lease WHERE endpoint_id = $1", found.endpoint_id)
    at = max(found.next_at, rests or found.next_at)
    clock.now = at - TICK
    await worker.settle()
    assert (await the_only(shop)).attempts == found.attempts
    clock.now = at
    await worker.settle()
    assert (await the_only(shop)).attempts == found.attempts + 1
    return at - before


# --- the table


async def test_the_table(db: Pool, shop: Shop) -> None:
    clock = Clock(START)
    async with open_sink(answer(500)) as sink, open_worker(db, clock) as worker:
        await shop.add(sink.url)
        await shop.receive("hello", now=clock.now)
        await worker.settle()
        pauses = [await advance(clock, worker, shop) for _ in range(40)]
        assert pauses[:3] == [timedelta(seconds=5), timedelta(seconds=30), timedelta(minutes=2)]
        assert all(timedelta(seconds=270) <= pause <= timedelta(seconds=330) for pause in pauses[3:])
        assert len(set(pauses[3:])) > 10, "they are spread"
        found, attempts = await deliveries.get(db, shop.account, (await the_only(shop)).id)
        assert (found.state, found.attempts, len(attempts), len(sink.calls)) == ("retrying", 41, 41, 41)
        assert [attempt.started_at for attempt in attempts] == list(itertools.accumulate(pauses, initial=START))
        # And then it is taken.
        sink.answers = [answer(204)]
        await advance(clock, worker, shop)
        assert await shop.states() == ["delivered"]


async def test_after_thirty_days_it_is_given_up(db: Pool, shop: Shop) -> None:
    clock = Clock(START)
    schedule = PATIENT._replace(every=24 * 3600.0, longest_rest=60.0)
    async with open_sink(answer(500)) as sink, open_worker(db, clock, schedule) as worker:
        await shop.add(sink.url)
        await shop.receive("hello", now=clock.now)
        await worker.settle()
        while (await the_only(shop)).next_at is not None:
            await advance(clock, worker, shop)
        found = await the_only(shop)
        assert found.state == "failed"
        assert timedelta(0) <= START + DAYS_30 - clock.now <= timedelta(hours=26.4), "the last attempt was as late as it could be"
        assert 28 <= found.attempts == len(sink.calls) <= 38
        clock.move(days=1)
        await worker.settle()
        assert len(sink.calls) == found.attempts
        # A replay begins all over.
        await deliveries.replay(db, shop.account, found.id, clock.now)
        assert (await the_only(shop)).attempts == 0
        await worker.settle()
        assert (await the_only(shop)).next_at == clock.now + timedelta(seconds=5)


def test_a_month_of_attempts() -> None:
    """The standard table to its end, without an endpoint."""
    at: datetime | None = START
    attempts, last, chance = 0, START, random.Random(7)
    while at is not None:
        attempts, last = attempts + 1, at
        at = retry_schedule.next_at(STANDARD, attempts, START, at, retry_after=None, chance=chance)
    assert timedelta(0) <= START + DAYS_30 - last <= timedelta(seconds=330)
    assert 8_500 < attempts < 8_800


@given(
    st.integers(1, 9_000),
    st.floats(0, 31 * 86_400),
    st.none() | st.floats(0, 1e12),
    st.randoms(use_true_random=False),
)
def test_the_next_attempt(attempts: int, age: float, retry_after: float | None, chance: random.Random) -> None:
    """Not before the table and what was asked for; not after the end; given up only where there is no room for another."""
    now = START + timedelta(seconds=age)
    pause = {1: 5.0, 2: 30.0, 3: 120.0}.get(attempts)
    least, most = (pause, pause) if pause else (270.0, 330.0)
    end = START + DAYS_30
    at = retry_schedule.next_at(STANDARD, attempts, START, now, retry_after=retry_after, chance=chance)
    if at is None:
        assert now + timedelta(seconds=most) > end
        return
    assert now + timedelta(seconds=least) <= at <= end
    wanted = retry_after or 0.0
    if wanted > most:
        assert at == end or at == now + timedelta(seconds=wanted)
    else:
        assert at <= now + timedelta(seconds=most)


@pytest.mark.parametrize(
    ("failures", "seconds"), [(0, None), (1, None), (4, None), (5, 5), (6, 30), (7, 120), (8, 300), (9, 300), (5_000, 300)]
)
def test_how_long_an_endpoint_rests(failures: int, seconds: float | None) -> None:
    assert retry_schedule.rest(STANDARD, failures) == seconds


# --- rests


async def resting(db: Pool, clock: Clock, worker: Worker, shop: Shop, count: int = 12) -> None:
    """Messages, five of which failed: the endpoint rests."""
    await shop.receive(*(f"text {number}" for number in range(count)), now=clock.now)
    await worker.settle()
    assert sorted(await shop.states()) == ["pending"] * (count - 5) + ["retrying"] * 5
    (row,) = await db.fetch("SELECT failures, rests_until FROM endpoint_lease")
    assert (row["failures"], row["rests_until"]) == (5, clock.now + timedelta(seconds=5))


async def test_after_five_failures_in_a_row_the_endpoint_rests(db: Pool, shop: Shop, bob: Shop) -> None:
    """Longer each time; what comes in doesn't wake it; one that is taken does for good. Another endpoint knows nothing of it."""
    clock = Clock(START)
    async with open_sink(answer(500)) as sink, open_sink() as other, open_worker(db, clock) as worker:
        await shop.add(sink.url)
        await bob.add(other.url)
        await resting(db, clock, worker, shop)
        called = 5
        for rest in (5, 30, 120, 300, 300):
            await shop.receive("one more", now=clock.now)
            await bob.receive("hello", now=clock.now)
            await worker.settle()
            clock.move(seconds=rest - 0.001)
            await worker.settle()
            assert len(sink.calls) == called
            clock.move(seconds=0.001)
            await worker.settle()
            called += 1
            assert len(sink.calls) == called
        assert len(other.calls) == 5
        sink.answers = [answer(200)]
        clock.move(seconds=300)
        await worker.settle()
        assert set(await shop.states()) == {"delivered"}
        # Nothing is remembered against it: five more may fail.
        sink.answers, calls = [answer(500)], len(sink.calls)
        await shop.receive(*"abcdefgh", now=clock.now)
        await worker.settle()
        assert len(sink.calls) == calls + 5


async def test_a_success_among_failures_keeps_it_awake(db: Pool, shop: Shop) -> None:
    clock = Clock(START)
    pattern = [answer(500)] * 4 + [answer(200)]
    async with open_sink(*(pattern * 4)) as sink, open_worker(db, clock) as worker:
        await shop.add(sink.url)
        await shop.receive(*map(str, range(20)), now=clock.now)
        await worker.settle()
        assert len(sink.calls) == 20


async def test_what_wakes_it(db: Pool, shop: Shop, bob: Shop) -> None:
    """Replaying one or many does; somebody else can't."""
    clock = Clock(START)
    async with open_sink(answer(500)) as sink, open_worker(db, clock) as worker:
        endpoint = await shop.add(sink.url)
        await resting(db, clock, worker, shop)
        (one, *_) = await shop.deliveries()
        clock.move(seconds=1)
        with pytest.raises(NotFoundError):
            await deliveries.replay(db, bob.account, one.id, clock.now)
        with pytest.raises(NotFoundError):
            await deliveries.replay_since(db, bob.account, START, endpoint, "retrying", clock.now)
        with pytest.raises(NotFoundError):
            await deliveries.enable(db, bob.account, endpoint, clock.now)
        assert await deliveries.replay_since(db, bob.account, START, None, "retrying", clock.now) == 0
        await worker.settle()
        assert len(sink.calls) == 5
        await deliveries.replay(db, shop.account, one.id, clock.now)
        await worker.settle()
        assert len(sink.calls) == 6, "it fails again, and rests"
        sink.answers = [answer(200)]
        assert await deliveries.replay_since(db, shop.account, START, endpoint, "retrying", clock.now) == 5
        await worker.settle()
        assert set(await shop.states()) == {"delivered"}


# --- disabling


async def test_failing_for_five_days_disables_it(db: Pool, shop: Shop, bob: Shop) -> None:
    """The group's event webhook hears of it, and nobody else's."""
    clock = Clock(START)
    async with open_sink(answer(500)) as sink, open_sink() as events, open_sink() as others, open_worker(db, clock) as worker:
        endpoint = await shop.add(sink.url)
        await shop.add(events.url, "eventWebhook")
        await bob.add(others.url, "eventWebhook")
        await shop.receive("one", "two", now=clock.now)
        await worker.settle()
        clock.now = START + timedelta(days=5) - TICK
        await worker.settle()
        assert (await deliveries.get_endpoint(db, shop.account, endpoint)).disabled_at is None
        assert set(await shop.states(endpoint=endpoint)) == {"retrying"}
        clock.now = START + timedelta(days=5, minutes=6)
        await worker.settle()
        found = await deliveries.get_endpoint(db, shop.account, endpoint)
        assert (found.disabled_at, found.reason) == (clock.now, "it failed for 5 days")
        assert await shop.states(endpoint=endpoint) == ["failed"] * 2
        calls = len(sink.calls)
        group = (await deliveries.get_endpoint(db, shop.account, endpoint)).group_id
        assert found.reason in "".join(await configurations.problems(db, shop.account, group))
        (event,) = events.calls
        given = json.loads(event.body)
        told = {"type": "ENDPOINT_DISABLED", "endpointId": str(endpoint), "url": sink.url, "reason": found.reason}
        assert given["event"] == told
        assert given["timeUtc"] == f"{clock.now:%Y-%m-%dT%H:%M:%S}"
        assert others.calls == []
        # Enabled again it has another five days.
        sink.answers = [answer(500)]
        await deliveries.enable(db, shop.account, endpoint, clock.now)
        await deliveries.replay_since(db, shop.account, START, endpoint, "failed", clock.now)
        await worker.settle()
        assert len(sink.calls) > calls
        clock.move(days=4.9)
        await worker.settle()
        assert (await deliveries.get_endpoint(db, shop.account, endpoint)).disabled_at is None
        sink.answers = [answer(200)]
        clock.move(minutes=6)
        await worker.settle()
        assert await shop.states(endpoint=endpoint) == ["delivered"] * 2
        assert len(events.calls) == 1


async def test_one_message_that_fails_does_not_disable_it(db: Pool, shop: Shop) -> None:
    """While others are taken it is not failing; that message is given up in its time."""
    clock = Clock(START)

    async def picky(call: Call, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(500 if text_of(call) == "poison" else 200))

    async with open_sink(picky) as sink, open_worker(db, clock) as worker:
        endpoint = await shop.add(sink.url)
        (poison,) = await shop.receive("poison", now=clock.now)
        for _ in range(11):
            await worker.settle()
            await shop.receive("good", now=clock.now)
            await worker.settle()
            assert await shop.states(reference=poison) == ["retrying"]
            clock.move(days=2.7)
        clock.now = START + DAYS_30
        await worker.settle()
        assert (await deliveries.get_endpoint(db, shop.account, endpoint)).disabled_at is None
        assert await shop.states(reference=poison) == ["failed"]
        assert (await shop.states(state="delivered")) == ["delivered"] * 11


async def test_an_event_webhook_that_is_disabled_tells_nobody(db: Pool, shop: Shop) -> None:
    clock = Clock(START)
    async with open_sink(answer(410)) as events, open_sink() as messages, open_worker(db, clock) as worker:
        endpoint = await shop.add(events.url, "eventWebhook")
        await shop.add(messages.url)
        await shop.happen("typing", now=clock.now)
        await worker.settle()
        clock.move(days=1)
        await worker.settle()
        assert (len(events.calls), len(messages.calls)) == (1, 0)
        assert [one.endpoint_id for one in await shop.deliveries()] == [endpoint]


async def test_a_switched_off_event_webhook_is_not_told(db: Pool, shop: Shop) -> None:
    clock = Clock(START)
    async with open_sink() as events, open_sink(answer(410)) as messages, open_worker(db, clock) as worker:
        await shop.add(events.url, "eventWebhook")
        await shop.add(messages.url)
        group = (await deliveries.endpoints(db, shop.account))[0].group_id
        of_events = (await configurations.of_group(db, shop.account, group))["eventWebhook"]
        await configurations.switch(db, shop.account, shop.channel, of_events.id, enabled=False, now=clock.now)
        await shop.receive("hello", now=clock.now)
        await worker.settle()
        assert (len(events.calls), len(messages.calls)) == (0, 1)


async def test_an_endpoint_that_is_gone_has_its_deliveries_given_up(db: Pool, shop: Shop) -> None:
    clock = Clock(START)
    async with open_sink(answer(500)) as sink, open_worker(db, clock) as worker:
        endpoint = await shop.add(sink.url)
        await shop.receive("one", now=clock.now)
        await worker.settle()
        await configurations.delete(db, shop.account, shop.channel, "webhook", endpoint, clock.now)
        clock.move(minutes=1)
        await worker.settle()
        (found,) = await shop.deliveries()
        assert (found.state, len(sink.calls)) == ("failed", 1)
        with pytest.raises(ConflictError):
            await deliveries.replay(db, shop.account, found.id, clock.now)
        assert await deliveries.replay_since(db, shop.account, START, None, "failed", clock.now) == 0


async def test_a_new_address_is_tried_at_once(db: Pool, shop: Shop) -> None:
    """Who mends the URL of an endpoint that rests, or that was disabled, need not wait."""
    clock = Clock(START)
    async with open_sink(answer(500)) as sink, open_sink() as right, open_worker(db, clock) as worker:
        endpoint = await shop.add(sink.url)
        await resting(db, clock, worker, shop)
        draft = Draft(url=right.url)
        allowed = endpoint_urls.networks(HERE)
        await configurations.update(db, shop.account, shop.channel, "webhook", endpoint, draft, allowed=allowed, now=clock.now)
        await worker.settle()
        assert len(right.calls) == 7, "those that wait for no retry"
        clock.move(seconds=5)
        await worker.settle()
        assert set(await shop.states()) == {"delivered"}


# --- replaying


async def test_replay_of_one(db: Pool, shop: Shop, bob: Shop) -> None:
    clock = Clock(START)
    async with open_sink() as sink, open_worker(db, clock) as worker:
        await shop.add(sink.url)
        await shop.receive("one", "two", now=clock.now)
        await worker.settle()
        one, _ = await shop.deliveries()
        clock.move(days=3)
        await deliveries.replay(db, shop.account, one.id, clock.now)
        with pytest.raises(NotFoundError):
            await deliveries.replay(db, bob.account, one.id, clock.now)
        await worker.settle()
        assert [text_of(call) for call in sink.calls] == ["one", "two", "one"]
        assert sink.calls[0].body == sink.calls[2].body
        assert sink.calls[0].headers["webhook-id"] == sink.calls[2].headers["webhook-id"]
        assert int(sink.calls[2].headers["webhook-timestamp"]) == int(clock.now.timestamp())
        found, attempts = await deliveries.get(db, shop.account, one.id)
        assert (found.state, found.attempts, len(attempts), found.delivered_at) == ("delivered", 1, 2, clock.now)


async def test_replay_since(db: Pool, shop: Shop) -> None:
    """Those in the state, since the instant, of the endpoint or of all."""
    clock = Clock(START)
    async with open_sink() as first, open_sink() as second, open_worker(db, clock) as worker:
        one, two = await shop.add(first.url), await shop.add(second.url)
        for text in "abc":
            await shop.receive(text, now=clock.now)
            await worker.settle()
            clock.move(hours=1)
        since = START + timedelta(hours=1)

        async def again(endpoint: object, state: str = "delivered") -> tuple[int, str, str]:
            first.calls.clear()
            second.calls.clear()
            chosen = {"one": one, "two": two}.get(str(endpoint))
            count = await deliveries.replay_since(db, shop.account, since, chosen, state, clock.now)
            await worker.settle()
            return count, "".join(map(text_of, first.calls)), "".join(map(text_of, second.calls))

        assert await again(None) == (4, "bc", "bc")
        assert await again("one") == (2, "bc", "")
        assert await again("two", "failed") == (0, "", "")


async def test_a_replay_of_many_takes_all_of_them(db: Pool, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "REPLAYED_ROWS", 3)
    clock = Clock(START)
    async with open_sink() as sink:
        endpoint = await shop.add(sink.url)
    await db.execute("UPDATE channel_endpoint SET disabled_at = now() WHERE id = $1", endpoint)
    await shop.receive(*"abcdefg", now=clock.now)
    assert set(await shop.states()) == {"failed"}
    with pytest.raises(ConflictError):
        await deliveries.replay_since(db, shop.account, START, endpoint, "failed", clock.now)
    assert await deliveries.replay_since(db, shop.account, START, None, "failed", clock.now) == 0
    await deliveries.enable(db, shop.account, endpoint, clock.now)
    for state, count in (("failed", 7), ("pending", 7), ("failed", 0)):
        assert await deliveries.replay_since(db, shop.account, START, None, state, clock.now) == count
    assert set(await shop.states()) == {"pending"}
    await db.execute("DELETE FROM delivery WHERE account_id = $1", shop.account)


async def test_a_replay_during_an_attempt_is_not_swallowed(db: Pool, shop: Shop) -> None:
    """The attempt belongs to before, whether it fails for the last time or is taken."""
    clock = Clock(START)
    for status in (410, 500, 200):
        go = asyncio.Event()

        async def wait(_: Call, writer: asyncio.StreamWriter, go: asyncio.Event = go, status: int = status) -> None:
            await go.wait()
            writer.write(answer(500 if status == 410 else status))

        async with open_sink(wait, answer(200)) as sink, open_worker(db, clock, PATIENT) as worker:
            endpoint = await shop.add(sink.url)
            await shop.receive("hello", now=clock.now)
            (found,) = await shop.deliveries(endpoint=endpoint)
            if status == 410:
                clock.move(days=30)  # its last attempt
            working = asyncio.create_task(worker.settle())
            await sink.wait(1)
            clock.now += TICK
            await deliveries.replay(db, shop.account, found.id, clock.now)
            go.set()
            await working
            await worker.settle()
            found, attempts = await deliveries.get(db, shop.account, found.id)
            assert (found.state, found.attempts, len(attempts), len(sink.calls)) == ("delivered", 1, 2, 2)
            await configurations.delete(db, shop.account, shop.channel, "webhook", endpoint, clock.now)


# --- recording


async def test_what_is_forgotten(db: Pool, shop: Shop, bob: Shop) -> None:
    """Deliveries that are over, and their attempts; not those that wait, however old."""
    long_ago = START.replace(year=2025)
    clock = Clock(long_ago)
    async with open_sink(answer(200), answer(500)) as sink, open_worker(db, clock, PATIENT) as worker:
        await shop.add(sink.url)
        await bob.add(sink.url)
        await shop.receive("one", "two", now=clock.now)
        await worker.settle()
        clock.move(days=1)
        await bob.receive("three", now=clock.now)
        assert await delivery_work.purge(db, long_ago, 100) == 0
        assert await delivery_work.purge(db, long_ago + TICK, 100) == 1
        assert await shop.states() == ["retrying"]
        (count,) = await db.fetch("SELECT count(*) FROM delivery_attempt WHERE account_id = $1", shop.account)
        assert count["count"] == 1
        assert await bob.states() == ["pending"]


async def test_attempts_are_counted_for_the_figures(db: Pool, shop: Shop) -> None:
    clock = Clock(START)
    holder = ids.new_id()
    async with open_sink() as sink:
        endpoint = await shop.add(sink.url)
    await shop.receive("one", "two", "three", now=clock.now)
    assert await delivery_work.take(db, endpoint, holder, clock.now)
    batch = await delivery_work.next_batch(db, shop.account, endpoint, holder, clock.now)
    assert batch is not None
    statuses = (200, 500, 410)
    outcomes = [
        Outcome(delivery, clock.now, 7, status == 200, status, None, None) for delivery, status in zip(batch[1], statuses, strict=True)
    ]
    goes_on = await delivery_work.record(
        db, shop.account, endpoint, holder, outcomes, schedule=STANDARD, chance=random.Random(1), now=clock.now
    )
    assert not goes_on
    rows = await db.fetch("SELECT outcome, amount FROM delivery_count WHERE worker_id = $1", holder)
    assert {row["outcome"]: row["amount"] for row in rows} == {"delivered": 1, "retrying": 1, "failed": 1}
    assert await shop.states() == ["delivered", "failed", "failed"], "410 takes the rest along"


async def test_what_nobody_sends_is_overdue_and_what_rests_is_not(db: Pool, shop: Shop) -> None:
    clock = Clock(datetime(1999, 1, 1, tzinfo=UTC))  # before whatever others left
    assert await delivery_work.overdue(db, clock.now) == 0
    async with open_sink(answer(500)) as sink, open_worker(db, clock) as worker:
        endpoint = await shop.add(sink.url)
        await shop.receive(*"abcdefg", now=clock.now)
        clock.move(seconds=90)
        assert await delivery_work.overdue(db, clock.now) == 90
        holder = ids.new_id()
        assert await delivery_work.take(db, endpoint, holder, clock.now)
        assert await delivery_work.overdue(db, clock.now) == 0, "a worker is at it"
        await delivery_work.release(db, endpoint, holder)
        await worker.settle()
        assert "pending" in await shop.states()
        clock.move(seconds=1)
        assert await delivery_work.overdue(db, clock.now) == 0, "it rests"
        clock.move(seconds=60)
        assert await delivery_work.overdue(db, clock.now) > 0
        await db.execute("DELETE FROM delivery WHERE account_id = $1", shop.account)
