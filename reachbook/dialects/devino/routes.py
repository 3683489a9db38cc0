"""The endpoints of document 001. A handler is decode, what core is asked, encode."""

from collections.abc import Mapping
from typing import Annotated, Any

from litestar import Router, delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody, QueryParameter

from reachbook.core import group_fields, groups, ids, members, segments
from reachbook.core.errors import NotFoundError, ReachbookError
from reachbook.core.members import Asked
from reachbook.dialects.devino import batch, wire
from reachbook.dialects.devino.auth import guard
from reachbook.dialects.devino.batch import VerdictsOut
from reachbook.dialects.devino.errors import DOCUMENTED, reason_out
from reachbook.dialects.devino.wire import (
    BatchDocumented,
    BatchIn,
    ContactsOut,
    CreatedOut,
    DeletedListsOut,
    DeletedOut,
    ListIn,
    ListsOut,
)
from reachbook.http.body import one
from reachbook.http.paging import page
from reachbook.http.request import AppRequest

BASE = "/address-book-api"
LISTS = "/contact-groups"
DELETED = ("/contacts-groups", LISTS)
"""Both are in the document."""

Limit = Annotated[int | None, QueryParameter(name="limit", description="100 unless given, 10,000 at most.")]
Offset = Annotated[int | None, QueryParameter(name="offset", description="Rows to leave out at the start.")]
ZoneOffset = Annotated[int | None, QueryParameter(name="zoneOffset", description="Minutes from UTC of the clock that instants are of.")]
Text = str | None


def _answers(model: Any, description: str) -> Mapping[int, ResponseSpec]:
    return {200: ResponseSpec(data_container=model, description=description, generate_examples=False)}


@post(LISTS, dto=one(ListIn), status_code=200, responses=_answers(CreatedOut, "Its id."), summary="Creates a contact list.", tags=["Lists"])
async def create_list(request: AppRequest, data: JSONBody[ListIn | None] = None) -> CreatedOut:
    """`{"name": "TestList", "type": "STANDARD", "fields": [{"name": "Auto", "displayName": "Automobile", "type": 3}],
    "autoDeleteEnabled": true}` → `{"result": "3576515602081985000"}`.
    """
    draft, purpose, declared = wire.list_in(data or ListIn())
    made = await group_fields.create_group(request.db, request.account, ids.new_id(), draft, purpose, declared, request.now)
    return CreatedOut(str(made.number))


@post(
    "/contacts/batch",
    dto=one(BatchIn, BatchDocumented),
    status_code=200,
    responses=_answers(VerdictsOut, "One verdict a contact, in order."),
    summary="Uploads contacts to a list.",
    tags=["Contacts"],
)
async def upload_contacts(request: AppRequest, data: JSONBody[BatchIn | None] = None, zone_offset: ZoneOffset = None) -> VerdictsOut:
    """`{"contactGroupId": 3576505602081984000, "contacts": [{"phone": "79100000000", "fields": [{"name": "name", "value": "John"}]}],
    "duplicateCheckField": "phone"}` → `{"result": [{"code": "OK", "result": {"contactId": …}}]}`. Good contacts are stored, bad ones not.
    """
    given, offset = data or BatchIn(), wire.zone(zone_offset)
    group = await groups.numbered(request.db, request.account, wire.list_number(given.contact_group_id))
    layout = (await group_fields.layouts(request.db, request.account, [group.id]))[group.id]
    drafts = batch.contacts_in(given.contacts, layout, offset)
    unique = batch.unique_in(given.duplicate_check_field)
    verdicts = await members.upload(request.db, request.account, group.id, drafts, unique=unique, actor=request.caller.id, now=request.now)
    return VerdictsOut([batch.verdict_out(verdict, layout) for verdict in verdicts])


@get(LISTS, responses=_answers(ListsOut, "Lists."), summary="Gets all contact lists.", tags=["Lists"])
async def get_lists(
    request: AppRequest,
    limit: Limit = None,
    offset: Offset = None,
    name: Annotated[Text, QueryParameter(name="name", description="Of this name.")] = None,
    since: Annotated[Text, QueryParameter(name="from", description="Made since, YYYY-MM-DD HH:MM:SS.")] = None,
    until: Annotated[Text, QueryParameter(name="to", description="Made until, YYYY-MM-DD HH:MM:SS.")] = None,
    type: Annotated[list[str] | None, QueryParameter(name="type", description="Repeated or comma-separated.")] = None,
    zone_offset: ZoneOffset = None,
    auto_delete_enabled: Annotated[
        bool | None, QueryParameter(name="autoDeleteEnabled", description="Only those that are, or are not.")
    ] = None,
) -> ListsOut:
    """`{"result": [{"contactGroupId", "companyId", "name", "creationDate", "lastUpdate", "fields", "contactsCount", …}]}`, oldest first."""
    shift = wire.zone(zone_offset)
    found = await groups.find(
        request.db,
        request.account,
        page(offset, limit, default=100),
        name=name,
        kinds=wire.list_types(type),
        deletes_unused=auto_delete_enabled,
        since=wire.instant_in(since, "from", shift),
        until=wire.instant_in(until, "to", shift),
    )
    of = [group.id for group in found.rows]
    layouts = await group_fields.layouts(request.db, request.account, of)
    counts = await segments.count_of_groups(request.db, request.account, of)
    return ListsOut([wire.list_out(group, request.account, layouts[group.id], counts.get(group.id, 0), shift) for group in found.rows])


@get("/contacts/http/range", responses=_answers(ContactsOut, "Contacts."), summary="Gets all contacts from the list.", tags=["Contacts"])
async def get_contacts(
    request: AppRequest,
    contact_group_id: Annotated[Text, QueryParameter(name="contactGroupId", description="The list. Required.")] = None,
    limit: Limit = None,
    offset: Offset = None,
    desc_order: Annotated[bool | None, QueryParameter(name="descOrder", description="true: descending.")] = None,
    sort_by: Annotated[Text, QueryParameter(name="sortByField", description="A field, creationDate or lastUpdate.")] = None,
    push_token: Annotated[Text, QueryParameter(name="pushToken", description="Who has this device.")] = None,
    query_name: Annotated[Text, QueryParameter(name="queryName", description="A field, creationDate or lastUpdate.")] = None,
    query_operator: Annotated[
        Text, QueryParameter(name="queryOperator", description="EQ, NE, LIKE, GT, GE, LT, LE, IN, IS_NULL, NOT_NULL.")
    ] = None,
    query_value: Annotated[Text, QueryParameter(name="queryValue", description="The value; several for IN, separated by commas.")] = None,
    segment_id: Annotated[Text, QueryParameter(name="segmentId", description="Contacts of this segment.")] = None,
    zone_offset: ZoneOffset = None,
    subscription_channel: Annotated[
        Text, QueryParameter(name="subscriptionChannel", description="SMS, EMAIL, VIBER, PUSH, WHATSAPP or VOICE.")
    ] = None,
    subscription_state: Annotated[Text, QueryParameter(name="subscriptionState", description="SUBSCRIBED or UNSUBSCRIBED.")] = None,
) -> ContactsOut:
    """`{"result": [{"contactId", "phone", "email", "fields", "unsubscribedData", …}]}`, oldest first unless sorted."""
    shift = wire.zone(zone_offset)
    group = await groups.numbered(request.db, request.account, wire.list_number(contact_group_id))
    layout = (await group_fields.layouts(request.db, request.account, [group.id]))[group.id]
    asked = Asked(
        page(offset, limit, default=100),
        [
            *wire.condition_in(query_name, query_operator, query_value, layout, shift),
            *wire.subscription_in(subscription_channel, subscription_state),
            *wire.device_in(push_token),
        ],
        wire.segment_in(segment_id),
        None if sort_by is None else wire.attribute_named(sort_by, "sortByField", layout),
        desc_order is True,
    )
    found = await members.read(request.db, request.account, group.id, asked)
    return ContactsOut([wire.contact_out(one, group, request.account, layout, shift) for one in found])


Ids = list[str] | None


@delete(
    list(DELETED),
    status_code=200,
    responses=_answers(DeletedListsOut, "One entry a list."),
    summary="Deletes contact lists.",
    tags=["Lists"],
)
async def delete_lists(
    request: AppRequest,
    list_ids: Annotated[Ids, QueryParameter(name="ids", description="Repeated or comma-separated.")] = None,
    sms_ids: Annotated[Ids, QueryParameter(name="smsIds", description="The same.")] = None,
) -> DeletedListsOut:
    """`?ids=5435476543542&ids=435467586654` → `{"result": [{"code": "OK", "result": "5435476543542"}, …]}`; contacts that are in no
    other list go too.
    """
    asked = wire.list_ids(list_ids, sms_ids)
    numbers = {text: wire.number_of(text) for text in asked}
    outcomes = await groups.delete_numbered(request.db, request.account, list(numbers.values()))
    return DeletedListsOut([_deleted_out(text, outcomes[number]) for text, number in numbers.items()])


def _deleted_out(id: str, refused: ReachbookError | None) -> DeletedOut:
    if refused is None:
        return DeletedOut("OK", id)
    if isinstance(refused, NotFoundError):
        refused = NotFoundError(f"There is no group {id}.", refused.about)  # as it was asked for, also where it is no number
    return DeletedOut("REJECTED", id, refused.message, [reason_out(refused)])


def routers() -> list[Router]:
    """Everything behind the guard."""
    handlers = [value for value in globals().values() if isinstance(value, HTTPRouteHandler)]
    for handler in handlers:
        handler.responses = DOCUMENTED | dict(handler.responses or {})
    return [Router(BASE, route_handlers=handlers, guards=[guard])]
