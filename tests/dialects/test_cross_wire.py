"""The same contact, field, group and opt-out through every wire at once: nothing here waits."""

from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest

from tests.dialects.wires import (
    LABELS,
    NOBODY,
    OF_CSV,
    OF_DIGITALEO,
    PREDEFINED,
    WIRES,
    Account,
    Values,
    account_of,
    cm_fields,
    cm_json,
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
}
OTHER: dict[str, str] = {name: f"Other {value}" for name, value in FULL.items()} | {
    "birthDate": "1990-12-31",
    "email": "Bea@digit.example",
    "mobile": "+31627100002",
    "phone": "+31207654321",
    "fax": "+31207654322",
}
OPT_OUTS = {"email": EMAIL, "sms": MOBILE, "voice": MOBILE, "voicemail": MOBILE}
REASONS = {type: ("contact", "user", "hardbounced", "spam") if type == "email" else ("contact", "user") for type in OPT_OUTS}


@pytest.fixture
async def book(alice: Client, bob: Client) -> AsyncGenerator[Account]:
    """Alice's account; nothing that is done in it shows in Bob's."""
    hers, his = account_of(alice), account_of(bob)
    async with hers.digitaleo, hers.own, his.digitaleo, his.own:
        before = await everything(his)
        yield hers
        assert await everything(his) == before


async def everything(book: Account) -> list[Any]:
    """What an account has."""
    seen: list[Any] = [await book.digitaleo.rows(resource) for resource in ("contacts", "lists", "optouts", "fields")]
    seen += [await cm_json(book, path) for path in ("groups", "optout", "fields")]
    return [*seen, await book.digitaleo.statistics(), await book.own.contacts()]


async def seen(book: Account, id: str, values: Values) -> None:
    """Every wire shows these values, as far as it has a place for them, and no others."""
    for name, wire in WIRES.items():
        expected = {key: value for key, value in values.items() if value and key not in wire.hidden}
        for view in wire.views:
            assert await view(book, id) == expected, f"{name}, {view.__name__}"


async def listed(book: Account, name: str = "Readers") -> str:
    """The id of a new list."""
    return (await book.digitaleo.create("lists", name=name))["id"]


async def full_contact(book: Account, group: str) -> str:
    """A contact with every value there can be."""
    id = (await book.digitaleo.create("contacts", listIds=group, **{name: FULL[name] for name in OF_DIGITALEO}))["id"]
    assert (await book.cm.put(f"contacts/{id}", json={"insertion": FULL["insertion"]})).status_code == 200
    return id


def wires(call: str) -> list[str]:
    """Those that have it."""
    return [name for name, wire in WIRES.items() if getattr(wire, call) is not None]


# --- contacts


@pytest.mark.parametrize("maker", wires("make"))
async def test_a_contact_that_one_wire_makes_is_seen_by_all(maker: str, book: Account) -> None:
    group = await listed(book)
    values = {name: FULL[name] for name in (*OF_CSV, *PREDEFINED) if name not in WIRES[maker].hidden}
    id = await WIRES[maker].make(book, group, values)  # type: ignore[misc]
    await seen(book, id, values)
    assert list(await cm_fields(book)) == [LABELS[name] for name in PREDEFINED]


@pytest.mark.parametrize(
    ("writer", "name"), [(writer, name) for writer in wires("write") for name in FULL if name not in WIRES[writer].hidden]
)
async def test_a_value_that_one_wire_writes_is_seen_by_all(writer: str, name: str, book: Account) -> None:
    """And nothing else of the contact is lost, what the writer has no place for neither."""
    id = await full_contact(book, await listed(book))
    await seen(book, id, FULL)
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
    for id in (await listed(book, "Tea party"), (await book.cm.group(name="Tea party"))["id"]):
        for name in ("Croquet", "Çroquet  ground"):
            await WIRES[writer].name(book, id, name)  # type: ignore[misc]
            assert {reader: await WIRES[reader].named(book, id) for reader in wires("named")} == dict.fromkeys(wires("named"), name)  # type: ignore[misc]


async def test_lists_and_groups_are_the_same(book: Account) -> None:
    ids = [await listed(book, "First"), (await book.cm.group(name="Second"))["id"]]
    groups = await cm_json(book, "groups")
    lists = await book.digitaleo.rows("lists", properties="DEFAULT,dateCreated", sort="id ASC")
    assert [group["id"] for group in groups] == [one["id"] for one in lists] == ids
    assert [group["createdOnUtc"][:19].replace("T", " ") for group in groups] == [one["dateCreated"] for one in lists]
    assert [one["name"] for one in lists] == ["First", "Second"]


async def test_what_one_wire_does_not_show_of_a_group_is_not_lost_by_its_update(book: Account) -> None:
    """Digitaleo's description, CM's flags."""
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
    await seen(book, id, FULL)
    assert await counted(book, group) == (1, 1)


async def test_counts_are_the_same(book: Account) -> None:
    group = await listed(book)
    for number, values in enumerate(({}, {"mobile": MOBILE}, {"email": EMAIL}, {"phone": LANDLINE}, {"mobile": MOBILE, "email": EMAIL}), 1):
        made = await book.digitaleo.create("contacts", listIds=group, firstName="Ann", **values)
        assert await counted(book, group) == (number, number)
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


async def test_deleting_a_group_takes_the_contacts_that_are_in_no_other(book: Account) -> None:
    one, two = await listed(book, "One"), await listed(book, "Two")
    alone, both = [(await book.digitaleo.create("contacts", firstName="Ann", listIds=lists))["id"] for lists in ([one], [one, two])]
    assert (await book.cm.delete(f"groups/{one}")).status_code == 204
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
        if name not in PREDEFINED:
            await book.digitaleo.update("contacts", id, **{name: FULL[name]})
            made.append(label)
            assert await cm_fields(book) == {label: id for id, label in enumerate([*predefined, *made], 6)}
    await seen(book, id, {"firstName": "Ann"} | {name: FULL[name] for name in LABELS if name not in PREDEFINED})


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


async def is_out(book: Account, group: str, id: str, type: str) -> bool:
    """Whether the filtered reads leave a contact out, on which they agree, for this type and for no other."""
    for other in set(OPT_OUTS) - {type}:
        assert [row["id"] for row in await cm_json(book, f"dump/{other}", groupIds=group)] == [id]
    single = await book.cm.get(f"contacts/{id}", params={"optOutTokenType": type})
    found = [await cm_json(book, f"groups/{group}/contacts", optOutTokenType=type)]
    found += [await cm_json(book, f"dump/{type}", **{by: of}) for by, of in (("groupIds", group), ("contactIds", id))]
    lines = (await book.cm.get(f"dump/{type}", params={"groupIds": group, "format": "csv", "fields": "id"})).text.split()[1:]
    assert [[row["id"] for row in rows] for rows in found] == [lines] * 3
    assert single.status_code == (200 if lines else 404)
    return not lines


async def opted_out(book: Account, group: str, id: str, type: str, reason: str | None) -> None:
    """Every wire says so wherever it says anything of it; None: it is not."""
    for name in wires("reason"):
        assert await WIRES[name].reason(book, type, OPT_OUTS[type]) == reason, name  # type: ignore[misc]
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
    id = (await book.digitaleo.create("contacts", phone=LANDLINE))["id"]
    await WIRES[writer].opt_out(book, "voice", LANDLINE, "user")  # type: ignore[misc]
    [row] = await book.digitaleo.rows("contacts", id=id)
    assert (row["smsOptout"], row["voiceOptout"], row["voicemailOptout"]) == (None, "user", None)
    assert await book.digitaleo.statistics() == {"subscribers": 1, "sms": 0, "email": 0, "voice": 0, "voicemail": 1}
    for name in wires("reason"):
        assert await WIRES[name].reason(book, "voice", LANDLINE) == "user"  # type: ignore[misc]


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
    return [groups, members, await book.digitaleo.rows("contacts"), await book.own.contacts()]


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
