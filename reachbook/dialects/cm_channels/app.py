"""The dialect as one ASGI app: its routes, errors and OpenAPI document; the document's other spellings of paths are led onto them."""

from litestar import Litestar, Router
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.spec import SecurityScheme
from litestar.types import ASGIApp, Receive, Scope, Send

from reachbook.core.tokens import Finder
from reachbook.database.queries import Database
from reachbook.dialects.cm_channels import routes, routes_numbers, routes_whatsapp
from reachbook.dialects.cm_channels.auth import guard
from reachbook.dialects.cm_channels.errors import WIRE
from reachbook.dialects.cm_channels.policy import Policy
from reachbook.http import dialect
from reachbook.http.limits import Limits
from reachbook.http.refusals import DOCUMENTED
from reachbook.http.spelling import Spelling

BASE = "/channels/v1/accounts/{accountId:str}"
PREFIXES = ("/channels/v1/",)
REFERENCE = "/channels/v1/reference"
ABOUT = dialect.About(
    "CM.com Channels v1 on Reachbook",
    "Channel requests, inbound configurations, WhatsApp profiles and templates, keyword claims and rented numbers. "
    "The token goes into X-CM-PRODUCTTOKEN.",
    REFERENCE,
    "productToken",
    SecurityScheme(type="apiKey", name="X-CM-PRODUCTTOKEN", security_scheme_in="header"),
)


def litestar(db: Database, finder: Finder, version: str, limits: Limits, policy: Policy) -> Litestar:
    """The routes."""
    modules = (routes, routes_whatsapp, routes_numbers)
    handlers = [value for module in modules for value in vars(module).values() if isinstance(value, HTTPRouteHandler)]
    for handler in handlers:
        handler.responses = DOCUMENTED | dict(handler.responses or {})
    return dialect.litestar(
        [Router(BASE, route_handlers=handlers, guards=[guard])], WIRE, ABOUT, version, limits, (db, finder), policy=policy
    )


def build(db: Database, finder: Finder, version: str, limits: Limits, policy: Policy) -> ASGIApp:
    """The whole wire."""
    app = litestar(db, finder, version, limits, policy)
    return Spellings(Spelling(app), app)


class Spellings:
    """Parts of a path match in any case, and configurations are found below `channel` as well as `channels` (cm-channels.md)."""

    def __init__(self, app: ASGIApp, routed: Litestar) -> None:
        self.app = app
        parts = {part for route in routed.routes for part in route.path.split("/") if part and not part.startswith("{")}
        self._words = {part.lower(): part for part in parts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "http":
            parts = [self._words.get(part.lower(), part) for part in scope["path"].split("/") if part]
            if len(parts) > 6 and parts[4].lower() == "channel" and parts[6] == "configuration":
                parts[4] = "channels"
            scope["path"] = f"/{'/'.join(parts)}"
        await self.app(scope, receive, send)
