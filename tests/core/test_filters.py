"""Filters as SQL against a plain evaluation in Python, on random contacts; what is no filter; what stays data."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reachbook.core import consent, fields, filters, ids, segments, subscribers
from reachbook.core.consent import Change, Reason, Source, TokenType
from reachbook.core.drafts import FieldValue, WholeDraft
from reachbook.core.ids import NIL, AccountId
from reachbook.core.kinds import Kind, Rule
from reachbook.core.paging import Page
from reachbook.core.reach import Medium
from reachbook.core.subscribers import Subscriber, SubscriberDraft
from reachbook.database.pool import Pool
from reachbook.database.values import Values
from tests.core.book import new_account

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
OPERATORS = [*filters.Operator]


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
    ways += [of(f"opt_out.{medium}", ["contact", "user"], equal) for medium in Medium]
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
    ),
    min_size=1,
    max_size=8,
)
OPT_OUTS = st.lists(
    st.tuples(st.sampled_from([*Medium]), st.sampled_from([*EMAILS, *PHONES]), st.sampled_from(["contact", "user"])), max_size=3
)


def meets(raw: dict[str, Any], one: Subscriber, named: dict[str, int]) -> bool:
    """The same in plain Python."""
    if "all" in raw:
        return all(meets(part, one, named) for part in raw["all"])
    if "any" in raw:
        return any(meets(part, one, named) for part in raw["any"])
    if "not" in raw:
        return not meets(raw["not"], one, named)
    name, operator, value = raw["attribute"], raw["operator"], raw.get("value")
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


def value_of(name: str, one: Subscriber, named: dict[str, int]) -> Any:
    if name.startswith("of "):
        return one.values.get(str(named[name]))
    if name.startswith("opt_out."):
        return one.opt_outs.get(Medium(name.partition(".")[2]))
    if name.startswith("reachable."):
        medium = Medium(name.partition(".")[2])
        numbers = [one.phone] if medium is Medium.SMS else [one.phone, one.landline]
        addresses = [one.email] if medium is Medium.EMAIL else numbers
        return "true" if any(addresses) and medium not in one.opt_outs else "false"
    return getattr(one, name)


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


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(people=PEOPLE, opt_outs=OPT_OUTS, trees=st.lists(TREES, min_size=1, max_size=8))
async def test_a_filter_finds_whom_it_describes(quiet: Pool, people: list[dict[str, Any]], opt_outs: list[Any], trees: list[Any]) -> None:
    account = await new_account(quiet)
    named = {f"of {kind}": (await fields.create(quiet, account, f"of {kind}", ids.now(), Rule(Kind(kind)))).id for kind in VALUES}
    await store(quiet, account, people, named)
    changes = [
        Change(TokenType(medium), value, is_active=True, reason=Reason(reason))
        for medium, value, reason in opt_outs
        if ("@" in value) == (medium is Medium.EMAIL)
    ]
    await consent.record(quiet, account, changes, source=Source.API, actor=NIL, now=ids.now())
    everybody = (await subscribers.read(quiet, account, {}, Page(0, 100))).rows
    for raw in trees:
        expected = sorted(one.id for one in everybody if meets(raw, one, named))
        found = await segments.source(quiet, account, None, raw, Values(account))
        assert await segments.contacts_of(quiet, account, found, None, 100) == expected, raw
        assert await segments.count(quiet, account, found) == len(expected)


async def store(db: Pool, account: AccountId, people: list[dict[str, Any]], named: dict[str, int]) -> None:

    drafts = []
    for one in people:
        values = [FieldValue(named[f"of {kind}"], one[kind]) for kind in VALUES if one[kind]]
        columns = {name: one[name] for name in COLUMNS}
        drafts.append(SubscriberDraft(WholeDraft(**columns, values=values)))
    await subscribers.create(db, account, drafts, actor=NIL, now=ids.now())
