"""Who calls: a token of scope `gateway`, which belongs to no account."""

from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from reachbook.http.request import authorise, identify, token_of


async def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Before every handler. Raises UnauthenticatedError, ForbiddenError."""
    authorise(await identify(connection, token_of(connection)), "gateway")
