"""Errors: the house's table and shape (http/refusals.py); Meta looks at the status only."""

from reachbook.http import refusals
from reachbook.http.request import AppRequest


async def _find_object(_: AppRequest) -> None:
    """No path of this API names an object."""


WIRE = refusals.Wire({}, _find_object)
