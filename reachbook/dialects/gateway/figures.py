"""What is counted of messages that come in."""

from datetime import datetime

from prometheus_client import Counter, Histogram

from reachbook.core.inbound import Accepted

ACCEPTED = Counter("reachbook_inbound_accepted_total", "Messages and events taken from gateways, each once.", ["channel"])
UNROUTED = Counter("reachbook_inbound_unrouted_total", "Those of them that belong to no account.")
OPTED_OUT = Counter("reachbook_inbound_stops_total", "Stops by message, counted by account.")
HONOURED = Histogram(
    "reachbook_inbound_honoured_seconds",
    "From when a message with a stop was sent to when the opt-out holds.",
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600),
)


CHANNELS = frozenset({"sms", "whatsapp", "viber", "rcs", "messenger", "instagram", "telegram", "apple messages for business", "voice"})
"""Those that have a label of their own: a gateway may name what it likes."""


def count(taken: Accepted, now: datetime) -> None:
    """One call, which is answered now."""
    for what in taken.new:
        channel = what.channel.lower()
        ACCEPTED.labels(channel if channel in CHANNELS else "other").inc()
    UNROUTED.inc(taken.unrouted)
    OPTED_OUT.inc(taken.opted_out)
    for at in taken.stopped_at:
        HONOURED.observe(max(0.0, (now - at).total_seconds()))
