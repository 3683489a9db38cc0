"""Meta's WhatsApp Business Platform: templates and the verification of phone numbers over the Graph API, and the signature of its webhooks.

After Meta's OpenAPI description (github.com/facebook/openapi, v23.0) and its pages on template management, error codes and webhooks.
"""

import hmac
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote

import msgspec
from aiohttp import ClientSession

from reachbook.core.errors import ConflictError
from reachbook.core.provider_templates import Heard, Submission
from reachbook.core.template_rules import PLACEHOLDER
from reachbook.providers import outbound
from reachbook.providers.outbound import Answer, NoAnswerError

CATEGORIES: Mapping[str, str] = dict.fromkeys(
    (
        "ACCOUNT_UPDATE",
        "PAYMENT_UPDATE",
        "PERSONAL_FINANCE_UPDATE",
        "SHIPPING_UPDATE",
        "RESERVATION_UPDATE",
        "ISSUE_RESOLUTION",
        "APPOINTMENT_UPDATE",
        "TRANSPORTATION_UPDATE",
        "TICKET_UPDATE",
        "ALERT_UPDATE",
    ),
    "UTILITY",
)
"""Categories of document 003's era → what Meta takes today. Others go as they are called: Meta says if it does not know one."""

AGAIN_LATER = frozenset({1, 2, 4, 17, 32, 341, 368, 613, 80007, 80008, 130429, 131000, 131016, 133016})
"""Codes of Graph that pass: downtime, limits, blocks for a time."""
OURS_TO_MEND = frozenset({0, 3, 10, 102, 190, *range(200, 300)})
"""Codes of a token that has expired or lacks a permission: the operator's to mend, after which the same call succeeds."""
WRONG_CODE = frozenset({100, 136025})
"""Codes that verify_code answers to digits that do not fit or came too late."""
NO_SUCH_OBJECT = 33  # a subcode of 100

IN_REVIEW = "PENDING"  # where an edit leads, whose answer does not say so
CODE_LOCALE = "en_US"  # of the message that brings a code
FIELDS = "id,name,language,status,rejected_reason,category"
LIMIT, PAGES = 100, 1_000  # templates of a page, and a bound for a list that leads round in a circle

T = TypeVar("T")


class RefusedError(ConflictError):
    """Meta refuses, and will again; the text is Meta's."""

    def __init__(self, message: str, code: int, subcode: int) -> None:
        super().__init__(message)
        self.code, self.subcode = code, subcode


class Told(NamedTuple):
    """The template there, and its status as Meta says it."""

    provider_id: str
    status: str | None


class _Error(msgspec.Struct):
    message: str = ""
    code: int = 0
    error_subcode: int = 0
    is_transient: bool = False
    error_user_title: str | None = None
    error_user_msg: str | None = None


class _Refusal(msgspec.Struct):
    error: _Error


class _Success(msgspec.Struct):
    success: bool = False


class _Component(msgspec.Struct):
    type: str = ""
    text: str | None = None


class _Template(msgspec.Struct):
    """Of a list; of one that was just made only id and status."""

    id: str = ""
    name: str = ""
    language: str = ""
    status: str | None = None
    rejected_reason: str | None = None
    components: Sequence[_Component] = ()


class _Cursors(msgspec.Struct):
    after: str | None = None


class _Paging(msgspec.Struct):
    cursors: _Cursors = msgspec.field(default_factory=_Cursors)
    next: str | None = None


class _Templates(msgspec.Struct):
    data: Sequence[_Template] = ()
    paging: _Paging = msgspec.field(default_factory=_Paging)


def is_signed(body: bytes, signature: str | None, secret: str) -> bool:
    """Whether `X-Hub-Signature-256` is `sha256=` and the HMAC of the body as it came. Takes as long for any wrong one."""
    right = f"sha256={hmac.new(secret.encode(), body, sha256).hexdigest()}"
    return hmac.compare_digest(right.encode(), (signature or "").strip().lower().encode())


def reason(code: str | None, *details: str | None) -> str | None:
    """Why, in Meta's words; `NONE` is none."""
    said = [text.strip() for text in (code, *details) if text and text.strip().upper() != "NONE"]
    return ": ".join(dict.fromkeys(said)) or None


class Meta:
    """The Graph API at `graph_url`, as who the token belongs to. A `one_time_codes.Provider` too."""

    def __init__(self, client: ClientSession, graph_url: str, token: str) -> None:
        self._client = client
        self._graph_url = graph_url.rstrip("/")
        self._token = token

    async def submit(self, what: Submission) -> Told:
        """A new template, or the new content of one that was submitted before. Raises NoAnswerError, RefusedError."""
        content = {"category": CATEGORIES.get(what.category, what.category), "components": [_body(what)]}
        if what.provider_id is not None:
            await self._ask("POST", (what.provider_id,), json=content)
            return Told(what.provider_id, IN_REVIEW)
        new = {"name": what.name, "language": what.code, **content}
        try:
            answer = await self._ask("POST", (what.business_id, "message_templates"), json=new)
        except RefusedError:
            made = await self._made_before(what)
            if made is None:
                raise
            return made
        template = _decoded(answer, _Template)
        if not template.id:
            raise _not_understood(answer)
        return Told(template.id, template.status)

    async def _made_before(self, what: Submission) -> Told | None:
        """The template of this name, language and content: a try before this one made it, and its answer was lost."""
        query = {"name": what.name, "language": what.code, "fields": f"{FIELDS},components", "limit": str(LIMIT)}
        page = _decoded(await self._ask("GET", (what.business_id, "message_templates"), query=query), _Templates)
        text = _body(what)["text"]
        for one in page.data:
            bodies = [component.text for component in one.components if component.type.upper() == "BODY"]
            if (one.name, one.language, bodies) == (what.name, what.code, [text]):
                return Told(one.id, one.status)
        return None

    async def templates(self, business_id: str) -> AsyncIterator[Heard]:
        """What Meta says of all templates of a business account. Raises NoAnswerError, RefusedError.

        Only cursors are taken from an answer: the address that it gives for the next page is never called.
        """
        query = {"fields": FIELDS, "limit": str(LIMIT)}
        for _ in range(PAGES):
            page = _decoded(await self._ask("GET", (business_id, "message_templates"), query=query), _Templates)
            for one in page.data:
                if one.id and one.status:
                    yield Heard(business_id, one.id, one.name, one.language, one.status, reason(one.rejected_reason))
            after = page.paging.cursors.after
            if not page.paging.next or not after:
                return
            query["after"] = after

    async def request_code(self, phone_id: str, method: str) -> None:
        """Have a code sent to the number, by sms or voice. Raises NoAnswerError, RefusedError."""
        asked = {"code_method": method.upper(), "language": CODE_LOCALE}
        answer = await self._ask("POST", (phone_id, "request_code"), json=asked)
        if not _decoded(answer, _Success).success:
            raise _not_understood(answer)

    async def verify_code(self, phone_id: str, digits: str) -> bool:
        """Whether these are the digits. Raises NoAnswerError, RefusedError."""
        code = re.sub(r"[\s-]", "", digits)
        if not (code.isascii() and code.isdigit()):
            return False
        try:
            answer = await self._ask("POST", (phone_id, "verify_code"), json={"code": code}, hidden=code)
        except RefusedError as error:
            if error.code in WRONG_CODE and error.subcode != NO_SUCH_OBJECT:
                return False
            raise
        return _decoded(answer, _Success).success

    async def _ask(
        self, method: str, path: Sequence[str], *, query: Mapping[str, str] | None = None, json: object = None, hidden: str = ""
    ) -> Answer:
        url = "/".join([self._graph_url, *(quote(part, safe="") for part in path)])
        headers = {"Authorization": f"Bearer {self._token}"}
        answer = await outbound.ask(self._client, "Meta", method, url, headers=headers, query=query, json=json)
        if answer.is_success:
            return answer
        raise self._failure(answer, hidden)

    def _failure(self, answer: Answer, hidden: str) -> NoAnswerError | RefusedError:
        """Meta repeats a token that it does not like, so it is taken out of what it says; and so is a code."""
        try:
            error = msgspec.json.decode(answer.body, type=_Refusal, strict=False).error
        except msgspec.DecodeError:
            return _not_understood(answer)  # not from Graph: what stands before it, or at a wrong address
        said = reason(error.error_user_title, error.error_user_msg) or error.message or "no reason given"
        for secret in filter(None, (self._token, hidden)):
            said = said.replace(secret, "…")
        codes = f"{error.code}/{error.error_subcode}" if error.error_subcode else str(error.code)
        text = f"Meta says: {said} ({codes})"
        passes = error.is_transient or error.code in AGAIN_LATER or error.code in OURS_TO_MEND
        if passes or answer.status >= 500 or answer.status in (401, 403, 408, 429):
            return NoAnswerError(text)
        return RefusedError(text, error.code, error.error_subcode)


def _body(what: Submission) -> dict[str, Any]:
    """Meta wants an example for each variable: the field's name is one."""
    text = PLACEHOLDER.sub(lambda found: f"{{{{{found[1].strip()}}}}}", what.content.strip())
    examples = {"example": {"body_text": [list(what.field_names)]}} if what.field_names else {}
    return {"type": "BODY", "text": text, **examples}


def _decoded(answer: Answer, type: type[T]) -> T:
    try:
        return msgspec.json.decode(answer.body, type=type, strict=False)
    except msgspec.DecodeError:
        raise _not_understood(answer) from None


def _not_understood(answer: Answer) -> NoAnswerError:
    return NoAnswerError(f"Meta answered {answer.status} and nothing that is understood.")
