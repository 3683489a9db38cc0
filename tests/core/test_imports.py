"""Imports through core: what becomes of each row, and what an undo brings back; who may work on an import, and for how long."""

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from reachbook.core import consent, contacts, fields, groups, ids, import_claims, imports, search
from reachbook.core.consent import Change, Reason, Source, TokenType
from reachbook.core.drafts import Draft
from reachbook.core.errors import ConflictError, InvalidError, NotFoundError
from reachbook.core.groups import Group
from reachbook.core.ids import AccountId
from reachbook.core.imports import Import, Options
from reachbook.core.limits import IMPORT_ATTEMPTS, IMPORT_LEASE_SECONDS, UNDO_DAYS, UPLOAD_DAYS
from reachbook.core.paging import Page
from reachbook.database.pool import Pool
from reachbook.database.queries import Database
from reachbook.workers import imports as working
from reachbook.workers.imports import Turn, work_on, work_on_next
from tests.core.book import ledger, members, new_account, wrong_counters
from tests.core.importing import (
    begun,
    book,
    bring,
    buckets,
    index,
    lock,
    new_contact,
    new_field,
    new_group,
    preview,
    rows,
    table,
    tables,
    take_back,
    upload,
    work,
)

HEADER = ["First name", "Last name", "E-mail", "Phone", "CustomField1"]
CUSTOM = 7
FIRST, SECOND, THIRD = "+31612345671", "+31612345672", "+31612345673"
NUMBERED = [f"+3161234{number:04}" for number in range(1000, 1200)]


@pytest.fixture
def db(quiet: Pool) -> Pool:
    """No server's worker comes between."""
    return quiet


@pytest.fixture
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two rows a transaction."""
    monkeypatch.setattr(working, "IMPORT_SLICE_ROWS", 2)


def people(count: int, first: int = 0) -> bytes:
    """A file of so many people, each with a phone."""
    return table(["First name", "Phone"], *([f"P{number}", NUMBERED[number]] for number in range(first, first + count)))


class Between(Turn):
    """A turn to the end; something happens between two slices, once."""

    def __init__(self, event: Callable[[], Awaitable[Any]], after: int = 1) -> None:
        super().__init__(float("inf"))
        self._event, self._left = event, after

    async def is_over(self, db: Database) -> bool:
        """Asked after every slice."""
        self._left -= 1
        if self._left == 0:
            await self._event()
        return False


class Slices(Turn):
    """A turn of so many slices."""

    def __init__(self, count: int) -> None:
        super().__init__(float("inf"))
        self._left = count

    async def is_over(self, db: Database) -> bool:
        """Asked after every slice."""
        self._left -= 1
        return self._left == 0


# --- buckets


async def test_every_row_is_in_one_bucket(db: Pool, account: AccountId, group: Group) -> None:
    await new_contact(db, account, group.id, first_name="Ann", phone=FIRST)
    await new_contact(db, account, group.id, first_name="Bo", phone=SECOND)
    file = table(
        ["First name", "Phone"],
        ["Ann", "06 12345671"],
        ["Bob", "0031612345672"],
        ["Cee", "0612345673"],
        ["Dee", "n/a"],
        ["Cee again", THIRD],
        ["Eve", ""],
    )
    done = await bring(db, account, file, group=group.id)
    assert done.state == "done"
    assert await rows(db, account, done.id) == {2: "unchanged", 3: "updated", 4: "created", 5: "refused", 6: "duplicate", 7: "created"}
    assert await book(db, account) == [
        {"first_name": "Ann", "phone": FIRST},
        {"first_name": "Bob", "phone": SECOND},
        {"first_name": "Cee", "phone": THIRD},
        {"first_name": "Eve"},
    ]
    refused = await imports.outcomes(db, account, done.id, "refused", -1, 10)
    assert [(row.number, row.cells, row.faults) for row in refused] == [(5, ["Dee", "n/a"], [("Phone", "'n/a' is not a phone number")])]
    duplicate = await imports.outcomes(db, account, done.id, "duplicate", -1, 10)
    assert [(row.number, row.cells, row.faults) for row in duplicate] == [
        (6, ["Cee again", THIRD], [("", "is about the same contact as row 4")])
    ]


async def test_a_refused_row_takes_no_place(db: Pool, account: AccountId, group: Group) -> None:
    """The row that is right counts, though one with the same phone was refused before."""
    done = await bring(db, account, table(["Phone", "E-mail"], [FIRST, "nonsense"], [FIRST, "ann@example.com"]), group=group.id)
    assert await rows(db, account, done.id) == {2: "refused", 3: "created"}


MATCHING: dict[str, tuple[dict[str, Any], list[list[str]], dict[str, Any], str]] = {
    "phone": ({"phone": FIRST}, [["Phone", "First name"], ["0612345671", "Bob"]], {}, "updated"),
    "email": ({"email": "ann@example.com"}, [["E-mail", "First name"], ["ANN@Example.com", "Bob"]], {}, "updated"),
    "email_of_one_with_a_phone": (
        {"email": "ann@example.com", "phone": FIRST},
        [["E-mail", "First name"], ["ann@example.com", "Bob"]],
        {},
        "updated",
    ),
    "email_asked_for": (
        {"email": "ann@example.com", "phone": FIRST},
        [["E-mail", "Phone"], ["ann@example.com", SECOND]],
        {"match": "email"},
        "updated",
    ),
    "row_without_the_phone": (
        {"email": "ann@example.com", "phone": FIRST},
        [["E-mail", "Phone"], ["ann@example.com", ""]],
        {},
        "created",
    ),
    "contact_without_the_phone": (
        {"email": "ann@example.com"},
        [["E-mail", "Phone"], ["ann@example.com", FIRST]],
        {},
        "created",
    ),
    "email_where_neither_has_a_phone": (
        {"email": "ann@example.com", "first_name": "Ann"},
        [["E-mail", "Phone", "First name"], ["ann@example.com", "", "Bob"]],
        {},
        "updated",
    ),
    "field": ({"values": {CUSTOM: "A-1"}}, [["CustomField1", "First name"], ["A-1", "Bob"]], {"match": "customfield1"}, "updated"),
    "field_by_id": ({"values": {CUSTOM: "A-1"}}, [["CustomField1", "First name"], ["A-1", "Bob"]], {"match": "7"}, "updated"),
    "field_mapped": ({"values": {CUSTOM: "A-1"}}, [["Nr.", "Phone"], ["A-1", FIRST]], {"match": "7", "mapping": {"Nr.": "7"}}, "updated"),
    "other_value": ({"values": {CUSTOM: "A-1"}}, [["CustomField1", "First name"], ["A-2", "Bob"]], {"match": "7"}, "created"),
    "field_with_spaces_around": (
        {"values": {CUSTOM: " A-1"}},
        [["CustomField1", "First name"], ["A-1 ", "Bob"]],
        {"match": "7"},
        "updated",
    ),
}


@pytest.mark.parametrize(("facts", "file", "options", "bucket"), MATCHING.values(), ids=MATCHING)
async def test_matching(
    db: Pool, account: AccountId, group: Group, facts: dict[str, Any], file: list[list[str]], options: dict[str, Any], bucket: str
) -> None:
    known = await new_contact(db, account, group.id, **facts)
    done = await bring(db, account, table(*file), group=group.id, **options)
    assert buckets(done) == {bucket: 1}
    assert (await members(db, account, group.id) == [known]) == (bucket == "updated")


async def test_matching_by_id(db: Pool, account: AccountId, other_account: AccountId, group: Group) -> None:
    """The id wins over the phone; one of another account or of nobody says nothing."""
    ann = await new_contact(db, account, group.id, phone=FIRST)
    await new_contact(db, account, group.id, phone=SECOND)
    stranger = await new_contact(db, other_account, await new_group(db, other_account), phone=FIRST)
    file = table(["id", "Phone"], [str(ann), THIRD], [str(stranger), SECOND], [str(ids.new_id()), "+31612345674"])
    done = await bring(db, account, file, group=group.id)
    assert await rows(db, account, done.id) == {2: "updated", 3: "unchanged", 4: "created"}
    assert [contact["phone"] for contact in await book(db, account)] == [THIRD, SECOND, "+31612345674"]
    assert [contact["phone"] for contact in await book(db, other_account)] == [FIRST]


async def test_ids_of_somebody_elses_are_left_out(db: Pool, account: AccountId, group: Group) -> None:
    """A column `id` of customer numbers."""
    done = await bring(db, account, table(["id", "Phone"], ["17", FIRST], ["18", SECOND]), group=group.id)
    assert buckets(done) == {"created": 2}
    assert done.plan is not None
    assert done.plan.targets == [None, "phone"]


async def test_of_several_matches_the_oldest_counts(db: Pool, account: AccountId, group: Group) -> None:
    for name in ("Ann", "Bo"):
        await new_contact(db, account, group.id, first_name=name, phone=FIRST)
    assert buckets(await bring(db, account, table(["First name", "Phone"], ["Cee", FIRST]), group=group.id)) == {"updated": 1}
    assert [contact["first_name"] for contact in await book(db, account)] == ["Cee", "Bo"]


ON_MATCH: dict[str, tuple[str, dict[str, str]]] = {
    "update": ("updated", {"first_name": "Bob", "last_name": "Old", "email": "new@example.com", "phone": FIRST, "6": "Acme", "7": "new"}),
    "fill": ("updated", {"first_name": "Ann", "last_name": "Old", "email": "new@example.com", "phone": FIRST, "6": "Acme", "7": "old"}),
    "skip": ("unchanged", {"first_name": "Ann", "last_name": "Old", "phone": FIRST, "7": "old"}),
}


@pytest.mark.parametrize("on_match", ON_MATCH)
async def test_on_match(db: Pool, account: AccountId, group: Group, on_match: str) -> None:
    """A blank cell never takes a value away."""
    bucket, expected = ON_MATCH[on_match]
    await new_contact(db, account, group.id, {CUSTOM: "old"}, first_name="Ann", last_name="Old", phone=FIRST)
    file = table([*HEADER, "Company"], ["Bob", "", "new@example.com", FIRST, "new", "Acme"])
    done = await bring(db, account, file, group=group.id, on_match=on_match)
    assert buckets(done) == {bucket: 1}
    assert await book(db, account) == [expected]
    assert buckets(await bring(db, account, file, group=group.id, on_match=on_match)) == {"unchanged": 1}


@pytest.mark.parametrize(("match_in", "expected"), [("account", {"updated": 1}), ("group", {"created": 1})])
async def test_match_in(db: Pool, account: AccountId, group: Group, match_in: str, expected: dict[str, int]) -> None:
    """A contact of another group joins, or is nobody's business."""
    elsewhere = await new_group(db, account)
    known = await new_contact(db, account, elsewhere, phone=FIRST)
    done = await bring(db, account, table(["Phone"], [FIRST]), group=group.id, match_in=match_in)
    assert buckets(done) == expected
    assert (await members(db, account, group.id) == [known]) == (match_in == "account")
    assert await members(db, account, elsewhere) == [known]
    assert buckets(await bring(db, account, table(["Phone"], [FIRST]), group=group.id, match_in=match_in)) == {"unchanged": 1}


async def test_contacts_without_an_address_are_compared_whole(db: Pool, account: AccountId, group: Group) -> None:
    await new_contact(db, account, group.id, {CUSTOM: "a"}, first_name="Ann", last_name="Vis")
    await new_contact(db, account, group.id, first_name="Bo", phone=FIRST)
    header = ["First name", "Last name", "CustomField1"]
    file = table(header, ["Ann", "Vis", "a"], ["Ann", "Vis", "b"], ["Ann", "Bot", "a"], ["Bo", "", ""], ["Ann", "Vis", "a"])
    done = await bring(db, account, file, group=group.id)
    assert await rows(db, account, done.id) == {2: "unchanged", 3: "created", 4: "created", 5: "created", 6: "duplicate"}
    assert "updated" not in buckets(await bring(db, account, file, group=group.id))
    assert len(await book(db, account)) == 5


SLICED: dict[str, tuple[bytes, dict[str, Any]]] = {
    "phones": (table(["Phone"], [FIRST], [SECOND], [FIRST], [THIRD], [SECOND], [FIRST], ["n/a"], ["n/a"]), {}),
    "spellings": (table(["E-mail"], ["a@example.com"], ["b@example.com"], ["A@EXAMPLE.com"], [" b@example.com"]), {}),
    "matched": (table(["Phone", "First name"], [NUMBERED[0], "A"], [NUMBERED[1], "B"], [NUMBERED[0], "C"], [NUMBERED[1], ""]), {}),
    "whole": (table(["First name", "Company"], ["Ann", "x"], ["Ann", "y"], ["Bo", "x"], ["Ann", "x"], ["Bo", "x"]), {}),
    "whole_and_less": (table(["First name", "Company"], ["Ann", "x"], ["Bo", ""], ["Ann", ""]), {}),
    "field": (table(["CustomField1", "Phone"], ["1", FIRST], ["2", SECOND], ["1", THIRD], ["", FIRST], ["", FIRST]), {"match": "7"}),
    "levels": (table(["Phone", "E-mail"], [FIRST, "a@example.com"], ["", "a@example.com"], [FIRST, ""], ["", "a@example.com"]), {}),
}


@pytest.mark.parametrize(("file", "options"), SLICED.values(), ids=SLICED)
async def test_buckets_do_not_depend_on_where_a_slice_ends(
    db: Pool, monkeypatch: pytest.MonkeyPatch, file: bytes, options: dict[str, Any]
) -> None:
    outcomes: list[Any] = []
    for size in (5_000, 1, 2, 3):
        monkeypatch.setattr(working, "IMPORT_SLICE_ROWS", size)
        account = await new_account(db)
        group = await new_group(db, account)
        for phone in NUMBERED[:2]:
            await new_contact(db, account, group, phone=phone)
        id = await upload(db, account, file)
        seen = (await preview(db, account, id, group=group, **options)).preview
        done = await bring(db, account, file, group=group, **options)
        assert seen is not None
        outcomes.append((await rows(db, account, done.id), await book(db, account), buckets(seen)))
    assert outcomes[1:] == outcomes[:1] * 3


async def test_a_phone_that_another_row_gives_to_a_contact(db: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever comes of it, it is the same whichever slices the rows are in."""
    outcomes = []
    for size in (5_000, 1):
        monkeypatch.setattr(working, "IMPORT_SLICE_ROWS", size)
        account = await new_account(db)
        group = await new_group(db, account)
        known = await new_contact(db, account, group, phone=FIRST)
        done = await bring(db, account, table(["id", "Phone"], [str(known), SECOND], ["", SECOND]), group=group)
        outcomes.append(await rows(db, account, done.id))
    assert outcomes[0] == outcomes[1]


async def test_rows_without_a_slice_of_their_own(db: Pool, account: AccountId, group: Group, small_slices: None) -> None:
    """The last slice is full, and the file is over all the same; a file of a header alone is no trouble either."""
    assert buckets(await bring(db, account, people(4), group=group.id)) == {"created": 4}
    assert buckets(await bring(db, account, table(["Phone"]), group=group.id)) == {}


# --- consent


async def opt_out(db: Database, account: AccountId, *addresses: tuple[TokenType, str]) -> None:
    """Record it for each."""
    changes = [Change(type=type, value=value, is_active=True, reason=Reason.USER) for type, value in addresses]
    await consent.record(db, account, changes, source=Source.API, actor=UUID(int=7), now=ids.now())


async def test_opted_out_stays_opted_out(db: Pool, account: AccountId, group: Group) -> None:
    """Whether the contact is new, changed or there already; each row with an opted-out address is counted, once."""
    await opt_out(db, account, (TokenType.SMS, FIRST), (TokenType.EMAIL, "ann@example.com"), (TokenType.WHATSAPP, SECOND))
    await consent.record(
        db,
        account,
        [Change(type=TokenType.SMS, value=THIRD, is_active=False, reason=Reason.USER)],
        source=Source.API,
        actor=UUID(int=7),
        now=ids.now(),
    )
    known = await new_contact(db, account, group.id, first_name="Ann", phone=SECOND)
    before = await ledger(db, account)
    file = table(["Phone", "E-mail", "First name"], [FIRST, "Ann@example.com", "A"], [SECOND, "", "B"], [THIRD, "", "C"], [FIRST, "", "D"])
    done = await bring(db, account, file, group=group.id)
    assert buckets(done) == {"created": 2, "updated": 1, "duplicate": 1}
    assert done.opted_out == 2
    shown = await contacts.list_members(db, account, group.id, Page(0, 10), reachable_by=TokenType.SMS)
    assert {contact.phone for contact in shown.rows} == {SECOND, THIRD}
    with pytest.raises(NotFoundError):
        await contacts.get(db, account, known, TokenType.WHATSAPP)
    assert await ledger(db, account) == before
    again = await bring(db, account, file, group=group.id)
    assert (buckets(again), again.opted_out) == ({"unchanged": 3, "duplicate": 1}, 2)
    await take_back(db, account, done.id)
    assert await ledger(db, account) == before


async def test_an_import_changes_an_address_to_one_that_is_opted_out(db: Pool, account: AccountId, group: Group) -> None:
    await opt_out(db, account, (TokenType.SMS, SECOND))
    known = await new_contact(db, account, group.id, email="ann@example.com", phone=FIRST)
    done = await bring(db, account, table(["E-mail", "Phone"], ["ann@example.com", SECOND]), group=group.id, match="email")
    assert (buckets(done), done.opted_out) == ({"updated": 1}, 1)
    with pytest.raises(NotFoundError):
        await contacts.get(db, account, known, TokenType.SMS)
    await take_back(db, account, done.id)
    assert (await contacts.get(db, account, known, TokenType.SMS)).phone == FIRST


# --- locks and what goes while an import runs


async def test_a_contact_of_a_locked_group_is_refused(db: Pool, account: AccountId, group: Group) -> None:
    locked = await new_group(db, account, "Staff")
    for phone in (FIRST, SECOND):
        await new_contact(db, account, locked, first_name="Ann", phone=phone)
    await lock(db, account, locked)
    before = await tables(db, account)
    file = table(["First name", "Phone"], ["Bob", FIRST], ["Ann", SECOND], ["Cee", FIRST])
    done = await bring(db, account, file, group=group.id)
    assert buckets(done) == {"refused": 3}
    assert "'Staff', which is locked for editing" in (await imports.outcomes(db, account, done.id, "refused", -1, 1))[0].faults[0][1]
    assert await tables(db, account) == before
    done = await bring(db, account, file, group=group.id, on_match="skip")
    assert buckets(done) == {"unchanged": 2, "duplicate": 1}
    assert await tables(db, account) == before


async def test_an_import_into_a_locked_group_leaves_nothing_behind(db: Pool, account: AccountId, group: Group) -> None:
    """Neither fields nor aliases nor contacts; a preview says so too."""
    await lock(db, account, group.id)
    before = await tables(db, account)
    id = await upload(db, account, table(["Foo", "Bar", "Phone"], ["1", "2", FIRST]))
    options = {"group": group.id, "new_fields": True, "mapping": {"Bar": "7"}}
    said = None
    with contextlib.suppress(ConflictError, InvalidError):
        said = (await preview(db, account, id, **options)).error
        assert said is not None, "the preview promises what the run will refuse"
    with contextlib.suppress(ConflictError, InvalidError):
        await imports.begin(db, account, id, "start", Options(**options), ids.now())
        failed = await work(db, account, id)
        assert failed.state == "failed"
        assert "locked for editing" in (failed.error or "")
    assert await tables(db, account) == before


async def _delete_group(db: Database, account: AccountId, group: UUID, field: int) -> None:
    await groups.delete(db, account, [group])


async def _lock_group(db: Database, account: AccountId, group: UUID, field: int) -> None:
    await lock(db, account, group)


async def _delete_field(db: Database, account: AccountId, group: UUID, field: int) -> None:
    await fields.delete(db, account, field)


INTERRUPTIONS: dict[str, tuple[Callable[..., Awaitable[None]], str, int]] = {
    "group_deleted": (_delete_group, "The group was deleted", 0),
    "group_locked": (_lock_group, "Group 'Readers' is locked for editing", 4),
    "field_deleted": (_delete_field, "was deleted while the import was running", 4),
}


@pytest.mark.parametrize(("event", "reason", "left"), INTERRUPTIONS.values(), ids=INTERRUPTIONS)
async def test_what_goes_while_an_import_runs(
    db: Pool, account: AccountId, group: Group, small_slices: None, event: Callable[..., Awaitable[None]], reason: str, left: int
) -> None:
    """The import fails and says why; what it stored before can be taken back."""
    field = await new_field(db, account, "Shoe size")
    known = await new_contact(db, account, await new_group(db, account), first_name="Ann", phone=NUMBERED[0])
    file = table(["First name", "Phone", "Shoe size"], *([f"P{number}", NUMBERED[number], "42"] for number in range(7)))
    id = await begun(db, account, file, group=group.id)
    claim = await import_claims.take(db, account, id, ids.new_id(), ids.now())
    assert claim is not None
    await work_on(db, claim, Between(lambda: event(db, account, group.id, field), after=2))
    failed = await imports.get(db, account, id)
    assert failed.state == "failed"
    assert reason in (failed.error or "")
    assert (failed.done_rows, failed.created, failed.updated) == (4, 3, 1)
    assert len(await book(db, account)) == max(left, 1)
    assert await wrong_counters(db, account) == []
    if left and "locked" in reason:
        with pytest.raises(ConflictError):
            await imports.undo(db, account, id, ids.now())
        await lock(db, account, group.id, locked=False)
    undone = await take_back(db, account, id)
    # Deleting the field or the group changes no contact's `updated_at`: nobody edited it.
    assert (undone.removed, undone.restored, undone.kept) == (3, 1, 0)  # what is gone already is as good as removed
    assert await book(db, account) == [{"first_name": "Ann", "phone": NUMBERED[0]}]
    assert (await contacts.get(db, account, known)).first_name == "Ann"


async def test_a_file_that_no_column_is_known_of(db: Pool, account: AccountId) -> None:
    """Nothing is made, and the other columns are named."""
    before = await tables(db, account)
    failed = await work(db, account, await begun(db, account, table(["Foo", "Bar"], ["1", "2"]), group_name="New"))
    assert failed.state == "failed"
    assert "Foo, Bar" in (failed.error or "")
    assert await tables(db, account) == before


async def test_a_broken_file_fails(db: Pool, account: AccountId) -> None:
    before = await tables(db, account)
    failed = await work(db, account, await begun(db, account, b'Phone,First name\n+31612345671,"Ann\n', group_name="New"))
    assert (failed.state, failed.created) == ("failed", 0)
    assert "quotation mark" in (failed.error or "")
    assert await tables(db, account) == before


ODD: dict[str, tuple[bytes, str]] = {
    "nul_in_a_header": (b"Phone,Na\0me\n+31612345671,Ann\n", "contacts.csv"),
    "nul_in_a_cell": (b"Phone,First name,Foo\n+31612345671,Ann,a\0b\n", "contacts.csv"),
    "nul_in_a_field": (b"Phone,First name\n+31612345671,A\0nn\n", "contacts.csv"),
    "nul_in_a_json_name": (rb'{"phone": "+31612345671", "na\u0000me": "x", "Foo": "a\u0000b"}', "contacts.jsonl"),
    "half_a_character": (rb'{"phone": "+31612345671", "first name": "\ud83d", "Foo": "a\ud83db", "b\udc00": "x"}', "contacts.jsonl"),
    "a_name_of_a_field_that_is_too_long": (b"Phone," + b"x" * 300 + b"\n+31612345671,Ann\n", "contacts.csv"),
    "two_names_of_one_field": ("Phone,Café,Cafe\u0301\n+31612345671,a,b\n".encode(), "contacts.csv"),
    "names_of_marks_alone": (b"Phone,!!!,???\n+31612345671,a,b\n", "contacts.csv"),
    "names_that_differ_by_marks": (b"Phone,Shoe size,Shoe-size,shoesize\n+31612345671,a,b,c\n", "contacts.csv"),
}


@pytest.mark.parametrize(("content", "filename"), ODD.values(), ids=ODD)
@pytest.mark.parametrize("new_fields", [False, True], ids=["", "new_fields"])
async def test_odd_text_is_no_trouble(db: Pool, account: AccountId, group: Group, content: bytes, filename: str, new_fields: bool) -> None:
    """It comes to an end at once, and says what it thinks of the row or the file; preview and run agree."""
    id = await upload(db, account, content, filename)
    seen = await preview(db, account, id, group=group.id, new_fields=new_fields)
    assert seen.state == "ready"
    await imports.begin(db, account, id, "start", None, ids.now())
    done = await work(db, account, id)
    if done.state == "failed":
        assert done.error is not None
        assert seen.error == done.error
    else:
        assert done.state == "done"
        assert seen.preview is not None
        assert buckets(seen.preview) == buckets(done)


# --- search


async def found(db: Database, account: AccountId, query: str) -> int:
    """How many contacts a search finds."""
    return (await search.search_contacts(db, account, query, Page(0, 10))).total


async def test_search_finds_what_was_imported(db: Pool, account: AccountId, group: Group) -> None:
    await new_contact(db, account, group.id, first_name="Wilhelmina", phone=FIRST)
    done = await bring(db, account, table(["First name", "Phone"], ["Zacharias", SECOND], ["Beatrix", FIRST]), group=group.id)
    assert [await found(db, account, name) for name in ("Wilhelmina", "Beatrix")] == [0, 1]
    await index(db)
    assert await found(db, account, "Zacharias") == 1
    await take_back(db, account, done.id)
    assert [await found(db, account, name) for name in ("Zacharias", "Beatrix", "Wilhelmina")] == [0, 0, 1]


async def test_search_finds_nothing_that_was_undone_before_it_was_indexed(db: Pool, account: AccountId, group: Group) -> None:
    done = await bring(db, account, table(["First name", "Phone"], ["Zacharias", SECOND]), group=group.id)
    await take_back(db, account, done.id)
    await index(db)
    assert await found(db, account, "Zacharias") == 0


# --- undo


async def test_undo_brings_everything_back(db: Pool, account: AccountId, group: Group, small_slices: None) -> None:
    """New contacts go, changed ones return, those that joined leave; group, fields and aliases that were made go."""
    await new_contact(db, account, group.id, {CUSTOM: "a"}, first_name="Ann", last_name="Vis", phone=FIRST, email="ann@example.com")
    await new_contact(db, account, await new_group(db, account), first_name="Bo", phone=SECOND)
    before = await tables(db, account)
    file = table(
        ["First name", "Achternaam", "Tel.", "Mailtje", "Shoe size", "Hat size"],
        ["Annie", "", FIRST, "annie@example.com", "38", ""],
        ["Bo", "", SECOND, "", "", ""],
        ["Cee", "Dor", THIRD, "cee@example.com", "40", "7"],
        ["Dee", "", "n/a", "", "", ""],
        ["Eve", "", "", "", "", ""],
    )
    options: dict[str, Any] = {"group_name": "Fresh", "new_fields": True, "mapping": {"Mailtje": "email"}}
    done = await bring(db, account, file, **options)
    assert buckets(done) == {"created": 2, "updated": 2, "refused": 1}
    assert done.plan is not None
    assert (done.plan.made_group, len(done.plan.made_fields)) == (True, 2)
    assert len(await members(db, account, done.plan.group)) == 4
    undone = await take_back(db, account, done.id)
    assert (undone.removed, undone.restored, undone.kept) == (2, 2, 0)
    assert await tables(db, account) == before
    with pytest.raises(ConflictError):
        await imports.undo(db, account, done.id, ids.now())


async def test_an_alias_that_was_taught_anew_returns(db: Pool, account: AccountId, group: Group) -> None:
    """A later import teaches another meaning; when it is taken back, the earlier one counts again."""
    await bring(db, account, table(["Ref", "Phone"], ["a", FIRST]), group=group.id, mapping={"Ref": "7"})
    before = await tables(db, account)
    done = await bring(db, account, table(["Ref", "Phone"], ["a", SECOND]), group=group.id, mapping={"Ref": "8"})
    await take_back(db, account, done.id)
    assert (await tables(db, account))["field_alias"] == before["field_alias"]


async def test_undo_leaves_what_was_edited_since(db: Pool, account: AccountId, group: Group) -> None:
    others = await new_group(db, account)
    await new_contact(db, account, group.id, first_name="Old", phone=NUMBERED[0])
    await new_contact(db, account, group.id, first_name="Old", phone=NUMBERED[1])
    await new_contact(db, account, group.id, first_name="Old", phone=NUMBERED[7])
    done = await bring(db, account, people(8), group=group.id)
    assert buckets(done) == {"created": 5, "updated": 3}
    by_phone = {contact.phone: contact.id for contact in (await contacts.list_members(db, account, group.id, Page(0, 100))).rows}
    of = [by_phone[phone] for phone in NUMBERED[:8]]
    await contacts.update(db, account, of[1], Draft(last_name="Edited"), now=ids.now())
    await contacts.update(db, account, of[2], Draft(last_name="Edited"), now=ids.now())
    await contacts.delete(db, account, [of[3], of[7]])
    await contacts.update(db, account, of[4], Draft(), now=ids.now(), move_to=others)
    await bring(db, account, table(["Phone"], [NUMBERED[5]]), group=others)  # joins
    undone = await take_back(db, account, done.id)
    assert (undone.removed, undone.restored) == (2, 1)
    kept = await imports.outcomes(db, account, done.id, "kept", -1, 100)
    assert {row.contact for row in kept} == {of[1], of[2], of[4], of[5], of[7]}
    assert undone.kept == len(kept)
    left = {contact["phone"]: contact for contact in await book(db, account)}
    assert left == {
        NUMBERED[0]: {"first_name": "Old", "phone": NUMBERED[0]},
        NUMBERED[1]: {"first_name": "P1", "last_name": "Edited", "phone": NUMBERED[1]},
        NUMBERED[2]: {"first_name": "P2", "last_name": "Edited", "phone": NUMBERED[2]},
        NUMBERED[4]: {"first_name": "P4", "phone": NUMBERED[4]},
        NUMBERED[5]: {"first_name": "P5", "phone": NUMBERED[5]},
    }


async def test_undo_leaves_contacts_of_a_group_that_was_locked_since(db: Pool, account: AccountId, group: Group) -> None:
    """Another group than the import's own."""
    staff = await new_group(db, account, "Staff")
    await new_contact(db, account, staff, first_name="Ann", phone=NUMBERED[0])
    done = await bring(db, account, people(2), group=group.id)
    await lock(db, account, staff)
    undone = await take_back(db, account, done.id)
    assert (undone.removed, undone.restored, undone.kept) == (1, 0, 1)
    assert await book(db, account) == [{"first_name": "P0", "phone": NUMBERED[0]}]


async def test_undo_keeps_fields_and_groups_that_others_use(db: Pool, account: AccountId) -> None:
    file = table(["Phone", "Shoe size", "Hat size"], [FIRST, "38", "7"])
    done = await bring(db, account, file, group_name="Fresh", new_fields=True)
    assert done.plan is not None
    shoe, hat = done.plan.made_fields
    await new_contact(db, account, done.plan.group, {shoe: "40"}, phone=SECOND)
    await take_back(db, account, done.id)
    assert {field.id for field in await fields.list_all(db, account)} & {shoe, hat} == {shoe}
    assert await book(db, account) == [{"phone": SECOND, str(shoe): "40"}]


async def test_undo_keeps_a_group_that_was_renamed(db: Pool, account: AccountId) -> None:
    """Somebody has made it theirs."""
    done = await bring(db, account, table(["Phone"], [FIRST]), group_name="Fresh")
    assert done.plan is not None
    await groups.update(db, account, done.plan.group, groups.Draft(name="Mine"), ids.now())
    await take_back(db, account, done.id)
    assert (await groups.get(db, account, done.plan.group)).contacts == 0


async def test_two_imports_undone_the_last_first(db: Pool, account: AccountId, group: Group) -> None:
    await new_contact(db, account, group.id, first_name="Old", phone=NUMBERED[0])
    before = await tables(db, account)
    first = await bring(db, account, people(3), group=group.id)
    between = await tables(db, account)
    renamed = table(["Last name", "Phone"], *(["Z", phone] for phone in NUMBERED[:4]))
    second = await bring(db, account, renamed, group_name="Second")
    assert buckets(second) == {"updated": 3, "created": 1}
    undone = await take_back(db, account, second.id)
    assert (undone.removed, undone.restored, undone.kept) == (1, 3, 0)
    assert await tables(db, account) == between
    undone = await take_back(db, account, first.id)
    assert (undone.removed, undone.restored, undone.kept) == (2, 1, 0)
    assert await tables(db, account) == before


async def test_two_imports_undone_the_first_first(db: Pool, account: AccountId, group: Group) -> None:
    """What the second one changed is edited since: it stays with the second's values until that is undone too."""
    await new_contact(db, account, group.id, first_name="Old", phone=NUMBERED[0])
    first = await bring(db, account, people(3), group=group.id)
    between = await tables(db, account)
    second = await bring(db, account, table(["Last name", "Phone"], *(["Z", phone] for phone in NUMBERED[:3])), group=group.id)
    undone = await take_back(db, account, first.id)
    assert (undone.removed, undone.restored, undone.kept) == (0, 0, 3)
    undone = await take_back(db, account, second.id)
    assert (undone.removed, undone.restored, undone.kept) == (0, 3, 0)
    assert await tables(db, account) == between


async def test_an_unchanged_row_of_a_later_import_holds_nothing_back(db: Pool, account: AccountId, group: Group) -> None:
    first = await bring(db, account, people(3), group=group.id)
    assert buckets(await bring(db, account, people(3), group=group.id)) == {"unchanged": 3}
    assert (await take_back(db, account, first.id)).removed == 3


async def test_undo_has_its_time(db: Pool, account: AccountId, group: Group) -> None:
    done = await bring(db, account, people(1), group=group.id)
    with pytest.raises(ConflictError):
        await imports.undo(db, account, done.id, ids.now() + timedelta(days=UNDO_DAYS, minutes=1))
    await imports.purge(db, ids.now() + timedelta(days=UNDO_DAYS - 1))
    assert await rows(db, account, done.id)
    await imports.purge(db, ids.now() + timedelta(days=UNDO_DAYS, minutes=1))
    assert not await rows(db, account, done.id)
    assert (await imports.get(db, account, done.id)).created == 1


async def test_files_that_nobody_starts_are_forgotten(db: Pool, account: AccountId) -> None:
    id = await upload(db, account, people(1))
    await imports.purge(db, ids.now() + timedelta(days=UPLOAD_DAYS - 1))
    await imports.get(db, account, id)
    await imports.purge(db, ids.now() + timedelta(days=UPLOAD_DAYS, minutes=1))
    with pytest.raises(NotFoundError):
        await imports.get(db, account, id)
    assert await db.fetchval("SELECT count(*) FROM import_chunk WHERE account_id = $1", account) == 0


# --- previews


PREVIEWED: dict[str, dict[str, Any]] = {
    "update": {"group_name": "Fresh", "new_fields": True},
    "fill": {"group_name": "Fresh", "on_match": "fill"},
    "skip": {"group_name": "Readers", "on_match": "skip"},
    "group": {"group_name": "Others", "match_in": "group"},
    "field": {"group_name": "Fresh", "match": "CustomField1"},
    "mapped": {"group_name": "Fresh", "mapping": {"Shoe size": "8"}},
}


@pytest.mark.parametrize("options", PREVIEWED.values(), ids=PREVIEWED)
async def test_a_preview_is_what_the_run_then_does(
    db: Pool, account: AccountId, group: Group, small_slices: None, options: dict[str, Any]
) -> None:
    """And it changes nothing."""
    await new_contact(db, account, group.id, {CUSTOM: "a"}, first_name="Ann", phone=FIRST)
    await new_contact(db, account, await new_group(db, account), first_name="Bo", phone=SECOND)
    await opt_out(db, account, (TokenType.SMS, SECOND), (TokenType.SMS, NUMBERED[2]))
    file = table(
        ["First name", "Phone", "E-mail", "CustomField1", "Shoe size"],
        ["Annie", FIRST, "", "a", "38"],
        ["Bo", SECOND, "", "", ""],
        ["Cee", THIRD, "cee@example.com", "c", "40"],
        ["Dee", "n/a", "", "", ""],
        ["Cee", THIRD, "", "", ""],
        ["Eve", "", "", "", ""],
        ["Eve", "", "", "", ""],
        ["Gus", NUMBERED[2], "", "a", ""],
        ["Ida", "", "cee@example.com", "", ""],
    )
    before = await tables(db, account)
    id = await upload(db, account, file)
    seen = await preview(db, account, id, **options)
    assert seen.state == "ready"
    assert seen.preview is not None
    assert await tables(db, account) == before
    assert await rows(db, account, id) == {}
    assert (seen.done_rows, seen.created) == (0, 0)
    await imports.begin(db, account, id, "start", None, ids.now())
    done = await work(db, account, id)
    assert done.state == "done", done.error
    assert (seen.preview["rows"], seen.preview["optedOut"], buckets(seen.preview)) == (done.done_rows, done.opted_out, buckets(done))
    shown = {row["row"]: row["bucket"] for row in seen.preview["first"]}
    assert shown == {number: bucket for number, bucket in (await rows(db, account, id)).items() if number in shown}
    await take_back(db, account, id)
    assert await tables(db, account) == before


async def test_a_preview_of_other_options_counts_from_the_start(db: Pool, account: AccountId, group: Group) -> None:
    id = await upload(db, account, people(3))
    for _ in range(2):
        seen = await preview(db, account, id, group=group.id)
        assert seen.preview is not None
        assert buckets(seen.preview) == {"created": 3}
    failed = await preview(db, account, id, group=group.id, mapping={"Nonsense": "phone"})
    assert (failed.state, failed.preview) == ("ready", None)
    assert "'Nonsense'" in (failed.error or "")


async def test_options_name_what_is_there(db: Pool, account: AccountId, other_account: AccountId) -> None:
    id = await upload(db, account, people(1))
    stranger = await new_group(db, other_account)
    for _ in range(2):
        await new_group(db, account, "Twice")
    wrong: list[dict[str, Any]] = [{}, {"group": stranger}, {"group": ids.new_id()}, {"group_name": "Twice"}]
    wrong += [{"group_name": "New", **more} for more in ({"match": "nothing"}, {"match": "first_name"}, {"region": "XX"})]
    wrong += [
        {"group_name": "New", "mapping": {"Phone": "nothing"}},
        {"group_name": " "},
        {"group_name": "x" * 256},
        {"group_name": "a\0b"},
    ]
    for options in wrong:
        with pytest.raises(InvalidError):
            await imports.begin(db, account, id, "start", Options(**options), ids.now())
    with pytest.raises(NotFoundError):
        await imports.begin(db, other_account, id, "start", Options(group=stranger), ids.now())
    assert (await imports.get(db, account, id)).state == "ready"


async def test_an_import_is_nobody_elses(db: Pool, account: AccountId, other_account: AccountId, group: Group) -> None:
    done = await bring(db, account, people(1), group=group.id)
    for call in (imports.get, imports.discard):
        with pytest.raises(NotFoundError):
            await call(db, other_account, done.id)
    for call in (imports.cancel, imports.undo):
        with pytest.raises(NotFoundError):
            await call(db, other_account, done.id, ids.now())
    assert (await imports.list_imports(db, other_account, Page(0, 10))).total == 0
    assert not await imports.outcomes(db, other_account, done.id, "refused", -1, 10)


# --- cancel


async def test_cancel_before_anything_was_done(db: Pool, account: AccountId) -> None:
    id = await upload(db, account, people(1))
    assert (await imports.cancel(db, account, id, ids.now())).state == "cancelled"
    with pytest.raises(ConflictError):
        await imports.begin(db, account, id, "start", Options(group_name="New"), ids.now())
    with pytest.raises(ConflictError):
        await imports.cancel(db, account, id, ids.now())


async def test_cancel_in_the_middle(db: Pool, account: AccountId, group: Group, small_slices: None) -> None:
    before = await tables(db, account)
    id = await begun(db, account, people(7), group=group.id)
    cancelled = await work(db, account, id, Between(lambda: imports.cancel(db, account, id, ids.now()), after=2))
    assert (cancelled.state, cancelled.created, cancelled.is_cancelling) == ("cancelled", 4, False)
    assert len(await book(db, account)) == 4
    await take_back(db, account, id)
    assert await tables(db, account) == before


async def test_cancel_a_preview(db: Pool, account: AccountId, group: Group, small_slices: None) -> None:
    """The import can be started all the same."""
    id = await upload(db, account, people(7))
    await imports.begin(db, account, id, "preview", Options(group=group.id), ids.now())
    seen = await work(db, account, id, Between(lambda: imports.cancel(db, account, id, ids.now())))
    assert (seen.state, seen.preview, seen.done_rows) == ("ready", None, 0)
    await imports.begin(db, account, id, "start", None, ids.now())
    assert (await work(db, account, id)).created == 7


async def test_cancel_while_nobody_works_on_it(db: Pool, account: AccountId, group: Group) -> None:
    id = await begun(db, account, people(3), group=group.id)
    assert (await imports.cancel(db, account, id, ids.now())).is_cancelling
    assert (await work(db, account, id)).state == "cancelled"
    assert await book(db, account) == []


async def test_what_can_not_be_done_now(db: Pool, account: AccountId, group: Group) -> None:
    id = await begun(db, account, people(3), group=group.id)
    for event in ("preview", "start"):
        with pytest.raises(ConflictError):
            await imports.begin(db, account, id, event, None, ids.now())
    with pytest.raises(ConflictError):
        await imports.undo(db, account, id, ids.now())
    with pytest.raises(ConflictError):
        await imports.discard(db, account, id)
    await work(db, account, id)
    with pytest.raises(ConflictError):
        await imports.cancel(db, account, id, ids.now())
    await imports.discard(db, account, id)
    with pytest.raises(NotFoundError):
        await imports.get(db, account, id)
    assert len(await book(db, account)) == 3


# --- claims


NO_CLAIMS = "DELETE FROM import_claim"  # what other tests left


async def _nothing(*_: object) -> None:
    return


async def killed(db: Database, account: AccountId, id: UUID, slices: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A runner that is gone after so many slices and could not say so."""
    with monkeypatch.context() as patch:
        patch.setattr(import_claims, "release", _nothing)
        await work(db, account, id, Slices(slices))


async def test_a_claim_whose_lease_is_over_is_taken_by_another(
    db: Pool, account: AccountId, group: Group, small_slices: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes on behind the last slice that was committed: no row twice, none left out."""
    id = await begun(db, account, people(9), group=group.id)
    await killed(db, account, id, 2, monkeypatch)
    assert (await imports.get(db, account, id)).created == 4
    now = ids.now()
    assert await import_claims.take(db, account, id, ids.new_id(), now) is None
    claim = await import_claims.take(db, account, id, ids.new_id(), now + timedelta(seconds=IMPORT_LEASE_SECONDS + 1))
    assert claim is not None
    await work_on(db, claim)
    assert list(await rows(db, account, id)) == list(range(2, 11))
    assert [contact["phone"] for contact in await book(db, account)] == NUMBERED[:9]
    assert (await imports.get(db, account, id)).created == 9
    assert await wrong_counters(db, account) == []


@pytest.mark.parametrize("state", ["running", "previewing", "undoing"])
async def test_a_killed_runner_leaves_no_trace(
    db: Pool, account: AccountId, group: Group, small_slices: None, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    """Whatever it was at."""
    monkeypatch.setattr(import_claims, "IMPORT_LEASE_SECONDS", 0.0)
    before = await tables(db, account)
    id = await upload(db, account, people(9))
    if state == "undoing":
        await imports.begin(db, account, id, "start", Options(group=group.id), ids.now())
        await work(db, account, id)
        await imports.undo(db, account, id, ids.now())
    else:
        event = {"running": "start", "previewing": "preview"}[state]
        await imports.begin(db, account, id, event, Options(group=group.id), ids.now())
    for _ in range(3):
        await killed(db, account, id, 1, monkeypatch)
        assert (await imports.get(db, account, id)).state == state
    done = await work(db, account, id)
    if state == "previewing":
        assert done.preview is not None
        assert buckets(done.preview) == {"created": 9}
    elif state == "running":
        assert done.created == 9
        await take_back(db, account, id)
    else:
        assert (done.state, done.removed, done.kept) == ("undone", 9, 0)
    assert await tables(db, account) == before


async def test_a_runner_that_lost_its_claim_stores_nothing_more(db: Pool, account: AccountId, group: Group, small_slices: None) -> None:
    """It was only slow, and another one has the import now."""
    id = await begun(db, account, people(9), group=group.id)
    slow = await import_claims.take(db, account, id, ids.new_id(), ids.now())
    assert slow is not None
    late = ids.now() + timedelta(seconds=IMPORT_LEASE_SECONDS + 1)
    taken: list[Any] = []

    async def take() -> None:
        taken.append(await import_claims.take(db, account, id, ids.new_id(), late))

    await work_on(db, slow, Between(take))
    assert (await imports.get(db, account, id)).created == 2
    await work_on(db, slow)
    assert (await imports.get(db, account, id)).created == 2
    await work_on(db, taken[0])
    assert (await imports.get(db, account, id)).state == "done"
    assert [contact["phone"] for contact in await book(db, account)] == NUMBERED[:9]


@pytest.mark.parametrize("is_undo", [False, True], ids=["run", "undo"])
async def test_two_runners_never_both_store_a_slice(
    db: Pool, account: AccountId, group: Group, small_slices: None, monkeypatch: pytest.MonkeyPatch, is_undo: bool
) -> None:
    """Many who each take it from the one before, all at once."""
    monkeypatch.setattr(import_claims, "IMPORT_LEASE_SECONDS", -1.0)
    id = await begun(db, account, people(30), group=group.id)
    if is_undo:
        await work(db, account, id)
        await imports.undo(db, account, id, ids.now())

    async def run(delay: float) -> None:
        await asyncio.sleep(delay)
        claim = await import_claims.take(db, account, id, ids.new_id(), ids.now())
        if claim is not None:
            await work_on(db, claim)

    await asyncio.gather(*(run(number / 50) for number in range(5)))
    while not (done := await imports.get(db, account, id)).is_over:
        await run(0)
    assert (done.created, done.removed) == (30, 30 if is_undo else 0)
    assert len(await rows(db, account, id)) == 30
    assert [contact["phone"] for contact in await book(db, account)] == ([] if is_undo else NUMBERED[:30])
    assert await wrong_counters(db, account) == []


async def test_an_import_that_never_comes_on_is_given_up(
    db: Pool, account: AccountId, group: Group, small_slices: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that kills whoever works on it. Progress starts the count anew."""
    id = await begun(db, account, people(6), group=group.id)
    later = itertools.count(1)

    async def take() -> import_claims.Claim:
        now = ids.now() + timedelta(seconds=next(later) * (IMPORT_LEASE_SECONDS + 1))
        claim = await import_claims.take(db, account, id, ids.new_id(), now)
        assert claim is not None
        return claim

    for _ in range(IMPORT_ATTEMPTS - 1):
        await take()
    monkeypatch.setattr(import_claims, "release", _nothing)
    await work_on(db, await take(), Slices(1))
    assert (await imports.get(db, account, id)).created == 2
    for _ in range(IMPORT_ATTEMPTS):
        await take()
    assert (await imports.get(db, account, id)).state == "running"
    await work_on(db, await take())
    failed = await imports.get(db, account, id)
    assert (failed.state, failed.created) == ("failed", 2)
    assert "given up" in (failed.error or "")
    monkeypatch.undo()
    assert (await take_back(db, account, id)).removed == 2


async def test_an_error_of_ours_is_not_tried_for_ever(db: Pool, account: AccountId, group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    """The import is let go of at once, tried again some times, then given up."""

    def fail(*_: object) -> None:
        raise RuntimeError("broken")

    id = await begun(db, account, people(6), group=group.id)
    monkeypatch.setattr(working, "open_table", fail)
    for _ in range(IMPORT_ATTEMPTS):
        with pytest.raises(RuntimeError):
            await work(db, account, id)
    assert (await work(db, account, id)).state == "failed"


async def test_one_accounts_mass_holds_up_nobody_elses_file(db: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two workers, one account with four large files, another one with a small file that comes last."""
    monkeypatch.setattr(working, "IMPORT_SLICE_ROWS", 2)
    monkeypatch.setattr(working, "IMPORT_TURN_SECONDS", 0.0)
    await db.execute(NO_CLAIMS)
    large, small = await new_account(db), await new_account(db)
    masses = [await begun(db, large, people(40, 40 * number), group_name="Mass") for number in range(4)]
    stopping = asyncio.Event()

    async def rows_done() -> int:
        return sum([(await imports.get(db, large, id)).done_rows for id in masses])

    async def run() -> None:
        while await work_on_next(db, stopping):
            pass

    running = [asyncio.create_task(run()) for _ in range(2)]
    async with asyncio.timeout(30):
        while not (ahead := await rows_done()):
            await asyncio.sleep(0.001)
        id = await begun(db, small, people(5), group_name="Small")
        while (await imports.get(db, small, id)).state != "done":
            await asyncio.sleep(0.001)
    assert await rows_done() - ahead <= 30, "the small file waited for the large ones"
    done_early = [(await imports.get(db, large, id)).done_rows for id in masses]
    assert min(done_early) > 0 or max(done_early) < 20, "one of the large files waits for the others"
    await asyncio.gather(*running)
    assert {(await imports.get(db, large, id)).done_rows for id in masses} == {40}
    assert await wrong_counters(db, large) == []
    assert len(await book(db, large)) == 160


async def test_a_worker_that_is_told_to_stop_stops_between_two_slices(
    db: Pool, account: AccountId, group: Group, small_slices: None
) -> None:
    await db.execute(NO_CLAIMS)
    id = await begun(db, account, people(9), group=group.id)
    stopping = asyncio.Event()
    stopping.set()
    assert await work_on_next(db, stopping) == 1
    assert (await imports.get(db, account, id)).created == 2
    assert (await work(db, account, id)).created == 9


# --- what others do meanwhile


async def _disturb(db: Database, account: AccountId, others: UUID, known: list[UUID]) -> None:
    """Change, move and delete contacts one after the other."""
    for number, contact in enumerate(known):
        with contextlib.suppress(NotFoundError):
            if number % 3 == 0:
                await contacts.update(db, account, contact, Draft(last_name="Edited"), now=ids.now())
            elif number % 3 == 1:
                await contacts.update(db, account, contact, Draft(), now=ids.now(), move_to=others)
            else:
                await contacts.delete(db, account, [contact])


async def test_contacts_are_changed_while_an_import_runs(
    db: Pool, account: AccountId, group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits in a circle, nothing is counted wrong, and no edit is lost by the undo."""
    monkeypatch.setattr(working, "IMPORT_SLICE_ROWS", 10)
    others = await new_group(db, account)
    file = table(["First name", "Phone"], *([f"P{number}", phone] for number, phone in enumerate(NUMBERED)))
    await bring(db, account, file, group=group.id)
    known = list(await members(db, account, group.id))
    changed = table(["First name", "Phone"], *([f"Q{number}", phone] for number, phone in enumerate(NUMBERED)))
    id = await begun(db, account, changed, group=group.id)
    done, *_ = await asyncio.gather(
        work(db, account, id), _disturb(db, account, others, known[::2]), _disturb(db, account, others, known[::-4])
    )
    assert done.state == "done"
    assert done.done_rows == len(NUMBERED)
    assert await wrong_counters(db, account) == []
    await imports.undo(db, account, id, ids.now())
    undone, *_ = await asyncio.gather(work(db, account, id), _disturb(db, account, others, list(await members(db, account, group.id))[::5]))
    assert undone.state == "undone"
    assert await wrong_counters(db, account) == []


async def test_two_imports_over_the_same_contacts_at_once(db: Pool, account: AccountId, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working, "IMPORT_SLICE_ROWS", 10)
    shuffled = [NUMBERED[number * 37 % 100] for number in range(100)]
    files = [
        table(["First name", "Phone"], *([f"{mark}", phone] for phone in phones)) for mark, phones in enumerate([NUMBERED[:100], shuffled])
    ]
    await bring(db, account, people(100), group_name="First")
    begin = [await begun(db, account, file, group_name=f"Group {number}") for number, file in enumerate(files)]
    done: list[Import] = await asyncio.gather(*(work(db, account, id) for id in begin))
    assert [(one.state, buckets(one)) for one in done] == [("done", {"updated": 100})] * 2
    assert await wrong_counters(db, account) == []
    for id in begin:
        await imports.undo(db, account, id, ids.now())
    undone: list[Import] = await asyncio.gather(*(work(db, account, id) for id in begin))
    assert [one.state for one in undone] == ["undone"] * 2
    assert await wrong_counters(db, account) == []
    assert len(await book(db, account)) == 100
