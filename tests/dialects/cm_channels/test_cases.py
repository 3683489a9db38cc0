"""Document 003 as data: every case of cases/*.json against a real server.

A step with `"documented": […]` is one of the document's examples: its answer has the example's names and kinds of values, and lacks the
names that are listed, because there is no such value then.
"""

import csv
import functools
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from reachbook.database.pool import Pool
from tests.dialects import golden
from tests.dialects.cm_channels.behind import beside
from tests.dialects.cm_channels.documented import EXAMPLES, differences
from tests.support import Client

CASES = Path(__file__).parent / "cases"
ENDPOINTS = Path(__file__).parents[2] / "data" / "endpoints.tsv"
BASE = "/channels/v1/accounts/{accountId}/"
SPELLINGS = ("channel", "channels")
ALL_ZERO = "00000000-0000-0000-0000-000000000000"


@pytest.mark.parametrize(
    ("file", "index", "case"), golden.load(CASES), ids=lambda value: value.get("name") if isinstance(value, dict) else str(value)
)
async def test_case(file: str, index: int, case: golden.Case, alice: Client, bob: Client, db: Pool, request: pytest.FixtureRequest) -> None:
    update = request.config.getoption("--update")
    behind = (await beside(db, alice, bob))._replace(look=look)
    await golden.play_as(alice, bob, db, case, BASE, update=update, beside=behind)
    if update:
        golden.rewrite(CASES / file, index, case)


def look(step: golden.Step, response: httpx.Response) -> None:
    """Is the answer like the document's example?"""
    if "documented" in step:
        method, path = endpoint_of(step) or ("", "")
        [example] = [example for example in EXAMPLES if example["endpoint"] == f"{method} {path}"]
        assert response.status_code == example["status"]
        found = set(differences(example["answer"], response.json()))
        assert found == {("absent", name) for name in step["documented"]}, (method, path)


@functools.cache
def endpoints() -> list[tuple[str, str]]:
    """(method, path template) of this dialect in the specification's list."""
    with ENDPOINTS.open() as file:
        return [(row["method"], row["path"]) for row in csv.DictReader(file, delimiter="\t") if row["dialect"] == "cm_channels"]


def spelled(path: str) -> str:
    """A path with the words of configurations as most of the list has them."""
    return re.sub("/channel/", "/channels/", re.sub("//+", "/", path).rstrip("/"), flags=re.IGNORECASE)


def path_of(step: golden.Step) -> str:
    """As the step writes it, from the root."""
    path = step["request"].partition(" ")[2].partition("?")[0]
    return path if path.startswith("/") else BASE + path


def endpoint_of(step: golden.Step) -> tuple[str, str] | None:
    """The endpoint that a step calls: the template with the fewest variables that fits, whatever the case of its words."""
    if "request" not in step:
        return None
    method, path = step["request"].partition(" ")[0], spelled(path_of(step))
    fitting = [
        (verb, template)
        for verb, template in endpoints()
        if verb == method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", spelled(template)), path, re.IGNORECASE)
    ]
    return min(fitting, key=lambda endpoint: endpoint[1].count("{"), default=None)


@functools.cache
def calls() -> list[tuple[tuple[str, str] | None, golden.Step]]:
    """All steps with the endpoints that they call."""
    return [(endpoint_of(step), step) for _, _, case in golden.load(CASES) for step in case["steps"]]


def steps_of(endpoint: tuple[str, str]) -> list[golden.Step]:
    """All steps that call an endpoint."""
    return [step for called, step in calls() if called == endpoint]


def test_the_list_is_whole() -> None:
    assert len(endpoints()) == 51
    assert [f"{method} {path}" for method, path in endpoints()] == [example["endpoint"] for example in EXAMPLES]


@pytest.mark.parametrize("endpoint", endpoints(), ids=" ".join)
def test_every_endpoint_has_a_case_that_succeeds_and_one_that_fails(endpoint: tuple[str, str]) -> None:
    statuses = {step["status"] for step in steps_of(endpoint)}
    assert any(status < 300 for status in statuses), "no case succeeds"
    assert any(status >= 400 for status in statuses), "no case fails"


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("endpoint", [one for one in endpoints() if "/configuration" in one[1]], ids=" ".join)
def test_every_configuration_path_has_a_case_in_either_spelling(endpoint: tuple[str, str], spelling: str) -> None:
    steps = [step for step in steps_of(endpoint) if f"/{spelling}/" in path_of(step).lower()]
    assert any(step["status"] < 300 for step in steps)


@pytest.mark.parametrize("example", [one for one in EXAMPLES if "answer" in one], ids=lambda one: one["endpoint"])
def test_every_example_has_a_case(example: dict[str, Any]) -> None:
    method, _, path = example["endpoint"].partition(" ")
    assert [step for step in steps_of((method, path)) if "documented" in step]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: one["request"])
async def test_the_documents_request_as_it_is_printed(example: dict[str, Any], alice: Client) -> None:
    """But for the account it names nothing that is there; it gets to its endpoint all the same."""
    method, _, path = example["request"].partition(" ")
    url = alice.base_url.copy_with(raw_path=path.replace(ALL_ZERO, str(alice.account), 1).encode())
    answer = await alice.request(method, url, json=example.get("body"))
    is_answered = answer.status_code in (200, 201, 202, 400, 404) and "Not Found" not in answer.text
    assert is_answered == ("&simulate" not in path.partition("?")[0]), answer.text
