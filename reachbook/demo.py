"""Sample data: people of a dozen countries, with the numbers and letters that such files have; numbers in stock."""

import random
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

import phonenumbers

from reachbook.core import accounts, catalogues, channel_requests, consent, contacts, groups, ids, numbers
from reachbook.core.catalogues import NumberTypeDraft
from reachbook.core.consent import Change, Source, TokenType
from reachbook.core.drafts import Draft, FieldValue
from reachbook.core.fields import COMPANY
from reachbook.core.ids import AccountId
from reachbook.core.paging import Page
from reachbook.core.text import fold
from reachbook.database.queries import Database


class Country(NamedTuple):
    """Names as they are written there."""

    region: str
    first: Sequence[str]
    insertions: Sequence[str]
    last: Sequence[str]


COUNTRIES = [
    Country(
        "NL",
        ["Sanne", "Daan", "Eefje", "Jeroen", "Anouk", "Zoë"],
        ["van", "de", "van der", ""],
        ["Jansen", "Berg", "Vries", "Dijk", "IJzerman"],
    ),
    Country("BE", ["Maarten", "Élise", "Thijs", "Noémie"], ["Van", "De", ""], ["Peeters", "Maes", "Dupont", "Lefèvre"]),
    Country("DE", ["Jürgen", "Käthe", "Lukas", "Sophie"], ["von", ""], ["Müller", "Großmann", "Schäfer", "Weiß"]),
    Country("FR", ["François", "Chloé", "Benoît", "Maëlle"], ["de", ""], ["Lefèvre", "Gonçalves", "Château", "Noël"]),
    Country("ES", ["José", "Begoña", "Íñigo", "Lucía"], ["de", ""], ["Muñoz", "Ibáñez", "García", "Peña"]),
    Country("PL", ["Łukasz", "Małgorzata", "Zbigniew", "Żaneta"], [""], ["Kowalczyk", "Wiśniewski", "Łuczak", "Żak"]),
    Country("CZ", ["Jiří", "Kateřina", "Zdeněk", "Šárka"], [""], ["Dvořák", "Novotná", "Černý", "Růžička"]),
    Country("GR", ["Γιώργος", "Ελένη", "Νίκος", "Μαρία"], [""], ["Παπαδόπουλος", "Νικολάου", "Οικονόμου"]),
    Country("UA", ["Олександр", "Юлія", "Їван", "Наталія"], [""], ["Шевченко", "Коваль", "Бондаренко"]),
    Country("TR", ["Çağlar", "İpek", "Şükrü", "Gülşen"], [""], ["Yılmaz", "Öztürk", "Çelik"]),
    Country("GB", ["Oliver", "Siobhán", "Emily", "Rhys"], ["", "Mc"], ["Smith", "O'Neill", "Evans"]),
    Country("US", ["Emma", "José", "Noah", "Aaliyah"], [""], ["Johnson", "Nguyen", "Martínez", "Smith-Jones"]),
    Country("JP", ["翔太", "陽菜", "健一"], [""], ["佐藤", "鈴木", "高橋"]),
]
COMPANIES = ["Test Company", "Bäckerei Müller GmbH", "Café Noël", "Smith & Sons", 'The "Quoted" Ltd', "株式会社サンプル", ""]


def people(count: int, seed: int = 1) -> Iterator[Draft]:
    """So many people; some share an address or a number, some lack one."""
    chance = random.Random(seed)
    shared = ("+31201234567", "info@example.com")
    for number in range(count):
        country = chance.choice(COUNTRIES)
        first, last = chance.choice(country.first), chance.choice(country.last)
        at_home = chance.random() < 0.02  # a family's or an office's address
        mailbox = shared[1] if at_home else f"{_latin(first)}.{_latin(last)}{number}@example.{chance.choice(['com', 'org', 'net'])}"
        company = chance.choice(COMPANIES)
        yield Draft(
            first,
            chance.choice(country.insertions) or None,
            last,
            mailbox if chance.random() < 0.95 else None,
            shared[0] if at_home else _mobile(country.region, number, chance) if chance.random() < 0.95 else None,
            values=[FieldValue(COMPANY, company)] if company else [],
        )


def _latin(name: str) -> str:
    letters = "".join(letter for letter in fold(name) if letter.isascii() and letter.isalnum())
    return letters or "user"


def _mobile(region: str, number: int, chance: random.Random) -> str:
    """A number of the region's own plan: its example with other last digits, as people there write it."""
    example = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    assert example is not None  # noqa: S101 - every region of the table has mobile numbers
    kept = int(example.national_number or 0) // 10**5 * 10**5
    made = phonenumbers.PhoneNumber(country_code=example.country_code, national_number=kept + number % 10**5)
    form = chance.choice([phonenumbers.PhoneNumberFormat.E164, phonenumbers.PhoneNumberFormat.INTERNATIONAL])
    return phonenumbers.format_number(made, form)


SAMPLE = [
    (groups.Draft(name="Newsletter", is_marketing=True), 200),
    (groups.Draft(name="Customers", is_favorite=True), 80),
    (groups.Draft(name="Employees", bypass_opt_out=True), 20),
]


async def fill(db: Database, account: AccountId, now: datetime) -> None:
    """The sample account's groups, contacts and a few opt-outs."""
    actor = ids.new_id()
    for seed, (draft, count) in enumerate(SAMPLE):
        group = await groups.create(db, account, ids.new_id(), draft, now)
        rows = list(people(count, seed))
        await contacts.upload(db, account, group.id, rows, now=now)
        numbers = [row.phone for row in rows[::20] if row.phone]
        changes = [Change(TokenType.SMS, number, True, message="sample data") for number in numbers]
        await consent.record(db, account, changes, source=Source.API, actor=actor, now=now)


async def create(db: Database, now: datetime) -> accounts.Account:
    """A new account with the sample data, whose WhatsApp request waits in the operator's queue."""
    account = await accounts.create(db, ids.new_id(), "Sample", "NL", now)
    await fill(db, account.id, now)
    whatsapp = await catalogues.channel_type_by_key(db, catalogues.WHATSAPP)
    await channel_requests.create(db, account.id, ids.new_id(), whatsapp.id, now)
    return account


NUMBER_TYPES = [
    NumberTypeDraft(
        purpose=["SMS"],
        country="NL",
        category="MOBILE",
        description="A Dutch mobile number",
        startup_cost=Decimal(10),
        monthly_cost=Decimal("7.5"),
        notice_days=30,
        keyword_monthly_cost=Decimal("2.5"),
    ),
    NumberTypeDraft(
        purpose=["SMS"],
        country="NL",
        category="SHORTCODE",
        description="A Dutch short code",
        startup_cost=Decimal(250),
        monthly_cost=Decimal(195),
        notice_days=90,
        keyword_startup_cost=Decimal(5),
        keyword_monthly_cost=Decimal("12.5"),
        processing_days=10,
    ),
    NumberTypeDraft(
        purpose=["SMS", "VOICE"], country="BE", category="MOBILE", description="A Belgian mobile number", monthly_cost=Decimal(6)
    ),
]
NUMBERS = [
    [("+31 97 0105 0101", True, False), ("+31 97 0105 0102", False, False), ("+31 97 0105 0103", False, False)],
    [("3669", True, True), ("4411", False, True)],
    [("+32 460 20 00 01", True, False), ("+32 460 20 00 02", False, False)],
]
"""Of each type: number, whether it is shared, whether it is a short code."""


async def stock(db: Database, now: datetime) -> None:
    """Number types and numbers, unless the installation has some."""
    if (await catalogues.number_types(db, Page(0, 0))).total:
        return
    for draft, rows in zip(NUMBER_TYPES, NUMBERS, strict=True):
        type = await catalogues.save_number_type(db, None, draft)
        drafts = [numbers.Draft(number, type.id, is_shared, is_shortcode) for number, is_shared, is_shortcode in rows]
        await numbers.stock(db, drafts, now)
