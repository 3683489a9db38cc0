"""WhatsApp profiles, and the one-time passwords by which their numbers are verified."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from unittest import mock
from uuid import UUID

import argon2
import pytest

from reachbook.core import channels, decisions, ids, one_time_codes, profiles
from reachbook.core.errors import ConflictError, InvalidError, NotFoundError, TooOftenError
from reachbook.core.ids import AccountId
from reachbook.core.one_time_codes import Code, Senders
from reachbook.core.paging import Page
from reachbook.core.profiles import Draft, Profile
from reachbook.core.work_queue import Kind
from reachbook.database.errors import UnavailableError
from reachbook.database.pool import Pool
from tests.core.channels import (
    ALL,
    IMAGE,
    NOW,
    ask_whatsapp,
    at_once,
    data_url,
    fresh_number,
    item_of,
    items,
    open_code,
    picture,
    profile,
    standing,
    whatsapp,
)

CHEAP = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
TICK = timedelta(milliseconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
NOBODY = Senders()


@pytest.fixture(scope="module")
def db(quiet: Pool) -> Pool:
    """No server."""
    return quiet


@pytest.fixture(scope="module", autouse=True)
def quick_hashes() -> Iterator[None]:
    """Hashes that take their time are tried by themselves."""
    with mock.patch.object(one_time_codes, "HASHER", CHEAP):
        yield


@pytest.fixture
def bob(other_account: AccountId) -> AccountId:
    """Somebody else."""
    return other_account


@pytest.fixture
async def request_(db: Pool, account: AccountId) -> UUID:
    """Alice's request for WhatsApp."""
    return await whatsapp(db, account)


@pytest.fixture
async def unverified(db: Pool, account: AccountId, request_: UUID) -> Profile:
    """A new profile of hers."""
    return await profile(db, account, request_)


class Gateway:
    """What the operator configures: takes codes, or can't."""

    def __init__(self) -> None:
        self.sent: list[Code] = []
        self.is_down = False

    async def __call__(self, code: Code) -> None:
        self.sent.append(code)
        if self.is_down:
            raise UnavailableError("no route")

    @property
    def senders(self) -> Senders:
        """As profiles are given it."""
        return Senders(self)


async def start(db: Pool, account: AccountId, of: Profile, now: Any = NOW, *, method: str = "sms", senders: Senders = NOBODY) -> str | None:
    """Start; the code, if the operator is shown one."""
    await profiles.start_code(db, account, of.request_id, of.id, method, senders=senders, now=now)
    shown = await open_code(db, account, of.id, now)
    return shown.digits if shown else None


async def finish(
    db: Pool, account: AccountId, of: Profile, digits: str, now: Any = NOW, *, number: str = "", senders: Senders = NOBODY
) -> Profile:
    """Finish with the profile's number, or another."""
    return await profiles.finish_code(db, account, of.request_id, of.id, number or of.phone, digits, senders=senders, now=now)


async def read(db: Pool, account: AccountId, of: Profile) -> Profile:
    """As it is now."""
    return await profiles.get(db, account, of.request_id, of.id)


def other(digits: str | None) -> str:
    """A code that is wrong."""
    return f"{(int(digits or 0) + 1) % 1_000_000:06}"


async def refusal(db: Pool, account: AccountId, of: Profile, digits: str, now: Any = NOW, *, number: str = "") -> str:
    """What a wrong finish says."""
    with pytest.raises(InvalidError) as refused:
        await finish(db, account, of, digits, now, number=number)
    assert [fault.path for fault in refused.value.faults] == [("code",)]
    assert (await read(db, account, of)).state == "pending"
    return refused.value.message


# --- profiles


async def test_a_new_profile(db: Pool, account: AccountId, bob: AccountId, request_: UUID) -> None:
    image = picture("JPEG")
    draft = Draft(" Webshop ", data_url(image, "image/jpg"), "06 27 10 00 00")
    made = await profiles.create(db, account, request_, ids.new_id(), draft, NOW)
    assert (made.phone, made.state, made.image.media_type, made.image.data) == ("+31627100000", "pending", "image/jpeg", image)
    assert await read(db, account, made) == made
    channel = await channels.get(db, account, made.channel_id)
    assert (channel.request_id, channel.category, channel.element_id, channel.is_pending) == (request_, "profiles", str(made.id), True)
    assert [(item.kind, item.entity_id, item.created_at) for item in await items(db, account)] == [(Kind.PROFILE, made.id, NOW)]
    for text, found in [(None, 1), ("webs", 1), ("WEBSHOP", 1), ("2710", 1), ("nothing", 0), ("%", 0)]:
        assert (await profiles.list_profiles(db, account, request_, ALL, text)).total == found, text
    assert (await profiles.list_profiles(db, account, request_, Page(1, 5))).rows == []
    for call in (
        profiles.list_profiles(db, bob, request_, ALL),
        profiles.get(db, bob, request_, made.id),
        profiles.create(db, bob, request_, ids.new_id(), draft, NOW),
        profiles.renumber(db, bob, request_, made.id, fresh_number(), NOW),
        profiles.start_code(db, bob, request_, made.id, "sms", senders=NOBODY, now=NOW),
        profiles.finish_code(db, bob, request_, made.id, made.phone, "123456", senders=NOBODY, now=NOW),
        profiles.set_provider(db, bob, request_, made.id, "7"),
        profiles.get(db, account, await whatsapp(db, account), made.id),
    ):
        with pytest.raises(NotFoundError):
            await call
    assert await open_code(db, bob, made.id, NOW) is None
    assert await standing(db, bob) == []


async def test_all_that_is_wrong_is_said(db: Pool, account: AccountId, request_: UUID) -> None:
    before = await standing(db, account)
    for draft, paths in [
        (Draft(None, None, None), {("name",), ("image",), ("phone",)}),
        (Draft(" ", "data:image/png;base64,AAAA", "12"), {("name",), ("image",), ("phone",)}),
        (Draft("a" * 256, IMAGE, "+31627100000"), {("name",)}),
        (Draft("a\0", IMAGE, "06 abc"), {("name",), ("phone",)}),
    ]:
        with pytest.raises(InvalidError) as refused:
            await profiles.create(db, account, request_, ids.new_id(), draft, NOW)
        assert {fault.path for fault in refused.value.faults} == paths
    assert await standing(db, account) == before


async def test_nothing_is_made_in_a_refused_request(db: Pool, account: AccountId) -> None:
    waiting = await ask_whatsapp(db, account)
    made = await profile(db, account, waiting.id)
    assert await start(db, account, made) is not None
    await decisions.reject(db, account, await item_of(db, account, Kind.CHANNEL, waiting.id), "No.", NOW)
    gone = await read(db, account, made)
    assert (gone.state, gone.cancelled_at) == ("cancelled", NOW)
    assert await open_code(db, account, made.id, NOW) is None
    assert await items(db, account) == []
    for call in (
        profile(db, account, waiting.id),
        profiles.renumber(db, account, waiting.id, made.id, fresh_number(), NOW),
        start(db, account, made, NOW + HOUR),
        finish(db, account, made, "123456"),
    ):
        with pytest.raises(ConflictError):
            await call
    with pytest.raises(NotFoundError):
        await channels.get(db, account, made.channel_id)


# --- the way of a code


@pytest.mark.parametrize("method", ["sms", "voice", " SMS "])
async def test_the_code_that_came_makes_it_active(db: Pool, account: AccountId, unverified: Profile, method: str) -> None:
    gateway = Gateway()
    assert await start(db, account, unverified, method=method, senders=gateway.senders) is None, "with a gateway nobody is shown it"
    (code,) = gateway.sent
    assert (code.phone, code.method, len(code.digits), code.digits.isdigit()) == (unverified.phone, method.strip().lower(), 6, True)
    assert (await read(db, account, unverified)).code_sent_at == NOW
    done = await finish(db, account, unverified, f" {code.digits} ", NOW + MINUTE, number=f"00{unverified.phone[1:]}")
    assert (done.state, done.fulfilled_at, done.code_processed_at) == ("active", NOW + MINUTE, NOW + MINUTE)
    assert (await channels.get(db, account, unverified.channel_id)).is_pending is False
    (item,) = [one for one in await items(db, account, "approved") if one.kind == Kind.PROFILE]
    assert (item.entity_id, item.decided_at) == (unverified.id, NOW + MINUTE)
    for call in (finish(db, account, unverified, code.digits), start(db, account, unverified, NOW + HOUR)):
        with pytest.raises(ConflictError):
            await call


async def test_with_a_gateway_only_a_hash_is_kept(db: Pool, account: AccountId, unverified: Profile) -> None:
    gateway = Gateway()
    with mock.patch.object(one_time_codes, "HASHER", argon2.PasswordHasher()):
        await start(db, account, unverified, senders=gateway.senders)
    (code,) = gateway.sent
    row = await db.fetchrow("SELECT * FROM whatsapp_profile WHERE id = $1", unverified.id)
    assert row is not None
    assert row["code"] is None
    assert row["code_hash"].startswith("$argon2id$")
    texts = [str(value).replace(unverified.phone, "") for name, value in row.items() if name != "image"]
    assert not any(code.digits in text for text in texts)


def test_a_code_does_not_show_itself() -> None:
    code = Code("+31627100000", "sms", "482915")
    for text in (repr(code), str(code), f"{code}", f"{code!r}", f"{[code]}", f"{ {'code': code} }", "%s %r" % (code, code)):  # noqa: UP031
        assert "482915" not in text
        assert "+31627100000" in text


def test_codes_are_six_digits() -> None:
    some = {one_time_codes.new_digits() for _ in range(2_000)}
    assert all(len(one) == 6 and one.isascii() and one.isdigit() for one in some)
    assert len(some) > 1_900
    assert any(one.startswith("0") for one in some)


async def test_hashes() -> None:
    kept = await one_time_codes.hashed("012345")
    assert kept != await one_time_codes.hashed("012345")
    assert await one_time_codes.matches(kept, "012345")
    for digits in ("12345", "012346", "", "0123456", "٠١٢٣٤٥"):
        assert not await one_time_codes.matches(kept, digits)
    for nothing in (None, "", "no hash"):
        assert not await one_time_codes.matches(nothing, "012345")


@pytest.mark.parametrize("method", ["", "mail", "smsvoice", "0"])
async def test_other_ways_are_refused(db: Pool, account: AccountId, unverified: Profile, method: str) -> None:
    before = await standing(db, account)
    with pytest.raises(InvalidError) as refused:
        await start(db, account, unverified, method=method)
    assert [fault.path for fault in refused.value.faults] == [("code_method",)]
    assert await standing(db, account) == before


async def test_the_operator_sees_a_code_until_it_is_used(db: Pool, account: AccountId, unverified: Profile) -> None:
    async def shown(now: Any) -> Any:
        return await open_code(db, account, unverified.id, now)

    assert await shown(NOW) is None
    digits = await start(db, account, unverified, method="voice")
    assert await shown(NOW) == ("voice", digits, NOW + 10 * MINUTE)
    assert await shown(NOW + 10 * MINUTE - TICK) is not None
    assert await shown(NOW + 10 * MINUTE) is None, "expired"
    for _ in range(5):
        assert await shown(NOW) is not None
        await refusal(db, account, unverified, other(digits))
    assert await shown(NOW) is None, "used up"
    digits = await start(db, account, unverified, NOW + MINUTE)
    assert await shown(NOW + MINUTE) is not None
    await finish(db, account, unverified, str(digits), NOW + MINUTE)
    assert await shown(NOW + MINUTE) is None, "used"


async def test_ten_minutes(db: Pool, account: AccountId, unverified: Profile) -> None:
    digits = str(await start(db, account, unverified))
    await refusal(db, account, unverified, digits, NOW + 10 * MINUTE)
    assert (await finish(db, account, unverified, digits, NOW + 10 * MINUTE - TICK)).state == "active"


async def test_five_tries(db: Pool, account: AccountId, unverified: Profile) -> None:
    digits = str(await start(db, account, unverified))
    for _ in range(4):
        await refusal(db, account, unverified, other(digits))
    assert (await finish(db, account, unverified, digits)).state == "active", "the fifth fits"


async def test_no_sixth(db: Pool, account: AccountId, unverified: Profile) -> None:
    digits = str(await start(db, account, unverified))
    for _ in range(5):
        await refusal(db, account, unverified, other(digits))
    await refusal(db, account, unverified, digits)
    again = str(await start(db, account, unverified, NOW + MINUTE))
    assert (await finish(db, account, unverified, again, NOW + MINUTE)).state == "active", "a new one has its own"


async def test_whatever_was_wrong_the_answer_is_the_same(db: Pool, account: AccountId, unverified: Profile, request_: UUID) -> None:
    second = await profile(db, account, request_)
    said = {await refusal(db, account, unverified, "123456")}  # none was sent
    digits = str(await start(db, account, unverified))
    said.add(await refusal(db, account, unverified, other(digits)))
    for number in (fresh_number(), second.phone, "nonsense", "+", "+31"):
        said.add(await refusal(db, account, unverified, digits, number=number))
        digits = (
            digits if (await db.fetchval("SELECT code_tries < 4 FROM whatsapp_profile WHERE id = $1", unverified.id)) else other(digits)
        )
    said.add(await refusal(db, account, unverified, digits))  # used up
    said.add(await refusal(db, account, second, digits))  # another's
    digits = str(await start(db, account, unverified, NOW + MINUTE))
    said.add(await refusal(db, account, unverified, digits, NOW + HOUR))  # expired
    said.add(await refusal(db, account, unverified, "", NOW + MINUTE))
    assert said == {"does not fit the phone number, is used up or has expired"}


async def test_a_new_code_replaces_the_old_one(db: Pool, account: AccountId, unverified: Profile) -> None:
    first = str(await start(db, account, unverified))
    second = str(await start(db, account, unverified, NOW + MINUTE))
    if first != second:
        await refusal(db, account, unverified, first, NOW + MINUTE)
    assert (await finish(db, account, unverified, second, NOW + MINUTE)).state == "active"


# --- how often


async def seconds(db: Pool, account: AccountId, of: Profile, now: Any) -> int:
    """How long to wait."""
    before = await standing(db, account)
    with pytest.raises(TooOftenError) as refused:
        await start(db, account, of, now)
    assert await standing(db, account) == before
    return refused.value.seconds


async def test_once_a_minute(db: Pool, account: AccountId, unverified: Profile, request_: UUID) -> None:
    await start(db, account, unverified)
    for after, wait in [(timedelta(0), 60), (TICK, 60), (timedelta(seconds=1), 59), (timedelta(seconds=30, milliseconds=1), 30)]:
        assert await seconds(db, account, unverified, NOW + after) == wait
    assert await seconds(db, account, unverified, NOW + MINUTE - TICK) == 1
    assert await start(db, account, await profile(db, account, request_)) is not None, "the limits count per profile"
    assert await start(db, account, unverified, NOW + MINUTE) is not None


async def test_five_an_hour(db: Pool, account: AccountId, unverified: Profile) -> None:
    for number in range(5):
        await start(db, account, unverified, NOW + number * MINUTE)
    assert await seconds(db, account, unverified, NOW + 5 * MINUTE) == 55 * 60
    assert await seconds(db, account, unverified, NOW + HOUR - TICK) == 1
    await start(db, account, unverified, NOW + HOUR)
    assert await seconds(db, account, unverified, NOW + HOUR) == 60
    assert await seconds(db, account, unverified, NOW + HOUR + TICK) == 60
    await start(db, account, unverified, NOW + HOUR + MINUTE)
    kept = await db.fetchval("SELECT code_starts FROM whatsapp_profile WHERE id = $1", unverified.id)
    assert kept == [NOW + number * MINUTE for number in (2, 3, 4, 60, 61)]


async def test_a_new_number_starts_over_but_the_limits_stay(db: Pool, account: AccountId, bob: AccountId, unverified: Profile) -> None:
    digits = str(await start(db, account, unverified))
    new = fresh_number()
    renumbered = await profiles.renumber(db, account, unverified.request_id, unverified.id, f" {new} ", NOW + TICK)
    assert (renumbered.phone, renumbered.state, renumbered.code_sent_at) == (new, "pending", None)
    await refusal(db, account, renumbered, digits, NOW + TICK)
    assert await seconds(db, account, unverified, NOW + 30 * TICK) == 60
    digits = str(await start(db, account, renumbered, NOW + MINUTE))
    await refusal(db, account, renumbered, digits, NOW + MINUTE, number=unverified.phone)
    done = await finish(db, account, renumbered, digits, NOW + MINUTE)
    assert done.state == "active"
    same = await profiles.renumber(db, account, unverified.request_id, unverified.id, new, NOW + HOUR)
    assert same == done, "the number that it has is no new one"
    back = await profiles.renumber(db, account, unverified.request_id, unverified.id, unverified.phone, NOW + HOUR)
    assert (back.state, back.fulfilled_at, back.code_processed_at) == ("pending", None, None)
    assert (await channels.get(db, account, unverified.channel_id)).is_pending
    assert [item.kind for item in await items(db, account)] == [Kind.PROFILE]
    his = await profile(db, bob, await whatsapp(db, bob), new)
    assert (await finish(db, bob, his, str(await start(db, bob, his)))).state == "active", "the number it had is free"
    for wrong in ("", "12", "nonsense"):
        with pytest.raises(InvalidError):
            await profiles.renumber(db, account, unverified.request_id, unverified.id, wrong, NOW)


async def test_a_rejected_profile_begins_anew_with_a_number(db: Pool, account: AccountId, unverified: Profile) -> None:
    item = await item_of(db, account, Kind.PROFILE, unverified.id)
    await decisions.reject(db, account, item, "Not a company.", NOW)
    rejected = await read(db, account, unverified)
    assert (rejected.state, rejected.rejection_reason, rejected.rejected_at) == ("rejected", "Not a company.", NOW)
    with pytest.raises(ConflictError):
        await start(db, account, unverified)
    again = await profiles.renumber(db, account, unverified.request_id, unverified.id, unverified.phone, NOW)
    assert (again.state, again.rejection_reason, again.rejected_at) == ("pending", None, None)
    assert await item_of(db, account, Kind.PROFILE, unverified.id) != item


async def test_approved_without_a_code(db: Pool, account: AccountId, unverified: Profile) -> None:
    digits = str(await start(db, account, unverified))
    await decisions.approve(db, account, await item_of(db, account, Kind.PROFILE, unverified.id), now=NOW)
    done = await read(db, account, unverified)
    assert (done.state, done.fulfilled_at, done.code_processed_at) == ("active", NOW, None)
    with pytest.raises(ConflictError):
        await finish(db, account, unverified, digits)


# --- senders that fail, and providers


async def test_a_failing_gateway_leaves_no_code(db: Pool, account: AccountId, unverified: Profile) -> None:
    gateway = Gateway()
    gateway.is_down = True
    for number in range(7):
        with pytest.raises(UnavailableError):
            await start(db, account, unverified, NOW + number * TICK, senders=gateway.senders)
    row = await db.fetchrow("SELECT * FROM whatsapp_profile WHERE id = $1", unverified.id)
    assert row is not None
    names = ("code_hash", "code", "code_method", "code_expires_at", "code_sent_at", "code_starts", "code_tries")
    assert [row[name] for name in names] == [None, None, None, None, None, [], 0]
    await refusal(db, account, unverified, gateway.sent[-1].digits)
    gateway.is_down = False
    await start(db, account, unverified, senders=gateway.senders)
    assert (await finish(db, account, unverified, gateway.sent[-1].digits)).state == "active"


async def test_a_failure_that_comes_late_takes_no_newer_code_away(db: Pool, account: AccountId, unverified: Profile) -> None:
    """The gateway takes a minute to fail; a second code was sent meanwhile."""
    newer: list[str] = []

    async def slow(_: Code) -> None:
        newer.append(str(await start(db, account, unverified, NOW + MINUTE)))
        raise UnavailableError("timed out")

    with pytest.raises(UnavailableError):
        await start(db, account, unverified, senders=Senders(slow))
    assert (await finish(db, account, unverified, newer[0], NOW + MINUTE)).state == "active"


class Provider:
    """One that verifies by itself; it takes 123456."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.refuses = False

    async def request_code(self, phone_id: str, method: str) -> None:
        self.asked.append((phone_id, method))
        if self.refuses:
            raise ConflictError("The provider refuses.")

    async def verify_code(self, phone_id: str, digits: str) -> bool:
        return (phone_id, digits) == ("77", "123456")


async def test_a_provider_verifies_what_it_knows(db: Pool, account: AccountId, unverified: Profile, request_: UUID) -> None:
    provider, gateway = Provider(), Gateway()
    senders = Senders(gateway, provider)
    await start(db, account, await profile(db, account, request_), senders=senders)
    assert (len(gateway.sent), provider.asked) == (1, []), "it does not know this one"
    await profiles.set_provider(db, account, request_, unverified.id, "77")
    provider.refuses = True
    with pytest.raises(ConflictError):
        await start(db, account, unverified, senders=senders)
    provider.refuses = False
    assert await start(db, account, unverified, senders=senders) is None
    assert (len(gateway.sent), provider.asked) == (1, [("77", "sms")] * 2)
    for digits, number in (("123457", ""), ("123456", "+31627100000")):
        with pytest.raises(InvalidError):
            await finish(db, account, unverified, digits, number=number, senders=senders)
    assert (await finish(db, account, unverified, "123456", senders=senders)).state == "active"


# --- races


async def test_wrong_guesses_at_once_are_five_at_most(db: Pool, account: AccountId, unverified: Profile) -> None:
    digits = str(await start(db, account, unverified))
    guesses = [f"{(int(digits) + step) % 1_000_000:06}" for step in range(1, 31)]
    done, refused = await at_once(*(finish(db, account, unverified, guess) for guess in guesses))
    assert (done, [error.__class__ for error in refused]) == ([], [InvalidError] * 30)
    assert await db.fetchval("SELECT code_tries FROM whatsapp_profile WHERE id = $1", unverified.id) == 5
    await refusal(db, account, unverified, digits)


async def test_the_right_code_many_times_at_once(db: Pool, account: AccountId, unverified: Profile) -> None:
    digits = str(await start(db, account, unverified))
    done, refused = await at_once(*(finish(db, account, unverified, digits) for _ in range(8)))
    assert len(done) == 1
    assert all(isinstance(error, InvalidError | ConflictError) for error in refused)
    assert (await read(db, account, unverified)).state == "active"
    assert await db.fetchval("SELECT count(*) FROM whatsapp_number WHERE profile_id = $1", unverified.id) == 1


async def test_one_of_many_starts_is_sent(db: Pool, account: AccountId, unverified: Profile) -> None:
    gateway = Gateway()
    done, refused = await at_once(*(start(db, account, unverified, senders=gateway.senders) for _ in range(8)))
    assert (len(done), [error.__class__ for error in refused], len(gateway.sent)) == (1, [TooOftenError] * 7, 1)
    assert (await finish(db, account, unverified, gateway.sent[0].digits)).state == "active"


async def test_one_profile_is_active_on_a_number(db: Pool, account: AccountId, bob: AccountId, request_: UUID) -> None:
    for turn in range(5):
        number = fresh_number()
        both = [(account, await profile(db, account, request_, number)), (bob, await profile(db, bob, await whatsapp(db, bob), number))]
        codes = [str(await start(db, of, one, NOW + turn * TICK)) for of, one in both]
        calls = [finish(db, of, one, digits, NOW + turn * TICK) for (of, one), digits in zip(both, codes, strict=True)]
        done, refused = await at_once(*calls)
        assert (len(done), [error.__class__ for error in refused]) == (1, [ConflictError])
        states = sorted([(await read(db, of, one)).state for of, one in both])
        assert states == ["active", "pending"]
        (loser,) = [(of, one) for of, one in both if (await read(db, of, one)).state == "pending"]
        item = await item_of(db, loser[0], Kind.PROFILE, loser[1].id)
        with pytest.raises(ConflictError):
            await decisions.approve(db, loser[0], item, now=NOW)
        assert (await channels.get(db, loser[0], loser[1].channel_id)).is_pending


async def test_one_decision_about_a_profile(db: Pool, account: AccountId, request_: UUID) -> None:
    for _ in range(5):
        made = await profile(db, account, request_)
        item = await item_of(db, account, Kind.PROFILE, made.id)
        digits = str(await start(db, account, made))
        done, refused = await at_once(
            decisions.approve(db, account, item, now=NOW),
            decisions.reject(db, account, item, "No.", NOW),
            decisions.approve(db, account, item, now=NOW),
            finish(db, account, made, digits),
        )
        assert len(done) == 1
        assert all(isinstance(error, ConflictError | InvalidError) for error in refused)
        decided = await read(db, account, made)
        assert decided.state in ("active", "rejected")
        assert await items(db, account) == []


async def test_renumbered_while_its_code_is_looked_at(db: Pool, account: AccountId, request_: UUID) -> None:
    """A code verifies the number that it was sent to, never the one that comes after."""
    for _ in range(10):
        made, new = await profile(db, account, request_), fresh_number()
        digits = str(await start(db, account, made))
        renumber = profiles.renumber(db, account, request_, made.id, new, NOW)
        _, refused = await at_once(finish(db, account, made, digits), renumber)
        after = await read(db, account, made)
        assert (after.phone, after.state) == (new, "pending")
        assert all(isinstance(error, InvalidError) for error in refused)
        assert await db.fetchval("SELECT count(*) FROM whatsapp_number WHERE profile_id = $1", made.id) == 0


async def test_made_while_its_request_is_refused(db: Pool, account: AccountId) -> None:
    """What is made is cancelled with the rest, or was refused itself."""
    for _ in range(8):
        waiting = await ask_whatsapp(db, account)
        item = await item_of(db, account, Kind.CHANNEL, waiting.id)
        reject = decisions.reject(db, account, item, "No.", NOW)
        _, refused = await at_once(*(profile(db, account, waiting.id) for _ in range(3)), reject, profile(db, account, waiting.id))
        assert all(isinstance(error, ConflictError) for error in refused)
        made = (await profiles.list_profiles(db, account, waiting.id, ALL)).rows
        assert {one.state for one in made} <= {"cancelled"}
        assert await items(db, account) == []
