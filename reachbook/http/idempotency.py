"""Idempotency-Key on POST: the same key with the same request gets the first one's answer, and the work is not done again."""
# Litestar's responses are generic in nothing that matters here.
# pyright: reportUnknownMemberType=false

import hashlib
from collections.abc import Sequence
from typing import Any, cast

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from reachbook.core import idempotency, ids
from reachbook.core.errors import ForbiddenError, ReachbookError, UnauthenticatedError
from reachbook.core.idempotency import Answer
from reachbook.core.ids import AccountId
from reachbook.database.queries import Database
from reachbook.http import refusals
from reachbook.http.request import authenticate, database, token_of

HEADER = "idempotency-key"
COMPARED_BYTES = 2**20  # a larger body is known by so much of it, and its length
KEPT_HEADERS = (b"content-type", b"location")


class Idempotent:
    """Litestar middleware behind the deadline."""

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self.app = app
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        connection: ASGIConnection[Any, Any, Any, Any] = ASGIConnection(scope)
        key = connection.headers.get(HEADER)
        account = await _account(connection) if key is not None and cast("Any", scope)["method"] == "POST" else None
        if key is None or account is None:
            await self.app(scope, receive, send)
            return
        db = database(connection)
        first = await _first_part(receive)
        again = _again(first, receive)
        try:
            answer = await idempotency.begin(db, account, key.strip(), _fingerprint(scope, connection, first), ids.now(), self.seconds)
        except ReachbookError as error:
            await refusals.of_header(error).to_asgi_response(None, Request(scope))(scope, receive, send)
            return
        if answer is None:
            await self._call(scope, again, send, (db, account, key.strip()))
        else:
            await _read_all(again)  # who is cut off while sending never sees the answer
            await _answer(answer, send)

    async def _call(self, scope: Scope, receive: Receive, send: Send, kept: tuple[Database, AccountId, str]) -> None:
        """Make the call; what succeeds is kept before it is answered."""
        messages: list[Message] = []

        async def hold(message: Message) -> None:
            messages.append(message)

        try:
            await self.app(scope, receive, hold)
        except BaseException:
            await idempotency.abandon(*kept)
            raise
        answer = _captured(messages)
        if 200 <= answer.status < 300:
            await idempotency.complete(*kept, answer)
        else:
            await idempotency.abandon(*kept)
        for message in messages:
            await send(message)


async def _account(connection: ASGIConnection[Any, Any, Any, Any]) -> AccountId | None:
    """The caller's account; None for who may not call: the guard will say so."""
    try:
        return (await authenticate(connection, token_of(connection))).account
    except (UnauthenticatedError, ForbiddenError):
        return None


async def _first_part(receive: Receive) -> Sequence[Any]:
    """The messages that a body begins with, as many as are compared."""
    messages: list[Any] = []
    size = 0
    while size < COMPARED_BYTES:
        message = cast("Any", await receive())
        messages.append(message)
        size += len(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body"):
            break
    return messages


async def _read_all(receive: Receive) -> None:
    while True:
        message = cast("Any", await receive())
        if message["type"] != "http.request" or not message.get("more_body"):
            return


def _again(first: Sequence[Any], receive: Receive) -> Receive:
    """A `receive` that gives what was read already, then the rest."""
    waiting = iter(first)

    async def again() -> Any:
        message = next(waiting, None)
        return await receive() if message is None else message

    return again


def _fingerprint(scope: Scope, connection: ASGIConnection[Any, Any, Any, Any], first: Sequence[Any]) -> bytes:
    """What two equal requests share: the address, and the body's length and beginning. A form's boundary is another each time."""
    kind, _, boundary = connection.headers.get("content-type", "").partition("boundary=")
    is_form = kind.strip().lower().startswith("multipart/")
    length = "" if is_form else connection.headers.get("content-length", "")
    made = hashlib.sha256("\n".join((scope["path"], scope["query_string"].decode("latin-1"), length)).encode())
    body = b"".join(message.get("body", b"") for message in first)
    if is_form and boundary:
        body = body.replace(boundary.partition(";")[0].strip().strip('"').encode(), b"")
        body = body[: COMPARED_BYTES // 2]
    made.update(body[:COMPARED_BYTES])
    return made.digest()


def _captured(messages: Sequence[Message]) -> Answer:
    status, headers, body = 500, [], b""
    for message in messages:
        if message["type"] == "http.response.start":
            status = message["status"]
            headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in message["headers"] if name in KEPT_HEADERS]
        elif message["type"] == "http.response.body":
            body += message["body"]
    return Answer(status, headers, body)


async def _answer(answer: Answer, send: Send) -> None:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
    headers += [(b"content-length", str(len(answer.body)).encode()), (b"idempotency-replayed", b"true")]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})
