"""One walk through everything that a first hour touches."""

from tests.support import Client


async def test_first_hour(alice: Client, bob: Client) -> None:
    group = await alice.group(name="QuickStart")
    contact = await alice.contact(group["id"], firstName="John", insertion="van", lastName="Doe", phoneNumber="0627100000")
    assert contact["phoneNumber"] == "+31627100000"
    assert (await alice.get(f"contacts/{contact['id']}")).json() == contact
    assert (await alice.post("optout/sms/+31627100000")).json() == {"type": "sms", "value": "+31627100000", "isActive": True}
    assert (await alice.get("dump/sms", params={"groupIds": group["id"]})).json() == []
    assert [found["id"] for found in (await alice.get("search", params={"q": "john"})).json()] == [contact["id"]]
    assert (await bob.get(f"contacts/{contact['id']}")).status_code == 404
    assert (await bob.get("search", params={"q": "john"})).json() == []
