"""Document 000's objects: what comes in as core's drafts, what goes out from core's results.

Incoming models subclass core's drafts under the wire's names, so a decoded row needs no copying. Absent values are left out of what goes
out; instants have three fractional digits and Z.
"""

from collections.abc import Collection, Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from reachbook.core import consent, contacts, drafts, dump, fields, groups, search
from reachbook.core.consent import Change, TokenType
from reachbook.core.errors import Fault, invalid
from reachbook.core.ids import NIL
from reachbook.http.instants import Instant, instant

CORE_NAMES = {
    "first_name": "firstName",
    "last_name": "lastName",
    "phone": "phoneNumber",
    "phone_country": "phoneCountry",
    "values": "customValues",
    "field_id": "fieldId",
    "group_id": "groupId",
    "is_active": "isActive",
    "is_favorite": "isFavorite",
    "is_hidden": "isHidden",
    "is_locked_for_editing": "isLockedForEditing",
    "is_locked_for_sending": "isLockedForSending",
    "is_marketing": "isMarketing",
    "bypass_opt_out": "bypassOptOut",
    "created_on": "createdOnUtc",
    "contacts_amount": "contactsAmount",
    "empty_emails": "emptyEmails",
    "empty_numbers": "emptyNumbers",
}
"""Core's names as the wire writes them; those that are not here are the same."""


class Incoming(msgspec.Struct, rename=CORE_NAMES, forbid_unknown_fields=True):
    """The strict decoder refuses what is not in the model, and the tolerant one looks again."""


# Fields of core's drafts are declared again: the wire's names hold only for those that stand here.


class CustomValue(drafts.FieldValue, rename=CORE_NAMES, forbid_unknown_fields=True):
    """The value of a field."""

    field_id: int
    value: str | None = None


class ContactIn(drafts.Draft, rename=CORE_NAMES, forbid_unknown_fields=True):
    """A contact as it is posted. `id` and `createdOnUtc` are the server's to set and ignored."""

    first_name: str | UnsetType | None = UNSET
    insertion: str | UnsetType | None = UNSET
    last_name: str | UnsetType | None = UNSET
    email: str | UnsetType | None = UNSET
    phone: str | UnsetType | None = UNSET
    phone_country: str | UnsetType | None = UNSET
    values: list[CustomValue] | UnsetType | None = UNSET  # pyright: ignore[reportIncompatibleVariableOverride] - only read
    group_id: str | UnsetType | None = UNSET
    id: Any = UNSET
    created_on: Any = UNSET


class GroupIn(groups.Draft, rename=CORE_NAMES, forbid_unknown_fields=True):
    """A group as it is posted. Counters, `id` and `createdOnUtc` are the server's to set and ignored."""

    name: str | UnsetType | None = UNSET
    is_favorite: bool | UnsetType | None = UNSET
    is_hidden: bool | UnsetType | None = UNSET
    is_locked_for_editing: bool | UnsetType | None = UNSET
    is_locked_for_sending: bool | UnsetType | None = UNSET
    is_marketing: bool | UnsetType | None = UNSET
    bypass_opt_out: bool | UnsetType | None = UNSET
    id: Any = UNSET
    created_on: Any = UNSET
    contacts_amount: Any = UNSET
    empty_emails: Any = UNSET
    empty_numbers: Any = UNSET


class FieldIn(Incoming):
    """A field as it is posted."""

    name: str | None = None
    id: Any = None


class MessageIn(Incoming):
    """OptOutHistoryInput."""

    message: str | None = None


class OptOutIn(Incoming):
    """An opt-out (isActive, the default) or opt-in of a bulk call."""

    type: str
    value: str
    is_active: bool | None = None


class Outgoing(msgspec.Struct, rename=CORE_NAMES, omit_defaults=True):
    """Absent values are left out."""


class CustomValueOut(Outgoing):
    """CustomValue."""

    field_id: int
    value: str


class ContactOut(Outgoing):
    """Contact."""

    id: UUID
    group_id: UUID
    created_on: Instant
    first_name: str | UnsetType = UNSET
    insertion: str | UnsetType = UNSET
    last_name: str | UnsetType = UNSET
    email: str | UnsetType = UNSET
    phone: str | UnsetType = UNSET
    phone_country: str | UnsetType = UNSET
    values: list[CustomValueOut] | UnsetType = UNSET


def contact_out(contact: contacts.Contact, *, with_values: bool = True) -> ContactOut:
    """A contact in no group (another dialect left it so) has the all-zero groupId."""
    values = [CustomValueOut(int(field), value) for field, value in sorted(contact.values.items(), key=_field_id)]
    return ContactOut(
        contact.id,
        contact.group_id or NIL,
        instant(contact.created_at),
        contact.first_name or UNSET,
        contact.insertion or UNSET,
        contact.last_name or UNSET,
        contact.email or UNSET,
        contact.phone or UNSET,
        contact.phone_country or UNSET,
        values if with_values and values else UNSET,
    )


def _field_id(item: tuple[str, str]) -> int:
    return int(item[0])


class GroupOut(msgspec.Struct, rename=CORE_NAMES):
    """Group."""

    id: UUID
    name: str
    created_on: Instant
    is_favorite: bool
    is_hidden: bool
    is_locked_for_editing: bool
    is_locked_for_sending: bool
    is_marketing: bool
    bypass_opt_out: bool
    contacts_amount: int
    empty_emails: int
    empty_numbers: int


def group_out(group: groups.Group) -> GroupOut:
    """Every property of a group is always there."""
    return GroupOut(
        group.id,
        group.name,
        instant(group.created_at),
        group.is_favorite,
        group.is_hidden,
        group.is_locked_for_editing,
        group.is_locked_for_sending,
        group.is_marketing,
        group.bypass_opt_out,
        group.contacts,
        group.empty_emails,
        group.empty_numbers,
    )


class FieldOut(msgspec.Struct):
    """Field."""

    id: int
    name: str


def field_out(field: fields.Field) -> FieldOut:
    """A field."""
    return FieldOut(field.id, field.name)


class OptOutOut(msgspec.Struct, rename=CORE_NAMES):
    """OptOut."""

    type: str
    value: str
    is_active: bool


def optout_out(token: consent.Token) -> OptOutOut:
    """The state of a token."""
    return OptOutOut(token.type, token.value, token.is_active)


class HistoryOut(Outgoing):
    """OptOutHistory; `reason` and `source` are ours."""

    created_on: Instant
    created_by: Annotated[UUID, Meta(description="The token or user that made the change.")] = msgspec.field(name="createdBy")
    is_active: bool
    reason: str
    source: str
    message: str | UnsetType = UNSET


def history_out(entry: consent.Entry) -> HistoryOut:
    """An entry of a token's history."""
    return HistoryOut(instant(entry.changed_at), entry.actor, entry.is_active, entry.reason, entry.source, entry.message or UNSET)


class TokenTypeOut(msgspec.Struct):
    """ApiTokenType."""

    id: str
    description: str
    amount_opt_in: int = msgspec.field(name="amountOptIn")
    amount_opt_out: int = msgspec.field(name="amountOptOut")


def type_out(figures: consent.TypeFigures) -> TokenTypeOut:
    """A token type with its counts."""
    return TokenTypeOut(figures.type, figures.description, figures.opted_in, figures.opted_out)


class SearchOut(Outgoing):
    """Search: a group or a contact, told apart by `type`. Names of a contact are spelled as the document's table has them."""

    id: UUID
    type: Literal["contact", "group"]
    created_on: Instant
    name: str | UnsetType = UNSET
    is_favorite: bool | UnsetType = UNSET
    is_hidden: bool | UnsetType = UNSET
    is_locked_for_editing: bool | UnsetType = UNSET
    is_locked_for_sending: bool | UnsetType = UNSET
    is_marketing: bool | UnsetType = UNSET
    bypass_opt_out: bool | UnsetType = UNSET
    contacts_amount: int | UnsetType = UNSET
    empty_emails: int | UnsetType = UNSET
    empty_numbers: int | UnsetType = UNSET
    group_id: UUID | UnsetType = UNSET
    first_name: str | UnsetType = msgspec.field(name="firstname", default=UNSET)
    insertion: str | UnsetType = UNSET
    last_name: str | UnsetType = msgspec.field(name="lastname", default=UNSET)
    email: str | UnsetType = UNSET
    phone: str | UnsetType = UNSET
    phone_country: str | UnsetType = UNSET
    group_name: str | UnsetType = msgspec.field(name="groupName", default=UNSET)
    is_group_marketing: bool | UnsetType = msgspec.field(name="isGroupMarketing", default=UNSET)


def found_out(found: search.Found) -> SearchOut:
    """A group or a contact of a search."""
    if isinstance(found, groups.Group):
        return SearchOut(
            found.id,
            "group",
            instant(found.created_at),
            name=found.name,
            is_favorite=found.is_favorite,
            is_hidden=found.is_hidden,
            is_locked_for_editing=found.is_locked_for_editing,
            is_locked_for_sending=found.is_locked_for_sending,
            is_marketing=found.is_marketing,
            bypass_opt_out=found.bypass_opt_out,
            contacts_amount=found.contacts,
            empty_emails=found.empty_emails,
            empty_numbers=found.empty_numbers,
        )
    contact = found.contact
    return SearchOut(
        contact.id,
        "contact",
        instant(contact.created_at),
        group_id=contact.group_id or NIL,
        first_name=contact.first_name or UNSET,
        insertion=contact.insertion or UNSET,
        last_name=contact.last_name or UNSET,
        email=contact.email or UNSET,
        phone=contact.phone or UNSET,
        phone_country=contact.phone_country or UNSET,
        group_name=found.group_name or UNSET,
        is_group_marketing=True if found.is_group_marketing else UNSET,
    )


class RejectedOut(msgspec.Struct):
    """A row that `skipInvalid` left out."""

    index: int
    field: str
    message: str


class UploadedOut(Outgoing):
    """The answer to a bulk upload."""

    created: Annotated[int, Meta(description="How many contacts were stored.")]
    rejected: list[RejectedOut] | UnsetType = UNSET


def changes(rows: Sequence[OptOutIn | list[Fault]]) -> list[Change | list[Fault]]:
    """A bulk of opt-outs for core. An unknown type is the row's fault; isActive is true unless it is false."""
    read: list[Change | list[Fault]] = []
    for index, row in enumerate(rows):
        if isinstance(row, list):
            read.append(row)
        elif (type := TYPES.get(row.type.strip().lower())) is None:
            read.append([Fault((index, "type"), f"must be one of {', '.join(TYPES)}")])
        else:
            read.append(Change(type, row.value, row.is_active is not False))
    return read


TYPES = {type.value: type for type in TokenType}


def order(text: str | None, columns: Collection[str]) -> tuple[Any, bool] | None:
    """(`name`, descending) from `name desc`; None if nothing is asked. Raises InvalidError for an unknown column."""
    words = (text or "").lower().split()
    if not words:
        return None
    if words[0] not in columns or words[1:] not in ([], ["asc"], ["desc"]):
        raise invalid("orderBy", f"must be one of {', '.join(columns)}, each may be followed by desc")
    return words[0], words[1:] == ["desc"]


def ids(values: Sequence[str] | None, name: str) -> list[UUID]:
    """Ids that repeat or are comma-separated. Raises InvalidError if one is no GUID."""
    return [guid(part.strip(), name) for value in values or () for part in value.split(",") if part.strip()]


def guid(text: str, name: str) -> UUID:
    """Raises InvalidError."""
    try:
        return UUID(text)
    except ValueError:
        raise invalid(name, f"{text[:40]!r} is not a GUID") from None


PROPERTIES: dict[str, dump.Attribute] = {
    "id": "id",
    "groupId": "group_id",
    "firstName": "first_name",
    "insertion": "insertion",
    "lastName": "last_name",
    "email": "email",
    "phoneNumber": "phone",
    "phoneCountry": "phone_country",
    "createdOnUtc": "created_at",
}
JSON_FORM = dump.Form("json", "customValues", ("fieldId", "value"))
CSV_FORM = dump.Form("csv")


def dump_columns(asked: Sequence[str] | None, of_account: Sequence[fields.Field]) -> list[dump.Column]:
    """The columns of a dump: those asked for by property name or field id (`customValues`: every field), else all. `id` always stays.

    Raises InvalidError for one that is neither.
    """
    wanted = [part.strip() for value in asked or () for part in value.split(",") if part.strip()]
    known = {name.lower(): dump.Column(name, attribute) for name, attribute in PROPERTIES.items()}
    by_id = {str(field.id): dump.Column(field.name, "field", field.id) for field in of_account}
    unknown = [name for name in wanted if name.lower() not in known and name not in by_id and name.lower() != "customvalues"]
    if unknown:
        raise invalid("fields", f"{unknown[0][:40]!r} is neither a property nor the id of a field")
    names = {name.lower() for name in wanted} | {"id"}
    every_field = not wanted or "customvalues" in names
    chosen = [column for name, column in known.items() if not wanted or name in names]
    return chosen + [column for id, column in by_id.items() if every_field or id in names]
