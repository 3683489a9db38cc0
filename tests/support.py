"""A server, clients and imports for tests."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, Self
from uuid import UUID

import httpx

from reachbook.core import accounts, ids, import_claims, imports, tokens
from reachbook.core.ids import AccountId
from reachbook.core.imports import Import, Options
from reachbook.database.location import Location
from reachbook.database.queries import Database
from reachbook.workers.imports import work_on

HOUSEKEEPING = {
    *("contact_count", "consent_count", "indexing_backlog"),
    *("contact_change", "retention_turn", "value_count", "blocked_contact", "blocked_count", "statistics_day"),
}
"""Tables in which the worker folds and forgets by itself, whenever it comes by; figures are compared as they are read."""


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """`reachbook serve` in a process group of its own; `kill` is kill -9 of all of it."""

    def __init__(self, location: Location | None = None, folder: Path | None = None, **settings: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("REACHBOOK_")}
        self.environment |= {"REACHBOOK_PROCESSES": "1", "REACHBOOK_PORT": str(self.port)}
        self.environment |= {f"REACHBOOK_{name.upper()}": value for name, value in settings.items()}
        if location is not None:
            self.environment |= {"REACHBOOK_DATABASE_URL": location.app_url, "REACHBOOK_DATABASE_OWNER_URL": location.owner_url}
        if folder is not None:
            self.environment["REACHBOOK_DATA_DIR"] = str(folder)
        self.process: subprocess.Popen[str] | None = None
        self.log = Path(os.environ.get("PYTEST_SERVER_LOG", os.devnull))

    def start(self) -> Self:
        """Start and wait until it is ready."""
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "reachbook", "serve"],
                env=self.environment,
                stdout=log,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        for _ in range(600):
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{self.url}/readyz", timeout=5, verify=False).status_code == 200:
                    return self
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended with {self.process.returncode}")
            time.sleep(0.1)
        raise TimeoutError("the server did not get ready")

    def stop(self) -> int:
        """SIGTERM; answers the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def kill(self) -> None:
        """SIGKILL to every process of the server at once (an embedded PostgreSQL is not one of them: it has its own session)."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(60)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.stop()


class Client(httpx.AsyncClient):
    """An HTTP client with a token; paths are relative to its account on CM's wire."""

    account: AccountId
    token: str
    token_id: UUID

    async def group(self, **properties: Any) -> dict[str, Any]:
        """A new group."""
        answer = await self.post("groups", json={"name": "Readers"} | properties)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def contact(self, group: str, **properties: Any) -> dict[str, Any]:
        """A new contact."""
        answer = await self.post(f"groups/{group}/contacts", json=properties)
        assert answer.status_code == 201, answer.text
        return answer.json()


async def new_client(db: Database, url: str, name: str, region: str | None, scopes: tuple[str, ...] = tokens.ACCOUNT_SCOPES) -> Client:
    """A client of a new account."""
    account = await accounts.create(db, ids.new_id(), name, region, ids.now())
    token_id = ids.new_id()
    token = await tokens.create(db, account.id, token_id, name=name, scopes=scopes, now=ids.now())
    client = Client(base_url=f"{url}/addressbook/v2/accounts/{account.id}/", headers={"X-CM-PRODUCTTOKEN": token}, timeout=60, verify=False)
    client.account, client.token, client.token_id = account.id, token, token_id
    return client


async def worked_on(db: Database, account: AccountId, file: bytes, filename: str, event: str, options: Options) -> Import:
    """An import that was started or previewed, worked on here and now unless a worker of the server is quicker."""
    id = ids.new_id()

    async def pieces() -> AsyncGenerator[bytes]:
        yield file

    await imports.create(db, account, id, filename, ids.new_id(), ids.now())
    await imports.upload(db, account, id, pieces())
    await imports.begin(db, account, id, event, options, ids.now())
    claim = await import_claims.take(db, account, id, ids.new_id(), ids.now())
    if claim is not None:
        await work_on(db, claim)
    while not (worked := await imports.get(db, account, id)).is_over:
        await asyncio.sleep(0.02)
    return worked
