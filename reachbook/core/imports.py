"""Imports: a file that somebody brought, what is to be done with it and what became of it.

The states and what leads from one to the next are EVENTS; docs/imports.md is drawn from it. The rows themselves are worked on in
import_slices, taken back in import_undo.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from reachbook.core import accounts, fields, groups, headers, import_claims, indexing, phone
from reachbook.core.errors import ConflictError, Fault, InvalidError, NotFoundError, TooLargeError, invalid
from reachbook.core.groups import Lockable
from reachbook.core.headers import Known
from reachbook.core.ids import AccountId, new_id
from reachbook.core.import_claims import Claim
from reachbook.core.import_reading import OnMatch, Plan, Scope
from reachbook.core.limits import IMPORT_BYTES, IMPORT_CHUNK_BYTES, NAME_LENGTH, UNDO_DAYS, UPLOAD_DAYS, VALUE_LENGTH
from reachbook.core.paging import Listed, Page
from reachbook.core.text import clean
from reachbook.database.queries import Database, Queries, Transaction

# event: (from any of these states, to this one)
EVENTS: Mapping[str, tuple[Sequence[str], str]] = {
    "upload": (("uploading",), "ready"),
    "preview": (("ready",), "previewing"),
    "previewed": (("previewing",), "ready"),
    "start": (("ready",), "running"),
    "finish": (("running",), "done"),
    "cancel": (("ready", "previewing", "running"), "cancelled"),
    "fail": (("running", "undoing"), "failed"),
    "undo": (("done", "cancelled", "failed"), "undoing"),
    "undone": (("undoing",), "undone"),
}
AT_WORK = ("previewing", "running", "undoing")
BUCKETS = ("created", "updated", "unchanged", "duplicate", "refused")
AT_THE_START = ", ".join(f"{column} = 0" for column in ("last_row", "done_rows", *BUCKETS, "opted_out"))
"""SQL that sets the progress back."""


class Options(msgspec.Struct, frozen=True, omit_defaults=True):
    """How to import. `mapping` is column → target (headers.py), "" leaves a column out; `match` is phone, email or the id of a field."""

    group: UUID | None = None
    group_name: str | None = None
    match: str | None = None
    match_in: Scope = "account"
    on_match: OnMatch = "update"
    region: str | None = None
    mapping: dict[str, str] = {}
    new_fields: bool = False
    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    has_header: bool | None = None
    properties: bool = False
    """Columns that are properties become fields, where the account has none for them yet."""
    names: dict[str, str] = {}
    """Header (as it is compared) → target, by the wire that brought the file."""


class Import(msgspec.Struct, frozen=True):
    """An import as it stands. The buckets add up to `done_rows`, which in the end is `total_rows`."""

    id: UUID
    state: str
    filename: str
    size: int
    options: Options
    plan: Plan | None
    preview: dict[str, Any] | None
    total_rows: int | None
    last_row: int
    done_rows: int
    created: int
    updated: int
    unchanged: int
    duplicate: int
    refused: int
    opted_out: int
    removed: int
    restored: int
    kept: int
    is_cancelling: bool
    error: str | None
    runner: UUID | None
    attempts: int
    actor: UUID
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def is_over(self) -> bool:
        """Whether nothing more happens by itself."""
        return self.state not in AT_WORK


COLUMNS = ", ".join(Import.__struct_fields__)


def _read(row: Mapping[str, Any]) -> Import:
    given = dict(row)
    given["options"] = msgspec.json.decode(given["options"], type=Options)
    given["plan"] = given["plan"] and msgspec.json.decode(given["plan"], type=Plan)
    given["preview"] = given["preview"] and msgspec.json.decode(given["preview"])
    return Import(**given)


CREATE = """
INSERT INTO contact_import (account_id, id, state, filename, options, actor, created_at) VALUES ($1, $2, 'uploading', $3, '{}', $4, $5)
"""


async def create(db: Queries, account: AccountId, id: UUID, filename: str, actor: UUID, now: datetime) -> None:
    """An import whose file is coming."""
    faults: list[Fault] = []
    name = clean(filename.replace("\\", "/").rpartition("/")[2], ("filename",), NAME_LENGTH, faults)
    if faults:
        raise InvalidError(faults)
    await db.execute(CREATE, account, id, name or "contacts", actor, now)


ADD_CHUNK = "INSERT INTO import_chunk (account_id, import_id, number, content) VALUES ($1, $2, $3, $4)"
UPLOADED = "UPDATE contact_import SET state = 'ready', size = $3 WHERE account_id = $1 AND id = $2 AND state = 'uploading'"


async def upload(db: Database, account: AccountId, id: UUID, pieces: AsyncIterator[bytes]) -> Import:
    """Keep the file. Raises TooLargeError, InvalidError for an empty one; then there is no such import."""
    try:
        size, number, waiting = 0, 0, bytearray()
        async for piece in pieces:
            size += len(piece)
            if size > IMPORT_BYTES:
                raise TooLargeError(f"A file may have at most {IMPORT_BYTES // 2**20:,} MB.")
            waiting += piece
            while len(waiting) >= IMPORT_CHUNK_BYTES:
                await db.execute(ADD_CHUNK, account, id, number, bytes(waiting[:IMPORT_CHUNK_BYTES]))
                del waiting[:IMPORT_CHUNK_BYTES]
                number += 1
        if not size:
            raise invalid("file", "is empty")
        if waiting:
            await db.execute(ADD_CHUNK, account, id, number, bytes(waiting))
        await db.execute(UPLOADED, account, id, size)
    except BaseException:
        await forget(db, account, [id])
        raise
    return await get(db, account, id)


CHUNK = "SELECT content FROM import_chunk WHERE account_id = $1 AND import_id = $2 AND number = $3"


async def download(db: Queries, account: AccountId, id: UUID, path: Path) -> None:
    """The file onto this machine's disk."""
    number = 0
    with path.open("wb") as file:
        while content := await db.fetchval(CHUNK, account, id, number):
            file.write(content)
            number += 1


GET = f"SELECT {COLUMNS} FROM contact_import WHERE account_id = $1 AND id = $2 AND state <> 'uploading'"


async def get(db: Queries, account: AccountId, id: UUID) -> Import:
    """Raises NotFoundError, also while its file is still coming."""
    row = await db.fetchrow(GET, account, id)
    if row is None:
        raise not_found(id)
    return _read(row)


LISTED = "account_id = $1 AND state <> 'uploading'"
LIST = f"SELECT {COLUMNS} FROM contact_import WHERE {LISTED} ORDER BY id DESC OFFSET $2 LIMIT $3"


async def list_imports(db: Queries, account: AccountId, page: Page) -> Listed[Import]:
    """The newest first."""
    rows = await db.fetch(LIST, account, page.skip, page.take)
    return Listed([_read(row) for row in rows], await db.fetchval(f"SELECT count(*) FROM contact_import WHERE {LISTED}", account))


NEWEST = f"""
SELECT DISTINCT ON (group_id) group_id, {COLUMNS} FROM contact_import
WHERE account_id = $1 AND group_id = ANY($2::uuid[]) AND started_at IS NOT NULL ORDER BY group_id, id DESC
"""


async def newest_into(db: Queries, account: AccountId, groups: Sequence[UUID]) -> Mapping[UUID, Import]:
    """The import that was started last into each of the groups, if any was."""
    found: dict[UUID, Import] = {}
    for row in await db.fetch(NEWEST, account, list(groups)):
        given = dict(row)
        group = given.pop("group_id")
        found[group] = _read(given)
    return found


async def checked(db: Queries, account: AccountId, asked: Options) -> Options:
    """The options with what they name found: group, region, fields. Raises InvalidError at the names of Options."""
    faults: list[Fault] = []
    texts = {"match": asked.match, "region": asked.region, "encoding": asked.encoding, "delimiter": asked.delimiter, "sheet": asked.sheet}
    for name, text in [*texts.items(), *(("mapping", column + field) for column, field in asked.mapping.items())]:
        clean(text, (name,), VALUE_LENGTH, faults)
    if faults:
        raise InvalidError(faults)
    known = await known_headers(db, account)
    mapping: dict[str, str] = {}
    for column, name in asked.mapping.items():
        target = headers.target_of(name, known) if name.strip() else headers.IGNORED
        if target is None:
            faults.append(Fault(("mapping", column), f"there is no field {name!r}"))
        else:
            mapping[column] = target
    match = asked.match and headers.target_of(asked.match, known)
    if asked.match and (match is None or (match not in (headers.PHONE, headers.EMAIL) and not match.isdigit())):
        faults.append(Fault(("match",), "must be phone, email or a field"))
    region = phone.region(asked.region) if asked.region else None
    if asked.region and region is None:
        faults.append(Fault(("region",), "is no ISO 3166-1 alpha-2 region"))
    group, name = await _group(db, account, asked, faults)
    if faults:
        raise InvalidError(faults)
    return msgspec.structs.replace(asked, mapping=mapping, match=match, region=region, group=group, group_name=name)


async def _group(db: Queries, account: AccountId, asked: Options, faults: list[Fault]) -> tuple[UUID | None, str | None]:
    """The group, or the name of one that is to be made. Raises ConflictError if it is locked for editing."""
    id, name = asked.group, None
    if id is None:
        before = len(faults)
        name = clean(asked.group_name, ("group_name",), NAME_LENGTH, faults)
        if len(faults) > before:
            return None, None
        if name is None:
            faults.append(Fault(("group",), "is required: the id or the name of a group"))
            return None, None
        found = await groups.named(db, account, name)
        if len(found) > 1:
            faults.append(Fault(("group_name",), f"there are several groups named {name!r}: give the id of one"))
        if not found:
            return None, name
        id = found[0]
    try:
        group = await groups.get(db, account, id)
    except NotFoundError as error:
        faults.append(Fault(("group",), error.message))
        return None, None
    groups.refuse_locked(Lockable(group.id, group.name, group.is_locked_for_editing))
    return id, None


ALIASES = "SELECT DISTINCT ON (key) key, target FROM field_alias WHERE account_id = $1 ORDER BY key, id DESC"


async def known_headers(db: Queries, account: AccountId) -> Known:
    """What the account knows of headers."""
    aliases = {row["key"]: row["target"] for row in await db.fetch(ALIASES, account)}
    return Known(await fields.list_all(db, account), aliases)


HOLD = f"{GET} FOR UPDATE"
BEGIN = f"""
UPDATE contact_import SET state = $3, options = $4, error = NULL, attempts = 0, is_cancelling = false, plan = NULL, preview = NULL,
    total_rows = NULL, started_at = $5, group_id = $6, {AT_THE_START}
WHERE account_id = $1 AND id = $2
"""
CLEAR_ROWS = "DELETE FROM import_row WHERE account_id = $1 AND import_id = $2"


async def begin(db: Database, account: AccountId, id: UUID, event: str, options: Options | None, now: datetime) -> Import:
    """`preview` or `start`: the work waits for a worker from now on. Without options those of the preview hold.

    Raises NotFoundError, ConflictError if the import's state does not allow it, InvalidError for the options.
    """
    async with db.transaction() as tx:
        return await _begin(tx, account, id, event, options, now)


async def _begin(tx: Transaction, account: AccountId, id: UUID, event: str, options: Options | None, now: datetime) -> Import:
    held = await hold(tx, account, id)
    _refuse(held, event)
    chosen = await checked(tx, account, held.options if options is None else options)
    await tx.execute(CLEAR_ROWS, account, id)
    started_at = now if event == "start" else None
    await tx.execute(BEGIN, account, id, EVENTS[event][1], msgspec.json.encode(chosen).decode(), started_at, chosen.group)
    await import_claims.offer(tx, account, id, now)
    return await get(tx, account, id)


async def start_into(db: Database, account: AccountId, id: UUID, group: UUID | None, name: str, options: Options, now: datetime) -> UUID:
    """Start an uploaded import into a group, or into a new one of this name; answers which. If that can't be, the import is gone.

    Raises NotFoundError for an unknown group, ConflictError for one that is locked, InvalidError.
    """
    try:
        async with db.transaction() as tx:
            if group is None:
                group = (await groups.create(tx, account, new_id(), groups.Draft(name=name), now)).id
            await groups.get(tx, account, group)
            await _begin(tx, account, id, "start", msgspec.structs.replace(options, group=group), now)
            return group
    except BaseException:
        await forget(db, account, [id])
        raise


CANCEL = "UPDATE contact_import SET is_cancelling = true WHERE account_id = $1 AND id = $2"


async def cancel(db: Database, account: AccountId, id: UUID, now: datetime) -> Import:
    """Stop before the next rows; what is stored stays, and can be undone. Raises NotFoundError, ConflictError."""
    async with db.transaction() as tx:
        held = await hold(tx, account, id)
        _refuse(held, "cancel")
        if held.state in AT_WORK:
            await tx.execute(CANCEL, account, id)
        else:
            await end(tx, account, id, "cancelled", now)
        return await get(tx, account, id)


UNDO = """
UPDATE contact_import SET state = 'undoing', error = NULL, attempts = 0, is_cancelling = false, finished_at = NULL
WHERE account_id = $1 AND id = $2
"""


async def undo(db: Database, account: AccountId, id: UUID, now: datetime) -> Import:
    """Take back what the import did. Raises NotFoundError, ConflictError if it can't be any more or its group is locked for editing."""
    async with db.transaction() as tx:
        held = await hold(tx, account, id)
        _refuse(held, "undo")
        if held.finished_at is not None and held.finished_at < now - timedelta(days=UNDO_DAYS):
            raise ConflictError(f"An import can be undone for {UNDO_DAYS} days.")
        if held.plan is not None:
            for group in (await groups.lock(tx, account, [held.plan.group], "SHARE")).values():
                groups.refuse_locked(group)
        await tx.execute(UNDO, account, id)
        await import_claims.offer(tx, account, id, now)
        return await get(tx, account, id)


async def hold(tx: Transaction, account: AccountId, id: UUID) -> Import:
    """The import; nobody else changes it until the transaction ends. Before any group. Raises NotFoundError."""
    row = await tx.fetchrow(HOLD, account, id)
    if row is None:
        raise not_found(id)
    return _read(row)


class LostError(Exception):
    """Another runner has the import now, or it is over: what was about to be done is not to be done."""


async def hold_claimed(tx: Transaction, account: AccountId, claim: Claim, state: str) -> Import:
    """The import that this runner works on. Raises LostError."""
    try:
        held = await hold(tx, account, claim.id)
    except NotFoundError:
        raise LostError from None
    if held.runner != claim.runner or held.state != state:
        raise LostError
    return held


END = "UPDATE contact_import SET state = $3, finished_at = $4, error = $5, is_cancelling = false WHERE account_id = $1 AND id = $2"
CLEAR_FILE = "DELETE FROM import_chunk WHERE account_id = $1 AND import_id = $2"


async def end(tx: Transaction, account: AccountId, id: UUID, state: str, now: datetime, error: str | None = None) -> None:
    """The import is over: its file goes, what became of its rows stays for a while."""
    await tx.execute(END, account, id, state, now, error)
    await tx.execute(CLEAR_FILE, account, id)
    await import_claims.finish(tx, account, id)


READY = f"""
UPDATE contact_import SET state = 'ready', preview = $3, error = $4, is_cancelling = false, {AT_THE_START}
WHERE account_id = $1 AND id = $2
"""


async def put_preview(tx: Transaction, account: AccountId, id: UUID, preview: Mapping[str, Any] | None, error: str | None) -> None:
    """The preview is made, or there is none because of the error; the import can be started."""
    await tx.execute(CLEAR_ROWS, account, id)
    await tx.execute(READY, account, id, None if preview is None else msgspec.json.encode(preview).decode(), error)
    await import_claims.finish(tx, account, id)


async def fail(db: Database, account: AccountId, claim: Claim, error: str, now: datetime) -> None:
    """The import can't go on. A preview that fails leaves the import ready to be tried with other options."""
    async with db.transaction() as tx:
        held = await hold(tx, account, claim.id)
        if held.runner != claim.runner or held.is_over:
            return
        if held.state == "previewing":
            await put_preview(tx, account, claim.id, None, error)
            return
        await end(tx, account, claim.id, "failed", now, error)
        if held.plan is not None:
            await indexing.hurry(tx, account, held.plan.group)


class Outcome(NamedTuple):
    """One row of a report. `faults` are (column, reason)."""

    number: int
    bucket: str
    contact: UUID | None
    cells: Sequence[str]
    faults: Sequence[tuple[str, str]]


REPORTED = {"refused": "bucket = 'refused'", "duplicate": "bucket = 'duplicate'", "kept": "undone = 'kept'"}
"""What can be listed: rows of a bucket, and those that an undo left alone because they were edited since."""


async def outcomes(db: Queries, account: AccountId, id: UUID, kind: str, after: int, take: int) -> Sequence[Outcome]:
    """Rows of one kind of REPORTED whose number is greater than `after`, in order."""
    query = f"""
    SELECT number, bucket, contact_id, cells, faults FROM import_row
    WHERE account_id = $1 AND import_id = $2 AND number > $3 AND {REPORTED[kind]} ORDER BY number LIMIT $4
    """
    rows = await db.fetch(query, account, id, after, take)
    return [
        Outcome(
            row["number"],
            row["bucket"],
            row["contact_id"],
            msgspec.json.decode(row["cells"] or "[]"),
            msgspec.json.decode(row["faults"] or "[]", type=list[tuple[str, str]]),
        )
        for row in rows
    ]


FORGET = "DELETE FROM contact_import WHERE account_id = $1 AND id = ANY($2::uuid[])"
PARTS = ("import_chunk", "import_row", "import_claim")


async def forget(db: Database, account: AccountId, ids: Iterable[UUID]) -> None:
    """An import with its file and its report; the contacts stay."""
    given = list(ids)
    async with db.transaction() as tx:
        for table in PARTS:
            await tx.execute(f"DELETE FROM {table} WHERE account_id = $1 AND import_id = ANY($2::uuid[])", account, given)
        await tx.execute(FORGET, account, given)


async def discard(db: Database, account: AccountId, id: UUID) -> None:
    """The same when it is asked for. Raises NotFoundError, ConflictError while the import is at work."""
    held = await get(db, account, id)
    if held.state in AT_WORK:
        raise ConflictError(f"The import is {held.state}: cancel it first.")
    await forget(db, account, [id])


STALE = """
SELECT account_id, array_agg(id) AS ids FROM contact_import
WHERE (state = 'uploading' AND created_at < $1) OR (state = 'ready' AND created_at < $2) GROUP BY account_id
"""
CLEAR_OLD_ROWS = """
DELETE FROM import_row r USING contact_import i
WHERE r.account_id = i.account_id AND r.import_id = i.id AND i.account_id = $1 AND i.id = $2
"""
OLD = """
SELECT i.account_id, i.id FROM contact_import i WHERE i.finished_at < $1
    AND EXISTS (SELECT 1 FROM import_row r WHERE r.account_id = i.account_id AND r.import_id = i.id)
"""


async def purge(db: Database, now: datetime) -> int:
    """Files that never came whole or that nobody started, and reports whose time is over; answers how many."""
    stale = await db.fetch(STALE, now - timedelta(days=1), now - timedelta(days=UPLOAD_DAYS))
    for row in stale:
        await forget(db, AccountId(row["account_id"]), row["ids"])
    old = await db.fetch(OLD, now - timedelta(days=UNDO_DAYS))
    for row in old:
        await db.execute(CLEAR_OLD_ROWS, row["account_id"], row["id"])
    return len(stale) + len(old)


def _refuse(held: Import, event: str) -> None:
    if held.state not in EVENTS[event][0]:
        raise ConflictError(f"The import is {held.state}: it can't be {PARTICIPLES[event]} now.")


PARTICIPLES = {"preview": "previewed", "start": "started", "cancel": "cancelled", "undo": "undone"}


async def account_of(db: Queries, id: UUID) -> AccountId:
    """Whose import this is (for the operator). Raises NotFoundError."""
    account = await db.fetchval("SELECT account_id FROM contact_import WHERE id = $1", id)
    if account is None:
        raise not_found(id)
    return AccountId(account)


async def default_region(db: Queries, account: AccountId, options: Options) -> str | None:
    """How national numbers are read in this import."""
    return options.region or await accounts.region(db, account)


def not_found(id: UUID) -> NotFoundError:
    """The same words wherever an import is missing."""
    return NotFoundError(f"There is no import {id}.")
