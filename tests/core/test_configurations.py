"""Inbound configurations: what each of the five may hold, who switches them, and many at once."""

from typing import Any
from uuid import UUID

import pytest
from msgspec import UNSET

from reachbook.core import channels, configurations, endpoint_urls, ids
from reachbook.core.configurations import Configuration, Draft
from reachbook.core.errors import ConflictError, InvalidError, NotFoundError
from reachbook.core.ids import AccountId
from reachbook.database.pool import Pool
from tests.core.channels import NOW, at_once, claim, number_type, profile, standing, stock, template, whatsapp

LATER = NOW.replace(hour=13)
URL = "https://example.com/in"
WEB = ("webhook", "customerContact", "eventWebhook")


@pytest.fixture(scope="module")
def db(quiet: Pool) -> Pool:
    """No server sends anything."""
    return quiet


@pytest.fixture
async def bob(db: Pool, other_account: AccountId) -> UUID:
    """The channel of somebody else."""
    return await new_channel(db, other_account)


@pytest.fixture
async def channel(db: Pool, account: AccountId) -> UUID:
    """A keyword's channel."""
    return await new_channel(db, account)


async def new_channel(db: Pool, account: AccountId) -> UUID:
    """Of a claim on a shared number."""
    (number,) = await stock(db, await number_type(db), is_shared=True)
    return (await claim(db, account, number)).channel_id


async def add(db: Pool, account: AccountId, channel: UUID, kind: str = "webhook", url: str = URL, **given: Any) -> Configuration:
    """An endpoint, or an address."""
    draft = Draft(address=url) if kind == "email" else Draft(url=url, **given)
    return await configurations.add(db, account, channel, kind, draft, allowed=(), now=NOW)


async def all_of(db: Pool, account: AccountId, channel: UUID) -> dict[str, Configuration]:
    """A channel's, by kind."""
    return dict(await configurations.of_group(db, account, (await channels.get(db, account, channel)).group_id))


async def test_the_five_are_there_disabled_and_empty(db: Pool, account: AccountId, channel: UUID) -> None:
    found = await all_of(db, account, channel)
    assert sorted(found) == ["customerContact", "email", "eventWebhook", "messagingLog", "webhook"]
    assert [(one.enabled, list(one.endpoints)) for one in found.values()] == [(False, [])] * 5
    assert len({one.id for one in found.values()}) == 5


async def test_channels_of_one_whatsapp_request_share_theirs(db: Pool, account: AccountId, channel: UUID, bob: UUID) -> None:
    request, other = await whatsapp(db, account), await whatsapp(db, account)
    first, second = await profile(db, account, request), await template(db, account, request)
    apart = await profile(db, account, other)
    made = await add(db, account, first.channel_id)
    assert (await configurations.get(db, account, second.channel_id, made.id)) == made
    for elsewhere in (apart.channel_id, channel):
        with pytest.raises(NotFoundError):
            await configurations.get(db, account, elsewhere, made.id)
    with pytest.raises(NotFoundError):
        await configurations.get(db, account, bob, made.id)


@pytest.mark.parametrize("kind", ["webhook", "customerContact", "eventWebhook", "email"])
async def test_the_first_one_enables_its_configuration(db: Pool, account: AccountId, channel: UUID, bob: UUID, kind: str) -> None:
    target = "ann@Example.COM" if kind == "email" else URL
    made = await add(db, account, channel, kind, target)
    (endpoint,) = made.endpoints
    expected = (None, "ann@example.com", None) if kind == "email" else ("POST", URL, "Json")
    assert (made.enabled, (endpoint.method, endpoint.target, endpoint.form)) == (True, expected)
    assert (endpoint.created_at, endpoint.updated_at, made.updated_at) == (NOW, NOW, NOW)
    assert [one.enabled for name, one in (await all_of(db, account, channel)).items() if name != kind] == [False] * 4
    await configurations.switch(db, account, channel, made.id, enabled=False, now=NOW)
    if kind in ("webhook", "email"):
        again = await add(db, account, channel, kind, "bo@example.com" if kind == "email" else URL)
        assert (again.enabled, len(again.endpoints)) == (False, 2), "the second one leaves it as it is"
        await configurations.delete(db, account, channel, kind, endpoint.id, LATER)
        assert len((await configurations.get(db, account, channel, made.id)).endpoints) == 1
    with pytest.raises(NotFoundError):
        await configurations.delete(db, account, bob, kind, endpoint.id, LATER)


@pytest.mark.parametrize(
    ("kind", "given", "kept"),
    [
        ("webhook", {}, ("POST", "Json")),
        ("webhook", {"method": "get", "form": "XML"}, ("GET", "Xml")),
        ("webhook", {"method": " Put ", "form": "custom"}, ("PUT", "Custom")),
        ("webhook", {"method": None, "form": ""}, ("POST", "Json")),
        ("customerContact", {"form": "xml"}, ("POST", "Xml")),
        ("customerContact", {"method": "POST", "form": "Json"}, ("POST", "Json")),
        ("eventWebhook", {"method": "post", "form": "json"}, ("POST", "Json")),
    ],
)
async def test_what_an_endpoint_may_be(db: Pool, account: AccountId, channel: UUID, kind: str, given: Any, kept: Any) -> None:
    (endpoint,) = (await add(db, account, channel, kind, **given)).endpoints
    assert (endpoint.method, endpoint.form) == kept


@pytest.mark.parametrize(
    ("kind", "given", "faults"),
    [
        ("webhook", {"method": "DELETE"}, {"method": "must be POST, GET or PUT"}),
        ("webhook", {"method": "UNKNOWN"}, {"method": "must be POST, GET or PUT: what is unknown can't be sent"}),
        ("webhook", {"form": "Text"}, {"form": "must be Json, Xml or Custom"}),
        ("customerContact", {"method": "GET", "form": "Custom"}, {"method": "must be POST", "form": "must be Xml or Json"}),
        ("eventWebhook", {"method": "PUT", "form": "Xml"}, {"method": "must be POST", "form": "must be Json"}),
        ("webhook", {"url": ""}, {"url": "is required"}),
        ("webhook", {"url": "ftp://example.com", "method": "X"}, {"url": None, "method": None}),
        ("webhook", {"url": "http://127.1/"}, {"url": "leads to a loopback address"}),
    ],
)
async def test_what_it_may_not_be(db: Pool, account: AccountId, channel: UUID, kind: str, given: Any, faults: Any) -> None:
    def check(refused: InvalidError) -> None:
        assert {fault.path for fault in refused.faults} == {("endpoint", name) for name in faults}
        for fault in refused.faults:
            assert faults[fault.path[1]] in (None, fault.message)

    empty = await standing(db, account)
    with pytest.raises(InvalidError) as refused:
        await add(db, account, channel, kind, **({"url": URL} | given))
    check(refused.value)
    assert await standing(db, account) == empty
    (endpoint,) = (await add(db, account, channel, kind)).endpoints
    before = await standing(db, account)
    with pytest.raises(InvalidError) as refused:
        await configurations.update(db, account, channel, kind, endpoint.id, Draft(**given), allowed=(), now=LATER)
    check(refused.value)
    assert await standing(db, account) == before


@pytest.mark.parametrize("address", ["", None, " ", "ann", "ann@", "ann@example.com, bo@example.com"])
async def test_addresses(db: Pool, account: AccountId, channel: UUID, address: str | None) -> None:
    for draft in (Draft(address=address), Draft(url=URL)):
        with pytest.raises(InvalidError) as refused:
            await configurations.add(db, account, channel, "email", draft, allowed=(), now=NOW)
        assert [fault.path for fault in refused.value.faults] == [("email", "address")]
    made = await add(db, account, channel, "email", "bo@example.com")
    (endpoint,) = made.endpoints
    kept = await configurations.update(db, account, channel, "email", endpoint.id, Draft(), allowed=(), now=NOW)
    assert [one.target for one in kept.endpoints] == ["bo@example.com"]
    with pytest.raises(InvalidError):
        await configurations.update(db, account, channel, "email", endpoint.id, Draft(address=address), allowed=(), now=NOW)


async def test_what_is_not_given_stays(db: Pool, account: AccountId, channel: UUID, bob: UUID) -> None:
    made = await add(db, account, channel, method="GET", form="Custom")
    (before,) = made.endpoints
    update = configurations.update
    changed = await update(db, account, channel, "webhook", before.id, Draft(url=f"{URL}?a={{MESSAGE}}"), allowed=(), now=LATER)
    (after,) = changed.endpoints
    assert (after.method, after.form, after.target, after.updated_at) == ("GET", "Custom", f"{URL}?a={{MESSAGE}}", LATER)
    assert (after.id, after.secondary_id, after.created_at) == (before.id, before.secondary_id, NOW)
    (after,) = (await update(db, account, channel, "webhook", before.id, Draft(UNSET, UNSET, "Xml"), allowed=(), now=LATER)).endpoints
    assert (after.method, after.form) == ("GET", "Xml")
    for of_channel, kind, id in [(bob, "webhook", before.id), (channel, "eventWebhook", before.id), (channel, "webhook", ids.new_id())]:
        for call in (
            update(db, account, of_channel, kind, id, Draft(), allowed=(), now=LATER),
            configurations.delete(db, account, of_channel, kind, id, LATER),
            configurations.find(db, account, of_channel, kind, id),
        ):
            with pytest.raises(NotFoundError):
                await call
    await configurations.find(db, account, channel, "webhook", before.id)


async def test_a_change_gives_another_chance(db: Pool, account: AccountId, channel: UUID) -> None:
    (endpoint,) = (await add(db, account, channel)).endpoints
    query = "UPDATE channel_endpoint SET disabled_at = $2, disabled_reason = 'gone', failing_since = $2 WHERE id = $1"
    await db.execute(query, endpoint.id, NOW)
    await configurations.update(db, account, channel, "webhook", endpoint.id, Draft(), allowed=(), now=LATER)
    row = await db.fetchrow("SELECT disabled_at, disabled_reason, failing_since FROM channel_endpoint WHERE id = $1", endpoint.id)
    assert row is not None
    assert list(row.values()) == [None, None, None]


async def test_the_messaging_log_is_switched(db: Pool, account: AccountId, channel: UUID, bob: UUID, other_account: AccountId) -> None:
    for enabled in (True, True, False):
        log = await configurations.keep_log(db, account, channel, enabled=enabled, now=LATER)
        assert (log.kind, log.enabled) == ("messagingLog", enabled)
    for of, kind in ((bob, "webhook"), (channel, "messagingLog")):
        with pytest.raises(NotFoundError):
            await configurations.switch(db, account, of, (await all_of(db, other_account, bob))[kind].id, enabled=True, now=NOW)
    assert not any(one.enabled for one in (await all_of(db, other_account, bob)).values())


async def test_the_operators_networks_are_allowed(db: Pool, account: AccountId, channel: UUID) -> None:
    allowed = endpoint_urls.networks("10.0.0.0/8, fd00::/8")
    draft = Draft(url="http://10.1.2.3:8080/in")
    made = await configurations.add(db, account, channel, "webhook", draft, allowed=allowed, now=NOW)
    (endpoint,) = made.endpoints
    with pytest.raises(InvalidError):
        await configurations.add(db, account, channel, "webhook", Draft(url="http://192.168.1.1/"), allowed=allowed, now=NOW)
    kept = await configurations.update(db, account, channel, "webhook", endpoint.id, Draft(form="Xml"), allowed=(), now=NOW)
    assert [one.form for one in kept.endpoints] == ["Xml"], "an address that is not given is not looked at again"


async def test_a_gone_channel_can_not_be_configured(db: Pool, account: AccountId) -> None:
    from_gone = await new_channel(db, account)
    made = await add(db, account, from_gone)
    entity = await db.fetchval("SELECT entity_id FROM channel WHERE id = $1", from_gone)
    async with db.transaction() as tx:
        await channels.end(tx, account, [entity], NOW)
    for call in (
        add(db, account, from_gone),
        configurations.get(db, account, from_gone, made.id),
        configurations.keep_log(db, account, from_gone, enabled=True, now=NOW),
    ):
        with pytest.raises(NotFoundError):
            await call


# --- races


@pytest.mark.parametrize("kind", ["webhook", "email"])
async def test_ten_of_eleven_at_once(db: Pool, account: AccountId, channel: UUID, bob: UUID, kind: str) -> None:
    targets = [f"ann{number}@example.com" if kind == "email" else f"{URL}/{number}" for number in range(11)]
    done, refused = await at_once(*(add(db, account, channel, kind, target) for target in targets))
    assert (len(done), [error.__class__ for error in refused]) == (10, [ConflictError])
    assert sorted(len(one.endpoints) for one in done) == list(range(1, 11))
    found = (await all_of(db, account, channel))[kind]
    assert (len({one.target for one in found.endpoints}), found.enabled) == (10, True)
    await configurations.delete(db, account, channel, kind, found.endpoints[3].id, NOW)
    assert len((await add(db, account, channel, kind, targets[0])).endpoints) == 10


async def test_one_event_webhook(db: Pool, account: AccountId, channel: UUID) -> None:
    done, refused = await at_once(*(add(db, account, channel, "eventWebhook", f"{URL}/{number}") for number in range(6)))
    assert (len(done), [error.__class__ for error in refused]) == (1, [ConflictError] * 5)


async def test_the_last_customer_contact_stays(db: Pool, account: AccountId, channel: UUID) -> None:
    done, refused = await at_once(*(add(db, account, channel, "customerContact", f"{URL}/{number}") for number in range(6)))
    assert (len(done), refused) == (6, [])
    assert all(len(one.endpoints) == 1 for one in done)
    assert len((await all_of(db, account, channel))["customerContact"].endpoints) == 1
    (after,) = (await add(db, account, channel, "customerContact", f"{URL}/last")).endpoints
    assert after.target == f"{URL}/last"
