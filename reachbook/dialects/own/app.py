"""The API as one ASGI app: its routes, errors and OpenAPI document."""

from litestar import Litestar
from litestar.datastructures import State
from litestar.middleware import DefineMiddleware
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme
from litestar.types import ASGIApp

from reachbook.core.tokens import Finder
from reachbook.database.queries import Database
from reachbook.dialects.own.errors import WIRE
from reachbook.dialects.own.routes import routers
from reachbook.http.house import swagger
from reachbook.http.idempotency import Idempotent
from reachbook.http.limits import Deadline, Limits
from reachbook.http.refusals import handlers
from reachbook.http.request import AppRequest
from reachbook.http.spelling import Spelling

PREFIXES = ("/v1/",)
REFERENCE = "/v1/reference"
BEARER = SecurityScheme(type="http", scheme="bearer")


def litestar(db: Database, finder: Finder, version: str, limits: Limits) -> Litestar:
    """The routes."""
    return Litestar(
        routers(),
        request_class=AppRequest,
        return_dto=None,
        exception_handlers=handlers(WIRE),
        middleware=[
            DefineMiddleware(Deadline, seconds=limits.request_seconds),
            DefineMiddleware(Idempotent, seconds=limits.request_seconds),
        ],
        request_max_body_size=limits.body_bytes,
        state=State({"db": db, "tokens": finder}),
        logging_config=None,
        openapi_config=OpenAPIConfig(
            title="Reachbook",
            version=version,
            description="What none of the vendors' APIs has: imports and exports. The token goes into Authorization: Bearer."
            " Every POST honours Idempotency-Key.",
            path=REFERENCE,
            render_plugins=[swagger()],
            components=Components(security_schemes={"bearer": BEARER}),
            security=[{"bearer": []}],
        ),
    )


def build(db: Database, finder: Finder, version: str, limits: Limits) -> ASGIApp:
    """The whole API."""
    return Spelling(litestar(db, finder, version, limits))
