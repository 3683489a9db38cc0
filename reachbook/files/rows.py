"""A table as it is read from a file: its columns, and its rows spooled to disk in one form whatever the file was.

A file is read twice: once to the end, so that a broken one is found before anything is done and the number of rows is known, and once
to be worked on. The first reading leaves the rows as lines of JSON; a million rows need no more memory than one.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path

import msgspec


class Mark(StrEnum):
    """What a cell's text alone does not say."""

    NUMBER = "number"
    """The spreadsheet held a number: leading zeros and a plus are gone if there were any."""
    DAMAGED = "damaged"
    """The spreadsheet no longer holds what was typed: digits beyond the fifteenth, an error value."""


class Row(msgspec.Struct, array_like=True):
    """`number` counts as a spreadsheet does (the header is row 1); `cells` are as many as the table has columns."""

    number: int
    cells: list[str]
    marks: dict[int, Mark] | None = None
    fault: str | None = None
    """Why the row can't be read at all."""


class Table(msgspec.Struct):
    """A file that was read to its end. `columns` are the headers as written, made different from one another; blank ones have a number.

    `letters`: cells have a spreadsheet's names (C17). `has_header` is False when the first row was a contact already.
    """

    path: Path
    columns: list[str]
    count: int
    kind: str
    letters: bool = False
    has_header: bool = True

    def rows(self, after: int = 0) -> Iterator[Row]:
        """The rows whose number is greater than `after`, in order."""
        width = len(self.columns)
        with self.path.open("rb") as lines:
            for line in lines:
                row = DECODER.decode(line)
                if row.number > after:
                    row.cells += [""] * (width - len(row.cells))  # a later row brought more columns
                    yield row


DECODER = msgspec.json.Decoder(Row)
ENCODER = msgspec.json.Encoder()


def spool(rows: Iterable[Row], path: Path) -> int:
    """Write the rows; answers how many there are. Rows without any text are left out, as a spreadsheet's blank lines."""
    count = 0
    with path.open("wb") as file:
        for row in rows:
            if row.fault is None and not any(map(str.strip, row.cells)):
                continue
            file.write(ENCODER.encode(row))
            file.write(b"\n")
            count += 1
    return count


def distinct(headers: Sequence[str]) -> list[str]:
    """Headers that can be told apart: `Email`, `Email (2)`; a blank one is `Column 3`."""
    named: list[str] = []
    taken: set[str] = set()
    for number, header in enumerate(headers, 1):
        plain = unicodedata.normalize("NFC", header.replace("\0", "").encode(errors="replace").decode())
        text = " ".join(plain.split()) or f"Column {number}"
        name, repeat = text, 2
        while name.casefold() in taken:
            name, repeat = f"{text} ({repeat})", repeat + 1
        taken.add(name.casefold())
        named.append(name)
    return named


def fitted(number: int, cells: list[str], width: int, marks: dict[int, Mark] | None = None) -> Row:
    """A row of a table with so many columns: a shorter one is filled up, one with more text than columns is at fault."""
    if len(cells) > width:
        if any(cell.strip() for cell in cells[width:]):
            return Row(number, cells, marks, f"has {len(cells)} cells where the header has {width}")
        del cells[width:]
    elif len(cells) < width:
        cells += [""] * (width - len(cells))
    return Row(number, cells, marks)


def letter(column: int) -> str:
    """The spreadsheet's name of a zero-based column: A, B, …, Z, AA."""
    name = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        name = chr(ord("A") + rest) + name
    return name
