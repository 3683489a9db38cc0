"""Meta's webhooks over HTTP: the handshake, the signature, and what is read of a body. What a status does: tests/providers."""

import json
import time
from typing import Any

import httpx
import pytest

from reachbook.core import ids, provider_templates
from reachbook.core.ids import AccountId
from reachbook.core.templates import Template
from reachbook.database.pool import Pool
from tests.providers.desk import business, language, shown, validated
from tests.providers.graph import APP_SECRET, VERIFY_TOKEN, post, signature, webhook
from tests.support import Client, Server

PATH = "/meta/v1/webhooks"
GOOD = {"hub.mode": "subscribe", "hub.verify_token": VERIFY_TOKEN, "hub.challenge": "1158201444"}
TEMPLATE = {"id": "1689556908129832", "name": "order", "language": "en_US", "category": "UTILITY"}


async def submitted(db: Pool, account: AccountId) -> tuple[Template, str, dict[str, Any]]:
    """A template that Meta was told of, the business account there, and the template as Meta has it."""
    request, business_id = await business(db, account)
    template = await validated(db, account, request)
    meta_id = business_id[::-1].lstrip("0")
    submitted_at = ids.now()
    await provider_templates.submitted(db, account, template.languages[0].id, meta_id, "PENDING", submitted_at)
    return template, business_id, TEMPLATE | {"id": meta_id}


async def take(http: httpx.AsyncClient, body: Any) -> httpx.Response:
    return await post(str(http.base_url), body if isinstance(body, bytes) else json.dumps(body).encode())


# --- the handshake


async def test_the_challenge_comes_back(http: httpx.AsyncClient) -> None:
    answer = await http.get(PATH, params=GOOD)
    assert (answer.status_code, answer.text) == (200, "1158201444")
    assert answer.headers["content-type"].startswith("text/plain")


async def test_a_challenge_is_no_page(http: httpx.AsyncClient) -> None:
    markup = "<script>alert(1)</script>&é"
    answer = await http.get(PATH, params=GOOD | {"hub.challenge": markup}, headers={"accept": "text/html"})
    assert (answer.status_code, answer.text) == (200, markup)
    assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize(
    "change",
    [
        {"hub.verify_token": "another"},
        {"hub.verify_token": None},
        {"hub.verify_token": f"{VERIFY_TOKEN} "},
        {"hub.verify_token": VERIFY_TOKEN.upper()},
        {"hub.verify_token": "é\ud800".encode(errors="surrogatepass").decode("latin-1")},
        {"hub.mode": "unsubscribe"},
        {"hub.mode": None},
    ],
    ids=str,
)
async def test_others_are_shown_nothing(http: httpx.AsyncClient, change: dict[str, str | None]) -> None:
    answer = await http.get(PATH, params={name: value for name, value in (GOOD | change).items() if value is not None})
    assert answer.status_code == 403
    assert set(answer.json()) == {"message", "MessageDetail"}
    assert "1158201444" not in answer.text
    assert VERIFY_TOKEN not in answer.text


# --- the signature


@pytest.mark.parametrize("body", [b"", b"nonsense", b"\xff\xfe", b"[]", webhook("1", TEMPLATE, "APPROVED", 0)], ids=repr)
async def test_what_is_not_signed_is_not_read(http: httpx.AsyncClient, body: bytes) -> None:
    wrong = [{}, signature(body, "another secret"), signature(body + b" "), {"X-Hub-Signature-256": "sha256="}]
    wrong += [{"X-Hub-Signature": signature(body)["X-Hub-Signature-256"]}, {"Authorization": f"Bearer {APP_SECRET}"}]
    for headers in wrong:
        answer = await http.post(PATH, content=body, headers=headers)
        assert answer.status_code == 401, (headers, answer.text)
        assert APP_SECRET not in answer.text


async def test_the_signature_is_of_the_bytes_that_came(http: httpx.AsyncClient) -> None:
    """Meta writes letters beyond ASCII as \\u escapes; another spelling of the same JSON is another body."""
    escaped, plain = (
        json.dumps({"entry": [], "object": "é"}).encode(),
        json.dumps({"entry": [], "object": "é"}, ensure_ascii=False).encode(),
    )
    assert escaped != plain
    assert (await take(http, escaped)).status_code == 200
    assert (await http.post(PATH, content=plain, headers=signature(escaped))).status_code == 401


async def test_a_signed_body_that_is_no_notification(http: httpx.AsyncClient) -> None:
    for body in (b"nonsense", b"[]", b'"text"', b'{"entry": 5}', b'{"entry": [{"changes": {}}]}'):
        answer = await take(http, body)
        assert answer.status_code == 400, answer.text
        assert answer.json()["message"] == "The request is invalid."
    for body in (b"", b"null", b"{}", b'{"entry": null}', b'{"entry": [{"id": 5}, {"changes": [{"field": "x"}]}]}'):
        assert (await take(http, body)).json() == {"received": 0, "known": 0}


async def test_a_body_that_is_too_large(http: httpx.AsyncClient) -> None:
    body = b" " * (4 * 2**20 + 1)
    assert (await take(http, body)).status_code == 413
    assert (await http.post(PATH, content=body)).status_code == 413
    assert (await take(http, b'{"object": "' + b"x" * (3 * 2**20) + b'"}')).status_code == 200


# --- what is read


async def test_a_status_is_for_its_template_alone(http: httpx.AsyncClient, db: Pool, account: AccountId, other_account: AccountId) -> None:
    template, business_id, of_meta = await submitted(db, account)
    others, _, _ = await submitted(db, other_account)
    body = webhook(business_id, of_meta, "APPROVED", time.time() + 1)
    for _ in range(2):  # Meta repeats what it does not know to have come
        assert (await take(http, body)).json() == {"received": 1, "known": 1}
        assert (await language(db, account, template)).state == "active"
    assert (await language(db, other_account, others)).state == "validating"


async def test_the_business_account_must_be_its_own(
    http: httpx.AsyncClient, db: Pool, account: AccountId, other_account: AccountId
) -> None:
    template, _, of_meta = await submitted(db, account)
    _, others_business_id, _ = await submitted(db, other_account)
    for business_id in (others_business_id, "1", ""):
        answer = await take(http, webhook(business_id, of_meta, "APPROVED", time.time() + 1))
        assert answer.json() == {"received": 1, "known": 0}
    assert (await shown(db, account, template)).status == "PENDING"
    assert (await language(db, account, template)).state == "validating"


async def test_many_things_in_one_body(http: httpx.AsyncClient, db: Pool, account: AccountId, other_account: AccountId) -> None:
    mine, theirs = await submitted(db, account), await submitted(db, other_account)
    entries = [json.loads(webhook(id, of_meta, "APPROVED", time.time() + 1))["entry"][0] for _, id, of_meta in (mine, theirs)]
    unreadable = [
        {"field": "message_template_status_update", "value": value} for value in (None, [], {}, "x", {"event": None}, {"event": [1]})
    ]
    foreign = {"field": "messages", "value": {"messaging_product": "whatsapp", "messages": [{"from": "31627100001"}]}}
    of_another_field = entries[0]["changes"][0] | {"field": "message_template_quality_update"}
    entries[0]["changes"] = [of_another_field, *unreadable, foreign, *entries[0]["changes"]]
    body = {"object": "whatsapp_business_account", "entry": [*entries, {"id": "5", "time": 1, "changes": [foreign]}], "more": {"x": 1}}
    answer = await take(http, body)
    assert (answer.status_code, answer.json()) == (200, {"received": 2, "known": 2})
    assert (await language(db, account, mine[0])).state == "active"
    assert (await language(db, other_account, theirs[0])).state == "active"


@pytest.mark.parametrize("at", [None, "soon", {}, 1e300, -1, "1751247548"])
async def test_what_does_not_say_when_decides_nothing(http: httpx.AsyncClient, db: Pool, account: AccountId, at: Any) -> None:
    template, business_id, of_meta = await submitted(db, account)
    body = json.loads(webhook(business_id, of_meta, "REJECTED", 0, reason="SCAM"))
    body["entry"][0]["time"] = at
    assert (await take(http, body)).json() == {"received": 1, "known": 1}
    assert (await language(db, account, template)).state == "validating"
    assert (await shown(db, account, template)).status == "REJECTED"


async def test_ids_and_instants_may_be_texts(http: httpx.AsyncClient, db: Pool, account: AccountId) -> None:
    template, business_id, of_meta = await submitted(db, account)
    body = json.loads(webhook(business_id, of_meta, "APPROVED", 0))
    entry = body["entry"][0]
    entry |= {"time": str(int(time.time()) + 1), "id": int(business_id)}
    entry["changes"][0]["value"]["message_template_id"] = of_meta["id"]
    assert (await take(http, body)).json() == {"received": 1, "known": 1}
    assert (await language(db, account, template)).state == "active"


async def test_a_template_without_an_id_is_found_by_its_name(http: httpx.AsyncClient, db: Pool, account: AccountId) -> None:
    """The answer to its submission has not come yet. Meta writes the language with a hyphen here."""
    request, business_id = await business(db, account)
    template = await validated(db, account, request)
    body = webhook(business_id, TEMPLATE | {"id": business_id}, "PENDING", time.time() + 1)
    assert b'"en-US"' in body
    assert (await take(http, body)).json() == {"received": 1, "known": 1}
    seen = await shown(db, account, template)
    assert (seen.id, seen.status) == (business_id, "PENDING")


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"reason": "NONE"}, "The provider says REJECTED."),
        ({"reason": None}, "The provider says REJECTED."),
        ({"reason": "SCAM"}, "SCAM"),
        ({"reason": "SC\0AM"}, "SCAM"),
        ({"reason": "INVALID_FORMAT", "rejection_info": {"reason": "So.", "recommendation": None}}, "INVALID_FORMAT: So."),
        ({"reason": "x" * 100_000}, "x" * 10_000),
    ],
)
async def test_why(http: httpx.AsyncClient, db: Pool, account: AccountId, more: dict[str, Any], reason: str) -> None:
    template, business_id, of_meta = await submitted(db, account)
    assert (await take(http, webhook(business_id, of_meta, "REJECTED", time.time() + 1, **more))).json() == {"received": 1, "known": 1}
    said = (await language(db, account, template)).rejection_reason
    assert said is not None
    assert reason.startswith(said[:1_000])
    assert len(said) <= len(reason)


# --- not connected


async def test_without_settings_there_is_nothing(anonymous: httpx.AsyncClient, server: Server, alice: Client) -> None:
    assert (await anonymous.get(PATH, params=GOOD)).status_code == 404
    assert (await anonymous.get(PATH, params={"hub.mode": "subscribe"})).status_code == 404
    answer = await post(server.url, webhook("1", TEMPLATE, "APPROVED", 0))
    assert answer.status_code == 404
    assert answer.json()["MessageDetail"] == "This installation is not connected to Meta."
    assert (await post(server.url, b"{}", secret="")).status_code == 404
    assert (await anonymous.post(PATH, headers={"X-CM-PRODUCTTOKEN": alice.token})).status_code == 404
