"""The operator's daily work on the command line: stock, the work queue, charges."""

import csv
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from reachbook.core import accounts, catalogues, channel_requests, ids, number_requests
from reachbook.core.catalogues import NumberType, NumberTypeDraft
from reachbook.core.ids import AccountId
from reachbook.database.location import Location
from reachbook.database.pool import Pool
from tests.processes import assert_plain_failure, run


@pytest.fixture
async def type(db: Pool) -> NumberType:
    """A Cypriot number type of this test's own."""
    draft = NumberTypeDraft(country="CY", category="MOBILE", description=f"Cypriot {ids.new_id()}", monthly_cost=Decimal("7.1"))
    return await catalogues.save_number_type(db, None, draft)


def answer(location: Location, *arguments: object) -> Any:
    """What a command with --json says, digit for digit."""
    done = run(*arguments, "--json", location=location)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout, parse_float=Decimal)


async def test_numbers(location: Location, db: Pool, account: AccountId, type: NumberType, tmp_path: Path) -> None:
    await number_requests.create(db, account, ids.new_id(), type.id, simulate=False, now=ids.now())
    file = tmp_path / "numbers.csv"
    file.write_text("number,shared\n+357 96 100001,yes\n96100002,no\n")
    stocked = answer(location, "numbers", "add", file, "--type", type.description)
    assert [(one["id"], one["number"], one["state"], one.get("accountId")) for one in stocked] == [
        ("35796100001", "0035796100001", "shared", None),
        ("35796100002", "0035796100002", "owned", str(account)),
    ]
    owned = answer(location, "numbers", "list", "--account", account)
    assert owned == stocked[1:]
    listed = run("numbers", "list", "--state", "shared", location=location)
    assert listed.returncode == 0
    assert "35796100001" in listed.stdout
    assert "35796100002" not in listed.stdout
    again = run("numbers", "add", file, "--type", type.id, location=location)
    assert_plain_failure(again)
    assert "row 2: number 0035796100001 is in stock already" in again.stderr
    assert_plain_failure(run("numbers", "add", file, "--type", "nothing", location=location), 2)


def test_numbers_from_standard_input(location: Location, type: NumberType) -> None:
    done = run("numbers", "add", "-", "--type", type.id, "--shortcode", "--shared", stdin="96101\n96102\n", location=location)
    assert (done.returncode, done.stdout) == (0, "2 numbers are in stock.\n"), done.stderr
    shown = next(one for one in answer(location, "numbers", "types") if one["id"] == str(type.id))
    assert (shown["monthlyCost"], shown["keywordMonthlyCost"]) == (Decimal("7.1"), 0)


async def test_the_work_queue(location: Location, db: Pool, account: AccountId, type: NumberType) -> None:
    whatsapp = await catalogues.channel_type_by_key(db, catalogues.WHATSAPP)
    await channel_requests.create(db, account, ids.new_id(), whatsapp.id, ids.now())
    await number_requests.create(db, account, ids.new_id(), type.id, simulate=False, now=ids.now())
    business, channel, number = answer(location, "requests", "--account", account)
    assert [one["kind"] for one in (business, channel, number)] == ["businessAccount", "channel", "number"]
    assert (channel["channelTypeId"], number["numberTypeId"]) == (str(whatsapp.id), str(type.id))
    approved = run("approve", channel["id"], location=location)
    assert approved.returncode == 0, approved.stderr
    assert "is approved" in approved.stdout
    assert_plain_failure(run("approve", business["id"], location=location))
    none_free = run("approve", number["id"], "--number", "35796100099", location=location)
    assert_plain_failure(none_free)
    assert "35796100099" in none_free.stderr
    rejected = answer(location, "reject", number["id"], "--reason", "Sold out")
    assert (rejected["state"], rejected["reason"]) == ("rejected", "Sold out")
    assert answer(location, "requests", "--account", account) == []
    everything = run("requests", "--account", account, "--state", "all", location=location)
    assert [line.split()[0] for line in everything.stdout.splitlines()] == [one["id"] for one in (business, channel, number)]
    assert "Sold out" in everything.stdout


def test_wrong_usage(location: Location) -> None:
    for usage in (["approve", "42"], ["reject", uuid4()], ["reject", uuid4(), "--reason", " "], ["charges", "2025-13"], ["numbers", "add"]):
        done = run(*usage, location=location)
        assert done.returncode == (1 if " " in usage else 2), (usage, done)
        assert "Traceback" not in done.stderr
    assert_plain_failure(run("approve", uuid4(), location=location))


async def test_charges(location: Location, db: Pool, type: NumberType) -> None:
    account = (await accounts.create(db, ids.new_id(), "+Plus", "CY", ids.now())).id
    made = await number_requests.create(db, account, ids.new_id(), type.id, simulate=False, now=ids.now())
    assert made.state == "pending"
    month = f"{ids.now():%Y-%m}"
    assert answer(location, "charges", month, "--account", account) == []
    done = run("numbers", "add", "-", "--type", type.id, stdin="+35796102001\n", location=location)
    assert f"goes to account {account}" in done.stdout, done.stderr
    (bill,) = answer(location, "charges", month, "--account", account)
    line = {"kind": "numberMonthly", "entityId": "35796102001", "description": f"0035796102001, {type.description}"}
    assert bill == {
        "accountId": str(account),
        "accountName": "+Plus",
        "currency": "EUR",
        "total": Decimal("7.1"),
        "lines": [line | {"amount": Decimal("7.1")}],
    }
    table = run("charges", month, "--account", account, "--format", "csv", location=location)
    header, row = csv.reader(io.StringIO(table.stdout))
    assert header == ["accountId", "accountName", "currency", "kind", "entityId", "description", "amount"]
    assert row == [str(account), "'+Plus", "EUR", *line.values(), "7.1"]
    shown = run("charges", month, "--account", account, location=location)
    assert f"+Plus ({account}): EUR 7.1" in shown.stdout
