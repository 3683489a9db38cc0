"""Document 002's objects. Values and ids are texts; what a contact does not have is null; instants are `YYYY-MM-DD HH:MM:SS`, UTC."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, cast
from urllib.parse import quote, unquote
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from reachbook.core import groups, headers, properties
from reachbook.core.aliases import Described
from reachbook.core.consent import Change, Reason, Token, TokenType
from reachbook.core.drafts import WholeDraft
from reachbook.core.errors import Fault, InvalidError, Path, invalid
from reachbook.core.groups import Group
from reachbook.core.imports import Import
from reachbook.core.paging import Page
from reachbook.core.reach import Medium
from reachbook.core.statistics import Statistics
from reachbook.core.subscribers import Subscriber, SubscriberDraft
from reachbook.dialects.digitaleo.parameters import Call, flag_of, folded, text_of

# --- names

KEPT = {name: name for name in ("civility", "address1", "address2", "zipcode", "city", "state", "country", "latitude", "longitude")} | {
    "birthDate": "birth_date",
    "reference": "reference",
    "company": "company",
    "facebookId": "facebook_id",
    "twitterId": "twitter_id",
    "locale": "locale",
    **{f"field{number:02}": f"field{number:02}" for number in range(1, 16)},
}
"""Properties of a contact that core keeps as fields."""

ADDRESSES = {"email": "email", "phone": "landline", "mobile": "phone", "fax": "fax"}
NAMES = {"firstName": "first_name", "lastName": "last_name"}
OPT_OUTS = {f"{medium}Optout": medium for medium in (Medium.SMS, Medium.EMAIL, Medium.VOICE, Medium.VOICEMAIL)}
CONTACT = {
    "id": "id",
    "listIds": "group",
    "dateCreated": "created_at",
    "dateUpdated": "updated_at",
    "civility": "civility",
    **NAMES,
    **ADDRESSES,
    **{name: attribute for name, attribute in KEPT.items() if name != "civility"},
    **{name: f"{medium}_opt_out" for name, medium in OPT_OUTS.items()},
}
"""A contact's properties, in the order of the document, and what core calls them."""

FIELDS = {name: attribute for name, attribute in CONTACT.items() if attribute in {**NAMES, **ADDRESSES, **KEPT}.values()}
"""Those that are fields: they have an alias, and files bring them."""

ALIASES = {
    "firstName": "First name",
    "lastName": "Last name",
    "email": "Email",
    "phone": "Fixed Telephone",
    "mobile": "Mobile",
    "fax": "Fax",
    "address1": "Address 1",
    "address2": "Address 2",
    "zipcode": "Postal code",
    "city": "City",
    "state": "State",
    "country": "Country",
    "birthDate": "Date of birth",
    "reference": "Reference",
    "company": "Company",
    "civility": "Civility",
}
"""What fields are called that nobody has given an alias; others by their field's name."""

HEADERS = {headers.key(name): attribute for name, attribute in FIELDS.items() if attribute not in properties.PREDEFINED} | {
    headers.key(name): str(properties.PREDEFINED[attribute]) for name, attribute in FIELDS.items() if attribute in properties.PREDEFINED
}
"""Columns of a file that are called like a property here, for core's imports: `phone` is the fixed line."""

CORE_NAMES = {attribute: name for name, attribute in CONTACT.items()} | {"groups": "listIds", "file": "contactFile"}
LISTS = {"id": "id", "name": "name", "dateCreated": "created_at", "dateUpdated": "updated_at"}
TOKENS = {"type": "type", "value": "value", "reason": "reason", "dateCreated": "changed_at"}
LIST_DEFAULT = ("id", "name", "description")
DEFAULT_LIMIT, MOST = 100, 10_000


def instant(value: datetime | None) -> str | None:
    """`2018-01-31 12:00:00`."""
    return None if value is None else value.strftime("%Y-%m-%d %H:%M:%S")


# --- what every read takes


def page(call: Call) -> Page:
    """`offset` and `limit`; more than the most is cut to that."""
    return Page(call.number("offset", 0), min(call.number("limit", DEFAULT_LIMIT), MOST))


Direction = Literal["ASC", "DESC"]


def sort(call: Call, known: Mapping[str, str]) -> list[tuple[str, Direction]]:
    """`lastName DESC, firstName`: core's attributes with their direction. Raises InvalidError."""
    by_name = {name.lower(): attribute for name, attribute in known.items()}
    found: list[tuple[str, Direction]] = []
    for part in call.texts("sort") or ():
        name, _, direction = part.partition(" ")
        attribute = by_name.get(name.lower())
        if attribute is None or direction.strip().upper() not in ("", "ASC", "DESC"):
            raise invalid("sort", f"{part!r} is not a property with ASC or DESC")
        found.append((attribute, "DESC" if direction.strip().upper() == "DESC" else "ASC"))
    return found


def chosen(call: Call, known: Sequence[str], default: Sequence[str]) -> Sequence[str]:
    """The properties to answer, in the order of the document; DEFAULT stands for those without the parameter. Unknown ones are left out."""
    asked = call.texts("properties")
    if asked is None:
        return default
    named = {name.lower() for name in asked}
    return [name for name in known if name.lower() in named or ("default" in named and name in default)]


def ids(call: Call, name: str = "id") -> list[UUID] | None:
    """The ids that a parameter names; those that are none are nobody's. None without the parameter."""
    given = call.texts(name)
    return None if given is None else [id for text in given if (id := uuid(text)) is not None]


def needed_ids(call: Call, name: str = "id") -> list[UUID]:
    """The same where there must be some. Raises InvalidError."""
    found = ids(call, name)
    if found is None:
        raise invalid(name, "is required")
    return found


def uuid(text: str) -> UUID | None:
    """An id, or None."""
    try:
        return UUID(text.strip())
    except ValueError:
        return None


# --- contacts


Given = str | UnsetType | None
ContactOut = msgspec.defstruct(
    "ContactOut",
    [(name, list[str] | UnsetType if name == "listIds" else Given, UNSET) for name in CONTACT],
    omit_defaults=True,
)
"""A contact, for the document; `properties` chooses. What it does not have is null."""


def contact_out(subscriber: Subscriber, fields: Mapping[str, int], names: Sequence[str]) -> dict[str, Any]:
    """The chosen properties. `fields` are those of core's properties."""
    return {name: GET[name](subscriber, fields) for name in names}


def _kept(attribute: str) -> Callable[[Subscriber, Mapping[str, int]], Any]:
    return lambda one, fields: one.values.get(str(fields[attribute])) if attribute in fields else None


def _opt_out(medium: Medium) -> Callable[[Subscriber, Mapping[str, int]], Any]:
    return lambda one, _: one.opt_outs.get(medium)


def _own(attribute: str) -> Callable[[Subscriber, Mapping[str, int]], Any]:
    return lambda one, _: getattr(one, attribute)


GET: dict[str, Callable[[Subscriber, Mapping[str, int]], Any]] = {
    "id": lambda one, _: str(one.id),
    "listIds": lambda one, _: [str(group) for group in one.groups],
    "dateCreated": lambda one, _: instant(one.created_at),
    "dateUpdated": lambda one, _: instant(one.updated_at),
    **{name: _own(attribute) for name, attribute in (NAMES | ADDRESSES).items()},
    **{name: _kept(attribute) for name, attribute in KEPT.items()},
    **{name: _opt_out(medium) for name, medium in OPT_OUTS.items()},
}


def wanted(call: Call) -> dict[str, list[str]]:
    """The filters of a read: properties with a value; `listId` as well as `listIds`."""
    found: dict[str, list[str]] = {}
    for name, attribute in CONTACT.items():
        separator = "," if name in ("id", "listIds") else None
        values = call.texts(name, separator=separator)
        if name == "listIds":
            values = call.texts("listId") if values is None else values
        if values is not None:
            found[attribute] = values
    return found


def contacts_in(rows: Sequence[Any]) -> list[SubscriberDraft | list[Fault]]:
    """Contacts to be created, or what is wrong with a row."""
    return [_contact_in(row, (index,)) for index, row in enumerate(rows)]


def contact_in(row: Any) -> SubscriberDraft:
    """What is to be set of a contact. Raises InvalidError."""
    read = _contact_in(row, ())
    if isinstance(read, list):
        raise InvalidError(read)
    return read


def _contact_in(row: Any, at: Path) -> SubscriberDraft | list[Fault]:
    given = folded(row)
    if given is None:
        return [Fault(at, "must be an object")]
    faults: list[Fault] = []
    own = {attribute: _text(given, name, at, faults) for name, attribute in (NAMES | ADDRESSES).items()}
    draft = WholeDraft()
    for attribute, text in own.items():
        setattr(draft, attribute, text)
    kept = {attribute: _text(given, name, at, faults) for name, attribute in KEPT.items()}
    read = SubscriberDraft(
        draft,
        {attribute: text for attribute, text in kept.items() if not isinstance(text, UnsetType)},
        _list_ids(given, at, faults),
        _reasons(given, at, faults),
    )
    return faults or read


def _text(given: Mapping[str, Any], name: str, at: Path, faults: list[Fault]) -> str | UnsetType | None:
    if name.lower() not in given:
        return UNSET
    try:
        return text_of(given[name.lower()], name)
    except InvalidError as error:
        faults += [Fault((*at, *fault.path), fault.message) for fault in error.faults]
        return None


def _list_ids(given: Mapping[str, Any], at: Path, faults: list[Fault]) -> Sequence[UUID] | UnsetType:
    """`listIds`, or `listId` for one: a list, or separated by commas."""
    value = given.get("listids", given.get("listid", UNSET))
    if value is UNSET:
        return UNSET
    found: list[UUID] = []
    for one in cast("list[Any]", value) if isinstance(value, list) else str(value or "").split(","):
        id = uuid(str(one))
        if id is not None:
            found.append(id)
        elif str(one).strip():
            faults.append(Fault((*at, "groups"), f"there is no list {str(one)[:60]!r}"))
    return found


def _reasons(given: Mapping[str, Any], at: Path, faults: list[Fault]) -> dict[Medium, Reason]:
    """The opt-outs to be recorded; null and blank change nothing."""
    reasons: dict[Medium, Reason] = {}
    for name, medium in OPT_OUTS.items():
        text = _text(given, name, at, faults)
        if isinstance(text, str):
            try:
                reasons[medium] = Reason(text.strip().lower())
            except ValueError:
                faults.append(Fault((*at, f"{medium}_opt_out"), f"must be one of {', '.join(Reason)}"))
    return reasons


# --- lists


class StatisticsOut(msgspec.Struct):
    """How many contacts there are, and how many can be reached by each medium; numbers as texts."""

    subscribers: str
    sms: str
    email: str
    voice: str
    voicemail: str


def statistics_out(statistics: Statistics) -> dict[str, str]:
    """Texts."""
    return {name: str(value) for name, value in msgspec.structs.asdict(statistics).items()}


class ListOut(msgspec.Struct, rename="camel", omit_defaults=True):
    """A list; the properties from `stats` on only by `properties`."""

    id: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    stats: StatisticsOut | UnsetType = UNSET
    import_status: Annotated[str | UnsetType, Meta(description="`on`, a percentage, or `ok`.")] = UNSET
    import_lines: int | UnsetType | None = UNSET
    import_invalid: int | UnsetType | None = UNSET
    import_errors: str | UnsetType | None = UNSET
    date_created: str | UnsetType = UNSET
    date_updated: str | UnsetType = UNSET
    active: bool | UnsetType = UNSET


IMPORTED = ("importStatus", "importLines", "importInvalid", "importErrors")
LIST = (*LIST_DEFAULT, "stats", *IMPORTED, "dateCreated", "dateUpdated", "active")


def list_out(group: Group, statistics: Statistics | None, last: Import | None, report: str, names: Sequence[str]) -> dict[str, Any]:
    """The chosen properties. `report` is the address of the import's refused rows."""
    whole = {
        "id": str(group.id),
        "name": group.name,
        "description": group.description,
        "stats": None if statistics is None else statistics_out(statistics),
        "importStatus": import_status(last),
        "importLines": last and last.total_rows,
        "importInvalid": last and last.refused,
        "importErrors": report if last is not None and (last.refused or last.state == "failed") else None,
        "dateCreated": instant(group.created_at),
        "dateUpdated": instant(group.updated_at),
        "active": not group.is_locked_for_sending,
    }
    return {name: whole[name] for name in names}


def import_status(last: Import | None) -> str:
    """`on` until it has begun, then the percentage, `ok` when it is over or there was none."""
    if last is None or last.is_over:
        return "ok"
    if not last.total_rows or not last.done_rows:
        return "on"
    return str(min(99, last.done_rows * 100 // last.total_rows))


def lists_in(rows: Sequence[Any]) -> list[tuple[groups.Draft, str | None] | list[Fault]]:
    """Lists to be created, or what is wrong with a row."""
    read: list[tuple[groups.Draft, str | None] | list[Fault]] = []
    for index, row in enumerate(rows):
        faults: list[Fault] = []
        draft, description = _list_in(row, (index,), faults)
        read.append(faults or (draft, description or None))
    return read


def list_in(row: Any) -> tuple[groups.Draft, str | UnsetType | None]:
    """What is to be set of a list. Raises InvalidError."""
    faults: list[Fault] = []
    read = _list_in(row, (), faults)
    if faults:
        raise InvalidError(faults)
    return read


def _list_in(row: Any, at: Path, faults: list[Fault]) -> tuple[groups.Draft, str | UnsetType | None]:
    given = folded(row)
    if given is None:
        faults.append(Fault(at, "must be an object"))
        return groups.Draft(), UNSET
    draft = groups.Draft(name=_text(given, "name", at, faults))
    try:
        is_active = flag_of(given.get("active"), "active")
        draft.is_locked_for_sending = UNSET if is_active is None else not is_active
    except InvalidError as error:
        faults += [Fault((*at, *fault.path), fault.message) for fault in error.faults]
    return draft, _text(given, "description", at, faults)


# --- opt-outs


class OptoutOut(msgspec.Struct, rename="camel", omit_defaults=True):
    """An address that is opted out."""

    id: str | UnsetType = UNSET
    type: str | UnsetType = UNSET
    value: str | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    date_created: str | UnsetType = UNSET


OPTOUT = ("id", "type", "value", "reason", "dateCreated")
TYPES = tuple(str(type) for type in TokenType)


def optout_out(token: Token, names: Sequence[str]) -> dict[str, Any]:
    """The chosen properties; the id is the type and the address."""
    whole = {
        "id": f"{token.type}:{quote(token.value, safe=SAFE)}",
        "type": token.type,
        "value": token.value,
        "reason": token.reason,
        "dateCreated": instant(token.changed_at),
    }
    return {name: whole[name] for name in names}


SAFE = "@+!#$&'*/=?^`{|}~"


def token_ids(call: Call) -> list[tuple[str, str]] | None:
    """(type, address) of each `id`; None without the parameter."""
    given = call.texts("id")
    if given is None:
        return None
    # A plus that arrived as a space.
    pairs = [(type.strip().lower(), unquote(value)) for text in given for type, _, value in [text.partition(":")]]
    return [(type, f"+{value.strip()}" if value.startswith(" ") else value) for type, value in pairs if type in TYPES]


def optouts_in(rows: Sequence[Any]) -> list[Change | list[Fault]]:
    """Opt-outs to be recorded, or what is wrong with a row."""
    return [_optout_in(row, (index,)) for index, row in enumerate(rows)]


def _optout_in(row: Any, at: Path) -> Change | list[Fault]:
    given = folded(row)
    if given is None:
        return [Fault(at, "must be an object")]
    faults: list[Fault] = []
    texts = {name: _text(given, name, at, faults) or None for name in ("type", "value", "reason", "message")}
    type, value, reason = (texts[name] for name in ("type", "value", "reason"))
    faults += [Fault((*at, name), "is required") for name in ("type", "value") if not texts[name] and name not in _faulty(faults)]
    if type and type.strip().lower() not in TYPES:
        faults.append(Fault((*at, "type"), f"must be one of {', '.join(TYPES)}"))
    reasons = [str(one) for one in Reason]
    if reason and reason.strip().lower() not in reasons:
        faults.append(Fault((*at, "reason"), f"must be one of {', '.join(reasons)}"))
    if faults or not type or not value:
        return faults
    why = Reason(reason.strip().lower()) if reason else Reason.USER
    return Change(TokenType(type.strip().lower()), value, is_active=True, reason=why, message=texts["message"])


def _faulty(faults: Sequence[Fault]) -> set[object]:
    return {fault.path[-1] for fault in faults if fault.path}


def reason_in(row: Mapping[str, Any]) -> Reason:
    """The reason to be set. Raises InvalidError."""
    text = text_of({name.lower(): value for name, value in row.items()}.get("reason"), "reason")
    if text is None or text.strip().lower() not in list(Reason):
        raise invalid("reason", f"must be one of {', '.join(Reason)}")
    return Reason(text.strip().lower())


# --- fields


class FieldOut(msgspec.Struct, omit_defaults=True):
    """An attribute of contacts."""

    name: str | UnsetType = UNSET
    alias: Annotated[str | UnsetType, Meta(description="What a column of a file may be called to land in it.")] = UNSET
    max: Annotated[int | UnsetType, Meta(description="The longest value, in characters.")] = UNSET
    count: Annotated[int | UnsetType, Meta(description="Contacts that have a value.")] = UNSET


FIELD = ("name", "alias", "max", "count")


def fields_out(described: Mapping[str, Described]) -> list[dict[str, Any]]:
    """Every field, in the order of a contact."""
    return [
        {"name": name, "alias": one.alias or ALIASES.get(name) or _label(name, attribute), "max": one.longest, "count": one.contacts}
        for name, attribute in FIELDS.items()
        for one in [described[attribute]]
    ]


def _label(name: str, attribute: str) -> str:
    return properties.LABELS.get(attribute, name)


def field_named(text: str | None) -> str | None:
    """Core's attribute of a field by its name, in any case."""
    sought = (text or "").strip().lower()
    return next((attribute for name, attribute in FIELDS.items() if name.lower() == sought), None)


def selected(rows: Sequence[dict[str, Any]], call: Call) -> list[dict[str, Any]]:
    """Fields by `name` (or `id`) and `alias`, sorted."""
    names = {name.lower() for name in call.texts("name") or call.texts("id") or ()}
    aliases = {headers.key(alias) for alias in call.texts("alias", separator=None) or ()}
    kept = [row for row in rows if (not names or row["name"].lower() in names) and (not aliases or headers.key(row["alias"]) in aliases)]
    for attribute, direction in reversed(sort(call, {name: name for name in FIELD})):
        kept.sort(key=lambda row, by=attribute: row[by].casefold() if isinstance(row[by], str) else row[by], reverse=direction == "DESC")
    return kept


def priorities(call: Call) -> list[Medium]:
    """`SMS,EMAIL,VOICE,VOICEMAIL`, or some of them. Raises InvalidError."""
    given = [text.lower() for text in call.texts("priorities") or ()]
    unknown = [text for text in given if text not in list(Medium)]
    if unknown:
        raise invalid("priorities", f"must be some of {', '.join(medium.upper() for medium in Medium)}")
    return list(dict.fromkeys(Medium(text) for text in given))


# --- CSV


def table(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> bytes:
    """Rows as CSV with a header; lists separated by commas."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(names)
    writer.writerows([_cell(row[name]) for name in names] for row in rows)
    return text.getvalue().encode()


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(str, cast("list[Any]", value)))
    if isinstance(value, dict):
        return msgspec.json.encode(value).decode()
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
