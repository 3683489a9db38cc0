"""The work queue: what its items carry, and that a page of any number of accounts takes few statements."""

import base64
import io
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
from PIL import Image

from reachbook.core import accounts, catalogues, channel_requests, ids, profiles, queue_view, templates, whatsapp_languages
from reachbook.core.ids import AccountId
from reachbook.core.limits import CODE_MINUTES, CODE_TRIES
from reachbook.core.one_time_codes import Senders
from reachbook.core.paging import Page
from reachbook.database.pool import Pool
from reachbook.database.queries import Record
from tests.support import Client


class Counted:
    """The database, and how many statements were asked of it."""

    def __init__(self, db: Pool) -> None:
        self._db, self.statements = db, 0

    async def fetch(self, query: str, *values: object) -> Sequence[Record]:
        self.statements += 1
        return await self._db.fetch(query, *values)

    async def fetchrow(self, query: str, *values: object) -> Record | None:
        self.statements += 1
        return await self._db.fetchrow(query, *values)

    async def fetchval(self, query: str, *values: object) -> Any:
        self.statements += 1
        return await self._db.fetchval(query, *values)

    async def execute(self, query: str, *values: object) -> str:
        raise AssertionError("reading changes nothing")


def image() -> str:
    """A data URL."""
    data = io.BytesIO()
    Image.new("RGB", (2, 2)).save(data, "PNG")
    return f"data:image/png;base64,{base64.b64encode(data.getvalue()).decode()}"


async def whatsapp(db: Pool, account: AccountId) -> UUID:
    """A pending WhatsApp request."""
    type = await catalogues.channel_type_by_key(db, catalogues.WHATSAPP)
    return (await channel_requests.create(db, account, ids.new_id(), type.id, ids.now())).id


async def profile(db: Pool, account: AccountId, request: UUID, number: str) -> UUID:
    draft = profiles.Draft("Acme", image(), number)
    return (await profiles.create(db, account, request, ids.new_id(), draft, ids.now())).id


async def template(db: Pool, account: AccountId, request: UUID, language: str = "en") -> UUID:
    """A template that awaits validation."""
    chosen = next(one for one in await catalogues.languages(db) if one.code == language)
    await whatsapp_languages.activate(db, account, request, chosen.id, ids.now())
    category = (await catalogues.template_categories(db))[0]
    made = await templates.create(db, account, request, ids.new_id(), "Order", category.id, ids.now())
    await templates.update(db, account, request, made.id, templates.Draft(languages={language: "Your order was sent."}), ids.now())
    await templates.validate(db, account, request, made.id, ids.now())
    return made.id


async def items(operator: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    answer = await operator.get("requests", params={name: str(value) for name, value in query.items()})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_password_shows_until_it_expires_or_is_used_up(
    alice: Client, operator: httpx.AsyncClient, db: Pool, owner: asyncpg.Connection
) -> None:
    request = await whatsapp(db, alice.account)
    id = await profile(db, alice.account, request, "+352621800001")
    await profiles.start_code(db, alice.account, request, id, "voice", senders=Senders(), now=ids.now())
    (shown,) = await items(operator, accountId=alice.account, kind="profile")
    assert shown["otp"]["method"] == "voice"
    assert len(shown["otp"]["code"]) == 6
    assert (await operator.get(f"requests/{shown['id']}")).json() == shown
    later = ids.now() + timedelta(minutes=CODE_MINUTES, seconds=1)
    assert (await queue_view.get(db, UUID(shown["id"]), later)).code is None
    await owner.execute("UPDATE whatsapp_profile SET code_tries = $2 WHERE id = $1", id, CODE_TRIES)
    assert "otp" not in (await items(operator, accountId=alice.account, kind="profile"))[0]


async def test_a_password_shows_on_the_pending_item_only(alice: Client, operator: httpx.AsyncClient, db: Pool) -> None:
    request = await whatsapp(db, alice.account)
    id = await profile(db, alice.account, request, "+352621800101")
    (first,) = await items(operator, accountId=alice.account, kind="profile")
    assert (await operator.post(f"requests/{first['id']}/reject", json={"reason": "Another number"})).status_code == 200
    await profiles.renumber(db, alice.account, request, id, "+352621800102", ids.now())
    await profiles.start_code(db, alice.account, request, id, "sms", senders=Senders(), now=ids.now())
    old, new = await items(operator, accountId=alice.account, kind="profile")
    assert ("otp" in old, "otp" in new) == (False, True)
    assert old["reason"] == "Another number"
    assert {old["phoneNumber"], new["phoneNumber"]} == {"00352621800102"}


async def test_no_password_shows_when_something_else_sends_it(alice: Client, operator: httpx.AsyncClient, db: Pool) -> None:
    request = await whatsapp(db, alice.account)
    id = await profile(db, alice.account, request, "+352621800201")

    async def sent(_: object) -> None:
        """Gone."""

    await profiles.start_code(db, alice.account, request, id, "sms", senders=Senders(gateway=sent), now=ids.now())
    assert "otp" not in (await items(operator, accountId=alice.account, kind="profile"))[0]


async def test_a_template_carries_what_the_provider_said(
    alice: Client, operator: httpx.AsyncClient, db: Pool, owner: asyncpg.Connection
) -> None:
    request = await whatsapp(db, alice.account)
    await template(db, alice.account, request)
    (item,) = await items(operator, accountId=alice.account, kind="templateLanguage")
    assert "provider" not in item
    assert (await operator.put(f"whatsapp/{request}", json={"providerId": "102290129340398"})).status_code == 200
    await template(db, alice.account, request, "fr")
    _, item = await items(operator, accountId=alice.account, kind="templateLanguage")
    assert (item["language"], item["code"], item["content"], item.get("provider")) == ("French", "fr", "Your order was sent.", None)
    said = "UPDATE provider_template SET provider_id = '77', status = 'IN_APPEAL', synced_at = '2025-01-02T03:04:05.678Z', error = $2"
    await owner.execute(f"{said} WHERE language_id = $1", UUID(item["entityId"]), "(#100) Invalid parameter")
    _, item = await items(operator, accountId=alice.account, kind="templateLanguage")
    assert item["provider"] == {
        "id": "77",
        "status": "IN_APPEAL",
        "syncedOnUtc": "2025-01-02T03:04:05.678Z",
        "error": "(#100) Invalid parameter",
    }


async def test_a_page_of_many_accounts_takes_few_statements(operator: httpx.AsyncClient, db: Pool) -> None:
    found: set[AccountId] = set()
    for number in range(6):
        account = (await accounts.create(db, ids.new_id(), f"Tenant {number}", "LU", ids.now())).id
        request = await whatsapp(db, account)
        await profile(db, account, request, f"+3526218003{number:02}")
        await template(db, account, request)
        found.add(account)
    counted = Counted(db)
    listed = await queue_view.list_all(counted, Page(0, 10_000), now=ids.now())
    assert found <= {shown.item.account for shown in listed.rows}
    assert counted.statements <= 7
