"""Inbound configurations: where the messages that come in on a group's channels go (document 003, "ChannelConfiguration").

Each group has five: its messaging log, customer contact, e-mail, webhook and event webhook. What they may hold is RULES.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from reachbook.core import channels, deliveries, email, endpoint_secrets, endpoint_urls
from reachbook.core.endpoint_urls import Networks
from reachbook.core.errors import ConflictError, Fault, InvalidError, NotFoundError
from reachbook.core.ids import AccountId, new_id
from reachbook.core.limits import ENDPOINTS
from reachbook.database.queries import Database, Queries, Record, Transaction


class Rule(NamedTuple):
    """What an endpoint of a configuration may be; without methods it is an e-mail address. `most` endpoints; one more is refused, or
    with `replaces` takes the place of what was there.
    """

    methods: Sequence[str] = ()
    forms: Sequence[str] = ()
    most: int = ENDPOINTS
    replaces: bool = False


RULES: Mapping[str, Rule] = {
    "customerContact": Rule(("POST",), ("Xml", "Json"), 1, replaces=True),
    "email": Rule(),
    "webhook": Rule(("POST", "GET", "PUT"), ("Json", "Xml", "Custom")),
    "eventWebhook": Rule(("POST",), ("Json",), 1),
}
LOG = "messagingLog"


class Endpoint(msgspec.Struct, frozen=True):
    """Where messages go: `target` is a URL, or an e-mail address (then there is no method or form)."""

    id: UUID
    method: str | None
    target: str
    form: str | None
    secondary_id: UUID
    created_at: datetime
    updated_at: datetime


class Configuration(msgspec.Struct, frozen=True):
    """One of a group's five."""

    id: UUID
    kind: str
    enabled: bool
    created_at: datetime
    updated_at: datetime
    endpoints: Sequence[Endpoint] = ()


class Draft(NamedTuple):
    """An endpoint as it is given; what is UNSET stays, or is POST and Json for a new one."""

    method: str | UnsetType | None = UNSET
    url: str | UnsetType | None = UNSET
    form: str | UnsetType | None = UNSET
    address: str | UnsetType | None = UNSET


COLUMNS = "id, kind, enabled, created_at, updated_at"
ALL = f"SELECT {COLUMNS} FROM channel_configuration WHERE account_id = $1 AND group_id = $2"
ENDPOINT_COLUMNS = "id, method, target, form, secondary_id, created_at, updated_at"
ENDPOINTS_OF = f"""
SELECT configuration_id, {ENDPOINT_COLUMNS} FROM channel_endpoint WHERE account_id = $1 AND configuration_id = ANY($2::uuid[]) ORDER BY id
"""


async def of_group(db: Queries, account: AccountId, group: UUID) -> Mapping[str, Configuration]:
    """The five, by kind."""
    rows = await db.fetch(ALL, account, group)
    found: dict[UUID, list[Endpoint]] = {row["id"]: [] for row in rows}
    for row in await db.fetch(ENDPOINTS_OF, account, list(found)):
        found[row["configuration_id"]].append(_endpoint(row))
    return {row["kind"]: Configuration(**row, endpoints=found[row["id"]]) for row in rows}


async def get(db: Queries, account: AccountId, channel: UUID, id: UUID) -> Configuration:
    """One of a channel's. Raises NotFoundError."""
    group = (await channels.get(db, account, channel)).group_id
    found = next((one for one in (await of_group(db, account, group)).values() if one.id == id), None)
    if found is None:
        raise NotFoundError(f"The channel has no configuration {id}.", "configuration")
    return found


SWITCH = "UPDATE channel_configuration SET enabled = $3, updated_at = $4 WHERE account_id = $1 AND id = $2 AND enabled <> $3"


async def switch(db: Database, account: AccountId, channel: UUID, id: UUID, *, enabled: bool, now: datetime) -> Configuration:
    """Enable or disable a configuration. Raises NotFoundError."""
    async with db.transaction() as tx:
        await get(tx, account, channel, id)
        await tx.execute(SWITCH, account, id, enabled, now)
        return await get(tx, account, channel, id)


async def keep_log(db: Database, account: AccountId, channel: UUID, *, enabled: bool, now: datetime) -> Configuration:
    """Whether messages are kept in the messaging log. Raises NotFoundError."""
    async with db.transaction() as tx:
        log = await _held(tx, account, channel, LOG)
        await tx.execute(SWITCH, account, log.id, enabled, now)
        return await get(tx, account, channel, log.id)


INSERT_ENDPOINT = """
INSERT INTO channel_endpoint (account_id, id, configuration_id, method, target, form, secondary_id, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)
"""
TOUCH = "UPDATE channel_configuration SET enabled = enabled OR $3, updated_at = $4 WHERE account_id = $1 AND id = $2"


async def add(
    db: Database, account: AccountId, channel: UUID, kind: str, draft: Draft, *, allowed: Networks, now: datetime
) -> Configuration:
    """A new endpoint; the first one enables its configuration. Raises NotFoundError, InvalidError, ConflictError."""
    rule = RULES[kind]
    async with db.transaction() as tx:
        held = await _held(tx, account, channel, kind)
        method, target, form = _checked(rule, draft, None, allowed)
        if rule.replaces:
            await tx.execute(CLEAR, account, held.id)
        elif len(held.endpoints) >= rule.most:
            most = "an endpoint already" if rule.most == 1 else f"{rule.most} endpoints or addresses, the most that it can have"
            raise ConflictError(f"The configuration has {most}.")
        id = new_id()
        await tx.execute(INSERT_ENDPOINT, account, id, held.id, method, target, form, new_id(), now)
        await endpoint_secrets.make(tx, account, id, now)
        await tx.execute(TOUCH, account, held.id, not held.endpoints, now)
        return await get(tx, account, channel, held.id)


UPDATE_ENDPOINT = """
UPDATE channel_endpoint SET method = $3, target = $4, form = $5, updated_at = $6, disabled_at = NULL, disabled_reason = NULL,
    failing_since = NULL
WHERE account_id = $1 AND id = $2
"""


async def update(
    db: Database, account: AccountId, channel: UUID, kind: str, id: UUID, draft: Draft, *, allowed: Networks, now: datetime
) -> Configuration:
    """Change an endpoint; one that rests or was disabled for its failures gets another chance at once.

    Raises NotFoundError, InvalidError.
    """
    async with db.transaction() as tx:
        held = await _held(tx, account, channel, kind)
        method, target, form = _checked(RULES[kind], draft, _of(held, id), allowed)
        await tx.execute(UPDATE_ENDPOINT, account, id, method, target, form, now)
        await tx.execute(deliveries.WAKE, id)
        await tx.execute(TOUCH, account, held.id, False, now)
        return await get(tx, account, channel, held.id)


DELETE = "DELETE FROM channel_endpoint WHERE account_id = $1 AND id = $2"
CLEAR = "DELETE FROM channel_endpoint WHERE account_id = $1 AND configuration_id = $2"


async def delete(db: Database, account: AccountId, channel: UUID, kind: str, id: UUID, now: datetime) -> None:
    """The configuration stays as it is, enabled or not. Raises NotFoundError."""
    async with db.transaction() as tx:
        held = await _held(tx, account, channel, kind)
        _of(held, id)
        await tx.execute(DELETE, account, id)
        await tx.execute(TOUCH, account, held.id, False, now)


async def find(db: Queries, account: AccountId, channel: UUID, kind: str, id: UUID) -> None:
    """Raises NotFoundError unless the channel has this endpoint."""
    group = (await channels.get(db, account, channel)).group_id
    _of((await of_group(db, account, group))[kind], id)


PROBLEMS = """
SELECT c.enabled, c.kind, e.target, e.disabled_at, e.disabled_reason, e.failing_since
FROM channel_configuration c LEFT JOIN channel_endpoint e ON e.account_id = c.account_id AND e.configuration_id = c.id
WHERE c.account_id = $1 AND c.group_id = $2 ORDER BY c.kind, e.id
"""


async def problems(db: Queries, account: AccountId, group: UUID) -> Sequence[str]:
    """Why messages may not get where they should, in words."""
    rows = await db.fetch(PROBLEMS, account, group)
    at_work = [row for row in rows if row["enabled"] and row["kind"] != "eventWebhook"]
    found: list[str] = []
    if not any(row["target"] or row["kind"] == LOG for row in at_work):
        found.append("No inbound configuration is enabled: messages that come in go nowhere.")
    for row in rows:
        if row["enabled"] and row["disabled_at"] is not None:
            found.append(f"The endpoint {row['target']} is disabled: {row['disabled_reason'] or 'it failed for too long'}.")
        elif row["enabled"] and row["failing_since"] is not None:
            found.append(f"The endpoint {row['target']} is failing since {row['failing_since']:%Y-%m-%dT%H:%M:%SZ}.")
    return found


HOLD = "SELECT id FROM channel_configuration WHERE account_id = $1 AND group_id = $2 AND kind = $3 FOR UPDATE"


async def _held(tx: Transaction, account: AccountId, channel: UUID, kind: str) -> Configuration:
    """A channel's configuration, which nobody else changes until the commit."""
    group = (await channels.get(tx, account, channel)).group_id
    await tx.execute(HOLD, account, group, kind)
    return (await of_group(tx, account, group))[kind]


def _of(held: Configuration, id: UUID) -> Endpoint:
    found = next((endpoint for endpoint in held.endpoints if endpoint.id == id), None)
    if found is None:
        raise NotFoundError(f"The configuration has no endpoint {id}.", "endpoint")
    return found


def _checked(rule: Rule, draft: Draft, before: Endpoint | None, allowed: Networks) -> tuple[str | None, str, str | None]:
    """Method, target and form."""
    if not rule.methods:
        return None, _address(draft, before), None
    faults: list[Fault] = []
    method = _choice(draft.method, before.method if before else "POST", "method", rule.methods, faults)
    form = _choice(draft.form, before.form if before else "Json", "form", rule.forms, faults)
    target = before.target if before else ""
    if draft.url is not UNSET or before is None:
        try:
            target = endpoint_urls.check(draft.url or "", allowed)
        except ValueError as error:
            faults.append(Fault(("endpoint", "url"), str(error)))
    if faults:
        raise InvalidError(faults)
    return method, target, form


def _choice(given: str | UnsetType | None, before: str | None, name: str, choices: Sequence[str], faults: list[Fault]) -> str | None:
    if not given:
        return before
    found = next((choice for choice in choices if choice.lower() == given.strip().lower()), None)
    if found is None:
        *first, last = choices
        reason = f"must be {', '.join(first)} or {last}" if first else f"must be {last}"
        if given.strip().upper() == "UNKNOWN":
            reason += ": what is unknown can't be sent"
        faults.append(Fault(("endpoint", name), reason))
    return found


def _address(draft: Draft, before: Endpoint | None) -> str:
    if draft.address is UNSET and before is not None:
        return before.target
    if not draft.address or not draft.address.strip():
        raise InvalidError([Fault(("email", "address"), "is required")])
    try:
        return email.parse(draft.address).address
    except email.EmailError as error:
        raise InvalidError([Fault(("email", "address"), str(error))]) from None


def _endpoint(row: Record) -> Endpoint:
    return Endpoint(**{name: row[name] for name in ENDPOINT_COLUMNS.split(", ")})
