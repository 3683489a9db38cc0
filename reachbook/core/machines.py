"""The states of what goes through several hands: channel and number requests, profiles, template languages, claims and numbers.

One table of states, events and what they set. The statements that change states are made from it, the database's CHECKs agree with it, and
docs/channels.md is drawn from it.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

NOW, REASON, NOTHING = "now", "the reason", "nothing"


class Event(NamedTuple):
    """Leads from any of `sources` to `target`, and sets columns to NOW, REASON or NOTHING."""

    sources: Sequence[str]
    target: str
    sets: Mapping[str, str]


class Machine(NamedTuple):
    """The states of one kind of thing; it begins in one of `start`."""

    start: Sequence[str]
    events: Mapping[str, Event]

    def states(self) -> set[str]:
        """All that there are."""
        return {*self.start, *(event.target for event in self.events.values())}

    def change(self, event: str, *, now: str = "", reason: str = "NULL") -> str:
        """SQL: the assignments of an event; `now` and `reason` are what stands for these values."""
        moved = self.events[event]
        values = {NOW: now, REASON: reason, NOTHING: "NULL"}
        return ", ".join([f"state = '{moved.target}'", *(f"{column} = {values[value]}" for column, value in moved.sets.items())])

    def allows(self, event: str) -> str:
        """SQL: the condition under which an event may happen."""
        sources = ", ".join(f"'{source}'" for source in self.events[event].sources)
        return f"state IN ({sources})"


REQUEST = Machine(
    ("pending",),
    {
        "fulfil": Event(("pending",), "fulfilled", {"fulfilled_at": NOW}),
        "refuse": Event(("pending",), "cancelled", {"cancelled_at": NOW, "reason": REASON}),
        "end": Event(("fulfilled",), "cancelled", {"cancelled_at": NOW}),
    },
)
"""Of channel requests, and of number requests; only a number can be given back."""

PROFILE = Machine(
    ("pending",),
    {
        "verify": Event(("pending",), "active", {"fulfilled_at": NOW, "code_processed_at": NOW}),
        "approve": Event(("pending",), "active", {"fulfilled_at": NOW}),
        "reject": Event(("pending",), "rejected", {"rejected_at": NOW, "rejection_reason": REASON}),
        "renumber": Event(
            ("pending", "active", "rejected"),
            "pending",
            {
                **dict.fromkeys(("fulfilled_at", "rejected_at", "rejection_reason"), NOTHING),
                **dict.fromkeys(("code_sent_at", "code_processed_at", "provider_id"), NOTHING),
            },
        ),
        "cancel": Event(
            ("pending", "active", "rejected"), "cancelled", {"cancelled_at": NOW, "fulfilled_at": NOTHING, "rejected_at": NOTHING}
        ),
    },
)

LANGUAGE = Machine(
    ("draft",),
    {
        "edit": Event(("draft", "rejected"), "draft", {"rejected_at": NOTHING, "rejection_reason": NOTHING, "updated_at": NOW}),
        "validate": Event(("draft",), "validating", {"submitted_at": NOW}),
        "approve": Event(("validating", "suspended"), "active", {"fulfilled_at": NOW, "rejected_at": NOTHING, "rejection_reason": NOTHING}),
        "reject": Event(("validating",), "rejected", {"rejected_at": NOW, "rejection_reason": REASON}),
        "reinstate": Event(("rejected",), "active", {"fulfilled_at": NOW, "rejected_at": NOTHING, "rejection_reason": NOTHING}),
        "suspend": Event(("active",), "suspended", {"rejection_reason": REASON}),
        "cancel": Event(("draft", "validating", "active", "rejected", "suspended"), "cancelled", {"rejected_at": NOTHING}),
    },
)
"""Of one language of a template. The provider reinstates after an appeal, and suspends what people complain about."""

CLAIM = Machine(("active",), {"cancel": Event(("active",), "cancelled", {"cancelled_at": NOW})})

NUMBER = Machine(
    ("free", "shared"),
    {
        "assign": Event(("free",), "owned", {"owned_since": NOW}),
        "release": Event(("owned",), "resting", {"owner_id": NOTHING, "owned_since": NOTHING}),
        "rested": Event(("resting",), "free", {"rests_until": NOTHING}),
        "withdraw": Event(
            ("free", "shared", "owned", "resting"),
            "withdrawn",
            {"withdrawn_at": NOW, **dict.fromkeys(("owner_id", "owned_since", "rests_until"), NOTHING)},
        ),
        "restock": Event(("withdrawn",), "free", {"withdrawn_at": NOTHING, "stocked_at": NOW}),
        "share": Event(("withdrawn",), "shared", {"withdrawn_at": NOTHING, "stocked_at": NOW}),
    },
)

MACHINES: Mapping[str, Machine] = {
    "request": REQUEST,
    "profile": PROFILE,
    "template language": LANGUAGE,
    "keyword claim": CLAIM,
    "number": NUMBER,
}
