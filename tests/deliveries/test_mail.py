"""Messages by mail, through real mail servers."""

import asyncio
import contextlib
import email.utils
import shutil
import ssl
from datetime import timedelta
from email.message import EmailMessage

import pytest

from reachbook.core.retry_schedule import STANDARD
from reachbook.database.pool import Pool
from reachbook.providers import mail
from tests.deliveries.mailboxes import Authority, Mailbox, authority, open_mailbox
from tests.deliveries.shops import NOON, Clock, Shop, open_worker

FROM = "Reachbook <inbound@reachbook.example>"
ANN, BO = "ann@example.com", "bo@example.com"
LOGIN = "reach:b%C3%B6%C3%B6k%3A%40%2F@"

# aiosmtpd doesn't see that TLS was there before SMTP.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")


@pytest.fixture(scope="session")
def known(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that the system is made to trust."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificates")
    return authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def trusted(known: Authority, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """As an operator trusts a CA of his own: OpenSSL's variable, no setting of ours."""
    monkeypatch.setenv("SSL_CERT_FILE", str(known.file))
    return known


def at(box: Mailbox, scheme: str = "smtp", login: str = "", host: str = "127.0.0.1") -> mail.Server:
    """The settings."""
    return mail.server(f"{scheme}://{login}{host}:{box.port}", FROM)


def body(received: EmailMessage) -> str:
    """The text, line ends as people count them."""
    return received.get_content().replace("\r\n", "\n")


async def test_a_mail_to_each_address(db: Pool, shop: Shop, bob: Shop) -> None:
    clock = Clock()
    async with open_mailbox() as box, open_worker(db, clock, mail=at(box)) as worker:
        await shop.add(ANN, "email")
        await shop.add(BO, "email")
        await bob.add("bob@example.com", "email")
        (reference,) = await shop.receive("Héllo\nworld €\n.\n..dots", now=clock.now, at=NOON, sender_name="Ann\r\nBcc: eve@example.com")
        await worker.settle()
        assert sorted(one.recipients for one in box.received) == [[ANN], [BO]]
        first = min(box.received, key=lambda one: one.recipients).mail
        assert {one.sender for one in box.received} == {"inbound@reachbook.example"}
        assert (first["From"], first["To"]) == (FROM, ANN)
        assert first["Subject"] == "SMS from Ann Bcc: eve@example.com (+31612345678)"
        assert first["Bcc"] is None
        assert first["Auto-Submitted"] == "auto-generated"
        assert first.get_content_type() == "text/plain"
        assert email.utils.parsedate_to_datetime(first["Date"]) == clock.now.replace(microsecond=0)
        text = body(first)
        assert text.startswith("Héllo\nworld €\n.\n..dots\n\n-- \n")
        for line in (f"To: 00{shop.number}", "Received: 2026-11-01T12:00:00 UTC", f"Reference: {reference}"):
            assert line in text.split("\n")
        found = await shop.deliveries()
        assert [(one.state, one.kind) for one in found] == [("delivered", "email")] * 2
        assert {one.mail["Message-ID"] for one in box.received} == {f"<{one.id.hex}@reachbook>" for one in found}
    assert await bob.deliveries() == []


async def test_mails_of_one_sender_on_one_channel_are_a_thread(db: Pool, shop: Shop, bob: Shop) -> None:
    async with open_mailbox() as box, open_worker(db, mail=at(box)) as worker:
        await shop.add(ANN, "email")
        await bob.add(ANN, "email")
        await shop.receive("one", "two")
        await shop.receive("three", sender="+31687654321")
        await bob.receive("four")
        await worker.settle()
        by_text = {body(one.mail).partition("\n")[0]: one.mail for one in box.received}
        threads = {text: received["References"] for text, received in by_text.items()}
        assert threads["one"] == threads["two"] == by_text["one"]["In-Reply-To"]
        assert len({threads["one"], threads["three"], threads["four"]}) == 3
        assert len({received["Message-ID"] for received in by_text.values()}) == 4


@pytest.mark.parametrize("way", ["tls", "starttls"])
async def test_tls_and_login(db: Pool, shop: Shop, trusted: Authority, way: str) -> None:
    scheme = "smtps" if way == "tls" else "smtp"
    async with (
        open_mailbox(trusted.context, starttls=way == "starttls", login=True) as box,
        open_worker(db, mail=at(box, scheme, LOGIN, "localhost")) as worker,
    ):
        await shop.add(ANN, "email")
        await shop.receive("hello")
        await worker.settle()
        (received,) = box.received
        assert (received.is_encrypted, received.login) == (True, "reach")
        _, (attempt,) = await shop.delivery()
        assert (attempt.status, attempt.error, attempt.answer) == (250, None, "OK: queued")


@pytest.mark.parametrize("login", ["", "reach:wrong@", "eve:b%C3%B6%C3%B6k%3A%40%2F@"])
async def test_a_wrong_login_is_a_failure(db: Pool, shop: Shop, trusted: Authority, login: str) -> None:
    async with open_mailbox(trusted.context, login=True) as box, open_worker(db, mail=at(box, "smtps", login)) as worker:
        await shop.add(ANN, "email")
        await shop.receive("hello")
        await worker.settle()
        found, (attempt,) = await shop.delivery()
        assert (found.state, box.received, attempt.status) == ("retrying", [], 535 if login else 530)
        assert "wrong" not in f"{attempt.error}{attempt.answer}", "a log holds no passwords"


@pytest.mark.parametrize("starttls", [False, True])
async def test_nothing_is_said_to_a_server_that_nobody_vouches_for(db: Pool, shop: Shop, known: Authority, starttls: bool) -> None:
    """Without the CA, STARTTLS is not done without either: no mail and no password in the clear."""
    async with (
        open_mailbox(known.context, starttls=starttls, login=True) as box,
        open_worker(db, mail=at(box, "smtp" if starttls else "smtps", LOGIN)) as worker,
    ):
        await shop.add(ANN, "email")
        await shop.receive("hello")
        await worker.settle()
        found, (attempt,) = await shop.delivery()
        assert (found.state, attempt.status, box.received, box.connections) == ("retrying", None, [], 1)
        assert "certificate" in str(attempt.error).lower()


async def test_the_name_of_the_server_is_checked(db: Pool, shop: Shop, trusted: Authority) -> None:
    """The certificate is for 127.0.0.1."""
    async with open_mailbox(trusted.context, host="127.0.0.2") as box, open_worker(db, mail=at(box, "smtps", host="127.0.0.2")) as worker:
        await shop.add(ANN, "email")
        await shop.receive("hello")
        await worker.settle()
        found, (attempt,) = await shop.delivery()
        assert (found.state, box.received, box.connections) == ("retrying", [], 1)
        assert "mismatch" in str(attempt.error)


async def test_a_refused_address_is_tried_again_and_holds_back_no_other(db: Pool, shop: Shop) -> None:
    clock = Clock()
    async with open_mailbox() as box, open_worker(db, clock, mail=at(box)) as worker:
        box.refuse = lambda address: "550 5.1.1 Unknown \xff user" if address == ANN else None
        ann, bo = await shop.add(ANN, "email"), await shop.add(BO, "email")
        await shop.receive("hello", now=clock.now)
        await worker.settle()
        found, (attempt,) = await shop.delivery(endpoint=ann)
        assert (found.state, found.next_at) == ("retrying", clock.now + timedelta(seconds=5))
        assert (attempt.status, attempt.error) == (550, "the address was refused")
        assert "Unknown" in str(attempt.answer)
        assert await shop.states(endpoint=bo) == ["delivered"]
        box.refuse = lambda _: None
        clock.move(seconds=5)
        await worker.settle()
        assert [one.recipients for one in box.received] == [[BO], [ANN]]
        assert await shop.states(endpoint=ann) == ["delivered"]


@pytest.mark.parametrize("end", ["451 Later, please", "554 No", "250 OK \xff\0 thanks", "554 \xff\0", "250 " + "long " * 80])
async def test_what_the_server_says_at_the_end(db: Pool, shop: Shop, end: str) -> None:
    """Its words are kept whatever they are: a mail that was taken must not go out again because of them."""
    async with open_mailbox() as box, open_worker(db, mail=at(box)) as worker:
        box.end = end
        await shop.add(ANN, "email")
        await shop.receive("hello")
        await worker.settle()
        found, (attempt,) = await shop.delivery()
        code = int(end[:3])
        assert (attempt.status, found.state) == (code, "delivered" if code == 250 else "retrying")
        assert len(box.received) == 1


async def test_without_a_mail_server(db: Pool, shop: Shop) -> None:
    """None is configured; it is away; it says nothing; it says nonsense."""
    clock = Clock()
    await shop.add(ANN, "email")
    await shop.receive("hello", now=clock.now)
    async with open_worker(db, clock) as worker:
        await worker.settle()
    async with open_mailbox() as box:
        pass
    async with open_worker(db, clock, mail=at(box)) as worker:
        clock.move(seconds=5)
        await worker.settle()
    for said in (b"", b"\xff\0 nonsense\r\n"):

        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, said: bytes = said) -> None:
            writer.write(said)
            await reader.read()
            writer.close()

        server = await asyncio.start_server(greet, "127.0.0.1", 0)
        box.port = server.sockets[0].getsockname()[1]
        async with open_worker(db, clock, STANDARD._replace(timeout=0.3), mail=at(box)) as worker:
            clock.move(seconds=400)
            await worker.settle()
        server.close()
    found, attempts = await shop.delivery()
    words = [str(attempt.error) for attempt in attempts]
    assert (found.state, [attempt.status for attempt in attempts]) == ("retrying", [None] * 4)
    assert words[0] == "no mail server is configured (REACHBOOK_SMTP_URL)"
    assert "onnect" in words[1]
    assert words[2:] == ["no answer within 0.3 seconds", "answered nonsense"]


@pytest.mark.parametrize(
    ("pause", "status", "error"), [(0.3, None, "no answer within 0.5 seconds"), (0.0, 250, "answered 250")], ids=["drips", "agrees"]
)
async def test_a_server_that_never_takes_the_mail(db: Pool, shop: Shop, pause: float, status: int | None, error: str) -> None:
    """Each of its answers comes in time, all together they don't; or it agrees to everything, and the mail has never been asked for."""
    lines = 0

    async def agree(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal lines
        writer.write(b"220 localhost\r\n")
        with contextlib.suppress(ConnectionError):
            while await reader.readline():
                lines += 1
                await asyncio.sleep(pause)
                writer.write(b"250 fine\r\n")
        writer.close()

    server = await asyncio.start_server(agree, "127.0.0.1", 0)
    box = Mailbox()
    box.port = server.sockets[0].getsockname()[1]
    async with open_worker(db, schedule=STANDARD._replace(timeout=0.5), mail=at(box)) as worker:
        await shop.add(ANN, "email")
        await shop.receive("hello")
        await worker.settle()
        found, (attempt,) = await shop.delivery()
        assert (found.state, attempt.status, attempt.error) == ("retrying", status, error)
        assert lines < (4 if pause else 10)
    server.close()


def test_openssl_reads_the_variable(trusted: Authority) -> None:
    """What the tests above stand on."""
    assert any("Authority of a test" in str(one["subject"]) for one in ssl.create_default_context().get_ca_certs())
