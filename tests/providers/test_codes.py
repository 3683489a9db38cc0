"""One-time passwords of profiles: by the operator's gateway, or by Meta for a number that it knows."""

import json
import traceback
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import structlog
from aiohttp import ClientSession, ClientTimeout, web

from reachbook.core import ids, profiles
from reachbook.core.errors import ConflictError, InvalidError
from reachbook.core.ids import AccountId
from reachbook.core.one_time_codes import Senders
from reachbook.core.profiles import Profile
from reachbook.database.errors import UnavailableError
from reachbook.database.pool import Pool
from reachbook.providers import otp_gateway
from reachbook.providers.meta import Meta
from tests.core import channels
from tests.providers.desk import new_provider_id
from tests.providers.graph import CODE, TOKEN, Graph, GraphError, serving


class Gateway:
    """A gateway of one-time passwords; `status` is what it answers, `url` has a key in it."""

    def __init__(self) -> None:
        self.url, self.status, self.came = "", 202, list[Any]()

    async def handle(self, request: web.Request) -> web.Response:
        """Any call."""
        assert (request.method, request.path, request.query["key"]) == ("POST", "/send", "gatewaykey")
        assert request.content_type == "application/json"
        self.came.append(json.loads(await request.text()))
        return web.Response(status=self.status, text=f"no way to send {self.came[-1]['code']}")


@pytest.fixture
async def gateway() -> AsyncGenerator[Gateway]:
    """The operator's."""
    made = Gateway()
    async with serving(made.handle) as url:
        made.url = f"{url}/send?key=gatewaykey"
        yield made


@pytest.fixture
async def by_gateway(gateway: Gateway, client: ClientSession) -> Senders:
    """With the gateway alone."""
    return Senders(gateway=otp_gateway.sender(client, gateway.url))


@pytest.fixture
async def profile(db: Pool, account: AccountId) -> Profile:
    """One that is not verified."""
    request = (await channels.ask_whatsapp(db, account)).id
    return await channels.profile(db, account, request)


async def start(db: Pool, account: AccountId, profile: Profile, senders: Senders, method: str = "sms", minutes: int = 0) -> None:
    now = ids.now() + timedelta(minutes=minutes)
    await profiles.start_code(db, account, profile.request_id, profile.id, method, senders=senders, now=now)


async def finish(db: Pool, account: AccountId, profile: Profile, digits: str, senders: Senders) -> Profile:
    number = profile.phone
    return await profiles.finish_code(db, account, profile.request_id, profile.id, number, digits, senders=senders, now=ids.now())


KEPT = "SELECT code_hash, code, code_method, code_sent_at, code_starts FROM whatsapp_profile WHERE account_id = $1 AND id = $2"


async def kept(db: Pool, account: AccountId, id: UUID) -> tuple[Any, ...]:
    """What is stored of a code."""
    row = await db.fetchrow(KEPT, account, id)
    assert row is not None
    return tuple(row.values())


async def test_the_gateway_gets_the_code(db: Pool, account: AccountId, profile: Profile, gateway: Gateway, by_gateway: Senders) -> None:
    await start(db, account, profile, by_gateway, "Voice")
    [came] = gateway.came
    assert came == {"phoneNumber": profile.phone, "method": "voice", "code": came["code"]}
    assert len(came["code"]) == 6
    assert came["code"].isdigit()
    stored, shown, *_ = await kept(db, account, profile.id)
    assert shown is None
    assert came["code"] not in stored
    wrong = f"{(int(came['code']) + 1) % 10**6:06}"
    with pytest.raises(InvalidError):
        await finish(db, account, profile, wrong, by_gateway)
    assert (await finish(db, account, profile, came["code"], by_gateway)).state == "active"


@pytest.mark.parametrize("status", [302, 400, 404, 500])
async def test_a_gateway_that_fails_leaves_no_code(
    db: Pool, account: AccountId, profile: Profile, gateway: Gateway, by_gateway: Senders, status: int
) -> None:
    gateway.status = status
    before = await kept(db, account, profile.id)
    with pytest.raises(UnavailableError, match=f"answered {status}") as failed:
        await start(db, account, profile, by_gateway)
    assert await kept(db, account, profile.id) == before
    assert_silent(failed.value, gateway.came[-1]["code"])
    gateway.status = 200
    await start(db, account, profile, by_gateway)  # it counts for no limit
    assert (await finish(db, account, profile, gateway.came[-1]["code"], by_gateway)).state == "active"


@pytest.mark.parametrize("url", ["http://user:hush@127.0.0.1:1/send?key=gatewaykey", "http://", "http://[::1/gatewaykey", "gatewaykey"])
async def test_no_gateway_there(db: Pool, account: AccountId, profile: Profile, client: ClientSession, url: str) -> None:
    with pytest.raises(UnavailableError, match="The gateway of one-time passwords can't be") as failed:
        await start(db, account, profile, Senders(gateway=otp_gateway.sender(client, url)))
    assert_silent(failed.value)
    assert (await kept(db, account, profile.id))[0] is None


async def test_a_gateway_that_takes_too_long(db: Pool, account: AccountId, profile: Profile, graph: Graph) -> None:
    graph.pause_seconds = 5.0
    url = f"{graph.url}/gatewaykey"
    async with ClientSession(timeout=ClientTimeout(total=0.2)) as hasty:
        with pytest.raises(UnavailableError, match="did not answer in time") as failed:
            await start(db, account, profile, Senders(gateway=otp_gateway.sender(hasty, url)))
    assert_silent(failed.value, graph.asked[0].body["code"])
    assert (await kept(db, account, profile.id))[0] is None


def assert_silent(error: BaseException, *codes: str) -> None:
    """Nothing that could be logged of an error says a code or a secret."""
    said = "".join(traceback.format_exception(error)) + repr(error)
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    said += plain(None, "error", {"event": "x", "exc_info": error})
    transformed = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)((type(error), error, error.__traceback__))
    said += json.dumps(transformed, default=str)
    assert "UnavailableError" in said or "NoAnswerError" in said or "RefusedError" in said
    assert not [secret for secret in (*codes, "gatewaykey", "hush", TOKEN) if secret in said.replace(__file__, "")]


# --- by Meta


@pytest.fixture
async def known(db: Pool, account: AccountId, profile: Profile) -> Profile:
    """A profile whose number Meta knows."""
    return await profiles.set_provider(db, account, profile.request_id, profile.id, new_provider_id())


@pytest.fixture
async def both(by_gateway: Senders, meta: Meta) -> Senders:
    """With Meta beside the gateway."""
    return by_gateway._replace(provider=meta)


async def test_meta_verifies_the_numbers_that_it_knows(
    db: Pool, account: AccountId, known: Profile, graph: Graph, gateway: Gateway, both: Senders
) -> None:
    assert known.provider_id is not None
    await start(db, account, known, both, "voice")
    assert gateway.came == []
    assert graph.calls == [("POST", f"{known.provider_id}/request_code")]
    assert (await kept(db, account, known.id))[:2] == (None, None)
    with pytest.raises(InvalidError, match="does not fit"):
        await finish(db, account, known, "271828", both)
    assert (await finish(db, account, known, CODE, both)).state == "active"
    assert graph.verified == {known.provider_id}


async def test_other_numbers_go_by_the_gateway(
    db: Pool, account: AccountId, profile: Profile, graph: Graph, gateway: Gateway, both: Senders
) -> None:
    await start(db, account, profile, both)
    assert (await finish(db, account, profile, gateway.came[-1]["code"], both)).state == "active"
    assert graph.calls == []


@pytest.mark.parametrize(
    ("failure", "raised"),
    [
        (GraphError(400, 136024, "Request code error", 1, error_user_msg="Wait for 8 hours."), ConflictError),
        (GraphError(401, 190, "Session has expired"), UnavailableError),
        (GraphError(500, 2, "Unexpected", is_transient=True), UnavailableError),
        ("<html>Bad gateway</html>", UnavailableError),
    ],
    ids=str,
)
async def test_meta_sends_no_code(
    db: Pool, account: AccountId, known: Profile, graph: Graph, both: Senders, failure: GraphError | str, raised: type[Exception]
) -> None:
    before = await kept(db, account, known.id)
    graph.fail(failure)
    with pytest.raises(raised) as failed:
        await start(db, account, known, both)
    assert_silent(failed.value)
    assert await kept(db, account, known.id) == before
    await start(db, account, known, both)
    assert (await finish(db, account, known, CODE, both)).state == "active"


async def test_meta_can_not_say_whether_a_code_is_right(db: Pool, account: AccountId, known: Profile, graph: Graph, both: Senders) -> None:
    await start(db, account, known, both)
    graph.fail(GraphError(500, 2, f"Unexpected {CODE}", is_transient=True))
    with pytest.raises(UnavailableError) as failed:
        await finish(db, account, known, CODE, both)
    assert_silent(failed.value, CODE)
    assert (await finish(db, account, known, CODE, both)).state == "active"
