"""Errors: the house's table and shape (http/refusals.py) with the names of this API."""

from uuid import UUID

from reachbook.core import imports, segments
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


WIRE = refusals.Wire(CORE_NAMES, _find_object)
