"""What happens behind our own API in golden cases (`{"act": [name, …]}`): numbers and endpoints, and what becomes of deliveries.

The server's workers run, but leave the endpoints of these cases alone: the cases hold them, and record attempts as a worker does.
"""

import random
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx

from reachbook.core import channels, configurations, decisions, delivery_work, ids, number_requests, reviews
from reachbook.core.configurations import Draft
from reachbook.core.delivery_work import Delivery, Outcome
from reachbook.core.ids import AccountId
from reachbook.core.limits import CONSENT_WORDS
from reachbook.core.retry_schedule import STANDARD, Schedule
from reachbook.core.work_queue import Kind
from reachbook.database.pool import Pool
from tests.core import channels as core
from tests.dialects.golden import Beside, Step
from tests.support import Client

HOLDER = UUID(int=7)
FAR = datetime(2100, 1, 1, tzinfo=UTC)
"""Until then nobody else may have the endpoints, and whatever waits there is due."""

LAST = STANDARD._replace(days=0.0)
"""After this attempt there is no other."""

SECRET = re.compile(r"whsec_[A-Za-z0-9+/]{43}=")


class Behind:
    """Alice's things, and Bob's. Every number is the test's own."""

    def __init__(self, db: Pool, alice: AccountId, bob: AccountId) -> None:
        self.db, self.accounts = db, {"alice": alice, "bob": bob}
        self.owners: dict[str, AccountId] = {}

    def acts(self) -> Mapping[str, Callable[..., Awaitable[Mapping[str, str]]]]:
        """By name."""
        return {
            "number": self.number,
            "profile": self.profile,
            "endpoint": self.endpoint,
            "log": self.log,
            "attempt": self.attempt,
            "last attempt": self.last_attempt,
            "fails for days": self.fails_for_days,
            "look": self.look,
            "words": self.words,
        }

    async def number(self, name: str, whose: str = "alice") -> Mapping[str, str]:
        """A number that an account owns, as digits, and its `{<name>_channel}`."""
        account = self.accounts[whose]
        number = await core.rent(self.db, account, await core.number_type(self.db), ids.now())
        requests = (await number_requests.list_requests(self.db, account, core.ALL)).rows
        (channel,) = [str(one.channel_id) for one in requests if one.phone_number_id == number]
        self.owners[channel] = account
        return {name: number, f"{name}_channel": channel}

    async def profile(self, name: str) -> Mapping[str, str]:
        """The number of Alice's WhatsApp profile that is active, as digits."""
        account = self.accounts["alice"]
        made = await core.profile(self.db, account, await core.whatsapp(self.db, account, ids.now()), now=ids.now())
        await decisions.approve(self.db, account, await core.item_of(self.db, account, Kind.PROFILE, made.id), now=ids.now())
        return {name: made.phone.removeprefix("+")}

    async def endpoint(self, channel: str, kind: str, name: str) -> Mapping[str, str]:
        """An endpoint at which nobody is, and its `{<name>_group}`; the first of its kind enables the configuration."""
        account = self.owners[channel]
        draft = Draft(address=f"desk@{name}.example") if kind == "email" else Draft(url=f"https://{name}.example/in")
        made = await configurations.add(self.db, account, UUID(channel), kind, draft, allowed=(), now=ids.now())
        endpoint = made.endpoints[-1].id
        assert await delivery_work.take(self.db, endpoint, HOLDER, FAR)
        self.owners[str(endpoint)] = account
        group = (await channels.get(self.db, account, UUID(channel))).group_id
        return {name: str(endpoint), f"{name}_group": str(group)}

    async def log(self, channel: str, keeps: str = "on") -> Mapping[str, str]:
        """Messages are kept in the messaging log from now on, or no more."""
        await configurations.keep_log(self.db, self.owners[channel], UUID(channel), enabled=keeps == "on", now=ids.now())
        return {}

    async def attempt(
        self, endpoint: str, status: int | None, error: str | None = None, answer: str | None = None, schedule: Schedule = STANDARD
    ) -> Mapping[str, str]:
        """All that waits at the endpoint is tried once, each with this outcome."""
        account, id = self.owners[endpoint], UUID(endpoint)
        found = await delivery_work.next_batch(self.db, account, id, HOLDER, FAR)
        assert found is not None
        outcomes = [_outcome(one, status, error, answer) for one in found[1]]
        chance = random.Random(0)
        await delivery_work.record(self.db, account, id, HOLDER, outcomes, schedule=schedule, chance=chance, now=ids.now())
        assert await delivery_work.hold(self.db, id, HOLDER, FAR)
        return {}

    async def last_attempt(
        self, endpoint: str, status: int | None, error: str | None = None, answer: str | None = None
    ) -> Mapping[str, str]:
        """The same when the time for retries is over."""
        return await self.attempt(endpoint, status, error, answer, LAST)

    async def fails_for_days(self, endpoint: str) -> Mapping[str, str]:
        """It has done so for longer than anybody waits."""
        since = ids.now() - timedelta(days=STANDARD.disable_days + 1)
        statement = "UPDATE channel_endpoint SET failing_since = $3 WHERE account_id = $1 AND id = $2"
        await self.db.execute(statement, self.owners[endpoint], UUID(endpoint), since)
        return {}

    async def look(self, endpoint: str) -> Mapping[str, str]:
        """A worker comes by, and finds that nothing can be sent there."""
        assert await delivery_work.next_batch(self.db, self.owners[endpoint], UUID(endpoint), HOLDER, FAR) is None
        return {}

    async def words(self) -> Mapping[str, str]:
        """Alice has as many words as an account may have, but for one."""
        for number in range(1, CONSENT_WORDS):
            await reviews.save_word(self.db, self.accounts["alice"], f"word{number:03}", "stop", ids.now())
        return {}


def _outcome(delivery: Delivery, status: int | None, error: str | None, answer: str | None) -> Outcome:
    return Outcome(delivery, ids.now(), 12, error is None, status, error, answer)


def look(step: Step, response: httpx.Response) -> None:
    """Secrets differ from run to run: what they look like is looked at here."""
    if step["request"].endswith("/secret") and response.is_success:
        assert SECRET.fullmatch(response.json()["secret"]), response.text


def beside(db: Pool, alice: Client, bob: Client) -> Beside:
    """For `golden.play_as`."""
    return Beside(acts=Behind(db, alice.account, bob.account).acts(), look=look)
