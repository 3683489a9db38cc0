"""Errors: the house's table and shape (http/refusals.py) with the names and objects of this API."""

from uuid import UUID

from reachbook.core import accounts, catalogues, channel_requests, profiles, work_queue
from reachbook.core.ids import AccountId
from reachbook.dialects.operator.wire import CORE_NAMES
from reachbook.http import refusals
from reachbook.http.request import AppRequest


async def _find_object(request: AppRequest) -> None:
    db = request.db
    given = {name: UUID(value) for name, value in request.path_params.items() if name != "phoneNumberId"}
    if "accountId" in given:
        await accounts.get(db, AccountId(given["accountId"]))
    if "channelTypeId" in given:
        await catalogues.channel_type(db, given["channelTypeId"])
    if "numberTypeId" in given:
        await catalogues.number_type(db, given["numberTypeId"])
    if "languageId" in given:
        await catalogues.language(db, given["languageId"])
    if "categoryId" in given:
        await catalogues.template_category(db, given["categoryId"])
    if "requestId" in given:
        await work_queue.account_of(db, given["requestId"])
    if "channelRequestId" in given:
        account = await channel_requests.account_of(db, given["channelRequestId"])
        await channel_requests.business_account(db, account, given["channelRequestId"])
        if "profileId" in given:
            await profiles.get(db, account, given["channelRequestId"], given["profileId"])


WIRE = refusals.Wire(CORE_NAMES, _find_object)
