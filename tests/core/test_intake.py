"""Calls that come at the same moment are taken together, and each is told of itself alone."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from reachbook.core import inbound
from reachbook.core.inbound import Call, Raw
from reachbook.core.inbound_formats import Message
from reachbook.core.intake import MOST_MESSAGES, TRANSACTIONS_AT_ONCE, Intake
from reachbook.database.errors import UnavailableError
from reachbook.database.pool import Pool
from tests.core.channels import NOW

GATEWAY = UUID(int=9)


@pytest.fixture(scope="module")
def db(quiet: Pool) -> Pool:
    """No server sends anything."""
    return quiet


class Counted:
    """A database that counts how often something is stored, and may fail then."""

    def __init__(self, db: Pool, error: Exception | None = None) -> None:
        self.db, self.error, self.begun, self.open, self.most = db, error, 0, 0, 0

    async def fetch(self, query: str, *values: object) -> Any:
        if query is not inbound.WRITE:
            return await self.db.fetch(query, *values)
        self.begun += 1
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            if self.error is not None:
                raise self.error
            return await self.db.fetch(query, *values)
        finally:
            self.open -= 1


def call(reference: str, text: str = "Hello") -> Call:
    """A message for a number that nobody has."""
    what = Message(reference, "SMS", "+31627100000", "+31970999999", NOW, text)
    return Call([Raw(what, {"message": {"text": text}})], None, GATEWAY, NOW)


async def test_what_comes_at_once_is_stored_together(db: Pool) -> None:
    counted, intake = Counted(db), Intake()
    taken = await asyncio.gather(*(intake.take(counted, call(f"shared-{number % 150}")) for number in range(300)))
    assert [len(one.new) + len(again.new) for one, again in zip(taken[:150], taken[150:], strict=True)] == [1] * 150
    assert counted.begun <= TRANSACTIONS_AT_ONCE + 300 / MOST_MESSAGES
    assert counted.most <= TRANSACTIONS_AT_ONCE


async def test_large_calls_are_stored_by_themselves(db: Pool) -> None:
    counted, intake = Counted(db), Intake()
    large = [Call(call(f"large-{place}").given * (MOST_MESSAGES + 1), None, GATEWAY, NOW) for place in range(5)]
    small = [call(f"small-{place}") for place in range(5)]
    taken = await asyncio.gather(*(intake.take(counted, one) for one in [*large, *small]))
    assert [len(one.new) for one in taken] == [1] * 10
    assert counted.begun == 6
    assert counted.most <= TRANSACTIONS_AT_ONCE


async def test_what_comes_alone_waits_for_nobody(db: Pool) -> None:
    counted, intake = Counted(db), Intake()
    for number in range(3):
        assert len((await intake.take(counted, call(f"alone-{number}"))).new) == 1
    assert counted.begun == 3


async def test_a_call_that_fails_fails_alone(db: Pool) -> None:
    intake = Intake()
    calls = [call(f"mixed-{number}", "no text of the database: \0" if number == 5 else "Hello") for number in range(10)]
    taken = await asyncio.gather(*(intake.take(db, one) for one in calls), return_exceptions=True)
    assert [isinstance(one, Exception) for one in taken] == [number == 5 for number in range(10)]
    again = await asyncio.gather(*(intake.take(db, call(f"mixed-{number}")) for number in range(10)))
    assert [len(one.new) for one in again] == [number == 5 for number in range(10)]


async def test_without_a_database_everybody_hears_of_it_and_nothing_is_taken(db: Pool) -> None:
    counted, intake = Counted(db, UnavailableError("gone")), Intake()
    taken = await asyncio.gather(*(intake.take(counted, call(f"gone-{number}")) for number in range(20)), return_exceptions=True)
    assert [type(one) for one in taken] == [UnavailableError] * 20
    assert counted.begun <= TRANSACTIONS_AT_ONCE + 1, "nobody asks again for each"
    again = await asyncio.gather(*(intake.take(db, call(f"gone-{number}")) for number in range(20)))
    assert sum(len(one.new) for one in again) == 20


async def test_who_gives_up_holds_up_nobody(db: Pool) -> None:
    intake = Intake()
    tasks = [asyncio.create_task(intake.take(db, call(f"left-{number}"))) for number in range(20)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    taken = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(len(one.new) == 1 for one in taken[1::2])
    assert all(isinstance(one, asyncio.CancelledError) for one in taken[::2])
