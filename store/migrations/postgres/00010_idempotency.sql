-- +goose Up
CREATE TABLE answers (
    id TEXT COLLATE "C" NOT NULL,
    environment_id TEXT COLLATE "C" NOT NULL,
    operation TEXT COLLATE "C" NOT NULL,
    request_hash TEXT COLLATE "C" NOT NULL,
    status BIGINT NOT NULL,
    body TEXT COLLATE "C" NOT NULL,
    created BIGINT NOT NULL,
    PRIMARY KEY (environment_id, id),
    FOREIGN KEY (environment_id) REFERENCES environments (id)
);
CREATE INDEX answers_by_created ON answers (environment_id, created);

-- +goose Down
DROP TABLE answers;
