"""Nobody sees or changes anything of another account on Digitaleo's wire, where the token says which account is meant.

Bob names Alice's contacts, lists and opt-outs in every parameter of every action, by every verb, in the query, a form and a JSON body.
"""

from typing import Any, NamedTuple

import asyncpg
import httpx
import pytest

from reachbook.core import ids, tokens
from reachbook.database.pool import Pool
from tests.isolation.digitaleo import ALIAS, Ask, Objects, asks, objects, resource_of, ways
from tests.isolation.walk import BASE, DIGITALEO_BASE, named, routes
from tests.isolation.world import Request, World, everything_of, told
from tests.support import Client

TOKEN = "/oauth/token"
WALKED = [(method, path) for method, path in routes("caller", DIGITALEO_BASE) if method != "OPTIONS"]


@pytest.fixture
async def aliased(alice: Client, anonymous: httpx.AsyncClient, world: World) -> World:
    """Alice's world with an alias."""
    given = Request("PUT", f"{DIGITALEO_BASE}/fields", {}, {"name": "company", "metaData": {"alias": ALIAS}}, is_bearer=True)
    assert (await given.send(anonymous, alice.token)).json() == {"count": 1}
    return world._replace(secrets=world.secrets | {ALIAS})


async def of_scope(db: Pool, alice: Client, scope: str) -> str:
    """Another token of Alice's."""
    return await tokens.create(db, alice.account, ids.new_id(), name=scope, scopes=[scope], now=ids.now())


def what(answer: httpx.Response) -> Any:
    """Rows, a count, or the numbers of statistics; falsy if there are none."""
    body = answer.json()
    return body.get("list", body.get("count", [value for value in body.values() if value != "0"]))


@pytest.mark.parametrize(("method", "path"), WALKED, ids=named)
async def test_route_of_the_callers_account(
    method: str, path: str, alice: Client, bob: Client, anonymous: httpx.AsyncClient, db: Pool, owner: asyncpg.Connection, aliased: World
) -> None:
    per_way = {way: await objects(alice, number) for number, way in enumerate(ways(method, path))}
    asked = [ask for way, hers in per_way.items() for ask in asks(method, path, way, hers)]
    secrets = aliased.secrets | {text for hers in per_way.values() for text in hers}
    scopes = {scope: await of_scope(db, alice, scope) for scope in ("read", "write")}
    before = await everything_of(owner, alice)

    for ask in asked:
        await refused_without_the_right_token(anonymous, ask, scopes["write" if ask.action == "read" else "read"])
        answer = await ask.request.send(anonymous, bob.token)
        assert_bob_gets(ask, answer)
        leaked = [secret for secret in secrets if secret in told(answer) and not ask.request.says(secret)]
        assert not leaked, (ask, answer.text)

    assert await everything_of(owner, alice) == before
    # The same requests are good ones: with her own token they reach their objects, each action in each way.
    reached = {(ask.way, ask.action) for ask in asked if is_reached(await ask.request.send(anonymous, alice.token))}
    assert reached == {(ask.way, ask.action) for ask in asked}


async def refused_without_the_right_token(anonymous: httpx.AsyncClient, ask: Ask, other_scope: str) -> None:
    """What a token may do is decided by the action, whatever the verb."""
    answers = [await ask.request.send(anonymous, token) for token in (None, "no such token", other_scope)]
    assert [answer.status_code for answer in answers] == [401, 401, 403], (ask, [answer.text for answer in answers])


def assert_bob_gets(ask: Ask, answer: httpx.Response) -> None:
    """What he may get."""
    if ask.expected == "refused":
        assert answer.status_code in (400, 404), (ask, answer.text)
        return
    assert answer.status_code == 200, (ask, answer.text)
    assert bool(what(answer)) == (ask.expected == "his own"), (ask, answer.text)


def is_reached(answer: httpx.Response) -> bool:
    """Whether a call did something, or found somebody."""
    assert answer.status_code in (200, 400), answer.text
    return answer.is_success and bool(what(answer))


async def test_a_scope_that_is_missing_is_told_before_a_file_that_is(alice: Client, anonymous: httpx.AsyncClient, db: Pool) -> None:
    request = Request("POST", f"{DIGITALEO_BASE}/contacts", {"action": "import"}, {"name": "Guests"}, is_bearer=True)
    tried = [await request.send(anonymous, await of_scope(db, alice, scope)) for scope in ("read", "write")]
    assert [answer.status_code for answer in tried] == [403, 400]


@pytest.mark.parametrize("path", sorted({path for _, path in routes("caller", DIGITALEO_BASE)}), ids=named)
async def test_methods_are_the_same_for_everybody(path: str, alice: Client, bob: Client, anonymous: httpx.AsyncClient) -> None:
    answers = [await Request("OPTIONS", path, {}, is_bearer=True).send(anonymous, token) for token in (None, bob.token, alice.token)]
    assert [answer.status_code for answer in answers] == [401, 204, 204]
    assert [answer.content for answer in answers[1:]] == [b"", b""]


@pytest.mark.parametrize("path", sorted({path for method, path in WALKED if method == "GET"}), ids=named)
async def test_reads_that_name_nothing(path: str, bob: Client, anonymous: httpx.AsyncClient, aliased: World) -> None:
    """Everything there is, is one's own."""
    resource = resource_of(path)
    expected = {"contacts": ["Bob"], "lists": ["Builders"], "optouts": []}
    for query in ({}, {"total": "true", "limit": "10000"}, {"sort": "dateCreated DESC"} if resource in expected else {}):
        answer = await Request("GET", path, query, is_bearer=True).send(anonymous, bob.token)
        assert answer.status_code == 200, answer.text
        assert not [secret for secret in aliased.secrets if secret in told(answer)]
        if resource in expected:
            assert [row.get("firstName") or row.get("name") for row in answer.json()["list"]] == expected[resource]
        if resource == "statistics":
            assert answer.json() == {"subscribers": "1", "sms": "1", "email": "0", "voice": "1", "voicemail": "1"}


async def test_her_ids_among_his_own(
    alice: Client, bob: Client, anonymous: httpx.AsyncClient, owner: asyncpg.Connection, world: World
) -> None:
    """Hers are as good as unknown, his are found."""
    hers, his = world.parameters, await objects(bob, 1)
    before = await everything_of(owner, alice)
    both = {"contacts": f"{hers['contactId']},{his.contact}", "lists": f"{hers['groupId']},{his.list}"}

    async def send(method: str, resource: str, **given: Any) -> httpx.Response:
        return await Request(method, f"{DIGITALEO_BASE}/{resource}", {}, given, is_bearer=True).send(anonymous, bob.token)

    assert what(await send("PUT", "lists", action="contactremove", id=both["lists"], metaData={"contactIds": both["contacts"]})) == 1
    assert what(await send("PUT", "lists", action="contactadd", id=both["lists"], metaData={"contactIds": both["contacts"]})) == 1
    assert (await send("GET", "statistics", listId=both["lists"])).json()["subscribers"] == "1"
    assert [row["id"] for row in what(await send("GET", "contacts", listId=both["lists"]))] == [his.contact]
    for resource, id in (("contacts", his.contact), ("lists", his.list)):
        assert [row["id"] for row in what(await send("GET", resource, id=both[resource]))] == [id]
        assert what(await send("PUT", resource, id=both[resource], metaData={"firstName": "Scoop", "name": "Diggers"})) == 1
    for given in ({"listIds": both["lists"]}, {"listIds": [hers["groupId"]]}):
        assert (await send("PUT", "contacts", id=his.contact, metaData=given)).status_code == 400
    for resource in both:
        assert what(await send("DELETE", resource, id=both[resource])) == 1
    assert await everything_of(owner, alice) == before


async def test_her_objects_with_his(
    alice: Client, bob: Client, anonymous: httpx.AsyncClient, owner: asyncpg.Connection, world: World
) -> None:
    """Her contact does not get into his list, nor his contact into hers."""
    hers, his = world.parameters, await objects(bob, 1)
    before = await everything_of(owner, alice)
    for group, contact in ((his.list, hers["contactId"]), (hers["groupId"], his.contact)):
        for action in ("contactadd", "contactremove"):
            given = {"action": action, "id": group, "metaData": {"contactIds": contact}}
            answer = await Request("PUT", f"{DIGITALEO_BASE}/lists", {}, given, is_bearer=True).send(anonymous, bob.token)
            assert answer.json() == {"count": 0}
    assert await everything_of(owner, alice) == before


@pytest.mark.parametrize("resource", ["contacts", "lists", "optouts", "statistics"])
async def test_foreign_ids_are_as_unknown_ones(resource: str, alice: Client, bob: Client, anonymous: httpx.AsyncClient) -> None:
    """The answer to something of hers is that to something that never was."""
    hers, never = (
        await objects(alice, 1),
        Objects(str(ids.new_id()), "Tea party 9", str(ids.new_id()), "+31627100109", "hatter9@alice.example"),
    )
    path = f"{DIGITALEO_BASE}/{resource}"
    for foreign, unknown in zip(*(asks("POST", path, "json by action", of) for of in (hers, never)), strict=True):
        if foreign.expected != "his own":
            answers = [await ask.request.send(anonymous, bob.token) for ask in (foreign, unknown)]
            assert answers[0].status_code == answers[1].status_code
            assert without(answers[0].text, hers) == without(answers[1].text, never)


def without(text: str, of: Objects) -> str:
    """The text without what was asked for."""
    for value in of:
        text = text.replace(value, "")
    return text


# --- client credentials


class Credentials(NamedTuple):
    """One way to send them: as parameters, or (RFC 6749, 2.3.1) in the header."""

    place: str
    id: object
    secret: str

    async def send(self, http: httpx.AsyncClient) -> httpx.Response:
        """Ask for a token."""
        given = {"grant_type": "client_credentials", "client_id": str(self.id), "client_secret": self.secret}
        if self.place == "header":
            return await http.post(TOKEN, data={"grant_type": "client_credentials"}, auth=(str(self.id), self.secret))
        if self.place == "multipart":
            return await http.post(TOKEN, files={name: (None, value) for name, value in given.items()})
        return await http.post(TOKEN, **{{"query": "params", "form": "data", "json": "json"}[self.place]: given})


CREDENTIALS_IN = ("form", "multipart", "json", "query", "header")


def test_the_only_route_of_credentials_is_walked() -> None:
    assert routes("credentials") == [("OPTIONS", TOKEN), ("POST", TOKEN)]


@pytest.mark.parametrize("place", CREDENTIALS_IN)
async def test_an_id_with_anothers_secret(
    place: str, alice: Client, bob: Client, anonymous: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    before = await owner.fetchval("SELECT count(*) FROM access_token WHERE account_id = ANY($1)", [alice.account, bob.account])
    unknown = await Credentials(place, ids.new_id(), bob.token).send(anonymous)
    assert unknown.status_code == 401
    for id, secret in (
        (bob.token_id, alice.token),
        (alice.token_id, bob.token),
        (alice.account, alice.token),
        (alice.token_id, "no such secret"),
        (alice.token_id, str(alice.token_id)),
        (f"{alice.token_id},{bob.token_id}", bob.token),
    ):
        answer = await Credentials(place, id, secret).send(anonymous)
        assert answer.status_code == 401, answer.text
        assert answer.json()["error"] == "invalid_client"
        assert "access_token" not in answer.json()
        assert not [text for text in (alice.token, bob.token, str(alice.account)) if text in told(answer)]
    swapped = await Credentials(place, bob.token_id, alice.token).send(anonymous)
    assert swapped.text == unknown.text  # whether the id or the secret is wrong, or both are good ones of others, is not told
    after = await owner.fetchval("SELECT count(*) FROM access_token WHERE account_id = ANY($1)", [alice.account, bob.account])
    assert after == before


@pytest.mark.parametrize("place", CREDENTIALS_IN)
async def test_a_token_is_of_the_account_of_its_credentials(
    place: str, alice: Client, bob: Client, anonymous: httpx.AsyncClient, world: World
) -> None:
    hers, his = [(await Credentials(place, one.token_id, one.token).send(anonymous)).json()["access_token"] for one in (alice, bob)]
    request = Request("GET", f"{DIGITALEO_BASE}/contacts", {"id": world.parameters["contactId"]}, is_bearer=True)
    assert [len(what(await request.send(anonymous, token))) for token in (hers, his)] == [1, 0]
    url = BASE.format(accountId=alice.account) + "/groups"
    assert [(await Request("GET", url, {}).send(anonymous, token)).status_code for token in (hers, his)] == [200, 403]
    assert (await Credentials(place, alice.token_id, hers).send(anonymous)).status_code == 401  # an access token is no secret


async def test_a_token_can_do_no_more_than_its_credentials(alice: Client, anonymous: httpx.AsyncClient, db: Pool) -> None:
    id = ids.new_id()
    secret = await tokens.create(db, alice.account, id, name="Reader", scopes=["read"], now=ids.now())
    token = (await Credentials("form", id, secret).send(anonymous)).json()["access_token"]
    lists = [Request(method, f"{DIGITALEO_BASE}/lists", {}, {"name": "Taken"}, is_bearer=True) for method in ("GET", "POST")]
    assert [(await request.send(anonymous, token)).status_code for request in lists] == [200, 403]


async def test_tokens_without_an_account(alice: Client, anonymous: httpx.AsyncClient, db: Pool) -> None:
    """Neither an operator nor a gateway has contacts, and no account of anybody's is taken from the call."""
    for scope in tokens.INSTALLATION_SCOPES:
        id = ids.new_id()
        secret = await tokens.create(db, None, id, name=scope, scopes=[scope], now=ids.now())
        for token in (secret, (await Credentials("form", id, secret).send(anonymous)).json().get("access_token", secret)):
            query = {"accountId": str(alice.account), "account": str(alice.account)}
            answers = [await Request(method, path, query, is_bearer=True).send(anonymous, token) for method, path in WALKED]
            assert {answer.status_code for answer in answers} == {403}
