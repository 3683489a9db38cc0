"""The endpoints of document 003, "Keyword claims" and "Dedicated phone numbers"."""

from typing import Annotated
from uuid import UUID

from litestar import Response, delete, get, post
from litestar.params import FromPath, JSONBody, QueryParameter

from reachbook.core import catalogues, ids, keywords, number_requests, numbers
from reachbook.dialects.cm_channels import wire_numbers
from reachbook.dialects.cm_channels.parameters import Country, Simulate, Skip, Take, required, several
from reachbook.dialects.cm_channels.wire_numbers import ClaimIn, ClaimOut, NumberOut, NumberRequestOut, NumberTypeOut
from reachbook.http.body import one
from reachbook.http.guids import guid
from reachbook.http.paging import headers, page
from reachbook.http.request import AppRequest

KEYWORDS, KEYWORD = "/keywords", "/keywords/{keywordClaimId:str}"
NUMBERS, NUMBER = "/phonenumbers", "/phonenumbers/{phoneNumberId:str}"
NUMBER_REQUESTS = f"{NUMBERS}/requests"


@post(KEYWORDS, dto=one(ClaimIn), summary="Claims a keyword, or simulates the outcome.", tags=["Keyword claims"])
async def claim_keyword(request: AppRequest, simulate: Simulate = None, data: JSONBody[ClaimIn | None] = None) -> ClaimOut:
    """`{"phoneNumberId": "31627100000", "keyword": "JOIN"}` → 201 with the claim."""
    given = data or ClaimIn()
    number = required(given.phone_number_id or given.phone_number, "phone_number_id")
    word = required(given.keyword, "keyword")
    made = await keywords.claim(request.db, request.account, ids.new_id(), number, word, simulate=bool(simulate), now=request.now)
    return wire_numbers.claim_out(made)


@get(KEYWORDS, summary="Gets your claimed keywords.", tags=["Keyword claims"])
async def list_keywords(
    request: AppRequest,
    phone_numbers: Annotated[list[str] | None, QueryParameter(name="phoneNumber", description="Repeated or comma-separated.")] = None,
    words: Annotated[list[str] | None, QueryParameter(name="keyword", description="Repeated or comma-separated.")] = None,
    country: Country = None,
    skip: Skip = None,
    take: Take = None,
) -> Response[list[ClaimOut]]:
    """`[{"id", "channelId", "phoneNumber", "country", "keyword", …}]`, by age."""
    asked = page(skip, take)
    listed = await keywords.list_claims(
        request.db, request.account, asked, numbers_among=several(phone_numbers), words=several(words), country=country
    )
    return Response([wire_numbers.claim_out(claim) for claim in listed.rows], headers=headers(asked, listed))


@get(KEYWORD, summary="Gets a keyword claim by id.", tags=["Keyword claims"])
async def get_keyword(request: AppRequest, keywordClaimId: FromPath[UUID]) -> ClaimOut:
    """The claim; one that was cancelled: 404."""
    return wire_numbers.claim_out(await keywords.get(request.db, request.account, keywordClaimId))


@delete(KEYWORD, summary="Cancels a keyword claim.", tags=["Keyword claims"])
async def cancel_keyword(request: AppRequest, keywordClaimId: FromPath[UUID]) -> None:
    """204; at once."""
    await keywords.cancel(request.db, request.account, keywordClaimId, request.now)


@get(f"{KEYWORD}/verify", summary="Verifies a claim.", tags=["Keyword claims"])
async def verify_keyword(request: AppRequest, keywordClaimId: FromPath[UUID]) -> list[str]:
    """What is wrong with it, in words; an empty array: nothing."""
    return list(await keywords.verify(request.db, request.account, keywordClaimId))


@post(NUMBER_REQUESTS, summary="Requests a phone number, or simulates the outcome.", tags=["Dedicated phone numbers"])
async def request_number(
    request: AppRequest,
    type_id: Annotated[str | None, QueryParameter(name="numberTypeId", description="Required.")] = None,
    simulate: Simulate = None,
) -> NumberRequestOut:
    """`?numberTypeId=…` → 201 with the request: active with its number at once if one is free, else pending."""
    type = guid(type_id, "numberTypeId")
    made = await number_requests.create(request.db, request.account, ids.new_id(), type, simulate=bool(simulate), now=request.now)
    return wire_numbers.number_request_out(request.account, made)


@get(NUMBER_REQUESTS, summary="Gets your phone number requests.", tags=["Dedicated phone numbers"])
async def list_number_requests(
    request: AppRequest,
    country: Country = None,
    is_pending: Annotated[bool | None, QueryParameter(name="isPending", description="Only those that are pending, or are not.")] = None,
    skip: Skip = None,
    take: Take = None,
) -> Response[list[NumberRequestOut]]:
    """`[{"id", "channelId", "accountId", "phoneNumberId", "numberType", …}]`, by age."""
    asked = page(skip, take)
    listed = await number_requests.list_requests(request.db, request.account, asked, country=country, is_pending=is_pending)
    rows = [wire_numbers.number_request_out(request.account, one) for one in listed.rows]
    return Response(rows, headers=headers(asked, listed))


@get(f"{NUMBERS}/numbertypes", summary="Gets available phone number types.", tags=["Dedicated phone numbers"])
async def list_number_types(
    request: AppRequest,
    country: Country = None,
    type: Annotated[str | None, QueryParameter(name="type", description="The category, such as MOBILE.")] = None,
    purpose: Annotated[str | None, QueryParameter(name="purpose", description="Such as SMS.")] = None,
    skip: Skip = None,
    take: Take = None,
) -> Response[list[NumberTypeOut]]:
    """`[{"id", "purpose": ["SMS"], "country", "category", "description", "currency", "startupCost", …}]`."""
    asked = page(skip, take)
    listed = await catalogues.number_types(request.db, asked, country=country, category=type, purpose=purpose)
    return Response([wire_numbers.number_type_out(one) for one in listed.rows], headers=headers(asked, listed))


@get(NUMBERS, summary="Gets available phone numbers.", tags=["Dedicated phone numbers"])
async def list_numbers(
    request: AppRequest,
    part: Annotated[str | None, QueryParameter(name="query", description="A part of the number.")] = None,
    country: Country = None,
    is_owned: Annotated[bool | None, QueryParameter(name="isOwned", description="Only your own, or only others.")] = None,
    is_shortcode: Annotated[bool | None, QueryParameter(name="isShortcode", description="Only short codes, or only others.")] = None,
    is_shared: Annotated[bool | None, QueryParameter(name="isShared", description="Only shared numbers, or only others.")] = None,
    skip: Skip = None,
    take: Take = None,
) -> Response[list[NumberOut]]:
    """`[{"id": "31627100000", "accountId"?, "numberType", "number": "0031627100000", "isShared", "ownedSinceUtc"?}]`: shared and own."""
    asked = page(skip, take)
    listed = await numbers.list_available(
        request.db,
        request.account,
        asked,
        part=part,
        country=country,
        is_owned=is_owned,
        is_shortcode=is_shortcode,
        is_shared=is_shared,
    )
    return Response([wire_numbers.number_out(number) for number in listed.rows], headers=headers(asked, listed))


@get(NUMBER, summary="Gets an available phone number by id.", tags=["Dedicated phone numbers"])
async def get_number(request: AppRequest, phoneNumberId: FromPath[str]) -> NumberOut:
    """The number, if it is shared or your own."""
    return wire_numbers.number_out(await numbers.get(request.db, request.account, phoneNumberId))


@delete(NUMBER, summary="Cancels phone number ownership.", tags=["Dedicated phone numbers"])
async def cancel_number(request: AppRequest, phoneNumberId: FromPath[str]) -> None:
    """204; at once. A shared number: 409."""
    await numbers.give_back(request.db, request.account, phoneNumberId, request.now)
