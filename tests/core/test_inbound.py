"""Messages and events that come in: whose they are, what is stored of them, each once, and what they say of consent."""

import asyncio
import itertools
import random
import re
from collections.abc import AsyncGenerator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import pytest

from reachbook.core import (
    channels,
    configurations,
    consent,
    decisions,
    ids,
    inbound,
    inbound_formats,
    messages,
    number_requests,
    numbers,
    profiles,
    reviews,
)
from reachbook.core.catalogues import NumberType
from reachbook.core.configurations import Draft
from reachbook.core.consent import Change, Reason, Source, TokenType
from reachbook.core.consent_words import Meaning
from reachbook.core.errors import ConflictError, InvalidError, NotFoundError
from reachbook.core.ids import AccountId
from reachbook.core.inbound import Accepted, Call, Raw
from reachbook.core.inbound_formats import Event, Message
from reachbook.core.keywords import cancel
from reachbook.core.limits import CONSENT_WORDS, VALUE_LENGTH
from reachbook.core.messages import Logged
from reachbook.core.numbers import Draft as Stocked
from reachbook.core.work_queue import Kind
from reachbook.database.pool import Pool
from tests.core.book import brought, ledger, member, new_account, new_list, wrong_counters
from tests.core.channels import (
    ALL,
    NOW,
    ask,
    at_once,
    claim,
    fresh_number,
    item_of,
    number_type,
    profile,
    rent,
    restock,
    stock,
    whatsapp,
)

GATEWAY = UUID(int=9)
USER = UUID(int=8)
ANN, BEN = "+31627100000", "+32470123456"
LATER = NOW + timedelta(hours=1)
URL = "https://example.com/in"

_serial = itertools.count(1)


def fresh_reference() -> str:
    """What no other message has."""
    return f"message-{next(_serial)}"


@pytest.fixture(scope="module")
def db(quiet: Pool) -> Pool:
    """No server sends anything."""
    return quiet


@pytest.fixture
async def type(db: Pool) -> NumberType:
    """A number type of the test's own."""
    return await number_type(db)


@pytest.fixture
async def bob(db: Pool, other_account: AccountId, type: NumberType) -> AsyncGenerator[AccountId]:
    """Somebody else with a number, a keyword, all configurations and Ann in his address book, who gets and sees nothing of Alice's."""
    channel = await own_channel(db, other_account, await rent(db, other_account, type))
    for kind in ("webhook", "customerContact", "eventWebhook", "email"):
        await listen(db, other_account, channel, kind)
    await configurations.keep_log(db, other_account, channel, enabled=True, now=NOW)
    await brought(db, other_account, await new_list(db, other_account, deletes_unused=True), member(phone=ANN))
    yield other_account
    assert await everything(db, other_account) == EMPTY


def sms(number: str, text: str = "Hello", sender: str = ANN, reference: str | None = None, channel: str = "SMS", **more: Any) -> Raw:
    """A message; a shared number or another as its id."""
    what = Message(fresh_reference() if reference is None else reference, channel, sender, number, NOW, text, **more)
    return Raw(what, {"reference": what.reference, "to": {"number": number}, "message": {"text": text}, "channel": channel})


def event(number: str, reference: str | None = None, channel: str = "WhatsApp", **more: Any) -> Raw:
    what = Event(reference or fresh_reference(), channel, ANN, number, NOW, {"type": "READ"}, **more)
    return Raw(what, {"reference": what.reference, "event": what.event})


async def hand(db: Pool, *given: Raw, country: str | None = None, now: datetime = NOW) -> Accepted:
    """What a gateway does."""
    return await inbound.accept(db, given, country=country, actor=GATEWAY, now=now)


def told_of(taken: Accepted) -> tuple[int, int, int, list[datetime]]:
    """What a gateway is told, and the figures."""
    return len(taken.new), taken.unrouted, taken.opted_out, list(taken.stopped_at)


async def own_channel(db: Pool, account: AccountId, number: str) -> UUID:
    """The channel of a rented number."""
    requests = (await number_requests.list_requests(db, account, ALL)).rows
    return next(one.channel_id for one in requests if one.phone_number_id == number and one.state == "fulfilled")


async def listen(db: Pool, account: AccountId, channel: UUID, kind: str = "webhook", **given: Any) -> UUID:
    """An endpoint for a channel."""
    draft = Draft(address="desk@example.com") if kind == "email" else Draft(url=URL, **given)
    made = await configurations.add(db, account, channel, kind, draft, allowed=(), now=NOW)
    return made.endpoints[-1].id


async def active_profile(db: Pool, account: AccountId, phone: str) -> UUID:
    """A profile that is active on this number: its channel."""
    request = await whatsapp(db, account)
    made = await profile(db, account, request, phone)
    await decisions.approve(db, account, await item_of(db, account, Kind.PROFILE, made.id), now=NOW)
    return made.channel_id


class Stored(NamedTuple):
    """A delivery as it is kept."""

    reference: str
    channel: UUID
    kind: str
    state: str


DELIVERIES = "SELECT reference, channel_id, kind, state FROM delivery WHERE account_id = $1 ORDER BY id"


async def stored(db: Pool, account: AccountId, *references: str) -> list[Stored]:
    """The deliveries of an account, of all references or of these, in the order in which they are sent."""
    found = [Stored(*row.values()) for row in await db.fetch(DELIVERIES, account)]
    return [one for one in found if not references or one.reference in references]


async def unrouted(db: Pool, *references: str) -> list[Logged]:
    """Those that belong to nobody, by age."""
    rows = (await messages.list_unrouted(db, ALL)).rows
    return [one for one in reversed(rows) if one.reference in references]


EVERYTHING = ("delivery", "inbound_message", "consent_review", "consent_token", "consent_history", "consent_word", "contact_use")
EMPTY = dict.fromkeys(EVERYTHING, 0)


async def everything(db: Pool, account: AccountId) -> dict[str, int]:
    """How many rows messages have made for an account."""
    return {name: await db.fetchval(f"SELECT count(*) FROM {name} WHERE account_id = $1", account) for name in EVERYTHING}


# --- whose it is


class World(NamedTuple):
    """Numbers by what they are, and the channels of Alice (hers.*) and Bob (his.*)."""

    accounts: dict[str, AccountId]
    numbers: dict[str, str]
    channels: dict[UUID, str]


@pytest.fixture(scope="module")
async def world(quiet: Pool) -> World:
    """One of everything that a message may be for; each has a webhook and an event webhook."""
    type = await number_type(quiet)
    alice, bob = await new_account(quiet), await new_account(quiet)
    (shared,) = await stock(quiet, type, is_shared=True)
    found = {name: await rent(quiet, account, type) for name, account in (("all", alice), ("own", alice), ("his", bob))}
    found |= {"shared": shared, "profile": fresh_number(), "his profile": fresh_number()}
    hers = {
        "hers JOIN": (await claim(quiet, alice, shared, "Join")).channel_id,
        "hers GRÖSSE": (await claim(quiet, alice, shared, "größe")).channel_id,
        "hers all NEWS": (await claim(quiet, alice, found["all"], "NEWS")).channel_id,
        "hers all *": (await claim(quiet, alice, found["all"], "*")).channel_id,
        "hers all": await own_channel(quiet, alice, found["all"]),
        "hers own NEWS": (await claim(quiet, alice, found["own"], "news")).channel_id,
        "hers own": await own_channel(quiet, alice, found["own"]),
        "hers profile": await active_profile(quiet, alice, found["profile"]),
    }
    his = {
        "his WIN": (await claim(quiet, bob, shared, "WIN")).channel_id,
        "his NEWS": (await claim(quiet, bob, shared, "NEWS")).channel_id,
        "his own": await own_channel(quiet, bob, found["his"]),
        "his profile": await active_profile(quiet, bob, found["his profile"]),
    }
    for account, theirs in ((alice, hers), (bob, his)):
        for channel in theirs.values():
            await listen(quiet, account, channel)
            await listen(quiet, account, channel, "eventWebhook")
    return World({"alice": alice, "bob": bob}, found, {channel: name for name, channel in (hers | his).items()})


async def went(db: Pool, world: World, *references: str) -> list[tuple[str, str]]:
    """(channel, kind) of all deliveries that there are of these."""
    found = [one for account in world.accounts.values() for one in await stored(db, account, *references)]
    return [(world.channels[one.channel], one.kind) for one in found]


UNCLAIMED, NO_NUMBER, NO_PROFILE = "nobody has claimed the keyword", "there is no number", "no profile is active on"
TO = [
    ("shared", "JOIN", "hers JOIN"),
    ("shared", "join", "hers JOIN"),
    ("shared", "jOiN me to the list", "hers JOIN"),
    ("shared", "  Join\n", "hers JOIN"),
    ("shared", "“JOIN!” it says", "hers JOIN"),
    ("shared", "#join, please", "hers JOIN"),
    ("shared", "gro\u0308ße 42", "hers GRÖSSE"),
    ("shared", "GRÖSSE 42", "hers GRÖSSE"),
    ("shared", "win", "his WIN"),
    ("shared", "WIN JOIN", "his WIN"),
    ("shared", "news", "his NEWS"),
    ("shared", "joiner", UNCLAIMED),
    ("shared", "I want to join", UNCLAIMED),
    ("shared", "jo in", UNCLAIMED),
    ("shared", "*", UNCLAIMED),
    ("shared", "", UNCLAIMED),
    ("shared", "🛑", UNCLAIMED),
    ("shared", "JOIN STOP", "hers JOIN"),
    ("shared", "Stop join!", "hers JOIN"),
    ("shared", "stop all win", "his WIN"),
    ("shared", "unstop win", "his WIN"),
    ("shared", "stop other", UNCLAIMED),
    ("shared", "STOP", UNCLAIMED),
    ("shared", "START", UNCLAIMED),
    ("all", "news of today", "hers all NEWS"),
    ("all", "stop news", "hers all NEWS"),
    ("all", "hello", "hers all *"),
    ("all", "join", "hers all *"),
    ("all", "", "hers all *"),
    ("all", "STOP", "hers all *"),
    ("own", "NEWS", "hers own NEWS"),
    ("own", "hello news", "hers own"),
    ("own", "", "hers own"),
    ("own", "stop", "hers own"),
    ("his", "NEWS", "his own"),
    ("his", "JOIN", "his own"),
    ("profile", "JOIN", NO_NUMBER),
]


@pytest.mark.parametrize(("receiver", "text", "expected"), TO)
async def test_whose_a_message_is(db: Pool, world: World, receiver: str, text: str, expected: str) -> None:
    one = sms(world.numbers[receiver], text)
    taken = await hand(db, one)
    nobodys = expected in (UNCLAIMED, NO_NUMBER)
    assert (len(taken.new), taken.unrouted) == (1, nobodys)
    assert await went(db, world, one.what.reference) == ([] if nobodys else [(expected, "webhook")])
    reasons = [(kept.reason or "")[: len(expected)] for kept in await unrouted(db, one.what.reference)]
    assert reasons == ([expected] if nobodys else [])


@pytest.mark.parametrize("write", ["{}", "+{}", "00{}", "+ {}", " 00{} ", "+{:.4}-{:.0}"])
@pytest.mark.parametrize(("receiver", "expected"), [("shared", "hers JOIN"), ("own", "hers own"), ("profile", "hers profile")])
async def test_numbers_are_written_in_many_ways(db: Pool, world: World, receiver: str, expected: str, write: str) -> None:
    bare = world.numbers[receiver].removeprefix("+")
    written = f"+{bare[:4]}-{bare[4:7]}.{bare[7:]}" if "." in write else write.format(bare)
    one = sms(written, "JOIN", channel="WhatsApp" if receiver == "profile" else "SMS")
    assert (await hand(db, one)).unrouted == 0
    assert await went(db, world, one.what.reference) == [(expected, "webhook")]


@pytest.mark.parametrize("channel", ["WhatsApp", "whatsapp", "WHATSAPP"])
async def test_whatsapp_goes_by_the_profiles_number(db: Pool, world: World, channel: str) -> None:
    for receiver, expected in {"profile": "hers profile", "his profile": "his profile"}.items():
        for text in ("JOIN", "news", "STOP", "", "join stop"):
            one = sms(world.numbers[receiver], text, channel=channel)
            await hand(db, one)
            assert await went(db, world, one.what.reference) == [(expected, "webhook")]
    for receiver in ("shared", "own", "all", "his"):
        one = sms(world.numbers[receiver], "JOIN", channel=channel)
        assert (await hand(db, one)).unrouted == 1
        assert await went(db, world, one.what.reference) == []
        assert [kept.reason for kept in await unrouted(db, one.what.reference)] == [f"{NO_PROFILE} {world.numbers[receiver]}"]


@pytest.mark.parametrize(
    ("receiver", "channel", "expected"),
    [
        ("own", "SMS", "hers own"),
        ("all", "SMS", "hers all"),
        ("his", "RCS", "his own"),
        ("profile", "WhatsApp", "hers profile"),
        ("his profile", "WhatsApp", "his profile"),
        ("shared", "SMS", "the number is shared"),
        ("profile", "SMS", NO_NUMBER),
        ("own", "WhatsApp", NO_PROFILE),
    ],
)
async def test_events_go_to_the_numbers_own_channel(db: Pool, world: World, receiver: str, channel: str, expected: str) -> None:
    one = event(world.numbers[receiver], channel=channel)
    taken = await hand(db, one)
    is_routed = expected in world.channels.values()
    assert taken.unrouted == (not is_routed)
    assert await went(db, world, one.what.reference) == ([(expected, "eventWebhook")] if is_routed else [])
    assert [(kept.reason or "")[: len(expected)] for kept in await unrouted(db, one.what.reference)] == ([] if is_routed else [expected])


@pytest.mark.parametrize("channel", ["Viber", "RCS", "sms", "Telegram"])
async def test_other_channels_go_by_the_number_like_sms(db: Pool, world: World, channel: str) -> None:
    one, other = sms(world.numbers["own"], "hi", channel=channel), sms(world.numbers["shared"], "join", channel=channel)
    await hand(db, one, other)
    assert await went(db, world, one.what.reference, other.what.reference) == [("hers own", "webhook"), ("hers JOIN", "webhook")]


# --- short codes


async def short_code(db: Pool, *countries: str) -> tuple[str, dict[str, str]]:
    """A shared short code in countries: its digits, and its ids by country."""
    code = f"{random.randrange(10_000, 10**8)}"
    drafts = [Stocked(code, (await number_type(db, country=country)).id, True, True) for country in countries]
    made = await numbers.stock(db, drafts, NOW)
    return code, dict(zip(countries, [one.id for one in made], strict=True))


@pytest.mark.parametrize(("of_message", "of_token"), [(None, None), ("NL", None), ("nl", None), (None, "NL"), ("NL", "BE")])
async def test_a_short_code_in_one_country(
    db: Pool, account: AccountId, bob: AccountId, of_message: str | None, of_token: str | None
) -> None:
    code, codes = await short_code(db, "NL")
    made = await claim(db, account, codes["NL"])
    await listen(db, account, made.channel_id)
    await hand(db, sms(code, "join", country=of_message), country=of_token)
    assert [one.channel for one in await stored(db, account)] == [made.channel_id]


@pytest.mark.parametrize(("of_message", "of_token"), [("BE", None), (None, "BE"), ("BE", "NL"), ("XX", None)])
async def test_a_short_code_that_the_country_does_not_have(
    db: Pool, account: AccountId, bob: AccountId, of_message: str | None, of_token: str | None
) -> None:
    code, codes = await short_code(db, "NL")
    await listen(db, account, (await claim(db, account, codes["NL"])).channel_id)
    one = sms(code, "join", country=of_message)
    assert (await hand(db, one, country=of_token)).unrouted == 1
    assert await stored(db, account) == []
    assert [kept.reason for kept in await unrouted(db, one.what.reference)] == [f"there is no number {code}"]


@pytest.mark.parametrize(
    ("of_message", "of_token", "whose"),
    [
        *(("NL", None, "alice"), ("BE", None, "bob"), ("be", None, "bob"), (None, "NL", "alice"), (None, "BE", "bob")),
        *(("NL", "BE", "alice"), ("BE", "NL", "bob"), ("NL", "DE", "alice"), (None, None, "several"), (None, "DE", "no")),
    ],
)
async def test_a_short_code_in_two_countries(
    db: Pool, account: AccountId, other_account: AccountId, of_message: str | None, of_token: str | None, whose: str
) -> None:
    code, codes = await short_code(db, "NL", "BE")
    for who, country in ((account, "NL"), (other_account, "BE")):
        await listen(db, who, (await claim(db, who, codes[country])).channel_id)
    one = sms(code, "join", country=of_message)
    await hand(db, one, country=of_token)
    got = {"alice": await stored(db, account), "bob": await stored(db, other_account)}
    assert {who: len(rows) for who, rows in got.items()} == {who: int(who == whose) for who in got}
    reasons = {
        "several": [f"the short code {code} exists in several countries, and the message names none"],
        "no": [f"there is no number {code}"],
    }
    assert [kept.reason for kept in await unrouted(db, one.what.reference)] == reasons.get(whose, [])


async def test_a_short_code_that_is_withdrawn_in_one_of_two_countries(db: Pool, account: AccountId, bob: AccountId) -> None:
    code, codes = await short_code(db, "NL", "BE")
    await listen(db, account, (await claim(db, account, codes["NL"])).channel_id)
    await numbers.withdraw(db, codes["BE"], NOW)
    await hand(db, sms(code, "join"))
    assert len(await stored(db, account)) == 1


async def test_the_country_of_a_long_number_does_not_matter(db: Pool, world: World) -> None:
    one = sms(world.numbers["own"], country="BE")
    await hand(db, one, country="DE")
    assert await went(db, world, one.what.reference) == [("hers own", "webhook")]


async def test_the_same_reference_on_a_short_code_of_another_country_is_another_message(
    db: Pool, account: AccountId, other_account: AccountId
) -> None:
    code, codes = await short_code(db, "NL", "BE")
    for who, country in ((account, "NL"), (other_account, "BE")):
        await listen(db, who, (await claim(db, who, codes[country])).channel_id)
    reference = fresh_reference()
    assert len((await hand(db, sms(code, "join", reference=reference), country="NL")).new) == 1
    assert len((await hand(db, sms(code, "join", reference=reference), country="BE")).new) == 1
    assert len((await hand(db, sms(code, "join", reference=reference, country="nl"), country="BE")).new) == 0
    assert [len(await stored(db, who)) for who in (account, other_account)] == [1, 1]


# --- numbers that come and go


async def nobody_gets(db: Pool, number: str, *accounts: AccountId, text: str = "NEWS") -> None:
    """A message to this number is unrouted."""
    before = [await everything(db, one) for one in accounts]
    one = sms(number, text)
    assert (await hand(db, one)).unrouted == 1
    assert [await everything(db, one) for one in accounts] == before
    assert [kept.reason for kept in await unrouted(db, one.what.reference)] == [f"there is no number {number}"]


async def test_numbers_that_nobody_has_any_more(db: Pool, account: AccountId, bob: AccountId, type: NumberType) -> None:
    rented = [await rent(db, account, type) for _ in range(2)]
    for number in rented:
        for channel in (await own_channel(db, account, number), (await claim(db, account, number, "NEWS")).channel_id):
            await listen(db, account, channel)
    await claim(db, account, rented[0], "*")
    (shared,) = await stock(db, type, is_shared=True)
    await listen(db, account, (await claim(db, account, shared, "NEWS")).channel_id)
    await numbers.give_back(db, account, rented[0], NOW)
    await numbers.withdraw(db, rented[1], NOW)
    await numbers.withdraw(db, shared, NOW)
    (free,) = await stock(db, type)
    for number in (*rented, shared, free, "3197099999998"):
        await nobody_gets(db, number, account)
        await nobody_gets(db, number, account, text="hello")
        await nobody_gets(db, number, account, text="STOP")


async def test_a_former_owners_claims_get_nothing(db: Pool, account: AccountId, other_account: AccountId, type: NumberType) -> None:
    number = await rent(db, account, type)
    for word in ("NEWS", "*"):
        await listen(db, account, (await claim(db, account, number, word)).channel_id)
    await numbers.withdraw(db, number, NOW)
    await restock(db, type, number)
    assert (await ask(db, other_account, type)).phone_number_id == number
    channel = await own_channel(db, other_account, number)
    await listen(db, other_account, channel)
    await hand(db, sms(number, "NEWS"), sms(number, "hello"), sms(number, "STOP NEWS"))
    assert await everything(db, account) == EMPTY
    assert [one.channel for one in await stored(db, other_account)] == [channel] * 3


async def test_a_former_owners_star_gets_nothing_of_a_number_that_is_shared_now(
    db: Pool, account: AccountId, bob: AccountId, type: NumberType
) -> None:
    number = await rent(db, account, type)
    await listen(db, account, (await claim(db, account, number, "*")).channel_id)
    await numbers.withdraw(db, number, NOW)
    assert await restock(db, type, number, is_shared=True) == "shared"
    one = sms(number, "win a car")
    assert (await hand(db, one)).unrouted == 1
    assert await everything(db, account) == EMPTY
    assert [kept.reason for kept in await unrouted(db, one.what.reference)] == [UNCLAIMED]


async def test_who_has_a_number_again_has_its_claims_again(db: Pool, account: AccountId, bob: AccountId, type: NumberType) -> None:
    number = await rent(db, account, type)
    made = await claim(db, account, number, "NEWS")
    await listen(db, account, made.channel_id)
    await numbers.withdraw(db, number, NOW)
    await restock(db, type, number)
    await ask(db, account, type)
    await listen(db, account, await own_channel(db, account, number))
    await hand(db, sms(number, "NEWS"), sms(number, "hello"))
    assert [one.channel for one in await stored(db, account)] == [made.channel_id, await own_channel(db, account, number)]


async def test_a_claim_that_was_cancelled_gets_nothing(db: Pool, account: AccountId, bob: AccountId, type: NumberType) -> None:
    (shared,) = await stock(db, type, is_shared=True)
    made = await claim(db, account, shared)
    await listen(db, account, made.channel_id)
    await cancel(db, account, made.id, NOW)
    given = [sms(shared, "join"), sms(shared, "join stop"), sms(shared, "stop")]
    assert (await hand(db, *given)).unrouted == 3
    assert await everything(db, account) == EMPTY
    assert [kept.reason for kept in await unrouted(db, *(one.what.reference for one in given))] == [UNCLAIMED] * 3


async def test_what_a_cancelled_claim_had_is_the_numbers_own_again(db: Pool, account: AccountId, bob: AccountId, number: str) -> None:
    made = await claim(db, account, number, "NEWS")
    await listen(db, account, made.channel_id)
    await hand(db, sms(number, "news"))
    await cancel(db, account, made.id, NOW)
    await hand(db, sms(number, "news"))
    assert [one.channel for one in await stored(db, account)] == [made.channel_id, await own_channel(db, account, number)]


async def test_a_profile_that_has_another_number_now(db: Pool, account: AccountId, bob: AccountId) -> None:
    phone = fresh_number()
    request = await whatsapp(db, account)
    made = await profile(db, account, request, phone)
    waiting = sms(phone, channel="WhatsApp")
    assert (await hand(db, waiting)).unrouted == 1, "not active yet"
    await decisions.approve(db, account, await item_of(db, account, Kind.PROFILE, made.id), now=NOW)
    await listen(db, account, made.channel_id)
    await hand(db, sms(phone, channel="WhatsApp"))
    assert len(await stored(db, account)) == 1
    await profiles.renumber(db, account, request, made.id, fresh_number(), NOW)
    assert (await hand(db, sms(phone, channel="WhatsApp"))).unrouted == 1
    assert len(await stored(db, account)) == 1


async def test_what_belongs_to_nobody_is_the_operators_to_see(db: Pool, world: World) -> None:
    one = sms(world.numbers["shared"], "hello", sender=BEN)
    await hand(db, one, now=LATER)
    (kept,) = await unrouted(db, one.what.reference)
    assert (kept.channel, kept.given, kept.received_at, kept.channel_id) == ("SMS", one.given, LATER, None)
    for channel, since, is_there in (
        ("sms", None, True),
        ("Viber", None, False),
        (None, LATER, True),
        (None, LATER + timedelta(seconds=1), False),
    ):
        rows = (await messages.list_unrouted(db, ALL, channel=channel, since=since)).rows
        assert (kept.id in {row.id for row in rows}) is is_there
    for account in world.accounts.values():
        assert one.what.reference not in {row.reference for row in (await messages.list_messages(db, account, None, ALL)).rows}


# --- once


@pytest.fixture
async def number(db: Pool, account: AccountId, type: NumberType) -> str:
    """Alice's, with a webhook."""
    rented = await rent(db, account, type)
    await listen(db, account, await own_channel(db, account, rented))
    return rented


async def test_the_same_again_is_stored_once(db: Pool, account: AccountId, bob: AccountId, number: str) -> None:
    one = sms(number, "STOP")
    assert told_of(await hand(db, one)) == (1, 0, 1, [NOW])
    before = await everything(db, account)
    for again in (
        one,
        sms(f"+{number}", "other text", BEN, one.what.reference),
        sms(f"00{number}", reference=one.what.reference, channel="sms"),
    ):
        assert told_of(await hand(db, again, now=LATER)) == (0, 0, 0, [])
        assert told_of(await hand(db, again, again, country="BE")) == (0, 0, 0, [])
    assert await everything(db, account) == before
    assert len(await stored(db, account)) == 1


async def test_the_same_in_one_call(db: Pool, account: AccountId, bob: AccountId, number: str) -> None:
    one, other = sms(number), sms(number)
    assert len((await hand(db, one, other, one, other, one)).new) == 2
    assert [row.reference for row in await stored(db, account)] == [one.what.reference, other.what.reference]


async def test_what_is_not_the_same(db: Pool, account: AccountId, bob: AccountId, number: str, type: NumberType) -> None:
    reference = fresh_reference()
    second = await rent(db, account, type)
    await listen(db, account, await own_channel(db, account, second))
    await listen(db, account, await own_channel(db, account, number), "eventWebhook")
    differing = [
        sms(number, reference=reference),
        sms(second, reference=reference),
        sms(number, reference=reference, channel="RCS"),
        sms(number, reference=reference.upper()),
        event(number, reference, channel="SMS"),
    ]
    for one in differing:
        assert len((await hand(db, one)).new) == 1
    assert len((await hand(db, *differing)).new) == 0
    assert len(await stored(db, account)) == len(differing)


async def test_what_has_no_reference_is_new_each_time(db: Pool, account: AccountId, bob: AccountId, number: str) -> None:
    one = sms(number, reference="")
    assert len((await hand(db, one, one)).new) == 2
    assert len((await hand(db, one)).new) == 1
    assert len(await stored(db, account)) == 3


async def test_unrouted_ones_are_kept_once_too(db: Pool, type: NumberType) -> None:
    (shared,) = await stock(db, type, is_shared=True)
    one = sms(shared)
    assert told_of(await hand(db, one, one)) == (1, 1, 0, [])
    assert told_of(await hand(db, one)) == (0, 0, 0, [])
    assert len(await unrouted(db, one.what.reference)) == 1


async def test_they_are_sent_in_the_order_in_which_they_came(db: Pool, account: AccountId, bob: AccountId, number: str) -> None:
    given = [sms(number, str(place), reference="" if place % 3 == 1 else None) for place in range(12)]
    await hand(db, *given[:9])
    await hand(db, *given[9:])
    texts = [row["payload"] for row in await db.fetch("SELECT payload FROM delivery WHERE account_id = $1 ORDER BY next_at, id", account)]
    assert [int(re.findall(rb'"text":"(\d+)"', text)[0]) for text in texts] == list(range(12))


@pytest.mark.parametrize("is_shuffled", [False, True], ids=["one", "many, in other orders"])
async def test_the_same_by_many_at_once(db: Pool, account: AccountId, bob: AccountId, number: str, is_shuffled: bool) -> None:
    given = [sms(number, "STOP", sender=f"+3162710{place:04}") for place in range(20 if is_shuffled else 1)]
    calls = [random.sample(given, len(given)) for _ in range(12)]
    answers, refusals = await at_once(*(hand(db, *call) for call in calls))
    assert refusals == []
    assert sum(len(answer.new) for answer in answers) == len(given)
    assert sorted(row.reference for row in await stored(db, account)) == sorted(one.what.reference for one in given)
    tokens, history = await ledger(db, account)
    assert len(tokens) == len(given)
    assert {len(entries) for entries in history.values()} == {1}
    assert await wrong_counters(db, account) == []


WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


async def test_references_in_other_orders_do_not_wait_for_each_other_in_a_circle(
    db: Pool, account: AccountId, bob: AccountId, number: str
) -> None:
    first, middle, last = (sms(number) for _ in range(3))
    instant = datetime(2001, 2, 3, tzinfo=NOW.tzinfo)
    await hand(db, middle, now=instant)
    key = await db.fetchval("DELETE FROM inbound_reference WHERE received_at = $1 RETURNING key", instant)
    async with db.transaction() as tx:  # somebody is at the middle one: both calls get as far as that, each by its own way
        await tx.execute("INSERT INTO inbound_reference (key, received_at) VALUES ($1, $2)", key, instant)
        calls = asyncio.gather(hand(db, first, middle, last), hand(db, last, middle, first))
        while await db.fetchval(WAITING) < 2:
            await asyncio.sleep(0.02)
    answers = await calls
    assert sorted(len(answer.new) for answer in answers) == [0, 2]
    assert len(await stored(db, account)) == 3


async def test_calls_that_overlap_in_part(db: Pool, account: AccountId, bob: AccountId, number: str) -> None:
    given = [sms(number) for _ in range(60)]
    calls = [random.sample(given, 25) for _ in range(20)]
    answers, refusals = await at_once(*(hand(db, *call) for call in calls))
    assert refusals == []
    came = {one.what.reference for call in calls for one in call}
    assert sum(len(answer.new) for answer in answers) == len(came)
    assert sorted(row.reference for row in await stored(db, account)) == sorted(came)


async def test_a_call_waits_for_the_same_message_and_takes_it_if_the_first_one_failed(
    db: Pool, account: AccountId, bob: AccountId, number: str
) -> None:
    one = sms(number)
    broken = Raw(one.what, {"nobody can keep": "\0"})
    await configurations.keep_log(db, account, await own_channel(db, account, number), enabled=True, now=NOW)
    outcomes = await asyncio.gather(*(hand(db, broken if place % 2 else one) for place in range(10)), return_exceptions=True)
    assert sum(len(outcome.new) for outcome in outcomes if isinstance(outcome, Accepted)) == 1
    assert len(await stored(db, account)) == 1


async def test_references_are_forgotten_in_the_end(db: Pool, account: AccountId, bob: AccountId, number: str) -> None:
    old, new = sms(number), sms(number)
    long_ago = datetime(2001, 1, 1, tzinfo=NOW.tzinfo)
    await hand(db, old, now=long_ago)
    await hand(db, new, now=LATER)
    await inbound.purge(db, long_ago + timedelta(days=1))
    assert len((await hand(db, new)).new) == 0
    assert len((await hand(db, old)).new) == 1


# --- all or nothing


@pytest.mark.parametrize("place", [0, 2, 4])
async def test_all_of_a_call_or_nothing(db: Pool, account: AccountId, bob: AccountId, number: str, type: NumberType, place: int) -> None:
    channel = await own_channel(db, account, number)
    await configurations.keep_log(db, account, channel, enabled=True, now=NOW)
    await brought(db, account, await new_list(db, account, deletes_unused=True), member(phone=ANN))
    (shared,) = await stock(db, type, is_shared=True)
    given = [sms(number), sms(number, "STOP"), sms(shared), sms(number, "stop please"), sms(number, "more")]
    bad = [*given[:place], Raw(given[place].what, {"text": "\0"}), *given[place + 1 :]]
    before = await everything(db, account)
    with pytest.raises(asyncpg.PostgresError):
        await hand(db, *bad)
    assert await everything(db, account) == before == EMPTY
    assert await unrouted(db, *(one.what.reference for one in given)) == []
    taken = await hand(db, *given)
    assert (len(taken.new), taken.unrouted, taken.opted_out) == (5, 1, 1), "none of the references was taken"
    assert await everything(db, account) == EMPTY | {
        "delivery": 4,
        "inbound_message": 4,
        "consent_review": 1,
        "consent_token": 1,
        "consent_history": 1,
        "contact_use": 1,
    }


async def test_nothing_given(db: Pool) -> None:
    assert told_of(await hand(db)) == (0, 0, 0, [])


# --- what is stored


async def test_a_delivery_for_each_endpoint_of_each_enabled_configuration(
    db: Pool, account: AccountId, bob: AccountId, type: NumberType
) -> None:
    channel = await own_channel(db, account, number := await rent(db, account, type))
    made = {
        await listen(db, account, channel, kind, **given): (kind, given)
        for kind, given in [
            ("customerContact", {"form": "Xml"}),
            ("email", {}),
            ("email", {}),
            ("webhook", {"method": "POST", "form": "Json"}),
            ("webhook", {"method": "PUT", "form": "Xml"}),
            ("webhook", {"method": "GET", "form": "Json"}),
            ("webhook", {"method": "POST", "form": "Custom"}),
            ("eventWebhook", {}),
        ]
    }
    one, happened = sms(number), event(number, channel="SMS")
    await hand(db, one, happened, now=LATER)
    rows = await db.fetch("SELECT * FROM delivery WHERE account_id = $1 ORDER BY id", account)
    assert [row["endpoint_id"] for row in rows] == [*list(made)[:-1], list(made)[-1]]
    for row in rows:
        kind, given = made[row["endpoint_id"]]
        assert (row["kind"], row["channel_id"], row["state"], row["attempts"]) == (kind, channel, "pending", 0)
        assert row["created_at"] == row["started_at"] == row["next_at"] == LATER
        assert row["delivered_at"] is None
        if kind == "eventWebhook":
            assert isinstance(happened.what, Event)
            assert (row["reference"], row["form"], row["method"]) == (happened.what.reference, "json", "POST")
            assert row["payload"] == inbound_formats.json_event(happened.what)
        else:
            assert isinstance(one.what, Message)
            method = None if kind == "email" else given.get("method", "POST")
            expected = inbound_formats.payload(kind, method, given.get("form"), one.what)
            assert (row["reference"], row["method"]) == (one.what.reference, method)
            assert (row["form"], row["payload"]) == expected


async def test_none_for_a_configuration_that_is_disabled(db: Pool, account: AccountId, bob: AccountId, number: str) -> None:
    channel = await own_channel(db, account, number)
    await listen(db, account, channel, "email")
    await listen(db, account, channel, "eventWebhook")
    by_kind = await configurations.of_group(db, account, (await channels.get(db, account, channel)).group_id)
    for kind in ("webhook", "eventWebhook"):
        await configurations.switch(db, account, channel, by_kind[kind].id, enabled=False, now=NOW)
    await hand(db, sms(number), event(number, channel="SMS"))
    assert [one.kind for one in await stored(db, account)] == ["email"]
    await configurations.switch(db, account, channel, by_kind["webhook"].id, enabled=True, now=NOW)
    await hand(db, sms(number))
    assert sorted(one.kind for one in await stored(db, account)) == ["email", "email", "webhook"]


async def test_what_is_for_an_endpoint_that_is_disabled_has_failed(db: Pool, account: AccountId, bob: AccountId, number: str) -> None:
    channel = await own_channel(db, account, number)
    dead = await listen(db, account, channel)
    await db.execute("UPDATE channel_endpoint SET disabled_at = $3 WHERE account_id = $1 AND id = $2", account, dead, NOW)
    await hand(db, sms(number))
    rows = await db.fetch("SELECT endpoint_id, state, next_at FROM delivery WHERE account_id = $1", account)
    assert {row["endpoint_id"] == dead: (row["state"], row["next_at"]) for row in rows} == {True: ("failed", None), False: ("pending", NOW)}


async def test_a_message_that_nobody_listens_to_is_taken(db: Pool, account: AccountId, bob: AccountId, type: NumberType) -> None:
    number = await rent(db, account, type)
    one = sms(number, "STOP")
    assert told_of(await hand(db, one)) == (1, 0, 1, [NOW])
    assert await everything(db, account) == EMPTY | {"consent_token": 1, "consent_history": 1}
    assert await unrouted(db, one.what.reference) == []


async def test_the_log_has_messages_of_the_time_when_it_was_enabled(db: Pool, account: AccountId, bob: AccountId, number: str) -> None:
    channel = await own_channel(db, account, number)
    during = [sms(number, "two", sender=BEN), sms(number, "three")]
    await hand(db, sms(number, "one"))
    await configurations.keep_log(db, account, channel, enabled=True, now=NOW)
    await hand(db, *during, event(number, channel="SMS"), now=LATER)
    await configurations.keep_log(db, account, channel, enabled=False, now=NOW)
    await hand(db, sms(number, "four"))
    found = await messages.list_messages(db, account, channel, ALL)
    assert [(row.reference, row.given, row.channel, row.channel_id, row.received_at) for row in reversed(found.rows)] == [
        (one.what.reference, one.given, "SMS", channel, LATER) for one in during
    ]
    assert found.total == 2
    assert (await messages.list_messages(db, account, ids.new_id(), ALL)).total == 0
    assert (await messages.list_messages(db, bob, channel, ALL)).total == 0


async def test_the_log_of_one_channel_is_not_that_of_another(db: Pool, account: AccountId, bob: AccountId, number: str) -> None:
    made = await claim(db, account, number, "NEWS")
    await configurations.keep_log(db, account, made.channel_id, enabled=True, now=NOW)
    await hand(db, sms(number, "hello"), sms(number, "news today"))
    assert [row.given["message"]["text"] for row in (await messages.list_messages(db, account, None, ALL)).rows] == ["news today"]


# --- consent


async def state(db: Pool, account: AccountId, sender: str = ANN, type: TokenType = TokenType.SMS) -> tuple[bool, str] | None:
    """(opted out?, reason), or None: never asked."""
    try:
        found = await consent.get(db, account, type, sender)
    except NotFoundError:
        return None
    return found.is_active, found.reason


async def told(db: Pool, account: AccountId, sender: str = ANN, type: TokenType = TokenType.SMS) -> list[tuple[Any, ...]]:
    """The history, oldest first."""
    rows = (await consent.history(db, account, type, sender, ALL)).rows
    return [(row.is_active, row.reason, row.message, row.source, row.actor, row.changed_at) for row in reversed(rows)]


OUT = (True, "contact")
IN = (False, "contact")


async def by_user(db: Pool, account: AccountId, *, is_active: bool = True, reason: Reason = Reason.USER, sender: str = ANN) -> None:
    """The account's own call."""
    change = Change(TokenType.SMS, sender, is_active, reason)
    await consent.record(db, account, [change], source=Source.API, actor=USER, now=NOW)


@pytest.mark.parametrize("text", ["STOP", "stop!", " Afmelden. ", "arrêt", "OPT OUT", "Cancelar"])
async def test_stop(db: Pool, account: AccountId, bob: AccountId, number: str, text: str) -> None:
    taken = await hand(db, sms(number, text, sender="0031 6 27100000"), now=LATER)
    assert told_of(taken) == (1, 0, 1, [NOW])
    assert await told(db, account) == [(True, "contact", text, "keyword", GATEWAY, LATER)]
    assert await state(db, account) == OUT
    assert len(await stored(db, account)) == 1, "delivered like any other"
    assert (await reviews.list_reviews(db, account, ALL)).total == 0
    await hand(db, sms(number, text), now=LATER)
    assert len(await told(db, account)) == 1, "said already"


async def test_whatsapp_has_a_token_of_its_own(db: Pool, account: AccountId, bob: AccountId) -> None:
    await active_profile(db, account, phone := fresh_number())
    await hand(db, sms(phone, "stop", channel="WHATSAPP"))
    tokens, _ = await ledger(db, account)
    assert list(tokens) == [("whatsapp", ANN)]
    await hand(db, sms(phone, "start", channel="WhatsApp"))
    assert await state(db, account, type=TokenType.WHATSAPP) == IN


@pytest.mark.parametrize("channel", ["Viber", "RCS", "Telegram", "Voice"])
async def test_on_other_channels_words_mean_nothing(db: Pool, account: AccountId, bob: AccountId, number: str, channel: str) -> None:
    assert (await hand(db, *(sms(number, text, channel=channel) for text in ("STOP", "stop please", "START")))).opted_out == 0
    assert await everything(db, account) == EMPTY | {"delivery": 3}


@pytest.mark.parametrize("sender", ["", "Acme", "4040", "0612345678", "not a number +31627100000"])
async def test_a_sender_that_is_no_phone_number_cannot_stop(db: Pool, account: AccountId, bob: AccountId, number: str, sender: str) -> None:
    await hand(db, sms(number, "STOP", sender), sms(number, "stop please", sender))
    assert await everything(db, account) == EMPTY | {"delivery": 2}


async def test_an_event_says_nothing_of_consent(db: Pool, account: AccountId, bob: AccountId, number: str) -> None:
    what = Event(fresh_reference(), "SMS", ANN, number, NOW, "STOP")
    assert (await hand(db, Raw(what, "STOP"))).opted_out == 0
    assert await everything(db, account) == EMPTY


async def test_the_opt_out_is_there_before_the_delivery_can_be_seen(db: Pool, account: AccountId, bob: AccountId, number: str) -> None:
    both = """
    SELECT array(SELECT substr(reference, 3) FROM delivery WHERE account_id = $1) AS delivered,
        array(SELECT key FROM consent_token WHERE account_id = $1 AND is_active) AS closed
    """
    senders = [f"+316271{place:05}" for place in range(80)]
    is_over = asyncio.Event()
    looks = itertools.count()

    async def look() -> None:
        while not is_over.is_set():
            next(looks)
            row = await db.fetchrow(both, account)
            assert row is not None
            assert sorted(row["delivered"]) == sorted(row["closed"]), "one transaction"

    looking = [asyncio.ensure_future(look()) for _ in range(3)]
    for first in range(0, len(senders), 4):
        await asyncio.gather(*(hand(db, sms(number, "STOP", one, reference=f"s-{one}")) for one in senders[first : first + 4]))
    is_over.set()
    await asyncio.gather(*looking)
    assert next(looks) > len(senders) / 4
    assert len(await stored(db, account)) == len(senders)


@pytest.mark.parametrize("text", ["START", "unstop", "Yes!"])
async def test_start_opens_what_the_person_closed(db: Pool, account: AccountId, bob: AccountId, number: str, text: str) -> None:
    await hand(db, sms(number, text))
    assert await state(db, account) is None, "never asked: nothing to open"
    await hand(db, sms(number, "STOP"))
    assert (await hand(db, sms(number, text), now=LATER)).opted_out == 0
    assert await state(db, account) == IN
    assert (await told(db, account))[-1] == (False, "contact", text, "keyword", GATEWAY, LATER)
    await hand(db, sms(number, text))
    assert len(await told(db, account)) == 2


async def test_start_opens_what_the_person_closed_in_another_way(db: Pool, account: AccountId, bob: AccountId, number: str) -> None:
    await by_user(db, account, reason=Reason.CONTACT)
    await hand(db, sms(number, "START"))
    assert await state(db, account) == IN


async def test_start_does_not_open_what_the_account_closed(db: Pool, account: AccountId, bob: AccountId, number: str) -> None:
    await by_user(db, account)
    before = await told(db, account)
    await hand(db, sms(number, "START"))
    assert await state(db, account) == (True, "user")
    assert await told(db, account) == before


async def test_start_does_not_open_what_the_account_had_closed_before_the_person_did(
    db: Pool, account: AccountId, bob: AccountId, number: str
) -> None:
    for _ in range(2):
        await by_user(db, account)
        await hand(db, sms(number, "STOP"), sms(number, "START"))
        assert await state(db, account) == (True, "contact")
        await hand(db, sms(number, "START"))
        assert await state(db, account) == (True, "contact")
        await by_user(db, account, is_active=False)
        await hand(db, sms(number, "STOP"), sms(number, "START"))
        assert await state(db, account) == IN, "what was closed before the account opened it is over"
    assert await wrong_counters(db, account) == []


async def test_start_of_somebody_else_opens_nothing(db: Pool, account: AccountId, bob: AccountId, number: str) -> None:
    await hand(db, sms(number, "STOP"), sms(number, "START", BEN))
    assert await state(db, account) == OUT
    assert await state(db, account, BEN) is None


@pytest.mark.parametrize("reference", [None, ""], ids=["with references", "without"])
async def test_of_several_in_one_call_the_last_one_holds(
    db: Pool, account: AccountId, bob: AccountId, number: str, reference: str | None
) -> None:
    await hand(db, sms(number, "STOP", reference=reference), sms(number, "START"))
    assert await state(db, account) == IN
    await hand(db, sms(number, "STOP", BEN), sms(number, "START", BEN, reference=reference), sms(number, "STOP", BEN))
    assert await state(db, account, BEN) == OUT
    assert [entry[0] for entry in await told(db, account, BEN)] == [True, False, True]


# --- consent on shared numbers


@pytest.fixture
async def shared(db: Pool, type: NumberType) -> str:
    """A number that many share."""
    (made,) = await stock(db, type, is_shared=True)
    return made


@pytest.mark.parametrize("text", ["JOIN STOP", "STOP JOIN", "stop, join!", "Join: stop all"])
async def test_a_keyword_beside_stop_is_for_the_account_of_the_keyword(
    db: Pool, account: AccountId, other_account: AccountId, shared: str, text: str
) -> None:
    channel = (await claim(db, account, shared)).channel_id
    await listen(db, account, channel)
    await claim(db, other_account, shared, "WIN")
    for who in (account, other_account):
        await brought(db, who, await new_list(db, who), member(phone=ANN))
    assert (await hand(db, sms(shared, text))).opted_out == 1
    assert [entry[:4] for entry in await told(db, account)] == [(True, "contact", text, "keyword")]
    assert [one.channel for one in await stored(db, account)] == [channel]
    assert await everything(db, other_account) == EMPTY
    await hand(db, sms(shared, "JOIN START"))
    assert await state(db, account) == IN
    assert await everything(db, other_account) == EMPTY


async def test_a_bare_stop_concerns_the_accounts_that_know_the_sender(
    db: Pool, account: AccountId, other_account: AccountId, shared: str, type: NumberType
) -> None:
    (elsewhere,) = await stock(db, type, is_shared=True)
    third, outside = await new_account(db), await new_account(db)
    for who, number, word in (
        (account, shared, "JOIN"),
        (account, shared, "NEWS"),
        (other_account, shared, "WIN"),
        (third, shared, "CAR"),
        (outside, elsewhere, "JOIN"),
    ):
        await listen(db, who, (await claim(db, who, number, word)).channel_id)
    for who in (account, third, outside):
        await brought(db, who, await new_list(db, who), member(phone=ANN))
    one = sms(shared, "Stop!")
    assert told_of(await hand(db, one)) == (1, 1, 2, [NOW])
    for who in (account, third):
        ((is_active, reason, message, source, actor, _),) = await told(db, who)
        assert (is_active, reason, source, actor) == (True, "contact", "keyword", GATEWAY)
        assert message.startswith("Stop! (")
        assert shared in message
        assert "which knows the sender" in message
    for who in (other_account, outside):
        assert await everything(db, who) == EMPTY
    assert [kept.reason for kept in await unrouted(db, one.what.reference)] == [UNCLAIMED]
    assert [await stored(db, who) for who in (account, third)] == [[], []]
    await hand(db, sms(shared, "START"))
    assert [await state(db, who) for who in (account, third, other_account, outside)] == [IN, IN, None, None]
    assert "which knows the sender" in (await told(db, account))[-1][2]


async def test_a_bare_stop_of_somebody_unknown_concerns_every_account_with_a_claim(
    db: Pool, account: AccountId, other_account: AccountId, shared: str
) -> None:
    third = await new_account(db)
    for who, word in ((account, "JOIN"), (other_account, "WIN"), (third, "CAR")):
        made = await claim(db, who, shared, word)
    await cancel(db, third, made.id, NOW)
    await brought(db, account, await new_list(db, account), member(phone=BEN))
    await brought(db, third, await new_list(db, third), member(phone=ANN))
    assert (await hand(db, sms(shared, "STOP"))).opted_out == 2
    for who in (account, other_account):
        ((is_active, reason, message, *_),) = await told(db, who)
        assert (is_active, reason) == OUT
        assert "none knows the sender" in message
    assert await everything(db, third) == EMPTY, "its claim is over"
    await by_user(db, other_account)
    await hand(db, sms(shared, "START"))
    assert [await state(db, who) for who in (account, other_account)] == [IN, (True, "user")]


async def test_a_bare_stop_where_nobody_has_a_claim(db: Pool, account: AccountId, bob: AccountId, shared: str) -> None:
    await brought(db, account, await new_list(db, account), member(phone=ANN))
    assert told_of(await hand(db, sms(shared, "STOP"))) == (1, 1, 0, [NOW])
    assert await everything(db, account) == EMPTY


@pytest.mark.parametrize("text", ["STOP OTHER", "other stop", "stop please", "no mas"])
async def test_a_near_hit_without_a_keyword_waits_at_the_accounts_that_know_the_sender(
    db: Pool, account: AccountId, other_account: AccountId, shared: str, text: str
) -> None:
    for who, word in ((account, "JOIN"), (account, "NEWS"), (other_account, "WIN")):
        await claim(db, who, shared, word)
    await brought(db, account, await new_list(db, account), member(phone=ANN))
    one = sms(shared, text)
    assert told_of(await hand(db, one)) == (1, 1, 0, [])
    (review,) = (await reviews.list_reviews(db, account, ALL, "open")).rows
    assert (review.value, review.reference) == (ANN, one.what.reference)
    assert review.text.startswith(f"{text} (")
    assert shared in review.text
    assert await state(db, account) is None
    assert await everything(db, other_account) == EMPTY
    assert told_of(await hand(db, sms(shared, text, BEN))) == (1, 1, 0, []), "nobody knows him: nobody reads it"
    assert (await reviews.list_reviews(db, account, ALL)).total == 1
    assert told_of(await hand(db, sms(shared, "yes please"))) == (1, 1, 0, [])
    assert (await reviews.list_reviews(db, account, ALL)).total == 1


@pytest.mark.parametrize("receiver", ["owned", "shared"])
async def test_nobodys_stop_is_refused_for_its_length(
    db: Pool, account: AccountId, bob: AccountId, number: str, shared: str, receiver: str
) -> None:
    await claim(db, account, shared)
    to = number if receiver == "owned" else shared
    for sender, text in ((ANN, "STOP" + "!" * 9_000), (BEN, "STOP" + "\U0001d160" * 3_990)):
        assert (await hand(db, sms(to, text, sender))).opted_out == 1
        ((_, _, message, *_),) = await told(db, account, sender)
        assert len(message) <= VALUE_LENGTH
        assert message.startswith(text[:5].replace("\U0001d160", "\U0001d158"))


# --- near hits


@pytest.mark.parametrize("text", ["stop please", "no mas", "No más!", "please stop texting me", "OTHER STOP", "don't text me"])
async def test_near_hits_wait_for_a_person(db: Pool, account: AccountId, bob: AccountId, number: str, text: str) -> None:
    one = sms(number, text, sender="0031627100000")
    assert (await hand(db, one, now=LATER)).opted_out == 0
    assert await state(db, account) is None
    found = await reviews.list_reviews(db, account, ALL, "open")
    (review,) = found.rows
    assert (review.type, review.value, review.text, review.reference) == ("sms", ANN, text, one.what.reference)
    assert (review.state, review.created_at, review.decided_at, found.total) == ("open", LATER, None, 1)
    assert len(await stored(db, account)) == 1
    assert (await reviews.list_reviews(db, bob, ALL)).total == 0
    for call in (reviews.get(db, bob, review.id), reviews.decide(db, bob, review.id, opts_out=True, actor=USER, now=NOW)):
        with pytest.raises(NotFoundError):
            await call
    decided = await reviews.decide(db, account, review.id, opts_out=True, actor=USER, now=LATER)
    assert (decided.state, decided.decided_at) == ("optedOut", LATER)
    assert await told(db, account) == [(True, "contact", text, "keyword", USER, LATER)]
    for opts_out in (True, False):
        with pytest.raises(ConflictError):
            await reviews.decide(db, account, review.id, opts_out=opts_out, actor=USER, now=NOW)
    assert (await reviews.list_reviews(db, account, ALL, "open")).total == 0
    assert (await reviews.list_reviews(db, account, ALL, "optedOut")).total == 1


async def test_a_review_that_is_dismissed(db: Pool, account: AccountId, bob: AccountId, number: str) -> None:
    await hand(db, sms(number, "no mas"))
    (review,) = (await reviews.list_reviews(db, account, ALL)).rows
    assert (await reviews.decide(db, account, review.id, opts_out=False, actor=USER, now=LATER)).state == "dismissed"
    assert await state(db, account) is None
    with pytest.raises(ConflictError):
        await reviews.decide(db, account, review.id, opts_out=True, actor=USER, now=NOW)


async def test_many_decide_one_review_at_once(db: Pool, account: AccountId, bob: AccountId, number: str) -> None:
    await hand(db, sms(number, "no mas"))
    (review,) = (await reviews.list_reviews(db, account, ALL)).rows
    calls = (reviews.decide(db, account, review.id, opts_out=place % 2 == 0, actor=USER, now=NOW) for place in range(10))
    done, refused = await at_once(*calls)
    assert (len(done), len(refused)) == (1, 9)
    assert (await state(db, account) == OUT) is (done[0].state == "optedOut")


@pytest.mark.parametrize("text", ["please stop " + "x" * 9_000, "please stop this" + "\U0001d160" * 3_990])
async def test_a_review_of_a_long_text_can_be_decided(db: Pool, account: AccountId, bob: AccountId, number: str, text: str) -> None:
    await hand(db, sms(number, text))
    (review,) = (await reviews.list_reviews(db, account, ALL)).rows
    assert review.text == text
    await reviews.decide(db, account, review.id, opts_out=True, actor=USER, now=NOW)
    assert await state(db, account) == OUT


@pytest.mark.parametrize("text", ["yes please", "Start now", "ok yes", "hello", "please cancel my order", "yes yes", ""])
async def test_what_is_no_reason_to_ask(db: Pool, account: AccountId, bob: AccountId, number: str, text: str) -> None:
    await hand(db, sms(number, "STOP"), sms(number, text))
    assert await state(db, account) == OUT, "and opens nothing"
    assert (await reviews.list_reviews(db, account, ALL)).total == 0


async def test_a_keyword_of_another_number_beside_stop_is_for_a_person(db: Pool, account: AccountId, bob: AccountId, number: str) -> None:
    await claim(db, account, number, "NEWS")
    await claim(db, account, number, "*")
    await hand(db, sms(number, "NEWS STOP"))
    assert await state(db, account) == OUT
    await hand(db, sms(number, "JOIN STOP", BEN))
    assert await state(db, account, BEN) is None
    assert [one.text for one in (await reviews.list_reviews(db, account, ALL)).rows] == ["JOIN STOP"]


# --- an account's own words


async def test_own_words_count_for_their_account_only(
    db: Pool, account: AccountId, other_account: AccountId, number: str, type: NumberType
) -> None:
    his = await rent(db, other_account, type)
    await reviews.save_word(db, account, " basta! ", "Stop", NOW)
    await reviews.save_word(db, account, "si grazie", "start", NOW)
    for to in (number, his):
        assert (await hand(db, sms(to, "Basta."))).opted_out == (to == number)
    assert [await state(db, who) for who in (account, other_account)] == [OUT, None]
    await hand(db, sms(number, "Sì grazie"), sms(his, "STOP"), sms(his, "si grazie"))
    assert [await state(db, who) for who in (account, other_account)] == [OUT, OUT], "another word"
    await hand(db, sms(number, "si, grazie"))
    assert await state(db, account) == IN
    await reviews.delete_word(db, account, "BASTA")
    await hand(db, sms(number, "basta"))
    assert await state(db, account) == IN
    with pytest.raises(NotFoundError):
        await reviews.delete_word(db, other_account, "si grazie")


async def test_own_words_on_a_shared_number_beside_the_keyword(db: Pool, account: AccountId, bob: AccountId, shared: str) -> None:
    await claim(db, account, shared)
    await reviews.save_word(db, account, "BASTA", "stop", NOW)
    await hand(db, sms(shared, "join basta"))
    assert await state(db, account) == OUT


@pytest.mark.parametrize(
    ("word", "means"),
    [("", "stop"), ("!", "stop"), ("stop", "start"), ("Help", "stop"), ("x" * 256, "stop"), ("basta", "perhaps"), ("basta", "")],
)
async def test_words_that_are_refused(db: Pool, account: AccountId, bob: AccountId, word: str, means: str) -> None:
    with pytest.raises(InvalidError):
        await reviews.save_word(db, account, word, means, NOW)
    assert list(await reviews.words(db, account)) == []


async def test_a_word_means_one_thing_and_there_are_not_too_many(db: Pool, account: AccountId, bob: AccountId) -> None:
    for place in range(CONSENT_WORDS):
        await reviews.save_word(db, account, f"word {place}", "stop", NOW)
    with pytest.raises(ConflictError):
        await reviews.save_word(db, account, "more", "stop", NOW)
    assert await reviews.save_word(db, account, "WORD 7", "start", NOW) == ("WORD 7", "start")
    found = await reviews.words(db, account)
    assert len(found) == CONSENT_WORDS
    assert [one.word for one in found if one.means == Meaning.START] == ["WORD 7"]


# --- contacts' last use


async def uses(db: Pool, account: AccountId) -> dict[UUID, datetime]:
    """When contacts were used last."""
    rows = await db.fetch("SELECT contact_id, used_at FROM contact_use WHERE account_id = $1", account)
    return {row["contact_id"]: row["used_at"] for row in rows}


async def test_a_message_is_a_use_of_its_sender(db: Pool, account: AccountId, bob: AccountId, number: str) -> None:
    first, second = [await new_list(db, account, deletes_unused=True) for _ in range(2)]
    ann, _ = await brought(db, account, first, member(phone=ANN), member(phone=BEN))
    twin = (await brought(db, account, second, member(phone=ANN)))[0]
    await hand(db, event(number, channel="SMS"), sms(number, "hi", "+4915112345678"), sms(number, "hi", "Acme"))
    assert await uses(db, account) == {}
    await hand(db, sms(number, "hi", "0031627100000"), sms(number, "hi"), now=LATER)
    assert await uses(db, account) == dict.fromkeys({ann, twin}, LATER)
    await hand(db, sms(number, "hi", ANN), now=NOW)
    assert await uses(db, account) == dict.fromkeys({ann, twin}, LATER), "never back"
    await hand(db, sms(number, "hi", ANN, channel="Viber"), now=LATER + timedelta(1))
    assert set((await uses(db, account)).values()) == {LATER + timedelta(1)}


async def test_uses_are_not_counted_where_nobody_asks(db: Pool, account: AccountId, bob: AccountId, number: str) -> None:
    await brought(db, account, await new_list(db, account), member(phone=ANN))
    await hand(db, sms(number))
    assert await uses(db, account) == {}


# --- several calls at once


async def test_calls_that_are_taken_together_are_told_what_they_would_be_alone(
    db: Pool, account: AccountId, other_account: AccountId, number: str, type: NumberType, shared: str
) -> None:
    his = await rent(db, other_account, type)
    for who, word, to in ((account, "JOIN", number), (other_account, "WIN", his)):
        await listen(db, who, await own_channel(db, who, to))
        await configurations.keep_log(db, who, (await claim(db, who, shared, word)).channel_id, enabled=True, now=NOW)
        await brought(db, who, await new_list(db, who, deletes_unused=True), member(phone=ANN))
    (code,) = await numbers.stock(db, [Stocked(fresh_number()[-8:], (await number_type(db, country="NL")).id, True, True)], NOW)
    await claim(db, account, code.id, "JOIN")
    repeated = sms(number, "Hello", reference="again")
    calls = [
        Call([sms(number, "STOP"), sms(shared, "win a car"), repeated], None, GATEWAY, NOW),
        Call([], None, GATEWAY, NOW),
        Call([repeated, event(his, channel="SMS"), sms(shared, "nothing"), sms(code.id[2:], "join")], "NL", USER, LATER),
        Call([sms(number, "START"), sms(code.id[2:], "join"), sms(shared, "STOP", BEN), repeated], "BE", GATEWAY, LATER),
    ]
    taken = await inbound.accept_all(db, calls)
    assert [told_of(one) for one in taken] == [(3, 0, 1, [NOW]), (0, 0, 0, []), (3, 1, 0, []), (3, 2, 2, [NOW])]
    assert [what.reference for one in taken for what in one.new] == [
        one.what.reference
        for call, fresh in zip(calls, (slice(3), slice(0), slice(1, 4), slice(3)), strict=True)
        for one in call.given[fresh]
    ]
    assert [entry[:2] + entry[3:] for entry in await told(db, account)] == [
        (True, "contact", "keyword", GATEWAY, NOW),
        (False, "contact", "keyword", GATEWAY, LATER),
    ]
    assert len((await messages.list_messages(db, other_account, None, ALL)).rows) == 1
    assert [len(await uses(db, who)) for who in (account, other_account)] == [1, 1]


# --- races


async def test_start_never_undoes_what_the_account_closes_at_that_moment(db: Pool, account: AccountId, bob: AccountId, number: str) -> None:
    for place in range(30):
        sender = f"+3162711{place:04}"
        await hand(db, sms(number, "STOP", sender))
        calls = [hand(db, sms(number, "START", sender)), by_user(db, account, sender=sender)]
        random.shuffle(calls)
        await asyncio.gather(*calls)
        assert await state(db, account, sender) == (True, "user")
    assert await wrong_counters(db, account) == []


async def test_a_stop_beside_what_the_account_does_always_closes(db: Pool, account: AccountId, bob: AccountId, number: str) -> None:
    for place in range(30):
        sender = f"+3162712{place:04}"
        calls = [hand(db, sms(number, "STOP", sender)), by_user(db, account, sender=sender), by_user(db, account, sender=sender)]
        random.shuffle(calls)
        await asyncio.gather(*calls)
        found = await state(db, account, sender)
        assert found is not None
        assert found[0]
    assert await wrong_counters(db, account) == []


async def test_calls_in_opposite_orders_do_not_wait_for_each_other_in_a_circle(
    db: Pool, account: AccountId, other_account: AccountId, number: str, type: NumberType, shared: str
) -> None:
    his = await rent(db, other_account, type)
    senders = [f"+3162713{place:04}" for place in range(15)]
    for who, word in ((account, "JOIN"), (other_account, "WIN")):
        await claim(db, who, shared, word)
        await brought(db, who, await new_list(db, who, deletes_unused=True), *(member(phone=sender) for sender in senders))

    def call(place: int) -> Sequence[Raw]:
        pairs = [(to, sender) for sender in senders for to in (number, his, shared)]
        random.Random(place).shuffle(pairs)
        return [sms(to, "STOP" if place % 2 else "START", sender) for to, sender in pairs]

    answers, refusals = await at_once(*(hand(db, *call(place)) for place in range(10)))
    assert refusals == []
    assert len(answers) == 10
    for who in (account, other_account):
        assert await wrong_counters(db, who) == []
        assert len(await uses(db, who)) == len(senders)


async def test_a_claim_that_is_cancelled_meanwhile(db: Pool, account: AccountId, bob: AccountId, type: NumberType) -> None:
    (shared,) = await stock(db, type, is_shared=True)
    made = await claim(db, account, shared)
    await listen(db, account, made.channel_id)
    given = [sms(shared, "join") for _ in range(30)]
    answers = await asyncio.gather(
        *(hand(db, one) for one in given[:15]), cancel(db, account, made.id, NOW), *(hand(db, one) for one in given[15:])
    )
    taken = [answer for answer in answers if isinstance(answer, Accepted)]
    nobodys = await unrouted(db, *(one.what.reference for one in given))
    assert sum(len(answer.new) for answer in taken) == 30
    assert sum(answer.unrouted for answer in taken) == len(nobodys)
    got = {one.reference for one in await stored(db, account)} | {one.reference for one in nobodys}
    assert got == {one.what.reference for one in given}, "each is somebody's or the operator's, none is lost"
