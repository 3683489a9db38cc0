"""What Alice has of messages that came in: a delivery that failed, its endpoint, a review, a word of her own, the log."""

from typing import Any
from uuid import UUID

from reachbook.core import ids, reviews
from reachbook.core.ids import AccountId
from reachbook.database.pool import Pool

SAID = "No more of the oysters, please stop"

DELIVERY = """
INSERT INTO delivery (account_id, id, endpoint_id, channel_id, kind, reference, method, payload, form, state, created_at, started_at)
VALUES ($1, $2, $3, $4, 'webhook', 'walrus-1', 'POST', '{}', 'json', 'failed', $5, $5)
"""
ATTEMPT = """
INSERT INTO delivery_attempt (account_id, delivery_id, id, started_at, status, latency_ms, error, answer)
VALUES ($1, $2, $3, $4, 500, 12, 'answered 500', 'The carpenter is out')
"""
REVIEW = """
INSERT INTO consent_review (account_id, id, type, value, text, reference, state, created_at)
VALUES ($1, $2, 'sms', '+31627100002', $3, 'walrus-2', 'open', $4)
"""
LOG = """
INSERT INTO inbound_message (account_id, id, channel_id, reference, channel, message, received_at)
VALUES ($1, $2, $3, 'walrus-3', 'SMS', '{"message": {"text": "The time has come"}}', $4)
"""


async def objects(db: Pool, account: AccountId, parameters: dict[str, str]) -> tuple[dict[str, str], set[str]]:
    """Path parameters that name them, and what only Alice may read. Nothing of it is due: no worker touches it."""
    now, delivery, review = ids.now(), ids.new_id(), ids.new_id()
    endpoint, channel = UUID(parameters["webhookId"]), UUID(parameters["channelId"])
    await db.execute(DELIVERY, account, delivery, endpoint, channel, now)
    await db.execute(ATTEMPT, account, delivery, ids.new_id(), now)
    await db.execute(REVIEW, account, review, SAID, now)
    await db.execute(LOG, account, ids.new_id(), channel, now)
    await reviews.save_word(db, account, "calloohcallay", "stop", now)
    names = {"deliveryId": str(delivery), "endpointId": str(endpoint), "reviewId": str(review), "word": "CALLOOHCALLAY"}
    return names, {*names.values(), SAID, "walrus-1", "walrus-2", "walrus-3", "The carpenter is out", "The time has come"}


def body(path: str) -> dict[str, Any] | None:
    """What is sent to a route that writes; None: it is none of these."""
    if path.endswith("/deliveries/replay"):
        return {"since": "2020-01-01T00:00:00Z"}
    if path.endswith("/consentwords"):
        return {"word": "taken", "means": "start"}
    return None
