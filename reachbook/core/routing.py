"""Whose a message is: by the receiver's number and, where many share it, by its first word (inbound.md, "Route")."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from reachbook.core import consent_words, phone
from reachbook.core.consent_words import Said
from reachbook.core.ids import AccountId
from reachbook.core.inbound_formats import SHORTCODE_DIGITS, digits
from reachbook.core.keywords import EVERYTHING
from reachbook.database.queries import Queries, Record

WHATSAPP = "whatsapp"


class Owner(NamedTuple):
    """An account, and the thing of its that a message is for: a keyword claim, a profile, or the number itself (None).

    `keyword` is the claim's.
    """

    account: AccountId
    entity: UUID | None
    number: str
    keyword: str | None = None


class Nobody(NamedTuple):
    """A message that belongs to no account, and why. `shared` is the number if it is one that many have keywords on."""

    reason: str
    shared: str | None = None


class Endpoint(NamedTuple):
    """Where a message goes: an endpoint of an enabled configuration. What is for a disabled one waits to be replayed."""

    id: UUID
    kind: str
    method: str | None
    form: str | None
    is_disabled: bool


class Destination(NamedTuple):
    """What an account has set up for a channel, and what it says of consent words and unused contacts."""

    channel: UUID
    endpoints: Sequence[Endpoint]
    keeps_log: bool
    stops: Sequence[str]
    starts: Sequence[str]
    use_matters: bool


class Asked(NamedTuple):
    """Whose is this? `country` (ISO 3166-1 alpha-2) tells short codes apart; `text` is None for an event."""

    channel: str
    receiver: str
    country: str | None
    said: Said | None
    text: str | None


# Each number as dialled with each word that may be a keyword there. On a shared number `*` counts for nobody, not for a former owner
# either. A short code of which no country is known is found by its digits, in all countries.
NUMBERS = """
SELECT w.place, n.id, n.state, n.owner_id, k.owner_id AS claimant_id, k.claim_id, k.keyword
FROM unnest($1::text[], $2::boolean[], $3::text[]) WITH ORDINALITY AS w (dialled, in_any_country, word, place)
CROSS JOIN LATERAL (
    SELECT id, state, owner_id FROM phone_number WHERE id = w.dialled AND state IN ('shared', 'owned')
    UNION SELECT id, state, owner_id FROM phone_number
    WHERE w.in_any_country AND is_shortcode AND number = w.dialled AND state IN ('shared', 'owned')) n
LEFT JOIN taken_keyword k ON k.phone_number_id = n.id AND k.rests_until IS NULL AND k.keyword = w.word
    AND (n.state = 'shared' AND k.keyword <> '*' OR k.owner_id = n.owner_id)
"""
PROFILES = "SELECT phone, owner_id, profile_id FROM whatsapp_number WHERE phone = ANY($1::text[])"


async def owners(db: Queries, asked: Sequence[Asked]) -> list[Owner | Nobody]:
    """Whose each message is, by its text; an event is the number's own. A word beside a stop word is looked for as a keyword too."""
    lookups = [None if one.channel.lower() == WHATSAPP else _lookups(one) for one in asked]
    wanted = list(dict.fromkeys(lookup for of_one in lookups for lookup in of_one or ()))
    found: dict[_Lookup, list[Record]] = {}
    if wanted:
        for row in await db.fetch(NUMBERS, *map(list, zip(*wanted, strict=True))):
            place: int = row["place"]
            found.setdefault(wanted[place - 1], []).append(row)
    phones = {phone.e164(one.receiver) for one in asked if one.channel.lower() == WHATSAPP}
    profiles = {row["phone"]: row for row in await db.fetch(PROFILES, list(phones))} if phones else {}
    return [
        _of_profile(one, profiles.get(phone.e164(one.receiver))) if of_one is None else _of_number(one, of_one, found)
        for one, of_one in zip(asked, lookups, strict=True)
    ]


class _Lookup(NamedTuple):
    dialled: str
    in_any_country: bool
    word: str | None


def _lookups(asked: Asked) -> list[_Lookup]:
    """The likeliest keyword first."""
    bare = digits(asked.receiver)
    is_short = bare.isdigit() and len(bare) <= SHORTCODE_DIGITS
    dialled = [bare.upper(), *([asked.country.upper() + bare] if is_short and asked.country else [])]
    words: list[str | None] = [None] if asked.text is None else [*_words(asked.text, asked.said)]
    return [_Lookup(number, is_short and not asked.country, word) for word in words for number in dialled]


def _of_profile(asked: Asked, row: Record | None) -> Owner | Nobody:
    if row is None:
        return Nobody(f"no profile is active on {asked.receiver}")
    return Owner(AccountId(row["owner_id"]), row["profile_id"], digits(asked.receiver))


def _of_number(asked: Asked, lookups: Sequence[_Lookup], found: Mapping[_Lookup, Sequence[Record]]) -> Owner | Nobody:
    rows = [row for lookup in lookups for row in found.get(lookup, ())]
    if not rows:
        return Nobody(f"there is no number {asked.receiver}")
    if len({row["id"] for row in rows}) > 1:
        return Nobody(f"the short code {digits(asked.receiver)} exists in several countries, and the message names none")
    claim = next((row for row in rows if row["claim_id"] is not None), None)
    if claim is not None:
        return Owner(AccountId(claim["claimant_id"]), claim["claim_id"], claim["id"], claim["keyword"])
    number = rows[0]
    if number["state"] == "owned":
        return Owner(AccountId(number["owner_id"]), None, number["id"])
    return Nobody("the number is shared" if asked.text is None else "nobody has claimed the keyword", number["id"])


def _words(text: str, said: Said | None) -> list[str]:
    """The keywords that a text may be for, the likeliest first."""
    first = consent_words.compared(text).partition(" ")[0]
    beside = [said.keyword] if said is not None and said.keyword else []
    return [*beside, *([first] if first else []), EVERYTHING]


# What is asked of an account is asked once (OFFSET 0), not for each of its endpoints.
DESTINATIONS = """
SELECT o.place, c.id AS channel_id, f.kind, e.id, e.method, e.form, e.disabled_at IS NOT NULL AS is_disabled, a.*
FROM unnest($1::uuid[], $2::uuid[], $3::text[]) WITH ORDINALITY AS o (account_id, entity_id, number, place)
JOIN channel c ON c.account_id = o.account_id AND c.ended_at IS NULL AND c.entity_id = coalesce(o.entity_id, (
    SELECT n.id FROM number_request n WHERE n.account_id = o.account_id AND n.phone_number_id = o.number AND n.state = 'fulfilled'))
CROSS JOIN LATERAL (SELECT
    (SELECT array_agg(w.word) FROM consent_word w WHERE w.account_id = o.account_id AND w.means = 'stop') AS stops,
    (SELECT array_agg(w.word) FROM consent_word w WHERE w.account_id = o.account_id AND w.means = 'start') AS starts,
    EXISTS (SELECT 1 FROM contact_group g WHERE g.account_id = o.account_id AND g.deletes_unused) AS use_matters
    OFFSET 0) a
LEFT JOIN channel_configuration f ON f.account_id = c.account_id AND f.group_id = c.group_id AND f.enabled
LEFT JOIN channel_endpoint e ON e.account_id = f.account_id AND e.configuration_id = f.id
ORDER BY o.place, e.id
"""


async def destinations(db: Queries, owners: Collection[Owner]) -> dict[Owner, Destination]:
    """Where messages for these go; without those that have just ended."""
    asked = list(dict.fromkeys(owners))
    if not asked:
        return {}
    by_owner: dict[Owner, list[Record]] = {}
    rows = await db.fetch(DESTINATIONS, *map(list, zip(*((one.account, one.entity, one.number) for one in asked), strict=True)))
    for row in rows:
        place: int = row["place"]
        by_owner.setdefault(asked[place - 1], []).append(row)
    return {owner: _destination(of_owner) for owner, of_owner in by_owner.items()}


def _destination(rows: Sequence[Record]) -> Destination:
    columns = ("id", "kind", "method", "form", "is_disabled")
    endpoints = [Endpoint(*(row[name] for name in columns)) for row in rows if row["id"] is not None]
    first, keeps_log = rows[0], any(row["kind"] == "messagingLog" for row in rows)
    return Destination(first["channel_id"], endpoints, keeps_log, first["stops"] or (), first["starts"] or (), first["use_matters"])
