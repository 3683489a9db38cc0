"""Push tokens: who is reached by them, and that they go with their contact."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from reachbook.core import consent, contacts, filters, groups, members, push, segments
from reachbook.core.consent import Change, Reason, Source, TokenType
from reachbook.core.drafts import Draft
from reachbook.core.errors import NotFoundError
from reachbook.core.filters import Filter
from reachbook.core.groups import Kind
from reachbook.core.ids import AccountId
from reachbook.core.members import Asked
from reachbook.core.paging import Page
from reachbook.database.pool import Pool
from reachbook.database.values import Values
from tests.core.book import android, brought, dumped_ids, member, new_list, wrong_counters

pytestmark = pytest.mark.usefixtures("bob")

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
ALL = Page(0, 100)
PHONE = "+31627100000"


async def tell(db: Pool, account: AccountId, token: str, *, is_active: bool = True, reason: Reason = Reason.USER) -> None:
    """Opt a device out or in."""
    change = Change(TokenType.PUSH, token, is_active=is_active, reason=reason)
    await consent.change(db, account, change, source=Source.API, actor=UUID(int=7), now=NOW)


async def people(db: Pool, account: AccountId, group: UUID) -> list[UUID]:
    """Of two devices the second is opted out; one that is not; one with a phone only, whose number is; one whose device differs in case."""
    rows = [member(android("a"), android("Device-1")), member(android("b")), member(phone=PHONE), member(android("device-1"))]
    everyone = await brought(db, account, group, *rows)
    await tell(db, account, "Device-1")
    await consent.change(db, account, Change(TokenType.SMS, PHONE, is_active=True), source=Source.API, actor=UUID(int=7), now=NOW)
    return everyone


@pytest.mark.parametrize("form", ["json", "csv"])
async def test_a_dump_leaves_out_who_has_a_device_that_is_opted_out(db: Pool, account: AccountId, bob: AccountId, form: str) -> None:
    group, bypassing = await new_list(db, account, Kind.PUSH), await new_list(db, account, bypass_opt_out=True)
    out, device, phone, other = everyone = await people(db, account, group)

    async def dumped(of: list[UUID], *, only: bool = False, account: AccountId = account) -> list[UUID]:
        return await dumped_ids(db, account, TokenType.PUSH, groups=of, form=form, reachable_only=only)

    assert await dumped([group]) == [device, phone, other]
    assert await dumped([group], only=True) == [device, other]
    assert await dumped_ids(db, account, TokenType.PUSH, contacts=everyone, form=form) == [device, phone, other]
    assert await dumped_ids(db, account, TokenType.SMS, groups=[group], form=form) == [out, device, other]
    await contacts.update(db, account, out, Draft(), now=NOW, move_to=bypassing)
    await contacts.update(db, account, phone, Draft(), now=NOW, move_to=bypassing)
    assert await dumped([bypassing]) == [out, phone]
    assert await dumped([bypassing], only=True) == [out]
    assert await dumped([group, bypassing]) == everyone
    assert await dumped_ids(db, account, TokenType.PUSH, contacts=[out], form=form) == [out]
    assert await dumped([group, bypassing], account=bob) == []
    await tell(db, account, "Device-1", is_active=False)
    await contacts.update(db, account, out, Draft(), now=NOW, move_to=group)
    assert await dumped([group]) == [out, device, other]


async def test_lists_and_contacts_reachable_by_push(db: Pool, account: AccountId, bob: AccountId) -> None:
    group, bypassing = await new_list(db, account, Kind.PUSH), await new_list(db, account, bypass_opt_out=True)
    out, *reachable = await people(db, account, group)

    async def listed(of: UUID) -> tuple[list[UUID], int]:
        found = await contacts.list_members(db, account, of, ALL, reachable_by=TokenType.PUSH)
        return [one.id for one in found.rows], found.total

    assert await listed(group) == (reachable, 3)
    for id in reachable:
        assert (await contacts.get(db, account, id, TokenType.PUSH)).id == id
        with pytest.raises(NotFoundError):
            await contacts.get(db, bob, id, TokenType.PUSH)
    with pytest.raises(NotFoundError):
        await contacts.get(db, account, out, TokenType.PUSH)
    assert (await contacts.get(db, account, out, TokenType.SMS)).id == out
    await contacts.update(db, account, out, Draft(), now=NOW, move_to=bypassing)
    assert await listed(bypassing) == ([out], 1)
    assert (await contacts.get(db, account, out, TokenType.PUSH)).id == out


async def test_filters_know_devices(db: Pool, account: AccountId, bob: AccountId) -> None:
    group = await new_list(db, account, Kind.PUSH)
    out, device, phone, other = everyone = await people(db, account, group)
    await tell(db, account, "device-1", reason=Reason.CONTACT)
    for attribute, operator, value, expected in [
        ("opt_out.push", "NOT_NULL", None, [out, other]),
        ("opt_out.push", "IS_NULL", None, [device, phone]),
        ("opt_out.push", "EQ", "contact", [other]),
        ("opt_out.push", "NE", "contact", [out, device, phone]),
        ("opt_out.push", "IN", ["contact", "USER"], [out, other]),
        ("push_token", "EQ", " Device-1 ", [out]),
        ("push_token", "NE", "Device-1", [device, phone, other]),
        ("push_token", "IN", "a,b", [out, device]),
        ("push_token", "IS_NULL", None, [phone]),
        ("push_token", "NOT_NULL", None, [out, device, other]),
    ]:
        raw = {"attribute": attribute, "operator": operator, "value": value}
        for of_group in (group, None):
            found = await segments.source(db, account, of_group, raw, Values(account))
            assert await segments.contacts_of(db, account, found, None, 10) == expected, raw
        found = await segments.source(db, bob, None, raw, Values(bob))
        assert not set(await segments.contacts_of(db, bob, found, None, 100)) & set(everyone)


def test_devices_are_compared_but_not_ordered() -> None:
    nobody = filters.Schema((), None)
    for attribute in ("push_token", "opt_out.push"):
        for operator in ("LIKE", "GT", "LE"):
            condition: Filter = filters.parse({"attribute": attribute, "operator": operator, "value": "user"})
            with pytest.raises(filters.InvalidError) as refusal:
                filters.compile(condition, nobody, Values())
            assert refusal.value.faults[0].path == ("filter", "operator")


async def test_devices_go_with_their_contact(db: Pool, account: AccountId) -> None:
    group, kept = await new_list(db, account, Kind.PUSH), await new_list(db, account, Kind.PUSH)
    first, second, third = await brought(db, account, group, *(member(android(token), android(token, "news")) for token in "abc"))
    await contacts.delete(db, account, [first])
    assert await push.of_contacts(db, account, [first]) == {}
    assert await push.taken(db, account, [android("a"), android("b")]) == {("shop", "b")}
    await brought(db, account, kept, member(android("a")))
    await contacts.update(db, account, third, Draft(), now=NOW, move_to=kept)
    await groups.delete(db, account, [group])
    assert (await push.of_contacts(db, account, [second, third])).keys() == {third}
    found = await members.read(db, account, kept, Asked(ALL))
    assert {device.token for one in found for device in one.devices} == {"a", "c"}
    assert await wrong_counters(db, account) == []


async def test_a_devices_opt_out_outlives_its_contact(db: Pool, account: AccountId) -> None:
    group = await new_list(db, account, Kind.PUSH)
    out, *_ = await people(db, account, group)
    await contacts.delete(db, account, [out])
    (again,) = await brought(db, account, group, member(android("Device-1", "news")))
    assert again not in await dumped_ids(db, account, TokenType.PUSH, groups=[group])
    assert (await consent.get(db, account, TokenType.PUSH, "Device-1")).is_active
    *_, shown = await members.read(db, account, group, Asked(ALL))
    assert [(closed.kind, len(closed.tokens)) for closed in shown.closed] == [("push", 1)]
