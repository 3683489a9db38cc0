"""The OpenAPI document tells the truth: whatever it allows is sent, and the answers are what it says."""

import io
import time
from collections.abc import Mapping
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
from reachbook.dialects.own import REFERENCE
from tests.dialects.own.behind import Behind
from tests.dialects.own.support import AT_WORK, table
from tests.routes import OWN
from tests.support import Server

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
LONG_AGO = "2020-01-31T12:00:00Z"
FILE = table(["First name", "Phone"], ["Ann", "0627100001"], ["Ben", "627"])
# Tests are made when they are collected, before there is a server: a test below holds that it serves this very document.
DOCUMENT: dict[str, Any] = OWN.openapi_schema.to_schema()
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT, config=SchemathesisConfig(seed=0))


class Book:
    """Alice's account for the generated requests, over one connection that is kept. `desk` is what messages come in by: her number with
    its channel, an endpoint to which nobody sends, and a gateway's token.
    """

    def __init__(self, url: str, account: str, token: str, desk: Mapping[str, str]) -> None:
        self.server, self.account, self.url = url, account, f"{url}/v1/accounts/{account}"
        self.desk, self.turn = desk, 0
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {token}"
        groups, header = f"{url}/addressbook/v2/accounts/{account}/groups", {"X-CM-PRODUCTTOKEN": token}
        self.group = self._post(groups, json={"name": "Readers"}, headers=header)["id"]
        self.done = self._over(self.upload(), "start")
        self.previewed = self._over(self.upload(), "preview")
        self.receive("Hello")
        self.delivery = self.session.get(f"{self.url}/deliveries", timeout=60).json()[0]["id"]

    def _post(self, url: str, **arguments: Any) -> dict[str, Any]:
        answer = self.session.post(url, timeout=60, **arguments)
        assert answer.ok, answer.text
        return answer.json()

    def _over(self, id: str, verb: str) -> str:
        self._post(f"{self.url}/imports/{id}/{verb}", json={"groupId": self.group})
        while self.session.get(f"{self.url}/imports/{id}", timeout=60).json()["state"] in AT_WORK:
            time.sleep(0.05)
        return id

    def upload(self) -> str:
        """A new import that is ready."""
        return self._post(f"{self.url}/imports", data=FILE.encode())["id"]

    def cancelled(self) -> str:
        """A new one that is over, and can be undone."""
        id = self.upload()
        self._post(f"{self.url}/imports/{id}/cancel")
        return id

    def segment(self) -> str:
        """A new segment."""
        body = {"name": "Readers", "filter": {"attribute": "phone", "operator": "NOT_NULL"}}
        return self._post(f"{self.url}/segments", json=body)["id"]

    def receive(self, text: str) -> None:
        """A message comes in."""
        message = {"from": {"number": "+31612345678"}, "to": {"number": self.desk["number"]}, "message": {"text": text}, "channel": "SMS"}
        self._post(f"{self.server}/gateway/v1/messages", json=message, headers={"Authorization": f"Bearer {self.desk['gateway']}"})

    def review(self) -> str:
        """A new one, open."""
        self.receive("stop please")
        return self.session.get(f"{self.url}/reviews", timeout=60).json()[0]["id"]

    def word(self) -> str:
        """One of a hundred words, which is there."""
        return self._post(f"{self.url}/consentwords", json={"word": f"word{self.turn % 100}", "means": "stop"})["word"]

    def aim(self, case: Case) -> None:
        """Lead a case to this account, and two of three to objects that are there."""
        case.path_parameters["accountId"] = self.account
        self.turn += 1
        chance = self.turn % 6
        if chance < 2:
            return
        for name in [name for name in case.headers or {} if name.lower() == "idempotency-key"]:
            case.headers[name] = str(ids.new_id())  # a short one comes again and again, with other requests
        for name in set(case.path_parameters) - {"accountId"}:
            case.path_parameters[name] = self._object(name, case, chance)
        if isinstance(case.body, dict):
            case.body |= self._body(case.path, chance)
        if isinstance(case.query, dict):
            case.query |= {name: value for name, value in self._sought(case.path).items() if case.query.get(name)}

    def _object(self, name: str, case: Case, chance: int) -> str:
        """What a part of the path names."""
        if name == "importId":
            waits = case.method == "POST" and case.path.endswith("/preview") and chance > 2  # for a worker: most get their refusal
            return self.done if waits else self._import_for(case.method, case.path)
        made = {"segmentId": self.segment, "reviewId": self.review, "word": self.word}
        return made[name]() if name in made else {"deliveryId": self.delivery, "endpointId": self.desk["endpoint"]}[name]

    def _body(self, path: str, chance: int) -> dict[str, Any]:
        """What a body must have to be taken."""
        if "/segments" in path:
            return {"name": "Readers", "groupId": self.group, "filter": {"attribute": "email", "operator": "IS_NULL"}}
        if path.endswith("/consentwords"):
            return {"word": f"word{self.turn % 100}", "means": "start"}
        if path.endswith("/deliveries/replay"):
            return {"since": LONG_AGO, "endpointId": self.desk["endpoint"] if chance > 3 else None, "state": "pending"}
        if path.endswith(("/preview", "/start")):
            options = {"groupId": self.group, "matchIn": "account", "onMatch": "fill"}
            names = ("groupName", "mapping", "match", "region", "sheet", "encoding", "delimiter")
            return options | dict.fromkeys(names)
        return {}

    def _sought(self, path: str) -> dict[str, str]:
        """What a list is asked for, so that something is found."""
        sought = {"groupId": self.group, "kind": "webhook", "channelId": self.desk["channel"], "endpointId": self.desk["endpoint"]}
        return sought | {"state": "open" if path.endswith("/reviews") else "pending", "since": LONG_AGO}

    def _import_for(self, method: str, path: str) -> str:
        if path.endswith("/undo"):
            return self.cancelled()
        if method == "GET":
            return self.previewed if path.endswith("/preview") else self.done
        return self.upload()


@pytest.fixture(scope="session")
async def book(server: Server, db: Pool) -> Book:
    """One account for all operations of this worker."""
    account = await accounts.create(db, ids.new_id(), "Alice", "NL", ids.now())
    token = await tokens.create(db, account.id, ids.new_id(), name="Alice", scopes=tokens.ACCOUNT_SCOPES, now=ids.now())
    behind = Behind(db, account.id, account.id)
    number = await behind.number("number")
    channel = number["number_channel"]
    endpoint = (await behind.endpoint(channel, "webhook", "shop"))["shop"]
    await behind.log(channel)
    gateway = await tokens.create(db, None, ids.new_id(), name="gateway", scopes=["gateway"], now=ids.now())
    desk = {"number": number["number"], "channel": channel, "endpoint": endpoint, "gateway": gateway}
    return Book(server.url, str(account.id), token, desk)


def send(case: Case, book: Book) -> int:
    """Send one generated request and check the answer; its status."""
    book.aim(case)
    return case.call_and_validate(base_url=book.server, session=book.session, checks=CHECKS, timeout=20).status_code


@SCHEMA.parametrize()
@hypothesis.settings(max_examples=8, deadline=None, derandomize=True, database=None, suppress_health_check=list(hypothesis.HealthCheck))
def test_operation(case: Case, book: Book, statuses: set[int]) -> None:
    statuses.add(send(case, book))


@pytest.mark.soak
@SCHEMA.parametrize()
@hypothesis.settings(max_examples=500, deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck))
def test_operation_at_length(case: Case, book: Book, statuses: set[int]) -> None:
    statuses.add(send(case, book))


@pytest.mark.parametrize("query", [{"format": "csv"}, {"format": "csv", "rows": "duplicate"}, {"format": "json"}], ids=str)
def test_a_report_in_either_form(query: dict[str, str], book: Book) -> None:
    operation = SCHEMA["/v1/accounts/{accountId}/imports/{importId}/report"]["GET"]
    case = operation.Case(path_parameters={"accountId": book.account, "importId": book.done}, query=query)
    assert case.call_and_validate(base_url=book.server, session=book.session, checks=CHECKS, timeout=20).status_code == 200


@pytest.mark.parametrize("form", ["csv", "xlsx", "vcf", "jsonl"])
def test_an_export_in_every_form(form: str, book: Book) -> None:
    operation = SCHEMA["/v1/accounts/{accountId}/exports"]["GET"]
    case = operation.Case(path_parameters={"accountId": book.account}, query={"format": form, "groupId": book.group})
    assert case.call_and_validate(base_url=book.server, session=book.session, checks=CHECKS, timeout=20).status_code == 200


def test_a_form_with_a_file(book: Book) -> None:
    answer = book.session.post(f"{book.url}/imports", files={"file": ("customers.csv", io.BytesIO(FILE.encode()))}, timeout=20)
    SCHEMA["/v1/accounts/{accountId}/imports"]["POST"].validate_response(answer)


def test_steps_without_a_body(book: Book) -> None:
    """As the document has it, a start goes without a body when there was a preview."""
    body = DOCUMENT["paths"]["/v1/accounts/{accountId}/imports/{importId}/start"]["post"]["requestBody"]
    assert not body.get("required")


async def test_the_server_serves_this_document(anonymous: httpx.AsyncClient) -> None:
    answer = await anonymous.get(f"{REFERENCE}/openapi.json")
    assert answer.status_code == 200
    assert answer.json() == DOCUMENT


async def test_making_the_document_changes_no_answer(anonymous: httpx.AsyncClient, book: Book) -> None:
    """Litestar puts path parameters that a handler does not take among those that it does."""
    assert (await anonymous.get(f"{REFERENCE}/openapi.json")).status_code == 200
    answer = book.session.get(f"{book.url}/imports", params={"take": "x"}, timeout=20)
    assert [fault["field"] for fault in answer.json()["errors"]] == ["take"]


def test_the_document_is_openapi_3_1() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    SCHEMA.validate()


def test_every_route_is_in_the_document() -> None:
    routes = {(method, route.path_format) for route in OWN.routes for method in route.methods if method != "OPTIONS"}  # type: ignore[union-attr]
    documented = {(method.upper(), path) for path, operations in DOCUMENT["paths"].items() for method in operations}
    assert {(method, path) for method, path in routes if not path.startswith(REFERENCE)} == documented


def test_every_operation_says_what_it_does() -> None:
    for path, operations in DOCUMENT["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], f"{method} {path}"
            unsaid = [name["name"] for name in operation.get("parameters", ()) if name["in"] == "query" and not name.get("description")]
            assert not unsaid, f"{method} {path}: {unsaid}"


def test_every_post_has_its_key() -> None:
    for path, operations in DOCUMENT["paths"].items():
        if "post" in operations:
            headers = [name["name"] for name in operations["post"].get("parameters", ()) if name["in"] == "header"]
            assert headers == ["Idempotency-Key"], path


async def test_the_reference_page(anonymous: httpx.AsyncClient) -> None:
    page = await anonymous.get(REFERENCE, headers={"accept": "text/html"})
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "https://" not in page.text
