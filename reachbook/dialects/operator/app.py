"""The API as one ASGI app: its routes, errors and OpenAPI document."""

from litestar import Litestar
from litestar.openapi.spec import SecurityScheme
from litestar.types import ASGIApp

from reachbook.core.tokens import Finder
from reachbook.database.queries import Database
from reachbook.dialects.operator import routes, routes_accounts, routes_catalogues
from reachbook.dialects.operator.auth import guard
from reachbook.dialects.operator.errors import WIRE
from reachbook.http import dialect
from reachbook.http.limits import Limits
from reachbook.http.spelling import Spelling

BASE = "/operator/v1"
PREFIXES = (f"{BASE}/",)
REFERENCE = f"{BASE}/reference"
ABOUT = dialect.About(
    "Reachbook for operators",
    "Accounts, catalogues, numbers in stock, the work queue and charges. A token of scope operator goes into Authorization: Bearer.",
    REFERENCE,
    "bearer",
    SecurityScheme(type="http", scheme="bearer"),
)


def litestar(db: Database, finder: Finder, version: str, limits: Limits) -> Litestar:
    """The routes."""
    routers = [module.router(BASE, guard) for module in (routes, routes_accounts, routes_catalogues)]
    return dialect.litestar(routers, WIRE, ABOUT, version, limits, (db, finder))


def build(db: Database, finder: Finder, version: str, limits: Limits) -> ASGIApp:
    """The whole API."""
    return Spelling(litestar(db, finder, version, limits))
