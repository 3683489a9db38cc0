"""A file of any kind → a table."""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from reachbook.files import delimited, jsonlines, sheets, vcard
from reachbook.files.columns import Columns
from reachbook.files.errors import FileError
from reachbook.files.rows import Row, Table, distinct, fitted, spool
from reachbook.files.unpack import MOST_BYTES, Plain, unpack

MOST_COLUMNS = 2_000
MAILBOX = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
DATE = re.compile(r"\d{4}[-./]\d\d?[-./]\d\d?|\d\d?[-./]\d\d?[-./]\d{4}")
NUMBER = re.compile(r"[+(]?\d[\d\s().\-/]{6,}\d")


class Reading(msgspec.Struct, frozen=True):
    """How to read the file, where it does not say so itself."""

    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    has_header: bool | None = None


def open_table(source: Path, folder: Path, reading: Reading, limit: int = MOST_BYTES) -> Table:
    """Read the file to its end; `folder` takes what is unpacked and spooled. Raises FileError with the reason."""
    if source.stat().st_size == 0:
        raise FileError("The file is empty.")
    plain = unpack(source, folder, limit)
    if plain.path.stat().st_size == 0:
        raise FileError("The file is empty.")
    target = folder / "rows"
    if plain.kind in ("jsonl", "vcard"):
        return _named(plain, target, reading)
    if plain.kind == "csv":
        records = delimited.read(plain.path, reading.encoding, reading.delimiter)
    else:
        cells = folder / "cells"
        sheets.convert(plain.path, cells, plain.kind, reading.sheet)
        records = Table(cells, [], 0, plain.kind).rows()
    return _headed(records, target, reading, plain.kind)


def _named(plain: Plain, target: Path, reading: Reading) -> Table:
    columns = Columns()
    rows = (jsonlines if plain.kind == "jsonl" else vcard).read(plain.path, reading.encoding, columns)
    count = spool(rows, target)
    return Table(target, distinct(columns.names), count, plain.kind)


def _headed(records: Iterator[Row], target: Path, reading: Reading, kind: str) -> Table:
    first = next((row for row in records if any(map(str.strip, row.cells))), None)
    if first is None:
        raise FileError("The file has no text in it.")
    has_header = not _is_contact(first.cells) if reading.has_header is None else reading.has_header
    while has_header and first.cells and not first.cells[-1].strip():
        first.cells.pop()
    if len(first.cells) > MOST_COLUMNS:
        raise FileError(f"The file has {len(first.cells):,} columns; {MOST_COLUMNS:,} are the most.")
    if first.fault is not None and has_header:
        raise FileError(f"The header {first.fault}.")
    width = len(first.cells)
    named = [_unguarded(cell) if kind == "csv" else cell for cell in first.cells] if has_header else [""] * width
    columns = distinct(named)
    count = spool(_fitted(records, width, None if has_header else first), target)
    return Table(target, columns, count, kind, letters=True, has_header=has_header)


def _unguarded(header: str) -> str:
    """Without the apostrophe that keeps a spreadsheet from running a header as a formula."""
    return header[1:] if header.startswith("'") and header.lstrip("'")[:1] in ("=", "@", "+", "-") else header


def _fitted(records: Iterator[Row], width: int, first: Row | None) -> Iterator[Row]:
    if first is not None:
        yield first
    for row in records:
        made = fitted(row.number, row.cells, width, row.marks)
        made.fault = row.fault or made.fault
        yield made


def _is_contact(cells: list[str]) -> bool:
    """Whether a first row is a contact already: no header is an address or a number."""
    given = [cell.strip() for cell in cells]
    return any(MAILBOX.fullmatch(cell) or (NUMBER.fullmatch(cell) and not DATE.fullmatch(cell)) for cell in given)
