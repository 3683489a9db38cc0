"""JSON Lines, and JSON that is none."""

from reachbook.files.rows import Mark
from tests.files.case import PLAIN, SHORT, Case, buckets

JAN = '{"First name": "Jan", "Phone": "0612345671"}\n'
PIET = '{"First name": "Piet", "Phone": "0612345672"}\n'
TWO = buckets(created=2)


def _lines(name: str, text: str | bytes, columns: list[str], rows: list[list[str] | None], made: dict[str, int], **more: object) -> Case:
    content = text if isinstance(text, bytes) else text.encode()
    return Case(name, "contacts.jsonl", content, columns, rows, made, kind="jsonl", **({"first": 1} | more))  # type: ignore[arg-type]


CASES = [
    _lines("jsonl_good", JAN + PIET, SHORT, PLAIN, TWO),  # type: ignore[arg-type]
    _lines("jsonl_bom_crlf_no_end", "\ufeff" + (JAN + "\n" + PIET).replace("\n", "\r\n").rstrip(), SHORT, PLAIN, TWO, numbers=[1, 3]),  # type: ignore[arg-type]
    _lines("jsonl_utf16", (JAN + PIET).encode("utf-16"), SHORT, PLAIN, TWO),  # type: ignore[arg-type]
    _lines(
        "jsonl_bad_lines",
        JAN.encode()
        + b'{"First name": "Kees", \n[1, 2]\n"text"\n{"First name": "\xff"}\n{"First name": "\\ud800"}\n{"Phone": NaN}\n'
        + PIET.encode(),
        SHORT,
        [PLAIN[0], None, None, None, None, None, None, PLAIN[1]],
        buckets(created=2, refused=6),
        faults={
            2: "is not JSON",
            3: "is not a JSON object",
            4: "is not a JSON object",
            5: "has bytes that are no UTF-8 text",
            6: "is not JSON",
            7: "is not JSON",
        },
    ),
    _lines(
        "jsonl_nested",
        '{"person": {"First name": "Jan", "contact": {"Phone": "0612345671"}}, "Tags": ["a", 1], "Company": null}\n'
        '{"Company": "ACME", "Phone": "0612345672"}\n',
        ["First name", "Phone", "Tags", "Company"],
        [["Jan", "0612345671", '["a",1]', ""], ["", "0612345672", "", "ACME"]],
        TWO,
    ),
    _lines(
        "jsonl_same_name_in_two_objects",
        '{"First name": "Jan", "home": {"Phone": "0201234567"}, "work": {"Phone": "0612345671"}, "phone": "0612345672"}\n',
        ["First name", "Phone", "Phone (2)", "phone (3)"],
        [["Jan", "0201234567", "0612345671", "0612345672"]],
        buckets(created=1),
    ),
    _lines(
        "jsonl_numbers",
        '{"Phone": 31612345671, "A": 612345672.0, "B": true, "C": 123456789012345678901, "D": -0}\n'
        '{"Phone": "0612345672", "A": 1.5, "B": false}\n',
        ["Phone", "A", "B", "C", "D"],
        [["31612345671", "612345672", "true", "123456789012345678901", "0"], ["0612345672", "1.5", "false", "", ""]],
        TWO,
        marks={1: {0: Mark.NUMBER, 1: Mark.NUMBER, 3: Mark.NUMBER, 4: Mark.NUMBER}, 2: {1: Mark.NUMBER}},
    ),
    _lines(
        "jsonl_deep",
        '{"a":' * 900 + '"x"' + "}" * 900 + "\n" + '{"a":' * 90_000 + "1" + "}" * 90_000 + "\n" + JAN,
        ["a", *SHORT],
        [None, None, ["", *PLAIN[0]]],
        buckets(created=1, refused=2),
        faults={2: "is not JSON"},
    ),
    Case("json_array", "contacts.json", b'\n[\n {"First name": "Jan", "Phone": "0612345671"}\n]\n', error="one JSON array"),
    Case("json_array_of_arrays", "contacts.json", b'[["First name","Phone"],["Jan","0612345671"]]', error="one JSON array"),
]
