"""What the operator's API says, as data: every case of cases/*.json against a real server."""

import functools
import re
from pathlib import Path

import pytest

from reachbook.database.pool import Pool
from tests.dialects import golden
from tests.routes import OPERATOR
from tests.support import Client

CASES = Path(__file__).parent / "cases"
BASE = "/operator/v1/"


@pytest.mark.parametrize(
    ("file", "index", "case"), golden.load(CASES), ids=lambda value: value.get("name") if isinstance(value, dict) else str(value)
)
async def test_case(file: str, index: int, case: golden.Case, alice: Client, bob: Client, db: Pool, request: pytest.FixtureRequest) -> None:
    update = request.config.getoption("--update")
    await golden.play_as(alice, bob, db, case, BASE, update=update, caller="operator")
    if update:
        golden.rewrite(CASES / file, index, case)


@functools.cache
def endpoints() -> list[tuple[str, str]]:
    """(method, path template) of every route."""
    routes = [route for route in OPERATOR.routes if route.path_format.startswith(BASE) and "/reference" not in route.path_format]
    return sorted((method, route.path_format) for route in routes for method in route.methods if method != "OPTIONS")  # type: ignore[union-attr]


def calls(step: golden.Step, endpoint: tuple[str, str]) -> bool:
    """Whether the step asks for the endpoint."""
    method, _, path = step["request"].partition(" ")
    path = path.partition("?")[0]
    path = path if path.startswith("/") else BASE + path
    return method == endpoint[0] and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", endpoint[1]), path) is not None


@pytest.mark.parametrize("endpoint", endpoints(), ids=" ".join)
def test_every_endpoint_has_a_case_that_succeeds_and_one_that_fails(endpoint: tuple[str, str]) -> None:
    statuses = {step["status"] for _, _, case in golden.load(CASES) for step in case["steps"] if calls(step, endpoint)}
    assert any(status < 300 for status in statuses), "no case succeeds"
    assert any(status >= 400 for status in statuses), "no case fails"
