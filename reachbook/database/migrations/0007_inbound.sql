-- Messages and events that come in, where they go, what became of each attempt
-- depends: 0006_channels

-- migrate: apply

-- --- of the installation: known before it is known whose a message is. Local tables, never distributed.

-- What was taken already: the same reference on the same channel and receiver again is answered and stored once.
CREATE TABLE inbound_reference (
    key         bytea PRIMARY KEY,                    -- SHA-256 of kind, channel, receiver and reference
    received_at timestamptz NOT NULL
);
CREATE INDEX inbound_reference_age ON inbound_reference (received_at);

-- Messages that belong to nobody, for the operator.
CREATE TABLE unrouted_message (
    id          uuid PRIMARY KEY,
    reference   text NOT NULL,
    channel     text NOT NULL,
    message     jsonb NOT NULL,                       -- as it was received
    reason      text NOT NULL,
    received_at timestamptz NOT NULL
);
CREATE INDEX unrouted_message_age ON unrouted_message (received_at);

-- Whose turn it is at an endpoint: one worker at a time, and none while the endpoint rests after failing. Only workers write here.
CREATE TABLE endpoint_lease (
    endpoint_id    uuid PRIMARY KEY,
    holder         uuid NOT NULL,
    held_until     timestamptz NOT NULL,
    rests_until    timestamptz,
    failures       bigint NOT NULL DEFAULT 0          -- in a row
);

-- A gateway's token may say in which country its short codes are dialled.
ALTER TABLE access_token ADD COLUMN country text;

-- Short codes as they are dialled, whatever their country.
CREATE INDEX phone_number_dialled ON phone_number (number) WHERE is_shortcode;

-- --- of accounts

-- What came in while the messaging log of its channel was enabled.
CREATE TABLE inbound_message (
    account_id  uuid NOT NULL REFERENCES account (id),
    id          uuid NOT NULL,
    channel_id  uuid NOT NULL,
    reference   text NOT NULL,
    channel     text NOT NULL,                        -- SMS, WhatsApp, …
    message     jsonb NOT NULL,                       -- from, to, message, as received
    received_at timestamptz NOT NULL,
    PRIMARY KEY (account_id, id)
);
CREATE INDEX inbound_message_of_channel ON inbound_message (account_id, channel_id, id);

CREATE TABLE endpoint_secret (
    account_id  uuid NOT NULL,
    endpoint_id uuid NOT NULL,
    id          uuid NOT NULL,
    secret      bytea NOT NULL,
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz,                          -- null: the present one
    PRIMARY KEY (account_id, endpoint_id, id),
    FOREIGN KEY (account_id, endpoint_id) REFERENCES channel_endpoint (account_id, id) ON DELETE CASCADE
);
INSERT INTO endpoint_secret (account_id, endpoint_id, id, secret, created_at)
SELECT account_id, id, gen_random_uuid(), decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex'), now()
FROM channel_endpoint;

-- One message or event on its way to one endpoint. No foreign key to it: a delivery outlives its endpoint, as failed.
CREATE TABLE delivery (
    account_id   uuid NOT NULL REFERENCES account (id),
    id           uuid NOT NULL,
    endpoint_id  uuid NOT NULL,
    channel_id   uuid NOT NULL,
    kind         text COLLATE "C" NOT NULL,
    reference    text NOT NULL,
    method       text COLLATE "C",                    -- null: by mail
    payload      bytea NOT NULL,                      -- captured once, the same at each attempt
    form         text COLLATE "C" NOT NULL,           -- what the payload is: json, xml, query, custom, mail
    state        text COLLATE "C" NOT NULL,
    attempts     bigint NOT NULL DEFAULT 0,           -- since it was made or replayed
    created_at   timestamptz NOT NULL,
    started_at   timestamptz NOT NULL,                -- when it was made or replayed last: it is given up so long after this
    next_at      timestamptz,                         -- null: nothing more to do
    delivered_at timestamptz,
    PRIMARY KEY (account_id, id),
    CHECK (kind IN ('webhook', 'customerContact', 'eventWebhook', 'email')),
    CHECK (state IN ('pending', 'retrying', 'delivered', 'failed')),
    CHECK ((state IN ('pending', 'retrying')) = (next_at IS NOT NULL) AND (state = 'delivered') = (delivered_at IS NOT NULL))
);
CREATE INDEX delivery_due ON delivery (endpoint_id, next_at, id) WHERE next_at IS NOT NULL;
CREATE INDEX delivery_over ON delivery (created_at) WHERE next_at IS NULL;

CREATE TABLE delivery_attempt (
    account_id  uuid NOT NULL,
    delivery_id uuid NOT NULL,
    id          uuid NOT NULL,
    started_at  timestamptz NOT NULL,
    status      bigint,                               -- null: no answer came
    latency_ms  bigint NOT NULL,
    error       text,
    answer      text,                                 -- its first kilobyte
    PRIMARY KEY (account_id, delivery_id, id)
);

-- Texts that may mean stop, for a person to decide.
CREATE TABLE consent_review (
    account_id uuid NOT NULL REFERENCES account (id),
    id         uuid NOT NULL,
    type       text COLLATE "C" NOT NULL,
    value      text COLLATE "C" NOT NULL,
    text       text NOT NULL,
    reference  text NOT NULL,
    state      text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    decided_at timestamptz,
    PRIMARY KEY (account_id, id),
    CHECK (state IN ('open', 'optedOut', 'dismissed'))
);
CREATE INDEX consent_review_open ON consent_review (account_id, id) WHERE state = 'open';

-- Words that an account takes for stop or start besides those that everybody does.
CREATE TABLE consent_word (
    account_id uuid NOT NULL REFERENCES account (id),
    word       text COLLATE "C" NOT NULL,             -- as it is compared
    means      text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (account_id, word),
    CHECK (means IN ('stop', 'start'))
);

-- How many attempts ended how, for the figures: each worker adds to rows of its own.
CREATE TABLE delivery_count (
    outcome   text COLLATE "C" NOT NULL,              -- delivered, retrying, failed
    worker_id uuid NOT NULL,
    amount    bigint NOT NULL,
    PRIMARY KEY (outcome, worker_id)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON inbound_reference, unrouted_message, endpoint_lease, inbound_message, endpoint_secret, delivery,
    delivery_attempt, consent_review, consent_word, delivery_count TO reachbook_app;

-- migrate: rollback
