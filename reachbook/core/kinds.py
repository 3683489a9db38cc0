"""Types of fields: what their values must be, how they are written and compared (document 001, "type"). Pure.

A value is kept as text in one form for each type, so that equal values are equal texts, and texts of dates and instants order as these do.
"""

import datetime as dt
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

import msgspec


class Kind(StrEnum):
    """DATETIME is an instant, UTC; OBJECT is a JSON object."""

    DATETIME = "datetime"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    TEXT = "text"
    OBJECT = "object"
    DATE = "date"


class Rule(NamedTuple):
    """What a field's values must be; with choices one of them, whatever its case."""

    kind: Kind = Kind.TEXT
    choices: tuple[str, ...] = ()


ANY = Rule()
Rules = Mapping[int, Rule]
"""By the id of the field."""

INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
DOTTED = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})")
SLASHED = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})")
MONTH_FIRST = ("US", "AS", "GU", "MP", "PR", "VI", "PH")
"""Regions that write 1/31/1980; the others 31/1/1980."""
YES, NO = ("true", "1", "yes"), ("false", "0", "no")


def read(rule: Rule, text: str, region: str | None = None) -> str:
    """The value as it is kept; the region says how a date with slashes is meant. Raises ValueError with the reason."""
    written = _date(text, region) if rule.kind is Kind.DATE else READERS[rule.kind](text)
    if not rule.choices:
        return written
    found = next((choice for choice in rule.choices if choice.casefold() == written.casefold()), None)
    if found is None:
        raise ValueError(f"must be one of {', '.join(rule.choices)}")
    return found


def _integer(text: str) -> str:
    if not INTEGER.fullmatch(text.strip()):
        raise ValueError("must be a whole number of at most 18 digits")
    return str(int(text))


def _boolean(text: str) -> str:
    written = text.strip().lower()
    if written not in (*YES, *NO):
        raise ValueError("must be true or false")
    return "true" if written in YES else "false"


def _date(text: str, region: str | None) -> str:
    written = text.strip()
    if found := DOTTED.fullmatch(written) or (SLASHED.fullmatch(written) if region else None):
        day, month = (found[2], found[1]) if "/" in written and region in MONTH_FIRST else (found[1], found[2])
        written = f"{found[3]}-{month:0>2}-{day:0>2}"
    try:
        return dt.date.fromisoformat(written.removesuffix(" 00:00:00").removesuffix("T00:00:00")).isoformat()
    except ValueError:
        raise ValueError("must be a date such as 1980-01-31") from None


def _datetime(text: str) -> str:
    try:
        given = datetime.fromisoformat(text.strip())
        return (given.astimezone(UTC) if given.tzinfo else given).replace(tzinfo=None).isoformat(" ", "seconds")
    except (ValueError, OverflowError):
        raise ValueError("must be a date and time such as 2026-01-31 12:00:00") from None


def _object(text: str) -> str:
    try:
        given = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise ValueError("must be a JSON object")
    return msgspec.json.encode(given).decode()


def _text(text: str) -> str:
    return text


READERS: Mapping[Kind, Callable[[str], str]] = {
    Kind.DATETIME: _datetime,
    Kind.BOOLEAN: _boolean,
    Kind.INTEGER: _integer,
    Kind.TEXT: _text,
    Kind.OBJECT: _object,
}
