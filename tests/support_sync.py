"""The database for synchronous tests (a state machine of hypothesis can't await)."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, Self, TypeVar

from reachbook.database.location import Location
from reachbook.database.pool import Pool, open_pool

T = TypeVar("T")


class Runner:
    """Runs coroutines to their end on an event loop in a thread of its own, with a pool of its own."""

    db: Pool

    def __init__(self, location: Location) -> None:
        self._location = location
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __call__(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def __enter__(self) -> Self:
        self._thread.start()
        self.db = self(open_pool(self._location.app_url, most=8, statement_seconds=60))
        return self

    def __exit__(self, *_: object) -> None:
        self(self.db.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
