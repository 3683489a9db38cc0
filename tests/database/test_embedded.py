"""The embedded PostgreSQL and one's own: starting, joining, stopping, and healing after the worst."""

import json
import subprocess
import tempfile
from collections.abc import Generator
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx
import psutil
import pytest

from reachbook.database.embedded import open_embedded
from reachbook.database.location import Location
from tests.processes import SECONDS, assert_plain_failure, finish, kill_postgres, postmaster, run, start
from tests.support import Server, free_port


@pytest.fixture
def folder(tmp_path: Path) -> Generator[Path]:
    """A data folder; a PostgreSQL that is left running there at the end is a failure, and is ended."""
    path = tmp_path / "data"
    yield path
    left = postmaster(path)
    kill_postgres(path)
    assert left is None, "PostgreSQL was left running"


def names(folder: Path) -> set[str]:
    """Names of the accounts in this folder."""
    done = run("account", "list", "--json", "--data", folder)
    assert done.returncode == 0, done.stderr
    return {row["name"] for row in json.loads(done.stdout)}


def make(folder: Path, name: str) -> None:
    """Make an account in this folder."""
    done = run("account", "create", name, "--data", folder)
    assert done.returncode == 0, done.stderr


def ready(server: Server) -> int:
    """What /readyz answers."""
    return httpx.get(f"{server.url}/readyz", timeout=60).status_code


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    for place in (file / "below", Path("/dev/null/x")):
        done = run("account", "list", "--data", place)
        assert_plain_failure(done)
        assert str(place) in done.stderr
        assert "REACHBOOK_DATA_DIR" in done.stderr
    assert_plain_failure(run("serve", data_dir=file, port=free_port()))
    assert file.read_text() == "mine"


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "mysql://user:secret@127.0.0.1/db",
        "postgresql://user:secret@127.0.0.1:{port}/db",
        "postgresql://user:secret@no.invalid/db",
    ],
)
def test_a_database_that_is_none(url: str) -> None:
    url = url.format(port=free_port())
    done = run("serve", database_url=url, port=free_port())
    assert_plain_failure(done)
    assert "PostgreSQL" in done.stderr
    assert "secret" not in done.stderr


def test_a_database_that_refuses(embedded: Location) -> None:
    for old, new in (("/postgres?", "/no_such_database?"), ("//postgres@", "//no_such_user@")):
        done = run("account", "list", database_url=embedded.owner_url.replace(old, new))
        assert_plain_failure(done)
        assert "no_such" in done.stderr


async def test_a_server_of_ones_own(embedded: Location, tmp_path: Path) -> None:
    """One URL is enough: its user owns the schema, the application's connections take on the lesser role."""
    name = f"own_{uuid4().hex}"
    connection = await asyncpg.connect(embedded.owner_url)
    await connection.execute(f"CREATE DATABASE {name}")
    url = embedded.owner_url.replace("/postgres?", f"/{name}?")
    unused = tmp_path / "unused"
    with Server(folder=unused, database_url=url) as server:
        assert ready(server) == 200
        done = run("account", "create", "Acme", "--json", database_url=url)
        account = json.loads(done.stdout)["id"]
        token = json.loads(run("token", "create", "--account", account, "--json", database_url=url).stdout)["token"]
        base = f"{server.url}/addressbook/v2/accounts/{account}"
        answer = httpx.post(f"{base}/optout/sms/+31627100000", headers={"X-CM-PRODUCTTOKEN": token}, timeout=60)
        assert answer.json()["isActive"] is True
    assert not unused.exists()
    await connection.execute(f"DROP DATABASE {name}")
    await connection.close()


async def test_migrations_at_once(embedded: Location) -> None:
    name = f"many_{uuid4().hex}"
    connection = await asyncpg.connect(embedded.owner_url)
    await connection.execute(f"CREATE DATABASE {name}")
    url = embedded.owner_url.replace("/postgres?", f"/{name}?")
    every = [finish(process) for process in [start("migrate", database_url=url) for _ in range(3)]]
    assert [done.returncode for done in every] == [0] * 3, every
    inside = await asyncpg.connect(url)
    applied = [row["migration_id"] for row in await inside.fetch("SELECT migration_id FROM _pogo_migration")]
    assert applied
    assert len(applied) == len(set(applied))
    await inside.close()
    await connection.execute(f"DROP DATABASE {name}")
    await connection.close()


def test_two_commands_at_once_on_an_empty_folder(folder: Path) -> None:
    # What a first start that was killed halfway leaves behind is no obstacle either.
    half_made = folder / "postgres.new"
    half_made.mkdir(parents=True)
    (half_made / "PG_VERSION").write_text("18\n")
    every = [finish(process) for process in [start("account", "create", name, "--data", folder) for name in ("One", "Two")]]
    assert [done.returncode for done in every] == [0, 0], every
    assert postmaster(folder) is None
    assert names(folder) == {"One", "Two"}


def test_commands_join_and_the_last_one_out_stops_it(folder: Path) -> None:
    with Server(folder=folder) as server:
        running = postmaster(folder)
        assert running is not None
        make(folder, "Joined")
        assert names(folder) == {"Default", "Joined"}
        assert postmaster(folder) == running
        assert ready(server) == 200
        holder = open_embedded(folder)
        assert server.stop() == 0
        assert postmaster(folder) == running
        holder.close()
    assert postmaster(folder) is None
    assert not running.is_running() or running.status() == psutil.STATUS_ZOMBIE


def test_heals_after_the_server_was_killed(folder: Path) -> None:
    server = Server(folder=folder).start()
    make(folder, "Kept")
    family = psutil.Process(server.process.pid).children(recursive=True)  # type: ignore[union-attr]
    server.kill()
    psutil.wait_procs(family, timeout=SECONDS)
    assert postmaster(folder) is not None, "PostgreSQL outlives its server, so the next one joins it"
    with server:
        assert names(folder) == {"Default", "Kept"}
    assert postmaster(folder) is None


def test_heals_after_everything_was_killed(folder: Path) -> None:
    server = Server(folder=folder).start()
    make(folder, "Kept")
    server.kill()
    kill_postgres(folder)
    assert (folder / "postgres" / "postmaster.pid").exists()
    with server:
        assert names(folder) == {"Default", "Kept"}


@pytest.mark.parametrize("who", ["any program", "another PostgreSQL"])
def test_heals_when_the_process_number_is_somebody_elses(who: str, folder: Path, data_folder: Path, embedded: Location) -> None:
    """After a crash of the machine, or in a container that was started anew, the number in postmaster.pid is anybody's."""
    holder = open_embedded(folder)
    pid_file = folder / "postgres" / "postmaster.pid"
    _, *rest = pid_file.read_text().splitlines()
    kill_postgres(folder)
    holder._holders.release_read_lock()  # what the kernel does for a process that dies
    program = subprocess.Popen(["sleep", str(10 * SECONDS)])
    try:
        other = postmaster(data_folder)
        assert other is not None, "the tests' own PostgreSQL"
        pid_file.write_text("\n".join([str(program.pid if who == "any program" else other.pid), *rest]) + "\n")
        make(folder, "Healed")
        assert program.poll() is None
        assert other.is_running()
    finally:
        program.kill()
        program.wait()


@pytest.mark.parametrize("name", ["it's $HOME, 100%25 of c++ & #1", "long" * 40], ids=["odd", "long"])
def test_a_folder_with_any_name(name: str) -> None:
    """Odd characters reach URLs, PostgreSQL's settings and pg_ctl's shell; a long path is too long for a socket."""
    with tempfile.TemporaryDirectory(prefix="reachbook-") as short:
        folder = Path(short) / name
        try:
            make(folder, "Odd")
            assert (folder / "postgres" / "PG_VERSION").exists()
            assert postmaster(folder) is None
        finally:
            kill_postgres(folder)
