-- +goose Up
-- Incoming calls that were refused. environment_id is whose number was called, '' when it is nobody's.
CREATE TABLE refused_calls (
    id TEXT PRIMARY KEY,
    environment_id TEXT NOT NULL,
    trunk TEXT NOT NULL,
    source TEXT NOT NULL,
    carrier_id TEXT NOT NULL,
    from_number TEXT NOT NULL,
    to_number TEXT NOT NULL,
    number TEXT NOT NULL,
    tried TEXT NOT NULL,
    cause TEXT NOT NULL,
    reason TEXT NOT NULL,
    count INTEGER NOT NULL,
    created INTEGER NOT NULL,
    last INTEGER NOT NULL,
    version INTEGER NOT NULL
);
CREATE INDEX refused_calls_by_id ON refused_calls (environment_id, id);
CREATE INDEX refused_calls_by_created ON refused_calls (environment_id, created, id);
CREATE INDEX refused_calls_by_trunk ON refused_calls (environment_id, trunk, created, id);
CREATE INDEX refused_calls_by_cause ON refused_calls (environment_id, cause, created, id);
-- The headers that a call is placed with, and what the caller's signalling said, as JSON.
ALTER TABLE calls ADD COLUMN headers_out TEXT NOT NULL DEFAULT 'null';
ALTER TABLE calls ADD COLUMN signalling TEXT NOT NULL DEFAULT '{}';

-- +goose Down
ALTER TABLE calls DROP COLUMN signalling;
ALTER TABLE calls DROP COLUMN headers_out;
DROP TABLE refused_calls;
