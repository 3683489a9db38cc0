"""What Alice and Bob have when the cases of the gateway's API begin: numbers and keywords, and messaging logs that show what came."""

from collections.abc import Mapping
from uuid import UUID

from reachbook.core import configurations, decisions, ids, number_requests, numbers, tokens
from reachbook.core.ids import AccountId
from reachbook.core.numbers import Draft
from reachbook.core.work_queue import Kind
from reachbook.database.pool import Pool
from tests.core import channels as core
from tests.support import Client


async def variables(db: Pool, alice: Client, bob: Client) -> Mapping[str, str]:
    """`{owned}`, `{his}`, `{shared}` (JOIN is hers, WIN his), `{profile}`, `{code}` (hers in NL, his in BE) and `{nowhere}`, all as digits;
    `{dutch}` and `{belgian}`: gateways' tokens of a country.
    """
    type = await core.number_type(db)
    (shared,) = await core.stock(db, type, is_shared=True)
    found = {"shared": shared, "nowhere": core.fresh_number().removeprefix("+"), "profile": core.fresh_number().removeprefix("+")}
    for name, account, word in (("owned", alice.account, "JOIN"), ("his", bob.account, "WIN")):
        found[name] = await core.rent(db, account, type)
        requests = (await number_requests.list_requests(db, account, core.ALL)).rows
        await _log(db, account, requests[0].channel_id, found, name)
        await _log(db, account, (await core.claim(db, account, shared, word)).channel_id, found, word)
    await _log(db, alice.account, await _profile(db, alice.account, found["profile"]), found, "profile")
    for account, country in ((alice.account, "NL"), (bob.account, "BE")):
        found["code"] = code = found.get("code") or core.fresh_number()[-8:]
        (made,) = await numbers.stock(db, [Draft(code, (await core.number_type(db, country=country)).id, True, True)], core.NOW)
        await _log(db, account, (await core.claim(db, account, made.id, "CODE")).channel_id, found, f"code_{country}")
    for name, country in (("dutch", "NL"), ("belgian", "BE")):
        found[name] = await tokens.create(db, None, ids.new_id(), name=name, scopes=["gateway"], country=country, now=ids.now())
    return found


async def _log(db: Pool, account: AccountId, channel: UUID, found: dict[str, str], name: str) -> None:
    await configurations.keep_log(db, account, channel, enabled=True, now=core.NOW)
    found[f"channel_{name}"] = str(channel)


async def _profile(db: Pool, account: AccountId, number: str) -> UUID:
    """The channel of a profile that is active on this number."""
    request = await core.whatsapp(db, account)
    made = await core.profile(db, account, request, f"+{number}")
    await decisions.approve(db, account, await core.item_of(db, account, Kind.PROFILE, made.id), now=core.NOW)
    return made.channel_id
