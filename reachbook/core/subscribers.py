"""Subscribers: contacts seen whole, with the groups that they are in, their properties and what they are opted out of (document 002).

What is written of one stands in one transaction: the contact, its groups, the ledger. Opt-outs are read from the ledger by the statement
that reads the contact.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from reachbook.core import accounts, consent, contacts, email, groups, indexing, phone, properties, reach, statistics
from reachbook.core.consent import Change, Reason, Source, TokenType
from reachbook.core.contacts import Many, MovedError, Moves, Stored
from reachbook.core.drafts import Facts, FieldValue, WholeDraft, check
from reachbook.core.errors import Fault, InvalidError, Path, TooLargeError
from reachbook.core.groups import Lockable
from reachbook.core.ids import NIL, AccountId
from reachbook.core.limits import ROWS_PER_CALL, VALUE_LENGTH
from reachbook.core.paging import Listed, Page
from reachbook.core.reach import Medium
from reachbook.core.text import clean
from reachbook.database.queries import Database, Queries, Transaction
from reachbook.database.values import Values


class Subscriber(msgspec.Struct, frozen=True):
    """A contact as it stands. `values` maps ids of fields, as text, to values; `opt_outs` are those that there are."""

    id: UUID
    groups: Sequence[UUID]
    created_at: datetime
    updated_at: datetime
    first_name: str | None
    insertion: str | None
    last_name: str | None
    email: str | None
    phone: str | None
    landline: str | None
    fax: str | None
    values: Mapping[str, str]
    opt_outs: Mapping[Medium, str]


class SubscriberDraft(msgspec.Struct):
    """What a caller says of one. `properties` are by name (core/properties.py), blank or None clears; `groups` is the whole set of them.

    `opt_outs` are said of the addresses that the contact has then.
    """

    contact: WholeDraft
    properties: dict[str, str | None] = {}
    groups: Sequence[UUID] | UnsetType = UNSET
    opt_outs: dict[Medium, Reason] = {}


Fields = Mapping[str, int]
"""The field of each property that has one."""

# --- reading

Attribute = str
"""An attribute of Subscriber (`email`), the name of a property (`city`), `group`, or a medium's opt-out (`sms_opt_out`)."""

Sort = tuple[Attribute, Literal["ASC", "DESC"]]

OF_GROUPS = """(
SELECT m.group_id FROM membership m WHERE m.account_id = c.account_id AND m.contact_id = c.id ORDER BY m.added_at, m.group_id)
""".strip()
READ = ", ".join(
    (
        "c.id, c.created_at, c.updated_at, c.first_name, c.insertion, c.last_name, c.email, c.phone, c.landline, c.fax, c.field_values",
        *(f"{reason} AS {medium}_opt_out" for medium, reason in reach.OPT_OUTS.items()),
        f"ARRAY{OF_GROUPS} AS groups",
    )
)
COLUMNS = ("first_name", "last_name", "email", "phone", "landline", "fax")
INSTANTS = ("created_at", "updated_at")
OPT_OUTS = {f"{medium}_opt_out": reason for medium, reason in reach.OPT_OUTS.items()}
KEYS = {"email": "c.email_key", "phone": "c.phone", "landline": "c.landline"}
"""Attributes that an index finds contacts by."""


async def read(
    db: Queries, account: AccountId, wanted: Mapping[Attribute, Sequence[str]], page: Page, sort: Sequence[Sort] = (), *, count: bool = True
) -> Listed[Subscriber]:
    """A page of the contacts whose attributes have one of the wanted values; by id, that is by age, unless sorted.

    Values are compared as they are written, addresses and instants (to the second) as they are meant; ids that are none find nobody.
    Raises InvalidError at an attribute whose value can't be stored.
    """
    wanted = _cleaned(wanted)
    of_properties = await properties.fields_of(db, account)
    region = await accounts.region(db, account) if wanted.keys() & {"phone", "landline", "fax"} else None
    values = Values(account)
    where = [_condition(name, given, of_properties, region, values) for name, given in wanted.items()]
    # The contacts that an index finds are found first: the order, and a small page, must not make another index seem better.
    quick = [one for name, one in zip(wanted, where, strict=True) if name in KEYS or name == "id"]
    found = " AND ".join(["c.account_id = $1", *where])
    source = "contact c"
    if quick:
        source = f"(SELECT * FROM contact c WHERE {' AND '.join(['c.account_id = $1', *quick])} OFFSET 0) c"
    bound = list(values.bound)
    order = ", ".join([*(f"{_expression(name, of_properties)} {direction} NULLS LAST" for name, direction in sort), "c.id"])
    query = f"""
    SELECT {READ} FROM {source} {reach.TOKENS} WHERE {found}
    ORDER BY {order} OFFSET {values.add(page.skip)} LIMIT {values.add(page.take)}
    """
    rows = await db.fetch(query, *values.bound)
    total = await _total(db, account, wanted, f"FROM {source} {reach.TOKENS} WHERE {found}", bound) if count else len(rows)
    return Listed([_read(row) for row in rows], total)


def _cleaned(wanted: Mapping[Attribute, Sequence[str]]) -> dict[Attribute, list[str]]:
    """Values as text is stored. Raises InvalidError at the attribute."""
    faults: list[Fault] = []
    found = {name: [text for one in given if (text := clean(one, (name,), VALUE_LENGTH, faults))] for name, given in wanted.items()}
    if faults:
        raise InvalidError(faults)
    return found


async def _total(db: Queries, account: AccountId, wanted: Mapping[Attribute, Sequence[str]], source: str, bound: Sequence[object]) -> int:
    """Counted, or as counters have it."""
    if not wanted:
        return (await statistics.of_groups(db, account, [NIL]))[NIL].subscribers
    return await db.fetchval(f"SELECT count(*) {source}", *bound)


def _read(row: Mapping[str, Any]) -> Subscriber:
    given = dict(row)
    opt_outs = {medium: reason for medium in Medium if (reason := given.pop(f"{medium}_opt_out")) is not None}
    values = msgspec.json.decode(given.pop("field_values"))
    return Subscriber(**given, values=values, opt_outs=opt_outs)


def _expression(name: Attribute, of_properties: Fields) -> str:
    """The SQL of an attribute's value, as it is ordered: text whatever its case."""
    if name == "id" or name in INSTANTS:
        return f"c.{name}"
    if name in COLUMNS:
        return f"lower(c.{name})"
    if name in OPT_OUTS:
        return OPT_OUTS[name]
    field = of_properties.get(name)
    return "NULL::text" if field is None else f"lower(c.field_values ->> '{field:d}')"


def _condition(name: Attribute, given: Sequence[str], of_properties: Fields, region: str | None, values: Values) -> str:
    """The SQL of an attribute being one of the given."""
    if name in ("id", "group"):
        ids = values.add([id for text in given if (id := _uuid(text)) is not None], "uuid[]")
        if name == "id":
            return f"c.id = ANY({ids})"
        return (
            f"""EXISTS (SELECT 1 FROM membership g WHERE g.account_id = c.account_id AND g.contact_id = c.id AND g.group_id = ANY({ids}))"""
        )
    if name in INSTANTS:
        instants = values.add([instant for text in given if (instant := _instant(text)) is not None], "timestamptz[]")
        return f"date_trunc('second', c.{name}) = ANY({instants})"
    if name in KEYS or name == "fax":
        return f"{KEYS.get(name, 'c.fax')} = ANY({values.add(_keys(name, given, region), 'text[]')})"
    if name in OPT_OUTS:
        value = OPT_OUTS[name]
    elif name in COLUMNS:
        value = f"c.{name}"
    elif name in of_properties:
        value = f"c.field_values ->> '{of_properties[name]:d}'"
    else:
        return "false"
    return f"{value} = ANY({values.add(list(given), 'text[]')})"


def _keys(name: str, given: Sequence[str], region: str | None) -> list[str]:
    """Addresses as they are compared; those that are none find nobody."""
    keys: list[str] = []
    for text in given:
        try:
            keys.append(email.parse(text).key if name == "email" else phone.parse(text, region).e164)
        except ValueError:
            continue
    return keys


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _instant(text: str) -> datetime | None:
    try:
        given = datetime.fromisoformat(text.strip().removesuffix("Z"))
    except ValueError:
        return None
    return given.replace(microsecond=0, tzinfo=UTC)


# --- writing


async def create(
    db: Database, account: AccountId, drafts: Sequence[SubscriberDraft | list[Fault]], *, actor: UUID, now: datetime
) -> Sequence[Subscriber]:
    """New contacts, all or none, in any number of groups. Rows that the wire could not read are given as their faults.

    Raises InvalidError at (row, attribute), ConflictError if a group is locked, TooLargeError.
    """
    if len(drafts) > ROWS_PER_CALL:
        raise TooLargeError(f"At most {ROWS_PER_CALL:,} contacts in one call.")
    good = [draft for draft in drafts if not isinstance(draft, list)]
    async with db.transaction() as tx:
        of_properties = await _with_fields(tx, account, good, now)
        held = await _groups(tx, account, [group for draft in good for group in draft.groups or ()])
        whole = [_with_values(draft, "{}", of_properties) for draft in good]
        asking = await contacts.asker(tx, account, whole)
        rows: list[Facts] = []
        changes: list[Change] = []
        faults: list[Fault] = []
        remaining = iter(zip(good, whole, strict=True))
        for index, given in enumerate(drafts):
            if isinstance(given, list):
                faults += given
                continue
            draft, contact = next(remaining)
            found: list[Fault] = []
            facts = check(contact, asking, (index,), found)
            names = _names(draft, of_properties)
            faults += _of_properties(found, names, len(contact.values or ()) - len(names))
            faults += _of_groups(draft, held, (index,))
            changes += _opt_outs(draft, facts, (index,), faults)
            rows.append(facts)
        if faults:
            raise InvalidError(faults)
        for group in held.values():
            groups.refuse_locked(group)
        if not rows:
            return []
        ids = await contacts.create_many(tx, account, rows, [list(dict.fromkeys(draft.groups or ())) for draft in good], now, actor)
        await indexing.index(tx, account, zip(ids, map(contacts.search_text, rows), strict=True))
        await consent.record(tx, account, changes, source=Source.API, actor=actor, now=now)
        return (await read(tx, account, {"id": list(map(str, ids))}, Page(0, len(ids)), count=False)).rows


async def update(db: Database, account: AccountId, ids: Sequence[UUID], draft: SubscriberDraft, *, actor: UUID, now: datetime) -> int:
    """Set what the draft names of each of the contacts, all or none; answers how many there are.

    Raises InvalidError, ConflictError if a contact would change and a group of it is locked.
    """
    while True:
        try:
            async with db.transaction() as tx:
                return await _update(tx, account, ids, draft, actor, now)
        except MovedError:
            continue


async def _update(tx: Transaction, account: AccountId, ids: Sequence[UUID], draft: SubscriberDraft, actor: UUID, now: datetime) -> int:
    of_properties = await _with_fields(tx, account, [draft], now)
    held = await contacts.hold_many(tx, account, ids, draft.groups or ())
    faults = _of_groups(draft, held.groups, ())
    names = _names(draft, of_properties)
    merged = [contacts.merge(one.facts, _with_values(draft, one.facts.field_values, of_properties)) for one in held.contacts.values()]
    asking = await contacts.asker(tx, account, merged, held.fields)
    rows: list[tuple[Stored, Facts, datetime]] = []
    changes: list[Change] = []
    for stored, whole in zip(held.contacts.values(), merged, strict=True):
        found: list[Fault] = []
        facts = check(whole, asking, (), found)
        faults += _of_properties(found, names, len(whole.values or ()) - len(names))
        changes += _opt_outs(draft, facts, (), faults)
        if facts != stored.facts:
            rows.append((stored, facts, now))
    if faults:
        raise InvalidError(list(dict.fromkeys(faults)))
    moves = _moves(draft, held)
    touched = {stored.id for stored, _, _ in rows} | {id for move in moves for id in (*move.joining, *move.leaving)}
    _refuse_locked(held, touched, moves)
    await contacts.update_many(tx, account, rows, moves, now, actor)
    await consent.record(tx, account, changes, source=Source.API, actor=actor, now=now)
    return len(held.contacts)


def _moves(draft: SubscriberDraft, held: Many) -> list[Moves]:
    if draft.groups is UNSET:
        return []
    wanted = dict.fromkeys(draft.groups)
    before = {group for stored in held.contacts.values() for group in stored.groups}
    moves = [Moves(group, joining=[one.id for one in held.contacts.values() if group not in one.groups]) for group in wanted]
    moves += [Moves(group, leaving=[one.id for one in held.contacts.values() if group in one.groups]) for group in before - wanted.keys()]
    return moves


def _refuse_locked(held: Many, touched: set[UUID], moves: Sequence[Moves]) -> None:
    """A contact that is changed, and a group that is joined or left, must not be locked for editing."""
    concerned = {group for id in touched for group in held.contacts[id].groups}
    concerned |= {move.group for move in moves if move.joining or move.leaving}
    for group in sorted(concerned):
        groups.refuse_locked(held.groups[group])


async def move(
    db: Database,
    account: AccountId,
    of_groups: Sequence[UUID],
    ids: Sequence[UUID],
    action: Literal["join", "leave"],
    *,
    actor: UUID,
    now: datetime,
) -> int:
    """Put contacts into groups or take them out; answers how many that changed. A contact may be in no group.

    Groups and contacts that don't exist are nobody. Raises ConflictError if a group, or one that such a contact is in, is locked.
    """
    while True:
        try:
            async with db.transaction() as tx:
                held = await contacts.hold_many(tx, account, ids, of_groups)
                moves: list[Moves] = []
                for group in dict.fromkeys(group for group in of_groups if group in held.groups):
                    members = [one.id for one in held.contacts.values() if (group in one.groups) == (action == "leave")]
                    moves.append(Moves(group, joining=members) if action == "join" else Moves(group, leaving=members))
                moved = {id for one in moves for id in (*one.joining, *one.leaving)}
                _refuse_locked(held, moved, moves)
                await contacts.update_many(tx, account, [], moves, now, actor)
                return len(moved)
        except MovedError:
            continue


async def _with_fields(tx: Transaction, account: AccountId, drafts: Sequence[SubscriberDraft], now: datetime) -> Fields:
    """The fields of the properties that these drafts give a value; made where there are none."""
    given = [name for draft in drafts for name, value in draft.properties.items() if value and not value.isspace()]
    return await properties.make(tx, account, dict.fromkeys(given), now)


def _with_values(draft: SubscriberDraft, stored: str, of_properties: Fields) -> WholeDraft:
    """The draft of the contact, the properties among its values behind those that it is given, or has (JSON)."""
    given = [FieldValue(of_properties[name], draft.properties[name]) for name in _names(draft, of_properties)]
    if not given:
        return draft.contact
    kept: Sequence[FieldValue] = draft.contact.values or [
        FieldValue(int(field), value) for field, value in msgspec.json.decode(stored).items()
    ]
    return msgspec.structs.replace(draft.contact, values=[*kept, *given])


def _names(draft: SubscriberDraft, of_properties: Fields) -> list[str]:
    """The properties that the draft names; one without a field is blank everywhere, and stays so."""
    return [name for name in draft.properties if name in of_properties]


def _of_properties(faults: Sequence[Fault], names: Sequence[str], kept: int) -> list[Fault]:
    """Faults of values at the names of their properties, which stand behind so many kept ones."""
    found: list[Fault] = []
    for path, message in faults:
        match path:
            case (*above, "values", int(number), str()) if kept <= number < kept + len(names):
                found.append(Fault((*above, names[number - kept]), message))
            case _:
                found.append(Fault(path, message))
    return found


async def _groups(tx: Transaction, account: AccountId, ids: Sequence[UUID]) -> dict[UUID, Lockable]:
    return await groups.lock(tx, account, sorted(set(ids)), "SHARE") if ids else {}


def _of_groups(draft: SubscriberDraft, held: Mapping[UUID, Lockable], at: Path) -> list[Fault]:
    return [Fault((*at, "groups"), f"there is no list {group}") for group in draft.groups or () if group not in held]


MAY_BE = {medium: tuple(Reason) if medium is Medium.EMAIL else (Reason.CONTACT, Reason.USER) for medium in Medium}


def _opt_outs(draft: SubscriberDraft, facts: Facts, at: Path, faults: list[Fault]) -> list[Change]:
    """The opt-outs as changes of the ledger: voice and voicemail of every number that the contact has."""
    changes: list[Change] = []
    for medium, reason in draft.opt_outs.items():
        path = (*at, f"{medium}_opt_out")
        if reason not in MAY_BE[medium]:
            faults.append(Fault(path, f"must be {' or '.join(MAY_BE[medium])}"))
        addresses = {
            Medium.EMAIL: [facts.email],
            Medium.SMS: [facts.phone],
            Medium.VOICE: [facts.phone, facts.landline],
            Medium.VOICEMAIL: [facts.phone, facts.landline],
        }[medium]
        known = [address for address in addresses if address is not None]
        if not known:
            faults.append(Fault(path, "the contact has no address that could be opted out"))
        changes += [Change(TokenType(medium), address, is_active=True, reason=reason) for address in known]
    return changes
