"""Messages and events as gateways hand them over: the vendor's JSON form (inbound.md, "In")."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, TypeVar, cast

import msgspec
from msgspec import Meta

from reachbook.core.errors import Fault, InvalidError, Path
from reachbook.core.inbound import Raw
from reachbook.core.inbound_formats import Event, Media, Message, digits
from reachbook.core.limits import MESSAGE_LENGTH, NAME_LENGTH, VALUE_LENGTH
from reachbook.dialects.gateway.wire import instant


class PartyIn(msgspec.Struct, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """Who sent it, or to whom."""

    number: Annotated[str | None, Meta(description="With +, with 00 or digits alone; a short code as dialled.")] = None
    name: str | None = None
    country: Annotated[str | None, Meta(description="ISO 3166-1 alpha-2; tells short codes apart that exist in several.")] = None


class MediaIn(msgspec.Struct, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """What comes besides text."""

    media_uri: str | None = None
    content_type: str | None = None
    title: str | None = None


class ContentIn(msgspec.Struct, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """What was said; `custom` is handed on as it is."""

    text: str | None = None
    media: MediaIn | None = None
    custom: Any = None


class Incoming(msgspec.Struct, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """What messages and events have."""

    reference: Annotated[str | None, Meta(description="The gateway's id: the same again is taken once.")] = None
    message_context: str | None = None
    sender: PartyIn | None = msgspec.field(default=None, name="from")
    receiver: PartyIn | None = msgspec.field(default=None, name="to")
    time_utc: Annotated[str | None, Meta(description="`2026-01-31T12:00:00`; now unless given.")] = None
    channel: Annotated[str | None, Meta(description="SMS, WhatsApp, Viber, RCS, …")] = None


class MessageIn(Incoming):
    """A message."""

    message: ContentIn | None = None
    groupings: list[str | None] | None = None


class EventIn(Incoming):
    """An event: `event` is handed on as it is."""

    event: Any = None


In = TypeVar("In", bound=Incoming)


class TakenOut(msgspec.Struct, rename="camel"):
    """What became of them: stored, with their deliveries, when this is answered."""

    received: int
    repeated: Annotated[int, Meta(description="Those that were known already.")]
    unrouted: Annotated[int, Meta(description="Those that belong to no account; the operator sees them.")]


def messages(rows: Sequence[MessageIn | list[Fault]], now: datetime) -> list[Raw]:
    """What core takes. Raises InvalidError."""
    return _all(rows, _message, now)


def events(rows: Sequence[EventIn | list[Fault]], now: datetime) -> list[Raw]:
    """What core takes. Raises InvalidError."""
    return _all(rows, _event, now)


def _event(row: EventIn, common: dict[str, Any]) -> Event:
    return Event(**common, event=row.event)


def _all(rows: Sequence[In | list[Fault]], make: Callable[[In, dict[str, Any]], Message | Event], now: datetime) -> list[Raw]:
    found: list[Raw] = []
    faults: list[Fault] = []
    for index, row in enumerate(rows):
        if isinstance(row, list):
            faults += row
            continue
        before = len(faults)
        common = _common(row, index, now, faults)
        given = msgspec.to_builtins(row)
        faults += [Fault((index, *path), "contains a NUL character") for path in _nuls(given)]
        if len(faults) == before:
            found.append(Raw(make(row, common), given))
    if faults:
        raise InvalidError(faults)
    return found


def _nuls(given: object) -> list[Path]:
    """Where a text or a name has a NUL character, which PostgreSQL can't keep; also in what is handed on as it is."""
    found: list[Path] = []
    left: list[tuple[Path, object]] = [((), given)]
    while left:
        path, value = left.pop()
        if isinstance(value, str) and "\0" in value:
            found.append(path)
        elif isinstance(value, dict):
            for name, part in cast("dict[str, object]", value).items():
                left += [(path, name), ((*path, name), part)]
        elif isinstance(value, list):
            left += [((*path, place), part) for place, part in enumerate(cast("list[object]", value))]
    return found


def _message(row: MessageIn, common: dict[str, Any]) -> Message:
    content = row.message or ContentIn()
    media = content.media or MediaIn()
    return Message(
        **common,
        text=content.text or "",
        media=Media(media.media_uri or "", media.content_type or "", media.title or ""),
        custom=cast("dict[str, Any]", content.custom) if isinstance(content.custom, dict) else {},
        groupings=[text or "" for text in row.groupings or ()],
    )


def _common(row: Incoming, index: int, now: datetime, faults: list[Fault]) -> dict[str, Any]:
    sender, receiver = row.sender or PartyIn(), row.receiver or PartyIn()
    at = instant(row.time_utc)
    if not row.channel or not row.channel.strip():
        faults.append(Fault((index, "channel"), "is required"))
    if not receiver.number or not digits(receiver.number):
        faults.append(Fault((index, "to", "number"), "is required"))
    if row.time_utc and at is None:
        faults.append(Fault((index, "at"), "is no instant such as 2026-01-31T12:00:00"))
    texts = (
        (row.reference, ("reference",), NAME_LENGTH),
        (row.channel, ("channel",), NAME_LENGTH),
        (row.message_context, ("messageContext",), VALUE_LENGTH),
        (sender.number, ("from", "number"), NAME_LENGTH),
        (sender.name, ("from", "name"), NAME_LENGTH),
        (receiver.number, ("to", "number"), NAME_LENGTH),
        (row.message.text if isinstance(row, MessageIn) and row.message else None, ("message", "text"), MESSAGE_LENGTH),
    )
    for text, path, longest in texts:
        if text and len(text) > longest:
            faults.append(Fault((index, *path), f"is longer than {longest:,} characters"))
    return {
        "reference": (row.reference or "").strip(),
        "channel": (row.channel or "").strip(),
        "sender": (sender.number or "").strip(),
        "receiver": (receiver.number or "").strip(),
        "at": at or now,
        "sender_name": sender.name or "",
        "context": row.message_context or "",
        "country": receiver.country,
    }
