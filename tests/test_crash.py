"""kill -9 in the middle of uploads and opt-outs: what was acknowledged is there, what was not is there whole or not at all."""

import asyncio
import contextlib
import itertools
import random
import shlex
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.processes import SECONDS, Noted, kill_postgres

ROWS = 300


class Load:
    """Clients that upload and opt out as fast as they can, and what they were promised. A batch's contacts have its mark as last name."""

    def __init__(self, http: httpx.AsyncClient, group: str, turn: int) -> None:
        self.http, self.group, self.turn = http, group, turn
        self.batches: set[str] = set()
        self.opted_out: set[str] = set()
        self._phones: list[str] = []
        self._numbers = itertools.count(turn * 100_000)

    async def upload(self, client: int) -> None:
        """Batch after batch, with and without delayIndexing."""
        for number in itertools.count():
            mark = f"r{self.turn}c{client}n{number}z"
            rows = [self._row(mark, index) for index in range(ROWS)]
            delay = "true" if number % 2 else "false"
            answer = await self.http.post(f"groups/{self.group}/contacts-bulk", params={"delayIndexing": delay}, json=rows)
            assert (answer.status_code, answer.json()) == (201, {"created": ROWS}), answer.text
            self.batches.add(mark)

    def _row(self, mark: str, index: int) -> dict[str, Any]:
        row = {"firstName": f"Row{index}", "lastName": mark}
        if index % 3:
            row["phoneNumber"] = f"+316{next(self._numbers):08}"
            self._phones.append(row["phoneNumber"])
        if index % 2:
            row["email"] = f"{mark}.{index}@example.com"
        return row

    async def opt_out(self) -> None:
        """One after the other: addresses whose upload is under way or done."""
        while True:
            phone = random.choice(self._phones or ["+31600000000"])
            answer = await self.http.post(f"optout/sms/{phone}", json={"message": "stop"})
            assert answer.status_code == 200, answer.text
            self.opted_out.add(phone)

    async def opt_out_in_bulk(self) -> None:
        """Many at once."""
        while True:
            phones = {random.choice(self._phones or ["+31600000000"]) for _ in range(40)}
            answer = await self.http.post("optout/bulk", json=[{"type": "sms", "value": phone, "isActive": True} for phone in phones])
            assert answer.status_code == 200, answer.text
            self.opted_out |= phones

    async def run_until_killed(self, server: Noted, batches: int, *, with_postgres: bool) -> None:
        """kill -9 of the server, at any moment once so many batches were acknowledged; the clients end on their broken connections."""
        tasks = [asyncio.create_task(self.upload(client)) for client in range(3)]
        tasks += [asyncio.create_task(self.opt_out()), asyncio.create_task(self.opt_out_in_bulk())]
        async with asyncio.timeout(SECONDS):
            while len(self.batches) < batches and not any(task.done() for task in tasks):
                await asyncio.sleep(0.001)
            await asyncio.sleep(random.random() / 10)
            assert server.process is not None
            family = psutil.Process(server.process.pid).children(recursive=True)
            server.kill()
            if with_postgres:
                kill_postgres(Path(server.environment["REACHBOOK_DATA_DIR"]))
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        psutil.wait_procs(family, timeout=SECONDS)
        assert all(isinstance(outcome, httpx.TransportError) for outcome in outcomes), outcomes
        assert self.batches
        assert self.opted_out


async def pages(http: httpx.AsyncClient, path: str) -> list[dict[str, Any]]:
    """A whole list."""
    rows: list[dict[str, Any]] = []
    while True:
        answer = await http.get(path, params={"skip": len(rows), "take": 10_000})
        page = answer.json()
        rows += page
        if not page:
            assert answer.headers["x-cm-pagination-total"] == str(len(rows))
            return rows


async def recount(http: httpx.AsyncClient, group: str, batches: set[str], opted_out: set[str]) -> None:
    """Hold everything that was promised, in all rounds, against what is there."""
    contacts = await pages(http, f"groups/{group}/contacts")
    by_mark = Counter(contact["lastName"] for contact in contacts)
    assert {mark: count for mark, count in by_mark.items() if count != ROWS} == {}, "a batch is there in part"
    assert batches - by_mark.keys() == set(), "an acknowledged batch is gone"

    counted = (await http.get(f"groups/{group}")).json()
    assert counted["contactsAmount"] == len(contacts)
    assert counted["emptyEmails"] == sum("email" not in contact for contact in contacts)
    assert counted["emptyNumbers"] == sum("phoneNumber" not in contact for contact in contacts)

    active = {token["value"] for token in await pages(http, "optout/sms")}
    assert opted_out - active == set(), "an acknowledged opt-out is gone"
    types = {figures["id"]: figures["amountOptOut"] for figures in (await http.get("optout/types")).json()}
    assert types["sms"] == len(active)
    for phone in random.sample(sorted(opted_out), 3):
        history = (await http.get(f"optout/sms/{phone}/history")).json()
        assert history
        assert all(entry["isActive"] for entry in history)

    dump = await http.get("dump/sms", params={"groupIds": group, "format": "csv", "fields": "id"})
    _, *ids = dump.text.split()
    assert Counter(ids) == Counter(contact["id"] for contact in contacts if contact.get("phoneNumber") not in active)

    # Nor is what waits to be indexed forgotten.
    assert (await http.post(f"groups/{group}/contacts-bulk", json=[])).status_code == 201
    for mark in random.sample(sorted(by_mark), min(len(by_mark), 4)):
        found = await http.get(f"groups/{group}/search", params={"q": mark, "take": 0})
        assert found.headers["x-cm-pagination-total"] == str(ROWS), mark


async def kill_over_and_over(folder: Path, rounds: int) -> None:
    """Each second time PostgreSQL is killed too."""
    server = Noted(folder / "notes", folder=folder / "data").start()
    line = next(line for line in server.out.read_text().splitlines() if "curl" in line)
    words = shlex.split(line)
    name, token = words[words.index("-H") + 1].split(": ")
    base = words[-1].removesuffix("groups")
    batches: set[str] = set()
    opted_out: set[str] = set()
    try:
        async with httpx.AsyncClient(base_url=base, headers={name: token}, timeout=SECONDS) as http:
            group = (await http.post("groups", json={"name": "Readers"})).json()["id"]
            for turn in range(rounds):
                async with httpx.AsyncClient(base_url=base, headers={name: token}, timeout=SECONDS) as clients:
                    load = Load(clients, group, turn)
                    await load.run_until_killed(server, random.randint(1, 12), with_postgres=turn % 2 == 1)
                batches |= load.batches
                opted_out |= load.opted_out
                server.start()
                await recount(http, group, batches, opted_out)
        assert server.stop() == 0
    finally:
        if server.process is not None and server.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                server.kill()
        kill_postgres(folder / "data")


async def test_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    await kill_over_and_over(tmp_path, 2)


@pytest.mark.soak
async def test_nothing_acknowledged_is_lost_over_and_over(tmp_path: Path) -> None:
    await kill_over_and_over(tmp_path, 20)
