"""Who can be reached by which medium, and what keeps the others from it: exact at every commit, and counted, not looked for.

Which addresses contacts have is counted by who writes them (core/counts.py). Those that something keeps from being reached, an opt-out or
a deactivated group, are counted beside: `blocked_contact` has each with its state, `blocked_count` how many there are of each state. They
are kept by one folder an account from the changes that every writer leaves behind (core/changes.py). What is not folded yet is
put right by the statement that reads: contacts with a change are taken out as they are counted and put in as they are.

An account's folder holds its row, so that of two readings of the same contact never the older one is kept.
"""

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

import msgspec

from reachbook.core import changes, mass
from reachbook.core.consent import Reason, TokenType
from reachbook.core.counts import Counts
from reachbook.core.ids import NIL, AccountId, new_id
from reachbook.core.limits import FOLDED_CHANGES, FOLDED_CONTACTS
from reachbook.core.paging import Page
from reachbook.database.queries import Database, Queries, Record, Transaction


class Medium(StrEnum):
    """What contacts are reached by (document 002). Voice and voicemail by phone or landline."""

    SMS = "sms"
    EMAIL = "email"
    VOICE = "voice"
    VOICEMAIL = "voicemail"


class Statistics(msgspec.Struct, frozen=True):
    """How many contacts there are, and how many can be reached by each medium."""

    subscribers: int
    sms: int
    email: int
    voice: int
    voicemail: int


class Unreachable(msgspec.Struct, frozen=True):
    """Why a medium does not reach the rest; each contact counts once, under the first that holds."""

    deactivated: int
    no_address: int
    opted_out: dict[str, int]
    """By reason; those that there are."""


class Explained(msgspec.Struct, frozen=True):
    """Statistics with the reasons: for each medium reachable + deactivated + no address + opted out = subscribers."""

    statistics: Statistics
    unreachable: dict[str, Unreachable]


# --- the state of a contact: a bit for each address, one for a deactivated group, and a code for each medium's opt-out

EMAIL, PHONE, LANDLINE, DEACTIVATED = 1, 2, 4, 8
SHIFTS = {Medium.EMAIL: 4, Medium.SMS: 7, Medium.VOICE: 10, Medium.VOICEMAIL: 13}
CODE = 7
REASONS = [None, *Reason]
ADDRESSES = {
    Medium.EMAIL: EMAIL,
    Medium.SMS: PHONE,
    Medium.VOICE: PHONE | LANDLINE,
    Medium.VOICEMAIL: PHONE | LANDLINE,
}


def opt_out(state: int, medium: Medium) -> Reason | None:
    """What the ledger says of the contact's addresses for the medium."""
    return REASONS[state >> SHIFTS[medium] & CODE]


def reaches(state: int, medium: Medium) -> bool:
    """Whether the medium reaches a contact in this state."""
    return bool(state & ADDRESSES[medium]) and not state & DEACTIVATED and opt_out(state, medium) is None


WATCHED = [TokenType(medium) for medium in Medium]
"""The types of tokens that states know of."""

TYPES = ", ".join(f"'{type}'" for type in WATCHED)


def _code(reason: str) -> str:
    return f"coalesce(array_position(ARRAY[{', '.join(repr(str(reason)) for reason in Reason)}], {reason}), 0)"


def _token(alias: str, type: TokenType, key: str) -> str:
    return f"""LEFT JOIN consent_token {alias} ON {alias}.account_id = c.account_id AND {alias}.type = '{type}'
        AND {alias}.key = c.{key} AND {alias}.is_active"""


# Of two numbers that are opted out the phone's reason is told.
TOKENS = " ".join(
    (
        _token("oe", TokenType.EMAIL, "email_key"),
        _token("os", TokenType.SMS, "phone"),
        _token("ov", TokenType.VOICE, "phone"),
        _token("ol", TokenType.VOICE, "landline"),
        _token("om", TokenType.VOICEMAIL, "phone"),
        _token("on_", TokenType.VOICEMAIL, "landline"),
    )
)
"""SQL: the opt-outs of a contact `c`, by alias."""

OPT_OUTS = {
    Medium.SMS: "os.reason",
    Medium.EMAIL: "oe.reason",
    Medium.VOICE: "coalesce(ov.reason, ol.reason)",
    Medium.VOICEMAIL: "coalesce(om.reason, on_.reason)",
}
"""SQL: the reason of each medium's opt-out, null without one."""

ANY_DEACTIVATED = "(SELECT EXISTS (SELECT 1 FROM contact_group WHERE account_id = $1 AND is_locked_for_sending))"
IS_DEACTIVATED = f"""(CASE WHEN {ANY_DEACTIVATED} THEN EXISTS (
    SELECT 1 FROM membership dm JOIN contact_group dg ON dg.account_id = dm.account_id AND dg.id = dm.group_id
    WHERE dm.account_id = c.account_id AND dm.contact_id = c.id AND dg.is_locked_for_sending) ELSE false END)"""
"""SQL: whether a contact `c` is in a deactivated group; $1 is the account. Without any such group nothing is looked for."""

STATE = " + ".join(
    (
        f"{EMAIL} * (c.email_key IS NOT NULL)::int + {PHONE} * (c.phone IS NOT NULL)::int + {LANDLINE} * (c.landline IS NOT NULL)::int",
        f"{DEACTIVATED} * ({IS_DEACTIVATED})::int",
        *(f"{1 << shift} * {_code(OPT_OUTS[medium])}" for medium, shift in SHIFTS.items()),
    )
)
# Contacts of `touched` (id) that are blocked now; the condition on `possible` is looked at once, before any contact.
FRESH = f"""(
SELECT s.id, s.state, ARRAY(SELECT m.group_id FROM membership m WHERE m.account_id = $1 AND m.contact_id = s.id) AS groups FROM (
    SELECT c.id, {STATE} AS state FROM touched t JOIN contact c ON c.account_id = $1 AND c.id = t.id {TOKENS}) s
WHERE s.state >= {DEACTIVATED})
"""
POSSIBLE = f"""
EXISTS (SELECT 1 FROM consent_token WHERE account_id = $1 AND is_active AND type IN ({TYPES}))
OR EXISTS (SELECT 1 FROM contact_group WHERE account_id = $1 AND is_locked_for_sending)
OR EXISTS (SELECT 1 FROM blocked_contact WHERE account_id = $1)
"""
"""SQL: whether any contact of the account can be blocked at all."""


def _touched(of: str) -> str:
    """SQL: the contacts (id) that the changes `of` concern."""
    return f"""
    SELECT u.id FROM {of} r CROSS JOIN LATERAL unnest(r.contacts) u (id) WHERE r.contacts IS NOT NULL
    UNION
    SELECT c.id FROM {of} r JOIN contact c ON c.account_id = $1 AND c.id BETWEEN r.first_id AND r.last_id WHERE r.last_id IS NOT NULL
    UNION
    SELECT m.contact_id FROM {of} r JOIN membership m ON m.account_id = $1 AND m.group_id = r.group_id
        AND m.contact_id >= coalesce(r.first_id, '{NIL}') WHERE r.group_id IS NOT NULL
    UNION
    SELECT c.id FROM {of} r CROSS JOIN LATERAL unnest(r.keys) u (key)
    JOIN contact c ON c.account_id = $1 AND c.email_key = u.key WHERE r.keys IS NOT NULL
    UNION
    SELECT c.id FROM {of} r CROSS JOIN LATERAL unnest(r.keys) u (key)
    JOIN contact c ON c.account_id = $1 AND c.phone = u.key WHERE r.keys IS NOT NULL
    UNION
    SELECT c.id FROM {of} r CROSS JOIN LATERAL unnest(r.keys) u (key)
    JOIN contact c ON c.account_id = $1 AND c.landline = u.key WHERE r.keys IS NOT NULL
    """


# --- reading

BYPASSED = -1
# Groups $2 (NIL: the account): the rows of their counters, then (state, contacts) of those that are blocked, then the groups that
# opt-outs don't filter. One statement: one instant.
READ = f"""
WITH possible AS MATERIALIZED (SELECT ({POSSIBLE}) AS ok), pending AS MATERIALIZED (
    SELECT contacts, first_id, last_id, group_id, keys FROM contact_change WHERE account_id = $1 AND size > 0 AND (SELECT ok FROM possible)
), touched AS MATERIALIZED ({_touched("pending")}), moved AS (
    SELECT b.groups, b.state, -1 AS contacts FROM touched t JOIN blocked_contact b ON b.account_id = $1 AND b.contact_id = t.id
    UNION ALL
    SELECT f.groups, f.state, 1 FROM {FRESH} f
)
SELECT group_id, NULL::bigint AS state, {", ".join(f"sum({name})::bigint AS {name}" for name in Counts._fields)}
FROM contact_count WHERE account_id = $1 AND group_id = ANY($2::uuid[]) GROUP BY group_id
UNION ALL
SELECT group_id, state, sum(contacts)::bigint, {", ".join("0" for _ in Counts._fields[1:])} FROM (
    SELECT group_id, state, contacts FROM blocked_count WHERE account_id = $1 AND group_id = ANY($2::uuid[])
    UNION ALL
    SELECT g.id, m.state, m.contacts FROM moved m CROSS JOIN LATERAL unnest(m.groups || '{NIL}'::uuid) g (id) WHERE g.id = ANY($2::uuid[])
) n GROUP BY group_id, state HAVING sum(contacts) <> 0
UNION ALL
SELECT id, {BYPASSED}, {", ".join("0" for _ in Counts._fields)} FROM contact_group
WHERE account_id = $1 AND id = ANY($2::uuid[]) AND bypass_opt_out
"""
States = Counter[int]
"""How many contacts are in each state."""


async def states(db: Queries, account: AccountId, groups: Sequence[UUID]) -> dict[UUID, States]:
    """The contacts of each group (NIL: the account) by state. In groups that opt-outs don't filter there are none."""
    found: dict[UUID, States] = {group: Counter() for group in groups}
    bypassed: list[UUID] = []
    for row in await db.fetch(READ, account, list(groups)):
        states = found[row["group_id"]]
        if row["state"] is None:
            states.update(_unblocked(Counts(*(row[name] for name in Counts._fields))))
        elif row["state"] == BYPASSED:
            bypassed.append(row["group_id"])
        else:
            states[row["state"]] += row["contacts"]
            states[_addresses(row["state"])] -= row["contacts"]
    return found | {group: _merged(found[group]) for group in bypassed}


def _addresses(state: int) -> int:
    """The bits of addresses; whether a contact with a phone has a landline too makes no difference."""
    return state & (EMAIL | PHONE) if state & PHONE else state & (EMAIL | LANDLINE)


def _unblocked(counts: Counts) -> States:
    """The contacts by the addresses that they have."""
    all_, no_email, no_phone, neither, landline, alone = counts
    return Counter(
        {
            EMAIL | PHONE: all_ - no_email - no_phone + neither,
            PHONE: no_email - neither,
            EMAIL | LANDLINE: landline - alone,
            EMAIL: no_phone - neither - (landline - alone),
            LANDLINE: alone,
            0: neither - alone,
        }
    )


def _merged(states: States) -> States:
    """The same without opt-outs."""
    merged: States = Counter()
    for state, contacts in states.items():
        merged[state & (EMAIL | PHONE | LANDLINE | DEACTIVATED)] += contacts
    return merged


def summed(states: States, priorities: Sequence[Medium] = ()) -> Statistics:
    """Reachable by each medium; with `priorities` each contact counts once, under the first of them that reaches it. Pure."""
    reached = dict.fromkeys(Medium, 0)
    for state, contacts in states.items():
        reaching = [medium for medium in priorities or Medium if reaches(state, medium)]
        for medium in reaching[:1] if priorities else reaching:
            reached[medium] += contacts
    return Statistics(states.total(), *(reached[medium] for medium in (Medium.SMS, Medium.EMAIL, Medium.VOICE, Medium.VOICEMAIL)))


def explained(states: States) -> Explained:
    """Why each medium does not reach the rest. Pure."""
    unreachable: dict[str, Unreachable] = {}
    for medium in Medium:
        rest = Counter({state: contacts for state, contacts in states.items() if not reaches(state, medium)})
        deactivated = sum(contacts for state, contacts in rest.items() if state & DEACTIVATED)
        active = {state: contacts for state, contacts in rest.items() if not state & DEACTIVATED}
        no_address = sum(contacts for state, contacts in active.items() if not state & ADDRESSES[medium])
        by_reason: Counter[str] = Counter()
        for state, contacts in active.items():
            reason = opt_out(state, medium)
            if state & ADDRESSES[medium] and reason is not None:
                by_reason[reason] += contacts
        unreachable[medium] = Unreachable(deactivated, no_address, {reason: by_reason[reason] for reason in Reason if by_reason[reason]})
    return Explained(summed(states), unreachable)


async def of_groups(db: Queries, account: AccountId, groups: Sequence[UUID]) -> dict[UUID, Statistics]:
    """The statistics of each group (NIL: the account); unknown ones have none."""
    return {group: summed(found) for group, found in (await states(db, account, groups)).items()}


async def read(db: Queries, account: AccountId, groups: Sequence[UUID] | None = None) -> States:
    """The contacts of the account, or those in any of the groups, by state. Several groups are looked through: a contact counts once."""
    if groups is not None and len(groups) != 1:
        return await _union(db, account, groups)
    only = NIL if groups is None else groups[0]
    return (await states(db, account, [only]))[only]


UNION = f"""
WITH touched AS MATERIALIZED (SELECT DISTINCT contact_id AS id FROM membership WHERE account_id = $1 AND group_id = ANY($2::uuid[]))
SELECT CASE WHEN EXISTS (SELECT 1 FROM membership m JOIN contact_group g ON g.account_id = m.account_id AND g.id = m.group_id
        WHERE m.account_id = $1 AND m.contact_id = s.id AND m.group_id = ANY($2::uuid[]) AND g.bypass_opt_out)
    THEN s.state & {EMAIL | PHONE | LANDLINE | DEACTIVATED} ELSE s.state END AS state, count(*) AS contacts
FROM (SELECT c.id, {STATE} AS state FROM touched t JOIN contact c ON c.account_id = $1 AND c.id = t.id {TOKENS}) s GROUP BY 1
"""


async def _union(db: Queries, account: AccountId, groups: Sequence[UUID]) -> States:
    return Counter({row["state"]: row["contacts"] for row in await db.fetch(UNION, account, groups)})


# --- what the fields have

USES = """
SELECT field, sum(contacts)::bigint AS contacts, max(length) AS longest FROM (
    SELECT field, length, sum(contacts) AS contacts FROM (
        SELECT field, length, contacts FROM value_count WHERE account_id = $1
        UNION ALL
        SELECT u.field, u.length, u.contacts FROM contact_change r
        CROSS JOIN LATERAL unnest(r.fields, r.lengths, r.counts) u (field, length, contacts)
        WHERE r.account_id = $1 AND r.fields IS NOT NULL
    ) n GROUP BY field, length HAVING sum(contacts) <> 0
) n GROUP BY field
"""


class Use(NamedTuple):
    """How many contacts have a value of a field, and how long the longest is, in characters."""

    contacts: int
    longest: int


async def uses(db: Queries, account: AccountId) -> Mapping[str, Use]:
    """By column of contacts, or id of a field; those that nobody has are missing."""
    return {row["field"]: Use(row["contacts"], row["longest"]) for row in await db.fetch(USES, account)}


# --- folding

WAITING = "SELECT account_id FROM contact_change GROUP BY account_id"
HOLD = "SELECT 1 FROM statistics_folder WHERE account_id = $1 FOR UPDATE"
TAKE = f"""
DELETE FROM contact_change WHERE account_id = $1 AND id IN (
    SELECT id FROM (SELECT id, sum(size) OVER (ORDER BY id) - size AS before FROM contact_change WHERE account_id = $1) r
    WHERE before < {FOLDED_CONTACTS} ORDER BY id LIMIT {FOLDED_CHANGES})
RETURNING size, contacts, first_id, last_id, group_id, keys, fields, lengths, counts
"""
RESOLVE = f"""
WITH taken (contacts, first_id, last_id, group_id, keys) AS (
    SELECT $2::uuid[], NULL::uuid, NULL::uuid, NULL::uuid, $5::text[]
    UNION ALL SELECT NULL, first_id, last_id, NULL, NULL FROM unnest($3::uuid[], $4::uuid[]) r (first_id, last_id)
) {_touched("taken")}
"""
MEMBERS = """
SELECT contact_id FROM membership WHERE account_id = $1 AND group_id = $2 AND contact_id >= $3 ORDER BY contact_id LIMIT $4
"""
ADD_COUNTS = """
ON CONFLICT (account_id, group_id, state) DO UPDATE SET contacts = blocked_count.contacts + excluded.contacts
"""
TAKE_OUT = f"""
WITH gone AS (DELETE FROM blocked_contact WHERE account_id = $1 AND contact_id = ANY($2::uuid[]) RETURNING groups, state)
INSERT INTO blocked_count (account_id, group_id, state, contacts)
SELECT $1, g.id, state, -count(*) FROM gone CROSS JOIN LATERAL unnest(groups || '{NIL}'::uuid) g (id) GROUP BY 2, 3 ORDER BY 2, 3
{ADD_COUNTS}
"""
PUT_IN = f"""
WITH touched AS MATERIALIZED (SELECT unnest($2::uuid[]) AS id), fresh AS MATERIALIZED (SELECT * FROM {FRESH} f), put AS (
    INSERT INTO blocked_contact (account_id, contact_id, state, groups) SELECT $1, id, state, groups FROM fresh
)
INSERT INTO blocked_count (account_id, group_id, state, contacts)
SELECT $1, g.id, state, count(*) FROM fresh CROSS JOIN LATERAL unnest(groups || '{NIL}'::uuid) g (id) GROUP BY 2, 3 ORDER BY 2, 3
{ADD_COUNTS}
"""
CLEAR = "DELETE FROM blocked_count WHERE account_id = $1 AND contacts = 0"
GO_ON = "INSERT INTO contact_change (account_id, id, size, group_id, first_id) VALUES ($1, $2, $3, $4, $5)"
ADD_LENGTHS = """
INSERT INTO value_count (account_id, field, length, contacts)
SELECT $1, field, length, contacts FROM unnest($2::text[], $3::bigint[], $4::bigint[]) n (field, length, contacts)
ON CONFLICT (account_id, field, length) DO UPDATE SET contacts = value_count.contacts + excluded.contacts
"""
CLEAR_LENGTHS = "DELETE FROM value_count WHERE account_id = $1 AND contacts = 0"


async def fold_all(db: Database) -> int:
    """A share of every account's changes; answers how many accounts have more."""
    return sum([await fold(db, AccountId(row["account_id"])) >= FOLDED_CONTACTS for row in await db.fetch(WAITING)])


async def fold(db: Database, account: AccountId) -> int:
    """Count what has changed; answers about how many contacts that were (no fewer than a full share if there may be more changes),
    0 when another one folds.
    """
    async with db.transaction() as tx:
        if await tx.fetchval(f"{HOLD} SKIP LOCKED", account) is None:
            return 0
        # A statement after the lock: it sees all that the folder before has done.
        taken = await tx.fetch(TAKE, account)
        await _fold_lengths(tx, account, taken)
        if taken and await tx.fetchval(f"SELECT {POSSIBLE}", account):
            await _fold_blocked(tx, account, taken)
    size = sum(row["size"] for row in taken)
    return size if len(taken) < FOLDED_CHANGES else max(size, FOLDED_CONTACTS)


async def _fold_lengths(tx: Transaction, account: AccountId, taken: Sequence[Record]) -> None:
    lengths: Counter[tuple[str, int]] = Counter()
    for row in taken:
        for field, length, contacts in zip(row["fields"] or (), row["lengths"] or (), row["counts"] or (), strict=True):
            lengths[field, length] += contacts
    columns = changes.columns(lengths)
    if columns[0]:
        await tx.execute(ADD_LENGTHS, account, *columns)
        await tx.execute(CLEAR_LENGTHS, account)


async def _fold_blocked(tx: Transaction, account: AccountId, taken: Sequence[Record]) -> None:
    listed = [contact for row in taken for contact in row["contacts"] or ()]
    ranges = [(row["first_id"], row["last_id"]) for row in taken if row["last_id"]]
    keys = sorted({key for row in taken for key in row["keys"] or ()})
    firsts, lasts = [first for first, _ in ranges], [last for _, last in ranges]
    contacts = {row["id"] for row in await tx.fetch(RESOLVE, account, listed, firsts, lasts, keys)}
    for row in taken:
        if row["group_id"] is not None:
            contacts.update(await _members(tx, account, row["group_id"], row["first_id"] or NIL))
    if len(contacts) > MANY:
        await mass.prepare(tx)
    if contacts:
        await tx.execute(TAKE_OUT, account, sorted(contacts))
        await tx.execute(PUT_IN, account, sorted(contacts))
        await tx.execute(CLEAR, account)


MANY = 500


async def _members(tx: Transaction, account: AccountId, group: UUID, first: UUID) -> Sequence[UUID]:
    """The next members of a group; what is left of it stays to be folded."""
    rows = [row["contact_id"] for row in await tx.fetch(MEMBERS, account, group, first, FOLDED_CONTACTS)]
    if len(rows) == FOLDED_CONTACTS:
        await tx.execute(GO_ON, account, new_id(), FOLDED_CONTACTS, group, rows[-1])
    return rows


FORGET_GROUPS = f"""
WITH gone AS (
    DELETE FROM blocked_contact WHERE account_id = $1 AND groups && $2::uuid[] RETURNING contact_id, groups, state
), left_ AS (
    INSERT INTO contact_change (account_id, id, size, contacts)
    SELECT $1, $3, count(*), array_agg(contact_id) FROM gone HAVING count(*) > 0
)
INSERT INTO blocked_count (account_id, group_id, state, contacts)
SELECT $1, g.id, state, -count(*) FROM gone CROSS JOIN LATERAL unnest(groups || '{NIL}'::uuid) g (id) GROUP BY 2, 3 ORDER BY 2, 3
{ADD_COUNTS}
"""


async def forget_groups(tx: Transaction, account: AccountId, groups: Sequence[UUID]) -> None:
    """The groups have no members any more: what is blocked of those that were is counted anew. The last thing in its transaction,
    because the account's folder waits for its end.
    """
    await tx.execute(HOLD, account)
    await tx.execute(FORGET_GROUPS, account, groups, new_id())
    await tx.execute(CLEAR, account)


# --- days

DAY = "SELECT id FROM account ORDER BY id"
GROUPS = "SELECT id FROM contact_group WHERE account_id = $1"
PUT_DAY = """
INSERT INTO statistics_day (account_id, group_id, day, taken_at, subscribers, sms, email, voice, voicemail)
SELECT $1, d.*  FROM unnest($2::uuid[], $3::date[], $4::timestamptz[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[])
    AS d (group_id, day, taken_at, subscribers, sms, email, voice, voicemail)
ON CONFLICT (account_id, group_id, day) DO UPDATE SET taken_at = excluded.taken_at, subscribers = excluded.subscribers,
    sms = excluded.sms, email = excluded.email, voice = excluded.voice, voicemail = excluded.voicemail
"""
HISTORY_PAGE = """
SELECT day, taken_at, subscribers, sms, email, voice, voicemail FROM (
    SELECT day, taken_at, subscribers, sms, email, voice, voicemail FROM statistics_day
    WHERE account_id = $1 AND group_id = $2 AND day <> $7::date
    UNION ALL
    SELECT $7::date, $8::timestamptz, $9::bigint, $10::bigint, $11::bigint, $12::bigint, $13::bigint
) d WHERE day >= $3 AND day <= $4 ORDER BY day OFFSET $5 LIMIT $6
"""


class Day(msgspec.Struct, frozen=True):
    """The statistics of one day (UTC) as they were when it ended; `taken_at` is when they were read."""

    day: dt.date
    taken_at: datetime
    statistics: Statistics


async def keep_day(db: Database, now: datetime) -> None:
    """Note today's statistics of every account and group; the last time of a day holds."""
    for row in await db.fetch(DAY):
        account = AccountId(row["id"])
        groups = [NIL, *(group["id"] for group in await db.fetch(GROUPS, account))]
        found = await of_groups(db, account, groups)
        rows = [(group, now.date(), now, *msgspec.structs.astuple(statistics)) for group, statistics in found.items()]
        await db.execute(PUT_DAY, account, *map(list, zip(*rows, strict=True)))


FORGET_DAYS = "DELETE FROM statistics_day WHERE account_id = $1 AND group_id = ANY($2::uuid[])"


async def forget_days(tx: Transaction, account: AccountId, groups: Sequence[UUID]) -> None:
    """The days of groups that are deleted."""
    await tx.execute(FORGET_DAYS, account, groups)


async def history(
    db: Queries, account: AccountId, group: UUID | None, since: dt.date | None, until: dt.date | None, page: Page, now: datetime
) -> Sequence[Day]:
    """The days from `since` to `until` (today), of the group or the account, oldest first; today as it is, days on which no worker ran
    are missing.
    """
    today = now.date()
    bounds = (since or dt.date.min, min(until or today, today))
    figures = (await of_groups(db, account, [group or NIL]))[group or NIL]
    values = (today, now, *msgspec.structs.astuple(figures))
    rows = await db.fetch(HISTORY_PAGE, account, group or NIL, *bounds, page.skip, page.take, *values)
    return [Day(day, taken_at, Statistics(*figures)) for day, taken_at, *figures in (list(row.values()) for row in rows)]
