"""Endpoints that answer in every way there is, over real sockets."""

import asyncio
import base64
import email.utils
import json
import tracemalloc
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.etree import ElementTree

import pytest
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from reachbook.core import configurations, deliveries, endpoint_secrets, endpoint_urls, ids
from reachbook.core.configurations import Draft
from reachbook.core.retry_schedule import STANDARD
from reachbook.database.pool import Pool
from tests.deliveries.shops import HERE, Clock, Shop, open_worker
from tests.deliveries.sinks import Answer, Call, answer, break_off, drop, hang, open_sink

QUICK = STANDARD._replace(timeout=0.5)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_any_2xx_takes_it(db: Pool, shop: Shop, bob: Shop, status: int) -> None:
    async with open_sink(answer(status)) as sink, open_worker(db) as worker:
        await shop.add(sink.url)
        await shop.receive("hello")
        await worker.settle()
        found, (attempt,) = await shop.delivery()
        assert (found.state, found.attempts, found.next_at, attempt.status, attempt.error) == ("delivered", 1, None, status, None)
        assert found.delivered_at is not None
        assert len(sink.calls) == 1
    assert await bob.deliveries() == []


@pytest.mark.parametrize("status", [400, 401, 404, 500, 502, 599])
async def test_anything_else_is_tried_again(db: Pool, shop: Shop, status: int) -> None:
    clock = Clock()
    async with open_sink(answer(status, b"no\0t now \xff"), answer(200)) as sink, open_worker(db, clock) as worker:
        await shop.add(sink.url)
        await shop.receive("hello", now=clock.now)
        await worker.settle()
        found, (attempt,) = await shop.delivery()
        assert (found.state, found.attempts, found.next_at) == ("retrying", 1, clock.now + timedelta(seconds=5))
        assert (attempt.status, attempt.error, attempt.answer) == (status, f"answered {status}", "no\ufffdt now \ufffd")
        clock.move(seconds=4.999)
        await worker.settle()
        assert len(sink.calls) == 1
        clock.move(seconds=0.001)
        await worker.settle()
        found, attempts = await shop.delivery()
        assert (found.state, found.attempts, [one.status for one in attempts]) == ("delivered", 2, [status, 200])


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(db: Pool, shop: Shop, status: int) -> None:
    async with open_sink() as target, open_sink(answer(status, Location=target.url)) as sink, open_worker(db) as worker:
        await shop.add(sink.url)
        await shop.receive("hello")
        await worker.settle()
        found, (attempt,) = await shop.delivery()
        assert (found.state, attempt.status, attempt.error) == ("retrying", status, f"answered {status}: redirects are not followed")
        assert (len(sink.calls), target.connections) == (1, 0)


async def test_410_disables_the_endpoint(db: Pool, shop: Shop, bob: Shop) -> None:
    clock = Clock()
    async with open_sink(answer(410), answer(200)) as sink, open_sink() as other, open_worker(db, clock) as worker:
        gone, alive = await shop.add(sink.url), await shop.add(other.url)
        await bob.add(other.url)
        await shop.receive("one", "two", "three", now=clock.now)
        await worker.settle()
        assert await shop.states(endpoint=gone) == ["failed"] * 3
        assert (len(sink.calls), len(other.calls)) == (1, 3)
        found = await deliveries.get_endpoint(db, shop.account, gone)
        assert (found.disabled_at, found.reason) == (clock.now, "it answered 410 Gone")
        assert (await deliveries.get_endpoint(db, shop.account, alive)).disabled_at is None
        # What comes in now is kept, and nothing is sent there, however late it gets.
        (late,) = await shop.receive("four", now=clock.now)
        clock.move(days=1)
        await worker.settle()
        assert (len(sink.calls), len(other.calls)) == (1, 4)
        assert await shop.states(endpoint=gone, reference=late) == ["failed"]
        assert await shop.states(endpoint=alive) == ["delivered"] * 4
        # Until it is enabled and what it missed is replayed.
        await deliveries.enable(db, shop.account, gone, clock.now)
        await worker.settle()
        assert len(sink.calls) == 1
        assert await deliveries.replay_since(db, shop.account, clock.now - timedelta(days=2), gone, "failed", clock.now) == 4
        await worker.settle()
        assert [json.loads(body)["message"]["text"] for body in sink.bodies] == ["one", "one", "two", "three", "four"]
        assert await shop.states(endpoint=gone) == ["delivered"] * 4


@pytest.mark.parametrize("status", [429, 503, 500])
@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("120", 120),
        ("3", 5),  # sooner than the schedule
        ("0", 5),
        ("-7", 5),
        ("soon", 5),
        ("²", 5),
        ("", 5),
        ("in 2 min", 120),
        ("2 min ago", 5),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", 5),
    ],
)
async def test_retry_after(db: Pool, shop: Shop, status: int, asked: str, seconds: int) -> None:
    clock = Clock(ids.now().replace(microsecond=0))
    dates = {"in 2 min": clock.now + timedelta(minutes=2), "2 min ago": clock.now - timedelta(minutes=2)}
    written = email.utils.format_datetime(dates[asked], usegmt=True) if asked in dates else asked
    async with open_sink(answer(status, Retry_After=written)) as sink, open_worker(db, clock) as worker:
        await shop.add(sink.url)
        await shop.receive("hello", now=clock.now)
        await worker.settle()
        found, (attempt,) = await shop.delivery()
        assert (found.state, attempt.status) == ("retrying", status)
        assert found.next_at == clock.now + timedelta(seconds=5 if status == 500 else seconds)


@pytest.mark.parametrize("asked", ["999999999", "9" * 400, "Fri, 31 Dec 9999 23:59:59 GMT"])
async def test_nobody_can_ask_for_ever(db: Pool, shop: Shop, asked: str) -> None:
    async with open_sink(answer(503, Retry_After=asked)) as sink, open_worker(db) as worker:
        await shop.add(sink.url)
        await shop.receive("hello")
        await worker.settle()
        found, attempts = await shop.delivery()
        assert (found.attempts, len(attempts), len(sink.calls)) == (1, 1, 1)


async def test_what_hangs_is_given_up_after_the_timeout(db: Pool, shop: Shop) -> None:
    clock = Clock()
    async with open_sink(hang, answer(200)) as sink, open_worker(db, clock, QUICK) as worker:
        await shop.add(sink.url)
        await shop.receive("hello", now=clock.now)
        await worker.settle()
        found, (attempt,) = await shop.delivery()
        assert (found.state, attempt.status, attempt.error) == ("retrying", None, "no answer within 0.5 seconds")
        assert attempt.latency_ms >= 490
        clock.move(seconds=5)
        await worker.settle()
        assert await shop.states() == ["delivered"]


async def slow_headers(_: Call, writer: asyncio.StreamWriter) -> None:
    """A letter now and then: each read gets something, the answer never ends."""
    for letter in b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50:
        writer.write(bytes([letter]))
        await asyncio.sleep(0.05)


async def slow_body(_: Call, writer: asyncio.StreamWriter) -> None:
    """The same after the headers."""
    writer.write(answer(200, b"x" * 900)[:-900])
    while True:
        writer.write(b"x")
        await asyncio.sleep(0.05)


async def endless_headers(_: Call, writer: asyncio.StreamWriter) -> None:
    """Headers without end, as fast as they are read."""
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X-More: " + b"x" * 4_000 + b"\r\n")
        await writer.drain()


@pytest.mark.parametrize(
    "bad",
    [
        drop,
        break_off,
        slow_headers,
        slow_body,
        endless_headers,
        b"\0\xff\x80 garbage\r\n\r\n",
        b"HTTP/1.1 abc \0\xff\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\0zz\xff\r\n",
        b"SSH-2.0-OpenSSH_9.9\r\n",
    ],
    ids=lambda bad: bad[:24].decode("latin-1") if isinstance(bad, bytes) else bad.__name__,
)
async def test_broken_answers_are_failures(db: Pool, shop: Shop, bad: Answer) -> None:
    clock = Clock()
    async with open_sink(bad, answer(200)) as sink, open_worker(db, clock, QUICK) as worker:
        await shop.add(sink.url)
        await shop.receive("hello", now=clock.now)
        await worker.settle()
        found, (attempt,) = await shop.delivery()
        assert (found.state, attempt.status) == ("retrying", None)
        assert attempt.error
        assert attempt.answer is None
        clock.move(seconds=5)
        await worker.settle()
        assert await shop.states() == ["delivered"]
        assert len({call.headers["webhook-id"] for call in sink.calls}) == 1


async def test_nobody_listens(db: Pool, shop: Shop) -> None:
    clock = Clock()
    async with open_sink() as sink:
        await shop.add(sink.url)
    await shop.receive("hello", now=clock.now)
    async with open_worker(db, clock) as worker:
        await worker.settle()
        _, (attempt,) = await shop.delivery()
        assert (attempt.status, str(attempt.error).partition(":")[0]) == (None, "can't connect")
        async with open_sink(port=sink.port) as again:
            clock.move(seconds=5)
            await worker.settle()
            assert len(again.calls) == 1
    assert await shop.states() == ["delivered"]


MUCH = 10_000_000


async def endless_body(_: Call, writer: asyncio.StreamWriter) -> None:
    """As long as anybody reads."""
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(b"y" * 65_536)
        await writer.drain()


@pytest.mark.parametrize("status", [200, 500])
async def test_of_a_long_answer_the_start_is_kept(db: Pool, shop: Shop, status: int) -> None:
    async def much(_: Call, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {MUCH}\r\n\r\n".encode())
        for _ in range(MUCH // 10_000):
            writer.write("é".encode() * 5_000)
            await writer.drain()

    async with open_sink(much, answer(200, b"thanks")) as sink, open_worker(db) as worker:
        await shop.add(sink.url)
        references = await shop.receive("one", "two")
        tracemalloc.start()
        try:
            await worker.settle()
            most = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert most < MUCH / 3, "the answer was held in memory"
        found, (attempt,) = await shop.delivery(reference=references[0])
        assert (found.state, attempt.status, attempt.answer) == ("delivered" if status == 200 else "retrying", status, "é" * 500)
        found, (attempt,) = await shop.delivery(reference=references[1])
        assert (found.state, attempt.answer) == ("delivered", "thanks")
        assert sink.calls[0].connection != sink.calls[1].connection


async def test_an_answer_without_end_is_taken(db: Pool, shop: Shop) -> None:
    async with open_sink(endless_body, answer(200)) as sink, open_worker(db) as worker:
        await shop.add(sink.url)
        await shop.receive("one", "two")
        await worker.settle()
        assert await shop.states() == ["delivered"] * 2


async def test_a_packed_answer_is_not_unpacked(db: Pool, shop: Shop) -> None:
    """The sink says gzip, and sends what is none."""
    async with open_sink(answer(200, b"plain", Content_Encoding="gzip")) as sink, open_worker(db) as worker:
        await shop.add(sink.url)
        await shop.receive("one")
        await worker.settle()
        _, (attempt,) = await shop.delivery()
        assert (attempt.status, attempt.answer) == (200, "plain")
        assert sink.calls[0].headers["accept-encoding"] == "identity"


async def test_messages_go_over_one_connection_in_their_order(db: Pool, shop: Shop, bob: Shop) -> None:
    async with open_sink(answer(200, b"ok")) as sink, open_sink() as other, open_worker(db) as worker:
        await shop.add(sink.url)
        await bob.add(other.url)
        texts = [f"text {number}" for number in range(250)]
        await shop.receive(*texts[:120])
        await shop.receive(*texts[120:])
        await worker.settle()
        assert [json.loads(body)["message"]["text"] for body in sink.bodies] == texts
        assert sink.connections == 1
        assert other.calls == []


async def test_a_message_that_waits_for_its_retry_holds_back_none(db: Pool, shop: Shop) -> None:
    clock = Clock()
    async with open_sink(answer(500), answer(200)) as sink, open_worker(db, clock) as worker:
        await shop.add(sink.url)
        await shop.receive("one", "two", "three", now=clock.now)
        await worker.settle()
        clock.move(seconds=5)
        await worker.settle()
        assert [json.loads(body)["message"]["text"] for body in sink.bodies] == ["one", "two", "three", "one"]


# --- signatures


def is_signed(call: Call, webhook: Webhook) -> bool:
    """Whether the call verifies, with the library that receivers have."""
    try:
        webhook.verify(call.body, call.headers, json_parse=False)
    except WebhookVerificationError:
        return False
    return True


async def test_signatures_and_a_rotation(db: Pool, shop: Shop, bob: Shop) -> None:
    """A day passes between what signs: the clock ends at the present, which is what the library accepts."""
    present = ids.now()
    made_at = present - timedelta(hours=24)
    async with open_sink() as sink:
        endpoint = await shop.add(sink.url, now=made_at)
        (first,) = await endpoint_secrets.signing(db, shop.account, endpoint, made_at)
        old = Webhook(base64.b64encode(first).decode())
        for of_present, both in ((timedelta(milliseconds=-1), True), (timedelta(0), False)):
            if of_present:
                new = Webhook(await endpoint_secrets.rotate(db, shop.account, endpoint, made_at))
            clock = Clock(present + of_present)
            async with open_worker(db, clock) as worker:
                await shop.receive("héllo", now=clock.now)
                await worker.settle()
            call = sink.calls[-1]
            assert is_signed(call, new)
            assert is_signed(call, old) == both
            assert len(call.headers["webhook-signature"].split()) == 1 + both
            assert call.headers["webhook-timestamp"] == str(int(clock.now.timestamp()))
            changed = call._replace(body=call.body + b" ")
            assert not is_signed(changed, new)
    assert await endpoint_secrets.signing(db, bob.account, endpoint, present) == []


async def test_every_attempt_has_the_same_id_and_bytes(db: Pool, shop: Shop, bob: Shop) -> None:
    """Whatever the account changes meanwhile, but for where it goes; and a replay is the same message once more."""
    clock = Clock()
    async with open_sink(answer(500)) as sink, open_sink() as moved, open_worker(db, clock) as worker:
        endpoint = await shop.add(sink.url)
        await shop.receive("hello", custom={"z": 1, "a": [True, None]}, groupings=["x"], now=clock.now)
        await worker.settle()
        await endpoint_secrets.rotate(db, shop.account, endpoint, clock.now)
        clock.move(seconds=5)
        await worker.settle()
        draft = Draft(url=moved.url, method="PUT", form="Xml")
        await configurations.update(
            db, shop.account, shop.channel, "webhook", endpoint, draft, allowed=endpoint_urls.networks(HERE), now=clock.now
        )
        clock.move(seconds=30)
        await worker.settle()
        (delivery,) = await shop.deliveries()
        await deliveries.replay(db, shop.account, delivery.id, clock.now)
        await worker.settle()
        calls = [*sink.calls, *moved.calls]
        assert (len(sink.calls), len(moved.calls)) == (2, 2)
        assert len({call.body for call in calls}) == 1
        assert {call.headers["webhook-id"] for call in calls} == {f"msg_{delivery.id.hex}"}
        assert {call.headers["content-type"] for call in calls} == {"application/json"}
        assert {call.method for call in calls} == {"POST"}, "captured with the body"
        # Another message has another id.
        await shop.receive("hello", now=clock.now)
        await worker.settle()
        last = moved.calls[-1]
        assert (last.method, last.headers["content-type"]) == ("PUT", "text/xml; charset=utf-8")
        assert last.headers["webhook-id"] != calls[0].headers["webhook-id"]
    assert await bob.deliveries() == []


# --- forms

SAID: dict[str, Any] = {
    "text": 'a&b=c <d>"e" é€ {SENDER} 1+1%\n',
    "custom": {"udh": "0500", "operator": "20408", "dcs": 8},
    "groupings": ["one", "two"],
    "reference": "r-1",
    "sender_name": "Ann",
    "context": "thread 1",
}


async def sent(db: Pool, shop: Shop, kind: str, path: str = "", **given: str) -> Call:
    """How a message gets to an endpoint."""
    async with open_sink() as sink, open_worker(db) as worker:
        endpoint = await shop.add(f"{sink.url}{path}", kind, **given)
        await shop.receive("", **SAID)
        (secret,) = await endpoint_secrets.signing(db, shop.account, endpoint, ids.now())
        await worker.settle()
        (call,) = sink.calls
        assert is_signed(call, Webhook(base64.b64encode(secret).decode()))
        assert call.headers["user-agent"] == "Reachbook"
        return call


NAMES = [
    *("ID", "RECEIVER", "MESSAGE", "UDH", "SENDER", "BINARY", "REFERENCE", "SENT", "DCS"),
    *(f"RESERVED{number}" for number in range(1, 6)),
    *("CUSTOMGROUPING", "CUSTOMGROUPING2", "CUSTOMGROUPING3", "SESSIONGUID"),
]
OPERATED = {"UDH": "0500", "SENDER": "+31612345678", "DCS": "8", "CUSTOMGROUPING": "one", "CUSTOMGROUPING2": "two"}


def named(shop: Shop, sent: str) -> dict[str, str]:
    """The message by the vendor's names."""
    given = OPERATED | {"ID": "r-1", "REFERENCE": "r-1", "RECEIVER": f"00{shop.number}", "MESSAGE": str(SAID["text"]), "SENT": sent}
    return {name: given.get(name, "") for name in NAMES}


@pytest.mark.parametrize(("kind", "method"), [("webhook", "POST"), ("webhook", "PUT"), ("customerContact", "POST")])
async def test_json(db: Pool, shop: Shop, kind: str, method: str) -> None:
    call = await sent(db, shop, kind, "?a=b", method=method, form="Json")
    assert (call.method, call.path, call.headers["content-type"]) == (method, "/in?a=b", "application/json")
    given = json.loads(call.body)
    times = {"time": given["time"], "timeUtc": given["timeUtc"]}
    assert list(given.items()) == list(
        {
            "reference": "r-1",
            "messageContext": "thread 1",
            "from": {"number": "+31612345678", "name": "Ann"},
            "to": {"number": f"00{shop.number}"},
            "message": {"text": SAID["text"], "media": {"mediaUri": "", "contentType": "", "title": ""}, "custom": SAID["custom"]},
            "error": "",
            "groupings": ["one", "two", ""],
            **times,
            "channel": "SMS",
        }.items()
    )


@pytest.mark.parametrize(("kind", "method"), [("webhook", "POST"), ("webhook", "PUT"), ("customerContact", "POST")])
async def test_xml(db: Pool, shop: Shop, kind: str, method: str) -> None:
    call = await sent(db, shop, kind, method=method, form="Xml")
    assert (call.method, call.path, call.headers["content-type"]) == (method, "/in", "text/xml; charset=utf-8")
    root = ElementTree.fromstring(call.body)  # noqa: S314 - our own
    (message,) = root
    assert (root.tag, message.tag) == ("MESSAGES", "MSG")
    found = {part.tag: part.text or "" for part in message}
    assert list(found.items()) == list(named(shop, found["SENT"]).items())
    assert message[4].attrib == {"OPERATOR": "20408"}


@pytest.mark.parametrize(("path", "before"), [("", []), ("?a=b%20c", [("a", "b c")])])
@pytest.mark.parametrize("form", ["Json", "Xml"])
async def test_get(db: Pool, shop: Shop, form: str, path: str, before: list[tuple[str, str]]) -> None:
    call = await sent(db, shop, "webhook", path, method="GET", form=form)
    assert (call.method, call.body, call.headers.get("content-type")) == ("GET", b"", None)
    url = urlsplit(call.path)
    pairs = parse_qsl(url.query, keep_blank_values=True)
    assert (url.path, pairs) == ("/in", [*before, *named(shop, dict(pairs)["SENT"]).items()])


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
async def test_custom(db: Pool, shop: Shop, method: str) -> None:
    call = await sent(db, shop, "webhook", "/{REFERENCE}/{MESSAGE}?m={MESSAGE}&s={SENDER}&x={OTHER}&é=1", method=method, form="Custom")
    url = urlsplit(call.path)
    assert [unquote(part) for part in url.path.split("/")] == ["", "in", "r-1", SAID["text"]]
    assert parse_qsl(url.query) == [("m", SAID["text"]), ("s", "+31612345678"), ("x", "{OTHER}"), ("é", "1")]
    assert call.method == method
    if method == "GET":
        assert (call.body, call.headers.get("content-type")) == (b"", None)
    else:
        assert call.headers["content-type"] == "application/x-www-form-urlencoded"
        pairs = parse_qsl(call.body.decode(), keep_blank_values=True)
        assert pairs == list(named(shop, dict(pairs)["SENT"]).items())


async def test_events_go_to_the_event_webhook_and_messages_do_not(db: Pool, shop: Shop, bob: Shop) -> None:
    async with open_sink() as events, open_sink() as messages, open_sink() as others, open_worker(db) as worker:
        await shop.add(events.url, "eventWebhook")
        await shop.add(messages.url)
        await bob.add(others.url, "eventWebhook")
        reference = await shop.happen({"type": "TYPING"})
        await shop.receive("hello")
        await worker.settle()
        (event,), (message,) = events.calls, messages.calls
        assert (event.method, event.headers["content-type"]) == ("POST", "application/json")
        given = json.loads(event.body)
        assert list(given) == ["reference", "messageContext", "from", "to", "event", "timeUtc", "channel"]
        assert (given["reference"], given["event"]) == (reference, {"type": "TYPING"})
        assert json.loads(message.body)["message"]["text"] == "hello"
        assert others.calls == []
