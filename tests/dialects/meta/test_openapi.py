"""The OpenAPI document tells the truth: whatever it allows is sent, signed or not, and the answers are what it says."""

from typing import Any

import httpx
import hypothesis
import pytest
import requests
import schemathesis
from requests.auth import AuthBase
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from reachbook.dialects.meta import REFERENCE
from tests.providers.graph import VERIFY_TOKEN, signature
from tests.routes import META
from tests.support import Server

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
DOCUMENT: dict[str, Any] = META.openapi_schema.to_schema()
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT, config=SchemathesisConfig(seed=0))
STATUS = {"message_template_id": 5, "message_template_name": "order", "message_template_language": "en_US", "event": "APPROVED"}


class Signed(AuthBase):
    """Signs two of three bodies."""

    def __init__(self) -> None:
        self.turn = 0

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        """The request with its signature."""
        self.turn += 1
        body = r.body or b""
        if self.turn % 3:
            r.headers.update(signature(body.encode() if isinstance(body, str) else body))
        return r


@pytest.fixture(scope="module")
def session() -> requests.Session:
    """Meta, mostly."""
    made = requests.Session()
    made.auth = Signed()
    return made


def aim(case: Case, turn: int) -> None:
    """Lead two of three cases past the verify token, and to changes that are read."""
    if turn % 3 == 0:
        return
    if case.method == "GET":
        case.query = dict(case.query or {}) | {"hub.mode": "subscribe", "hub.verify_token": VERIFY_TOKEN}
    elif isinstance(case.body, dict):
        for entry in objects(case.body.get("entry")):
            for change in objects(entry.get("changes")):
                given = change.get("value")
                change |= {"field": "message_template_status_update", "value": STATUS | (given if isinstance(given, dict) else {})}


def objects(given: Any) -> list[dict[str, Any]]:
    """Those in a list, if it is one."""
    return [one for one in given if isinstance(one, dict)] if isinstance(given, list) else []


@SCHEMA.parametrize()
@hypothesis.settings(max_examples=20, deadline=None, derandomize=True, database=None, suppress_health_check=list(hypothesis.HealthCheck))
def test_operation(case: Case, connected: Server, session: requests.Session, statuses: set[int]) -> None:
    aim(case, len(statuses) + session.auth.turn)  # type: ignore[union-attr]
    answer = case.call_and_validate(base_url=connected.url, session=session, checks=CHECKS, timeout=20)
    statuses.add(answer.status_code)


async def test_the_server_serves_this_document(http: httpx.AsyncClient) -> None:
    answer = await http.get(f"{REFERENCE}/openapi.json")
    assert (answer.status_code, answer.json()) == (200, DOCUMENT)


async def test_the_document_is_the_same_where_meta_is_not_connected(anonymous: httpx.AsyncClient) -> None:
    assert (await anonymous.get(f"{REFERENCE}/openapi.json")).json() == DOCUMENT


def test_the_document_is_openapi_3_1() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    SCHEMA.validate()


def test_every_route_is_in_the_document() -> None:
    routes = {(method, route.path_format) for route in META.routes for method in route.methods if method != "OPTIONS"}  # type: ignore[union-attr]
    documented = {(method.upper(), path) for path, operations in DOCUMENT["paths"].items() for method in operations}
    assert {(method, path) for method, path in routes if not path.startswith(REFERENCE)} == documented


def test_every_operation_says_what_it_does() -> None:
    for path, operations in DOCUMENT["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], f"{method} {path}"
            assert not [name["name"] for name in operation.get("parameters", ()) if not name.get("description")]


def test_the_signature_is_in_the_document() -> None:
    assert DOCUMENT["components"]["securitySchemes"]["signature"] == {"type": "apiKey", "in": "header", "name": "X-Hub-Signature-256"}


async def test_the_reference_page(http: httpx.AsyncClient) -> None:
    page = await http.get(REFERENCE, headers={"accept": "text/html"})
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "https://" not in page.text
