"""Mail servers that deliveries are sent to, and a certificate authority of the test's own."""

import asyncio
import contextlib
import email
import email.policy
import ssl
import subprocess
from collections.abc import AsyncGenerator, Callable
from email.message import EmailMessage
from pathlib import Path
from typing import Any, NamedTuple, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

EXTENSIONS = "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=critical,CA:FALSE\n"


class Authority(NamedTuple):
    """The file that trusts it, and what a server of it speaks with."""

    file: Path
    context: ssl.SSLContext


def authority(folder: Path) -> Authority:
    """A new one, with a certificate for 127.0.0.1."""
    folder.mkdir(exist_ok=True)
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    (folder / "extensions").write_text(EXTENSIONS)
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=Authority of a test")
    openssl("req", "-new", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
    signing = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "extensions", "-days", "2"]
    openssl("x509", "-req", "-in", "server.csr", "-out", "server.pem", *signing)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    return Authority(folder / "ca.pem", context)


class Received(NamedTuple):
    """A mail as it came in."""

    sender: str
    recipients: list[str]
    mail: EmailMessage
    is_encrypted: bool
    login: str | None


class Mailbox:
    """A mail server on 127.0.0.1: what it received, and what it says to RCPT and at the end of a mail."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.port = 0
        self.connections = 0
        self.refuse: Callable[[str], str | None] = lambda _: None
        self.end = "250 OK: queued"

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, _: list[str]) -> str:  # noqa: N802
        """Whether it knows the address."""
        refusal = self.refuse(address)
        if refusal is not None:
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """A mail."""
        mail = email.message_from_bytes(cast("bytes", envelope.content), policy=email.policy.default)
        login = cast("LoginPassword | None", session.auth_data)
        who = login.login.decode() if login else None
        is_encrypted = server.transport.get_extra_info("sslcontext") is not None
        self.received.append(Received(str(envelope.mail_from), envelope.rcpt_tos, mail, is_encrypted, who))
        return self.end


def _login(_: Any, __: Any, ___: Any, mechanism: str, given: Any) -> AuthResult:
    is_right = isinstance(given, LoginPassword) and given == LoginPassword(b"reach", b"b\xc3\xb6\xc3\xb6k:@/")
    return AuthResult(success=is_right, auth_data=given, handled=False)


class Plain(SMTP):
    """It may say any bytes."""

    async def push(self, status: Any) -> None:
        """A line, as latin-1."""
        self._writer.write((status if isinstance(status, bytes) else str(status).encode("latin-1")) + b"\r\n")
        await self._writer.drain()


@contextlib.asynccontextmanager
async def open_mailbox(
    tls: ssl.SSLContext | None = None, *, starttls: bool = False, login: bool = False, host: str = "127.0.0.1"
) -> AsyncGenerator[Mailbox]:
    """A mail server: in the clear, with TLS from the first byte, or with STARTTLS, which it then insists on; with a login if asked for."""
    box = Mailbox()
    loop = asyncio.get_running_loop()

    def make() -> SMTP:
        box.connections += 1
        return Plain(
            box,
            hostname="localhost",
            loop=loop,
            tls_context=tls if starttls else None,
            require_starttls=starttls,
            authenticator=_login if login else None,
            auth_required=login,
            auth_require_tls=starttls,
        )

    server = await loop.create_server(make, host, 0, ssl=None if starttls else tls)
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        server.close()
