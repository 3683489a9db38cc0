"""What holds for any file: every row is accounted for, a second import changes nothing, an undo brings everything back, and an export
comes in again as it went out.
"""

import csv
import io
from typing import Any, NamedTuple
from unittest import mock
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reachbook.core import consent, contacts, exports, fields, ids, imports
from reachbook.core.consent import Change, Source
from reachbook.core.drafts import Draft, FieldValue
from reachbook.core.exports import Format, Selection
from reachbook.core.ids import AccountId
from reachbook.core.imports import BUCKETS, Options
from reachbook.core.paging import Page
from reachbook.database.pool import Pool
from reachbook.database.queries import Database
from reachbook.workers import imports as working
from tests.core.book import EMAILS, PHONES, change, key_of, ledger, new_account
from tests.core.importing import bring, buckets, new_group, preview, rows, tables, take_back, upload, work

few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
COMPANY, CUSTOM = 6, 7

FORMULAS = ["=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "-2+3", "'=1", "''@x", "+31 6", "-", "=", "'", "'t Hart"]
WRITTEN = [
    "Ann",
    "ANN",
    "Bo",
    "Zoë",
    "Zoe\u0308",
    " Ann ",
    "ann",
    "Jansen; Bos",
    'a "b" c',
    "two\nlines",
    "O'Neil",
    "1E+5",
    "007",
    "null",
    "#N/A",
]
PLAIN = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), min_size=1, max_size=6)
words = st.sampled_from(["", "", *WRITTEN, *FORMULAS]) | PLAIN
phones = st.sampled_from(["", "", "n/a", "+31", "12", *(written for ways in PHONES.values() for written in ways)])
emails = st.sampled_from(["", "", "nobody", "a@b", "=a@example.com", *(written for ways in EMAILS.values() for written in ways)])
COLUMNS: dict[str, st.SearchStrategy[str]] = {
    "First name": words,
    "Last name": words,
    "E-mail": emails,
    "E-mail 2": emails,
    "Phone": phones,
    "Mobile": phones,
    "Company": words,
    "CustomField1": st.sampled_from(["", "a", "A", "b", "=a", " a"]),
    "Shoe size": words,
    "=Höhe (cm)": words,
}


class File(NamedTuple):
    """A table, its rows of any length; `cells` are without the blank lines that a spreadsheet has at its end."""

    columns: list[str]
    cells: list[list[str]]

    def content(self) -> bytes:
        """As CSV."""
        text = io.StringIO(newline="")
        csv.writer(text).writerows([self.columns, *self.cells])
        return text.getvalue().encode()

    def count(self) -> int:
        """Rows that have any text."""
        return sum(any(map(str.strip, cells)) for cells in self.cells)


@st.composite
def files(draw: st.DrawFn) -> File:
    """Columns in any order; some rows are too short, some too long, some come twice."""
    columns = draw(st.lists(st.sampled_from(list(COLUMNS)), min_size=2, max_size=7, unique=True))
    row = st.tuples(*(COLUMNS[column] for column in columns)).map(list)
    ragged = st.tuples(row, st.integers(0, len(columns))).map(lambda pair: pair[0][: pair[1]]) | row.map(lambda cells: [*cells, "more"])
    some = draw(st.lists(row | row | row | ragged, min_size=1, max_size=10))
    again = draw(st.lists(st.sampled_from(some), max_size=3))
    return File(columns, [*some, *again])


class Start(NamedTuple):
    """What is there before: contacts, in one group or another, and what was said about their addresses."""

    people: list[tuple[Draft, bool]]
    calls: list[Change]


_given = st.sampled_from([None, "a", "A", " b "])
drafts = st.builds(
    lambda first, email, phone, value: Draft(first_name=first, email=email, phone=phone, values=[FieldValue(CUSTOM, value)]),
    st.sampled_from([None, *WRITTEN]),
    st.none() | st.sampled_from([written for ways in EMAILS.values() for written in ways]),
    st.none() | st.sampled_from([written for ways in PHONES.values() for written in ways]),
    _given,
)
starts = st.builds(Start, st.lists(st.tuples(drafts, st.booleans()), max_size=5), st.lists(change, max_size=5))
options = st.fixed_dictionaries(
    {
        "match": st.sampled_from([None, None, "phone", "email", "7"]),
        "match_in": st.sampled_from(["account", "account", "group"]),
        "on_match": st.sampled_from(["update", "update", "fill", "skip"]),
        "new_fields": st.booleans(),
    }
)


@pytest.fixture(scope="module")
def db(quiet: Pool) -> Pool:
    """No server's worker comes between."""
    return quiet


async def prepared(db: Database, start: Start) -> tuple[AccountId, UUID]:
    """An account as it is at the start, and the group that files go into."""
    account = await new_account(db)
    group, other = await new_group(db, account, "Readers"), await new_group(db, account)
    for draft, is_member in start.people:
        await contacts.add(db, account, group if is_member else other, draft, id=ids.new_id(), now=ids.now())
    await consent.record(db, account, start.calls, source=Source.API, actor=UUID(int=7), now=ids.now())
    return account, group


def usable(file: File, chosen: dict[str, Any]) -> dict[str, Any]:
    """A column that is matched by has to be there."""
    column = {"phone": ("Phone", "Mobile"), "email": ("E-mail", "E-mail 2"), "7": ("CustomField1",)}.get(chosen["match"], ())
    known = {"First name", "Last name", "E-mail", "E-mail 2", "Phone", "Mobile", "Company", "CustomField1"}
    if column and not set(column) & set(file.columns):
        chosen = chosen | {"match": None}
    return chosen if known & set(file.columns) else chosen | {"new_fields": True}


@few
@given(file=files(), start=starts, chosen=options, size=st.sampled_from([1, 3, 5_000]))
async def test_every_row_is_accounted_for_and_comes_back(db: Pool, file: File, start: Start, chosen: dict[str, Any], size: int) -> None:
    """The buckets sum to the rows; an undo leaves every table as it was; the ledger is only read."""
    account, group = await prepared(db, start)
    before = await tables(db, account)
    with mock.patch.object(working, "IMPORT_SLICE_ROWS", size):
        done = await bring(db, account, file.content(), group=group, **usable(file, chosen))
        assert done.state == "done", done.error
        assert sum(getattr(done, bucket) for bucket in BUCKETS) == done.total_rows == file.count()
        await assert_out(db, account, group, start)
        undone = await take_back(db, account, done.id)
    assert (undone.removed, undone.restored, undone.kept) == (done.created, done.updated, 0)
    assert await tables(db, account) == before


async def assert_out(db: Database, account: AccountId, group: UUID, start: Start) -> None:
    """Who said no is in no list that asks for them."""
    out: set[tuple[str, str]] = set()
    for call in start.calls:
        (out.add if call.is_active else out.discard)(key_of(call))
    tokens, _ = await ledger(db, account)
    assert {address for address, state in tokens.items() if state.is_active} == out
    for type in {call.type for call in start.calls}:
        shown = await contacts.list_members(db, account, group, Page(0, 1_000), reachable_by=type)
        assert not {(type, contact.phone) for contact in shown.rows} & out
        assert not {(type, (contact.email or "").lower()) for contact in shown.rows} & out


@few
@given(file=files(), start=starts, chosen=options)
async def test_the_same_file_again_changes_nothing(db: Pool, file: File, start: Start, chosen: dict[str, Any]) -> None:
    account, group = await prepared(db, start)
    await bring(db, account, file.content(), group=group, **usable(file, chosen))
    before = await tables(db, account)
    again = await bring(db, account, file.content(), group=group, **usable(file, chosen))
    assert again.state == "done", again.error
    assert (again.created, again.updated) == (0, 0)
    assert await tables(db, account) == before
    await take_back(db, account, again.id)
    assert await tables(db, account) == before


@few
@given(file=files(), start=starts, chosen=options, size=st.sampled_from([2, 5_000]), is_new=st.booleans())
async def test_a_preview_is_what_the_run_does(db: Pool, file: File, start: Start, chosen: dict[str, Any], size: int, is_new: bool) -> None:
    """And it changes nothing."""
    account, group = await prepared(db, start)
    before = await tables(db, account)
    target = {"group_name": "Fresh"} if is_new else {"group": group}
    with mock.patch.object(working, "IMPORT_SLICE_ROWS", size):
        id = await upload(db, account, file.content())
        seen = (await preview(db, account, id, **target, **usable(file, chosen))).preview
        assert await tables(db, account) == before
        await imports.begin(db, account, id, "start", None, ids.now())
        done = await work(db, account, id)
    assert seen is not None
    assert done.state == "done", done.error
    assert (buckets(seen), seen["rows"], seen["optedOut"]) == (buckets(done), done.done_rows, done.opted_out)


@few
@given(file=files(), start=starts, chosen=options)
async def test_slices_make_no_difference(db: Pool, file: File, start: Start, chosen: dict[str, Any]) -> None:
    """Each row has the same bucket wherever a slice ends."""
    found: list[dict[int, str]] = []
    for size in (5_000, 1):
        account, group = await prepared(db, start)
        with mock.patch.object(working, "IMPORT_SLICE_ROWS", size):
            done = await bring(db, account, file.content(), group=group, **usable(file, chosen))
        found.append(await rows(db, account, done.id))
    assert found[0] == found[1]


# --- out and in again

ANY = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=10)
TEXTS = [
    *WRITTEN,
    *FORMULAS,
    "a\r\nb",
    "a\rb",
    "\ta",
    "a\t",
    "_x0041_",
    "a\\,b\\;c\\n",
    "\\.",
    "END:VCARD",
    "\n",
    "a\n",
    "^'",
    "\ufeffa",
    "é" * 90,
]
texts = st.sampled_from(TEXTS) | ANY | PLAIN
NAMES = [
    "Shoe size",
    "=cmd",
    "!!!",
    "a;b",
    "a|b",
    "E-mail",
    "Reason",
    "Company [7]",
    'say "hi"',
    "two\nlines",
    "Größe",
    "a,b",
    "id",
    "x" * 200,
]
MAILBOXES = [None, "ann@example.com", "=a@example.com", "'b@example.com", "+c@example.com", "-@example.com", "bo@bücher.example"]
NUMBERS = [None, "+31627100000", "+32470123456", "+12015550123", "+80012345678", "+31201234567"]


class Book(NamedTuple):
    """Fields by name, and contacts whose values are of fields by place."""

    names: list[str]
    people: list[tuple[Draft, list[str]]]


people = st.builds(
    lambda first, insertion, last, email, phone: Draft(first_name=first, insertion=insertion, last_name=last, email=email, phone=phone),
    st.none() | texts,
    st.none() | texts,
    st.none() | texts,
    st.sampled_from(MAILBOXES),
    st.sampled_from(NUMBERS),
)
books = st.builds(
    Book,
    st.lists(st.sampled_from(NAMES), max_size=3, unique_by=str.casefold),
    st.lists(st.tuples(people, st.lists(st.just("") | texts, max_size=5)), min_size=1, max_size=6),
)


MISTAKABLE = {"scientific": "1E+05", "comma": "3,5E+10", "error": "#N/A", "escape": "_x0041_", "last": "a\uffff\uffff"}


@pytest.mark.parametrize("text", MISTAKABLE.values(), ids=MISTAKABLE)
@pytest.mark.parametrize("form", Format)
async def test_text_is_not_taken_for_damage(db: Pool, form: Format, text: str) -> None:
    """An article number `1E+05` was never a number; in a cell of text, `#N/A` is text."""
    if form is Format.XLSX and "\uffff" in text:
        pytest.skip("XML has no U+FFFF")
    person = Draft(first_name="Ann", last_name=text, phone=NUMBERS[1])
    await out_and_in(db, form, Book([], [(person, [text, text])]))


@pytest.mark.parametrize("form", Format)
@few
@given(book=books)
async def test_an_export_comes_in_again_unchanged(db: Pool, form: Format, book: Book) -> None:
    await out_and_in(db, form, book)


async def out_and_in(db: Database, form: Format, book: Book) -> None:
    """Export and import into the same group."""
    account = await new_account(db)
    group = await new_group(db, account)
    of = [COMPANY, CUSTOM, *[(await fields.create(db, account, name, ids.now())).id for name in book.names]]
    for draft, written in book.people:
        draft.values = [FieldValue(field, value) for field, value in zip(of, written, strict=False) if value]
        await contacts.add(db, account, group, draft, id=ids.new_id(), now=ids.now())
    before = await tables(db, account)
    pieces: list[bytes] = []

    async def write(piece: bytes) -> None:
        pieces.append(bytes(piece))

    await exports.export(db, account, Selection(group), form, write)
    id = await upload(db, account, b"".join(pieces), f"contacts.{form}")
    await imports.begin(db, account, id, "start", Options(group=group), ids.now())
    done = await work(db, account, id)
    assert done.state == "done", done.error
    assert buckets(done) == {"unchanged": len(book.people)}, await imports.outcomes(db, account, id, "refused", -1, 10)
    assert await tables(db, account) == before
