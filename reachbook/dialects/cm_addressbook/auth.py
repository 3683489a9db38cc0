"""Who calls: the product token, then its scope, then the account that the path names (spec, "order of checks")."""

import re
from typing import Any
from uuid import UUID

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from reachbook.core.errors import NotFoundError, invalid
from reachbook.http.guids import GUID
from reachbook.http.request import authenticate, authorise_account

HEADER = "x-cm-producttoken"
IDS = {"groupId": GUID, "contactId": GUID, "fieldId": re.compile("[0-9]{1,9}")}
"""What an id in the path looks like; one that does not is the id of nothing."""

V1 = "reachbook.v1"
"""In the scope of a request that came by a v1.0 path: there the account stands in the query."""


async def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Before every handler. Raises UnauthenticatedError, ForbiddenError, NotFoundError."""
    caller = await authenticate(connection, connection.headers.get(HEADER))
    text = connection.path_params.get("accountId")
    if text is None:
        return
    try:
        account = UUID(text)
    except ValueError:
        if V1 in connection.scope:
            raise invalid("accountId", "must be the GUID of the account") from None
        raise NotFoundError(f"There is no account {text}.") from None
    authorise_account(caller, account)
    for name, pattern in IDS.items():
        if name in connection.path_params and not pattern.fullmatch(connection.path_params[name]):
            raise NotFoundError("There is nothing by this id.")
