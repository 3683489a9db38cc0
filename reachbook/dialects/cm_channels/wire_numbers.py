"""Document 003's objects of keyword claims and phone numbers."""

from typing import Annotated
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from reachbook.core.catalogues import NumberType
from reachbook.core.ids import AccountId
from reachbook.core.keywords import Claim
from reachbook.core.number_requests import NumberRequest
from reachbook.core.numbers import Number
from reachbook.dialects.cm_channels.wire import Cost, Incoming, Outgoing
from reachbook.http.instants import Instant, instant, instant_if_any
from reachbook.http.money import number


class ClaimIn(Incoming):
    """ApiKeywordClaimRequest: the number by either name."""

    phone_number_id: str | None = None
    phone_number: str | None = None
    keyword: str | None = None


class ClaimOut(Outgoing):
    """ApiKeywordClaimResponse."""

    id: UUID
    channel_id: UUID
    phone_number: Annotated[str, Meta(description="The id of the number.")]
    country: str
    keyword: str
    currency: str
    startup_cost: Cost
    monthly_cost: Cost
    notice_period_days: int
    claimed_on_utc: Instant


def claim_out(claim: Claim) -> ClaimOut:
    """As it is listed."""
    costs = (number(claim.startup_cost), number(claim.monthly_cost))
    where = (claim.phone_number_id, claim.country, claim.keyword)
    return ClaimOut(claim.id, claim.channel_id, *where, claim.currency, *costs, claim.notice_days, instant(claim.claimed_at))


class NumberTypeOut(Outgoing):
    """ApiNumberTypeResponse."""

    id: UUID
    purpose: list[str]
    country: str
    category: str
    description: str
    currency: str
    startup_cost: Cost
    monthly_cost: Cost
    notice_period_days: int
    keyword_startup_cost: Cost
    keyword_monthly_cost: Cost
    keyword_notice_period_days: int
    number_request_processing_days: int


def number_type_out(type: NumberType) -> NumberTypeOut:
    """As it is listed, and within numbers and requests."""
    return NumberTypeOut(
        type.id,
        list(type.purpose),
        type.country,
        type.category,
        type.description,
        type.currency,
        number(type.startup_cost),
        number(type.monthly_cost),
        type.notice_days,
        number(type.keyword_startup_cost),
        number(type.keyword_monthly_cost),
        type.keyword_notice_days,
        type.processing_days,
    )


class NumberRequestOut(Outgoing):
    """ApiNumberRequestResponse."""

    id: UUID
    channel_id: UUID
    account_id: UUID
    number_type: NumberTypeOut
    is_pending: bool
    is_active: bool
    created_on_utc: Instant
    phone_number_id: str | UnsetType = UNSET
    cancelled_on_utc: Instant | UnsetType = UNSET
    fulfilled_on_utc: Instant | UnsetType = UNSET


def number_request_out(account: AccountId, request: NumberRequest) -> NumberRequestOut:
    """As it is listed."""
    return NumberRequestOut(
        request.id,
        request.channel_id,
        account,
        number_type_out(request.type),
        request.state == "pending",
        request.state == "fulfilled",
        instant(request.created_at),
        request.phone_number_id or UNSET,
        instant_if_any(request.cancelled_at),
        instant_if_any(request.fulfilled_at),
    )


class NumberOut(Outgoing):
    """ApiPhoneNumberResponse; whose it is since when, only to its owner."""

    id: str
    number_type: NumberTypeOut
    number: str
    is_shared: bool
    account_id: UUID | UnsetType = UNSET
    owned_since_utc: Instant | UnsetType = UNSET


def number_out(given: Number) -> NumberOut:
    """As it is listed; core shows nobody another's."""
    since = instant_if_any(given.owned_since)
    return NumberOut(given.id, number_type_out(given.type), given.number, given.is_shared, given.owner or UNSET, since)
