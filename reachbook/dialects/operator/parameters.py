"""What the route modules share: parameters, lists and the router."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from litestar import Response, Router
from litestar.datastructures import ResponseHeader
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.spec import Operation, RequestBody
from litestar.params import QueryParameter

from reachbook.core.paging import Listed, Page
from reachbook.http.paging import headers
from reachbook.http.refusals import DOCUMENTED

Skip = Annotated[int | None, QueryParameter(name="skip", description="Rows to leave out at the start.")]
Take = Annotated[int | None, QueryParameter(name="take", description="Rows to answer; 1,000 unless given, 10,000 at most.")]
OfAccount = Annotated[UUID | None, QueryParameter(name="accountId", description="Only of this account.")]


# Tokens and one-time passwords are among the answers, and a cache on the way knows nothing of X-CM-PRODUCTTOKEN.
UNCACHED = ResponseHeader(name="Cache-Control", value="no-store", documentation_only=False)


@dataclass
class OptionalBody(Operation):
    """The body may be left out."""

    def __post_init__(self) -> None:
        """Say so."""
        if isinstance(self.request_body, RequestBody):
            self.request_body.required = False


def listed_out(asked: Page, listed: Listed[Any], shape: Callable[[Any], Any]) -> Response[list[Any]]:
    """A page, and what it says of the list."""
    return Response([shape(row) for row in listed.rows], headers=headers(asked, listed))


def router(base: str, guard: Any, module: Mapping[str, Any]) -> Router:
    """The handlers of a module."""
    handlers = [value for value in module.values() if isinstance(value, HTTPRouteHandler)]
    for handler in handlers:
        handler.responses = DOCUMENTED | dict[int, Any](handler.responses or {})
    return Router(base, route_handlers=handlers, guards=[guard], response_headers=[UNCACHED])
