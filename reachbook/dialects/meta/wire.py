"""Meta's webhooks, in Meta's names. What has another form than expected is passed over: Meta sends many things in one body, and would
send all of it again for days."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, NamedTuple, cast

import msgspec
from msgspec import Meta

from reachbook.core.limits import VALUE_LENGTH
from reachbook.core.provider_templates import Heard
from reachbook.providers import meta

STATUS_UPDATE = "message_template_status_update"
LONG_AGO = datetime.fromtimestamp(0, UTC)
"""When something was said that does not say when: its raw status is shown, and decides nothing."""


class ChangeIn(msgspec.Struct, forbid_unknown_fields=True):
    """One thing that Meta tells."""

    field: Annotated[str | None, Meta(description=f"What it is about; `{STATUS_UPDATE}` is read.")] = None
    value: Annotated[Any, Meta(description="Of a form of its own for each field.")] = None


class EntryIn(msgspec.Struct, forbid_unknown_fields=True):
    """What Meta tells of one business account."""

    id: Annotated[Any, Meta(description="Id of the WhatsApp business account.")] = None
    time: Annotated[Any, Meta(description="When it was said, in seconds since 1970.")] = None
    changes: list[ChangeIn] | None = None


class NotificationIn(msgspec.Struct, forbid_unknown_fields=True):
    """A webhook."""

    object: Annotated[str | None, Meta(description="`whatsapp_business_account`.")] = None
    entry: list[EntryIn] | None = None


class ReceivedOut(msgspec.Struct):
    """What was in it."""

    received: Annotated[int, Meta(description="Statuses of templates.")]
    known: Annotated[int, Meta(description="Those of templates that were submitted from here.")]


class Told(NamedTuple):
    """What Meta says of a template's language, and when."""

    heard: Heard
    said_at: datetime


class _Rejection(msgspec.Struct):
    reason: str | None = None
    recommendation: str | None = None


class _Other(msgspec.Struct):
    title: str | None = None
    description: str | None = None


class _Status(msgspec.Struct):
    event: str
    message_template_id: int | str = ""
    message_template_name: str = ""
    message_template_language: str = ""
    reason: str | None = None
    rejection_info: _Rejection | None = None
    other_info: _Other | None = None


def told(given: NotificationIn | None) -> Sequence[Told]:
    """The statuses of templates in it, in their order."""
    return [told for entry in (given and given.entry) or () for told in _of_entry(entry)]


def _of_entry(entry: EntryIn) -> Iterator[Told]:
    for change in entry.changes or ():
        if change.field == STATUS_UPDATE:
            try:
                status = msgspec.convert(_clean(change.value), _Status, strict=False)
            except msgspec.ValidationError:
                continue
            yield Told(_heard(str(_clean(entry.id)), status), _instant(entry.time))


def _heard(business_id: str, status: _Status) -> Heard:
    rejection, other = status.rejection_info or _Rejection(), status.other_info or _Other()
    why = meta.reason(status.reason, rejection.reason, rejection.recommendation, other.description)
    return Heard(
        business_id,
        str(status.message_template_id),
        status.message_template_name,
        status.message_template_language.replace("-", "_"),  # Meta's example has a hyphen, its codes have none
        status.event,
        why and why[:VALUE_LENGTH],
    )


def _clean(value: Any) -> Any:
    """Without NUL characters, which the database can't keep."""
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, dict):
        named = cast("dict[str, Any]", value)
        return {name: _clean(part) for name, part in named.items()}
    return value


def _instant(seconds: Any) -> datetime:
    try:
        return datetime.fromtimestamp(int(seconds), UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return LONG_AGO
