"""What tests read: the tables themselves, recounts, and dumps as lists.

The addresses are given with the key that consent.md asks for, so that no test relies on the product to know which of them are the same.
"""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from hypothesis import strategies as st

from reachbook.core import accounts, dump, group_fields, groups, ids, push
from reachbook.core import members as members_
from reachbook.core.consent import Change, Reason, TokenType
from reachbook.core.dump import Column, Cursor, Form, Selection
from reachbook.core.errors import Fault
from reachbook.core.group_fields import Declaration
from reachbook.core.groups import Kind, Purpose
from reachbook.core.ids import NIL, AccountId
from reachbook.core.members import MemberDraft, Refused, Unique, Verdict
from reachbook.core.push import Device, System
from reachbook.database.queries import Database, Queries

EMAILS = {
    "ann@example.com": ("ann@example.com", "Ann@Example.COM", " ANN@example.com "),
    "bo@xn--bcher-kva.example": ("bo@bücher.example", "Bo@BÜCHER.example", "bo@xn--bcher-kva.example"),
    "strasse@example.org": ("strasse@example.org", "STRASSE@example.org"),
}
PHONES = {
    "+31627100000": ("+31627100000", "0031627100000", "31627100000", "06 27 10 00 00", "+31 (0)6-27100000", " 0627100000"),
    "+32470123456": ("+32470123456", "0032 470 12 34 56", "32470123456", "+32 (0)470/12.34.56"),
    "+12015550123": ("+1 201-555-0123", "001 201 555 0123", "+1 (201) 555.0123"),
}
PUSHES = {"Device-1": ("Device-1", " Device-1"), "device-1": ("device-1",)}
"""Key → ways to write the address, in an account of region NL."""


def spellings(type: TokenType) -> dict[str, tuple[str, ...]]:
    """The addresses that this type can be told."""
    return {TokenType.EMAIL: EMAILS, TokenType.PUSH: PUSHES}.get(type, PHONES)


KEYS = {written: key for known in (EMAILS, PHONES, PUSHES) for key, ways in known.items() for written in ways}


def key_of(change: Change) -> tuple[TokenType, str]:
    """The token that a change is for."""
    return change.type, KEYS[change.value]


def _change(type: TokenType) -> st.SearchStrategy[Change]:
    reasons = list(Reason) if type is TokenType.EMAIL else [Reason.CONTACT, Reason.USER]
    return st.builds(
        Change,
        type=st.just(type),
        value=st.sampled_from([written for ways in spellings(type).values() for written in ways]),
        is_active=st.booleans(),
        reason=st.sampled_from(reasons),
        message=st.sampled_from([None, "by phone", "moved", " "]),
    )


change = st.sampled_from(TokenType).flatmap(_change)
"""A good change of any type; few addresses, so that they meet again."""

email = st.none() | st.sampled_from([written for ways in EMAILS.values() for written in ways])
phone = st.none() | st.sampled_from([written for ways in PHONES.values() for written in ways])


BRINGER = UUID(int=7)
"""Who uploads members."""


async def new_account(db: Database, region: str | None = "NL") -> AccountId:
    """An account for one example."""
    return (await accounts.create(db, ids.new_id(), "Alice", region, ids.now())).id


WRONG_CONTACTS = """
WITH counted AS (
    SELECT group_id, sum(contacts) AS contacts, sum(empty_emails) AS empty_emails, sum(empty_numbers) AS empty_numbers
    FROM contact_count WHERE account_id = $1 GROUP BY group_id
), real AS (
    SELECT m.group_id, count(*) AS contacts, count(*) FILTER (WHERE c.email IS NULL) AS empty_emails,
        count(*) FILTER (WHERE c.phone IS NULL) AS empty_numbers
    FROM membership m JOIN contact c ON c.account_id = m.account_id AND c.id = m.contact_id WHERE m.account_id = $1 GROUP BY m.group_id
    UNION ALL
    SELECT $2, count(*), count(*) FILTER (WHERE email IS NULL), count(*) FILTER (WHERE phone IS NULL) FROM contact WHERE account_id = $1
)
SELECT group_id, counted.contacts, counted.empty_emails, counted.empty_numbers, real.contacts, real.empty_emails, real.empty_numbers
FROM counted FULL JOIN real USING (group_id)
WHERE (coalesce(counted.contacts, 0), coalesce(counted.empty_emails, 0), coalesce(counted.empty_numbers, 0))
    <> (coalesce(real.contacts, 0), coalesce(real.empty_emails, 0), coalesce(real.empty_numbers, 0))
"""
WRONG_CONSENT = """
WITH counted AS (
    SELECT type, sum(opted_out) AS opted_out, sum(opted_in) AS opted_in FROM consent_count WHERE account_id = $1 GROUP BY type
), real AS (
    SELECT type, count(*) FILTER (WHERE is_active) AS opted_out, count(*) FILTER (WHERE NOT is_active) AS opted_in
    FROM consent_token WHERE account_id = $1 GROUP BY type
)
SELECT type, counted.opted_out, counted.opted_in, real.opted_out, real.opted_in FROM counted FULL JOIN real USING (type)
WHERE (coalesce(counted.opted_out, 0), coalesce(counted.opted_in, 0)) <> (coalesce(real.opted_out, 0), coalesce(real.opted_in, 0))
"""


async def wrong_counters(db: Queries, account: AccountId) -> list[tuple[Any, ...]]:
    """Counters that differ from a recount, as counted and as recounted. Each kind is read in one statement, so of one commit."""
    rows = [*await db.fetch(WRONG_CONTACTS, account, NIL), *await db.fetch(WRONG_CONSENT, account)]
    return [tuple(row.values()) for row in rows]


class State(NamedTuple):
    """A row of consent_token."""

    is_active: bool
    reason: str
    message: str | None
    version: int


class Entry(NamedTuple):
    """A row of consent_history."""

    is_active: bool
    reason: str
    message: str | None


Ledger = tuple[dict[tuple[str, str], State], dict[tuple[str, str], list[Entry]]]
TOKENS = "SELECT type, key, is_active, reason, message, version FROM consent_token WHERE account_id = $1"
HISTORY = """
SELECT type, key, version, is_active, reason, message FROM consent_history WHERE account_id = $1 ORDER BY type, key, version
"""


async def ledger(db: Queries, account: AccountId) -> Ledger:
    """Every token's state, and its history, oldest first; the versions of a history have no gap."""
    tokens = {(type, key): State(*rest) for type, key, *rest in (row.values() for row in await db.fetch(TOKENS, account))}
    history: dict[tuple[str, str], list[Entry]] = {}
    for type, key, version, *rest in (row.values() for row in await db.fetch(HISTORY, account)):
        entries = history.setdefault((type, key), [])
        entries.append(Entry(*rest))
        assert version == len(entries)
    return tokens, history


COLUMNS = [
    Column("id", "id"),
    Column("groupId", "group_id"),
    Column("firstName", "first_name"),
    Column("insertion", "insertion"),
    Column("lastName", "last_name"),
    Column("email", "email"),
    Column("phone", "phone"),
    Column("country", "phone_country"),
    Column("createdOn", "created_at"),
    Column("Company", "field", 6),
    Column("CustomField1", "field", 7),
]
FIELDS = {6: "Company", 7: "CustomField1"}


async def dumped(
    db: Database,
    account: AccountId,
    type: TokenType,
    *,
    groups: Iterable[UUID] = (),
    contacts: Iterable[UUID] = (),
    after: UUID | None = None,
    take: int | None = None,
    form: str = "json",
    reachable_only: bool = False,
    now: datetime | None = None,
) -> list[dict[str, str]]:
    """The rows of a dump; values of fields stand by the name of the field, in JSON as in CSV; absent ones are left out."""
    chunks: list[bytes] = []

    async def write(chunk: bytes) -> None:
        chunks.append(bytes(chunk))

    selection, cursor = Selection(list(groups), list(contacts), reachable_only), Cursor(after, take)
    await dump.dump(db, account, type, selection, cursor, COLUMNS, Form("csv" if form == "csv" else "json"), write, now or ids.now())
    text = b"".join(chunks).decode()
    if form == "csv":
        labels = [column.label for column in COLUMNS]
        lines = csv.reader(io.StringIO(text, newline=""), strict=True)
        return [{label: value for label, value in zip(labels, line, strict=True) if value} for line in lines]
    return [_flat(json.loads(line)) for line in text.split("\n") if line]


def _flat(row: dict[str, Any]) -> dict[str, str]:
    values = row.pop("values", [])
    return row | {FIELDS[pair["field"]]: pair["value"] for pair in values}


async def dumped_ids(db: Database, account: AccountId, type: TokenType, **selection: Any) -> list[UUID]:
    """The ids of a dump."""
    return [UUID(row["id"]) for row in await dumped(db, account, type, **selection)]


MEMBERS = "SELECT contact_id FROM membership WHERE account_id = $1 AND group_id = $2 ORDER BY contact_id"


async def members(db: Queries, account: AccountId, group: UUID) -> Sequence[UUID]:
    """The contacts of a group by id."""
    return [row["contact_id"] for row in await db.fetch(MEMBERS, account, group)]


async def new_list(
    db: Database,
    account: AccountId,
    kind: Kind = Kind.STANDARD,
    declared: Sequence[Declaration] = (),
    *,
    deletes_unused: bool = False,
    **draft: Any,
) -> UUID:
    """A list of a kind with fields of its own; the flags as groups have them."""
    named = groups.Draft(**{"name": "Readers"} | draft)
    purpose = Purpose(kind, deletes_unused)
    return (await group_fields.create_group(db, account, ids.new_id(), named, purpose, declared, ids.now())).id


def member(*devices: Device, fields: Mapping[str, str] = {}, faults: Sequence[Fault] = (), **attributes: str) -> MemberDraft:
    """A row of a batch."""
    return MemberDraft(attributes, dict(fields), devices, faults)


def android(token: str, app: str = "shop") -> Device:
    """A device."""
    return push.device(app, System.ANDROID, token)


async def upload(
    db: Database, account: AccountId, group: UUID, *rows: MemberDraft, unique: Unique | None = None, now: datetime | None = None
) -> Sequence[Verdict]:
    """A batch into a list."""
    return await members_.upload(db, account, group, rows, unique=unique, actor=BRINGER, now=now or ids.now())


async def brought(db: Database, account: AccountId, group: UUID, *rows: MemberDraft, now: datetime | None = None) -> list[UUID]:
    """A batch of which every row is stored: the contacts."""
    verdicts = await upload(db, account, group, *rows, now=now)
    refused = [verdict for verdict in verdicts if isinstance(verdict, Refused)]
    assert not refused
    return [UUID(str(verdict)) for verdict in verdicts]


STANDING = (
    "contact",
    "contact_group",
    "membership",
    "group_field",
    "field",
    "push_token",
    "consent_token",
    "consent_history",
    "contact_use",
)


async def standing(db: Queries, account: AccountId) -> dict[str, list[str]]:
    """Every row that an account has of these tables."""
    found: dict[str, list[str]] = {}
    for name in STANDING:
        rows = await db.fetch(f"SELECT * FROM {name} WHERE account_id = $1", account)
        found[name] = sorted(repr(tuple(row.values())) for row in rows)
    return found
