"""What accounts owe: against a plain reckoning over whatever happened, month by month."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reachbook.core import catalogues, channel_requests, charges, decisions, ids, keywords, numbers
from reachbook.core.catalogues import ChannelType, ChannelTypeDraft, NumberType, NumberTypeDraft
from reachbook.core.charges import Bill
from reachbook.core.errors import InvalidError
from reachbook.core.ids import AccountId
from reachbook.core.work_queue import Kind
from reachbook.database.pool import Pool
from tests.core.book import new_account
from tests.core.channels import ask, channel_type, claim, fresh_name, item_of, number_type, rent, stock

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
TICK = timedelta(milliseconds=1)
MONTHS = [f"2026-{month:02}" for month in range(1, 13)] + ["2025-12", "2027-01"]
COSTS = [Decimal(text) for text in ("0", "0.0001", "0.1", "0.3333", "12.5", "99.99", "123456789012.3456")]
cost = st.sampled_from(COSTS)


@pytest.fixture(scope="module")
def db(quiet: Pool) -> Pool:
    """No server hands numbers over."""
    return quiet


async def bills(db: Pool, account: AccountId, month: str) -> dict[str, Bill]:
    """An account's, by currency; what it is by itself and among all is the same."""
    found = list(await charges.of_month(db, month, account))
    assert [bill for bill in await charges.of_month(db, month) if bill.account == account] == found
    assert len({bill.currency for bill in found}) == len(found)
    return {bill.currency: bill for bill in found}


def lines(found: Mapping[str, Bill]) -> list[tuple[str, str, str, Decimal]]:
    """All lines: currency, kind, entity and amount."""
    return sorted((bill.currency, line.kind, line.entity_id, line.amount) for bill in found.values() for line in bill.lines)


# --- by hand


async def test_a_number_and_its_months(db: Pool, account: AccountId, other_account: AccountId) -> None:
    type = await number_type(db, startup_cost=Decimal("2.50"), monthly_cost=Decimal("0.10"), description="A, B")
    number = await rent(db, account, type, datetime(2026, 1, 31, 23, 59, 59, 999_000, UTC))
    await numbers.give_back(db, account, number, datetime(2026, 3, 1, tzinfo=UTC))
    for month, expected in [
        ("2025-12", []),
        ("2026-01", [("numberStartup", "2.5"), ("numberMonthly", "0.1")]),
        ("2026-02", [("numberMonthly", "0.1")]),
        ("2026-03", [("numberMonthly", "0.1")]),
        ("2026-04", []),
    ]:
        found = await bills(db, account, month)
        assert lines(found) == sorted(("EUR", kind, number, Decimal(amount)) for kind, amount in expected), month
        assert await bills(db, other_account, month) == {}
    (bill,) = (await bills(db, account, "2026-01")).values()
    assert (bill.account_name, bill.total) == ("Alice", Decimal("2.6"))
    assert bill.lines[0].description == f"00{number}, A, B"


async def test_a_month_ends_where_the_next_begins(db: Pool, account: AccountId) -> None:
    type = await number_type(db, monthly_cost=Decimal(1))
    february = datetime(2026, 2, 1, tzinfo=UTC)
    before, at = await rent(db, account, type, february - TICK), await rent(db, account, type, february)
    await numbers.give_back(db, account, before, february + timedelta(days=28) - TICK)
    await numbers.give_back(db, account, at, february + timedelta(days=28))
    expected = {"2026-01": {before}, "2026-02": {before, at}, "2026-03": {at}, "2026-04": set[str]()}
    for month, of in expected.items():
        assert {entity for _, _, entity, _ in lines(await bills(db, account, month))} == of, month


async def test_costs_are_those_of_when_a_thing_began(db: Pool, account: AccountId) -> None:
    type = await number_type(db, currency="EUR", monthly_cost=Decimal(1), keyword_monthly_cost=Decimal(2))
    (shared,) = await stock(db, type, is_shared=True)
    first = await rent(db, account, type, BEGIN)
    word = await claim(db, account, shared, now=BEGIN)
    draft = NumberTypeDraft(currency="USD", monthly_cost=Decimal(10), keyword_monthly_cost=Decimal(20), keyword_startup_cost=Decimal(5))
    await catalogues.save_number_type(db, type.id, draft)
    second = await rent(db, account, type, BEGIN)
    other = await claim(db, account, shared, "other", now=BEGIN)
    found = await bills(db, account, "2026-01")
    assert lines(found) == sorted(
        [
            ("EUR", "keywordMonthly", str(word.id), Decimal(2)),
            ("EUR", "numberMonthly", first, Decimal(1)),
            ("USD", "keywordMonthly", str(other.id), Decimal(20)),
            ("USD", "keywordStartup", str(other.id), Decimal(5)),
            ("USD", "numberMonthly", second, Decimal(10)),
        ]
    )
    assert {currency: bill.total for currency, bill in found.items()} == {"EUR": 3, "USD": 35}
    assert [line.kind for line in found["USD"].lines] == ["numberMonthly", "keywordStartup", "keywordMonthly"]


async def test_channels_cost_from_when_they_are_fulfilled(db: Pool, account: AccountId) -> None:
    type = await channel_type(db, description="Telex", startup_cost=Decimal(100), monthly_cost=Decimal("9.99"))
    made = await channel_requests.create(db, account, ids.new_id(), type.id, BEGIN)
    assert await bills(db, account, "2026-01") == {}
    await decisions.approve(db, account, await item_of(db, account, Kind.CHANNEL, made.id), now=datetime(2026, 2, 10, tzinfo=UTC))
    assert await bills(db, account, "2026-01") == {}
    (bill,) = (await bills(db, account, "2026-02")).values()
    assert [(line.kind, line.entity_id, line.description, line.amount) for line in bill.lines] == [
        ("channelStartup", str(made.id), "Telex", Decimal(100)),
        ("channelMonthly", str(made.id), "Telex", Decimal("9.99")),
    ]
    assert [line.kind for line in (await bills(db, account, "2036-11"))["EUR"].lines] == ["channelMonthly"]
    refused = await channel_requests.create(db, account, ids.new_id(), type.id, BEGIN)
    await decisions.reject(db, account, await item_of(db, account, Kind.CHANNEL, refused.id), "No.", BEGIN)
    assert len((await bills(db, account, "2026-02"))["EUR"].lines) == 2


@pytest.mark.parametrize("month", ["", "2026", "2026-1", "2026-13", "2026-00", "2026-01-01", "0000-01", "9999-12", "26-01", "٢٠٢٦-٠١"])
async def test_months_that_are_none(db: Pool, month: str) -> None:
    with pytest.raises(InvalidError) as refused:
        await charges.of_month(db, month)
    assert [fault.path for fault in refused.value.faults] == [("month",)]


async def test_the_first_and_the_last_month(db: Pool, account: AccountId) -> None:
    for month in ("0001-01", "9998-12", " 2026-12 "):
        assert await bills(db, account, month) == {}


# --- by whatever happened


@dataclass
class Term:
    """Something that costs from then until then."""

    account: int
    kind: str
    entity: str
    currency: str
    startup: Decimal
    monthly: Decimal
    began: datetime
    ended: datetime | None = None

    def lines(self, month: str) -> list[tuple[str, str, str, Decimal]]:
        """What it costs in a month, reckoned by the months' names."""
        first, last = f"{self.began:%Y-%m}", f"{self.ended:%Y-%m}" if self.ended else "9999-12"
        found = [("Startup", self.startup)] if month == first else []
        found += [("Monthly", self.monthly)] if first <= month <= last else []
        return [(self.currency, f"{self.kind}{suffix}", self.entity, amount) for suffix, amount in found if amount]


EVENTS = st.sampled_from(["rent", "rent", "claim", "claim", "claim on own", "channel", "end", "end", "withdraw", "prices"])
steps = st.lists(st.tuples(EVENTS, st.integers(0, 1), st.integers(0, 45), st.integers(0, 9), cost, cost), min_size=3, max_size=20)


class History:
    """Two accounts, two currencies, and a clock that goes on."""

    def __init__(self, db: Pool) -> None:
        self.db = db
        self.accounts: list[AccountId] = []
        self.types: list[NumberType] = []
        self.shared: list[str] = []
        self.terms: list[Term] = []
        self.ends: dict[str, Any] = {}

    async def begin(self) -> None:
        self.accounts = [await new_account(self.db) for _ in range(2)]
        for currency in ("EUR", "USD"):
            costs = {"startup_cost": COSTS[3], "keyword_startup_cost": COSTS[1], "keyword_monthly_cost": COSTS[2]}
            self.types.append(await number_type(self.db, currency=currency, monthly_cost=COSTS[4], **costs))
        self.shared = [(await stock(self.db, type, is_shared=True, now=BEGIN))[0] for type in self.types]
        self.channel: ChannelType = await channel_type(self.db, auto_fulfil=True, monthly_cost=COSTS[5])

    async def prices(self, which: int, startup: Decimal, monthly: Decimal) -> None:
        """The operator changes what new things cost."""
        if which > 5:
            self.channel = await catalogues.save_channel_type(
                self.db, self.channel.id, ChannelTypeDraft(startup_cost=startup, monthly_cost=monthly), BEGIN
            )
            return
        costs = {"startup_cost": startup, "monthly_cost": monthly, "keyword_startup_cost": monthly, "keyword_monthly_cost": startup}
        self.types[which % 2] = await catalogues.save_number_type(self.db, self.types[which % 2].id, NumberTypeDraft(**costs))

    async def rent(self, whose: int, which: int, now: datetime) -> None:
        type = self.types[which % 2]
        number = await rent(self.db, self.accounts[whose], type, now)
        self.terms.append(Term(whose, "number", number, type.currency, type.startup_cost, type.monthly_cost, now))

    async def claim(self, whose: int, which: int, now: datetime) -> None:
        """On a shared number, if there is one yet."""
        type = self.types[which % 2]
        if self.shared[which % 2]:
            made = await claim(self.db, self.accounts[whose], self.shared[which % 2], fresh_name(), now=now)
            costs = (type.keyword_startup_cost, type.keyword_monthly_cost)
            self.terms.append(Term(whose, "keyword", str(made.id), type.currency, *costs, now))

    async def claim_on_own(self, whose: int, now: datetime) -> None:
        """Which costs nothing."""
        mine = [term for term in self.terms if (term.account, term.kind, term.ended) == (whose, "number", None)]
        if mine:
            await claim(self.db, self.accounts[whose], mine[0].entity, fresh_name(), now=now)

    async def ask(self, whose: int, now: datetime) -> None:
        made = await channel_requests.create(self.db, self.accounts[whose], ids.new_id(), self.channel.id, now)
        costs = (self.channel.startup_cost, self.channel.monthly_cost)
        self.terms.append(Term(whose, "channel", str(made.id), "EUR", *costs, now))

    async def end(self, whose: int, which: int, now: datetime) -> None:
        """The account gives back or cancels."""
        running = [term for term in self.terms if term.account == whose and term.kind != "channel" and term.ended is None]
        if not running:
            return
        term = running[which % len(running)]
        account = self.accounts[whose]
        if term.kind == "number":
            await numbers.give_back(self.db, account, term.entity, now)
        else:
            await keywords.cancel(self.db, account, next(id for id in await self.claims(account) if str(id) == term.entity), now)
        term.ended = now

    async def claims(self, account: AccountId) -> list[Any]:
        """Their ids."""
        return [row["id"] for row in await self.db.fetch("SELECT id FROM keyword_claim WHERE account_id = $1", account)]

    async def withdraw(self, which: int, now: datetime) -> None:
        """The operator takes a shared number, or one that somebody has, out of service."""
        of = which % 2
        owned = [term for term in self.terms if term.kind == "number" and term.ended is None]
        if which > 5 and self.shared[of]:
            await numbers.withdraw(self.db, self.shared[of], now)
            self.shared[of] = ""
            currency = self.types[of].currency
            for term in self.terms:
                if (term.kind, term.currency, term.ended) == ("keyword", currency, None):
                    term.ended = now
        elif owned:
            await numbers.withdraw(self.db, owned[which % len(owned)].entity, now)
            owned[which % len(owned)].ended = now

    async def step(self, event: str, whose: int, which: int, costs: tuple[Decimal, Decimal], now: datetime) -> None:
        match event:
            case "rent":
                await self.rent(whose, which, now)
            case "claim":
                await self.claim(whose, which, now)
            case "claim on own":
                await self.claim_on_own(whose, now)
            case "channel":
                await self.ask(whose, now)
            case "end":
                await self.end(whose, which, now)
            case "withdraw":
                await self.withdraw(which, now)
            case _:
                await self.prices(which, *costs)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps)
async def test_against_a_plain_reckoning(db: Pool, happened: list[tuple[str, int, int, int, Decimal, Decimal]]) -> None:
    history, now = History(db), BEGIN
    await history.begin()
    for event, whose, days, which, startup, monthly in happened:
        now += timedelta(days=days)
        await history.step(event, whose, which, (startup, monthly), now)
    for month in MONTHS:
        for whose, account in enumerate(history.accounts):
            expected = sorted(line for term in history.terms if term.account == whose for line in term.lines(month))
            found = await bills(db, account, month)
            assert lines(found) == expected, month
            for currency, bill in found.items():
                assert bill.total == sum((line[3] for line in expected if line[0] == currency), Decimal(0))
                assert bill.lines
                assert all(isinstance(line.amount, Decimal) and line.amount > 0 for line in bill.lines)


async def test_decimals_are_exact(db: Pool, account: AccountId) -> None:
    """A hundred tenths, and the largest cost beside the smallest."""
    tenth = await number_type(db, monthly_cost=Decimal("0.1"))
    for _ in range(100):
        await rent(db, account, tenth, BEGIN)
    (bill,) = (await bills(db, account, "2026-01")).values()
    assert bill.total == Decimal(10)
    large = await number_type(db, currency="JPY", startup_cost=Decimal("999999999999.9999"), monthly_cost=Decimal("0.0001"))
    await rent(db, account, large, BEGIN)
    assert (await bills(db, account, "2026-01"))["JPY"].total == Decimal(10) ** 12
    with pytest.raises(InvalidError):
        await number_type(db, monthly_cost=Decimal("0.00001"))
    assert (await ask(db, account, tenth)).monthly_cost == Decimal("0.1")
