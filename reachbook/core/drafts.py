"""What is said of a contact, and the checked facts that it becomes. Pure: no rule of these needs the database."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from reachbook.core import email, phone
from reachbook.core.errors import Fault, Path
from reachbook.core.kinds import ANY, Rule, Rules, read
from reachbook.core.limits import NAME_LENGTH, VALUE_LENGTH
from reachbook.core.text import clean, sort_key


class FieldValue(msgspec.Struct):
    """The value of one of the account's fields; blank: none."""

    field_id: int
    value: str | None = None


class Draft(msgspec.Struct):
    """What a caller says of a contact. UNSET leaves it as it is, None clears it; for a new contact both mean none."""

    first_name: str | UnsetType | None = UNSET
    insertion: str | UnsetType | None = UNSET
    last_name: str | UnsetType | None = UNSET
    email: str | UnsetType | None = UNSET
    phone: str | UnsetType | None = UNSET
    phone_country: str | UnsetType | None = UNSET
    values: Sequence[FieldValue] | UnsetType | None = UNSET


class WholeDraft(Draft):
    """With the other numbers, which not every wire knows."""

    landline: str | UnsetType | None = UNSET
    fax: str | UnsetType | None = UNSET


NO_LINES = WholeDraft()


class Facts(NamedTuple):
    """The checked and normalised values of one contact, in the order of the columns. `phone` is the number that can get an SMS."""

    first_name: str | None
    insertion: str | None
    last_name: str | None
    name_key: str
    email: str | None
    email_key: str | None
    phone: str | None
    phone_country: str | None
    landline: str | None
    fax: str | None
    field_values: str


class Asker(NamedTuple):
    """What a row is checked against: the region of the account and the fields that there are."""

    region: str | None
    fields: Rules


def check(draft: Draft, asker: Asker, at: Path, faults: list[Fault]) -> Facts:
    """Read one draft as a new contact. What is wrong is added to `faults`, below the path `at`."""
    first = clean(draft.first_name, (*at, "first_name"), NAME_LENGTH, faults) if draft.first_name else None
    insertion = clean(draft.insertion, (*at, "insertion"), NAME_LENGTH, faults) if draft.insertion else None
    last = clean(draft.last_name, (*at, "last_name"), NAME_LENGTH, faults) if draft.last_name else None
    mailbox = _email(draft.email, at, faults) if draft.email else None
    country = draft.phone_country or None
    number = _phone(draft.phone, "phone", country, asker.region, at, faults) if draft.phone or country else None
    lines = draft if isinstance(draft, WholeDraft) else NO_LINES
    landline = _phone(lines.landline, "landline", country, asker.region, at, faults) if lines.landline else None
    fax = _phone(lines.fax, "fax", country, asker.region, at, faults) if lines.fax else None
    return Facts(
        first,
        insertion,
        last,
        sort_key(last, first, insertion),
        mailbox and mailbox.address,
        mailbox and mailbox.key,
        number and number.e164,
        number and number.country,
        landline and landline.e164,
        fax and fax.e164,
        _values(draft.values, asker, at, faults) if draft.values else "{}",
    )


def _email(text: str, at: Path, faults: list[Fault]) -> email.Email | None:
    if text.isspace():
        return None
    try:
        return email.parse(text)
    except ValueError as error:
        faults.append(Fault((*at, "email"), str(error)))
        return None


def _phone(
    text: str | UnsetType | None, name: str, country: str | None, default: str | None, at: Path, faults: list[Fault]
) -> phone.Phone | None:
    region = default
    if country and not country.isspace():
        region = phone.region(country)
        if region is None:
            if name == "phone":
                faults.append(Fault((*at, "phone_country"), "is no ISO 3166-1 alpha-2 region"))
            return None
    if not text or text.isspace():
        return None
    try:
        return phone.parse(text, region)
    except phone.PhoneError as error:
        faults.append(Fault((*at, name), str(error)))
        return None


def _values(values: Sequence[FieldValue], asker: Asker, at: Path, faults: list[Fault]) -> str:
    kept: dict[str, str] = {}
    for number, value in enumerate(values):
        path = (*at, "values", number)
        rule = asker.fields.get(value.field_id)
        if rule is None:
            faults.append(Fault((*path, "field_id"), f"there is no field {value.field_id}"))
        text = clean(value.value, (*path, "value"), VALUE_LENGTH, faults)
        if text is not None and rule is not None and rule is not ANY:
            text = _of_kind(rule, text, asker.region, (*path, "value"), faults)
        if text is None:
            kept.pop(str(value.field_id), None)
        else:
            kept[str(value.field_id)] = text
    return msgspec.json.encode(kept).decode()


def _of_kind(rule: Rule, text: str, region: str | None, at: Path, faults: list[Fault]) -> str:
    try:
        return read(rule, text, region)
    except ValueError as error:
        faults.append(Fault(at, str(error)))
        return text
