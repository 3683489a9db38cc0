"""What tests of the provider build through core: a business account that Meta knows, templates that go there."""

import asyncio
import itertools
import time
from collections.abc import Mapping
from uuid import UUID

from reachbook.core import channel_requests, ids, queue_view, templates
from reachbook.core.ids import AccountId
from reachbook.core.queue_view import Provider
from reachbook.core.templates import Draft, Template, TemplateLanguage
from reachbook.core.work_queue import Kind
from reachbook.database.queries import Database
from reachbook.providers.meta import Meta
from reachbook.workers import provider
from tests.core import channels

GREETING = "Dear {{1}}, order {{ 2 }} is on its way."
SENT = "Dear {{1}}, order {{2}} is on its way."
"""As Meta has it."""

_ids = itertools.count(time.time_ns() // 1_000)


def new_provider_id() -> str:
    """An id as Meta gives them, which no other test has."""
    return str(next(_ids))


async def business(db: Database, account: AccountId) -> tuple[UUID, str]:
    """A channel request for WhatsApp and its business account at Meta."""
    request, id = (await channels.ask_whatsapp(db, account, ids.now())).id, new_provider_id()
    await channel_requests.set_provider(db, account, request, id)
    return request, id


async def validated(db: Database, account: AccountId, request: UUID, contents: Mapping[str, str | None] | None = None) -> Template:
    """A template that awaits validation."""
    made = await channels.template(db, account, request, contents or {"en_US": GREETING}, fields=2, now=ids.now())
    return await templates.validate(db, account, request, made.id, ids.now())


async def edited(db: Database, account: AccountId, of: Template, content: str) -> Template:
    """Its English is another one, and awaits validation."""
    await templates.update(db, account, of.request_id, of.id, Draft(languages={"en_US": content}), ids.now())
    return await templates.validate(db, account, of.request_id, of.id, ids.now())


async def language(db: Database, account: AccountId, of: Template, code: str = "en_US") -> TemplateLanguage:
    """As it stands now."""
    return channels.language_of(await templates.get(db, account, of.request_id, of.id), code)


async def shown(db: Database, account: AccountId, of: Template, code: str = "en_US") -> Provider:
    """What the operator's work queue shows of it."""
    id = channels.language_of(of, code).id
    item = next(item for item in await channels.items(db, account, None) if (item.kind, item.entity_id) == (Kind.TEMPLATE_LANGUAGE, id))
    return (await queue_view.get(db, item.id, ids.now())).provider or Provider(None, None, None, None)


async def submit(meta: Meta, db: Database) -> int:
    """Tell Meta all that is due; how much that was."""
    told = 0
    while await provider.submit_due(meta, db, asyncio.Event()):
        told += 1
    return told


async def poll(meta: Meta, db: Database, business_id: str) -> None:
    """Ask Meta for one business account's templates, now."""
    due = "INSERT INTO provider_poll VALUES ($1, $2) ON CONFLICT (business_id) DO UPDATE SET due_at = $2"
    await db.execute(due, business_id, ids.now())
    while await provider.poll_due(meta, db, asyncio.Event()):
        pass


async def again(db: Database, account: AccountId) -> None:
    """The time has come to try again what failed."""
    await db.execute(
        "UPDATE provider_template SET due_at = now() - interval '1 second' WHERE account_id = $1 AND due_at IS NOT NULL", account
    )
