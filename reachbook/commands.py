"""What every command has: options, settings, the database, a way to answer. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused rows."""

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter

from reachbook import log
from reachbook import settings as settings_table
from reachbook.database.location import Location, locate
from reachbook.database.migrate import migrate
from reachbook.database.pool import open_pool
from reachbook.database.queries import Database
from reachbook.settings import Settings

FAILED, WRONG_USAGE, REFUSED_ROWS = 1, 2, 3

Data = Annotated[Path | None, Parameter(name="--data", help="Data folder of the embedded PostgreSQL (REACHBOOK_DATA_DIR).")]
AsJson = Annotated[bool, Parameter(name="--json", negative="", help="Answer one JSON object.")]


def load(data: Path | None, host: str | None = None, port: int | None = None) -> Settings:
    """The environment with the command line on top; written back, so that started processes see the same."""
    for name, value in (("DATA_DIR", data), ("HOST", host), ("PORT", port)):
        if value is not None:
            os.environ[settings_table.PREFIX + name] = str(value)
    return settings_table.load(os.environ)


@contextlib.contextmanager
def located(settings: Settings) -> Any:
    """Where the database is, for as long as the context lasts."""
    with locate(Path(settings.data_dir), settings.database_url, settings.database_owner_url) as location:
        yield location


@contextlib.asynccontextmanager
async def _connected(location: Location, settings: Settings, most: int) -> AsyncGenerator[Database]:
    await migrate(location.owner_url)
    db = await open_pool(location.app_url, most=most, statement_seconds=settings.statement_seconds, role=location.app_role)
    try:
        yield db
    finally:
        await db.close()


def run(location: Location, settings: Settings, work: Callable[[Database], Awaitable[Any]], most: int = 4) -> Any:
    """Work on the database, its schema up to date, to the end, by `most` connections; answers what the work does."""

    async def connected() -> Any:
        async with _connected(location, settings, most) as db:
            return await work(db)

    return asyncio.run(connected())


def call(data: Path | None, work: Callable[[Database], Awaitable[Any]]) -> Any:
    """The same for a command that does nothing else."""
    settings = load(data)
    log.configure("warning", settings.log_format)
    with located(settings) as location:
        return run(location, settings, work)


def answer(value: object) -> None:
    """What --json says."""
    print(msgspec.json.encode(value).decode())
