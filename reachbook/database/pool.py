"""Connections: a pool for whole units of work (`Database`), a connection inside a transaction for parts of one."""
# asyncpg has no types; `Queries` gives it some.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import asyncio
import contextlib
import functools
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import asyncpg

from reachbook.database.errors import DatabaseError, TimedOutError, UnavailableError, redacted
from reachbook.database.queries import Record, Rows, Transaction, Write

STREAMS_SHARE = 2  # one connection in so many may be held by a long stream
SECONDS_TO_CONNECT = 10


class Pool:
    """A `Database` over asyncpg's pool."""

    def __init__(self, pool: asyncpg.Pool, most: int) -> None:
        self._pool = pool
        self._most = most
        self._streams = asyncio.Semaphore(max(1, most // STREAMS_SHARE))
        self.waiting = 0

    async def fetch(self, query: str, *values: object) -> Sequence[Record]:
        """See Queries."""
        async with Acquired(self, self._pool) as connection:
            return await connection.fetch(query, *values)

    async def fetchrow(self, query: str, *values: object) -> Record | None:
        """See Queries."""
        async with Acquired(self, self._pool) as connection:
            return await connection.fetchrow(query, *values)

    async def fetchval(self, query: str, *values: object) -> Any:
        """See Queries."""
        async with Acquired(self, self._pool) as connection:
            return await connection.fetchval(query, *values)

    async def execute(self, query: str, *values: object) -> str:
        """See Queries."""
        async with Acquired(self, self._pool) as connection:
            return await connection.execute(query, *values)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Transaction]:
        """See Database."""
        async with Acquired(self, self._pool) as connection, connection.transaction():
            yield cast("Transaction", connection)

    async def stream(self, query: str, values: Sequence[object], write: Write, form: Mapping[str, str]) -> None:
        """See Database."""
        async with self._streams, Acquired(self, self._pool) as connection:
            # A long read has no deadline but the reader's own: the wire drops a client that stops reading.
            await connection.execute("SET statement_timeout = 0")
            try:
                await connection.copy_from_query(query, *values, output=write, timeout=None, **form)
            finally:
                # A connection that broke is gone from the pool already, and says so.
                with contextlib.suppress(asyncpg.InterfaceError):
                    if not connection.is_closed():
                        await connection.execute("RESET statement_timeout")

    async def close(self) -> None:
        """Wait for what is running, at most a few seconds, and disconnect."""
        try:
            await asyncio.wait_for(self._pool.close(), timeout=5)
        except TimeoutError:
            self._pool.terminate()

    def figures(self) -> dict[str, int]:
        """{"size", "idle", "most", "waiting"}: connections open, unused, allowed; callers waiting for one."""
        return {"size": self._pool.get_size(), "idle": self._pool.get_idle_size(), "most": self._most, "waiting": self.waiting}


class Acquired:
    """A connection for as long as the context lasts; a server that is away becomes an UnavailableError.

    A class, not a generator: this stands around every statement, and costs half of what one with `yield` does.
    """

    __slots__ = ("_connection", "_owner", "_pool")

    def __init__(self, owner: Pool, pool: asyncpg.Pool) -> None:
        self._owner, self._pool = owner, pool
        self._connection: Any = None

    async def __aenter__(self) -> Any:
        """The connection."""
        self._owner.waiting += 1
        try:
            self._connection = await self._pool.acquire()
        except UNREACHABLE as error:
            raise _unavailable(error) from error
        finally:
            self._owner.waiting -= 1
        return self._connection

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Give the connection back."""
        try:
            await self._pool.release(self._connection)
        finally:
            if isinstance(error, UNREACHABLE):
                raise _unavailable(error) from error


def _unavailable(error: BaseException) -> UnavailableError:
    kind = TimedOutError if isinstance(error, asyncpg.QueryCanceledError) else UnavailableError
    return kind(str(error) or type(error).__name__)


UNREACHABLE = (
    ConnectionError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.QueryCanceledError,
    asyncpg.DeadlockDetectedError,
)


class Connection(asyncpg.Connection):
    """asyncpg's connection with the name that `Transaction` gives to COPY."""

    async def copy(self, table: str, columns: Sequence[str], rows: Rows) -> None:
        """See Transaction."""
        await self.copy_records_to_table(table, records=rows, columns=columns)

    def get_reset_query(self) -> str:
        """Nothing to reset between two uses: the application sets nothing on a session that it does not take back."""
        return ""


async def open_pool(url: str, *, most: int, statement_seconds: float, role: str | None = None) -> Pool:
    """Connect the application. `role` is taken on at connecting when the URL's own user is the schema's owner.

    Raises DatabaseError when nothing answers within ten seconds.
    """
    settings = {"application_name": "reachbook", "statement_timeout": str(int(statement_seconds * 1000)), "jit": "off"}
    if role is not None:
        settings["role"] = role
    create = functools.partial(
        asyncpg.create_pool,
        url,
        min_size=min(2, most),
        max_size=most,
        connection_class=Connection,
        server_settings=settings,
        timeout=SECONDS_TO_CONNECT,
        statement_cache_size=500,
        max_inactive_connection_lifetime=0,
    )
    try:
        return Pool(await create(), most)
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise DatabaseError(f"The application can't connect to PostgreSQL at {redacted(url)}: {error or 'timed out'}.") from error
