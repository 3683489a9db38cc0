"""A file of numbers goes into stock: all of its rows or none, and whoever is told of a fault is told the row."""

from pathlib import Path
from uuid import UUID

import pytest
import xlsxwriter

from reachbook import stocking
from reachbook.core import catalogues, ids, number_requests, numbers
from reachbook.core.catalogues import NumberType, NumberTypeDraft
from reachbook.core.errors import ConflictError, InvalidError
from reachbook.core.ids import AccountId
from reachbook.core.paging import Page
from reachbook.database.pool import Pool
from reachbook.stocking import Asked

PLACE = iter(range(1_000))


@pytest.fixture
async def type(db: Pool) -> NumberType:
    """A number type of this test's own, Maltese."""
    draft = NumberTypeDraft(country="MT", category="MOBILE", description=f"Maltese {ids.new_id()}")
    return await catalogues.save_number_type(db, None, draft)


@pytest.fixture
def some() -> list[str]:
    """Numbers that are not in stock yet: how a Maltese mobile number is dialled there."""
    first = 79_100_000 + next(PLACE) * 10
    return [str(first + place) for place in range(5)]


def written(folder: Path, text: str, name: str = "numbers.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


async def add(db: Pool, file: Path, type: str | None = None, *, shared: bool = False, shortcode: bool = False) -> list[tuple[str, str]]:
    """(id, state) of what is in stock now."""
    return [(one.id, one.state) for one in await stocking.add(db, Asked(file, type, shared, shortcode))]


async def refused(db: Pool, file: Path, type: str | None = None) -> list[str]:
    """The lines that say why nothing was taken."""
    with pytest.raises(ConflictError) as caught:
        await add(db, file, type)
    first, *rows = caught.value.message.splitlines()
    assert first == "No number was taken into stock."
    return rows


async def in_stock(db: Pool, type: UUID) -> int:
    return (await numbers.list_stock(db, Page(0, 0), type=type)).total


@pytest.mark.parametrize("separator", [",", ";", "\t"], ids=repr)
async def test_every_column(db: Pool, type: NumberType, some: list[str], tmp_path: Path, separator: str) -> None:
    lines = [
        ["Number", "Type", "Shared", "Short code"],
        [f"+356 {some[0]}", str(type.id), "yes", "no"],
        [some[1], type.description.upper(), "", ""],
        [some[2][-6:], type.description, "TRUE", "x"],
    ]
    file = written(tmp_path, "".join(separator.join(line) + "\n" for line in lines))
    assert await add(db, file) == [(f"356{some[0]}", "shared"), (f"356{some[1]}", "free"), (f"MT{some[2][-6:]}", "shared")]


async def test_a_list_of_numbers(db: Pool, type: NumberType, some: list[str], tmp_path: Path) -> None:
    file = written(tmp_path, "".join(f"00356{number}\n" for number in some[:3]))
    assert await add(db, file, str(type.id), shared=True) == [(f"356{number}", "shared") for number in some[:3]]
    codes = written(tmp_path, "".join(f"{number[-6:]}\n" for number in some), "codes.csv")
    assert await add(db, codes, type.description, shortcode=True) == [(f"MT{number[-6:]}", "free") for number in some]


async def test_a_spreadsheet(db: Pool, type: NumberType, some: list[str], tmp_path: Path) -> None:
    path = tmp_path / "numbers.xlsx"
    book = xlsxwriter.Workbook(str(path))
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, ["number", "shared"])
    sheet.write_number(1, 0, int(f"356{some[0]}"))
    sheet.write_boolean(1, 1, True)
    sheet.write_string(2, 0, f"+356{some[1]}")
    book.close()
    assert await add(db, path, str(type.id)) == [(f"356{some[0]}", "shared"), (f"356{some[1]}", "free")]


async def test_all_or_none(db: Pool, type: NumberType, some: list[str], tmp_path: Path) -> None:
    rows = ["number,type,shared", f"{some[0]},,", "1,,", f"{some[1]},nothing,", f"{some[2]},,perhaps", ",,yes", f"{some[3]},,,,more"]
    file = written(tmp_path, "\n".join(rows))
    assert await refused(db, file, str(type.id)) == [
        "row 4: type 'nothing' is no number type",
        "row 5: shared must be yes or no",
        "row 6: number is missing",
        "row 7: has 5 cells where the header has 3",
    ]
    file = written(tmp_path, "\n".join([rows[0], "", rows[1], rows[2], f"+356{some[0]},,"]))
    told = await refused(db, file, str(type.id))
    assert [line.partition(":")[0] for line in told] == ["row 4", "row 5"]
    assert "number is there twice" in told[1]
    assert await in_stock(db, type.id) == 0


async def test_what_is_in_stock_already(db: Pool, type: NumberType, some: list[str], tmp_path: Path) -> None:
    await add(db, written(tmp_path, f"number\n{some[1]}\n"), str(type.id))
    file = written(tmp_path, "number\n" + "\n".join(some))
    assert await refused(db, file, str(type.id)) == [f"row 3: number 00356{some[1]} is in stock already"]
    assert await in_stock(db, type.id) == 1


async def test_many_faults_are_not_all_told(db: Pool, type: NumberType, tmp_path: Path) -> None:
    told = await refused(db, written(tmp_path, "number\n" + "word\n" * 50), str(type.id))
    assert len(told) == stocking.SHOWN + 1
    assert told[-1] == "… and 30 more"


async def test_a_type_that_is_none_or_several(db: Pool, type: NumberType, some: list[str], tmp_path: Path) -> None:
    file = written(tmp_path, f"number\n{some[0]}\n")
    assert await refused(db, file) == ["row 2: type is missing: a column type, or --type"]
    with pytest.raises(InvalidError):
        await add(db, file, "nothing")
    again = NumberTypeDraft(country="MT", category="MOBILE", description=type.description)
    await catalogues.save_number_type(db, None, again)
    with pytest.raises(InvalidError) as caught:
        await add(db, file, type.description)
    assert "give the id" in caught.value.faults[0].message
    assert await add(db, file, str(type.id)) == [(f"356{some[0]}", "free")]


@pytest.mark.parametrize("text", ["", "type,shared\nx,yes\n", "a,b\n1,2\n"], ids=["empty", "no numbers", "other columns"])
async def test_files_that_are_none(db: Pool, type: NumberType, tmp_path: Path, text: str) -> None:
    with pytest.raises(ConflictError):
        await add(db, written(tmp_path, text), str(type.id))
    with pytest.raises(InvalidError):
        await add(db, tmp_path / "nowhere.csv", str(type.id))


async def test_who_waits_gets_one(
    db: Pool, account: AccountId, other_account: AccountId, type: NumberType, some: list[str], tmp_path: Path
) -> None:
    for one in (account, other_account):
        assert (await number_requests.create(db, one, ids.new_id(), type.id, simulate=False, now=ids.now())).state == "pending"
    stocked = await stocking.add(db, Asked(written(tmp_path, "\n".join(some[:1])), str(type.id), False, False))
    assert [one.owner for one in stocked] == [account]
