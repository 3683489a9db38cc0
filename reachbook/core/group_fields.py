"""The fields that a group declares beside those that every contact has (document 001's macros). They are fields of the account."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from reachbook.core import fields, groups, properties
from reachbook.core.errors import Fault, InvalidError, invalid
from reachbook.core.fields import Field
from reachbook.core.groups import Group, Purpose
from reachbook.core.ids import AccountId
from reachbook.core.kinds import ANY, Kind, Rule
from reachbook.core.limits import FIELDS_PER_ACCOUNT, NAME_LENGTH, VALUE_LENGTH
from reachbook.core.text import clean
from reachbook.database.queries import Database, Queries, Transaction


class Declaration(NamedTuple):
    """A field as a group wants it. Without a kind it is what the account's field of this name is, or a text; the same with choices."""

    name: str | None
    label: str | None = None
    kind: Kind | None = None
    choices: tuple[str, ...] = ()


class GroupField(msgspec.Struct, frozen=True):
    """A field as a group has it; `label` is what the group calls it for people."""

    field: Field
    label: str


async def create_group(
    db: Database, account: AccountId, id: UUID, draft: groups.Draft, purpose: Purpose, declared: Sequence[Declaration], now: datetime
) -> Group:
    """A new group with its fields. Raises InvalidError at the names of Draft, at `kind`, at ("fields", number, attribute)."""
    if purpose.kind is groups.Kind.OMNI_API:
        raise invalid("kind", "can't be made by clients")
    async with db.transaction() as tx:
        made = await make(tx, account, declared, now) if declared else []
        group = await groups.create(tx, account, id, draft, now, purpose=purpose)
        if made:
            of = [one.field.id for one in made], [one.label for one in made], list(range(len(made)))
            await tx.execute(ADD, account, group.id, *of)
        return group


ADD = """
INSERT INTO group_field (account_id, group_id, field_id, label, position)
SELECT $1, $2, id, label, position FROM unnest($3::bigint[], $4::text[], $5::bigint[]) AS d (id, label, position)
"""


async def make(tx: Transaction, account: AccountId, declared: Sequence[Declaration], now: datetime) -> list[GroupField]:
    """The fields of these declarations; those that the account has not are made. Before groups and contacts are locked.

    Raises InvalidError at ("fields", number, attribute): for one, when the account's field of this name is of another kind.
    """
    faults: list[Fault] = []
    if len(declared) > FIELDS_PER_ACCOUNT:
        raise InvalidError([Fault(("fields",), f"are more than {FIELDS_PER_ACCOUNT:,}")])
    await fields.hold_names(tx, account)
    known = {fields.key(field.name): field for field in await fields.list_all(tx, account)}
    found: dict[int, GroupField] = {}
    for number, one in enumerate(declared):
        at = ("fields", number)
        name = clean(one.name, (*at, "name"), NAME_LENGTH, faults)
        label = clean(one.label, (*at, "label"), NAME_LENGTH, faults)
        cleaned = [clean(choice, (*at, "choices"), VALUE_LENGTH, faults) for choice in one.choices]
        choices = tuple(choice for choice in cleaned if choice is not None)
        if name is None:
            faults.append(Fault((*at, "name"), "must not be null"))
            continue
        field = known.get(fields.key(name))
        if field is None and not faults:
            field = known[fields.key(name)] = await fields.add(tx, account, name, now, rule=_rule(one.kind, choices))
        if field is not None:
            faults += _differences(one.kind, choices, field, at)
            if field.id in found:
                faults.append(Fault((*at, "name"), "is there twice"))
            found[field.id] = GroupField(field, label or name)
    if faults:
        raise InvalidError(faults)
    return list(found.values())


def _rule(kind: Kind | None, choices: tuple[str, ...]) -> Rule:
    return Rule(kind or Kind.TEXT, choices)


def _differences(kind: Kind | None, choices: tuple[str, ...], field: Field, at: tuple[str | int, ...]) -> list[Fault]:
    """What is not so: fields are the account's, so two groups can't mean different things by one."""
    faults: list[Fault] = []
    if kind is not None and kind != field.kind:
        faults.append(Fault((*at, "kind"), f"the account's field {field.name!r} is of another type, {field.kind}"))
    if choices and {choice.casefold() for choice in choices} != {choice.casefold() for choice in field.choices}:
        faults.append(Fault((*at, "choices"), f"the account's field {field.name!r} has other values"))
    return faults


OF_GROUPS = """
SELECT g.group_id, g.label, f.id, f.name, f.property, f.kind, f.choices
FROM group_field g JOIN field f ON f.account_id = g.account_id AND f.id = g.field_id
WHERE g.account_id = $1 AND g.group_id = ANY($2::uuid[]) ORDER BY g.group_id, g.position
"""


async def of_groups(db: Queries, account: AccountId, ids: Sequence[UUID]) -> Mapping[UUID, Sequence[GroupField]]:
    """The declared fields of each group, as they were declared."""
    found: dict[UUID, list[GroupField]] = {id: [] for id in ids}
    for row in await db.fetch(OF_GROUPS, account, list(ids)) if ids else ():
        found[row["group_id"]].append(GroupField(fields.read(row), row["label"]))
    return found


PROPERTIES = ("gender", "country", "city", "birth_date", "timezone")
"""The properties that contacts of every group have (document 001, "Basic contact attributes")."""


class Known(NamedTuple):
    """A field as contacts of a group have it; without an id no contact of the account has a value yet."""

    id: int | None
    rule: Rule


class Layout(NamedTuple):
    """The fields of a group: those of PROPERTIES, and its own in the order in which they were declared."""

    properties: Mapping[str, Known]
    own: Sequence[GroupField]


async def layouts(db: Queries, account: AccountId, ids: Sequence[UUID]) -> Mapping[UUID, Layout]:
    """Of each group."""
    known = {field.id: field for field in await fields.list_all(db, account)}
    of_properties: dict[str, Known] = {}
    for name, id in (await properties.fields_of(db, account)).items():
        if name in PROPERTIES and id in known:
            of_properties[name] = Known(id, Rule(known[id].kind, known[id].choices))
    every = {name: of_properties.get(name, Known(None, properties.RULES.get(name, ANY))) for name in PROPERTIES}
    return {id: Layout(every, own) for id, own in (await of_groups(db, account, ids)).items()}
