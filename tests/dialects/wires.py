"""What the wires call the same things: a wire is an entry of WIRES.

Values of a contact are told by Digitaleo's names of its properties, which has most of them, and CM's `insertion`; what is absent or null is
left out.
"""

import csv
import io
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple

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
}
"""What fields are called for people: CM's fields, and columns of our own exports."""

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
OF_DIGITALEO = ("firstName", "lastName", "email", "phone", "mobile", "fax", *LABELS)


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


class Account(NamedTuple):
    """One account on every wire."""

    cm: Client
    digitaleo: Digitaleo
    own: Own


def account_of(client: Client) -> Account:
    """The same account by every wire."""
    headers = {"Authorization": f"Bearer {client.token}"}
    url = client.base_url.copy_with(path="/digitaleo/rest/")
    return Account(client, Digitaleo(base_url=url, headers=headers, timeout=60, verify=False), own_client(client))


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


# --- our own


async def own_lines(book: Account, id: str) -> Values:
    """JSON Lines."""
    rows = [json.loads(line) for line in (await book.own.export()).splitlines()]
    return named(next(row for row in rows if row["id"] == id), OF_OWN | LABELS)


async def own_table(book: Account, id: str) -> Values:
    """CSV."""
    rows = csv.DictReader(io.StringIO((await book.own.export("csv")).decode()))
    return named({name: _unguarded(value) for name, value in next(row for row in rows if row["id"] == id).items()}, OF_CSV | LABELS)


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
    make: Callable[[Account, str, Values], Awaitable[str]] | None = None
    """A contact in an empty group."""
    write: Callable[[Account, str, Values], Awaitable[None]] | None = None
    opt_out: Callable[[Account, str, str, str], Awaitable[None]] | None = None
    opt_in: Callable[[Account, str, str], Awaitable[None]] | None = None
    reason: Callable[[Account, str, str], Awaitable[str | None]] | None = None
    """Why an address is opted out; None if it is not."""
    gives_reason: bool = False
    name: Callable[[Account, str, str], Awaitable[None]] | None = None
    """Of a group."""
    named: Callable[[Account, str], Awaitable[str]] | None = None


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
        hidden=frozenset({"insertion"}),
        make=make_digitaleo,
        write=write_digitaleo,
        opt_out=opt_out_digitaleo,
        opt_in=open_digitaleo,
        reason=reason_digitaleo,
        gives_reason=True,
        name=name_digitaleo,
        named=named_digitaleo,
    ),
    "own": Wire(views=(own_lines, own_table), make=make_own),
}
