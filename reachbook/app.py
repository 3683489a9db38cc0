"""The only wiring: settings → database → dialects and house, as one ASGI app. `build` is what the server loads in each process."""

import asyncio
import contextlib
import gc
import os
import signal
from collections.abc import AsyncGenerator
from typing import Any, cast

import structlog
from aiohttp import ClientSession
from litestar.types import ASGIApp, LifeSpanReceive, LifeSpanSend, Receive, Scope, Send
from prometheus_client import Gauge

from reachbook import __version__, log, settings
from reachbook.core import endpoint_urls, figures, tokens
from reachbook.core.one_time_codes import Senders
from reachbook.database.errors import UnavailableError
from reachbook.database.migrate import pending
from reachbook.database.pool import Pool, open_pool
from reachbook.dialects import cm_addressbook, cm_channels, devino, digitaleo, gateway, meta, operator, own
from reachbook.dialects.meta.auth import Secrets
from reachbook.http import house
from reachbook.http.limits import Limits
from reachbook.http.observe import Observed
from reachbook.providers import otp_gateway
from reachbook.providers.meta import Meta
from reachbook.providers.outbound import open_client
from reachbook.settings import Settings

REFERENCES = {
    "CM.com Addressbook v2": cm_addressbook.REFERENCE,
    "CM.com Channels v1": cm_channels.REFERENCE,
    "Devino Address Book": devino.REFERENCE,
    "Digitaleo Contacts": digitaleo.REFERENCE,
    "Reachbook's own": own.REFERENCE,
    "Reachbook for operators": operator.REFERENCE,
    "Reachbook for gateways": gateway.REFERENCE,
    "Reachbook for Meta": meta.REFERENCE,
}

POOL = Gauge("reachbook_database_connections", "Connections of the web processes' pools.", ["state"], multiprocess_mode="livesum")


def build() -> ASGIApp:
    """The app of one web process, configured by the environment."""
    configured = settings.load(os.environ)
    log.configure(configured.log_level, configured.log_format)
    return Observed(Reachbook(configured))


class Reachbook:
    """Leads each request to its dialect; opens the database at the start and closes it at the end."""

    def __init__(self, configured: Settings) -> None:
        self._settings = configured
        self._apps: dict[str, ASGIApp] = {}
        self._house: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the life of the process."""
        if cast("str", scope["type"]) == "lifespan":
            await self._live(cast("Any", receive), cast("Any", send))
            return
        path = scope["path"].lower()
        app = next((app for prefix, app in self._apps.items() if path.startswith(prefix)), self._house)
        assert app is not None, "the server sends no request before the start-up is complete"  # noqa: S101
        await app(scope, receive, send)

    async def _live(self, receive: LifeSpanReceive, send: LifeSpanSend) -> None:
        await receive()
        stack = contextlib.AsyncExitStack()
        try:
            client = await stack.enter_async_context(open_client())
            self._wire(await stack.enter_async_context(_database(self._settings)), _senders(self._settings, client))
        except Exception as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        # What is there now stays for the life of the process: the collector need not walk it again and again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)
        orphaned = asyncio.create_task(_end_with_parent(os.getppid()))
        await send({"type": "lifespan.startup.complete"})
        await receive()
        orphaned.cancel()
        await stack.aclose()
        await send({"type": "lifespan.shutdown.complete"})

    def _wire(self, db: Pool, senders: Senders) -> None:
        limits = Limits(self._settings.request_seconds, self._settings.body_megabytes * 2**20)
        finder = tokens.Finder(db)
        for dialect in (cm_addressbook, devino, digitaleo, own, operator):
            self._apps |= dict.fromkeys(dialect.PREFIXES, dialect.build(db, finder, __version__, limits))

        to_gateways = gateway.build(db, finder, __version__, limits, self._settings.soft_bounce_days)
        self._apps |= dict.fromkeys(gateway.PREFIXES, to_gateways)

        secrets = Secrets(self._settings.meta_app_secret, self._settings.meta_verify_token)
        self._apps |= dict.fromkeys(meta.PREFIXES, meta.build(db, finder, __version__, limits, secrets))

        allowed = endpoint_urls.networks(self._settings.delivery_allow)
        policy = cm_channels.Policy(senders, allowed, self._settings.public_url)
        self._apps |= dict.fromkeys(cm_channels.PREFIXES, cm_channels.build(db, finder, __version__, limits, policy))

        async def missing() -> list[str]:
            try:
                async with asyncio.timeout(5):
                    return [f"migration {name}" for name in await pending(db)]
            except (UnavailableError, TimeoutError) as error:
                return [f"database: {error or 'no answer within 5 seconds'}"]

        async def read_figures() -> list[figures.Figure]:
            for state, value in db.figures().items():
                POOL.labels(state).set(value)
            try:
                return [figures.database_up(1.0), *await figures.read(db)]
            except UnavailableError:
                return [figures.database_up(0.0)]

        self._house = house.build(missing, read_figures, REFERENCES, __version__)


def _senders(configured: Settings, client: ClientSession) -> Senders:
    """How one-time passwords get to phones."""
    gateway = otp_gateway.sender(client, configured.otp_url) if configured.otp_url else None
    provider = Meta(client, configured.meta_graph_url, configured.meta_token) if configured.meta_token else None
    return Senders(gateway, provider)


@contextlib.asynccontextmanager
async def _database(configured: Settings) -> AsyncGenerator[Pool]:
    assert configured.database_url is not None, "`serve` sets it, for the embedded server too"  # noqa: S101
    db = await open_pool(
        configured.database_url,
        most=configured.database_connections,
        statement_seconds=configured.statement_seconds,
        role=None if configured.database_owner_url else "reachbook_app",
    )
    try:
        yield db
    finally:
        await db.close()


async def _end_with_parent(parent: int) -> None:
    """A web process whose supervisor was killed would keep the port, and share it with the next server: it ends instead."""
    while os.getppid() == parent:  # noqa: ASYNC110 - nothing tells an orphan, it has to look
        await asyncio.sleep(0.5)
    structlog.get_logger("reachbook").warning("supervisor gone, stopping")
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.sleep(5)
    os._exit(1)
