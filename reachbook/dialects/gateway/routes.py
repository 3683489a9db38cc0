"""The endpoints of gateways and mail systems."""

from collections.abc import Sequence
from typing import Any

from litestar import Response, Router, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody

from reachbook.core import bounces
from reachbook.core.errors import Fault
from reachbook.dialects.gateway import wire
from reachbook.dialects.gateway.auth import guard
from reachbook.dialects.gateway.wire import BounceIn, BouncesOut
from reachbook.http.body import one_or_many
from reachbook.http.refusals import BODY_NAME, DOCUMENTED, ONE_OR_MANY
from reachbook.http.request import AppRequest

BASE = "/gateway/v1"


def routers(soft_bounce_days: int) -> list[Router]:
    """Everything under the base; `soft_bounce_days` is the policy of soft bounces."""

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

    handlers: list[HTTPRouteHandler] = [take_bounces]
    for handler in handlers:
        handler.responses = DOCUMENTED | dict[int, Any](handler.responses or {})
    return [Router(BASE, route_handlers=handlers, guards=[guard])]
