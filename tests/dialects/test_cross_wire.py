"""The same contact, field, group and opt-out through every wire at once: nothing here waits."""

import json
from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import Any

import pytest

from tests.dialects.wires import (
    LABELS,
    MACROS,
    NOBODY,
    OF_CSV,
    OF_DEVINO,
    OF_DIGITALEO,
    PREDEFINED,
    WIRES,
    Account,
    Values,
    account_of,
    cm_fields,
    cm_json,
    group_of,
    guid,
    make_devino,
    named_devino,
    numbers,
    undeclared,
)
from tests.support import Client

EMAIL, MOBILE, LANDLINE, FAX = "ann@digit.example", "+31627100001", "+31201234567", "+31201234568"
FULL: dict[str, str] = {name: f"{name}, é" for name in OF_DIGITALEO} | {
    "insertion": "van",
    "email": EMAIL,
    "mobile": MOBILE,
    "phone": LANDLINE,
    "fax": FAX,
    "birthDate": "1980-02-29",
    "latitude": "-45.764",
    "field01": "=1+1",
    "gender": "gender.male",
    "timezone": "Europe/Amsterdam",
}
OTHER: dict[str, str] = {name: f"Other {value}" for name, value in FULL.items()} | {
    "birthDate": "1990-12-31",
    "email": "Bea@digit.example",
    "mobile": "+31627100002",
    "phone": "+31207654321",
    "fax": "+31207654322",
    "gender": "gender.female",
}
OPT_OUTS = {"email": EMAIL, "sms": MOBILE, "voice": MOBILE, "voicemail": MOBILE}
CHANNELS = {"email": "EMAIL", "sms": "SMS", "voice": "VOICE"}
"""What Devino asks for opt-outs by."""
REASONS = {type: ("contact", "user", "hardbounced", "spam") if type == "email" else ("contact", "user") for type in OPT_OUTS}


@pytest.fixture
async def book(alice: Client, bob: Client) -> AsyncGenerator[Account]:
    """Alice's account; nothing that is done in it shows in Bob's."""
    hers, his = account_of(alice), account_of(bob)
    async with hers.opened(), his.opened():
        before = await everything(his)
        yield hers
        assert await everything(his) == before


async def everything(book: Account) -> list[Any]:
    """What an account has."""
    seen: list[Any] = [await book.digitaleo.rows(resource) for resource in ("contacts", "lists", "optouts", "fields")]
    seen += [await cm_json(book, path) for path in ("groups", "optout", "fields")]
    lists = await book.devino.lists()
    seen += [lists, [await book.devino.range(one["contactGroupId"]) for one in lists]]
    return [*seen, await book.digitaleo.statistics(), await book.own.contacts()]


async def seen(book: Account, id: str, values: Values) -> None:
    """Every wire shows these values, as far as it has a place for them, and no others."""
    for name, wire in WIRES.items():
        hidden = wire.hidden | (await wire.undeclared(book, id) if wire.undeclared else set())
        expected = {key: value for key, value in values.items() if value and key not in hidden}
        for view in wire.views:
            assert await view(book, id) == expected, f"{name}, {view.__name__}"


async def listed(book: Account, name: str = "Readers") -> str:
    """The id of a new list."""
    return (await book.digitaleo.create("lists", name=name))["id"]


async def declaring(book: Account, names: Iterable[str]) -> str:
    """The id of a new list that declares the fields of these properties, so that Devino shows them."""
    macros = [LABELS[name] for name in names]
    number = await book.devino.create("Readers", macros)
    [told] = await book.devino.lists()
    assert [field["name"] for field in told["fields"] if not field["isDefault"]] == macros
    return await group_of(book, number)


async def full_contact(book: Account, group: str) -> str:
    """A contact with every value there can be. No wire has a place for all of them."""
    id = await make_devino(book, group, {name: FULL[name] for name in ("firstName", "email", "gender", "timezone")})
    await book.digitaleo.update("contacts", id, **{name: FULL[name] for name in OF_DIGITALEO})
    assert (await book.cm.put(f"contacts/{id}", json={"insertion": FULL["insertion"]})).status_code == 200
    return id


def wires(call: str) -> list[str]:
    """Those that have it."""
    return [name for name, wire in WIRES.items() if getattr(wire, call) is not None]


# --- contacts


@pytest.mark.parametrize("maker", wires("make"))
async def test_a_contact_that_one_wire_makes_is_seen_by_all(maker: str, book: Account) -> None:
    group = await declaring(book, PREDEFINED)
    values = {name: FULL[name] for name in (*OF_CSV, *PREDEFINED) if name not in WIRES[maker].hidden}
    id = await WIRES[maker].make(book, group, values)  # type: ignore[misc]
    await seen(book, id, values)
    assert list(await cm_fields(book)) == [LABELS[name] for name in PREDEFINED]


async def test_a_contact_with_everything_that_devino_has(book: Account) -> None:
    """Its own properties, which become fields, and macros, which already are."""
    group = await declaring(book, MACROS)
    fields = await cm_fields(book)
    assert sorted(fields) == sorted(LABELS[name] for name in {*PREDEFINED, *MACROS})
    values = {name: value for name, value in FULL.items() if name not in WIRES["devino"].hidden}
    id = await make_devino(book, group, values)
    assert await undeclared(book, id) == set()
    await seen(book, id, values)
    assert set(await cm_fields(book)) - set(fields) == {LABELS[name] for name in OF_DEVINO if name in LABELS}


@pytest.mark.parametrize(
    ("writer", "name"), [(writer, name) for writer in wires("write") for name in FULL if name not in WIRES[writer].hidden]
)
async def test_a_value_that_one_wire_writes_is_seen_by_all(writer: str, name: str, book: Account) -> None:
    """And nothing else of the contact is lost, what the writer has no place for neither."""
    id = await full_contact(book, await declaring(book, MACROS))
    for value in (OTHER[name], None):
        await WIRES[writer].write(book, id, {name: value})  # type: ignore[misc]
        await seen(book, id, FULL | {name: value})


async def test_a_number_is_the_same_however_a_wire_writes_it(book: Account) -> None:
    group = await listed(book)
    for written, value in (("06 27100001", MOBILE), ("0031627100002", "+31627100002")):
        made = await book.digitaleo.create("contacts", listIds=group, mobile=written)
        assert (await cm_json(book, f"contacts/{made['id']}"))["phoneNumber"] == value
        assert [row["id"] for row in await book.digitaleo.rows("contacts", mobile=value)] == [made["id"]]
    changed = await book.cm.put(f"contacts/{made['id']}", json={"phoneNumber": "06-27100003"})
    assert (await book.digitaleo.rows("contacts", id=made["id"]))[0]["mobile"] == changed.json()["phoneNumber"] == "+31627100003"


async def test_search_finds_at_once_what_another_wire_wrote(book: Account) -> None:
    group = await listed(book, "Ornithologists")
    made = await book.digitaleo.create("contacts", listIds=group, firstName="Wren", company="Aviary")
    await book.digitaleo.update("contacts", made["id"], lastName="Kinglet")
    for words in ("wren", "kinglet", "aviary"):
        assert [row["id"] for row in await cm_json(book, "search", q=words)] == [made["id"]]
    assert [row["id"] for row in await cm_json(book, "search/groups", q="ornithologist")] == [group]
    await book.digitaleo.update("contacts", made["id"], lastName=None)
    assert await cm_json(book, "search", q="kinglet") == []


@pytest.mark.parametrize("deleter", ["cm", "digitaleo"])
async def test_a_contact_that_one_wire_deletes_is_gone_from_all(deleter: str, book: Account) -> None:
    group = await listed(book)
    id = await full_contact(book, group)
    if deleter == "cm":
        assert (await book.cm.delete(f"contacts/{id}")).status_code == 204
    else:
        assert await book.digitaleo.count("DELETE", "contacts", id=id) == 1
    assert (await book.cm.get(f"contacts/{id}")).status_code == 404
    assert await cm_json(book, f"groups/{group}/contacts") == await cm_json(book, "dump/push", contactIds=id) == []
    assert await book.devino.range((await numbers(book))[group]) == []
    assert await book.digitaleo.rows("contacts") == await book.own.contacts() == []
    assert await counted(book, group) == (0, 0)


# --- groups


async def counted(book: Account, group: str) -> tuple[int, int]:
    """How many contacts a group has, by CM and by Digitaleo, which says the same in two places."""
    [row] = await book.digitaleo.rows("lists", id=group, properties="stats")
    subscribers = int(row["stats"]["subscribers"])
    assert (await book.digitaleo.statistics(listId=group))["subscribers"] == subscribers
    return (await cm_json(book, f"groups/{group}"))["contactsAmount"], subscribers


@pytest.mark.parametrize("writer", wires("name"))
async def test_a_group_is_called_the_same_everywhere(writer: str, book: Account) -> None:
    by_devino = await group_of(book, await book.devino.create("Tea party"))
    assert await named_devino(book, by_devino) == "Tea party"
    for id in (await listed(book, "Tea party"), (await book.cm.group(name="Tea party"))["id"], by_devino):
        for name in ("Croquet", "Çroquet  ground"):
            await WIRES[writer].name(book, id, name)  # type: ignore[misc]
            assert {reader: await WIRES[reader].named(book, id) for reader in wires("named")} == dict.fromkeys(wires("named"), name)  # type: ignore[misc]


async def test_lists_and_groups_are_the_same(book: Account) -> None:
    ids = [await listed(book, "First"), (await book.cm.group(name="Second"))["id"]]
    ids.append(await group_of(book, await book.devino.create("Third")))
    groups = await cm_json(book, "groups")
    lists = await book.digitaleo.rows("lists", properties="DEFAULT,dateCreated", sort="id ASC")
    assert [group["id"] for group in groups] == [one["id"] for one in lists] == ids
    assert [group["createdOnUtc"][:19].replace("T", " ") for group in groups] == [one["dateCreated"] for one in lists]
    assert [one["name"] for one in lists] == ["First", "Second", "Third"]
    theirs = await book.devino.lists()
    assert [one["creationDate"].replace("T", " ") for one in theirs] == [one["dateCreated"] for one in lists]
    assert [one["name"] for one in theirs] == ["First", "Second", "Third"]
    known = [int(number) for number in (await numbers(book)).values()]
    assert known == sorted(set(known))  # by age, like the ids
    for one in theirs:
        [contact] = await book.devino.batch(one["contactGroupId"], {"phone": MOBILE[1:]})
        assert await book.devino.found(one["contactGroupId"]) == [guid(contact["result"]["contactId"])]
    assert [await counted(book, id) for id in ids] == [(1, 1)] * 3
    assert [one["contactsCount"] for one in await book.devino.lists()] == ["1"] * 3


async def test_what_one_wire_does_not_show_of_a_group_is_not_lost_by_its_update(book: Account) -> None:
    """Digitaleo's description, CM's flags, Devino's type, macros and autoDelete."""
    number = await book.devino.create("Rookery", ["Wingspan"], "STOPLIST", autoDeleteEnabled=True)
    [before], theirs = await book.devino.lists(), await group_of(book, number)
    await book.digitaleo.update("lists", theirs, name="Aviary", description="Upstairs")
    assert (await book.cm.put(f"groups/{theirs}", json={"name": "Dovecote", "isFavorite": True})).status_code == 200
    [after] = await book.devino.lists()
    assert after == before | {"name": "Dovecote", "lastUpdate": after["lastUpdate"]}
    assert await book.devino.remove(number) == ["OK"]
    id = (await book.digitaleo.create("lists", name="Tea party", description="At six"))["id"]
    flags = {"isFavorite": True, "isHidden": True, "isMarketing": True, "bypassOptOut": True}
    changed = await book.cm.put(f"groups/{id}", json={"name": "Croquet"} | flags)
    assert changed.status_code == 200
    assert await book.digitaleo.rows("lists", id=id) == [{"id": id, "name": "Croquet", "description": "At six"}]
    await book.digitaleo.update("lists", id, name="Mock turtle", description="At seven")
    assert await cm_json(book, f"groups/{id}") == changed.json() | {"name": "Mock turtle"}


async def is_active(book: Account, group: str) -> bool:
    """As both wires have it."""
    [row] = await book.digitaleo.rows("lists", id=group, properties="active")
    assert [one["id"] for one in await book.digitaleo.rows("lists", active=str(row["active"]).lower())] == [group]
    assert (await cm_json(book, f"groups/{group}"))["isLockedForSending"] is not row["active"]
    return row["active"]


async def activate(book: Account, wire: str, group: str, is_to_be: bool) -> None:
    """Or deactivate."""
    if wire == "cm":
        assert (await book.cm.put(f"groups/{group}", json={"isLockedForSending": not is_to_be})).status_code == 200
    else:
        await book.digitaleo.update("lists", group, active=is_to_be)


async def test_an_inactive_list_is_a_group_locked_for_sending(book: Account) -> None:
    group = await listed(book)
    assert await is_active(book, group)
    for wire, is_to_be in (("cm", False), ("digitaleo", True), ("digitaleo", False), ("cm", True)):
        await activate(book, wire, group, is_to_be)
        assert await is_active(book, group) is is_to_be
    made = await book.digitaleo.create("lists", name="Asleep", active=False)
    assert (await cm_json(book, f"groups/{made['id']}"))["isLockedForSending"] is True


async def test_a_group_that_cm_locks_for_editing_is_locked_for_digitaleo(book: Account) -> None:
    group = await listed(book)
    id, other = await full_contact(book, group), (await book.digitaleo.create("contacts", firstName="Bea"))["id"]
    await book.cm.put(f"groups/{group}", json={"isLockedForEditing": True})
    for resource, action, given in (
        ("contacts", "create", {"listIds": group, "firstName": "Cas"}),
        ("contacts", "update", {"id": id, "metaData": {"firstName": "Cas"}}),
        ("contacts", "update", {"id": other, "metaData": {"listIds": group}}),
        ("contacts", "delete", {"id": id}),
        ("lists", "contactadd", {"id": group, "metaData": {"contactIds": other}}),
        ("lists", "contactremove", {"id": group, "metaData": {"contactIds": id}}),
        ("lists", "delete", {"id": group}),
    ):
        answer = await book.digitaleo.post(resource, json={"action": action} | given)
        assert answer.status_code == 409, (action, answer.text)
    number = (await numbers(book))[group]
    batch = await book.devino.post("contacts/batch", json={"contactGroupId": number, "contacts": [{"phone": MOBILE}]})
    assert (batch.status_code, batch.json()["reasons"][0]["key"]) == (409, "contactGroupId.locked")
    assert await book.devino.remove(number) == ["REJECTED"]
    await seen(book, id, FULL)
    assert await counted(book, group) == (1, 1)


async def test_counts_are_the_same(book: Account) -> None:
    group = await listed(book)
    for number, values in enumerate(({}, {"mobile": MOBILE}, {"email": EMAIL}, {"phone": LANDLINE}, {"mobile": MOBILE, "email": EMAIL}), 1):
        made = await book.digitaleo.create("contacts", listIds=group, firstName="Ann", **values)
        assert await counted(book, group) == (number, number)
    assert [one["contactsCount"] for one in await book.devino.lists()] == ["5"]
    row = await cm_json(book, f"groups/{group}")
    assert (row["emptyEmails"], row["emptyNumbers"]) == (3, 3)
    expected = {"subscribers": 5, "sms": 2, "email": 2, "voice": 3, "voicemail": 3}
    assert await book.digitaleo.statistics() == await book.digitaleo.statistics(listId=group) == expected
    await book.cm.put(f"contacts/{made['id']}", json={"phoneNumber": None})
    assert await book.digitaleo.statistics(listId=group) == expected | {"sms": 1, "voice": 2, "voicemail": 2}
    await book.cm.delete(f"contacts/{made['id']}")
    assert await counted(book, group) == (4, 4)


# --- memberships


async def groups_of(book: Account, id: str) -> list[str]:
    """Digitaleo's lists of a contact, each of which finds it by CM and Digitaleo under this very group."""
    [row] = await book.digitaleo.rows("contacts", id=id)
    known = await numbers(book)
    assert [group for group, number in known.items() if id in await book.devino.found(number)] == sorted(row["listIds"])
    for group in row["listIds"]:
        assert id in [one["id"] for one in await book.digitaleo.rows("contacts", listId=group)]
        for path, query in ((f"groups/{group}/contacts", {}), ("dump/push", {"groupIds": group}), (f"groups/{group}/search", {"q": "Ann"})):
            assert [one["groupId"] for one in await cm_json(book, path, **query) if one["id"] == id] == [group]
        assert id.encode() in await book.own.export(groupId=group)
    return row["listIds"]


async def first_group(book: Account, id: str) -> str:
    """Where CM says that a contact is when it is asked for by id."""
    return (await cm_json(book, f"contacts/{id}"))["groupId"]


async def test_a_contact_in_several_lists(book: Account) -> None:
    """CM sees it in each group, by that group's id; by its own id in the first."""
    one, two, three = [await listed(book, name) for name in ("One", "Two", "Three")]
    id = (await book.cm.contact(two, firstName="Ann"))["id"]
    assert await groups_of(book, id) == [two]
    assert await book.digitaleo.count("PUT", "lists", action="contactadd", id=f"{one},{three}", metaData={"contactIds": id}) == 1
    assert sorted(await groups_of(book, id)) == sorted([one, two, three])
    assert await first_group(book, id) == (await groups_of(book, id))[0] == two
    assert [await counted(book, group) for group in (one, two, three)] == [(1, 1)] * 3
    assert [row["groupId"] for row in await cm_json(book, "dump/push", contactIds=id)] == [two]
    await book.digitaleo.update("contacts", id, listIds=[one, three])
    assert await first_group(book, id) == (await groups_of(book, id))[0]
    assert await groups_of(book, id) == [one, three]
    assert await cm_json(book, f"groups/{two}/contacts") == []


async def test_a_contact_in_several_lists_is_dumped_once(book: Account) -> None:
    one, two = await listed(book, "One"), await listed(book, "Two")
    id = (await book.digitaleo.create("contacts", firstName="Ann", listIds=[one, two]))["id"]
    rows = await cm_json(book, "dump/push", groupIds=f"{one},{two}", contactIds=id)
    assert [(row["id"], row["groupId"] in (one, two)) for row in rows] == [(id, True)]


async def test_a_contact_in_no_list(book: Account) -> None:
    group = await listed(book)
    never = (await book.digitaleo.create("contacts", firstName="Ann"))["id"]
    removed = (await book.cm.contact(group, firstName="Ann"))["id"]
    assert await book.digitaleo.count("PUT", "lists", action="contactremove", id=group, metaData={"contactIds": removed}) == 1
    for id in (never, removed):
        assert await groups_of(book, id) == []
        assert await first_group(book, id) == NOBODY
    assert sorted(row["groupId"] for row in await cm_json(book, "search", q="Ann")) == [NOBODY, NOBODY]
    assert len(await book.own.contacts()) == 2
    changed = await book.cm.put(f"contacts/{never}", json={"lastName": "Reader", "groupId": NOBODY})
    assert (changed.status_code, changed.json()["groupId"]) == (200, NOBODY)
    moved = await book.cm.put(f"contacts/{never}", json={"groupId": group})
    assert (moved.status_code, moved.json()["groupId"]) == (200, group)
    assert await groups_of(book, never) == [group]


async def test_the_dump_of_a_contact_in_no_list(book: Account) -> None:
    """Every stored contact has a groupId (cm-addressbook.md), in JSON and in CSV."""
    id = (await book.digitaleo.create("contacts", firstName="Ann"))["id"]
    [row] = await cm_json(book, "dump/push", contactIds=id)
    assert row.get("groupId") == NOBODY
    lines = (await book.cm.get("dump/push", params={"contactIds": id, "format": "csv", "fields": "groupId"})).text.split()
    assert lines == ["id,groupId", f"{id},{NOBODY}"]


async def test_cm_moves_a_contact(book: Account) -> None:
    one, two, three = [await listed(book, name) for name in ("One", "Two", "Three")]
    id = (await book.digitaleo.create("contacts", firstName="Ann", listIds=one))["id"]
    assert (await book.cm.put(f"contacts/{id}", json={"groupId": two})).status_code == 200
    assert await groups_of(book, id) == [two]
    await book.digitaleo.count("PUT", "lists", action="contactadd", id=three, metaData={"contactIds": id})
    await book.cm.put(f"contacts/{id}", json={"firstName": "Ann", "groupId": two})  # as a client writes back what it has read
    assert await groups_of(book, id) == [two, three]


async def test_deleting_a_list_leaves_its_contacts(book: Account) -> None:
    group = await listed(book)
    id = await full_contact(book, group)
    assert await book.digitaleo.count("DELETE", "lists", id=group) == 1
    assert (await book.cm.get(f"groups/{group}")).status_code == 404
    assert await first_group(book, id) == NOBODY
    assert await groups_of(book, id) == []


@pytest.mark.parametrize("deleter", ["cm", "devino"])
async def test_deleting_a_group_takes_the_contacts_that_are_in_no_other(deleter: str, book: Account) -> None:
    one, two = await listed(book, "One"), await listed(book, "Two")
    alone, both = [
        (await book.digitaleo.create("contacts", firstName="Ann", mobile=MOBILE, listIds=lists))["id"] for lists in ([one], [one, two])
    ]
    await WIRES["cm"].opt_out(book, "sms", MOBILE, "user")  # type: ignore[misc]
    if deleter == "cm":
        assert (await book.cm.delete(f"groups/{one}")).status_code == 204
    else:
        assert await book.devino.remove((await numbers(book))[one], "1") == ["OK", "REJECTED"]
    assert await WIRES["cm"].reason(book, "sms", MOBILE) == "user"  # type: ignore[misc]
    assert list(await numbers(book)) == [two]
    assert [row["id"] for row in await book.digitaleo.rows("lists")] == [two]
    assert await book.digitaleo.rows("contacts", id=alone) == []
    assert await groups_of(book, both) == [two]
    assert (await book.cm.delete(f"groups/{two}/contacts")).status_code == 204
    assert await book.digitaleo.rows("contacts") == []


# --- properties and fields


async def test_a_property_becomes_a_field_when_it_is_first_written(book: Account) -> None:
    predefined = [LABELS[name] for name in PREDEFINED]
    id = (await book.digitaleo.create("contacts", listIds=await listed(book), firstName="Ann", city=" ", zipcode=None))["id"]
    assert list(await cm_fields(book)) == predefined
    made: list[str] = []
    for name, label in LABELS.items():
        if name not in PREDEFINED and name in OF_DIGITALEO:
            await book.digitaleo.update("contacts", id, **{name: FULL[name]})
            made.append(label)
            assert await cm_fields(book) == {label: id for id, label in enumerate([*predefined, *made], 6)}
    await seen(book, id, {"firstName": "Ann"} | {name: FULL[name] for name in LABELS if name not in PREDEFINED and name in OF_DIGITALEO})


@pytest.mark.parametrize("name", ["city", "birthDate", "field11", "company", "field01"])
async def test_cm_renames_the_field_of_a_property(name: str, book: Account) -> None:
    """It stays the same field: Digitaleo reads and writes it, whatever another field is called."""
    by_cm, by_digitaleo = ("1991-01-31", "1992-02-29") if name == "birthDate" else ("By CM", "By Digitaleo")
    id = (await book.digitaleo.create("contacts", listIds=await listed(book), **{name: FULL[name]}))["id"]
    field = (await cm_fields(book))[LABELS[name]]
    assert (await book.cm.put(f"fields/{field}", json={"name": "Called otherwise"})).status_code == 200
    again = (await book.cm.post("fields", json={"name": LABELS[name]})).json()["id"]
    await book.cm.put(f"contacts/{id}", json={"customValues": [{"fieldId": field, "value": by_cm}, {"fieldId": again, "value": "Else"}]})
    assert (await book.digitaleo.rows("contacts", **{name: by_cm}))[0][name] == by_cm
    await book.digitaleo.update("contacts", id, **{name: by_digitaleo})
    values = (await cm_json(book, f"contacts/{id}"))["customValues"]
    assert values == sorted(
        [{"fieldId": field, "value": by_digitaleo}, {"fieldId": again, "value": "Else"}], key=lambda value: value["fieldId"]
    )
    [row] = await book.own.contacts()
    named = {header.partition(" [")[0]: value for header, value in row.items()}  # the id behind: it is not the property of this name
    assert (named["Called otherwise"], named[LABELS[name]]) == (by_digitaleo, "Else")


async def test_cm_deletes_the_field_of_a_property(book: Account) -> None:
    ids = [
        (await book.digitaleo.create("contacts", listIds=await listed(book), firstName="Ann", city=city))["id"] for city in ("Lyon", "Nice")
    ]
    field = (await cm_fields(book))["City"]
    assert (await book.cm.delete(f"fields/{field}")).status_code == 204
    assert [row["city"] for row in await book.digitaleo.rows("contacts")] == [None, None]
    [told] = await book.digitaleo.rows("fields", name="city")
    assert (told["count"], told["max"]) == (0, 0)
    await seen(book, ids[0], {"firstName": "Ann"})
    await book.digitaleo.update("contacts", ids[0], city=None)
    assert "City" not in await cm_fields(book)
    await book.digitaleo.update("contacts", ids[0], city="Metz")
    assert (await cm_fields(book))["City"] == field + 1  # ids are never used again
    await seen(book, ids[0], {"firstName": "Ann", "city": "Metz"})
    await seen(book, ids[1], {"firstName": "Ann"})


async def test_a_property_without_a_field_finds_nobody(book: Account) -> None:
    id = (await book.digitaleo.create("contacts", firstName="Ann"))["id"]
    assert await book.digitaleo.rows("contacts", city="Lyon") == await book.digitaleo.rows("contacts", city="Lyon", total="true") == []
    await book.digitaleo.update("contacts", id, city="Lyon")
    assert [row["id"] for row in await book.digitaleo.rows("contacts", city="Lyon")] == [id]
    await book.cm.delete(f"fields/{(await cm_fields(book))['City']}")
    assert await book.digitaleo.rows("contacts", city="Lyon") == await book.digitaleo.rows("contacts", city="Lyon", total="true") == []


@pytest.mark.parametrize("name", ["City", "city", "Postal code", "CustomField11"])
async def test_a_field_that_was_there_by_the_name_is_the_propertys(name: str, book: Account) -> None:
    field = (await book.cm.post("fields", json={"name": name})).json()["id"]
    group = await listed(book)
    property = next(property for property, label in LABELS.items() if label.lower() == name.lower())
    old = (await book.cm.contact(group, customValues=[{"fieldId": field, "value": "Before"}]))["id"]
    assert [row["id"] for row in await book.digitaleo.rows("contacts", **{property: "Before"})] == [old]
    new = (await book.digitaleo.create("contacts", listIds=group, **{property: "After"}))["id"]
    assert (await cm_fields(book))[name] == field
    assert len(await cm_fields(book)) == len(PREDEFINED) + 1
    assert {row["id"]: row[property] for row in await book.digitaleo.rows("contacts")} == {old: "Before", new: "After"}
    assert (await cm_json(book, f"contacts/{new}"))["customValues"] == [{"fieldId": field, "value": "After"}]


async def test_how_many_have_a_value_is_told_of_all(book: Account) -> None:
    """Digitaleo's fields count what other wires wrote."""
    group = await listed(book)
    await book.cm.contact(group, firstName="Ann", insertion="van", phoneNumber=MOBILE, customValues=[{"fieldId": 6, "value": "Aviary"}])
    await book.own.bring("First name,Company\nBartholomew,Rookery\n", groupId=group)
    told = {row["name"]: (row["count"], row["max"]) for row in await book.digitaleo.rows("fields")}
    assert (told["firstName"], told["company"], told["mobile"], told["email"]) == ((2, 11), (2, 7), (1, 12), (0, 0))


# --- opt-outs


CASES = [
    (writer, type, reason)
    for writer in wires("opt_out")
    for type, reasons in REASONS.items()
    for reason in reasons
    if WIRES[writer].gives_reason or reason == "user"
]


async def person(book: Account) -> tuple[str, str]:
    """A group and a contact in it that every medium reaches."""
    group = await listed(book)
    return group, await WIRES["digitaleo"].make(book, group, {"email": EMAIL, "mobile": MOBILE, "firstName": "Ann"})  # type: ignore[misc]


async def is_out(book: Account, group: str, id: str, type: str, *, alone: bool = True) -> bool:
    """Whether the filtered reads leave a contact out, on which they agree, for this type and (`alone`) for no other."""
    for other in set(OPT_OUTS) - {type} if alone else ():
        assert [row["id"] for row in await cm_json(book, f"dump/{other}", groupIds=group)] == [id]
    single = await book.cm.get(f"contacts/{id}", params={"optOutTokenType": type})
    found = [await cm_json(book, f"groups/{group}/contacts", optOutTokenType=type)]
    found += [await cm_json(book, f"dump/{type}", **{by: of}) for by, of in (("groupIds", group), ("contactIds", id))]
    lines = (await book.cm.get(f"dump/{type}", params={"groupIds": group, "format": "csv", "fields": "id"})).text.split()[1:]
    assert [[row["id"] for row in rows] for rows in found] == [lines] * 3
    assert single.status_code == (200 if lines else 404)
    if type in CHANNELS:
        number = (await numbers(book))[group]
        for state, expected in (("SUBSCRIBED", lines), ("UNSUBSCRIBED", [] if lines else [id])):
            query = {"subscriptionChannel": CHANNELS[type], "subscriptionState": state}
            assert await book.devino.found(number, **query) == expected, state
    return not lines


async def opted_out(book: Account, group: str, id: str, type: str, reason: str | None) -> None:
    """Every wire says so wherever it says anything of it; None: it is not."""
    for name in wires("reason"):
        assert await WIRES[name].reason(book, type, OPT_OUTS[type]) == WIRES[name].told(reason), name  # type: ignore[misc]
    [row] = await book.digitaleo.rows("contacts", id=id)
    assert {other: row[f"{other}Optout"] for other in OPT_OUTS} == dict.fromkeys(OPT_OUTS) | {type: reason}
    assert len(await book.digitaleo.rows("contacts", **{f"{type}Optout": reason or "user"})) == (reason is not None)
    assert await is_out(book, group, id, type) is (reason is not None)
    expected = {"subscribers": 1} | dict.fromkeys(OPT_OUTS, 1) | {type: int(reason is None)}
    assert await book.digitaleo.statistics() == await book.digitaleo.statistics(listId=group) == expected


async def history(book: Account, type: str) -> list[tuple[bool, str, str, str]]:
    """Everything that happened to the address, the newest first."""
    entries = await cm_json(book, f"optout/{type}/{OPT_OUTS[type]}/history")
    return [(entry["isActive"], entry["reason"], entry["source"], entry["createdBy"]) for entry in entries]


@pytest.mark.parametrize(("writer", "type", "reason"), CASES)
async def test_an_opt_out_that_one_wire_writes_is_seen_by_all(writer: str, type: str, reason: str, book: Account) -> None:
    """Each of them opens the address again, for all."""
    group, id = await person(book)
    await opted_out(book, group, id, type, None)
    entry, opened = [(is_active, why, "api", str(book.cm.token_id)) for is_active, why in ((True, reason), (False, "user"))]
    expected: list[tuple[bool, str, str, str]] = []
    for opener in wires("opt_in"):
        await WIRES[writer].opt_out(book, type, OPT_OUTS[type], reason)  # type: ignore[misc]
        await opted_out(book, group, id, type, reason)
        expected = [entry, *expected]
        assert await history(book, type) == expected
        await WIRES[opener].opt_in(book, type, OPT_OUTS[type])  # type: ignore[misc]
        await opted_out(book, group, id, type, None)
        expected = [opened, *expected]
        assert await history(book, type) == expected


@pytest.mark.parametrize(("type", "reason"), [(type, reason) for writer, type, reason in CASES if writer == "digitaleo"])
async def test_an_opt_out_as_a_property_of_the_contact(type: str, reason: str, book: Account) -> None:
    """Null takes nothing back: that is said of the address alone."""
    group, id = await person(book)
    await book.digitaleo.update("contacts", id, **{f"{type}Optout": reason})
    await opted_out(book, group, id, type, reason)
    await book.digitaleo.update("contacts", id, **{f"{type}Optout": None})
    await book.cm.put(f"contacts/{id}", json={"lastName": "Reader"})
    await opted_out(book, group, id, type, reason)
    assert await history(book, type) == [(True, reason, "api", str(book.cm.token_id))]


async def test_the_last_reason_is_the_one_that_all_see(book: Account) -> None:
    group, id = await person(book)
    for wire, reason in (("digitaleo", "spam"), ("cm", "user"), ("digitaleo", "hardbounced")):
        await WIRES[wire].opt_out(book, "email", EMAIL, reason)  # type: ignore[misc]
        await opted_out(book, group, id, "email", reason)
    assert await book.digitaleo.count("PUT", "optouts", id=f"email:{EMAIL}", metaData={"reason": "contact"}) == 1
    await opted_out(book, group, id, "email", "contact")
    assert [reason for _, reason, _, _ in await history(book, "email")] == ["contact", "hardbounced", "user", "spam"]


@pytest.mark.parametrize("writer", wires("opt_out"))
async def test_an_opt_out_of_a_landline(writer: str, book: Account) -> None:
    """CM does not show the number, and opts it out like any other."""
    id = (await book.digitaleo.create("contacts", phone=LANDLINE, listIds=await listed(book)))["id"]
    await WIRES[writer].opt_out(book, "voice", LANDLINE, "user")  # type: ignore[misc]
    [row] = await book.digitaleo.rows("contacts", id=id)
    assert (row["smsOptout"], row["voiceOptout"], row["voicemailOptout"]) == (None, "user", None)
    assert await book.digitaleo.statistics() == {"subscribers": 1, "sms": 0, "email": 0, "voice": 0, "voicemail": 1}
    for name in wires("reason"):
        assert await WIRES[name].reason(book, "voice", LANDLINE) == WIRES[name].told("user")  # type: ignore[misc]


async def test_an_opt_out_by_cms_bulk_is_seen_by_digitaleo(book: Account) -> None:
    group, id = await person(book)
    for is_active, reason in ((True, "user"), (False, None)):
        rows = [{"type": "sms", "value": MOBILE, "isActive": is_active}]
        assert (await book.cm.post("optout/bulk", json=rows)).json() == 1
        await opted_out(book, group, id, "sms", reason)


async def test_an_opt_out_holds_for_who_comes_later(book: Account) -> None:
    """The address is opted out, whoever makes the contact."""
    group = await listed(book)
    await WIRES["digitaleo"].opt_out(book, "sms", MOBILE, "contact")  # type: ignore[misc]
    for maker in wires("make"):
        id = await WIRES[maker].make(book, group, {"email": EMAIL, "mobile": MOBILE, "firstName": "Ann"})  # type: ignore[misc]
        await opted_out(book, group, id, "sms", "contact")
        assert await book.digitaleo.count("DELETE", "contacts", id=id) == 1


# --- stop lists, macros and segments


STOPPED = ("sms", "voice", "voicemail", "whatsapp", "rcs", "viber")
"""What a phone is opted out of."""


async def stopped(book: Account, group: str, id: str) -> None:
    """Every wire has the contact's addresses opted out."""
    for type, value in OPT_OUTS.items():
        for name in wires("reason"):
            assert await WIRES[name].reason(book, type, value) == WIRES[name].told("user"), (name, type)  # type: ignore[misc]
        assert [(is_active, why, source) for is_active, why, source, _ in await history(book, type)] == [(True, "user", "import")]
        assert await is_out(book, group, id, type, alone=False)
    [row] = await book.devino.range((await numbers(book))[group])
    told = {one["data"]: [channel["channel"] for channel in one["channelList"]] for one in row["unsubscribedData"]}
    assert told == {MOBILE[1:]: [type.upper() for type in STOPPED], EMAIL: ["EMAIL"]}


@pytest.mark.parametrize("maker", wires("make"))
async def test_who_is_made_in_a_stop_list_is_opted_out_for_all(maker: str, book: Account) -> None:
    """Before and after it is deleted; only what opens an address does."""
    number = await book.devino.create("Left us", type="STOPLIST")
    group = await group_of(book, number)
    id = await WIRES[maker].make(book, group, {"email": EMAIL, "mobile": MOBILE, "firstName": "Ann"})  # type: ignore[misc]
    await stopped(book, group, id)
    assert await book.devino.remove(number) == ["OK"]
    again, id = await person(book)
    await opted_out_of_all(book, again, id)
    for opener in wires("opt_in"):
        await WIRES[opener].opt_out(book, "sms", MOBILE, "user")  # type: ignore[misc]
        await WIRES[opener].opt_in(book, "sms", MOBILE)  # type: ignore[misc]
        assert not await is_out(book, again, id, "sms", alone=False)


async def opted_out_of_all(book: Account, group: str, id: str) -> None:
    """As the filtered reads have it."""
    assert [await is_out(book, group, id, type, alone=False) for type in OPT_OUTS] == [True] * len(OPT_OUTS)


@pytest.mark.parametrize("way", ["cm", "digitaleo", "address"])
async def test_who_gets_into_a_stop_list_is_opted_out_for_all(way: str, book: Account) -> None:
    """Moved, added, or given the address there; who leaves it again stays opted out."""
    stops = await group_of(book, await book.devino.create("Left us", type="STOPLIST"))
    if way == "address":
        id = (await book.digitaleo.create("contacts", firstName="Ann", listIds=stops))["id"]
        await book.digitaleo.update("contacts", id, email=EMAIL, mobile=MOBILE)
    else:
        _, id = await person(book)
        assert await cm_json(book, "optout") == []
        if way == "cm":
            assert (await book.cm.put(f"contacts/{id}", json={"groupId": stops})).status_code == 200
        else:
            assert await book.digitaleo.count("PUT", "lists", action="contactadd", id=stops, metaData={"contactIds": id}) == 1
    await stopped(book, stops, id)
    await book.digitaleo.update("contacts", id, listIds=[other := await listed(book, "Other")])
    await opted_out_of_all(book, other, id)


async def test_a_list_that_deletes_unused_contacts_is_a_list_like_any_other(book: Account) -> None:
    group = await group_of(book, await book.devino.create("Passers-by", autoDeleteEnabled=True))
    id = await make_devino(book, group, {"firstName": "Ann", "mobile": MOBILE})
    await seen(book, id, {"firstName": "Ann", "mobile": MOBILE})
    assert [row["listIds"] for row in await book.digitaleo.rows("contacts", id=id)] == [[group]]
    assert await first_group(book, id) == group
    assert await counted(book, group) == (1, 1)
    other = await listed(book, "Regulars")
    assert [one["name"] for one in await book.devino.lists(autoDeleteEnabled="true")] == ["Passers-by"]
    assert [one["name"] for one in await book.devino.lists(autoDeleteEnabled="false")] == ["Regulars"]
    await book.digitaleo.update("contacts", id, listIds=[other])
    await seen(book, id, {"firstName": "Ann", "mobile": MOBILE})


async def test_macros_are_fields_of_the_account(book: Account) -> None:
    """Each wire writes them, by the rule of their type; a list shows what it declares."""
    macros = [{"name": "Wingspan", "displayName": "How wide", "type": 2}, {"name": "Diet", "type": 3, "values": ["Seeds", "Worms"]}]
    number = await book.devino.result("POST", "contact-groups", json={"name": "Birds", "fields": macros})
    group, fields = await group_of(book, number), await cm_fields(book)
    assert list(fields) == [*(LABELS[name] for name in PREDEFINED), "Wingspan", "Diet"]
    id = await make_devino(book, group, {"firstName": "Ann", "mobile": MOBILE})
    for span, diet in (("12", "Worms"), ("13", "Seeds")):
        values = [{"fieldId": fields["Wingspan"], "value": f"0{span}"}, {"fieldId": fields["Diet"], "value": diet.lower()}]
        assert (await book.cm.put(f"contacts/{id}", json={"customValues": values})).status_code == 200
        assert await macros_of(book, number) == {"Wingspan": [span], "Diet": [diet]}
        [row] = await book.own.contacts()
        assert (row["Wingspan"], row["Diet"]) == (span, diet)
    for name, value in (("Wingspan", "wide"), ("Diet", "Fish")):
        refused = await book.cm.put(f"contacts/{id}", json={"customValues": [{"fieldId": fields[name], "value": value}]})
        assert refused.status_code == 400, refused.text
        done = await book.own.bring(f"First name,{name}\nBea,{value}\n", groupId=group)
        assert (done["created"], done["refused"]) == (0, 1)
    assert (await book.own.bring("First name,Wingspan,Diet\nBea,7,worms\n", groupId=await listed(book, "No birds")))["created"] == 1
    other = next(known for known in (await numbers(book)).values() if known != number)
    assert await macros_of(book, number) == {"Wingspan": ["13"], "Diet": ["Seeds"]}
    assert await macros_of(book, other) == {}
    await renamed_and_deleted(book, number, fields)


async def macros_of(book: Account, number: str) -> dict[str, list[str]]:
    """What the one contact of a list has in the fields that the list declares."""
    [row] = await book.devino.range(number)
    return {field["name"]: field.get("value", []) for field in row["fields"] if not field["isDefault"]}


async def renamed_and_deleted(book: Account, number: str, fields: dict[str, int]) -> None:
    """By CM: what people call it in the list stays, its name there does not."""
    assert (await book.cm.put(f"fields/{fields['Wingspan']}", json={"name": "Span"})).status_code == 200
    assert await macros_of(book, number) == {"Span": ["13"], "Diet": ["Seeds"]}
    assert await book.devino.found(number, queryName="Span", queryOperator="GT", queryValue="9") != []
    told = next(field for one in await book.devino.lists() for field in one["fields"] if field["name"] == "Span")
    assert (told["displayName"], told["type"]) == ("How wide", 2)
    assert (await book.cm.delete(f"fields/{fields['Diet']}")).status_code == 204
    assert await macros_of(book, number) == {"Span": ["13"]}


async def test_a_property_that_devino_alone_has_becomes_a_field(book: Account) -> None:
    id = await make_devino(book, await listed(book), {"firstName": "Ann", "mobile": MOBILE})
    assert list(await cm_fields(book)) == [LABELS[name] for name in PREDEFINED]
    [row] = await book.devino.range(next(iter((await numbers(book)).values())))
    assert [field["name"] for field in row["fields"]] == [name for name in OF_DEVINO.values() if name not in ("phone", "email")]
    assert await book.digitaleo.count("DELETE", "contacts", id=id) == 1
    values = {"mobile": MOBILE, "gender": "gender.female", "timezone": "Europe/Paris"}
    id = await make_devino(book, await listed(book), values)
    fields = await cm_fields(book)
    assert list(fields)[len(PREDEFINED) :] == ["Gender", "Timezone"]
    await seen(book, id, values)
    refused = await book.cm.put(f"contacts/{id}", json={"customValues": [{"fieldId": fields["Gender"], "value": "other"}]})
    assert refused.status_code == 400


async def test_a_duplicate_check_sees_what_all_wires_made(book: Account) -> None:
    """In this list, whatever made the contact and however the number is written."""
    for maker in wires("make"):
        group = await declaring(book, ["company"])
        await WIRES[maker].make(book, group, {"mobile": MOBILE, "email": EMAIL, "company": "Aviary"})  # type: ignore[misc]
        number = (await numbers(book))[group]
        for unique in ("phone", "email", "Company"):
            row = {"phone": "06 27100001", "email": EMAIL.upper(), "fields": [{"name": "Company", "value": "Aviary"}]}
            verdicts = await book.devino.batch(number, row, duplicateCheckField=unique)
            assert [one["result"].get("localizationKey") for one in verdicts] == ["DUPLICATE_VALUE"], (maker, unique)
        assert await counted(book, group) == (1, 1)
        assert await book.devino.remove(number) == ["OK"]


async def test_a_segment_is_the_same_everywhere(book: Account) -> None:
    """The own API, Devino's range, CM's dump, which leaves out who is opted out, and the export."""
    group, other = await declaring(book, ["company"]), await listed(book, "Other")
    number = (await numbers(book))[group]
    made = [
        await make_devino(book, group, {"firstName": name, "mobile": f"+3162710000{n}", "city": city, "company": company})
        for n, (name, city, company) in enumerate((("Ann", "Lyon", "Aviary"), ("Bea", "Lyon", "Aviary"), ("Cas", "Metz", "Aviary")), 1)
    ]
    outside = await make_devino(book, other, {"firstName": "Dot", "mobile": "+31627100004", "city": "Lyon"})
    answer = await book.own.post("segments", json={"name": "Lyon", "groupId": group, "filter": {"attribute": "city", "value": "Lyon"}})
    assert answer.status_code == 201, answer.text
    segment = answer.json()["id"]
    assert {one["contactGroupId"]: one["segmentsCount"] for one in await book.devino.lists()} == {
        number: "1",
        (await numbers(book))[other]: "0",
    }
    await in_segment(book, segment, number, made[:2], made[:2])
    await WIRES["digitaleo"].opt_out(book, "sms", "+31627100001", "contact")  # type: ignore[misc]
    await in_segment(book, segment, number, made[:2], made[1:2])
    await book.digitaleo.update("contacts", made[2], city="Lyon")
    await in_segment(book, segment, number, made, made[1:])
    await book.cm.delete(f"contacts/{made[1]}")
    await in_segment(book, segment, number, [made[0], made[2]], made[2:])
    assert (
        await book.devino.get("contacts/http/range", params={"contactGroupId": (await numbers(book))[other], "segmentId": segment})
    ).status_code == 404
    everywhere = (await book.own.post("segments", json={"name": "Any", "filter": {"attribute": "city", "value": "Lyon"}})).json()["id"]
    assert await book.devino.found((await numbers(book))[other], segmentId=everywhere) == [outside]


async def in_segment(book: Account, segment: str, number: str, ids: Sequence[str], reachable: Sequence[str]) -> None:
    """Who is in it; whom an SMS may be sent to."""
    of_own = await book.own.get(f"segments/{segment}/contacts")
    assert [row["id"] for row in of_own.json()] == await book.devino.found(number, segmentId=segment) == list(ids)
    exported = [json.loads(line)["id"] for line in (await book.own.export(segmentId=segment)).splitlines()]
    assert exported == list(ids)
    assert await dumped(book, segmentId=segment) == list(reachable)
    subscribed = {"subscriptionChannel": "SMS", "subscriptionState": "SUBSCRIBED"}
    assert await book.devino.found(number, segmentId=segment, **subscribed) == list(reachable)


# --- deactivated lists


async def dumped(book: Account, **of: str) -> list[str]:
    """Whom the dump has, in both of its forms."""
    rows = [row["id"] for row in await cm_json(book, "dump/sms", **of)]
    assert (await book.cm.get("dump/sms", params={"format": "csv", "fields": "id"} | of)).text.split()[1:] == rows
    return rows


async def three(book: Account) -> tuple[str, str, Sequence[str]]:
    """Two lists; three contacts: in the first, in both, in the second."""
    asleep, awake = await listed(book, "Asleep"), await listed(book, "Awake")
    lists = ([asleep], [awake, asleep], [awake])
    ids = [(await book.digitaleo.create("contacts", mobile=f"+3162710000{n}", listIds=of))["id"] for n, of in enumerate(lists)]
    return asleep, awake, ids


@pytest.mark.parametrize(("sleeper", "waker"), [("cm", "digitaleo"), ("digitaleo", "cm")])
async def test_contacts_of_a_deactivated_list_leave_every_dump(sleeper: str, waker: str, book: Account) -> None:
    asleep, awake, ids = await three(book)
    every = ",".join(ids)
    assert (await dumped(book, groupIds=awake), await dumped(book, groupIds=asleep)) == (ids[1:], ids[:2])
    await activate(book, sleeper, asleep, is_to_be=False)
    for of in ({"groupIds": asleep}, {"groupIds": f"{awake},{asleep}"}, {"groupIds": asleep, "contactIds": every}):
        assert (await book.cm.get("dump/sms", params=of)).status_code == 409
    assert await dumped(book, groupIds=awake) == await dumped(book, contactIds=every) == ids[2:]
    assert await dumped(book, groupIds=awake, contactIds=every) == await dumped(book, groupIds=awake, reachableOnly="true") == ids[2:]
    assert await dumped(book, groupIds=awake, take="1") == ids[2:]
    assert await dumped(book, groupIds=awake, lastGuid=ids[2]) == []
    await activate(book, waker, asleep, is_to_be=True)
    assert (await dumped(book, groupIds=awake), await dumped(book, groupIds=asleep)) == (ids[1:], ids[:2])
    assert await dumped(book, contactIds=every) == ids


@pytest.mark.parametrize(("sleeper", "waker"), [("cm", "digitaleo"), ("digitaleo", "cm")])
async def test_contacts_of_a_deactivated_list_cannot_be_reached(sleeper: str, waker: str, book: Account) -> None:
    """They are counted as subscribers and nothing else; contacts and lists show as before."""
    asleep, awake, _ = await three(book)
    before = await shown(book)
    for is_to_be, wire, reachable in ((False, sleeper, (1, 0, 1)), (True, waker, (3, 2, 2))):
        await activate(book, wire, asleep, is_to_be)
        told = [await book.digitaleo.statistics(**of) for of in ({}, {"listId": asleep}, {"listId": awake})]
        assert [row["subscribers"] for row in told] == [3, 2, 2]
        for medium in ("sms", "voice", "voicemail"):
            assert tuple(row[medium] for row in told) == reachable
        stats = {row["id"]: row["stats"]["sms"] for row in await book.digitaleo.rows("lists", properties="id,stats")}
        assert stats == {asleep: str(reachable[1]), awake: str(reachable[2])}
        assert await shown(book) == before


async def shown(book: Account) -> list[Any]:
    """The contacts on every wire, and how many a group has."""
    groups = [(group["id"], group["contactsAmount"]) for group in await cm_json(book, "groups")]
    members = [await cm_json(book, f"groups/{id}/contacts") for id, _ in groups]
    ranges = [await book.devino.range(one["contactGroupId"]) for one in await book.devino.lists()]
    return [groups, members, ranges, await book.digitaleo.rows("contacts"), await book.own.contacts()]


async def test_who_joins_or_leaves_a_deactivated_list(book: Account) -> None:
    """Seen by the next dump, whichever wire moved the contact."""
    asleep, awake, ids = await three(book)
    await activate(book, "digitaleo", asleep, is_to_be=False)
    await book.digitaleo.count("PUT", "lists", action="contactremove", id=asleep, metaData={"contactIds": ids[1]})
    assert await dumped(book, groupIds=awake) == ids[1:]
    assert (await book.cm.put(f"contacts/{ids[0]}", json={"groupId": awake})).status_code == 200
    assert await dumped(book, groupIds=awake) == ids
    await book.digitaleo.count("PUT", "lists", action="contactadd", id=asleep, metaData={"contactIds": ",".join(ids[1:])})
    assert await dumped(book, groupIds=awake) == ids[:1]
    assert (await book.digitaleo.statistics())["sms"] == 1
    assert await book.digitaleo.count("DELETE", "lists", id=asleep) == 1
    assert await dumped(book, groupIds=awake) == ids
    assert (await book.digitaleo.statistics())["sms"] == 3
