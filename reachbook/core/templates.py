"""WhatsApp templates: what may be written to somebody first, in each language as the provider approved it (document 003, "Templates")."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from reachbook.core import catalogues, channel_requests, channels, template_rules, whatsapp_languages, work_queue
from reachbook.core.catalogues import Category, Language
from reachbook.core.errors import ConflictError, Fault, InvalidError, NotFoundError, invalid
from reachbook.core.ids import AccountId, new_id
from reachbook.core.limits import NAME_LENGTH, TEMPLATE_FIELDS, VALUE_LENGTH
from reachbook.core.machines import LANGUAGE
from reachbook.core.paging import Listed, Page
from reachbook.core.text import clean
from reachbook.core.work_queue import Kind
from reachbook.database.queries import Database, Queries, Record, Transaction

FIELD_TYPES = ("text", "currency", "datetime")


class Field(msgspec.Struct, frozen=True):
    """A replacement field; the content names it by its place, counted from one."""

    id: UUID
    name: str
    type: str


class TemplateLanguage(msgspec.Struct, frozen=True):
    """A template in one language. `state` as in machines.LANGUAGE; `faults` is why it is incomplete, in words."""

    id: UUID
    language: Language
    content: str
    state: str
    rejection_reason: str | None
    submitted_at: datetime | None
    created_at: datetime
    updated_at: datetime
    fulfilled_at: datetime | None
    rejected_at: datetime | None
    faults: Sequence[str]

    @property
    def is_pending(self) -> bool:
        """Not approved yet, nor rejected."""
        return self.state in ("draft", "validating")


class Template(msgspec.Struct, frozen=True):
    """A template is what its languages are: active when one of them is, rejected when nothing else is left to wait for."""

    id: UUID
    request_id: UUID
    channel_id: UUID
    category: Category
    name: str
    facebook_name: str
    namespace: str
    fields: Sequence[Field]
    languages: Sequence[TemplateLanguage]
    created_at: datetime
    updated_at: datetime
    cancelled_at: datetime | None

    def has(self, *states: str) -> bool:
        """Whether a language is in one of these states."""
        return any(language.state in states for language in self.languages)

    @property
    def is_active(self) -> bool:
        """Usable in one language at least."""
        return self.has("active")

    @property
    def is_incomplete(self) -> bool:
        """A language is not submitted, or there is none (document 003's words)."""
        return not self.languages or self.has("draft")

    @property
    def rejected(self) -> TemplateLanguage | None:
        """The language that was rejected last, when none is active or waits."""
        if self.has("active", "validating"):
            return None
        return max((one for one in self.languages if one.rejected_at is not None), key=lambda one: str(one.rejected_at), default=None)

    @property
    def is_pending(self) -> bool:
        """Not yet approved, rejected or cancelled."""
        return not self.has("active", "suspended") and self.rejected is None and self.cancelled_at is None

    @property
    def fulfilled_at(self) -> datetime | None:
        """When its first language was approved."""
        return min((one.fulfilled_at for one in self.languages if one.fulfilled_at is not None), default=None)


class Draft(msgspec.Struct, frozen=True):
    """What changes of a template; `languages` is content by Meta's name or code."""

    category: UUID | UnsetType = UNSET
    name: str | UnsetType | None = UNSET
    languages: Mapping[str, str | None] | UnsetType = UNSET


NAMES = "SELECT facebook_name FROM whatsapp_template WHERE account_id = $1 AND channel_request_id = $2 AND starts_with(facebook_name, $3)"
CREATE = """
INSERT INTO whatsapp_template (account_id, id, channel_request_id, channel_id, category_id, name, facebook_name, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)
"""


async def create(db: Database, account: AccountId, request: UUID, id: UUID, name: str | None, category: UUID, now: datetime) -> Template:
    """A new template, without languages. Raises NotFoundError, InvalidError, ConflictError for a cancelled request."""
    async with db.transaction() as tx:
        business = await channel_requests.open_business_account(tx, account, request)
        await catalogues.keep_template_category(tx, category)
        written = _name(name, "name")
        facebook_name = await _facebook_name(tx, account, request, written)
        whatsapp = await catalogues.channel_type_by_key(tx, catalogues.WHATSAPP)
        channel = await channels.add(
            tx,
            account,
            group=business.request.group_id or await channels.open_group(tx, account, now),
            request=request,
            type=whatsapp.id,
            category=channels.TEMPLATES,
            entity=id,
            element=str(id),
            is_pending=True,
            now=now,
        )
        await tx.execute(CREATE, account, id, request, channel, category, written, facebook_name, now)
        return await get(tx, account, request, id)


def _name(text: str | UnsetType | None, path: str) -> str:
    faults: list[Fault] = []
    written = clean(text or None, (path,), NAME_LENGTH, faults)
    if written is None:
        faults.append(Fault((path,), "is required"))
    if faults:
        raise InvalidError(faults)
    return str(written).strip()


async def _facebook_name(tx: Transaction, account: AccountId, request: UUID, name: str, *, but: str = "") -> str:
    """A name that no other template of the business account, which is held, has: who makes one waits for who else does."""
    wanted = template_rules.facebook_name(name)
    taken = {row["facebook_name"] for row in await tx.fetch(NAMES, account, request, wanted)} - {but}
    number = 1
    found = wanted
    while found in taken:
        number += 1
        found = f"{wanted}_{number}"
    return found


COLUMNS = "id, channel_request_id, channel_id, category_id, name, facebook_name, created_at, updated_at, cancelled_at"
GET = f"SELECT {COLUMNS} FROM whatsapp_template WHERE account_id = $1 AND channel_request_id = $2 AND id = $3"


async def get(db: Queries, account: AccountId, request: UUID, id: UUID) -> Template:
    """Raises NotFoundError."""
    row = await db.fetchrow(GET, account, request, id)
    if row is None:
        raise _not_found(id)
    return (await _whole(db, account, request, [row]))[0]


NAMED = """
account_id = $1 AND channel_request_id = $2
    AND ($3::text IS NULL OR strpos(lower(name), lower($3)) > 0 OR strpos(facebook_name, lower($3)) > 0)
""".strip()
LIST = f"SELECT {COLUMNS} FROM whatsapp_template WHERE {NAMED} ORDER BY id OFFSET $4 LIMIT $5"
TOTAL = f"SELECT count(*) FROM whatsapp_template WHERE {NAMED}"


async def list_templates(db: Queries, account: AccountId, request: UUID, page: Page, text: str | None = None) -> Listed[Template]:
    """By age; `text` is a part of either name. Raises NotFoundError for what is no WhatsApp request."""
    await channel_requests.business_account(db, account, request)
    rows = await db.fetch(LIST, account, request, text, page.skip, page.take)
    return Listed(await _whole(db, account, request, rows), await db.fetchval(TOTAL, account, request, text))


FIELDS = "SELECT template_id, id, name, type FROM template_field WHERE account_id = $1 AND template_id = ANY($2::uuid[]) ORDER BY id"
LANGUAGE_COLUMNS = "id, content, state, rejection_reason, submitted_at, created_at, updated_at, fulfilled_at, rejected_at"
LANGUAGES = f"""
SELECT template_id, language_id, {LANGUAGE_COLUMNS} FROM template_language
WHERE account_id = $1 AND template_id = ANY($2::uuid[]) ORDER BY id
"""


async def _whole(db: Queries, account: AccountId, request: UUID, rows: Sequence[Record]) -> Sequence[Template]:
    """The templates with their fields and languages."""
    if not rows:
        return []
    ids = [row["id"] for row in rows]
    fields: dict[UUID, list[Field]] = {id: [] for id in ids}
    for row in await db.fetch(FIELDS, account, ids):
        fields[row["template_id"]].append(Field(row["id"], row["name"], row["type"]))
    known = {language.id: language for language in await catalogues.languages(db)}
    languages: dict[UUID, list[TemplateLanguage]] = {id: [] for id in ids}
    for row in await db.fetch(LANGUAGES, account, ids):
        faults = template_rules.faults(row["content"], len(fields[row["template_id"]]))
        values = {name: row[name] for name in LANGUAGE_COLUMNS.split(", ")}
        languages[row["template_id"]].append(TemplateLanguage(**values, language=known[row["language_id"]], faults=faults))
    categories = {category.id: category for category in await catalogues.template_categories(db)}
    namespace = (await channel_requests.business_account(db, account, request)).namespace
    return [
        Template(
            row["id"],
            row["channel_request_id"],
            row["channel_id"],
            categories[row["category_id"]],
            row["name"],
            row["facebook_name"],
            namespace,
            fields[row["id"]],
            languages[row["id"]],
            row["created_at"],
            row["updated_at"],
            row["cancelled_at"],
        )
        for row in rows
    ]


UPDATE = """
UPDATE whatsapp_template SET name = $3, facebook_name = $4, category_id = $5, updated_at = $6 WHERE account_id = $1 AND id = $2
"""
WRITE = """
INSERT INTO template_language (account_id, template_id, language_id, id, content, state, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, 'draft', $6, $6)
"""
EDIT = f"""
UPDATE template_language SET {LANGUAGE.change("edit", now="$3")}, content = $4
WHERE account_id = $1 AND id = $2 AND {LANGUAGE.allows("edit")} RETURNING id
"""


async def update(db: Database, account: AccountId, request: UUID, id: UUID, draft: Draft, now: datetime) -> Template:
    """Change name, category and contents, all or nothing; what is as it was is no change.

    Raises NotFoundError, InvalidError, ConflictError for what can't be changed any more.
    """
    async with db.transaction() as tx:
        await tx.execute(channel_requests.HOLD, account, request)
        held = await _hold(tx, account, request, id)
        changes = await _contents(tx, account, request, held, draft.languages or {})
        name = held.name if draft.name is UNSET else _name(draft.name, "name")
        category = held.category.id if draft.category is UNSET else (await catalogues.keep_template_category(tx, draft.category)).id
        was_submitted = any(one.submitted_at is not None for one in held.languages)
        if category != held.category.id and held.has("active", "validating", "suspended"):
            raise ConflictError("The category can't be changed any more: a language is approved or awaits validation.")
        renamed = name != held.name and not was_submitted
        facebook_name = await _facebook_name(tx, account, request, name, but=held.facebook_name) if renamed else held.facebook_name
        for language, content in changes:
            before = next((one for one in held.languages if one.language.id == language.id), None)
            if before is None:
                await tx.execute(WRITE, account, id, language.id, new_id(), content, now)
            elif await tx.fetchval(EDIT, account, before.id, now, content) is None:
                raise _read_only(before)
        if changes or name != held.name or category != held.category.id:
            await tx.execute(UPDATE, account, id, name, facebook_name, category, now)
        return await get(tx, account, request, id)


async def _contents(
    tx: Transaction, account: AccountId, request: UUID, held: Template, given: Mapping[str, str | None]
) -> Sequence[tuple[Language, str]]:
    """The contents that change."""
    active = await whatsapp_languages.active(tx, account, request)
    faults: list[Fault] = []
    changes: list[tuple[Language, str]] = []
    seen: set[UUID] = set()
    for key, content in given.items():
        wanted = key.strip().casefold()
        language = next((one for one in active if wanted in (one.name.casefold(), one.code.casefold())), None)
        if language is None:
            faults.append(Fault(("languages", key), "is no active language"))
            continue
        if language.id in seen:
            faults.append(Fault(("languages", key), "is there twice"))
        seen.add(language.id)
        written = clean(content, ("languages", key, "content"), VALUE_LENGTH, faults) or ""
        before = next((one.content for one in held.languages if one.language.id == language.id), None)
        if content is not None and written != before:
            changes.append((language, written))
    if faults:
        raise InvalidError(faults)
    return changes


def _read_only(language: TemplateLanguage) -> ConflictError:
    why = "awaits validation" if language.state == "validating" else f"is {language.state}"
    return ConflictError(f"{language.language.name} {why} and can't be changed.")


# --- replacement fields

ADD_FIELD = "INSERT INTO template_field (account_id, template_id, id, name, type) VALUES ($1, $2, $3, $4, $5)"
SET_FIELD = "UPDATE template_field SET name = $4, type = $5 WHERE account_id = $1 AND template_id = $2 AND id = $3"
DELETE_FIELD = "DELETE FROM template_field WHERE account_id = $1 AND template_id = $2 AND id = $3"
TOUCH = "UPDATE whatsapp_template SET updated_at = $3 WHERE account_id = $1 AND id = $2"


async def add_field(db: Database, account: AccountId, request: UUID, id: UUID, name: str, type: str, now: datetime) -> Template:
    """One more, behind the others. Raises NotFoundError, InvalidError, ConflictError."""
    async with db.transaction() as tx:
        held = await _hold_fields(tx, account, request, id)
        if len(held.fields) >= TEMPLATE_FIELDS:
            raise ConflictError(f"A template has at most {TEMPLATE_FIELDS} fields.")
        await tx.execute(ADD_FIELD, account, id, new_id(), *_field(name, type))
        await tx.execute(TOUCH, account, id, now)
        return await get(tx, account, request, id)


async def update_field(
    db: Database, account: AccountId, request: UUID, id: UUID, field: UUID, name: str, type: str, now: datetime
) -> Template:
    """Another name and type. Raises NotFoundError, InvalidError, ConflictError."""
    async with db.transaction() as tx:
        find_field(await _hold_fields(tx, account, request, id, field), field)
        await tx.execute(SET_FIELD, account, id, field, *_field(name, type))
        await tx.execute(TOUCH, account, id, now)
        return await get(tx, account, request, id)


async def delete_field(db: Database, account: AccountId, request: UUID, id: UUID, field: UUID, now: datetime) -> Template:
    """Those behind it move up; contents stay as they are. Raises NotFoundError, ConflictError."""
    async with db.transaction() as tx:
        find_field(await _hold_fields(tx, account, request, id, field), field)
        await tx.execute(DELETE_FIELD, account, id, field)
        await tx.execute(TOUCH, account, id, now)
        return await get(tx, account, request, id)


def find_field(template: Template, field: UUID) -> Field:
    """Raises NotFoundError."""
    found = next((one for one in template.fields if one.id == field), None)
    if found is None:
        raise NotFoundError(f"The template has no field {field}.", "field")
    return found


def _field(name: str, type: str) -> tuple[str, str]:
    written = _name(name, "name")
    kind = type.strip().lower()
    if kind not in FIELD_TYPES:
        raise invalid("type", f"must be {', '.join(FIELD_TYPES[:-1])} or {FIELD_TYPES[-1]}")
    return written, kind


async def _hold_fields(tx: Transaction, account: AccountId, request: UUID, id: UUID, field: UUID | None = None) -> Template:
    held = await _hold(tx, account, request, id)
    if field is not None:
        find_field(held, field)
    if held.has("active", "suspended"):
        raise ConflictError("A language of the template is approved: its fields can't be changed.")
    if held.has("validating"):
        raise ConflictError("A language of the template awaits validation: its fields can't be changed.")
    return held


# --- validation

VALIDATE = f"""
UPDATE template_language SET {LANGUAGE.change("validate", now="$3")} WHERE account_id = $1 AND id = ANY($2::uuid[])
    AND {LANGUAGE.allows("validate")}
"""
# To the provider, if the operator has said which business account it is there; one that was told before is told of the change, and as
# something new if the operator has meanwhile named another business account.
TELL = """
INSERT INTO provider_template (account_id, language_id, business_id, attempts, due_at)
SELECT $1, id, $3, 0, $4 FROM unnest($2::uuid[]) AS l (id)
ON CONFLICT (account_id, language_id) DO UPDATE SET business_id = excluded.business_id, attempts = 0, due_at = excluded.due_at,
    error = NULL,
    provider_id = CASE WHEN provider_template.business_id = excluded.business_id THEN provider_template.provider_id END
"""


async def validate(db: Database, account: AccountId, request: UUID, id: UUID, now: datetime) -> Template:
    """Every complete draft goes to who decides. Raises NotFoundError, ConflictError with the reasons if there is none."""
    async with db.transaction() as tx:
        business = await channel_requests.open_business_account(tx, account, request)
        held = await _hold(tx, account, request, id)
        complete = [one.id for one in held.languages if one.state == "draft" and not one.faults]
        if not complete:
            reasons = [Fault(("languages", one.language.name), _why_not(one)) for one in held.languages]
            raise ConflictError("No language of the template can be validated.", faults=reasons)
        await tx.execute(VALIDATE, account, complete, now)
        if business.provider_id:
            await tx.execute(TELL, account, complete, business.provider_id, now)
        for one in complete:
            await work_queue.add(tx, account, Kind.TEMPLATE_LANGUAGE, one, now)
        await tx.execute(TOUCH, account, id, now)
        return await get(tx, account, request, id)


def _why_not(language: TemplateLanguage) -> str:
    if language.state == "draft":
        return "; ".join(language.faults)
    return {
        "validating": "awaits validation already",
        "active": "is approved already",
        "rejected": "was rejected: edit it first",
    }.get(language.state, f"is {language.state}")


TEMPLATE_OF = """
SELECT t.channel_request_id, t.id FROM template_language l JOIN whatsapp_template t ON t.account_id = l.account_id AND t.id = l.template_id
WHERE l.account_id = $1 AND l.id = $2
"""
DECISIONS = {
    event: f"""
UPDATE template_language SET {LANGUAGE.change(event, now="$3", reason="$4")}, updated_at = $3
WHERE account_id = $1 AND id = $2 AND {LANGUAGE.allows(event)} AND $4::text IS NOT DISTINCT FROM $4 RETURNING id
"""
    for event in ("approve", "reject", "reinstate", "suspend")
}


async def decide(tx: Transaction, account: AccountId, language: UUID, event: str, *, reason: str | None, now: datetime) -> bool:
    """approve, reject, reinstate or suspend a template's language; False if it is in no state for that."""
    row = await tx.fetchrow(TEMPLATE_OF, account, language)
    if row is None:
        return False
    await tx.fetchrow(f"{GET} FOR UPDATE", account, row["channel_request_id"], row["id"])
    if await tx.fetchval(DECISIONS[event], account, language, now, reason) is None:
        return False
    template = await get(tx, account, row["channel_request_id"], row["id"])
    await channels.settle(tx, account, template.id, is_pending=not template.is_active)
    if event in ("approve", "reject"):
        approved = event == "approve"
        await work_queue.decide(tx, account, Kind.TEMPLATE_LANGUAGE, language, approved=approved, now=now, reason=reason)
    return True


CANCEL = (
    "UPDATE whatsapp_template SET cancelled_at = $3 WHERE account_id = $1 AND channel_request_id = $2 AND cancelled_at IS NULL RETURNING id"
)
CANCEL_LANGUAGES = f"""
UPDATE template_language SET {LANGUAGE.change("cancel")} WHERE account_id = $1 AND template_id = ANY($2::uuid[])
    AND {LANGUAGE.allows("cancel")}
RETURNING id
"""


async def cancel_all(tx: Transaction, account: AccountId, request: UUID, now: datetime) -> None:
    """Those of a channel request that was refused."""
    ended = [row["id"] for row in await tx.fetch(CANCEL, account, request, now)]
    await channels.end(tx, account, ended, now)
    for row in await tx.fetch(CANCEL_LANGUAGES, account, ended):
        reason = "The channel request was refused."
        await work_queue.decide(tx, account, Kind.TEMPLATE_LANGUAGE, row["id"], approved=False, now=now, reason=reason)


OF_ITEMS = """
SELECT l.id, t.channel_request_id, t.id AS template_id, l.language_id, l.content, p.status, p.synced_at, p.error, p.provider_id
FROM template_language l JOIN whatsapp_template t ON t.account_id = l.account_id AND t.id = l.template_id
LEFT JOIN provider_template p ON p.account_id = l.account_id AND p.language_id = l.id
WHERE l.account_id = $1 AND l.id = ANY($2::uuid[])
"""


async def described(db: Queries, account: AccountId, ids: list[UUID]) -> Mapping[UUID, Record]:
    """Template, content and what the provider says of languages, by id: what the work queue shows."""
    return {row["id"]: row for row in await db.fetch(OF_ITEMS, account, ids)} if ids else {}


async def _hold(tx: Transaction, account: AccountId, request: UUID, id: UUID) -> Template:
    """The template, which nobody else changes until the commit; not one that was cancelled."""
    row = await tx.fetchrow(f"{GET} FOR UPDATE", account, request, id)
    if row is None:
        raise _not_found(id)
    if row["cancelled_at"] is not None:
        raise ConflictError("The template was cancelled.")
    return (await _whole(tx, account, request, [row]))[0]


def _not_found(id: UUID) -> NotFoundError:
    return NotFoundError(f"There is no template {id}.", "template")
