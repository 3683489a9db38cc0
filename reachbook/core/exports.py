"""Exports: contacts of a group, of a search or of the whole account as a file that an import takes again without any difference.

PostgreSQL makes the rows (CSV, JSON) and they pass through, or are put into cells and cards as they pass: constant memory whatever
the size, and one statement, so one instant.

What a spreadsheet would run as a formula: in XLSX it is text by its cell's type. CSV has no types, so there it gets the apostrophe that
spreadsheets themselves use to say "text", which an import takes off again; numbers (`+31…`) are left as they are.
"""

import asyncio
import tempfile
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import msgspec

from reachbook.core import fields, groups, headers, search, segments
from reachbook.core.fields import COMPANY
from reachbook.core.headers import LABELS
from reachbook.core.ids import AccountId
from reachbook.database.queries import Database, Write
from reachbook.database.values import Values
from reachbook.files.vcard import OWN_FIELD, OWN_ID, OWN_LINE, written
from reachbook.files.writing import Workbook, csv_lines


class Format(StrEnum):
    """Kinds of files."""

    CSV = "csv"
    XLSX = "xlsx"
    VCARD = "vcf"
    JSON_LINES = "jsonl"


MEDIA_TYPES = {
    Format.CSV: "text/csv",
    Format.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    Format.VCARD: "text/vcard",
    Format.JSON_LINES: "application/jsonl",
}


class Selection(NamedTuple):
    """A group, what a search finds, a segment, or with none of them the whole account."""

    group: UUID | None = None
    search: str | None = None
    segment: UUID | None = None


class Column(NamedTuple):
    """A column: its header, its name in JSON, and the SQL of its value."""

    header: str
    name: str
    value: str


PROPERTIES = [
    Column(LABELS[headers.ID], "id", "c.id::text"),
    Column(LABELS[headers.FIRST_NAME], "firstName", "c.first_name"),
    Column(LABELS["insertion"], "insertion", "c.insertion"),
    Column(LABELS[headers.LAST_NAME], "lastName", "c.last_name"),
    Column(LABELS[headers.EMAIL], "email", "c.email"),
    Column(LABELS[headers.PHONE], "phoneNumber", "c.phone"),
    Column(LABELS[headers.COUNTRY], "phoneCountry", "c.phone_country"),
    Column(LABELS[headers.LANDLINE], "landline", "c.landline"),
    Column(LABELS[headers.FAX], "fax", "c.fax"),
]
SAFE = ("id", "phoneNumber", "phoneCountry", "landline", "fax")
"""Nothing in these can be taken for a formula."""


async def refuse_unknown(db: Database, account: AccountId, selection: Selection) -> None:
    """Raises NotFoundError if there is no such group or segment, ConflictError if a field that the segment speaks of is gone."""
    if selection.group is not None:
        await groups.get(db, account, selection.group)
    if selection.segment is not None:
        await segments.readable(db, account, selection.segment)


async def export(db: Database, account: AccountId, selection: Selection, form: Format, write: Write) -> None:
    """The contacts in the order of their ids. Call `refuse_unknown` first."""
    of_account = await fields.list_all(db, account)
    named = headers.field_headers(of_account)
    columns = [*PROPERTIES, *(Column(named[field.id], named[field.id], f"c.field_values ->> '{field.id:d}'") for field in of_account)]
    if form is Format.CSV:
        await _csv(db, account, selection, columns, write)
    elif form is Format.JSON_LINES:
        await _json(db, account, selection, columns, write)
    elif form is Format.XLSX:
        await _xlsx(db, account, selection, columns, write)
    else:
        await _vcards(db, account, selection, columns, write)


async def _source(db: Database, account: AccountId, selection: Selection, values: Values) -> str:
    if selection.group is not None:
        return f"""
        FROM membership m JOIN contact c ON c.account_id = m.account_id AND c.id = m.contact_id
        WHERE m.account_id = $1 AND m.group_id = {values.add(selection.group)} ORDER BY m.contact_id"""
    if selection.search is not None:
        condition = await search.matching(db, account, selection.search, values)
        return f"""
        FROM contact_search s JOIN contact c ON c.account_id = s.account_id AND c.id = s.contact_id
        WHERE s.account_id = $1 AND {condition} ORDER BY c.id"""
    if selection.segment is not None:
        segment = await segments.readable(db, account, selection.segment)
        found = await segments.source(db, account, segment.group_id, segment.filter, values)
        return f"FROM {found.sql} ORDER BY {found.id}"
    return "FROM contact c WHERE c.account_id = $1 ORDER BY c.id"


# A formula begins so; one of =, @, tab and return always, + and - unless a number follows. Apostrophes before it count too, so that
# taking one off gives back what was there.
FORMULA = r"E'^''*([=@\\t\\r]|[+-](?![0-9 ().-]*$))'"


def guarded(value: str) -> str:
    """The SQL of a value that no spreadsheet runs. The first letter is looked at first: nearly none begins so."""
    is_suspect = f"left({value}, 1) IN ('=', '+', '-', '@', '''', E'\\t', E'\\r') AND {value} ~ {FORMULA}"
    return f"CASE WHEN {is_suspect} THEN '''' || ({value}) ELSE {value} END"


async def _csv(db: Database, account: AccountId, selection: Selection, columns: Sequence[Column], write: Write) -> None:
    values = Values(account)
    row = ", ".join(
        f"{column.value if column.name in SAFE else guarded(column.value)} AS {values_name(place)}" for place, column in enumerate(columns)
    )
    lines = csv_lines(write)
    await lines((",".join(_quoted(column.header) for column in columns) + "\n").encode())
    source = await _source(db, account, selection, values)
    await db.stream(f"SELECT {row} {source}", values.bound, lines, {"format": "csv"})


def values_name(place: int) -> str:
    """A column's name within the statement."""
    return f"v{place}"


def _quoted(text: str) -> str:
    guard = "'" if text.lstrip("'")[:1] in ("=", "@", "+", "-") else ""
    written = (guard + text).replace('"', '""')
    return f'"{written}"' if any(mark in written for mark in ',"\r\n') else written


async def _json(db: Database, account: AccountId, selection: Selection, columns: Sequence[Column], write: Write) -> None:
    """An object a line; absent values are left out, the id always is there."""
    values = Values(account)
    parts = ["'{\"id\":\"' || c.id || '\"'"]
    for column in columns[1:]:
        name = values.add("," + msgspec.json.encode(column.name).decode() + ":", "text")
        parts.append(f"coalesce({name} || to_json({column.value})::text, '')")
    row = " || ".join([*parts, "'}'"])
    source = await _source(db, account, selection, values)
    # JSON text has no raw control character, so with these as quote and delimiter COPY leaves it as it is.
    await db.stream(f"SELECT {row} {source}", values.bound, write, {"format": "csv", "quote": "\x01", "delimiter": "\x02"})


CHUNK = 2**20


async def _xlsx(db: Database, account: AccountId, selection: Selection, columns: Sequence[Column], write: Write) -> None:
    names = [column.name for column in columns]
    with tempfile.TemporaryDirectory(prefix="reachbook-export-") as folder:
        path = Path(folder) / "contacts.xlsx"
        book = Workbook(path, [column.header for column in columns])

        async def add(lines: bytes) -> None:
            await asyncio.to_thread(_add, book, names, lines)

        await _json(db, account, selection, columns, add)
        await asyncio.to_thread(book.close)
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                await write(chunk)


def _add(book: Workbook, names: Sequence[str], lines: bytes) -> None:
    book.add([[row.get(name, "") for name in names] for row in _rows(lines)])


async def _vcards(db: Database, account: AccountId, selection: Selection, columns: Sequence[Column], write: Write) -> None:
    named = headers.field_headers(await fields.list_all(db, account))
    company, others = named.get(COMPANY, ""), [name for id, name in named.items() if id != COMPANY]

    async def add(lines: bytes) -> None:
        await write(await asyncio.to_thread(lambda: b"".join(_card(row, company, others) for row in _rows(lines))))

    await _json(db, account, selection, columns, add)


def _card(row: Mapping[str, str], company: str, others: Sequence[str]) -> bytes:
    first, insertion, last = (row.get(name, "") for name in ("firstName", "insertion", "lastName"))
    whole = " ".join(filter(None, (first, insertion, last)))
    shown = whole or row.get(company, "") or row.get("email", "") or row.get("phoneNumber", "")
    lines = [written("N", [last, first, insertion, "", ""]), written("FN", [shown])]
    if number := row.get("phoneNumber"):
        lines.append(written("TEL", [number], {"TYPE": "CELL"}))
    if number := row.get("landline"):
        lines.append(written("TEL", [number], {"TYPE": "VOICE", OWN_LINE: "landline"}))
    if number := row.get("fax"):
        lines.append(written("TEL", [number], {"TYPE": "FAX"}))
    if mailbox := row.get("email"):
        lines.append(written("EMAIL", [mailbox], {"TYPE": "INTERNET"}))
    if employer := row.get(company):
        lines.append(written("ORG", [employer]))
    lines += [written(OWN_FIELD, [row[name]], {"X-NAME": name}) for name in others if name in row]
    lines.append(written(OWN_ID, [row["id"]]))
    return ("BEGIN:VCARD\r\nVERSION:3.0\r\n" + "".join(lines) + "END:VCARD\r\n").encode()


def _rows(lines: bytes) -> Sequence[dict[str, str]]:
    return [DECODE(line) for line in bytes(lines).split(b"\n") if line]


DECODE: Callable[[bytes], dict[str, str]] = msgspec.json.Decoder(dict[str, str]).decode
