"""Any order of calls about numbers, by two accounts and the operator, against a plain model: stock, requests, claims, the queue."""

import itertools
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from reachbook.core import channels, decisions, ids, keywords, number_requests, numbers
from reachbook.core.errors import ConflictError, InvalidError, NotFoundError, ReachbookError
from reachbook.core.ids import NIL, AccountId
from reachbook.core.machines import CLAIM, NUMBER, REQUEST, Machine
from reachbook.core.work_queue import Kind
from tests.core.book import new_account
from tests.core.channels import ALL, NOW, fresh_number, number_type, restock, standing
from tests.support_sync import Runner

REST = timedelta(days=30)
MOST = 4  # numbers, so that they are met again
WORDS = ("JOIN", "JOIN", "*", "STOP")
accounts = st.sampled_from([0, 1])


@dataclass
class Number:
    """A number in stock."""

    state: str
    stocked: int
    owner: int | None = None
    rests_until: datetime | None = None


@dataclass
class Request:
    """A number request; `had` is the number that it got."""

    account: int
    state: str = "pending"
    had: str | None = None


@dataclass
class Claim:
    """A keyword claim."""

    account: int
    number: str
    word: str
    state: str = "active"


@dataclass
class Taken:
    """Whose a word of a number is."""

    account: int
    claim: UUID
    rests_until: datetime | None = None


@dataclass
class Model:
    """What the rules say there is."""

    numbers: dict[str, Number] = field(default_factory=dict[str, Number])
    requests: dict[UUID, Request] = field(default_factory=dict[UUID, Request])
    claims: dict[UUID, Claim] = field(default_factory=dict[UUID, Claim])
    taken: dict[tuple[str, str], Taken] = field(default_factory=dict[tuple[str, str], Taken])

    def sees(self, account: int, number: str) -> bool:
        """Shared numbers, and one's own."""
        one = self.numbers[number]
        return one.state == "shared" or one.owner == account

    def serve(self) -> None:
        """The longest in stock to the oldest request, until one of the two has an end."""
        waiting = [request for request in self.requests.values() if request.state == "pending"]
        free = sorted((one.stocked, id) for id, one in self.numbers.items() if one.state == "free")
        for request, (_, id) in zip(waiting, free, strict=False):
            request.state, request.had = "fulfilled", id
            self.numbers[id].state, self.numbers[id].owner = "owned", request.account

    def lose(self, number: str) -> None:
        """Whoever has it has it no longer."""
        for request in self.requests.values():
            if request.state == "fulfilled" and request.had == number:
                request.state = "cancelled"
        self.numbers[number].owner = None

    def may_take(self, account: int, number: str, word: str, now: datetime) -> bool:
        """Whether the account can have this word of a number that it sees."""
        if any((one.account, one.number, one.word, one.state) == (account, number, word, "active") for one in self.claims.values()):
            return False
        taken = self.taken.get((number, word))
        if taken is None or (taken.rests_until is not None and taken.rests_until <= now):
            return True
        return self.numbers[number].state == "owned" and taken.account != account


class Stock(RuleBasedStateMachine):
    """Few numbers and words, so that two accounts meet."""

    def __init__(self, runner: Runner) -> None:
        super().__init__()
        self.run, self.db = runner, runner.db
        self.accounts: list[AccountId] = [self.run(new_account(self.db)) for _ in range(2)]
        self.type = self.run(number_type(self.db))
        self.model = Model()
        self.ticks = itertools.count(1)
        self.now = NOW
        self.seen: dict[tuple[str, object], str] = {}
        self.before = self.run(standing(self.db, *self.accounts))

    def tick(self) -> datetime:
        """A moment later."""
        self.now += timedelta(seconds=1)
        return self.now

    def expect(self, refused: type[ReachbookError] | None, call: Coroutine[Any, Any, Any]) -> Any:
        """Run a call that is answered; or refused in this way, and nothing changes."""
        if refused is None:
            return self.run(call)
        before = self.run(self.rows())
        with pytest.raises(refused):
            self.run(call)
        assert self.run(self.rows()) == before
        return None

    async def rows(self) -> list[tuple[str, str]]:
        """All that is about the two accounts and this stock."""
        stock = await self.db.fetch("SELECT t::text AS row FROM phone_number t WHERE number_type_id = $1 ORDER BY id", self.type.id)
        return [*await standing(self.db, *self.accounts), *(("stock", row["row"]) for row in stock)]

    def pick(self, data: st.DataObject, good: Iterable[Any], everything: Iterable[Any]) -> Any:
        """Mostly what the call is meant for; if there is none, mostly None: nothing is called."""
        return data.draw(st.sampled_from((list(good) or [None]) * 5 + list(everything)))

    # --- the operator

    @initialize(account=accounts)
    def at_first(self, account: int) -> None:
        """A shared number, and one that an account has."""
        self.stock(True)
        self.stock(False)
        self.ask(account, False)

    @precondition(lambda self: len(self.model.numbers) < MOST)
    @rule(shared=st.booleans())
    def stock(self, shared: bool) -> None:
        draft = numbers.Draft(fresh_number(), self.type.id, shared)
        (made,) = self.run(numbers.stock(self.db, [draft], self.tick()))
        self.model.numbers[made.id] = Number("shared" if shared else "free", next(self.ticks))
        self.model.serve()
        assert made.state == self.model.numbers[made.id].state

    @rule(data=st.data(), shared=st.booleans())
    def stock_again(self, data: st.DataObject, shared: bool) -> None:
        withdrawn = [id for id, one in self.model.numbers.items() if one.state == "withdrawn"]
        number = self.pick(data, withdrawn, self.model.numbers)
        if number is None:
            return
        was = self.model.numbers[number]
        refused = None if was.state == "withdrawn" else ConflictError
        state = self.expect(refused, restock(self.db, self.type, number, is_shared=shared, now=self.tick()))
        if refused is None:
            was.state, was.stocked = "shared" if shared else "free", next(self.ticks)
            self.model.serve()
            assert state == was.state

    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        number = self.pick(data, [id for id, one in self.model.numbers.items() if one.state != "withdrawn"], self.model.numbers)
        if number is None:
            return
        one = self.model.numbers[number]
        refused = NotFoundError if one.state == "withdrawn" else None
        self.expect(refused, numbers.withdraw(self.db, number, self.tick()))
        self.model.lose(number)
        one.state, one.rests_until = "withdrawn", None

    @rule(days=st.sampled_from([1, 29, 30]), purge=st.booleans(), hand_over=st.booleans())
    def time_passes(self, days: int, purge: bool, hand_over: bool) -> None:
        self.now += timedelta(days=days)
        now = self.tick()
        if purge:
            self.run(keywords.purge(self.db, now))
            rests = {of for of, taken in self.model.taken.items() if taken.rests_until is not None and taken.rests_until <= now}
            self.model.taken = {of: taken for of, taken in self.model.taken.items() if of not in rests}
        if hand_over:
            self.run(numbers.hand_over_rested(self.db, now))
            for one in self.model.numbers.values():
                if one.rests_until is not None and one.rests_until <= now:
                    one.state, one.rests_until = "free", None
            self.model.serve()

    @precondition(lambda self: self.items())
    @rule(data=st.data(), approved=st.booleans(), reason=st.sampled_from(["None left.", None, " "]))
    def decide(self, data: st.DataObject, approved: bool, reason: str | None) -> None:
        """To approve is refused: what there was to give was given already."""
        items = self.items()
        request = self.pick(data, [id for id in items if self.model.requests[id].state == "pending"], items)
        if request is None:
            return
        item, one = items[request], self.model.requests[request]
        account = self.accounts[one.account]
        if approved:
            self.expect(ConflictError, decisions.approve(self.db, account, item, now=self.tick()))
            return
        refused = ConflictError if one.state != "pending" else None if reason and reason.strip() else InvalidError
        self.expect(refused, decisions.reject(self.db, account, item, reason, self.tick()))
        if refused is None:
            one.state = "cancelled"

    def items(self) -> dict[UUID, UUID]:
        """All items of the queue, by request."""
        query = "SELECT id, entity_id FROM work_item WHERE account_id = ANY($1::uuid[]) AND kind = $2 ORDER BY id"
        return {row["entity_id"]: row["id"] for row in self.run(self.db.fetch(query, self.accounts, Kind.NUMBER))}

    # --- the accounts

    @rule(account=accounts, simulate=st.booleans())
    def ask(self, account: int, simulate: bool) -> None:
        id, before = ids.new_id(), self.run(self.rows())
        made = self.run(number_requests.create(self.db, self.accounts[account], id, self.type.id, simulate=simulate, now=self.tick()))
        free = sorted((one.stocked, number) for number, one in self.model.numbers.items() if one.state == "free")
        assert (made.state, made.phone_number_id) == (("fulfilled", free[0][1]) if free else ("pending", None))
        if simulate:
            assert made.id == made.channel_id == NIL
            assert self.run(self.rows()) == before
            return
        self.model.requests[id] = Request(account)
        self.model.serve()

    @rule(data=st.data(), account=accounts)
    def give_back(self, data: st.DataObject, account: int) -> None:
        mine = [id for id, one in self.model.numbers.items() if one.owner == account]
        number = self.pick(data, mine, self.model.numbers)
        if number is None:
            return
        one = self.model.numbers[number]
        refused = NotFoundError if not self.model.sees(account, number) else ConflictError if one.state == "shared" else None
        now = self.tick()
        self.expect(refused, numbers.give_back(self.db, self.accounts[account], number, now))
        if refused is None:
            self.model.lose(number)
            one.state, one.rests_until = "resting", now + REST

    @rule(data=st.data(), account=accounts, word=st.sampled_from(WORDS), simulate=st.sampled_from([False, False, True]))
    def claim(self, data: st.DataObject, account: int, word: str, simulate: bool) -> None:
        number = self.pick(data, [id for id in self.model.numbers if self.model.sees(account, id)], self.model.numbers)
        if number is None:
            return
        refused: type[ReachbookError] | None = None
        now, id = self.tick(), ids.new_id()
        if word == "STOP":
            refused = InvalidError
        elif not self.model.sees(account, number):
            refused = NotFoundError
        elif word == "*" and self.model.numbers[number].state == "shared":
            refused = InvalidError
        elif not self.model.may_take(account, number, word, now):
            refused = ConflictError
        before = self.run(self.rows())
        made = self.expect(refused, keywords.claim(self.db, self.accounts[account], id, number, word, simulate=simulate, now=now))
        if refused is not None:
            return
        assert (made.phone_number_id, made.keyword, made.claimed_at) == (number, word, now)
        if simulate:
            assert made.id == made.channel_id == NIL
            assert self.run(self.rows()) == before
            return
        self.model.claims[id] = Claim(account, number, word)
        self.model.taken[number, word] = Taken(account, id)

    @precondition(lambda self: self.model.claims)
    @rule(data=st.data(), account=accounts)
    def cancel(self, data: st.DataObject, account: int) -> None:
        mine = [id for id, one in self.model.claims.items() if (one.account, one.state) == (account, "active")]
        claim = self.pick(data, mine, self.model.claims)
        if claim is None:
            return
        one = self.model.claims[claim]
        refused = None if (one.account, one.state) == (account, "active") else NotFoundError
        now = self.tick()
        self.expect(refused, keywords.cancel(self.db, self.accounts[account], claim, now))
        if refused is None:
            one.state = "cancelled"
            taken = self.model.taken.get((one.number, one.word))
            if taken is not None and taken.claim == claim:
                taken.rests_until = now + REST

    async def verify(self) -> None:
        """Nothing is configured, which it always says; is the number there, and the word still the claim's?"""
        for id, one in self.model.claims.items():
            for account in (0, 1):
                if (one.account, one.state) != (account, "active"):
                    with pytest.raises(NotFoundError):
                        await keywords.verify(self.db, self.accounts[account], id)
                    continue
                problems = await keywords.verify(self.db, self.accounts[account], id)
                taken = self.model.taken.get((one.number, one.word))
                is_fine = self.model.sees(account, one.number) and taken is not None and taken.claim == id
                assert len(problems) == (1 if is_fine and not self.is_everything_on_a_shared_number(one) else 2), problems

    def is_everything_on_a_shared_number(self, claim: Claim) -> bool:
        """Claimed when the account owned it."""
        return claim.word == "*" and self.model.numbers[claim.number].state == "shared"

    # --- what holds after every step

    @invariant()
    def as_the_model_says(self) -> None:
        self.run(self.compare())

    async def compare(self) -> None:
        """The tables against the model."""
        place = {account: index for index, account in enumerate(self.accounts)}
        stock = await self.db.fetch("SELECT * FROM phone_number WHERE number_type_id = $1", self.type.id)
        assert {row["id"]: (row["state"], place.get(row["owner_id"]), row["rests_until"]) for row in stock} == {
            id: (one.state, one.owner, one.rests_until) for id, one in self.model.numbers.items()
        }
        requests = await self.db.fetch("SELECT * FROM number_request WHERE account_id = ANY($1::uuid[])", self.accounts)
        assert {row["id"]: (place[row["account_id"]], row["state"], row["phone_number_id"]) for row in requests} == {
            id: (one.account, one.state, one.had) for id, one in self.model.requests.items()
        }
        claims = await self.db.fetch("SELECT * FROM keyword_claim WHERE account_id = ANY($1::uuid[])", self.accounts)
        assert {row["id"]: (place[row["account_id"]], row["state"]) for row in claims} == {
            id: (one.account, one.state) for id, one in self.model.claims.items()
        }
        taken = await self.db.fetch("SELECT * FROM taken_keyword WHERE owner_id = ANY($1::uuid[])", self.accounts)
        assert {(row["phone_number_id"], row["keyword"]): (row["claim_id"], row["rests_until"]) for row in taken} == {
            of: (one.claim, one.rests_until) for of, one in self.model.taken.items()
        }
        for kind, rows, machine in (("number", stock, NUMBER), ("request", requests, REQUEST), ("claim", claims, CLAIM)):
            self.moved(kind, {row["id"]: row["state"] for row in rows}, machine)
        for row in requests:
            assert (row["fulfilled_at"] is not None, row["cancelled_at"] is not None) == (
                row["phone_number_id"] is not None,
                row["state"] == "cancelled",
            )
        await self.compare_flags()
        await self.compare_views()
        await self.verify()

    def moved(self, kind: str, found: dict[object, str], machine: Machine) -> None:
        """Between two looks, each thing stayed or took a way that the table has (two at once: stocked and handed over)."""
        steps = {(source, event.target) for event in machine.events.values() for source in event.sources}
        for id, state in found.items():
            before = self.seen.get((kind, id))
            if before is None:
                beginnings = {*machine.start, *(target for source, target in steps if source in machine.start)}
                assert state in beginnings, f"a {kind} begins as {state}"
            elif before != state:
                two = {(source, end) for source, middle in steps for start, end in steps if middle == start}
                assert (before, state) in steps | two, f"a {kind} was {before} and is {state}"
            self.seen[kind, id] = state

    async def compare_flags(self) -> None:
        """Channels and the work queue agree with the states."""
        rows = await self.db.fetch("SELECT * FROM channel WHERE account_id = ANY($1::uuid[])", self.accounts)
        expected: dict[UUID, tuple[str, bool, bool]] = {}
        for id, one in self.model.requests.items():
            expected[id] = (one.had or str(id), one.state == "pending", one.state == "cancelled")
        for id, one in self.model.claims.items():
            expected[id] = (f"{one.number}|{one.word}", False, one.state == "cancelled")
        found = {row["entity_id"]: (row["element_id"], row["is_pending"], row["ended_at"] is not None) for row in rows}
        is_refused = {id for id, one in self.model.requests.items() if one.state == "cancelled" and one.had is None}
        assert {id: one for id, one in found.items() if id not in is_refused} == {
            id: one for id, one in expected.items() if id not in is_refused
        }
        assert all(found[id][2] for id in is_refused)
        items = await self.db.fetch("SELECT * FROM work_item WHERE account_id = ANY($1::uuid[])", self.accounts)
        pending = {id for id, one in self.model.requests.items() if one.state == "pending"}
        assert {row["entity_id"] for row in items if row["state"] == "pending"} == pending
        assert {row["kind"] for row in items} <= {"number"}
        for row in items:
            assert (row["state"] == "rejected") == (row["reason"] is not None) == (row["entity_id"] in is_refused)

    async def compare_views(self) -> None:
        """What each account is shown is its own, or shared."""
        free = any(one.state == "free" for one in self.model.numbers.values())
        assert not (free and any(one.state == "pending" for one in self.model.requests.values()))
        for index, account in enumerate(self.accounts):
            shown = await numbers.list_available(self.db, account, ALL, part="97010", country="nl")
            mine = {number for number in self.model.numbers if self.model.sees(index, number)}
            assert {one.id for one in shown.rows if one.type.id == self.type.id} == mine
            listed = await keywords.list_claims(self.db, account, ALL)
            active = {id for id, one in self.model.claims.items() if (one.account, one.state) == (index, "active")}
            assert {one.id for one in listed.rows} == active
            for channel in await channels.list_channels(self.db, account):
                assert [one for one, _ in await channels.with_progress(self.db, account, channel.group_id)] == [channel]


def test_any_order_of_calls_about_numbers(quiet_runner: Runner) -> None:
    run_state_machine_as_test(
        lambda: Stock(quiet_runner),
        settings=settings(max_examples=15, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)),
    )
