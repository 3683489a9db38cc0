"""Document 003's objects: channels, their requests, types and configurations.

Absent values are left out of what goes out; instants have three fractional digits and Z.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated
from urllib.parse import quote
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from reachbook.core.catalogues import Category, ChannelType
from reachbook.core.channel_requests import ChannelRequest
from reachbook.core.channels import Channel, Progress
from reachbook.core.configurations import Configuration, Draft, Endpoint
from reachbook.core.ids import NIL, AccountId
from reachbook.http.instants import Instant, instant, instant_if_any
from reachbook.http.money import number

CORE_NAMES = {
    "phone": "phoneNumber",
    "phone_number": "phoneNumber",
    "phone_number_id": "phoneNumberId",
    "form": "type",
    "code": "otp",
    "code_method": "otpMethod",
    "category": "templateCategoryId",
    "template_category_id": "templateCategoryId",
}
"""Core's names, and those of the models here, as the wire writes them; those that are not here are the same."""

Cost = Annotated[float, Meta(ge=0)]


class Incoming(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """The strict decoder refuses what is not in the model, and the tolerant one looks again."""


class Outgoing(msgspec.Struct, rename="camel", omit_defaults=True):
    """Absent values are left out."""


# --- channels


class ChannelRequestOut(Outgoing):
    """ApiChannelRequest, and without the last two instants ApiChannelRequestBase."""

    id: UUID
    channel_type_id: UUID
    is_pending: bool
    is_active: bool
    created_on_utc: Instant
    cancelled_on_utc: Instant | UnsetType = UNSET
    fulfilled_on_utc: Instant | UnsetType = UNSET


def channel_request_out(request: ChannelRequest, *, whole: bool = False) -> ChannelRequestOut:
    """As it is listed, or whole."""
    out = ChannelRequestOut(
        request.id,
        request.channel_type_id,
        request.state == "pending",
        request.state == "fulfilled",
        instant(request.created_at),
    )
    if whole:
        out.cancelled_on_utc = instant_if_any(request.cancelled_at)
        out.fulfilled_on_utc = instant_if_any(request.fulfilled_at)
    return out


class ChannelOut(Outgoing):
    """ApiChannel."""

    id: UUID
    element_id: str = msgspec.field(name="channelID")
    channel_url: str
    is_pending: bool
    created_on_utc: Instant


class ChannelsOut(Outgoing):
    """ApiChannels: by the type's key, then by category."""

    available: dict[str, dict[str, list[ChannelOut]]]
    coming_soon: list[str]


class Place(msgspec.Struct, frozen=True):
    """Where the pages of channels are: the address of this server, and whose they are."""

    base: str
    account: AccountId
    keys: dict[UUID, str]
    """Of the channel types."""

    def url(self, channel: Channel) -> str:
        """A channel's page in the console."""
        key = self.keys.get(channel.type_id, "").lower()
        element = quote(channel.element_id, safe="|*")
        return f"{self.base}/console/channels/{self.account}/{key}/{channel.request_id}/{channel.category}/{element}"


def channel_out(channel: Channel, place: Place) -> ChannelOut:
    """As it is listed."""
    return ChannelOut(channel.id, channel.element_id, place.url(channel), channel.is_pending, instant(channel.created_at))


WITHOUT_CHANNELS = ("businessAccount",)
"""Categories that nothing of is a channel."""


def channels_out(channels: Sequence[Channel], types: Sequence[ChannelType], place: Place, only: UUID | None) -> ChannelsOut:
    """Every type with all its categories, though there be no channels; or only one type."""
    available: dict[str, dict[str, list[ChannelOut]]] = {}
    for type in types:
        if not type.coming_soon and only in (None, type.id):
            names = [category.name for category in type.categories if category.name not in WITHOUT_CHANNELS]
            available[type.key] = {name: [] for name in names}
    for channel in channels:
        of_type = available.get(place.keys[channel.type_id])
        if of_type is not None:
            of_type.setdefault(channel.category, []).append(channel_out(channel, place))
    return ChannelsOut(available, [type.description for type in types if type.coming_soon])


class CategoryOut(Outgoing):
    """ApiChannelCategory, ApiWhatsAppTemplateCategory."""

    id: UUID
    name: str


def category_out(category: Category) -> CategoryOut:
    """As it is listed."""
    return CategoryOut(category.id, category.name)


class ChannelTypeBaseOut(Outgoing):
    """ApiChannelTypeBaseResponse."""

    id: UUID
    currency: str
    description: str
    startup_cost: Cost
    monthly_cost: Cost
    channel_request_processing_days: int


class ChannelTypeOut(ChannelTypeBaseOut):
    """ApiChannelTypeResponse."""

    notice_period_days: int
    categories: list[CategoryOut]


def channel_type_base_out(type: ChannelType) -> ChannelTypeBaseOut:
    """As it is listed."""
    costs = (number(type.startup_cost), number(type.monthly_cost))
    return ChannelTypeBaseOut(type.id, type.currency, type.description, *costs, type.processing_days)


def channel_type_out(type: ChannelType) -> ChannelTypeOut:
    """Whole."""
    costs = (number(type.startup_cost), number(type.monthly_cost))
    categories = [category_out(category) for category in type.categories]
    return ChannelTypeOut(type.id, type.currency, type.description, *costs, type.processing_days, type.notice_days, categories)


# --- inbound configuration


class EndpointIn(Incoming):
    """What a webhook is called by."""

    method: str | UnsetType | None = UNSET
    url: str | UnsetType | None = UNSET
    type: str | UnsetType | None = UNSET


class EndpointBody(Incoming):
    """ApiChannelWebHookConfigurationRequest and its like."""

    endpoint: EndpointIn | None = None


class AddressIn(Incoming):
    """ApiChannelEmailAddressRequest."""

    address: str | UnsetType | None = UNSET


class EmailBody(Incoming):
    """ApiChannelEmailConfigurationRequest."""

    email: AddressIn | None = None


class LogBody(Incoming):
    """ApiChannelMessagingLogConfigurationRequest."""

    enabled: bool


def endpoint_draft(body: EndpointBody | None) -> Draft:
    """What core takes."""
    given = (body and body.endpoint) or EndpointIn()
    return Draft(given.method, given.url, given.type)


def email_draft(body: EmailBody | None) -> Draft:
    """What core takes."""
    given = (body and body.email) or AddressIn()
    return Draft(address=given.address)


class ConfigurationOut(Outgoing):
    """ApiChannelConfigurationResponse, ApiChannelMessagingLogConfigurationResponse."""

    id: UUID
    enabled: bool
    updated_on_utc: Instant
    created_on_utc: Instant


class EndpointOut(Outgoing):
    """ApiChannelWebHookEndpointResponse, ApiChannelCustomerContactEndpointResponse."""

    id: UUID
    method: str
    url: str
    type: str
    updated_on_utc: Instant
    created_on_utc: Instant


class EventEndpointOut(Outgoing):
    """ApiChannelEventWebHookEndpointResponse."""

    id: UUID
    channels_one_id: UUID
    method: str
    url: str
    type: str
    updated_on_utc: Instant
    created_on_utc: Instant


class AddressOut(Outgoing):
    """ApiChannelEmailAddressResponse."""

    id: UUID
    address: str
    updated_on_utc: Instant
    created_on_utc: Instant


class EndpointsOut(ConfigurationOut):
    """ApiChannelWebHookConfigurationResponse, ApiChannelCustomerContactConfigurationResponse."""

    endpoints: list[EndpointOut]


class AddressesOut(ConfigurationOut):
    """ApiChannelEmailConfigurationResponse."""

    addresses: list[AddressOut]


class EventEndpointConfigurationOut(ConfigurationOut):
    """ApiChannelEventWebHookConfigurationResponse; `endpoint` is left out while there is none."""

    endpoint: EventEndpointOut | UnsetType = UNSET


def configuration_out(given: Configuration) -> ConfigurationOut:
    """Without what is in it."""
    return ConfigurationOut(given.id, given.enabled, instant(given.updated_at), instant(given.created_at))


def endpoints_out(given: Configuration) -> EndpointsOut:
    """With its endpoints."""
    endpoints = [_endpoint(one) for one in given.endpoints]
    return EndpointsOut(given.id, given.enabled, instant(given.updated_at), instant(given.created_at), endpoints)


def _endpoint(one: Endpoint) -> EndpointOut:
    return EndpointOut(one.id, one.method or "", one.target, one.form or "", instant(one.updated_at), instant(one.created_at))


def addresses_out(given: Configuration) -> AddressesOut:
    """With its addresses."""
    addresses = [AddressOut(one.id, one.target, instant(one.updated_at), instant(one.created_at)) for one in given.endpoints]
    return AddressesOut(given.id, given.enabled, instant(given.updated_at), instant(given.created_at), addresses)


def event_out(given: Configuration) -> EventEndpointConfigurationOut:
    """With its endpoint, if there is one."""
    out = EventEndpointConfigurationOut(given.id, given.enabled, instant(given.updated_at), instant(given.created_at))
    for one in given.endpoints:
        instants = (instant(one.updated_at), instant(one.created_at))
        out.endpoint = EventEndpointOut(one.id, one.secondary_id, one.method or "", one.target, one.form or "", *instants)
    return out


class NextStageOut(Outgoing):
    """ApiRequestNextState."""

    type: Annotated[str, Meta(description="UNKNOWN, PROCESSING or ACTION_REQUIRED.")]
    description_key: str


class ProgressionOut(Outgoing):
    """ApiRequestProgression."""

    stages: list[str]
    current: str


class RequestStateOut(Outgoing):
    """ApiRequestState."""

    completeness: int
    next_stage: NextStageOut
    progression: ProgressionOut
    has_pending_order: bool


class ChannelBaseOut(Outgoing):
    """ApiChannelBase."""

    id: UUID
    channel_request_id: UUID
    channel_type_id: UUID
    channel_category_id: UUID
    element_id: str = msgspec.field(name="channelID")
    channel_url: str
    custom_request_form_id: UUID
    custom_request_form_is_pending: bool
    is_pending: bool
    created_on_utc: Instant
    request_state: RequestStateOut


class ChannelGroupOut(Outgoing):
    """ApiChannelGroupBase."""

    id: UUID
    channels: list[ChannelBaseOut]


class InboundOut(Outgoing):
    """ApiChannelConfigurationsInbound."""

    messaging_log: ConfigurationOut
    customer_contact: EndpointsOut
    email: AddressesOut
    webhook: EndpointsOut
    event_webhook: EventEndpointConfigurationOut


class ConfigurationsOut(Outgoing):
    """ApiChannelConfigurations."""

    channel_group: ChannelGroupOut
    inbound: InboundOut


def configurations_out(
    group: UUID,
    channels: Sequence[tuple[Channel, Progress]],
    inbound: Mapping[str, Configuration],
    types: Sequence[ChannelType],
    place: Place,
) -> ConfigurationsOut:
    """A group with its channels and its five configurations."""
    by_id = {type.id: type for type in types}
    listed = [_channel_base(channel, progress, by_id[channel.type_id], place) for channel, progress in channels]
    return ConfigurationsOut(
        ChannelGroupOut(group, listed),
        InboundOut(
            configuration_out(inbound["messagingLog"]),
            endpoints_out(inbound["customerContact"]),
            addresses_out(inbound["email"]),
            endpoints_out(inbound["webhook"]),
            event_out(inbound["eventWebhook"]),
        ),
    )


def _channel_base(channel: Channel, progress: Progress, type: ChannelType, place: Place) -> ChannelBaseOut:
    category = type.category(channel.category)
    stages = list(progress.stages)
    return ChannelBaseOut(
        id=channel.id,
        channel_request_id=channel.request_id,
        channel_type_id=channel.type_id,
        channel_category_id=category.id if category else NIL,
        element_id=channel.element_id,
        channel_url=place.url(channel),
        custom_request_form_id=NIL,
        custom_request_form_is_pending=False,
        is_pending=channel.is_pending,
        created_on_utc=instant(channel.created_at),
        request_state=RequestStateOut(
            progress.completeness,
            NextStageOut(progress.next, progress.next_key),
            ProgressionOut(stages, stages[-1]),
            progress.has_pending_order,
        ),
    )
