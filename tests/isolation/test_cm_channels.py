"""Another account's things on CM Channels' wire: below one's own, in bodies and queries, and a rented number on every call."""

from typing import Any

import asyncpg
import httpx
import pytest

from reachbook.core import ids, tokens
from reachbook.database.pool import Pool
from tests.core import channels
from tests.isolation.channels import BASE, KEYWORD, objects
from tests.isolation.world import Request, World, everything_of, told
from tests.support import Client


def asked(account: object, method: str, path: str, query: dict[str, Any] | None = None, json: Any = None) -> Request:
    """Below an account."""
    return Request(method, f"{BASE.format(accountId=account)}/{path}", query or {}, json)


async def test_her_things_below_his_own(
    alice: Client, bob: Client, anonymous: httpx.AsyncClient, db: Pool, owner: asyncpg.Connection, world: World
) -> None:
    """Bob has one of everything too: one id of hers in a path of his ids is enough to be refused."""
    hers, his = world.channels.parameters, (await objects(db, bob.account)).parameters
    before = await everything_of(owner, alice)
    endpoint, address = {"endpoint": {"url": "https://hooks.example.com/taken"}}, {"email": {"address": "taken@example.com"}}
    configured = "channels/{channelId}/configuration"
    profile, template = "whatsapp/{channelRequestId}/profiles/{profileId}", "whatsapp/{channelRequestId}/templates/{templateId}"
    ways: list[tuple[str, str, str, dict[str, Any], Any]] = [
        ("GET", configured + "/{configurationId}", "configurationId", {}, None),
        ("PUT", configured + "/{configurationId}", "configurationId", {"enabled": "false"}, None),
        ("PUT", configured + "/webhook/{webhookId}", "webhookId", {}, endpoint),
        ("DELETE", configured + "/webhook/{webhookId}", "webhookId", {}, None),
        ("PUT", configured + "/eventwebhook/{eventwebhookId}", "eventwebhookId", {}, endpoint),
        ("DELETE", configured + "/eventwebhook/{eventwebhookId}", "eventwebhookId", {}, None),
        ("PUT", configured + "/email/{addressId}", "addressId", {}, address),
        ("DELETE", configured + "/email/{addressId}", "addressId", {}, None),
        ("GET", profile, "profileId", {}, None),
        ("PUT", profile + "/phonenumber", "profileId", {"phoneNumber": "+31627100077"}, None),
        ("GET", profile + "/phonenumber/otp", "profileId", {"otpMethod": "sms"}, None),
        ("POST", profile + "/phonenumber/otp", "profileId", {"phoneNumber": "+31627100077", "otp": "000000"}, None),
        ("GET", template, "templateId", {}, None),
        ("PUT", template, "templateId", {}, {"name": "Taken"}),
        ("POST", template + "/validate", "templateId", {}, None),
        ("POST", template + "/fields", "templateId", {"name": "Taken", "type": "text"}, None),
        ("PUT", template + "/fields/{fieldId}", "fieldId", {"name": "Taken", "type": "text"}, None),
        ("DELETE", template + "/fields/{fieldId}", "fieldId", {}, None),
    ]
    for method, path, name, query, json in ways:
        spelled = [path, path.replace("channels/", "channel/", 1)] if path.startswith(configured) else [path]
        for one in spelled:
            request = asked(bob.account, method, one.format(**his | {name: hers[name]}), query, json)
            refused = await request.send(anonymous, bob.token)
            assert refused.status_code == 404, (request, refused.text)
            never = str(ids.new_id())
            unknown = await asked(bob.account, method, one.format(**his | {name: never}), query, json).send(anonymous, bob.token)
            assert (unknown.status_code, unknown.text.replace(never, "")) == (404, refused.text.replace(hers[name], "")), request
    assert await everything_of(owner, alice) == before


def spellings(number: str) -> list[str]:
    """How a number can be written."""
    return [number, f"+{number}", f"00{number}", f" {number} "]


async def test_an_owned_number_is_invisible(
    alice: Client, bob: Client, anonymous: httpx.AsyncClient, owner: asyncpg.Connection, world: World
) -> None:
    """On every call that takes a number, however it is written; as is one that nobody ever had."""
    before = await everything_of(owner, alice)
    hers, never = world.channels.parameters["phoneNumberId"], "31970999999999"

    def ways(number: str) -> list[tuple[int, Request]]:
        lists = [
            {},
            {"query": number[-4:]},
            {"query": number, "isOwned": "true"},
            {"query": number, "isOwned": "false"},
            {"isShared": "false"},
            {"isShared": "true", "query": number},
            {"isShortcode": "false", "country": "NL"},
            {"skip": "0", "take": "10000"},
        ]
        made = [(200, asked(bob.account, "GET", "phonenumbers", query)) for query in lists]
        for written in spellings(number):
            made += [(404, asked(bob.account, method, f"phonenumbers/{written}")) for method in ("GET", "DELETE")]
            for name in ("phoneNumberId", "phoneNumber"):
                for simulate in ("true", "false"):
                    body = {name: written, "keyword": KEYWORD}
                    made.append((404, asked(bob.account, "POST", "keywords", {"simulate": simulate}, body)))
            made.append((200, asked(bob.account, "GET", "keywords", {"phoneNumber": [written]})))
        made.append((200, asked(bob.account, "GET", "keywords", {"keyword": KEYWORD})))
        return [*made, (200, asked(bob.account, "GET", "phonenumbers/requests")), (200, asked(bob.account, "GET", "channels"))]

    for (status, request), (_, unknown) in zip(ways(hers), ways(never), strict=True):
        answer, of_none = await request.send(anonymous, bob.token), await unknown.send(anonymous, bob.token)
        assert answer.status_code == of_none.status_code == status, (request, answer.text)
        assert answer.text.replace(hers, "") == of_none.text.replace(never, ""), request
        assert not [secret for secret in world.secrets if secret in told(answer) and not request.says(secret)], request
        if status == 200:
            assert hers not in answer.text, request
    assert await everything_of(owner, alice) == before
    seen = await asked(alice.account, "GET", "phonenumbers", {"query": hers}).send(anonymous, alice.token)
    assert [number["id"] for number in seen.json()] == [hers]


async def test_what_she_gave_back_says_nothing_of_her(bob: Client, anonymous: httpx.AsyncClient, alice: Client, db: Pool) -> None:
    """A number goes from her to him: he sees that it is his, and nothing of what it was hers for."""
    type = await channels.number_type(db)
    number = await channels.rent(db, alice.account, type, ids.now())
    claim = await channels.claim(db, alice.account, number, KEYWORD, now=ids.now())
    assert (await asked(alice.account, "DELETE", f"phonenumbers/{number}").send(anonymous, alice.token)).status_code == 204
    assert (await asked(bob.account, "GET", f"phonenumbers/{number}").send(anonymous, bob.token)).status_code == 404
    await db.execute("UPDATE phone_number SET state = 'free', rests_until = NULL WHERE id = $1", number)  # thirty days later
    given = await asked(bob.account, "POST", "phonenumbers/requests", {"numberTypeId": str(type.id)}).send(anonymous, bob.token)
    assert given.json()["phoneNumberId"] == number
    taken = await asked(bob.account, "POST", "keywords", {}, {"phoneNumberId": number, "keyword": KEYWORD}).send(anonymous, bob.token)
    assert taken.status_code == 201, taken.text
    listed = await asked(bob.account, "GET", "keywords").send(anonymous, bob.token)
    assert [one["id"] for one in listed.json()] == [taken.json()["id"]]
    assert str(alice.account) not in given.text + taken.text + listed.text
    assert (await asked(alice.account, "GET", f"phonenumbers/{number}").send(anonymous, alice.token)).status_code == 404
    problems = await asked(alice.account, "GET", f"keywords/{claim.id}/verify").send(anonymous, alice.token)
    assert any(number in problem for problem in problems.json())
    assert str(bob.account) not in problems.text


@pytest.mark.parametrize("scopes", [["read"], ["write"]], ids=str)
async def test_a_one_time_password_takes_both_scopes(
    scopes: list[str], alice: Client, anonymous: httpx.AsyncClient, db: Pool, world: World
) -> None:
    """It is a GET that sends something."""
    token = await tokens.create(db, alice.account, ids.new_id(), name="some", scopes=scopes, now=ids.now())
    path = "whatsapp/{channelRequestId}/profiles/{profileId}/phonenumber/otp".format(**world.channels.parameters)
    request = asked(alice.account, "GET", path, {"otpMethod": "sms"})
    assert (await request.send(anonymous, token)).status_code == 403
    assert (await request.send(anonymous, alice.token)).status_code == 202
