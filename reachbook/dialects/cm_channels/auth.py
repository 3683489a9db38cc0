"""Who calls: the product token, then its scope, then the account and the ids that the path names."""

from typing import Any
from uuid import UUID

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from reachbook.core.errors import NotFoundError
from reachbook.http.guids import GUID
from reachbook.http.request import authenticate, authorise, authorise_account

HEADER = "x-cm-producttoken"
OF_ANY_FORM = ("accountId", "phoneNumberId")

WRITES = "reachbook.writes"
"""Handler option: a GET that does something, so that reading is not enough."""


async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Before every handler. Raises UnauthenticatedError, ForbiddenError, NotFoundError."""
    caller = await authenticate(connection, connection.headers.get(HEADER))
    if handler.opt.get(WRITES):
        authorise(caller, "write")
    text = connection.path_params["accountId"]
    try:
        account = UUID(text)
    except ValueError:
        raise NotFoundError(f"There is no account {text}.") from None
    authorise_account(caller, account)
    for name, value in connection.path_params.items():
        if name not in OF_ANY_FORM and GUID.fullmatch(str(value)) is None:
            raise NotFoundError("There is nothing by this id.")
