"""Exports over HTTP: what the files are, and that an import takes them again without any difference."""

import csv
import io
import json
import re
from typing import Any

import openpyxl
import pytest

from tests.dialects.own.support import Own, Row, buckets, fields_of, table

FORMATS = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "vcf": "text/vcard; charset=utf-8",
    "jsonl": "application/jsonl",
}
BEGINNINGS = {"csv": b"id,First name,", "xlsx": b"PK\x03\x04", "vcf": b"BEGIN:VCARD\r\n", "jsonl": b'{"id":"'}

FORMULAS = [
    "=1+1",
    "=cmd|' /C calc'!A0",
    "+SUM(A1)",
    "-2+3+cmd",
    "@SUM(A1)",
    "'=x",
    "''=x",
    "'",
    "''",
    "@",
    "=",
    "-",
    "+",
    "\t=x",
    "'+x",
    "'-1",
]
NUMBERS = ["-1", "+31 6 27100001", "+31627100001", "1e5", "007", "1,5", "00", "1E+05", "2026-01-31", "-0", "true", "null", "#N/A"]
QUOTES = [
    '"',
    '""',
    'with "quotes"',
    '"whole"',
    "a,b",
    "a;b",
    "a\tb",
    "back\\slash",
    "\\n",
    "\\,",
    "\\;",
    "^n",
    "a:b",
    "{}",
    "[1]",
    "\\.",
    "NULL",
]
SPACES = [" leading", "trailing ", "  both  ", "\ttab", "tab\t", "in  side", "\u00a0nbsp\u00a0", "\u2003em", "\u3000wide"]
LINES = [
    "two\nlines",
    "two\r\nlines",
    "a\rb",
    "\n",
    "ends\n",
    "\nbegins",
    "a\n\nb",
    "line\u2028separator",
    "next\x85line",
    "form\x0cfeed",
    "a\x0bb",
]
LETTERS = ["Zoë", "e\u0301", "ß", "日本語", "🐇", "👩‍👩‍👧", "مرحبا", "\u200f", "\ufeffbom", "a\u200bb", "ﬁ", "İ", "\U0010fffd"]
CONTROLS = ["a\x01b", "\x01", "\x02x", "x\x1f", "\x7f", "a\x1cb", "a\x1eb", "_x0041_", "_x000D_", "\x1b[31m", "&amp;", "<b>", "]]>"]
LONG = ["x" * 4_000, "é" * 200, "word " * 500, "🐇" * 100]
NASTY = [*FORMULAS, *NUMBERS, *QUOTES, *SPACES, *LINES, *LETTERS, *CONTROLS, *LONG]

NAMES = [
    "Phone",
    "Email",
    "row",
    "reason",
    "Foo [7]",
    'with "quotes"',
    ",;",
    "!!!",
    "=sum",
    "'quoted'",
    "First name",
    "id",
    "Notes",
    "No tes",
]
NAMES += ["Phone 2", "Column 1", "ROW ", "a\nb", "a:b;c", "naïve", "日本語", "[8]", "x" * 255, "Naam"]


async def group_of(client: Own, contacts: list[Row]) -> str:
    """A group with these contacts, the first called No. 0."""
    group = (await client.cm.group(name="Nasty"))["id"]
    named = [row | {"lastName": f"No. {number}"} for number, row in enumerate(contacts)]
    answer = await client.cm.post(f"groups/{group}/contacts-bulk", json=named)
    assert answer.status_code == 201, answer.text[:500]
    return group


async def by_number(client: Own) -> dict[int, Row]:
    """The contacts of `group_of`."""
    return {int(row["lastName"].removeprefix("No. ")): row for row in await client.contacts()}


def with_value(value: str) -> Row:
    return {"firstName": value[:255], "customValues": [{"fieldId": 6, "value": value}]}


def levelled(row: Row) -> Row:
    """What files don't change: spaces around a value and its line ends don't count."""
    texts = {name: "\n".join(value.splitlines()).strip() for name, value in row.items()}
    return {name: text for name, text in texts.items() if text}


async def refused(client: Own, done: Row) -> list[str]:
    """Why rows were refused, as a failing test shows it."""
    rows = csv.reader(io.StringIO(await client.rows(done["id"]), newline=""))
    return [" ".join(row[-2:])[:100] for row in rows][:10]


async def everything(client: Own) -> list[str]:
    """Every contact to the letter, with its id."""
    return sorted((await client.export("jsonl")).decode().split("\n"))


@pytest.mark.parametrize("form", FORMATS)
async def test_a_file(hers: Own, form: str) -> None:
    await hers.cm.contact((await hers.cm.group())["id"], firstName="Ann")
    answer = await hers.get("exports", params={"format": form})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == FORMATS[form]
    assert answer.headers["content-disposition"] == f"attachment; filename=\"contacts.{form}\"; filename*=UTF-8''contacts.{form}"
    assert answer.content.startswith(BEGINNINGS[form])


async def test_csv_unless_something_else_is_asked_for(hers: Own) -> None:
    answer = await hers.get("exports")
    assert answer.headers["content-type"] == FORMATS["csv"]
    assert answer.text.startswith("id,First name,")


async def test_a_group_a_search_and_the_account(hers: Own, his: Own) -> None:
    friends, hidden = await hers.cm.group(name="Friends"), await hers.cm.group(name="Hidden", isHidden=True)
    await hers.cm.contact(friends["id"], firstName="Ann", lastName="Rabbit")
    await hers.cm.contact(hidden["id"], firstName="Ben")
    await his.cm.contact((await his.cm.group())["id"], firstName="Bob", lastName="Rabbit")

    async def names(client: Own, **query: str) -> list[str]:
        return sorted(row["firstName"] for row in await client.contacts(**query))

    assert await names(hers) == ["Ann", "Ben"]
    assert await names(hers, groupId=friends["id"]) == ["Ann"]
    assert await names(hers, GROUPID=hidden["id"]) == ["Ben"]
    assert await names(hers, search="rabbit") == ["Ann"]
    assert await names(hers, search="100%_\\' OR 1=1") == []
    assert await names(hers, search="...") == []  # no words: nothing is found, not everything
    assert await names(his) == ["Bob"]
    foreign = await his.get("exports", params={"groupId": friends["id"]})
    unknown = await his.get("exports", params={"groupId": "00000000-0000-7000-8000-000000000001"})
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.text.replace(friends["id"], "") == unknown.text.replace("00000000-0000-7000-8000-000000000001", "")


@pytest.mark.parametrize(
    "query", [{"format": "pdf"}, {"groupId": "Friends"}, {"groupId": "00000000-0000-7000-8000-000000000001", "search": "x"}]
)
async def test_what_can_not_be_exported(hers: Own, query: dict[str, str]) -> None:
    answer = await hers.get("exports", params=query)
    assert (answer.status_code, len(fields_of(answer))) == (400, 1)
    assert fields_of(answer)[0] in query


async def test_nothing_is_run_as_a_formula(hers: Own) -> None:
    group = (await hers.cm.group())["id"]
    for value in FORMULAS + NUMBERS:
        await hers.cm.contact(group, firstName=value, customValues=[{"fieldId": 6, "value": value}])
    rows = list(csv.DictReader(io.StringIO((await hers.export("csv")).decode(), newline="")))
    cells = [row[column] for row in rows for column in ("First name", "Company")]
    suspects = [cell for cell in cells if re.match(r"[=@\t\r]|[+-](?![0-9 ().-]*$)", cell)]
    assert not suspects
    sheet = openpyxl.load_workbook(io.BytesIO(await hers.export("xlsx"))).active
    assert {cell.data_type for row in sheet.iter_rows() for cell in row if cell.value is not None} == {"s"}


@pytest.mark.parametrize("form", FORMATS)
async def test_an_export_is_imported_without_any_difference(hers: Own, form: str) -> None:
    group = await group_of(hers, [with_value(value) for value in NASTY])
    before = await everything(hers)
    done = await hers.bring(await hers.export(form, groupId=group), groupId=group)
    changed = sorted(set(await everything(hers)) - set(before))
    assert not changed, [line[40:140] for line in changed][:10]
    assert buckets(done) == {"unchanged": len(NASTY)}, await refused(hers, done)


@pytest.mark.parametrize("form", FORMATS)
async def test_an_export_is_imported_into_another_account(hers: Own, his: Own, form: str) -> None:
    await group_of(hers, [with_value(value) for value in NASTY])
    done = await his.bring(await hers.export(form))
    given, taken = await by_number(hers), await by_number(his)
    wrong = [(levelled(row), levelled(taken[number])) for number, row in given.items() if levelled(row) != levelled(taken.get(number, row))]
    assert not wrong, str(wrong)[:1000]
    assert buckets(done) == {"created": len(NASTY)}, await refused(his, done)


async def group_of_named(client: Own) -> str:
    """A contact for each of NAMES that has a value in the field of that name alone."""
    fields: list[int] = []
    for name in NAMES:
        answer = await client.cm.post("fields", json={"name": name})
        assert answer.status_code == 201, answer.text
        fields.append(answer.json()["id"])
    return await group_of(client, [{"customValues": [{"fieldId": field, "value": "brown"}]} for field in fields])


@pytest.mark.parametrize("form", FORMATS)
async def test_fields_of_any_name_are_found_again(hers: Own, form: str) -> None:
    group = await group_of_named(hers)
    before, fields = await everything(hers), (await hers.cm.get("fields")).json()
    done = await hers.bring(await hers.export(form, groupId=group), groupId=group, newFields=True)
    changed = sorted(set(await everything(hers)) - set(before))
    assert not changed, [line[40:140] for line in changed][:10]
    assert buckets(done) == {"unchanged": len(NAMES)}, await refused(hers, done)
    assert (await hers.cm.get("fields")).json() == fields


@pytest.mark.parametrize("form", FORMATS)
async def test_fields_of_any_name_are_made_in_another_account(hers: Own, his: Own, form: str) -> None:
    """They come under a name that has the one they had, and none under another's."""
    await group_of_named(hers)
    done = await his.bring(await hers.export(form), newFields=True)
    taken = {number: [name for name in row if name != "lastName"] for number, row in (await by_number(his)).items()}
    wrong = [(name, taken.get(number)) for number, name in enumerate(NAMES) if not _is_called(taken.get(number, []), name)]
    assert not wrong, str(wrong)[:1000]
    assert buckets(done) == {"created": len(NAMES)}, await refused(his, done)


def _is_called(headers: list[str], name: str) -> bool:
    return len(headers) == 1 and " ".join(name.split()) in headers[0]


@pytest.mark.parametrize("name", ["Phone", "Email", "First name", "!!!", "row"])
@pytest.mark.parametrize("form", ["csv", "jsonl"])
async def test_a_field_that_is_called_like_something_else_in_another_account(hers: Own, his: Own, name: str, form: str) -> None:
    """Its header has the id that it has here; there the same id may be any field's."""
    field = (await hers.cm.post("fields", json={"name": name})).json()
    other = (await his.cm.post("fields", json={"name": "Shoe size"})).json()
    assert field["id"] == other["id"]
    await hers.cm.contact((await hers.cm.group())["id"], firstName="Ann", customValues=[{"fieldId": field["id"], "value": "brown"}])
    done = await his.bring(await hers.export(form), newFields=True)
    assert buckets(done) == {"created": 1}, await his.rows(done["id"])
    (row,) = await his.contacts()
    assert "Shoe size" not in row
    assert [column for column, value in row.items() if value == "brown" and name in column]


@pytest.mark.parametrize("form", FORMATS)
async def test_a_field_whose_name_ends_like_another_ones_id(hers: Own, form: str) -> None:
    for name in ("Foo [7]", "Foo [18]", "[8]", "Bar"):
        assert (await hers.cm.post("fields", json={"name": name})).status_code == 201
    fields = {field["name"]: field["id"] for field in (await hers.cm.get("fields")).json()}
    group = (await hers.cm.group())["id"]
    await hers.cm.contact(group, firstName="Ann", customValues=[{"fieldId": id, "value": f"of {name}"} for name, id in fields.items()])
    before = await everything(hers)
    done = await hers.bring(await hers.export(form), groupId=group)
    assert buckets(done) == {"unchanged": 1}
    assert await everything(hers) == before


@pytest.mark.parametrize("mapping", [{"Town": "Company"}, {"Town": None}, {"Phone": None}, {"id": None}, {"Email": "Company"}])
async def test_what_was_learned_changes_no_export(hers: Own, mapping: dict[str, Any]) -> None:
    """A header that an export writes means the field that it was written for, whatever was mapped by hand before."""
    assert (await hers.cm.post("fields", json={"name": "Town"})).status_code == 201
    town = (await hers.cm.get("fields")).json()[-1]["id"]
    column = next(iter(mapping))
    await hers.bring(table(["First name", "Last name", column], ["Ann", "Smith", ""]), mapping=mapping)
    group = (await hers.cm.group())["id"]
    await hers.cm.contact(
        group, lastName="Doe", email="doe@example.org", phoneNumber="0627100001", customValues=[{"fieldId": town, "value": "Delft"}]
    )
    before = await everything(hers)
    done = await hers.bring(await hers.export("csv", groupId=group), groupId=group)
    assert buckets(done) == {"unchanged": 1}
    assert await everything(hers) == before


async def test_a_large_export_is_whole(hers: Own) -> None:
    count = 12_000
    file = table(["Last name", "Phone", "Town"], *([f"Doe {number}", f"06271{number:05}", "Delft"] for number in range(count)))
    assert buckets(await hers.bring(file, newFields=True)) == {"created": count}
    lines = (await hers.export("jsonl")).decode().splitlines()
    ids = [json.loads(line)["id"] for line in lines]
    assert len(set(ids)) == count
    assert ids == sorted(ids)
    assert len((await hers.export("csv")).decode().splitlines()) == count + 1
    assert (await hers.export("vcf")).count(b"BEGIN:VCARD") == count
