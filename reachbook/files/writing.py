"""Rows → files: CSV lines, XLSX."""
# XlsxWriter is partly untyped.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false, reportMissingTypeStubs=false

import csv
import io
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import IO

import xlsxwriter

Write = Callable[[bytes], Awaitable[None]]


def into(file: IO[bytes]) -> Write:
    """A writer that puts its pieces into a file of this machine."""

    async def write(piece: bytes) -> None:
        file.write(piece)

    return write


# What a spreadsheet would run: =, @, tab and return always, + and - unless a number follows; also behind apostrophes, so that taking
# one off gives back what was there. core/exports.py has the same in SQL.
FORMULA = re.compile(r"'*(?:[=@\t\r]|[+-](?![0-9 ().-]*$))")


def csv_table(rows: Iterable[Sequence[str]]) -> bytes:
    """A CSV table as RFC 4180 has it, in which no cell is a formula to a spreadsheet."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([f"'{cell}" if FORMULA.match(cell) else cell for cell in row] for row in rows)
    return text.getvalue().encode()


SHEET_ROWS = 1_048_576


def csv_lines(write: Write) -> Write:
    """A writer that ends CSV records with CRLF as RFC 4180 has it; line ends inside quotes stay as they are."""
    quoted = False

    async def lines(piece: bytes) -> None:
        nonlocal quoted
        parts = bytes(piece).split(b'"')
        # Every quote changes the side; what is outside stands at every second place.
        outside = 1 if quoted else 0
        parts[outside::2] = [part.replace(b"\n", b"\r\n") for part in parts[outside::2]]
        quoted ^= len(parts) % 2 == 0
        await write(b'"'.join(parts))

    return lines


class Workbook:
    """A spreadsheet of text cells, written to disk row by row. What a spreadsheet would run as a formula is text by its cell's type."""

    def __init__(self, path: Path, header: Sequence[str]) -> None:
        self._book = xlsxwriter.Workbook(str(path), {"constant_memory": True, "tmpdir": str(path.parent)})
        self._bold = self._book.add_format({"bold": True})
        self._header = header
        self._begin()

    def _begin(self) -> None:
        """A sheet holds about a million rows; the next ones go onto another."""
        self._sheet = self._book.add_worksheet()
        self._sheet.freeze_panes(1, 0)
        for column, name in enumerate(self._header):
            self._sheet.write_string(0, column, name, self._bold)
        self._next = 1

    def add(self, rows: Sequence[Sequence[str]]) -> None:
        """More rows; blank cells stay empty."""
        for row in rows:
            if self._next == SHEET_ROWS:
                self._begin()
            for column, text in enumerate(row):
                if text:
                    self._sheet.write_string(self._next, column, text)
            self._next += 1

    def close(self) -> None:
        """Put the file together."""
        self._book.close()
