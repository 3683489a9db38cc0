"""What gateways tell is of any account: an account's token, also the one that it is about, must not be enough."""

import asyncpg
import httpx
import pytest

from reachbook.core import ids, tokens
from reachbook.database.pool import Pool
from tests.core.channels import number_type, rent
from tests.isolation.walk import named, routes
from tests.isolation.world import Request, World, everything_of, told
from tests.support import Client

SENDER = "+31612345678"


async def of_scope(db: Pool, scope: str) -> str:
    """A token of the installation."""
    return await tokens.create(db, None, ids.new_id(), name=scope, scopes=[scope], now=ids.now())


@pytest.mark.parametrize(("method", "path"), routes("gateway"), ids=named)
async def test_route_of_gateways(
    method: str, path: str, alice: Client, bob: Client, anonymous: httpx.AsyncClient, db: Pool, owner: asyncpg.Connection, world: World
) -> None:
    row = {"accountId": str(alice.account), "email": "hare@alice.example", "type": "hard"}
    row |= {"from": {"number": SENDER}, "to": {"number": await rent(db, alice.account, await number_type(db))}, "channel": "SMS"}
    row |= {"message": "550" if path.endswith("bounces") else {"text": "STOP"}, "event": "READ", "reference": "1"}
    asked = [Request(method, path, {}, body, is_bearer=is_bearer) for body in (row, [row]) for is_bearer in (True, False)]
    others = (None, "no such token", bob.token, alice.token, await of_scope(db, "operator"))
    before, of_bob = await everything_of(owner, alice), (await bob.get("optout")).json()
    for request in asked:
        answers = [await request.send(anonymous, token) for token in others]
        assert [answer.status_code for answer in answers] == [401, 401, 403, 403, 403]
        assert not [secret for secret in world.secrets for answer in answers if secret in told(answer) and not request.says(secret)]
    assert await everything_of(owner, alice) == before
    gateway = await of_scope(db, "gateway")
    answers = [await request.send(anonymous, gateway) for request in asked]
    assert {answer.status_code for answer in answers} == {204 if method == "OPTIONS" else 202}
    assert not [secret for secret in world.secrets for answer in answers if secret in told(answer)]
    assert (await bob.get("optout")).json() == of_bob
    for name, token in (("bounces", "email/hare@alice.example"), ("messages", f"sms/{SENDER}")):
        assert (await alice.get(f"optout/{token}")).is_success is (method != "OPTIONS" and path.endswith(name))
