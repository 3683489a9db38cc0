"""A CSV file of a million people imported by the command, with its report, against COPY; the export of them against COPY TO.

The command is a process of its own, so its peak memory is its own.
"""

import itertools
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import psutil

from bench.house import Book, House, Row, copy, facts, person

ROWS = int(os.environ.get("BENCH_IMPORT_ROWS", os.environ.get("BENCH_CONTACTS", "1000000")))
BATCH = 5_000
MEMORY_MB = 300.0

YARDSTICK_EXPORT = """
SELECT c.id, c.first_name, c.insertion, c.last_name, c.email, c.phone, c.phone_country, c.field_values ->> '6'
FROM membership m JOIN contact c ON c.account_id = m.account_id AND c.id = m.contact_id
WHERE m.account_id = $1 AND m.group_id = $2 ORDER BY m.contact_id
"""


async def run(house: House) -> list[Row]:
    """Rows a second, and megabytes."""
    book, other = await house.empty_book("Imported"), await house.empty_book("Copied")
    with tempfile.TemporaryDirectory(prefix="reachbook-bench-") as folder:
        source, target = Path(folder) / "people.csv", Path(folder) / "exported.csv"
        source.write_text("".join(_lines()))
        taken, import_mb, report = _command(
            house, "import", str(source), "--account", str(book.account), "--group", str(book.group), "--json"
        )
        assert report["rows"] == report["created"] == ROWS, report
        copied = await _copy(house, other)
        exporting, export_mb, _ = _command(
            house, "export", "--account", str(book.account), "--group", str(book.group), "--output", str(target)
        )
        read = await _copy_to(house, book)
        assert target.read_bytes().count(b"\r\n") == ROWS + 1
    return [
        Row("file import, CSV", ROWS / taken, ROWS / copied, copied / taken, 0.4, "rows/s"),
        Row("export, CSV", ROWS / exporting, ROWS / read, read / exporting, 0.4, "rows/s"),
        Row("memory of the import", import_mb, MEMORY_MB, import_mb / MEMORY_MB, 1.0, "MB", higher_is_better=False),
        Row("memory of the export", export_mb, MEMORY_MB, export_mb / MEMORY_MB, 1.0, "MB", higher_is_better=False),
    ]


def _people() -> Iterator[dict[str, Any]]:
    chance = random.Random(5)
    return (person(number, chance) for number in range(ROWS))


def _lines() -> Iterator[str]:
    yield "First name,Last name,Email,Phone,Company\r\n"
    for one in _people():
        cells = (one["firstName"], one["lastName"], one["email"], one["phoneNumber"], one["customValues"][0]["value"])
        yield ",".join(cells) + "\r\n"


def _command(house: House, *arguments: str) -> tuple[float, float, Any]:
    """(seconds, peak megabytes, what it printed as JSON) of `reachbook …`."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("REACHBOOK_")}
    environment |= {"REACHBOOK_DATABASE_URL": house.app_url, "REACHBOOK_DATABASE_OWNER_URL": house.owner_url}
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "reachbook", *arguments], env=environment, stdout=subprocess.PIPE)
    peak = [0]
    watching = threading.Thread(target=_watch, args=(process.pid, peak))
    watching.start()
    printed, _ = process.communicate()
    taken = time.perf_counter() - started
    watching.join()
    assert process.returncode == 0, printed
    return taken, peak[0] / 2**20, msgspec.json.decode(printed) if printed else None


def _watch(pid: int, peak: list[int]) -> None:
    try:
        process = psutil.Process(pid)
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            every = [process, *process.children(recursive=True)]
            peak[0] = max(peak[0], sum(one.memory_info().rss for one in every))
            time.sleep(0.05)
    except psutil.NoSuchProcess:
        return


async def _copy(house: House, book: Book) -> float:
    """Seconds of the same rows by COPY over one connection into the same tables and indexes; preparing them is not counted."""
    connection = await house.connection()
    people, taken = _people(), 0.0
    while rows := facts(list(itertools.islice(people, BATCH))):
        started = time.perf_counter()
        await copy(connection, book, rows)
        taken += time.perf_counter() - started
    await connection.close()
    return taken


async def _copy_to(house: House, book: Book) -> float:
    connection = await house.connection()
    size = 0

    async def count(piece: bytes) -> None:
        nonlocal size
        size += len(piece)

    started = time.perf_counter()
    await connection.copy_from_query(YARDSTICK_EXPORT, book.account, book.group, output=count, format="csv")
    taken = time.perf_counter() - started
    await connection.close()
    return taken
