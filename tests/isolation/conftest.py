"""Alice's world."""

from uuid import UUID

import pytest

from reachbook.core import ids, segments
from reachbook.core.imports import Options
from reachbook.database.pool import Pool
from tests.isolation import channels, inbound
from tests.isolation.devino import objects
from tests.isolation.world import EMAIL, OPTED_OUT, PHONE, World, indexed
from tests.support import Client, worked_on

FILE = b"First name,Mobile,E-mail\nWhite Rabbit,+31627100003,\nHatter,Unbirthday,\nHare,+31627100004,marmalade@\n"


@pytest.fixture
async def world(alice: Client, bob: Client, db: Pool) -> World:
    """Alice has at least one of everything; Bob has a group and a contact of his own."""
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
    others = await objects(db, alice.account, 900)
    options = Options(group_name="Tea party")
    done = await worked_on(db, alice.account, FILE, "Queen of hearts.csv", "start", options)
    ready = await worked_on(db, alice.account, FILE, "Knave of hearts.csv", "preview", options)
    assert (done.state, done.created, done.refused, ready.state) == ("done", 1, 2, "ready")
    await indexed(db, alice.account)
    parameters["importId"] = str(done.id)
    of_channels = await channels.objects(db, alice.account)
    came_in, said = await inbound.objects(db, alice.account, of_channels.parameters)
    parameters |= came_in
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
        *others,
    ]
    return World(
        parameters,
        str(ready.id),
        {*read, *imported, *of_channels.secrets, *said, EMAIL, PHONE, OPTED_OUT, "Off with her head", str(alice.account), alice.token},
        of_channels,
    )
