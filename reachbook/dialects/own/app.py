"""The API as one ASGI app: its routes, errors and OpenAPI document."""

from litestar import Litestar, Router
from litestar.handlers import HTTPRouteHandler
from litestar.middleware import DefineMiddleware
from litestar.openapi.spec import SecurityScheme
from litestar.types import ASGIApp

from reachbook.core.tokens import Finder
from reachbook.database.queries import Database
from reachbook.dialects.own import routes, routes_deliveries
from reachbook.dialects.own.auth import guard
from reachbook.dialects.own.errors import WIRE
from reachbook.http import dialect
from reachbook.http.idempotency import Idempotent
from reachbook.http.limits import Limits
from reachbook.http.refusals import DOCUMENTED
from reachbook.http.spelling import Spelling

PREFIXES = ("/v1/",)
REFERENCE = "/v1/reference"
ABOUT = dialect.About(
    "Reachbook",
    "What none of the vendors' APIs has: imports and exports, segments, statistics, deliveries. The token goes into Authorization: Bearer."
    " Every POST honours Idempotency-Key.",
    REFERENCE,
    "bearer",
    SecurityScheme(type="http", scheme="bearer"),
)


def litestar(db: Database, finder: Finder, version: str, limits: Limits) -> Litestar:
    """The routes."""
    handlers = [value for module in (routes, routes_deliveries) for value in vars(module).values() if isinstance(value, HTTPRouteHandler)]
    for handler in handlers:
        handler.responses = DOCUMENTED | dict(handler.responses or {})
    router = Router("/v1/accounts/{accountId:str}", route_handlers=handlers, guards=[guard])
    idempotent = DefineMiddleware(Idempotent, seconds=limits.request_seconds)
    return dialect.litestar([router], WIRE, ABOUT, version, limits, (db, finder), [idempotent])


def build(db: Database, finder: Finder, version: str, limits: Limits) -> ASGIApp:
    """The whole API."""
    return Spelling(litestar(db, finder, version, limits))
