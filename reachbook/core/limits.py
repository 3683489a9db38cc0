"""Limits as data (cm-addressbook: "limits"; consent rules: "lengths are bounded")."""

NAME_LENGTH = 255  # characters: names, groups, fields, e-mail
VALUE_LENGTH = 4_000  # characters: the value of a field, a consent message
PUSH_LENGTH = 1_000  # characters: a push token
ROWS_PER_CALL = 10_000  # contacts or opt-outs in one call
FIELDS_PER_ACCOUNT = 1_000  # each is a column of the dump, of which PostgreSQL makes at most 1,664
INT32 = 2**31 - 1

SYNCHRONOUS_INDEXING_SECONDS = 10.0  # a call without delayIndexing indexes what its group has waiting for so long, the worker the rest
INDEXING_DELAY_SECONDS = 30.0  # how long delayed rows wait for a call that indexes them before the worker does
SEARCH_CANDIDATES = 10_000  # contacts that are ranked for one search; no page reaches beyond
