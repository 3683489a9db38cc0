"""Settings: each has a type, a default and a line of help; a wrong one stops the start and says which; the documentation is the table."""

import typing
from pathlib import Path

import msgspec
import pytest

from reachbook import settings
from reachbook.settings import PREFIX, Settings, SettingsError
from tests.processes import assert_plain_failure, run

DOCUMENTATION = Path(__file__).parents[1] / "docs" / "settings.md"
FIELDS = msgspec.structs.fields(Settings)


def markdown() -> str:
    """The table as docs/settings.md has it."""
    rows = [f"| `{name}` | {f'`{default}`' if default else ''} | {text} |" for name, default, text in settings.table()]
    return "\n".join(["| Variable | Default | What it is for |", "|---|---|---|", *rows]) + "\n"


def test_the_documentation_is_the_table() -> None:
    text = DOCUMENTATION.read_text()
    assert [line for line in text.splitlines() if line.startswith("|")] == markdown().splitlines()


def test_every_setting_has_a_type_a_default_and_help() -> None:
    assert [field.name for field in FIELDS] == list(settings.HELP)
    hints = typing.get_type_hints(Settings)
    for field in FIELDS:
        assert field.default is not msgspec.NODEFAULT, field.name
        msgspec.convert(field.default, hints[field.name], strict=True)
        text = settings.HELP[field.name]
        assert text.endswith("."), field.name
        assert "|" not in text
        assert "\n" not in text
    assert [name for name, _, _ in settings.table()] == [PREFIX + field.name.upper() for field in FIELDS]


def test_nothing_given_is_all_defaults() -> None:
    assert settings.load({"PATH": "/bin", "reachbook_port": "1"}) == Settings()


GIVEN = {
    "data_dir": ("/srv/book", "/srv/book"),
    "database_url": ("postgresql://u:p@h/d", "postgresql://u:p@h/d"),
    "database_owner_url": ("postgresql://o:p@h/d", "postgresql://o:p@h/d"),
    "database_connections": ("25", 25),
    "host": ("0.0.0.0", "0.0.0.0"),  # noqa: S104
    "port": ("9000", 9000),
    "processes": ("3", 3),
    "workers": ("false", False),
    "request_seconds": ("1.5", 1.5),
    "statement_seconds": ("7", 7.0),
    "stop_seconds": ("5", 5),
    "body_megabytes": ("1", 1),
    "soft_bounce_days": ("3", 3),
    "public_url": ("https://reachbook.example.com", "https://reachbook.example.com"),
    "delivery_allow": ("10.0.0.0/8, ::1", "10.0.0.0/8, ::1"),
    "delivery_retry_seconds": ("1, 2.5,60", "1, 2.5,60"),
    "delivery_days": ("0.5", 0.5),
    "delivery_timeout_seconds": ("3", 3.0),
    "delivery_disable_days": ("2", 2.0),
    "smtp_url": ("smtps://me:pass@mail.example.com:465", "smtps://me:pass@mail.example.com:465"),
    "mail_from": ("desk@example.com", "desk@example.com"),
    "otp_url": ("https://user:hush@otp.example.com/send?key=k", "https://user:hush@otp.example.com/send?key=k"),
    "meta_graph_url": ("http://127.0.0.1:9/v24.0", "http://127.0.0.1:9/v24.0"),
    "meta_token": ("EAAJB", "EAAJB"),
    "meta_app_secret": ("a1b2", "a1b2"),
    "meta_verify_token": ("text of ours", "text of ours"),
    "log_level": ("debug", "debug"),
    "log_format": ("json", "json"),
}
WRONG = {
    "database_connections": ["0", "-1", "many", "1.5"],
    "port": ["0", "65536", "http"],
    "processes": ["-1", "all"],
    "workers": ["perhaps", "2"],
    "request_seconds": ["0", "-5", "soon"],
    "statement_seconds": ["0", "nan"],
    "stop_seconds": ["0", "1.5"],
    "body_megabytes": ["0", "20MB"],
    "soft_bounce_days": ["0", "few"],
    "public_url": ["reachbook.example.com", "ftp://reachbook.example.com"],
    "delivery_allow": ["everywhere", "10.0.0.0/99"],
    "delivery_retry_seconds": ["soon", "5,,30", "-5"],
    "delivery_days": ["0", "366"],
    "delivery_timeout_seconds": ["0"],
    "delivery_disable_days": ["0", "many"],
    "smtp_url": ["mail.example.com", "http://mail.example.com"],
    "otp_url": ["otp.example.com", "ftp://otp.example.com", "https://", "https://otp example"],
    "meta_graph_url": ["graph.facebook.com", "https://"],
    "log_level": ["loud", "INFO "],
    "log_format": ["xml"],
}


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_each_is_read(field: msgspec.structs.FieldInfo, tmp_path: Path) -> None:
    text, value = GIVEN[field.name]
    assert value != field.default
    variable = PREFIX + field.name.upper()
    assert getattr(settings.load({variable: text}), field.name) == value
    file = tmp_path / "value"
    file.write_text(f"{text}\n")
    assert getattr(settings.load({f"{variable}_FILE": str(file)}), field.name) == value
    with pytest.raises(SettingsError, match=f"{variable} is given twice"):
        settings.load({variable: text, f"{variable}_FILE": str(file)})


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_wrong_value_names_the_variable(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as refused:
        settings.load({PREFIX + name.upper(): value})
    assert f"{PREFIX}{name.upper()} " in str(refused.value)
    assert settings.HELP[name] in str(refused.value)


def test_a_message_does_not_repeat_what_may_hold_a_key() -> None:
    with pytest.raises(SettingsError) as refused:
        settings.load({"REACHBOOK_OTP_URL": "user:hush@otp.example.com/send"})
    assert "hush" not in str(refused.value)


def test_a_file_that_is_none(tmp_path: Path) -> None:
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    for file in (tmp_path / "none", tmp_path, binary):
        with pytest.raises(SettingsError, match="REACHBOOK_DATABASE_URL_FILE"):
            settings.load({"REACHBOOK_DATABASE_URL_FILE": str(file)})


@pytest.mark.parametrize(
    ("variable", "hint"),
    [
        ("REACHBOOK_DATABASEURL", "REACHBOOK_DATABASE_URL"),
        ("REACHBOOK_BODY_MEGABYTE", "REACHBOOK_BODY_MEGABYTES"),
        ("REACHBOOK_WORKER", "REACHBOOK_WORKERS"),
        ("REACHBOOK_PROT", "REACHBOOK_PORT"),
        ("REACHBOOK_XYZZY", "reachbook settings"),
        ("REACHBOOK_", "reachbook settings"),
    ],
)
def test_a_name_that_is_none(variable: str, hint: str) -> None:
    with pytest.raises(SettingsError) as refused:
        settings.load({variable: "1"})
    assert variable in str(refused.value)
    assert hint in str(refused.value)


def test_the_start_stops_and_says_why(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("postgresql://user:hush@127.0.0.1:1/none\n")
    wrong = run("serve", data_dir=tmp_path / "data", port="http")
    assert_plain_failure(wrong)
    assert "REACHBOOK_PORT" in wrong.stderr
    twice = run("serve", database_url="postgresql://user:hush@127.0.0.1:1/none", database_url_file=secret)
    assert_plain_failure(twice)
    assert "REACHBOOK_DATABASE_URL" in twice.stderr
    used = run("account", "list", database_url_file=secret, data_dir=tmp_path / "data")
    assert_plain_failure(used)
    assert "127.0.0.1:1" in used.stderr
    assert not [done for done in (wrong, twice, used) if "hush" in done.stderr]
    assert not (tmp_path / "data").exists()
