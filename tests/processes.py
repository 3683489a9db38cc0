"""Reachbook as an operator starts it: commands and servers as processes of their own, and what becomes of their PostgreSQL."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

import httpx
import psutil

from reachbook.database.location import Location
from tests import commands
from tests.support import Server

REACHBOOK = [sys.executable, "-m", "reachbook"]
SECONDS = 180  # longer than anything takes: to fail instead of hanging


def environment(location: Location | None = None, **settings: object) -> dict[str, str]:
    """This process's environment with these settings and no others."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("REACHBOOK_")}
    if location is not None:
        variables |= {"REACHBOOK_DATABASE_URL": location.app_url, "REACHBOOK_DATABASE_OWNER_URL": location.owner_url}
    return variables | {f"REACHBOOK_{name.upper()}": str(value) for name, value in settings.items()}


def start(*arguments: object, location: Location | None = None, **settings: object) -> subprocess.Popen[str]:
    """`reachbook …`, running; its output is piped."""
    command = [*REACHBOOK, *map(str, arguments)]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, env=environment(location, **settings), text=True, start_new_session=True, **pipes)  # type: ignore[call-overload]


def finish(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    """Wait for its end."""
    try:
        out, err = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def run(
    *arguments: object, location: Location | None = None, stdin: str = "", cwd: Path | None = None, **settings: object
) -> subprocess.CompletedProcess[str]:
    """`reachbook …` to its end."""
    done = commands.run([*map(str, arguments)], environment(location, **settings), cwd=cwd, stdin=stdin.encode(), timeout=SECONDS)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


class Noted(Server):
    """A server whose standard output and error are kept in files of their own."""

    def __init__(self, notes: Path, location: Location | None = None, folder: Path | None = None, **settings: str) -> None:
        super().__init__(location, folder, **settings)
        notes.mkdir(exist_ok=True)
        self.out, self.err = notes / "out", notes / "err"

    def start(self) -> Self:
        """Start and wait until it is ready."""
        with self.out.open("w") as out, self.err.open("w") as err:
            self.process = subprocess.Popen(
                [*REACHBOOK, "serve"], env=self.environment, stdout=out, stderr=err, text=True, start_new_session=True
            )
        self.wait()
        return self

    def wait(self) -> None:
        """Until it is ready."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{self.url}/readyz", timeout=5, verify=False).status_code == 200:
                    return
            assert self.process is not None
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended with {self.process.returncode}: {self.err.read_text()}")
            time.sleep(0.1)
        raise TimeoutError(self.err.read_text())


def postmaster(folder: Path) -> psutil.Process | None:
    """The PostgreSQL that runs on this data folder."""
    try:
        process = psutil.Process(int((folder / "postgres" / "postmaster.pid").read_text().splitlines()[0]))
        return process if "postgres" in process.name() and Path(process.cwd()) == folder / "postgres" else None
    except (OSError, ValueError, psutil.NoSuchProcess):
        return None


def kill_postgres(folder: Path) -> None:
    """SIGKILL to PostgreSQL and its children at once; nothing if none runs."""
    process = postmaster(folder)
    if process is None:
        return
    every = [process, *process.children(recursive=True)]
    for one in every:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    psutil.wait_procs(every, timeout=SECONDS)


def assert_plain_failure(done: subprocess.CompletedProcess[str], code: int = 1) -> None:
    """A message for the operator, no trace, nothing on standard output."""
    assert done.returncode == code, done
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr
    assert not done.stdout
