"""Runs the jobs, each in a loop of its own, until told to stop."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog

from reachbook.core import (
    bounces,
    counts,
    delivery_work,
    idempotency,
    ids,
    imports,
    inbound,
    indexing,
    keywords,
    messages,
    numbers,
    statistics_days,
    statistics_folder,
    tokens,
)
from reachbook.core.limits import DELIVERY_DAYS, MESSAGE_DAYS, PURGED_ROWS, REFERENCE_DAYS, UNROUTED_DAYS
from reachbook.database.errors import UnavailableError
from reachbook.database.queries import Database
from reachbook.workers.imports import IMPORTS_AT_ONCE, sweep, work_on_next
from reachbook.workers.retention import pass_due

log = structlog.get_logger("reachbook.workers")


class Job(NamedTuple):
    """`work` does what is due and answers how much that was; while there is any it runs again at once, else after a pause.

    It is given the event that tells it to stop; `at_once` of it run side by side.
    """

    name: str
    work: Callable[[Database, asyncio.Event], Awaitable[int]]
    pause_seconds: float
    at_once: int = 1


async def index_due(db: Database, _: asyncio.Event) -> int:
    """Index contacts that were stored with delayIndexing and whose time has come."""
    return await indexing.index_due(db, ids.now())


async def fold_counts(db: Database, _: asyncio.Event) -> int:
    """Fold counters; a counter that is written all the time is folded once a pause, not in a tight loop."""
    await counts.fold(db)
    return 0


async def fold_statistics(db: Database, _: asyncio.Event) -> int:
    """Count what changed of who can be reached; a full share of it is followed by the next at once."""
    return await statistics_folder.fold_all(db)


async def keep_day(db: Database, _: asyncio.Event) -> int:
    """Note the day's statistics."""
    await statistics_days.keep_day(db, ids.now())
    return 0


async def purge(db: Database, _: asyncio.Event) -> int:
    """Forget what is kept for a time only."""
    await imports.purge(db, ids.now())
    await idempotency.purge(db, ids.now())
    await tokens.purge(db, ids.now())
    await bounces.purge(db, ids.now())
    await keywords.purge(db, ids.now())
    return await purge_inbound(db, ids.now())


async def purge_inbound(db: Database, now: datetime) -> int:
    """The same of what came in, a share at a time; answers how much there was."""
    await inbound.purge(db, now - timedelta(days=REFERENCE_DAYS))
    ages = (now - timedelta(days=MESSAGE_DAYS), now - timedelta(days=UNROUTED_DAYS))
    messages_gone = await messages.purge(db, *ages, PURGED_ROWS)
    deliveries_gone = await delivery_work.purge(db, now - timedelta(days=DELIVERY_DAYS), PURGED_ROWS)
    return messages_gone + deliveries_gone


async def hand_over_rested(db: Database, _: asyncio.Event) -> int:
    """Numbers that were given back long enough ago go to whoever waits for one."""
    return await numbers.hand_over_rested(db, ids.now())


JOBS = [
    Job("indexing", index_due, 5.0),
    Job("counters", fold_counts, 5.0),
    Job("statistics", fold_statistics, 1.0),
    Job("days", keep_day, 3_600.0),
    Job("imports", work_on_next, 0.5, at_once=IMPORTS_AT_ONCE),
    Job("retention", pass_due, 600.0),
    Job("numbers", hand_over_rested, 60.0),
    Job("purge", purge, 600.0),
]


async def run(db: Database, stopping: asyncio.Event, jobs: list[Job] = JOBS) -> None:
    """Until `stopping` is set; what runs then is finished."""
    sweep()
    async with asyncio.TaskGroup() as group:
        for job in jobs:
            for _ in range(job.at_once):
                group.create_task(_loop(db, job, stopping))


async def _loop(db: Database, job: Job, stopping: asyncio.Event) -> None:
    while not stopping.is_set():
        try:
            done = await job.work(db, stopping)
        except UnavailableError as error:
            log.warning("database unavailable", job=job.name, error=str(error))
            done = 0
        except Exception as error:
            log.error("job failed", job=job.name, exc_info=error)
            done = 0
        if not done:
            try:
                await asyncio.wait_for(stopping.wait(), job.pause_seconds)
            except TimeoutError:
                continue
