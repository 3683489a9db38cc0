"""`reachbook numbers add`: a file of numbers goes into stock, all of them or none."""

import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from reachbook.core import catalogues, ids, numbers
from reachbook.core.catalogues import NumberType
from reachbook.core.errors import ConflictError, Fault, InvalidError, invalid
from reachbook.core.numbers import Draft, Number
from reachbook.core.paging import Page
from reachbook.database.queries import Database
from reachbook.files.errors import FileError
from reachbook.files.opening import Reading, open_table
from reachbook.files.rows import Mark, Row, Table

STANDARD_INPUT = Path("-")
COLUMNS: Mapping[str, Sequence[str]] = {
    "number": ("number", "phonenumber"),
    "type": ("type", "numbertype", "numbertypeid"),
    "shared": ("shared", "isshared"),
    "shortcode": ("shortcode", "isshortcode"),
}
"""What the header may call them, letters only."""
OF_CORE = {"number_type": "type"}
YES_OR_NO = {**dict.fromkeys(("yes", "y", "true", "1", "x"), True), **dict.fromkeys(("no", "n", "false", "0"), False)}
SHOWN = 20  # rows at fault that are told
EVERY_TYPE = Page(0, 1_000_000)


class Asked(NamedTuple):
    """What the command line says; `type`, `shared` and `shortcode` hold for rows that don't say."""

    file: Path
    type: str | None
    shared: bool
    shortcode: bool


class Stocked(NamedTuple):
    """A row that can be taken: its number in the file, and what it is."""

    row: int
    draft: Draft


async def add(db: Database, asked: Asked) -> Sequence[Number]:
    """The numbers as they are in stock now. Raises InvalidError for a wrong option, ConflictError with the rows that can't be taken."""
    types = (await catalogues.number_types(db, EVERY_TYPE)).rows
    if asked.type is not None and not isinstance(_type(asked.type, types), UUID):
        raise invalid("--type", f"{_type(asked.type, types)}; see: reachbook numbers types")
    faults: list[str] = []
    with tempfile.TemporaryDirectory(prefix="reachbook-numbers-") as folder:
        rows = _read(_table(asked.file, Path(folder)), asked, types, faults)
    _refuse(faults)
    try:
        return await numbers.stock(db, [one.draft for one in rows], ids.now())
    except InvalidError as error:
        raise _at_fault(rows, error.faults) from None
    except ConflictError as error:
        raise (_at_fault(rows, error.faults) if error.faults else error) from None


def _table(file: Path, folder: Path) -> Table:
    if file == STANDARD_INPUT:
        file = folder / "standard-input"
        with file.open("wb") as copy:
            shutil.copyfileobj(sys.stdin.buffer, copy)
    elif not file.is_file():
        raise invalid("FILE", f"{file} is no file")
    try:
        table = open_table(file, folder, Reading())
        if table.has_header and len(table.columns) == 1 and _column("number", table) is None:
            return open_table(file, folder, Reading(has_header=False))  # short codes: their first one looks like a header
    except FileError as error:
        raise ConflictError(str(error)) from None
    return table


def _column(name: str, table: Table) -> int | None:
    """Where it is in the file; a file of one column has numbers."""
    if not table.has_header:
        return 0 if name == "number" and len(table.columns) == 1 else None
    bare = ["".join(letter for letter in column.lower() if letter.isalpha()) for column in table.columns]
    return next((place for place, column in enumerate(bare) if column in COLUMNS[name]), None)


def _read(table: Table, asked: Asked, types: Sequence[NumberType], faults: list[str]) -> Sequence[Stocked]:
    places = {name: _column(name, table) for name in COLUMNS}
    if places["number"] is None:
        raise ConflictError("The file needs a column number; type, shared and shortcode may be others.")
    rows: list[Stocked] = []
    for row in table.rows():
        draft = _draft(row, places, asked, types, faults)
        if draft is not None:
            rows.append(Stocked(row.number, draft))
    return rows


def _draft(row: Row, places: Mapping[str, int | None], asked: Asked, types: Sequence[NumberType], faults: list[str]) -> Draft | None:
    text = {name: "" if place is None else row.cells[place].strip().removeprefix("'") for name, place in places.items()}
    reasons = [row.fault] if row.fault else []
    if places["number"] is not None and (row.marks or {}).get(places["number"]) is Mark.DAMAGED:
        reasons.append("number is not whole: the spreadsheet kept only a part of it")
    elif not text["number"]:
        reasons.append("number is missing")
    type = _type(text["type"] or asked.type, types)
    if not isinstance(type, UUID):
        reasons.append(f"type {type}")
    shared, shortcode = _yes(text["shared"], asked.shared), _yes(text["shortcode"], asked.shortcode)
    reasons += [f"{name} must be yes or no" for name, value in (("shared", shared), ("shortcode", shortcode)) if value is None]
    faults += [f"row {row.number}: {reason}" for reason in reasons]
    if reasons or not isinstance(type, UUID):
        return None
    return Draft(text["number"], type, shared is True, shortcode is True)


def _type(text: str | None, types: Sequence[NumberType]) -> UUID | str:
    """The id of the type of this id or description; or what is wrong."""
    if not text:
        return "is missing: a column type, or --type"
    wanted = text.casefold()
    found = [type.id for type in types if wanted in (str(type.id), type.description.casefold())]
    if len(found) > 1:
        return f"{text!r} is the description of {len(found)} number types: give the id"
    return found[0] if found else f"{text!r} is no number type"


def _yes(text: str, default: bool) -> bool | None:
    """None for what is neither yes nor no."""
    return default if not text else YES_OR_NO.get(text.lower())


def _at_fault(rows: Sequence[Stocked], faults: Sequence[Fault]) -> ConflictError:
    """Core's faults, by the rows of the file."""
    told: list[str] = []
    for path, reason in faults:
        place, name = int(path[0]), str(path[1])
        told.append(f"row {rows[place].row}: {OF_CORE.get(name, name)} {reason}")
    return _refusal(told)


def _refuse(faults: Sequence[str]) -> None:
    if faults:
        raise _refusal(faults)


def _refusal(faults: Sequence[str]) -> ConflictError:
    rest = [f"… and {len(faults) - SHOWN:,} more"] if len(faults) > SHOWN else []
    return ConflictError("\n".join(["No number was taken into stock.", *faults[:SHOWN], *rest]))
