"""Errors on CM's wire: the house's table and shape (http/refusals.py) with this document's names and objects."""

from uuid import UUID

from reachbook.core import contacts, fields, groups
from reachbook.dialects.cm_addressbook.wire import CORE_NAMES
from reachbook.http import refusals
from reachbook.http.request import AppRequest


async def _find_object(request: AppRequest) -> None:
    given = request.path_params
    if "groupId" in given:
        await groups.get(request.db, request.account, UUID(given["groupId"]))
    if "contactId" in given:
        await contacts.get(request.db, request.account, UUID(given["contactId"]))
    if "fieldId" in given:
        await fields.get(request.db, request.account, int(given["fieldId"]))


WIRE = refusals.Wire(CORE_NAMES, _find_object)
