"""Who calls: a token of scope `operator`, which belongs to no account. Then the ids that the path names."""

from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from reachbook.core.errors import NotFoundError
from reachbook.http.guids import GUID
from reachbook.http.request import authorise, identify, token_of

OF_ANY_FORM = ("phoneNumberId",)


async def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Before every handler. Raises UnauthenticatedError, ForbiddenError, NotFoundError."""
    authorise(await identify(connection, token_of(connection)), "operator")
    for name, value in connection.path_params.items():
        if name not in OF_ANY_FORM and GUID.fullmatch(str(value)) is None:
            raise NotFoundError("There is nothing by this id.")
