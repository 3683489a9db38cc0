"""The OpenAPI document tells the truth: whatever it allows is sent, and the answers are what it says."""

import itertools
from typing import Any

import httpx
import hypothesis
import pytest
import requests
import schemathesis
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from reachbook.core import configurations, ids, number_requests, tokens
from reachbook.database.pool import Pool
from reachbook.dialects.gateway.app import REFERENCE
from tests.core import channels as core
from tests.core.book import new_account
from tests.routes import GATEWAY
from tests.support import Server

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
DOCUMENT: dict[str, Any] = GATEWAY.openapi_schema.to_schema()
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT, config=SchemathesisConfig(seed=0))


class Desk:
    """A gateway's token over one connection that is kept, an account with its token, and a number of its whose messages are logged."""

    def __init__(self, url: str, token: str, account: str, number: str, reader: str) -> None:
        self.server, self.account, self.number, self.reader = url, account, number, reader
        self.turn = itertools.count(1)
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {token}"

    def aim(self, case: Case) -> None:
        """Lead two of three cases to the account, with bodies that can be taken if what is left of them can."""
        if next(self.turn) % 3:
            for row in case.body if isinstance(case.body, list) else [case.body]:
                if isinstance(row, dict):
                    row |= {"accountId": self.account, "email": "ann@example.com", "type": "hard", "timeUtc": None}
                    row |= {"to": {"number": self.number}, "channel": "SMS"}


@pytest.fixture(scope="session")
async def desk(server: Server, db: Pool) -> Desk:
    """One for all operations of this worker."""
    account = await new_account(db)
    number = await core.rent(db, account, await core.number_type(db))
    (request,) = (await number_requests.list_requests(db, account, core.ALL)).rows
    await configurations.keep_log(db, account, request.channel_id, enabled=True, now=core.NOW)
    token = await tokens.create(db, None, ids.new_id(), name="gateway", scopes=["gateway"], now=ids.now())
    reader = await tokens.create(db, account, ids.new_id(), name="reader", scopes=["read"], now=ids.now())
    return Desk(server.url, token, str(account), number, reader)


def send(case: Case, desk: Desk) -> int:
    """Send one generated request and check the answer; its status."""
    desk.aim(case)
    return case.call_and_validate(base_url=desk.server, session=desk.session, checks=CHECKS, timeout=20).status_code


@SCHEMA.parametrize()
@hypothesis.settings(max_examples=20, deadline=None, derandomize=True, database=None, suppress_health_check=list(hypothesis.HealthCheck))
def test_operation(case: Case, desk: Desk, statuses: set[int]) -> None:
    statuses.add(send(case, desk))


@pytest.mark.soak
@SCHEMA.parametrize()
@hypothesis.settings(max_examples=1_000, deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck))
def test_operation_at_length(case: Case, desk: Desk, statuses: set[int]) -> None:
    statuses.add(send(case, desk))


async def test_the_server_serves_this_document(anonymous: httpx.AsyncClient) -> None:
    answer = await anonymous.get(f"{REFERENCE}/openapi.json")
    assert (answer.status_code, answer.json()) == (200, DOCUMENT)


def test_the_document_is_openapi_3_1() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    SCHEMA.validate()


def test_every_route_is_in_the_document() -> None:
    routes = {(method, route.path_format) for route in GATEWAY.routes for method in route.methods if method != "OPTIONS"}  # type: ignore[union-attr]
    documented = {(method.upper(), path) for path, operations in DOCUMENT["paths"].items() for method in operations}
    assert {(method, path) for method, path in routes if not path.startswith(REFERENCE)} == documented


def test_every_operation_says_what_it_does_and_what_it_may_answer() -> None:
    for path, operations in DOCUMENT["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], f"{method} {path}"
            assert {"202", "400", "401", "403", "413", "503"} <= set(operation["responses"]), f"{method} {path}"


def test_a_body_is_one_or_many() -> None:
    for path, operations in DOCUMENT["paths"].items():
        schema = operations["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert [set(one) & {"$ref", "items"} for one in schema["oneOf"]] == [{"$ref"}, {"items"}], path


def test_names_are_the_vendors() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    names = {name: list(model["properties"]) for name, model in schemas.items()}
    common = ["channel", "from", "messageContext", "reference", "timeUtc", "to"]
    assert sorted(names["MessageIn"]) == sorted([*common, "message", "groupings"])
    assert sorted(names["EventIn"]) == sorted([*common, "event"])
    assert sorted(names["ContentIn"]) == ["custom", "media", "text"]
    assert sorted(names["MediaIn"]) == ["contentType", "mediaUri", "title"]


async def test_the_reference_page(anonymous: httpx.AsyncClient) -> None:
    page = await anonymous.get(REFERENCE, headers={"accept": "text/html"})
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "https://" not in page.text


@pytest.mark.parametrize("depth", [100, 400, 600, 800, 850, 900, 925, 950, 975, 1_000, 5_000])
@pytest.mark.parametrize(("path", "name"), [("messages", "message"), ("events", "event")])
async def test_what_is_handed_on_may_be_deep_or_is_refused(
    anonymous: httpx.AsyncClient, desk: Desk, path: str, name: str, depth: int
) -> None:
    deep = "[" * depth + "]" * depth
    given = f'{{"custom": {deep}}}' if name == "message" else deep
    body = f'{{"to": {{"number": "{desk.number}"}}, "channel": "SMS", "{name}": {given}}}'
    headers = {"Authorization": str(desk.session.headers["Authorization"])}
    answer = await anonymous.post(f"/gateway/v1/{path}", content=body, headers=headers)
    assert answer.status_code in (202, 400), answer.text
    assert answer.status_code == 202 or depth > 500
    log = await anonymous.get(f"/v1/accounts/{desk.account}/messages?take=3", headers={"Authorization": f"Bearer {desk.reader}"})
    assert log.status_code == 200, "and what was taken can be read"
