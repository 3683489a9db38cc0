"""API tokens: who may call, for which account, how long (consent rules, "Who may see what").

A token is 256 random bits, shown once; what is kept is its SHA-256, and the look-up by that hash tells nothing about a
token by its timing. An operator may register a value brought from the vendor, so that clients keep theirs.
"""

import asyncio
import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from reachbook.core import phone
from reachbook.core.errors import ConflictError, NotFoundError, UnauthenticatedError, invalid
from reachbook.core.ids import AccountId, new_id
from reachbook.core.limits import NAME_LENGTH
from reachbook.core.paging import Listed, Page, cut
from reachbook.database.queries import Queries, Record

ACCOUNT_SCOPES = ("read", "write")
INSTALLATION_SCOPES = ("gateway", "operator")
SHORTEST_OWN_VALUE = 16
ACCESS_SECONDS = 3_600


class Token(msgspec.Struct, frozen=True):
    """A token without its value. `account` is None for operator and gateway tokens.

    An access token has the id of the one that it was issued for. `country` is where a gateway's short codes are dialled.
    """

    id: UUID
    account: AccountId | None
    name: str
    scopes: frozenset[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    country: str | None = None


COLUMNS = "coalesce(parent_id, id) AS id, account_id, name, scopes, created_at, expires_at, revoked_at, country"
CREATE = """
INSERT INTO access_token (hash, id, account_id, name, scopes, created_at, expires_at, country)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING RETURNING id
"""


async def create(
    db: Queries,
    account: AccountId | None,
    id: UUID,
    *,
    name: str,
    scopes: Sequence[str],
    now: datetime,
    expires_at: datetime | None = None,
    value: str | None = None,
    country: str | None = None,
) -> str:
    """A new token; answers its value, which is nowhere else. `country` is where a gateway's short codes are dialled (ISO 3166-1 alpha-2).

    Raises InvalidError for scopes that don't fit, ConflictError for a value or id that exists, NotFoundError for an unknown account.
    """
    _check_scopes(account, scopes)
    if len(name) > NAME_LENGTH or "\0" in name:
        raise invalid("name", f"must be at most {NAME_LENGTH} characters")
    if value is not None and (len(value) < SHORTEST_OWN_VALUE or value != value.strip() or not value.isascii() or not value.isprintable()):
        raise invalid("value", f"must be at least {SHORTEST_OWN_VALUE} printable ASCII characters without blanks around them")
    if account is not None:
        await _refuse_unknown(db, account)
    known = phone.region(country) if country else None
    if country and (known is None or "gateway" not in scopes):
        raise invalid("country", "is a gateway's: an ISO 3166-1 alpha-2 code such as NL, with the scope gateway")
    token = value or secrets.token_urlsafe(32)
    if await db.fetchval(CREATE, _hash(token), id, account, name, sorted(set(scopes)), now, expires_at, known) is None:
        raise ConflictError("This token value or id is registered already.")
    return token


async def _refuse_unknown(db: Queries, account: AccountId) -> None:
    if await db.fetchval("SELECT 1 FROM account WHERE id = $1", account) is None:
        raise NotFoundError(f"There is no account {account}.")


def _check_scopes(account: AccountId | None, scopes: Sequence[str]) -> None:
    allowed = INSTALLATION_SCOPES if account is None else ACCOUNT_SCOPES
    unknown = sorted(set(scopes) - set(allowed))
    if unknown or not scopes:
        whose = "A token without an account" if account is None else "An account's token"
        raise invalid("scopes", f"{whose} takes the scopes {' and '.join(allowed)}, not {', '.join(unknown) or 'none'}")


ISSUE = """
WITH parent AS (
    SELECT id, account_id, name, scopes, expires_at FROM access_token
    WHERE hash = $1 AND id = $2 AND parent_id IS NULL AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $5) FOR SHARE
)
INSERT INTO access_token (hash, id, account_id, name, scopes, created_at, expires_at, parent_id)
SELECT $3, $4, account_id, name, scopes, $5, least(expires_at, $6::timestamptz), id FROM parent RETURNING expires_at
"""


async def issue(db: Queries, id: UUID, value: str, now: datetime) -> tuple[str, datetime]:
    """An access token for who knows a token's id and value (OAuth 2 client credentials), with its end: an hour, or that of the token.

    It ends with the token that it was issued for. Raises UnauthenticatedError, which does not say what is wrong.
    """
    token = secrets.token_urlsafe(32)
    ends_at = await db.fetchval(ISSUE, _hash(value), id, _hash(token), new_id(), now, now + timedelta(seconds=ACCESS_SECONDS))
    if ends_at is None:
        raise UnauthenticatedError("The client is unknown, its secret is wrong, or it is revoked.")
    return token, ends_at


PURGE = "DELETE FROM access_token WHERE parent_id IS NOT NULL AND expires_at < $1"


async def purge(db: Queries, now: datetime) -> None:
    """Forget access tokens that ended yesterday or before."""
    await db.execute(PURGE, now - timedelta(days=1))


FIND = f"SELECT hash, {COLUMNS} FROM access_token WHERE hash = ANY($1::bytea[])"


class Finder:
    """Looks up tokens; those of all requests that wait at the same moment with one statement.

    Nothing is kept: a look-up always starts after the request that asks came in, so a revoked token is refused at once.
    """

    def __init__(self, db: Queries) -> None:
        self._db = db
        self._asked: set[bytes] = set()
        self._answer: asyncio.Future[dict[bytes, Record]] | None = None
        self._work: asyncio.Task[None] | None = None

    async def find(self, digest: bytes) -> Record | None:
        """The row of this hash, as of now."""
        self._asked.add(digest)
        if self._answer is None:
            self._answer = asyncio.get_running_loop().create_future()
        answer = self._answer
        if self._work is None:
            # A task of its own: the request that happens to be first may be cancelled, the others still want their answer.
            self._work = asyncio.create_task(self._run())
        return (await asyncio.shield(answer)).get(digest)

    async def _run(self) -> None:
        while self._answer is not None:
            asked, answer = list(self._asked), self._answer
            self._asked, self._answer = set(), None
            try:
                found = await self._db.fetch(FIND, asked)
            except Exception as error:
                answer.set_exception(error)
            else:
                answer.set_result({row["hash"]: row for row in found})
        self._work = None


async def authenticate(finder: Finder, value: str, now: datetime) -> Token:
    """The token of this value. Raises UnauthenticatedError if it is unknown, expired or revoked; the answer does not say which."""
    row = await finder.find(_hash(value))
    if row is None or row["revoked_at"] is not None or (row["expires_at"] is not None and row["expires_at"] <= now):
        raise UnauthenticatedError("The token is unknown, expired or revoked.")
    return _token(row)


LIST = f"SELECT {COLUMNS} FROM access_token WHERE account_id IS NOT DISTINCT FROM $1 AND parent_id IS NULL ORDER BY id"


async def list_of(db: Queries, account: AccountId | None) -> Sequence[Token]:
    """The account's tokens, or with None those of the installation; oldest first, revoked ones too."""
    return [_token(row) for row in await db.fetch(LIST, account)]


async def unrevoked(db: Queries, account: AccountId, page: Page) -> Listed[Token]:
    """The account's tokens but for those that were revoked, oldest first. Raises NotFoundError for an unknown account."""
    await _refuse_unknown(db, account)
    return cut([token for token in await list_of(db, account) if token.revoked_at is None], page)


REVOKE = "UPDATE access_token SET revoked_at = coalesce(revoked_at, $2) WHERE id = $1 OR parent_id = $1 RETURNING id"


async def revoke(db: Queries, id: UUID, now: datetime) -> None:
    """From the next request on the token is refused. Raises NotFoundError."""
    if await db.fetchval(REVOKE, id, now) is None:
        raise NotFoundError(f"There is no token {id}.")


REVOKE_OF = """
UPDATE access_token SET revoked_at = $3 WHERE account_id = $1 AND (id = $2 OR parent_id = $2) AND revoked_at IS NULL RETURNING id
"""


async def revoke_of(db: Queries, account: AccountId, id: UUID, now: datetime) -> None:
    """The same for a token of this account that is not revoked yet. Raises NotFoundError."""
    if await db.fetchval(REVOKE_OF, account, id, now) is None:
        raise NotFoundError(f"There is no token {id}.")


def _hash(value: str) -> bytes:
    return hashlib.sha256(value.encode()).digest()


def _token(row: Record) -> Token:
    account = AccountId(row["account_id"]) if row["account_id"] else None
    instants = (row["created_at"], row["expires_at"], row["revoked_at"])
    return Token(row["id"], account, row["name"], frozenset(row["scopes"]), *instants, row["country"])
