-- Landlines and fax, properties, lengths of values, who can't be reached and why, daily statistics, bounces, access tokens of clients
-- depends: 0002_imports

-- migrate: apply

ALTER TABLE contact ADD COLUMN landline text COLLATE "C", ADD COLUMN fax text COLLATE "C"; -- E.164; `phone` is the one that can get an SMS
CREATE INDEX contact_by_landline ON contact (account_id, landline) WHERE landline IS NOT NULL;
-- What undoing an import takes is the list of a contact's values: it has two more now.
UPDATE import_row SET before = jsonb_insert(jsonb_insert(before, '{0,8}', 'null'), '{0,8}', 'null') WHERE before IS NOT NULL;

ALTER TABLE contact_group ADD COLUMN description text;

-- A field that is one of the properties which every wire knows (core/properties.py): made when somebody first uses it.
ALTER TABLE field ADD COLUMN property text COLLATE "C";
CREATE UNIQUE INDEX field_property ON field (account_id, property) WHERE property IS NOT NULL;

ALTER TABLE contact_import ADD COLUMN group_id uuid; -- what its rows go into, as soon as that is known
UPDATE contact_import SET group_id = coalesce(plan ->> 'group', options ->> 'group')::uuid;
CREATE INDEX contact_import_of_group ON contact_import (account_id, group_id, id DESC);

-- A client's access token (OAuth 2) is one more token, which ends with the one it was given for.
ALTER TABLE access_token ADD COLUMN parent_id uuid;
CREATE INDEX access_token_of_parent ON access_token (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX access_token_expiry ON access_token (expires_at) WHERE parent_id IS NOT NULL;

-- The other counts of addresses that tell by which media a contact can be reached.
ALTER TABLE contact_count
    ADD COLUMN empty_both bigint NOT NULL DEFAULT 0,       -- neither e-mail nor phone
    ADD COLUMN landlines bigint NOT NULL DEFAULT 0,        -- a landline and no phone
    ADD COLUMN landlines_alone bigint NOT NULL DEFAULT 0;  -- a landline and neither e-mail nor phone
INSERT INTO contact_count (account_id, group_id, id, contacts, empty_emails, empty_numbers, empty_both)
SELECT c.account_id, g.id, gen_random_uuid(), 0, 0, 0, count(*) FROM contact c CROSS JOIN LATERAL (
    SELECT '00000000-0000-0000-0000-000000000000'::uuid AS id
    UNION ALL SELECT m.group_id FROM membership m WHERE m.account_id = c.account_id AND m.contact_id = c.id) g
WHERE c.email IS NULL AND c.phone IS NULL GROUP BY 1, 2;

-- What changed and is not counted yet: written by the transaction that changed it, counted and deleted by a worker (core/changes.py).
CREATE TABLE contact_change (
    account_id uuid NOT NULL,
    id         uuid NOT NULL,
    size       bigint NOT NULL,          -- about how many contacts
    contacts   uuid[],                   -- these,
    first_id   uuid,                     -- or those with an id from this one
    last_id    uuid,                     -- to this one,
    group_id   uuid,                     -- or the members of this group (from first_id on),
    keys       text[] COLLATE "C",       -- or those with one of these addresses
    fields     text[] COLLATE "C",       -- and of values of this column or field
    lengths    bigint[],                 -- of this length
    counts     bigint[],                 -- there are so many more
    PRIMARY KEY (account_id, id)
);

-- How many values of each length a column or field has.
CREATE TABLE value_count (
    account_id uuid NOT NULL,
    field      text COLLATE "C" NOT NULL,
    length     bigint NOT NULL,          -- characters
    contacts   bigint NOT NULL,
    PRIMARY KEY (account_id, field, length)
);

-- Contacts that something keeps from being reached, as they are counted: the state's bits (core/reach.py) and their groups.
CREATE TABLE blocked_contact (
    account_id uuid NOT NULL,
    contact_id uuid NOT NULL,
    state      bigint NOT NULL,
    groups     uuid[] NOT NULL,
    PRIMARY KEY (account_id, contact_id)
);
CREATE TABLE blocked_count (
    account_id uuid NOT NULL,
    group_id   uuid NOT NULL,            -- 000…0: the whole account
    state      bigint NOT NULL,
    contacts   bigint NOT NULL,
    PRIMARY KEY (account_id, group_id, state)
);

CREATE INDEX contact_group_locked ON contact_group (account_id) WHERE is_locked_for_sending;
-- Held by who counts an account's changes: one at a time.
CREATE TABLE statistics_folder (account_id uuid PRIMARY KEY REFERENCES account (id));
INSERT INTO statistics_folder SELECT id FROM account;

-- The statistics of each day, as they were when it ended (today's: an hour ago at most).
CREATE TABLE statistics_day (
    account_id  uuid NOT NULL,
    group_id    uuid NOT NULL,           -- 000…0: the whole account
    day         date NOT NULL,           -- UTC
    taken_at    timestamptz NOT NULL,
    subscribers bigint NOT NULL,
    sms         bigint NOT NULL,
    email       bigint NOT NULL,
    voice       bigint NOT NULL,
    voicemail   bigint NOT NULL,
    PRIMARY KEY (account_id, group_id, day)
);

-- What mail systems told of deliveries that failed, each once.
CREATE TABLE bounce (
    account_id  uuid NOT NULL REFERENCES account (id),
    reference   text COLLATE "C" NOT NULL, -- the mail system's, or a hash of what it said
    received_at timestamptz NOT NULL,
    PRIMARY KEY (account_id, reference)
);
CREATE INDEX bounce_age ON bounce (received_at);
-- The days on which mail to an address bounced softly.
CREATE TABLE soft_bounce (
    account_id uuid NOT NULL REFERENCES account (id),
    key        text COLLATE "C" NOT NULL,  -- the e-mail as it is compared
    day        date NOT NULL,
    PRIMARY KEY (account_id, key, day)
);
CREATE INDEX soft_bounce_age ON soft_bounce (day);

GRANT SELECT, INSERT, UPDATE, DELETE ON statistics_folder, contact_change, value_count, blocked_contact, blocked_count, statistics_day, bounce, soft_bounce
    TO reachbook_app;

-- What is there already is counted by the worker, like what changes.
INSERT INTO contact_change (account_id, id, size, keys)
SELECT account_id, gen_random_uuid(), count(*), array_agg(DISTINCT key) FROM (
    SELECT account_id, key, row_number() OVER (PARTITION BY account_id) / 10000 AS part
    FROM consent_token WHERE is_active AND type IN ('email', 'sms', 'voice', 'voicemail')) t
GROUP BY account_id, part;
INSERT INTO contact_change (account_id, id, size, group_id)
SELECT account_id, gen_random_uuid(), 10000, id FROM contact_group WHERE is_locked_for_sending;
INSERT INTO value_count (account_id, field, length, contacts)
SELECT c.account_id, v.field, length(v.value), count(*) FROM contact c CROSS JOIN LATERAL (
    VALUES ('first_name', c.first_name), ('insertion', c.insertion), ('last_name', c.last_name), ('email', c.email), ('phone', c.phone)
    UNION ALL SELECT key, value FROM jsonb_each_text(c.field_values)) v (field, value)
WHERE v.value IS NOT NULL GROUP BY 1, 2, 3;

-- A fresh account's rows come faster than autovacuum looks (see 0002).
ALTER TABLE blocked_contact ALTER COLUMN account_id SET STATISTICS 0;

-- migrate: rollback
