"""What Alice has, and how one asks for it."""

from typing import Any, NamedTuple

import asyncpg
import httpx

from reachbook.core import ids, indexing
from reachbook.core.ids import AccountId
from reachbook.database.pool import Pool
from tests.support import HOUSEKEEPING, Client

PHONE, OPTED_OUT, EMAIL, WORD = "+31627100001", "+31627100002", "wonderland@alice.example", "wonderland"


class Channels(NamedTuple):
    """What Alice has of channels: path parameters that name it, what else her calls need, and strings that only she may read."""

    parameters: dict[str, str]
    needed: dict[str, str]
    secrets: set[str]


class World(NamedTuple):
    """What Alice has: path parameters that name it, and strings that only she may read."""

    parameters: dict[str, str]
    ready: str
    """An import that can be started; `importId` is one that is done."""
    secrets: set[str]
    channels: Channels


UNINDEXED = """
SELECT count(*) FROM contact c WHERE c.account_id = $1
    AND NOT EXISTS (SELECT 1 FROM contact_search s WHERE s.account_id = c.account_id AND s.contact_id = c.id)
"""


async def indexed(db: Pool, account: AccountId) -> None:
    """When search has all contacts of the account: nothing changes any more by itself."""
    while await db.fetchval(UNINDEXED, account):
        await indexing.index_due(db, ids.now())


OF_CHANNELS = ("channel", "channel_request", "channel_group", "channel_configuration", "channel_endpoint", "business_account")
OF_CHANNELS += ("active_language", "whatsapp_profile", "whatsapp_template", "template_field", "template_language")
OF_CHANNELS += ("keyword_claim", "number_request", "work_item", "phone_number", "taken_keyword")
OF_INBOUND = ("delivery", "delivery_attempt", "endpoint_secret", "inbound_message", "consent_review", "consent_word")


async def everything_of(owner: asyncpg.Connection, alice: Client) -> dict[str, Any]:
    """All rows of Alice's account in every table that has accounts, and her figures."""
    tables = await owner.fetch(
        "SELECT table_name AS name, column_name AS whose FROM information_schema.columns "
        "WHERE column_name IN ('account_id', 'owner_id') AND table_schema = 'public'"
    )
    names = {table["name"]: table["whose"] for table in tables if table["name"] not in HOUSEKEEPING}
    assert {"contact", "contact_group", "membership", "field", "consent_token", "consent_history", "access_token"} <= set(names)
    assert {"contact_import", "import_row", "import_chunk", "segment", "group_field", "push_token"} <= set(names)
    rows = {
        name: sorted(map(str, await owner.fetch(f"SELECT * FROM {name} WHERE {names[name]} = $1", alice.account))) for name in sorted(names)
    }
    filled = ("contact", "membership", "field", "consent_history", "contact_import", "import_row", "import_chunk")
    assert all(rows[name] for name in (*filled, "segment", "group_field", "push_token"))
    assert all(rows[name] for name in (*OF_CHANNELS, *OF_INBOUND))
    groups = await alice.get("groups", params={"includeHidden": "true"})
    return rows | {"account": str(await owner.fetch("SELECT * FROM account WHERE id = $1", alice.account)), "groups": groups.json()}


class Request(NamedTuple):
    """One way to ask for a route."""

    method: str
    url: str
    query: dict[str, Any]
    json: Any = None
    content: bytes | None = None
    is_bearer: bool = False
    form: dict[str, str] | None = None
    file: bytes | None = None
    """A part of the form."""
    scheme: str | None = None
    """Of `Authorization`, if it is not Bearer."""

    async def send(self, http: httpx.AsyncClient, token: str | None) -> httpx.Response:
        """Ask with this token."""
        headers = {"Authorization": f"Bearer {token}"} if self.is_bearer else {"X-CM-PRODUCTTOKEN": str(token)}
        headers = {"Authorization": f"{self.scheme} {token}"} if self.scheme else headers
        headers = {} if token is None else headers
        return await http.request(self.method, self.url, params=self.query, headers=headers, **self._body())

    def _body(self) -> dict[str, Any]:
        file = {"contactFile": ("guests.csv", self.file)} if self.file else None
        given = {"content": self.content, "json": self.json, "data": self.form, "files": file}
        return {name: value for name, value in given.items() if value}

    def says(self, text: str) -> bool:
        """Whether the request itself holds the text: an answer may repeat what it was asked."""
        return text in f"{self.url} {self.query} {self.json} {self.form}"


def told(response: httpx.Response) -> str:
    """Everything an answer says."""
    return f"{response.headers} {response.text}"
