"""A dialect as a Litestar app: what all of them have, so that each says only what is its own."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from litestar import Litestar, Router
from litestar.datastructures import State
from litestar.middleware import DefineMiddleware
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, OpenAPIType, Schema, SecurityScheme
from litestar.plugins import OpenAPISchemaPlugin
from litestar.typing import FieldDefinition

from reachbook.core.tokens import Finder
from reachbook.database.queries import Database
from reachbook.http.house import swagger
from reachbook.http.limits import Deadline, Limits
from reachbook.http.refusals import Wire, handlers
from reachbook.http.request import AppRequest


class About(NamedTuple):
    """What the OpenAPI document says of the dialect; `reference` is the path of its page, `security` the name of how a token comes."""

    title: str
    description: str
    reference: str
    security: str
    scheme: SecurityScheme


class Decimals(OpenAPISchemaPlugin):
    """For the OpenAPI document: a decimal is a JSON number."""

    @staticmethod
    def is_plugin_supported_type(value: Any) -> bool:
        """Whether this type is one."""
        return value is Decimal

    def to_openapi_schema(self, field_definition: FieldDefinition, schema_creator: Any) -> Schema:
        """What it is described as."""
        return Schema(type=OpenAPIType.NUMBER)


def litestar(
    routers: Sequence[Router],
    wire: Wire,
    about: About,
    version: str,
    limits: Limits,
    state: tuple[Database, Finder],
    middleware: Sequence[DefineMiddleware] = (),
    policy: object = None,
) -> Litestar:
    """The routes behind the deadline and the dialect's own middleware; `policy` is what its handlers act by, as `app.state.policy`."""
    db, finder = state
    return Litestar(
        [*routers],
        request_class=AppRequest,
        return_dto=None,
        exception_handlers=handlers(wire),
        middleware=[DefineMiddleware(Deadline, seconds=limits.request_seconds), *middleware],
        request_max_body_size=limits.body_bytes,
        state=State({"db": db, "tokens": finder, "policy": policy}),
        logging_config=None,
        plugins=[Decimals()],
        openapi_config=OpenAPIConfig(
            title=about.title,
            version=version,
            description=about.description,
            path=about.reference,
            render_plugins=[swagger()],
            components=Components(security_schemes={about.security: about.scheme}),
            security=[{about.security: []}],
        ),
    )
