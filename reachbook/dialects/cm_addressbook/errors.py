"""Errors on CM's wire: one table, one shape.

`{"message", "MessageDetail", "errors": [{"field", "message"}]}`: clients read lower-case `message` and capital `MessageDetail`.
"""
# Litestar's responses are generic in nothing that matters here.
# pyright: reportUnknownMemberType=false

import contextlib
from typing import Any, cast
from uuid import UUID

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.types import Receive, Scope, Send
from msgspec import UNSET

from reachbook.core import contacts, fields, groups
from reachbook.core.errors import (
    ConflictError,
    Fault,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    Path,
    ReachbookError,
    TooLargeError,
    UnauthenticatedError,
)
from reachbook.database.errors import UnavailableError
from reachbook.dialects.cm_addressbook.wire import ErrorOut, FaultOut, fault_name, wire_path
from reachbook.http.errors import DeadlineError, MalformedError
from reachbook.http.json import parse, written_path
from reachbook.http.request import CALLER, AppRequest

log = structlog.get_logger("reachbook.cm_addressbook")

# Core's class → status and the short message; the error's own words are the detail.
TABLE: dict[type[Exception], tuple[int, str]] = {
    InvalidError: (400, "The request is invalid."),
    MalformedError: (400, "The request is invalid."),
    UnauthenticatedError: (401, "Authorization has been denied for this request."),
    ForbiddenError: (403, "This is not allowed."),
    NotFoundError: (404, "Not found."),
    ConflictError: (409, "The current state does not allow this."),
    TooLargeError: (413, "The request is too large."),
    DeadlineError: (503, "The request took too long."),
    UnavailableError: (503, "The service is not available at the moment."),
}
OTHERS = {
    401: "Authorization has been denied for this request.",
    404: "Not found.",
    405: "This method is not allowed here.",
    413: "The request is too large.",
}

BODY_NAME = "reachbook.body"
"""Handler option: what a batch's rows are called in the fields of errors (`contacts[3].email`)."""

FIELD_NAMES = "reachbook.field_names"
"""Handler option: what the wire calls core's names here, where that is not what it calls them elsewhere."""


class Refused(Response[None]):
    """The answer to what was refused. Made when it is sent, because it may have to look something up.

    An object that the path names is looked for before the body or query is blamed (spec, "order of checks"); only when there is
    something to blame, so a good request does not pay for it. Fields are named as the client wrote them.
    """

    def __init__(self, request: AppRequest, error: Exception) -> None:
        super().__init__(None)
        self.request, self.error = request, error

    def to_asgi_response(self, *_: Any, **__: Any) -> Any:
        """Litestar asks for what will send the answer."""
        return self._send

    async def _send(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await _judge(self.request, self.error)
        except Exception as error:
            response = _from_table(error) if isinstance(error, tuple(TABLE)) else broken(self.request, error)
        await response.to_asgi_response(None, self.request)(scope, receive, send)


async def _judge(request: AppRequest, error: Exception) -> Response[ErrorOut]:
    if isinstance(error, InvalidError | MalformedError | TooLargeError | ValidationException):
        await _find_object(request)
    if isinstance(error, ValidationException):
        error = InvalidError(_parameter_faults(request, error))
    if not isinstance(error, InvalidError):
        return _from_table(error)
    written: object = None
    with contextlib.suppress(ReachbookError, HTTPException):
        written = parse(await request.body())
    faults = [FaultOut(_field(request, path, written), reason) for path, reason in error.faults]
    status, message = TABLE[InvalidError]
    return answer(status, message, "; ".join(f"{fault.field}: {fault.message}" for fault in faults[:5]), faults)


def _from_table(error: Exception) -> Response[ErrorOut]:
    status, message = next(answer for kind, answer in TABLE.items() if isinstance(error, kind))
    if status >= 500:
        log.error("unavailable", exc_info=error)
    return answer(status, message, error.message if isinstance(error, ReachbookError) else message)


def http_error(request: AppRequest, error: HTTPException) -> Response[Any]:
    """What Litestar itself refuses: no such path, no such method, a body over the limit."""
    status = error.status_code
    if status == 413:
        return Refused(request, TooLargeError("The body is larger than a request may be."))
    return answer(status, OTHERS.get(status, "The request is invalid."), error.detail or OTHERS.get(status, "The request is invalid."))


def broken(request: Request[Any, Any, Any], error: Exception) -> Response[ErrorOut]:
    """A defect of ours: told in the log, not on the wire."""
    log.error("defect", exc_info=error, method=request.method, route=request.scope.get("path_template"))
    return answer(500, "Something went wrong on our side.", "The answer's X-Request-Id names it in the log.")


def answer(status: int, message: str, detail: str, faults: list[FaultOut] | None = None) -> Response[ErrorOut]:
    """One error."""
    return Response(ErrorOut(message, detail or message, faults or UNSET), status_code=status)


def _parameter_faults(request: AppRequest, error: ValidationException) -> list[Fault]:
    """Parameters that Litestar could not convert, by their names on the wire."""
    declared = request.route_handler.parsed_fn_signature.parameters
    faults: list[Fault] = []
    for item in cast("list[dict[str, str]]", error.extra or [{"message": error.detail}]):
        name = item.get("key", "query")
        kwarg = declared[name].kwarg_definition if name in declared else None
        message = next((text for type, text in EXPECTED.items() if type in item["message"]), item["message"])
        faults.append(Fault((getattr(kwarg, "name", None) or name,), message))
    return faults


EXPECTED = {"`int": "must be a whole number", "`bool": "must be true or false", "enum": "must be json or csv"}
"""What Litestar's message names → what a client reads."""


async def _find_object(request: AppRequest) -> None:
    if CALLER not in request.scope or request.caller.account is None:
        return
    given = request.path_params
    if "groupId" in given:
        await groups.get(request.db, request.account, UUID(given["groupId"]))
    if "contactId" in given:
        await contacts.get(request.db, request.account, UUID(given["contactId"]))
    if "fieldId" in given:
        await fields.get(request.db, request.account, int(given["fieldId"]))


def _field(request: AppRequest, path: Path, body: object) -> str:
    """The field as the client wrote it; rows of a batch below the batch's name."""
    names: dict[str, str] = request.route_handler.opt.get(FIELD_NAMES, {})
    path = tuple(names.get(part, part) if isinstance(part, str) else part for part in path)
    written = written_path(body, wire_path(path))
    batch = request.route_handler.opt.get(BODY_NAME)
    return fault_name((batch, *written) if batch and (not written or isinstance(written[0], int)) else written)


HANDLERS = {ReachbookError: Refused, UnavailableError: Refused, ValidationException: Refused, HTTPException: http_error, Exception: broken}
