"""Messages and events as endpoints get them: the vendor's captured forms, byte for byte (inbound.md, "Out"). Pure.

A payload is captured once, when the message is accepted: the body for Json and Xml, and for GET and Custom the names and values that go
into the account's URL when it is called.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit
from xml.sax.saxutils import escape, quoteattr
from zoneinfo import ZoneInfo

import msgspec

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
SHORTCODE_DIGITS = 8


class Media(NamedTuple):
    """What a message carries besides text."""

    uri: str = ""
    content_type: str = ""
    title: str = ""


class Message(msgspec.Struct, frozen=True):
    """A message as a gateway hands it over. `sender` and `receiver` as written, `at` UTC; `operator` is the sender's network."""

    reference: str
    channel: str
    sender: str
    receiver: str
    at: datetime
    text: str = ""
    sender_name: str = ""
    context: str = ""
    media: Media = Media()
    custom: Mapping[str, Any] = {}
    groupings: Sequence[str] = ()
    country: str | None = None


class Event(msgspec.Struct, frozen=True):
    """Something that happened on a channel; `event` is handed on as it is."""

    reference: str
    channel: str
    sender: str
    receiver: str
    at: datetime
    event: Any
    sender_name: str = ""
    context: str = ""
    country: str | None = None


class Payload(NamedTuple):
    """`form` says what `body` is: json, xml, query (names and values for the URL's query), custom (for its placeholders), mail."""

    form: str
    body: bytes


MEDIA_TYPES = {"json": "application/json", "xml": "text/xml; charset=utf-8"}


def digits(number: str) -> str:
    """A number without + or 00 and what people put between digits."""
    bare = re.sub(r"[\s().\-/]", "", number)
    return bare.removeprefix("+").removeprefix("00")


def _from(number: str) -> str:
    bare = digits(number)
    return f"+{bare}" if bare.isdigit() and len(bare) > SHORTCODE_DIGITS else number


def _to(number: str) -> str:
    bare = digits(number)
    return f"00{bare}" if bare.isdigit() and len(bare) > SHORTCODE_DIGITS else bare


def _times(at: datetime) -> dict[str, str]:
    local, utc = (at.astimezone(zone).replace(tzinfo=None) for zone in (AMSTERDAM, UTC))
    return {"time": local.isoformat(" ", "seconds"), "timeUtc": utc.isoformat("T", "seconds")}


def _groupings(message: Message) -> list[str]:
    return [*message.groupings, "", "", ""][:3]


def json_message(message: Message) -> bytes:
    """The vendor's JSON, its keys in the captured order."""
    media = {"mediaUri": message.media.uri, "contentType": message.media.content_type, "title": message.media.title}
    return msgspec.json.encode(
        {
            "reference": message.reference,
            "messageContext": message.context,
            "from": {"number": _from(message.sender), "name": message.sender_name},
            "to": {"number": _to(message.receiver)},
            "message": {"text": message.text, "media": media, "custom": dict(message.custom)},
            "error": "",
            "groupings": _groupings(message),
            **_times(message.at),
            "channel": message.channel,
        }
    )


def json_event(event: Event) -> bytes:
    """An event's JSON."""
    return msgspec.json.encode(
        {
            "reference": event.reference,
            "messageContext": event.context,
            "from": {"number": _from(event.sender), "name": event.sender_name},
            "to": {"number": _to(event.receiver)},
            "event": event.event,
            "timeUtc": _times(event.at)["timeUtc"],
            "channel": event.channel,
        }
    )


UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def values(message: Message) -> dict[str, str]:
    """What the Xml, GET and Custom forms call the parts of a message, in their order."""
    first, second, third = _groupings(message)
    custom = {name: "" if value is None else str(value) for name, value in message.custom.items()}
    return {
        "ID": message.reference,
        "RECEIVER": _to(message.receiver),
        "MESSAGE": message.text,
        "UDH": custom.get("udh", ""),
        "SENDER": _from(message.sender),
        "BINARY": custom.get("binary", ""),
        "REFERENCE": message.reference,
        "SENT": _times(message.at)["time"],
        "DCS": custom.get("dcs", ""),
        **{f"RESERVED{number}": "" for number in range(1, 6)},
        "CUSTOMGROUPING": first,
        "CUSTOMGROUPING2": second,
        "CUSTOMGROUPING3": third,
        "SESSIONGUID": custom.get("sessionGuid", ""),
    }


RETURN = {"\r": "&#13;"}
"""A reader of XML would take it for a line end."""


def xml_message(message: Message) -> bytes:
    """`<MESSAGES><MSG>…`; a letter that XML can't hold is left out."""
    operator = quoteattr(UNWRITABLE.sub("", str(message.custom.get("operator") or "")))
    parts: list[str] = []
    for name, value in values(message).items():
        attribute = f" OPERATOR={operator}" if name == "SENDER" else ""
        parts.append(f"<{name}{attribute}>{escape(UNWRITABLE.sub('', value), RETURN)}</{name}>")
    return f'<?xml version="1.0" encoding="utf-8"?><MESSAGES><MSG>{"".join(parts)}</MSG></MESSAGES>'.encode()


def mail(message: Message) -> bytes:
    """What a mail is made from when it is sent."""
    return msgspec.json.encode(
        {
            "from": _from(message.sender),
            "name": message.sender_name,
            "to": _to(message.receiver),
            "text": message.text,
            "channel": message.channel,
            "reference": message.reference,
            "timeUtc": _times(message.at)["timeUtc"],
        }
    )


def payload(kind: str, method: str | None, form: str | None, message: Message) -> Payload:
    """A message for an endpoint of a configuration of this kind."""
    if kind == "email":
        return Payload("mail", mail(message))
    if form == "Custom":
        return Payload("custom", msgspec.json.encode(values(message)))
    if method == "GET":
        return Payload("query", msgspec.json.encode(values(message)))
    if form == "Xml":
        return Payload("xml", xml_message(message))
    return Payload("json", json_message(message))


IN_URL = ("query", "custom")
"""Forms of which something stands in the URL."""

PLACEHOLDER = re.compile(r"\{([A-Z0-9]+)\}")


def target(url: str, form: str, body: bytes) -> str:
    """The URL that is called: the account's own, with names and values put in and escaped for where they stand."""
    if form not in IN_URL:
        return _ascii(url)
    given = msgspec.json.decode(body, type=dict[str, str])
    if form == "query":
        return f"{_ascii(url)}{'&' if '?' in url else '?'}{urlencode(given, quote_via=quote)}"
    return _ascii(PLACEHOLDER.sub(lambda found: quote(given[found[1]], safe="") if found[1] in given else found[0], url))


def _ascii(url: str) -> str:
    """The URL as it is sent: what can't stand in one is escaped, what is escaped stays."""
    parts = urlsplit(url)
    host = parts.netloc if parts.netloc.isascii() else parts.netloc.encode("idna").decode()
    rest = quote(url.partition("//")[2][len(parts.netloc) :], safe="%/:?[]@!$&'()*+,;=~")
    return f"{parts.scheme}://{host}{rest}"


def request_body(method: str, form: str, body: bytes) -> tuple[str | None, bytes]:
    """Media type and body of the call; none for GET."""
    if method == "GET":
        return None, b""
    if form == "custom":
        given = msgspec.json.decode(body, type=dict[str, str])
        return "application/x-www-form-urlencoded", urlencode(given).encode()
    return MEDIA_TYPES.get(form), body
