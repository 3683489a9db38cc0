-- Numbers and kinds of lists, the fields that they declare, push tokens, when contacts were used last, retention
-- depends: 0004_segments

-- migrate: apply

-- A list has a number too (document 001): milliseconds since 1970, and behind them 21 bits of a sequence that the installation shares.
-- So numbers are sorted by age and unique everywhere, with no table that all accounts would have to share.
CREATE SEQUENCE group_number;
ALTER TABLE contact_group
    ADD COLUMN number bigint,
    ADD COLUMN kind text COLLATE "C" NOT NULL DEFAULT 'standard',     -- standard, stoplist, push, omni_api
    ADD COLUMN deletes_unused boolean NOT NULL DEFAULT false;         -- the daily pass deletes its unused contacts (core/retention.py)
UPDATE contact_group SET number = ((extract(epoch FROM created_at) * 1000)::bigint << 21) | (nextval('group_number') & 2097151);
ALTER TABLE contact_group ALTER COLUMN number SET NOT NULL;
CREATE UNIQUE INDEX contact_group_number ON contact_group (account_id, number);
CREATE INDEX contact_group_deletes ON contact_group (account_id) WHERE deletes_unused;
CREATE INDEX contact_group_stops ON contact_group (account_id, id) WHERE kind = 'stoplist';

-- The fields that a list declares (document 001's macros), as it calls them for people.
CREATE TABLE group_field (
    account_id uuid NOT NULL,
    group_id   uuid NOT NULL,
    field_id   bigint NOT NULL,
    label      text NOT NULL,
    position   bigint NOT NULL,
    PRIMARY KEY (account_id, group_id, field_id),
    FOREIGN KEY (account_id, group_id) REFERENCES contact_group (account_id, id) ON DELETE CASCADE,
    FOREIGN KEY (account_id, field_id) REFERENCES field (account_id, id) ON DELETE CASCADE
);
CREATE INDEX group_field_of_field ON group_field (account_id, field_id);

-- Devices that a contact gets push messages on.
CREATE TABLE push_token (
    account_id uuid NOT NULL,
    app_id     text COLLATE "C" NOT NULL,
    token      text COLLATE "C" NOT NULL, -- as the ledger compares it
    contact_id uuid NOT NULL,
    os         text COLLATE "C" NOT NULL, -- android, ios, huawei
    position   bigint NOT NULL,
    PRIMARY KEY (account_id, app_id, token),
    FOREIGN KEY (account_id, contact_id) REFERENCES contact (account_id, id) ON DELETE CASCADE
);
CREATE INDEX push_token_of_contact ON push_token (account_id, contact_id);
CREATE INDEX push_token_by_token ON push_token (account_id, token);

-- When a contact of a list that deletes unused ones was used last, if that was no change of the contact itself. No foreign key: a dump
-- that says so must not wait for who changes contacts. Entries that are too old to count are forgotten.
CREATE TABLE contact_use (
    account_id uuid NOT NULL,
    contact_id uuid NOT NULL,
    used_at    timestamptz NOT NULL,
    PRIMARY KEY (account_id, contact_id)
);
CREATE INDEX contact_use_age ON contact_use (account_id, used_at);

-- When the next pass over an account's lists is due. Local, never distributed: claimed across accounts.
CREATE TABLE retention_turn (
    account_id uuid PRIMARY KEY,
    next_at    timestamptz NOT NULL
);
-- How many contacts retention has taken out of lists, for the figures.
CREATE TABLE retention_count (
    account_id uuid NOT NULL,
    reason     text COLLATE "C" NOT NULL, -- unused, no_address
    contacts   bigint NOT NULL,
    PRIMARY KEY (account_id, reason)
);

GRANT USAGE ON SEQUENCE group_number TO reachbook_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON group_field, push_token, contact_use, retention_turn, retention_count TO reachbook_app;

-- Contacts by the value of a field: filters look for it with @>. Some eight bytes a contact.
CREATE INDEX contact_by_value ON contact USING gin (account_id, field_values jsonb_path_ops);

-- A fresh account's rows come faster than autovacuum looks (see 0002).
ALTER TABLE push_token ALTER COLUMN account_id SET STATISTICS 0;

-- migrate: rollback
