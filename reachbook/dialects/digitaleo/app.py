"""The dialect as one ASGI app: its routes, errors and OpenAPI document."""

from urllib.parse import parse_qsl

from litestar import Litestar
from litestar.openapi.spec import SecurityScheme
from litestar.types import ASGIApp, Receive, Scope, Send

from reachbook.core.tokens import Finder
from reachbook.database.queries import Database
from reachbook.dialects.digitaleo.errors import WIRE
from reachbook.dialects.digitaleo.routes import BASE, UPLOADED, routers
from reachbook.http import dialect
from reachbook.http.limits import Limits

PREFIXES = ("/digitaleo/", "/oauth/")
REFERENCE = "/digitaleo/rest/reference"
ABOUT = dialect.About(
    "Digitaleo Contacts on Reachbook",
    "Contacts, lists, opt-outs, fields and statistics. POST /oauth/token gives the token that goes into Authorization: Bearer."
    " Parameters may stand in the query, a form or a JSON body, for every verb.",
    REFERENCE,
    "bearer",
    SecurityScheme(type="http", scheme="bearer"),
)


def litestar(db: Database, finder: Finder, version: str, limits: Limits) -> Litestar:
    """The routes."""
    return dialect.litestar(routers(), WIRE, ABOUT, version, limits, (db, finder))


def build(db: Database, finder: Finder, version: str, limits: Limits) -> ASGIApp:
    """The whole wire."""
    return Uploads(litestar(db, finder, version, limits))


class Uploads:
    """`contacts?action=import` → a route of its own: its body may be larger than any other."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "http":
            path = scope["path"].rstrip("/")
            given = parse_qsl(scope["query_string"].decode("latin-1"))
            is_import = any(name.lower() == "action" and value.lower() == "import" for name, value in given)
            if is_import and scope["method"] == "POST" and path.lower() == f"{BASE}/contacts":
                path = BASE + UPLOADED
            scope["path"], scope["raw_path"] = path, path.encode()
        await self.app(scope, receive, send)
