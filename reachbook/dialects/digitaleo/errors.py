"""Errors on this wire: `{"status": 4xx, "message": "…", "messages": [{"details": "…"}]}`; an e-mail that is none is 417."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, cast

import msgspec
from litestar import Request, Response
from msgspec import Meta

from reachbook.dialects.digitaleo.parameters import Call, folded
from reachbook.dialects.digitaleo.wire import CORE_NAMES
from reachbook.http import refusals
from reachbook.http.refusals import FaultOut, Refusal
from reachbook.http.request import AppRequest

CALL = "reachbook.digitaleo.call"
"""In the scope of a request whose parameters have been read."""

INVALID_EMAIL = 417
DESCRIPTIONS = {
    400: "The request is invalid; `messages` name the properties.",
    401: "No token, or one that is unknown, expired or revoked.",
    403: "The token's scope does not allow this.",
    404: "There is no such thing.",
    409: "The list is locked for editing, or the alias is taken.",
    413: "More than the limits allow.",
    INVALID_EMAIL: "An e-mail address is none; `message` has it.",
    503: "Not available at the moment; the same call may succeed later.",
}


class MessageOut(msgspec.Struct):
    """One thing that is wrong."""

    details: str


class ErrorOut(msgspec.Struct):
    """Every error."""

    status: Annotated[int, Meta(ge=400, le=599)]
    message: str
    messages: list[MessageOut]


DOCUMENTED = refusals.documented(ErrorOut, DESCRIPTIONS)

FIELD = re.compile(r"(?:\w+\[(\d+)\]\.?)?(.*)")


def _shape(refusal: Refusal, request: Request[Any, Any, Any]) -> Response[Any]:
    call = cast("Call | None", cast("Any", request.scope).get(CALL))
    status, message = refusal.status, refusal.message if not refusal.detail else refusal.detail
    details = [_detail(fault, call) for fault in refusal.faults]
    if details:
        message = details[0]
    address = _invalid_email(refusal.faults, call)
    if address is not None:
        status, message = INVALID_EMAIL, f"'{address}' is not an e-mail address."
    return Response(ErrorOut(status, message, [MessageOut(detail) for detail in details or [message]]), status_code=status)


def _detail(fault: FaultOut, call: Call | None) -> str:
    """The fault of a single row without its number: the client did not write one."""
    found = FIELD.fullmatch(fault.field)
    is_single = call is not None and call.is_single and found is not None and found[2]
    return f"{found[2] if is_single and found else fault.field}: {fault.message}"


def _invalid_email(faults: Sequence[FaultOut], call: Call | None) -> str | None:
    """The first address among what is at fault that should have been an e-mail."""
    for fault in faults:
        found = FIELD.fullmatch(fault.field)
        number = int(found[1] or 0) if found else 0
        row = folded(call.rows[number]) if found and call is not None and number < len(call.rows) else None
        if row is None or found is None:
            continue
        is_email = found[2] == "email" or (found[2] == "value" and str(row.get("type", "")).strip().lower() == "email")
        if is_email and isinstance(text := row.get(found[2]), str):
            return text
    return None


async def _find_object(_: AppRequest) -> None:
    """No path of this wire names an object."""


WIRE = refusals.Wire(CORE_NAMES, _find_object, _shape)
