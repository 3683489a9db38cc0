"""`POST /oauth/token`: who gets an access token, what it may, and how long."""

import base64
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID

import asyncpg
import httpx
import pytest

from reachbook.core import ids, tokens
from reachbook.core.errors import UnauthenticatedError
from reachbook.core.tokens import Finder
from reachbook.database.location import Location
from reachbook.database.pool import Pool
from tests.support import Client, Server

CREDENTIALS = {"grant_type": "client_credentials"}
CONTACTS, TOKEN = "/digitaleo/rest/contacts", "/oauth/token"


class Vendor(httpx.AsyncClient):
    """A client as the vendor's are: it has its id and secret, and asks for tokens."""

    id: UUID
    secret: str

    @property
    def form(self) -> dict[str, str]:
        """What a token is asked for with."""
        return CREDENTIALS | {"client_id": str(self.id), "client_secret": self.secret}

    async def token(self) -> str:
        """A new access token."""
        answer = await self.post(TOKEN, data=self.form)
        assert answer.status_code == 200, answer.text
        return answer.json()["access_token"]

    async def status(self, token: str, method: str = "GET", **arguments: Any) -> int:
        """What a call with this token is answered."""
        return (await self.request(method, CONTACTS, headers=bearer(token), **arguments)).status_code


@pytest.fixture
async def vendor(alice: Client, server: Server) -> AsyncGenerator[Vendor]:
    async with Vendor(base_url=server.url, timeout=60) as client:
        client.id, client.secret = alice.token_id, alice.token
        yield client


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def basic(id: str, secret: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{id}:{secret}'.encode()).decode()}"}


async def limited(alice: Client, db: Pool, *scopes: str, **options: Any) -> tuple[UUID, str]:
    """Id and value of another token of her account."""
    id = ids.new_id()
    return id, await tokens.create(db, alice.account, id, name="limited", scopes=scopes, now=ids.now(), **options)


@pytest.mark.parametrize("kind", ["data", "multipart", "json", "params"])
async def test_every_way_to_ask(kind: str, vendor: Vendor) -> None:
    given = {"files": {name: (None, text) for name, text in vendor.form.items()}} if kind == "multipart" else {kind: vendor.form}
    answer = await vendor.post(TOKEN, **given)  # type: ignore[arg-type]
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["pragma"] == "no-cache"
    told = answer.json()
    token = told.pop("access_token")
    assert told == {"expires_in": 3600, "token_type": "bearer", "scope": "basic"}
    assert isinstance(told["expires_in"], int)
    assert await vendor.status(token) == 200


async def test_names_in_any_case_and_blanks_around_the_values(vendor: Vendor) -> None:
    given = {"GRANT_TYPE": "client_credentials", "Client_Id": f" {str(vendor.id).upper()} ", "client_SECRET": f"{vendor.secret} "}
    assert (await vendor.post(TOKEN, data=given)).status_code == 200


async def test_id_and_secret_in_the_header(vendor: Vendor) -> None:
    answer = await vendor.post(TOKEN, data=CREDENTIALS, headers=basic(str(vendor.id), vendor.secret))
    assert answer.status_code == 200
    encoded = basic(quote(str(vendor.id), safe=""), quote(vendor.secret.replace("-", "%2D"), safe="%"))
    assert (await vendor.post(TOKEN, data=CREDENTIALS, headers=encoded)).status_code == 200


async def test_the_header_counts_before_the_form(vendor: Vendor) -> None:
    answer = await vendor.post(TOKEN, data=vendor.form, headers=basic(str(vendor.id), "wrong"))
    assert answer.status_code == 401


@pytest.mark.parametrize("header", ["Basic !", "Basic", f"Basic {base64.b64encode(b'noseparator').decode()}", "Basic eDp5", "basic /w=="])
async def test_a_header_that_is_wrong_is_told_how_to_be_right(header: str, vendor: Vendor) -> None:
    answer = await vendor.post(TOKEN, data=CREDENTIALS, headers={"Authorization": header})
    assert answer.status_code in (400, 401)
    assert answer.json()["error"] == ("invalid_client" if answer.status_code == 401 else "invalid_request")
    assert answer.json()["error_description"]
    if answer.status_code == 401:
        assert answer.headers["www-authenticate"].startswith("Basic ")


async def test_a_wrong_form_is_not_answered_with_a_challenge(vendor: Vendor) -> None:
    answer = await vendor.post(TOKEN, data=vendor.form | {"client_secret": "wrong"})
    assert answer.status_code == 401
    assert answer.json()["error"] == "invalid_client"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "content_type", ["multipart/form-data", "multipart/form-data; boundary=x", "application/json", "application/x-www-form-urlencoded"]
)
async def test_a_body_that_is_none_is_an_invalid_request(content_type: str, vendor: Vendor) -> None:
    answer = await vendor.post(TOKEN, content=b"rubbish", headers={"Content-Type": content_type})
    assert answer.status_code == 400
    assert answer.json().keys() == {"error", "error_description"}, answer.text
    assert answer.json()["error"] == "invalid_request"
    assert answer.headers["cache-control"] == "no-store"


async def test_nul_and_other_hostile_values_are_refused(vendor: Vendor) -> None:
    for name in vendor.form:
        for value in ("\0", "😀", "x" * 10_000, "' OR 1=1 --"):
            answer = await vendor.post(TOKEN, data=vendor.form | {name: value})
            assert answer.status_code in (400, 401), (name, value)
            assert answer.json().keys() == {"error", "error_description"}


async def test_the_secret_of_another_client_is_none(vendor: Vendor, alice: Client, bob: Client, db: Pool) -> None:
    id, value = await limited(alice, db, "read")
    for client, secret in ((vendor.id, value), (id, vendor.secret), (bob.token_id, vendor.secret), (vendor.id, bob.token)):
        answer = await vendor.post(TOKEN, data=CREDENTIALS | {"client_id": str(client), "client_secret": secret})
        assert answer.status_code == 401


async def test_an_access_token_works_on_every_wire_of_its_account(vendor: Vendor, alice: Client, bob: Client) -> None:
    token = await vendor.token()
    assert (await vendor.get(CONTACTS, headers=bearer(token))).status_code == 200
    assert (await vendor.get(CONTACTS, headers={"X-CM-PRODUCTTOKEN": token})).status_code == 200
    assert (await vendor.get(f"/v1/accounts/{alice.account}/imports", headers=bearer(token))).status_code == 200
    groups = "/addressbook/v2/accounts/{}/groups"
    assert (await vendor.get(groups.format(alice.account), headers={"X-CM-PRODUCTTOKEN": token})).status_code == 200
    assert (await vendor.get(groups.format(bob.account), headers={"X-CM-PRODUCTTOKEN": token})).status_code == 403


async def test_it_may_what_its_parent_may(vendor: Vendor, alice: Client, db: Pool) -> None:
    vendor.id, vendor.secret = await limited(alice, db, "read")
    reading = await vendor.token()
    assert await vendor.status(reading) == 200
    for method, query in (("POST", {}), ("PUT", {}), ("DELETE", {}), ("GET", {"action": "delete"})):
        assert await vendor.status(reading, method, params={"id": str(ids.new_id())} | query) == 403
    vendor.id, vendor.secret = await limited(alice, db, "write")
    writing = await vendor.token()
    assert await vendor.status(writing) == 403
    assert await vendor.status(writing, "POST", json={"firstName": "Ann"}) == 200


async def test_a_token_of_the_installation_is_no_client_of_an_account(vendor: Vendor, db: Pool) -> None:
    vendor.id = ids.new_id()
    vendor.secret = await tokens.create(db, None, vendor.id, name="operator", scopes=["operator"], now=ids.now())
    assert await vendor.status(vendor.secret) == 403
    answer = await vendor.post(TOKEN, data=vendor.form)
    if answer.status_code == 200:
        assert await vendor.status(answer.json()["access_token"]) == 403


async def test_it_ends_with_its_parent_at_once(vendor: Vendor, db: Pool) -> None:
    issued = [await vendor.token() for _ in range(3)]
    await tokens.revoke(db, vendor.id, ids.now())
    assert [await vendor.status(token) for token in issued] == [401, 401, 401]
    answer = await vendor.post(TOKEN, data=vendor.form)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_revoking_one_parent_leaves_the_tokens_of_another(vendor: Vendor, alice: Client, db: Pool) -> None:
    kept = await vendor.token()
    id, _ = await limited(alice, db, "read")
    await tokens.revoke(db, id, ids.now())
    assert await vendor.status(kept) == 200


async def test_it_never_outlives_a_parent_that_ends_earlier(vendor: Vendor, alice: Client, db: Pool) -> None:
    vendor.id, vendor.secret = await limited(alice, db, "read", expires_at=ids.now() + timedelta(minutes=10))
    told = (await vendor.post(TOKEN, data=vendor.form)).json()
    assert 590 <= told["expires_in"] <= 600
    vendor.id, vendor.secret = await limited(alice, db, "read", expires_at=ids.now() - timedelta(seconds=1))
    assert (await vendor.post(TOKEN, data=vendor.form)).status_code == 401


PASS_AN_HOUR = "UPDATE access_token SET created_at = created_at - $2::interval, expires_at = expires_at - $2::interval WHERE parent_id = $1"


async def test_it_expires(vendor: Vendor, owner: asyncpg.Connection) -> None:
    first = await vendor.token()
    await owner.execute(PASS_AN_HOUR, vendor.id, timedelta(minutes=59))
    assert await vendor.status(first) == 200
    await owner.execute(PASS_AN_HOUR, vendor.id, timedelta(minutes=1, seconds=1))
    second = await vendor.token()
    assert [await vendor.status(token) for token in (first, second, vendor.secret)] == [401, 200, 200]


async def test_it_survives_a_restart(alice: Client, location: Location) -> None:
    form = CREDENTIALS | {"client_id": str(alice.token_id), "client_secret": alice.token}
    with Server(location) as first:
        token = httpx.post(f"{first.url}{TOKEN}", data=form, timeout=60).json()["access_token"]
        first.kill()
    with Server(location) as second:
        assert httpx.get(f"{second.url}{CONTACTS}", headers=bearer(token), timeout=60).status_code == 200


async def test_the_ledger_names_the_parent(vendor: Vendor, alice: Client) -> None:
    token = await vendor.token()
    answer = await vendor.post("/digitaleo/rest/optouts", headers=bearer(token), json={"type": "sms", "value": "0627100000"})
    assert answer.status_code == 200
    contact = {"email": "ann@example.com", "emailOptout": "user"}
    assert await vendor.status(token, "POST", json=contact) == 200
    for path in ("sms/0627100000", "email/ann@example.com"):
        history = (await alice.get(f"optout/{path}/history")).json()
        assert [entry["createdBy"] for entry in history] == [str(alice.token_id)]


async def test_lists_of_tokens_do_not_have_it(vendor: Vendor, alice: Client, db: Pool) -> None:
    await vendor.token()
    assert [token.id for token in await tokens.list_of(db, alice.account)] == [alice.token_id]


async def test_it_cannot_be_revoked_alone_by_an_id_that_nobody_knows(vendor: Vendor, db: Pool) -> None:
    """It has its parent's id for whoever looks."""
    found = await tokens.authenticate(Finder(db), await vendor.token(), ids.now())
    assert found.id == vendor.id


async def test_purge_forgets_what_ended_a_day_ago(vendor: Vendor, db: Pool, owner: asyncpg.Connection) -> None:
    old = await vendor.token()
    await owner.execute(PASS_AN_HOUR, vendor.id, timedelta(hours=25, minutes=1))
    young = await vendor.token()
    await owner.execute(PASS_AN_HOUR, vendor.id, timedelta(hours=2))
    await tokens.purge(db, ids.now() - timedelta(hours=2))
    count = "SELECT count(*) FROM access_token WHERE parent_id = $1"
    assert await owner.fetchval(count, vendor.id) == 1
    await tokens.purge(db, ids.now())
    assert await owner.fetchval(count, vendor.id) == 1
    for token in (old, young):
        with pytest.raises(UnauthenticatedError):
            await tokens.authenticate(Finder(db), token, ids.now())
    assert await vendor.status(vendor.secret) == 200
