"""WhatsApp profiles: the names and numbers under which an account writes (document 003, "Profiles").

The operator makes them; the account proves that a number is its own by a one-time password, or the operator decides.
"""

import hmac
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from reachbook.core import accounts, catalogues, channel_requests, channels, images, one_time_codes, phone, work_queue
from reachbook.core.errors import ConflictError, Fault, InvalidError, NotFoundError, TooOftenError, invalid
from reachbook.core.ids import AccountId
from reachbook.core.images import Image
from reachbook.core.limits import CODE_MINUTES, CODE_TRIES, NAME_LENGTH
from reachbook.core.machines import PROFILE
from reachbook.core.one_time_codes import METHODS, Code, Senders
from reachbook.core.paging import Listed, Page
from reachbook.core.text import clean
from reachbook.core.work_queue import Kind
from reachbook.database.errors import UnavailableError
from reachbook.database.queries import Database, Queries, Record, Transaction


class Profile(msgspec.Struct, frozen=True):
    """`state` as in machines.PROFILE; `phone` E.164; `provider_id` the phone number's id at Meta, once the operator knows it."""

    id: UUID
    request_id: UUID
    channel_id: UUID
    name: str
    image: Image
    phone: str
    state: str
    rejection_reason: str | None
    code_sent_at: datetime | None
    code_processed_at: datetime | None
    provider_id: str | None
    created_at: datetime
    fulfilled_at: datetime | None
    rejected_at: datetime | None
    cancelled_at: datetime | None


class Draft(NamedTuple):
    """A profile as the operator gives it; `image` is a data URL."""

    name: str | None
    image: str | None
    phone: str | None
    provider_id: str | None = None


class OpenCode(NamedTuple):
    """A code that is out and that the operator is to pass on."""

    method: str
    digits: str
    expires_at: datetime


COLUMNS = (
    "id, channel_request_id, channel_id, name, image_type, image, phone, state, rejection_reason, code_sent_at, code_processed_at, "
    "provider_id, created_at, fulfilled_at, rejected_at, cancelled_at"
)
CREATE = """
INSERT INTO whatsapp_profile (account_id, id, channel_request_id, channel_id, name, image_type, image, phone, state, provider_id,
    created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'pending', $9, $10, $10)
"""


async def create(db: Database, account: AccountId, request: UUID, id: UUID, draft: Draft, now: datetime) -> Profile:
    """A new profile, whose number is not verified. Raises NotFoundError, InvalidError, ConflictError for a cancelled request."""
    async with db.transaction() as tx:
        business = await channel_requests.open_business_account(tx, account, request)
        name, image, number = _checked(draft, await accounts.region(tx, account))
        whatsapp = await catalogues.channel_type_by_key(tx, catalogues.WHATSAPP)
        channel = await channels.add(
            tx,
            account,
            group=business.request.group_id or await channels.open_group(tx, account, now),
            request=request,
            type=whatsapp.id,
            category=channels.PROFILES,
            entity=id,
            element=str(id),
            is_pending=True,
            now=now,
        )
        await tx.execute(CREATE, account, id, request, channel, name, image.media_type, image.data, number, draft.provider_id, now)
        await work_queue.add(tx, account, Kind.PROFILE, id, now)
        return await get(tx, account, request, id)


def _checked(draft: Draft, region: str | None) -> tuple[str, Image, str]:
    faults: list[Fault] = []
    name = clean(draft.name, ("name",), NAME_LENGTH, faults)
    if name is None:
        faults.append(Fault(("name",), "is required"))
    image = Image("", b"")
    try:
        image = images.parse(draft.image or "")
    except ValueError as error:
        faults.append(Fault(("image",), str(error)))
    number = ""
    try:
        number = phone.parse(draft.phone or "", region).e164
    except phone.PhoneError as error:
        faults.append(Fault(("phone",), str(error)))
    if faults:
        raise InvalidError(faults)
    return name or "", image, number


GET = f"SELECT {COLUMNS} FROM whatsapp_profile WHERE account_id = $1 AND channel_request_id = $2 AND id = $3"


async def get(db: Queries, account: AccountId, request: UUID, id: UUID) -> Profile:
    """Raises NotFoundError."""
    row = await db.fetchrow(GET, account, request, id)
    if row is None:
        raise _not_found(id)
    return _read(row)


# The number as it is kept, +31…, and as document 003 writes it, 0031….
NAMED = """
account_id = $1 AND channel_request_id = $2
    AND ($3::text IS NULL OR strpos(lower(name), lower($3)) > 0 OR strpos(phone, $3) > 0 OR strpos('00' || substr(phone, 2), $3) > 0)
""".strip()
LIST = f"SELECT {COLUMNS} FROM whatsapp_profile WHERE {NAMED} ORDER BY id OFFSET $4 LIMIT $5"
TOTAL = f"SELECT count(*) FROM whatsapp_profile WHERE {NAMED}"


async def list_profiles(db: Queries, account: AccountId, request: UUID, page: Page, text: str | None = None) -> Listed[Profile]:
    """By age; `text` is a part of the name or number. Raises NotFoundError for what is no WhatsApp request."""
    await channel_requests.business_account(db, account, request)
    rows = await db.fetch(LIST, account, request, text, page.skip, page.take)
    return Listed([_read(row) for row in rows], await db.fetchval(TOTAL, account, request, text))


FORGET = "code_hash = NULL, code = NULL, code_method = NULL, code_expires_at = NULL, code_tries = 0"
"""SQL: no code is out; how many there were of late still counts."""
RENUMBER = f"""
UPDATE whatsapp_profile SET {PROFILE.change("renumber")}, phone = $3, updated_at = $4, {FORGET}
WHERE account_id = $1 AND id = $2 AND {PROFILE.allows("renumber")}
"""
FREE_NUMBER = "DELETE FROM whatsapp_number WHERE profile_id = $1"


async def renumber(db: Database, account: AccountId, request: UUID, id: UUID, number: str, now: datetime) -> Profile:
    """Another phone number: its verification starts over. Raises NotFoundError, InvalidError, ConflictError."""
    async with db.transaction() as tx:
        held = await _hold(tx, account, request, id)
        try:
            new = phone.parse(number, await accounts.region(tx, account)).e164
        except phone.PhoneError as error:
            raise invalid("phone", str(error)) from None
        if held.state == "cancelled":
            raise ConflictError("The profile was cancelled.")
        if new == held.phone and held.state != "rejected":
            return held
        await tx.execute(RENUMBER, account, id, new, now)
        await tx.execute(FREE_NUMBER, id)
        await channels.settle(tx, account, id, is_pending=True)
        await work_queue.add(tx, account, Kind.PROFILE, id, now)
        return await get(tx, account, request, id)


SET_PROVIDER = "UPDATE whatsapp_profile SET provider_id = $4 WHERE account_id = $1 AND channel_request_id = $2 AND id = $3"


async def set_provider(db: Database, account: AccountId, request: UUID, id: UUID, given: str | UnsetType | None) -> Profile:
    """Tell the phone number's id at the provider, who verifies it from now on; UNSET changes nothing.

    Raises NotFoundError, InvalidError.
    """
    async with db.transaction() as tx:
        await _hold(tx, account, request, id)
        if given is not UNSET:
            await tx.execute(SET_PROVIDER, account, request, id, channel_requests.provider_id(given))
        return await get(tx, account, request, id)


# --- one-time passwords

STARTS = "SELECT state, code_starts, phone, provider_id FROM whatsapp_profile WHERE account_id = $1 AND channel_request_id = $2 AND id = $3"
START = """
UPDATE whatsapp_profile SET code_hash = $3, code = $4, code_method = $5, code_expires_at = $6, code_tries = 0, code_starts = $7,
    code_sent_at = $8
WHERE account_id = $1 AND id = $2
"""
UNSENT = f"""
UPDATE whatsapp_profile SET {FORGET}, code_sent_at = NULL, code_starts = array_remove(code_starts, $4)
WHERE account_id = $1 AND id = $2 AND code_hash IS NOT DISTINCT FROM $3 AND code_sent_at = $4
"""


async def start_code(db: Database, account: AccountId, request: UUID, id: UUID, method: str, *, senders: Senders, now: datetime) -> None:
    """Send a code to the profile's number, by sms or voice.

    Raises NotFoundError, InvalidError, ConflictError if the number needs none, TooOftenError, UnavailableError if it could not be sent.
    """
    await get(db, account, request, id)
    way = method.strip().lower()
    if way not in METHODS:
        raise invalid("code_method", f"must be {' or '.join(METHODS)}")
    if (row := await db.fetchrow(STARTS, account, request, id)) is not None:
        _may_start(row, now)  # before the work of a hash is done
    digits = one_time_codes.new_digits()
    kept = await one_time_codes.hashed(digits)
    async with db.transaction() as tx:
        row = await tx.fetchrow(f"{STARTS} FOR UPDATE", account, request, id)
        assert row is not None  # noqa: S101 - profiles are never deleted
        starts = _may_start(row, now)
        by_provider = senders.provider if row["provider_id"] else None
        shown = digits if by_provider is None and senders.gateway is None else None
        expires_at = now + timedelta(minutes=CODE_MINUTES)
        await tx.execute(START, account, id, None if by_provider else kept, shown, way, expires_at, [*starts, now], now)
    try:
        if by_provider is not None:
            await by_provider.request_code(row["provider_id"], way)
        elif senders.gateway is not None:
            await senders.gateway(Code(row["phone"], way, digits))
    except (UnavailableError, ConflictError):
        await db.execute(UNSENT, account, id, None if by_provider else kept, now)
        raise


def _may_start(row: Record, now: datetime) -> list[datetime]:
    """The starts of the last hour."""
    if row["state"] != "pending":
        raise ConflictError(f"The profile is {row['state']}.")
    wait = one_time_codes.wait_seconds(row["code_starts"], now)
    if wait:
        raise TooOftenError("A one-time password can be sent once a minute and five times an hour.", wait)
    return [start for start in row["code_starts"] if start > now - timedelta(hours=1)]


# A try counts before it is looked at: whoever guesses at many at once gets no more of them.
TRY = """
UPDATE whatsapp_profile SET code_tries = code_tries + 1
WHERE account_id = $1 AND channel_request_id = $2 AND id = $3 AND state = 'pending' AND code_expires_at > $4 AND code_tries < $5
RETURNING code_hash, code_sent_at, phone, provider_id
"""
VERIFY = f"""
UPDATE whatsapp_profile SET {PROFILE.change("verify", now="$3")}, updated_at = $3, {FORGET}
WHERE account_id = $1 AND id = $2 AND {PROFILE.allows("verify")} AND code_sent_at = $4 RETURNING id
"""


async def finish_code(
    db: Database, account: AccountId, request: UUID, id: UUID, number: str, digits: str, *, senders: Senders, now: datetime
) -> Profile:
    """The code that came, and the number that it came to: the profile is active.

    Raises NotFoundError, ConflictError if no number waits for a code, InvalidError that does not say what was wrong, UnavailableError.
    """
    profile = await get(db, account, request, id)
    if profile.state != "pending":
        raise ConflictError(f"The profile is {profile.state}.")
    tried = await db.fetchrow(TRY, account, request, id, now, CODE_TRIES)
    fits = await _fits(db, account, tried, number, digits.strip(), senders)
    if tried is None or not fits:
        raise invalid("code", "does not fit the phone number, is used up or has expired")
    async with db.transaction() as tx:
        if await tx.fetchval(VERIFY, account, id, now, tried["code_sent_at"]) is None:
            raise invalid("code", "does not fit the phone number, is used up or has expired")
        await _activate(tx, account, id, tried["phone"], now)
        return await get(tx, account, request, id)


async def _fits(db: Queries, account: AccountId, tried: Record | None, number: str, digits: str, senders: Senders) -> bool:
    """Looks at number and code whatever the other is."""
    given = phone.e164(number, await accounts.region(db, account)) or ""
    same = hmac.compare_digest(given.encode(), (tried["phone"] if tried else "-").encode())
    if tried is not None and tried["code_hash"] is None and tried["provider_id"] and senders.provider is not None:
        return same and await senders.provider.verify_code(tried["provider_id"], digits)
    return await one_time_codes.matches(tried["code_hash"] if tried else None, digits) and same


IS_OPEN = "code IS NOT NULL AND code_expires_at > $3 AND code_tries < $4"


# --- decisions

APPROVE = f"""
UPDATE whatsapp_profile SET {PROFILE.change("approve", now="$3")}, updated_at = $3, {FORGET}
WHERE account_id = $1 AND id = $2 AND {PROFILE.allows("approve")} RETURNING phone
"""
REJECT = f"""
UPDATE whatsapp_profile SET {PROFILE.change("reject", now="$3", reason="$4")}, updated_at = $3, {FORGET}
WHERE account_id = $1 AND id = $2 AND {PROFILE.allows("reject")} RETURNING phone
"""


async def decide(tx: Transaction, account: AccountId, id: UUID, *, approved: bool, reason: str | None, now: datetime) -> None:
    """Approve without a code, or reject. Raises ConflictError."""
    if approved:
        number = await tx.fetchval(APPROVE, account, id, now)
    else:
        number = await tx.fetchval(REJECT, account, id, now, reason)
    if number is None:
        raise ConflictError("The profile is decided already.")
    if approved:
        await _activate(tx, account, id, number, now)
    else:
        await work_queue.decide(tx, account, Kind.PROFILE, id, approved=False, now=now, reason=reason)


TAKE_NUMBER = "INSERT INTO whatsapp_number (phone, owner_id, profile_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING phone"


async def _activate(tx: Transaction, account: AccountId, id: UUID, number: str, now: datetime) -> None:
    """What comes in on a number can only be for one profile."""
    if await tx.fetchval(TAKE_NUMBER, number, account, id) is None:
        raise ConflictError("Another profile is active on this phone number.")
    await channels.settle(tx, account, id, is_pending=False)
    await work_queue.decide(tx, account, Kind.PROFILE, id, approved=True, now=now)


CANCEL = f"""
UPDATE whatsapp_profile SET {PROFILE.change("cancel", now="$3")}, updated_at = $3, {FORGET}
WHERE account_id = $1 AND channel_request_id = $2 AND {PROFILE.allows("cancel")} RETURNING id
"""


async def cancel_all(tx: Transaction, account: AccountId, request: UUID, now: datetime) -> None:
    """Those of a channel request that was refused."""
    ended = [row["id"] for row in await tx.fetch(CANCEL, account, request, now)]
    await channels.end(tx, account, ended, now)
    for id in ended:
        await tx.execute(FREE_NUMBER, id)
        await work_queue.decide(tx, account, Kind.PROFILE, id, approved=False, now=now, reason="The channel request was refused.")


async def _hold(tx: Transaction, account: AccountId, request: UUID, id: UUID) -> Profile:
    row = await tx.fetchrow(f"{GET} FOR UPDATE", account, request, id)
    if row is None:
        raise _not_found(id)
    return _read(row)


def _not_found(id: UUID) -> NotFoundError:
    return NotFoundError(f"There is no profile {id}.", "profile")


def _read(row: Record) -> Profile:
    return Profile(
        row["id"],
        row["channel_request_id"],
        row["channel_id"],
        row["name"],
        Image(row["image_type"], row["image"]),
        *(row[name] for name in COLUMNS.split(", ")[6:]),
    )
