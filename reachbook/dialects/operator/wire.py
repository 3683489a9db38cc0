"""The objects of the operator's API, in camelCase. Absent values are left out; instants have three digits and Z; money is a JSON number."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, cast
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from reachbook.core.accounts import Account
from reachbook.core.catalogues import Category, ChannelType, ChannelTypeDraft, Language, NumberType, NumberTypeDraft
from reachbook.core.channel_requests import BusinessAccount
from reachbook.core.charges import Bill
from reachbook.core.errors import Fault, InvalidError, invalid
from reachbook.core.ids import AccountId
from reachbook.core.messages import Logged
from reachbook.core.numbers import Draft as StockDraft
from reachbook.core.numbers import Number
from reachbook.core.profiles import Draft as ProfileDraft
from reachbook.core.profiles import Profile
from reachbook.core.queue_view import Provider, Shown
from reachbook.core.tokens import Token
from reachbook.http.instants import Instant, instant, instant_if_any
from reachbook.http.money import number

CORE_NAMES = {
    "startup_cost": "startupCost",
    "monthly_cost": "monthlyCost",
    "notice_days": "noticePeriodDays",
    "auto_fulfil": "autoFulfil",
    "coming_soon": "comingSoon",
    "keyword_startup_cost": "keywordStartupCost",
    "keyword_monthly_cost": "keywordMonthlyCost",
    "keyword_notice_days": "keywordNoticePeriodDays",
    "number_type": "numberTypeId",
    "number_type_id": "numberTypeId",
    "is_shared": "isShared",
    "is_shortcode": "isShortcode",
    "phone": "phoneNumber",
    "phone_number": "phoneNumberId",
    "phone_number_id": "phoneNumberId",
    "provider_id": "providerId",
}
"""Core's names as the wire writes them; those that are not here are the same."""

OF_CHANNEL_TYPE = {"processing_days": "channelRequestProcessingDays"}
OF_NUMBER_TYPE = {"processing_days": "numberRequestProcessingDays"}

Cost = Annotated[float, Meta(ge=0, description="At most 4 decimals, exact.")]


class Incoming(msgspec.Struct, rename=CORE_NAMES, forbid_unknown_fields=True):
    """The strict decoder refuses what is not in the model, and the tolerant one looks again."""


class Outgoing(msgspec.Struct, rename="camel", omit_defaults=True):
    """Absent values are left out."""


# --- accounts and tokens


class AccountIn(Incoming):
    """An account. On PUT what is absent stays; a region of null is none."""

    name: str | UnsetType | None = UNSET
    region: Annotated[str | UnsetType | None, Meta(description="How national phone numbers are read: NL, FR, …")] = UNSET
    id: Annotated[str | None, Meta(description="POST only: an id brought along from the vendor.")] = None


class AccountOut(Outgoing):
    """An account."""

    id: UUID
    name: str
    created_on_utc: Instant
    region: str | UnsetType = UNSET


def account_out(account: Account) -> AccountOut:
    """As it is listed."""
    return AccountOut(account.id, account.name, instant(account.created_at), account.region or UNSET)


class TokenIn(Incoming):
    """A token of an account."""

    name: str | None = None
    scopes: Annotated[list[str] | None, Meta(description="read, write or both.")] = None
    value: Annotated[str | None, Meta(description="A token brought along from the vendor; made unless given.")] = None


class TokenOut(Outgoing):
    """A token without its value."""

    id: UUID
    name: str
    scopes: list[Literal["read", "write"]]
    created_on_utc: Instant
    expires_on_utc: Instant | UnsetType = UNSET


class TokenMadeOut(TokenOut):
    """A new token with its value, which is shown only here."""

    token: str | UnsetType = UNSET


def token_out(token: Token) -> TokenOut:
    """As it is listed."""
    return TokenOut(token.id, token.name, _scopes(token.scopes), instant(token.created_at), instant_if_any(token.expires_at))


def token_made_out(id: UUID, given: TokenIn, value: str, now: datetime) -> TokenMadeOut:
    """What was made of what was given."""
    return TokenMadeOut(id, given.name or "", _scopes(given.scopes or ()), instant(now), token=value)


def _scopes(given: Sequence[str] | frozenset[str]) -> list[Any]:
    return sorted(set(given))


# --- catalogues


class CategoryIn(Incoming):
    """A category of a channel type; without an id the one of this name, or a new one."""

    name: str | None = None
    id: str | None = None


class ChannelTypeIn(ChannelTypeDraft, rename=CORE_NAMES | OF_CHANNEL_TYPE, forbid_unknown_fields=True):
    """A channel type. On PUT what is absent stays."""

    key: str | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    currency: str | UnsetType | None = UNSET
    startup_cost: Decimal | UnsetType | None = UNSET
    monthly_cost: Decimal | UnsetType | None = UNSET
    processing_days: int | UnsetType | None = UNSET
    notice_days: int | UnsetType | None = UNSET
    auto_fulfil: bool | UnsetType | None = UNSET
    coming_soon: bool | UnsetType | None = UNSET
    categories: list[CategoryIn] | UnsetType | None = UNSET


def channel_type_draft(given: ChannelTypeIn | None) -> ChannelTypeDraft:
    """What core takes. Raises InvalidError for ids of categories that are none."""
    if given is None:
        return ChannelTypeDraft()
    values = {name: getattr(given, name) for name in given.__struct_fields__}
    faults: list[Fault] = []
    if isinstance(given.categories, list):
        values["categories"] = [
            (_guid_in(category.id, ("categories", place, "id"), faults), category.name) for place, category in enumerate(given.categories)
        ]
    if faults:
        raise InvalidError(faults)
    return ChannelTypeDraft(**values)


class CategoryOut(Outgoing):
    """A category of a channel type, or of templates."""

    id: UUID
    name: str


def category_out(category: Category) -> CategoryOut:
    """As it is listed."""
    return CategoryOut(category.id, category.name)


class ChannelTypeOut(Outgoing):
    """A channel type."""

    id: UUID
    key: str
    description: str
    currency: str
    startup_cost: Cost
    monthly_cost: Cost
    channel_request_processing_days: int
    notice_period_days: int
    auto_fulfil: bool
    coming_soon: bool
    categories: list[CategoryOut]


def channel_type_out(type: ChannelType) -> ChannelTypeOut:
    """As it is listed."""
    return ChannelTypeOut(
        type.id,
        type.key,
        type.description,
        type.currency,
        number(type.startup_cost),
        number(type.monthly_cost),
        type.processing_days,
        type.notice_days,
        type.auto_fulfil,
        type.coming_soon,
        [category_out(category) for category in type.categories],
    )


class NumberTypeIn(NumberTypeDraft, rename=CORE_NAMES | OF_NUMBER_TYPE, forbid_unknown_fields=True):
    """A number type. On PUT what is absent stays."""

    purpose: list[str] | UnsetType | None = UNSET
    country: str | UnsetType | None = UNSET
    category: str | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    currency: str | UnsetType | None = UNSET
    startup_cost: Decimal | UnsetType | None = UNSET
    monthly_cost: Decimal | UnsetType | None = UNSET
    notice_days: int | UnsetType | None = UNSET
    keyword_startup_cost: Decimal | UnsetType | None = UNSET
    keyword_monthly_cost: Decimal | UnsetType | None = UNSET
    keyword_notice_days: int | UnsetType | None = UNSET
    processing_days: int | UnsetType | None = UNSET


class NumberTypeOut(Outgoing):
    """ApiNumberTypeResponse of document 003."""

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
    """As it is listed."""
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


class LanguageIn(Incoming):
    """A WhatsApp language."""

    code: str | UnsetType | None = UNSET
    name: str | UnsetType | None = UNSET


class LanguageOut(Outgoing):
    """A WhatsApp language."""

    id: UUID
    code: str
    name: str


def language_out(language: Language) -> LanguageOut:
    """As it is listed."""
    return LanguageOut(*language)


class TemplateCategoryIn(Incoming):
    """A category of templates."""

    name: str | UnsetType | None = UNSET


# --- stock


class NumberIn(Incoming):
    """A number that comes into stock."""

    number: Annotated[str, Meta(description="As written; a short code as dialled.")]
    number_type_id: str
    is_shared: Annotated[bool | None, Meta(description="Everybody may claim keywords on it.")] = None
    is_shortcode: bool | None = None


def stock_drafts(rows: Sequence[NumberIn | list[Fault]]) -> list[StockDraft]:
    """What core takes. Raises InvalidError with every fault of form."""
    faults: list[Fault] = []
    drafts: list[StockDraft] = []
    for place, row in enumerate(rows):
        if isinstance(row, list):
            faults += row
            continue
        type = _guid_in(row.number_type_id, (place, "number_type"), faults)
        if type is not None:
            drafts.append(StockDraft(row.number, type, row.is_shared is True, row.is_shortcode is True))
    if faults:
        raise InvalidError(faults)
    return drafts


def _guid_in(text: str | None, path: tuple[str | int, ...], faults: list[Fault]) -> UUID | None:
    if text is None:
        return None
    try:
        return UUID(text.strip())
    except ValueError:
        faults.append(Fault(path, "is not a GUID"))
        return None


def guid(text: str, name: str) -> UUID:
    """Raises InvalidError."""
    faults: list[Fault] = []
    found = _guid_in(text, (name,), faults)
    if found is None:
        raise invalid(name, "is not a GUID")
    return found


NumberState = Literal["free", "shared", "owned", "resting"]


class NumberOut(Outgoing):
    """A number in service. `accountId` and `ownedSinceUtc` while somebody rents it."""

    id: str
    number: Annotated[str, Meta(description="00 and the international digits; a short code as dialled.")]
    number_type_id: UUID
    is_shared: bool
    is_shortcode: bool
    state: NumberState
    account_id: UUID | UnsetType = UNSET
    owned_since_utc: Instant | UnsetType = UNSET


def number_out(given: Number) -> NumberOut:
    """As it is listed."""
    return NumberOut(
        given.id,
        given.number,
        given.type.id,
        given.is_shared,
        given.is_shortcode,
        cast("NumberState", given.state),
        given.owner or UNSET,
        instant_if_any(given.owned_since),
    )


# --- work queue

ItemState = Literal["pending", "approved", "rejected"]
ItemKind = Literal["channel", "businessAccount", "number", "profile", "templateLanguage"]


class ApprovalIn(Incoming):
    """How to approve; for number requests only."""

    phone_number_id: Annotated[str | None, Meta(description="The free number that it gets; the longest in stock unless given.")] = None


class RejectionIn(Incoming):
    """Why not."""

    reason: str | None = None


class OtpOut(Outgoing):
    """A one-time password that is out, to be passed on to the phone's owner."""

    method: Literal["sms", "voice"]
    code: str
    expires_on_utc: Instant


class ProviderOut(Outgoing):
    """What the provider said of a template last."""

    id: str | UnsetType = UNSET
    status: str | UnsetType = UNSET
    synced_on_utc: Instant | UnsetType = UNSET
    error: Annotated[str | UnsetType, Meta(description="Of the last attempt to submit it.")] = UNSET


class ItemOut(Outgoing):
    """A decision to be made, or made, and what it is about, by its kind."""

    id: UUID
    kind: ItemKind
    entity_id: UUID
    account_id: UUID
    state: ItemState
    created_on_utc: Instant
    decided_on_utc: Instant | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    channel_type_id: Annotated[UUID | UnsetType, Meta(description="Of a channel.")] = UNSET
    channel_request_id: Annotated[UUID | UnsetType, Meta(description="Of a businessAccount, profile or templateLanguage.")] = UNSET
    number_type_id: Annotated[UUID | UnsetType, Meta(description="Of a number.")] = UNSET
    name: Annotated[str | UnsetType, Meta(description="Of a profile.")] = UNSET
    phone_number: Annotated[str | UnsetType, Meta(description="Of a profile.")] = UNSET
    otp: Annotated[OtpOut | UnsetType, Meta(description="Of a profile, while one is out that nothing else sends.")] = UNSET
    template_id: Annotated[UUID | UnsetType, Meta(description="Of a templateLanguage.")] = UNSET
    language: Annotated[str | UnsetType, Meta(description="Of a templateLanguage: its name.")] = UNSET
    code: Annotated[str | UnsetType, Meta(description="Of a templateLanguage: its code.")] = UNSET
    content: Annotated[str | UnsetType, Meta(description="Of a templateLanguage.")] = UNSET
    provider: Annotated[ProviderOut | UnsetType, Meta(description="Of a templateLanguage that goes to a provider.")] = UNSET


def item_out(shown: Shown) -> ItemOut:
    """As it is listed."""
    item, code, language = shown.item, shown.code, shown.language
    return ItemOut(
        item.id,
        item.kind.value,
        item.entity_id,
        item.account,
        cast("ItemState", item.state),
        instant(item.created_at),
        instant_if_any(item.decided_at),
        item.reason or UNSET,
        shown.channel_type_id or UNSET,
        shown.channel_request_id or UNSET,
        shown.number_type_id or UNSET,
        shown.name or UNSET,
        _written(shown.phone) if shown.phone else UNSET,
        OtpOut(cast("Any", code.method), code.digits, instant(code.expires_at)) if code else UNSET,
        shown.template_id or UNSET,
        language.name if language else UNSET,
        language.code if language else UNSET,
        UNSET if shown.content is None else shown.content,
        _provider_out(shown.provider) if shown.provider else UNSET,
    )


def _provider_out(provider: Provider) -> ProviderOut:
    since = instant_if_any(provider.synced_at)
    return ProviderOut(provider.id or UNSET, provider.status or UNSET, since, provider.error or UNSET)


def _written(e164: str) -> str:
    """`0031627100000`, as document 003 writes numbers."""
    return f"00{e164.removeprefix('+')}"


# --- WhatsApp


class ProfileIn(Incoming):
    """A profile that an account is to verify."""

    name: str | None = None
    image: Annotated[str | None, Meta(description="data:image/png;base64,… up to 5 MB; JPEG, PNG, WebP or GIF.")] = None
    phone: str | None = None


def profile_draft(given: ProfileIn | None) -> ProfileDraft:
    """What core takes."""
    return ProfileDraft(given.name, given.image, given.phone) if given else ProfileDraft(None, None, None)


class ProviderIn(Incoming):
    """What something is called at the provider; null: nothing any more."""

    provider_id: str | UnsetType | None = UNSET


class ProfileOut(Outgoing):
    """ApiWhatsAppProfile of document 003, and what it is called at the provider."""

    id: UUID
    channel_id: UUID
    account_id: UUID
    phone_number: str
    name: str
    image: Annotated[str, Meta(description="A data URL.")]
    is_active: bool
    is_otp_processed: bool
    is_otp_sent: bool
    is_pending: bool
    created_on_utc: Instant
    rejection_reason: str | UnsetType = UNSET
    fulfilled_on_utc: Instant | UnsetType = UNSET
    rejected_on_utc: Instant | UnsetType = UNSET
    cancelled_on_utc: Instant | UnsetType = UNSET
    provider_id: str | UnsetType = UNSET


def profile_out(account: AccountId, profile: Profile) -> ProfileOut:
    """As the account sees it, too."""
    return ProfileOut(
        profile.id,
        profile.channel_id,
        account,
        _written(profile.phone),
        profile.name,
        profile.image.url(),
        profile.state == "active",
        profile.code_processed_at is not None,
        profile.code_sent_at is not None,
        profile.state == "pending",
        instant(profile.created_at),
        profile.rejection_reason or UNSET,
        instant_if_any(profile.fulfilled_at),
        instant_if_any(profile.rejected_at),
        instant_if_any(profile.cancelled_at),
        profile.provider_id or UNSET,
    )


class BusinessAccountOut(Outgoing):
    """ApiWhatsAppBusinessAccount of document 003, and what it is called at the provider."""

    id: UUID
    account_id: UUID
    channel_request_id: UUID
    is_pending: bool
    created_on_utc: Instant
    cancelled_on_utc: Instant | UnsetType = UNSET
    fulfilled_on_utc: Instant | UnsetType = UNSET
    provider_id: str | UnsetType = UNSET


def business_account_out(account: AccountId, business: BusinessAccount) -> BusinessAccountOut:
    """Pending, fulfilled and cancelled with its channel request."""
    request = business.request
    instants = (instant_if_any(request.cancelled_at), instant_if_any(request.fulfilled_at))
    is_pending = request.state == "pending"
    return BusinessAccountOut(
        business.id, account, request.id, is_pending, instant(request.created_at), *instants, business.provider_id or UNSET
    )


# --- charges


class LineOut(Outgoing):
    """One cost."""

    kind: Literal["channelStartup", "channelMonthly", "numberStartup", "numberMonthly", "keywordStartup", "keywordMonthly"]
    entity_id: Annotated[str, Meta(description="The channel request, phone number or claim.")]
    description: str
    amount: Cost


class BillOut(Outgoing):
    """What an account owes for the month, in one currency."""

    account_id: UUID
    account_name: str
    currency: str
    total: Cost
    lines: list[LineOut]


def bill_out(bill: Bill) -> BillOut:
    """As it is listed."""
    lines = [LineOut(cast("Any", line.kind), line.entity_id, line.description, number(line.amount)) for line in bill.lines]
    return BillOut(bill.account, bill.account_name, bill.currency, number(bill.total), lines)


# --- messages that belong to nobody


class UnroutedOut(Outgoing):
    """A message; `from`, `to` and `message` as received, an event with `event` instead."""

    id: UUID
    reference: str
    channel: str
    received_on_utc: Instant
    reason: Annotated[str, Meta(description="Why it belongs to nobody.")]
    sender: Any = msgspec.field(name="from", default=None)
    receiver: Any = msgspec.field(name="to", default=None)
    message: Any = None
    event: Any = None


def unrouted_out(one: Logged) -> UnroutedOut:
    """As it was received."""
    parts = (one.given.get(name) for name in ("from", "to", "message", "event"))
    return UnroutedOut(one.id, one.reference, one.channel, instant(one.received_at), one.reason or "", *parts)
