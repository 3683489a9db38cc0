"""A row of a file → the facts of a contact, or why not. Pure: the plan says which column goes where."""

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple
from uuid import UUID

import msgspec

from reachbook.core import fullname, headers, phone
from reachbook.core.drafts import Asker, Facts, FieldValue, WholeDraft, check
from reachbook.core.errors import Fault
from reachbook.core.kinds import Rules
from reachbook.core.text import sort_key
from reachbook.files.rows import Mark, Row, letter

Match = str
"""`phone`, `email`, or the id of a field as text."""

OnMatch = Literal["update", "fill", "skip"]
Scope = Literal["account", "group"]


class Plan(msgspec.Struct, frozen=True):
    """How a file is understood. `targets` are as headers.assign gives them, one a column; `match` are the levels of the key in turn."""

    columns: list[str]
    targets: list[str | None]
    match: list[Match]
    on_match: OnMatch
    match_in: Scope
    region: str | None
    letters: bool
    is_csv: bool
    group: UUID
    made_group: bool = False
    made_fields: list[int] = []


class Refusal(NamedTuple):
    """Why a row is refused: the column at fault (blank: the whole row) and the reason."""

    column: str
    reason: str


class Read(NamedTuple):
    """A row as it was read. `facts` is None when it is refused."""

    number: int
    cells: list[str]
    facts: Facts | None
    refusals: Sequence[Refusal]
    id: UUID | None = None
    """The contact that the row itself names."""


Key = tuple[str, str]
"""What makes two contacts the same: the level, and the value there."""

WHOLE = "whole"

# What a spreadsheet shows of a long number, and what a CSV file then has: the digits are gone. Of a phone number any such text is that; a
# value may be meant so, unless it looks just like a spreadsheet's number of twelve digits or more.
SCIENTIFIC = re.compile(r"[+-]?\d(?:[.,]\d+)?E\+\d{2,}")
ROUNDED = re.compile(r"[+-]?\d[.,]\d+E\+(?:1[1-9]|[2-9]\d|\d{3})")
# An apostrophe before what a spreadsheet would run as a formula; exports put it there (reachbook.core.exports).
GUARDED = re.compile(r"'+(?:[=@\t\r]|[+-](?![0-9 ().-]*$))")
SHOWN = 40


class Reader:
    """Reads the rows of one file."""

    def __init__(self, plan: Plan, fields: Rules) -> None:
        self.plan = plan
        self._asker = Asker(plan.region, fields)
        place = {target: place for place, target in reversed(list(enumerate(plan.targets))) if target}
        self._places = place
        self._first, self._insertion, self._last = (place.get(name) for name in ("first_name", "insertion", "last_name"))
        self._name, self._country, self._id = place.get(headers.NAME), place.get(headers.COUNTRY), place.get(headers.ID)
        self._emails = [place for place, target in enumerate(plan.targets) if target == headers.EMAIL]
        self._landline, self._fax = place.get(headers.LANDLINE), place.get(headers.FAX)
        self._phones = headers.phone_order(plan.columns, plan.targets)
        self._numbers = [*self._phones, *(place for place in (self._landline, self._fax) if place is not None)]
        self._fields = [(place, int(target)) for place, target in enumerate(plan.targets) if target and target.isdigit()]
        self._mapped = [place for place, target in enumerate(plan.targets) if target]

    def read(self, row: Row) -> Read:
        """One row."""
        if row.fault is not None:
            return Read(row.number, row.cells, None, [Refusal("", row.fault)])
        cells = row.cells
        text = [cell.strip() for cell in cells]
        refusals = self._damage(row, text)
        if self.plan.is_csv and any(cell.startswith(("'", '="')) for cell in text):
            text = [cell[1:].strip() if GUARDED.match(cell) else _unwrapped(cell) for cell in text]
            for place in self._numbers:
                text[place] = text[place].lstrip("'")
        if not any(text[place] for place in self._mapped):
            refusals.append(Refusal("", "has nothing in any column that is mapped"))
        if refusals:
            return Read(row.number, cells, None, refusals)
        draft = self._draft(row, text, refusals)
        faults: list[Fault] = []
        facts = check(draft, self._asker, (), faults)
        refusals += [self._refusal(row.number, fault, text) for fault in faults]
        if refusals:
            return Read(row.number, cells, None, refusals)
        return Read(row.number, cells, facts, (), self._named_id(text))

    def _draft(self, row: Row, text: list[str], refusals: list[Refusal]) -> WholeDraft:
        first, insertion, last = (text[place] if place is not None else None for place in (self._first, self._insertion, self._last))
        if self._name is not None and not first and not last and text[self._name]:
            whole = fullname.split(text[self._name])
            first, insertion, last = whole.first, whole.insertion or insertion, whole.last
        country = text[self._country] if self._country is not None else None
        mailbox = next((text[place] for place in self._emails if text[place]), None)
        number = self._phone(row, text, country or None, refusals)
        landline, fax = (self._line(row, text, place, country or None, refusals) for place in (self._landline, self._fax))
        if country and number is None:
            country = None
        values = [FieldValue(field, text[place]) for place, field in self._fields if text[place]]
        return WholeDraft(first, insertion, last, mailbox, number, country, values, landline, fax)

    def _line(self, row: Row, text: list[str], place: int | None, country: str | None, refusals: list[Refusal]) -> str | None:
        """The number of a landline or fax."""
        if place is None or not text[place]:
            return None
        region = (phone.region(country) if country else None) or self.plan.region
        try:
            return _number(text[place], region, is_number=(row.marks or {}).get(place) is Mark.NUMBER).e164
        except phone.PhoneError as error:
            refusals.append(Refusal(self.plan.columns[place], f"{self._cell(row.number, place)}{_shown(text[place])} {error}"))
            return None

    def _phone(self, row: Row, text: list[str], country: str | None, refusals: list[Refusal]) -> str | None:
        """The first mobile number of the row's phone columns, else the first number; every one of them has to be a number."""
        given = [place for place in self._phones if text[place]]
        if not given:
            return None
        if len(given) == 1 and not row.marks:
            return text[given[0]]
        region = (phone.region(country) if country else None) or self.plan.region
        numbers: list[phone.Phone] = []
        for place in given:
            try:
                numbers.append(_number(text[place], region, is_number=(row.marks or {}).get(place) is Mark.NUMBER))
            except phone.PhoneError as error:
                refusals.append(Refusal(self.plan.columns[place], f"{self._cell(row.number, place)}{_shown(text[place])} {error}"))
        return next((number for number in numbers if phone.is_mobile(number)), numbers[0]).e164 if numbers else None

    def _damage(self, row: Row, text: list[str]) -> list[Refusal]:
        """Cells whose number the spreadsheet no longer has."""
        marks = row.marks or {}
        suspects = [place for place in self._mapped if "E+" in text[place] and self._is_rounded(place, text[place])]
        suspects += [place for place, mark in marks.items() if mark is Mark.DAMAGED and place in self._mapped and place not in suspects]
        reason = "is not what was typed: the spreadsheet has rounded the number"
        return [
            Refusal(
                self.plan.columns[place],
                f"{self._cell(row.number, place)}{_shown(text[place])} {'is an error' if text[place].startswith('#') else reason}",
            )
            for place in suspects
        ]

    def _is_rounded(self, place: int, text: str) -> bool:
        if place in self._numbers:
            return SCIENTIFIC.fullmatch(text) is not None
        return self.plan.is_csv and ROUNDED.fullmatch(text) is not None

    def _cell(self, number: int, place: int) -> str:
        return f"cell {letter(place)}{number}: " if self.plan.letters else ""

    def _refusal(self, number: int, fault: Fault, text: list[str]) -> Refusal:
        place = self._place_of(fault.path, text)
        if place is None:
            return Refusal("", fault.message)
        return Refusal(self.plan.columns[place], f"{_shown(text[place])} {fault.message}")

    def _place_of(self, path: tuple[str | int, ...], text: list[str]) -> int | None:
        """The column that a fault of core's is about."""
        match path:
            case ("email",):
                return next((place for place in self._emails if text[place]), None)
            case ("phone",):
                return next((place for place in self._phones if text[place]), None)
            case ("values", int(position), *_):
                given = [place for place, _ in self._fields if text[place]]
                return given[position]
            case (str(name),):
                return self._places.get(name, self._name)
            case _:
                return None

    def _named_id(self, text: list[str]) -> UUID | None:
        if self._id is None or not text[self._id]:
            return None
        try:
            return UUID(text[self._id])
        except ValueError:
            return None


def _unwrapped(cell: str) -> str:
    """`="0612345678"` is how some programs keep a spreadsheet from taking a text for a number."""
    return cell[2:-1] if cell.startswith('="') and cell.endswith('"') and cell.count('"') == 2 else cell


def _number(text: str, region: str | None, *, is_number: bool) -> phone.Phone:
    return phone.restored(text, region) if is_number and text.isdigit() else phone.parse(text, region)


def _shown(text: str) -> str:
    """A value as a reason shows it."""
    return repr(text if len(text) <= SHOWN else text[: SHOWN - 1] + "…")


def key(levels: Sequence[Match], facts: Facts) -> Key:
    """What the contact is matched by: the first of the levels at which it has a value, else all of it."""
    for level in levels:
        value = facts.phone if level == "phone" else facts.email_key if level == "email" else _value(facts, level)
        if value:
            return level, value
    return WHOLE, f"{facts.name_key}\n{sorted(_values(facts).items())}"


def _value(facts: Facts, field: str) -> str | None:
    return _values(facts).get(field, "").strip() or None


def _values(facts: Facts) -> dict[str, str]:
    return msgspec.json.decode(facts.field_values) if facts.field_values != "{}" else {}


def merge(stored: Facts, new: Facts, on_match: OnMatch) -> Facts | None:
    """What a matched contact becomes, or None if that is what it is. A blank cell never takes a value away.

    Spaces around a value, its line ends and another spelling of the same mailbox are no difference.
    """
    values: dict[str, str] = msgspec.json.decode(stored.field_values)
    given: dict[str, str] = msgspec.json.decode(new.field_values)
    if on_match == "fill":
        first, insertion, last = _filled_name(stored, new)
        changed = {field: value for field, value in given.items() if field not in values}
        takes_email, takes_phone = not stored.email_key, not stored.phone
    else:
        first, insertion, last = (_kept(old, fresh) for old, fresh in zip(stored[:3], new[:3], strict=True))
        changed = {field: value for field, value in given.items() if not _same(values.get(field, ""), value)}
        takes_email, takes_phone = new.email_key not in (None, stored.email_key), new.phone not in (None, stored.phone)
    mailbox = (new.email, new.email_key) if takes_email else (stored.email, stored.email_key)
    number = (new.phone, new.phone_country) if takes_phone else (stored.phone, stored.phone_country)
    field_values = msgspec.json.encode(values | changed).decode() if changed else stored.field_values
    landline, fax = (fresh or old for old, fresh in ((stored.landline, new.landline), (stored.fax, new.fax)))
    if on_match == "fill":
        landline, fax = stored.landline or landline, stored.fax or fax
    merged = Facts(first, insertion, last, sort_key(last, first, insertion), *mailbox, *number, landline, fax, field_values)
    return None if merged[:3] == stored[:3] and merged[4:] == stored[4:] else merged


def _kept(old: str | None, fresh: str | None) -> str | None:
    return old if fresh is None or (old is not None and _same(old, fresh)) else fresh


def _same(old: str, fresh: str) -> bool:
    """Files change the spaces around a text and its line ends; that is no change of the text."""
    return old == fresh or "\n".join(old.splitlines()).strip() == "\n".join(fresh.splitlines()).strip()


def _filled_name(stored: Facts, new: Facts) -> tuple[str | None, str | None, str | None]:
    return stored.first_name or new.first_name, stored.insertion or new.insertion, stored.last_name or new.last_name
