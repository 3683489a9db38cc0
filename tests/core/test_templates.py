"""WhatsApp templates: names, contents, fields, validation; what may be changed and what not."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from reachbook.core import catalogues, channels, decisions, ids, templates, whatsapp_languages
from reachbook.core.errors import ConflictError, Fault, InvalidError, NotFoundError
from reachbook.core.ids import AccountId
from reachbook.core.limits import TEMPLATE_FIELDS
from reachbook.core.templates import Draft, Template
from reachbook.core.work_queue import Kind
from reachbook.database.pool import Pool
from tests.core.channels import (
    ALL,
    NOW,
    activate,
    ask_whatsapp,
    at_once,
    category,
    decide_language,
    fresh_name,
    item_of,
    items,
    language_of,
    standing,
    template,
    whatsapp,
)

TICK = timedelta(milliseconds=1)
HELLO = {"en": "Hello there.", "nl": "Hallo daar."}


@pytest.fixture(scope="module")
def db(quiet: Pool) -> Pool:
    """No server tells a provider."""
    return quiet


@pytest.fixture
def bob(other_account: AccountId) -> AccountId:
    """Somebody else."""
    return other_account


@pytest.fixture
async def request_(db: Pool, account: AccountId) -> UUID:
    """Alice's request for WhatsApp."""
    return await whatsapp(db, account)


async def write(db: Pool, account: AccountId, of: Template, languages: Mapping[str, str | None], now: Any = NOW, **more: Any) -> Template:
    """Change contents."""
    return await templates.update(db, account, of.request_id, of.id, Draft(languages=languages, **more), now)


async def validate(db: Pool, account: AccountId, of: Template, now: Any = NOW) -> Template:
    """Ask for it."""
    return await templates.validate(db, account, of.request_id, of.id, now)


async def said(db: Pool, account: AccountId, of: Template, code: str, event: str, reason: str | None = None) -> Template:
    """What the provider says."""
    async with db.transaction() as tx:
        assert await templates.decide(tx, account, language_of(of, code).id, event, reason=reason, now=NOW)
    return await templates.get(db, account, of.request_id, of.id)


async def is_pending(db: Pool, account: AccountId, of: Template) -> bool:
    """What the channel says."""
    return (await channels.get(db, account, of.channel_id)).is_pending


def states(of: Template) -> dict[str, str]:
    """By code."""
    return {one.language.code: one.state for one in of.languages}


# --- names


async def test_a_new_template(db: Pool, account: AccountId, bob: AccountId, request_: UUID) -> None:
    made = await templates.create(db, account, request_, ids.new_id(), " Commande reçue ", await category(db), NOW)
    assert (made.name, made.facebook_name, made.category.name) == ("Commande reçue", "commande_recue", "UTILITY")
    assert (made.is_pending, made.is_active, made.is_incomplete, made.rejected, made.fulfilled_at) == (True, False, True, None, None)
    channel = await channels.get(db, account, made.channel_id)
    assert (channel.request_id, channel.category, channel.element_id, channel.is_pending) == (request_, "templates", str(made.id), True)
    for text, found in [(None, 1), ("REÇUE", 1), ("de_rec", 1), ("nothing", 0), ("%", 0), ("_", 1)]:
        assert (await templates.list_templates(db, account, request_, ALL, text)).total == found, text
    field = (await templates.add_field(db, account, request_, made.id, "name", "text", NOW)).fields[0]
    before = await standing(db, account, bob)
    for call in (
        templates.get(db, bob, request_, made.id),
        templates.list_templates(db, bob, request_, ALL),
        templates.create(db, bob, request_, ids.new_id(), "A", await category(db), NOW),
        templates.update(db, bob, request_, made.id, Draft(name="B"), NOW),
        templates.add_field(db, bob, request_, made.id, "a", "text", NOW),
        templates.update_field(db, bob, request_, made.id, field.id, "a", "text", NOW),
        templates.delete_field(db, bob, request_, made.id, field.id, NOW),
        templates.validate(db, bob, request_, made.id, NOW),
        whatsapp_languages.active(db, bob, request_),
        whatsapp_languages.activate(db, bob, request_, (await catalogues.languages(db))[0].id, NOW),
        templates.get(db, account, await whatsapp(db, account), made.id),
        templates.create(db, account, request_, ids.new_id(), "A", ids.new_id(), NOW),
    ):
        with pytest.raises(NotFoundError):
            await call
    async with db.transaction() as tx:
        assert not await templates.decide(tx, bob, ids.new_id(), "approve", reason=None, now=NOW)
    assert await standing(db, bob) == []
    after = await standing(db, account, bob)
    assert len(after) > len(before), "but for the second request, which is Alice's own"
    assert set(before) <= set(after)


@pytest.mark.parametrize("name", [None, "", "  ", "a" * 256, "a\0"])
async def test_a_template_has_a_name(db: Pool, account: AccountId, request_: UUID, name: str | None) -> None:
    before = await standing(db, account)
    with pytest.raises(InvalidError) as refused:
        await templates.create(db, account, request_, ids.new_id(), name, await category(db), NOW)
    assert [fault.path for fault in refused.value.faults] == [("name",)]
    assert await standing(db, account) == before


async def test_facebook_names_are_unique_in_a_business_account(db: Pool, account: AccountId, bob: AccountId, request_: UUID) -> None:
    names = ["Order", "order", "ORDER!", "Order 2", "order_2", "Order", "㎨" * 200, "㎨" * 200, "注文", "支払い"]
    made = [await template(db, account, request_, name=name) for name in names]
    found = [one.facebook_name for one in made]
    assert found[:6] == ["order", "order_2", "order_3", "order_2_2", "order_2_3", "order_4"]
    assert found[8:] == ["template", "template_2"]
    assert len(set(found)) == len(found)
    assert all(len(one) <= 512 for one in found)
    assert (await template(db, account, await whatsapp(db, account))).facebook_name == "order", "elsewhere it is free"
    assert (await template(db, bob, await whatsapp(db, bob))).facebook_name == "order"


async def test_facebook_names_are_unique_whoever_comes_at_once(db: Pool, account: AccountId, request_: UUID) -> None:
    first = [await template(db, account, request_, name=f"Other {number}") for number in range(4)]
    done, refused = await at_once(
        *(template(db, account, request_, name=name) for name in ["Order", "order", "Order!"] * 4),
        *(templates.update(db, account, request_, one.id, Draft(name="ORDER"), NOW) for one in first),
    )
    assert (len(done), refused) == (16, [])
    found = {one.facebook_name for one in (await templates.list_templates(db, account, request_, ALL)).rows}
    assert found == {"order", *(f"order_{number}" for number in range(2, 17))}


async def test_a_name_that_the_provider_knows_stays(db: Pool, account: AccountId, request_: UUID) -> None:
    made = await template(db, account, request_, {"en": HELLO["en"]})
    renamed = await templates.update(db, account, request_, made.id, Draft(name="Sent"), NOW + TICK)
    assert (renamed.name, renamed.facebook_name, renamed.updated_at) == ("Sent", "sent", NOW + TICK)
    assert (await templates.update(db, account, request_, made.id, Draft(name="sent"), NOW)).facebook_name == "sent", "its own is free"
    await validate(db, account, made)
    again = await templates.update(db, account, request_, made.id, Draft(name="Shipped"), NOW)
    assert (again.name, again.facebook_name) == ("Shipped", "sent")


# --- contents


async def test_contents_by_name_or_code(db: Pool, account: AccountId, request_: UUID) -> None:
    made = await template(db, account, request_)
    await activate(db, account, request_, "en_US", "nl")
    written = await write(db, account, made, {"english (us)": "Hello.", " NL ": "Hallo."})
    assert {one.language.name: one.content for one in written.languages} == {"English (US)": "Hello.", "Dutch": "Hallo."}
    for key in ("fr", "French", "", "english"):
        with pytest.raises(InvalidError) as refused:
            await write(db, account, made, {"nl": "Anders.", key: "Bonjour."})
        assert refused.value.faults == [Fault(("languages", key), "is no active language")]
    assert await templates.get(db, account, request_, made.id) == written, "all or nothing"


async def test_a_language_by_two_names_at_once(db: Pool, account: AccountId, request_: UUID) -> None:
    made = await template(db, account, request_)
    await activate(db, account, request_, "nl")
    for contents in ({"Dutch": "Een.", "nl": "Twee."}, {"NL": "Een.", "nl": "Een."}):
        with pytest.raises(InvalidError) as refused:
            await write(db, account, made, contents)
        assert [fault.path for fault in refused.value.faults] == [("languages", "nl")]
    assert await templates.get(db, account, request_, made.id) == made


async def test_what_is_as_it_was_is_no_change(db: Pool, account: AccountId, request_: UUID) -> None:
    made = await template(db, account, request_, HELLO)
    same = Draft(made.category.id, made.name, {"en": HELLO["en"], "Dutch": None})
    assert await templates.update(db, account, request_, made.id, same, NOW + TICK) == made
    await validate(db, account, made)
    assert (await write(db, account, made, HELLO)).updated_at == NOW
    for wrong in ("a\0", "a" * 4_001):
        with pytest.raises(InvalidError) as refused:
            await write(db, account, made, {"nl": wrong})
        assert [fault.path for fault in refused.value.faults] == [("languages", "nl", "content")]


async def test_all_of_an_update_or_nothing(db: Pool, account: AccountId, request_: UUID) -> None:
    made = await template(db, account, request_, {"en": HELLO["en"]})
    await validate(db, account, made)
    await write(db, account, made, {"en": HELLO["en"]})
    await activate(db, account, request_, "nl", "de")
    before = await standing(db, account)
    other = await category(db, "MARKETING")
    for draft, error in [
        (Draft(name="New", languages={"nl": "Hallo.", "en": "Changed."}), ConflictError),
        (Draft(name="New", languages={"nl": "Hallo.", "fr": "Bonjour."}), InvalidError),
        (Draft(name="", languages={"nl": "Hallo."}), InvalidError),
        (Draft(category=other, languages={"nl": "Hallo."}), ConflictError),
        (Draft(category=ids.new_id(), languages={"nl": "Hallo."}), NotFoundError),
    ]:
        with pytest.raises(error):
            await templates.update(db, account, request_, made.id, draft, NOW + TICK)
        assert await standing(db, account) == before
    done = await write(db, account, made, {"nl": "Hallo.", "de": "Hallo."}, name="New")
    assert (done.name, states(done)) == ("New", {"en": "validating", "nl": "draft", "de": "draft"})


async def test_the_category_is_open_until_something_is_sent(db: Pool, account: AccountId, request_: UUID) -> None:
    made = await template(db, account, request_, {"en": HELLO["en"]})
    draft = Draft(category=await category(db, "MARKETING"))
    assert (await templates.update(db, account, request_, made.id, draft, NOW)).category.name == "MARKETING"
    await validate(db, account, made)
    made = await decide_language(db, account, made, "en", approved=False)
    draft = Draft(category=await category(db, "UTILITY"))
    assert (await templates.update(db, account, request_, made.id, draft, NOW)).category.name == "UTILITY"


# --- validation


async def test_complete_languages_are_validated(db: Pool, account: AccountId, bob: AccountId, request_: UUID) -> None:
    contents = {"en": "Hi {{1}}!", "nl": "Hallo {{1}}!", "de": "Hallo!", "fr": ""}
    made = await template(db, account, request_, contents, fields=1)
    assert {one.language.code: len(one.faults) for one in made.languages} == {"en": 0, "nl": 0, "de": 1, "fr": 1}
    sent = await validate(db, account, made, NOW + TICK)
    assert states(sent) == {"en": "validating", "nl": "validating", "de": "draft", "fr": "draft"}
    assert [one.submitted_at for one in sent.languages] == [NOW + TICK, NOW + TICK, None, None]
    assert (sent.is_pending, sent.is_incomplete, sent.is_active) == (True, True, False)
    expected = {(Kind.TEMPLATE_LANGUAGE, language_of(sent, code).id) for code in ("en", "nl")}
    assert {(item.kind, item.entity_id) for item in await items(db, account)} == expected
    with pytest.raises(ConflictError) as refused:
        await validate(db, account, made)
    assert {fault.path: fault.message for fault in refused.value.faults} == {
        ("languages", "English"): "awaits validation already",
        ("languages", "Dutch"): "awaits validation already",
        ("languages", "German"): "the field {{1}} does not occur",
        ("languages", "French"): "the content is empty",
    }
    done = await decide_language(db, account, sent, "en", approved=True, now=NOW + 2 * TICK)
    assert (done.is_active, done.is_pending, done.fulfilled_at) == (True, False, NOW + 2 * TICK)
    assert not await is_pending(db, account, made)
    done = await decide_language(db, account, done, "nl", approved=False, reason="Too short.")
    assert (language_of(done, "nl").rejection_reason, done.is_active, done.rejected) == ("Too short.", True, None)
    assert await items(db, account) == await items(db, bob) == []
    with pytest.raises(ConflictError) as refused:
        await validate(db, account, made)
    assert refused.value.faults[0].message == "is approved already"
    assert refused.value.faults[1].message == "was rejected: edit it first"


async def test_a_template_without_languages_can_not_be_validated(db: Pool, account: AccountId, request_: UUID) -> None:
    with pytest.raises(ConflictError) as refused:
        await validate(db, account, await template(db, account, request_))
    assert refused.value.faults == []


async def test_approved_languages_are_read_only(db: Pool, account: AccountId, request_: UUID) -> None:
    made = await template(db, account, request_, HELLO | {"en": "Hi {{1}}!", "nl": "Hallo {{1}}!"}, fields=1)
    field = made.fields[0].id
    await validate(db, account, made)

    async def refuse(code: str, why: str) -> None:
        before = await standing(db, account)
        with pytest.raises(ConflictError, match=why):
            await write(db, account, made, {code: "Other {{1}}!"})
        for call in (
            templates.add_field(db, account, request_, made.id, "a", "text", NOW),
            templates.update_field(db, account, request_, made.id, field, "a", "text", NOW),
            templates.delete_field(db, account, request_, made.id, field, NOW),
        ):
            with pytest.raises(ConflictError):
                await call
        assert await standing(db, account) == before

    await refuse("en", "English awaits validation and can't be changed.")
    await decide_language(db, account, made, "en", approved=True)
    await decide_language(db, account, made, "nl", approved=False)
    await refuse("en", "English is active and can't be changed.")
    assert states(await write(db, account, made, {"nl": "Other {{1}}!"})) == {"en": "active", "nl": "draft"}
    await said(db, account, made, "en", "suspend", "People complain.")
    await refuse("en", "English is suspended and can't be changed.")


async def test_a_rejected_language_keeps_its_reason_until_it_is_edited(db: Pool, account: AccountId, request_: UUID) -> None:
    made = await template(db, account, request_, HELLO)
    await validate(db, account, made)
    for code in ("en", "nl"):
        made = await decide_language(db, account, made, code, approved=False, reason=f"Not {code}.", now=NOW + TICK * (code == "nl"))
    rejected = made.rejected
    assert rejected is not None
    assert (rejected.language.code, rejected.rejection_reason, rejected.rejected_at) == ("nl", "Not nl.", NOW + TICK)
    assert (made.is_pending, made.is_active, made.is_incomplete) == (False, False, False)
    assert await is_pending(db, account, made)
    made = await write(db, account, made, {"en": HELLO["en"]})
    assert language_of(made, "en").rejection_reason == "Not en.", "what is as it was is no edit"
    made = await write(db, account, made, {"en": "Hello again."})
    english = language_of(made, "en")
    assert (english.state, english.rejection_reason, english.rejected_at, english.submitted_at) == ("draft", None, None, NOW)
    assert states(await validate(db, account, made)) == {"en": "validating", "nl": "rejected"}
    done = await decide_language(db, account, made, "en", approved=True)
    assert (done.is_active, done.rejected) == (True, None)


async def test_what_the_provider_takes_away_and_gives_back(db: Pool, account: AccountId, request_: UUID) -> None:
    made = await template(db, account, request_, {"en": HELLO["en"]})
    await validate(db, account, made)
    made = await said(db, account, made, "en", "approve")
    assert (made.is_active, await is_pending(db, account, made), await items(db, account)) == (True, False, [])
    made = await said(db, account, made, "en", "suspend", "People complain.")
    assert (made.is_active, await is_pending(db, account, made)) == (False, True)
    assert language_of(made, "en").rejection_reason == "People complain."
    made = await said(db, account, made, "en", "approve")
    assert (made.is_active, await is_pending(db, account, made)) == (True, False)
    assert language_of(made, "en").rejection_reason is None
    other = await template(db, account, request_, {"en": HELLO["en"]})
    await validate(db, account, other)
    await decide_language(db, account, other, "en", approved=False)
    assert (await said(db, account, other, "en", "reinstate")).is_active


# --- fields


async def test_fields_are_numbered_in_their_order(db: Pool, account: AccountId, request_: UUID) -> None:
    made = await template(db, account, request_, {"en": "From {{1}} to {{2}} by {{3}}."}, fields=3)
    first, second, third = made.fields
    assert list(made.languages[0].faults) == []
    less = await templates.delete_field(db, account, request_, made.id, first.id, NOW + TICK)
    assert ([one.id for one in less.fields], less.updated_at) == ([second.id, third.id], NOW + TICK), "those behind it move up"
    assert less.languages[0].content == "From {{1}} to {{2}} by {{3}}.", "the content stays as it is"
    assert list(less.languages[0].faults) == ["{{3}} stands for no field"]
    with pytest.raises(ConflictError):
        await validate(db, account, made)
    more = await templates.add_field(db, account, request_, made.id, " Amount ", "Currency", NOW)
    assert [(one.name, one.type) for one in more.fields][-1] == ("Amount", "currency")
    assert list(more.languages[0].faults) == []
    changed = await templates.update_field(db, account, request_, made.id, second.id, "When", "datetime", NOW)
    assert changed.fields[0] == templates.Field(second.id, "When", "datetime")
    before = await standing(db, account)
    for name, kind in [("", "text"), ("a" * 256, "text"), ("a", "number"), ("a", "")]:
        for call in (
            templates.add_field(db, account, request_, made.id, name, kind, NOW),
            templates.update_field(db, account, request_, made.id, second.id, name, kind, NOW),
        ):
            with pytest.raises(InvalidError):
                await call
    for call in (
        templates.update_field(db, account, request_, made.id, first.id, "a", "text", NOW),
        templates.delete_field(db, account, request_, made.id, first.id, NOW),
    ):
        with pytest.raises(NotFoundError):
            await call
    assert await standing(db, account) == before


async def test_at_most_a_hundred_fields(db: Pool, account: AccountId, request_: UUID) -> None:
    made = await template(db, account, request_, fields=TEMPLATE_FIELDS - 2)
    _, refused = await at_once(*(templates.add_field(db, account, request_, made.id, "a", "text", NOW) for _ in range(4)))
    assert [error.__class__ for error in refused] == [ConflictError] * 2
    assert len((await templates.get(db, account, request_, made.id)).fields) == TEMPLATE_FIELDS


# --- languages of a business account


async def test_languages_are_activated_once(db: Pool, account: AccountId, bob: AccountId, request_: UUID) -> None:
    known = {language.code: language for language in await catalogues.languages(db)}
    for _ in range(2):
        found = await whatsapp_languages.activate(db, account, request_, known["nl"].id, NOW)
        assert list(found) == [known["nl"]]
    done, refused = await at_once(*(whatsapp_languages.activate(db, account, request_, known["en"].id, NOW) for _ in range(5)))
    assert (len(done), refused) == (5, [])
    assert [one.code for one in await whatsapp_languages.active(db, account, request_)] == ["nl", "en"], "by name"
    with pytest.raises(NotFoundError):
        await whatsapp_languages.activate(db, account, request_, ids.new_id(), NOW)
    assert list(await whatsapp_languages.active(db, bob, await whatsapp(db, bob))) == []


async def test_a_language_is_not_deleted_while_it_is_activated(db: Pool, account: AccountId, request_: UUID) -> None:
    for _ in range(10):
        name = fresh_name()
        language = await catalogues.save_language(db, None, name, name)
        done, refused = await at_once(
            whatsapp_languages.activate(db, account, request_, language.id, NOW), catalogues.delete_language(db, language.id)
        )
        assert (len(done), len(refused)) == (1, 1)
    kept = await db.fetch("SELECT language_id FROM active_language WHERE account_id = $1", account)
    assert {row["language_id"] for row in kept} == {one.id for one in await whatsapp_languages.active(db, account, request_)}


async def test_a_category_is_not_deleted_under_a_template(db: Pool, account: AccountId, request_: UUID) -> None:
    for _ in range(10):
        new = await catalogues.save_template_category(db, None, fresh_name())
        create = templates.create(db, account, request_, ids.new_id(), "Order", new.id, NOW)
        done, refused = await at_once(create, catalogues.delete_template_category(db, new.id))
        assert (len(done), len(refused)) == (1, 1)
    found = await templates.list_templates(db, account, request_, ALL)
    assert found.total == len(found.rows)


# --- a refused request, and races


async def test_nothing_is_changed_in_a_refused_request(db: Pool, account: AccountId) -> None:
    waiting = await ask_whatsapp(db, account)
    made = await template(db, account, waiting.id, {"en": HELLO["en"], "nl": ""})
    await validate(db, account, made)
    await decisions.reject(db, account, await item_of(db, account, Kind.CHANNEL, waiting.id), "No.", NOW)
    gone = await templates.get(db, account, waiting.id, made.id)
    assert (gone.cancelled_at, states(gone), gone.is_pending) == (NOW, {"en": "cancelled", "nl": "cancelled"}, False)
    assert await items(db, account) == []
    before = await standing(db, account)
    for call in (
        template(db, account, waiting.id),
        write(db, account, made, {"nl": "Hallo."}),
        templates.add_field(db, account, waiting.id, made.id, "a", "text", NOW),
        validate(db, account, made),
        activate(db, account, waiting.id, "de"),
    ):
        with pytest.raises(ConflictError):
            await call
    with pytest.raises(NotFoundError):
        await channels.get(db, account, made.channel_id)
    assert await standing(db, account) == before


async def test_made_and_changed_while_its_request_is_refused(db: Pool, account: AccountId) -> None:
    """What is made is cancelled with the rest, or was refused itself; nobody waits for somebody who waits for him."""
    for turn in range(8):
        waiting = await ask_whatsapp(db, account)
        made = await template(db, account, waiting.id, HELLO, name="Order")
        item = await item_of(db, account, Kind.CHANNEL, waiting.id)
        _, refused = await at_once(
            templates.create(db, account, waiting.id, ids.new_id(), "Order", made.category.id, NOW),
            write(db, account, made, {"en": f"Hello {turn}."}, name=f"Renamed {turn}"),
            decisions.reject(db, account, item, "No.", NOW),
            validate(db, account, made),
            write(db, account, made, {"nl": f"Hallo {turn}."}, name=f"Renamed {turn}"),
            templates.create(db, account, waiting.id, ids.new_id(), "Order", made.category.id, NOW),
        )
        assert all(isinstance(error, ConflictError) for error in refused)
        found = (await templates.list_templates(db, account, waiting.id, ALL)).rows
        assert all(one.cancelled_at == NOW for one in found)
        assert {state for one in found for state in states(one).values()} == {"cancelled"}
        assert await items(db, account) == []


async def test_two_validations(db: Pool, account: AccountId, request_: UUID) -> None:
    for _ in range(8):
        made = await template(db, account, request_, {"en": HELLO["en"]})
        done, refused = await at_once(*(validate(db, account, made) for _ in range(4)))
        assert (len(done), [error.__class__ for error in refused]) == (1, [ConflictError] * 3)
        language = language_of(made, "en").id
        assert [item.entity_id for item in await items(db, account)].count(language) == 1


async def test_edited_while_its_validation_is_asked_for(db: Pool, account: AccountId, request_: UUID) -> None:
    """What was sent is what is there: an edit comes before, or is refused."""
    for _ in range(8):
        made = await template(db, account, request_, {"en": "Hello."})
        edit = write(db, account, made, {"en": "{{1}}"})
        _, refused = await at_once(validate(db, account, made), edit)
        after = language_of(await templates.get(db, account, request_, made.id), "en")
        assert len(refused) == 1
        assert isinstance(refused[0], ConflictError)
        assert (after.state, after.content) in (("validating", "Hello."), ("draft", "{{1}}"))


async def test_one_decision_about_a_language(db: Pool, account: AccountId, bob: AccountId, request_: UUID) -> None:
    for _ in range(8):
        made = await template(db, account, request_, {"en": HELLO["en"]})
        await validate(db, account, made)
        item = await item_of(db, account, Kind.TEMPLATE_LANGUAGE, language_of(made, "en").id)
        with pytest.raises(NotFoundError):
            await decisions.approve(db, bob, item, now=NOW)
        done, refused = await at_once(
            decisions.approve(db, account, item, now=NOW),
            decisions.reject(db, account, item, "No.", NOW),
            decisions.approve(db, account, item, now=NOW),
            decisions.reject(db, account, item, "Never.", NOW),
        )
        assert (len(done), [error.__class__ for error in refused]) == (1, [ConflictError] * 3)
        after = await templates.get(db, account, request_, made.id)
        assert states(after)["en"] == ("active" if done[0].state == "approved" else "rejected")
        assert language_of(after, "en").rejection_reason == done[0].reason
        assert await is_pending(db, account, made) == (not after.is_active)
