"""When a delivery is tried again: policy as data (inbound.md, "Delivery"). Pure."""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple


class Schedule(NamedTuple):
    """Pauses after the first failed attempts, then `every` with jitter, until `days` after the delivery was made or replayed.

    An endpoint that fails `row` times in a row rests, at first as long as the first pause, at most `longest_rest`; one that fails for
    `disable_days` is disabled.
    """

    pauses: Sequence[float] = (5.0, 30.0, 120.0)
    every: float = 300.0
    jitter: float = 0.1  # of the pause, either way
    days: float = 30.0
    timeout: float = 15.0
    row: int = 5
    longest_rest: float = 300.0
    disable_days: float = 5.0


STANDARD = Schedule()


def next_at(
    schedule: Schedule, attempts: int, started_at: datetime, now: datetime, *, retry_after: float | None, chance: random.Random
) -> datetime | None:
    """The next attempt after `attempts` that failed, or None if it is given up. `retry_after` is what the endpoint asked for, in seconds:
    the later of the two counts, but nobody can ask for so much that there is no other attempt.
    """
    pause = schedule.pauses[attempts - 1] if attempts <= len(schedule.pauses) else schedule.every
    if attempts > len(schedule.pauses):
        pause *= 1 + chance.uniform(-schedule.jitter, schedule.jitter)
    end = started_at + timedelta(days=schedule.days)
    at = now + timedelta(seconds=pause)
    if at > end:
        return None
    asked = now + timedelta(seconds=min(retry_after or 0.0, schedule.days * 86_400))
    return max(at, min(asked, end))


def rest(schedule: Schedule, failures: int) -> float | None:
    """How long an endpoint rests that has failed so often in a row, in seconds; None: not at all."""
    if failures < schedule.row:
        return None
    steps = [*schedule.pauses, schedule.longest_rest]
    return min(steps[min(failures - schedule.row, len(steps) - 1)], schedule.longest_rest)
