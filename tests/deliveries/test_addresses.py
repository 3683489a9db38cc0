"""Nothing inside is reached: what names lead to is checked when the connection is made, and the connection goes to what was checked.

In these tests 127.0.0.2 is allowed, and stands for what is public; 127.0.0.1 is inside. Both have a sink on the same port.
"""

import contextlib
import random
import socket
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from reachbook.core import configurations
from reachbook.core.deliveries import Attempt
from reachbook.core.retry_schedule import STANDARD
from reachbook.database.pool import Pool
from tests.deliveries.mailboxes import authority
from tests.deliveries.shops import Clock, Shop, Worker, open_worker
from tests.deliveries.sinks import Sink, answer, open_sink

OUTSIDE, INSIDE = "127.0.0.2", "127.0.0.1"
ONLY_OUTSIDE = f"{OUTSIDE}/32"
QUICK = STANDARD._replace(timeout=2.0)
NAME = "shop.example"


class Names(AbstractResolver):
    """A name server: each look-up gets the next answer, the last of them from then on."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        """As aiohttp asks."""
        self.asked.append(host)
        found = self.answers[min(len(self.asked), len(self.answers)) - 1]
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "nobody has that name")
        kind = {address: socket.AF_INET6 if ":" in address else socket.AF_INET for address in found}
        return [
            ResolveResult(hostname=host, host=address, port=port, family=kind[address], proto=0, flags=socket.AI_NUMERICHOST)
            for address in found
        ]

    async def close(self) -> None:
        """Nothing to close."""


class Town(NamedTuple):
    """What is outside and what is inside, and a worker that asks a name server."""

    outside: Sink
    inside: Sink
    worker: Worker
    clock: Clock
    names: Names


@contextlib.asynccontextmanager
async def open_town(db: Pool, *looked_up: Sequence[str], allowed: str = ONLY_OUTSIDE, closes: bool = True) -> AsyncGenerator[Town]:
    """Sinks on one port; they close each connection, so that each attempt looks the name up."""
    clock, names = Clock(), Names(*looked_up)
    reply = answer(200, Set_Cookie="a=b", **({"Connection": "close"} if closes else {}))
    async with (
        open_sink(reply, host=OUTSIDE) as outside,
        open_sink(reply, host=INSIDE, port=outside.port) as inside,
        open_worker(db, clock, QUICK, allowed=allowed, resolver=names) as worker,
    ):
        yield Town(outside, inside, worker, clock, names)


async def point(shop: Shop, endpoint: UUID, url: str) -> None:
    """As it stands in the database, whatever is taken now: rules and allow-lists change."""
    await shop.db.execute("UPDATE channel_endpoint SET target = $2 WHERE id = $1", endpoint, url)


async def attempted(shop: Shop, town: Town, url: str) -> tuple[str, Attempt]:
    """One message to a URL: what became of it."""
    endpoint = await shop.add(f"http://{OUTSIDE}:{town.outside.port}/")
    await point(shop, endpoint, url)
    await shop.receive("hello", now=town.clock.now)
    await town.worker.settle()
    found, attempts = await shop.delivery(endpoint=endpoint)
    await configurations.delete(shop.db, shop.account, shop.channel, "webhook", endpoint, town.clock.now)
    return found.state, attempts[-1]


async def test_a_name_that_leads_outside(db: Pool, shop: Shop, bob: Shop) -> None:
    async with open_town(db, [OUTSIDE]) as town:
        state, attempt = await attempted(shop, town, f"http://{NAME}:{town.outside.port}/in")
        assert (state, attempt.status) == ("delivered", 200)
        assert town.outside.calls[0].headers["host"] == f"{NAME}:{town.outside.port}"
        assert (len(town.outside.calls), town.inside.connections) == (1, 0)
        assert town.names.asked == [NAME], "looked up once: what was checked is what is connected to"
    assert await bob.deliveries() == []


LEADS = {
    "a loopback address": ["127.0.0.1", "127.0.0.3", "127.255.255.254", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::1"],
    "a link-local address": ["169.254.169.254", "169.254.0.1", "::ffff:169.254.169.254", "fe80::1", "fe80::1%1", "64:ff9b::a9fe:a9fe"],
    "a private address": [
        *("10.0.0.1", "172.16.0.1", "192.168.1.1", "0.0.0.0", "198.18.0.1", "192.0.2.1", "255.255.255.255", "240.0.0.1"),  # noqa: S104
        *("::", "fd00:ec2::254", "fc00::1", "::ffff:10.0.0.1", "::ffff:0.0.0.0", "2001:db8::1"),
    ],
    "an address that is not public": ["100.64.0.1", "100.100.100.200", "224.0.0.1", "ff02::1", "ff0e::1"],
    "leads to": ["::127.0.0.1", "fec0::1", "64:ff9b:1::7f00:1"],
}


@pytest.mark.parametrize(("reason", "address"), [(reason, address) for reason, every in LEADS.items() for address in every])
async def test_a_name_that_leads_inside(db: Pool, shop: Shop, reason: str, address: str) -> None:
    """Alone, and among addresses that are outside, first or last."""
    for found in ([address], [OUTSIDE, address], [address, OUTSIDE], [OUTSIDE, OUTSIDE, address]):
        async with open_town(db, found) as town:
            state, attempt = await attempted(shop, town, f"http://{NAME}:{town.outside.port}/in")
            assert (state, attempt.status) == ("retrying", None)
            assert NAME in str(attempt.error)
            assert reason in str(attempt.error)
            assert (town.outside.connections, town.inside.connections) == (0, 0)


async def test_a_name_that_leads_elsewhere_a_moment_later(db: Pool, shop: Shop) -> None:
    """Each connection is checked by itself; and one that is kept alive goes on to where it was checked."""
    async with open_town(db, [OUTSIDE], [INSIDE]) as town:
        endpoint = await shop.add(f"http://{OUTSIDE}:{town.outside.port}/")
        await point(shop, endpoint, f"http://{NAME}:{town.outside.port}/in")
        await shop.receive("one", "two", "three", now=town.clock.now)
        await town.worker.settle()
        assert await shop.states() == ["delivered", "retrying", "retrying"]
        assert (len(town.outside.calls), town.inside.connections, len(town.names.asked)) == (1, 0, 3)
    async with open_town(db, [OUTSIDE], [INSIDE], closes=False) as town:
        await point(shop, endpoint, f"http://{NAME}:{town.outside.port}/in")
        await shop.receive("four", "five", now=town.clock.now)
        await town.worker.settle()
        assert (len(town.outside.calls), town.inside.connections, len(town.names.asked)) == (2, 0, 1)
        assert not any("cookie" in call.headers for call in town.outside.calls), "none of another account's either"


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_a_name_server_says(db: Pool, shop: Shop, seed: int) -> None:
    """Answers at random: outside is reached when all of an answer is there, inside never."""
    chance = random.Random(seed)
    pool = [OUTSIDE, OUTSIDE, INSIDE, "::ffff:127.0.0.1", "169.254.169.254", "::1", "10.0.0.1"]
    said = [chance.sample(pool, chance.randint(0, 2)) for _ in range(25)]
    fine = sum(bool(one) and set(one) == {OUTSIDE} for one in said)
    assert 0 < fine < 25
    async with open_town(db, *said) as town:
        endpoint = await shop.add(f"http://{OUTSIDE}:{town.outside.port}/")
        await point(shop, endpoint, f"http://{NAME}:{town.outside.port}/in")
        for _ in range(25):
            await shop.receive("hello", now=town.clock.now)
            await shop.db.execute("DELETE FROM endpoint_lease")  # it doesn't rest
            await shop.db.execute("UPDATE delivery SET state = 'failed', next_at = NULL WHERE state = 'retrying'")
            await town.worker.settle()
        assert len(town.names.asked) == 25
        assert (len(town.outside.calls), town.inside.connections) == (fine, 0)
        assert (await shop.states()).count("delivered") == fine


SPELLINGS = [
    *("localhost", "LOCALHOST.", "a.localhost", "127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1"),
    *("017700000001", "0x7F.0x0.0x0.0x1", "127.0.0.1.", "127.1.", "0", "0.0.0.0", "[::1]", "[::]", "[0:0:0:0:0:0:0:1]"),  # noqa: S104
    *("[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[::127.0.0.1]", "[::1%25lo]", "１２７.0.0.1", "127。0。0。1"),
    *("①②⑦.0.0.1", "127.0\u00ad.0.1", "local\u00adhost", "%31%32%37.0.0.1", "127.0.0.1\\@shop.example", "shop.example@127.0.0.1"),
]


@pytest.mark.parametrize("host", SPELLINGS)
async def test_no_spelling_of_an_address_gets_inside(db: Pool, shop: Shop, host: str) -> None:
    """With the system's own resolver, which takes them all."""
    clock = Clock()
    async with (
        open_sink(host="0.0.0.0") as inside,  # noqa: S104 - whichever way it is found
        open_sink(host="::1", port=inside.port) as inside_6,
        open_worker(db, clock, QUICK, allowed=ONLY_OUTSIDE) as worker,
    ):
        endpoint = await shop.add(f"http://{OUTSIDE}:{inside.port}/")
        await point(shop, endpoint, f"http://{host}:{inside.port}/in")
        await shop.receive("hello", now=clock.now)
        await worker.settle()
        found, (attempt,) = await shop.delivery()
        assert (found.state, attempt.status, inside.connections, inside_6.connections) == ("retrying", None, 0, 0)
        assert attempt.error


async def test_a_message_can_not_choose_the_host(db: Pool, shop: Shop) -> None:
    """What people write stands in the path or the query, whatever it is."""
    async with open_town(db, [OUTSIDE]) as town:
        await shop.add(f"http://{OUTSIDE}:{town.outside.port}/{{MESSAGE}}?{{MESSAGE}}", method="GET", form="Custom")
        texts = [f"@{INSIDE}:{town.inside.port}/", "\r\nHost: a\r\n\r\n", "../../", "//127.0.0.1/", "#", "\\", "{SENDER}", "é\0 \ud7ff"]
        await shop.receive(*texts, now=town.clock.now)
        await town.worker.settle()
        assert (len(town.outside.calls), town.inside.connections) == (len(texts), 0)
        assert {call.headers["host"] for call in town.outside.calls} == {f"{OUTSIDE}:{town.outside.port}"}


async def test_the_allow_list(db: Pool, shop: Shop) -> None:
    """Networks of both kinds; those that it does not name stay closed. What was allowed once and is no longer, is not sent to."""
    for allowed, found, is_open in [
        ("127.0.0.0/8", INSIDE, True),
        ("10.0.0.0/8, 127.0.0.1/32", INSIDE, True),
        ("10.0.0.0/8, ::/0", INSIDE, False),
        ("169.254.0.0/16", "::1", False),
        ("", INSIDE, False),
        ("", OUTSIDE, False),
    ]:
        async with open_town(db, [found], allowed=allowed) as town:
            state, _ = await attempted(shop, town, f"http://{NAME}:{town.inside.port}/in")
            assert ((state == "delivered"), bool(town.inside.connections)) == (is_open, is_open), (allowed, found)
            assert town.outside.connections == 0
            state, _ = await attempted(shop, town, f"http://{INSIDE}:{town.inside.port}/in")
            assert (state == "delivered") == is_open, "an address is no different"


async def test_a_proxy_of_the_environment_is_not_used(db: Pool, shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It would be told where to connect, and look up names by itself; nor are passwords taken from a file of the user's."""
    async with open_town(db, [INSIDE], [OUTSIDE]) as town:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, town.inside.url)
        (tmp_path / "netrc").write_text(f"machine {NAME} login ann password secret\n")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        state, _ = await attempted(shop, town, f"http://{NAME}:{town.outside.port}/in")
        assert (state, town.inside.connections) == ("retrying", 0)
        state, _ = await attempted(shop, town, f"http://{NAME}:{town.outside.port}/in")
        assert (state, town.inside.connections) == ("delivered", 0)
        assert "authorization" not in town.outside.calls[0].headers


async def test_a_certificate_that_nobody_vouches_for(db: Pool, shop: Shop, tmp_path: Path) -> None:
    """Nothing is said to such a server."""
    clock = Clock()
    async with open_sink(tls=authority(tmp_path).context) as sink, open_worker(db, clock) as worker:
        await shop.add(sink.url.replace("http:", "https:"))
        await shop.receive("hello", now=clock.now)
        await worker.settle()
        found, (attempt,) = await shop.delivery()
        assert (found.state, sink.calls) == ("retrying", [])
        assert "certificate" in str(attempt.error).lower()


async def test_a_name_that_nobody_has(db: Pool, shop: Shop) -> None:
    async with open_town(db, []) as town:
        state, attempt = await attempted(shop, town, f"http://{NAME}:{town.outside.port}/in")
        assert (state, attempt.status) == ("retrying", None)
        assert str(attempt.error).startswith("can't connect")
