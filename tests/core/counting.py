"""What there is to tell of who can be reached and how long values are, counted here in plain Python from the rows themselves."""

import itertools
import json
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from reachbook.core import reach, statistics, statistics_folder
from reachbook.core.consent import Reason
from reachbook.core.counts import Counts
from reachbook.core.ids import NIL, AccountId
from reachbook.core.reach import Medium
from reachbook.core.statistics import Explained, Statistics, Unreachable, Use
from reachbook.database.queries import Database, Queries, Record

REACHED, DEACTIVATED, NO_ADDRESS = "reached", "deactivated", "no address"
ADDRESSES = {
    Medium.SMS: ["phone"],
    Medium.EMAIL: ["email_key"],
    Medium.VOICE: ["phone", "landline"],
    Medium.VOICEMAIL: ["phone", "landline"],
}
MEASURED = ["first_name", "insertion", "last_name", "email", "phone", "landline", "fax"]
PRIORITIES = [
    (Medium.SMS, Medium.EMAIL, Medium.VOICE, Medium.VOICEMAIL),
    (Medium.VOICEMAIL, Medium.VOICE, Medium.EMAIL, Medium.SMS),
    (Medium.EMAIL, Medium.VOICE),
    (Medium.VOICEMAIL,),
]
Told = tuple[Explained, list[Statistics]]
"""The statistics with their reasons, and those by each of PRIORITIES."""


@dataclass
class Rows:
    """An account's rows, all of one instant. `out` is what is opted out: (type, key) → reason."""

    contacts: Sequence[Record]
    groups: Mapping[UUID, Record]
    out: Mapping[tuple[str, str], Reason]

    def is_deactivated(self, contact: Record) -> bool:
        """In any group that nothing is sent to."""
        return any(self.groups[group]["is_locked_for_sending"] for group in contact["groups"])

    def opt_out(self, contact: Record, medium: Medium) -> Reason | None:
        """What any of its addresses is opted out for."""
        reasons = (self.out.get((medium, contact[column])) for column in ADDRESSES[medium])
        return next((reason for reason in reasons if reason is not None), None)

    def verdict(self, contact: Record, medium: Medium, is_bypassed: bool) -> str:
        """REACHED, or why not."""
        if self.is_deactivated(contact):
            return DEACTIVATED
        if all(contact[column] is None for column in ADDRESSES[medium]):
            return NO_ADDRESS
        return (None if is_bypassed else self.opt_out(contact, medium)) or REACHED

    def told(self, scope: Sequence[UUID] | None) -> Told:
        """What there is to tell of the contacts in any of the groups, or with None of all."""
        chosen = [contact for contact in self.contacts if scope is None or not set(scope).isdisjoint(contact["groups"])]
        bypassing = {group for group in scope or () if self.groups[group]["bypass_opt_out"]}
        verdicts = [
            {medium: self.verdict(contact, medium, not bypassing.isdisjoint(contact["groups"])) for medium in Medium} for contact in chosen
        ]
        reaching = [[medium for medium in Medium if one[medium] == REACHED] for one in verdicts]
        by_priorities = [
            [next((medium for medium in priorities if medium in media), None) for media in reaching] for priorities in PRIORITIES
        ]
        unreachable = {medium: _unreachable([one[medium] for one in verdicts]) for medium in Medium}
        return Explained(_figures(len(chosen), itertools.chain(*reaching)), unreachable), [
            _figures(len(chosen), firsts) for firsts in by_priorities
        ]

    def counters(self) -> dict[UUID, Counts]:
        """Of each group and the account (NIL)."""
        sums: dict[UUID, Counts] = {}
        for contact in self.contacts:
            no_email, no_phone, landline = contact["email"] is None, contact["phone"] is None, contact["landline"] is not None
            neither = no_email and no_phone
            of_one = (True, no_email, no_phone, neither, no_phone and landline, neither and landline)
            for group in (NIL, *contact["groups"]):
                sums[group] = Counts(*map(sum, zip(sums.get(group, Counts()), of_one, strict=True)))
        return sums

    def lengths(self) -> Counter[tuple[str, int]]:
        """How many values of each length a column or field has."""
        values = [{name: contact[name] for name in MEASURED} | json.loads(contact["field_values"]) for contact in self.contacts]
        return Counter((name, len(value)) for one in values for name, value in one.items() if value is not None)

    def uses(self) -> dict[str, Use]:
        """How many values a column or field has, and the longest."""
        of_fields: dict[str, list[tuple[int, int]]] = {}
        for (field, length), number in self.lengths().items():
            of_fields.setdefault(field, []).append((number, length))
        return {field: Use(sum(number for number, _ in of), max(length for _, length in of)) for field, of in of_fields.items()}

    def blocked(self) -> dict[UUID, tuple[int, frozenset[UUID]]]:
        """The contacts that an opt-out or a deactivated group keeps from something: state and groups."""
        found: dict[UUID, tuple[int, frozenset[UUID]]] = {}
        for contact in self.contacts:
            reasons = {medium: self.opt_out(contact, medium) for medium in Medium}
            if self.is_deactivated(contact) or any(reasons.values()):
                found[contact["id"]] = self._state(contact, reasons), frozenset(contact["groups"])
        return found

    def _state(self, contact: Record, reasons: Mapping[Medium, Reason | None]) -> int:
        bits = {"email": reach.EMAIL, "phone": reach.PHONE, "landline": reach.LANDLINE}
        state = sum(bit for column, bit in bits.items() if contact[column] is not None)
        state += reach.DEACTIVATED * self.is_deactivated(contact)
        return state + sum(reach.REASONS.index(reason) << reach.SHIFTS[medium] for medium, reason in reasons.items())


def _figures(total: int, reached: Iterable[Medium | None]) -> Statistics:
    times = Counter(reached)
    return Statistics(subscribers=total, **{str(medium): times[medium] for medium in Medium})


def _unreachable(verdicts: Sequence[str]) -> Unreachable:
    times = Counter(verdicts)
    return Unreachable(times[DEACTIVATED], times[NO_ADDRESS], {reason: times[reason] for reason in Reason if times[reason]})


CONTACTS = """
SELECT *, ARRAY(SELECT m.group_id FROM membership m WHERE m.account_id = c.account_id AND m.contact_id = c.id) AS groups
FROM contact c WHERE c.account_id = $1
"""
GROUPS = "SELECT id, is_locked_for_sending, bypass_opt_out FROM contact_group WHERE account_id = $1 ORDER BY id"
OPTED_OUT = "SELECT type, key, reason FROM consent_token WHERE account_id = $1 AND is_active"


async def rows_of(db: Queries, account: AccountId) -> Rows:
    """Straight from the tables."""
    of_groups = {row["id"]: row for row in await db.fetch(GROUPS, account)}
    out = {(row["type"], row["key"]): Reason(row["reason"]) for row in await db.fetch(OPTED_OUT, account)}
    return Rows(await db.fetch(CONTACTS, account), of_groups, out)


# --- what the product tells and keeps


async def told(db: Queries, account: AccountId, scope: Sequence[UUID] | None = None) -> Told:
    """As the product counts."""
    states = await statistics.read(db, account, scope)
    return statistics.explained(states), [statistics.summed(states, priorities) for priorities in PRIORITIES]


COUNTERS = f"""
SELECT group_id, {", ".join(f"sum({name})::bigint" for name in Counts._fields)} FROM contact_count WHERE account_id = $1 GROUP BY group_id
"""


@asynccontextmanager
async def at_one_instant(db: Database) -> AsyncGenerator[Queries]:
    """All statements see the same commits."""
    async with db.transaction() as tx:
        await tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield tx


async def assert_exact(db: Database, account: AccountId) -> None:
    """Whatever is told at this instant is what a count of the rows gives."""
    async with at_one_instant(db) as tx:
        rows = await rows_of(tx, account)
        known = list(rows.groups)
        for scope in [None, *([group] for group in known), known[:2], known, []]:
            assert await told(tx, account, scope) == rows.told(scope)
        at_once = await statistics.of_groups(tx, account, [NIL, *known])
        assert at_once == {group: rows.told(None if group == NIL else [group])[0].statistics for group in (NIL, *known)}
        assert await statistics.uses(tx, account) == rows.uses()
        counters = {group: Counts(*rest) for group, *rest in (row.values() for row in await tx.fetch(COUNTERS, account))}
        assert {group: counts for group, counts in counters.items() if any(counts)} == rows.counters()


BLOCKED = "SELECT contact_id, state, groups FROM blocked_contact WHERE account_id = $1"
BLOCKED_COUNT = "SELECT group_id, state, contacts FROM blocked_count WHERE account_id = $1"
VALUE_COUNT = "SELECT field, length, contacts FROM value_count WHERE account_id = $1"
LEFT = "SELECT count(*) FROM contact_change WHERE account_id = $1"


async def fold_everything(db: Database, account: AccountId) -> None:
    """Until nothing is left, within bounds."""
    for _ in range(1_000):
        if not await statistics_folder.fold(db, account) and not await db.fetchval(LEFT, account):
            return
    raise AssertionError("folding has no end")


async def assert_folded_is_exact(db: Database, account: AccountId) -> None:
    """What is kept, once nothing is left to be folded, is what a count of the rows gives, and so is what is told then."""
    await fold_everything(db, account)
    async with at_one_instant(db) as tx:
        rows = await rows_of(tx, account)
        blocked = {row["contact_id"]: (row["state"], frozenset(row["groups"])) for row in await tx.fetch(BLOCKED, account)}
        assert blocked == rows.blocked()
        recount = Counter((group, state) for state, of_groups in blocked.values() for group in (NIL, *of_groups))
        counted = {(row["group_id"], row["state"]): row["contacts"] for row in await tx.fetch(BLOCKED_COUNT, account)}
        assert {key: number for key, number in counted.items() if number} == recount
        assert {(row["field"], row["length"]): row["contacts"] for row in await tx.fetch(VALUE_COUNT, account)} == rows.lengths()
    await assert_exact(db, account)
