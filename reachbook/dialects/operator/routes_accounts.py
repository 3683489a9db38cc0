"""Accounts and their tokens. Argument names in camelCase are path names."""

from typing import Any
from uuid import UUID

from litestar import Response, Router, delete, get, post, put
from litestar.params import FromPath, JSONBody

from reachbook.core import accounts, ids, tokens
from reachbook.core.ids import AccountId
from reachbook.dialects.operator import parameters, wire
from reachbook.dialects.operator.parameters import Skip, Take, listed_out
from reachbook.dialects.operator.wire import AccountIn, AccountOut, TokenIn, TokenMadeOut, TokenOut
from reachbook.http.body import one
from reachbook.http.paging import page
from reachbook.http.request import AppRequest

ACCOUNTS, ACCOUNT = "/accounts", "/accounts/{accountId:str}"
TOKENS = f"{ACCOUNT}/tokens"


@get(ACCOUNTS, summary="Lists accounts.", tags=["Accounts"])
async def list_accounts(request: AppRequest, skip: Skip = None, take: Take = None) -> Response[list[AccountOut]]:
    """`[{"id", "name", "region", "createdOnUtc"}]`, the oldest first."""
    asked = page(skip, take)
    return listed_out(asked, await accounts.list_page(request.db, asked), wire.account_out)


@post(ACCOUNTS, dto=one(AccountIn), summary="Makes an account.", tags=["Accounts"])
async def add_account(request: AppRequest, data: JSONBody[AccountIn | None] = None) -> AccountOut:
    """`{"name": "Acme", "region": "NL"}` → 201 with the account; `id` may be brought along. One that exists: 409."""
    given = data or AccountIn()
    id = wire.guid(given.id, "id") if given.id is not None else ids.new_id()
    return wire.account_out(await accounts.create(request.db, id, given.name or "", given.region or None, request.now))


@get(ACCOUNT, summary="Gets an account.", tags=["Accounts"])
async def get_account(request: AppRequest, accountId: FromPath[UUID]) -> AccountOut:
    """The account."""
    return wire.account_out(await accounts.get(request.db, AccountId(accountId)))


@put(ACCOUNT, dto=one(AccountIn), summary="Changes an account.", tags=["Accounts"])
async def update_account(request: AppRequest, accountId: FromPath[UUID], data: JSONBody[AccountIn | None] = None) -> AccountOut:
    """`{"region": "BE"}` → 200 with the account; what is not named stays."""
    given = data or AccountIn()
    return wire.account_out(await accounts.update(request.db, accountId, given.name, given.region))


@get(TOKENS, summary="Lists an account's tokens.", tags=["Accounts"])
async def list_tokens(request: AppRequest, accountId: FromPath[UUID], skip: Skip = None, take: Take = None) -> Response[list[TokenOut]]:
    """`[{"id", "name", "scopes", "createdOnUtc"}]`, the oldest first, without those that were revoked. Their values are not kept."""
    asked = page(skip, take)
    return listed_out(asked, await tokens.unrevoked(request.db, AccountId(accountId), asked), wire.token_out)


@post(TOKENS, dto=one(TokenIn), summary="Makes a token of an account.", tags=["Accounts"])
async def add_token(request: AppRequest, accountId: FromPath[UUID], data: JSONBody[TokenIn | None] = None) -> TokenMadeOut:
    """`{"name": "crm", "scopes": ["read", "write"]}` → 201 with the token and its value, `token`, which is shown only here.

    `value` registers one that was brought along from the vendor; one that is registered already: 409.
    """
    given, id = data or TokenIn(), ids.new_id()
    name, scopes = given.name or "", given.scopes or ()
    value = await tokens.create(request.db, AccountId(accountId), id, name=name, scopes=scopes, now=request.now, value=given.value)
    return wire.token_made_out(id, given, value, request.now)


@delete(f"{TOKENS}/{{tokenId:str}}", summary="Revokes a token of an account.", tags=["Accounts"])
async def revoke_token(request: AppRequest, accountId: FromPath[UUID], tokenId: FromPath[UUID]) -> None:
    """204: it is refused from the next request on."""
    await tokens.revoke_of(request.db, AccountId(accountId), tokenId, request.now)


def router(base: str, guard: Any) -> Router:
    """All of these."""
    return parameters.router(base, guard, globals())
