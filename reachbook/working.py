"""`reachbook worker`: the jobs of this installation, as its settings say."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from reachbook.core import endpoint_urls
from reachbook.core.retry_schedule import Schedule
from reachbook.database.queries import Database
from reachbook.providers import mail, meta, outbound, webhooks
from reachbook.settings import Settings
from reachbook.workers import provider, runner
from reachbook.workers.deliveries import Deliverer
from reachbook.workers.runner import Job


async def run(db: Database, settings: Settings, stopping: asyncio.Event) -> None:
    """Until `stopping` is set; what runs then is finished."""
    async with _jobs(settings) as jobs:
        await runner.run(db, stopping, jobs)


@contextlib.asynccontextmanager
async def _jobs(settings: Settings) -> AsyncGenerator[list[Job]]:
    retrying = schedule(settings)
    server = mail.server(settings.smtp_url, settings.mail_from) if settings.smtp_url else None
    allowed = endpoint_urls.networks(settings.delivery_allow)
    async with webhooks.open_caller(allowed, retrying.timeout) as caller, outbound.open_client() as client:
        deliverer = Deliverer(caller, mail.Mailer(server, retrying.timeout), retrying)
        jobs = [*runner.JOBS, Job("deliveries", deliverer.work, 1.0)]
        if settings.meta_token is not None:
            jobs += provider.jobs(meta.Meta(client, settings.meta_graph_url, settings.meta_token))
        yield jobs


def schedule(settings: Settings) -> Schedule:
    """The retries that are configured."""
    *pauses, every = settings.retry_seconds()
    return Schedule(
        pauses=tuple(pauses),
        every=every,
        days=settings.delivery_days,
        timeout=settings.delivery_timeout_seconds,
        disable_days=settings.delivery_disable_days,
    )
