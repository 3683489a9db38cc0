"""Working on imports: claim one, read its file, store it slice by slice, let others have their turn.

The file is read in a thread while the slice before it is stored. Every slice is a transaction of its own that says how far the import
has come, so a run that ends at any point is gone on with by whoever claims it next.
"""

import asyncio
import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import AsyncGenerator, Iterator
from itertools import islice
from pathlib import Path

import psutil
import structlog

from reachbook.core import fields, ids, import_claims, import_reports, import_slices, import_undo, imports
from reachbook.core.errors import ReachbookError
from reachbook.core.import_claims import Claim
from reachbook.core.import_reading import Read, Reader
from reachbook.core.import_slices import IMAGINED_FIELD, Reached
from reachbook.core.imports import Import, LostError
from reachbook.core.kinds import ANY
from reachbook.core.limits import IMPORT_ATTEMPTS, IMPORT_BYTES, IMPORT_LEASE_SECONDS, IMPORT_SLICE_ROWS, IMPORT_TURN_SECONDS
from reachbook.database.errors import UnavailableError
from reachbook.database.queries import Database
from reachbook.files.errors import FileError
from reachbook.files.opening import Reading, open_table
from reachbook.files.rows import Table

log = structlog.get_logger("reachbook.imports")

IMPORTS_AT_ONCE = 4
SAMPLES = 100
FOLDER = "reachbook-import-"


def sweep() -> None:
    """Remove what workers that were killed have left on this machine's disk: people's files."""
    for left in Path(tempfile.gettempdir()).glob(f"{FOLDER}*-*"):
        pid = left.name.removeprefix(FOLDER).partition("-")[0]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(left, ignore_errors=True)


class Turn:
    """How long an import is worked on: until others wait for theirs, or until the worker is to stop."""

    def __init__(self, seconds: float, stopping: asyncio.Event | None = None) -> None:
        self._seconds = seconds
        self._ends = time.monotonic() + seconds
        self._stopping = stopping

    def begin(self) -> None:
        """The file is open: reading it again for every slice would be no progress."""
        self._ends = time.monotonic() + self._seconds

    async def is_over(self, db: Database) -> bool:
        """Asked after every slice."""
        if self._stopping is not None and self._stopping.is_set():
            return True
        return time.monotonic() > self._ends and await import_claims.are_waiting(db, ids.now())


TO_THE_END = Turn(float("inf"))


async def work_on_next(db: Database, stopping: asyncio.Event) -> int:
    """Take the import whose turn it is as far as its turn lasts; answers how many were worked on."""
    claim = await import_claims.take_next(db, ids.new_id(), ids.now())
    if claim is None:
        return 0
    await work_on(db, claim, Turn(IMPORT_TURN_SECONDS, stopping))
    return 1


async def work_on(db: Database, claim: Claim, turn: Turn = TO_THE_END) -> None:
    """Do what the import's state asks for."""
    account = claim.account
    try:
        async with _kept(db, claim):
            held = await imports.get(db, account, claim.id)
            if held.attempts > IMPORT_ATTEMPTS:
                raise import_slices.StoppedError(
                    f"The import was begun {IMPORT_ATTEMPTS} times and never came on: it is given up; the log says why."
                )
            if held.state == "undoing":
                await _undo(db, claim, turn)
            else:
                with tempfile.TemporaryDirectory(prefix=f"{FOLDER}{os.getpid()}-") as folder:
                    await _run(db, claim, held, Path(folder), turn)
    except (FileError, ReachbookError) as error:
        await imports.fail(db, account, claim, str(error), ids.now())
    finally:
        with contextlib.suppress(UnavailableError):
            await import_claims.release(db, account, claim, ids.now())
            await _tell(db, claim)


async def _tell(db: Database, claim: Claim) -> None:
    """A line in the log when the import is over."""
    with contextlib.suppress(ReachbookError):
        now = await imports.get(db, claim.account, claim.id)
        if now.is_over:
            log.info("import", account=str(claim.account), id=str(claim.id), state=now.state, error=now.error, **import_reports.counts(now))


@contextlib.asynccontextmanager
async def _kept(db: Database, claim: Claim) -> AsyncGenerator[None]:
    """Say again and again that somebody is at it. A worker that lost its claim finds out at its next commit."""

    async def keep() -> None:
        while True:
            await asyncio.sleep(IMPORT_LEASE_SECONDS / 3)
            with contextlib.suppress(UnavailableError):
                await import_claims.keep(db, claim.account, claim, ids.now())

    keeping = asyncio.create_task(keep())
    try:
        yield
    except LostError:
        log.info("import is somebody else's now", account=str(claim.account), id=str(claim.id))
    finally:
        keeping.cancel()


async def _run(db: Database, claim: Claim, held: Import, folder: Path, turn: Turn) -> None:
    """A preview, or the import itself, from where it stands."""
    account, is_preview = claim.account, held.state == "previewing"
    table = await _open(db, claim, held, folder)
    samples = list(islice(table.rows(), SAMPLES))
    if is_preview:
        plan = await import_slices.imagine_plan(db, account, claim, table, samples)
    else:
        plan = await import_slices.make_plan(db, account, claim, table, samples, ids.now())
    known = await fields.rules(db, account)
    imagined = [int(target) for target in plan.targets if target and target.isdigit() and int(target) >= IMAGINED_FIELD]
    slices = _slices(table, Reader(plan, {**known, **dict.fromkeys(imagined, ANY)}), held.last_row)
    store = import_slices.look if is_preview else import_slices.apply
    turn.begin()
    goes_on, is_end, last = True, False, held.last_row
    upcoming = asyncio.create_task(asyncio.to_thread(next, slices, None))
    try:
        while goes_on and not is_end:
            reads = await upcoming
            is_end = reads is None or len(reads) < IMPORT_SLICE_ROWS
            if not is_end:
                upcoming = asyncio.create_task(asyncio.to_thread(next, slices, None))
            last = reads[-1].number if reads else last
            goes_on = await store(db, account, claim, plan, reads or [], Reached(last, is_end), ids.now())
            if goes_on and not is_end and await turn.is_over(db):
                return
    finally:
        await asyncio.wait([upcoming])  # its thread reads the folder that is about to go
    if is_preview and goes_on:
        await import_slices.finish_preview(db, account, claim, plan, samples)


async def _open(db: Database, claim: Claim, held: Import, folder: Path) -> Table:
    source = folder / "file"
    await imports.download(db, claim.account, claim.id, source)
    options = held.options
    reading = Reading(options.encoding, options.delimiter, options.sheet, options.has_header)
    return await asyncio.to_thread(open_table, source, folder, reading, IMPORT_BYTES)


def _slices(table: Table, reader: Reader, after: int) -> Iterator[list[Read]]:
    rows = table.rows(after)
    while reads := [reader.read(row) for row in islice(rows, IMPORT_SLICE_ROWS)]:
        yield reads


async def _undo(db: Database, claim: Claim, turn: Turn) -> None:
    while await import_undo.take_back(db, claim.account, claim, IMPORT_SLICE_ROWS, ids.now()):
        if await turn.is_over(db):
            return
