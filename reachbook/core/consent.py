"""The consent ledger: one token per (account, type, value), its state now and its whole history.

State: active = opted out; inactive = opted in again; no token = never asked. The invariants are in docs/consent.md; what the
database can hold of them it holds (history is append-only by privilege). Only `record` writes here, in one statement.
"""

import contextlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Literal, NamedTuple
from uuid import UUID

import msgspec

from reachbook.core import accounts, email, phone
from reachbook.core.errors import Fault, InvalidError, NotFoundError, TooLargeError, invalid
from reachbook.core.ids import AccountId, new_id
from reachbook.core.limits import PUSH_LENGTH, ROWS_PER_CALL, VALUE_LENGTH
from reachbook.core.paging import Listed, Page
from reachbook.core.text import clean, fold
from reachbook.database.queries import Database, Queries, Record, Write
from reachbook.database.values import Values


class TokenType(StrEnum):
    """What can be opted out of. The first two are the ones CM's document names."""

    EMAIL = "email"
    SMS = "sms"
    VOICE = "voice"
    VOICEMAIL = "voicemail"
    WHATSAPP = "whatsapp"
    RCS = "rcs"
    VIBER = "viber"
    PUSH = "push"


DESCRIPTIONS = {
    TokenType.EMAIL: "E-mail",
    TokenType.SMS: "SMS",
    TokenType.VOICE: "Voice calls",
    TokenType.VOICEMAIL: "Voicemail",
    TokenType.WHATSAPP: "WhatsApp",
    TokenType.RCS: "RCS",
    TokenType.VIBER: "Viber",
    TokenType.PUSH: "Push notifications",
}


class Reason(StrEnum):
    """Why (document 002). E-mail takes all four, the other types CONTACT and USER."""

    CONTACT = "contact"
    USER = "user"
    HARDBOUNCED = "hardbounced"
    SPAM = "spam"


class Source(StrEnum):
    """Which way the change came in."""

    API = "api"
    IMPORT = "import"
    KEYWORD = "keyword"
    UNSUBSCRIBE_LINK = "unsubscribe-link"
    GATEWAY = "gateway"
    CONSOLE = "console"


class Value(NamedTuple):
    """An address as one type compares it (`key`) and as it is shown (`shown`)."""

    key: str
    shown: str


class Change(msgspec.Struct, frozen=True):
    """One call for one token: opt out (`is_active`) or opt in again."""

    type: TokenType
    value: str
    is_active: bool
    reason: Reason = Reason.USER
    message: str | None = None


class Token(msgspec.Struct, frozen=True):
    """The state of one token."""

    type: str
    value: str
    is_active: bool
    reason: str
    message: str | None
    changed_at: datetime


class Entry(msgspec.Struct, frozen=True):
    """One entry of a token's history. `actor` is the token or user that made it."""

    changed_at: datetime
    is_active: bool
    reason: str
    message: str | None
    source: str
    actor: UUID


class TypeFigures(msgspec.Struct, frozen=True):
    """How many tokens of one type are opted in again and out."""

    type: TokenType
    description: str
    opted_in: int
    opted_out: int


def token_type(text: str, name: str) -> TokenType:
    """The type of this name, in any case. Raises InvalidError at `name`."""
    try:
        return TokenType(text.strip().lower())
    except ValueError:
        raise invalid(name, f"must be one of {', '.join(TokenType)}") from None


def normalise(type: TokenType, text: str, region: str | None) -> Value:
    """A value as its type writes it, on write and on look-up. Raises ValueError with the reason."""
    if type is TokenType.EMAIL:
        address, key = email.parse(text)
        return Value(key, address)
    if type is TokenType.PUSH:
        written = text.strip()
        if not written or len(written.encode()) > PUSH_LENGTH or "\0" in written:
            raise ValueError(f"must be 1 to {PUSH_LENGTH:,} characters")
        return Value(written, written)
    number = phone.parse(text, region).e164
    return Value(number, number)


async def _normalised(tx: Queries, account: AccountId, type: TokenType, text: str) -> Value:
    needs = type not in (TokenType.EMAIL, TokenType.PUSH) and phone.needs_region(text)
    try:
        return normalise(type, text, await accounts.region(tx, account) if needs else None)
    except ValueError as error:
        raise invalid("value", str(error)) from None


# The newest state wins the row; a repeat that says nothing new touches nothing (invariant 5). Concurrent calls for one token
# queue for its row, and `version` is given out under that lock: history is in the order in which the changes took effect.
# Rows are locked in the order of (type, key), so two batches can't wait for one another.
RECORD = """
WITH asked AS (
    SELECT * FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::bool[], $7::text[], $8::text[])
        AS a (type, key, value, value_key, is_active, reason, message)
    ORDER BY type, key
), changed AS (
    INSERT INTO consent_token AS t (account_id, type, key, value, value_key, is_active, was_active, reason, message, changed_at, version)
    SELECT $1, type, key, value, value_key, is_active, NULL, reason, message, $9, 1 FROM asked
    ON CONFLICT (account_id, type, key) DO UPDATE SET
        is_active = excluded.is_active, was_active = t.is_active, reason = excluded.reason,
        message = coalesce(excluded.message, CASE WHEN t.is_active = excluded.is_active THEN t.message END),
        changed_at = greatest(excluded.changed_at, t.changed_at), version = t.version + 1
    WHERE t.is_active <> excluded.is_active OR t.reason <> excluded.reason
        OR (excluded.message IS NOT NULL AND excluded.message IS DISTINCT FROM t.message)
    RETURNING t.type, t.key, t.version, t.is_active, t.was_active, t.reason, t.changed_at
), entered AS (
    INSERT INTO consent_history (account_id, type, key, version, changed_at, is_active, reason, message, source, actor)
    SELECT $1, c.type, c.key, c.version, c.changed_at, c.is_active, c.reason, a.message, $10, $11
    FROM changed c JOIN asked a USING (type, key)
), counted AS (
    INSERT INTO consent_count (account_id, type, id, opted_out, opted_in)
    SELECT $1, type, $12,
        count(*) FILTER (WHERE is_active) - count(*) FILTER (WHERE was_active),
        count(*) FILTER (WHERE NOT is_active) - count(*) FILTER (WHERE NOT was_active)
    FROM changed WHERE was_active IS DISTINCT FROM is_active GROUP BY type
), told AS (
    INSERT INTO contact_change (account_id, id, size, keys)
    SELECT $1, $12, count(*), array_agg(key) FROM changed WHERE type IN ('email', 'sms', 'voice', 'voicemail') HAVING count(*) > 0
)
SELECT count(*) FROM changed WHERE was_active IS DISTINCT FROM is_active
"""


async def record(
    db: Queries,
    account: AccountId,
    changes: Sequence[Change | list[Fault]],
    *,
    source: Source,
    actor: UUID,
    now: datetime,
    message: str | None = None,
) -> int:
    """Opt out and in, the whole batch or nothing; the answer is how many tokens changed their state (none → inactive counts).

    Rows that the wire could not read are given as their faults, and are reported together with those found here. Of two
    changes for one token the later one holds. `message` is for those that bring none. Raises InvalidError, TooLargeError.
    """
    if len(changes) > ROWS_PER_CALL:
        raise TooLargeError(f"At most {ROWS_PER_CALL:,} tokens in one call.")
    rows = await _rows(db, account, changes, message)
    if not rows:
        return 0
    columns = map(list, zip(*rows, strict=True))
    return await db.fetchval(RECORD, account, *columns, now, source, actor, new_id())


async def _rows(
    db: Queries, account: AccountId, changes: Sequence[Change | list[Fault]], shared: str | None
) -> Iterable[tuple[object, ...]]:
    region = await accounts.region(db, account) if any(isinstance(change, Change) and _needs_region(change) for change in changes) else None
    rows: dict[tuple[str, str], tuple[object, ...]] = {}
    faults: list[Fault] = []
    shared = clean(shared, ("message",), VALUE_LENGTH, faults)
    for index, change in enumerate(changes):
        if isinstance(change, list):
            faults.extend(change)
            continue
        message = clean(change.message, (index, "message"), VALUE_LENGTH, faults) or shared
        if change.type is not TokenType.EMAIL and change.reason in (Reason.HARDBOUNCED, Reason.SPAM):
            faults.append(Fault((index, "reason"), f"must be {Reason.CONTACT} or {Reason.USER} for this type"))
        try:
            key, shown = normalise(change.type, change.value, region)
        except ValueError as error:
            faults.append(Fault((index, "value"), str(error)))
            continue
        rows[change.type, key] = (change.type, key, shown, fold(shown), change.is_active, change.reason, message)
    if faults:
        raise InvalidError(faults)
    return rows.values()


def _needs_region(change: Change) -> bool:
    return change.type not in (TokenType.EMAIL, TokenType.PUSH) and phone.needs_region(change.value)


async def change(db: Database, account: AccountId, change: Change, *, source: Source, actor: UUID, now: datetime) -> Token:
    """One token opted out or in again; its state afterwards. Raises InvalidError at the names of Change."""
    async with db.transaction() as tx:
        try:
            await record(tx, account, [change], source=source, actor=actor, now=now)
        except InvalidError as error:
            raise InvalidError([Fault(fault.path[1:], fault.message) for fault in error.faults]) from None
        return await get(tx, account, change.type, change.value)


STATE = "type, value, is_active, reason, message, changed_at"
GET = f"SELECT {STATE} FROM consent_token WHERE account_id = $1 AND type = $2 AND key = $3"


async def get(db: Queries, account: AccountId, type: TokenType, value: str) -> Token:
    """Raises NotFoundError if the address was never asked, InvalidError at `value` if it is none."""
    key, shown = await _normalised(db, account, type, value)
    row = await db.fetchrow(GET, account, type, key)
    if row is None:
        raise NotFoundError(f"There is no opt-out token {shown} of type {type}.")
    return Token(**row)


LIST = f"""
SELECT {STATE} FROM consent_token WHERE account_id = $1 AND is_active = $2
ORDER BY changed_at DESC, type, key OFFSET $3 LIMIT $4
"""
LIST_OF_TYPE = f"""
SELECT {STATE} FROM consent_token WHERE account_id = $1 AND is_active = $2 AND type = $5
ORDER BY changed_at DESC, key OFFSET $3 LIMIT $4
"""


async def list_tokens(db: Database, account: AccountId, type: TokenType | None, page: Page, *, is_active: bool) -> Listed[Token]:
    """Tokens in one state, newest change first."""
    query, of_type = (LIST, ()) if type is None else (LIST_OF_TYPE, (type,))
    rows = await db.fetch(query, account, is_active, page.skip, page.take, *of_type)
    figures = [figure for figure in await figures_by_type(db, account) if type is None or figure.type is type]
    total = sum(figure.opted_out if is_active else figure.opted_in for figure in figures)
    return Listed([Token(**row) for row in rows], total)


async def opt_out(
    db: Database, account: AccountId, changes: Sequence[Change | list[Fault]], *, source: Source, actor: UUID, now: datetime
) -> Sequence[Token]:
    """Opt out, the whole batch or nothing; the tokens afterwards, in the order of the changes. Raises as `record` does."""
    async with db.transaction() as tx:
        await record(tx, account, changes, source=source, actor=actor, now=now)
        of = await _token_keys(tx, account, [(change.type, change.value) for change in changes if isinstance(change, Change)])
        stored = {(row["type"], row["key"]): row for row in await tx.fetch(OF_KEYS, account, *of)}
    return [_token(stored[token]) for token in zip(*of, strict=True)]


OF_KEYS = f"SELECT key, {STATE} FROM consent_token WHERE account_id = $1 AND (type, key) IN (SELECT * FROM unnest($2::text[], $3::text[]))"


def _token(row: Record) -> Token:
    return Token(**{name: row[name] for name in Token.__struct_fields__})


async def _token_keys(db: Queries, account: AccountId, tokens: Sequence[tuple[str, str]]) -> tuple[list[str], list[str]]:
    """(type, address) of tokens as two columns, addresses as tokens have them; of one that is none, or of no type, there is no token."""
    region = await accounts.region(db, account)
    return [type for type, _ in tokens], [_key(type, value, region) for type, value in tokens]


HOLD_ACTIVE = """
SELECT type, value, message FROM consent_token
WHERE account_id = $1 AND (type, key) IN (SELECT * FROM unnest($2::text[], $3::text[])) AND is_active ORDER BY type, key FOR UPDATE
"""


async def alter(
    db: Database,
    account: AccountId,
    tokens: Sequence[tuple[str, str]],
    *,
    reason: Reason | None,
    source: Source,
    actor: UUID,
    now: datetime,
) -> int:
    """Those of the tokens (type and address) that are opted out get another reason, or with None are opted in again; answers how many
    there are. Raises InvalidError.
    """
    async with db.transaction() as tx:
        found = await tx.fetch(HOLD_ACTIVE, account, *await _token_keys(tx, account, tokens))
        changes = [
            Change(TokenType(row["type"]), row["value"], is_active=reason is not None, reason=reason or Reason.USER) for row in found
        ]
        try:
            await record(tx, account, changes, source=source, actor=actor, now=now)
        except InvalidError as error:
            raise InvalidError(list(dict.fromkeys(Fault(fault.path[1:], fault.message) for fault in error.faults))) from None
        return len(found)


def _key(type: str, value: str, region: str | None) -> str:
    try:
        return normalise(TokenType(type), value, region).key
    except ValueError:
        return ""


SORTED = {"type": "type", "value": "key", "reason": "reason", "changed_at": "changed_at"}
"""What tokens can be sorted by."""


async def find(
    db: Queries,
    account: AccountId,
    page: Page,
    *,
    tokens: Sequence[tuple[str, str]] | None = None,
    types: Sequence[str] | None = None,
    values: Sequence[str] | None = None,
    reasons: Sequence[str] | None = None,
    sort: Sequence[tuple[str, Literal["ASC", "DESC"]]] = (),
) -> Listed[Token]:
    """Opted-out tokens: these (type and address), of these types, of these addresses as written, for these reasons; newest change first."""
    bound = Values(account)
    where = ["account_id = $1 AND is_active"]
    if tokens is not None:
        of, keys = await _token_keys(db, account, tokens)
        where.append(f"(type, key) IN (SELECT * FROM unnest({bound.add(of, 'text[]')}, {bound.add(keys, 'text[]')}))")
    if values is not None:
        where.append(f"key = ANY({bound.add(await _keys(db, account, values), 'text[]')})")
    for column, given in (("type", types), ("reason", reasons)):
        if given is not None:
            where.append(f"{column} = ANY({bound.add([text.strip().lower() for text in given], 'text[]')})")
    found, sought = " AND ".join(where), list(bound.bound)
    order = ", ".join([*(f"{SORTED[attribute]} {direction}" for attribute, direction in sort), "changed_at DESC", "type", "key"])
    query = f"""
    SELECT {STATE} FROM consent_token WHERE {found} ORDER BY {order} OFFSET {bound.add(page.skip)} LIMIT {bound.add(page.take)}
    """
    rows = await db.fetch(query, *bound.bound)
    return Listed([Token(**row) for row in rows], await db.fetchval(f"SELECT count(*) FROM consent_token WHERE {found}", *sought))


async def _keys(db: Queries, account: AccountId, values: Sequence[str]) -> list[str]:
    """The keys that addresses of any type can have; those that are none have none."""
    region = await accounts.region(db, account)
    keys: list[str] = []
    for text in values:
        for type in (TokenType.EMAIL if "@" in text else TokenType.SMS, TokenType.PUSH):
            with contextlib.suppress(ValueError):
                keys.append(normalise(type, text, region).key)
    return keys


HISTORY = """
SELECT changed_at, is_active, reason, message, source, actor FROM consent_history
WHERE account_id = $1 AND type = $2 AND key = $3 ORDER BY version DESC OFFSET $4 LIMIT $5
"""
HISTORY_TOTAL = "SELECT version FROM consent_token WHERE account_id = $1 AND type = $2 AND key = $3"


async def history(db: Database, account: AccountId, type: TokenType, value: str, page: Page) -> Listed[Entry]:
    """Everything that happened to one token, newest first; nothing if it was never asked."""
    key, _ = await _normalised(db, account, type, value)
    rows = await db.fetch(HISTORY, account, type, key, page.skip, page.take)
    return Listed([Entry(**row) for row in rows], await db.fetchval(HISTORY_TOTAL, account, type, key) or 0)


SHORTEST_SUBSTRING = 3  # shorter ones have no trigram within a word, only at its start
SEARCH_CONDITION = "account_id = $1 AND is_active AND value_key LIKE ANY($2::text[])"
SEARCH = f"SELECT {STATE} FROM consent_token WHERE {SEARCH_CONDITION} ORDER BY changed_at DESC, type, key OFFSET $3 LIMIT $4"
SEARCH_TOTAL = f"SELECT count(*) FROM consent_token WHERE {SEARCH_CONDITION}"


async def search(db: Database, account: AccountId, query: str, page: Page) -> Listed[Token]:
    """Opted-out tokens whose value contains the query (fewer than 3 characters: starts with it), newest change first."""
    sought = fold(query.strip()).replace("\0", "")
    if not sought:
        return Listed([], 0)
    ways = [sought]
    if query.startswith(" ") and sought[0].isdigit():
        ways = ["+" + sought]  # a plus that arrived as a space
    elif sought.startswith("00") and len(sought) > len("00"):
        ways.append("+" + sought[2:])
    patterns = [like(way, anywhere=len(way) >= SHORTEST_SUBSTRING) for way in ways]
    rows = await db.fetch(SEARCH, account, patterns, page.skip, page.take)
    return Listed([Token(**row) for row in rows], await db.fetchval(SEARCH_TOTAL, account, patterns))


def like(text: str, *, anywhere: bool = True) -> str:
    """A LIKE pattern for text that contains (or starts with) this very text."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%" if anywhere else f"{escaped}%"


FIGURES = """
SELECT type, sum(opted_in)::bigint AS opted_in, sum(opted_out)::bigint AS opted_out
FROM consent_count WHERE account_id = $1 GROUP BY type
"""


async def figures_by_type(db: Queries, account: AccountId) -> Sequence[TypeFigures]:
    """Every type with its counts, as of the last commit."""
    counted = {row["type"]: row for row in await db.fetch(FIGURES, account)}
    return [
        TypeFigures(type, DESCRIPTIONS[type], counted[type]["opted_in"], counted[type]["opted_out"])
        if type in counted
        else TypeFigures(type, DESCRIPTIONS[type], 0, 0)
        for type in TokenType
    ]


OPTED_OUT = """
SELECT count(*) FROM unnest($2::text[], $3::text[]) AS k (email, phone)
WHERE EXISTS (SELECT 1 FROM consent_token t WHERE t.account_id = $1 AND t.is_active AND t.type = 'email' AND t.key = k.email)
    OR EXISTS (SELECT 1 FROM consent_token t WHERE t.account_id = $1 AND t.is_active AND t.type = ANY($4::text[]) AND t.key = k.phone)
"""


async def count_opted_out(tx: Queries, account: AccountId, addresses: Sequence[tuple[str | None, str | None]]) -> int:
    """How many of these pairs (key of an e-mail, phone) are opted out of anything."""
    used = [figure.type for figure in await figures_by_type(tx, account) if figure.opted_out]
    if not used or not addresses:
        return 0
    emails, phones = (list(column) for column in zip(*addresses, strict=True))
    return await tx.fetchval(OPTED_OUT, account, emails, phones, [type for type in used if type not in (TokenType.EMAIL, TokenType.PUSH)])


OPTED_OUT_OF = f"""
SELECT key, {STATE} FROM consent_token WHERE account_id = $1 AND is_active AND (
    (type = 'email' AND key = ANY($2::text[])) OR (type = 'push' AND key = ANY($4::text[]))
    OR (type = ANY($5::text[]) AND key = ANY($3::text[])))
"""
OF_NUMBERS = [type for type in TokenType if type not in (TokenType.EMAIL, TokenType.PUSH)]


async def opted_out(
    db: Queries, account: AccountId, emails: Sequence[str], phones: Sequence[str], devices: Sequence[str]
) -> Sequence[tuple[str, Token]]:
    """What these addresses (keys of e-mails, E.164, push tokens) are opted out of, each token with the key of its address."""
    if not emails and not phones and not devices:
        return []
    rows = await db.fetch(OPTED_OUT_OF, account, list(emails), list(phones), list(devices), OF_NUMBERS)
    order = list(TokenType)
    return sorted(((row["key"], _token(row)) for row in rows), key=lambda found: order.index(TokenType(found[1].type)))


EXPORT = """
SELECT type, value, to_char(changed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), reason, message
FROM consent_token WHERE account_id = $1 AND is_active ORDER BY changed_at DESC, type, key
"""


async def export(db: Database, account: AccountId, write: Write) -> None:
    """Every opted-out token as CSV lines: type, value, instant, reason, message. No header."""
    await db.stream(EXPORT, [account], write, {"format": "csv"})
