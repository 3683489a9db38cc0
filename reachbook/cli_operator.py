"""The commands of the operator's daily work: stock, the work queue, charges."""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

from cyclopts import App, Parameter

from reachbook import stocking
from reachbook.commands import AsJson, Data, answer, call
from reachbook.core import catalogues, charges, ids, money, numbers, queue_view
from reachbook.core.catalogues import NumberType
from reachbook.core.charges import Bill
from reachbook.core.numbers import Number
from reachbook.core.paging import Page
from reachbook.core.queue_view import Shown
from reachbook.http.instants import instant, instant_or_null
from reachbook.http.money import number

EVERYTHING = Page(0, 1_000_000)
TEXT_LENGTH = 60  # characters of a template that a line shows

numbers_app = App(name="numbers", help="Numbers in stock: shared ones, and those that accounts rent.")


@numbers_app.command(name="add")
def add_numbers(
    file: Annotated[Path, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    type: str | None = None,
    shared: Annotated[bool, Parameter(negative="")] = False,
    shortcode: Annotated[bool, Parameter(negative="")] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Take the numbers of a file into stock, all or none: CSV or Excel with the columns number, type, shared and shortcode.

    A file of one column is a list of numbers. `-` is standard input. Numbers that are not shared go to whoever waits for one.

    Parameters
    ----------
    type:
        Id or description of the number type of rows that don't say.
    shared:
        Rows that don't say are shared: everybody may claim keywords on them.
    shortcode:
        Rows that don't say are short codes.
    """
    asked = stocking.Asked(file, type, shared, shortcode)
    stocked: Sequence[Number] = call(data, lambda db: stocking.add(db, asked))
    if as_json:
        answer([_number(one) for one in stocked])
        return
    given = [one for one in stocked if one.owner is not None]
    for one in given:
        print(f"{one.number} goes to account {one.owner}, which waited for it.")
    print(f"{len(stocked):,} numbers are in stock{f', {len(given):,} of them given out at once' if given else ''}.")


@numbers_app.command(name="list")
def list_numbers(
    *,
    state: Literal["free", "shared", "owned", "resting"] | None = None,
    account: UUID | None = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """List the numbers in service: all, those in a state, or those that an account rents."""
    found: Sequence[Number] = call(data, lambda db: numbers.list_stock(db, EVERYTHING, state=state, owner=account)).rows
    if as_json:
        answer([_number(one) for one in found])
        return
    for one in found:
        print(f"{one.id:<16}  {one.state:<7}  {one.owner or '-':<36}  {one.type.description}")


@numbers_app.command(name="types")
def list_types(*, data: Data = None, as_json: AsJson = False) -> None:
    """List the number types, with what they cost: a number, and a keyword on a shared one."""
    found: Sequence[NumberType] = call(data, lambda db: catalogues.number_types(db, EVERYTHING)).rows
    if as_json:
        answer([_type(one) for one in found])
        return
    for one in found:
        rent = f"{money.written(one.startup_cost)} + {money.written(one.monthly_cost)}"
        keyword = f"{money.written(one.keyword_startup_cost)} + {money.written(one.keyword_monthly_cost)}"
        print(f"{one.id}  {one.country}  {one.category:<10}  {one.description}  ({one.currency} {rent} a month; keyword {keyword})")


def requests(
    *,
    state: Literal["pending", "approved", "rejected", "all"] = "pending",
    kind: Literal["channel", "businessAccount", "number", "profile", "templateLanguage"] | None = None,
    account: UUID | None = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """List what waits for a decision, the oldest first; with --state what is decided."""
    wanted = None if state == "all" else state
    found: Sequence[Shown] = call(
        data, lambda db: queue_view.list_all(db, EVERYTHING, state=wanted, kind=kind, of_account=account, now=ids.now())
    ).rows
    if as_json:
        answer([_item(one) for one in found])
        return
    for one in found:
        print(_line(one))


def approve(
    id: UUID, /, *, phone: Annotated[str | None, Parameter(name="--number")] = None, data: Data = None, as_json: AsJson = False
) -> None:
    """Approve what waits for a decision.

    Parameters
    ----------
    phone:
        The free number that a number request gets; the longest in stock unless given.
    """
    _decided(call(data, lambda db: queue_view.approve(db, id, number=phone, now=ids.now())), as_json)


def reject(id: UUID, /, *, reason: str, data: Data = None, as_json: AsJson = False) -> None:
    """Reject what waits for a decision. The account sees the reason."""
    _decided(call(data, lambda db: queue_view.reject(db, id, reason, ids.now())), as_json)


def _decided(shown: Shown, as_json: bool) -> None:
    if as_json:
        answer(_item(shown))
        return
    print(f"The {shown.item.kind} {shown.item.entity_id} of account {shown.item.account} is {shown.item.state}.")


def show_charges(
    month: str,
    /,
    *,
    account: UUID | None = None,
    format: Literal["text", "csv", "json"] = "text",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Say what accounts owe for a month (2026-01), and why: all accounts, or one."""
    bills: Sequence[Bill] = call(data, lambda db: charges.of_month(db, month, account))
    if as_json or format == "json":
        answer([_bill(bill) for bill in bills])
    elif format == "csv":
        sys.stdout.buffer.write(charges.table(bills))
        sys.stdout.buffer.flush()
    else:
        for bill in bills:
            print(f"{bill.account_name} ({bill.account}): {bill.currency} {money.written(bill.total)}")
            for line in bill.lines:
                print(f"  {money.written(line.amount):>12}  {line.kind:<15}  {line.description}  ({line.entity_id})")


COMMANDS: Mapping[str, Callable[..., None]] = {"requests": requests, "approve": approve, "reject": reject, "charges": show_charges}


# --- what --json says, in the API's words


def _number(one: Number) -> dict[str, Any]:
    return _given(
        id=one.id,
        number=one.number,
        numberTypeId=one.type.id,
        isShared=one.is_shared,
        isShortcode=one.is_shortcode,
        state=one.state,
        accountId=one.owner,
        ownedSinceUtc=instant_or_null(one.owned_since),
    )


def _type(one: NumberType) -> dict[str, Any]:
    return {
        "id": one.id,
        "purpose": one.purpose,
        "country": one.country,
        "category": one.category,
        "description": one.description,
        "currency": one.currency,
        "startupCost": number(one.startup_cost),
        "monthlyCost": number(one.monthly_cost),
        "noticePeriodDays": one.notice_days,
        "keywordStartupCost": number(one.keyword_startup_cost),
        "keywordMonthlyCost": number(one.keyword_monthly_cost),
        "keywordNoticePeriodDays": one.keyword_notice_days,
        "numberRequestProcessingDays": one.processing_days,
    }


def _item(one: Shown) -> dict[str, Any]:
    item, code, language, said = one.item, one.code, one.language, one.provider
    return _given(
        id=item.id,
        kind=item.kind,
        entityId=item.entity_id,
        accountId=item.account,
        state=item.state,
        createdOnUtc=instant(item.created_at),
        decidedOnUtc=instant_or_null(item.decided_at),
        reason=item.reason,
        channelTypeId=one.channel_type_id,
        channelRequestId=one.channel_request_id,
        numberTypeId=one.number_type_id,
        name=one.name,
        phoneNumber=one.phone and f"00{one.phone.removeprefix('+')}",
        otp=code and {"method": code.method, "code": code.digits, "expiresOnUtc": instant(code.expires_at)},
        templateId=one.template_id,
        language=language and language.name,
        code=language and language.code,
        content=one.content,
        provider=said and _given(id=said.id, status=said.status, syncedOnUtc=instant_or_null(said.synced_at), error=said.error),
    )


def _bill(bill: Bill) -> dict[str, Any]:
    lines = [
        {"kind": line.kind, "entityId": line.entity_id, "description": line.description, "amount": number(line.amount)}
        for line in bill.lines
    ]
    whose = {"accountId": bill.account, "accountName": bill.account_name, "currency": bill.currency}
    return whose | {"total": number(bill.total), "lines": lines}


def _given(**values: Any) -> dict[str, Any]:
    """Without what is not there."""
    return {name: value for name, value in values.items() if value is not None}


# --- what people read


def _line(one: Shown) -> str:
    item = one.item
    about: list[str] = []
    if one.name is not None:
        about.append(f"{one.name} {one.phone}")
    if one.code is not None:
        about.append(f"code {one.code.digits} by {one.code.method} until {one.code.expires_at:%H:%M}")
    if one.language is not None:
        text = " ".join((one.content or "").split())
        about.append(f"{one.language.name}: {text if len(text) <= TEXT_LENGTH else text[: TEXT_LENGTH - 1] + '…'}")
    if one.provider is not None:
        about.append(f"provider: {one.provider.error or one.provider.status}")
    if item.state != "pending":
        about.append(f"{item.state} {item.decided_at:%Y-%m-%d %H:%M}{f', {item.reason}' if item.reason else ''}")
    return f"{item.id}  {item.created_at:%Y-%m-%d %H:%M}  {item.kind:<16}  {item.account}  {'; '.join(about)}".rstrip()
