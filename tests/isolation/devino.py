"""Every way to name something on Devino's wire: a list by its number, fields, segments, addresses, push tokens."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple
from uuid import UUID

import httpx

from reachbook.core import group_fields, groups, ids, members, segments
from reachbook.core.group_fields import Declaration
from reachbook.core.groups import Kind, Purpose
from reachbook.core.ids import AccountId
from reachbook.core.members import MemberDraft, Refused
from reachbook.core.push import Device, System
from reachbook.database.pool import Pool
from tests.isolation.walk import DEVINO_BASE
from tests.isolation.world import Request, indexed

Outcome = Literal["refused", "rejected", "nothing", "done"]
NEW = "+31627100200"


class Objects(NamedTuple):
    """A list with a macro, a contact that has a value of it and a segment; a PUSH list with a contact that has a device."""

    list: str
    name: str
    macro: str
    contact: str
    phone: str
    email: str
    segment: str
    push_list: str
    device: str
    push_contact: str


async def objects(db: Pool, account: AccountId, number: int, macro: str = "Teapots") -> Objects:
    """Other ones for each number, so that who deletes some spoils no others."""
    now, of = ids.now(), f"{number:03}"
    macro, phone, email, device = f"{macro} {of}", f"+31627101{of}", f"hatter{of}@alice.example", f"device-of-alice-{of}"
    name = f"Tea party of {of}"
    draft, declared = groups.Draft(name=name), [Declaration(macro)]
    group = await group_fields.create_group(db, account, ids.new_id(), draft, groups.STANDARD, declared, now)
    pushed = await group_fields.create_group(db, account, ids.new_id(), draft, Purpose(Kind.PUSH), [], now)
    contact = MemberDraft({"first_name": "Cheshire", "phone": phone, "email": email}, {macro: f"Down and down {of}"})
    made = [await upload(db, account, group.id, contact)]
    made.append(await upload(db, account, pushed.id, MemberDraft(devices=[Device("tea", System.IOS, device)])))
    filtered = {"attribute": "first_name", "operator": "EQ", "value": "Cheshire"}
    segment = await segments.create(db, account, ids.new_id(), group.id, "Cats", filtered, now)
    await indexed(db, account)
    of_group = str(group.number), name, macro, made[0], phone, email, str(segment.id)
    return Objects(*of_group, str(pushed.number), device, made[1])


async def upload(db: Pool, account: AccountId, group: UUID, contact: MemberDraft) -> str:
    """The id of a new contact as the wire writes it."""
    [id] = await members.upload(db, account, group, [contact], unique=None, actor=ids.new_id(), now=ids.now())
    assert not isinstance(id, Refused), id
    return f"{id.hex[:16]}-{id.hex[16:]}"


def never(number: int) -> Objects:
    """What nobody ever had."""
    id = ids.new_id().hex
    names = f"Tea party 8{number}", f"Nothing {number}", f"{id[:16]}-{id[16:]}", f"+3162710118{number}", f"hatter8{number}@alice.example"
    return Objects(str(7 * 10**18 + number), *names, str(ids.new_id()), str(7 * 10**18 + number + 100), f"no-device-{number}", id)


class Ask(NamedTuple):
    """A request that names something of Alice's; what Bob must get for it, and what she does."""

    request: Request
    his: Outcome
    hers: Outcome


def outcome(answer: httpx.Response) -> Outcome:
    """What became of a request."""
    if answer.status_code in (400, 404):
        return "refused"
    assert answer.status_code == 200, answer.text
    result = answer.json()["result"]
    if not result:
        return "nothing"
    if isinstance(result, list) and {row.get("code", "OK") for row in result} == {"REJECTED"}:
        return "rejected"
    return "done"


def request(method: str, path: str, query: dict[str, Any], json: Any = None) -> Request:
    """With the token in this wire's header."""
    return Request(method, path, query, json, scheme="Key")


def asks(method: str, path: str, of: Objects, own: Objects) -> list[Ask]:
    """All that a route takes, with what `of` names in every parameter; `own` is the caller's, among which it is named."""
    made = TAKEN[method, path.removeprefix(DEVINO_BASE)](of, own)
    assert made, f"say what {method} {path} takes"
    in_body = method == "POST"
    return [Ask(request(method, path, {} if in_body else given, given if in_body else None), *outcomes) for given, *outcomes in made]


Taken = Sequence[tuple[dict[str, Any], Outcome, Outcome]]


def _new_list(of: Objects, _: Objects) -> Taken:
    """Her field is a text; his of the same name is what he says."""
    return [({"name": of.name, "fields": [{"name": of.macro, "displayName": "Taken", "type": 2}]}, "done", "refused")]


def _batch(of: Objects, own: Objects) -> Taken:
    new = [{"phone": NEW}]
    row = {"contactId": of.contact, "phone": of.phone, "email": of.email}
    device = {"appId": "tea", "os": 1, "pushToken": of.device}
    return [
        ({"contactGroupId": int(of.list), "contacts": new}, "refused", "done"),
        ({"contactGroupId": of.list, "contacts": new}, "refused", "done"),
        ({"contactGroupId": f" {of.list} ", "contacts": new}, "refused", "done"),
        ({"contactGroupId": [own.list, of.list], "contacts": new}, "refused", "refused"),
        ({"contactGroupId": f"{own.list},{of.list}", "contacts": new}, "refused", "refused"),
        (
            {"contactGroupId": own.list, "contacts": [{"phone": NEW, "fields": [{"name": of.macro, "value": ["Taken"]}]}]},
            "rejected",
            "done",
        ),
        ({"contactGroupId": own.list, "contacts": new, "duplicateCheckField": of.macro}, "refused", "done"),
        ({"contactGroupId": own.list, "contacts": [row], "duplicateCheckField": "phone"}, "done", "rejected"),
        ({"contactGroupId": own.list, "contacts": [row], "duplicateCheckField": 1}, "done", "rejected"),
        ({"contactGroupId": own.push_list, "contacts": [row | {"pushInfo": [device]}]}, "done", "rejected"),
    ]


def _lists(of: Objects, _: Objects) -> Taken:
    return [
        ({"name": of.name}, "nothing", "done"),
        ({"name": of.name, "type": ["STANDARD,PUSH", "STOPLIST"], "limit": "10000"}, "nothing", "done"),
    ]


def _range(of: Objects, own: Objects) -> Taken:
    mine = {"contactGroupId": own.list}

    def where(name: str, operator: str, value: str) -> dict[str, Any]:
        return mine | {"queryName": name, "queryOperator": operator, "queryValue": value}

    return [
        ({"contactGroupId": of.list}, "refused", "done"),
        ({"contactGroupId": f" {of.list}"}, "refused", "done"),
        ({"contactGroupId": of.push_list}, "refused", "done"),
        ({"contactGroupId": of.list, "segmentId": of.segment}, "refused", "done"),
        (mine | {"segmentId": of.segment}, "refused", "done"),
        ({"contactGroupId": own.push_list, "pushToken": of.device}, "nothing", "done"),
        (where("phone", "EQ", of.phone), "nothing", "done"),
        (where("phone", "IN", f"{of.phone},{NEW}"), "nothing", "done"),
        (where("phone", "LIKE", of.phone), "nothing", "done"),
        (where("email", "LIKE", f"%{of.email}"), "nothing", "done"),
        (where(of.macro, "LIKE", "Down"), "refused", "done"),
        (mine | {"sortByField": of.macro}, "refused", "done"),
        (mine | {"subscriptionChannel": "SMS", "subscriptionState": "SUBSCRIBED", "segmentId": of.segment}, "refused", "done"),
    ]


def _deleted(of: Objects, _: Objects) -> Taken:
    ways: list[dict[str, Any]] = [
        {"ids": of.list},
        {"smsIds": of.list},
        {"ids": [of.list, of.push_list]},
        {"smsIds": f"{of.push_list},{of.list}"},
        {"ids": of.push_list, "smsIds": of.list},
    ]
    return [(way, "rejected", "done") for way in ways]


TAKEN = {
    ("POST", "/contact-groups"): _new_list,
    ("GET", "/contact-groups"): _lists,
    ("DELETE", "/contact-groups"): _deleted,
    ("DELETE", "/contacts-groups"): _deleted,
    ("POST", "/contacts/batch"): _batch,
    ("GET", "/contacts/http/range"): _range,
}
