"""The typed face of the database that core sees. Both a `Database` and a `Transaction` have `Queries`: a single statement is a
transaction of its own.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

Record = Mapping[str, Any]
Rows = Iterable[Sequence[object]]
Write = Callable[[bytes], Awaitable[None]]


class Queries(Protocol):
    """Statements with bound values ($1, $2, …)."""

    async def fetch(self, query: str, *values: object) -> Sequence[Record]:
        """All rows."""
        ...

    async def fetchrow(self, query: str, *values: object) -> Record | None:
        """The first row, or None."""
        ...

    async def fetchval(self, query: str, *values: object) -> Any:
        """The first column of the first row, or None."""
        ...

    async def execute(self, query: str, *values: object) -> str:
        """The command tag."""
        ...


class Transaction(Queries, Protocol):
    """Part of a unit of work: what a function does with it stands or falls with the caller's commit."""

    async def copy(self, table: str, columns: Sequence[str], rows: Rows) -> None:
        """Rows by binary COPY."""
        ...


class Database(Queries, Protocol):
    """A whole unit of work: the function that takes it commits, or leaves nothing."""

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """`async with db.transaction() as tx`: commits at the end, rolls back on any exception."""
        ...

    async def stream(self, query: str, values: Sequence[object], write: Write, form: Mapping[str, str]) -> None:
        """COPY (query) TO STDOUT in constant memory; `write` is awaited with each chunk, whole rows in each.

        `form` holds COPY's own options, such as {"format": "csv"}.
        """
        ...
