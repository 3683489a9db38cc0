"""The command line: what it makes works over HTTP, what it refuses it explains, and its exit codes are the documented ones."""

import json
import re
import shlex
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from reachbook import __version__, settings
from reachbook.core import accounts, contacts, ids, retention
from reachbook.core.drafts import Draft
from reachbook.core.ids import AccountId
from reachbook.database.location import Location
from reachbook.database.pool import Pool
from tests.core.book import new_list
from tests.processes import Noted, assert_plain_failure, postmaster, run
from tests.support import Server


def answer(location: Location, *arguments: object) -> Any:
    """What a command with --json says."""
    done = run(*arguments, "--json", location=location)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="session")
def account(location: Location) -> str:
    """An account made on the command line."""
    return answer(location, "account", "create", "Acme")["id"]


def status(server: Server, account: str, token: str, method: str = "GET") -> int:
    """What the server answers to this token."""
    url = f"{server.url}/addressbook/v2/accounts/{account}/groups"
    body = {"json": {"name": "Readers"}} if method == "POST" else {}
    return httpx.request(method, url, headers={"X-CM-PRODUCTTOKEN": token}, timeout=60, **body).status_code


def test_account_create(location: Location) -> None:
    id = str(uuid4())
    made = answer(location, "account", "create", "Büro & Söhne", "--id", id, "--region", "nl")
    assert made == {"id": id, "name": "Büro & Söhne"}
    listed = {row["id"]: row for row in answer(location, "account", "list")}
    assert listed[id] == {"id": id, "name": "Büro & Söhne", "region": "NL"}
    assert id in run("account", "list", location=location).stdout
    assert_plain_failure(run("account", "create", "Again", "--id", id, location=location))


def test_the_region_is_how_phone_numbers_are_read(location: Location, server: Server) -> None:
    account = answer(location, "account", "create", "Dutch", "--region", "NL")["id"]
    token = answer(location, "token", "create", "--account", account)["token"]
    base, headers = f"{server.url}/addressbook/v2/accounts/{account}", {"X-CM-PRODUCTTOKEN": token}
    group = httpx.post(f"{base}/groups", json={"name": "Readers"}, headers=headers, timeout=60).json()["id"]
    contact = httpx.post(f"{base}/groups/{group}/contacts", json={"phoneNumber": "06 27100000"}, headers=headers, timeout=60)
    assert contact.json()["phoneNumber"] == "+31627100000"


def test_token_create_scopes_and_revoke(location: Location, server: Server, account: str) -> None:
    full = answer(location, "token", "create", "--account", account, "--name", "crm")
    assert UUID(full["id"])
    assert len(full["token"]) >= 43  # 256 bits
    reader = answer(location, "token", "create", "--account", account, "--scope", "read")
    assert [status(server, account, full["token"], method) for method in ("GET", "POST")] == [200, 201]
    assert [status(server, account, reader["token"], method) for method in ("GET", "POST")] == [200, 403]
    listed = {row["id"]: row for row in answer(location, "token", "list", "--account", account)}
    assert listed[full["id"]] == {"id": full["id"], "name": "crm", "scopes": ["read", "write"], "expires": None, "revoked": None}
    assert full["token"] not in run("token", "list", "--account", account, location=location).stdout
    assert run("token", "revoke", full["id"], location=location).returncode == 0
    assert status(server, account, full["token"]) == 401
    assert status(server, account, reader["token"]) == 200
    assert_plain_failure(run("token", "revoke", uuid4(), location=location))


def test_token_of_ones_own_value(location: Location, server: Server, account: str) -> None:
    own = f"brought-along-{uuid4()}"
    made = answer(location, "token", "create", "--account", account, "--value", own)
    assert made["token"] == own
    assert status(server, account, own) == 200
    assert_plain_failure(run("token", "create", "--account", account, "--value", own, location=location))
    assert_plain_failure(run("token", "create", "--account", account, "--value", "short", location=location), 2)


def test_token_expires(location: Location, server: Server, account: str) -> None:
    now = datetime.now(UTC)
    past, future = now - timedelta(minutes=1), now + timedelta(hours=1)
    # Without an offset it is UTC, whatever the zone of the machine.
    for instant, expected in ((f"{past:%Y-%m-%dT%H:%M:%S}", 401), (f"{future:%Y-%m-%dT%H:%M:%S}", 200)):
        token = answer(location, "token", "create", "--account", account, "--expires", instant)["token"]
        assert status(server, account, token) == expected, instant
    assert_plain_failure(run("token", "create", "--account", account, "--expires", "soon", location=location), 2)


def test_operators_and_gateways_belong_to_no_account(location: Location, account: str) -> None:
    made = {scope: answer(location, "token", "create", "--scope", scope)["id"] for scope in ("operator", "gateway")}
    listed = {row["id"]: row["scopes"] for row in answer(location, "token", "list")}
    assert {scope: listed[id] for scope, id in made.items()} == {"operator": ["operator"], "gateway": ["gateway"]}
    assert_plain_failure(run("token", "create", "--account", account, "--scope", "operator", location=location), 2)
    assert_plain_failure(run("token", "create", "--scope", "read", location=location), 2)


async def test_retention(location: Location, db: Pool) -> None:
    alice, bob = [(await accounts.create(db, ids.new_id(), name, "NL", ids.now())).id for name in ("Alice", "Bob")]
    long_ago = ids.now() - timedelta(days=15)
    for account in (alice, bob):
        assert await retention.take_turn(db, account, ids.now())  # no worker comes in between
        group = await new_list(db, account, deletes_unused=True)
        old, bare, new = [
            (await contacts.add(db, account, group, draft, id=ids.new_id(), now=at)).id
            for draft, at in ((Draft(phone="+31627100000"), long_ago), (Draft(), ids.now()), (Draft(phone="+31627100001"), ids.now()))
        ]

    async def there(account: AccountId) -> list[UUID]:
        return [row["id"] for row in await db.fetch("SELECT id FROM contact WHERE account_id = $1 ORDER BY id", account)]

    of_alice = await there(alice)
    everybody = answer(location, "retention", "--dry-run")
    assert {row["account"] for row in everybody} >= {str(alice), str(bob)}
    said = answer(location, "retention", "--dry-run", "--account", bob)
    assert [(row["contact"], row["reason"], row["is_deleted"]) for row in said] == [
        (str(old), "unused", True),
        (str(bare), "no_address", True),
    ]
    assert {(row["account"], row["group"]) for row in said} == {(str(bob), str(group))}
    assert datetime.fromisoformat(said[0]["used_at"]) == long_ago
    looked = run("retention", "--dry-run", "--account", bob, location=location)
    assert looked.returncode == 0
    assert "2 contacts would go. Nothing was changed." in looked.stdout
    assert await there(bob) == [old, bare, new]
    done = run("retention", "--account", bob, location=location)
    assert done.returncode == 0
    assert "2 contacts are gone." in done.stdout
    assert all(str(id) in done.stdout for id in (bob, group, old, bare))
    assert str(new) not in done.stdout
    assert await there(bob) == [new]
    assert answer(location, "retention", "--account", bob) == []
    assert await there(alice) == of_alice
    assert_plain_failure(run("retention", "--account", uuid4(), location=location))


def test_wrong_usage(location: Location) -> None:
    usages = [["account", "create"], ["account", "create", "Acme", "--id", "42"], ["account", "create", "Acme", "--region", "Holland"]]
    usages += [
        ["account", "create", ""],
        ["token", "revoke", "42"],
        ["nonsense"],
        ["account", "list", "--colour"],
        ["serve", "--port", "web"],
    ]
    for usage in usages:
        done = run(*usage, location=location)
        assert done.returncode == 2, (usage, done)
        assert "Traceback" not in done.stderr
        assert done.stderr.strip() or done.stdout.strip(), usage
    assert_plain_failure(run("token", "create", "--account", uuid4(), location=location))


def test_help_version_and_settings() -> None:
    done = run("token", "create", "--help")
    assert done.returncode == 0
    assert all(option in done.stdout for option in ("--account", "--scope", "--value", "--expires", "--json"))
    assert run("--version").stdout.strip() == __version__
    listed = json.loads(run("settings", "--json").stdout)
    assert [(row["name"], row["default"], row["help"]) for row in listed] == settings.table()
    shown = run("settings")
    assert shown.returncode == 0
    assert all(name in shown.stdout for name, _, _ in settings.table())


def test_a_wrong_setting_stops_every_command() -> None:
    for usage in (["serve"], ["account", "list"]):
        done = run(*usage, databse_url="postgresql://db.example/x")
        assert_plain_failure(done)
        assert "REACHBOOK_DATABSE_URL" in done.stderr
        assert "Did you mean REACHBOOK_DATABASE_URL?" in done.stderr


def test_port_taken(tmp_path: Path, location: Location) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("serve", "--port", port, "--data", tmp_path / "data", location=location)
        assert_plain_failure(done)
        assert str(port) in done.stderr
        assert "--port" in done.stderr


def test_port_of_another_reachbook(server: Server, location: Location) -> None:
    """Its processes share a port among themselves: a second server must not slip in."""
    done = run("serve", location=location, port=server.port)
    assert_plain_failure(done)
    assert str(server.port) in done.stderr
    assert httpx.get(f"{server.url}/healthz", timeout=60).status_code == 200


def test_first_start_shows_what_the_second_keeps_to_itself(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    server = Noted(tmp_path / "notes", folder=folder)
    with server:
        said = server.out.read_text()
        line = re.search(r"curl .*", said)
        assert line is not None, said
        words = shlex.split(line.group())
        header, url = words[words.index("-H") + 1], words[-1]
        name, _, token = header.partition(": ")
        assert name == "X-CM-PRODUCTTOKEN"
        assert url.startswith(server.url)
        assert said.count(token) == 2
        assert str(UUID(url.split("/accounts/")[1].partition("/")[0])) in said
        assert httpx.get(url, headers={name: token}, timeout=60).json() == []
        assert server.url in said
        assert token not in server.err.read_text()
    assert server.process is not None
    assert server.process.returncode == 0
    with server:
        said = server.out.read_text()
        assert server.url in said
        assert "curl" not in said
        assert token not in said
        assert httpx.get(url, headers={name: token}, timeout=60).json() == []
        assert len(json.loads(run("account", "list", "--data", folder, "--json").stdout)) == 1
    assert postmaster(folder) is None
