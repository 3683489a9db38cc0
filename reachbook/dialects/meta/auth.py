"""Who calls: Meta, which signs what it sends, and shows at the beginning that it knows a text of the operator's."""

import hmac
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, cast

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from reachbook.core.errors import ForbiddenError, NotFoundError, UnauthenticatedError
from reachbook.http.request import AppRequest
from reachbook.providers import meta

SIGNATURE = "X-Hub-Signature-256"
SUBSCRIBE = "subscribe"

Guard = Callable[[ASGIConnection[Any, Any, Any, Any], BaseRouteHandler], Awaitable[None]]


class Secrets(NamedTuple):
    """The app's at Meta, and what Meta repeats at the beginning; None: not connected."""

    app_secret: str | None
    verify_token: str | None

    def __repr__(self) -> str:
        return "Secrets(…)"


def signed(secrets: Secrets) -> Guard:
    """What stands before handlers that take what Meta sends."""

    async def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        """Before the body is read as anything but bytes. Raises NotFoundError, UnauthenticatedError."""
        if secrets.app_secret is None:
            raise _not_connected()
        body = await cast("AppRequest", connection).body()
        if not meta.is_signed(body, connection.headers.get(SIGNATURE), secrets.app_secret):
            raise UnauthenticatedError(f"The body is not signed by Meta's app: {SIGNATURE} does not fit.")

    return guard


def subscribe(secrets: Secrets, mode: str | None, verify_token: str | None) -> None:
    """Whether it is Meta that asks. Raises NotFoundError, ForbiddenError."""
    if secrets.verify_token is None:
        raise _not_connected()
    is_known = hmac.compare_digest(secrets.verify_token.encode(), (verify_token or "").encode(errors="replace"))
    if not (is_known and mode == SUBSCRIBE):
        raise ForbiddenError("The verify token is another one, or the mode is not subscribe.")


def _not_connected() -> NotFoundError:
    return NotFoundError("This installation is not connected to Meta.")
