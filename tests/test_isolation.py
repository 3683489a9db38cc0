"""Nobody sees or changes anything of another account: every route of every dialect is walked with the wrong token.

The routes come from the apps themselves, so a new one is walked without anybody adding it here. One that names a new kind of
object, or belongs to no account, fails until this file says what it is.
"""

import pkgutil
from typing import Any, NamedTuple

import asyncpg
import httpx
import pytest

from reachbook import dialects
from reachbook.core import ids, indexing, tokens
from reachbook.core.imports import Options
from reachbook.database.pool import Pool
from tests.routes import CM_ADDRESSBOOK, OWN
from tests.support import HOUSEKEEPING, Client, worked_on

BASE = "/addressbook/v2/accounts/{accountId}"
V1 = "/addressbook/v1.0"
OWN_BASE = "/v1/accounts/{accountId}"
READING = ("GET", "HEAD", "OPTIONS")
OBJECTS = ("groupId", "contactId", "fieldId", "importId")
OF_READY = ("/preview", "/start", "/cancel")
"""Routes whose import must not have been started yet."""
PHONE, OPTED_OUT, EMAIL, WORD = "+31627100001", "+31627100002", "wonderland@alice.example", "wonderland"
WALKED = {"cm_addressbook": CM_ADDRESSBOOK, "own": OWN}
REFERENCES = ("/addressbook/v2/reference", "/v1/reference")
FILE = b"First name,Mobile,E-mail\nWhite Rabbit,+31627100003,\nHatter,Unbirthday,\nHare,+31627100004,marmalade@\n"


def kind_of(path: str) -> str:
    """Whom a route belongs to. Everything is somebody's account's unless a line here says otherwise."""
    if path.startswith((f"{BASE}/", f"{OWN_BASE}/")):
        return "account"
    if path == "/echo/v1.0/sso2":
        return "token"  # tells whether the token is good, and nothing else
    if any(path == reference or path.startswith(f"{reference}/") for reference in REFERENCES):
        return "public"  # documentation: the same for everybody
    raise AssertionError(f"{path} belongs to no account: say here what it is")


def routes(kind: str) -> list[tuple[str, str]]:
    """(method, path template) of the apps' routes of this kind."""
    apps = WALKED.values()
    every = sorted((method, route.path_format) for app in apps for route in app.routes for method in route.methods)  # type: ignore[union-attr]
    return [(method, path) for method, path in every if kind_of(path) == kind]


def named(value: str) -> str:
    """A method or a path, short, as part of a test's name."""
    return value.removeprefix(BASE)


def test_every_dialect_is_walked() -> None:
    assert {module.name for module in pkgutil.iter_modules(dialects.__path__)} == set(WALKED)


UNINDEXED = """
SELECT count(*) FROM contact c WHERE c.account_id = $1
    AND NOT EXISTS (SELECT 1 FROM contact_search s WHERE s.account_id = c.account_id AND s.contact_id = c.id)
"""


class World(NamedTuple):
    """What Alice has: path parameters that name it, and strings that only she may read."""

    parameters: dict[str, str]
    ready: str
    """An import that can be started; `importId` is one that is done."""
    secrets: set[str]


@pytest.fixture
async def world(alice: Client, bob: Client, db: Pool, owner: asyncpg.Connection) -> World:
    """Alice has one of everything; Bob has a group and a contact of his own."""
    field = (await alice.post("fields", json={"name": "Rabbit hole"})).json()
    group = await alice.group(name="Tea party")
    hidden = await alice.group(name="Croquet ground", isHidden=True)
    values = [{"fieldId": field["id"], "value": "Down and down"}]
    contact = await alice.contact(
        group["id"], firstName="Cheshire", lastName="Wonderland", email=EMAIL, phoneNumber=PHONE, customValues=values
    )
    await alice.contact(hidden["id"], firstName="Dormouse", lastName="Wonderland")
    for path in (f"optout/sms/{OPTED_OUT}", f"optout/email/{EMAIL}"):
        assert (await alice.post(path, json={"message": "Off with her head"})).status_code == 200
    await bob.contact((await bob.group(name="Builders"))["id"], firstName="Bob", lastName="Builder", phoneNumber="+31627100009")
    parameters = {"groupId": group["id"], "contactId": contact["id"], "fieldId": str(field["id"])}
    parameters |= {"tokenType": "sms", "tokenValue": OPTED_OUT}
    options = Options(group_name="Tea party")
    done = await worked_on(db, alice.account, FILE, "Queen of hearts.csv", "start", options)
    ready = await worked_on(db, alice.account, FILE, "Knave of hearts.csv", "preview", options)
    assert (done.state, done.created, done.refused, ready.state) == ("done", 1, 2, "ready")
    while await owner.fetchval(UNINDEXED, alice.account):
        await indexing.index_due(db, ids.now())
    parameters["importId"] = str(done.id)
    imported = [str(done.id), str(ready.id), "of hearts", "White Rabbit", "Hatter", "Unbirthday", "marmalade", "+31627100003"]
    read = [group["id"], hidden["id"], contact["id"], "Tea party", "Croquet ground", "Cheshire", "Dormouse", "Rabbit hole", "Down and down"]
    return World(
        parameters, str(ready.id), {*read, *imported, EMAIL, PHONE, OPTED_OUT, "Off with her head", str(alice.account), alice.token}
    )


async def everything_of(owner: asyncpg.Connection, alice: Client) -> dict[str, Any]:
    """All rows of Alice's account in every table that has accounts, and her figures."""
    tables = await owner.fetch(
        "SELECT table_name AS name FROM information_schema.columns WHERE column_name = 'account_id' AND table_schema = 'public'"
    )
    names = {table["name"] for table in tables} - HOUSEKEEPING
    assert {"contact", "contact_group", "membership", "field", "consent_token", "consent_history", "access_token"} <= names
    assert {"contact_import", "import_row", "import_chunk"} <= names
    rows = {
        name: sorted(map(str, await owner.fetch(f"SELECT * FROM {name} WHERE account_id = $1", alice.account))) for name in sorted(names)
    }
    assert all(rows[name] for name in ("contact", "membership", "field", "consent_history", "contact_import", "import_row", "import_chunk"))
    groups = await alice.get("groups", params={"includeHidden": "true"})
    return rows | {"account": str(await owner.fetch("SELECT * FROM account WHERE id = $1", alice.account)), "groups": groups.json()}


class Request(NamedTuple):
    """One way to ask for a route."""

    method: str
    url: str
    query: dict[str, str]
    json: Any = None
    content: bytes | None = None
    is_bearer: bool = False

    async def send(self, http: httpx.AsyncClient, token: str | None) -> httpx.Response:
        """Ask with this token."""
        headers = {"Authorization": f"Bearer {token}"} if self.is_bearer else {"X-CM-PRODUCTTOKEN": str(token)}
        headers = {} if token is None else headers
        body = {"content": self.content} if self.content else {} if self.json is None else {"json": self.json}
        return await http.request(self.method, self.url, params=self.query, headers=headers, **body)

    def says(self, text: str) -> bool:
        """Whether the request itself holds the text: an answer may repeat what it was asked."""
        return text in f"{self.url} {self.query} {self.json}"


def requests(method: str, path: str, account: str, world: World) -> list[Request]:
    """Every way to ask for a route with what Alice has."""
    unknown = set(_names(path)) - {"accountId"} - set(world.parameters)
    assert not unknown, f"give Alice one of {unknown}"
    make = _own_requests if path.startswith(OWN_BASE) else _cm_requests
    return make(method, path, account, world)


def _cm_requests(method: str, path: str, account: str, world: World) -> list[Request]:
    """By the v2 and the v1.0 path; what writes with a body that is an object and one that is an array."""
    ours = world.parameters
    query = {"groupIds": ours["groupId"], "contactIds": ours["contactId"], "q": WORD, "query": WORD, "includeHidden": "true"}
    row = {"name": "Taken", "firstName": "Mallory", "type": "sms", "value": OPTED_OUT, "isActive": False, "message": "Taken over"}
    bodies: list[Any] = [None] if method in READING else [row, [row]]
    rest = path.removeprefix(BASE).format(**ours)
    urls = [(BASE.format(accountId=account) + rest, query), (V1 + rest, query | {"accountId": account})]
    return [Request(method, url, asked, body) for url, asked in urls for body in bodies]


def _own_requests(method: str, path: str, account: str, world: World) -> list[Request]:
    """With the token in either header; by group and by search; an upload has a file for its body."""
    ours = world.parameters | ({"importId": world.ready} if path.endswith(OF_READY) else {})
    url = path.format(**ours | {"accountId": account})
    queries = [{"groupId": ours["groupId"], "format": "csv"}, {"search": WORD}]
    is_upload = method not in READING and path.endswith("/imports")
    json = None if method in READING or is_upload else {"groupId": ours["groupId"], "groupName": "Taken"}
    content = b"Phone\n+31627100005\n" if is_upload else None
    return [Request(method, url, query, json, content, is_bearer) for query in queries for is_bearer in (True, False)]


def _names(path: str) -> list[str]:
    return [part[1:-1] for part in path.split("/") if part.startswith("{")]


def told(response: httpx.Response) -> str:
    """Everything an answer says."""
    return f"{response.headers} {response.text}"


@pytest.mark.parametrize(("method", "path"), routes("account"), ids=named)
async def test_route_of_an_account(
    method: str, path: str, alice: Client, bob: Client, anonymous: httpx.AsyncClient, db: Pool, owner: asyncpg.Connection, world: World
) -> None:
    scope = "write" if method in READING else "read"
    other_scope = await tokens.create(db, alice.account, ids.new_id(), name=scope, scopes=[scope], now=ids.now())
    before = await everything_of(owner, alice)

    on_hers = requests(method, path, str(alice.account), world)
    for request in on_hers:
        assert (await request.send(anonymous, None)).status_code == 401, request
        assert (await request.send(anonymous, "no such token")).status_code == 401, request
        assert (await request.send(anonymous, other_scope)).status_code == 403, request
        refused = await request.send(anonymous, bob.token)
        assert refused.status_code == 403, (request, refused.text)
        assert not [secret for secret in world.secrets if secret in told(refused) and not request.says(secret)]

    for request in requests(method, path, str(bob.account), world):
        answer = await request.send(anonymous, bob.token)
        if method == "OPTIONS":
            assert (answer.status_code, answer.content) == (204, b"")  # looks nothing up: the same whether or not there is such an object
        elif set(_names(path)) & set(OBJECTS):
            assert answer.status_code == 404, (request, answer.text)
        assert answer.status_code < 500, (request, answer.text)
        leaked = [secret for secret in world.secrets if secret in told(answer) and not request.says(secret)]
        assert not leaked, (request, answer.text)

    assert await everything_of(owner, alice) == before
    # The same requests are good ones: with her own token they reach their object.
    own = [await request.send(anonymous, alice.token) for request in on_hers]
    assert any(answer.is_success for answer in own), [answer.text for answer in own]


@pytest.mark.parametrize(("method", "path"), routes("token"), ids=named)
async def test_route_of_a_token(method: str, path: str, alice: Client, bob: Client, anonymous: httpx.AsyncClient) -> None:
    answers = [await Request(method, path, {}, None).send(anonymous, token) for token in (None, "no such token", bob.token, alice.token)]
    assert [answer.is_success for answer in answers] == [False, False, True, True]
    assert {answer.status_code for answer in answers[:2]} == {401}
    assert answers[2].content == answers[3].content


@pytest.mark.parametrize(("method", "path"), routes("public"), ids=named)
async def test_public_route(method: str, path: str, alice: Client, bob: Client, anonymous: httpx.AsyncClient) -> None:
    request = Request(method, path.format(path="swagger"), {}, None)
    answers = [await request.send(anonymous, token) for token in (None, "no such token", bob.token, alice.token)]
    assert len({(answer.status_code, answer.content) for answer in answers}) == 1
    assert answers[0].is_success or (answers[0].status_code == 404 and "{path}" in path)


async def test_another_accounts_ids_in_a_body(alice: Client, bob: Client, owner: asyncpg.Connection, world: World) -> None:
    group = await bob.group(name="Diggers")
    contact = await bob.contact(group["id"], firstName="Scoop")
    before = await everything_of(owner, alice)
    hers = world.parameters["groupId"]
    values = [{"fieldId": int(world.parameters["fieldId"]), "value": "Taken"}]
    moved = await bob.put(f"contacts/{contact['id']}", json={"groupId": hers})
    assert moved.status_code in (400, 404), moved.text
    for draft in ({"groupId": hers, "firstName": "Lofty"}, {"firstName": "Lofty", "customValues": values}):
        assert (await bob.post(f"groups/{group['id']}/contacts", json=draft)).status_code == 400
        assert (await bob.post(f"groups/{group['id']}/contacts-bulk", json=[draft])).status_code == 400
    assert (await bob.put(f"contacts/{contact['id']}", json={"customValues": values})).status_code == 400
    assert (await bob.get(f"contacts/{contact['id']}")).json() == contact
    assert await everything_of(owner, alice) == before


async def test_another_accounts_ids_in_an_import(
    alice: Client, bob: Client, anonymous: httpx.AsyncClient, db: Pool, owner: asyncpg.Connection, world: World
) -> None:
    """Neither the options nor the file's own ids reach them."""
    before = await everything_of(owner, alice)
    hers = world.parameters
    made = Request("POST", f"/v1/accounts/{bob.account}/imports", {}, content=f"id,Phone\n{hers['contactId']},+31627100006\n".encode())
    id = (await made.send(anonymous, bob.token)).json()["id"]
    options = (
        {"groupId": hers["groupId"]},
        {"groupName": "Taken", "mapping": {"id": hers["fieldId"]}},
        {"groupName": "Taken", "match": hers["fieldId"]},
    )
    for given in options:
        for verb in ("preview", "start"):
            refused = await Request("POST", f"/v1/accounts/{bob.account}/imports/{id}/{verb}", {}, given).send(anonymous, bob.token)
            assert refused.status_code == 400, refused.text
            assert not [secret for secret in world.secrets if secret in told(refused) and secret not in str(given)]
    file = f"id,First name,Phone\n{hers['contactId']},Mallory,{PHONE}\n".encode()
    done = await worked_on(db, bob.account, file, "a.csv", "start", Options(group_name="Taken"))
    assert (done.state, done.created) == ("done", 1)
    assert await everything_of(owner, alice) == before


async def test_ids_that_are_looked_for_among_ones_own(alice: Client, bob: Client, owner: asyncpg.Connection, world: World) -> None:
    """Where several ids are named, somebody else's are as good as unknown."""
    mine = await bob.group(name="Diggers")
    contact = await bob.contact(mine["id"], firstName="Scoop")
    before = await everything_of(owner, alice)
    both = {"groupIds": f"{world.parameters['groupId']},{mine['id']}", "contactIds": world.parameters["contactId"]}
    assert [row["id"] for row in (await bob.get("dump/sms", params=both)).json()] == [contact["id"]]
    assert (await bob.delete("contacts", params={"contactIds": f"{world.parameters['contactId']},{contact['id']}"})).status_code == 204
    assert (await bob.delete("groups", params={"groupIds": both["groupIds"]})).status_code == 204
    assert (await bob.get(f"groups/{mine['id']}")).status_code == 404
    assert await everything_of(owner, alice) == before


async def test_one_account_says_nothing_of_another(alice: Client, bob: Client, anonymous: httpx.AsyncClient, world: World) -> None:
    """The answer to a foreign object, and to a foreign account, is that to one that never was."""
    never = str(ids.new_id())
    for kind, id in (("groups", world.parameters["groupId"]), ("contacts", world.parameters["contactId"])):
        foreign, unknown = await bob.get(f"{kind}/{id}"), await bob.get(f"{kind}/{never}")
        assert foreign.status_code == unknown.status_code == 404
        assert foreign.text.replace(id, "") == unknown.text.replace(never, "")
    urls = [BASE.format(accountId=account) + "/groups" for account in (alice.account, never)]
    foreign, unknown = [await Request("GET", url, {}, None).send(anonymous, bob.token) for url in urls]
    assert foreign.status_code == unknown.status_code == 403
    assert foreign.text.replace(str(alice.account), "") == unknown.text.replace(never, "")
    assert (await bob.get(f"optout/sms/{OPTED_OUT}")).status_code == 404
    assert (await bob.get(f"optout/sms/{OPTED_OUT}/history")).json() == []


async def test_two_accounts_in_a_v1_query(alice: Client, bob: Client, anonymous: httpx.AsyncClient, world: World) -> None:
    """Whichever of them counts, Bob's token does not open Alice's."""
    hers, his = str(alice.account), str(bob.account)
    token = {"X-CM-PRODUCTTOKEN": bob.token}
    for first, second in ((his, hers), (hers, his)):
        for query in (f"accountId={first}&accountId={second}", f"accountid={first}&ACCOUNTID={second}"):
            answer = await anonymous.get(f"{V1}/groups?{query}", headers=token)
            assert answer.status_code in (200, 400, 403), answer.text
            assert not [secret for secret in world.secrets - {hers} if secret in answer.text]
    for account in (f"{his}/../{hers}", f"{his}/../{hers}/", f"../accounts/{hers}"):
        answer = await anonymous.get(f"{V1}/groups", params={"accountId": account}, headers=token)
        assert answer.status_code in (400, 403), answer.text
