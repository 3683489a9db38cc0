"""Spellings that the vendors' servers take: query names in any case, empty parameters as absent, doubled and encoded slashes."""

import re
from urllib.parse import parse_qsl, unquote, urlencode

from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter
from litestar.types import Receive, Scope, Send

from reachbook.core.errors import invalid

SLASHES = re.compile("//+")
ENCODED_SLASH = "\ue000"
"""Stands in a path for a slash that came as %2F: part of a value, not a separator. `value_in_path` puts it back."""


class Spelling:
    """ASGI before a dialect: writes query names as its handlers declare them."""

    def __init__(self, app: Litestar) -> None:
        self.app = app
        self._names = {name.lower(): name for name in _declared(app)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "http":
            path = scope["path"]
            if b"%2f" in scope["raw_path"].lower():
                parts = scope["raw_path"].partition(b"?")[0].decode("latin-1").split("/")
                path = "/".join(unquote(part).replace("/", ENCODED_SLASH) for part in parts)
            scope["path"] = SLASHES.sub("/", path) if "//" in path else path
        if scope["type"] == "http" and scope["query_string"]:
            given = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True, errors="replace")
            kept = [(self._names.get(name.lower(), name), value) for name, value in given if value]
            scope["query_string"] = urlencode(kept).encode()
        await self.app(scope, receive, send)


def value_in_path(text: str) -> str:
    """A part of the path as the client meant it."""
    return text.replace(ENCODED_SLASH, "/")


def text_in_query(text: str | None, name: str) -> str | None:
    """A text that is looked for, as it is. Raises InvalidError for one that the database can't compare."""
    if text and "\0" in text:
        raise invalid(name, "contains a NUL character")
    return text


def _declared(app: Litestar) -> set[str]:
    names: set[str] = set()
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            if isinstance(handler, HTTPRouteHandler):
                for field in handler.parsed_fn_signature.parameters.values():
                    kwarg = field.kwarg_definition
                    if isinstance(kwarg, QueryParameter) and kwarg.name:
                        names.add(kwarg.name)
    return names
