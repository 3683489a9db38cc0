"""The request as handlers see it: with its caller, the database and the instant it came in."""

from datetime import datetime
from functools import cached_property
from typing import Any, cast
from uuid import UUID

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures import State

from reachbook.core import ids, tokens
from reachbook.core.errors import ForbiddenError, UnauthenticatedError
from reachbook.core.ids import AccountId
from reachbook.core.tokens import Token
from reachbook.database.queries import Database

READING = ("GET", "HEAD", "OPTIONS")
CALLER = "reachbook.caller"


class AppRequest(Request[Any, Any, State]):
    """`caller` and `account` are there on routes behind `authenticate`."""

    @property
    def db(self) -> Database:
        """The application's database."""
        return database(self)

    @property
    def caller(self) -> Token:
        """The token that this request came with."""
        return cast("Token", self.scope[CALLER])  # type: ignore[literal-required]

    @property
    def account(self) -> AccountId:
        """The account that the path names and the caller belongs to."""
        account = self.caller.account
        assert account is not None, "authorise_account stands before every handler that asks"  # noqa: S101
        return account

    @cached_property
    def now(self) -> datetime:
        """The instant of this request."""
        return ids.now()


def database(connection: ASGIConnection[Any, Any, Any, Any]) -> Database:
    """The application's database."""
    return cast("Database", connection.app.state.db)


def token_of(connection: ASGIConnection[Any, Any, Any, Any]) -> str | None:
    """The token of our own APIs: `Authorization: Bearer …` or CM's header (operator.md)."""
    scheme, _, value = connection.headers.get("authorization", "").strip().partition(" ")
    return value.strip() if scheme.lower() == "bearer" else connection.headers.get("x-cm-producttoken")


async def identify(connection: ASGIConnection[Any, Any, Any, Any], value: str | None) -> Token:
    """Who calls. Raises UnauthenticatedError."""
    if not value:
        raise UnauthenticatedError("A token is required.")
    caller = await tokens.authenticate(connection.app.state.tokens, value.strip(), ids.now())
    connection.scope[CALLER] = caller  # type: ignore[literal-required]
    return caller


def authorise(caller: Token, scope: str) -> None:
    """May the caller do this? Raises ForbiddenError."""
    if scope not in caller.scopes:
        raise ForbiddenError(f"The token has no scope {scope!r}.")


async def authenticate(connection: ASGIConnection[Any, Any, Any, Any], value: str | None) -> Token:
    """Who calls, and may they read or write, as the method says? Raises UnauthenticatedError, then ForbiddenError."""
    caller = await identify(connection, value)
    authorise(caller, "read" if connection.scope["method"] in READING else "write")  # type: ignore[typeddict-item]
    return caller


def authorise_account(caller: Token, account: UUID) -> None:
    """The caller's own account? The same answer whether or not another one exists. Raises ForbiddenError."""
    if caller.account != account:
        raise ForbiddenError("The token belongs to another account.")
