"""Files brought into an account through core, worked on by the test itself, and the tables as they stand before and after."""

import csv
import io
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from reachbook.core import contacts, fields, groups, ids, import_claims, imports, indexing
from reachbook.core.drafts import Draft, FieldValue
from reachbook.core.ids import AccountId
from reachbook.core.imports import BUCKETS, Import, Options
from reachbook.database.queries import Database
from reachbook.workers.imports import TO_THE_END, Turn, work_on
from tests.core.book import wrong_counters

NOBODY = UUID(int=9)


def table(*rows: Sequence[str]) -> bytes:
    """Rows, the first of them the header, as CSV."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


async def upload(db: Database, account: AccountId, content: bytes, filename: str = "contacts.csv") -> UUID:
    """A file that is ready to be imported."""

    async def pieces() -> AsyncIterator[bytes]:
        yield content

    id = ids.new_id()
    await imports.create(db, account, id, filename, NOBODY, ids.now())
    await imports.upload(db, account, id, pieces())
    return id


async def work(db: Database, account: AccountId, id: UUID, turn: Turn = TO_THE_END) -> Import:
    """What a worker does in one turn."""
    claim = await import_claims.take(db, account, id, ids.new_id(), ids.now())
    assert claim is not None
    await work_on(db, claim, turn)
    return await imports.get(db, account, id)


async def begun(db: Database, account: AccountId, content: bytes, filename: str = "contacts.csv", **options: Any) -> UUID:
    """An import that waits for a worker."""
    id = await upload(db, account, content, filename)
    await imports.begin(db, account, id, "start", Options(**options), ids.now())
    return id


async def bring(db: Database, account: AccountId, content: bytes, filename: str = "contacts.csv", **options: Any) -> Import:
    """A file imported to the end, every row accounted for."""
    done = await work(db, account, await begun(db, account, content, filename, **options))
    await assert_sound(db, done, account)
    return done


async def preview(db: Database, account: AccountId, id: UUID, **options: Any) -> Import:
    """An uploaded file previewed."""
    await imports.begin(db, account, id, "preview", Options(**options), ids.now())
    return await work(db, account, id)


async def take_back(db: Database, account: AccountId, id: UUID) -> Import:
    """An import undone."""
    await imports.undo(db, account, id, ids.now())
    undone = await work(db, account, id)
    assert undone.state == "undone", undone.error
    assert await wrong_counters(db, account) == []
    return undone


ROWS = "SELECT number, bucket FROM import_row WHERE account_id = $1 AND import_id = $2 ORDER BY number"


async def rows(db: Database, account: AccountId, id: UUID) -> dict[int, str]:
    """The bucket of each row."""
    return {row["number"]: row["bucket"] for row in await db.fetch(ROWS, account, id)}


async def assert_sound(db: Database, done: Import, account: AccountId) -> None:
    """The buckets are those of the rows and add up; the counters are a recount's."""
    noted = list((await rows(db, account, done.id)).values())
    assert {bucket: getattr(done, bucket) for bucket in BUCKETS} == {bucket: noted.count(bucket) for bucket in BUCKETS}
    assert done.done_rows == len(noted)
    if done.state == "done":
        assert done.done_rows == done.total_rows
    assert await wrong_counters(db, account) == []


def buckets(done: Import | Mapping[str, Any]) -> dict[str, int]:
    """Those that have any rows."""
    counted = {bucket: done[bucket] if isinstance(done, Mapping) else getattr(done, bucket) for bucket in BUCKETS}
    return {bucket: count for bucket, count in counted.items() if count}


async def index(db: Database) -> None:
    """What the indexer does in the end."""
    while await indexing.index_due(db, ids.now() + timedelta(days=1)):
        pass


TABLES = {
    "contact": "SELECT * FROM contact WHERE account_id = $1 ORDER BY id",
    "membership": "SELECT * FROM membership WHERE account_id = $1 ORDER BY group_id, contact_id",
    "field": "SELECT * FROM field WHERE account_id = $1 ORDER BY id",
    "contact_group": "SELECT * FROM contact_group WHERE account_id = $1 ORDER BY id",
    "field_alias": "SELECT * FROM field_alias WHERE account_id = $1 ORDER BY key",
    "contact_search": "SELECT * FROM contact_search WHERE account_id = $1 ORDER BY contact_id",
    "consent_token": "SELECT * FROM consent_token WHERE account_id = $1 ORDER BY type, key",
    "consent_history": "SELECT * FROM consent_history WHERE account_id = $1 ORDER BY type, key, version",
    "counters": """
        SELECT group_id, sum(contacts) AS contacts, sum(empty_emails) AS no_email, sum(empty_numbers) AS no_phone
        FROM contact_count WHERE account_id = $1 GROUP BY group_id
        HAVING sum(contacts) <> 0 OR sum(empty_emails) <> 0 OR sum(empty_numbers) <> 0 ORDER BY group_id""",
}

Tables = dict[str, list[tuple[Any, ...]]]


async def tables(db: Database, account: AccountId) -> Tables:
    """Everything that the account has in its book and its ledger, indexed."""
    await index(db)
    return {name: [tuple(row.values()) for row in await db.fetch(query, account)] for name, query in TABLES.items()}


SHOWN = ("first_name", "insertion", "last_name", "email", "phone")


async def book(db: Database, account: AccountId) -> list[dict[str, str]]:
    """The contacts, oldest first, as what they have; values stand by the id of their field."""
    found = await db.fetch("SELECT * FROM contact WHERE account_id = $1 ORDER BY id", account)
    return [{name: row[name] for name in SHOWN if row[name]} | json.loads(row["field_values"]) for row in found]


async def new_group(db: Database, account: AccountId, name: str = "Others") -> UUID:
    """A group beside."""
    return (await groups.create(db, account, ids.new_id(), groups.Draft(name=name), ids.now())).id


async def new_contact(db: Database, account: AccountId, group: UUID, values: Mapping[int, str] | None = None, **facts: str) -> UUID:
    """A contact made by hand."""
    draft = Draft(**facts, values=[FieldValue(field, value) for field, value in (values or {}).items()])
    return (await contacts.add(db, account, group, draft, id=ids.new_id(), now=ids.now())).id


async def lock(db: Database, account: AccountId, group: UUID, *, locked: bool = True) -> None:
    """Lock a group for editing, or let go of it."""
    await groups.update(db, account, group, groups.Draft(is_locked_for_editing=locked), ids.now())


async def new_field(db: Database, account: AccountId, name: str) -> int:
    """A field of the account's own."""
    return (await fields.create(db, account, name, ids.now())).id
