"""Errors: the house's table and shape (http/refusals.py) with the names of this API."""

from uuid import UUID

from reachbook.core import deliveries, imports, reviews, segments
from reachbook.http import refusals
from reachbook.http.request import AppRequest

CORE_NAMES = {
    "group": "groupId",
    "group_name": "groupName",
    "match_in": "matchIn",
    "on_match": "onMatch",
    "new_fields": "newFields",
    "has_header": "header",
}


async def _find_object(request: AppRequest) -> None:
    if "importId" in request.path_params:
        await imports.get(request.db, request.account, UUID(request.path_params["importId"]))
    if "segmentId" in request.path_params:
        await segments.get(request.db, request.account, UUID(request.path_params["segmentId"]))
    if "deliveryId" in request.path_params:
        await deliveries.get(request.db, request.account, UUID(request.path_params["deliveryId"]))
    if "endpointId" in request.path_params:
        await deliveries.get_endpoint(request.db, request.account, UUID(request.path_params["endpointId"]))
    if "reviewId" in request.path_params:
        await reviews.get(request.db, request.account, UUID(request.path_params["reviewId"]))


WIRE = refusals.Wire(CORE_NAMES, _find_object)
