"""What a template's content must be like, and what Facebook calls a template."""

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reachbook.core.template_rules import facebook_name, faults

EMPTY = "the content is empty"
EDGE = "a placeholder stands at the very start or end"
ADJACENT = "two placeholders stand side by side"
SPACES = "there are more than 4 spaces in a row"
LONG = "the content is longer than 1,024 characters"
OPEN = "a placeholder is not closed or not opened"


def missing(*numbers: int) -> list[str]:
    """Fields that do not occur."""
    return [f"the field {{{{{number}}}}} does not occur" for number in numbers]


def unknown(*names: str) -> list[str]:
    """Placeholders without a field."""
    return [f"{{{{{name}}}}} stands for no field" for name in names]


@pytest.mark.parametrize(
    ("content", "fields", "expected"),
    [
        ("Hello.", 0, []),
        ("Hi {{1}}!", 1, []),
        ("Hi {{ 1 }}!", 1, []),
        ("Hi {{2}}, it is {{1}}.", 2, []),
        ("Hi {{1}}, {{1}}!", 1, []),
        ("Hi {{1}} {x} { } }{!", 1, []),
        ("a" * 1_024, 0, []),
        ("Hi    there", 0, []),
        ("Hi\n\n\n\n\n\nthere", 0, []),
        ("", 0, [EMPTY]),
        (" \n ", 3, [EMPTY]),
        ("Hello.", 2, missing(1, 2)),
        ("Hi {{1}}!", 2, missing(2)),
        ("Hi {{2}}!", 2, missing(1)),
        ("Hi {{1}}!", 0, unknown("1")),
        ("Hi {{1}} and {{3}}!", 2, [*unknown("3"), *missing(2)]),
        ("Hi {{0}}!", 1, [*unknown("0"), *missing(1)]),
        ("Hi {{01}}!", 1, [*unknown("01"), *missing(1)]),
        ("Hi {{name}}, {{name}}!", 0, unknown("name")),
        ("Hi {{}}!", 0, unknown("")),
        ("Hi {{-1}}!", 0, unknown("-1")),
        ("Hi {{１}}!", 1, [*unknown("１"), *missing(1)]),
        ("{{1}} hi", 1, [EDGE]),
        ("hi {{1}}", 1, [EDGE]),
        (" {{1}} hi", 1, [EDGE]),
        ("hi {{1}}\n", 1, [EDGE]),
        ("{{1}}", 1, [EDGE]),
        ("hi {{1}}{{2}}!", 2, [ADJACENT]),
        ("hi {{1}} {{2}}!", 2, [ADJACENT]),
        ("hi {{1}}\n{{2}}!", 2, [ADJACENT]),
        ("hi {{1}}, {{2}}!", 2, []),
        ("hi     there", 0, [SPACES]),
        ("a" * 1_025, 0, [LONG]),
        ("hi {{1}!", 1, [*missing(1), OPEN]),
        ("hi 1}}!", 1, [*missing(1), OPEN]),
        ("hi {{1}} and {{!", 1, [OPEN]),
        ("{{1}}{{2}}     " + "a" * 1_020, 1, [LONG, *unknown("2"), EDGE, ADJACENT, SPACES]),
    ],
)
def test_faults(content: str, fields: int, expected: list[str]) -> None:
    assert sorted(faults(content, fields)) == sorted(expected)


parts = st.sampled_from(["{{1}}", "{{2}}", "{{3}}", "{{x}}", "{{ 1 }}", " ", "   ", "a", "Hi", ",", "\n", "b" * 500])


@given(st.lists(parts, max_size=8), st.integers(0, 3))
def test_against_a_plain_restatement(pieces: list[str], fields: int) -> None:
    """The rules of cm-channels.md one by one, on the pieces rather than on the text."""
    content = "".join(pieces)
    first_to_last = [piece for piece in pieces if piece.strip()]
    placed = [piece.strip("{} ") for piece in pieces if piece.startswith("{{")]
    expected: set[str] = set()
    if not first_to_last:
        expected = {EMPTY}
    else:
        expected |= {LONG} if sum(map(len, pieces)) > 1_024 else set()
        expected |= {text for name in placed if name == "x" or int(name) > fields for text in unknown(name)}
        expected |= {text for number in range(1, fields + 1) if str(number) not in placed for text in missing(number)}
        expected |= {EDGE} if first_to_last[0].startswith("{{") or first_to_last[-1].startswith("{{") else set()
        pairs = itertools.pairwise(first_to_last)
        expected |= {ADJACENT} if any(one.startswith("{{") and two.startswith("{{") for one, two in pairs) else set()
        expected |= {SPACES} if " " * 5 in content else set()
    assert set(faults(content, fields)) == expected


@given(st.text(alphabet=" {}1a\n", max_size=30), st.integers(0, 2))
def test_no_text_is_too_strange(content: str, fields: int) -> None:
    """What has no faults has a placeholder for each field, and no braces in pairs besides."""
    if faults(content, fields) == []:
        assert {int(number) for number in re.findall(r"\{\{\s*(\d+)\s*\}\}", content)} == set(range(1, fields + 1))
        rest = re.sub(r"\{\{\s*\d+\s*\}\}", "", content)
        assert "{{" not in rest
        assert "}}" not in rest


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Order confirmed", "order_confirmed"),
        ("  Order -- confirmed!  ", "order_confirmed"),
        ("Commande reçue", "commande_recue"),
        ("Straße", "strasse"),
        ("Łódź", "lodz"),
        ("ORDER_2", "order_2"),
        ("Ⅷ ﬁ", "viii_fi"),
        ("_a_", "a"),
        ("注文", "template"),
        ("!!!", "template"),
        ("😀 ok", "ok"),
        ("İ", "i"),
    ],
)
def test_facebook_names(name: str, expected: str) -> None:
    assert facebook_name(name) == expected


@given(st.text(min_size=1, max_size=255) | st.sampled_from(["\ufdfa" * 255, "a" * 600, "㎨" * 255]))
def test_a_facebook_name_is_one(name: str) -> None:
    found = facebook_name(name)
    assert re.fullmatch(r"[a-z0-9]([a-z0-9_]*[a-z0-9_])?", found)
    assert len(found) <= 500, "room for a number behind it, at most 512"
