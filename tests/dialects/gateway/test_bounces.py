"""Bounces and complaints over HTTP: what they do to the ledger, once each."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from reachbook.core import bounces, ids, tokens
from reachbook.core.limits import BOUNCE_DAYS, ROWS_PER_CALL
from reachbook.database.pool import Pool
from tests.support import Client, Server

PATH = "/gateway/v1/bounces"
ADDRESS = "ann@example.com"
DAYS = 5
"""The policy that a server has without settings."""


@pytest.fixture
async def mail(db: Pool, server: Server) -> AsyncGenerator[httpx.AsyncClient]:
    """The mail system."""
    token = await tokens.create(db, None, ids.new_id(), name="mail", scopes=["gateway"], now=ids.now())
    async with httpx.AsyncClient(base_url=server.url, headers={"authorization": f"Bearer {token}"}, timeout=60, verify=False) as client:
        yield client


def bounce(client: Client, type: str = "hard", email: str = ADDRESS, **more: Any) -> dict[str, Any]:
    return {"accountId": str(client.account), "email": email, "type": type} | more


async def told(mail: httpx.AsyncClient, body: Any) -> tuple[int, int, int]:
    """(received, repeated, opted out) of a call."""
    answer = await mail.post(PATH, json=body)
    assert answer.status_code == 202, answer.text
    return tuple(answer.json()[name] for name in ("received", "repeated", "optedOut"))


async def history(client: Client, email: str = ADDRESS) -> list[tuple[bool, str, str, str | None]]:
    """Newest first."""
    rows = (await client.get(f"optout/email/{email}/history")).json()
    return [(row["isActive"], row["reason"], row["source"], row.get("message")) for row in rows]


@pytest.mark.parametrize(
    ("type", "reason"), [("hard", "hardbounced"), ("Hard-Bounce", "hardbounced"), ("complaint", "spam"), ("SPAM", "spam")]
)
async def test_a_bounce_opts_the_address_out_at_once(alice: Client, bob: Client, mail: httpx.AsyncClient, type: str, reason: str) -> None:
    assert await told(mail, bounce(alice, type, "Ann@EXAMPLE.com", message="550 5.1.1 unknown")) == (1, 0, 1)
    assert await history(alice) == [(True, reason, "gateway", "550 5.1.1 unknown")]
    assert await history(bob) == []


async def test_the_same_report_counts_once(alice: Client, mail: httpx.AsyncClient) -> None:
    with_reference = bounce(alice, reference="report-1", message="550")
    without = bounce(alice, email="bo@example.com", timeUtc="2026-01-31T12:00:00", message="550")
    assert await told(mail, [with_reference, without]) == (2, 0, 2)
    assert await told(mail, [with_reference, without, with_reference]) == (3, 3, 0)
    assert await told(mail, with_reference | {"message": "told again in other words"}) == (1, 1, 0)
    assert await history(alice) == [(True, "hardbounced", "gateway", "550")]


async def test_a_late_repeat_does_not_opt_out_who_was_opted_in_since(alice: Client, mail: httpx.AsyncClient) -> None:
    report = bounce(alice, reference="report-1")
    await told(mail, report)
    assert (await alice.delete(f"optout/email/{ADDRESS}")).status_code == 200
    assert await told(mail, report) == (1, 1, 0)
    assert (await alice.get(f"optout/email/{ADDRESS}")).json()["isActive"] is False
    assert await told(mail, bounce(alice, reference="report-2")) == (1, 0, 1)


async def test_the_same_report_of_two_accounts_is_two(alice: Client, bob: Client, mail: httpx.AsyncClient) -> None:
    assert await told(mail, [bounce(alice, reference="r"), bounce(bob, reference="r")]) == (2, 0, 2)
    assert len(await history(alice)) == len(await history(bob)) == 1


def soft(client: Client, day: datetime, hour: int = 10, **more: Any) -> dict[str, Any]:
    return bounce(client, "soft", timeUtc=f"{day:%Y-%m-%d}T{hour:02}:00:00", **more)


async def test_soft_bounces_become_a_hard_one_on_enough_distinct_days(alice: Client, mail: httpx.AsyncClient) -> None:
    days = [datetime.now(UTC) - timedelta(days=number) for number in range(2, 2 + DAYS)]
    for day in days[:-1]:
        assert await told(mail, [soft(alice, day, hour) for hour in range(3)]) == (3, 0, 0)
    assert await history(alice) == []
    assert await told(mail, soft(alice, days[-1])) == (1, 0, 1)
    assert await history(alice) == [(True, "hardbounced", "gateway", f"bounced softly on {DAYS} days or more")]
    assert await told(mail, soft(alice, datetime.now(UTC) - timedelta(days=1))) == (1, 0, 0)
    assert len(await history(alice)) == 1


async def test_soft_bounces_of_long_ago_do_not_count(alice: Client, mail: httpx.AsyncClient) -> None:
    today = datetime.now(UTC)
    rows = [soft(alice, today - timedelta(days=number)) for number in (*range(1, DAYS), 31, 40, 400)]
    assert await told(mail, rows) == (len(rows), 0, 0)
    assert await told(mail, soft(alice, today - timedelta(days=29))) == (1, 0, 1)


async def test_a_soft_bounce_without_time_is_of_the_day_it_comes(alice: Client, mail: httpx.AsyncClient) -> None:
    assert await told(mail, bounce(alice, "soft")) == (1, 0, 0)
    assert await told(mail, bounce(alice, "soft")) == (1, 1, 0)
    assert await told(mail, bounce(alice, "soft", message="421 try later")) == (1, 0, 0)


async def test_all_are_good_or_none_is_taken(alice: Client, mail: httpx.AsyncClient) -> None:
    rows = [bounce(alice), bounce(alice, email="nobody"), bounce(alice, "odd"), {"email": ADDRESS, "type": "hard"}]
    answer = await mail.post(PATH, json=rows)
    assert answer.status_code == 400
    assert {error["field"] for error in answer.json()["errors"]} >= {"bounces[2].type", "bounces[3].accountId"}
    answer = await mail.post(PATH, json=rows[:2])
    assert [error["field"] for error in answer.json()["errors"]] == ["bounces[1].email"]
    assert await history(alice) == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"email": "nobody"}, "email"),
        ({"type": "odd"}, "type"),
        ({"accountId": "none"}, "accountId"),
        ({"accountId": "01a20184-3530-70cb-85e8-aae00d9725fb"}, "accountId"),
        ({"timeUtc": "yesterday"}, "timeUtc"),
        ({"reference": "x" * 256}, "reference"),
        ({"message": 5}, "message"),
        ({"email": None}, "email"),
    ],
)
async def test_one_object_names_its_fields_without_a_number(
    alice: Client, mail: httpx.AsyncClient, change: dict[str, Any], field: str
) -> None:
    answer = await mail.post(PATH, json=bounce(alice) | change)
    assert answer.status_code == 400, answer.text
    assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_who_may_tell(alice: Client, anonymous: httpx.AsyncClient, mail: httpx.AsyncClient, db: Pool) -> None:
    operator = await tokens.create(db, None, ids.new_id(), name="operator", scopes=["operator"], now=ids.now())
    for token, status in ((None, 401), ("no such token", 401), (alice.token, 403), (operator, 403)):
        headers = {"authorization": f"Bearer {token}"} if token else {}
        assert (await anonymous.post(PATH, json=bounce(alice), headers=headers)).status_code == status
    header = {"x-cm-producttoken": mail.headers["authorization"].split()[1]}
    assert (await anonymous.post(PATH, json=bounce(alice), headers=header)).status_code == 202
    assert (await mail.get(f"/v1/accounts/{alice.account}/statistics")).status_code == 403


async def test_bodies_that_are_none(mail: httpx.AsyncClient, alice: Client) -> None:
    assert (await mail.post(PATH, content=b"nonsense")).status_code == 400
    assert (await mail.post(PATH, json="text")).status_code == 400
    assert (await mail.post(PATH, json=[bounce(alice)] * (ROWS_PER_CALL + 1))).status_code == 413
    assert await told(mail, []) == (0, 0, 0)
    assert await told(mail, None) == (0, 0, 0)


async def test_what_is_old_is_forgotten(alice: Client, mail: httpx.AsyncClient, db: Pool) -> None:
    report = bounce(alice, "soft", reference="r")
    await told(mail, report)
    await bounces.purge(db, ids.now() + timedelta(days=BOUNCE_DAYS + 1))
    assert await told(mail, report) == (1, 0, 0)
