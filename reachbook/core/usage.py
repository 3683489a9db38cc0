"""When contacts were used last: made, changed, or dumped (devino.md, "autoDeleteEnabled"; who takes inbound messages will `mark` theirs).

The first two are the contact's own instants. Others are noted beside, and only for contacts of groups that delete unused ones.
"""

from datetime import datetime

from reachbook.core.ids import AccountId
from reachbook.database.queries import Queries
from reachbook.database.values import Values

MATTERS = "SELECT EXISTS (SELECT 1 FROM contact_group WHERE account_id = $1 AND deletes_unused)"


async def matters(db: Queries, account: AccountId) -> bool:
    """Whether anybody asks."""
    return await db.fetchval(MATTERS, account)


async def mark(db: Queries, account: AccountId, chosen: str, values: Values, now: datetime) -> None:
    """Contacts are used now. `chosen` is SQL that gives their ids, with $1 for the account and its values bound."""
    query = f"""
    INSERT INTO contact_use (account_id, contact_id, used_at)
    SELECT $1, u.id, {values.add(now, "timestamptz")} FROM ({chosen}) u (id) WHERE EXISTS (
        SELECT 1 FROM membership um JOIN contact_group ug ON ug.account_id = um.account_id AND ug.id = um.group_id
        WHERE um.account_id = $1 AND um.contact_id = u.id AND ug.deletes_unused)
    ORDER BY u.id
    ON CONFLICT (account_id, contact_id) DO UPDATE SET used_at = greatest(contact_use.used_at, excluded.used_at)
    """
    await db.execute(query, *values.bound)


LAST = "greatest(c.updated_at, c.created_at, u.used_at)"
"""SQL: the last use of a contact `c` with its entry `u`, if there is one."""

FORGET = "DELETE FROM contact_use WHERE account_id = $1 AND used_at < $2"


async def forget(db: Queries, account: AccountId, before: datetime) -> None:
    """Uses that are too old to count, and with them those of contacts that are gone."""
    await db.execute(FORGET, account, before)
