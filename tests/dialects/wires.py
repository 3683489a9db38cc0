"""What the wires call the same things: a wire is an entry of WIRES.

Values of a contact are told by Digitaleo's names of its properties, which has most of them, and CM's `insertion`; what is absent or null is
left out.
"""

import contextlib
import csv
import io
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Self
from uuid import UUID

import httpx

from tests.dialects.own.support import Own, own_client
from tests.support import Client

Values = Mapping[str, str | None]
NOBODY = "00000000-0000-0000-0000-000000000000"

LABELS = {
    "company": "Company",
    **{f"field{number:02}": f"CustomField{number}" for number in range(1, 16)},
    "civility": "Civility",
    "address1": "Address 1",
    "address2": "Address 2",
    "zipcode": "Postal code",
    "city": "City",
    "state": "State",
    "country": "Country",
    "latitude": "Latitude",
    "longitude": "Longitude",
    "birthDate": "Date of birth",
    "reference": "Reference",
    "facebookId": "Facebook ID",
    "twitterId": "Twitter ID",
    "locale": "Locale",
    "gender": "Gender",
    "timezone": "Timezone",
}
"""What fields are called for people: CM's fields, columns of our own exports, Devino's macros unless every list has them."""

PREDEFINED = {"company": 6, **{f"field{number:02}": 6 + number for number in range(1, 11)}}
"""CM's ids of the fields that every account has."""

OF_CM = {"firstName": "firstName", "insertion": "insertion", "lastName": "lastName", "email": "email", "mobile": "phoneNumber"}
OF_OWN = OF_CM | {"phone": "landline", "fax": "fax"}
OF_CSV = {
    "firstName": "First name",
    "insertion": "Insertion",
    "lastName": "Last name",
    "email": "Email",
    "mobile": "Phone",
    "phone": "Fixed telephone",
    "fax": "Fax",
}
NOT_OF_DIGITALEO = ("insertion", "gender", "timezone")
OF_DIGITALEO = ("firstName", "lastName", "email", "phone", "mobile", "fax", *(name for name in LABELS if name not in NOT_OF_DIGITALEO))
OF_DEVINO = {
    "firstName": "name",
    "lastName": "surname",
    "email": "email",
    "mobile": "phone",
    "gender": "gender",
    "country": "country",
    "city": "city",
    "birthDate": "birthdate",
    "timezone": "timezone",
}
"""What every list of Devino's has; other fields are there where the list declares them."""
MACROS = tuple(name for name in LABELS if name not in OF_DEVINO)


class Digitaleo(httpx.AsyncClient):
    """Paths are resources."""

    async def rows(self, resource: str, **query: str) -> list[dict[str, Any]]:
        """What a read finds."""
        answer = await self.get(resource, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()["list"]

    async def create(self, resource: str, **properties: Any) -> dict[str, Any]:
        """Something new."""
        answer = await self.post(resource, json=properties)
        assert answer.status_code == 200, answer.text
        return answer.json()["list"][0]

    async def count(self, method: str, resource: str, **given: Any) -> int:
        """How many an update or a delete was about."""
        answer = await self.request(method, resource, json=given)
        assert answer.status_code == 200, answer.text
        return answer.json()["count"]

    async def update(self, resource: str, id: str, **properties: Any) -> None:
        """One of them."""
        assert await self.count("PUT", resource, id=id, metaData=properties) == 1

    async def statistics(self, **query: str) -> dict[str, int]:
        """Numbers."""
        answer = await self.get("statistics", params=query)
        assert answer.status_code == 200, answer.text
        return {name: int(value) for name, value in answer.json().items()}


class Devino(httpx.AsyncClient):
    """Paths are relative to the base."""

    async def result(self, method: str, path: str, **given: Any) -> Any:
        """What a call answers."""
        answer = await self.request(method, path, **given)
        assert answer.status_code == 200, answer.text
        return answer.json()["result"]

    async def lists(self, **query: str) -> list[dict[str, Any]]:
        """Lists, the oldest first."""
        return await self.result("GET", "contact-groups", params=query)

    async def create(self, name: str, macros: Iterable[str] = (), type: str = "STANDARD", **properties: Any) -> str:
        """The number of a new list that declares these fields by their names."""
        fields = [{"name": macro, "displayName": f"Their {macro}"} for macro in macros]
        return await self.result("POST", "contact-groups", json={"name": name, "type": type, "fields": fields} | properties)

    async def batch(self, number: str, *contacts: dict[str, Any], **given: str) -> list[dict[str, Any]]:
        """Their verdicts."""
        return await self.result("POST", "contacts/batch", json={"contactGroupId": number, "contacts": contacts} | given)

    async def range(self, number: str, **query: str) -> list[dict[str, Any]]:
        """Contacts of a list."""
        return await self.result("GET", "contacts/http/range", params={"contactGroupId": number} | query)

    async def found(self, number: str, **query: str) -> list[str]:
        """The same by the ids that other wires give them."""
        return [guid(row["contactId"]) for row in await self.range(number, **query)]

    async def remove(self, *numbers: str) -> list[str]:
        """What became of each list."""
        return [one["code"] for one in await self.result("DELETE", "contact-groups", params={"ids": list(numbers)})]


def guid(halves: str) -> str:
    """A contact's id as other wires write it."""
    return str(UUID(halves.replace("-", "")))


class Account(NamedTuple):
    """One account on every wire."""

    cm: Client
    digitaleo: Digitaleo
    devino: Devino
    own: Own

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncGenerator[Self]:
        """While its clients are open; `cm` is somebody else's."""
        async with self.digitaleo, self.devino, self.own:
            yield self


def account_of(client: Client) -> Account:
    """The same account by every wire."""

    def of(kind: type[Any], path: str, scheme: str) -> Any:
        url, headers = client.base_url.copy_with(path=path), {"Authorization": f"{scheme} {client.token}"}
        return kind(base_url=url, headers=headers, timeout=60, verify=False)

    digitaleo, devino = of(Digitaleo, "/digitaleo/rest/", "Bearer"), of(Devino, "/address-book-api/", "Key")
    return Account(client, digitaleo, devino, own_client(client))


# --- CM


async def cm_json(book: Account, path: str, **query: str) -> Any:
    """What CM's wire answers."""
    answer = await book.cm.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def cm_fields(book: Account) -> dict[str, int]:
    """CM's fields by name."""
    return {field["name"]: field["id"] for field in await cm_json(book, "fields")}


async def _from_cm(book: Account, contact: Mapping[str, Any]) -> Values:
    names = {id: name for name, id in (await cm_fields(book)).items()}
    custom = {names[one["fieldId"]]: one["value"] for one in contact.get("customValues", ())}
    return named(contact, OF_CM) | named(custom, LABELS)


def named(row: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, str]:
    """The values that there are, by our names."""
    return {name: row[theirs] for name, theirs in names.items() if row.get(theirs)}


async def cm_single(book: Account, id: str) -> Values:
    """By id."""
    return await _from_cm(book, await cm_json(book, f"contacts/{id}"))


async def cm_listed(book: Account, id: str) -> Values:
    """In the list of its group."""
    group = (await cm_json(book, f"contacts/{id}"))["groupId"]
    rows = await cm_json(book, f"groups/{group}/contacts", getCustomValues="true")
    return await _from_cm(book, next(row for row in rows if row["id"] == id))


async def cm_dumped(book: Account, id: str) -> Values:
    """In the dump."""
    [row] = await cm_json(book, "dump/push", contactIds=id)
    return await _from_cm(book, row)


async def write_cm(book: Account, id: str, values: Values) -> None:
    """Named properties are set; customValues replaces the set, so a client sends all that it has seen."""
    body: dict[str, Any] = {theirs: values[name] for name, theirs in OF_CM.items() if name in values}
    custom = {name: value for name, value in values.items() if name in LABELS}
    if custom:
        fields = await cm_fields(book)
        before = {one["fieldId"]: one["value"] for one in (await cm_json(book, f"contacts/{id}")).get("customValues", ())}
        after = before | {fields[LABELS[name]]: value for name, value in custom.items()}
        body["customValues"] = [{"fieldId": field, "value": value} for field, value in after.items()]
    answer = await book.cm.put(f"contacts/{id}", json=body)
    assert answer.status_code == 200, answer.text


async def make_cm(book: Account, group: str, values: Values) -> str:
    """In a group."""
    custom = [{"fieldId": PREDEFINED[name], "value": value} for name, value in values.items() if name in PREDEFINED]
    own = {theirs: values[name] for name, theirs in OF_CM.items() if name in values}
    return (await book.cm.contact(group, **own, customValues=custom))["id"]


async def opt_out_cm(book: Account, type: str, value: str, _: str) -> None:
    """CM's clients can't say why: it is the account's own decision."""
    answer = await book.cm.post(f"optout/{type}/{value}")
    assert answer.json() == {"type": type, "value": value, "isActive": True}


async def open_cm(book: Account, type: str, value: str) -> None:
    """Opts in again."""
    answer = await book.cm.delete(f"optout/{type}/{value}")
    assert answer.json() == {"type": type, "value": value, "isActive": False}


async def reason_cm(book: Account, type: str, value: str) -> str | None:
    """The newest entry of the history, which agrees with the token, the lists, the search and the export."""
    token = await book.cm.get(f"optout/{type}/{value}")
    entries = await cm_json(book, f"optout/{type}/{value}/history")
    is_active = token.status_code == 200 and token.json()["isActive"]
    assert is_active == bool(entries and entries[0]["isActive"])
    row = {"type": type, "value": value, "isActive": True}
    for path, query in (("optout", {}), (f"optout/{type}", {}), ("optout/search", {"query": value})):
        assert (row in await cm_json(book, path, **query)) == is_active, path
    exported = csv.DictReader(io.StringIO((await book.cm.get("optout/export")).text))
    reasons = [line["Reason"] for line in exported if (line["OptOutType"], line["OptOutValue"]) == (type, value)]
    assert reasons == ([entries[0]["reason"]] if is_active else [])
    return entries[0]["reason"] if is_active else None


async def name_cm(book: Account, id: str, name: str) -> None:
    """A group's name."""
    assert (await book.cm.put(f"groups/{id}", json={"name": name})).status_code == 200


async def named_cm(book: Account, id: str) -> str:
    """A group's name."""
    return (await cm_json(book, f"groups/{id}"))["name"]


# --- Digitaleo


async def digitaleo_single(book: Account, id: str) -> Values:
    """By id."""
    [row] = await book.digitaleo.rows("contacts", id=id)
    return named(row, {name: name for name in OF_DIGITALEO})


async def digitaleo_listed(book: Account, id: str) -> Values:
    """Among all, in CSV."""
    answer = await book.digitaleo.get("contacts", headers={"Accept": "text/csv"})
    row = next(row for row in csv.DictReader(io.StringIO(answer.text)) if row["id"] == id)
    return named(row, {name: name for name in OF_DIGITALEO})


async def write_digitaleo(book: Account, id: str, values: Values) -> None:
    """What is not named stays."""
    await book.digitaleo.update("contacts", id, **values)


async def make_digitaleo(book: Account, group: str, values: Values) -> str:
    """In a list."""
    return (await book.digitaleo.create("contacts", listIds=group, **values))["id"]


async def opt_out_digitaleo(book: Account, type: str, value: str, reason: str) -> None:
    """By address."""
    row = await book.digitaleo.create("optouts", type=type, value=value, reason=reason)
    assert (row["type"], row["value"], row["reason"]) == (type, value, reason)


async def open_digitaleo(book: Account, type: str, value: str) -> None:
    """The one call that opens an address again."""
    assert await book.digitaleo.count("DELETE", "optouts", type=type, value=value) == 1


async def reason_digitaleo(book: Account, type: str, value: str) -> str | None:
    """As the list has it, by address and among all."""
    rows = await book.digitaleo.rows("optouts", type=type, value=value)
    assert [row for row in await book.digitaleo.rows("optouts") if (row["type"], row["value"]) == (type, value)] == rows
    return rows[0]["reason"] if rows else None


async def name_digitaleo(book: Account, id: str, name: str) -> None:
    """A list's name."""
    await book.digitaleo.update("lists", id, name=name)


async def named_digitaleo(book: Account, id: str) -> str:
    """A list's name."""
    return (await book.digitaleo.rows("lists", id=id))[0]["name"]


# --- Devino


async def numbers(book: Account) -> dict[str, str]:
    """The number of each list, by the id that other wires give it: all of them have lists in the order of their age."""
    ours = await book.digitaleo.rows("lists", sort="id ASC")
    theirs = await book.devino.lists()
    assert [one["name"] for one in ours] == [one["name"] for one in theirs]
    return {one["id"]: other["contactGroupId"] for one, other in zip(ours, theirs, strict=True)}


async def group_of(book: Account, number: str) -> str:
    """The id that other wires give a list."""
    return next(group for group, known in (await numbers(book)).items() if known == number)


async def _list_with(book: Account, id: str) -> dict[str, Any]:
    """The one that a contact is in, as Devino has it."""
    [one] = [one for one in await book.devino.lists() if id in await book.devino.found(one["contactGroupId"])]
    return one


async def undeclared(book: Account, id: str) -> frozenset[str]:
    """What the contact's list has no place for."""
    one = await _list_with(book, id)
    declared = {field["name"] for field in one["fields"]}
    return frozenset(name for name in MACROS if LABELS[name] not in declared)


def _from_devino(row: Mapping[str, Any]) -> Values:
    values = {field["name"]: field["value"] for field in row["fields"] if "value" in field}
    assert all(len(value) == 1 for value in values.values())
    single = {name: value for name, [value] in values.items()} | {name: row[name] for name in ("phone", "email") if name in row}
    assert not single.get("phone", "").startswith("+")
    return named(
        single | ({"phone": f"+{single['phone']}"} if "phone" in single else {}), OF_DEVINO | {name: LABELS[name] for name in MACROS}
    )


async def _ranged(book: Account, id: str, number: str, **query: str) -> Values:
    return _from_devino(next(row for row in await book.devino.range(number, **query) if guid(row["contactId"]) == id))


async def devino_listed(book: Account, id: str) -> Values:
    """In its list."""
    return await _ranged(book, id, (await _list_with(book, id))["contactGroupId"])


async def devino_filtered(book: Account, id: str) -> Values:
    """In its list by each of its addresses, or by its name if it has none."""
    number = (await _list_with(book, id))["contactGroupId"]
    shown = await _ranged(book, id, number)
    by = [name for name in ("mobile", "email") if name in shown] or [name for name in ("firstName", "lastName") if name in shown]
    found = [await _ranged(book, id, number, queryName=OF_DEVINO[name], queryValue=str(shown[name])) for name in by]
    assert found == [found[0]] * len(by)
    return found[0]


def devino_row(values: Values) -> dict[str, Any]:
    """A contact as a batch has it."""
    fields = {OF_DEVINO.get(name) or LABELS[name]: value for name, value in values.items() if name not in ("email", "mobile")}
    addresses = {OF_DEVINO[name]: values[name] for name in ("email", "mobile") if name in values}
    return addresses | {"fields": [{"name": name, "value": [value]} for name, value in fields.items()]}


async def make_devino(book: Account, group: str, values: Values) -> str:
    """In a batch."""
    [verdict] = await book.devino.batch((await numbers(book))[group], devino_row(values))
    assert verdict["code"] == "OK", verdict
    return guid(verdict["result"]["contactId"])


async def reason_devino(book: Account, type: str, value: str) -> str | None:
    """As all contacts have it that have the address; it says no reason but spam."""
    shown = value.removeprefix("+")
    told: set[str | None] = set()
    for row in [row for number in (await numbers(book)).values() for row in await book.devino.range(number)]:
        channels = [one["channelList"] for one in row.get("unsubscribedData", ()) if one["data"] == shown]
        reasons = {one["channel"]: one.get("unsubscribedType", "").lower() for of_one in channels for one in of_one}
        if channels or shown in (row.get("phone"), row.get("email")):
            told.add(reasons.get(type.upper()))
    assert len(told) < 2
    return told.pop() if told else None


async def named_devino(book: Account, id: str) -> str:
    """A list's name."""
    number = (await numbers(book))[id]
    return next(one["name"] for one in await book.devino.lists() if one["contactGroupId"] == number)


# --- our own


async def own_lines(book: Account, id: str) -> Values:
    """JSON Lines."""
    rows = [json.loads(line) for line in (await book.own.export()).splitlines()]
    return named(_bare(next(row for row in rows if row["id"] == id)), OF_OWN | LABELS)


async def own_table(book: Account, id: str) -> Values:
    """CSV."""
    rows = csv.DictReader(io.StringIO((await book.own.export("csv")).decode()))
    row = _bare(next(row for row in rows if row["id"] == id))
    return named({name: _unguarded(value) for name, value in row.items()}, OF_CSV | LABELS)


def _bare(row: Mapping[str, str]) -> dict[str, str]:
    """A field that has the name of a property, which nobody has written as one, has its id behind it."""
    return {name.partition(" [")[0]: value for name, value in row.items()}


def _unguarded(value: str) -> str:
    return value.removeprefix("'")


async def make_own(book: Account, group: str, values: Values) -> str:
    """By a file."""
    file, names = io.StringIO(), OF_CSV | LABELS
    csv.writer(file).writerows([[names[name] for name in values], values.values()])
    assert (await book.own.bring(file.getvalue(), groupId=group))["created"] == 1
    [row] = [json.loads(line) for line in (await book.own.export(groupId=group)).splitlines()]
    return row["id"]


class Wire(NamedTuple):
    """How a wire shows and changes the one thing; what it has no call for is None."""

    views: Sequence[Callable[[Account, str], Awaitable[Values]]]
    """Every way it shows a contact."""
    hidden: frozenset[str] = frozenset()
    """What it has no place for."""
    undeclared: Callable[[Account, str], Awaitable[frozenset[str]]] | None = None
    """What the list of this contact has no place for."""
    make: Callable[[Account, str, Values], Awaitable[str]] | None = None
    """A contact in an empty group."""
    write: Callable[[Account, str, Values], Awaitable[None]] | None = None
    opt_out: Callable[[Account, str, str, str], Awaitable[None]] | None = None
    opt_in: Callable[[Account, str, str], Awaitable[None]] | None = None
    reason: Callable[[Account, str, str], Awaitable[str | None]] | None = None
    """Why an address is opted out; None if it is not."""
    reasons: frozenset[str] = frozenset({"contact", "user", "hardbounced", "spam"})
    """Those that it tells; of an opt-out for another one it tells an empty reason."""
    gives_reason: bool = False
    name: Callable[[Account, str, str], Awaitable[None]] | None = None
    """Of a group."""
    named: Callable[[Account, str], Awaitable[str]] | None = None

    def told(self, reason: str | None) -> str | None:
        """What it makes of a reason."""
        return reason if reason is None or reason in self.reasons else ""


WIRES = {
    "cm": Wire(
        views=(cm_single, cm_listed, cm_dumped),
        hidden=frozenset({"phone", "fax"}),
        make=make_cm,
        write=write_cm,
        opt_out=opt_out_cm,
        opt_in=open_cm,
        reason=reason_cm,
        name=name_cm,
        named=named_cm,
    ),
    "digitaleo": Wire(
        views=(digitaleo_single, digitaleo_listed),
        hidden=frozenset(NOT_OF_DIGITALEO),
        make=make_digitaleo,
        write=write_digitaleo,
        opt_out=opt_out_digitaleo,
        opt_in=open_digitaleo,
        reason=reason_digitaleo,
        gives_reason=True,
        name=name_digitaleo,
        named=named_digitaleo,
    ),
    "devino": Wire(
        views=(devino_listed, devino_filtered),
        hidden=frozenset({"insertion", "phone", "fax"}),
        undeclared=undeclared,
        make=make_devino,
        reason=reason_devino,
        reasons=frozenset({"spam"}),
        named=named_devino,
    ),
    "own": Wire(views=(own_lines, own_table), make=make_own),
}
