"""The daily pass over lists that delete unused contacts: what goes is said in the log, a line a contact."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import structlog

from reachbook.core import ids, retention
from reachbook.core.ids import AccountId
from reachbook.core.retention import Gone
from reachbook.database.queries import Database

log = structlog.get_logger("reachbook.retention")


async def pass_due(db: Database, stopping: asyncio.Event) -> int:
    """The passes that are due, an account at a time; answers how many were made."""
    made = 0
    for account in await retention.due(db, ids.now()):
        if stopping.is_set():
            break
        began = ids.now()
        if not await retention.take_turn(db, account, began):
            continue  # another worker has it
        async for _ in pass_over(db, account):
            pass
        await retention.end_turn(db, account, began)
        made += 1
    return made


async def pass_over(db: Database, account: AccountId) -> AsyncIterator[Sequence[Gone]]:
    """One account's lists, now; each share is gone when it is given."""
    async for gone in retention.run(db, account, ids.now()):
        for one in gone:
            log.info(
                "contact removed by retention",
                account=str(account),
                group=str(one.group),
                contact=str(one.contact),
                reason=one.reason,
                used_at=one.used_at.isoformat(),
                outcome="deleted" if one.is_deleted else "left the list",
            )
        yield gone
