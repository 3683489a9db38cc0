"""Nobody sees or changes anything of another account on Devino's wire, where the token says which account is meant.

Bob names Alice's lists, fields, segments, addresses and push tokens in every parameter of every call, alone and among his own.
"""

import base64
from datetime import timedelta
from itertools import permutations
from typing import Any

import asyncpg
import httpx
import pytest

from reachbook.core import ids, tokens
from reachbook.database.pool import Pool
from tests.isolation.devino import Objects, asks, never, objects, outcome, request
from tests.isolation.walk import DEVINO_BASE, READING, named, routes
from tests.isolation.world import World, everything_of, told
from tests.support import Client

CALLS = [(method, path) for method, path in routes("caller", DEVINO_BASE) if method != "OPTIONS"]
LISTS, BATCH, RANGE = f"{DEVINO_BASE}/contact-groups", f"{DEVINO_BASE}/contacts/batch", f"{DEVINO_BASE}/contacts/http/range"
HIS = "Spanners"
"""His macro."""


@pytest.mark.parametrize(("method", "path"), CALLS, ids=named)
async def test_route_of_the_callers_account(
    method: str, path: str, alice: Client, bob: Client, anonymous: httpx.AsyncClient, db: Pool, owner: asyncpg.Connection, world: World
) -> None:
    his = await objects(db, bob.account, 99, HIS)
    every = [await objects(db, alice.account, number) for number in range(len(asks(method, path, his, his)))]
    asked = [asks(method, path, hers, his)[number] for number, hers in enumerate(every)]
    secrets = world.secrets | {text for hers in every for text in hers}
    before = await everything_of(owner, alice)

    for ask in asked:
        answer = await ask.request.send(anonymous, bob.token)
        assert outcome(answer) == ask.his, (ask, answer.text)
        leaked = [secret for secret in secrets if secret in told(answer) and not ask.request.says(secret)]
        assert not leaked, (ask, answer.text)

    assert await everything_of(owner, alice) == before
    # The same requests are good ones: with her own token they reach their objects.
    for number, hers in enumerate(every):
        ask = asks(method, path, hers, hers)[number]
        answer = await ask.request.send(anonymous, alice.token)
        assert outcome(answer) == ask.hers, (ask, answer.text)


@pytest.mark.parametrize(("method", "path"), CALLS, ids=named)
async def test_foreign_objects_are_as_unknown_ones(
    method: str, path: str, alice: Client, bob: Client, anonymous: httpx.AsyncClient, db: Pool
) -> None:
    """The answer to something of hers is that to something that never was."""
    hers, his, unknown = await objects(db, alice.account, 1), await objects(db, bob.account, 99, HIS), never(1)
    for foreign, other in zip(*(asks(method, path, of, his) for of in (hers, unknown)), strict=True):
        answers = [await ask.request.send(anonymous, bob.token) for ask in (foreign, other)]
        assert answers[0].status_code == answers[1].status_code, foreign
        if foreign.his != "done":
            assert without(answers[0].text, hers) == without(answers[1].text, unknown), foreign


def without(text: str, of: Objects) -> str:
    """The text without what was asked for."""
    for value in of:
        text = text.replace(value, "")
    return text


# --- tokens


def basic(login: object, password: object) -> str:
    """Of a login and a password."""
    return "Basic " + base64.b64encode(f"{login}:{password}".encode()).decode()


@pytest.mark.parametrize(("method", "path"), CALLS, ids=named)
async def test_who_may_not_call(
    method: str, path: str, alice: Client, bob: Client, anonymous: httpx.AsyncClient, db: Pool, owner: asyncpg.Connection, world: World
) -> None:
    """Whatever is asked for; with her own token, either way it is written, it is done."""
    [ask, again, *_] = [*asks(method, path, of := await objects(db, alice.account, 1), of)] * 2
    wrong = "read" if method not in READING else "write"
    now, by_id = ids.now(), {scope: ids.new_id() for scope in (wrong, "gateway", "operator", "expired")}

    async def token(scope: str, **given: Any) -> str:
        account = None if scope in tokens.INSTALLATION_SCOPES else alice.account
        scopes = tokens.ACCOUNT_SCOPES if scope == "expired" else (scope,)
        return await tokens.create(db, account, by_id[scope], name=scope, scopes=scopes, now=now, **given)

    expired = await token("expired", expires_at=now - timedelta(seconds=1))
    others = {scope: await token(scope) for scope in (wrong, "gateway", "operator")}
    swapped = [
        (alice.token_id, bob.token),
        (bob.token_id, alice.token),
        (alice.account, alice.token),
        (alice.token, alice.token_id),
        ("", alice.token),
        (f"{alice.token_id}:{alice.token}", bob.token),
    ]
    unknown = ["Key no such token", f"Key {expired}", f"Bearer {alice.token}", alice.token, f"Key {alice.token_id}", "Key", "Basic x"]
    unknown += [basic(login, password) for login, password in [*swapped, (by_id["expired"], expired)]]
    forbidden = [f"Key {other}" for other in others.values()] + [basic(by_id[scope], other) for scope, other in others.items()]
    before = await everything_of(owner, alice)

    async def send(authorization: str | None, **headers: str) -> httpx.Response:
        given = headers if authorization is None else headers | {"Authorization": authorization}
        return await anonymous.request(method, path, params=ask.request.query, json=ask.request.json, headers=given)

    refused = [(401, await send(None)), (401, await send(None, **{"X-CM-PRODUCTTOKEN": alice.token}))]
    refused += [(401, await send(one)) for one in unknown] + [(403, await send(one)) for one in forbidden]
    for status, answer in refused:
        assert answer.status_code == status, (answer.request.headers, answer.text)
        assert answer.json()["result"] is None
        assert not [secret for secret in world.secrets | {bob.token, expired} if secret in told(answer) and not ask.request.says(secret)]
    assert await everything_of(owner, alice) == before
    assert outcome(await send(f"key {alice.token}")) == ask.hers
    assert (await again.request.send(anonymous, alice.token)).status_code in (200, 400)
    assert (await send(basic(alice.token_id, alice.token))).status_code in (200, 400)


@pytest.mark.parametrize("path", sorted({path for _, path in routes("caller", DEVINO_BASE)}), ids=named)
async def test_methods_are_the_same_for_everybody(path: str, alice: Client, bob: Client, anonymous: httpx.AsyncClient) -> None:
    answers = [await request("OPTIONS", path, {}).send(anonymous, token) for token in (None, bob.token, alice.token)]
    assert [answer.status_code for answer in answers] == [401, 204, 204]
    assert [answer.content for answer in answers[1:]] == [b"", b""]


# --- hers among his


async def test_reads_that_name_nothing(alice: Client, bob: Client, anonymous: httpx.AsyncClient, world: World) -> None:
    """Everything there is, is one's own; another account in the query changes nothing."""
    hers = (await request("GET", LISTS, {}).send(anonymous, alice.token)).json()["result"][0]["companyId"]
    for query in ({}, {"type": "STANDARD,PUSH"}, {"limit": "10000", "companyId": str(hers), "accountId": str(alice.account)}):
        answer = await request("GET", LISTS, query).send(anonymous, bob.token)
        assert [one["name"] for one in answer.json()["result"]] == ["Builders"]
        assert not [secret for secret in world.secrets if secret in told(answer)]
    answer = await request("GET", RANGE, {}).send(anonymous, bob.token)
    assert (answer.status_code, answer.json()["reasons"][0]["key"]) == (400, "contactGroupId.must.be.not.null")


async def test_her_list_among_his(
    alice: Client, bob: Client, anonymous: httpx.AsyncClient, owner: asyncpg.Connection, db: Pool, world: World
) -> None:
    """In a parameter that takes one, whichever of them counts: she stays unseen, in any order, repeated or with commas."""
    hers, his = await objects(db, alice.account, 1), await objects(db, bob.account, 2, HIS)
    before = await everything_of(owner, alice)
    for lists in permutations((hers.list, his.list, hers.push_list)):
        for given in ([*lists], ",".join(lists)):
            for query in ({"contactGroupId": given}, {"contactGroupId": his.list, "contactgroupid": given}):
                answer = await request("GET", RANGE, query).send(anonymous, bob.token)
                assert answer.status_code in (200, 400, 404), answer.text
                found = answer.json()["result"] or []
                assert {row["contactId"] for row in found} <= {his.contact}, query
        for values in ([hers.segment, his.segment], [his.segment, hers.segment]):
            answer = await request("GET", RANGE, {"contactGroupId": his.list, "segmentId": values}).send(anonymous, bob.token)
            assert {row["contactId"] for row in answer.json()["result"] or []} <= {his.contact}
    for first, second in ((hers.list, his.list), (his.list, hers.list)):
        body = f'{{"contactGroupId": {first}, "contacts": [{{"phone": "+31627100201"}}], "CONTACTGROUPID": {second}}}'
        headers = {"Authorization": f"Key {bob.token}", "Content-Type": "application/json"}
        answer = await anonymous.post(BATCH, content=body, headers=headers)
        assert answer.status_code in (200, 400, 404), answer.text
    assert await everything_of(owner, alice) == before


@pytest.mark.parametrize("path", [*(path for method, path in CALLS if method == "DELETE"), "/contact-groups", "/contacts-groups"])
@pytest.mark.parametrize("name", ["ids", "smsIds"])
async def test_her_lists_among_his_that_are_deleted(
    name: str, path: str, alice: Client, bob: Client, anonymous: httpx.AsyncClient, owner: asyncpg.Connection, db: Pool, world: World
) -> None:
    """His go, hers stay, each is told by itself; also by the paths without the base."""
    hers = await objects(db, alice.account, 1)
    before = await everything_of(owner, alice)
    for has_commas in (True, False):
        for first in (True, False):
            his = await objects(db, bob.account, 2 + 2 * has_commas + first, HIS)
            asked = [hers.list, his.list, hers.push_list, his.push_list]
            asked = asked if first else asked[::-1]
            query = {name: ",".join(asked) if has_commas else asked}
            answer = await request("DELETE", path, query).send(anonymous, bob.token)
            assert answer.status_code == 200, answer.text
            entries = {one["result"]: one["code"] for one in answer.json()["result"]}
            assert list(entries) == asked
            assert entries == dict.fromkeys(asked, "REJECTED") | {his.list: "OK", his.push_list: "OK"}
            assert not [secret for secret in world.secrets | {hers.name, hers.macro} if secret in told(answer)]
    assert await everything_of(owner, alice) == before


async def test_a_device_that_she_has_too(
    alice: Client, bob: Client, anonymous: httpx.AsyncClient, owner: asyncpg.Connection, db: Pool, world: World
) -> None:
    """It is unique within the account; each sees the own contact by it, and an opt-out of it is one account's."""
    hers, his = await objects(db, alice.account, 1), await objects(db, bob.account, 2, HIS)
    before = await everything_of(owner, alice)
    contact = {"pushInfo": [{"appId": "tea", "os": 1, "pushToken": hers.device}]}
    body = {"contactGroupId": his.push_list, "contacts": [contact, contact]}
    made, twice = (await request("POST", BATCH, {}, body).send(anonymous, bob.token)).json()["result"]
    assert (made["code"], twice["result"]["localizationKey"]) == ("OK", "DUPLICATE_VALUE")
    assert await everything_of(owner, alice) == before
    assert (await alice.post(f"optout/push/{hers.device}")).status_code == 200
    for client, of, id in ((alice, hers, hers.push_contact), (bob, his, made["result"]["contactId"])):
        query = {"contactGroupId": of.push_list, "pushToken": hers.device}
        [row] = (await request("GET", RANGE, query).send(anonymous, client.token)).json()["result"]
        assert row["contactId"] == id
        assert [one["pushToken"] for one in row["pushInfo"]] == [hers.device]
        assert ("unsubscribedData" in row) is (client is alice)


async def test_a_field_of_the_same_name(
    alice: Client, bob: Client, anonymous: httpx.AsyncClient, owner: asyncpg.Connection, db: Pool, world: World
) -> None:
    """Each has one, with a type and values of its own."""
    hers = await objects(db, alice.account, 1)
    before = await everything_of(owner, alice)
    body = {"name": "Diggers", "fields": [{"name": hers.macro, "displayName": "Shovels", "type": 2, "values": ["1", "2"]}]}
    number = (await request("POST", LISTS, {}, body).send(anonymous, bob.token)).json()["result"]
    contact = {"phone": hers.phone, "fields": [{"name": hers.macro, "value": ["2"]}]}
    for value, expected in (("2", "done"), ("Down and down", "rejected")):
        contact["fields"][0]["value"] = [value]  # type: ignore[index]
        answer = await request("POST", BATCH, {}, {"contactGroupId": number, "contacts": [contact]}).send(anonymous, bob.token)
        assert outcome(answer) == expected, answer.text
    [row] = (await request("GET", RANGE, {"contactGroupId": number}).send(anonymous, bob.token)).json()["result"]
    assert [(field["displayName"], field["value"]) for field in row["fields"] if not field["isDefault"]] == [("Shovels", ["2"])]
    assert await everything_of(owner, alice) == before
