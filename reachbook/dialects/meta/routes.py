"""The endpoint of Meta's webhooks."""

from typing import Annotated, Any

from litestar import MediaType, Response, Router, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody, QueryParameter

from reachbook.core import provider_templates
from reachbook.dialects.meta import auth, wire
from reachbook.dialects.meta.auth import Secrets
from reachbook.dialects.meta.wire import NotificationIn, ReceivedOut
from reachbook.http.body import one
from reachbook.http.refusals import DOCUMENTED
from reachbook.http.request import AppRequest

BASE = "/meta/v1"
BODY_BYTES = 4 * 2**20  # Meta sends three million at most

Mode = Annotated[str | None, QueryParameter(name="hub.mode", description="`subscribe`.")]
VerifyToken = Annotated[str | None, QueryParameter(name="hub.verify_token", description="What the operator has entered at Meta.")]
Challenge = Annotated[str | None, QueryParameter(name="hub.challenge", description="What is to be answered.")]


def routers(secrets: Secrets) -> list[Router]:
    """Everything under the base."""

    @get("/webhooks", media_type=MediaType.TEXT, summary="Shows Meta that the address is the operator's.", tags=["Webhooks"])
    async def subscribe(mode: Mode = None, verify_token: VerifyToken = None, challenge: Challenge = None) -> str:
        """The challenge as it came, to who knows the verify token."""
        auth.subscribe(secrets, mode, verify_token)
        return challenge or ""

    @post(
        "/webhooks",
        dto=one(NotificationIn),
        return_dto=None,
        status_code=200,
        guards=[auth.signed(secrets)],
        request_max_body_size=BODY_BYTES,
        summary="Takes what Meta tells.",
        tags=["Webhooks"],
    )
    async def take_webhook(request: AppRequest, data: JSONBody[NotificationIn | None] = None) -> Response[ReceivedOut]:
        """`{"object": "whatsapp_business_account", "entry": [{"id", "time", "changes": [{"field", "value"}]}]}` → 200.

        Of `message_template_status_update` the value is `{"event": "APPROVED", "message_template_id", "message_template_name",
        "message_template_language", "reason"}`. Other fields and other people's templates are passed over; the same again changes nothing.
        """
        told = wire.told(data)
        known = [await provider_templates.heard(request.db, one.heard, said_at=one.said_at, now=request.now) for one in told]
        return Response(ReceivedOut(len(told), sum(known)))

    handlers: list[HTTPRouteHandler] = [subscribe, take_webhook]
    for handler in handlers:
        handler.responses = DOCUMENTED | dict[int, Any](handler.responses or {})
    return [Router(BASE, route_handlers=handlers)]
