"""Stop lists: groups whose contacts are never messaged (document 001, type STOPLIST).

Who gets into one is opted out on every channel that its addresses have, in the same transaction, whichever way it gets there: made,
moved, imported, or given another address. Leaving a stop list opens nothing (consent rules, invariant 2).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from reachbook.core import consent
from reachbook.core.consent import Change, Source, TokenType
from reachbook.core.drafts import Facts
from reachbook.core.ids import AccountId
from reachbook.core.limits import ROWS_PER_CALL
from reachbook.core.push import Device
from reachbook.database.queries import Queries, Transaction

CHANNELS: Mapping[str, Sequence[TokenType]] = {
    "email": (TokenType.EMAIL,),
    "phone": (TokenType.SMS, TokenType.VOICE, TokenType.VOICEMAIL, TokenType.WHATSAPP, TokenType.RCS, TokenType.VIBER),
    "landline": (TokenType.VOICE, TokenType.VOICEMAIL),
}
"""What each address of a contact is opted out of."""

AMONG = "SELECT id FROM contact_group WHERE account_id = $1 AND id = ANY($2::uuid[]) AND kind = 'stoplist'"


async def among(tx: Queries, account: AccountId, groups: Collection[UUID]) -> set[UUID]:
    """Those of the groups that are stop lists."""
    return {row["id"] for row in await tx.fetch(AMONG, account, list(groups))} if groups else set()


def new_addresses(before: Facts, after: Facts) -> Facts | None:
    """The contact with only those addresses that it had not before; None if there are none."""
    known = {name: None for name in CHANNELS if getattr(after, name) == getattr(before, name)}
    new = after._replace(**known)
    return new if any(getattr(new, name) for name in CHANNELS) else None


async def stop(
    tx: Transaction, account: AccountId, stopped: Iterable[Facts], devices: Iterable[Device], *, actor: UUID, now: datetime
) -> None:
    """Opt these contacts and devices out: the account's own decision, that came with its list (devino.md, "list types")."""
    tokens = {
        (type, address) for facts in stopped for name, types in CHANNELS.items() if (address := getattr(facts, name)) for type in types
    }
    tokens |= {(TokenType.PUSH, device.token) for device in devices}
    changes = [Change(type, address, is_active=True) for type, address in sorted(tokens)]
    for first in range(0, len(changes), ROWS_PER_CALL):
        await consent.record(tx, account, changes[first : first + ROWS_PER_CALL], source=Source.IMPORT, actor=actor, now=now)
