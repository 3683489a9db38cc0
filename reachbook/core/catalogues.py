"""What an installation has to offer: channel types, number types, WhatsApp languages and template categories. The operator edits them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from reachbook.core import money, phone
from reachbook.core.errors import ConflictError, Fault, InvalidError, NotFoundError
from reachbook.core.ids import new_id
from reachbook.core.limits import INT32, NAME_LENGTH
from reachbook.core.paging import Listed, Page
from reachbook.core.text import clean
from reachbook.database.queries import Database, Queries, Record, Transaction

SMS, WHATSAPP = "sms", "whatsApp"
"""The channel types that have rules of their own, by key."""

# Who edits a catalogue waits for the other who does: what was looked up holds until the commit.
ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtext('reachbook catalogues'))"


# --- channel types


class Category(NamedTuple):
    """Of a channel type: keywords, numbers, templates, profiles, businessAccount. Or of templates."""

    id: UUID
    name: str


class ChannelType(msgspec.Struct, frozen=True):
    """`key` is its name under `available`; `description` is what it is called elsewhere. Costs in `currency`."""

    id: UUID
    key: str
    description: str
    currency: str
    startup_cost: Decimal
    monthly_cost: Decimal
    processing_days: int
    notice_days: int
    auto_fulfil: bool
    coming_soon: bool
    categories: Sequence[Category] = ()

    def category(self, name: str) -> Category | None:
        """The category of this name, if it has one."""
        return next((category for category in self.categories if category.name == name), None)


class ChannelTypeDraft(msgspec.Struct):
    """A channel type as the operator gives it; what is UNSET stays, or is zero or false for a new one."""

    key: str | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    currency: str | UnsetType | None = UNSET
    startup_cost: Decimal | UnsetType | None = UNSET
    monthly_cost: Decimal | UnsetType | None = UNSET
    processing_days: int | UnsetType | None = UNSET
    notice_days: int | UnsetType | None = UNSET
    auto_fulfil: bool | UnsetType | None = UNSET
    coming_soon: bool | UnsetType | None = UNSET
    categories: Any = UNSET
    """Of (id or None, name)."""


TYPE_COLUMNS = "id, key, description, currency, startup_cost, monthly_cost, processing_days, notice_days, auto_fulfil, coming_soon"
TYPES = f"""
SELECT {TYPE_COLUMNS},
    (SELECT coalesce(array_agg(c.id::text ORDER BY c.position), '{{}}') FROM channel_category c WHERE c.type_id = t.id) AS ids,
    (SELECT coalesce(array_agg(c.name ORDER BY c.position), '{{}}') FROM channel_category c WHERE c.type_id = t.id) AS names
FROM channel_type t ORDER BY created_at, id
"""


async def channel_types(db: Queries) -> Sequence[ChannelType]:
    """All, those that come soon too, in the order in which they were made."""
    return [_channel_type(row) for row in await db.fetch(TYPES)]


async def channel_type(db: Queries, id: UUID) -> ChannelType:
    """Raises NotFoundError."""
    found = next((type for type in await channel_types(db) if type.id == id), None)
    if found is None:
        raise NotFoundError(f"There is no channel type {id}.", "channel_type")
    return found


async def available_types(db: Queries, page: Page) -> Listed[ChannelType]:
    """Those that accounts can ask for."""
    found = [type for type in await channel_types(db) if not type.coming_soon]
    return Listed(found[page.skip : page.skip + page.take], len(found))


async def available_type(db: Queries, id: UUID) -> ChannelType:
    """One of those. Raises NotFoundError."""
    found = await channel_type(db, id)
    if found.coming_soon:
        raise NotFoundError(f"There is no channel type {id}.", "channel_type")
    return found


async def channel_type_by_key(db: Queries, key: str) -> ChannelType:
    """One of the types that have rules of their own."""
    return next(type for type in await channel_types(db) if type.key == key)


SAVE_TYPE = f"""
INSERT INTO channel_type ({TYPE_COLUMNS}, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (id) DO UPDATE SET key = excluded.key, description = excluded.description, currency = excluded.currency,
    startup_cost = excluded.startup_cost, monthly_cost = excluded.monthly_cost, processing_days = excluded.processing_days,
    notice_days = excluded.notice_days, auto_fulfil = excluded.auto_fulfil, coming_soon = excluded.coming_soon
"""
# All anew: names that change places would be in each other's way.
DROP_CATEGORIES = "DELETE FROM channel_category WHERE type_id = $1"
SAVE_CATEGORY = "INSERT INTO channel_category (id, type_id, name, position) VALUES ($1, $2, $3, $4)"
USED_CATEGORIES = "SELECT DISTINCT category FROM channel WHERE channel_type_id = $1"


async def save_channel_type(db: Database, id: UUID | None, draft: ChannelTypeDraft, now: datetime) -> ChannelType:
    """A new channel type, or with an id what changes of one. Raises NotFoundError, InvalidError, ConflictError."""
    async with db.transaction() as tx:
        await tx.execute(ONE_AT_A_TIME)
        before = None if id is None else await channel_type(tx, id)
        after = _checked_type(before or ChannelType(new_id(), "", "", "EUR", Decimal(0), Decimal(0), 0, 0, False, False), draft)
        if before is not None and before.key in (SMS, WHATSAPP) and after.key != before.key:
            raise ConflictError(f"The channel type {before.key} has rules of its own and keeps its key.")
        await _refuse_used_key(tx, after)
        await tx.execute(SAVE_TYPE, *(getattr(after, name) for name in TYPE_COLUMNS.split(", ")), now)
        if draft.categories is not UNSET:
            await _save_categories(tx, after)
    return after


async def _refuse_used_key(tx: Transaction, type: ChannelType) -> None:
    if any(other.key.lower() == type.key.lower() and other.id != type.id for other in await channel_types(tx)):
        raise ConflictError(f"There is a channel type {type.key} already.")


async def _save_categories(tx: Transaction, type: ChannelType) -> None:
    used = {row["category"] for row in await tx.fetch(USED_CATEGORIES, type.id)}
    missing = used - {category.name for category in type.categories}
    if missing:
        raise ConflictError(f"There are channels of the category {', '.join(sorted(missing))}.")
    await tx.execute(DROP_CATEGORIES, type.id)
    for position, category in enumerate(type.categories):
        await tx.execute(SAVE_CATEGORY, category.id, type.id, category.name, position)


def _checked_type(before: ChannelType, draft: ChannelTypeDraft) -> ChannelType:
    faults: list[Fault] = []
    key = _name(draft.key, before.key, "key", faults)
    if not faults and not (key.isascii() and key.isalnum()):
        faults.append(Fault(("key",), "must be letters and digits"))
    categories = before.categories if draft.categories is UNSET else _categories(before, draft.categories or (), faults)
    after = ChannelType(
        before.id,
        key,
        _name(draft.description, before.description, "description", faults),
        before.currency if not draft.currency else money.currency(draft.currency, ("currency",), faults),
        _cost(draft.startup_cost, before.startup_cost, "startup_cost", faults),
        _cost(draft.monthly_cost, before.monthly_cost, "monthly_cost", faults),
        _days(draft.processing_days, before.processing_days, "processing_days", faults),
        _days(draft.notice_days, before.notice_days, "notice_days", faults),
        before.auto_fulfil if not isinstance(draft.auto_fulfil, bool) else draft.auto_fulfil,
        before.coming_soon if not isinstance(draft.coming_soon, bool) else draft.coming_soon,
        categories,
    )
    if faults:
        raise InvalidError(faults)
    return after


def _categories(before: ChannelType, given: Sequence[tuple[UUID | None, str]], faults: list[Fault]) -> Sequence[Category]:
    found: list[Category] = []
    named = {id for id, _ in given if id is not None}
    for index, (id, name) in enumerate(given):
        written = clean(name, ("categories", index, "name"), NAME_LENGTH, faults)
        if written is None:
            faults.append(Fault(("categories", index, "name"), "is required"))
        elif any(other.name == written for other in found):
            faults.append(Fault(("categories", index, "name"), "is there twice"))
        elif id is not None and all(category.id != id for category in before.categories):
            faults.append(Fault(("categories", index, "id"), "is no category of this channel type"))
        elif id is not None and any(other.id == id for other in found):
            faults.append(Fault(("categories", index, "id"), "is there twice"))
        else:
            known = before.category(written)
            found.append(Category(id or (known.id if known and known.id not in named else new_id()), written))
    return found


# --- number types


class NumberType(msgspec.Struct, frozen=True):
    """A kind of number that accounts rent or claim keywords on (document 003, ApiNumberTypeResponse)."""

    id: UUID
    purpose: Sequence[str]
    country: str
    category: str
    description: str
    currency: str
    startup_cost: Decimal
    monthly_cost: Decimal
    notice_days: int
    keyword_startup_cost: Decimal
    keyword_monthly_cost: Decimal
    keyword_notice_days: int
    processing_days: int


class NumberTypeDraft(msgspec.Struct):
    """A number type as the operator gives it; what is UNSET stays."""

    purpose: list[str] | UnsetType | None = UNSET
    country: str | UnsetType | None = UNSET
    category: str | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    currency: str | UnsetType | None = UNSET
    startup_cost: Decimal | UnsetType | None = UNSET
    monthly_cost: Decimal | UnsetType | None = UNSET
    notice_days: int | UnsetType | None = UNSET
    keyword_startup_cost: Decimal | UnsetType | None = UNSET
    keyword_monthly_cost: Decimal | UnsetType | None = UNSET
    keyword_notice_days: int | UnsetType | None = UNSET
    processing_days: int | UnsetType | None = UNSET


NUMBER_TYPE_COLUMNS = (
    "id, purpose, country, category, description, currency, startup_cost, monthly_cost, notice_days, "
    "keyword_startup_cost, keyword_monthly_cost, keyword_notice_days, processing_days"
)
NUMBER_TYPE = f"SELECT {NUMBER_TYPE_COLUMNS} FROM number_type WHERE id = $1"
TYPE_FILTER = """
($1::text IS NULL OR upper(country) = upper($1)) AND ($2::text IS NULL OR upper(category) = upper($2))
    AND ($3::text IS NULL OR EXISTS (SELECT 1 FROM unnest(purpose) p WHERE upper(p) = upper($3)))
""".strip()
NUMBER_TYPES = f"SELECT {NUMBER_TYPE_COLUMNS} FROM number_type WHERE {TYPE_FILTER} ORDER BY country, category, id OFFSET $4 LIMIT $5"
NUMBER_TYPES_TOTAL = f"SELECT count(*) FROM number_type WHERE {TYPE_FILTER}"


async def number_types(
    db: Queries, page: Page, *, country: str | None = None, category: str | None = None, purpose: str | None = None
) -> Listed[NumberType]:
    """By country and category, whatever their case."""
    rows = await db.fetch(NUMBER_TYPES, country, category, purpose, page.skip, page.take)
    return Listed([NumberType(**row) for row in rows], await db.fetchval(NUMBER_TYPES_TOTAL, country, category, purpose))


async def number_type(db: Queries, id: UUID) -> NumberType:
    """Raises NotFoundError."""
    row = await db.fetchrow(NUMBER_TYPE, id)
    if row is None:
        raise NotFoundError(f"There is no number type {id}.", "number_type")
    return NumberType(**row)


NUMBER_TYPES_AMONG = f"SELECT {NUMBER_TYPE_COLUMNS} FROM number_type WHERE id = ANY($1::uuid[])"


async def number_types_among(db: Queries, ids: set[UUID]) -> Mapping[UUID, NumberType]:
    """Those that are there, by id."""
    return {row["id"]: NumberType(**row) for row in await db.fetch(NUMBER_TYPES_AMONG, list(ids))} if ids else {}


SAVE_NUMBER_TYPE = f"""
INSERT INTO number_type ({NUMBER_TYPE_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT (id) DO UPDATE SET purpose = excluded.purpose, country = excluded.country, category = excluded.category,
    description = excluded.description, currency = excluded.currency, startup_cost = excluded.startup_cost,
    monthly_cost = excluded.monthly_cost, notice_days = excluded.notice_days, keyword_startup_cost = excluded.keyword_startup_cost,
    keyword_monthly_cost = excluded.keyword_monthly_cost, keyword_notice_days = excluded.keyword_notice_days,
    processing_days = excluded.processing_days
"""
NEW_NUMBER_TYPE = NumberType(UUID(int=0), ("SMS",), "", "", "", "EUR", Decimal(0), Decimal(0), 0, Decimal(0), Decimal(0), 0, 0)


async def save_number_type(db: Database, id: UUID | None, draft: NumberTypeDraft) -> NumberType:
    """A new number type, or with an id what changes of one. Raises NotFoundError, InvalidError, ConflictError.

    The country of a type that has numbers stays: ids of short codes begin with it.
    """
    async with db.transaction() as tx:
        await tx.execute(ONE_AT_A_TIME)
        before = msgspec.structs.replace(NEW_NUMBER_TYPE, id=new_id()) if id is None else await number_type(tx, id)
        after = _checked_number_type(before, draft)
        if id is not None and after.country != before.country and await tx.fetchval(HAS_NUMBERS, id):
            raise ConflictError("There are numbers of this type; it keeps its country.")
        await tx.execute(SAVE_NUMBER_TYPE, *(getattr(after, name) for name in NUMBER_TYPE_COLUMNS.split(", ")))
    return after


HAS_NUMBERS = "SELECT EXISTS (SELECT 1 FROM phone_number WHERE number_type_id = $1)"
DELETE_NUMBER_TYPE = "DELETE FROM number_type WHERE id = $1 RETURNING id"
REQUESTED = "SELECT EXISTS (SELECT 1 FROM number_request WHERE number_type_id = $1)"
# Who asks for a number of the type at this moment is waited for (numbers.hold_types).
HOLD_NUMBER_TYPE = "SELECT id FROM number_type WHERE id = $1 FOR UPDATE"


async def delete_number_type(db: Database, id: UUID) -> None:
    """Raises NotFoundError, ConflictError when numbers or requests are of it."""
    async with db.transaction() as tx:
        await tx.execute(HOLD_NUMBER_TYPE, id)
        await number_type(tx, id)
        if await tx.fetchval(REQUESTED, id) or await tx.fetchval(HAS_NUMBERS, id):
            raise ConflictError("Numbers or requests are of this type.")
        await tx.execute(DELETE_NUMBER_TYPE, id)


def _checked_number_type(before: NumberType, draft: NumberTypeDraft) -> NumberType:
    faults: list[Fault] = []
    country = before.country
    if draft.country is not UNSET or not country:
        country = phone.region(draft.country or "") or ""
        if len(country) != 2:
            faults.append(Fault(("country",), "must be an ISO 3166-1 alpha-2 code such as NL"))
    purpose = before.purpose
    if draft.purpose is not UNSET:
        cleaned = [clean(text, ("purpose", index), NAME_LENGTH, faults) for index, text in enumerate(draft.purpose or ())]
        purpose = [text.strip().upper() for text in cleaned if text]
        if not purpose:
            faults.append(Fault(("purpose",), "must name at least one, such as SMS"))
    after = NumberType(
        before.id,
        purpose,
        country,
        _name(draft.category, before.category, "category", faults),
        _name(draft.description, before.description, "description", faults),
        before.currency if not draft.currency else money.currency(draft.currency, ("currency",), faults),
        _cost(draft.startup_cost, before.startup_cost, "startup_cost", faults),
        _cost(draft.monthly_cost, before.monthly_cost, "monthly_cost", faults),
        _days(draft.notice_days, before.notice_days, "notice_days", faults),
        _cost(draft.keyword_startup_cost, before.keyword_startup_cost, "keyword_startup_cost", faults),
        _cost(draft.keyword_monthly_cost, before.keyword_monthly_cost, "keyword_monthly_cost", faults),
        _days(draft.keyword_notice_days, before.keyword_notice_days, "keyword_notice_days", faults),
        _days(draft.processing_days, before.processing_days, "processing_days", faults),
    )
    if faults:
        raise InvalidError(faults)
    return after


# --- WhatsApp: languages and template categories


class Language(NamedTuple):
    """Meta's code (`en_US`) and name."""

    id: UUID
    code: str
    name: str


LANGUAGES = "SELECT id, code, name FROM whatsapp_language ORDER BY name, id"


async def languages(db: Queries) -> Sequence[Language]:
    """All, by name."""
    return [Language(**row) for row in await db.fetch(LANGUAGES)]


async def language(db: Queries, id: UUID) -> Language:
    """Raises NotFoundError."""
    return _found(await languages(db), id, "language")


KEEP_LANGUAGE = "SELECT id FROM whatsapp_language WHERE id = $1 FOR KEY SHARE"


async def keep_language(tx: Transaction, id: UUID) -> Language:
    """One that is not deleted before the commit. Raises NotFoundError."""
    await tx.execute(KEEP_LANGUAGE, id)
    return await language(tx, id)


SAVE_LANGUAGE = """
INSERT INTO whatsapp_language (id, code, name) VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET code = excluded.code, name = excluded.name
"""


async def save_language(db: Database, id: UUID | None, code: str | UnsetType | None, name: str | UnsetType | None) -> Language:
    """A new language, or with an id what changes of one. Raises NotFoundError, InvalidError, ConflictError."""
    async with db.transaction() as tx:
        await tx.execute(ONE_AT_A_TIME)
        known = await languages(tx)
        before = Language(new_id(), "", "") if id is None else _found(known, id, "language")
        faults: list[Fault] = []
        after = Language(before.id, _name(code, before.code, "code", faults), _name(name, before.name, "name", faults))
        if faults:
            raise InvalidError(faults)
        if any(other.id != after.id and (other.code == after.code or other.name == after.name) for other in known):
            raise ConflictError("There is a language of this code or name already.")
        await tx.execute(SAVE_LANGUAGE, *after)
    return after


LANGUAGE_USED = """
SELECT EXISTS (SELECT 1 FROM active_language WHERE language_id = $1) OR EXISTS (SELECT 1 FROM template_language WHERE language_id = $1)
"""
HOLD_LANGUAGE = "SELECT id FROM whatsapp_language WHERE id = $1 FOR UPDATE"
DELETE_LANGUAGE = "DELETE FROM whatsapp_language WHERE id = $1"


async def delete_language(db: Database, id: UUID) -> None:
    """Raises NotFoundError, ConflictError when an account has activated it."""
    async with db.transaction() as tx:
        await tx.execute(HOLD_LANGUAGE, id)
        await language(tx, id)
        if await tx.fetchval(LANGUAGE_USED, id):
            raise ConflictError("Accounts have activated this language.")
        await tx.execute(DELETE_LANGUAGE, id)


CATEGORIES = "SELECT id, name FROM template_category ORDER BY name, id"


async def template_categories(db: Queries) -> Sequence[Category]:
    """All, by name."""
    return [Category(**row) for row in await db.fetch(CATEGORIES)]


async def template_category(db: Queries, id: UUID) -> Category:
    """Raises NotFoundError."""
    return _found(await template_categories(db), id, "template category")


KEEP_CATEGORY = "SELECT id FROM template_category WHERE id = $1 FOR KEY SHARE"


async def keep_template_category(tx: Transaction, id: UUID) -> Category:
    """One that is not deleted before the commit. Raises NotFoundError."""
    await tx.execute(KEEP_CATEGORY, id)
    return await template_category(tx, id)


SAVE_TEMPLATE_CATEGORY = "INSERT INTO template_category (id, name) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET name = excluded.name"


async def save_template_category(db: Database, id: UUID | None, name: str | UnsetType | None) -> Category:
    """A new category, or with an id its new name. Raises NotFoundError, InvalidError, ConflictError."""
    async with db.transaction() as tx:
        await tx.execute(ONE_AT_A_TIME)
        known = await template_categories(tx)
        before = Category(new_id(), "") if id is None else _found(known, id, "template category")
        faults: list[Fault] = []
        after = Category(before.id, _name(name, before.name, "name", faults))
        if faults:
            raise InvalidError(faults)
        if any(other.id != after.id and other.name == after.name for other in known):
            raise ConflictError("There is a template category of this name already.")
        await tx.execute(SAVE_TEMPLATE_CATEGORY, *after)
    return after


CATEGORY_USED = "SELECT EXISTS (SELECT 1 FROM whatsapp_template WHERE category_id = $1)"
HOLD_CATEGORY = "SELECT id FROM template_category WHERE id = $1 FOR UPDATE"
DELETE_CATEGORY = "DELETE FROM template_category WHERE id = $1"


async def delete_template_category(db: Database, id: UUID) -> None:
    """Raises NotFoundError, ConflictError when templates are of it."""
    async with db.transaction() as tx:
        await tx.execute(HOLD_CATEGORY, id)
        await template_category(tx, id)
        if await tx.fetchval(CATEGORY_USED, id):
            raise ConflictError("Templates are of this category.")
        await tx.execute(DELETE_CATEGORY, id)


# --- parts


def _channel_type(row: Record) -> ChannelType:
    values = {name: row[name] for name in TYPE_COLUMNS.split(", ")}
    categories = [Category(UUID(id), name) for id, name in zip(row["ids"], row["names"], strict=True)]
    return ChannelType(**values, categories=categories)


def _found(rows: Sequence[Any], id: UUID, what: str) -> Any:
    found = next((row for row in rows if row.id == id), None)
    if found is None:
        raise NotFoundError(f"There is no {what} {id}.", what.replace(" ", "_"))
    return found


def _name(given: str | UnsetType | None, before: str, name: str, faults: list[Fault]) -> str:
    if given is UNSET and before:
        return before
    written = clean(given or None, (name,), NAME_LENGTH, faults)
    if written is None:
        faults.append(Fault((name,), "is required"))
    return (written or "").strip()


def _cost(given: Decimal | UnsetType | None, before: Decimal, name: str, faults: list[Fault]) -> Decimal:
    return money.cost(given, (name,), faults) if isinstance(given, Decimal) else before


def _days(given: int | UnsetType | None, before: int, name: str, faults: list[Fault]) -> int:
    if not isinstance(given, int):
        return before
    if not 0 <= given <= INT32:
        faults.append(Fault((name,), "must be 0 or more"))
    return given
