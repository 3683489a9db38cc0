"""Parameters as this API's clients send them: in the query, in a form or in a JSON body, whatever the verb; names in any case.

Forms write arrays as PHP does: `contacts[0][firstName]=Ann`, `listIds[]=…`. (qs-codec reads that too, in quadratic time.)
"""
# A parsed body has no type before it is read.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

from litestar.datastructures import UploadFile

from reachbook.core.errors import Fault, InvalidError, TooLargeError, invalid
from reachbook.core.limits import ROWS_PER_CALL
from reachbook.http.body import charset_of
from reachbook.http.errors import MalformedError
from reachbook.http.json import parse
from reachbook.http.request import AppRequest

VERBS = {"GET": "read", "HEAD": "read", "POST": "create", "PUT": "update", "DELETE": "delete"}
NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
PART = re.compile(r"\[([^\[\]]*)\]")
MOST_PARTS = 4
YES, NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
Row = Mapping[str, Any]


class Call:
    """One call: what is to be done, and its parameters by their names in lower case. `rows` is what it brings, for messages about it."""

    def __init__(self, method: str, given: Mapping[str, Any]) -> None:
        self.given = {name.lower(): value for name, value in given.items()}
        self.action = (self.text("action") or VERBS.get(method, "read")).lower()
        self.rows: Sequence[Any] = []
        self.is_single = True

    def text(self, name: str) -> str | None:
        """One value; None if it is blank or missing. Of several the last counts. Raises InvalidError."""
        value = self.given.get(name.lower())
        if isinstance(value, list):
            value = value[-1] if value else None
        return text_of(value, name)

    def texts(self, name: str, *, separator: str | None = ",") -> list[str] | None:
        """Several values, as a list or separated; None if there are none. Raises InvalidError."""
        value = self.given.get(name.lower())
        values = value if isinstance(value, list) else [value]
        found = [text for one in values if (text := text_of(one, name)) is not None]
        if separator is not None:
            found = [part.strip() for text in found for part in text.split(separator) if part.strip()]
        return found or None

    def number(self, name: str, default: int) -> int:
        """Raises InvalidError if it is no number, or a negative one."""
        text = self.text(name)
        if text is None:
            return default
        if not text.isascii() or not text.isdigit() or len(text) > LONGEST_NUMBER:
            raise invalid(name, "must be a whole number, not negative")
        return int(text)

    def flag(self, name: str) -> bool:
        """Raises InvalidError if it is neither yes nor no."""
        return flag_of(self.text(name), name) is True

    def meta_data(self) -> Row:
        """`metaData`: an object, or the text of one. Raises InvalidError."""
        value = _decoded(self.given.get("metadata"))
        if value in (None, ""):
            raise invalid("metaData", "is required: the properties to set")
        if not isinstance(value, dict):
            raise invalid("metaData", "must be an object, or the JSON text of one")
        self.rows = [value]
        return value

    def batch(self, name: str) -> Sequence[Any]:
        """The rows of a parameter that is an array, or else the call's own parameters as one row. Raises TooLargeError, InvalidError."""
        value = _decoded(self.given.get(name.lower()))
        if value is None:
            self.rows = [self.given]
            return self.rows
        if not isinstance(value, list):
            raise invalid(name, "must be an array")
        if len(value) > ROWS_PER_CALL:
            raise TooLargeError(f"At most {ROWS_PER_CALL:,} rows in one call; these are {len(value):,}.")
        self.rows, self.is_single = value, False
        return value


LONGEST_NUMBER = 18


def text_of(value: Any, name: str) -> str | None:
    """A scalar as text, None for a blank one. Raises InvalidError."""
    if value is None or isinstance(value, str):
        if value and "\0" in value:
            raise invalid(name, "contains a NUL character")
        return value if value and not value.isspace() else None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    raise invalid(name, "must be text")


def flag_of(value: Any, name: str) -> bool | None:
    """Yes or no; None for a blank one. Raises InvalidError."""
    text = text_of(value, name)
    if text is not None and text.lower() not in (*YES, *NO):
        raise invalid(name, "must be true or false")
    return None if text is None else text.lower() in YES


def _decoded(value: Any) -> Any:
    """JSON that came as text."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return parse(value.encode())
        except MalformedError:
            return value
    return value


async def read(request: AppRequest, resource: str) -> Call:
    """The call; of a parameter in the query and in the body the one in the body counts. Raises MalformedError, InvalidError."""
    query = request.scope["query_string"].decode("latin-1")
    given = nested(parse_qsl(query, keep_blank_values=True, errors="replace"))
    return Call(request.method, given | await _body(request, resource))


async def _body(request: AppRequest, resource: str) -> dict[str, Any]:
    kind = request.content_type[0]
    if kind == "multipart/form-data":
        form = await request.form()
        return nested((name, value) for name, value in form.multi_items() if not isinstance(value, UploadFile))
    body = await request.body()
    charset = charset_of(request.headers.get("content-type", ""))
    if kind != "application/json" and body.lstrip()[:1] not in (b"{", b"["):  # curl calls any body a form, JSON too
        try:
            pairs = parse_qsl(body.decode(charset), keep_blank_values=True, strict_parsing=bool(body.strip()), encoding=charset)
        except (ValueError, LookupError):
            raise MalformedError("The body is neither a form nor JSON.") from None
        return nested(pairs)
    parsed = parse(body, charset)
    if isinstance(parsed, list):
        return {resource: parsed}
    if not isinstance(parsed, dict | None):
        raise InvalidError([Fault((), "must be an object")])
    return {str(name): value for name, value in (parsed or {}).items()}


def nested(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Names with brackets as what they stand for; a name that comes again becomes a list."""
    root = _Node()
    for name, value in pairs:
        found = NAME.fullmatch(name)
        parts = [found[1], *PART.findall(found[2])] if found else [name]
        if len(parts) > MOST_PARTS:
            raise invalid(parts[0], "is nested too deeply")
        node = root
        for part in parts[:-1]:
            key = node.place(part)
            child = node.get(key)
            if not isinstance(child, _Node):
                child = node[key] = _Node()
            node = child
        last = node.place(parts[-1])
        before = node.get(last) if len(parts) == 1 else None
        if isinstance(before, list):
            before.append(value)
        elif isinstance(before, str):
            node[last] = [before, value]
        else:
            node[last] = value
    return {name: _settled(value) for name, value in root.items()}


class _Node(dict[str, Any]):
    """What stands below a name; knows the place behind its highest number, however many there are."""

    end = 0

    def place(self, part: str) -> str:
        """The name itself, or for `[]` the next number."""
        name = part or str(self.end)
        if _is_number(name):
            self.end = max(self.end, int(name) + 1)
        return name


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdigit() and len(name) <= LONGEST_NUMBER


def _settled(value: Any) -> Any:
    """Objects whose names are all numbers are arrays."""
    if not isinstance(value, dict):
        return value
    inner = {name: _settled(one) for name, one in value.items()}
    if inner and all(map(_is_number, inner)):
        return [inner[name] for name in sorted(inner, key=int)]
    return inner


def folded(row: Any) -> Row | None:
    """A row with its names in lower case; None if it is no object."""
    return {str(name).lower(): value for name, value in row.items()} if isinstance(row, Mapping) else None
