"""Sends inbound messages by mail, one to each address, threaded by who wrote (inbound.md, "email")."""

import asyncio
import hashlib
import time
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import aiosmtplib
import msgspec

from reachbook.core.delivery_work import Delivery, Target
from reachbook.providers.webhooks import Answered


class Server(NamedTuple):
    """An SMTP server: `smtp(s)://[user:password@]host:port`, and whom the mails are from."""

    host: str
    port: int
    is_tls: bool
    user: str | None
    password: str | None
    sender: str


def server(url: str, sender: str) -> Server:
    """What the settings say. Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise ValueError("must be smtp://host:port or smtps://host:port")
    is_tls = parts.scheme == "smtps"
    user = unquote(parts.username) if parts.username else None
    password = unquote(parts.password) if parts.password else None
    return Server(parts.hostname, parts.port or (465 if is_tls else 25), is_tls, user, password, sender)


class Mailer:
    """The mail client of deliveries."""

    def __init__(self, server: Server | None, timeout: float) -> None:
        self._server = server
        self._timeout = timeout

    async def send(self, target: Target, delivery: Delivery) -> Answered:
        """One attempt; whatever goes wrong is part of the answer. STARTTLS is used where it is offered."""
        started = time.perf_counter()

        def after(status: int | None, error: str | None, answer: str | None = None) -> Answered:
            return Answered(status, error, answer, round((time.perf_counter() - started) * 1000))

        to = self._server
        if to is None:
            return after(None, "no mail server is configured (REACHBOOK_SMTP_URL)")
        try:
            async with asyncio.timeout(self._timeout):  # aiosmtplib's own is for each command
                _, answer = await aiosmtplib.send(
                    written(delivery, target.target, to.sender),
                    hostname=to.host,
                    port=to.port,
                    username=to.user,
                    password=to.password,
                    use_tls=to.is_tls,
                    timeout=self._timeout,
                )
        except aiosmtplib.SMTPRecipientsRefused as error:
            return after(error.recipients[0].code, "the address was refused", error.recipients[0].message[:1_000])
        except aiosmtplib.SMTPResponseException as error:
            status = error.code if error.code > 0 else None  # what it said was no answer at all
            return after(status, f"answered {error.code}" if status else "answered nonsense", error.message[:1_000])
        except TimeoutError:
            return after(None, f"no answer within {self._timeout:g} seconds")
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            return after(None, f"{type(error).__name__}: {error}"[:500])
        return after(250, None, answer[:1_000])


def written(delivery: Delivery, address: str, sender: str) -> EmailMessage:
    """The mail. Those from one sender on one channel are one thread."""
    given: dict[str, Any] = msgspec.json.decode(delivery.payload)
    thread = hashlib.sha256(f"{delivery.channel}|{given['from']}".encode()).hexdigest()[:32]
    who = f"{given['name']} ({given['from']})" if given["name"] else given["from"]
    mail = EmailMessage()
    mail["From"] = sender
    mail["To"] = address
    mail["Subject"] = _line(f"{given['channel']} from {who}")
    mail["Date"] = format_datetime(delivery.started_at)
    mail["Message-ID"] = f"<{delivery.id.hex}@reachbook>"
    mail["In-Reply-To"] = mail["References"] = f"<{thread}@reachbook>"
    mail["Auto-Submitted"] = "auto-generated"
    lines = [given["text"], "", "-- ", f"From: {who}", f"To: {given['to']}", f"Received: {given['timeUtc']} UTC"]
    mail.set_content("\n".join([*lines, f"Reference: {given['reference']}"]))
    return mail


def _line(text: str) -> str:
    """A header is one line."""
    return " ".join(text.split())[:200]
