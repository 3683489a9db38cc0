"""The endpoints of an account's deliveries, messages, reviews and words (operator.md, "The account's own API")."""

from typing import Annotated
from uuid import UUID

from litestar import Response, delete, get, post
from litestar.params import FromPath, JSONBody, QueryParameter

from reachbook.core import deliveries, endpoint_secrets, messages, reviews
from reachbook.core.errors import invalid
from reachbook.dialects.own import wire_deliveries as wire
from reachbook.dialects.own.routes import KeyedOperation, Skip, Take
from reachbook.dialects.own.wire_deliveries import (
    DeliveryOut,
    DeliveryWithLogOut,
    EndpointOut,
    MessageOut,
    ReplayedOut,
    ReplayIn,
    ReviewOut,
    SecretOut,
    WordIn,
    WordOut,
)
from reachbook.http.body import one
from reachbook.http.guids import guid_if_any
from reachbook.http.instants import instant_in
from reachbook.http.paging import headers, page
from reachbook.http.request import AppRequest
from reachbook.http.spelling import text_in_query, value_in_path

DELIVERIES, DELIVERY = "/deliveries", "/deliveries/{deliveryId:str}"
ENDPOINTS, ENDPOINT = f"{DELIVERIES}/endpoints", f"{DELIVERIES}/endpoints/{{endpointId:str}}"
REVIEWS, REVIEW = "/reviews", "/reviews/{reviewId:str}"
WORDS = "/consentwords"

State = Annotated[str | None, QueryParameter(name="state", description="pending, retrying, delivered or failed.")]
OfChannel = Annotated[str | None, QueryParameter(name="channelId", description="Of this channel.")]


@get(DELIVERIES, summary="Lists deliveries.", tags=["Deliveries"])
async def list_deliveries(
    request: AppRequest,
    in_state: State = None,
    kind: Annotated[str | None, QueryParameter(name="kind", description="webhook, customerContact, eventWebhook or email.")] = None,
    channel_id: OfChannel = None,
    endpoint_id: Annotated[str | None, QueryParameter(name="endpointId", description="To this endpoint.")] = None,
    reference: Annotated[str | None, QueryParameter(name="reference", description="Of the message with this reference.")] = None,
    since: Annotated[str | None, QueryParameter(name="since", description="Made at this instant or later.")] = None,
    skip: Skip = None,
    take: Take = None,
) -> Response[list[DeliveryOut]]:
    """`[{"id", "kind", "channelId", "endpointId", "reference", "state", "attempts", "createdOnUtc", …}]`, the newest first."""
    asked = page(skip, take, default=100, most=1_000)
    wanted = deliveries.Wanted(
        wire.one_of(in_state, "state", deliveries.STATES),
        wire.one_of(kind, "kind", deliveries.KINDS),
        guid_if_any(channel_id, "channelId"),
        guid_if_any(endpoint_id, "endpointId"),
        text_in_query(reference, "reference"),
        instant_in(since, "since"),
    )
    listed = await deliveries.list_deliveries(request.db, request.account, wanted, asked)
    return Response([wire.delivery_out(row) for row in listed.rows], headers=headers(asked, listed))


@get(DELIVERY, summary="Gets a delivery with its attempts.", tags=["Deliveries"])
async def get_delivery(request: AppRequest, deliveryId: FromPath[UUID]) -> DeliveryWithLogOut:
    """The same with `log`, the oldest attempt first."""
    return wire.delivery_with_log_out(*await deliveries.get(request.db, request.account, deliveryId))


@post(f"{DELIVERY}/replay", operation_class=KeyedOperation, status_code=202, summary="Sends a delivery again.", tags=["Deliveries"])
async def replay_delivery(request: AppRequest, deliveryId: FromPath[UUID]) -> ReplayedOut:
    """202 `{"replayed": 1}`: at once, the same body under the same `webhook-id`; 409 if its endpoint is gone or disabled."""
    await deliveries.replay(request.db, request.account, deliveryId, request.now)
    return ReplayedOut(1)


@post(
    f"{DELIVERIES}/replay",
    dto=one(ReplayIn),
    operation_class=KeyedOperation,
    status_code=202,
    summary="Sends deliveries again.",
    tags=["Deliveries"],
)
async def replay_deliveries(request: AppRequest, data: JSONBody[ReplayIn]) -> ReplayedOut:
    """`{"since": "2026-01-31T12:00:00Z", "endpointId"?, "state"?}` → 202 `{"replayed": 12}`."""
    since = instant_in(data.since, "since")
    if since is None:
        raise invalid("since", "is required")
    endpoint = guid_if_any(data.endpoint_id, "endpointId")
    of_state = wire.one_of(data.state, "state", deliveries.STATES) or "failed"
    return ReplayedOut(await deliveries.replay_since(request.db, request.account, since, endpoint, of_state, request.now))


@get(ENDPOINTS, summary="Lists endpoints.", tags=["Deliveries"])
async def list_endpoints(request: AppRequest) -> list[EndpointOut]:
    """`[{"id", "kind", "channelGroupId", "url", "state", "reason", "disabledOnUtc"}]`."""
    return [wire.endpoint_out(row) for row in await deliveries.endpoints(request.db, request.account)]


@post(f"{ENDPOINT}/enable", operation_class=KeyedOperation, status_code=200, summary="Enables an endpoint again.", tags=["Deliveries"])
async def enable_endpoint(request: AppRequest, endpointId: FromPath[UUID]) -> EndpointOut:
    """200 with the endpoint; what it missed is sent by `deliveries/replay`."""
    return wire.endpoint_out(await deliveries.enable(request.db, request.account, endpointId, request.now))


@post(f"{ENDPOINT}/secret", operation_class=KeyedOperation, summary="Makes a new signing secret.", tags=["Deliveries"])
async def rotate_secret(request: AppRequest, endpointId: FromPath[UUID]) -> SecretOut:
    """201 `{"secret": "whsec_…"}`, shown only here; the old one signs too for 24 hours."""
    return SecretOut(await endpoint_secrets.rotate(request.db, request.account, endpointId, request.now))


@get("/messages", summary="Lists the messaging log.", tags=["Messages"])
async def list_messages(
    request: AppRequest, channel_id: OfChannel = None, skip: Skip = None, take: Take = None
) -> Response[list[MessageOut]]:
    """`[{"id", "channelId", "reference", "channel", "from", "to", "message", "receivedOnUtc"}]`, the newest first."""
    asked = page(skip, take, default=100, most=1_000)
    listed = await messages.list_messages(request.db, request.account, guid_if_any(channel_id, "channelId"), asked)
    return Response([wire.message_out(row) for row in listed.rows], headers=headers(asked, listed))


@get(REVIEWS, summary="Lists texts that may mean stop.", tags=["Consent"])
async def list_reviews(
    request: AppRequest,
    in_state: Annotated[str | None, QueryParameter(name="state", description="open, optedOut or dismissed.")] = None,
    skip: Skip = None,
    take: Take = None,
) -> Response[list[ReviewOut]]:
    """`[{"id", "type": "sms", "value": "+31627100000", "text": "stop please", "state": "open", …}]`, the newest first."""
    asked = page(skip, take, default=100, most=1_000)
    listed = await reviews.list_reviews(request.db, request.account, asked, wire.one_of(in_state, "state", reviews.STATES))
    return Response([wire.review_out(row) for row in listed.rows], headers=headers(asked, listed))


@post(f"{REVIEW}/optout", operation_class=KeyedOperation, status_code=200, summary="Opts the person out.", tags=["Consent"])
async def review_opts_out(request: AppRequest, reviewId: FromPath[UUID]) -> ReviewOut:
    """200 with the review; decided already: 409."""
    decided = await reviews.decide(request.db, request.account, reviewId, opts_out=True, actor=request.caller.id, now=request.now)
    return wire.review_out(decided)


@post(f"{REVIEW}/dismiss", operation_class=KeyedOperation, status_code=200, summary="Dismisses a review.", tags=["Consent"])
async def dismiss_review(request: AppRequest, reviewId: FromPath[UUID]) -> ReviewOut:
    """200 with the review; decided already: 409."""
    decided = await reviews.decide(request.db, request.account, reviewId, opts_out=False, actor=request.caller.id, now=request.now)
    return wire.review_out(decided)


@get(WORDS, summary="Lists the account's own words of consent.", tags=["Consent"])
async def list_words(request: AppRequest) -> list[WordOut]:
    """`[{"word": "BASTA", "means": "stop"}]`: besides those of everybody."""
    return [wire.word_out(word) for word in await reviews.words(request.db, request.account)]


@post(WORDS, dto=one(WordIn), operation_class=KeyedOperation, summary="Adds a word of consent.", tags=["Consent"])
async def save_word(request: AppRequest, data: JSONBody[WordIn]) -> WordOut:
    """`{"word": "basta", "means": "stop"}` → 201; the same word again sets what it means."""
    return wire.word_out(await reviews.save_word(request.db, request.account, data.word or "", data.means or "", request.now))


@delete(f"{WORDS}/{{word:str}}", summary="Deletes a word of consent.", tags=["Consent"])
async def delete_word(request: AppRequest, word: FromPath[str]) -> None:
    """204."""
    await reviews.delete_word(request.db, request.account, value_in_path(word))
