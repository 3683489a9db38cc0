"""Who can be reached by which medium, and what keeps the others from it: exact at every commit, and counted, not looked for.

Which addresses contacts have is counted by who writes them (core/counts.py). Those that something keeps from being reached, an opt-out or
a deactivated group, are counted beside: `blocked_contact` has each with its state, `blocked_count` how many there are of each state, kept
by a folder (core/statistics_folder.py) from the changes that every writer leaves behind (core/changes.py). What is not folded yet is put
right by the statement that reads: contacts with a change are taken out as they are counted and put in as they are.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

import msgspec

from reachbook.core.consent import Reason
from reachbook.core.counts import Counts
from reachbook.core.ids import NIL, AccountId
from reachbook.core.reach import (
    ADDRESSES,
    DEACTIVATED,
    EMAIL,
    FRESH,
    LANDLINE,
    PHONE,
    POSSIBLE,
    STATE,
    TOKENS,
    Medium,
    opt_out,
    reaches,
    touched,
)
from reachbook.database.queries import Queries


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


# --- reading

BYPASSED = -1
# Groups $2 (NIL: the account): the rows of their counters, then (state, contacts) of those that are blocked, then the groups that
# opt-outs don't filter. One statement: one instant.
READ = f"""
WITH possible AS MATERIALIZED (SELECT ({POSSIBLE}) AS ok), pending AS MATERIALIZED (
    SELECT contacts, first_id, last_id, group_id, keys FROM contact_change WHERE account_id = $1 AND size > 0 AND (SELECT ok FROM possible)
), touched AS MATERIALIZED ({touched("pending")}), moved AS (
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
