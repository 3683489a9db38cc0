"""By what a contact can be reached, as a number: a bit for each kind of address, one for a deactivated group, a code for each opt-out.

The same states are counted ahead (core/statistics_folder.py) and looked for (core/statistics.py).
"""

from enum import StrEnum

from reachbook.core.consent import Reason, TokenType
from reachbook.core.ids import NIL


class Medium(StrEnum):
    """What contacts are reached by (document 002). Voice and voicemail by phone or landline."""

    SMS = "sms"
    EMAIL = "email"
    VOICE = "voice"
    VOICEMAIL = "voicemail"


EMAIL, PHONE, LANDLINE, DEACTIVATED = 1, 2, 4, 8
SHIFTS = {Medium.EMAIL: 4, Medium.SMS: 7, Medium.VOICE: 10, Medium.VOICEMAIL: 13}
CODE = 7
REASONS = [None, *Reason]
ADDRESSES = {
    Medium.EMAIL: EMAIL,
    Medium.SMS: PHONE,
    Medium.VOICE: PHONE | LANDLINE,
    Medium.VOICEMAIL: PHONE | LANDLINE,
}


def opt_out(state: int, medium: Medium) -> Reason | None:
    """What the ledger says of the contact's addresses for the medium."""
    return REASONS[state >> SHIFTS[medium] & CODE]


def reaches(state: int, medium: Medium) -> bool:
    """Whether the medium reaches a contact in this state."""
    return bool(state & ADDRESSES[medium]) and not state & DEACTIVATED and opt_out(state, medium) is None


WATCHED = [TokenType(medium) for medium in Medium]
"""The types of tokens that states know of."""

TYPES = ", ".join(f"'{type}'" for type in WATCHED)


def _code(reason: str) -> str:
    return f"coalesce(array_position(ARRAY[{', '.join(repr(str(reason)) for reason in Reason)}], {reason}), 0)"


def _token(alias: str, type: TokenType, key: str) -> str:
    return f"""LEFT JOIN consent_token {alias} ON {alias}.account_id = c.account_id AND {alias}.type = '{type}'
        AND {alias}.key = c.{key} AND {alias}.is_active"""


# Of two numbers that are opted out the phone's reason is told.
TOKENS = " ".join(
    (
        _token("oe", TokenType.EMAIL, "email_key"),
        _token("os", TokenType.SMS, "phone"),
        _token("ov", TokenType.VOICE, "phone"),
        _token("ol", TokenType.VOICE, "landline"),
        _token("om", TokenType.VOICEMAIL, "phone"),
        _token("on_", TokenType.VOICEMAIL, "landline"),
    )
)
"""SQL: the opt-outs of a contact `c`, by alias."""

OPT_OUTS = {
    Medium.SMS: "os.reason",
    Medium.EMAIL: "oe.reason",
    Medium.VOICE: "coalesce(ov.reason, ol.reason)",
    Medium.VOICEMAIL: "coalesce(om.reason, on_.reason)",
}
"""SQL: the reason of each medium's opt-out, null without one."""

ANY_DEACTIVATED = "(SELECT EXISTS (SELECT 1 FROM contact_group WHERE account_id = $1 AND is_locked_for_sending))"
IS_DEACTIVATED = f"""(CASE WHEN {ANY_DEACTIVATED} THEN EXISTS (
    SELECT 1 FROM membership dm JOIN contact_group dg ON dg.account_id = dm.account_id AND dg.id = dm.group_id
    WHERE dm.account_id = c.account_id AND dm.contact_id = c.id AND dg.is_locked_for_sending) ELSE false END)"""
"""SQL: whether a contact `c` is in a deactivated group; $1 is the account. Without any such group nothing is looked for."""

STATE = " + ".join(
    (
        f"{EMAIL} * (c.email_key IS NOT NULL)::int + {PHONE} * (c.phone IS NOT NULL)::int + {LANDLINE} * (c.landline IS NOT NULL)::int",
        f"{DEACTIVATED} * ({IS_DEACTIVATED})::int",
        *(f"{1 << shift} * {_code(OPT_OUTS[medium])}" for medium, shift in SHIFTS.items()),
    )
)
# Contacts of `touched` (id) that are blocked now; the condition on `possible` is looked at once, before any contact.
FRESH = f"""(
SELECT s.id, s.state, ARRAY(SELECT m.group_id FROM membership m WHERE m.account_id = $1 AND m.contact_id = s.id) AS groups FROM (
    SELECT c.id, {STATE} AS state FROM touched t JOIN contact c ON c.account_id = $1 AND c.id = t.id {TOKENS}) s
WHERE s.state >= {DEACTIVATED})
"""
POSSIBLE = f"""
EXISTS (SELECT 1 FROM consent_token WHERE account_id = $1 AND is_active AND type IN ({TYPES}))
OR EXISTS (SELECT 1 FROM contact_group WHERE account_id = $1 AND is_locked_for_sending)
OR EXISTS (SELECT 1 FROM blocked_contact WHERE account_id = $1)
"""
"""SQL: whether any contact of the account can be blocked at all."""


def touched(of: str) -> str:
    """SQL: the contacts (id) that the changes `of` concern."""
    return f"""
    SELECT u.id FROM {of} r CROSS JOIN LATERAL unnest(r.contacts) u (id) WHERE r.contacts IS NOT NULL
    UNION
    SELECT c.id FROM {of} r JOIN contact c ON c.account_id = $1 AND c.id BETWEEN r.first_id AND r.last_id WHERE r.last_id IS NOT NULL
    UNION
    SELECT m.contact_id FROM {of} r JOIN membership m ON m.account_id = $1 AND m.group_id = r.group_id
        AND m.contact_id >= coalesce(r.first_id, '{NIL}') WHERE r.group_id IS NOT NULL
    UNION
    SELECT c.id FROM {of} r CROSS JOIN LATERAL unnest(r.keys) u (key)
    JOIN contact c ON c.account_id = $1 AND c.email_key = u.key WHERE r.keys IS NOT NULL
    UNION
    SELECT c.id FROM {of} r CROSS JOIN LATERAL unnest(r.keys) u (key)
    JOIN contact c ON c.account_id = $1 AND c.phone = u.key WHERE r.keys IS NOT NULL
    UNION
    SELECT c.id FROM {of} r CROSS JOIN LATERAL unnest(r.keys) u (key)
    JOIN contact c ON c.account_id = $1 AND c.landline = u.key WHERE r.keys IS NOT NULL
    """
