"""Every route of every dialect, from the apps themselves, so that a new one is walked without anybody adding it here.

One that names a new kind of object, or belongs to no account, fails until this file says what it is.
"""

from typing import Any

from tests.isolation import channels, inbound
from tests.isolation.world import OPTED_OUT, WORD, Request, World
from tests.routes import CM_ADDRESSBOOK, CM_CHANNELS, DEVINO, DIGITALEO, GATEWAY, META, OPERATOR, OWN

BASE = "/addressbook/v2/accounts/{accountId}"
V1 = "/addressbook/v1.0"
OWN_BASE = "/v1/accounts/{accountId}"
DIGITALEO_BASE = "/digitaleo/rest"
DEVINO_BASE = "/address-book-api"
GATEWAY_BASE = "/gateway/v1"
META_BASE = "/meta/v1"
OPERATOR_BASE = "/operator/v1"
READING = ("GET", "HEAD", "OPTIONS")
OBJECTS = ("groupId", "contactId", "fieldId", "importId", "segmentId", "deliveryId", "endpointId", "reviewId", *channels.OBJECTS)
OF_READY = ("/preview", "/start", "/cancel")
"""Routes whose import must not have been started yet."""
WALKED = {"cm_addressbook": CM_ADDRESSBOOK, "devino": DEVINO, "digitaleo": DIGITALEO, "gateway": GATEWAY, "meta": META, "own": OWN}
WALKED |= {"cm_channels": CM_CHANNELS, "operator": OPERATOR}
OTHER_BASES = (DEVINO_BASE, DIGITALEO_BASE, GATEWAY_BASE, META_BASE, OPERATOR_BASE)
REFERENCES = ("/addressbook/v2/reference", "/channels/v1/reference", "/v1/reference", *(f"{base}/reference" for base in OTHER_BASES))


def kind_of(path: str) -> str:
    """Whom a route belongs to. Everything is somebody's account's unless a line here says otherwise."""
    if path.startswith((f"{BASE}/", f"{OWN_BASE}/", f"{channels.BASE}/")):
        return "account"
    if path == "/echo/v1.0/sso2":
        return "token"  # tells whether the token is good, and nothing else
    if path == "/oauth/token":
        return "credentials"  # gives a token for an id and a secret
    if any(path == reference or path.startswith(f"{reference}/") for reference in REFERENCES):
        return "public"  # documentation: the same for everybody
    if path.startswith((f"{DEVINO_BASE}/", f"{DIGITALEO_BASE}/")):
        return "caller"  # the account is the token's, the path names none
    if path.startswith(f"{GATEWAY_BASE}/"):
        return "gateway"  # for the installation's own tokens; the accounts are in the body
    if path.startswith(f"{OPERATOR_BASE}/"):
        return "operator"  # for who stands behind the installation: all accounts, with a token that is none's
    if path.startswith(f"{META_BASE}/"):
        return "signed"  # for Meta, which has no token: it signs what it says of templates
    raise AssertionError(f"{path} belongs to no account: say here what it is")


def routes(kind: str, base: str = "/") -> list[tuple[str, str]]:
    """(method, path template) of the apps' routes of this kind, of those under a base."""
    apps = WALKED.values()
    every = sorted((method, route.path_format) for app in apps for route in app.routes for method in route.methods)  # type: ignore[union-attr]
    return [(method, path) for method, path in every if path.startswith(base) and kind_of(path) == kind]


def named(value: str) -> str:
    """A method or a path, short, as part of a test's name."""
    return value.removeprefix(BASE)


def requests(method: str, path: str, account: str, world: World) -> list[Request]:
    """Every way to ask for a route with what Alice has."""
    of_channels = path.startswith(channels.BASE)
    unknown = set(names(path)) - {"accountId"} - set(world.channels.parameters if of_channels else world.parameters)
    assert not unknown, f"give Alice one of {unknown}"
    if of_channels:
        return channels.requests(method, path, account, world.channels)
    make = _own_requests if path.startswith(OWN_BASE) else _cm_requests
    return make(method, path, account, world)


def _cm_requests(method: str, path: str, account: str, world: World) -> list[Request]:
    """By the v2 and the v1.0 path; what writes with a body that is an object and one that is an array."""
    ours = world.parameters
    query = {"groupIds": ours["groupId"], "contactIds": ours["contactId"], "q": WORD, "query": WORD, "includeHidden": "true"}
    row = {"name": "Taken", "firstName": "Mallory", "type": "sms", "value": OPTED_OUT, "isActive": False, "message": "Taken over"}
    bodies: list[Any] = [None] if method in READING else [row, [row]]
    rest = path.removeprefix(BASE).format(**ours)
    urls = [(BASE.format(accountId=account) + rest, query), (V1 + rest, query | {"accountId": account})]
    return [Request(method, url, asked, body) for url, asked in urls for body in bodies]


def _own_requests(method: str, path: str, account: str, world: World) -> list[Request]:
    """With the token in either header; by group and by search; an upload has a file for its body."""
    ours = world.parameters | ({"importId": world.ready} if path.endswith(OF_READY) else {})
    url = path.format(**ours | {"accountId": account})
    queries = [{"groupId": ours["groupId"], "format": "csv"}, {"search": WORD}]
    is_upload = method not in READING and path.endswith("/imports")
    json = None if method in READING or is_upload else {"groupId": ours["groupId"], "groupName": "Taken"}
    if json is not None and "/segments" in path:
        json = {"groupId": ours["groupId"], "name": "Taken", "filter": {"attribute": "last_name", "operator": "LIKE", "value": WORD}}
    if json is not None:
        json = inbound.body(path) or json
    content = b"Phone\n+31627100005\n" if is_upload else None
    return [Request(method, url, query, json, content, is_bearer) for query in queries for is_bearer in (True, False)]


def names(path: str) -> list[str]:
    return [part[1:-1] for part in path.split("/") if part.startswith("{")]
