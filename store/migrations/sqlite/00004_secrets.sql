-- +goose Up
CREATE TABLE data_keys (
    environment_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    wrapped TEXT NOT NULL,
    created INTEGER NOT NULL,
    PRIMARY KEY (environment_id, version),
    FOREIGN KEY (environment_id) REFERENCES environments (id)
);

-- +goose Down
DROP TABLE data_keys;
