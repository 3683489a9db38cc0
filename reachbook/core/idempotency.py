"""Calls that may be made twice: the same Idempotency-Key with the same request gets the first one's answer."""

from datetime import datetime, timedelta

import msgspec

from reachbook.core.errors import ConflictError, Fault, InvalidError
from reachbook.core.ids import AccountId
from reachbook.core.limits import IDEMPOTENCY_HOURS
from reachbook.database.queries import Database

LONGEST_KEY = 255


class Answer(msgspec.Struct, frozen=True):
    """What was answered."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


# A request that never got its answer, because the process died, may be made again when its time is over.
BEGIN = """
INSERT INTO idempotency_key AS k (account_id, key, fingerprint, created_at, locked_until) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (account_id, key) DO UPDATE SET locked_until = excluded.locked_until
WHERE k.status IS NULL AND k.locked_until < $4 AND k.fingerprint = excluded.fingerprint
RETURNING 1
"""
READ = "SELECT fingerprint, status, headers, body FROM idempotency_key WHERE account_id = $1 AND key = $2"


async def begin(db: Database, account: AccountId, key: str, fingerprint: bytes, now: datetime, seconds: float) -> Answer | None:
    """None: make the call, then `complete` or `abandon` it. Else the answer that it got.

    Raises ConflictError while the first one is in work, InvalidError if the key was another request's.
    """
    if not key or len(key) > LONGEST_KEY or "\0" in key:
        raise InvalidError([Fault(("Idempotency-Key",), f"must be 1 to {LONGEST_KEY} characters")])
    until = now + timedelta(seconds=seconds)
    if await db.fetchval(BEGIN, account, key, fingerprint, now, until) is not None:
        return None
    row = await db.fetchrow(READ, account, key)
    if row is None:
        raise ConflictError("The first call with this Idempotency-Key has just failed; try again.")
    if row["fingerprint"] != fingerprint:
        raise InvalidError([Fault(("Idempotency-Key",), "was used for another request")])
    if row["status"] is None:
        raise ConflictError("The first call with this Idempotency-Key is still being answered.")
    return Answer(row["status"], msgspec.json.decode(row["headers"], type=list[tuple[str, str]]), row["body"])


COMPLETE = "UPDATE idempotency_key SET status = $3, headers = $4, body = $5 WHERE account_id = $1 AND key = $2"


async def complete(db: Database, account: AccountId, key: str, answer: Answer) -> None:
    """Keep the answer."""
    await db.execute(COMPLETE, account, key, answer.status, msgspec.json.encode(answer.headers).decode(), answer.body)


ABANDON = "DELETE FROM idempotency_key WHERE account_id = $1 AND key = $2 AND status IS NULL"


async def abandon(db: Database, account: AccountId, key: str) -> None:
    """The call was refused and did nothing: the key is free again."""
    await db.execute(ABANDON, account, key)


async def purge(db: Database, now: datetime) -> None:
    """Forget answers whose time is over."""
    await db.execute("DELETE FROM idempotency_key WHERE created_at < $1", now - timedelta(hours=IDEMPOTENCY_HOURS))
