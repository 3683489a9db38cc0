"""The objects of our own API, in camelCase; instants with three digits and Z."""

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Any, Literal, cast, get_args
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from reachbook.core import headers, import_reports
from reachbook.core.errors import Fault, InvalidError, invalid
from reachbook.core.import_reading import OnMatch, Scope
from reachbook.core.imports import BUCKETS, Import, Options
from reachbook.core.segments import Segment
from reachbook.core.statistics import Explained
from reachbook.core.statistics_days import Day
from reachbook.core.subscribers import Subscriber
from reachbook.http.instants import Instant, instant, instant_or_null

TARGETS = {
    headers.ID: "id",
    headers.FIRST_NAME: "firstName",
    "insertion": "insertion",
    headers.LAST_NAME: "lastName",
    headers.NAME: "name",
    headers.EMAIL: "email",
    headers.PHONE: "phoneNumber",
    headers.COUNTRY: "phoneCountry",
    headers.LANDLINE: "landline",
    headers.FAX: "fax",
}
"""What a column can be mapped to beside the ids of fields."""


class OptionsIn(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """How to import. Everything but the group has a default."""

    group_id: Annotated[str | None, Meta(description="The group that the contacts join.")] = None
    group_name: Annotated[str | None, Meta(description="Its name instead; a group that is not there yet is made.")] = None
    match: Annotated[str | None, Meta(description="phone, email or a field; default: phone, or email without a phone column.")] = None
    match_in: Annotated[str | None, Meta(description="account (the default) or group.")] = None
    on_match: Annotated[str | None, Meta(description="update (the default), fill (blanks only) or skip.")] = None
    region: Annotated[str | None, Meta(description="How national phone numbers are read; the account's unless given.")] = None
    mapping: Annotated[
        dict[str, str | None] | None, Meta(description="Column → field, where it is not found by itself; null: left out.")
    ] = None
    new_fields: Annotated[bool | None, Meta(description="Make fields of the columns that are none yet.")] = None
    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    header: Annotated[bool | None, Meta(description="Whether the first row is a header; told from its contents unless given.")] = None


def options(given: OptionsIn | None) -> Options | None:
    """For core; None when nothing was given. Raises InvalidError."""
    if given is None or given == OptionsIn():
        return None
    faults: list[Fault] = []
    group = None
    if given.group_id:
        try:
            group = UUID(given.group_id)
        except ValueError:
            faults.append(Fault(("group",), "is not a GUID"))
    match_in = cast("Scope", _one_of(given.match_in or "account", get_args(Scope), "match_in", faults))
    on_match = cast("OnMatch", _one_of(given.on_match or "update", get_args(OnMatch), "on_match", faults))
    if given.delimiter is not None and len(given.delimiter) != 1:
        faults.append(Fault(("delimiter",), "must be one character"))
    if faults:
        raise InvalidError(faults)
    return Options(
        group,
        given.group_name,
        given.match,
        match_in,
        on_match,
        given.region,
        {column: field or "" for column, field in (given.mapping or {}).items()},
        given.new_fields is True,
        given.encoding,
        given.delimiter,
        given.sheet,
        given.header,
    )


def _one_of(text: str, choices: tuple[str, ...], name: str, faults: list[Fault]) -> str:
    if text.lower() not in choices:
        faults.append(Fault((name,), f"must be one of {', '.join(choices)}"))
    return text.lower()


class UndoOut(msgspec.Struct):
    """What an undo did."""

    removed: int
    restored: int
    kept: Annotated[int, Meta(description="Contacts that were edited since: they stay as they are.")]


def _buckets(counted: Mapping[str, int]) -> dict[str, int]:
    return {bucket: counted[bucket] for bucket in BUCKETS}


class ImportOut(msgspec.Struct, rename="camel", kw_only=True):
    """An import. The buckets add up to `doneRows`, which in the end is `rows`."""

    id: UUID
    state: Literal["ready", "previewing", "running", "done", "cancelled", "failed", "undoing", "undone"]
    filename: str
    size: int
    rows: Annotated[int | None, Meta(description="Data rows of the file; null before it was read to its end.")]
    done_rows: int
    percent: Annotated[int, Meta(ge=0, le=100)] | None
    created: int
    updated: int
    unchanged: int
    duplicate: int
    refused: int
    opted_out: int
    undo: UndoOut
    has_preview: bool
    error: str | None
    created_on_utc: Instant
    started_on_utc: Instant | None
    finished_on_utc: Instant | None


def import_out(stored: Import) -> ImportOut:
    """An import as it stands."""
    percent = None
    if stored.total_rows is not None:
        percent = 100 if not stored.total_rows else min(100, stored.done_rows * 100 // stored.total_rows)
    return ImportOut(
        **_buckets(import_reports.counts(stored)),
        id=stored.id,
        state=cast("Any", stored.state),
        filename=stored.filename,
        size=stored.size,
        rows=stored.total_rows,
        done_rows=stored.done_rows,
        percent=percent,
        opted_out=stored.opted_out,
        undo=UndoOut(stored.removed, stored.restored, stored.kept),
        has_preview=stored.preview is not None and stored.state == "ready",
        error=stored.error,
        created_on_utc=instant(stored.created_at),
        started_on_utc=instant_or_null(stored.started_at),
        finished_on_utc=instant_or_null(stored.finished_at),
    )


class ColumnOut(msgspec.Struct, rename="camel"):
    """Where a column goes."""

    column: str
    field: Annotated[str | None, Meta(description="A property of contacts or the id of a field; null: nowhere.")]
    is_new: Annotated[bool, Meta(description="It would become a new field.")]
    samples: list[str]


class ReasonOut(msgspec.Struct):
    """Why a row is refused or a duplicate; `field` is the column, blank for the whole row."""

    field: str
    reason: str


class SeenContactOut(msgspec.Struct, rename="camel", omit_defaults=True):
    """A contact as it would be stored."""

    first_name: str | None = None
    insertion: str | None = None
    last_name: str | None = None
    email: str | None = None
    phone_number: str | None = None
    phone_country: str | None = None
    landline: str | None = None
    fax: str | None = None
    values: Annotated[dict[str, str], Meta(description="By field id, or by column for a field that would be made.")] = {}


class SeenRowOut(msgspec.Struct):
    """What would become of a row."""

    row: int
    bucket: Literal["created", "updated", "unchanged", "duplicate", "refused"]
    contact: SeenContactOut | None
    reasons: list[ReasonOut]


class PreviewOut(msgspec.Struct, rename="camel", kw_only=True):
    """What would happen; nothing did."""

    columns: list[ColumnOut]
    match: str
    rows: int
    created: int
    updated: int
    unchanged: int
    duplicate: int
    refused: int
    opted_out: Annotated[int, Meta(description="Rows whose address is opted out of something; it stays so.")]
    first: list[SeenRowOut]


def preview_out(seen: Mapping[str, Any]) -> PreviewOut:
    """What core noted."""
    return PreviewOut(
        **_buckets(seen),
        columns=[ColumnOut(one["column"], _target(one["target"]), one["isNew"], one["samples"]) for one in seen["columns"]],
        match=_target(seen["match"]) or "",
        rows=seen["rows"],
        opted_out=seen["optedOut"],
        first=[
            SeenRowOut(
                one["row"],
                one["bucket"],
                _seen_contact(one["contact"]) if "contact" in one else None,
                [ReasonOut(reason["field"], reason["reason"]) for reason in one.get("reasons", ())],
            )
            for one in seen["first"]
        ],
    )


def _target(target: str | None) -> str | None:
    return TARGETS.get(target, target) if target else None


def _seen_contact(given: Mapping[str, Any]) -> SeenContactOut:
    names = {"phone": "phone_number"}
    return SeenContactOut(**{names.get(name, name): value for name, value in given.items()})


class ReportOut(msgspec.Struct, rename="camel", kw_only=True):
    """What became of the rows: the buckets add up to `rows`. The files are paths of this API, null when they would be empty."""

    id: UUID = msgspec.field(name="import")
    state: str
    rows: int
    created: int
    updated: int
    unchanged: int
    duplicate: int
    refused: int
    opted_out: int
    refused_file: str | None
    duplicate_file: str | None
    undo: UndoOut
    kept_file: str | None


def report_out(done: Import, path: str) -> ReportOut:
    """`path` is the report's own."""
    counted = import_reports.counts(done)

    def file(kind: str, count: int) -> str | None:
        return f"{path}?format=csv&rows={kind}" if count else None

    return ReportOut(
        **_buckets(counted),
        id=done.id,
        state=done.state,
        rows=counted["rows"],
        opted_out=counted["optedOut"],
        refused_file=file("refused", done.refused),
        duplicate_file=file("duplicate", done.duplicate),
        undo=UndoOut(done.removed, done.restored, done.kept),
        kept_file=file("kept", done.kept),
    )


class MediumOut(msgspec.Struct, rename="camel"):
    """One medium: the figures add up to the subscribers."""

    reachable: int
    deactivated: Annotated[int, Meta(description="In a group that is locked for sending.")]
    no_address: int
    opted_out: Annotated[dict[str, int], Meta(description="By reason: contact, user, hardbounced, spam; those that there are.")]


class ExplainedOut(msgspec.Struct):
    """How many contacts there are, and how many each medium reaches."""

    subscribers: int
    media: Annotated[dict[str, MediumOut], Meta(description="sms, email, voice and voicemail.")]


def explained_out(explained: Explained) -> ExplainedOut:
    """The same by medium."""
    reached = msgspec.structs.asdict(explained.statistics)
    return ExplainedOut(
        reached["subscribers"],
        {
            medium: MediumOut(reached[medium], rest.deactivated, rest.no_address, rest.opted_out)
            for medium, rest in explained.unreachable.items()
        },
    )


class DayOut(msgspec.Struct):
    """The statistics of one day (UTC)."""

    date: dt.date
    subscribers: int
    sms: int
    email: int
    voice: int
    voicemail: int


def day_out(day: Day) -> DayOut:
    """One day."""
    return DayOut(day.day, *msgspec.structs.astuple(day.statistics))


class SegmentIn(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A segment as it is posted. On PUT what is absent stays; the group does not change."""

    name: str | UnsetType | None = UNSET
    filter: Annotated[Any, Meta(description='{"attribute", "operator", "value"}, {"all": […]}, {"any": […]} or {"not": {…}}.')] = UNSET
    group_id: Annotated[str | None, Meta(description="Whose contacts; all of the account's without.")] = None


class SegmentOut(msgspec.Struct, rename="camel"):
    """A saved filter."""

    id: UUID
    group_id: UUID | None
    name: str
    filter: dict[str, Any]
    created_on_utc: Instant
    updated_on_utc: Instant


def filter_in(given: SegmentIn) -> tuple[UUID | None, Any]:
    """The group and the filter. Raises InvalidError."""
    try:
        group = UUID(given.group_id) if given.group_id else None
    except ValueError:
        raise invalid("group", "is not a GUID") from None
    if given.filter is UNSET:
        raise invalid("filter", "is required")
    return group, given.filter


def segment_out(segment: Segment) -> SegmentOut:
    """A segment as it stands."""
    instants = (instant(segment.created_at), instant(segment.updated_at))
    return SegmentOut(segment.id, segment.group_id, segment.name, segment.filter, *instants)


class CountOut(msgspec.Struct):
    """How many contacts there are."""

    contacts: int


class ContactOut(msgspec.Struct, rename="camel"):
    """A contact, whole; what it does not have is null."""

    id: UUID
    group_ids: list[UUID]
    first_name: str | None
    insertion: str | None
    last_name: str | None
    email: str | None
    phone_number: str | None
    landline: str | None
    fax: str | None
    values: Annotated[dict[str, str], Meta(description="By field id.")]
    opt_outs: Annotated[dict[str, str], Meta(description="Medium → reason.")]
    created_on_utc: Instant
    updated_on_utc: Instant


def contact_out(one: Subscriber) -> ContactOut:
    """A contact as it stands."""
    return ContactOut(
        one.id,
        list(one.groups),
        one.first_name,
        one.insertion,
        one.last_name,
        one.email,
        one.phone,
        one.landline,
        one.fax,
        dict(one.values),
        {str(medium): reason for medium, reason in one.opt_outs.items()},
        instant(one.created_at),
        instant(one.updated_at),
    )


class SegmentPreviewOut(msgspec.Struct):
    """Who meets a filter."""

    contacts: int
    first: list[ContactOut]
