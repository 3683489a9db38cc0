"""Errors on this wire: `{"result": null, "reasons": [{"key", "ref", "defaultMessage"}], "description"}` (document 001)."""

from typing import Any

import msgspec
from litestar import Request, Response

from reachbook.core.errors import ConflictError, ReachbookError
from reachbook.dialects.devino.wire import CORE_NAMES, ReasonOut
from reachbook.http import refusals
from reachbook.http.refusals import Refusal
from reachbook.http.request import AppRequest

DESCRIPTIONS = {
    400: "The request is invalid; `reasons` name the parameters.",
    401: "No token, or one that is unknown, expired or revoked.",
    403: "The token's scope does not allow this.",
    404: "There is no such list or segment.",
    409: "The list is locked for editing, or the segment speaks of a field that is gone.",
    413: "More than the limits allow.",
    503: "Not available at the moment; the same call may succeed later.",
}


class ErrorOut(msgspec.Struct):
    """Every error."""

    result: None
    reasons: list[ReasonOut]
    description: str


DOCUMENTED = refusals.documented(ErrorOut, DESCRIPTIONS)

NOT_NULL = "must not be null"
MISSING = (NOT_NULL, "is required", "must be 1 to 255 characters")
"""What core says of a value that is not there."""

OTHERS = {
    400: ("body.must.be.valid", "body"),
    403: ("authorization.forbidden", "Authorization"),
    404: ("path.not.found", "path"),
    405: ("method.not.allowed", "method"),
    409: ("state.must.be.valid", "state"),
    413: ("body.too.large", "body"),
    500: ("internal.error", "server"),
    503: ("service.unavailable", "server"),
}
"""The key and what it is about, where no parameter is."""


def _shape(refusal: Refusal, request: Request[Any, Any, Any]) -> Response[Any]:
    reasons = [_of_value(fault.field, fault.message) for fault in refusal.faults] or [_of_call(refusal, request)]
    description = ", ".join(f"(parameter: {reason.ref} -> {reason.default_message})" for reason in reasons)
    return Response(ErrorOut(None, reasons, f"Key error: {description}"), status_code=refusal.status)


def _of_value(field: str, message: str) -> ReasonOut:
    if message in MISSING:
        return ReasonOut(f"{field}.must.be.not.null", field, NOT_NULL)
    return ReasonOut(f"{field}.must.be.valid", field, message)


def _of_call(refusal: Refusal, request: Request[Any, Any, Any]) -> ReasonOut:
    if refusal.status == 401:
        kind = "invalid" if request.headers.get("authorization") else "required"
        return ReasonOut(f"authorization.{kind}", "Authorization", refusal.detail)
    if refusal.about:
        return _about(refusal.status, refusal.about, refusal.detail)
    key, ref = OTHERS.get(refusal.status, OTHERS[400])
    return ReasonOut(key, ref, refusal.detail or refusal.message)


def _about(status: int, about: str, message: str) -> ReasonOut:
    parameter = CORE_NAMES.get(about, about)
    state = "not.found" if status == 404 else "locked" if about == "group" else "must.be.valid"
    return ReasonOut(f"{parameter}.{state}", parameter, message)


def reason_out(error: ReachbookError) -> ReasonOut:
    """What became of one list of several that were to be deleted."""
    return _about(409 if isinstance(error, ConflictError) else 404, "group", error.message)


async def _find_object(_: AppRequest) -> None:
    """No path of this wire names an object."""


WIRE = refusals.Wire(CORE_NAMES, _find_object, _shape)
