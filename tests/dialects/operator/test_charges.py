"""What accounts owe, by month: decimal to the last digit, as JSON and as CSV."""

import csv
import io
import json
from decimal import Decimal
from typing import Any

import asyncpg
import httpx
import pytest

from reachbook.core import accounts, ids
from reachbook.core.ids import AccountId
from reachbook.database.pool import Pool
from tests.support import Client

HEADER = ["accountId", "accountName", "currency", "kind", "entityId", "description", "amount"]


def exact(answer: httpx.Response) -> Any:
    """The body with decimals where it has numbers with a point."""
    assert answer.status_code in (200, 201), answer.text
    return json.loads(answer.text, parse_float=Decimal)


async def bills(operator: httpx.AsyncClient, month: str, account: object) -> dict[str, tuple[Decimal, list[tuple[str, str, Decimal]]]]:
    """By currency: the total, and (kind, description, amount) of the lines."""
    rows = exact(await operator.get("charges", params={"month": month, "accountId": str(account)}))
    return {
        bill["currency"]: (bill["total"], [(line["kind"], line["description"], line["amount"]) for line in bill["lines"]]) for bill in rows
    }


async def new_type(operator: httpx.AsyncClient, key: str, **more: Any) -> str:
    """A channel type that fulfils its requests."""
    body = json.dumps({"key": key, "description": key.upper(), "autoFulfil": True} | more)
    for name, text in more.items():
        if isinstance(text, str) and name.endswith("Cost"):
            body = body.replace(f'"{text}"', text)  # the very digits
    return exact(await operator.post("channeltypes", content=body))["id"]


def channels(client: Client) -> str:
    """The account on the wire of CM's Channels."""
    return str(client.base_url.copy_with(path=f"/channels/v1/accounts/{client.account}"))


async def asked_for(client: Client, type: str) -> str:
    answer = await client.post(f"{channels(client)}/channels/requests", params={"channelTypeId": type})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


RAN = """
UPDATE channel_request SET fulfilled_at = $2::text::timestamptz, cancelled_at = $3::text::timestamptz, state = $4 WHERE id = $1::text::uuid
"""


async def test_start_up_in_the_first_month_and_monthly_in_each(
    alice: Client, bob: Client, operator: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    type = await new_type(operator, "fax", startupCost="0.1", monthlyCost="0.2")
    request = await asked_for(alice, type)
    await owner.execute(RAN, request, "2025-01-31T23:59:59.999Z", "2025-03-01T00:00:00Z", "cancelled")
    assert await bills(operator, "2024-12", alice.account) == {}
    both = [("channelStartup", "FAX", Decimal("0.1")), ("channelMonthly", "FAX", Decimal("0.2"))]
    assert await bills(operator, "2025-01", alice.account) == {"EUR": (Decimal("0.3"), both)}
    for month in ("2025-02", "2025-03"):
        assert await bills(operator, month, alice.account) == {"EUR": (Decimal("0.2"), both[1:])}
    assert await bills(operator, "2025-04", alice.account) == {}
    assert await bills(operator, "2025-01", bob.account) == {}


async def test_costs_are_those_of_when_it_was_asked_for_and_by_currency(
    alice: Client, operator: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    euros = await new_type(operator, "pager", monthlyCost="999999999999.1234")
    dollars = await new_type(operator, "telex", monthlyCost="1", currency="USD")
    for type in (euros, dollars):
        await owner.execute(RAN, await asked_for(alice, type), "2025-01-02T00:00:00Z", None, "fulfilled")
        assert (await operator.put(f"channeltypes/{type}", json={"monthlyCost": 5})).status_code == 200
    assert await bills(operator, "2025-06", alice.account) == {
        "EUR": (Decimal("999999999999.1234"), [("channelMonthly", "PAGER", Decimal("999999999999.1234"))]),
        "USD": (Decimal(1), [("channelMonthly", "TELEX", Decimal(1))]),
    }


async def test_numbers_and_keywords_are_charged_and_what_is_free_is_not(alice: Client, operator: httpx.AsyncClient) -> None:
    type = {"country": "IS", "category": "MOBILE", "description": "An Icelandic number", "startupCost": 10, "keywordMonthlyCost": 0.25}
    type_id = exact(await operator.post("numbertypes", json=type))["id"]
    rows = [{"number": "+3546110001", "numberTypeId": type_id, "isShared": True}, {"number": "+3546110002", "numberTypeId": type_id}]
    assert (await operator.post("phonenumbers", json=rows)).status_code == 201
    claim = await alice.post(f"{channels(alice)}/keywords", json={"phoneNumberId": "3546110001", "keyword": "geyser"})
    assert claim.status_code == 201, claim.text
    assert (await alice.post(f"{channels(alice)}/phonenumbers/requests", params={"numberTypeId": type_id})).json()["isActive"]
    answer = exact(await operator.get("charges", params={"month": f"{ids.now():%Y-%m}", "accountId": str(alice.account)}))
    assert answer == [
        {
            "accountId": str(alice.account),
            "accountName": "Alice",
            "currency": "EUR",
            "total": Decimal("10.25"),
            "lines": [
                {"kind": "numberStartup", "entityId": "3546110002", "description": "003546110002, An Icelandic number", "amount": 10},
                {
                    "kind": "keywordMonthly",
                    "entityId": claim.json()["id"],
                    "description": "GEYSER on 3546110001",
                    "amount": Decimal("0.25"),
                },
            ],
        }
    ]


@pytest.fixture
async def charged(db: Pool, operator: httpx.AsyncClient, owner: asyncpg.Connection) -> AccountId:
    """An account whose name and channel a spreadsheet would run."""
    account = (await accounts.create(db, ids.new_id(), "=HYPERLINK(1)", None, ids.now())).id
    type = await new_type(operator, f"cmd{account.int % 10**9}", description='@SUM(1), "quoted"', startupCost="1.50", monthlyCost="0.0001")
    await owner.execute(
        """
        INSERT INTO channel_request (account_id, id, channel_type_id, state, currency, startup_cost, monthly_cost, created_at, fulfilled_at)
        VALUES ($1, $2, $3::text::uuid, 'fulfilled', 'EUR', 1.5, 0.0001, '2025-01-02Z', '2025-01-02Z')
        """,
        account,
        ids.new_id(),
        type,
    )
    return account


@pytest.mark.parametrize("way", [{"params": {"format": "csv"}}, {"headers": {"accept": "text/csv"}}], ids=["format", "accept"])
async def test_a_row_per_line_that_no_spreadsheet_runs(operator: httpx.AsyncClient, charged: AccountId, way: dict[str, Any]) -> None:
    asked = {"month": "2025-01", "accountId": str(charged)} | way.get("params", {})
    answer = await operator.get("charges", params=asked, headers=way.get("headers"))
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.reader(io.StringIO(answer.text, newline="")))
    assert rows[0] == HEADER
    assert [row[:4] + row[5:] for row in rows[1:]] == [
        [str(charged), "'=HYPERLINK(1)", "EUR", kind, '\'@SUM(1), "quoted"', amount]
        for kind, amount in (("channelStartup", "1.5"), ("channelMonthly", "0.0001"))
    ]
    json_asked = {"month": "2025-01", "accountId": str(charged), "format": "json"}
    bill = exact(await operator.get("charges", params=json_asked, headers={"accept": "text/csv"}))[0]
    assert bill["accountName"] == "=HYPERLINK(1)"
    assert bill["total"] == Decimal("1.5001")


async def test_without_an_account_everybody_is_there(operator: httpx.AsyncClient, charged: AccountId) -> None:
    found = exact(await operator.get("charges", params={"month": "2025-01"}))
    assert str(charged) in {bill["accountId"] for bill in found}


@pytest.mark.parametrize("month", ["2025-1", "2025-00", "0000-01", "9999-12", "2025-01-01", "january", "-1-01"])
async def test_what_is_no_month(operator: httpx.AsyncClient, month: str) -> None:
    answer = await operator.get("charges", params={"month": month})
    assert answer.status_code == 400, answer.text
    assert [fault["field"] for fault in answer.json()["errors"]] == ["month"]


@pytest.mark.parametrize(
    "text", ["0.1", "12.5", "100", "999999999999.9999", "0.0001", "123456789012.1235", "1e2", "0"], ids=lambda text: f"cost {text}"
)
@pytest.mark.parametrize("body", ['{"monthlyCost": %s}', '{"MonthlyCost": %s, "other": 1.5}'], ids=["strict", "tolerant"])
async def test_money_is_what_was_given(operator: httpx.AsyncClient, text: str, body: str) -> None:
    type = {"country": "IS", "category": "MOBILE", "description": "For a test", "keywordStartupCost": 3}
    id = exact(await operator.post("numbertypes", json=type))["id"]
    for answer in (await operator.put(f"numbertypes/{id}", content=body % text), await operator.get(f"numbertypes/{id}")):
        assert exact(answer)["monthlyCost"] == Decimal(text)
        assert exact(answer)["keywordStartupCost"] == 3
    assert "E" not in answer.text.partition('"monthlyCost":')[2].partition(",")[0]
    assert (await operator.delete(f"numbertypes/{id}")).status_code == 204


@pytest.mark.parametrize("text", ["-0.0001", "1000000000000", "0.00001", "1e-9", "1e300", '"NaN"', '"Infinity"', "true", '"free"', "[1]"])
async def test_money_that_is_refused(operator: httpx.AsyncClient, text: str) -> None:
    body = f'{{"country": "IS", "category": "MOBILE", "description": "For a test", "monthlyCost": {text}}}'
    answer = await operator.post("numbertypes", content=body)
    assert answer.status_code == 400, answer.text
    assert [fault["field"] for fault in answer.json()["errors"]] == ["monthlyCost"]
