"""The endpoints: four verbs for each resource, and `?action=` for what is to be done instead of what the verb says.

A handler hands the call to the action of its resource; an action is decode, one call into core, encode.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from litestar import Response, Router, delete, get, post, put
from litestar.datastructures import UploadFile
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import (
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Operation,
    Parameter,
    Reference,
    RequestBody,
    Schema,
)

from reachbook.core import aliases, consent, contacts, groups, ids, imports, properties, statistics, subscribers
from reachbook.core.consent import Reason, Source
from reachbook.core.errors import NotFoundError, invalid
from reachbook.core.groups import Group
from reachbook.core.imports import Import, Options
from reachbook.core.limits import IMPORT_BYTES, NAME_LENGTH
from reachbook.dialects.digitaleo import parameters, wire
from reachbook.dialects.digitaleo.auth import guard, issue_token
from reachbook.dialects.digitaleo.errors import CALL, DOCUMENTED
from reachbook.dialects.digitaleo.parameters import Call
from reachbook.dialects.digitaleo.wire import ContactOut, FieldOut, ListOut, OptoutOut, StatisticsOut
from reachbook.http.limits import UPLOAD
from reachbook.http.refusals import BODY_NAME
from reachbook.http.request import AppRequest, authorise

BASE = "/digitaleo/rest"
UPLOADED = "/contacts/import"
"""Where `contacts?action=import` is led (app.py): a file may be larger than any other body."""
FORM_BYTES = 2**20  # what a form may have around its file

Action = Callable[[AppRequest, Call], Awaitable[Any]]


async def perform(request: AppRequest, resource: str, actions: Mapping[str, Action]) -> Any:
    """Do what the call asks for. Raises InvalidError if there is no such action, ForbiddenError if the token does not allow it."""
    call = await parameters.read(request, resource)
    request.scope[CALL] = call  # type: ignore[literal-required]
    authorise(request.caller, "read" if call.action == "read" else "write")
    action = actions.get(call.action)
    if action is None:
        raise invalid("action", f"must be one of {', '.join(actions)}")
    return await action(request, call)


def listed(request: AppRequest, call: Call, rows: Sequence[Any], names: Sequence[str], total: int | None = None) -> Response[Any]:
    """`{"list": […]}`, with the total if it was asked for; or CSV."""
    if "text/csv" in request.headers.get("accept", "") and call.action == "read":
        return Response(wire.table(rows, names), media_type="text/csv", status_code=200)
    answer: dict[str, Any] = {"list": rows}
    if total is not None and call.flag("total"):
        answer["total"] = total
    return Response(answer, status_code=200)


def counted(count: int) -> dict[str, int]:
    """`{"count": n}`."""
    return {"count": count}


# --- contacts


async def read_contacts(request: AppRequest, call: Call) -> Response[Any]:
    """Any property filters: `email=…`, `mobile=…`, `listId=…`."""
    names = wire.chosen(call, tuple(wire.CONTACT), tuple(wire.CONTACT))
    found = await subscribers.read(
        request.db, request.account, wire.wanted(call), wire.page(call), wire.sort(call, wire.CONTACT), count=call.flag("total")
    )
    fields = await properties.fields_of(request.db, request.account)
    return listed(request, call, [wire.contact_out(one, fields, names) for one in found.rows], names, found.total)


async def create_contacts(request: AppRequest, call: Call) -> Response[Any]:
    """Plain properties, or `contacts[0][firstName]=…`; all or none."""
    drafts = wire.contacts_in(call.batch("contacts"))
    names = wire.chosen(call, tuple(wire.CONTACT), tuple(wire.CONTACT))
    made = await subscribers.create(request.db, request.account, drafts, actor=request.caller.id, now=request.now)
    fields = await properties.fields_of(request.db, request.account)
    return listed(request, call, [wire.contact_out(one, fields, names) for one in made], names)


async def update_contacts(request: AppRequest, call: Call) -> dict[str, int]:
    """`id=1,2` and `metaData={"firstName": "Ann"}`."""
    draft = wire.contact_in(call.meta_data())
    asked = wire.needed_ids(call)
    return counted(await subscribers.update(request.db, request.account, asked, draft, actor=request.caller.id, now=request.now))


async def delete_contacts(request: AppRequest, call: Call) -> dict[str, int]:
    """`id=1,2`."""
    return counted(await contacts.delete(request.db, request.account, wire.needed_ids(call)))


async def import_contacts(request: AppRequest, call: Call) -> Response[Any]:
    """A form with the part `contactFile`; into `listId`, or a new list `name`."""
    part = await _file(request)
    group = call.text("listId")
    if group is not None and wire.uuid(group) is None:
        raise NotFoundError(f"There is no group {group}.")
    filename = part.filename or "contacts"
    import_id = ids.new_id()
    await imports.create(request.db, request.account, import_id, filename, request.caller.id, request.now)
    await imports.upload(request.db, request.account, import_id, _pieces(part))
    into = None if group is None else wire.uuid(group)
    name = call.text("name") or filename.rpartition(".")[0] or filename
    options = Options(properties=True, names=wire.HEADERS)
    made = await imports.start_into(request.db, request.account, import_id, into, name[:NAME_LENGTH], options, request.now)
    found = await groups.get(request.db, request.account, made)
    names = wire.chosen(call, wire.LIST, (*wire.LIST_DEFAULT, *wire.IMPORTED))
    return listed(request, call, await _lists_out(request, [found], names), names)


async def _file(request: AppRequest) -> UploadFile:
    form = await request.form()
    given = form.get("contactFile") or next((value for value in form.values() if isinstance(value, UploadFile)), None)
    if not isinstance(given, UploadFile):
        raise invalid("contactFile", "is required: a part with a file")
    return given


async def _pieces(part: UploadFile) -> AsyncIterator[bytes]:
    while piece := await part.read(2**20):
        yield piece


CONTACTS: Mapping[str, Action] = {
    "read": read_contacts,
    "create": create_contacts,
    "update": update_contacts,
    "delete": delete_contacts,
    "import": import_contacts,
}

# --- lists


async def read_lists(request: AppRequest, call: Call) -> Response[Any]:
    """By `id`, `name`, `active`; `properties=DEFAULT,stats,importStatus` for more than id, name and description."""
    names = wire.chosen(call, wire.LIST, wire.LIST_DEFAULT)
    is_active = parameters.flag_of(call.text("active"), "active")
    found = await groups.find(
        request.db,
        request.account,
        wire.page(call),
        ids=wire.ids(call),
        name=call.text("name"),
        is_active=is_active,
        sort=wire.sort(call, wire.LISTS),
    )
    return listed(request, call, await _lists_out(request, found.rows, names), names, found.total)


async def _lists_out(request: AppRequest, found: Sequence[Group], names: Sequence[str]) -> list[dict[str, Any]]:
    """Lists with what was asked for of each."""
    of = [group.id for group in found]
    figures = await statistics.of_groups(request.db, request.account, of) if "stats" in names and of else {}
    last: Mapping[UUID, Import] = {}
    if set(names) & set(wire.IMPORTED) and of:
        last = await imports.newest_into(request.db, request.account, of)
    reports = f"{str(request.base_url).rstrip('/')}/v1/accounts/{request.account}/imports"

    def out(group: Group) -> dict[str, Any]:
        newest = last.get(group.id)
        report = f"{reports}/{newest.id}/report?format=csv&rows=refused" if newest else ""
        return wire.list_out(group, figures.get(group.id), newest, report, names)

    return [out(group) for group in found]


async def create_lists(request: AppRequest, call: Call) -> Response[Any]:
    """`name=…`, or `lists[0][name]=…`; all or none."""
    made = await groups.create_all(request.db, request.account, wire.lists_in(call.batch("lists")), request.now)
    names = wire.chosen(call, wire.LIST, wire.LIST_DEFAULT)
    return listed(request, call, await _lists_out(request, made, names), names)


async def update_lists(request: AppRequest, call: Call) -> dict[str, int]:
    """`metaData={"name": …, "active": false}`."""
    draft, description = wire.list_in(call.meta_data())
    return counted(await groups.update_all(request.db, request.account, wire.needed_ids(call), draft, request.now, description))


async def delete_lists(request: AppRequest, call: Call) -> dict[str, int]:
    """The lists; their contacts stay."""
    return counted(await groups.delete(request.db, request.account, wire.needed_ids(call), keep_contacts=True))


async def add_contacts(request: AppRequest, call: Call) -> dict[str, int]:
    """`id` of the list, `metaData={"contactIds": "1,2"}`."""
    lists, members = _members(call)
    return counted(await subscribers.move(request.db, request.account, lists, members, "join", actor=request.caller.id, now=request.now))


async def remove_contacts(request: AppRequest, call: Call) -> dict[str, int]:
    """The same; the contacts may be in no list then."""
    lists, members = _members(call)
    return counted(await subscribers.move(request.db, request.account, lists, members, "leave", actor=request.caller.id, now=request.now))


def _members(call: Call) -> tuple[list[UUID], list[UUID]]:
    within = Call("PUT", call.meta_data() if "metadata" in call.given else call.given)
    return wire.needed_ids(call), wire.needed_ids(within, "contactIds")


LISTS: Mapping[str, Action] = {
    "read": read_lists,
    "create": create_lists,
    "update": update_lists,
    "delete": delete_lists,
    "contactadd": add_contacts,
    "contactremove": remove_contacts,
}

# --- opt-outs


async def read_optouts(request: AppRequest, call: Call) -> Response[Any]:
    """By `id`, `type`, `value`, `reason`; newest first."""
    found = await consent.find(
        request.db,
        request.account,
        wire.page(call),
        tokens=wire.token_ids(call),
        types=call.texts("type"),
        values=call.texts("value", separator=None),
        reasons=call.texts("reason"),
        sort=wire.sort(call, wire.TOKENS),
    )
    names = wire.chosen(call, wire.OPTOUT, wire.OPTOUT)
    return listed(request, call, [wire.optout_out(token, names) for token in found.rows], names, found.total)


async def create_optouts(request: AppRequest, call: Call) -> Response[Any]:
    """`type`, `value`, `reason`, or `optouts[0][type]=…`; all or none."""
    names = wire.chosen(call, wire.OPTOUT, wire.OPTOUT)
    changes = wire.optouts_in(call.batch("optouts"))
    recorded = await consent.opt_out(request.db, request.account, changes, source=Source.API, actor=request.caller.id, now=request.now)
    return listed(request, call, [wire.optout_out(token, names) for token in recorded], names)


async def update_optouts(request: AppRequest, call: Call) -> dict[str, int]:
    """`metaData={"reason": …}`: another reason for addresses that are opted out."""
    reason = wire.reason_in(call.meta_data())
    return counted(await _alter(request, call, reason))


async def delete_optouts(request: AppRequest, call: Call) -> dict[str, int]:
    """By `id`, or by `type` and `value`: the only call here that opens an address again."""
    return counted(await _alter(request, call, None))


async def _alter(request: AppRequest, call: Call, reason: Reason | None) -> int:
    tokens = wire.token_ids(call)
    if tokens is None:
        type, value = call.text("type"), call.text("value")
        if type is None or value is None:
            raise invalid("id", "is required, or type and value")
        tokens = [(type.strip().lower(), value)]
    return await consent.alter(
        request.db, request.account, tokens, reason=reason, source=Source.API, actor=request.caller.id, now=request.now
    )


OPTOUTS: Mapping[str, Action] = {"read": read_optouts, "create": create_optouts, "update": update_optouts, "delete": delete_optouts}

# --- fields and statistics


async def read_fields(request: AppRequest, call: Call) -> Response[Any]:
    """By `name` and `alias`."""
    described = await aliases.describe(request.db, request.account, wire.FIELDS.values())
    rows = wire.selected(wire.fields_out(described), call)
    names = wire.chosen(call, wire.FIELD, wire.FIELD)
    page = wire.page(call)
    shown = [{name: row[name] for name in names} for row in rows[page.skip : page.skip + page.take]]
    return listed(request, call, shown, names, len(rows))


async def update_fields(request: AppRequest, call: Call) -> dict[str, int]:
    """`name` (or `id`) and `metaData={"alias": …}`; a blank alias takes it away."""
    given = parameters.folded(call.meta_data()) or {}
    if "alias" not in given:
        raise invalid("alias", "is required")
    if call.text("name") is None and call.text("id") is None:
        raise invalid("name", "is required")
    attribute = wire.field_named(call.text("name") or call.text("id"))
    if attribute is None:
        return counted(0)
    await aliases.set_alias(request.db, request.account, attribute, parameters.text_of(given["alias"], "alias"))
    return counted(1)


FIELDS: Mapping[str, Action] = {"read": read_fields, "update": update_fields}


async def read_statistics(request: AppRequest, call: Call) -> dict[str, str]:
    """`listId` (repeatable) narrows; with `priorities` each contact counts once."""
    lists = wire.ids(call, "listId")
    chosen = wire.priorities(call)
    states = await statistics.read(request.db, request.account, lists)
    return wire.statistics_out(statistics.summed(states, chosen))


STATISTICS: Mapping[str, Action] = {"read": read_statistics}

# --- the routes


def _query(name: str, description: str, *, kind: OpenAPIType = OpenAPIType.STRING, example: str | None = None) -> Parameter:
    return Parameter(
        name, param_in="query", required=False, schema=Schema(type=kind, examples=[example] if example else None), description=description
    )


ID = _query("id", "One or several, separated by commas.")
ACTION = _query("action", "What is to be done, instead of what the verb says.")
PAGING = (
    _query("limit", "100 unless given, 10,000 at most.", kind=OpenAPIType.INTEGER),
    _query("offset", "Rows to leave out at the start.", kind=OpenAPIType.INTEGER),
    _query("sort", "A property with ASC or DESC; several separated by commas.", example="id DESC"),
    _query("properties", "Properties to answer, separated by commas; DEFAULT for those without this parameter."),
    _query("total", "true: with the total."),
)
META = Schema(type=OpenAPIType.OBJECT, description="The properties to set; also as JSON text.")


def _rows(model: type[msgspec.Struct]) -> type[Any]:
    """`{"list": […]}` of a model, for the document."""
    return msgspec.defstruct(f"{model.__name__.removesuffix('Out')}List", [("list", list[model]), ("total", int | None, None)])


class CountOut(msgspec.Struct):
    """How many there were."""

    count: int


def _says(*parameters: Parameter, body: Mapping[str, Schema] | None = None, csv: bool = False) -> type[Operation]:
    """An operation that takes these parameters in the query, a form or JSON; in the document they stand in one place each."""

    @dataclass
    class Documented(Operation):
        def __post_init__(self) -> None:
            self.parameters = [*(self.parameters or []), *parameters]
            if body is not None:
                schema = Schema(type=OpenAPIType.OBJECT, properties=dict[str, Reference | Schema](body))
                self.request_body = RequestBody(content={"application/json": OpenAPIMediaType(schema)}, required=False)
            answered = (self.responses or {}).get("200")
            if csv and isinstance(answered, OpenAPIResponse):
                answered.content = {**(answered.content or {}), "text/csv": OpenAPIMediaType(Schema(type=OpenAPIType.STRING))}

    return Documented


def _answers(model: Any, description: str) -> dict[int, ResponseSpec]:
    return {200: ResponseSpec(data_container=model, description=description, generate_examples=False)}


TEXT = Schema(type=[OpenAPIType.STRING, OpenAPIType.NULL])
TEXTS = Schema(type=OpenAPIType.ARRAY, items=Schema(type=OpenAPIType.STRING))
CONTACT_BODY = {name: TEXTS if name == "listIds" else TEXT for name in wire.CONTACT if name not in ("id", "dateCreated", "dateUpdated")}
LIST_BODY = {"name": TEXT, "description": TEXT, "active": Schema(type=[OpenAPIType.BOOLEAN, OpenAPIType.NULL])}
OPTOUT_BODY = {"type": TEXT, "value": TEXT, "reason": TEXT, "message": TEXT}
FILTERS = [_query(name, "Only those with this value.") for name in wire.CONTACT if name not in ("id", "listIds")]
LIST_ID = _query("listId", "Only those in one of these lists.")
"""For the document: what the calls take."""


UNDOCUMENTED: tuple[str, type[Operation], dict[int, ResponseSpec]] = ("", Operation, {})


def _resource(
    path: str,
    actions: Mapping[str, Action],
    tag: str,
    documents: Mapping[str, tuple[str, type[Operation], dict[int, ResponseSpec]]],
) -> list[HTTPRouteHandler]:
    """A handler a verb. Verbs that have no action of their own take one by `?action=` and are not in the document."""
    handlers: list[HTTPRouteHandler] = []
    for method, decorator in {"GET": get, "POST": post, "PUT": put, "DELETE": delete}.items():

        async def handle(request: AppRequest) -> Any:
            return await perform(request, path.strip("/"), actions)

        summary, operation, answers = documents.get(method, UNDOCUMENTED)
        handle.__name__ = f"{method.lower()}_{tag.lower()}"
        handle.__doc__ = getattr(actions.get(parameters.VERBS[method]), "__doc__", None)
        handlers.append(
            decorator(
                path,
                status_code=200,
                summary=summary or None,
                tags=[tag],
                operation_class=operation,
                responses=answers,
                include_in_schema=method in documents,
                opt={BODY_NAME: path.strip("/")},
            )(handle)
        )
    return handlers


@post(
    UPLOADED,
    status_code=200,
    request_max_body_size=IMPORT_BYTES + FORM_BYTES,
    opt={UPLOAD: True, BODY_NAME: "contacts"},
    include_in_schema=False,
)
async def import_file(request: AppRequest) -> Any:
    """`POST contacts?action=import`."""
    authorise(request.caller, "write")
    if request.content_type[0] != "multipart/form-data":
        raise invalid("contactFile", "is required: a form with the file")  # before a large body of another kind is read
    return await perform(request, "contacts", {"import": import_contacts})


def routers() -> list[Router]:
    """Every resource behind the guard, and the token endpoint."""
    count = _answers(CountOut, "How many.")
    handlers: list[HTTPRouteHandler] = [import_file]
    contact = _answers(_rows(ContactOut), "Contacts.")
    handlers += _resource(
        "/contacts",
        CONTACTS,
        "Contacts",
        {
            "GET": ("Reads contacts.", _says(ACTION, ID, LIST_ID, *FILTERS, *PAGING, csv=True), contact),
            "POST": ("Creates contacts; imports a file with action=import.", _says(body=CONTACT_BODY), contact),
            "PUT": ("Updates contacts.", _says(ID, body={"metaData": META}), count),
            "DELETE": ("Deletes contacts.", _says(ID), count),
        },
    )
    lists = _answers(_rows(ListOut), "Lists.")
    handlers += _resource(
        "/lists",
        LISTS,
        "Lists",
        {
            "GET": (
                "Reads lists.",
                _says(ID, _query("name", "Of this name."), _query("active", "true or false."), *PAGING, csv=True),
                lists,
            ),
            "POST": ("Creates lists.", _says(body=LIST_BODY), lists),
            "PUT": (
                "Updates lists; action=contactadd and contactremove change their contacts.",
                _says(ACTION, ID, body={"metaData": META}),
                count,
            ),
            "DELETE": ("Deletes lists; their contacts stay.", _says(ID), count),
        },
    )
    optouts = _answers(_rows(OptoutOut), "Opt-outs.")
    by = (ID, _query("type", "One or several."), _query("value", "The address."))
    handlers += _resource(
        "/optouts",
        OPTOUTS,
        "Optouts",
        {
            "GET": ("Reads opt-outs.", _says(*by, _query("reason", "One or several."), *PAGING, csv=True), optouts),
            "POST": ("Opts addresses out.", _says(body=OPTOUT_BODY), optouts),
            "PUT": ("Changes the reason.", _says(*by, body={"metaData": META}), count),
            "DELETE": ("Opens addresses again.", _says(*by), count),
        },
    )
    named = (_query("name", "The field."), _query("alias", "Fields of this alias."))
    handlers += _resource(
        "/fields",
        FIELDS,
        "Fields",
        {
            "GET": ("Reads fields.", _says(*named, *PAGING, csv=True), _answers(_rows(FieldOut), "Fields.")),
            "PUT": ("Sets the alias of a field.", _says(named[0], body={"metaData": META}), count),
        },
    )
    narrowed = _says(LIST_ID, _query("priorities", "Each contact counts once.", example="SMS,EMAIL"))
    handlers += _resource(
        "/statistics", STATISTICS, "Statistics", {"GET": ("Reads statistics.", narrowed, _answers(StatisticsOut, "Numbers as texts."))}
    )
    for handler in handlers:
        handler.responses = DOCUMENTED | dict(handler.responses or {})
    return [Router(BASE, route_handlers=handlers, guards=[guard]), Router("/", route_handlers=[issue_token])]
