"""Document 003's objects of WhatsApp: business accounts, languages, profiles, templates."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from reachbook.core.catalogues import Language
from reachbook.core.channel_requests import BusinessAccount
from reachbook.core.ids import AccountId
from reachbook.core.profiles import Profile
from reachbook.core.templates import Draft, Template, TemplateLanguage
from reachbook.dialects.cm_channels.wire import Incoming, Outgoing
from reachbook.http.instants import Instant, instant, instant_if_any


class BusinessAccountOut(Outgoing):
    """ApiWhatsAppBusinessAccount."""

    id: UUID
    account_id: UUID
    channel_request_id: UUID
    is_pending: bool
    created_on_utc: Instant
    cancelled_on_utc: Instant | UnsetType = UNSET
    fulfilled_on_utc: Instant | UnsetType = UNSET


def business_account_out(account: AccountId, business: BusinessAccount) -> BusinessAccountOut:
    """Pending, fulfilled and cancelled with its channel request."""
    request = business.request
    instants = (instant_if_any(request.cancelled_at), instant_if_any(request.fulfilled_at))
    return BusinessAccountOut(business.id, account, request.id, request.state == "pending", instant(request.created_at), *instants)


class LanguageOut(Outgoing):
    """ApiWhatsAppSupportedLanguage."""

    id: UUID
    code: str
    name: str


def language_out(language: Language) -> LanguageOut:
    """As it is listed."""
    return LanguageOut(*language)


class ProfileBaseOut(Outgoing):
    """ApiWhatsAppProfileBase."""

    id: UUID
    account_id: UUID
    phone_number: str
    name: str
    image: Annotated[str, Meta(description="A data URL.")]
    is_active: bool
    is_otp_processed: bool
    is_otp_sent: bool
    is_pending: bool
    created_on_utc: Instant
    rejected_on_utc: Instant | UnsetType = UNSET
    cancelled_on_utc: Instant | UnsetType = UNSET


class ProfileOut(ProfileBaseOut):
    """ApiWhatsAppProfile."""

    channel_id: UUID | UnsetType = UNSET
    rejection_reason: str | UnsetType = UNSET
    fulfilled_on_utc: Instant | UnsetType = UNSET


def profile_base_out(account: AccountId, profile: Profile) -> ProfileBaseOut:
    """As it is listed."""
    return ProfileBaseOut(**_profile(account, profile))


def profile_out(account: AccountId, profile: Profile) -> ProfileOut:
    """Whole."""
    return ProfileOut(
        **_profile(account, profile),
        channel_id=profile.channel_id,
        rejection_reason=profile.rejection_reason or UNSET,
        fulfilled_on_utc=instant_if_any(profile.fulfilled_at),
    )


def _profile(account: AccountId, profile: Profile) -> dict[str, Any]:
    return {
        "id": profile.id,
        "account_id": account,
        "phone_number": f"00{profile.phone.removeprefix('+')}",
        "name": profile.name,
        "image": profile.image.url(),
        "is_active": profile.state == "active",
        "is_otp_processed": profile.code_processed_at is not None,
        "is_otp_sent": profile.code_sent_at is not None,
        "is_pending": profile.state == "pending",
        "created_on_utc": instant(profile.created_at),
        "rejected_on_utc": instant_if_any(profile.rejected_at),
        "cancelled_on_utc": instant_if_any(profile.cancelled_at),
    }


class TemplateIn(Incoming):
    """ApiWhatsAppTemplateBaseRequest."""

    name: str | None = None


class ContentIn(Incoming):
    """A language of a template: only its content can be set."""

    content: str | None = None


class TemplateUpdateIn(Incoming):
    """ApiWhatsAppTemplateUpdateRequest."""

    template_category_id: str | UnsetType | None = UNSET
    name: str | UnsetType | None = UNSET
    languages: dict[str, ContentIn | None] | UnsetType | None = UNSET


def template_draft(given: TemplateUpdateIn, category: UUID | UnsetType) -> Draft:
    """What core takes."""
    languages = {name: content.content if content else None for name, content in (given.languages or {}).items()}
    return Draft(category, given.name, languages)


class FieldOut(Outgoing):
    """ApiWhatsAppTemplateReplacementField."""

    id: UUID
    index: int
    name: str
    type: Annotated[str, Meta(description="text, currency or datetime.")]


class TemplateSettingsOut(Outgoing):
    """ApiWhatsAppTemplateSettings."""

    replacement_fields: list[FieldOut]


class TemplateLanguageOut(Outgoing):
    """ApiWhatsAppTemplateLanguage."""

    id: UUID
    name: str
    content: str
    is_active: bool
    is_incomplete: bool
    is_validation_requested: bool
    is_pending: bool
    updated_on_utc: Instant
    created_on_utc: Instant
    rejection_reason: str | UnsetType = UNSET
    fulfilled_on_utc: Instant | UnsetType = UNSET
    rejected_on_utc: Instant | UnsetType = UNSET


class TemplateBaseOut(Outgoing):
    """ApiWhatsAppTemplateBaseResponse."""

    id: UUID
    account_id: UUID
    template_category_id: UUID
    facebook_name: str
    facebook_namespace_id: str
    name: str
    category: str
    languages: dict[str, TemplateLanguageOut]
    is_active: bool
    is_incomplete: bool
    is_validation_requested: bool
    is_pending: bool
    created_on_utc: Instant
    rejected_on_utc: Instant | UnsetType = UNSET
    cancelled_on_utc: Instant | UnsetType = UNSET


class TemplateOut(TemplateBaseOut):
    """ApiWhatsAppTemplate."""

    settings: TemplateSettingsOut = msgspec.field(default_factory=lambda: TemplateSettingsOut([]))
    rejection_reason: str | UnsetType = UNSET
    updated_on_utc: Instant | UnsetType = UNSET
    fulfilled_on_utc: Instant | UnsetType = UNSET


def template_base_out(account: AccountId, template: Template) -> TemplateBaseOut:
    """As it is listed."""
    return TemplateBaseOut(**_template(account, template))


def template_out(account: AccountId, template: Template) -> TemplateOut:
    """Whole."""
    fields = [FieldOut(field.id, index, field.name, field.type) for index, field in enumerate(template.fields)]
    rejected = template.rejected
    return TemplateOut(
        **_template(account, template),
        settings=TemplateSettingsOut(fields),
        rejection_reason=(rejected and rejected.rejection_reason) or UNSET,
        updated_on_utc=instant(template.updated_at),
        fulfilled_on_utc=instant_if_any(template.fulfilled_at),
    )


def _template(account: AccountId, template: Template) -> dict[str, Any]:
    rejected = template.rejected
    return {
        "id": template.id,
        "account_id": account,
        "template_category_id": template.category.id,
        "facebook_name": template.facebook_name,
        "facebook_namespace_id": template.namespace,
        "name": template.name,
        "category": template.category.name,
        "languages": {language.language.name: _template_language(language) for language in template.languages},
        "is_active": template.is_active,
        "is_incomplete": template.is_incomplete,
        "is_validation_requested": template.has("validating"),
        "is_pending": template.is_pending,
        "created_on_utc": instant(template.created_at),
        "rejected_on_utc": instant_if_any(rejected.rejected_at if rejected else None),
        "cancelled_on_utc": instant_if_any(template.cancelled_at),
    }


def _template_language(language: TemplateLanguage) -> TemplateLanguageOut:
    return TemplateLanguageOut(
        language.id,
        language.language.name,
        language.content,
        language.state == "active",
        bool(language.faults),
        language.state == "validating",
        language.is_pending,
        instant(language.updated_at),
        instant(language.created_at),
        language.rejection_reason or UNSET,
        instant_if_any(language.fulfilled_at),
        instant_if_any(language.rejected_at),
    )
