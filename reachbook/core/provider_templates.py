"""What a WhatsApp provider is to be told of templates, and what it says of them.

A language is due from the moment that its validation is asked for; a worker claims it by putting the instant off, tells the provider, and
records the answer. What comes back, by webhook or when it is asked, is kept as it was said; EVENTS is what it does to the language, and a
status that is not there does nothing, so that no template disappears for a word that nobody here knew.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from reachbook.core import templates
from reachbook.core.ids import AccountId
from reachbook.core.limits import PROVIDER_ATTEMPTS_SECONDS, PROVIDER_POLL_SECONDS
from reachbook.database.queries import Database, Record, Transaction

EVENTS: Mapping[str, Sequence[str]] = {
    "APPROVED": ("approve", "reinstate"),
    "REINSTATED": ("approve", "reinstate"),
    "REJECTED": ("reject", "suspend"),
    "PAUSED": ("suspend",),
    "DISABLED": ("suspend",),
    "DELETED": ("suspend",),
}
"""Meta's statuses → events of machines.LANGUAGE, the first that its state allows."""

LEASE = timedelta(seconds=120)
SLACK = timedelta(seconds=1)  # the provider's clock shows whole seconds


class Submission(NamedTuple):
    """A template's language as the provider is to have it; `provider_id` is the template there, if it was submitted before."""

    account: AccountId
    language_id: UUID
    business_id: str
    provider_id: str | None
    name: str
    code: str
    category: str
    content: str
    field_names: Sequence[str]


class Heard(NamedTuple):
    """What the provider says of one language of a template, by its id there or by name and language."""

    business_id: str
    provider_id: str
    name: str
    code: str
    status: str
    reason: str | None


# Several workers may look at once: each takes one that no other is at.
CLAIM = """
UPDATE provider_template SET due_at = $2, attempts = attempts + 1 WHERE (account_id, language_id) = (
    SELECT account_id, language_id FROM provider_template WHERE due_at <= $1 ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING account_id, language_id, business_id, provider_id
"""


async def claim_due(db: Database, now: datetime) -> Submission | None:
    """The next language to be told, or None. If nothing is recorded of it, its turn comes again after a while."""
    async with db.transaction() as tx:
        while (row := await tx.fetchrow(CLAIM, now, now + LEASE)) is not None:
            submission = await _submission(tx, AccountId(row["account_id"]), row)
            if submission is not None:
                return submission
            await tx.execute(SETTLED, row["account_id"], row["language_id"])
    return None


async def _submission(tx: Transaction, account: AccountId, row: Record) -> Submission | None:
    """None if its validation does not run any more."""
    item = (await templates.described(tx, account, [row["language_id"]])).get(row["language_id"])
    if item is None:
        return None
    template = await templates.get(tx, account, item["channel_request_id"], item["template_id"])
    language = next(one for one in template.languages if one.id == row["language_id"])
    if language.state != "validating":
        return None
    names = [field.name for field in template.fields]
    code = language.language.code
    return Submission(
        account,
        language.id,
        row["business_id"],
        row["provider_id"],
        template.facebook_name,
        code,
        template.category.name,
        language.content,
        names,
    )


SETTLED = "UPDATE provider_template SET due_at = NULL WHERE account_id = $1 AND language_id = $2"
SUBMITTED = """
UPDATE provider_template SET provider_id = $3, status = coalesce($4, status), synced_at = $5, told_at = $5, error = NULL,
    due_at = NULL, attempts = 0
WHERE account_id = $1 AND language_id = $2
"""


async def submitted(db: Database, account: AccountId, language: UUID, provider_id: str, status: str | None, now: datetime) -> None:
    """The provider has it, under this id."""
    async with db.transaction() as tx:
        await tx.execute(SUBMITTED, account, language, provider_id, status, now)
        if status is not None:
            await _apply(tx, account, language, status, None, now)


FAILED = "UPDATE provider_template SET error = $3, due_at = $4 WHERE account_id = $1 AND language_id = $2 RETURNING attempts"
ATTEMPTS = "SELECT attempts FROM provider_template WHERE account_id = $1 AND language_id = $2"


async def failed(db: Database, account: AccountId, language: UUID, error: str, *, again: bool, now: datetime) -> None:
    """It could not be told; again later, or it is left to the operator, who sees the error in the work queue."""
    attempts = await db.fetchval(ATTEMPTS, account, language) or 1
    pause = PROVIDER_ATTEMPTS_SECONDS[min(attempts, len(PROVIDER_ATTEMPTS_SECONDS)) - 1]
    await db.execute(FAILED, account, language, error[:1_000], now + timedelta(seconds=pause) if again else None)


FIND = """
SELECT p.account_id, p.language_id, p.due_at, p.told_at FROM provider_template p WHERE p.provider_id = $1 AND p.business_id = $2
FOR UPDATE
"""
FIND_BY_NAME = """
SELECT p.account_id, p.language_id, p.due_at, p.told_at FROM provider_template p
JOIN template_language l ON l.account_id = p.account_id AND l.id = p.language_id
JOIN whatsapp_template t ON t.account_id = l.account_id AND t.id = l.template_id
JOIN whatsapp_language w ON w.id = l.language_id
WHERE p.business_id = $1 AND t.facebook_name = $2 AND w.code = $3 AND p.provider_id IS NULL
FOR UPDATE OF p
"""
KEEP = """
UPDATE provider_template SET status = $3, synced_at = $4, provider_id = coalesce(provider_id, $5) WHERE account_id = $1 AND language_id = $2
"""


async def heard(db: Database, what: Heard, *, said_at: datetime, now: datetime) -> bool:
    """The provider said this at `said_at`; answers whether it is a template of ours.

    Raw status and instant are kept. What was said before the newest submission, or while one is due, is about something older and
    changes no state.
    """
    async with db.transaction() as tx:
        row = await tx.fetchrow(FIND, what.provider_id, what.business_id) if what.provider_id else None
        row = row or await tx.fetchrow(FIND_BY_NAME, what.business_id, what.name, what.code)
        if row is None:
            return False
        account = AccountId(row["account_id"])
        await tx.execute(KEEP, account, row["language_id"], what.status, now, what.provider_id or None)
        is_newer = row["told_at"] is not None and said_at + SLACK >= row["told_at"]
        if is_newer and row["due_at"] is None:
            await _apply(tx, account, row["language_id"], what.status, what.reason, now)
        return True


async def _apply(tx: Transaction, account: AccountId, language: UUID, status: str, reason: str | None, now: datetime) -> None:
    known = status.strip().upper()
    for event in EVENTS.get(known, ()):
        why = None if event in ("approve", "reinstate") else reason or f"The provider says {known}."
        if await templates.decide(tx, account, language, event, reason=why, now=now):
            return


POLLED = """
INSERT INTO provider_poll (business_id, due_at) SELECT DISTINCT business_id, $1::timestamptz FROM provider_template ON CONFLICT DO NOTHING
"""
POLL = """
UPDATE provider_poll SET due_at = $2 WHERE business_id = (
    SELECT business_id FROM provider_poll WHERE due_at <= $1 ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING business_id
"""


async def next_poll(db: Database, now: datetime) -> str | None:
    """The business account whose templates are to be asked for now, or None. The next time is put off at once."""
    await db.execute(POLLED, now)
    return await db.fetchval(POLL, now, now + timedelta(seconds=PROVIDER_POLL_SECONDS))
