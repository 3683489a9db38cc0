"""Push tokens: the devices that a contact gets push messages on (document 001, "pushInfo"). A device is one contact's in an account."""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from reachbook.core.consent import TokenType, normalise
from reachbook.core.ids import AccountId
from reachbook.core.limits import NAME_LENGTH
from reachbook.core.text import clean
from reachbook.database.queries import Queries, Transaction


class System(StrEnum):
    """What a device runs."""

    ANDROID = "android"
    IOS = "ios"
    HUAWEI = "huawei"


class Device(NamedTuple):
    """`token` as the ledger has it."""

    app_id: str
    os: System
    token: str

    @property
    def key(self) -> tuple[str, str]:
        """What is unique within an account."""
        return self.app_id, self.token


HAS_DEVICE = "EXISTS (SELECT 1 FROM push_token p WHERE p.account_id = c.account_id AND p.contact_id = c.id)"
"""SQL: whether a contact `c` has a device."""

OPT_OUTS = """(
SELECT t.reason FROM push_token p JOIN consent_token t ON t.account_id = p.account_id AND t.type = 'push' AND t.key = p.token
WHERE p.account_id = c.account_id AND p.contact_id = c.id AND t.is_active)
""".strip()
"""SQL: the reasons of a contact's devices that are opted out. Who reads only the contact can't tell them apart, so one is enough."""


def device(app_id: str, os: System, token: str) -> Device:
    """A device as it is kept. Raises ValueError with the reason."""
    app = clean(app_id, (), NAME_LENGTH, faults := [])
    if app is None or faults:
        raise ValueError(f"has an app id that {faults[0].message}" if faults else "has no app id")
    try:
        return Device(app.strip(), os, normalise(TokenType.PUSH, token, None).key)
    except ValueError as error:
        raise ValueError(f"has a push token that {error}") from None


TAKEN = """
SELECT app_id, token FROM push_token WHERE account_id = $1 AND (app_id, token) IN (SELECT * FROM unnest($2::text[], $3::text[]))
"""


async def taken(tx: Queries, account: AccountId, devices: Iterable[Device]) -> set[tuple[str, str]]:
    """Those of the devices, by their keys, that some contact has."""
    keys = [device.key for device in devices]
    if not keys:
        return set()
    apps, tokens = (list(column) for column in zip(*keys, strict=True))
    return {(row["app_id"], row["token"]) for row in await tx.fetch(TAKEN, account, apps, tokens)}


class RacedError(Exception):
    """Somebody else has just given one of the devices to another contact. Normal: let go, look again."""


# Who adds the same device at the same time is waited for; in the order of keys, so that nobody waits in a circle.
ADD = """
INSERT INTO push_token (account_id, app_id, token, contact_id, os, position)
SELECT $1, app_id, token, contact_id, os, position FROM unnest($2::text[], $3::text[], $4::uuid[], $5::text[], $6::bigint[])
    AS d (app_id, token, contact_id, os, position) ORDER BY app_id, token
ON CONFLICT DO NOTHING RETURNING 1
"""


async def add(tx: Transaction, account: AccountId, given: Iterable[tuple[UUID, Sequence[Device]]]) -> None:
    """Devices of new contacts. Raises RacedError."""
    rows = [(one.app_id, one.token, id, one.os, place) for id, devices in given for place, one in enumerate(devices)]
    if rows and len(await tx.fetch(ADD, account, *map(list, zip(*rows, strict=True)))) < len(rows):
        raise RacedError


OF_CONTACTS = """
SELECT contact_id, app_id, os, token FROM push_token WHERE account_id = $1 AND contact_id = ANY($2::uuid[])
ORDER BY contact_id, position, app_id, token
"""


async def of_contacts(db: Queries, account: AccountId, ids: Sequence[UUID]) -> Mapping[UUID, list[Device]]:
    """The devices of contacts, as they were given."""
    found: dict[UUID, list[Device]] = {}
    for row in await db.fetch(OF_CONTACTS, account, list(ids)) if ids else ():
        found.setdefault(row["contact_id"], []).append(Device(row["app_id"], System(row["os"]), row["token"]))
    return found
