"""kill -9 in the middle of an import, of its undo and of the command: it goes on behind what was stored, no row twice and none left out."""

import asyncio
import contextlib
import csv
import io
import os
import random
import shlex
import signal
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psutil
import pytest

from reachbook.core.ids import AccountId
from reachbook.database.embedded import open_embedded
from reachbook.database.pool import Pool, open_pool
from tests.core.book import wrong_counters
from tests.processes import SECONDS, Noted, kill_postgres, run, start

HASTE = """
from reachbook.core import limits

limits.IMPORT_LEASE_SECONDS, limits.IMPORT_SLICE_ROWS = 2.0, 500
"""
"""What Python reads first in every process of the test: smaller slices, and the dead are found out sooner."""


def haste(folder: Path) -> dict[str, str]:
    """The environment of processes that make haste."""
    (folder / "haste").mkdir()
    (folder / "haste" / "sitecustomize.py").write_text(HASTE)
    return {"PYTHONPATH": str(folder / "haste")}


def phone(number: int) -> str:
    """A mobile number for each."""
    return f"+316{10_000_000 + number}"


def contacts(rows: int) -> bytes:
    """New ones, known ones, the same again, and some that are refused."""
    text = io.StringIO(newline="")
    lines = csv.writer(text)
    lines.writerow(["First name", "Last name", "Phone", "E-mail", "Shoe size"])
    for number in range(rows):
        match number % 10:
            case 1:
                lines.writerow(["Again", "", phone(number - 1), "", ""])
            case 2:
                lines.writerow(["Nobody", "", "n/a", "", ""])
            case 3:
                lines.writerow(["Mail", f"Only{number}", "", f"m{number}@example.com", "38"])
            case 4:
                lines.writerow(["Nameless", f"Other{number}", "", "", ""])
            case _:
                lines.writerow([f"First{number}", "New", phone(number), "", "42"])
    return text.getvalue().encode()


def known(rows: int) -> bytes:
    """Those that are there already: one of ten."""
    return ("First name,Phone\n" + "".join(f"Old,{phone(number)}\n" for number in range(0, rows, 10))).encode()


def expected(rows: int) -> dict[str, int]:
    """The buckets of `contacts`."""
    tenth = rows // 10
    return {"created": 7 * tenth, "updated": tenth, "unchanged": 0, "duplicate": tenth, "refused": tenth}


class Caller(httpx.AsyncClient):
    """An account on the own API; it waits through the server's restarts."""

    async def begin(self, content: bytes) -> str:
        """A file that is being imported."""
        made = await self.post("imports", params={"filename": "contacts.csv"}, content=content)
        assert made.status_code == 201, made.text
        id = made.json()["id"]
        started = await self.post(f"imports/{id}/start", json={"groupName": "Readers", "newFields": True})
        assert started.status_code == 202, started.text
        return id

    async def ended(self, id: str, state: str = "done") -> dict[str, Any]:
        """The import when it is over."""
        return await self.until(id, lambda now: now["state"] not in ("running", "undoing"), state)

    async def until(self, id: str, is_so: Callable[[dict[str, Any]], bool], state: str | None = None) -> dict[str, Any]:
        """The import once something holds of it."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.TransportError):
                answer = await self.get(f"imports/{id}")
                if answer.status_code == 200 and is_so(answer.json()):
                    assert state is None or answer.json()["state"] == state, answer.text
                    return answer.json()
            await asyncio.sleep(0.02)
        raise TimeoutError(id)

    async def book(self) -> list[str]:
        """Every contact without its id, in an order of its own."""
        lines = (await self.get("exports", params={"format": "jsonl"})).text.splitlines()
        return sorted(line.partition('",')[2] for line in lines)


def client(server: Noted, account: str, token: str) -> Caller:
    """A caller with its token."""
    base = f"{server.url}/v1/accounts/{account}/"
    return Caller(base_url=base, headers={"X-CM-PRODUCTTOKEN": token}, timeout=SECONDS)


def first_account(server: Noted) -> tuple[str, str]:
    """What the first start shows."""
    words = shlex.split(next(line for line in server.out.read_text().splitlines() if "curl" in line))
    return words[-1].split("/accounts/")[1].partition("/")[0], words[words.index("-H") + 1].split(": ")[1]


def second_account(data: Path) -> tuple[str, str]:
    """One more, made on the command line."""
    account = run("account", "create", "Undisturbed", "--data", data).stdout.split()[-1]
    made = run("token", "create", "--account", account, "--data", data).stdout.split()
    return account, made[made.index("Token", 3) + 1]


@contextlib.asynccontextmanager
async def database(data: Path) -> AsyncGenerator[Pool]:
    """The tables of a running server."""
    embedded = open_embedded(data)
    pool = await open_pool(embedded.app_url, most=2, statement_seconds=60)
    yield pool
    await pool.close()
    embedded.close()


async def kill(server: Noted, data: Path, *, with_postgres: bool) -> None:
    """kill -9, and a new start."""
    assert server.process is not None
    family = psutil.Process(server.process.pid).children(recursive=True)
    server.kill()
    if with_postgres:
        kill_postgres(data)
    psutil.wait_procs(family, timeout=SECONDS)
    await asyncio.to_thread(server.start)


def work_of(now: dict[str, Any]) -> int:
    """How far an import or its undo has come."""
    return now["doneRows"] + sum((now["undo"] or {}).values())


async def disturbed(caller: Caller, id: str, kills: int, strike: Callable[[int], Awaitable[None]]) -> int:
    """Killed again and again, each time after some progress; answers how often it was at work when it happened."""
    struck, before = 0, work_of((await caller.get(f"imports/{id}")).json())
    for turn in range(kills):
        now = await caller.until(id, lambda now, before=before: now["state"] not in ("running", "undoing") or work_of(now) > before)
        if now["state"] not in ("running", "undoing"):
            break
        before = work_of(now)
        await asyncio.sleep(random.random() / 4)
        await strike(turn)
        struck += 1
    return struck


async def killed_over_and_over(folder: Path, rows: int, kills: int, environment: dict[str, str]) -> None:
    """The import and its undo; each second time PostgreSQL is killed too."""
    data = folder / "data"
    server = Noted(folder / "notes", folder=data)
    server.environment |= environment
    server.start()
    try:
        account, token = first_account(server)
        other, other_token = await asyncio.to_thread(second_account, data)
        async with client(server, account, token) as caller, client(server, other, other_token) as undisturbed:
            for one in (caller, undisturbed):
                await one.ended(await one.begin(known(rows)))
            before = await caller.book()
            began = time.monotonic()
            calm = await undisturbed.ended(await undisturbed.begin(contacts(rows)))
            calm_seconds = time.monotonic() - began

            async def strike(turn: int) -> None:
                await kill(server, data, with_postgres=turn % 2 == 0)

            id = await caller.begin(contacts(rows))
            struck = await disturbed(caller, id, kills, strike)
            done = await caller.ended(id)
            print(
                f"{struck} kills in an import of {rows:,} rows; {calm_seconds:.1f} s undisturbed, {time.monotonic() - began:.1f} s with all"
            )
            assert struck >= kills // 2, "the import was over before it was killed"
            buckets = {bucket: done[bucket] for bucket in expected(rows)}
            assert buckets == expected(rows) == {bucket: calm[bucket] for bucket in expected(rows)}
            assert (done["doneRows"], done["rows"], done["percent"]) == (rows, rows, 100)
            assert await caller.book() == await undisturbed.book()
            await recount(data, account, id, rows)

            assert (await caller.post(f"imports/{id}/undo")).status_code == 202
            struck = await disturbed(caller, id, max(kills // 2, 1), strike)
            undone = await caller.ended(id, "undone")
            assert struck, "the undo was over before it was killed"
            assert undone["undo"] == {"removed": 7 * rows // 10, "restored": rows // 10, "kept": 0}
            assert await caller.book() == before
            await recount(data, account, id, rows)
        assert server.stop() == 0
    finally:
        if server.process is not None and server.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                server.kill()
        kill_postgres(data)


async def recount(data: Path, account: str, id: str, rows: int) -> None:
    """Each row once, each contact of one row only, counters as a recount has them."""
    async with database(data) as db:
        noted = await db.fetchrow(NOTED, UUID(account), UUID(id))
        assert noted is not None
        assert tuple(noted.values()) == (rows, 8 * rows // 10, 8 * rows // 10)
        assert await wrong_counters(db, AccountId(UUID(account))) == []
        assert await db.fetchval("SELECT count(*) FROM import_chunk") == 0
        assert await db.fetchval("SELECT count(*) FROM import_claim") == 0


NOTED = """
SELECT count(DISTINCT number), count(contact_id) FILTER (WHERE bucket <> 'duplicate'),
    count(DISTINCT contact_id) FILTER (WHERE bucket <> 'duplicate')
FROM import_row WHERE account_id = $1 AND import_id = $2
"""


async def test_an_import_is_killed_and_goes_on(tmp_path: Path) -> None:
    await killed_over_and_over(tmp_path, 20_000, 2, haste(tmp_path))


@pytest.mark.soak
async def test_a_large_import_is_killed_over_and_over(tmp_path: Path) -> None:
    """With slices and leases as they are."""
    await killed_over_and_over(tmp_path, 200_000, 8, {})


async def test_an_import_of_a_killed_command_is_finished_by_a_server(tmp_path: Path) -> None:
    """`reachbook import` did the work itself; nobody else was there."""
    rows, data, hasty = 10_000, tmp_path / "data", haste(tmp_path)
    file = tmp_path / "contacts.csv"
    file.write_bytes(contacts(rows))
    account = run("account", "create", "Acme", "--data", data).stdout.split()[-1]
    async with database(data) as db:
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(os.environ, "PYTHONPATH", hasty["PYTHONPATH"])
            command = start("import", file, "--account", account, "--group", "Readers", "--new-fields", "--data", data)
        async with asyncio.timeout(SECONDS):
            while not await db.fetchval("SELECT done_rows FROM contact_import"):
                assert command.poll() is None, command.communicate()
                await asyncio.sleep(0.005)
        os.killpg(command.pid, signal.SIGKILL)
        command.communicate()
        left = await db.fetchrow("SELECT id, state, done_rows FROM contact_import")
        assert left is not None
        assert left["state"] == "running"
        assert 0 < left["done_rows"] < rows
        server = Noted(tmp_path / "notes", folder=data)
        server.environment |= hasty
        with server:
            async with asyncio.timeout(SECONDS):
                while await db.fetchval("SELECT state FROM contact_import") == "running":
                    await asyncio.sleep(0.05)
        done = await db.fetchrow(f"SELECT state, {', '.join(expected(rows))} FROM contact_import")
        assert done is not None
        assert dict(done) == {"state": "done", **expected(rows), "created": 8 * rows // 10, "updated": 0}
        assert await db.fetchval("SELECT count(*) FROM contact") == 8 * rows // 10
        assert await wrong_counters(db, AccountId(UUID(account))) == []
