"""Errors: the house's table and shape (http/refusals.py) with the names of this API."""

from reachbook.dialects.gateway.wire import CORE_NAMES
from reachbook.http import refusals
from reachbook.http.request import AppRequest


async def _find_object(_: AppRequest) -> None:
    """No path of this API names an object."""


WIRE = refusals.Wire(CORE_NAMES, _find_object)
