"""What mail systems tell of deliveries that failed: hard bounces and complaints opt an address out, soft bounces do so when there are many.

Each report counts once, however often it comes: by its reference, or else by what it says. A soft bounce counts a day; on so many distinct
days as the policy says it is a hard one.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

import msgspec

from reachbook.core import accounts, consent, email
from reachbook.core.consent import Change, Reason, Source, TokenType
from reachbook.core.email import Email
from reachbook.core.errors import Fault, InvalidError, TooLargeError
from reachbook.core.ids import AccountId
from reachbook.core.limits import BOUNCE_DAYS, NAME_LENGTH, ROWS_PER_CALL, SOFT_BOUNCE_WINDOW_DAYS, VALUE_LENGTH
from reachbook.core.text import clean
from reachbook.database.queries import Database, Queries, Transaction


class Kind(StrEnum):
    """HARD: there is no such mailbox; SOFT: it may work another day; COMPLAINT: its owner called it spam."""

    HARD = "hard"
    SOFT = "soft"
    COMPLAINT = "complaint"


class Bounce(msgspec.Struct, frozen=True):
    """One report. `at` is when the mail system learned it; None: now."""

    kind: Kind
    email: str
    reference: str | None = None
    message: str | None = None
    at: datetime | None = None


class Taken(NamedTuple):
    """How many reports were new, and how many addresses were opted out that were not before."""

    new: int
    opted_out: int


class _Report(NamedTuple):
    bounce: Bounce
    mailbox: Email
    reference: str
    message: str | None


REASONS = {Kind.HARD: Reason.HARDBOUNCED, Kind.COMPLAINT: Reason.SPAM}

REMEMBER = """
INSERT INTO bounce (account_id, reference, received_at) SELECT $1, reference, $3 FROM unnest($2::text[]) AS r (reference) ORDER BY reference
ON CONFLICT DO NOTHING RETURNING reference
"""
ADD_DAYS = """
INSERT INTO soft_bounce (account_id, key, day) SELECT DISTINCT $1::uuid, key, day FROM unnest($2::text[], $3::date[]) AS d (key, day)
ORDER BY key, day ON CONFLICT DO NOTHING
"""
MANY_DAYS = """
SELECT key FROM soft_bounce WHERE account_id = $1 AND key = ANY($2::text[]) AND day > $3 GROUP BY key HAVING count(*) >= $4
"""


async def take(db: Database, account: AccountId, bounces: Sequence[Bounce], *, soft_days: int, actor: UUID, now: datetime) -> Taken:
    """The reports of one account, all or none. Raises InvalidError at (row, name)."""
    reports = check(bounces, now)
    async with db.transaction() as tx:
        references = {row["reference"] for row in await tx.fetch(REMEMBER, account, [one.reference for one in reports], now)}
        new = list({one.reference: one for one in reports if one.reference in references}.values())
        changes = [
            Change(TokenType.EMAIL, one.mailbox.address, is_active=True, reason=REASONS[one.bounce.kind], message=one.message)
            for one in new
            if one.bounce.kind in REASONS
        ]
        changes += await _soft(tx, account, [one for one in new if one.bounce.kind is Kind.SOFT], soft_days, now)
        opted_out = await consent.record(tx, account, changes, source=Source.GATEWAY, actor=actor, now=now)
    return Taken(len(new), opted_out)


async def take_all(
    db: Database, given: Mapping[AccountId, Sequence[tuple[int, Bounce]]], *, soft_days: int, actor: UUID, now: datetime
) -> Taken:
    """The reports of several accounts, with their places in what came: all are good or none is taken, then an account at a time.

    Who is interrupted sends them again: what was taken is known. Raises InvalidError at (place, name), TooLargeError.
    """
    if sum(map(len, given.values())) > ROWS_PER_CALL:
        raise TooLargeError(f"At most {ROWS_PER_CALL:,} bounces in one call.")
    faults: list[Fault] = []
    for account, of_account in given.items():
        if not await accounts.exists(db, account):
            faults += [Fault((place, "account"), "there is no such account") for place, _ in of_account]
        try:
            check([bounce for _, bounce in of_account], now)
        except InvalidError as error:
            places = [place for place, _ in of_account]
            faults += [Fault((places[int(row)], *rest), message) for (row, *rest), message in error.faults]
    if faults:
        raise InvalidError(sorted(faults, key=lambda fault: fault.path[:1]))
    taken = [
        await take(db, account, [bounce for _, bounce in of_account], soft_days=soft_days, actor=actor, now=now)
        for account, of_account in given.items()
    ]
    return Taken(sum(one.new for one in taken), sum(one.opted_out for one in taken))


def check(bounces: Sequence[Bounce], now: datetime) -> Sequence[_Report]:
    """The reports as they are kept. Pure. Raises InvalidError at (row, name)."""
    reports: list[_Report] = []
    faults: list[Fault] = []
    for index, bounce in enumerate(bounces):
        reference = clean(bounce.reference, (index, "reference"), NAME_LENGTH, faults)
        message = clean(bounce.message, (index, "message"), VALUE_LENGTH, faults)
        try:
            mailbox = email.parse(bounce.email)
        except ValueError as error:
            faults.append(Fault((index, "email"), str(error)))
            continue
        reports.append(_Report(bounce, mailbox, reference or _known_by(bounce, mailbox, message, now), message))
    if faults:
        raise InvalidError(faults)
    return reports


def _known_by(bounce: Bounce, mailbox: Email, message: str | None, now: datetime) -> str:
    """What two reports of the same bounce share: without an instant of their own, the day on which they came."""
    said = (bounce.kind, mailbox.key, message or "", str(bounce.at or now.date()))
    return hashlib.sha256("\n".join(said).encode()).hexdigest()


async def _soft(tx: Transaction, account: AccountId, reports: Sequence[_Report], soft_days: int, now: datetime) -> list[Change]:
    """Count the days; those that are too many as hard bounces."""
    if not reports:
        return []
    addresses = {one.mailbox.key: one.mailbox.address for one in reports}
    days = [min(one.bounce.at or now, now).date() for one in reports]
    await tx.execute(ADD_DAYS, account, [one.mailbox.key for one in reports], days)
    since = (now - timedelta(days=SOFT_BOUNCE_WINDOW_DAYS)).date()
    many = await tx.fetch(MANY_DAYS, account, list(addresses), since, soft_days)
    return [
        Change(
            TokenType.EMAIL,
            addresses[row["key"]],
            is_active=True,
            reason=Reason.HARDBOUNCED,
            message=f"bounced softly on {soft_days} days or more",
        )
        for row in many
    ]


PURGE = "DELETE FROM bounce WHERE received_at < $1"
PURGE_DAYS = "DELETE FROM soft_bounce WHERE day < $1"


async def purge(db: Queries, now: datetime) -> None:
    """Forget what is too old to come again or to count."""
    await db.execute(PURGE, now - timedelta(days=BOUNCE_DAYS))
    await db.execute(PURGE_DAYS, (now - timedelta(days=SOFT_BOUNCE_WINDOW_DAYS)).date())
