"""`reachbook import`, `export` and `imports` as an operator runs them: beside a running server, and alone."""

import csv
import io
import json
import re
import subprocess
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from reachbook.core import consent, ids
from reachbook.core.consent import Change, Reason, Source, TokenType
from reachbook.core.ids import AccountId
from reachbook.database.location import Location
from reachbook.database.pool import Pool
from tests import commands
from tests.core.importing import book, index, tables
from tests.processes import SECONDS, Noted, assert_plain_failure, environment, run

KEYS = {"import", "rows", "created", "updated", "unchanged", "duplicate", "refused", "optedOut", "refusedFile"}
PEOPLE = "First name,Phone\nAnn,0612345671\nBo,0612345672\n"
MIXED = "First name,Phone\nAnn,0612345671\nBo,n/a\nCee,0612345671\nDee,0612345674\n"
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


class Desk:
    """An account on the command line; files are in a folder of the test's own."""

    def __init__(self, location: Location, account: AccountId, folder: Path) -> None:
        self.location, self.account, self.folder = location, account, folder

    def file(self, text: str, name: str = "contacts.csv") -> Path:
        """A file to be brought."""
        path = self.folder / name
        path.write_text(text)
        return path

    def run(self, *words: object, stdin: bytes | None = None) -> subprocess.CompletedProcess[str]:
        """`reachbook WORDS --account …`; what it writes is plain text, whatever came of it."""
        command = [*map(str, words), "--account", str(self.account)]
        done = commands.run(command, environment(self.location), cwd=self.folder, stdin=stdin or b"", timeout=SECONDS)
        out, err = done.stdout.decode(), done.stderr.decode()
        assert "Traceback" not in err, err
        assert not CONTROL.search(err.replace("\r\n", "\n")), err
        return subprocess.CompletedProcess(command, done.returncode, out, err)

    def bring(self, text: str, *more: object, code: int = 0, group: str = "Readers") -> dict[str, Any]:
        """`reachbook import … --json`."""
        done = self.run("import", self.file(text), "--group", group, "--json", *more)
        assert done.returncode == code, done
        assert not CONTROL.search(done.stdout)
        return json.loads(done.stdout)


@pytest.fixture
def desk(location: Location, account: AccountId, tmp_path: Path) -> Desk:
    """Beside no server, or one that other tests have started."""
    return Desk(location, account, tmp_path)


@pytest.fixture(params=["with_a_server", "alone"])
def either(request: pytest.FixtureRequest, desk: Desk) -> Desk:
    """Beside a running server, and with none (on a database of the worker's own, where one may run all the same)."""
    if request.param == "with_a_server":
        request.getfixturevalue("server")
    return desk


def counted(answer: dict[str, Any]) -> dict[str, int]:
    """The counts that are not 0."""
    return {name: value for name, value in answer.items() if isinstance(value, int) and value}


async def test_import_report_and_undo(either: Desk, db: Pool) -> None:
    before = await tables(db, either.account)
    answer = either.bring(MIXED, code=3)
    assert set(answer) == KEYS
    assert counted(answer) == {"rows": 4, "created": 2, "duplicate": 1, "refused": 1}
    assert answer["refusedFile"] == str(either.folder / "contacts.refused.csv")
    assert [contact["first_name"] for contact in await book(db, either.account)] == ["Ann", "Dee"]
    listed = json.loads(either.run("imports", "list", "--json").stdout)
    assert [(row["import"], row["state"], row["file"], row["created"]) for row in listed] == [(answer["import"], "done", "contacts.csv", 2)]
    shown = either.run("imports", "list")
    assert answer["import"] in shown.stdout
    assert not CONTROL.search(shown.stdout)
    done = run("imports", "undo", answer["import"], "--json", location=either.location)
    assert done.returncode == 0, done
    assert json.loads(done.stdout) == {"import": answer["import"], "removed": 2, "restored": 0, "kept": 0}
    assert await tables(db, either.account) == before
    assert_plain_failure(run("imports", "undo", answer["import"], location=either.location))


async def test_refused_rows_corrected_and_brought_again(desk: Desk, db: Pool) -> None:
    desk.bring("First name,Phone,Note\nAnn,0612345671,x\nBo,n/a,y\n,,only a note\n", code=3)
    refused = desk.folder / "contacts.refused.csv"
    found = list(csv.reader(io.StringIO(refused.read_text("utf-8-sig"), newline="")))
    assert found[0] == ["First name", "Phone", "Note", "row", "field", "reason"]
    assert found[1][:5] == ["Bo", "n/a", "y", "3", "Phone"]
    assert found[2][:5] == ["", "", "only a note", "4", ""]
    assert all(row[5] for row in found[1:])
    refused.write_text(refused.read_text("utf-8-sig").replace("Bo,n/a", "Bo,0612345672"), "utf-8")
    again = desk.run("import", refused, "--group", "Readers", "--json", "--new-fields")
    answer = json.loads(again.stdout)
    assert counted(answer) == {"rows": 2, "created": 2}
    names = [row["name"] for row in [dict(row) for row in await db.fetch("SELECT name FROM field WHERE account_id = $1", desk.account)]]
    assert not {"row", "field", "reason"} & set(names)
    assert {contact["first_name"] for contact in await book(db, desk.account) if "first_name" in contact} == {"Ann", "Bo"}
    assert "Note" in names


def test_for_people(desk: Desk) -> None:
    """Without --json."""
    done = desk.run("import", desk.file(MIXED), "--group", "Readers")
    assert done.returncode == 3
    assert "4 rows: 2 created, 0 updated, 0 unchanged, 1 duplicate in the file, 1 refused." in done.stdout
    assert str(desk.folder / "contacts.refused.csv") in done.stdout
    assert "reachbook imports undo " in done.stdout
    assert not CONTROL.search(done.stdout)
    assert not done.stderr


async def test_opted_out_are_told(desk: Desk, db: Pool) -> None:
    def sentence() -> str:
        return desk.run("import", desk.file(PEOPLE), "--group", "Readers").stdout.splitlines()[0]

    async def opt_out(phone: str) -> None:
        change = Change(type=TokenType.SMS, value=phone, is_active=True, reason=Reason.USER)
        await consent.record(db, desk.account, [change], source=Source.API, actor=UUID(int=7), now=ids.now())

    assert "opted out" not in sentence()
    await opt_out("+31612345671")
    assert sentence().endswith(" 1 row is opted out; it stays out.")
    await opt_out("+31612345672")
    assert sentence().endswith(" 2 rows are opted out; they stay out.")
    assert desk.bring(PEOPLE)["optedOut"] == 2


@pytest.mark.parametrize("as_json", [True, False], ids=["json", "people"])
async def test_dry_run_changes_nothing(desk: Desk, db: Pool, as_json: bool) -> None:
    before = await tables(db, desk.account)
    words = ["import", desk.file(MIXED), "--group", "Readers", "--dry-run", "--new-fields", *(["--json"] if as_json else [])]
    done = desk.run(*words)
    assert done.returncode == 3
    assert not CONTROL.search(done.stdout)
    if as_json:
        answer = json.loads(done.stdout)
        assert set(answer) >= KEYS
        assert counted(answer) == {"rows": 4, "created": 2, "duplicate": 1, "refused": 1}
        assert answer["refusedFile"] is None
    else:
        assert "Nothing was changed." in done.stdout
    assert await tables(db, desk.account) == before
    assert json.loads(desk.run("imports", "list", "--json").stdout) == []
    assert not (desk.folder / "contacts.refused.csv").exists()


async def test_map_match_and_on_match(desk: Desk, db: Pool) -> None:
    """A column by hand, one left out, matched by a field."""
    file = "Nr.,Klantnaam,Phone\n1,Ann,0612345671\n"
    mapping = ["--map", "Nr.=CustomField1", "--map", "Klantnaam=first name", "--map", "Phone="]
    assert counted(desk.bring(file, *mapping, "--match", "CustomField1")) == {"rows": 1, "created": 1}
    assert await book(db, desk.account) == [{"first_name": "Ann", "7": "1"}]
    again = "Nr.,Klantnaam,E-mail\n1,Bob,ann@example.com\n"  # the mapping is known from now on
    assert counted(desk.bring(again, "--match", "customfield1", "--on-match", "skip")) == {"rows": 1, "unchanged": 1}
    assert counted(desk.bring(again, "--match", "customfield1", "--on-match", "fill")) == {"rows": 1, "updated": 1}
    assert await book(db, desk.account) == [{"first_name": "Ann", "7": "1", "email": "ann@example.com"}]
    assert counted(desk.bring(again, "--match", "7", "--on-match", "update")) == {"rows": 1, "updated": 1}
    assert await book(db, desk.account) == [{"first_name": "Bob", "7": "1", "email": "ann@example.com"}]
    assert counted(desk.bring(again, "--match", "7", "--match-in", "group", group="Others")) == {"rows": 1, "created": 1}


WRONG = {
    "group_missing": (["import", "FILE"], 2),
    "on_match": (["import", "FILE", "--group", "G", "--on-match", "replace"], 2),
    "match": (["import", "FILE", "--group", "G", "--match", "nothing"], 2),
    "field": (["import", "FILE", "--group", "G", "--map", "Phone=nothing"], 2),
    "map": (["import", "FILE", "--group", "G", "--map", "Phone"], 2),
    "region": (["import", "FILE", "--group", "G", "--region", "Holland"], 2),
    "blank_group": (["import", "FILE", "--group", " "], 2),
    "group_id": (["import", "FILE", "--group", str(uuid4())], 2),
    "no_file": (["import", "nowhere.csv", "--group", "G"], 2),
    "directory": (["import", ".", "--group", "G"], 2),
    "empty_file": (["import", "EMPTY", "--group", "G"], 2),
    "column": (["import", "FILE", "--group", "G", "--map", "Nowhere=phone"], 1),
    "encoding": (["import", "FILE", "--group", "G", "--encoding", "nonsense"], 1),
    "delimiter": (["import", "FILE", "--group", "G", "--delimiter", "ab"], 1),
    "unknown_columns": (["import", "UNKNOWN", "--group", "G"], 1),
    "picture": (["import", "PICTURE", "--group", "G"], 1),
    "export_group": (["export", "--group", "nowhere"], 1),
    "export_group_id": (["export", "--group", str(uuid4())], 1),
    "export_both": (["export", "--group", "G", "--search", "x"], 2),
    "export_format": (["export", "--format", "pdf"], 2),
    "export_folder": (["export", "--output", "nowhere/contacts.csv"], 1),
}


@pytest.mark.parametrize(("words", "code"), WRONG.values(), ids=WRONG)
async def test_what_is_wrong_is_said(desk: Desk, db: Pool, words: list[str], code: int) -> None:
    """On standard error, in a sentence; nothing is changed."""
    files = {
        "FILE": PEOPLE,
        "EMPTY": "",
        "UNKNOWN": "Foo,Bar\n1,2\n",
        "PICTURE": "\x89PNG\r\n\x1a\n\0\0",
        "NUL": "Phone,Na\0me\n0612345671,x\n",
    }
    before = await tables(db, desk.account)
    done = desk.run(*(desk.file(files[word], f"{word}.csv") if word in files else word for word in words))
    assert done.returncode == code, done
    assert done.stderr.strip() or done.stdout.strip()  # cyclopts says on standard output what it could not read
    if code == 1:
        assert done.stderr.startswith("reachbook: ")
    assert await tables(db, desk.account) == before


@pytest.mark.parametrize("words", [["import", "FILE", "--group", "G"], ["imports", "list"], ["export"]], ids=lambda words: words[0])
def test_unknown_account(location: Location, tmp_path: Path, words: list[str]) -> None:
    desk = Desk(location, AccountId(uuid4()), tmp_path)
    done = desk.run(*(desk.file(PEOPLE) if word == "FILE" else word for word in words))
    assert done.returncode in (1, 2), done
    assert done.stderr.strip()
    assert not done.stdout


def test_undo_of_what_is_not_there(location: Location) -> None:
    assert_plain_failure(run("imports", "undo", uuid4(), location=location))
    assert run("imports", "undo", "42", location=location).returncode == 2


async def test_standard_input_and_output(desk: Desk, db: Pool) -> None:
    """In by a pipe, out by a pipe, and in again without any difference."""
    done = desk.run("import", "-", "--group", "Readers", "--json", stdin=MIXED.encode())
    assert done.returncode == 3, done
    assert json.loads(done.stdout)["refusedFile"] == "refused.csv"
    assert (desk.folder / "refused.csv").exists()
    for words in ([], ["--output", "-"], ["--group", "Readers", "--format", "csv"]):
        out = desk.run("export", *words)
        assert out.returncode == 0
        assert not out.stderr
        assert len(out.stdout.splitlines()) == 3
    again = desk.run("import", "-", "--group", "Readers", "--json", stdin=out.stdout.encode())
    assert counted(json.loads(again.stdout)) == {"rows": 2, "unchanged": 2}


@pytest.mark.parametrize("form", ["csv", "xlsx", "vcf", "jsonl"])
async def test_export_to_a_file_and_back(desk: Desk, db: Pool, form: str) -> None:
    """The kind is told from the name."""
    desk.bring("First name,Phone,Company\nAnn,0612345671,=1+1\nBo,0612345672,Acme\n")
    path = desk.folder / f"out.{form}"
    done = desk.run("export", "--output", path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    again = desk.run("import", path, "--group", "Readers", "--json")
    assert counted(json.loads(again.stdout)) == {"rows": 2, "unchanged": 2}
    await index(db)
    searched = desk.run("export", "--search", "Acme", "--output", desk.folder / "found.jsonl")
    assert searched.returncode == 0, searched
    assert [json.loads(line)["firstName"] for line in (desk.folder / "found.jsonl").read_text().splitlines()] == ["Bo"]


@pytest.mark.parametrize("form", ["csv", "xlsx", "vcf", "jsonl"])
def test_export_in_a_format(desk: Desk, form: str) -> None:
    """As --help names them."""
    done = desk.run("export", "--format", form, "--output", desk.folder / "out")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (desk.folder / "out").exists()


def test_refused_file_where_it_is_asked_for(desk: Desk) -> None:
    answer = desk.bring(MIXED, "--refused-file", desk.folder / "no.csv", code=3)
    assert answer["refusedFile"] == str(desk.folder / "no.csv")
    assert (desk.folder / "no.csv").read_bytes().startswith(b"\xef\xbb\xbf")


def test_with_an_embedded_postgresql(tmp_path: Path) -> None:
    """Beside the server that runs on the data folder, and after it has stopped."""
    data = tmp_path / "data"
    file = tmp_path / "contacts.csv"
    file.write_text(PEOPLE)
    with Noted(tmp_path / "notes", folder=data):
        account = json.loads(run("account", "create", "Acme", "--region", "NL", "--data", data, "--json").stdout)["id"]
        words = ["import", file, "--account", account, "--group", "Readers", "--data", data, "--json"]
        beside = run(*words)
        assert beside.returncode == 0, beside
        assert counted(json.loads(beside.stdout)) == {"rows": 2, "created": 2}
    alone = run(*words)
    assert alone.returncode == 0, alone
    assert counted(json.loads(alone.stdout)) == {"rows": 2, "unchanged": 2}
    undone = run("imports", "undo", json.loads(beside.stdout)["import"], "--data", data)
    assert (undone.returncode, undone.stdout) == (0, "2 contacts removed, 0 restored, 0 kept because they were edited since.\n")
