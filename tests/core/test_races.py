"""Many callers at once. What must hold at the end, or all the time, whatever order the database takes them in."""

import asyncio
import itertools
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from reachbook.core import consent, contacts, counts, fields, groups, ids, indexing, search
from reachbook.core.consent import Change, Reason, Source, TokenType
from reachbook.core.drafts import Draft, FieldValue
from reachbook.core.errors import ConflictError, InvalidError, NotFoundError
from reachbook.core.groups import Group
from reachbook.core.ids import NIL, AccountId
from reachbook.core.paging import Page
from reachbook.database.pool import Pool
from tests.core.book import dumped_ids, ledger, wrong_counters

ACTOR = UUID(int=7)
ALL = Page(0, 10_000)
REFUSALS = (NotFoundError, ConflictError, InvalidError)


def mailbox(number: int) -> str:
    """An address of somebody's own."""
    return f"reader{number}@example.com"


async def new_group(db: Pool, account: AccountId) -> UUID:
    """Another group."""
    return (await groups.create(db, account, ids.new_id(), groups.Draft(name="Readers"), ids.now())).id


async def until_refused(*calls: Awaitable[Any]) -> list[Any]:
    """All at once: the answers, and the refusals that a race may end in. Anything else is raised."""
    answers = await asyncio.gather(*calls, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException) and not isinstance(answer, REFUSALS):
            raise answer
    return answers


@asynccontextmanager
async def meanwhile(*checks: Callable[[], Awaitable[None]]) -> AsyncGenerator[None]:
    """Each of the checks over and over, at least once, while the block runs."""
    is_over = asyncio.Event()

    async def repeat(check: Callable[[], Awaitable[None]]) -> None:
        await check()
        while not is_over.is_set():
            await asyncio.sleep(0)
            await check()

    repeated = [asyncio.ensure_future(repeat(check)) for check in checks]
    try:
        yield
    finally:
        is_over.set()
        answers = await asyncio.gather(*repeated, return_exceptions=True)
    for answer in answers:
        if answer is not None:
            raise answer


@pytest.mark.parametrize("in_bulk", [False, True], ids=["one by one", "in bulk"])
async def test_an_answered_opt_out_is_out_of_every_later_read(db: Pool, account: AccountId, group: Group, in_bulk: bool) -> None:
    people = [Draft(email=mailbox(number)) for number in range(120)]
    await contacts.upload(db, account, group.id, people, now=ids.now())
    done: set[str] = set()

    async def opt_out(numbers: list[int]) -> None:
        batch = [Change(TokenType.EMAIL, mailbox(number), True) for number in numbers]
        if in_bulk:
            await consent.record(db, account, batch, source=Source.API, actor=ACTOR, now=ids.now())
            done.update(change.value for change in batch)
            return
        for change in batch:
            await consent.change(db, account, change, source=Source.API, actor=ACTOR, now=ids.now())
            done.add(change.value)

    async def import_again() -> None:
        await contacts.upload(db, account, group.id, people[:40], now=ids.now(), delay_indexing=True)

    async def shown() -> list[str | None]:
        return [row.email for row in (await contacts.list_members(db, account, group.id, ALL, reachable_by=TokenType.EMAIL)).rows]

    async def of_list() -> None:
        before = set(done)
        assert not before.intersection(await shown())

    async def of_dump() -> None:
        before = set(done)
        found = await dumped_ids(db, account, TokenType.EMAIL, groups=[group.id])
        addresses = await db.fetch("SELECT email FROM contact WHERE account_id = $1 AND id = ANY($2::uuid[])", account, found)
        assert not before.intersection(row["email"] for row in addresses)

    everyone = {row.email: row.id for row in (await contacts.list_members(db, account, group.id, ALL)).rows}

    async def of_get() -> None:
        if before := sorted(done):
            with pytest.raises(NotFoundError):
                await contacts.get(db, account, everyone[random.choice(before)], TokenType.EMAIL)

    async with meanwhile(of_list, of_dump, of_get, import_again):
        await asyncio.gather(*(opt_out(list(range(first, 100, 25))) for first in range(25)))
    assert sorted(set(await shown())) == sorted(mailbox(number) for number in range(100, 120))


async def test_opposite_changes_of_one_token_queue(db: Pool, account: AccountId) -> None:
    async def call(number: int) -> None:
        change = Change(TokenType.SMS, "+31627100000", number % 2 == 0, message=f"call {number}")
        await consent.change(db, account, change, source=Source.API, actor=ACTOR, now=ids.now() + timedelta(seconds=number % 7))

    async def counters() -> None:
        assert await wrong_counters(db, account) == []

    async with meanwhile(counters):
        await asyncio.gather(*(call(number) for number in range(60)))
    tokens, history = await ledger(db, account)
    (state,), (entries,) = tokens.values(), history.values()
    assert len(entries) == state.version == 60
    assert (state.is_active, state.reason, state.message) == entries[-1]
    assert sorted(entry.message or "" for entry in entries) == sorted(f"call {number}" for number in range(60))
    listed = (await consent.history(db, account, TokenType.SMS, "+31627100000", ALL)).rows
    assert sorted(listed, key=lambda entry: entry.changed_at, reverse=True) == listed
    assert await wrong_counters(db, account) == []


async def test_repeats_at_once_are_one_entry(db: Pool, account: AccountId) -> None:
    change = Change(TokenType.EMAIL, mailbox(1), True, Reason.SPAM, "complained")
    batch = [change, Change(TokenType.VOICE, "+31627100000", True)]
    answers = await asyncio.gather(
        *(consent.record(db, account, batch, source=Source.GATEWAY, actor=ACTOR, now=ids.now()) for _ in range(30))
    )
    assert sorted(answers) == [0] * 29 + [2]
    _, history = await ledger(db, account)
    assert [len(entries) for entries in history.values()] == [1, 1]
    assert await wrong_counters(db, account) == []


async def test_batches_in_different_order_do_not_wait_for_one_another(db: Pool, account: AccountId) -> None:
    shuffled = random.Random(20)
    tokens = [(type, mailbox(number)) for number in range(150) for type in (TokenType.EMAIL, TokenType.PUSH)]

    async def batch(number: int) -> None:
        chosen = shuffled.sample(tokens, 250)
        batch = [Change(type, value, shuffled.random() < 0.5, message=f"batch {number}") for type, value in chosen]
        await consent.record(db, account, batch, source=Source.IMPORT, actor=ACTOR, now=ids.now())

    await asyncio.gather(*(batch(number) for number in range(40)))
    states, history = await ledger(db, account)
    assert set(states) == set(tokens)
    for token, entries in history.items():
        assert states[token].version == len(entries)
        assert states[token][:3] == entries[-1]
    assert await wrong_counters(db, account) == []


class Crowd:
    """Callers who change the contacts and groups of one account without a thought for each other."""

    def __init__(self, db: Pool, account: AccountId, seed: int) -> None:
        self.db, self.account, self.random = db, account, random.Random(seed)
        self.contacts: list[UUID] = []
        self.groups: list[UUID] = []
        self.refused = 0

    async def prepare(self, per_group: int, number_of_groups: int = 5) -> None:
        for _ in range(number_of_groups):
            await self.new_group()
        for group in self.groups:
            await contacts.upload(self.db, self.account, group, [self.person() for _ in range(per_group)], now=ids.now())
        self.contacts = [row["id"] for row in await self.db.fetch("SELECT id FROM contact WHERE account_id = $1", self.account)]
        self.random.shuffle(self.contacts)

    def person(self) -> Draft:
        number = self.random.randrange(30)
        return self.random.choice(
            [Draft(email=mailbox(number)), Draft(phone=f"+3162710{number:04}"), Draft(email=None, phone=None), Draft(last_name="Doe")]
        )

    def group(self) -> UUID:
        return self.random.choice(self.groups[-6:])

    def contact(self) -> UUID:
        return self.random.choice(self.contacts)

    async def new_group(self) -> None:
        self.groups.append(await new_group(self.db, self.account))

    async def upload(self) -> None:
        people = [self.person() for _ in range(self.random.randint(1, 4))]
        await contacts.upload(self.db, self.account, self.group(), people, now=ids.now(), delay_indexing=self.random.random() < 0.5)

    async def add(self) -> None:
        self.contacts.append((await contacts.add(self.db, self.account, self.group(), self.person(), id=ids.new_id(), now=ids.now())).id)

    async def update(self) -> None:
        await contacts.update(self.db, self.account, self.contact(), self.person(), now=ids.now())

    async def move(self) -> None:
        await contacts.update(self.db, self.account, self.contact(), self.person(), now=ids.now(), move_to=self.group())

    async def delete(self) -> None:
        await contacts.delete(self.db, self.account, [self.contact() for _ in range(self.random.randint(1, 3))])

    async def lock(self) -> None:
        draft = groups.Draft(is_locked_for_editing=self.random.random() < 0.3)
        await groups.update(self.db, self.account, self.group(), draft, ids.now())

    async def empty(self) -> None:
        await groups.empty(self.db, self.account, self.group())

    async def delete_groups(self) -> None:
        await self.new_group()
        await groups.delete(self.db, self.account, [self.group(), self.group()])

    async def fold(self) -> None:
        await counts.fold(self.db)

    async def caller(self, calls: list[Callable[[], Awaitable[None]]], times: int) -> None:
        """One after the other, whatever comes to mind."""
        for _ in range(times):
            try:
                await self.random.choice(calls)()
            except REFUSALS:
                self.refused += 1


@pytest.mark.parametrize("seed", range(3))
async def test_contacts_and_groups_changed_by_everybody(db: Pool, account: AccountId, seed: int) -> None:
    crowd = Crowd(db, account, seed)
    await crowd.prepare(20)
    often = [crowd.upload, crowd.add, crowd.update, crowd.move, crowd.move, crowd.delete]
    calls = [*often, *often, *often, crowd.lock, crowd.empty, crowd.delete_groups]

    async def counters() -> None:
        assert await wrong_counters(db, account) == []

    async with meanwhile(counters):
        await asyncio.gather(*(crowd.caller(calls, 30) for _ in range(14)))
    assert await db.fetchval("SELECT count(*) FROM contact WHERE account_id = $1", account) > 0
    assert await wrong_counters(db, account) == []
    orphans = """
    SELECT count(*) FROM contact c WHERE account_id = $1 AND NOT EXISTS (
        SELECT 1 FROM membership m WHERE m.account_id = c.account_id AND m.contact_id = c.id)
    """
    assert await db.fetchval(orphans, account) == 0


@pytest.mark.parametrize("seed", range(3))
async def test_one_contact_moved_by_everybody_while_its_groups_go(db: Pool, account: AccountId, seed: int) -> None:
    crowd = Crowd(db, account, seed)
    await crowd.prepare(1, number_of_groups=4)

    async def keep_one() -> None:
        await crowd.add()
        crowd.contacts[:] = crowd.contacts[-2:]

    await asyncio.gather(*(crowd.caller([crowd.move] * 6 + [crowd.delete_groups, keep_one, keep_one], 40) for _ in range(18)))
    assert await wrong_counters(db, account) == []


@pytest.mark.parametrize("seed", range(2))
async def test_counters_folded_while_written_and_read(db: Pool, account: AccountId, group: Group, seed: int) -> None:
    crowd = Crowd(db, account, seed)
    await crowd.prepare(10)
    started = itertools.count()
    finished = itertools.count()
    begun = ended = 0

    async def grow() -> None:
        nonlocal begun, ended
        for _ in range(25):
            begun = next(started) + 1
            await contacts.add(db, account, group.id, crowd.person(), id=ids.new_id(), now=ids.now())
            ended = next(finished) + 1

    async def tell() -> None:
        for number in range(25):
            change = Change(TokenType.EMAIL, mailbox(crowd.random.randrange(9)), crowd.random.random() < 0.5, message=f"{number}")
            await consent.change(db, account, change, source=Source.API, actor=ACTOR, now=ids.now())

    async def in_between() -> None:
        least = ended
        counted = (await groups.get(db, account, group.id)).contacts
        assert least <= counted <= begun

    async def recount() -> None:
        assert await wrong_counters(db, account) == []

    calls = [crowd.upload, crowd.update, crowd.delete, crowd.empty]
    async with meanwhile(crowd.fold, crowd.fold, in_between, recount):
        await asyncio.gather(grow(), grow(), tell(), tell(), *(crowd.caller(calls, 25) for _ in range(4)))
    await counts.fold(db)
    assert await wrong_counters(db, account) == []
    assert (await groups.get(db, account, group.id)).contacts == 50
    rows = await db.fetch(
        "SELECT is_folded FROM contact_count WHERE account_id = $1 AND group_id = ANY($2::uuid[])", account, [group.id, NIL]
    )
    assert all(row["is_folded"] for row in rows), "two folders at once may leave two sums, but no delta"


async def test_counters_folded_while_their_group_is_deleted(db: Pool, account: AccountId) -> None:
    async def come_and_go() -> None:
        for _ in range(30):
            group = await new_group(db, account)
            await contacts.upload(db, account, group, [Draft(email=mailbox(1)), Draft()], now=ids.now(), delay_indexing=True)
            await groups.delete(db, account, [group])

    async def fold() -> None:
        await counts.fold(db)

    await fold()  # what other tests left
    async with meanwhile(fold, fold, fold):
        await asyncio.gather(*(come_and_go() for _ in range(6)))
    assert await wrong_counters(db, account) == []
    left = await db.fetchval("SELECT count(*) FROM contact_count WHERE account_id = $1 AND group_id <> $2", account, NIL)
    assert left == 0


async def test_indexers_at_once(db: Pool, account: AccountId, group: Group) -> None:
    later = ids.now() + timedelta(days=1)
    crowd = Crowd(db, account, 1)
    crowd.groups = [group.id, await new_group(db, account)]
    for number in range(40):
        people = [Draft(last_name=f"Reader {number} {row}", email=mailbox(row)) for row in range(25)]
        await contacts.upload(db, account, crowd.group(), people, now=ids.now(), delay_indexing=True)
    crowd.contacts = [row["id"] for row in await db.fetch("SELECT id FROM contact WHERE account_id = $1", account)]
    crowd.random.shuffle(crowd.contacts)

    async def worker() -> None:
        while await indexing.index_due(db, later):
            pass

    async def catch_up(group: UUID) -> None:
        await contacts.upload(db, account, group, [], now=ids.now())

    await until_refused(
        *(worker() for _ in range(5)),
        *(catch_up(of_group) for of_group in crowd.groups * 2),
        *(crowd.caller([crowd.update, crowd.delete, crowd.move], 20) for _ in range(6)),
    )
    await worker()
    assert await db.fetchval("SELECT count(*) FROM indexing_backlog WHERE account_id = $1", account) == 0
    stored = await db.fetch("SELECT id, first_name, insertion, last_name, email, phone FROM contact WHERE account_id = $1", account)
    indexed = await db.fetch("SELECT contact_id, text FROM contact_search WHERE account_id = $1", account)
    expected = {row["id"]: indexing.search_text(*list(row.values())[1:], None, None) for row in stored}
    assert {row["contact_id"]: row["text"] for row in indexed} == expected
    assert len(expected) > 800
    found = await search.search_contacts(db, account, "reader 7 13", Page(0, 100))
    assert {hit.contact.last_name for hit in found.rows} <= {f"Reader {n} {row}" for n in range(40) for row in range(25)}


ORPHANS = """
SELECT count(*) FROM contact c, jsonb_object_keys(c.field_values) k (field)
WHERE c.account_id = $1 AND NOT EXISTS (SELECT 1 FROM field f WHERE f.account_id = c.account_id AND f.id = k.field::bigint)
"""


async def test_field_deleted_while_contacts_come_with_it(db: Pool, account: AccountId, group: Group) -> None:
    for _ in range(8):
        field = (await fields.create(db, account, "Shoe size", ids.now())).id
        person = Draft(last_name="Doe", values=[FieldValue(field, "43"), FieldValue(7, "kept")])

        async def delete(field: int = field) -> None:
            await asyncio.sleep(0)
            await fields.delete(db, account, field)

        answers = await until_refused(
            *(contacts.add(db, account, group.id, person, id=ids.new_id(), now=ids.now()) for _ in range(6)),
            delete(),
            *(contacts.upload(db, account, group.id, [person] * 5, now=ids.now()) for _ in range(6)),
            fields.delete(db, account, field),
        )
        refusals = [answer for answer in answers if isinstance(answer, Exception)]
        assert sum(isinstance(refusal, NotFoundError) for refusal in refusals) == 1  # the second delete
        assert all("values" in refusal.faults[0].path for refusal in refusals if isinstance(refusal, InvalidError))
        assert await db.fetchval(ORPHANS, account) == 0
    assert await wrong_counters(db, account) == []


async def test_field_deleted_while_contacts_that_have_it_change(db: Pool, account: AccountId, group: Group) -> None:
    for _ in range(8):
        field = (await fields.create(db, account, "Shoe size", ids.now())).id
        people = [Draft(last_name="Doe", values=[FieldValue(field, "43")])] * 10
        await contacts.upload(db, account, group.id, people, now=ids.now())
        everyone = [row.id for row in (await contacts.list_members(db, account, group.id, ALL)).rows]
        renamed, resized = Draft(last_name="Roe"), Draft(values=[FieldValue(field, "44")])
        answers = await until_refused(
            *(contacts.update(db, account, id, renamed, now=ids.now()) for id in everyone[:5]),
            fields.delete(db, account, field),
            *(contacts.update(db, account, id, resized, now=ids.now()) for id in everyone[5:]),
        )
        assert not any(isinstance(answer, Exception) for answer in answers[:5]), "who names no value is not refused for one"
        assert await db.fetchval(ORPHANS, account) == 0
        await groups.empty(db, account, group.id)


async def test_field_deleted_while_contacts_that_have_it_go(db: Pool, account: AccountId) -> None:
    for turn in range(10):
        field = (await fields.create(db, account, "Shoe size", ids.now())).id
        of_groups = [await new_group(db, account) for _ in range(2)]
        person = Draft(last_name="Doe", values=[FieldValue(field, "43")])
        for group in of_groups:
            await contacts.upload(db, account, group, [person] * 60, now=ids.now())
        everyone = [row.id for group in of_groups for row in (await contacts.list_members(db, account, group, ALL)).rows]
        for id in everyone[: 20 + turn]:
            await contacts.update(db, account, id, Draft(first_name="Jo"), now=ids.now())
        await until_refused(
            contacts.delete(db, account, everyone[:50]),
            fields.delete(db, account, field),
            groups.delete(db, account, of_groups[1:]),
            groups.empty(db, account, of_groups[0]),
        )
        assert await db.fetchval(ORPHANS, account) == 0
    assert await wrong_counters(db, account) == []
