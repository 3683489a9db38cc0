"""The endpoints of our own API. Argument names in camelCase are its path names."""

import asyncio
import datetime as dt
import re
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from email.message import Message
from email.utils import collapse_rfc2231_value
from typing import Annotated, Any, Literal
from urllib.parse import quote
from uuid import UUID

import msgspec
from litestar import Response, delete, get, post, put
from litestar.datastructures import UploadFile
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIFormat, OpenAPIMediaType, OpenAPIResponse, OpenAPIType, Operation, Parameter, RequestBody, Schema
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.response import ServerSentEvent, ServerSentEventMessage
from msgspec import UNSET

from reachbook.core import exports, groups, ids, import_reports, imports, segments, statistics, statistics_days
from reachbook.core.errors import ConflictError, NotFoundError, invalid
from reachbook.core.exports import Format, Selection
from reachbook.core.idempotency import LONGEST_KEY
from reachbook.core.imports import Import
from reachbook.core.limits import IMPORT_BYTES
from reachbook.dialects.own import wire
from reachbook.dialects.own.wire import (
    ContactOut,
    CountOut,
    DayOut,
    ExplainedOut,
    ImportOut,
    OptionsIn,
    PreviewOut,
    ReportOut,
    SegmentIn,
    SegmentOut,
    SegmentPreviewOut,
)
from reachbook.http.body import one
from reachbook.http.limits import UPLOAD
from reachbook.http.paging import headers, page
from reachbook.http.request import AppRequest
from reachbook.http.streams import Streamed

IMPORTS, IMPORT = "/imports", "/imports/{importId:str}"
PREVIEW_SECONDS = 15.0  # how long a preview is waited for before the answer is "not yet"
LOOK_SECONDS, EVENT_SECONDS, SILENT_SECONDS = 0.1, 0.5, 15.0
FORM_BYTES = 2**20  # what a multipart body may have around its file

Skip = Annotated[int | None, QueryParameter(name="skip", description="Rows to leave out at the start.")]
Take = Annotated[int | None, QueryParameter(name="take", description="Rows to answer; 100 unless given, 1,000 at most.")]
Filename = Annotated[str | None, QueryParameter(name="filename", description="What the file is called, for people to know it by.")]


BINARY = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY)


@dataclass
class KeyedOperation(Operation):
    """Honours Idempotency-Key."""

    def __post_init__(self) -> None:
        """Document the header."""
        key = Parameter(
            "Idempotency-Key",
            param_in="header",
            required=False,
            schema=Schema(type=OpenAPIType.STRING, min_length=1, max_length=LONGEST_KEY),
            description="The same key with the same request gets the first answer again, for 24 hours.",
        )
        self.parameters = [*(self.parameters or []), key]


@dataclass
class UploadOperation(KeyedOperation):
    """The body is the file itself, or a form with the file in a part `file`."""

    def __post_init__(self) -> None:
        """Document both."""
        super().__post_init__()
        form = Schema(type=OpenAPIType.OBJECT, properties={"file": BINARY}, required=["file"])
        content = {"application/octet-stream": OpenAPIMediaType(BINARY), "multipart/form-data": OpenAPIMediaType(form)}
        self.request_body = RequestBody(content=content, required=True, description="CSV, XLSX, ODS, vCard or JSON Lines, packed or not.")


@dataclass
class OptionalBody(KeyedOperation):
    """The body may be left out."""

    def __post_init__(self) -> None:
        """Say so."""
        super().__post_init__()
        if isinstance(self.request_body, RequestBody):
            self.request_body.required = False


def _also(operation: Operation, *media_types: str) -> None:
    """The successful answer may be of these media types too."""
    answered = (operation.responses or {}).get("200")
    if isinstance(answered, OpenAPIResponse):
        answered.content = {**(answered.content or {}), **{media_type: OpenAPIMediaType(BINARY) for media_type in media_types}}


@dataclass
class ReportOperation(Operation):
    """JSON, or the rows as CSV."""

    def __post_init__(self) -> None:
        """Document both."""
        _also(self, "text/csv")


@dataclass
class ExportOperation(Operation):
    """A file of one of four kinds."""

    def __post_init__(self) -> None:
        """Document them."""
        _also(self, *exports.MEDIA_TYPES.values())


@dataclass
class EventsOperation(Operation):
    """Server-sent events."""

    def __post_init__(self) -> None:
        """Document them: text whose data is an import."""
        answered = (self.responses or {}).get("200")
        if isinstance(answered, OpenAPIResponse):
            answered.content = {"text/event-stream": OpenAPIMediaType()}


@post(
    IMPORTS,
    request_max_body_size=IMPORT_BYTES + FORM_BYTES,
    opt={UPLOAD: True},
    operation_class=UploadOperation,
    summary="Uploads a contact file.",
    tags=["Imports"],
)
async def upload_file(request: AppRequest, filename: Filename = None) -> ImportOut:
    """The file as the body, or as the part `file` of a form → 201 with the import, in state `ready`."""
    id = ids.new_id()
    if request.content_type[0] == "multipart/form-data":
        part = await _form_file(request)
        await imports.create(request.db, request.account, id, filename or part.filename or "", request.caller.id, request.now)
        return wire.import_out(await imports.upload(request.db, request.account, id, _pieces(part)))
    name = filename or _disposition(request.headers.get("content-disposition", ""))
    await imports.create(request.db, request.account, id, name, request.caller.id, request.now)
    return wire.import_out(await imports.upload(request.db, request.account, id, request.stream()))


async def _form_file(request: AppRequest) -> UploadFile:
    form = await request.form()
    part = next((value for value in form.values() if isinstance(value, UploadFile)), None)
    if part is None:
        raise invalid("file", "is required: a part with a file")
    return part


async def _pieces(part: UploadFile) -> AsyncIterator[bytes]:
    while piece := await part.read(2**20):
        yield piece


def _disposition(text: str) -> str:
    """The file's name in a Content-Disposition, the extended one first (RFC 6266)."""
    message = Message()
    message["Content-Disposition"] = text
    names = [value for name, value in message.get_params([], "Content-Disposition") if name.lower() == "filename"]
    chosen = next((name for name in names if isinstance(name, tuple)), next(iter(names), ""))
    return collapse_rfc2231_value(chosen)


@get(IMPORTS, summary="Lists imports.", tags=["Imports"])
async def list_imports(request: AppRequest, skip: Skip = None, take: Take = None) -> Response[list[ImportOut]]:
    """`[{"id", "state", "rows", …}]`, the newest first."""
    asked = page(skip, take, default=100, most=1_000)
    listed = await imports.list_imports(request.db, request.account, asked)
    return Response([wire.import_out(one) for one in listed.rows], headers=headers(asked, listed))


@get(IMPORT, summary="Gets an import.", tags=["Imports"])
async def get_import(request: AppRequest, importId: FromPath[UUID]) -> ImportOut:
    """State, progress as rows and percent, and the buckets so far."""
    return wire.import_out(await imports.get(request.db, request.account, importId))


@delete(IMPORT, summary="Forgets an import.", tags=["Imports"])
async def forget_import(request: AppRequest, importId: FromPath[UUID]) -> None:
    """204: file and report go, contacts stay; it can't be undone any more. One that is at work: 409."""
    await imports.discard(request.db, request.account, importId)


@post(
    f"{IMPORT}/preview",
    dto=one(OptionsIn),
    operation_class=OptionalBody,
    status_code=200,
    summary="Says what an import would do.",
    tags=["Imports"],
    responses={202: ResponseSpec(data_container=ImportOut, description="Not ready yet: GET it later.", generate_examples=False)},
)
async def preview_import(
    request: AppRequest, importId: FromPath[UUID], data: JSONBody[OptionsIn | None] = None
) -> Response[PreviewOut] | Response[ImportOut]:
    """`{"groupName": "Customers"}` → 200 with the mapping, the buckets as they would be and the first rows; nothing is changed.

    A long one: 202 with the import; the preview is there when its state is `ready` again.
    """
    await imports.begin(request.db, request.account, importId, "preview", wire.options(data), request.now)
    now = await _settled(request, importId)
    if not now.is_over:
        return Response(wire.import_out(now), status_code=202)
    return Response(_preview_of(now))


async def _settled(request: AppRequest, id: UUID) -> Import:
    """The import when nothing more happens to it, or after a while."""
    deadline = asyncio.get_running_loop().time() + PREVIEW_SECONDS
    while True:
        now = await imports.get(request.db, request.account, id)
        if now.is_over or asyncio.get_running_loop().time() > deadline:
            return now
        await asyncio.sleep(LOOK_SECONDS)


def _preview_of(stored: Import) -> PreviewOut:
    if stored.state == "previewing":
        raise ConflictError("The preview is not ready yet.")
    if stored.error is not None:
        raise invalid("file", stored.error)
    if stored.preview is None or stored.state != "ready":
        raise NotFoundError("The import has no preview.")
    return wire.preview_out(stored.preview)


@get(f"{IMPORT}/preview", summary="Gets the preview.", tags=["Imports"])
async def get_preview(request: AppRequest, importId: FromPath[UUID]) -> PreviewOut:
    """The preview that was made last; 404 if none was, 409 while one is being made."""
    return _preview_of(await imports.get(request.db, request.account, importId))


@post(f"{IMPORT}/start", dto=one(OptionsIn), operation_class=OptionalBody, status_code=202, summary="Starts an import.", tags=["Imports"])
async def start_import(request: AppRequest, importId: FromPath[UUID], data: JSONBody[OptionsIn | None] = None) -> ImportOut:
    """`{"groupName": "Customers"}` → 202; without a body as previewed. The work is done by a worker."""
    return wire.import_out(await imports.begin(request.db, request.account, importId, "start", wire.options(data), request.now))


@post(f"{IMPORT}/cancel", operation_class=KeyedOperation, status_code=202, summary="Stops an import.", tags=["Imports"])
async def cancel_import(request: AppRequest, importId: FromPath[UUID]) -> ImportOut:
    """202: it stops before the next rows. What is stored stays, and can be undone."""
    return wire.import_out(await imports.cancel(request.db, request.account, importId, request.now))


@post(f"{IMPORT}/undo", operation_class=KeyedOperation, status_code=202, summary="Takes an import back.", tags=["Imports"])
async def undo_import(request: AppRequest, importId: FromPath[UUID]) -> ImportOut:
    """202: contacts that it made go, values that it changed return; what was edited since stays and is counted as `kept`."""
    return wire.import_out(await imports.undo(request.db, request.account, importId, request.now))


Rows = Annotated[Literal["refused", "duplicate", "kept"], QueryParameter(name="rows", description="Which rows the file has.")]
ReportFormat = Annotated[Literal["json", "csv"] | None, QueryParameter(name="format", description="csv: the rows as a file.")]


@get(
    f"{IMPORT}/report",
    operation_class=ReportOperation,
    summary="Gets the report.",
    tags=["Imports"],
    responses={200: ResponseSpec(data_container=ReportOut, description="The report; or the rows as CSV.", generate_examples=False)},
)
async def get_report(request: AppRequest, importId: FromPath[UUID], format: ReportFormat = None, rows: Rows = "refused") -> Response[Any]:
    """`{"import", "rows", "created", "updated", "unchanged", "duplicate", "refused", "optedOut", "refusedFile"}`.

    As CSV (`format=csv` or `Accept: text/csv`): the refused rows in the input's own columns, with `row`, `field` and `reason`.
    """
    done = await imports.get(request.db, request.account, importId)
    if format == "csv" or (format is None and "text/csv" in request.headers.get("accept", "")):

        async def produce(write: Any) -> None:
            await import_reports.write_rows(request.db, request.account, done, rows, write)

        return _File(Streamed(produce, "text/csv", _attachment(f"{done.filename}.{rows}.csv")))
    return Response(wire.report_out(done, f"/v1/accounts/{request.account}/imports/{importId}/report"))


@get(f"{IMPORT}/events", operation_class=EventsOperation, summary="Follows an import.", tags=["Imports"])
async def follow_import(request: AppRequest, importId: FromPath[UUID]) -> ServerSentEvent:
    """Server-sent events: `progress` with the import whenever it has come on, `end` when nothing more happens by itself."""
    await imports.get(request.db, request.account, importId)
    return ServerSentEvent(_events(request, importId))


async def _events(request: AppRequest, id: UUID) -> AsyncGenerator[ServerSentEventMessage]:
    last, silent = b"", 0.0
    while True:
        try:
            now = await imports.get(request.db, request.account, id)
        except NotFoundError:
            return
        data = msgspec.json.encode(wire.import_out(now))
        if now.is_over:
            yield ServerSentEventMessage(event="end", data=data.decode())
            return
        if data != last:
            last, silent = data, 0.0
            yield ServerSentEventMessage(event="progress", data=data.decode())
        elif silent >= SILENT_SECONDS:
            silent = 0.0
            yield ServerSentEventMessage(comment="still at it")
        await asyncio.sleep(EVENT_SECONDS)
        silent += EVENT_SECONDS


@get(
    "/exports",
    operation_class=ExportOperation,
    summary="Exports contacts.",
    tags=["Exports"],
    responses={
        200: ResponseSpec(data_container=bytes, description="The file.", generate_examples=False, media_type="application/octet-stream")
    },
)
async def export_contacts(
    request: AppRequest,
    format: Annotated[Literal["csv", "xlsx", "vcf", "jsonl"], QueryParameter(name="format", description="Kind of file.")] = "csv",
    group_id: Annotated[UUID | None, QueryParameter(name="groupId", description="A group's contacts.")] = None,
    search: Annotated[
        str | None, QueryParameter(name="search", description="Those that a search finds; with neither all of the account.")
    ] = None,
    segment_id: Annotated[UUID | None, QueryParameter(name="segmentId", description="A segment's contacts.")] = None,
) -> Streamed:
    """The file, streamed. An import takes it again without any difference."""
    if sum(one is not None for one in (group_id, search, segment_id)) > 1:
        raise invalid("search" if search is not None else "segmentId", "can't be given together with another selection")
    selection, form = Selection(group_id, search, segment_id), Format(format)
    await exports.refuse_unknown(request.db, request.account, selection)

    async def produce(write: Any) -> None:
        await exports.export(request.db, request.account, selection, form, write)

    return Streamed(produce, exports.MEDIA_TYPES[form], _attachment(f"contacts.{form}"))


Groups = Annotated[
    list[UUID] | None,
    QueryParameter(name="groupId", description="A group's contacts; repeated: those in any. All of the account's without."),
]
Since = Annotated[dt.date | None, QueryParameter(name="since", description="The first day, `2026-01-31` (UTC).")]
Until = Annotated[dt.date | None, QueryParameter(name="until", description="The last day; today unless given.")]


@get("/statistics", summary="Gets who can be reached, and why the others can't.", tags=["Statistics"])
async def get_statistics(request: AppRequest, group_ids: Groups = None) -> ExplainedOut:
    """`{"subscribers", "media": {"sms": {"reachable", "deactivated", "noAddress", "optedOut": {"contact": 3}}, …}}`, as of now.

    For each medium the figures add up to `subscribers`.
    """
    for group in group_ids or ():
        await groups.get(request.db, request.account, group)
    return wire.explained_out(statistics.explained(await statistics.read(request.db, request.account, group_ids)))


@get("/statistics/history", summary="Gets the statistics of each day.", tags=["Statistics"])
async def get_history(
    request: AppRequest,
    group_id: Annotated[UUID | None, QueryParameter(name="groupId", description="A group; the account without.")] = None,
    since: Since = None,
    until: Until = None,
    skip: Skip = None,
    take: Take = None,
) -> list[DayOut]:
    """`[{"date", "subscribers", "sms", "email", "voice", "voicemail"}]`, oldest first: each day as it ended, today as it is now."""
    if group_id is not None:
        await groups.get(request.db, request.account, group_id)
    asked = page(skip, take, default=100, most=1_000)
    days = await statistics_days.history(request.db, request.account, group_id, since, until, asked, request.now)
    return [wire.day_out(day) for day in days]


SEGMENTS, SEGMENT = "/segments", "/segments/{segmentId:str}"
OfGroup = Annotated[UUID | None, QueryParameter(name="groupId", description="Those of a group; without it all.")]


@post(SEGMENTS, dto=one(SegmentIn), operation_class=KeyedOperation, summary="Saves a filter.", tags=["Segments"])
async def create_segment(request: AppRequest, data: JSONBody[SegmentIn]) -> SegmentOut:
    """`{"name": "Parisians", "groupId"?, "filter": {"attribute": "city", "operator": "EQ", "value": "Paris"}}` → 201."""
    group, raw = wire.filter_in(data)
    name = data.name if isinstance(data.name, str) else None
    return wire.segment_out(await segments.create(request.db, request.account, ids.new_id(), group, name, raw, request.now))


@get(SEGMENTS, summary="Lists segments.", tags=["Segments"])
async def list_segments(request: AppRequest, group_id: OfGroup = None, skip: Skip = None, take: Take = None) -> Response[list[SegmentOut]]:
    """By age."""
    asked = page(skip, take, default=100, most=1_000)
    listed = await segments.list_segments(request.db, request.account, group_id, asked)
    return Response([wire.segment_out(one) for one in listed.rows], headers=headers(asked, listed))


@get(SEGMENT, summary="Gets a segment.", tags=["Segments"])
async def get_segment(request: AppRequest, segmentId: FromPath[UUID]) -> SegmentOut:
    """Its name and its filter."""
    return wire.segment_out(await segments.get(request.db, request.account, segmentId))


@put(SEGMENT, dto=one(SegmentIn), summary="Changes a segment.", tags=["Segments"])
async def update_segment(request: AppRequest, segmentId: FromPath[UUID], data: JSONBody[SegmentIn]) -> SegmentOut:
    """Sets what it names: `name`, `filter`."""
    raw = UNSET if data.filter is UNSET else data.filter
    return wire.segment_out(await segments.update(request.db, request.account, segmentId, data.name, raw, request.now))


@delete(SEGMENT, summary="Deletes a segment.", tags=["Segments"])
async def delete_segment(request: AppRequest, segmentId: FromPath[UUID]) -> None:
    """204; its contacts stay."""
    await segments.delete(request.db, request.account, segmentId)


@get(f"{SEGMENT}/count", summary="Counts a segment's contacts.", tags=["Segments"])
async def count_segment(request: AppRequest, segmentId: FromPath[UUID]) -> CountOut:
    """`{"contacts": 1204}`, as of now."""
    return CountOut(await segments.count_of(request.db, request.account, segmentId))


@get(f"{SEGMENT}/contacts", summary="Lists a segment's contacts.", tags=["Segments"])
async def list_segment_contacts(
    request: AppRequest,
    segmentId: FromPath[UUID],
    after: Annotated[UUID | None, QueryParameter(name="after", description="The last id of the page before.")] = None,
    take: Take = None,
) -> list[ContactOut]:
    """In the order of their ids; the next page begins behind the last."""
    asked = page(None, take, default=100, most=1_000)
    found = await segments.members(request.db, request.account, segmentId, after, asked.take)
    return [wire.contact_out(one) for one in found]


@post(
    f"{SEGMENTS}/preview", dto=one(SegmentIn), operation_class=KeyedOperation, status_code=200, summary="Tries a filter.", tags=["Segments"]
)
async def preview_segment(request: AppRequest, data: JSONBody[SegmentIn]) -> SegmentPreviewOut:
    """`{"groupId"?, "filter"}` → how many contacts meet it, and the first ten."""
    group, raw = wire.filter_in(data)
    if group is not None:
        await groups.get(request.db, request.account, group)
    seen = await segments.preview(request.db, request.account, group, raw)
    return SegmentPreviewOut(seen.contacts, [wire.contact_out(one) for one in seen.first])


def _attachment(name: str) -> dict[str, str]:
    plain = re.sub(r"[^A-Za-z0-9._ -]", "_", name)
    return {"content-disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name)}"}


class _File(Response[Any]):
    """Lets a streamed answer stand where Litestar wants a response."""

    def __init__(self, streamed: Streamed) -> None:
        super().__init__(None)
        self.streamed = streamed

    def to_asgi_response(self, *_: Any, **__: Any) -> Any:
        """What sends it."""
        return self.streamed
