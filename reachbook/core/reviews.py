"""Texts that may mean stop, for a person to decide (inbound.md, "near hits"); and the words that an account adds to those of everybody."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from reachbook.core import consent, consent_words, inbound_consent
from reachbook.core.consent import Change, Reason, Source, TokenType
from reachbook.core.consent_words import Meaning
from reachbook.core.errors import ConflictError, Fault, InvalidError, NotFoundError
from reachbook.core.ids import AccountId
from reachbook.core.limits import CONSENT_WORDS, NAME_LENGTH
from reachbook.core.paging import Listed, Page
from reachbook.database.queries import Database, Queries

STATES = ("open", "optedOut", "dismissed")


class Review(msgspec.Struct, frozen=True):
    """`type` and `value` are whose consent it is about, `text` what was said."""

    id: UUID
    type: str
    value: str
    text: str
    reference: str
    state: str
    created_at: datetime
    decided_at: datetime | None


COLUMNS = "id, type, value, text, reference, state, created_at, decided_at"
IN_STATE = "account_id = $1 AND ($2::text IS NULL OR state = $2)"
LIST = f"SELECT {COLUMNS} FROM consent_review WHERE {IN_STATE} ORDER BY id DESC OFFSET $3 LIMIT $4"
TOTAL = f"SELECT count(*) FROM consent_review WHERE {IN_STATE}"


async def list_reviews(db: Queries, account: AccountId, page: Page, state: str | None = None) -> Listed[Review]:
    """The newest first."""
    rows = await db.fetch(LIST, account, state, page.skip, page.take)
    return Listed([Review(**row) for row in rows], await db.fetchval(TOTAL, account, state))


GET = f"SELECT {COLUMNS} FROM consent_review WHERE account_id = $1 AND id = $2"
DECIDE = f"""
UPDATE consent_review SET state = $3, decided_at = $4 WHERE account_id = $1 AND id = $2 AND state = 'open' RETURNING {COLUMNS}
"""


async def get(db: Queries, account: AccountId, id: UUID) -> Review:
    """Raises NotFoundError."""
    row = await db.fetchrow(GET, account, id)
    if row is None:
        raise NotFoundError(f"There is no review {id}.", "review")
    return Review(**row)


async def decide(db: Database, account: AccountId, id: UUID, *, opts_out: bool, actor: UUID, now: datetime) -> Review:
    """Opt the person out, as they wished, or dismiss. Raises NotFoundError, ConflictError if it is decided already."""
    async with db.transaction() as tx:
        await get(tx, account, id)
        row = await tx.fetchrow(DECIDE, account, id, "optedOut" if opts_out else "dismissed", now)
        if row is None:
            raise ConflictError("The review is decided already.")
        found = Review(**row)
        if opts_out:
            change = Change(TokenType(found.type), found.value, True, Reason.CONTACT, inbound_consent.kept(found.text))
            await consent.record(tx, account, [change], source=Source.KEYWORD, actor=actor, now=now)
    return found


# --- an account's own words


class Word(NamedTuple):
    """A word that means stop or start for this account."""

    word: str
    means: str


WORDS = "SELECT word, means FROM consent_word WHERE account_id = $1 ORDER BY word"
SAVE = """
INSERT INTO consent_word (account_id, word, means, created_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (account_id, word) DO UPDATE SET means = excluded.means
"""
HOLD = "SELECT id FROM account WHERE id = $1 FOR NO KEY UPDATE"  # words are added one after the other: each is counted before the next
HOW_MANY = "SELECT count(*) FROM consent_word WHERE account_id = $1 AND word <> $2"
DELETE = "DELETE FROM consent_word WHERE account_id = $1 AND word = $2 RETURNING word"


async def words(db: Queries, account: AccountId) -> Sequence[Word]:
    """The account's own, by word."""
    return [Word(**row) for row in await db.fetch(WORDS, account)]


async def save_word(db: Database, account: AccountId, word: str, means: str, now: datetime) -> Word:
    """One more, or what one means. Raises InvalidError, ConflictError when there are too many."""
    compared, kind = consent_words.compared(word), means.strip().lower()
    faults = [
        Fault((name,), message) for name, message in (("word", _wrong_word(word, compared, kind)), ("means", _wrong_kind(kind))) if message
    ]
    if faults:
        raise InvalidError(faults)
    async with db.transaction() as tx:
        await tx.execute(HOLD, account)
        if await tx.fetchval(HOW_MANY, account, compared) >= CONSENT_WORDS:
            raise ConflictError(f"An account has at most {CONSENT_WORDS} words of its own.")
        await tx.execute(SAVE, account, compared, kind, now)
    return Word(compared, kind)


def _wrong_word(word: str, compared: str, kind: str) -> str | None:
    if "\0" in word:
        return "contains a NUL character"
    if not compared or len(compared) > NAME_LENGTH:
        return f"must have 1 to {NAME_LENGTH} letters or digits"
    if compared in consent_words.RESERVED:
        return "has its meaning for everybody"
    said = consent_words.meaning(compared)
    # Nobody who says STOP is to be opened by it, whatever stands beside.
    return "may mean stop" if kind == Meaning.START and said is not None and said.meaning is not Meaning.START else None


def _wrong_kind(kind: str) -> str | None:
    return None if kind in (Meaning.STOP, Meaning.START) else "must be stop or start"


async def delete_word(db: Database, account: AccountId, word: str) -> None:
    """Raises NotFoundError."""
    if await db.fetchval(DELETE, account, consent_words.compared(word)) is None:
        raise NotFoundError(f"There is no word {word!r}.", "word")
