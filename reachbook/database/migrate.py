"""Bringing the schema up to date: plain SQL files, forward only, one process at a time.

Raises DatabaseError with what the operator has to do when the server is not reachable, too old or refuses.
"""
# asyncpg has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import logging
from pathlib import Path

import asyncpg
from pogo_core.util import migrate as pogo_migrate

from reachbook.database.errors import DatabaseError, redacted
from reachbook.database.queries import Queries

MIGRATIONS = Path(__file__).parent / "migrations"
LOCK = 0x7265_6163_6862  # "reachb": the advisory lock that migrating processes queue for
OLDEST_SERVER = 15
QUIET = logging.getLogger("reachbook.migrations")
QUIET.setLevel(logging.ERROR)  # the tool warns of each file that it applies, which is what was asked of it

APP_ROLE = """
DO $$ BEGIN
    CREATE ROLE reachbook_app LOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$
"""
LET_OWNER_BE_APP = "GRANT reachbook_app TO CURRENT_USER"
IS_MEMBER = "SELECT pg_has_role(current_user, 'reachbook_app', 'SET')"
IS_MEMBER_15 = "SELECT pg_has_role(current_user, 'reachbook_app', 'MEMBER')"


async def migrate(owner_url: str) -> None:
    """Apply what is missing. Concurrent callers wait for one another; what is there already costs one look."""
    connection = await connect(owner_url)
    try:
        version = connection.get_server_version().major
        if version < OLDEST_SERVER:
            raise DatabaseError(f"Reachbook needs PostgreSQL {OLDEST_SERVER} or newer; this server is {version}.")
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
        await _ensure_role(connection, version)
        await pogo_migrate.apply(connection, MIGRATIONS, schema_name="public", logger=QUIET)
        await connection.execute("GRANT SELECT ON _pogo_migration TO reachbook_app")
    except asyncpg.InsufficientPrivilegeError as error:
        raise DatabaseError(
            f"The database user may not prepare the schema: {error}. Let it create extensions pg_trgm and btree_gin and the role "
            "reachbook_app, or have an administrator make them once and grant the role to it."
        ) from error
    finally:
        await connection.close()


async def pending(db: Queries) -> list[str]:
    """Names of the migrations that this database has not seen, oldest first."""
    applied = {str(row["migration_id"]) for row in await db.fetch("SELECT migration_id FROM _pogo_migration")}
    return sorted(path.stem for path in MIGRATIONS.glob("*.sql") if path.stem not in applied)


async def connect(url: str) -> asyncpg.Connection:
    """One connection outside the pool, its failures in words."""
    try:
        return await asyncpg.connect(url, timeout=10)
    except (OSError, TimeoutError) as error:
        raise DatabaseError(f"No PostgreSQL answers at {redacted(url)}: {error or 'timed out'}.") from error
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError) as error:
        raise DatabaseError(f"PostgreSQL at {redacted(url)} refuses: {error}.") from error
    except (ValueError, asyncpg.InterfaceError) as error:
        raise DatabaseError(
            f"REACHBOOK_DATABASE_URL is not a PostgreSQL URL ({error}). Example: postgresql://user:password@host/reachbook"
        ) from error


async def _ensure_role(connection: asyncpg.Connection, version: int) -> None:
    if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = 'reachbook_app'"):
        await connection.execute(APP_ROLE)
    if not await connection.fetchval(IS_MEMBER if version >= 16 else IS_MEMBER_15):
        await connection.execute(LET_OWNER_BE_APP)
