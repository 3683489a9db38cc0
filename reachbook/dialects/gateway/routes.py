"""The endpoints of gateways and mail systems."""

from collections.abc import Sequence
from typing import Any

from litestar import Response, Router, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody

from reachbook.core import bounces, ids
from reachbook.core.errors import Fault
from reachbook.core.inbound import Call, Raw
from reachbook.core.intake import Intake
from reachbook.dialects.gateway import figures, wire
from reachbook.dialects.gateway import inbound as inbound_wire
from reachbook.dialects.gateway.auth import guard
from reachbook.dialects.gateway.inbound import EventIn, MessageIn, TakenOut
from reachbook.dialects.gateway.wire import BounceIn, BouncesOut
from reachbook.http.body import one_or_many
from reachbook.http.refusals import BODY_NAME, DOCUMENTED, ONE_OR_MANY
from reachbook.http.request import AppRequest

BASE = "/gateway/v1"


def routers(soft_bounce_days: int) -> list[Router]:
    """Everything under the base; `soft_bounce_days` is the policy of soft bounces."""
    intake = Intake()

    async def taken(request: AppRequest, given: list[Raw]) -> Response[TakenOut]:
        caller = request.caller
        accepted = await intake.take(request.db, Call(given, caller.country, caller.id, request.now))
        figures.count(accepted, ids.now())
        return Response(TakenOut(len(given), len(given) - len(accepted.new), accepted.unrouted), status_code=202)

    @post(
        "/messages",
        dto=one_or_many(MessageIn),
        return_dto=None,
        status_code=202,
        opt={BODY_NAME: "messages", ONE_OR_MANY: True},
        summary="Takes messages that came in.",
        tags=["Inbound"],
    )
    async def take_messages(request: AppRequest, data: JSONBody[Sequence[MessageIn | list[Fault]] | None] = None) -> Response[TakenOut]:
        """`{"reference", "from": {"number"}, "to": {"number"}, "message": {"text"}, "channel": "SMS"}`, or an array of such → 202.

        Then they are stored with their deliveries, and who said stop is opted out; the same reference again changes nothing.
        """
        return await taken(request, inbound_wire.messages(data or (), request.now))

    @post(
        "/events",
        dto=one_or_many(EventIn),
        return_dto=None,
        status_code=202,
        opt={BODY_NAME: "events", ONE_OR_MANY: True},
        summary="Takes events of channels.",
        tags=["Inbound"],
    )
    async def take_events(request: AppRequest, data: JSONBody[Sequence[EventIn | list[Fault]] | None] = None) -> Response[TakenOut]:
        """`{"reference", "from": {"number"}, "to": {"number"}, "event": …, "channel": "WhatsApp"}`, or an array of such → 202."""
        return await taken(request, inbound_wire.events(data or (), request.now))

    @post(
        "/bounces",
        dto=one_or_many(BounceIn),
        return_dto=None,
        status_code=202,
        opt={BODY_NAME: "bounces", ONE_OR_MANY: True},
        summary="Takes bounces and complaints.",
        tags=["Bounces"],
    )
    async def take_bounces(request: AppRequest, data: JSONBody[Sequence[BounceIn | list[Fault]] | None] = None) -> Response[BouncesOut]:
        """`{"accountId", "email", "type": "hard"}`, or an array of such → 202; the same again changes nothing.

        Hard bounces and complaints opt the address out at once; soft ones when they came on so many days as the operator has set.
        """
        given = wire.bounces(data or ())
        taken = await bounces.take_all(request.db, given, soft_days=soft_bounce_days, actor=request.caller.id, now=request.now)
        received = sum(map(len, given.values()))
        return Response(BouncesOut(received, received - taken.new, taken.opted_out), status_code=202)

    handlers: list[HTTPRouteHandler] = [take_bounces, take_messages, take_events]
    for handler in handlers:
        handler.responses = DOCUMENTED | dict[int, Any](handler.responses or {})
    return [Router(BASE, route_handlers=handlers, guards=[guard])]
