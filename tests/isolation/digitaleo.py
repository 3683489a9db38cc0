"""Every way to ask on Digitaleo's wire: by the verb or by `action`, in the query, a form or a JSON body."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from reachbook.dialects.digitaleo import parameters, routes
from tests.isolation.walk import DIGITALEO_BASE
from tests.isolation.world import Request
from tests.support import Client

ACTIONS: dict[str, Mapping[str, routes.Action]] = {
    "contacts": routes.CONTACTS,
    "contacts/import": {"import": routes.import_contacts},
    "lists": routes.LISTS,
    "optouts": routes.OPTOUTS,
    "fields": routes.FIELDS,
    "statistics": routes.STATISTICS,
}
ORDER = ("read", "create", "update", "contactremove", "contactadd", "import", "delete")
"""An action finds what the ones before it have left."""
PLACES = ("query", "form", "json")
FILE = b"id,mobile\n{id},+31627100008\n"
ALIAS = "Queen's court"

Expected = Literal["nothing", "refused", "his own"]


class Objects(NamedTuple):
    """Something of Alice's: a contact in a list, opted out of SMS."""

    list: str
    name: str
    contact: str
    phone: str
    email: str


async def objects(alice: Client, number: int) -> Objects:
    """Other ones for each number, so that who deletes some spoils no others."""
    name, phone, email = f"Tea party {number}", f"+3162710010{number}", f"hatter{number}@alice.example"
    group = await alice.group(name=name)
    contact = await alice.contact(group["id"], firstName="Cheshire", phoneNumber=phone, email=email)
    assert (await alice.post(f"optout/sms/{phone}")).status_code == 200
    return Objects(group["id"], name, contact["id"], phone, email)


class Ask(NamedTuple):
    """A request that does something with Alice's objects, and what Bob must get for it."""

    action: str
    way: str
    request: Request
    expected: Expected


def ways(method: str, path: str) -> list[str]:
    """The ways to ask: in which place, and whether the verb itself says what is to be done."""
    by = ["action", "verb"] if parameters.VERBS[method] in actions_of(path) else ["action"]
    return [f"{place} by {one}" for one in by for place in PLACES]


def resource_of(path: str) -> str:
    """`contacts` of `/digitaleo/rest/contacts` and of the route that takes its files."""
    return path.removeprefix(f"{DIGITALEO_BASE}/").partition("/")[0]


def actions_of(path: str) -> Mapping[str, routes.Action]:
    """What can be done there."""
    return ACTIONS[path.removeprefix(f"{DIGITALEO_BASE}/")]


def asks(method: str, path: str, way: str, hers: Objects) -> Iterator[Ask]:
    """All actions in order (or the verb's own) with all that they take."""
    resource, (place, _, by) = resource_of(path), way.split(" ")
    known = sorted(actions_of(path), key=ORDER.index) if by == "action" else [parameters.VERBS[method]]
    for action in known:
        for given, expected in taken(resource, action, hers):
            whole = given | {"action": action} if by == "action" else given
            yield Ask(action, way, _request(method, path, place, whole, hers if action == "import" else None), expected)


def _request(method: str, path: str, place: str, given: dict[str, Any], importing: Objects | None) -> Request:
    """A file comes in a form; what else there is beside it in the query or in the same form."""
    flat = {name: value if isinstance(value, str) else json.dumps(value) for name, value in given.items()}
    file = FILE.replace(b"{id}", importing.contact.encode()) if importing else None
    query = flat if place == "query" else {}
    form = flat if place == "form" or (place == "json" and file) else None
    return Request(method, path, query, given if place == "json" and not file else None, is_bearer=True, form=form, file=file)


def taken(resource: str, action: str, hers: Objects) -> list[tuple[dict[str, Any], Expected]]:
    """What an action takes: Alice's ids and addresses, in every parameter that takes one."""
    found = TAKEN[resource][action](hers)
    assert found, f"say what {action} of {resource} takes"
    return found


def _nothing(*given: dict[str, Any]) -> list[tuple[dict[str, Any], Expected]]:
    return [(one, "nothing") for one in given]


def _created_contacts(hers: Objects) -> list[tuple[dict[str, Any], Expected]]:
    row = {"id": hers.contact, "firstName": "Mallory", "mobile": hers.phone, "email": hers.email}
    return [
        (row, "his own"),
        ({"contacts": [row, row]}, "his own"),
        (row | {"listIds": hers.list}, "refused"),
        (row | {"listId": hers.list}, "refused"),
        ({"contacts": [row, row | {"listIds": [hers.list]}]}, "refused"),
    ]


def _members(hers: Objects) -> list[tuple[dict[str, Any], Expected]]:
    return _nothing({"id": hers.list, "metaData": {"contactIds": hers.contact}}, {"id": hers.list, "contactIds": hers.contact})


def _optouts(hers: Objects) -> list[dict[str, Any]]:
    return [{"id": f"sms:{hers.phone}"}, {"type": "sms", "value": hers.phone}]


TAKEN: dict[str, dict[str, Any]] = {
    "contacts": {
        "read": lambda hers: _nothing(
            {"id": hers.contact}, {"listId": hers.list}, {"listIds": hers.list}, {"email": hers.email}, {"mobile": hers.phone}
        ),
        "create": _created_contacts,
        "update": lambda hers: _nothing(
            {"id": hers.contact, "metaData": {"id": hers.contact, "firstName": "Mallory", "smsOptout": "contact"}}
        ),
        "import": lambda hers: [({"listId": hers.list, "id": hers.contact}, "refused")],
        "delete": lambda hers: _nothing({"id": hers.contact}),
    },
    "lists": {
        "read": lambda hers: _nothing({"id": hers.list, "properties": "DEFAULT,stats,importErrors"}, {"name": hers.name}),
        "create": lambda hers: [
            ({"id": hers.list, "name": "Taken"}, "his own"),
            ({"lists": [{"id": hers.list, "name": "Taken"}]}, "his own"),
        ],
        "update": lambda hers: _nothing({"id": hers.list, "metaData": {"id": hers.list, "name": "Taken", "description": "Taken"}}),
        "contactremove": _members,
        "contactadd": _members,
        "delete": lambda hers: _nothing({"id": hers.list}),
    },
    "optouts": {
        "read": lambda hers: _nothing(*_optouts(hers), {"value": hers.phone}),
        "create": lambda hers: [({"id": f"sms:{hers.phone}", "type": "voice", "value": hers.phone, "reason": "user"}, "his own")],
        "update": lambda hers: _nothing(*(one | {"metaData": {"reason": "contact"}} for one in _optouts(hers))),
        "delete": lambda hers: _nothing(*_optouts(hers)),
    },
    "fields": {
        "read": lambda _: [({"name": "company"}, "his own"), ({"alias": ALIAS}, "nothing")],
        "update": lambda _: [({"name": "company", "metaData": {"alias": "Taken"}}, "his own")],
    },
    "statistics": {"read": lambda hers: _nothing({"listId": hers.list}, {"listId": hers.list, "priorities": "SMS,EMAIL"})},
}
