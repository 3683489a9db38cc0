-- Imports with every row accounted for, aliases of fields, idempotency keys
-- depends: 0001_address_book

-- migrate: apply

-- One file that somebody brought. Its state and its counts are written by the transaction that did the work.
CREATE TABLE contact_import (
    account_id    uuid NOT NULL REFERENCES account (id),
    id            uuid NOT NULL,
    state         text NOT NULL,             -- docs/imports.md draws them
    filename      text NOT NULL,
    size          bigint NOT NULL DEFAULT 0, -- bytes, as uploaded
    options       jsonb NOT NULL,            -- as asked
    plan          jsonb,                     -- as understood: which column goes where; set when the file has been read
    preview       jsonb,                     -- what would happen
    total_rows    bigint,                    -- known once the file has been read to its end
    last_row      bigint NOT NULL DEFAULT 0, -- rows up to here are done
    done_rows     bigint NOT NULL DEFAULT 0,
    created       bigint NOT NULL DEFAULT 0,
    updated       bigint NOT NULL DEFAULT 0,
    unchanged     bigint NOT NULL DEFAULT 0,
    duplicate     bigint NOT NULL DEFAULT 0,
    refused       bigint NOT NULL DEFAULT 0,
    opted_out     bigint NOT NULL DEFAULT 0,
    removed       bigint NOT NULL DEFAULT 0, -- by an undo: contacts gone again
    restored      bigint NOT NULL DEFAULT 0, -- values returned
    kept          bigint NOT NULL DEFAULT 0, -- edited since: left alone
    is_cancelling boolean NOT NULL DEFAULT false,
    error         text,
    runner        uuid,                      -- who works on it; another one's commits are refused
    attempts      bigint NOT NULL DEFAULT 0, -- starts since the last commit
    actor         uuid NOT NULL,
    created_at    timestamptz NOT NULL,
    started_at    timestamptz,
    finished_at   timestamptz,
    PRIMARY KEY (account_id, id)
);

-- The file itself, until the import is over: web processes and workers need not share a disk.
CREATE TABLE import_chunk (
    account_id uuid NOT NULL,
    import_id  uuid NOT NULL,
    number     bigint NOT NULL,
    content    bytea NOT NULL,
    PRIMARY KEY (account_id, import_id, number)
);
ALTER TABLE import_chunk ALTER COLUMN content SET STORAGE EXTERNAL;

-- What became of each row of the file, and what undoing it takes. No foreign keys: a million rows are written as fast as they come.
CREATE TABLE import_row (
    account_id uuid NOT NULL,
    import_id  uuid NOT NULL,
    number     bigint NOT NULL,              -- as a spreadsheet counts
    bucket     text COLLATE "C" NOT NULL,    -- created, updated, unchanged, duplicate, refused
    contact_id uuid,                         -- whom the row is about; in a preview of a new contact, an id made from its key
    applied_at timestamptz,                  -- the contact's updated_at since; another one now: edited since
    before     jsonb,                        -- of an updated contact: its values and whether it was in the group
    cells      jsonb,                        -- of a refused or duplicate row: as it stood in the file
    faults     jsonb,                        -- [[column, reason], …]
    undone     text,                         -- removed, restored or kept
    PRIMARY KEY (account_id, import_id, number)
);
-- Of the rows about one contact exactly one counts.
CREATE UNIQUE INDEX import_row_contact ON import_row (account_id, import_id, contact_id)
    WHERE contact_id IS NOT NULL AND bucket IN ('created', 'updated', 'unchanged');
CREATE INDEX import_row_refused ON import_row (account_id, import_id, bucket, number) WHERE bucket IN ('refused', 'duplicate');

-- Which imports have work waiting, and who has taken it until when. Local, never distributed: claimed across accounts.
CREATE TABLE import_claim (
    account_id    uuid NOT NULL,
    import_id     uuid NOT NULL,
    turn_at       timestamptz NOT NULL,      -- since when it waits for its turn
    claimed_by    uuid,
    claimed_until timestamptz NOT NULL,
    PRIMARY KEY (account_id, import_id)
);

-- Headers that were once mapped by hand are known from then on.
CREATE TABLE field_alias (
    account_id uuid NOT NULL REFERENCES account (id),
    key        text COLLATE "C" NOT NULL,    -- the header as it is compared
    id         uuid NOT NULL,                -- the newest of a key holds
    header     text NOT NULL,
    target     text NOT NULL,                -- a property of contacts, or the id of a field
    import_id  uuid,                         -- which taught it; an undo forgets that, and what was known before holds again
    PRIMARY KEY (account_id, key, id)
);

-- Answers to calls that carried an Idempotency-Key, for a day.
CREATE TABLE idempotency_key (
    account_id   uuid NOT NULL,
    key          text COLLATE "C" NOT NULL,
    fingerprint  bytea NOT NULL,             -- of the request: the same key with another one is refused
    status       bigint,                     -- null: not answered yet
    headers      jsonb,
    body         bytea,
    created_at   timestamptz NOT NULL,
    locked_until timestamptz NOT NULL,       -- a request that was never answered may be made again after this
    PRIMARY KEY (account_id, key)
);
CREATE INDEX idempotency_key_age ON idempotency_key (created_at);

GRANT SELECT, INSERT, UPDATE, DELETE ON contact_import, import_chunk, import_row, import_claim, field_alias, idempotency_key TO reachbook_app;

-- What an account has changes by the million between two looks of autovacuum, and statistics that take it for empty lead to plans
-- which read all of it for each row. Without any, every account counts as a two-hundredth of the table, and a unique key beats that.
ALTER TABLE contact ALTER COLUMN account_id SET STATISTICS 0;
ALTER TABLE contact_search ALTER COLUMN account_id SET STATISTICS 0;
ALTER TABLE import_row ALTER COLUMN account_id SET STATISTICS 0;
ALTER TABLE import_row ALTER COLUMN import_id SET STATISTICS 0;

-- migrate: rollback
