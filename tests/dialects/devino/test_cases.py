"""Devino's Address Book as data: every case of cases/*.json against a real server."""

import csv
import functools
import re
from pathlib import Path

import httpx
import pytest

from reachbook.database.pool import Pool
from tests.dialects import golden
from tests.support import Client

CASES = Path(__file__).parent / "cases"
ENDPOINTS = Path(__file__).parents[2] / "data" / "endpoints.tsv"
BASE = "/address-book-api/"


@pytest.mark.parametrize(
    ("file", "index", "case"), golden.load(CASES), ids=lambda value: value.get("name") if isinstance(value, dict) else str(value)
)
async def test_case(file: str, index: int, case: golden.Case, alice: Client, bob: Client, db: Pool, request: pytest.FixtureRequest) -> None:
    update = request.config.getoption("--update")
    await golden.play_as(alice, bob, db, case, BASE, update=update, header=golden.KEY)
    if update:
        golden.rewrite(CASES / file, index, case)


@functools.cache
def endpoints() -> list[tuple[str, str]]:
    """(method, path) of this dialect in the specification's list."""
    with ENDPOINTS.open() as file:
        return [(row["method"], row["path"]) for row in csv.DictReader(file, delimiter="\t") if row["dialect"] == "devino"]


def endpoint_of(step: golden.Step) -> tuple[str, str]:
    """The endpoint that a step calls, as the list writes it."""
    if "curl" in step:
        method = re.search(r"-X (\w+)", step["curl"])
        return method[1] if method else "GET", httpx.URL(re.search(r"https?://\S+", step["curl"])[0]).path
    method, _, path = step["request"].partition(" ")
    return method, (path if path.startswith("/") else BASE + path).partition("?")[0]


@pytest.mark.parametrize("endpoint", endpoints(), ids=" ".join)
def test_every_endpoint_has_a_case_that_succeeds_and_one_that_fails(endpoint: tuple[str, str]) -> None:
    statuses = {step["status"] for _, _, case in golden.load(CASES) for step in case["steps"] if endpoint_of(step) == endpoint}
    assert any(status < 300 for status in statuses), "no case succeeds"
    assert any(status >= 400 for status in statuses), "no case fails"
