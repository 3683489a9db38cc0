"""Who can be reached and how long values are, told as a count of the rows themselves has it (counting.py).

Held after any order of calls, between any two statements of a writer or a folder, among many of both at once, and after a migration.
"""

import asyncio
import itertools
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Literal
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from msgspec import UNSET, UnsetType

from reachbook.core import changes, consent, contacts, fields, groups, ids, imports, limits, statistics, statistics_folder, subscribers
from reachbook.core.consent import Change, Reason, Source, TokenType
from reachbook.core.drafts import FieldValue, WholeDraft
from reachbook.core.errors import ConflictError, InvalidError, NotFoundError
from reachbook.core.ids import NIL, AccountId
from reachbook.core.reach import Medium
from reachbook.core.statistics import Statistics, Unreachable, Use
from reachbook.core.subscribers import SubscriberDraft
from reachbook.database import migrate
from reachbook.database.location import Location
from reachbook.database.pool import Pool, open_pool
from reachbook.database.queries import Database
from tests.core.book import change, email, new_account, phone
from tests.core.counting import (
    BLOCKED,
    BLOCKED_COUNT,
    GROUPS,
    LEFT,
    VALUE_COUNT,
    Rows,
    Told,
    assert_exact,
    assert_folded_is_exact,
    fold_everything,
    rows_of,
    told,
)
from tests.core.importing import take_back

ACTOR = UUID(int=7)
REFUSALS = (NotFoundError, ConflictError, InvalidError)


def examples(number: int, *phases: Phase) -> settings:
    """So many of them."""
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(max_examples=number, deadline=None, suppress_health_check=checks, phases=phases or tuple(Phase))


# --- any order of calls

Numbers = list[int]
Person = tuple[WholeDraft, dict[str, str | None], Numbers | UnsetType, dict[Medium, Reason]]
Step = tuple[Any, ...]
"""The name of a method of Player, then its arguments."""

EXISTING = {
    "group": "SELECT id FROM contact_group WHERE account_id = $1 ORDER BY id",
    "contact": "SELECT id FROM contact WHERE account_id = $1 ORDER BY id",
    "field": "SELECT id FROM field WHERE account_id = $1 AND NOT is_predefined ORDER BY id",
}


class Player:
    """Plays steps on an account. Numbers stand for the groups, contacts and fields that there are, by age and round and round."""

    def __init__(self, db: Database, account: AccountId, caller: Database | None = None) -> None:
        self.db, self.account, self.caller = db, account, caller or db

    async def play(self, *steps: Step) -> None:
        """One after the other; a refusal changes nothing."""
        for name, *arguments in steps:
            with suppress(*REFUSALS):
                await getattr(self, name)(*arguments)

    async def chosen(self, kind: str, numbers: Numbers) -> list[Any]:
        rows = await self.db.fetch(EXISTING[kind], self.account)
        return [rows[number % len(rows)]["id"] for number in numbers] if rows else []

    async def drafted(self, person: Person) -> SubscriberDraft:
        contact, properties, of_groups, opt_outs = person
        into = UNSET if of_groups is UNSET else await self.chosen("group", of_groups)
        return SubscriberDraft(contact, properties, into, opt_outs)

    async def new_group(self) -> None:
        await groups.create(self.caller, self.account, ids.new_id(), groups.Draft(name="Readers"), ids.now())

    async def create(self, people: list[Person]) -> None:
        drafts = [await self.drafted(person) for person in people]
        await subscribers.create(self.caller, self.account, drafts, actor=ACTOR, now=ids.now())

    async def upload(self, group: int, people: list[WholeDraft]) -> None:
        for id in await self.chosen("group", [group]):
            await contacts.upload(self.caller, self.account, id, people, now=ids.now())

    async def add(self, group: int, person: WholeDraft) -> None:
        for id in await self.chosen("group", [group]):
            await contacts.add(self.caller, self.account, id, person, id=ids.new_id(), now=ids.now())

    async def update(self, contact: int, person: WholeDraft, move_to: Numbers) -> None:
        target = next(iter(await self.chosen("group", move_to)), None)
        for id in await self.chosen("contact", [contact]):
            await contacts.update(self.caller, self.account, id, person, now=ids.now(), move_to=target)

    async def update_many(self, numbers: Numbers, person: Person) -> None:
        chosen, draft = await self.chosen("contact", numbers), await self.drafted(person)
        await subscribers.update(self.caller, self.account, chosen, draft, actor=ACTOR, now=ids.now())

    async def move(self, of_groups: Numbers, numbers: Numbers, action: Literal["join", "leave"]) -> None:
        chosen = await self.chosen("contact", numbers)
        await subscribers.move(self.caller, self.account, await self.chosen("group", of_groups), chosen, action, actor=NIL, now=ids.now())

    async def delete(self, numbers: Numbers) -> None:
        await contacts.delete(self.caller, self.account, await self.chosen("contact", numbers))

    async def delete_groups(self, numbers: Numbers, keep_contacts: bool) -> None:
        await groups.delete(self.caller, self.account, await self.chosen("group", numbers), keep_contacts=keep_contacts)

    async def empty(self, group: int) -> None:
        for id in await self.chosen("group", [group]):
            await groups.empty(self.caller, self.account, id)

    async def flag(self, group: int, flag: str, value: bool) -> None:
        for id in await self.chosen("group", [group]):
            await groups.update(self.caller, self.account, id, groups.Draft(**{flag: value}), ids.now())

    async def pause(self, numbers: Numbers, is_paused: bool) -> None:
        draft = groups.Draft(is_locked_for_sending=is_paused)
        await groups.update_all(self.caller, self.account, await self.chosen("group", numbers), draft, ids.now())

    async def tell(self, batch: list[Change]) -> None:
        await consent.record(self.caller, self.account, batch, source=Source.API, actor=ACTOR, now=ids.now())

    async def delete_field(self, field: int) -> None:
        for id in await self.chosen("field", [field]):
            await fields.delete(self.caller, self.account, id)

    async def fold(self) -> None:
        await statistics_folder.fold(self.caller, self.account)


WAITING_FOR_FOLDERS = {"delete_groups", "empty"}

number = st.integers(0, 7)
numbers = st.lists(number, max_size=3)
some = st.lists(number, min_size=1, max_size=3)
unset = st.just(UNSET)
text = st.sampled_from([None, "Jo", "Bartholomew", "Zoë 🎈"])
value = st.builds(FieldValue, field_id=st.sampled_from([6, 7]), value=text)
values = unset | st.lists(value, max_size=2)
person = st.builds(
    WholeDraft, first_name=text, insertion=text, last_name=text, email=email, phone=phone, landline=phone, fax=phone, values=values
)
amended = st.builds(
    WholeDraft,
    first_name=unset | text,
    last_name=unset | text,
    email=unset | email,
    phone=unset | phone,
    landline=unset | phone,
    fax=unset | phone,
    values=values,
)
properties = st.dictionaries(st.sampled_from(["city", "field11"]), text, max_size=2)
some_opt_outs = st.fixed_dictionaries({}, optional={medium: st.sampled_from(subscribers.MAY_BE[medium]) for medium in Medium})
opt_outs = st.just({}) | some_opt_outs
new_person = st.tuples(person, properties, unset | numbers, opt_outs)
amended_person = st.tuples(amended, properties, unset | numbers, opt_outs)
flags = st.sampled_from(["is_locked_for_sending", "bypass_opt_out"])
opting_out = change.filter(lambda one: one.is_active)


def _steps(**arguments: Sequence[st.SearchStrategy[Any]]) -> list[st.SearchStrategy[Step]]:
    return [st.tuples(st.just(name), *strategies) for name, strategies in arguments.items()]


of_writers = _steps(
    create=[st.lists(new_person, min_size=1, max_size=4)],
    upload=[number, st.lists(person, min_size=1, max_size=4)],
    add=[number, person],
    update=[number, amended, st.lists(number, max_size=1)],
    update_many=[some, amended_person],
    move=[some, some, st.sampled_from(["join", "leave"])],
    delete=[some],
    delete_groups=[st.lists(number, min_size=1, max_size=2), st.booleans()],
    empty=[number],
    flag=[number, flags, st.booleans()],
    pause=[some, st.booleans()],
    tell=[st.lists(change, min_size=1, max_size=6) | st.lists(opting_out, min_size=2, max_size=8)],
    delete_field=[number],
    new_group=[],
)
of_folders = _steps(fold=[])
step = st.one_of(*of_writers, *of_folders)
write = st.one_of(*of_writers)
BEGINNING: list[Step] = [
    ("new_group",),
    ("new_group",),
    ("new_group",),
    (
        "create",
        [
            (WholeDraft(email="ann@example.com", phone="+31627100000"), {"city": "Delft"}, [0, 1], {}),
            (WholeDraft(email="ann@example.com", landline="+32470123456"), {"field11": "Jo"}, [1], {}),
            (WholeDraft(phone="+32470123456", landline="+31627100000"), {}, [2], {}),
            (WholeDraft(landline="+12015550123"), {"city": "Assen"}, [0, 2], {}),
            (WholeDraft(email="strasse@example.org", phone="+12015550123", landline="+12015550123"), {}, [0], {}),
            (WholeDraft(last_name="Doe"), {}, UNSET, {}),
        ],
    ),
    ("flag", 1, "bypass_opt_out", True),
]
"""Contacts that share addresses, in one group, several and none."""
AGAIN = BEGINNING[3]


async def begun(db: Database) -> Player:
    """An account with something in it."""
    player = Player(db, await new_account(db))
    await player.play(*BEGINNING)
    assert await db.fetchval("SELECT count(*) FROM contact WHERE account_id = $1", player.account) == 6
    return player


def fold_by_shares(patch: pytest.MonkeyPatch, size: int) -> None:
    """A folder takes so many contacts at a time."""
    usual = str(limits.FOLDED_CONTACTS)
    assert usual in statistics_folder.TAKE
    patch.setattr(statistics_folder, "TAKE", statistics_folder.TAKE.replace(usual, str(size)))
    patch.setattr(statistics_folder, "FOLDED_CONTACTS", size)
    patch.setattr(changes, "FOLDED_CONTACTS", size)


@examples(35)
@given(steps=st.lists(step, min_size=5, max_size=20), share=st.sampled_from([3, limits.FOLDED_CONTACTS]))
async def test_after_any_order_of_calls(quiet: Pool, steps: list[Step], share: int) -> None:
    player, bob = await begun(quiet), await new_account(quiet)
    with pytest.MonkeyPatch.context() as patch:
        fold_by_shares(patch, share)
        for one in steps:
            await player.play(one)
            await assert_exact(quiet, player.account)
        await assert_folded_is_exact(quiet, player.account)
    await assert_sees_nothing(quiet, bob, player.account)


NOBODY: Told = Rows([], {}, {}).told(None)


async def assert_sees_nothing(db: Database, empty: AccountId, account: AccountId) -> None:
    """An account without contacts has no figures, not even of another one's groups."""
    foreign = [row["id"] for row in await db.fetch(GROUPS, account)]
    for scope in [None, *([group] for group in foreign), foreign]:
        assert await told(db, empty, scope) == NOBODY
    assert await statistics.uses(db, empty) == {}
    await fold_everything(db, empty)
    for query in (BLOCKED, BLOCKED_COUNT, VALUE_COUNT):
        assert await db.fetch(query, empty) == []


@examples(8)
@given(steps=st.lists(step, min_size=5, max_size=15))
async def test_another_account_with_the_same_addresses_is_left_alone(quiet: Pool, steps: list[Step]) -> None:
    alice, bob = await begun(quiet), await begun(quiet)
    await bob.play(("tell", [Change(TokenType.VOICE, "+31627100000", True)]), ("flag", 1, "is_locked_for_sending", True))
    of_bob = [None, *([group] for group in await bob.chosen("group", [0, 1, 2]))]
    before = [await told(quiet, bob.account, scope) for scope in of_bob], await statistics.uses(quiet, bob.account)
    await alice.play(*steps)
    for _ in range(2):
        assert ([await told(quiet, bob.account, scope) for scope in of_bob], await statistics.uses(quiet, bob.account)) == before
        for group in await alice.chosen("group", [0, 1, 2]):
            assert await told(quiet, bob.account, [group]) == NOBODY
        await fold_everything(quiet, alice.account)
    await assert_folded_is_exact(quiet, bob.account)


async def test_figures_that_were_counted_by_hand(quiet: Pool) -> None:
    """What the count above stands on: each of document 002's rules once, in figures."""
    account = await new_account(quiet)
    player = Player(quiet, account)
    await player.play(("new_group",), ("new_group",), ("new_group",))
    readers, staff, paused = await player.chosen("group", [0, 1, 2])
    ann = WholeDraft(email="ann@example.com", phone="+31627100001"), {}, [0, 1], {Medium.EMAIL: Reason.SPAM}
    bo = WholeDraft(email="bo@example.com", phone="+31627100002", landline="+31201234567"), {}, [0, 2], {Medium.SMS: Reason.CONTACT}
    cas = WholeDraft(landline="+31201234568"), {}, [0], {}
    dee = WholeDraft(phone="+31627100004", landline="+31201234569"), {}, [0], {Medium.SMS: Reason.USER}
    eve = WholeDraft(first_name="Eve"), {}, [], {}
    fay = WholeDraft(phone="+31627100006", landline="+31201234566"), {}, [], {}
    opt_outs = [
        Change(TokenType.VOICE, "+31201234569", True, Reason.CONTACT),
        Change(TokenType.WHATSAPP, "+31627100001", True),
        # Of two numbers that are opted out the phone's reason is told.
        *(Change(type, "+31627100006", True, Reason.USER) for type in (TokenType.VOICE, TokenType.VOICEMAIL)),
        *(Change(type, "+31201234566", True, Reason.CONTACT) for type in (TokenType.VOICE, TokenType.VOICEMAIL)),
    ]
    await player.play(("create", [ann, bo, cas, dee, eve, fay]), ("tell", opt_outs))
    await player.play(("flag", 1, "bypass_opt_out", True), ("flag", 2, "is_locked_for_sending", True))
    in_turn = [Medium.EMAIL, Medium.SMS, Medium.VOICEMAIL]
    for _ in range(2):
        everybody = statistics.explained(await statistics.read(quiet, account))
        assert everybody.statistics == Statistics(subscribers=6, sms=2, email=0, voice=2, voicemail=3)
        assert everybody.unreachable == {
            "sms": Unreachable(1, 2, {"user": 1}),
            "email": Unreachable(1, 4, {"spam": 1}),
            "voice": Unreachable(1, 1, {"contact": 1, "user": 1}),
            "voicemail": Unreachable(1, 1, {"user": 1}),
        }
        assert statistics.summed(await statistics.read(quiet, account), in_turn) == Statistics(6, sms=2, email=0, voice=0, voicemail=2)
        assert await statistics.of_groups(quiet, account, [readers, staff, paused]) == {
            readers: Statistics(subscribers=4, sms=1, email=0, voice=2, voicemail=3),
            staff: Statistics(subscribers=1, sms=1, email=1, voice=1, voicemail=1),
            paused: Statistics(subscribers=1, sms=0, email=0, voice=0, voicemail=0),
        }
        both = await statistics.read(quiet, account, [readers, staff])
        assert statistics.summed(both) == Statistics(subscribers=4, sms=1, email=1, voice=2, voicemail=3)
        assert statistics.summed(both, in_turn) == Statistics(subscribers=4, sms=0, email=1, voice=0, voicemail=2)
        assert (await statistics.uses(quiet, account))["email"] == Use(contacts=2, longest=15)
        await fold_everything(quiet, account)


# --- between any two statements


class Interrupted:
    """A database of which one caller is interrupted before each statement and each commit."""

    def __init__(self, queries: Any, interrupt: Callable[[], Awaitable[None]]) -> None:
        self.queries, self.interrupt = queries, interrupt

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def call(*arguments: Any) -> Any:
            await self.interrupt()
            return await getattr(self.queries, name)(*arguments)

        return call

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator["Interrupted"]:
        async with self.queries.transaction() as tx:
            yield Interrupted(tx, self.interrupt)
            await self.interrupt()


@examples(18)
@given(steps=st.lists(write, min_size=3, max_size=8))
async def test_folding_between_any_two_statements_of_a_writer(quiet: Pool, steps: list[Step]) -> None:
    player = await begun(quiet)
    account = player.account

    async def fold() -> None:
        await statistics_folder.fold(quiet, account)
        assert await told(quiet, account) == (await rows_of(quiet, account)).told(None)

    player.caller = Interrupted(quiet, fold)
    for one in steps:
        await player.play(one)
        await assert_exact(quiet, account)
    await assert_folded_is_exact(quiet, account)


@examples(10)
@given(steps=st.lists(write, min_size=5, max_size=15), share=st.sampled_from([3, limits.FOLDED_CONTACTS]))
async def test_writing_between_any_two_statements_of_a_folder(quiet: Pool, steps: list[Step], share: int) -> None:
    player = await begun(quiet)
    account, upcoming = player.account, iter(steps)
    waiting: asyncio.Task[None] | None = None

    async def write() -> None:
        nonlocal waiting
        if waiting is not None:  # for the folder's end, with locks that any other writer may wait for
            return
        one = next(upcoming, None)
        if one is not None and one[0] in WAITING_FOR_FOLDERS:
            waiting = asyncio.create_task(player.play(one))
        elif one is not None:
            await player.play(one)
        await assert_exact(quiet, account)

    with pytest.MonkeyPatch.context() as patch:
        fold_by_shares(patch, share)
        for _ in range(len(steps)):
            await statistics_folder.fold(Interrupted(quiet, write), account)
            if waiting is not None:
                await waiting
                waiting = None
            await assert_exact(quiet, account)
        assert next(upcoming, None) is None
        await assert_folded_is_exact(quiet, account)


async def test_what_is_told_of_a_group_is_of_one_instant(quiet: Pool) -> None:
    """Opted out, then deleted, and only then a member of a group that opt-outs don't filter: at no commit did an SMS reach it."""
    player = Player(quiet, await new_account(quiet))
    await player.play(("new_group",), ("upload", 0, [WholeDraft(phone="+31627100001")]))
    await player.play(("tell", [Change(TokenType.SMS, "+31627100001", True)]))
    group = await player.chosen("group", [0])
    upcoming = iter([[], [("delete", [0]), ("flag", 0, "bypass_opt_out", True)]])

    async def write() -> None:
        await player.play(*next(upcoming, []))

    states = await statistics.read(Interrupted(quiet, write), player.account, group)
    assert statistics.summed(states).sms == 0
    await player.play(*itertools.chain(*upcoming))
    assert await told(quiet, player.account, group) == NOBODY


# --- many at once


@asynccontextmanager
async def meanwhile(*calls: Callable[[], Awaitable[Any]]) -> AsyncGenerator[None]:
    """Each of the calls over and over while the block runs, and once more."""
    is_over = asyncio.Event()

    async def repeat(call: Callable[[], Awaitable[Any]]) -> None:
        while not is_over.is_set():
            await call()
        await call()

    async with asyncio.TaskGroup() as tasks:
        for call in calls:
            tasks.create_task(repeat(call))
        try:
            yield
        finally:
            is_over.set()


@examples(6, Phase.generate)
@given(
    rounds=st.lists(st.lists(write, min_size=12, max_size=12), min_size=3, max_size=3),
    share=st.sampled_from([3, limits.FOLDED_CONTACTS]),
)
async def test_many_writers_and_folders_at_once(quiet: Pool, rounds: list[list[Step]], share: int) -> None:
    player = await begun(quiet)
    account = player.account

    async def fold() -> None:
        await statistics_folder.fold(quiet, account)

    async def look() -> None:
        await assert_exact(quiet, account)

    with pytest.MonkeyPatch.context() as patch:
        fold_by_shares(patch, share)
        for steps in rounds:
            await player.play(AGAIN)
            gate = asyncio.Barrier(len(steps))

            async def play(one: Step, gate: asyncio.Barrier = gate) -> None:
                await gate.wait()
                await player.play(one)

            async with meanwhile(fold, fold, look):
                await asyncio.gather(*map(play, steps))
            await assert_exact(quiet, account)
            await assert_folded_is_exact(quiet, account)


async def test_opt_outs_while_contacts_with_these_addresses_come_move_and_go(quiet: Pool) -> None:
    """Whoever commits last, no one is counted as he was before."""
    player = await begun(quiet)
    account, numbers = player.account, [f"+316271000{number:02}" for number in range(20)]

    def tell(is_active: bool) -> list[Step]:
        types = itertools.cycle([TokenType.SMS, TokenType.VOICE, TokenType.VOICEMAIL])
        return [("tell", [Change(next(types), number, is_active)]) for number in numbers]

    def come(group: int) -> list[Step]:
        return [("create", [(WholeDraft(phone=phone, landline=other), {}, [group], {})]) for phone, other in itertools.pairwise(numbers)]

    go: list[Step] = [("delete", [number, number + 30]) for number in range(20)]
    wander: list[Step] = [("move", [number % 3], [number, number * 7], action) for number in range(20) for action in ("join", "leave")]
    change: list[Step] = [("update", number, WholeDraft(phone=phone, landline=None), []) for number, phone in enumerate(numbers)]
    pause: list[Step] = [("flag", number % 3, "is_locked_for_sending", number % 2 == 0) for number in range(12)]
    close: list[Step] = [("new_group",), ("delete_groups", [1], True), ("new_group",), ("delete_groups", [0], False), ("empty", 1)]

    async def fold() -> None:
        await statistics_folder.fold(quiet, account)

    async def look() -> None:
        await assert_exact(quiet, account)

    for turn in range(3):
        callers = [tell(turn != 1), tell(turn == 1), come(0), come(1), come(2), go, wander, change, pause, close]
        gate = asyncio.Barrier(len(callers))

        async def call(steps: list[Step], gate: asyncio.Barrier = gate) -> None:
            await gate.wait()
            await player.play(*steps)

        async with meanwhile(fold, fold, fold, look):
            await asyncio.gather(*map(call, callers))
        await assert_exact(quiet, account)
        await assert_folded_is_exact(quiet, account)
    assert (await rows_of(quiet, account)).blocked()


# --- more than a folder takes at a time


async def test_a_large_group_is_exact_while_it_is_folded_a_share_at_a_time(quiet: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    fold_by_shares(monkeypatch, 5)
    monkeypatch.setattr(statistics_folder, "MANY", 5)
    player = Player(quiet, await new_account(quiet))
    people = [WholeDraft(phone=f"+316271000{number:02}", email="ann@example.com" if number % 3 else None) for number in range(31)]
    await player.play(("new_group",), ("new_group",), ("upload", 0, people), ("upload", 1, people[:8]), ("move", [1], [5, 25], "join"))
    await fold_everything(quiet, player.account)

    async def shares_until_folded(*meanwhile: Step) -> int:
        upcoming = iter(meanwhile)
        for share in itertools.count(1):
            await assert_exact(quiet, player.account)
            assert await statistics_folder.fold(quiet, player.account) <= 2 * 5
            await assert_exact(quiet, player.account)
            await player.play(*itertools.islice(upcoming, 1))
            if not await quiet.fetchval(LEFT, player.account):
                return share
        raise AssertionError

    paused: Step = ("flag", 0, "is_locked_for_sending", True)
    await player.play(paused)
    assert await quiet.fetchval(f"SELECT count(*) FROM ({BLOCKED}) b", player.account) == 0
    assert await shares_until_folded() > 5
    assert await quiet.fetchval(f"SELECT count(*) FROM ({BLOCKED}) b", player.account) == 31
    await player.play(("flag", 0, "is_locked_for_sending", False))
    # Members come and go on both sides of the place that has been reached; the groups change again before all of them are folded.
    await shares_until_folded(
        ("move", [0], [0, 1, 30], "leave"),
        paused,
        ("move", [0], [1, 2, 30], "join"),
        ("tell", [Change(TokenType.SMS, "+31627100001", True), Change(TokenType.SMS, "+31627100029", True)]),
        ("delete", [3, 28]),
        ("flag", 1, "is_locked_for_sending", True),
        ("flag", 0, "is_locked_for_sending", False),
        ("delete_groups", [1], True),
        paused,
    )
    await assert_folded_is_exact(quiet, player.account)


async def test_a_folder_of_all_accounts_says_how_many_have_more(quiet: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    while await statistics_folder.fold_all(quiet):
        pass  # what other tests left
    fold_by_shares(monkeypatch, 5)
    alice, bob = await begun(quiet), Player(quiet, await new_account(quiet))
    await alice.play(AGAIN)
    await bob.play(("new_group",), ("upload", 0, [WholeDraft(first_name="Bo")]))
    assert await statistics_folder.fold_all(quiet) == 1
    while await statistics_folder.fold_all(quiet):
        pass
    for player in (alice, bob):
        assert await quiet.fetchval(LEFT, player.account) == 0
        await assert_folded_is_exact(quiet, player.account)


async def test_one_folder_of_an_account_at_a_time(quiet: Pool) -> None:
    player = await begun(quiet)
    async with quiet.transaction() as tx:
        await tx.execute(statistics_folder.HOLD, player.account)
        assert await statistics_folder.fold(quiet, player.account) == 0
        await assert_exact(quiet, player.account)
    assert await statistics_folder.fold(quiet, player.account) == 6
    await assert_folded_is_exact(quiet, player.account)


async def test_nothing_is_kept_of_a_group_that_is_gone(quiet: Pool) -> None:
    player = Player(quiet, await new_account(quiet))
    await player.play(("new_group",), ("upload", 0, [WholeDraft(phone="+31627100001")]), ("pause", [0], True))
    await assert_folded_is_exact(quiet, player.account)
    await player.play(("delete_groups", [0], False))
    await assert_folded_is_exact(quiet, player.account)
    assert await quiet.fetch(BLOCKED_COUNT, player.account) == []


# --- what was there before


@pytest.fixture
async def old(embedded: Location, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Location]:
    """A database that knows neither landlines nor statistics."""
    name = f"old_{uuid4().hex}"
    connection = await asyncpg.connect(embedded.owner_url)
    await connection.execute(f"CREATE DATABASE {name}")
    here = Location(embedded.owner_url.replace("/postgres?", f"/{name}?"), embedded.app_url.replace("/postgres?", f"/{name}?"))
    for file in ("0001_address_book.sql", "0002_imports.sql"):
        (tmp_path / file).write_text((migrate.MIGRATIONS / file).read_text())
    with monkeypatch.context() as patch:
        patch.setattr(migrate, "MIGRATIONS", tmp_path)
        await migrate.migrate(here.owner_url)
    yield here
    await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.close()


ALICE, BOB = AccountId(UUID(int=0xA)), AccountId(UUID(int=0xB))
OPEN, PAUSED, STAFF, IMPORT, AMENDED = (UUID(int=number) for number in range(1, 6))
# Each of 30 contacts is in one group, those of STAFF in OPEN too; a third has an e-mail, most a phone; Bob's are like Alice's.
OLD_BOOK = f"""
INSERT INTO account (id, name, region, created_at) VALUES ('{ALICE}', 'Alice', 'NL', now()), ('{BOB}', 'Bob', 'NL', now());
INSERT INTO field (account_id, id, name, name_key, is_predefined, created_at) SELECT id, 6, 'Company', 'company', true, now() FROM account;
INSERT INTO contact_group (account_id, id, name, name_key, is_locked_for_sending, bypass_opt_out, created_at, updated_at)
SELECT a.id, g.id::uuid, 'Readers', 'readers', g.id = '{PAUSED}', g.id = '{STAFF}', now(), now()
FROM account a, (VALUES ('{OPEN}'), ('{PAUSED}'), ('{STAFF}')) g (id);
INSERT INTO contact (account_id, id, first_name, name_key, email, email_key, phone, phone_country, field_values, created_at, updated_at)
SELECT a.id, lpad(n::text, 32, '0')::uuid, repeat('n', n), '', CASE WHEN n % 3 = 0 THEN 'Ann@example.com' END,
    CASE WHEN n % 3 = 0 THEN 'ann@example.com' END, CASE WHEN n % 4 > 0 THEN '+316271000' || lpad((n % 7)::text, 2, '0') END, 'NL',
    CASE WHEN n % 5 = 0 THEN '{{"6": "Acme"}}'::jsonb ELSE '{{}}' END, now(), now()
FROM account a, generate_series(1, 30) n;
INSERT INTO membership (account_id, group_id, contact_id, added_at)
SELECT account_id, (ARRAY['{OPEN}', '{PAUSED}', '{STAFF}'])[right(id::text, 1)::int % 3 + 1]::uuid, id, now() FROM contact;
INSERT INTO membership (account_id, group_id, contact_id, added_at)
SELECT account_id, '{OPEN}', contact_id, now() FROM membership WHERE group_id = '{STAFF}';
INSERT INTO contact_count (account_id, group_id, id, contacts, empty_emails, empty_numbers, is_folded)
SELECT m.account_id, g.id, gen_random_uuid(), count(DISTINCT c.id), count(DISTINCT c.id) FILTER (WHERE email IS NULL),
    count(DISTINCT c.id) FILTER (WHERE phone IS NULL), true
FROM membership m JOIN contact c ON c.account_id = m.account_id AND c.id = m.contact_id, unnest(ARRAY[m.group_id, '{NIL}']) g (id)
GROUP BY 1, 2;
INSERT INTO consent_token (account_id, type, key, value, value_key, is_active, reason, changed_at, version)
SELECT '{ALICE}', t.type, t.key, t.key, t.key, t.is_active, t.reason, now(), 1 FROM (
    VALUES ('email', 'ann@example.com', true, 'hardbounced'), ('sms', '+31627100001', true, 'user'), ('sms', '+31627100002', false, 'user'),
        ('voice', '+31627100003', true, 'contact'), ('voicemail', '+31627100004', true, 'user'), ('rcs', '+31627100005', true, 'user')
    UNION ALL SELECT 'sms', '+3161' || lpad(n::text, 7, '0'), true, 'user' FROM generate_series(1, 12000) n
) t (type, key, is_active, reason);
INSERT INTO consent_count (account_id, type, id, opted_out, opted_in)
SELECT account_id, type, gen_random_uuid(), count(*) FILTER (WHERE is_active), count(*) FILTER (WHERE NOT is_active)
FROM consent_token GROUP BY 1, 2;
"""


async def test_what_was_there_before_is_counted_after_a_migration(old: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = await asyncpg.connect(old.owner_url)
    await owner.execute(OLD_BOOK)
    await migrate.migrate(old.owner_url)
    await owner.close()
    pool = await open_pool(old.app_url, most=4, statement_seconds=60)
    fold_by_shares(monkeypatch, 5)
    try:
        for account in (ALICE, BOB):
            await assert_exact(pool, account)
            assert await statistics_folder.fold(pool, account) > 0
            await assert_exact(pool, account)
            await assert_folded_is_exact(pool, account)
            player = Player(pool, account)
            await player.play(("delete_groups", [1], False), ("tell", [Change(TokenType.EMAIL, "ann@example.com", False)]), *BEGINNING)
            await assert_exact(pool, account)
            await assert_folded_is_exact(pool, account)
        assert len((await rows_of(pool, ALICE)).blocked()) > len((await rows_of(pool, BOB)).blocked())
    finally:
        await pool.close()


OLD_IMPORT = """
INSERT INTO contact_import (account_id, id, state, filename, options, plan, total_rows, last_row, done_rows, updated, actor, created_at)
VALUES ($1, $2, 'done', 'contacts.csv', '{}', $3, 1, 2, 1, 1, $2, now())
"""
OLD_ROW = """
INSERT INTO import_row (account_id, import_id, number, bucket, contact_id, applied_at, before)
SELECT account_id, $2, 2, 'updated', id, updated_at, $4 FROM contact WHERE account_id = $1 AND id = $3
"""


async def test_an_import_of_before_a_migration_can_still_be_undone(old: Location) -> None:
    owner = await asyncpg.connect(old.owner_url)
    await owner.execute(OLD_BOOK)
    before = ["Ann", "van", "Dam", "dam", "Before@example.com", "before@example.com", "+31627100009", "NL", '{"6":"Once"}']
    plan = {"columns": ["Email"], "targets": ["email"], "match": ["phone"], "on_match": "update", "match_in": "account"}
    plan |= {"region": "NL", "letters": True, "is_csv": True, "group": str(OPEN)}
    contact = UUID("00000000-0000-0000-0000-000000000012")
    await owner.execute(OLD_IMPORT, ALICE, IMPORT, json.dumps(plan))
    await owner.execute(OLD_ROW, ALICE, IMPORT, contact, json.dumps([before, "2026-01-02T03:04:05.678Z", False]))
    await migrate.migrate(old.owner_url)
    await owner.close()
    pool = await open_pool(old.app_url, most=4, statement_seconds=60)
    try:
        assert (await imports.get(pool, ALICE, IMPORT)).plan is not None
        assert (await take_back(pool, ALICE, IMPORT)).restored == 1
        (restored,) = [row for row in (await rows_of(pool, ALICE)).contacts if row["id"] == contact]
        assert [restored[name] for name in contacts.OWN] == [*before[:8], None, None, '{"6": "Once"}']
        await assert_exact(pool, ALICE)
        await assert_folded_is_exact(pool, ALICE)
    finally:
        await pool.close()
