"""The operator approves or rejects what waits in the work queue; what that does is up to the thing itself (operator.md, "Work queue")."""

from datetime import datetime
from uuid import UUID

from reachbook.core import channel_requests, number_requests, profiles, templates, work_queue
from reachbook.core.errors import Fault, InvalidError, invalid
from reachbook.core.ids import AccountId
from reachbook.core.limits import VALUE_LENGTH
from reachbook.core.text import clean
from reachbook.core.work_queue import Item, Kind
from reachbook.database.queries import Database, Transaction


async def approve(db: Database, account: AccountId, id: UUID, *, number: str | None = None, now: datetime) -> Item:
    """Approve an item; `number` is which one a number request gets. Raises NotFoundError, InvalidError, ConflictError."""
    item = await work_queue.pending(db, account, id)
    if number is not None and item.kind != Kind.NUMBER:
        raise invalid("phone_number", f"is for number requests; this one is about a {item.kind}")
    async with db.transaction() as tx:
        await _decide(tx, account, item, approved=True, reason=None, number=number, now=now)
        return await work_queue.get(tx, account, id)


async def reject(db: Database, account: AccountId, id: UUID, reason: str | None, now: datetime) -> Item:
    """Reject an item, which takes a reason. Raises NotFoundError, InvalidError, ConflictError."""
    item = await work_queue.pending(db, account, id)
    faults: list[Fault] = []
    written = clean(reason, ("reason",), VALUE_LENGTH, faults)
    if written is None:
        faults.append(Fault(("reason",), "is required"))
    if faults:
        raise InvalidError(faults)
    async with db.transaction() as tx:
        await _decide(tx, account, item, approved=False, reason=written, number=None, now=now)
        return await work_queue.get(tx, account, id)


async def _decide(
    tx: Transaction, account: AccountId, item: Item, *, approved: bool, reason: str | None, number: str | None, now: datetime
) -> None:
    match item.kind:
        case Kind.CHANNEL | Kind.BUSINESS_ACCOUNT:
            request = await channel_requests.request_of(tx, account, item.kind, item.entity_id)
            await channel_requests.decide(tx, account, request, approved=approved, reason=reason, now=now)
            if not approved:
                await profiles.cancel_all(tx, account, request, now)
                await templates.cancel_all(tx, account, request, now)
        case Kind.NUMBER:
            await number_requests.decide(tx, account, item.entity_id, approved=approved, reason=reason, number=number, now=now)
        case Kind.PROFILE:
            await profiles.decide(tx, account, item.entity_id, approved=approved, reason=reason, now=now)
        case Kind.TEMPLATE_LANGUAGE:
            event = "approve" if approved else "reject"
            if not await templates.decide(tx, account, item.entity_id, event, reason=reason, now=now):
                raise work_queue.decided("decided")
