"""JSON Lines: an object a line; its names are the columns."""

import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import msgspec

from reachbook.files import encoding
from reachbook.files.columns import Columns
from reachbook.files.encoding import Encoding
from reachbook.files.errors import FileError
from reachbook.files.rows import Mark, Row

LONGEST_LINE = 16 * 2**20
EXACT = 10**15
SHOWN = 1_000


def read(path: Path, encoding_name: str | None, columns: Columns) -> Iterator[Row]:
    """Rows numbered by line; `columns` learns the names as they come. Raises FileError."""
    found = encoding.named(encoding_name) if encoding_name else encoding.detect(path)
    if encoding_name is None and not found.name.startswith("utf"):
        found = Encoding("utf-8", "surrogateescape")  # JSON is UTF-8 (RFC 8259); a letter of another encoding is its line's fault
    with encoding.open_text(path, found, newline="\n") as text:
        for number in itertools.count(1):
            line = text.readline(LONGEST_LINE)
            if not line:
                return
            if len(line) >= LONGEST_LINE:
                raise FileError(f"Line {number} is longer than {LONGEST_LINE // 2**20} MB.")
            if line.strip():
                yield _row(number, line.strip(), columns, found)


def _row(number: int, text: str, columns: Columns, found: Encoding) -> Row:
    if encoding.is_unreadable(text):
        return Row(number, [encoding.readable(text)[:SHOWN]], None, found.fault)
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        return Row(number, [encoding.readable(text)[:SHOWN]], None, f"is not JSON: {error}")
    if not isinstance(value, dict):
        return Row(number, [text[:SHOWN]], None, "is not a JSON object")
    row = Row(number, [])
    repeats: Counter[str] = Counter()
    for name, item in _flat(cast("dict[str, Any]", value)):
        cell, mark = _cell(item)
        repeats[name.casefold()] += 1
        repeat = repeats[name.casefold()]
        place = columns.put(row.cells, name if repeat == 1 else f"{name} ({repeat})", cell)
        if mark is not None:
            row.marks = (row.marks or {}) | {place: mark}
    return row


def _flat(value: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Names and values; those of an inner object count as the outer one's."""
    for name, item in value.items():
        if isinstance(item, dict):
            yield from _flat(cast("dict[str, Any]", item))
        else:
            yield name, item


def _cell(item: Any) -> tuple[str, Mark | None]:
    if item is None:
        return "", None
    if isinstance(item, str):
        return item, None
    if isinstance(item, bool):
        return "true" if item else "false", None
    if isinstance(item, int):
        return str(item), Mark.NUMBER
    if isinstance(item, float):
        if abs(item) >= EXACT:
            return repr(item), Mark.DAMAGED
        return str(int(item)) if item.is_integer() else repr(item), Mark.NUMBER
    return msgspec.json.encode(item).decode(), None
