"""Errors: one table of what core refuses, and the shape of CM's wire, which our own APIs have too.

`{"message", "MessageDetail", "errors": [{"field", "message"}]}`: clients read lower-case `message` and capital `MessageDetail`.
"""
# Litestar's responses are generic in nothing that matters here.
# pyright: reportUnknownMemberType=false

import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple, cast, get_args, get_origin

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi.datastructures import ResponseSpec
from litestar.types import Receive, Scope, Send
from msgspec import UNSET, Meta, UnsetType

from reachbook.core.errors import (
    ConflictError,
    Fault,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    Path,
    ReachbookError,
    TooLargeError,
    TooOftenError,
    UnauthenticatedError,
)
from reachbook.database.errors import UnavailableError
from reachbook.http.errors import DeadlineError, MalformedError
from reachbook.http.json import parse, written_path
from reachbook.http.limits import UPLOAD
from reachbook.http.request import CALLER, AppRequest

log = structlog.get_logger("reachbook.http")


class FaultOut(msgspec.Struct):
    """One value that is at fault."""

    field: str
    message: str


class ErrorOut(msgspec.Struct, omit_defaults=True):
    """Every error."""

    message: str
    detail: str = msgspec.field(name="MessageDetail")
    errors: Annotated[list[FaultOut] | UnsetType, Meta(description="Only where values are at fault.")] = UNSET


# Core's class → status and the short message; the error's own words are the detail.
TABLE: dict[type[Exception], tuple[int, str]] = {
    InvalidError: (400, "The request is invalid."),
    MalformedError: (400, "The request is invalid."),
    UnauthenticatedError: (401, "Authorization has been denied for this request."),
    ForbiddenError: (403, "This is not allowed."),
    NotFoundError: (404, "Not found."),
    ConflictError: (409, "The current state does not allow this."),
    TooLargeError: (413, "The request is too large."),
    TooOftenError: (429, "Too many requests."),
    DeadlineError: (503, "The request took too long."),
    UnavailableError: (503, "The service is not available at the moment."),
}
OTHERS = {
    401: "Authorization has been denied for this request.",
    404: "Not found.",
    405: "This method is not allowed here.",
    413: "The request is too large.",
}
STATUSES = {
    400: "The request is invalid; `errors` names the fields.",
    401: "No token, or one that is unknown, expired or revoked.",
    403: "The token's scope or account does not allow this.",
    404: "There is no such thing in this account.",
    409: "The current state does not allow this.",
    413: "More than the limits allow.",
    503: "Not available at the moment; the same call may succeed later.",
}


def documented(model: Any, statuses: Mapping[int, str] = STATUSES) -> dict[int, ResponseSpec]:
    """What every handler of a dialect may answer, for its OpenAPI document."""
    return {
        status: ResponseSpec(data_container=model, description=description, generate_examples=False)
        for status, description in statuses.items()
    }


DOCUMENTED = documented(ErrorOut)

MULTIPART = "multipart/form-data"

BODY_NAME = "reachbook.body"
"""Handler option: what a batch's rows are called in the fields of errors (`contacts[3].email`)."""

ONE_OR_MANY = "reachbook.one_or_many"
"""Handler option: the body may be one row instead of an array; the fields of its errors have no number then."""

FIELD_NAMES = "reachbook.field_names"
"""Handler option: what the wire calls core's names here, where that is not what it calls them elsewhere."""


class Refusal(NamedTuple):
    """What a wire has to say: its status, the kind of error, what it is about in words, the values at fault by the wire's names, and
    the thing that is missing or in the way by core's; `retry_after` in seconds, where waiting helps.
    """

    status: int
    message: str
    detail: str
    faults: Sequence[FaultOut] = ()
    about: str = ""
    retry_after: int | None = None


def answer(refusal: Refusal, _: Request[Any, Any, Any] | None = None) -> Response[Any]:
    """In the shape of CM's wire."""
    body = ErrorOut(refusal.message, refusal.detail or refusal.message, list(refusal.faults) or UNSET)
    return Response(body, status_code=refusal.status)


class Wire(NamedTuple):
    """What differs: core's names as the wire writes them, how the object that a path names is looked for (raises NotFoundError),
    and the shape of the answer.
    """

    names: Mapping[str, str]
    find: Callable[[AppRequest], Awaitable[None]]
    shape: Callable[[Refusal, Request[Any, Any, Any]], Response[Any]] = answer

    def path(self, path: Path) -> Path:
        """A path in the wire's names."""
        return tuple(self.names.get(part, part) if isinstance(part, str) else part for part in path)


def handlers(wire: Wire) -> dict[Any, Any]:
    """Litestar's exception handlers of one dialect."""

    def refused(request: AppRequest, error: Exception) -> Refused:
        return Refused(request, error, wire)

    def http_error(request: AppRequest, error: HTTPException) -> Response[Any]:
        """What Litestar itself refuses: no such path, no such method, a body over the limit."""
        status = error.status_code
        if status == 413:
            return Refused(request, TooLargeError("The body is larger than a request may be."), wire)
        message = OTHERS.get(status, "The request is invalid.")
        return wire.shape(Refusal(status, message, error.detail or message), request)

    def broke(request: AppRequest, error: Exception) -> Response[Any]:
        return wire.shape(broken(request, error), request)

    return {
        ReachbookError: refused,
        UnavailableError: refused,
        ValidationException: refused,
        HTTPException: http_error,
        Exception: broke,
    }


class Refused(Response[None]):
    """The answer to what was refused. Made when it is sent, because it may have to look something up.

    An object that the path names is looked for before the body or query is blamed (spec, "order of checks"); only when there is
    something to blame, so a good request does not pay for it. Fields are named as the client wrote them.
    """

    def __init__(self, request: AppRequest, error: Exception, wire: Wire) -> None:
        super().__init__(None)
        self.request, self.error, self.wire = request, error, wire

    def to_asgi_response(self, *_: Any, **__: Any) -> Any:
        """Litestar asks for what will send the answer."""
        return self._send

    async def _send(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            refusal = await self._judge()
        except Exception as error:
            refusal = _from_table(error) if isinstance(error, tuple(TABLE)) else broken(self.request, error)
        shaped = self.wire.shape(refusal, self.request)
        if refusal.retry_after is not None:
            shaped.headers["Retry-After"] = str(refusal.retry_after)
        await shaped.to_asgi_response(None, self.request)(scope, receive, send)

    async def _judge(self) -> Refusal:
        request, error = self.request, self.error
        if isinstance(error, InvalidError | MalformedError | TooLargeError | ValidationException):
            await self._find_object()
        if isinstance(error, ValidationException):
            error = InvalidError(_parameter_faults(request, error))
        if not isinstance(error, InvalidError | ConflictError) or not error.faults:
            return _from_table(error)
        written: object = None
        if not request.route_handler.opt.get(UPLOAD) and request.content_type[0] != MULTIPART:  # a form has been read, and is gone
            with contextlib.suppress(ReachbookError, HTTPException):
                written = parse(await request.body())
        faults = [FaultOut(self._field(path, written), reason) for path, reason in error.faults]
        return _blamed(faults) if isinstance(error, InvalidError) else _from_table(error)._replace(faults=faults)

    async def _find_object(self) -> None:
        if CALLER in self.request.scope:
            await self.wire.find(self.request)

    def _field(self, path: Path, body: object) -> str:
        """The field as the client wrote it; rows of a batch below the batch's name."""
        names: dict[str, str] = self.request.route_handler.opt.get(FIELD_NAMES, {})
        path = tuple(names.get(part, part) if isinstance(part, str) else part for part in path)
        if self.request.route_handler.opt.get(ONE_OR_MANY) and isinstance(body, dict) and path and isinstance(path[0], int):
            path = path[1:]  # one object instead of an array
        written = written_path(body, self.wire.path(path))
        batch = self.request.route_handler.opt.get(BODY_NAME)
        return fault_name((batch, *written) if batch and (not written or isinstance(written[0], int)) else written)


def fault_name(path: Path) -> str:
    """`contacts[3].email`; core's names must have been replaced by the wire's."""
    name = ""
    for part in path:
        name += f"[{part}]" if isinstance(part, int) else f".{part}" if name else part
    return name or "body"


def _from_table(error: Exception) -> Refusal:
    status, message = next(answer for kind, answer in TABLE.items() if isinstance(error, kind))
    if status >= 500:
        log.error("unavailable", exc_info=error)
    if not isinstance(error, ReachbookError):
        return Refusal(status, message, message)
    retry_after = error.seconds if isinstance(error, TooOftenError) else None
    return Refusal(status, message, error.message, about=error.about, retry_after=retry_after)


def _blamed(faults: list[FaultOut]) -> Refusal:
    status, message = TABLE[InvalidError]
    return Refusal(status, message, "; ".join(f"{fault.field}: {fault.message}" for fault in faults[:5]), faults)


def of_header(error: ReachbookError) -> Response[ErrorOut]:
    """What a header was refused for: answered without a look at the body, which may be on its way or read already."""
    if not isinstance(error, InvalidError):
        return answer(_from_table(error))
    return answer(_blamed([FaultOut(fault_name(path), reason) for path, reason in error.faults]))


def broken(request: Request[Any, Any, Any], error: Exception) -> Refusal:
    """A defect of ours: told in the log, not on the wire."""
    log.error("defect", exc_info=error, method=request.method, route=request.scope.get("path_template"))
    return Refusal(500, "Something went wrong on our side.", "The answer's X-Request-Id names it in the log.")


EXPECTED = {
    "`int": "must be a whole number",
    "`bool": "must be true or false",
    "Invalid UUID": "is not a GUID",
    "encoded date": "must be a date such as 2026-01-31",
}
"""What Litestar's message names → what a client reads."""


def _parameter_faults(request: AppRequest, error: ValidationException) -> list[Fault]:
    """Parameters that Litestar could not convert, by their names on the wire."""
    declared = request.route_handler.parsed_fn_signature.parameters
    faults: list[Fault] = []
    for item in cast("list[dict[str, str]]", error.extra or [{"message": error.detail}]):
        name = item.get("key", "query")
        if name in request.path_params and error.extra:
            continue  # making the OpenAPI document declares these among a handler's parameters, from when on they are listed here
        if name == "data":  # what Litestar calls the body, which is not there: what is in it is the reader's to blame
            faults.append(Fault(("body",), "is required"))
            continue
        kwarg = declared[name].kwarg_definition if name in declared else None
        message = next((text for type, text in EXPECTED.items() if type in item["message"]), item["message"])
        if "enum" in message and name in declared:
            message = f"must be {' or '.join(_choices(declared[name].annotation))}"
        faults.append(Fault((getattr(kwarg, "name", None) or name,), message))
    return faults or [Fault(("query",), error.detail)]


def _choices(annotation: Any) -> list[str]:
    """The values of the Literal in an annotation."""
    if get_origin(annotation) is Literal:
        return [str(value) for value in get_args(annotation)]
    return [choice for part in get_args(annotation) for choice in _choices(part)]
