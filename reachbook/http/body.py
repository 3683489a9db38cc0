"""Request bodies of handlers: `dto=one(Model)`, `batch(Model)` or `one_or_many(Model)` reads them with the tolerant reader.

The OpenAPI document describes the model; the handler's `data` is what the reader gives.
"""
# Litestar's connection is generic in nothing that matters here.
# pyright: reportUnknownMemberType=false

from collections.abc import Generator
from typing import Any

import msgspec
from litestar.dto import AbstractDTO
from litestar.dto.data_structures import DTOFieldDefinition
from litestar.openapi.spec import Reference, Schema
from litestar.typing import FieldDefinition

from reachbook.http.json import Reader


class Body(AbstractDTO[Any]):
    """What Litestar calls a DTO: bytes in, value out."""

    documented: Any

    def decode_bytes(self, value: bytes) -> Any:
        """Read the body; see `one` and `batch`."""
        return self.read(value, charset_of(self.asgi_connection.headers.get("content-type", "")))

    @staticmethod
    def read(body: bytes, charset: str) -> Any:
        """Set by `one` and `batch`."""
        raise AssertionError

    @classmethod
    def create_for_field_definition(cls, field_definition: FieldDefinition, handler_id: str, backend_cls: Any = None) -> None:
        """There is no transfer model to prepare."""

    @classmethod
    def is_supported_model_type_field(cls, field_definition: FieldDefinition) -> bool:
        """Any annotation: the reader decides what comes."""
        return True

    @classmethod
    def create_openapi_schema(cls, field_definition: FieldDefinition, handler_id: str, schema_creator: Any) -> Reference | Schema:
        """The documented model."""
        return schema_creator.for_field_definition(FieldDefinition.from_annotation(cls.documented))

    @classmethod
    def generate_field_definitions(cls, model_type: type[Any]) -> Generator[DTOFieldDefinition]:
        """None: the model is not taken apart."""
        yield from ()

    @classmethod
    def detect_nested_field(cls, field_definition: FieldDefinition) -> bool:
        """None: the model is not taken apart."""
        return False


def one(model: type[msgspec.Struct], documented: type[msgspec.Struct] | None = None) -> type[Body]:
    """A body that is one object; what it should be may be documented by another model than the one that takes whatever comes."""
    reader = Reader(model)
    return type(f"One{model.__name__}", (Body,), {"documented": documented or model, "read": staticmethod(reader.object)})


def batch(model: type[msgspec.Struct]) -> type[Body]:
    """A body that is an array of objects; each row comes as the object or as its faults."""
    reader = Reader(model)
    return type(f"Batch{model.__name__}", (Body,), {"documented": list[model], "read": staticmethod(reader.batch)})


def one_or_many(model: type[msgspec.Struct]) -> type[Body]:
    """A body that is an object, or an array of them; each row comes as the object or as its faults."""
    reader = Reader(model)
    return type(f"Some{model.__name__}", (Body,), {"documented": model | list[model], "read": staticmethod(reader.some)})


def charset_of(content_type: str) -> str:
    """The charset that a Content-Type names, else UTF-8."""
    for part in content_type.split(";")[1:]:
        name, _, value = part.partition("=")
        if name.strip().lower() == "charset":
            return value.strip().strip('"') or "utf-8"
    return "utf-8"
