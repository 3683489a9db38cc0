"""What tests of channels build: types and numbers in stock, requests and claims, WhatsApp's profiles and templates; and the tables as they
stand.
"""

import asyncio
import base64
import io
import itertools
from collections.abc import Awaitable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
from PIL import Image as Pillow

from reachbook.core import (
    catalogues,
    channel_requests,
    decisions,
    ids,
    keywords,
    number_requests,
    numbers,
    profiles,
    templates,
    whatsapp_languages,
    work_queue,
)
from reachbook.core.catalogues import ChannelType, ChannelTypeDraft, NumberType, NumberTypeDraft
from reachbook.core.channel_requests import ChannelRequest
from reachbook.core.errors import ReachbookError
from reachbook.core.ids import AccountId
from reachbook.core.keywords import Claim
from reachbook.core.limits import CODE_TRIES
from reachbook.core.number_requests import NumberRequest
from reachbook.core.paging import Page
from reachbook.core.profiles import OpenCode, Profile
from reachbook.core.templates import Template
from reachbook.core.work_queue import Item, Kind
from reachbook.database.queries import Database, Queries

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
ALL = Page(0, 10_000)

_serial = itertools.count(1)


OPEN = f"SELECT code_method, code, code_expires_at FROM whatsapp_profile WHERE account_id = $1 AND id = $2 AND {profiles.IS_OPEN}"


async def open_code(db: Queries, account: AccountId, profile: UUID, now: datetime) -> OpenCode | None:
    """The one-time password that is out for a profile, as the operator is shown it."""
    row = await db.fetchrow(OPEN, account, profile, now, CODE_TRIES)
    return OpenCode(row["code_method"], row["code"], row["code_expires_at"]) if row else None


def fresh_number() -> str:
    """A number that no other test has."""
    return f"+3197010{next(_serial):06}"


def fresh_name() -> str:
    """A word of letters and digits that no other test has."""
    return f"test{next(_serial)}"


def picture(form: str = "PNG", size: tuple[int, int] = (8, 8)) -> bytes:
    """A real image."""
    file = io.BytesIO()
    Pillow.effect_noise(size, 80).convert("RGB").save(file, form)
    return file.getvalue()


def data_url(data: bytes, media_type: str = "image/png") -> str:
    """As profiles are given their image."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


IMAGE = data_url(picture())


# --- numbers


async def number_type(db: Database, **changes: Any) -> NumberType:
    """A number type of the test's own: whatever is stocked of it, nobody else waits for."""
    given: dict[str, Any] = {"country": "NL", "category": "virtual", "description": "Dutch long number"}
    made = await catalogues.save_number_type(db, None, NumberTypeDraft(**(given | changes)))
    return await catalogues.number_type(db, made.id)


async def stock(db: Database, type: NumberType, count: int = 1, *, is_shared: bool = False, now: datetime = NOW) -> list[str]:
    """New numbers of a type, by id."""
    drafts = [numbers.Draft(fresh_number(), type.id, is_shared) for _ in range(count)]
    return [number.id for number in await numbers.stock(db, drafts, now)]


async def restock(db: Database, type: NumberType, number: str, *, is_shared: bool = False, now: datetime = NOW) -> str:
    """A number that was withdrawn, or is refused."""
    (one,) = await numbers.stock(db, [numbers.Draft(f"+{number}", type.id, is_shared)], now)
    return one.state


async def ask(db: Database, account: AccountId, type: NumberType, *, simulate: bool = False, now: datetime = NOW) -> NumberRequest:
    """A number request."""
    return await number_requests.create(db, account, ids.new_id(), type.id, simulate=simulate, now=now)


async def rent(db: Database, account: AccountId, type: NumberType, now: datetime = NOW) -> str:
    """A number that the account owns."""
    (number,) = await stock(db, type, now=now)
    assert (await ask(db, account, type, now=now)).phone_number_id == number
    return number


async def claim(db: Database, account: AccountId, number: str, word: str = "JOIN", *, simulate: bool = False, now: datetime = NOW) -> Claim:
    """A keyword claim."""
    return await keywords.claim(db, account, ids.new_id(), number, word, simulate=simulate, now=now)


async def waiting_beside_stock(db: Queries, type: UUID) -> bool:
    """Whether a request of a type waits although a number of it is free: never."""
    waits = await db.fetchval("SELECT count(*) FROM number_request WHERE number_type_id = $1 AND state = 'pending'", type)
    return bool(waits and await db.fetchval("SELECT count(*) FROM phone_number WHERE number_type_id = $1 AND state = 'free'", type))


# --- channel requests, and what is to be decided


async def channel_type(db: Database, **changes: Any) -> ChannelType:
    """A channel type of the test's own."""
    given: dict[str, Any] = {"key": fresh_name(), "description": "Of a test"}
    made = await catalogues.save_channel_type(db, None, ChannelTypeDraft(**(given | changes)), NOW)
    return await catalogues.channel_type(db, made.id)


async def ask_whatsapp(db: Database, account: AccountId, now: datetime = NOW) -> ChannelRequest:
    """A request for WhatsApp, pending."""
    type = await catalogues.channel_type_by_key(db, catalogues.WHATSAPP)
    return await channel_requests.create(db, account, ids.new_id(), type.id, now)


async def whatsapp(db: Database, account: AccountId, now: datetime = NOW) -> UUID:
    """A request for WhatsApp that was fulfilled."""
    made = await ask_whatsapp(db, account, now)
    await decisions.approve(db, account, await item_of(db, account, Kind.CHANNEL, made.id), now=now)
    return made.id


async def items(db: Queries, account: AccountId, state: str | None = "pending") -> list[Item]:
    """An account's part of the work queue."""
    return list((await work_queue.list_all(db, ALL, state=state, of_account=account)).rows)


async def item_of(db: Queries, account: AccountId, kind: Kind, entity: UUID) -> UUID:
    """The item that waits for a decision about this."""
    (found,) = [item.id for item in await items(db, account) if (item.kind, item.entity_id) == (kind, entity)]
    return found


# --- WhatsApp


async def profile(db: Database, account: AccountId, request: UUID, phone: str | None = None, now: datetime = NOW) -> Profile:
    """A profile that is not verified."""
    draft = profiles.Draft("Webshop", IMAGE, phone or fresh_number())
    return await profiles.create(db, account, request, ids.new_id(), draft, now)


async def activate(db: Database, account: AccountId, request: UUID, *codes: str) -> None:
    """Activate languages."""
    known = {language.code: language.id for language in await catalogues.languages(db)}
    for code in codes:
        await whatsapp_languages.activate(db, account, request, known[code], NOW)


async def category(db: Queries, name: str = "UTILITY") -> UUID:
    """A template category."""
    return next(one.id for one in await catalogues.template_categories(db) if one.name == name)


async def template(
    db: Database,
    account: AccountId,
    request: UUID,
    contents: Mapping[str, str | None] | None = None,
    *,
    fields: int = 0,
    name: str = "Order",
    now: datetime = NOW,
) -> Template:
    """A template with replacement fields, and contents by code; their languages are activated."""
    made = await templates.create(db, account, request, ids.new_id(), name, await category(db), now)
    for number in range(fields):
        made = await templates.add_field(db, account, request, made.id, f"field {number + 1}", "text", now)
    await activate(db, account, request, *(contents or {}))
    return await templates.update(db, account, request, made.id, templates.Draft(languages=contents or {}), now)


async def decide_language(
    db: Database, account: AccountId, template: Template, code: str, *, approved: bool, now: datetime = NOW, reason: str = "No."
) -> Template:
    """The operator approves or rejects a language that awaits validation."""
    language = language_of(template, code)
    item = await item_of(db, account, Kind.TEMPLATE_LANGUAGE, language.id)
    await (decisions.approve(db, account, item, now=now) if approved else decisions.reject(db, account, item, reason, now))
    return await templates.get(db, account, template.request_id, template.id)


def language_of(template: Template, code: str) -> templates.TemplateLanguage:
    """A template in one language."""
    return next(one for one in template.languages if one.language.code == code)


# --- many at once


async def at_once(*calls: Awaitable[Any]) -> tuple[list[Any], list[ReachbookError]]:
    """All at the same time: the answers and the refusals. Anything else is raised."""
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException) and not isinstance(outcome, ReachbookError):
            raise outcome
    refusals = [outcome for outcome in outcomes if isinstance(outcome, ReachbookError)]
    return [outcome for outcome in outcomes if not isinstance(outcome, ReachbookError)], refusals


# --- the tables as they stand


async def every_table(owner: asyncpg.Connection) -> dict[str, list[str]]:
    """All rows of all tables."""
    names = [row["tablename"] for row in await owner.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    return {name: [row["row"] for row in await owner.fetch(f'SELECT t::text AS row FROM "{name}" t ORDER BY 1')] for name in names}


OF_ACCOUNTS = (
    *("channel_group", "channel_request", "channel", "number_request", "keyword_claim", "channel_configuration", "channel_endpoint"),
    *("business_account", "active_language", "whatsapp_profile", "whatsapp_template", "template_field", "template_language"),
    *("provider_template", "work_item"),
)
OF_OWNERS = ("phone_number", "taken_keyword", "whatsapp_number")
STANDING = "\nUNION ALL ".join(
    [
        *(f"SELECT '{name}' AS name, t::text AS row FROM {name} t WHERE account_id = ANY($1::uuid[])" for name in OF_ACCOUNTS),
        *(f"SELECT '{name}', t::text FROM {name} t WHERE owner_id = ANY($1::uuid[])" for name in OF_OWNERS),
    ]
)


async def standing(db: Queries, *accounts: AccountId) -> list[tuple[str, str]]:
    """All that accounts have of channels."""
    return sorted((row["name"], row["row"]) for row in await db.fetch(STANDING, list(accounts)))
