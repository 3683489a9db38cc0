"""Batches of members: each row's verdict, also when many batches come at once; and members as their list reads them."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reachbook.core import consent, contacts, groups, ids, limits, members, segments, subscribers
from reachbook.core.consent import Change, Source, TokenType
from reachbook.core.drafts import Draft, WholeDraft
from reachbook.core.errors import ConflictError, Fault, InvalidError, NotFoundError, TooLargeError
from reachbook.core.filters import Condition, Operator
from reachbook.core.group_fields import Declaration
from reachbook.core.groups import Kind
from reachbook.core.ids import AccountId
from reachbook.core.kinds import Kind as FieldKind
from reachbook.core.members import Asked, Closed, Member, MemberDraft, Refused, Unique, Verdict
from reachbook.core.paging import Page
from reachbook.core.push import Device
from reachbook.core.subscribers import SubscriberDraft
from reachbook.database.pool import Pool
from tests.core import book
from tests.core.book import KEYS, android, brought, member, new_account, new_list, standing, upload, wrong_counters

pytestmark = pytest.mark.usefixtures("bob")

ACTOR = UUID(int=7)
ALL = Page(0, 10_000)
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
PHONE, OTHER = "+31627100000", "+32470123456"
SIZE = Declaration("Shoe size", kind=FieldKind.INTEGER)
COLOUR = Declaration("Colour", choices=("red", "blue"))
DUPLICATE = "duplicate"


def said(verdicts: Sequence[Verdict]) -> list[tuple[str, str] | None]:
    """What is wrong with each row; None for those that are stored."""
    return [(verdict.problem.value, verdict.attribute) if isinstance(verdict, Refused) else None for verdict in verdicts]


async def read(db: Pool, account: AccountId, group: UUID, *conditions: Condition, page: Page = ALL, **asked: Any) -> Sequence[Member]:
    """A list's members."""
    return await members.read(db, account, group, Asked(page, conditions, **asked))


async def phones(db: Pool, account: AccountId, group: UUID) -> list[str | None]:
    """Those of a list's members, oldest first."""
    return [one.phone for one in await read(db, account, group)]


# --- what is wrong with a row

FAILURES: list[tuple[dict[str, Any], tuple[str, str]]] = [
    ({"devices": [android("Device-1")]}, ("invalid", "devices")),
    ({"fields": {"Nonsense": "x"}}, ("unknown_field", "Nonsense")),
    ({"attributes": {"birth_date": "never"}}, ("invalid", "birth_date")),
    ({}, ("required", "phone")),
    ({"attributes": {"phone": PHONE}}, ("duplicate", "first_name")),
]


@pytest.mark.parametrize("first", range(len(FAILURES)))
async def test_the_first_failure_is_the_rows(db: Pool, account: AccountId, first: int) -> None:
    group = await new_list(db, account)
    await brought(db, account, group, member(first_name="Ann", phone=PHONE))
    row, is_addressed = MemberDraft({"first_name": "Ann"}), first == len(FAILURES) - 1
    for failure, _ in FAILURES[first:]:
        attributes = failure.get("attributes", {})
        row.attributes = row.attributes | (attributes if is_addressed or "phone" not in attributes else {})
        row.fields, row.devices = row.fields | failure.get("fields", {}), [*row.devices, *failure.get("devices", ())]
    assert said(await upload(db, account, group, row, unique=Unique("first_name"))) == [FAILURES[first][1]]


async def test_the_attribute_at_fault(db: Pool, account: AccountId) -> None:
    group = await new_list(db, account, Kind.PUSH, [SIZE, COLOUR])
    many = [android(f"{number}") for number in range(limits.DEVICES_PER_CONTACT + 1)]
    wrong: dict[str, MemberDraft] = {
        "phone": member(phone="12"),
        "email": member(email="nobody", phone=PHONE),
        "first_name": member(first_name="x" * 256, phone=PHONE),
        "last_name": member(last_name="a\0b", phone=PHONE),
        "gender": member(gender="other", phone=PHONE),
        "city": member(city="x" * 4_001, phone=PHONE),
        "SHOE SIZE": member(fields={"SHOE SIZE": "big"}, phone=PHONE),
        "colour": member(fields={"Shoe size": "43", "colour": "green"}, phone=PHONE),
        "devices": member(*many),
        "timezone": member(faults=[Fault(("timezone",), "must be text")], phone=PHONE, email="nobody"),
    }
    verdicts = await upload(db, account, group, *wrong.values())
    assert said(verdicts) == [("invalid", name) for name in wrong]
    assert all(isinstance(verdict, Refused) and verdict.reason for verdict in verdicts)
    assert await read(db, account, group) == []
    assert said(await upload(db, account, group, member(*many[1:]))) == [None]


async def test_good_rows_are_stored_as_they_are_given(db: Pool, account: AccountId, bob: AccountId) -> None:
    group = await new_list(db, account, Kind.PUSH, [SIZE, COLOUR])
    rows = [
        member(phone="06 27100000", first_name="Ann", gender="GENDER.FEMALE", birth_date="31.1.1980", country=" "),
        member(first_name="nobody"),
        member(android("b"), android("a"), fields={"shoe SIZE": "+043", "Colour": "RED"}),
        member(phone="12"),
        member(email="Bo@Example.com", last_name="Bo"),
    ]
    verdicts = await upload(db, account, group, *rows, now=NOW)
    assert said(verdicts) == [None, ("required", "phone"), None, ("invalid", "phone"), None]
    first, device, last = await read(db, account, group)
    assert [str(one.id) for one in (first, device, last)] == [str(verdict) for verdict in verdicts if not isinstance(verdict, Refused)]
    assert (first.phone, first.first_name, sorted(first.values.values())) == (PHONE, "Ann", ["1980-01-31", "gender.female"])
    assert [one.token for one in device.devices] == ["b", "a"]
    assert sorted(device.values.values()) == ["43", "red"]
    assert (last.email, last.last_name, last.created_at, last.updated_at) == ("Bo@example.com", "Bo", NOW, NOW)
    assert await wrong_counters(db, account) == []
    assert await read(db, bob, group) == []


# --- duplicates

ALIKE: dict[str, tuple[Unique, str, Sequence[str], str]] = {
    "phone": (Unique("phone"), "phone", (PHONE, "06 27 10 00 00"), OTHER),
    "email": (Unique("email"), "email", ("Ann@Example.com", "aNN@example.COM"), "bo@example.com"),
    "first name": (Unique("first_name"), "first_name", ("Ann", "Ann"), "ann"),
    "property": (Unique("city"), "city", ("Paris", "Paris"), "paris"),
    "date": (Unique("birth_date"), "birth_date", ("1980-01-31", "31.1.1980"), "1980-01-30"),
    "choice": (Unique("gender"), "gender", ("gender.male", "GENDER.MALE"), "gender.female"),
    "field": (Unique("SHOE size", is_field=True), "Shoe size", ("43", "043"), "44"),
}


@pytest.mark.parametrize("name", ALIKE)
async def test_a_duplicate_of_a_member_or_an_earlier_row(db: Pool, account: AccountId, name: str) -> None:
    unique, attribute, alike, other = ALIKE[name]
    group, beside = await new_list(db, account, declared=[SIZE]), await new_list(db, account, declared=[SIZE])

    def row(value: str | None, **others: str) -> MemberDraft:
        given = {} if value is None else {attribute: value}
        addressed = {"email": "some@example.com"} if name == "phone" else {"phone": "+31627100009"}
        return member(fields=given if unique.is_field else {}, **addressed | others | ({} if unique.is_field else given))

    refused = (DUPLICATE, unique.attribute)
    assert said(await upload(db, account, beside, *(row(value) for value in alike), unique=None)) == [None, None], "nobody asked"
    bad = {"last_name": "x" * 300}
    rows = [row(alike[0], **bad), row(alike[0]), row(alike[1]), row(other), row(other), row(None), row(None)]
    first = await upload(db, account, group, *rows, unique=unique)
    assert said(first) == [("invalid", "last_name"), None, refused, None, refused, None, None]
    second = await upload(db, account, group, row(alike[1]), row(None), row(alike[0]), row(other), unique=unique)
    assert said(second) == [refused, None, refused, refused]
    assert len(await read(db, account, group)) == 5


async def test_what_is_unique_must_be_a_field_of_the_list(db: Pool, account: AccountId) -> None:
    group = await new_list(db, account, declared=[SIZE])
    await new_list(db, account, declared=[COLOUR])
    with pytest.raises(InvalidError) as refusal:
        await upload(db, account, group, member(phone=PHONE), unique=Unique("Colour", is_field=True))
    assert [fault.path for fault in refusal.value.faults] == [("unique",)]
    assert await phones(db, account, group) == []
    assert said(await upload(db, account, group, member(phone=PHONE), unique=Unique("city"))) == [None], "nobody has any city yet"


async def test_a_device_is_one_contacts_in_the_account(db: Pool, account: AccountId) -> None:
    group, other = await new_list(db, account, Kind.PUSH), await new_list(db, account, Kind.PUSH)
    await brought(db, account, other, member(android("taken")))
    rows = [
        member(android("taken"), phone=PHONE),
        member(android("free"), android("taken")),
        member(android("free")),
        member(android(" free ")),
        member(android("free", "news")),
        member(android("Free")),
        member(android("twice"), android("twice")),
        member(android("twice")),
        member(android("Device-1")),  # Bob has one of the same name
    ]
    taken = (DUPLICATE, "devices")
    assert said(await upload(db, account, group, *rows)) == [taken, taken, None, taken, None, None, taken, None, None]
    unique = Unique("phone")
    rows = [member(android("taken"), phone=PHONE), member(phone=PHONE), member(android("new"), phone=PHONE), member(android("new"))]
    assert said(await upload(db, account, group, *rows, unique=unique)) == [taken, None, (DUPLICATE, "phone"), None]


# --- all or nothing


async def test_a_batch_that_is_refused_leaves_nothing(db: Pool, account: AccountId, bob: AccountId) -> None:
    group = await new_list(db, account, Kind.PUSH, is_locked_for_editing=True)
    gone = await new_list(db, account, Kind.PUSH)
    await groups.delete(db, account, [gone])
    before = await standing(db, account)
    row = member(android("Device-1"), phone=PHONE, city="Paris")
    for unique in (None, Unique("phone"), Unique("city")):
        with pytest.raises(ConflictError):
            await upload(db, account, group, row, unique=unique)
        with pytest.raises(NotFoundError):
            await upload(db, account, gone, row, unique=unique)
        with pytest.raises(NotFoundError):
            await upload(db, bob, group, row, unique=unique)
    assert await standing(db, account) == before
    assert await wrong_counters(db, account) == []


async def test_more_than_one_call_takes(db: Pool, account: AccountId) -> None:
    group = await new_list(db, account)
    with pytest.raises(TooLargeError):
        await upload(db, account, group, *[member(phone=PHONE)] * (limits.ROWS_PER_CALL + 1))
    assert await phones(db, account, group) == []
    assert await upload(db, account, group) == []


# --- many batches at once


def number(of: int) -> str:
    """A phone of somebody's own."""
    return f"+316271{of:05}"


@pytest.mark.parametrize("is_field", [False, True], ids=["phone", "field"])
async def test_batches_at_once_make_no_duplicates(db: Pool, account: AccountId, is_field: bool) -> None:
    group = await new_list(db, account, declared=[SIZE])
    distinct = range(30)

    def row(of: int) -> MemberDraft:
        return member(fields={"Shoe size": str(of)}, email="some@example.com") if is_field else member(phone=number(of))

    batches = [[row((first + step * 7) % len(distinct)) for step in range(20)] for first in range(12)]
    unique = Unique("Shoe size", is_field=True) if is_field else Unique("phone")
    answers = await asyncio.gather(*(upload(db, account, group, *batch, unique=unique) for batch in batches))
    assert sum(verdict is None for answer in answers for verdict in said(answer)) == len(distinct)
    found = [one.phone or one.values for one in await read(db, account, group)]
    assert len(found) == len(set(map(str, found))) == len(distinct)
    assert await wrong_counters(db, account) == []


async def test_batches_while_members_get_other_phones(db: Pool, account: AccountId) -> None:
    group = await new_list(db, account)
    old, new = [number(of) for of in range(12)], [number(of) for of in range(100, 112)]
    everyone = await brought(db, account, group, *(member(phone=phone) for phone in old))

    async def bring() -> int:
        return said(await upload(db, account, group, *(member(phone=phone) for phone in old), unique=Unique("phone"))).count(None)

    async def change(id: UUID, phone: str) -> int:
        await contacts.update(db, account, id, Draft(phone=phone), now=ids.now())
        return 0

    changes = [change(id, phone) for id, phone in zip(everyone, new, strict=True)]
    accepted = sum(await asyncio.gather(*(call for pair in zip(changes, [bring() for _ in changes], strict=True) for call in pair)))
    accepted += await bring()
    assert accepted == len(old), "each old number is free once its first member has another"
    assert sorted(map(str, await phones(db, account, group))) == [*old, *new]
    assert await bring() == 0
    assert await wrong_counters(db, account) == []


@pytest.mark.parametrize("unique", [None, Unique("phone")], ids=["unchecked", "checked"])
async def test_a_device_given_to_two_at_once(db: Pool, account: AccountId, unique: Unique | None) -> None:
    of_groups = [await new_list(db, account, Kind.PUSH) for _ in range(2)]
    for turn in range(15):
        tokens = [f"{turn}-{place}" for place in range(3)]
        named = list(zip(tokens, map(number, range(turn * 3, turn * 3 + 3)), strict=True))
        batches = [[member(android(token), phone=phone) for token, phone in order] for order in (named, named[::-1])]
        calls = [upload(db, account, group, *rows, unique=unique) for group, rows in zip(of_groups, batches, strict=True)]
        verdicts = sorted((said(answer) for answer in await asyncio.gather(*calls)), key=str)
        assert verdicts == [[(DUPLICATE, "devices")] * 3, [None] * 3], "the other one has looked again"
    rows = await db.fetch("SELECT contact_id FROM push_token WHERE account_id = $1", account)
    everyone = [one for group in of_groups for one in await read(db, account, group)]
    assert sorted(one.id for one in everyone) == sorted(row["contact_id"] for row in rows)
    assert all(len(one.devices) == 1 for one in everyone)
    assert await wrong_counters(db, account) == []


# --- against a plain model


def _given(**values: st.SearchStrategy[str | None]) -> st.SearchStrategy[dict[str, str]]:
    return st.fixed_dictionaries(values).map(lambda found: {name: value for name, value in found.items() if value is not None})


DATES = {"1980-01-31": "1980-01-31", "31.1.1980": "1980-01-31", "2000-02-29": "2000-02-29"}
SIZES = {"7": "7", "007": "7", "8": "8"}
ROWS = st.builds(
    MemberDraft,
    attributes=_given(
        first_name=st.sampled_from([None, "Ann", "ann", " "]),
        email=book.email | st.sampled_from([" ", "nobody"]),
        phone=book.phone | st.sampled_from([" ", "12"]),
        city=st.sampled_from([None, "Paris", "paris", ""]),
        birth_date=st.sampled_from([None, *DATES, "never"]),
    ),
    fields=_given(**{"Shoe size": st.sampled_from([None, *SIZES, "x"]), "Other": st.sampled_from([None] * 9 + ["x"])}),
    devices=st.lists(st.builds(android, st.sampled_from(["a", "b", " a"]), st.sampled_from(["shop", "news"])), max_size=2),
)
UNIQUES = [None, Unique("phone"), Unique("email"), Unique("first_name"), Unique("city"), Unique("birth_date")]


class Model:
    """A list, and the devices of its account, as plain Python knows them."""

    def __init__(self, *, is_push: bool) -> None:
        self.is_push = is_push
        self.members: list[dict[str, str]] = []
        self.devices: set[tuple[str, str]] = set()

    def judge(self, row: MemberDraft, unique: Unique | None) -> tuple[str, str] | None:
        """The verdict; a good row is a member from now on."""
        facts = {name: text for name, text in (*row.attributes.items(), *row.fields.items()) if text.strip()}
        wrong = next((name for name, words in WRONG.items() if facts.get(name) in words), None)
        facts = {name: MEANT.get(name, {}).get(text, text) for name, text in facts.items()}
        if row.devices and not self.is_push:
            return "invalid", "devices"
        if "Other" in row.fields:
            return "unknown_field", "Other"
        if wrong:
            return "invalid", wrong
        if not row.devices and not facts.keys() & {"phone", "email"}:
            return "required", "phone"
        if unique and unique.attribute in facts and facts[unique.attribute] in [one.get(unique.attribute) for one in self.members]:
            return DUPLICATE, unique.attribute
        own = [(device.app_id, device.token) for device in row.devices]
        if len(own) > len(set(own)) or self.devices & set(own):
            return DUPLICATE, "devices"
        self.members.append(facts)
        self.devices.update(own)
        return None


WRONG = {"email": ["nobody"], "phone": ["12"], "birth_date": ["never"], "Shoe size": ["x"]}
MEANT: dict[str, dict[str, str]] = {"email": KEYS, "phone": KEYS, "birth_date": DATES, "Shoe size": SIZES}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(
    is_push=st.booleans(),
    batches=st.lists(
        st.tuples(st.lists(ROWS, min_size=1, max_size=6), st.sampled_from([*UNIQUES, Unique("Shoe size", is_field=True)])),
        min_size=1,
        max_size=3,
    ),
)
async def test_verdicts_are_a_plain_models(db: Pool, is_push: bool, batches: list[tuple[list[MemberDraft], Unique | None]]) -> None:
    account = await new_account(db)
    group = await new_list(db, account, Kind.PUSH if is_push else Kind.STANDARD, [SIZE])
    model = Model(is_push=is_push)
    for rows, unique in batches:
        expected = [model.judge(row, unique) for row in rows]
        assert said(await upload(db, account, group, *rows, unique=unique)) == expected
    stored = await read(db, account, group)
    assert [one.phone for one in stored] == [facts.get("phone") for facts in model.members]
    assert sorted(device.key for one in stored for device in one.devices) == sorted(model.devices)
    assert await wrong_counters(db, account) == []


# --- reading


async def test_members_are_sorted_by_type(db: Pool, account: AccountId, bob: AccountId) -> None:
    group = await new_list(db, account, declared=[SIZE])
    rows: list[tuple[str | None, str | None, str | None, str]] = [
        ("bo", "10", "1999-12-31", "c@example.com"),
        ("Cy", None, None, "B@example.com"),
        ("ann", "9", "2026-01-01", "a@example.com"),
        (None, "-5", "1980-02-29", "D@example.com"),
    ]
    everyone = await brought(
        db,
        account,
        group,
        *(
            MemberDraft(
                {"email": email} | ({"first_name": name} if name else {}) | ({"birth_date": born} if born else {}),
                {"Shoe size": size} if size else {},
            )
            for name, size, born, email in rows
        ),
    )
    orders: dict[str | None, list[int]] = {
        "first_name": [2, 0, 1, 3],
        "shoe size": [3, 2, 0, 1],
        "birth_date": [3, 0, 2, 1],
        "email": [2, 1, 0, 3],
        "created_at": [0, 1, 2, 3],
        "id": [0, 1, 2, 3],
        "timezone": [0, 1, 2, 3],
        None: [0, 1, 2, 3],
    }
    without = {"first_name": 1, "shoe size": 1, "birth_date": 1}
    for sort, order in orders.items():
        found = [everyone.index(one.id) for one in await read(db, account, group, sort=sort)]
        assert found == order, sort
        valued = len(order) - without.get(str(sort), 0)
        backwards = [everyone.index(one.id) for one in await read(db, account, group, sort=sort, descending=True)]
        assert backwards == [*order[:valued][::-1], *order[valued:]], sort
    pages = [await read(db, account, group, sort="shoe size", page=Page(skip, 2)) for skip in (0, 2, 4)]
    assert [everyone.index(one.id) for page in pages for one in page] == orders["shoe size"]
    for sort in ("nonsense", "group", "push_token", "opt_out.nonsense", "c.id; DROP TABLE contact"):
        with pytest.raises(InvalidError) as refusal:
            await read(db, account, group, sort=sort)
        assert refusal.value.faults[0].path == ("sort",)
    assert await read(db, bob, group) == []


async def test_members_that_meet_conditions(db: Pool, account: AccountId, bob: AccountId) -> None:
    group, other = await new_list(db, account, Kind.PUSH), await new_list(db, account, Kind.PUSH)
    rows = [
        member(android("a"), android("b"), phone=PHONE, city="Paris"),
        member(phone=OTHER, city="Rome"),
        member(android("c"), phone=PHONE, city="Rome"),
    ]
    everyone = await brought(db, account, group, *rows)
    await brought(db, account, other, member(android("d"), phone=PHONE, city="Rome"))
    of_phone, of_city = Condition("phone", Operator.EQ, ("06-27100000",)), Condition("city", Operator.EQ, ("Rome",))
    cases: list[tuple[list[Condition], list[int]]] = [
        ([], [0, 1, 2]),
        ([of_phone], [0, 2]),
        ([of_phone, of_city], [2]),
        ([Condition("push_token", Operator.EQ, ("b",))], [0]),
        ([Condition("push_token", Operator.EQ, ("d",))], []),
        ([Condition("push_token", Operator.IN, ("a", "c"))], [0, 2]),
        ([Condition("push_token", Operator.IS_NULL)], [1]),
        ([Condition("group", Operator.EQ, (str(other),))], []),
    ]
    for conditions, expected in cases:
        assert [everyone.index(one.id) for one in await read(db, account, group, *conditions)] == expected, conditions
    with pytest.raises(InvalidError) as refusal:
        await read(db, account, group, of_city, Condition("nonsense", Operator.EQ, ("x",)))
    assert [fault.path for fault in refusal.value.faults] == [("attribute",)]
    raw = {"attribute": "city", "operator": "EQ", "value": "Rome"}
    own, of_all, foreign = [(await segments.create(db, account, ids.new_id(), of, "R", raw, NOW)).id for of in (group, None, other)]
    for segment in (own, of_all):
        assert [everyone.index(one.id) for one in await read(db, account, group, of_phone, segment=segment)] == [2]
    of_bob = (await segments.create(db, bob, ids.new_id(), None, "R", raw, NOW)).id
    for segment in (foreign, of_bob, ids.new_id()):
        with pytest.raises(NotFoundError):
            await read(db, account, group, segment=segment)
    await segments.delete(db, bob, of_bob)


async def test_closed_addresses(db: Pool, account: AccountId, bob: AccountId) -> None:
    group = await new_list(db, account, Kind.PUSH)
    row = member(android("Device-1"), android("Device-1", "news"), android("device-1"), phone=PHONE, email="Ann@Example.com")
    ann, bo = await brought(db, account, group, row, member(phone="+12015550123"))
    await subscribers.update(db, account, [ann], SubscriberDraft(WholeDraft(landline=OTHER)), actor=ACTOR, now=NOW)
    out = [
        *((type, PHONE) for type in TokenType if type not in (TokenType.EMAIL, TokenType.PUSH, TokenType.RCS)),
        (TokenType.VOICE, OTHER),
        (TokenType.EMAIL, "aNN@example.com"),
        (TokenType.PUSH, "Device-1"),
        (TokenType.SMS, "+12015550199"),
    ]
    await consent.record(db, account, [Change(type, value, is_active=True) for type, value in out], source=Source.API, actor=ACTOR, now=NOW)
    back = Change(TokenType.WHATSAPP, PHONE, is_active=False)
    await consent.change(db, account, back, source=Source.API, actor=ACTOR, now=NOW + timedelta(days=1))
    of_ann, of_bo = await read(db, account, group)

    def shown(closed: Closed) -> tuple[str, str, list[str]]:
        assert all(token.is_active for token in closed.tokens)
        return closed.kind, closed.address, [token.type for token in closed.tokens]

    assert [shown(closed) for closed in of_ann.closed] == [
        ("phone", PHONE, ["sms", "voice", "voicemail", "viber"]),
        ("phone", OTHER, ["voice"]),
        ("email", "Ann@example.com", ["email"]),
        ("push", "Device-1", ["push"]),
    ]
    assert (of_ann.id, of_bo.id, of_bo.closed) == (ann, bo, [])
    assert await read(db, bob, group) == []


async def test_uploads_count_for_the_other_wires(db: Pool, account: AccountId) -> None:
    group = await new_list(db, account, Kind.PUSH)
    await upload(db, account, group, member(phone=PHONE), member(android("a")), member(email="ann@example.com"), member())
    found = await groups.get(db, account, group)
    assert (found.contacts, found.empty_emails, found.empty_numbers) == (3, 2, 2)
    listed = await contacts.list_members(db, account, group, ALL)
    assert [one.id for one in listed.rows] == [one.id for one in await read(db, account, group)]
    assert (await subscribers.read(db, account, {}, Page(0, 10))).total == 3


def test_devices_are_read_strictly() -> None:
    assert android(" Token ") == Device("shop", android("x").os, "Token")
    for app, token in (("", "x"), (" ", "x"), ("a\0", "x"), ("a" * 256, "x"), ("shop", " "), ("shop", "a\0"), ("shop", "x" * 1_001)):
        with pytest.raises(ValueError):
            android(token, app)
