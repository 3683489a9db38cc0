"""What golden cases cannot hold: imports on their way, and bodies that are too large."""

from collections.abc import AsyncGenerator
from typing import Any

import asyncpg
import httpx
import pytest

from tests.support import Client

FILE = ("customers.csv", b"First name,Mobile\nAnn,0627100000\nBen,12\n")
IMPORT = {"action": "import"}


@pytest.fixture
async def hers(alice: Client) -> AsyncGenerator[httpx.AsyncClient]:
    """Alice's account on this wire."""
    url = alice.base_url.copy_with(path="/digitaleo/rest/")
    async with httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {alice.token}"}, timeout=60, verify=False) as client:
        yield client


async def one(hers: httpx.AsyncClient, id: str) -> dict[str, Any]:
    """A list with what its import has to tell."""
    properties = "name,importStatus,importLines,importInvalid,importErrors"
    answer = await hers.get("lists", params={"id": id, "properties": properties})
    return answer.json()["list"][0]


async def test_an_import_goes_from_on_to_ok(hers: httpx.AsyncClient) -> None:
    answer = await hers.post("contacts", params=IMPORT, files={"contactFile": FILE})
    assert answer.status_code == 200
    made = answer.json()["list"][0]
    assert made.keys() == {"id", "name", "description", "importStatus", "importLines", "importInvalid", "importErrors"}
    seen = [made["importStatus"]]
    while seen[-1] != "ok":
        seen.append((await one(hers, made["id"]))["importStatus"])
    assert all(status in ("on", "ok") or 0 < int(status) < 100 for status in seen)
    over = await one(hers, made["id"])
    assert (over["importLines"], over["importInvalid"]) == (2, 1)
    assert (await hers.get(over["importErrors"])).text.count("\n") == 2


async def test_the_list_tells_of_its_newest_import(hers: httpx.AsyncClient) -> None:
    first = (await hers.post("contacts", params=IMPORT, files={"contactFile": FILE})).json()["list"][0]["id"]
    while (await one(hers, first))["importStatus"] != "ok":
        pass
    second = await hers.post("contacts", params=IMPORT | {"listId": first}, files={"contactFile": ("a.csv", b"First name\nCas\n")})
    assert second.json()["list"][0]["id"] == first
    while (over := await one(hers, first))["importStatus"] != "ok":
        pass
    assert (over["importLines"], over["importInvalid"], over["importErrors"]) == (1, 0, None)


COUNT = "SELECT (SELECT count(*) FROM contact_import WHERE account_id = $1) + (SELECT count(*) FROM contact_group WHERE account_id = $1)"


async def test_an_import_that_is_refused_leaves_nothing(
    hers: httpx.AsyncClient, alice: Client, bob: Client, owner: asyncpg.Connection
) -> None:
    theirs = (await bob.group())["id"]
    for list_id in (theirs, str(alice.account), "7"):
        answer = await hers.post("contacts", params=IMPORT | {"listId": list_id}, files={"contactFile": FILE})
        assert 400 <= answer.status_code < 500
    answer = await hers.post("contacts", params=IMPORT, files={"contactFile": ("a.csv", b"")})
    assert answer.status_code == 400
    assert await owner.fetchval(COUNT, alice.account) == 0


async def test_a_list_that_is_locked_leaves_no_import(hers: httpx.AsyncClient, alice: Client, owner: asyncpg.Connection) -> None:
    locked = (await alice.group(isLockedForEditing=True))["id"]
    assert (await hers.post("contacts", params=IMPORT | {"listId": locked}, files={"contactFile": FILE})).status_code == 409
    assert await owner.fetchval(COUNT, alice.account) == 1


@pytest.mark.parametrize("resource", ["contacts", "lists", "optouts"])
async def test_more_rows_than_one_call_may_have(resource: str, hers: httpx.AsyncClient) -> None:
    form = {f"{resource}[{number}][name]": "x" for number in range(10_001)}
    for arguments in ({"json": [{}] * 10_001}, {"json": {resource: [{}] * 10_001}}, {"data": form}):
        answer = await hers.post(resource, **arguments)  # type: ignore[arg-type]
        refused(answer)
    assert (await hers.get(resource)).json() == {"list": []}


async def test_a_body_over_the_limit(hers: httpx.AsyncClient) -> None:
    large = "x" * (21 * 2**20)
    for arguments in ({"json": {"firstName": large}}, {"data": {"firstName": large}}, {"files": {"file": ("a.csv", large.encode())}}):
        refused(await hers.post("contacts", **arguments))  # type: ignore[arg-type]
    refused(await hers.post("contacts", params={"action": "read"}, files={"file": ("a.csv", large.encode())}))


def refused(answer: httpx.Response) -> None:
    """413 in this wire's shape."""
    assert answer.status_code == 413, answer.text[:200]
    told = answer.json()
    assert told["status"] == 413
    assert told["message"]
    assert [message["details"] for message in told["messages"]] == [told["message"]]


async def test_a_limit_above_the_most_is_cut(hers: httpx.AsyncClient) -> None:
    rows = [{"type": "push", "value": f"device {number}"} for number in range(10_000)]
    assert (await hers.post("optouts", json=rows, params={"properties": "type"})).status_code == 200
    assert (await hers.post("optouts", json={"type": "push", "value": "another"})).status_code == 200
    answer = (await hers.get("optouts", params={"limit": "10001", "properties": "type", "total": "true"})).json()
    assert (len(answer["list"]), answer["total"]) == (10_000, 10_001)
    answer = (await hers.get("optouts", params={"properties": "type", "total": "true"})).json()
    assert (len(answer["list"]), answer["total"]) == (100, 10_001)


async def test_an_answer_is_not_found_without_a_token_of_an_account(anonymous: httpx.AsyncClient) -> None:
    for resource in ("contacts", "lists", "optouts", "fields", "statistics"):
        answer = await anonymous.get(f"/digitaleo/rest/{resource}")
        assert (answer.status_code, answer.json()["status"]) == (401, 401)
