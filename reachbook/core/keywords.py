"""Keyword claims: whose the messages are that begin with a word, on a number that many share or that the account owns (document 003)."""

import unicodedata
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

import msgspec

from reachbook.core import catalogues, channels, configurations, consent_words, numbers, simulation
from reachbook.core.errors import ConflictError, NotFoundError, invalid
from reachbook.core.ids import NIL, AccountId
from reachbook.core.limits import KEYWORD_LENGTH, REST_DAYS
from reachbook.core.machines import CLAIM
from reachbook.core.paging import Listed, Page
from reachbook.database.queries import Database, Queries

EVERYTHING = "*"
"""The keyword that every message matches, on an owned number."""


class Claim(msgspec.Struct, frozen=True):
    """An account's keyword on a number. The costs are those of when it was claimed; on a number of its own there are none."""

    id: UUID
    channel_id: UUID
    phone_number_id: str
    keyword: str
    country: str
    currency: str
    startup_cost: Decimal
    monthly_cost: Decimal
    notice_days: int
    claimed_at: datetime


COLUMNS = "id, channel_id, phone_number_id, keyword, country, currency, startup_cost, monthly_cost, notice_days, claimed_at"
CREATE = f"""
INSERT INTO keyword_claim (account_id, {COLUMNS}, state) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'active')
ON CONFLICT DO NOTHING RETURNING id
"""
# Somebody who takes the same word at this moment is waited for: one of the two gets it. What a former owner of the number had, or still
# rests from its time ($6: the number is the account's own), is in nobody's way.
TAKE = """
INSERT INTO taken_keyword (phone_number_id, keyword, owner_id, claim_id) VALUES ($1, $2, $3, $4)
ON CONFLICT (phone_number_id, keyword) DO UPDATE SET owner_id = excluded.owner_id, claim_id = excluded.claim_id, rests_until = NULL
WHERE taken_keyword.rests_until <= $5 OR $6 AND taken_keyword.owner_id <> excluded.owner_id
RETURNING claim_id
"""


async def claim(db: Database, account: AccountId, id: UUID, number: str, word: str, *, simulate: bool, now: datetime) -> Claim:
    """Claim a keyword. With `simulate` nothing changes, and the ids are all zero.

    Raises InvalidError, NotFoundError for a number that the account can't see, ConflictError for a word that is taken.
    """
    keyword = checked(word)
    async with simulation.transaction(db, simulate=simulate) as tx:
        held = await numbers.hold(tx, account, number)
        if keyword == EVERYTHING and held.is_shared:
            raise invalid("keyword", "can be * only on a number that the account owns")
        if await tx.fetchval(TAKE, held.id, keyword, account, id, now, not held.is_shared) is None:
            raise ConflictError(f"The keyword {keyword} is taken on this number.", "keyword")
        sms = await catalogues.channel_type_by_key(tx, catalogues.SMS)
        channel = await channels.add(
            tx,
            account,
            group=await channels.open_group(tx, account, now),
            request=None,
            type=sms.id,
            category=channels.KEYWORDS,
            entity=id,
            element=f"{held.id}|{keyword}",
            is_pending=False,
            now=now,
        )
        type = held.type
        prices = (type.keyword_startup_cost, type.keyword_monthly_cost) if held.is_shared else (Decimal(0), Decimal(0))
        made = Claim(id, channel, held.id, keyword, type.country, type.currency, *prices, type.keyword_notice_days, now)
        if await tx.fetchval(CREATE, account, *(getattr(made, name) for name in COLUMNS.split(", "))) is None:
            # It had the number once; somebody else had it and the word in between.
            raise ConflictError(f"The account has an older claim of {keyword} on this number; cancel that first.", "keyword")
    return msgspec.structs.replace(made, id=NIL, channel_id=NIL) if simulate else made


def checked(word: str) -> str:
    """The keyword as it is kept: upper case. Raises InvalidError."""
    keyword = written(word)
    if keyword == EVERYTHING:
        return keyword
    if not keyword.isalnum() or len(keyword) > KEYWORD_LENGTH:
        raise invalid("keyword", f"must be 1 to {KEYWORD_LENGTH} letters or digits")
    if keyword in consent_words.RESERVED:
        raise invalid("keyword", f"{keyword} is reserved: people use it to stop or to start messages, or to ask for help")
    return keyword


def written(word: str) -> str:
    """A word as keywords are compared."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", word.strip()).upper())


GET = f"SELECT {COLUMNS} FROM keyword_claim WHERE account_id = $1 AND id = $2 AND state = 'active'"


async def get(db: Queries, account: AccountId, id: UUID) -> Claim:
    """Raises NotFoundError, also for one that was cancelled."""
    row = await db.fetchrow(GET, account, id)
    if row is None:
        raise NotFoundError(f"There is no keyword claim {id}.", "keyword_claim")
    return Claim(**row)


FILTERED = """
account_id = $1 AND state = 'active' AND ($2::text[] IS NULL OR phone_number_id = ANY($2)) AND ($3::text[] IS NULL OR keyword = ANY($3))
    AND ($4::text IS NULL OR upper(country) = upper($4))
""".strip()
LIST = f"SELECT {COLUMNS} FROM keyword_claim WHERE {FILTERED} ORDER BY id OFFSET $5 LIMIT $6"
TOTAL = f"SELECT count(*) FROM keyword_claim WHERE {FILTERED}"


async def list_claims(
    db: Queries,
    account: AccountId,
    page: Page,
    *,
    numbers_among: Sequence[str] | None = None,
    words: Sequence[str] | None = None,
    country: str | None = None,
) -> Listed[Claim]:
    """By age."""
    ids = None if numbers_among is None else [numbers.as_id(number) for number in numbers_among]
    values = (account, ids, None if words is None else [written(word) for word in words], country)
    rows = await db.fetch(LIST, *values, page.skip, page.take)
    return Listed([Claim(**row) for row in rows], await db.fetchval(TOTAL, *values))


CANCEL = f"""
UPDATE keyword_claim SET {CLAIM.change("cancel", now="$3")}
WHERE account_id = $1 AND id = $2 AND {CLAIM.allows("cancel")} RETURNING id
"""
REST = "UPDATE taken_keyword SET rests_until = $2 WHERE claim_id = $1 AND phone_number_id = $3 AND keyword = $4"


async def cancel(db: Database, account: AccountId, id: UUID, now: datetime) -> None:
    """The keyword is the account's no longer, at once; nobody's for a while. Raises NotFoundError."""
    async with db.transaction() as tx:
        found = await get(tx, account, id)
        if await tx.fetchval(CANCEL, account, id, now) is None:  # cancelled by somebody else since we looked
            raise NotFoundError(f"There is no keyword claim {id}.", "keyword_claim")
        await tx.execute(REST, id, now + timedelta(days=REST_DAYS), found.phone_number_id, found.keyword)
        await channels.end(tx, account, [id], now)


HOLDS = "SELECT EXISTS (SELECT 1 FROM taken_keyword WHERE phone_number_id = $2 AND keyword = $3 AND claim_id = $4 AND owner_id = $1)"


async def verify(db: Queries, account: AccountId, id: UUID) -> Sequence[str]:
    """What is wrong with a claim now, in words; nothing: it is fine. Raises NotFoundError."""
    found = await get(db, account, id)
    problems: list[str] = []
    try:
        number = await numbers.get(db, account, found.phone_number_id)
    except NotFoundError:
        problems.append(f"The number {found.phone_number_id} is out of service, or the account does not have it any more.")
    else:
        if found.keyword == EVERYTHING and number.is_shared:
            problems.append(f"The number {found.phone_number_id} is shared by now: {EVERYTHING} counts on owned numbers only.")
        elif not await db.fetchval(HOLDS, account, found.phone_number_id, found.keyword, id):
            problems.append(f"The keyword {found.keyword} belongs to another claim by now.")
    channel = await channels.get(db, account, found.channel_id)
    return [*problems, *await configurations.problems(db, account, channel.group_id)]


PURGE = "DELETE FROM taken_keyword WHERE rests_until <= $1"


async def purge(db: Database, now: datetime) -> None:
    """Forget words whose rest is over."""
    await db.execute(PURGE, now)
