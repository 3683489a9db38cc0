"""The six invariants of the ledger (docs/consent.md), each by itself, and all of them over any order of calls."""

import asyncio
import contextlib
import itertools
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule, run_state_machine_as_test

from reachbook.core import consent, contacts, counts, groups, ids, indexing
from reachbook.core.consent import Change, Reason, Source, TokenType
from reachbook.core.drafts import Draft
from reachbook.core.errors import ConflictError, InvalidError, NotFoundError
from reachbook.core.ids import AccountId
from reachbook.core.paging import Page
from reachbook.database.pool import Pool
from reachbook.database.queries import Database
from tests.core.book import (
    EMAILS,
    KEYS,
    PHONES,
    Entry,
    State,
    change,
    dumped_ids,
    email,
    key_of,
    ledger,
    members,
    new_account,
    phone,
    spellings,
    wrong_counters,
)
from tests.support_sync import Runner

ACTOR = UUID(int=7)
ALL = Page(0, 10_000)
few = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
draft = st.builds(Draft, email=email, phone=phone)
drafts = st.lists(draft, min_size=1, max_size=6)
changes = st.lists(change, min_size=1, max_size=8)


async def new_group(db: Database, account: AccountId, **flags: bool) -> UUID:
    """A group of its own."""
    return (await groups.create(db, account, ids.new_id(), groups.Draft(name="Readers", **flags), ids.now())).id


async def record(db: Database, account: AccountId, batch: Sequence[Change]) -> int:
    """A bulk call."""
    return await consent.record(db, account, batch, source=Source.API, actor=ACTOR, now=ids.now())


def address(draft: Draft, type: TokenType) -> str | None:
    """The key of the address that the type reaches this contact by."""
    if type is TokenType.PUSH:
        return None
    return KEYS.get(draft.email if type is TokenType.EMAIL else draft.phone)


async def readings(db: Database, account: AccountId, group: UUID, type: TokenType) -> list[set[UUID]]:
    """The contacts of a group that every filtered read shows."""
    everyone = await members(db, account, group)
    got: set[UUID] = set()
    for id in everyone:
        with contextlib.suppress(NotFoundError):
            got.add((await contacts.get(db, account, id, type)).id)
    return [
        set(await dumped_ids(db, account, type, groups=[group])),
        set(await dumped_ids(db, account, type, groups=[group], form="csv")),
        set(await dumped_ids(db, account, type, contacts=everyone)),
        {contact.id for contact in (await contacts.list_members(db, account, group, ALL, reachable_by=type)).rows},
        got,
    ]


@few
@given(people=drafts, later=drafts, calls=changes, in_bulk=st.booleans())
async def test_invariant_1_no_read_shows_an_address_that_is_opted_out(
    db: Pool, people: list[Draft], later: list[Draft], calls: list[Change], in_bulk: bool
) -> None:
    account = await new_account(db)
    group, bypassing = await new_group(db, account), await new_group(db, account, bypass_opt_out=True)
    await contacts.upload(db, account, group, people, now=ids.now())
    await contacts.upload(db, account, bypassing, people, now=ids.now())
    of_group, of_bypassing = dict(zip(await members(db, account, group), people, strict=True)), set(await members(db, account, bypassing))
    out: set[tuple[TokenType, str]] = set()
    for call in calls:
        if in_bulk:
            await record(db, account, [call])
        else:
            await consent.change(db, account, call, source=Source.API, actor=ACTOR, now=ids.now())
        (out.add if call.is_active else out.discard)(key_of(call))
        assert (await consent.get(db, account, call.type, call.value)).is_active == call.is_active
        expected = {id for id, person in of_group.items() if (call.type, address(person, call.type)) not in out}
        assert await readings(db, account, group, call.type) == [expected] * 5
        assert await readings(db, account, bypassing, call.type) == [of_bypassing] * 5
    await contacts.upload(db, account, group, later, now=ids.now(), delay_indexing=True)
    of_group = dict(zip(await members(db, account, group), people + later, strict=True))
    for type in {call.type for call in calls}:
        expected = {id for id, person in of_group.items() if (type, address(person, type)) not in out}
        assert await readings(db, account, group, type) == [expected] * 5


async def import_again(db: Database, account: AccountId, group: UUID, people: Sequence[Draft]) -> None:
    """Every way but an opt-in by which an address comes in, changes, goes and comes back."""
    await contacts.upload(db, account, group, people, now=ids.now(), delay_indexing=True)
    added = await contacts.add(db, account, group, people[0], id=ids.new_id(), now=ids.now())
    await contacts.update(db, account, added.id, people[-1], now=ids.now())
    await contacts.update(db, account, added.id, people[0], now=ids.now())
    other = await new_group(db, account)
    await contacts.update(db, account, added.id, Draft(), move_to=other, now=ids.now())
    await contacts.delete(db, account, [added.id])
    await contacts.add(db, account, other, people[0], id=added.id, now=ids.now())
    await indexing.index_due(db, ids.now() + timedelta(days=1))
    await groups.update(db, account, other, groups.Draft(bypass_opt_out=True), ids.now())
    await groups.update(db, account, other, groups.Draft(bypass_opt_out=False), ids.now())
    await groups.empty(db, account, group)
    await contacts.upload(db, account, group, people, now=ids.now(), skip_invalid=True)
    await groups.delete(db, account, [other])
    await counts.fold(db)


@few
@given(people=drafts, calls=changes, back=st.data())
async def test_invariant_2_only_an_opt_in_re_opens(db: Pool, people: list[Draft], calls: list[Change], back: st.DataObject) -> None:
    account = await new_account(db)
    group = await new_group(db, account)
    await record(db, account, calls)
    before = await ledger(db, account)
    await import_again(db, account, group, people)
    assert await ledger(db, account) == before
    for type in TokenType:
        out = {key for (of_type, key), state in before[0].items() if of_type == type and state.is_active}
        ids_of = dict(zip(await members(db, account, group), people, strict=True))
        expected = {id for id, person in ids_of.items() if address(person, type) not in out}
        assert set(await dumped_ids(db, account, type, groups=[group])) == expected
    for (type, key), state in before[0].items():
        if state.is_active:
            written = back.draw(st.sampled_from(spellings(TokenType(type))[key]))
            assert await record(db, account, [Change(TokenType(type), written, False)]) == 1
    assert not any(state.is_active for state in (await ledger(db, account))[0].values())
    assert await readings(db, account, group, TokenType.SMS) == [set(await members(db, account, group))] * 5


@few
@given(batches=st.lists(changes, min_size=1, max_size=5))
async def test_invariant_3_history_is_only_appended_to(db: Pool, batches: list[list[Change]]) -> None:
    account = await new_account(db)
    before: dict[tuple[str, str], list[Entry]] = {}
    for batch in batches:
        await record(db, account, batch)
        tokens, history = await ledger(db, account)
        for token, entries in before.items():
            assert history[token][: len(entries)] == entries
        for token, state in tokens.items():
            assert state[:2] == history[token][-1][:2]
            assert state.version == len(history[token])
        before = history
    for statement in (
        "UPDATE consent_history SET message = 'changed' WHERE account_id = $1",
        "DELETE FROM consent_history WHERE account_id = $1",
        "DELETE FROM consent_token WHERE account_id = $1",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await db.execute(statement, account)
    for type, key in before:
        listed = await consent.history(db, account, TokenType(type), key, ALL)
        assert listed.total == len(listed.rows)
        shown = [Entry(entry.is_active, entry.reason, entry.message) for entry in reversed(listed.rows)]
        assert shown == before[type, key]
    assert (await ledger(db, account))[1] == before


@few
@given(people=drafts, calls=changes)
async def test_invariant_4_deleting_contacts_and_groups_leaves_the_ledger(db: Pool, people: list[Draft], calls: list[Change]) -> None:
    account = await new_account(db)
    of_groups = [await new_group(db, account) for _ in range(3)]
    for group in of_groups:
        await contacts.upload(db, account, group, people, now=ids.now())
    await record(db, account, calls)
    before = await ledger(db, account)
    lists = [await consent.list_tokens(db, account, None, ALL, is_active=is_active) for is_active in (True, False)]
    await contacts.delete(db, account, await members(db, account, of_groups[0]))
    await groups.empty(db, account, of_groups[1])
    await groups.delete(db, account, of_groups)
    assert await db.fetchval("SELECT count(*) FROM contact WHERE account_id = $1", account) == 0
    assert await ledger(db, account) == before
    assert [await consent.list_tokens(db, account, None, ALL, is_active=is_active) for is_active in (True, False)] == lists
    assert await wrong_counters(db, account) == []


@few
@given(calls=changes, data=st.data())
async def test_invariant_5_a_repeat_is_no_second_entry(db: Pool, calls: list[Change], data: st.DataObject) -> None:
    account = await new_account(db)
    await record(db, account, calls)
    before, lists = await ledger(db, account), await consent.list_tokens(db, account, None, ALL, is_active=True)
    last = {key_of(call): call for call in calls}

    def respelled(call: Change, message: str | None) -> Change:
        written = data.draw(st.sampled_from(spellings(call.type)[KEYS[call.value]]))
        return Change(call.type, written, call.is_active, call.reason, message)

    for messages in ([call.message for call in last.values()], [None] * len(last)):
        again = [respelled(call, message) for call, message in zip(last.values(), messages, strict=True)]
        assert await record(db, account, data.draw(st.permutations(again))) == 0
        for call in again:
            await consent.change(db, account, call, source=Source.IMPORT, actor=UUID(int=8), now=ids.now() + timedelta(hours=1))
        assert await ledger(db, account) == before
        assert await consent.list_tokens(db, account, None, ALL, is_active=True) == lists
    for token, call in last.items():
        reason = Reason.CONTACT if call.reason is Reason.USER else Reason.USER
        told, new_message = Change(call.type, call.value, call.is_active, reason), respelled(call, "quite new")
        assert await record(db, account, [told]) == 0
        assert await record(db, account, [new_message]) == 0
        tokens, history = await ledger(db, account)
        assert history[token][len(before[1][token]) :] == [
            Entry(call.is_active, reason, None),
            Entry(call.is_active, call.reason, "quite new"),
        ]
        assert tokens[token] == State(call.is_active, call.reason, "quite new", len(before[1][token]) + 2)


@few
@given(people=drafts, batches=st.lists(changes, min_size=1, max_size=4), data=st.data())
async def test_invariant_6_counters_equal_a_recount(
    db: Pool, people: list[Draft], batches: list[list[Change]], data: st.DataObject
) -> None:
    account = await new_account(db)
    group, other = await new_group(db, account), await new_group(db, account)

    async def agree() -> None:
        assert await wrong_counters(db, account) == []
        for id in (group, other):
            of_group = await groups.get(db, account, id)
            rows = (await contacts.list_members(db, account, id, ALL)).rows
            assert of_group.contacts == len(rows)
            assert of_group.empty_emails == sum(contact.email is None for contact in rows)
            assert of_group.empty_numbers == sum(contact.phone is None for contact in rows)
        tokens, _ = await ledger(db, account)
        for figures in await consent.figures_by_type(db, account):
            states = [state.is_active for (type, _), state in tokens.items() if type == figures.type]
            assert (figures.opted_out, figures.opted_in) == (states.count(True), states.count(False))

    await contacts.upload(db, account, group, people, now=ids.now())
    await agree()
    for batch in batches:
        await record(db, account, batch)
        await agree()
    for id in await members(db, account, group):
        await contacts.update(db, account, id, data.draw(draft), now=ids.now(), move_to=data.draw(st.sampled_from([None, group, other])))
        await agree()
    await counts.fold(db)
    await agree()
    await contacts.delete(db, account, data.draw(st.lists(st.sampled_from([*await members(db, account, group), ids.new_id()]))))
    await agree()
    await groups.empty(db, account, other)
    await agree()
    await contacts.upload(db, account, other, people, now=ids.now())
    await groups.empty(db, account, group)
    await agree()


BAD_ROWS = [
    Change(TokenType.SMS, "+31627100000", True, Reason.SPAM),
    Change(TokenType.VOICE, "12", True),
    Change(TokenType.EMAIL, "nobody", True),
    Change(TokenType.PUSH, " ", False),
    Change(TokenType.EMAIL, "ann@example.com", True, Reason.USER, "x" * 4_001),
]


@dataclass
class Person:
    """A contact of the model."""

    group: UUID
    draft: Draft


class Book(RuleBasedStateMachine):
    """Any order of calls on one account; the model is two dictionaries and a list of what the ledger was told."""

    known_groups = Bundle("known_groups")
    known_contacts = Bundle("known_contacts")
    known_calls = Bundle("known_calls")

    def __init__(self, runner: Runner) -> None:
        super().__init__()
        self.run, self.db = runner, runner.db
        self.account = self.run(new_account(self.db))
        self.bob = self.run(new_account(self.db))
        self.clock, self.turn = itertools.count(), itertools.count()
        self.groups: dict[UUID, bool] = {}
        self.locked: set[UUID] = set()
        self.people: dict[UUID, Person] = {}
        self.tokens: dict[tuple[str, str], State] = {}
        self.history: dict[tuple[str, str], list[Entry]] = {}
        self.seen: dict[tuple[str, str], list[Entry]] = {}

    @initialize(target=known_groups)
    def first_group(self) -> UUID:
        return self.create_group(False)

    @initialize(target=known_contacts, group=known_groups)
    def first_contacts(self, group: UUID) -> Any:
        people = [Draft(email=email[0], phone=phone[0]) for email, phone in zip(EMAILS.values(), PHONES.values(), strict=True)]
        return self.upload(group, [*people, Draft(email=None, phone=None)], False, False, False)

    @initialize(target=known_calls, types=st.sets(st.sampled_from(TokenType), min_size=4))
    def first_opt_outs(self, types: set[TokenType]) -> Any:
        batch = [Change(type, next(iter(spellings(type).values()))[0], True, message="at first") for type in sorted(types)]
        self.change_many(batch)
        return multiple(*batch)

    @initialize()
    def bob_opts_everybody_out(self) -> None:
        everything = [Change(type, ways[0], True) for type in TokenType for ways in spellings(type).values()]
        self.run(record(self.db, self.bob, everything))
        self.bobs_ledger = self.run(ledger(self.db, self.bob))

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=next(self.clock))

    def expect(self, refused: type[Exception] | None, call: Coroutine[Any, Any, Any]) -> Any:
        """Run a call that is answered, or refused in this way."""
        if refused is None:
            return self.run(call)
        with pytest.raises(refused):
            self.run(call)
        return None

    def tell(self, batch: Sequence[Change]) -> int:
        """What the rules say a batch does; answers how many tokens change."""
        changed = 0
        for token, call in {key_of(call): call for call in batch}.items():
            before = self.tokens.get(token)
            message = call.message if call.message and call.message.strip() else None
            repeats = before is not None and before.is_active == call.is_active
            if before and repeats and before.reason == call.reason and (message is None or message == before.message):
                continue
            changed += not repeats
            kept = message or (before.message if before and repeats else None)
            self.history.setdefault(token, []).append(Entry(call.is_active, call.reason, message))
            self.tokens[token] = State(call.is_active, call.reason, kept, len(self.history[token]))
        return changed

    def is_out(self, person: Person, type: TokenType) -> bool:
        """Whether a filtered read leaves this contact out."""
        state = self.tokens.get((type, address(person.draft, type) or ""))
        return state is not None and state.is_active and not self.groups[person.group]

    def refusal(self, *of_groups: UUID) -> type[Exception] | None:
        """How a change of contacts in these groups is refused."""
        if any(group not in self.groups for group in of_groups):
            return NotFoundError
        return ConflictError if self.locked.intersection(of_groups) else None

    @rule(target=known_calls, call=change)
    def change_one(self, call: Change) -> Change:
        self.tell([call])
        token = self.run(consent.change(self.db, self.account, call, source=Source.API, actor=ACTOR, now=self.now()))
        state = self.tokens[key_of(call)]
        assert (token.type, token.is_active, token.reason, token.message) == (call.type, *state[:3])
        return call

    @rule(
        call=known_calls,
        message=st.sampled_from([None, "", "once more"]),
        reason=st.none() | st.sampled_from([Reason.CONTACT, Reason.USER]),
    )
    def change_again(self, call: Change, message: str | None, reason: Reason | None) -> None:
        self.change_one(Change(call.type, call.value, call.is_active, reason or call.reason, message))

    @rule(batch=st.lists(change, max_size=8))
    def change_many(self, batch: list[Change]) -> None:
        answer = self.run(consent.record(self.db, self.account, batch, source=Source.IMPORT, actor=ACTOR, now=self.now()))
        assert answer == self.tell(batch)

    @rule(batch=changes, bad=st.sampled_from(BAD_ROWS))
    def change_many_with_a_bad_row(self, batch: list[Change], bad: Change) -> None:
        with pytest.raises(InvalidError) as refused:
            self.run(consent.record(self.db, self.account, [*batch, bad], source=Source.API, actor=ACTOR, now=self.now()))
        assert {fault.path[0] for fault in refused.value.faults} == {len(batch)}

    @rule(target=known_groups, bypass=st.booleans())
    def create_group(self, bypass: bool) -> UUID:
        assume(len(self.groups) < 4)
        id = self.run(new_group(self.db, self.account, bypass_opt_out=bypass))
        self.groups[id] = bypass
        return id

    @rule(group=known_groups, bypass=st.none() | st.booleans(), locked=st.sampled_from([None, False, False, True]))
    def set_flags(self, group: UUID, bypass: bool | None, locked: bool | None) -> None:
        flags = groups.Draft(bypass_opt_out=bypass, is_locked_for_editing=locked)
        self.expect(None if group in self.groups else NotFoundError, groups.update(self.db, self.account, group, flags, self.now()))
        if group in self.groups and bypass is not None:
            self.groups[group] = bypass
        if group in self.groups and locked is not None:
            (self.locked.add if locked else self.locked.discard)(group)

    @rule(group=known_groups, is_deleted=st.booleans())
    def delete_or_empty_group(self, group: UUID, is_deleted: bool) -> None:
        refused = self.refusal(group)
        if is_deleted:
            self.expect(refused, groups.delete(self.db, self.account, [group], must_exist=True))
        else:
            self.expect(refused, groups.empty(self.db, self.account, group))
        if refused is None:
            self.people = {id: person for id, person in self.people.items() if person.group != group}
            if is_deleted:
                del self.groups[group]

    @rule(of_groups=st.lists(known_groups, max_size=3))
    def delete_groups(self, of_groups: list[UUID]) -> None:
        refused = ConflictError if self.locked.intersection(of_groups) & self.groups.keys() else None
        self.expect(refused, groups.delete(self.db, self.account, of_groups))
        if refused is None:
            self.people = {id: person for id, person in self.people.items() if person.group not in of_groups}
            self.groups = {id: bypass for id, bypass in self.groups.items() if id not in of_groups}

    @rule(target=known_contacts, group=known_groups, person=draft)
    def add_contact(self, group: UUID, person: Draft) -> UUID:
        id, refused = ids.new_id(), self.refusal(group)
        self.expect(refused, contacts.add(self.db, self.account, group, person, id=id, now=self.now()))
        if refused is None:
            self.people[id] = Person(group, person)
        return id

    @rule(target=known_contacts, group=known_groups, people=drafts, bad=st.booleans(), skip=st.booleans(), delay=st.booleans())
    def upload(self, group: UUID, people: list[Draft], bad: bool, skip: bool, delay: bool) -> Any:
        rows = [*people, Draft(phone="12")] if bad else people
        refused = self.refusal(group)
        if bad and not skip and refused is not NotFoundError:
            refused = InvalidError
        call = contacts.upload(self.db, self.account, group, rows, now=self.now(), skip_invalid=skip, delay_indexing=delay)
        answer = self.expect(refused, call)
        if refused is not None:
            return multiple()
        assert (answer.created, len(answer.rejected)) == (len(people), bad)
        new = [id for id in self.run(members(self.db, self.account, group)) if id not in self.people]
        self.people |= {id: Person(group, person) for id, person in zip(new, people, strict=True)}
        return multiple(*new)

    @rule(id=known_contacts, person=draft, move_to=st.none() | known_groups)
    def update_contact(self, id: UUID, person: Draft, move_to: UUID | None) -> None:
        stored = self.people.get(id)
        refused = NotFoundError if stored is None else self.refusal(stored.group, *([move_to] if move_to else []))
        self.expect(refused, contacts.update(self.db, self.account, id, person, now=self.now(), move_to=move_to))
        if stored and refused is None:
            self.people[id] = Person(move_to or stored.group, person)

    @rule(of_contacts=st.lists(known_contacts, max_size=4))
    def delete_contacts(self, of_contacts: list[UUID]) -> None:
        found = [self.people[id].group for id in of_contacts if id in self.people]
        refused = self.refusal(*found)
        self.expect(refused, contacts.delete(self.db, self.account, of_contacts))
        if refused is None:
            self.people = {id: person for id, person in self.people.items() if id not in of_contacts}

    @rule()
    def work_in_the_background(self) -> None:
        self.run(counts.fold(self.db))
        self.run(indexing.index_due(self.db, ids.now() + timedelta(days=1)))

    @invariant()
    def ledger_agrees(self) -> None:
        tokens, history = self.run(ledger(self.db, self.account))
        assert tokens == self.tokens
        assert history == self.history
        for token, entries in self.seen.items():
            assert history[token][: len(entries)] == entries
        self.seen = history

    @invariant()
    def counters_agree(self) -> None:
        assert self.run(wrong_counters(self.db, self.account)) == []
        figures = self.run(consent.figures_by_type(self.db, self.account))
        for type, _, opted_in, opted_out in ((f.type, f.description, f.opted_in, f.opted_out) for f in figures):
            states = [state.is_active for (of_type, _), state in self.tokens.items() if of_type == type]
            assert (opted_out, opted_in) == (states.count(True), states.count(False))
        listed = self.run(groups.list_groups(self.db, self.account, ALL)).rows
        assert {group.id: group.bypass_opt_out for group in listed} == self.groups
        for group in listed:
            people = [person.draft for person in self.people.values() if person.group == group.id]
            empty = sum(person.email is None for person in people), sum(person.phone is None for person in people)
            assert (group.contacts, group.empty_emails, group.empty_numbers) == (len(people), *empty)

    @invariant()
    def filtered_reads_agree(self) -> None:
        self.run(self.filtered_reads())

    async def filtered_reads(self) -> None:
        listed_by = {TokenType.EMAIL, TokenType.SMS, list(TokenType)[next(self.turn) % len(TokenType)]}

        async def of_type(type: TokenType) -> None:
            reachable = {id for id, person in self.people.items() if not self.is_out(person, type)}
            assert sorted(reachable) == await dumped_ids(self.db, self.account, type, groups=self.groups)
            if type not in listed_by:
                return
            assert sorted(reachable) == await dumped_ids(self.db, self.account, type, contacts=[*self.people, ids.new_id()])
            for group in self.groups:
                listed = await contacts.list_members(self.db, self.account, group, ALL, reachable_by=type)
                assert [contact.id for contact in listed.rows] == sorted(id for id in reachable if self.people[id].group == group)
                assert listed.total == len(listed.rows)
            for id in list(self.people)[:4]:
                if id in reachable:
                    assert (await contacts.get(self.db, self.account, id, type)).group_id == self.people[id].group
                    continue
                with pytest.raises(NotFoundError):
                    await contacts.get(self.db, self.account, id, type)

        await asyncio.gather(*(of_type(type) for type in TokenType))

    def teardown(self) -> None:
        if hasattr(self, "bobs_ledger"):
            assert self.run(ledger(self.db, self.bob)) == self.bobs_ledger
        super().teardown()


def test_any_order_of_calls(runner: Runner) -> None:
    run_state_machine_as_test(
        lambda: Book(runner),
        settings=settings(max_examples=20, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)),
    )
