-- +goose Up
CREATE TABLE answers (
    id TEXT NOT NULL,
    environment_id TEXT NOT NULL,
    operation TEXT NOT NULL,
    request_hash TEXT NOT NULL,
    status INTEGER NOT NULL,
    body TEXT NOT NULL,
    created INTEGER NOT NULL,
    PRIMARY KEY (environment_id, id),
    FOREIGN KEY (environment_id) REFERENCES environments (id)
);
CREATE INDEX answers_by_created ON answers (environment_id, created);

-- +goose Down
DROP TABLE answers;
