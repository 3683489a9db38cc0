"""What the database itself holds: the ledger is append-only, and every table can be distributed by account (docs/decisions/0002)."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

import reachbook.core
from reachbook.core import consent, ids
from reachbook.core.consent import Change, Source, TokenType
from reachbook.core.ids import AccountId, new_id
from reachbook.database.pool import Pool

REFUSED = [
    "UPDATE consent_history SET message = 'changed'",
    "UPDATE consent_history SET is_active = false WHERE account_id = '00000000-0000-0000-0000-000000000000'",
    "DELETE FROM consent_history",
    "TRUNCATE consent_history",
    "DELETE FROM consent_token",
    "TRUNCATE consent_token",
    "ALTER TABLE consent_history DROP COLUMN message",
    "DROP TABLE consent_history",
    "CREATE TABLE consent_history_2 (id bigint)",
    "INSERT INTO consent_history SELECT * FROM consent_history ON CONFLICT (account_id, type, key, version) DO UPDATE SET message = ''",
]


@pytest.mark.parametrize("statement", REFUSED)
async def test_the_application_may_not(db: Pool, account: AccountId, statement: str) -> None:
    change = Change(TokenType.EMAIL, "ann@example.com", True, message="as it was")
    before = await consent.change(db, account, change, source=Source.API, actor=new_id(), now=ids.now())
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await db.execute(statement)
    assert await consent.get(db, account, TokenType.EMAIL, "ann@example.com") == before
    assert await db.fetchval("SELECT message FROM consent_history WHERE account_id = $1", account) == "as it was"


async def test_the_application_is_nobody_else(db: Pool) -> None:
    role = await db.fetchrow("SELECT current_user AS name, session_user AS session, * FROM pg_roles WHERE rolname = current_user")
    assert role is not None
    assert not any(role[right] for right in ("rolsuper", "rolcreaterole", "rolcreatedb", "rolbypassrls", "rolreplication"))
    assert await db.fetchval("SELECT count(*) FROM pg_auth_members WHERE member = current_user::regrole") == 0
    owned = await db.fetchval("SELECT count(*) FROM pg_class WHERE relowner = current_user::regrole")
    assert owned == 0


TENANT_TABLES = """
SELECT c.oid, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname = 'public' AND c.relname <> 'access_token'
    AND EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'account_id' AND NOT a.attisdropped)
"""


async def test_the_tenant_tables_are_found(owner: asyncpg.Connection) -> None:
    names = {row["relname"] for row in await owner.fetch(TENANT_TABLES)}
    assert names >= {"contact", "contact_group", "membership", "consent_token", "consent_history", "contact_search", "field"}


async def test_unique_indexes_contain_the_account(owner: asyncpg.Connection) -> None:
    query = f"""
    SELECT i.indexrelid::regclass::text FROM pg_index i JOIN ({TENANT_TABLES}) t ON t.oid = i.indrelid
    WHERE i.indisunique AND NOT EXISTS (
        SELECT 1 FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attname = 'account_id' AND a.attnum = ANY(i.indkey::int2[]))
    """
    assert await owner.fetch(query) == []
    without_key = f"""
    SELECT relname FROM ({TENANT_TABLES}) t WHERE NOT EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = t.oid AND i.indisprimary)
    """
    assert await owner.fetch(without_key) == []
    account = "SELECT count(*) FROM pg_index WHERE indrelid = 'account'::regclass AND indisunique"
    assert await owner.fetchval(account) == 1


async def test_foreign_keys_pair_the_accounts(owner: asyncpg.Connection) -> None:
    """Between tenant tables account_id stands for account_id; to `account` it is account_id for id. SET NULL is refused by Citus."""
    query = f"""
    SELECT k.conname, k.confdeltype, f.relname AS to_table,
        EXISTS (SELECT 1 FROM unnest(k.conkey, k.confkey) AS p (here, there)
            JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = p.here AND a.attname = 'account_id'
            JOIN pg_attribute b ON b.attrelid = k.confrelid AND b.attnum = p.there
                AND b.attname = CASE f.relname WHEN 'account' THEN 'id' ELSE 'account_id' END) AS is_paired
    FROM pg_constraint k JOIN ({TENANT_TABLES}) t ON t.oid = k.conrelid JOIN pg_class f ON f.oid = k.confrelid WHERE k.contype = 'f'
    """
    keys = await owner.fetch(query)
    assert {key["to_table"] for key in keys} >= {"account", "contact", "contact_group"}
    assert [key["conname"] for key in keys if not key["is_paired"] or key["confdeltype"] in (b"n", b"d")] == []


async def test_there_are_no_triggers(owner: asyncpg.Connection) -> None:
    assert await owner.fetchval("SELECT count(*) FROM pg_trigger WHERE tgisinternal") > 0  # of the foreign keys
    assert await owner.fetch("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal") == []


async def test_numbers_are_bigint(owner: asyncpg.Connection) -> None:
    columns = f"""
    SELECT t.relname, a.attname FROM pg_attribute a JOIN ({TENANT_TABLES}) t ON t.oid = a.attrelid
    WHERE a.attnum > 0 AND NOT a.attisdropped AND a.atttypid IN ('int2'::regtype, 'int4'::regtype)
    """
    assert await owner.fetch(columns) == []
    assert await owner.fetch("SELECT sequencename FROM pg_sequences WHERE schemaname = 'public' AND data_type <> 'bigint'::regtype") == []


def core_texts() -> Iterator[tuple[str, str]]:
    """Every text of core with the place it stands at; what is filled in is left out."""
    for path in sorted(Path(reachbook.core.__path__[0]).glob("*.py")):
        tree = ast.parse(path.read_text())
        inside = {id(part) for joined in ast.walk(tree) if isinstance(joined, ast.JoinedStr) for part in joined.values}
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                parts = (part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
                yield f"{path.name}:{node.lineno}", "".join(map(str, parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
                yield f"{path.name}:{node.lineno}", node.value


UPSERT = re.compile(r"ON CONFLICT.*?DO UPDATE(.*?)(?=\bRETURNING\b|\), \w+ AS|\Z)", re.DOTALL | re.IGNORECASE)
UPDATE = re.compile(r"(?:^|\(|\s)UPDATE \w+ SET (.*)", re.DOTALL)
REFUSED_IN_UPSERT = re.compile(
    r"\b(?:now|random|gen_random_uuid|concat|jsonb_build_object|clock_timestamp)\s*\(|\binterval\b|\bcurrent_timestamp\b", re.IGNORECASE
)


def test_upserts_say_nothing_that_is_refused() -> None:
    found = [(place, part) for place, text in core_texts() for part in UPSERT.findall(text)]
    assert len(found) >= 2
    assert [place for place, part in found if REFUSED_IN_UPSERT.search(part)] == []


def test_updates_draw_no_random_values() -> None:
    found = [(place, part) for place, text in core_texts() for part in UPDATE.findall(text)]
    assert len(found) >= 4
    assert [place for place, part in found if re.search(r"\b(?:random|gen_random_uuid)\s*\(", part, re.IGNORECASE)] == []
