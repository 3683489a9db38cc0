"""vCard 2.1, 3 and 4, as phones and mail programs write them: folded lines, quoted-printable, photos, properties in groups."""
# vobject has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false, reportMissingTypeStubs=false

import io
import quopri
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

from vobject.base import ParseError, getLogicalLines, parseLine
from vobject.vcard import stringToTextValues  # pyright: ignore[reportAttributeAccessIssue] - it is there

from reachbook.files import encoding
from reachbook.files.columns import Columns
from reachbook.files.errors import FileError
from reachbook.files.rows import Row
from reachbook.files.writing import parameter_text

LONGEST_CARD = 32 * 2**20
BINARY = ("PHOTO", "LOGO", "SOUND", "KEY")
# What the properties are called as columns. Several of one kind are numbered: "Phone", "Phone 2".
PLAIN = {"FN": "Name", "BDAY": "Date of birth", "TITLE": "Job title", "NOTE": "Note", "URL": "Website", "NICKNAME": "Nickname"}
NAME_PARTS = ("Last name", "First name", "Insertion")
ADDRESS_PARTS = (None, None, "Address 1", "City", "State", "Postal code", "Country")
OWN_FIELD = "X-REACHBOOK-FIELD"
OWN_ID = "X-REACHBOOK-ID"


class Property(NamedTuple):
    """One line of a card. `types` are the values of TYPE, and 2.1's parameters that have no name, in upper case."""

    name: str
    types: frozenset[str]
    parameters: dict[str, str]
    value: str


def read(path: Path, encoding_name: str | None, columns: Columns) -> Iterator[Row]:
    """A row a card, numbered in turn; `columns` learns the properties as they come. Raises FileError."""
    found = encoding.named(encoding_name) if encoding_name else encoding.detect(path)
    with path.open(encoding=found.name, errors=found.errors, newline=None) as text:
        for number, card in enumerate(_cards(text), 1):
            yield _row(number, card, columns)


def _cards(text: IO[str]) -> Iterator[str]:
    """The text of each card, its pictures left out."""
    lines: list[str] | None = None
    size, skipping, start = 0, False, 0
    for line_number, line in enumerate(text, 1):
        word = line.strip().upper()
        if word == "BEGIN:VCARD" and lines is None:
            lines, size, start = [], 0, line_number
        elif word == "END:VCARD" and lines is not None:
            yield "".join(lines)
            lines, skipping = None, False
        elif lines is not None:
            if not line.startswith((" ", "\t")):
                # Within base64 of vCard 2.1 a continued line needs no blank; it has no colon either.
                is_property = ":" in line
                skipping = _is_binary(line) if is_property else skipping
            if not skipping:
                lines.append(line)
                size += len(line)
            if size > LONGEST_CARD:
                raise FileError(f"The card that begins in line {start} is longer than {LONGEST_CARD // 2**20} MB.")
    if lines is not None:
        raise FileError(f"The file is cut off: the card that begins in line {start} has no end.")


def _is_binary(line: str) -> bool:
    name = line.partition(":")[0].partition(";")[0].rpartition(".")[2].upper()
    return name in BINARY


def _row(number: int, card: str, columns: Columns) -> Row:
    row = Row(number, [])
    counts: dict[str, int] = {}
    lines = list(_properties(card))
    is_ours = any(line.name == OWN_ID for line in lines)
    for line in lines:
        if is_ours and line.name == "FN":
            continue  # a card must have one, whether or not the contact has a name
        if line.name == "KIND" and line.value.strip().lower() not in ("individual", "org", ""):
            row.fault = f"is the card of a {line.value.strip().lower()}, not of a person"
        for name, text in _cells(line):
            if not text.strip():
                continue
            counts[name] = counts.get(name, 0) + 1
            columns.put(row.cells, name if counts[name] == 1 else f"{name} {counts[name]}", text)
    if row.fault is None and not row.cells:
        row.fault = "has nothing in it"
    return row


def _properties(card: str) -> Iterator[Property]:
    for line, _ in getLogicalLines(io.StringIO(card)):
        try:
            name, parameters, value, _ = parseLine(line)
        except ParseError:
            continue  # a line that is no property: other readers leave it out too
        given: dict[str, str] = {}
        types: set[str] = set()
        for parameter, *values in parameters:
            if not values or parameter.upper() == "TYPE":
                types.update(part.upper() for value in values or [parameter] for part in value.split(","))
            else:
                given[parameter.upper()] = ",".join(values)
        if "QUOTED-PRINTABLE" in types or given.get("ENCODING", "").upper() == "QUOTED-PRINTABLE":
            value = _quoted_printable(value, given.get("CHARSET", "utf-8"))
        yield Property(name.upper(), frozenset(types), given, value)


def _quoted_printable(value: str, charset: str) -> str:
    octets = quopri.decodestring(value.encode("utf-8", "surrogateescape"))
    try:
        return octets.decode(charset)
    except (LookupError, UnicodeDecodeError):
        return octets.decode("cp1252", "replace")


def _cells(line: Property) -> Iterator[tuple[str, str]]:
    """(column, text) of what one line says."""
    if line.name == "N":
        yield from zip(NAME_PARTS, _parts(line.value), strict=False)
    elif line.name == "ADR":
        yield from ((name, text) for name, text in zip(ADDRESS_PARTS, _parts(line.value), strict=False) if name)
    elif line.name == "TEL":
        yield _phone_column(line.types), _text(line.value).removeprefix("tel:").partition(";")[0]
    elif line.name == "EMAIL":
        yield "Email", _text(line.value).removeprefix("mailto:")
    elif line.name == "ORG":
        yield "Company", _parts(line.value)[0]
    elif line.name == OWN_ID:
        yield "id", _text(line.value)
    elif line.name == OWN_FIELD:
        yield parameter_text(line.parameters.get("X-NAME", "")) or "Field", _text(line.value)
    elif line.name in PLAIN:
        yield PLAIN[line.name], _text(line.value)


def _phone_column(types: frozenset[str]) -> str:
    if types & {"CELL", "MOBILE", "IPHONE"}:
        return "Mobile"
    return "Fax" if "FAX" in types else "Pager" if "PAGER" in types else "Phone"


def _parts(value: str) -> list[str]:
    """The parts of a structured value, between semicolons; commas within one are text."""
    parts = stringToTextValues(value.replace("\\,", ",").replace(",", "\\,"), listSeparator=";")
    return [str(part) for part in parts] or [""]


def _text(value: str) -> str:
    values = stringToTextValues(value.replace("\\,", ",").replace(",", "\\,"))
    return str(values[0]) if values else ""
