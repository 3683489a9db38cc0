"""The command line. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done with refused rows."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Generator, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, Annotated, Literal, NoReturn
from uuid import UUID

import cyclopts
import msgspec
from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from reachbook import __version__, cli_operator, demo, importing, log, serving
from reachbook import settings as settings_table
from reachbook.commands import FAILED, REFUSED_ROWS, WRONG_USAGE, AsJson, Data, answer, call, load, located, run
from reachbook.core import accounts, exports, ids, import_reports, imports, retention, tokens
from reachbook.core.errors import ConflictError, InvalidError, ReachbookError, invalid
from reachbook.core.ids import AccountId
from reachbook.core.imports import Import, Options
from reachbook.core.paging import Page
from reachbook.core.retention import Gone
from reachbook.database.errors import DatabaseError, UnavailableError
from reachbook.database.location import Location
from reachbook.database.migrate import migrate as bring_up_to_date
from reachbook.database.queries import Database
from reachbook.files.writing import into
from reachbook.settings import Settings, SettingsError
from reachbook.workers.retention import pass_over

app = App(name="reachbook", help="The address book, consent ledger and channel desk for business messaging.", version=__version__)
account_app = App(name="account", help="Accounts: who the address books belong to.")
token_app = App(name="token", help="API tokens: who may call, for which account, how long.")
imports_app = App(name="imports", help="Imports that were made: what became of them, and back.")
app.command(imports_app)
app.command(account_app)
app.command(token_app)
app.command(cli_operator.numbers_app)
for name, command in cli_operator.COMMANDS.items():
    app.command(command, name=name)


def main() -> NoReturn:
    """Run a command; every expected failure is a message, not a trace."""
    try:
        app(exit_on_error=False, print_error=True)
    except cyclopts.CycloptsError:
        sys.exit(WRONG_USAGE)
    except InvalidError as error:
        sys.stderr.write("".join(f"reachbook: {'.'.join(map(str, fault.path))} {fault.message}\n" for fault in error.faults))
        sys.exit(WRONG_USAGE)
    except (SettingsError, DatabaseError, UnavailableError, ReachbookError) as error:
        sys.stderr.write(f"reachbook: {error}\n")
        sys.exit(FAILED)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(0)


@app.command
def serve(*, host: str | None = None, port: int | None = None, data: Data = None) -> None:
    """Start the server. On the very first start an account and a token are made and shown once."""
    settings = load(data, host, port)
    serving.check_port(settings.host, settings.port)
    with located(settings) as location:
        _serve(settings, location, _first_account)


@app.command(name="demo")
def start_demo(*, host: str | None = None, port: int | None = None, data: Data = None) -> None:
    """Start the server with an account full of sample data."""
    settings = load(data, host, port)
    serving.check_port(settings.host, settings.port)

    async def sample(db: Database) -> dict[str, str]:
        return await _sample_account(db, serving.demo_file(settings))

    with located(settings) as location:
        _serve(settings, location, sample)


def _serve(settings: Settings, location: Location, prepare: Callable[[Database], Awaitable[dict[str, str] | None]]) -> None:
    made = run(location, settings, prepare)
    base = serving.base_url(settings)
    if made is not None:
        print(f"Account id   {made['account']}")
        print(f"Token        {made['token']}")
        print(f"Try          {serving.curl_line(base, made['account'], made['token'])}")
        if "operator" in made:
            print(f"Operator     {made['operator']}  (a token for {base}/operator/v1)")
    print(f"References   {base}/")
    print(f"Reachbook {__version__} listens on {base}; Ctrl-C stops it.", flush=True)
    # The processes that follow read the same environment: one way to say where the database is.
    os.environ["REACHBOOK_DATABASE_URL"] = location.app_url
    if location.app_role is None:
        os.environ["REACHBOOK_DATABASE_OWNER_URL"] = location.owner_url
    serving.run(settings)


async def _first_account(db: Database) -> dict[str, str] | None:
    if await accounts.list_all(db):
        return None
    account = await accounts.create(db, ids.new_id(), "Default", None, ids.now())
    token = await tokens.create(db, account.id, ids.new_id(), name="first", scopes=tokens.ACCOUNT_SCOPES, now=ids.now())
    print("This is the first start: an account and a token were made. The token is shown only here.")
    return {"account": str(account.id), "token": token}


async def _sample_account(db: Database, kept: Path) -> dict[str, str]:
    """What is kept from the last time, as far as it is good; the rest is made."""
    made: dict[str, str] = msgspec.json.decode(kept.read_bytes(), type=dict[str, str]) if kept.exists() else {}
    before = dict(made)
    await demo.stock(db, ids.now())
    if not await _is_good(db, made.get("token")):
        account = await demo.create(db, ids.now())
        token = await tokens.create(db, account.id, ids.new_id(), name="sample", scopes=tokens.ACCOUNT_SCOPES, now=ids.now())
        made |= {"account": str(account.id), "token": token}
    if not await _is_good(db, made.get("operator")):
        made["operator"] = await tokens.create(db, None, ids.new_id(), name="sample", scopes=["operator"], now=ids.now())
    if made != before:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.touch(mode=0o600)
        kept.write_bytes(msgspec.json.encode(made))
    return made


async def _is_good(db: Database, token: str | None) -> bool:
    with contextlib.suppress(ReachbookError):
        return token is not None and bool(await tokens.authenticate(tokens.Finder(db), token, ids.now()))
    return False


@app.command
def worker(*, data: Data = None) -> None:
    """Run the background workers apart from the server (with REACHBOOK_WORKERS=false there)."""
    # Here, because no other command needs HTTP and mail clients and all would wait for them.
    from reachbook import working

    settings = load(data)
    log.configure(settings.log_level, settings.log_format)
    parent = os.getppid()

    async def work(db: Database) -> None:
        stopping = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
        watching = asyncio.create_task(_stop_with_parent(parent, stopping))
        await working.run(db, settings, stopping)
        watching.cancel()

    with located(settings) as location:
        run(location, settings, work, most=settings.database_connections)


async def _stop_with_parent(parent: int, stopping: asyncio.Event) -> None:
    while os.getppid() == parent:
        await asyncio.sleep(0.5)
    stopping.set()


@app.command
def migrate(*, data: Data = None) -> None:
    """Bring the database's schema up to date. `serve` does this by itself."""
    settings = load(data)
    with located(settings) as location:
        asyncio.run(bring_up_to_date(location.owner_url))
    print("The schema is up to date.")


@app.command
def settings(*, as_json: AsJson = False) -> None:
    """List every setting with its default."""
    rows = settings_table.table()
    if as_json:
        answer([{"name": name, "default": default, "help": text} for name, default, text in rows])
        return
    if not sys.stdout.isatty():
        print("\n".join("\t".join(row) for row in rows))
        return
    table = Table("Variable", "Default", "What it is for")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


@app.command(name="import")
def import_file(
    file: Annotated[Path, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    account: UUID,
    group: str,
    match: str | None = None,
    match_in: Literal["account", "group"] = "account",
    on_match: Literal["update", "fill", "skip"] = "update",
    map: Annotated[list[str] | None, Parameter(negative="")] = None,  # noqa: A002 - the option's name
    new_fields: Annotated[bool, Parameter(negative="")] = False,
    region: str | None = None,
    sheet: str | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    header: bool | None = None,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    refused_file: Path | None = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Bring a contact file into a group: CSV, Excel, ODS, vCard, JSON Lines, packed or not. `-` is standard input.

    Every row is created, updated, unchanged, a duplicate within the file or refused. Opted-out addresses stay opted out.

    Parameters
    ----------
    group:
        Id or name; a name that is not there yet is made.
    match:
        What a contact is known by: phone, email or a field. Without it the phone, or the e-mail when the file has no phones.
    match_in:
        Look for it in the whole account, or in the group only.
    on_match:
        A contact that is there is updated, only its blanks are filled, or it is left alone.
    map:
        COLUMN=FIELD where the file's header is not understood; COLUMN= leaves a column out.
    new_fields:
        Columns that are no field yet become fields.
    region:
        How national phone numbers are read (NL, FR, …); the account's region unless given.
    header:
        Whether the first row is a header; it is told from its contents unless given.
    dry_run:
        Only say what would happen.
    refused_file:
        Where refused rows go; FILE.refused.csv beside the file unless given.
    """
    id, name = importing.group(group)
    options = Options(
        id, name, match, match_in, on_match, region, importing.mapping(map or ()), new_fields, encoding, delimiter, sheet, header
    )
    if file != importing.STANDARD_INPUT and not file.is_file():
        raise invalid("FILE", f"{file} is no file")
    asked = importing.Asked(file, AccountId(account), options, refused_file)
    if dry_run:
        seen = call(data, lambda db: importing.preview(db, asked))
        _refuse_failed(seen)
        if as_json:
            answer(importing.previewed(seen))
        else:
            importing.print_preview(seen, print)
        sys.exit(REFUSED_ROWS if seen.preview["refused"] else 0)
    done, refused = call(data, lambda db: importing.run(db, asked))
    _refuse_failed(done)
    if as_json:
        answer(importing.report(done, refused))
    else:
        importing.print_report(done, refused, print)
    sys.exit(REFUSED_ROWS if done.refused else 0)


def _refuse_failed(done: Import) -> None:
    """An import that did not come to its end is a failure; what it stored can be undone."""
    if done.error is not None or done.state not in ("done", "ready", "undone"):
        rest = f" {done.done_rows:,} rows were done before; take them back with: reachbook imports undo {done.id}" if done.done_rows else ""
        raise ConflictError(f"{done.error or f'The import was {done.state}.'}{rest}")


@imports_app.command(name="undo")
def undo_import(id: UUID, /, *, data: Data = None, as_json: AsJson = False) -> None:
    """Take an import back: what it made goes, what it changed returns; contacts that were edited since stay and are counted."""
    done = call(data, lambda db: importing.undo(db, id))
    _refuse_failed(done)
    if as_json:
        answer({"import": done.id, "removed": done.removed, "restored": done.restored, "kept": done.kept})
        return
    print(f"{done.removed:,} contacts removed, {done.restored:,} restored, {done.kept:,} kept because they were edited since.")


@imports_app.command(name="list")
def list_imports(*, account: UUID, data: Data = None, as_json: AsJson = False) -> None:
    """List an account's imports, the newest first."""

    async def read(db: Database) -> Sequence[Import]:
        await accounts.get(db, AccountId(account))
        return (await imports.list_imports(db, AccountId(account), Page(0, 100))).rows

    found = call(data, read)
    if as_json:
        answer([{"import": one.id, "state": one.state, "file": one.filename, **import_reports.counts(one)} for one in found])
        return
    for one in found:
        print(f"{one.id}  {one.created_at:%Y-%m-%d %H:%M}  {one.state:<10}  {one.done_rows:>9,}  {one.filename}")


@app.command
def export(
    *,
    account: UUID,
    group: str | None = None,
    search: str | None = None,
    segment: UUID | None = None,
    format: Literal["csv", "xlsx", "vcf", "jsonl"] | None = None,
    output: Annotated[Path, Parameter(allow_leading_hyphen=True)] = importing.STANDARD_INPUT,
    data: Data = None,
) -> None:
    """Write the contacts of a group, of a search, of a segment or of the whole account to a file. `-` is standard output.

    Parameters
    ----------
    group:
        Id or name.
    search:
        Words as in the search.
    segment:
        Id.
    format:
        csv, xlsx, vcf or jsonl; told from the name of the output unless given.
    """
    if sum(one is not None for one in (group, search, segment)) > 1:
        raise invalid("group", "and --search and --segment can't be given together")
    told = next((form for form in exports.Format if output.suffix.lower() == f".{form}"), exports.Format.CSV)
    form = exports.Format(format) if format else told

    async def write_file(db: Database) -> None:
        await accounts.get(db, AccountId(account))
        id = None if group is None else await importing.group_id(db, AccountId(account), group)
        selection = exports.Selection(id, search, segment)
        await exports.refuse_unknown(db, AccountId(account), selection)
        with _output(output) as file:
            await exports.export(db, AccountId(account), selection, form, into(file))

    call(data, write_file)


@contextlib.contextmanager
def _output(path: Path) -> Generator[IO[bytes]]:
    """The file appears when it is whole: a broken export leaves what was there."""
    if path == importing.STANDARD_INPUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    partial = path.with_name(f".{path.name}.part")
    try:
        with partial.open("wb") as file:
            yield file
        partial.replace(path)
    except OSError as error:
        raise ConflictError(f"Can't write {path}: {error.strerror or error}.") from error
    finally:
        partial.unlink(missing_ok=True)


@app.command(name="retention")
def pass_over_lists(
    *, account: UUID | None = None, dry_run: Annotated[bool, Parameter(negative="")] = False, data: Data = None, as_json: AsJson = False
) -> None:
    """Take contacts out of the lists that delete unused ones, now. The worker does it once a day.

    A contact goes when it was not used for more than two weeks or has no address. With --dry-run nothing is changed.
    """

    async def work(db: Database) -> list[Gone]:
        chosen = [AccountId(account)] if account else await retention.all_accounts(db)
        found: list[Gone] = []
        for one in chosen:
            await accounts.get(db, one)
            async for share in retention.look(db, one, ids.now()) if dry_run else pass_over(db, one):
                found += share
        return found

    gone = call(data, work)
    if as_json:
        answer([one._asdict() for one in gone])
        return
    for one in gone:
        outcome = "deleted" if one.is_deleted else "leaves the list"
        print(f"{one.account}  {one.group}  {one.contact}  {one.reason:<10}  last used {one.used_at:%Y-%m-%d %H:%M}  {outcome}")
    print(f"{len(gone):,} contacts {'would go. Nothing was changed.' if dry_run else 'are gone.'}")


@account_app.command(name="create")
def create_account(name: str, /, *, id: UUID | None = None, region: str | None = None, data: Data = None, as_json: AsJson = False) -> None:
    """Make an account. Its region (NL, FR, …) is how national phone numbers are read."""
    account = call(data, lambda db: accounts.create(db, id or ids.new_id(), name, region, ids.now()))
    if as_json:
        answer({"id": account.id, "name": account.name})
        return
    print(f"Account {account.name}: {account.id}")


@account_app.command(name="list")
def list_accounts(*, data: Data = None, as_json: AsJson = False) -> None:
    """List all accounts."""
    found = call(data, accounts.list_all)
    if as_json:
        answer([{"id": account.id, "name": account.name, "region": account.region} for account in found])
        return
    for account in found:
        print(f"{account.id}  {account.region or '--'}  {account.name}")


@token_app.command(name="create")
def create_token(
    *,
    account: UUID | None = None,
    name: str = "",
    scope: Annotated[list[str] | None, Parameter(negative="")] = None,
    value: str | None = None,
    expires: datetime | None = None,
    country: str | None = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Make a token and show it, once. An account's token has the scopes read and write unless --scope says less.

    Operator and gateway tokens belong to no account: --scope operator or --scope gateway without --account. A token brought along from
    the vendor is registered with --value. --expires takes an instant, 2027-01-31T12:00:00 (UTC). --country is where a gateway's short
    codes are dialled (NL, FR, …).
    """
    id = ids.new_id()
    scopes = scope or (list(tokens.ACCOUNT_SCOPES) if account else [])
    owner = AccountId(account) if account else None
    until = expires and (expires if expires.tzinfo else expires.replace(tzinfo=ids.UTC))

    async def make(db: Database) -> str:
        return await tokens.create(db, owner, id, name=name, scopes=scopes, now=ids.now(), expires_at=until, value=value, country=country)

    token = call(data, make)
    if as_json:
        answer({"id": id, "token": token})
        return
    print(f"Token id {id}\nToken    {token}\nIt is shown only here.")


@token_app.command(name="list")
def list_tokens(*, account: UUID | None = None, data: Data = None, as_json: AsJson = False) -> None:
    """List the tokens of an account, or without one those of the installation. Their values are not kept."""
    found = call(data, lambda db: tokens.list_of(db, AccountId(account) if account else None))
    if as_json:
        answer([{"id": t.id, "name": t.name, "scopes": sorted(t.scopes), "expires": t.expires_at, "revoked": t.revoked_at} for t in found])
        return
    for token in found:
        state = f"revoked {token.revoked_at}" if token.revoked_at else f"expires {token.expires_at}" if token.expires_at else "active"
        print(f"{token.id}  {','.join(sorted(token.scopes))}  {state}  {token.name}")


@token_app.command(name="revoke")
def revoke_token(id: UUID, /, *, data: Data = None) -> None:
    """Refuse a token from the next request on."""
    call(data, lambda db: tokens.revoke(db, id, ids.now()))
    print(f"Token {id} is revoked.")
