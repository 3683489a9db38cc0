"""Endpoints that hang beside endpoints that don't, and several workers on one database, some of which die."""

import asyncio
import contextlib
import json
import random
import time
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from reachbook.core import delivery_work
from reachbook.core.delivery_work import LEASE_SECONDS
from reachbook.core.ids import AccountId
from reachbook.core.retry_schedule import STANDARD
from reachbook.database.errors import UnavailableError
from reachbook.database.pool import Pool
from reachbook.database.queries import Record, Transaction
from tests.core.book import new_account
from tests.deliveries.shops import Clock, Shop, Worker, open_shop, open_worker
from tests.deliveries.sinks import Call, answer, hang, open_sink

TICK = 0.001
PATIENT = STANDARD._replace(timeout=60.0)
MANY = 10_000

REPEAT = """
INSERT INTO delivery (account_id, id, endpoint_id, channel_id, kind, reference, method, payload, form, state, created_at,
    started_at, next_at)
SELECT account_id, gen_random_uuid(), endpoint_id, channel_id, kind, reference || '-' || n, method, payload, form, state, created_at,
    started_at, next_at
FROM delivery, generate_series(2, $3) n WHERE account_id = $1 AND endpoint_id = $2
"""


def text_of(call: Call) -> str:
    """What the message says."""
    return json.loads(call.body)["message"]["text"]


# --- no endpoint slows another


async def test_a_dead_endpoint_with_ten_thousand_waiting_holds_up_no_other(db: Pool, shop: Shop, bob: Shop) -> None:
    """A message to another endpoint, of the same account or not, arrives while the first attempt at the dead one still hangs."""
    async with open_sink(hang) as dead, open_sink() as alive, open_sink() as others, open_worker(db, schedule=PATIENT) as worker:
        endpoint = await shop.add(dead.url)
        await shop.receive("into the void")
        await db.execute(REPEAT, shop.account, endpoint, MANY)
        await shop.add(alive.url)
        await bob.add(others.url)
        task = asyncio.create_task(worker.deliverer.work(db, worker.stopping))
        await dead.wait(1)
        seconds: list[float] = []
        for number in range(1, 6):
            before = time.monotonic()
            await shop.receive("hello")
            await bob.receive("hello")
            await alive.wait(number)
            await others.wait(number)
            seconds.append(time.monotonic() - before)
        assert (len(dead.calls), dead.connections) == (1, 1)
        assert await db.fetchval("SELECT count(*) FROM delivery WHERE endpoint_id = $1 AND state = 'pending'", endpoint) == MANY + 5
        print(f"beside {MANY} at a dead endpoint: {max(seconds):.3f} s at most from acceptance to arrival")
        assert max(seconds) < 15, "should be within one"
        worker.stopping.set()
        dead.stop()
        await asyncio.wait_for(task, 60)


async def test_many_endpoints_that_hang_hold_up_no_other(db: Pool, bob: Shop) -> None:
    async with open_sink(hang) as dead, open_sink() as alive, open_worker(db, schedule=PATIENT) as worker:
        for _ in range(5):
            shop = await open_shop(db, await new_account(db))
            for _ in range(10):
                await shop.add(dead.url)
            await shop.receive("into the void")
        await bob.add(alive.url)
        task = asyncio.create_task(worker.deliverer.work(db, worker.stopping))
        await dead.wait(50)
        await bob.receive("one", "two", "three")
        await alive.wait(3)
        assert len(dead.calls) == 50
        worker.stopping.set()
        dead.stop()
        await asyncio.wait_for(task, 60)


class Faulty:
    """A database that is away for some of what is asked: the first so many looks for work."""

    def __init__(self, db: Pool, looks: int) -> None:
        self._db, self.looks = db, looks

    async def fetch(self, query: str, *values: object) -> Sequence[Record]:
        """Rows, or none to be had."""
        if query == delivery_work.DUE and self.looks:
            self.looks -= 1
            raise UnavailableError("away")
        return await self._db.fetch(query, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)


async def test_a_look_that_fails_waits_for_no_endpoint(db: Pool, shop: Shop, bob: Shop) -> None:
    """Work goes on at the next look though an endpoint hangs, which is nobody's fault."""
    faulty: Any = Faulty(db, 0)
    async with open_sink(hang, answer(200)) as dead, open_sink() as alive, open_worker(db, schedule=PATIENT) as worker:
        await shop.add(dead.url)
        await bob.add(alive.url)
        await shop.receive("into the void")
        task = asyncio.create_task(worker.deliverer.work(faulty, worker.stopping))
        await dead.wait(1)
        faulty.looks = 1
        with pytest.raises(UnavailableError):
            await asyncio.wait_for(task, 30)
        task = asyncio.create_task(worker.deliverer.work(faulty, worker.stopping))
        await bob.receive("hello")
        await alive.wait(1)
        assert (len(dead.calls), await shop.states()) == (1, ["pending"])
        worker.stopping.set()
        dead.stop()
        await asyncio.wait_for(task, 60)
        assert await shop.states() == ["retrying"], "what was being sent was recorded"


# --- several at once


async def test_several_workers_send_nothing_twice(db: Pool, bob: Shop) -> None:
    """Endpoints that fail now and then: each message is taken once at each, and each attempt is logged, whoever made it."""
    chance = random.Random(11)
    schedule = STANDARD._replace(pauses=(0.05, 0.1), every=0.2, row=50)
    taken: Counter[tuple[str, str]] = Counter()
    first: dict[str, list[str]] = {}

    async def fickle(call: Call, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(chance.random() / 200)
        seen = first.setdefault(call.path, [])
        if text_of(call) not in seen:
            seen.append(text_of(call))
        if chance.random() < 0.15:
            writer.write(answer(500))
        else:
            taken[call.path, text_of(call)] += 1
            writer.write(answer(200))

    shops = [await open_shop(db, await new_account(db)) for _ in range(3)]
    async with contextlib.AsyncExitStack() as stack:
        sink = await stack.enter_async_context(open_sink(fickle))
        workers = [await stack.enter_async_context(open_worker(db, schedule=schedule)) for _ in range(4)]
        for number, shop in enumerate(shops):
            for place in range(4):
                await shop.add(f"{sink.url}/{number}/{place}")
        for worker in workers:
            await stack.enter_async_context(worker.at_work())
        texts: list[list[str]] = [[], [], []]
        for turn in range(40):
            number = turn % 3
            texts[number].append(f"text {turn}")
            await shops[number].receive(texts[number][-1])
            await asyncio.sleep(chance.random() / 100)
        for shop in shops:
            await shop.until(lambda states: set(states) == {"delivered"})
    expected = {(f"/in/{number}/{place}", text) for number in range(3) for place in range(4) for text in texts[number]}
    assert set(taken) == expected
    assert set(taken.values()) == {1}
    attempts = [await db.fetchval("SELECT count(*) FROM delivery_attempt WHERE account_id = $1", shop.account) for shop in shops]
    counted = [await db.fetchval("SELECT sum(attempts) FROM delivery WHERE account_id = $1", shop.account) for shop in shops]
    assert sum(attempts) == sum(counted) == len(sink.calls)
    for number in range(3):
        for place in range(4):
            assert first[f"/in/{number}/{place}"] == texts[number], "in order of arrival, as far as first attempts go"
    assert await bob.deliveries() == []


async def test_a_worker_that_is_told_to_stop_finishes_what_it_sends(db: Pool, shop: Shop) -> None:
    """And leaves the rest to others, at once."""
    go = asyncio.Event()

    async def wait(_: Call, writer: asyncio.StreamWriter) -> None:
        await go.wait()
        writer.write(answer(200))

    clock = Clock()
    async with open_sink(wait, answer(200)) as sink, open_worker(db, clock) as one, open_worker(db, clock) as other:
        await shop.add(sink.url)
        await shop.receive("one", "two", "three", now=clock.now)
        task = asyncio.create_task(one.deliverer.work(db, one.stopping))
        await sink.wait(1)
        one.stopping.set()
        go.set()
        await asyncio.wait_for(task, 60)
        assert (len(sink.calls), await shop.states()) == (1, ["delivered", "pending", "pending"])
        await other.settle()
        assert [text_of(call) for call in sink.calls] == ["one", "two", "three"]


# --- those that die


class Cut:
    """A database that nothing is recorded in any more: as for a process that is gone, but for what it had sent."""

    def __init__(self, db: Pool) -> None:
        self._db = db
        self.reached = asyncio.Event()

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Never begins."""
        return self._never()

    @contextlib.asynccontextmanager
    async def _never(self) -> AsyncGenerator[Transaction]:
        self.reached.set()
        await asyncio.Event().wait()
        raise AssertionError
        yield

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)


async def killed(task: asyncio.Task[Any]) -> None:
    """In the middle of what it does. (Its lease stays, as after kill -9.)"""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def lease_lasts(worker: Worker, clock: Clock, calls: list[Call]) -> None:
    """The endpoint is nobody's until the lease has run out; then it is the worker's."""
    before = len(calls)
    await worker.settle()
    clock.move(seconds=LEASE_SECONDS - TICK)
    await worker.settle()
    assert len(calls) == before
    clock.move(seconds=TICK)
    await worker.settle()


@pytest.mark.parametrize("when", ["before the answer", "before it is recorded"])
async def test_one_that_dies_is_followed_by_another(db: Pool, shop: Shop, when: str) -> None:
    """What it was sending goes out again, under the same id; what it had recorded does not."""
    clock = Clock()
    replies = [answer(200), hang, answer(200)] if when == "before the answer" else [answer(200)]
    async with open_sink(*replies) as sink, open_worker(db, clock) as one, open_worker(db, clock) as other:
        await shop.add(sink.url)
        await shop.receive("zero", now=clock.now)
        await one.settle()
        await shop.receive("one", "two", now=clock.now)
        (due,) = await delivery_work.due(db, clock.now, 10)
        cut: Any = Cut(db)
        task = asyncio.create_task(one.deliverer.drain(cut, due, one.stopping))
        if when == "before the answer":
            await sink.wait(2)
        else:
            await asyncio.wait_for(cut.reached.wait(), 60)
        await killed(task)
        gone = len(sink.calls)
        assert await shop.states() == ["delivered", "pending", "pending"]
        await lease_lasts(other, clock, sink.calls)
        assert await shop.states() == ["delivered"] * 3
        assert [text_of(call) for call in sink.calls[gone:]] == ["one", "two"]
        ids_of = {text_of(call): set[str]() for call in sink.calls}
        for call in sink.calls:
            ids_of[text_of(call)].add(call.headers["webhook-id"])
        assert {text: len(every) for text, every in ids_of.items()} == {"zero": 1, "one": 1, "two": 1}
        assert [text_of(call) for call in sink.calls].count("zero") == 1


@pytest.mark.parametrize("late", [200, 500, 410])
async def test_who_has_lost_the_endpoint_records_nothing(db: Pool, shop: Shop, late: int) -> None:
    """A worker that stood still for longer than its lease: another has sent it by then, and what became of that stands."""
    clock = Clock()
    go = asyncio.Event()

    async def wait(_: Call, writer: asyncio.StreamWriter) -> None:
        await go.wait()
        writer.write(answer(late))

    async with open_sink(wait, answer(202), answer(503)) as sink, open_worker(db, clock) as one, open_worker(db, clock) as other:
        endpoint = await shop.add(sink.url)
        await shop.receive("one", "two", now=clock.now)
        task = asyncio.create_task(one.settle())
        await sink.wait(1)
        await lease_lasts(other, clock, sink.calls)
        assert await shop.states() == ["delivered", "retrying"]
        before = [str(row) for table in ("delivery", "delivery_attempt") for row in await everything(db, shop.account, table)]
        lease = await db.fetchrow("SELECT * FROM endpoint_lease WHERE endpoint_id = $1", endpoint)
        go.set()
        await task
        after = [str(row) for table in ("delivery", "delivery_attempt") for row in await everything(db, shop.account, table)]
        assert after == before
        assert await db.fetchrow("SELECT * FROM endpoint_lease WHERE endpoint_id = $1", endpoint) == lease
        assert await db.fetchval("SELECT disabled_at FROM channel_endpoint WHERE id = $1", endpoint) is None
        # One that is taken is recorded with those after it: so much goes out before a worker sees that it has lost the endpoint.
        assert len(sink.calls) == (4 if late == 200 else 3)


async def everything(db: Pool, account: AccountId, table: str) -> Sequence[Record]:
    """A table of the account."""
    return await db.fetch(f"SELECT t::text FROM {table} t WHERE account_id = $1 ORDER BY id", account)


async def test_an_endpoint_that_takes_longer_than_a_lease_is_held(db: Pool, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator may allow that; others leave it alone meanwhile."""
    monkeypatch.setattr(delivery_work, "LEASE_SECONDS", 0.4)

    async def slow(_: Call, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(1.5)
        writer.write(answer(200))

    async with open_sink(slow) as sink, open_worker(db) as one, open_worker(db) as other:
        await shop.add(sink.url)
        await shop.receive("one")
        async with one.at_work(), other.at_work():
            await shop.until(lambda states: states == ["delivered"])
        assert len(sink.calls) == 1


class Story:
    """Three workers and three endpoints by one clock, and what chance makes of them."""

    def __init__(self, shop: Shop, workers: Sequence[Worker], clock: Clock, chance: random.Random) -> None:
        self.shop, self.workers, self.clock, self.chance = shop, workers, clock, chance
        self.texts: list[str] = []
        self.hangs = False
        self.hung: Counter[tuple[str, str]] = Counter()
        self.taken: Counter[tuple[str, str]] = Counter()

    async def answer(self, call: Call, writer: asyncio.StreamWriter) -> None:
        """Taken, refused, or nothing as long as it hangs."""
        what = (call.path, text_of(call))
        if self.hangs:
            self.hung[what] += 1
            await asyncio.Event().wait()
        is_taken = self.chance.random() >= 0.3
        self.taken[what] += is_taken
        writer.write(answer(200 if is_taken else 500))

    async def receive(self) -> None:
        """A message."""
        self.texts.append(f"text {len(self.texts)}")
        await self.shop.receive(self.texts[-1], now=self.clock.now)

    async def work(self) -> None:
        """One of them does what is due."""
        await self.chance.choice(self.workers).settle()

    async def work_together(self) -> None:
        """All of them at once."""
        await asyncio.gather(*(worker.settle() for worker in self.workers))

    async def die(self) -> None:
        """One is killed while it sends."""
        due = await delivery_work.due(self.shop.db, self.clock.now, 10)
        if due:
            self.hangs, hung = True, self.hung.total()
            worker = self.chance.choice(self.workers)
            task = asyncio.create_task(worker.deliverer.drain(self.shop.db, self.chance.choice(due), worker.stopping))
            async with asyncio.timeout(60):
                while self.hung.total() == hung:
                    await asyncio.sleep(0.001)
            await killed(task)
            self.hangs = False

    async def wait(self) -> None:
        """Seconds or minutes."""
        self.clock.move(seconds=self.chance.random() * self.chance.choice([10, 600]))

    async def end(self) -> None:
        """Until nothing waits any more."""
        waiting = "SELECT count(*) FROM delivery WHERE account_id = $1 AND next_at IS NOT NULL"
        async with asyncio.timeout(60):
            while await self.shop.db.fetchval(waiting, self.shop.account):
                self.clock.move(seconds=400)
                await self.work_together()


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_happens_everything_arrives(db: Pool, shop: Shop, bob: Shop, seed: int) -> None:
    """Messages, workers that work or die while they send, a clock that jumps, endpoints that fail: in the end each message has been
    taken at each endpoint, once: who died had no answer yet.
    """
    chance, clock = random.Random(seed), Clock()
    async with contextlib.AsyncExitStack() as stack:
        sink = await stack.enter_async_context(open_sink())
        workers = [await stack.enter_async_context(open_worker(db, clock, PATIENT._replace(row=1_000))) for _ in range(3)]
        story = Story(shop, workers, clock, chance)
        sink.answers = [story.answer]
        for place in range(3):
            await shop.add(f"{sink.url}/{place}")
        for _ in range(50):
            steps = [story.receive, story.work, story.work_together, story.die, story.die, story.wait, story.wait]
            await chance.choice(steps)()
        clock.move(seconds=LEASE_SECONDS)
        await story.receive()
        await story.die()
        await story.end()
    assert story.hung, "one died at least"
    assert set(await shop.states()) == {"delivered"}
    assert +story.taken == Counter((f"/in/{place}", text) for place in range(3) for text in story.texts)
    logged = await db.fetchval("SELECT count(*) FROM delivery_attempt WHERE account_id = $1", shop.account)
    assert logged == len(sink.calls) - story.hung.total()
    assert await bob.deliveries() == []
