"""The work queue as the operator sees it: each item with what has to be known to decide it (operator.md, "Work queue").

Items of a page are of many accounts, so what they are about is read by pairs of account and id, one statement for each kind.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from reachbook.core import decisions, work_queue
from reachbook.core.catalogues import Language
from reachbook.core.ids import AccountId
from reachbook.core.limits import CODE_TRIES
from reachbook.core.paging import Listed, Page
from reachbook.core.profiles import IS_OPEN, OpenCode
from reachbook.core.work_queue import Item, Kind
from reachbook.database.queries import Database, Queries, Record


class Provider(msgspec.Struct, frozen=True):
    """What the provider said of a template last, or the error of the last attempt to submit it; `id` once it is submitted."""

    id: str | None
    status: str | None
    synced_at: datetime | None
    error: str | None


class Shown(msgspec.Struct, frozen=True):
    """An item and what it is about, as far as its kind has it. `code` is for the operator to pass on to the phone's owner."""

    item: Item
    channel_type_id: UUID | None = None
    channel_request_id: UUID | None = None
    number_type_id: UUID | None = None
    name: str | None = None
    phone: str | None = None
    code: OpenCode | None = None
    template_id: UUID | None = None
    language: Language | None = None
    content: str | None = None
    provider: Provider | None = None


ASKED = "unnest($1::uuid[], $2::uuid[]) AS asked (account_id, id)"
CHANNELS = f"SELECT account_id, id, channel_type_id FROM channel_request JOIN {ASKED} USING (account_id, id)"
BUSINESS_ACCOUNTS = f"SELECT account_id, id, channel_request_id FROM business_account JOIN {ASKED} USING (account_id, id)"
NUMBERS = f"SELECT account_id, id, number_type_id FROM number_request JOIN {ASKED} USING (account_id, id)"
PROFILES = f"""
SELECT account_id, id, channel_request_id, name, phone, code_method, code, code_expires_at, coalesce({IS_OPEN}, false) AS is_open
FROM whatsapp_profile JOIN {ASKED} USING (account_id, id)
"""
LANGUAGES = f"""
SELECT l.account_id, l.id, t.channel_request_id, l.template_id, l.content, w.id AS language_id, w.code, w.name,
    p.provider_id IS NOT NULL OR p.error IS NOT NULL AS is_known, p.provider_id, p.status, p.synced_at, p.error
FROM template_language l JOIN {ASKED} ON asked.account_id = l.account_id AND asked.id = l.id
JOIN whatsapp_template t ON t.account_id = l.account_id AND t.id = l.template_id
JOIN whatsapp_language w ON w.id = l.language_id
LEFT JOIN provider_template p ON p.account_id = l.account_id AND p.language_id = l.id
"""
OF_KIND: Mapping[Kind, str] = {
    Kind.CHANNEL: CHANNELS,
    Kind.BUSINESS_ACCOUNT: BUSINESS_ACCOUNTS,
    Kind.NUMBER: NUMBERS,
    Kind.PROFILE: PROFILES,
    Kind.TEMPLATE_LANGUAGE: LANGUAGES,
}


async def list_all(
    db: Queries, page: Page, *, state: str | None = None, kind: str | None = None, of_account: UUID | None = None, now: datetime
) -> Listed[Shown]:
    """The oldest first."""
    listed = await work_queue.list_all(db, page, state=state, kind=kind, of_account=of_account)
    return Listed(await _shown(db, listed.rows, now), listed.total)


async def get(db: Queries, id: UUID, now: datetime) -> Shown:
    """Raises NotFoundError."""
    item = await work_queue.get(db, await work_queue.account_of(db, id), id)
    return (await _shown(db, [item], now))[0]


async def approve(db: Database, id: UUID, *, number: str | None = None, now: datetime) -> Shown:
    """See decisions.approve."""
    item = await decisions.approve(db, await work_queue.account_of(db, id), id, number=number, now=now)
    return (await _shown(db, [item], now))[0]


async def reject(db: Database, id: UUID, reason: str | None, now: datetime) -> Shown:
    """See decisions.reject."""
    item = await decisions.reject(db, await work_queue.account_of(db, id), id, reason, now)
    return (await _shown(db, [item], now))[0]


async def _shown(db: Queries, items: Sequence[Item], now: datetime) -> Sequence[Shown]:
    found: dict[tuple[AccountId, UUID], Record] = {}
    for kind, query in OF_KIND.items():
        asked = [item for item in items if item.kind == kind]
        if asked:
            values = (now, CODE_TRIES) if kind == Kind.PROFILE else ()
            rows = await db.fetch(query, [item.account for item in asked], [item.entity_id for item in asked], *values)
            found |= {(AccountId(row["account_id"]), row["id"]): row for row in rows}
    return [READ[item.kind](item, found[item.account, item.entity_id]) for item in items]


def _channel(item: Item, row: Record) -> Shown:
    return Shown(item, channel_type_id=row["channel_type_id"])


def _business_account(item: Item, row: Record) -> Shown:
    return Shown(item, channel_request_id=row["channel_request_id"])


def _number(item: Item, row: Record) -> Shown:
    return Shown(item, number_type_id=row["number_type_id"])


def _profile(item: Item, row: Record) -> Shown:
    is_shown = row["is_open"] and item.state == "pending"
    code = OpenCode(row["code_method"], row["code"], row["code_expires_at"]) if is_shown else None
    return Shown(item, channel_request_id=row["channel_request_id"], name=row["name"], phone=row["phone"], code=code)


def _language(item: Item, row: Record) -> Shown:
    provider = Provider(row["provider_id"], row["status"], row["synced_at"], row["error"]) if row["is_known"] else None
    return Shown(
        item,
        channel_request_id=row["channel_request_id"],
        template_id=row["template_id"],
        language=Language(row["language_id"], row["code"], row["name"]),
        content=row["content"],
        provider=provider,
    )


READ: Mapping[Kind, Callable[[Item, Record], Shown]] = {
    Kind.CHANNEL: _channel,
    Kind.BUSINESS_ACCOUNT: _business_account,
    Kind.NUMBER: _number,
    Kind.PROFILE: _profile,
    Kind.TEMPLATE_LANGUAGE: _language,
}
