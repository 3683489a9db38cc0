"""Who calls: `Authorization: Bearer`, with an access token of `/oauth/token` or an API token itself; and that endpoint.

Client id and secret are the id and the value of an API token (RFC 6749, 4.4). What is wrong with a token request is told as that document
says, not in the shape of the other calls.
"""

import base64
import binascii
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus
from uuid import UUID

import msgspec
from litestar import Response, post
from litestar.connection import ASGIConnection
from litestar.exceptions import HTTPException, ValidationException
from litestar.handlers import BaseRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema

from reachbook.core import tokens
from reachbook.core.errors import ForbiddenError, ReachbookError, UnauthenticatedError
from reachbook.dialects.digitaleo import parameters
from reachbook.http.request import AppRequest, identify, token_of

NO_STORE = {"cache-control": "no-store", "pragma": "no-cache"}


async def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Before every handler; what the caller may do is asked when the call has been read. Raises UnauthenticatedError, ForbiddenError."""
    caller = await identify(connection, token_of(connection))
    if caller.account is None:
        raise ForbiddenError("The token belongs to no account.")


class TokenOut(msgspec.Struct):
    """An access token."""

    access_token: str
    expires_in: int
    token_type: str
    scope: str


class TokenErrorOut(msgspec.Struct):
    """Why there is none (RFC 6749, 5.2)."""

    error: str
    error_description: str


class TokenError(Exception):
    """A token request that is refused."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.answer = TokenErrorOut(error, description)
        self.status = status


def _refused(request: AppRequest, error: Exception) -> Response[Any]:
    if isinstance(error, UnauthenticatedError):
        error = TokenError("invalid_client", error.message, 401)
    elif isinstance(error, ReachbookError):
        error = TokenError("invalid_request", error.message)
    elif isinstance(error, HTTPException):
        error = TokenError("invalid_request", error.detail, error.status_code)
    assert isinstance(error, TokenError)  # noqa: S101 - those that are registered below
    is_basic = request.headers.get("authorization", "").strip().lower().startswith("basic")
    headers = NO_STORE | ({"www-authenticate": 'Basic realm="Reachbook"'} if error.status == 401 and is_basic else {})
    return Response(error.answer, status_code=error.status, headers=headers)


@dataclass
class TokenOperation(Operation):
    """The body is a form."""

    def __post_init__(self) -> None:
        """Document it."""
        text = Schema(type=OpenAPIType.STRING)
        grant = Schema(type=OpenAPIType.STRING, enum=["client_credentials"])
        form = Schema(
            type=OpenAPIType.OBJECT,
            properties={"grant_type": grant, "client_id": text, "client_secret": text},
            required=["grant_type", "client_id", "client_secret"],
        )
        self.request_body = RequestBody(content={"application/x-www-form-urlencoded": OpenAPIMediaType(form)}, required=True)
        self.security = [{}]


REFUSED: dict[Any, Any] = dict.fromkeys((TokenError, ReachbookError, HTTPException, ValidationException), _refused)


@post(
    "/oauth/token",
    status_code=200,
    operation_class=TokenOperation,
    exception_handlers=REFUSED,
    summary="Issues an access token.",
    tags=["Token"],
    responses={
        status: ResponseSpec(data_container=TokenErrorOut, description=description, generate_examples=False)
        for status, description in {400: "The request is not understood.", 401: "The client is unknown or its secret wrong."}.items()
    },
)
async def issue_token(request: AppRequest) -> Response[TokenOut]:
    """`grant_type=client_credentials&client_id=…&client_secret=…` → `{"access_token", "expires_in": 3600, "token_type", "scope"}`."""
    call = await parameters.read(request, "token")
    grant = call.text("grant_type")
    if grant != "client_credentials":
        kind = "unsupported_grant_type" if grant else "invalid_request"
        raise TokenError(kind, "grant_type must be client_credentials.")
    id, secret = _basic(request) or (call.text("client_id"), call.text("client_secret"))
    if not id or not secret:
        raise TokenError("invalid_request", "client_id and client_secret are required.")
    try:
        client = UUID(id.strip())
    except ValueError:
        raise TokenError("invalid_client", "There is no such client.", 401) from None
    token, ends_at = await tokens.issue(request.db, client, secret.strip(), request.now)
    seconds = round((ends_at - request.now).total_seconds())
    return Response(TokenOut(token, seconds, "bearer", "basic"), headers=NO_STORE)


def _basic(request: AppRequest) -> tuple[str, str] | None:
    """Client id and secret in the header (RFC 6749, 2.3.1)."""
    scheme, _, value = request.headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        id, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise TokenError("invalid_client", "The Authorization header is not understood.", 401) from None
    return unquote_plus(id), unquote_plus(secret)
