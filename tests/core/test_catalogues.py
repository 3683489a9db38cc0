"""The catalogues: what they start with, what the operator may change, what is in use."""

from decimal import Decimal
from typing import Any

import pytest
from msgspec import UNSET

from reachbook.core import catalogues, channel_requests, ids, templates, whatsapp_languages
from reachbook.core.catalogues import Category, ChannelTypeDraft, NumberTypeDraft
from reachbook.core.errors import ConflictError, InvalidError, NotFoundError
from reachbook.core.ids import AccountId
from reachbook.core.paging import Page
from reachbook.database.pool import Pool
from tests.core.channels import ALL, NOW, ask, at_once, category, channel_type, fresh_name, number_type, stock, whatsapp

STARTS = {
    "sms": (True, False, ["keywords", "numbers"]),
    "whatsApp": (False, False, ["templates", "profiles", "businessAccount"]),
    "rcs": (False, True, []),
    "viber": (False, True, []),
}
CATEGORIES = """
AUTHENTICATION MARKETING UTILITY ACCOUNT_UPDATE PAYMENT_UPDATE PERSONAL_FINANCE_UPDATE SHIPPING_UPDATE RESERVATION_UPDATE ISSUE_RESOLUTION
APPOINTMENT_UPDATE TRANSPORTATION_UPDATE TICKET_UPDATE ALERT_UPDATE
""".strip()


@pytest.fixture(scope="module")
def db(quiet: Pool) -> Pool:
    """No server."""
    return quiet


# --- at the start


async def test_channel_types_at_the_start(db: Pool) -> None:
    found = {type.key: type for type in await catalogues.channel_types(db) if type.key in STARTS}
    assert list(found) == list(STARTS)
    for key, (fulfils, soon, of) in STARTS.items():
        type = found[key]
        assert (type.auto_fulfil, type.coming_soon, [one.name for one in type.categories]) == (fulfils, soon, of)
        assert (type.currency, type.startup_cost, type.monthly_cost) == ("EUR", 0, 0)
    assert [type.key for type in (await catalogues.available_types(db, ALL)).rows if type.key in STARTS] == ["sms", "whatsApp"]
    with pytest.raises(NotFoundError):
        await catalogues.available_type(db, found["rcs"].id)


async def test_template_categories_at_the_start(db: Pool) -> None:
    found = {one.name for one in await catalogues.template_categories(db)}
    assert set(CATEGORIES.replace("\n", " ").split()) <= found


async def test_languages_at_the_start(db: Pool) -> None:
    found = {one.code: one.name for one in await catalogues.languages(db) if not one.name.startswith("test")}
    assert len(found) >= 70
    some = {
        "nl": "Dutch",
        "en": "English",
        "en_US": "English (US)",
        "pt_BR": "Portuguese (BR)",
        "zh_CN": "Chinese (CHN)",
        "fil": "Filipino",
    }
    assert some.items() <= found.items()
    assert len(set(found.values())) == len(found)


async def test_number_types_are_the_operators(db: Pool, account: AccountId) -> None:
    for call in (catalogues.number_type(db, ids.new_id()), catalogues.delete_number_type(db, ids.new_id())):
        with pytest.raises(NotFoundError):
            await call
    assert account


# --- channel types


async def test_a_channel_type_and_its_changes(db: Pool) -> None:
    key = fresh_name()
    costs = {"startup_cost": Decimal("1.2345"), "monthly_cost": Decimal("999999999999.9999")}
    given = [(None, " keywords "), (None, "numbers")]
    draft = ChannelTypeDraft(key, " Telex ", " usd ", **costs, processing_days=3, notice_days=30, categories=given)
    made = await catalogues.save_channel_type(db, None, draft, NOW)
    assert (made.key, made.description, made.currency, made.auto_fulfil, made.coming_soon) == (key, "Telex", "USD", False, False)
    assert await catalogues.channel_type(db, made.id) == made
    changed = await catalogues.save_channel_type(db, made.id, ChannelTypeDraft(coming_soon=True), NOW)
    assert (changed.coming_soon, changed.monthly_cost, changed.categories) == (True, costs["monthly_cost"], made.categories)
    first, second = made.categories
    for categories, expected in [
        ([(first.id, "numbers"), (second.id, "keywords")], [(first.id, "numbers"), (second.id, "keywords")]),
        ([(None, "keywords"), (None, "numbers")], [(second.id, "keywords"), (first.id, "numbers")]),
        ([(second.id, "words")], [(second.id, "words")]),
        ([(None, "words"), (None, "new")], [(second.id, "words"), (None, "new")]),
        (None, []),
    ]:
        after = await catalogues.save_channel_type(db, made.id, ChannelTypeDraft(categories=categories), NOW)
        assert [one.name for one in after.categories] == [name for _, name in expected]
        assert all(id in (None, one.id) for one, (id, _) in zip(after.categories, expected, strict=True))
        assert (await catalogues.channel_type(db, made.id)).categories == list(after.categories)


@pytest.mark.parametrize(
    ("given", "paths"),
    [
        ({"key": ""}, {("key",)}),
        ({"key": "a b"}, {("key",)}),
        ({"key": "é"}, {("key",)}),
        ({"key": "a" * 256}, {("key",)}),
        ({"description": None, "currency": "EURO"}, {("description",), ("currency",)}),
        ({"startup_cost": Decimal("-0.01"), "monthly_cost": Decimal("0.00001")}, {("startup_cost",), ("monthly_cost",)}),
        ({"startup_cost": Decimal("NaN"), "monthly_cost": Decimal("Infinity")}, {("startup_cost",), ("monthly_cost",)}),
        ({"monthly_cost": Decimal(10) ** 12}, {("monthly_cost",)}),
        ({"processing_days": -1, "notice_days": 2**31}, {("processing_days",), ("notice_days",)}),
        ({"categories": [(None, ""), (None, "a"), (None, "a")]}, {("categories", 0, "name"), ("categories", 2, "name")}),
        ({"categories": [(ids.UUID(int=7), "a")]}, {("categories", 0, "id")}),
    ],
)
async def test_what_a_channel_type_may_not_be(db: Pool, given: dict[str, Any], paths: set[Any]) -> None:
    made = await channel_type(db)
    for id, draft in ((None, {"key": fresh_name(), "description": "New"} | given), (made.id, given)):
        with pytest.raises(InvalidError) as refused:
            await catalogues.save_channel_type(db, id, ChannelTypeDraft(**draft), NOW)
        assert {fault.path for fault in refused.value.faults} == paths
    assert await catalogues.channel_type(db, made.id) == made


async def test_keys_are_unique_and_some_are_fixed(db: Pool) -> None:
    made, other = await channel_type(db), await channel_type(db)
    for id, draft in [(None, ChannelTypeDraft(made.key.upper(), "New")), (other.id, ChannelTypeDraft(key=made.key))]:
        with pytest.raises(ConflictError):
            await catalogues.save_channel_type(db, id, draft, NOW)
    for key in (catalogues.SMS, catalogues.WHATSAPP):
        type = await catalogues.channel_type_by_key(db, key)
        with pytest.raises(ConflictError):
            await catalogues.save_channel_type(db, type.id, ChannelTypeDraft(key=fresh_name()), NOW)
        assert await catalogues.save_channel_type(db, type.id, ChannelTypeDraft(key=key, description=type.description), NOW) == type
    with pytest.raises(NotFoundError):
        await catalogues.save_channel_type(db, ids.new_id(), ChannelTypeDraft(description="New"), NOW)


async def test_categories_with_channels_stay(db: Pool, account: AccountId) -> None:
    await ask(db, account, await number_type(db))
    sms = await catalogues.channel_type_by_key(db, catalogues.SMS)
    for categories in ([(None, "keywords")], [], [(None, "keywords"), (sms.categories[1].id, "numerals")]):
        with pytest.raises(ConflictError):
            await catalogues.save_channel_type(db, sms.id, ChannelTypeDraft(categories=categories), NOW)
    assert await catalogues.channel_type_by_key(db, catalogues.SMS) == sms


# --- number types


async def test_a_number_type_and_its_changes(db: Pool) -> None:
    made = await number_type(db, purpose=[" sms ", "Voice", ""], country=" be ", category=fresh_name(), keyword_monthly_cost=Decimal("0.5"))
    assert (list(made.purpose), made.country, made.currency, made.startup_cost) == (["SMS", "VOICE"], "BE", "EUR", 0)
    changed = await catalogues.save_number_type(db, made.id, NumberTypeDraft(country="NL", notice_days=5))
    assert (changed.country, changed.notice_days, changed.keyword_monthly_cost) == ("NL", 5, Decimal("0.5"))
    assert (await catalogues.number_type(db, made.id)) == changed
    for filters, found in [
        ({"country": "nl"}, True),
        ({"country": "BE"}, False),
        ({"purpose": "voice"}, True),
        ({"purpose": "mms"}, False),
        ({"category": made.category.upper()}, True),
        ({"category": "other"}, False),
        ({"country": "NL", "category": made.category, "purpose": "SMS"}, True),
    ]:
        listed = await catalogues.number_types(db, ALL, **filters)
        assert (changed in listed.rows) == found, filters
        assert listed.total == len(listed.rows)
    assert (await catalogues.number_types(db, Page(10_000, 1))).rows == []


@pytest.mark.parametrize(
    ("given", "paths"),
    [
        ({"country": "XX"}, {("country",)}),
        ({"country": "001"}, {("country",)}),
        ({"country": None}, {("country",)}),
        ({"purpose": []}, {("purpose",)}),
        ({"purpose": [" "]}, {("purpose",)}),
        ({"category": "", "description": " "}, {("category",), ("description",)}),
        ({"currency": "€"}, {("currency",)}),
        ({"keyword_startup_cost": Decimal(-1), "keyword_notice_days": -1}, {("keyword_startup_cost",), ("keyword_notice_days",)}),
    ],
)
async def test_what_a_number_type_may_not_be(db: Pool, given: dict[str, Any], paths: set[Any]) -> None:
    made = await number_type(db)
    new = {"country": "NL", "category": "virtual", "description": "New"}
    for id, draft in ((None, new | given), (made.id, given)):
        with pytest.raises(InvalidError) as refused:
            await catalogues.save_number_type(db, id, NumberTypeDraft(**draft))
        assert {fault.path for fault in refused.value.faults} == paths
    assert await catalogues.number_type(db, made.id) == made


async def test_a_number_type_in_use(db: Pool, account: AccountId) -> None:
    stocked, requested, unused = [await number_type(db) for _ in range(3)]
    await stock(db, stocked)
    await ask(db, account, requested)
    for type in (stocked, requested):
        with pytest.raises(ConflictError):
            await catalogues.delete_number_type(db, type.id)
    with pytest.raises(ConflictError):
        await catalogues.save_number_type(db, stocked.id, NumberTypeDraft(country="BE"))
    assert (await catalogues.save_number_type(db, stocked.id, NumberTypeDraft(country="nl", description="New"))).description == "New"
    await catalogues.delete_number_type(db, unused.id)
    with pytest.raises(NotFoundError):
        await catalogues.number_type(db, unused.id)
    with pytest.raises(NotFoundError):
        await ask(db, account, unused)


# --- languages and template categories


async def test_a_language_and_its_changes(db: Pool, account: AccountId) -> None:
    name = fresh_name()
    made = await catalogues.save_language(db, None, name, f" {name} ")
    assert (made.code, made.name) == (name, name)
    code = fresh_name()
    assert await catalogues.save_language(db, made.id, code, UNSET) == (made.id, code, name)
    assert await catalogues.language(db, made.id) == (made.id, code, name)
    for code, title in ((None, "New"), ("", "New"), ("new", None), ("a" * 256, "New")):
        with pytest.raises(InvalidError):
            await catalogues.save_language(db, None, code, title)
    for code, title in (("nl", fresh_name()), (fresh_name(), "Dutch")):
        for id in (None, made.id):
            with pytest.raises(ConflictError):
                await catalogues.save_language(db, id, code, title)
    for call in (catalogues.save_language(db, ids.new_id(), "a", "b"), catalogues.delete_language(db, ids.new_id())):
        with pytest.raises(NotFoundError):
            await call
    request = await whatsapp(db, account)
    await whatsapp_languages.activate(db, account, request, made.id, NOW)
    with pytest.raises(ConflictError):
        await catalogues.delete_language(db, made.id)
    other = await catalogues.save_language(db, None, fresh_name(), fresh_name())
    await catalogues.delete_language(db, other.id)
    assert other not in await catalogues.languages(db)


async def test_a_template_category_and_its_changes(db: Pool, account: AccountId) -> None:
    made = await catalogues.save_template_category(db, None, f" {fresh_name()} ")
    changed = await catalogues.save_template_category(db, made.id, fresh_name())
    assert changed == Category(made.id, (await catalogues.template_category(db, made.id)).name) != made
    for id, name, error in [
        (None, "", InvalidError),
        (made.id, None, InvalidError),
        (None, "UTILITY", ConflictError),
        (made.id, "UTILITY", ConflictError),
        (ids.new_id(), "New", NotFoundError),
    ]:
        with pytest.raises(error):
            await catalogues.save_template_category(db, id, name)
    request = await whatsapp(db, account)
    used = await templates.create(db, account, request, ids.new_id(), "Order", made.id, NOW)
    with pytest.raises(ConflictError):
        await catalogues.delete_template_category(db, made.id)
    await templates.update(db, account, request, used.id, templates.Draft(category=await category(db)), NOW)
    await catalogues.delete_template_category(db, made.id)
    with pytest.raises(NotFoundError):
        await catalogues.template_category(db, made.id)


# --- the same at once


async def test_one_of_a_name(db: Pool) -> None:
    name = fresh_name()
    for calls in (
        [catalogues.save_channel_type(db, None, ChannelTypeDraft(name, f"New {turn}"), NOW) for turn in range(6)],
        [catalogues.save_language(db, None, name, f"{name} {turn}") for turn in range(6)],
        [catalogues.save_language(db, None, f"{name} {turn}", name.upper()) for turn in range(6)],
        [catalogues.save_template_category(db, None, name) for _ in range(6)],
    ):
        done, refused = await at_once(*calls)
        assert (len(done), [error.__class__ for error in refused]) == (1, [ConflictError] * 5)


async def test_two_take_each_others_name(db: Pool) -> None:
    first, second = [await catalogues.save_template_category(db, None, fresh_name()) for _ in range(2)]
    new = fresh_name()
    done, refused = await at_once(*(catalogues.save_template_category(db, one.id, new) for one in (first, second)))
    assert (len(done), [error.__class__ for error in refused]) == (1, [ConflictError])


async def test_changed_while_it_is_asked_for(db: Pool, account: AccountId) -> None:
    """A request has costs that the type had at one moment, never some of one and some of another."""
    type = await channel_type(db, auto_fulfil=True)
    changes = [
        catalogues.save_channel_type(db, type.id, ChannelTypeDraft(startup_cost=Decimal(turn), monthly_cost=Decimal(turn)), NOW)
        for turn in range(1, 9)
    ]
    requests = [channel_requests.create(db, account, ids.new_id(), type.id, NOW) for _ in range(8)]
    done, refused = await at_once(*(call for pair in zip(changes, requests, strict=True) for call in pair))
    assert refused == []
    made = [one for one in done if isinstance(one, channel_requests.ChannelRequest)]
    assert len(made) == 8
    assert all(one.startup_cost == one.monthly_cost for one in made)
