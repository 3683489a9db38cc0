"""Limits as data (cm-addressbook: "limits"; consent rules: "lengths are bounded")."""

NAME_LENGTH = 255  # characters: names, groups, fields, e-mail
VALUE_LENGTH = 4_000  # characters: the value of a field, a consent message
PUSH_LENGTH = 1_000  # characters: a push token
ROWS_PER_CALL = 10_000  # contacts or opt-outs in one call
FIELDS_PER_ACCOUNT = 1_000  # each is a column of the dump, of which PostgreSQL makes at most 1,664
DEVICES_PER_CONTACT = 100  # push tokens
INT32 = 2**31 - 1

SYNCHRONOUS_INDEXING_SECONDS = 10.0  # a call without delayIndexing indexes what its group has waiting for so long, the worker the rest
INDEXING_DELAY_SECONDS = 30.0  # how long delayed rows wait for a call that indexes them before the worker does
SEARCH_CANDIDATES = 10_000  # contacts that are ranked for one search; no page reaches beyond

IMPORT_BYTES = 2**30  # a file as uploaded, and what is in it
IMPORT_CHUNK_BYTES = 2**20  # a piece of it as kept
IMPORT_SLICE_ROWS = 5_000  # rows that one transaction of an import stores
IMPORT_LEASE_SECONDS = 15.0  # a worker that has not been heard of for so long is taken to be dead
IMPORT_TURN_SECONDS = 10.0  # how long an import is worked on while others wait
IMPORT_ATTEMPTS = 5  # starts without any progress after which an import is given up
IMPORT_INDEXING_SECONDS = 600.0  # its rows are indexed when it is over, or after this if it never ends
IMPORT_SHOWN_ROWS = 10  # rows that a preview shows
UPLOAD_DAYS = 7  # a file that nobody starts to import is kept
UNDO_DAYS = 30  # what became of each row is kept, and with it the undo
IDEMPOTENCY_HOURS = 24  # answers are kept for a repeated call
FOLDED_CONTACTS = 20_000  # contacts whose statistics one transaction counts anew
FOLDED_CHANGES = 2_000  # changes that it takes at most

BOUNCE_DAYS = 90  # a bounce that was taken is known again
SOFT_BOUNCE_WINDOW_DAYS = 30  # soft bounces of earlier days don't count

FILTER_CONDITIONS = 100  # in one filter
FILTER_DEPTH = 10
FILTER_SECONDS = 10.0  # that a filter may look for contacts
FILTER_SHOWN = 10  # contacts that a preview shows
FILTER_VALUES = 1_000  # of one IN

RETENTION_DAYS = 14  # a contact that was not used for longer is unused (document 001, "autoDeleteEnabled")
RETENTION_HOURS = 24  # from one pass over an account's lists to the next
RETENTION_LEASE_MINUTES = 60  # a pass that did not come to its end is made again after this
RETENTION_ROWS = 1_000  # contacts that one transaction takes out of a list

ENDPOINTS = 10  # endpoints or addresses of one inbound configuration
URL_LENGTH = 2_000  # characters
KEYWORD_LENGTH = 25  # characters
REST_DAYS = 30  # before a keyword or number that was given back can be had again

IMAGE_BYTES = 5 * 2**20  # of a profile
IMAGE_PIXELS = 50_000_000
TEMPLATE_NAME_LENGTH = 512  # characters
TEMPLATE_LENGTH = 1_024  # characters
TEMPLATE_FIELDS = 100
CODE_MINUTES = 10  # a one-time password holds
CODE_TRIES = 5
CODE_PAUSE_SECONDS = 60  # from one to the next
CODES_AN_HOUR = 5

PROVIDER_ATTEMPTS_SECONDS = (30, 120, 600, 3_600)  # after a failed submission; the last one from then on
PROVIDER_POLL_SECONDS = 900  # between two looks at all templates of a business account

REFERENCE_DAYS = 90  # a message that was taken is known again
UNROUTED_DAYS = 90  # messages that belong to nobody are kept
MESSAGE_DAYS = 400  # the messaging log is kept
DELIVERY_DAYS = 90  # what became of a delivery is kept, and how long it can be replayed
PURGED_ROWS = 5_000  # that one transaction forgets
REPLAYED_ROWS = 5_000  # that one statement sends again
ANSWER_BYTES = 1_000  # of an endpoint's answer are kept
MESSAGE_LENGTH = 10_000  # characters of an inbound text
CONSENT_WORDS = 200  # an account's own
