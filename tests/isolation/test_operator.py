"""The operator sees and changes every account: no account's token, nor a gateway's, must be enough for any of it."""

from collections.abc import AsyncGenerator
from typing import Any

import asyncpg
import httpx
import pytest

from reachbook.core import catalogues, channel_requests, ids, numbers, profiles, work_queue
from reachbook.core.catalogues import NumberTypeDraft
from reachbook.core.paging import Page
from reachbook.database.pool import Pool
from tests.dialects.operator.test_queue import image
from tests.isolation.test_gateway import of_scope
from tests.isolation.walk import READING, named, names, routes
from tests.isolation.world import Request, World, everything_of, told
from tests.support import Client

CATALOGUES = ("account", "channel_type", "channel_category", "number_type", "whatsapp_language", "template_category", "phone_number")
Parameters = dict[str, str]


@pytest.fixture
async def hers(alice: Client, db: Pool) -> AsyncGenerator[Parameters]:
    """Path parameters that name something of Alice's, or of the installation's that nobody else uses."""
    now = ids.now()
    whatsapp = await catalogues.channel_type_by_key(db, catalogues.WHATSAPP)
    type = await catalogues.save_number_type(db, None, NumberTypeDraft(country="IS", category="MOBILE", description="Reykjavík"))
    number = f"+354611{type.id.int % 10**4:04}"
    await numbers.stock(db, [numbers.Draft(number, type.id)], now)
    request = (await channel_requests.create(db, alice.account, ids.new_id(), whatsapp.id, now)).id
    draft = profiles.Draft("Mad Hatter", image(), f"+35462{alice.account.int % 10**5:05}")
    profile = await profiles.create(db, alice.account, request, ids.new_id(), draft, now)
    item = (await work_queue.list_all(db, Page(0, 1), state="pending", kind="channel", of_account=alice.account)).rows[0]
    language = await catalogues.save_language(db, None, f"zz_{type.id.hex}", f"Zz {type.id}")
    category = await catalogues.save_template_category(db, None, f"ZZ_{type.id.hex}")
    yield {
        "accountId": str(alice.account),
        "tokenId": str(alice.token_id),
        "channelTypeId": str(whatsapp.id),
        "numberTypeId": str(type.id),
        "phoneNumberId": number.removeprefix("+"),
        "channelRequestId": str(request),
        "profileId": str(profile.id),
        "requestId": str(item.id),
        "languageId": str(language.id),
        "categoryId": str(category.id),
    }
    await db.execute("DELETE FROM whatsapp_language WHERE id = $1", language.id)
    await db.execute("DELETE FROM template_category WHERE id = $1", category.id)


BODY: dict[str, Any] = {"name": "Taken", "reason": "Taken", "scopes": ["read", "write"], "key": "taken", "description": "Taken"}
BODY |= {"code": "zz", "number": "+3546199999", "country": "IS", "category": "MOBILE", "providerId": "1"}
BODY |= {"image": image(), "phoneNumber": "+3546299999"}


async def all_of_it(owner: asyncpg.Connection, alice: Client) -> dict[str, Any]:
    """Alice's rows, and those of the installation."""
    rows = {name: sorted(map(str, await owner.fetch(f"SELECT * FROM {name}"))) for name in CATALOGUES}
    return await everything_of(owner, alice) | {f"all {name}": value for name, value in rows.items()}


@pytest.mark.parametrize(("method", "path"), routes("operator"), ids=named)
async def test_route_of_the_operator(
    method: str,
    path: str,
    alice: Client,
    bob: Client,
    anonymous: httpx.AsyncClient,
    db: Pool,
    owner: asyncpg.Connection,
    world: World,
    hers: Parameters,
) -> None:
    assert set(names(path)) <= set(hers), "give Alice one of these"
    url, query = path.format(**hers), {"month": f"{ids.now():%Y-%m}", "accountId": str(alice.account)}
    body = None if method in READING else BODY | {"numberTypeId": hers["numberTypeId"]}
    asked = [Request(method, url, query, body, is_bearer=is_bearer) for is_bearer in (True, False)]
    others = (None, "no such token", bob.token, alice.token, await of_scope(db, "gateway"))
    before = await all_of_it(owner, alice)
    secrets = {*world.secrets, "Mad Hatter", *hers.values()}
    for request in asked:
        answers = [await request.send(anonymous, token) for token in others]
        assert [answer.status_code for answer in answers] == [401, 401, 403, 403, 403]
        assert not [secret for secret in secrets for answer in answers if secret in told(answer) and not request.says(secret)]
    assert await all_of_it(owner, alice) == before
    # The same requests are good ones. What would make something for all accounts goes without its body: it is let in, and asks for it.
    allowed = (200, 201, 204, 409)
    if method == "POST":
        body, allowed = {}, (200, 201, 400)
    answer = await Request(method, url, query, body, is_bearer=True).send(anonymous, await of_scope(db, "operator"))
    assert answer.status_code in allowed, answer.text
    assert alice.token not in told(answer)
