"""What people say of consent by message, in the ledger (inbound.md, "Consent words"): stop opts out, start opens what the person closed."""

import unicodedata
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from reachbook.core import consent, phone
from reachbook.core.consent import Change, Reason, Source, TokenType
from reachbook.core.consent_words import Meaning
from reachbook.core.ids import AccountId, new_id
from reachbook.core.inbound_formats import Message
from reachbook.core.limits import VALUE_LENGTH
from reachbook.database.queries import Transaction


class Act(NamedTuple):
    """Somebody said something: to an account, or (None) to all that have keywords on the number `shared`. `actor` is who handed it over."""

    meaning: Meaning
    type: TokenType
    message: Message
    account: AccountId | None
    shared: str | None
    actor: UUID
    now: datetime


class Concerned(NamedTuple):
    """An act that concerns an account; `text` goes into the ledger and says how it was decided, if not by itself."""

    act: Act
    account: AccountId
    sender: str
    text: str


def kept(text: str) -> str:
    """What the ledger takes of a text: nobody's stop is refused for its length, also not when NFC makes more letters of it."""
    return unicodedata.normalize("NFC", text)[:VALUE_LENGTH]


async def apply(tx: Transaction, acts: Sequence[Act]) -> list[int]:
    """Record what was said; answers of each act how many accounts it stopped.

    Accounts in turn and each with its addresses in order, so that two calls never wait for each other in a circle.
    """
    concerned = [await _concerned(tx, act) for act in acts]
    by_account: dict[AccountId, list[Concerned]] = {}
    for of_act in concerned:
        for one in of_act:
            by_account.setdefault(one.account, []).append(one)
    for account in sorted(by_account):
        await _apply_to(tx, account, sorted(by_account[account], key=lambda one: (one.act.type, one.sender)))
    return [len(of_act) if act.meaning is Meaning.STOP else 0 for act, of_act in zip(acts, concerned, strict=True)]


CLAIMANTS = "SELECT DISTINCT owner_id FROM taken_keyword WHERE phone_number_id = $1 AND rests_until IS NULL"
KNOWING = "SELECT DISTINCT account_id FROM contact WHERE account_id = ANY($1::uuid[]) AND phone = $2"


async def _concerned(tx: Transaction, act: Act) -> Sequence[Concerned]:
    sender = phone.e164(act.message.sender)
    if sender is None:
        return []
    if act.account is not None:
        return [Concerned(act, act.account, sender, act.message.text)]
    claimants = [row["owner_id"] for row in await tx.fetch(CLAIMANTS, act.shared)]
    knowing = [row["account_id"] for row in await tx.fetch(KNOWING, claimants, sender)]
    how = "which knows the sender" if knowing else "as every account with a keyword there: none knows the sender"
    text = (
        f"{act.message.text[: VALUE_LENGTH - 200]} (to the shared number {act.shared}, without a keyword; recorded for this account, {how})"
    )
    if not knowing and act.meaning is Meaning.PERHAPS:
        return []  # nobody would know whose wish it is, and everybody would read it
    return [Concerned(act, AccountId(account), sender, text) for account in knowing or claimants]


REVIEW = """
INSERT INTO consent_review (account_id, id, type, value, text, reference, state, created_at) VALUES ($1, $2, $3, $4, $5, $6, 'open', $7)
"""
# Held until the commit: whoever closes an address at this moment, for another reason, is waited for and not undone.
CLOSED = "SELECT reason FROM consent_token WHERE account_id = $1 AND type = $2 AND key = $3 AND is_active FOR UPDATE"
# For whatever reason since it was open last: a stop over the account's own decision doesn't make that the person's.
ALSO_CLOSED_OTHERWISE = """
SELECT EXISTS (SELECT 1 FROM consent_history h WHERE h.account_id = $1 AND h.type = $2 AND h.key = $3 AND h.is_active
    AND h.reason <> 'contact' AND h.version > coalesce((SELECT max(o.version) FROM consent_history o
        WHERE o.account_id = $1 AND o.type = $2 AND o.key = $3 AND NOT o.is_active), 0))
"""


async def _apply_to(tx: Transaction, account: AccountId, said: Sequence[Concerned]) -> None:
    for one in said:
        act = one.act
        if act.meaning is Meaning.PERHAPS:
            await tx.execute(REVIEW, account, new_id(), act.type, one.sender, one.text, act.message.reference, act.now)
            continue
        is_stop = act.meaning is Meaning.STOP
        if not is_stop and not await _is_the_persons(tx, account, act.type, one.sender):
            continue
        change = Change(act.type, one.sender, is_stop, Reason.CONTACT, kept(one.text))
        await consent.record(tx, account, [change], source=Source.KEYWORD, actor=act.actor, now=act.now)


async def _is_the_persons(tx: Transaction, account: AccountId, type: TokenType, sender: str) -> bool:
    """Whether the person closed the address, and nobody else did."""
    if await tx.fetchval(CLOSED, account, type, sender) != Reason.CONTACT:
        return False
    return not await tx.fetchval(ALSO_CLOSED_OTHERWISE, account, type, sender)
