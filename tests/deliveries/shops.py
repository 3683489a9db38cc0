"""An account with a number, endpoints and messages that came in; workers over a clock that the test moves."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from aiohttp.abc import AbstractResolver

from reachbook.core import channels, configurations, deliveries, delivery_work, endpoint_urls, ids, inbound
from reachbook.core.configurations import Draft
from reachbook.core.deliveries import Attempt, Delivery, Wanted
from reachbook.core.ids import AccountId
from reachbook.core.inbound import Raw
from reachbook.core.inbound_formats import Event, Message
from reachbook.core.paging import Page
from reachbook.core.retry_schedule import STANDARD, Schedule
from reachbook.database.pool import Pool
from reachbook.providers.mail import Mailer, Server
from reachbook.providers.webhooks import open_caller
from reachbook.workers.deliveries import Deliverer
from tests.core.channels import number_type, rent

HERE = "127.0.0.0/8"
EVERY = Page(0, 1_000_000)
GATEWAY = UUID(int=9)
PERSON = "+31612345678"

_references = itertools.count(1)


class Clock:
    """Stands until it is moved."""

    def __init__(self, now: datetime | None = None) -> None:
        self.now = now or ids.now()

    def __call__(self) -> datetime:
        return self.now

    def move(self, **parts: float) -> None:
        """On, by days, hours, seconds."""
        self.now += timedelta(**parts)


class Shop:
    """An account that rents a number, and what it has set up for it."""

    def __init__(self, db: Pool, account: AccountId, number: str, channel: UUID) -> None:
        self.db, self.account, self.number, self.channel = db, account, number, channel

    async def add(self, url: str = "", kind: str = "webhook", now: datetime | None = None, **given: Any) -> UUID:
        """An endpoint, or the address of a mail; answers its id."""
        draft = Draft(address=url) if kind == "email" else Draft(url=url, **given)
        allowed = endpoint_urls.networks(HERE)
        made = await configurations.add(self.db, self.account, self.channel, kind, draft, allowed=allowed, now=now or ids.now())
        return made.endpoints[-1].id

    async def receive(self, *texts: str, now: datetime | None = None, **more: Any) -> list[str]:
        """Messages that come in together; answers their references."""
        at = now or ids.now()
        made = [
            Message(**{"reference": f"r{next(_references)}", "sender": PERSON} | self._common(at) | {"text": text} | more) for text in texts
        ]
        taken = await inbound.accept(self.db, [Raw(one, {"text": one.text}) for one in made], country=None, actor=GATEWAY, now=at)
        assert (len(taken.new), taken.unrouted) == (len(made), 0)
        return [one.reference for one in made]

    async def happen(self, what: Any, now: datetime | None = None) -> str:
        """An event."""
        at = now or ids.now()
        made = Event(reference=f"r{next(_references)}", sender=PERSON, event=what, **self._common(at))
        assert (await inbound.accept(self.db, [Raw(made, {})], country=None, actor=GATEWAY, now=at)).unrouted == 0
        return made.reference

    def _common(self, at: datetime) -> dict[str, Any]:
        return {"channel": "SMS", "receiver": f"+{self.number}", "at": at}

    async def deliveries(self, **wanted: Any) -> list[Delivery]:
        """The oldest first."""
        return list(reversed((await deliveries.list_deliveries(self.db, self.account, Wanted(**wanted), EVERY)).rows))

    async def delivery(self, **wanted: Any) -> tuple[Delivery, Sequence[Attempt]]:
        """The only one, with its attempts."""
        (found,) = await self.deliveries(**wanted)
        return await deliveries.get(self.db, self.account, found.id)

    async def states(self, **wanted: Any) -> list[str]:
        """The oldest first."""
        return [one.state for one in await self.deliveries(**wanted)]

    async def until(self, is_so: Callable[[list[str]], bool], **wanted: Any) -> None:
        """Until the states are like that; nobody says how soon."""
        async with asyncio.timeout(60):
            while not is_so(await self.states(**wanted)):
                await asyncio.sleep(0.02)


async def open_shop(db: Pool, account: AccountId) -> Shop:
    """A number of the account's own, with its channel."""
    number = await rent(db, account, await number_type(db))
    (channel,) = await channels.list_channels(db, account)
    return Shop(db, account, number, channel.id)


class Worker:
    """A Deliverer, and the ways to let it work."""

    def __init__(self, db: Pool, deliverer: Deliverer, clock: Callable[[], datetime]) -> None:
        self.db, self.deliverer, self.clock = db, deliverer, clock
        self.stopping = asyncio.Event()

    async def settle(self) -> None:
        """All that is due by the clock as it stands, and then no more."""
        async with asyncio.timeout(60):
            while due := await delivery_work.due(self.db, self.clock(), 1_000):
                await asyncio.gather(*(self.deliverer.drain(self.db, one, self.stopping) for one in due))

    @contextlib.asynccontextmanager
    async def at_work(self) -> AsyncGenerator[None]:
        """As `reachbook worker` lets it work, meanwhile."""
        self.stopping.clear()
        task = asyncio.create_task(self.deliverer.work(self.db, self.stopping))
        try:
            yield
        finally:
            self.stopping.set()
            await asyncio.wait_for(task, 60)


@contextlib.asynccontextmanager
async def open_worker(
    db: Pool,
    clock: Callable[[], datetime] = ids.now,
    schedule: Schedule = STANDARD,
    *,
    allowed: str = HERE,
    resolver: AbstractResolver | None = None,
    mail: Server | None = None,
) -> AsyncGenerator[Worker]:
    """A worker of its own."""
    async with open_caller(endpoint_urls.networks(allowed), schedule.timeout, resolver) as caller:
        yield Worker(db, Deliverer(caller, Mailer(mail, schedule.timeout), schedule, clock), clock)


NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
