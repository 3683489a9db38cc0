"""Messages and events that come in: routed, stored with their deliveries, and honoured if they say stop, in one transaction."""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from reachbook.core import consent_words, inbound_consent, inbound_formats, phone, routing, usage
from reachbook.core.consent import TokenType
from reachbook.core.consent_words import Meaning, Said
from reachbook.core.ids import AccountId, new_id
from reachbook.core.inbound_consent import Act
from reachbook.core.inbound_formats import Event, Message, Payload
from reachbook.core.routing import Asked, Destination, Endpoint, Nobody, Owner
from reachbook.database.queries import Database, Queries, Transaction
from reachbook.database.values import Values

CONSENT_CHANNELS = {"sms": TokenType.SMS, "whatsapp": TokenType.WHATSAPP}
"""Where words of consent are listened to."""


class Raw(NamedTuple):
    """A message or event with the object that it came as, which is kept."""

    what: Message | Event
    given: Any


class Call(NamedTuple):
    """What a gateway hands over at once; `country` is the gateway's, `actor` its token."""

    given: Sequence[Raw]
    country: str | None
    actor: UUID
    now: datetime


class Accepted(NamedTuple):
    """What became of a call: what was new, how many of it belong to nobody, what was said of consent."""

    new: Sequence[Message | Event]
    unrouted: int
    opted_out: int
    """Stops, counted by account."""
    stopped_at: Sequence[datetime]
    """When the messages that said so were sent."""


async def accept(db: Database, given: Sequence[Raw], *, country: str | None, actor: UUID, now: datetime) -> Accepted:
    """Take what a gateway hands over, all of it or nothing; `country` is the gateway's, `actor` its token.

    When this is done, messages are stored with their deliveries, and who said stop is opted out. The same reference on the same channel
    and receiver is taken once.
    """
    (taken,) = await accept_all(db, [Call(given, country, actor, now)])
    return taken


async def accept_all(db: Database, calls: Sequence[Call]) -> list[Accepted]:
    """The same of several calls in one transaction, in this order; what becomes of each.

    However many messages there are, there are as many statements as for one, but for those that speak of consent.
    """
    routed = await _routed(db, _once(calls))
    if all(one.act is None and not one.marks_use for one in routed):
        taken = await _write(db, routed)  # a single statement is a transaction of its own
        stops: list[int] = []
    else:
        async with db.transaction() as tx:
            taken = await _write(tx, routed)
            await _mark_use(tx, taken)
            stops = await inbound_consent.apply(tx, [one.act for one in taken if one.act is not None])
    said = list(zip((one for one in taken if one.act is not None), stops, strict=True))
    return [
        Accepted(
            new=[one.what for one in taken if one.call is call],
            unrouted=sum(one.owner is None for one in taken if one.call is call),
            opted_out=sum(stopped for one, stopped in said if one.call is call),
            stopped_at=[one.what.at for one, _ in said if one.call is call and one.act and one.act.meaning is Meaning.STOP],
        )
        for call in calls
    ]


class _Given(NamedTuple):
    """`key` says whether it was taken before, None: nobody can tell; `country` is the receiver's, as far as it is known."""

    call: Call
    what: Message | Event
    given: Any
    country: str | None
    key: bytes | None


def _once(calls: Sequence[Call]) -> list[_Given]:
    """All that is handed over, in its order, without what is handed over again."""
    found: dict[object, _Given] = {}
    for call in calls:
        for what, given in call.given:
            country = what.country or call.country
            key = _key(what, country) if what.reference else None
            found.setdefault(key or len(found), _Given(call, what, given, country, key))
    return list(found.values())


def _key(what: Message | Event, country: str | None) -> bytes:
    """A short code is another receiver in another country."""
    kind = "message" if isinstance(what, Message) else "event"
    receiver = inbound_formats.digits(what.receiver)
    if len(receiver) <= inbound_formats.SHORTCODE_DIGITS:
        receiver = f"{(country or '').upper()}{receiver}"
    return hashlib.sha256("\0".join((kind, what.channel.lower(), receiver, what.reference)).encode()).digest()


class _Routed(NamedTuple):
    """Whose it is and where it goes, or (`owner` None) why it is nobody's; what it says of consent."""

    call: Call
    what: Message | Event
    given: Any
    key: bytes | None
    owner: Owner | None
    destination: Destination | None
    reason: str
    act: Act | None

    @property
    def marks_use(self) -> bool:
        return self.destination is not None and self.destination.use_matters and isinstance(self.what, Message)


async def _routed(db: Queries, given: Sequence[_Given]) -> list[_Routed]:
    """Whose they are, in their order."""
    asked = [_asked(one) for one in given]
    owners = await routing.owners(db, asked)
    destinations = await routing.destinations(db, [owner for owner in owners if isinstance(owner, Owner)])
    routed: list[_Routed] = []
    for one, of_one, found in zip(given, asked, owners, strict=True):
        owner, destination = (found, destinations.get(found)) if isinstance(found, Owner) else (None, None)
        if destination is None:
            where = found if isinstance(found, Nobody) else Nobody("the channel has just been cancelled")
            act = None if where.shared is None else _act(one, of_one.said, where)
            routed.append(_Routed(one.call, one.what, one.given, one.key, None, None, where.reason, act))
        else:
            has_words = destination.stops or destination.starts
            act = _act(one, _said(of_one, destination.stops, destination.starts) if has_words else of_one.said, found)
            routed.append(_Routed(one.call, one.what, one.given, one.key, owner, destination, "", act))
    return routed


def _asked(given: _Given) -> Asked:
    text = given.what.text if isinstance(given.what, Message) else None
    asked = Asked(given.what.channel, given.what.receiver, given.country, None, text)
    return asked._replace(said=_said(asked))


def _said(asked: Asked, stops: Sequence[str] = (), starts: Sequence[str] = ()) -> Said | None:
    """What it says of consent, where that is listened to; with the words of an account."""
    if not asked.text or asked.channel.lower() not in CONSENT_CHANNELS:
        return None
    return consent_words.meaning(asked.text, stops, starts)


def _act(given: _Given, said: Said | None, to: Owner | Nobody) -> Act | None:
    """A word beside a stop word counts if it is the keyword that brought the message to its owner."""
    if said is None or not isinstance(given.what, Message):
        return None
    meaning = said.meaning
    if said.keyword is not None and (isinstance(to, Nobody) or said.keyword != to.keyword):
        if meaning is Meaning.START:
            return None  # "yes please" is no review of whether to stop
        meaning = Meaning.PERHAPS
    account, shared = (to.account, None) if isinstance(to, Owner) else (None, to.shared)
    type = CONSENT_CHANNELS[given.what.channel.lower()]
    return Act(meaning, type, given.what, account, shared, given.call.actor, given.call.now)


# All or nothing, and only for what was not taken before: somebody who hands over the same at this moment is waited for.
WRITE = """
WITH taken AS (
    INSERT INTO inbound_reference (key, received_at) SELECT key, $2 FROM unnest($1::bytea[]) AS k (key) ORDER BY key
    ON CONFLICT DO NOTHING RETURNING key
), unrouted AS (
    INSERT INTO unrouted_message (id, reference, channel, message, reason, received_at)
    SELECT id, reference, channel, message::jsonb, reason, at
    FROM unnest($3::bytea[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[], $9::timestamptz[])
        AS u (key, id, reference, channel, message, reason, at)
    WHERE key IS NULL OR key IN (SELECT key FROM taken)
), logged AS (
    INSERT INTO inbound_message (account_id, id, channel_id, reference, channel, message, received_at)
    SELECT account_id, id, channel_id, reference, channel, message::jsonb, at
    FROM unnest($10::bytea[], $11::uuid[], $12::uuid[], $13::uuid[], $14::text[], $15::text[], $16::text[], $17::timestamptz[])
        AS m (key, account_id, id, channel_id, reference, channel, message, at)
    WHERE key IS NULL OR key IN (SELECT key FROM taken)
), sent AS (
    INSERT INTO delivery (account_id, id, endpoint_id, channel_id, kind, reference, method, payload, form, state, created_at,
        started_at, next_at)
    SELECT account_id, id, endpoint_id, channel_id, kind, reference, method, payload, form,
        CASE WHEN is_disabled THEN 'failed' ELSE 'pending' END, at, at, CASE WHEN NOT is_disabled THEN at END
    FROM unnest($18::bytea[], $19::uuid[], $20::uuid[], $21::uuid[], $22::uuid[], $23::text[], $24::text[], $25::text[], $26::bytea[],
        $27::text[], $28::boolean[], $29::timestamptz[])
        AS d (key, account_id, id, endpoint_id, channel_id, kind, reference, method, payload, form, is_disabled, at)
    WHERE key IS NULL OR key IN (SELECT key FROM taken)
)
SELECT key FROM taken
"""
UNROUTED_COLUMNS, LOG_COLUMNS, DELIVERY_COLUMNS = 7, 8, 12


async def _write(db: Queries, routed: Sequence[_Routed]) -> list[_Routed]:
    """Store them with their deliveries; answers those that were not taken before."""
    if not routed:
        return []
    keys = [one.key for one in routed if one.key is not None]
    nobodys = [_unrouted(one) for one in routed if one.owner is None]
    logged = [_logged(one, one.owner, one.destination) for one in routed if one.owner and one.destination and _is_logged(one)]
    sent = [row for one in routed if one.owner and one.destination for row in _deliveries(one, one.owner, one.destination)]
    columns = (
        *_columns(nobodys, UNROUTED_COLUMNS),
        *_columns(logged, LOG_COLUMNS),
        *_columns(sent, DELIVERY_COLUMNS),
    )
    taken = {row["key"] for row in await db.fetch(WRITE, keys, routed[0].call.now, *columns)}
    return [one for one in routed if one.key is None or one.key in taken]


def _columns(rows: Sequence[tuple[object, ...]], width: int) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]


def _unrouted(one: _Routed) -> tuple[object, ...]:
    return (one.key, new_id(), one.what.reference, one.what.channel, _encoded(one.given), one.reason, one.call.now)


def _is_logged(one: _Routed) -> bool:
    return one.destination is not None and one.destination.keeps_log and isinstance(one.what, Message)


def _logged(one: _Routed, owner: Owner, to: Destination) -> tuple[object, ...]:
    return (one.key, owner.account, new_id(), to.channel, one.what.reference, one.what.channel, _encoded(one.given), one.call.now)


def _encoded(given: object) -> str:
    return msgspec.json.encode(given).decode()


def _deliveries(one: _Routed, owner: Owner, to: Destination) -> Iterator[tuple[object, ...]]:
    """One for each endpoint that hears of such things; the same payload is made once."""
    captured: dict[tuple[str, str | None, str | None], Payload] = {}
    for endpoint in to.endpoints:
        if (endpoint.kind == "eventWebhook") is isinstance(one.what, Message):
            continue
        form = (endpoint.kind, endpoint.method, endpoint.form)
        payload = captured[form] = captured.get(form) or _payload(one.what, endpoint)
        where = (one.key, owner.account, new_id(), endpoint.id, to.channel, endpoint.kind, one.what.reference, endpoint.method)
        yield (*where, payload.body, payload.form, endpoint.is_disabled, one.call.now)


def _payload(what: Message | Event, endpoint: Endpoint) -> Payload:
    if isinstance(what, Event):
        return Payload("json", inbound_formats.json_event(what))
    return inbound_formats.payload(endpoint.kind, endpoint.method, endpoint.form, what)


async def _mark_use(tx: Transaction, taken: Sequence[_Routed]) -> None:
    """Accounts in order, and contacts of each: so two calls never wait for each other in a circle."""
    used: dict[AccountId, set[str]] = {}
    for one in taken:
        if one.owner is not None and one.marks_use and (sender := phone.e164(one.what.sender)):
            used.setdefault(one.owner.account, set()).add(sender)
    for account in sorted(used):
        now = max(one.call.now for one in taken if one.owner is not None and one.owner.account == account)
        values = Values(account)
        phones = values.add(sorted(used[account]), "text[]")
        await usage.mark(tx, account, f"SELECT id FROM contact WHERE account_id = $1 AND phone = ANY({phones})", values, now)


PURGE = "DELETE FROM inbound_reference WHERE received_at < $1"


async def purge(db: Database, before: datetime) -> None:
    """Forget references that nobody will hand over again."""
    await db.execute(PURGE, before)
