"""Messages and events as endpoints get them, byte for byte (inbound_forms/*), and what each form does with letters that it has to escape.

`pytest --update` writes the files anew; review the diff.
"""

import email.policy
import json
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from uuid import UUID
from xml.etree import ElementTree

import pytest
from msgspec.structs import replace
from yarl import URL

from reachbook.core import inbound_formats
from reachbook.core.delivery_work import Delivery
from reachbook.core.inbound_formats import Event, Media, Message, Payload
from reachbook.providers import mail

FORMS = Path(__file__).parent / "inbound_forms"
SUMMER = datetime(2026, 7, 1, 22, 30, 5, 999_000, UTC)
WINTER = datetime(2026, 1, 31, 23, 30, 5, tzinfo=UTC)
ODD = "a&b=c+d%e#f/g?h i é 漢 😀 \"q\" 'r' <s> {SENDER} \\ ~\nend"
"""Everything that means something somewhere."""

PLAIN = Message("8c2f", "SMS", "+31612345678", "0031627100000", SUMMER, "Hello")
FULL = Message(
    "5f1b9c9e-1c6e-4a8a-9c2d-2f9f6f0e6f11",
    "WhatsApp",
    "0031612345678",
    "+31627100000",
    WINTER,
    "Look — 漢字 é 😀",
    sender_name='Ann "the Hare" O\'Hara',
    context="previous-message",
    media=Media("https://media.example.com/a?b=1&c=2", "image/jpeg", "A <picture>"),
    custom={
        "udh": "050003CC0201",
        "operator": '20404 & "Co" <x>',
        "dcs": 8,
        "binary": None,
        "sessionGuid": "s-1",
        "deep": {"z": 1, "a": [2]},
    },
    groupings=("first", "", "third", "fourth"),
)
SHORT = replace(PLAIN, sender="Acme & Co", receiver="4040", groupings=("only",), text="")
STRANGE = replace(PLAIN, reference="r&1/?", text=ODD, groupings=("g&1", "g=2", "g 3"))
BROKEN = replace(PLAIN, text="bell\a null-free \x1f \x7f \ufffe \uffff tab\t line\r\nend ]]> &amp;", custom={"operator": "a\nb\x01"})
HAPPENED = Event(
    "e-1", "WhatsApp", "31612345678", "31627100000", SUMMER, {"type": "READ", "z": [1, None], "a": "é"}, sender_name="Ann", context="c"
)

URLS = {
    "plain": "https://example.com/in",
    "root": "https://example.com",
    "query": "https://example.com/in?key=a%20b&x=1",
    "unicode": "http://bücher.example:8443/größe/%C3%A9?é=ü",
}
CUSTOM = (
    "https://example.com/{RECEIVER}/{MESSAGE}/x?from={SENDER}&text={MESSAGE}&ref={REFERENCE}&sent={SENT}"
    "&g={CUSTOMGROUPING3}&who={UNKNOWN}&low={message}&open={MESSAGE"
)


def golden(name: str, found: bytes, request: pytest.FixtureRequest) -> None:
    """Compare with the file, or write it."""
    if request.config.getoption("--update"):
        (FORMS / name).write_bytes(found)
    assert found == (FORMS / name).read_bytes()


def called(message: Message, method: str, form: str, url: str) -> tuple[str, str | None, bytes]:
    """URL, media type and body of a webhook's call."""
    made = inbound_formats.payload("webhook", method, form, message)
    return (inbound_formats.target(url, made.form, made.body), *inbound_formats.request_body(method, made.form, made.body))


def as_text(message: Message, method: str, form: str, url: str) -> bytes:
    """The same, to be read."""
    target, media_type, body = called(message, method, form, url)
    return f"{method} {target}\n{media_type or '-'}\n\n".encode() + body


MESSAGES = {"plain": PLAIN, "full": FULL, "short": SHORT, "strange": STRANGE, "broken": BROKEN}


@pytest.mark.parametrize("form", ["Json", "Xml"])
@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize(("kind", "method"), [("webhook", "POST"), ("webhook", "PUT"), ("customerContact", "POST")])
def test_json_and_xml(kind: str, method: str, name: str, form: str, request: pytest.FixtureRequest) -> None:
    made = inbound_formats.payload(kind, method, form, MESSAGES[name])
    assert made.form == form.lower()
    golden(f"{name}.{made.form}", made.body, request)
    media_type = {"json": "application/json", "xml": "text/xml; charset=utf-8"}[made.form]
    assert inbound_formats.request_body(method, made.form, made.body) == (media_type, made.body)


def test_an_event(request: pytest.FixtureRequest) -> None:
    found = inbound_formats.json_event(HAPPENED)
    golden("event.json", found, request)
    assert list(json.loads(found)) == ["reference", "messageContext", "from", "to", "event", "timeUtc", "channel"]
    assert json.loads(found)["event"] == HAPPENED.event
    assert b'{"type":"READ","z":[1,null],"a":' in found, "handed on in its order"


@pytest.mark.parametrize("event", ["READ", 5, None, [], {"a": {"b": None}}, True])
def test_an_event_is_handed_on_as_it_is(event: Any) -> None:
    assert json.loads(inbound_formats.json_event(replace(HAPPENED, event=event)))["event"] == event


@pytest.mark.parametrize("message", MESSAGES.values(), ids=list(MESSAGES))
def test_json_has_the_vendors_names_in_the_vendors_order(message: Message) -> None:
    found = json.loads(inbound_formats.json_message(message))
    expected = ["reference", "messageContext", "from", "to", "message", "error", "groupings", "time", "timeUtc", "channel"]
    assert list(found) == expected
    assert (list(found["from"]), list(found["to"])) == (["number", "name"], ["number"])
    assert list(found["message"]) == ["text", "media", "custom"]
    assert list(found["message"]["media"]) == ["mediaUri", "contentType", "title"]
    assert (found["error"], len(found["groupings"])) == ("", 3)
    assert found["message"]["text"] == message.text
    assert found["message"]["custom"] == message.custom


XML_NAMES = [
    *("ID", "RECEIVER", "MESSAGE", "UDH", "SENDER", "BINARY", "REFERENCE", "SENT", "DCS"),
    *(f"RESERVED{number}" for number in range(1, 6)),
    *("CUSTOMGROUPING", "CUSTOMGROUPING2", "CUSTOMGROUPING3", "SESSIONGUID"),
]


@pytest.mark.parametrize("message", MESSAGES.values(), ids=list(MESSAGES))
def test_xml_has_the_vendors_names_in_the_vendors_order(message: Message) -> None:
    root = ElementTree.fromstring(inbound_formats.xml_message(message))  # noqa: S314 - our own
    assert (root.tag, [one.tag for one in root]) == ("MESSAGES", ["MSG"])
    assert [part.tag for part in root[0]] == XML_NAMES
    assert [part.tag for part in root[0] if part.attrib] == ["SENDER"]
    assert list(inbound_formats.values(message)) == XML_NAMES


@pytest.mark.parametrize("message", [PLAIN, FULL, SHORT, STRANGE], ids=["plain", "full", "short", "strange"])
def test_xml_says_what_was_said(message: Message) -> None:
    (found,) = ElementTree.fromstring(inbound_formats.xml_message(message))  # noqa: S314 - our own
    said = {part.tag: part.text or "" for part in found}
    assert said == inbound_formats.values(message)
    assert said["MESSAGE"] == message.text
    operator = found.find("SENDER")
    assert operator is not None
    assert operator.attrib == {"OPERATOR": str(message.custom.get("operator", ""))}


def test_xml_leaves_out_what_it_cannot_hold_and_nothing_else() -> None:
    (found,) = ElementTree.fromstring(inbound_formats.xml_message(BROKEN))  # noqa: S314 - our own
    text = found.findtext("MESSAGE")
    assert text is not None
    assert text == BROKEN.text.translate(dict.fromkeys(map(ord, "\a\x1f\ufffe\uffff")))


@pytest.mark.parametrize(
    ("number", "sender", "receiver"),
    [
        ("+31627100000", "+31627100000", "0031627100000"),
        ("0031627100000", "+31627100000", "0031627100000"),
        ("31627100000", "+31627100000", "0031627100000"),
        ("+31 6 27-10.00 (00)", "+31627100000", "0031627100000"),
        ("4040", "4040", "4040"),
        ("12345678", "12345678", "12345678"),
        ("123456789", "+123456789", "00123456789"),
        ("Acme", "Acme", "Acme"),
        ("", "", ""),
    ],
)
def test_numbers(number: str, sender: str, receiver: str) -> None:
    message = replace(PLAIN, sender=number, receiver=number)
    for found in (json.loads(inbound_formats.json_message(message)), json.loads(inbound_formats.json_event(_event(message)))):
        assert (found["from"]["number"], found["to"]["number"]) == (sender, receiver)
    values = inbound_formats.values(message)
    assert (values["SENDER"], values["RECEIVER"]) == (sender, receiver)


def _event(message: Message) -> Event:
    return Event(message.reference, message.channel, message.sender, message.receiver, message.at, "READ")


@pytest.mark.parametrize(
    ("at", "local", "utc"),
    [
        (SUMMER, "2026-07-02 00:30:05", "2026-07-01T22:30:05"),
        (WINTER, "2026-02-01 00:30:05", "2026-01-31T23:30:05"),
        (datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC), "2026-03-29 01:59:59", "2026-03-29T00:59:59"),
        (datetime(2026, 3, 29, 1, 0, 0, tzinfo=UTC), "2026-03-29 03:00:00", "2026-03-29T01:00:00"),
        (datetime(2026, 10, 25, 0, 30, 0, tzinfo=UTC), "2026-10-25 02:30:00", "2026-10-25T00:30:00"),
        (datetime(2026, 10, 25, 1, 30, 0, tzinfo=UTC), "2026-10-25 02:30:00", "2026-10-25T01:30:00"),
        (datetime.fromisoformat("2026-01-01T01:00:00+09:00"), "2025-12-31 17:00:00", "2025-12-31T16:00:00"),
    ],
)
def test_times(at: datetime, local: str, utc: str) -> None:
    found = json.loads(inbound_formats.json_message(replace(PLAIN, at=at)))
    assert (found["time"], found["timeUtc"]) == (local, utc)
    assert inbound_formats.values(replace(PLAIN, at=at))["SENT"] == local
    assert json.loads(inbound_formats.json_event(_event(replace(PLAIN, at=at))))["timeUtc"] == utc


def test_a_clock_that_was_never_set_has_a_year_of_four_digits() -> None:
    found = json.loads(inbound_formats.json_message(replace(PLAIN, at=datetime(1, 1, 1, tzinfo=UTC))))
    assert found["timeUtc"] == "0001-01-01T00:00:00"
    assert found["time"].startswith("0001-01-01 ")


@pytest.mark.parametrize("groupings", [(), ("a",), ("a", "b"), ("a", "b", "c"), ("a", "b", "c", "d")])
def test_there_are_three_groupings(groupings: tuple[str, ...]) -> None:
    message = replace(PLAIN, groupings=groupings)
    expected = [*groupings[:3], *("",) * (3 - len(groupings))]
    assert json.loads(inbound_formats.json_message(message))["groupings"] == expected
    values = inbound_formats.values(message)
    assert [values[name] for name in ("CUSTOMGROUPING", "CUSTOMGROUPING2", "CUSTOMGROUPING3")] == expected


# --- GET and Custom


@pytest.mark.parametrize("form", ["Json", "Xml"])
@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("name", ["full", "strange"])
def test_get(name: str, url: str, form: str, request: pytest.FixtureRequest) -> None:
    golden(f"get_{url}_{name}.txt", as_text(MESSAGES[name], "GET", form, URLS[url]), request)


@pytest.mark.parametrize("url", URLS.values(), ids=list(URLS))
@pytest.mark.parametrize("message", MESSAGES.values(), ids=list(MESSAGES))
def test_get_says_what_was_said_beside_the_urls_own_query(message: Message, url: str) -> None:
    target, media_type, body = called(message, "GET", "Json", url)
    assert (media_type, body) == (None, b"")
    assert target.isascii()
    assert not set(target) & set(" \"<>\\^`{|}\n\r\t#'")
    own = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    assert parse_qsl(urlsplit(target).query, keep_blank_values=True) == [*own, *inbound_formats.values(message).items()]
    assert unquote(urlsplit(target).path) == unquote(urlsplit(url).path)


def test_a_host_of_other_letters_is_called_by_the_name_that_is_looked_up() -> None:
    for method, form in (("GET", "Json"), ("POST", "Json"), ("POST", "Xml"), ("POST", "Custom")):
        target, _, _ = called(PLAIN, method, form, URLS["unicode"])
        assert target.startswith("http://xn--bcher-kva.example:8443/gr%C3%B6%C3%9Fe/%C3%A9?%C3%A9=%C3%BC")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
@pytest.mark.parametrize("name", ["full", "strange"])
def test_custom(name: str, method: str, request: pytest.FixtureRequest) -> None:
    golden(f"custom_{method.lower()}_{name}.txt", as_text(MESSAGES[name], method, "Custom", CUSTOM), request)


@pytest.mark.parametrize("text", [ODD, *"&=+%#/?", " ", "é", "漢", "😀", "\n", "..", "%2F", "{MESSAGE}", "{SENDER}", "&from=x", "a;b", ""])
def test_what_is_put_into_a_custom_url_stays_in_its_place(text: str) -> None:
    message = replace(FULL, text=text)
    target, _, _ = called(message, "GET", "Custom", CUSTOM)
    assert target.isascii()
    path = [unquote(part) for part in urlsplit(target).path.split("/")]
    assert path == ["", "0031627100000", text, "x"]
    query = dict(parse_qsl(urlsplit(target).query, keep_blank_values=True))
    assert query == {
        "from": "+31612345678",
        "text": text,
        "ref": FULL.reference,
        "sent": "2026-02-01 00:30:05",
        "g": "third",
        "who": "{UNKNOWN}",
        "low": "{message}",
        "open": "{MESSAGE",
    }
    assert str(URL(target, encoded=True)) == target, "the client sends it as it is"


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("message", MESSAGES.values(), ids=list(MESSAGES))
def test_custom_sends_all_names_as_a_form_too(message: Message, method: str) -> None:
    target, media_type, body = called(message, method, "Custom", "https://example.com/in")
    assert (target, media_type) == ("https://example.com/in", "application/x-www-form-urlencoded")
    assert parse_qsl(body.decode("ascii"), keep_blank_values=True) == list(inbound_formats.values(message).items())


def test_what_a_payload_is_called_does_not_depend_on_the_message() -> None:
    cases = {
        ("webhook", "GET", "Json"): "query",
        ("webhook", "GET", "Xml"): "query",
        ("webhook", "GET", "Custom"): "custom",
        ("webhook", "POST", "Custom"): "custom",
        ("webhook", "PUT", "Xml"): "xml",
        ("customerContact", "POST", "Xml"): "xml",
        ("customerContact", "POST", "Json"): "json",
        ("email", None, None): "mail",
    }
    for given, form in cases.items():
        assert {inbound_formats.payload(*given, message).form for message in MESSAGES.values()} == {form}


# --- mails

CHANNEL, OTHER_CHANNEL = UUID(int=1), UUID(int=2)


def sent(message: Message, channel: UUID = CHANNEL, id: int = 7, at: datetime = SUMMER) -> EmailMessage:
    """The mail as it is read at the other end."""
    return BytesParser(EmailMessage, policy=email.policy.default).parsebytes(written(message, channel, id, at).as_bytes())


def written(message: Message, channel: UUID = CHANNEL, id: int = 7, at: datetime = SUMMER) -> EmailMessage:
    made: Payload = inbound_formats.payload("email", None, None, message)
    delivery = Delivery(UUID(int=id), "email", channel, message.reference, None, made.body, made.form, 0, at)
    return mail.written(delivery, "desk@example.com", "Reachbook <inbound@example.org>")


@pytest.mark.parametrize("name", ["plain", "full", "short", "strange"])
def test_mail(name: str, request: pytest.FixtureRequest) -> None:
    golden(f"mail_{name}.txt", written(MESSAGES[name]).as_bytes(), request)


def test_a_mail_says_who_wrote_what() -> None:
    found = sent(FULL)
    assert (found["From"], found["To"]) == ("Reachbook <inbound@example.org>", "desk@example.com")
    assert found["Subject"] == 'WhatsApp from Ann "the Hare" O\'Hara (+31612345678)'
    assert found["Auto-Submitted"] == "auto-generated"
    body = found.get_content()
    assert body.startswith(FULL.text + "\n\n-- \n")
    lines = body.splitlines()
    assert lines[-4:] == [
        'From: Ann "the Hare" O\'Hara (+31612345678)',
        "To: 0031627100000",
        "Received: 2026-01-31T23:30:05 UTC",
        f"Reference: {FULL.reference}",
    ]


@pytest.mark.parametrize(
    "name", ["Ann\r\nBcc: evil@example.com", "Ann\nX: y", "Ann\u2028Bcc: x", "\x0bAnn\x1c", "漢" * 300, "é\tb", "\x01"]
)
def test_a_header_is_one_line_whatever_a_name_says(name: str) -> None:
    found = sent(replace(FULL, sender_name=name, channel="Viber\r\nTo: x@example.com"))
    assert sorted(found.keys()) == sorted(sent(FULL).keys())
    assert (found.get_all("To"), found["Bcc"]) == (["desk@example.com"], None)
    assert not set(str(found["Subject"])) & set("\r\n\u2028\x0b\x1c\t")
    assert len(str(found["Subject"])) <= 200
    assert "Viber" in found["Subject"]


@pytest.mark.parametrize("text", ["", "a\nb", ODD, ".\n.\nQUIT", "漢字 😀\u2028x", "x" * 5_000, "From me\n--\n-- \nTo: you"])
def test_a_mail_brings_the_text_as_it_is(text: str) -> None:
    assert sent(replace(PLAIN, text=text)).get_content().startswith(text + "\n\n-- \nFrom: +31612345678\n")


def test_mails_of_one_sender_on_one_channel_are_one_thread() -> None:
    first, second = (
        sent(PLAIN),
        sent(replace(PLAIN, text="More", reference="9", sender="0031612345678"), id=8, at=SUMMER + timedelta(days=9)),
    )
    assert first["References"] == first["In-Reply-To"] == second["References"] == second["In-Reply-To"]
    assert first["Subject"] == second["Subject"]
    assert first["Message-ID"] != second["Message-ID"]
    assert first["Message-ID"] != first["References"]
    for other in (sent(replace(PLAIN, sender="+31612345679")), sent(PLAIN, OTHER_CHANNEL)):
        assert other["References"] != first["References"]


def test_the_same_delivery_is_the_same_mail() -> None:
    assert written(FULL).as_bytes() == written(FULL).as_bytes()
