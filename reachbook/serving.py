"""`reachbook serve`: the web processes and the worker, until a signal."""

import contextlib
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Generator
from pathlib import Path

from granian.constants import Interfaces, Loops
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server

from reachbook.settings import Settings, SettingsError, processes

RESTART_SECONDS = 2.0  # until a worker that has ended is followed by another


def check_port(host: str, port: int) -> None:
    """The server shares its port among its own processes, and would share it with another server's: ask first. Raises SettingsError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        if os.name == "posix":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # not one that only waits for late packets
        try:
            probe.bind((host, port))
        except OSError as error:
            raise SettingsError(
                f"Can't listen on {host}:{port}: {error.strerror or error}. Choose another with --port and --host."
            ) from error


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; running requests get their time to end."""
    multiprocessing.set_start_method("spawn", force=True)
    with tempfile.TemporaryDirectory(prefix="reachbook-metrics-") as figures, _worker(settings):
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = figures
        Server(
            "reachbook.app:build",
            factory=True,
            address=settings.host,
            port=settings.port,
            interface=Interfaces.ASGI,
            workers=processes(settings),
            loop=Loops.auto,
            workers_kill_timeout=settings.stop_seconds,
            respawn_failed_workers=True,
            log_access=False,
            log_level=LogLevels.warning,
            http1_settings=HTTP1Settings(header_read_timeout=10_000),
        ).serve()


@contextlib.contextmanager
def _worker(settings: Settings) -> Generator[None]:
    """The worker, and another one if it is killed: nobody would see that messages wait."""
    environment = dict(os.environ)  # what is set later is for web processes

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-m", "reachbook", "worker"], env=environment)

    if not settings.workers:
        yield
        return
    lock, stopping = threading.Lock(), threading.Event()
    worker = start()

    def watch() -> None:
        nonlocal worker
        while worker.wait() != 0 and not stopping.wait(RESTART_SECONDS):
            with lock:
                if not stopping.is_set():
                    worker = start()

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        with lock:
            stopping.set()
        worker.send_signal(signal.SIGTERM)
        try:
            worker.wait(settings.stop_seconds)
        except subprocess.TimeoutExpired:
            worker.kill()


def curl_line(base: str, account: str, token: str) -> str:
    """A line that works when pasted."""
    return f"curl -H 'X-CM-PRODUCTTOKEN: {token}' '{base}/addressbook/v2/accounts/{account}/groups'"


def base_url(settings: Settings) -> str:
    """Where a browser on this machine finds the server."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104 - read, not bound
    return f"http://{host}:{settings.port}"


def demo_file(settings: Settings) -> Path:
    """Where the sample account's id and token are kept between two runs of the demo."""
    return Path(settings.data_dir).expanduser() / "demo.json"
