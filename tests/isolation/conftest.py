"""Alice's world."""

from uuid import UUID

import asyncpg
import pytest

from reachbook.core import ids, indexing, segments
from reachbook.core.imports import Options
from reachbook.database.pool import Pool
from tests.isolation.world import EMAIL, OPTED_OUT, PHONE, World
from tests.support import Client, worked_on

FILE = b"First name,Mobile,E-mail\nWhite Rabbit,+31627100003,\nHatter,Unbirthday,\nHare,+31627100004,marmalade@\n"
UNINDEXED = """
SELECT count(*) FROM contact c WHERE c.account_id = $1
    AND NOT EXISTS (SELECT 1 FROM contact_search s WHERE s.account_id = c.account_id AND s.contact_id = c.id)
"""


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
    filtered = {"attribute": "first_name", "operator": "EQ", "value": "Cheshire"}
    segment = await segments.create(db, alice.account, ids.new_id(), UUID(group["id"]), "Cats", filtered, ids.now())
    parameters["segmentId"] = str(segment.id)
    options = Options(group_name="Tea party")
    done = await worked_on(db, alice.account, FILE, "Queen of hearts.csv", "start", options)
    ready = await worked_on(db, alice.account, FILE, "Knave of hearts.csv", "preview", options)
    assert (done.state, done.created, done.refused, ready.state) == ("done", 1, 2, "ready")
    while await owner.fetchval(UNINDEXED, alice.account):
        await indexing.index_due(db, ids.now())
    parameters["importId"] = str(done.id)
    imported = [str(done.id), str(ready.id), "of hearts", "White Rabbit", "Hatter", "Unbirthday", "marmalade", "+31627100003"]
    read = [
        "Cats",
        str(segment.id),
        group["id"],
        hidden["id"],
        contact["id"],
        "Tea party",
        "Croquet ground",
        "Cheshire",
        "Dormouse",
        "Rabbit hole",
        "Down and down",
    ]
    return World(
        parameters, str(ready.id), {*read, *imported, EMAIL, PHONE, OPTED_OUT, "Off with her head", str(alice.account), alice.token}
    )
