"""The dialect as one ASGI app: its routes, errors and OpenAPI document."""

from litestar import Litestar
from litestar.openapi.spec import SecurityScheme
from litestar.types import ASGIApp, Receive, Scope, Send

from reachbook.core.tokens import Finder
from reachbook.database.queries import Database
from reachbook.dialects.devino.errors import WIRE
from reachbook.dialects.devino.routes import BASE, DELETED, routers
from reachbook.http import dialect
from reachbook.http.limits import Limits
from reachbook.http.spelling import Spelling

PREFIXES = (f"{BASE}/", *DELETED)
REFERENCE = f"{BASE}/reference"
ABOUT = dialect.About(
    "Devino Address Book on Reachbook",
    "Contact lists with their macros, contacts in batches with a verdict for each, ranges by filter. The token goes into Authorization:"
    " Key, or id and value of the token as Basic.",
    REFERENCE,
    "key",
    SecurityScheme(type="apiKey", name="Authorization", security_scheme_in="header", description="`Key <token>`"),
)


def litestar(db: Database, finder: Finder, version: str, limits: Limits) -> Litestar:
    """The routes."""
    return dialect.litestar(routers(), WIRE, ABOUT, version, limits, (db, finder))


def build(db: Database, finder: Finder, version: str, limits: Limits) -> ASGIApp:
    """The whole wire."""
    return Based(Spelling(litestar(db, finder, version, limits)))


class Based:
    """The document's own curl line deletes lists without the base: the same route."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "http" and scope["path"].rstrip("/").lower() in DELETED:
            scope["path"] = BASE + scope["path"].rstrip("/").lower()
            scope["raw_path"] = scope["path"].encode()
        await self.app(scope, receive, send)
