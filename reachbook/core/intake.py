"""Takes together what gateways hand over at the same moment: many calls share the cost of a commit, and none waits for another to begin."""

import asyncio
from collections import deque
from collections.abc import Sequence

from reachbook.core import inbound
from reachbook.core.inbound import Accepted, Call
from reachbook.database.errors import UnavailableError
from reachbook.database.queries import Database

TRANSACTIONS_AT_ONCE = 2
MOST_MESSAGES = 200
"""In one transaction, if they come by several calls."""


class Intake:
    """Of one process. A call is taken as soon as it comes, or with all that came while the calls before it were being taken."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Call, asyncio.Future[Accepted]]] = deque()
        self._at_work: set[asyncio.Task[None]] = set()

    async def take(self, db: Database, call: Call) -> Accepted:
        """As `inbound.accept`; what is wrong with another call is that call's alone."""
        answer = asyncio.get_running_loop().create_future()
        self._waiting.append((call, answer))
        if len(self._at_work) < TRANSACTIONS_AT_ONCE:
            task = asyncio.create_task(self._work(db))
            self._at_work.add(task)
            task.add_done_callback(self._at_work.discard)
        return await answer

    async def _work(self, db: Database) -> None:
        while self._waiting:
            await _take(db, [(call, answer) for call, answer in self._next() if not answer.cancelled()])

    def _next(self) -> list[tuple[Call, asyncio.Future[Accepted]]]:
        batch = [self._waiting.popleft()]
        room = MOST_MESSAGES - len(batch[0][0].given)
        while self._waiting and (room := room - len(self._waiting[0][0].given)) >= 0:
            batch.append(self._waiting.popleft())
        return batch


async def _take(db: Database, batch: Sequence[tuple[Call, asyncio.Future[Accepted]]]) -> None:
    try:
        taken = await inbound.accept_all(db, [call for call, _ in batch])
    except Exception as error:
        if len(batch) <= 1 or isinstance(error, UnavailableError):  # then it would not be better alone
            for _, answer in batch:
                _settle(answer, error)
            return
        for one in batch:
            await _take(db, [one])
        return
    for (_, answer), accepted in zip(batch, taken, strict=True):
        _settle(answer, accepted)


def _settle(answer: asyncio.Future[Accepted], what: Accepted | Exception) -> None:
    if answer.done():  # nobody waits for it any more
        return
    if isinstance(what, Exception):
        answer.set_exception(what)
    else:
        answer.set_result(what)
