"""The endpoints of document 003, "Channels" and "Channel Configuration". Argument names in camelCase are the document's own path names."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from litestar import MediaType, Response, delete, get, post, put
from litestar.params import FromPath, JSONBody, QueryParameter

from reachbook.core import catalogues, channel_requests, channels, configurations, ids
from reachbook.core.catalogues import ChannelType
from reachbook.core.errors import invalid
from reachbook.dialects.cm_channels import wire
from reachbook.dialects.cm_channels.parameters import Skip, Take
from reachbook.dialects.cm_channels.policy import base_url, policy
from reachbook.dialects.cm_channels.wire import (
    AddressesOut,
    CategoryOut,
    ChannelOut,
    ChannelRequestOut,
    ChannelsOut,
    ChannelTypeBaseOut,
    ChannelTypeOut,
    ConfigurationOut,
    ConfigurationsOut,
    EmailBody,
    EndpointBody,
    EndpointsOut,
    EventEndpointConfigurationOut,
    LogBody,
    Place,
)
from reachbook.http.body import one
from reachbook.http.guids import guid, guid_if_any
from reachbook.http.paging import headers, page
from reachbook.http.request import AppRequest

REQUESTS, REQUEST = "/channels/requests", "/channels/requests/{channelRequestId:str}"
TYPES, TYPE = "/channels/types", "/channels/types/{channelTypeId:str}"
CHANNEL = "/channels/{channelId:str}"
CONFIGURATION = f"{CHANNEL}/configuration"
WEBHOOK, EVENTS, EMAIL = f"{CONFIGURATION}/webhook", f"{CONFIGURATION}/eventwebhook", f"{CONFIGURATION}/email"

OfType = Annotated[str | None, QueryParameter(name="channelTypeId", description="Of this channel type.")]


@post(REQUESTS, summary="Requests a channel.", tags=["Channels"])
async def request_channel(request: AppRequest, type_id: OfType = None) -> ChannelRequestOut:
    """`?channelTypeId=…` → 201 `{"id", "channelTypeId", "isPending", "isActive", "createdOnUtc"}`."""
    type = guid(type_id, "channelTypeId")
    made = await channel_requests.create(request.db, request.account, ids.new_id(), type, request.now)
    return wire.channel_request_out(made)


@get(REQUESTS, summary="Gets your channel requests.", tags=["Channels"])
async def list_requests(
    request: AppRequest, type_id: OfType = None, skip: Skip = None, take: Take = None
) -> Response[list[ChannelRequestOut]]:
    """`[{"id", "channelTypeId", "isPending", "isActive", "createdOnUtc"}]`, by age."""
    asked = page(skip, take)
    type = guid_if_any(type_id, "channelTypeId")
    listed = await channel_requests.list_requests(request.db, request.account, asked, type)
    return Response([wire.channel_request_out(one) for one in listed.rows], headers=headers(asked, listed))


@get(REQUEST, summary="Gets a channel request by id.", tags=["Channels"])
async def get_request(request: AppRequest, channelRequestId: FromPath[UUID]) -> ChannelRequestOut:
    """The same with `fulfilledOnUtc` and `cancelledOnUtc`."""
    return wire.channel_request_out(await channel_requests.get(request.db, request.account, channelRequestId), whole=True)


@get("/channels", summary="Gets your channels.", tags=["Channels"])
async def list_channels(request: AppRequest, type_id: OfType = None) -> ChannelsOut:
    """`{"available": {"sms": {"keywords": [channel, …], "numbers": […]}, "whatsApp": {…}}, "comingSoon": ["RCS", …]}`."""
    type = guid_if_any(type_id, "channelTypeId")
    types = await catalogues.channel_types(request.db)
    listed = await channels.list_channels(request.db, request.account, type)
    return wire.channels_out(listed, types, _place(request, types), type)


@get(CHANNEL, summary="Gets a channel by id.", tags=["Channels"])
async def get_channel(request: AppRequest, channelId: FromPath[UUID]) -> ChannelOut:
    """`{"id", "channelID": "31627100000|JOIN", "channelUrl", "isPending", "createdOnUtc"}`."""
    types = await catalogues.channel_types(request.db)
    return wire.channel_out(await channels.get(request.db, request.account, channelId), _place(request, types))


def _place(request: AppRequest, types: Sequence[ChannelType]) -> Place:
    return Place(base_url(request), request.account, {type.id: type.key for type in types})


@get(TYPES, summary="Gets available channel types.", tags=["Channels"])
async def list_types(request: AppRequest, skip: Skip = None, take: Take = None) -> Response[list[ChannelTypeBaseOut]]:
    """`[{"id", "currency", "description", "startupCost", "monthlyCost", "channelRequestProcessingDays"}]`."""
    asked = page(skip, take)
    listed = await catalogues.available_types(request.db, asked)
    return Response([wire.channel_type_base_out(type) for type in listed.rows], headers=headers(asked, listed))


@get(TYPE, summary="Gets a channel type by id.", tags=["Channels"])
async def get_type(request: AppRequest, channelTypeId: FromPath[UUID]) -> ChannelTypeOut:
    """The same with `noticePeriodDays` and `categories`."""
    return wire.channel_type_out(await catalogues.available_type(request.db, channelTypeId))


@get(f"{TYPE}/categories", summary="Gets available categories for a channel type.", tags=["Channels"])
async def list_categories(request: AppRequest, channelTypeId: FromPath[UUID]) -> list[CategoryOut]:
    """`[{"id", "name"}]`."""
    type = await catalogues.available_type(request.db, channelTypeId)
    return [wire.category_out(category) for category in type.categories]


# --- inbound configuration


@get(CONFIGURATION, summary="Gets all configurations for a channel.", tags=["ChannelConfiguration"])
async def get_configurations(request: AppRequest, channelId: FromPath[UUID]) -> ConfigurationsOut:
    """`{"channelGroup": {"id", "channels"}, "inbound": {"messagingLog", "customerContact", "email", "webhook", "eventWebhook"}}`."""
    channel = await channels.get(request.db, request.account, channelId)
    within = await channels.with_progress(request.db, request.account, channel.group_id)
    inbound = await configurations.of_group(request.db, request.account, channel.group_id)
    types = await catalogues.channel_types(request.db)
    return wire.configurations_out(channel.group_id, within, inbound, types, _place(request, types))


@get(f"{CONFIGURATION}/{{configurationId:str}}", summary="Gets a configuration for a channel.", tags=["ChannelConfiguration"])
async def get_configuration(request: AppRequest, channelId: FromPath[UUID], configurationId: FromPath[UUID]) -> ConfigurationOut:
    """`{"id", "enabled", "updatedOnUtc", "createdOnUtc"}`."""
    return wire.configuration_out(await configurations.get(request.db, request.account, channelId, configurationId))


@put(f"{CONFIGURATION}/{{configurationId:str}}", summary="Enables or disables a channel configuration.", tags=["ChannelConfiguration"])
async def switch_configuration(
    request: AppRequest,
    channelId: FromPath[UUID],
    configurationId: FromPath[UUID],
    enabled: Annotated[bool | None, QueryParameter(name="enabled", description="Required.")] = None,
) -> ConfigurationOut:
    """`?enabled=true` → 200 with the configuration."""
    if enabled is None:
        raise invalid("enabled", "is required: true or false")
    switched = await configurations.switch(request.db, request.account, channelId, configurationId, enabled=enabled, now=request.now)
    return wire.configuration_out(switched)


@post(f"{CONFIGURATION}/messaginglog", dto=one(LogBody), status_code=200, summary="Updates a messaging log.", tags=["ChannelConfiguration"])
async def keep_log(request: AppRequest, channelId: FromPath[UUID], data: JSONBody[LogBody | None] = None) -> ConfigurationOut:
    """`{"enabled": true}` → 200 with the configuration."""
    if data is None:
        raise invalid("enabled", "is required")
    kept = await configurations.keep_log(request.db, request.account, channelId, enabled=data.enabled, now=request.now)
    return wire.configuration_out(kept)


def _nothing() -> Response[str]:
    return Response("", status_code=200, media_type=MediaType.TEXT)


async def _add(request: AppRequest, channel: UUID, kind: str, draft: configurations.Draft) -> configurations.Configuration:
    allowed = policy(request).allowed
    return await configurations.add(request.db, request.account, channel, kind, draft, allowed=allowed, now=request.now)


async def _update(request: AppRequest, channel: UUID, kind: str, id: UUID, draft: configurations.Draft) -> configurations.Configuration:
    allowed = policy(request).allowed
    return await configurations.update(request.db, request.account, channel, kind, id, draft, allowed=allowed, now=request.now)


@post(
    f"{CONFIGURATION}/customercontact",
    dto=one(EndpointBody),
    status_code=200,
    summary="Updates a customer contact configuration element.",
    tags=["ChannelConfiguration"],
)
async def set_customer_contact(request: AppRequest, channelId: FromPath[UUID], data: JSONBody[EndpointBody | None] = None) -> EndpointsOut:
    """`{"endpoint": {"method": "POST", "url": "https://…", "type": "Xml"}}` → 200 with the configuration and its only endpoint."""
    return wire.endpoints_out(await _add(request, channelId, "customerContact", wire.endpoint_draft(data)))


@post(EMAIL, dto=one(EmailBody), status_code=200, summary="Adds an email configuration element.", tags=["ChannelConfiguration"])
async def add_email(request: AppRequest, channelId: FromPath[UUID], data: JSONBody[EmailBody | None] = None) -> AddressesOut:
    """`{"email": {"address": "desk@example.com"}}` → 200 with the configuration and its addresses."""
    return wire.addresses_out(await _add(request, channelId, "email", wire.email_draft(data)))


@put(f"{EMAIL}/{{addressId:str}}", dto=one(EmailBody), summary="Updates an email configuration element.", tags=["ChannelConfiguration"])
async def update_email(
    request: AppRequest, channelId: FromPath[UUID], addressId: FromPath[UUID], data: JSONBody[EmailBody | None] = None
) -> AddressesOut:
    """`{"email": {"address": "desk@example.com"}}` → 200 with the configuration and its addresses."""
    return wire.addresses_out(await _update(request, channelId, "email", addressId, wire.email_draft(data)))


@delete(
    f"{EMAIL}/{{addressId:str}}",
    status_code=200,
    media_type=MediaType.TEXT,
    summary="Deletes an email configuration element.",
    tags=["ChannelConfiguration"],
)
async def delete_email(request: AppRequest, channelId: FromPath[UUID], addressId: FromPath[UUID]) -> Response[str]:
    """200 without a body."""
    await configurations.delete(request.db, request.account, channelId, "email", addressId, request.now)
    return _nothing()


@post(EVENTS, dto=one(EndpointBody), status_code=200, summary="Adds an event webhook configuration element.", tags=["ChannelConfiguration"])
async def add_event_webhook(
    request: AppRequest, channelId: FromPath[UUID], data: JSONBody[EndpointBody | None] = None
) -> EventEndpointConfigurationOut:
    """`{"endpoint": {"method": "POST", "url": "https://…", "type": "Json"}}` → 200 with the configuration; a second one: 409."""
    return wire.event_out(await _add(request, channelId, "eventWebhook", wire.endpoint_draft(data)))


@put(
    f"{EVENTS}/{{eventwebhookId:str}}",
    dto=one(EndpointBody),
    summary="Updates an event webhook configuration element.",
    tags=["ChannelConfiguration"],
)
async def update_event_webhook(
    request: AppRequest, channelId: FromPath[UUID], eventwebhookId: FromPath[UUID], data: JSONBody[EndpointBody | None] = None
) -> EventEndpointConfigurationOut:
    """`{"endpoint": {"url": "https://…"}}` → 200 with the configuration; what is not named stays."""
    return wire.event_out(await _update(request, channelId, "eventWebhook", eventwebhookId, wire.endpoint_draft(data)))


@delete(
    f"{EVENTS}/{{eventwebhookId:str}}",
    status_code=200,
    media_type=MediaType.TEXT,
    summary="Deletes an event webhook configuration element.",
    tags=["ChannelConfiguration"],
)
async def delete_event_webhook(request: AppRequest, channelId: FromPath[UUID], eventwebhookId: FromPath[UUID]) -> Response[str]:
    """200 without a body."""
    await configurations.delete(request.db, request.account, channelId, "eventWebhook", eventwebhookId, request.now)
    return _nothing()


@post(WEBHOOK, dto=one(EndpointBody), status_code=200, summary="Adds a webhook configuration element.", tags=["ChannelConfiguration"])
async def add_webhook(request: AppRequest, channelId: FromPath[UUID], data: JSONBody[EndpointBody | None] = None) -> EndpointsOut:
    """`{"endpoint": {"method": "POST", "url": "https://…", "type": "Json"}}` → 200 with the configuration and its endpoints."""
    return wire.endpoints_out(await _add(request, channelId, "webhook", wire.endpoint_draft(data)))


@put(
    f"{WEBHOOK}/{{webhookId:str}}", dto=one(EndpointBody), summary="Updates a webhook configuration element.", tags=["ChannelConfiguration"]
)
async def update_webhook(
    request: AppRequest, channelId: FromPath[UUID], webhookId: FromPath[UUID], data: JSONBody[EndpointBody | None] = None
) -> EndpointsOut:
    """`{"endpoint": {"url": "https://…"}}` → 200 with the configuration; what is not named stays."""
    return wire.endpoints_out(await _update(request, channelId, "webhook", webhookId, wire.endpoint_draft(data)))


@delete(
    f"{WEBHOOK}/{{webhookId:str}}",
    status_code=200,
    media_type=MediaType.TEXT,
    summary="Deletes a webhook configuration element.",
    tags=["ChannelConfiguration"],
)
async def delete_webhook(request: AppRequest, channelId: FromPath[UUID], webhookId: FromPath[UUID]) -> Response[str]:
    """200 without a body."""
    await configurations.delete(request.db, request.account, channelId, "webhook", webhookId, request.now)
    return _nothing()
