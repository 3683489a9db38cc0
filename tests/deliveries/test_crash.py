"""kill -9 of the worker and of the whole server while messages come in and go out: what was answered 202 gets to where it is to go."""

import asyncio
import contextlib
import itertools
import json
import random
import re
from collections import Counter
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import psutil
import pytest

from reachbook.core import accounts, deliveries, ids, tokens
from reachbook.database.location import Location
from reachbook.database.pool import Pool, open_pool
from tests.conftest import new_database
from tests.deliveries.mailboxes import Mailbox, open_mailbox
from tests.deliveries.shops import HERE, PERSON, Shop, open_shop
from tests.deliveries.sinks import Call, Sink, answer, open_sink
from tests.support import Server

SECONDS = 180  # longer than anything takes: to fail instead of hanging
REFERENCE = re.compile(r"^Reference: (\S+)\s*$", re.MULTILINE)


class Gateway:
    """Clients that hand messages over, one to three at a time, and hand over again what they got no answer for."""

    def __init__(self, number: str, token: str) -> None:
        self.number, self.headers = number, {"Authorization": f"Bearer {token}"}
        self.taken: set[str] = set()
        self.unanswered: list[list[dict[str, Any]]] = []
        self._serial = itertools.count()

    def _batch(self) -> list[dict[str, Any]]:
        common = {"from": {"number": PERSON}, "to": {"number": self.number}, "channel": "SMS"}
        return [{**common, "reference": f"ref-{next(self._serial)}", "message": {"text": "héllo"}} for _ in range(random.randint(1, 3))]

    async def hand_over(self, http: httpx.AsyncClient) -> None:
        """Until the connection breaks."""
        while True:
            batch = self.unanswered.pop() if self.unanswered else self._batch()
            try:
                reply = await http.post("/gateway/v1/messages", json=batch)
            except httpx.TransportError:
                self.unanswered.append(batch)
                return
            assert reply.status_code == 202, reply.text
            self.taken |= {message["reference"] for message in batch}
            await asyncio.sleep(random.random() / 50)

    @contextlib.asynccontextmanager
    async def at_work(self, server: Server) -> AsyncGenerator[None]:
        """Three of them."""
        async with httpx.AsyncClient(base_url=server.url, headers=self.headers, timeout=SECONDS) as http:
            tasks = [asyncio.create_task(self.hand_over(http)) for _ in range(3)]
            yield
            for task in tasks:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)], outcomes

    async def more(self, count: int) -> None:
        """Until so many more were taken."""
        enough = len(self.taken) + count
        async with asyncio.timeout(SECONDS):
            while len(self.taken) < enough:
                await asyncio.sleep(0.005)


class Town:
    """Where an account has its messages sent: two webhooks and customer contact that fail now and then, a mailbox, one that never works."""

    def __init__(self, first: Sink, second: Sink, contact: Sink, sour: Sink, box: Mailbox) -> None:
        self.first, self.second, self.contact, self.sour, self.box = first, second, contact, sour, box
        self.took: dict[str, Counter[str]] = {"mail": Counter()}
        self.read = 0

    async def set_up(self, shop: Shop) -> None:
        """An endpoint for each."""
        await shop.add(self.first.url)
        await shop.add(self.second.url, method="PUT")
        await shop.add(self.sour.url)
        await shop.add(self.contact.url, "customerContact")
        await shop.add("ann@example.com", "email")
        for name in ("first", "second", "contact"):
            self.took[name] = Counter()
            getattr(self, name).answers = [self._fickle(name)]

    def _fickle(self, name: str) -> Any:
        async def reply(call: Call, writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(random.random() / 100)
            if random.random() < 0.1:
                writer.write(answer(503))
            else:
                self.took[name][json.loads(call.body)["reference"]] += 1
                writer.write(answer(200))

        return reply

    def missing(self, taken: set[str]) -> dict[str, int]:
        """How many of these have not arrived, by place."""
        while self.read < len(self.box.received):  # each mail once: there are thousands
            self.took["mail"][REFERENCE.findall(self.box.received[self.read].mail.get_content())[0]] += 1
            self.read += 1
        return {name: count for name, arrived in self.took.items() if (count := len(taken - arrived.keys()))}


async def kill_worker(server: Server) -> None:
    """The worker alone; the server starts another."""
    assert server.process is not None
    workers = [one for one in psutil.Process(server.process.pid).children() if one.cmdline()[-1:] == ["worker"]]
    for one in workers:
        one.kill()
    assert len(workers) <= 1


async def kill_server(server: Server) -> None:
    """All of it, at once."""
    assert server.process is not None
    family = psutil.Process(server.process.pid).children(recursive=True)
    server.kill()
    psutil.wait_procs(family, timeout=SECONDS)


@contextlib.asynccontextmanager
async def closing(pool: Pool) -> AsyncGenerator[None]:
    """Close it at the end."""
    yield
    await pool.close()


async def kill_over_and_over(embedded: Location, name: str, rounds: int) -> None:
    """The server in each first round, the worker alone in each second, after which nobody starts anything."""
    location = await new_database(embedded, name)
    pool = await open_pool(location.app_url, most=5, statement_seconds=60)
    async with (
        closing(pool),
        open_sink() as first,
        open_sink() as second,
        open_sink() as contact,
        open_sink(answer(500)) as sour,
        open_mailbox() as box,
    ):
        made = await accounts.create(pool, ids.new_id(), "Alice", "NL", ids.now())
        shop = await open_shop(pool, made.id)
        bob = await open_shop(pool, (await accounts.create(pool, ids.new_id(), "Bob", "NL", ids.now())).id)
        town = Town(first, second, contact, sour, box)
        await town.set_up(shop)
        await bob.add(first.url)
        gateway = Gateway(f"+{shop.number}", await tokens.create(pool, None, ids.new_id(), name="g", scopes=["gateway"], now=ids.now()))
        settings = {"delivery_allow": HERE, "delivery_retry_seconds": "0.2,0.5,1", "smtp_url": f"smtp://127.0.0.1:{box.port}"}
        server = Server(location, **settings)
        await asyncio.to_thread(server.start)
        try:
            for turn in range(rounds):
                async with gateway.at_work(server):
                    await gateway.more(random.randint(5, 120))
                    await asyncio.sleep(random.random() / 4)
                    if turn % 2:
                        await kill_worker(server)
                        await gateway.more(random.randint(5, 60))
                    else:
                        await kill_server(server)
                if not turn % 2:
                    await asyncio.to_thread(server.start)
            async with gateway.at_work(server):
                await gateway.more(10)
            started = asyncio.get_running_loop().time()
            while missing := town.missing(gateway.taken):
                assert asyncio.get_running_loop().time() < started + SECONDS, f"never arrived: {missing} of {len(gateway.taken)}"
                await asyncio.sleep(0.2)
            seconds = asyncio.get_running_loop().time() - started
            again = {place: sum(count - 1 for count in arrived.values()) for place, arrived in town.took.items()}
            print(f"{len(gateway.taken)} messages, all arrived {seconds:.1f} s after the last one; more than once: {again}")
            await account_for(shop, gateway.taken)
            assert await bob.deliveries() == []
            assert await asyncio.to_thread(server.stop) == 0
        finally:
            if server.process is not None and server.process.poll() is None:
                await kill_server(server)


async def account_for(shop: Shop, taken: set[str]) -> None:
    """Each message was stored once, with a delivery for each endpoint: that one is taken, or its next attempt is known."""
    endpoints = await deliveries.endpoints(shop.db, shop.account)
    assert [one.disabled_at for one in endpoints] == [None] * 5
    async with asyncio.timeout(SECONDS):
        while True:
            listed = await shop.deliveries()
            waiting = {one.endpoint_id for one in listed if one.state != "delivered"}
            if len(waiting) == 1:
                break  # what arrived just now is recorded a moment later
            await asyncio.sleep(0.2)
    by_place = Counter((one.endpoint_id, one.reference) for one in listed)
    assert set(by_place.values()) == {1}
    references = {one.reference for one in listed}
    assert taken <= references
    assert len(by_place) == 5 * len(references)
    at_sour = [one for one in listed if one.endpoint_id in waiting]
    assert {one.state for one in at_sour} == {"pending", "retrying"}
    assert all(one.next_at for one in at_sour)
    _, attempts = await deliveries.get(shop.db, shop.account, next(one.id for one in at_sour if one.state == "retrying"))
    assert {attempt.status for attempt in attempts} == {500}


async def test_what_was_taken_arrives(embedded: Location) -> None:
    await kill_over_and_over(embedded, "crash", 2)


@pytest.mark.soak
async def test_what_was_taken_arrives_over_and_over(embedded: Location) -> None:
    await kill_over_and_over(embedded, "crashes", 30)
