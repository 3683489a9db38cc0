"""Search: groups by name, contacts by name, e-mail, phone and company; every word must occur.

A word of a contact may also be answered by the name of a group it is in, as long as another one is answered by the contact itself.
"""

from typing import NamedTuple
from uuid import UUID

from reachbook.core import accounts, groups
from reachbook.core.consent import like
from reachbook.core.contacts import COLUMNS, FIRST_GROUP, Contact, read
from reachbook.core.groups import Group
from reachbook.core.ids import AccountId
from reachbook.core.limits import SEARCH_CANDIDATES
from reachbook.core.paging import Listed, Page
from reachbook.core.terms import Term, terms
from reachbook.core.text import fold
from reachbook.database.queries import Database
from reachbook.database.values import Values


class FoundContact(NamedTuple):
    """A contact with what the result shows of its group."""

    contact: Contact
    group_name: str | None
    is_group_marketing: bool


Found = Group | FoundContact


NAME_LINE = "split_part(x.text, E'\\n', 1)"


async def search_groups(db: Database, account: AccountId, query: str, page: Page) -> Listed[Found]:
    """Visible groups whose name has every word: those whose name starts with the query first, then by name."""
    query = query.replace("\0", " ")
    conditions = terms(query, None)
    if not conditions:
        return Listed([], 0)
    values = Values(account)
    where = f"g.account_id = $1 AND NOT g.is_hidden AND {_all_occur('g.name_key', conditions, values)}"
    total = await db.fetchval(f"SELECT count(*) FROM contact_group g WHERE {where}", *values.bound)
    starts = values.add(like(fold(query.strip()), anywhere=False))
    sql = f"""
    SELECT {groups.COLUMNS} FROM {groups.WITH_COUNTS} WHERE {where}
    ORDER BY g.name_key NOT LIKE {starts}, g.name_key, g.id OFFSET {values.add(page.skip)} LIMIT {values.add(page.take)}
    """
    return Listed([Group(**row) for row in await db.fetch(sql, *values.bound)], total)


async def search_contacts(
    db: Database, account: AccountId, query: str, page: Page, *, group: UUID | None = None, exclude_marketing: bool = False
) -> Listed[Found]:
    """Contacts by relevance: the name is the query, starts with it, has it at the start of a word, has every word; then by name.

    Without `group` those that are only in hidden groups are left out. Raises NotFoundError for an unknown group.
    """
    if group is not None:
        await groups.get(db, account, group)
    query = query.replace("\0", " ")
    conditions = terms(query, await accounts.region(db, account))
    if not conditions:
        return Listed([], 0)
    values = Values(account)
    where = await _contact_condition(db, account, conditions, values)
    where += _scope(group, exclude_marketing=exclude_marketing, values=values)
    sought = list(values.bound)
    phrase = " ".join(fold(query).split())
    candidates = f"""
    SELECT s.contact_id, s.text FROM contact_search s WHERE s.account_id = $1 AND {where} LIMIT {SEARCH_CANDIDATES}
    """
    ranked = f"""
    SELECT x.contact_id, row_number() OVER (ORDER BY CASE
            WHEN x.text LIKE {values.add(like(phrase, anywhere=False)[:-1] + chr(10) + "%")} THEN 0
            WHEN x.text LIKE {values.add(like(phrase, anywhere=False))} THEN 1
            WHEN x.text LIKE {values.add("% " + like(phrase, anywhere=False))} THEN 2
            WHEN {_all_occur(NAME_LINE, conditions, values)} THEN 3
            ELSE 4 END, {NAME_LINE}, x.contact_id) AS place, count(*) OVER () AS total
    FROM candidates x ORDER BY place OFFSET {values.add(page.skip)} LIMIT {values.add(page.take)}
    """
    sql = f"""
    WITH candidates AS ({candidates}), ranked AS ({ranked})
    SELECT {COLUMNS}, g.id AS group_id, g.name AS group_name, coalesce(g.is_marketing, false) AS is_group_marketing, r.total
    FROM ranked r JOIN contact c ON c.account_id = $1 AND c.id = r.contact_id
    LEFT JOIN contact_group g ON g.account_id = $1 AND g.id = {values.add(group) + "::uuid" if group else FIRST_GROUP}
    ORDER BY r.place
    """
    rows = await db.fetch(sql, *values.bound)
    total = rows[0]["total"] if rows else await db.fetchval(f"SELECT count(*) FROM ({candidates}) x", *sought)
    return Listed([_found(dict(row)) for row in rows], total)


async def matching(db: Database, account: AccountId, query: str, values: Values) -> str:
    """The SQL condition on `contact_search s` under which a contact is found, none for a blank query; not those only in hidden groups."""
    conditions = terms(query.replace("\0", " "), await accounts.region(db, account))
    if not conditions:
        return "false"
    return await _contact_condition(db, account, conditions, values) + IN_VISIBLE


async def search(db: Database, account: AccountId, query: str, page: Page, *, exclude_marketing: bool = False) -> Listed[Found]:
    """Groups first, then contacts, as one list."""
    found = await search_groups(db, account, query, page)
    rest = Page(max(0, page.skip - found.total), page.take - len(found.rows))
    contacts = await search_contacts(db, account, query, rest, exclude_marketing=exclude_marketing)
    return Listed([*found.rows, *contacts.rows], found.total + contacts.total)


def _found(row: dict[str, object]) -> FoundContact:
    row.pop("total")
    name, marketing = row.pop("group_name"), row.pop("is_group_marketing")
    return FoundContact(read(row), str(name) if name is not None else None, bool(marketing))


def _occurs(column: str, term: Term, values: Values) -> str:
    ways = [" AND ".join(f"{column} LIKE {values.add(like(text))}" for text in way) for way in term.ways]
    return "(" + " OR ".join(ways) + ")"


def _all_occur(column: str, conditions: list[Term], values: Values) -> str:
    return " AND ".join(_occurs(column, term, values) for term in conditions)


IN_GROUPS = (
    "EXISTS (SELECT 1 FROM membership w WHERE w.account_id = s.account_id AND w.contact_id = s.contact_id AND w.group_id = ANY({}::uuid[]))"
)


async def _contact_condition(db: Database, account: AccountId, conditions: list[Term], values: Values) -> str:
    """Each word occurs in the contact's text or in the name of one of its groups, and at least one in its text.

    Most words are in no group's name: then this is only the indexed condition on the text.
    """
    own = [_occurs("s.text", term, values) for term in conditions]
    if len(conditions) == 1:
        return own[0]
    asked = Values(account)
    answers = ", ".join(f"array_agg(g.id) FILTER (WHERE {_occurs('g.name_key', term, asked)})" for term in conditions)
    named = await db.fetchrow(f"SELECT {answers} FROM contact_group g WHERE g.account_id = $1 AND NOT g.is_hidden", *asked.bound)
    by_group = list(named.values()) if named else []
    if not any(by_group):
        return " AND ".join(own)
    parts = [
        f"({occurs} OR {IN_GROUPS.format(values.add(found))})" if found else occurs for occurs, found in zip(own, by_group, strict=True)
    ]
    return " AND ".join([*parts, "(" + " OR ".join(own) + ")"])


IN_VISIBLE = """
 AND (EXISTS (SELECT 1 FROM membership v JOIN contact_group g ON g.account_id = v.account_id AND g.id = v.group_id
        WHERE v.account_id = s.account_id AND v.contact_id = s.contact_id AND NOT g.is_hidden)
    OR NOT EXISTS (SELECT 1 FROM membership v WHERE v.account_id = s.account_id AND v.contact_id = s.contact_id))
"""
NOT_IN_MARKETING = """
 AND NOT EXISTS (SELECT 1 FROM membership v JOIN contact_group g ON g.account_id = v.account_id AND g.id = v.group_id
    WHERE v.account_id = s.account_id AND v.contact_id = s.contact_id AND g.is_marketing)
"""


def _scope(group: UUID | None, *, exclude_marketing: bool, values: Values) -> str:
    scope = NOT_IN_MARKETING if exclude_marketing else ""
    if group is None:
        return scope + IN_VISIBLE
    return scope + (
        " AND EXISTS (SELECT 1 FROM membership v WHERE v.account_id = s.account_id AND v.contact_id = s.contact_id"
        f" AND v.group_id = {values.add(group)})"
    )
