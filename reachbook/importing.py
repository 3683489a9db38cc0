"""`reachbook import` and what belongs to it: the file goes into the database, the work is done here or by a running server's worker."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from reachbook.core import accounts, groups, headers, ids, import_claims, import_reports, imports, indexing
from reachbook.core.errors import NotFoundError, invalid
from reachbook.core.ids import AccountId
from reachbook.core.imports import BUCKETS, Import, Options
from reachbook.database.queries import Database
from reachbook.files.writing import into
from reachbook.workers.imports import work_on

STANDARD_INPUT = Path("-")
PIECE = 2**20
LOOK_SECONDS = 0.3
LINE_SECONDS = 2.0


class Asked(NamedTuple):
    """What the command line says."""

    file: Path
    account: AccountId
    options: Options
    refused_file: Path | None


async def run(db: Database, asked: Asked) -> tuple[Import, Path | None]:
    """Import to the end; the file of refused rows, if there are any."""
    id = await _upload(db, asked)
    try:
        await imports.begin(db, asked.account, id, "start", asked.options, ids.now())
    except BaseException:
        await imports.forget(db, asked.account, [id])
        raise
    done = await follow(db, asked.account, id)
    if done.plan is not None:
        await indexing.catch_up(db, asked.account, done.plan.group)  # nobody else may be running
    return done, await _write_refused(db, asked, done) if done.refused else None


async def preview(db: Database, asked: Asked) -> Import:
    """What would happen; nothing of it stays."""
    id = await _upload(db, asked)
    try:
        await imports.begin(db, asked.account, id, "preview", asked.options, ids.now())
        return await follow(db, asked.account, id)
    finally:
        await imports.forget(db, asked.account, [id])


async def undo(db: Database, id: UUID) -> Import:
    """Take an import back to the end."""
    account = await imports.account_of(db, id)
    await imports.undo(db, account, id, ids.now())
    return await follow(db, account, id)


async def _upload(db: Database, asked: Asked) -> UUID:
    await accounts.get(db, asked.account)
    id = ids.new_id()
    name = "standard-input" if asked.file == STANDARD_INPUT else asked.file.name
    await imports.create(db, asked.account, id, name, ids.NIL, ids.now())
    await imports.upload(db, asked.account, id, _pieces(asked.file))
    return id


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    file = sys.stdin.buffer if path == STANDARD_INPUT else path.open("rb")
    with file:
        while piece := await asyncio.to_thread(file.read, PIECE):
            yield piece


async def follow(db: Database, account: AccountId, id: UUID) -> Import:
    """Do the work unless a worker has taken it already, and show how it comes on."""

    async def work() -> None:
        claim = await import_claims.take(db, account, id, ids.new_id(), ids.now())
        if claim is not None:
            await work_on(db, claim)

    with _Shown() as shown:
        working = asyncio.create_task(work())
        try:
            while True:
                now = await imports.get(db, account, id)
                shown.update(now)
                if now.is_over:
                    return now
                await asyncio.sleep(LOOK_SECONDS)
                if working.done():
                    working.result()  # what went wrong here ends the command
                    if not (await imports.get(db, account, id)).is_over:
                        working = asyncio.create_task(work())  # a worker had it and is gone
        finally:
            working.cancel()
            await asyncio.wait([working])


class _Shown:
    """Progress on standard error: a bar on a terminal, plain lines elsewhere."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._bar: Progress | None = None
        if console.is_terminal:
            rate = TextColumn("{task.fields[rate]:,.0f} rows/s")
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), rate, TimeRemainingColumn())
            self._bar = Progress(*columns, console=console, transient=True)
            self._task = self._bar.add_task("reading", total=None, rate=0.0)
        self._began: float | None = None
        self._first = 0
        self._said = time.monotonic()

    def __enter__(self) -> "_Shown":
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, now: Import) -> None:
        done, total = now.done_rows, now.total_rows
        if now.state == "undoing":
            done, total = now.removed + now.restored + now.kept, now.created + now.updated
        if total is None:
            return
        if self._began is None:
            self._began, self._first = time.monotonic(), done
        rate = (done - self._first) / max(time.monotonic() - self._began, 0.001)
        if self._bar is not None:
            self._bar.update(self._task, description=now.state, completed=done, total=total, rate=rate)
        elif time.monotonic() - self._said > LINE_SECONDS:
            self._said = time.monotonic()
            left = f", {(total - done) / rate:,.0f} s left" if rate else ""
            sys.stderr.write(f"{now.state}: {done:,} of {total:,} rows ({done / max(total, 1):.0%}), {rate:,.0f} rows/s{left}\n")


async def _write_refused(db: Database, asked: Asked, done: Import) -> Path:
    path = asked.refused_file or _beside(asked.file)
    try:
        path.open("wb").close()
    except OSError:
        path = Path.cwd() / path.name
    with path.open("wb") as file:
        await import_reports.write_rows(db, asked.account, done, "refused", into(file))
    return path


def _beside(file: Path) -> Path:
    return Path("refused.csv") if file == STANDARD_INPUT else file.with_name(f"{file.stem}.refused.csv")


def report(done: Import, refused_file: Path | None) -> dict[str, Any]:
    """The report as one object."""
    return {"import": done.id, **import_reports.counts(done), "refusedFile": None if refused_file is None else str(refused_file)}


def previewed(done: Import) -> dict[str, Any]:
    """The preview as one object: the report's names, then the mapping and the first rows."""
    seen = dict(done.preview or {})
    counted = {name: seen[name] for name in ("rows", *BUCKETS, "optedOut")}
    return {"import": done.id, **counted, "refusedFile": None, "columns": seen["columns"], "match": seen["match"], "first": seen["first"]}


def print_report(done: Import, refused_file: Path | None, write: Callable[[str], object]) -> None:
    """For a person."""
    write(_sentence(import_reports.counts(done)))
    if refused_file is not None:
        write(f"The refused rows are in {refused_file}: correct them and import that file.")
    write(f"Import {done.id}. To take it back: reachbook imports undo {done.id}")


def print_preview(done: Import, write: Callable[[str], object]) -> None:
    """For a person."""
    seen = previewed(done)
    labels = headers.LABELS | {"6": "Company"}
    for column in seen["columns"]:
        target = "a new field" if column["isNew"] else "-" if column["target"] is None else labels.get(column["target"], column["target"])
        write(f"{column['column']}  →  {target}")
    write("")
    for row in seen["first"]:
        reasons = "; ".join(reason["reason"] for reason in row.get("reasons", ()))
        write(f"row {row['row']}: {row['bucket']}  {_contact(row.get('contact', {}))}  {reasons}".rstrip())
    write("")
    write(_sentence(seen))
    write("Nothing was changed.")


def _contact(seen: dict[str, Any]) -> str:
    """A contact on one line: the name, the addresses, the values."""
    name = " ".join(seen[part] for part in ("first_name", "insertion", "last_name") if part in seen)
    addresses = [seen[part] for part in ("email", "phone") if part in seen]
    return ", ".join(filter(None, [name, *addresses, *seen.get("values", {}).values()]))


def _sentence(counted: dict[str, Any]) -> str:
    parts = ", ".join(f"{counted[bucket]:,} {NAMES.get(bucket, bucket)}" for bucket in BUCKETS)
    opted_out = counted["optedOut"]
    verb, pronoun = ("is", "it stays") if opted_out == 1 else ("are", "they stay")
    rest = f" {opted_out:,} row{'' if opted_out == 1 else 's'} {verb} opted out; {pronoun} out." if opted_out else ""
    return f"{counted['rows']:,} rows: {parts}.{rest}"


NAMES = {"duplicate": "duplicate in the file"}


def mapping(pairs: Sequence[str]) -> dict[str, str]:
    """`COLUMN=FIELD` of the command line; `COLUMN=` leaves the column out. Raises InvalidError."""
    found: dict[str, str] = {}
    for pair in pairs:
        column, equals, field = pair.rpartition("=")
        if not equals or not column.strip():
            raise invalid("map", f"must be COLUMN=FIELD, not {pair!r}")
        found[column.strip()] = field.strip()
    return found


def group(text: str) -> tuple[UUID | None, str | None]:
    """A group by id or by name."""
    try:
        return UUID(text), None
    except ValueError:
        return None, text


async def group_id(db: Database, account: AccountId, text: str) -> UUID:
    """The group that is there. Raises NotFoundError, InvalidError if the name is that of several."""
    id, name = group(text)
    if id is not None:
        return (await groups.get(db, account, id)).id
    found = await groups.named(db, account, name or "")
    if not found:
        raise NotFoundError(f"There is no group {text!r}.")
    if len(found) > 1:
        raise invalid("group", f"there are several groups named {text!r}: give the id of one")
    return found[0]
