"""The dialect as one ASGI app: its routes, errors and OpenAPI document; v1.0 paths are led onto the v2 routes."""

from urllib.parse import parse_qsl

from litestar import Litestar
from litestar.openapi.spec import SecurityScheme
from litestar.types import ASGIApp, Receive, Scope, Send

from reachbook.core.tokens import Finder
from reachbook.database.queries import Database
from reachbook.dialects.cm_addressbook.auth import V1
from reachbook.dialects.cm_addressbook.errors import WIRE
from reachbook.dialects.cm_addressbook.routes import routers
from reachbook.http import dialect
from reachbook.http.limits import Limits
from reachbook.http.spelling import Spelling

PREFIXES = ("/addressbook/", "/echo/")
REFERENCE = "/addressbook/v2/reference"
V1_PREFIX = "/addressbook/v1.0/"
ABOUT = dialect.About(
    "CM.com Addressbook v2 on Reachbook",
    "Groups, contacts, fields, opt-outs with their history, dumps and search. The token goes into X-CM-PRODUCTTOKEN.",
    REFERENCE,
    "productToken",
    SecurityScheme(type="apiKey", name="X-CM-PRODUCTTOKEN", security_scheme_in="header"),
)


def litestar(db: Database, finder: Finder, version: str, limits: Limits) -> Litestar:
    """The v2 routes."""
    return dialect.litestar(routers(), WIRE, ABOUT, version, limits, (db, finder))


def build(db: Database, finder: Finder, version: str, limits: Limits) -> ASGIApp:
    """The whole wire."""
    return V1Paths(Spelling(litestar(db, finder, version, limits)))


class V1Paths:
    """`/addressbook/v1.0/<rest>?accountId=<guid>` → `/addressbook/v2/accounts/<guid>/<rest>`."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "http" and scope["path"].lower().startswith(V1_PREFIX):
            query = parse_qsl(scope["query_string"].decode("latin-1"))
            account = next((value for name, value in query if name.lower() == "accountid"), "")
            rest = scope["path"][len(V1_PREFIX) :]
            # A path part of its own whatever was given: the guard finds out that it is no GUID, after it knows who asks.
            path = f"/addressbook/v2/accounts/{account.replace('/', '-').strip() or '-'}/{rest}"
            scope["path"], scope["raw_path"] = path, path.encode()
            scope[V1] = True  # type: ignore[literal-required]
        await self.app(scope, receive, send)
