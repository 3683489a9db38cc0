-- Types of fields, segments
-- depends: 0003_reachability

-- migrate: apply

ALTER TABLE field
    ADD COLUMN kind text COLLATE "C" NOT NULL DEFAULT 'text', -- what its values must be (core/kinds.py)
    ADD COLUMN choices text[];                                -- and one of these, if there are any

-- Saved filters: of a group's contacts, or with none of the account's.
CREATE TABLE segment (
    account_id uuid NOT NULL REFERENCES account (id),
    id         uuid NOT NULL,
    group_id   uuid,
    name       text NOT NULL,
    filter     json NOT NULL,            -- as it was given; core/filters.py reads it
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (account_id, id),
    FOREIGN KEY (account_id, group_id) REFERENCES contact_group (account_id, id) ON DELETE CASCADE
);
CREATE INDEX segment_of_group ON segment (account_id, group_id);

GRANT SELECT, INSERT, UPDATE, DELETE ON segment TO reachbook_app;

-- migrate: rollback
