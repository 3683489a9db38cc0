"""Instants as CM's wire and our own APIs write them."""

from datetime import UTC, datetime
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from reachbook.core.errors import invalid

Instant = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$", examples=["2018-01-01T00:00:00.123Z"])]


def instant(value: datetime) -> str:
    """`2018-01-01T00:00:00.123Z`: the vendor's clients break on fewer digits."""
    return value.isoformat(timespec="milliseconds")[:23] + "Z"


def instant_if_any(value: datetime | None) -> str | UnsetType:
    """The same, left out if there is none."""
    return UNSET if value is None else instant(value)


def instant_or_null(value: datetime | None) -> str | None:
    """The same, null if there is none."""
    return None if value is None else instant(value)


def instant_in(text: str | None, name: str) -> datetime | None:
    """An instant of a parameter, UTC unless it says otherwise; None if it is left out. Raises InvalidError."""
    if not text:
        return None
    try:
        given = datetime.fromisoformat(text.strip())
        return given.astimezone(UTC) if given.tzinfo else given.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise invalid(name, "is no instant such as 2026-01-31T12:00:00Z") from None
