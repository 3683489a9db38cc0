-- Accounts, the address book, the consent ledger and the search index
-- depends:

-- migrate: apply

-- Rules that keep these tables distributable by account (docs/decisions/0002): every tenant table leads with
-- account_id in its primary key, unique indexes and foreign keys; bigint, never int; no triggers.
-- Columns that are compared byte by byte (folded keys) say COLLATE "C", whatever the database's own collation is.

CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE EXTENSION IF NOT EXISTS btree_gin;

CREATE TABLE account (
    id            uuid PRIMARY KEY,
    name          text NOT NULL,
    region        text,                      -- ISO 3166-1 alpha-2: how national phone numbers are read
    next_field_id bigint NOT NULL DEFAULT 17,
    created_at    timestamptz NOT NULL
);

-- Found by hash alone, before any account is known: a table of its own, never distributed.
CREATE TABLE access_token (
    hash       bytea PRIMARY KEY,            -- SHA-256 of the token
    id         uuid NOT NULL UNIQUE,
    account_id uuid,                         -- null: an operator's or gateway's token
    name       text NOT NULL,
    scopes     text[] NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    revoked_at timestamptz
);
CREATE INDEX access_token_account ON access_token (account_id);

CREATE TABLE field (
    account_id    uuid NOT NULL REFERENCES account (id),
    id            bigint NOT NULL,
    name          text NOT NULL,
    name_key      text COLLATE "C" NOT NULL, -- folded: names are unique whatever their case
    is_predefined boolean NOT NULL,
    created_at    timestamptz NOT NULL,
    PRIMARY KEY (account_id, id),
    UNIQUE (account_id, name_key)
);

CREATE TABLE contact_group (
    account_id            uuid NOT NULL REFERENCES account (id),
    id                    uuid NOT NULL,
    name                  text NOT NULL,
    name_key              text COLLATE "C" NOT NULL,
    is_favorite           boolean NOT NULL DEFAULT false,
    is_hidden             boolean NOT NULL DEFAULT false,
    is_locked_for_editing boolean NOT NULL DEFAULT false,
    is_locked_for_sending boolean NOT NULL DEFAULT false,
    is_marketing          boolean NOT NULL DEFAULT false,
    bypass_opt_out        boolean NOT NULL DEFAULT false,
    created_at            timestamptz NOT NULL,
    updated_at            timestamptz NOT NULL,
    PRIMARY KEY (account_id, id)
);

CREATE TABLE contact (
    account_id    uuid NOT NULL REFERENCES account (id),
    id            uuid NOT NULL,
    first_name    text,
    insertion     text,
    last_name     text,
    name_key      text COLLATE "C" NOT NULL, -- last, first, insertion, folded; blanks sort last
    email         text,
    email_key     text COLLATE "C",          -- folded: what the ledger and matching compare
    phone         text COLLATE "C",          -- E.164
    phone_country text,
    field_values  jsonb NOT NULL,            -- {"6": "Test Company"}
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    PRIMARY KEY (account_id, id)
);
CREATE INDEX contact_by_name ON contact (account_id, name_key, id);
CREATE INDEX contact_by_email ON contact (account_id, email_key) WHERE email_key IS NOT NULL;
CREATE INDEX contact_by_phone ON contact (account_id, phone) WHERE phone IS NOT NULL;

CREATE TABLE membership (
    account_id uuid NOT NULL,
    group_id   uuid NOT NULL,
    contact_id uuid NOT NULL,
    added_at   timestamptz NOT NULL,         -- a contact's first group is the one it joined first
    PRIMARY KEY (account_id, group_id, contact_id),
    FOREIGN KEY (account_id, group_id) REFERENCES contact_group (account_id, id),
    FOREIGN KEY (account_id, contact_id) REFERENCES contact (account_id, id) ON DELETE CASCADE
);
CREATE INDEX membership_by_contact ON membership (account_id, contact_id);

-- Counters are sums of small deltas, appended by the transaction that changes contacts and folded later by a worker:
-- no row that every writer of an account would queue for. group_id 000…0 counts the whole account.
CREATE TABLE contact_count (
    account_id    uuid NOT NULL,
    group_id      uuid NOT NULL,
    id            uuid NOT NULL,
    contacts      bigint NOT NULL,
    empty_emails  bigint NOT NULL,
    empty_numbers bigint NOT NULL,
    is_folded     boolean NOT NULL DEFAULT false,
    PRIMARY KEY (account_id, group_id, id)
);
CREATE INDEX contact_count_unfolded ON contact_count (account_id, group_id) WHERE NOT is_folded;

CREATE TABLE consent_token (
    account_id uuid NOT NULL REFERENCES account (id),
    type       text COLLATE "C" NOT NULL,    -- email, sms, voice, voicemail, whatsapp, rcs, viber, push
    key        text COLLATE "C" NOT NULL,    -- the value as it is compared
    value      text NOT NULL,                -- the value as it was first written
    value_key  text COLLATE "C" NOT NULL,    -- the same folded: what a search compares
    is_active  boolean NOT NULL,             -- true: opted out; false: opted in again
    was_active boolean,                      -- before the newest change; null: there was no token
    reason     text NOT NULL,
    message    text,
    changed_at timestamptz NOT NULL,
    version    bigint NOT NULL,              -- counts the token's history entries
    PRIMARY KEY (account_id, type, key)
);
CREATE INDEX consent_token_newest ON consent_token (account_id, is_active, changed_at DESC, type, key);
CREATE INDEX consent_token_newest_of_type ON consent_token (account_id, type, is_active, changed_at DESC, key);
CREATE INDEX consent_token_search ON consent_token USING gin (account_id, value_key gin_trgm_ops);

-- Append-only: the application's role may INSERT and SELECT, nothing else (below). Deleting contacts or groups
-- leaves it as it is, so it refers to neither.
CREATE TABLE consent_history (
    account_id uuid NOT NULL REFERENCES account (id),
    type       text COLLATE "C" NOT NULL,
    key        text COLLATE "C" NOT NULL,
    version    bigint NOT NULL,              -- the order of changes, given out under the token's row lock
    changed_at timestamptz NOT NULL,
    is_active  boolean NOT NULL,
    reason     text NOT NULL,
    message    text,
    source     text NOT NULL,
    actor      uuid NOT NULL,
    PRIMARY KEY (account_id, type, key, version),
    CHECK (reason IN ('contact', 'user', 'hardbounced', 'spam')),
    CHECK (source IN ('api', 'import', 'keyword', 'unsubscribe-link', 'gateway', 'console'))
);

CREATE TABLE consent_count (
    account_id uuid NOT NULL,
    type       text COLLATE "C" NOT NULL,
    id         uuid NOT NULL,
    opted_out  bigint NOT NULL,
    opted_in   bigint NOT NULL,
    is_folded  boolean NOT NULL DEFAULT false,
    PRIMARY KEY (account_id, type, id)
);
CREATE INDEX consent_count_unfolded ON consent_count (account_id, type) WHERE NOT is_folded;

-- Search is an index beside the data: a contact that has no row here yet is stored and listed, but not found.
CREATE TABLE contact_search (
    account_id uuid NOT NULL,
    contact_id uuid NOT NULL,
    text       text COLLATE "C" NOT NULL,    -- folded name, e-mail, digits of the phone, company
    PRIMARY KEY (account_id, contact_id),
    FOREIGN KEY (account_id, contact_id) REFERENCES contact (account_id, id) ON DELETE CASCADE
);
CREATE INDEX contact_search_text ON contact_search USING gin (account_id, text gin_trgm_ops);

-- Work for the indexer: contacts stored with delayIndexing, as the range of ids that one upload made.
CREATE TABLE indexing_backlog (
    account_id uuid NOT NULL,
    id         uuid NOT NULL,
    group_id   uuid NOT NULL,
    first_id   uuid NOT NULL,
    last_id    uuid NOT NULL,
    due_at     timestamptz NOT NULL,
    PRIMARY KEY (account_id, id)
);
CREATE INDEX indexing_backlog_due ON indexing_backlog (due_at);
CREATE INDEX indexing_backlog_of_group ON indexing_backlog (account_id, group_id);

-- The application's role reads and writes the book but can only append to the ledger's history.
GRANT USAGE ON SCHEMA public TO reachbook_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON account, access_token, field, contact_group, contact, membership, contact_count,
    consent_token, consent_count, contact_search, indexing_backlog TO reachbook_app;
GRANT SELECT, INSERT ON consent_history TO reachbook_app;
-- A token is never deleted either: none is "never asked", which is not what an opt-in says.
REVOKE DELETE ON consent_token FROM reachbook_app;

-- migrate: rollback
