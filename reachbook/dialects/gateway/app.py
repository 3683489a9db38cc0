"""The API as one ASGI app: its routes, errors and OpenAPI document."""

from litestar import Litestar
from litestar.openapi.spec import SecurityScheme
from litestar.types import ASGIApp

from reachbook.core.tokens import Finder
from reachbook.database.queries import Database
from reachbook.dialects.gateway.errors import WIRE
from reachbook.dialects.gateway.routes import BASE, routers
from reachbook.http import dialect
from reachbook.http.limits import Limits
from reachbook.http.spelling import Spelling

PREFIXES = (f"{BASE}/",)
REFERENCE = f"{BASE}/reference"
ABOUT = dialect.About(
    "Reachbook for gateways",
    "What gateways and mail systems tell: messages, events, bounces, complaints. A token of scope gateway goes into Authorization: Bearer.",
    REFERENCE,
    "bearer",
    SecurityScheme(type="http", scheme="bearer"),
)


def litestar(db: Database, finder: Finder, version: str, limits: Limits, soft_bounce_days: int) -> Litestar:
    """The routes."""
    return dialect.litestar(routers(soft_bounce_days), WIRE, ABOUT, version, limits, (db, finder))


def build(db: Database, finder: Finder, version: str, limits: Limits, soft_bounce_days: int) -> ASGIApp:
    """The whole API."""
    return Spelling(litestar(db, finder, version, limits, soft_bounce_days))
