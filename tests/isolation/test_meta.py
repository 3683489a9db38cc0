"""What Meta says is of any account: no token opens it, only Meta's signature does, and the answer tells nobody anything."""

import time
from collections.abc import Generator

import asyncpg
import httpx
import pytest

from reachbook.core import ids, provider_templates
from reachbook.database.location import Location
from reachbook.database.pool import Pool
from tests.isolation.test_gateway import of_scope
from tests.isolation.walk import named, routes
from tests.isolation.world import World, everything_of, told
from tests.providers.desk import business, language, validated
from tests.providers.graph import APP_SECRET, VERIFY_TOKEN, signature, webhook
from tests.support import Client, Server


@pytest.fixture(scope="module")
def connected(location: Location) -> Generator[Server]:
    """A server that takes Meta's webhooks."""
    with Server(location, meta_app_secret=APP_SECRET, meta_verify_token=VERIFY_TOKEN, workers="false") as server:
        yield server


@pytest.mark.parametrize(("method", "path"), routes("signed"), ids=named)
async def test_route_of_meta(
    method: str, path: str, connected: Server, alice: Client, bob: Client, db: Pool, owner: asyncpg.Connection, world: World
) -> None:
    (request, of_alice), (others_request, of_bob) = await business(db, alice.account), await business(db, bob.account)
    template, others = await validated(db, alice.account, request), await validated(db, bob.account, others_request)
    await provider_templates.submitted(db, alice.account, template.languages[0].id, f"{of_alice}1", "PENDING", ids.now())
    there = {"id": f"{of_alice}1", "name": template.facebook_name, "language": "en_US", "category": "UTILITY"}
    body = webhook(of_alice, there, "APPROVED", time.time() + 1)
    of_nobody = webhook(of_bob, there | {"id": "5", "name": "no_such"}, "APPROVED", time.time() + 1)
    tokens = [alice.token, bob.token, await of_scope(db, "operator"), await of_scope(db, "gateway"), APP_SECRET, None]
    before = await everything_of(owner, alice)
    async with httpx.AsyncClient(base_url=connected.url, timeout=60, verify=False) as http:
        for token in tokens:
            for header in ({"Authorization": f"Bearer {token}"}, {"X-CM-PRODUCTTOKEN": str(token)}, {"X-Hub-Signature-256": str(token)}):
                answer = await http.request(method, path, content=body if method == "POST" else None, headers=header if token else {})
                assert answer.status_code == {"OPTIONS": 204, "GET": 403, "POST": 401}[method]
                assert not [secret for secret in (*world.secrets, of_alice, "order") if secret in told(answer)]
        assert await everything_of(owner, alice) == before
        if method == "POST":
            known, unknown = [await http.post(path, content=one, headers=signature(one)) for one in (body, of_nobody)]
            assert (known.json(), unknown.json()) == ({"received": 1, "known": 1}, {"received": 1, "known": 0})
            assert not [secret for secret in world.secrets if secret in told(known) + told(unknown)]
    assert (await language(db, alice.account, template)).state == ("active" if method == "POST" else "validating")
    assert (await language(db, bob.account, others)).state == "validating"
