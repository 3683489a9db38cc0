"""Types of fields: what is taken, in which form it is kept, and that every wire asks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reachbook.core import contacts, fields, ids, subscribers
from reachbook.core.drafts import Draft, FieldValue, WholeDraft
from reachbook.core.errors import InvalidError
from reachbook.core.groups import Group
from reachbook.core.ids import NIL, AccountId
from reachbook.core.imports import Options
from reachbook.core.kinds import Kind, Rule, read
from reachbook.core.subscribers import SubscriberDraft
from reachbook.database.pool import Pool
from tests.support import worked_on

KEPT = [
    (Kind.INTEGER, " +007 ", "7"),
    (Kind.INTEGER, "-5", "-5"),
    (Kind.BOOLEAN, "Yes", "true"),
    (Kind.BOOLEAN, "0", "false"),
    (Kind.DATE, "1980-01-31", "1980-01-31"),
    (Kind.DATE, "31.1.1980", "1980-01-31"),
    (Kind.DATE, "1980-01-31T00:00:00", "1980-01-31"),
    (Kind.DATETIME, "2026-01-31T12:00:00+02:00", "2026-01-31 10:00:00"),
    (Kind.DATETIME, "2026-01-31", "2026-01-31 00:00:00"),
    (Kind.OBJECT, '{ "a" : [1, 2] }', '{"a":[1,2]}'),
    (Kind.TEXT, " as it is ", " as it is "),
]
REFUSED = [
    *((Kind.INTEGER, text) for text in ("1.5", "1e3", "seven", "9" * 19, "")),
    *((Kind.BOOLEAN, text) for text in ("perhaps", "2")),
    *((Kind.DATE, text) for text in ("1980-02-30", "31-01-1980", "yesterday", "3/4/1980", "1980-01-31 12:00:00")),
    *((Kind.DATETIME, text) for text in ("noon", "2026-01-31 25:00:00")),
    *((Kind.OBJECT, text) for text in ("[]", "text", "{", "null")),
]


@pytest.mark.parametrize(("kind", "text", "kept"), KEPT)
def test_what_is_taken_is_kept_in_one_form(kind: Kind, text: str, kept: str) -> None:
    assert read(Rule(kind), text) == kept
    assert read(Rule(kind), kept) == kept


@pytest.mark.parametrize(("kind", "text"), REFUSED)
def test_what_is_refused_says_why(kind: Kind, text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        read(Rule(kind), text)


@pytest.mark.parametrize(("region", "kept"), [("NL", "1980-04-03"), ("FR", "1980-04-03"), ("US", "1980-03-04")])
def test_a_date_with_slashes_is_read_as_the_region_writes_it(region: str, kept: str) -> None:
    assert read(Rule(Kind.DATE), "3/4/1980", region) == kept


def test_a_choice_is_taken_whatever_its_case() -> None:
    gender = Rule(Kind.TEXT, ("gender.male", "gender.female"))
    assert read(gender, "Gender.MALE") == "gender.male"
    with pytest.raises(ValueError, match=r"one of gender\.male, gender\.female"):
        read(gender, "male")


@given(st.dates(), st.dates())
def test_texts_of_dates_order_as_dates_do(one: object, other: object) -> None:
    left, right = (read(Rule(Kind.DATE), str(date)) for date in (one, other))
    assert (left < right) == (one < other)  # type: ignore[operator]


@given(st.datetimes(), st.datetimes())
def test_texts_of_instants_order_as_instants_do(one: object, other: object) -> None:
    left, right = (read(Rule(Kind.DATETIME), str(instant)[:19]) for instant in (one, other))
    assert left == read(Rule(Kind.DATETIME), left)
    assert (left < right) <= (one < other)  # type: ignore[operator]


@pytest.fixture
async def shoe_size(db: Pool, account: AccountId) -> int:
    return (await fields.create(db, account, "Shoe size", ids.now(), Rule(Kind.INTEGER))).id


async def test_every_way_in_asks(db: Pool, account: AccountId, group: Group, shoe_size: int) -> None:
    wrong, right = [FieldValue(shoe_size, "large")], [FieldValue(shoe_size, " 041 ")]
    added = await contacts.add(db, account, group.id, Draft(values=right), id=ids.new_id(), now=ids.now())
    assert added.values == {str(shoe_size): "41"}
    for call in (
        contacts.add(db, account, group.id, Draft(values=wrong), id=ids.new_id(), now=ids.now()),
        contacts.upload(db, account, group.id, [Draft(values=wrong)], now=ids.now()),
        contacts.update(db, account, added.id, Draft(values=wrong), now=ids.now()),
        subscribers.create(db, account, [SubscriberDraft(WholeDraft(values=wrong))], actor=NIL, now=ids.now()),
    ):
        with pytest.raises(InvalidError) as refused:
            await call
        assert [fault.message for fault in refused.value.faults] == ["must be a whole number of at most 18 digits"]
    file = b"Email,Shoe size\nann@example.com,38\nbo@example.com,large\n"
    done = await worked_on(db, account, file, "sizes.csv", "start", Options(group=group.id))
    assert (done.created, done.refused) == (1, 1)


async def test_a_new_date_of_birth_is_a_date(db: Pool, account: AccountId) -> None:
    draft = SubscriberDraft(WholeDraft(), {"birth_date": "31/1/1980"})
    made = await subscribers.create(db, account, [draft], actor=NIL, now=ids.now())
    assert list(made[0].values.values()) == ["1980-01-31"]
    with pytest.raises(InvalidError) as refused:
        await subscribers.update(db, account, [made[0].id], SubscriberDraft(WholeDraft(), {"birth_date": "soon"}), actor=NIL, now=ids.now())
    assert refused.value.faults[0].path == ("birth_date",)
