"""What deliveries are signed with (Standard Webhooks): each endpoint has a secret, and for a day after a rotation two."""

import base64
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from reachbook.core.errors import NotFoundError
from reachbook.core.ids import AccountId, new_id
from reachbook.database.queries import Database, Queries, Transaction

BYTES = 32
OVERLAP = timedelta(hours=24)

ADD = "INSERT INTO endpoint_secret (account_id, endpoint_id, id, secret, created_at) VALUES ($1, $2, $3, $4, $5)"


async def make(tx: Transaction, account: AccountId, endpoint: UUID, now: datetime) -> bytes:
    """The secret of a new endpoint, or the next one."""
    secret = secrets.token_bytes(BYTES)
    await tx.execute(ADD, account, endpoint, new_id(), secret, now)
    return secret


HELD = "SELECT id FROM channel_endpoint WHERE account_id = $1 AND id = $2 FOR UPDATE"
EXPIRE = "UPDATE endpoint_secret SET expires_at = $3 WHERE account_id = $1 AND endpoint_id = $2 AND expires_at IS NULL"


async def rotate(db: Database, account: AccountId, endpoint: UUID, now: datetime) -> str:
    """A new secret, as Standard Webhooks writes it; the old one signs too for a day. Raises NotFoundError."""
    async with db.transaction() as tx:
        if await tx.fetchval(HELD, account, endpoint) is None:
            raise NotFoundError(f"There is no endpoint {endpoint}.", "endpoint")
        await tx.execute(EXPIRE, account, endpoint, now + OVERLAP)
        secret = await make(tx, account, endpoint, now)
    return f"whsec_{base64.b64encode(secret).decode()}"


SIGNING = """
SELECT secret FROM endpoint_secret WHERE account_id = $1 AND endpoint_id = $2 AND (expires_at IS NULL OR expires_at > $3)
ORDER BY created_at DESC, id DESC
"""


async def signing(db: Queries, account: AccountId, endpoint: UUID, now: datetime) -> Sequence[bytes]:
    """Those that sign now, the newest first."""
    return [row["secret"] for row in await db.fetch(SIGNING, account, endpoint, now)]
