"""The API as one ASGI app: its routes, errors and OpenAPI document."""

from litestar import Litestar
from litestar.openapi.spec import SecurityScheme
from litestar.types import ASGIApp

from reachbook.core.tokens import Finder
from reachbook.database.queries import Database
from reachbook.dialects.meta.auth import SIGNATURE, Secrets
from reachbook.dialects.meta.errors import WIRE
from reachbook.dialects.meta.routes import BASE, routers
from reachbook.http import dialect
from reachbook.http.limits import Limits
from reachbook.http.spelling import Spelling

PREFIXES = (f"{BASE}/",)
REFERENCE = f"{BASE}/reference"
ABOUT = dialect.About(
    "Reachbook for Meta",
    "Webhooks of Meta's WhatsApp Business Platform. There is no token: Meta signs what it sends with the secret of its app.",
    REFERENCE,
    "signature",
    SecurityScheme(type="apiKey", name=SIGNATURE, security_scheme_in="header"),
)


def litestar(db: Database, finder: Finder, version: str, limits: Limits, secrets: Secrets) -> Litestar:
    """The routes."""
    return dialect.litestar(routers(secrets), WIRE, ABOUT, version, limits, (db, finder))


def build(db: Database, finder: Finder, version: str, limits: Limits, secrets: Secrets) -> ASGIApp:
    """The whole API."""
    return Spelling(litestar(db, finder, version, limits, secrets))
