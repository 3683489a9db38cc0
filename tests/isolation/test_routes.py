"""Nobody sees or changes anything of another account: every route of every dialect is walked with the wrong token.

The routes of an account that the path names, and those of none. Where the token says whose they are: test_devino.py, test_digitaleo.py.
"""

import pkgutil

import asyncpg
import httpx
import pytest

from reachbook import dialects
from reachbook.core import ids, tokens
from reachbook.database.pool import Pool
from tests.isolation.walk import OBJECTS, READING, WALKED, named, names, requests, routes
from tests.isolation.world import Request, World, everything_of, told
from tests.support import Client


def test_every_dialect_is_walked() -> None:
    assert {module.name for module in pkgutil.iter_modules(dialects.__path__)} == set(WALKED)


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
        elif set(names(path)) & set(OBJECTS):
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
