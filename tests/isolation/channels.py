"""What Alice has of channels, and how one asks for it on CM Channels' wire."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import argon2

from reachbook.core import catalogues, channel_requests, configurations, ids, profiles
from reachbook.core import channels as core
from reachbook.core.configurations import Draft
from reachbook.core.ids import AccountId
from reachbook.database.pool import Pool
from tests.core import channels
from tests.isolation.world import Channels, Request

BASE = "/channels/v1/accounts/{accountId}"
OBJECTS = ("channelRequestId", "channelId", "configurationId", "addressId", "webhookId", "eventwebhookId")
OBJECTS += ("profileId", "templateId", "keywordClaimId", "phoneNumberId")
READING = ("GET", "HEAD", "OPTIONS")
KEYWORD, CODE = "JABBERWOCK", "424242"
HASH = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(CODE)
"""One that takes no time: every test has a world."""


async def objects(db: Pool, account: AccountId) -> Channels:
    """One of everything: a WhatsApp request with a template and a profile, an owned number, a request that waits, a claim and its inbound
    configuration with an endpoint of every kind.
    """
    now = ids.now()
    request = await channels.whatsapp(db, account, now)
    business = await channel_requests.business_account(db, account, request)
    contents = {"en": "Curiouser {{1}} curiouser!"}
    template = await channels.template(db, account, request, contents, fields=1, name="Looking glass", now=now)
    profile = await channels.profile(db, account, request, now=now)
    started = now - timedelta(minutes=2)  # so that another one may be sent
    await db.execute(profiles.START, account, profile.id, HASH, None, "sms", now + timedelta(minutes=8), [started], started)
    type = await channels.number_type(db)
    number = await channels.rent(db, account, type, now)
    waits = await channels.ask(db, account, type, now=now)
    claim = await channels.claim(db, account, number, KEYWORD, now=now)
    elements = {name: await endpoint(db, account, claim.channel_id, *drawn) for name, drawn in ELEMENTS.items()}
    inbound = await configurations.of_group(db, account, (await core.get(db, account, claim.channel_id)).group_id)
    parameters = {
        **elements,
        "channelTypeId": str((await catalogues.channel_type_by_key(db, catalogues.SMS)).id),
        "channelRequestId": str(request),
        "channelId": str(claim.channel_id),
        "configurationId": str(inbound["webhook"].id),
        "profileId": str(profile.id),
        "templateId": str(template.id),
        "fieldId": str(template.fields[0].id),
        "keywordClaimId": str(claim.id),
        "phoneNumberId": number,
    }
    needed = {
        "bare": str(template.channel_id),
        "language": str(template.languages[0].language.id),
        "category": str(template.category.id),
        "type": str(type.id),
        "phone": profile.phone,
        "code": CODE,
    }
    read = {value for name, value in parameters.items() if name != "channelTypeId"}
    said = {*contents.values(), "Looking glass", "looking_glass", profile.phone.removeprefix("+"), business.namespace, str(business.id)}
    others = {str(waits.id), str(waits.channel_id), str(template.channel_id), str(profile.channel_id), "walrus", KEYWORD}
    return Channels(parameters, needed, {*read, *said, *others})


WALRUS = "https://hooks.walrus.example/in"
ELEMENTS = {
    "webhookId": ("webhook", Draft(url=WALRUS)),
    "eventwebhookId": ("eventWebhook", Draft(url=WALRUS)),
    "addressId": ("email", Draft(address="oysters@walrus.example")),
}
"""Path names of elements → the configurations that they are of, and what they are."""


async def endpoint(db: Pool, account: AccountId, channel: UUID, kind: str, draft: Draft) -> str:
    """The id of a new one."""
    made = await configurations.add(db, account, channel, kind, draft, allowed=(), now=ids.now())
    return str(made.endpoints[-1].id)


def requests(method: str, path: str, account: str, of: Channels) -> list[Request]:
    """With what the route takes and without; configurations in either spelling."""
    rest, named = path.removeprefix(BASE), of.parameters
    if method == "POST" and rest.endswith("/eventwebhook"):
        named = named | {"channelId": of.needed["bare"]}  # the other has its only one
    spelled = [rest, rest.replace("/channels/", "/channel/", 1)] if "/configuration" in rest else [rest]
    queries = [{}, query_of(method, rest, of)]
    json = None if method in READING else body_of(of)
    urls = [BASE.format(accountId=account) + one.format(**named) for one in spelled]
    return [Request(method, url, query, json) for url in urls for query in queries]


def query_of(method: str, rest: str, of: Channels) -> dict[str, Any]:
    """What a route takes, naming what is Alice's."""
    number, needed = of.parameters["phoneNumberId"], of.needed
    match rest.rpartition("/")[2]:
        case "keywords":
            return {"phoneNumber": number, "keyword": KEYWORD} if method == "GET" else {"simulate": "false"}
        case "phonenumbers":
            return {"query": number}
        case "requests":
            return {"channelTypeId": of.parameters["channelTypeId"], "numberTypeId": needed["type"], "isPending": "true"}
        case "{configurationId}":
            return {"enabled": "false"}
        case "languages" | "templates" | "profiles":
            return {"languageId": needed["language"], "templateCategoryId": needed["category"], "take": "10"}
        case "phonenumber":
            return {"phoneNumber": "+31627100077"}
        case "otp":
            return {"otpMethod": "sms", "phoneNumber": needed["phone"], "otp": needed["code"]}
        case "fields" | "{fieldId}":
            return {"name": "Taken", "type": "currency"}
        case _:
            return {"take": "10"}


def body_of(of: Channels) -> dict[str, Any]:
    """What every route takes one part of."""
    return {
        "enabled": True,
        "endpoint": {"url": "https://hooks.example.com/taken"},
        "email": {"address": "taken@example.com"},
        "phoneNumberId": of.parameters["phoneNumberId"],
        "keyword": "TAKEN",
        "name": "Taken",
        "languages": {"English": {"content": "Taken over {{1}} completely."}},
    }
