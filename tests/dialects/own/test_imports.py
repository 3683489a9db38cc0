"""Imports over HTTP: the whole way of a file, every option, and what may come between."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncGenerator
from typing import Any

import asyncpg
import httpx
import openpyxl
import pytest

from reachbook.core.limits import IMPORT_SLICE_ROWS
from tests.dialects.own.support import Own, Row, buckets, fields_of, table
from tests.support import HOUSEKEEPING

OF_IMPORTS = {"contact_import", "import_chunk", "import_row", "import_claim"}
SEVERAL_SLICES = IMPORT_SLICE_ROWS * 8
FILE = table(["First name", "Phone"], ["Ann", "0627100001"], ["Ben", "0627100002"])
PARAMETERS = {"csv": "text/csv", "form": "application/x-www-form-urlencoded", "none": ""}


def many(count: int) -> str:
    return table(["Last name", "Phone"], *([f"Doe {number}", f"06271{number:05}"] for number in range(count)))


async def events(client: Own, id: str) -> list[tuple[str, Row]]:
    """Every event of an import up to the end of the stream."""
    answer = await client.get(f"imports/{id}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    seen = [dict(line.split(": ", 1) for line in block.split("\r\n")) for block in answer.text.split("\r\n\r\n") if block]
    return [(event["event"], json.loads(event["data"])) for event in seen]


async def coming_on(client: Own, id: str) -> Row:
    """The import once its first slice is stored."""
    while (now := (await client.get(f"imports/{id}")).json())["state"] == "running" and not now["doneRows"]:
        await asyncio.sleep(0.02)
    assert now["state"] == "running", now
    return now


async def book_of(owner: asyncpg.Connection, client: Own) -> dict[str, Any]:
    """All that the account has beside its imports."""
    tables = await owner.fetch(
        "SELECT table_name AS name FROM information_schema.columns WHERE column_name = 'account_id' AND table_schema = 'public'"
    )
    account = client.cm.account
    names = sorted({table["name"] for table in tables} - HOUSEKEEPING - {"contact_search"} - OF_IMPORTS)
    rows = {name: sorted(map(str, await owner.fetch(f"SELECT * FROM {name} WHERE account_id = $1", account))) for name in names}
    return rows | {"account": str(await owner.fetch("SELECT * FROM account WHERE id = $1", account))}


# --- the file comes


@pytest.mark.parametrize("media_type", PARAMETERS.values(), ids=PARAMETERS)
async def test_the_file_as_the_body(hers: Own, media_type: str) -> None:
    answer = await hers.post("imports", content=FILE, headers={"content-type": media_type} if media_type else {})
    assert answer.status_code == 201, answer.text
    assert (answer.json()["size"], answer.json()["filename"], answer.json()["state"]) == (len(FILE), "contacts", "ready")


async def test_the_file_in_a_form(hers: Own) -> None:
    files = {"file": ("Customers & co.csv", FILE, "text/csv")}
    answer = await hers.post("imports", files=files, data={"comment": "of last week"})
    assert answer.status_code == 201, answer.text
    assert (answer.json()["size"], answer.json()["filename"]) == (len(FILE), "Customers & co.csv")
    named = await hers.post("imports", files=files, params={"filename": "other.csv"})
    assert named.json()["filename"] == "other.csv"
    assert buckets(await hers.begin(answer.json()["id"], groupName="Customers")) == {"created": 2}


async def test_the_file_in_pieces(hers: Own) -> None:
    file = many(2_000).encode()

    async def pieces() -> AsyncGenerator[bytes]:
        for place in range(0, len(file), 1_000):
            yield file[place : place + 1_000]

    answer = await hers.post("imports", content=pieces())
    assert answer.status_code == 201, answer.text
    assert answer.json()["size"] == len(file)
    assert buckets(await hers.begin(answer.json()["id"], groupName="Customers")) == {"created": 2_000}


DISPOSITIONS = {
    'attachment; filename="customers.csv"': "customers.csv",
    "attachment; filename=customers.csv": "customers.csv",
    "attachment; filename*=UTF-8''B%C3%BCcher%20%26%20co.csv": "Bücher & co.csv",
    "attachment; filename=\"Bucher.csv\"; filename*=UTF-8''B%C3%BCcher.csv": "Bücher.csv",
    'attachment; filename="a;b.csv"': "a;b.csv",
    "attachment; filename*=UTF-8''..%2F..%2Fetc%2Fpasswd": "passwd",
    'attachment; filename="C:\\Users\\Ann\\customers.csv"': "customers.csv",
    "attachment": "contacts",
    "attachment; filename=": "contacts",
}


@pytest.mark.parametrize("disposition", DISPOSITIONS)
async def test_the_name_in_content_disposition(hers: Own, disposition: str) -> None:
    answer = await hers.post("imports", content=FILE, headers={"Content-Disposition": disposition})
    assert answer.status_code == 201, answer.text
    assert answer.json()["filename"] == DISPOSITIONS[disposition]


async def test_an_upload_that_is_refused_is_answered_at_once(hers: Own, owner: asyncpg.Connection) -> None:
    files = {"file": ("customers.csv", b"", "text/csv")}
    refused = [
        await hers.post("imports", content=b"", timeout=10),
        await hers.post("imports", files=files, timeout=10),
        await hers.post("imports", data={"file": "Phone"}, files={"other": (None, "no file")}, timeout=10),
        await hers.post("imports", files={"file": ("x" * 256, FILE)}, timeout=10),
    ]
    assert [answer.status_code for answer in refused] == [400] * 4
    assert [fields_of(answer) for answer in refused] == [["file"], ["file"], ["file"], ["filename"]]
    broken = await hers.post("imports", content=b"no form", headers={"content-type": "multipart/form-data; boundary=x"}, timeout=10)
    assert broken.status_code == 400
    unbounded = await hers.post("imports", content=b"no form", headers={"content-type": "multipart/form-data"}, timeout=10)
    assert unbounded.status_code == 400
    assert (await hers.get("imports")).json() == []
    assert not await owner.fetchval("SELECT count(*) FROM contact_import WHERE account_id = $1", hers.cm.account)


async def send_raw(client: Own, head: str, body: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A request as a client sends it that does not keep what it promised."""
    reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
    token = client.cm.token
    writer.write(
        f"POST {client.base_url.path}imports HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{head}\r\n\r\n".encode() + body
    )
    await writer.drain()
    return reader, writer


@pytest.mark.parametrize("head", ["Content-Length: 1000", "Transfer-Encoding: chunked"], ids=["length", "chunked"])
async def test_an_upload_that_breaks_off_leaves_nothing(hers: Own, owner: asyncpg.Connection, head: str) -> None:
    counted = (
        "SELECT (SELECT count(*) FROM contact_import WHERE account_id = $1) + (SELECT count(*) FROM import_chunk WHERE account_id = $1)"
    )
    _, writer = await send_raw(hers, head, b"4\r\nPhon\r\n")
    while not await owner.fetchval(counted, hers.cm.account):
        await asyncio.sleep(0.02)
    writer.close()
    async with asyncio.timeout(10):
        while await owner.fetchval(counted, hers.cm.account):
            await asyncio.sleep(0.05)
    assert (await hers.get("imports")).json() == []


async def test_a_file_that_says_it_is_too_large_is_refused_before_it_comes(hers: Own) -> None:
    reader, writer = await send_raw(hers, f"Content-Length: {2 * 2**30}", b"Phone\r\n")
    writer.write_eof()
    async with asyncio.timeout(10):
        assert (await reader.readline()).startswith(b"HTTP/1.1 413")
    writer.close()
    assert (await hers.get("imports")).json() == []


async def test_a_large_upload_that_is_refused_gets_its_answer(hers: Own, his: Own) -> None:
    """Not a connection that breaks while the file is still being sent."""
    file = b"0627100001\n" * 500_000
    for _ in range(3):
        assert (await hers.post("imports", content=file, headers={"Authorization": "Bearer nonsense"})).status_code == 401
        assert (await his.post(f"{hers.base_url}imports", content=file)).status_code == 403
        assert (await hers.post("imports", content=file, params={"filename": "x" * 256})).status_code == 400


async def test_the_list_is_paged_and_the_newest_comes_first(hers: Own, his: Own) -> None:
    ids = [await hers.upload(FILE, f"{number}.csv") for number in range(3)]
    listed = await hers.get("imports", params={"skip": "1", "take": "1"})
    assert [row["id"] for row in listed.json()] == [ids[1]]
    assert listed.headers["x-cm-pagination-total"] == "3"
    assert [row["id"] for row in (await hers.get("imports")).json()] == ids[::-1]
    assert (await his.get("imports")).json() == []


# --- the whole way


async def test_from_the_file_to_the_undo(hers: Own, owner: asyncpg.Connection) -> None:
    before = await book_of(owner, hers)
    rows = [["Ann", "Smith", "0627100001", "ann@example.org"], ["Ben", "Jones", "627", "ben@"], ["Cas", "Moss", "0627100003", ""]]
    id = await hers.upload(
        table(["First name", "Last name", "Phone", "Email"], *rows, ["Ann", "Smith", "06-27100001", ""]), "customers.csv"
    )
    seen = await hers.look(id, groupName="Customers")
    assert buckets(seen) == {"created": 2, "refused": 1, "duplicate": 1}
    assert [row["bucket"] for row in seen["first"]] == ["created", "refused", "created", "duplicate"]
    assert seen["first"][0]["contact"]["phoneNumber"] == "+31627100001"
    assert {reason["field"] for reason in seen["first"][1]["reasons"]} == {"Phone", "Email"}
    assert await book_of(owner, hers) == before

    done = await hers.begin(id)
    assert (done["state"], done["rows"], done["doneRows"], done["percent"]) == ("done", 4, 4, 100)
    assert buckets(done) == buckets(seen)
    report = (await hers.get(f"imports/{id}/report")).json()
    assert (report["import"], report["rows"], buckets(report)) == (id, 4, buckets(done))
    assert report["keptFile"] is None
    for kind in ("refused", "duplicate"):
        file = await hers.get(str(hers.base_url.copy_with(raw_path=report[f"{kind}File"].encode())))
        assert file.text == await hers.rows(id, kind)
    group = (await hers.cm.get("groups")).json()[0]
    assert (group["name"], group["contactsAmount"]) == ("Customers", 2)

    refused = list(csv.DictReader(io.StringIO((await hers.rows(id)).removeprefix("\ufeff"))))
    assert [(row["First name"], row["row"], row["field"]) for row in refused] == [("Ben", "3", "Email; Phone")]
    corrected = (await hers.rows(id)).replace(",627,", ",0627100002,").replace("ben@", "ben@example.org", 1)
    again = await hers.bring(corrected, groupId=group["id"])
    assert buckets(again) == {"created": 1}, await hers.rows(again["id"])
    assert [row["firstName"] for row in await hers.contacts()] == ["Ann", "Ben", "Cas"]

    for undone in (await hers.begin(again["id"], "undo"), await hers.begin(id, "undo")):
        assert undone["state"] == "undone"
    assert await hers.contacts() == []
    after = await book_of(owner, hers)
    assert {name: after[name] for name in before if after[name] != before[name]} == {}


async def test_what_was_edited_since_stays(hers: Own) -> None:
    group = await hers.cm.group()
    old = await hers.cm.contact(group["id"], firstName="Dirk", phoneNumber="0627100004")
    rows = [[name, f"062710000{number}"] for number, name in enumerate(["Ann", "Ben", "Cas", "Dora"], 1)]
    done = await hers.bring(table(["First name", "Phone"], *rows), groupId=group["id"])
    assert buckets(done) == {"created": 3, "updated": 1}
    found = {row["firstName"]: row["id"] for row in (await hers.cm.get(f"groups/{group['id']}/contacts")).json()}
    assert (await hers.cm.put(f"contacts/{found['Ann']}", json={"lastName": "Edited"})).status_code == 200
    assert (await hers.cm.delete(f"contacts/{found['Ben']}")).status_code == 204
    undone = await hers.begin(done["id"], "undo")
    assert undone["undo"] == {"removed": 2, "restored": 1, "kept": 1}  # one of them was gone already
    left = (await hers.cm.get(f"groups/{group['id']}/contacts")).json()
    assert sorted((row["id"], row["firstName"], row.get("lastName")) for row in left) == sorted(
        [(found["Ann"], "Ann", "Edited"), (old["id"], "Dirk", None)]
    )
    report = (await hers.get(f"imports/{done['id']}/report")).json()
    assert report["undo"]["kept"] == 1
    kept = list(csv.DictReader(io.StringIO((await hers.rows(done["id"], "kept")).removeprefix("\ufeff"))))
    assert [(row["row"], found["Ann"] in row["reason"]) for row in kept] == [("2", True)]
    assert report["keptFile"].endswith("rows=kept")


async def test_events_tell_how_far_it_has_come(hers: Own) -> None:
    id = await hers.upload(many(SEVERAL_SLICES))
    assert [name for name, _ in await events(hers, id)] == ["end"]  # nothing happens by itself before it is started
    assert (await hers.post(f"imports/{id}/start", json={"groupName": "Customers"})).status_code == 202
    running, second = await asyncio.gather(events(hers, id), events(hers, id))
    assert running[-1] == second[-1]
    assert [name for name, _ in running] == ["progress"] * (len(running) - 1) + ["end"]
    assert len(running) > 2
    done = [row["doneRows"] for _, row in running]
    assert done == sorted(done)
    assert done[-1] == SEVERAL_SLICES
    for _, row in running:
        assert sum(buckets(row).values()) == row["doneRows"]
        assert row["percent"] == (None if row["rows"] is None else row["doneRows"] * 100 // row["rows"])
    assert running[-1][1]["state"] == "done"
    assert await events(hers, id) == [running[-1]]


# --- what comes between


async def test_a_running_import_is_cancelled_and_taken_back(hers: Own) -> None:
    id = await hers.upload(many(SEVERAL_SLICES))
    assert (await hers.post(f"imports/{id}/start", json={"groupName": "Customers"})).status_code == 202
    await coming_on(hers, id)
    posts = [hers.post(f"imports/{id}/{verb}", json={"groupName": "Customers"}) for verb in ("start", "preview", "undo")]
    for refused in await asyncio.gather(hers.delete(f"imports/{id}"), *posts):
        assert refused.status_code == 409, refused.text
        assert "running" in refused.json()["MessageDetail"]
    cancelled = await hers.begin(id, "cancel")
    assert cancelled["state"] == "cancelled"
    assert 0 < cancelled["doneRows"] < cancelled["rows"] == SEVERAL_SLICES
    assert len(await hers.contacts()) == cancelled["created"] == cancelled["doneRows"]
    undone = await hers.begin(id, "undo")
    assert undone["undo"] == {"removed": cancelled["created"], "restored": 0, "kept": 0}
    assert await hers.contacts() == []
    assert (await hers.delete(f"imports/{id}")).status_code == 204


async def test_started_twice_at_once(hers: Own) -> None:
    id = await hers.upload(FILE)
    starts = [hers.post(f"imports/{id}/start", json={"groupName": "Customers"}) for _ in range(3)]
    assert sorted(answer.status_code for answer in await asyncio.gather(*starts)) == [202, 409, 409]
    assert buckets(await hers.over(id)) == {"created": 2}
    assert len((await hers.cm.get("groups")).json()) == 1


async def test_a_group_that_is_locked_for_editing(hers: Own) -> None:
    group = await hers.cm.group(isLockedForEditing=True)
    id = await hers.upload(FILE)
    answer = await hers.post(f"imports/{id}/start", json={"groupId": group["id"]})
    assert answer.status_code in (202, 409)
    if answer.status_code == 202:
        failed = await hers.over(id)
        assert failed["state"] == "failed"
        assert failed["error"] == "Group 'Readers' is locked for editing."
        assert (await hers.get(f"imports/{id}/report")).json()["state"] == "failed"
    assert await hers.contacts() == []


@pytest.mark.parametrize("happens", ["locked", "deleted"])
async def test_a_group_that_something_happens_to_while_the_import_runs(hers: Own, happens: str) -> None:
    group = await hers.cm.group()
    id = await hers.upload(many(SEVERAL_SLICES))
    assert (await hers.post(f"imports/{id}/start", json={"groupId": group["id"]})).status_code == 202
    await coming_on(hers, id)
    path = f"groups/{group['id']}"
    if happens == "deleted":
        assert (await hers.cm.delete(path)).status_code == 204
    else:
        assert (await hers.cm.put(path, json={"isLockedForEditing": True})).status_code == 200
    failed = await hers.over(id)
    assert failed["state"] == "failed"
    assert happens in failed["error"]
    assert sum(buckets(failed).values()) == failed["doneRows"] < SEVERAL_SLICES
    assert [name for name, _ in await events(hers, id)] == ["end"]
    undo = await hers.post(f"imports/{id}/undo")
    assert undo.status_code == (202 if happens == "deleted" else 409), undo.text
    if happens == "locked":
        assert (await hers.cm.put(path, json={"isLockedForEditing": False})).status_code == 200
        assert (await hers.post(f"imports/{id}/undo")).status_code == 202
    assert (await hers.over(id))["state"] == "undone"
    assert await hers.contacts() == []


async def test_a_group_that_is_deleted_after_the_preview(hers: Own) -> None:
    group = await hers.cm.group()
    id = await hers.upload(FILE)
    await hers.look(id, groupId=group["id"])
    assert (await hers.cm.delete(f"groups/{group['id']}")).status_code == 204
    answer = await hers.post(f"imports/{id}/start")
    assert (answer.status_code, fields_of(answer)) == (400, ["groupId"])
    assert (await hers.get(f"imports/{id}")).json()["state"] == "ready"


async def test_a_preview_changes_nothing(hers: Own, owner: asyncpg.Connection) -> None:
    group = await hers.cm.group()
    await hers.cm.contact(group["id"], firstName="Old", phoneNumber="0627100001")
    before = await book_of(owner, hers)
    id = await hers.upload(
        table(["First name", "Phone", "Town"], ["Ann", "0627100001", "Delft"], ["Ben", "0627100002", "Gouda"], ["Cas", "6", ""])
    )
    for options in ({"groupId": group["id"]}, {"groupName": "New"}):
        seen = await hers.look(id, **options, newFields=True, mapping={"First name": "lastName"})
        assert buckets(seen) == {"created": 1, "updated": 1, "refused": 1}
        assert [column["isNew"] for column in seen["columns"]] == [False, False, True]
        assert (await hers.get(f"imports/{id}/preview")).json() == seen
        assert await book_of(owner, hers) == before
    assert not await owner.fetchval("SELECT count(*) FROM import_row WHERE account_id = $1", hers.cm.account)
    assert (await hers.get(f"imports/{id}")).json()["startedOnUtc"] is None


async def test_a_preview_of_a_file_that_needs_options(hers: Own) -> None:
    id = await hers.upload(table(["Shoe", "Hat"], ["Ann", "0627100001"]))
    refused = await hers.post(f"imports/{id}/preview", json={"groupName": "Customers"})
    assert refused.status_code == 400
    assert "Shoe, Hat" in refused.json()["MessageDetail"]
    seen = await hers.look(id, groupName="Customers", mapping={"Shoe": "firstName", "Hat": "phone"})
    assert buckets(seen) == {"created": 1}
    assert buckets(await hers.begin(id)) == {"created": 1}  # without a body: as previewed


@pytest.mark.parametrize(
    "file", [b"\x00\x01\x02\x03", b"PK\x03\x04 no archive", b"\x1f\x8b no gzip", b'Phone\n"0627100001\n', b"%PDF-1.4\n"]
)
async def test_a_file_that_is_none(hers: Own, file: bytes) -> None:
    id = await hers.upload(file)
    refused = await hers.post(f"imports/{id}/preview", json={"groupName": "Customers"})
    assert (refused.status_code, fields_of(refused)) == (400, ["file"])
    failed = await hers.begin(id, groupName="Customers")
    assert failed["state"] == "failed"
    assert failed["error"]
    assert (await hers.cm.get("groups")).json() == []


# --- options


async def test_a_mapping_is_learned_by_use_and_forgotten_by_the_undo(hers: Own, his: Own) -> None:
    file = table(["Klantcode", "Phone"], ["K-1", "0627100001"])
    first = await hers.bring(file, mapping={"Klantcode": "Company", "Phone": "phoneNumber"})
    assert (await hers.contacts())[0]["Company"] == "K-1"

    async def target(client: Own) -> str | None:
        seen = await client.look(await client.upload(file), groupName="Customers")
        return seen["columns"][0]["field"]

    assert await target(hers) == "6"
    assert await target(his) is None
    assert buckets(await hers.bring(table(["KLANT-CODE", "Phone"], ["K-2", "0627100001"]))) == {"updated": 1}
    await hers.begin(first["id"], "undo")
    assert await target(hers) is None


async def test_a_column_that_is_left_out(hers: Own) -> None:
    done = await hers.bring(table(["First name", "Phone", "Email"], ["Ann", "0627100001", "no address"]), mapping={"Email": None})
    assert buckets(done) == {"created": 1}
    assert (await hers.contacts())[0].get("email") is None


async def test_new_fields(hers: Own) -> None:
    file = table(["Phone", "Town", "Left out"], ["0627100001", "Delft", "x"])
    without = await hers.bring(file)
    assert buckets(without) == {"created": 1}
    done = await hers.bring(file, newFields=True, mapping={"Left out": None})
    assert buckets(done) == {"updated": 1}
    assert (await hers.contacts())[0]["Town"] == "Delft"
    names = [field["name"] for field in (await hers.cm.get("fields")).json()]
    assert "Town" in names
    assert "Left out" not in names
    await hers.begin(done["id"], "undo")
    assert "Town" not in [field["name"] for field in (await hers.cm.get("fields")).json()]


@pytest.mark.parametrize("named", ["Customer number", "customer-number", "id"])
async def test_match_by_a_field(hers: Own, named: str) -> None:
    field = (await hers.cm.post("fields", json={"name": "Customer number"})).json()
    match = str(field["id"]) if named == "id" else named
    await hers.bring(table(["Customer number", "First name"], ["17", "Ann"], ["18", "Ben"]), match=match)
    done = await hers.bring(table(["Customer number", "First name"], ["18", "Benno"], ["19", "Cas"]), match=match)
    assert buckets(done) == {"created": 1, "updated": 1}
    assert sorted(row["firstName"] for row in await hers.contacts()) == ["Ann", "Benno", "Cas"]


ON_MATCH = {"update": ("Anna", "Smith", "ann@example.org"), "fill": ("Ann", "Smith", "ann@example.org"), "skip": ("Ann", None, None)}


@pytest.mark.parametrize("on_match", ON_MATCH)
async def test_on_match(hers: Own, on_match: str) -> None:
    group = await hers.cm.group()
    await hers.cm.contact(group["id"], firstName="Ann", phoneNumber="0627100001", customValues=[{"fieldId": 6, "value": "Fish & Co"}])
    file = table(["First name", "Last name", "Email", "Phone", "Company"], ["Anna", "Smith", "ann@example.org", "0627100001", ""])
    done = await hers.bring(file, groupId=group["id"], onMatch=on_match.upper())
    assert buckets(done) == ({"unchanged": 1} if on_match == "skip" else {"updated": 1})
    (row,) = await hers.contacts()
    assert (row["firstName"], row.get("lastName"), row.get("email")) == ON_MATCH[on_match]
    assert row["Company"] == "Fish & Co"
    assert buckets(await hers.bring(file, groupId=group["id"], onMatch=on_match)) == {"unchanged": 1}


async def test_match_in_the_account_or_the_group(hers: Own) -> None:
    await hers.cm.contact((await hers.cm.group(name="Friends"))["id"], firstName="Ann", phoneNumber="0627100001")
    group = await hers.cm.group(name="Customers")
    file = table(["First name", "Phone"], ["Ann", "0627100001"])
    assert buckets(await hers.look(await hers.upload(file), groupId=group["id"])) == {"updated": 1}
    assert buckets(await hers.bring(file, groupId=group["id"], matchIn="group")) == {"created": 1}
    assert buckets(await hers.bring(file, groupId=group["id"], matchIn="group")) == {"unchanged": 1}
    assert len(await hers.contacts()) == 2
    assert len(await hers.contacts(groupId=group["id"])) == 1


async def test_region(hers: Own) -> None:
    file = table(["Phone"], ["0470123456"])
    for options in ({}, {"region": "be"}):
        assert buckets(await hers.bring(file, **options)) == {"created": 1}
    assert [row["phoneNumber"] for row in await hers.contacts()] == ["+31470123456", "+32470123456"]


async def test_sheet(hers: Own) -> None:
    book = openpyxl.Workbook()
    book.active.append(["Shoe size"])
    second = book.create_sheet("Customers 2026")
    for row in (["First name", "Phone"], ["Ann", "0627100001"]):
        second.append(row)
    file = io.BytesIO()
    book.save(file)
    id = await hers.upload(file.getvalue())
    refused = await hers.post(f"imports/{id}/preview", json={"groupName": "Customers", "sheet": "Nobody"})
    assert refused.status_code == 400
    assert "'Customers 2026'" in refused.json()["MessageDetail"]
    assert buckets(await hers.begin(id, groupName="Customers", sheet="customers 2026")) == {"created": 1}


async def test_encoding_and_delimiter(hers: Own) -> None:
    file = "First name:Phone\nZoë:0627100001\n".encode("mac_roman")
    done = await hers.bring(file, encoding="mac_roman", delimiter=":")
    assert buckets(done) == {"created": 1}
    assert (await hers.contacts())[0]["firstName"] == "Zoë"


async def test_a_file_without_a_header(hers: Own) -> None:
    done = await hers.bring(
        table(["Ann", "Smith"], ["Ben", "Jones"]), header=False, mapping={"Column 1": "firstName", "Column 2": "lastName"}
    )
    assert buckets(done) == {"created": 2}
    told = await hers.bring(table(["Cas", "0627100003"], ["Dora", "0627100004"]), mapping={"Column 1": "firstName"})
    assert buckets(told) == {"created": 2}
    assert sorted(row["firstName"] for row in await hers.contacts()) == ["Ann", "Ben", "Cas", "Dora"]


async def test_the_group_by_its_name(hers: Own) -> None:
    group = await hers.cm.group(name="Customers")
    await hers.bring(FILE)
    assert [row["id"] for row in (await hers.cm.get("groups")).json()] == [group["id"]]
    await hers.cm.group(name="Customers")
    id = await hers.upload(FILE)
    answer = await hers.post(f"imports/{id}/start", json={"groupName": "Customers"})
    assert (answer.status_code, fields_of(answer)) == (400, ["groupName"])


async def test_opted_out_stays_so(hers: Own) -> None:
    assert (await hers.cm.post("optout/sms/+31627100001", json={"message": "STOP"})).status_code == 200
    done = await hers.bring(FILE)
    assert (buckets(done), done["optedOut"]) == ({"created": 2}, 1)
    assert (await hers.cm.get("optout/sms/+31627100001")).json()["isActive"] is True


async def test_two_tokens_at_once(hers: Own, anonymous: httpx.AsyncClient) -> None:
    """The one in Authorization counts, and it must be good."""
    both = {"Authorization": "Bearer nonsense", "X-CM-PRODUCTTOKEN": hers.cm.token}
    assert (await anonymous.get(f"{hers.base_url}imports", headers=both)).status_code == 401
