-- +goose Up
ALTER TABLE api_keys ADD COLUMN scopes TEXT NOT NULL DEFAULT 'read write calls metrics admin';
ALTER TABLE api_keys ADD COLUMN account_wide BOOLEAN NOT NULL DEFAULT TRUE;
ALTER TABLE api_keys ADD COLUMN imported BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE api_keys ADD COLUMN member_id TEXT NOT NULL DEFAULT '';
ALTER TABLE api_keys ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
ALTER TABLE api_keys ADD COLUMN updated INTEGER NOT NULL DEFAULT 0;
UPDATE api_keys SET updated = created;
CREATE INDEX api_keys_by_id ON api_keys (environment_id, id);
CREATE INDEX api_keys_by_label ON api_keys (environment_id, label, id);
CREATE INDEX api_keys_by_revoked ON api_keys (environment_id, revoked, created, id);
CREATE INDEX api_keys_by_member ON api_keys (environment_id, member_id, created, id);

CREATE TABLE members (
    id TEXT NOT NULL,
    environment_id TEXT NOT NULL,
    subject TEXT NOT NULL,
    name TEXT NOT NULL,
    name_folded TEXT NOT NULL,
    role TEXT NOT NULL,
    version INTEGER NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (environment_id) REFERENCES environments (id)
);
CREATE UNIQUE INDEX members_by_subject ON members (environment_id, subject);
CREATE INDEX members_by_id ON members (environment_id, id);
CREATE INDEX members_by_created ON members (environment_id, created, id);
CREATE INDEX members_by_updated ON members (environment_id, updated, id);
CREATE INDEX members_by_name ON members (environment_id, name);
CREATE INDEX members_by_name_folded ON members (environment_id, name_folded, id);
CREATE INDEX members_by_role ON members (environment_id, role, created, id);

CREATE TABLE audit_log (
    id TEXT NOT NULL,
    environment_id TEXT NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id TEXT NOT NULL,
    actor_label TEXT NOT NULL,
    request_id TEXT NOT NULL,
    action TEXT NOT NULL,
    noun TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    row_before TEXT NOT NULL,
    row_after TEXT NOT NULL,
    created INTEGER NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (environment_id) REFERENCES environments (id)
);
CREATE INDEX audit_log_by_id ON audit_log (environment_id, id);
CREATE INDEX audit_log_by_created ON audit_log (environment_id, created, id);
CREATE INDEX audit_log_by_actor_kind ON audit_log (environment_id, actor_kind, created, id);
CREATE INDEX audit_log_by_actor_id ON audit_log (environment_id, actor_id, created, id);
CREATE INDEX audit_log_by_action ON audit_log (environment_id, action, created, id);
CREATE INDEX audit_log_by_noun ON audit_log (environment_id, noun, created, id);
CREATE INDEX audit_log_by_resource_id ON audit_log (environment_id, resource_id, created, id);
CREATE INDEX audit_log_by_request_id ON audit_log (environment_id, request_id, created, id);

-- +goose Down
DROP TABLE audit_log;
DROP TABLE members;
DROP INDEX api_keys_by_member;
DROP INDEX api_keys_by_revoked;
DROP INDEX api_keys_by_label;
DROP INDEX api_keys_by_id;
ALTER TABLE api_keys DROP COLUMN updated;
ALTER TABLE api_keys DROP COLUMN version;
ALTER TABLE api_keys DROP COLUMN member_id;
ALTER TABLE api_keys DROP COLUMN imported;
ALTER TABLE api_keys DROP COLUMN account_wide;
ALTER TABLE api_keys DROP COLUMN scopes;
