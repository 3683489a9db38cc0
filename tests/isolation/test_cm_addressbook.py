"""Another account's ids on CM's wire: in bodies, among one's own, in v1.0's query."""

import asyncpg
import httpx

from reachbook.core import ids
from tests.isolation.walk import BASE, V1
from tests.isolation.world import OPTED_OUT, Request, World, everything_of
from tests.support import Client


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
