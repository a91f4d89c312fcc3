-- +goose Up
-- Incoming calls that were refused. environment_id is whose number was called, '' when it is nobody's.
CREATE TABLE refused_calls (
    id TEXT COLLATE "C" PRIMARY KEY,
    environment_id TEXT COLLATE "C" NOT NULL,
    trunk TEXT COLLATE "C" NOT NULL,
    source TEXT COLLATE "C" NOT NULL,
    carrier_id TEXT COLLATE "C" NOT NULL,
    from_number TEXT COLLATE "C" NOT NULL,
    to_number TEXT COLLATE "C" NOT NULL,
    number TEXT COLLATE "C" NOT NULL,
    tried TEXT COLLATE "C" NOT NULL,
    cause TEXT COLLATE "C" NOT NULL,
    reason TEXT COLLATE "C" NOT NULL,
    count BIGINT NOT NULL,
    created BIGINT NOT NULL,
    last BIGINT NOT NULL,
    version BIGINT NOT NULL
);
CREATE INDEX refused_calls_by_id ON refused_calls (environment_id, id);
CREATE INDEX refused_calls_by_created ON refused_calls (environment_id, created, id);
CREATE INDEX refused_calls_by_trunk ON refused_calls (environment_id, trunk, created, id);
CREATE INDEX refused_calls_by_cause ON refused_calls (environment_id, cause, created, id);
-- The headers that a call is placed with, and what the caller's signalling said, as JSON.
ALTER TABLE calls ADD COLUMN headers_out TEXT COLLATE "C" NOT NULL DEFAULT 'null';
ALTER TABLE calls ADD COLUMN signalling TEXT COLLATE "C" NOT NULL DEFAULT '{}';

-- +goose Down
ALTER TABLE calls DROP COLUMN signalling;
ALTER TABLE calls DROP COLUMN headers_out;
DROP TABLE refused_calls;
