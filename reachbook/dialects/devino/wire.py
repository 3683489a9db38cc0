"""The objects of document 001, and what they are in core."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, NamedTuple, cast
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from reachbook.core import fields, filters, groups
from reachbook.core.errors import Fault, InvalidError, invalid
from reachbook.core.filters import All, Condition, Filter, Not, Operator
from reachbook.core.group_fields import Declaration, Known, Layout
from reachbook.core.groups import Group, Purpose
from reachbook.core.ids import AccountId
from reachbook.core.kinds import ANY, Kind, Rule
from reachbook.core.limits import VALUE_LENGTH
from reachbook.core.members import Closed, Member
from reachbook.core.push import System
from reachbook.core.text import clean

CORE_NAMES = {
    "auto_delete_enabled": "autoDeleteEnabled",
    "contact_group_id": "contactGroupId",
    "group": "contactGroupId",
    "display_name": "displayName",
    "label": "displayName",
    "kind": "type",
    "choices": "values",
    "unique": "duplicateCheckField",
    "segment": "segmentId",
    "sort": "sortByField",
    "attribute": "queryName",
    "operator": "queryOperator",
    "value": "queryValue",
    "filter": "queryValue",
    "skip": "offset",
    "take": "limit",
}

TYPES = {0: Kind.DATETIME, 1: Kind.BOOLEAN, 2: Kind.INTEGER, 3: Kind.TEXT, 5: Kind.OBJECT, 8: Kind.DATE}
NUMBERS = {kind: number for number, kind in TYPES.items()}
LIST_TYPES = {kind.upper(): kind for kind in groups.Kind}
CREATABLE = ("STANDARD", "STOPLIST", "PUSH")
SYSTEMS = (System.ANDROID, System.IOS, System.HUAWEI)
CHANNELS = ("SMS", "EMAIL", "VIBER", "PUSH", "WHATSAPP", "VOICE")
"""What a subscription can be asked for by."""


class Main(NamedTuple):
    """A field that every list has: core's attribute, and what people call it."""

    attribute: str
    label: str


MAIN = {
    "name": Main("first_name", "Name"),
    "surname": Main("last_name", "Last name"),
    "phone": Main("phone", "Phone"),
    "email": Main("email", "Email"),
    "gender": Main("gender", "Gender"),
    "country": Main("country", "Country"),
    "city": Main("city", "City"),
    "birthdate": Main("birth_date", "Date of birth"),
    "timezone": Main("timezone", "Timezone"),
}
NAMES = {main.attribute: name for name, main in MAIN.items()}
SORTED = {"creationdate": "created_at", "lastupdate": "updated_at"}
"""What contacts can be filtered and sorted by beside their fields."""

Row = Mapping[str, Any]
Zone = timedelta
Instant = Annotated[str, Meta(examples=["2022-10-22T18:14:21"])]

# --- what comes


class FieldIn(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A macro of a list."""

    name: str | None = None
    display_name: str | None = None
    type: Annotated[Any, Meta(description="0 date/time, 1 true/false, 2 integer, 3 text, 5 object, 8 date.")] = None
    values: Annotated[list[str] | None, Meta(description="The values that are allowed.")] = None


class ListIn(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A contact list as it is posted."""

    name: str | UnsetType | None = UNSET
    type: Annotated[str | None, Meta(description="STANDARD, STOPLIST or PUSH.")] = None
    fields: list[FieldIn] | None = None
    auto_delete_enabled: bool | None = None


class BatchIn(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A batch as it comes: rows are read one by one, because a bad one is refused alone."""

    contact_group_id: Any = None
    contacts: Any = None
    duplicate_check_field: Any = None


class ValueIn(msgspec.Struct):
    """The value of a field."""

    name: str
    value: str | list[str] | None = None


class DeviceIn(msgspec.Struct, rename="camel"):
    """A device."""

    app_id: str
    os: Annotated[int, Meta(ge=0, le=2, description="0 Android, 1 iOS, 2 Huawei.")]
    push_token: str


class ContactIn(msgspec.Struct, rename="camel"):
    """A contact."""

    phone: str | None = None
    email: str | None = None
    fields: list[ValueIn] = []
    push_info: list[DeviceIn] = []


class BatchDocumented(msgspec.Struct, rename="camel"):
    """A batch of contacts for a list."""

    contact_group_id: Annotated[int | str, Meta(description="A 64-bit number, or text with it.")]
    contacts: list[ContactIn]
    duplicate_check_field: Annotated[int | str | None, Meta(description="phone, email or the name of a field; 0: phone, 1: email.")] = None


def list_in(data: ListIn) -> tuple[groups.Draft, Purpose, list[Declaration]]:
    """A new list. Fields that every list has need no declaration. Raises InvalidError."""
    kind = groups.Kind.STANDARD if data.type is None else list_type(data.type, "type", of=CREATABLE)
    declared = [_declaration(number, field) for number, field in enumerate(data.fields or ())]
    own = [one for one in declared if str(one.name).strip().lower() not in MAIN]
    return groups.Draft(name=data.name), Purpose(kind, data.auto_delete_enabled is True), own


def list_type(text: str, name: str, of: Sequence[str] = tuple(LIST_TYPES)) -> groups.Kind:
    """Raises InvalidError."""
    written = text.strip().upper()
    if written not in of:
        raise invalid(name, f"must be one of {', '.join(of)}")
    return LIST_TYPES[written]


def _declaration(number: int, field: FieldIn) -> Declaration:
    kind = None if field.type is None else TYPES.get(whole(field.type))
    if field.type is not None and kind is None:
        raise invalid(f"fields[{number}].type", f"must be one of {', '.join(map(str, TYPES))}")
    return Declaration(field.name, field.display_name, kind, tuple(field.values or ()))


def whole(value: Any) -> int:
    """A whole number, also as text; -1 for anything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if 0 <= value < 2**63 else -1
    written = value.strip() if isinstance(value, str) else ""
    return whole(int(written)) if written.isascii() and written.isdigit() and len(written) <= LONGEST_NUMBER else -1


LONGEST_NUMBER = 19  # digits of 64 bits


def list_number(value: Any, name: str = "group") -> int:
    """A list's id, exact, as number or text. Raises InvalidError."""
    if value is None or value == "":
        raise invalid(name, "must not be null")
    number = whole(value)
    if number < 0:
        raise invalid(name, "must be the id of a list")
    return number


def zone(minutes: int | None) -> Zone:
    """An offset from UTC. Raises InvalidError."""
    if minutes is not None and abs(minutes) > MOST_MINUTES:
        raise invalid("zoneOffset", f"must be minutes between -{MOST_MINUTES:,} and {MOST_MINUTES:,}")
    return timedelta(minutes=minutes or 0)


MOST_MINUTES = 24 * 60


def instant_in(text: str | None, name: str, offset: Zone) -> datetime | None:
    """`YYYY-MM-DD HH:MM:SS` of a clock so far from UTC. Raises InvalidError."""
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text.strip()).replace(tzinfo=UTC, microsecond=0) - offset
    except (ValueError, OverflowError):
        raise invalid(name, "must be of the form YYYY-MM-DD HH:MM:SS") from None


def to_utc(text: str, offset: Zone) -> str:
    """An instant that does not say its own offset; core will say what is wrong with one that is none."""
    try:
        given = datetime.fromisoformat(text.strip())
        return text if given.tzinfo else (given - offset).isoformat(" ", "seconds")
    except (ValueError, OverflowError):
        return text


# --- what is asked for


def condition_in(name: str | None, operator: str | None, value: str | None, layout: Layout, offset: Zone) -> Sequence[Filter]:
    """`queryName`, `queryOperator`, `queryValue`; instants of a clock so far from UTC. Raises InvalidError."""
    if name is None:
        if operator is not None or value is not None:
            raise invalid("queryName", "must not be null")
        return ()
    try:
        chosen = Operator.EQ if operator is None else filters.operator_named(operator)
    except ValueError as error:
        raise invalid("queryOperator", str(error)) from None
    needs_value = chosen not in filters.WITHOUT_VALUE
    if needs_value and value is None:
        raise invalid("queryValue", "must not be null")
    attribute = attribute_named(name, "queryName", layout)
    if value is not None and offset and _is_instant(attribute, layout):
        value = ",".join(to_utc(part, offset) for part in value.split(","))
    return [filters.parse({"attribute": attribute, "operator": chosen, "value": value}, ())]


def _is_instant(attribute: str, layout: Layout) -> bool:
    clocks = {f"field:{one.field.id}" for one in layout.own if one.field.kind is Kind.DATETIME}
    return attribute in clocks or attribute in SORTED.values()


def attribute_named(name: str, parameter: str, layout: Layout) -> str:
    """What core calls a field of the list, or an instant of its contacts. Raises InvalidError at the parameter."""
    sought = name.strip().lower()
    if sought in MAIN:
        return MAIN[sought].attribute
    if sought in SORTED:
        return SORTED[sought]
    for one in layout.own:
        if fields.key(one.field.name) == fields.key(name.strip()):
            return f"field:{one.field.id}"
    raise invalid(parameter, f"there is no field {name!r} in this list")


def subscription_in(channel: str | None, state: str | None) -> Sequence[Filter]:
    """`subscriptionChannel` with `subscriptionState`. Raises InvalidError."""
    if channel is None and state is None:
        return ()
    if channel is None or state is None:
        raise invalid("subscriptionChannel" if channel is None else "subscriptionState", "must not be null")
    type = channel.strip().upper()
    if type not in CHANNELS:
        raise invalid("subscriptionChannel", f"must be one of {', '.join(CHANNELS)}")
    opted_out = Condition(f"{filters.OPT_OUT}{type.lower()}", Operator.NOT_NULL)
    match state.strip().upper():
        case "UNSUBSCRIBED":
            return [opted_out]
        case "SUBSCRIBED":
            return [All((Not(opted_out), _has_address(type)))]
        case _:
            raise invalid("subscriptionState", "must be SUBSCRIBED or UNSUBSCRIBED")


def _has_address(channel: str) -> Filter:
    names = {"EMAIL": ("email",), "PUSH": ("push_token",), "VOICE": ("phone", "landline")}.get(channel, ("phone",))
    return filters.Any_(tuple(Condition(name, Operator.NOT_NULL) for name in names))


def segment_in(text: str | None) -> UUID | None:
    """Raises InvalidError."""
    if text is None:
        return None
    try:
        return UUID(text.strip())
    except ValueError:
        raise invalid("segmentId", "must be the id of a segment") from None


def list_ids(*given: Sequence[str] | None) -> list[str]:
    """Repeated or comma-separated, each once. Raises InvalidError for none."""
    found = [part.strip() for texts in given for text in texts or () for part in text.split(",") if part.strip()]
    if not found:
        raise invalid("ids", "must not be null")
    return list(dict.fromkeys(found))


def list_types(given: Sequence[str] | None) -> list[groups.Kind] | None:
    """Repeated or comma-separated; without any all that are shown. Raises InvalidError."""
    texts = [part for text in given or () for part in text.split(",") if part.strip()]
    return [list_type(text, "type") for text in texts] or [kind for kind in groups.Kind if kind is not groups.Kind.OMNI_API]


def device_in(token: str | None) -> Sequence[Filter]:
    """`pushToken`. Raises InvalidError."""
    if token is None:
        return ()
    written = clean(token, ("pushToken",), VALUE_LENGTH, faults := list[Fault]())
    if faults or written is None:
        raise InvalidError(faults or [Fault(("pushToken",), "must not be null")])
    return [Condition("push_token", Operator.EQ, (written,))]


def number_of(text: str) -> int:
    """A list's id; -1, which no list has, for what is none."""
    return whole(text)


# --- what is answered


class ReasonOut(msgspec.Struct, rename="camel"):
    """One thing that is wrong."""

    key: str
    ref: str
    default_message: str


class DeletedOut(msgspec.Struct, omit_defaults=True):
    """What became of one list that was to be deleted."""

    code: Literal["OK", "REJECTED"]
    result: str
    description: str | UnsetType = UNSET
    reasons: list[ReasonOut] | UnsetType = UNSET


class DeletedListsOut(msgspec.Struct):
    """One entry a list, in order."""

    result: list[DeletedOut]


class FieldOut(msgspec.Struct, rename="camel", omit_defaults=True):
    """A field of a list."""

    name: str
    display_name: str
    type: Annotated[int, Meta(description="0 date/time, 1 true/false, 2 integer, 3 text, 5 object, 8 date.")]
    is_default: bool
    values: list[str] | UnsetType = UNSET


class FieldValueOut(FieldOut, rename="camel", omit_defaults=True):
    """A field of a contact; without `value` it has none."""

    value: list[str] | UnsetType = UNSET


class ListOut(msgspec.Struct, rename="camel"):
    """A contact list."""

    contact_group_id: str
    company_id: int
    name: str
    creation_date: Instant
    last_update: Instant
    fields: list[FieldOut]
    contacts_count: str
    segments_count: str
    type: str
    auto_delete_enabled: bool


class ChannelOut(msgspec.Struct, rename="camel", omit_defaults=True):
    """A channel that an address is opted out of."""

    channel: str
    unsubscribed_at: Instant
    unsubscribed_type: Literal["SPAM"] | UnsetType = UNSET


class UnsubscribedOut(msgspec.Struct, rename="camel"):
    """An address with its opt-outs."""

    company_id: int
    data: str
    data_type: Literal["PHONE", "EMAIL", "PUSH"]
    channel_list: list[ChannelOut]
    updated_at: str


class DeviceOut(msgspec.Struct, rename="camel"):
    """A device."""

    app_id: str
    os: int
    push_token: str


class ContactOut(msgspec.Struct, rename="camel", omit_defaults=True):
    """A contact."""

    contact_id: str
    company_id: int
    contact_group_id: str
    creation_date: str
    last_update: str
    fields: list[FieldValueOut]
    phone: str | UnsetType = UNSET
    email: str | UnsetType = UNSET
    unsubscribed_data: list[UnsubscribedOut] | UnsetType = UNSET
    push_info: list[DeviceOut] | UnsetType = UNSET


class CreatedOut(msgspec.Struct):
    """The id of a new list."""

    result: Annotated[str, Meta(pattern=r"^\d+$")]


class ListsOut(msgspec.Struct):
    """Contact lists."""

    result: list[ListOut]


class ContactsOut(msgspec.Struct):
    """Contacts."""

    result: list[ContactOut]


def contact_id(id: UUID) -> str:
    """The document's form: two halves, hexadecimal."""
    return f"{id.hex[:16]}-{id.hex[16:]}"


def company_id(account: AccountId) -> int:
    """A number for the account that clients can hold: the last 48 bits of its id."""
    return account.int & (2**48 - 1)


def _every_field(layout: Layout) -> Iterable[tuple[str, str, int | None, Rule, bool]]:
    """(name, label, id of the field, rule, whether every list has it) of all fields of a list."""
    for name, main in MAIN.items():
        known = layout.properties.get(main.attribute, Known(None, ANY))
        yield name, main.label, known.id, known.rule, True
    for one in layout.own:
        yield one.field.name, one.label, one.field.id, Rule(one.field.kind, one.field.choices), False


def list_out(group: Group, account: AccountId, layout: Layout, segments: int, offset: Zone) -> ListOut:
    """A list as it stands; instants by a clock so far from UTC."""
    shown = [
        FieldOut(name, label, NUMBERS[rule.kind], is_default, list(rule.choices) or UNSET)
        for name, label, _, rule, is_default in _every_field(layout)
    ]
    return ListOut(
        str(group.number),
        company_id(account),
        group.name,
        _instant(group.created_at, offset, "T"),
        _instant(group.updated_at or group.created_at, offset, "T"),
        shown,
        str(group.contacts),
        str(segments),
        group.kind.upper(),
        group.deletes_unused,
    )


def _instant(value: datetime, offset: Zone, separator: str = " ") -> str:
    return (value + offset).replace(tzinfo=None).isoformat(separator, "seconds")


def contact_out(member: Member, group: Group, account: AccountId, layout: Layout, offset: Zone) -> ContactOut:
    """A contact as it stands; phone and e-mail stand beside the other fields."""
    company = company_id(account)
    closed = [_closed_out(one, company, offset) for one in member.closed]
    devices = [DeviceOut(one.app_id, SYSTEMS.index(one.os), one.token) for one in member.devices]
    shown = [
        FieldValueOut(name, label, NUMBERS[rule.kind], is_default, list(rule.choices) or UNSET, _value(member, name, id, rule, offset))
        for name, label, id, rule, is_default in _every_field(layout)
        if name not in ("phone", "email")
    ]
    return ContactOut(
        contact_id(member.id),
        company,
        str(group.number),
        _instant(member.created_at, offset),
        _instant(member.updated_at, offset),
        shown,
        digits(member.phone) if member.phone else UNSET,
        member.email or UNSET,
        closed or UNSET,
        devices or UNSET,
    )


def _value(member: Member, name: str, id: int | None, rule: Rule, offset: Zone) -> list[str] | UnsetType:
    own = {"name": member.first_name, "surname": member.last_name}
    value = own[name] if name in own else member.values.get(str(id))
    if value is None:
        return UNSET
    if rule.kind is Kind.DATETIME and offset:
        value = to_utc(value, -offset)
    return [value]


def digits(number: str) -> str:
    """A phone without its plus."""
    return number.removeprefix("+")


def _closed_out(closed: Closed, company: int, offset: Zone) -> UnsubscribedOut:
    channels = [
        ChannelOut(one.type.upper(), _instant(one.changed_at, offset, "T"), "SPAM" if one.reason == "spam" else UNSET)
        for one in closed.tokens
    ]
    newest = max(one.changed_at for one in closed.tokens)
    data = digits(closed.address) if closed.kind == "phone" else closed.address
    return UnsubscribedOut(company, data, cast("Any", closed.kind.upper()), channels, _instant(newest, offset))
