"""Spreadsheets (XLSX, XLS, ODS): the values of one sheet.

Read in a process of its own with bounded memory: a few kilobytes can claim a billion cells. The quick reader holds the sheet in memory,
so a large XLSX goes to one that reads row by row.
"""
# Both readers are partly untyped.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false, reportMissingTypeStubs=false
# pyright: reportMissingModuleSource=false

import contextlib
import datetime as dt
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import python_calamine
from python_calamine import CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from reachbook.files.errors import FileError
from reachbook.files.rows import Mark, Row, spool

QUICK_BYTES = 128 * 2**20  # unpacked; the quick reader needs about twice that
MOST_STRINGS_BYTES = 192 * 2**20  # the table of shared texts, which every reader holds
MEMORY_BYTES = 2**30
SECONDS = 3_600
EXACT = 10**15  # a spreadsheet keeps fifteen digits
REFUSED = 3


class Asked(msgspec.Struct):
    """What the process is to do."""

    source: str
    target: str
    kind: str
    sheet: str | None


class Error(str):
    """What a cell shows instead of a value; a text of the same letters is a text."""

    __slots__ = ()


def convert(source: Path, target: Path, kind: str, sheet: str | None) -> int:
    """Spool the rows of a sheet, in a process of its own; answers how many. Raises FileError."""
    asked = msgspec.json.encode(Asked(str(source), str(target), kind, sheet))
    done = subprocess.run([sys.executable, "-m", "reachbook.files.sheets"], input=asked, capture_output=True, timeout=SECONDS, check=False)
    if done.returncode == REFUSED:
        raise FileError(done.stdout.decode())
    if done.returncode:
        raise FileError("The spreadsheet is too large or too damaged to be read. Save it as CSV and take that.")
    return int(done.stdout)


def main() -> None:
    """The process: one request on standard input; the number of rows, or with exit code 3 the reason, on standard output."""
    _bound_memory()
    asked = msgspec.json.decode(sys.stdin.buffer.read(), type=Asked)
    try:
        print(spool(_rows(Path(asked.source), asked.kind, asked.sheet), Path(asked.target)))  # noqa: T201 - it answers so
    except FileError as error:
        sys.stdout.buffer.write(str(error).encode())
        sys.exit(REFUSED)


def _bound_memory() -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def _rows(source: Path, kind: str, sheet: str | None) -> Iterator[Row]:
    if kind == "xlsx" and (_unpacked(source) > QUICK_BYTES or _has_errors(source)):
        return _streamed(source, sheet)
    try:
        return _quick(source, sheet)
    except FileError:
        raise
    except Exception as error:
        if kind == "xlsx":
            return _streamed(source, sheet)  # it knows values that the quick one does not
        raise FileError(f"The spreadsheet can't be read: {error}.") from None


def _unpacked(source: Path) -> int:
    with zipfile.ZipFile(source) as archive:
        sizes = {info.filename: info.file_size for info in archive.infolist()}
    if sizes.get("xl/sharedStrings.xml", 0) > MOST_STRINGS_BYTES:
        raise FileError("The spreadsheet has more different texts than fit into memory. Save it as CSV and take that.")
    return sum(sizes.values())


ERROR_CELL = b't="e"'
CHUNK = 2**20


def _has_errors(source: Path) -> bool:
    """Whether a cell holds an error value: the quick reader takes those for blank."""
    with zipfile.ZipFile(source) as archive:
        for name in archive.namelist():
            if name.startswith("xl/worksheets/") and name.endswith(".xml"):
                with archive.open(name) as sheet:
                    rest = b""
                    while chunk := sheet.read(CHUNK):
                        if ERROR_CELL in rest + chunk:
                            return True
                        rest = chunk[-len(ERROR_CELL) :]
    return False


def _quick(source: Path, name: str | None) -> Iterator[Row]:
    try:
        book = CalamineWorkbook.from_filelike(source.open("rb"))  # by contents: a path's suffix would be believed
    except python_calamine.PasswordError:
        raise FileError("The spreadsheet is protected by a password. Save it without one.") from None
    visible = [m.name for m in book.sheets_metadata if m.typ is SheetTypeEnum.WorkSheet and m.visible is SheetVisibleEnum.Visible]
    sheet = book.get_sheet_by_name(_chosen(book.sheet_names, visible, name))
    return _numbered(sheet.iter_rows(), sheet.start[1]) if sheet.start is not None else iter(())


def _streamed(source: Path, name: str | None) -> Iterator[Row]:
    import openpyxl  # few files need it, and every command would start a seventh slower

    try:
        book = openpyxl.load_workbook(source.open("rb"), read_only=True, data_only=True, keep_links=False)
        visible = [sheet.title for sheet in book.worksheets if sheet.sheet_state == "visible"]
        sheet = book[_chosen(book.sheetnames, visible, name)]
        sheet.reset_dimensions()  # what the file claims of itself may be a lie
        yield from _numbered(([_value(one) for one in row] for row in sheet.iter_rows()), 0)
    except FileError:
        raise
    except Exception as error:
        raise FileError(f"The spreadsheet can't be read: {error}.") from None


def _value(one: Any) -> Any:
    """Of a cell of the streaming reader, as the quick one would give it."""
    if one.data_type == "e":
        return Error(str(one.value))
    if not isinstance(one.value, str) or "_x" not in one.value:
        return one.value
    from openpyxl.utils.escape import unescape  # loaded with the reader that gave the cell

    return unescape(one.value)


def _chosen(names: Sequence[str], visible: Sequence[str], asked: str | None) -> str:
    if asked is None:
        if not visible:
            raise FileError("The spreadsheet has no sheet with cells.")
        return visible[0]
    found = next((name for name in names if name.casefold() == asked.casefold()), None)
    if found is None:
        raise FileError(f"There is no sheet {asked!r}; there are {', '.join(map(repr, names))}.")
    return found


def _numbered(rows: Iterable[Sequence[Any]], left: int) -> Iterator[Row]:
    """Both readers begin at the first row; the quick one at the first column that has something."""
    for number, values in enumerate(rows, 1):
        row = Row(number, [""] * left)
        for column, value in enumerate(values, left):
            text, mark = cell(value)
            row.cells.append(text)
            if mark is not None:
                row.marks = (row.marks or {}) | {column: mark}
        yield row


def cell(value: Any) -> tuple[str, Mark | None]:
    """A value as text, and what the text does not say."""
    if value is None:
        return "", None
    if isinstance(value, Error):
        return str(value), Mark.DAMAGED
    if isinstance(value, str):
        return value, None
    if isinstance(value, bool):
        return "true" if value else "false", None
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, dt.datetime):
        is_day = value.time() == dt.time.min
        return value.date().isoformat() if is_day else value.isoformat(sep=" ", timespec="seconds"), None
    return (value.isoformat() if isinstance(value, dt.date | dt.time) else str(value)), None


def _number(value: float) -> tuple[str, Mark]:
    if isinstance(value, float) and not value.is_integer():
        return repr(value), Mark.NUMBER
    if abs(value) >= EXACT:
        return f"{value:.14E}", Mark.DAMAGED
    return str(int(value)), Mark.NUMBER


if __name__ == "__main__":
    main()
