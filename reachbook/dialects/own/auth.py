"""Who calls: the token, then its scope, then the account that the path names."""

from typing import Any
from uuid import UUID

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from reachbook.core.errors import NotFoundError
from reachbook.http.request import authenticate, authorise_account, token_of

IDS = ("importId", "segmentId", "deliveryId", "endpointId", "reviewId")


async def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Before every handler. Raises UnauthenticatedError, ForbiddenError, NotFoundError."""
    caller = await authenticate(connection, token_of(connection))
    authorise_account(caller, _guid(connection.path_params["accountId"]))
    for name in IDS:
        if name in connection.path_params:
            _guid(connection.path_params[name])


def _guid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFoundError("There is nothing by this id.") from None
