"""The endpoints of document 000. Argument names in camelCase are the document's own path names."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from uuid import UUID

from litestar import MediaType, Response, Router, delete, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIResponse, OpenAPIType, Operation, Schema
from litestar.params import FromPath, JSONBody, PathParameter, QueryParameter

from reachbook.core import consent, contacts, dump, fields, groups, ids, search, segments
from reachbook.core.consent import Change, Source, TokenType
from reachbook.core.errors import Fault, InvalidError, invalid
from reachbook.core.ids import NIL
from reachbook.core.limits import INT32
from reachbook.dialects.cm_addressbook import wire
from reachbook.dialects.cm_addressbook.auth import guard
from reachbook.dialects.cm_addressbook.errors import WIRE
from reachbook.dialects.cm_addressbook.wire import (
    ContactIn,
    ContactOut,
    FieldIn,
    FieldOut,
    GroupIn,
    GroupOut,
    HistoryOut,
    MessageIn,
    OptOutIn,
    OptOutOut,
    SearchOut,
    TokenTypeOut,
    UploadedOut,
)
from reachbook.http import streams
from reachbook.http.body import batch, one
from reachbook.http.paging import headers, page
from reachbook.http.refusals import BODY_NAME, DOCUMENTED, FIELD_NAMES, fault_name
from reachbook.http.request import AppRequest
from reachbook.http.spelling import value_in_path

GROUPS, GROUP = "/groups", "/groups/{groupId:str}"
CONTACTS, CONTACT = "/contacts", "/contacts/{contactId:str}"
FIELDS, FIELD = "/fields", "/fields/{fieldId:str}"
OPTOUT, OPTOUT_TYPE, OPTOUT_TOKEN = "/optout", "/optout/{tokenType:str}", "/optout/{tokenType:str}/{tokenValue:str}"

OF_TOKEN = {FIELD_NAMES: {"value": "tokenValue"}}

Skip = Annotated[int | None, QueryParameter(name="skip", description="Rows to leave out at the start.")]
Take = Annotated[int | None, QueryParameter(name="take", description="Rows to answer; 1,000 unless given, 10,000 at most.")]
OrderBy = Annotated[str | None, QueryParameter(name="orderBy", description="Column to order by; ` desc` may follow.")]
OfType = Annotated[str | None, QueryParameter(name="optOutTokenType", description="Leave out contacts that are opted out of this type.")]
Query = Annotated[str | None, QueryParameter(name="q", description="Words that must all occur, in any case, with or without accents.")]
OtherQuery = Annotated[str | None, QueryParameter(name="query", description="The same as q.")]
FieldId = Annotated[int, PathParameter(ge=0, le=INT32)]
Ids = list[str] | None


@post(GROUPS, dto=one(GroupIn), summary="Adds a group.", tags=["Groups"])
async def add_group(request: AppRequest, data: JSONBody[GroupIn | None] = None) -> GroupOut:
    """`{"name": "QuickStart"}` → 201 with the group."""
    made = await groups.create(request.db, request.account, ids.new_id(), data or GroupIn(), request.now)
    return wire.group_out(made)


@get(GROUPS, summary="Gets groups paged.", tags=["Groups"])
async def list_groups(
    request: AppRequest,
    favorite: Annotated[bool | None, QueryParameter(name="favorite", description="Only favorite groups.")] = None,
    include_hidden: Annotated[bool | None, QueryParameter(name="includeHidden", description="Hidden groups too.")] = None,
    order_by: OrderBy = None,
    skip: Skip = None,
    take: Take = None,
) -> Response[list[GroupOut]]:
    """`[{"id", "name", "contactsAmount", …}]`; orderBy is name, date or contacts."""
    asked = page(skip, take)
    column, descending = wire.order(order_by, groups.ORDERS) or ("date", False)
    listed = await groups.list_groups(
        request.db,
        request.account,
        asked,
        order=column,
        descending=descending,
        include_hidden=bool(include_hidden),
        only_favorites=bool(favorite),
    )
    return Response([wire.group_out(group) for group in listed.rows], headers=headers(asked, listed))


@get(GROUP, summary="Gets a group by guid.", tags=["Groups"])
async def get_group(request: AppRequest, groupId: FromPath[UUID]) -> GroupOut:
    """The group, hidden or not."""
    return wire.group_out(await groups.get(request.db, request.account, groupId))


@put(GROUP, dto=one(GroupIn), summary="Updates a group.", tags=["Groups"])
async def update_group(request: AppRequest, groupId: FromPath[UUID], data: JSONBody[GroupIn | None] = None) -> GroupOut:
    """`{"isFavorite": true}` → 200 with the group; what is not named stays."""
    return wire.group_out(await groups.update(request.db, request.account, groupId, data or GroupIn(), request.now))


@delete(GROUP, summary="Deletes a group.", tags=["Groups"])
async def delete_group(request: AppRequest, groupId: FromPath[UUID]) -> None:
    """204; contacts that are in no other group go with it."""
    await groups.delete(request.db, request.account, [groupId], must_exist=True)


@delete(GROUPS, summary="Deletes groups with provided guids.", tags=["Groups"])
async def delete_groups(
    request: AppRequest, group_ids: Annotated[Ids, QueryParameter(name="groupIds", description="Repeated or comma-separated.")] = None
) -> None:
    """204; unknown ids are ignored."""
    wanted = wire.ids(group_ids, "groupIds")
    if not wanted:
        raise invalid("groupIds", "at least one is required")
    await groups.delete(request.db, request.account, wanted)


@delete(f"{GROUP}/contacts", summary="Deletes all contacts of a group.", tags=["Contacts"])
async def empty_group(request: AppRequest, groupId: FromPath[UUID]) -> None:
    """204; the group stays."""
    await groups.empty(request.db, request.account, groupId)


@post(f"{GROUP}/contacts", dto=one(ContactIn), summary="Adds a contact.", tags=["Contacts"])
async def add_contact(request: AppRequest, groupId: FromPath[UUID], data: JSONBody[ContactIn | None] = None) -> ContactOut:
    """`{"firstName": "John", "insertion": "van", "lastName": "Doe", "email": "john.doe@example.com", "phoneNumber": "+31627100000",
    "customValues": [{"fieldId": 6, "value": "Test Company"}]}` → 201 with the contact as stored.
    """
    draft = data or ContactIn()
    _refuse_other_group(draft, groupId)
    made = await contacts.add(request.db, request.account, groupId, draft, id=ids.new_id(), now=request.now, actor=request.caller.id)
    return wire.contact_out(made)


@post(
    f"{GROUP}/contacts-bulk",
    dto=batch(ContactIn),
    opt={BODY_NAME: "contacts"},
    summary="Adds multiple contacts at once.",
    tags=["Contacts"],
)
async def add_contacts(
    request: AppRequest,
    groupId: FromPath[UUID],
    data: JSONBody[Any] = None,
    delay_indexing: Annotated[bool | None, QueryParameter(name="delayIndexing", description="Store now, index later.")] = None,
    skip_invalid: Annotated[
        bool | None, QueryParameter(name="skipInvalid", description="Store the good rows, report the bad ones (ours).")
    ] = None,
) -> UploadedOut:
    """`[contact, …]` → 201 `{"created": n}`: all of them, or with one bad row none."""
    rows: Sequence[ContactIn | list[Fault]] = data or ()
    stored = await contacts.upload(
        request.db,
        request.account,
        groupId,
        [_of_group(row, groupId, index) for index, row in enumerate(rows)],
        now=request.now,
        skip_invalid=bool(skip_invalid),
        delay_indexing=bool(delay_indexing),
        actor=request.caller.id,
    )
    if not skip_invalid:
        return UploadedOut(stored.created)
    faults = [(int(path[0]), fault_name(WIRE.path(path[1:])), message) for path, message in stored.rejected]
    return UploadedOut(stored.created, [wire.RejectedOut(*fault) for fault in faults])


def _refuse_other_group(draft: ContactIn, group: UUID) -> None:
    if draft.group_id and wire.guid(draft.group_id, "group_id") not in (group, NIL):
        raise invalid("group_id", "is another group than the path's")


def _of_group(row: ContactIn | list[Fault], group: UUID, index: int) -> ContactIn | list[Fault]:
    if isinstance(row, list) or not row.group_id:
        return row
    try:
        _refuse_other_group(row, group)
    except InvalidError as error:
        return [Fault((index, *fault.path), fault.message) for fault in error.faults]
    return row


@get(f"{GROUP}/contacts", summary="Gets contacts within a group.", tags=["Contacts"])
async def list_contacts(
    request: AppRequest,
    groupId: FromPath[UUID],
    get_custom_values: Annotated[bool | None, QueryParameter(name="getCustomValues", description="Custom values too.")] = None,
    token_type: OfType = None,
    order_by: OrderBy = None,
    skip: Skip = None,
    take: Take = None,
) -> Response[list[ContactOut]]:
    """`[contact, …]`; orderBy is name or date."""
    asked = page(skip, take)
    column, descending = wire.order(order_by, ("name", "date")) or ("date", False)
    listed = await contacts.list_members(
        request.db, request.account, groupId, asked, order=column, descending=descending, reachable_by=_filter(token_type)
    )
    rows = [wire.contact_out(contact, with_values=bool(get_custom_values)) for contact in listed.rows]
    return Response(rows, headers=headers(asked, listed))


@get(CONTACT, summary="Gets a contact by guid.", tags=["Contacts"])
async def get_contact(request: AppRequest, contactId: FromPath[UUID], token_type: OfType = None) -> ContactOut:
    """The contact with its custom values; 404 when its address is opted out of the given type."""
    return wire.contact_out(await contacts.get(request.db, request.account, contactId, _filter(token_type)))


@put(CONTACT, dto=one(ContactIn), summary="Updates a contact.", tags=["Contacts"])
async def update_contact(request: AppRequest, contactId: FromPath[UUID], data: JSONBody[ContactIn | None] = None) -> ContactOut:
    """Named properties are set, `null` clears, absent ones stay; `customValues` replaces the set; `groupId` moves."""
    draft = data or ContactIn()
    target = wire.guid(draft.group_id, "group_id") if draft.group_id else NIL
    move_to = None if target == NIL else target
    changed = await contacts.update(
        request.db, request.account, contactId, draft, now=request.now, move_to=move_to, actor=request.caller.id
    )
    return wire.contact_out(changed)


@delete(CONTACT, summary="Deletes a contact.", tags=["Contacts"])
async def delete_contact(request: AppRequest, contactId: FromPath[UUID]) -> None:
    """204. What is known of its addresses' consent stays."""
    await contacts.delete(request.db, request.account, [contactId], must_exist=True)


@delete(CONTACTS, summary="Deletes contacts with provided guids.", tags=["Contacts"])
async def delete_contacts(
    request: AppRequest, contact_ids: Annotated[Ids, QueryParameter(name="contactIds", description="Repeated or comma-separated.")] = None
) -> None:
    """204; unknown ids are ignored."""
    wanted = wire.ids(contact_ids, "contactIds")
    if not wanted:
        raise invalid("contactIds", "at least one is required")
    await contacts.delete(request.db, request.account, wanted)


def _filter(token_type: str | None) -> TokenType | None:
    return consent.token_type(token_type, "optOutTokenType") if token_type else None


@post(FIELDS, dto=one(FieldIn), summary="Adds a field.", tags=["Fields"])
async def add_field(request: AppRequest, data: JSONBody[FieldIn | None] = None) -> FieldOut:
    """`{"name": "Shoe size"}` → 201 `{"id": 17, "name": "Shoe size"}`."""
    return wire.field_out(await fields.create(request.db, request.account, data.name if data else None, request.now))


@get(FIELDS, summary="Gets all fields of an account.", tags=["Fields"])
async def list_fields(request: AppRequest) -> list[FieldOut]:
    """`[{"id": 6, "name": "Company"}, …]`."""
    return [wire.field_out(field) for field in await fields.list_all(request.db, request.account)]


@get(FIELD, summary="Gets a field by id.", tags=["Fields"])
async def get_field(request: AppRequest, fieldId: FieldId) -> FieldOut:
    """`{"id": 6, "name": "Company"}`."""
    return wire.field_out(await fields.get(request.db, request.account, fieldId))


@put(FIELD, dto=one(FieldIn), summary="Updates a field.", tags=["Fields"])
async def rename_field(request: AppRequest, fieldId: FieldId, data: JSONBody[FieldIn | None] = None) -> FieldOut:
    """`{"name": "Firm"}` → 200 with the field; predefined ones too."""
    return wire.field_out(await fields.rename(request.db, request.account, fieldId, data.name if data else None))


@delete(FIELD, summary="Deletes a field.", tags=["Fields"])
async def delete_field(request: AppRequest, fieldId: FieldId) -> None:
    """204, its values too; 409 for the predefined ones."""
    await fields.delete(request.db, request.account, fieldId)


@post(
    f"{OPTOUT}/bulk",
    dto=batch(OptOutIn),
    opt={BODY_NAME: "tokens"},
    status_code=200,
    summary="Adds/removes opt-out tokens in bulk.",
    tags=["OptOut"],
)
async def bulk_optout(
    request: AppRequest,
    data: JSONBody[Any] = None,
    message: Annotated[str | None, QueryParameter(name="message", description="Kept in each token's history.")] = None,
) -> int:
    """`[{"type": "sms", "value": "+31627100000", "isActive": true}, …]` → how many tokens changed their state."""
    changes = wire.changes(data or ())
    return await consent.record(
        request.db, request.account, changes, source=Source.API, actor=request.caller.id, now=request.now, message=message
    )


@post(OPTOUT_TOKEN, dto=one(MessageIn), opt=OF_TOKEN, status_code=200, summary="Adds an opt-out token by type and value.", tags=["OptOut"])
async def opt_out(
    request: AppRequest, tokenType: FromPath[str], tokenValue: FromPath[str], data: JSONBody[MessageIn | None] = None
) -> OptOutOut:
    """`{"message": "string"}`, or no body → `{"type": "sms", "value": "+31627100000", "isActive": true}`."""
    return await _change(request, tokenType, tokenValue, data, is_active=True)


@delete(OPTOUT_TOKEN, dto=one(MessageIn), opt=OF_TOKEN, status_code=200, summary="Opts in again by type and value.", tags=["OptOut"])
async def opt_in(
    request: AppRequest, tokenType: FromPath[str], tokenValue: FromPath[str], data: JSONBody[MessageIn | None] = None
) -> OptOutOut:
    """`{"message": "string"}`, or no body → `{"type": "sms", "value": "+31627100000", "isActive": false}`."""
    return await _change(request, tokenType, tokenValue, data, is_active=False)


async def _change(request: AppRequest, type: str, value: str, data: MessageIn | None, *, is_active: bool) -> OptOutOut:
    asked = Change(consent.token_type(type, "tokenType"), value_in_path(value), is_active, message=data.message if data else None)
    return wire.optout_out(
        await consent.change(request.db, request.account, asked, source=Source.API, actor=request.caller.id, now=request.now)
    )


@get(OPTOUT_TOKEN, opt=OF_TOKEN, summary="Gets an opt-out token by type and value.", tags=["OptOut"])
async def get_optout(request: AppRequest, tokenType: FromPath[str], tokenValue: FromPath[str]) -> OptOutOut:
    """404 if the address was never asked."""
    type = consent.token_type(tokenType, "tokenType")
    return wire.optout_out(await consent.get(request.db, request.account, type, value_in_path(tokenValue)))


@get(OPTOUT, summary="Gets all opt-out tokens of an account.", tags=["OptOut"])
async def list_optouts(
    request: AppRequest,
    is_active: Annotated[bool | None, QueryParameter(name="isActive", description="false: the opt-ins.")] = None,
    skip: Skip = None,
    take: Take = None,
) -> Response[list[OptOutOut]]:
    """`[{"type", "value", "isActive"}, …]`, newest change first."""
    return await _list_optouts(request, None, is_active, skip, take)


@get(OPTOUT_TYPE, summary="Gets opt-out tokens by type.", tags=["OptOut"])
async def list_optouts_of_type(
    request: AppRequest,
    tokenType: FromPath[str],
    is_active: Annotated[bool | None, QueryParameter(name="isActive", description="false: the opt-ins.")] = None,
    skip: Skip = None,
    take: Take = None,
) -> Response[list[OptOutOut]]:
    """`[{"type", "value", "isActive"}, …]`, newest change first."""
    return await _list_optouts(request, consent.token_type(tokenType, "tokenType"), is_active, skip, take)


async def _list_optouts(
    request: AppRequest, type: TokenType | None, is_active: bool | None, skip: int | None, take: int | None
) -> Response[list[OptOutOut]]:
    asked = page(skip, take)
    listed = await consent.list_tokens(request.db, request.account, type, asked, is_active=is_active is not False)
    return Response([wire.optout_out(token) for token in listed.rows], headers=headers(asked, listed))


@get(f"{OPTOUT}/types", summary="Gets the available opt-out token types.", tags=["OptOut"])
async def list_types(request: AppRequest) -> list[TokenTypeOut]:
    """`[{"id": "email", "description": "E-mail", "amountOptIn": 0, "amountOptOut": 0}, …]`."""
    return [wire.type_out(figures) for figures in await consent.figures_by_type(request.db, request.account)]


@get(f"{OPTOUT}/search", summary="Searches all opt-out tokens of an account.", tags=["OptOut"])
async def search_optouts(
    request: AppRequest,
    text: Annotated[str | None, QueryParameter(name="query", description="Part of the value; fewer than 3 characters: its start.")] = None,
    skip: Skip = None,
    take: Take = None,
) -> Response[list[OptOutOut]]:
    """`[{"type", "value", "isActive"}, …]`, newest change first."""
    asked = page(skip, take)
    listed = await consent.search(request.db, request.account, _required(text, "query"), asked)
    return Response([wire.optout_out(token) for token in listed.rows], headers=headers(asked, listed))


CSV = ResponseSpec(data_container=str, media_type="text/csv", description="Request fulfilled, document follows", generate_examples=False)


@get(f"{OPTOUT}/export", summary="Exports the opted-out tokens as CSV.", tags=["OptOut"], responses={200: CSV})
async def export_optouts(
    request: AppRequest,
    campaign_id: Annotated[str | None, QueryParameter(name="campaignId", description="Accepted and ignored.")] = None,
) -> streams.Streamed:
    """`OptOutType,OptOutValue,DateUtc,Reason,Message`, a line each, newest change first."""

    async def produce(write: streams.Write) -> None:
        await write(b"OptOutType,OptOutValue,DateUtc,Reason,Message\r\n")
        await consent.export(request.db, request.account, streams.csv_lines(write))

    return streams.Streamed(produce, "text/csv", {"content-disposition": 'attachment; filename="optouts.csv"'})


@get(f"{OPTOUT_TOKEN}/history", opt=OF_TOKEN, summary="Gets the history of an opt-out token.", tags=["OptOut"])
async def list_history(
    request: AppRequest, tokenType: FromPath[str], tokenValue: FromPath[str], skip: Skip = None, take: Take = None
) -> Response[list[HistoryOut]]:
    """`[{"createdOnUtc", "createdBy", "isActive", "message", "reason", "source"}, …]`, newest first."""
    asked = page(skip, take)
    type = consent.token_type(tokenType, "tokenType")
    listed = await consent.history(request.db, request.account, type, value_in_path(tokenValue), asked)
    return Response([wire.history_out(entry) for entry in listed.rows], headers=headers(asked, listed))


DUMP = ResponseSpec(
    data_container=list[ContactOut], description="An array, or with format=csv or Accept: text/csv a table.", generate_examples=False
)


@dataclass
class JsonOrCsv(Operation):
    """One status in two media types, which Litestar has no way to declare."""

    def __post_init__(self) -> None:
        """Add the table."""
        answer = (self.responses or {}).get("200")
        if isinstance(answer, OpenAPIResponse) and answer.content:
            answer.content["text/csv"] = OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING))


@get("/dump/{tokenType:str}", operation_class=JsonOrCsv, summary="Dumps opt-out filtered contacts.", tags=["Dump"], responses={200: DUMP})
async def dump_contacts(
    request: AppRequest,
    tokenType: FromPath[str],
    group_ids: Annotated[Ids, QueryParameter(name="groupIds", description="Repeated or comma-separated.")] = None,
    contact_ids: Annotated[Ids, QueryParameter(name="contactIds", description="Repeated or comma-separated.")] = None,
    last_guid: Annotated[str | None, QueryParameter(name="lastGuid", description="Only contacts behind this id: the cursor.")] = None,
    take: Annotated[
        int | None, QueryParameter(name="take", description="1,000 unless given, 50,000 at most; CSV: all unless given.")
    ] = None,
    format: Annotated[
        Literal["json", "csv"] | None, QueryParameter(name="format", description="json or csv; unless given, what Accept asks for.")
    ] = None,
    wanted: Annotated[Ids, QueryParameter(name="fields", description="Property names and field ids; all unless given.")] = None,
    reachable_only: Annotated[
        bool | None, QueryParameter(name="reachableOnly", description="Leave out who has no such address (ours).")
    ] = None,
    segment_id: Annotated[str | None, QueryParameter(name="segmentId", description="Contacts of a segment (ours).")] = None,
) -> streams.Streamed:
    """`[contact, …]` in the order of their ids, or CSV with property names as header and a column for each field."""
    type = consent.token_type(tokenType, "tokenType")
    segment = await segments.readable(request.db, request.account, wire.guid(segment_id, "segmentId")) if segment_id else None
    selection = dump.Selection(wire.ids(group_ids, "groupIds"), wire.ids(contact_ids, "contactIds"), bool(reachable_only), segment)
    if not selection.groups and not selection.contacts and segment is None:
        raise invalid("groupIds", "groupIds, contactIds or segmentId is required")
    as_csv = format == "csv" or (format is None and "text/csv" in request.headers.get("accept", "").lower())
    size = page(None, take, most=50_000).take if take is not None or not as_csv else None
    cursor = dump.Cursor(wire.guid(last_guid, "lastGuid") if last_guid else None, size)
    columns = wire.dump_columns(wanted, await fields.list_all(request.db, request.account))
    await dump.refuse_locked(request.db, request.account, selection)

    async def produce(write: streams.Write) -> None:
        rows = streams.csv_table(write, [column.label for column in columns]) if as_csv else streams.json_array(write)
        form = wire.CSV_FORM if as_csv else wire.JSON_FORM
        await dump.dump(request.db, request.account, type, selection, cursor, columns, form, rows.write, request.now)
        await rows.end()

    return streams.Streamed(produce, "text/csv" if as_csv else MediaType.JSON)


@get("/search", summary="Searches contacts and groups.", tags=["Search"])
async def search_all(
    request: AppRequest,
    q: Query = None,
    other: OtherQuery = None,
    exclude_marketing: Annotated[
        bool | None, QueryParameter(name="excludeMarketingContacts", description="No contacts of marketing groups.")
    ] = None,
    skip: Skip = None,
    take: Take = None,
) -> Response[list[SearchOut]]:
    """`[{"type": "group", …}, {"type": "contact", …}]`: groups first, then contacts by relevance."""
    asked = page(skip, take, default=100, most=1_000)
    found = await search.search(request.db, request.account, _required(q or other, "q"), asked, exclude_marketing=bool(exclude_marketing))
    return Response([wire.found_out(row) for row in found.rows], headers=headers(asked, found))


@get("/search/groups", summary="Searches groups.", tags=["Search"])
async def search_groups(
    request: AppRequest, q: Query = None, other: OtherQuery = None, skip: Skip = None, take: Take = None
) -> Response[list[SearchOut]]:
    """`[{"type": "group", …}]`."""
    asked = page(skip, take, default=100, most=1_000)
    found = await search.search_groups(request.db, request.account, _required(q or other, "q"), asked)
    return Response([wire.found_out(row) for row in found.rows], headers=headers(asked, found))


@get(f"{GROUP}/search", summary="Searches contacts in a group.", tags=["Search"])
async def search_group(
    request: AppRequest, groupId: FromPath[UUID], q: Query = None, other: OtherQuery = None, skip: Skip = None, take: Take = None
) -> Response[list[SearchOut]]:
    """`[{"type": "contact", …}]` by relevance."""
    asked = page(skip, take, default=100, most=1_000)
    found = await search.search_contacts(request.db, request.account, _required(q or other, "q"), asked, group=groupId)
    return Response([wire.found_out(row) for row in found.rows], headers=headers(asked, found))


def _required(value: str | None, name: str) -> str:
    if value is None:
        raise invalid(name, "is required")
    return value


@get("/echo/v1.0/sso2", summary="Tells whether the token is good.", tags=["Authentication"])
async def check_token(request: AppRequest) -> dict[str, str]:
    """200 for a good token, 401 for a bad one."""
    return {"status": "OK"}


def routers() -> list[Router]:
    """Everything under an account, and the authentication test."""
    handlers = [value for value in globals().values() if isinstance(value, HTTPRouteHandler) and value is not check_token]
    for handler in [*handlers, check_token]:
        handler.responses = DOCUMENTED | dict(handler.responses or {})
    of_account = Router("/addressbook/v2/accounts/{accountId:str}", route_handlers=handlers, guards=[guard])
    return [of_account, Router("/", route_handlers=[check_token], guards=[guard])]
