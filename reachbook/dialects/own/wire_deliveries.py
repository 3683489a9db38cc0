"""The objects of an account's deliveries, messages and reviews, in camelCase; what there is none of is null (operator.md)."""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from reachbook.core.deliveries import Attempt, Delivery, Endpoint
from reachbook.core.errors import invalid
from reachbook.core.messages import Logged
from reachbook.core.reviews import Review, Word
from reachbook.http.instants import Instant, instant, instant_or_null


def one_of(text: str | None, name: str, choices: tuple[str, ...]) -> str | None:
    """One of these, in any case, that may be left out. Raises InvalidError."""
    if not text:
        return None
    found = next((choice for choice in choices if choice.lower() == text.strip().lower()), None)
    if found is None:
        raise invalid(name, f"must be one of {', '.join(choices)}")
    return found


class DeliveryOut(msgspec.Struct, rename="camel"):
    """One message or event on its way to one endpoint."""

    id: UUID
    kind: str
    channel_id: UUID
    endpoint_id: UUID
    reference: str
    state: Annotated[str, Meta(description="pending (not tried), retrying, delivered, failed (given up).")]
    attempts: int
    created_on_utc: Instant
    next_attempt_on_utc: Instant | None
    delivered_on_utc: Instant | None


class AttemptOut(msgspec.Struct, rename="camel"):
    """What became of one attempt; `status` is null if no answer came."""

    started_on_utc: Instant
    status: int | None
    latency_ms: int
    error: str | None
    answer: Annotated[str | None, Meta(description="Its first kilobyte.")]


class DeliveryWithLogOut(DeliveryOut):
    """With its attempts, the oldest first."""

    log: list[AttemptOut]


def delivery_out(one: Delivery) -> DeliveryOut:
    """As it is listed."""
    return DeliveryOut(*_delivery(one))


def delivery_with_log_out(one: Delivery, attempts: Sequence[Attempt]) -> DeliveryWithLogOut:
    """Whole."""
    return DeliveryWithLogOut(*_delivery(one), log=[_attempt(attempt) for attempt in attempts])


def _delivery(one: Delivery) -> tuple[Any, ...]:
    instants = (instant(one.created_at), instant_or_null(one.next_at), instant_or_null(one.delivered_at))
    return (one.id, one.kind, one.channel_id, one.endpoint_id, one.reference, one.state, one.attempts, *instants)


def _attempt(one: Attempt) -> AttemptOut:
    return AttemptOut(instant(one.started_at), one.status, one.latency_ms, one.error, one.answer)


class ReplayIn(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """Which deliveries are sent again."""

    since: Annotated[str | None, Meta(description="Those that were made at this instant or later; required.")] = None
    endpoint_id: Annotated[str | None, Meta(description="Of this endpoint; of all without.")] = None
    state: Annotated[str | None, Meta(description="failed unless given.")] = None


class ReplayedOut(msgspec.Struct):
    """How many are sent again."""

    replayed: int


class EndpointOut(msgspec.Struct, rename="camel"):
    """Where deliveries go; ids as in the configuration."""

    id: UUID
    kind: str
    channel_group_id: UUID
    url: Annotated[str, Meta(description="Or the address of mails.")]
    state: Annotated[str, Meta(description="active or disabled.")]
    reason: str | None
    disabled_on_utc: Instant | None


def endpoint_out(one: Endpoint) -> EndpointOut:
    """As it stands."""
    state = "active" if one.disabled_at is None else "disabled"
    return EndpointOut(one.id, one.kind, one.group_id, one.target, state, one.reason, instant_or_null(one.disabled_at))


class SecretOut(msgspec.Struct):
    """A signing secret, shown only here."""

    secret: str


class MessageOut(msgspec.Struct, rename="camel"):
    """A message of the log; `from`, `to` and `message` as received."""

    id: UUID
    channel_id: UUID | None
    reference: str
    channel: str
    sender: Any = msgspec.field(name="from")
    receiver: Any = msgspec.field(name="to")
    message: Any
    received_on_utc: Instant


def message_out(one: Logged) -> MessageOut:
    """As it was received."""
    parts = (one.given.get("from"), one.given.get("to"), one.given.get("message"))
    return MessageOut(one.id, one.channel_id, one.reference, one.channel, *parts, instant(one.received_at))


class ReviewOut(msgspec.Struct, rename="camel"):
    """A text that may mean stop."""

    id: UUID
    type: str
    value: str
    text: str
    reference: str
    state: Annotated[str, Meta(description="open, optedOut or dismissed.")]
    created_on_utc: Instant


def review_out(one: Review) -> ReviewOut:
    """As it stands."""
    return ReviewOut(one.id, one.type, one.value, one.text, one.reference, one.state, instant(one.created_at))


class WordIn(msgspec.Struct, forbid_unknown_fields=True):
    """A word of the account's own, and what it means."""

    word: str | None = None
    means: Annotated[str | None, Meta(description="stop or start.")] = None


class WordOut(msgspec.Struct):
    """The same, the word as it is compared."""

    word: str
    means: str


def word_out(one: Word) -> WordOut:
    """As it stands."""
    return WordOut(one.word, one.means)
