"""The rows of a file, a slice at a time: matched, sorted into their buckets, stored; all of a slice or nothing.

Everything that a slice does stands in one transaction with the place that the import has reached, so a run that was killed goes on
behind the last slice that was committed and no row counts twice. The ledger is only read: no import opens an address again.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from reachbook.core import consent, contacts, fields, groups, headers, import_reports, imports, indexing, mass, properties
from reachbook.core.contacts import Many, MovedError, Moves, Stored
from reachbook.core.drafts import Facts
from reachbook.core.errors import ReachbookError
from reachbook.core.groups import Lockable
from reachbook.core.headers import Known
from reachbook.core.ids import NIL, AccountId, new_id
from reachbook.core.import_claims import Claim
from reachbook.core.import_matching import match
from reachbook.core.import_reading import Key, Plan, Read, Reader, Refusal, key, merge
from reachbook.core.imports import BUCKETS, Import, LostError, Options
from reachbook.core.limits import IMPORT_INDEXING_SECONDS, IMPORT_SHOWN_ROWS, NAME_LENGTH
from reachbook.database.queries import Database, Transaction
from reachbook.files.rows import Row, Table

IMAGINED_FIELD = 10**9
"""Ids from here on stand for the fields that a preview would make."""


class StoppedError(ReachbookError):
    """The import can't go on; the text says why."""


class Entry(NamedTuple):
    """What becomes of one row. `facts` are to be stored; `contact` is the one it is about, None for a new one."""

    read: Read
    bucket: str
    contact: UUID | None = None
    facts: Facts | None = None
    stored: Stored | None = None
    joins: bool = False
    refusals: Sequence[Refusal] = ()


# --- the plan


async def make_plan(db: Database, account: AccountId, claim: Claim, table: Table, samples: Sequence[Row], now: datetime) -> Plan:
    """Understand the file and remember it: new fields and the group are made, aliases are taught.

    `samples` are its first rows. Raises StoppedError when no column can be used.
    """
    async with db.transaction() as tx:
        held = await imports.hold_claimed(tx, account, claim, "running")
        if held.plan is not None:
            return held.plan
        group, made = await _group(tx, account, held, now)
        targets, wanted = await _targets(tx, account, held, table, samples)
        made_fields = await _make_properties(tx, account, targets, table.columns if held.options.new_fields else (), now)
        for place, name in wanted.items():
            field = await fields.add(tx, account, name, now)
            targets[place] = str(field.id)
            made_fields.append(field.id)
        plan = await _plan(tx, account, held, table, targets, group)
        plan = msgspec.structs.replace(plan, made_group=made, made_fields=made_fields)
        await _teach(tx, account, held, table.columns)
        await tx.execute(PLANNED, account, claim.id, msgspec.json.encode(plan).decode(), table.count, plan.group)
        return plan


async def _make_properties(
    tx: Transaction, account: AccountId, targets: list[str | None], columns: Sequence[str], now: datetime
) -> list[int]:
    """Put the fields of properties in their place; answers those that were made for it, which are called as the columns given."""
    asked = [target for target in targets if target in properties.LABELS]
    if not asked:
        return []
    before = {field.id for field in await fields.list_all(tx, account)}
    called = {target: column.strip() for target, column in zip(targets, columns, strict=False) if target in properties.LABELS}
    found = await properties.make(tx, account, asked, now, called)
    targets[:] = [str(found[target]) if target in properties.LABELS else target for target in targets]
    return [found[name] for name in asked if found[name] not in before]


PLANNED = "UPDATE contact_import SET plan = $3, total_rows = $4, group_id = $5 WHERE account_id = $1 AND id = $2"


async def imagine_plan(db: Database, account: AccountId, claim: Claim, table: Table, samples: Sequence[Row]) -> Plan:
    """The plan that a start would make, without making anything."""
    async with db.transaction() as tx:
        held = await imports.hold_claimed(tx, account, claim, "previewing")
        targets, wanted = await _targets(tx, account, held, table, samples)
        for place, target in enumerate(targets):
            if place in wanted or target in properties.LABELS:
                targets[place] = str(IMAGINED_FIELD + place)
        await tx.execute("UPDATE contact_import SET total_rows = $3 WHERE account_id = $1 AND id = $2", account, claim.id, table.count)
        return await _plan(tx, account, held, table, targets, held.options.group or NIL)


async def _plan(tx: Transaction, account: AccountId, held: Import, table: Table, targets: list[str | None], group: UUID) -> Plan:
    options = held.options
    if not any(target for target in targets if target != headers.COUNTRY):
        raise StoppedError(
            f"No column of the file is known: {', '.join(table.columns[:10])}."
            " Say which column is which, with a mapping or --map COLUMN=FIELD."
        )
    chosen = options.match or next((target for target in (headers.PHONE, headers.EMAIL) if target in targets), headers.PHONE)
    if options.match and options.match not in targets:
        raise StoppedError("No column of the file has what is to be matched by.")
    levels = dict.fromkeys([chosen, headers.PHONE, headers.EMAIL])
    region = await imports.default_region(tx, account, options)
    is_csv = table.kind == "csv"
    return Plan(table.columns, targets, list(levels), options.on_match, options.match_in, region, table.letters, is_csv, group)


async def _targets(
    tx: Transaction, account: AccountId, held: Import, table: Table, samples: Sequence[Row]
) -> tuple[list[str | None], dict[int, str]]:
    """The target of each column, and the names of fields to be made for those that have none, by place."""
    options = held.options
    columns = {headers.key(column) for column in table.columns}
    unknown = [column for column in options.mapping if headers.key(column) not in columns]
    if unknown:
        raise StoppedError(f"There is no column {unknown[0]!r} in the file; there are {', '.join(table.columns[:20])}.")
    known = (await imports.known_headers(tx, account))._replace(names=options.names)
    targets = headers.assign(table.columns, options.mapping, known)
    if not table.has_header:
        targets = [target or guess for target, guess in zip(targets, _guess(table, samples), strict=True)]
    for place, target in enumerate(targets):
        if target == headers.ID and not headers.are_ids([row.cells[place] for row in samples if place < len(row.cells)]):
            targets[place] = None
    if not (options.properties or options.new_fields):
        by_hand = set(options.mapping.values())
        targets = [None if target in properties.LABELS and target not in by_hand else target for target in targets]
    return targets, _wanted(options, known, table.columns, targets) if options.new_fields else {}


def _wanted(options: Options, known: Known, columns: Sequence[str], targets: Sequence[str | None]) -> dict[int, str]:
    """The names of the fields to be made for columns that are none yet, by place."""
    left_out = {headers.key(column) for column, target in options.mapping.items() if not target}
    wanted: dict[int, str] = {}
    taken = {field.name.strip().casefold() for field in known.fields}
    for place, column in enumerate(columns):
        is_free = targets[place] is None and headers.find(column, known) is None
        if is_free and headers.key(column) not in left_out and headers.key(column) not in headers.HOUSEKEEPING:
            name = (headers.bare(column) or column).strip()
            wanted[place] = column if name.casefold() in taken else name
            taken.add(name.casefold())
    too_long = next((column for column in wanted.values() if len(column) > NAME_LENGTH), None)
    if too_long is not None:
        raise StoppedError(f"Column {too_long[:40]!r}… is too long to be the name of a field; leave it out or map it.")
    return wanted


def _guess(table: Table, samples: Sequence[Row]) -> list[str | None]:
    """Without a header: what the first row's cells look like."""
    first = samples[0].cells if samples else []
    guesses: list[str | None] = [None] * len(table.columns)
    reader = Reader(Plan([""], [headers.EMAIL], [], "update", "account", None, letters=False, is_csv=True, group=NIL), {})
    for place, cell in enumerate(first):
        if reader.read(Row(1, [cell])).facts is not None:
            guesses[place] = headers.EMAIL
        elif sum(letter.isdigit() for letter in cell) >= FEWEST_DIGITS and not any(letter.isalpha() for letter in cell):
            guesses[place] = headers.PHONE
    return guesses


FEWEST_DIGITS = 7


async def _group(tx: Transaction, account: AccountId, held: Import, now: datetime) -> tuple[UUID, bool]:
    if held.options.group is not None:
        return held.options.group, False
    made = await groups.create(tx, account, new_id(), groups.Draft(name=held.options.group_name), now)
    return made.id, True


TEACH = "INSERT INTO field_alias (account_id, key, id, header, target, import_id) VALUES ($1, $2, $3, $4, $5, $6)"


async def _teach(tx: Transaction, account: AccountId, held: Import, columns: Sequence[str]) -> None:
    """What was mapped by hand is known from now on, but for the headers of our own exports: those stay what they are."""
    written = {headers.key(column): column for column in columns}
    known = await imports.known_headers(tx, account)
    exported = {headers.key(name) for name in (*headers.LABELS.values(), *headers.field_headers(known.fields).values())}
    for column, target in held.options.mapping.items():
        if headers.find(column, known) != target and headers.key(column) not in exported:
            name = headers.key(column)
            await tx.execute(TEACH, account, name, new_id(), written[name], target, held.id)


# --- a slice of the run


class Reached(NamedTuple):
    """How far a slice goes: the number of its last row, and whether it is the last slice."""

    last_row: int
    is_end: bool


async def apply(db: Database, account: AccountId, claim: Claim, plan: Plan, reads: Sequence[Read], reached: Reached, now: datetime) -> bool:
    """Store one slice; False when the import is over, because it is done or was cancelled. Raises LostError, StoppedError."""
    while True:
        try:
            async with db.transaction() as tx:
                held = await imports.hold_claimed(tx, account, claim, "running")
                if held.is_cancelling:
                    await _end(tx, account, claim, plan, "cancelled", now)
                    return False
                if reads and reads[0].number <= held.last_row:
                    raise LostError  # this slice is stored already
                entries = await _store(tx, account, claim, plan, reads, now, held.actor)
                await _count(tx, account, claim, entries, reached.last_row)
                if reached.is_end:
                    await _end(tx, account, claim, plan, "done", now)
                return not reached.is_end
        except MovedError:
            continue


async def _end(tx: Transaction, account: AccountId, claim: Claim, plan: Plan, state: str, now: datetime) -> None:
    await imports.end(tx, account, claim.id, state, now)
    await indexing.hurry(tx, account, plan.group)


async def _store(
    tx: Transaction, account: AccountId, claim: Claim, plan: Plan, reads: Sequence[Read], now: datetime, actor: UUID
) -> list[Entry]:
    await mass.prepare(tx)
    rows = [read for read in reads if read.facts is not None]
    keys = {read.number: key(plan.match, read.facts) for read in rows if read.facts is not None}
    matched = await match(tx, account, plan, rows, keys)
    ids = sorted(set(matched.values()))
    held = await contacts.hold_many(tx, account, ids, [plan.group])
    _refuse_changed(plan, held)
    if len(held.contacts) < len(ids):
        raise MovedError  # one was deleted meanwhile
    earlier = await _earlier(tx, account, claim, ids)
    entries = sort(plan, reads, keys, matched, held.contacts, held.groups, earlier)
    made = await _create(tx, account, plan, [entry.facts for entry in entries if entry.bucket == "created" and entry.facts], now, actor)
    await _update(tx, account, plan, entries, now, actor)
    created = iter(made)
    entries = [entry._replace(contact=next(created)) if entry.bucket == "created" else entry for entry in entries]
    await tx.copy("import_row", ROW, [_row(account, claim, entry, now) for entry in entries])
    return entries


def _refuse_changed(plan: Plan, held: Many) -> None:
    """Raises StoppedError if what the plan stands on is there no more."""
    group = held.groups.get(plan.group)
    if group is None:
        raise StoppedError("The group was deleted while the import was running.")
    if group.is_locked_for_editing:
        raise StoppedError(f"Group {group.name!r} is locked for editing.")
    lost = [target for target in plan.targets if target and target.isdigit() and int(target) not in held.fields]
    if lost:
        raise StoppedError(f"Field {lost[0]} was deleted while the import was running.")


# A look at the unique index for each.
EARLIER = """
SELECT k.id AS contact_id, r.number FROM unnest($3::uuid[]) AS k (id) CROSS JOIN LATERAL (
    SELECT r.number FROM import_row r
    WHERE r.account_id = $1 AND r.import_id = $2 AND r.contact_id = k.id AND r.bucket IN ('created', 'updated', 'unchanged') LIMIT 1) r
"""


async def _earlier(tx: Transaction, account: AccountId, claim: Claim, subjects: Sequence[UUID]) -> dict[UUID, int]:
    """The rows of earlier slices that were about these contacts."""
    if not subjects:
        return {}
    return {row["contact_id"]: row["number"] for row in await tx.fetch(EARLIER, account, claim.id, subjects)}


def sort(
    plan: Plan,
    reads: Sequence[Read],
    keys: Mapping[int, Key],
    matched: Mapping[int, UUID],
    stored: Mapping[UUID, Stored],
    held_groups: Mapping[UUID, Lockable],
    earlier: Mapping[Any, int],
) -> list[Entry]:
    """Every row's bucket. Of several rows about one contact the first counts, the others are duplicates. Pure."""
    seen: dict[Any, int] = dict(earlier)
    now_known_by: dict[UUID, Key] = {}
    entries: list[Entry] = []
    for read in reads:
        if read.facts is None:
            entries.append(Entry(read, "refused", refusals=read.refusals))
            continue
        own = keys[read.number]
        contact = matched.get(read.number)
        if contact is not None and now_known_by.get(contact, own) != own and read.id != contact:
            contact = None  # an earlier row gave it another key
        is_named = contact is not None and contact == read.id  # two contacts may share a key; the id tells them apart
        earlier_row = seen.get(contact or own) or (None if is_named else seen.get(own))
        if earlier_row is not None:
            reason = f"is about the same contact as row {earlier_row}"
            entries.append(Entry(read, "duplicate", contact, refusals=[Refusal("", reason)]))
            continue
        entry = _matched(plan, read, read.facts, stored[contact], held_groups) if contact else Entry(read, "created", facts=read.facts)
        if entry.bucket != "refused":
            final = key(plan.match, _final(entry) or read.facts) if contact else own
            seen[contact or own] = seen[final] = read.number
            if contact is not None:
                now_known_by[contact] = final
        entries.append(entry)
    return entries


def _matched(plan: Plan, read: Read, facts: Facts, stored: Stored, held_groups: Mapping[UUID, Lockable]) -> Entry:
    """A row about a contact that is there: changed, put into the group, or neither."""
    if plan.on_match == "skip":
        return Entry(read, "unchanged", stored.id, stored=stored)
    merged = merge(stored.facts, facts, plan.on_match)
    joins = plan.group not in stored.groups
    if merged is None and not joins:
        return Entry(read, "unchanged", stored.id, stored=stored)
    locked = next((held_groups[id].name for id in stored.groups if held_groups[id].is_locked_for_editing), None)
    if locked is not None:
        return Entry(read, "refused", refusals=[Refusal("", f"is about a contact of group {locked!r}, which is locked for editing")])
    return Entry(read, "updated", stored.id, merged, stored, joins)


async def _create(tx: Transaction, account: AccountId, plan: Plan, rows: Sequence[Facts], now: datetime, actor: UUID) -> list[UUID]:
    if not rows:
        return []
    ids = await contacts.create_many(tx, account, rows, [[plan.group]] * len(rows), now, actor)
    await indexing.put_off(tx, account, plan.group, ids[0], ids[-1], now, IMPORT_INDEXING_SECONDS)
    return ids


async def _update(tx: Transaction, account: AccountId, plan: Plan, entries: Sequence[Entry], now: datetime, actor: UUID) -> None:
    """A contact that only joins the group is changed too: an undo has to know whether anybody touched it since."""
    updated = [entry for entry in entries if entry.bucket == "updated" and entry.stored is not None]
    rows = [(entry.stored, entry.facts or entry.stored.facts, now) for entry in updated if entry.stored is not None]
    joining = [entry.stored.id for entry in updated if entry.joins and entry.stored is not None]
    await contacts.update_many(tx, account, rows, [Moves(plan.group, joining=joining)], now, actor)


ROW = ["account_id", "import_id", "number", "bucket", "contact_id", "applied_at", "before", "cells", "faults"]


class Before(NamedTuple):
    """What an updated contact was: the values of OWN and its `updated_at`; whether the import put it into the group."""

    facts: Facts
    updated_at: datetime
    joined: bool


def _row(account: AccountId, claim: Claim, entry: Entry, now: datetime) -> tuple[object, ...]:
    read, stored = entry.read, entry.stored
    is_applied = entry.bucket in ("created", "updated")
    before = cells = faults = None
    if entry.bucket == "updated" and stored is not None:
        before = msgspec.json.encode(Before(stored.facts, stored.updated_at, entry.joins)).decode()
    if entry.refusals:
        cells = msgspec.json.encode(list(map(_storable, read.cells))).decode()
        faults = msgspec.json.encode([(refusal.column, _storable(refusal.reason)) for refusal in entry.refusals]).decode()
    return account, claim.id, read.number, entry.bucket, entry.contact, now if is_applied else None, before, cells, faults


def _storable(text: str) -> str:
    """PostgreSQL's JSON has no NUL, nor half a character."""
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()


COUNT = f"""
UPDATE contact_import SET attempts = 0, last_row = $3, done_rows = done_rows + $4, opted_out = opted_out + $5,
    {", ".join(f"{bucket} = {bucket} + ${number}" for number, bucket in enumerate(BUCKETS, 6))}
WHERE account_id = $1 AND id = $2
"""


async def _count(tx: Transaction, account: AccountId, claim: Claim, entries: Sequence[Entry], last_row: int) -> None:
    buckets = Counter(entry.bucket for entry in entries)
    kept = [facts for entry in entries if (facts := _final(entry)) is not None]
    opted_out = await consent.count_opted_out(tx, account, [(facts.email_key, facts.phone) for facts in kept])
    await tx.execute(COUNT, account, claim.id, last_row, len(entries), opted_out, *(buckets[bucket] for bucket in BUCKETS))


def _final(entry: Entry) -> Facts | None:
    """The contact as it is after the row; None for a row that counts for nobody."""
    if entry.bucket in ("refused", "duplicate"):
        return None
    return entry.facts or (entry.stored.facts if entry.stored else None)


# --- a slice of the preview


async def look(db: Database, account: AccountId, claim: Claim, plan: Plan, reads: Sequence[Read], reached: Reached, now: datetime) -> bool:
    """Sort one slice as a run would and note what would become of it; nothing of the book is changed. False when it was cancelled."""
    async with db.transaction() as tx:
        held = await imports.hold_claimed(tx, account, claim, "previewing")
        if held.is_cancelling:
            await imports.put_preview(tx, account, claim.id, None, None)
            return False
        if reads and reads[0].number <= held.last_row:
            raise LostError
        entries = await _sorted(tx, account, claim, plan, reads)
        noted = [_row(account, claim, _imagined(entry, plan), now) for entry in entries]
        await tx.copy("import_row", ROW, noted)
        await _count(tx, account, claim, entries, reached.last_row)
        if not held.done_rows:
            shown = [_shown(entry, plan) for entry in entries[:IMPORT_SHOWN_ROWS]]
            await tx.execute(SHOWN, account, claim.id, msgspec.json.encode({"first": shown}).decode())
        return True


SHOWN = "UPDATE contact_import SET preview = $3 WHERE account_id = $1 AND id = $2"


async def _sorted(tx: Transaction, account: AccountId, claim: Claim, plan: Plan, reads: Sequence[Read]) -> list[Entry]:
    await mass.prepare(tx)
    rows = [read for read in reads if read.facts is not None]
    keys = {read.number: key(plan.match, read.facts) for read in rows if read.facts is not None}
    matched = await match(tx, account, plan, rows, keys)
    ids = sorted(set(matched.values()))
    stored = await contacts.read_many(tx, account, ids, hold=False)
    of_groups = {group for contact in stored.values() for group in contact.groups}
    names = await tx.fetch(LOOKED_AT, account, list(of_groups))
    held_groups = {row["id"]: Lockable(**row) for row in names}
    imagined = {number: subject_of(key) for number, key in keys.items() if number not in matched}
    earlier = await _earlier(tx, account, claim, [*ids, *set(imagined.values())])
    seen: dict[Any, int] = {subject: number for subject, number in earlier.items() if subject in stored}
    seen |= {keys[number]: earlier[subject] for number, subject in imagined.items() if subject in earlier}
    return sort(plan, reads, keys, matched, stored, held_groups, seen)


LOOKED_AT = "SELECT id, name, is_locked_for_editing FROM contact_group WHERE account_id = $1 AND id = ANY($2::uuid[])"


def subject_of(key: Key) -> UUID:
    """An id for a contact that is not there yet: what the preview knows it by."""
    return UUID(bytes=hashlib.sha256("\n".join(key).encode()).digest()[:16])


def _imagined(entry: Entry, plan: Plan) -> Entry:
    if entry.bucket != "created" or entry.facts is None:
        return entry
    return entry._replace(contact=subject_of(key(plan.match, entry.facts)))


def _shown(entry: Entry, plan: Plan) -> dict[str, Any]:
    facts = _final(entry) or entry.read.facts
    shown: dict[str, Any] = {"row": entry.read.number, "bucket": entry.bucket}
    if facts is not None and entry.bucket != "refused":
        values: dict[str, str] = msgspec.json.decode(facts.field_values)
        given = {name: value for name, value in facts._asdict().items() if value and name not in HIDDEN}
        shown["contact"] = given | ({"values": {_label(field, plan): value for field, value in values.items()}} if values else {})
    if entry.refusals:
        shown["reasons"] = [{"field": refusal.column, "reason": _storable(refusal.reason)} for refusal in entry.refusals]
    return shown


HIDDEN = ("name_key", "email_key", "field_values")


def _label(field: str, plan: Plan) -> str:
    """A field that would be made is called by its column."""
    return plan.columns[int(field) - IMAGINED_FIELD] if int(field) >= IMAGINED_FIELD else field


async def finish_preview(db: Database, account: AccountId, claim: Claim, plan: Plan, samples: Sequence[Row]) -> None:
    """Put the preview together: the mapping, the buckets, the first rows."""
    async with db.transaction() as tx:
        held = await imports.hold_claimed(tx, account, claim, "previewing")
        columns = [
            {
                "column": column,
                "target": None if target is None or _is_imagined(target) else target,
                "isNew": bool(target and _is_imagined(target)),
                "samples": [_storable(row.cells[place][:80]) for row in samples[:3] if place < len(row.cells)],
            }
            for place, (column, target) in enumerate(zip(plan.columns, plan.targets, strict=True))
        ]
        preview = {
            "columns": columns,
            "match": plan.match[0],
            **import_reports.counts(held),
            "first": (held.preview or {}).get("first", []),
        }
        await imports.put_preview(tx, account, claim.id, preview, None)


def _is_imagined(target: str) -> bool:
    return target.isdigit() and int(target) >= IMAGINED_FIELD
