"""Idempotency-Key: a POST that is made twice is done once."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest

from tests.dialects.own.support import Own, buckets, fields_of, table
from tests.dialects.own.test_imports import send_raw

FILE = table(["First name", "Phone"], ["Ann", "0627100001"])
LARGE = FILE.encode() + b"Ben,0627100002\n" * 400_000  # more than is compared byte by byte
BOUNDARY = "--------8f2a"
FORM = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}


async def post(client: Own, path: str = "imports", key: str = "k-1", **arguments: Any) -> httpx.Response:
    headers = {"Idempotency-Key": key} | arguments.pop("headers", {})
    return await client.post(path, headers=headers, **arguments)


def form(file: bytes) -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="customers.csv"\r\n\r\n'
    return head.encode() + file + f"\r\n--{BOUNDARY}--\r\n".encode()


async def pieces(body: bytes, size: int) -> AsyncGenerator[bytes]:
    for place in range(0, len(body), size):
        yield body[place : place + size]


def is_replayed(answer: httpx.Response) -> bool:
    return answer.headers.get("idempotency-replayed") == "true"


async def count(client: Own) -> int:
    return len((await client.get("imports")).json())


async def assert_replayed(client: Own, first: httpx.Response, second: httpx.Response) -> None:
    """The second answer is the first one's, and there is one import."""
    assert first.status_code == 201, first.text
    assert (second.status_code, second.content) == (201, first.content), second.text
    assert second.headers["content-type"] == first.headers["content-type"]
    assert (is_replayed(first), is_replayed(second)) == (False, True)
    assert await count(client) == 1


async def test_the_same_request_again(hers: Own) -> None:
    await assert_replayed(hers, await post(hers, content=FILE), await post(hers, content=FILE))
    other = await post(hers, key="k-2", content=FILE)
    assert (other.status_code, is_replayed(other)) == (201, False)
    assert await count(hers) == 2


async def test_every_step_of_an_import_twice(hers: Own) -> None:
    id = await hers.upload(FILE)
    for verb, status in (("preview", 200), ("start", 202), ("undo", 202)):
        body = {} if verb == "undo" else {"json": {"groupName": "Customers"}}
        first = await post(hers, f"imports/{id}/{verb}", verb, **body)
        await hers.over(id)
        second = await post(hers, f"imports/{id}/{verb}", verb, **body)
        assert (first.status_code, second.status_code, second.content) == (status, status, first.content)
        assert is_replayed(second)
    assert (await hers.over(id))["state"] == "undone"


async def test_another_request_with_the_key(hers: Own) -> None:
    id = (await post(hers, content=FILE)).json()["id"]
    for refused in (
        await post(hers, content=FILE.replace("Ann", "Ben")),
        await post(hers, content=FILE, params={"filename": "other.csv"}),
        await post(hers, f"imports/{id}/start", json={"groupName": "Customers"}),
    ):
        assert (refused.status_code, fields_of(refused)) == (400, ["Idempotency-Key"]), refused.text
        assert not is_replayed(refused)
    assert await count(hers) == 1
    assert is_replayed(await post(hers, content=FILE))


async def test_another_account_with_the_key(hers: Own, his: Own) -> None:
    mine, theirs = await post(hers, content=FILE), await post(his, content=FILE)
    assert (mine.status_code, theirs.status_code, is_replayed(theirs)) == (201, 201, False)
    assert mine.json()["id"] != theirs.json()["id"]
    across = await his.post(f"{hers.base_url}imports", content=FILE, headers={"Idempotency-Key": "k-1"})
    assert across.status_code in (400, 403)  # the key is his, for another path; the account is hers
    assert mine.json()["id"] not in across.text
    new = await his.post(f"{hers.base_url}imports", content=FILE, headers={"Idempotency-Key": "k-9"})
    assert new.status_code == 403
    assert (await count(hers), await count(his)) == (1, 1)


async def test_a_refused_call_frees_the_key(hers: Own) -> None:
    id = await hers.upload(FILE)
    path = f"imports/{id}/start"
    assert (await post(hers, path, json={"groupName": "Customers", "onMatch": "burn"})).status_code == 400
    assert (await post(hers, f"imports/{id}/undo")).status_code == 409
    assert (await post(hers, "imports/00000000-0000-7000-8000-000000000001/start")).status_code == 404
    assert (await post(hers, content=b"", timeout=10)).status_code == 400
    started = await post(hers, path, json={"groupName": "Customers"})
    assert (started.status_code, is_replayed(started)) == (202, False)
    assert buckets(await hers.over(id)) == {"created": 1}


@pytest.mark.parametrize("body", [FILE.encode(), LARGE], ids=["small", "large"])
async def test_two_at_once(hers: Own, body: bytes) -> None:
    for key in ("a", "b", "c"):
        before = await count(hers)
        answers = await asyncio.gather(*(post(hers, key=key, content=body) for _ in range(3)))
        worked = [answer for answer in answers if answer.status_code == 201]
        assert worked
        assert len({answer.content for answer in worked}) == 1
        assert {answer.status_code for answer in answers} <= {201, 409}
        assert await count(hers) == before + 1


async def test_a_bad_token(hers: Own) -> None:
    for headers in ({"Authorization": "Bearer nonsense"}, {"Authorization": ""}):
        refused = await post(hers, content=FILE, headers=headers)
        assert (refused.status_code, is_replayed(refused)) == (401, False)
    first = await post(hers, content=FILE)
    assert (first.status_code, is_replayed(first)) == (201, False)
    assert (await post(hers, content=FILE, headers={"Authorization": "Bearer nonsense"})).status_code == 401


async def test_keys_that_are_none(hers: Own) -> None:
    for key in ("", "k" * 256):
        refused = await post(hers, key=key, content=FILE)
        assert (refused.status_code, fields_of(refused)) == (400, ["Idempotency-Key"]), key
    assert await count(hers) == 0
    await assert_replayed(hers, await post(hers, key="k" * 255, content=FILE), await post(hers, key="k" * 255, content=FILE))


async def test_only_posts_have_keys(hers: Own) -> None:
    id = (await post(hers, content=FILE)).json()["id"]
    header = {"Idempotency-Key": "k-1"}
    for path in ("imports", f"imports/{id}", "exports"):
        answer = await hers.get(path, headers=header)
        assert (answer.status_code, is_replayed(answer)) == (200, False)
    gone = [await hers.delete(f"imports/{id}", headers=header) for _ in range(2)]
    assert [answer.status_code for answer in gone] == [204, 404]


@pytest.mark.parametrize("size", [7, 1_000_000], ids=["small pieces", "one piece"])
async def test_a_body_in_pieces(hers: Own, size: int) -> None:
    """How a body is cut is no part of the request."""
    await assert_replayed(hers, await post(hers, content=pieces(FILE.encode(), 5)), await post(hers, content=pieces(FILE.encode(), size)))


async def test_a_large_body_in_other_pieces(hers: Own) -> None:
    first = await post(hers, content=pieces(LARGE, 600_000))
    await assert_replayed(hers, first, await post(hers, content=pieces(LARGE, 50_000)))


@pytest.mark.parametrize("file", [FILE.encode(), LARGE], ids=["small", "large"])
async def test_a_form(hers: Own, file: bytes) -> None:
    first = await post(hers, content=form(file), headers=FORM)
    assert first.json()["size"] == len(file)
    await assert_replayed(hers, first, await post(hers, content=form(file), headers=FORM))


@pytest.mark.parametrize("file", [FILE.encode(), LARGE], ids=["small", "large"])
async def test_a_form_in_pieces(hers: Own, file: bytes) -> None:
    first = await post(hers, content=pieces(form(file), 100_000), headers=FORM)
    assert first.json()["size"] == len(file)
    await assert_replayed(hers, first, await post(hers, content=pieces(form(file), 100_000), headers=FORM))


async def test_a_form_that_is_made_anew(hers: Own) -> None:
    """Clients choose a new boundary each time they put a form together: it is the same request all the same."""
    files = {"file": ("customers.csv", FILE.encode(), "text/csv")}
    await assert_replayed(hers, await post(hers, files=files), await post(hers, files=files))


async def test_an_upload_that_broke_off_is_sent_again(hers: Own) -> None:
    _, writer = await send_raw(hers, f"Idempotency-Key: k-1\r\nContent-Length: {len(FILE)}", FILE[:10].encode())
    await asyncio.sleep(0.2)
    writer.close()
    await asyncio.sleep(1)
    answer = await post(hers, content=FILE)
    assert (answer.status_code, is_replayed(answer)) == (201, False), answer.text
    assert answer.json()["size"] == len(FILE)
    assert await count(hers) == 1
