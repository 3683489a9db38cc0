"""The operator's daily work: numbers in stock, the work queue, WhatsApp, charges. Argument names in camelCase are path names."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from uuid import UUID

from litestar import Response, Router, delete, get, post, put
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIResponse, OpenAPIType, Operation, Schema
from litestar.params import FromPath, JSONBody, QueryParameter

from reachbook.core import channel_requests, charges, ids, messages, numbers, profiles, queue_view
from reachbook.core.errors import Fault, invalid
from reachbook.dialects.operator import parameters, wire
from reachbook.dialects.operator.parameters import OfAccount, OptionalBody, Skip, Take, listed_out
from reachbook.dialects.operator.wire import (
    ApprovalIn,
    BillOut,
    BusinessAccountOut,
    ItemKind,
    ItemOut,
    ItemState,
    NumberIn,
    NumberOut,
    NumberState,
    ProfileIn,
    ProfileOut,
    ProviderIn,
    RejectionIn,
    UnroutedOut,
)
from reachbook.http.body import one, one_or_many
from reachbook.http.instants import instant_in
from reachbook.http.json import Alone
from reachbook.http.paging import page
from reachbook.http.refusals import BODY_NAME, ONE_OR_MANY
from reachbook.http.request import AppRequest
from reachbook.http.spelling import text_in_query, value_in_path

NUMBERS, REQUESTS, REQUEST = "/phonenumbers", "/requests", "/requests/{requestId:str}"
WHATSAPP = "/whatsapp/{channelRequestId:str}"
PROFILES = f"{WHATSAPP}/profiles"


# --- messages that belong to nobody


@get("/unrouted", summary="Lists messages that belong to no account.", tags=["Inbound"])
async def list_unrouted(
    request: AppRequest,
    channel: Annotated[str | None, QueryParameter(name="channel", description="SMS, WhatsApp, …")] = None,
    since: Annotated[str | None, QueryParameter(name="since", description="Received at this instant or later.")] = None,
    skip: Skip = None,
    take: Take = None,
) -> Response[list[UnroutedOut]]:
    """`[{"id", "reference", "channel", "from", "to", "message", "receivedOnUtc", "reason"}]`, the newest first."""
    asked = page(skip, take)
    of_channel = text_in_query(channel, "channel")
    listed = await messages.list_unrouted(request.db, asked, channel=of_channel, since=instant_in(since, "since"))
    return listed_out(asked, listed, wire.unrouted_out)


# --- stock


@get(NUMBERS, summary="Lists numbers in service.", tags=["Stock"])
async def list_numbers(
    request: AppRequest,
    number_type: Annotated[UUID | None, QueryParameter(name="numberTypeId", description="Only of this type.")] = None,
    in_state: Annotated[NumberState | None, QueryParameter(name="state", description="Only in this state.")] = None,
    account: OfAccount = None,
    skip: Skip = None,
    take: Take = None,
) -> Response[list[NumberOut]]:
    """`[{"id", "number", "numberTypeId", "isShared", "isShortcode", "state", "accountId"}]`, by id."""
    asked = page(skip, take)
    listed = await numbers.list_stock(request.db, asked, type=number_type, state=in_state, owner=account)
    return listed_out(asked, listed, wire.number_out)


@post(
    NUMBERS,
    dto=one_or_many(NumberIn),
    return_dto=None,
    opt={BODY_NAME: "phonenumbers", ONE_OR_MANY: True},
    summary="Takes numbers into stock.",
    tags=["Stock"],
)
async def add_numbers(request: AppRequest, data: JSONBody[Sequence[NumberIn | list[Fault]] | None] = None) -> NumberOut | list[NumberOut]:
    """`{"number": "+31627100000", "numberTypeId", "isShared": false}`, or an array of such → 201 with the number, or an array.

    All are good, or none is taken. One that is not shared goes to the oldest pending request for its type before this is answered.
    """
    stocked = await numbers.stock(request.db, wire.stock_drafts(data or ()), request.now)
    rows = [wire.number_out(number) for number in stocked]
    return rows[0] if isinstance(data, Alone) else rows


@delete(f"{NUMBERS}/{{phoneNumberId:str}}", summary="Takes a number out of service.", tags=["Stock"])
async def withdraw_number(request: AppRequest, phoneNumberId: FromPath[str]) -> None:
    """204; the owner loses it, claims on it stay."""
    await numbers.withdraw(request.db, value_in_path(phoneNumberId), request.now)


# --- work queue


@get(REQUESTS, summary="Lists what waits for a decision, or is decided.", tags=["Work queue"])
async def list_requests(
    request: AppRequest,
    in_state: Annotated[ItemState | None, QueryParameter(name="state", description="Only in this state.")] = None,
    kind: Annotated[ItemKind | None, QueryParameter(name="kind", description="Only of this kind.")] = None,
    account: OfAccount = None,
    skip: Skip = None,
    take: Take = None,
) -> Response[list[ItemOut]]:
    """`[{"id", "kind", "entityId", "accountId", "state", …}]`, the oldest first, each with what its kind has."""
    asked = page(skip, take)
    listed = await queue_view.list_all(request.db, asked, state=in_state, kind=kind, of_account=account, now=request.now)
    return listed_out(asked, listed, wire.item_out)


@get(REQUEST, summary="Gets an item of the work queue.", tags=["Work queue"])
async def get_request(request: AppRequest, requestId: FromPath[UUID]) -> ItemOut:
    """The item."""
    return wire.item_out(await queue_view.get(request.db, requestId, request.now))


@post(
    f"{REQUEST}/approve",
    dto=one(ApprovalIn),
    return_dto=None,
    operation_class=OptionalBody,
    status_code=200,
    summary="Approves.",
    tags=["Work queue"],
)
async def approve_request(request: AppRequest, requestId: FromPath[UUID], data: JSONBody[ApprovalIn | None] = None) -> ItemOut:
    """No body, or `{"phoneNumberId": "31627100000"}` for a number request → 200 with the item. Decided already, or none free: 409."""
    number = data.phone_number_id if data else None
    return wire.item_out(await queue_view.approve(request.db, requestId, number=number or None, now=request.now))


@post(f"{REQUEST}/reject", dto=one(RejectionIn), return_dto=None, status_code=200, summary="Rejects.", tags=["Work queue"])
async def reject_request(request: AppRequest, requestId: FromPath[UUID], data: JSONBody[RejectionIn | None] = None) -> ItemOut:
    """`{"reason": "The name is not yours"}` → 200 with the item. Decided already: 409."""
    return wire.item_out(await queue_view.reject(request.db, requestId, data.reason if data else None, request.now))


# --- WhatsApp


@put(WHATSAPP, dto=one(ProviderIn), return_dto=None, summary="Says what a business account is at the provider.", tags=["WhatsApp"])
async def update_business_account(
    request: AppRequest, channelRequestId: FromPath[UUID], data: JSONBody[ProviderIn | None] = None
) -> BusinessAccountOut:
    """`{"providerId": "102290129340398"}` → 200; templates go to the provider from now on. `null`: to the operator alone."""
    account = await channel_requests.account_of(request.db, channelRequestId)
    given = (data or ProviderIn()).provider_id
    return wire.business_account_out(account, await channel_requests.set_provider(request.db, account, channelRequestId, given))


@post(PROFILES, dto=one(ProfileIn), return_dto=None, summary="Makes a profile for an account.", tags=["WhatsApp"])
async def add_profile(request: AppRequest, channelRequestId: FromPath[UUID], data: JSONBody[ProfileIn | None] = None) -> ProfileOut:
    """`{"name": "Acme", "image": "data:image/png;base64,…", "phoneNumber": "+31627100000"}` → 201 with the profile, pending and queued."""
    account = await channel_requests.account_of(request.db, channelRequestId)
    draft = wire.profile_draft(data)
    return wire.profile_out(account, await profiles.create(request.db, account, channelRequestId, ids.new_id(), draft, request.now))


@put(
    f"{PROFILES}/{{profileId:str}}",
    dto=one(ProviderIn),
    return_dto=None,
    summary="Says what a profile is at the provider.",
    tags=["WhatsApp"],
)
async def update_profile(
    request: AppRequest, channelRequestId: FromPath[UUID], profileId: FromPath[UUID], data: JSONBody[ProviderIn | None] = None
) -> ProfileOut:
    """`{"providerId": "106540352242922"}` → 200; the provider verifies its number from now on. `null`: Reachbook does."""
    account = await channel_requests.account_of(request.db, channelRequestId)
    given = (data or ProviderIn()).provider_id
    return wire.profile_out(account, await profiles.set_provider(request.db, account, channelRequestId, profileId, given))


# --- charges


@dataclass
class ChargesOperation(Operation):
    """JSON, or the lines as CSV."""

    def __post_init__(self) -> None:
        """Document both."""
        answered = (self.responses or {}).get("200")
        if isinstance(answered, OpenAPIResponse):
            answered.content = {**(answered.content or {}), "text/csv": OpenAPIMediaType(Schema(type=OpenAPIType.STRING))}


@get(
    "/charges",
    operation_class=ChargesOperation,
    summary="Says what accounts owe for a month, and why.",
    tags=["Charges"],
    responses={200: ResponseSpec(data_container=list[BillOut], description="The bills; or their lines as CSV.", generate_examples=False)},
)
async def get_charges(
    request: AppRequest,
    month: Annotated[str | None, QueryParameter(name="month", description="2026-01; required.")] = None,
    account: OfAccount = None,
    format: Annotated[Literal["json", "csv"] | None, QueryParameter(name="format", description="csv: a row per line.")] = None,
) -> Response[Any]:
    """`[{"accountId", "accountName", "currency", "total", "lines": [{"kind", "entityId", "description", "amount"}]}]`.

    As CSV (`format=csv` or `Accept: text/csv`): a row per line.
    """
    if month is None:
        raise invalid("month", "is required: 2026-01")
    bills = await charges.of_month(request.db, month, account)
    if format == "csv" or (format is None and "text/csv" in request.headers.get("accept", "")):
        return Response(charges.table(bills), media_type="text/csv")
    return Response([wire.bill_out(bill) for bill in bills])


def router(base: str, guard: Any) -> Router:
    """All of these."""
    return parameters.router(base, guard, globals())
