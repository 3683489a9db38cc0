"""Properties of a contact that are kept as fields: postal address, date of birth, reference and so on (document 002's contact,
and what else document 001 has).

An account gets the field when somebody first writes the property; then it is a field like any other on every wire. A field of the
label's name is the property's, too; from the first write on it stays so whatever it is called.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from reachbook.core import fields
from reachbook.core.fields import COMPANY
from reachbook.core.ids import AccountId
from reachbook.core.kinds import ANY, Kind, Rule
from reachbook.database.queries import Queries, Transaction

LABELS = {
    "civility": "Civility",
    "address1": "Address 1",
    "address2": "Address 2",
    "zipcode": "Postal code",
    "city": "City",
    "state": "State",
    "country": "Country",
    "latitude": "Latitude",
    "longitude": "Longitude",
    "birth_date": "Date of birth",
    "reference": "Reference",
    "facebook_id": "Facebook ID",
    "twitter_id": "Twitter ID",
    "locale": "Locale",
    "gender": "Gender",
    "timezone": "Timezone",
    **{f"field{number}": f"CustomField{number}" for number in range(11, 16)},
}
"""The properties and what their fields are called."""

GENDERS = ("gender.male", "gender.female")
RULES = {"birth_date": Rule(Kind.DATE), "gender": Rule(Kind.TEXT, GENDERS)}
"""What the values of new fields must be, where that is not any text."""

PREDEFINED = {"company": COMPANY, **{f"field{number:02}": COMPANY + number for number in range(1, 11)}}
"""Those whose fields every account has."""

KEYS = {fields.key(label): name for name, label in LABELS.items()}
KNOWN = "SELECT id, property, name_key FROM field WHERE account_id = $1 AND (property IS NOT NULL OR name_key = ANY($2::text[]))"


async def fields_of(db: Queries, account: AccountId) -> dict[str, int]:
    """The field of each property that has one."""
    rows = await db.fetch(KNOWN, account, list(KEYS))
    called = {KEYS[row["name_key"]]: row["id"] for row in rows if row["property"] is None}
    return called | PREDEFINED | {row["property"]: row["id"] for row in rows if row["property"] is not None}


LINK = """
UPDATE field SET property = $3 WHERE account_id = $1 AND name_key = $2 AND property IS NULL AND NOT is_predefined RETURNING id
"""


LINKED = "SELECT id, property FROM field WHERE account_id = $1 AND property IS NOT NULL ORDER BY id FOR KEY SHARE"


async def make(tx: Transaction, account: AccountId, names: Iterable[str], now: datetime, called: Mapping[str, str] = {}) -> dict[str, int]:
    """The field of each property; those of `names` that have none get one, by its label unless it is `called` something else.

    None is deleted until the transaction ends: before groups and contacts are locked.
    """
    found = await _held(tx, account)
    missing = [name for name in names if name not in found]
    if not missing:
        return found
    await fields.hold_names(tx, account)
    found = await _held(tx, account)
    for name in missing:
        if name not in found:
            label = called.get(name, LABELS[name])
            linked = await tx.fetchval(LINK, account, fields.key(label), name)
            found[name] = linked or await _add(tx, account, name, label, now)
    return found


async def _held(tx: Transaction, account: AccountId) -> dict[str, int]:
    return PREDEFINED | {row["property"]: row["id"] for row in await tx.fetch(LINKED, account)}


async def _add(tx: Transaction, account: AccountId, name: str, label: str, now: datetime) -> int:
    """A new field; under a longer name if its own is taken by the field of another property."""
    taken = {field.name.casefold() for field in await fields.list_all(tx, account)}
    while label.casefold() in taken:
        label += f" ({name})"
    return (await fields.add(tx, account, label, now, property=name, rule=RULES.get(name, ANY))).id
