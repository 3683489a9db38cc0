"""Every file of the corpus is read as it should be, or refused with its reason."""

import subprocess
import sys
from pathlib import Path

import pytest

from reachbook.files import sheets
from reachbook.files.errors import FileError
from reachbook.files.opening import Reading, open_table
from reachbook.files.rows import Row, Table
from tests.files.card_cases import card
from tests.files.case import Case, people
from tests.files.corpus import CASES, write

REFUSED = [case for case in CASES if case.error is not None]
READ = [case for case in CASES if case.error is None]
ONE_READER = ("xlsx_in_a_zip", "xlsx_called_xls", "xlsx_stray_cell_in_the_last_row")
SHEETS = [case for case in READ if case.kind == "xlsx" and case.name not in ONE_READER]


def _open(case: Case, tmp_path: Path) -> Table:
    work = tmp_path / "work"
    work.mkdir()
    return open_table(write(case, tmp_path), work, case.reading, case.limit)


def test_names_are_unique() -> None:
    """A case is found by its name."""
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", READ, ids=str)
def test_every_row_has_a_bucket(case: Case) -> None:
    """An import accounts for every row that was read."""
    assert case.buckets is None or sum(case.buckets.values()) == case.total()


@pytest.mark.parametrize("case", READ, ids=str)
def test_file_is_read(case: Case, tmp_path: Path) -> None:
    """Columns, rows and their numbers, faults and marks."""
    table = _open(case, tmp_path)
    rows = list(table.rows())
    assert (table.kind, table.has_header, table.columns) == (case.kind, case.has_header, list(case.columns))
    assert table.count == len(rows) == case.total()
    assert [row.number for row in rows] == list(case.numbers or range(case.first, case.first + case.total()))
    for row, cells in zip(rows, case.rows or [], strict=False):
        assert cells is None or row.cells == list(cells), f"row {row.number}"
    assert {row.number for row in rows if row.fault} == set(case.faults)
    assert all(case.faults[row.number] in row.fault for row in rows if row.fault)
    assert {row.number: row.marks for row in rows if row.marks} == case.marks


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_file_is_refused(case: Case, tmp_path: Path) -> None:
    """The whole file, with a reason for the person who chose it."""
    with pytest.raises(FileError) as refusal:
        _open(case, tmp_path)
    assert case.error is not None
    assert case.error in str(refusal.value)


@pytest.mark.parametrize("case", SHEETS, ids=str)
def test_both_readers_of_xlsx_agree(case: Case, tmp_path: Path) -> None:
    """A large spreadsheet goes to another reader than a small one; nobody is to see a difference."""
    path = write(case, tmp_path)

    def written(rows: list[Row]) -> list[Row]:
        return [Row(row.number, _trimmed(row.cells), row.marks or None) for row in rows if any(row.cells)]

    quick = sheets._rows(path, "xlsx", case.reading.sheet)
    assert written(list(sheets._streamed(path, case.reading.sheet))) == written(list(quick))


def _trimmed(cells: list[str]) -> list[str]:
    return cells[: max((place for place, cell in enumerate(cells, 1) if cell), default=0)]


@pytest.mark.parametrize("encoding", ["nonsense", "idna", "punycode", "base64", "undefined"])
def test_an_encoding_of_no_use_is_refused(encoding: str, tmp_path: Path) -> None:
    """Python knows encodings that no file is written in."""
    _refused_as(Reading(encoding=encoding), tmp_path)


@pytest.mark.parametrize("delimiter", ["ab", '"', "\n", "\r"])
def test_a_delimiter_of_no_use_is_refused(delimiter: str, tmp_path: Path) -> None:
    """One character, and none that means something else."""
    _refused_as(Reading(delimiter=delimiter), tmp_path)


def _refused_as(reading: Reading, tmp_path: Path) -> None:
    source = tmp_path / "contacts.csv"
    source.write_bytes(people().encode())
    with pytest.raises(FileError):
        open_table(source, tmp_path, reading)


READ_ONE = """
import sys
from pathlib import Path
from reachbook.files.opening import Reading, open_table

print(open_table(Path(sys.argv[1]), Path(sys.argv[2]), Reading()).count)
"""
HOSTILE = {
    "parameters": "TEL" + ";a=b,c" * 40 + '"',
    "no_colon": "TEL" + ";TYPE=b" * 60,
    "commas": "TEL;TYPE=" + "," * 60 + '"',
}


@pytest.mark.parametrize("line", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_line_of_a_card_takes_no_time(line: str, tmp_path: Path) -> None:
    """What is no property must not keep the reader busy for years."""
    source = tmp_path / "contacts.vcf"
    source.write_text(card("FN:Jan Vis", line, "TEL:0612345671"))
    done = subprocess.run(
        [sys.executable, "-c", READ_ONE, str(source), str(tmp_path)], capture_output=True, text=True, timeout=15, check=True
    )
    assert done.stdout == "1\n"


PEAK = """
import sys
from pathlib import Path
from reachbook.files.opening import Reading, open_table

table = open_table(Path(sys.argv[1]), Path(sys.argv[2]), Reading())
rows = sum(1 for _ in table.rows())
peak = next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(rows, peak)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from /proc")
def test_memory_is_constant(tmp_path: Path) -> None:
    """50 MB of CSV take no more than a small file does."""
    source = tmp_path / "contacts.csv"
    line = "Zoë,+31612345671," + "Müller & Söhne " * 30 + "\n"
    block = (line * 1_000).encode()
    blocks = 50 * 2**20 // len(block)
    with source.open("wb") as file:
        file.write(b"First name,Phone,Company\n")
        for _ in range(blocks):
            file.write(block)
    done = subprocess.run([sys.executable, "-c", PEAK, str(source), str(tmp_path)], capture_output=True, text=True, check=True)
    rows, peak = map(int, done.stdout.split())
    assert rows == blocks * 1_000
    assert peak < 150 * 1024, f"{peak // 1024} MB"
