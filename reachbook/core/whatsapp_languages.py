"""The languages that a WhatsApp business account writes templates in (document 003, "Activate a WhatsApp language")."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from reachbook.core import catalogues, channel_requests
from reachbook.core.catalogues import Language
from reachbook.core.ids import AccountId
from reachbook.database.queries import Database, Queries

ACTIVE = "SELECT language_id FROM active_language WHERE account_id = $1 AND channel_request_id = $2"


async def active(db: Queries, account: AccountId, request: UUID) -> Sequence[Language]:
    """Those that were activated, by name. Raises NotFoundError for what is no WhatsApp request."""
    await channel_requests.business_account(db, account, request)
    chosen = {row["language_id"] for row in await db.fetch(ACTIVE, account, request)}
    return [language for language in await catalogues.languages(db) if language.id in chosen]


ACTIVATE = """
INSERT INTO active_language (account_id, channel_request_id, language_id, activated_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING
"""


async def activate(db: Database, account: AccountId, request: UUID, language: UUID, now: datetime) -> Sequence[Language]:
    """One more; twice changes nothing. Raises NotFoundError, ConflictError for a cancelled request."""
    async with db.transaction() as tx:
        await channel_requests.open_business_account(tx, account, request)
        await catalogues.keep_language(tx, language)
        await tx.execute(ACTIVATE, account, request, language, now)
        return await active(tx, account, request)
