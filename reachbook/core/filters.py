"""Filters: conditions on contacts, joined by all, any and not, as one small language for every wire; compiled to SQL with bound values.

As JSON: `{"attribute": "city", "operator": "EQ", "value": "Paris"}`, `{"all": […]}`, `{"any": […]}`, `{"not": {…}}`. A condition is true
or false, never unknown: a contact without a value meets IS_NULL, NE and what is negated, nothing else. So NE is always the contrary of EQ.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple, cast
from uuid import UUID

import msgspec

from reachbook.core import email, kinds, phone, properties, push, reach
from reachbook.core.consent import Reason, TokenType, like
from reachbook.core.contacts import ADDRESSES
from reachbook.core.errors import Fault, InvalidError, Path
from reachbook.core.fields import Field
from reachbook.core.kinds import ANY, Kind, Rule
from reachbook.core.limits import FILTER_CONDITIONS, FILTER_DEPTH, FILTER_VALUES, VALUE_LENGTH
from reachbook.core.properties import PREDEFINED
from reachbook.core.text import clean
from reachbook.database.values import Values


class Operator(StrEnum):
    """LIKE takes `%` for anything, without one it means "contains"; text is compared with LIKE whatever its case."""

    EQ = "EQ"
    NE = "NE"
    LIKE = "LIKE"
    GT = "GT"
    GE = "GE"
    LT = "LT"
    LE = "LE"
    IN = "IN"
    IS_NULL = "IS_NULL"
    NOT_NULL = "NOT_NULL"


ALIASES = {"=": "EQ", "==": "EQ", "!=": "NE", "<>": "NE", ">": "GT", ">=": "GE", "<": "LT", "<=": "LE"}
WITHOUT_VALUE = (Operator.IS_NULL, Operator.NOT_NULL)
ORDERED = {Operator.GT: ">", Operator.GE: ">=", Operator.LT: "<", Operator.LE: "<="}


class Condition(NamedTuple):
    """`values` as they were given: one, several for IN, none for IS_NULL and NOT_NULL."""

    attribute: str
    operator: Operator
    values: tuple[str, ...] = ()


class All(NamedTuple):
    """True if all are; without any it is true."""

    of: tuple["Filter", ...]


class Any_(NamedTuple):  # noqa: N801 - `any` is the language's word
    """True if one is; without any it is false."""

    of: tuple["Filter", ...]


class Not(NamedTuple):
    """The contrary."""

    of: "Filter"


Filter = Condition | All | Any_ | Not
EVERYBODY = All(())


class Schema(NamedTuple):
    """What filters of one account can speak of: its fields, and the region of its numbers."""

    fields: Sequence[Field]
    region: str | None


def parse(raw: Any, at: Path = ("filter",)) -> Filter:
    """A filter as JSON gives it. Raises InvalidError with the path to what is wrong."""
    faults: list[Fault] = []
    left = [FILTER_CONDITIONS]
    found = _parsed(raw, at, faults, left, FILTER_DEPTH)
    if left[0] < 0:
        faults.append(Fault(at, f"has more than {FILTER_CONDITIONS} conditions"))
    if faults:
        raise InvalidError(faults)
    return found


def _parsed(raw: Any, at: Path, faults: list[Fault], left: list[int], depth: int) -> Filter:
    if not isinstance(raw, Mapping):
        faults.append(Fault(at, "must be an object"))
        return EVERYBODY
    if not depth:
        faults.append(Fault(at, f"is nested more than {FILTER_DEPTH} deep"))
        return EVERYBODY
    given = {str(name).lower(): value for name, value in cast("Mapping[Any, Any]", raw).items()}
    if "all" in given or "any" in given:
        name = "all" if "all" in given else "any"
        rows = given[name]
        if not isinstance(rows, list):
            faults.append(Fault((*at, name), "must be an array"))
            return EVERYBODY
        of = cast("list[Any]", rows)
        parts = tuple(_parsed(row, (*at, name, number), faults, left, depth - 1) for number, row in enumerate(of[: FILTER_CONDITIONS + 1]))
        return All(parts) if name == "all" else Any_(parts)
    if "not" in given:
        return Not(_parsed(given["not"], (*at, "not"), faults, left, depth - 1))
    left[0] -= 1
    return _condition(given, at, faults)


def _condition(given: Mapping[str, Any], at: Path, faults: list[Fault]) -> Condition:
    attribute = given.get("attribute")
    if not isinstance(attribute, str) or not attribute.strip():
        faults.append(Fault((*at, "attribute"), "is required"))
    try:
        operator = operator_named(str(given.get("operator") or "EQ"))
    except ValueError as error:
        faults.append(Fault((*at, "operator"), str(error)))
        operator = Operator.EQ
    return Condition(str(attribute).strip(), operator, _values(given.get("value"), operator, (*at, "value"), faults))


def operator_named(text: str) -> Operator:
    """An operator by its name in any case, or its sign. Raises ValueError."""
    written = text.strip().upper()
    try:
        return Operator(ALIASES.get(written, written))
    except ValueError:
        raise ValueError(f"must be one of {', '.join(Operator)}") from None


def _values(value: Any, operator: Operator, at: Path, faults: list[Fault]) -> tuple[str, ...]:
    """IN takes an array, or text with commas."""
    if operator in WITHOUT_VALUE:
        return ()
    rows: list[Any]
    if operator is Operator.IN:
        rows = cast("list[Any]", value) if isinstance(value, list) else [part.strip() for part in str(value or "").split(",")]
    else:
        rows = [value]
    if len(rows) > FILTER_VALUES:
        faults.append(Fault(at, f"has more than {FILTER_VALUES:,} values"))
    found: list[str] = []
    for row in rows[:FILTER_VALUES]:
        if isinstance(row, bool):
            row = "true" if row else "false"
        if not isinstance(row, str | int | float):
            faults.append(Fault(at, "is required" if row is None else "must be text"))
            continue
        text = clean(str(row), at, VALUE_LENGTH, faults)
        if text is not None:
            found.append(text)
    if not found and not faults:
        faults.append(Fault(at, "is required"))
    return tuple(found)


# --- to SQL

TEXTS = ("first_name", "insertion", "last_name")
NUMBERS = ("phone", "landline", "fax")
INSTANTS = ("created_at", "updated_at")
OPT_OUT = "opt_out."
"""`opt_out.sms`: the reason of the opt-out, null without one; of every type that contacts have an address for."""
REACHABLE = "reachable."
"""`reachable.sms`: true or false, as statistics count it."""


def compile(filter: Filter, schema: Schema, values: Values, at: Path = ("filter",)) -> str:
    """The SQL condition on contacts `c`, true or unknown as WHERE reads it; $1 must be the account. Raises InvalidError."""
    faults: list[Fault] = []
    written = _sql(filter, schema, values, at, faults)
    if faults:
        raise InvalidError(faults)
    return written


def _sql(filter: Filter, schema: Schema, values: Values, at: Path, faults: list[Fault]) -> str:
    match filter:
        case All(of):
            return (
                "(" + " AND ".join(_sql(one, schema, values, (*at, "all", n), faults) for n, one in enumerate(of)) + ")" if of else "true"
            )
        case Any_(of):
            return (
                "(" + " OR ".join(_sql(one, schema, values, (*at, "any", n), faults) for n, one in enumerate(of)) + ")" if of else "false"
            )
        case Not(of):
            return f"(({_sql(of, schema, values, (*at, 'not'), faults)}) IS NOT TRUE)"
        case Condition():
            try:
                return f"({_written(filter, schema, values)})"
            except ValueError as error:
                reason, *where = map(str, error.args)
                faults.append(Fault((*at, *(where or ["value"])), reason))
                return "false"


class _Compared(NamedTuple):
    """How an attribute is compared: the SQL of its value, the SQL type, and how a given value is read."""

    value: str
    type: str
    read: Callable[[str], Any]
    text: str | None = None
    """The SQL of what LIKE looks at, if it can be looked at so."""
    is_ordered: bool = True
    field: int | None = None
    """The field that has it: an index finds contacts by what they contain."""


def _written(condition: Condition, schema: Schema, values: Values) -> str:
    name, operator, given = condition
    if any("\0" in text for text in given):
        raise ValueError("contains a NUL character")
    if name in SETS:
        return _of_set(SETS[name], operator, given, values)
    if operator is Operator.LIKE and name in NUMBERS:
        return f"c.{name} LIKE {values.add(_pattern(given[0].replace('+', '')), 'text')}"
    compared = _compared(name, schema)
    if operator in WITHOUT_VALUE:
        return f"{compared.value} IS {'' if operator is Operator.IS_NULL else 'NOT '}NULL"
    if operator is Operator.LIKE:
        if compared.text is None:
            raise ValueError("LIKE is for text", "operator")
        return f"lower({compared.text}) LIKE {values.add(_pattern(given[0].lower()), 'text')}"
    if operator in ORDERED and not compared.is_ordered:
        raise ValueError(f"{operator} is not for this attribute", "operator")
    read = [compared.read(text) for text in given]
    if operator in (Operator.EQ, Operator.NE, Operator.IN):
        equal = _equal(compared, read, values)
        return f"({equal}) IS NOT TRUE" if operator is Operator.NE else equal
    return f"{compared.value} {ORDERED[operator]} {values.add(read[0], compared.type)}"


CONTAINED_VALUES = 10
"""So many values of a field are looked for by the index, one by one; more by reading contacts."""


def _equal(compared: _Compared, read: Sequence[Any], values: Values) -> str:
    """The attribute is one of these. Equal values of a field are equal texts (core/kinds.py), so the index knows them."""
    if compared.field is None or len(read) > CONTAINED_VALUES:
        return f"{compared.value} = ANY({values.add(read, compared.type + '[]')})"
    contained = [msgspec.json.encode({str(compared.field): str(one)}).decode() for one in read]
    return "(" + " OR ".join(f"c.field_values @> {values.add(one, 'text')}::jsonb" for one in contained) + ")"


def _pattern(text: str) -> str:
    """A LIKE pattern in which only `%` means something."""
    if "%" not in text:
        return like(text)
    return text.replace("\\", "\\\\").replace("_", "\\_")


class _Set(NamedTuple):
    """What a contact has several of: SQL of the rows, the column that is compared, its type, and how a given value is read."""

    rows: str
    column: str
    type: str
    read: Callable[[str], Any]


def _uuid(text: str) -> UUID:
    try:
        return UUID(text.strip())
    except ValueError:
        raise ValueError("is not a GUID") from None


SETS = {
    "group": _Set("membership s WHERE s.account_id = c.account_id AND s.contact_id = c.id", "s.group_id", "uuid", _uuid),
    "push_token": _Set("push_token s WHERE s.account_id = c.account_id AND s.contact_id = c.id", "s.token", "text", str.strip),
}


def _of_set(of: _Set, operator: Operator, given: Sequence[str], values: Values) -> str:
    one = f"EXISTS (SELECT 1 FROM {of.rows}"
    if operator in WITHOUT_VALUE:
        return f"{'NOT ' if operator is Operator.IS_NULL else ''}{one})"
    if operator not in (Operator.EQ, Operator.NE, Operator.IN):
        raise ValueError(f"{operator} is not for this attribute", "operator")
    is_in = f"{one} AND {of.column} = ANY({values.add([of.read(text) for text in given], of.type + '[]')}))"
    return f"NOT {is_in}" if operator is Operator.NE else is_in


def _compared(name: str, schema: Schema) -> _Compared:
    if name == "id":
        return _Compared("c.id", "uuid", _uuid)
    if name in TEXTS:
        return _Compared(f"c.{name}", "text", str, f"c.{name}")
    if name == "email":
        return _Compared("c.email_key", "text", _email_key, "c.email")
    if name in NUMBERS:

        def number(text: str) -> str:
            return phone.parse(text, schema.region).e164

        return _Compared(f"c.{name}", "text", number, is_ordered=False)
    if name in INSTANTS:
        return _Compared(f"date_trunc('second', c.{name})", "timestamptz", instant)
    if name.startswith(OPT_OUT):
        return _opt_out(name.removeprefix(OPT_OUT))
    if name.startswith(REACHABLE):
        return _reachable(name.removeprefix(REACHABLE))
    field = field_named(name, schema.fields)
    if field is not None:
        return _of_field(field, schema.region)
    if name in properties.LABELS:  # nobody has written it yet: no contact has a value
        rule = properties.RULES.get(name, ANY)
        return _compared_as(rule.kind, "NULL::text", schema.region)
    raise ValueError(f"there is no attribute {name!r}", "attribute")


def order(name: str, schema: Schema) -> str:
    """The SQL that contacts `c` are sorted by: by the attribute's type, text whatever its case. Raises ValueError."""
    if name in SETS:
        raise ValueError("can't be sorted by")
    compared = _compared(name, schema)
    return compared.value if compared.text is None else f'lower({compared.text}) COLLATE "C"'


def field_named(name: str, fields: Sequence[Field]) -> Field | None:
    """A field by the name of its property, `field:17`, or its own name in any case; the property's label is such a name, too."""
    sought = name.strip().casefold()
    id = PREDEFINED.get(sought)
    by_id = sought.removeprefix("field:")
    if id is None and by_id != sought and by_id.isascii() and by_id.isdigit():
        id = int(by_id)
    names = (sought, properties.LABELS.get(sought, sought).casefold())
    return next((field for field in fields if field.id == id or field.property == sought), None) or next(
        (field for field in fields if field.property is None and field.name.casefold() in names),
        next((field for field in fields if field.name.casefold() == sought), None),
    )


def _of_field(field: Field, region: str | None) -> _Compared:
    return _compared_as(field.kind, f"c.field_values ->> '{field.id:d}'", region)._replace(field=field.id)


def _compared_as(kind: Kind, text: str, region: str | None) -> _Compared:
    """Compared by its type: texts of dates and instants order as these do; whole numbers are numbers, whatever was stored before."""
    rule = Rule(kind)  # any value may be asked for, also one that is no choice

    def read(given: str) -> str:
        return kinds.read(rule, given, region)

    if kind is Kind.INTEGER:
        number = f"CASE WHEN {text} ~ '^-?[0-9]{{1,18}}$' THEN ({text})::bigint END"
        return _Compared(f"({number})", "bigint", _integer)
    is_ordered = kind not in (Kind.BOOLEAN, Kind.OBJECT)
    # Bytes, not the database's own order of letters: the same everywhere.
    return _Compared(f'(({text}) COLLATE "C")', "text", read, f"({text})" if kind is Kind.TEXT else None, is_ordered)


def _opt_out(name: str) -> _Compared:
    try:
        type = TokenType(name)
    except ValueError:
        raise ValueError(f"there is no channel {name!r}", "attribute") from None
    if type is TokenType.PUSH:
        return _Compared(f"(SELECT min(o.reason) FROM {push.OPT_OUTS} o)", "text", _reason, is_ordered=False)
    keys = ["phone", "landline"] if type in (TokenType.VOICE, TokenType.VOICEMAIL) else [ADDRESSES[type]]
    token = f"SELECT t.reason FROM consent_token t WHERE t.account_id = c.account_id AND t.type = '{type}' AND t.is_active"
    tokens = [f"({token} AND t.key = c.{key})" for key in keys]
    return _Compared(f"coalesce({', '.join(tokens)})", "text", _reason, is_ordered=False)


def _reachable(name: str) -> _Compared:
    try:
        medium = reach.Medium(name)
    except ValueError:
        raise ValueError(f"there is no medium {name!r}", "attribute") from None
    address = " OR ".join(
        f"c.{column} IS NOT NULL"
        for bit, column in ((reach.EMAIL, "email_key"), (reach.PHONE, "phone"), (reach.LANDLINE, "landline"))
        if reach.ADDRESSES[medium] & bit
    )
    can = f"(({address}) AND {_opt_out(name).value} IS NULL AND NOT {reach.IS_DEACTIVATED})"
    return _Compared(can, "boolean", _boolean, is_ordered=False)


def instant(text: str) -> datetime:
    """`2026-01-31`, `2026-01-31 12:00:00`, with or without an offset (UTC), to the second. Raises ValueError."""
    try:
        given = datetime.fromisoformat(text.strip())
        given = given.astimezone(UTC) if given.tzinfo else given.replace(tzinfo=UTC)
        return given.replace(microsecond=0) + timedelta()
    except (ValueError, OverflowError):
        raise ValueError("must be a date and time such as 2026-01-31 12:00:00") from None


def _email_key(text: str) -> str:
    return email.parse(text).key


def _integer(text: str) -> int:
    return int(kinds.read(Rule(Kind.INTEGER), text))


def _boolean(text: str) -> bool:
    return kinds.read(Rule(Kind.BOOLEAN), text) == "true"


def _reason(text: str) -> str:
    if text.strip().lower() not in list(Reason):
        raise ValueError(f"must be one of {', '.join(Reason)}")
    return text.strip().lower()
