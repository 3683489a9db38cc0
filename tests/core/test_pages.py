"""Cursors, pages and orders."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reachbook.core import consent, contacts, groups, ids
from reachbook.core.consent import Change, Source, TokenType
from reachbook.core.drafts import Draft, FieldValue
from reachbook.core.ids import AccountId
from reachbook.core.paging import Listed, Page
from reachbook.core.text import fold
from reachbook.database.pool import Pool
from reachbook.database.queries import Database
from tests.core.book import dumped, dumped_ids, members, new_account

ACTOR = UUID(int=7)
few = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
takes = st.lists(st.integers(1, 9), min_size=1, max_size=6)
text = (
    st.none()
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=10)
    | st.sampled_from(['a "b", c', "1\r\n2", "\\.", "=1"])
)
person = st.builds(
    Draft,
    first_name=text,
    insertion=text,
    last_name=text,
    email=st.sampled_from([None, "ann@example.com", "bo@bücher.example"]),
    phone=st.sampled_from([None, "+31627100000", "0201234567"]),
    values=st.lists(st.builds(FieldValue, st.sampled_from([6, 7]), text), max_size=2),
)


async def new_group(db: Database, account: AccountId, name: str = "Readers") -> UUID:
    """A group of its own."""
    return (await groups.create(db, account, ids.new_id(), groups.Draft(name=name), ids.now())).id


@few
@given(
    number=st.integers(0, 30), steps=st.lists(st.tuples(st.integers(1, 9), st.integers(0, 4)), min_size=1, max_size=8), by_id=st.booleans()
)
async def test_a_walk_by_cursor_gives_each_contact_once(db: Pool, number: int, steps: list[tuple[int, int]], by_id: bool) -> None:
    """Whatever the pages take and whoever is added between them."""
    account = await new_account(db)
    of_groups = [await new_group(db, account) for _ in range(2)]
    for group in of_groups:
        await contacts.upload(db, account, group, [Draft()] * number, now=ids.now())
    named = list(await members(db, account, of_groups[1]))
    at_start = sorted([*await members(db, account, of_groups[0]), *named])
    selection: dict[str, Any] = {"groups": of_groups[:1], "contacts": named} if by_id else {"groups": [*of_groups, of_groups[0]]}
    walked: list[UUID] = []
    additions = iter(steps)
    while True:
        take, added = next(additions, (5, 0))
        page = await dumped_ids(db, account, TokenType.SMS, after=walked[-1] if walked else None, take=take, **selection)
        assert len(page) <= take
        walked += page
        await contacts.upload(db, account, of_groups[0], [Draft()] * added, now=ids.now())
        if added:
            await contacts.add(db, account, of_groups[0], Draft(), id=ids.new_id(), now=ids.now())
        elif len(page) < take:
            break
    assert walked == sorted(set(walked))
    assert [id for id in walked if id in set(at_start)] == at_start


@few
@given(people=st.lists(person, max_size=12), takes=takes, form=st.sampled_from(["json", "csv"]))
async def test_csv_is_what_the_json_pages_are(db: Pool, people: list[Draft], takes: list[int], form: str) -> None:
    account = await new_account(db)
    group = await new_group(db, account)
    await contacts.upload(db, account, group, people, now=ids.now())
    whole = await dumped(db, account, TokenType.SMS, groups=[group], form="csv")
    assert len(whole) == len(people)
    assert await dumped(db, account, TokenType.SMS, groups=[group]) == whole
    paged: list[dict[str, str]] = []
    for turn in range(len(people) + 1):
        after = UUID(paged[-1]["id"]) if paged else None
        paged += await dumped(db, account, TokenType.SMS, groups=[group], after=after, take=takes[turn % len(takes)], form=form)
    assert paged == whole
    for row in whole:
        stored = await contacts.get(db, account, UUID(row["id"]))
        shown = [row.get(name) for name in ("firstName", "insertion", "lastName", "email", "phone", "country", "Company", "CustomField1")]
        of_fields = [stored.values.get("6"), stored.values.get("7")]
        assert shown == [
            stored.first_name,
            stored.insertion,
            stored.last_name,
            stored.email,
            stored.phone,
            stored.phone_country,
            *of_fields,
        ]
        assert row["groupId"] == str(group)


async def pages(read: Callable[[Page], Awaitable[Listed[Any]]], takes: Sequence[int]) -> list[Any]:
    """A list read page by page, until nothing comes; every page tells the same total."""
    rows: list[Any] = []
    for turn in range(1_000):
        page = await read(Page(len(rows), takes[turn % len(takes)]))
        assert len(page.rows) <= takes[turn % len(takes)]
        if not page.rows:
            assert page.total == len(rows)
            return rows
        rows += page.rows
    raise AssertionError("the list has no end")


names = st.sampled_from([None, "", " ", "Jan", "jan", "Ján", "Jan Willem", "Jan-Willem", "Zoë", "zoe", "van", "Ærø", "Ωmega", "日本"])
names |= st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=4).filter(fold)


def by_name(rows: Sequence[contacts.Contact], *, descending: bool) -> list[UUID]:
    """Last name, first name, insertion, folded; blanks last at each level in both directions; ties by id."""
    ordered = sorted(rows, key=lambda row: row.id, reverse=descending)
    for part in ("insertion", "first_name", "last_name"):
        ordered.sort(key=lambda row, part=part: fold(getattr(row, part) or ""), reverse=descending)
        ordered.sort(key=lambda row, part=part: getattr(row, part) is None)
    return [row.id for row in ordered]


@few
@given(people=st.lists(st.tuples(names, names, names), max_size=25), takes=takes, descending=st.booleans())
async def test_contacts_by_name(db: Pool, people: list[tuple[str | None, ...]], takes: list[int], descending: bool) -> None:
    account = await new_account(db)
    group = await new_group(db, account)
    await contacts.upload(db, account, group, [Draft(*parts) for parts in people], now=ids.now())

    async def read(page: Page) -> Listed[contacts.Contact]:
        return await contacts.list_members(db, account, group, page, order="name", descending=descending)

    rows = await pages(read, takes)
    assert sorted(row.id for row in rows) == await members(db, account, group)
    assert [row.id for row in rows] == by_name(rows, descending=descending)


@pytest.mark.parametrize("descending", [False, True])
@few
@given(people=st.lists(st.sampled_from(["ann@example.com", "bo@example.com", None]), max_size=20), takes=takes)
async def test_contacts_by_date_and_filtered(db: Pool, people: list[str | None], takes: list[int], descending: bool) -> None:
    account = await new_account(db)
    group = await new_group(db, account)
    await contacts.upload(db, account, group, [Draft(email=address) for address in people], now=ids.now())
    out = Change(TokenType.EMAIL, "ann@example.com", True)
    await consent.change(db, account, out, source=Source.API, actor=ACTOR, now=ids.now())
    expected = [id for id, address in zip(await members(db, account, group), people, strict=True) if address != "ann@example.com"]

    async def read(page: Page) -> Listed[contacts.Contact]:
        return await contacts.list_members(db, account, group, page, descending=descending, reachable_by=TokenType.EMAIL)

    assert [row.id for row in await pages(read, takes)] == (expected[::-1] if descending else expected)


@few
@given(
    made=st.lists(st.tuples(st.sampled_from(["Zoë", "zoe", "Ann", "ann", "Bob"]), st.integers(0, 2)), max_size=8),
    takes=takes,
    data=st.data(),
)
async def test_groups(db: Pool, made: list[tuple[str, int]], takes: list[int], data: st.DataObject) -> None:
    account = await new_account(db)
    for name, number in made:
        group = await new_group(db, account, name)
        await contacts.upload(db, account, group, [Draft()] * number, now=ids.now())
    order, descending = data.draw(st.sampled_from(["name", "date", "contacts"])), data.draw(st.booleans())
    key: dict[str, Callable[[groups.Group], Any]] = {
        "name": lambda group: (fold(group.name), group.id),
        "date": lambda group: (group.created_at, group.id),
        "contacts": lambda group: (group.contacts, group.id),
    }

    async def read(page: Page) -> Listed[groups.Group]:
        return await groups.list_groups(db, account, page, order=order, descending=descending)

    rows = await pages(read, takes)
    assert sorted((group.name, group.contacts) for group in rows) == sorted(made)
    assert rows == sorted(rows, key=key[order], reverse=descending)


@few
@given(calls=st.lists(st.tuples(st.integers(0, 9), st.booleans(), st.integers(0, 3)), max_size=25), takes=takes, is_active=st.booleans())
async def test_tokens_newest_change_first(db: Pool, calls: list[tuple[int, bool, int]], takes: list[int], is_active: bool) -> None:
    account = await new_account(db)
    now, state, changed = ids.now(), {}, {}
    for number, is_out, seconds in calls:
        now += timedelta(seconds=seconds)
        value = f"reader{number}@example.com"
        call = Change(TokenType.EMAIL, value, is_out)
        await consent.change(db, account, call, source=Source.API, actor=ACTOR, now=now)
        if state.get(value) is not is_out:
            state[value], changed[value] = is_out, now
    expected = sorted((value for value in state if state[value] is is_active), key=lambda value: (-changed[value].timestamp(), value))
    for type in (None, TokenType.EMAIL):

        async def read(page: Page, type: TokenType | None = type) -> Listed[consent.Token]:
            return await consent.list_tokens(db, account, type, page, is_active=is_active)

        assert [token.value for token in await pages(read, takes)] == expected
