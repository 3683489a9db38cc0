"""A batch of contacts: what comes → drafts of core, a row at a time, and core's verdicts → what is answered."""

from collections.abc import Iterable
from typing import Any, Literal, cast

import msgspec

from reachbook.core import fields, push
from reachbook.core.errors import Fault, invalid
from reachbook.core.group_fields import Layout
from reachbook.core.kinds import Kind
from reachbook.core.members import DEVICES, MemberDraft, Problem, Refused, Unique, Verdict
from reachbook.core.push import Device, System
from reachbook.dialects.devino.wire import MAIN, NAMES, SYSTEMS, Row, Zone, contact_id, to_utc, whole


def contacts_in(rows: Any, layout: Layout, offset: Zone) -> list[MemberDraft]:
    """The contacts of a batch; what can't be read of one is among its faults. Raises InvalidError if they are no array."""
    if rows is None:
        raise invalid("contacts", "must not be null")
    if not isinstance(rows, list):
        raise invalid("contacts", "must be an array")
    clocks = {fields.key(one.field.name) for one in layout.own if one.field.kind is Kind.DATETIME} if offset else set[str]()
    return [_contact_in(row, clocks, offset) for row in cast("list[Any]", rows)]


def _contact_in(row: Any, clocks: set[str], offset: Zone) -> MemberDraft:
    """`clocks` are fields whose values are instants of a clock so far from UTC."""
    if not isinstance(row, dict):
        return MemberDraft(faults=[Fault(("contacts",), "must be an object")])
    given = _spelled(cast("Row", row))
    draft = MemberDraft({}, {}, [], [])
    faults = cast("list[Fault]", draft.faults)
    for name in ("phone", "email"):
        _put(draft.attributes, name, given.get(name), faults)
    for one in _rows(given.get("fields"), "fields", faults):
        name = one.get("name")
        if not isinstance(name, str) or not name.strip():
            faults.append(Fault(("fields",), "a field has no name"))
            continue
        main = MAIN.get(name) or MAIN.get(name.strip().lower())
        if main is not None:
            _put(draft.attributes, main.attribute, one.get("value"), faults)
            continue
        _put(draft.fields, name.strip(), one.get("value"), faults, blank="")
        if clocks and fields.key(name.strip()) in clocks:
            draft.fields[name.strip()] = to_utc(draft.fields[name.strip()], offset)
    for one in _rows(given.get("pushInfo"), DEVICES, faults):
        _add_device(draft, one, faults)
    return draft


SPELLED = {
    name.lower(): name
    for name in (
        "phone",
        "email",
        "fields",
        "pushInfo",
        "name",
        "type",
        "value",
        "displayName",
        "values",
        "isDefault",
        "appId",
        "os",
        "pushToken",
    )
}
EXACT = frozenset(SPELLED.values())


def _spelled(row: Row) -> Row:
    """With its names as the document writes them, in whatever case they came. Nearly always they came so."""
    if row.keys() <= EXACT:
        return row
    return {SPELLED.get(str(name).lower(), str(name)): value for name, value in row.items()}


def _rows(value: Any, name: str, faults: list[Fault]) -> Iterable[Row]:
    """The objects of an array."""
    if value is None:
        return
    if not isinstance(value, list):
        faults.append(Fault((name,), "must be an array"))
        return
    for row in cast("list[Any]", value):
        if isinstance(row, dict):
            yield _spelled(cast("Row", row))
        else:
            faults.append(Fault((name,), "must be objects"))


def _put(into: dict[str, str], name: str, value: Any, faults: list[Fault], blank: str | None = None) -> None:
    """One value: a scalar, or an array with one. What comes twice must be the same."""
    if isinstance(value, str) and name not in into:
        into[name] = value
        return
    values = cast("list[Any]", value) if isinstance(value, list) else [value]
    texts = [_text(one) for one in values if one is not None]
    if len(texts) > 1 or None in texts:
        faults.append(Fault((name,), "must be one value" if len(texts) > 1 else "must be text"))
    text = texts[0] if texts and texts[0] is not None else blank
    if text is None:
        return
    if into.get(name) not in (None, "", text):
        faults.append(Fault((name,), "is there twice, with different values"))
    into[name] = text


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    return value if isinstance(value, str) else None


def _add_device(draft: MemberDraft, given: Row, faults: list[Fault]) -> None:
    app, token, number = _text(given.get("appId")), given.get("pushToken"), whole(given.get("os"))
    devices = cast("list[Device]", draft.devices)
    try:
        if not 0 <= number < len(SYSTEMS):
            raise ValueError("has an os that is none of 0, 1, 2")
        devices.append(push.device(app or "", SYSTEMS[number], token if isinstance(token, str) else ""))
    except ValueError as error:
        faults.append(Fault((DEVICES,), str(error)))
        devices.append(NO_DEVICE)


NO_DEVICE = Device("", System.ANDROID, "")
"""Stands for one that can't be read: it is push data all the same."""


def unique_in(value: Any) -> Unique | None:
    """`duplicateCheckField`. Raises InvalidError."""
    if value is None or value == "":
        return None
    if isinstance(value, int) and not isinstance(value, bool) and value in (0, 1):
        return Unique(("phone", "email")[value])
    if not isinstance(value, str):
        raise invalid("unique", "must be phone, email or the name of a field")
    name = {"0": "phone", "1": "email"}.get(value.strip(), value.strip())
    main = MAIN.get(name.lower())
    return Unique(name, is_field=True) if main is None else Unique(main.attribute)


PROBLEMS = {
    Problem.DUPLICATE: ("DUPLICATE_VALUE", "Duplicate"),
    Problem.INVALID: ("INVALID_VALUE", "Invalid value"),
    Problem.REQUIRED: ("REQUIRED_VALUE", "Required value"),
    Problem.UNKNOWN_FIELD: ("UNKNOWN_FIELD", "Unknown field"),
}


class ContactIdOut(msgspec.Struct, rename="camel"):
    """Of a contact that was stored."""

    contact_id: str


class RefusedOut(msgspec.Struct, rename="camel"):
    """What is wrong with one that was not."""

    localization_key: Literal["DUPLICATE_VALUE", "INVALID_VALUE", "REQUIRED_VALUE", "UNKNOWN_FIELD"]
    field_name: str
    display_name: str


class AcceptedOut(msgspec.Struct, tag_field="code", tag="OK"):
    """A contact of a batch that was stored."""

    result: ContactIdOut


class RejectedOut(msgspec.Struct, tag_field="code", tag="REJECTED"):
    """A contact of a batch that was not."""

    result: RefusedOut
    description: str


VerdictOut = AcceptedOut | RejectedOut
"""Told apart by `code`: a union of structs without tags can't be described."""


class VerdictsOut(msgspec.Struct):
    """One verdict a contact, in order."""

    result: list[VerdictOut]


def verdict_out(verdict: Verdict, layout: Layout) -> VerdictOut:
    """OK with the contact's id, or why not."""
    if not isinstance(verdict, Refused):
        return AcceptedOut(ContactIdOut(contact_id(verdict)))
    key, description = PROBLEMS[verdict.problem]
    name, label = _named(verdict.attribute, layout)
    if verdict.problem is not Problem.DUPLICATE:
        description = f"{description}: {verdict.reason}"
    return RejectedOut(RefusedOut(cast("Any", key), name, label), description)


def _named(attribute: str, layout: Layout) -> tuple[str, str]:
    """The name of an attribute here, and what people call it."""
    if attribute == DEVICES:
        return "pushInfo", "Push info"
    if attribute in NAMES:
        return NAMES[attribute], MAIN[NAMES[attribute]].label
    own = next((one for one in layout.own if fields.key(one.field.name) == fields.key(attribute)), None)
    return (attribute, attribute) if own is None else (own.field.name, own.label)
