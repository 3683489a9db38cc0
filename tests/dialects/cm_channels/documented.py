"""The examples of document 003 (examples.json: as the document prints them), and how an answer differs from one."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.dialects.golden import INSTANT

EXAMPLES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "examples.json").read_text())
"""`endpoint`, the `request` line, a `body` where there is one, the `status` and the `answer`."""

DATED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z?")
OF_CATALOGUES = ("available",)
"""Objects with a name for everything that the installation has."""


def kind_of(value: Any) -> str:
    """What a value is: in JSON, and whether it is an instant."""
    if isinstance(value, bool) or value is None:
        return str(type(value).__name__)
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str) and DATED.fullmatch(value):
        return "instant"
    return str(type(value).__name__)


def differences(example: Any, answer: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """(what, where) an answer differs from an example in: `absent` or `unknown` names, or values of another `kind`."""
    if kind_of(example) != kind_of(answer):
        yield "kind", path
    elif isinstance(example, dict):
        yield from _of_objects(example, answer, path)
    elif isinstance(example, list) and example:
        if not answer:
            yield "absent", f"{path}[]"
        for item in answer:
            yield from differences(example[0], item, f"{path}[]")
    elif kind_of(answer) == "instant" and not INSTANT.fullmatch(answer):
        yield "kind", path


def _of_objects(example: dict[str, Any], answer: dict[str, Any], path: str) -> Iterator[tuple[str, str]]:
    names = {name: f"{path}.{name}".removeprefix(".") for name in {**example, **answer}}
    if "LANGUAGE NAME" in example:
        for value in answer.values():
            yield from differences(example["LANGUAGE NAME"], value, f"{path}.*")
        if not answer:
            yield "absent", f"{path}.*"
        return
    for name in example:
        if name in answer:
            yield from differences(example[name], answer[name], names[name])
        else:
            yield "absent", names[name]
    if path not in OF_CATALOGUES:
        yield from (("unknown", names[name]) for name in answer if name not in example)
