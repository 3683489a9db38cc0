"""Who calls: `Authorization: Key <token>`, or `Basic` with a token's id as login and its value as password; the account is the token's."""

import base64
import binascii
from typing import Any
from uuid import UUID

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from reachbook.core.errors import ForbiddenError, UnauthenticatedError
from reachbook.http.request import READING, authorise, identify


async def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Before every handler. Raises UnauthenticatedError, ForbiddenError."""
    given = connection.headers.get("authorization", "").split(maxsplit=1)
    login, value = None, None
    match [part if place else part.lower() for place, part in enumerate(given)]:
        case ["key", text]:
            value = text
        case ["basic", text]:
            login, value = _credentials(text.strip())
        case []:
            pass  # nobody: `identify` says so
        case _:
            raise UnauthenticatedError("Authorization takes Key or Basic.")
    caller = await identify(connection, value)
    if login is not None and login != caller.id:
        raise UnauthenticatedError("The token is unknown, expired or revoked.")
    if caller.account is None:
        raise ForbiddenError("The token belongs to no account.")
    authorise(caller, "read" if connection.scope["method"] in READING else "write")  # type: ignore[typeddict-item]


def _credentials(text: str) -> tuple[UUID, str]:
    try:
        login, _, password = base64.b64decode(text, validate=True).decode().partition(":")
        return UUID(login.strip()), password
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise UnauthenticatedError("The token is unknown, expired or revoked.") from None
