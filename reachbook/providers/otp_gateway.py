"""One-time passwords on their way to a phone, by the operator's own gateway (operator.md, "Work queue")."""

from collections.abc import Awaitable, Callable

from aiohttp import ClientSession

from reachbook.core.one_time_codes import Code
from reachbook.providers import outbound
from reachbook.providers.outbound import NoAnswerError

WHOM = "The gateway of one-time passwords"


def sender(client: ClientSession, url: str) -> Callable[[Code], Awaitable[None]]:
    """What posts `{"phoneNumber": "+31…", "method": "sms"|"voice", "code": "123456"}` to the URL; any 2xx means that it is on its way."""

    async def send(code: Code) -> None:
        """Raises NoAnswerError."""
        body = {"phoneNumber": code.phone, "method": code.method, "code": code.digits}
        answer = await outbound.ask(client, WHOM, "POST", url, json=body)
        if not answer.is_success:
            raise NoAnswerError(f"{WHOM} answered {answer.status}.")

    return send
