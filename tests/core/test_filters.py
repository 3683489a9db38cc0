"""Filters as SQL against a plain evaluation in Python, on random contacts; what is no filter; what stays data."""

from typing import Any, NamedTuple
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reachbook.core import consent, fields, filters, groups, ids, members, properties, segments, subscribers
from reachbook.core.consent import Change, Reason, Source, TokenType
from reachbook.core.drafts import FieldValue, WholeDraft
from reachbook.core.errors import InvalidError
from reachbook.core.filters import Condition, Operator
from reachbook.core.ids import NIL, AccountId
from reachbook.core.kinds import Kind, Rule
from reachbook.core.members import Asked
from reachbook.core.paging import Page
from reachbook.core.reach import Medium
from reachbook.core.subscribers import Subscriber, SubscriberDraft
from reachbook.database.pool import Pool
from reachbook.database.values import Values
from tests.core.book import android, brought, member, new_account, new_list

VALUES: dict[str, list[str]] = {
    "text": ["Paris", "paris", "Par%s", "P_ris", "", "é", "'; DROP TABLE contact; --", "\\", "10", "9"],
    "integer": ["-5", "0", "7", "10", "900719925474099312"],
    "date": ["1980-02-29", "1999-12-31", "2026-01-01"],
    "datetime": ["2026-01-01 00:00:00", "2026-01-01 23:59:59"],
    "boolean": ["true", "false"],
    "object": ['{"a":1}', "{}"],
}
NAMES = ["Ann", "ann", "Bo", "Zoë", "O'Neill", "100%", "a_b"]
EMAILS = ["ann@example.com", "Bo@Example.com"]
PHONES = ["+31627100001", "+31627100002"]
COLUMNS = {"first_name": NAMES, "last_name": NAMES, "email": EMAILS, "phone": PHONES, "landline": PHONES}
DEVICES = ["Device-1", "device-1", "%"]
LISTS = ["first", "second", "empty"]
NEVER_WRITTEN = ("city", "birth_date")
ADDRESSES = {TokenType.EMAIL: EMAILS, TokenType.PUSH: DEVICES}
"""What each type of token can be told; the others are told numbers."""


def conditions() -> st.SearchStrategy[dict[str, Any]]:
    def of(attribute: str, values: list[str], operators: list[str]) -> st.SearchStrategy[dict[str, Any]]:
        value = st.sampled_from([text for text in values if text])
        given = st.fixed_dictionaries({"attribute": st.just(attribute), "operator": st.sampled_from(operators), "value": value})
        several = st.fixed_dictionaries(
            {"attribute": st.just(attribute), "operator": st.just("IN"), "value": st.lists(value, min_size=1, max_size=3)}
        )
        return (
            given | several | st.fixed_dictionaries({"attribute": st.just(attribute), "operator": st.sampled_from(["IS_NULL", "NOT_NULL"])})
        )

    equal, ordered = ["EQ", "NE"], ["GT", "GE", "LT", "LE"]
    ways = [of(name, values, [*equal, "LIKE", *(ordered if name.endswith("name") else [])]) for name, values in COLUMNS.items()]
    for kind, values in VALUES.items():
        extra = ["LIKE", *ordered] if kind == "text" else ordered if kind in ("integer", "date", "datetime") else []
        ways.append(of(f"of {kind}", values, [*equal, *extra]))
    ways += [of(f"opt_out.{type}", ["contact", "user"], equal) for type in TokenType]
    ways += [of("push_token", DEVICES, equal), of("group", LISTS, equal)]
    ways += [of("city", ["Paris", "pa%"], [*equal, "LIKE", *ordered]), of("birth_date", VALUES["date"], [*equal, *ordered])]
    ways += [of(f"reachable.{medium}", ["true", "false"], equal) for medium in Medium]
    return st.one_of(ways)


TREES = st.recursive(
    conditions(),
    lambda inner: (
        st.fixed_dictionaries({"all": st.lists(inner, max_size=3)})
        | st.fixed_dictionaries({"any": st.lists(inner, max_size=3)})
        | st.fixed_dictionaries({"not": inner})
    ),
    max_leaves=6,
)
PEOPLE = st.lists(
    st.fixed_dictionaries(
        {name: st.none() | st.sampled_from(values) for name, values in COLUMNS.items()}
        | {kind: st.none() | st.sampled_from(values) for kind, values in VALUES.items()}
        | {"groups": st.lists(st.sampled_from(LISTS[:2]), unique=True)}
    ),
    min_size=1,
    max_size=8,
)
OPT_OUTS = st.lists(
    st.sampled_from(TokenType).flatmap(
        lambda type: st.tuples(st.just(type), st.sampled_from(ADDRESSES.get(type, PHONES)), st.sampled_from(["contact", "user"]))
    ),
    max_size=5,
)


class Book(NamedTuple):
    """What an account has beside its contacts."""

    fields: dict[str, int]
    lists: dict[str, UUID]
    devices: dict[UUID, list[str]]
    """Of each contact."""
    out: dict[tuple[TokenType, str], str]
    """Reasons, by type and address as it is compared."""


def meets(raw: dict[str, Any], one: Subscriber, named: Book) -> bool:
    """The same in plain Python."""
    if "all" in raw:
        return all(meets(part, one, named) for part in raw["all"])
    if "any" in raw:
        return any(meets(part, one, named) for part in raw["any"])
    if "not" in raw:
        return not meets(raw["not"], one, named)
    name, operator, value = raw["attribute"], raw["operator"], raw.get("value")
    if name in ("group", "push_token"):
        having = [str(id) for id in one.groups] if name == "group" else named.devices.get(one.id, [])
        if operator in ("IS_NULL", "NOT_NULL"):
            return bool(having) == (operator == "NOT_NULL")
        asked = value if isinstance(value, list) else [value]
        return any(text in having for text in asked) != (operator == "NE")
    stored = value_of(name, one, named)
    if operator in ("IS_NULL", "NOT_NULL"):
        return (stored is None) == (operator == "IS_NULL")
    if operator in ("EQ", "NE", "IN"):
        asked = value if isinstance(value, list) else [value]
        equal = stored is not None and compared(name, stored) in [compared(name, text) for text in asked]
        return equal != (operator == "NE")
    if stored is None:
        return False
    if operator == "LIKE":
        return like(name, stored, value)
    left, right = compared(name, stored), compared(name, value)
    return {"GT": left > right, "GE": left >= right, "LT": left < right, "LE": left <= right}[operator]


def value_of(name: str, one: Subscriber, named: Book) -> Any:
    if name in NEVER_WRITTEN:
        return None
    if name.startswith("of "):
        return one.values.get(str(named.fields[name]))
    if name.startswith("opt_out."):
        return reason_of(TokenType(name.partition(".")[2]), one, named)
    if name.startswith("reachable."):
        medium = Medium(name.partition(".")[2])
        numbers = [one.phone] if medium is Medium.SMS else [one.phone, one.landline]
        addresses = [one.email] if medium is Medium.EMAIL else numbers
        return "true" if any(addresses) and medium not in one.opt_outs else "false"
    return getattr(one, name)


def reason_of(type: TokenType, one: Subscriber, named: Book) -> str | None:
    """Of two numbers the phone's, of several devices the first in the alphabet."""
    addresses = [one.email and one.email.lower()] if type is TokenType.EMAIL else [one.phone]
    if type in (TokenType.VOICE, TokenType.VOICEMAIL):
        addresses.append(one.landline)
    if type is TokenType.PUSH:
        return min((reason for token in named.devices.get(one.id, []) if (reason := named.out.get((type, token)))), default=None)
    return next((reason for address in addresses if address and (reason := named.out.get((type, address)))), None)


def compared(name: str, text: str) -> Any:
    if name == "of integer":
        return int(text)
    return text.casefold() if name == "email" else text.encode()


def like(name: str, stored: str, pattern: str) -> bool:
    if name in ("phone", "landline"):
        stored, pattern = stored, pattern.replace("+", "")
    stored, pattern = stored.lower(), pattern.lower()
    if "%" not in pattern:
        return pattern in stored
    first, *middle, last = pattern.split("%")
    if not stored.startswith(first):
        return False
    place = len(first)
    for part in middle:
        place = stored.find(part, place)
        if place < 0:
            return False
        place += len(part)
    return stored.endswith(last) and len(stored) - len(last) >= place


@pytest.fixture
async def other(quiet: Pool) -> AccountId:
    """An account that must see nothing."""
    return await new_account(quiet)


def with_lists(raw: Any, lists: dict[str, UUID]) -> Any:
    """The tree with the ids of lists in place of their names."""
    if isinstance(raw, list):
        return [with_lists(part, lists) for part in raw]
    if not isinstance(raw, dict):
        return raw
    if raw.get("attribute") == "group" and "value" in raw:
        value = raw["value"]
        return raw | {"value": [str(lists[name]) for name in value] if isinstance(value, list) else str(lists[value])}
    return {name: with_lists(part, lists) for name, part in raw.items()}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(
    people=PEOPLE,
    devices=st.lists(st.lists(st.sampled_from(DEVICES), unique=True, min_size=1), max_size=2),
    opt_outs=OPT_OUTS,
    trees=st.lists(TREES, min_size=1, max_size=8),
)
async def test_a_filter_finds_whom_it_describes(
    quiet: Pool, other: AccountId, people: list[dict[str, Any]], devices: list[list[str]], opt_outs: list[Any], trees: list[Any]
) -> None:
    account = await new_account(quiet)
    named = {f"of {kind}": (await fields.create(quiet, account, f"of {kind}", ids.now(), Rule(Kind(kind)))).id for kind in VALUES}
    lists = {name: await new_list(quiet, account, groups.Kind.PUSH) for name in LISTS}
    await store(quiet, account, people, named, lists)
    rows = [member(*(android(token, f"app {number}") for token in tokens), phone=PHONES[0]) for number, tokens in enumerate(devices)]
    having = dict(zip(await brought(quiet, account, lists["first"], *rows), devices, strict=True))
    changes = [Change(type, value, is_active=True, reason=Reason(reason)) for type, value, reason in opt_outs]
    await consent.record(quiet, account, changes, source=Source.API, actor=NIL, now=ids.now())
    out = {(type, value.lower() if type is TokenType.EMAIL else value): reason for type, value, reason in opt_outs}
    everybody = (await subscribers.read(quiet, account, {}, Page(0, 100))).rows
    for tree in trees:
        raw = with_lists(tree, lists)
        expected = sorted(one.id for one in everybody if meets(raw, one, Book(named, lists, having, out)))
        found = await segments.source(quiet, account, None, raw, Values(account))
        assert await segments.contacts_of(quiet, account, found, None, 100) == expected, raw
        assert await segments.count(quiet, account, found) == len(expected)
    for raw in ({"attribute": "group", "operator": "IS_NULL"}, {"attribute": "birth_date", "operator": "NE", "value": "1980-02-29"}):
        assert await segments.count(quiet, other, await segments.source(quiet, other, None, raw, Values(other))) == 0


async def store(db: Pool, account: AccountId, people: list[dict[str, Any]], named: dict[str, int], lists: dict[str, UUID]) -> None:
    drafts = []
    for one in people:
        values = [FieldValue(named[f"of {kind}"], one[kind]) for kind in VALUES if one[kind]]
        columns = {name: one[name] for name in COLUMNS}
        into = [lists[name] for name in one["groups"]]
        drafts.append(SubscriberDraft(WholeDraft(**columns, values=values), groups=into))
    await subscribers.create(db, account, drafts, actor=NIL, now=ids.now())


# --- what stays data

INJECTIONS = [
    "' OR true --",
    "'; DROP TABLE contact; --",
    '" OR 1=1 --',
    "x') OR (1=1",
    "$1",
    "%s",
    "{0}",
    "\\'; SELECT pg_sleep(9) --",
    "NULL",
    "c.id",
    "field:1 OR true",
    "field:７",
    "opt_out.sms' OR '1'='1",
    "reachable.sms OR true",
]


@pytest.fixture
async def ann(quiet: Pool) -> AccountId:
    """An account with one contact that meets none of these; another one has one too."""
    accounts = [await new_account(quiet) for _ in range(2)]
    for account in accounts:
        draft = SubscriberDraft(WholeDraft(first_name="Ann", email="ann@example.com", phone=PHONES[0], values=[FieldValue(7, "x")]))
        await subscribers.create(quiet, account, [draft], actor=NIL, now=ids.now())
    return accounts[0]


async def found_by(db: Pool, account: AccountId, raw: Any) -> int:
    """How many contacts meet a filter."""
    return await segments.count(db, account, await segments.source(db, account, None, raw, Values(account)))


@pytest.mark.parametrize("text", INJECTIONS)
async def test_what_is_given_stays_data(quiet: Pool, ann: AccountId, text: str) -> None:
    for operator in ("EQ", "LIKE", "GT", "IN"):
        for attribute in ("first_name", "last_name", "CustomField1", "city"):
            raw = {"attribute": attribute, "operator": operator, "value": text}
            meant = {"attribute": attribute, "operator": "NOT_NULL"}
            stored = {"first_name": "Ann", "CustomField1": "x"}.get(attribute)
            is_greater = operator == "GT" and stored is not None and stored.encode() > text.encode()
            is_like = operator == "LIKE" and stored is not None and like(attribute, stored, text)
            assert await found_by(quiet, ann, {"all": [meant, raw]}) == int(is_greater or is_like), raw
    assert await found_by(quiet, ann, {"attribute": "push_token", "value": text}) == 0
    for attribute in ("id", "group", "email", "phone", "created_at", "birth_date", "opt_out.sms", "reachable.sms"):
        with pytest.raises(InvalidError) as refusal:
            await found_by(quiet, ann, {"any": [{"attribute": attribute, "value": text}]})
        assert refusal.value.faults[0].path == ("filter", "any", 0, "value")
    good = {"attribute": "city", "operator": "EQ", "value": "x"}
    for name in ("attribute", "operator"):
        with pytest.raises(InvalidError) as refusal:
            await found_by(quiet, ann, good | {name: text})
        assert refusal.value.faults[0].path == ("filter", name)
    for asked in (Asked(Page(0, 9), sort=text), Asked(Page(0, 9), (Condition(text, Operator.EQ, ("x",)),))):
        with pytest.raises(InvalidError):
            await members.read(quiet, ann, ids.new_id(), asked)
    assert await found_by(quiet, ann, {"all": []}) == 1


@pytest.mark.parametrize("attribute", ["first_name", "push_token", "city"])
async def test_a_nul_is_refused_however_the_condition_came(quiet: Pool, ann: AccountId, attribute: str) -> None:
    condition = Condition(attribute, Operator.EQ, ("a\0b",))
    with pytest.raises(InvalidError):
        await members.read(quiet, ann, ids.new_id(), Asked(Page(0, 9), (condition,)))


@pytest.mark.parametrize("attribute", ["first_name", "push_token", "city", "email", "phone"])
async def test_a_nul_is_refused(quiet: Pool, ann: AccountId, attribute: str) -> None:
    for operator, value in (("EQ", "a\0b"), ("LIKE", "%\0"), ("IN", ["a", "\0"])):
        with pytest.raises(InvalidError):
            await found_by(quiet, ann, {"attribute": attribute, "operator": operator, "value": value})


async def test_fields_of_dangerous_names(quiet: Pool, ann: AccountId) -> None:
    for name in INJECTIONS:
        field = await fields.create(quiet, ann, name, ids.now())
        by_number = f"field:{field.id}"
        # What begins like an attribute of every contact is one, or none; a field of such a name is found by its number.
        names = [by_number] if name.startswith((filters.OPT_OUT, filters.REACHABLE)) else [name, by_number]
        assert await found_by(quiet, ann, {"attribute": names[0], "operator": "NOT_NULL"}) == 0
        draft = SubscriberDraft(WholeDraft(values=[FieldValue(field.id, name)]))
        (one,) = await subscribers.create(quiet, ann, [draft], actor=NIL, now=ids.now())
        for attribute in names:
            assert await found_by(quiet, ann, {"attribute": attribute, "value": name}) == 1
        group = await new_list(quiet, ann)
        await subscribers.move(quiet, ann, [group], [one.id], "join", actor=NIL, now=ids.now())
        assert [member.id for member in await members.read(quiet, ann, group, Asked(Page(0, 9), sort=names[0]))] == [one.id]


# --- what is nobody's yet


@pytest.mark.parametrize("name", [*properties.LABELS])
async def test_a_property_that_nobody_has_is_null(quiet: Pool, ann: AccountId, name: str) -> None:
    value = {"birth_date": "1980-01-31", "gender": "gender.male"}.get(name, "x")
    for operator, expected in {"EQ": 0, "NE": 1, "IN": 0, "IS_NULL": 1, "NOT_NULL": 0, "GT": 0, "LE": 0}.items():
        assert await found_by(quiet, ann, {"attribute": name, "operator": operator, "value": value}) == expected
    assert filters.order(name, await segments.schema(quiet, ann))
    if name != "birth_date":
        assert await found_by(quiet, ann, {"attribute": name, "operator": "LIKE", "value": "%"}) == 0
    draft = SubscriberDraft(WholeDraft(), properties={name: value})
    await subscribers.create(quiet, ann, [draft], actor=NIL, now=ids.now())
    for operator, expected in {"EQ": 1, "NE": 1, "IS_NULL": 1, "NOT_NULL": 1}.items():
        assert await found_by(quiet, ann, {"attribute": name, "operator": operator, "value": value}) == expected


async def test_a_field_called_as_a_property_is_the_property(quiet: Pool, ann: AccountId) -> None:
    field = (await fields.create(quiet, ann, properties.LABELS["birth_date"], ids.now(), Rule(Kind.DATE))).id
    draft = SubscriberDraft(WholeDraft(values=[FieldValue(field, "1980-01-31")]))
    await subscribers.create(quiet, ann, [draft], actor=NIL, now=ids.now())
    assert (await subscribers.read(quiet, ann, {"birth_date": ["1980-01-31"]}, Page(0, 9))).total == 1
    assert await found_by(quiet, ann, {"attribute": "birth_date", "value": "1980-01-31"}) == 1


# --- the order

SORTED = {
    "integer": ["-5", "0", "7", "9", "10", "900719925474099312"],
    "date": ["1980-02-29", "1999-12-31", "2026-01-01"],
    "datetime": ["2026-01-01 00:00:00", "2026-01-01 23:59:59", "2026-02-01 00:00:00"],
    "boolean": ["false", "true"],
    "object": ['{"a":1}', '{"b":1}'],
    "text": ["10", "9", "Ann", "bo", "Cy", "é"],
}


@pytest.mark.parametrize("kind", SORTED)
async def test_values_are_ordered_by_their_type(quiet: Pool, other: AccountId, kind: str) -> None:
    account = await new_account(quiet)
    field = (await fields.create(quiet, account, "Of kind", ids.now(), Rule(Kind(kind)))).id
    mixed = [*SORTED[kind][1::2], None, *SORTED[kind][::2]]
    drafts = [SubscriberDraft(WholeDraft(values=[FieldValue(field, text)])) for text in mixed]
    await subscribers.create(quiet, account, drafts, actor=NIL, now=ids.now())
    for name in ("of KIND", f"field:{field}"):
        for direction in ("ASC", "DESC"):
            written = filters.order(name, await segments.schema(quiet, account))
            value = f"SELECT c.field_values ->> '{field}' AS value FROM contact c WHERE c.account_id = $1"
            query = f"{value} ORDER BY {written} {direction} NULLS LAST"
            rows = [row["value"] for row in await quiet.fetch(query, account)]
            assert rows == [*SORTED[kind][:: 1 if direction == "ASC" else -1], None]
    with pytest.raises(ValueError, match="there is no attribute"):
        filters.order("Of kind", await segments.schema(quiet, other))


ORDERED = [*filters.TEXTS, *filters.NUMBERS, *filters.INSTANTS, "id", "email", "city", "birth_date"]


@pytest.mark.parametrize("name", [*ORDERED, *(f"opt_out.{type}" for type in TokenType), *(f"reachable.{medium}" for medium in Medium)])
async def test_every_attribute_has_an_order(quiet: Pool, ann: AccountId, name: str) -> None:
    for descending in (False, True):
        assert await members.read(quiet, ann, ids.new_id(), Asked(Page(0, 9), sort=name, descending=descending)) == []


def test_what_can_not_be_ordered_by() -> None:
    for name in ("group", "push_token", "nonsense", "", "opt_out.", "opt_out.fax", "reachable.push", "field:", "field:99"):
        with pytest.raises(ValueError):
            filters.order(name, filters.Schema((), None))
