-- +goose Up
-- The sealed key of each environment's journals; id is the environment's.
CREATE TABLE journal_keys (
    id TEXT COLLATE "C" NOT NULL,
    environment_id TEXT COLLATE "C" NOT NULL,
    secret TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (environment_id) REFERENCES environments (id)
);
CREATE INDEX journal_keys_by_id ON journal_keys (environment_id, id);

-- +goose Down
DROP TABLE journal_keys;
