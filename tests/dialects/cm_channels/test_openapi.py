"""The OpenAPI document tells the truth: whatever it allows is sent, and the answers are what it says."""

import csv
import itertools
from pathlib import Path
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

from reachbook.core import accounts, catalogues, ids, one_time_codes, profiles, tokens
from reachbook.database.pool import Pool
from reachbook.dialects.cm_channels import REFERENCE
from tests.core import channels
from tests.routes import CM_CHANNELS
from tests.support import Server

ENDPOINTS = Path(__file__).parents[2] / "data" / "endpoints.tsv"
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
SETTINGS: dict[str, Any] = {"deadline": None, "suppress_health_check": list(hypothesis.HealthCheck)}
STOCK = 60

# Tests are made when they are collected, before there is a server: a test below holds that it serves this very document.
DOCUMENT: dict[str, Any] = CM_CHANNELS.openapi_schema.to_schema()
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT, config=SchemathesisConfig(seed=0))

UNREADABLE = ("skip", "take", "isPending", "isOwned", "isShared", "isShortcode", "simulate", "country", "channelTypeId")
"""Parameters that must be of a form that the document can hardly give, or leave nothing to see."""

CONTENT = {"languages": {"en": {"content": "Hello {{1}}, welcome."}}}


class Book:
    """Alice's account for the generated requests, over one connection that is kept."""

    def __init__(self, url: str, account: str, token: str, made: dict[str, str]) -> None:
        self.url, self.account, self.made = url, account, made
        self.session = requests.Session()
        self.session.headers["X-CM-PRODUCTTOKEN"] = token
        self.turns = itertools.count()

    def call(self, method: str, path: str, json: Any = None, **query: str) -> Any:
        """What is answered to a good request."""
        url = f"{self.url}/channels/v1/accounts/{self.account}/{path}"
        answer = self.session.request(method, url, json=json, params=query, timeout=60)
        assert answer.ok, answer.text
        return answer.json()

    def aim(self, case: Case) -> None:
        """Leave every third case as it was made, and lead the others to things that are there: what one deletes the next one has."""
        if "accountId" in case.path_parameters:
            case.path_parameters["accountId"] = self.account
        turn = next(self.turns)
        if turn % 3 == 2 or case.method.lower() not in DOCUMENT["paths"][case.path]:
            return
        parameters = case.path_parameters
        wanted = {name for name in ("channelRequestId", "channelTypeId") if name in parameters}
        parameters |= {name: self.made[name] for name in wanted}
        query = case.query = {name: value for name, value in (case.query or {}).items() if name not in UNREADABLE}
        if {"channelId", "keywordClaimId"} & set(parameters):
            self._aim_at_a_channel(case, turn)
        if "/whatsapp/" in case.path:
            self._aim_at_whatsapp(case, query)
        elif case.path.endswith("/keywords") and case.method == "POST":
            case.body = {"phoneNumberId": self.made["shared"], "keyword": f"POSTED{turn}"}
        elif "phoneNumberId" in parameters:
            asked = self.call("POST", "phonenumbers/requests", numberTypeId=self.made["numberTypeId"])
            parameters["phoneNumberId"] = asked.get("phoneNumberId", self.made["shared"])
        elif case.path.endswith("/requests") and case.method == "POST":
            query |= {"numberTypeId": self.made["emptyTypeId"], "channelTypeId": self.made["sms"]}

    def _aim_at_a_channel(self, case: Case, turn: int) -> None:
        """A new one: what this case adds to it or takes away is in nobody's way."""
        parameters = case.path_parameters
        claim = self.call("POST", "keywords", {"phoneNumberId": self.made["shared"], "keyword": f"WORD{turn}"})
        for name, id in (("channelId", claim["channelId"]), ("keywordClaimId", claim["id"])):
            if name in parameters:
                parameters[name] = id
        of_channel = f"channels/{claim['channelId']}/configuration"
        endpoint = {"endpoint": {"url": "https://hooks.example.com/in"}}
        address = {"email": {"address": "desk@example.com"}}
        if "configurationId" in parameters:
            parameters["configurationId"] = self.call("GET", of_channel)["inbound"]["webhook"]["id"]
            case.query = {"enabled": "true"} if case.method == "PUT" else {}
        if "webhookId" in parameters:
            parameters["webhookId"] = self.call("POST", f"{of_channel}/webhook", endpoint)["endpoints"][0]["id"]
        if "eventwebhookId" in parameters:
            parameters["eventwebhookId"] = self.call("POST", f"{of_channel}/eventwebhook", endpoint)["endpoint"]["id"]
        if "addressId" in parameters:
            parameters["addressId"] = self.call("POST", f"{of_channel}/email", address)["addresses"][0]["id"]
        if case.method in ("POST", "PUT") and "configurationId" not in parameters:
            case.body = {"enabled": True} if case.path.endswith("log") else address if "/email" in case.path else endpoint

    def _aim_at_whatsapp(self, case: Case, query: dict[str, Any]) -> None:
        parameters, made = case.path_parameters, self.made
        query.pop("q", None)
        if "languageId" in query or case.path.endswith("/languages"):
            query["languageId"] = made["languageId"]
        if "profileId" in parameters:
            parameters["profileId"] = made["sending" if case.path.endswith("/otp") and case.method == "GET" else "waiting"]
            query |= {"phoneNumber": made["phone"], "otp": made["otp"], "otpMethod": "sms"}
        if case.path.endswith("/phonenumber"):
            parameters["profileId"] = made["renumbered"]
        if case.path.endswith("/templates") and case.method == "POST":
            query["templateCategoryId"], case.body = made["templateCategoryId"], {"name": "TEMPLATE NAME"}
        if "templateId" in parameters:
            of = f"whatsapp/{made['channelRequestId']}/templates"
            template = self.call("POST", of, {"name": "TEMPLATE NAME"}, templateCategoryId=made["templateCategoryId"])
            parameters["templateId"] = template["id"]
            fields = self.call("POST", f"{of}/{template['id']}/fields", name="FIELDNAME", type="text")["settings"]["replacementFields"]
            self.call("PUT", f"{of}/{template['id']}", CONTENT)
            if "fieldId" in parameters:
                parameters["fieldId"] = fields[0]["id"]
            if "/fields" in case.path:
                query |= {"name": "FIELDNAME2", "type": "currency"}
            elif case.method == "PUT":
                case.body = {"name": "OTHER NAME", **CONTENT}


@pytest.fixture(scope="session")
async def book(server: Server, db: Pool) -> Book:
    """One account for all operations of this worker."""
    now = ids.now()
    account = await accounts.create(db, ids.new_id(), "Alice", "NL", now)
    token = await tokens.create(db, account.id, ids.new_id(), name="Alice", scopes=tokens.ACCOUNT_SCOPES, now=now)
    request = await channels.whatsapp(db, account.id, now)
    await channels.activate(db, account.id, request, "en")
    sending, waiting, renumbered = [await channels.profile(db, account.id, request, now=now) for _ in range(3)]
    await profiles.start_code(db, account.id, request, waiting.id, "sms", senders=one_time_codes.Senders(), now=now)
    code = await channels.open_code(db, account.id, waiting.id, now)
    assert code is not None
    type, empty = await channels.number_type(db), await channels.number_type(db)
    await channels.stock(db, type, STOCK, now=now)
    [shared] = await channels.stock(db, type, is_shared=True, now=now)
    whatsapp = await catalogues.channel_type_by_key(db, catalogues.WHATSAPP)
    sms = await catalogues.channel_type_by_key(db, catalogues.SMS)
    made = {
        "channelRequestId": str(request),
        "channelTypeId": str(whatsapp.id),
        "sms": str(sms.id),
        "languageId": str((await catalogues.languages(db))[0].id),
        "templateCategoryId": str(await channels.category(db)),
        "sending": str(sending.id),
        "waiting": str(waiting.id),
        "renumbered": str(renumbered.id),
        "phone": waiting.phone,
        "otp": code.digits,
        "numberTypeId": str(type.id),
        "emptyTypeId": str(empty.id),
        "shared": shared,
    }
    return Book(server.url, str(account.id), token, made)


def send(case: Case, book: Book) -> int:
    """Send one generated request and check the answer; its status."""
    book.aim(case)
    return case.call_and_validate(base_url=book.url, session=book.session, checks=CHECKS, timeout=60).status_code


@SCHEMA.parametrize()
@hypothesis.settings(max_examples=6, derandomize=True, database=None, **SETTINGS)
def test_operation(case: Case, book: Book, statuses: set[int]) -> None:
    statuses.add(send(case, book))


@pytest.mark.soak
@SCHEMA.parametrize()
@hypothesis.settings(max_examples=300, database=None, **SETTINGS)
def test_operation_at_length(case: Case, book: Book, statuses: set[int]) -> None:
    statuses.add(send(case, book))


def test_channels_and_their_configurations_with_everything_fit_the_document(book: Book) -> None:
    word = f"WHOLE{next(book.turns)}"
    claim = book.call("POST", "keywords", {"phoneNumberId": book.made["shared"], "keyword": word})
    of_channel = f"channels/{claim['channelId']}/configuration"
    for what in ("webhook", "eventwebhook", "customercontact"):
        book.call("POST", f"{of_channel}/{what}", {"endpoint": {"url": "https://hooks.example.com/in"}})
    book.call("POST", f"{of_channel}/email", {"email": {"address": "desk@example.com"}})
    for path in ("/channels", "/channels/{channelId}/configuration", "/whatsapp/{channelRequestId}/profiles"):
        operation = SCHEMA[f"/channels/v1/accounts/{{accountId}}{path}"]["GET"]
        parameters = {"accountId": book.account, "channelId": claim["channelId"], "channelRequestId": book.made["channelRequestId"]}
        named = {name: value for name, value in parameters.items() if f"{{{name}}}" in operation.path}
        answer = operation.Case(path_parameters=named).call_and_validate(base_url=book.url, session=book.session, checks=CHECKS, timeout=60)
        assert answer.status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "arguments", "status"),
    [
        ("POST", "/keywords", {"json": {}}, 400),
        ("POST", "/keywords", {"data": b" " * (20 * 2**20 + 1)}, 413),
        ("GET", "/channels", {"headers": {"X-CM-PRODUCTTOKEN": "nothing"}}, 401),
        ("GET", "/channels/types/{channelTypeId}", {}, 404),
        ("GET", "/whatsapp/{channelRequestId}/profiles/{profileId}/phonenumber/otp", {"params": {"otpMethod": "sms"}}, 429),
    ],
    ids=["no keyword", "too large", "a token", "no such type", "too often"],
)
def test_what_is_refused(method: str, path: str, arguments: dict[str, Any], status: int, book: Book) -> None:
    """By the status of the refusal the document has its shape."""
    given = {"channelTypeId": book.account, "channelRequestId": book.made["channelRequestId"], "profileId": book.made["sending"]}
    url = f"{book.url}/channels/v1/accounts/{book.account}{path.format(**given)}"
    if status == 429:
        book.session.request(method, url, timeout=60, **arguments)
    answer = book.session.request(method, url, timeout=60, **arguments)
    assert answer.status_code == status
    assert set(answer.json()) <= {"message", "MessageDetail", "errors"}
    SCHEMA[f"/channels/v1/accounts/{{accountId}}{path}"][method].validate_response(answer)


async def test_the_server_serves_this_document(anonymous: httpx.AsyncClient) -> None:
    assert (await anonymous.get(f"{REFERENCE}/openapi.json")).json() == DOCUMENT


def test_the_document_is_openapi_3_1() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    SCHEMA.validate()


def endpoints() -> dict[tuple[str, str], dict[str, Any]]:
    """What the specification's list has; `channel` and `channels` are one in the document."""
    with ENDPOINTS.open() as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["dialect"] == "cm_channels"]
    return {(row["method"], row["path"].replace("/channel/", "/channels/")): row for row in rows}


def test_every_endpoint_is_in_the_document_and_no_other() -> None:
    documented = {(method.upper(), path) for path, operations in DOCUMENT["paths"].items() for method in operations}
    assert len(endpoints()) == 51
    assert set(endpoints()) == documented


def test_every_operation_says_what_it_does_and_answers() -> None:
    for path, operations in DOCUMENT["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], f"{method} {path}"
            unsaid = [name["name"] for name in operation.get("parameters", ()) if name["in"] == "query" and not name.get("description")]
            assert not unsaid, f"{method} {path}: {unsaid}"
            assert {"400", "401", "403", "404", "409", "413", "503"} <= set(operation["responses"]), f"{method} {path}"


def test_every_operation_asks_for_a_token() -> None:
    assert DOCUMENT["security"] == [{"productToken": []}]
    scheme = DOCUMENT["components"]["securitySchemes"]["productToken"]
    assert (scheme["type"], scheme["in"], scheme["name"]) == ("apiKey", "header", "X-CM-PRODUCTTOKEN")
    assert not [path for path, operations in DOCUMENT["paths"].items() for one in operations.values() if "security" in one]


async def test_the_reference_page(anonymous: httpx.AsyncClient) -> None:
    page = await anonymous.get(REFERENCE, headers={"accept": "text/html"})
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "https://" not in page.text
