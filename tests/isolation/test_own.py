"""Another account's ids in our own API's imports."""

import asyncpg
import httpx

from reachbook.core.imports import Options
from reachbook.database.pool import Pool
from tests.isolation.world import PHONE, Request, World, everything_of, told
from tests.support import Client, worked_on


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
