"""The objects of the gateway's API, in camelCase."""

from collections.abc import Mapping, Sequence
from datetime import MAXYEAR, UTC, datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from reachbook.core.bounces import Bounce, Kind
from reachbook.core.errors import Fault, InvalidError
from reachbook.core.ids import AccountId

CORE_NAMES = {
    "kind": "type",
    "at": "timeUtc",
    "time_utc": "timeUtc",
    "account": "accountId",
    "account_id": "accountId",
    "sender": "from",
    "receiver": "to",
    "message_context": "messageContext",
    "media_uri": "mediaUri",
    "content_type": "contentType",
}

KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(("hard", "hardbounce", "hardbounced", "permanent", "bounce"), Kind.HARD),
    **dict.fromkeys(("soft", "softbounce", "transient", "deferred"), Kind.SOFT),
    **dict.fromkeys(("complaint", "spam", "abuse", "feedback"), Kind.COMPLAINT),
}
"""What mail systems call them."""


class BounceIn(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A delivery that failed, or a complaint."""

    account_id: Annotated[str, Meta(description="Whose mail it was.")]
    email: Annotated[str, Meta(description="The address.")]
    type: Annotated[str, Meta(description="hard, soft or complaint; also as most mail systems call them.")]
    reference: Annotated[str | None, Meta(description="The mail system's id of this report: the same one counts once.")] = None
    message: Annotated[str | None, Meta(description="What the other side said; kept in the address's history.")] = None
    time_utc: Annotated[str | None, Meta(description="When that was, `2026-01-31T12:00:00`; now unless given.")] = None


class BouncesOut(msgspec.Struct, rename="camel"):
    """What became of the reports."""

    received: int
    repeated: Annotated[int, Meta(description="Reports that were known already.")]
    opted_out: Annotated[int, Meta(description="Addresses that were not opted out before.")]


def bounces(rows: Sequence[BounceIn | list[Fault]]) -> dict[AccountId, list[tuple[int, Bounce]]]:
    """The reports of each account, with their places. Raises InvalidError."""
    found: dict[AccountId, list[tuple[int, Bounce]]] = {}
    faults: list[Fault] = []
    for index, row in enumerate(rows):
        if isinstance(row, list):
            faults += row
            continue
        before = len(faults)
        account, at = _uuid(row.account_id), instant(row.time_utc)
        kind = KINDS.get("".join(letter for letter in row.type.lower() if letter.isalpha()))
        if account is None:
            faults.append(Fault((index, "account"), "is not a GUID"))
        if kind is None:
            faults.append(Fault((index, "kind"), f"must be one of {', '.join(Kind)}"))
        if row.time_utc and at is None:
            faults.append(Fault((index, "at"), "is no instant such as 2026-01-31T12:00:00"))
        if len(faults) == before and account is not None and kind is not None:
            bounce = Bounce(kind, row.email, row.reference, row.message, at)
            found.setdefault(AccountId(account), []).append((index, bounce))
    if faults:
        raise InvalidError(faults)
    return found


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text.strip())
    except ValueError:
        return None


def instant(text: str | None) -> datetime | None:
    """An instant as gateways write it, UTC unless it says otherwise; None for none, and for what is none.

    The last year that there can be is none either: it can't be told in every zone.
    """
    if not text:
        return None
    try:
        given = datetime.fromisoformat(text.strip())
        at = given.astimezone(UTC) if given.tzinfo else given.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return at if at.year < MAXYEAR else None
