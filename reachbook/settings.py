"""Settings: one table. `REACHBOOK_<NAME>` in the environment, `REACHBOOK_<NAME>_FILE` for one kept in a file.

A value that does not fit, or a name that is none, stops the start with a message that says which. docs/settings.md is made from
this table and a test holds the two together.
"""

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from reachbook.core import endpoint_urls

PREFIX = "REACHBOOK_"

Seconds = Annotated[float, Meta(ge=0.001, le=86_400)]
Count = Annotated[int, Meta(ge=1)]
Url = Annotated[str, Meta(pattern="^https?://[^/\\s]+[^\\s]*$")]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Every setting with its type and default; HELP says what it is for."""

    data_dir: str = "./reachbook-data"
    database_url: str | None = None
    database_owner_url: str | None = None
    database_connections: Count = 10
    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535)] = 8080
    processes: Annotated[int, Meta(ge=0)] = 0
    workers: bool = True
    request_seconds: Seconds = 60.0
    statement_seconds: Seconds = 50.0
    stop_seconds: Count = 30
    body_megabytes: Count = 20
    soft_bounce_days: Count = 5
    public_url: Annotated[str, Meta(pattern="^https?://")] | None = None
    delivery_allow: str = ""
    delivery_retry_seconds: Annotated[str, Meta(pattern=r"^\s*\d+(\.\d+)?(\s*,\s*\d+(\.\d+)?)*\s*$")] = "5,30,120,300"
    delivery_days: Annotated[float, Meta(gt=0, le=365)] = 30.0
    delivery_timeout_seconds: Seconds = 15.0
    delivery_disable_days: Annotated[float, Meta(gt=0, le=365)] = 5.0
    smtp_url: Annotated[str, Meta(pattern=r"^smtps?://[^\s]+$")] | None = None
    mail_from: str = "reachbook@localhost"
    otp_url: Url | None = None
    meta_graph_url: Url = "https://graph.facebook.com/v23.0"
    meta_token: str | None = None
    meta_app_secret: str | None = None
    meta_verify_token: str | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "json", "text"] = "auto"

    def retry_seconds(self) -> list[float]:
        """The pauses before the next attempts of a delivery; the last one from then on."""
        return [float(part) for part in self.delivery_retry_seconds.split(",")]


HELP: dict[str, str] = {
    "data_dir": "Folder of the embedded PostgreSQL. Not used with database_url.",
    "database_url": "Your own PostgreSQL 15 or newer, postgresql://user:password@host/database. Without it Reachbook runs an embedded one.",
    "database_owner_url": "The same database as a user who may change the schema, used by migrations only. Without it database_url's user "
    "does both, and the application's connections take on the role reachbook_app.",
    "database_connections": "Most connections of each web process; the server must allow processes × this, and a few more.",
    "host": "Address to listen on. 0.0.0.0 for all; put a TLS proxy in front.",
    "port": "Port to listen on.",
    "processes": "Web processes; 0 takes one for each processor, at most 4.",
    "workers": "Whether `serve` runs the background workers too. Set to false when `reachbook worker` runs apart.",
    "request_seconds": "Time for a request to be read and answered; a streamed answer may go on for as long as its client reads.",
    "statement_seconds": "Time for one statement in the database; less than request_seconds, so that the reason is told.",
    "stop_seconds": "Time that running requests get at a stop.",
    "body_megabytes": "Largest request body; a larger one is answered 413.",
    "soft_bounce_days": "On how many distinct days of the last 30 mail to an address must bounce softly until it counts as a hard bounce.",
    "public_url": "Where clients reach this server, https://reachbook.example.com, for addresses in answers. Without it, where the request "
    "says that it came to.",
    "delivery_allow": "Networks, comma-separated (10.0.0.0/8, ::1), that endpoints may be in though they are private or loopback.",
    "delivery_retry_seconds": "Pauses between the attempts of a delivery, in seconds; the last one from then on.",
    "delivery_days": "How long a delivery is tried again until it is given up.",
    "delivery_timeout_seconds": "How long an endpoint may take to answer.",
    "delivery_disable_days": "How long an endpoint may fail until it is disabled.",
    "smtp_url": "Mail server for inbound messages by mail, smtp://user:password@host:port; smtps:// for TLS from the first byte. "
    "STARTTLS is used where it is offered.",
    "mail_from": "Sender of these mails.",
    "otp_url": "Where one-time passwords are posted as JSON for a gateway of yours to send. Without it the operator passes them on.",
    "meta_graph_url": "Meta's Graph API with its version.",
    "meta_token": "Access token of a system user at Meta. With it WhatsApp templates go to Meta, and Meta verifies phone numbers it knows.",
    "meta_app_secret": "Secret of the app at Meta, with which its webhooks are signed. Without it none is taken.",
    "meta_verify_token": "Text of your choice that Meta is to repeat when the address of the webhooks is entered there.",
    "log_level": "debug, info, warning or error.",
    "log_format": "json (a line an event), text, or auto: text on a terminal.",
}

SECRET = {"otp_url"}
"""Settings that are checked, and whose value a message must not repeat: this one may hold a key."""


class SettingsError(Exception):
    """A setting is wrong; the text is for the operator."""


def load(environ: Mapping[str, str]) -> Settings:
    """Read the environment. Raises SettingsError."""
    given: dict[str, str] = {}
    for variable, value in environ.items():
        if variable.startswith(PREFIX) and value.strip():  # blank: not given, as compose files write it
            name, text = _read(variable, value)
            if name in given:
                raise SettingsError(f"{PREFIX}{name.upper()} is given twice: by itself and as a file.")
            given[name] = text
    try:
        settings = msgspec.convert(given, Settings, strict=False)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$.")
        name = path.rstrip("`")
        shown = "not right" if name in SECRET else repr(given.get(name))
        raise SettingsError(f"{PREFIX}{name.upper()} is {shown}: {message}. {HELP.get(name, '')}") from None
    try:
        endpoint_urls.networks(settings.delivery_allow)
    except ValueError as error:
        raise SettingsError(f"{PREFIX}DELIVERY_ALLOW is {settings.delivery_allow!r}: {error}. {HELP['delivery_allow']}") from None
    return settings


def _read(variable: str, value: str) -> tuple[str, str]:
    name = variable.removeprefix(PREFIX).lower()
    if name in HELP:
        return name, value
    if name.endswith("_file") and name.removesuffix("_file") in HELP:
        try:
            return name.removesuffix("_file"), Path(value).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{variable} names a file that can't be read: {error}.") from None
    near = difflib.get_close_matches(name, HELP, n=1)
    hint = f" Did you mean {PREFIX}{near[0].upper()}?" if near else " `reachbook settings` lists those there are."
    raise SettingsError(f"There is no setting {variable}.{hint}")


def table() -> list[tuple[str, str, str]]:
    """(variable, default, help) of every setting, in the order of the table."""
    fields = msgspec.structs.fields(Settings)
    return [(PREFIX + field.name.upper(), "" if field.default is None else str(field.default), HELP[field.name]) for field in fields]


def processes(settings: Settings) -> int:
    """How many web processes there are to be."""
    return settings.processes or min(4, os.cpu_count() or 1)
