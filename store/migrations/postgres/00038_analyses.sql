-- +goose Up
-- What was found out after a call, as JSON, and whether something is to be.
ALTER TABLE calls ADD COLUMN insights TEXT COLLATE "C" NOT NULL DEFAULT 'null';
ALTER TABLE calls ADD COLUMN analysed BOOLEAN NOT NULL DEFAULT FALSE;
-- A call that is over and is still to be analysed; id is the call's. Written with the call's end, deleted with the result.
CREATE TABLE analyses (
    id TEXT COLLATE "C" NOT NULL,
    environment_id TEXT COLLATE "C" NOT NULL,
    attempts BIGINT NOT NULL,
    fence BIGINT NOT NULL,
    due BIGINT NOT NULL,
    lease BIGINT NOT NULL,
    created BIGINT NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (environment_id) REFERENCES environments (id)
);
CREATE INDEX analyses_by_due ON analyses (due, id);
CREATE INDEX analyses_by_environment ON analyses (environment_id, id);

-- +goose Down
DROP TABLE analyses;
ALTER TABLE calls DROP COLUMN analysed;
ALTER TABLE calls DROP COLUMN insights;
