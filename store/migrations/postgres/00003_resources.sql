-- +goose Up
CREATE TABLE actions (
    id TEXT COLLATE "C" NOT NULL,
    environment_id TEXT COLLATE "C" NOT NULL,
    type TEXT COLLATE "C" NOT NULL,
    label TEXT COLLATE "C" NOT NULL,
    label_folded TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C" NOT NULL,
    config TEXT COLLATE "C" NOT NULL,
    trigger_on TEXT COLLATE "C" NOT NULL,
    signature_secret TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (environment_id) REFERENCES environments (id)
);
CREATE INDEX actions_by_label ON actions (environment_id, label);
CREATE INDEX actions_by_created ON actions (environment_id, created, id);
CREATE INDEX actions_by_updated ON actions (environment_id, updated, id);
CREATE INDEX actions_by_label_folded ON actions (environment_id, label_folded, id);
CREATE INDEX actions_by_type ON actions (environment_id, type, id);
CREATE INDEX actions_by_id ON actions (environment_id, id);

CREATE TABLE webhooks (
    id TEXT COLLATE "C" NOT NULL,
    environment_id TEXT COLLATE "C" NOT NULL,
    label TEXT COLLATE "C" NOT NULL,
    label_folded TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C" NOT NULL,
    url TEXT COLLATE "C" NOT NULL,
    method TEXT COLLATE "C" NOT NULL,
    subscriptions TEXT COLLATE "C" NOT NULL,
    connection_id TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (environment_id) REFERENCES environments (id)
);
CREATE INDEX webhooks_by_label ON webhooks (environment_id, label);
CREATE INDEX webhooks_by_created ON webhooks (environment_id, created, id);
CREATE INDEX webhooks_by_updated ON webhooks (environment_id, updated, id);
CREATE INDEX webhooks_by_label_folded ON webhooks (environment_id, label_folded, id);
CREATE INDEX webhooks_by_url ON webhooks (environment_id, url);
CREATE INDEX webhooks_by_connection_id ON webhooks (environment_id, connection_id, created, id);
CREATE INDEX webhooks_by_id ON webhooks (environment_id, id);

CREATE TABLE vector_databases (
    id TEXT COLLATE "C" NOT NULL,
    environment_id TEXT COLLATE "C" NOT NULL,
    type TEXT COLLATE "C" NOT NULL,
    index_name TEXT COLLATE "C" NOT NULL,
    api_key TEXT COLLATE "C" NOT NULL,
    api_environment TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (environment_id) REFERENCES environments (id)
);
CREATE INDEX vector_databases_by_type ON vector_databases (environment_id, type);
CREATE INDEX vector_databases_by_created ON vector_databases (environment_id, created, id);
CREATE INDEX vector_databases_by_updated ON vector_databases (environment_id, updated, id);
CREATE INDEX vector_databases_by_index_name ON vector_databases (environment_id, index_name, id);
CREATE INDEX vector_databases_by_id ON vector_databases (environment_id, id);

CREATE TABLE connections (
    id TEXT COLLATE "C" NOT NULL,
    environment_id TEXT COLLATE "C" NOT NULL,
    type TEXT COLLATE "C" NOT NULL,
    label TEXT COLLATE "C" NOT NULL,
    label_folded TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C" NOT NULL,
    credentials TEXT COLLATE "C" NOT NULL,
    config TEXT COLLATE "C" NOT NULL,
    steering_pool TEXT COLLATE "C" NOT NULL,
    any_caller_id BOOLEAN NOT NULL,
    version BIGINT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (environment_id) REFERENCES environments (id)
);
CREATE INDEX connections_by_label ON connections (environment_id, label);
CREATE INDEX connections_by_created ON connections (environment_id, created, id);
CREATE INDEX connections_by_updated ON connections (environment_id, updated, id);
CREATE INDEX connections_by_label_folded ON connections (environment_id, label_folded, id);
CREATE INDEX connections_by_type ON connections (environment_id, type, id);
CREATE INDEX connections_by_id ON connections (environment_id, id);

CREATE TABLE dnc_numbers (
    id TEXT COLLATE "C" NOT NULL,
    environment_id TEXT COLLATE "C" NOT NULL,
    number TEXT COLLATE "C" NOT NULL,
    reason TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (environment_id) REFERENCES environments (id),
    UNIQUE (environment_id, number)
);
CREATE INDEX dnc_numbers_by_created ON dnc_numbers (environment_id, created, id);
CREATE INDEX dnc_numbers_by_updated ON dnc_numbers (environment_id, updated, id);
CREATE INDEX dnc_numbers_by_number ON dnc_numbers (environment_id, number, id);
CREATE INDEX dnc_numbers_by_id ON dnc_numbers (environment_id, id);

ALTER TABLE voices ADD COLUMN api_key TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE numbers ADD COLUMN detached BOOLEAN NOT NULL DEFAULT FALSE;

-- What a deletion asks for: who uses the row.
CREATE INDEX agents_by_webhook_id ON agents (environment_id, webhook_id, created, id);
CREATE INDEX agents_by_vector_database_id ON agents (environment_id, vector_database_id, created, id);
CREATE INDEX agents_by_model_account ON agents (environment_id, model_account, created, id);
CREATE INDEX numbers_by_live_connection_id ON numbers (environment_id, active, connection_id, created, id);
-- Usage of a month is the sum of its calls.
CREATE INDEX calls_by_started ON calls (environment_id, started, ended);

-- +goose Down
DROP INDEX calls_by_started;
DROP INDEX numbers_by_live_connection_id;
DROP INDEX agents_by_model_account;
DROP INDEX agents_by_vector_database_id;
DROP INDEX agents_by_webhook_id;
ALTER TABLE numbers DROP COLUMN detached;
ALTER TABLE voices DROP COLUMN api_key;
DROP TABLE dnc_numbers;
DROP TABLE connections;
DROP TABLE vector_databases;
DROP TABLE webhooks;
DROP TABLE actions;
