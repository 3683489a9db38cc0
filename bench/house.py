"""What the rows share: a server of `reachbook serve` on a fresh embedded database, big and small accounts, a lean HTTP client.

A row is measured as a ratio: ours and its yardstick in turn, several rounds, and the median of the rounds' ratios. Absolute figures
are printed for the reader; only the ratio is held against the target.
"""

import asyncio
import contextlib
import itertools
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from reachbook.core import accounts, changes, contacts, counts, groups, ids, indexing, tokens
from reachbook.core.drafts import Asker, Draft, Facts, FieldValue, check
from reachbook.core.ids import AccountId
from reachbook.core.kinds import ANY
from reachbook.database.location import Location, locate
from reachbook.database.migrate import migrate
from reachbook.database.pool import Pool, open_pool

BIG = int(os.environ.get("BENCH_CONTACTS", "1000000"))
SMALL = 10_000
OPTED_OUT = 20  # one in so many

FIRST = ["Anna", "Bram", "Chloé", "Daan", "Eva", "François", "Greta", "Hugo", "Íris", "Jan", "Käthe", "Lars", "Mia", "Noah", "Olga", "Piet"]
LAST = ["Jansen", "de Vries", "Bakker", "Müller", "Schmidt", "Dubois", "Lefèvre", "García", "Muñoz", "Rossi", "Novák", "Kowalski", "Smith"]
ENDINGS = ["berg", "stra", "man", "son", "dijk", "hof", "feld", "eau", "ez", "ski"]


class Row(NamedTuple):
    """One row of the table. `higher_is_better` says on which side of the target the ratio has to be."""

    name: str
    ours: float
    yardstick: float
    ratio: float
    target: float
    unit: str
    higher_is_better: bool = True

    @property
    def holds(self) -> bool:
        """Whether the target is met."""
        return self.ratio >= self.target if self.higher_is_better else self.ratio <= self.target


class Book(NamedTuple):
    """An account with one full group."""

    account: AccountId
    token: str
    group: UUID


class House(NamedTuple):
    """A running server and direct access to its database."""

    port: int
    pid: int
    db: Pool
    owner_url: str
    app_url: str
    big: Book
    small: Book

    async def empty_book(self, name: str) -> Book:
        """A new account with an empty group."""
        return await new_book(self.db, name)

    async def connection(self) -> asyncpg.Connection:
        """A bare connection as the application's role, for yardsticks."""
        return await asyncpg.connect(self.owner_url.replace("//postgres@", "//reachbook_app@"))


def person(number: int, chance: random.Random) -> dict[str, Any]:
    """A contact as a client posts it."""
    first, last = chance.choice(FIRST), chance.choice(LAST) + chance.choice(ENDINGS)
    return {
        "firstName": first,
        "lastName": last,
        "email": f"{first[:1].lower() if first.isascii() else 'x'}.{number}@example.com",
        "phoneNumber": f"+316{10_000_000 + number % 90_000_000}",
        "customValues": [{"fieldId": 6, "value": f"Company {number % 5000}"}],
    }


def facts(people: Sequence[dict[str, Any]]) -> list[Facts]:
    """The same people as the product stores them."""
    asker = Asker(None, {6: ANY})
    rows: list[Facts] = []
    for one in people:
        values = [FieldValue(value["fieldId"], value["value"]) for value in one["customValues"]]
        draft = Draft(one["firstName"], None, one["lastName"], one["email"], one["phoneNumber"], values=values)
        rows.append(check(draft, asker, (), []))
    return rows


async def new_book(db: Pool, name: str) -> Book:
    """A new account with an empty group."""
    account = await accounts.create(db, ids.new_id(), name, "NL", ids.now())
    token = await tokens.create(db, account.id, ids.new_id(), name=name, scopes=tokens.ACCOUNT_SCOPES, now=ids.now())
    group = await groups.create(db, account.id, ids.new_id(), groups.Draft(name=name), ids.now())
    return Book(account.id, token, group.id)


async def fill(db: Pool, owner_url: str, book: Book, count: int) -> None:
    """Contacts by COPY, indexed, and one in twenty opted out of SMS and of e-mail."""
    chance = random.Random(count)
    connection = await asyncpg.connect(owner_url)
    for start in range(0, count, 50_000):
        rows = facts([person(number, chance) for number in range(start, min(start + 50_000, count))])
        made = [UUID(bytes=id.bytes) for id in ids.new_ids(len(rows))]
        now = ids.now()
        async with connection.transaction():
            stored = [(book.account, id, *row, now, now) for id, row in zip(made, rows, strict=True)]
            await connection.copy_records_to_table("contact", records=stored, columns=contacts.STORED)
            joined = [(book.account, book.group, id, now) for id in made]
            await connection.copy_records_to_table("membership", records=joined, columns=contacts.MEMBERSHIP)
            texts = [(book.account, id, contacts.search_text(row)) for id, row in zip(made, rows, strict=True)]
            await connection.copy_records_to_table("contact_search", records=texts, columns=indexing.COLUMNS)
            for group in (book.group, ids.NIL):
                counted = [(book.account, group, ids.new_id(), *counts.of_facts(rows))]
                await connection.copy_records_to_table("contact_count", records=counted, columns=counts.COLUMNS)
            lengths = changes.columns(changes.lengths_of(rows))
            await connection.execute(changes.ADD, book.account, ids.new_id(), len(rows), None, made[0], made[-1], *lengths)
            for type, column in (("sms", "phone"), ("email", "email_key")):
                keys = sorted({getattr(row, column) for row in rows[::OPTED_OUT]})
                out = [(book.account, type, key, key, key, True, None, "user", None, now, 1) for key in keys]
                await connection.copy_records_to_table("consent_token", records=out)
                told = "INSERT INTO contact_change (account_id, id, size, keys) VALUES ($1, $2, $3, $4)"
                await connection.execute(told, book.account, ids.new_id(), len(keys), keys)
    await connection.close()


async def copy(connection: asyncpg.Connection, book: Book, rows: Sequence[Facts]) -> None:
    """New contacts of a book by COPY, in one transaction: the yardstick of whatever brings contacts in."""
    made, now = ids.new_ids(len(rows)), ids.now()
    async with connection.transaction():
        stored = [(book.account, id, *row, now, now) for id, row in zip(made, rows, strict=True)]
        await connection.copy_records_to_table("contact", records=stored, columns=contacts.STORED)
        joined = zip(itertools.repeat(book.account), itertools.repeat(book.group), made, itertools.repeat(now))
        await connection.copy_records_to_table("membership", records=joined, columns=contacts.MEMBERSHIP)


@contextlib.asynccontextmanager
async def open_house() -> AsyncGenerator[House]:
    """A server with everything that the rows need."""
    with tempfile.TemporaryDirectory(prefix="reachbook-bench-") as folder, locate(Path(folder), None, None) as location:
        await migrate(location.owner_url)
        db = await open_pool(location.app_url, most=10, statement_seconds=600)
        big, small = await new_book(db, "Big"), await new_book(db, "Small")
        print(f"filling {BIG:,} and {SMALL:,} contacts …", flush=True)
        await fill(db, location.owner_url, small, SMALL)
        await fill(db, location.owner_url, big, BIG)
        owner = await asyncpg.connect(location.owner_url)
        await owner.execute("VACUUM ANALYZE")
        await owner.execute("CHECKPOINT")
        await owner.close()
        with _server(location) as (port, pid):
            yield House(port, pid, db, location.owner_url, location.app_url, big, small)
        await db.close()


@contextlib.contextmanager
def _server(location: Location) -> Any:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("REACHBOOK_")}
    environment |= {"REACHBOOK_PORT": str(port), "REACHBOOK_LOG_LEVEL": "warning", "REACHBOOK_DELIVERY_ALLOW": "127.0.0.0/8"}
    environment |= {"REACHBOOK_DATABASE_URL": location.app_url, "REACHBOOK_DATABASE_OWNER_URL": location.owner_url}
    process = subprocess.Popen([sys.executable, "-m", "reachbook", "serve"], env=environment, stdout=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz")
                break
            time.sleep(0.1)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(60)


class Http:
    """One keep-alive connection that does no more than a load generator has to."""

    def __init__(self, port: int, token: str, header: str = "X-CM-PRODUCTTOKEN: {}") -> None:
        self.port, self.header = port, header.format(token)

    async def open(self) -> "Http":
        """Connect."""
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port, limit=2**20)
        return self

    async def call(self, method: str, path: str, body: bytes = b"") -> tuple[int, int]:
        """(status, bytes of the body), after all of it is read."""
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{self.header}\r\nContent-Length: {len(body)}\r\n\r\n"
        self.writer.write(head.encode() + body)
        answer = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        status = int(answer[9:12])
        if b"transfer-encoding: chunked" not in answer:
            length = int(answer.split(b"content-length: ")[1].split(b"\r\n")[0]) if b"content-length" in answer else 0
            await self.reader.readexactly(length)
            return status, length
        total = 0
        while size := int(await self.reader.readuntil(b"\r\n"), 16):
            await self.reader.readexactly(size + 2)
            total += size
        await self.reader.readexactly(2)
        return status, total

    async def json(self, method: str, path: str, body: object = None) -> Any:
        """The parsed answer of a small call."""
        headers = dict([self.header.split(": ", 1)])
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method, headers=headers)
        data = None if body is None else msgspec.json.encode(body)
        with urllib.request.urlopen(request, data) as answer:  # noqa: S310
            return msgspec.json.decode(answer.read())


async def seconds(work: Callable[[], Awaitable[object]]) -> float:
    """How long it took."""
    started = time.perf_counter()
    await work()
    return time.perf_counter() - started


async def in_turn(
    rounds: int, ours: Callable[[], Awaitable[float]], yardstick: Callable[[], Awaitable[float]]
) -> tuple[float, float, float]:
    """Medians of ours and the yardstick, and of the rounds' ratios."""
    pairs = [(await ours(), await yardstick()) for _ in range(rounds)]
    return (
        statistics.median(o for o, _ in pairs),
        statistics.median(y for _, y in pairs),
        statistics.median(o / y for o, y in pairs),
    )
