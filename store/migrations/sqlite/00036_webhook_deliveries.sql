-- +goose Up
ALTER TABLE webhooks ADD COLUMN shape TEXT NOT NULL DEFAULT 'contract';
-- Secrets sign what is sent to webhooks; previous_secret does until previous_until.
ALTER TABLE webhooks ADD COLUMN secret TEXT NOT NULL DEFAULT '';
ALTER TABLE webhooks ADD COLUMN previous_secret TEXT NOT NULL DEFAULT '';
ALTER TABLE webhooks ADD COLUMN previous_until INTEGER NOT NULL DEFAULT 0;
ALTER TABLE webhooks ADD COLUMN inactive BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE webhooks ADD COLUMN inactive_reason TEXT NOT NULL DEFAULT '';
-- The webhook of the agent that a call began with; '' for none.
ALTER TABLE calls ADD COLUMN webhook_id TEXT NOT NULL DEFAULT '';
-- One message to one webhook, written in the transaction of what it tells.
CREATE TABLE webhook_deliveries (
    id TEXT NOT NULL,
    environment_id TEXT NOT NULL,
    webhook_id TEXT NOT NULL,
    call_id TEXT NOT NULL,
    type TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    body TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    failure TEXT NOT NULL,
    due INTEGER NOT NULL,
    created INTEGER NOT NULL,
    queued INTEGER NOT NULL,
    settled INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (environment_id) REFERENCES environments (id)
);
CREATE UNIQUE INDEX webhook_deliveries_in_order ON webhook_deliveries (webhook_id, call_id, sequence);
CREATE INDEX webhook_deliveries_waiting ON webhook_deliveries (webhook_id, due, id) WHERE state = 'waiting';
CREATE INDEX webhook_deliveries_heads ON webhook_deliveries (webhook_id, call_id, sequence) WHERE state = 'waiting';
CREATE INDEX webhook_deliveries_by_id ON webhook_deliveries (environment_id, id);
CREATE INDEX webhook_deliveries_by_created ON webhook_deliveries (environment_id, created, id);
CREATE INDEX webhook_deliveries_by_webhook ON webhook_deliveries (environment_id, webhook_id, created, id);
CREATE INDEX webhook_deliveries_by_call ON webhook_deliveries (environment_id, call_id, created, id);
CREATE INDEX webhook_deliveries_by_state ON webhook_deliveries (environment_id, state, created, id);
CREATE INDEX webhook_deliveries_by_type ON webhook_deliveries (environment_id, type, created, id);
-- The requests of deliveries, without secrets.
CREATE TABLE webhook_attempts (
    id TEXT NOT NULL,
    environment_id TEXT NOT NULL,
    delivery_id TEXT NOT NULL,
    happened INTEGER NOT NULL,
    took INTEGER NOT NULL,
    url TEXT NOT NULL,
    request_headers TEXT NOT NULL,
    status INTEGER NOT NULL,
    response_headers TEXT NOT NULL,
    response TEXT NOT NULL,
    failure TEXT NOT NULL,
    error TEXT NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (environment_id) REFERENCES environments (id)
);
CREATE INDEX webhook_attempts_by_delivery ON webhook_attempts (environment_id, delivery_id, happened, id);
CREATE INDEX webhook_attempts_by_time ON webhook_attempts (environment_id, happened, id);
-- Which node sends to a webhook until when, and how its endpoint does; id is the webhook's.
CREATE TABLE webhook_endpoints (
    id TEXT NOT NULL,
    environment_id TEXT NOT NULL,
    node TEXT NOT NULL,
    fence INTEGER NOT NULL,
    lease INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    failing_since INTEGER NOT NULL,
    paused_until INTEGER NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (environment_id) REFERENCES environments (id)
);
CREATE INDEX webhook_endpoints_by_environment ON webhook_endpoints (environment_id, id);

-- +goose Down
DROP TABLE webhook_endpoints;
DROP TABLE webhook_attempts;
DROP TABLE webhook_deliveries;
ALTER TABLE calls DROP COLUMN webhook_id;
ALTER TABLE webhooks DROP COLUMN inactive_reason;
ALTER TABLE webhooks DROP COLUMN inactive;
ALTER TABLE webhooks DROP COLUMN previous_until;
ALTER TABLE webhooks DROP COLUMN previous_secret;
ALTER TABLE webhooks DROP COLUMN secret;
ALTER TABLE webhooks DROP COLUMN shape;
