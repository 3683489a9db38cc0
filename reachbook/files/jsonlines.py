"""JSON Lines: an object a line; its names are the columns."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import msgspec

from reachbook.files.columns import Columns
from reachbook.files.errors import FileError
from reachbook.files.rows import Mark, Row

LONGEST_LINE = 16 * 2**20
EXACT = 10**15


def read(path: Path, columns: Columns) -> Iterator[Row]:
    """Rows numbered by line; `columns` learns the names as they come."""
    with path.open("rb") as file:
        number = 0
        while line := file.readline(LONGEST_LINE):
            number += 1
            if len(line) >= LONGEST_LINE:
                raise FileError(f"Line {number} is longer than {LONGEST_LINE // 2**20} MB.")
            text = line.removeprefix(b"\xef\xbb\xbf").strip()
            if text:
                yield _row(number, text, columns)


def _row(number: int, text: bytes, columns: Columns) -> Row:
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Row(number, [text[:1000].decode(errors="replace")], None, f"is not JSON: {error}")
    if not isinstance(value, dict):
        return Row(number, [text[:1000].decode(errors="replace")], None, "is not a JSON object")
    row = Row(number, [])
    for name, item in _flat(cast("dict[str, Any]", value)):
        cell, mark = _cell(item)
        place = columns.put(row.cells, name, cell)
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
        return (str(int(item)), Mark.NUMBER) if item.is_integer() and abs(item) < EXACT else (repr(item), Mark.DAMAGED)
    return msgspec.json.encode(item).decode(), None
