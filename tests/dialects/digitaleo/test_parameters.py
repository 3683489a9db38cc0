"""Parameters as clients send them: PHP's arrays, texts, numbers, flags and metaData; whatever comes, an answer or a refusal."""

import json
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reachbook.core.errors import Fault, InvalidError, TooLargeError
from reachbook.dialects.digitaleo.parameters import Call, flag_of, folded, nested, text_of

MANY = 100_000
Pairs = list[tuple[str, Any]]


@pytest.mark.parametrize(
    ("pairs", "read"),
    [
        ([("a", "1")], {"a": "1"}),
        ([("a", "1"), ("a", "2"), ("a", "3")], {"a": ["1", "2", "3"]}),
        ([("a[]", "1"), ("a[]", "2")], {"a": ["1", "2"]}),
        ([("a[1]", "1"), ("a[0]", "0")], {"a": ["0", "1"]}),
        ([("a[2]", "2"), ("a[10]", "10")], {"a": ["2", "10"]}),
        ([("a[b]", "1")], {"a": {"b": "1"}}),
        ([("a[0][b]", "1"), ("a[0][c]", "2"), ("a[1][b]", "3")], {"a": [{"b": "1", "c": "2"}, {"b": "3"}]}),
        ([("a[0][b][]", "1"), ("a[0][b][]", "2")], {"a": [{"b": ["1", "2"]}]}),
        ([("a[][b]", "1"), ("a[][b]", "2")], {"a": [{"b": "1"}, {"b": "2"}]}),
        ([("a[0]", "1"), ("a[b]", "2")], {"a": {"0": "1", "b": "2"}}),
        ([("a[b]", "1"), ("a[b]", "2")], {"a": {"b": "2"}}),
        ([("a[-1]", "1")], {"a": {"-1": "1"}}),
        ([("a", "")], {"a": ""}),
        ([], {}),
    ],
    ids=lambda value: urlencode(value) if isinstance(value, list) else "",
)
def test_names_with_brackets_are_arrays_and_objects(pairs: Pairs, read: dict[str, Any]) -> None:
    assert nested(pairs) == read


def test_a_value_that_was_given_its_place_is_not_lost_to_one_without() -> None:
    """PHP puts `a[]` behind the highest number."""
    assert nested([("a[1]", "one"), ("a[]", "two")]) == {"a": ["one", "two"]}
    assert nested([("a[5][b]", "one"), ("a[][b]", "two")]) == {"a": [{"b": "one"}, {"b": "two"}]}


@pytest.mark.parametrize(
    ("pairs", "read"),
    [
        ([("a", "1"), ("a[b]", "2")], {"a": {"b": "2"}}),
        ([("a[b]", "2"), ("a", "1")], {"a": "1"}),
        ([("a", "1"), ("a[]", "2")], {"a": ["2"]}),
        ([("a[b]", "1"), ("a[b][c]", "2")], {"a": {"b": {"c": "2"}}}),
    ],
    ids=lambda value: urlencode(value) if isinstance(value, list) else "",
)
def test_of_one_name_in_two_forms_the_last_counts(pairs: Pairs, read: dict[str, Any]) -> None:
    assert nested(pairs) == read


@pytest.mark.parametrize("name", ["[", "]", "[]", "[a]", "a[", "a]", "a[b", "a[b]c", "a[[b]]", "a[b]]", "a][b", "[][]", "a.b", "a b", "\0"])
def test_a_name_that_is_no_array_is_a_name(name: str) -> None:
    assert nested([(name, "1")]) == {name: "1"}


@pytest.mark.parametrize("depth", [4, 100, 50_000])
def test_what_is_nested_too_deeply_is_refused(depth: int) -> None:
    with pytest.raises(InvalidError):
        nested([("a" + "[b]" * depth, "1")])


@pytest.mark.parametrize(
    "pairs",
    [
        [("a", "1")] * MANY,
        [("a[]", "1")] * MANY,
        [("a[][b]", "1")] * MANY,
        [(f"a[{number}]", "1") for number in range(MANY)],
        [(f"a[{number}][b]", "1") for number in reversed(range(MANY))],
        [(f"a{number}", "1") for number in range(MANY)],
        [("a[b][c]", "1")] * MANY,
        [("a[" * MANY, "1"), ("[" * MANY, "1"), ("]" * MANY, "1"), ("a" + "[b" * MANY, "1")],
    ],
    ids=["one name", "an array", "objects", "numbered", "numbered objects", "many names", "the same again", "brackets"],
)
def test_a_hundred_thousand_parameters(pairs: Pairs) -> None:
    assert nested(pairs)


def test_a_number_too_long_for_a_place_is_a_name() -> None:
    assert nested([("a[" + "9" * 5_000 + "]", "1")]) == {"a": {"9" * 5_000: "1"}}
    assert nested([("a[¹]", "1"), ("a[٣]", "2")]) == {"a": {"¹": "1", "٣": "2"}}


PARTS = st.sampled_from(["", "0", "1", "2", "10", "b", "c", "firstName", "٣", "-1", "00"])
NAMES = st.builds(
    lambda root, parts: root + "".join(f"[{part}]" for part in parts),
    st.sampled_from(["a", "A", "contacts", "id"]),
    st.lists(PARTS, max_size=3),
)


@given(st.lists(st.tuples(st.one_of(NAMES, st.text(alphabet="a[]0 ", max_size=8), st.text(max_size=5)), st.text(max_size=3)), max_size=12))
@settings(max_examples=400, deadline=None)
def test_whatever_comes_is_read_or_refused(pairs: Pairs) -> None:
    try:
        read = nested(pairs)
    except InvalidError:
        return
    assert json.loads(json.dumps(read)) == read
    assert len(read) <= len(pairs)
    for name in list(read):
        for take in (Call("GET", {name: read[name]}).text, Call("GET", {name: read[name]}).texts):
            refused_or_not(take, name)


def refused_or_not(take: Callable[[str], Any], name: str) -> None:
    """No other error than a refusal that names the parameter."""
    assert not [fault for fault in faults_of(lambda: take(name)) if fault.path[0] != name]


def faults_of(read: Callable[[], Any]) -> Sequence[Fault]:
    """What it was refused for; nothing if it was not."""
    try:
        read()
    except InvalidError as error:
        return error.faults
    return ()


VALUES = st.text(st.characters(exclude_characters="\0"), min_size=1, max_size=4)
FLAT = st.dictionaries(st.sampled_from(["firstName", "lastName", "email", "city"]), VALUES, min_size=1)


@given(st.lists(FLAT, min_size=1, max_size=12))
@settings(max_examples=200, deadline=None)
def test_rows_that_are_written_as_a_form_are_read_as_they_were(rows: list[dict[str, str]]) -> None:
    pairs = [(f"contacts[{number}][{name}]", value) for number, row in enumerate(rows) for name, value in row.items()]
    assert nested(reversed(pairs))["contacts"] == rows


@given(st.lists(VALUES, min_size=1, max_size=12))
def test_lists_that_are_written_in_any_form_are_read_as_they_were(values: list[str]) -> None:
    for names in (["id"] * len(values), ["id[]"] * len(values), [f"id[{number}]" for number in range(len(values))]):
        read = Call("GET", nested(zip(names, values, strict=True))).texts("id", separator=None)
        assert (read or []) == [value for value in values if not value.isspace()]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x", "x"),
        (" x ", " x "),
        ("", None),
        (" \t", None),
        (None, None),
        (7, "7"),
        (1.5, "1.5"),
        (True, "true"),
        (False, "false"),
        (0, "0"),
    ],
    ids=repr,
)
def test_a_scalar_is_text(value: object, text: str | None) -> None:
    assert text_of(value, "name") == text


@pytest.mark.parametrize("value", [{}, {"a": 1}, [], ["x"], b"x"], ids=repr)
def test_what_is_no_scalar_is_refused(value: object) -> None:
    with pytest.raises(InvalidError, match="must be text"):
        text_of(value, "name")


def test_of_several_texts_the_last_counts_and_names_have_no_case() -> None:
    call = Call("GET", {"Limit": ["1", "2"], "SORT": [], "x": [{"a": 1}]})
    assert (call.text("limit"), call.text("LIMIT"), call.text("sort"), call.text("other")) == ("2", "2", None, None)
    with pytest.raises(InvalidError):
        call.text("x")


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        ("a,b", ["a", "b"]),
        (" a , ,b, ", ["a", "b"]),
        (["a,b", "c"], ["a", "b", "c"]),
        ([1, 2], ["1", "2"]),
        (["", None, "a"], ["a"]),
        (",", None),
        ("", None),
        ([], None),
        (None, None),
    ],
    ids=repr,
)
def test_several_values_as_a_list_or_with_commas(value: object, texts: list[str] | None) -> None:
    assert Call("GET", {"id": value}).texts("id") == texts


def test_values_with_commas_where_they_are_not_separators() -> None:
    assert Call("GET", {"city": ["a,b", " c "]}).texts("city", separator=None) == ["a,b", " c "]


@pytest.mark.parametrize(("value", "number"), [("0", 0), ("007", 7), (12, 12), ("", 5), (None, 5), ("9" * 18, 10**18 - 1)], ids=repr)
def test_a_number(value: object, number: int) -> None:
    assert Call("GET", {"limit": value}).number("limit", 5) == number


@pytest.mark.parametrize(
    "value", ["-1", "1.5", "1e3", "x", "0x10", "٣", "¹", "9" * 19, "9" * 5_000, " 7", 1.5, True, {}, [{}]], ids=lambda v: repr(v)[:20]
)
def test_what_is_no_number_is_refused(value: object) -> None:
    with pytest.raises(InvalidError):
        Call("GET", {"limit": value}).number("limit", 5)


@pytest.mark.parametrize("value", ["1", "true", "TRUE", "Yes", "on", True, 1])
def test_yes(value: object) -> None:
    assert flag_of(value, "total") is True
    assert Call("GET", {"TOTAL": value}).flag("total")


@pytest.mark.parametrize("value", ["0", "false", "No", "off", False, 0])
def test_no(value: object) -> None:
    assert flag_of(value, "total") is False
    assert not Call("GET", {"total": value}).flag("total")


def test_neither_yes_nor_no() -> None:
    assert flag_of("", "total") is flag_of(None, "total") is None
    for value in ("2", "perhaps", [], {}):
        with pytest.raises(InvalidError):
            flag_of(value, "total")


def test_of_several_flags_the_last_counts() -> None:
    """As of several texts."""
    assert Call("GET", nested([("total", "false"), ("total", "true")])).flag("total")


@pytest.mark.parametrize("value", [{"firstName": "Ann"}, '{"firstName": "Ann"}', ' {"firstName": "Ann",} ', "{firstName: 'Ann'}"])
def test_meta_data_as_an_object_or_its_text(value: object) -> None:
    call = Call("PUT", {"MetaData": value})
    assert call.meta_data() == {"firstName": "Ann"}
    assert call.rows == [{"firstName": "Ann"}]
    assert call.is_single


@pytest.mark.parametrize("value", [None, "", "x", "7", 7, True, [], "[]", '[{"a": 1}]', [{"a": 1}], '{"a":', '"{}"'], ids=repr)
def test_what_is_no_meta_data_is_refused(value: object) -> None:
    with pytest.raises(InvalidError) as refused:
        Call("PUT", {"metaData": value}).meta_data()
    assert refused.value.faults[0].path == ("metaData",)


def test_empty_meta_data_sets_nothing() -> None:
    assert Call("PUT", {"metaData": {}}).meta_data() == Call("PUT", {"metaData": "{}"}).meta_data() == {}


@pytest.mark.parametrize("depth", [100, 100_000])
def test_deep_meta_data_is_read_or_refused(depth: int) -> None:
    call = Call("PUT", {"metaData": '{"a":' * depth + "1" + "}" * depth})
    assert {fault.path for fault in faults_of(call.meta_data)} <= {("metaData",)}


def test_a_batch_is_an_array_or_the_call_itself() -> None:
    single = Call("POST", {"firstName": "Ann"})
    assert single.batch("contacts") == [{"firstname": "Ann"}]
    assert single.is_single
    for value in ([{"a": 1}], '[{"a": 1}]'):
        call = Call("POST", {"CONTACTS": value})
        assert call.batch("contacts") == [{"a": 1}]
        assert not call.is_single
    with pytest.raises(InvalidError):
        Call("POST", {"contacts": "Ann"}).batch("contacts")
    with pytest.raises(TooLargeError):
        Call("POST", {"contacts": [{}] * 10_001}).batch("contacts")


@pytest.mark.parametrize(
    ("method", "action"),
    [("GET", "read"), ("HEAD", "read"), ("POST", "create"), ("PUT", "update"), ("DELETE", "delete")],
)
def test_the_verb_says_what_is_done_unless_the_action_does(method: str, action: str) -> None:
    assert Call(method, {}).action == Call(method, {"action": " "}).action == action
    assert Call(method, {"ACTION": "ContactAdd"}).action == "contactadd"


def test_rows_fold_their_names() -> None:
    assert folded({"FirstName": 1, 7: 2}) == {"firstname": 1, "7": 2}
    assert folded([]) is folded("x") is folded(None) is None


def test_many_values_behind_a_high_number_take_their_turn() -> None:
    """In linear time: each knows its place without a look at all others."""
    read = nested([("a[5]", "first"), *(("a[]", str(number)) for number in range(100_000))])
    assert read == {"a": ["first", *map(str, range(100_000))]}
