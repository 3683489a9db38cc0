-- Channels: catalogues, numbers in stock, what accounts ask for and have, inbound configurations, WhatsApp, the operator's work queue
-- depends: 0005_lists

-- migrate: apply

-- --- catalogues: of the installation, for all accounts

CREATE TABLE channel_type (
    id              uuid PRIMARY KEY,
    key             text COLLATE "C" NOT NULL UNIQUE, -- its name under `available`
    description     text NOT NULL,
    currency        text NOT NULL,
    startup_cost    numeric(16, 4) NOT NULL,
    monthly_cost    numeric(16, 4) NOT NULL,
    processing_days bigint NOT NULL,
    notice_days     bigint NOT NULL,
    auto_fulfil     boolean NOT NULL,
    coming_soon     boolean NOT NULL,
    created_at      timestamptz NOT NULL
);
CREATE TABLE channel_category (
    id       uuid PRIMARY KEY,
    type_id  uuid NOT NULL REFERENCES channel_type (id),
    name     text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    UNIQUE (type_id, name)
);
CREATE TABLE number_type (
    id                   uuid PRIMARY KEY,
    purpose              text[] NOT NULL,
    country              text NOT NULL,
    category             text NOT NULL,
    description          text NOT NULL,
    currency             text NOT NULL,
    startup_cost         numeric(16, 4) NOT NULL,
    monthly_cost         numeric(16, 4) NOT NULL,
    notice_days          bigint NOT NULL,
    keyword_startup_cost numeric(16, 4) NOT NULL,
    keyword_monthly_cost numeric(16, 4) NOT NULL,
    keyword_notice_days  bigint NOT NULL,
    processing_days      bigint NOT NULL
);
CREATE TABLE whatsapp_language (
    id   uuid PRIMARY KEY,
    code text COLLATE "C" NOT NULL UNIQUE,
    name text NOT NULL UNIQUE
);
CREATE TABLE template_category (
    id   uuid PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE
);

-- --- stock: numbers go from account to account, so they are the installation's. Local tables, never distributed.

CREATE TABLE phone_number (
    id             text COLLATE "C" PRIMARY KEY,      -- international digits; a short code's country and digits, NL3669
    number         text COLLATE "C" NOT NULL,         -- 00 and the digits; a short code as dialled
    number_type_id uuid NOT NULL REFERENCES number_type (id),
    is_shortcode   boolean NOT NULL,
    state          text COLLATE "C" NOT NULL,
    owner_id       uuid,                              -- the account that rents it
    owned_since    timestamptz,
    rests_until    timestamptz,
    withdrawn_at   timestamptz,
    stocked_at     timestamptz NOT NULL,
    CHECK (state IN ('free', 'shared', 'owned', 'resting', 'withdrawn')),
    CHECK ((state = 'owned') = (owner_id IS NOT NULL) AND (state = 'owned') = (owned_since IS NOT NULL)),
    CHECK ((state = 'resting') = (rests_until IS NOT NULL) AND (state = 'withdrawn') = (withdrawn_at IS NOT NULL))
);
CREATE INDEX phone_number_free ON phone_number (number_type_id, stocked_at, id) WHERE state = 'free';
CREATE INDEX phone_number_shared ON phone_number (id) WHERE state = 'shared';
CREATE INDEX phone_number_owned ON phone_number (owner_id, id) WHERE state = 'owned';
CREATE INDEX phone_number_resting ON phone_number (rests_until) WHERE state = 'resting';

-- Who has a keyword of a number, or had it until a while ago.
CREATE TABLE taken_keyword (
    phone_number_id text COLLATE "C" NOT NULL,
    keyword         text COLLATE "C" NOT NULL,
    owner_id        uuid NOT NULL,
    claim_id        uuid NOT NULL,
    rests_until     timestamptz,                      -- null: it is claimed
    PRIMARY KEY (phone_number_id, keyword)
);

-- --- what accounts have. The states and what leads from one to the next: core/machines.py.

CREATE TABLE channel_group (
    account_id uuid NOT NULL REFERENCES account (id),
    id         uuid NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (account_id, id)
);
CREATE TABLE channel_request (
    account_id      uuid NOT NULL REFERENCES account (id),
    id              uuid NOT NULL,
    channel_type_id uuid NOT NULL,
    group_id        uuid,                             -- of its channels; null: each has its own
    state           text COLLATE "C" NOT NULL,
    reason          text,                             -- why it was refused
    currency        text NOT NULL,
    startup_cost    numeric(16, 4) NOT NULL,          -- as they were when it was asked for
    monthly_cost    numeric(16, 4) NOT NULL,
    created_at      timestamptz NOT NULL,
    fulfilled_at    timestamptz,
    cancelled_at    timestamptz,
    PRIMARY KEY (account_id, id),
    FOREIGN KEY (account_id, group_id) REFERENCES channel_group (account_id, id),
    CHECK (state IN ('pending', 'fulfilled', 'cancelled'))
);
CREATE UNIQUE INDEX channel_request_pending ON channel_request (account_id, channel_type_id) WHERE state = 'pending';

CREATE INDEX channel_request_by_id ON channel_request (id);   -- the operator names a request, not its account

CREATE TABLE channel (
    account_id         uuid NOT NULL,
    id                 uuid NOT NULL,
    group_id           uuid NOT NULL,
    channel_request_id uuid,
    channel_type_id    uuid NOT NULL,
    category           text COLLATE "C" NOT NULL,     -- keywords, numbers, templates, profiles
    entity_id          uuid NOT NULL,                 -- the claim, number request, template or profile
    element_id         text COLLATE "C" NOT NULL,     -- what the wire calls channelID
    is_pending         boolean NOT NULL,
    created_at         timestamptz NOT NULL,
    ended_at           timestamptz,
    PRIMARY KEY (account_id, id),
    UNIQUE (account_id, entity_id),
    FOREIGN KEY (account_id, group_id) REFERENCES channel_group (account_id, id)
);
CREATE INDEX channel_of_group ON channel (account_id, group_id);

CREATE TABLE number_request (
    account_id      uuid NOT NULL REFERENCES account (id),
    id              uuid NOT NULL,
    number_type_id  uuid NOT NULL,
    channel_id      uuid NOT NULL,
    state           text COLLATE "C" NOT NULL,
    reason          text,
    phone_number_id text COLLATE "C",
    number          text COLLATE "C",                 -- as the wire writes it; kept for the bill
    currency        text NOT NULL,
    startup_cost    numeric(16, 4) NOT NULL,
    monthly_cost    numeric(16, 4) NOT NULL,
    created_at      timestamptz NOT NULL,
    fulfilled_at    timestamptz,
    cancelled_at    timestamptz,
    PRIMARY KEY (account_id, id),
    FOREIGN KEY (account_id, channel_id) REFERENCES channel (account_id, id),
    CHECK (state IN ('pending', 'fulfilled', 'cancelled')),
    CHECK ((fulfilled_at IS NOT NULL) = (phone_number_id IS NOT NULL))
);
CREATE INDEX number_request_pending ON number_request (number_type_id, created_at, id) WHERE state = 'pending';
CREATE UNIQUE INDEX number_request_number ON number_request (account_id, phone_number_id) WHERE state = 'fulfilled';

CREATE TABLE keyword_claim (
    account_id      uuid NOT NULL REFERENCES account (id),
    id              uuid NOT NULL,
    channel_id      uuid NOT NULL,
    phone_number_id text COLLATE "C" NOT NULL,
    keyword         text COLLATE "C" NOT NULL,        -- upper case
    country         text NOT NULL,
    currency        text NOT NULL,
    startup_cost    numeric(16, 4) NOT NULL,
    monthly_cost    numeric(16, 4) NOT NULL,
    notice_days     bigint NOT NULL,
    state           text COLLATE "C" NOT NULL,
    claimed_at      timestamptz NOT NULL,
    cancelled_at    timestamptz,
    PRIMARY KEY (account_id, id),
    FOREIGN KEY (account_id, channel_id) REFERENCES channel (account_id, id),
    CHECK (state IN ('active', 'cancelled'))
);
CREATE UNIQUE INDEX keyword_claim_active ON keyword_claim (account_id, phone_number_id, keyword) WHERE state = 'active';
CREATE INDEX keyword_claim_of_account ON keyword_claim (account_id, id) WHERE state = 'active';

-- --- what happens to messages that come in

CREATE TABLE channel_configuration (
    account_id uuid NOT NULL,
    id         uuid NOT NULL,
    group_id   uuid NOT NULL,
    kind       text COLLATE "C" NOT NULL,
    enabled    boolean NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (account_id, id),
    UNIQUE (account_id, group_id, kind),
    FOREIGN KEY (account_id, group_id) REFERENCES channel_group (account_id, id),
    CHECK (kind IN ('messagingLog', 'customerContact', 'email', 'webhook', 'eventWebhook'))
);
CREATE TABLE channel_endpoint (
    account_id       uuid NOT NULL,
    id               uuid NOT NULL,
    configuration_id uuid NOT NULL,
    method           text COLLATE "C",                -- null for an e-mail address
    target           text NOT NULL,                   -- the URL, or the address
    form             text COLLATE "C",                -- Json, Xml, Custom; null for an e-mail address
    secondary_id     uuid NOT NULL,                   -- what the wire calls channelsOneId
    disabled_at      timestamptz,
    disabled_reason  text,
    failing_since    timestamptz,
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    PRIMARY KEY (account_id, id),
    FOREIGN KEY (account_id, configuration_id) REFERENCES channel_configuration (account_id, id)
);
CREATE INDEX channel_endpoint_of ON channel_endpoint (account_id, configuration_id);

-- --- WhatsApp

CREATE TABLE business_account (
    account_id         uuid NOT NULL,
    id                 uuid NOT NULL,
    channel_request_id uuid NOT NULL,                 -- pending, fulfilled or cancelled with it
    namespace          text NOT NULL,                 -- facebookNamespaceId
    provider_id        text,                          -- the WhatsApp Business Account id at Meta
    PRIMARY KEY (account_id, id),
    UNIQUE (account_id, channel_request_id),
    FOREIGN KEY (account_id, channel_request_id) REFERENCES channel_request (account_id, id)
);
CREATE INDEX business_account_provider ON business_account (provider_id) WHERE provider_id IS NOT NULL;

CREATE TABLE active_language (
    account_id         uuid NOT NULL,
    channel_request_id uuid NOT NULL,
    language_id        uuid NOT NULL,
    activated_at       timestamptz NOT NULL,
    PRIMARY KEY (account_id, channel_request_id, language_id),
    FOREIGN KEY (account_id, channel_request_id) REFERENCES channel_request (account_id, id)
);

CREATE TABLE whatsapp_profile (
    account_id         uuid NOT NULL,
    id                 uuid NOT NULL,
    channel_request_id uuid NOT NULL,
    channel_id         uuid NOT NULL,
    name               text NOT NULL,
    image_type         text COLLATE "C" NOT NULL,     -- image/png
    image              bytea NOT NULL,
    phone              text COLLATE "C" NOT NULL,     -- E.164
    state              text COLLATE "C" NOT NULL,
    rejection_reason   text,
    code_hash          text,                          -- of the one-time password that is out
    code               text,                          -- itself: only where no sender is configured, for the operator's queue
    code_method        text COLLATE "C",
    code_expires_at    timestamptz,
    code_tries         bigint NOT NULL DEFAULT 0,
    code_starts        timestamptz[] NOT NULL DEFAULT '{}', -- of the last hour
    code_sent_at       timestamptz,
    code_processed_at  timestamptz,
    provider_id        text,                          -- the phone number's id at Meta
    created_at         timestamptz NOT NULL,
    updated_at         timestamptz NOT NULL,
    fulfilled_at       timestamptz,
    rejected_at        timestamptz,
    cancelled_at       timestamptz,
    PRIMARY KEY (account_id, id),
    FOREIGN KEY (account_id, channel_request_id) REFERENCES channel_request (account_id, id),
    FOREIGN KEY (account_id, channel_id) REFERENCES channel (account_id, id),
    CHECK (state IN ('pending', 'active', 'rejected', 'cancelled')),
    CHECK ((state = 'active') = (fulfilled_at IS NOT NULL) AND (state = 'rejected') = (rejected_at IS NOT NULL)
        AND (state = 'cancelled') = (cancelled_at IS NOT NULL))
);
CREATE INDEX whatsapp_profile_of ON whatsapp_profile (account_id, channel_request_id, id);
-- The profile that a WhatsApp number is verified for: one in the whole installation. Local, as phone_number is.
CREATE TABLE whatsapp_number (
    phone      text COLLATE "C" PRIMARY KEY,          -- E.164
    owner_id   uuid NOT NULL,
    profile_id uuid NOT NULL UNIQUE
);

CREATE TABLE whatsapp_template (
    account_id         uuid NOT NULL,
    id                 uuid NOT NULL,
    channel_request_id uuid NOT NULL,
    channel_id         uuid NOT NULL,
    category_id        uuid NOT NULL,
    name               text NOT NULL,
    facebook_name      text COLLATE "C" NOT NULL,
    created_at         timestamptz NOT NULL,
    updated_at         timestamptz NOT NULL,
    cancelled_at       timestamptz,
    PRIMARY KEY (account_id, id),
    UNIQUE (account_id, channel_request_id, facebook_name),
    FOREIGN KEY (account_id, channel_request_id) REFERENCES channel_request (account_id, id),
    FOREIGN KEY (account_id, channel_id) REFERENCES channel (account_id, id)
);
CREATE TABLE template_field (
    account_id  uuid NOT NULL,
    template_id uuid NOT NULL,
    id          uuid NOT NULL,                        -- ascending: their order
    name        text NOT NULL,
    type        text COLLATE "C" NOT NULL,
    PRIMARY KEY (account_id, template_id, id),
    FOREIGN KEY (account_id, template_id) REFERENCES whatsapp_template (account_id, id),
    CHECK (type IN ('text', 'currency', 'datetime'))
);
CREATE TABLE template_language (
    account_id         uuid NOT NULL,
    template_id        uuid NOT NULL,
    language_id        uuid NOT NULL,
    id                 uuid NOT NULL,
    content            text NOT NULL,
    state              text COLLATE "C" NOT NULL,
    rejection_reason   text,
    submitted_at       timestamptz,                   -- when validation was asked for last
    created_at         timestamptz NOT NULL,
    updated_at         timestamptz NOT NULL,
    fulfilled_at       timestamptz,
    rejected_at        timestamptz,
    PRIMARY KEY (account_id, template_id, language_id),
    UNIQUE (account_id, id),
    FOREIGN KEY (account_id, template_id) REFERENCES whatsapp_template (account_id, id),
    CHECK (state IN ('draft', 'validating', 'active', 'rejected', 'suspended', 'cancelled')),
    CHECK ((state = 'rejected') = (rejected_at IS NOT NULL))
);

-- What the provider says of a template language, and what it is still to be told. Local: claimed across accounts.
CREATE TABLE provider_template (
    account_id   uuid NOT NULL,
    language_id  uuid NOT NULL,                       -- the template language
    business_id  text COLLATE "C" NOT NULL,           -- the business account at the provider
    provider_id  text COLLATE "C",                    -- the template there; null: not submitted yet
    status       text,                                -- as it was said
    synced_at    timestamptz,                         -- when it was heard of last
    told_at      timestamptz,                         -- when it was submitted last: what is older than that does not count
    error        text,                                -- of the last attempt
    attempts     bigint NOT NULL,
    due_at       timestamptz,                         -- of the next attempt to submit; null: nothing to submit
    PRIMARY KEY (account_id, language_id)
);
CREATE INDEX provider_template_due ON provider_template (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX provider_template_id ON provider_template (provider_id) WHERE provider_id IS NOT NULL;
-- When each business account is asked next about all of its templates.
CREATE TABLE provider_poll (
    business_id text COLLATE "C" PRIMARY KEY,
    due_at      timestamptz NOT NULL
);

-- --- the operator's work

CREATE TABLE work_item (
    account_id uuid NOT NULL REFERENCES account (id),
    id         uuid NOT NULL,
    kind       text COLLATE "C" NOT NULL,
    entity_id  uuid NOT NULL,
    state      text COLLATE "C" NOT NULL,
    reason     text,
    created_at timestamptz NOT NULL,
    decided_at timestamptz,
    PRIMARY KEY (account_id, id),
    CHECK (kind IN ('channel', 'businessAccount', 'number', 'profile', 'templateLanguage')),
    CHECK (state IN ('pending', 'approved', 'rejected')),
    CHECK ((state = 'pending') = (decided_at IS NULL))
);
CREATE INDEX work_item_queue ON work_item (state, id);
CREATE INDEX work_item_by_id ON work_item (id);                -- the operator names an item, not its account
CREATE UNIQUE INDEX work_item_pending ON work_item (account_id, kind, entity_id) WHERE state = 'pending';

GRANT SELECT, INSERT, UPDATE, DELETE ON channel_type, channel_category, number_type, whatsapp_language, template_category, phone_number,
    taken_keyword, channel_group, channel_request, channel, number_request, keyword_claim, channel_configuration, channel_endpoint,
    business_account, active_language, whatsapp_profile, whatsapp_number, whatsapp_template, template_field, template_language, provider_template,
    provider_poll, work_item TO reachbook_app;

-- --- what the catalogues start with; the operator edits them. The ids are made of the names, so they are the same everywhere.

INSERT INTO channel_type (id, key, description, currency, startup_cost, monthly_cost, processing_days, notice_days, auto_fulfil, coming_soon,
    created_at)
SELECT overlay(overlay(md5('channel type ' || key) PLACING '3' FROM 13) PLACING 'a' FROM 17)::uuid, key, description, 'EUR', 0, 0,
    days, notice, auto_fulfil, coming_soon, now() + place * interval '1 millisecond'
FROM (VALUES ('sms', 'SMS', 0, 0, true, false, 1), ('whatsApp', 'WhatsApp', 7, 30, false, false, 2), ('rcs', 'RCS', 0, 0, false, true, 3),
    ('viber', 'Viber', 0, 0, false, true, 4)) AS t (key, description, days, notice, auto_fulfil, coming_soon, place);
INSERT INTO channel_category (id, type_id, name, position)
SELECT overlay(overlay(md5('channel category ' || key || ' ' || c.name) PLACING '3' FROM 13) PLACING 'a' FROM 17)::uuid,
    t.id, c.name, c.position
FROM (VALUES ('sms', 'keywords', 1), ('sms', 'numbers', 2), ('whatsApp', 'templates', 1), ('whatsApp', 'profiles', 2),
    ('whatsApp', 'businessAccount', 3)) AS c (of_type, name, position) JOIN channel_type t ON t.key = c.of_type;
INSERT INTO template_category (id, name)
SELECT overlay(overlay(md5('template category ' || name) PLACING '3' FROM 13) PLACING 'a' FROM 17)::uuid, name
FROM unnest(ARRAY['AUTHENTICATION', 'MARKETING', 'UTILITY', 'ACCOUNT_UPDATE',
    'PAYMENT_UPDATE', 'PERSONAL_FINANCE_UPDATE', 'SHIPPING_UPDATE', 'RESERVATION_UPDATE', 'ISSUE_RESOLUTION',
    'APPOINTMENT_UPDATE', 'TRANSPORTATION_UPDATE', 'TICKET_UPDATE', 'ALERT_UPDATE']) AS c (name);
-- As Meta lists them.
INSERT INTO whatsapp_language (id, code, name)
SELECT overlay(overlay(md5('whatsapp language ' || code) PLACING '3' FROM 13) PLACING 'a' FROM 17)::uuid, code, name
FROM (VALUES
    ('af', 'Afrikaans'), ('sq', 'Albanian'), ('ar', 'Arabic'), ('ar_EG', 'Arabic (EGY)'), ('ar_AE', 'Arabic (UAE)'),
    ('ar_LB', 'Arabic (LBN)'), ('ar_MA', 'Arabic (MAR)'), ('ar_QA', 'Arabic (QAT)'), ('az', 'Azerbaijani'), ('be_BY', 'Belarusian'),
    ('bn', 'Bengali'), ('bn_IN', 'Bengali (IND)'), ('bg', 'Bulgarian'), ('ca', 'Catalan'), ('zh_CN', 'Chinese (CHN)'),
    ('zh_HK', 'Chinese (HKG)'), ('zh_TW', 'Chinese (TAI)'), ('hr', 'Croatian'), ('cs', 'Czech'), ('da', 'Danish'), ('prs_AF', 'Dari'),
    ('nl', 'Dutch'), ('nl_BE', 'Dutch (BEL)'), ('en', 'English'), ('en_GB', 'English (UK)'), ('en_US', 'English (US)'),
    ('en_AE', 'English (UAE)'), ('en_AU', 'English (AUS)'), ('en_CA', 'English (CAN)'), ('en_GH', 'English (GHA)'),
    ('en_IE', 'English (IRL)'), ('en_IN', 'English (IND)'), ('en_JM', 'English (JAM)'), ('en_MY', 'English (MYS)'),
    ('en_NZ', 'English (NZL)'), ('en_QA', 'English (QAT)'), ('en_SG', 'English (SGP)'), ('en_UG', 'English (UGA)'),
    ('en_ZA', 'English (ZAF)'), ('et', 'Estonian'), ('fil', 'Filipino'), ('fi', 'Finnish'), ('fr', 'French'), ('fr_BE', 'French (BEL)'),
    ('fr_CA', 'French (CAN)'), ('fr_CH', 'French (CHE)'), ('fr_CI', 'French (CIV)'), ('fr_MA', 'French (MAR)'), ('ka', 'Georgian'),
    ('de', 'German'), ('de_AT', 'German (AUT)'), ('de_CH', 'German (CHE)'), ('el', 'Greek'), ('el_CY', 'Greek (CYP)'),
    ('gu', 'Gujarati'), ('ha', 'Hausa'), ('he', 'Hebrew'), ('hi', 'Hindi'), ('hu', 'Hungarian'), ('id', 'Indonesian'), ('ga', 'Irish'),
    ('it', 'Italian'), ('ja', 'Japanese'), ('kn', 'Kannada'), ('kk', 'Kazakh'), ('rw_RW', 'Kinyarwanda'), ('ko', 'Korean'),
    ('ky_KG', 'Kyrgyz'), ('lo', 'Lao'), ('lv', 'Latvian'), ('lt', 'Lithuanian'), ('mk', 'Macedonian'), ('ms', 'Malay'),
    ('ml', 'Malayalam'), ('mr', 'Marathi'), ('nb', 'Norwegian'), ('ps_AF', 'Pashto'), ('fa', 'Persian'), ('pl', 'Polish'),
    ('pt_BR', 'Portuguese (BR)'), ('pt_PT', 'Portuguese (POR)'), ('pa', 'Punjabi'), ('ro', 'Romanian'), ('ru', 'Russian'),
    ('sr', 'Serbian'), ('si_LK', 'Sinhala'), ('sk', 'Slovak'), ('sl', 'Slovenian'), ('es', 'Spanish'), ('es_AR', 'Spanish (ARG)'),
    ('es_CL', 'Spanish (CHL)'), ('es_CO', 'Spanish (COL)'), ('es_CR', 'Spanish (CRI)'), ('es_DO', 'Spanish (DOM)'),
    ('es_EC', 'Spanish (ECU)'), ('es_HN', 'Spanish (HND)'), ('es_MX', 'Spanish (MEX)'), ('es_PA', 'Spanish (PAN)'),
    ('es_PE', 'Spanish (PER)'), ('es_ES', 'Spanish (SPA)'), ('es_UY', 'Spanish (URY)'), ('sw', 'Swahili'), ('sv', 'Swedish'),
    ('ta', 'Tamil'), ('te', 'Telugu'), ('th', 'Thai'), ('tr', 'Turkish'), ('uk', 'Ukrainian'), ('ur', 'Urdu'), ('uz', 'Uzbek'),
    ('vi', 'Vietnamese'), ('zu', 'Zulu')
) AS l (code, name);

-- migrate: rollback
