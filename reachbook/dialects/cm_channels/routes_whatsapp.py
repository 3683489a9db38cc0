"""The endpoints of document 003, "WhatsApp". Argument names in camelCase are the document's own path names."""

from typing import Annotated
from uuid import UUID

from litestar import MediaType, Response, delete, get, post, put
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import UNSET

from reachbook.core import catalogues, channel_requests, ids, profiles, templates, whatsapp_languages
from reachbook.dialects.cm_channels import wire, wire_whatsapp
from reachbook.dialects.cm_channels.auth import WRITES
from reachbook.dialects.cm_channels.parameters import Skip, Take, Text, required
from reachbook.dialects.cm_channels.policy import policy
from reachbook.dialects.cm_channels.wire import CategoryOut
from reachbook.dialects.cm_channels.wire_whatsapp import (
    BusinessAccountOut,
    LanguageOut,
    ProfileBaseOut,
    ProfileOut,
    TemplateBaseOut,
    TemplateIn,
    TemplateOut,
    TemplateUpdateIn,
)
from reachbook.http.body import one
from reachbook.http.guids import guid
from reachbook.http.paging import headers, page
from reachbook.http.refusals import ErrorOut, documented
from reachbook.http.request import AppRequest

OF_REQUEST = "/whatsapp/{channelRequestId:str}"
LANGUAGES = f"{OF_REQUEST}/languages"
PROFILES, PROFILE = f"{OF_REQUEST}/profiles", f"{OF_REQUEST}/profiles/{{profileId:str}}"
TEMPLATES, TEMPLATE = f"{OF_REQUEST}/templates", f"{OF_REQUEST}/templates/{{templateId:str}}"
FIELDS, FIELD = f"{TEMPLATE}/fields", f"{TEMPLATE}/fields/{{fieldId:str}}"
OTP = f"{PROFILE}/phonenumber/otp"

LIMITED = documented(ErrorOut, {429: "Too often; Retry-After says in how many seconds again."})

PhoneNumber = Annotated[str | None, QueryParameter(name="phoneNumber", description="Required; with +, 00 or digits alone.")]
FieldName = Annotated[str | None, QueryParameter(name="name", description="Required.")]
FieldType = Annotated[str | None, QueryParameter(name="type", description="Required: text, currency or datetime.")]


@get(f"{OF_REQUEST}/businessaccount", summary="Gets your business account.", tags=["WhatsApp"])
async def get_business_account(request: AppRequest, channelRequestId: FromPath[UUID]) -> BusinessAccountOut:
    """`{"id", "accountId", "channelRequestId", "isPending", "createdOnUtc", …}`; of a request that is not WhatsApp's: 404."""
    business = await channel_requests.business_account(request.db, request.account, channelRequestId)
    return wire_whatsapp.business_account_out(request.account, business)


@get("/whatsapp/supportedlanguages", summary="Gets supported WhatsApp languages.", tags=["WhatsApp"])
async def list_supported_languages(request: AppRequest) -> list[LanguageOut]:
    """`[{"id", "code": "en_US", "name": "English (US)"}]`, by name."""
    return [wire_whatsapp.language_out(language) for language in await catalogues.languages(request.db)]


@get(LANGUAGES, summary="Gets your active WhatsApp languages.", tags=["WhatsApp"])
async def list_languages(request: AppRequest, channelRequestId: FromPath[UUID]) -> list[LanguageOut]:
    """The same, those that were activated."""
    active = await whatsapp_languages.active(request.db, request.account, channelRequestId)
    return [wire_whatsapp.language_out(language) for language in active]


@post(LANGUAGES, summary="Activates a WhatsApp language.", tags=["WhatsApp"])
async def activate_language(
    request: AppRequest,
    channelRequestId: FromPath[UUID],
    language_id: Annotated[str | None, QueryParameter(name="languageId", description="Required.")] = None,
) -> list[LanguageOut]:
    """`?languageId=…` → 201 with all active languages; twice changes nothing."""
    language = guid(language_id, "languageId")
    active = await whatsapp_languages.activate(request.db, request.account, channelRequestId, language, request.now)
    return [wire_whatsapp.language_out(one) for one in active]


# --- profiles


@get(PROFILES, summary="Gets your profiles.", tags=["WhatsApp profiles"])
async def list_profiles(
    request: AppRequest, channelRequestId: FromPath[UUID], q: Text = None, skip: Skip = None, take: Take = None
) -> Response[list[ProfileBaseOut]]:
    """`[{"id", "accountId", "phoneNumber", "name", "image", "isActive", …}]`, by age."""
    asked = page(skip, take)
    listed = await profiles.list_profiles(request.db, request.account, channelRequestId, asked, q)
    rows = [wire_whatsapp.profile_base_out(request.account, profile) for profile in listed.rows]
    return Response(rows, headers=headers(asked, listed))


@get(PROFILE, summary="Gets a profile by id.", tags=["WhatsApp profiles"])
async def get_profile(request: AppRequest, channelRequestId: FromPath[UUID], profileId: FromPath[UUID]) -> ProfileOut:
    """The same with `channelId`, `rejectionReason` and `fulfilledOnUtc`."""
    profile = await profiles.get(request.db, request.account, channelRequestId, profileId)
    return wire_whatsapp.profile_out(request.account, profile)


@put(f"{PROFILE}/phonenumber", status_code=202, summary="Updates a profile's phone number.", tags=["WhatsApp profiles"])
async def renumber_profile(
    request: AppRequest, channelRequestId: FromPath[UUID], profileId: FromPath[UUID], phone_number: PhoneNumber = None
) -> ProfileOut:
    """`?phoneNumber=31627100000` → 202 with the profile, whose verification starts over."""
    number = required(phone_number, "phoneNumber")
    profile = await profiles.renumber(request.db, request.account, channelRequestId, profileId, number, request.now)
    return wire_whatsapp.profile_out(request.account, profile)


@get(
    OTP,
    status_code=202,
    media_type=MediaType.TEXT,
    opt={WRITES: True},
    responses=LIMITED,
    summary="Starts a profile's otp validation.",
    tags=["WhatsApp profiles"],
)
async def start_otp(
    request: AppRequest,
    channelRequestId: FromPath[UUID],
    profileId: FromPath[UUID],
    method: Annotated[str | None, QueryParameter(name="otpMethod", description="Required: sms or voice.")] = None,
) -> Response[str]:
    """`?otpMethod=sms` → 202 without a body; the code goes to the profile's number. More than one a minute or five an hour: 429."""
    way = required(method, "otpMethod")
    senders = policy(request).senders
    await profiles.start_code(request.db, request.account, channelRequestId, profileId, way, senders=senders, now=request.now)
    return Response("", status_code=202, media_type=MediaType.TEXT, headers={"Cache-Control": "no-store"})


@post(OTP, status_code=200, summary="Finishes a profile's otp validation.", tags=["WhatsApp profiles"])
async def finish_otp(
    request: AppRequest,
    channelRequestId: FromPath[UUID],
    profileId: FromPath[UUID],
    phone_number: PhoneNumber = None,
    otp: Annotated[str | None, QueryParameter(name="otp", description="Required: the six digits that came.")] = None,
) -> ProfileOut:
    """`?phoneNumber=31627100000&otp=123456` → 200 with the active profile; 400 does not say which of the two was wrong."""
    number, digits = required(phone_number, "phoneNumber"), required(otp, "otp")
    senders = policy(request).senders
    profile = await profiles.finish_code(
        request.db, request.account, channelRequestId, profileId, number, digits, senders=senders, now=request.now
    )
    return wire_whatsapp.profile_out(request.account, profile)


# --- templates


@get(f"{TEMPLATES}/categories", summary="Gets supported template categories.", tags=["WhatsApp templates"])
async def list_template_categories(request: AppRequest, channelRequestId: FromPath[UUID]) -> list[CategoryOut]:
    """`[{"id", "name"}]`."""
    await channel_requests.business_account(request.db, request.account, channelRequestId)
    return [wire.category_out(category) for category in await catalogues.template_categories(request.db)]


@post(TEMPLATES, dto=one(TemplateIn), summary="Creates a template.", tags=["WhatsApp templates"])
async def create_template(
    request: AppRequest,
    channelRequestId: FromPath[UUID],
    category_id: Annotated[str | None, QueryParameter(name="templateCategoryId", description="Required.")] = None,
    data: JSONBody[TemplateIn | None] = None,
) -> TemplateOut:
    """`{"name": "TEMPLATE NAME"}` → 201 with the template."""
    category, name = guid(category_id, "templateCategoryId"), data.name if data else None
    made = await templates.create(request.db, request.account, channelRequestId, ids.new_id(), name, category, request.now)
    return wire_whatsapp.template_out(request.account, made)


@get(TEMPLATES, summary="Gets your templates.", tags=["WhatsApp templates"])
async def list_templates(
    request: AppRequest, channelRequestId: FromPath[UUID], q: Text = None, skip: Skip = None, take: Take = None
) -> Response[list[TemplateBaseOut]]:
    """`[template, …]` by age, without `settings`."""
    asked = page(skip, take)
    listed = await templates.list_templates(request.db, request.account, channelRequestId, asked, q)
    rows = [wire_whatsapp.template_base_out(request.account, template) for template in listed.rows]
    return Response(rows, headers=headers(asked, listed))


@get(TEMPLATE, summary="Gets a template by id.", tags=["WhatsApp templates"])
async def get_template(request: AppRequest, channelRequestId: FromPath[UUID], templateId: FromPath[UUID]) -> TemplateOut:
    """The template with its replacement fields and languages."""
    template = await templates.get(request.db, request.account, channelRequestId, templateId)
    return wire_whatsapp.template_out(request.account, template)


@put(TEMPLATE, dto=one(TemplateUpdateIn), summary="Updates a template.", tags=["WhatsApp templates"])
async def update_template(
    request: AppRequest, channelRequestId: FromPath[UUID], templateId: FromPath[UUID], data: JSONBody[TemplateUpdateIn | None] = None
) -> TemplateOut:
    """`{"name": …, "languages": {"English": {"content": "Hello {{1}}, …"}}}` → 200 with the template; what is not named stays."""
    given = data or TemplateUpdateIn()
    category = guid(given.template_category_id, "templateCategoryId") if given.template_category_id else UNSET
    draft = wire_whatsapp.template_draft(given, category)
    template = await templates.update(request.db, request.account, channelRequestId, templateId, draft, request.now)
    return wire_whatsapp.template_out(request.account, template)


@post(f"{TEMPLATE}/validate", status_code=202, summary="Requests validation of a template.", tags=["WhatsApp templates"])
async def validate_template(request: AppRequest, channelRequestId: FromPath[UUID], templateId: FromPath[UUID]) -> TemplateOut:
    """202 with the template; 409 with the reasons, language by language, if none can be validated."""
    template = await templates.validate(request.db, request.account, channelRequestId, templateId, request.now)
    return wire_whatsapp.template_out(request.account, template)


@post(FIELDS, summary="Creates a template replacement field.", tags=["WhatsApp templates"])
async def add_field(
    request: AppRequest, channelRequestId: FromPath[UUID], templateId: FromPath[UUID], name: FieldName = None, type: FieldType = None
) -> TemplateOut:
    """`?name=FIELDNAME&type=text` → 201 with the template."""
    called, kind = required(name, "name"), required(type, "type")
    template = await templates.add_field(request.db, request.account, channelRequestId, templateId, called, kind, request.now)
    return wire_whatsapp.template_out(request.account, template)


@put(FIELD, summary="Updates a template replacement field.", tags=["WhatsApp templates"])
async def update_field(
    request: AppRequest,
    channelRequestId: FromPath[UUID],
    templateId: FromPath[UUID],
    fieldId: FromPath[UUID],
    name: FieldName = None,
    type: FieldType = None,
) -> TemplateOut:
    """`?name=FIELDNAME2&type=currency` → 200 with the template."""
    called, kind = required(name, "name"), required(type, "type")
    template = await templates.update_field(request.db, request.account, channelRequestId, templateId, fieldId, called, kind, request.now)
    return wire_whatsapp.template_out(request.account, template)


@delete(FIELD, status_code=200, summary="Deletes a template replacement field.", tags=["WhatsApp templates"])
async def delete_field(
    request: AppRequest, channelRequestId: FromPath[UUID], templateId: FromPath[UUID], fieldId: FromPath[UUID]
) -> TemplateOut:
    """200 with the template; the fields behind it move up."""
    template = await templates.delete_field(request.db, request.account, channelRequestId, templateId, fieldId, request.now)
    return wire_whatsapp.template_out(request.account, template)
