"""What the content of a WhatsApp template must be like (cm-channels.md, "A language is incomplete while …"). Pure."""

import re
from collections.abc import Sequence

from reachbook.core.limits import TEMPLATE_LENGTH, TEMPLATE_NAME_LENGTH
from reachbook.core.text import fold

PLACEHOLDER = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
ADJACENT = re.compile(r"\}\}\s*\{\{")
MANY_SPACES = re.compile(r" {5,}")
NAMED_SO = re.compile("[1-9][0-9]{0,2}")


def faults(content: str, fields: int) -> Sequence[str]:
    """Why a content is incomplete, in words; nothing: it can be validated. `fields` is how many replacement fields there are."""
    text = content.strip()
    if not text:
        return ["the content is empty"]
    found: list[str] = []
    if len(content) > TEMPLATE_LENGTH:
        found.append(f"the content is longer than {TEMPLATE_LENGTH:,} characters")
    names = [match.strip() for match in PLACEHOLDER.findall(text)]
    numbers = {int(name) for name in names if NAMED_SO.fullmatch(name)}
    unknown = [name for name in names if not NAMED_SO.fullmatch(name) or int(name) > fields]
    found += [f"{{{{{name}}}}} stands for no field" for name in dict.fromkeys(unknown)]
    found += [f"the field {{{{{number}}}}} does not occur" for number in range(1, fields + 1) if number not in numbers]
    if re.sub(PLACEHOLDER, "", text).count("{{") or re.sub(PLACEHOLDER, "", text).count("}}"):
        found.append("a placeholder is not closed or not opened")
    if names and (text.startswith("{{") or text.endswith("}}")):
        found.append("a placeholder stands at the very start or end")
    if ADJACENT.search(text):
        found.append("two placeholders stand side by side")
    if MANY_SPACES.search(content):
        found.append("there are more than 4 spaces in a row")
    return found


def facebook_name(name: str) -> str:
    """A template's name as Facebook takes it: lower case letters, digits and underscores, with room for a number behind it."""
    return re.sub("_+", "_", re.sub("[^a-z0-9]", "_", fold(name))).strip("_")[: TEMPLATE_NAME_LENGTH - 12] or "template"
