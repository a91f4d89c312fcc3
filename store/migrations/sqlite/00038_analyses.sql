-- +goose Up
-- What was found out after a call, as JSON, and whether something is to be.
ALTER TABLE calls ADD COLUMN insights TEXT NOT NULL DEFAULT 'null';
ALTER TABLE calls ADD COLUMN analysed BOOLEAN NOT NULL DEFAULT FALSE;
-- A call that is over and is still to be analysed; id is the call's. Written with the call's end, deleted with the result.
CREATE TABLE analyses (
    id TEXT NOT NULL,
    environment_id TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    due INTEGER NOT NULL,
    lease INTEGER NOT NULL,
    created INTEGER NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (environment_id) REFERENCES environments (id)
);
CREATE INDEX analyses_by_due ON analyses (due, id);
CREATE INDEX analyses_by_environment ON analyses (environment_id, id);

-- +goose Down
DROP TABLE analyses;
ALTER TABLE calls DROP COLUMN analysed;
ALTER TABLE calls DROP COLUMN insights;
