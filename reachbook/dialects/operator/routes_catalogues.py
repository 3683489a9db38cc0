"""What the installation has to offer. Argument names in camelCase are path names."""

from typing import Any
from uuid import UUID

from litestar import Response, Router, delete, get, post, put
from litestar.params import FromPath, JSONBody

from reachbook.core import catalogues
from reachbook.core.paging import cut
from reachbook.dialects.operator import parameters, wire
from reachbook.dialects.operator.parameters import Skip, Take, listed_out
from reachbook.dialects.operator.wire import (
    OF_CHANNEL_TYPE,
    OF_NUMBER_TYPE,
    CategoryOut,
    ChannelTypeIn,
    ChannelTypeOut,
    LanguageIn,
    LanguageOut,
    NumberTypeIn,
    NumberTypeOut,
    TemplateCategoryIn,
)
from reachbook.http.body import one
from reachbook.http.paging import page
from reachbook.http.refusals import FIELD_NAMES
from reachbook.http.request import AppRequest

CHANNEL_TYPES, CHANNEL_TYPE = "/channeltypes", "/channeltypes/{channelTypeId:str}"
NUMBER_TYPES, NUMBER_TYPE = "/numbertypes", "/numbertypes/{numberTypeId:str}"
LANGUAGES, LANGUAGE = "/whatsapp/languages", "/whatsapp/languages/{languageId:str}"
CATEGORIES, CATEGORY = "/whatsapp/templatecategories", "/whatsapp/templatecategories/{categoryId:str}"


@get(CHANNEL_TYPES, summary="Lists channel types.", tags=["Catalogues"])
async def list_channel_types(request: AppRequest, skip: Skip = None, take: Take = None) -> Response[list[ChannelTypeOut]]:
    """`[{"id", "key", "description", "currency", "startupCost", …}]`, those that come soon too."""
    asked = page(skip, take)
    return listed_out(asked, cut(await catalogues.channel_types(request.db), asked), wire.channel_type_out)


@post(CHANNEL_TYPES, dto=one(ChannelTypeIn), opt={FIELD_NAMES: OF_CHANNEL_TYPE}, summary="Makes a channel type.", tags=["Catalogues"])
async def add_channel_type(request: AppRequest, data: JSONBody[ChannelTypeIn | None] = None) -> ChannelTypeOut:
    """`{"key": "telegram", "description": "Telegram", "monthlyCost": 12.5, "categories": [{"name": "bots"}]}` → 201 with the type."""
    return wire.channel_type_out(await catalogues.save_channel_type(request.db, None, wire.channel_type_draft(data), request.now))


@get(CHANNEL_TYPE, summary="Gets a channel type.", tags=["Catalogues"])
async def get_channel_type(request: AppRequest, channelTypeId: FromPath[UUID]) -> ChannelTypeOut:
    """The type."""
    return wire.channel_type_out(await catalogues.channel_type(request.db, channelTypeId))


@put(CHANNEL_TYPE, dto=one(ChannelTypeIn), opt={FIELD_NAMES: OF_CHANNEL_TYPE}, summary="Changes a channel type.", tags=["Catalogues"])
async def update_channel_type(
    request: AppRequest, channelTypeId: FromPath[UUID], data: JSONBody[ChannelTypeIn | None] = None
) -> ChannelTypeOut:
    """`{"comingSoon": false}` → 200 with the type. Costs hold for requests from now on. A category with channels can't be left out: 409."""
    draft = wire.channel_type_draft(data)
    return wire.channel_type_out(await catalogues.save_channel_type(request.db, channelTypeId, draft, request.now))


@get(NUMBER_TYPES, summary="Lists number types.", tags=["Catalogues"])
async def list_number_types(request: AppRequest, skip: Skip = None, take: Take = None) -> Response[list[NumberTypeOut]]:
    """`[{"id", "country", "category", "description", …}]`, by country and category."""
    asked = page(skip, take)
    return listed_out(asked, await catalogues.number_types(request.db, asked), wire.number_type_out)


@post(NUMBER_TYPES, dto=one(NumberTypeIn), opt={FIELD_NAMES: OF_NUMBER_TYPE}, summary="Makes a number type.", tags=["Catalogues"])
async def add_number_type(request: AppRequest, data: JSONBody[NumberTypeIn | None] = None) -> NumberTypeOut:
    """`{"country": "NL", "category": "MOBILE", "description": "A Dutch mobile number", "monthlyCost": 5}` → 201 with the type."""
    return wire.number_type_out(await catalogues.save_number_type(request.db, None, data or NumberTypeIn()))


@get(NUMBER_TYPE, summary="Gets a number type.", tags=["Catalogues"])
async def get_number_type(request: AppRequest, numberTypeId: FromPath[UUID]) -> NumberTypeOut:
    """The type."""
    return wire.number_type_out(await catalogues.number_type(request.db, numberTypeId))


@put(NUMBER_TYPE, dto=one(NumberTypeIn), opt={FIELD_NAMES: OF_NUMBER_TYPE}, summary="Changes a number type.", tags=["Catalogues"])
async def update_number_type(
    request: AppRequest, numberTypeId: FromPath[UUID], data: JSONBody[NumberTypeIn | None] = None
) -> NumberTypeOut:
    """`{"monthlyCost": 7.25}` → 200 with the type. The country of a type that has numbers stays: 409."""
    return wire.number_type_out(await catalogues.save_number_type(request.db, numberTypeId, data or NumberTypeIn()))


@delete(NUMBER_TYPE, summary="Deletes a number type.", tags=["Catalogues"])
async def delete_number_type(request: AppRequest, numberTypeId: FromPath[UUID]) -> None:
    """204; one that numbers or requests are of: 409."""
    await catalogues.delete_number_type(request.db, numberTypeId)


@get(LANGUAGES, summary="Lists WhatsApp languages.", tags=["Catalogues"])
async def list_languages(request: AppRequest, skip: Skip = None, take: Take = None) -> Response[list[LanguageOut]]:
    """`[{"id", "code", "name"}]`, by name."""
    asked = page(skip, take)
    return listed_out(asked, cut(await catalogues.languages(request.db), asked), wire.language_out)


@post(LANGUAGES, dto=one(LanguageIn), summary="Makes a WhatsApp language.", tags=["Catalogues"])
async def add_language(request: AppRequest, data: JSONBody[LanguageIn | None] = None) -> LanguageOut:
    """`{"code": "fy", "name": "Frisian"}` → 201 with the language."""
    given = data or LanguageIn()
    return wire.language_out(await catalogues.save_language(request.db, None, given.code, given.name))


@get(LANGUAGE, summary="Gets a WhatsApp language.", tags=["Catalogues"])
async def get_language(request: AppRequest, languageId: FromPath[UUID]) -> LanguageOut:
    """The language."""
    return wire.language_out(await catalogues.language(request.db, languageId))


@put(LANGUAGE, dto=one(LanguageIn), summary="Changes a WhatsApp language.", tags=["Catalogues"])
async def update_language(request: AppRequest, languageId: FromPath[UUID], data: JSONBody[LanguageIn | None] = None) -> LanguageOut:
    """`{"name": "West Frisian"}` → 200 with the language."""
    given = data or LanguageIn()
    return wire.language_out(await catalogues.save_language(request.db, languageId, given.code, given.name))


@delete(LANGUAGE, summary="Deletes a WhatsApp language.", tags=["Catalogues"])
async def delete_language(request: AppRequest, languageId: FromPath[UUID]) -> None:
    """204; one that an account has activated: 409."""
    await catalogues.delete_language(request.db, languageId)


@get(CATEGORIES, summary="Lists template categories.", tags=["Catalogues"])
async def list_template_categories(request: AppRequest, skip: Skip = None, take: Take = None) -> Response[list[CategoryOut]]:
    """`[{"id", "name"}]`, by name."""
    asked = page(skip, take)
    return listed_out(asked, cut(await catalogues.template_categories(request.db), asked), wire.category_out)


@post(CATEGORIES, dto=one(TemplateCategoryIn), summary="Makes a template category.", tags=["Catalogues"])
async def add_template_category(request: AppRequest, data: JSONBody[TemplateCategoryIn | None] = None) -> CategoryOut:
    """`{"name": "LOYALTY"}` → 201 with the category."""
    given = data or TemplateCategoryIn()
    return wire.category_out(await catalogues.save_template_category(request.db, None, given.name))


@get(CATEGORY, summary="Gets a template category.", tags=["Catalogues"])
async def get_template_category(request: AppRequest, categoryId: FromPath[UUID]) -> CategoryOut:
    """The category."""
    return wire.category_out(await catalogues.template_category(request.db, categoryId))


@put(CATEGORY, dto=one(TemplateCategoryIn), summary="Changes a template category.", tags=["Catalogues"])
async def update_template_category(
    request: AppRequest, categoryId: FromPath[UUID], data: JSONBody[TemplateCategoryIn | None] = None
) -> CategoryOut:
    """`{"name": "LOYALTY_UPDATE"}` → 200 with the category."""
    given = data or TemplateCategoryIn()
    return wire.category_out(await catalogues.save_template_category(request.db, categoryId, given.name))


@delete(CATEGORY, summary="Deletes a template category.", tags=["Catalogues"])
async def delete_template_category(request: AppRequest, categoryId: FromPath[UUID]) -> None:
    """204; one that templates are of: 409."""
    await catalogues.delete_template_category(request.db, categoryId)


def router(base: str, guard: Any) -> Router:
    """All of these."""
    return parameters.router(base, guard, globals())
