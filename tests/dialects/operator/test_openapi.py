"""The OpenAPI document tells the truth: whatever it allows is sent, and the answers are what it says."""

import itertools
from collections.abc import Callable
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

from reachbook.core import accounts, ids, tokens
from reachbook.database.pool import Pool
from reachbook.dialects.operator import REFERENCE
from tests.dialects.operator.test_queue import image, whatsapp
from tests.routes import OPERATOR
from tests.support import Server

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
DOCUMENT: dict[str, Any] = OPERATOR.openapi_schema.to_schema()
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT, config=SchemathesisConfig(seed=0))
IMAGE = image()
BASE = "/operator/v1"


class Desk:
    """An operator's token and one of everything, over one connection that is kept."""

    def __init__(self, url: str, token: str, account: str, request: str) -> None:
        self.server, self.account, self.request = url, account, request
        self.turn, self.numbers = 0, itertools.count(100_000)
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {token}"
        self.types = {name: self._made(name, body()) for name, body in self._bodies().items()}

    def _bodies(self) -> dict[str, Callable[[], dict[str, Any]]]:
        """What makes a new one, by the collection."""
        return {
            "accounts": lambda: {"name": "Acme"},
            "channeltypes": lambda: {"key": f"key{next(self.numbers)}", "description": "A type"},
            "numbertypes": lambda: {"country": "LU", "category": "MOBILE", "description": "A type"},
            "whatsapp/languages": lambda: {"code": f"zz_{next(self.numbers)}", "name": f"Language {next(self.numbers)}"},
            "whatsapp/templatecategories": lambda: {"name": f"CATEGORY_{next(self.numbers)}"},
        }

    def _made(self, path: str, body: Any) -> str:
        answer = self.session.post(f"{self.server}{BASE}/{path}", json=body, timeout=60)
        assert answer.ok, answer.text
        return answer.json()["id"]

    def number(self) -> dict[str, Any]:
        """One that is not in stock yet."""
        return {"number": f"+352661{next(self.numbers)}", "numberTypeId": self.types["numbertypes"]}

    def profile(self) -> dict[str, Any]:
        """One that is not there yet."""
        return {"name": "Acme", "image": IMAGE, "phoneNumber": f"+352671{next(self.numbers)}"}

    def item(self) -> str:
        """Something to decide."""
        self._made(f"whatsapp/{self.request}/profiles", self.profile())
        url, query = f"{self.server}{BASE}/requests", {"accountId": self.account, "kind": "profile"}
        total = int(self.session.get(url, params=query | {"take": "0"}, timeout=60).headers["X-Cm-Pagination-Total"])
        return self.session.get(url, params=query | {"skip": str(total - 1)}, timeout=60).json()[0]["id"]

    def aim(self, case: Case) -> None:
        """Lead two of three cases to objects that are there, with bodies that can be taken."""
        self.turn += 1
        if self.turn % 3 == 0:
            return
        path = case.path.removeprefix(f"{BASE}/")
        collection = path.partition("/{")[0]
        ours = {"accountId": self.account, "channelRequestId": self.request}
        if collection in self.types and case.method == "DELETE":
            ours |= dict.fromkeys(case.path_parameters, self._made(collection, self._bodies()[collection]()))
        elif collection in self.types:
            ours = dict.fromkeys(case.path_parameters, self.types[collection]) | ours
        if path.endswith("tokens/{tokenId}"):
            ours["tokenId"] = self._made(f"accounts/{self.account}/tokens", {"scopes": ["read"]})
        if "requestId" in case.path_parameters:
            ours["requestId"] = self.item()
        if "profileId" in case.path_parameters:
            ours["profileId"] = self._made(f"whatsapp/{self.request}/profiles", self.profile())
        if path == "phonenumbers/{phoneNumberId}":
            ours["phoneNumberId"] = self._made("phonenumbers", self.number())
        for name in case.path_parameters:
            case.path_parameters[name] = ours[name]
        if isinstance(case.query, dict) and path == "charges":
            case.query["month"] = "2026-01"
        if isinstance(case.query, dict) and case.query.get("since"):
            case.query["since"] = "2020-01-31T12:00:00Z"
        if case.method in ("POST", "PUT"):
            case.body = self._body(case.method, path, collection, case.body)

    def _body(self, method: str, path: str, collection: str, body: Any) -> Any:
        if path == "phonenumbers":
            return [self.number()] if isinstance(body, list) else self.number()
        if path.endswith("/tokens"):
            return {"scopes": ["read"]}
        if path.endswith("/profiles"):
            return self.profile()
        if path.endswith("/approve"):
            return {}
        if path.endswith("/reject"):
            return {"reason": "No"}
        if path.startswith("whatsapp/{channelRequestId}"):
            return {"providerId": "1"}
        if collection in self.types:
            return self._bodies()[collection]() if method == "POST" else {}
        return body


@pytest.fixture(scope="session")
async def desk(server: Server, db: Pool) -> Desk:
    """One installation for all operations of this worker."""
    account = (await accounts.create(db, ids.new_id(), "Alice", "LU", ids.now())).id
    token = await tokens.create(db, None, ids.new_id(), name="operator", scopes=["operator"], now=ids.now())
    return Desk(server.url, token, str(account), str(await whatsapp(db, account)))


def send(case: Case, desk: Desk) -> int:
    """Send one generated request and check the answer; its status."""
    desk.aim(case)
    return case.call_and_validate(base_url=desk.server, session=desk.session, checks=CHECKS, timeout=20).status_code


@SCHEMA.parametrize()
@hypothesis.settings(max_examples=8, deadline=None, derandomize=True, database=None, suppress_health_check=list(hypothesis.HealthCheck))
def test_operation(case: Case, desk: Desk, statuses: set[int]) -> None:
    statuses.add(send(case, desk))


@pytest.mark.soak
@SCHEMA.parametrize()
@hypothesis.settings(max_examples=500, deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck))
def test_operation_at_length(case: Case, desk: Desk, statuses: set[int]) -> None:
    statuses.add(send(case, desk))


@pytest.mark.parametrize("format", ["json", "csv"])
def test_charges_in_either_form(format: str, desk: Desk) -> None:
    case = SCHEMA[f"{BASE}/charges"]["GET"].Case(query={"month": "2026-01", "format": format})
    assert case.call_and_validate(base_url=desk.server, session=desk.session, checks=CHECKS, timeout=20).status_code == 200


def test_an_approval_needs_no_body() -> None:
    assert not DOCUMENT["paths"][f"{BASE}/requests/{{requestId}}/approve"]["post"]["requestBody"].get("required")


def test_money_is_a_number() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    costs = [(name, type) for model in schemas.values() for name, type in model["properties"].items() if name.endswith("Cost")]
    assert len(costs) == 2 * (2 + 4)
    assert all(type.get("type") == "number" or {"type": "number"} in type["oneOf"] for _, type in costs)


async def test_the_server_serves_this_document(anonymous: httpx.AsyncClient) -> None:
    answer = await anonymous.get(f"{REFERENCE}/openapi.json")
    assert answer.status_code == 200
    assert answer.json() == DOCUMENT


def test_the_document_is_openapi_3_1() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    SCHEMA.validate()


def test_every_route_is_in_the_document() -> None:
    routes = {(method, route.path_format) for route in OPERATOR.routes for method in route.methods if method != "OPTIONS"}  # type: ignore[union-attr]
    documented = {(method.upper(), path) for path, operations in DOCUMENT["paths"].items() for method in operations}
    assert {(method, path) for method, path in routes if not path.startswith(REFERENCE)} == documented


def test_every_operation_says_what_it_does() -> None:
    for path, operations in DOCUMENT["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], f"{method} {path}"
            unsaid = [name["name"] for name in operation.get("parameters", ()) if name["in"] == "query" and not name.get("description")]
            assert not unsaid, f"{method} {path}: {unsaid}"


async def test_the_reference_page(anonymous: httpx.AsyncClient) -> None:
    page = await anonymous.get(REFERENCE, headers={"accept": "text/html"})
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "https://" not in page.text
