"""Errors on CM's wire: the house's table and shape (http/refusals.py) with this document's names and objects."""

from uuid import UUID

from reachbook.core import catalogues, channel_requests, channels, configurations, keywords, numbers, profiles, templates
from reachbook.dialects.cm_channels.wire import CORE_NAMES
from reachbook.http import refusals
from reachbook.http.request import AppRequest

ELEMENTS = {"addressId": "email", "webhookId": "webhook", "eventwebhookId": "eventWebhook"}
"""Path names of elements → the configurations that they are of."""


async def _find_object(request: AppRequest) -> None:
    given = {name: UUID(value) for name, value in request.path_params.items() if name != "phoneNumberId"}
    db, account = request.db, request.account
    if "channelTypeId" in given:
        await catalogues.available_type(db, given["channelTypeId"])
    if "channelId" in given:
        await channels.get(db, account, given["channelId"])
    if "configurationId" in given:
        await configurations.get(db, account, given["channelId"], given["configurationId"])
    for name, kind in ELEMENTS.items():
        if name in given:
            await configurations.find(db, account, given["channelId"], kind, given[name])
    if "keywordClaimId" in given:
        await keywords.get(db, account, given["keywordClaimId"])
    if "phoneNumberId" in request.path_params:
        await numbers.get(db, account, request.path_params["phoneNumberId"])
    if "channelRequestId" in given:
        await _find_in_request(request, given)


async def _find_in_request(request: AppRequest, given: dict[str, UUID]) -> None:
    db, account, of_request = request.db, request.account, given["channelRequestId"]
    if "/whatsapp/" not in request.url.path.lower():
        await channel_requests.get(db, account, of_request)
        return
    await channel_requests.business_account(db, account, of_request)
    if "profileId" in given:
        await profiles.get(db, account, of_request, given["profileId"])
    if "templateId" in given:
        template = await templates.get(db, account, of_request, given["templateId"])
        if "fieldId" in given:
            templates.find_field(template, given["fieldId"])


WIRE = refusals.Wire(CORE_NAMES, _find_object)
