"""JSON bodies: strictly and fast first, tolerantly when that fails.

The vendors' servers take property names in any case, ignore unknown ones and accept a trailing comma (spec, "Requests").
The strict decoder refuses all three, so the tolerant reader sees every body that is not plainly right, and also finds
*every* fault of it. What neither can read is a MalformedError.
"""
# A parsed body has no type before it is read.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Generic, TypeVar

import msgspec
import pyjson5
from msgspec.inspect import AnyType, DecimalType, DictType, ListType, Metadata, NoneType, StructType, Type, UnionType, type_info

from reachbook.core.errors import Fault, InvalidError, Path, TooLargeError
from reachbook.core.limits import ROWS_PER_CALL
from reachbook.http.errors import MalformedError

T = TypeVar("T", bound=msgspec.Struct)

UNREAD = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

EXPECTED = {
    "str": "text",
    "int": "a whole number",
    "bool": "true or false",
    "float": "a number",
    "Decimal": "a number",
    "array": "an array",
    "object": "an object",
}


class Alone(list[Any]):
    """The one row of a body that is an object without an array."""


class Reader(Generic[T]):
    """Reads bodies that are one object, or a batch of objects, of a model (declared with forbid_unknown_fields)."""

    def __init__(self, model: type[T]) -> None:
        self.model = model
        self._type = type_info(model)
        self._object = msgspec.json.Decoder(model)
        self._batch = msgspec.json.Decoder(list[model])
        self._is_exact = _has_decimals(self._type)

    def object(self, body: bytes, charset: str = "utf-8") -> T:
        """One object; no body and `null` are an empty one. Raises MalformedError, InvalidError."""
        try:
            return self._object.decode(body)
        except UNREAD:
            raw = parse(body, charset, exact=self._is_exact)
        faults: list[Fault] = []
        read = _read({} if raw is None else raw, self._type, (), faults)
        if faults:
            raise InvalidError(faults)
        return read

    def batch(self, body: bytes, charset: str = "utf-8") -> Sequence[T | list[Fault]]:
        """A row for each element of the array: the object, or what is wrong with it. No body and `null` are no rows.

        Raises MalformedError, InvalidError if it is no array, TooLargeError if it is longer than one call may be.
        """
        try:
            return _bounded(self._batch.decode(body))
        except UNREAD:
            raw = parse(body, charset, exact=self._is_exact)
        if not isinstance(raw, list | None):
            raise InvalidError([Fault((), "must be an array")])
        return [self._row(index, row) for index, row in enumerate(_bounded(raw or []))]

    def some(self, body: bytes, charset: str = "utf-8") -> Sequence[T | list[Fault]]:
        """The same for a body that may also be one object without an array; that one comes as `Alone`."""
        raw = parse(body, charset, exact=self._is_exact)
        if isinstance(raw, dict):
            return Alone([self._row(0, raw)])
        return self.batch(body, charset)

    def _row(self, index: int, raw: Any) -> T | list[Fault]:
        faults: list[Fault] = []
        read = _read(raw, self._type, (index,), faults)
        return faults or read


def _has_decimals(type: Type) -> bool:
    """Whether the model has decimals somewhere."""
    if isinstance(type, StructType):
        return any(_has_decimals(field.type) for field in type.fields)
    if isinstance(type, UnionType):
        return any(_has_decimals(kind) for kind in type.types)
    if isinstance(type, ListType):
        return _has_decimals(type.item_type)
    return isinstance(type, DecimalType) or (isinstance(type, Metadata) and _has_decimals(type.type))


PLAIN, EXACT = msgspec.json.Decoder(), msgspec.json.Decoder(float_hook=Decimal)


def parse(body: bytes, charset: str = "utf-8", *, exact: bool = False) -> Any:
    """Any JSON, trailing commas and a byte order mark too; None for no body. Raises MalformedError.

    `exact`: numbers with a point are decimals, digit for digit; but for JSON5, whose reader has no such thing: 15 digits are exact there.
    """
    try:
        text = body.decode(charset).removeprefix("\ufeff")
    except (UnicodeDecodeError, LookupError):
        raise MalformedError(f"The body is not {charset} text.") from None
    if not text or text.isspace():
        return None
    try:
        return (EXACT if exact else PLAIN).decode(text)
    except UNREAD as error:
        strict = str(error)
    try:
        return pyjson5.decode(text)
    except (pyjson5.Json5Exception, ValueError, RecursionError):
        raise MalformedError(f"The body is not JSON: {strict}.") from None


def written_path(raw: Any, path: Path) -> Path:
    """The path with its names as the client wrote them, where `raw` has them in another case."""
    written: list[str | int] = []
    for part in path:
        if isinstance(raw, dict) and isinstance(part, str):
            part = next((key for key in raw if key.lower() == part.lower()), part)
            raw = raw.get(part)
        else:
            raw = raw[part] if isinstance(raw, list) and isinstance(part, int) and part < len(raw) else None
        written.append(part)
    return tuple(written)


Rows = TypeVar("Rows", bound=Sequence[Any])


def _bounded(rows: Rows) -> Rows:
    if len(rows) > ROWS_PER_CALL:
        raise TooLargeError(f"At most {ROWS_PER_CALL:,} rows in one call; these are {len(rows):,}.")
    return rows


def _read(raw: Any, type: Type, path: Path, faults: list[Fault]) -> Any:
    """The value as the type wants it; what does not fit is added to `faults`, below `path` in the model's own names."""
    if isinstance(type, UnionType):
        kinds = [kind for kind in type.types if not isinstance(kind, NoneType)]
        return None if raw is None and len(kinds) < len(type.types) else _read(raw, kinds[0], path, faults)
    if isinstance(type, Metadata):
        return _read(raw, type.type, path, faults)
    if isinstance(type, AnyType):
        return raw
    if isinstance(type, StructType):
        return _read_object(raw, type, path, faults)
    if isinstance(type, ListType):
        if not isinstance(raw, list):
            faults.append(Fault(path, "must be an array"))
            return None
        return [_read(item, type.item_type, (*path, index), faults) for index, item in enumerate(raw)]
    if isinstance(type, DictType):
        if not isinstance(raw, dict):
            faults.append(Fault(path, "must be an object"))
            return None
        return {str(name): _read(value, type.value_type, (*path, str(name)), faults) for name, value in raw.items()}
    return _read_scalar(raw, type, path, faults)


def _read_object(raw: Any, type: StructType, path: Path, faults: list[Fault]) -> Any:
    if not isinstance(raw, dict):
        faults.append(Fault(path, "must be an object"))
        return None
    by_name = {field.encode_name.lower(): field for field in type.fields}
    values: dict[str, Any] = {}
    before = len(faults)
    for name, value in raw.items():
        field = by_name.get(str(name).lower())
        if field is not None:
            values[field.name] = _read(value, field.type, (*path, field.name), faults)
    faults.extend(Fault((*path, field.name), "is required") for field in type.fields if field.required and field.name not in values)
    return type.cls(**values) if len(faults) == before else None


KINDS: dict[str, type] = {"StrType": str, "IntType": int, "BoolType": bool, "FloatType": float, "DecimalType": Decimal}


def _read_scalar(raw: Any, type: Type, path: Path, faults: list[Fault]) -> Any:
    kind = KINDS[type.__class__.__name__]
    try:
        return msgspec.convert(raw, kind)
    except (msgspec.ValidationError, OverflowError):
        faults.append(Fault(path, f"must be {EXPECTED[kind.__name__]}"))
        return None
