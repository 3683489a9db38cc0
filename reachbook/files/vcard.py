"""vCard 2.1, 3 and 4, as phones and mail programs write them: folded lines, quoted-printable, photos, properties in groups.

The syntax of a line is a few rules (RFC 6350, 3.3); vobject's takes exponential time on a hostile one, which is why it is read here.
"""

import quopri
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

from reachbook.files import encoding
from reachbook.files.columns import Columns
from reachbook.files.encoding import Encoding
from reachbook.files.errors import FileError
from reachbook.files.rows import Row

LONGEST_CARD = 32 * 2**20
BINARY = ("PHOTO", "LOGO", "SOUND", "KEY")
# What the properties are called as columns. Several of one kind are numbered: "Phone", "Phone 2".
PLAIN = {"FN": "Name", "BDAY": "Date of birth", "TITLE": "Job title", "NOTE": "Note", "URL": "Website", "NICKNAME": "Nickname"}
KINDS = ("KIND", "X-ADDRESSBOOKSERVER-KIND")
PEOPLE = ("individual", "org", "")
NAME_PARTS = ("Last name", "First name", "Insertion")
ADDRESS_PARTS = (None, None, "Address 1", "City", "State", "Postal code", "Country")
OWN_FIELD = "X-REACHBOOK-FIELD"
OWN_ID = "X-REACHBOOK-ID"
OWN_LINE = "X-REACHBOOK-LINE"
"""Parameter of a TEL: a landline, whatever else it says."""

BEGINS_PROPERTY = re.compile(r"[A-Za-z][A-Za-z0-9._-]*[;:]")
HEAD = re.compile(r'(?:[^":]|"[^"]*")*')
PARAMETER = re.compile(r'(?:[^";]|"[^"]*")+')
PART = re.compile(r"((?:[^;\\]|\\.|\\\Z)*)(?:;|\Z)", re.DOTALL)
ESCAPED = re.compile(r"\\(.)", re.DOTALL)


class Property(NamedTuple):
    """One line of a card. `types` are the values of TYPE, and 2.1's parameters that have no name, in upper case."""

    name: str
    types: frozenset[str]
    parameters: dict[str, str]
    value: str

    def text(self) -> str:
        """The value."""
        return self._decoded(self.value)

    def parts(self) -> list[str]:
        """The parts of a structured value, between semicolons."""
        return [self._decoded(part) for part in PART.findall(self.value)]

    def _decoded(self, value: str) -> str:
        if "QUOTED-PRINTABLE" in self.types or self.parameters.get("ENCODING", "").upper() == "QUOTED-PRINTABLE":
            value = _quoted_printable(value, self.parameters.get("CHARSET", "utf-8"))
        return ESCAPED.sub(lambda found: "\n" if found[1] in "nN" else found[1], value)


def read(path: Path, encoding_name: str | None, columns: Columns) -> Iterator[Row]:
    """A row a card, numbered in turn; `columns` learns the properties as they come. Raises FileError."""
    found = encoding.named(encoding_name) if encoding_name else encoding.detect(path)
    with encoding.open_text(path, found, newline=None) as text:
        for number, lines in enumerate(_cards(text), 1):
            yield _row(number, lines, columns, found)


def _cards(text: IO[str]) -> Iterator[list[str]]:
    """The logical lines of each card, pictures left out. A card within a card (AGENT) is left out too."""
    lines: list[str] | None = None
    depth, size, start = 0, 0, 0
    for number, line in enumerate(text, 1):
        word = line.strip().upper()
        if word == "BEGIN:VCARD":
            if lines is None:
                lines, size, start = [], 0, number
            elif depth or (lines and lines[-1].upper() == "AGENT:"):
                depth += 1
            else:
                raise _endless(start)
        elif word == "END:VCARD" and lines is not None:
            if not depth:
                yield lines
                lines = None
            else:
                depth -= 1
        elif lines is not None and not depth:
            size += len(line)
            if size > LONGEST_CARD:
                raise FileError(f"The card that begins in line {start} is longer than {LONGEST_CARD // 2**20} MB.")
            _unfold(lines, line.rstrip("\r\n"))
    if lines is not None:
        raise _endless(start)


def _endless(start: int) -> FileError:
    return FileError(f"The file is cut off: the card that begins in line {start} has no end.")


def _unfold(lines: list[str], line: str) -> None:
    """Add a line to the card, or to the line before that it goes on."""
    last = lines[-1] if lines else ""
    head = last.partition(":")[0]
    is_binary = head.partition(";")[0].rpartition(".")[2].upper() in BINARY
    if last.endswith("=") and "QUOTED-PRINTABLE" in head.upper():
        lines[-1] = last[:-1] + line
    elif line.startswith((" ", "\t")):
        if not is_binary:
            lines[-1:] = [last + line[1:]]
    elif is_binary and not BEGINS_PROPERTY.match(line):
        return  # base64 of 2.1 goes on without a blank; it has neither colon nor semicolon
    elif line.strip():
        lines.append(line)


def _row(number: int, lines: list[str], columns: Columns, found: Encoding) -> Row:
    row = Row(number, [])
    # A letter that was folded in two is whole again.
    text = "\n".join(lines).encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
    if encoding.is_unreadable(text):
        row.fault = found.fault
        text = encoding.readable(text)
    properties = [one for line in text.split("\n") if (one := _property(line)) is not None]
    is_ours = any(one.name == OWN_ID for one in properties)
    counts: dict[str, int] = {}
    for one in properties:
        if is_ours and one.name == "FN":
            continue  # a card must have one, whether or not the contact has a name
        if one.name in KINDS and one.text().strip().lower() not in PEOPLE:
            row.fault = f"is the card of a {one.text().strip().lower()[:20]}, not of a person"
        for name, cell in _cells(one):
            if cell.strip():
                key = name.casefold()
                counts[key] = counts.get(key, 0) + 1
                columns.put(row.cells, name if counts[key] == 1 else f"{name} {counts[key]}", cell)
    if row.fault is None and not row.cells:
        row.fault = "has nothing in it"
    return row


def _property(line: str) -> Property | None:
    """A line taken apart; one that is no property is left out, as other readers do."""
    found = HEAD.match(line)
    end = found.end() if found else 0
    if line[end : end + 1] != ":":
        end = line.find(":")  # a quotation mark that is never closed
    if end <= 0:
        return None
    name, *parameters = PARAMETER.findall(line[:end]) or [""]
    given: dict[str, str] = {}
    types: set[str] = set()
    for parameter in parameters:
        key, equals, value = parameter.partition("=")
        if not equals or key.upper() == "TYPE":
            types.update(part.strip('" ').upper() for part in (value or key).split(","))
        else:
            given[key.upper()] = value.removeprefix('"').removesuffix('"')
    return Property(name.rpartition(".")[2].upper(), frozenset(types), given, line[end + 1 :])


def _quoted_printable(value: str, charset: str) -> str:
    octets = quopri.decodestring(value.encode("utf-8", "replace"))
    try:
        return octets.decode(charset)
    except (LookupError, UnicodeDecodeError):
        return octets.decode("cp1252", "replace")


def _cells(one: Property) -> Iterator[tuple[str, str]]:
    """(column, text) of what one property says."""
    if one.name == "N":
        yield from zip(NAME_PARTS, one.parts(), strict=False)
    elif one.name == "ADR":
        yield from ((name, text) for name, text in zip(ADDRESS_PARTS, one.parts(), strict=False) if name)
    elif one.name == "TEL":
        yield "Fixed telephone" if OWN_LINE in one.parameters else _phone_column(one.types), _without(one.text(), "tel:").partition(";")[0]
    elif one.name == "EMAIL":
        yield "Email", _without(one.text(), "mailto:")
    elif one.name == "ORG":
        yield "Company", one.parts()[0]
    elif one.name == OWN_ID:
        yield "id", one.text()
    elif one.name == OWN_FIELD:
        yield parameter_text(one.parameters.get("X-NAME", "")) or "Field", one.text()
    elif one.name in PLAIN:
        yield PLAIN[one.name], one.text()


def _without(text: str, scheme: str) -> str:
    return text[len(scheme) :] if text[: len(scheme)].lower() == scheme else text


def _phone_column(types: frozenset[str]) -> str:
    if types & {"CELL", "MOBILE", "IPHONE"}:
        return "Mobile"
    return "Fax" if "FAX" in types else "Pager" if "PAGER" in types else "Phone"


def parameter_value(text: str) -> str:
    """A parameter as it is written, between quotation marks if it is more than a word (RFC 6868)."""
    if text.isalnum() and text.isascii():
        return text
    return '"' + text.replace("^", "^^").replace("\n", "^n").replace('"', "^'") + '"'


MARKS = {"^^": "^", "^n": "\n", "^'": '"'}


def parameter_text(value: str) -> str:
    """What `parameter_value` was given."""
    return re.sub(r"\^[\^n']", lambda found: MARKS[found[0]], value)


def written(name: str, parts: list[str], parameters: dict[str, str] | None = None) -> str:
    """A property as a folded line; several parts make a structured value."""
    given = "".join(f";{key}={parameter_value(value)}" for key, value in (parameters or {}).items())
    return _folded(f"{name}{given}:{';'.join(map(_escaped, parts))}")


def _escaped(text: str) -> str:
    text = text.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
    return text.replace("\r\n", "\\n").replace("\r", "\\n").replace("\n", "\\n")


WIDTH = 75  # bytes


def _folded(line: str) -> str:
    """Lines of at most 75 bytes; no letter is cut in two."""
    if len(line) * 4 <= WIDTH or len(line.encode()) <= WIDTH:
        return line + "\r\n"
    pieces, size = [""], 0
    for letter in line:
        width = len(letter.encode())
        if size + width > WIDTH:
            pieces.append(" ")
            size = 1
        pieces[-1] += letter
        size += width
    return "\r\n".join(pieces) + "\r\n"
