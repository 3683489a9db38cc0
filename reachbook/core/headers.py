"""Which column of a file goes where: by name, label or alias, in six languages. Pure.

Case, accents, spaces, `_`, `-` and other punctuation don't count. A target is a property of contacts (`first_name`, `zipcode`), or the id
of a field as text (`17`); a property that has a field is called by that field's id.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from reachbook.core import properties
from reachbook.core.fields import COMPANY, PREDEFINED, Field
from reachbook.core.text import fold

IGNORED = ""
"""The target of a column that was left out by hand."""

PHONE, EMAIL, ID, NAME, LAST_NAME, FIRST_NAME, COUNTRY = "phone", "email", "id", "name", "last_name", "first_name", "phone_country"
LANDLINE, FAX = "landline", "fax"
SEVERAL = (PHONE, EMAIL)
"""Targets that several columns may have: the first that has something usable counts, mobile numbers before others."""

LABELS = {
    ID: "id",
    FIRST_NAME: "First name",
    "insertion": "Insertion",
    LAST_NAME: "Last name",
    NAME: "Name",
    EMAIL: "Email",
    PHONE: "Phone",
    COUNTRY: "Phone country",
    LANDLINE: "Fixed telephone",
    FAX: "Fax",
}
"""What an export calls the properties; an import finds them by it."""

# English, Dutch, French, German, Spanish, Italian; what CRMs, shops, mail programs and phones write.
WORDS: dict[str, str] = {
    ID: "id | contact id | reachbook id",
    FIRST_NAME: "first name | given name | forename | fname | christian name | voornaam | roepnaam | prénom | vorname | rufname | nombre "
    "| nombre de pila | nome | nome di battesimo",
    "insertion": "insertion | middle name | additional name | infix | tussenvoegsel | tussenvoegsels | voorvoegsel | particule | "
    "namenszusatz | zwischenname | segundo nombre | secondo nome",
    LAST_NAME: "last name | surname | family name | lname | achternaam | familienaam | nom de famille | nachname | familienname | "
    "apellido | apellidos | cognome",
    NAME: "name | full name | display name | contact | contact name | naam | volledige naam | contactpersoon | nom | nom complet | "
    "nom et prénom | vollständiger name | nombre completo | nombre y apellidos | nome completo | nome e cognome | nominativo",
    EMAIL: "email | e-mail | mail | email address | e-mail address | mail address | mailadres | e-mailadres | emailadres | courriel "
    "| adresse e-mail | adresse email | adresse mail | adresse électronique | mél | e-mail-adresse | mailadresse | correo | "
    "correo electrónico | dirección de correo | dirección de correo electrónico | posta elettronica | indirizzo email | "
    "indirizzo e-mail | indirizzo mail",
    PHONE: "mobile | mobile phone | mobile number | mobile phone number | cell | cell phone | cellphone | cellular | sms | sms "
    "number | whatsapp | whatsapp number | msisdn | gsm | gsm nummer | mobiel | mobiele telefoon | mobiel nummer | mobiele "
    "nummer | 06 nummer | portable | téléphone portable | téléphone mobile | tél portable | tél mobile | numéro de portable | "
    "handy | handynummer | mobil | mobiltelefon | mobilnummer | mobilfunk | móvil | teléfono móvil | celular | teléfono "
    "celular | cellulare | telefono cellulare | numero cellulare | phone | phone number | telephone | telephone number | tel "
    "| tel no | tel nr | telefoon | telefoonnummer | téléphone | tél | numéro | numéro de téléphone | telefon | telefonnummer "
    "| rufnummer | teléfono | número de teléfono | número | telefono | numero di telefono | numero telefonico | phone 1 value "
    "| primary phone | home phone | work phone | business phone | other phone | home telephone | thuis telefoon | telefoon "
    "thuis | telefoon werk | téléphone domicile | téléphone bureau | telefon privat | telefon geschäftlich | "
    "teléfono de casa | teléfono del trabajo | telefono casa | telefono ufficio",
    LANDLINE: "fixed telephone | fixed phone | fixed line | landline | land line | landline number | vaste telefoon | vast nummer | vaste "
    "lijn | téléphone fixe | tél fixe | fixe | numéro fixe | ligne fixe | festnetz | festnetznummer | festnetztelefon | teléfono fijo | "
    "línea fija | número fijo | telefono fisso | numero fisso",
    FAX: "fax | fax number | faxnummer | telefax | télécopie | télécopieur | numéro de fax | fax nummer | número de fax | numero di fax",
    COUNTRY: "phone country | phone region | landcode telefoon",
    str(COMPANY): "company | company name | organisation | organization | employer | account name | bedrijf | bedrijfsnaam | organisatie | "
    "werkgever | société | entreprise | raison sociale | firma | firmenname | unternehmen | empresa | compañía | organización "
    "| azienda | ditta | società | ragione sociale",
    "civility": "civility | salutation | honorific | aanhef | civilité | titre de civilité | anrede | tratamiento | titolo di cortesia",
    "address1": "address 1 | address | street | street address | address line 1 | adres | straat | straat en huisnummer | adresse "
    "| adresse 1 | rue | straße | strasse | anschrift | dirección | dirección 1 | calle | indirizzo | indirizzo 1 | via",
    "address2": "address 2 | address line 2 | adres 2 | adresse 2 | complément d'adresse | adresszusatz | dirección 2 | indirizzo 2",
    "zipcode": "postal code | zip | zip code | zipcode | postcode | post code | code postal | cp | plz | postleitzahl | código postal "
    "| cap",
    "city": "city | town | plaats | woonplaats | stad | ville | commune | ort | stadt | wohnort | ciudad | población | localidad | città | "
    "comune",
    "state": "state | province | county | region | provincie | région | département | bundesland | estado | provincia | regione",
    "country": "country | land | pays | país | paese | nazione",
    "latitude": "latitude | lat | breedtegraad | breitengrad | latitud | latitudine",
    "longitude": "longitude | lon | lng | lengtegraad | längengrad | longitud | longitudine",
    "birth_date": "date of birth | birth date | birthdate | birthday | dob | geboortedatum | verjaardag | date de naissance "
    "| anniversaire | geburtsdatum | geburtstag | fecha de nacimiento | cumpleaños | data di nascita | compleanno",
    "reference": "reference | customer reference | referentie | klantreferentie | référence | référence client | referenz | referencia | "
    "riferimento",
    "facebook_id": "facebook id | facebook",
    "twitter_id": "twitter id | twitter",
    "locale": "locale",
    **{f"field{number}": f"custom field {number} | field {number}" for number in range(11, 16)},
}
MOBILE = (
    "mobile | cell | sms | whatsapp | msisdn | gsm | mobiel | 06nummer | portable | handy | mobil | móvil | celular | cellulare | cellphone"
)


def key(header: str) -> str:
    """A header as it is compared: letters and digits alone, folded."""
    return "".join(letter for letter in fold(unicodedata.normalize("NFC", header)) if letter.isalnum())


KNOWN = {key(word): target for target, words in WORDS.items() for word in words.split("|")}
MOBILE_KEYS = tuple(key(word) for word in MOBILE.split("|"))
HOUSEKEEPING = ("row", "field", "reason")
"""The last columns of a file of refused rows: it can be corrected and brought again as it is."""


class Known(NamedTuple):
    """What an account knows of headers: its fields, and the aliases that it was taught (key → target).

    `names` are what the wire that brought the file calls its targets; they count before the words of all wires.
    """

    fields: Sequence[Field]
    aliases: Mapping[str, str]
    names: Mapping[str, str] = {}

    def settled(self, target: str) -> str:
        """The field of a property that has one; any other target is what it is."""
        return next((str(field.id) for field in self.fields if field.property == target), target)


def field_headers(fields: Sequence[Field]) -> dict[int, str]:
    """What an export calls each field: its name, with its id behind where that would be taken for something else."""
    taken = dict.fromkeys(key(word) for word in (*LABELS.values(), *HOUSEKEEPING))
    headers: dict[int, str] = {}
    for field in fields:
        name = field.name
        sought = key(name)
        found = KNOWN.get(sought) or _numbered(sought)
        is_other = found is not None and found not in (str(field.id), field.property)
        if not sought or sought in taken or is_other or NUMBERED.fullmatch(name):
            name = f"{name} [{field.id}]"
        taken[key(name)] = None
        headers[field.id] = name
    return headers


NUMBERED = re.compile(r"(?s)(.+) \[(\d+)\]")
LOWEST_ID = min(PREDEFINED)


def bare(header: str) -> str | None:
    """The name of the field in a header that an export has put an id behind; None for any other header."""
    exported = _exported(header)
    return exported and exported[0]


def _exported(header: str) -> tuple[str, str] | None:
    """The name and the id in such a header."""
    found = NUMBERED.fullmatch(header.strip())
    return (found[1], found[2]) if found and int(found[2]) >= LOWEST_ID else None


def find(header: str, known: Known) -> str | None:
    """The target of a header, or None: an alias, then a property, then a field by name or `name [id]`."""
    sought = key(header)
    named = _named(header, known)
    if not sought:
        return named
    targets = {str(field.id) for field in known.fields}
    alias = known.aliases.get(sought)
    if alias is not None and (alias in LABELS or alias in targets or alias in properties.LABELS or alias == IGNORED):
        return known.settled(alias)
    if sought in known.names:
        return known.settled(known.names[sought])
    exported = _exported(header)
    if exported is not None:
        name, number = exported
        is_own = any(str(field.id) == number and field.name.casefold() == name.casefold() for field in known.fields)
        return number if is_own else named or _named(name, known)
    found = KNOWN.get(sought) or _numbered(sought)
    if found is not None and (found in LABELS or found in targets):
        return found
    if found in properties.LABELS and known.settled(found) != found:
        return known.settled(found)
    by_name = named or next((str(field.id) for field in known.fields if key(field.name) == sought), None)
    return by_name or (found if found in properties.LABELS else None)


def _named(name: str, known: Known) -> str | None:
    """The field of exactly this name, whatever its case."""
    return next((str(field.id) for field in known.fields if field.name.casefold() == name.strip().casefold()), None)


def _numbered(sought: str) -> str | None:
    """`Phone 2`, `E-mail 3 value`: one of several columns of a kind."""
    bare = sought.removesuffix("value").rstrip("0123456789")
    target = KNOWN.get(bare)
    return target if target in SEVERAL else None


def target_of(name: str, known: Known) -> str | None:
    """The target that a person names: a property, the name, label, alias or id of a field."""
    written = name.strip()
    if written in {str(field.id) for field in known.fields}:
        return written
    spelled = {key(label): target for target, label in LABELS.items()} | {key(target): target for target in LABELS}
    spelled |= {key(name): known.settled(target) for target, label in properties.LABELS.items() for name in (label, target)}
    return spelled.get(key(written)) or find(written, known) or None


def assign(columns: Sequence[str], chosen: Mapping[str, str], known: Known) -> list[str | None]:
    """The target of every column, None for those that go nowhere; `chosen` (column → target) overrides.

    Of several columns for one target the first gets it, unless the target takes several.
    """
    override = {key(column): target for column, target in chosen.items()}
    by_hand = [override.get(key(column)) for column in columns]
    targets: list[str | None] = [None] * len(columns)
    taken: set[str] = {target for target in by_hand if target}
    housekeeping = len(columns) > len(HOUSEKEEPING) and tuple(map(key, columns[-3:])) == HOUSEKEEPING
    for place, column in enumerate(columns):
        if by_hand[place] is not None:
            targets[place] = by_hand[place] or None
            continue
        if housekeeping and place >= len(columns) - len(HOUSEKEEPING):
            continue
        target = find(column, known)
        if target and (target in SEVERAL or target not in taken):
            targets[place] = target
            taken.add(target)
    return _names_settled(targets, columns, by_hand)


def _names_settled(targets: list[str | None], columns: Sequence[str], by_hand: Sequence[str | None]) -> list[str | None]:
    """`Name` beside a first name alone is the last name, as German and French files have it; `Nombre` and `Nome` alone are a whole name."""
    found = [target for place, target in enumerate(targets) if by_hand[place] is None]
    for place, target in enumerate(targets):
        if by_hand[place] is not None:
            continue
        if target == NAME and FIRST_NAME in targets and LAST_NAME not in targets:
            targets[place] = LAST_NAME
        elif target == FIRST_NAME and key(columns[place]) in ("nombre", "nome") and LAST_NAME not in targets and NAME not in found:
            targets[place] = NAME
    return targets


def phone_order(columns: Sequence[str], targets: Sequence[str | None]) -> list[int]:
    """The columns of phone numbers, those that say mobile first."""
    places = [place for place, target in enumerate(targets) if target == PHONE]
    return sorted(places, key=lambda place: not any(word in key(columns[place]) for word in MOBILE_KEYS))


def are_ids(samples: Sequence[str]) -> bool:
    """Whether a column called `id` holds ids of ours, not a customer number of somebody's."""
    given = [sample.strip() for sample in samples if sample.strip()]
    return bool(given) and all(map(_is_id, given))


def _is_id(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False
