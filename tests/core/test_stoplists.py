"""Stop lists: who gets into one is opted out of everything at once, whichever way it gets there; who leaves stays so."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from uuid import UUID

import pytest

from reachbook.core import consent, contacts, group_fields, groups, ids, members, subscribers
from reachbook.core.consent import Change, Reason, Source, TokenType
from reachbook.core.drafts import Draft, FieldValue, WholeDraft
from reachbook.core.errors import ConflictError, Fault, InvalidError, NotFoundError, ReachbookError
from reachbook.core.groups import Kind
from reachbook.core.ids import AccountId
from reachbook.core.imports import Options
from reachbook.core.members import Unique
from reachbook.core.paging import Page
from reachbook.core.subscribers import SubscriberDraft
from reachbook.database.pool import Pool
from tests.core.book import Entry, android, brought, dumped_ids, ledger, member, new_list, standing, upload, wrong_counters
from tests.core.importing import buckets, table
from tests.support import worked_on

pytestmark = pytest.mark.usefixtures("bob")

ACTOR = UUID(int=77)
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
PHONE, OTHER, LANDLINE = "+31627100000", "+32470123456", "+31201234567"
EMAIL = "Ann@Example.com"
OF_NUMBERS = [type for type in TokenType if type not in (TokenType.EMAIL, TokenType.PUSH)]
OF_ANN = {*((type, PHONE) for type in OF_NUMBERS), (TokenType.EMAIL, "ann@example.com")}
ANN = Draft(first_name="Ann", phone=PHONE, email=EMAIL)
NOBODY = SubscriberDraft(WholeDraft())


async def opted_out(db: Pool, account: AccountId) -> set[tuple[str, str]]:
    """What the ledger has as opted out."""
    return {token for token, state in (await ledger(db, account))[0].items() if state.is_active}


async def elsewhere(db: Pool, account: AccountId, draft: Draft = ANN) -> UUID:
    """A contact of another list."""
    return (await contacts.add(db, account, await new_list(db, account), draft, id=ids.new_id(), now=NOW)).id


# --- the ways in

Way = Callable[[Pool, AccountId, UUID], Awaitable[object]]


async def added(db: Pool, account: AccountId, stop: UUID) -> None:
    await contacts.add(db, account, stop, ANN, id=ids.new_id(), now=NOW, actor=ACTOR)


async def added_with_values(db: Pool, account: AccountId, stop: UUID) -> None:
    draft = Draft(phone="06 27100000", email=EMAIL, values=[FieldValue(7, "x")])
    await contacts.add(db, account, stop, draft, id=ids.new_id(), now=NOW, actor=ACTOR)


async def uploaded(db: Pool, account: AccountId, stop: UUID) -> None:
    await contacts.upload(db, account, stop, [Draft(phone=PHONE), Draft(), Draft(email=EMAIL)], now=NOW, actor=ACTOR)


async def brought_as_members(db: Pool, account: AccountId, stop: UUID) -> None:
    rows = [member(phone=PHONE, email="aNN@example.com"), member(first_name="nobody"), member(phone=PHONE)]
    await members.upload(db, account, stop, rows, unique=Unique("phone"), actor=ACTOR, now=NOW)


async def created(db: Pool, account: AccountId, stop: UUID) -> None:
    draft = SubscriberDraft(WholeDraft(phone=PHONE, email=EMAIL), groups=[await new_list(db, account), stop])
    await subscribers.create(db, account, [NOBODY, draft], actor=ACTOR, now=NOW)


async def regrouped(db: Pool, account: AccountId, stop: UUID) -> None:
    id = await elsewhere(db, account)
    await subscribers.update(db, account, [id], SubscriberDraft(WholeDraft(), groups=[stop]), actor=ACTOR, now=NOW)


async def joined(db: Pool, account: AccountId, stop: UUID) -> None:
    await subscribers.move(db, account, [stop], [await elsewhere(db, account)], "join", actor=ACTOR, now=NOW)


async def moved(db: Pool, account: AccountId, stop: UUID) -> None:
    await contacts.update(db, account, await elsewhere(db, account), Draft(), now=NOW, move_to=stop, actor=ACTOR)


async def readdressed(db: Pool, account: AccountId, stop: UUID) -> None:
    """A member that had no address."""
    id = (await contacts.add(db, account, stop, Draft(), id=ids.new_id(), now=NOW)).id
    assert await opted_out(db, account) == set()
    await contacts.update(db, account, id, ANN, now=NOW, actor=ACTOR)


async def readdressed_whole(db: Pool, account: AccountId, stop: UUID) -> None:
    (one,) = await subscribers.create(db, account, [SubscriberDraft(WholeDraft(), groups=[stop])], actor=UUID(int=1), now=NOW)
    draft = SubscriberDraft(WholeDraft(phone=PHONE, email=EMAIL))
    await subscribers.update(db, account, [one.id], draft, actor=ACTOR, now=NOW)


WAYS: list[Way] = [
    *(added, added_with_values, uploaded, brought_as_members, created),
    *(regrouped, joined, moved, readdressed, readdressed_whole),
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_who_gets_in_is_opted_out_of_everything(db: Pool, account: AccountId, way: Way) -> None:
    stop = await new_list(db, account, Kind.STOPLIST)
    await way(db, account, stop)
    tokens, history = await ledger(db, account)
    assert tokens.keys() == OF_ANN
    assert all((state.is_active, state.reason, state.message) == (True, "user", None) for state in tokens.values())
    assert all(len(entries) == 1 for entries in history.values())
    noted = await db.fetch("SELECT DISTINCT source, actor, changed_at FROM consent_history WHERE account_id = $1", account)
    assert [tuple(row.values()) for row in noted] == [("import", ACTOR, NOW)]
    assert await dumped_ids(db, account, TokenType.SMS, groups=[stop], reachable_only=True) == []
    assert await wrong_counters(db, account) == []


@pytest.mark.parametrize("known", [False, True], ids=["new", "known"])
async def test_an_import_opts_out_and_its_preview_does_not(db: Pool, account: AccountId, known: bool) -> None:
    stop = await new_list(db, account, Kind.STOPLIST)
    if known:
        await elsewhere(db, account)
    file = table(["Phone", "E-mail"], [PHONE, EMAIL], [PHONE, EMAIL], ["12", "no"])
    shown = await worked_on(db, account, file, "stop.csv", "preview", Options(group=stop))
    assert shown.preview is not None
    assert buckets(shown.preview) == {"updated" if known else "created": 1, "duplicate": 1, "refused": 1}
    assert await ledger(db, account) == ({}, {})
    done = await worked_on(db, account, file, "stop.csv", "start", Options(group=stop))
    assert (done.created, done.updated, done.duplicate, done.refused) == (int(not known), int(known), 1, 1)
    assert await opted_out(db, account) == OF_ANN
    noted = await db.fetch("SELECT DISTINCT reason, source FROM consent_history WHERE account_id = $1", account)
    assert [tuple(row.values()) for row in noted] == [("user", "import")]
    again = await worked_on(db, account, file, "stop.csv", "start", Options(group=stop))
    assert again.unchanged == 1
    assert all(len(entries) == 1 for entries in (await ledger(db, account))[1].values())


async def test_a_landline_is_opted_out_of_calls(db: Pool, account: AccountId) -> None:
    stop = await new_list(db, account, Kind.STOPLIST)
    draft = SubscriberDraft(WholeDraft(landline=LANDLINE, fax=OTHER), groups=[stop])
    (one,) = await subscribers.create(db, account, [draft], actor=ACTOR, now=NOW)
    of_landline = {(TokenType.VOICE, LANDLINE), (TokenType.VOICEMAIL, LANDLINE)}
    assert await opted_out(db, account) == of_landline
    await subscribers.update(db, account, [one.id], SubscriberDraft(WholeDraft(landline=OTHER)), actor=ACTOR, now=NOW)
    assert await opted_out(db, account) == of_landline | {(TokenType.VOICE, OTHER), (TokenType.VOICEMAIL, OTHER)}


async def test_a_new_phone_of_a_member(db: Pool, account: AccountId) -> None:
    stop = await new_list(db, account, Kind.STOPLIST)
    id = (await contacts.add(db, account, stop, Draft(phone=PHONE), id=ids.new_id(), now=NOW)).id
    before = await opted_out(db, account)
    await contacts.update(db, account, id, Draft(phone=OTHER), now=NOW, actor=ACTOR)
    assert await opted_out(db, account) == before | {(type, OTHER) for type in OF_NUMBERS}
    assert all(len(entries) == 1 for entries in (await ledger(db, account))[1].values())


async def test_devices_of_who_is_moved_in(db: Pool, account: AccountId) -> None:
    stop, group = await new_list(db, account, Kind.STOPLIST), await new_list(db, account, Kind.PUSH)
    ann, bo = await brought(db, account, group, member(android("Device-1"), android("b", "news"), phone=PHONE), member(android("c")))
    await subscribers.move(db, account, [stop], [ann], "join", actor=ACTOR, now=NOW)
    out = {*((type, PHONE) for type in OF_NUMBERS), (TokenType.PUSH, "Device-1"), (TokenType.PUSH, "b")}
    assert await opted_out(db, account) == out
    assert await dumped_ids(db, account, TokenType.PUSH, groups=[group]) == [bo]


# --- nothing but an opt-in opens


async def leave(db: Pool, account: AccountId, stop: UUID, id: UUID) -> None:
    await subscribers.move(db, account, [stop], [id], "leave", actor=ACTOR, now=NOW)


async def move_away(db: Pool, account: AccountId, stop: UUID, id: UUID) -> None:
    await contacts.update(db, account, id, Draft(), now=NOW, move_to=await new_list(db, account))


async def delete_contact(db: Pool, account: AccountId, stop: UUID, id: UUID) -> None:
    await contacts.delete(db, account, [id])


async def delete_list(db: Pool, account: AccountId, stop: UUID, id: UUID) -> None:
    await groups.delete(db, account, [stop])


async def keep_contacts(db: Pool, account: AccountId, stop: UUID, id: UUID) -> None:
    await groups.delete(db, account, [stop], keep_contacts=True)


async def empty(db: Pool, account: AccountId, stop: UUID, id: UUID) -> None:
    await groups.empty(db, account, stop)


async def come_again(db: Pool, account: AccountId, stop: UUID, id: UUID) -> None:
    """As somebody new, in another list and in this one."""
    await contacts.delete(db, account, [id])
    await elsewhere(db, account)
    await contacts.add(db, account, stop, ANN, id=ids.new_id(), now=NOW, actor=UUID(int=1))


async def rename(db: Pool, account: AccountId, stop: UUID, id: UUID) -> None:
    await contacts.update(db, account, id, Draft(first_name="Anna", email=EMAIL.upper()), now=NOW, actor=UUID(int=1))


async def lose_the_addresses(db: Pool, account: AccountId, stop: UUID, id: UUID) -> None:
    await contacts.update(db, account, id, Draft(phone=None, email=None), now=NOW)


WAYS_OUT = [leave, move_away, delete_contact, delete_list, keep_contacts, empty, come_again, rename, lose_the_addresses]


@pytest.mark.parametrize("way", WAYS_OUT, ids=lambda way: way.__name__)
async def test_nothing_opens_again_by_itself(db: Pool, account: AccountId, way: Callable[..., Awaitable[None]]) -> None:
    stop = await new_list(db, account, Kind.STOPLIST)
    id = (await contacts.add(db, account, stop, ANN, id=ids.new_id(), now=NOW, actor=ACTOR)).id
    before = await ledger(db, account)
    await way(db, account, stop, id)
    assert await ledger(db, account) == before
    assert await wrong_counters(db, account) == []


async def test_an_opt_in_opens_and_a_new_name_does_not_close(db: Pool, account: AccountId) -> None:
    stop = await new_list(db, account, Kind.STOPLIST)
    id = (await contacts.add(db, account, stop, ANN, id=ids.new_id(), now=NOW, actor=ACTOR)).id
    await consent.change(db, account, Change(TokenType.SMS, PHONE, is_active=False), source=Source.API, actor=ACTOR, now=NOW)
    assert await dumped_ids(db, account, TokenType.SMS, groups=[stop]) == [id]
    before = await ledger(db, account)
    assert before[0].keys() - await opted_out(db, account) == {(TokenType.SMS, PHONE)}
    await contacts.update(db, account, id, Draft(first_name="Anna", values=[FieldValue(7, "x")]), now=NOW, actor=ACTOR)
    await subscribers.update(db, account, [id], SubscriberDraft(WholeDraft(last_name="B", fax=OTHER), groups=[stop]), actor=ACTOR, now=NOW)
    await subscribers.move(db, account, [stop], [id], "join", actor=ACTOR, now=NOW)
    assert await ledger(db, account) == before, "it is in the list already"
    await leave(db, account, stop, id)
    await subscribers.move(db, account, [stop], [id], "join", actor=ACTOR, now=NOW)
    assert await opted_out(db, account) == OF_ANN
    assert (await ledger(db, account))[1][TokenType.SMS, PHONE] == [Entry(is_active, "user", None) for is_active in (True, False, True)]


async def test_a_repeat_is_no_second_entry(db: Pool, account: AccountId) -> None:
    stops = [await new_list(db, account, Kind.STOPLIST) for _ in range(2)]
    await contacts.add(db, account, stops[0], ANN, id=ids.new_id(), now=NOW, actor=ACTOR)
    before = await ledger(db, account)
    for stop in stops:
        await added(db, account, stop)
        await uploaded(db, account, stop)
        await brought_as_members(db, account, stop)
        await moved(db, account, stop)
    assert await ledger(db, account) == before


async def test_other_lists_and_other_accounts_stop_nobody(db: Pool, account: AccountId, bob: AccountId) -> None:
    for kind in (Kind.STANDARD, Kind.PUSH):
        group = await new_list(db, account, kind)
        await added(db, account, group)
        await brought(db, account, group, member(phone=PHONE, email=EMAIL))
    assert await ledger(db, account) == ({}, {}), "Bob has stopped the same people"
    stop = await new_list(db, account, Kind.STOPLIST)
    for call in (added, uploaded, brought_as_members):
        with pytest.raises(NotFoundError):
            await call(db, bob, stop)
    assert await ledger(db, account) == ({}, {})


# --- together with the change, or not at all


async def test_a_refused_call_leaves_no_opt_out(db: Pool, account: AccountId) -> None:
    stop = await new_list(db, account, Kind.STOPLIST)
    locked = await new_list(db, account, Kind.STOPLIST, is_locked_for_editing=True)
    id = await elsewhere(db, account)
    before = await standing(db, account)
    good = SubscriberDraft(WholeDraft(phone=PHONE), groups=[stop])
    bad = SubscriberDraft(WholeDraft(email=EMAIL), groups=[stop], opt_outs={subscribers.Medium.SMS: Reason.USER})
    calls: list[Awaitable[object]] = [
        contacts.add(db, account, locked, ANN, id=ids.new_id(), now=NOW, actor=ACTOR),
        contacts.add(db, account, stop, Draft(phone=PHONE, email="nobody"), id=ids.new_id(), now=NOW, actor=ACTOR),
        contacts.upload(db, account, locked, [ANN], now=NOW, actor=ACTOR),
        contacts.upload(db, account, stop, [ANN, [Fault((1, "phone"), "is none")]], now=NOW, actor=ACTOR),
        upload(db, account, locked, member(phone=PHONE)),
        subscribers.create(db, account, [good, bad], actor=ACTOR, now=NOW),
        subscribers.create(db, account, [SubscriberDraft(WholeDraft(phone=PHONE), groups=[stop, locked])], actor=ACTOR, now=NOW),
        subscribers.update(db, account, [id], SubscriberDraft(WholeDraft(phone="12"), groups=[stop]), actor=ACTOR, now=NOW),
        subscribers.move(db, account, [stop, locked], [id], "join", actor=ACTOR, now=NOW),
        contacts.update(db, account, id, Draft(phone=OTHER), now=NOW, move_to=locked, actor=ACTOR),
        contacts.update(db, account, id, Draft(phone="12"), now=NOW, move_to=stop, actor=ACTOR),
    ]
    for call in calls:
        with pytest.raises((ConflictError, InvalidError)):
            await call
    assert await standing(db, account) == before
    assert await ledger(db, account) == ({}, {})


async def test_a_row_that_is_refused_is_not_opted_out(db: Pool, account: AccountId) -> None:
    stop = await new_list(db, account, Kind.STOPLIST)
    rows = [member(phone=PHONE, email="nobody"), member(android("Device-1"), phone=PHONE), member(email=EMAIL)]
    await upload(db, account, stop, *rows)
    assert await opted_out(db, account) == {(TokenType.EMAIL, "ann@example.com")}


async def test_people_come_and_go_while_others_read(db: Pool, account: AccountId) -> None:
    """Who is in a stop list, as any reader sees it, is opted out there."""
    stop, group = await new_list(db, account, Kind.STOPLIST), await new_list(db, account)
    everyone = await brought(db, account, group, *(member(phone=f"+316271{of:05}") for of in range(20)))
    unstopped = """
    SELECT count(*) FROM membership m JOIN contact c ON c.account_id = m.account_id AND c.id = m.contact_id
    WHERE m.account_id = $1 AND m.group_id = $2 AND NOT EXISTS (
        SELECT 1 FROM consent_token t WHERE t.account_id = $1 AND t.type = 'sms' AND t.key = c.phone AND t.is_active)
    """

    async def read() -> None:
        for _ in range(20):
            assert await db.fetchval(unstopped, account, stop) == 0
            await asyncio.sleep(0)

    async def join(some: Sequence[UUID]) -> None:
        for id in some:
            await subscribers.move(db, account, [stop], [id], "join", actor=ACTOR, now=NOW)
            await contacts.update(db, account, id, Draft(phone=f"+316272{everyone.index(id):05}"), now=NOW, actor=ACTOR)

    await asyncio.gather(read(), join(everyone[:10]), join(everyone[10:]), join(everyone[::-1]), read())
    assert await db.fetchval(unstopped, account, stop) == 0
    assert len(await opted_out(db, account)) == 2 * 20 * len(OF_NUMBERS)
    assert await wrong_counters(db, account) == []


async def test_lists_stopped_in_opposite_orders_wait_for_nobody_in_a_circle(db: Pool, account: AccountId) -> None:
    stops = [await new_list(db, account, Kind.STOPLIST) for _ in range(2)]

    async def create(order: Sequence[UUID]) -> None:
        people = [SubscriberDraft(WholeDraft(phone=f"+31627{of:06}"), groups=[order[of % 2]]) for of in range(60)]
        await subscribers.create(db, account, people, actor=ACTOR, now=NOW)

    await asyncio.gather(*(create(stops[:: 1 if turn % 2 else -1]) for turn in range(10)))
    assert len(await opted_out(db, account)) == 60 * len(OF_NUMBERS)
    assert await wrong_counters(db, account) == []


async def test_stop_lists_of_clients_only(db: Pool, account: AccountId) -> None:
    made = await group_fields.create_group(db, account, ids.new_id(), groups.Draft(name="Stop"), groups.Purpose(Kind.STOPLIST), (), NOW)
    assert (await groups.get(db, account, made.id)).kind == Kind.STOPLIST
    with pytest.raises(ReachbookError):
        await new_list(db, account, Kind.OMNI_API)
    assert [one.id for one in (await groups.find(db, account, Page(0, 10), kinds=[Kind.STOPLIST])).rows] == [made.id]
