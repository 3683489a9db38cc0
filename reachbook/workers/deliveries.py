"""Brings deliveries to their endpoints: each endpoint by itself, so that a slow or dead one holds up no other."""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

import structlog

from reachbook.core import delivery_work, ids
from reachbook.core.delivery_work import Delivery, Due, Outcome, Target
from reachbook.core.ids import new_id
from reachbook.core.retry_schedule import STANDARD, Schedule
from reachbook.database.errors import UnavailableError
from reachbook.database.queries import Database
from reachbook.providers.mail import Mailer
from reachbook.providers.webhooks import Caller

log = structlog.get_logger("reachbook.deliveries")

ENDPOINTS_AT_ONCE = 200
LOOK_SECONDS = 0.1  # between two looks for work
RECORD_MOST, RECORD_SECONDS = 50, 0.25  # outcomes that are recorded together, and how long the first may wait


class Deliverer:
    """One worker: `work` is its job (workers/runner.py)."""

    def __init__(self, caller: Caller, mailer: Mailer, schedule: Schedule = STANDARD, clock: Callable[[], datetime] = ids.now) -> None:
        self._caller = caller
        self._mailer = mailer
        self._schedule = schedule
        self._clock = clock
        self._chance = random.Random()  # noqa: S311 - spreads retries
        self._id = new_id()
        self._at_work: dict[UUID, asyncio.Task[None]] = {}

    async def work(self, db: Database, stopping: asyncio.Event) -> int:
        """Until told to stop; what is being sent then is finished and recorded.

        If looking for work fails, what is being sent goes on, and the next call looks again: it must not wait for slow endpoints.
        """
        while not stopping.is_set():
            await self._start_due(db, stopping)
            try:
                await asyncio.wait_for(stopping.wait(), LOOK_SECONDS)
            except TimeoutError:
                continue
        if self._at_work:
            await asyncio.wait(self._at_work.values())
        return 0

    async def _start_due(self, db: Database, stopping: asyncio.Event) -> None:
        for one in await delivery_work.due(db, self._clock(), ENDPOINTS_AT_ONCE):
            if one.endpoint not in self._at_work and len(self._at_work) < ENDPOINTS_AT_ONCE:
                task = asyncio.create_task(self.drain(db, one, stopping))
                self._at_work[one.endpoint] = task
                task.add_done_callback(lambda done, endpoint=one.endpoint: self._ended(endpoint, done))

    def _ended(self, endpoint: UUID, done: asyncio.Task[None]) -> None:
        self._at_work.pop(endpoint, None)
        if not done.cancelled() and (error := done.exception()) is not None:
            log.error("endpoint left", endpoint=str(endpoint), exc_info=error)  # its lease ends, then it is taken up again

    async def drain(self, db: Database, due: Due, stopping: asyncio.Event) -> None:
        """Send what is due at an endpoint, until nothing is, or it has to rest."""
        if not await delivery_work.take(db, due.endpoint, self._id, self._clock()):
            return
        keeping = asyncio.create_task(self._keep(db, due.endpoint))
        try:
            while not stopping.is_set():
                batch = await delivery_work.next_batch(db, due.account, due.endpoint, self._id, self._clock())
                if batch is None or not await self._send_all(db, due, *batch, stopping):
                    break
        finally:
            keeping.cancel()
            await asyncio.wait([keeping])
        await delivery_work.release(db, due.endpoint, self._id)

    async def _keep(self, db: Database, endpoint: UUID) -> None:
        """Hold the endpoint while something is being sent: the operator may let that take longer than a lease lasts."""
        while True:
            await asyncio.sleep(delivery_work.LEASE_SECONDS / 4)
            with contextlib.suppress(UnavailableError):  # then somebody else may have it
                await delivery_work.hold(db, endpoint, self._id, self._clock())

    async def _send_all(self, db: Database, due: Due, target: Target, batch: Sequence[Delivery], stopping: asyncio.Event) -> bool:
        """One after the other; False when the endpoint is to be left alone."""
        outcomes: list[Outcome] = []
        first = time.monotonic()
        for place, delivery in enumerate(batch, 1):
            outcomes.append(await self._send(target, delivery))
            is_last = place == len(batch) or stopping.is_set()
            if is_last or not outcomes[-1].is_delivered or len(outcomes) >= RECORD_MOST or time.monotonic() - first > RECORD_SECONDS:
                if not await self._record(db, due, outcomes):
                    return False
                outcomes, first = [], time.monotonic()
            if is_last:
                break
        return True

    async def _send(self, target: Target, delivery: Delivery) -> Outcome:
        started_at = self._clock()
        if delivery.kind == "email":
            came = await self._mailer.send(target, delivery)
        else:
            came = await self._caller.call(target, delivery, started_at)
        return Outcome(delivery, started_at, came.latency_ms, came.is_delivered, came.status, came.error, came.answer, came.retry_after)

    async def _record(self, db: Database, due: Due, outcomes: list[Outcome]) -> bool:
        return await delivery_work.record(
            db, due.account, due.endpoint, self._id, outcomes, schedule=self._schedule, chance=self._chance, now=self._clock()
        )
