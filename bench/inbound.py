"""Messages that come in: accepted → delivered with 8 endpoints against a bare aiohttp loop that posts the same bodies, one after the other
at each endpoint; accepting alone, one message a call and many, against the bare INSERT of the same rows in as many transactions; and both
once more for an account with a million messages in its log against one that begins with its own.
"""

import asyncio
import itertools
import multiprocessing
from collections.abc import Sequence
from multiprocessing.connection import Connection

import aiohttp
import asyncpg
import msgspec
from aiohttp import web

from bench.house import Book, House, Http, Row, in_turn, seconds
from reachbook.core import catalogues, configurations, endpoint_urls, ids, inbound_formats, keywords, numbers, tokens
from reachbook.core.configurations import Draft
from reachbook.core.inbound_formats import Message

ENDPOINTS = 8
MESSAGES, SINGLES, AT_A_TIME, ROUNDS = 1_000, 1_000, 8, 3
BATCH = 50  # messages a call, as a gateway with a queue hands them over
LOGGED = 1_000_000
NUMBER = "31970300001"
REFERENCE = "INSERT INTO inbound_reference (key, received_at) VALUES ($1, $2)"
DELIVERY = """
INSERT INTO delivery (account_id, id, endpoint_id, channel_id, kind, reference, method, payload, form, state, created_at, started_at)
VALUES ($1, $2, $3, $4, 'webhook', 'bench', 'POST', $5, 'json', 'failed', $6, $6)
"""
LOCAL = endpoint_urls.networks("127.0.0.0/8")


async def run(house: House) -> list[Row]:
    """Deliveries and messages a second."""
    type = await catalogues.save_number_type(
        house.db, None, catalogues.NumberTypeDraft(country="NL", category="MOBILE", description="Bench")
    )
    await numbers.stock(house.db, [numbers.Draft(f"+{NUMBER}", type.id, True)], ids.now())
    value = await tokens.create(house.db, None, ids.new_id(), name="bench", scopes=["gateway"], now=ids.now())
    gateway = Gateway(house, value)
    book, logged, young = [await house.empty_book(name) for name in ("Inbound", "Logged", "Young")]
    with Sink() as sink:
        await _claim(house, book, "BENCH", sink.port)
        await _claim(house, logged, "LOGGED", sink.port, keeps_log=True)
        await _claim(house, young, "YOUNG", sink.port, keeps_log=True)
        await gateway.deliver(sink, "BENCH")
        delivered = await in_turn(ROUNDS, lambda: gateway.deliver(sink, "BENCH"), lambda: _posted(sink))
        await _fill_log(house, logged)
        with_log = await in_turn(ROUNDS, lambda: gateway.deliver(sink, "LOGGED"), lambda: gateway.deliver(sink, "YOUNG"))
    quiet = await house.empty_book("Quiet")
    await _claim(house, quiet, "QUIET", None)
    await _claim(house, logged, "LOGONLY", None, keeps_log=True)
    await _claim(house, young, "YOUNGONLY", None, keeps_log=True)
    accepted = await in_turn(ROUNDS, lambda: gateway.accept("QUIET"), lambda: _inserted(house, quiet))
    batches = await in_turn(ROUNDS, lambda: gateway.accept("QUIET", BATCH), lambda: _inserted(house, quiet, BATCH))
    accepted_with_log = await in_turn(ROUNDS, lambda: gateway.accept("LOGONLY"), lambda: gateway.accept("YOUNGONLY"))
    return [
        Row("accepted → delivered, 8 endpoints", *delivered, 0.4, "deliveries/s"),
        Row("accepted alone, one a call, 8 at a time", *accepted, 0.5, "messages/s"),
        Row(f"accepted alone, {BATCH} a call", *batches, 0.5, "messages/s"),
        Row("delivered behind 1M in the log", *with_log, 1 / 1.2, "deliveries/s"),
        Row("accepted behind 1M in the log", *accepted_with_log, 1 / 1.2, "messages/s"),
    ]


async def _claim(house: House, book: Book, word: str, port: int | None, *, keeps_log: bool = False) -> None:
    claim = await keywords.claim(house.db, book.account, ids.new_id(), NUMBER, word, simulate=False, now=ids.now())
    for number in range(ENDPOINTS if port else 1):
        # One that is disabled takes its deliveries without anybody sending them: accepting alone.
        draft = Draft("POST", f"http://127.0.0.1:{port or 9}/{number}", "Json")
        await configurations.add(house.db, book.account, claim.channel_id, "webhook", draft, allowed=LOCAL, now=ids.now())
    if port is None:
        await house.db.execute(
            "UPDATE channel_endpoint SET disabled_at = now() WHERE account_id = $1 AND target LIKE '%:9/0'", book.account
        )
    if keeps_log:
        await configurations.keep_log(house.db, book.account, claim.channel_id, enabled=True, now=ids.now())


class Gateway:
    """Hands over messages."""

    def __init__(self, house: House, token: str) -> None:
        self._house, self._token = house, token
        self._fresh = itertools.count()

    def _message(self, word: str) -> dict[str, object]:
        number = next(self._fresh)
        return {
            "reference": f"bench-{number}",
            "from": {"number": f"+316{10_000_000 + number % 80_000_000}"},
            "to": {"number": f"00{NUMBER}"},
            "message": {"text": f"{word} I would like to take part, please. Number {number}"},
            "timeUtc": "2026-01-31T12:00:00",
            "channel": "SMS",
        }

    async def deliver(self, sink: "Sink", word: str) -> float:
        """Deliveries a second, from the first message handed over to the last one at its endpoint."""
        sink.reset()
        client = await Http(self._house.port, self._token).open()
        bodies = [msgspec.json.encode([self._message(word) for _ in range(BATCH)]) for _ in range(MESSAGES // BATCH)]

        async def work() -> None:
            for body in bodies:
                status, _ = await client.call("POST", "/gateway/v1/messages", body)
                assert status == 202
            while sink.count() < MESSAGES * ENDPOINTS:
                await asyncio.sleep(0.01)

        return MESSAGES * ENDPOINTS / await seconds(work)

    async def accept(self, word: str, at_once: int = 1) -> float:
        """Messages a second, so many a call; one a call by several clients."""
        clients = [await Http(self._house.port, self._token).open() for _ in range(AT_A_TIME if at_once == 1 else 1)]
        calls = [[self._message(word) for _ in range(at_once)] for _ in range(SINGLES if at_once == 1 else MESSAGES // at_once)]
        bodies = iter([msgspec.json.encode(call) for call in calls])

        async def work(client: Http) -> None:
            for body in bodies:
                status, _ = await client.call("POST", "/gateway/v1/messages", body)
                assert status == 202

        return len(calls) * at_once / await seconds(lambda: asyncio.gather(*map(work, clients)))


def _body() -> bytes:
    text = "BENCH I would like to take part, please. Number 1000"
    return inbound_formats.json_message(Message("bench-1000", "SMS", "+31610000000", NUMBER, ids.now(), text))


async def _posted(sink: "Sink") -> float:
    """The same bodies from a bare loop."""
    body = _body()

    async def post(client: aiohttp.ClientSession, number: int) -> None:
        for _ in range(MESSAGES):
            async with client.post(f"http://127.0.0.1:{sink.port}/{number}", data=body) as answer:
                await answer.read()

    async with aiohttp.ClientSession() as client:
        return MESSAGES * ENDPOINTS / await seconds(lambda: asyncio.gather(*(post(client, number) for number in range(ENDPOINTS))))


async def _inserted(house: House, book: Book, at_once: int = 1) -> float:
    """The same rows from bare connections: the reference, and the delivery."""
    connections = [await house.connection() for _ in range(AT_A_TIME if at_once == 1 else 1)]
    found = await house.db.fetchrow("SELECT id FROM channel_endpoint WHERE account_id = $1", book.account)
    assert found is not None
    count = SINGLES if at_once == 1 else MESSAGES // at_once
    body, numbered = _body(), iter(range(count))

    async def insert(connection: asyncpg.Connection) -> None:
        for _ in numbered:
            now = ids.now()
            rows = [(book.account, ids.new_id(), found["id"], ids.new_id(), body, now) for _ in range(at_once)]
            async with connection.transaction():
                await connection.executemany(REFERENCE, [(ids.new_id().bytes, now) for _ in rows])
                await connection.executemany(DELIVERY, rows)

    result = count * at_once / await seconds(lambda: asyncio.gather(*map(insert, connections)))
    for connection in connections:
        await connection.close()
    return result


async def _fill_log(house: House, book: Book) -> None:
    owner = await asyncpg.connect(house.owner_url)
    channel = await owner.fetchval("SELECT id FROM channel WHERE account_id = $1", book.account)
    given, now = (
        msgspec.json.encode({"from": {"number": "+31610000000"}, "message": {"text": "A text of usual length"}}).decode(),
        ids.now(),
    )
    for _ in range(LOGGED // 50_000):
        rows = [(book.account, id, channel, "x", "SMS", given, now) for id in (ids.new_id() for _ in range(50_000))]
        await owner.copy_records_to_table("inbound_message", records=rows)
    await owner.execute("VACUUM ANALYZE inbound_message")
    await owner.close()


class Sink:
    """An HTTP server in a process of its own that answers 200 and counts."""

    def __enter__(self) -> "Sink":
        self._pipe, theirs = multiprocessing.Pipe()
        self._process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        self.port: int = self._pipe.recv()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join()

    def reset(self) -> None:
        """Count from 0."""
        self._pipe.send("reset")
        self._pipe.recv()

    def count(self) -> int:
        """How many came."""
        self._pipe.send("count")
        return self._pipe.recv()


def _serve(pipe: Connection) -> None:
    asyncio.run(_sink(pipe))


async def _sink(pipe: Connection) -> None:
    came = 0

    async def take(request: web.Request) -> web.Response:
        nonlocal came
        await request.read()
        came += 1
        return web.Response(text="ok")

    app = web.Application()
    app.router.add_route("*", "/{number}", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    addresses: Sequence[tuple[str, int]] = runner.addresses
    pipe.send(addresses[0][1])
    while True:
        if pipe.poll():
            came = 0 if pipe.recv() == "reset" else came
            pipe.send(came)
        await asyncio.sleep(0.005)
