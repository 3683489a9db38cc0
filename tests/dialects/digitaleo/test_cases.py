"""Digitaleo's Contacts API as data: every case of cases/*.json against a real server."""

import csv
import functools
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from reachbook.database.pool import Pool
from tests.dialects import golden
from tests.support import Client

CASES = Path(__file__).parent / "cases"
ENDPOINTS = Path(__file__).parents[2] / "data" / "endpoints.tsv"
BASE = "/digitaleo/rest/"


@pytest.mark.parametrize(
    ("file", "index", "case"), golden.load(CASES), ids=lambda value: value.get("name") if isinstance(value, dict) else str(value)
)
async def test_case(file: str, index: int, case: golden.Case, alice: Client, bob: Client, db: Pool, request: pytest.FixtureRequest) -> None:
    update = request.config.getoption("--update")
    await golden.play_as(alice, bob, db, case, BASE, update=update, header=golden.BEARER)
    if update:
        golden.rewrite(CASES / file, index, case)


@functools.cache
def endpoints() -> list[tuple[str, str]]:
    """(method, path with what is to be done) of this dialect in the specification's list."""
    with ENDPOINTS.open() as file:
        return [(row["method"], row["path"]) for row in csv.DictReader(file, delimiter="\t") if row["dialect"] == "digitaleo"]


def endpoint_of(step: golden.Step) -> tuple[str, str]:
    """The endpoint that a step calls, as the list writes it; `action` counts where it is in the query."""
    method, _, path = step["request"].partition(" ")
    path, _, query = (path if path.startswith("/") else BASE + path).partition("?")
    action = step.get("query", {}).get("action") or parse_qs(query).get("action", [None])[0]
    return method, path if action is None else f"{path}?action={action}"


@pytest.mark.parametrize("endpoint", endpoints(), ids=" ".join)
def test_every_endpoint_has_a_case_that_succeeds_and_one_that_fails(endpoint: tuple[str, str]) -> None:
    statuses = {step["status"] for _, _, case in golden.load(CASES) for step in case["steps"] if endpoint_of(step) == endpoint}
    assert any(status < 300 for status in statuses), "no case succeeds"
    assert any(status >= 400 for status in statuses), "no case fails"
